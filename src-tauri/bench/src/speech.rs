//! `vad` and `embed`: our loops beside onnxruntime with the same weights.

use crate::Size;
use crate::error::{Doing as _, Failure};
use crate::peer::{self, Peer, numbers};
use crate::report::Report;
use anteroom_speech::embed::Embedder;
use anteroom_speech::models::{Manager, ManagerConfig, Manifest, default_dir};
use anteroom_speech::vad::{CHUNK_SAMPLES, Vad};
use anteroom_speech::wav;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Models as the product manages them.
pub(crate) fn manager() -> Result<Manager, Failure> {
    let manifest = Manifest::builtin().doing("reading the manifest of models")?;
    let manager = Manager::new(ManagerConfig::new(default_dir()), manifest);
    for id in ["demo-clinic-en", "silero-vad", "minilm-l6-v2"] {
        if manager.folder(id).is_err() {
            eprintln!("==> fetching {id}");
            let cancel = anteroom_speech::whisper::CancelFlag::default();
            manager
                .fetch(id, &mut |_| {}, &cancel)
                .doing("fetching a model")?;
        }
    }
    Ok(manager)
}

/// A demonstration clip: where it is as 16 kHz WAV for the peer, and the very same samples for us.
pub(crate) struct Clip {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) path: PathBuf,
    pub(crate) samples: Vec<i16>,
}

impl Clip {
    pub(crate) fn ms(&self) -> usize {
        self.samples.len() / 16
    }
}

/// The demonstration calls with their reference texts, resampled once, by us, so that both hear the same numbers.
pub(crate) fn clips(dir: &Path) -> Result<Vec<Clip>, Failure> {
    let table = anteroom_appliance::demo_call("clips.tsv")
        .and_then(|b| std::str::from_utf8(b).ok())
        .ok_or_else(|| Failure::new("the demonstration calls are missing"))?;
    let mut all = Vec::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let name = fields.first().copied().unwrap_or_default();
        let Some(bytes) = anteroom_appliance::demo_call(name) else {
            return Err(Failure::new(format!("the clip {name} is missing")));
        };
        let samples = wav::read(bytes).doing(name)?;
        let path = dir.join(name);
        std::fs::write(&path, wav::to_bytes(&samples)).doing("writing a clip")?;
        all.push(Clip {
            name: name.to_owned(),
            text: fields.get(4).copied().unwrap_or_default().to_owned(),
            path,
            samples,
        });
    }
    Ok(all)
}

pub(crate) fn vad(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "vad",
        "us per 32 ms frame: at most 0.35 x onnxruntime's Silero; at least 99.9% of decisions equal",
    );
    let dir = tempfile::tempdir().doing("making a folder")?;
    let clips = clips(dir.path())?;
    let weights = manager()?.folder("silero-vad").doing("finding Silero")?;
    let vad = Vad::load(&weights.join("silero_vad_16k.safetensors")).doing("loading Silero")?;
    let mut peer = Peer::start()?;
    peer.versions(&mut r, &["onnxruntime", "silero-vad", "python"])?;
    peer.ask(&json!({ "do": "vad_load" }))?;
    let question = json!({ "do": "vad", "clips": peer::paths(clips.iter().map(|c| c.path.as_path())) });

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let (mut ratios, mut decisions) = (Vec::new(), (0usize, 0usize, 0.0f64));
    for _ in 0..size.rounds_or(5) {
        let mut us = Vec::new();
        let mut probabilities = Vec::new();
        for clip in &clips {
            let mut stream = vad.stream();
            let mut out = Vec::with_capacity(clip.samples.len() / CHUNK_SAMPLES);
            for chunk in clip.samples.chunks_exact(CHUNK_SAMPLES) {
                let started = Instant::now();
                stream.push(chunk, &mut out);
                us.push(started.elapsed().as_secs_f64() * 1e6);
            }
            probabilities.push(out);
        }
        let answer = peer.ask(&question)?;
        let their_us = numbers(&answer["us"]);
        decisions = compare(&probabilities, &answer["probabilities"])?;
        ratios.push(median(&us) / median(&their_us));
        ours.extend(us);
        theirs.extend(their_us);
    }
    let a = r.spread("ours", "us", &ours);
    let b = r.spread("onnxruntime", "us", &theirs);
    r.number("ratio", a.p50 / b.p50);
    r.spread("ratio_by_round", "", &ratios);
    let (equal, all, largest) = decisions;
    r.set("decisions", all);
    r.set("decisions_different", all - equal);
    r.number("decisions_equal", share(equal, all));
    r.set("largest_difference", largest);
    r.note("Decisions: probability at least 0.5, every whole frame of the demonstration calls. onnxruntime runs on one thread, as the silero-vad package sets it; its time includes the call from Python.");
    Ok(r)
}

