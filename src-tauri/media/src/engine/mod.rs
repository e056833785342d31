//! The session itself, without sockets and without a clock: datagrams and ticks in, datagrams and events out.
//!
//! Drive it like this: feed [`Engine::datagram`] and, every 20 ms, [`Engine::tick`]; after either, send what is in
//! `outgoing` and pass on what is in `events`. All time comes in as [`Mono`], so that tests run in no time at all.

mod feedback;
mod hearing;
mod receive;
mod relay;
mod send;

pub(crate) use hearing::looped;

use crate::codec::{Codec, Encoder};
use crate::dtmf::{self, Sending};
use crate::error::MediaError;
use crate::jitter::JitterBuffer;
use crate::latch::{Latch, Verdict};
use crate::local::Device;
use crate::playout::{Over, PlayError, Played, Playout};
use crate::rtp::{self, Kind, Rtp};
use crate::sdp::{Agreed, COMFORT_NOISE};
use crate::session::MediaEvent;
use crate::srtp::{Inbound, Outbound};
use crate::stats::{Path, Quality, Reception, mos};
use crate::webrtc::DtlsKeys;
use crate::{rtcp, tone};
use anteroom_types::audio::{Frame, SILENCE};
use anteroom_types::{FRAME_MS, FRAME_SAMPLES, Mono, RATE_HZ, SayId};
use feedback::{Missing, Sent};
use hearing::Hearing;
use relay::Relay;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Events kept for the consumer between two drains. Beyond it the oldest is dropped; nothing but a flood of our own
/// commands between two ticks could make so many.
const EVENTS_MAX: usize = 512;

/// Stands for an address that the path knows and the engine does not.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 0);

/// Which of the two sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Port {
    Rtp,
    Rtcp,
}

/// A datagram to send.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) port: Port,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: Vec<u8>,
}

/// What an engine is made with. The random parts are arguments so that a test can choose them.
#[derive(Debug, Clone)]
pub(crate) struct Seed {
    pub(crate) ssrc: u32,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    /// Canonical name in RTCP: random, so that it names nobody.
    pub(crate) cname: String,
    /// Share of the RTCP interval waited before the first report, in 256ths.
    pub(crate) phase: u8,
}

/// Time-outs in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    pub(crate) first_packet_ms: u64,
    pub(crate) silence_ms: u64,
}

/// What a packet on its way to another session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passed {
    Audio(Codec),
    /// A keypad event and its clock.
    Event {
        clock_hz: u32,
    },
    /// Comfort noise.
    Noise,
}

/// What the sessions that hear this one are told at once, and not with the next tick.
#[derive(Debug, Clone)]
pub(crate) enum Forward {
    Packet(Passed, Rtp),
    /// The peer has pressed a key and let it go.
    Press(dtmf::Press),
    /// The peer has put this session on hold, or taken it off.
    Held(bool),
    /// This session has ended.
    Gone,
}

/// Forwards kept between two drains; only a flood could make so many.
const FORWARDS_MAX: usize = 64;

/// Keys taken of one press on a device's keypad.
const KEYS_MAX: usize = 32;

/// A source that may take over from the one before: its first packet waits for a second that follows.
struct Newcomer {
    packet: Rtp,
}

