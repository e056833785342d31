//! Phrases over normalised words.
//!
//! A phrase is written as words with spaces between them:
//!
//! | written | meaning |
//! |---|---|
//! | `breathing` | a word, compared by stem; in a phrase of several words it may be misheard, see [`Fit`] |
//! | `=fit` | exactly this word |
//! | `@who` | one of the words or phrases of a class |
//! | `#num`, `#many`, `#year` | a number; a number from 10 to 999; a year from 1900 to 2099 |
//! | `_` | any one word |
//! | `^`, `$` | the beginning, the end of a clause |
//! | `a\|@who\|#num\|$` | any of these |
//! | `hot_water\|tea` | several words as one choice |
//! | `the?`, `@who?` | may be missing |
//! | `..`, `..6` | up to three, up to six words of any kind |
//!
//! Between the parts of a phrase up to three transparent words (articles and the like, listed by the language) may
//! stand. A match may run across punctuation, because recognisers place it badly.

use super::sound::{Likeness, likeness};
use super::{Pause, Word, normalise};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// How a word of the text was taken for a word of a phrase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fit {
    /// The same stem.
    Exact,
    /// Listed among what recognisers make of it.
    Listed,
    /// Close in sound or letters.
    Close,
}

/// What is wrong with a phrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Nothing in it.
    #[error("the phrase is empty")]
    Empty,
    /// A class that is not defined.
    #[error("the class @{0} is not defined")]
    UnknownClass(String),
    /// A `#` name that is not known.
    #[error("#{0} is not known; there are #num, #many and #year")]
    UnknownKind(String),
    /// It would match nothing in particular.
    #[error("the phrase has no word that must be said")]
    NothingRequired,
    /// Longer than the limit.
    #[error("the phrase has more than {PARTS_MAX} parts")]
    TooLong,
}

/// Parts a phrase may have.
pub const PARTS_MAX: usize = 16;
/// Transparent words that may stand between two parts.
const TRANSPARENT_WORDS: usize = 3;
/// Letters of a misheard word that may stand alone.
const ALONE_LETTERS: usize = 8;
/// Words a gap spans when it does not say.
const GAP_WORDS: usize = 3;
/// Words a gap may span.
const GAP_WORDS_MAX: usize = 12;

#[derive(Debug, Clone)]
enum Part {
    OneOf { any_of: Vec<Choice>, optional: bool },
    Gap(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Choice {
    Words(Vec<u32>),
    Number,
    Many,
    Year,
    Any,
    Start,
    End,
}

impl Choice {
    /// Words that must be said for it.
    const fn required(&self) -> usize {
        match self {
            Self::Words(seq) => seq.len(),
            Self::Number | Self::Many | Self::Year => 1,
            Self::Any | Self::Start | Self::End => 0,
        }
    }
}

/// A compiled phrase; it belongs to the vocabulary that compiled it.
#[derive(Debug, Clone)]
pub struct Pattern {
    parts: Vec<Part>,
    single: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Term {
    text: String,
    stem: String,
    exact: bool,
}

/// The words all phrases of a language are made of.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    terms: Vec<Term>,
    ids: BTreeMap<Term, u32>,
    by_stem: HashMap<String, Vec<u32>>,
    listed: HashMap<String, Vec<String>>,
    common: BTreeSet<String>,
    transparent: BTreeSet<String>,
    classes: BTreeMap<String, Vec<String>>,
}

/// Where a phrase was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The words it covers.
    pub words: Range<usize>,
    /// How many of them were not the very word.
    pub misheard: usize,
}

/// A text as a vocabulary sees it.
#[derive(Debug)]
pub struct Heard<'t> {
    /// The words.
    pub words: &'t [Word],
    fits: Vec<Vec<(u32, Fit)>>,
    clear: Vec<bool>,
}

impl Vocabulary {
    /// A vocabulary with what a language says of words in general.
    #[must_use]
    pub fn new(transparent: &[String], common: &[String]) -> Self {
        let set = |l: &[String]| l.iter().flat_map(|w| normalise(w)).map(|w| w.text).collect();
        Self {
            transparent: set(transparent),
            common: set(common),
            ..Self::default()
        }
    }

