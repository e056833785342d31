//! The headset of this machine as a telephone of the desk, with real callers, real signalling and real streams of sound.
#![allow(
    clippy::print_stdout,
    reason = "figures are for whoever reads the test's output"
)]

mod support;

use anteroom_appliance::DesktopError;
use anteroom_handset::{CallState, Notice};
use std::time::{Duration, Instant};
use support::baresip::{Baresip, OPUS, PCMU};
use support::server::{recorded, until_recorded};
use support::{Desk, HUM_HZ, eventually, purity, until};

/// What the caller hums.
const CALLER_HZ: f32 = 440.0;

fn rings(v: &anteroom_handset::View) -> bool {
    v.calls.iter().any(|c| c.state == CallState::Ringing)
}

#[test]
fn a_caller_rings_the_headset_is_answered_held_and_not_lost_when_it_is_torn_out() {
    let mut desk = Desk::start();
    let ear = desk.sound.plug_speaker("desk_ear", "Ear", 44_100);
    let (own, other) = (desk.sound.record("desk_ear"), desk.sound.record("built_in"));
    let bell = desk.sound.record("bell");
    let phone = desk.telephone();
    let people = desk.engine.people().people;
    let here = people.iter().find(|p| p.user == phone.user()).unwrap();
    assert_eq!(
        here.devices[0].kind,
        anteroom_api::DeviceKind::Desktop,
        "{people:?}"
    );
    let mut caller = Baresip::start(desk.dir.path(), "caller", PCMU);
    caller.dial(&desk.uri());
    let view = until(&phone, "it rings here", rings);
    assert_eq!(view.calls[0].with, "caller", "{view:?}");
    eventually("the bell rings", || {
        recorded(&bell).iter().any(|s| s.abs() > 3_000).then_some(())
    });
    until(&phone, "the headset is warm", |v| {
        v.headset.is_some() && v.microphone.is_some()
    });
    let answered = Instant::now();
    assert!(phone.answer(None));
    caller.until_it_hears(HUM_HZ);
    println!(
        "the caller hears who answered {} ms after the answer",
        answered.elapsed().as_millis()
    );
    caller.hum(CALLER_HZ);
    until_recorded(&own, CALLER_HZ);
    // Muted, the caller hears nothing.
    phone.mute(true);
    eventually("silence", || {
        let heard = caller.heard();
        heard
            .iter()
            .rev()
            .take(1_600)
            .all(|s| s.abs() < 100)
            .then_some(())
    });
    phone.mute(false);
    caller.until_it_hears(HUM_HZ);
    // Held, they hear something that is not us, and who holds hears nothing of them.
    let leg = phone.view().calls[0].leg;
    phone.hold(leg, true);
    eventually("music", || {
        let heard = caller.heard();
        let last = &heard[heard.len() - 4_000..];
        let loud = last.iter().any(|s| s.abs() > 300);
        (loud && purity(last, HUM_HZ, 8_000) < 0.2).then_some(())
    });
    phone.hold(leg, false);
    caller.until_it_hears(HUM_HZ);
    until_recorded(&own, CALLER_HZ);
    // Torn out: the call goes on elsewhere, and it is said.
    let torn = Instant::now();
    desk.sound.unplug(&ear);
    until_recorded(&other, CALLER_HZ);
    println!(
        "heard on another device {} ms after the headset was torn out",
        torn.elapsed().as_millis()
    );
    let view = until(&phone, "it is said", |v| v.notices.len() >= 2);
    let said: Vec<Notice> = view.notices.iter().map(|(_, n)| n.clone()).collect();
    assert_eq!(
        said,
        [
            Notice::Lost {
                what: "headset",
                name: "Ear".into()
            },
            Notice::Instead {
                what: "headset",
                name: "Speakers".into()
            }
        ]
    );
    caller.until_it_hears(HUM_HZ);
    // The caller hangs up: nothing is left, and the microphone is off.
    caller.command("hangup");
    until(&phone, "the call is over", |v| v.calls.is_empty());
    eventually("nothing of ours is open", || {
        let s = desk.sound.pactl(&["list", "source-outputs"]) + &desk.sound.pactl(&["list", "sink-inputs"]);
        (!s.contains("cpal-pulseaudio")).then_some(())
    });
    caller.hang_up();
}

