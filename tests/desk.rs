//! Callers are put through to people: telephones that register here ring, talk, hold and hang up.

mod support;

use serde_json::json;
use support::baresip::{Baresip, OPUS, PCMU};
use support::{Appliance, Settings};

/// What the caller and the telephone at the desk hum, hertz.
const CALLER_HZ: f32 = 440.0;
const DESK_HZ: f32 = 620.0;

fn facts(call: &support::record::Record) -> Vec<String> {
    call.events("desk")
        .iter()
        .map(|e| e["what"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_caller_who_asks_for_a_person_is_put_through_to_a_telephone() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let password = support::add(dir.path(), "201", &[]);
    let a = Appliance::start_with(
        dir.path(),
        Settings {
            brief: true,
            ..Settings::default()
        },
    );
    let mut desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), OPUS);
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    let (_, ms) = caller.listen(0);
    assert!(ms > 1_000, "the greeting was {ms} ms of sound");
    caller.speak("call-questions-4.wav");
    desk.until_it_says("Call established");
    caller.hum(CALLER_HZ);
    desk.hum(DESK_HZ);
    desk.until_it_hears(CALLER_HZ);
    caller.until_it_hears(DESK_HZ);
    // Who hangs up as soon as they have answered has fumbled, and the caller would go on to others.
    desk.until_it_has_heard(8);
    // The one at the desk hangs up: the caller is not left on a dead line.
    desk.command("hangup");
    caller.until_it_says("terminated");
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    desk.hang_up();
    caller.hang_up();
    a.stop();
    let story = call.story();
    assert_eq!(facts(&call), ["rung", "answered"], "{story}");
    assert_eq!(call.events("desk")[1]["who"], "201", "{story}");
    assert!(!call.has("task_created"), "{story}");
}

#[test]
fn a_caller_who_asks_for_a_person_and_hangs_up_makes_one_task() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    support::add(dir.path(), "201", &[]);
    let a = Appliance::start_with(
        dir.path(),
        Settings {
            brief: true,
            ..Settings::default()
        },
    );
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    caller.listen(0);
    // Nobody's telephone is registered: the receptionist says so and offers to have them rung back.
    caller.speak("call-questions-4.wav");
    a.until_call("caller", "the caller is told that nobody is free", |c| {
        c.events("said")
            .iter()
            .any(|s| s["text"].as_str().is_some_and(|t| t.contains("nobody is free")))
    });
    caller.hang_up();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    a.stop();
    assert_eq!(call.events("task_created").len(), 1, "{}", call.story());
}

#[test]
fn the_kill_switch_hands_a_caller_in_mid_sentence_to_people() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let password = support::add(dir.path(), "201", &[]);
    let a = Appliance::start(dir.path(), "");
    let mut desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), PCMU);
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    // The greeting is long enough to be in the middle of.
    caller.until_it_has_heard(2);
    assert_eq!(a.order("/api/v1/automation", &json!({ "on": false })).status, 200);
    desk.until_it_says("Call established");
    desk.hum(DESK_HZ);
    caller.hum(CALLER_HZ);
    caller.until_it_hears(DESK_HZ);
    desk.until_it_hears(CALLER_HZ);
    caller.hang_up();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    desk.hang_up();
    a.stop();
    assert_eq!(
        facts(&call),
        ["automation_off", "rung", "answered"],
        "{}",
        call.story()
    );
    assert!(!call.has("task_created"), "{}", call.story());
}

#[test]
fn who_answers_a_telephone_is_told_by_ear_what_the_caller_said_and_hears_them_then() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let password = support::add(dir.path(), "201", &[]);
    let settings = Settings {
        brief: true,
        more: "[desk]\nbriefing = \"by_device\"\n",
        ..Settings::default()
    };
    let a = Appliance::start_with(dir.path(), settings);
    let mut desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), PCMU);
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    caller.listen(0);
    caller.speak("call-questions-4.wav");
    desk.until_it_says("Call established");
    // Words, before anybody has hummed.
    support::eventually("it hears words", || {
        (desk.sound().iter().filter(|s| **s).count() * 20 > 800).then_some(())
    });
    let answered = |c: &support::record::Record| facts(c).iter().any(|f| f == "answered");
    assert!(!answered(&a.call_from("caller").unwrap()));
    // Whoever knows enough takes the caller with a key.
    desk.press("1");
    a.until_call("caller", "they have the caller", answered);
    caller.hum(CALLER_HZ);
    desk.hum(DESK_HZ);
    desk.until_it_hears(CALLER_HZ);
    caller.until_it_hears(DESK_HZ);
    caller.hang_up();
    a.until_call("caller", "the call has ended", |c| c.has("ended"));
    desk.hang_up();
    a.stop();
}

