//! Sessions as the rest of the appliance sees them: a factory with a pool of ports, a session being negotiated, and
//! the handle of a running one.
//!
//! A running session is one task that owns two sockets. It never waits for its consumer: when the events are not
//! taken, ticks are dropped and counted, and the other events have a reserve of their own.

use crate::codec::Codec;
use crate::engine::{Engine, Outgoing, Port, Seed, Timeouts};
use crate::error::MediaError;
use crate::playout::PlayError;
use crate::ports::{Lease, Pool};
use crate::sdp::{self, Local, Version};
use crate::srtp::MasterKey;
use crate::stats::Quality;
use anteroom_types::audio::Frame;
use anteroom_types::limits::RTP_DATAGRAM_BYTES_MAX;
use anteroom_types::{FRAME_MS, Mono, SayId};
use rand::Rng as _;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// Places in the queue of events. Ticks stop taking places when only [`EVENTS_RESERVE`] are left.
const EVENTS_QUEUED_MAX: usize = 96;
/// Places kept for events that are no ticks.
const EVENTS_RESERVE: usize = 32;
/// Events that are no ticks kept beside a full queue; the oldest goes when there are more.
const EVENTS_BACKLOG_MAX: usize = 128;
/// Datagrams read in one go before the pacing is looked at again.
const DATAGRAMS_AT_ONCE: usize = 32;
/// A stall longer than this is skipped; a shorter one is made up for by sending the frames that are due at once.
const STALL: Duration = Duration::from_millis(200);

/// Whether media is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SrtpPolicy {
    /// Never; encrypted-only offers are refused.
    Off,
    /// When the peer offers or accepts it.
    #[default]
    Optional,
    /// Always; plain offers are refused.
    Required,
}

/// Settings of the media of all calls.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// Address the sockets are bound to.
    pub bind: IpAddr,
    /// Address written into session descriptions.
    pub advertise: IpAddr,
    /// UDP ports to use. Each session takes an even one for RTP and the next for RTCP.
    pub ports: RangeInclusive<u16>,
    /// Codecs allowed, the preferred first.
    pub codecs: Vec<Codec>,
    /// Encryption.
    pub srtp: SrtpPolicy,
    /// Milliseconds to wait for the first packet before [`MediaEvent::SilenceTimeout`].
    pub first_packet_timeout_ms: u64,
    /// Milliseconds without a packet, after the first, before [`MediaEvent::SilenceTimeout`]; not while held.
    pub silence_timeout_ms: u64,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            bind: IpAddr::from([127, 0, 0, 1]),
            advertise: IpAddr::from([127, 0, 0, 1]),
            ports: 20_000..=21_999,
            codecs: Codec::ALL.to_vec(),
            srtp: SrtpPolicy::Optional,
            first_packet_timeout_ms: 30_000,
            silence_timeout_ms: 15_000,
        }
    }
}

/// What happens in a running session. Its `Debug` tells neither audio nor digits, which are personal data.
#[derive(Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every event is a tick, and boxing each would cost an allocation per 20 ms"
)]
pub enum MediaEvent {
    /// Twenty milliseconds have passed; this comes whether or not the peer sends anything.
    Tick {
        /// When.
        at: Mono,
        /// What was heard, or what stands in for it.
        rx: Frame,
        /// What was said.
        tx: Frame,
        /// Whether `rx` was mostly received; false for concealed loss, comfort noise and silence put in.
        rx_filled: bool,
    },
    /// The first frame of something to be said was sent.
    PlayStarted {
        /// Which.
        id: SayId,
        /// When.
        at: Mono,
    },
    /// The last frame of it was sent.
    PlayDone {
        /// Which.
        id: SayId,
        /// When.
        at: Mono,
    },
    /// It was dropped by [`MediaHandle::clear`] or by the end of the session.
    PlayDropped {
        /// Which.
        id: SayId,
        /// Milliseconds of it that had been sent.
        played_ms: u64,
    },
    /// The peer pressed a key; once for each.
    Dtmf {
        /// `0` to `9`, `*`, `#`, `A` to `D`. It is personal data.
        digit: char,
        /// How long it was held down, in milliseconds.
        duration_ms: u32,
    },
    /// The peer's first packet was accepted.
    FirstPacket,
    /// The peer has sent nothing for the configured time. It comes again only after packets have.
    SilenceTimeout,
    /// Figures so far, about every five seconds.
    Quality(Quality),
    /// The peer put us on hold (true) or took us off it.
    Held(bool),
}

