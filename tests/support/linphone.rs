//! A real telephone that joins its calls (RFC 5589): linphone without a sound card.

use super::eventually_or;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A running linphonec.
pub struct Linphone {
    child: Child,
    keys: ChildStdin,
    dir: PathBuf,
}

impl Linphone {
    /// One that registers as a user of the clinic and answers by itself.
    pub fn at_desk(dir: &Path, user: &str, password: &str, registrar: &str) -> Self {
        super::needs("linphonec");
        let dir = dir.join(format!("linphone-{user}"));
        // Without the folder of its database it starts by half and registers nowhere.
        std::fs::create_dir_all(dir.join(".local/share/linphone")).unwrap();
        let config = "[sip]\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port=-1\nguess_hostname=0\n[net]\nmtu=1300\n\
            [rtp]\naudio_rtp_port=-1\n[sound]\nec=0\n";
        std::fs::write(dir.join("config"), config).unwrap();
        let log = || {
            File::options()
                .append(true)
                .create(true)
                .open(dir.join("log.txt"))
                .unwrap()
        };
        let mut child = Command::new("linphonec")
            .args(["-c", dir.join("config").to_str().unwrap()])
            .env("HOME", &dir)
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(log())
            .stderr(log())
            .spawn()
            .unwrap();
        let keys = child.stdin.take().unwrap();
        let mut phone = Self { child, keys, dir };
        phone.command("soundcard use files");
        phone.command("autoanswer enable");
        phone.command(&format!(
            "register sip:{user}@{registrar} sip:{registrar} {password}"
        ));
        let file = phone.dir.join("log.txt");
        eventually_or(
            || format!("{user} has registered:\n{}", read(&file)),
            || {
                phone.command("status register");
                read(&file).contains("registered, identity").then_some(())
            },
        );
        phone
    }

    pub fn log(&self) -> String {
        read(&self.dir.join("log.txt"))
    }

    pub fn until_it_says(&self, what: &str) {
        eventually_or(
            || format!("linphone says '{what}':\n{}", self.log()),
            || self.log().contains(what).then_some(()),
        );
    }

    /// Waits until so many calls were connected.
    pub fn until_connected(&self, calls: usize) {
        eventually_or(
            || format!("linphone has {calls} calls:\n{}", self.log()),
            || (self.log().matches("connected").count() >= calls).then_some(()),
        );
    }

    pub fn command(&mut self, command: &str) {
        self.keys.write_all(format!("{command}\n").as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }
}

fn read(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap()).into_owned()
}

impl Drop for Linphone {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
