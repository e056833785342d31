//! `answer` and `turn`: calls placed over real SIP and RTP on loopback, timed by the caller's ear.

use crate::Size;
use crate::appliance::Appliance;
use crate::error::{Doing as _, Failure};
use crate::report::Report;
use crate::speech::manager;
use anteroom_sim::{CallReport, CallerError, Ear, Phone, Script, Step, clip, ring};
use anteroom_speech::transcribe::SegmentSettings;
use anteroom_speech::vad::{CHUNK_SAMPLES, Vad};
use anteroom_types::audio::samples_to_ms;
use std::sync::Arc;

const FROM: &str = "+441632960142";
/// Calls that ring at the same moment in the second half of `answer`.
const AT_ONCE: usize = 10;
/// What the caller of `turn` says: what the caller of `anteroom demo` says.
const TURNS: &[&str] = &[
    "call-questions-1.wav",
    "call-reschedule-4.wav",
    "call-prescription-2.wav",
    "call-questions-3.wav",
    "call-book-6.wav",
    "call-urgent-1.wav",
    "call-prescription-3.wav",
];

pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .doing("starting the runtime")
}

/// Stays for a while and hangs up.
pub(crate) fn stay(ms: u64) -> Script {
    Script {
        steps: vec![Step::Pause { ms }],
    }
}

/// Rings with a telephone of its own.
pub(crate) async fn call(target: &str, script: &Script) -> Result<CallReport, CallerError> {
    ring(target, FROM, Phone::loopback(), script).await
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds are far below 2^52")]
fn ms(v: Option<u64>) -> Option<f64> {
    v.map(|ms| ms as f64)
}

pub(crate) fn answer(size: &Size) -> Result<Report, Failure> {
    runtime()?.block_on(Box::pin(answered(size)))
}

async fn answered(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new("answer", "INVITE to first audio of the greeting, p95: under 1 s");
    let calls = size.calls.unwrap_or(20).max(1);
    let mut appliance = Appliance::start().await?;
    r.version("recogniser", appliance.recogniser.clone());
    let script = stay(1_500);
    let (mut alone, mut answered, mut missed) = (Vec::new(), Vec::new(), 0u32);
    for _ in 0..calls {
        let heard = call(&appliance.target, &script).await.doing("ringing")?;
        answered.extend(ms(Some(heard.answered_ms)));
        match ms(heard.first_sound_ms) {
            Some(ms) => alone.push(ms),
            None => missed += 1,
        }
    }
    let by_event = appliance.told("greeting_ms").await?;
    let mut together = Vec::new();
    for _ in 0..calls.div_ceil(AT_ONCE) {
        let mut ringing = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (target, script) = (appliance.target.clone(), script.clone());
            ringing.spawn(async move { call(&target, &script).await });
        }
        while let Some(done) = ringing.join_next().await {
            let heard = done.doing("a caller was lost")?.doing("ringing")?;
            match ms(heard.first_sound_ms) {
                Some(ms) => together.push(ms),
                None => missed += 1,
            }
        }
    }
    let all_events = appliance.told("greeting_ms").await?;
    appliance.stop().await;
    r.spread("invite_to_sound", "ms", &alone);
    r.spread("invite_to_200", "ms", &answered);
    r.spread("invite_to_greeting_by_the_appliance", "ms", &by_event);
    r.set("rung_at_once", AT_ONCE);
    r.spread("at_once_invite_to_sound", "ms", &together);
    r.spread(
        "at_once_invite_to_greeting_by_the_appliance",
        "ms",
        all_events.get(by_event.len()..).unwrap_or_default(),
    );
    r.set("nothing_heard", missed);
    r.note("By the caller's ear: from sending INVITE to the beginning of the first 20 ms frame with sound; the caller's jitter buffer is in it. Loopback: no network.");
    Ok(r)
}

