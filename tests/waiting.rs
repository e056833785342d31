//! Callers who wait for people: in the queue, and for the tone of the voicemail.

mod support;

use serde_json::json;
use std::path::Path;
use std::time::Duration;
use support::baresip::{Baresip, PCMU};
use support::record::Record;
use support::sipp::Sipp;
use support::{Appliance, Settings};

const CALLER_HZ: f32 = 440.0;
const DESK_HZ: f32 = 620.0;
/// What a caller says who gives a name and a date of birth.
const DETAILS: &str = "call-book-4.wav";

fn was(call: &Record, what: &str) -> bool {
    call.events("desk").iter().any(|e| e["what"] == what)
}

fn tasks(call: &Record) -> Vec<String> {
    let made = call.events("task_created");
    made.iter()
        .map(|t| t["kind"].as_str().unwrap().to_owned())
        .collect()
}

/// An appliance whose receptionist is off, so that callers ring at once.
fn without_receptionist(dir: &Path, desk: &str) -> Appliance {
    support::approve_answers(dir);
    let a = Appliance::start_with(
        dir,
        Settings {
            brief: true,
            more: desk,
            ..Settings::default()
        },
    );
    assert_eq!(a.order("/api/v1/automation", &json!({ "on": false })).status, 200);
    a
}

#[test]
fn a_caller_queues_until_somebody_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let password = support::add(dir.path(), "201", &[]);
    let a = without_receptionist(dir.path(), "[desk]\nnobody_answers = \"queue\"\n");
    let mut desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), PCMU);
    let mut first = Baresip::start(dir.path(), "first", PCMU);
    first.ring(&a.desk());
    a.until_call("first", "it is answered", |c| was(c, "answered"));
    let mut second = Baresip::start(dir.path(), "second", PCMU);
    second.ring(&a.desk());
    a.until_call("second", "it queues", |c| was(c, "queued"));
    // The place is said; what it hears is words and music.
    support::eventually("it hears something while it waits", || {
        (second.sound().iter().filter(|s| **s).count() * 20 > 3_000).then_some(())
    });
    first.hang_up();
    a.until_call("second", "it is answered", |c| was(c, "answered"));
    second.hum(CALLER_HZ);
    desk.hum(DESK_HZ);
    second.until_it_hears(DESK_HZ);
    second.hang_up();
    let call = a.until_call("second", "the call has ended", |c| c.has("ended"));
    assert!(tasks(&call).is_empty(), "{}", call.story());
    desk.hang_up();
    a.stop();
}

#[test]
fn a_caller_in_the_queue_asks_to_be_rung_back_and_one_who_gives_up_is_too() {
    let dir = tempfile::tempdir().unwrap();
    let password = support::add(dir.path(), "201", &[]);
    let a = without_receptionist(dir.path(), "[desk]\nnobody_answers = \"queue\"\n");
    let desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), PCMU);
    let mut first = Baresip::start(dir.path(), "first", PCMU);
    first.ring(&a.desk());
    a.until_call("first", "it is answered", |c| was(c, "answered"));
    // The key is for callers who can be rung back.
    let mut asks = Baresip::start(dir.path(), "07700900111", PCMU);
    asks.ring(&a.desk());
    let mut leaves = Baresip::start(dir.path(), "leaves", PCMU);
    leaves.ring(&a.desk());
    a.until_call("07700900111", "it queues", |c| was(c, "queued"));
    a.until_call("leaves", "it queues", |c| was(c, "queued"));
    asks.press("1");
    asks.until_it_is_over();
    leaves.hang_up();
    for caller in ["07700900111", "leaves"] {
        let call = a.until_call(caller, "the call has ended", |c| c.has("ended"));
        assert_eq!(tasks(&call), ["callback"], "{}", call.story());
    }
    asks.hang_up();
    first.hang_up();
    desk.hang_up();
    a.stop();
}

