//! The seam between the web server and the engine.

use anteroom_api::{
    ApiError, Automation, CallDetail, CallsPage, CallsQuery, DeskCommand, DeskDone, EntryDetail, Handset,
    HealthReport, LiveEvent, PeoplePage, SearchRequest, Snapshot, TaskCommand, TaskDetail, TaskDto,
    TasksPage, TasksQuery, UserAdded, UserRequest, UsersPage, Who,
};
use anteroom_appliance::Engine;
use anteroom_appliance::{records, users};
use anteroom_types::{CallId, EntryId, TaskId, TraceId, UserFacing};
use anteroom_web::{Answer, SipPeer, SipSocket};
use tokio::sync::broadcast;

/// The engine, as the web server sees it.
pub(crate) struct WebEngine(pub(crate) Engine);

impl anteroom_web::Engine for WebEngine {
    fn snapshot(&self) -> Snapshot {
        self.0.snapshot()
    }
    fn since(&self, epoch: TraceId, seq: u64) -> Option<Vec<LiveEvent>> {
        self.0.since(epoch, seq)
    }
    fn subscribe(&self) -> broadcast::Receiver<LiveEvent> {
        self.0.subscribe()
    }
    fn health(&self) -> HealthReport {
        self.0.health()
    }
    fn metrics(&self) -> String {
        self.0.metrics()
    }
    fn calls(&self, query: CallsQuery) -> Answer<'_, CallsPage> {
        let store = self.0.store();
        blocking(move || records::calls_page(&store, &query))
    }
    fn search_calls(&self, request: SearchRequest) -> Answer<'_, CallsPage> {
        let store = self.0.store();
        blocking(move || records::search(&store, &request))
    }
    fn call(&self, id: CallId) -> Answer<'_, CallDetail> {
        let store = self.0.store();
        blocking(move || records::call(&store, id))
    }
    fn recording(&self, who: Who, call: CallId) -> Answer<'_, Vec<u8>> {
        let store = self.0.store();
        blocking(move || records::listen(&store, call, &who.name()))
    }
    fn tasks(&self, query: TasksQuery) -> Answer<'_, TasksPage> {
        let store = self.0.store();
        blocking(move || records::tasks_page(&store, &query))
    }
    fn task(&self, id: TaskId) -> Answer<'_, TaskDetail> {
        let store = self.0.store();
        blocking(move || records::task_detail(&store, id))
    }
    fn change_task(&self, who: Who, id: TaskId, command: TaskCommand) -> Answer<'_, TaskDto> {
        Box::pin(async move { self.0.change_task(&who, id, command).await })
    }
    fn sip_socket(&self, peer: SipPeer) -> Option<SipSocket> {
        let (to_engine, from_engine) = self.0.sip_socket(peer.addr, peer.secure)?;
        Some(SipSocket {
            to_engine,
            from_engine,
        })
    }
    fn handset(&self, who: Who) -> Answer<'_, Handset> {
        Box::pin(async move { self.0.handset(&who) })
    }
    fn people(&self) -> Answer<'_, PeoplePage> {
        Box::pin(async { Ok(self.0.people()) })
    }
    fn desk(&self, who: Who, call: CallId, command: DeskCommand) -> Answer<'_, DeskDone> {
        Box::pin(async move { self.0.desk_command(&who, call, command).await })
    }
    fn automation(&self) -> Answer<'_, Automation> {
        Box::pin(async { Ok(self.0.automation()) })
    }
    fn set_automation(&self, who: Who, on: bool) -> Answer<'_, Automation> {
        Box::pin(async move { Ok(self.0.set_automation(&who, on)) })
    }
    fn users(&self) -> Answer<'_, UsersPage> {
        let store = self.0.store();
        blocking(move || users::page(&store))
    }
    fn add_user(&self, who: Who, user: UserRequest) -> Answer<'_, UserAdded> {
        Box::pin(async move { self.0.add_user(&who, user).await })
    }
    fn remove_user(&self, who: Who, user: String) -> Answer<'_, ()> {
        Box::pin(async move { self.0.remove_user(&who, user).await })
    }
    fn entry(&self, id: EntryId, version: u32) -> Answer<'_, EntryDetail> {
        let store = self.0.store();
        blocking(move || records::entry(&store, &id, version))
    }
}

/// Reads from the store, away from the threads that serve requests.
fn blocking<T: Send + 'static, E: UserFacing + std::error::Error + Send + 'static>(
    read: impl FnOnce() -> Result<Option<T>, E> + Send + 'static,
) -> Answer<'static, T> {
    Box::pin(async move {
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(Some(found))) => Ok(found),
            Ok(Ok(None)) => Err(ApiError::not_found("record")),
            // What was erased is no fault of the machine.
            Ok(Err(e)) if e.code() == "recording.erased" => Err(ApiError::new(
                410,
                e.code(),
                "The recording was erased.",
                e.hint(),
            )),
            Ok(Err(e)) => {
                tracing::error!(error = %anteroom_types::error::chain(&e), "a record could not be read");
                Err(ApiError::unavailable("The records cannot be read at the moment."))
            }
            Err(_) => Err(ApiError::unavailable("The records could not be read.")),
        }
    })
}
