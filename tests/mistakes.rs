//! Each of the things that go wrong on a real machine gives one clear message, no panic, and loses nothing.

#![allow(clippy::print_stdout, reason = "a test that cannot run says so")]

mod support;

use anteroom_sim::{Phone, Script, Step, ring};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use support::raw::Raw;
use support::{Appliance, Settings};

/// Runs a command that must fail and checks what a person reads.
fn check(dir: &Path, args: &[&str], says: &[&str]) {
    let out = support::run(dir, args);
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(!out.status.success(), "{args:?} did not fail");
    assert!(!text.contains("panicked"), "{text}");
    for s in says {
        assert!(text.contains(s), "{args:?} does not say '{s}':\n{text}");
    }
}

fn configured(sip: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("anteroom.toml"), sip).unwrap();
    dir
}

#[test]
fn a_broken_configuration_is_shown_with_its_line() {
    let dir = configured("[sip]\n\ncals_max = 3\n");
    check(
        dir.path(),
        &["serve"],
        &["anteroom.toml:3", "cals_max", "[config.wrong]"],
    );
    let dir = configured("[sip]\nlisten = [\"udp:nowhere\"]\n");
    check(
        dir.path(),
        &["serve"],
        &["anteroom.toml:2", "nowhere", "write it like"],
    );
}

#[test]
fn a_port_in_use_is_named() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let dir = configured(&format!(
        "[sip]\nlisten = [\"udp:{addr}\"]\n[web]\nlisten = \"127.0.0.1:0\"\n"
    ));
    check(dir.path(), &["serve"], &[&addr.port().to_string(), "in use"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let dir = configured(&format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n[web]\nlisten = \"{addr}\"\n"
    ));
    check(dir.path(), &["serve"], &[&addr.port().to_string(), "in use"]);
}

#[test]
fn a_wrong_key_is_refused_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let file = support::repository("assets/clinic/knowledge/01-finding-us.md");
    let import = ["knowledge", "import", file.to_str().unwrap()];
    assert!(support::run(dir.path(), &import).status.success());
    let key = dir.path().join("key");
    let right = std::fs::read(&key).unwrap();
    let mut wrong = right.clone();
    for b in wrong.iter_mut().filter(|b| b.is_ascii_hexdigit()).take(8) {
        *b = if *b == b'0' { b'1' } else { b'0' };
    }
    std::fs::write(&key, &wrong).unwrap();
    check(dir.path(), &["knowledge", "list"], &["key", "["]);
    // A lost key is not replaced by a new one over data it could not open.
    std::fs::remove_file(&key).unwrap();
    check(dir.path(), &["knowledge", "list"], &["key", "["]);
    assert!(!key.exists());
    support::write_private(&key, &right);
    assert!(support::json_lines(dir.path(), &["knowledge", "list", "--json"]).len() > 3);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    assert!(support::run(dir.path(), &["knowledge", "list"]).status.success());
    let key = dir.path().join("key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    check(dir.path(), &["knowledge", "list"], &["chmod 600"]);
}

#[test]
fn a_missing_or_corrupt_model_is_a_clear_state() {
    let models = tempfile::tempdir().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let vad = |dir: &Path| {
        support::anteroom(dir)
            .args(["vad", support::clip("single-1.wav").to_str().unwrap()])
            .env("ANTEROOM_MODELS", models.path())
            .output()
            .unwrap()
    };
    let missing = vad(dir.path());
    let text = String::from_utf8_lossy(&missing.stderr);
    assert!(
        !missing.status.success() && text.contains("anteroom models fetch"),
        "{text}"
    );
    // The same files, one byte changed.
    let from = support::models().join("silero-vad");
    let to = models.path().join("silero-vad");
    std::fs::create_dir_all(&to).unwrap();
    for f in std::fs::read_dir(from).unwrap() {
        let f = f.unwrap();
        let mut bytes = std::fs::read(f.path()).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(to.join(f.file_name()), bytes).unwrap();
    }
    let corrupt = vad(dir.path());
    let text = String::from_utf8_lossy(&corrupt.stderr);
    assert!(!corrupt.status.success() && !text.contains("panicked"), "{text}");
    assert!(text.contains("checksum") || text.contains("corrupt"), "{text}");
}

#[test]
fn a_second_appliance_on_the_same_data_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let a = support::Appliance::start(dir.path(), "");
    check(dir.path(), &["serve"], &["another", "["]);
    a.stop();
}

#[test]
fn questions_without_knowledge_or_sense_are_refused_politely() {
    let dir = tempfile::tempdir().unwrap();
    check(
        dir.path(),
        &["knowledge", "show", "no-such-entry"],
        &["no entry 'no-such-entry'", "knowledge list"],
    );
    check(
        dir.path(),
        &["knowledge", "show", "No Such"],
        &["cannot be an entry id"],
    );
    check(
        dir.path(),
        &["knowledge", "import", "/nonexistent.md"],
        &["could not be read"],
    );
    check(
        dir.path(),
        &["transcribe", "/nonexistent.wav"],
        &["nonexistent.wav"],
    );
    check(dir.path(), &["calls", "show", "x"], &["not an id"]);
    check(
        dir.path(),
        &["models", "fetch", "no-such-model"],
        &["no-such-model", "models list"],
    );
}

