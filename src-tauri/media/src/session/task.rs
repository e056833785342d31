//! The task of a running session: it paces the engine, reads its sockets and passes its events on.

use super::MediaEvent;
use super::shared::{Shared, Sockets};
use crate::engine::Port;
use crate::ports::Lease;
use anteroom_types::FRAME_MS;
use anteroom_types::limits::RTP_DATAGRAM_BYTES_MAX;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Places in the queue of events. Ticks stop taking places when only [`EVENTS_RESERVE`] are left.
pub(super) const EVENTS_QUEUED_MAX: usize = 96;
/// Places kept for events that are no ticks.
const EVENTS_RESERVE: usize = 32;
/// Events that are no ticks kept beside a full queue; the oldest goes when there are more.
const EVENTS_BACKLOG_MAX: usize = 128;
/// Datagrams read in one go before the pacing is looked at again.
const DATAGRAMS_AT_ONCE: usize = 32;
/// A stall longer than this is skipped; a shorter one is made up for by sending the frames that are due at once.
const STALL: Duration = Duration::from_millis(200);

/// The events on their way to the consumer.
struct Outbox {
    tx: mpsc::Sender<MediaEvent>,
    backlog: VecDeque<MediaEvent>,
}

impl Outbox {
    /// Passes on what there is room for; returns how many ticks there was none for.
    fn pass(&mut self, events: &mut Vec<MediaEvent>) -> u64 {
        let mut dropped = 0;
        while !self.backlog.is_empty()
            && let Ok(place) = self.tx.try_reserve()
            && let Some(e) = self.backlog.pop_front()
        {
            place.send(e);
        }
        for e in events.drain(..) {
            let tick = matches!(e, MediaEvent::Tick { .. });
            if tick && self.tx.capacity() <= EVENTS_RESERVE {
                dropped += 1;
            } else if self.backlog.is_empty()
                && let Ok(place) = self.tx.try_reserve()
            {
                place.send(e);
            } else if !tick && !self.tx.is_closed() {
                if self.backlog.len() >= EVENTS_BACKLOG_MAX {
                    self.backlog.pop_front();
                }
                self.backlog.push_back(e);
            }
        }
        dropped
    }
}

pub(super) struct Task {
    shared: Arc<Shared>,
    out: Outbox,
    /// A session that hears this one has use for decoded audio.
    wanted: bool,
    _lease: Option<Lease>,
}

impl Task {
    pub(super) fn new(shared: Arc<Shared>, tx: mpsc::Sender<MediaEvent>, lease: Option<Lease>) -> Self {
        let out = Outbox {
            tx,
            backlog: VecDeque::new(),
        };
        Self {
            shared,
            out,
            wanted: true,
            _lease: lease,
        }
    }

    pub(super) async fn run(mut self) {
        let frame = Duration::from_millis(u64::from(FRAME_MS));
        let mut due = Instant::now() + frame;
        let mut buf = vec![0u8; RTP_DATAGRAM_BYTES_MAX + 1];
        let shared = Arc::clone(&self.shared);
        let sockets = shared.sockets.get();
        if let Some(s) = sockets {
            // A socket that is new is not yet known to be writable, and the first packets would be lost to that.
            let _ = s.rtp.writable().await;
            let _ = s.rtcp.writable().await;
        }
        // Made once: a timer and a place among those to be notified for each packet would cost as much as its way through the
        // kernel.
        let stopping = Arc::clone(&self.shared);
        let stop = stopping.stop.notified();
        let pace = tokio::time::sleep_until(due);
        tokio::pin!(stop, pace);
        while !self.shared.stopped.load(Ordering::Acquire) {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = &mut pace => {
                    let late = Instant::now().saturating_duration_since(due);
                    if late > STALL {
                        let frames = u32::try_from(late.as_millis() / frame.as_millis()).unwrap_or(u32::MAX);
                        self.shared.lock().engine.skip(frames);
                        due += frame * frames;
                    }
                    due += frame;
                    pace.as_mut().reset(due);
                    self.tick();
                }
                (port, s) = readable(sockets) => self.read(port, s, &mut buf),
            }
        }
        let now = self.shared.now();
        let (outgoing, mut events) = shared.with(|inner| {
            inner.end(now);
            (inner.flush(now), std::mem::take(&mut inner.engine.events))
        });
        shared.send(&outgoing);
        self.out.pass(&mut events);
    }

    fn tick(&mut self) {
        let now = self.shared.now();
        let ticks = self.shared.ticks.load(Ordering::Relaxed) && !self.out.tx.is_closed();
        let wanted = (ticks, self.wanted);
        let (mut outgoing, mut events, heard, listeners) = self.shared.with(|inner| {
            inner.engine.set_wanted(wanted.0, wanted.1);
            inner.tick(now);
            (
                inner.flush(now),
                std::mem::take(&mut inner.engine.events),
                inner.engine.rx,
                Arc::clone(&inner.listeners),
            )
        });
        self.shared.send(&outgoing);
        self.wanted = false;
        for listener in listeners.iter() {
            if let Some(peer) = listener.peer.upgrade() {
                self.wanted |= peer.lock().engine.heard_frame(listener.link, heard);
            }
        }
        let dropped = self.out.pass(&mut events);
        outgoing.clear();
        let mut inner = self.shared.lock();
        inner.engine.ticks_dropped(dropped);
        // The emptied vectors go back, so that a session in its stride allocates nothing for them.
        if inner.engine.outgoing.is_empty() {
            inner.engine.outgoing = outgoing;
        }
        if inner.engine.events.is_empty() {
            inner.engine.events = events;
        }
    }

    fn read(&self, port: Port, socket: &UdpSocket, buf: &mut [u8]) {
        for _ in 0..DATAGRAMS_AT_ONCE {
            // An error such as a refused port comes from an earlier datagram of ours and says nothing about the next.
            let Ok((n, from)) = socket.try_recv_from(buf) else {
                return;
            };
            let now = self.shared.now();
            let outgoing = self.shared.with(|i| {
                i.datagram(port, canonical(from), &buf[..n], now);
                i.flush(now)
            });
            self.shared.send(&outgoing);
        }
    }
}

/// Waits for a datagram; a device's leg waits for none.
async fn readable(sockets: Option<&Sockets>) -> (Port, &UdpSocket) {
    let Some(s) = sockets else {
        return std::future::pending().await;
    };
    // An error is an earlier datagram's, and reading takes it away.
    std::future::poll_fn(|cx| {
        for (port, socket) in [(Port::Rtp, &s.rtp), (Port::Rtcp, &s.rtcp)] {
            if socket.poll_recv_ready(cx).is_ready() {
                return Poll::Ready((port, socket));
            }
        }
        Poll::Pending
    })
    .await
}

/// IPv4 in IPv6's clothes, as a dual-stack socket gives it, compares equal to IPv4 as descriptions write it.
fn canonical(a: SocketAddr) -> SocketAddr {
    SocketAddr::new(a.ip().to_canonical(), a.port())
}
