//! Ids, personal data, audio frames, time, limits and the event vocabulary.
//!
//! # Architecture invariants
//!
//! This crate is at the bottom of every arrow: it depends on no other crate of the workspace, does no I/O, reads
//! no clock and draws no random number. Time and randomness are arguments.

pub mod audio;
pub mod error;
pub mod event;
pub mod ids;
pub mod knowledge;
pub mod limits;
pub mod pii;
pub mod time;

pub use audio::{FRAME_MS, FRAME_SAMPLES, RATE_HZ};
pub use error::{ErrorCode, UserFacing};
pub use event::{
    CallEvent, Decision, DecisionRecord, DeskFact, EndReason, EntryRef, EventKind, GateClass, Side, TaskKind,
};
pub use ids::{CallId, EntryId, LegId, SayId, TaskId, TraceId, TurnId};
pub use pii::{Pii, Purpose};
pub use time::{Mono, Wall};
