//! The desktop's own leg, and conferences, over loopback sockets through the public interface.

use anteroom_media::{
    Codec, LocalAudio, MediaConfig, MediaEvent, MediaFactory, MediaHandle, Path, Role, bridge, mix, tone,
};
use anteroom_types::{FRAME_SAMPLES, RATE_HZ, SayId};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Receiver;

fn factory(first_port: u16, codec: Codec) -> MediaFactory {
    let config = MediaConfig {
        ports: first_port..=first_port + 15,
        codecs: vec![codec],
        silence_timeout_ms: 600,
        ..MediaConfig::default()
    };
    MediaFactory::new(config, Instant::now()).unwrap()
}

struct Leg {
    handle: MediaHandle,
    events: Receiver<MediaEvent>,
    heard: Vec<i16>,
    other: Vec<MediaEvent>,
}

impl Leg {
    fn new(handle: MediaHandle, events: Receiver<MediaEvent>) -> Self {
        Self {
            handle,
            events,
            heard: Vec::new(),
            other: Vec::new(),
        }
    }

    async fn listen(&mut self, ms: usize) {
        let until = self.heard.len() + ms * 16;
        while self.heard.len() < until {
            match self.events.recv().await.expect("ended") {
                MediaEvent::Tick { rx, .. } => self.heard.extend(*rx),
                e => self.other.push(e),
            }
        }
    }

    fn last(&self, ms: usize) -> &[i16] {
        &self.heard[self.heard.len() - ms * 16..]
    }

    fn digits(&self) -> String {
        self.other
            .iter()
            .filter_map(|e| match e {
                MediaEvent::Dtmf { digit, .. } => Some(*digit),
                _ => None,
            })
            .collect()
    }

    fn say(&self, hz: f64) {
        let audio: Arc<[i16]> = tone::sine(hz, RATE_HZ, 9_000, 16_000).into();
        self.handle.play_loop(SayId(1), audio).unwrap();
    }
}

/// A telephone and our leg to it.
fn call(f: &MediaFactory) -> (Leg, Leg) {
    let (mut phone, offer) = f.offer().unwrap();
    let (leg, answer) = f.answer(&offer).unwrap();
    phone.remote_answer(&answer).unwrap();
    let ((ph, pe), (lh, le)) = (phone.start(), leg.start());
    (Leg::new(ph, pe), Leg::new(lh, le))
}

/// A headset whose microphone hears a sine: it moves with the leg's own ticks.
struct Headset {
    audio: LocalAudio,
    sine: Vec<i16>,
    at: usize,
    played: Vec<i16>,
}

