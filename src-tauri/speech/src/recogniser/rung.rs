//! The state of every rung, and what the rest of the house is told of it.

use super::config::LadderConfig;
use crate::whisper::{LoadError, Model, ModelFile};
use anteroom_types::error::chain;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Decodes of which the 95th percentile is reported.
const WINDOW: usize = 64;

/// What callers are served by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Speech, by the rung of this name.
    Speech(String),
    /// Keys alone.
    Keypad,
}

impl Rung {
    /// The name that records carry: the rung's own, or `keypad`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Speech(name) => name,
            Self::Keypad => "keypad",
        }
    }
}

/// How a rung is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RungState {
    /// Not loaded yet.
    Loading,
    /// Works.
    Ready,
    /// Its file is not there.
    Missing,
    /// Its file is damaged or unreadable.
    Corrupt,
    /// It failed to decode.
    Failing,
    /// It was too slow for the calls there were.
    TooSlow,
}

/// One rung, as shown to staff and to metrics.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RungHealth {
    /// The rung's name.
    pub name: String,
    /// The model's id.
    pub model: String,
    /// Whether the model is the demonstration model.
    pub demonstration: bool,
    /// How it is.
    pub state: RungState,
    /// What went wrong last, if anything ever did.
    pub last_error: Option<String>,
    /// 95th percentile of its last decodes in milliseconds; `None` before the first.
    pub p95_ms: Option<u64>,
    /// Decodes it has done.
    pub decodes: u64,
}

/// A change of the rung in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RungChange {
    /// How many changes there have been with this one.
    pub number: u64,
    /// From.
    pub from: Rung,
    /// To.
    pub to: Rung,
    /// `load`, `error`, `missing` or `recovered`.
    pub why: &'static str,
}

/// The ladder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LadderHealth {
    /// What callers are served by.
    pub active: Rung,
    /// Every rung, best first.
    pub rungs: Vec<RungHealth>,
    /// Jobs that wait.
    pub queue_depth: usize,
    /// The last change of the active rung.
    pub last_change: Option<RungChange>,
}

#[derive(Debug)]
pub(super) struct Rungs {
    slots: Mutex<Slots>,
    health: watch::Sender<LadderHealth>,
    files: Vec<ModelFile>,
    slow_in_a_row_max: u32,
}

#[derive(Debug)]
struct Slots {
    slots: Vec<Slot>,
    last_change: Option<RungChange>,
}

#[derive(Debug)]
struct Slot {
    state: RungState,
    model: Option<Model>,
    /// Counts loads, so that a worker knows when its working memory belongs to an older one.
    generation: u64,
    last_error: Option<String>,
    took_ms: VecDeque<u64>,
    decodes: u64,
    slow_in_a_row: u32,
}

impl Rungs {
    pub(super) fn new(config: &LadderConfig) -> Self {
        let slots = config
            .rungs
            .iter()
            .map(|_| Slot {
                state: RungState::Loading,
                model: None,
                generation: 0,
                last_error: None,
                took_ms: VecDeque::with_capacity(WINDOW),
                decodes: 0,
                slow_in_a_row: 0,
            })
            .collect();
        let health = LadderHealth {
            active: Rung::Keypad,
            rungs: config
                .rungs
                .iter()
                .map(|r| RungHealth {
                    name: r.name.clone(),
                    model: r.model.id.clone(),
                    demonstration: r.model.demonstration,
                    state: RungState::Loading,
                    last_error: None,
                    p95_ms: None,
                    decodes: 0,
                })
                .collect(),
            queue_depth: 0,
            last_change: None,
        };
        Self {
            slots: Mutex::new(Slots {
                slots,
                last_change: None,
            }),
            health: watch::channel(health).0,
            files: config.rungs.iter().map(|r| r.model.clone()).collect(),
            slow_in_a_row_max: config.slow_in_a_row_max.max(1),
        }
    }

