//! One call's recording: encoded and encrypted on a thread of its own.
//!
//! The call hands over frames through a bounded queue and never waits: when the disk is so slow that two seconds of
//! audio wait, frames are dropped from the recording, never from the call, and counted.

use crate::engine::Shared;
use anteroom_media::recording::StereoEncoder;
use anteroom_store::recordings::RecordingWriter;
use anteroom_types::audio::Frame;
use anteroom_types::{CallId, TraceId};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Frames that may wait to be written: two seconds.
const QUEUE_FRAMES_MAX: usize = 100;

enum State {
    Off,
    On {
        frames: SyncSender<Box<(Frame, Frame)>>,
        thread: tokio::task::JoinHandle<()>,
    },
}

/// What the thread tells when it cannot go on.
type Broken = tokio::sync::oneshot::Receiver<()>;

pub(super) struct Recording {
    shared: Arc<Shared>,
    call: CallId,
    trace: TraceId,
    state: State,
    broken: Option<Broken>,
    dropped: u64,
}

impl Recording {
    pub(super) const fn new(shared: Arc<Shared>, call: CallId, trace: TraceId) -> Self {
        Self {
            shared,
            call,
            trace,
            state: State::Off,
            broken: None,
            dropped: 0,
        }
    }

    /// Begins. False when that is not possible; the call goes on without a recording.
    pub(super) fn start(&mut self) -> bool {
        if matches!(self.state, State::On { .. }) {
            return false;
        }
        let mut encoder = match StereoEncoder::new() {
            Ok(e) => e,
            Err(e) => {
                tracing::error!(trace = %self.trace, error = %anteroom_types::error::chain(&e), "no recording: the encoder failed");
                return false;
            }
        };
        let (frames, queue) = sync_channel::<Box<(Frame, Frame)>>(QUEUE_FRAMES_MAX);
        let (tell, broken) = tokio::sync::oneshot::channel();
        let (store, call, trace) = (self.shared.store.clone(), self.call, self.trace);
        let thread = tokio::task::spawn_blocking(move || {
            let written = (|| {
                let mut writer = RecordingWriter::create(&store, call)?;
                while let Ok(f) = queue.recv() {
                    if let Some(page) = encoder.push(&f.0, &f.1) {
                        writer.write(&page)?;
                    }
                }
                writer.write(&encoder.finish())?;
                writer.finish()
            })();
            if let Err(e) = written {
                tracing::error!(trace = %trace, error = %anteroom_types::error::chain(&e), "the recording is incomplete");
                let _ = tell.send(());
            }
        });
        self.state = State::On { frames, thread };
        self.broken = Some(broken);
        true
    }

    /// The recording cannot go on: the disk is full, or gone. Pends while it can, and when there is none; cancel-safe.
    pub(super) async fn lost(&mut self) {
        if let Some(broken) = &mut self.broken {
            let told = broken.await;
            self.broken = None;
            if told.is_ok() {
                return;
            }
        }
        std::future::pending().await
    }

    /// Whether it is being recorded.
    pub(super) const fn is_on(&self) -> bool {
        matches!(self.state, State::On { .. })
    }

    /// Takes 20 ms of both sides.
    pub(super) fn frame(&mut self, rx: &Frame, tx: &Frame) {
        if let State::On { frames, .. } = &self.state
            && frames.try_send(Box::new((*rx, *tx))).is_err()
        {
            self.dropped += 1;
        }
    }

    /// Ends it and waits until it is on disk.
    pub(super) async fn finish(&mut self) {
        self.broken = None;
        if let State::On { frames, thread } = std::mem::replace(&mut self.state, State::Off) {
            drop(frames);
            if let Err(e) = thread.await {
                tracing::error!(trace = %self.trace, panicked = e.is_panic(), "the recording was lost");
            }
            if self.dropped > 0 {
                tracing::warn!(trace = %self.trace, frames = self.dropped, "the recording lacks frames: the disk was too slow");
            }
        }
    }
}
