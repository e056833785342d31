//! What the server asks of the engine. The composition root implements it.

use anteroom_api::{
    ApiError, CallDetail, CallsPage, CallsQuery, EngineState, EntryDetail, HealthReport, LiveEvent,
    SearchRequest, Snapshot, TasksPage,
};
use anteroom_types::{CallId, EntryId, TraceId};
use std::future::Future;
use std::pin::Pin;
use tokio::sync::broadcast;

/// An answer that takes a moment.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiError>> + Send + 'a>>;

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
    /// Open tasks.
    fn tasks(&self) -> Answer<'_, TasksPage>;
    /// One version of an entry.
    fn entry(&self, id: EntryId, version: u32) -> Answer<'_, EntryDetail>;
}
