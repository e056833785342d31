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
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Milliseconds within which a call that was missed or cut off is to be returned.
const CALLBACK_DUE_MS: u64 = 30 * 60 * 1000;

/// What a clinic's folder may have, and is taken from the sample clinic when it has not.
const FILES: [&str; 5] = [
    "policy.toml",
    "hours.toml",
    "safety.toml",
    "intents.toml",
    "calibration.toml",
];
/// What may be beside them when they are in the folder of the configuration or of the data.
const OTHERS: [&str; 2] = ["anteroom.toml", "headset.toml"];

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
    /// A file that would not be read, whatever was meant by it.
    #[error("{file} is none of a clinic's files")]
    Unknown {
        /// The file.
        file: PathBuf,
    },
    /// A switch for an intent that there is not.
    #[error("policy.toml: [intents] has '{name}', and there is no intent of that name")]
    Intent {
        /// The name.
        name: String,
        /// Those there are.
        there_are: Vec<String>,
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
            Self::Unknown { .. } => "clinic.unknown-file",
            Self::Intent { .. } => "clinic.unknown-intent",
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
            Self::Unknown { .. } => format!(
                "A clinic's files are {}: give it one of these names, or move it out of the folder.",
                FILES.join(", ")
            ),
            Self::Intent { there_are, .. } => {
                format!("Write one of those in intents.toml: {}.", there_are.join(", "))
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
    /// The files that are the sample clinic's.
    sample: Vec<&'static str>,
    /// The longest that the desk rings for a caller who is put through.
    desk_rings_ms: u64,
}

impl Clinic {
    /// Reads the files of the configured folder; one that is not there is taken from the sample clinic. One of a name that
    /// none has is refused: hours that nobody reads are the sample's.
    ///
    /// # Errors
    /// See [`ClinicError`].
    pub fn load(config: &Config) -> Result<Self, ClinicError> {
        let folder = config.clinic.folder.as_deref();
        if let Some(folder) = folder {
            only_known(folder, config.file.as_deref())?;
        }
        let of_sample = |name: &str| folder.is_none_or(|f| f.is_dir() && !f.join(name).exists());
        let text = |name: &str| -> Result<String, ClinicError> {
            let Some(folder) = folder.filter(|_| !of_sample(name)) else {
                return Ok(assets::clinic(name).to_owned());
            };
            let file = folder.join(name);
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
        let intents = Intents::parse(&text("intents.toml")?).map_err(ClinicError::Intents)?;
        let mut switched = policy.intents.keys();
        // The sample's policy switches the sample's intents, which a clinic with its own may not have.
        if let Some(name) = switched.find(|i| !of_sample("policy.toml") && intents.get(i).is_none()) {
            return Err(ClinicError::Intent {
                name: name.clone(),
                there_are: intents.iter().map(|i| i.id.clone()).collect(),
            });
        }
        Ok(Self {
            sample: FILES.into_iter().filter(|n| of_sample(n)).collect(),
            policy: Arc::new(policy),
            lexicon: Arc::new(Lexicon::parse(&text("safety.toml")?).map_err(ClinicError::Safety)?),
            intents: Arc::new(intents),
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
    /// The files that are taken from the sample clinic.
    #[must_use]
    pub fn of_sample(&self) -> &[&'static str] {
        &self.sample
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
            Pii::from("Missed call: it ended before it was answered."),
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

/// That a folder has no file which looks like one of a clinic's and would not be read.
fn only_known(folder: &Path, config: Option<&Path>) -> Result<(), ClinicError> {
    let config = config.and_then(|c| c.canonicalize().ok());
    // One that cannot be listed is told of when its files are read.
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    files.sort();
    let name = |f: &Path| {
        f.file_name()
            .map(|n| n.to_string_lossy().into_owned())
            .unwrap_or_default()
    };
    let unknown = files.into_iter().find(|f| {
        let name = name(f);
        let toml = f.extension().is_some_and(|e| e.eq_ignore_ascii_case("toml"));
        let known = FILES.contains(&name.as_str()) || OTHERS.contains(&name.as_str());
        toml && !name.starts_with('.') && !known && (config.is_none() || f.canonicalize().ok() != config)
    });
    unknown.map_or(Ok(()), |file| Err(ClinicError::Unknown { file }))
}

/// A caller's number, when it is one that can be rung.
fn dialable(from: &Pii<String>) -> Option<Pii<String>> {
    let number = from.open(Purpose::Signalling);
    let digits = number.chars().filter(char::is_ascii_digit).count();
    let plain = number.chars().all(|c| c.is_ascii_digit() || "+-() ".contains(c));
    (plain && digits >= 3).then(|| from.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(files: &[(&str, &str)], language: &str) -> Result<Clinic, ClinicError> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let text = format!("[clinic]\nlanguage = \"{language}\"\nfolder = {:?}", dir.path());
        Clinic::load(&Config::parse(&text, Path::new("a.toml")).unwrap())
    }

    #[test]
    fn what_a_folder_has_not_is_the_sample_s_and_said_to_be() {
        let hours = assets::clinic("hours.toml");
        let clinic = load(
            &[("hours.toml", hours), ("notes.txt", ""), ("anteroom.toml", "")],
            "en",
        )
        .unwrap();
        assert_eq!(
            clinic.of_sample(),
            ["policy.toml", "safety.toml", "intents.toml", "calibration.toml"]
        );
        assert_eq!(Clinic::load(&Config::default()).unwrap().of_sample(), FILES);
    }

    #[test]
    fn a_file_that_nobody_would_read_is_refused() {
        let e = load(&[("hour.toml", "")], "en").unwrap_err();
        assert!(
            e.to_string().ends_with("hour.toml is none of a clinic's files"),
            "{e}"
        );
        assert!(e.hint().contains("hours.toml"), "{}", e.hint());
    }

    #[test]
    fn a_switch_for_no_intent_is_refused() {
        let policy = assets::clinic("policy.toml");
        assert!(load(&[("policy.toml", policy)], "en").is_ok());
        let wrong = policy.replace("prescription = true", "presciption = false");
        assert_ne!(policy, wrong);
        let e = load(&[("policy.toml", &wrong)], "en").unwrap_err();
        assert!(e.to_string().contains("'presciption'"), "{e}");
        assert!(e.hint().contains("prescription"), "{}", e.hint());
    }

    #[test]
    fn a_language_without_scripts_is_refused() {
        assert!(load(&[], "EN_gb").is_ok());
        let e = load(&[], "de").unwrap_err();
        assert!(matches!(e, ClinicError::Language { .. }), "{e}");
        assert!(e.hint().contains("[scripts.de]"), "{}", e.hint());
    }
}
