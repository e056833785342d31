//! Encrypted sessions.

use super::*;
use crate::tone;

#[test]
fn tones_and_keys_pass_and_nothing_is_readable_on_the_way() {
    for codec in Codec::ALL {
        let mut w = World::new(codec, SrtpPolicy::Required, 111);
        w.network = Network {
            jitter_ms: 20,
            duplicate: 0.1,
            ..PERFECT
        };
        w.a.say(500.0, 3_000);
        w.b.say(900.0, 3_000);
        w.run(3_000);
        w.a.engine.send_dtmf("42");
        w.run(1_000);
        assert!(
            tone::is_tone(w.b.heard_ms(500, 2_800), 500.0, RATE_HZ, 0.9),
            "{codec}"
        );
        assert!(
            tone::is_tone(w.a.heard_ms(500, 2_800), 900.0, RATE_HZ, 0.9),
            "{codec}"
        );
        assert_eq!(w.b.digits(), "42");
        // Read as plain G.711 the payloads would be noise; an 80-bit tag makes each ten bytes longer.
        if codec == Codec::Pcmu {
            assert!(
                w.tap
                    .iter()
                    .filter(|d| crate::rtp::kind(d) == crate::rtp::Kind::Rtp && d.len() > 100)
                    .all(|d| d.len() == 12 + 160 + 10)
            );
        }
    }
}

#[test]
fn forged_and_replayed_packets_are_dropped_even_from_the_true_address() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Required, 112);
    w.a.say(500.0, 4_000);
    let true_address = w.a.address;
    let mut n = 0u32;
    w.run_with(4_000, |w| {
        if w.now.as_ms() % 20 == 3 {
            let forged = crate::rtp::packet(0, n as u16, false, n * 160, 0xbad, &[0x55; 170]);
            w.inject(true_address, w.b.address, forged);
            n += 1;
            if let Some(old) = w.tap.first().cloned() {
                w.inject(true_address, w.b.address, old);
            }
        }
    });
    let q = w.b.engine.quality();
    assert!(
        q.dropped_foreign >= 350 && q.lost == 0 && q.packets_rx >= 195,
        "{q:?}"
    );
    assert!(tone::is_tone(w.b.heard_ms(500, 3_900), 500.0, RATE_HZ, 0.97));
}

#[test]
fn authentic_packets_from_elsewhere_are_followed_once_the_old_source_is_silent() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Required, 113);
    w.a.say(500.0, 20_000);
    w.run(3_000);
    w.a.mapped = Some("198.51.100.9:40000".parse().unwrap());
    w.run(4_000);
    assert!(tone::is_tone(w.b.heard_ms(5_500, 6_900), 500.0, RATE_HZ, 0.9));
    assert_eq!(w.b.engine.outgoing.len(), 0);
}

#[test]
fn the_counters_survive_a_renegotiation_with_the_same_key() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Required, 114);
    w.a.say(500.0, 20_000);
    w.run(2_000);
    let v = Version { id: 1, version: 2 };
    let offer = sdp::offer(&w.a.local, Some(Codec::Pcmu), v).unwrap();
    let (agreed, answer) = sdp::answer(&offer, &w.b.local, Some(Codec::Pcmu), v).unwrap();
    w.b.engine.apply(agreed, w.now).unwrap();
    w.a.engine
        .apply(sdp::accept(&answer, &w.a.local).unwrap(), w.now)
        .unwrap();
    w.run(2_000);
    let q = w.b.engine.quality();
    assert_eq!((q.dropped_foreign, q.lost), (0, 0), "{q:?}");
    // A new key at A: both directions still agree.
    w.a.local.keys = [MasterKey::random().unwrap(), MasterKey::random().unwrap()];
    let offer = sdp::offer(&w.a.local, Some(Codec::Pcmu), Version { id: 1, version: 3 }).unwrap();
    let (agreed, answer) = sdp::answer(&offer, &w.b.local, Some(Codec::Pcmu), v).unwrap();
    w.b.engine.apply(agreed, w.now).unwrap();
    w.a.engine
        .apply(sdp::accept(&answer, &w.a.local).unwrap(), w.now)
        .unwrap();
    let from = w.b.heard.len() / 16;
    w.run(2_000);
    assert!(tone::is_tone(
        w.b.heard_ms(from + 300, from + 1_900),
        500.0,
        RATE_HZ,
        0.95
    ));
}