    // Nothing below panics while holding the lock, so a poisoned one still holds states that make sense.
    fn lock(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<LadderHealth> {
        self.health.subscribe()
    }

    /// The best rung that works.
    pub(super) fn active(&self) -> Option<usize> {
        self.lock().active()
    }

    /// The best rung that works from `from` on.
    pub(super) fn active_from(&self, from: usize) -> Option<usize> {
        let inner = self.lock();
        (from..inner.slots.len()).find(|i| inner.slots[*i].state == RungState::Ready)
    }

    /// The model of a rung, if loaded, and the number of its load.
    pub(super) fn model(&self, i: usize) -> Option<(Model, u64)> {
        let inner = self.lock();
        let slot = inner.slots.get(i)?;
        Some((slot.model.clone()?, slot.generation))
    }

    pub(super) fn state(&self, i: usize) -> RungState {
        self.lock().slots[i].state
    }

    /// Loads a rung's model. A rung loaded at the start works; one loaded later is proved by a decode first.
    pub(super) fn load(&self, i: usize) -> bool {
        let loaded = Model::load(&self.files[i]);
        let mut inner = self.lock();
        let name = self.name(i);
        let slot = &mut inner.slots[i];
        let first = slot.state == RungState::Loading;
        match loaded {
            Ok(model) => {
                slot.model = Some(model);
                slot.generation += 1;
                if first {
                    slot.state = RungState::Ready;
                }
                true
            }
            Err(e) => {
                let state = match e {
                    LoadError::Missing { .. } => RungState::Missing,
                    LoadError::Io { .. } | LoadError::Corrupt { .. } => RungState::Corrupt,
                };
                if slot.state != state {
                    tracing::warn!(rung = %name, error = %chain(&e), "a recogniser cannot be loaded");
                }
                slot.state = state;
                slot.model = None;
                slot.last_error = Some(e.to_string());
                false
            }
        }
    }

    /// Notes a decode that worked and says whether the rung has become too slow. It is left only for another that
    /// works: slow words are better than none.
    pub(super) fn note_success(&self, i: usize, took: Duration, slow: bool) {
        let mut inner = self.lock();
        let slot = &mut inner.slots[i];
        if slot.took_ms.len() == WINDOW {
            slot.took_ms.pop_front();
        }
        slot.took_ms
            .push_back(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        slot.decodes += 1;
        if slow {
            self.note_slow(&mut inner, i);
        } else {
            slot.slow_in_a_row = 0;
        }
    }

    fn note_slow(&self, inner: &mut Slots, i: usize) {
        let elsewhere = (i + 1..inner.slots.len()).any(|j| inner.slots[j].state == RungState::Ready);
        let before = inner.active();
        let slot = &mut inner.slots[i];
        slot.slow_in_a_row = slot.slow_in_a_row.saturating_add(1);
        if slot.slow_in_a_row >= self.slow_in_a_row_max && elsewhere && slot.state == RungState::Ready {
            slot.state = RungState::TooSlow;
            slot.slow_in_a_row = 0;
            slot.last_error = Some("decodes took too long for the calls there were".into());
            self.changed(inner, before, "load");
        }
    }

    /// Notes that a decode was not begun because it had waited too long: the rung in use is too slow for the calls.
    pub(super) fn note_wait(&self) {
        let mut inner = self.lock();
        if let Some(i) = inner.active() {
            self.note_slow(&mut inner, i);
        }
    }

    /// Notes that a rung failed after its retry.
    pub(super) fn note_failure(&self, i: usize, error: &dyn std::error::Error) {
        let mut inner = self.lock();
        let before = inner.active();
        let slot = &mut inner.slots[i];
        slot.last_error = Some(error.to_string());
        if slot.state == RungState::Ready {
            slot.state = RungState::Failing;
            self.changed(&mut inner, before, "error");
        }
    }

    /// Notes, once every rung has been tried at the start, that the best one is not the one in use.
    pub(super) fn note_start(&self) {
        let mut inner = self.lock();
        if !inner.slots.is_empty() {
            self.changed(&mut inner, Some(0), "missing");
        }
    }

    /// Notes that a rung works again.
    pub(super) fn note_recovered(&self, i: usize) {
        let mut inner = self.lock();
        let before = inner.active();
        inner.slots[i].state = RungState::Ready;
        inner.slots[i].slow_in_a_row = 0;
        self.changed(&mut inner, before, "recovered");
    }

    fn name(&self, i: usize) -> String {
        self.health.borrow().rungs[i].name.clone()
    }

    fn rung(&self, i: Option<usize>) -> Rung {
        i.map_or(Rung::Keypad, |i| Rung::Speech(self.name(i)))
    }

    fn changed(&self, inner: &mut Slots, before: Option<usize>, why: &'static str) {
        let after = inner.active();
        if before == after {
            return;
        }
        let change = RungChange {
            number: inner.last_change.as_ref().map_or(0, |c| c.number) + 1,
            from: self.rung(before),
            to: self.rung(after),
            why,
        };
        tracing::warn!(
            from = change.from.name(),
            to = change.to.name(),
            why,
            "the recogniser in use changed"
        );
        inner.last_change = Some(change);
    }

    pub(super) fn publish(&self, queue_depth: usize) {
        let inner = self.lock();
        self.health.send_if_modified(|health| {
            let before = health.clone();
            for (shown, slot) in health.rungs.iter_mut().zip(&inner.slots) {
                shown.state = slot.state;
                shown.last_error.clone_from(&slot.last_error);
                shown.decodes = slot.decodes;
                shown.p95_ms = p95(&slot.took_ms);
            }
            health.active = inner
                .active()
                .map_or(Rung::Keypad, |i| Rung::Speech(health.rungs[i].name.clone()));
            health.queue_depth = queue_depth;
            health.last_change.clone_from(&inner.last_change);
            *health != before
        });
    }
}

impl Slots {
    fn active(&self) -> Option<usize> {
        self.slots.iter().position(|s| s.state == RungState::Ready)
    }
}

fn p95(took_ms: &VecDeque<u64>) -> Option<u64> {
    let mut sorted: Vec<u64> = took_ms.iter().copied().collect();
    sorted.sort_unstable();
    // Nearest rank.
    let at = (sorted.len() * 95).div_ceil(100).checked_sub(1)?;
    sorted.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_95th_percentile_is_by_nearest_rank() {
        assert_eq!(p95(&VecDeque::new()), None);
        assert_eq!(p95(&VecDeque::from([7])), Some(7));
        assert_eq!(p95(&(1..=20).collect()), Some(19));
        assert_eq!(p95(&(1..=64).collect()), Some(61));
    }
}
