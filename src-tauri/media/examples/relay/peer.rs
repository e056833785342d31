//! The peer: rtpengine in userspace behind Kamailio, which is rung by SIP.

use anteroom_media::Codec;
use anteroom_media::load::Telephones;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The very script of the benchmarks of whole calls; nobody has to prove who they are here.
const SCRIPT: &str = include_str!("../../../bench/peers/kamailio.cfg");
/// Debian keeps it where only administrators' shells look.
const KAMAILIO: &str = "/usr/sbin/kamailio";
const PORTS: (u16, u16) = (30_000, 39_999);
const PATIENCE: Duration = Duration::from_millis(200);
/// How often each is asked whether it is there.
const READY_TRIES: u32 = 50;

/// Both, running, and either end of their calls; they end with the value.
pub(crate) struct Peer {
    media: Child,
    proxy: Child,
    sip: SocketAddr,
    /// Rings, and answers.
    ends: [UdpSocket; 2],
    // Kamailio's files.
    _dir: tempfile::TempDir,
}

impl Peer {
    /// What the two call themselves: Kamailio, rtpengine.
    pub(crate) fn versions() -> Option<[String; 2]> {
        let first = |program: &str, flag: &str, before: &str| {
            let out = Command::new(program).arg(flag).output().ok()?;
            let text = [out.stdout, out.stderr].concat();
            let text = String::from_utf8_lossy(&text);
            let line = text.lines().find_map(|l| l.trim().strip_prefix(before))?;
            Some(line.trim().to_owned())
        };
        Some([
            first(KAMAILIO, "-v", "version: kamailio")?,
            first("rtpengine", "--version", "Version:")?,
        ])
    }

    pub(crate) fn start() -> Result<Self, String> {
        let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
        let ends = [end()?, end()?];
        let (sip, control) = (free()?, free()?);
        let media = spawned(
            Command::new("rtpengine")
                .args([
                    "--config-file=none",
                    "--foreground",
                    "--log-stderr",
                    "--log-level=2",
                ])
                .args(["--table=-1", "--interface=127.0.0.1", "--pidfile=/dev/null"])
                .arg(format!("--listen-ng={control}"))
                .args([
                    format!("--port-min={}", PORTS.0),
                    format!("--port-max={}", PORTS.1),
                ]),
            "rtpengine-daemon",
        )?;
        let text = SCRIPT
            .replace("@SIP@", &sip.to_string())
            .replace("@MEDIA@", &control.to_string())
            .replace("@TRUNK@", &at(&ends[1])?.to_string())
            .replace("@PEOPLE@", "    $sht(people=>nobody) = 1;");
        let script = dir.path().join("kamailio.cfg");
        std::fs::write(&script, text).map_err(|e| e.to_string())?;
        // Before it can fail, so that rtpengine ends in any case.
        let mut it = Self {
            media,
            proxy: spawned(&mut kamailio(&script, dir.path()), "kamailio")?,
            sip,
            ends,
            _dir: dir,
        };
        it.ready("rtpengine", control, "ready d7:command4:pinge")?;
        let options = request(
            "OPTIONS",
            &format!("sip:ready@{sip}"),
            at(&it.ends[0])?,
            "ready",
            "",
            "",
        );
        it.ready("Kamailio", sip, &options)?;
        Ok(it)
    }

    fn ready(&mut self, name: &str, to: SocketAddr, question: &str) -> Result<(), String> {
        let socket = &self.ends[0];
        for _ in 0..READY_TRIES {
            let _ = socket.send_to(question.as_bytes(), to);
            while let Ok((_, from)) = socket.recv_from(&mut [0; 2_048]) {
                if from == to {
                    return Ok(());
                }
            }
        }
        Err(format!("{name} does not answer"))
    }

    /// The process that relays.
    pub(crate) fn pid(&self) -> u32 {
        self.media.id()
    }

