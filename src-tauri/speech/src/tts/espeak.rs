//! espeak-ng as a child process: text in on standard input, WAV out on standard output.
//!
//! Its library is under the GPL, so it is run as a program of its own and not linked. Text never goes on a command
//! line, where other users of the machine could read it.

use crate::wav::{self, WavError};
use anteroom_types::{ErrorCode, UserFacing, limits};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::sync::Semaphore;

/// Bytes a rendered text may have: over two minutes at espeak's 22.05 kHz.
const WAV_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// Samples quieter than this at the ends are silence.
const SILENCE_BELOW: u16 = 24;
/// Milliseconds of silence kept at the start and at the end.
const LEAD_MS: u64 = 20;
const TAIL_MS: u64 = 60;

/// How espeak-ng is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspeakConfig {
    /// The voice for English, e.g. `en-gb`; other languages use the voice of their own tag.
    pub voice: String,
    /// Words a minute, 80 to 450.
    pub rate: u16,
    /// Pitch, 0 to 99.
    pub pitch: u8,
    /// The program.
    pub program: String,
    /// Renderings at once; more wait.
    pub at_once_max: usize,
    /// Time one rendering may take.
    pub time_max: Duration,
}

impl Default for EspeakConfig {
    fn default() -> Self {
        Self {
            voice: "en-gb".into(),
            rate: 160,
            pitch: 50,
            program: "espeak-ng".into(),
            at_once_max: 4,
            time_max: Duration::from_secs(10),
        }
    }
}

/// Why there is no audio.
#[derive(Debug, thiserror::Error)]
pub enum TtsError {
    /// The program cannot be started.
    #[error("the speech synthesiser {program} cannot be run")]
    Program {
        /// Its name.
        program: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The text is longer than anything that is spoken.
    #[error("the text to be spoken has {0} characters")]
    TooLong(usize),
    /// The voice's name is not one.
    #[error("a voice or language tag has characters that none has")]
    Voice,
    /// It took too long.
    #[error("the speech synthesiser took too long")]
    TimedOut,
    /// The program ended badly. Its complaint may quote the text, so it is not kept.
    #[error("the speech synthesiser failed with status {0}")]
    Failed(i32),
    /// Talking to it failed.
    #[error("the speech synthesiser could not be talked to")]
    Pipe(#[source] std::io::Error),
    /// What it gave is no audio.
    #[error("the speech synthesiser gave no usable audio")]
    Audio(#[source] WavError),
    /// It gave more audio than a text can be.
    #[error("the speech synthesiser gave too much audio")]
    TooMuch,
}

impl UserFacing for TtsError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Program { .. } => "tts.program",
            Self::TooLong(_) => "tts.too_long",
            Self::Voice => "tts.voice",
            Self::TimedOut => "tts.timeout",
            Self::Failed(_) => "tts.failed",
            Self::Pipe(_) => "tts.pipe",
            Self::Audio(_) => "tts.audio",
            Self::TooMuch => "tts.too_much",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Program { .. } => "Install espeak-ng, or name the program in the configuration.".into(),
            Self::TooLong(_) => format!("Shorten it to {} characters.", limits::ANSWER_CHARS_MAX),
            Self::Voice | Self::Failed(_) => "Choose a voice that `espeak-ng --voices` lists.".into(),
            _ => "Try again; if it stays so, reinstall espeak-ng.".into(),
        }
    }
}

/// The synthesiser. Cloning is cheap; clones share the limit on renderings at once.
#[derive(Debug, Clone)]
pub struct Espeak {
    config: Arc<EspeakConfig>,
    permits: Arc<Semaphore>,
}

impl Espeak {
    /// A synthesiser. The program is first run by the first rendering.
    #[must_use]
    pub fn new(config: EspeakConfig) -> Self {
        let permits = Arc::new(Semaphore::new(config.at_once_max.clamp(1, 64)));
        Self {
            config: Arc::new(config),
            permits,
        }
    }

