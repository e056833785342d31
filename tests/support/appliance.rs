//! A running `anteroom serve`.

use super::{PATIENCE, anteroom, eventually, repository, rtp_ports};
use serde_json::Value;
use std::cell::RefCell;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// What differs from a configuration that answers anybody on free loopback ports. Each is lines of TOML.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings<'a> {
    /// For `[sip]`.
    pub sip: &'a str,
    /// Something to listen on besides UDP and TCP, such as `tls:127.0.0.1:0`.
    pub listen: Option<&'a str>,
    /// Whether it answers telephones of its own and trunks alone, as a clinic's does.
    pub strict: bool,
    /// For `[media]`.
    pub media: &'a str,
    /// Whole sections of their own.
    pub more: &'a str,
    /// Whether the clinic is one that never closes and greets in few words, so that short calls are short.
    pub brief: bool,
}

impl Settings<'_> {
    fn write(self, dir: &Path) {
        let (first, last) = rtp_ports();
        let clinic = if self.brief {
            let folder = brief_clinic(dir);
            format!("[clinic]\nfolder = \"{folder}\"\n")
        } else {
            String::new()
        };
        let more = self.listen.map(|l| format!(", \"{l}\"")).unwrap_or_default();
        let text = format!(
            "{clinic}[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"{more}]\nallow_direct = {}\n\
             rate_per_source_per_s = 5000\n{}\n[media]\nports = \"{first}-{last}\"\n{}\n\
             [web]\nlisten = \"127.0.0.1:0\"\n{}\n",
            !self.strict, self.sip, self.media, self.more
        );
        std::fs::write(dir.join("anteroom.toml"), text).expect("the folder can be written");
    }
}

/// The sample clinic with short sentences at the beginning of a call and open at all hours.
fn brief_clinic(dir: &Path) -> String {
    let folder = dir.join("clinic");
    std::fs::create_dir_all(&folder).expect("the folder can be written");
    let policy =
        std::fs::read_to_string(repository("assets/clinic/policy.toml")).expect("the sample's policy");
    let brief = |line: &str| {
        let (name, _) = line.split_once(" = ")?;
        let words = match name {
            "greeting" => "Hello.",
            "consent_notice" => "This call is recorded.",
            _ => return None,
        };
        Some(format!("{name} = \"{words}\""))
    };
    let policy: Vec<_> = policy
        .lines()
        .map(|l| brief(l).unwrap_or_else(|| l.to_owned()))
        .collect();
    std::fs::write(folder.join("policy.toml"), policy.join("\n")).expect("written");
    let days = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    let week: String = days
        .iter()
        .map(|d| format!("{d} = [\"00:00-24:00\"]\n"))
        .collect();
    let hours = format!("version = \"test\"\ntime_zone = \"Europe/London\"\n\n[week]\n{week}");
    std::fs::write(folder.join("hours.toml"), hours).expect("written");
    folder.to_str().expect("UTF-8").to_owned()
}

/// What the page answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// A running `anteroom serve`.
pub struct Appliance {
    child: RefCell<Child>,
    /// Where it answers UDP.
    pub sip: SocketAddr,
    /// Where it answers TCP.
    pub sip_tcp: SocketAddr,
    /// Where it answers TLS, if it does.
    pub sip_tls: Option<SocketAddr>,
    /// Where its page is.
    pub web: SocketAddr,
    cookie: RefCell<Option<String>>,
    code: String,
    stderr: Arc<Mutex<String>>,
}

impl Appliance {
    /// Starts it on `dir`, which keeps its state across starts.
    pub fn start(dir: &Path, sip: &str) -> Self {
        Self::start_with(
            dir,
            Settings {
                sip,
                ..Settings::default()
            },
        )
    }

    /// The same with more to set. Writes the configuration when there is none.
    pub fn start_with(dir: &Path, settings: Settings<'_>) -> Self {
        if !dir.join("anteroom.toml").exists() {
            settings.write(dir);
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
        let stderr = Arc::new(Mutex::new(String::new()));
        let (mut from, into) = (child.stderr.take().expect("piped"), Arc::clone(&stderr));
        std::thread::spawn(move || {
            let mut buf = [0; 4096];
            while let Ok(n @ 1..) = from.read(&mut buf) {
                let text = String::from_utf8_lossy(&buf[..n]);
                into.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push_str(&text);
            }
        });
        let Ok(line) = rx.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            let _ = child.wait();
            let text = stderr.lock().unwrap_or_else(PoisonError::into_inner).clone();
            panic!("anteroom serve did not become ready: {text}");
        };
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        let listens = |transport: &str| {
            let all = ready["sip"].as_array().expect("addresses");
            let found = all
                .iter()
                .filter_map(Value::as_str)
                .find_map(|s| s.strip_prefix(transport));
            found.map(|s| s.parse().expect("an address"))
        };
        let sip = |transport: &str| listens(transport).expect("listens");
        let web = ready["web"].as_str().expect("a page");
        let web = web
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .parse()
            .expect("an address");
        let link = ready["link"].as_str().expect("a link");
        let code = link.split_once("#code=").expect("a code").1.to_owned();
        Self {
            sip: sip("udp:"),
            sip_tcp: sip("tcp:"),
            sip_tls: listens("tls:"),
            web,
            child: RefCell::new(child),
            cookie: RefCell::default(),
            code,
            stderr,
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.borrow().id()
    }

    /// Where to ring it over UDP.
    pub fn desk(&self) -> String {
        format!("sip:desk@{}", self.sip)
    }

    /// What it wrote to its standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// As a power cut would.
    pub fn kill(self) {
        let mut child = self.child.borrow_mut();
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
    }

    /// As an administrator would; waits until it has ended well.
    pub fn stop(self) {
        let ok = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status();
        assert!(ok.expect("kill starts").success());
        let status = eventually("anteroom serve ends", || self.ended());
        assert!(
            status.success(),
            "anteroom serve ended with {status}: {}",
            self.stderr()
        );
    }

    fn ended(&self) -> Option<ExitStatus> {
        self.child.borrow_mut().try_wait().expect("it can be asked")
    }

    /// The Prometheus text.
    pub fn metrics(&self) -> String {
        self.get("/metrics")
    }

    /// One figure of it; nothing has been counted yet when it is not there.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics();
        let value = text
            .lines()
            .find_map(|l| l.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok());
        value.unwrap_or(0.0)
    }