#[test]
fn what_is_promised_after_a_task_was_made_is_written_to_it() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let password = support::add(dir.path(), "201", &[]);
    let settings = Settings {
        brief: true,
        ..Settings::default()
    };
    let a = Appliance::start_with(dir.path(), settings);
    let desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), PCMU);
    let mut caller = Baresip::start(dir.path(), "07700900142", PCMU);
    caller.ring(&a.desk());
    caller.listen(0);
    caller.speak("call-urgent-1.wav");
    let from = "07700900142";
    let call = a.until_call(from, "somebody has the caller", |c| {
        c.has("task_created") && facts(c).iter().any(|f| f == "answered")
    });
    let id = call.summary()["id"].as_str().unwrap().to_owned();
    let due = 4_000_000_000_000_i64.min(call.events("task_created")[0]["due"].as_i64().unwrap() + 7_200_000);
    let task = call.events("task_created")[0]["task"].as_str().unwrap();
    // Somebody was done with it meanwhile.
    let path = format!("/api/v1/tasks/{task}");
    let done = json!({ "command": "done", "outcome": "seen to" });
    assert_eq!(a.order(&path, &done).json()["status"], "done");
    let promised = a.order(
        &format!("/api/v1/calls/{id}/desk"),
        &json!({ "command": "callback", "note": "Ring the neighbour", "due": due }),
    );
    assert_eq!(promised.status, 200, "{promised:?}");
    assert_eq!(promised.json()["task"], task);
    let written = support::eventually("the promise is on the task", || {
        let t = a.api(&path);
        (t["task"]["due"] == due).then_some(t)
    });
    assert_eq!(written["task"]["status"], "open", "{written}");
    assert!(written.to_string().contains("Ring the neighbour"), "{written}");
    caller.hang_up();
    let call = a.until_call(from, "the call has ended", |c| c.has("ended"));
    assert_eq!(call.events("task_created").len(), 1, "{}", call.story());
    desk.hang_up();
    a.stop();
}

#[test]
fn nothing_is_kept_while_a_payment_card_is_read_out() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let password = support::add(dir.path(), "201", &[]);
    let settings = Settings {
        brief: true,
        ..Settings::default()
    };
    let a = Appliance::start_with(dir.path(), settings);
    let desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), PCMU);
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    caller.listen(0);
    caller.speak("call-questions-4.wav");
    desk.until_it_says("Call established");
    let heard = |c: &support::record::Record| c.heard().len();
    let before = heard(&a.call_from("caller").unwrap());
    caller.speak("call-prescription-1.wav");
    let call = a.until_call("caller", "the caller is transcribed", |c| heard(c) > before);
    let path = format!("/api/v1/calls/{}/desk", call.summary()["id"].as_str().unwrap());
    let order = |command: &str| a.order(&path, &json!({ "command": command })).status;

    assert_eq!(order("pause_recording"), 200);
    let paused = heard(&a.call_from("caller").unwrap());
    // On hold meanwhile it stays paused.
    assert_eq!((order("hold"), order("resume")), (200, 200));
    for key in ['4', '9'] {
        caller.press(&key.to_string());
        desk.until_it_got_key(key);
    }
    caller.speak("call-reschedule-2.wav");
    let seconds = u32::try_from(desk.heard().len() / 8_000).unwrap();
    desk.until_it_has_heard(seconds + 8);
    assert_eq!(heard(&a.call_from("caller").unwrap()), paused, "{}", call.story());

    assert_eq!(order("resume_recording"), 200);
    caller.speak("call-prescription-1.wav");
    a.until_call("caller", "the caller is transcribed again", |c| heard(c) > paused);
    caller.command("hangup");
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    // Afterwards there is nobody who could pause it.
    assert_eq!(order("pause_recording"), 404);
    desk.hang_up();
    caller.hang_up();
    a.stop();
    let story = call.story();
    let on: Vec<_> = call.events("recording").iter().map(|r| r["on"] == true).collect();
    assert_eq!(on, [true, false, true], "{story}");
    assert!(!call.has("dtmf"), "{story}");
}