impl std::fmt::Debug for MediaEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tick { at, rx_filled, .. } => write!(f, "Tick({at:?}, filled: {rx_filled})"),
            Self::PlayStarted { id, at } => write!(f, "PlayStarted({id:?}, {at:?})"),
            Self::PlayDone { id, at } => write!(f, "PlayDone({id:?}, {at:?})"),
            Self::PlayDropped { id, played_ms } => write!(f, "PlayDropped({id:?}, {played_ms} ms)"),
            Self::Dtmf { duration_ms, .. } => write!(f, "Dtmf([pii], {duration_ms} ms)"),
            Self::FirstPacket => f.write_str("FirstPacket"),
            Self::SilenceTimeout => f.write_str("SilenceTimeout"),
            Self::Quality(q) => write!(f, "Quality({q:?})"),
            Self::Held(held) => write!(f, "Held({held})"),
        }
    }
}

/// Makes sessions and owns the pool of ports. Cheap to clone.
#[derive(Clone)]
pub struct MediaFactory {
    inner: Arc<Factory>,
}

struct Factory {
    config: MediaConfig,
    epoch: std::time::Instant,
    pool: Arc<Pool>,
}

impl MediaFactory {
    /// A factory whose [`Mono`] counts from `epoch`.
    ///
    /// # Errors
    /// When the port range holds no pair of ports, no codec is allowed, or the addresses are of different IP versions.
    pub fn new(config: MediaConfig, epoch: std::time::Instant) -> Result<Self, MediaError> {
        if config.codecs.is_empty() {
            return Err(MediaError::Config("no codec is allowed"));
        }
        if config.bind.is_ipv4() != config.advertise.is_ipv4() {
            return Err(MediaError::Config(
                "the bound and the advertised address are of different IP versions",
            ));
        }
        if config.advertise.is_unspecified() {
            return Err(MediaError::Config(
                "the advertised address must be one that callers can reach",
            ));
        }
        let pool = Pool::new(config.ports.clone());
        if pool.free() == 0 {
            return Err(MediaError::Config(
                "the port range holds no even port with an odd one after it",
            ));
        }
        Ok(Self {
            inner: Arc::new(Factory {
                config,
                epoch,
                pool: Arc::new(pool),
            }),
        })
    }

