//! A running appliance, and what the end-to-end tests do with it.
#![allow(dead_code, reason = "each test uses its part")]

use serde_json::Value;
use std::io::{BufRead, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

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

/// A configuration on free loopback ports that answers anybody.
pub fn config(extra_sip: &str) -> String {
    let ports = 20_000 + (std::process::id() % 200) * 200;
    format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\nallow_direct = true\n\
         rate_per_source_per_s = 5000\n{extra_sip}\n\
         [media]\nports = \"{}-{}\"\n[web]\nlisten = \"127.0.0.1:0\"\n",
        ports,
        ports + 199
    )
}

/// A running `anteroom serve`.
pub struct Appliance {
    child: Child,
    pub sip: SocketAddr,
    pub sip_tcp: SocketAddr,
    pub web: SocketAddr,
}

impl Appliance {
    /// Starts it on `dir`, which keeps its state across starts. Writes the configuration when there is none.
    pub fn start(dir: &Path, extra_sip: &str) -> Self {
        let file = dir.join("anteroom.toml");
        if !file.exists() {
            std::fs::write(&file, config(extra_sip)).expect("the folder can be written");
        }
        let mut child = anteroom(dir)
            .args(["serve", "--json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("anteroom starts");
        let (tx, rx) = mpsc::channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = tx.send(line);
            }
        });
        let Ok(line) = rx.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            let mut text = String::new();
            let _ = child.stderr.take().expect("piped").read_to_string(&mut text);
            panic!("anteroom serve did not become ready: {text}");
        };
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        let sip = |transport: &str| {
            let all = ready["sip"].as_array().expect("addresses");
            let found = all
                .iter()
                .filter_map(Value::as_str)
                .find_map(|s| s.strip_prefix(transport));
            found.expect("listens").parse().expect("an address")
        };
        let web = ready["web"].as_str().expect("a page");
        let web = web
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .expect("an address");
        Self {
            sip: sip("udp:"),
            sip_tcp: sip("tcp:"),
            web,
            child,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As a power cut would.
    pub fn kill(mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// As an administrator would; waits until it has ended well.
    pub fn stop(mut self) {
        self.signal("TERM");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "anteroom serve ended with {status}");
    }

    fn signal(&self, name: &str) {
        let ok = Command::new("kill")
            .args([format!("-{name}"), self.child.id().to_string()])
            .status();
        assert!(ok.expect("kill starts").success());
    }

    /// The Prometheus text.
    pub fn metrics(&self) -> String {
        self.get("/metrics")
    }

    /// One figure of it.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics();
        let value = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("{name} is not in\n{text}"))
    }

    /// The body of a page that needs no sign-in.
    pub fn get(&self, path: &str) -> String {
        let mut s = std::net::TcpStream::connect(self.web).expect("the page is served");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.web
        );
        std::io::Write::write_all(&mut s, request.as_bytes()).expect("written");
        let mut text = String::new();
        s.read_to_string(&mut text).expect("read");
        text.split_once("\r\n\r\n")
            .map(|(_, body)| body.to_owned())
            .unwrap_or_default()
    }

    /// Memory in use, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("Linux");
        let line = text
            .lines()
            .find_map(|l| l.strip_prefix("VmRSS:"))
            .expect("VmRSS");
        line.trim()
            .trim_end_matches(" kB")
            .trim()
            .parse()
            .expect("a number")
    }

    /// Waits until `what` holds; fails with its name when it does not in time.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let end = std::time::Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(std::time::Instant::now() < end, "in vain: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a program is there; the tests that need it fail without it, and say how to get it.
pub fn needs(program: &str) {
    let found = Command::new(program)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(found.is_ok(), "{program} is missing: run `cargo xtask setup`");
}

/// A clip of the demonstration calls.
pub fn clip(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../assets/demo-calls")
        .join(name)
}

/// Sends one INVITE without a body over UDP and returns the first final answer.
pub fn invite(to: SocketAddr) -> String {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("set");
    let me = socket.local_addr().expect("bound");
    let unique = me.port();
    let text = format!(
        "INVITE sip:desk@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{unique}\r\nMax-Forwards: 70\r\n\
         From: <sip:tester@{me}>;tag={unique}\r\nTo: <sip:desk@{to}>\r\nCall-ID: {unique}@test\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:tester@{me}>\r\nContent-Length: 0\r\n\r\n"
    );
    socket.send_to(text.as_bytes(), to).expect("sent");
    let mut buf = [0; 4096];
    loop {
        let n = socket.recv(&mut buf).expect("an answer");
        let answer = String::from_utf8_lossy(&buf[..n]).into_owned();
        if !answer.starts_with("SIP/2.0 1") {
            return answer;
        }
    }
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
