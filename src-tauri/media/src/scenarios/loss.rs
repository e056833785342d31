//! Loss, disorder, repeats and jitter.

use super::*;
use crate::sdp::Agreed;
use crate::tone;

/// Runs a tone from A to B over `network` and returns B with the share of frames that were received.
fn over(network: Network, codec: Codec, seed: u64) -> (World, f64) {
    let mut w = World::new(codec, SrtpPolicy::Off, seed);
    w.network = network;
    w.a.say(400.0, 10_000);
    w.run(10_000);
    let frames = &w.b.filled[25..];
    let share = frames.iter().filter(|f| **f).count() as f64 / frames.len() as f64;
    (w, share)
}

#[test]
fn lost_packets_are_counted_and_concealed() {
    for codec in Codec::ALL {
        let (w, share) = over(
            Network {
                loss: 0.05,
                ..PERFECT
            },
            codec,
            11,
        );
        let q = w.b.engine.quality();
        assert!((10..=40).contains(&q.lost), "{codec} {q:?}");
        assert!(
            q.concealed >= q.lost / 2 && q.concealed <= q.lost + 12,
            "{codec} {q:?}"
        );
        assert!(share > 0.92, "{codec}: {share}");
        assert!(q.mos < 4.2 && q.mos > 2.5, "{codec} {q:?}");
        let snr = tone::snr_db(w.b.heard_ms(1_000, 9_500), 400.0, RATE_HZ);
        assert!(snr > 7.0, "{codec}: {snr:.1} dB");
    }
}

#[test]
fn disorder_and_repeats_are_put_right() {
    for seed in [21, 22, 23] {
        let (w, share) = over(
            Network {
                jitter_ms: 35,
                duplicate: 0.1,
                ..PERFECT
            },
            Codec::Pcmu,
            seed,
        );
        let q = w.b.engine.quality();
        assert_eq!(q.lost, 0, "{q:?}");
        assert!(share > 0.98, "seed {seed}: {share} {q:?}");
        // After it has adapted, nothing is missing.
        let late = &w.b.filled[150..];
        assert!(late.iter().filter(|f| !**f).count() <= 2, "seed {seed}: {q:?}");
        assert!(
            tone::is_tone(w.b.heard_ms(4_000, 9_500), 400.0, RATE_HZ, 0.97),
            "seed {seed}"
        );
    }
}

#[test]
fn heavy_jitter_grows_the_delay_within_its_bound_and_a_calm_line_shrinks_it_again() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 31);
    w.a.say(400.0, 30_000);
    w.network.jitter_ms = 150;
    w.run(10_000);
    let share = w.b.filled[200..].iter().filter(|f| **f).count() as f64 / w.b.filled[200..].len() as f64;
    assert!(share > 0.95, "{share} {:?}", w.b.engine.quality());
    w.network.jitter_ms = 0;
    w.run(15_000);
    // Say a click now: how long does it take from A to B?
    let delay = round(&mut w);
    assert!(delay <= 80, "{delay} ms");
    let calm = &w.b.filled[700..];
    assert!(calm.iter().filter(|f| !**f).count() <= 2);
}

/// Milliseconds from a sound said by A until B hears it.
fn round(w: &mut World) -> u64 {
    w.a.engine.clear(w.now);
    w.run(1_000);
    let from = w.b.heard.len();
    let start = w.now;
    w.a.say(1_000.0, 200);
    w.run(600);
    let at = w.b.heard[from..]
        .iter()
        .position(|s| s.unsigned_abs() > 2_000)
        .expect("nothing was heard");
    let _ = start;
    at as u64 / 16
}

#[test]
fn the_usual_delay_is_small() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 32);
    w.run(1_000);
    let delay = round(&mut w);
    assert!(delay <= 80, "{delay} ms");
}

