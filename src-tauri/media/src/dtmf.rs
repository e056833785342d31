//! Keypad digits as RTP events (RFC 4733): received once each whatever is lost or repeated, and sent.

use anteroom_types::Mono;
use std::collections::VecDeque;

/// A digit whose packets stop without an end is over after this long (RFC 4733 2.5.2.2 leaves the time open).
const LOST_END_MS: u64 = 200;
/// Length of a digit we send of our own, and of the pause after each.
const SEND_MS: u32 = 100;
const PAUSE_MS: u32 = 80;
/// Least and most length of a digit passed on. A duration has 16 bits: 1.3 s at 48 kHz.
const SEND_MS_MIN: u32 = 60;
const SEND_MS_MAX: u32 = 1_000;
/// Times the final packet is sent (RFC 4733 2.5.1.4).
const END_REPEATS: u8 = 3;
/// Digits waiting to be sent; further ones are not taken.
const QUEUE_MAX: usize = 64;
/// Volume we send, in -dBm0.
const VOLUME: u8 = 10;

/// The digit of an event code; flash (16) and the others are none.
fn digit(code: u8) -> Option<char> {
    b"0123456789*#ABCD".get(usize::from(code)).map(|&b| char::from(b))
}

/// The event code of a digit.
fn code(digit: char) -> Option<u8> {
    let d = digit.to_ascii_uppercase();
    (0..16).find(|&c| self::digit(c) == Some(d))
}

/// Whether a character is a key of the keypad.
pub(crate) fn is_digit(c: char) -> bool {
    code(c).is_some()
}

/// A digit that was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Press {
    pub(crate) digit: char,
    pub(crate) duration_ms: u32,
    /// The timestamp of its packets, which tells it from every other.
    pub(crate) timestamp: u32,
}

#[derive(Debug, Clone, Copy)]
struct Current {
    code: u8,
    timestamp: u32,
    duration: u16,
    heard: Mono,
}

/// Turns event packets into one press per key.
#[derive(Debug, Default)]
pub(crate) struct Receiver {
    current: Option<Current>,
    /// Timestamp of the latest event that was reported; older ones are late repeats.
    last: Option<u32>,
}

impl Receiver {
    /// Takes one packet's payload. `clock_hz` is the event's RTP clock. Returns a press that has ended.
    pub(crate) fn packet(
        &mut self,
        payload: &[u8],
        timestamp: u32,
        clock_hz: u32,
        now: Mono,
    ) -> Option<Press> {
        let &[code, flags, d1, d0, ..] = payload else {
            return None;
        };
        let duration = u16::from_be_bytes([d1, d0]);
        let end = flags & 0x80 != 0;
        digit(code)?;
        if let Some(last) = self.last
            && timestamp.wrapping_sub(last).cast_signed() <= 0
        {
            return None;
        }
        // Another event began: the end of the one before was lost.
        let before = match self.current {
            Some(c) if c.timestamp != timestamp => {
                if timestamp.wrapping_sub(c.timestamp).cast_signed() < 0 {
                    return None;
                }
                self.finish(clock_hz)
            }
            _ => None,
        };
        let c = self.current.get_or_insert(Current {
            code,
            timestamp,
            duration,
            heard: now,
        });
        c.duration = c.duration.max(duration);
        c.heard = now;
        if end && before.is_none() {
            return self.finish(clock_hz);
        }
        if end {
            // Both at once: report the earlier now, the later at the next tick.
            c.heard = Mono(0);
        }
        before
    }

    /// Reports a press whose end was lost.
    pub(crate) fn tick(&mut self, clock_hz: u32, now: Mono) -> Option<Press> {
        let c = self.current?;
        if now.ms_since(c.heard) < LOST_END_MS {
            None
        } else {
            self.finish(clock_hz)
        }
    }

    /// Forgets everything, as when the SSRC changes.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn finish(&mut self, clock_hz: u32) -> Option<Press> {
        let c = self.current.take()?;
        self.last = Some(c.timestamp);
        let duration_ms = u32::from(c.duration) * 1000 / clock_hz.max(1000);
        digit(c.code).map(|digit| Press {
            digit,
            duration_ms,
            timestamp: c.timestamp,
        })
    }
}

/// One event packet to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventPacket {
    /// First packet of the event: carries the marker.
    pub(crate) marker: bool,
    /// Milliseconds back from now at which the event began; its timestamp stays there.
    pub(crate) began_ms_ago: u32,
    /// The payload.
    pub(crate) payload: [u8; 4],
}

/// What the sender does in a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sending {
    /// Nothing to send; audio may go.
    Nothing,
    /// The pause between two digits: silence.
    Pause,
    /// An event packet instead of audio; the digit is given for in-band tones.
    Event(char, EventPacket),
}

/// Sends digits one after the other, a packet each 20 ms.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    /// Digits and how long each is to be held, in milliseconds.
    queue: VecDeque<(char, u32)>,
    /// The digit being sent, its length, and the milliseconds since it began.
    now: Option<(char, u32, u32)>,
}

impl Sender {
    /// Queues `digits`; characters that are no digits, and digits beyond 64 waiting, are left out. Returns how many
    /// were taken.
    pub(crate) fn push(&mut self, digits: &str) -> usize {
        let before = self.queue.len();
        let room = QUEUE_MAX.saturating_sub(before);
        self.queue.extend(
            digits
                .chars()
                .filter(|&c| code(c).is_some())
                .take(room)
                .map(|c| (c, SEND_MS)),
        );
        self.queue.len() - before
    }

