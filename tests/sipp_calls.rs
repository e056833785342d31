//! A running appliance and sipp, or a caller of our own where sipp cannot be so exact: calls that do not go the
//! plain way are answered by the book, heard, and told truly in their record.
#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

mod support;

use anteroom_sim::{Phone, Script, Step, ring};
use std::time::Duration;
use support::raw::Raw;
use support::record::Record;
use support::sipp::Sipp;
use support::{Appliance, Settings};

const QUESTION: Option<&str> = Some("call-questions-1.wav");

fn appliance(dir: &std::path::Path, media: &str) -> Appliance {
    support::approve_answers(dir);
    Appliance::start_with(
        dir,
        Settings {
            media,
            brief: true,
            ..Settings::default()
        },
    )
}

/// The calls, once there are so many and all have ended. More than that is a fault at once.
fn all_ended(a: &Appliance, callers: usize) -> Vec<serde_json::Value> {
    a.until("all calls have ended", |a| {
        let calls = a.calls();
        assert!(calls.len() <= callers, "{} calls of {callers}", calls.len());
        calls.len() == callers && calls.iter().all(|c| !c["ended"].is_null())
    });
    a.calls()
}

/// The question was heard and answered with its entry.
fn was_answered(call: &Record) {
    let heard = call.heard();
    assert!(
        heard.contains(&"What are your opening hours?"),
        "{}",
        call.story()
    );
    assert!(call.entries().contains(&"opening-hours"), "{}", call.story());
}

#[test]
fn an_invite_without_an_offer_is_answered_with_one_and_the_caller_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let a = appliance(dir.path(), "");
    Sipp::start(dir.path(), "offerless", a.sip, QUESTION, &["-m", "1"]).succeeds();
    let call = a.until_call("+441632960201", "the call has ended", |c| c.has("ended"));
    was_answered(&call);
    assert_eq!(call.summary()["ended"], "caller_hung_up");
    a.stop();
}

#[test]
fn a_call_survives_its_hold_and_goes_on_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    // Silence on the wire ends a call after four seconds, and a caller's after half a minute; while it is held for 48
    // seconds neither must.
    let a = appliance(dir.path(), "silence_timeout_ms = 4000");
    Sipp::start(dir.path(), "hold", a.sip, QUESTION, &["-m", "1"]).succeeds();
    let call = a.until_call("+441632960202", "the call has ended", |c| c.has("ended"));
    assert_eq!(call.summary()["ended"], "caller_hung_up", "{}", call.story());
    let held: Vec<_> = call.events("hold").iter().map(|k| k["held"].clone()).collect();
    assert_eq!(held, [true, false], "{}", call.story());
    was_answered(&call);
    let resumed = call.position(|k| k["type"] == "hold" && k["held"] == false);
    let answered = call.position(|k| k["entry"]["id"] == "opening-hours" && k["type"] == "said");
    assert!(resumed < answered, "{}", call.story());
    // What was said before the hold may be understood after it began. Of what was played into it nothing is, although
    // it was words.
    let began = call.position(|k| k["type"] == "hold" && k["held"] == true);
    let all = call.0["events"].as_array().unwrap();
    let during = &all[began.unwrap()..resumed.unwrap()];
    let heard = during.iter().filter(|e| e["kind"]["type"] == "heard").count();
    assert!(heard <= 1, "{}", call.story());
    // Nothing was said into it, and what waits is not a row of reminders.
    let said = |e: &&serde_json::Value| e["kind"]["type"] == "said";
    assert_eq!(during.iter().filter(said).count(), 0, "{}", call.story());
    let sorry = |e: &serde_json::Value| {
        e["kind"]["text"]
            .as_str()
            .is_some_and(|t| t.contains("I did not hear"))
    };
    assert!(!all.iter().any(sorry), "{}", call.story());
    a.stop();
}

