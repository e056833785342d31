//! What RFC 3550 asks a receiver to count: loss and interarrival jitter, and the estimate of quality made from it.

use crate::codec::Codec;
use crate::rtp::extend_seq;
use anteroom_types::Mono;

/// How media gets to the peer and back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Path {
    /// RTP to the address in the session description, or where it was learned to be.
    #[default]
    Direct,
    /// The desktop's own audio: no network at all.
    Local,
    /// ICE, between addresses of both machines' own.
    Host,
    /// ICE, through address translation on one side or both.
    Reflexive,
    /// ICE, through a TURN server of one side or both.
    Relay,
}

impl Path {
    /// A short name for records and screens.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Local => "local",
            Self::Host => "host",
            Self::Reflexive => "srflx",
            Self::Relay => "relay",
        }
    }
}

/// Quality of a session's media so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quality {
    /// RTP packets received from the peer.
    pub packets_rx: u64,
    /// Packets lost on the way to us (RFC 3550 A.3; a repeat counts against a loss, never below zero).
    pub lost: u64,
    /// Interarrival jitter in milliseconds (RFC 3550 6.4.1).
    pub jitter_ms: f32,
    /// Round-trip time in milliseconds, once the peer has reported.
    pub rtt_ms: Option<f32>,
    /// Estimated mean opinion score, 1 to 4.5 (ITU-T G.107, simplified: delay, and loss by codec).
    pub mos: f32,
    /// RTP packets sent.
    pub packets_tx: u64,
    /// Datagrams dropped because their source was not the session's, or because they were not authentic.
    pub dropped_foreign: u64,
    /// Frames of 20 ms made up because a packet was lost or late.
    pub concealed: u64,
    /// Packets that came too late to be played.
    pub late: u64,
    /// Datagrams that were no RTP we negotiated.
    pub malformed: u64,
    /// Ticks the consumer was too slow to be given.
    pub ticks_dropped: u64,
    /// Share of our packets the peer says it lost, 0 to 1, from its latest report.
    pub remote_loss: Option<f32>,
    /// Lost packets asked for again, each time counted, where that was agreed on (RFC 4585).
    pub asked_again: u64,
    /// Packets sent again because the peer had lost them.
    pub resent: u64,
    /// The codec we send.
    pub codec: Option<Codec>,
    /// Whether media is encrypted.
    pub encrypted: bool,
    /// How it gets there.
    pub path: Path,
}

/// Reception of one SSRC (RFC 3550 A.1, A.3 and A.8).
#[derive(Debug, Clone)]
pub(crate) struct Reception {
    pub(crate) ssrc: u32,
    base: i64,
    highest: i64,
    received: u64,
    expected_before: u64,
    received_before: u64,
    transit: Option<i64>,
    jitter: f64,
    clock_hz: u32,
}

impl Reception {
    pub(crate) fn new(ssrc: u32, seq: u16, clock_hz: u32) -> Self {
        let base = i64::from(seq) + (1 << 16);
        Self {
            ssrc,
            base,
            highest: base - 1,
            received: 0,
            expected_before: 0,
            received_before: 0,
            transit: None,
            jitter: 0.0,
            clock_hz,
        }
    }

    /// Counts a packet. `timed` says that its timestamp tells when it was sampled, which is not so of events.
    pub(crate) fn packet(&mut self, seq: u16, timestamp: u32, clock_hz: u32, timed: bool, now: Mono) {
        let ext = extend_seq(seq, self.highest);
        if (ext - self.highest).abs() > 3_000 {
            // The sender restarted its numbers: what was expected so far is settled as it stands.
            let expected = i64::try_from(self.expected()).unwrap_or(0);
            self.base = ext - expected;
            self.highest = ext;
        }
        self.highest = self.highest.max(ext);
        self.received += 1;
        if !timed {
            return;
        }
        if clock_hz != self.clock_hz {
            (self.clock_hz, self.transit) = (clock_hz, None);
        }
        let arrival = now.0.wrapping_mul(u64::from(clock_hz)) / 1_000_000;
        let transit = i64::from((arrival as u32).wrapping_sub(timestamp).cast_signed());
        if let Some(before) = self.transit.replace(transit) {
            let d = (transit - before).unsigned_abs();
            // A jump of the sender's clock is no jitter.
            if d < u64::from(clock_hz) {
                self.jitter += (d as f64 - self.jitter) / 16.0;
            } else {
                self.transit = None;
            }
        }
    }

    fn expected(&self) -> u64 {
        (self.highest - self.base + 1).max(0).unsigned_abs()
    }

