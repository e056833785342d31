//! The desktop device's row of the interop matrix: tones both ways, keys both ways, hold by either side, and calls given on
//! by it and to it.

mod support;

use anteroom_api::{BriefingKind, DeskCommand, Role, Who};
use anteroom_handset::{CallState, Telephone};
use anteroom_types::CallId;
use std::path::Path;
use support::baresip::{Baresip, OPUS, PCMU};
use support::server::{recorded, until_recorded};
use support::{Desk, HUM_HZ, eventually, purity, until};

const CALLER_HZ: f32 = 440.0;
const OTHER_HZ: f32 = 830.0;

/// Waits until the last fifth of a second in the headset has no such tone.
fn until_unheard(file: &Path, hz: f32) {
    eventually("the headset hears it no longer", || {
        let all = recorded(file);
        let last = all.get(all.len().checked_sub(9_600)?..)?;
        (purity(last, hz, 48_000) < 0.2).then_some(())
    });
}

/// Waits until the headset has heard the two tones of a key at once, for a twentieth of a second.
fn until_key_heard(file: &Path, since: usize, [low, high]: [f32; 2]) {
    eventually("the headset hears the key", || {
        let all = recorded(file);
        let mut frames = all.get(since..)?.chunks_exact(2_400);
        frames
            .any(|f| purity(f, low, 48_000) > 0.3 && purity(f, high, 48_000) > 0.3)
            .then_some(())
    });
}

fn answered(phone: &Telephone) -> CallId {
    let view = until(phone, "it rings here", |v| {
        v.calls.iter().any(|c| c.state == CallState::Ringing)
    });
    assert!(phone.answer(None), "{view:?}");
    view.calls[0].call.expect("a call on the board")
}

#[test]
fn the_desktop_device_goes_through_everything() {
    let mut desk = Desk::start();
    desk.sound.plug_speaker("desk_ear", "Ear", 48_000);
    let own = desk.sound.record("desk_ear");
    let phone = desk.telephone();
    let sip = desk.sip().to_string();
    let me = Who {
        role: Role::FrontDesk,
        user: Some(phone.user().to_owned()),
    };
    let order = |call, command: DeskCommand| {
        let done = desk
            .runtime
            .block_on(desk.engine.desk_command(&me, call, command.clone()));
        done.unwrap_or_else(|e| panic!("{command:?}: {e:?}"));
    };
    let mut other = Baresip::at_desk(desk.dir.path(), "202", &desk.other_password, &sip, OPUS);

    let mut caller = Baresip::start(desk.dir.path(), "caller", PCMU);
    caller.dial(&desk.uri());
    let call = answered(&phone);
    caller.until_it_hears(HUM_HZ);
    caller.hum(CALLER_HZ);
    until_recorded(&own, CALLER_HZ);

    // 5 is 770 and 1336 Hz (ITU-T Q.23).
    let since = recorded(&own).len();
    caller.press("5");
    until_key_heard(&own, since, [770.0, 1_336.0]);
    phone.press("7");
    caller.until_it_got_key('7');

    let leg = phone.view().calls[0].leg;
    phone.hold(leg, true);
    caller.until_it_hears_no(HUM_HZ);
    phone.hold(leg, false);
    caller.until_it_hears(HUM_HZ);
    // Who has held the other keeps no copy of what it hears any more: the headset listens.
    caller.press("x");
    until_unheard(&own, CALLER_HZ);
    caller.press("X");
    until_recorded(&own, CALLER_HZ);

    // Given on at once.
    let to = "202".to_owned();
    order(
        call,
        DeskCommand::Transfer {
            to: to.clone(),
            briefing: None,
        },
    );
    other.until_it_says("Call established");
    until(&phone, "it is given away", |v| v.calls.is_empty());
    other.hum(OTHER_HZ);
    caller.hum(CALLER_HZ);
    other.until_it_hears(CALLER_HZ);
    // Given back by the telephone, to whoever sits here.
    other.command(&format!("transfer sip:{}@{sip}", phone.user()));
    assert_eq!(answered(&phone), call, "it is the same call");
    until_recorded(&own, CALLER_HZ);
    other.until_it_is_over();
    caller.command("hangup");
    until(&phone, "the call is over", |v| v.calls.is_empty());
    caller.hang_up();

    // Given on after a word with the colleague.
    let mut second = Baresip::start(desk.dir.path(), "second", OPUS);
    second.dial(&desk.uri());
    let call = answered(&phone);
    second.until_it_hears(HUM_HZ);
    order(
        call,
        DeskCommand::Warm {
            to,
            briefing: BriefingKind::Spoken,
            note: None,
        },
    );
    other.hum(OTHER_HZ);
    until_recorded(&own, OTHER_HZ);
    other.until_it_hears(HUM_HZ);
    second.until_it_hears_no(HUM_HZ);
    order(call, DeskCommand::Complete);
    second.hum(CALLER_HZ);
    other.until_it_hears(CALLER_HZ);
    second.until_it_hears(OTHER_HZ);
    until(&phone, "it is given away", |v| v.calls.is_empty());
    second.hang_up();
    other.until_it_is_over();
    other.hang_up();
}
