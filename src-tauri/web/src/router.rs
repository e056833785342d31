//! The router, built from the table of who may call what.

use crate::config::Passcode;
use crate::engine::Engine;
use crate::limiter::Limiter;
use crate::reply::{self, Refusal};
use crate::sessions::Sessions;
use crate::{desk, events, guard, handlers, signin, sip, tasks, users};
use anteroom_api::{ROUTES, RouteId};
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, on};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, watch};

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) sessions: Sessions,
    pub(crate) limiter: Mutex<Limiter>,
    pub(crate) passcodes: Vec<Passcode>,
    /// One passcode is hashed at a time; further ones wait, bounded by the limiter and the request's time.
    pub(crate) hashing: Arc<Semaphore>,
    /// Places for live listeners; when all are taken the next is refused.
    pub(crate) listeners: Arc<Semaphore>,
    /// Places for browser handsets; when all are taken the next is refused.
    pub(crate) handsets: Arc<Semaphore>,
    /// Places for recordings on their way to a listener; when all are taken the next is refused.
    pub(crate) playing: Arc<Semaphore>,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) metrics_token: Option<String>,
    pub(crate) session_length: Duration,
    pub(crate) slow_listener_after: Duration,
    /// Named after the port: cookies are shared by all ports of a host.
    pub(crate) cookie: String,
    pub(crate) tls: bool,
    pub(crate) stopping: watch::Receiver<bool>,
}

impl Shared {
    pub(crate) fn limiter(&self) -> MutexGuard<'_, Limiter> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What answers a route. Exhaustive: a new row does not compile without its handler.
fn handler(id: RouteId, filter: axum::routing::MethodFilter) -> MethodRouter<Arc<Shared>> {
    match id {
        RouteId::Page | RouteId::HandsetPage => on(filter, handlers::page),
        RouteId::Asset => on(filter, handlers::asset),
        RouteId::Health => on(filter, handlers::health),
        RouteId::Ready => on(filter, handlers::ready),
        RouteId::Metrics => on(filter, handlers::metrics),
        RouteId::SessionRead => on(filter, signin::read),
        RouteId::SessionStart => on(filter, signin::start),
        RouteId::SessionEnd => on(filter, signin::end),
        RouteId::Events => on(filter, events::upgrade),
        RouteId::Sip => on(filter, sip::upgrade),
        RouteId::Handset => on(filter, desk::handset),
        RouteId::People => on(filter, desk::people),
        RouteId::Desk => on(filter, desk::command),
        RouteId::AutomationRead => on(filter, desk::automation),
        RouteId::AutomationSet => on(filter, desk::set_automation),
        RouteId::State => on(filter, handlers::state),
        RouteId::HealthDetail => on(filter, handlers::health_detail),
        RouteId::Calls => on(filter, handlers::calls),
        RouteId::CallsSearch => on(filter, handlers::search_calls),
        RouteId::Call => on(filter, handlers::call),
        RouteId::Recording => on(filter, tasks::recording),
        RouteId::Tasks => on(filter, tasks::list),
        RouteId::Task => on(filter, tasks::read),
        RouteId::TaskChange => on(filter, tasks::change),
        RouteId::Users => on(filter, users::list),
        RouteId::UserAdd => on(filter, users::add),
        RouteId::UserRemove => on(filter, users::remove),
        RouteId::Entry => on(filter, handlers::entry),
    }
}

pub(crate) fn build(shared: &Arc<Shared>) -> Router {
    let mut router = Router::new();
    for rule in ROUTES {
        let one = handler(rule.id, guard::http_method(rule.method))
            .layer(from_fn_with_state((Arc::clone(shared), rule), guard::access));
        router = router.route(rule.path, one);
    }
    router
        .fallback(|| async { Refusal(reply::no_route()) })
        .method_not_allowed_fallback(|| async { Refusal(reply::wrong_method()) })
        .with_state(Arc::clone(shared))
        .layer(from_fn_with_state(Arc::clone(shared), guard::outer))
}
