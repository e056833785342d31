//! Another session's packets under our own numbers, so that they can go out as they came in.
//!
//! The distance between sequence numbers is kept, so that a packet lost before us is a loss to our peer too and not a
//! pause; the distance between timestamps is kept, so that pauses are. Both begin where our own sending stopped.

use crate::rtp::extend_seq;
use anteroom_types::Mono;

/// A gap in the sequence beyond this is a restart of the sender and not loss.
const GAP_MAX: i64 = 500;
/// A timestamp this far from what the clock on the wall says begins anew: the sender's clock jumped.
const CLOCK_MS_MAX: i64 = 2_000;

/// Where the packets of one stretch go.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    ssrc: u32,
    /// Added to an extended sequence number.
    seq_offset: i64,
    timestamp_offset: u32,
    first: i64,
    highest: i64,
    /// Which of the 64 numbers up to `highest` went out; bit 0 is `highest`.
    sent: u64,
    /// The latest audio packet's timestamp and when it came.
    clock: (u32, Mono),
}

/// Numbers for relayed packets.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    stretch: Option<Stretch>,
}

/// What a packet goes out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    /// It begins a stretch, so that its marker must be set.
    pub(crate) begins: bool,
}

/// What a packet came in as.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Came {
    pub(crate) ssrc: u32,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) clock_hz: u32,
    /// Its timestamp tells when it was sampled; that of a keypad event does not.
    pub(crate) timed: bool,
}

impl Relay {
    /// The next packet begins a new stretch.
    pub(crate) fn stop(&mut self) {
        self.stretch = None;
    }

    pub(crate) fn is_running(&self) -> bool {
        self.stretch.is_some()
    }

    /// Numbers for a packet; `None` if it was sent already or is older than the stretch. `seq` and `timestamp` are
    /// the next of our own; `seq` is moved past what is given out.
    pub(crate) fn numbers(&mut self, p: Came, seq: &mut u16, timestamp: u32, now: Mono) -> Option<Numbers> {
        if self.stretch.is_some_and(|s| !s.goes_on(&p, now)) {
            self.stretch = None;
        }
        let begins = self.stretch.is_none();
        let s = self.stretch.get_or_insert_with(|| {
            let first = i64::from(p.seq) + (1 << 16);
            Stretch {
                ssrc: p.ssrc,
                seq_offset: i64::from(*seq) - first,
                timestamp_offset: timestamp.wrapping_sub(p.timestamp),
                first,
                highest: first - 1,
                sent: 0,
                clock: (p.timestamp, now),
            }
        });
        let ext = extend_seq(p.seq, s.highest);
        if ext < s.first {
            return None;
        }
        if ext > s.highest {
            let by = u32::try_from(ext - s.highest).unwrap_or(u32::MAX);
            s.sent = s.sent.checked_shl(by).unwrap_or(0) | 1;
            s.highest = ext;
            *seq = (ext + s.seq_offset) as u16;
            *seq = seq.wrapping_add(1);
        } else {
            let bit = u32::try_from(s.highest - ext)
                .ok()
                .and_then(|n| 1u64.checked_shl(n))?;
            if s.sent & bit != 0 {
                return None;
            }
            s.sent |= bit;
        }
        if p.timed && (p.timestamp.wrapping_sub(s.clock.0).cast_signed()) > 0 {
            s.clock = (p.timestamp, now);
        }
        Some(Numbers {
            seq: (ext + s.seq_offset) as u16,
            timestamp: p.timestamp.wrapping_add(s.timestamp_offset),
            begins,
        })
    }

    /// A packet was kept back on purpose: its number is not to be missed by our peer.
    pub(crate) fn skip(&mut self, ssrc: u32, seq: u16) {
        if let Some(s) = self.stretch.as_mut().filter(|s| s.ssrc == ssrc)
            && extend_seq(seq, s.highest) == s.highest + 1
        {
            s.highest += 1;
            s.seq_offset -= 1;
            // Late packets from before it would now get a number too low by one, which another packet has.
            s.first = s.highest + 1;
        }
    }
}

