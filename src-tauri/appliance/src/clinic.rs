//! What a clinic says and when: its policy, hours, safety words, intents and calibration.

use crate::assets;
use crate::call::SENTENCE_MS_MAX;
use crate::config::Config;
use anteroom_reception::conversation::{Conversation, Setup};
use anteroom_reception::gate::{Lexicon, LexiconError};
use anteroom_reception::hours::{HoursError, OpeningHours, Status};
use anteroom_reception::intents::{Intents, IntentsError};
use anteroom_reception::policy::{Policy, PolicyError};
use anteroom_reception::search::{Calibration, CalibrationError};
use anteroom_types::{Pii, Purpose, TaskKind, UserFacing, Wall};
use std::path::PathBuf;
use std::sync::Arc;

/// Milliseconds within which a call that was missed or cut off is to be returned.
const CALLBACK_DUE_MS: u64 = 30 * 60 * 1000;

/// Why a clinic's files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClinicError {
    /// A file cannot be read.
    #[error("cannot read {file}")]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The policy.
    #[error("policy.toml: {0}")]
    Policy(PolicyError),
    /// There are no scripts in the language callers are greeted in.
    #[error("callers are to be greeted in '{language}', and policy.toml has no scripts in it")]
    Language {
        /// What `[clinic] language` says.
        language: String,
        /// The languages there are scripts in.
        there_are: Vec<String>,
    },
    /// The opening hours.
    #[error("hours.toml: {0}")]
    Hours(HoursError),
    /// The safety words.
    #[error("safety.toml: {0}")]
    Safety(LexiconError),
    /// The intents.
    #[error("intents.toml: {0}")]
    Intents(IntentsError),
    /// The calibration.
    #[error("calibration.toml: {0}")]
    Calibration(CalibrationError),
}

impl UserFacing for ClinicError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "clinic.read",
            Self::Policy(e) => e.code(),
            Self::Language { .. } => "clinic.language",
            Self::Hours(e) => e.code(),
            Self::Safety(e) => e.code(),
            Self::Intents(e) => e.code(),
            Self::Calibration(e) => e.code(),
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Read { .. } => {
                "Check folder in [clinic]; a file that is left out is taken from the sample clinic.".into()
            }
            Self::Policy(e) => e.hint(),
            Self::Language { language, there_are } => format!(
                "Write [scripts.{language}] in policy.toml of the clinic's folder, or set language in [clinic] to one there is: {}.",
                there_are.join(", ")
            ),
            Self::Hours(e) => e.hint(),
            Self::Safety(e) => e.hint(),
            Self::Intents(e) => e.hint(),
            Self::Calibration(e) => e.hint(),
        }
    }
}

/// A clinic's files, read and checked.
#[derive(Debug, Clone)]
pub struct Clinic {
    policy: Arc<Policy>,
    lexicon: Arc<Lexicon>,
    intents: Arc<Intents>,
    hours: Arc<OpeningHours>,
    calibration: Arc<Calibration>,
    language: String,
    /// The longest that the desk rings for a caller who is put through.
    desk_rings_ms: u64,
}

impl Clinic {
    /// Reads the files of the configured folder; one that is not there is taken from the sample clinic.
    ///
    /// # Errors
    /// See [`ClinicError`].
    pub fn load(config: &Config) -> Result<Self, ClinicError> {
        let text = |name: &str| -> Result<String, ClinicError> {
            let Some(folder) = &config.clinic.folder else {
                return Ok(assets::clinic(name).to_owned());
            };
            let file = folder.join(name);
            if !file.exists() && folder.is_dir() {
                return Ok(assets::clinic(name).to_owned());
            }
            std::fs::read_to_string(&file).map_err(|source| ClinicError::Read { file, source })
        };
        let policy = Policy::parse(&text("policy.toml")?).map_err(ClinicError::Policy)?;
        let language = &config.clinic.language;
        if policy.scripts_for(language).is_none() {
            return Err(ClinicError::Language {
                language: language.clone(),
                there_are: policy.scripts.keys().cloned().collect(),
            });
        }
        Ok(Self {
            policy: Arc::new(policy),
            lexicon: Arc::new(Lexicon::parse(&text("safety.toml")?).map_err(ClinicError::Safety)?),
            intents: Arc::new(Intents::parse(&text("intents.toml")?).map_err(ClinicError::Intents)?),
            hours: Arc::new(OpeningHours::parse(&text("hours.toml")?).map_err(ClinicError::Hours)?),
            calibration: Arc::new(
                Calibration::parse(&text("calibration.toml")?).map_err(ClinicError::Calibration)?,
            ),
            language: language.clone(),
            desk_rings_ms: config.desk.rings_ms_max(SENTENCE_MS_MAX),
        })
    }

