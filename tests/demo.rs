//! The main job, from INVITE to the verified audit head, as its user starts it.

mod support;

use serde_json::Value;

#[test]
fn a_scripted_caller_is_understood_answered_with_citations_kept_safe_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let out = support::run(dir.path(), &["demo", "--once", "--json"]);
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success(),
        "{}\n{stderr}",
        String::from_utf8_lossy(&out.stdout)
    );
    let doc: Value = serde_json::from_slice(&out.stdout).unwrap();
    let turns = doc["turns"].as_array().unwrap();
    let of = |decision: &str| {
        turns
            .iter()
            .filter(|t| t["decision"] == decision)
            .collect::<Vec<_>>()
    };
    assert!(turns.len() >= 5, "{doc:#}");
    for t in turns {
        assert!(
            !t["heard"].as_str().unwrap().is_empty() && !t["said"].as_str().unwrap().is_empty(),
            "{t:#}"
        );
        assert!(t["ms_to_audio"].is_u64(), "{t:#}");
    }
    let answers = of("answer");
    let mut ids: Vec<_> = answers
        .iter()
        .map(|t| t["entry"]["id"].as_str().unwrap())
        .collect();
    ids.dedup();
    assert!(
        ids.contains(&"opening-hours") && ids.contains(&"parking"),
        "{ids:?}"
    );
    for a in &answers {
        assert!(a["entry"]["version"].as_u64().unwrap() >= 1);
        assert!((0.0..=1.0).contains(&a["entry"]["score"].as_f64().unwrap()));
    }
    assert!(
        of("decline")
            .iter()
            .any(|t| t["heard"].as_str().unwrap().contains("ibuprofen")),
        "{doc:#}"
    );
    assert!(
        of("escalate")
            .iter()
            .any(|t| t["heard"].as_str().unwrap().contains("chest pain")),
        "{doc:#}"
    );
    assert!(
        !of("task").is_empty() && !doc["tasks"].as_array().unwrap().is_empty(),
        "{doc:#}"
    );
    assert_eq!(doc["audit"]["verified"], true);
    assert_eq!(doc["model"]["demonstration"], true);
    assert_eq!(doc["upstream"].as_array().unwrap().len(), 0);

    // The record names the entry behind every answer, is found by its words, and verifies by itself.
    let call = doc["call"].as_str().unwrap();
    let record = support::json_lines(dir.path(), &["calls", "show", call, "--json"]).remove(0);
    assert_eq!(
        record["summary"]["answers"].as_u64().unwrap() as usize,
        answers.len()
    );
    assert!(
        record["recording"]["bytes"].as_u64().unwrap() > 10_000,
        "{:#}",
        record["recording"]
    );
    let found = support::json_lines(dir.path(), &["calls", "search", "parking", "--json"]);
    assert!(found.iter().any(|c| c["id"] == call));
    let export = dir.path().join("audit.jsonl");
    assert!(
        support::run(dir.path(), &["audit", "export", export.to_str().unwrap()])
            .status
            .success()
    );
    assert!(
        support::run(dir.path(), &["audit", "verify", export.to_str().unwrap()])
            .status
            .success()
    );
    // One changed byte is noticed.
    let text = std::fs::read_to_string(&export).unwrap();
    std::fs::write(&export, text.replacen("opening-hours", "opening-hourz", 1)).unwrap();
    let verdict = support::run(dir.path(), &["audit", "verify", export.to_str().unwrap()]);
    assert_eq!(verdict.status.code(), Some(3));
}