impl Stretch {
    fn goes_on(&self, p: &Came, now: Mono) -> bool {
        if self.ssrc != p.ssrc || (extend_seq(p.seq, self.highest) - self.highest).abs() > GAP_MAX {
            return false;
        }
        if !p.timed {
            return true;
        }
        let hz = i64::from(p.clock_hz.max(1));
        let ticks = i64::from(p.timestamp.wrapping_sub(self.clock.0).cast_signed());
        let elapsed = i64::try_from(now.ms_since(self.clock.1)).unwrap_or(i64::MAX);
        (ticks * 1000 / hz).abs_diff(elapsed) <= CLOCK_MS_MAX.unsigned_abs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(seq: u16, timestamp: u32) -> Came {
        Came {
            ssrc: 7,
            seq,
            timestamp,
            clock_hz: 8_000,
            timed: true,
        }
    }

    fn at(n: u64) -> Mono {
        Mono::from_ms(1_000 + n * 20)
    }

    #[test]
    fn loss_stays_loss_and_order_stays_order_over_the_wrap() {
        let (mut r, mut seq) = (Relay::default(), 65_534u16);
        let mut out = Vec::new();
        for n in [0u16, 1, 3, 2, 3, 5] {
            let p = came(65_533u16.wrapping_add(n), u32::from(n) * 160);
            let got = r.numbers(p, &mut seq, 1_000, at(u64::from(n)));
            out.push(got.map(|g| (g.seq, g.timestamp, g.begins)));
        }
        assert_eq!(
            out,
            [
                Some((65_534, 1_000, true)),
                Some((65_535, 1_160, false)),
                Some((1, 1_480, false)),
                Some((0, 1_320, false)),
                None,
                Some((3, 1_800, false)),
            ]
        );
        assert_eq!(seq, 4);
    }

    #[test]
    fn what_came_before_the_stretch_is_not_sent_again() {
        let (mut r, mut seq) = (Relay::default(), 10u16);
        assert!(r.numbers(came(100, 160), &mut seq, 0, at(1)).is_some());
        assert_eq!(r.numbers(came(99, 0), &mut seq, 0, at(1)), None);
        r.stop();
        assert_eq!(
            r.numbers(came(101, 320), &mut seq, 500, at(2)),
            Some(Numbers {
                seq: 11,
                timestamp: 500,
                begins: true
            })
        );
        assert_eq!(r.numbers(came(100, 160), &mut seq, 500, at(2)), None);
    }

    #[test]
    fn another_source_and_a_jump_of_the_clock_begin_anew_without_a_hole() {
        let (mut r, mut seq) = (Relay::default(), 10u16);
        r.numbers(came(100, 160), &mut seq, 0, at(1)).unwrap();
        let other = Came {
            ssrc: 8,
            ..came(40_000, 9_999_999)
        };
        let n = r.numbers(other, &mut seq, 160, at(2)).unwrap();
        assert_eq!((n.seq, n.timestamp, n.begins), (11, 160, true));
        let jumped = Came {
            ssrc: 8,
            ..came(40_001, 99)
        };
        let n = r.numbers(jumped, &mut seq, 320, at(3)).unwrap();
        assert_eq!((n.seq, n.timestamp, n.begins), (12, 320, true));
        // A pause of ten seconds that the timestamps tell of is a pause.
        let later = Came {
            ssrc: 8,
            ..came(40_002, 99 + 80_000)
        };
        let n = r.numbers(later, &mut seq, 480, at(503)).unwrap();
        assert_eq!((n.seq, n.timestamp, n.begins), (13, 80_320, false));
    }

    #[test]
    fn a_packet_kept_back_leaves_no_hole() {
        let (mut r, mut seq) = (Relay::default(), 10u16);
        r.numbers(came(100, 0), &mut seq, 0, at(0)).unwrap();
        r.skip(7, 101);
        let n = r.numbers(came(102, 320), &mut seq, 0, at(2)).unwrap();
        assert_eq!((n.seq, n.timestamp), (11, 320));
        assert_eq!(seq, 12);
    }
}
