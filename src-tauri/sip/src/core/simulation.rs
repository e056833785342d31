//! Two cores and a network that loses, doubles, delays and reorders, all from one seed.

use super::{Core, Output};
use crate::config::{SipConfig, Transport};
use crate::event::{CancelReason, DialRequest, EndWhy, OfferToken, SipEvent};
use crate::wire::Hop;
use anteroom_types::{LegId, Mono, Wall};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

fn addr(i: usize) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, i as u8 + 1], 5060))
}

fn hop(from: usize, to: usize) -> Hop {
    Hop {
        transport: Transport::Udp,
        remote: addr(to),
        local: addr(from),
        socket: 0,
        conn: None,
        server_name: None,
    }
}

/// Nobody is at this address.
const SILENT: usize = 7;

/// Something to happen.
#[derive(Debug)]
enum What {
    Arrive {
        to: usize,
        bytes: Bytes,
    },
    Answer {
        at: usize,
        leg: LegId,
    },
    Progress {
        at: usize,
        leg: LegId,
        status: u16,
        sdp: bool,
    },
    Reject {
        at: usize,
        leg: LegId,
    },
    Reply {
        at: usize,
        leg: LegId,
        token: OfferToken,
    },
    Reinvite {
        at: usize,
        leg: LegId,
    },
    Info {
        at: usize,
        leg: LegId,
    },
    Bye {
        at: usize,
        leg: LegId,
    },
    Cancel {
        leg: LegId,
    },
}

struct World {
    rng: StdRng,
    loss: f64,
    double: f64,
    cores: Vec<Core>,
    queue: BTreeMap<(Mono, u64), What>,
    next: u64,
    now: Mono,
    ended: Vec<HashMap<LegId, EndWhy>>,
    begun: Vec<Vec<LegId>>,
    log: Vec<String>,
    established: usize,
    digits: usize,
    answers: usize,
    /// Established calls are left alone.
    quiet: bool,
    sent: usize,
    /// Whoever dials has another way.
    elsewhere: bool,
    /// What is dialled has two addresses, the first of which is silent.
    silent_first: bool,
}

impl World {
    fn new(seed: u64, loss: f64, double: f64) -> Self {
        let cfg = Arc::new(SipConfig {
            allow_direct: true,
            calls_max: 10,
            ..SipConfig::default()
        });
        Self {
            rng: StdRng::seed_from_u64(seed),
            loss,
            double,
            cores: (0..2)
                .map(|i| Core::new(Arc::clone(&cfg), seed * 2 + i, Wall(0)))
                .collect(),
            queue: BTreeMap::new(),
            next: 0,
            now: Mono(0),
            ended: vec![HashMap::new(), HashMap::new()],
            begun: vec![Vec::new(), Vec::new()],
            log: Vec::new(),
            established: 0,
            digits: 0,
            answers: 0,
            quiet: false,
            sent: 0,
            elsewhere: false,
            silent_first: false,
        }
    }

    fn after(&mut self, ms: u64, what: What) {
        self.next += 1;
        self.queue.insert((self.now.plus_ms(ms), self.next), what);
    }

    fn dial(&mut self, offer: bool) -> LegId {
        let leg = LegId::from_u128(u128::from(self.rng.random::<u64>()));
        self.cores[0].now = self.now;
        self.cores[0]
            .dial(DialRequest {
                from_display: Some("Ann \"A\"".into()),
                sdp: offer.then(|| SDP.to_owned()),
                elsewhere: self.elsewhere,
                ..DialRequest::new(leg, format!("sip:desk@{}", addr(1)), "ann")
            })
            .unwrap();
        self.begun[0].push(leg);
        self.drain(0);
        leg
    }

