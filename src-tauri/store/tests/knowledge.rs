//! What is approved can be found, what is not cannot.
mod common;
use anteroom_store::StoreError;
use anteroom_types::knowledge::EntryStatus;
use anteroom_types::{EntryId, Wall};
use common::{NOON, approve, entry, open, vector};

const NOW: Wall = Wall(NOON);

#[test]
fn only_the_approved_version_is_found_and_it_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let hours = entry(
        "opening-hours",
        &["when are you open", "what are your hours"],
        "Nine to five.",
    );
    let version = store.put_draft(hours.clone()).unwrap();
    assert_eq!(version, 1);
    assert_eq!(store.put_draft(hours.clone()).unwrap(), 1, "a draft is replaced");
    assert!(
        store
            .search_text("opening hours", "en", NOW, 5)
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .search_vectors(&vector("when are you open"), "en", NOW, 5)
            .unwrap()
            .is_empty()
    );

    approve(&store, &hours);
    let mut newer = hours.clone();
    newer.answer = "Eight to six.".into();
    newer.questions = vec!["when do you close".into()];
    assert_eq!(approve(&store, &newer), 2);

    let check = |store: &anteroom_store::Store| {
        let id = EntryId::new("opening-hours").unwrap();
        let text = store.search_text("closing hours", "en-GB", NOW, 5).unwrap();
        assert_eq!((text.len(), text[0].version), (1, 2));
        let hits = store
            .search_vectors(&vector("when do you close"), "en", NOW, 5)
            .unwrap();
        assert_eq!((hits.len(), hits[0].version), (1, 2));
        assert!(hits[0].cosine > 0.999);
        assert_eq!(hits[0].question, "when do you close");
        assert_eq!(store.get(&id).unwrap().unwrap().answer, "Eight to six.");
        let old = store.get_version(&id, 1).unwrap().unwrap();
        assert_eq!(
            (old.status, old.answer.as_str()),
            (EntryStatus::Retired, "Nine to five.")
        );
        assert_eq!(store.list(Some(EntryStatus::Approved)).unwrap().len(), 1);
        assert_eq!(store.list(None).unwrap().len(), 2);
    };
    check(&store);
    drop(store);
    let store = open(dir.path());
    check(&store);
    let id = EntryId::new("opening-hours").unwrap();
    assert!(matches!(
        store.approve(&id, 2, "x", NOW, vec![]),
        Err(StoreError::Conflict { .. })
    ));
    assert!(matches!(
        store.approve(&id, 9, "x", NOW, vec![]),
        Err(StoreError::NotFound { .. })
    ));
    store.retire(&id, "practice-manager", NOW).unwrap();
    assert!(matches!(
        store.retire(&id, "x", NOW),
        Err(StoreError::NotFound { .. })
    ));
    assert!(store.search_text("hours", "en", NOW, 5).unwrap().is_empty());
    assert!(
        store
            .search_vectors(&vector("when do you close"), "en", NOW, 5)
            .unwrap()
            .is_empty()
    );
    assert!(store.audit_verify().unwrap().ok);
}

#[test]
fn expiry_and_language_are_kept_to() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut flu = entry("flu-clinic", &["flu jab"], "On Saturday.");
    flu.expires_at = Some(Wall(NOON + 10));
    approve(&store, &flu);
    let mut german = entry("grippe", &["flu jab"], "Am Samstag.");
    german.language = "de-CH".into();
    approve(&store, &german);
    let ids = |now: i64, language: &str| {
        let text = store.search_text("flu jab", language, Wall(now), 5).unwrap();
        let near = store
            .search_vectors(&vector("flu jab"), language, Wall(now), 5)
            .unwrap();
        let durable = store
            .search_vectors_durable(&vector("flu jab"), language, Wall(now), 5)
            .unwrap();
        let a: Vec<String> = text.iter().map(|h| h.entry.to_string()).collect();
        let b: Vec<String> = near.iter().map(|h| h.entry.to_string()).collect();
        let c: Vec<String> = durable.iter().map(|h| h.entry.to_string()).collect();
        assert!(a == b && b == c, "{a:?} {b:?} {c:?}");
        a
    };
    assert_eq!(ids(NOON + 9, "en"), ["flu-clinic"]);
    assert!(ids(NOON + 10, "en").is_empty(), "expired");
    assert_eq!(ids(NOON + 10, "de"), ["grippe"]);
    assert!(ids(NOON, "fr").is_empty());
}

#[test]
fn coverage_is_the_share_of_content_words_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    approve(
        &store,
        &entry("parking", &["where can I park"], "Behind the building."),
    );
    approve(&store, &entry("bikes", &["bicycle stands"], "By the door."));
    let one = |q: &str| store.search_text(q, "en", NOW, 5).unwrap();
    let hits = one("is there parking for a lorry");
    assert_eq!(hits.len(), 1);
    assert!(
        (hits[0].coverage - 0.5).abs() < 1e-6,
        "park is found through its stem, lorry is not: {hits:?}"
    );
    assert!(hits[0].bm25 > 0.0);
    assert!((one("where can I park behind the building")[0].coverage - 1.0).abs() < 1e-6);
    assert!(one("helicopter").is_empty());
    for odd in [
        "\"",
        "park\" OR \"",
        "NEAR(park)",
        "questions:park",
        "*",
        "^",
        "",
        "🙂",
    ] {
        one(odd);
    }
}

#[test]
fn the_best_variant_speaks_for_its_entry_and_memory_agrees_with_sqlite_vec() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..40 {
        let questions: Vec<String> = (0..5).map(|v| format!("question {n} variant {v}")).collect();
        let refs: Vec<&str> = questions.iter().map(String::as_str).collect();
        approve(&store, &entry(&format!("entry-{n}"), &refs, "Yes."));
    }
    for n in [0, 13, 39] {
        let query = vector(&format!("question {n} variant 3"));
        let hits = store.search_vectors(&query, "en", NOW, 10).unwrap();
        assert_eq!(hits.len(), 10);
        assert_eq!(hits[0].entry.as_str(), format!("entry-{n}"));
        assert_eq!(hits[0].question, format!("question {n} variant 3"));
        let durable = store.search_vectors_durable(&query, "en", NOW, 10).unwrap();
        for (a, b) in hits.iter().zip(&durable) {
            assert_eq!((&a.entry, &a.question), (&b.entry, &b.question));
            assert!((a.cosine - b.cosine).abs() < 1e-4);
        }
    }
    assert!(store.search_vectors(&[0.0; 384], "en", NOW, 3).is_err());
    assert!(store.search_vectors(&[1.0; 3], "en", NOW, 3).is_err());
}

#[test]
fn what_is_outside_its_limits_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let good = entry("a", &["q"], "Yes.");
    let refused = |f: &dyn Fn(&mut anteroom_types::knowledge::KnowledgeEntry)| {
        let mut e = good.clone();
        f(&mut e);
        assert!(matches!(store.put_draft(e), Err(StoreError::Invalid { .. })));
    };
    refused(&|e| e.answer = " ".into());
    refused(&|e| e.answer = "x".repeat(2_001));
    refused(&|e| e.title = String::new());
    refused(&|e| e.questions = vec!["q".into(); 51]);
    refused(&|e| e.questions = vec![String::new()]);
    refused(&|e| e.language = "english!".into());
    store.put_draft(good.clone()).unwrap();
    let short = store.approve(&good.id, 1, "x", NOW, vec![("q".into(), vec![1.0; 3])]);
    assert!(matches!(short, Err(StoreError::Invalid { .. })));
    assert_eq!(store.get(&good.id).unwrap().unwrap().status, EntryStatus::Draft);
}