    pub(crate) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// The count with repeats allowed to make it negative, in 24 bits as reports carry it.
    pub(crate) fn lost_24(&self) -> u32 {
        let lost = i64::try_from(self.expected()).unwrap_or(0) - i64::try_from(self.received).unwrap_or(0);
        u32::try_from(lost.clamp(0, 0x7f_ffff)).unwrap_or(0)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Extended highest sequence number: cycles and number.
    pub(crate) fn highest(&self) -> u32 {
        (self.highest - (1 << 16)) as u32
    }

    /// In RTP clock ticks.
    pub(crate) fn jitter_ticks(&self) -> u32 {
        self.jitter as u32
    }

    pub(crate) fn jitter_ms(&self) -> f32 {
        (self.jitter * 1000.0 / f64::from(self.clock_hz)) as f32
    }

    /// The share lost since the last call, in 256ths.
    pub(crate) fn fraction_lost(&mut self) -> u8 {
        let (expected, received) = (
            self.expected() - self.expected_before.min(self.expected()),
            self.received - self.received_before,
        );
        (self.expected_before, self.received_before) = (self.expected(), self.received);
        if expected == 0 || received >= expected {
            return 0;
        }
        u8::try_from((expected - received) * 256 / expected).unwrap_or(u8::MAX)
    }
}

/// Estimated mean opinion score from one-way delay in milliseconds and the share of audio lost, 0 to 1.
///
/// ITU-T G.107 with its defaults (R = 93.2), the delay impairment as Cole and Rosenbluth approximate it, and loss by
/// G.107 7-29 with random loss. Impairment factors after G.113 Appendix I; those of G.722 and Opus are on its
/// narrowband scale, where neither is worse than G.711.
pub(crate) fn mos(codec: Codec, delay_ms: f32, loss: f32) -> f32 {
    let (ie, bpl) = match codec {
        Codec::Pcmu | Codec::Pcma => (0.0, 25.1),
        Codec::G722 => (0.0, 15.0),
        Codec::Opus => (0.0, 20.0),
    };
    let percent = (loss * 100.0).clamp(0.0, 100.0);
    let ie_eff = ie + (95.0 - ie) * percent / (percent + bpl);
    let id = 0.024 * delay_ms + 0.11 * (delay_ms - 177.3).max(0.0);
    let r = (93.2 - id - ie_eff).clamp(0.0, 100.0);
    (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).clamp(1.0, 4.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_counted_over_the_wrap_with_repeats_and_disorder() {
        let mut r = Reception::new(1, 65_530, 8_000);
        for n in 0..100u32 {
            if n % 10 == 9 {
                continue;
            }
            let seq = 65_530u16.wrapping_add(n as u16);
            r.packet(seq, n * 160, 8_000, true, Mono::from_ms(u64::from(n) * 20));
        }
        // The last packet, number 99, was lost too, but nothing came after it to show that.
        assert_eq!((r.received(), r.lost()), (90, 9));
        assert_eq!(r.highest(), (65_530 + 98) & 0xffff | (1 << 16));
        assert_eq!(r.fraction_lost(), (9 * 256 / 99) as u8);
        assert_eq!(r.fraction_lost(), 0);
        r.packet(
            65_530u16.wrapping_add(98),
            98 * 160,
            8_000,
            true,
            Mono::from_ms(2_000),
        );
        assert_eq!(r.lost(), 8);
    }

    #[test]
    fn jitter_follows_rfc_3550() {
        let mut r = Reception::new(1, 0, 8_000);
        // Packets alternately 10 ms late: a difference of 80 ticks each time, to which the mean converges.
        for n in 0..400u32 {
            let late = u64::from(n % 2) * 10;
            r.packet(
                n as u16,
                n * 160,
                8_000,
                true,
                Mono::from_ms(u64::from(n) * 20 + late),
            );
        }
        assert!((r.jitter_ms() - 10.0).abs() < 0.2, "{}", r.jitter_ms());
    }

    #[test]
    fn a_restart_of_the_numbers_is_no_loss() {
        let mut r = Reception::new(1, 100, 8_000);
        for n in 0..50u16 {
            r.packet(
                100 + n,
                u32::from(n) * 160,
                8_000,
                true,
                Mono::from_ms(u64::from(n) * 20),
            );
        }
        for n in 0..50u16 {
            r.packet(
                40_000 + n,
                u32::from(n) * 160,
                8_000,
                true,
                Mono::from_ms(1_000 + u64::from(n) * 20),
            );
        }
        assert!(r.lost() <= 1, "{}", r.lost());
    }

    #[test]
    fn the_score_falls_with_delay_and_loss() {
        assert!(mos(Codec::Pcmu, 50.0, 0.0) > 4.3);
        assert!(mos(Codec::Pcmu, 50.0, 0.05) < mos(Codec::Pcmu, 50.0, 0.01));
        assert!(mos(Codec::Pcmu, 400.0, 0.0) < mos(Codec::Pcmu, 100.0, 0.0));
        assert!(mos(Codec::Opus, 50.0, 1.0) < 1.6 && mos(Codec::G722, 10_000.0, 1.0) >= 1.0);
    }
}
