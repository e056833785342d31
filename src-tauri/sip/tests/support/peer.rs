//! Real programs as peers.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// Says what to do when a peer is missing.
pub fn needs(program: &str) {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&dirs)
        .chain([PathBuf::from("/usr/sbin")])
        .any(|d| d.join(program).is_file());
    assert!(found, "{program} is missing: run `cargo xtask setup`");
}

/// A program that is ended when it is dropped, and whose output is kept.
pub struct Peer {
    child: Child,
    pub keys: Option<ChildStdin>,
    log: PathBuf,
}

impl Peer {
    pub fn start(program: &str, args: &[&str], dir: &Path) -> Self {
        needs(program);
        let log = dir.join(format!("{program}.log"));
        let out = || File::options().append(true).create(true).open(&log).unwrap();
        let program = if program == "kamailio" {
            "/usr/sbin/kamailio"
        } else {
            program
        };
        let mut child = Command::new(program)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(out())
            .stderr(out())
            .spawn()
            .unwrap();
        let keys = child.stdin.take();
        Self { child, keys, log }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub async fn until_it_says(&self, what: &str) {
        let end = Instant::now() + Duration::from_secs(20);
        while !self.log().contains(what) {
            assert!(Instant::now() < end, "it never says '{what}':\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it ends by itself; ends it after `patience`. Gives whether it was content, and what it said.
    pub async fn end(&mut self, patience: Duration) -> (bool, String) {
        let end = Instant::now() + patience;
        while self.child.try_wait().unwrap().is_none() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let _ = self.child.kill();
        let status = self.child.wait().unwrap();
        (status.success(), self.log())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // Asked first, so that a program of several processes ends them all.
        let asked = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        if asked.is_ok() {
            let end = Instant::now() + Duration::from_secs(3);
            while Instant::now() < end && matches!(self.child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
