//! Normalisation of recognised speech, shared by the safety gate and the intents.
//!
//! [`normalise`] turns a text into [`Word`]s: lower case, no diacritics, contractions opened ("can't" is "can not"),
//! number words as digits ("nine nine nine" is "999"), British spelling, hesitations and spoken repeats dropped. Every
//! word keeps the bytes of the original it came from and whether punctuation stood before it. [`pattern`] matches
//! phrases over such words. The work done is bounded: at most [`TURN_CHARS_MAX`] characters are read.

mod normal;
pub mod pattern;
mod sound;
mod tables;

pub use normal::{Pause, Word, fold, joined, normalise, stem};
pub use sound::{Likeness, likeness, phonetic_key};

#[doc(no_inline)]
pub use anteroom_types::limits::TURN_CHARS_MAX;