    /// Defines a class, or adds to it.
    pub fn class(&mut self, name: &str, members: &[String]) {
        self.classes
            .entry(name.to_owned())
            .or_default()
            .extend(members.iter().cloned());
    }

    /// Whether a class of that name is defined.
    #[must_use]
    pub fn has_class(&self, name: &str) -> bool {
        self.classes.contains_key(name)
    }

    /// Says what recognisers make of a word.
    pub fn sounds(&mut self, word: &str, heard_as: &[String]) {
        let Some(word) = normalise(word).into_iter().next() else {
            return;
        };
        for heard in heard_as {
            if let [w] = normalise(heard).as_slice() {
                self.listed
                    .entry(w.text.clone())
                    .or_default()
                    .push(word.stem.clone());
            }
        }
    }

    fn term(&mut self, text: &str, stem: &str, exact: bool) -> u32 {
        let term = Term {
            text: text.to_owned(),
            stem: stem.to_owned(),
            exact,
        };
        if let Some(id) = self.ids.get(&term) {
            return *id;
        }
        let id = u32::try_from(self.terms.len()).unwrap_or(u32::MAX);
        self.by_stem.entry(stem.to_owned()).or_default().push(id);
        self.ids.insert(term.clone(), id);
        self.terms.push(term);
        id
    }

    fn sequence(&mut self, phrase: &str) -> Vec<u32> {
        let (exact, phrase) = phrase.strip_prefix('=').map_or((false, phrase), |p| (true, p));
        normalise(phrase)
            .iter()
            .map(|w| self.term(&w.text, &w.stem, exact))
            .collect()
    }

    fn words(&mut self, one: &str, any_of: &mut Vec<Choice>) -> Result<(), PatternError> {
        if let Some(kind) = one.strip_prefix('#') {
            return Err(PatternError::UnknownKind(kind.to_owned()));
        }
        let members = match one.strip_prefix('@') {
            Some(class) => self
                .classes
                .get(class)
                .cloned()
                .ok_or_else(|| PatternError::UnknownClass(class.to_owned()))?,
            None => vec![one.to_owned()],
        };
        for m in &members {
            let seq = self.sequence(m);
            if !seq.is_empty() {
                any_of.push(Choice::Words(seq));
            }
        }
        Ok(())
    }

    /// Compiles a phrase. Classes it names must have been defined.
    ///
    /// # Errors
    /// What is wrong with the phrase.
    pub fn compile(&mut self, phrase: &str) -> Result<Pattern, PatternError> {
        let mut parts = Vec::new();
        for piece in phrase.split_whitespace() {
            if let Some(words) = piece.strip_prefix("..") {
                parts.push(Part::Gap(words.parse().unwrap_or(GAP_WORDS).min(GAP_WORDS_MAX)));
                continue;
            }
            let (optional, piece) = piece.strip_suffix('?').map_or((false, piece), |p| (true, p));
            let mut any_of = Vec::new();
            for one in piece.split('|') {
                match one {
                    "^" => any_of.push(Choice::Start),
                    "$" => any_of.push(Choice::End),
                    "_" => any_of.push(Choice::Any),
                    "#num" => any_of.push(Choice::Number),
                    "#many" => any_of.push(Choice::Many),
                    "#year" => any_of.push(Choice::Year),
                    one => self.words(one, &mut any_of)?,
                }
            }
            // The longest first, so that "chest infection" is not left at "chest".
            any_of.sort_by_key(|c| std::cmp::Reverse(c.required()));
            any_of.dedup();
            if any_of.is_empty() {
                return Err(PatternError::Empty);
            }
            parts.push(Part::OneOf { any_of, optional });
        }
        if parts.is_empty() {
            return Err(PatternError::Empty);
        }
        if parts.len() > PARTS_MAX {
            return Err(PatternError::TooLong);
        }
        let required = parts
            .iter()
            .filter_map(|p| match p {
                Part::OneOf {
                    any_of,
                    optional: false,
                } => any_of.iter().map(Choice::required).min(),
                _ => None,
            })
            .sum::<usize>();
        if required == 0 {
            return Err(PatternError::NothingRequired);
        }
        Ok(Pattern {
            parts,
            single: required == 1,
        })
    }