    /// A call between two telephones, through Kamailio: where each is to send.
    pub(crate) fn call(
        &mut self,
        number: usize,
        ports: [u16; 2],
        codec: Codec,
    ) -> Result<[SocketAddr; 2], String> {
        let [rings, answers] = &self.ends;
        let (id, here) = (format!("call-{number}"), at(rings)?);
        let uri = format!("sip:outside@{}", self.sip);
        let send = |socket: &UdpSocket, text: &str, to| {
            let sent = socket.send_to(text.as_bytes(), to);
            sent.map_err(|e| e.to_string())
        };
        let sdp = Telephones::offer(ports[0], codec);
        send(rings, &request("INVITE", &uri, here, &id, "", &sdp), self.sip)?;
        let invite = hear(answers, &id, "INVITE ")?;
        let second_sends_to = media(&invite)?;
        let answer = answer(&invite, at(answers)?, &Telephones::offer(ports[1], codec));
        send(answers, &answer, self.sip)?;
        let ok = hear(rings, &id, "SIP/2.0 200")?;
        let first_sends_to = media(&ok)?;
        let routes: Vec<String> = lines(&ok, &["Record-Route:"])
            .iter()
            .rev()
            .map(|l| l.replace("Record-Route:", "Route:"))
            .collect();
        let to_tag = ";tag=there";
        let ack = request(
            "ACK",
            &format!("sip:outside@{}", at(answers)?),
            here,
            &id,
            to_tag,
            "",
        );
        let ack = ack.replacen("\r\n", &format!("\r\n{}", routes.concat()), 1);
        send(rings, &ack, self.sip)?;
        hear(answers, &id, "ACK ")?;
        Ok([first_sends_to, second_sends_to])
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Kamailio's workers end with it when it is asked to.
        let _ = Command::new("kill").arg(self.proxy.id().to_string()).status();
        let _ = self.proxy.wait();
        let _ = self.media.kill();
        let _ = self.media.wait();
    }
}

fn kamailio(script: &Path, dir: &Path) -> Command {
    let mut c = Command::new(KAMAILIO);
    c.arg("-f")
        .arg(script)
        .args(["-DD", "-E", "-m", "128", "-M", "16"]);
    c.arg("-Y").arg(dir).arg("-w").arg(dir);
    c
}

fn spawned(command: &mut Command, package: &str) -> Result<Child, String> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{e}; apt-get install {package}"))
}

fn end() -> Result<UdpSocket, String> {
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    socket
        .set_read_timeout(Some(PATIENCE))
        .map_err(|e| e.to_string())?;
    Ok(socket)
}

fn at(socket: &UdpSocket) -> Result<SocketAddr, String> {
    socket.local_addr().map_err(|e| e.to_string())
}

/// An address that nobody has at this moment.
fn free() -> Result<SocketAddr, String> {
    at(&end()?)
}

fn request(method: &str, uri: &str, from: SocketAddr, id: &str, to_tag: &str, sdp: &str) -> String {
    let kind = if sdp.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bK{method}{id};rport\r\nFrom: <sip:bench@{from}>;tag={id}\r\n\
         To: <sip:outside@{from}>{to_tag}\r\nCall-ID: {id}\r\nCSeq: 1 {method}\r\nContact: <sip:bench@{from}>\r\n\
         Max-Forwards: 70\r\n{kind}Content-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// The header lines of a message that begin with one of these, as they are.
fn lines(message: &str, names: &[&str]) -> Vec<String> {
    let head = message.split("\r\n\r\n").next().unwrap_or_default();
    head.split("\r\n")
        .filter(|l| names.iter().any(|n| l.starts_with(n)))
        .map(|l| format!("{l}\r\n"))
        .collect()
}

fn answer(invite: &str, here: SocketAddr, sdp: &str) -> String {
    let same = lines(
        invite,
        &["Via:", "Record-Route:", "From:", "To:", "Call-ID:", "CSeq:"],
    )
    .concat();
    let to = lines(invite, &["To:"]).concat();
    let same = same.replace(&to, &format!("{};tag=there\r\n", to.trim_end()));
    format!(
        "SIP/2.0 200 OK\r\n{same}Contact: <sip:outside@{here}>\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    )
}

/// The message of a call that begins so; a refusal is an error.
fn hear(socket: &UdpSocket, id: &str, begins: &str) -> Result<String, String> {
    let mut buf = [0; 8_192];
    let mut silences = 0;
    while silences < 10 {
        let Ok(n) = socket.recv(&mut buf) else {
            silences += 1;
            continue;
        };
        let text = String::from_utf8_lossy(&buf[..n]).into_owned();
        if lines(&text, &["Call-ID:"]) != [format!("Call-ID: {id}\r\n")] {
            continue;
        }
        if text.starts_with(begins) {
            return Ok(text);
        }
        if matches!(text.get(..9), Some("SIP/2.0 4" | "SIP/2.0 5" | "SIP/2.0 6")) {
            return Err(text);
        }
    }
    Err(format!("Kamailio sends no {begins}"))
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
