//! Audio of approved texts, kept as WAV files named by what they were made from.
//!
//! Never for personal data: [`super::Speaker::private`] does not come here.

use super::espeak::{Espeak, TtsError};
use crate::wav;
use anteroom_types::{ErrorCode, UserFacing};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// Its folder cannot be made.
    #[error("the speech cache {} cannot be made", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl UserFacing for CacheError {
    fn code(&self) -> ErrorCode {
        "tts.cache"
    }
    fn hint(&self) -> String {
        "Check the folder's permissions and the space on its disk.".into()
    }
}

/// A folder of rendered texts of bounded size; the files used longest ago go first. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct SpeechCache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: PathBuf,
    bytes_max: u64,
    /// Tells the unfinished files of renderings that run at once apart.
    counter: AtomicU64,
}

impl SpeechCache {
    /// A cache in `dir`, which is made if needed, of at most `bytes_max` bytes.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new(dir: PathBuf, bytes_max: u64) -> Result<Self, CacheError> {
        std::fs::create_dir_all(&dir).map_err(|source| CacheError::Folder {
            path: dir.clone(),
            source,
        })?;
        Ok(Self(Arc::new(Inner {
            dir,
            bytes_max,
            counter: AtomicU64::new(0),
        })))
    }

    /// The audio of a text, from its file or rendered and kept. A file that cannot be read is made again.
    ///
    /// # Errors
    /// When rendering fails. A file that cannot be written only costs time.
    pub async fn get_or_render(
        &self,
        espeak: &Espeak,
        text: &str,
        language: &str,
    ) -> Result<Arc<[i16]>, TtsError> {
        let path = self.path(espeak, text, language);
        let (inner, file) = (Arc::clone(&self.0), path.clone());
        if let Ok(Some(audio)) = tokio::task::spawn_blocking(move || inner.read(&file)).await {
            return Ok(audio);
        }
        let audio = espeak.render(text, language).await?;
        let (inner, kept) = (Arc::clone(&self.0), Arc::clone(&audio));
        let written = tokio::task::spawn_blocking(move || inner.write(&path, &kept)).await;
        if let Ok(Err(e)) = written {
            tracing::warn!(error = %e, "rendered speech could not be kept");
        }
        Ok(audio)
    }

    /// Whether the audio of a text is here.
    #[must_use]
    pub fn has(&self, espeak: &Espeak, text: &str, language: &str) -> bool {
        self.path(espeak, text, language).is_file()
    }

    fn path(&self, espeak: &Espeak, text: &str, language: &str) -> PathBuf {
        let mut hash = Sha256::new();
        hash.update(espeak.key(language));
        hash.update([0]);
        hash.update(text);
        self.0
            .dir
            .join(format!("{}.wav", crate::models::hex(&hash.finalize())))
    }
}

impl Inner {
    fn read(&self, path: &Path) -> Option<Arc<[i16]>> {
        let samples = wav::read_file(path).ok()?;
        // Used just now: the last to go. A clock that cannot be set costs nothing but order.
        if let Ok(file) = std::fs::File::options().append(true).open(path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(Arc::from(samples))
    }

    fn write(&self, path: &Path, samples: &[i16]) -> std::io::Result<()> {
        let bytes = wav::to_bytes(samples);
        if bytes.len() as u64 > self.bytes_max {
            return Ok(());
        }
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        let part = path.with_extension(format!("{}-{number}.part", std::process::id()));
        std::fs::write(&part, &bytes)?;
        std::fs::rename(&part, path)?;
        self.shrink()
    }

    fn shrink(&self) -> std::io::Result<()> {
        let mut files = Vec::new();
        let mut total = 0u64;
        for entry in std::fs::read_dir(&self.dir)?.filter_map(Result::ok) {
            let path = entry.path();
            if path.extension().is_some_and(|e| e == "wav") {
                let meta = entry.metadata()?;
                total += meta.len();
                files.push((meta.modified()?, meta.len(), path));
            }
        }
        files.sort();
        for (_, len, path) in files {
            if total <= self.bytes_max {
                break;
            }
            std::fs::remove_file(path)?;
            total -= len;
        }
        Ok(())
    }
}
