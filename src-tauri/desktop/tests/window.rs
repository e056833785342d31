//! The desktop program on a screen without a screen: its windows show, a caller rings, is answered by pressing the button
//! in the headset's window, both hear each other, and the program ends as it should.

#[path = "../../handset/tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use support::baresip::{Baresip, OPUS, PCMU};
use support::server::{Server, recorded, until_recorded};
use support::{HUM_HZ, eventually, tone};

const CALLER_HZ: f32 = 440.0;
/// Where the buttons of a call without a briefing are in the headset's window.
const ANSWER: (u32, u32) = (70, 106);
const HANG_UP: (u32, u32) = (80, 154);

/// A screen of the test's own.
struct Screen {
    server: Child,
    display: String,
}

impl Screen {
    fn start() -> Self {
        for n in 90..190 {
            let display = format!(":{n}");
            if Path::new(&format!("/tmp/.X11-unix/X{n}")).exists() {
                continue;
            }
            let mut server = Command::new("Xvfb")
                .args([&display, "-screen", "0", "1700x900x24", "-nolisten", "tcp"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("Xvfb is missing: run `cargo xtask setup`");
            let up = eventually("the screen is there or taken", || {
                let there = Path::new(&format!("/tmp/.X11-unix/X{n}")).exists();
                match server.try_wait().unwrap() {
                    Some(_) => Some(false),
                    None => there.then_some(true),
                }
            });
            if up {
                return Self { server, display };
            }
        }
        panic!("there is no free screen");
    }

    fn run(&self, program: &str, args: &[&str]) -> Option<String> {
        let out = Command::new(program)
            .args(args)
            .env("DISPLAY", &self.display)
            .output()
            .unwrap_or_else(|_| panic!("{program} is missing: run `cargo xtask setup`"));
        out.status
            .success()
            .then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    }

    fn window(&self, name: &str) -> String {
        eventually(&format!("a window named {name}"), || {
            let found = self.run("xdotool", &["search", "--onlyvisible", "--name", name])?;
            found.lines().next().map(str::to_owned)
        })
    }

    /// How much there is to see in a window: the spread of its brightness.
    fn shows(&self, window: &str, file: &Path) -> f32 {
        let file = file.to_str().unwrap();
        self.run("import", &["-window", window, file]);
        let spread = self.run("identify", &["-format", "%[fx:standard_deviation]", file]);
        spread.and_then(|s| s.parse().ok()).unwrap_or(0.0)
    }

    /// What a window looks like, as one word.
    fn looks(&self, window: &str, file: &Path) -> String {
        let file = file.to_str().unwrap();
        self.run("import", &["-window", window, file]);
        self.run("identify", &["-format", "%#", file]).unwrap_or_default()
    }

    /// Clicks into a window, at a place in it.
    fn click(&self, window: &str, (x, y): (u32, u32)) {
        let (x, y) = (x.to_string(), y.to_string());
        self.run("xdotool", &["mousemove", "--window", window, &x, &y]);
        self.run("xdotool", &["click", "1"]);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Ends what it holds, however the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_window_shows_the_page_and_a_caller_is_answered_with_the_headset() {
    let dir = tempfile::tempdir().unwrap();
    let mut sound = Server::start(dir.path());
    sound.plug_speaker("desk_ear", "Ear", 48_000);
    sound.plug_microphone("desk_mic", "Mic", 48_000);
    sound.pactl(&["set-default-sink", "desk_ear"]);
    sound.pactl(&["set-default-source", "desk_mic"]);
    sound.say("desk_mic", &tone(HUM_HZ));
    let ear = sound.record("desk_ear");
    let port = std::net::UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let first = 9_000 + (std::process::id() % 90) * 8;
    let config = format!(
        "[sip]\nlisten = [\"udp:127.0.0.1:{port}\"]\nallow_direct = true\ncalls_max = 20\n[media]\nports = \"{first}-{}\"\n\
         [web]\nlisten = \"127.0.0.1:0\"\n",
        first + 200
    );
    std::fs::write(dir.path().join("anteroom.toml"), config).unwrap();
    std::fs::write(
        dir.path().join("headset.toml"),
        "cancel_echo = false\nsuppress_noise = false\n",
    )
    .unwrap();
    let password = {
        let (config, place) = anteroom_appliance::Place::find(Some(dir.path()), None).unwrap();
        let store = anteroom_appliance::open_store(&config, &place).unwrap();
        anteroom_appliance::users::add(&store, &config, "201", "Rosa", 0, None, "test")
            .unwrap()
            .to_string()
    };
    let screen = Screen::start();
    let log = std::fs::File::create(dir.path().join("stderr.txt")).unwrap();
    let mut program = Running(
        Command::new(env!("CARGO_BIN_EXE_anteroom-desktop"))
            .arg("--data")
            .arg(dir.path())
            .env("DISPLAY", &screen.display)
            .env("WEBKIT_DISABLE_DMABUF_RENDERER", "1")
            .env("GDK_BACKEND", "x11")
            .env("LANG", "en_GB.UTF-8")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap(),
    );
    let shots = std::env::var_os("ANTEROOM_SHOTS").map_or_else(|| dir.path().to_owned(), Into::into);
    let main = screen.window("^Anteroom$");
    let headset = screen.window("headset");
    eventually("the page is shown", || {
        (screen.shows(&main, &shots.join("main.png")) > 0.02).then_some(())
    });
    eventually("the headset is shown", || {
        (screen.shows(&headset, &shots.join("headset.png")) > 0.02).then_some(())
    });
    // 201 switches the receptionist off, so that callers ring through at once.
    let at = format!("127.0.0.1:{port}");
    let mut beside = Baresip::that_rings(dir.path(), "201", &password, &at, OPUS);
    beside.dial(&format!("sip:*90@{at}"));
    beside.until_it_says("terminated");
    let idle = screen.looks(&headset, &shots.join("headset.png"));
    let mut caller = Baresip::start(dir.path(), "caller", PCMU);
    caller.dial(&format!("sip:desk@{at}"));
    // The system's choice is also what rings here.
    eventually("it rings", || {
        recorded(&ear).iter().any(|s| s.abs() > 3_000).then_some(())
    });
    eventually("the window shows that it rings", || {
        (screen.looks(&headset, &shots.join("ringing.png")) != idle).then_some(())
    });
    // What is shown first may be half of it.
    eventually("it is answered", || {
        screen.click(&headset, ANSWER);
        let up = || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            caller.log().contains("Call established")
        };
        (0..50).any(|_| up()).then_some(())
    });
    caller.until_it_hears(HUM_HZ);
    caller.hum(CALLER_HZ);
    until_recorded(&ear, CALLER_HZ);
    screen.shows(&headset, &shots.join("talking.png"));
    screen.shows(&main, &shots.join("main-talking.png"));
    screen.click(&headset, HANG_UP);
    caller.until_it_says("terminated");
    caller.hang_up();
    beside.hang_up();
    let ok = Command::new("kill")
        .args(["-TERM", &program.0.id().to_string()])
        .status();
    assert!(ok.unwrap().success());
    let ended = eventually("the program ends", || program.0.try_wait().unwrap());
    let said = std::fs::read_to_string(dir.path().join("stderr.txt")).unwrap();
    assert!(ended.success(), "it ended with {ended}: {said}");
}
