//! Log files: one JSON object a line, a new file each day, old ones removed, a trace id for each call.
//!
//! # Architecture invariant
//!
//! No personal data reaches a log. What could carry some is [`anteroom_types::Pii`], which prints as `[pii]`;
//! libraries that handle messages of the network are heard from warnings upwards only, and the SIP library from
//! errors upwards, because its lower levels quote messages.

use anteroom_types::UserFacing;
use std::path::{Path, PathBuf};
use tracing::Level;
use tracing_appender::rolling::{InitError, RollingFileAppender, Rotation};
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Flushes the log when dropped.
pub type Guard = tracing_appender::non_blocking::WorkerGuard;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The folder cannot be made or written.
    #[error("cannot write log files into {dir}")]
    Folder {
        /// The folder.
        dir: PathBuf,
        /// Why.
        source: InitError,
    },
    /// Logging was started before in this process.
    #[error("logging was already started")]
    Twice,
}

impl UserFacing for LogError {
    fn code(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "log.folder",
            Self::Twice => "log.twice",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Folder { dir, .. } => {
                format!(
                    "Make {} writable for this user, or give another data folder with --data.",
                    dir.display()
                )
            }
            Self::Twice => "Start one appliance per process.".into(),
        }
    }
}

/// Which events are kept, for a level from the configuration.
#[must_use]
pub fn filter(level: &str) -> Targets {
    let ours = match level {
        "error" => Level::ERROR,
        "warn" => Level::WARN,
        "debug" => Level::DEBUG,
        _ => Level::INFO,
    };
    Targets::new()
        .with_default(LevelFilter::from_level(Level::WARN.min(ours)))
        .with_target("anteroom", ours)
        .with_target("sipx_sip", Level::ERROR)
        .with_target("sipx_transport", Level::ERROR)
}

/// Starts logging into `dir`; keep the guard until the process ends, it flushes on drop.
///
/// The writer has a bounded queue and drops lines rather than block a call when the disk is too slow.
///
/// # Errors
/// See [`LogError`].
pub fn start(dir: &Path, level: &str, keep_days: usize) -> Result<Guard, LogError> {
    let file = RollingFileAppender::builder()
        .rotation(Rotation::DAILY)
        .filename_prefix("anteroom")
        .filename_suffix("jsonl")
        .max_log_files(keep_days.max(1))
        .build(dir)
        .map_err(|source| LogError::Folder {
            dir: dir.to_owned(),
            source,
        })?;
    let (writer, guard) = tracing_appender::non_blocking(file);
    let layer = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_writer(writer)
        .with_filter(filter(level));
    tracing_subscriber::registry()
        .with(layer)
        .try_init()
        .map_err(|_| LogError::Twice)?;
    Ok(guard)
}
