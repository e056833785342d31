//! What the ladder is made of.

use crate::whisper::{ModelFile, WhisperSettings};
use anteroom_types::{ErrorCode, UserFacing};
use std::time::Duration;

/// One rung.
#[derive(Debug, Clone, PartialEq)]
pub struct RungConfig {
    /// Its name in records, e.g. `whisper:base.en-q5_1`.
    pub name: String,
    /// Its model.
    pub model: ModelFile,
    /// How the model is run.
    pub settings: WhisperSettings,
}

/// The ladder.
#[derive(Debug, Clone, PartialEq)]
pub struct LadderConfig {
    /// Best first. May be empty: then there is the keypad alone.
    pub rungs: Vec<RungConfig>,
    /// Decodes at once, 1 to 64. Each holds its own working memory.
    pub workers: usize,
    /// Jobs that may wait.
    pub queue_max: usize,
    /// Whether partial results are decoded at all.
    pub partials: bool,
    /// A final decode that waited longer than this counts against the rung in use.
    pub wait_max: Duration,
    /// A final decode that waited longer than this is not begun: its caller is told at once, and those behind them are
    /// still answered in time. Must be well below what the conversation waits for.
    pub wait_give_up: Duration,
    /// A decode that took longer than this counts against its rung.
    pub decode_slow: Duration,
    /// So many slow decodes or long waits in a row, and the next rung is used.
    pub slow_in_a_row_max: u32,
    /// How often a rung that does not work is looked at again.
    pub probe_every: Duration,
}

impl Default for LadderConfig {
    fn default() -> Self {
        Self {
            rungs: Vec::new(),
            workers: 1,
            queue_max: 64,
            partials: true,
            wait_max: Duration::from_millis(1_500),
            wait_give_up: Duration::from_millis(2_500),
            decode_slow: Duration::from_millis(3_000),
            slow_in_a_row_max: 3,
            probe_every: Duration::from_secs(15),
        }
    }
}

/// Why the ladder could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LadderConfigError {
    /// A number is out of its range.
    #[error("{what} is {value}, but must be {range}")]
    Range {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: usize,
        /// What is allowed.
        range: &'static str,
    },
    /// Two rungs have one name.
    #[error("two recognisers are called {0}")]
    Name(String),
    /// The system gave no thread.
    #[error("a recogniser thread could not be started")]
    Thread(#[source] std::io::Error),
}

impl UserFacing for LadderConfigError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Range { .. } => "stt.config",
            Self::Name(_) => "stt.config_name",
            Self::Thread(_) => "stt.thread",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Range { what, range, .. } => format!("Set {what} to {range}."),
            Self::Name(_) => "List every model once.".into(),
            Self::Thread(_) => "Allow the process more threads, or configure fewer workers.".into(),
        }
    }
}

impl LadderConfig {
    pub(super) fn check(&self) -> Result<(), LadderConfigError> {
        let range = |what, value, allowed: std::ops::RangeInclusive<usize>, range| {
            if allowed.contains(&value) {
                Ok(())
            } else {
                Err(LadderConfigError::Range { what, value, range })
            }
        };
        range("workers", self.workers, 1..=64, "1 to 64")?;
        range("queue_max", self.queue_max, 1..=10_000, "1 to 10,000")?;
        range("rungs", self.rungs.len(), 0..=8, "at most 8")?;
        for (i, rung) in self.rungs.iter().enumerate() {
            if self.rungs[..i].iter().any(|r| r.name == rung.name) {
                return Err(LadderConfigError::Name(rung.name.clone()));
            }
        }
        Ok(())
    }
}
