//! `stt` and `stt-wer`: the demonstration model here, in whisper.cpp's own Python package and in CTranslate2.

use crate::Size;
use crate::error::{Doing as _, Failure};
use crate::peer::{self, Peer, numbers, texts};
use crate::report::Report;
use crate::speech::{Clip, clips, manager, median, share};
use crate::words::{errors as word_errors, words};
use anteroom_speech::recogniser::RungConfig;
use anteroom_speech::transcribe::whole_clip;
use anteroom_speech::whisper::{AudioCtx, CancelFlag, Decoder, Model, WhisperSettings};
use anteroom_types::Purpose;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The model that is measured: the only one that every checkout has.
const MODEL: &str = "demo-clinic-en";
/// The package's version does not say which whisper.cpp is inside.
const PEER_WHISPER_CPP: &str = "1.8.5 (in pywhispercpp)";
const OUR_WHISPER_CPP: &str = "1.8.3 (in whisper-rs-sys 0.15)";

/// How whisper.cpp is run by the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// As the package comes: greedy, 30 s of context, all cores, tries again when unsure.
    Default,
    /// As models/README.md says, which is also what the manifest gives us.
    Readme,
}

impl How {
    const fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Readme => "readme",
        }
    }
    fn load(self, model: &RungConfig) -> Value {
        let s = &model.settings;
        let (strategy, params) = match self {
            Self::Default => (0, json!({})),
            Self::Readme => (
                i32::from(s.beam > 1),
                json!({
                    "language": s.language,
                    "translate": false,
                    "no_timestamps": true,
                    "single_segment": true,
                    "no_context": true,
                    "temperature_inc": s.temperature_step,
                    "audio_ctx": match s.audio_ctx {
                        AudioCtx::Fixed(n) => n,
                        _ => 0,
                    },
                    "n_threads": s.threads,
                    "beam_search": { "beam_size": s.beam, "patience": -1.0 },
                }),
            ),
        };
        json!({
            "do": "stt_load",
            "engine": "whisper.cpp",
            "name": self.name(),
            "model": model.model.path,
            "strategy": strategy,
            "params": params,
        })
    }
}

fn load_ct2(model: &RungConfig, threads: u32) -> Value {
    json!({
        "do": "stt_load",
        "engine": "ctranslate2",
        "name": "ct2",
        "model": model.model.path,
        "folder": peer::folder().join("demo-clinic-en-ct2"),
        "params": { "threads": threads, "beam": model.settings.beam },
    })
}

fn ours(model: &Model, settings: &WhisperSettings) -> Result<(Decoder, WhisperSettings), Failure> {
    let mut settings = settings.clone();
    // A machine that is busy with something else must not turn a slow decode into a failed one.
    settings.decode_ms_max = 120_000;
    Ok((model.decoder().doing("making a decoder")?, settings))
}

fn decode(decoder: &mut Decoder, settings: &WhisperSettings, clip: &Clip) -> Result<(String, f64), Failure> {
    let started = Instant::now();
    let text = whole_clip(&clip.samples, decoder, settings, &CancelFlag::default()).doing("decoding")?;
    let ms = started.elapsed().as_secs_f64() * 1e3;
    Ok((text.text.open(Purpose::Operator).clone(), ms))
}

fn versions(r: &mut Report, peer: &mut Peer) -> Result<(), Failure> {
    peer.versions(r, &["pywhispercpp", "ctranslate2", "python"])?;
    r.version("whisper.cpp, ours", OUR_WHISPER_CPP);
    r.version("whisper.cpp, peer", PEER_WHISPER_CPP);
    r.version("model", MODEL);
    Ok(())
}

