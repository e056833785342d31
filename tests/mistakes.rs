//! Each of the things that go wrong on a real machine gives one clear message, no panic, and loses nothing.

mod support;

use std::net::{TcpListener, UdpSocket};
use std::path::Path;

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
