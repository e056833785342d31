//! One Whisper model and how it is run.
//!
//! A [`Model`] is loaded once and shared; a [`Decoder`] holds the working memory of one decode at a time and is made
//! once per worker, because making one costs tens of milliseconds and up to hundreds of megabytes.

mod abort;
pub mod guards;

pub use abort::{Abort, CancelFlag};
pub use guards::HallucinationGuard;

use anteroom_types::{ErrorCode, Pii, UserFacing, audio, limits};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use whisper_rs::{FullParams, SamplingStrategy, WhisperContext, WhisperContextParameters, WhisperState};

/// Milliseconds of audio that one position of the encoder's context stands for.
const CONTEXT_MS: u64 = 20;
/// Positions of the encoder's context in every published Whisper model: 30 s.
const CONTEXT_MAX: u32 = 1500;
/// Positions beyond the end of the speech that a fitted context keeps: the models want a little silence at the end.
const CONTEXT_MARGIN: u32 = 32;
/// A fitted context is a multiple of this, so that the matrix products have even shapes.
const CONTEXT_STEP: u32 = 64;
/// Milliseconds under which whisper.cpp refuses audio; shorter clips are padded with silence.
const CLIP_MS_MIN: u64 = 1_100;

/// How much of the encoder's 30 s context is computed. Its cost is most of a decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioCtx {
    /// All of it, as whisper.cpp does unless told otherwise.
    Full,
    /// Always this many positions of 20 ms; audio beyond them is not heard.
    Fixed(u32),
    /// As many as the segment needs, at least `min`.
    FitToSegment {
        /// The smallest context: models become unreliable with very short ones.
        min: u32,
    },
}

impl AudioCtx {
    /// Positions for a segment of `ms` milliseconds; 0 means all.
    #[must_use]
    pub fn positions(self, ms: u64) -> u32 {
        match self {
            Self::Full => 0,
            Self::Fixed(n) => n.min(CONTEXT_MAX),
            Self::FitToSegment { min } => {
                let needed = u32::try_from(ms.div_ceil(CONTEXT_MS)).unwrap_or(CONTEXT_MAX);
                let fitted = needed
                    .saturating_add(CONTEXT_MARGIN)
                    .div_ceil(CONTEXT_STEP)
                    .saturating_mul(CONTEXT_STEP)
                    .max(min);
                if fitted >= CONTEXT_MAX { 0 } else { fitted }
            }
        }
    }
}

/// How a model is run. Models differ: the manifest gives each its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WhisperSettings {
    /// Encoder context.
    pub audio_ctx: AudioCtx,
    /// Beams; 0 or 1 decodes greedily.
    pub beam: u32,
    /// Threads of one decode.
    pub threads: u32,
    /// Language tag of the speech. English-only models ignore another.
    pub language: String,
    /// Longest piece decoded at once, in milliseconds; longer audio is cut at its quietest moment.
    pub segment_ms_max: u32,
    /// Milliseconds under which audio is not worth decoding.
    pub minimum_speech_ms: u32,
    /// No-speech probability above which an unsure result is dropped.
    pub no_speech_max: f32,
    /// Mean log probability of the tokens under which a result counts as unsure.
    pub mean_logprob_min: f32,
    /// Milliseconds after which one decode is stopped and counts as failed.
    pub decode_ms_max: u32,
    /// Temperature added on each further try after a poor decode; 0 tries once, which keeps the time bounded.
    pub temperature_step: f32,
}

impl Default for WhisperSettings {
    fn default() -> Self {
        Self {
            audio_ctx: AudioCtx::FitToSegment { min: 256 },
            beam: 1,
            threads: 1,
            language: "en".into(),
            segment_ms_max: 28_000,
            minimum_speech_ms: 250,
            no_speech_max: 0.6,
            mean_logprob_min: -1.0,
            decode_ms_max: 10_000,
            temperature_step: 0.0,
        }
    }
}

/// A model file and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelFile {
    /// The id it goes by, e.g. `base.en-q5_1`.
    pub id: String,
    /// The ggml file.
    pub path: PathBuf,
    /// Its SHA-256 in lower-case hexadecimal. Always give it: whisper.cpp trusts what is inside a file, and a damaged
    /// one can end the process.
    pub sha256: Option<String>,
    /// Whether it is the demonstration model, which must not be used with patients.
    pub demonstration: bool,
}