    fn drain(&mut self, i: usize) {
        while let Some(output) = self.cores[i].poll() {
            match output {
                Output::Send { hop, .. } if hop.remote == addr(SILENT) => self.sent += 1,
                Output::Send { hop, bytes, .. } => {
                    assert_eq!(hop.remote, addr(1 - i), "sent to the right place");
                    self.sent += 1;
                    let copies = if self.rng.random_bool(self.double) { 2 } else { 1 };
                    for _ in 0..copies {
                        if self.rng.random_bool(self.loss) {
                            continue;
                        }
                        // Now and then a datagram is late by seconds.
                        let late = if self.rng.random_bool(self.double / 4.0) {
                            3_000
                        } else {
                            0
                        };
                        let ms = self.rng.random_range(1..60) + late;
                        self.after(
                            ms,
                            What::Arrive {
                                to: 1 - i,
                                bytes: bytes.clone(),
                            },
                        );
                    }
                }
                Output::Event(e) => self.on_event(i, *e),
                Output::Resolve { id, .. } => {
                    let now = self.now;
                    let silent = self.silent_first.then(|| hop(i, SILENT));
                    let hops = silent.into_iter().chain([hop(i, 1 - i)]).collect();
                    self.cores[i].resolved(now, id, hops);
                }
            }
        }
    }

    fn on_event(&mut self, i: usize, e: SipEvent) {
        let leg = match &e {
            SipEvent::Incoming { leg, .. }
            | SipEvent::Offer { leg, .. }
            | SipEvent::Answer { leg, .. }
            | SipEvent::OfferRejected { leg, .. }
            | SipEvent::Acked { leg }
            | SipEvent::Progress { leg, .. }
            | SipEvent::Established { leg }
            | SipEvent::Dtmf { leg, .. }
            | SipEvent::Ended { leg, .. } => *leg,
            SipEvent::Refer { leg, .. } => *leg,
            SipEvent::Trunk { .. }
            | SipEvent::TurnedAway { .. }
            | SipEvent::Registered { .. }
            | SipEvent::Unregistered { .. } => return,
        };
        let shown = format!("{e:?}");
        self.log.push(format!(
            "{} {i} {}",
            self.now.as_ms(),
            &shown[..shown.len().min(90)]
        ));
        assert!(!self.ended[i].contains_key(&leg), "an event after the end: {e:?}");
        match e {
            SipEvent::Incoming { .. } => {
                assert!(!self.begun[i].contains(&leg));
                self.begun[i].push(leg);
                let mut ms = 0;
                for (status, sdp) in [(180, false), (183, true)] {
                    if self.rng.random_bool(0.5) {
                        ms += self.rng.random_range(0..400);
                        self.after(
                            ms,
                            What::Progress {
                                at: i,
                                leg,
                                status,
                                sdp,
                            },
                        );
                    }
                }
                ms += self.rng.random_range(0..3_000);
                let what = match self.rng.random_range(0..10) {
                    0 => What::Reject { at: i, leg },
                    1 => What::Bye { at: i, leg },
                    _ => What::Answer { at: i, leg },
                };
                self.after(ms, what);
            }
            SipEvent::Offer { token, .. } => {
                let ms = self.rng.random_range(0..300);
                self.after(ms, What::Reply { at: i, leg, token });
            }
            SipEvent::Established { .. } => {
                self.established += 1;
                if self.quiet {
                    return;
                }
                for _ in 0..self.rng.random_range(0..3) {
                    let ms = self.rng.random_range(0..5_000);
                    self.after(ms, What::Reinvite { at: i, leg });
                    let ms = self.rng.random_range(0..5_000);
                    self.after(ms, What::Info { at: i, leg });
                }
                let ms = self.rng.random_range(0..30_000);
                self.after(ms, What::Bye { at: i, leg });
            }
            SipEvent::Dtmf { .. } => self.digits += 1,
            SipEvent::Answer { .. } => self.answers += 1,
            SipEvent::Ended { why, .. } => {
                self.ended[i].insert(leg, why);
            }
            _ => {}
        }
    }

