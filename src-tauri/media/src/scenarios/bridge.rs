//! Two telephones, each with a leg of ours, and the legs bridged: relayed and transcoded, on a bad line, on hold, with
//! keys pressed, codecs changed and ends gone.

use super::*;
use crate::rtp;
use crate::stats::Quality;
use crate::{music, tone};

/// `left.a` and `right.a` are the telephones, `left.b` and `right.b` our legs.
struct Bridged {
    left: World,
    right: World,
    joined: bool,
    /// The left telephone sends no RTP.
    mute: bool,
}

const FROM_LEFT: u64 = 1;
const FROM_RIGHT: u64 = 2;

impl Bridged {
    fn new(left: Codec, right: Codec, seed: u64) -> Self {
        Self::of(
            World::new(left, SrtpPolicy::Off, seed),
            World::new(right, SrtpPolicy::Off, seed + 1_000_000),
        )
    }

    fn of(left: World, right: World) -> Self {
        let mut b = Self {
            left,
            right,
            joined: true,
            mute: false,
        };
        for (leg, from) in [(&mut b.left.b, FROM_RIGHT), (&mut b.right.b, FROM_LEFT)] {
            assert!(leg.engine.hear(from));
            leg.engine.set_listened(true);
            leg.engine.set_hold_music(Some(music::on_hold()));
        }
        b
    }

    fn separate(&mut self) {
        self.joined = false;
        for (leg, from) in [(&mut self.left.b, FROM_RIGHT), (&mut self.right.b, FROM_LEFT)] {
            leg.engine.unhear(from);
            leg.engine.set_listened(false);
        }
    }

    fn run(&mut self, ms: u64) {
        for _ in 0..ms {
            let before = (self.left.b.filled.len(), self.right.b.filled.len());
            let mute = self.mute;
            self.left.run_with(1, |w| {
                w.a.engine.outgoing.retain(|o| !mute || o.port == Port::Rtcp)
            });
            self.right.run(1);
            if self.joined {
                let ticked = (
                    self.left.b.filled.len() > before.0,
                    self.right.b.filled.len() > before.1,
                );
                pass(
                    &mut self.left.b,
                    &mut self.right.b,
                    FROM_LEFT,
                    ticked.0,
                    self.left.now,
                );
                pass(
                    &mut self.right.b,
                    &mut self.left.b,
                    FROM_RIGHT,
                    ticked.1,
                    self.left.now,
                );
            }
        }
    }

    fn run_mute(&mut self, ms: u64) {
        self.mute = true;
        self.run(ms);
        self.mute = false;
    }

    /// What the right telephone was sent, as (sequence number, marker, payload type, timestamp, payload).
    fn sent_right(&self) -> Vec<rtp::Rtp> {
        packets(&self.right.tap_b)
    }
}

fn packets(tap: &[Vec<u8>]) -> Vec<rtp::Rtp> {
    tap.iter()
        .filter(|d| rtp::kind(d) == rtp::Kind::Rtp)
        .filter_map(|d| rtp::parse(d))
        .collect()
}

/// What [`crate::session`] does with two legs of a bridge.
fn pass(from: &mut End, to: &mut End, link: u64, ticked: bool, now: Mono) {
    for f in std::mem::take(&mut from.engine.forwards) {
        to.engine.forwarded(link, &f, now);
    }
    if ticked {
        to.engine.heard_frame(link, from.engine.rx);
    }
}

