//! The second call of the demo: the caller asks for a person, a handset answers, and gives the call to another room.
//!
//! Who is at the desk is a program of its own, given with `--desk`: it opens the page, is a telephone, and tells a JSON
//! object a line what it does (`ui/demo/desk.mjs`).

use crate::out::Problem;
use anteroom_appliance::demo_call;
use anteroom_host::Running;
use anteroom_sim::{CallReport, Phone, Script, Step, ring};
use anteroom_types::{CallEvent, DeskFact, EventKind, RATE_HZ};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What each of them hums, hertz: far apart, and no multiples of one another.
const CALLER_HZ: f32 = 440.0;
const HANDSET_HZ: f32 = 700.0;
const PHONE_HZ: f32 = 1_130.0;
/// The telephone in the other room.
pub(crate) const ROOM_USER: &str = "202";
pub(crate) const ROOM_NAME: &str = "Treatment room";
/// How long the desk has to open its page.
const READY_WAIT: Duration = Duration::from_secs(60);
/// How long the desk's part of the call may take.
const DESK_WAIT: Duration = Duration::from_secs(120);
/// The longest the caller stays.
const TALK_MS_MAX: u64 = 120_000;
/// Share of a second's energy from which a tone counts as heard.
const HEARD_SHARE: f32 = 0.2;

/// What became of the hand-over, as the JSON contract has it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Handover {
    /// Who took the call: the user of the handset.
    answered_by: Option<String>,
    /// Whether the caller heard the handset.
    caller_heard: bool,
    /// Whether the handset heard the caller.
    handset_heard: bool,
    /// Who has the call in the end.
    transferred_to: Option<String>,
    /// Whether the caller and the telephone it was given to heard each other.
    transfer_heard: bool,
}

impl Handover {
    /// Whether everything was heard and nothing lost.
    pub(crate) fn is_complete(&self) -> bool {
        self.answered_by.is_some()
            && self.caller_heard
            && self.handset_heard
            && self.transferred_to.as_deref() == Some(ROOM_USER)
            && self.transfer_heard
    }
}

/// A line of the desk's.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Told {
    ready: bool,
    handset_heard: bool,
    phone_heard: bool,
    done: bool,
    failed: Option<String>,
}

/// The program that is the desk.
pub(crate) struct DeskProgram {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

fn lost(what: impl std::fmt::Display) -> Problem {
    Problem::new(
        format!("the demonstration's desk: {what}"),
        "Look at the log in the data folder, and run the demo again.",
    )
}

impl DeskProgram {
    /// Starts it and waits until its telephones are registered.
    pub(crate) async fn start(
        program: &str,
        running: &Running,
        password: &str,
        registrar: SocketAddr,
    ) -> Result<Self, Problem> {
        let mut words = program.split_whitespace();
        let first = words.next().ok_or_else(|| lost("--desk names no program"))?;
        let mut child = Command::new(first)
            .args(words)
            .arg(running.link())
            .args([ROOM_USER, password, &registrar.to_string()])
            .args([CALLER_HZ, HANDSET_HZ, PHONE_HZ].map(|hz| hz.to_string()))
            .arg(ROOM_NAME)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| lost(format!("{first}: {e}")))?;
        let out = child.stdout.take().ok_or_else(|| lost("it says nothing"))?;
        let mut desk = Self {
            child,
            lines: BufReader::new(out).lines(),
        };
        let ready = async {
            loop {
                if desk.next().await?.ready {
                    return Ok::<(), Problem>(());
                }
            }
        };
        tokio::time::timeout(READY_WAIT, ready)
            .await
            .map_err(|_| lost("it was not ready in a minute"))??;
        Ok(desk)
    }

    async fn next(&mut self) -> Result<Told, Problem> {
        let line = self.lines.next_line().await.map_err(lost)?;
        let told: Told = line
            .and_then(|l| serde_json::from_str(&l).ok())
            .ok_or_else(|| lost("it stopped"))?;
        match told.failed {
            Some(why) => Err(lost(why)),
            None => Ok(told),
        }
    }

    /// Follows it to its end.
    async fn finish(mut self) -> Result<Told, Problem> {
        let mut all = Told::default();
        while !all.done {
            let told = self.next().await?;
            all.handset_heard |= told.handset_heard;
            all.phone_heard |= told.phone_heard;
            all.done = told.done;
        }
        self.child.wait().await.map_err(lost)?;
        Ok(all)
    }
}

