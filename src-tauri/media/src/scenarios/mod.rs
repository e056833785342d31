//! Two engines over a simulated, seeded network in virtual time. One file per behaviour.

mod bridge;
mod dtmf;
mod fuzz;
mod hold;
mod latching;
mod loss;
mod playing;
mod quality;
mod srtp;
mod timeouts;
mod tones;
mod webrtc;

use crate::codec::Codec;
use crate::engine::{Engine, Port, Seed, Timeouts};
use crate::playout::Over;
use crate::sdp::{self, Local, Version};
use crate::session::{MediaEvent, SrtpPolicy};
use crate::srtp::MasterKey;
use anteroom_types::{Mono, RATE_HZ, SayId};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// What the network does to datagrams.
#[derive(Debug, Clone, Copy)]
pub(super) struct Network {
    pub(super) delay_ms: u64,
    /// Added at random, so that packets overtake each other.
    pub(super) jitter_ms: u64,
    /// Shares, 0 to 1.
    pub(super) loss: f64,
    pub(super) duplicate: f64,
}

pub(super) const PERFECT: Network = Network {
    delay_ms: 5,
    jitter_ms: 0,
    loss: 0.0,
    duplicate: 0.0,
};

/// One end: an engine, its address, and all it reported.
pub(super) struct End {
    pub(super) engine: Engine,
    pub(super) local: Local,
    pub(super) address: SocketAddr,
    pub(super) events: Vec<(Mono, MediaEvent)>,
    /// All audio of the ticks: received and sent, and whether received was true.
    pub(super) heard: Vec<i16>,
    pub(super) said: Vec<i16>,
    pub(super) filled: Vec<bool>,
    /// Its RTP leaves from here instead of where its description says, as behind address translation.
    pub(super) mapped: Option<SocketAddr>,
}

impl End {
    pub(super) fn count(&self, f: impl Fn(&MediaEvent) -> bool) -> usize {
        self.events.iter().filter(|(_, e)| f(e)).count()
    }

    pub(super) fn digits(&self) -> String {
        self.events
            .iter()
            .filter_map(|(_, e)| {
                if let MediaEvent::Dtmf { digit, .. } = e {
                    Some(*digit)
                } else {
                    None
                }
            })
            .collect()
    }

    pub(super) fn say(&mut self, hz: f64, ms: usize) {
        let audio: Arc<[i16]> = crate::tone::sine(hz, RATE_HZ, 9_000, ms * 16).into();
        self.engine.play(SayId(1), audio, Over::Replace).unwrap();
    }

    /// What was heard between two moments, in milliseconds since the session began.
    pub(super) fn heard_ms(&self, from: usize, to: usize) -> &[i16] {
        &self.heard[from * 16..(to * 16).min(self.heard.len())]
    }
}

/// Two ends and what is under way between them.
pub(super) struct World {
    pub(super) now: Mono,
    pub(super) a: End,
    pub(super) b: End,
    pub(super) network: Network,
    rng: StdRng,
    under_way: BTreeMap<(u64, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    sent: u64,
    /// Every datagram that a sent, in order, and every one that b did.
    pub(super) tap: Vec<Vec<u8>>,
    pub(super) tap_b: Vec<Vec<u8>>,
}

pub(super) fn local(port: u16, host: u8, codecs: &[Codec], srtp: SrtpPolicy) -> Local {
    let key = || MasterKey::random().unwrap();
    Local {
        advertise: [192, 0, 2, host].into(),
        rtp_port: port,
        codecs: codecs.to_vec(),
        srtp,
        keys: [key(), key()],
        dtls: None,
    }
}

impl World {
    /// A (192.0.2.1:4000) has offered and B (192.0.2.2:5000) has answered.
    pub(super) fn new(codec: Codec, srtp: SrtpPolicy, seed: u64) -> Self {
        Self::with(&[codec], srtp, seed, |s| s)
    }