#[test]
fn keys_that_arrive_by_info_reach_the_menu() {
    let dir = tempfile::tempdir().unwrap();
    let a = appliance(dir.path(), "");
    Sipp::start(dir.path(), "info", a.sip, None, &["-m", "1"]).succeeds();
    let call = a.until_call("+441632960203", "the call has ended", |c| c.has("ended"));
    pressed_one(&call);
    a.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_arrive_as_rtp_events_reach_the_menu() {
    let dir = tempfile::tempdir().unwrap();
    let a = appliance(dir.path(), "");
    let listen = || Step::Listen {
        quiet_ms: 900,
        wait_ms_max: 20_000,
    };
    let script = Script {
        steps: vec![listen(), Step::Press("1".into()), listen()],
    };
    let report = ring(&a.desk(), "+441632960204", Phone::loopback(), &script)
        .await
        .unwrap();
    assert!(
        report.steps[2].heard_anything && !report.clinic_hung_up,
        "{:?}",
        report.steps
    );
    let call = a.until_call("+441632960204", "the call has ended", |c| c.has("ended"));
    pressed_one(&call);
    a.stop();
}

/// One key was pressed, once, and the opening hours were read out.
fn pressed_one(call: &Record) {
    let digits: Vec<_> = call.events("dtmf").iter().map(|k| k["digit"].clone()).collect();
    assert_eq!(digits, ["1"], "{}", call.story());
    let decided = call.events("decided");
    assert_eq!(decided.len(), 1, "{}", call.story());
    assert_eq!(decided[0]["record"]["intent"], "keypad-1");
    let key = call.position(|k| k["type"] == "dtmf").unwrap();
    let said = call.position(|k| {
        let text = k["text"].as_str().unwrap_or_default();
        k["type"] == "said" && text.contains("Monday") && text.contains("Sunday")
    });
    assert!(said.is_some_and(|s| s > key), "{}", call.story());
}

#[test]
fn a_caller_who_gives_up_at_once_is_let_go_and_rung_back() {
    const CALLERS: usize = 20;
    let dir = tempfile::tempdir().unwrap();
    let a = appliance(dir.path(), "");
    let mut cancelled = Vec::new();
    for n in 0..CALLERS {
        let from = format!("+4416329603{n:02}");
        let caller = Raw::new(a.sip, &from);
        // We answer within milliseconds, so whether the CANCEL is in time is a race. Either end must be a clean one.
        caller.send(&caller.invite());
        caller.send(&caller.cancel());
        let answer = caller.final_answer("INVITE");
        caller.finish(&answer);
        match answer.status {
            487 => cancelled.push(from),
            200 => {}
            other => panic!("{other}: {}", answer.text),
        }
    }
    println!("{} of {CALLERS} were cancelled in time", cancelled.len());
    assert!(!cancelled.is_empty(), "no CANCEL was in time");
    let calls = all_ended(&a, CALLERS);
    let tasks = a.api("/api/v1/tasks");
    let tasks = tasks["tasks"].as_array().unwrap();
    for call in &calls {
        let from = call["from"].as_str().unwrap();
        let expected = if cancelled.iter().any(|c| c == from) {
            "cancelled"
        } else {
            "caller_hung_up"
        };
        assert_eq!(call["ended"], expected, "{call}");
        let mine = tasks
            .iter()
            .filter(|t| t["call"] == call["id"] && t["kind"] == "callback" && t["number"] == from);
        if expected == "cancelled" {
            assert_eq!(mine.count(), 1, "{call}");
        }
    }
    a.stop();
}

#[test]
fn whoever_finds_every_line_in_use_is_rung_back_once() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let settings = Settings {
        sip: "calls_max = 1",
        brief: true,
        ..Settings::default()
    };
    let a = Appliance::start_with(dir.path(), settings);
    let first = Raw::new(a.sip, "+441632960210");
    first.send(&first.invite());
    let taken = first.final_answer("INVITE");
    assert_eq!(taken.status, 200, "{}", taken.text);
    first.send(&first.ack(&taken));
    // They try, and try again.
    const LATE: &str = "+441632960211";
    for _ in 0..2 {
        let late = Raw::new(a.sip, LATE);
        for _ in 0..2 {
            late.send(&late.invite());
            let answer = late.final_answer("INVITE");
            assert_eq!(answer.status, 503, "{}", answer.text);
            assert!(answer.text.contains("Retry-After"), "{}", answer.text);
        }
    }
    let call = a.until_call(LATE, "it is on record", |c| c.has("ended"));
    assert_eq!(call.summary()["ended"], "refused", "{}", call.story());
    assert!(
        call.heard().is_empty() && call.entries().is_empty(),
        "{}",
        call.story()
    );
    let mine = |a: &Appliance| {
        let tasks = a.api("/api/v1/tasks");
        let tasks = tasks["tasks"].as_array().unwrap();
        let mine = tasks
            .iter()
            .filter(|t| t["number"] == LATE && t["kind"] == "callback");
        mine.count()
    };
    a.until("somebody is to ring them back", |a| mine(a) == 1);
    first.send(&first.bye(&taken));
    assert_eq!(first.final_answer("BYE").status, 200);
    assert_eq!(all_ended(&a, 2).len(), 2);
    assert_eq!(mine(&a), 1);
    // Now there is room again.
    let third = Raw::new(a.sip, "+441632960212");
    third.send(&third.invite());
    let taken = third.final_answer("INVITE");
    third.finish(&taken);
    assert_eq!(taken.status, 200, "{}", taken.text);
    a.stop();
}

