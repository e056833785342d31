//! The session itself, without sockets and without a clock: datagrams and ticks in, datagrams and events out.
//!
//! Drive it like this: feed [`Engine::datagram`] and, every 20 ms, [`Engine::tick`]; after either, send what is in
//! `outgoing` and pass on what is in `events`. All time comes in as [`Mono`], so that tests run in no time at all.

use crate::codec::{Codec, Encoder};
use crate::dtmf::{self, Sending};
use crate::error::MediaError;
use crate::jitter::JitterBuffer;
use crate::latch::{Latch, Verdict};
use crate::playout::{PlayError, Played, Playout};
use crate::rtp::{self, Kind, Rtp};
use crate::sdp::{Agreed, COMFORT_NOISE};
use crate::session::MediaEvent;
use crate::srtp::{Inbound, Outbound};
use crate::stats::{Quality, Reception, mos};
use crate::{rtcp, tone};
use anteroom_types::audio::{Frame, SILENCE};
use anteroom_types::{FRAME_MS, FRAME_SAMPLES, Mono, RATE_HZ, SayId};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Events kept for the consumer between two drains. Beyond it the oldest is dropped; nothing but a flood of our own
/// commands between two ticks could make so many.
const EVENTS_MAX: usize = 512;

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

/// A source that may take over from the one before: its first packet waits for a second that follows.
struct Newcomer {
    packet: Rtp,
}

/// See the module.
pub(crate) struct Engine {
    pub(crate) outgoing: Vec<Outgoing>,
    pub(crate) events: Vec<MediaEvent>,
    timeouts: Timeouts,
    agreed: Option<Agreed>,
    held: bool,
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
            timeouts,
            agreed: None,
            held: false,
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

    pub(crate) fn set_signalling(&mut self, ip: IpAddr) {
        self.latch.set_signalling(ip);
    }

    /// Puts an agreement into force. Nothing changes if it fails.
    pub(crate) fn apply(&mut self, agreed: Agreed, now: Mono) -> Result<(), MediaError> {
        let codec = agreed.send.1;
        if self.encoder.as_ref().is_none_or(|e| e.codec() != codec) {
            self.encoder = Some(Encoder::new(codec).map_err(MediaError::Codec)?);
            self.marker = true;
        }
        match &agreed.keys {
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
            if !held {
                self.heard = self.heard.map(|_| now);
                self.started = now;
                self.silence_told = false;
            }
        }
        self.agreed = Some(agreed);
        Ok(())
    }

