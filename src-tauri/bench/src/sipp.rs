//! sipp as both ends of a bridged call: the telephones that ring out, and whoever answers behind the trunk. Both systems
//! see the very same messages.

use crate::error::{Doing as _, Failure};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::process::{Child, Command};

const TELEPHONE: &str = include_str!("../sipp/telephone.xml");
const REGISTER: &str = include_str!("../sipp/register.xml");
const OUTSIDE: &str = include_str!("../sipp/outside.xml");
/// What the scenarios say where the port of their sound and the sound itself are to stand.
const PORT: &str = "AUDIO_PORT";
const ACTION: &str = "AUDIO_ACTION";
/// The telephones, the systems (127.0.0.1) and the trunk's far end have an address each, so that no port of one is another's.
const TELEPHONES_AT: &str = "127.0.0.8";
pub(crate) const TRUNK_AT: &str = "127.0.0.9";
/// A call that waits this long for a message has failed.
const PATIENCE: &str = "10000ms";

/// Whoever may ring out: name and password.
pub(crate) type User = (String, String);

/// A UDP port that nobody has at this moment.
pub(crate) fn free_port(host: &str) -> Result<u16, Failure> {
    let socket = UdpSocket::bind((host, 0)).doing("finding a free port")?;
    Ok(socket.local_addr().doing("finding a free port")?.port())
}

/// A wave of calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wave {
    pub(crate) per_s: usize,
    pub(crate) calls: usize,
    /// How long each stays after it was answered.
    pub(crate) stay_ms: u64,
}

/// What became of it.
#[derive(Debug)]
pub(crate) struct Told {
    /// Whether every call was answered and ended as it should.
    pub(crate) all_well: bool,
    /// First INVITE to 200, of every call that was answered.
    pub(crate) setup_ms: Vec<f64>,
    /// Calls begun, and answered, a second: from the first of them to the last.
    pub(crate) begun_per_s: f64,
    pub(crate) answered_per_s: f64,
    /// What sipp says went wrong first.
    pub(crate) wrong: Option<String>,
}

/// Both ends, with a folder for what sipp writes.
pub(crate) struct Ends {
    dir: tempfile::TempDir,
    /// What is rung.
    target: SocketAddr,
    /// Where the trunk's far end listens.
    trunk: SocketAddr,
    local_port: u16,
    /// Whether both ends speak: PCMU, 50 packets a second.
    speak: bool,
}

