//! Turns documents a clinic already has into draft knowledge entries.
//!
//! [`import`] reads Markdown, plain text, CSV, HTML, DOCX and PDF. What comes out are drafts: nothing here approves
//! anything, and nothing is spoken until a named person has approved it.
//!
//! # Architecture invariants
//!
//! This crate knows no SQL and no network, and keeps no state besides a count of its own threads. A document is
//! bytes somebody else wrote: it is measured before it is parsed ([`Limits`]), whatever it unpacks to is measured
//! while it unpacks, and parsing runs on a thread of its own so that a panic in a parser, or a parser that never
//! ends, is an [`ImportError`] and not the end of the appliance.

mod contain;
mod csv_table;
mod docx;
mod draft;
mod error;
mod html;
mod markdown;
mod pdf;
mod pdf_layout;
mod plain;
mod text;

pub use error::ImportError;

use anteroom_types::limits::{DOCUMENT_BYTES_MAX, IMPORT_ENTRIES_MAX};
use anteroom_types::{EntryId, Wall};

/// One entry as a document suggests it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftEntry {
    /// The name the document gives it, or one made from its title. Unique within one import.
    pub id: EntryId,
    /// A short title.
    pub title: String,
    /// Ways callers ask for it; may be empty when the document names none.
    pub questions: Vec<String>,
    /// What would be spoken: plain sentences on one line, at most
    /// [`ANSWER_CHARS_MAX`](anteroom_types::limits::ANSWER_CHARS_MAX) characters.
    pub answer: String,
    /// BCP 47 language tag; `en` when the document does not say.
    pub language: String,
    /// Where it comes from: the file's name, and for a PDF the page.
    pub source: String,
    /// From when on it may no longer be spoken: the end (UTC) of the day the document names.
    pub expires: Option<Wall>,
}

/// What an import may use up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the document.
    pub document_bytes_max: u64,
    /// Bytes a packed document (DOCX, PDF) may unpack to.
    pub unpacked_bytes_max: u64,
    /// Bytes of text (Markdown, text, CSV, HTML).
    pub text_bytes_max: u64,
    /// Pages of a PDF.
    pub pages_max: usize,
    /// Entries the import may make.
    pub entries_max: usize,
    /// Characters of one entry's answer when running text is split: about 40 seconds of speech.
    pub chunk_chars: usize,
    /// Milliseconds the whole import may take.
    pub time_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes_max: DOCUMENT_BYTES_MAX,
            unpacked_bytes_max: 64 * 1024 * 1024,
            text_bytes_max: 8 * 1024 * 1024,
            pages_max: 2_000,
            entries_max: IMPORT_ENTRIES_MAX,
            chunk_chars: 600,
            time_ms_max: 60_000,
        }
    }
}

/// The formats [`import`] reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Markdown: each heading an entry.
    Markdown,
    /// Plain text: paragraphs, or `Q:` lines and answers.
    Text,
    /// A table with a header line.
    Csv,
    /// A web page.
    Html,
    /// Word's format.
    Docx,
    /// Portable document format.
    Pdf,
}

impl Format {
    /// What `bytes` called `name` are: by their first bytes when these say so, by the name's ending otherwise.
    ///
    /// # Errors
    /// [`ImportError::UnknownFormat`], or [`ImportError::Locked`] for an encrypted or old binary Word file.
    pub fn detect(bytes: &[u8], name: &str) -> Result<Self, ImportError> {
        if bytes.starts_with(b"PK\x03\x04") {
            return Ok(Self::Docx);
        }
        // Word locks a document by wrapping it in the same container its old binary format used.
        if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
            return Err(ImportError::Locked);
        }
        // ISO 32000-1 annex H: readers accept the header within the first 1024 bytes.
        let head = bytes.get(..1024).unwrap_or(bytes);
        if head.windows(5).any(|w| w == b"%PDF-") {
            return Ok(Self::Pdf);
        }
        let ending = name.rsplit_once('.').map_or("", |(_, e)| e).to_ascii_lowercase();
        match ending.as_str() {
            "md" | "markdown" => Ok(Self::Markdown),
            "txt" | "text" => Ok(Self::Text),
            "csv" => Ok(Self::Csv),
            "html" | "htm" | "xhtml" => Ok(Self::Html),
            "docx" => Ok(Self::Docx),
            "pdf" => Ok(Self::Pdf),
            _ => Err(ImportError::UnknownFormat),
        }
    }
}

/// Reads a document into drafts. `name` is the file's name; only its last part is used, for the format, the source
/// and, where the document has no title, the title.
///
/// Blocks the calling thread for at most [`Limits::time_ms_max`]; call it from a blocking context.
///
/// # Errors
/// See [`ImportError`]; each says what is wrong and, through
/// [`UserFacing`](anteroom_types::UserFacing), what to do about it.
pub fn import(bytes: &[u8], name: &str, limits: &Limits) -> Result<Vec<DraftEntry>, ImportError> {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > limits.document_bytes_max {
        return Err(ImportError::TooBig {
            bytes_max: limits.document_bytes_max,
        });
    }
    if bytes.is_empty() {
        return Err(ImportError::Nothing);
    }
    let format = Format::detect(bytes, name)?;
    let file = text::file_name(name);
    let owned = bytes.to_vec();
    let inner = limits.clone();
    contain::run(limits.time_ms_max, move || parse(&owned, &file, format, &inner))
}

fn parse(bytes: &[u8], file: &str, format: Format, limits: &Limits) -> Result<Vec<DraftEntry>, ImportError> {
    let entries = match format {
        Format::Csv => csv_table::read(&text::decode(bytes, None, limits)?, file, limits)?,
        Format::Markdown => {
            draft::from_document(markdown::read(&text::decode(bytes, None, limits)?), file, limits)?
        }
        Format::Text => draft::from_document(plain::read(&text::decode(bytes, None, limits)?), file, limits)?,
        Format::Html => {
            let label = html::declared_charset(bytes);
            draft::from_document(
                html::read(&text::decode(bytes, label.as_deref(), limits)?)?,
                file,
                limits,
            )?
        }
        Format::Docx => draft::from_document(docx::read(bytes, limits)?, file, limits)?,
        Format::Pdf => draft::from_document(pdf::read(bytes, limits)?, file, limits)?,
    };
    if entries.is_empty() {
        return Err(ImportError::Nothing);
    }
    Ok(entries)
}