    fn run(&mut self) {
        for _ in 0..200_000 {
            let arrival = self.queue.keys().next().map(|k| k.0);
            let timers: Vec<Option<Mono>> = self.cores.iter().map(Core::next_timeout).collect();
            let Some(next) = arrival.into_iter().chain(timers.iter().flatten().copied()).min() else {
                return;
            };
            self.now = self.now.max(next);
            for (i, timer) in timers.iter().enumerate() {
                if timer.is_some_and(|t| t <= self.now) {
                    self.cores[i].on_timeout(self.now);
                    self.drain(i);
                }
            }
            while let Some((at, n)) = self.queue.keys().next().copied()
                && at <= self.now
            {
                let what = self.queue.remove(&(at, n)).unwrap();
                let i = self.act(what);
                self.drain(i);
            }
        }
        panic!("it never comes to rest");
    }

    fn act(&mut self, what: What) -> usize {
        // Commands may come too late for the state a leg is in; then they say so, and nothing else happens.
        match what {
            What::Arrive { to, bytes } => {
                let h = hop(to, 1 - to);
                self.cores[to].receive(self.now, Instant::now(), &h, &bytes);
                to
            }
            What::Answer { at, leg } => {
                let _ = self.cores[at].answer(leg, SDP.into());
                at
            }
            What::Progress { at, leg, status, sdp } => {
                let _ = self.cores[at].progress(leg, status, sdp.then(|| SDP.to_owned()));
                at
            }
            What::Reject { at, leg } => {
                let _ = self.cores[at].reject(leg, 486, None);
                at
            }
            What::Reply { at, leg, token } => {
                let _ = self.cores[at].reply_offer(leg, token, SDP.into());
                at
            }
            What::Reinvite { at, leg } => {
                let _ = self.cores[at].reinvite(leg, SDP.into());
                at
            }
            What::Info { at, leg } => {
                let _ = self.cores[at].send_dtmf(leg, '5', 100);
                at
            }
            What::Bye { at, leg } => {
                let _ = self.cores[at].bye(leg);
                at
            }
            What::Cancel { leg } => {
                let _ = self.cores[0].cancel(leg, CancelReason::GivenUp);
                0
            }
        }
    }

    fn check(&self, seed: u64) {
        for i in 0..2 {
            for leg in &self.begun[i] {
                assert!(
                    self.ended[i].contains_key(leg),
                    "seed {seed}: leg of {i} never ended\n{}",
                    self.log.join("\n")
                );
            }
            assert!(
                self.cores[i].is_idle(),
                "seed {seed}: {i} keeps something: {:?}\n{}",
                self.cores[i].counts(),
                self.log.join("\n")
            );
        }
        // Neither retransmission nor doubling makes two calls of one.
        assert!(self.begun[1].len() <= self.begun[0].len(), "seed {seed}");
    }
}

fn seeds() -> u64 {
    std::env::var("ANTEROOM_SIM_SEEDS")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(300)
}

#[test]
fn calls_over_a_bad_network_always_end_once_on_both_sides_and_leave_nothing_behind() {
    let mut established = 0;
    let mut answers = 0;
    for seed in 0..seeds() {
        let loss = [0.0, 0.05, 0.2, 0.4][seed as usize % 4];
        let mut w = World::new(seed, loss, 0.1);
        // Then an INVITE may be given up and be heard of after all.
        w.elsewhere = seed % 8 > 5;
        for n in 0..3 {
            let leg = w.dial(!(seed + n).is_multiple_of(3));
            if w.rng.random_bool(0.25) {
                let ms = w.rng.random_range(0..3_000);
                w.after(ms, What::Cancel { leg });
            }
        }
        w.run();
        w.check(seed);
        established += w.established;
        answers += w.answers;
    }
    // The test would be worth nothing if calls never got through.
    assert!(established as u64 > seeds(), "{established}");
    assert!(answers as u64 > seeds(), "{answers}");
}