#[test]
fn headset_and_telephone_ring_together_and_whoever_answers_first_has_the_caller() {
    let mut desk = Desk::start();
    desk.sound.plug_speaker("desk_ear", "Ear", 48_000);
    let own = desk.sound.record("desk_ear");
    let phone = desk.telephone();
    let mut beside = Baresip::that_rings(
        desk.dir.path(),
        "201",
        &desk.password,
        &desk.sip().to_string(),
        OPUS,
    );
    // The telephone is faster.
    let mut caller = Baresip::start(desk.dir.path(), "caller", PCMU);
    caller.dial(&desk.uri());
    until(&phone, "it rings here", rings);
    beside.until_it_says("Incoming call from");
    beside.command("accept");
    let view = until(&phone, "it rings no longer", |v| v.calls.is_empty());
    assert_eq!(
        view.notices.last().map(|(_, n)| n.clone()),
        Some(Notice::Elsewhere)
    );
    caller.hum(CALLER_HZ);
    beside.until_it_hears(CALLER_HZ);
    caller.hang_up();
    beside.until_it_says("session closed");
    // The headset is.
    let rung = beside.log().matches("Incoming call from").count();
    let mut second = Baresip::start(desk.dir.path(), "second", PCMU);
    second.dial(&desk.uri());
    until(&phone, "it rings here again", rings);
    eventually("and at the telephone", || {
        (beside.log().matches("Incoming call from").count() > rung).then_some(())
    });
    assert!(phone.answer(None));
    second.until_it_hears(HUM_HZ);
    second.hum(CALLER_HZ);
    until_recorded(&own, CALLER_HZ);
    // Who sits here hangs up: the caller is not left on a dead line.
    phone.hang_up(phone.view().calls[0].leg);
    second.until_it_says("terminated");
    until(&phone, "nothing is left", |v| v.calls.is_empty());
    second.hang_up();
    // Declined here, it goes on ringing there.
    let rung = beside.log().matches("Incoming call from").count();
    let mut third = Baresip::start(desk.dir.path(), "third", PCMU);
    third.dial(&desk.uri());
    let view = until(&phone, "it rings a third time", rings);
    eventually("and at the telephone", || {
        (beside.log().matches("Incoming call from").count() > rung).then_some(())
    });
    phone.hang_up(view.calls[0].leg);
    until(&phone, "it rings here no longer", |v| v.calls.is_empty());
    beside.command("accept");
    third.hum(CALLER_HZ);
    beside.until_it_hears(CALLER_HZ);
    third.hang_up();
    beside.hang_up();
}

#[test]
fn the_headset_rings_a_colleague_and_is_told_of_what_cannot_be_reached() {
    let mut desk = Desk::start();
    desk.sound.plug_speaker("desk_ear", "Ear", 48_000);
    let own = desk.sound.record("desk_ear");
    let phone = desk.telephone();
    // Nobody's telephone is there yet.
    phone.dial("201").unwrap();
    let view = until(&phone, "it is refused", |v| v.calls.is_empty());
    assert_eq!(
        view.notices.last().map(|(_, n)| n.clone()),
        Some(Notice::Refused { status: 480 })
    );
    // A number outside is for those who may.
    phone.dial("01632 960001").unwrap();
    let view = until(&phone, "it is refused", |v| {
        v.calls.is_empty() && v.notices.len() == 2
    });
    assert_eq!(
        view.notices.last().map(|(_, n)| n.clone()),
        Some(Notice::Refused { status: 403 })
    );
    let mut beside = Baresip::that_rings(
        desk.dir.path(),
        "201",
        &desk.password,
        &desk.sip().to_string(),
        OPUS,
    );
    let leg = phone.dial("201").unwrap();
    beside.until_it_says("Incoming call from");
    // Until it is answered who dialled hears it ring.
    eventually("the ringing is heard", || {
        recorded(&own).iter().any(|s| s.abs() > 500).then_some(())
    });
    assert_eq!(phone.view().calls[0].state, CallState::Dialling);
    beside.command("accept");
    until(&phone, "it is answered", |v| {
        v.calls.iter().any(|c| c.state == CallState::Talking)
    });
    beside.hum(CALLER_HZ);
    until_recorded(&own, CALLER_HZ);
    beside.until_it_hears(HUM_HZ);
    phone.press("5");
    phone.hang_up(leg);
    beside.until_it_says("terminated");
    until(&phone, "nothing is left", |v| v.calls.is_empty());
    // While the machine is being stopped nothing is placed but an emergency; here there is no trunk, and it fails by that.
    desk.runtime.block_on(desk.engine.drain(Duration::ZERO));
    assert_eq!(phone.dial("201").unwrap_err(), DesktopError::NotPlaced);
    phone.dial("999").unwrap();
    until(&phone, "it came as far as the trunks", |v| {
        let last = v.notices.last().map(|(_, n)| n.clone());
        v.calls.is_empty() && last == Some(Notice::Refused { status: 503 })
    });
    // Whoever leaves is rung no more.
    drop(phone);
    eventually("the device is gone", || {
        let people = desk.engine.people().people;
        people.iter().all(|p| p.user != "desktop").then_some(())
    });
    beside.hang_up();
}
