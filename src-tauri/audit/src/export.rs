//! The export format: JSON, one object a line, so that a chain can be verified offline on another machine.
//!
//! 1. `{"type":"anteroom-audit","format":1,"public_key":"<64 hex>"}`, once, first.
//! 2. `{"type":"entry",…}` with the fields of [`Entry`], in order, from number 1.
//! 3. `{"type":"head",…}` with the fields of [`SignedHead`], after the entry it speaks of; a `head` at the end of the
//!    file vouches for all of it.
//!
//! Anybody can check the hashes with a SHA-256 tool and the signatures with any Ed25519 library; the crate's own page
//! says which bytes. The key in the first line is convenient, not trustworthy: whoever rewrote the file could put
//! theirs there. Compare it with the one printed by the appliance (`anteroom audit head`), or give it to the verifier.

use crate::chain::Entry;
use crate::digest::Digest;
use crate::head::SignedHead;
use crate::verify::{Report, Verifier, Why};
use serde::{Deserialize, Serialize};

/// Version of the format.
pub const FORMAT: u32 = 1;
/// Bytes of one line; a longer one is refused before it is parsed.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// One line of an export.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Line {
    /// The first line.
    AnteroomAudit {
        /// [`FORMAT`].
        format: u32,
        /// The key that heads are said to be signed by.
        public_key: Digest,
    },
    /// An entry.
    Entry(Entry),
    /// A signed head.
    Head(SignedHead),
}

impl Line {
    /// The line as text, with its line feed.
    ///
    /// # Errors
    /// When the line cannot be written as JSON; lines made from a chain always can.
    pub fn to_text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|s| s + "\n")
    }
}

/// Verifies an export line by line.
#[derive(Debug)]
pub struct LineVerifier {
    trusted: Option<Digest>,
    extra_heads: Vec<SignedHead>,
    inner: Option<(Verifier, Digest)>,
    first_line_bad: bool,
}

/// A report on an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportReport {
    /// The report on the chain.
    #[serde(flatten)]
    pub report: Report,
    /// The key the heads were checked with.
    pub public_key: Digest,
    /// Whether that key was given by the person verifying. If not, it is the file's own claim.
    pub key_trusted: bool,
}

impl LineVerifier {
    /// A verifier that trusts `public_key` if one is given, else the file's own, and that also holds the file to
    /// `heads` kept elsewhere.
    #[must_use]
    pub const fn new(public_key: Option<Digest>, heads: Vec<SignedHead>) -> Self {
        Self {
            trusted: public_key,
            extra_heads: heads,
            inner: None,
            first_line_bad: false,
        }
    }

    /// The next line, with or without its line feed. Empty lines are passed over.
    pub fn push(&mut self, line: &str) {
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return;
        }
        let parsed = (line.len() <= LINE_BYTES_MAX)
            .then(|| serde_json::from_str::<Line>(line).ok())
            .flatten();
        match (&mut self.inner, parsed) {
            (
                None,
                Some(Line::AnteroomAudit {
                    format: FORMAT,
                    public_key,
                }),
            ) => {
                let key = self.trusted.unwrap_or(public_key);
                self.inner = Some((Verifier::new(&self.extra_heads, &key), key));
            }
            (None, _) => self.first_line_bad = true,
            (Some((v, _)), Some(Line::Entry(entry))) => v.push(&entry),
            (Some((v, key)), Some(Line::Head(head))) => v.head(&head, key),
            (Some((v, _)), Some(Line::AnteroomAudit { .. }) | None) => v.bad(v.count() + 1, Why::Unreadable),
        }
    }

    /// The report once every line was pushed.
    #[must_use]
    pub fn finish(self) -> ExportReport {
        let (mut verifier, public_key) = self.inner.unwrap_or_else(|| {
            let key = self.trusted.unwrap_or_default();
            let mut v = Verifier::new(&self.extra_heads, &key);
            v.bad(0, Why::Unreadable);
            (v, key)
        });
        if self.first_line_bad {
            verifier.bad(0, Why::Unreadable);
        }
        ExportReport {
            report: verifier.finish(),
            public_key,
            key_trusted: self.trusted.is_some(),
        }
    }
}
