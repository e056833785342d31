//! The ladder of recognisers: which one is in use, what is decoded next, and what happens when one fails.
//!
//! A *rung* is a model with its settings; the first is the best. One context per rung is loaded and shared; each
//! worker thread makes its own working memory per rung, once. A rung that is missing, damaged, failing or too slow is
//! left for the next, and looked at again in the background until it is well. Below the last rung is the keypad: then
//! [`Ladder::recognise`] answers [`RecogniseError::NoRecogniser`] at once and the conversation goes on with keys.
//!
//! # When the queue is full
//!
//! At most `queue_max` jobs wait. A final decode pushes out the oldest partial one, then the oldest speculative one;
//! a speculative decode pushes out the oldest partial one. What was pushed out is answered
//! [`RecogniseError::Displaced`]; a job that finds nothing to push out is answered [`RecogniseError::Overloaded`].
//! A call's newer partial replaces its older one.
//!
//! # When there is more to decode than can be
//!
//! Speculative and partial decodes are not begun while more important ones wait. A final decode that waited longer than
//! `wait_give_up` is answered [`RecogniseError::Late`] instead of being begun: first come, first served without that
//! would make everybody late, and then nobody would be heard at all.

mod config;
mod queue;
mod rung;
mod worker;

pub use config::{LadderConfig, LadderConfigError, RungConfig};
pub use rung::{LadderHealth, Rung, RungChange, RungHealth, RungState};

pub use crate::whisper::{AudioCtx, CancelFlag, HallucinationGuard, WhisperSettings};

use anteroom_types::{ErrorCode, Pii, TraceId, UserFacing, audio};
use queue::{Queue, Queued};
use rung::Rungs;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::{oneshot, watch};

/// What a decode is for. In this order of importance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// The turn is over and the conversation waits.
    Final,
    /// The turn may be over: decoded ahead, so that the result is there if it is.
    Speculative,
    /// Words so far, for the screen.
    Partial,
}

/// One decode.
#[derive(Clone)]
pub struct Job {
    /// 16 kHz mono audio of the turn.
    pub samples: Arc<[i16]>,
    /// What it is for.
    pub kind: JobKind,
    /// Language tag, or the rung's own. English-only models ignore another.
    pub language: Option<String>,
    /// The call it belongs to.
    pub trace: TraceId,
    /// Set it to stop the decode. Dropping the future does the same.
    pub cancel: CancelFlag,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job")
            .field("ms", &audio::samples_to_ms(self.samples.len()))
            .field("kind", &self.kind)
            .field("trace", &self.trace)
            .finish_non_exhaustive()
    }
}

/// What was recognised.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcript {
    /// The words, trimmed. Empty means nothing was said.
    pub text: Pii<String>,
    /// Confidence, 0 to 1: the geometric mean of the tokens' probabilities.
    pub confidence: f32,
    /// The model's no-speech probability, 0 to 1.
    pub no_speech_prob: f32,
    /// The rung that produced it.
    pub rung: String,
    /// The model of that rung.
    pub model: String,
    /// Whether it is the demonstration model; whoever shows the text says so.
    pub demonstration: bool,
    /// Milliseconds the decode took, without the wait before it.
    pub decode_ms: u64,
    /// Why the text was dropped, if it was.
    pub dropped_as: Option<HallucinationGuard>,
}

/// Why there is no transcript.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecogniseError {
    /// No rung works; the keypad is all there is.
    #[error("no recogniser is working")]
    NoRecogniser,
    /// The queue is full of work at least as important.
    #[error("the recognisers have too much to do")]
    Overloaded,
    /// More important work, or newer audio of the same call, took the job's place.
    #[error("the decode gave way to more important work")]
    Displaced,
    /// The job waited so long that nobody would have waited for its result.
    #[error("the recognisers did not come to it in time")]
    Late,
    /// The job was cancelled.
    #[error("the decode was cancelled")]
    Cancelled,
    /// Partial decodes are switched off.
    #[error("partial results are switched off")]
    PartialsOff,
    /// The ladder is being shut down.
    #[error("the recognisers are stopping")]
    Stopping,
}