/// Milliseconds at the end of each clip that are loud enough to be sound but are no speech: one synthetic voice hisses on
/// after its last word, which the caller's ear, going by loudness alone, takes for speech.
fn hiss(clips: &[Arc<[i16]>]) -> Result<Vec<f64>, Failure> {
    let weights = manager()?.folder("silero-vad").doing("finding Silero")?;
    let vad = Vad::load(&weights.join("silero_vad_16k.safetensors")).doing("loading Silero")?;
    let over = SegmentSettings::default().stop_under;
    let of = |clip: &Arc<[i16]>| {
        let heard = vad.probabilities(clip);
        let speech = heard
            .iter()
            .rposition(|p| *p >= over)
            .map_or(0, |i| (i + 1) * CHUNK_SAMPLES);
        let sound = Ear::speech_samples(clip);
        ms(Some(samples_to_ms(sound.saturating_sub(speech)))).unwrap_or(0.0)
    };
    Ok(clips.iter().map(of).collect())
}

/// Speaks each clip once the clinic has been quiet for longer than the longest pause between its own sentences, so that
/// the first sound after the clip is the answer to it.
fn conversation(clips: &[Arc<[i16]>]) -> Script {
    let listen = || Step::Listen {
        quiet_ms: 1_800,
        wait_ms_max: 30_000,
    };
    let turns = clips.iter().flat_map(|c| [Step::Speak(Arc::clone(c)), listen()]);
    Script {
        steps: std::iter::once(listen()).chain(turns).collect(),
    }
}

pub(crate) fn turn(size: &Size) -> Result<Report, Failure> {
    runtime()?.block_on(Box::pin(turned(size)))
}

async fn turned(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "turn",
        "end of the caller's speech to first audio of the answer, p50 / p95: at most 500 / 800 ms with the small model",
    );
    let mut clips: Vec<Arc<[i16]>> = Vec::new();
    for name in TURNS {
        let bytes = anteroom_appliance::demo_call(name)
            .ok_or_else(|| Failure::new(format!("the clip {name} is missing")))?;
        clips.push(Arc::from(clip(bytes).doing(name)?));
    }
    let hiss_ms = hiss(&clips)?;
    let mut appliance = Appliance::start().await?;
    r.version("recogniser", appliance.recogniser.clone());
    let (mut by_ear, mut unheard) = (Vec::new(), 0u32);
    let mut by_clip = vec![Vec::new(); TURNS.len()];
    let calls = size.rounds_or(3);
    let script = conversation(&clips);
    for n in 0..calls {
        eprintln!("==> call {} of {calls}", n + 1);
        let heard = call(&appliance.target, &script).await.doing("ringing")?;
        for (i, step) in heard.steps.iter().enumerate() {
            // Steps alternate: listen, then speak and listen for each turn.
            if i >= 2 && i % 2 == 0 && i / 2 <= TURNS.len() {
                match ms(step.ms_to_sound) {
                    Some(ms) => {
                        let ms = ms + hiss_ms[i / 2 - 1];
                        by_ear.push(ms);
                        by_clip[i / 2 - 1].push(ms);
                    }
                    None => unheard += 1,
                }
            }
        }
    }
    let by_event = appliance.told("turn_ms").await?;
    let decodes = appliance.told("decode_ms").await?;
    appliance.stop().await;
    r.set("calls", calls);
    r.set("turns_per_call", TURNS.len());
    r.spread("speech_end_to_sound", "ms", &by_ear);
    r.spread("by_the_appliance", "ms", &by_event);
    r.spread("of_it_decoding", "ms", &decodes);
    for (name, ms) in TURNS.iter().zip(&by_clip) {
        r.spread(&format!("after_{}", name.trim_end_matches(".wav")), "ms", ms);
    }
    r.set("unanswered", unheard);
    r.note("By the caller's ear: from the end of speech that was sent (the last frame with sound, without what Silero hears as no speech at the end) to the beginning of the first frame with sound that came back; both jitter buffers are in it. Waiting to be sure that the caller has finished is most of it.");
    r.note("No peer was run: published figures of tuned cloud agents are 1.1 to 1.9 s. pipecat has no recogniser that reads this model's file.");
    Ok(r)
}
