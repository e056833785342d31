//! The demonstration model on the demonstration calls, through the ladder with its manifest settings: the 28 clips
//! that whisper.cpp's own program gets right are right here, and nothing is made of noise.

#![allow(clippy::print_stdout)]

mod support;

use anteroom_speech::models::{Manager, ManagerConfig, Manifest};
use anteroom_speech::recogniser::{CancelFlag, Job, JobKind, Ladder, LadderConfig};
use anteroom_types::{Purpose, TraceId, Wall};
use std::sync::Arc;

fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|w| {
            w.chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect::<String>()
        })
        .filter(|w| !w.is_empty())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_eight_of_thirty_two() {
    let dir = tempfile::tempdir().unwrap();
    let manager = Manager::new(
        ManagerConfig::new(dir.path().to_owned()),
        Manifest::builtin().unwrap(),
    );
    manager
        .fetch("demo-clinic-en", &mut |_| {}, &CancelFlag::default())
        .unwrap();
    let ladder = Ladder::start(LadderConfig {
        rungs: vec![manager.rung("demo-clinic-en").unwrap()],
        ..LadderConfig::default()
    })
    .unwrap();

    let table = std::fs::read_to_string(support::repository().join("assets/demo-calls/results.tsv")).unwrap();
    let (mut right, mut failures, mut took) = (0, Vec::new(), Vec::new());
    for line in table.lines().skip(1) {
        let [clip, expected_right, reference, ..] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let transcript = ladder
            .recognise(Job {
                samples: Arc::from(support::clip(clip)),
                kind: JobKind::Final,
                language: Some("en-GB".into()),
                trace: TraceId::new(Wall(1), 1),
                cancel: CancelFlag::default(),
            })
            .await
            .unwrap();
        assert!(transcript.demonstration && transcript.rung == "whisper:demo-clinic-en");
        took.push(transcript.decode_ms);
        let heard = transcript.text.open(Purpose::Test);
        if words(heard) == words(reference) {
            right += 1;
            assert!(
                heard.is_empty() || transcript.confidence > 0.3,
                "{clip}: {}",
                transcript.confidence
            );
        } else if expected_right == "yes" {
            failures.push(format!("{clip}: {heard:?} instead of {reference:?}"));
        }
    }
    took.sort_unstable();
    println!(
        "{right} of 32 right, median decode {} ms, slowest {} ms",
        took[16], took[31]
    );
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(right >= 28, "{right}");
    let health = ladder.health().borrow().clone();
    assert_eq!(health.rungs[0].decodes, 32);
    assert!(health.rungs[0].p95_ms.is_some() && health.rungs[0].demonstration);
}
