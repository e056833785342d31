//! A recording is encrypted as it is written, survives a crash, and is gone when its key is.
mod common;
use anteroom_store::recordings::format::{self, Encoder, HEADER_BYTES};
use anteroom_store::recordings::{RecordingError, RecordingState, RecordingWriter};
use anteroom_types::event::EventKind;
use anteroom_types::{EndReason, Purpose, TaskId, TaskKind, Wall};
use common::{NOON, call, event, offered, open};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for f in std::fs::read_dir(dir).unwrap() {
        let path = f.unwrap().path();
        if path.is_dir() {
            out.extend(files(&path))
        } else {
            out.push(path)
        }
    }
    out
}

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i * 7 % 251) as u8).collect()
}

#[test]
fn what_was_written_is_read_back_and_parts_follow_one_another() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert!(
        matches!(
            RecordingWriter::create(&store, call(1)),
            Err(RecordingError::Store(_))
        ),
        "no such call"
    );
    store
        .append_event_blocking(offered(call(1)))
        .wait_blocking()
        .unwrap();
    assert!(matches!(
        store.read_recording(call(1)),
        Err(RecordingError::NotFound)
    ));
    let all = bytes(200_000);
    let mut w = RecordingWriter::create(&store, call(1)).unwrap();
    w.write(&all[..10]).unwrap();
    assert_eq!(
        store.read_recording(call(1)).unwrap(),
        &all[..10],
        "while it is written"
    );
    assert!(
        matches!(
            store.erase_recording(call(1), "u1"),
            Err(RecordingError::Store(_))
        ),
        "not while it is written"
    );
    w.write(&all[10..150_000]).unwrap();
    let info = w.finish().unwrap();
    assert_eq!(
        (info.state, info.bytes, info.parts),
        (RecordingState::Complete, 150_000, 1)
    );
    let mut w = RecordingWriter::create(&store, call(1)).unwrap();
    w.write(&all[150_000..]).unwrap();
    assert_eq!(w.finish().unwrap().parts, 2);
    assert_eq!(store.read_recording(call(1)).unwrap(), all);
    assert_eq!(
        store.get_call(call(1)).unwrap().unwrap().recording.unwrap().bytes,
        200_000
    );
    let stored = files(&dir.path().join("recordings"));
    assert_eq!(stored.len(), 2);
    assert!(
        stored
            .iter()
            .all(|f| f.to_str().unwrap().contains("recordings/2027/01/")),
        "{stored:?}"
    );
}

#[test]
fn erasing_destroys_the_key_and_leaves_evidence() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store
        .append_event_blocking(offered(call(1)))
        .wait_blocking()
        .unwrap();
    let mut w = RecordingWriter::create(&store, call(1)).unwrap();
    w.write(&bytes(1000)).unwrap();
    w.finish().unwrap();
    let path = files(&dir.path().join("recordings")).remove(0);
    let copy = std::fs::read(&path).unwrap();
    store.erase_recording(call(1), "privacy-officer").unwrap();
    store.erase_recording(call(1), "privacy-officer").unwrap();
    assert!(!path.exists());
    std::fs::write(&path, copy).unwrap();
    assert!(
        matches!(store.read_recording(call(1)), Err(RecordingError::Erased)),
        "a copy is of no use"
    );
    let evidence = store.audit_list(Some(&call(1).to_string()), 10).unwrap();
    assert_eq!(
        evidence.iter().filter(|e| e.kind == "recording.erased").count(),
        1
    );
    assert_eq!(evidence[0].actor, "privacy-officer");
    assert!(store.audit_verify().unwrap().ok);
}

#[test]
fn an_interrupted_call_is_ended_once_with_one_task_and_its_recording() {
    let dir = tempfile::tempdir().unwrap();
    let id = call(1);
    {
        let store = open(dir.path());
        store.append_event_blocking(offered(id)).wait_blocking().unwrap();
        store
            .append_event_blocking(event(id, 2, EventKind::Recording { on: true }))
            .wait_blocking()
            .unwrap();
        let mut w = RecordingWriter::create(&store, id).unwrap();
        w.write(&bytes(5_000)).unwrap();
        w.write(&bytes(3_000)).unwrap();
        // Dropped without an end, as a crash would; and the last chunk torn, as a power cut would.
        drop(w);
        drop(store);
        let part = files(&dir.path().join("recordings")).remove(0);
        let f = std::fs::OpenOptions::new().write(true).open(&part).unwrap();
        f.set_len(f.metadata().unwrap().len() - 100).unwrap();
    }
    for start in 0..3 {
        let store = open(dir.path());
        let found = store.interrupted_calls().unwrap();
        assert_eq!(found.len(), usize::from(start == 0));
        let done = store
            .mark_interrupted(
                id,
                Wall(NOON + 99_000),
                TaskId::new(Wall(NOON), start),
                TaskKind::Callback,
                "Ring back".into(),
                found.first().and_then(|c| c.from.clone()),
                Wall(NOON + 100_000),
            )
            .unwrap();
        assert_eq!(done, start == 0);
        let record = store.get_call(id).unwrap().unwrap();
        assert_eq!(record.tasks.len(), 1);
        assert_eq!(
            record.tasks[0].number.as_ref().unwrap().open(Purpose::Test),
            "+441632960999"
        );
        assert!(matches!(
            record.events.last().unwrap().kind,
            EventKind::Ended {
                reason: EndReason::Interrupted,
                seconds: 1
            }
        ));
        assert_eq!(record.summary.end_reason, Some(EndReason::Interrupted));
        let recording = record.recording.unwrap();
        assert_eq!(
            (recording.state, recording.bytes),
            (RecordingState::Recovered, 5_000)
        );
        assert_eq!(store.read_recording(id).unwrap(), bytes(5_000));
        assert!(
            files(&dir.path().join("recordings"))
                .iter()
                .all(|f| f.extension().unwrap() == "rec")
        );
        assert!(store.audit_verify().unwrap().ok);
        assert_eq!(store.verify_events().unwrap(), None);
    }
    // Nobody is there to be marked.
    let store = open(dir.path());
    assert!(
        store
            .mark_interrupted(
                call(9),
                Wall(0),
                TaskId::new(Wall(0), 0),
                TaskKind::Callback,
                "x".into(),
                None,
                Wall(0)
            )
            .is_err()
    );
}

