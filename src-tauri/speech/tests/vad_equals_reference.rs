//! The detector against the published one: silero-vad 6.2.3 under onnxruntime, one thread, on every demonstration
//! call. The golden file holds its probability for each chunk. The 8 kHz clips are brought to 16 kHz by saying each
//! sample twice, which every implementation does alike.

#![allow(clippy::print_stdout)]

mod support;

use anteroom_speech::vad::{CHUNK_SAMPLES, Vad};
use std::collections::BTreeMap;

fn detector() -> Vad {
    Vad::load(&support::models_dir().join("silero-vad/silero_vad_16k.safetensors")).unwrap()
}

fn doubled(name: &str) -> Vec<i16> {
    let bytes = std::fs::read(support::repository().join("assets/demo-calls").join(name)).unwrap();
    let (samples, rate) = anteroom_speech::wav::read_native(&bytes).unwrap();
    assert_eq!(rate, 8_000);
    samples.into_iter().flat_map(|s| [s, s]).collect()
}

#[test]
fn probabilities_and_decisions_agree() {
    let golden: BTreeMap<String, Vec<f32>> = serde_json::from_value(support::golden("vad.json")).unwrap();
    let vad = detector();
    let (mut chunks, mut different, mut worst) = (0usize, 0usize, 0f32);
    for (name, want) in &golden {
        let got = vad.probabilities(&doubled(name));
        assert_eq!(got.len(), want.len(), "{name}");
        for (g, w) in got.iter().zip(want) {
            chunks += 1;
            different += usize::from((*g >= 0.5) != (*w >= 0.5));
            worst = worst.max((g - w).abs());
        }
    }
    println!("{chunks} chunks, {different} decisions differ, largest difference {worst:e}");
    assert!(chunks > 2_500);
    assert!(
        different * 1000 <= chunks,
        "{different} of {chunks} decisions differ"
    );
    assert!(worst < 1e-3, "{worst}");
}

#[test]
fn the_size_of_the_pieces_does_not_matter_and_reset_forgets() {
    let vad = detector();
    let samples = doubled("single-1.wav");
    let whole = vad.probabilities(&samples);
    let mut stream = vad.stream();
    for size in [1, 320, 511, 512, 513, 4_000] {
        let mut got = Vec::new();
        for piece in samples.chunks(size) {
            stream.push(piece, &mut got);
        }
        assert_eq!(got, whole, "pieces of {size}");
        assert_eq!(got.len(), samples.len() / CHUNK_SAMPLES);
        stream.reset();
    }
}

#[test]
fn a_missing_or_foreign_file_is_a_clear_error() {
    use anteroom_types::UserFacing;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.safetensors");
    assert_eq!(Vad::load(&path).unwrap_err().code(), "vad.missing");
    std::fs::write(&path, b"not weights").unwrap();
    assert_eq!(Vad::load(&path).unwrap_err().code(), "vad.corrupt");
    let minilm = support::models_dir().join("minilm-l6-v2/model.safetensors");
    let e = Vad::load(&minilm).unwrap_err();
    assert!(["vad.corrupt", "vad.shape"].contains(&e.code()) && !e.hint().is_empty());
}