#[test]
fn the_same_codec_goes_through_unopened_and_at_once() {
    for codec in Codec::ALL {
        let mut b = Bridged::new(codec, codec, 11);
        b.left.a.say(600.0, 3_000);
        b.right.a.say(1_100.0, 3_000);
        b.run(2_500);
        let came: Vec<_> = packets(&b.left.tap).into_iter().map(|p| p.payload).collect();
        let went = b.sent_right();
        // A few frames of silence of ours before the first packet came.
        let own = went.iter().position(|p| p.payload == came[0]).unwrap();
        assert!(own < 5, "{codec}: {own}");
        assert!(went[own..].len() + 3 > came.len(), "{codec}");
        assert!(
            went[own..].iter().zip(&came).all(|(w, c)| w.payload == *c),
            "{codec}"
        );
        assert!(went[own].marker);
        assert!(went[own + 1..].iter().all(|p| !p.marker));
        for pair in went.windows(2) {
            assert_eq!(pair[1].seq, pair[0].seq.wrapping_add(1));
            assert_eq!(pair[1].ssrc, pair[0].ssrc);
        }
        for pair in went[own..].windows(2) {
            assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(codec.ticks(20)));
        }
        assert_ne!(went[own].ssrc, packets(&b.left.tap)[0].ssrc);
        for (end, hz) in [(&b.right.a, 600.0), (&b.left.a, 1_100.0)] {
            assert!(
                tone::is_tone(end.heard_ms(500, 2_400), hz, RATE_HZ, 0.95),
                "{codec}"
            );
            assert_eq!(end.engine.quality().lost, 0);
        }
        // Both legs' ticks tell what came and what went, for the recording and the transcript.
        assert!(tone::is_tone(b.left.b.heard_ms(500, 2_400), 600.0, RATE_HZ, 0.95));
        assert!(tone::is_tone(
            &b.left.b.said[8_000..38_000],
            1_100.0,
            RATE_HZ,
            0.9
        ));
        assert!(tone::is_tone(&b.right.b.said[8_000..38_000], 600.0, RATE_HZ, 0.9));
    }
}

#[test]
fn different_codecs_and_encryption_are_no_hindrance() {
    for (n, (l, r)) in [
        (Codec::Pcmu, Codec::Opus),
        (Codec::Opus, Codec::Pcma),
        (Codec::G722, Codec::Pcmu),
        (Codec::Pcma, Codec::G722),
    ]
    .into_iter()
    .enumerate()
    {
        let mut b = Bridged::of(
            World::new(l, SrtpPolicy::Required, 20 + n as u64),
            World::new(r, SrtpPolicy::Off, 30 + n as u64),
        );
        b.left.a.say(600.0, 3_000);
        b.right.a.say(1_100.0, 3_000);
        b.run(2_500);
        for (end, hz) in [(&b.right.a, 600.0), (&b.left.a, 1_100.0)] {
            let mid = end.heard_ms(600, 2_400);
            assert!(tone::is_tone(mid, hz, RATE_HZ, 0.95), "{l} {r}");
            assert_eq!(end.engine.quality().lost, 0);
            // Not a hole in it.
            assert!(mid.chunks_exact(160).all(|c| tone::rms(c) > 3_000.0), "{l} {r}");
        }
    }
}

#[test]
fn loss_disorder_and_pauses_are_passed_on_as_they_are() {
    let mut b = Bridged::new(Codec::Pcmu, Codec::Pcmu, 41);
    b.left.network = Network {
        loss: 0.05,
        duplicate: 0.05,
        jitter_ms: 30,
        ..PERFECT
    };
    b.left.a.say(700.0, 60_000);
    b.run(20_000);
    let (first, second) = (b.left.b.engine.quality(), b.right.a.engine.quality());
    // Repeats count against losses (RFC 3550 A.3), and we pass none on.
    let expected = |q: Quality| q.packets_rx + q.lost;
    assert!(
        expected(first).abs_diff(expected(second)) <= 3,
        "{first:?} {second:?}"
    );
    assert!(
        second.lost > 30 && second.lost.abs_diff(second.concealed) < 10,
        "{second:?}"
    );

    let mut seen = std::collections::HashSet::new();
    assert!(
        b.sent_right().iter().all(|p| seen.insert(p.seq)),
        "a number went twice"
    );

    // Half a second in which the telephone sends nothing is a pause of half a second, and no loss.
    b.left.network = PERFECT;
    b.run(500);
    let lost = b.right.a.engine.quality().lost;
    let sent = b.sent_right().len();
    b.run_mute(480);
    assert!(b.sent_right().len() <= sent + 1);
    let numbers_lost = 24;
    b.run(500);
    let q = b.right.a.engine.quality();
    // The simulated pause leaves out numbers, too, which a real one would not.
    assert!(q.lost.abs_diff(lost + numbers_lost) <= 1, "{lost} {q:?}");
}

