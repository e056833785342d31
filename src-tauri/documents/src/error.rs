//! Why a document could not be imported.

use anteroom_types::{ErrorCode, UserFacing};

/// Why a document could not be imported. Its text never repeats the document's own words, except an id or a date
/// that could not be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The document has more bytes than allowed.
    #[error("the document is larger than {bytes_max} bytes")]
    TooBig {
        /// The limit that was passed.
        bytes_max: u64,
    },
    /// Neither the first bytes nor the name say what it is.
    #[error("the document is of no known format")]
    UnknownFormat,
    /// It should be text and is not.
    #[error("the document is not text")]
    NotText,
    /// It needs a password, or is in Word's old binary format.
    #[error("the document is locked with a password or in an old binary format")]
    Locked,
    /// It is damaged, or not what its name says.
    #[error("the document cannot be read as {format}: {problem}")]
    Unreadable {
        /// The format it was taken for.
        format: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// It unpacks to more than allowed.
    #[error("the document unpacks to more than {bytes_max} bytes")]
    UnpacksTooLarge {
        /// The limit that was passed.
        bytes_max: u64,
    },
    /// It has too many pages.
    #[error("the document has more than {pages_max} pages")]
    TooManyPages {
        /// The limit that was passed.
        pages_max: usize,
    },
    /// A line of it is wrong.
    #[error("line {line}: {problem}")]
    Line {
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// It would make too many entries.
    #[error("the document makes more than {entries_max} entries")]
    TooManyEntries {
        /// The limit that was passed.
        entries_max: usize,
    },
    /// There is nothing in it that could be an answer.
    #[error("the document has no text that could be an answer")]
    Nothing,
    /// The parser gave up in a way it should not.
    #[error("the reader of this format failed on the document")]
    Crashed,
    /// It took too long.
    #[error("the document could not be read within {ms} milliseconds")]
    TookTooLong {
        /// The time allowed.
        ms: u64,
    },
    /// Earlier documents that took too long are still being given up.
    #[error("too many documents are being read at once")]
    Busy,
}

impl UserFacing for ImportError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooBig { .. } => "documents.too_big",
            Self::UnknownFormat => "documents.unknown_format",
            Self::NotText => "documents.not_text",
            Self::Locked => "documents.locked",
            Self::Unreadable { .. } => "documents.unreadable",
            Self::UnpacksTooLarge { .. } => "documents.unpacks_too_large",
            Self::TooManyPages { .. } => "documents.too_many_pages",
            Self::Line { .. } => "documents.line",
            Self::TooManyEntries { .. } => "documents.too_many_entries",
            Self::Nothing => "documents.nothing",
            Self::Crashed => "documents.crashed",
            Self::TookTooLong { .. } => "documents.took_too_long",
            Self::Busy => "documents.busy",
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::TooBig { .. } | Self::TooManyPages { .. } | Self::TooManyEntries { .. } => {
                "Split the document and import the parts one by one."
            }
            Self::UnknownFormat => {
                "Give the file a name that ends in .md, .txt, .csv, .html, .docx or .pdf, or save it as one of these."
            }
            Self::NotText => "Save the document as UTF-8 text, or import the original .docx or .pdf instead.",
            Self::Locked => "Open the document, remove its password, and save it as .docx or .pdf.",
            Self::Unreadable { .. } | Self::Crashed => {
                "Open the document in the program that made it, save it again, and import the new file; or copy its text into a .txt file."
            }
            Self::UnpacksTooLarge { .. } => {
                "Remove pictures and embedded files from the document, or copy its text into a .txt file."
            }
            Self::Line { .. } => "Correct that line and import the file again; nothing was imported.",
            Self::Nothing => {
                "Check that the document has text in it; a scanned document has only pictures, so type the answers into a .md file instead."
            }
            Self::TookTooLong { .. } => "Split the document, or copy its text into a .txt file.",
            Self::Busy => "Wait a minute and import the document again.",
        }
        .to_owned()
    }
}
