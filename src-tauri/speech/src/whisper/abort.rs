//! Stopping a decode that nobody waits for any more, or that takes too long.

use super::DecodeError;
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use whisper_rs::{FullParams, WhisperError, WhisperState};

/// Set by whoever asked for a decode when its result is no longer wanted. Clones share one flag.
#[derive(Debug, Clone, Default)]
pub struct CancelFlag {
    own: Arc<AtomicBool>,
    /// Another that cancels this one too.
    parent: Option<Arc<AtomicBool>>,
}

impl CancelFlag {
    /// Asks for the decode to stop. It stops within a few milliseconds.
    pub fn cancel(&self) {
        self.own.store(true, Ordering::Relaxed);
    }
    /// Whether it was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.own.load(Ordering::Relaxed) || self.parent.as_ref().is_some_and(|p| p.load(Ordering::Relaxed))
    }
    /// Whether both are clones of one flag.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.own, &other.own)
    }
    /// The same flag, which `parent` sets too.
    pub(crate) fn or(&self, parent: &Self) -> Self {
        Self {
            own: Arc::clone(&self.own),
            parent: Some(Arc::clone(&parent.own)),
        }
    }
}

/// When a decode ends early: its flag is set, or its deadline passes.
#[derive(Debug)]
pub struct Abort {
    cancel: CancelFlag,
    deadline: Instant,
}

impl Abort {
    pub(super) const fn new(cancel: CancelFlag, deadline: Instant) -> Self {
        Self { cancel, deadline }
    }
    /// Why the decode should stop now, if it should.
    #[must_use]
    pub fn reason(&self) -> Option<DecodeError> {
        if self.cancel.is_cancelled() {
            Some(DecodeError::Cancelled)
        } else if Instant::now() >= self.deadline {
            Some(DecodeError::TimedOut)
        } else {
            None
        }
    }
}

/// Runs whisper.cpp over `audio` until it is done or `abort` has a reason.
///
/// whisper-rs 0.16 has a safe form of this callback, but it stores a boxed closure under one type and reads it under
/// another, and never frees it; so the plain C form is used.
#[allow(unsafe_code)]
pub(super) fn run(
    state: &mut WhisperState,
    mut parameters: FullParams<'_, '_>,
    audio: &[f32],
    abort: &Abort,
) -> Result<(), DecodeError> {
    unsafe extern "C" fn should_stop(user_data: *mut c_void) -> bool {
        // SAFETY: `user_data` is the `&Abort` given below, which outlives the call of `full` that runs this.
        let abort = unsafe { &*user_data.cast_const().cast::<Abort>() };
        abort.reason().is_some()
    }
    // SAFETY: the callback only reads an `Abort`, which is `Sync` (ggml may call it from its own threads), and both
    // pointers are used during `state.full` alone, within which `abort` is borrowed.
    unsafe {
        parameters.set_abort_callback(Some(should_stop));
        parameters.set_abort_callback_user_data(std::ptr::from_ref(abort).cast_mut().cast());
    }
    state.full(parameters, audio).map_err(|e| {
        abort.reason().unwrap_or(DecodeError::Failed {
            code: match e {
                WhisperError::UnableToCalculateSpectrogram => "spectrogram",
                WhisperError::FailedToEncode => "encode",
                WhisperError::FailedToDecode => "decode",
                _ => "full",
            },
        })
    })?;
    // An abort in mid-decode may come back as success with half a text.
    abort.reason().map_or(Ok(()), Err)
}
