//! Recordings that replace prompts: `DIR/<language>/<name>.wav`, or `DIR/<name>.wav` for any language.

use crate::wav;
use anteroom_types::error::chain;
use std::path::PathBuf;
use std::sync::Arc;

/// A folder of recordings. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct PromptBook {
    dir: Arc<PathBuf>,
}

impl PromptBook {
    /// A book over a folder, which need not exist.
    #[must_use]
    pub fn new(dir: PathBuf) -> Self {
        Self { dir: Arc::new(dir) }
    }

    /// The recording of a prompt, at 16 kHz, if there is one. One that cannot be read is reported in the log and
    /// passed over, so that the caller hears the synthesised words. Blocks.
    #[must_use]
    pub fn recording(&self, name: &str, language: &str) -> Option<Arc<[i16]>> {
        let plain = |s: &str| {
            (1..=64).contains(&s.len())
                && s.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        if !plain(name) || !plain(language) {
            return None;
        }
        let file = format!("{name}.wav");
        let primary = language.split('-').next().unwrap_or(language);
        for path in [
            self.dir.join(language).join(&file),
            self.dir.join(primary).join(&file),
            self.dir.join(&file),
        ] {
            if !path.is_file() {
                continue;
            }
            match wav::read_file(&path) {
                Ok(samples) => return Some(Arc::from(samples)),
                Err(e) => {
                    tracing::warn!(prompt = name, error = %chain(&e), "a recorded prompt cannot be read");
                }
            }
        }
        None
    }
}