/// Why a model could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not there.
    #[error("the speech model {id} is missing: {}", path.display())]
    Missing {
        /// The model.
        id: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("the speech model {id} cannot be read")]
    Io {
        /// The model.
        id: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is not the one it should be.
    #[error("the speech model {id} is damaged: {why}")]
    Corrupt {
        /// The model.
        id: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl UserFacing for LoadError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Missing { .. } => "stt.model_missing",
            Self::Io { .. } => "stt.model_unreadable",
            Self::Corrupt { .. } => "stt.model_corrupt",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Missing { id, .. } => format!(
                "Fetch it with `anteroom models fetch {id}`, or add a file with `anteroom models add {id} FILE`."
            ),
            Self::Io { .. } => "Check the permissions of the models folder.".into(),
            Self::Corrupt { id, .. } => {
                format!("Remove it with `anteroom models remove {id}` and fetch or add it again.")
            }
        }
    }
}

/// Why a decode gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Whoever asked no longer wants the result.
    #[error("the decode was cancelled")]
    Cancelled,
    /// The decode took longer than allowed.
    #[error("the decode took longer than allowed")]
    TimedOut,
    /// whisper.cpp failed; `code` names the step.
    #[error("the recogniser failed at {code}")]
    Failed {
        /// The step that failed.
        code: &'static str,
    },
}

/// A loaded model. Cloning is cheap.
#[derive(Clone)]
pub struct Model {
    context: Arc<WhisperContext>,
    /// What it was loaded from.
    file: Arc<ModelFile>,
    english_only: bool,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model")
            .field("id", &self.file.id)
            .finish_non_exhaustive()
    }
}

impl Model {
    /// Checks and loads a model. Blocks for as long as reading the file takes.
    ///
    /// # Errors
    /// When the file is missing, unreadable, or not what it should be.
    pub fn load(file: &ModelFile) -> Result<Self, LoadError> {
        check_file(file)?;
        // Neither of whisper-rs's log backends is compiled in, so this silences the C side; see the crate's invariants.
        whisper_rs::install_logging_hooks();
        let mut parameters = WhisperContextParameters::default();
        parameters.use_gpu(false);
        let context =
            WhisperContext::new_with_params(&file.path, parameters).map_err(|_| LoadError::Corrupt {
                id: file.id.clone(),
                why: "whisper.cpp cannot load it",
            })?;
        if file.demonstration {
            tracing::warn!(
                model = %file.id,
                "this is a demonstration model trained on synthetic speech: do not use it with patients"
            );
        }
        let english_only = !context.is_multilingual();
        tracing::info!(model = %file.id, english_only, "speech model loaded");
        Ok(Self {
            context: Arc::new(context),
            file: Arc::new(file.clone()),
            english_only,
        })
    }

    /// The id it goes by.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.file.id
    }

    /// Whether it is the demonstration model.
    #[must_use]
    pub fn demonstration(&self) -> bool {
        self.file.demonstration
    }

    /// Whether it knows English alone.
    #[must_use]
    pub const fn english_only(&self) -> bool {
        self.english_only
    }

    /// Makes the working memory of one worker.
    ///
    /// # Errors
    /// When there is not enough memory.
    pub fn decoder(&self) -> Result<Decoder, DecodeError> {
        let state = self
            .context
            .create_state()
            .map_err(|_| DecodeError::Failed { code: "state" })?;
        Ok(Decoder {
            model: self.clone(),
            state,
            audio: Vec::new(),
        })
    }
}

/// Size, magic number and checksum, before any C code sees the file.
fn check_file(file: &ModelFile) -> Result<(), LoadError> {
    let io = |source: std::io::Error| {
        if source.kind() == std::io::ErrorKind::NotFound {
            LoadError::Missing {
                id: file.id.clone(),
                path: file.path.clone(),
            }
        } else {
            LoadError::Io {
                id: file.id.clone(),
                source,
            }
        }
    };
    let corrupt = |why| LoadError::Corrupt {
        id: file.id.clone(),
        why,
    };
    let mut reader = std::fs::File::open(&file.path).map_err(io)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    let mut first = true;
    loop {
        let n = reader.read(&mut buffer).map_err(io)?;
        if first && !buffer[..n].starts_with(b"lmgg") {
            return Err(corrupt("it is not a ggml file"));
        }
        first = false;
        if n == 0 || file.sha256.is_none() {
            break;
        }
        hash.update(&buffer[..n]);
    }
    match &file.sha256 {
        Some(want) if crate::models::hex(&hash.finalize()) != want.to_ascii_lowercase() => {
            Err(corrupt("its SHA-256 is not the expected one"))
        }
        _ => Ok(()),
    }
}