/// The telephone offers a new direction or codec, and our leg answers.
fn reoffer(w: &mut World, codecs: &[Codec], direction: &str, version: u64) {
    let v = Version { id: 1, version };
    w.a.local.codecs = codecs.to_vec();
    w.b.local.codecs = codecs.to_vec();
    let offer = sdp::offer(&w.a.local, None, v)
        .unwrap()
        .replace("a=sendrecv", direction);
    let (agreed, answer) = sdp::answer(&offer, &w.b.local, None, v).unwrap();
    w.b.engine.apply(agreed, w.now).unwrap();
    let agreed = sdp::accept(&answer, &w.a.local).unwrap();
    w.a.engine.apply(agreed, w.now).unwrap();
}

#[test]
fn while_one_holds_the_other_hears_music() {
    for right in [Codec::Pcmu, Codec::Opus] {
        let mut b = Bridged::new(Codec::Pcmu, right, 51);
        b.left.a.say(700.0, 30_000);
        b.run(1_000);
        for (n, direction) in ["a=sendonly", "a=inactive"].into_iter().enumerate() {
            reoffer(&mut b.left, &[Codec::Pcmu], direction, n as u64 * 2 + 2);
            b.run(300);
            let from = b.right.a.heard.len();
            b.run(2_000);
            let heard = &b.right.a.heard[from..];
            assert!(tone::rms(heard) > 200.0, "{right} {direction}: no music");
            assert!(
                tone::goertzel(heard, 700.0, RATE_HZ) < 300.0,
                "{right} {direction}: the one who holds is heard"
            );
            reoffer(&mut b.left, &[Codec::Pcmu], "a=sendrecv", n as u64 * 2 + 3);
            b.run(500);
            let from = b.right.a.heard.len();
            b.run(1_000);
            assert!(
                tone::is_tone(&b.right.a.heard[from..], 700.0, RATE_HZ, 0.95),
                "{right} {direction}"
            );
        }
        assert_eq!(b.right.a.engine.quality().lost, 0);
    }
}

#[test]
fn a_codec_changed_in_mid_bridge_changes_the_way_and_not_the_sound() {
    let mut b = Bridged::new(Codec::Pcmu, Codec::Pcmu, 61);
    b.left.a.say(700.0, 30_000);
    b.right.a.say(1_300.0, 30_000);
    b.run(1_000);
    for (n, codec) in [Codec::Opus, Codec::G722, Codec::Pcmu, Codec::Pcma, Codec::Pcmu]
        .into_iter()
        .enumerate()
    {
        reoffer(&mut b.right, &[codec], "a=sendrecv", n as u64 + 2);
        b.run(400);
        let from = (b.left.a.heard.len(), b.right.a.heard.len());
        b.run(1_000);
        assert!(
            tone::is_tone(&b.right.a.heard[from.1..], 700.0, RATE_HZ, 0.95),
            "{codec}"
        );
        assert!(
            tone::is_tone(&b.left.a.heard[from.0..], 1_300.0, RATE_HZ, 0.95),
            "{codec}"
        );
        // The very last packet may still be under way, but a coded sine does not look like another's.
        let tail: Vec<_> = packets(&b.left.tap)
            .iter()
            .rev()
            .take(5)
            .map(|p| p.payload.clone())
            .collect();
        let unopened = tail.contains(&b.sent_right().last().unwrap().payload);
        assert_eq!(unopened, codec == Codec::Pcmu, "{codec}");
    }
}

fn without_events(offer: String) -> String {
    offer
        .replace(" 101", "")
        .lines()
        .filter(|l| !l.starts_with("a=rtpmap:101") && !l.starts_with("a=fmtp:101"))
        .map(|l| format!("{l}\r\n"))
        .collect()
}

