//! The approved question variants in memory, for the search that stands between a caller and an answer.

use crate::vector::{VectorError, VectorIndex};
use anteroom_types::knowledge::VectorHit;
use anteroom_types::{EntryId, Wall};
use std::collections::HashMap;
use std::sync::Arc;

/// Numbers in a vector: all-MiniLM-L6-v2.
pub const VECTOR_DIM: usize = 384;

/// What is known of the entry version a variant belongs to.
#[derive(Debug)]
pub(crate) struct Approved {
    pub(crate) rid: i64,
    pub(crate) entry: EntryId,
    pub(crate) version: u32,
    pub(crate) title: String,
    pub(crate) lang: String,
    pub(crate) expires_at: Option<i64>,
}

pub(crate) struct KnowledgeIndex {
    vectors: VectorIndex,
    variants: HashMap<u64, (Arc<Approved>, String)>,
}

impl KnowledgeIndex {
    pub(crate) fn new() -> Self {
        Self {
            vectors: VectorIndex::new(VECTOR_DIM),
            variants: HashMap::new(),
        }
    }

    pub(crate) fn insert(
        &mut self,
        variant: u64,
        entry: &Arc<Approved>,
        question: String,
        vector: &[f32],
    ) -> Result<(), VectorError> {
        self.vectors.insert(variant, vector)?;
        self.variants.insert(variant, (Arc::clone(entry), question));
        Ok(())
    }

    /// Takes every variant of an entry version out.
    pub(crate) fn remove_entry(&mut self, rid: i64) {
        let gone: Vec<u64> = self
            .variants
            .iter()
            .filter(|(_, (e, _))| e.rid == rid)
            .map(|(v, _)| *v)
            .collect();
        for v in gone {
            self.variants.remove(&v);
            self.vectors.remove(v);
        }
    }

    pub(crate) fn search(
        &self,
        query: &[f32],
        lang: &str,
        now: Wall,
        k: usize,
    ) -> Result<Vec<VectorHit>, VectorError> {
        let speakable = |id: u64| {
            self.variants
                .get(&id)
                .is_some_and(|(e, _)| e.lang == lang && e.expires_at.is_none_or(|t| t > now.0))
        };
        // Several variants of one entry may be nearest; ask for more until there are enough entries.
        let mut ask = k.saturating_mul(4).max(16);
        loop {
            let found = self.vectors.search(query, ask, speakable)?;
            let exhausted = found.len() < ask;
            let mut hits: Vec<VectorHit> = Vec::with_capacity(k);
            for (id, cosine) in found {
                let Some((e, question)) = self.variants.get(&id) else {
                    continue;
                };
                if hits.len() == k {
                    break;
                }
                if !hits.iter().any(|h| h.entry == e.entry) {
                    hits.push(VectorHit {
                        entry: e.entry.clone(),
                        version: e.version,
                        title: e.title.clone(),
                        question: question.clone(),
                        cosine,
                    });
                }
            }
            if hits.len() >= k || exhausted {
                return Ok(hits);
            }
            ask = ask.saturating_mul(4);
        }
    }
}
