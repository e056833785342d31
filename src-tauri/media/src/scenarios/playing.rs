//! Saying something, pausing, going on and dropping, as the caller hears it.

use super::*;
use crate::tone;

#[test]
fn start_and_end_are_told_when_they_are_sent() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 91);
    w.run(200);
    let asked = w.now;
    w.a.say(500.0, 1_000);
    w.run(1_500);
    let at = |f: fn(&MediaEvent) -> Option<Mono>| w.a.events.iter().find_map(|(_, e)| f(e)).unwrap();
    let started = at(|e| {
        if let MediaEvent::PlayStarted { at, .. } = e {
            Some(*at)
        } else {
            None
        }
    });
    let done = at(|e| {
        if let MediaEvent::PlayDone { at, .. } = e {
            Some(*at)
        } else {
            None
        }
    });
    assert!(started.ms_since(asked) <= 20);
    assert_eq!(done.ms_since(started), 980);
}

#[test]
fn a_pause_is_quick_and_going_on_repeats_at_most_a_frame() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 92);
    w.a.say(500.0, 2_000);
    w.run(600);
    w.a.engine.pause();
    w.run(1_000);
    let loud = |w: &World| w.a.said.chunks(320).filter(|f| tone::rms(f) > 1_000.0).count();
    assert!(loud(&w) <= 31, "{}", loud(&w));
    w.a.engine.resume();
    w.run(2_000);
    assert!((100..=102).contains(&loud(&w)), "{}", loud(&w));
    assert_eq!(w.a.count(|e| matches!(e, MediaEvent::PlayDone { .. })), 1);
}

#[test]
fn dropping_tells_how_much_was_heard_and_the_next_thing_follows() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 93);
    w.a.say(500.0, 2_000);
    w.run(600);
    w.a.engine.pause();
    w.run(300);
    w.a.engine.clear(w.now);
    w.a.say(1_500.0, 500);
    w.run(1_000);
    let dropped: Vec<_> =
        w.a.events
            .iter()
            .filter_map(|(_, e)| {
                if let MediaEvent::PlayDropped { played_ms, .. } = e {
                    Some(*played_ms)
                } else {
                    None
                }
            })
            .collect();
    assert_eq!(dropped, [600]);
    assert!(tone::is_tone(w.b.heard_ms(1_050, 1_350), 1_500.0, RATE_HZ, 0.9));
    w.a.engine.end(w.now);
    assert_eq!(
        w.a.engine.play(SayId(9), Arc::from([0i16; 3]), Over::Replace),
        Err(crate::PlayError::Ended)
    );
}

#[test]
fn timestamps_go_on_by_the_clock_and_the_marker_begins_a_spurt() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 94);
    w.run(1_000);
    w.a.engine.skip(10);
    w.run(1_000);
    let packets: Vec<_> = w.tap.iter().filter_map(|d| crate::rtp::parse(d)).collect();
    assert_eq!(packets.len(), 100);
    let markers: Vec<_> = packets
        .iter()
        .enumerate()
        .filter(|(_, p)| p.marker)
        .map(|(n, _)| n)
        .collect();
    assert_eq!(markers, [0, 50]);
    for (n, p) in packets.windows(2).enumerate() {
        assert_eq!(p[1].seq, p[0].seq.wrapping_add(1));
        assert_eq!(
            p[1].timestamp.wrapping_sub(p[0].timestamp),
            if n == 49 { 160 * 11 } else { 160 }
        );
    }
}