#[test]
fn a_stall_of_the_network_is_survived() {
    let mut w = World::new(Codec::Opus, SrtpPolicy::Off, 41);
    w.a.say(400.0, 10_000);
    w.run(2_000);
    // Nothing gets through for 700 ms, then all of it at once.
    w.network.delay_ms = 700;
    w.run(700);
    w.network.delay_ms = 5;
    w.run(3_000);
    let q = w.b.engine.quality();
    assert_eq!(q.lost, 0, "{q:?}");
    assert!(w.b.filled[250..].iter().filter(|f| !**f).count() <= 2, "{q:?}");
    assert!(tone::is_tone(w.b.heard_ms(4_500, 5_500), 400.0, RATE_HZ, 0.9));
    // And it is not late for ever after.
    let delay = round(&mut w);
    assert!(delay <= 250, "{delay} ms");
}

#[test]
fn a_sender_whose_clock_is_off_is_followed() {
    // 0.2% fast, ten times worse than real crystals: a packet too many every ten seconds.
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 51);
    let mut due = w.now.0 as f64;
    let mut n = 0u32;
    w.run_with(60_000, |w| {
        w.a.engine.outgoing.clear();
        while w.now.0 as f64 >= due {
            let p = crate::rtp::packet(0, n as u16, false, n * 160, 5, &[0x20; 160]);
            w.inject("192.0.2.1:4000".parse().unwrap(), w.b.address, p);
            n += 1;
            due += 20_000.0 / 1.002;
        }
    });
    let q = w.b.engine.quality();
    assert_eq!((q.lost, q.late), (0, 0), "{q:?}");
    assert!(w.b.filled[10..].iter().all(|f| *f), "{q:?}");
}

#[test]
fn one_stray_packet_from_the_future_does_not_silence_the_stream() {
    for (seq_ahead, ticks_ahead) in [(2_000u16, 0u32), (0, 4_000), (2_000, 320_000), (1, 7_000)] {
        let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 61);
        w.a.say(400.0, 8_000);
        w.run(2_000);
        w.collect();
        let last = crate::rtp::parse(w.tap.last().unwrap()).unwrap();
        let (seq, ts) = (
            last.seq.wrapping_add(seq_ahead),
            last.timestamp.wrapping_add(ticks_ahead),
        );
        let stray = crate::rtp::packet(0, seq.wrapping_add(1), false, ts, last.ssrc, &[0xff; 160]);
        // The line falters just then, so that the stray one is all there is to play.
        w.inject(w.a.address, w.b.address, stray);
        w.run_with(200, |w| w.a.engine.outgoing.clear());
        w.run(3_000);
        let heard = w.b.heard_ms(2_700, 5_000);
        assert!(
            tone::is_tone(heard, 400.0, RATE_HZ, 0.95),
            "{seq_ahead} {ticks_ahead}"
        );
    }
}

#[test]
fn lost_packets_are_sent_again_where_that_is_agreed() {
    let network = Network {
        loss: 0.1,
        jitter_ms: 8,
        ..PERFECT
    };
    let mut lost = Vec::new();
    for nack in [false, true] {
        let mut w = World::new(Codec::Opus, SrtpPolicy::Required, 55);
        for end in [&mut w.a, &mut w.b] {
            let agreed = end.engine.agreed().unwrap().clone();
            end.engine.apply(Agreed { nack, ..agreed }, w.now).unwrap();
        }
        w.network = network;
        w.a.say(500.0, 20_000);
        w.run(20_000);
        let (a, b) = (w.a.engine.quality(), w.b.engine.quality());
        assert_eq!((a.resent > 50, b.asked_again > 50), (nack, nack), "{a:?} {b:?}");
        lost.push((b.lost, b.concealed));
    }
    let [(lost, concealed), (lost_mended, concealed_mended)] = lost[..] else {
        unreachable!("two runs")
    };
    assert!(lost > 60 && lost_mended * 8 < lost, "{lost} {lost_mended}");
    assert!(concealed_mended * 3 < concealed, "{concealed} {concealed_mended}");
}
