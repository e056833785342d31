//! Real streams of real devices, as far as a machine without a sound card has any: a sound server with null sinks, whose
//! clock is the machine's.
#![allow(
    clippy::print_stdout,
    reason = "figures are for whoever reads the test's output"
)]

mod support;

use anteroom_sound::{Choice, Cleaning, Headset, Line, SoundEvent, Use, devices};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use support::server::{Server, eventually, recorded, until_recorded};
use support::{purity, sine};

const RAW: Cleaning = Cleaning {
    echo: false,
    noise: false,
};

/// A line that hums to who sits here and keeps what they say.
#[derive(Clone)]
struct Hum {
    hz: f32,
    at: Arc<Mutex<usize>>,
    heard: Arc<Mutex<Vec<i16>>>,
}

impl Hum {
    fn new(hz: f32) -> Self {
        Self {
            hz,
            at: Arc::default(),
            heard: Arc::default(),
        }
    }
    fn until_heard(&self, hz: f32) {
        eventually(&format!("the line hears {hz} Hz"), || {
            let heard = self.heard.lock().unwrap();
            let last = heard.get(heard.len().checked_sub(3_200)?..)?;
            (purity(last, hz, 16_000) > 0.9).then_some(())
        });
    }
}

impl Line for Hum {
    fn capture(&mut self, samples: &[i16]) {
        self.heard.lock().unwrap().extend(samples);
    }
    fn playback(&mut self, out: &mut [i16]) {
        let mut at = self.at.lock().unwrap();
        for s in out {
            *s = ((std::f32::consts::TAU * self.hz * *at as f32 / 16_000.0).sin() * 8_000.0) as i16;
            *at += 1;
        }
    }
}

type Told = Arc<Mutex<Vec<SoundEvent>>>;

fn start(choice: Choice) -> (Headset, Told) {
    let told = Told::default();
    let tell = Arc::clone(&told);
    let headset = Headset::start(choice, move |e| tell.lock().unwrap().push(e)).unwrap();
    (headset, told)
}

fn until_told(told: &Told, what: &str, is: impl Fn(&SoundEvent) -> bool) -> SoundEvent {
    eventually(&format!("{what}: {:?}", told.lock().unwrap()), || {
        told.lock().unwrap().iter().find(|e| is(e)).cloned()
    })
}

fn chosen(cleaning: Cleaning) -> Choice {
    Choice {
        microphone: Some("pulseaudio:desk_mic".into()),
        headset: Some("pulseaudio:desk_ear".into()),
        ringer: Some("pulseaudio:bell".into()),
        cleaning,
    }
}

#[test]
fn tones_go_both_ways_through_devices_of_any_rate_and_nothing_is_open_between_calls() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    server.plug_speaker("desk_ear", "Ear", 44_100);
    server.plug_microphone("desk_mic", "Mic", 44_100);
    server.plug_speaker("bell", "Bell", 48_000);
    let known = devices().unwrap();
    let names = |l: &[anteroom_sound::DeviceInfo]| l.iter().map(|d| d.name.clone()).collect::<Vec<_>>();
    assert!(names(&known.speakers).contains(&"Ear".to_owned()), "{known:?}");
    assert!(names(&known.microphones).contains(&"Mic".to_owned()), "{known:?}");
    assert!(
        known.microphones.iter().all(|d| !d.id.ends_with(".monitor")),
        "{known:?}"
    );
    let ear = server.record("desk_ear");
    server.say("desk_mic", &sine(620.0, 48_000, 200, 0.3));
    let (headset, told) = start(chosen(RAW));
    let line = Hum::new(440.0);
    let began = Instant::now();
    headset.connect(Box::new(line.clone()));
    line.until_heard(620.0);
    until_recorded(&ear, 440.0);
    println!(
        "tones both ways {} ms after the first call began",
        began.elapsed().as_millis()
    );
    let levels = headset.levels();
    assert!(
        levels.microphone_db > -20.0 && levels.headset_db > -20.0,
        "{levels:?}"
    );
    // A muted microphone sends silence and still shows that it hears.
    headset.mute(true);
    eventually("the line hears nothing", || {
        let heard = line.heard.lock().unwrap();
        heard.iter().rev().take(3_200).all(|s| *s == 0).then_some(())
    });
    assert!(headset.levels().microphone_db > -20.0);
    headset.mute(false);
    line.until_heard(620.0);
    // It rings elsewhere, while the headset is in use.
    let bell = server.record("bell");
    headset.ring(true);
    eventually("the bell rings", || {
        recorded(&bell).iter().any(|s| s.abs() > 3_000).then_some(())
    });
    headset.ring(false);
    headset.disconnect();
    headset.rest();
    eventually("nothing of ours is open", || {
        let streams = server.pactl(&["list", "source-outputs"]) + &server.pactl(&["list", "sink-inputs"]);
        (!streams.contains("cpal-pulseaudio")).then_some(())
    });
    assert!(
        told.lock()
            .unwrap()
            .iter()
            .all(|e| matches!(e, SoundEvent::Opened { instead: false, .. })),
        "{told:?}"
    );
}