    /// Sessions that could still be made, as far as ports go.
    #[must_use]
    pub fn free_ports(&self) -> usize {
        self.inner.pool.free()
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// When the offer cannot be read or nothing in it suits, no port is free, or a codec or encryption cannot be set
    /// up. See [`MediaError::is_not_acceptable`].
    pub fn answer(&self, offer: &str) -> Result<(MediaSession, String), MediaError> {
        // Read first: an offer that does not suit must not cost a port.
        sdp::parse(offer)?;
        let session = self.session()?;
        let answer = session.shared.lock().remote_offer(offer, self.now())?;
        Ok((session, answer))
    }

    /// Makes an offer.
    ///
    /// # Errors
    /// When no port is free or encryption cannot be set up.
    pub fn offer(&self) -> Result<(MediaSession, String), MediaError> {
        let session = self.session()?;
        let offer = session.shared.lock().local_offer()?;
        Ok((session, offer))
    }

    fn now(&self) -> Mono {
        Mono::from_duration(
            Instant::now()
                .into_std()
                .saturating_duration_since(self.inner.epoch),
        )
    }

    fn session(&self) -> Result<MediaSession, MediaError> {
        let c = &self.inner.config;
        let (lease, rtp, rtcp) = self.inner.pool.lease(c.bind)?;
        let key = || MasterKey::random().ok_or(MediaError::Crypto);
        let mut rng = rand::rng();
        let seed = Seed {
            ssrc: rng.random(),
            seq: rng.random(),
            timestamp: rng.random(),
            cname: format!("{:016x}", rng.random::<u64>()),
            phase: rng.random(),
        };
        let local = Local {
            advertise: c.advertise,
            rtp_port: lease.port(),
            codecs: c.codecs.clone(),
            srtp: c.srtp,
            keys: [key()?, key()?],
        };
        let timeouts = Timeouts {
            first_packet_ms: c.first_packet_timeout_ms,
            silence_ms: c.silence_timeout_ms,
        };
        let inner = Inner {
            engine: Engine::new(timeouts, seed, self.now()),
            local,
            // RFC 8866 5.2 wants a number that is likely unique; 62 bits keep within what peers read.
            version: Version {
                id: rng.random::<u64>() >> 2,
                version: 0,
            },
            offered: false,
        };
        let shared = Arc::new(Shared {
            inner: Mutex::new(inner),
            stop: Notify::new(),
            stopped: AtomicBool::new(false),
            epoch: self.inner.epoch,
        });
        Ok(MediaSession {
            shared,
            lease,
            rtp,
            rtcp,
        })
    }
}

/// What the task and the handles share. The lock is held for the length of one frame's work at most.
struct Shared {
    inner: Mutex<Inner>,
    stop: Notify,
    stopped: AtomicBool,
    epoch: std::time::Instant,
}

struct Inner {
    engine: Engine,
    local: Local,
    version: Version,
    /// An offer of ours waits for its answer.
    offered: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere leaves an engine that is still whole enough to end.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Mono {
        Mono::from_duration(Instant::now().into_std().saturating_duration_since(self.epoch))
    }
}

impl Inner {
    fn codec(&self) -> Option<Codec> {
        self.engine.agreed().map(|a| a.send.1)
    }

    fn next_version(&self) -> Version {
        Version {
            version: self.version.version + 1,
            ..self.version
        }
    }

    fn remote_offer(&mut self, offer: &str, now: Mono) -> Result<String, MediaError> {
        let version = self.next_version();
        let (agreed, answer) = sdp::answer(offer, &self.local, self.codec(), version)?;
        self.engine.apply(agreed, now)?;
        self.version = version;
        self.offered = false;
        Ok(answer)
    }

    fn local_offer(&mut self) -> Result<String, MediaError> {
        let version = self.next_version();
        let offer = sdp::offer(&self.local, self.codec(), version)?;
        self.version = version;
        self.offered = true;
        Ok(offer)
    }

    fn remote_answer(&mut self, answer: &str, now: Mono) -> Result<(), MediaError> {
        if !self.offered {
            return Err(MediaError::NoOffer);
        }
        let agreed = sdp::accept(answer, &self.local)?;
        self.engine.apply(agreed, now)?;
        self.offered = false;
        Ok(())
    }
}

/// A session that holds its ports but does not run yet.
pub struct MediaSession {
    shared: Arc<Shared>,
    lease: Lease,
    rtp: std::net::UdpSocket,
    rtcp: std::net::UdpSocket,
}

impl MediaSession {
    /// Takes the answer to the offer this session was made with.
    ///
    /// # Errors
    /// When the answer cannot be read, accepts nothing, or no offer is open.
    pub fn remote_answer(&mut self, answer: &str) -> Result<(), MediaError> {
        let now = self.shared.now();
        self.shared.lock().remote_answer(answer, now)?;
        Ok(())
    }

    /// The address the peer signals from. Media from it is believed sooner than media from elsewhere when the address
    /// in the description turns out to be behind address translation.
    pub fn set_signalling_peer(&mut self, ip: IpAddr) {
        self.shared.lock().engine.set_signalling(ip);
    }

    /// The codec agreed on, by its encoding name, once there is one.
    #[must_use]
    pub fn codec(&self) -> Option<&'static str> {
        self.shared.lock().codec().map(Codec::name)
    }

    /// Whether encryption was agreed on.
    #[must_use]
    pub fn is_srtp(&self) -> bool {
        self.shared
            .lock()
            .engine
            .agreed()
            .is_some_and(|a| a.keys.is_some())
    }

