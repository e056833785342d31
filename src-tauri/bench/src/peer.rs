//! The peers: Python packages in an environment of their own under the user's cache, pinned, made on the first run.

use crate::error::{Doing as _, Failure};
use crate::report::Report;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Every package with its version; nothing is resolved when it is installed.
const PACKAGES: &str = include_str!("../peers/requirements.txt");
const SCRIPTS: &[(&str, &str)] = &[
    ("peer.py", include_str!("../peers/peer.py")),
    ("minilm.py", include_str!("../peers/minilm.py")),
    ("ct2.py", include_str!("../peers/ct2.py")),
];

/// Where the peers are kept.
pub(crate) fn folder() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir)
        .join("anteroom")
        .join("bench-peers")
}

/// Makes the environment and writes the scripts into it.
fn prepare() -> Result<PathBuf, Failure> {
    let dir = folder();
    let (stamp, python) = (dir.join("stamp"), dir.join("bin/python"));
    if std::fs::read_to_string(&stamp).ok().as_deref() != Some(PACKAGES) {
        eprintln!(
            "==> installing the peers (Python packages) into {}",
            dir.display()
        );
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&dir))?;
        let list = dir.join("requirements.txt");
        std::fs::write(&list, PACKAGES).doing("writing the list of peers")?;
        let pip = ["-m", "pip", "install", "--quiet", "--no-deps", "-r"];
        run(Command::new(&python).args(pip).arg(&list))?;
        std::fs::write(&stamp, PACKAGES).doing("writing the peers' stamp")?;
    }
    for (name, text) in SCRIPTS {
        std::fs::write(dir.join(name), text).doing("writing the peers' scripts")?;
    }
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command
        .stdout(std::io::stderr())
        .status()
        .doing("python3 is needed for the peers")?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "the peers could not be installed ({status}); python3, its venv and pip are needed"
        )))
    }
}

/// A running peer: it works while we wait, and waits while we work.
pub(crate) struct Peer {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Peer {
    pub(crate) fn start() -> Result<Self, Failure> {
        let python = prepare()?;
        let mut child = Command::new(python)
            .arg(folder().join("peer.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .doing("starting the peer")?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => Ok(Self {
                child,
                to: Some(to),
                from: BufReader::new(from),
            }),
            _ => Err(Failure::new("the peer has no standard input or output")),
        }
    }

    /// Has a round done.
    pub(crate) fn ask(&mut self, question: &Value) -> Result<Value, Failure> {
        self.send(question)?;
        self.receive()
    }

    /// Starts a round without waiting for it.
    pub(crate) fn send(&mut self, question: &Value) -> Result<(), Failure> {
        let to = self
            .to
            .as_mut()
            .ok_or_else(|| Failure::new("the peer was stopped"))?;
        writeln!(to, "{question}")
            .and_then(|()| to.flush())
            .doing("asking the peer")
    }

    /// Waits for the round that was started.
    pub(crate) fn receive(&mut self) -> Result<Value, Failure> {
        let mut line = String::new();
        if self.from.read_line(&mut line).doing("hearing the peer")? == 0 {
            return Err(Failure::new("the peer ended; what it said is above"));
        }
        let answer: Value = serde_json::from_str(&line).doing("reading the peer's answer")?;
        match answer.get("error").and_then(Value::as_str) {
            Some(e) => Err(Failure::new(format!("the peer failed: {e}"))),
            None => Ok(answer),
        }
    }

    /// Names the peers' versions in a report.
    pub(crate) fn versions(&mut self, report: &mut Report, of: &[&str]) -> Result<(), Failure> {
        let all = self.ask(&json!({ "do": "versions" }))?;
        for name in of {
            report.version(*name, all[*name].as_str().unwrap_or("?"));
        }
        Ok(())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // The end of its input is its end.
        self.to = None;
        let _ = self.child.wait();
    }
}

/// A list of numbers of an answer.
pub(crate) fn numbers(v: &Value) -> Vec<f64> {
    v.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect()
}

/// A list of texts of an answer.
pub(crate) fn texts(v: &Value) -> Vec<String> {
    v.as_array()
        .into_iter()
        .flatten()
        .filter_map(|t| t.as_str().map(str::to_owned))
        .collect()
}

/// Paths as JSON.
pub(crate) fn paths<'a>(all: impl IntoIterator<Item = &'a Path>) -> Value {
    all.into_iter()
        .map(|p| Value::from(p.to_string_lossy().into_owned()))
        .collect()
}