    /// Prepares a text for matching. Work is linear in the words; every distinct word is compared once.
    #[must_use]
    pub fn hear<'t>(&self, words: &'t [Word]) -> Heard<'t> {
        let mut seen: HashMap<&str, Vec<(u32, Fit)>> = HashMap::new();
        let fits = words
            .iter()
            .map(|w| {
                seen.entry(w.text.as_str())
                    .or_insert_with(|| self.fits(w))
                    .clone()
            })
            .collect();
        let clear = words.iter().map(|w| self.transparent.contains(&w.text)).collect();
        Heard { words, fits, clear }
    }

    fn fits(&self, word: &Word) -> Vec<(u32, Fit)> {
        let mut out: BTreeMap<u32, Fit> = BTreeMap::new();
        for id in self.by_stem.get(&word.stem).into_iter().flatten() {
            let term = &self.terms[*id as usize];
            if !term.exact || term.text == word.text {
                out.insert(*id, Fit::Exact);
            }
        }
        let known = !out.is_empty();
        for stem in self.listed.get(&word.text).into_iter().flatten() {
            for id in self.by_stem.get(stem).into_iter().flatten() {
                if !self.terms[*id as usize].exact {
                    out.entry(*id).or_insert(Fit::Listed);
                }
            }
        }
        if !known && !word.is_number() && !self.common.contains(&word.text) {
            for (id, term) in (0..).zip(&self.terms) {
                if !term.exact && likeness(&word.text, &term.text) == Likeness::Close {
                    out.entry(id).or_insert(Fit::Close);
                }
            }
        }
        out.into_iter().collect()
    }

    /// Whether a word may be skipped between the parts of a phrase.
    #[must_use]
    pub fn is_transparent(&self, word: &str) -> bool {
        self.transparent.contains(word)
    }
}

#[derive(Clone, Copy)]
struct State {
    at: usize,
    exact: usize,
    misheard: usize,
    started: bool,
}

impl Pattern {
    /// Every place the phrase is found, at most one for each first word. `lenient` lets words be misheard.
    #[must_use]
    pub fn find(&self, heard: &Heard<'_>, lenient: bool) -> Vec<Found> {
        (0..heard.words.len())
            .filter_map(|at| self.find_at(heard, at, lenient))
            .collect()
    }

    /// The phrase beginning at word `at`.
    #[must_use]
    pub fn find_at(&self, heard: &Heard<'_>, at: usize, lenient: bool) -> Option<Found> {
        let state = State {
            at,
            exact: 0,
            misheard: 0,
            started: false,
        };
        let end = self.step(heard, 0, state, lenient)?;
        (end.at > at).then_some(Found {
            words: at..end.at,
            misheard: end.misheard,
        })
    }

    fn step(&self, heard: &Heard<'_>, part: usize, s: State, lenient: bool) -> Option<State> {
        let Some(p) = self.parts.get(part) else {
            return (s.misheard == 0 || s.exact > 0 || self.single).then_some(s);
        };
        let n = heard.words.len();
        match p {
            Part::Gap(most) => (0..=*most)
                .take_while(|k| s.at + k <= n)
                .find_map(|k| self.step(heard, part + 1, State { at: s.at + k, ..s }, lenient)),
            Part::OneOf { any_of, optional } => any_of
                .iter()
                .find_map(|c| self.choice(heard, c, part, s, lenient))
                .or_else(|| {
                    if *optional {
                        self.step(heard, part + 1, s, lenient)
                    } else {
                        None
                    }
                }),
        }
    }

    fn choice(&self, heard: &Heard<'_>, c: &Choice, part: usize, s: State, lenient: bool) -> Option<State> {
        let n = heard.words.len();
        let breaks = |at: usize| heard.words[at].pause != Pause::None;
        let next = match c {
            Choice::Words(seq) => return self.sequence(heard, seq, part, s, lenient),
            Choice::Start => (s.at < n && (s.at == 0 || breaks(s.at))).then_some(s),
            // Politeness and the like may follow the last word of a clause.
            Choice::End => {
                return skips(heard, s)
                    .filter(|s| s.at >= n || breaks(s.at))
                    .find_map(|s| self.step(heard, part + 1, s, lenient));
            }
            Choice::Any => (s.at < n).then_some(State { at: s.at + 1, ..s }),
            Choice::Number | Choice::Many | Choice::Year => skips(heard, s).find_map(|s| {
                let w = heard.words.get(s.at).filter(|w| w.is_number())?;
                let fits = match (c, w.text.len()) {
                    (Choice::Year, n) => n == 4 && (w.text.starts_with("19") || w.text.starts_with("20")),
                    (Choice::Many, n) => n == 2 || n == 3,
                    _ => true,
                };
                fits.then_some(State {
                    at: s.at + 1,
                    started: true,
                    exact: s.exact + 1,
                    ..s
                })
            }),
        };
        self.step(heard, part + 1, next?, lenient)
    }

