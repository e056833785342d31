//! Nothing of what callers say, nor any key, can be read from the files.
mod common;
use anteroom_store::recordings::RecordingWriter;
use anteroom_types::event::EventKind;
use anteroom_types::{Mono, Side, TaskId, TaskKind, TurnId, Wall};
use common::{NOON, approve, call, entry, event, offered, open};
use std::path::Path;

const CANARY: &str = "Wilhelmina Canarybird";

fn contains(dir: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for f in std::fs::read_dir(dir).unwrap() {
        let path = f.unwrap().path();
        if path.is_dir() {
            found.extend(contains(&path, needle));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            if bytes.windows(needle.len()).any(|w| w == needle) {
                found.push(path.display().to_string());
            }
        }
    }
    found
}

#[test]
fn no_file_holds_a_word_or_a_key_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store
        .append_event_blocking(offered(call(1)))
        .wait_blocking()
        .unwrap();
    for seq in 2..60 {
        let kind = EventKind::Heard {
            side: Side::Caller,
            turn: TurnId(seq),
            text: format!("my name is {CANARY}").into(),
            confidence: 1.0,
            start: Mono(0),
            end: Mono(1),
            recogniser: "keypad".into(),
            decode_ms: 0,
        };
        store
            .append_event_blocking(event(call(1), seq, kind))
            .wait_blocking()
            .unwrap();
    }
    let task = EventKind::TaskCreated {
        task: TaskId::new(Wall(NOON), 1),
        kind: TaskKind::Callback,
        summary: CANARY.into(),
        number: Some(CANARY.into()),
        due: Wall(NOON),
    };
    store
        .append_event_blocking(event(call(1), 60, task))
        .wait_blocking()
        .unwrap();
    approve(&store, &entry("canary", &[CANARY], CANARY));
    let mut w = RecordingWriter::create(&store, call(1)).unwrap();
    w.write(CANARY.as_bytes()).unwrap();
    assert_eq!(
        store.search_calls(CANARY, 100).unwrap().len(),
        58,
        "it is there, though"
    );
    let words: Vec<&[u8]> = vec![
        CANARY.as_bytes(),
        b"Canarybird",
        b"canarybird",
        b"960999",
        &[7; 32],
        b"CREATE TABLE",
    ];
    // With the write-ahead log in use, and after it was folded back.
    for _ in 0..2 {
        for word in &words {
            assert_eq!(
                contains(dir.path(), word),
                [""; 0],
                "{}",
                String::from_utf8_lossy(word)
            );
        }
    }
    w.finish().unwrap();
    drop(store);
    for word in &words {
        assert_eq!(
            contains(dir.path(), word),
            [""; 0],
            "{}",
            String::from_utf8_lossy(word)
        );
    }
    assert!(
        !contains(dir.path(), b"ANTEREC").is_empty(),
        "the search itself works"
    );
}
