//! What sessions are made with, and what they report.

use crate::codec::Codec;
use crate::stats::Quality;
use crate::webrtc::IceServer;
use anteroom_types::audio::Frame;
use anteroom_types::{Mono, SayId};
use std::net::IpAddr;
use std::ops::RangeInclusive;

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
    /// STUN and TURN servers that sessions with browsers ask for candidates.
    pub ice_servers: Vec<IceServer>,
    /// Offer browsers none but relayed addresses, so that no address of this machine is told to them.
    pub ice_relay_only: bool,
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
            ice_servers: Vec::new(),
            ice_relay_only: false,
            first_packet_timeout_ms: 30_000,
            silence_timeout_ms: 15_000,
        }
    }
}

/// What happens in a running session. Its `Debug` tells neither audio nor digits, which are personal data.
#[derive(Clone, PartialEq)]
pub enum MediaEvent {
    /// Twenty milliseconds have passed; this comes whether or not the peer sends anything.
    Tick {
        /// When.
        at: Mono,
        /// What was heard, or what stands in for it.
        rx: Box<Frame>,
        /// What was said.
        tx: Box<Frame>,
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
    /// It was dropped by [`MediaHandle::clear`](super::MediaHandle::clear) or by the end of the session.
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
    /// The peer has sent nothing for the configured time, or the way to a browser is lost: no checks answered for 30 s
    /// (RFC 7675), or the association closed by it. It comes again only after packets have.
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
            rx: frame.into(),
            tx: frame.into(),
            rx_filled: true,
        };
        assert!(!format!("{tick:?}").contains("1234"));
    }

    #[test]
    fn an_event_is_small_because_queues_keep_room_for_many() {
        // Tokio's channels take their memory in blocks of 32 places, and each leg of a call has several such queues.
        assert!(size_of::<MediaEvent>() <= 128, "{}", size_of::<MediaEvent>());
    }
}
