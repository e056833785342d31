//! Which source a session listens and sends to: symmetric RTP that a stranger's packets cannot steal.
//!
//! The address in the SDP is trusted first. Behind address translation the packets come from elsewhere, so another
//! source may be learned, but only while nothing is settled: it must send several packets in a row that belong
//! together. A source nearer to the SDP address displaces one further away within a short window after the first
//! was taken. Then the source is locked: others are dropped and counted, until a renegotiation, or until the source
//! has long been silent and one of the same host (a rebound port) sends in its stead. Without SRTP a packet proves
//! nothing, so a stranger's host is never taken for a silent source.

use anteroom_types::Mono;
use std::net::{IpAddr, SocketAddr};

/// Packets in a row that a source other than the SDP's must send.
const RUN_NEAR: u8 = 3;
/// The same for a source on a host that neither the SDP nor the signalling names.
const RUN_FAR: u8 = 6;
/// How long after the first source was taken a nearer one may displace it.
const WINDOW_MS: u64 = 3_000;
/// Silence after which the same host may send from another port.
const SILENCE_MS: u64 = 5_000;
/// The same when every packet is authenticated; then any host may, as after a change of network.
const SILENCE_SRTP_MS: u64 = 1_000;
/// Candidates followed at once; a further one displaces the one that made least progress.
const CANDIDATES_MAX: usize = 4;

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is from the session's source.
    Accept,
    /// It is from the session's source, which has just changed: state that belongs to the old one must go.
    AcceptNew,
    /// It is on probation; not played, not counted as foreign.
    Wait,
    /// It is a stranger's: drop and count it.
    Foreign,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    next_seq: u16,
    run: u8,
}

#[derive(Debug, Clone, Copy)]
struct Locked {
    from: SocketAddr,
    rank: u8,
    since: Mono,
    heard: Mono,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Latch {
    sdp: Option<SocketAddr>,
    signalling: Option<IpAddr>,
    locked: Option<Locked>,
    candidates: Vec<Candidate>,
}

impl Latch {
    pub(crate) fn new() -> Self {
        Self {
            sdp: None,
            signalling: None,
            locked: None,
            candidates: Vec::new(),
        }
    }

    /// The address the peer signals with counts as near.
    pub(crate) fn set_signalling(&mut self, ip: IpAddr) {
        self.signalling = Some(ip);
    }

    /// The peer's address was negotiated anew. The same address as before changes nothing.
    pub(crate) fn set_sdp(&mut self, sdp: Option<SocketAddr>) {
        if self.sdp != sdp {
            self.sdp = sdp;
            self.locked = None;
            self.candidates.clear();
        }
    }

    /// Where to send.
    pub(crate) fn target(&self) -> Option<SocketAddr> {
        self.locked.map(|l| l.from).or(self.sdp)
    }

    /// The source listened to, once there is one.
    pub(crate) fn locked(&self) -> Option<SocketAddr> {
        self.locked.map(|l| l.from)
    }

    /// Whether a packet from `from` could matter, to spare the cost of decrypting what would be dropped.
    pub(crate) fn worth_checking(&self, from: SocketAddr, srtp: bool, now: Mono) -> bool {
        match self.locked {
            None => true,
            Some(l) => l.from == from || self.may_replace(&l, from, srtp, now),
        }
    }

    fn rank(&self, from: SocketAddr) -> u8 {
        match self.sdp {
            Some(s) if s == from => 3,
            Some(s) if s.ip() == from.ip() => 2,
            _ if self.signalling == Some(from.ip()) => 2,
            _ => 1,
        }
    }

    fn may_replace(&self, l: &Locked, from: SocketAddr, srtp: bool, now: Mono) -> bool {
        let silent = now.ms_since(l.heard);
        if srtp && silent >= SILENCE_SRTP_MS {
            return true;
        }
        let rank = self.rank(from);
        (rank > l.rank && now.ms_since(l.since) <= WINDOW_MS)
            || (silent >= SILENCE_MS && (rank >= 2 || from.ip() == l.from.ip()))
    }

    /// Judges a well-formed packet. `srtp` says that it was authenticated.
    pub(crate) fn judge(&mut self, from: SocketAddr, ssrc: u32, seq: u16, srtp: bool, now: Mono) -> Verdict {
        if let Some(l) = &mut self.locked
            && l.from == from
        {
            l.heard = now;
            return Verdict::Accept;
        }
        if let Some(l) = self.locked
            && !self.may_replace(&l, from, srtp, now)
        {
            return Verdict::Foreign;
        }
        let rank = self.rank(from);
        let needed = match (rank, srtp) {
            (3, _) => 1,
            (_, true) | (2, _) => RUN_NEAR,
            _ => RUN_FAR,
        };
        if self.run(from, ssrc, seq) < needed {
            return Verdict::Wait;
        }
        self.candidates.clear();
        // A nearer source displaces within the window that began with the first one; it does not begin another.
        let since = self
            .locked
            .filter(|l| now.ms_since(l.since) <= WINDOW_MS)
            .map_or(now, |l| l.since);
        self.locked = Some(Locked {
            from,
            rank,
            since,
            heard: now,
        });
        Verdict::AcceptNew
    }

