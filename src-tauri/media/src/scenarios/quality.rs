//! Reports: both ends learn loss, jitter and round trip.

use super::*;

fn last(e: &End) -> crate::Quality {
    e.events
        .iter()
        .rev()
        .find_map(|(_, e)| {
            if let MediaEvent::Quality(q) = e {
                Some(*q)
            } else {
                None
            }
        })
        .unwrap()
}

#[test]
fn figures_are_true() {
    for (codec, srtp) in [
        (Codec::Pcmu, SrtpPolicy::Off),
        (Codec::Opus, SrtpPolicy::Required),
    ] {
        let mut w = World::new(codec, srtp, 101);
        w.network = Network {
            delay_ms: 40,
            jitter_ms: 10,
            loss: 0.02,
            duplicate: 0.0,
        };
        w.run(30_000);
        for q in [last(&w.a), last(&w.b)] {
            assert!((85.0..115.0).contains(&q.rtt_ms.unwrap()), "{q:?}");
            assert!((2.0..8.0).contains(&q.jitter_ms), "{q:?}");
            assert!(q.packets_rx > 1_200 && (5..=60).contains(&q.lost), "{q:?}");
            assert!(q.remote_loss.is_some_and(|l| l < 0.08), "{q:?}");
            assert!((3.0..4.3).contains(&q.mos), "{q:?}");
        }
    }
}

#[test]
fn a_clean_line_scores_well() {
    let mut w = World::new(Codec::Pcma, SrtpPolicy::Off, 102);
    w.run(12_000);
    let q = last(&w.a);
    assert!(q.mos > 4.2 && q.lost == 0 && q.jitter_ms < 1.0, "{q:?}");
    assert!(w.a.count(|e| matches!(e, MediaEvent::Quality(_))) >= 2);
}
