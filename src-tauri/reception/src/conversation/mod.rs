//! The conversation.

mod types;

pub use types::{ConvEffect, ConvEvent};