/// Decisions that are equal, all decisions, and the largest difference of a probability.
fn compare(ours: &[Vec<f32>], theirs: &Value) -> Result<(usize, usize, f64), Failure> {
    let (mut equal, mut all, mut largest) = (0, 0, 0.0f64);
    for (a, b) in ours.iter().zip(theirs.as_array().into_iter().flatten()) {
        let b = numbers(b);
        if a.len() != b.len() {
            return Err(Failure::new("the peer gave another number of decisions"));
        }
        for (x, y) in a.iter().map(|x| f64::from(*x)).zip(b) {
            equal += usize::from((x >= 0.5) == (y >= 0.5));
            all += 1;
            largest = largest.max((x - y).abs());
        }
    }
    Ok((equal, all, largest))
}

pub(crate) fn embed(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "embed",
        "one sentence, p50: at most 1.0 x onnxruntime with the same weights",
    );
    let dir = tempfile::tempdir().doing("making a folder")?;
    let texts: Vec<String> = clips(dir.path())?
        .into_iter()
        .map(|c| c.text)
        .filter(|t| !t.is_empty())
        .collect();
    let weights = manager()?.folder("minilm-l6-v2").doing("finding MiniLM")?;
    let embedder = Embedder::load(&weights).doing("loading MiniLM")?;
    let mut peer = Peer::start()?;
    peer.versions(&mut r, &["onnxruntime", "tokenizers", "python"])?;
    let onnx = peer::folder().join("minilm.onnx");
    peer.ask(&json!({ "do": "embed_load", "dir": weights, "onnx": onnx }))?;

    let (mut ours, mut default, mut one) = (Vec::new(), Vec::new(), Vec::new());
    let mut nearest = 1.0f64;
    for _ in 0..size.rounds_or(5) {
        let mut vectors = Vec::new();
        for text in &texts {
            let started = Instant::now();
            vectors.push(embedder.embed(text).doing("embedding")?);
            ours.push(started.elapsed().as_secs_f64() * 1e3);
        }
        for (which, into) in [("embed-default", &mut default), ("embed-one", &mut one)] {
            let answer = peer.ask(&json!({ "do": "embed", "which": which, "texts": texts }))?;
            into.extend(numbers(&answer["ms"]));
            for (a, b) in vectors
                .iter()
                .zip(answer["vectors"].as_array().into_iter().flatten())
            {
                let cosine: f64 = a.iter().zip(numbers(b)).map(|(x, y)| f64::from(*x) * y).sum();
                nearest = nearest.min(cosine);
            }
        }
    }
    r.set("sentences", texts.len());
    let a = r.spread("ours", "ms", &ours);
    let b = r.spread("onnxruntime_default_threads", "ms", &default);
    let c = r.spread("onnxruntime_one_thread", "ms", &one);
    r.number("ratio", a.p50 / b.p50);
    r.number("ratio_one_thread", a.p50 / c.p50);
    r.number("ratio_of_least", a.min / b.min);
    r.number("ratio_of_least_one_thread", a.min / c.min);
    r.set("least_cosine_to_peer", nearest);
    r.note("Tokenising is included on both sides. Ours runs on the calling thread; the peer's ONNX graph is made from the same safetensors file.");
    Ok(r)
}

/// The middle value.
pub(crate) fn median(values: &[f64]) -> f64 {
    crate::report::Spread::of("", values).p50
}

/// `part` of `all`, 0 to 1.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn share(part: usize, all: usize) -> f64 {
    part as f64 / all.max(1) as f64
}
