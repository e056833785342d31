//! kill -9 at any moment loses nothing that was acknowledged.
//!
//! The test runs itself as a child that writes and says what was acknowledged; the parent kills it at a random moment,
//! opens what is left and looks for every acknowledged fact. `ANTEROOM_KILLS` sets how often (40 without it).
mod common;
use anteroom_store::recordings::RecordingWriter;
use anteroom_types::CallId;
use anteroom_types::event::EventKind;
use common::{event, offered, open};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

fn byte(at: u64) -> u8 {
    (at * 31 % 253) as u8
}

/// Not a test of its own: the child of the one below.
#[test]
#[ignore = "run by kill_at_random_moments_loses_nothing_acknowledged"]
fn child() {
    let Ok(dir) = std::env::var("ANTEROOM_KILL_DIR") else {
        return;
    };
    let first: u128 = std::env::var("ANTEROOM_KILL_FIRST").unwrap().parse().unwrap();
    let store = open(dir.as_ref());
    let out = std::sync::Mutex::new(std::io::stdout());
    let say = |line: String| {
        let mut out = out.lock().unwrap();
        writeln!(out, "{line}").unwrap();
        out.flush().unwrap();
    };
    std::thread::scope(|scope| {
        for thread in 0..3u128 {
            let (store, say) = (&store, &say);
            scope.spawn(move || {
                for n in 0u128.. {
                    let id = common::call(first + n * 3 + thread);
                    store.append_event_blocking(offered(id)).wait_blocking().unwrap();
                    say(format!("event {id} 1"));
                    let mut recording = RecordingWriter::create(store, id).unwrap();
                    let mut recorded = 0u64;
                    for seq in 2..30 {
                        let e = event(id, seq, EventKind::Hold { held: seq % 2 == 0 });
                        store.append_event_blocking(e).wait_blocking().unwrap();
                        say(format!("event {id} {seq}"));
                        let piece: Vec<u8> = (recorded..recorded + 700).map(byte).collect();
                        recording.write(&piece).unwrap();
                        recorded += 700;
                        say(format!("recorded {id} {recorded}"));
                    }
                    // Every other recording is finished, the rest left as a crash would leave them.
                    if n % 2 == 0 {
                        recording.finish().unwrap();
                    }
                }
            });
        }
    });
}

#[test]
fn kill_at_random_moments_loses_nothing_acknowledged() {
    let kills: u32 = std::env::var("ANTEROOM_KILLS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(40);
    let dir = tempfile::tempdir().unwrap();
    let mut rng = StdRng::seed_from_u64(0x5eed);
    let (mut total, mut killed_while_writing) = (0, 0);
    let mut first = 1u128;
    for round in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--ignored", "--nocapture", "--test-threads=1"])
            .env("ANTEROOM_KILL_DIR", dir.path())
            .env("ANTEROOM_KILL_FIRST", first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let told = Arc::new(AtomicBool::new(false));
        let begun = Arc::clone(&told);
        let reader = std::thread::spawn(move || {
            let (mut events, mut recorded) = (Vec::new(), HashMap::new());
            for line in output.lines().map_while(Result::ok) {
                let mut words = line.split(' ');
                match (words.next(), words.next(), words.next()) {
                    (Some("event"), Some(id), Some(seq)) => {
                        begun.store(true, Ordering::Relaxed);
                        events.push((id.parse::<CallId>().unwrap(), seq.parse::<u32>().unwrap()));
                    }
                    (Some("recorded"), Some(id), Some(bytes)) => {
                        recorded.insert(id.parse::<CallId>().unwrap(), bytes.parse::<u64>().unwrap());
                    }
                    _ => {}
                }
            }
            (events, recorded)
        });
        // From before the database is open to well into the writing; every second time it is begun for certain, however long
        // this machine takes to start a process.
        let patience = Instant::now() + Duration::from_secs(60);
        while round % 2 == 1 && !told.load(Ordering::Relaxed) && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let until = Instant::now() + Duration::from_millis(rng.random_range(0..600));
        while Instant::now() < until {
            std::thread::yield_now();
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let (events, recorded) = reader.join().unwrap();

        let store = open(dir.path());
        for (id, seq) in &events {
            let record = store
                .get_call(*id)
                .unwrap()
                .unwrap_or_else(|| panic!("round {round}: call {id}"));
            assert!(
                record.events.iter().any(|e| e.seq == *seq),
                "round {round}: {id} {seq}"
            );
        }
        for (id, bytes) in &recorded {
            let audio = store.read_recording(*id).unwrap();
            assert!(
                audio.len() as u64 >= *bytes,
                "round {round}: {id} {bytes} of {}",
                audio.len()
            );
            assert!(
                audio.iter().zip(0..).all(|(b, at)| *b == byte(at)),
                "round {round}: {id}"
            );
        }
        let report = store.audit_verify().unwrap();
        assert!(report.ok, "round {round}: {report:?}");
        assert_eq!(store.verify_events().unwrap(), None, "round {round}");
        total += events.len();
        killed_while_writing += u32::from(!events.is_empty());
        first += 1_000_000;
    }
    let _ = writeln!(
        std::io::stderr(),
        "{kills} kills, {killed_while_writing} while writing; {total} acknowledged events, all there"
    );
    assert!(
        killed_while_writing > kills / 4,
        "too few kills hit the writing to mean anything"
    );
}
