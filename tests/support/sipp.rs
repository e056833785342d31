//! A real peer: sipp, with the scenarios of tests/sipp.

use super::{free_ports, repository};
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What a scenario says where its audio file is to stand.
const AUDIO: &str = "CALLER_AUDIO";

/// Running sipp callers.
pub struct Sipp {
    child: Child,
    dir: PathBuf,
    scenario: String,
}

impl Sipp {
    /// Starts `scenario` against `to`. `clip` is what its callers say, again and again with pauses of six seconds.
    pub fn start(dir: &Path, scenario: &str, to: SocketAddr, clip: Option<&str>, args: &[&str]) -> Self {
        // For its media and for its control socket.
        let port = free_ports();
        let (media, control) = (port.to_string(), (port + 1).to_string());
        let ours = [
            "-i",
            "127.0.0.1",
            "-mi",
            "127.0.0.1",
            "-mp",
            &media,
            "-ci",
            "127.0.0.1",
            "-cp",
            &control,
        ];
        Self::run(dir, scenario, Some(to), clip, &[&ours, args].concat())
    }

    fn run(dir: &Path, scenario: &str, to: Option<SocketAddr>, clip: Option<&str>, args: &[&str]) -> Self {
        super::needs("sipp");
        let run = tempfile::Builder::new()
            .prefix(&format!("sipp-{scenario}-"))
            .tempdir_in(dir)
            .expect("a folder")
            .keep();
        let xml = std::fs::read_to_string(repository("tests/sipp").join(format!("{scenario}.xml")));
        let xml = xml.expect("the scenario").replace(AUDIO, "caller.ul");
        std::fs::write(run.join("scenario.xml"), xml).expect("written");
        if let Some(clip) = clip {
            std::fs::write(run.join("caller.ul"), mu_law(clip)).expect("written");
        }
        let out = |name: &str| File::create(run.join(name)).expect("a file");
        let child = Command::new("sipp")
            .args(to.map(|to| to.to_string()))
            .args(["-sf", "scenario.xml"])
            .args(["-timeout", "200s", "-timeout_error", "-nostdin", "-trace_err"])
            .args(args)
            .current_dir(&run)
            .stdin(Stdio::null())
            .stdout(out("screen.txt"))
            .stderr(out("stderr.txt"))
            .spawn()
            .expect("sipp starts");
        Self {
            child,
            dir: run,
            scenario: scenario.to_owned(),
        }
    }

    /// Starts `scenario` as one who is rung once at `port` of an address of its own; its audio is at `rtp` of loopback.
    pub fn answering(dir: &Path, scenario: &str, ip: &str, port: u16, rtp: u16) -> Self {
        let (port, rtp) = (port.to_string(), rtp.to_string());
        let args = [
            "-i",
            ip,
            "-p",
            &port,
            "-mi",
            "127.0.0.1",
            "-key",
            "rtp",
            &rtp,
            "-m",
            "1",
        ];
        Self::run(dir, scenario, None, None, &args)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until every call has ended as the scenario wants it; fails with what sipp says otherwise. Returns how
    /// many messages sipp had to send again.
    pub fn succeeds(mut self) -> u32 {
        let status = self.child.wait().expect("sipp ends");
        assert!(
            status.success(),
            "sipp {}: {status}\n{}",
            self.scenario,
            self.says()
        );
        // Its last screen has a line for each message sent: name, arrow, messages, retransmissions.
        let screen = std::fs::read_to_string(self.dir.join("screen.txt")).unwrap_or_default();
        let last = screen.rsplit("Scenario Screen").next().unwrap_or_default();
        let sent = last.lines().filter_map(|l| l.split_once("---------->"));
        sent.filter_map(|(_, figures)| figures.split_whitespace().nth(1)?.parse::<u32>().ok())
            .sum()
    }

    /// Waits like [`Self::succeeds`] and gives every message it sent or got; start it with `-trace_msg`.
    pub fn messages(self) -> String {
        let dir = self.dir.clone();
        self.succeeds();
        let traces = super::files_below(&dir).into_iter();
        let traces = traces.filter(|f| f.to_string_lossy().ends_with("_messages.log"));
        traces
            .map(|f| std::fs::read_to_string(f).unwrap_or_default())
            .collect()
    }

    /// What it wrote about errors, and the end of its screen.
    pub fn says(&self) -> String {
        let mut text = String::new();
        for f in super::files_below(&self.dir) {
            let errors = f
                .file_name()
                .is_some_and(|n| n.to_string_lossy().contains("error"));
            if errors || f.ends_with("stderr.txt") {
                text.push_str(&std::fs::read_to_string(&f).unwrap_or_default());
            }
        }
        let screen = std::fs::read_to_string(self.dir.join("screen.txt")).unwrap_or_default();
        let tail: Vec<_> = screen.lines().rev().take(50).collect();
        for line in tail.iter().rev() {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

impl Drop for Sipp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A clip's bytes without its WAV header, as sipp wants them; six seconds of silence after it, so that turns end.
fn mu_law(clip: &str) -> Vec<u8> {
    let wav = std::fs::read(super::clip(clip)).expect("the clip is there");
    let data = wav.windows(4).position(|w| w == b"data").expect("a WAV file") + 8;
    let mut audio = wav[data..].to_vec();
    audio.resize(audio.len() + 6 * 8_000, 0xff);
    audio
}
