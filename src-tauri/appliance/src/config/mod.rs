//! The configuration file: TOML, every key documented in `assets/anteroom.example.toml`.
//!
//! A mistake is reported with its line, what is wrong and what to write instead; an unknown key is a mistake too,
//! because a misspelt limit that is silently ignored is no limit.

mod desk;
mod fault;
mod media;
mod outbound;
mod sip;
mod web;

pub(crate) use desk::{DeskSection, Ice};
pub(crate) use media::MediaSection;
pub(crate) use outbound::OutboundSection;
pub(crate) use sip::{SipSection, Trunk, listen, network};
pub(crate) use web::WebSection;

use crate::start::StartError;
use anteroom_types::UserFacing;
use anteroom_types::limits::CONFIG_BYTES_MAX;
use fault::{Fault, one_of, range};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The whole file.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The clinic.
    pub clinic: Clinic,
    /// Where state is kept.
    pub data: Data,
    /// The telephone side.
    pub sip: SipSection,
    /// People and their telephones.
    pub desk: DeskSection,
    /// Calls that telephones of ours place through trunks.
    pub outbound: OutboundSection,
    /// Audio on the wire.
    pub media: MediaSection,
    /// Recognition and speech.
    pub speech: SpeechSection,
    /// The page and the API.
    pub web: WebSection,
    /// Log files.
    pub log: LogSection,
    /// The file it was read from, if from one.
    #[serde(skip)]
    pub file: Option<PathBuf>,
}

/// `[clinic]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clinic {
    /// Language callers are greeted in, a BCP 47 tag.
    pub language: String,
    /// Folder with policy.toml, hours.toml, safety.toml, intents.toml, calibration.toml; the built-in sample clinic
    /// when absent.
    pub folder: Option<PathBuf>,
    /// Whether calls are recorded after the consent notice.
    pub record: bool,
}

impl Default for Clinic {
    fn default() -> Self {
        Self {
            language: "en".into(),
            folder: None,
            record: true,
        }
    }
}

impl Clinic {
    /// Puts the language into the form tags are written in: `en_gb` becomes `en-GB`.
    fn tidy(&mut self) {
        let written = self.language.trim().replace('_', "-");
        let subtags = written.split('-').enumerate().map(|(i, s)| match (i, s.len()) {
            (1.., 2) => s.to_ascii_uppercase(),
            _ => s.to_ascii_lowercase(),
        });
        self.language = subtags.collect::<Vec<_>>().join("-");
    }

    fn check(&self) -> Result<(), Fault> {
        let mut subtags = self.language.split('-');
        let first = subtags.next().unwrap_or_default();
        let letters = (2..=3).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
        let rest =
            subtags.all(|s| (1..=8).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_alphanumeric()));
        if letters && rest && self.language.len() <= 35 {
            return Ok(());
        }
        let what = format!(
            "[clinic] language cannot be '{}': write the tag of a language, like en, en-GB or de",
            self.language
        );
        Err(Fault::key("clinic.language", what))
    }
}

/// `[data]`
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Where the database, recordings and logs are kept. `--data` overrides.
    pub dir: Option<PathBuf>,
    /// `keystore` for the operating system's key store, or `file:PATH`; `file:key` under the data folder by default.
    pub key: Option<Spanned<String>>,
}

/// `[speech]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpeechSection {
    /// Where models are kept; `ANTEROOM_MODELS` overrides.
    pub models: Option<PathBuf>,
    /// Recogniser models, best first; the keypad menu is always the last resort.
    pub recognisers: Vec<String>,
    /// Recogniser workers; each holds its own state.
    pub workers: usize,
    /// Utterances waiting for a worker; the least urgent is dropped beyond.
    pub queue_max: usize,
    /// Whether words are shown while the caller is still speaking.
    pub partials: bool,
    /// The espeak-ng voice.
    pub voice: String,
    /// Words a minute.
    pub words_per_minute: u32,
    /// Folder of recorded prompts, `NAME.wav`, used instead of the synthetic voice.
    pub prompts: Option<PathBuf>,
}

impl Default for SpeechSection {
    fn default() -> Self {
        Self {
            models: None,
            recognisers: vec!["demo-clinic-en".into()],
            workers: 1,
            queue_max: 64,
            partials: true,
            voice: "en-gb".into(),
            words_per_minute: 165,
            prompts: None,
        }
    }
}

