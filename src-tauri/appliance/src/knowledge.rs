//! The knowledge base: import, approval, and finding the entry that answers a question.

use crate::clinic::Clinic;
use crate::engine::Shared;
use crate::speech::SpeechStack;
use anteroom_documents::ImportError;
use anteroom_reception::question::without_asides;
use anteroom_reception::search::{Calibration, Candidate, fuse};
use anteroom_speech::embed::{EmbedError, Embedder};
use anteroom_speech::tts::TtsError;
use anteroom_store::{Store, StoreError};
use anteroom_types::knowledge::{EntryStatus, KnowledgeEntry};
use anteroom_types::limits::{ANSWER_CHARS_MAX, QUESTION_CHARS_MAX, QUESTION_VARIANTS_MAX};
use anteroom_types::{EntryId, UserFacing, Wall};
use std::path::Path;
use std::sync::Arc;

/// Hits taken from each kind of search.
const HITS: usize = 20;
/// Candidates kept after they are joined.
const CANDIDATES: usize = 5;

/// Why something about the knowledge base failed.
#[derive(Debug, thiserror::Error)]
pub enum KnowledgeError {
    /// A document could not be read.
    #[error("{file} could not be imported")]
    Import {
        /// The file.
        file: String,
        /// Why.
        source: ImportError,
    },
    /// A file could not be opened.
    #[error("{file} could not be read")]
    Read {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The store refused.
    #[error("the knowledge base could not be read or changed")]
    Store(#[from] StoreError),
    /// No embedding could be made.
    #[error("the text could not be embedded")]
    Embed(#[from] EmbedError),
    /// The answer could not be rendered to speech.
    #[error("the answer could not be rendered to speech")]
    Speech(#[from] TtsError),
    /// There is no such entry.
    #[error("there is no entry '{0}' in that state")]
    NoEntry(EntryId),
    /// The entry cannot be approved as it is.
    #[error("the entry '{id}' cannot be approved: {why}")]
    NotApprovable {
        /// The entry.
        id: EntryId,
        /// What it lacks.
        why: String,
    },
    /// A worker was lost.
    #[error("the search was lost")]
    Lost,
}

impl UserFacing for KnowledgeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Import { .. } => "knowledge.import",
            Self::Read { .. } => "knowledge.read",
            Self::Store(e) => e.code(),
            Self::Embed(e) => e.code(),
            Self::Speech(e) => e.code(),
            Self::NoEntry(_) => "knowledge.no-entry",
            Self::NotApprovable { .. } => "knowledge.not-approvable",
            Self::Lost => "knowledge.lost",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Import { source, .. } => source.hint(),
            Self::Read { .. } => "Check the path and that this user may read the file.".into(),
            Self::Store(e) => e.hint(),
            Self::Embed(e) => e.hint(),
            Self::Speech(e) => e.hint(),
            Self::NoEntry(_) => "List the entries with: anteroom knowledge list".into(),
            Self::NotApprovable { .. } => "Change the document it came from and import it again.".into(),
            Self::Lost => "Try again; if it happens again, look at the log.".into(),
        }
    }
}

/// Finds entries. Cheap to clone; blocking.
#[derive(Clone)]
pub struct Finder {
    store: Store,
    embedder: Arc<Embedder>,
    calibration: Calibration,
    language: String,
}

impl Finder {
    /// A finder over approved entries of the clinic's language.
    #[must_use]
    pub fn new(store: Store, embedder: Arc<Embedder>, clinic: &Clinic) -> Self {
        Self {
            store,
            embedder,
            calibration: clinic.calibration().clone(),
            language: clinic.language().to_owned(),
        }
    }