/// What one decode gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// The words, trimmed; empty when nothing was said or a guard dropped the result.
    pub text: Pii<String>,
    /// Geometric mean of the tokens' probabilities, 0 to 1; 0 for an empty text.
    pub confidence: f32,
    /// The model's no-speech probability, 0 to 1. The demonstration model always says 0.
    pub no_speech_prob: f32,
    /// Time the decode took.
    pub took: Duration,
    /// Why the text was dropped, if it was.
    pub dropped_as: Option<HallucinationGuard>,
}

/// The working memory of one worker.
pub struct Decoder {
    model: Model,
    state: WhisperState,
    audio: Vec<f32>,
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// The model it decodes with.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// Decodes one turn of 16 kHz audio. Nothing is carried from one call to the next.
    ///
    /// # Errors
    /// When cancelled through `cancel`, out of time, or whisper.cpp fails.
    pub fn decode(
        &mut self,
        samples: &[i16],
        settings: &WhisperSettings,
        language: Option<&str>,
        cancel: &CancelFlag,
    ) -> Result<Decoded, DecodeError> {
        let started = Instant::now();
        let mut whole = Decoded {
            text: Pii::new(String::new()),
            confidence: 0.0,
            no_speech_prob: 0.0,
            took: Duration::ZERO,
            dropped_as: None,
        };
        if audio::samples_to_ms(samples.len()) < u64::from(settings.minimum_speech_ms) {
            whole.dropped_as = Some(HallucinationGuard::TooShort);
            return Ok(whole);
        }
        let deadline = started + Duration::from_millis(u64::from(settings.decode_ms_max));
        let abort = Abort::new(cancel.clone(), deadline);
        let mut text = String::new();
        let (mut logprob, mut tokens) = (0.0f32, 0u32);
        for piece in pieces(samples, settings.segment_ms_max) {
            let part = self.piece(piece, settings, language, &abort)?;
            whole.no_speech_prob = whole.no_speech_prob.max(part.no_speech_prob);
            match guards::check(&part, settings) {
                Some(guard) => whole.dropped_as = Some(guard),
                None if part.text.is_empty() => {}
                None => {
                    if !text.is_empty() {
                        text.push(' ');
                    }
                    text.push_str(&part.text);
                    logprob += part.logprob;
                    tokens += part.tokens;
                }
            }
        }
        if !text.is_empty() {
            whole.dropped_as = None;
            whole.confidence = (logprob / tokens.max(1) as f32).exp();
            let end = text
                .char_indices()
                .nth(limits::TURN_CHARS_MAX)
                .map_or(text.len(), |(i, _)| i);
            text.truncate(end);
        }
        whole.text = Pii::new(text);
        whole.took = started.elapsed();
        Ok(whole)
    }

    fn piece(
        &mut self,
        samples: &[i16],
        settings: &WhisperSettings,
        language: Option<&str>,
        abort: &Abort,
    ) -> Result<guards::Raw, DecodeError> {
        if let Some(e) = abort.reason() {
            return Err(e);
        }
        self.audio.clear();
        self.audio
            .extend(samples.iter().map(|s| f32::from(*s) / 32_768.0));
        let ms = audio::samples_to_ms(samples.len());
        let least = audio::ms_to_samples(CLIP_MS_MIN);
        if self.audio.len() < least {
            self.audio.resize(least, 0.0);
        }
        let mut p = FullParams::new(if settings.beam > 1 {
            SamplingStrategy::BeamSearch {
                beam_size: settings.beam.min(8).cast_signed(),
                patience: -1.0,
            }
        } else {
            SamplingStrategy::Greedy { best_of: 1 }
        });
        let language = if self.model.english_only {
            "en"
        } else {
            primary_subtag(language.unwrap_or(&settings.language))
        };
        p.set_language(Some(language));
        p.set_translate(false);
        p.set_no_timestamps(true);
        p.set_single_segment(true);
        p.set_no_context(true);
        p.set_temperature_inc(settings.temperature_step);
        p.set_audio_ctx(settings.audio_ctx.positions(ms).cast_signed());
        p.set_n_threads(settings.threads.clamp(1, 64).cast_signed());
        p.set_suppress_blank(true);
        p.set_print_special(false);
        p.set_print_progress(false);
        p.set_print_realtime(false);
        p.set_print_timestamps(false);
        let outcome = abort::run(&mut self.state, p, &self.audio, abort);
        // The caller's audio does not stay behind in a buffer that lives as long as the process.
        self.audio.fill(0.0);
        outcome?;

        let mut raw = guards::Raw::default();
        let mut bytes = Vec::new();
        for segment in self.state.as_iter() {
            raw.no_speech_prob = raw.no_speech_prob.max(segment.no_speech_probability());
            bytes.extend_from_slice(segment.to_bytes().unwrap_or_default());
            for i in 0..segment.n_tokens() {
                if let Some(token) = segment.get_token(i)
                    && token.token_id() < self.model.context.token_eot()
                {
                    raw.logprob += token.token_data().plog.max(-20.0);
                    raw.tokens += 1;
                }
            }
        }
        raw.text = String::from_utf8_lossy(&bytes).trim().to_owned();
        Ok(raw)
    }
}

