//! Finding change, removal, reordering and a cut tail.

use crate::chain::Entry;
use crate::digest::Digest;
use crate::head::SignedHead;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// What is wrong with a chain at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The entry does not have the number it should have: one was removed, added or moved.
    Order,
    /// The entry does not name the hash of the one before it.
    Link,
    /// The entry's contents are not what was hashed.
    Changed,
    /// A head says the chain reached further than it does: its tail was cut off.
    Cut,
    /// A head names another hash for this entry: history was rewritten.
    Rewritten,
    /// A head's signature is not by the expected key.
    Signature,
    /// A line of an export could not be read.
    Unreadable,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Order => "an entry is missing, doubled or out of place",
            Self::Link => "the entry does not follow from the one before it",
            Self::Changed => "the entry was changed after it was written",
            Self::Cut => "entries at the end are missing: a signed head reaches further",
            Self::Rewritten => "a signed head names another hash for this entry",
            Self::Signature => "a head's signature is not by the expected key",
            Self::Unreadable => "a line could not be read",
        })
    }
}

/// The first thing found wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bad {
    /// Number of the entry that was expected there, or that the head speaks of.
    pub seq: u64,
    /// What is wrong.
    pub why: Why,
}

/// The outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether nothing was found wrong.
    pub ok: bool,
    /// Entries read.
    pub entries: u64,
    /// Hash of the last entry, when all is well and there is one.
    pub head: Option<Digest>,
    /// Valid heads found in the chain.
    pub heads: u64,
    /// The chain up to this entry is vouched for by a signature. Entries after it could be cut unnoticed.
    pub signed_up_to: u64,
    /// The first thing found wrong.
    pub first_bad: Option<Bad>,
}

/// Verifies a chain entry by entry, so that it need not fit in memory.
#[derive(Debug)]
pub struct Verifier {
    heads: BTreeMap<u64, Vec<Digest>>,
    count: u64,
    prev: Digest,
    good_heads: u64,
    signed_up_to: u64,
    first_bad: Option<Bad>,
}

impl Verifier {
    /// A verifier that holds the chain to `heads`, all of which must be signed by `public_key`.
    #[must_use]
    pub fn new(heads: &[SignedHead], public_key: &Digest) -> Self {
        let mut v = Self {
            heads: BTreeMap::new(),
            count: 0,
            prev: Digest::default(),
            good_heads: 0,
            signed_up_to: 0,
            first_bad: None,
        };
        for head in heads {
            v.head(head, public_key);
        }
        v
    }

    /// Adds a head. It may come before or after the entry it speaks of only when that entry was not yet pushed, or is
    /// the last one pushed; an older one is held against what is known and counts as rewritten when it cannot be.
    pub fn head(&mut self, head: &SignedHead, public_key: &Digest) {
        if !head.is_signed_by(public_key) {
            self.bad(head.seq, Why::Signature);
        } else if head.seq == self.count {
            self.compare(head.seq, head.hash, self.prev);
        } else if head.seq > self.count {
            self.heads.entry(head.seq).or_default().push(head.hash);
        } else {
            self.bad(head.seq, Why::Rewritten);
        }
    }

    /// The next entry of the chain, in its order.
    pub fn push(&mut self, entry: &Entry) {
        let seq = self.count + 1;
        self.count = seq;
        if self.first_bad.is_some_and(|b| b.why != Why::Signature) {
            return;
        }
        if entry.seq != seq {
            self.bad(seq, Why::Order);
        } else if entry.prev != self.prev {
            self.bad(seq, Why::Link);
        } else if entry.expected_hash() != Some(entry.hash) {
            self.bad(seq, Why::Changed);
        }
        self.prev = entry.hash;
        for hash in self.heads.remove(&seq).unwrap_or_default() {
            self.compare(seq, hash, entry.hash);
        }
    }

    fn compare(&mut self, seq: u64, signed: Digest, found: Digest) {
        if signed == found {
            self.good_heads += 1;
            self.signed_up_to = self.signed_up_to.max(seq);
        } else {
            self.bad(seq, Why::Rewritten);
        }
    }

    pub(crate) fn bad(&mut self, seq: u64, why: Why) {
        self.first_bad.get_or_insert(Bad { seq, why });
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The report once every entry was pushed.
    #[must_use]
    pub fn finish(mut self) -> Report {
        // Only what a signature vouches for can be missed: the first entry that should be there and is not.
        if self
            .heads
            .keys()
            .next_back()
            .is_some_and(|&last| last > self.count)
        {
            self.bad(self.count + 1, Why::Cut);
        }
        let ok = self.first_bad.is_none();
        Report {
            ok,
            entries: self.count,
            head: (ok && self.count > 0).then_some(self.prev),
            heads: self.good_heads,
            signed_up_to: self.signed_up_to,
            first_bad: self.first_bad,
        }
    }
}

/// Verifies a whole chain against heads, all of which must be signed by `public_key`.
pub fn verify<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    heads: &[SignedHead],
    public_key: &Digest,
) -> Report {
    let mut v = Verifier::new(heads, public_key);
    for entry in entries {
        v.push(entry);
    }
    v.finish()
}
