//! Commands that read work beside a running appliance; those that write are told what holds the data.

use anteroom_appliance::{Place, StartError, open_store, open_store_to_read};
use anteroom_store::StoreError;
use anteroom_types::{EntryId, UserFacing, Wall};

#[test]
fn readers_go_beside_a_writer_and_a_second_writer_is_told_why_not() {
    let data = tempfile::tempdir().unwrap();
    let (config, place) = Place::find(Some(data.path()), None).unwrap();
    let writer = open_store(&config, &place).unwrap();
    let before = writer.audit_verify().unwrap().entries;

    let refused = open_store(&config, &place).unwrap_err();
    assert!(matches!(refused, StartError::Held { .. }), "{refused}");
    assert_eq!(refused.code(), "store.locked");
    assert!(refused.hint().contains("works beside it"), "{}", refused.hint());

    let reader = open_store_to_read(&config, &place).unwrap();
    writer
        .audit_append("test.noted", "test", "test", serde_json::json!({}))
        .unwrap();
    assert_eq!(reader.audit_verify().unwrap().entries, before + 1);
    let id = EntryId::new("parking").unwrap();
    assert_eq!(reader.retire(&id, "test", Wall(0)), Err(StoreError::ReadOnly));
}

#[test]
fn a_reader_keeps_no_appliance_from_starting() {
    let data = tempfile::tempdir().unwrap();
    let (config, place) = Place::find(Some(data.path()), None).unwrap();
    drop(open_store(&config, &place).unwrap());
    let readers = [
        open_store_to_read(&config, &place).unwrap(),
        open_store_to_read(&config, &place).unwrap(),
    ];
    let writer = open_store(&config, &place).unwrap();
    assert!(!writer.is_read_only() && readers.iter().all(anteroom_store::Store::is_read_only));
}

#[test]
fn where_nothing_is_yet_a_reader_finds_nothing_and_leaves_a_usable_folder() {
    let data = tempfile::tempdir().unwrap();
    let (config, place) = Place::find(Some(&data.path().join("new")), None).unwrap();
    let reader = open_store_to_read(&config, &place).unwrap();
    assert!(reader.list(None).unwrap().is_empty());
    drop(reader);
    assert!(open_store(&config, &place).is_ok());
}