    /// The clinic's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.policy.clinic
    }
    /// The language callers are greeted in.
    #[must_use]
    pub fn language(&self) -> &str {
        &self.language
    }
    /// How search results become confidence.
    #[must_use]
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }
    /// The safety words.
    #[must_use]
    pub fn lexicon(&self) -> &Lexicon {
        &self.lexicon
    }
    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The time on the clinic's wall.
    #[must_use]
    pub fn local_time(&self, at: Wall) -> jiff::civil::DateTime {
        let utc = jiff::Timestamp::from_millisecond(at.0).unwrap_or_default();
        self.hours.local(&utc.to_zoned(jiff::tz::TimeZone::UTC))
    }

    /// Whether the clinic is open, and when that changes next.
    #[must_use]
    pub fn open_state(&self, at: Wall) -> (bool, Option<Wall>) {
        let (open, changes) = match self.hours.status_at(self.local_time(at)) {
            Status::Open { closes } => (true, Some(closes)),
            Status::Closed { opens_next, .. } => (false, opens_next),
        };
        let changes = changes.and_then(|t| t.in_tz(self.hours.time_zone()).ok());
        (open, changes.map(|z| Wall(z.timestamp().as_millisecond())))
    }

    /// A conversation with a new caller.
    #[must_use]
    pub fn conversation(&self, caller_number: Option<Pii<String>>) -> Conversation {
        Conversation::new(Setup {
            policy: Arc::clone(&self.policy),
            lexicon: Arc::clone(&self.lexicon),
            intents: Arc::clone(&self.intents),
            hours: Arc::clone(&self.hours),
            calibration: Arc::clone(&self.calibration),
            language: self.language.clone(),
            caller_number,
            desk_rings_ms: self.desk_rings_ms,
        })
    }

    /// The task for a caller who gave up before anything was said.
    #[must_use]
    pub fn missed_call(&self, from: &Pii<String>) -> (TaskKind, Pii<String>, Option<Pii<String>>, u64) {
        let number = dialable(from);
        (
            TaskKind::Callback,
            Pii::from("Missed call: the caller hung up before being answered."),
            number,
            CALLBACK_DUE_MS,
        )
    }

    /// Whether a caller's number is one that can be rung: not withheld, and no name of an account.
    #[must_use]
    pub fn can_ring_back(&self, from: &Pii<String>) -> bool {
        dialable(from).is_some()
    }

    /// The number to ring a caller back on, if it is one, and within how many milliseconds.
    #[must_use]
    pub fn ring_back(&self, from: &Pii<String>, kind: TaskKind) -> (Option<Pii<String>>, u64) {
        (dialable(from), self.policy.due.ms(kind))
    }

    /// The task for a caller whom our own stop cut off.
    #[must_use]
    pub fn interrupted_call(
        &self,
        from: Option<&Pii<String>>,
        now: Wall,
    ) -> (TaskKind, Pii<String>, Option<Pii<String>>, Wall) {
        let due = Wall(now.0 + i64::try_from(CALLBACK_DUE_MS).unwrap_or(0));
        let summary = Pii::from("The call was cut off by a fault on this machine. Ring back.");
        (TaskKind::Callback, summary, from.and_then(dialable), due)
    }
}

/// A caller's number, when it is one that can be rung.
fn dialable(from: &Pii<String>) -> Option<Pii<String>> {
    let number = from.open(Purpose::Signalling);
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let plain = number.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c));
    (plain && digits >= 3).then(|| from.clone())
}