#[test]
fn keys_reach_the_other_side_once_each_however_it_takes_them() {
    let cases: [(&[Codec], &[Codec], Network); 5] = [
        (&[Codec::Pcmu], &[Codec::Pcmu], PERFECT),
        (
            &[Codec::Pcmu],
            &[Codec::Pcmu],
            Network {
                loss: 0.1,
                duplicate: 0.1,
                jitter_ms: 15,
                ..PERFECT
            },
        ),
        (&[Codec::Pcmu], &[Codec::Opus], PERFECT),
        (&[Codec::Opus], &[Codec::G722], PERFECT),
        (&[Codec::Opus], &[Codec::Opus], PERFECT),
    ];
    for (n, (l, r, network)) in cases.into_iter().enumerate() {
        let mut b = Bridged::of(
            World::with(l, SrtpPolicy::Off, 70 + n as u64, |o| o),
            World::with(r, SrtpPolicy::Off, 80 + n as u64, |o| o),
        );
        (b.left.network, b.right.network) = (network, network);
        b.run(500);
        b.left.a.engine.send_dtmf("0123456789*#AABB");
        b.right.a.engine.send_dtmf("99#");
        b.run(6_000);
        assert_eq!(b.right.a.digits(), "0123456789*#AABB", "{l:?} {r:?}");
        assert_eq!(b.left.a.digits(), "99#", "{l:?} {r:?}");
        // The legs were told too, for the menus.
        assert_eq!(b.left.b.digits(), "0123456789*#AABB");
        assert_eq!(b.right.b.digits(), "99#");
    }
}

#[test]
fn a_side_without_events_gets_tones() {
    for (l, n) in [(Codec::Pcmu, 91), (Codec::G722, 92)] {
        let mut b = Bridged::of(
            World::new(l, SrtpPolicy::Off, n),
            World::with(&[Codec::Pcmu], SrtpPolicy::Off, n + 5, without_events),
        );
        b.run(500);
        b.left.a.engine.send_dtmf("7");
        b.run(1_000);
        assert_eq!(b.right.a.digits(), "");
        let found: Vec<_> = b
            .right
            .a
            .heard
            .chunks_exact(640)
            .filter_map(|f| tone::dtmf_in(f, RATE_HZ))
            .collect();
        assert!(
            !found.is_empty() && found.iter().all(|&d| d == '7'),
            "{l}: {found:?}"
        );
    }
}

#[test]
fn a_held_key_is_passed_on_about_as_long() {
    let mut b = Bridged::new(Codec::Pcmu, Codec::Opus, 95);
    b.run(500);
    b.left.a.engine.send_dtmf("1");
    b.run(1_000);
    let held: Vec<_> = b
        .right
        .a
        .events
        .iter()
        .filter_map(|(_, e)| match e {
            MediaEvent::Dtmf { duration_ms, .. } => Some(*duration_ms),
            _ => None,
        })
        .collect();
    assert_eq!(held, [100]);
}

#[test]
fn an_announcement_replaces_and_a_whisper_is_laid_over() {
    for right in [Codec::Pcmu, Codec::Opus] {
        for over in [Over::Replace, Over::Mix] {
            let mut b = Bridged::new(Codec::Pcmu, right, 101);
            b.left.a.say(700.0, 30_000);
            b.run(1_000);
            let said: Arc<[i16]> = tone::sine(1_500.0, RATE_HZ, 6_000, 16_000).into();
            b.right.b.engine.play(SayId(7), said, over).unwrap();
            b.run(300);
            let from = b.right.a.heard.len();
            b.run(600);
            let during = &b.right.a.heard[from..];
            assert!(
                tone::goertzel(during, 1_500.0, RATE_HZ) > 4_000.0,
                "{right} {over:?}"
            );
            let theirs = tone::goertzel(during, 700.0, RATE_HZ);
            assert_eq!(theirs > 6_000.0, over == Over::Mix, "{right} {over:?}: {theirs}");
            b.run(500);
            let from = b.right.a.heard.len();
            b.run(500);
            assert!(
                tone::is_tone(&b.right.a.heard[from..], 700.0, RATE_HZ, 0.95),
                "{right} {over:?}"
            );
            assert_eq!(b.right.a.engine.quality().lost, 0);
        }
    }
}