#[test]
fn a_caller_whom_nobody_answers_leaves_a_message_and_the_lamps_tell_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let password = support::add(dir.path(), "201", &[]);
    let a = without_receptionist(dir.path(), "");
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    a.until_call("caller", "it may leave a message", |c| was(c, "leaves_message"));
    caller.listen(0);
    caller.speak(DETAILS);
    a.until_call("caller", "it was heard", |c| !c.heard().is_empty());
    caller.press("#");
    caller.until_it_is_over();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    let story = call.story();
    assert!(was(&call, "message_kept"), "{story}");
    assert_eq!(tasks(&call), ["voicemail"], "{story}");
    assert!(!call.0["recording"].is_null(), "{story}");
    // Nobody was told that more than the message is kept.
    let on: Vec<_> = call.events("recording").iter().map(|r| r["on"] == true).collect();
    assert_eq!(on, [true, false], "{story}");
    // What was said is its transcript.
    assert!(call.heard()[0].contains("date of birth"), "{story}");
    // A telephone of the desk that registers is told that a message waits.
    let login = ["-s", "201", "-au", "201", "-ap", &password, "-m", "1"];
    let how = ["-trace_msg", "-oocsn", "ooc_default"];
    let told = Sipp::start(dir.path(), "lamp", a.sip, None, &[&login[..], &how].concat()).messages();
    assert!(told.contains("Messages-Waiting: yes"), "{told}");
    assert!(told.contains("Voice-Message: 1/0"), "{told}");
    caller.hang_up();
    let task = is_heard_and_done(&a, &call);
    a.stop();
    // It outlives the appliance: what came of it, and who listened, without a word of either's.
    let shown = support::json_lines(dir.path(), &["tasks", "show", &task, "--json"]);
    let what: Vec<&str> = (shown[0]["history"].as_array().unwrap().iter())
        .map(|l| l["what"].as_str().unwrap())
        .collect();
    assert_eq!(what, ["taken", "note", "done"], "{shown:?}");
    let chain = support::json_lines(dir.path(), &["audit", "export"]);
    for kind in ["recording.heard", "task.taken", "task.noted", "task.closed"] {
        let entries = chain.iter().filter(|e| e["kind"] == kind);
        assert_eq!(entries.count(), 1, "{kind}");
    }
    let text = format!("{chain:?}");
    assert!(!text.contains("Canary") && !text.contains("rang back"), "{text}");
}

#[test]
fn urgent_words_in_a_message_make_an_urgent_task_with_the_message() {
    let dir = tempfile::tempdir().unwrap();
    support::add(dir.path(), "201", &[]);
    let a = without_receptionist(dir.path(), "");
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    a.until_call("caller", "it may leave a message", |c| was(c, "leaves_message"));
    caller.listen(0);
    caller.speak("call-urgent-1.wav");
    a.until_call("caller", "the danger was heard", |c| c.has("marked_urgent"));
    caller.hang_up();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    assert!(was(&call, "message_kept"), "{}", call.story());
    assert_eq!(tasks(&call), ["urgent"], "{}", call.story());
    let open = a.api("/api/v1/tasks");
    let task = a.api(&format!(
        "/api/v1/tasks/{}",
        open["tasks"][0]["id"].as_str().unwrap()
    ));
    assert_eq!(task["recording"]["call"], call.0["summary"]["id"], "{task}");
    a.stop();
}

#[test]
fn what_a_caller_says_last_is_written_down_although_they_hang_up_on_it() {
    const CLIP: &str = "call-urgent-1.wav";
    let dir = tempfile::tempdir().unwrap();
    support::add(dir.path(), "201", &[]);
    let a = without_receptionist(dir.path(), "");
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    a.until_call("caller", "it may leave a message", |c| was(c, "leaves_message"));
    caller.listen(0);
    // Until the last word is out, and not until it is quiet for long enough to be the end of a turn.
    let audio = support::clip_audio(CLIP);
    let words = audio.iter().rposition(|s| s.unsigned_abs() > 1_000).unwrap() / 16;
    caller.speak(CLIP);
    std::thread::sleep(Duration::from_millis(words as u64 + 300));
    caller.hang_up();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    assert!(was(&call, "message_kept"), "{}", call.story());
    assert!(call.heard().join(" ").contains("chest pain"), "{}", call.story());
    assert!(tasks(&call).contains(&"urgent".to_owned()), "{}", call.story());
    a.stop();
}

