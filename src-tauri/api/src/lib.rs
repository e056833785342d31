//! Requests, responses, live events, errors, who may call what. Pure.
//!
//! # Architecture invariants
//!
//! Everything that crosses HTTP or WebSocket is a type of this crate, and nothing else is. The crate does no I/O,
//! reads no clock and draws no random number. Its JSON schema is checked in (`schema/api.json`) and a test fails when it no
//! longer fits, so that a change of the surface shows up in review; the page's TypeScript types are made from it.
//!
//! The strings in these types are personal data already opened for signed-in staff. They must not be logged: none of the
//! types that hold one implements `Display`, and their `Debug` is for tests.

pub mod access;
pub mod board;
pub mod desk;
pub mod error;
pub mod health;
pub mod live;
pub mod record;
pub mod schema;
pub mod session;
pub mod task;
pub mod user;

pub use access::{Access, ROUTES, Role, RouteId, RouteRule};
pub use board::LiveBoard;
pub use desk::{
    Automation, AutomationRequest, Brief, BriefLine, BriefingKind, CallDesk, DeskCommand, DeskDone, DeskLeg,
    DeskStage, Device, DeviceKind, Handset, IceServer, LegParty, LegQuality, MediaPath, PeoplePage, Person,
    PersonState, Who,
};
pub use error::ApiError;
pub use health::{Check, CheckStatus, HealthReport};
pub use live::{
    EngineState, LiveBody, LiveCall, LiveEvent, OpenState, RecogniserHealth, RecogniserState, ServerMessage,
    Snapshot, TrunkState, TrunkStatus,
};
pub use record::{CallDetail, CallSummary, CallsPage, CallsQuery, EntryDetail, RecordingInfo, SearchRequest};
pub use session::{SessionInfo, SessionRequest};
pub use task::{
    TaskCommand, TaskDetail, TaskDto, TaskEvent, TaskLine, TaskRecording, TaskStatus, TasksPage, TasksQuery,
    TasksWhich,
};
pub use user::{UserAdded, UserDto, UserRequest, UsersPage};
