//! A peer that sends nothing is told of, once.

use super::*;

fn times(e: &End) -> Vec<u64> {
    e.events
        .iter()
        .filter(|(_, e)| *e == MediaEvent::SilenceTimeout)
        .map(|(at, _)| at.as_ms() - 1_000_000)
        .collect()
}

#[test]
fn no_first_packet_for_thirty_seconds() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 121);
    w.network.loss = 1.0;
    w.run(90_000);
    let t = times(&w.b);
    assert!(t.len() == 1 && (30_000..=30_020).contains(&t[0]), "{t:?}");
}

#[test]
fn fifteen_seconds_after_the_last_packet_and_again_after_it_came_back() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 122);
    w.run(5_000);
    w.network.loss = 1.0;
    w.run(40_000);
    w.network.loss = 0.0;
    w.run(1_000);
    w.network.loss = 1.0;
    w.run(20_000);
    let t = times(&w.b);
    assert_eq!(t.len(), 2, "{t:?}");
    assert!(
        (19_980..=20_040).contains(&t[0]) && (60_980..=61_040).contains(&t[1]),
        "{t:?}"
    );
}

#[test]
fn a_stranger_does_not_keep_a_dead_call_alive() {
    let mut w = World::new(Codec::Pcmu, SrtpPolicy::Off, 123);
    w.run(1_000);
    let mut n = 0u16;
    w.run_with(20_000, |w| {
        w.a.engine.outgoing.clear();
        if w.now.as_ms() % 20 == 0 {
            let p = crate::rtp::packet(0, n, false, u32::from(n) * 160, 9, &[0; 160]);
            w.inject("203.0.113.1:9".parse().unwrap(), w.b.address, p);
            n += 1;
        }
    });
    assert_eq!(times(&w.b).len(), 1);
}
