//! Callers for whom there was no room. They heard no more than their telephone's busy tone: somebody rings them back.

use super::story::Story;
use crate::engine::{Shared, lock};
use anteroom_types::event::TRUNK_DIRECT;
use anteroom_types::{EndReason, EventKind, Mono, Pii, Purpose, TaskKind, Wall};
use std::collections::HashMap;
use std::sync::Arc;

/// Within this of the first time a caller who tries again is the same one. A carrier tries again, too.
const SAME_MS: u64 = 10 * 60_000;
/// Callers in that time of whom a record is made. Of a flood the rest are only counted.
const CALLERS_MAX: usize = 100;

/// Who was turned away lately. Not to be printed: it has their numbers.
#[derive(Default)]
pub(crate) struct TurnedAway {
    lately: HashMap<String, Mono>,
}

impl TurnedAway {
    /// Whether a record of this caller is to be made. Callers who withhold their number are one.
    fn is_news(&mut self, from: &str, now: Mono) -> bool {
        self.lately.retain(|_, since| now.ms_since(*since) < SAME_MS);
        if self.lately.len() >= CALLERS_MAX || self.lately.contains_key(from) {
            return false;
        }
        self.lately.insert(from.to_owned(), now);
        true
    }
}

impl Shared {
    /// Whether this caller was not turned away lately.
    pub(super) fn is_news(&self, from: &Pii<String>) -> bool {
        lock(&self.turned_away).is_news(from.open(Purpose::Staff), self.clock.now())
    }

    /// Makes a record and a task of a call that was refused before it was one.
    pub(crate) fn tell_turned_away(
        self: &Arc<Self>,
        from: Pii<String>,
        to: Pii<String>,
        trunk: Option<String>,
    ) {
        self.metrics.calls_refused.inc();
        if !self.is_news(&from) {
            return;
        }
        let shared = Arc::clone(self);
        tokio::spawn(async move {
            let mut story = Story::new(
                Arc::clone(&shared),
                shared.clock.call_id(),
                shared.clock.trace_id(),
            );
            tracing::warn!(trace = %story.trace(), "a caller was turned away: there was no room");
            let (number, due_in_ms) = shared.clinic().ring_back(&from, TaskKind::Callback);
            let due = Wall(shared.clock.wall().0 + i64::try_from(due_in_ms).unwrap_or(i64::MAX / 2));
            let trunk = trunk.unwrap_or_else(|| TRUNK_DIRECT.into());
            story.tell(EventKind::Offered { from, to, trunk }).await;
            let task = shared.clock.task_id();
            story
                .tell(EventKind::TaskCreated {
                    task,
                    kind: TaskKind::Callback,
                    summary: Pii::from(
                        "Was turned away unheard: every line was in use, or the machine could take no calls.",
                    ),
                    number,
                    due,
                })
                .await;
            let reason = EndReason::Refused;
            shared.metrics.ended(reason);
            story.tell(EventKind::Ended { reason, seconds: 0 }).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tries_again_is_told_of_once_and_a_flood_has_an_end() {
        let mut t = TurnedAway::default();
        let at = |ms| Mono::from_ms(1_000 + ms);
        assert!(t.is_news("301", at(0)));
        assert!(!t.is_news("301", at(SAME_MS - 1)));
        assert!(t.is_news("301", at(SAME_MS)));
        let told = (0..1_000).filter(|n| t.is_news(&format!("9{n}"), at(SAME_MS + 1)));
        assert_eq!(told.count(), CALLERS_MAX - 1);
        assert!(t.is_news("302", at(SAME_MS * 2 + 1)), "and goes by");
    }
}