pub(crate) fn speed(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "stt",
        "a 5 s utterance: at most 0.35 x whisper.cpp's default; live-transcribed calls per 2 cores: at least 2 x faster-whisper int8",
    );
    let dir = tempfile::tempdir().doing("making a folder")?;
    let clips = clips(dir.path())?;
    let rung = manager()?.rung(MODEL).doing("finding the model")?;
    let model = Model::load(&rung.model).doing("loading the model")?;
    let Some(clip) = clips.iter().min_by_key(|c| c.ms().abs_diff(5_000)) else {
        return Err(Failure::new("there are no clips"));
    };
    let (mut decoder, settings) = ours(&model, &rung.settings)?;
    let mut peers = [Peer::start()?, Peer::start()?];
    versions(&mut r, &mut peers[0])?;
    for p in &mut peers {
        p.ask(&How::Default.load(&rung))?;
        p.ask(&How::Readme.load(&rung))?;
        p.ask(&load_ct2(&rung, 1))?;
    }
    r.set("clip", &clip.name);
    r.set("clip_ms", clip.ms());
    r.set(
        "settings",
        format!(
            "beam {}, {:?}, threads {}",
            settings.beam, settings.audio_ctx, settings.threads
        ),
    );

    let mut own = Vec::new();
    let names = ["default", "readme", "ct2"];
    let mut theirs: [Vec<f64>; 3] = Default::default();
    decode(&mut decoder, &settings, clip)?;
    for _ in 0..size.rounds_or(5) {
        for _ in 0..4 {
            own.push(decode(&mut decoder, &settings, clip)?.1);
        }
        let four = peer::paths([clip.path.as_path(); 4]);
        for (name, into) in names.iter().zip(&mut theirs) {
            let answer = peers[0].ask(&json!({ "do": "stt", "name": name, "clips": four }))?;
            into.extend(numbers(&answer["ms"]));
        }
    }
    let a = r.spread("ours", "ms", &own);
    let labels = [
        "whisper_cpp_default",
        "whisper_cpp_same_settings",
        "ctranslate2_int8",
    ];
    for (label, ms) in labels.iter().zip(&theirs) {
        let s = r.spread(label, "ms", ms);
        r.number(&format!("ratio_to_{label}"), a.p50 / s.p50);
    }

    // Two workers, one for each of two cores, over all clips, without a pause.
    let spoken: Vec<&Clip> = clips.iter().filter(|c| !c.text.is_empty()).collect();
    let mut live: [Vec<f64>; 4] = Default::default();
    for _ in 0..size.rounds_or(3).min(3) {
        live[0].push(both_ours(&model, &rung.settings, &spoken, size.seconds)?);
        for (name, into) in names.iter().zip(&mut live[1..]) {
            into.push(both_theirs(&mut peers, name, &spoken, size.seconds)?);
        }
    }
    r.spread("live_calls_ours", "calls", &live[0]);
    for (label, calls) in labels.iter().zip(&live[1..]) {
        r.spread(&format!("live_calls_{label}"), "calls", calls);
        r.number(
            &format!("live_ratio_to_{label}"),
            median(&live[0]) / median(calls),
        );
    }
    r.note("live_calls: seconds of speech that two workers decode in a second, that is calls whose callers all speak without a pause; partial results for the screen come on top. The default of whisper.cpp uses all cores for each decode, ours and CTranslate2 one thread.");
    r.note("ctranslate2_int8 is the engine of faster-whisper, with the same weights (quantised anew to int8), its feature extractor's 30 s and beam 5 as faster-whisper's default; the Python of faster-whisper around it is left out, which favours it.");
    Ok(r)
}

/// Seconds of speech for each second, by two decoders on two threads.
fn both_ours(
    model: &Model,
    settings: &WhisperSettings,
    clips: &[&Clip],
    seconds: u64,
) -> Result<f64, Failure> {
    let work = || -> Result<f64, Failure> {
        let (mut decoder, settings) = ours(model, settings)?;
        let (start, mut ms) = (Instant::now(), 0);
        for clip in clips.iter().cycle() {
            if start.elapsed() >= Duration::from_secs(seconds) {
                break;
            }
            decode(&mut decoder, &settings, clip)?;
            ms += clip.ms();
        }
        Ok(share(ms, 1_000) / start.elapsed().as_secs_f64())
    };
    std::thread::scope(|s| {
        let other = s.spawn(work);
        let mine = work()?;
        let theirs = other
            .join()
            .map_err(|_| Failure::new("a decoder's thread was lost"))??;
        Ok(mine + theirs)
    })
}

/// The same by two processes of the peer.
fn both_theirs(peers: &mut [Peer; 2], name: &str, clips: &[&Clip], seconds: u64) -> Result<f64, Failure> {
    let clips = peer::paths(clips.iter().map(|c| c.path.as_path()));
    let question = json!({ "do": "stt_for", "name": name, "clips": clips, "seconds": seconds });
    for p in peers.iter_mut() {
        p.send(&question)?;
    }
    let mut total = 0.0;
    for p in peers.iter_mut() {
        let a = p.receive()?;
        let of = |k: &str| a[k].as_f64().unwrap_or(f64::NAN);
        total += of("audio_s") / of("wall_s");
    }
    Ok(total)
}

/// What one recogniser made of all clips.
struct Heard {
    texts: Vec<String>,
}

