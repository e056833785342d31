//! A call's events, numbered in the order in which they happened.

use crate::engine::Shared;
use anteroom_types::{CallEvent, CallId, EventKind, TraceId};
use std::sync::Arc;

pub(super) struct Story {
    shared: Arc<Shared>,
    call: CallId,
    trace: TraceId,
    seq: u32,
}

impl Story {
    pub(super) const fn new(shared: Arc<Shared>, call: CallId, trace: TraceId) -> Self {
        Self {
            shared,
            call,
            trace,
            seq: 0,
        }
    }

    pub(super) const fn call(&self) -> CallId {
        self.call
    }

    pub(super) const fn trace(&self) -> TraceId {
        self.trace
    }

    /// Tells what happened now.
    pub(super) async fn tell(&mut self, kind: EventKind) {
        self.seq += 1;
        let clock = &self.shared.clock;
        let event = CallEvent {
            call: self.call,
            trace: self.trace,
            seq: self.seq,
            at: clock.wall(),
            mono: clock.now(),
            kind,
        };
        self.shared.bus.tell(event).await;
    }
}
