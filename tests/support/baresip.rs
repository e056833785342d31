//! A real telephone: baresip, whose microphone and earpiece are files.

use super::{eventually, eventually_or};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Quiet that means the clinic has finished, milliseconds.
const QUIET_MS: usize = 1_000;
/// Mean magnitude of a frame from which it counts as sound, as the scripted caller has it; about -50 dBFS.
const SOUND_MIN: u32 = 100;

/// How a telephone speaks.
#[derive(Clone, Copy)]
pub struct Codec {
    /// As baresip writes it.
    pub name: &'static str,
    pub rate: u32,
    channels: u16,
}

pub const PCMU: Codec = Codec {
    name: "PCMU/8000/1",
    rate: 8_000,
    channels: 1,
};
pub const OPUS: Codec = Codec {
    name: "opus/48000/2",
    rate: 48_000,
    channels: 2,
};

/// Where Debian keeps baresip's modules; `BARESIP_MODULES` says otherwise.
fn modules() -> PathBuf {
    let given = std::env::var_os("BARESIP_MODULES").map(PathBuf::from);
    let known = [
        "/usr/lib/baresip/modules",
        "/usr/lib64/baresip/modules",
        "/usr/local/lib/baresip/modules",
    ];
    let found = given.or_else(|| known.iter().map(PathBuf::from).find(|p| p.is_dir()));
    found.expect("baresip's modules are missing: run `cargo xtask setup`")
}

/// A running baresip whose microphone and earpiece are files.
pub struct Baresip {
    child: Child,
    keys: ChildStdin,
    dir: PathBuf,
    codec: Codec,
}

impl Baresip {
    /// A telephone that registers nowhere.
    pub fn start(dir: &Path, user: &str, codec: Codec) -> Self {
        let account = format!("<sip:{user}@127.0.0.1>;regint=0;audio_codecs={}\n", codec.name);
        Self::with_account(dir, user, codec, &account)
    }

    /// A telephone that registers nowhere, with parameters of its own for its account.
    pub fn caller(dir: &Path, user: &str, codec: Codec, parameters: &str) -> Self {
        let account = format!(
            "<sip:{user}@127.0.0.1>;regint=0;audio_codecs={}{parameters}\n",
            codec.name
        );
        Self::with_account(dir, user, codec, &account)
    }

    /// A telephone of a member of staff: it registers at `registrar`, a host and port with parameters if need be, and
    /// answers by itself.
    pub fn at_desk(dir: &Path, user: &str, password: &str, registrar: &str, codec: Codec) -> Self {
        Self::registered(dir, user, password, registrar, codec, "")
    }

    /// The same, with parameters of its own for its account.
    pub fn registered(
        dir: &Path,
        user: &str,
        password: &str,
        registrar: &str,
        codec: Codec,
        parameters: &str,
    ) -> Self {
        let account = format!(
            "<sip:{user}@{registrar}>;auth_user={user};auth_pass={password};regint=60;answermode=auto;audio_codecs={}{parameters}\n",
            codec.name
        );
        let phone = Self::with_account(dir, user, codec, &account);
        phone.until_it_says("200 OK");
        phone
    }

    /// The same, and nobody answers it.
    pub fn that_rings(dir: &Path, user: &str, password: &str, registrar: &str, codec: Codec) -> Self {
        let account = format!(
            "<sip:{user}@{registrar}>;auth_user={user};auth_pass={password};regint=60;answermode=manual;audio_codecs={}\n",
            codec.name
        );
        let phone = Self::with_account(dir, user, codec, &account);
        phone.until_it_says("200 OK");
        phone
    }

    /// A telephone outside that has a number and answers by itself, at an address and port of its own.
    pub fn outside(dir: &Path, number: &str, at: &str, codec: Codec) -> Self {
        let account = format!(
            "<sip:{number}@{at}>;regint=0;answermode=auto;audio_codecs={}\n",
            codec.name
        );
        Self::listening(dir, number, codec, &account, at)
    }

    fn with_account(dir: &Path, user: &str, codec: Codec, account: &str) -> Self {
        Self::listening(dir, user, codec, account, "127.0.0.1:0")
    }

