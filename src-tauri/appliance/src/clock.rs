//! The one place where the engine reads clocks and draws random numbers.

use anteroom_types::{CallId, LegId, Mono, TaskId, TraceId, Wall};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The engine's clocks: one epoch for everything monotonic.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Instant,
}

impl Clock {
    /// A clock whose epoch is now.
    #[must_use]
    pub fn start() -> Self {
        Self {
            epoch: Instant::now(),
        }
    }
    /// The epoch.
    #[must_use]
    pub const fn epoch(&self) -> Instant {
        self.epoch
    }
    /// Monotonic time.
    #[must_use]
    pub fn now(&self) -> Mono {
        self.at(Instant::now())
    }
    /// The monotonic time of an instant.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Mono {
        Mono::from_duration(instant.saturating_duration_since(self.epoch))
    }
    /// The instant of a monotonic time.
    #[must_use]
    pub fn instant(&self, at: Mono) -> Instant {
        self.epoch + std::time::Duration::from_micros(at.0)
    }
    /// Wall-clock time.
    #[must_use]
    pub fn wall(&self) -> Wall {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Wall(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
    /// A new call.
    #[must_use]
    pub fn call_id(&self) -> CallId {
        CallId::new(self.wall(), rand::random())
    }
    /// A new leg.
    #[must_use]
    pub fn leg_id(&self) -> LegId {
        LegId::new(self.wall(), rand::random())
    }
    /// A new task.
    #[must_use]
    pub fn task_id(&self) -> TaskId {
        TaskId::new(self.wall(), rand::random())
    }
    /// A new trace.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        TraceId::new(self.wall(), rand::random())
    }
}