impl UserFacing for RecogniseError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoRecogniser => "stt.none",
            Self::Overloaded => "stt.overloaded",
            Self::Displaced => "stt.displaced",
            Self::Late => "stt.late",
            Self::Cancelled => "stt.cancelled",
            Self::PartialsOff => "stt.partials_off",
            Self::Stopping => "stt.stopping",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::NoRecogniser => {
                "Look at `anteroom models list`: callers are served by keypad until a model works."
            }
            Self::Overloaded | Self::Late => {
                "Choose a smaller model, allow fewer calls at once, or give the machine more cores."
            }
            _ => "Nothing needs to be done.",
        }
        .to_owned()
    }
}

/// The recognisers. Dropping it stops the workers after the decodes in hand are aborted.
#[derive(Debug)]
pub struct Ladder {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    config: LadderConfig,
    queue: Queue,
    rungs: Rungs,
    /// Set at shutdown; every decode in hand listens to it through its job's flag.
    stop: CancelFlag,
}

impl Ladder {
    /// Loads every rung, in order, and starts the workers. Blocks while models load. A rung that cannot be loaded does
    /// not fail the start: it is reported in [`Ladder::health`] and tried again in the background.
    ///
    /// # Errors
    /// When the configuration makes no sense, or a thread cannot be started.
    pub fn start(config: LadderConfig) -> Result<Self, LadderConfigError> {
        config.check()?;
        let shared = Arc::new(Shared {
            rungs: Rungs::new(&config),
            queue: Queue::new(config.queue_max),
            stop: CancelFlag::default(),
            config,
        });
        for i in 0..shared.config.rungs.len() {
            shared.rungs.load(i);
        }
        shared.rungs.note_start();
        shared.publish();
        let mut ladder = Self {
            threads: Vec::new(),
            shared,
        };
        for i in 0..ladder.shared.config.workers {
            ladder.spawn(format!("stt-{i}"), worker::run)?;
        }
        ladder.spawn("stt-probe".into(), worker::probe)?;
        Ok(ladder)
    }

    fn spawn(&mut self, name: String, body: fn(&Shared)) -> Result<(), LadderConfigError> {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || body(&shared))
            .map_err(LadderConfigError::Thread)?;
        self.threads.push(thread);
        Ok(())
    }

    /// Decodes one turn on the best rung that works.
    ///
    /// Cancel-safe: dropping the future stops the decode.
    ///
    /// # Errors
    /// See [`RecogniseError`].
    pub async fn recognise(&self, job: Job) -> Result<Transcript, RecogniseError> {
        let shared = &self.shared;
        if job.kind == JobKind::Partial && !shared.config.partials {
            return Err(RecogniseError::PartialsOff);
        }
        let Some(best) = shared.rungs.active() else {
            return Err(RecogniseError::NoRecogniser);
        };
        let ms = audio::samples_to_ms(job.samples.len());
        let rung = &shared.config.rungs[best];
        if ms < u64::from(rung.settings.minimum_speech_ms) {
            return Ok(Transcript {
                text: Pii::new(String::new()),
                confidence: 0.0,
                no_speech_prob: 0.0,
                rung: rung.name.clone(),
                model: rung.model.id.clone(),
                demonstration: rung.model.demonstration,
                decode_ms: 0,
                dropped_as: Some(HallucinationGuard::TooShort),
            });
        }
        let guard = CancelOnDrop(job.cancel.clone());
        let (reply, answer) = oneshot::channel();
        shared.queue.push(Queued {
            job,
            reply,
            since: Instant::now(),
            probe: None,
        })?;
        shared.publish();
        let result = answer.await.unwrap_or(Err(RecogniseError::Stopping));
        guard.disarm();
        result
    }

    /// The speculative decode asked for with this flag is wanted now: its turn is over. It waits among the final ones.
    pub fn promote(&self, flag: &CancelFlag) {
        self.shared.queue.promote(flag);
    }

    /// The ladder's state, now and as it changes.
    #[must_use]
    pub fn health(&self) -> watch::Receiver<LadderHealth> {
        self.shared.rungs.subscribe()
    }

    /// Looks at every rung that does not work at once instead of at the next interval.
    pub fn probe_now(&self) {
        self.shared.queue.wake_probe();
    }
}

impl Drop for Ladder {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.queue.stop();
        for thread in self.threads.drain(..) {
            // A worker that panicked has said so already; there is nothing to save here.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn publish(&self) {
        self.rungs.publish(self.queue.len());
    }
}

/// Cancels a job whose future was dropped before the answer came.
struct CancelOnDrop(CancelFlag);

impl CancelOnDrop {
    fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}
