//! Every way opening can fail has one clear error, and nothing is lost by it.
mod common;
use anteroom_store::keys::{KeyError, KeySource, load_or_create};
use anteroom_store::{MasterKey, OpenError, Store, StoreConfig, StoreError};
use anteroom_types::UserFacing;
use common::{call, key, offered, open};
use std::fs;
use std::path::Path;

fn refused(dir: &Path, key: MasterKey) -> OpenError {
    let e = Store::open(StoreConfig::new(dir, key)).expect_err("opening is refused");
    assert!(e.code().starts_with("store.") && !e.hint().is_empty());
    e
}

fn with_one_call(dir: &Path) {
    open(dir)
        .append_event_blocking(offered(call(1)))
        .wait_blocking()
        .unwrap();
}

fn flip(path: &Path, at: usize, count: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at..at + count].iter_mut().for_each(|b| *b ^= 0x55);
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_wrong_key_is_told_from_a_damaged_database() {
    let dir = tempfile::tempdir().unwrap();
    with_one_call(dir.path());
    let other = MasterKey::from_bytes([8; 32]);
    assert!(matches!(
        refused(dir.path(), other.clone()),
        OpenError::WrongKey { .. }
    ));
    let mark = fs::read(dir.path().join("store.json")).unwrap();
    fs::remove_file(dir.path().join("store.json")).unwrap();
    assert!(matches!(refused(dir.path(), other), OpenError::WrongKey { .. }));
    // The right key still opens it, and puts the mark back.
    assert!(open(dir.path()).get_call(call(1)).unwrap().is_some());
    assert_eq!(fs::read(dir.path().join("store.json")).unwrap(), mark);
    flip(&dir.path().join("anteroom.db"), 100, 200);
    assert!(matches!(refused(dir.path(), key()), OpenError::Corrupt { .. }));
}

#[test]
fn whether_it_is_held_is_seen_without_making_or_keeping_anything() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!anteroom_store::is_held(dir.path()));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let store = open(dir.path());
    assert!(anteroom_store::is_held(dir.path()));
    drop(store);
    assert!(!anteroom_store::is_held(dir.path()));
    // Whoever looks while another starts does not keep it from starting.
    let looking = {
        let dir = dir.path().to_owned();
        std::thread::spawn(move || {
            for _ in 0..300 {
                let _ = anteroom_store::is_held(&dir);
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        })
    };
    for _ in 0..10 {
        drop(open(dir.path()));
    }
    looking.join().unwrap();
}

#[test]
fn damage_in_a_later_page_is_found_by_the_check() {
    let dir = tempfile::tempdir().unwrap();
    with_one_call(dir.path());
    assert!(open(dir.path()).integrity_check().unwrap().is_empty());
    let path = dir.path().join("anteroom.db");
    let last_page = fs::metadata(&path).unwrap().len() as usize - 4_096;
    flip(&path, last_page + 50, 8);
    match Store::open(StoreConfig::new(dir.path(), key())) {
        Ok(store) => assert!(
            !store
                .integrity_check()
                .unwrap_or_else(|_| vec!["unreadable".into()])
                .is_empty()
        ),
        Err(e) => assert!(
            matches!(e, OpenError::Corrupt { .. } | OpenError::Database(_)),
            "{e}"
        ),
    }
}

#[test]
fn two_processes_cannot_write_but_one_may_read_beside_another() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    first
        .append_event_blocking(offered(call(1)))
        .wait_blocking()
        .unwrap();
    assert!(matches!(refused(dir.path(), key()), OpenError::Locked { .. }));
    let mut cfg = StoreConfig::new(dir.path(), key());
    cfg.read_only = true;
    let reader = Store::open(cfg).unwrap();
    assert!(reader.get_call(call(1)).unwrap().is_some());
    first
        .append_event_blocking(offered(call(2)))
        .wait_blocking()
        .unwrap();
    assert!(reader.get_call(call(2)).unwrap().is_some());
    let write = reader.append_event_blocking(offered(call(3))).wait_blocking();
    assert_eq!(write, Err(StoreError::ReadOnly));
    assert!(reader.audit_verify().unwrap().ok);
    drop(first);
    open(dir.path());
}

#[test]
fn a_file_where_the_folder_should_be_is_one_message() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("data");
    fs::write(&path, "x").unwrap();
    assert!(matches!(refused(&path, key()), OpenError::Io { .. }));
    assert!(matches!(
        refused(&path.join("below"), key()),
        OpenError::Io { .. }
    ));
}

#[test]
fn a_first_start_that_did_not_finish_is_no_obstacle() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("store.json"), "{").unwrap();
    fs::write(dir.path().join("anteroom.db"), "").unwrap();
    with_one_call(dir.path());
    assert_eq!(
        open(dir.path()).schema_version().unwrap(),
        anteroom_store::SCHEMA_VERSION
    );
}

#[cfg(unix)]
mod key_files {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let path = dir.path().join("keys/key");
        let source = KeySource::File(path.clone());
        let key = load_or_create(&source, &data).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        drop(Store::open(StoreConfig::new(&data, key)).unwrap());
        let again = load_or_create(&source, &data).unwrap();
        drop(Store::open(StoreConfig::new(&data, again)).unwrap());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let e = load_or_create(&source, &data).unwrap_err();
        assert!(matches!(e, KeyError::Exposed { mode: 0o640, .. }), "{e}");
        assert!(e.hint().contains("chmod 600"));

        fs::remove_file(&path).unwrap();
        let e = load_or_create(&source, &data).unwrap_err();
        assert!(matches!(e, KeyError::Missing { .. }), "{e}");
        assert!(!path.exists(), "no new key beside an old database");
    }

    #[test]
    fn what_is_no_key_file_is_refused_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        for text in [
            "",
            "anteroom-key-1 abc\n",
            "anteroom-key-9 00",
            &format!("anteroom-key-1 {}", "g".repeat(64)),
        ] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let e = load_or_create(&KeySource::File(path.clone()), dir.path()).unwrap_err();
            assert!(matches!(e, KeyError::Damaged { .. }), "{text}: {e}");
            assert_eq!(fs::read_to_string(&path).unwrap(), *text);
        }
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let e = load_or_create(&KeySource::File(link), dir.path()).unwrap_err();
        assert!(matches!(e, KeyError::Io { .. }), "{e}");
    }

    #[test]
    fn a_key_never_prints() {
        let key = MasterKey::from_bytes([0xab; 32]);
        assert_eq!(format!("{key:?}"), "MasterKey");
        assert!(!format!("{:?}", StoreConfig::new("/tmp", key)).contains("ab, ab"));
    }

    #[cfg(not(feature = "os-keystore"))]
    #[test]
    fn without_a_key_store_the_file_is_used_only_when_the_configuration_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let service = "anteroom-test".to_owned();
        let only = KeySource::OsKeyStore {
            service: service.clone(),
        };
        assert!(matches!(
            load_or_create(&only, dir.path()),
            Err(KeyError::NoKeyStore { .. })
        ));
        let path = dir.path().join("key");
        let either = KeySource::OsKeyStoreOrFile {
            service,
            path: path.clone(),
        };
        load_or_create(&either, dir.path()).unwrap();
        assert!(path.exists());
    }
}