#[test]
fn a_recording_whose_file_is_gone_is_lost_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        store
            .append_event_blocking(offered(call(1)))
            .wait_blocking()
            .unwrap();
        drop(RecordingWriter::create(&store, call(1)).unwrap());
    }
    std::fs::remove_dir_all(dir.path().join("recordings")).unwrap();
    let store = open(dir.path());
    assert_eq!(
        store.recording_info(call(1)).unwrap().unwrap().state,
        RecordingState::Lost
    );
    assert!(matches!(
        store.read_recording(call(1)),
        Err(RecordingError::NotFound)
    ));
}

fn sample() -> (format::Key, Vec<u8>, Vec<usize>) {
    let key = Zeroizing::new([9; 32]);
    let (mut e, header) = Encoder::new(&key, call(1), [1; 7]);
    let mut file = header.to_vec();
    let mut ends = vec![file.len()];
    for (i, last) in [(1, false), (40, false), (0, false), (900, false), (3, true)] {
        file.extend(e.chunk(&bytes(i), last).unwrap());
        ends.push(file.len());
    }
    (key, file, ends)
}

fn read(file: &[u8], key: &format::Key, whole: bool) -> Result<Vec<u8>, format::FormatError> {
    let mut out = Vec::new();
    format::read(file, key, call(1), whole, &mut out).map(|()| out)
}

#[test]
fn no_byte_can_be_changed_and_no_chunk_cut_off_or_moved() {
    let (key, file, ends) = sample();
    assert_eq!(read(&file, &key, true).unwrap().len(), 944);
    for at in 0..file.len() {
        // A length that grows is a file that ends too early; everything else is a broken seal.
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(read(&changed, &key, true).is_err(), "byte {at}");
    }
    for cut in 0..file.len() {
        assert!(read(&file[..cut], &key, true).is_err(), "cut to {cut}");
    }
    let mut longer = file.clone();
    longer.push(0);
    assert!(read(&longer, &key, true).is_err());
    let mut swapped = file[..HEADER_BYTES].to_vec();
    swapped.extend(&file[ends[1]..ends[2]]);
    swapped.extend(&file[ends[0]..ends[1]]);
    swapped.extend(&file[ends[2]..]);
    assert!(read(&swapped, &key, false).is_err());
    assert!(read(&file, &Zeroizing::new([8; 32]), true).is_err());
    let mut out = Vec::new();
    assert!(
        format::read(&file[..], &key, call(2), true, &mut out).is_err(),
        "another call's"
    );
}

#[test]
fn a_file_cut_anywhere_is_made_whole_up_to_its_last_good_chunk() {
    let (key, file, ends) = sample();
    let plain = [0, 1, 41, 41, 941, 944];
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("r");
    let open = || {
        std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .unwrap()
    };
    for cut in (HEADER_BYTES..=file.len()).step_by(7).chain(ends.iter().copied()) {
        for zeros in [0, 50] {
            let mut torn = file[..cut].to_vec();
            if cut < file.len() {
                torn.extend(vec![0; zeros]);
            }
            std::fs::write(&path, torn).unwrap();
            let want = plain[ends.iter().filter(|e| **e <= cut).count() - 1];
            assert_eq!(
                format::make_whole(&mut open(), &key, call(1)).unwrap(),
                want as u64,
                "cut to {cut}"
            );
            assert_eq!(
                format::make_whole(&mut open(), &key, call(1)).unwrap(),
                want as u64,
                "again"
            );
            assert_eq!(
                read(&std::fs::read(&path).unwrap(), &key, true).unwrap().len(),
                want
            );
        }
    }
    std::fs::write(&path, "short").unwrap();
    assert!(format::make_whole(&mut open(), &key, call(1)).is_err());
}
