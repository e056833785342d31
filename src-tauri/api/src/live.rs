//! The live event stream.
//!
//! A client that connects gets a [`ServerMessage::Snapshot`], then every [`LiveEvent`] with a higher number. One that
//! comes back says which it saw last (`?epoch=…&after=…`) and gets [`ServerMessage::Resumed`] and what it missed, or a new
//! snapshot when that is too long ago. One that cannot keep up gets a new snapshot too, so nothing is ever missed for good.

use crate::desk::{CallDesk, Person};
use crate::record::CallSummary;
use crate::task::TaskDto;
use anteroom_types::{CallEvent, CallId, TraceId, Wall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One thing that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveEvent {
    /// Number of the event since the engine started, from 1, without gaps.
    pub seq: u64,
    /// What changed.
    pub body: LiveBody,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum LiveBody {
    /// Something happened in a call.
    Call {
        /// What, opened for staff.
        event: CallEvent<String>,
    },
    /// The engine's state changed.
    State {
        /// The whole of it.
        state: EngineState,
    },
    /// A task was made or changed.
    Task {
        /// The task as it is now.
        task: TaskDto,
    },
    /// Where a call stands at the desk changed.
    Desk {
        /// The whole of it.
        desk: CallDesk,
    },
    /// Somebody came, went, was rung or took a call.
    People {
        /// Everybody.
        people: Vec<Person>,
    },
}

/// Whether the clinic is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenState {
    /// Whether it is open now.
    pub open: bool,
    /// When that changes next, if known.
    pub changes_at: Option<Wall>,
}

/// How the recogniser does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecogniserHealth {
    /// Loaded and keeping up.
    Ok,
    /// A lower rung of the ladder is in use.
    Fallback,
    /// Speech cannot be understood; callers are asked to use the keypad.
    Down,
}

/// The recogniser in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RecogniserState {
    /// The rung of the ladder, e.g. `whisper:base.en-q5_1`, `whisper:demo-clinic-en` or `keypad`.
    pub rung: String,
    /// Whether that is the demonstration model, which knows about a thousand words and must not serve real callers.
    pub demonstration: bool,
    /// How it does.
    pub health: RecogniserHealth,
}

/// How a trunk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrunkStatus {
    /// Registered, or known by address and answering.
    Up,
    /// Being registered.
    Connecting,
    /// Not reachable or refused.
    Down,
}

/// A trunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrunkState {
    /// Its name in the configuration.
    pub name: String,
    /// How it stands.
    pub status: TrunkStatus,
    /// What to know about it, without secrets.
    pub detail: Option<String>,
}

/// What the strip at the top shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EngineState {
    /// The clinic's name.
    pub clinic: String,
    /// The program's version.
    pub version: String,
    /// Whether callers are answered by the machine. Off is the kill switch: every call goes to the desk.
    pub automation: bool,
    /// Whether no new calls are taken because the program is about to stop.
    pub draining: bool,
    /// Whether the clinic is open; none when no hours are configured.
    pub open: Option<OpenState>,
    /// The recogniser.
    pub recogniser: RecogniserState,
    /// The trunks.
    pub trunks: Vec<TrunkState>,
    /// Calls up now.
    pub calls_up: u32,
    /// Calls taken at once.
    pub calls_max: u32,
}

/// A call in progress and what happened in it so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LiveCall {
    /// The call.
    pub id: CallId,
    /// Its events in order, as far as a screen needs them: of partial words and quality only the latest.
    pub events: Vec<CallEvent<String>>,
}

/// Everything a screen needs to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// Tells one run of the engine from another; numbers start anew with each.
    pub epoch: TraceId,
    /// The last event this contains.
    pub seq: u64,
    /// The clock, so that a screen can show how long a call lasts although its own clock is off.
    pub now: Wall,
    /// The engine's state.
    pub state: EngineState,
    /// Calls in progress, oldest first.
    pub calls: Vec<LiveCall>,
    /// Open tasks, as far as they were made in this run or loaded at start.
    pub tasks: Vec<TaskDto>,
    /// Calls that ended in this run, newest first, at most [`crate::board::RECENT_CALLS_MAX`].
    pub recent: Vec<CallSummary>,
    /// Where calls in progress stand at the desk.
    pub desk: Vec<CallDesk>,
    /// Everybody a call can be given to.
    pub people: Vec<Person>,
}

/// What the server sends. The client sends nothing but what the protocol itself needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "message", rename_all = "snake_case")]
#[allow(
    clippy::large_enum_variant,
    reason = "made once and written out; never stored in bulk"
)]
pub enum ServerMessage {
    /// Forget what you know; this is how things are.
    Snapshot {
        /// Everything.
        snapshot: Snapshot,
    },
    /// You are up to date from `seq` on; what you missed follows.
    Resumed {
        /// The number you gave.
        seq: u64,
    },
    /// Something changed.
    Event {
        /// What.
        event: LiveEvent,
    },
    /// Nothing changed, but the stream lives. Sent every 20 s, because a page is not told of WebSocket pings: one that
    /// hears nothing for longer has lost its connection.
    Alive {
        /// The clock.
        now: Wall,
    },
}
