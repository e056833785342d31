//! What a caller wants done, as data: phrases, examples, and what each intent leads to.
//!
//! [`classify_intent`] is pure. A phrase that is found counts most; likeness to an example counts less; similarity of
//! sentence vectors, where the caller of [`classify_intent_with`] has it, is fused in. A question that belongs to no
//! intent is `None`: the knowledge base answers it. An intent that stands for a whole utterance ("yes", "thank you")
//! is only recognised when nothing else was said.

mod file;
mod score;

pub use file::{Action, Collects, Gate, Intent, Intents, IntentsError};
pub use score::{IntentMatch, classify_intent, classify_intent_with};