#[test]
fn what_is_sent_again_is_answered_again_and_makes_no_second_call() {
    let dir = tempfile::tempdir().unwrap();
    let a = appliance(dir.path(), "");
    let caller = Raw::new(a.sip, "+441632960401");
    for _ in 0..3 {
        caller.send(&caller.invite());
    }
    let answer = caller.final_answer("INVITE");
    assert_eq!(answer.status, 200, "{}", answer.text);
    // Until its ACK the 200 is sent again, after T1 and 2*T1 (RFC 3261 13.3.1.4); it is the same 200.
    for _ in 0..3 {
        let again = caller.final_answer("INVITE");
        assert_eq!(again.text, answer.text);
    }
    caller.send(&caller.ack(&answer));
    for _ in 0..2 {
        caller.send(&caller.bye(&answer));
    }
    for _ in 0..2 {
        assert_eq!(caller.final_answer("BYE").status, 200);
    }
    // It was acknowledged: nothing more comes, within the time of the next but one.
    let more = std::iter::from_fn(|| caller.receive(Duration::from_secs(5)));
    let more: Vec<_> = more.filter(|r| r.method == "INVITE").collect();
    assert!(more.is_empty(), "{more:?}");
    let calls = all_ended(&a, 1);
    assert_eq!(calls[0]["ended"], "caller_hung_up");
    a.stop();
}

#[test]
fn callers_on_a_line_that_loses_signalling_are_served() {
    const CALLERS: usize = 8;
    let dir = tempfile::tempdir().unwrap();
    let a = appliance(dir.path(), "");
    let calls = CALLERS.to_string();
    // sipp loses every fifth message that it would send or has received.
    let args = ["-m", &calls, "-l", &calls, "-r", "4", "-d", "8000", "-lost", "20"];
    let sent_again = Sipp::start(dir.path(), "uac_audio", a.sip, QUESTION, &args).succeeds();
    assert!(sent_again > 0, "nothing was lost");
    let calls = all_ended(&a, CALLERS);
    assert!(calls.iter().all(|c| c["ended"] == "caller_hung_up"), "{calls:?}");
    a.stop();
}

#[test]
fn callers_over_tcp_are_served() {
    const CALLERS: usize = 4;
    let dir = tempfile::tempdir().unwrap();
    let a = appliance(dir.path(), "");
    let calls = CALLERS.to_string();
    let args = ["-t", "t1", "-m", &calls, "-l", &calls, "-d", "32000"];
    Sipp::start(dir.path(), "uac_audio", a.sip_tcp, QUESTION, &args).succeeds();
    let calls = all_ended(&a, CALLERS);
    assert!(calls.iter().all(|c| c["ended"] == "caller_hung_up"), "{calls:?}");
    for call in &calls {
        was_answered(&a.call_from(call["from"].as_str().unwrap()).unwrap());
    }
    a.stop();
}
