//! Keypad digits over the simulated network.

use super::*;
use crate::tone;

#[test]
fn digits_arrive_once_each_over_a_bad_line() {
    for (seed, network) in [
        (71, PERFECT),
        (72, Network { loss: 0.1, ..PERFECT }),
        (
            73,
            Network {
                duplicate: 0.5,
                jitter_ms: 30,
                ..PERFECT
            },
        ),
        (
            74,
            Network {
                loss: 0.05,
                duplicate: 0.2,
                jitter_ms: 15,
                ..PERFECT
            },
        ),
    ] {
        for codec in [Codec::Pcmu, Codec::Opus] {
            let mut w = World::new(codec, SrtpPolicy::Off, seed);
            w.network = network;
            w.run(500);
            w.a.engine.send_dtmf("0123456789*#AABB");
            w.run(5_000);
            assert_eq!(w.b.digits(), "0123456789*#AABB", "{codec} {network:?}");
        }
    }
}

#[test]
fn a_digit_lasts_as_long_as_it_was_pressed_and_is_no_loss() {
    let mut w = World::new(Codec::G722, SrtpPolicy::Off, 75);
    w.run(500);
    w.a.engine.send_dtmf("5");
    w.run(1_000);
    let durations: Vec<_> =
        w.b.events
            .iter()
            .filter_map(|(_, e)| {
                if let MediaEvent::Dtmf { duration_ms, .. } = e {
                    Some(*duration_ms)
                } else {
                    None
                }
            })
            .collect();
    assert_eq!(durations, [100]);
    let q = w.b.engine.quality();
    assert_eq!((q.lost, q.late, q.concealed), (0, 0, 0), "{q:?}");
}

#[test]
fn what_is_being_said_waits_for_the_digits() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 76);
    w.run(500);
    w.a.say(500.0, 1_000);
    w.a.engine.send_dtmf("12");
    w.run(3_000);
    assert_eq!(w.b.digits(), "12");
    let loud = w.a.said.chunks(320).filter(|f| tone::rms(f) > 1_000.0).count();
    assert_eq!(loud, 50);
}

#[test]
fn a_peer_without_events_gets_tones() {
    let strip = |offer: String| {
        offer
            .replace(" 101", "")
            .lines()
            .filter(|l| !l.starts_with("a=rtpmap:101") && !l.starts_with("a=fmtp:101"))
            .map(|l| format!("{l}\r\n"))
            .collect()
    };
    let mut w = World::with(&[Codec::Pcmu], SrtpPolicy::Off, 77, strip);
    w.run(500);
    w.b.engine.send_dtmf("7");
    w.run(500);
    assert_eq!(w.a.digits(), "");
    let found: Vec<_> =
        w.a.heard
            .chunks_exact(640)
            .filter_map(|f| tone::dtmf_in(f, RATE_HZ))
            .collect();
    assert!(!found.is_empty() && found.iter().all(|&d| d == '7'), "{found:?}");
}