    fn sequence(
        &self,
        heard: &Heard<'_>,
        seq: &[u32],
        part: usize,
        s: State,
        lenient: bool,
    ) -> Option<State> {
        let Some((first, rest)) = seq.split_first() else {
            return self.step(heard, part + 1, s, lenient);
        };
        skips(heard, s).find_map(|s| {
            let fits = heard.fits.get(s.at)?;
            let fit = fits
                .binary_search_by_key(first, |(id, _)| *id)
                .ok()
                .map(|i| fits[i].1)?;
            let allowed = match fit {
                Fit::Exact => true,
                Fit::Listed if !self.single => lenient,
                // A single word stands alone only when it is long enough not to be another.
                Fit::Listed | Fit::Close => {
                    lenient && (!self.single || heard.words[s.at].text.len() >= ALONE_LETTERS)
                }
            };
            let misheard = s.misheard + usize::from(fit != Fit::Exact);
            if !allowed || misheard > 2 {
                return None;
            }
            let next = State {
                at: s.at + 1,
                exact: s.exact + usize::from(fit == Fit::Exact && !heard.clear[s.at]),
                misheard,
                started: true,
            };
            self.sequence(heard, rest, part, next, lenient)
        })
    }
}

/// The state itself, then with transparent words skipped, if the phrase has begun.
fn skips<'h>(heard: &'h Heard<'_>, s: State) -> impl Iterator<Item = State> + 'h {
    let most = if s.started { TRANSPARENT_WORDS } else { 0 };
    (0..=most)
        .take_while(move |k| (0..*k).all(|i| heard.clear.get(s.at + i).copied().unwrap_or(false)))
        .map(move |k| State { at: s.at + k, ..s })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(l: &[&str]) -> Vec<String> {
        l.iter().map(|s| (*s).to_owned()).collect()
    }

    fn check(phrase: &str, text: &str, found: Option<&str>) {
        let mut v = Vocabulary::new(&strings(&["the", "a", "my", "really"]), &strings(&["paint"]));
        v.class("who", &strings(&["father", "my mother in law", "he"]));
        v.sounds("chest", &strings(&["chess"]));
        let p = v.compile(phrase).expect("compiles");
        let words = normalise(text);
        let heard = v.hear(&words);
        let got = p
            .find(&heard, true)
            .first()
            .map(|f| super::super::joined(&words[f.words.clone()]));
        assert_eq!(got.as_deref(), found, "{phrase} in {text}");
    }

    #[test]
    fn phrases() {
        check("chest pain", "a chest, um, pain here", Some("chest pain"));
        check("chest pain", "the chess pain", Some("chess pain"));
        check("chest pain", "chess", None);
        check(
            "pain .. chest",
            "pain all over the chest",
            Some("pain all over the chest"),
        );
        check("pain .. chest", "pain in this and that very chest", None);
        check(
            "@who is? not breathing",
            "my mother in law is really not breathing",
            Some("my mother in law is really not breathing"),
        );
        check("in #year", "in twenty nineteen", Some("in 2019"));
        check("^ help $", "help", Some("help"));
        check("^ help $", "can you help", None);
        check("=fit", "fits", None);
        check("blue|grey lips", "grey lips", Some("grey lips"));
    }

    #[test]
    fn bad_phrases_are_named() {
        let mut v = Vocabulary::default();
        assert_eq!(v.compile("").err(), Some(PatternError::Empty));
        assert_eq!(
            v.compile("@nobody").err(),
            Some(PatternError::UnknownClass("nobody".into()))
        );
        assert_eq!(v.compile("a? ..").err(), Some(PatternError::NothingRequired));
        assert_eq!(
            v.compile("#weeks ago").err(),
            Some(PatternError::UnknownKind("weeks".into()))
        );
    }
}