#[test]
fn what_is_unplugged_in_mid_call_is_replaced_and_told_and_comes_back_for_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    server.plug_speaker("built_in", "Speakers", 48_000);
    server.plug_microphone("built_in_mic", "Array", 48_000);
    server.pactl(&["set-default-sink", "built_in"]);
    server.pactl(&["set-default-source", "built_in_mic"]);
    let ear = server.plug_speaker("desk_ear", "Ear", 48_000);
    let mic = server.plug_microphone("desk_mic", "Mic", 48_000);
    server.say("desk_mic", &sine(620.0, 48_000, 200, 0.3));
    server.say("built_in_mic", &sine(880.0, 48_000, 200, 0.3));
    let own = server.record("desk_ear");
    let other = server.record("built_in");
    let (headset, told) = start(chosen(RAW));
    let line = Hum::new(440.0);
    headset.connect(Box::new(line.clone()));
    line.until_heard(620.0);
    until_recorded(&own, 440.0);
    let torn = Instant::now();
    server.unplug(&ear);
    let lost = |what: Use| move |e: &SoundEvent| matches!(e, SoundEvent::Lost { what: w, .. } if *w == what);
    until_told(&told, "the headset is lost", lost(Use::Headset));
    until_told(
        &told,
        "another is used",
        |e| matches!(e, SoundEvent::Opened { what: Use::Headset, name, instead: true } if name == "Speakers"),
    );
    println!(
        "headset replaced {} ms after it was torn out",
        torn.elapsed().as_millis()
    );
    until_recorded(&other, 440.0);
    // The other direction went on.
    line.until_heard(620.0);
    let torn = Instant::now();
    server.unplug(&mic);
    until_told(&told, "the microphone is lost", lost(Use::Microphone));
    until_told(
        &told,
        "another is used",
        |e| matches!(e, SoundEvent::Opened { what: Use::Microphone, name, instead: true } if name == "Array"),
    );
    println!(
        "microphone replaced {} ms after it was torn out",
        torn.elapsed().as_millis()
    );
    line.until_heard(880.0);
    headset.disconnect();
    headset.rest();
    // Plugged in again, it is what the next call uses.
    server.plug_speaker("desk_ear", "Ear", 48_000);
    told.lock().unwrap().clear();
    headset.connect(Box::new(line));
    until_told(
        &told,
        "the chosen one is used again",
        |e| matches!(e, SoundEvent::Opened { what: Use::Headset, name, instead: false } if name == "Ear"),
    );
}

#[test]
fn a_machine_without_any_device_says_so_and_uses_what_is_plugged_in_later() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let (headset, told) = start(Choice {
        cleaning: RAW,
        ..Choice::default()
    });
    let line = Hum::new(440.0);
    headset.connect(Box::new(line.clone()));
    until_told(&told, "no headset", |e| {
        *e == SoundEvent::Missing { what: Use::Headset }
    });
    server.plug_speaker("late", "Late", 48_000);
    server.pactl(&["set-default-sink", "late"]);
    let ear = server.record("late");
    until_told(
        &told,
        "the late one is used",
        |e| matches!(e, SoundEvent::Opened { what: Use::Headset, name, .. } if name == "Late"),
    );
    until_recorded(&ear, 440.0);
    // Without a microphone the line is not left without frames.
    eventually("the line gets silence", || {
        (line.heard.lock().unwrap().len() > 16_000).then_some(())
    });
}