    /// How many packets in a row `from` has now sent that belong together.
    fn run(&mut self, from: SocketAddr, ssrc: u32, seq: u16) -> u8 {
        if let Some(c) = self.candidates.iter_mut().find(|c| c.from == from) {
            c.run = if c.ssrc == ssrc && c.next_seq == seq {
                c.run.saturating_add(1)
            } else {
                1
            };
            c.ssrc = ssrc;
            c.next_seq = seq.wrapping_add(1);
            return c.run;
        }
        if self.candidates.len() >= CANDIDATES_MAX
            && let Some(weakest) = (0..self.candidates.len()).min_by_key(|&i| self.candidates[i].run)
        {
            self.candidates.swap_remove(weakest);
        }
        self.candidates.push(Candidate {
            from,
            ssrc,
            next_seq: seq.wrapping_add(1),
            run: 1,
        });
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: &str) -> SocketAddr {
        s.parse().unwrap()
    }

    fn latch() -> Latch {
        let mut l = Latch::new();
        l.set_sdp(Some(at("192.0.2.1:4000")));
        l
    }

    const T: fn(u64) -> Mono = Mono::from_ms;

    #[test]
    fn the_sdp_address_is_taken_at_once_and_kept() {
        let mut l = latch();
        assert_eq!(l.target(), Some(at("192.0.2.1:4000")));
        assert_eq!(
            l.judge(at("192.0.2.1:4000"), 1, 1, false, T(0)),
            Verdict::AcceptNew
        );
        for n in 0..500u16 {
            assert_eq!(
                l.judge(at("203.0.113.9:9"), 9, n, false, T(u64::from(n) * 20)),
                Verdict::Foreign
            );
            assert_eq!(
                l.judge(at("192.0.2.1:4000"), 1, n, false, T(u64::from(n) * 20)),
                Verdict::Accept
            );
        }
        assert_eq!(l.target(), Some(at("192.0.2.1:4000")));
    }

    #[test]
    fn a_translated_source_is_learned_from_a_run_only() {
        let mut l = latch();
        // Guessing packets without sequence never make a run.
        for n in [5u16, 9, 40, 3, 7, 100, 8, 2] {
            assert_eq!(l.judge(at("203.0.113.9:9"), 9, n, false, T(0)), Verdict::Wait);
        }
        // A new SSRC each time does not either.
        for n in 0..10u16 {
            assert_eq!(
                l.judge(at("203.0.113.8:9"), u32::from(n), n, false, T(0)),
                Verdict::Wait
            );
        }
        for n in 0..5u16 {
            assert_eq!(
                l.judge(at("198.51.100.7:5000"), 1, n, false, T(20)),
                Verdict::Wait
            );
        }
        assert_eq!(
            l.judge(at("198.51.100.7:5000"), 1, 5, false, T(20)),
            Verdict::AcceptNew
        );
        assert_eq!(l.target(), Some(at("198.51.100.7:5000")));
    }

    #[test]
    fn a_nearer_source_displaces_within_the_window_and_never_after() {
        let mut l = latch();
        for n in 0..6u16 {
            l.judge(at("203.0.113.9:9"), 9, n, false, T(0));
        }
        assert_eq!(l.locked(), Some(at("203.0.113.9:9")));
        assert_eq!(
            l.judge(at("192.0.2.1:4000"), 1, 1, false, T(2_900)),
            Verdict::AcceptNew
        );
        // And the attacker cannot come back.
        assert_eq!(
            l.judge(at("203.0.113.9:9"), 9, 7, false, T(2_950)),
            Verdict::Foreign
        );

        let mut l = latch();
        for n in 0..6u16 {
            l.judge(at("198.51.100.7:5000"), 1, n, false, T(0));
        }
        l.judge(at("198.51.100.7:5000"), 1, 7, false, T(4_000));
        assert_eq!(
            l.judge(at("192.0.2.1:4000"), 9, 1, false, T(4_001)),
            Verdict::Foreign
        );
    }

    #[test]
    fn a_silent_source_is_followed_to_its_new_port_but_not_to_a_stranger() {
        let mut l = latch();
        l.judge(at("192.0.2.1:4000"), 1, 1, false, T(0));
        for n in 0..20u16 {
            assert_eq!(
                l.judge(at("203.0.113.9:9"), 9, n, false, T(20_000)),
                Verdict::Foreign
            );
        }
        assert_eq!(
            l.judge(at("192.0.2.1:4321"), 1, 0, false, T(4_000)),
            Verdict::Foreign
        );
        assert_eq!(
            l.judge(at("192.0.2.1:4321"), 1, 1, false, T(6_000)),
            Verdict::Wait
        );
        assert_eq!(
            l.judge(at("192.0.2.1:4321"), 1, 2, false, T(6_000)),
            Verdict::Wait
        );
        assert_eq!(
            l.judge(at("192.0.2.1:4321"), 1, 3, false, T(6_000)),
            Verdict::AcceptNew
        );
    }

    #[test]
    fn renegotiation_opens_the_latch_again() {
        let mut l = latch();
        l.judge(at("192.0.2.1:4000"), 1, 1, false, T(0));
        l.set_sdp(Some(at("192.0.2.1:4000")));
        assert_eq!(l.locked(), Some(at("192.0.2.1:4000")));
        l.set_sdp(Some(at("192.0.2.2:4000")));
        assert_eq!((l.locked(), l.target()), (None, Some(at("192.0.2.2:4000"))));
        assert_eq!(
            l.judge(at("192.0.2.2:4000"), 1, 1, false, T(100)),
            Verdict::AcceptNew
        );
    }

    #[test]
    fn the_signalling_host_counts_as_near() {
        let mut l = latch();
        l.set_signalling("198.51.100.7".parse().unwrap());
        for n in 0..2u16 {
            assert_eq!(l.judge(at("198.51.100.7:5000"), 1, n, false, T(0)), Verdict::Wait);
        }
        assert_eq!(
            l.judge(at("198.51.100.7:5000"), 1, 2, false, T(0)),
            Verdict::AcceptNew
        );
    }
}