impl Heard {
    /// Words wrong, words in the references, clips without a wrong word.
    fn count(&self, clips: &[Clip]) -> (usize, usize, usize) {
        let (mut wrong, mut all, mut right) = (0, 0, 0);
        for (clip, heard) in clips.iter().zip(&self.texts) {
            let (reference, heard) = (words(&clip.text), words(heard));
            let n = word_errors(&reference, &heard);
            wrong += n;
            all += reference.len();
            right += usize::from(n == 0);
        }
        (wrong, all, right)
    }
    fn tell(&self, r: &mut Report, key: &str, clips: &[Clip]) -> f64 {
        let (wrong, all, right) = self.count(clips);
        let percent = 100.0 * share(wrong, all);
        r.number(&format!("{key}_wer_percent"), percent);
        r.set(&format!("{key}_words_wrong"), wrong);
        r.set(&format!("{key}_clips_right"), right);
        percent
    }
}

pub(crate) fn errors(_: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "stt-wer",
        "word error rate over the telephone path: no worse than the same weights in whisper.cpp + 0.5 points",
    );
    let dir = tempfile::tempdir().doing("making a folder")?;
    let clips = clips(dir.path())?;
    let rung = manager()?.rung(MODEL).doing("finding the model")?;
    let model = Model::load(&rung.model).doing("loading the model")?;
    let (mut decoder, beam) = ours(&model, &rung.settings)?;
    let greedy = WhisperSettings {
        beam: 1,
        ..beam.clone()
    };
    let mut heard_by = |settings: &WhisperSettings| -> Result<Heard, Failure> {
        let texts = clips.iter().map(|c| Ok(decode(&mut decoder, settings, c)?.0));
        Ok(Heard {
            texts: texts.collect::<Result<_, Failure>>()?,
        })
    };
    let (ours, ours_greedy) = (heard_by(&beam)?, heard_by(&greedy)?);

    let mut peer = Peer::start()?;
    versions(&mut r, &mut peer)?;
    peer.ask(&How::Default.load(&rung))?;
    peer.ask(&How::Readme.load(&rung))?;
    let mut greedy_rung = rung.clone();
    greedy_rung.settings = greedy;
    let mut load = How::Readme.load(&greedy_rung);
    load["name"] = "readme-greedy".into();
    // Greedy in our decoder looks at one candidate; the package would look at five when it samples.
    load["params"]["greedy"] = json!({ "best_of": 1 });
    if let Some(params) = load["params"].as_object_mut() {
        params.remove("beam_search");
    }
    peer.ask(&load)?;
    peer.ask(&load_ct2(&rung, 1))?;
    let paths = peer::paths(clips.iter().map(|c| c.path.as_path()));
    let mut ask = |name: &str| -> Result<Heard, Failure> {
        let answer = peer.ask(&json!({ "do": "stt", "name": name, "clips": paths }))?;
        Ok(Heard {
            texts: texts(&answer["texts"]),
        })
    };
    let (same, same_greedy) = (ask("readme")?, ask("readme-greedy")?);
    let (default, ct2) = (ask("default")?, ask("ct2")?);

    r.set("clips", clips.len());
    r.set("words", clips.iter().map(|c| words(&c.text).len()).sum::<usize>());
    let a = ours.tell(&mut r, "ours", &clips);
    let b = same.tell(&mut r, "whisper_cpp_same_settings", &clips);
    r.number("difference_points", a - b);
    ours_greedy.tell(&mut r, "ours_greedy", &clips);
    same_greedy.tell(&mut r, "whisper_cpp_same_settings_greedy", &clips);
    default.tell(&mut r, "whisper_cpp_default", &clips);
    ct2.tell(&mut r, "ctranslate2_int8", &clips);
    let mut differing = Vec::new();
    for (one, two, how) in [(&ours, &same, "beam"), (&ours_greedy, &same_greedy, "greedy")] {
        let pairs = one.texts.iter().zip(&two.texts).zip(&clips);
        let different: Vec<_> = pairs.filter(|((x, y), _)| x.trim() != y.trim()).collect();
        r.set(
            &format!("clips_with_equal_text_{how}"),
            clips.len() - different.len(),
        );
        // The clips are synthetic: their words are nobody's.
        differing.extend(different.into_iter().map(
            |((x, y), c)| json!({ "clip": c.name, "how": how, "reference": c.text, "ours": x, "peer": y }),
        ));
    }
    r.set("different", differing);
    r.note("Ours is `anteroom transcribe --whole`: the clip as it is. Both hear the same 16 kHz samples. Words are compared without case and punctuation; texts letter by letter.");
    r.note("The demonstration model knows about 990 words of synthetic speech: the rates say that the path is faithful, not how well speech is recognised.");
    Ok(r)
}