/// Rings, asks for a person, and hums until the call is over. Meanwhile the desk does its part.
pub(crate) async fn talk(desk: DeskProgram, target: String) -> Result<(CallReport, Handover), Problem> {
    let bytes = demo_call("call-unseen-speaker-2.wav").ok_or_else(|| lost("the caller's clip is missing"))?;
    let clip = Arc::from(anteroom_sim::clip(bytes).map_err(|e| lost(e.to_string()))?);
    let script = Script {
        steps: vec![
            Step::Listen {
                quiet_ms: 900,
                wait_ms_max: 25_000,
            },
            Step::Speak(clip),
            Step::Hum {
                tone: hum(CALLER_HZ),
                ms_max: TALK_MS_MAX,
            },
        ],
    };
    let caller = tokio::spawn(async move {
        ring(&target, "+441632960143", Phone::loopback(), &script)
            .await
            .map_err(|e| e.to_string())
    });
    let told = tokio::time::timeout(DESK_WAIT, desk.finish())
        .await
        .map_err(|_| lost("it took more than two minutes"))??;
    let heard = caller.await.map_err(lost)?.map_err(lost)?;
    let caller_hears = |hz| {
        heard
            .heard
            .chunks_exact(RATE_HZ as usize)
            .any(|second| share(second, hz) > HEARD_SHARE)
    };
    let handover = Handover {
        caller_heard: caller_hears(HANDSET_HZ),
        handset_heard: told.handset_heard,
        transfer_heard: told.phone_heard && caller_hears(PHONE_HZ),
        ..Handover::default()
    };
    Ok((heard, handover))
}

impl Handover {
    /// Adds what the call's record says of it.
    pub(crate) fn record(&mut self, story: &[CallEvent<String>]) {
        for e in story {
            match &e.kind {
                EventKind::Desk {
                    what: DeskFact::Answered,
                    who,
                    ..
                } if self.answered_by.is_none() => self.answered_by.clone_from(who),
                EventKind::Desk {
                    what: DeskFact::Transferred,
                    who,
                    ..
                } => self.transferred_to.clone_from(who),
                _ => {}
            }
        }
    }
}

/// Two seconds of a tone that comes and goes as speech does: a steady one is taken for noise and removed on the way.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "two seconds of samples at a third of full scale"
)]
fn hum(hz: f32) -> Arc<[i16]> {
    (0..RATE_HZ * 2)
        .map(|n| {
            let t = n as f32 / RATE_HZ as f32;
            let swell = (std::f32::consts::PI * (t % 0.4) / 0.25).sin();
            let on = if t % 0.4 < 0.25 { swell } else { 0.0 };
            (12_000.0 * on * (std::f32::consts::TAU * hz * t).sin()) as i16
        })
        .collect()
}

/// The share of the energy of `audio` at `hz`, 0 to 1 (Goertzel's sum, written out).
#[allow(clippy::cast_precision_loss, reason = "a second of samples")]
fn share(audio: &[i16], hz: f32) -> f32 {
    let turn = std::f32::consts::TAU * hz / RATE_HZ as f32;
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, s) in audio.iter().enumerate() {
        let (s, at) = (f32::from(*s), turn * n as f32);
        re += s * at.cos();
        im += s * at.sin();
        all += s * s;
    }
    let n = audio.len() as f32;
    if all < n * 10_000.0 {
        return 0.0;
    }
    2.0 * (re * re + im * im) / (n * all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hum_is_known_among_others() {
        for hz in [CALLER_HZ, HANDSET_HZ, PHONE_HZ] {
            let tone = hum(hz);
            let second = &tone[..RATE_HZ as usize];
            assert!(share(second, hz) > HEARD_SHARE, "{hz}: {}", share(second, hz));
            for other in [CALLER_HZ, HANDSET_HZ, PHONE_HZ].iter().filter(|o| **o != hz) {
                assert!(share(second, *other) < HEARD_SHARE / 10.0, "{hz} {other}");
            }
        }
        assert!(share(&[0; RATE_HZ as usize], CALLER_HZ) < f32::EPSILON);
    }
}