impl SpeechSection {
    fn check(&self) -> Result<(), Fault> {
        range("speech.workers", self.workers, 1..=64, "workers")?;
        range("speech.queue_max", self.queue_max, 1..=10_000, "utterances")?;
        range(
            "speech.words_per_minute",
            self.words_per_minute,
            80..=450,
            "words a minute",
        )?;
        let voice = |c: char| c.is_ascii_alphanumeric() || "-+_".contains(c);
        if self.voice.is_empty() || self.voice.starts_with('-') || !self.voice.chars().all(voice) {
            let what = format!(
                "[speech] voice cannot be '{}': write a voice that `espeak-ng --voices` lists, like en-gb",
                self.voice
            );
            return Err(Fault::key("speech.voice", what));
        }
        range("speech.recognisers", self.recognisers.len(), 0..=8, "recognisers")?;
        for (i, r) in self.recognisers.iter().enumerate() {
            if self.recognisers.iter().take(i).any(|o| o == r) {
                let what = format!("[speech] recognisers has '{r}' twice: list every model once");
                return Err(Fault::key("speech.recognisers", what));
            }
        }
        Ok(())
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// `error`, `warn`, `info` or `debug`.
    pub level: Spanned<String>,
    /// Days of log files to keep.
    pub keep_days: usize,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            level: Spanned::new(0..0, "info".into()),
            keep_days: 30,
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is too large to be one.
    #[error("{path} is larger than a configuration may be ({CONFIG_BYTES_MAX} bytes)")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not TOML, or has a key or value that does not exist.
    #[error("{path}:{line}: {what}\n  {text}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what to write.
        what: String,
        /// The line itself.
        text: String,
    },
}

