//! What the server asks of the engine. The composition root implements it.

use anteroom_api::{
    ApiError, Automation, CallDetail, CallsPage, CallsQuery, DeskCommand, DeskDone, EngineState, EntryDetail,
    Handset, HealthReport, LiveEvent, PeoplePage, SearchRequest, Snapshot, TaskCommand, TaskDetail, TaskDto,
    TasksPage, TasksQuery, UserAdded, UserRequest, UsersPage, Who,
};
use anteroom_types::{CallId, EntryId, TaskId, TraceId};
use axum::body::Bytes;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use tokio::sync::{broadcast, mpsc};

/// An answer that takes a moment.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>>;

/// Most SIP messages that may wait in one direction of a [`SipSocket`].
pub const SIP_QUEUE_MAX: usize = 256;

/// Whose SIP socket it is.
#[derive(Debug, Clone)]
pub struct SipPeer {
    /// The other end of the connection.
    pub addr: SocketAddr,
    /// Whether it is TLS all the way to this server.
    pub secure: bool,
    /// The session it belongs to. It closes with the session.
    pub who: Who,
}

/// A browser's SIP connection, as the engine gives it. One item is one WebSocket message: one SIP message, or a keep-alive.
///
/// Both queues are bounded (at most [`SIP_QUEUE_MAX`]). When `to_engine` is full the browser is not read from; when that
/// lasts, the connection is closed. When `from_engine` is full the engine decides: dropping the connection is right, since
/// WebSocket is a reliable transport. Either side ends the connection by dropping its ends.
#[derive(Debug)]
pub struct SipSocket {
    /// From the browser.
    pub to_engine: mpsc::Sender<Bytes>,
    /// To the browser.
    pub from_engine: mpsc::Receiver<Bytes>,
}

/// The engine, as the server sees it.
///
/// `snapshot`, `since`, `state`, `health` and `metrics` are called on the server's own threads and must not block on
/// disk. [`anteroom_api::LiveBoard`] gives the first two.
pub trait Engine: Send + Sync + 'static {
    /// Everything a screen needs to start.
    fn snapshot(&self) -> Snapshot;
    /// What a screen missed that saw `seq` of `epoch` last; none when it must start anew.
    fn since(&self, epoch: TraceId, seq: u64) -> Option<Vec<LiveEvent>>;
    /// Listens to what happens. The channel is bounded: a listener that lags is told so and gets a new snapshot.
    fn subscribe(&self) -> broadcast::Receiver<LiveEvent>;
    /// The engine's state.
    fn state(&self) -> EngineState {
        self.snapshot().state
    }
    /// How everything does.
    fn health(&self) -> HealthReport;
    /// Prometheus text (version 0.0.4) without personal data.
    fn metrics(&self) -> String;
    /// Calls, newest first.
    fn calls(&self, query: CallsQuery) -> Answer<'_, CallsPage>;
    /// Calls in which something was said. The text is personal data.
    fn search_calls(&self, request: SearchRequest) -> Answer<'_, CallsPage>;
    /// One call.
    fn call(&self, id: CallId) -> Answer<'_, CallDetail>;
    /// A call's recording as an Ogg file. That somebody heard it is evidence: the engine writes it down first.
    fn recording(&self, who: Who, call: CallId) -> Answer<'_, Vec<u8>>;
    /// Tasks.
    fn tasks(&self, query: TasksQuery) -> Answer<'_, TasksPage>;
    /// One task with its history.
    fn task(&self, id: TaskId) -> Answer<'_, TaskDetail>;
    /// Somebody does something with a task. The server has checked limits and the asker's role; whose the task is is for
    /// the engine to know. Every screen is told.
    fn change_task(&self, who: Who, id: TaskId, command: TaskCommand) -> Answer<'_, TaskDto>;
    /// A browser opens SIP over WebSocket; none when browser handsets are not available. Must not block.
    fn sip_socket(&self, peer: SipPeer) -> Option<SipSocket>;
    /// What the asker's browser needs to be a telephone.
    fn handset(&self, who: Who) -> Answer<'_, Handset>;
    /// Everybody a call can be given to.
    fn people(&self) -> Answer<'_, PeoplePage>;
    /// Somebody at the desk does something with a call. The server has checked limits and the asker's role; whether the
    /// call is theirs is for the engine to know.
    fn desk(&self, who: Who, call: CallId, command: DeskCommand) -> Answer<'_, DeskDone>;
    /// How the kill switch stands.
    fn automation(&self) -> Answer<'_, Automation>;
    /// The kill switch: from off, no caller is answered by the machine, and calls in progress go to people.
    fn set_automation(&self, who: Who, on: bool) -> Answer<'_, Automation>;
    /// Everybody whose telephones register here.
    fn users(&self) -> Answer<'_, UsersPage>;
    /// Adds somebody, or gives them a new name, place, rights and password. Holds for telephones at once.
    fn add_user(&self, who: Who, user: UserRequest) -> Answer<'_, UserAdded>;
    /// Removes somebody. Their telephones are unregistered at once.
    fn remove_user(&self, who: Who, user: String) -> Answer<'_, ()>;
    /// One version of an entry.
    fn entry(&self, id: EntryId, version: u32) -> Answer<'_, EntryDetail>;
}