#[test]
fn urgent_words_on_hold_are_heard_by_the_machine() {
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
    let call = a.until_call("caller", "it is answered", |c| was(c, "answered"));
    // To a person it is for the person to hear.
    caller.speak("call-urgent-1.wav");
    let heard = |c: &Record| c.heard().iter().filter(|t| t.contains("chest pain")).count();
    let call_now = a.until_call("caller", "it is written down", |c| heard(c) == 1);
    assert!(!call_now.has("marked_urgent"), "{}", call_now.story());
    let id = call.0["summary"]["id"].as_str().unwrap();
    let hold = a.order(&format!("/api/v1/calls/{id}/desk"), &json!({ "command": "hold" }));
    assert_eq!(hold.status, 200, "{hold:?}");
    a.until_call("caller", "it is held", |c| was(c, "held"));
    caller.speak("call-urgent-1.wav");
    let call = a.until_call("caller", "everybody sees it", |c| {
        c.has("marked_urgent") && c.has("task_created")
    });
    assert_eq!(tasks(&call), ["urgent"], "{}", call.story());
    caller.hang_up();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    assert_eq!(tasks(&call), ["urgent"], "{}", call.story());
    desk.hang_up();
    a.stop();
}

#[test]
fn urgent_words_in_the_queue_ring_everybody_whoever_talks() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let password = support::add(dir.path(), "201", &[]);
    let settings = Settings {
        brief: true,
        more: "[desk]\nnobody_answers = \"queue\"\n",
        ..Settings::default()
    };
    let a = Appliance::start_with(dir.path(), settings);
    let desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), PCMU);
    let mut callers = ["first", "second"].map(|name| {
        let mut caller = Baresip::start(dir.path(), name, PCMU);
        caller.ring(&a.desk());
        caller.listen(0);
        caller.speak("call-questions-4.wav");
        let is = if name == "first" { "answered" } else { "queued" };
        a.until_call(name, is, |c| was(c, is));
        caller
    });
    let rung = |c: &Record| c.events("desk").iter().filter(|e| e["what"] == "rung").count();
    let before = rung(&a.call_from("second").unwrap());
    callers[1].speak("call-urgent-1.wav");
    let call = a.until_call("second", "telephones ring for it", |c| rung(c) > before);
    assert!(call.has("marked_urgent"), "{}", call.story());
    for caller in callers {
        caller.hang_up();
    }
    let call = a.until_call("second", "the call has ended", |c| c.has("ended"));
    assert_eq!(call.events("task_created").len(), 1, "{}", call.story());
    desk.hang_up();
    a.stop();
}

/// Somebody takes the task of a message, listens to it, writes a note and closes it.
fn is_heard_and_done(a: &Appliance, call: &Record) -> String {
    let open = a.api("/api/v1/tasks");
    let id = open["tasks"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/tasks/{id}");
    let recording = a.api(&path)["recording"].clone();
    assert_eq!(
        (&recording["call"], &recording["message"]),
        (&call.0["summary"]["id"], &json!(true))
    );
    // The receptionist was off: only the message was recorded.
    assert!(recording["from_ms"].as_u64().unwrap() < 1_000, "{recording}");
    let from = format!("/api/v1/calls/{}/recording", recording["call"].as_str().unwrap());
    let audio = a.http("GET", &from, &a.cookie(), "");
    assert!(
        audio.status == 200 && audio.body.starts_with("OggS"),
        "{}",
        audio.head
    );
    assert_eq!(a.http("GET", &from, "", "").status, 401);
    for (command, stands) in [
        (json!({ "command": "take" }), "taken"),
        (json!({ "command": "note", "text": "Canary" }), "taken"),
        (json!({ "command": "done", "outcome": "rang back" }), "done"),
    ] {
        assert_eq!(a.order(&path, &command).json()["status"], stands);
    }
    assert_eq!(a.order(&path, &json!({ "command": "take" })).status, 409);
    let nobody = json!({ "command": "assign", "to": "nobody" });
    assert_eq!(a.order(&path, &nobody).status, 409);
    assert_eq!(a.api("/api/v1/tasks")["tasks"], json!([]));
    let closed = a.api("/api/v1/tasks?which=closed");
    assert_eq!(closed["tasks"][0]["outcome"], "rang back");
    id
}

#[test]
fn a_caller_who_hangs_up_on_hold_is_rung_back_and_one_who_was_talked_to_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let password = support::add(dir.path(), "201", &[]);
    let a = without_receptionist(dir.path(), "");
    let desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), PCMU);
    for (name, held) in [("held", true), ("talking", false)] {
        let mut caller = Baresip::start(dir.path(), name, PCMU);
        caller.ring(&a.desk());
        let call = a.until_call(name, "it is answered", |c| was(c, "answered"));
        if held {
            let id = call.0["summary"]["id"].as_str().unwrap();
            let hold = a.order(&format!("/api/v1/calls/{id}/desk"), &json!({ "command": "hold" }));
            assert_eq!(hold.status, 200, "{hold:?}");
            a.until_call(name, "it is held", |c| was(c, "held"));
        }
        caller.hang_up();
        let call = a.until_call(name, "the call has ended", |c| c.has("ended"));
        let expected: &[&str] = if held { &["callback"] } else { &[] };
        assert_eq!(tasks(&call), expected, "{}", call.story());
    }
    desk.hang_up();
    a.stop();
}

