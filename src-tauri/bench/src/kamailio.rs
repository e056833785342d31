//! The other peer for bridged calls: Debian's Kamailio as the proxy, with rtpengine in userspace for the media.

use crate::error::{Doing as _, Failure};
use crate::sipp::{User, free_port};
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};

const SCRIPT: &str = include_str!("../peers/kamailio.cfg");
/// Debian keeps it where only administrators' shells look.
const KAMAILIO: &str = "/usr/sbin/kamailio";
/// How long each may take until it answers: tries of [`WAIT`].
const READY_TRIES: u32 = 50;
const WAIT: Duration = Duration::from_millis(200);

/// What both call themselves.
pub(crate) fn versions() -> Result<[(&'static str, String); 2], Failure> {
    let first = |program: &str, flag: &str, before: &str| {
        let out = std::process::Command::new(program)
            .arg(flag)
            .output()
            .doing("starting Kamailio and rtpengine (Debian's kamailio and rtpengine-daemon)")?;
        let text = [out.stdout, out.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().find_map(|l| l.trim().strip_prefix(before));
        Ok::<_, Failure>(line.unwrap_or("?").trim().to_owned())
    };
    Ok([
        ("kamailio", first(KAMAILIO, "-v", "version: kamailio")?),
        ("rtpengine", first("rtpengine", "--version", "Version:")?),
    ])
}

/// Both, running.
pub(crate) struct Kamailio {
    proxy: Child,
    media: Child,
    pub(crate) sip: SocketAddr,
}

impl Kamailio {
    /// Starts both; their files are below `dir`.
    pub(crate) async fn start(dir: &Path, trunk: SocketAddr, users: &[User]) -> Result<Self, Failure> {
        let here = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (sip, control) = (here(free_port("127.0.0.1")?), here(free_port("127.0.0.1")?));
        let media = spawned(
            Command::new("rtpengine")
                .args([
                    "--config-file=none",
                    "--foreground",
                    "--log-stderr",
                    "--log-level=2",
                ])
                .args(["--table=-1", "--interface=127.0.0.1", "--pidfile=/dev/null"])
                .args(["--port-min=20000", "--port-max=29999"])
                .arg(format!("--listen-ng={control}")),
            dir,
            "rtpengine",
        )?;
        answers("rtpengine", control, "ready d7:command4:pinge", dir).await?;
        let script = dir.join("kamailio.cfg");
        std::fs::write(&script, settings(sip, control, trunk, users))
            .doing("writing the peer's configuration")?;
        let proxy = spawned(
            Command::new(KAMAILIO)
                .arg("-f")
                .arg(&script)
                .args(["-DD", "-E", "-m", "128", "-M", "16", "-A", "ASKS"])
                .arg("-Y")
                .arg(dir)
                .arg("-w")
                .arg(dir),
            dir,
            "kamailio",
        )?;
        let options = format!(
            "OPTIONS sip:ready@{sip} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKready;rport\r\n\
             From: <sip:bench@127.0.0.1>;tag=1\r\nTo: <sip:ready@{sip}>\r\nCall-ID: ready\r\nCSeq: 1 OPTIONS\r\n\
             Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        answers("kamailio", sip, &options, dir).await?;
        Ok(Self { proxy, media, sip })
    }

    /// Every process of the two: Kamailio's workers are processes of their own.
    pub(crate) fn pids(&self) -> Result<Vec<u32>, Failure> {
        let mut all: Vec<u32> = [self.proxy.id(), self.media.id()].into_iter().flatten().collect();
        let list = std::fs::read_dir("/proc").doing("reading the kernel's list of processes")?;
        let parent = self.proxy.id();
        all.extend(
            list.flatten()
                .filter_map(|d| d.file_name().to_str()?.parse::<u32>().ok())
                .filter(|pid| parent.is_some() && crate::process::parent(*pid) == parent),
        );
        Ok(all)
    }

    pub(crate) async fn stop(mut self) {
        // Asked, so that its workers end with it.
        if let Some(pid) = self.proxy.id() {
            let _ = Command::new("kill").arg(pid.to_string()).status().await;
            let _ = tokio::time::timeout(Duration::from_secs(5), self.proxy.wait()).await;
        }
        let _ = self.proxy.kill().await;
        let _ = self.media.kill().await;
    }
}

fn spawned(command: &mut Command, dir: &Path, name: &str) -> Result<Child, Failure> {
    let log = std::fs::File::create(dir.join(format!("{name}.out"))).doing("making the peer's log")?;
    command
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(log.try_clone().doing("making the peer's log")?)
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .doing("starting Kamailio and rtpengine (Debian's kamailio and rtpengine-daemon)")
}

/// Asks until something comes back.
async fn answers(name: &str, at: SocketAddr, question: &str, dir: &Path) -> Result<(), Failure> {
    for _ in 0..READY_TRIES {
        let socket = UdpSocket::bind("127.0.0.1:0").doing("asking a peer")?;
        socket.set_nonblocking(true).doing("asking a peer")?;
        let socket = tokio::net::UdpSocket::from_std(socket).doing("asking a peer")?;
        let _ = socket.send_to(question.as_bytes(), at).await;
        if let Ok(Ok(_)) = tokio::time::timeout(WAIT, socket.recv(&mut [0; 2_048])).await {
            return Ok(());
        }
    }
    let said = std::fs::read_to_string(dir.join(format!("{name}.out"))).unwrap_or_default();
    let last: Vec<&str> = said.lines().rev().take(5).collect();
    Err(Failure::new(format!("{name} does not answer: {last:?}")))
}

fn settings(sip: SocketAddr, media: SocketAddr, trunk: SocketAddr, users: &[User]) -> String {
    let people: String = users
        .iter()
        .map(|(u, p)| format!("    $sht(people=>{u}) = \"{p}\";\n"))
        .collect();
    SCRIPT
        .replace("@SIP@", &sip.to_string())
        .replace("@MEDIA@", &media.to_string())
        .replace("@TRUNK@", &trunk.to_string())
        .replace("@PEOPLE@", &people)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_open_in_the_script() {
        let at = SocketAddr::from(([127, 0, 0, 1], 5060));
        let text = settings(at, at, at, &[("200".into(), "secret".into())]);
        let open = |l: &&str| !l.starts_with('#') && l.contains('@');
        assert_eq!(text.lines().find(open), None);
        assert!(text.contains("$sht(people=>200) = \"secret\";"));
    }
}