    pub(crate) fn play(&mut self, id: SayId, audio: Arc<[i16]>) -> Result<(), PlayError> {
        if self.ended {
            return Err(PlayError::Ended);
        }
        self.playout.push(id, audio)
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

    /// Takes a datagram that came to `port` from `from`.
    pub(crate) fn datagram(&mut self, port: Port, from: SocketAddr, bytes: &[u8], now: Mono) {
        match (port, rtp::kind(bytes)) {
            (Port::Rtp, Kind::Rtp) => self.rtp(from, bytes, now),
            (_, Kind::Rtcp) => self.rtcp(from, bytes, now),
            _ => self.quality.malformed += 1,
        }
    }

    fn rtp(&mut self, from: SocketAddr, bytes: &[u8], now: Mono) {
        let Some(agreed) = &self.agreed else { return };
        let encrypted = agreed.keys.is_some();
        if !self.latch.worth_checking(from, encrypted, now) {
            self.quality.dropped_foreign += 1;
            return;
        }
        let packet = match (&mut self.inbound, rtp::ssrc(bytes)) {
            (Some(inbound), Some(ssrc)) => match inbound.rtp(ssrc, bytes) {
                Ok(plain) => rtp::parse(&plain),
                Err(_) => {
                    self.quality.dropped_foreign += 1;
                    return;
                }
            },
            _ => rtp::parse(bytes),
        };
        let known = |p: &Rtp| {
            p.payload_type == COMFORT_NOISE
                || agreed.receive.iter().any(|r| r.0 == p.payload_type)
                || agreed.receive_events.iter().any(|r| r.0 == p.payload_type)
        };
        // Our own packets come back from a peer that loops them (RFC 3550 8.2).
        let Some(packet) = packet.filter(|p| known(p) && p.ssrc != self.seed.ssrc) else {
            self.quality.malformed += 1;
            return;
        };
        match self.latch.judge(from, packet.ssrc, packet.seq, encrypted, now) {
            Verdict::Foreign => self.quality.dropped_foreign += 1,
            Verdict::Wait => {}
            Verdict::Accept => self.admit(packet, now),
            Verdict::AcceptNew => {
                if self.reception.as_ref().is_some_and(|r| r.ssrc != packet.ssrc) {
                    self.change_source();
                }
                self.admit(packet, now);
            }
        }
    }

    /// A packet from the session's source. Another SSRC takes over with its second packet in a row.
    fn admit(&mut self, packet: Rtp, now: Mono) {
        if self.reception.as_ref().is_some_and(|r| r.ssrc != packet.ssrc) {
            match self.newcomer.take() {
                Some(n) if n.packet.ssrc == packet.ssrc && n.packet.seq.wrapping_add(1) == packet.seq => {
                    self.change_source();
                    self.take(n.packet, now);
                }
                _ => {
                    self.newcomer = Some(Newcomer { packet });
                    return;
                }
            }
        }
        self.take(packet, now);
    }

    fn change_source(&mut self) {
        if let Some(r) = self.reception.take() {
            self.before = (self.before.0 + r.received(), self.before.1 + r.lost());
        }
        if let Some(j) = &mut self.jitter {
            j.reset();
        }
        self.keys_in.reset();
        self.newcomer = None;
        self.last_sr = None;
    }

    fn take(&mut self, p: Rtp, now: Mono) {
        let Some(agreed) = &self.agreed else { return };
        let codec = agreed.receive.iter().find(|r| r.0 == p.payload_type).map(|r| r.1);
        let event_hz = agreed
            .receive_events
            .iter()
            .find(|r| r.0 == p.payload_type)
            .map(|r| r.1);
        let clock_hz = codec.map_or(agreed.send.1.clock_hz(), Codec::clock_hz);
        let may_receive = agreed.may_receive;
        let reception = self
            .reception
            .get_or_insert_with(|| Reception::new(p.ssrc, p.seq, clock_hz));
        reception.packet(p.seq, p.timestamp, clock_hz, codec.is_some(), now);
        if self.heard.replace(now).is_none() {
            self.event(MediaEvent::FirstPacket);
        }
        self.silence_told = false;
        if !may_receive {
            return;
        }
        let Some(jitter) = &mut self.jitter else { return };
        match (codec, event_hz) {
            (Some(codec), _) => jitter.audio(codec, p.seq, p.timestamp, p.payload, now),
            (None, Some(hz)) => {
                jitter.other(p.seq, p.timestamp, now);
                if let Some(press) = self.keys_in.packet(&p.payload, p.timestamp, hz, now) {
                    self.event(MediaEvent::Dtmf {
                        digit: press.digit,
                        duration_ms: press.duration_ms,
                    });
                }
            }
            (None, None) => jitter.other(p.seq, p.timestamp, now),
        }
    }

    fn rtcp(&mut self, from: SocketAddr, bytes: &[u8], now: Mono) {
        let Some(agreed) = &self.agreed else { return };
        let near = |ip: IpAddr| {
            self.latch.target().is_some_and(|t| t.ip() == ip)
                || agreed.remote_rtcp.is_some_and(|t| t.ip() == ip)
        };
        let plain = match (&mut self.inbound, rtcp::ssrc(bytes)) {
            (Some(inbound), Some(ssrc)) if near(from.ip()) => inbound.rtcp(ssrc, bytes).ok(),
            (None, _) if near(from.ip()) => Some(bytes.into()),
            _ => None,
        };
        let Some(plain) = plain else {
            self.quality.dropped_foreign += 1;
            return;
        };
        let Some(heard) = rtcp::read(&plain, self.seed.ssrc, now) else {
            self.quality.malformed += 1;
            return;
        };
        if agreed
            .remote_rtcp
            .is_none_or(|r| r.ip() == from.ip() || self.latch.locked().is_some_and(|l| l.ip() == from.ip()))
        {
            self.rtcp_source = Some(from);
        }
        if let Some((ssrc, sr)) = heard.sender_report
            && self.reception.as_ref().is_none_or(|r| r.ssrc == ssrc)
        {
            self.last_sr = Some((sr, now));
        }
        self.quality.rtt_ms = heard.rtt_ms.or(self.quality.rtt_ms);
        self.quality.remote_loss = heard.remote_loss.or(self.quality.remote_loss);
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
            self.event(MediaEvent::Dtmf {
                digit: press.digit,
                duration_ms: press.duration_ms,
            });
        }
        let (rx, rx_filled) = match &mut self.jitter {
            Some(j) => {
                let p = j.pull(now);
                (p.frame, p.filled)
            }
            None => (SILENCE, false),
        };
        let tx = self.send_audio(now);
        self.watch(now);
        self.report(now);
        self.event(MediaEvent::Tick {
            at: now,
            rx,
            tx,
            rx_filled,
        });
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

    fn send_audio(&mut self, now: Mono) -> Frame {
        let Some((may_send, (payload_type, codec), events)) =
            self.agreed.as_ref().map(|a| (a.may_send, a.send, a.send_events))
        else {
            return SILENCE;
        };
        let timestamp = self.seed.timestamp;
        self.seed.timestamp = timestamp.wrapping_add(codec.ticks(FRAME_MS));
        if !may_send {
            return SILENCE;
        }
        let tx = match self.keys_out.tick(FRAME_MS, events.map_or(8_000, |e| e.1)) {
            Sending::Event(_, e) if events.is_some() => {
                let began = timestamp.wrapping_sub(codec.ticks(e.began_ms_ago));
                let event_type = events.map_or(payload_type, |e| e.0);
                self.send_packet(event_type, e.marker, began, &e.payload);
                self.marker = true;
                return SILENCE;
            }
            // Without telephone-event the tones themselves go, in the audio.
            Sending::Event(key, e) => {
                let from = e.began_ms_ago as usize * RATE_HZ as usize / 1000;
                std::array::from_fn(|n| tone::dtmf_sample(key, from + n, RATE_HZ))
            }
            Sending::Pause => SILENCE,
            Sending::Nothing => {
                let mut seen = Vec::new();
                let frame = self.playout.next(&mut |e| seen.push(e));
                self.played(seen, now);
                frame.unwrap_or(SILENCE)
            }
        };
        let mut payload = std::mem::take(&mut self.payload);
        let encoded = self.encoder.as_mut().map(|e| e.encode(&tx, &mut payload));
        if matches!(encoded, Some(Ok(()))) && !payload.is_empty() {
            let marker = std::mem::take(&mut self.marker);
            self.send_packet(payload_type, marker, timestamp, &payload);
        }
        self.payload = payload;
        tx
    }

    fn send_packet(&mut self, payload_type: u8, marker: bool, timestamp: u32, payload: &[u8]) {
        let Some(to) = self.latch.target() else { return };
        let plain = rtp::packet(
            payload_type,
            self.seed.seq,
            marker,
            timestamp,
            self.seed.ssrc,
            payload,
        );
        self.seed.seq = self.seed.seq.wrapping_add(1);
        let bytes = match &mut self.outbound {
            Some(o) => match o.rtp(&plain) {
                Ok(b) => b.to_vec(),
                Err(_) => return,
            },
            None => plain,
        };
        self.quality.packets_tx += 1;
        self.octets_tx = self
            .octets_tx
            .wrapping_add(u32::try_from(payload.len()).unwrap_or(0));
        self.active_tx = true;
        self.outgoing.push(Outgoing {
            port: Port::Rtp,
            to,
            bytes,
        });
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

    fn report(&mut self, now: Mono) {
        if now < self.rtcp_due || self.agreed.is_none() {
            return;
        }
        self.rtcp_due = now.plus_ms(rtcp::INTERVAL_MS);
        self.send_report(false, now);
        let q = self.quality();
        self.event(MediaEvent::Quality(q));
    }

    fn send_report(&mut self, bye: bool, now: Mono) {
        let Some(agreed) = &self.agreed else { return };
        // Towards where the peer's own reports come from, else where it asked for them, moved as its RTP was moved.
        let moved = self
            .latch
            .locked()
            .filter(|l| agreed.remote.is_none_or(|r| r.ip() != l.ip()));
        let to = if agreed.mux {
            self.latch.target()
        } else {
            self.rtcp_source
                .or_else(|| moved.and_then(|l| Some(SocketAddr::new(l.ip(), l.port().checked_add(1)?))))
                .or(agreed.remote_rtcp)
        };
        let port = if agreed.mux { Port::Rtp } else { Port::Rtcp };
        let Some(to) = to else { return };
        let sent = rtcp::Sent {
            ssrc: self.seed.ssrc,
            packets: self.quality.packets_tx as u32,
            octets: self.octets_tx,
            timestamp: self.seed.timestamp,
            active: std::mem::take(&mut self.active_tx),
        };
        let Some(plain) = rtcp::write(
            &sent,
            self.reception.as_mut(),
            self.last_sr,
            &self.seed.cname,
            bye,
            now,
        ) else {
            return;
        };
        let bytes = match &mut self.outbound {
            Some(o) => match o.rtcp(&plain) {
                Ok(b) => b.to_vec(),
                Err(_) => return,
            },
            None => plain,
        };
        self.outgoing.push(Outgoing { port, to, bytes });
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
            self.send_report(true, now);
        }
    }
}

const _: () = assert!(FRAME_SAMPLES == (RATE_HZ / 1000 * FRAME_MS) as usize);
