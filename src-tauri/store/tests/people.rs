//! People and what their phones register with.

mod common;

use anteroom_store::{Person, StoreError};
use anteroom_types::Wall;
use common::{NOON, open};

fn person(user: &str) -> Person {
    Person {
        user: user.into(),
        name: "Front desk".into(),
        realm: "anteroom".into(),
        ha1_md5: "ab".repeat(16).into(),
        ha1_sha256: "cd".repeat(32).into(),
        rings: 1,
        outbound: false,
        class: "standard".into(),
    }
}

#[test]
fn people_are_added_changed_and_removed_and_each_leaves_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put_person(person("201"), "admin", Wall(NOON)).unwrap();
    store.put_person(person("202"), "admin", Wall(NOON + 1)).unwrap();
    let changed = Person {
        outbound: true,
        class: "manager".into(),
        ..person("201")
    };
    store
        .put_person(changed.clone(), "admin", Wall(NOON + 2))
        .unwrap();
    store.remove_person("202", "admin", Wall(NOON + 3)).unwrap();
    assert!(matches!(
        store.remove_person("202", "admin", Wall(NOON + 4)),
        Err(StoreError::NotFound { .. })
    ));
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.list_people().unwrap(), [changed]);
    let report = store.audit_verify().unwrap();
    assert_eq!(report.entries, 4, "{report:?}");
}

#[test]
fn names_that_cannot_be_registered_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for user in ["", "a b", "x@y", "über", &"1".repeat(33)] {
        let refused = store.put_person(person(user), "admin", Wall(NOON));
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{user}");
    }
    let nameless = Person {
        name: " ".into(),
        ..person("201")
    };
    assert!(store.put_person(nameless, "admin", Wall(NOON)).is_err());
    assert!(store.list_people().unwrap().is_empty());
}

#[test]
fn secrets_are_not_printed() {
    let shown = format!("{:?}", person("201"));
    assert!(!shown.contains("abab") && !shown.contains("cdcd"), "{shown}");
}
