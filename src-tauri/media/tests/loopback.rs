//! Two real sessions over loopback sockets, through the public interface.

use anteroom_media::{
    Codec, MediaConfig, MediaError, MediaEvent, MediaFactory, MediaHandle, PlayError, SrtpPolicy, tone,
};
use anteroom_types::{Mono, RATE_HZ, SayId};
use std::net::UdpSocket;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

fn factory(ports: std::ops::RangeInclusive<u16>, change: impl FnOnce(&mut MediaConfig)) -> MediaFactory {
    let mut config = MediaConfig {
        ports,
        ..MediaConfig::default()
    };
    change(&mut config);
    MediaFactory::new(config, Instant::now()).unwrap()
}

struct Side {
    handle: MediaHandle,
    events: Receiver<MediaEvent>,
    heard: Vec<i16>,
    other: Vec<MediaEvent>,
}

impl Side {
    fn take(&mut self, e: MediaEvent) {
        match e {
            MediaEvent::Tick { rx, .. } => self.heard.extend(*rx),
            e => self.other.push(e),
        }
    }
}

/// A call from one factory to another.
fn call(from: &MediaFactory, to: &MediaFactory) -> (Side, Side) {
    let (mut a, offer) = from.offer().unwrap();
    let (b, answer) = to.answer(&offer).unwrap();
    a.remote_answer(&answer).unwrap();
    assert_eq!(a.codec(), b.codec());
    assert_eq!(a.is_srtp(), b.is_srtp());
    let side = |(handle, events)| Side {
        handle,
        events,
        heard: Vec::new(),
        other: Vec::new(),
    };
    (side(a.start()), side(b.start()))
}

/// Listens on both sides until each has heard `ms` milliseconds.
async fn listen(a: &mut Side, b: &mut Side, ms: usize) {
    let goal = |s: &Side, from: usize| s.heard.len() >= from + ms * 16;
    let (fa, fb) = (a.heard.len(), b.heard.len());
    while !goal(a, fa) || !goal(b, fb) {
        tokio::select! {
            e = a.events.recv() => a.take(e.expect("a ended")),
            e = b.events.recv() => b.take(e.expect("b ended")),
        }
    }
}

