//! Telephones that register over a network that loses, doubles and reorders, connections that break, users that are taken
//! away and an attacker beside them, all from one seed.

use super::{Core, Output};
use crate::config::{SipConfig, Transport};
use crate::event::{ContactId, SipEvent};
use crate::registrar::{BanConfig, DigestAlgorithm, RegistrarConfig, SipUser};
use crate::wire::Hop;
use anteroom_types::{Mono, Wall};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

const REALM: &str = "anteroom";
const PHONES: usize = 4;

/// One telephone: UDP for even numbers, a connection for odd ones.
struct Phone {
    user: usize,
    hop: Hop,
    nonce: Option<String>,
    nc: u32,
    seq: u32,
    branch: u32,
    wrong: bool,
    /// What it last asked for, and whether that was granted.
    expires: u32,
    granted: u32,
    granted_seq: u32,
    refused: u32,
    /// Behind a NAT: the address it believes it has is not where it is seen. How many OPTIONS it got, and whether it
    /// answers them.
    nat: bool,
    pings: u32,
    answers: bool,
}

impl Phone {
    fn register(&mut self) -> Bytes {
        self.seq += 1;
        self.branch += 1;
        let a = if self.user.is_multiple_of(2) {
            DigestAlgorithm::Sha256
        } else {
            DigestAlgorithm::Md5
        };
        let credentials = self.nonce.as_ref().map_or(String::new(), |nonce| {
            self.nc += 1;
            let password = if self.wrong { "wrong" } else { "secret" };
            let ha1 = SipUser::new(name(self.user), REALM, password);
            let (nc, ha2) = (self.nc, a.hex("REGISTER:sip:clinic.test"));
            let response = a.hex(&format!("{}:{nonce}:{nc:08x}:c:auth:{ha2}", ha1.ha1(a).expose()));
            format!(
                "Authorization: Digest username=\"{}\",realm=\"{REALM}\",nonce=\"{nonce}\",uri=\"sip:clinic.test\",\
                 response=\"{response}\",algorithm={},cnonce=\"c\",qop=auth,nc={nc:08x}\r\n",
                name(self.user),
                a.as_str()
            )
        });
        let (user, at, expires) = (name(self.user), self.hop.remote, self.expires);
        let own = if self.nat {
            SocketAddr::from(([10, 0, 0, 5], 5060))
        } else {
            at
        };
        let t = self.hop.transport.as_str();
        Bytes::from(format!(
            "REGISTER sip:clinic.test SIP/2.0\r\nVia: SIP/2.0/{t} {at};branch=z9hG4bK{}x{};rport\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@clinic.test>;tag=f\r\nTo: <sip:{user}@clinic.test>\r\nCall-ID: {}-{at}\r\nCSeq: {} REGISTER\r\n\
             Contact: <sip:{user}@{own}>;+sip.instance=\"<urn:{}>\";reg-id=1\r\nSupported: outbound\r\nExpires: {expires}\r\n\
             {credentials}Content-Length: 0\r\n\r\n",
            at.port(),
            self.branch,
            self.wrong,
            self.seq,
            at.port(),
        ))
    }
}

fn name(user: usize) -> String {
    format!("20{user}")
}

enum What {
    /// A message of ours reaches a telephone.
    ToPhone(usize, Bytes),
    /// One of theirs reaches us, over the flow it was sent by.
    ToUs(usize, Hop, Bytes),
    Register(usize, u32),
    Break(usize),
    Users(bool),
}

struct World {
    rng: StdRng,
    loss: f64,
    core: Core,
    phones: Vec<Phone>,
    queue: BTreeMap<(Mono, u64), What>,
    next: u64,
    conns: u64,
    now: Mono,
    here: HashMap<ContactId, String>,
    known: HashSet<ContactId>,
    registered: usize,
}

fn users(all: bool) -> Vec<SipUser> {
    let n = if all { PHONES } else { PHONES / 2 };
    (0..n).map(|u| SipUser::new(name(u), REALM, "secret")).collect()
}

impl World {
    fn new(seed: u64, loss: f64) -> Self {
        let cfg = SipConfig {
            registrar: Some(RegistrarConfig {
                domains: vec!["clinic.test".into()],
                contacts_per_user_max: 2,
                expires_max_s: 3_600,
                ban: BanConfig::default(),
                ..RegistrarConfig::default()
            }),
            ..SipConfig::default()
        };
        let mut core = Core::new(Arc::new(cfg), seed, Wall(0));
        core.set_users(users(true)).unwrap();
        let mut w = Self {
            rng: StdRng::seed_from_u64(seed),
            loss,
            core,
            phones: Vec::new(),
            queue: BTreeMap::new(),
            next: 0,
            conns: 0,
            now: Mono(0),
            here: HashMap::new(),
            known: HashSet::new(),
            registered: 0,
        };
        for i in 0..=PHONES {
            let phone = Phone {
                user: i % PHONES,
                hop: w.hop(i),
                nonce: None,
                nc: 0,
                seq: 0,
                branch: 0,
                // The last is not a telephone: it sits at the address of the first and guesses.
                wrong: i == PHONES,
                expires: 0,
                granted: 0,
                granted_seq: 0,
                refused: 0,
                nat: false,
                pings: 0,
                answers: true,
            };
            w.phones.push(phone);
        }
        w
    }

