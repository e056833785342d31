//! Where the tests find models and demonstration calls.
#![allow(dead_code, unreachable_pub)]

use std::path::{Path, PathBuf};

pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The models folder that `cargo xtask setup` fills.
pub fn models_dir() -> PathBuf {
    let dir = anteroom_speech::models::default_dir();
    assert!(
        dir.join("silero-vad").is_dir() && dir.join("minilm-l6-v2").is_dir(),
        "no models in {}: run `cargo xtask setup`",
        dir.display()
    );
    dir
}

pub fn clip(name: &str) -> Vec<i16> {
    anteroom_speech::wav::read_file(&repository().join("assets/demo-calls").join(name)).unwrap()
}

pub fn golden(name: &str) -> serde_json::Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
