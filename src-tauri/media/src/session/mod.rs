//! Sessions as the rest of the appliance sees them: a factory with a pool of ports, a session being negotiated, and
//! the handle of a running one.
//!
//! A running session is one task that owns two sockets. It never waits for its consumer: when the events are not
//! taken, ticks are dropped and counted, and the other events have a reserve of their own.

mod bridge;
mod browser;
mod config;
mod desktop;
mod factory;
mod mix;
mod shared;
mod task;

pub use bridge::{Bridge, Link, bridge, link};
pub use browser::is_webrtc;
pub use config::{MediaConfig, MediaEvent, SrtpPolicy};
pub use desktop::LocalAudio;
pub use factory::MediaFactory;
pub use mix::{MEMBERS_MAX, MemberId, Mix, Role, mix};

use crate::codec::Codec;
use crate::error::MediaError;
use crate::playout::{Over, PlayError};
use crate::ports::Lease;
use crate::stats::Quality;
use anteroom_types::SayId;
use shared::{Inner, Shared, Sockets};
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};
use task::{EVENTS_QUEUED_MAX, Task};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// A session that holds its ports but does not run yet.
pub struct MediaSession {
    shared: Arc<Shared>,
    /// Until it starts.
    place: Option<Place>,
    port: u16,
}

/// The port a session that does not run yet holds, and its sockets.
struct Place {
    lease: Lease,
    rtp: std::net::UdpSocket,
    rtcp: std::net::UdpSocket,
}

impl Drop for MediaSession {
    /// What it holds on servers is given back: a relay keeps a place for ten minutes, and has only so many.
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        let now = self.shared.now();
        let outgoing = {
            let mut inner = self.shared.lock();
            inner.close_peer(now);
            inner.flush(now)
        };
        for o in outgoing.iter().filter(|o| o.port == crate::engine::Port::Rtp) {
            let _ = place.rtp.send_to(&o.bytes, o.to);
        }
    }
}

impl MediaSession {
    /// Another handle on the socket that media will run over.
    fn rtp_again(&self) -> Result<std::net::UdpSocket, MediaError> {
        let place = self.place.as_ref().ok_or(MediaError::NoPorts)?;
        place.rtp.try_clone().map_err(MediaError::Socket)
    }

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
        self.shared.lock().is_encrypted()
    }

    /// The port RTP is expected on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Starts the session on the current Tokio runtime. It ends with [`MediaHandle::stop`] or when every handle is
    /// dropped; then its ports are free again and the receiver is closed. A receiver that is not read loses ticks; one
    /// that is dropped loses everything, and the session runs on.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn start(mut self) -> (MediaHandle, mpsc::Receiver<MediaEvent>) {
        let shared = Arc::clone(&self.shared);
        match self.place.take() {
            Some(Place { lease, rtp, rtcp }) => {
                let sockets = UdpSocket::from_std(rtp)
                    .and_then(|rtp| UdpSocket::from_std(rtcp).map(|rtcp| Sockets { rtp, rtcp }));
                start(shared, Some(sockets), Some(lease))
            }
            None => start(shared, None, None),
        }
    }
}