fn sine(hz: f64, ms: usize) -> Arc<[i16]> {
    tone::sine(hz, RATE_HZ, 9_000, ms * 16).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_codec_carries_a_tone_both_ways_plain_and_encrypted() {
    let mut calls = Vec::new();
    for (n, codec) in Codec::ALL.into_iter().enumerate() {
        for (m, srtp) in [SrtpPolicy::Off, SrtpPolicy::Required].into_iter().enumerate() {
            let base = 17_000 + u16::try_from((n * 2 + m) * 8).unwrap();
            calls.push(tokio::spawn(async move {
                let f = factory(base..=base + 7, |c| {
                    c.codecs = vec![codec];
                    c.srtp = srtp;
                });
                let (mut a, mut b) = call(&f, &f);
                assert_eq!(a.handle.codec(), Some(codec.name()));
                assert_eq!(a.handle.is_srtp(), srtp == SrtpPolicy::Required);
                a.handle.play(SayId(1), sine(500.0, 3_000)).unwrap();
                b.handle.play(SayId(2), sine(900.0, 3_000)).unwrap();
                listen(&mut a, &mut b, 1_200).await;
                for (side, hz, other) in [(&a, 900.0, 500.0), (&b, 500.0, 900.0)] {
                    let mid = &side.heard[8_000..19_000];
                    // A busy machine may lose a frame now and then; the other side's tone must never appear.
                    assert!(tone::is_tone(mid, hz, RATE_HZ, 0.7), "{codec} {srtp:?}");
                    assert!(tone::goertzel(mid, other, RATE_HZ) < 500.0, "{codec} {srtp:?}");
                    assert!(side.other.contains(&MediaEvent::FirstPacket));
                }
            }));
        }
    }
    for c in calls {
        c.await.unwrap();
    }
}

#[tokio::test]
async fn a_call_from_start_to_end() {
    let f = factory(17_100..=17_103, |c| c.codecs = vec![Codec::Pcmu]);
    assert_eq!(f.free_ports(), 2);
    let (mut a, mut b) = call(&f, &f);
    assert_eq!(f.free_ports(), 0);
    assert!(matches!(f.offer(), Err(MediaError::NoPorts)));

    // Keys.
    listen(&mut a, &mut b, 200).await;
    a.handle.send_dtmf("4#");
    listen(&mut a, &mut b, 800).await;
    let digits: String = b
        .other
        .iter()
        .filter_map(|e| {
            if let MediaEvent::Dtmf { digit, .. } = e {
                Some(*digit)
            } else {
                None
            }
        })
        .collect();
    assert_eq!(digits, "4#");

    // Hold and back, with rising versions of the description.
    let offer = a.handle.local_offer().unwrap();
    let version = |s: &str| {
        s.lines()
            .find_map(|l| l.strip_prefix("o="))
            .and_then(|o| o.split(' ').nth(2))
            .and_then(|v| v.parse::<u64>().ok())
            .unwrap()
    };
    let answer = b
        .handle
        .remote_offer(&offer.replace("a=sendrecv", "a=sendonly"))
        .unwrap();
    assert!(answer.contains("a=recvonly"));
    assert_eq!((version(&offer), version(&answer)), (2, 2));
    listen(&mut a, &mut b, 60).await;
    assert!(b.other.contains(&MediaEvent::Held(true)));
    let answer = b.handle.remote_offer(&a.handle.local_offer().unwrap()).unwrap();
    a.handle.remote_answer(&answer).unwrap();
    assert_eq!(version(&answer), 3);
    assert!(matches!(
        a.handle.remote_answer(&answer),
        Err(MediaError::NoOffer)
    ));
    // An offer that does not suit leaves the call as it was.
    assert!(
        b.handle
            .remote_offer(&offer.replace("PCMU", "XYZ"))
            .unwrap_err()
            .is_not_acceptable()
    );

    // Barge-in.
    b.handle.play(SayId(5), sine(700.0, 5_000)).unwrap();
    listen(&mut a, &mut b, 400).await;
    b.handle.pause();
    listen(&mut a, &mut b, 200).await;
    b.handle.clear();
    b.handle.play(SayId(6), sine(700.0, 100)).unwrap();
    listen(&mut a, &mut b, 300).await;
    let told: Vec<_> = b
        .other
        .iter()
        .filter_map(|e| match e {
            MediaEvent::PlayStarted { id, .. } => Some(('s', id.0)),
            MediaEvent::PlayDropped { id, played_ms } => {
                assert!((300..500).contains(played_ms), "{played_ms}");
                Some(('x', id.0))
            }
            MediaEvent::PlayDone { id, .. } => Some(('d', id.0)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [('s', 5), ('x', 5), ('s', 6), ('d', 6)]);

    // The end gives the ports back.
    a.handle.stop();
    while let Some(e) = a.events.recv().await {
        a.take(e);
    }
    assert_eq!(a.handle.play(SayId(9), sine(1.0, 20)), Err(PlayError::Ended));
    assert_eq!(f.free_ports(), 1);
    drop(b.handle);
    while b.events.recv().await.is_some() {}
    assert_eq!(f.free_ports(), 2);
}

#[tokio::test]
async fn a_stranger_on_the_port_is_counted_and_not_heard() {
    let f = factory(17_110..=17_117, |c| c.codecs = vec![Codec::Pcmu]);
    let (mut a, offer) = f.offer().unwrap();
    let (b, answer) = f.answer(&offer).unwrap();
    a.remote_answer(&answer).unwrap();
    let port = b.port();
    let side = |(handle, events)| Side {
        handle,
        events,
        heard: Vec::new(),
        other: Vec::new(),
    };
    let (mut a, mut b) = (side(a.start()), side(b.start()));
    listen(&mut a, &mut b, 200).await;
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut heard_by_stranger = [0; 100];
    stranger.set_nonblocking(true).unwrap();
    for n in 0..200u16 {
        let mut d = vec![0x80, 0];
        d.extend_from_slice(&n.to_be_bytes());
        d.extend_from_slice(&(u32::from(n) * 160).to_be_bytes());
        d.extend_from_slice(&[0, 0, 0xba, 0xd0]);
        d.extend_from_slice(&[0x00; 160]);
        stranger.send_to(&d, ("127.0.0.1", port)).unwrap();
        if n % 20 == 0 {
            listen(&mut a, &mut b, 20).await;
        }
    }
    listen(&mut a, &mut b, 100).await;
    assert_eq!(b.handle.stats().dropped_foreign, 200);
    assert!(b.heard.iter().all(|s| s.unsigned_abs() < 50));
    assert!(
        stranger.recv(&mut heard_by_stranger).is_err(),
        "something was sent to the stranger"
    );
}

#[tokio::test]
async fn silence_and_a_consumer_that_does_not_listen() {
    let f = factory(17_120..=17_127, |c| c.first_packet_timeout_ms = 200);
    let (session, _offer) = f.offer().unwrap();
    let port = session.port();
    let (handle, mut events) = session.start();
    // The peer answers and then sends nothing.
    let answer = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\n",
        port + 100
    );
    handle.remote_answer(&answer).unwrap();
    tokio::time::sleep(Duration::from_millis(2_600)).await;
    // Nobody took the events meanwhile: ticks were dropped, the time-out was not, and the session went on.
    let mut ticks = 0;
    let mut last = Mono(0);
    let mut timeouts = 0;
    while let Ok(e) = events.try_recv() {
        match e {
            MediaEvent::Tick { at, .. } => {
                assert!(at > last);
                last = at;
                ticks += 1;
            }
            MediaEvent::SilenceTimeout => timeouts += 1,
            _ => {}
        }
    }
    assert_eq!(timeouts, 1);
    // The queue has 96 places, 32 of them kept for what is no tick.
    assert!((60..=64).contains(&ticks), "{ticks}");
    let q = handle.stats();
    assert!(q.ticks_dropped >= 40 && q.packets_tx >= 100, "{q:?}");
    assert!(matches!(events.recv().await, Some(MediaEvent::Tick { .. })));
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let make = |change: fn(&mut MediaConfig)| {
        let mut c = MediaConfig::default();
        change(&mut c);
        MediaFactory::new(c, Instant::now()).err()
    };
    assert!(make(|_| {}).is_none());
    assert!(matches!(make(|c| c.codecs.clear()), Some(MediaError::Config(_))));
    assert!(matches!(
        make(|c| c.ports = 4_001..=4_001),
        Some(MediaError::Config(_))
    ));
    assert!(matches!(
        make(|c| c.advertise = "::1".parse().unwrap()),
        Some(MediaError::Config(_))
    ));
    assert!(matches!(
        make(|c| c.advertise = "0.0.0.0".parse().unwrap()),
        Some(MediaError::Config(_))
    ));
    let elsewhere = MediaConfig {
        bind: "203.0.113.1".parse().unwrap(),
        ..MediaConfig::default()
    };
    let f = MediaFactory::new(elsewhere, Instant::now()).unwrap();
    let free = f.free_ports();
    assert!(matches!(f.offer(), Err(MediaError::Socket(_))));
    assert_eq!(f.free_ports(), free);
}

#[tokio::test]
async fn who_wants_no_ticks_gets_none_and_hears_when_they_do_again() {
    let f = factory(17_130..=17_133, |c| c.codecs = vec![Codec::Pcmu]);
    let (mut a, mut b) = call(&f, &f);
    listen(&mut a, &mut b, 100).await;
    b.handle.want_ticks(false);
    // One that was due at this moment may still come.
    while tokio::time::timeout(Duration::from_millis(200), b.events.recv())
        .await
        .is_ok()
    {}
    a.handle.play(SayId(1), sine(700.0, 4_000)).unwrap();
    b.handle.send_dtmf("7");
    let pressed = |e: &MediaEvent| matches!(e, MediaEvent::Dtmf { digit: '7', .. });
    while !a.other.iter().any(pressed) {
        let e = a.events.recv().await.expect("a ended");
        a.take(e);
    }
    while let Ok(e) = b.events.try_recv() {
        assert!(!matches!(e, MediaEvent::Tick { .. }), "{e:?}");
    }
    b.handle.want_ticks(true);
    b.heard.clear();
    listen(&mut a, &mut b, 1_000).await;
    let last = &b.heard[b.heard.len() - 8_000..];
    assert!(tone::is_tone(last, 700.0, RATE_HZ, 0.7));
}
