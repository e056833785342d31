//! Runs a parser where it can do no harm.

use crate::error::ImportError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// Parsers at once, those that were given up but have not noticed included. Further imports are refused.
const PARSERS_MAX: usize = 4;
/// Parsers recurse over the structure of a document; an overflow of the stack cannot be caught, so there is plenty.
const STACK_BYTES: usize = 64 * 1024 * 1024;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Counts a running parser for as long as it lives, however it ends.
struct Slot;

impl Slot {
    fn take() -> Option<Self> {
        RUNNING
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| {
                (n < PARSERS_MAX).then_some(n + 1)
            })
            .ok()
            .map(|_| Self)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Runs `parse` on a thread of its own for at most `ms`. A thread cannot be killed: one that takes longer is left to
/// finish by itself, counted in [`PARSERS_MAX`], and its result is dropped.
pub(crate) fn run<T: Send + 'static>(
    ms: u64,
    parse: impl FnOnce() -> Result<T, ImportError> + Send + 'static,
) -> Result<T, ImportError> {
    let slot = Slot::take().ok_or(ImportError::Busy)?;
    let (tell, told) = mpsc::sync_channel(1);
    std::thread::Builder::new()
        .name("documents".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            // What the closure owns is dropped with it, so nothing half-changed outlives a panic.
            let result = catch_unwind(AssertUnwindSafe(parse)).unwrap_or(Err(ImportError::Crashed));
            drop(slot);
            // Nobody listens any more when the time is up.
            let _ = tell.send(result);
        })
        .map_err(|_| ImportError::Busy)?;
    match told.recv_timeout(Duration::from_millis(ms)) {
        Ok(result) => result,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(ImportError::TookTooLong { ms }),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(ImportError::Crashed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test for all of it, because the count of running parsers is shared.
    #[test]
    fn panics_and_endless_parsers_are_errors_and_threads_are_bounded() {
        let panicked: Result<(), _> = run(5_000, || panic!("a parser's own fault"));
        assert_eq!(panicked, Err(ImportError::Crashed));

        let mut held = Vec::new();
        for _ in 0..PARSERS_MAX {
            let (release, wait) = mpsc::channel::<()>();
            let endless: Result<(), _> = run(5, move || {
                let _ = wait.recv();
                Ok(())
            });
            assert_eq!(endless, Err(ImportError::TookTooLong { ms: 5 }));
            held.push(release);
        }
        assert_eq!(run(5, || Ok(())), Err(ImportError::Busy));
        drop(held);
        while RUNNING.load(Ordering::Acquire) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(run(5_000, || Ok(7)), Ok(7));
    }
}
