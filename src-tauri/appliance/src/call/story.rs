//! A call's events, numbered in the order in which they happened.

use crate::engine::Shared;
use anteroom_types::{CallEvent, CallId, EventKind, Pii, Side, TraceId};
use std::collections::VecDeque;
use std::sync::Arc;

pub(super) struct Story {
    shared: Arc<Shared>,
    call: CallId,
    trace: TraceId,
    seq: u32,
    /// What the caller said last, the latest at the end.
    heard: VecDeque<Pii<String>>,
}

/// Lines of the caller that are kept for whoever is rung.
const HEARD_KEPT: usize = 8;

impl Story {
    pub(super) fn new(shared: Arc<Shared>, call: CallId, trace: TraceId) -> Self {
        Self {
            shared,
            call,
            trace,
            seq: 0,
            heard: VecDeque::new(),
        }
    }

    pub(super) const fn call(&self) -> CallId {
        self.call
    }

    pub(super) const fn trace(&self) -> TraceId {
        self.trace
    }

    /// The last `n` things the caller said, in order.
    pub(super) fn last_heard(&self, n: usize) -> impl Iterator<Item = &Pii<String>> {
        self.heard.iter().skip(self.heard.len().saturating_sub(n))
    }

    /// Tells what happened now.
    pub(super) async fn tell(&mut self, kind: EventKind) {
        self.seq += 1;
        if let EventKind::Heard {
            side: Side::Caller,
            text,
            ..
        } = &kind
        {
            if self.heard.len() == HEARD_KEPT {
                self.heard.pop_front();
            }
            self.heard.push_back(text.clone());
        }
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