    /// Queues one digit to be held about as long as it was pressed elsewhere.
    pub(crate) fn push_held(&mut self, digit: char, duration_ms: u32, tick_ms: u32) {
        if self.queue.len() < QUEUE_MAX && code(digit).is_some() {
            let ms = duration_ms
                .clamp(SEND_MS_MIN, SEND_MS_MAX)
                .next_multiple_of(tick_ms.max(1));
            self.queue.push_back((digit, ms));
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.now.is_none() && self.queue.is_empty()
    }

    /// Advances by one tick of `tick_ms` at the event clock `clock_hz`.
    pub(crate) fn tick(&mut self, tick_ms: u32, clock_hz: u32) -> Sending {
        let (key, length, began) = match self.now {
            Some(now) => now,
            None => match self.queue.pop_front() {
                Some((key, length)) => (key, length, 0),
                None => return Sending::Nothing,
            },
        };
        let after = began + tick_ms;
        let repeats_ms = length + u32::from(END_REPEATS - 1) * tick_ms;
        self.now = (after < repeats_ms + PAUSE_MS).then_some((key, length, after));
        if began >= repeats_ms {
            return Sending::Pause;
        }
        let duration = after.min(length) * (clock_hz / 1000);
        let [d1, d0] = u16::try_from(duration).unwrap_or(u16::MAX).to_be_bytes();
        let end = if after >= length { 0x80 } else { 0 };
        let payload = [code(key).unwrap_or_default(), end | VOLUME, d1, d0];
        Sending::Event(
            key,
            EventPacket {
                marker: began == 0,
                began_ms_ago: began,
                payload,
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: fn(u64) -> Mono = Mono::from_ms;

    /// The packets of `digits` as (timestamp, payload), as sent every 20 ms from timestamp 0.
    fn packets(digits: &str) -> Vec<(u32, [u8; 4], bool)> {
        let mut s = Sender::default();
        assert_eq!(s.push(digits), digits.len());
        let mut out = Vec::new();
        for n in 0..1_000u32 {
            match s.tick(20, 8_000) {
                Sending::Event(_, e) => out.push(((n * 20 - e.began_ms_ago) * 8, e.payload, e.marker)),
                Sending::Pause => {}
                Sending::Nothing => break,
            }
        }
        assert!(s.is_idle());
        out
    }

    fn presses(packets: &[(u32, [u8; 4], bool)]) -> Vec<Press> {
        let mut r = Receiver::default();
        let mut out = Vec::new();
        let mut now = 0;
        for (ts, payload, _) in packets {
            now += 20;
            out.extend(r.packet(payload, *ts, 8_000, T(now)));
            out.extend(r.tick(8_000, T(now)));
        }
        for _ in 0..20 {
            now += 20;
            out.extend(r.tick(8_000, T(now)));
        }
        out
    }

    fn text(p: &[Press]) -> String {
        p.iter().map(|p| p.digit).collect()
    }

    #[test]
    fn every_digit_arrives_once() {
        let p = packets("0123456789*#ABCD");
        let got = presses(&p);
        assert_eq!(text(&got), "0123456789*#ABCD");
        assert!(got.iter().all(|p| p.duration_ms == 100), "{got:?}");
        assert_eq!(p.iter().filter(|p| p.2).count(), 16);
        assert_eq!(p.iter().filter(|p| p.1[1] & 0x80 != 0).count(), 48);
    }

    #[test]
    fn the_same_digit_twice_is_two_presses() {
        assert_eq!(text(&presses(&packets("11"))), "11");
    }

    #[test]
    fn loss_repeats_and_lost_ends_change_nothing() {
        let whole = packets("159#");
        let without_ends: Vec<_> = whole.iter().copied().filter(|p| p.1[1] & 0x80 == 0).collect();
        assert_eq!(text(&presses(&without_ends)), "159#");
        let only_ends: Vec<_> = whole.iter().copied().filter(|p| p.1[1] & 0x80 != 0).collect();
        assert_eq!(text(&presses(&only_ends)), "159#");
        let doubled: Vec<_> = whole.iter().flat_map(|p| [*p, *p]).collect();
        assert_eq!(text(&presses(&doubled)), "159#");
        let every_third: Vec<_> = whole.iter().copied().step_by(3).collect();
        assert_eq!(text(&presses(&every_third)), "159#");
    }

    #[test]
    fn late_packets_of_a_finished_digit_are_ignored() {
        let whole = packets("12");
        let mut order = whole.clone();
        order.push(whole[0]);
        order.push(whole[6]);
        assert_eq!(text(&presses(&order)), "12");
    }

    #[test]
    fn a_lost_end_followed_at_once_by_a_lone_end_reports_both() {
        let got = presses(&[(0, [1, 10, 1, 64], true), (4_000, [2, 0x8a, 3, 32], false)]);
        assert_eq!(text(&got), "12");
    }

    #[test]
    fn nonsense_is_ignored() {
        let mut r = Receiver::default();
        assert_eq!(r.packet(&[], 0, 8_000, T(0)), None);
        assert_eq!(r.packet(&[200, 0x80, 0, 0], 0, 8_000, T(0)), None);
        let mut s = Sender::default();
        assert_eq!(s.push("12x 3"), 3);
        assert_eq!(s.push(&"1".repeat(100)), 61);
    }
}
