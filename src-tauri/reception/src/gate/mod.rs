//! The safety gate: does a text speak of danger, or ask for medical advice?
//!
//! [`classify`] is a pure function of a text and a [`Lexicon`]. It runs on everything a caller says, before anything
//! else looks at it.
//!
//! # Invariants
//!
//! - An urgent phrase that nothing takes back always wins: over advice, over intents, over any entry.
//! - A floor of phrases is compiled in. A clinic's file adds to it and cannot take from it: what narrows the gate
//!   (administrative phrases, negation, the past) exists in the floor alone.
//! - When in doubt, urgent. Only what says plainly "not", "long ago" or "the clinic of that name" takes a phrase back.
//! - What the lexicon does not know at all may still be caught by [`Likeness`] to examples. It only ever raises.
//! - The work is bounded: linear in the words of a text, which is cut at 2,000 characters.

mod classify;
mod lexicon;
mod likeness;

pub use classify::{Subject, Verdict, classify};
pub use lexicon::{Lexicon, LexiconError};
pub use likeness::Likeness;
