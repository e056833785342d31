//! What a search found, fused into one calibrated confidence, and whether that is enough to speak.
//!
//! Full-text hits and vector hits of the same entry are joined; a logistic model over their features gives the
//! probability that the entry answers the question; a threshold and a margin decide. The weights are data
//! ([`Calibration`]), fitted on the golden questions.
//!
//! Entries whose id begins with [`REFER_PREFIX`] are subjects the clinic does not have answered by the line. They
//! compete like any other, so that "Can I register to vote?" finds something nearer than registering as a patient,
//! but [`choose`] never speaks or offers one: the caller is passed to a person.

use anteroom_types::event::EntryRef;
use anteroom_types::knowledge::{TextHit, VectorHit};
use anteroom_types::{EntryId, ErrorCode, UserFacing};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How the id of an entry begins that is found but never spoken. See the module.
pub const REFER_PREFIX: &str = "refer-";

/// Whether `entry` is a subject that is passed to a person.
#[must_use]
pub fn refers_to_person(entry: &EntryId) -> bool {
    entry.as_str().starts_with(REFER_PREFIX)
}

/// An entry that may answer a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The entry.
    pub entry: EntryId,
    /// Its approved version.
    pub version: u32,
    /// Its title.
    pub title: String,
    /// The words to speak. [`fuse`] leaves it empty; whoever runs the search fills it in from the store. A
    /// candidate without it is never spoken.
    pub answer: String,
    /// Calibrated probability that it answers the question, 0 to 1.
    pub confidence: f32,
    /// Cosine similarity of its nearest question, -1 to 1. When no vector of it was among the hits, the lowest
    /// similarity that was: it cannot be higher than that.
    pub cosine: f32,
    /// BM25, higher is better; 0 when full text did not find it.
    pub bm25: f32,
    /// The share of the question's content words it holds, 0 to 1; 0 when full text did not find it.
    pub coverage: f32,
}

impl Candidate {
    /// What the record keeps of it.
    #[must_use]
    pub fn entry_ref(&self) -> EntryRef {
        EntryRef {
            id: self.entry.clone(),
            version: self.version,
            score: self.confidence,
        }
    }
}

/// What to do with the candidates.
#[derive(Debug, Clone, PartialEq)]
pub enum Choice {
    /// Speak this one.
    Answer(Candidate),
    /// Not sure enough: ask. Best first, one or two.
    Clarify(Vec<Candidate>),
    /// Nothing here answers it.
    None,
}

/// Weights of the logistic model over one entry's features.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Constant term.
    pub bias: f32,
    /// Weight of the best cosine similarity.
    #[serde(default)]
    pub cosine: f32,
    /// Weight of the lead in cosine over the best other entry (negative for an entry that is behind).
    #[serde(default)]
    pub cosine_lead: f32,
    /// Weight of BM25 as `bm25 / (bm25 + bm25_half)`.
    #[serde(default)]
    pub bm25: f32,
    /// Weight of the lead in that normalised BM25 over the best other entry.
    #[serde(default)]
    pub bm25_lead: f32,
    /// Weight of the share of content words covered.
    #[serde(default)]
    pub coverage: f32,
}

/// How hits become a confidence and a decision. The `[search]` table of a calibration file.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// A name for these figures, kept with what they decide.
    pub version: String,
    /// BM25 at which its normalised value is a half.
    pub bm25_half: f32,
    /// Weights when vectors were searched.
    pub weights: Weights,
    /// Weights when only full text was (no embedding model). Without them such a search answers nothing.
    #[serde(default)]
    pub text_only: Option<Weights>,
    /// Confidence from which on an answer is spoken.
    pub threshold: f32,
    /// Lead in confidence over the runner-up that an answer needs.
    pub margin: f32,
    /// Confidence from which on it is worth asking which was meant.
    pub clarify_threshold: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    search: Calibration,
}

/// A calibration file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CalibrationError {
    /// It does not parse.
    #[error("calibration, line {line}: {message}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A figure is out of range.
    #[error("calibration: {name} is out of range")]
    Range {
        /// Which.
        name: &'static str,
    },
}

impl UserFacing for CalibrationError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Syntax { .. } => "calibration.syntax",
            Self::Range { .. } => "calibration.range",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Syntax { line, .. } => format!(
                "Correct line {line} of the calibration file, or restore the file that came with Anteroom."
            ),
            Self::Range { name } => format!(
                "Set search.{name} to a number in its range: thresholds and margin from 0 to 1, bm25_half above 0, weights finite."
            ),
        }
    }
}

impl Default for Calibration {
    /// Careful figures for MiniLM, used until a clinic's own golden set gives better ones.
    fn default() -> Self {
        Self {
            version: "built-in".to_owned(),
            bm25_half: 6.0,
            weights: Weights {
                bias: -9.5,
                cosine: 12.0,
                cosine_lead: 4.0,
                bm25: 1.5,
                bm25_lead: 1.0,
                coverage: 2.0,
            },
            text_only: None,
            threshold: 0.7,
            margin: 0.15,
            clarify_threshold: 0.3,
        }
    }
}