    /// The entries that may answer `question` at `now`, best first, with their answers.
    ///
    /// # Errors
    /// When the store or the embedder fails.
    pub fn find(&self, question: &str, now: Wall) -> Result<Vec<Candidate>, KnowledgeError> {
        let question: String = question.chars().take(QUESTION_CHARS_MAX).collect();
        let question = without_asides(&question, &self.language);
        let vector = self.embedder.embed(&question)?;
        let near = self.store.search_vectors(&vector, &self.language, now, HITS)?;
        let text = self.store.search_text(&question, &self.language, now, HITS)?;
        let mut found = fuse(&text, &near, &self.calibration);
        found.truncate(CANDIDATES);
        for c in &mut found {
            if let Some(e) = self.store.get_version(&c.entry, c.version)? {
                c.answer = e.answer;
            }
        }
        Ok(found)
    }
}

/// What is known of what a caller said: the entries that may answer it, and whether it sounds like danger.
#[derive(Debug, Clone, Default)]
pub(crate) struct Looked {
    pub(crate) candidates: Vec<Candidate>,
    pub(crate) urgent: bool,
}

/// Looks up what a caller said. When the search fails nothing answers, and the caller is passed on to a person.
pub(crate) async fn look(shared: &Arc<Shared>, words: &str) -> Looked {
    let (shared, words) = (Arc::clone(shared), words.to_owned());
    let looked = tokio::task::spawn_blocking(move || {
        let embedder = shared.speech.embedder();
        let failed = |e: &dyn std::error::Error| {
            tracing::error!(error = %anteroom_types::error::chain(e), "the search failed");
        };
        let urgent = shared.alarm.hears(&embedder, &words).unwrap_or_else(|e| {
            failed(&e);
            false
        });
        let finder = Finder::new(shared.store.clone(), embedder, shared.clinic());
        let candidates = finder.find(&words, shared.clock.wall()).unwrap_or_else(|e| {
            failed(&e);
            Vec::new()
        });
        Looked { candidates, urgent }
    });
    looked.await.unwrap_or_default()
}

/// Reads a file into drafts; returns their ids and versions. A draft that is equal to the entry's latest version makes
/// no new one.
///
/// # Errors
/// When the file or the document cannot be read, or the store refuses.
pub fn import_file(store: &Store, path: &Path) -> Result<Vec<(EntryId, u32)>, KnowledgeError> {
    let file = path.display().to_string();
    let read = |source| KnowledgeError::Read {
        file: file.clone(),
        source,
    };
    let size = std::fs::metadata(path).map_err(read)?.len();
    if size > anteroom_types::limits::DOCUMENT_BYTES_MAX {
        return Err(read(std::io::Error::other("it is larger than a document may be")));
    }
    let bytes = std::fs::read(path).map_err(read)?;
    let name = path
        .file_name()
        .map_or_else(|| file.clone(), |n| n.to_string_lossy().into_owned());
    import_bytes(store, &name, &bytes)
}

/// The same for bytes already at hand.
///
/// # Errors
/// When the document cannot be read, or the store refuses.
pub fn import_bytes(store: &Store, name: &str, bytes: &[u8]) -> Result<Vec<(EntryId, u32)>, KnowledgeError> {
    let limits = anteroom_documents::Limits::default();
    let drafts =
        anteroom_documents::import(bytes, name, &limits).map_err(|source| KnowledgeError::Import {
            file: name.to_owned(),
            source,
        })?;
    let mut made = Vec::with_capacity(drafts.len());
    for d in drafts {
        let entry = KnowledgeEntry {
            id: d.id.clone(),
            version: 0,
            language: d.language,
            title: d.title,
            questions: d.questions,
            answer: d.answer,
            status: EntryStatus::Draft,
            approved_by: None,
            approved_at: None,
            expires_at: d.expires,
            source: Some(d.source),
        };
        if let Some(latest) = store.get(&entry.id)?
            && same_words(&latest, &entry)
        {
            made.push((latest.id, latest.version));
            continue;
        }
        let version = store.put_draft(entry)?;
        made.push((d.id, version));
    }
    Ok(made)
}

fn same_words(a: &KnowledgeEntry, b: &KnowledgeEntry) -> bool {
    a.language == b.language
        && a.title == b.title
        && a.questions == b.questions
        && a.answer == b.answer
        && a.expires_at == b.expires_at
        && a.status != EntryStatus::Retired
}

/// Approves a version in `approver`'s name: its questions are embedded and its answer is rendered to speech first, so
/// that what is approved can be found and spoken at once. Approving what is approved changes nothing.
///
/// # Errors
/// When the entry lacks something, or a part of the work fails; the entry then stays a draft.
pub async fn approve(
    store: &Store,
    speech: &SpeechStack,
    id: &EntryId,
    version: u32,
    approver: &str,
    at: Wall,
) -> Result<(), KnowledgeError> {
    let entry = store
        .get_version(id, version)?
        .ok_or_else(|| KnowledgeError::NoEntry(id.clone()))?;
    if entry.status == EntryStatus::Approved {
        return Ok(());
    }
    let refuse = |why: &str| {
        Err(KnowledgeError::NotApprovable {
            id: id.clone(),
            why: why.to_owned(),
        })
    };
    if entry.status == EntryStatus::Retired {
        return refuse("it was withdrawn");
    }
    if entry.answer.trim().is_empty() || entry.answer.chars().count() > ANSWER_CHARS_MAX {
        return refuse("its answer is empty or too long to be spoken");
    }
    if entry.questions.len() > QUESTION_VARIANTS_MAX {
        return refuse("it has too many questions");
    }
    if approver.trim().is_empty() {
        return refuse("nobody approves it");
    }
    let embedder = speech.embedder();
    // The title stands for an entry that names no questions.
    let mut texts = entry.questions.clone();
    texts.push(entry.title.clone());
    let vectors = tokio::task::spawn_blocking(move || {
        texts
            .into_iter()
            .map(|t| embedder.embed(&t).map(|v| (t, v)))
            .collect::<Result<Vec<_>, _>>()
    })
    .await
    .map_err(|_| KnowledgeError::Lost)??;
    speech.render_approved(&entry.answer).await?;
    store.approve(id, version, approver, at, vectors)?;
    Ok(())
}
