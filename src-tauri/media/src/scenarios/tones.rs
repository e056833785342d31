//! A tone each way arrives clean with every codec.

use super::*;
use crate::tone;

#[test]
fn both_directions_of_every_codec() {
    for codec in Codec::ALL {
        let mut w = World::new(codec, SrtpPolicy::Off, 1);
        w.a.say(500.0, 3_000);
        w.b.say(900.0, 3_000);
        w.run(3_000);
        let floor = if codec == Codec::Opus { 12.0 } else { 25.0 };
        for (end, hz) in [(&w.a, 900.0), (&w.b, 500.0)] {
            let mid = end.heard_ms(500, 2_800);
            let snr = tone::snr_db(mid, hz, RATE_HZ);
            assert!(snr > floor, "{codec}: {snr:.1} dB");
            assert!(tone::is_tone(mid, hz, RATE_HZ, 0.9), "{codec}");
            assert!(
                end.filled[10..].iter().all(|&f| f),
                "{codec}: a frame was made up on a perfect line"
            );
            assert_eq!(end.count(|e| *e == MediaEvent::FirstPacket), 1);
            let q = end.engine.quality();
            assert_eq!(
                (q.lost, q.concealed, q.late, q.malformed, q.dropped_foreign),
                (0, 0, 0, 0, 0),
                "{codec} {q:?}"
            );
        }
    }
}

#[test]
fn a_frame_comes_every_20_ms_though_the_peer_is_silent() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 1);
    w.network.loss = 1.0;
    w.run(1_000);
    assert_eq!(w.b.filled.len(), 50);
    assert!(w.b.filled.iter().all(|f| !f) && w.b.heard.iter().all(|&s| s == 0));
    assert_eq!(w.b.engine.quality().packets_tx, 50);
}

#[test]
fn packet_times_other_than_20_ms_are_played() {
    for (ms, seed) in [(10u32, 1u64), (30, 2), (40, 3), (60, 4)] {
        let mut w = World::new(Codec::Pcma, SrtpPolicy::Off, seed);
        let pcm = tone::sine(500.0, RATE_HZ, 9_000, 48_000);
        let mut encoder = crate::codec::Encoder::new(Codec::Pcma).unwrap();
        let (mut at, mut n, mut payload) = (0usize, 0u32, Vec::new());
        w.run_with(2_800, |w| {
            if w.now.as_ms() % u64::from(ms) == 0 {
                let len = ms as usize * 16;
                encoder.encode(&pcm[at..at + len], &mut payload).unwrap();
                let p = crate::rtp::packet(8, n as u16, n == 0, n * ms * 8, 77, &payload);
                w.inject("192.0.2.1:4000".parse().unwrap(), w.b.address, p);
                at += len;
                n += 1;
            }
            // A's own stream would be another source.
            w.a.engine.outgoing.clear();
        });
        let snr = tone::snr_db(w.b.heard_ms(500, 2_700), 500.0, RATE_HZ);
        assert!(snr > 25.0, "{ms} ms: {snr:.1} dB");
        assert_eq!(w.b.engine.quality().concealed, 0, "{ms} ms");
    }
}

#[test]
fn comfort_noise_and_pauses_are_silence_and_no_loss() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 5);
    let voice = [0x10u8; 160];
    let mut seq = 0u16;
    let mut send = |w: &mut World, pt: u8, payload: &[u8]| {
        // The timestamp is the sender's clock, which goes on in the pauses.
        let ts = (w.now.as_ms() * 8) as u32;
        let p = crate::rtp::packet(pt, seq, false, ts, 77, payload);
        seq = seq.wrapping_add(1);
        w.inject("192.0.2.1:4000".parse().unwrap(), w.b.address, p);
    };
    w.run_with(6_000, |w| {
        w.a.engine.outgoing.clear();
        let t = w.now.as_ms() - 1_000_000;
        if t % 20 == 0 {
            match t % 2_000 {
                0..1_000 => send(w, 0, &voice),
                1_000 => send(w, 13, &[60]),
                1_400 => send(w, 13, &[62]),
                _ => {}
            }
        }
    });
    let q = w.b.engine.quality();
    assert_eq!((q.lost, q.concealed, q.late), (0, 0, 0), "{q:?}");
    // Three seconds of voice, three of silence.
    let filled = w.b.filled.iter().filter(|f| **f).count();
    assert!((148..=152).contains(&filled), "{filled}");
    // The first frame of a pause holds the decay of what was heard last.
    for (n, pair) in w.b.filled.windows(2).enumerate() {
        let frame = &w.b.heard[(n + 1) * 320..(n + 2) * 320];
        assert!(
            pair[0] || pair[1] || frame.iter().all(|&s| s == 0),
            "frame {}",
            n + 1
        );
    }
}

#[test]
fn another_ssrc_takes_over_and_numbers_may_start_anywhere() {
    let mut w = World::new(Codec::G722, SrtpPolicy::Off, 6);
    let pcm = tone::sine(700.0, RATE_HZ, 9_000, 16_000 * 6);
    let mut encoder = crate::codec::Encoder::new(Codec::G722).unwrap();
    let (mut n, mut payload) = (0u32, Vec::new());
    w.run_with(6_000, |w| {
        w.a.engine.outgoing.clear();
        if w.now.as_ms() % 20 != 0 {
            return;
        }
        let at = n as usize * 320;
        encoder.encode(&pcm[at..at + 320], &mut payload).unwrap();
        // At 2 s another sender with other numbers, close to their wrap; at 4 s its clock jumps by an hour.
        let (ssrc, seq, ts) = match n {
            0..100 => (1, 100 + n, 5_000 + n * 160),
            100..200 => (2, 65_500 + n - 100, 0xffff_0000u32.wrapping_add(n * 160)),
            _ => (2, 65_500 + n - 100, 28_800_000 + n * 160),
        };
        let p = crate::rtp::packet(9, seq as u16, false, ts, ssrc, &payload);
        w.inject("192.0.2.1:4000".parse().unwrap(), w.b.address, p);
        n += 1;
    });
    // The last packet is still under way.
    w.run(10);
    let q = w.b.engine.quality();
    assert_eq!((q.packets_rx, q.lost, q.late), (300, 0, 0), "{q:?}");
    for (from, to) in [(300, 1_900), (2_300, 3_900), (4_300, 5_900)] {
        assert!(
            tone::is_tone(w.b.heard_ms(from, to), 700.0, RATE_HZ, 0.95),
            "{from}"
        );
    }
    assert!(w.b.filled.iter().skip(5).filter(|f| !**f).count() <= 8);
}