/// A small file system of its own, where the test may mount one; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=700");
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|o| o.status.success());
        if !mounted {
            println!("not run: this user may not mount a small file system");
            return None;
        }
        Some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut f = std::fs::File::create(self.path().join("ballast")).unwrap();
        for size in [1 << 20, 4096, 1] {
            while std::io::Write::write_all(&mut f, &vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount")
            .arg("-l")
            .arg(self.path())
            .status();
    }
}

#[test]
fn a_disk_that_is_full_before_the_start_is_named() {
    let Some(disk) = SmallDisk::mount("2m") else {
        return;
    };
    disk.fill();
    check(disk.path(), &["serve"], &["space", "["]);
    check(disk.path(), &["knowledge", "list"], &["space", "["]);
    // With space again it starts as if nothing had been.
    disk.free();
    support::succeeds(disk.path(), &["knowledge", "list"]);
}

/// A disk that runs full in mid-call: that call goes on, new ones are refused, and when there is space again nothing
/// that was acknowledged or that happened meanwhile is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_runs_full_costs_new_calls_and_no_facts() {
    const CALLER: &str = "+441632960801";
    let Some(disk) = SmallDisk::mount("96m") else {
        return;
    };
    support::approve_answers(disk.path());
    let settings = Settings {
        brief: true,
        ..Settings::default()
    };
    let a = Appliance::start_with(disk.path(), settings);
    let listen = || Step::Listen {
        quiet_ms: 900,
        wait_ms_max: 20_000,
    };
    let script = Script {
        steps: vec![
            listen(),
            Step::Pause { ms: 4_000 },
            Step::Speak(support::clip_audio("call-questions-1.wav")),
            listen(),
        ],
    };
    let target = a.desk();
    let caller = tokio::spawn(async move { ring(&target, CALLER, Phone::loopback(), &script).await });
    let shown = a.until_call(CALLER, "the call is recorded", |c| c.has("recording"));
    disk.fill();

    // The caller who is on the line is answered all the same.
    let report = caller.await.unwrap().unwrap();
    assert!(
        report.steps[3].heard_anything && !report.clinic_hung_up,
        "{:?}",
        report.steps
    );
    // New ones are admitted until a fact could not be written, then asked to come back.
    let mut served = Vec::new();
    let refusal = support::eventually("a new call is refused", || {
        let from = format!("+4416329607{:02}", served.len());
        let caller = Raw::new(a.sip, &from);
        caller.send(&caller.invite());
        let answer = caller.final_answer("INVITE");
        caller.finish(&answer);
        if answer.status == 200 {
            served.push(from);
            return None;
        }
        Some(answer)
    });
    assert_eq!(refusal.status, 503, "{}", refusal.text);
    assert!(refusal.header("Retry-After").is_some(), "{}", refusal.text);
    let refused = format!("+4416329607{:02}", served.len());
    assert_eq!(a.http("GET", "/ready", "", "").status, 503);
    assert!(
        a.metric("anteroom_write_failures_total") >= 1.0,
        "{}",
        a.metrics()
    );
    let health = a.api("/api/v1/health").to_string();
    assert!(health.contains("Free space"), "{health}");

    disk.free();
    a.until("it is ready again", |a| {
        a.http("GET", "/ready", "", "").status == 200
    });
    let back = Raw::new(a.sip, "+441632960802");
    back.send(&back.invite());
    let answer = back.final_answer("INVITE");
    back.finish(&answer);
    assert_eq!(answer.status, 200, "{}", answer.text);
    served.push("+441632960802".into());
    served.push(CALLER.into());
    // Who was refused meanwhile is put down to be rung back, once that can be written.
    served.push(refused.clone());
    a.until("every call is written to its end", |a| {
        let calls = a.calls();
        calls.len() == served.len() && calls.iter().all(|c| !c["ended"].is_null())
    });
    let call = a.call_from(&refused).unwrap();
    assert_eq!(call.summary()["ended"], "refused", "{}", call.story());
    assert_eq!(call.events("task_created").len(), 1, "{}", call.story());
    let call = a.call_from(CALLER).unwrap();
    assert_eq!(call.entries(), ["opening-hours"], "{}", call.story());
    let (was, is) = (
        shown.0["events"].as_array().unwrap(),
        call.0["events"].as_array().unwrap(),
    );
    assert!(
        was.iter().all(|e| is.contains(e)),
        "what was shown is lost:\n{}",
        call.story()
    );
    let numbers: Vec<_> = is.iter().map(|e| e["seq"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|w| w[0] < w[1]), "{numbers:?}");
    let stderr = a.stderr();
    assert!(!stderr.contains("panicked"), "{stderr}");
    a.stop();
    support::succeeds(disk.path(), &["audit", "verify"]);
    let listed = support::json_lines(disk.path(), &["calls", "list", "--json"]);
    for from in &served {
        assert!(
            listed.iter().any(|c| c["from"] == from.as_str()),
            "{from} is lost"
        );
    }
}
