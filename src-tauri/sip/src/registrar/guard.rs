//! Who is no longer answered.
//!
//! Two things count. A wrong answer to a challenge counts against the address it came from: the nonce in it was given to
//! that address and port, so nobody else can have sent it. And a name that was asked for without credentials and not
//! followed up counts too, whether or not such a user exists, so that the count tells nothing; over UDP it counts only
//! against that address *and port*, because a datagram's sender can be forged, and over a connection against the address.
//! Until a name is followed up or counted, its place is taken: one source gets at most `failures_max` challenges in
//! [`FOLLOW_UP`], however fast it asks, and a base station with twenty handsets is merely served in turns.
//!
//! A flow that somebody is registered over is not judged by what others at its address do; and as it may be a base station's
//! or a proxy's, with many users behind it, failures on it count against the name they were made with, and only requests in
//! that name are dropped.

use super::config::BanConfig;
use crate::wire::Hop;
use anteroom_types::Mono;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a challenged source has to answer.
const FOLLOW_UP: Duration = Duration::from_secs(4);
/// Challenges to one name within that time: more than any telephone's retransmissions need.
const ANSWERS_MAX: u8 = 8;
/// Seconds of a ban over UDP for names asked for and not followed up: nothing proves who asked.
const UNPROVED_BAN_S: u32 = 60;
/// Sources remembered in each table. When full and nothing in it is over, whoever failed longest ago is forgotten.
pub(crate) const SOURCES_MAX: usize = 8_192;
/// How often a full table is looked through.
const SWEEP: Duration = Duration::from_secs(1);

/// What a message came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Flow {
    /// A connection.
    Conn(u64),
    /// A socket of ours and an address.
    Udp(usize, SocketAddr),
}

impl Flow {
    pub(crate) fn of(hop: &Hop) -> Self {
        match hop.conn {
            Some(c) => Self::Conn(c),
            None => Self::Udp(hop.socket, hop.remote),
        }
    }
}

/// What failures are counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Address(IpAddr),
    Flow(Flow),
    /// A name, by hash, on a flow that somebody is registered over.
    Name(Flow, u64),
}