/// `en` of `en-GB`: what Whisper knows languages by.
fn primary_subtag(language: &str) -> &str {
    language.split(['-', '_']).next().unwrap_or(language)
}

/// Cuts audio that is too long for one decode at the quietest 200 ms of the last two fifths of each piece.
fn pieces(samples: &[i16], ms_max: u32) -> Vec<&[i16]> {
    let longest = audio::ms_to_samples(u64::from(ms_max.max(1_000)));
    let window = audio::ms_to_samples(200);
    let mut out = Vec::new();
    let mut rest = samples;
    while rest.len() > longest {
        let from = longest * 3 / 5;
        let cut = (from..longest - window)
            .step_by(window / 4)
            .min_by_key(|at| {
                rest[*at..*at + window]
                    .iter()
                    .map(|s| u64::from(s.unsigned_abs()))
                    .sum::<u64>()
            })
            .map_or(longest, |at| at + window / 2);
        let (piece, later) = rest.split_at(cut);
        out.push(piece);
        rest = later;
    }
    out.push(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_fits_the_segment_and_never_cuts_it() {
        let fit = AudioCtx::FitToSegment { min: 256 };
        for ms in (0..35_000).step_by(37) {
            let n = fit.positions(ms);
            assert!(
                n == 0 || (u64::from(n) * CONTEXT_MS >= ms && n >= 256 && n.is_multiple_of(CONTEXT_STEP)),
                "{ms}: {n}"
            );
        }
        assert_eq!(fit.positions(5_000), 320);
        assert_eq!(fit.positions(30_000), 0);
        assert_eq!(AudioCtx::Fixed(512).positions(1), 512);
        assert_eq!(AudioCtx::Full.positions(1), 0);
    }

    #[test]
    fn long_audio_is_cut_where_it_is_quiet() {
        let mut samples = vec![4_000i16; 16_000 * 15];
        samples[16_000 * 7..16_000 * 7 + 8_000].fill(3);
        let cut = pieces(&samples, 9_000);
        assert_eq!(cut.iter().map(|p| p.len()).sum::<usize>(), samples.len());
        assert!(
            (16_000 * 7..16_000 * 7 + 8_000).contains(&cut[0].len()),
            "{}",
            cut[0].len()
        );
        assert!(cut.iter().all(|p| p.len() <= 16_000 * 9));
        assert_eq!(pieces(&samples[..100], 9_000).len(), 1);
    }

    #[test]
    fn a_file_is_checked_before_whisper_sees_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = ModelFile {
            id: "m".into(),
            path: dir.path().join("m.bin"),
            sha256: None,
            demonstration: false,
        };
        assert!(matches!(Model::load(&file), Err(LoadError::Missing { .. })));
        std::fs::write(&file.path, b"<html>404</html>").unwrap();
        assert!(matches!(Model::load(&file), Err(LoadError::Corrupt { .. })));
        std::fs::write(&file.path, b"lmgg and then rubbish").unwrap();
        file.sha256 = Some("00".repeat(32));
        let e = Model::load(&file).unwrap_err();
        assert_eq!(e.code(), "stt.model_corrupt");
        assert!(e.to_string().contains("SHA-256"));
    }
}
