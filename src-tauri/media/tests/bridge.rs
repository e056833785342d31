//! Bridged sessions over loopback sockets, through the public interface: a telephone on each side, our legs between.

use anteroom_media::{
    Bridge, Codec, MediaConfig, MediaEvent, MediaFactory, MediaHandle, Over, bridge, music, tone,
};
use anteroom_types::{RATE_HZ, SayId};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Receiver;

fn factory(first_port: u16, codec: Codec) -> MediaFactory {
    let config = MediaConfig {
        ports: first_port..=first_port + 7,
        codecs: vec![codec],
        ..MediaConfig::default()
    };
    MediaFactory::new(config, Instant::now()).unwrap()
}

struct Side {
    handle: MediaHandle,
    events: Receiver<MediaEvent>,
    heard: Vec<i16>,
    said: Vec<i16>,
    digits: String,
}

impl Side {
    fn new((handle, events): (MediaHandle, Receiver<MediaEvent>)) -> Self {
        Self {
            handle,
            events,
            heard: Vec::new(),
            said: Vec::new(),
            digits: String::new(),
        }
    }

    /// Listens for `ms` milliseconds.
    async fn listen(&mut self, ms: usize) {
        let until = self.heard.len() + ms * 16;
        while self.heard.len() < until {
            match self.events.recv().await.expect("ended") {
                MediaEvent::Tick { rx, tx, .. } => {
                    self.heard.extend(*rx);
                    self.said.extend(*tx);
                }
                MediaEvent::Dtmf { digit, .. } => self.digits.push(digit),
                _ => {}
            }
        }
    }

    fn last(&self, ms: usize) -> &[i16] {
        &self.heard[self.heard.len() - ms * 16..]
    }
}

/// A telephone and our leg to it.
fn call(f: &MediaFactory) -> (Side, Side) {
    let (mut phone, offer) = f.offer().unwrap();
    let (leg, answer) = f.answer(&offer).unwrap();
    phone.remote_answer(&answer).unwrap();
    (Side::new(phone.start()), Side::new(leg.start()))
}

struct Bridged {
    phones: [Side; 2],
    legs: [Side; 2],
    bridge: Option<Bridge>,
}

impl Bridged {
    fn new(first_port: u16, left: Codec, right: Codec) -> Self {
        let (p1, l1) = call(&factory(first_port, left));
        let (p2, l2) = call(&factory(first_port + 8, right));
        let bridge = Some(bridge(&l1.handle, &l2.handle));
        Self {
            phones: [p1, p2],
            legs: [l1, l2],
            bridge,
        }
    }

    async fn listen(&mut self, ms: usize) {
        let ([a, b], [c, d]) = (&mut self.phones, &mut self.legs);
        tokio::join!(a.listen(ms), b.listen(ms), c.listen(ms), d.listen(ms));
    }
}

fn sine(hz: f64, ms: usize) -> Arc<[i16]> {
    tone::sine(hz, RATE_HZ, 9_000, ms * 16).into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tones_and_keys_go_both_ways_relayed_and_transcoded() {
    for (n, (left, right)) in [
        (Codec::Pcmu, Codec::Pcmu),
        (Codec::Opus, Codec::Opus),
        (Codec::Pcma, Codec::Opus),
        (Codec::G722, Codec::Pcmu),
    ]
    .into_iter()
    .enumerate()
    {
        let mut b = Bridged::new(17_200 + u16::try_from(n).unwrap() * 16, left, right);
        b.phones[0].handle.play(SayId(1), sine(500.0, 4_000)).unwrap();
        b.phones[1].handle.play(SayId(1), sine(900.0, 4_000)).unwrap();
        b.listen(1_500).await;
        for (side, hz, other) in [
            (&b.phones[0], 900.0, 500.0),
            (&b.phones[1], 500.0, 900.0),
            (&b.legs[0], 500.0, 900.0),
            (&b.legs[1], 900.0, 500.0),
        ] {
            // A busy machine may lose a frame now and then; one's own tone must never come back.
            assert!(
                tone::is_tone(side.last(800), hz, RATE_HZ, 0.7),
                "{left} {right} {hz}"
            );
            assert!(
                tone::goertzel(side.last(800), other, RATE_HZ) < 500.0,
                "{left} {right} {hz}"
            );
        }
        let said = &b.legs[0].said;
        assert!(tone::is_tone(&said[said.len() - 12_800..], 900.0, RATE_HZ, 0.7));
        b.phones[0].handle.clear();
        b.phones[0].handle.send_dtmf("12");
        b.phones[1].handle.clear();
        b.phones[1].handle.send_dtmf("9");
        b.listen(1_500).await;
        assert_eq!(
            (b.phones[1].digits.as_str(), b.phones[0].digits.as_str()),
            ("12", "9"),
            "{left} {right}"
        );
        b.bridge = None;
        b.phones[0].handle.play(SayId(2), sine(500.0, 1_000)).unwrap();
        b.listen(600).await;
        assert!(tone::rms(b.phones[1].last(300)) < 30.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hold_music_announcements_and_the_end_of_one_side() {
    let mut b = Bridged::new(17_280, Codec::Pcmu, Codec::Pcmu);
    b.phones[0].handle.play(SayId(1), sine(500.0, 20_000)).unwrap();
    b.listen(800).await;
    // The left telephone holds.
    let hold = b.phones[0]
        .handle
        .local_offer()
        .unwrap()
        .replace("sendrecv", "sendonly");
    b.legs[0].handle.remote_offer(&hold).unwrap();
    assert!(b.legs[0].handle.is_held());
    b.listen(1_200).await;
    assert!(tone::rms(b.phones[1].last(600)) > 100.0);
    assert!(tone::goertzel(b.phones[1].last(600), 500.0, RATE_HZ) < 300.0);
    let back = b.phones[0].handle.local_offer().unwrap();
    let answer = b.legs[0].handle.remote_offer(&back).unwrap();
    b.phones[0].handle.remote_answer(&answer).unwrap();
    b.listen(800).await;
    assert!(tone::is_tone(b.phones[1].last(400), 500.0, RATE_HZ, 0.7));
    // A whisper is heard beside the other side, an announcement instead, and a loop until it is stopped.
    let leg = b.legs[1].handle.clone();
    leg.play_over(SayId(2), sine(1_500.0, 700), Over::Mix).unwrap();
    b.listen(500).await;
    let both = [500.0, 1_500.0].map(|hz| tone::goertzel(b.phones[1].last(250), hz, RATE_HZ) > 3_000.0);
    assert_eq!(both, [true, true]);
    b.listen(600).await;
    leg.play_loop(SayId(3), music::ringback()).unwrap();
    b.listen(700).await;
    leg.stop_loop();
    assert!(tone::goertzel(b.phones[1].last(600), 400.0, RATE_HZ) > 500.0);
    b.listen(600).await;
    assert!(tone::is_tone(b.phones[1].last(300), 500.0, RATE_HZ, 0.7));
    // The left side ends; the right one goes on and can be spoken to.
    b.legs[0].handle.stop();
    b.phones[0].handle.stop();
    let [_, phone] = &mut b.phones;
    phone.listen(600).await;
    assert!(tone::rms(phone.last(200)) < 30.0);
    leg.play(SayId(4), sine(700.0, 600)).unwrap();
    phone.listen(500).await;
    assert!(tone::is_tone(phone.last(250), 700.0, RATE_HZ, 0.7));
}