/// See the module.
pub(crate) struct Engine {
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) events: Vec<MediaEvent>,
    /// For those that hear this session. Empty unless there are any.
    pub(crate) forwards: Vec<Forward>,
    /// What was heard in the latest tick.
    pub(crate) rx: Frame,
    listened: bool,
    tapped: bool,
    decoding: bool,
    hearing: Hearing,
    relay: Relay,
    sent: Sent,
    missing: Missing,
    /// The timestamp after the end of what was relayed last.
    relayed_to: Option<u32>,
    timeouts: Timeouts,
    /// Datagrams come and go by a checked path with keys of its own: ICE and DTLS-SRTP. There is no address to latch
    /// on to, and nothing is sent before there are keys.
    secure: bool,
    /// The peer is a device of this machine's; there are no packets at all.
    device: Option<Device>,
    agreed: Option<Agreed>,
    held: bool,
    presses: u32,
    latch: Latch,
    inbound: Option<Inbound>,
    outbound: Option<Outbound>,
    jitter: Option<JitterBuffer>,
    reception: Option<Reception>,
    newcomer: Option<Newcomer>,
    keys_in: dtmf::Receiver,
    keys_out: dtmf::Sender,
    playout: Playout,
    encoder: Option<Encoder>,
    payload: Vec<u8>,
    seed: Seed,
    marker: bool,
    octets_tx: u32,
    active_tx: bool,
    rtcp_due: Mono,
    rtcp_source: Option<SocketAddr>,
    last_sr: Option<(u32, Mono)>,
    started: Mono,
    heard: Option<Mono>,
    silence_told: bool,
    /// Sums of sources before the present one.
    before: (u64, u64),
    quality: Quality,
    ended: bool,
}

impl Engine {
    pub(crate) fn new(timeouts: Timeouts, seed: Seed, now: Mono) -> Self {
        let phase = rtcp::INTERVAL_MS * (128 + u64::from(seed.phase)) / 256;
        Self {
            outgoing: Vec::new(),
            events: Vec::new(),
            forwards: Vec::new(),
            rx: SILENCE,
            listened: false,
            tapped: true,
            decoding: true,
            hearing: Hearing::default(),
            relay: Relay::default(),
            sent: Sent::default(),
            missing: Missing::default(),
            relayed_to: None,
            timeouts,
            secure: false,
            device: None,
            agreed: None,
            held: false,
            presses: 0,
            latch: Latch::new(),
            inbound: None,
            outbound: None,
            jitter: None,
            reception: None,
            newcomer: None,
            keys_in: dtmf::Receiver::default(),
            keys_out: dtmf::Sender::default(),
            playout: Playout::default(),
            encoder: None,
            payload: Vec::new(),
            seed,
            marker: true,
            octets_tx: 0,
            active_tx: false,
            rtcp_due: now.plus_ms(phase),
            rtcp_source: None,
            last_sr: None,
            started: now,
            heard: None,
            silence_told: false,
            before: (0, 0),
            quality: Quality {
                mos: 4.4,
                ..Quality::default()
            },
            ended: false,
        }
    }

    /// The session's clock starts: time-outs count from here.
    pub(crate) fn start(&mut self, now: Mono) {
        self.started = now;
        self.rtcp_due = now.plus_ms(rtcp::INTERVAL_MS * (128 + u64::from(self.seed.phase)) / 256);
    }

    pub(crate) fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    pub(crate) fn ssrc(&self) -> u32 {
        self.seed.ssrc
    }

    pub(crate) fn cname(&self) -> &str {
        &self.seed.cname
    }

    /// The first packet is due sooner than the configuration says.
    pub(crate) fn expect_within(&mut self, ms: u64) {
        self.timeouts.first_packet_ms = self.timeouts.first_packet_ms.min(ms);
    }

    /// The path is ICE's and DTLS-SRTP's; see [`Self::secure`].
    pub(crate) fn set_secure(&mut self) {
        self.secure = true;
    }

    /// The peer is a device of this machine's.
    pub(crate) fn set_device(&mut self, device: Device) {
        self.quality.path = Path::Local;
        self.device = Some(device);
    }

    pub(crate) fn is_local(&self) -> bool {
        self.device.is_some()
    }

    /// The person at the device has pressed keys.
    pub(crate) fn press(&mut self, digits: &str, duration_ms: u32, now: Mono) {
        for digit in digits.chars().filter(|&d| dtmf::is_digit(d)).take(KEYS_MAX) {
            // Told apart by moment and order, as those of a telephone are by their timestamps.
            self.presses = self.presses.wrapping_add(1);
            self.pressed(dtmf::Press {
                digit,
                duration_ms,
                timestamp: (now.as_ms() as u32).wrapping_add(self.presses),
            });
        }
    }