    fn hop(&mut self, i: usize) -> Hop {
        let stream = i % 2 == 1;
        self.conns += 1;
        let ip = [192, 0, 2, (i % PHONES) as u8 + 10];
        let port = if stream {
            40_000 + self.conns as u16
        } else {
            5_060 + i as u16
        };
        Hop {
            transport: if stream { Transport::Wss } else { Transport::Udp },
            remote: SocketAddr::from((ip, port)),
            local: SocketAddr::from(([192, 0, 2, 1], 5060)),
            socket: 0,
            conn: stream.then_some(self.conns),
            server_name: None,
        }
    }

    fn after(&mut self, ms: u64, what: What) {
        self.next += 1;
        self.queue.insert((self.now.plus_ms(ms), self.next), what);
    }

    fn send(&mut self, i: usize, bytes: &Bytes) {
        let hop = self.phones[i].hop.clone();
        let datagram = hop.conn.is_none();
        let copies = 1 + u64::from(datagram && self.rng.random_bool(0.1));
        for _ in 0..copies {
            if !(datagram && self.rng.random_bool(self.loss)) {
                let ms = if datagram { self.rng.random_range(1..80) } else { 5 };
                self.after(ms, What::ToUs(i, hop.clone(), bytes.clone()));
            }
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.core.poll() {
            match output {
                Output::Send { hop, bytes, .. } => {
                    let to = self
                        .phones
                        .iter()
                        .position(|p| p.hop.remote == hop.remote && p.hop.conn == hop.conn);
                    let lost = hop.conn.is_none() && self.rng.random_bool(self.loss);
                    if let Some(i) = to.filter(|_| !lost) {
                        let ms = self.rng.random_range(1..80);
                        self.after(ms, What::ToPhone(i, bytes));
                    }
                }
                Output::Event(e) => match *e {
                    SipEvent::Registered { user, contact } => {
                        self.registered += 1;
                        // Told again only when it came by another way.
                        self.here.insert(contact.id, user);
                        self.known.insert(contact.id);
                    }
                    SipEvent::Unregistered { user, contact, .. } => {
                        assert_eq!(self.here.remove(&contact), Some(user), "gone before it came");
                    }
                    e => panic!("{e:?}"),
                },
                Output::Resolve { .. } => panic!("nobody is looked up"),
            }
        }
        // What was told is what is.
        let mut now: Vec<(ContactId, String)> = self
            .core
            .contacts(None)
            .into_iter()
            .map(|c| (c.id, c.user))
            .collect();
        let mut told: Vec<(ContactId, String)> = self.here.clone().into_iter().collect();
        now.sort();
        told.sort();
        assert_eq!(now, told);
        for u in 0..PHONES {
            assert!(self.core.contacts(Some(&name(u))).len() <= 2);
        }
    }

    fn act(&mut self, what: What) {
        match what {
            What::ToUs(i, hop, bytes) => {
                // A broken connection brings nothing.
                if hop.conn == self.phones[i].hop.conn {
                    self.core.receive(self.now, Instant::now(), &hop, &bytes);
                }
            }
            What::ToPhone(i, bytes) => self.at_phone(i, &bytes),
            What::Register(i, expires) => {
                self.phones[i].expires = expires;
                let m = self.phones[i].register();
                self.send(i, &m);
            }
            What::Break(i) => {
                if let Some(conn) = self.phones[i].hop.conn {
                    let remote = self.phones[i].hop.remote;
                    self.core.flow_lost(self.now, conn, remote);
                    self.phones[i].hop = self.hop(i);
                    self.phones[i].nonce = None;
                }
            }
            What::Users(all) => {
                self.core.now = self.now;
                self.core.set_users(users(all)).unwrap();
            }
        }
    }

    fn at_phone(&mut self, i: usize, bytes: &Bytes) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let p = &mut self.phones[i];
        if text.starts_with("OPTIONS ") {
            assert!(p.nat, "only who is behind a NAT is pinged: {text}");
            p.pings += 1;
            if p.answers {
                let lines = text.lines().filter(|l| {
                    ["Via", "From", "To", "Call-ID", "CSeq"]
                        .iter()
                        .any(|h| l.starts_with(h))
                });
                let copy: Vec<&str> = lines.collect();
                let ok = format!(
                    "SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n",
                    copy.join("\r\n")
                );
                self.send(i, &Bytes::from(ok));
            }
            return;
        }
        let seq: u32 = text
            .split("CSeq: ")
            .nth(1)
            .and_then(|s| s.split(' ').next())
            .and_then(|s| s.parse().ok())
            .unwrap_or(0);
        if seq != p.seq {
            return;
        }
        if text.starts_with("SIP/2.0 200") {
            // The same answer may come twice.
            p.granted += u32::from(p.granted_seq < seq);
            p.granted_seq = seq;
            assert!(!p.wrong, "a wrong password got in");
        } else if text.starts_with("SIP/2.0 401") {
            let tried = p.nonce.is_some();
            let nonce = text.split("nonce=\"").nth(1).and_then(|n| n.split('"').next());
            p.nonce = nonce.map(ToOwned::to_owned);
            p.nc = 0;
            p.refused += u32::from(tried && !text.contains("stale=true"));
            // Who was refused for good gives up for now; who guesses never does.
            if p.wrong || !tried || text.contains("stale=true") {
                let m = self.phones[i].register();
                self.send(i, &m);
            }
        } else {
            panic!("{text}");
        }
    }

