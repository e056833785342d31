//! What the tests of the telephone share: an engine in this process, telephones of others, and sound without a sound card.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test takes its part of this module"
)]

#[path = "../../../../tests/support/baresip.rs"]
pub mod baresip;
#[path = "../../../sound/tests/support/server.rs"]
pub mod server;

use anteroom_api::{Role, Who};
use anteroom_appliance::{Engine, Place, open_store, users};
use anteroom_handset::{Settings, Telephone, View};
use server::Server;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `holds` gives something; fails with `what` when it does not in time.
pub fn eventually<T>(what: &str, holds: impl FnMut() -> Option<T>) -> T {
    eventually_or(|| what.to_owned(), holds)
}

/// The same; what went wrong is told as it is then.
pub fn eventually_or<T>(what: impl Fn() -> String, mut holds: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(t) = holds() {
            return t;
        }
        assert!(Instant::now() < end, "in vain: {}", what());
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn needs(program: &str) {
    let found = std::process::Command::new(program)
        .arg("-h")
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status();
    assert!(found.is_ok(), "{program} is missing: run `cargo xtask setup`");
}

pub fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(t) if t.is_dir() => todo.push(entry.path()),
                Ok(_) => found.push(entry.path()),
                Err(_) => {}
            }
        }
    }
    found
}

/// Here nobody speaks clips.
pub fn clip_audio(_: &str) -> Arc<[i16]> {
    Arc::from([])
}

/// The share of the energy of `audio` that is a sine of `hz`, 0 to 1; silence has none.
pub fn purity(audio: &[i16], hz: f32, rate: u32) -> f32 {
    let turn = std::f32::consts::TAU * hz / rate as f32;
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, s) in audio.iter().enumerate() {
        let (s, at) = (f32::from(*s), turn * n as f32);
        re += s * at.cos();
        im += s * at.sin();
        all += s * s;
    }
    let n = audio.len() as f32;
    if n == 0.0 || all / n < 10_000.0 {
        0.0
    } else {
        2.0 * (re * re + im * im) / (n * all)
    }
}

pub fn tone(hz: f32) -> Vec<i16> {
    (0..48_000 * 300)
        .map(|n| ((std::f32::consts::TAU * hz * n as f32 / 48_000.0).sin() * 9_000.0) as i16)
        .collect()
}

/// An engine, and what runs it.
pub struct Desk {
    pub engine: Engine,
    pub runtime: tokio::runtime::Runtime,
    pub dir: tempfile::TempDir,
    /// The password of 201, whose telephone is beside this machine.
    pub password: String,
    /// The password of 202, who is rung only by name.
    pub other_password: String,
    pub sound: Server,
}

impl Desk {
    /// One whose callers ring through at once: automation is off. The sound server has a headset, a microphone that hums
    /// [`HUM_HZ`], a bell, and what is built in.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // First of all: it sets the environment, and nothing runs yet.
        let mut sound = Server::start(dir.path());
        sound.plug_speaker("built_in", "Speakers", 48_000);
        sound.plug_microphone("built_in_mic", "Array", 48_000);
        sound.pactl(&["set-default-sink", "built_in"]);
        sound.pactl(&["set-default-source", "built_in_mic"]);
        sound.plug_microphone("desk_mic", "Mic", 48_000);
        sound.plug_speaker("bell", "Bell", 48_000);
        sound.say("desk_mic", &tone(HUM_HZ));
        let first = 9_000 + (std::process::id() % 90) * 8;
        let config = format!(
            "[sip]\nlisten = [\"udp:127.0.0.1:0\"]\nallow_direct = true\ncalls_max = 20\n[media]\nports = \"{first}-{}\"\n\
             [web]\nlisten = \"127.0.0.1:0\"\n",
            first + 200
        );
        std::fs::write(dir.path().join("anteroom.toml"), config).unwrap();
        let (config, place) = Place::find(Some(dir.path()), None).unwrap();
        let store = open_store(&config, &place).unwrap();
        let add = |user, name, rings| {
            let added = users::add(&store, &config, user, name, rings, None, "test");
            added.unwrap().to_string()
        };
        let password = add("201", "Rosa", 1);
        let other_password = add("202", "Ida", 0);
        drop(store);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let engine = runtime.block_on(Box::pin(Engine::start(config, &place))).unwrap();
        let _ = engine.set_automation(
            &Who {
                role: Role::Manager,
                user: None,
            },
            false,
        );
        Self {
            engine,
            runtime,
            dir,
            password,
            other_password,
            sound,
        }
    }

    pub fn sip(&self) -> SocketAddr {
        self.engine
            .sip_addrs()
            .iter()
            .find(|(t, _)| t == "udp")
            .unwrap()
            .1
    }

    pub fn uri(&self) -> String {
        format!("sip:desk@{}", self.sip())
    }

    /// The telephone of this machine, with the headset of the test's choice.
    pub fn telephone(&self) -> Telephone {
        let file = self.dir.path().join("headset.toml");
        Settings {
            microphone: Some("pulseaudio:desk_mic".into()),
            headset: Some("pulseaudio:desk_ear".into()),
            ringer: Some("pulseaudio:bell".into()),
            // Tones are neither echo nor voice.
            cancel_echo: false,
            suppress_noise: false,
        }
        .save(&file)
        .unwrap();
        let _in = self.runtime.enter();
        Telephone::start(&self.engine, None, file).unwrap()
    }
}

/// What the microphone of this machine hums.
pub const HUM_HZ: f32 = 620.0;

/// Waits until what the telephone shows is so.
pub fn until(phone: &Telephone, what: &str, holds: impl Fn(&View) -> bool) -> View {
    let end = Instant::now() + PATIENCE;
    loop {
        let view = phone.view();
        if holds(&view) {
            return view;
        }
        assert!(Instant::now() < end, "in vain: {what}: {view:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