impl Headset {
    fn step(&mut self) {
        let next: Vec<i16> = (0..FRAME_SAMPLES)
            .map(|n| self.sine[(self.at + n) % self.sine.len()])
            .collect();
        self.at += FRAME_SAMPLES;
        self.audio.capture(&next);
        let mut out = [0; FRAME_SAMPLES];
        self.audio.playback(&mut out);
        self.played.extend(out);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_headset_of_this_machine_talks_to_a_telephone() {
    let f = factory(17_600, Codec::Pcmu);
    let free = f.free_ports();
    let (handle, events, audio) = f.local();
    assert_eq!((f.free_ports(), handle.codec()), (free, None));
    assert!(handle.local_offer().is_err());
    let mut desk = Leg::new(handle, events);
    let mut headset = Headset {
        audio: audio.clone(),
        sine: tone::sine(620.0, RATE_HZ, 9_000, 16_000),
        at: 0,
        played: Vec::new(),
    };
    let (mut phone, mut leg) = call(&f);
    phone.say(440.0);
    let together = bridge(&desk.handle, &leg.handle);
    let mut run = async |ms: usize, desk: &mut Leg, phone: &mut Leg, leg: &mut Leg| {
        for _ in 0..ms / 20 {
            headset.step();
            tokio::join!(desk.listen(20), phone.listen(20), leg.listen(20));
        }
        headset.played[headset.played.len() - 16 * 400..].to_vec()
    };
    let is = |samples: &[i16], hz| tone::is_tone(samples, hz, RATE_HZ, 0.7);
    // A busy machine stutters; it is tried for a while.
    let mut heard = [false; 3];
    for _ in 0..8 {
        let played = run(1_000, &mut desk, &mut phone, &mut leg).await;
        let now = [
            is(&played, 440.0),
            is(phone.last(400), 620.0),
            is(desk.last(400), 620.0),
        ];
        heard = std::array::from_fn(|n| heard[n] || now[n]);
        if heard == [true; 3] {
            break;
        }
    }
    assert_eq!(heard, [true; 3], "headset, telephone, leg");
    assert!(desk.other.contains(&MediaEvent::FirstPacket));
    assert_eq!(desk.handle.stats().path, Path::Local);

    // Keys both ways: to the telephone as events, to the headset as tones and as an event for the screen.
    audio.press("5#x");
    phone.handle.stop_loop();
    phone.handle.send_dtmf("7");
    run(1_500, &mut desk, &mut phone, &mut leg).await;
    assert_eq!((phone.digits().as_str(), desk.digits().as_str()), ("5#", "5#"));
    assert_eq!(leg.digits(), "7");

    // Hold: the telephone hears music, the headset nothing.
    phone.say(440.0);
    audio.hold(true);
    let played = run(1_500, &mut desk, &mut phone, &mut leg).await;
    assert!(desk.handle.is_held() && desk.other.contains(&MediaEvent::Held(true)));
    assert!(tone::rms(&played) < 1.0);
    assert!(tone::rms(phone.last(600)) > 100.0 && tone::goertzel(phone.last(600), 620.0, RATE_HZ) < 300.0);
    audio.hold(false);
    let mut back = false;
    for _ in 0..8 {
        back = is(&run(1_000, &mut desk, &mut phone, &mut leg).await, 440.0);
        if back {
            break;
        }
    }
    assert!(back);
    assert!(!desk.other.contains(&MediaEvent::SilenceTimeout));
    // The headset is unplugged.
    desk.listen(1_000).await;
    assert!(desk.other.contains(&MediaEvent::SilenceTimeout));
    drop(together);
    desk.handle.stop();
    while desk.events.recv().await.is_some() {}
    // What outlives the leg does no harm.
    audio.press("1");
    audio.capture(&[0; 320]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_talk_and_a_supervisor_listens_whispers_and_barges_in() {
    // Different codecs, so that some pairs relay and some do not; each party has a pitch of its own.
    let f = [
        factory(17_620, Codec::Pcmu),
        factory(17_640, Codec::Opus),
        factory(17_660, Codec::Pcmu),
        factory(17_680, Codec::G722),
    ];
    let hz = [440.0, 620.0, 880.0, 1_250.0];
    let (mut phones, mut legs): (Vec<_>, Vec<_>) = f.iter().map(call).unzip();
    for (p, hz) in phones.iter().zip(hz) {
        p.say(hz);
    }
    let mut m = mix();
    let ids: Vec<_> = legs
        .iter()
        .take(3)
        .map(|l| m.join(&l.handle, Role::Full).unwrap())
        .collect();
    let boss = m.join(&legs[3].handle, Role::Listen).unwrap();
    assert_eq!(m.members().count(), 4);
    assert!(m.hears(boss, ids[0]) && !m.hears(ids[0], boss) && !m.hears(boss, boss));

    // Rows: who of the four each of the four hears.
    let full = [[false, true, true], [true, false, true], [true, true, false]];
    for (role, boss_is_heard) in [
        (Role::Listen, [false, false, false]),
        (Role::Whisper(ids[1]), [false, true, false]),
        (Role::Full, [true, true, true]),
        (Role::Listen, [false, false, false]),
    ] {
        m.set_role(boss, role);
        for _ in 0..75 {
            for leg in phones.iter_mut().chain(&mut legs) {
                leg.listen(20).await;
            }
        }
        for (n, phone) in phones.iter().enumerate() {
            let heard = hz.map(|hz| tone::goertzel(phone.last(400), hz, RATE_HZ) > 2_500.0);
            let expected = if n == 3 {
                [true, true, true, false]
            } else {
                [full[n][0], full[n][1], full[n][2], boss_is_heard[n]]
            };
            assert_eq!(heard, expected, "{role:?}: party {n}");
        }
    }
    m.leave(ids[2]);
    drop(m);
    for leg in phones.iter_mut().chain(&mut legs) {
        leg.listen(600).await;
    }
    assert!(phones.iter().all(|p| tone::rms(p.last(200)) < 30.0));
}
