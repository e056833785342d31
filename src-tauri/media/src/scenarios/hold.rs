//! Hold in every direction, and what goes on and what waits meanwhile.

use super::*;
use crate::tone;

/// A's offer with its direction changed, and B's answer to it, put into force at both ends.
fn reoffer(w: &mut World, direction: &str, version: u64) -> String {
    let v = Version { id: 1, version };
    let offer = sdp::offer(&w.a.local, Some(Codec::Pcmu), v)
        .unwrap()
        .replace("a=sendrecv", direction);
    let (agreed, answer) = sdp::answer(&offer, &w.b.local, Some(Codec::Pcmu), v).unwrap();
    w.b.engine.apply(agreed, w.now).unwrap();
    answer
}

#[test]
fn each_direction_is_answered_with_its_mirror() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 81);
    for (n, (offered, answered, held)) in [
        ("a=sendonly", "a=recvonly", true),
        ("a=inactive", "a=inactive", true),
        ("a=recvonly", "a=sendonly", false),
        ("a=sendrecv", "a=sendrecv", false),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = reoffer(&mut w, offered, n as u64 + 2);
        assert!(
            answer.contains(&format!("\r\n{answered}\r\n")),
            "{offered}: {answer}"
        );
        w.run(100);
        let last = w.b.events.iter().rev().find_map(|(_, e)| {
            if let MediaEvent::Held(h) = e {
                Some(*h)
            } else {
                None
            }
        });
        assert_eq!(last.unwrap_or(false), held, "{offered}");
    }
}

#[test]
fn on_hold_nothing_is_sent_what_is_said_waits_and_no_time_out_strikes() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 82);
    w.run(500);
    w.b.say(900.0, 2_000);
    w.run(500);
    reoffer(&mut w, "a=inactive", 2);
    w.run(40);
    let sent = w.b.engine.quality().packets_tx;
    w.run_with(40_000, |w| w.a.engine.outgoing.retain(|o| o.port == Port::Rtcp));
    assert_eq!(w.b.engine.quality().packets_tx, sent);
    assert_eq!(w.b.count(|e| matches!(e, MediaEvent::SilenceTimeout)), 0);
    assert_eq!(w.b.count(|e| matches!(e, MediaEvent::PlayDone { .. })), 0);
    // Reports go on, so that the path stays open.
    assert!(w.b.count(|e| matches!(e, MediaEvent::Quality(_))) >= 7);
    reoffer(&mut w, "a=sendrecv", 3);
    let from = w.a.heard.len() / 16;
    w.run(2_500);
    assert_eq!(w.b.count(|e| matches!(e, MediaEvent::PlayDone { .. })), 1);
    assert!(tone::is_tone(
        w.a.heard_ms(from + 200, from + 1_300),
        900.0,
        RATE_HZ,
        0.95
    ));
    assert_eq!(w.a.engine.quality().lost, 0);
}

#[test]
fn the_old_hold_by_an_address_of_zero_is_understood() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 83);
    w.run(200);
    let v = Version { id: 1, version: 2 };
    let offer = sdp::offer(&w.a.local, None, v)
        .unwrap()
        .replace("c=IN IP4 192.0.2.1", "c=IN IP4 0.0.0.0");
    let (agreed, answer) = sdp::answer(&offer, &w.b.local, Some(Codec::Pcmu), v).unwrap();
    assert!(answer.contains("\r\na=recvonly\r\n"), "{answer}");
    w.b.engine.apply(agreed, w.now).unwrap();
    let sent = w.b.engine.quality().packets_tx;
    w.run(1_000);
    assert_eq!(w.b.engine.quality().packets_tx, sent);
    assert_eq!(w.b.count(|e| *e == MediaEvent::Held(true)), 1);
}
