//! Fifty callers at once with audio: none is dropped, memory stays flat, and the fifty-first is asked to try again.
#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

mod support;

use std::path::Path;
use support::raw::Raw;
use support::sipp::Sipp;
use support::{Appliance, Settings};

const CALLS: u32 = 50;

/// Seconds each call of the first wave lasts.
fn seconds() -> u32 {
    std::env::var("ANTEROOM_LOAD_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(60)
}

/// Starts fifty callers within five seconds that each stay for `ms`.
fn callers(a: &Appliance, dir: &Path, ms: u32) -> Sipp {
    let calls = CALLS.to_string();
    let args = ["-m", &calls, "-l", &calls, "-r", "10", "-d", &ms.to_string()];
    Sipp::start(dir, "uac_audio", a.sip, Some("call-questions-1.wav"), &args)
}

fn until_all_are_up(a: &Appliance, callers: &mut Sipp) {
    a.until("fifty calls up", |a| {
        assert!(callers.is_running(), "sipp ended too early\n{}", callers.says());
        a.metric("anteroom_calls_up") >= f64::from(CALLS)
    });
}

#[test]
fn fifty_calls_at_once_are_kept_and_one_more_is_asked_to_come_back() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let a = Appliance::start_with(
        dir.path(),
        Settings {
            sip: "calls_max = 50",
            brief: true,
            ..Settings::default()
        },
    );
    let before = a.resident_kib();
    let mut all = callers(&a, dir.path(), seconds() * 1000);
    until_all_are_up(&a, &mut all);

    // One more: 503 with Retry-After, and the fifty do not notice.
    let late = Raw::new(a.sip, "late");
    late.send(&late.invite());
    let refusal = late.final_answer("INVITE");
    late.finish(&refusal);
    assert_eq!(refusal.status, 503, "{}", refusal.text);
    let retry = refusal.header("Retry-After").expect("Retry-After");
    assert!(retry.parse::<u32>().unwrap() >= 1);
    assert!(a.metric("anteroom_calls_up") >= f64::from(CALLS));

    let mut up = 0;
    while all.is_running() {
        up = up.max(a.resident_kib());
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    all.succeeds();
    a.until("all calls gone", |a| a.metric("anteroom_calls_up") == 0.0);
    let hung_up = a.metric("anteroom_calls_ended_total{reason=\"caller_hung_up\"}");
    assert_eq!(hung_up, f64::from(CALLS), "{}", a.metrics());
    let answers = a.metric("anteroom_decisions_total{reason=\"answer\"}");

    // A second wave needs no more memory than the first.
    let mut again = callers(&a, dir.path(), 12_000);
    until_all_are_up(&a, &mut again);
    let mut second = 0;
    while again.is_running() {
        second = second.max(a.resident_kib());
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    again.succeeds();
    println!(
        "{CALLS} calls of {} s: {answers} questions answered, {} frames dropped; memory, KiB: idle {before}, \
         first wave {up}, second wave {second}",
        seconds(),
        a.metric("anteroom_frames_dropped_total"),
    );
    assert!(
        second < up + (up - before) / 2 + 20_000,
        "memory grows: {before} {up} {second}"
    );
    assert!(answers >= 1.0, "nobody was answered");
    a.stop();
}
