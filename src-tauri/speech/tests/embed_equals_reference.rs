//! Embeddings against an independent forward pass of the published weights in double precision (numpy, with the
//! tokenizers library of Python): the same numbers as sentence-transformers gives for this model.

mod support;

use anteroom_speech::embed::{DIMENSIONS, Embedder};
use anteroom_types::UserFacing;

fn embedder() -> Embedder {
    Embedder::load(&support::models_dir().join("minilm-l6-v2")).unwrap()
}

#[derive(serde::Deserialize)]
struct Case {
    text: String,
    embedding: Vec<f32>,
}

#[test]
fn embeddings_agree_to_the_fourth_digit() {
    let cases: Vec<Case> = serde_json::from_value(support::golden("embed.json")).unwrap();
    let model = embedder();
    assert!(cases.len() >= 8);
    for case in &cases {
        let got = model.embed(&case.text).unwrap();
        assert_eq!(got.len(), DIMENSIONS);
        let worst = got
            .iter()
            .zip(&case.embedding)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(
            worst < 1e-4,
            "{worst} for {:?}",
            case.text.chars().take(40).collect::<String>()
        );
        let norm: f32 = got.iter().map(|x| x * x).sum();
        assert!((norm - 1.0).abs() < 1e-4);
    }
    let texts: Vec<&str> = cases.iter().map(|c| c.text.as_str()).collect();
    let batch = model.embed_batch(&texts).unwrap();
    assert_eq!(batch[1], model.embed(texts[1]).unwrap());
}

#[test]
fn what_means_the_same_is_near() {
    let model = embedder();
    let dot = |a: &str, b: &str| -> f32 {
        let (a, b) = (model.embed(a).unwrap(), model.embed(b).unwrap());
        a.iter().zip(&b).map(|(x, y)| x * y).sum()
    };
    assert!(dot("When do you open?", "What are your opening hours?") > 0.6);
    assert!(dot("When do you open?", "I need a repeat prescription.") < 0.3);
}

#[test]
fn a_missing_model_is_a_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let e = Embedder::load(dir.path()).unwrap_err();
    assert_eq!(e.code(), "embed.missing");
    assert!(e.hint().contains("minilm-l6-v2"));
}
