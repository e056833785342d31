//! Everything that happens in a call, once, as an event: written durably first, then shown.
//!
//! # Architecture invariant
//!
//! A call's facts are durable before they are shown as done. Words on their way ([`EventKind::Partial`]) are the one
//! exception: they are shown at once and never written.
//!
//! A call hands its events to a bounded queue and waits when that is full; its audio runs in another task and does
//! not. When a write fails (a full disk), it is tried again until it succeeds and the appliance admits no new call
//! meanwhile; what was acknowledged is on disk, what was not is still here.

use crate::metrics::Metrics;
use anteroom_store::{Pending, Store, StoreError};
use anteroom_types::{CallEvent, EventKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc};

/// Events that may wait to be written.
const QUEUE_MAX: usize = 4_096;
/// Events a screen may lag behind before it is given a fresh snapshot.
const LIVE_MAX: usize = 1_024;
/// Pause before a failed write is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// Handed to whoever has something to tell.
#[derive(Debug, Clone)]
pub(crate) struct Bus {
    queue: mpsc::Sender<CallEvent>,
    live: broadcast::Sender<Arc<CallEvent>>,
    healthy: Arc<AtomicBool>,
}

impl Bus {
    /// Starts the two tasks that write and show.
    #[must_use]
    pub(crate) fn start(store: Store, metrics: Arc<Metrics>) -> Self {
        let (queue, events) = mpsc::channel(QUEUE_MAX);
        let (live, _) = broadcast::channel(LIVE_MAX);
        let healthy = Arc::new(AtomicBool::new(true));
        // Handed over in order; bounded like the queue before it, so that a slow disk is felt there.
        let (written, to_show) = mpsc::channel(QUEUE_MAX);
        tokio::spawn(hand_to_store(
            events,
            store.clone(),
            written,
            Arc::clone(&metrics),
        ));
        tokio::spawn(show_when_durable(
            to_show,
            store,
            live.clone(),
            Arc::clone(&healthy),
            metrics,
        ));
        Self { queue, live, healthy }
    }

    /// Tells what happened. Waits when too much waits to be written.
    pub(crate) async fn tell(&self, event: CallEvent) {
        if event.kind.is_durable() {
            // The receiver lives as long as the engine.
            let _ = self.queue.send(event).await;
        } else {
            let _ = self.live.send(Arc::new(event));
        }
    }

    /// Shows what was written by another way than [`Bus::tell`].
    pub(crate) fn show(&self, event: CallEvent) {
        let _ = self.live.send(Arc::new(event));
    }

    /// What happens from now on.
    #[must_use]
    pub(crate) fn listen(&self) -> broadcast::Receiver<Arc<CallEvent>> {
        self.live.subscribe()
    }

    /// Whether facts can be written.
    #[must_use]
    pub(crate) fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }
}

async fn hand_to_store(
    mut events: mpsc::Receiver<CallEvent>,
    store: Store,
    written: mpsc::Sender<(CallEvent, Pending)>,
    metrics: Arc<Metrics>,
) {
    while let Some(event) = events.recv().await {
        metrics.events_waiting.inc();
        let pending = store.append_event(event.clone()).await;
        if written.send((event, pending)).await.is_err() {
            return;
        }
    }
}

/// Whether the same write may succeed later: there may be space again, or the disk back. What contradicts what is stored, or
/// is about something that is not there, never will.
const fn heals(e: &StoreError) -> bool {
    !matches!(
        e,
        StoreError::Conflict { .. } | StoreError::Invalid { .. } | StoreError::NotFound { .. }
    )
}

async fn show_when_durable(
    mut written: mpsc::Receiver<(CallEvent, Pending)>,
    store: Store,
    live: broadcast::Sender<Arc<CallEvent>>,
    healthy: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
) {
    while let Some((event, mut pending)) = written.recv().await {
        let mut refused = false;
        while let Err(e) = pending.await {
            if !heals(&e) {
                // Trying again would stop every call for the sake of one event of one.
                metrics.write_failures.inc();
                tracing::error!(trace = %event.trace, error = %anteroom_types::error::chain(&e),
                    "an event does not fit what is stored of its call; it is left out of the record");
                refused = true;
                break;
            }
            healthy.store(false, Ordering::Relaxed);
            metrics.write_failures.inc();
            tracing::error!(trace = %event.trace, error = %anteroom_types::error::chain(&e),
                "an event could not be written; it is tried again, and no new call is admitted meanwhile");
            tokio::time::sleep(RETRY).await;
            pending = store.append_event(event.clone()).await;
        }
        healthy.store(true, Ordering::Relaxed);
        metrics.events_waiting.dec();
        if refused {
            continue;
        }
        if let EventKind::Decided { record } = &event.kind {
            metrics.decided(record.decision);
        }
        let _ = live.send(Arc::new(event));
    }
}
