//! The sample clinic's own knowledge is imported whole, and nothing in it breaks the rules for spoken answers.

use anteroom_documents::{DraftEntry, Limits, import};
use std::collections::HashSet;
use std::path::Path;

fn entries() -> Vec<DraftEntry> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/clinic/knowledge");
    let mut files: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "md"))
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|p| {
            let name = p.file_name().unwrap().to_str().unwrap();
            import(&std::fs::read(p).unwrap(), name, &Limits::default())
                .unwrap_or_else(|e| panic!("{name}: {e}"))
        })
        .collect()
}

#[test]
fn every_entry_is_complete_and_short_enough_to_listen_to() {
    let entries = entries();
    assert!(entries.len() >= 45, "{} entries", entries.len());
    let ids: HashSet<_> = entries.iter().map(|e| &e.id).collect();
    assert_eq!(ids.len(), entries.len(), "an id is there twice");
    for e in &entries {
        assert!(
            (3..=15).contains(&e.questions.len()),
            "{}: {} questions",
            e.id,
            e.questions.len()
        );
        if e.id.as_str().starts_with("refer-") {
            continue;
        }
        assert!(e.answer.chars().count() <= 320, "{} takes too long to say", e.id);
        assert!(e.answer.ends_with('.'), "{} breaks off", e.id);
        assert!(
            !e.answer.contains(|c: char| c.is_ascii_digit()),
            "{}: spell numbers out",
            e.id
        );
        assert_eq!(e.language, "en");
        assert!(e.expires.is_none());
    }
    let variants: HashSet<_> = entries.iter().flat_map(|e| &e.questions).collect();
    let count: usize = entries.iter().map(|e| e.questions.len()).sum();
    assert_eq!(variants.len(), count, "one question under two entries");
}

/// "Do you speak Polish?" is the question the demonstration has no answer to; it must stay so.
#[test]
fn languages_and_interpreters_are_not_answered() {
    for e in entries() {
        let all = format!("{} {} {}", e.title, e.questions.join(" "), e.answer).to_lowercase();
        for word in ["interpreter", "translat", "polish", "language", "speaks"] {
            assert!(!all.contains(word), "{} speaks of '{word}'", e.id);
        }
    }
}
