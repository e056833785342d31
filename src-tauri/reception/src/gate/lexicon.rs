//! The gate's phrases as data.

use crate::data::line_of;
use crate::text::pattern::{Pattern, PatternError, Vocabulary};
use anteroom_types::UserFacing;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

const FLOOR: &[&str] = &[
    include_str!("../../../../assets/gate/en.toml"),
    include_str!("../../../../assets/gate/de.toml"),
    include_str!("../../../../assets/gate/fr.toml"),
    include_str!("../../../../assets/gate/es.toml"),
];

/// Bytes a clinic's file may have.
const FILE_BYTES_MAX: usize = 256 * 1024;
/// Phrases a clinic's file may have.
const PHRASES_MAX: usize = 4_000;

/// Why a lexicon was refused. Every variant names the line.
#[derive(Debug, thiserror::Error)]
pub enum LexiconError {
    /// Larger than the limit.
    #[error("the safety lexicon is larger than {FILE_BYTES_MAX} bytes or {PHRASES_MAX} phrases")]
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
    #[error("line {line}: in rule {rule}: {problem}")]
    Phrase {
        /// From 1.
        line: usize,
        /// The rule's name.
        rule: String,
        /// What is wrong.
        problem: PatternError,
    },
    /// A rule's or a class's name that is already taken.
    #[error("line {line}: the name {name} is already taken")]
    NameTaken {
        /// From 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A name that is not lower-case letters, digits and hyphens.
    #[error("line {line}: {name} is not a name")]
    BadName {
        /// From 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// A clinic's file tried to narrow the gate.
    #[error("line {line}: [language.{language}] {field} would narrow the gate")]
    Narrows {
        /// From 1.
        line: usize,
        /// The language.
        language: String,
        /// The field.
        field: &'static str,
    },
}

impl UserFacing for LexiconError {
    fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "gate.too_large",
            Self::Syntax { .. } => "gate.syntax",
            Self::Phrase { .. } => "gate.phrase",
            Self::NameTaken { .. } => "gate.name_taken",
            Self::BadName { .. } => "gate.bad_name",
            Self::Narrows { .. } => "gate.narrows",
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::TooLarge => "Make the safety file smaller.".to_owned(),
            Self::Syntax { line, .. } => format!("Correct line {line} of the safety file."),
            Self::Phrase { line, .. } => format!("Correct the phrase on line {line} of the safety file."),
            Self::NameTaken { name, .. } => format!("Give {name} another name."),
            Self::BadName { name, .. } => format!("Name {name} with lower-case letters, digits and hyphens."),
            Self::Narrows { field, .. } => {
                format!("Remove {field}: a clinic's file can add phrases, not take them back.")
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    #[serde(default)]
    language: BTreeMap<String, Section>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Section {
    classes: BTreeMap<Spanned<String>, Vec<String>>,
    sounds: BTreeMap<String, Vec<String>>,
    urgent: Vec<RuleFile>,
    advice: Vec<RuleFile>,
    // What follows is refused in a clinic's file.
    transparent: Option<Spanned<Vec<String>>>,
    common: Option<Spanned<Vec<String>>>,
    mask: Vec<RuleFile>,
    negation: Option<Spanned<NegationFile>>,
    past: Option<Spanned<PastFile>>,
    others: Option<Spanned<Vec<String>>>,
    /// Whether words may be misheard. Only English has been tested for it.
    misheard: Option<Spanned<bool>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct NegationFile {
    /// Words that negate.
    words: Vec<String>,
    /// Words that may stand between a negating word and what it negates.
    links: Vec<String>,
    /// Words that may stand between the two negations of a double one.
    between: Vec<String>,
    /// Words that carry a negation on to the next item.
    carries: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PastFile {
    /// Phrases that put a sentence into a past that is over.
    markers: Vec<Spanned<String>>,
    /// Phrases that put what directly follows them into the past.
    before: Vec<Spanned<String>>,
    /// Phrases that bring it back, anywhere in the text.
    now: Vec<Spanned<String>>,
    /// Phrases that bring it back in the same clause.
    now_here: Vec<Spanned<String>>,
    /// Phrases after a match that say it is over, for rules that allow it.
    resolved: Vec<Spanned<String>>,
    /// Words directly before a match that say it is happening.
    present_verbs: Vec<String>,
    /// Words that begin a new clause.
    clause: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    rule: Spanned<String>,
    phrases: Vec<Spanned<String>>,
    /// Phrases that take the rule back when they occur anywhere in the text; in the floor alone.
    #[serde(default)]
    unless: Vec<Spanned<String>>,
    #[serde(default)]
    negatable: Option<bool>,
    #[serde(default)]
    past: Option<bool>,
    #[serde(default)]
    resolves: Option<bool>,
    #[serde(default)]
    misheard: Option<bool>,
    /// What a mask keeps words from.
    #[serde(default)]
    hides: Hides,
}

/// What a mask keeps words from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Hides {
    /// From urgent rules.
    #[default]
    Urgent,
    /// From advice rules.
    Advice,
}

/// A compiled rule.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) patterns: Vec<Pattern>,
    pub(super) unless: Vec<Pattern>,
    pub(super) negatable: bool,
    pub(super) past: bool,
    pub(super) resolves: bool,
    pub(super) misheard: bool,
    pub(super) hides: Hides,
}

/// One language of the lexicon, compiled.
#[derive(Debug, Clone, Default)]
pub(super) struct Language {
    pub(super) tag: String,
    /// Words are taken as they were heard.
    pub(super) literal: bool,
    pub(super) vocabulary: Vocabulary,
    pub(super) urgent: Vec<Rule>,
    pub(super) advice: Vec<Rule>,
    pub(super) masks: Vec<Rule>,
    pub(super) negators: Vec<String>,
    pub(super) links: Vec<String>,
    pub(super) carries: Vec<String>,
    pub(super) between: Vec<String>,
    pub(super) past: Vec<Pattern>,
    pub(super) past_before: Vec<Pattern>,
    pub(super) now: Vec<Pattern>,
    pub(super) now_here: Vec<Pattern>,
    pub(super) resolved: Vec<Pattern>,
    pub(super) present_verbs: Vec<String>,
    pub(super) clause: Vec<String>,
    pub(super) others: Vec<String>,
}

/// The gate's phrases: the floor, and what a clinic adds.
#[derive(Debug, Clone)]
pub struct Lexicon {
    version: String,
    pub(super) languages: Vec<Language>,
}

impl Lexicon {
    /// The floor alone.
    ///
    /// # Errors
    /// The floor is compiled in and tested; an error means that this build is broken.
    pub fn floor() -> Result<Self, LexiconError> {
        Self::from_floor(FLOOR)
    }

    pub(crate) fn from_floor(files: &[&str]) -> Result<Self, LexiconError> {
        let mut lexicon = Self {
            version: String::new(),
            languages: Vec::new(),
        };
        for text in files {
            lexicon.add(text, true)?;
        }
        Ok(lexicon)
    }

    /// The floor with a clinic's file (TOML) added to it.
    ///
    /// # Errors
    /// The file is too large, is not understood, or would narrow the gate; the error names the line.
    pub fn parse(clinic: &str) -> Result<Self, LexiconError> {
        let mut lexicon = Self::floor()?;
        lexicon.add(clinic, false)?;
        Ok(lexicon)
    }

    /// The versions of the floor and of the clinic's file, e.g. `floor 2026.1, clinic 3`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The languages that have phrases, as BCP 47 tags.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.languages.iter().map(|l| l.tag.as_str())
    }

    /// The names of all rules, urgent ones first.
    pub fn rules(&self) -> impl Iterator<Item = &str> {
        let urgent = self.languages.iter().flat_map(|l| &l.urgent);
        let advice = self.languages.iter().flat_map(|l| &l.advice);
        urgent.chain(advice).map(|r| r.name.as_str())
    }

    fn add(&mut self, text: &str, floor: bool) -> Result<(), LexiconError> {
        if text.len() > FILE_BYTES_MAX {
            return Err(LexiconError::TooLarge);
        }
        let file: File = toml::from_str(text).map_err(|e| LexiconError::Syntax {
            line: e.span().map_or(1, |s| line_of(text, s.start)),
            message: e.message().to_owned(),
        })?;
        let phrases: usize = file
            .language
            .values()
            .flat_map(|s| s.urgent.iter().chain(&s.advice).chain(&s.mask))
            .map(|r| r.phrases.len() + r.unless.len())
            .sum();
        if phrases > PHRASES_MAX {
            return Err(LexiconError::TooLarge);
        }
        if !floor {
            self.version = format!("{}, clinic {}", self.version, file.version);
        } else if self.version.is_empty() {
            self.version = format!("floor {}", file.version);
        }
        for (tag, section) in file.language {
            if !floor {
                refuse_narrowing(text, &tag, &section)?;
            }
            let at = self
                .languages
                .iter()
                .position(|l| l.tag == tag)
                .unwrap_or_else(|| {
                    self.languages.push(Language {
                        tag: tag.clone(),
                        ..Language::default()
                    });
                    self.languages.len() - 1
                });
            self.languages[at].extend(text, section)?;
        }
        Ok(())
    }
}

fn refuse_narrowing(text: &str, language: &str, s: &Section) -> Result<(), LexiconError> {
    let narrows = |at: usize, field: &'static str| {
        Err(LexiconError::Narrows {
            line: line_of(text, at),
            language: language.to_owned(),
            field,
        })
    };
    if let Some(t) = &s.transparent {
        return narrows(t.span().start, "transparent");
    }
    if let Some(t) = &s.common {
        return narrows(t.span().start, "common");
    }
    if let Some(t) = &s.negation {
        return narrows(t.span().start, "negation");
    }
    if let Some(t) = &s.past {
        return narrows(t.span().start, "past");
    }
    if let Some(t) = &s.others {
        return narrows(t.span().start, "others");
    }
    if let Some(t) = &s.misheard {
        return narrows(t.span().start, "misheard");
    }
    if let Some(r) = s.mask.first() {
        return narrows(r.rule.span().start, "mask");
    }
    Ok(())
}

fn name_ok(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

impl Language {
    fn extend(&mut self, text: &str, s: Section) -> Result<(), LexiconError> {
        if let Some(m) = &s.misheard {
            self.literal = !m.get_ref();
        }
        if s.transparent.is_some() || s.common.is_some() {
            let take = |l: Option<Spanned<Vec<String>>>| l.map(Spanned::into_inner).unwrap_or_default();
            self.vocabulary = Vocabulary::new(&take(s.transparent), &take(s.common));
        }
        for (name, members) in s.classes {
            let line = line_of(text, name.span().start);
            let name = name.into_inner();
            // A clinic may not add to a class of the floor: masks use them too.
            if self.vocabulary.has_class(&name) {
                return Err(LexiconError::NameTaken { line, name });
            }
            if !name_ok(&name) {
                return Err(LexiconError::BadName { line, name });
            }
            self.vocabulary.class(&name, &members);
        }
        for (word, heard_as) in s.sounds {
            self.vocabulary.sounds(&word, &heard_as);
        }
        for rule in s.urgent {
            let rule = self.rule(text, rule)?;
            self.urgent.push(rule);
        }
        for rule in s.advice {
            let rule = self.rule(text, rule)?;
            self.advice.push(rule);
        }
        for rule in s.mask {
            let rule = self.rule(text, rule)?;
            self.masks.push(rule);
        }
        if let Some(n) = s.negation {
            let n = n.into_inner();
            self.negators.extend(n.words);
            self.links.extend(n.links);
            self.carries.extend(n.carries);
            self.between.extend(n.between);
        }
        if let Some(p) = s.past {
            let p = p.into_inner();
            self.past = self.compile(text, "past.markers", &p.markers)?;
            self.past_before = self.compile(text, "past.before", &p.before)?;
            self.now = self.compile(text, "past.now", &p.now)?;
            self.now_here = self.compile(text, "past.now_here", &p.now_here)?;
            self.resolved = self.compile(text, "past.resolved", &p.resolved)?;
            self.present_verbs.extend(p.present_verbs);
            self.clause.extend(p.clause);
        }
        self.others
            .extend(s.others.map(Spanned::into_inner).unwrap_or_default());
        Ok(())
    }

    fn compile(
        &mut self,
        text: &str,
        rule: &str,
        phrases: &[Spanned<String>],
    ) -> Result<Vec<Pattern>, LexiconError> {
        phrases
            .iter()
            .map(|p| {
                self.vocabulary
                    .compile(p.get_ref())
                    .map_err(|problem| LexiconError::Phrase {
                        line: line_of(text, p.span().start),
                        rule: rule.to_owned(),
                        problem,
                    })
            })
            .collect()
    }

    fn rule(&mut self, text: &str, r: RuleFile) -> Result<Rule, LexiconError> {
        let line = line_of(text, r.rule.span().start);
        let name = r.rule.into_inner();
        if !name_ok(&name) {
            return Err(LexiconError::BadName { line, name });
        }
        let mut all = self.urgent.iter().chain(&self.advice).chain(&self.masks);
        if all.any(|o| o.name == name) {
            return Err(LexiconError::NameTaken { line, name });
        }
        Ok(Rule {
            patterns: self.compile(text, &name, &r.phrases)?,
            unless: self.compile(text, &name, &r.unless)?,
            negatable: r.negatable.unwrap_or(true),
            past: r.past.unwrap_or(true),
            resolves: r.resolves.unwrap_or(false),
            misheard: r.misheard.unwrap_or(true),
            hides: r.hides,
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_compiles_and_names_its_languages() {
        let l = Lexicon::floor().expect("floor");
        assert_eq!(l.languages().collect::<Vec<_>>(), ["en", "de", "fr", "es"]);
        assert!(l.version().starts_with("floor "));
    }

    #[test]
    fn errors_point_at_the_line() {
        let bad = "version = \"1\"\n\n[[language.en.urgent]]\nrule = \"x\"\nphrases = [\n \"fine words\",\n \"@nobody here\",\n]\n";
        let e = Lexicon::parse(bad).expect_err("refused");
        assert_eq!(
            e.to_string(),
            "line 7: in rule x: the class @nobody is not defined"
        );
        let e = Lexicon::parse("version = \"1\"\nwhat = 3\n").expect_err("refused");
        assert!(e.to_string().starts_with("line 2: "), "{e}");
    }

    #[test]
    fn a_clinic_cannot_narrow_the_gate() {
        for (bad, code) in [
            (
                "version=\"1\"\n[[language.en.mask]]\nrule=\"m\"\nphrases=[\"chest pain\"]",
                "gate.narrows",
            ),
            (
                "version=\"1\"\n[language.en]\ntransparent=[\"pain\"]",
                "gate.narrows",
            ),
            (
                "version=\"1\"\n[language.en.negation]\nlinks=[\"breathing\"]",
                "gate.narrows",
            ),
            (
                "version=\"1\"\n[language.en.past]\nmarkers=[\"i have\"]",
                "gate.narrows",
            ),
            ("version=\"1\"\n[language.en]\ncommon=[\"chess\"]", "gate.narrows"),
            (
                "version=\"1\"\n[language.en.classes]\ncondition=[\"pain\"]",
                "gate.name_taken",
            ),
            (
                "version=\"1\"\n[[language.en.urgent]]\nrule=\"chest-pain\"\nphrases=[\"x y\"]",
                "gate.name_taken",
            ),
        ] {
            let e = Lexicon::parse(bad).expect_err(bad);
            assert_eq!(e.code(), code, "{bad}: {e}");
        }
    }
}
