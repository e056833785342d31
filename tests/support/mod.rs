//! What the end-to-end tests share: the `anteroom` command, a running appliance, and its peers.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test takes its part of this module"
)]

mod appliance;
pub mod baresip;
pub mod carrier;
pub mod echo;
pub mod linphone;
pub mod peers;
pub mod raw;
pub mod record;
pub mod sipp;

pub use appliance::{Answer, Appliance, Settings};

use serde_json::Value;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a start, a stop or an answer may take before the test gives up. Generous: a shared machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// The folder with the models, or a failure that says what to do.
pub fn models() -> PathBuf {
    let dir = std::env::var_os("ANTEROOM_MODELS")
        .map(PathBuf::from)
        .unwrap_or_else(|| {
            PathBuf::from(std::env::var_os("HOME").expect("HOME is set")).join(".cache/anteroom/models")
        });
    assert!(
        dir.exists(),
        "{} is missing: run `cargo xtask setup` first",
        dir.display()
    );
    dir
}

/// The `anteroom` command with all its state below `dir`.
pub fn anteroom(dir: &Path) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_anteroom"));
    c.arg("--data")
        .arg(dir)
        .env("ANTEROOM_MODELS", models())
        .stdin(Stdio::null());
    c
}

/// Runs it to its end.
pub fn run(dir: &Path, args: &[&str]) -> Output {
    anteroom(dir).args(args).output().expect("anteroom starts")
}

/// Runs it to its end, which must be a good one.
pub fn succeeds(dir: &Path, args: &[&str]) {
    let out = run(dir, args);
    assert!(
        out.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// Adds somebody, and gives the password of their telephone. `more` are options of `users add`.
pub fn add(dir: &Path, user: &str, more: &[&str]) -> String {
    let args = [&["users", "add", user, "--name", user, "--json"], more].concat();
    let added = json_lines(dir, &args);
    added[0]["password"].as_str().unwrap().to_owned()
}

/// Runs it to its end, which must be a good one, and reads its lines of JSON.
pub fn json_lines(dir: &Path, args: &[&str]) -> Vec<Value> {
    let out = run(dir, args);
    assert!(
        out.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8(out.stdout).expect("UTF-8");
    text.lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect()
}

/// A file of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A clip of the demonstration calls.
pub fn clip(name: &str) -> PathBuf {
    repository("assets/demo-calls").join(name)
}

/// A clip as the engine's audio.
pub fn clip_audio(name: &str) -> Arc<[i16]> {
    let bytes = std::fs::read(clip(name)).expect("the clip is there");
    anteroom_sim::clip(&bytes).expect("a WAV file").into()
}

/// Approves the sample clinic's answers about its place and hours; enough to be answered by.
pub fn approve_answers(dir: &Path) {
    let file = repository("assets/clinic/knowledge/01-finding-us.md");
    let file = file.to_str().expect("UTF-8");
    succeeds(dir, &["knowledge", "import", "--approve-by", "test", file]);
}

/// Whether a program is there; the tests that need it fail without it, and say how to get it.
pub fn needs(program: &str) {
    let found = Command::new(program)
        .arg("-h")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(found.is_ok(), "{program} is missing: run `cargo xtask setup`");
}

/// Waits until `holds` gives something; fails with `what` when it does not in time.
pub fn eventually<T>(what: &str, holds: impl FnMut() -> Option<T>) -> T {
    eventually_or(|| what.to_owned(), holds)
}

/// The same; `what` is asked for when it fails, so that it can say what there is then.
pub fn eventually_or<T>(what: impl Fn() -> String, mut holds: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(t) = holds() {
            return t;
        }
        assert!(Instant::now() < end, "in vain: {}", what());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A number that no test running at the same time has: nextest's slot, or one made from the process's id.
fn slot() -> u16 {
    let slot = std::env::var("NEXTEST_TEST_GLOBAL_SLOT")
        .ok()
        .and_then(|s| s.parse().ok());
    slot.unwrap_or_else(|| u16::try_from(std::process::id() % 90).unwrap_or(0)) % 90
}

/// Ports for the appliances of this process, below those that the system and the scripted callers take. Ports that
/// another program holds are passed over by the appliance itself.
pub fn rtp_ports() -> (u16, u16) {
    let first = 10_000 + slot() % 50 * 400;
    (first, first + 399)
}

/// An even UDP port that is free now, with the three after it.
pub fn free_ports() -> u16 {
    eventually("four free ports", || {
        let first = UdpSocket::bind("127.0.0.1:0").ok()?;
        let port = first.local_addr().ok()?.port();
        let free = port % 2 == 0
            && port < u16::MAX - 4
            && (port + 1..port + 4).all(|p| UdpSocket::bind(("127.0.0.1", p)).is_ok());
        free.then_some(port)
    })
}

/// Writes a file that only this user may read.
pub fn write_private(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut f = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .expect("a new file");
    std::io::Write::write_all(&mut f, bytes).expect("written");
}

/// Every file below a folder.
pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(t) if t.is_dir() => todo.push(entry.path()),
                Ok(_) => found.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    found
}