/// Starts the task of a session; one without sockets is a device's.
fn start(
    shared: Arc<Shared>,
    sockets: Option<std::io::Result<Sockets>>,
    lease: Option<Lease>,
) -> (MediaHandle, mpsc::Receiver<MediaEvent>) {
    let (tx, rx) = mpsc::channel(EVENTS_QUEUED_MAX);
    let now = shared.now();
    shared.lock().engine.start(now);
    let handle = MediaHandle {
        guard: Arc::new(Guard {
            shared: Arc::clone(&shared),
        }),
    };
    match sockets {
        Some(Err(e)) => {
            // The consumer sees its receiver closed, as when a session ends.
            tracing::error!(error = %e, "a media socket could not be watched");
            shared.stopped.store(true, Ordering::Release);
            shared.lock().engine.end(now);
        }
        Some(Ok(sockets)) => {
            // It is set here alone, and a session starts once.
            let _ = shared.sockets.set(sockets);
            tokio::spawn(Task::new(shared, tx, lease).run());
        }
        None => {
            tokio::spawn(Task::new(shared, tx, lease).run());
        }
    }
    (handle, rx)
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
    fn shared(&self) -> &Arc<Shared> {
        &self.guard.shared
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.guard.shared.lock()
    }

    /// Answers a further offer of the peer's: hold, a change of address, codec or keys.
    ///
    /// # Errors
    /// As [`MediaFactory::answer`]; then the session goes on as before.
    pub fn remote_offer(&self, offer: &str) -> Result<String, MediaError> {
        let now = self.guard.shared.now();
        self.guard.shared.with(|i| i.remote_offer(offer, now))
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
        self.guard.shared.with(|i| i.remote_answer(answer, now))
    }

    /// The codec agreed on, by its encoding name.
    #[must_use]
    pub fn codec(&self) -> Option<&'static str> {
        self.lock().codec().map(Codec::name)
    }

    /// Whether the media is encrypted.
    #[must_use]
    pub fn is_srtp(&self) -> bool {
        self.lock().is_encrypted()
    }

    /// Appends engine audio (mono, 16 kHz) to what is to be said, in place of whatever a bridge brings. While the peer
    /// holds us, nothing is said and nothing is lost.
    ///
    /// # Errors
    /// When the queue is full or the session has ended.
    pub fn play(&self, id: SayId, audio: Arc<[i16]>) -> Result<(), PlayError> {
        self.play_over(id, audio, Over::Replace)
    }

    /// The same, with a choice of what becomes of the other side of a bridge meanwhile.
    ///
    /// # Errors
    /// As [`Self::play`].
    pub fn play_over(&self, id: SayId, audio: Arc<[i16]>, over: Over) -> Result<(), PlayError> {
        if self.guard.shared.stopped.load(Ordering::Acquire) {
            return Err(PlayError::Ended);
        }
        self.lock().engine.play(id, audio, over)
    }

    /// Plays `audio` over and over until [`Self::stop_loop`] or [`Self::clear`], in place of whatever a bridge brings:
    /// music on hold, or a ringback tone ([`crate::music`]). What [`Self::play`] is given interrupts it. It is reported
    /// as [`MediaEvent::PlayStarted`] once and [`MediaEvent::PlayDropped`] at its end. There is one loop at a time.
    ///
    /// # Errors
    /// When the session has ended.
    pub fn play_loop(&self, id: SayId, audio: Arc<[i16]>) -> Result<(), PlayError> {
        if self.guard.shared.stopped.load(Ordering::Acquire) {
            return Err(PlayError::Ended);
        }
        let now = self.guard.shared.now();
        self.lock().engine.play_loop(id, audio, now)
    }

    /// Ends what [`Self::play_loop`] began, within 20 ms.
    pub fn stop_loop(&self) {
        let now = self.guard.shared.now();
        self.lock().engine.stop_loop(now);
    }

    /// What the peer hears while the one session it is bridged with is on hold; `None` for silence. A bridge sets
    /// [`crate::music::on_hold`].
    pub fn set_hold_music(&self, music: Option<Arc<[i16]>>) {
        self.lock().engine.set_hold_music(music);
    }

    /// Whether the peer has put us on hold.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.lock().engine.is_held()
    }

    /// Falls silent within 20 ms; what is left is kept.
    pub fn pause(&self) {
        self.lock().engine.pause();
    }

    /// Goes on after [`Self::pause`], repeating at most 20 ms.
    pub fn resume(&self) {
        self.lock().engine.resume();
    }

    /// Drops all that is being said or waits to be, and lifts a pause; what is looped goes on. Each piece is reported as
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

    /// Whether the consumer has use for [`MediaEvent::Tick`]; it has, until it says otherwise. Without, nothing is decoded
    /// that no other session needs, which is half of what a relayed call costs.
    pub fn want_ticks(&self, wanted: bool) {
        self.guard.shared.ticks.store(wanted, Ordering::Relaxed);
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
