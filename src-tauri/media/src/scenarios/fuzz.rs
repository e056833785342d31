//! Seeded mutations of true packets and descriptions: nothing may panic, and a session must outlive them.
//!
//! `ANTEROOM_FUZZ_SECONDS` sets how long each test goes on; without it a fixed number of rounds is run.

use super::*;
use crate::fuzz;
use std::time::{Duration, Instant};

/// Calls `round` with a fresh seed again and again.
pub(super) fn rounds(fixed: u64, mut round: impl FnMut(u64)) {
    let seconds = std::env::var("ANTEROOM_FUZZ_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let until = seconds.map(|s| Instant::now() + Duration::from_secs(s));
    let mut seed = 0;
    while until.map_or(seed < fixed, |u| Instant::now() < u) {
        round(seed);
        seed += 1;
    }
}

pub(super) fn mutate(bytes: &mut Vec<u8>, rng: &mut StdRng) {
    for _ in 0..rng.random_range(1..8) {
        let at = rng.random_range(0..=bytes.len().max(1) - 1);
        match rng.random_range(0..6) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << rng.random_range(0..8),
            1 if !bytes.is_empty() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.random_range(0..5)],
            2 => bytes.truncate(at),
            3 => bytes.insert(at.min(bytes.len()), rng.random()),
            4 => {
                let piece = bytes[at.min(bytes.len())..(at + 20).min(bytes.len())].to_vec();
                bytes.splice(at.min(bytes.len())..at.min(bytes.len()), piece);
            }
            _ if !bytes.is_empty() => {
                let end = (at + rng.random_range(0..20)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {}
        }
    }
}

#[test]
fn rtp_and_rtcp() {
    let mut w = World::new(Codec::Opus, SrtpPolicy::Off, 131);
    w.a.say(500.0, 5_000);
    w.a.engine.send_dtmf("1");
    w.run(12_000);
    let corpus = std::mem::take(&mut w.tap);
    assert!(
        corpus
            .iter()
            .any(|d| crate::rtp::kind(d) == crate::rtp::Kind::Rtcp)
    );
    rounds(20_000, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut d = corpus[rng.random_range(0..corpus.len())].clone();
        mutate(&mut d, &mut rng);
        fuzz::fuzz_rtp(&d);
    });
}

#[test]
fn a_running_session_outlives_broken_packets_of_its_own_source() {
    for (codec, srtp) in [
        (Codec::Pcmu, SrtpPolicy::Off),
        (Codec::Opus, SrtpPolicy::Off),
        (Codec::Opus, SrtpPolicy::Required),
    ] {
        rounds(12, |seed| {
            let mut w = World::new(codec, srtp, seed);
            let mut rng = StdRng::seed_from_u64(seed);
            w.a.say(500.0, 6_000);
            w.run_with(3_000, |w| {
                for o in &mut w.a.engine.outgoing {
                    if rng.random_bool(0.3) {
                        mutate(&mut o.bytes, &mut rng);
                    }
                }
            });
            w.run(3_000);
            assert_eq!(w.b.filled.len(), 300);
            // In pieces, since a merge of two frames, which brings the delay down again, shifts the phase.
            let pieces = w.b.heard_ms(4_500, 5_900).chunks_exact(1_600);
            let clean = pieces
                .filter(|p| crate::tone::is_tone(p, 500.0, RATE_HZ, 0.9))
                .count();
            let received = w.b.filled[225..295].iter().filter(|f| **f).count();
            assert!(
                clean >= 12 && received >= 66,
                "{clean} clean pieces of 14, {codec} seed {seed}: {received} of 70 frames received, {:?}",
                w.b.engine.quality()
            );
        });
    }
}

#[test]
fn descriptions() {
    let local = local(4_000, 1, &Codec::ALL, SrtpPolicy::Optional);
    let v = Version { id: 1, version: 1 };
    let corpus = [
        sdp::offer(&local, None, v).unwrap(),
        crate::sdp::tests::BAROQUE.replace('\n', "\r\n"),
        crate::sdp::tests::BROWSER.replace('\n', "\r\n"),
    ];
    rounds(20_000, |seed| {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut d = corpus[rng.random_range(0..corpus.len())].clone().into_bytes();
        mutate(&mut d, &mut rng);
        fuzz::fuzz_sdp(&String::from_utf8_lossy(&d));
    });
}