    /// The body of a page that needs no sign-in.
    pub fn get(&self, path: &str) -> String {
        self.http("GET", path, "", "").body
    }

    /// Sends a request as it is told to.
    pub fn http(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut s = TcpStream::connect(self.web).expect("the page is served");
        s.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        let length = if method == "POST" {
            format!("Content-Length: {}\r\n", body.len())
        } else {
            String::new()
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\n{length}{headers}Connection: close\r\n\r\n{body}",
            self.web
        );
        // A server that refuses early may close before it has read everything.
        let _ = s.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        let _ = s.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        Answer {
            status: status.unwrap_or_else(|| panic!("no HTTP answer to {method} {path}: {text}")),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// Signs in with the link printed at start, once, and gives the header that says so.
    pub fn cookie(&self) -> String {
        let mut cookie = self.cookie.borrow_mut();
        let given = cookie.get_or_insert_with(|| {
            let body = serde_json::json!({ "code": self.code }).to_string();
            let answer = self.http(
                "POST",
                "/api/v1/session",
                "Content-Type: application/json\r\n",
                &body,
            );
            assert_eq!(answer.status, 201, "{answer:?}");
            let set = answer.head.lines().find_map(|l| {
                l.split_once(": ")
                    .filter(|(n, _)| n.eq_ignore_ascii_case("set-cookie"))
            });
            let pair = set.expect("a cookie").1.split(';').next();
            format!("Cookie: {}\r\n", pair.expect("a pair"))
        });
        given.clone()
    }

    /// Asks as somebody who has signed in.
    pub fn api(&self, path: &str) -> Value {
        self.http("GET", path, &self.cookie(), "").json()
    }

    /// Orders something as somebody who has signed in, as JSON.
    pub fn order(&self, path: &str, body: &Value) -> Answer {
        let headers = format!("Content-Type: application/json\r\n{}", self.cookie());
        self.http("POST", path, &headers, &body.to_string())
    }

    /// The calls so far, newest first.
    pub fn calls(&self) -> Vec<Value> {
        let page = self.api("/api/v1/calls?limit=200");
        page["calls"].as_array().expect("calls").clone()
    }

    /// The record of the newest call of this caller.
    pub fn call_from(&self, from: &str) -> Option<super::record::Record> {
        let call = self.calls().into_iter().find(|c| c["from"] == from)?;
        let id = call["id"].as_str().expect("an id");
        Some(super::record::Record(self.api(&format!("/api/v1/calls/{id}"))))
    }

    /// Waits until the newest call of this caller fulfils something.
    pub fn until_call(
        &self,
        from: &str,
        what: &str,
        holds: impl Fn(&super::record::Record) -> bool,
    ) -> super::record::Record {
        let mut last = None;
        let end = std::time::Instant::now() + PATIENCE;
        loop {
            self.is_alive(what);
            if let Some(record) = self.call_from(from) {
                if holds(&record) {
                    return record;
                }
                last = Some(record);
            }
            let story = last
                .as_ref()
                .map(super::record::Record::story)
                .unwrap_or_default();
            assert!(std::time::Instant::now() < end, "in vain: {what}\n{story}");
            std::thread::sleep(Duration::from_millis(100));
        }
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

    /// Waits until `holds`; fails with `what` when it does not in time, or when the appliance ends meanwhile.
    pub fn until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        eventually(what, || {
            self.is_alive(what);
            holds(self).then_some(())
        });
    }

    fn is_alive(&self, what: &str) {
        if let Some(status) = self.ended() {
            panic!(
                "anteroom serve ended with {status} before: {what}\n{}",
                self.stderr()
            );
        }
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let mut child = self.child.borrow_mut();
        let _ = child.kill();
        let _ = child.wait();
    }
}
