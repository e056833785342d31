//! kill -9 in mid-call: the next start has the call, its recording up to two seconds before, and a task to ring back.

mod support;

use anteroom_sim::{Phone, Script, Step, clip, ring};
use std::sync::Arc;
use support::Appliance;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_appliance_keeps_what_it_acknowledged_and_makes_the_callback_task() {
    let dir = tempfile::tempdir().unwrap();
    let approve = ["knowledge", "import", "--approve-by", "test", clinic_file()];
    assert!(support::run(dir.path(), &approve).status.success());
    let a = Appliance::start(dir.path(), "");
    let question = std::fs::read(support::clip("call-questions-1.wav")).unwrap();
    let question = Arc::from(clip(&question).unwrap());
    let script = Script {
        steps: vec![
            Step::Listen {
                quiet_ms: 900,
                wait_ms_max: 30_000,
            },
            Step::Speak(question),
            Step::Listen {
                quiet_ms: 900,
                wait_ms_max: 30_000,
            },
            Step::Pause { ms: 60_000 },
        ],
    };
    let target = format!("sip:desk@{}", a.sip);
    let caller =
        tokio::spawn(async move { ring(&target, "+441632960143", Phone::loopback(), &script).await });
    a.until("the question is answered", |a| {
        a.metrics()
            .contains("anteroom_decisions_total{reason=\"answer\"} 1")
    });
    tokio::time::sleep(std::time::Duration::from_secs(4)).await; // four seconds of recording
    a.kill();
    caller.abort();

    // Nothing acknowledged is lost, and `check` finds nothing wrong.
    let b = Appliance::start(dir.path(), "");
    b.stop();
    let check = support::run(dir.path(), &["check", "--json"]);
    let calls = support::json_lines(dir.path(), &["calls", "list", "--json"]);
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert_eq!(calls[0]["ended"], "interrupted");
    let id = calls[0]["id"].as_str().unwrap();
    let call = support::json_lines(dir.path(), &["calls", "show", id, "--json"]).remove(0);
    let kinds: Vec<_> = call["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["kind"]["type"].clone())
        .collect();
    assert!(
        kinds.contains(&"heard".into()) && kinds.contains(&"decided".into()),
        "{kinds:?}"
    );
    let tasks = support::json_lines(dir.path(), &["tasks", "list", "--json"]);
    let mine: Vec<_> = tasks
        .iter()
        .filter(|t| t["call"] == id && t["kind"] == "callback")
        .collect();
    assert_eq!(mine.len(), 1, "{tasks:?}");
    let file = dir.path().join("call.ogg");
    let saved = support::run(dir.path(), &["calls", "recording", id, file.to_str().unwrap()]);
    assert!(
        saved.status.success(),
        "{}",
        String::from_utf8_lossy(&saved.stderr)
    );
    let ogg = std::fs::read(&file).unwrap();
    assert!(
        ogg.starts_with(b"OggS") && ogg.len() > 4_000,
        "{} bytes",
        ogg.len()
    );
    assert!(support::run(dir.path(), &["audit", "verify"]).status.success());
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

fn clinic_file() -> &'static str {
    concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../assets/clinic/knowledge/01-finding-us.md"
    )
}
