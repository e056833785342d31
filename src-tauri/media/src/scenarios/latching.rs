//! An attacker's packets never reach the caller's session (rtpbleed).

use super::*;
use crate::tone;

fn attacker() -> SocketAddr {
    "203.0.113.66:31337".parse().unwrap()
}

/// Well-formed packets of a loud tone, in sequence.
fn attack(w: &mut World, n: u32) {
    let pcm = tone::sine(2_000.0, 8_000, 20_000, 160);
    let mut payload = vec![0; 160];
    audio_codec::Encoder::encode_into(&mut audio_codec::pcmu::PcmuEncoder::new(), &pcm, &mut payload)
        .unwrap();
    let p = crate::rtp::packet(0, n as u16, false, n * 160, 0xbad, &payload);
    w.inject(attacker(), w.b.address, p);
}

#[test]
fn packets_of_a_stranger_are_neither_heard_nor_answered() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 61);
    w.a.say(500.0, 20_000);
    let mut n = 0;
    w.run_with(8_000, |w| {
        let t = w.now.as_ms() - 1_000_000;
        if t > 100 && t % 5 == 0 {
            attack(w, n);
            n += 1;
        }
        assert!(w.b.engine.outgoing.iter().all(|o| o.to != attacker()));
    });
    let q = w.b.engine.quality();
    assert!(q.dropped_foreign > 1_500, "{q:?}");
    assert_eq!(q.lost, 0);
    let heard = w.b.heard_ms(500, 7_900);
    assert!(tone::is_tone(heard, 500.0, RATE_HZ, 0.97) && tone::goertzel(heard, 2_000.0, RATE_HZ) < 50.0);
}

#[test]
fn a_stranger_who_is_first_loses_the_session_to_the_true_source() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 62);
    let mut n = 0;
    w.run_with(5_000, |w| {
        let t = w.now.as_ms() - 1_000_000;
        if t % 20 == 3 {
            attack(w, n);
            n += 1;
        }
        // The caller begins a second later.
        if t < 1_000 {
            w.a.engine.outgoing.clear();
        } else if t == 1_000 {
            w.a.say(500.0, 5_000);
        }
        if t > 1_100 {
            assert!(w.b.engine.outgoing.iter().all(|o| o.to != attacker()), "at {t}");
        }
    });
    let heard = w.b.heard_ms(1_500, 4_900);
    assert!(tone::is_tone(heard, 500.0, RATE_HZ, 0.97));
}

#[test]
fn a_caller_behind_address_translation_is_heard_and_answered() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 63);
    let mapped: SocketAddr = "198.51.100.4:61234".parse().unwrap();
    w.a.mapped = Some(mapped);
    w.a.say(500.0, 5_000);
    w.b.say(900.0, 5_000);
    let mut n = 0;
    w.run_with(5_000, |w| {
        let t = w.now.as_ms() - 1_000_000;
        if t > 500 && t % 5 == 0 {
            attack(w, n);
            n += 1;
        }
    });
    assert!(tone::is_tone(w.b.heard_ms(500, 4_900), 500.0, RATE_HZ, 0.97));
    // B's packets go to the mapped address; A takes them from B, whose description was true.
    assert!(tone::is_tone(w.a.heard_ms(500, 4_900), 900.0, RATE_HZ, 0.97));
    assert!(w.b.engine.quality().dropped_foreign > 500);
}

#[test]
fn a_silent_line_is_not_open_to_a_stranger() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 64);
    w.run(2_000);
    let mut n = 0;
    w.run_with(14_000, |w| {
        w.a.engine.outgoing.clear();
        if w.now.as_ms() % 20 == 3 {
            attack(w, n);
            n += 1;
        }
        assert!(w.b.engine.outgoing.iter().all(|o| o.to != attacker()));
    });
    assert!(w.b.heard_ms(2_500, 15_900).iter().all(|&s| s.unsigned_abs() < 10));
}

#[test]
fn foreign_and_broken_rtcp_changes_nothing() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 65);
    w.run(1_000);
    let before = w.b.engine.quality();
    let to = SocketAddr::new(w.b.address.ip(), w.b.address.port() + 1);
    w.inject(attacker(), to, vec![0x80, 201, 0, 1, 0, 0, 0, 9]);
    w.inject(
        SocketAddr::new(w.a.address.ip(), 4_001),
        to,
        vec![0x80, 201, 0, 200, 0, 0, 0, 9],
    );
    w.run(10);
    let q = w.b.engine.quality();
    assert_eq!(q.dropped_foreign, before.dropped_foreign + 1);
    assert_eq!(q.malformed, before.malformed + 1);
    assert_eq!(q.rtt_ms, None);
}