    fn listening(dir: &Path, user: &str, codec: Codec, account: &str, at: &str) -> Self {
        super::needs("baresip");
        let dir = dir.join(format!("baresip-{user}"));
        std::fs::create_dir_all(&dir).unwrap();
        // Before it speaks, its microphone is on and nothing is said.
        write_wav(&dir.join("quiet.wav"), codec, &vec![0; 16_000 * 100]);
        // What is played goes nowhere (aubridge without its other end); sndfile keeps a copy of it in its folder.
        let modules = modules();
        let config = format!(
            "poll_method epoll\nsip_listen {at}\nnet_interface 127.0.0.1\n\
             audio_source aufile,{dir}/quiet.wav\naudio_player aubridge,nowhere\n\
             rtp_timeout 0\nmodule_path {modules}\nsip_verify_server no\nmodule stdio.so\nmodule g711.so\nmodule opus.so\nmodule srtp.so\n\
             module aufile.so\nmodule aubridge.so\nmodule sndfile.so\nmodule_app account.so\nmodule_app menu.so\n",
            dir = dir.display(),
            modules = modules.display()
        );
        std::fs::write(dir.join("config"), config).unwrap();
        std::fs::write(dir.join("accounts"), account).unwrap();
        std::fs::write(dir.join("contacts"), "").unwrap();
        let log = || {
            File::options()
                .append(true)
                .create(true)
                .open(dir.join("log.txt"))
                .unwrap()
        };
        let mut child = Command::new("baresip")
            .args(["-f", dir.to_str().unwrap(), "-v"])
            .current_dir(&dir)
            .stdin(Stdio::piped())
            .stdout(log())
            .stderr(log())
            .spawn()
            .unwrap();
        let keys = child.stdin.take().unwrap();
        let phone = Self {
            child,
            keys,
            dir,
            codec,
        };
        phone.until_it_says("baresip is ready");
        phone
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.join("log.txt")).unwrap()).into_owned()
    }

    pub fn until_it_says(&self, what: &str) {
        eventually_or(
            || format!("baresip says '{what}':\n{}", self.log()),
            || self.log().contains(what).then_some(()),
        );
    }

    /// Waits until its call is over. Of one shorter than a second it says nothing else.
    pub fn until_it_is_over(&self) {
        self.until_it_says("audio: destroyed (started=1)");
    }

    /// Waits until the other side has pressed a key.
    pub fn until_it_got_key(&self, key: char) {
        eventually_or(
            || format!("baresip gets the key {key}:\n{}", self.log()),
            || {
                let log = self.log().to_lowercase();
                let told =
                    |l: &str| (l.contains("dtmf") || l.contains("event")) && l.contains(&format!("'{key}'"));
                log.lines().any(told).then_some(())
            },
        );
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    pub fn command(&mut self, command: &str) {
        self.press(&format!("/{command}\n"));
    }

    pub fn ring(&mut self, uri: &str) {
        self.dial(uri);
        self.until_it_says("Call established");
    }

    /// Dials, whatever comes of it.
    pub fn dial(&mut self, uri: &str) {
        self.command(&format!("dial {uri}"));
    }

    /// Speaks a clip, then keeps its microphone on.
    pub fn speak(&mut self, clip: &str) {
        self.say(&super::clip_audio(clip));
    }

    /// Speaks what is loud in a clip over and over, without a pause, for so many milliseconds.
    pub fn speak_on(&mut self, clip: &str, ms: usize) {
        let audio = super::clip_audio(clip);
        let loud = |f: &&[i16]| f.iter().any(|s| s.unsigned_abs() > 1_000);
        let voice: Vec<i16> = audio.chunks(320).filter(loud).flatten().copied().collect();
        let said: Vec<i16> = voice.iter().cycle().take(ms * 16).copied().collect();
        self.say(&said);
    }

    /// Hums a tone for minutes.
    pub fn hum(&mut self, hz: f32) {
        let sine = |n: usize| (std::f32::consts::TAU * hz * n as f32 / 16_000.0).sin() * 8_000.0;
        let tone: Vec<i16> = (0..16_000 * 150).map(|n| sine(n) as i16).collect();
        self.say(&tone);
    }

    fn say(&mut self, audio: &[i16]) {
        let mut audio = audio.to_vec();
        audio.resize(audio.len() + 16_000 * 100, 0);
        let file = self.dir.join("speech.wav");
        write_wav(&file, self.codec, &audio);
        self.command(&format!("ausrc aufile,{}", file.display()));
    }

    /// What it heard since it was called, or since it was last held, one channel; it is written as it is heard.
    pub fn heard(&self) -> Vec<i16> {
        // It begins another when it goes on after a hold.
        let changed = |f: &PathBuf| std::fs::metadata(f).and_then(|m| m.modified()).ok();
        let file = super::files_below(&self.dir)
            .into_iter()
            .filter(|f| f.to_string_lossy().ends_with("-dec.wav"))
            .max_by_key(changed);
        let Some(bytes) = file.and_then(|f| std::fs::read(f).ok()).filter(|b| b.len() > 44) else {
            return Vec::new();
        };
        let step = usize::from(self.codec.channels);
        let samples = bytes[44..]
            .chunks_exact(2)
            .map(|b| i16::from_le_bytes([b[0], b[1]]));
        samples.step_by(step).collect()
    }

    /// Frames of 20 ms that hold sound.
    pub fn sound(&self) -> Vec<bool> {
        let frame = self.codec.rate as usize / 50;
        let heard = self.heard();
        let frames = heard.chunks_exact(frame);
        let loud = |f: &[i16]| f.iter().map(|s| u32::from(s.unsigned_abs())).sum::<u32>();
        frames
            .map(|f| loud(f) / u32::try_from(frame).unwrap() >= SOUND_MIN)
            .collect()
    }

    /// Waits until the clinic has spoken, from `since` on, and then been quiet. Returns how many frames it has heard
    /// in all, and the milliseconds of sound from `since` on.
    pub fn listen(&self, since: usize) -> (usize, usize) {
        eventually("the clinic has spoken and is quiet", || {
            let sound = self.sound();
            let new = sound.get(since..)?;
            let last = new.iter().rposition(|s| *s)?;
            let quiet = (new.len() - last) * 20 >= QUIET_MS;
            quiet.then(|| (sound.len(), new.iter().filter(|s| **s).count() * 20))
        })
    }

    /// Waits until it hears a tone of `hz` and hardly anything else, for a fifth of a second.
    pub fn until_it_hears(&self, hz: f32) {
        eventually(&format!("a tone of {hz} Hz is heard"), || {
            let heard = self.heard();
            let last = heard.get(heard.len().checked_sub(self.codec.rate as usize / 5)?..)?;
            (purity(last, hz, self.codec.rate as f32) > 0.8).then_some(())
        });
    }

    /// Waits until it hears no tone of `hz`, for a fifth of a second.
    pub fn until_it_hears_no(&self, hz: f32) {
        eventually(&format!("no tone of {hz} Hz is heard"), || {
            let heard = self.heard();
            let last = heard.get(heard.len().checked_sub(self.codec.rate as usize / 5)?..)?;
            (purity(last, hz, self.codec.rate as f32) < 0.2).then_some(())
        });
    }

    /// Waits until it has heard so many seconds of its call, silence or not.
    pub fn until_it_has_heard(&self, seconds: u32) {
        let enough = (self.codec.rate * seconds) as usize;
        eventually("some seconds are heard", || {
            (self.heard().len() >= enough).then_some(())
        });
    }

    pub fn hang_up(mut self) {
        // It does not always quit when asked to.
        let mut asked = 0_u32;
        let ended = eventually("baresip ends", || {
            if asked.is_multiple_of(100) {
                let _ = self.keys.write_all(b"/quit\n").and_then(|()| self.keys.flush());
            }
            asked += 1;
            if asked > 1_000 {
                let _ = self.child.kill();
            }
            self.child.try_wait().unwrap()
        });
        assert!(ended.success() || asked > 1_000, "{}", self.log());
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the engine's audio as 16-bit WAV in the codec's own rate and channels, which is what aufile plays.
fn write_wav(file: &Path, codec: Codec, audio: &[i16]) {
    let mono: Vec<i16> = match codec.rate {
        // The clips were made at 8 kHz, so there is nothing above 4 kHz to fold back.
        8_000 => audio.iter().step_by(2).copied().collect(),
        48_000 => {
            let next = audio.iter().skip(1).chain(audio.last());
            let pairs = audio
                .iter()
                .map(|s| i32::from(*s))
                .zip(next.map(|s| i32::from(*s)));
            let between = |(a, b): (i32, i32)| [a, (2 * a + b) / 3, (a + 2 * b) / 3];
            pairs
                .flat_map(between)
                .map(|s| i16::try_from(s).unwrap())
                .collect()
        }
        other => panic!("{other} Hz"),
    };
    let samples = mono
        .iter()
        .flat_map(|s| std::iter::repeat_n(*s, usize::from(codec.channels)));
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let length = u32::try_from(data.len()).unwrap();
    let block = codec.channels * 2;
    let mut wav = Vec::with_capacity(data.len() + 44);
    wav.extend(b"RIFF");
    wav.extend((length + 36).to_le_bytes());
    wav.extend(b"WAVEfmt ");
    wav.extend(16_u32.to_le_bytes());
    wav.extend(1_u16.to_le_bytes());
    wav.extend(codec.channels.to_le_bytes());
    wav.extend(codec.rate.to_le_bytes());
    wav.extend((codec.rate * u32::from(block)).to_le_bytes());
    wav.extend(block.to_le_bytes());
    wav.extend(16_u16.to_le_bytes());
    wav.extend(b"data");
    wav.extend(length.to_le_bytes());
    wav.extend(data);
    std::fs::write(file, wav).unwrap();
}

/// The share of the energy of `audio` that is a sine of `hz`, 0 to 1 (Goertzel).
fn purity(audio: &[i16], hz: f32, rate: f32) -> f32 {
    let turn = std::f32::consts::TAU * hz / rate;
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, s) in audio.iter().enumerate() {
        let (s, at) = (f32::from(*s), turn * n as f32);
        re += s * at.cos();
        im += s * at.sin();
        all += s * s;
    }
    let n = audio.len() as f32;
    // Silence has no tone in it.
    if all / n < 10_000.0 {
        0.0
    } else {
        2.0 * (re * re + im * im) / (n * all)
    }
}