impl UserFacing for ConfigError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config.read",
            Self::TooLarge { .. } => "config.too-large",
            Self::Wrong { .. } => "config.wrong",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "Check the path given with --config and that this user may read it.".into(),
            Self::TooLarge { .. } => "Give the configuration file, not another one.".into(),
            Self::Wrong { .. } => {
                "Mend that line; `anteroom check --config FILE` checks the file without starting anything."
                    .into()
            }
        }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLarge {
                path: path.to_owned(),
            });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        let mut config = Self::parse(&text, path)?;
        config.file = Some(path.to_owned());
        Ok(config)
    }

    /// Checks the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let wrong = |start: usize, what: String| {
            let start = start.min(text.len());
            let line = text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count();
            let shown = text.lines().nth(line).unwrap_or_default().trim();
            // A password does not belong here; if somebody put one, it is not repeated.
            let shown = if shown.contains("password") {
                "(line not shown)"
            } else {
                shown
            };
            ConfigError::Wrong {
                path: path.to_owned(),
                line: line + 1,
                what,
                text: shown.to_owned(),
            }
        };
        let mut config: Self = toml::from_str(text)
            .map_err(|e| wrong(e.span().map_or(0, |s| s.start), e.message().to_owned()))?;
        config.clinic.tidy();
        config.outbound.tidy();
        config.check().map_err(|f| {
            let at = f.place(text);
            wrong(at, f.what)
        })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), Fault> {
        self.clinic.check()?;
        self.sip.check()?;
        let calls = *self.sip.calls_max.get_ref();
        self.media.check(calls)?;
        self.media.check_reach(&self.sip.listens(), self.sip.advertise)?;
        self.desk.check()?;
        self.outbound.check(&self.sip.trunk, &self.desk)?;
        self.speech.check()?;
        self.web.check()?;
        one_of("log.level", &self.log.level, &["error", "warn", "info", "debug"])?;
        range("log.keep_days", self.log.keep_days, 1..=3_650, "days")?;
        if let Some(key) = &self.data.key {
            let k = key.get_ref();
            if k != "keystore" && k.strip_prefix("file:").is_none_or(str::is_empty) {
                let what = "[data] key must be \"keystore\" or \"file:PATH\"";
                return Err(Fault::of(key, what));
            }
        }
        Ok(())
    }

    /// The token that `/metrics` is read with, if one is configured.
    ///
    /// # Errors
    /// When its file cannot be read, can be read by others, or holds what cannot be one.
    pub fn metrics_token(&self) -> Result<Option<String>, StartError> {
        let Some(file) = &self.web.metrics_token_file else {
            return Ok(None);
        };
        let token = crate::convert::secret(file, "metrics_token_file in [web]")?;
        let token = token.expose();
        // What a header can carry as one word (RFC 6750 2.1).
        let word = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
        if !(16..=256).contains(&token.len()) || !token.bytes().all(word) {
            return Err(StartError::Token { file: file.clone() });
        }
        Ok(Some(token.to_owned()))
    }

    /// The RTP port range.
    #[must_use]
    pub fn rtp_ports(&self) -> RangeInclusive<u16> {
        media::ports(self.media.ports.get_ref()).unwrap_or(20000..=20399)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That a file is refused, and what is said of it.
    pub(super) fn check(text: &str, expected: &str) {
        match Config::parse(text, Path::new("a.toml")) {
            Ok(_) => panic!("accepted, instead of: {expected}\n{text}"),
            Err(e) => assert!(e.to_string().starts_with(expected), "got: {e}\nnot: {expected}"),
        }
    }

    /// That a file is accepted.
    pub(super) fn fine(text: &str) {
        if let Err(e) = Config::parse(text, Path::new("a.toml")) {
            panic!("{e}\n{text}");
        }
    }

    #[test]
    fn an_empty_file_is_a_working_configuration_on_loopback() {
        let c = Config::parse("", Path::new("a.toml")).unwrap();
        assert!(c.web.listen.ip().is_loopback() && !c.sip.allow_direct);
    }

    #[test]
    fn the_documented_example_holds_the_defaults_and_every_section() {
        let text = include_str!("../../../../assets/anteroom.example.toml");
        let example = Config::parse(text, Path::new("example.toml")).unwrap();
        let ours = Config::default();
        assert_eq!(example.rtp_ports(), ours.rtp_ports());
        assert_eq!(example.sip.calls_max.get_ref(), ours.sip.calls_max.get_ref());
        assert_eq!(example.speech.recognisers, ours.speech.recognisers);
        assert_eq!(example.web.listen, ours.web.listen);
        // What is commented out is valid too.
        let all: String = text
            .lines()
            .map(|l| {
                l.strip_prefix("# ")
                    .filter(|r| r.contains(" = ") || r.starts_with("[["))
                    .unwrap_or(l)
            })
            .map(|l| format!("{l}\n"))
            .collect();
        let all = Config::parse(&all, Path::new("example.toml")).unwrap();
        assert_eq!((all.sip.trunk.len(), all.web.passcode.len()), (2, 1));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        check("[sip]\n\ncals_max = 3", "a.toml:3: unknown field `cals_max`");
        check(
            "[log]\nlevel = \"loud\"",
            "a.toml:2: [log] level cannot be 'loud': write one of: error",
        );
        check(
            "[log]\nkeep_days = 0",
            "a.toml:2: [log] keep_days is 0: it must be 1 to 3650 days",
        );
        check("[data]\nkey = 5", "a.toml:2: invalid type");
        check("[data]\nkey = \"file:\"", "a.toml:2: [data] key must be");
        check("what", "a.toml:1:");
    }

    #[test]
    fn a_language_is_a_tag_in_whatever_way_it_is_written() {
        for (written, expected) in [
            ("EN", "en"),
            ("en_gb", "en-GB"),
            ("de-AT", "de-AT"),
            (" cy ", "cy"),
        ] {
            let text = format!("[clinic]\nlanguage = \"{written}\"");
            let c = Config::parse(&text, Path::new("a.toml")).unwrap();
            assert_eq!(c.clinic.language, expected);
        }
        for wrong in ["english", "", "e", "en GB", "en--gb", "12"] {
            check(
                &format!("[clinic]\nlanguage = \"{wrong}\""),
                "a.toml:2: [clinic] language cannot be",
            );
        }
    }

    #[test]
    fn what_recognises_and_speaks_has_a_range() {
        for (line, says) in [
            ("workers = 0", "[speech] workers is 0: it must be 1 to 64 workers"),
            ("queue_max = 0", "[speech] queue_max is 0"),
            (
                "words_per_minute = 0",
                "[speech] words_per_minute is 0: it must be 80 to 450",
            ),
            ("voice = \"en gb\"", "[speech] voice cannot be 'en gb'"),
            (
                "recognisers = [\"a\", \"a\"]",
                "[speech] recognisers has 'a' twice",
            ),
        ] {
            check(&format!("[speech]\n{line}"), &format!("a.toml:2: {says}"));
        }
    }

    #[test]
    fn a_password_in_the_wrong_place_is_not_repeated() {
        let e = Config::parse(
            "[[sip.trunk]]\nname = \"a\"\npassword = \"hunter2\"",
            Path::new("a.toml"),
        );
        assert!(!e.unwrap_err().to_string().contains("hunter2"));
    }
}
