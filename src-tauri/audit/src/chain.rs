//! Entries and the chain they make.

use crate::digest::Digest;
use anteroom_types::time::Wall;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Bytes of an entry's detail as canonical JSON.
pub const DETAIL_BYTES_MAX: usize = 16 * 1024;
/// Bytes of an entry's kind, actor or subject.
pub const NAME_BYTES_MAX: usize = 200;
/// Levels of arrays and objects in a detail.
const DETAIL_DEPTH_MAX: u32 = 16;
/// Integers beyond this are not the same number to every reader of JSON (RFC 8785, 3.2.2.3).
const INTEGER_MAX: u64 = (1 << 53) - 1;
const DOMAIN: &[u8] = b"anteroom.audit.entry.v1\n";

/// One link of the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Number in the chain, from 1, without gaps.
    pub seq: u64,
    /// When, by the wall clock.
    pub at: Wall,
    /// What happened, `area.verb`, e.g. `call.answered`.
    pub kind: String,
    /// Who did it: a user's id, `system` or `caller`.
    pub actor: String,
    /// What it was done to: an id such as a call's, an entry's or a user's.
    pub subject: String,
    /// More, without personal data: ids, numbers and commitments.
    pub detail: Value,
    /// Hash of the entry before; 32 zero bytes for the first.
    pub prev: Digest,
    /// Hash of this entry. See the crate for what is hashed.
    pub hash: Digest,
}

#[derive(Serialize)]
struct Hashed<'a> {
    actor: &'a str,
    at: Wall,
    detail: &'a Value,
    kind: &'a str,
    prev: &'a Digest,
    seq: u64,
    subject: &'a str,
}

/// Why an entry was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Kind, actor or subject is empty or too long.
    #[error("{0} must be 1 to {NAME_BYTES_MAX} bytes")]
    Name(&'static str),
    /// The detail is too large or nested too deeply.
    #[error("detail is over {DETAIL_BYTES_MAX} bytes or nested deeper than {DETAIL_DEPTH_MAX} levels")]
    TooLarge,
    /// A number that is not the same to every reader of JSON. Scores are written in thousandths.
    #[error("detail or time holds a fraction or an integer beyond 2^53-1")]
    Number,
    /// The canonical form could not be made.
    #[error("no canonical form")]
    Canonical(#[source] serde_json::Error),
    /// The chain is at its largest number.
    #[error("the chain is full")]
    Full,
}

impl AppendError {
    /// A stable code.
    #[must_use]
    pub const fn code(&self) -> anteroom_types::ErrorCode {
        match self {
            Self::Name(_) => "audit.name",
            Self::TooLarge => "audit.too_large",
            Self::Number => "audit.number",
            Self::Canonical(_) => "audit.canonical",
            Self::Full => "audit.full",
        }
    }
}

impl Entry {
    /// The hash this entry ought to have. `None` when it has no canonical form, which an appended entry always has.
    #[must_use]
    pub fn expected_hash(&self) -> Option<Digest> {
        self.canonical().ok().map(|c| digest(&c))
    }

    /// The canonical JSON that is hashed, without the domain line.
    ///
    /// # Errors
    /// When a limit is broken or there is no canonical form.
    pub fn canonical(&self) -> Result<Vec<u8>, AppendError> {
        for (name, text) in [
            ("kind", &self.kind),
            ("actor", &self.actor),
            ("subject", &self.subject),
        ] {
            if !(1..=NAME_BYTES_MAX).contains(&text.len()) {
                return Err(AppendError::Name(name));
            }
        }
        check(&self.detail, DETAIL_DEPTH_MAX)?;
        if self.at.0.unsigned_abs() > INTEGER_MAX || self.seq > INTEGER_MAX {
            return Err(AppendError::Number);
        }
        if bytes(&self.detail)?.len() > DETAIL_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        bytes(&Hashed {
            actor: &self.actor,
            at: self.at,
            detail: &self.detail,
            kind: &self.kind,
            prev: &self.prev,
            seq: self.seq,
            subject: &self.subject,
        })
    }
}

fn bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, AppendError> {
    serde_json_canonicalizer::to_vec(value).map_err(AppendError::Canonical)
}

fn digest(canonical: &[u8]) -> Digest {
    let mut h = Sha256::new();
    h.update(DOMAIN);
    h.update(canonical);
    Digest(h.finalize().into())
}

fn check(value: &Value, depth_left: u32) -> Result<(), AppendError> {
    let Some(inner) = depth_left.checked_sub(1) else {
        return Err(AppendError::TooLarge);
    };
    match value {
        Value::Array(items) => items.iter().try_for_each(|v| check(v, inner)),
        Value::Object(map) => map.values().try_for_each(|v| check(v, inner)),
        Value::Number(n) => {
            let far = n.as_u64().map_or_else(
                || n.as_i64().is_some_and(|i| i.unsigned_abs() > INTEGER_MAX),
                |u| u > INTEGER_MAX,
            );
            // A fraction is not read back to the same bits by every parser, and then the hash would not hold.
            if far || n.is_f64() {
                Err(AppendError::Number)
            } else {
                Ok(())
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

/// The end of a chain: all that is needed to append to it. `Copy`, so that a writer whose transaction fails can go
/// back to where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chain {
    seq: u64,
    hash: Digest,
}

impl Chain {
    /// An empty chain.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
    /// A chain that ends with entry number `seq` whose hash is `hash`.
    #[must_use]
    pub const fn resume(seq: u64, hash: Digest) -> Self {
        Self { seq, hash }
    }
    /// Number of the last entry; 0 when empty.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }
    /// Hash of the last entry; zeros when empty.
    #[must_use]
    pub const fn hash(&self) -> Digest {
        self.hash
    }

    /// Makes the next entry and moves the chain's end to it. On an error the chain is unchanged.
    ///
    /// # Errors
    /// When a limit is broken; see [`AppendError`].
    pub fn append(
        &mut self,
        at: Wall,
        kind: &str,
        actor: &str,
        subject: &str,
        detail: Value,
    ) -> Result<Entry, AppendError> {
        let mut entry = Entry {
            seq: self.seq.checked_add(1).ok_or(AppendError::Full)?,
            at,
            kind: kind.to_owned(),
            actor: actor.to_owned(),
            subject: subject.to_owned(),
            detail,
            prev: self.hash,
            hash: Digest::default(),
        };
        entry.hash = digest(&entry.canonical()?);
        self.seq = entry.seq;
        self.hash = entry.hash;
        Ok(entry)
    }
}
