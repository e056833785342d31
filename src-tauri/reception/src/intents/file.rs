//! The intents' file.

use crate::data::line_of;
use crate::text::pattern::{Pattern, PatternError, Vocabulary};
use crate::text::{Word, normalise};
use anteroom_types::UserFacing;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use toml::Spanned;

/// Bytes the file may have.
const FILE_BYTES_MAX: usize = 256 * 1024;
/// Intents a file may define.
const INTENTS_MAX: usize = 100;

/// Why the intents' file was refused. Every variant names the line.
#[derive(Debug, thiserror::Error)]
pub enum IntentsError {
    /// Larger than the limit.
    #[error("the intents' file is larger than {FILE_BYTES_MAX} bytes or {INTENTS_MAX} intents")]
    TooLarge,
    /// Not TOML, or not the fields expected.
    #[error("line {line}: {message}")]
    Syntax {
        /// From 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// A phrase that does not compile.
    #[error("line {line}: in intent {intent}: {problem}")]
    Phrase {
        /// From 1.
        line: usize,
        /// The intent.
        intent: String,
        /// What is wrong.
        problem: PatternError,
    },
    /// An id that occurs twice.
    #[error("line {line}: the intent {id} is defined twice")]
    Twice {
        /// From 1.
        line: usize,
        /// The id.
        id: String,
    },
    /// An intent with neither phrases nor examples.
    #[error("line {line}: the intent {id} has neither phrases nor examples")]
    Empty {
        /// From 1.
        line: usize,
        /// The id.
        id: String,
    },
}

impl UserFacing for IntentsError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "intents.too_large",
            Self::Syntax { .. } => "intents.syntax",
            Self::Phrase { .. } => "intents.phrase",
            Self::Twice { .. } => "intents.twice",
            Self::Empty { .. } => "intents.empty",
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::TooLarge => "Make the intents' file smaller.".to_owned(),
            Self::Syntax { line, .. } => format!("Correct line {line} of the intents' file."),
            Self::Phrase { line, .. } => format!("Correct the phrase on line {line} of the intents' file."),
            Self::Twice { id, .. } => format!("Keep one definition of {id}."),
            Self::Empty { id, .. } => format!("Give {id} a phrase or an example, or remove it."),
        }
    }
}

/// What an intent leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// An approved answer is looked for.
    Answer,
    /// An appointment request is taken down.
    CollectAppointment,
    /// A prescription request is taken down.
    CollectPrescription,
    /// A callback is taken down.
    CollectCallback,
    /// A message is taken down.
    CollectMessage,
    /// The caller is put through to a person.
    Handover,
    /// The call is ended politely.
    Goodbye,
    /// The caller is greeted.
    Greeting,
    /// A yes.
    Affirm,
    /// A no.
    Deny,
    /// What was said last is said again.
    Repeat,
}

/// A detail an intent collects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Collects {
    /// The caller's name.
    Name,
    /// A telephone number.
    PhoneNumber,
    /// A date of birth.
    DateOfBirth,
    /// The reason.
    Reason,
    /// A preferred day or time.
    PreferredTime,
    /// A medicine.
    Medicine,
    /// A message.
    Message,
}

/// What holds an intent back, whatever was understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gate {
    /// Only while the clinic is open.
    OpeningHours,
    /// Nothing personal is ever said in reply.
    NeverDisclose,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    #[serde(default)]
    transparent: Vec<String>,
    #[serde(default)]
    common: Vec<String>,
    #[serde(default)]
    polite: Vec<Spanned<String>>,
    #[serde(default)]
    classes: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    sounds: BTreeMap<String, Vec<String>>,
    intent: Vec<IntentFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IntentFile {
    id: Spanned<String>,
    #[serde(default = "yes")]
    enabled: bool,
    action: Action,
    #[serde(default)]
    details: Vec<Collects>,
    #[serde(default)]
    gates: Vec<Gate>,
    /// Nothing else may have been said.
    #[serde(default)]
    whole: bool,
    #[serde(default)]
    phrases: Vec<Spanned<String>>,
    #[serde(default)]
    unless: Vec<Spanned<String>>,
    #[serde(default)]
    examples: Vec<String>,
}

const fn yes() -> bool {
    true
}

