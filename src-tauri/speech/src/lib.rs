//! VAD, recognisers, embeddings, speech output and the model manager. The only crate that knows whisper.cpp and candle.
//!
//! # Architecture invariants
//!
//! * No other crate of the workspace names whisper.cpp, candle, a tokenizer or a synthesiser.
//! * No recognised text, and nothing said to a caller, reaches a log, an error or a metric from here. The C side of
//!   whisper.cpp would log decoded tokens in a debug build; its logging is switched off before a model is loaded.
//! * No thread that carries audio calls into this crate except [`vad::VadStream::push`], which allocates nothing that
//!   grows, takes no lock and does no I/O. Decoding, rendering and downloading happen on threads of their own.
//! * Every queue is bounded; [`recogniser`] says what is dropped first when one is full.
//! * The network is opened by [`models`] alone, and only while its off switch is on.

pub mod embed;
mod kernel;
pub mod models;
pub mod recogniser;
pub mod resample;
pub mod transcribe;
pub mod tts;
pub mod vad;
pub mod wav;
pub mod whisper;
