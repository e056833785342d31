//! One thread that flushes the files being recorded, once a second.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between flushes. With the flush itself this is what a power cut can cost, and must stay below two seconds.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Syncer {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Arc<Entry>>,
    thread: Option<JoinHandle<()>>,
    stop: bool,
}

#[derive(Debug)]
struct Entry {
    file: File,
    dirty: AtomicBool,
    failed: AtomicBool,
    closed: AtomicBool,
}

/// A file that is flushed once a second for as long as this lives.
#[derive(Debug)]
pub(crate) struct Watched(Arc<Entry>);

impl Syncer {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn watch(self: &Arc<Self>, file: File) -> io::Result<Watched> {
        let entry = Arc::new(Entry {
            file,
            dirty: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        });
        let mut state = self.state();
        if state.thread.is_none() {
            let me = Arc::clone(self);
            state.thread = Some(
                std::thread::Builder::new()
                    .name("recording-sync".into())
                    .spawn(move || me.run())?,
            );
        }
        state.files.push(Arc::clone(&entry));
        self.wake.notify_one();
        Ok(Watched(entry))
    }

    fn run(&self) {
        let mut state = self.state();
        while !state.stop {
            if state.files.is_empty() {
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let files = state.files.clone();
            drop(state);
            for entry in files.iter().filter(|e| e.dirty.swap(false, Ordering::AcqRel)) {
                if let Err(e) = entry.file.sync_data() {
                    tracing::error!(error = %e, "a recording could not be flushed");
                    entry.failed.store(true, Ordering::Release);
                }
            }
            state = self.state();
            state.files.retain(|e| !e.closed.load(Ordering::Acquire));
            if !state.stop && !state.files.is_empty() {
                state = self
                    .wake
                    .wait_timeout_while(state, EVERY, |s| !s.stop)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0;
            }
        }
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        let thread = {
            let mut state = self.state();
            state.stop = true;
            state.thread.take()
        };
        self.wake.notify_all();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Watched {
    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0.file).write_all(bytes)?;
        self.0.dirty.store(true, Ordering::Release);
        Ok(())
    }

    /// Whether a flush failed: the disk then may not hold what was written.
    pub(crate) fn failed(&self) -> bool {
        self.0.failed.load(Ordering::Acquire)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.file.sync_all()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.0.closed.store(true, Ordering::Release);
    }
}