impl Ends {
    pub(crate) fn new(
        target: SocketAddr,
        trunk: SocketAddr,
        users: &[User],
        speak: bool,
    ) -> Result<Self, Failure> {
        let dir = tempfile::tempdir().doing("making a folder")?;
        // sipp takes its own words from a file, but not the fields of one within them.
        let line = |(u, p): &User| format!("{u};[authentication username={u} password={p}]\n");
        let lines: String = users.iter().map(line).collect();
        let write =
            |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).doing("writing for sipp");
        write("users.csv", format!("SEQUENTIAL\n{lines}").as_bytes())?;
        write("register.xml", REGISTER.as_bytes())?;
        let (port, action) = if speak {
            let exec = "<nop><action><exec rtp_stream=\"voice.ul,-1,0\" /></action></nop>";
            ("rtpstream_audio_port", exec)
        } else {
            ("media_port", "")
        };
        for (name, text) in [("telephone.xml", TELEPHONE), ("outside.xml", OUTSIDE)] {
            let text = text.replace(PORT, port).replace(ACTION, action);
            write(name, text.as_bytes())?;
        }
        // Ten seconds of a rising and falling tone: anything but silence, which might be left out.
        let voice: Vec<u8> = (0..80_000u32).map(|n| 0x80 | (n % 100 / 2 + 10) as u8).collect();
        write("voice.ul", &voice)?;
        Ok(Self {
            dir,
            target,
            trunk,
            local_port: free_port(TELEPHONES_AT)?,
            speak,
        })
    }

    /// Registers every telephone once.
    pub(crate) async fn register(&self, users: usize) -> Result<(), Failure> {
        let calls = users.to_string();
        let (run, mut child) = self.telephones("register.xml", &["-r", "50", "-m", &calls])?;
        let status = child.wait().await.doing("waiting for sipp")?;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(format!(
            "the telephones could not register ({status}): {}",
            wrong(&run).unwrap_or_default()
        )))
    }

    /// Starts a wave; [`Running::told`] waits for its end.
    pub(crate) fn start(&self, wave: Wave) -> Result<Running, Failure> {
        let outside = self.run("outside.xml", TRUNK_AT, self.trunk.port(), &[])?.1;
        let (rate, calls, stay) = (
            wave.per_s.to_string(),
            wave.calls.to_string(),
            wave.stay_ms.to_string(),
        );
        let args = [
            "-r",
            &rate,
            "-m",
            &calls,
            "-l",
            &calls,
            "-d",
            &stay,
            "-recv_timeout",
            PATIENCE,
            "-trace_shortmsg",
        ];
        let (run, child) = self.telephones("telephone.xml", &args)?;
        Ok(Running { run, child, outside })
    }

    /// Has a wave rung and waits for its end.
    pub(crate) async fn ring(&self, wave: Wave) -> Result<Told, Failure> {
        self.start(wave)?.told().await
    }

    fn telephones(&self, scenario: &str, args: &[&str]) -> Result<(PathBuf, Child), Failure> {
        let users = self.dir.path().join("users.csv");
        let (target, users) = (self.target.to_string(), users.to_string_lossy().into_owned());
        let ours = [&target, "-inf", &users];
        self.run(
            scenario,
            TELEPHONES_AT,
            self.local_port,
            &[ours.as_slice(), args].concat(),
        )
    }

    fn run(&self, scenario: &str, at: &str, port: u16, args: &[&str]) -> Result<(PathBuf, Child), Failure> {
        let run = tempfile::Builder::new()
            .prefix("sipp-")
            .tempdir_in(self.dir.path())
            .doing("making a folder")?
            .keep();
        if self.speak {
            std::fs::copy(self.dir.path().join("voice.ul"), run.join("voice.ul"))
                .doing("writing for sipp")?;
        }
        let out =
            |name: &str| std::fs::File::create(run.join(name)).doing("making a file for what sipp says");
        let child = Command::new("sipp")
            .args(["-sf", &self.dir.path().join(scenario).to_string_lossy()])
            .args(["-i", at, "-p", &port.to_string(), "-mi", at])
            .args(["-ci", at, "-cp", &free_port(at)?.to_string()])
            // Its timers tick every 10 ms otherwise, which would be most of what is measured.
            .args(["-timer_resol", "1", "-nostdin", "-trace_err"])
            .args(args)
            .current_dir(&run)
            .stdin(Stdio::null())
            .stdout(out("screen.txt")?)
            .stderr(out("stderr.txt")?)
            .kill_on_drop(true)
            .spawn()
            .doing("starting sipp (Debian's sip-tester)")?;
        Ok((run, child))
    }
}

/// A wave under way.
pub(crate) struct Running {
    run: PathBuf,
    child: Child,
    outside: Child,
}

impl Running {
    pub(crate) async fn told(mut self) -> Result<Told, Failure> {
        let status: ExitStatus = self.child.wait().await.doing("waiting for sipp")?;
        // The last BYE was answered; whoever is outside may still be at it.
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.outside.kill().await.doing("ending sipp")?;
        let times = times(&self.run)?;
        let setup_ms: Vec<f64> = times.iter().map(|t| t.1).collect();
        Ok(Told {
            all_well: status.success(),
            begun_per_s: rate(times.iter().map(|t| t.0 - t.1)),
            answered_per_s: rate(times.iter().map(|t| t.0)),
            setup_ms,
            wrong: (!status.success()).then(|| format!("{status}: {}", wrong(&self.run).unwrap_or_default())),
        })
    }
}

