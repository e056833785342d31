//! A full disk costs what is not yet acknowledged, nothing else.
mod common;
use anteroom_store::recordings::{RecordingError, RecordingWriter};
use anteroom_store::{CallFilter, Store, StoreConfig, StoreError};
use common::{call, key, offered, open};
use std::path::Path;

/// Fills the store; returns the calls that were acknowledged.
fn fill(store: &Store) -> Vec<u128> {
    let mut acknowledged = Vec::new();
    for n in 0..20_000u128 {
        match store.append_event_blocking(offered(call(n))).wait_blocking() {
            Ok(()) => acknowledged.push(n),
            Err(StoreError::NoSpace) => return acknowledged,
            Err(e) => panic!("{e:?}"),
        }
    }
    panic!("the disk never filled");
}

fn all_there(store: &Store, acknowledged: &[u128]) {
    for n in acknowledged {
        assert!(store.get_call(call(*n)).unwrap().is_some(), "{n}");
    }
    assert!(store.audit_verify().unwrap().ok);
    assert_eq!(store.verify_events().unwrap(), None);
}

#[test]
fn a_database_that_may_not_grow_keeps_what_it_acknowledged_and_goes_on_later() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let mut cfg = StoreConfig::new(dir.path(), key());
    cfg.pages_max = Some(120);
    let store = Store::open(cfg).unwrap();
    let acknowledged = fill(&store);
    assert!(acknowledged.len() > 20);
    // Reading goes on, writing goes on failing, cleanly.
    all_there(&store, &acknowledged);
    assert_eq!(
        store.audit_append("a.b", "x", "y", serde_json::json!({"t": "x".repeat(10_000)})),
        Err(StoreError::NoSpace)
    );
    drop(store);
    let store = open(dir.path());
    all_there(&store, &acknowledged);
    let next = acknowledged.len() as u128;
    store
        .append_event_blocking(offered(call(next)))
        .wait_blocking()
        .unwrap();
    assert_eq!(
        store.list_calls(CallFilter::All, 1_000, None).unwrap().len(),
        acknowledged.len() + 1
    );
    assert!(store.integrity_check().unwrap().is_empty());
}

/// A file system of four megabytes, where the test runs with the right to mount one; elsewhere the test above stands
/// alone, and this one says that it did nothing.
#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_really_full() {
    struct Mounted<'a>(&'a Path);
    impl Drop for Mounted<'_> {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount")
                .arg("-l")
                .arg(self.0)
                .status();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"])
        .arg(dir.path())
        .output()
        .is_ok_and(|o| o.status.success());
    if !mounted {
        use std::io::Write;
        let _ = writeln!(std::io::stderr(), "not run: a file system cannot be mounted here");
        return;
    }
    let _mounted = Mounted(dir.path());
    let store = open(dir.path());
    store
        .append_event_blocking(offered(call(1_000_000)))
        .wait_blocking()
        .unwrap();
    let mut recording = RecordingWriter::create(&store, call(1_000_000)).unwrap();
    recording.write(&[1; 1_000]).unwrap();
    let acknowledged = fill(&store);
    assert!(acknowledged.len() > 20);
    all_there(&store, &acknowledged);
    let mut full = Ok(());
    for _ in 0..100 {
        full = recording.write(&[2; 60_000]);
        if full.is_err() {
            break;
        }
    }
    assert!(matches!(full, Err(RecordingError::NoSpace)), "{full:?}");
    assert!(
        store
            .read_recording(call(1_000_000))
            .unwrap()
            .starts_with(&[1; 1_000])
    );
    drop(recording);
    // Space comes back: the same store writes on.
    assert!(
        std::process::Command::new("mount")
            .args(["-o", "remount,size=40m"])
            .arg(dir.path())
            .status()
            .unwrap()
            .success()
    );
    let next = acknowledged.len() as u128;
    store
        .append_event_blocking(offered(call(next)))
        .wait_blocking()
        .unwrap();
    drop(store);
    let store = open(dir.path());
    all_there(&store, &acknowledged);
    assert!(
        store
            .read_recording(call(1_000_000))
            .unwrap()
            .starts_with(&[1; 1_000])
    );
    assert!(store.integrity_check().unwrap().is_empty());
}
