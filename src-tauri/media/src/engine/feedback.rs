//! Lost packets asked for again, and sent again, where both sides have agreed to it (RFC 4585 6.2.1).
//!
//! It helps where the round trip is shorter than packets are held back: on a clinic's own wireless network.

use crate::rtp::extend_seq;
use anteroom_types::Mono;
use std::collections::VecDeque;

/// Packets kept to be sent again: more than a second.
const KEPT_MAX: usize = 64;
/// Times one packet is sent again.
const AGAIN_MAX: u8 = 2;
/// Packets waited for at once; a longer gap is not loss to be mended.
const MISSING_MAX: usize = 16;
/// Times one packet is asked for.
const ASKED_MAX: u8 = 3;
/// How long a packet may be overtaken before it is asked for, and how long it is of any use, in milliseconds.
const OVERTAKEN_MS: u64 = 5;
const USEFUL_MS: u64 = 160;

/// What was sent of late, as it went out.
#[derive(Debug, Default)]
pub(super) struct Sent {
    packets: VecDeque<(u16, Vec<u8>, u8)>,
}

impl Sent {
    pub(super) fn keep(&mut self, seq: u16, bytes: &[u8]) {
        if self.packets.len() >= KEPT_MAX {
            self.packets.pop_front();
        }
        self.packets.push_back((seq, bytes.to_vec(), 0));
    }

    /// The packet of a number, unless it is gone or has been sent again often enough.
    pub(super) fn again(&mut self, seq: u16) -> Option<Vec<u8>> {
        let (_, bytes, times) = self.packets.iter_mut().rev().find(|p| p.0 == seq)?;
        *times += 1;
        (*times <= AGAIN_MAX).then(|| bytes.clone())
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
    }
}

#[derive(Debug)]
struct Gap {
    seq: i64,
    since: Mono,
    asked: u8,
    last: Mono,
}

/// What has not come.
#[derive(Debug, Default)]
pub(super) struct Missing {
    source: Option<(u32, i64)>,
    gaps: Vec<Gap>,
}

impl Missing {
    /// A packet has come.
    pub(super) fn came(&mut self, ssrc: u32, seq: u16, now: Mono) {
        let Some((_, highest)) = self.source.filter(|s| s.0 == ssrc) else {
            self.source = Some((ssrc, i64::from(seq) + (1 << 16)));
            self.gaps.clear();
            return;
        };
        let ext = extend_seq(seq, highest);
        if ext <= highest {
            self.gaps.retain(|g| g.seq != ext);
            return;
        }
        self.source = Some((ssrc, ext));
        if ext - highest > MISSING_MAX as i64 {
            self.gaps.clear();
            return;
        }
        for seq in highest + 1..ext {
            if self.gaps.len() >= MISSING_MAX {
                self.gaps.remove(0);
            }
            self.gaps.push(Gap {
                seq,
                since: now,
                asked: 0,
                last: now,
            });
        }
    }

    /// The numbers to ask for now.
    pub(super) fn due(&mut self, rtt_ms: f32, now: Mono) -> Vec<u16> {
        self.gaps.retain(|g| now.ms_since(g.since) < USEFUL_MS);
        let wait = OVERTAKEN_MS + rtt_ms.clamp(20.0, 200.0) as u64;
        self.gaps
            .iter_mut()
            .filter_map(|g| {
                let due = match g.asked {
                    0 => now.ms_since(g.since) >= OVERTAKEN_MS,
                    n => n < ASKED_MAX && now.ms_since(g.last) >= wait,
                };
                due.then(|| {
                    g.asked += 1;
                    g.last = now;
                    g.seq as u16
                })
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: fn(u64) -> Mono = Mono::from_ms;

    #[test]
    fn what_is_overtaken_is_asked_for_a_little_later_and_not_for_ever() {
        let mut m = Missing::default();
        m.came(1, 65_534, T(0));
        m.came(1, 1, T(60));
        assert!(m.due(0.0, T(60)).is_empty());
        assert_eq!(m.due(0.0, T(66)), [65_535, 0]);
        m.came(1, 0, T(70));
        assert_eq!(m.due(0.0, T(80)), [] as [u16; 0]);
        assert_eq!(m.due(0.0, T(92)), [65_535]);
        assert_eq!(m.due(0.0, T(120)), [65_535]);
        assert!(m.due(0.0, T(150)).is_empty() && m.due(0.0, T(300)).is_empty());
        assert!(m.gaps.is_empty());
    }

    #[test]
    fn a_restart_and_a_long_gap_are_not_mended() {
        let mut m = Missing::default();
        m.came(1, 10, T(0));
        m.came(1, 40, T(20));
        m.came(2, 500, T(40));
        m.came(2, 501, T(60));
        assert!(m.due(0.0, T(80)).is_empty());
    }

    #[test]
    fn a_packet_is_sent_again_twice_at_most_and_old_ones_are_gone() {
        let mut s = Sent::default();
        for n in 0..100u16 {
            s.keep(n, &[n as u8]);
        }
        assert_eq!(s.again(10), None);
        assert_eq!(
            (s.again(90), s.again(90), s.again(90)),
            (Some(vec![90]), Some(vec![90]), None)
        );
    }
}