#[test]
fn when_one_ends_or_they_are_separated_the_other_goes_on_in_silence() {
    for end in [true, false] {
        let mut b = Bridged::new(Codec::Pcmu, Codec::Pcmu, 111);
        b.left.a.say(700.0, 30_000);
        b.run(1_000);
        if end {
            let now = b.left.now;
            b.left.b.engine.end(now);
        } else {
            b.separate();
        }
        b.run(300);
        let (sent, from) = (b.sent_right().len(), b.right.a.heard.len());
        b.run(1_000);
        assert_eq!(b.sent_right().len(), sent + 50);
        assert!(tone::rms(&b.right.a.heard[from..]) < 20.0);
        assert_eq!(b.right.a.engine.quality().lost, 0);
        b.right.b.say(900.0, 500);
        let from = b.right.a.heard.len();
        b.run(600);
        assert!(tone::goertzel(&b.right.a.heard[from..], 900.0, RATE_HZ) > 3_000.0);
    }
}

#[test]
fn a_source_that_falls_silent_for_long_does_not_make_our_side_look_dead() {
    let mut b = Bridged::new(Codec::Pcmu, Codec::Pcmu, 121);
    b.run(1_000);
    let sent = b.sent_right().len();
    b.run_mute(4_000);
    let more = b.sent_right().len() - sent;
    // Two seconds are waited for, and two filled with silence.
    assert!((95..=106).contains(&more), "{more}");
    b.left.a.say(700.0, 2_000);
    b.run(500);
    let from = b.right.a.heard.len();
    b.run(500);
    assert!(tone::is_tone(&b.right.a.heard[from..], 700.0, RATE_HZ, 0.95));
}

#[test]
fn whatever_happens_our_numbers_are_in_order() {
    for seed in 0..60 {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut b = Bridged::new(Codec::Pcmu, Codec::Pcmu, seed);
        b.left.a.say(700.0, 60_000);
        let mut version = 2;
        for _ in 0..12 {
            match rng.random_range(0..7u8) {
                0 => b.right.b.say(900.0, 200),
                1 => {
                    b.left.a.engine.send_dtmf("5");
                }
                2 => {
                    b.right.b.engine.send_dtmf("6");
                }
                3 => {
                    let to = ["a=sendonly", "a=sendrecv"][rng.random_range(0..2)];
                    reoffer(&mut b.left, &[Codec::Pcmu], to, version);
                    version += 1;
                }
                4 => {
                    let to = [Codec::Pcma, Codec::Pcmu][rng.random_range(0..2)];
                    reoffer(&mut b.right, &[to], "a=sendrecv", version);
                    version += 1;
                }
                5 => {
                    let ms = rng.random_range(0..400);
                    b.run_mute(ms);
                }
                _ => b.left.network.jitter_ms = rng.random_range(0..40),
            }
            let ms = rng.random_range(50..900);
            b.run(ms);
        }
        let mut sent = b.sent_right();
        let first = sent[0].seq;
        sent.sort_by_key(|p| p.seq.wrapping_sub(first));
        for pair in sent.windows(2) {
            let seq = pair[1].seq.wrapping_sub(pair[0].seq);
            assert!((1..60).contains(&seq), "seed {seed}: {seq}");
            let events = pair.iter().any(|p| p.payload_type == 101);
            let step = pair[1].timestamp.wrapping_sub(pair[0].timestamp).cast_signed();
            assert!(events || step > 0, "seed {seed}: the clock went back by {step}");
        }
        assert!(b.right.b.engine.forwards.len() <= 64);
    }
}
