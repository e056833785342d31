//! Time as values. Nothing here reads a clock; the composition root does, and passes these in.

use serde::{Deserialize, Serialize};
use std::ops::{Add, Sub};

/// Monotonic time: microseconds since the process's epoch (an instant the composition root chose at start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Mono(pub u64);

impl Mono {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_ms(ms: u64) -> Self {
        Self(ms * 1000)
    }
    /// From a duration since the epoch, e.g. `Instant::now() - epoch`.
    #[must_use]
    pub fn from_duration(d: std::time::Duration) -> Self {
        Self(u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
    }
    /// Whole milliseconds since the epoch.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0 / 1000
    }
    /// This moment plus `ms` milliseconds.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms * 1000))
    }
    /// Milliseconds from `earlier` to this moment; zero when `earlier` is later.
    #[must_use]
    pub const fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1000
    }
}

impl Add<std::time::Duration> for Mono {
    type Output = Self;
    fn add(self, d: std::time::Duration) -> Self {
        Self(self.0.saturating_add(Self::from_duration(d).0))
    }
}

impl Sub for Mono {
    type Output = std::time::Duration;
    fn sub(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Wall-clock time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Wall(pub i64);