#[test]
fn a_good_network_brings_every_digit_and_answer() {
    for seed in 0..40 {
        let mut w = World::new(seed, 0.0, 0.0);
        let leg = w.dial(true);
        w.run();
        w.check(seed);
        let why = w.ended[0][&leg];
        assert!(
            matches!(why, EndWhy::Bye | EndWhy::LocalBye | EndWhy::Rejected(480 | 486)),
            "seed {seed}: {why:?}\n{}",
            w.log.join("\n")
        );
    }
}

#[test]
fn a_silent_address_holds_nobody_up_when_there_is_another() {
    for seed in 0..40 {
        let mut w = World::new(seed, 0.0, 0.0);
        w.silent_first = true;
        let leg = w.dial(true);
        let stop = Mono::from_ms(9_000);
        w.next += 1;
        w.queue.insert((stop, w.next), What::Cancel { leg });
        w.run();
        w.check(seed);
        let log = w.log.join("\n");
        assert_eq!(w.begun[1].len(), 1, "seed {seed}: {log}");
        assert_ne!(w.ended[0][&leg], EndWhy::Cancelled, "seed {seed}: {log}");
    }
}

#[test]
fn who_has_another_way_is_told_of_silence_soon_and_who_has_none_waits() {
    for (elsewhere, ms) in [(true, 4_000), (false, 32_000)] {
        let mut w = World::new(1, 1.0, 0.0);
        w.elsewhere = elsewhere;
        let leg = w.dial(true);
        w.run();
        w.check(1);
        assert_eq!(w.ended[0][&leg], EndWhy::TransportLost);
        assert!(w.log[0].starts_with(&format!("{ms} ")), "{:?}", w.log);
    }
}

#[test]
fn a_line_that_goes_dead_is_noticed_by_the_session_timer() {
    let mut noticed = 0;
    for seed in 0..20 {
        let mut w = World::new(1_000 + seed, 0.0, 0.0);
        let leg = w.dial(true);
        // Let it be established, then cut the line for good and forget what was planned.
        while w.established < 2 && !w.ended[0].contains_key(&leg) {
            let Some(next) = w
                .queue
                .keys()
                .next()
                .map(|k| k.0)
                .into_iter()
                .chain(w.cores.iter().filter_map(Core::next_timeout))
                .min()
            else {
                break;
            };
            w.now = w.now.max(next);
            for i in 0..2 {
                w.cores[i].on_timeout(w.now);
                w.drain(i);
            }
            while let Some((at, n)) = w.queue.keys().next().copied()
                && at <= w.now
            {
                let what = w.queue.remove(&(at, n)).unwrap();
                let i = w.act(what);
                w.drain(i);
            }
        }
        if w.ended[0].contains_key(&leg) {
            continue;
        }
        w.queue.clear();
        w.loss = 1.0;
        w.run();
        w.check(seed);
        // A request that was just being sent finds the dead line sooner than the timer.
        for ended in &w.ended {
            let why = ended.values().next().unwrap();
            assert!(
                matches!(why, EndWhy::SessionExpired | EndWhy::TransportLost),
                "{why:?}\n{}",
                w.log.join("\n")
            );
            noticed += usize::from(*why == EndWhy::SessionExpired);
        }
        assert!(w.now.as_ms() < 2_000_000, "within the interval");
    }
    assert!(noticed >= 10, "{noticed}");
}

#[test]
fn a_long_call_is_kept_alive_by_refreshing_it() {
    let mut w = World::new(3, 0.0, 0.0);
    w.quiet = true;
    let leg = w.dial(true);
    let stop = Mono::from_ms(3 * 3_600_000);
    w.next += 1;
    w.queue.insert((stop, w.next), What::Bye { at: 0, leg });
    w.run();
    w.check(3);
    assert_eq!(w.established, 2);
    assert_eq!(w.ended[0][&leg], EndWhy::LocalBye);
    assert!(w.now >= stop, "it lasted: {:?}", w.now);
    // Three hours of an interval of half an hour, refreshed at half of it: twelve requests and their answers.
    assert!((24..60).contains(&w.sent), "{}", w.sent);
}
