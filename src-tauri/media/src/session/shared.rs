//! What the task of a session, its handles and the sessions that hear it share.

use crate::codec::Codec;
use crate::engine::{Engine, Forward, Outgoing, Port};
use crate::error::MediaError;
use crate::sdp::{self, Local, Version};
use crate::webrtc::{PathEvent, Peer, Setup};
use anteroom_types::Mono;
use std::net::SocketAddr;
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
    /// Whether the consumer wants ticks.
    pub(super) ticks: AtomicBool,
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
    /// The way to a browser, if the peer is one.
    pub(super) peer: Option<Box<Peer>>,
    pub(super) epoch: std::time::Instant,
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
        let outgoing = inner.flush(now);
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

    pub(super) fn is_encrypted(&self) -> bool {
        self.peer.is_some() || self.engine.agreed().is_some_and(|a| a.keys.is_some())
    }

    /// A moment as the protocols underneath count it.
    fn instant(&self, now: Mono) -> std::time::Instant {
        self.epoch + std::time::Duration::from_micros(now.0)
    }

    /// A datagram has come.
    pub(super) fn datagram(&mut self, port: Port, from: SocketAddr, bytes: &[u8], now: Mono) {
        let at = self.instant(now);
        let Some(peer) = &mut self.peer else {
            self.engine.datagram(port, from, bytes, now);
            return;
        };
        if port == Port::Rtcp {
            // RTCP shares the one port with a browser.
            return;
        }
        let media = peer.datagram(from, bytes, at);
        self.path_events();
        if let Some(media) = media {
            self.engine.datagram(Port::Rtp, from, &media, now);
        }
    }

    /// Twenty milliseconds have passed.
    pub(super) fn tick(&mut self, now: Mono) {
        self.peer_timeout(now);
        self.engine.tick(now);
    }

    /// Repeats what the path has to repeat.
    pub(super) fn peer_timeout(&mut self, now: Mono) {
        let at = self.instant(now);
        if let Some(peer) = &mut self.peer {
            peer.timeout(at);
        }
        self.path_events();
    }

    pub(super) fn end(&mut self, now: Mono) {
        self.engine.end(now);
        let at = self.instant(now);
        if let Some(peer) = &mut self.peer {
            for o in std::mem::take(&mut self.engine.outgoing) {
                peer.send(&o.bytes, at);
            }
            peer.close(at);
        }
    }

    /// Gives back what a peer that never ran holds elsewhere.
    pub(super) fn close_peer(&mut self, now: Mono) {
        let at = self.instant(now);
        if let Some(peer) = &mut self.peer {
            peer.close(at);
        }
    }

    fn path_events(&mut self) {
        let Some(peer) = &mut self.peer else { return };
        for e in peer.events.drain(..) {
            match e {
                PathEvent::Keys(keys) => self.engine.set_keys(&keys),
                PathEvent::Path(path) => self.engine.set_path(path),
                PathEvent::Lost => self.engine.path_lost(),
            }
        }
    }

    /// What is to be sent now, with its way to go.
    pub(super) fn flush(&mut self, now: Mono) -> Vec<Outgoing> {
        let at = self.instant(now);
        let outgoing = std::mem::take(&mut self.engine.outgoing);
        let Some(peer) = &mut self.peer else {
            return outgoing;
        };
        for o in &outgoing {
            peer.send(&o.bytes, at);
        }
        peer.out
            .drain(..)
            .map(|(to, bytes)| Outgoing {
                port: Port::Rtp,
                to,
                bytes: bytes.into(),
            })
            .collect()
    }

    pub(super) fn remote_offer(&mut self, offer: &str, now: Mono) -> Result<String, MediaError> {
        if self.engine.is_local() {
            return Err(MediaError::NothingInCommon);
        }
        let version = self.next_version();
        let current = self.codec();
        let at = self.instant(now);
        let Some(peer) = &mut self.peer else {
            let (agreed, answer) = sdp::answer(offer, &self.local, current, version)?;
            self.engine.apply(agreed, now)?;
            self.version = version;
            self.offered = false;
            return Ok(answer);
        };
        let theirs = sdp::way_of(offer)?;
        // Tried first, so that an offer that does not suit changes nothing of the path.
        sdp::answer(offer, &self.local, current, version)?;
        let setup = peer.answer_setup(&theirs);
        peer.stage_restart(&theirs);
        let way = peer.describe(setup, &theirs.mid);
        if let Some(d) = &mut self.local.dtls {
            d.way = way;
        }
        let (agreed, answer) = sdp::answer(offer, &self.local, current, version)?;
        peer.apply(&theirs, setup == Setup::Active, at)?;
        self.engine.apply(agreed, now)?;
        self.path_events();
        self.version = version;
        self.offered = false;
        Ok(answer)
    }

    pub(super) fn local_offer(&mut self) -> Result<String, MediaError> {
        if self.engine.is_local() {
            return Err(MediaError::NothingInCommon);
        }
        let version = self.next_version();
        if let (Some(peer), Some(d)) = (&self.peer, &mut self.local.dtls) {
            let mid = d.way.mid.clone();
            d.way = peer.describe(Setup::ActPass, &mid);
        }
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
        let at = self.instant(now);
        if let Some(peer) = &mut self.peer {
            let theirs = sdp::way_of(answer)?;
            // The answerer decides; one that names neither role is passive by RFC 5763's default for answers.
            let is_client = theirs.setup == Setup::Passive;
            peer.apply(&theirs, is_client, at)?;
        }
        self.engine.apply(agreed, now)?;
        self.path_events();
        self.offered = false;
        Ok(())
    }
}
