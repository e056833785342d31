//! kill -9 in mid-call: the next start has the call, its recording up to two seconds before, and a task to ring back.
#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

mod support;

use anteroom_sim::{Phone, Script, Step, ring};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use support::{Appliance, record::Record};

const CALLER: &str = "+441632960143";
/// Seconds of a recording that a crash may cost.
const LOST_S_MAX: f64 = 2.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_appliance_keeps_what_it_acknowledged_and_makes_the_callback_task() {
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let a = Appliance::start(dir.path(), "");
    let listen = || Step::Listen {
        quiet_ms: 900,
        wait_ms_max: 30_000,
    };
    let script = Script {
        steps: vec![
            listen(),
            Step::Speak(support::clip_audio("call-questions-1.wav")),
            listen(),
            Step::Pause { ms: 120_000 },
        ],
    };
    let target = a.desk();
    let caller = tokio::spawn(async move { ring(&target, CALLER, Phone::loopback(), &script).await });
    let shown = a.until_call(CALLER, "the question is answered", |c| {
        c.entries() == ["opening-hours"]
    });
    let before = recorded_bytes(dir.path());
    a.until("some seconds more are recorded", |_| {
        recorded_bytes(dir.path()) > before + 10_000
    });
    let killed_at = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    a.kill();
    caller.abort();

    // Nothing acknowledged is lost, and `check` finds nothing wrong.
    Appliance::start(dir.path(), "").stop();
    let check = support::run(dir.path(), &["check", "--json"]);
    let calls = support::json_lines(dir.path(), &["calls", "list", "--json"]);
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["ended"], "interrupted");
    let id = calls[0]["id"].as_str().unwrap();
    let call = Record::read(dir.path(), id);
    let (was, is) = (
        shown.0["events"].as_array().unwrap(),
        call.0["events"].as_array().unwrap(),
    );
    assert!(
        was.iter().all(|e| is.contains(e)),
        "what was shown is lost:\n{}",
        call.story()
    );
    let tasks = support::json_lines(dir.path(), &["tasks", "list", "--json"]);
    let mine: Vec<_> = tasks
        .iter()
        .filter(|t| t["call"] == id && t["kind"] == "callback")
        .collect();
    assert_eq!(mine.len(), 1, "{tasks:?}");
    assert_eq!(mine[0]["number"], CALLER);

    // The recording goes on from the consent notice to less than two seconds before the end.
    let began = call
        .position(|k| k["type"] == "recording" && k["on"] == true)
        .unwrap();
    let began = is[began]["at"].as_f64().unwrap() / 1000.0;
    let file = dir.path().join("call.ogg");
    support::succeeds(dir.path(), &["calls", "recording", id, file.to_str().unwrap()]);
    let kept = ogg_seconds(&std::fs::read(&file).unwrap());
    let lost = killed_at - began - kept;
    println!("{kept:.1} s of the recording are kept, {lost:.2} s are lost");
    assert!(
        kept > 3.0 && (-0.5..LOST_S_MAX).contains(&lost),
        "{kept} s are kept, {lost} s are lost"
    );
    support::succeeds(dir.path(), &["audit", "verify"]);
    let report: serde_json::Value = serde_json::from_slice(&check.stdout).unwrap();
    let failed: Vec<_> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|c| c["status"] == "failed")
        .collect();
    assert!(failed.is_empty(), "{failed:?}");

    // A third start makes no second task.
    Appliance::start(dir.path(), "").stop();
    assert_eq!(
        support::json_lines(dir.path(), &["tasks", "list", "--json"]).len(),
        tasks.len()
    );
}

fn recorded_bytes(data: &Path) -> u64 {
    let files = support::files_below(&data.join("recordings"));
    files
        .iter()
        .filter_map(|f| Some(std::fs::metadata(f).ok()?.len()))
        .sum()
}

/// Length of an Ogg Opus stream: the last page's position counts samples at 48 kHz (RFC 7845 4).
fn ogg_seconds(ogg: &[u8]) -> f64 {
    assert!(ogg.starts_with(b"OggS"), "no Ogg stream");
    let pages = ogg.windows(4).enumerate().filter(|(_, w)| w == b"OggS");
    let positions =
        pages.filter_map(|(i, _)| ogg.get(i + 6..i + 14)?.try_into().ok().map(u64::from_le_bytes));
    let last = positions.filter(|p| *p != u64::MAX).max().unwrap();
    f64::from(u32::try_from(last).unwrap()) / 48_000.0
}