/// One host has a whole /64 of IPv6.
pub(crate) fn host_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(v) => IpAddr::V6((u128::from(v) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[derive(Debug)]
struct Strikes {
    count: u32,
    since: Mono,
    banned_until: Option<Mono>,
}

/// A name that was asked for.
#[derive(Debug)]
struct Asked {
    name: u64,
    until: Mono,
    answers: u8,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Guard {
    cfg: BanConfig,
    /// What was proved to come from where it came from: wrong answers.
    strikes: HashMap<Key, Strikes>,
    /// What a forger can make as many of as they like. They have a table of their own, so that it is the only one they fill.
    unproved: HashMap<Key, Strikes>,
    /// Names challenged and not followed up yet, by hash, with the end of their patience.
    asking: HashMap<Flow, Vec<Asked>>,
    swept: Mono,
    /// Bans pronounced since the start.
    pub(crate) bans: u64,
}

/// Forgets whoever failed longest ago and is not banned. False when all are.
fn make_room(table: &mut HashMap<Key, Strikes>, now: Mono) -> bool {
    let free = table
        .iter()
        .filter(|(_, s)| s.banned_until.is_none_or(|t| t <= now));
    let oldest = free.min_by_key(|(_, s)| s.since).map(|(k, _)| *k);
    oldest.is_some_and(|k| table.remove(&k).is_some())
}

impl Guard {
    pub(crate) fn new(cfg: BanConfig) -> Self {
        Self {
            cfg,
            strikes: HashMap::new(),
            unproved: HashMap::new(),
            asking: HashMap::new(),
            swept: Mono(0),
            bans: 0,
        }
    }

    fn is_exempt(&self, hop: &Hop) -> bool {
        let ip = hop.remote.ip().to_canonical();
        self.cfg.failures_max == 0 || self.cfg.exempt.iter().any(|n| n.contains(&ip))
    }

    fn banned(&self, key: &Key, now: Mono) -> bool {
        let until = self.table(key).get(key).and_then(|s| s.banned_until);
        until.is_some_and(|t| t > now)
    }

    /// Whether nobody has failed lately, so that there is nothing to look up.
    pub(crate) fn is_at_peace(&self) -> bool {
        self.strikes.is_empty() && self.unproved.is_empty()
    }

    const fn table(&self, key: &Key) -> &HashMap<Key, Strikes> {
        match key {
            Key::Flow(_) => &self.unproved,
            Key::Address(_) | Key::Name(..) => &self.strikes,
        }
    }

    const fn table_mut(&mut self, key: &Key) -> &mut HashMap<Key, Strikes> {
        match key {
            Key::Flow(_) => &mut self.unproved,
            Key::Address(_) | Key::Name(..) => &mut self.strikes,
        }
    }

    /// Whether a source is banned, or the name it speaks in. `registered` says whether somebody is registered over its flow.
    pub(crate) fn is_banned(&self, hop: &Hop, registered: bool, name: u64, now: Mono) -> bool {
        let flow = Flow::of(hop);
        if registered {
            return self.banned(&Key::Name(flow, name), now);
        }
        self.banned(&Key::Flow(flow), now) || self.banned(&Key::Address(host_of(hop.remote.ip())), now)
    }

    fn strike(&mut self, key: Key, now: Mono) {
        let (window, max) = (self.cfg.window_s, self.cfg.failures_max);
        let ban = match key {
            // Its sender may be forged, and the telephone that is really there must not be without service for long.
            Key::Flow(Flow::Udp(..)) => self.cfg.ban_s.min(UNPROVED_BAN_S),
            _ => self.cfg.ban_s,
        };
        let full = |t: &HashMap<Key, Strikes>| t.len() >= SOURCES_MAX && !t.contains_key(&key);
        if full(self.table(&key)) {
            self.sweep(now);
            if full(self.table(&key)) && !make_room(self.table_mut(&key), now) {
                return;
            }
        }
        let s = self.table_mut(&key).entry(key).or_insert(Strikes {
            count: 0,
            since: now,
            banned_until: None,
        });
        if s.banned_until.is_some_and(|t| t <= now) || (now - s.since).as_secs() >= window.into() {
            s.count = 0;
            s.since = now;
            s.banned_until = None;
        }
        s.count += 1;
        if s.count >= max && s.banned_until.is_none() {
            s.banned_until = Some(now + Duration::from_secs(ban.into()));
            self.bans += 1;
        }
    }

    /// A wrong password. Gives whether that ended the source's welcome.
    pub(crate) fn failed(&mut self, hop: &Hop, registered: bool, name: u64, now: Mono) -> bool {
        if self.is_exempt(hop) {
            return false;
        }
        let key = if registered {
            Key::Name(Flow::of(hop), name)
        } else {
            Key::Address(host_of(hop.remote.ip()))
        };
        self.strike(key, now);
        self.banned(&key, now)
    }

    /// Whether a request without credentials may be challenged. `name` is a hash of who it says it is.
    pub(crate) fn may_challenge(&mut self, hop: &Hop, name: u64, now: Mono) -> bool {
        if self.is_exempt(hop) {
            return true;
        }
        let flow = Flow::of(hop);
        let key = match flow {
            Flow::Conn(_) => Key::Address(host_of(hop.remote.ip())),
            Flow::Udp(..) => Key::Flow(flow),
        };
        if let Some(names) = self.asking.get_mut(&flow) {
            let before = names.len();
            names.retain(|a| a.until > now || a.name == name);
            for _ in names.len()..before {
                self.strike(key, now);
            }
        }
        if self.banned(&key, now) {
            self.asking.remove(&flow);
            return false;
        }
        if self.asking.len() >= SOURCES_MAX && !self.asking.contains_key(&flow) {
            self.sweep(now);
            if self.asking.len() >= SOURCES_MAX {
                // A flood of senders, most of them forged. A challenge costs no memory; only the count is missing.
                return true;
            }
        }
        let names = self.asking.entry(flow).or_default();
        let until = now + FOLLOW_UP;
        if let Some(a) = names.iter_mut().find(|a| a.name == name) {
            // Sent again, or a telephone that starts afresh; or somebody who wants answers sent to somebody else.
            if a.until <= now {
                a.answers = 0;
                a.until = until;
            }
            a.answers = a.answers.saturating_add(1);
            return a.answers <= ANSWERS_MAX;
        }
        if names.len() >= self.cfg.failures_max as usize {
            return false;
        }
        names.push(Asked {
            name,
            until,
            answers: 1,
        });
        true
    }

    /// A challenge was answered, rightly or not: it no longer waits.
    pub(crate) fn followed_up(&mut self, hop: &Hop, name: u64) {
        let flow = Flow::of(hop);
        if let Some(names) = self.asking.get_mut(&flow) {
            names.retain(|a| a.name != name);
            if names.is_empty() {
                self.asking.remove(&flow);
            }
        }
    }

    /// A connection is gone. What it left unanswered counts against its address.
    pub(crate) fn conn_gone(&mut self, conn: u64, ip: IpAddr, now: Mono) {
        let flow = Flow::Conn(conn);
        if let Some(names) = self.asking.remove(&flow) {
            for _ in names {
                self.strike(Key::Address(host_of(ip)), now);
            }
        }
        self.unproved.remove(&Key::Flow(flow));
    }

    /// Forgets what is over. At most once a second, so that a full table costs no more than that.
    fn sweep(&mut self, now: Mono) {
        if now - self.swept < SWEEP && self.swept != Mono(0) {
            return;
        }
        self.swept = now;
        let window = u64::from(self.cfg.window_s);
        let counts = |s: &Strikes| match s.banned_until {
            Some(t) => t > now,
            None => (now - s.since).as_secs() < window,
        };
        self.strikes.retain(|_, s| counts(s));
        self.unproved.retain(|_, s| counts(s));
        let late: Vec<Flow> = self
            .asking
            .iter()
            .filter(|(_, names)| names.iter().all(|a| a.until <= now))
            .map(|(f, _)| *f)
            .collect();
        for flow in late {
            self.asking.remove(&flow);
        }
    }

    /// Entries of both tables. For tests of their bounds.
    #[cfg(test)]
    pub(crate) fn len(&self) -> (usize, usize) {
        (self.strikes.len().max(self.unproved.len()), self.asking.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Transport;

    fn hop(ip: [u8; 4], port: u16) -> Hop {
        Hop {
            transport: Transport::Udp,
            remote: SocketAddr::from((ip, port)),
            local: SocketAddr::from(([192, 0, 2, 1], 5060)),
            socket: 0,
            conn: None,
            server_name: None,
        }
    }

    const ATTACKER: [u8; 4] = [192, 0, 2, 66];

    #[test]
    fn five_wrong_passwords_ban_an_address_but_not_who_is_registered_there() {
        let mut g = Guard::new(BanConfig::default());
        let now = Mono::from_ms(1);
        for n in 1..=5 {
            assert_eq!(g.failed(&hop(ATTACKER, 4000 + n), false, 1, now), n == 5);
        }
        assert!(g.is_banned(&hop(ATTACKER, 9), false, 1, now));
        assert!(
            !g.is_banned(&hop(ATTACKER, 9), true, 1, now),
            "a telephone of the same address"
        );
        assert!(!g.is_banned(&hop([192, 0, 2, 7], 9), false, 1, now));
        assert!(!g.is_banned(&hop(ATTACKER, 9), false, 1, Mono::from_ms(3_600_002)));
        assert_eq!(g.bans, 1);
    }

    #[test]
    fn one_handset_with_a_wrong_password_does_not_silence_its_base_station() {
        let mut g = Guard::new(BanConfig::default());
        let (h, now) = (hop([192, 0, 2, 20], 5060), Mono::from_ms(1));
        for _ in 0..5 {
            g.failed(&h, true, 7, now);
        }
        assert!(g.is_banned(&h, true, 7, now));
        assert!(!g.is_banned(&h, true, 8, now));
        // Nor its neighbours, registered or not.
        assert!(!g.is_banned(&hop([192, 0, 2, 20], 5062), false, 7, now));
    }

    #[test]
    fn failures_far_apart_do_not_add_up() {
        let mut g = Guard::new(BanConfig::default());
        for n in 0..50 {
            assert!(!g.failed(&hop(ATTACKER, 1), false, 1, Mono::from_ms(n * 151_000)));
        }
    }

    #[test]
    fn who_asks_for_names_gets_five_answers_then_silence_then_a_ban() {
        let mut g = Guard::new(BanConfig::default());
        let h = hop(ATTACKER, 5060);
        let ask = |g: &mut Guard, from: u64, ms: u64| {
            (from..from + 100)
                .filter(|n| g.may_challenge(&h, *n, Mono::from_ms(ms)))
                .count()
        };
        assert_eq!(ask(&mut g, 0, 0), 5);
        assert_eq!(ask(&mut g, 100, 3_900), 0);
        assert_eq!(ask(&mut g, 200, 4_100), 0, "five were not followed up");
        assert!(g.is_banned(&h, false, 1, Mono::from_ms(4_100)));
        // The sender of a datagram can be forged, so others at that address are not touched.
        assert!(!g.is_banned(&hop(ATTACKER, 5062), false, 1, Mono::from_ms(4_100)));
    }

    #[test]
    fn one_name_gets_few_answers_at_a_time() {
        let mut g = Guard::new(BanConfig::default());
        let h = hop(ATTACKER, 5060);
        let asked = |g: &mut Guard, ms: u64| {
            (0..100)
                .filter(|n| g.may_challenge(&h, 7, Mono::from_ms(ms + n)))
                .count()
        };
        assert_eq!(asked(&mut g, 0), 8);
        assert_eq!(asked(&mut g, 3_000), 0);
        assert_eq!(
            asked(&mut g, 4_000),
            8,
            "a telephone that tries later is not punished"
        );
        assert_eq!(g.bans, 0);
    }

    #[test]
    fn a_base_station_with_many_handsets_is_served_in_turns() {
        let mut g = Guard::new(BanConfig::default());
        let h = hop([192, 0, 2, 20], 5060);
        let mut waiting: Vec<u64> = (0..20).collect();
        let mut ms = 0;
        while !waiting.is_empty() {
            let served: Vec<u64> = waiting
                .iter()
                .copied()
                .filter(|n| g.may_challenge(&h, *n, Mono::from_ms(ms)))
                .collect();
            assert!(!served.is_empty(), "at {ms} ms");
            for n in &served {
                g.followed_up(&h, *n);
            }
            waiting.retain(|n| !served.contains(n));
            ms += 500;
        }
        assert!(ms <= 2_000);
        assert_eq!(g.bans, 0);
    }

    #[test]
    fn tables_are_bounded() {
        let mut g = Guard::new(BanConfig::default());
        for n in 0..(SOURCES_MAX as u32 + 500) {
            let ip = (0x0a00_0000 + n).to_be_bytes();
            assert!(g.may_challenge(&hop(ip, 1), 1, Mono::from_ms(1)));
            g.failed(&hop(ip, 1), false, 1, Mono::from_ms(1));
        }
        assert_eq!(g.len(), (SOURCES_MAX, SOURCES_MAX));
        // What is over makes room.
        let later = Mono::from_ms(700_000);
        g.failed(&hop(ATTACKER, 1), false, 1, later);
        assert!(g.may_challenge(&hop(ATTACKER, 1), 1, later));
        assert_eq!(g.len(), (1, 1));
    }
}