    fn run(&mut self, until: Mono) {
        loop {
            let due = self
                .queue
                .keys()
                .next()
                .map(|k| k.0)
                .into_iter()
                .chain(self.core.next_timeout())
                .min();
            let Some(next) = due.filter(|d| *d <= until) else {
                self.now = self.now.max(until);
                return;
            };
            self.now = self.now.max(next);
            self.core.on_timeout(self.now);
            self.drain();
            while let Some((at, n)) = self.queue.keys().next().copied().filter(|k| k.0 <= self.now) {
                let what = self.queue.remove(&(at, n)).unwrap();
                self.act(what);
                self.drain();
            }
        }
    }
}

#[test]
fn whatever_happens_what_was_told_is_what_is_and_in_the_end_nothing_is_left() {
    let seeds = std::env::var("ANTEROOM_SIM_SEEDS")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(200);
    let mut registered = 0;
    for seed in 0..seeds {
        let loss = [0.0, 0.1, 0.4][seed as usize % 3];
        let mut w = World::new(seed, loss);
        for _ in 0..40 {
            let i = w.rng.random_range(0..=PHONES);
            let ms = w.rng.random_range(0..600_000);
            let what = match w.rng.random_range(0..10) {
                0 => What::Break(i),
                1 => What::Users(w.rng.random_bool(0.7)),
                2 => What::Register(i, 0),
                _ => What::Register(i, w.rng.random_range(30..300)),
            };
            w.after(ms, what);
        }
        w.run(Mono::from_ms(1_200_000));
        registered += w.registered;
        assert!(w.here.is_empty(), "seed {seed}: somebody never expired");
        assert!(w.core.is_idle(), "seed {seed}: {:?}", w.core.counts());
        assert_eq!(w.core.next_timeout(), None, "seed {seed}: a timer is left");
        let c = w.core.counts();
        assert!(c.auth_failed < 60, "seed {seed}: {c:?}");
    }
    assert!(registered as u64 > seeds * 3, "{registered}");
}

#[test]
fn an_attacker_beside_a_telephone_does_not_keep_it_from_registering() {
    for seed in 0..50 {
        let mut w = World::new(seed, 0.0);
        w.after(0, What::Register(0, 120));
        w.after(1_000, What::Register(PHONES, 120));
        for n in 1..50 {
            w.after(1_000 + n * 200, What::Register(PHONES, 120));
        }
        for n in 1..20 {
            w.after(n * 60_000, What::Register(0, 120));
        }
        w.run(Mono::from_ms(1_190_000));
        assert!(w.core.counts().bans >= 1, "seed {seed}");
        assert_eq!(w.phones[0].granted, 20, "seed {seed}");
        assert_eq!(w.phones[0].refused, 0);
        assert_eq!(w.here.len(), 1);
    }
}

#[test]
fn a_telephone_behind_a_nat_is_kept_reachable_and_missed_when_it_falls_silent() {
    let mut w = World::new(1, 0.0);
    w.phones[0].nat = true;
    w.after(0, What::Register(0, 3_600));
    w.run(Mono::from_ms(200_000));
    assert!((6..=9).contains(&w.phones[0].pings), "{}", w.phones[0].pings);
    assert_eq!(w.here.len(), 1);
    w.phones[0].answers = false;
    w.run(Mono::from_ms(400_000));
    assert!(w.here.is_empty(), "nobody is rung who is not there");
    // One that never answers does not know OPTIONS, and stays.
    let mut w = World::new(2, 0.0);
    (w.phones[0].nat, w.phones[0].answers) = (true, false);
    w.after(0, What::Register(0, 3_600));
    w.run(Mono::from_ms(400_000));
    assert_eq!(w.here.len(), 1);
}