#[test]
fn a_caller_who_says_nothing_after_the_tone_is_rung_back() {
    let dir = tempfile::tempdir().unwrap();
    support::add(dir.path(), "201", &[]);
    let a = without_receptionist(dir.path(), "");
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    a.until_call("caller", "it may leave a message", |c| was(c, "leaves_message"));
    caller.listen(0);
    caller.hang_up();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    assert_eq!(tasks(&call), ["callback"], "{}", call.story());
    assert!(!was(&call, "message_kept"), "{}", call.story());
    a.stop();
}

#[test]
fn what_a_caller_says_who_heard_no_notice_is_not_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let password = support::add(dir.path(), "201", &[]);
    let a = without_receptionist(dir.path(), "");
    let desk = Baresip::at_desk(dir.path(), "201", &password, &a.sip.to_string(), PCMU);
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    a.until_call("caller", "it is answered", |c| was(c, "answered"));
    caller.speak(DETAILS);
    // It comes through to the person, and there was time to recognise it.
    desk.listen(0);
    desk.until_it_has_heard(15);
    caller.hang_up();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    assert!(!call.has("heard"), "{}", call.story());
    assert!(!call.has("recording"), "{}", call.story());
    desk.hang_up();
    a.stop();
}

#[test]
fn a_cough_after_the_tone_is_no_message() {
    let dir = tempfile::tempdir().unwrap();
    support::add(dir.path(), "201", &[]);
    let a = without_receptionist(dir.path(), "");
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    a.until_call("caller", "it may leave a message", |c| was(c, "leaves_message"));
    caller.listen(0);
    caller.speak_on("call-questions-4.wav", 300);
    // It is told that somebody rings back; a message would be thanked for.
    caller.until_it_is_over();
    let call = a.until_call("caller", "the call has ended", |c| c.has("ended"));
    assert!(!was(&call, "message_kept"), "{}", call.story());
    assert_eq!(tasks(&call), ["callback"], "{}", call.story());
    caller.hang_up();
    a.stop();
}

#[test]
fn a_caller_who_does_not_wait_for_the_tone_is_heard_out() {
    let dir = tempfile::tempdir().unwrap();
    support::add(dir.path(), "201", &[]);
    support::approve_answers(dir.path());
    let a = Appliance::start_with(
        dir.path(),
        Settings {
            brief: true,
            ..Settings::default()
        },
    );
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.ring(&a.desk());
    a.until_call("caller", "it heard the notice", |c| {
        c.has("consent_notice_played")
    });
    // Nobody takes it, and there is no receptionist any more.
    assert_eq!(a.order("/api/v1/automation", &json!({ "on": false })).status, 200);
    a.until_call("caller", "it is greeted by the voicemail", |c| {
        was(c, "automation_off")
    });
    // Without a pause from the greeting to well after the tone.
    caller.speak_on(DETAILS, 22_000);
    let call = a.until_call("caller", "its message was kept", |c| was(c, "message_kept"));
    let story = call.story();
    assert_eq!(tasks(&call), ["voicemail"], "{story}");
    // The notice was heard: what they say is written down although the receptionist is off.
    assert!(call.has("heard"), "{story}");
    caller.until_it_is_over();
    caller.hang_up();
    a.stop();
}
