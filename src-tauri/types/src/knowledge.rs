//! Knowledge entries: what the clinic has approved to be said, and what a search over them finds.

use crate::ids::EntryId;
use crate::time::Wall;
use serde::{Deserialize, Serialize};

/// Where an entry version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EntryStatus {
    /// Written or imported, never spoken.
    Draft,
    /// Approved by a named person; may be spoken until it expires.
    Approved,
    /// Withdrawn or replaced by a later version; never spoken again.
    Retired,
}

/// One version of one entry. Versions never change once approved; an edit makes the next one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct KnowledgeEntry {
    /// The entry's stable name.
    pub id: EntryId,
    /// From 1.
    pub version: u32,
    /// BCP 47 language tag, e.g. `en`.
    pub language: String,
    /// A short title for staff.
    pub title: String,
    /// Ways callers ask for it.
    pub questions: Vec<String>,
    /// The words that are spoken.
    pub answer: String,
    /// Where it stands.
    pub status: EntryStatus,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When it was approved.
    pub approved_at: Option<Wall>,
    /// From when on it may no longer be spoken.
    pub expires_at: Option<Wall>,
    /// Where it came from: a file name, or `editor`.
    pub source: Option<String>,
}

/// A full-text hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TextHit {
    /// The entry found.
    pub entry: EntryId,
    /// Its approved version.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// BM25, higher is better (SQLite's sign turned round).
    pub bm25: f32,
    /// The share of the query's content words that occur in the entry's questions, title or answer, 0 to 1.
    pub coverage: f32,
}

/// A nearest-vector hit: the best question variant of an entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VectorHit {
    /// The entry found.
    pub entry: EntryId,
    /// Its approved version.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// The variant that was nearest.
    pub question: String,
    /// Cosine similarity, -1 to 1.
    pub cosine: f32,
}