    /// What audio depends on besides the text.
    pub(super) fn key(&self, language: &str) -> String {
        let c = &self.config;
        format!("{}\0{}\0{}\0{}", c.program, self.voice(language), c.rate, c.pitch)
    }

    fn voice<'a>(&'a self, language: &'a str) -> &'a str {
        let primary = |tag: &'a str| tag.split('-').next().unwrap_or(tag);
        if primary(language).eq_ignore_ascii_case(primary(&self.config.voice)) {
            &self.config.voice
        } else {
            language
        }
    }

    /// Renders a text as 16 kHz mono audio, with the silence at its ends cut short. At most the configured number
    /// render at once; others wait. Dropping the future ends the program. Empty text gives no samples.
    ///
    /// # Errors
    /// See [`TtsError`].
    pub async fn render(&self, text: &str, language: &str) -> Result<Arc<[i16]>, TtsError> {
        let characters = text.chars().count();
        if characters > limits::ANSWER_CHARS_MAX {
            return Err(TtsError::TooLong(characters));
        }
        let text = plain(text);
        if !text.chars().any(char::is_alphanumeric) {
            return Ok(Arc::from([]));
        }
        let voice = self.voice(language);
        let tag = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '+' || c == '_';
        if voice.is_empty() || voice.starts_with('-') || !voice.chars().all(tag) {
            return Err(TtsError::Voice);
        }
        let bytes = tokio::time::timeout(self.config.time_max, self.run(&text, voice))
            .await
            .map_err(|_| TtsError::TimedOut)??;
        tokio::task::spawn_blocking(move || wav::read(&bytes))
            .await
            .map_err(|e| TtsError::Pipe(std::io::Error::other(e)))?
            .map(|samples| Arc::from(trim(&samples)))
            .map_err(TtsError::Audio)
    }

    async fn run(&self, text: &str, voice: &str) -> Result<Vec<u8>, TtsError> {
        // The semaphore is never closed.
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|e| TtsError::Pipe(std::io::Error::other(e)))?;
        let c = &self.config;
        let mut child = Command::new(&c.program)
            .args(["--stdin", "--stdout", "-b", "1", "-v", voice])
            .args([
                "-s",
                &c.rate.clamp(80, 450).to_string(),
                "-p",
                &c.pitch.min(99).to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| TtsError::Program {
                program: c.program.clone(),
                source,
            })?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(TtsError::Pipe(std::io::ErrorKind::BrokenPipe.into()));
        };
        let write = async move {
            // A program that ends early breaks the pipe; its status says why.
            let _ = stdin.write_all(text.as_bytes()).await;
            let _ = stdin.shutdown().await;
        };
        let mut bytes = Vec::new();
        let mut limited = stdout.take(WAV_BYTES_MAX + 1);
        let ((), read) = tokio::join!(write, limited.read_to_end(&mut bytes));
        read.map_err(TtsError::Pipe)?;
        if bytes.len() as u64 > WAV_BYTES_MAX {
            return Err(TtsError::TooMuch);
        }
        let status = child.wait().await.map_err(TtsError::Pipe)?;
        if !status.success() {
            return Err(TtsError::Failed(status.code().unwrap_or(-1)));
        }
        Ok(bytes)
    }
}

/// espeak-ng reads `[[...]]` as phonemes and control characters as commands; neither comes from an approved text.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '[' | ']' => ' ',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect::<String>()
        .trim()
        .to_owned()
}

fn trim(samples: &[i16]) -> &[i16] {
    let loud = |s: &i16| s.unsigned_abs() >= SILENCE_BELOW;
    let Some(first) = samples.iter().position(loud) else {
        return &[];
    };
    let last = samples.iter().rposition(loud).unwrap_or(first);
    let start = first.saturating_sub(anteroom_types::audio::ms_to_samples(LEAD_MS));
    let end = (last + anteroom_types::audio::ms_to_samples(TAIL_MS)).min(samples.len());
    &samples[start..end]
}
