//! What the task of a session, its handles and the sessions that hear it share.

use crate::codec::Codec;
use crate::engine::{Engine, Forward, Outgoing, Port};
use crate::error::MediaError;
use crate::sdp::{self, Local, Version};
use anteroom_types::Mono;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::time::Instant;

/// What the task and the handles share. The lock is held for the length of one frame's work at most, and never while
/// another session's is.
pub(super) struct Shared {
    pub(super) inner: Mutex<Inner>,
    /// Set when the session starts; whoever relays to it sends from here too.
    pub(super) sockets: OnceLock<Sockets>,
    pub(super) stop: Notify,
    pub(super) stopped: AtomicBool,
    pub(super) epoch: std::time::Instant,
}

/// The sockets of a running session.
pub(super) struct Sockets {
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
}

/// A session that hears this one.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) link: u64,
    pub(super) peer: Weak<Shared>,
}

pub(super) struct Inner {
    pub(super) engine: Engine,
    pub(super) local: Local,
    pub(super) version: Version,
    /// An offer of ours waits for its answer.
    pub(super) offered: bool,
    /// Those that hear this session. Replaced whole, so that a packet's way holds it without copying.
    pub(super) listeners: Arc<[Listener]>,
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves an engine that is still whole enough to end.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Mono {
        Mono::from_duration(Instant::now().into_std().saturating_duration_since(self.epoch))
    }

    /// Does `work` under the lock, then tells those that hear this session what came of it, each under its own lock.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut Inner) -> R) -> R {
        let mut inner = self.lock();
        let done = work(&mut inner);
        if inner.engine.forwards.is_empty() {
            return done;
        }
        let mut forwards = std::mem::take(&mut inner.engine.forwards);
        let listeners = Arc::clone(&inner.listeners);
        drop(inner);
        for listener in listeners.iter() {
            if let Some(peer) = listener.peer.upgrade() {
                peer.take(listener.link, &forwards);
            }
        }
        forwards.clear();
        let mut inner = self.lock();
        if inner.engine.forwards.is_empty() {
            inner.engine.forwards = forwards;
        }
        done
    }

    /// What a session that is heard has to say. What comes of it is sent at once, from the other session's task.
    pub(super) fn take(&self, link: u64, forwards: &[Forward]) {
        if self.stopped.load(Ordering::Acquire) {
            return;
        }
        let now = self.now();
        let mut inner = self.lock();
        for f in forwards {
            inner.engine.forwarded(link, f, now);
        }
        let outgoing = std::mem::take(&mut inner.engine.outgoing);
        drop(inner);
        self.send(&outgoing);
    }

    /// A socket that cannot take a datagram now loses it: late audio is worth nothing.
    pub(super) fn send(&self, outgoing: &[Outgoing]) {
        let Some(sockets) = self.sockets.get() else { return };
        for o in outgoing {
            let socket = if o.port == Port::Rtp {
                &sockets.rtp
            } else {
                &sockets.rtcp
            };
            let _ = socket.try_send_to(&o.bytes, o.to);
        }
    }
}

impl Inner {
    pub(super) fn codec(&self) -> Option<Codec> {
        self.engine.agreed().map(|a| a.send.1)
    }

    fn next_version(&self) -> Version {
        Version {
            version: self.version.version + 1,
            ..self.version
        }
    }

    pub(super) fn remote_offer(&mut self, offer: &str, now: Mono) -> Result<String, MediaError> {
        let version = self.next_version();
        let (agreed, answer) = sdp::answer(offer, &self.local, self.codec(), version)?;
        self.engine.apply(agreed, now)?;
        self.version = version;
        self.offered = false;
        Ok(answer)
    }

    pub(super) fn local_offer(&mut self) -> Result<String, MediaError> {
        let version = self.next_version();
        let offer = sdp::offer(&self.local, self.codec(), version)?;
        self.version = version;
        self.offered = true;
        Ok(offer)
    }

    pub(super) fn remote_answer(&mut self, answer: &str, now: Mono) -> Result<(), MediaError> {
        if !self.offered {
            return Err(MediaError::NoOffer);
        }
        let agreed = sdp::accept(answer, &self.local)?;
        self.engine.apply(agreed, now)?;
        self.offered = false;
        Ok(())
    }
}