    /// The port RTP is expected on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.lease.port()
    }

    /// Starts the session on the current Tokio runtime. It ends with [`MediaHandle::stop`] or when every handle is
    /// dropped; then its ports are free again and the receiver is closed. A receiver that is not read loses ticks; one
    /// that is dropped loses everything, and the session runs on.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn start(self) -> (MediaHandle, mpsc::Receiver<MediaEvent>) {
        let (tx, rx) = mpsc::channel(EVENTS_QUEUED_MAX);
        let now = self.shared.now();
        self.shared.lock().engine.start(now);
        let handle = MediaHandle {
            guard: Arc::new(Guard {
                shared: Arc::clone(&self.shared),
            }),
        };
        match (UdpSocket::from_std(self.rtp), UdpSocket::from_std(self.rtcp)) {
            (Ok(rtp), Ok(rtcp)) => {
                let task = Task {
                    shared: self.shared,
                    rtp,
                    rtcp,
                    out: Outbox {
                        tx,
                        backlog: VecDeque::new(),
                    },
                    _lease: self.lease,
                };
                tokio::spawn(task.run());
            }
            (Err(e), _) | (_, Err(e)) => {
                // The consumer sees its receiver closed, as when a session ends.
                tracing::error!(error = %e, "a media socket could not be watched");
                self.shared.stopped.store(true, Ordering::Release);
                self.shared.lock().engine.end(now);
            }
        }
        (handle, rx)
    }
}

/// Ends the session when the last handle goes.
struct Guard {
    shared: Arc<Shared>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        self.shared.stop.notify_one();
    }
}

/// Controls a running session. Cheap to clone; none of its methods waits.
#[derive(Clone)]
pub struct MediaHandle {
    guard: Arc<Guard>,
}

impl MediaHandle {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.guard.shared.lock()
    }

    /// Answers a further offer of the peer's: hold, a change of address, codec or keys.
    ///
    /// # Errors
    /// As [`MediaFactory::answer`]; then the session goes on as before.
    pub fn remote_offer(&self, offer: &str) -> Result<String, MediaError> {
        let now = self.guard.shared.now();
        self.lock().remote_offer(offer, now)
    }

    /// A further offer of ours, for a session refresh or a re-INVITE without an offer.
    ///
    /// # Errors
    /// When the description cannot be written.
    pub fn local_offer(&self) -> Result<String, MediaError> {
        self.lock().local_offer()
    }

    /// Takes the answer to [`Self::local_offer`], or to the offer the session was made with.
    ///
    /// # Errors
    /// As [`MediaSession::remote_answer`]; then the session goes on as before.
    pub fn remote_answer(&self, answer: &str) -> Result<(), MediaError> {
        let now = self.guard.shared.now();
        self.lock().remote_answer(answer, now)
    }

    /// The codec agreed on, by its encoding name.
    #[must_use]
    pub fn codec(&self) -> Option<&'static str> {
        self.lock().codec().map(Codec::name)
    }

    /// Whether the media is encrypted.
    #[must_use]
    pub fn is_srtp(&self) -> bool {
        self.lock().engine.agreed().is_some_and(|a| a.keys.is_some())
    }

    /// Appends engine audio (mono, 16 kHz) to what is to be said. While the peer holds us, nothing is said and nothing
    /// is lost.
    ///
    /// # Errors
    /// When the queue is full or the session has ended.
    pub fn play(&self, id: SayId, audio: Arc<[i16]>) -> Result<(), PlayError> {
        if self.guard.shared.stopped.load(Ordering::Acquire) {
            return Err(PlayError::Ended);
        }
        self.lock().engine.play(id, audio)
    }

    /// Falls silent within 20 ms; what is left is kept.
    pub fn pause(&self) {
        self.lock().engine.pause();
    }

    /// Goes on after [`Self::pause`], repeating at most 20 ms.
    pub fn resume(&self) {
        self.lock().engine.resume();
    }

    /// Drops all that is being said or waits to be, and lifts a pause. Each piece is reported as
    /// [`MediaEvent::PlayDropped`].
    pub fn clear(&self) {
        let now = self.guard.shared.now();
        self.lock().engine.clear(now);
    }

    /// Sends keypad digits, each 100 ms, as RFC 4733 events, or as tones if the peer takes no events. Characters that
    /// are no digits, and digits beyond 64 waiting, are left out. What is being said waits meanwhile.
    pub fn send_dtmf(&self, digits: &str) {
        self.lock().engine.send_dtmf(digits);
    }

    /// Ends the session.
    pub fn stop(&self) {
        self.guard.shared.stopped.store(true, Ordering::Release);
        self.guard.shared.stop.notify_one();
    }

    /// Figures so far.
    #[must_use]
    pub fn stats(&self) -> Quality {
        self.lock().engine.quality()
    }
}

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