    /// The same, with a hand in the offer.
    pub(super) fn with(
        codecs: &[Codec],
        srtp: SrtpPolicy,
        seed: u64,
        edit: impl Fn(String) -> String,
    ) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let now = Mono::from_ms(1_000_000);
        let mut end = |local: Local| {
            let s = Seed {
                ssrc: rng.random(),
                seq: rng.random(),
                timestamp: rng.random(),
                cname: "x".into(),
                phase: 0,
            };
            let address = SocketAddr::new(local.advertise, local.rtp_port);
            let timeouts = Timeouts {
                first_packet_ms: 30_000,
                silence_ms: 15_000,
            };
            End {
                engine: Engine::new(timeouts, s, now),
                local,
                address,
                events: Vec::new(),
                heard: Vec::new(),
                said: Vec::new(),
                filled: Vec::new(),
                mapped: None,
            }
        };
        let mut a = end(local(4_000, 1, codecs, srtp));
        let mut b = end(local(5_000, 2, codecs, srtp));
        let v = Version { id: 1, version: 1 };
        let offer = edit(sdp::offer(&a.local, None, v).unwrap());
        let (agreed, answer) = sdp::answer(&offer, &b.local, None, v).unwrap();
        b.engine.apply(agreed, now).unwrap();
        a.engine
            .apply(sdp::accept(&answer, &a.local).unwrap(), now)
            .unwrap();
        Self {
            now,
            a,
            b,
            network: PERFECT,
            rng,
            under_way: BTreeMap::new(),
            sent: 0,
            tap: Vec::new(),
            tap_b: Vec::new(),
        }
    }

    /// Puts a datagram of anyone's on its way.
    pub(super) fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        if self.network.loss > 0.0 && self.rng.random_bool(self.network.loss) {
            return;
        }
        let copies = if self.network.duplicate > 0.0 && self.rng.random_bool(self.network.duplicate) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let jitter = if self.network.jitter_ms > 0 {
                self.rng.random_range(0..=self.network.jitter_ms)
            } else {
                0
            };
            self.sent += 1;
            self.under_way.insert(
                (self.now.as_ms() + self.network.delay_ms + jitter, self.sent),
                (from, to, bytes.clone()),
            );
        }
    }

    /// Lets `ms` milliseconds pass, calling `each` at every one of them.
    pub(super) fn run_with(&mut self, ms: u64, mut each: impl FnMut(&mut Self)) {
        for _ in 0..ms {
            self.now = self.now.plus_ms(1);
            while let Some(entry) = self.under_way.first_entry()
                && entry.key().0 <= self.now.as_ms()
            {
                let (from, to, bytes) = entry.remove();
                for end in [&mut self.a, &mut self.b] {
                    let mine = [end.address.ip(), end.mapped.unwrap_or(end.address).ip()];
                    if mine.contains(&to.ip()) {
                        let port = if to.port() % 2 == 1 && end.mapped != Some(to) {
                            Port::Rtcp
                        } else {
                            Port::Rtp
                        };
                        end.engine.datagram(port, from, &bytes, self.now);
                    }
                }
            }
            let phase = self.now.as_ms() % 20;
            if phase == 0 {
                self.a.engine.tick(self.now);
            }
            if phase == 7 {
                self.b.engine.tick(self.now);
            }
            each(self);
            self.collect();
        }
    }

    pub(super) fn run(&mut self, ms: u64) {
        self.run_with(ms, |_| {});
    }

    /// Takes what both engines want sent and told.
    pub(super) fn collect(&mut self) {
        let mut out = Vec::new();
        for (n, end) in [&mut self.a, &mut self.b].into_iter().enumerate() {
            for o in std::mem::take(&mut end.engine.outgoing) {
                let ip = end.address.ip();
                let from = match (o.port, end.mapped) {
                    (Port::Rtp, Some(m)) => m,
                    (Port::Rtp, None) => end.address,
                    (Port::Rtcp, _) => SocketAddr::new(ip, end.address.port() + 1),
                };
                let tap = if n == 0 { &mut self.tap } else { &mut self.tap_b };
                tap.push(o.bytes.clone());
                out.push((from, o.to, o.bytes));
            }
            for e in std::mem::take(&mut end.engine.events) {
                if let MediaEvent::Tick {
                    rx, tx, rx_filled, ..
                } = &e
                {
                    end.heard.extend(**rx);
                    end.said.extend(**tx);
                    end.filled.push(*rx_filled);
                } else {
                    end.events.push((self.now, e));
                }
            }
        }
        for (from, to, bytes) in out {
            self.inject(from, to, bytes);
        }
    }
}