    /// The person at the device holds the other side, or takes it back.
    pub(crate) fn set_local_held(&mut self, held: bool) {
        if held != self.held {
            self.held = held;
            self.event(MediaEvent::Held(held));
            self.forward(Forward::Held(held));
        }
    }

    /// A handshake has given keys.
    pub(crate) fn set_keys(&mut self, keys: &DtlsKeys) {
        // Keys that cannot be used leave the session silent, and the silence is told of.
        self.inbound = Inbound::new(keys.suite, &keys.theirs);
        self.outbound = Outbound::new(keys.suite, &keys.ours);
        self.quality.encrypted = true;
        self.sent.clear();
        self.marker = true;
    }

    /// Media takes another way now.
    pub(crate) fn set_path(&mut self, path: Path) {
        self.quality.path = path;
    }

    /// The peer cannot be reached any more; told like a silence that has lasted too long.
    pub(crate) fn path_lost(&mut self) {
        if !self.silence_told && !self.ended {
            self.silence_told = true;
            self.event(MediaEvent::SilenceTimeout);
        }
    }

    /// Where RTP goes.
    fn target(&self) -> Option<SocketAddr> {
        if self.secure {
            // The path fills in the address.
            return self.outbound.is_some().then_some(NOWHERE);
        }
        self.latch.target()
    }

    pub(crate) fn set_signalling(&mut self, ip: IpAddr) {
        self.latch.set_signalling(ip);
    }

    /// Puts an agreement into force. Nothing changes if it fails.
    pub(crate) fn apply(&mut self, agreed: Agreed, now: Mono) -> Result<(), MediaError> {
        let codec = agreed.send.1;
        if self.encoder.as_ref().is_none_or(|e| e.codec() != codec) {
            self.encoder = Some(Encoder::new(codec).map_err(MediaError::Codec)?);
            self.marker = true;
            // What was relayed counted in the old codec's clock.
            self.relay.stop();
            self.seed.timestamp = self.next_timestamp();
            self.relayed_to = None;
        }
        match &agreed.keys {
            _ if self.secure => {}
            None => (self.inbound, self.outbound) = (None, None),
            Some(k) => {
                // The same key goes on with its counters; starting them again would repeat the key stream.
                if !self
                    .inbound
                    .as_ref()
                    .is_some_and(|c| c.is_for(k.suite, &k.theirs))
                {
                    self.inbound = Some(Inbound::new(k.suite, &k.theirs).ok_or(MediaError::Crypto)?);
                }
                if !self.outbound.as_ref().is_some_and(|c| c.is_for(k.suite, &k.ours)) {
                    self.outbound = Some(Outbound::new(k.suite, &k.ours).ok_or(MediaError::Crypto)?);
                }
            }
        }
        if agreed.remote.is_some() {
            self.latch.set_sdp(agreed.remote);
        }
        if self
            .agreed
            .as_ref()
            .is_none_or(|a| a.remote_rtcp != agreed.remote_rtcp)
        {
            self.rtcp_source = None;
        }
        self.jitter.get_or_insert_with(|| JitterBuffer::new(codec));
        let held = agreed.held();
        if held != self.held {
            self.held = held;
            self.marker = true;
            self.event(MediaEvent::Held(held));
            self.forward(Forward::Held(held));
            if !held {
                self.heard = self.heard.map(|_| now);
                self.started = now;
                self.silence_told = false;
            }
        }
        self.agreed = Some(agreed);
        Ok(())
    }

    pub(crate) fn play(&mut self, id: SayId, audio: Arc<[i16]>, over: Over) -> Result<(), PlayError> {
        if self.ended {
            return Err(PlayError::Ended);
        }
        self.playout.push(id, audio, over)
    }

