//! What is kept: calls and entries.

use crate::task::TaskDto;
use anteroom_types::knowledge::KnowledgeEntry;
use anteroom_types::{CallEvent, CallId, EndReason, TraceId, Wall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most rows one answer lists.
pub const PAGE_ROWS_MAX: u32 = 200;
/// Rows an answer lists when nothing else is asked for.
pub const PAGE_ROWS_DEFAULT: u32 = 50;
/// Longest text to search calls for, in characters.
pub const SEARCH_CHARS_MAX: usize = 200;

/// The query of `GET /api/v1/calls`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CallsQuery {
    /// Most rows wanted, at most [`PAGE_ROWS_MAX`].
    pub limit: Option<u32>,
    /// Only calls before this one; the last of the page before.
    pub before: Option<CallId>,
}

impl CallsQuery {
    /// The number of rows to list.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.limit.unwrap_or(PAGE_ROWS_DEFAULT).clamp(1, PAGE_ROWS_MAX)
    }
}

/// The body of `POST /api/v1/calls/search`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// The words sought, at most [`SEARCH_CHARS_MAX`] characters. They can be a name: never logged.
    pub text: String,
    /// Most rows wanted, at most [`PAGE_ROWS_MAX`].
    pub limit: Option<u32>,
}

/// A call in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallSummary {
    /// The call.
    pub id: CallId,
    /// Its trace.
    pub trace: TraceId,
    /// When it was offered.
    pub started_at: Wall,
    /// Seconds it lasted; none while it lasts.
    pub seconds: Option<u32>,
    /// The caller's number or address; the user of a telephone of the clinic that placed it.
    pub from: String,
    /// Whom a telephone of the clinic rang; none for a caller's call.
    pub to: Option<String>,
    /// The trunk it came by; `inside` when a telephone of the clinic placed it.
    pub trunk: String,
    /// Whether it was marked urgent.
    pub urgent: bool,
    /// Turns heard from the caller.
    pub turns: u32,
    /// Entries answered with.
    pub answers: u32,
    /// Tasks made.
    pub tasks: u32,
    /// Why it ended; none while it lasts.
    pub ended: Option<EndReason>,
    /// The first words understood, if any.
    pub first_words: Option<String>,
}

/// A page of calls, newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallsPage {
    /// The calls.
    pub calls: Vec<CallSummary>,
    /// What to send as `before` for the next page; none at the end.
    pub next: Option<CallId>,
}

/// The recording of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecordingInfo {
    /// How long.
    pub seconds: u32,
    /// How large, encrypted.
    pub bytes: u64,
}

/// A call with everything that happened in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CallDetail {
    /// As in the list.
    pub summary: CallSummary,
    /// What happened, in order.
    pub events: Vec<CallEvent<String>>,
    /// The tasks it left.
    pub tasks: Vec<TaskDto>,
    /// Its recording, if it was recorded.
    pub recording: Option<RecordingInfo>,
}

/// One version of an entry, and whether it is still what would be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EntryDetail {
    /// The version asked for.
    pub entry: KnowledgeEntry,
    /// The version that is approved now, if any.
    pub current_version: Option<u32>,
}
