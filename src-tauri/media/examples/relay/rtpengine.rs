//! The peer: rtpengine in userspace, told over its NG protocol what a SIP proxy would tell it.

use anteroom_media::Codec;
use anteroom_media::load::Telephones;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const CONTROL: u16 = 22_223;
const PORTS: (u16, u16) = (30_000, 39_999);

/// A running rtpengine; it ends with the value.
pub(crate) struct Rtpengine {
    child: Child,
    control: UdpSocket,
    requests: u32,
}

impl Rtpengine {
    pub(crate) fn version() -> Option<String> {
        let out = Command::new("rtpengine").arg("--version").output().ok()?;
        let text = [out.stdout, out.stderr].concat();
        Some(String::from_utf8_lossy(&text).trim().replace("Version: ", ""))
    }

    pub(crate) fn start() -> Result<Self, String> {
        let child = Command::new("rtpengine")
            .args([
                "--config-file=none",
                "--foreground",
                "--log-stderr",
                "--log-level=2",
                "--table=-1",
            ])
            .args(["--interface=127.0.0.1", "--pidfile=/dev/null"])
            .arg(format!("--listen-ng=127.0.0.1:{CONTROL}"))
            .args([
                format!("--port-min={}", PORTS.0),
                format!("--port-max={}", PORTS.1),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("rtpengine: {e}; apt-get install rtpengine-daemon"))?;
        let control = UdpSocket::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
        control
            .set_read_timeout(Some(Duration::from_millis(200)))
            .map_err(|e| e.to_string())?;
        let mut r = Self {
            child,
            control,
            requests: 0,
        };
        for _ in 0..50 {
            if r.ask(&[("command", "ping")]).is_ok() {
                return Ok(r);
            }
        }
        Err("rtpengine does not answer".into())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A call between two telephones: where each is to send.
    pub(crate) fn call(
        &mut self,
        number: usize,
        ports: [u16; 2],
        codec: Codec,
    ) -> Result<[SocketAddr; 2], String> {
        let id = format!("call-{number}");
        let offer = Telephones::offer(ports[0], codec);
        let common = [("call-id", id.as_str()), ("from-tag", "a"), ("ICE", "remove")];
        let mut ask = |command: &str, sdp: &str, to: Option<&str>| {
            let mut words: Vec<_> = common.to_vec();
            words.extend([("command", command), ("sdp", sdp)]);
            words.extend(to.map(|t| ("to-tag", t)));
            self.ask(&words).and_then(|answer| media(&answer))
        };
        let second_sends_to = ask("offer", &offer, None)?;
        let first_sends_to = ask("answer", &Telephones::offer(ports[1], codec), Some("b"))?;
        Ok([first_sends_to, second_sends_to])
    }

    /// One request, a dictionary of strings in bencoding after a cookie, and its answer.
    fn ask(&mut self, words: &[(&str, &str)]) -> Result<String, String> {
        self.requests += 1;
        let cookie = format!("c{}", self.requests);
        let mut words = words.to_vec();
        words.sort_unstable();
        let mut request = format!("{cookie} d");
        for (k, v) in words {
            request += &format!("{}:{k}{}:{v}", k.len(), v.len());
        }
        request.push('e');
        self.control
            .send_to(request.as_bytes(), ("127.0.0.1", CONTROL))
            .map_err(|e| e.to_string())?;
        let mut buf = [0; 8_192];
        loop {
            let n = self.control.recv(&mut buf).map_err(|e| e.to_string())?;
            let text = String::from_utf8_lossy(&buf[..n]).into_owned();
            if let Some(answer) = text.strip_prefix(&format!("{cookie} ")) {
                return if answer.contains("error-reason") {
                    Err(answer.to_owned())
                } else {
                    Ok(answer.to_owned())
                };
            }
        }
    }
}

impl Drop for Rtpengine {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address and port of the media line in an answer.
fn media(answer: &str) -> Result<SocketAddr, String> {
    let find = |prefix: &str| answer.split("\r\n").find_map(|l| l.strip_prefix(prefix));
    let port = find("m=audio ")
        .and_then(|m| m.split(' ').next())
        .and_then(|p| p.parse().ok());
    let ip = find("c=IN IP4 ").and_then(|ip| ip.parse().ok());
    match (ip, port) {
        (Some(ip), Some(port)) => Ok(SocketAddr::new(ip, port)),
        _ => Err(format!("no media line: {answer}")),
    }
}