/// One intent.
#[derive(Debug, Clone)]
pub struct Intent {
    /// Its name.
    pub id: String,
    /// Whether it is recognised at all.
    pub enabled: bool,
    /// What it leads to.
    pub action: Action,
    /// The details it collects, in order.
    pub details: Vec<Collects>,
    /// What holds it back.
    pub gates: Vec<Gate>,
    pub(super) whole: bool,
    pub(super) phrases: Vec<Pattern>,
    pub(super) unless: Vec<Pattern>,
    /// Stems of each example, common words left out.
    pub(super) examples: Vec<BTreeSet<String>>,
}

/// All intents of a clinic.
#[derive(Debug, Clone)]
pub struct Intents {
    version: String,
    pub(super) vocabulary: Vocabulary,
    pub(super) polite: Vec<Pattern>,
    pub(super) list: Vec<Intent>,
}

impl Intents {
    /// Reads the file (TOML).
    ///
    /// # Errors
    /// The file is too large or not understood; the error names the line.
    pub fn parse(text: &str) -> Result<Self, IntentsError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(IntentsError::TooLarge);
        }
        let file: File = toml::from_str(text).map_err(|e| IntentsError::Syntax {
            line: e.span().map_or(1, |s| line_of(text, s.start)),
            message: e.message().to_owned(),
        })?;
        if file.intent.len() > INTENTS_MAX {
            return Err(IntentsError::TooLarge);
        }
        let mut vocabulary = Vocabulary::new(&file.transparent, &file.common);
        for (name, members) in &file.classes {
            vocabulary.class(name, members);
        }
        for (word, heard_as) in &file.sounds {
            vocabulary.sounds(word, heard_as);
        }
        let mut compile = |intent: &str, phrases: &[Spanned<String>]| -> Result<Vec<Pattern>, IntentsError> {
            phrases
                .iter()
                .map(|p| {
                    vocabulary
                        .compile(p.get_ref())
                        .map_err(|problem| IntentsError::Phrase {
                            line: line_of(text, p.span().start),
                            intent: intent.to_owned(),
                            problem,
                        })
                })
                .collect()
        };
        let polite = compile("polite", &file.polite)?;
        let mut list: Vec<Intent> = Vec::new();
        for i in file.intent {
            let line = line_of(text, i.id.span().start);
            let id = i.id.into_inner();
            if list.iter().any(|o| o.id == id) {
                return Err(IntentsError::Twice { line, id });
            }
            if i.phrases.is_empty() && i.examples.is_empty() {
                return Err(IntentsError::Empty { line, id });
            }
            list.push(Intent {
                phrases: compile(&id, &i.phrases)?,
                unless: compile(&id, &i.unless)?,
                examples: i.examples.iter().map(|e| content(&normalise(e))).collect(),
                id,
                enabled: i.enabled,
                action: i.action,
                details: i.details,
                gates: i.gates,
                whole: i.whole,
            });
        }
        Ok(Self {
            version: file.version,
            vocabulary,
            polite,
            list,
        })
    }

    /// The file's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// All intents, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = &Intent> {
        self.list.iter()
    }

    /// The intent of that name.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Intent> {
        self.list.iter().find(|i| i.id == id)
    }
}

/// Words that say nothing of what is wanted.
const EMPTY: &[&str] = &[
    "a",
    "an",
    "the",
    "i",
    "you",
    "he",
    "she",
    "it",
    "we",
    "they",
    "my",
    "your",
    "his",
    "her",
    "our",
    "their",
    "is",
    "are",
    "am",
    "was",
    "be",
    "to",
    "of",
    "for",
    "in",
    "on",
    "at",
    "with",
    "and",
    "or",
    "do",
    "does",
    "can",
    "could",
    "would",
    "will",
    "may",
    "please",
    "me",
    "this",
    "that",
    "there",
    "have",
    "has",
    "like",
    "want",
    "need",
    "get",
    "so",
    "hello",
    "hi",
    "yes",
    "okay",
    "sorry",
    "good",
    "morning",
    "afternoon",
    "evening",
    "just",
];

pub(super) fn content(words: &[Word]) -> BTreeSet<String> {
    words
        .iter()
        .filter(|w| !EMPTY.contains(&w.text.as_str()) && !w.is_number())
        .map(|w| w.stem.clone())
        .collect()
}
