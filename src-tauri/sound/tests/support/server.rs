//! A sound server with devices that are none: its clock is real, its sound goes to files and comes from them.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `holds` gives something.
pub fn eventually<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(t) = holds() {
            return t;
        }
        assert!(Instant::now() < end, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A PulseAudio of the test's own, without hardware.
pub struct Server {
    daemon: Child,
    dir: PathBuf,
    players: Vec<Child>,
    recorders: Vec<Child>,
}

impl Server {
    /// Starts one whose state is below `dir`, and makes it this process's.
    #[allow(
        unsafe_code,
        reason = "the environment is set before the test starts a thread; each test is a process"
    )]
    pub fn start(dir: &Path) -> Self {
        let _ = tracing_subscriber::fmt().with_test_writer().try_init();
        let dir = dir.join("pulse");
        std::fs::create_dir_all(&dir).unwrap();
        let socket = dir.join("native");
        let log = File::create(dir.join("log.txt")).unwrap();
        let daemon = Command::new("pulseaudio")
            .args([
                "-n",
                "--daemonize=no",
                "--exit-idle-time=-1",
                "--use-pid-file=no",
                "--disable-shm=yes",
            ])
            .args(["--high-priority=no", "--realtime=no", "--log-target=stderr"])
            .arg("-L")
            .arg(format!(
                "module-native-protocol-unix auth-anonymous=1 socket={}",
                socket.display()
            ))
            .env("XDG_RUNTIME_DIR", &dir)
            .env("HOME", &dir)
            .env_remove("DBUS_SESSION_BUS_ADDRESS")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("pulseaudio is missing: run `cargo xtask setup`");
        unsafe {
            std::env::set_var("PULSE_SERVER", format!("unix:{}", socket.display()));
            std::env::set_var("XDG_RUNTIME_DIR", &dir);
            std::env::remove_var("PULSE_COOKIE");
        }
        let server = Self {
            daemon,
            dir,
            players: Vec::new(),
            recorders: Vec::new(),
        };
        eventually("the sound server answers", || server.try_pactl(&["info"]));
        server
    }

    fn try_pactl(&self, args: &[&str]) -> Option<String> {
        let out = Command::new("pactl")
            .args(args)
            .output()
            .expect("pactl is missing");
        out.status
            .success()
            .then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    /// Tells the server something; gives its answer.
    pub fn pactl(&self, args: &[&str]) -> String {
        self.try_pactl(args).unwrap_or_else(|| {
            let log = std::fs::read_to_string(self.dir.join("log.txt")).unwrap_or_default();
            panic!("pactl {args:?} failed: {log}")
        })
    }

    /// Plugs in something that is heard; its name for people is `about`. Gives what to unplug.
    pub fn plug_speaker(&self, name: &str, about: &str, rate: u32) -> String {
        self.pactl(&[
            "load-module",
            "module-null-sink",
            &format!("sink_name={name}"),
            &format!("rate={rate}"),
            &format!("sink_properties=device.description={about}"),
        ])
    }

    /// Plugs in something that hears what [`Server::say`] says into it. Gives what to unplug.
    pub fn plug_microphone(&self, name: &str, about: &str, rate: u32) -> String {
        self.pactl(&[
            "load-module",
            "module-null-sink",
            &format!("sink_name={name}_feed"),
            &format!("rate={rate}"),
            "channels=1",
        ]);
        self.pactl(&[
            "load-module",
            "module-remap-source",
            &format!("master={name}_feed.monitor"),
            &format!("source_name={name}"),
            &format!("source_properties=device.description={about}"),
        ])
    }

    /// Tears a device out.
    pub fn unplug(&self, module: &str) {
        self.pactl(&["unload-module", module]);
    }

    /// Says something into a microphone: mono at 48 kHz.
    pub fn say(&mut self, microphone: &str, audio: &[i16]) {
        let file = self.dir.join(format!("say-{}.raw", self.players.len()));
        let bytes: Vec<u8> = audio.iter().flat_map(|s| s.to_le_bytes()).collect();
        File::create(&file).unwrap().write_all(&bytes).unwrap();
        let player = Command::new("pacat")
            .args([
                "--playback",
                "--raw",
                "--format=s16le",
                "--rate=48000",
                "--channels=1",
                "--latency-msec=20",
            ])
            .arg(format!("--device={microphone}_feed"))
            .arg(&file)
            .stderr(Stdio::null())
            .spawn()
            .expect("pacat is missing");
        self.players.push(player);
    }

    /// Keeps what is heard from a speaker: mono at 48 kHz. Gives the file.
    pub fn record(&mut self, speaker: &str) -> PathBuf {
        let file = self
            .dir
            .join(format!("heard-{speaker}-{}.raw", self.recorders.len()));
        let recorder = Command::new("parec")
            .args([
                "--raw",
                "--format=s16le",
                "--rate=48000",
                "--channels=1",
                "--latency-msec=20",
            ])
            .arg(format!("--device={speaker}.monitor"))
            .stdout(File::create(&file).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("parec is missing");
        self.recorders.push(recorder);
        file
    }
}

/// What was recorded so far.
pub fn recorded(file: &Path) -> Vec<i16> {
    let bytes = std::fs::read(file).unwrap_or_default();
    bytes
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]))
        .collect()
}

/// Waits until the last fifth of a second of a recording is a tone.
pub fn until_recorded(file: &Path, hz: f32) {
    eventually(&format!("a tone of {hz} Hz in {}", file.display()), || {
        let all = recorded(file);
        let last = all.get(all.len().checked_sub(9_600)?..)?;
        (super::purity(last, hz, 48_000) > 0.9).then_some(())
    });
}

impl Drop for Server {
    fn drop(&mut self) {
        let all = self
            .players
            .iter_mut()
            .chain(&mut self.recorders)
            .chain([&mut self.daemon]);
        for child in all {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