/// When each call was answered, in ms, and how long after its first INVITE. From sipp's list of messages, which has
/// microseconds: its own table of response times (`-trace_rtt`) goes by a clock that ticks every 4 ms.
fn times(run: &Path) -> Result<Vec<(f64, f64)>, Failure> {
    let mut all = Vec::new();
    for file in files(run, "_shortmessages.log")? {
        let text = std::fs::read_to_string(file).doing("reading sipp's list of messages")?;
        all.extend(answered(&text));
    }
    Ok(all)
}

fn answered(messages: &str) -> Vec<(f64, f64)> {
    let mut rung: HashMap<&str, f64> = HashMap::new();
    let mut all = Vec::new();
    for line in messages.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [_, _, at, way, call, seq, first] = fields[..] else {
            continue;
        };
        let Ok(s) = at.parse::<f64>() else { continue };
        match way {
            "S" if first.starts_with("INVITE ") => {
                rung.entry(call).or_insert(s);
            }
            "R" if first.starts_with("SIP/2.0 200") && seq.ends_with(" INVITE") => {
                // Not again for a 200 that is sent again.
                if let Some(began) = rung.remove(call) {
                    all.push((s * 1_000.0, (s - began) * 1_000.0));
                }
            }
            _ => {}
        }
    }
    all
}

/// How many a second there were of what happened at these times.
fn rate(ms: impl Iterator<Item = f64>) -> f64 {
    let (mut first, mut last, mut n) = (f64::INFINITY, f64::NEG_INFINITY, 0u32);
    for at in ms {
        (first, last, n) = (first.min(at), last.max(at), n + 1);
    }
    f64::from(n.saturating_sub(1)) * 1_000.0 / (last - first)
}

fn files(run: &Path, end: &str) -> Result<Vec<PathBuf>, Failure> {
    let all = std::fs::read_dir(run).doing("reading what sipp wrote")?;
    let paths = all.flatten().map(|f| f.path());
    Ok(paths.filter(|p| p.to_string_lossy().ends_with(end)).collect())
}

/// The first lines of sipp's errors.
fn wrong(run: &Path) -> Option<String> {
    let file = files(run, "_errors.log").ok()?.pop();
    let text = std::fs::read_to_string(file.unwrap_or_else(|| run.join("stderr.txt"))).ok()?;
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).take(3).collect();
    Some(lines.join(" | ").chars().take(400).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_from_its_first_invite_to_its_first_200() {
        let line = |s: &str, way: &str, call: &str, what: &str| {
            format!("2026-11-21\t22:24:22\t{s}\t{way}\t{call}\tCSeq:2 INVITE\t{what}\n")
        };
        let text = [
            line("100.000100", "S", "a", "INVITE sip:1@x SIP/2.0"),
            line(
                "100.000600",
                "R",
                "a",
                "SIP/2.0 407 Proxy Authentication Required",
            ),
            line("100.001000", "S", "a", "INVITE sip:1@x SIP/2.0"),
            line("100.002000", "S", "b", "INVITE sip:1@x SIP/2.0"),
            line("100.004100", "R", "a", "SIP/2.0 200 OK"),
            line("100.504100", "R", "a", "SIP/2.0 200 OK"),
            line("100.600000", "R", "b", "SIP/2.0 503 Service Unavailable"),
            "half a line\t1".to_owned(),
        ];
        let all = answered(&text.concat());
        assert_eq!(all.len(), 1);
        assert!((all[0].1 - 4.0).abs() < 1e-3, "{all:?}");
        assert!((rate([1_000.0, 1_500.0, 2_000.0].into_iter()) - 2.0).abs() < 1e-9);
    }

    #[test]
    fn scenarios_have_a_place_for_the_sound() {
        for text in [TELEPHONE, OUTSIDE] {
            assert!(text.contains(PORT) && text.contains(ACTION));
        }
    }
}
