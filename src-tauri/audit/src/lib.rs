//! Hash chain, signed heads, canonical bytes, verification. Pure.
//!
//! Every access, change and decision becomes an [`Entry`]. An entry holds the hash of the one before it, so a change,
//! a removal in the middle and a reordering are found by anybody who reads the chain. A bare chain does not notice
//! that its last entries were cut off: a [`SignedHead`] says, under an Ed25519 signature, how far the chain reached at
//! a moment, and heads that were sent away or printed convict a chain that is shorter than they say.
//!
//! # Architecture invariants
//!
//! No I/O, no clock, no randomness: time and key bytes are arguments. No personal data goes into an entry: details
//! carry ids, numbers and keyed commitments to texts, so erasing a text does not break the chain.
//!
//! # What is hashed and signed
//!
//! - An entry's hash is SHA-256 over the bytes `anteroom.audit.entry.v1`, a line feed, and the entry without its hash
//!   as canonical JSON (RFC 8785). `prev` of the first entry, number 1, is 32 zero bytes.
//! - A head's signature is Ed25519 (RFC 8032) over the bytes `anteroom.audit.head.v1`, a line feed, and
//!   `{"at":…,"hash":…,"seq":…}` as canonical JSON.
//!
//! The export format is described in [`export`].

mod chain;
mod digest;
pub mod export;
mod head;
mod verify;

pub use chain::{AppendError, Chain, DETAIL_BYTES_MAX, Entry, NAME_BYTES_MAX};
pub use digest::{BadDigest, Digest};
pub use head::{HeadError, SignedHead, public_key};
pub use verify::{Bad, Report, Verifier, Why, verify};