struct Task {
    shared: Arc<Shared>,
    rtp: UdpSocket,
    rtcp: UdpSocket,
    out: Outbox,
    _lease: Lease,
}

impl Task {
    async fn run(mut self) {
        let frame = Duration::from_millis(u64::from(FRAME_MS));
        let mut due = Instant::now() + frame;
        let mut buf = vec![0u8; RTP_DATAGRAM_BYTES_MAX + 1];
        while !self.shared.stopped.load(Ordering::Acquire) {
            tokio::select! {
                biased;
                () = self.shared.stop.notified() => {}
                () = tokio::time::sleep_until(due) => {
                    let late = Instant::now().saturating_duration_since(due);
                    if late > STALL {
                        let frames = u32::try_from(late.as_millis() / frame.as_millis()).unwrap_or(u32::MAX);
                        self.shared.lock().engine.skip(frames);
                        due += frame * frames;
                    }
                    due += frame;
                    self.tick();
                }
                r = self.rtp.readable() => if r.is_ok() { self.read(Port::Rtp, &mut buf) },
                r = self.rtcp.readable() => if r.is_ok() { self.read(Port::Rtcp, &mut buf) },
            }
        }
        let now = self.shared.now();
        let (outgoing, mut events) = {
            let mut inner = self.shared.lock();
            inner.engine.end(now);
            (
                std::mem::take(&mut inner.engine.outgoing),
                std::mem::take(&mut inner.engine.events),
            )
        };
        self.send(&outgoing);
        self.out.pass(&mut events);
    }

    fn tick(&mut self) {
        let now = self.shared.now();
        let mut inner = self.shared.lock();
        inner.engine.tick(now);
        let mut outgoing = std::mem::take(&mut inner.engine.outgoing);
        let mut events = std::mem::take(&mut inner.engine.events);
        drop(inner);
        self.send(&outgoing);
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

    /// A socket that cannot take a datagram now loses it: late audio is worth nothing.
    fn send(&self, outgoing: &[Outgoing]) {
        for o in outgoing {
            let socket = if o.port == Port::Rtp {
                &self.rtp
            } else {
                &self.rtcp
            };
            let _ = socket.try_send_to(&o.bytes, o.to);
        }
    }

    fn read(&self, port: Port, buf: &mut [u8]) {
        let socket = if port == Port::Rtp { &self.rtp } else { &self.rtcp };
        for _ in 0..DATAGRAMS_AT_ONCE {
            // An error such as a refused port comes from an earlier datagram of ours and says nothing about the next.
            let Ok((n, from)) = socket.try_recv_from(buf) else {
                return;
            };
            let now = self.shared.now();
            self.shared
                .lock()
                .engine
                .datagram(port, canonical(from), &buf[..n], now);
        }
    }
}

/// IPv4 in IPv6's clothes, as a dual-stack socket gives it, compares equal to IPv4 as descriptions write it.
fn canonical(a: SocketAddr) -> SocketAddr {
    SocketAddr::new(a.ip().to_canonical(), a.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_audio_are_not_printed() {
        let shown = format!(
            "{:?}",
            MediaEvent::Dtmf {
                digit: '7',
                duration_ms: 100
            }
        );
        assert_eq!(shown, "Dtmf([pii], 100 ms)");
        let frame = [1234; anteroom_types::FRAME_SAMPLES];
        let tick = MediaEvent::Tick {
            at: Mono(5),
            rx: frame,
            tx: frame,
            rx_filled: true,
        };
        assert!(!format!("{tick:?}").contains("1234"));
    }
}
