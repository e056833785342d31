//! Everything that hears and speaks, loaded from the models folder.

use crate::alarm::primary;
use crate::clinic::Clinic;
use crate::config::{Config, SpeechSection};
use crate::place::Place;
use anteroom_speech::embed::{EmbedError, Embedder};
use anteroom_speech::models::{Manager, ManagerConfig, Manifest, ManifestError, ModelsError};
use anteroom_speech::recogniser::{Ladder, LadderConfig, LadderConfigError};
use anteroom_speech::tts::{CacheError, Espeak, EspeakConfig, PromptBook, Speaker, SpeechCache, TtsError};
use anteroom_speech::vad::{Vad, VadError};
use anteroom_speech::whisper::LoadError;
use anteroom_store::{Store, StoreError};
use anteroom_types::knowledge::EntryStatus;
use anteroom_types::{Pii, Purpose, UserFacing};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The model of each kind that is not chosen by configuration.
const VAD: &str = "silero-vad";
const EMBEDDER: &str = "minilm-l6-v2";
/// Bytes of rendered speech kept.
const SPEECH_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// Why something that hears or speaks cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum SpeechError {
    /// The manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A model.
    #[error(transparent)]
    Models(#[from] ModelsError),
    /// The voice activity detector.
    #[error(transparent)]
    Vad(#[from] VadError),
    /// A recogniser.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The embedder.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The recognisers.
    #[error(transparent)]
    Ladder(#[from] LadderConfigError),
    /// The voice.
    #[error(transparent)]
    Tts(#[from] TtsError),
    /// The folder of rendered speech.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The knowledge base.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A loader was lost.
    #[error("a model could not be loaded")]
    Lost,
}

impl UserFacing for SpeechError {
    fn code(&self) -> &'static str {
        match self {
            Self::Manifest(e) => e.code(),
            Self::Models(e) => e.code(),
            Self::Vad(e) => e.code(),
            Self::Load(e) => e.code(),
            Self::Embed(e) => e.code(),
            Self::Ladder(e) => e.code(),
            Self::Tts(e) => e.code(),
            Self::Cache(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Lost => "speech.lost",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Manifest(e) => e.hint(),
            Self::Models(e) => e.hint(),
            Self::Vad(e) => e.hint(),
            Self::Load(e) => e.hint(),
            Self::Embed(e) => e.hint(),
            Self::Ladder(e) => e.hint(),
            Self::Tts(e) => e.hint(),
            Self::Cache(e) => e.hint(),
            Self::Store(e) => e.hint(),
            Self::Lost => "Start again; if it happens again, look at the log.".into(),
        }
    }
}

/// What of it is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To answer calls.
    Everything,
    /// To find and render answers.
    Answers,
}

/// Loaded and ready.
pub struct SpeechStack {
    pub(crate) vad: Vad,
    pub(crate) ladder: Ladder,
    embedder: Arc<Embedder>,
    speaker: Speaker,
    language: String,
    demonstration: Vec<String>,
}

/// The voice as configured.
pub(crate) fn espeak(config: &SpeechSection) -> Espeak {
    Espeak::new(EspeakConfig {
        voice: config.voice.clone(),
        rate: u16::try_from(config.words_per_minute.clamp(80, 450)).unwrap_or(160),
        ..EspeakConfig::default()
    })
}

/// The model manager over a models folder.
pub(crate) fn manager(models: &Path, downloads: bool) -> Result<Manager, SpeechError> {
    let config = ManagerConfig {
        downloads,
        ..ManagerConfig::new(models.to_owned())
    };
    Ok(Manager::new(config, Manifest::builtin()?))
}

/// The file of a model's folder that ends in `end`.
pub(crate) fn model_file(folder: &Path, end: &str) -> PathBuf {
    let files = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path());
    let mut found: Vec<_> = files.filter(|p| p.to_string_lossy().ends_with(end)).collect();
    found.sort();
    found.into_iter().next().unwrap_or_else(|| folder.join(end))
}

pub(crate) fn load_vad(models: &Path) -> Result<Vad, SpeechError> {
    let folder = manager(models, false)?.folder(VAD)?;
    Ok(Vad::load(&model_file(&folder, ".safetensors"))?)
}

pub(crate) fn load_embedder(models: &Path) -> Result<Embedder, SpeechError> {
    Ok(Embedder::load(&manager(models, false)?.folder(EMBEDDER)?)?)
}

/// The ladder as configured. A recogniser that is missing or damaged does not stop the start: the next one is used,
/// and the keypad below them all.
pub(crate) fn load_ladder(
    config: &Config,
    models: &Path,
    ids: &[String],
) -> Result<(Ladder, Vec<String>), SpeechError> {
    let manager = manager(models, false)?;
    let rungs = ids
        .iter()
        .map(|id| manager.rung(id))
        .collect::<Result<Vec<_>, _>>()?;
    let demonstration = rungs
        .iter()
        .filter(|r| r.model.demonstration)
        .map(|r| r.name.clone())
        .collect();
    let s = &config.speech;
    let ladder = LadderConfig {
        rungs,
        workers: s.workers,
        queue_max: s.queue_max,
        partials: s.partials,
        ..LadderConfig::default()
    };
    Ok((Ladder::start(ladder)?, demonstration))
}

impl SpeechStack {
    /// Loads what is needed.
    ///
    /// # Errors
    /// See [`SpeechError`].
    pub async fn load(config: &Config, place: &Place, need: Need) -> Result<Self, SpeechError> {
        let (c, models) = (config.clone(), place.models.clone());
        let loaded = tokio::task::spawn_blocking(move || -> Result<_, SpeechError> {
            let recognisers: &[String] = if need == Need::Everything {
                &c.speech.recognisers
            } else {
                &[]
            };
            Ok((
                load_vad(&models)?,
                load_ladder(&c, &models, recognisers)?,
                load_embedder(&models)?,
            ))
        });
        let (vad, (ladder, demonstration), embedder) = loaded.await.map_err(|_| SpeechError::Lost)??;
        let cache = SpeechCache::new(place.speech(), SPEECH_BYTES_MAX)?;
        let prompts = config.speech.prompts.clone().map(PromptBook::new);
        Ok(Self {
            vad,
            ladder,
            embedder: Arc::new(embedder),
            speaker: Speaker::new(espeak(&config.speech), Some(cache), prompts),
            language: config.clinic.language.clone(),
            demonstration,
        })
    }

    /// What turns texts into vectors.
    pub(crate) fn embedder(&self) -> Arc<Embedder> {
        Arc::clone(&self.embedder)
    }

    /// Whether a rung is the demonstration model.
    pub(crate) fn is_demonstration(&self, rung: &str) -> bool {
        self.demonstration.iter().any(|d| d == rung)
    }

    /// The audio of something to be said: the recording of that prompt if there is one, else the cache, else the voice.
    /// What is private is rendered and kept nowhere.
    pub(crate) async fn speak(
        &self,
        text: &Pii<String>,
        script: Option<&str>,
        private: bool,
    ) -> Result<Arc<[i16]>, TtsError> {
        if private {
            return self.speaker.private(text, &self.language).await;
        }
        let words = text.open(Purpose::Conversation);
        match script {
            Some(name) => self.speaker.prompt(name, words, &self.language).await,
            None => self.speaker.approved(words, &self.language).await,
        }
    }

    /// Renders an approved answer ahead of time.
    pub(crate) async fn render_approved(&self, answer: &str) -> Result<(), TtsError> {
        self.speaker.approved(answer, &self.language).await.map(|_| ())
    }

    /// Renders everything that can be said without knowing the caller, so that the first call waits for nothing.
    pub(crate) async fn warm(&self, clinic: &Clinic, store: &Store) -> Result<(), SpeechError> {
        let policy = clinic.policy();
        for (script, words) in policy.fixed_prompts(clinic.language()) {
            self.speaker.prompt(script.name(), &words, &self.language).await?;
        }
        for e in store.list(Some(EntryStatus::Approved))? {
            if primary(&e.language).eq_ignore_ascii_case(primary(clinic.language())) {
                self.render_approved(&e.answer).await?;
            }
        }
        Ok(())
    }
}