impl Calibration {
    /// Reads a file with a `[search]` table.
    ///
    /// # Errors
    /// When it does not parse, has an unknown key, or a figure is out of range.
    pub fn parse(text: &str) -> Result<Self, CalibrationError> {
        let file: File = toml::from_str(text).map_err(|e| CalibrationError::Syntax {
            line: crate::data::line_of(text, e.span().map_or(0, |s| s.start)),
            message: e.message().to_owned(),
        })?;
        file.search.check()
    }

    fn check(self) -> Result<Self, CalibrationError> {
        let unit = |name, v: f32| {
            if (0.0..=1.0).contains(&v) {
                Ok(())
            } else {
                Err(CalibrationError::Range { name })
            }
        };
        unit("threshold", self.threshold)?;
        unit("margin", self.margin)?;
        unit("clarify_threshold", self.clarify_threshold)?;
        if !(self.bm25_half.is_finite() && self.bm25_half > 0.0) {
            return Err(CalibrationError::Range { name: "bm25_half" });
        }
        for w in std::iter::once(&self.weights).chain(&self.text_only) {
            let all = [w.bias, w.cosine, w.cosine_lead, w.bm25, w.bm25_lead, w.coverage];
            if all.iter().any(|v| !v.is_finite()) {
                return Err(CalibrationError::Range { name: "weights" });
            }
        }
        Ok(self)
    }

    fn bm25_normalised(&self, bm25: f32) -> f32 {
        let b = bm25.max(0.0);
        b / (b + self.bm25_half)
    }
}

/// Joins the hits of each entry and gives every entry its confidence, best first.
#[must_use]
pub fn fuse(text: &[TextHit], vectors: &[VectorHit], calibration: &Calibration) -> Vec<Candidate> {
    let lowest = vectors.iter().map(|v| finite(v.cosine)).fold(1.0_f32, f32::min);
    let unseen = if vectors.is_empty() { 0.0 } else { lowest };
    let mut found: BTreeMap<(EntryId, u32), Candidate> = BTreeMap::new();
    let mut of = |entry: &EntryId, version: u32, title: &str, with: &mut dyn FnMut(&mut Candidate)| {
        let c = found
            .entry((entry.clone(), version))
            .or_insert_with(|| Candidate {
                entry: entry.clone(),
                version,
                title: title.to_owned(),
                answer: String::new(),
                confidence: 0.0,
                cosine: unseen,
                bm25: 0.0,
                coverage: 0.0,
            });
        with(c);
    };
    for v in vectors {
        of(&v.entry, v.version, &v.title, &mut |c| {
            c.cosine = c.cosine.max(finite(v.cosine))
        });
    }
    for t in text {
        of(&t.entry, t.version, &t.title, &mut |c| {
            c.bm25 = c.bm25.max(finite(t.bm25));
            c.coverage = c.coverage.max(finite(t.coverage).clamp(0.0, 1.0));
        });
    }
    let weights = if vectors.is_empty() {
        calibration.text_only.as_ref()
    } else {
        Some(&calibration.weights)
    };
    let mut all: Vec<Candidate> = found.into_values().collect();
    let cosines: Vec<f32> = all.iter().map(|c| c.cosine).collect();
    let texts: Vec<f32> = all.iter().map(|c| calibration.bm25_normalised(c.bm25)).collect();
    for (i, c) in all.iter_mut().enumerate() {
        c.confidence = weights.map_or(0.0, |w| {
            let z = w.bias
                + w.cosine * c.cosine
                + w.cosine_lead * lead(&cosines, i)
                + w.bm25 * texts[i]
                + w.bm25_lead * lead(&texts, i)
                + w.coverage * c.coverage;
            1.0 / (1.0 + (-z).exp())
        });
    }
    all.sort_by(|a, b| {
        b.confidence
            .total_cmp(&a.confidence)
            .then_with(|| b.cosine.total_cmp(&a.cosine))
            .then_with(|| b.bm25.total_cmp(&a.bm25))
            .then_with(|| a.entry.cmp(&b.entry))
    });
    all
}

/// Decides what to do with `candidates`, which are best first.
#[must_use]
pub fn choose(candidates: &[Candidate], calibration: &Calibration) -> Choice {
    let Some(best) = candidates.first() else {
        return Choice::None;
    };
    if refers_to_person(&best.entry) {
        return Choice::None;
    }
    let second = candidates.get(1).map_or(0.0, |c| c.confidence);
    if best.confidence >= calibration.threshold && best.confidence - second >= calibration.margin {
        return Choice::Answer(best.clone());
    }
    let near: Vec<Candidate> = candidates
        .iter()
        .take(2)
        .filter(|c| c.confidence >= calibration.clarify_threshold && !refers_to_person(&c.entry))
        .cloned()
        .collect();
    if near.is_empty() {
        Choice::None
    } else {
        Choice::Clarify(near)
    }
}

