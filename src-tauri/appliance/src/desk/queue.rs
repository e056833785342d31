//! The queue and its calls: what the one wants told to the others.

use crate::call::ToCall;
use crate::engine::{Shared, lock};
use anteroom_call::queue::{Queue, QueueEffect};
use anteroom_types::{CallId, Mono};
use std::collections::VecDeque;

impl Shared {
    /// Changes the queue, and tells its calls what follows.
    pub(crate) fn queue(&self, change: impl FnOnce(&mut Queue, Mono) -> Vec<QueueEffect>) {
        let now = self.clock.now();
        let mut queue = lock(&self.desk.queue);
        let mut effects = VecDeque::from(change(&mut queue, now));
        // Each call is told once at the most that it cannot be reached; so this ends.
        let mut unreachable = Vec::new();
        while let Some(effect) = effects.pop_front() {
            let call = call_of(effect);
            let to = lock(&self.calls).get(&call).cloned();
            let told = to.is_some_and(|to| to.try_send(ToCall::Queue(effect)).is_ok());
            if told {
                continue;
            }
            match effect {
                // Its place is told again before long.
                QueueEffect::Position { .. } | QueueEffect::Refused { .. } => {}
                // A turn that nobody took would keep everybody else waiting: the next has it, and this call waits on if it
                // is only busy.
                QueueEffect::Turn { .. } if unreachable.contains(&call) => {}
                QueueEffect::Turn { .. } => {
                    unreachable.push(call);
                    let gone = !lock(&self.calls).contains_key(&call);
                    effects.extend(if gone {
                        queue.leave(now, call)
                    } else {
                        queue.join(now, call, false)
                    });
                }
            }
        }
    }

    /// Looks at who could answer now, and whose turn it therefore is.
    pub(crate) fn serve_queue(&self) {
        if lock(&self.desk.queue).is_empty() {
            return;
        }
        let contacts = self.sip.registrations();
        self.queue(|q, now| {
            // As one look: a call that is answered meanwhile is counted neither twice nor not at all.
            let rung: Vec<CallId> = q.rung().collect();
            let (serving, free) = lock(&self.desk.people).serving(&contacts, &rung);
            q.people(now, serving, free)
        });
    }
}

const fn call_of(effect: QueueEffect) -> CallId {
    match effect {
        QueueEffect::Position { call, .. } | QueueEffect::Turn { call } | QueueEffect::Refused { call } => {
            call
        }
    }
}
