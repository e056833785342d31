//! Times the detector, the embeddings and the recogniser on this machine and prints one JSON object.
//!
//! `cargo run -p anteroom-speech --example speech_timing -- CLIP.wav ROUNDS`

#![allow(clippy::print_stdout, missing_docs)]

use anteroom_speech::embed::Embedder;
use anteroom_speech::models::{Manager, ManagerConfig, Manifest, default_dir};
use anteroom_speech::vad::{CHUNK_SAMPLES, Vad};
use anteroom_speech::whisper::{CancelFlag, Model};
use anteroom_speech::{tts, wav};
use std::error::Error;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let clip = wav::read_file(args.next().ok_or("a WAV file is expected")?.as_ref())?;
    let rounds: usize = args.next().map_or(Ok(20), |n| n.parse())?;
    let manager = Manager::new(ManagerConfig::new(default_dir()), Manifest::builtin()?);

    let vad = Vad::load(&manager.folder("silero-vad")?.join("silero_vad_16k.safetensors"))?;
    let mut per_chunk = Vec::new();
    for _ in 0..rounds {
        let mut stream = vad.stream();
        let mut out = Vec::with_capacity(1);
        for chunk in clip.chunks_exact(CHUNK_SAMPLES) {
            let started = Instant::now();
            stream.push(chunk, &mut out);
            per_chunk.push(started.elapsed().as_secs_f64() * 1e6);
        }
    }

    let embedder = Embedder::load(&manager.folder("minilm-l6-v2")?)?;
    let questions = [
        "What are your opening hours?",
        "I'd like to book an appointment on Thursday morning with Doctor Patel.",
        "Is there parking?",
        "Can I speak to the receptionist?",
    ];
    let mut per_text = Vec::new();
    for i in 0..rounds * questions.len() {
        let started = Instant::now();
        embedder.embed(questions[i % questions.len()])?;
        per_text.push(started.elapsed().as_secs_f64() * 1e3);
    }

    let id = "demo-clinic-en";
    manager.fetch(id, &mut |_| {}, &CancelFlag::default())?;
    let rung = manager.rung(id)?;
    let mut decoder = Model::load(&rung.model)?.decoder()?;
    let mut per_decode = Vec::new();
    for beam in [1, 5] {
        let mut settings = rung.settings.clone();
        settings.beam = beam;
        let mut took = Vec::new();
        for _ in 0..rounds.min(20) {
            let decoded = decoder.decode(&clip, &settings, None, &CancelFlag::default())?;
            took.push(decoded.took.as_secs_f64() * 1e3);
        }
        per_decode.push((beam, took));
    }

    let speaker = tts::Espeak::new(tts::EspeakConfig::default());
    let runtime = tokio::runtime::Runtime::new()?;
    let mut per_render = Vec::new();
    for _ in 0..rounds.min(20) {
        let started = Instant::now();
        runtime
            .block_on(speaker.render("We are open from eight in the morning until half past six.", "en"))?;
        per_render.push(started.elapsed().as_secs_f64() * 1e3);
    }

    println!(
        "{}",
        serde_json::json!({
            "clip_ms": clip.len() / 16,
            "vad_us_per_chunk": spread(&mut per_chunk),
            "embed_ms": spread(&mut per_text),
            "decode_ms": per_decode.iter_mut().map(|(beam, t)| serde_json::json!({
                "model": id, "beam": beam, "took": spread(t),
            })).collect::<Vec<_>>(),
            "render_ms": spread(&mut per_render),
        })
    );
    Ok(())
}

fn spread(values: &mut [f64]) -> serde_json::Value {
    values.sort_by(f64::total_cmp);
    let at = |q: f64| values.get(((values.len() - 1) as f64 * q) as usize).copied();
    serde_json::json!({ "min": at(0.0), "p50": at(0.5), "p95": at(0.95), "count": values.len() })
}