/// How far value `i` is ahead of the best of the others.
fn lead(values: &[f32], i: usize) -> f32 {
    let best_other = values
        .iter()
        .enumerate()
        .filter(|(j, _)| *j != i)
        .map(|(_, v)| *v)
        .fold(0.0_f32, f32::max);
    values[i] - best_other
}

fn finite(v: f32) -> f32 {
    if v.is_finite() { v } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(s: &str) -> EntryId {
        EntryId::new(s).unwrap()
    }
    fn text(entry: &str, bm25: f32, coverage: f32) -> TextHit {
        TextHit {
            entry: id(entry),
            version: 1,
            title: entry.to_owned(),
            bm25,
            coverage,
        }
    }
    fn vector(entry: &str, cosine: f32) -> VectorHit {
        VectorHit {
            entry: id(entry),
            version: 1,
            title: entry.to_owned(),
            question: String::new(),
            cosine,
        }
    }

    #[test]
    fn a_clear_winner_is_answered() {
        let c = Calibration::default();
        let all = fuse(
            &[text("parking", 9.0, 1.0), text("hours", 1.0, 0.3)],
            &[vector("parking", 0.93), vector("hours", 0.35)],
            &c,
        );
        assert_eq!(all[0].entry, id("parking"));
        assert!(matches!(choose(&all, &c), Choice::Answer(a) if a.entry == id("parking")));
    }

    #[test]
    fn two_near_ones_are_asked_about() {
        let c = Calibration::default();
        let all = fuse(
            &[text("a", 8.0, 1.0), text("b", 8.0, 1.0)],
            &[vector("a", 0.85), vector("b", 0.85)],
            &c,
        );
        assert!(
            matches!(choose(&all, &c), Choice::Clarify(v) if v.len() == 2),
            "{all:?}"
        );
    }

    #[test]
    fn a_subject_passed_to_a_person_is_never_spoken_nor_offered() {
        let c = Calibration::default();
        let best = fuse(
            &[text("refer-insurance", 9.0, 1.0), text("paying", 1.0, 0.3)],
            &[vector("refer-insurance", 0.93), vector("paying", 0.35)],
            &c,
        );
        assert_eq!(choose(&best, &c), Choice::None);
        let close = fuse(
            &[text("refer-insurance", 8.0, 1.0), text("paying", 8.2, 1.0)],
            &[vector("refer-insurance", 0.85), vector("paying", 0.852)],
            &c,
        );
        assert!(
            matches!(choose(&close, &c), Choice::Clarify(v) if v.len() == 1 && v[0].entry == id("paying")),
            "{close:?}"
        );
    }

    #[test]
    fn nothing_near_is_no_answer() {
        let c = Calibration::default();
        let all = fuse(&[text("a", 2.0, 0.3)], &[vector("a", 0.3), vector("b", 0.25)], &c);
        assert_eq!(choose(&all, &c), Choice::None);
        assert_eq!(choose(&[], &c), Choice::None);
    }

    #[test]
    fn without_vectors_nothing_is_answered_unless_calibrated_for_it() {
        let mut c = Calibration::default();
        let hits = [text("a", 20.0, 1.0)];
        assert_eq!(choose(&fuse(&hits, &[], &c), &c), Choice::None);
        c.text_only = Some(Weights {
            bias: -6.0,
            cosine: 0.0,
            cosine_lead: 0.0,
            bm25: 6.0,
            bm25_lead: 2.0,
            coverage: 3.0,
        });
        assert!(matches!(choose(&fuse(&hits, &[], &c), &c), Choice::Answer(_)));
    }

    #[test]
    fn infinite_figures_do_no_harm() {
        let c = Calibration::default();
        let all = fuse(
            &[text("a", f32::INFINITY, f32::NAN)],
            &[vector("a", f32::NAN), vector("b", f32::NEG_INFINITY)],
            &c,
        );
        assert!(all.iter().all(|x| x.confidence.is_finite()));
    }

    #[test]
    fn the_samples_calibration_is_good() {
        let c = Calibration::parse(include_str!("../../../assets/clinic/calibration.toml")).unwrap();
        let all = fuse(
            &[text("parking", 15.0, 1.0), text("hours", 2.0, 0.2)],
            &[vector("parking", 0.95), vector("hours", 0.3)],
            &c,
        );
        assert!(matches!(choose(&all, &c), Choice::Answer(_)), "{all:?}");
    }

    #[test]
    fn a_calibration_file_is_checked() {
        let good = "[search]\nversion='1'\nbm25_half=6.0\nthreshold=0.7\nmargin=0.1\nclarify_threshold=0.3\n[search.weights]\nbias=-9.0\ncosine=12.0\n";
        assert!(Calibration::parse(good).is_ok());
        assert_eq!(
            Calibration::parse(&good.replace("0.7", "7.0")),
            Err(CalibrationError::Range { name: "threshold" })
        );
        let unknown = good.replace("margin", "margins");
        assert!(matches!(
            Calibration::parse(&unknown),
            Err(CalibrationError::Syntax { line: 5 | 1, .. })
        ));
    }
}