    pub(crate) fn play_loop(&mut self, id: SayId, audio: Arc<[i16]>, now: Mono) -> Result<(), PlayError> {
        if self.ended {
            return Err(PlayError::Ended);
        }
        let mut seen = Vec::new();
        self.playout.set_loop(id, audio, &mut |e| seen.push(e));
        self.played(seen, now);
        Ok(())
    }

    pub(crate) fn stop_loop(&mut self, now: Mono) {
        let mut seen = Vec::new();
        self.playout.stop_loop(&mut |e| seen.push(e));
        self.played(seen, now);
    }

    /// Whether the peer has put us on hold.
    pub(crate) fn is_held(&self) -> bool {
        self.held
    }

    /// Whether anyone hears this session, so that [`Self::forwards`] is worth filling.
    pub(crate) fn set_listened(&mut self, listened: bool) {
        self.listened = listened;
        if !listened {
            self.forwards.clear();
        }
    }

    fn forward(&mut self, f: Forward) {
        if self.listened && self.forwards.len() < FORWARDS_MAX {
            self.forwards.push(f);
        }
    }

    /// Another session is heard from now on. False if there are too many.
    pub(crate) fn hear(&mut self, link: u64) -> bool {
        self.relay.stop();
        self.hearing.add(link)
    }

    /// It is heard no more.
    pub(crate) fn unhear(&mut self, link: u64) {
        self.hearing.remove(link);
    }

    /// What is played while the only session heard is on hold.
    pub(crate) fn set_hold_music(&mut self, music: Option<Arc<[i16]>>) {
        self.hearing.set_music(music);
    }

    /// Twenty milliseconds of a session that is heard. Returns whether the next are of use: not while its packets are
    /// relayed and nobody takes our ticks.
    pub(crate) fn heard_frame(&mut self, link: u64, frame: Frame) -> bool {
        self.hearing.push(link, frame);
        self.tapped || !self.relay.is_running()
    }

    /// Whether anyone takes the ticks, and whether anyone who hears us wants to have the audio decoded. When neither,
    /// nothing is.
    pub(crate) fn set_wanted(&mut self, tapped: bool, by_listeners: bool) {
        self.tapped = tapped;
        self.decoding = tapped || by_listeners;
    }

    pub(crate) fn pause(&mut self) {
        self.playout.pause();
    }

    pub(crate) fn resume(&mut self) {
        self.playout.resume();
    }

    pub(crate) fn clear(&mut self, now: Mono) {
        let mut seen = Vec::new();
        self.playout.clear(&mut |e| seen.push(e));
        self.played(seen, now);
    }

    pub(crate) fn send_dtmf(&mut self, digits: &str) -> usize {
        self.keys_out.push(digits)
    }

    pub(crate) fn ticks_dropped(&mut self, n: u64) {
        self.quality.ticks_dropped += n;
    }

    fn event(&mut self, e: MediaEvent) {
        if self.events.len() >= EVENTS_MAX {
            self.events.remove(0);
        }
        self.events.push(e);
    }

    fn played(&mut self, seen: Vec<Played>, at: Mono) {
        for e in seen {
            self.event(match e {
                Played::Started(id) => MediaEvent::PlayStarted { id, at },
                Played::Done(id) => MediaEvent::PlayDone { id, at },
                Played::Dropped(id, played_ms) => MediaEvent::PlayDropped { id, played_ms },
            });
        }
    }

