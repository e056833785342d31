//! RTP, SRTP, codecs, jitter, DTMF and recording taps.
//!
//! # Architecture invariants
//!
//! This is the only crate that knows RTP. Everything it gives out and takes in as audio is mono, 16 bit, 16 kHz
//! ([`anteroom_types::audio`]). What arrives from the network has a limit before it has a parser, is checked for its
//! source before it is believed, and can neither block nor stop a session.
//!
//! A call goes like this: [`MediaFactory::answer`] takes the offer and gives the answer; [`MediaSession::start`] starts
//! the session; its [`MediaEvent`]s bring 20 ms of both directions at a time, and its [`MediaHandle`] plays audio back.

mod codec;
mod dtmf;
mod engine;
mod error;
mod fuzz;
mod jitter;
mod latch;
#[doc(hidden)]
pub mod load;
mod local;
pub mod music;
mod playout;
mod plc;
mod ports;
pub mod recording;
pub mod resample;
mod rtcp;
mod rtp;
#[cfg(test)]
mod scenarios;
mod sdp;
mod session;
mod srtp;
mod stats;
pub mod tone;
pub mod wav;
mod webrtc;

pub use codec::{Codec, CodecError};
pub use error::MediaError;
#[doc(hidden)]
pub use fuzz::{fuzz_rtp, fuzz_sdp};
pub use playout::{Over, PlayError};
pub use session::{
    Bridge, Link, LocalAudio, MEMBERS_MAX, MediaConfig, MediaEvent, MediaFactory, MediaHandle, MediaSession,
    MemberId, Mix, Role, SrtpPolicy, bridge, is_webrtc, link, mix,
};
pub use stats::{Path, Quality};
pub use webrtc::{IceServer, turn_pass};