    /// Twenty milliseconds have passed.
    pub(crate) fn tick(&mut self, now: Mono) {
        if self.ended {
            return;
        }
        let event_hz = self
            .agreed
            .as_ref()
            .and_then(|a| a.receive_events.first())
            .map_or(8_000, |e| e.1);
        if let Some(press) = self.keys_in.tick(event_hz, now) {
            self.pressed(press);
        }
        let (rx, rx_filled) = match (&self.device, &mut self.jitter) {
            (Some(_), _) if self.held => (SILENCE, false),
            (Some(device), _) => device.captured(),
            (None, Some(j)) if !self.decoding => {
                j.idle();
                (SILENCE, false)
            }
            (None, Some(j)) => {
                let p = j.pull(now);
                (p.frame, p.filled)
            }
            (None, None) => (SILENCE, false),
        };
        if self.device.is_some() {
            self.watch_device(rx_filled, now);
        }
        self.rx = rx;
        let tx = self.send_audio(now);
        self.ask_again(now);
        self.watch(now);
        self.report(now);
        if self.tapped {
            self.event(MediaEvent::Tick {
                at: now,
                // On the heap: a queue of events has room for dozens of them, empty or not.
                rx: rx.into(),
                tx: tx.into(),
                rx_filled,
            });
        }
    }

    /// A microphone that has stopped is told of like a peer that sends nothing: its device may be unplugged.
    fn watch_device(&mut self, filled: bool, now: Mono) {
        if filled {
            self.silence_told = false;
            if self.heard.replace(now).is_none() {
                self.event(MediaEvent::FirstPacket);
            }
        } else if self.held {
            self.heard = self.heard.map(|_| now);
        } else if self
            .heard
            .is_some_and(|at| now.ms_since(at) >= self.timeouts.silence_ms)
        {
            self.path_lost();
        }
    }

    /// Time passed in which nothing could be done: the timestamps go on all the same.
    pub(crate) fn skip(&mut self, frames: u32) {
        if let Some(a) = &self.agreed {
            self.seed.timestamp = self
                .seed
                .timestamp
                .wrapping_add(a.send.1.ticks(FRAME_MS).wrapping_mul(frames));
            self.marker = true;
        }
    }

    /// Tells of a peer that sends nothing, once for each silence.
    fn watch(&mut self, now: Mono) {
        let Some(a) = &self.agreed else { return };
        if self.held || !a.may_receive || self.silence_told {
            return;
        }
        let over = match self.heard {
            None => now.ms_since(self.started) >= self.timeouts.first_packet_ms,
            Some(at) => now.ms_since(at) >= self.timeouts.silence_ms,
        };
        if over {
            self.silence_told = true;
            self.event(MediaEvent::SilenceTimeout);
        }
    }

    /// The figures so far.
    pub(crate) fn quality(&self) -> Quality {
        let mut q = self.quality;
        let (rx, lost) = self
            .reception
            .as_ref()
            .map_or((0, 0), |r| (r.received(), r.lost()));
        q.packets_rx = self.before.0 + rx;
        q.lost = self.before.1 + lost;
        q.codec = self.agreed.as_ref().map(|a| a.send.1);
        q.encrypted |= self.outbound.is_some();
        q.jitter_ms = self.reception.as_ref().map_or(0.0, Reception::jitter_ms);
        if let Some(j) = &self.jitter {
            let c = j.counts();
            q.concealed = c.concealed;
            q.late = c.late;
            q.malformed += c.malformed;
            let expected = (q.packets_rx + q.lost).max(1);
            let loss = (q.lost + c.late) as f32 / expected as f32;
            let delay = q.rtt_ms.unwrap_or(0.0) / 2.0 + j.delay_ms() as f32 + FRAME_MS as f32;
            q.mos = mos(
                self.agreed.as_ref().map_or(Codec::Pcmu, |a| a.receive[0].1),
                delay,
                loss,
            );
        }
        q
    }

    /// Ends the session: what waits to be played is dropped and the peer's RTCP is told.
    pub(crate) fn end(&mut self, now: Mono) {
        if !self.ended {
            self.ended = true;
            self.clear(now);
            self.forward(Forward::Gone);
            self.send_report(true, now);
        }
    }
}

const _: () = assert!(FRAME_SAMPLES == (RATE_HZ / 1000 * FRAME_MS) as usize);
