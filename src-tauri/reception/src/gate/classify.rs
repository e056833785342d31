//! The decision.

use super::lexicon::{Hides, Language, Lexicon, Rule};
use crate::text::pattern::{Found, Heard, Pattern};
use crate::text::{Pause, Word, normalise};
use anteroom_types::GateClass;
use serde::Serialize;
use std::ops::Range;

/// Words between a match and the resolution that follows it, at most.
const RESOLVED_WITHIN: usize = 5;
/// Words looked back over from a match for what negates it, at most.
const NEGATION_WITHIN: usize = 12;

/// Words between the two negations of a double one, at most.
const DOUBLE_WITHIN: usize = 6;

/// Whom a matched phrase speaks of, or what takes it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// The caller.
    Caller,
    /// Somebody else.
    Other,
    /// Something long over; not urgent.
    Past,
    /// Something denied; not urgent.
    Negated,
}

/// What the gate says, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The class.
    pub class: GateClass,
    /// The rule's name. With [`GateClass::None`] it is `none`, or what took the phrase back and its rule, such as
    /// `negated:chest-pain`. It never holds words of the caller.
    pub why: String,
    /// The bytes of the text that matched, if anything did.
    pub span: Option<Range<usize>>,
    /// Whom it speaks of.
    pub subject: Subject,
}

impl Verdict {
    fn none() -> Self {
        Self {
            class: GateClass::None,
            why: "none".to_owned(),
            span: None,
            subject: Subject::Caller,
        }
    }
}

/// Judges a text. Pure, deterministic, linear in the length of the text, which is cut at 2,000 characters.
///
/// Every language of the lexicon is tried: people in danger fall back into their own.
#[must_use]
pub fn classify(text: &str, lexicon: &Lexicon) -> Verdict {
    let words = normalise(text);
    if words.is_empty() {
        return Verdict::none();
    }
    let mut best = Verdict::none();
    for language in &lexicon.languages {
        let v = Judge::new(language, &words).verdict();
        if rank(&v) > rank(&best) {
            best = v;
        }
    }
    best
}

fn rank(v: &Verdict) -> u8 {
    match v.class {
        GateClass::Urgent => 3,
        GateClass::Advice => 2,
        GateClass::None => u8::from(v.span.is_some()),
    }
}

/// What became of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Stands,
    Masked,
    Negated,
    Past,
}

fn hides(hidden: &[bool], f: &Found) -> bool {
    hidden[f.words.clone()].iter().any(|h| *h)
}

struct Judge<'l, 't> {
    language: &'l Language,
    heard: Heard<'t>,
    /// Words covered by an administrative phrase, hidden from urgent rules.
    from_urgent: Vec<bool>,
    /// The same for advice rules.
    from_advice: Vec<bool>,
    /// Words of matches already found to be negated, for "no chest pain or bleeding".
    negated: Vec<bool>,
}

impl<'l, 't> Judge<'l, 't> {
    fn new(language: &'l Language, words: &'t [Word]) -> Self {
        let heard = language.vocabulary.hear(words);
        let mut hidden = [vec![false; words.len()], vec![false; words.len()]];
        for mask in &language.masks {
            let hidden = &mut hidden[usize::from(mask.hides == Hides::Advice)];
            for f in mask.patterns.iter().flat_map(|p| p.find(&heard, false)) {
                // Punctuation inside it means that it is no such name.
                let inner = &words[f.words.start + 1..f.words.end];
                if inner.iter().all(|w| w.pause == Pause::None) {
                    hidden[f.words].fill(true);
                }
            }
        }
        let [from_urgent, from_advice] = hidden;
        Self {
            language,
            from_urgent,
            from_advice,
            negated: vec![false; words.len()],
            heard,
        }
    }

    fn verdict(&mut self) -> Verdict {
        let mut taken_back = None;
        let mut matches: Vec<(usize, &'l Rule, Found)> = Vec::new();
        for (order, rule) in self.language.urgent.iter().enumerate() {
            if self.unless(rule) {
                continue;
            }
            for p in &rule.patterns {
                matches.extend(
                    p.find(&self.heard, rule.misheard && !self.language.literal)
                        .into_iter()
                        .map(|f| (order, rule, f)),
                );
            }
        }
        // In the order spoken, so that a negation can be carried on.
        matches.sort_by_key(|(order, _, f)| (f.words.start, f.misheard, *order));
        // What names the reason: heard clearly before misheard, then the graver rule, which comes first in the file.
        let mut standing: Option<((usize, usize), &Rule, Found)> = None;
        for (order, rule, found) in matches {
            match self.standing(rule, &found) {
                Standing::Stands => {
                    let key = (found.misheard, order);
                    if standing.as_ref().is_none_or(|(best, ..)| key < *best) {
                        standing = Some((key, rule, found));
                    }
                }
                other => {
                    taken_back.get_or_insert((rule, found, other));
                }
            }
        }
        if let Some((_, rule, found)) = standing {
            return self.is(GateClass::Urgent, rule, &found);
        }
        for rule in &self.language.advice {
            if self.unless(rule) {
                continue;
            }
            for p in &rule.patterns {
                for found in p.find(&self.heard, rule.misheard && !self.language.literal) {
                    if !hides(&self.from_advice, &found) {
                        return self.is(GateClass::Advice, rule, &found);
                    }
                }
            }
        }
        let Some((rule, found, standing)) = taken_back else {
            return Verdict::none();
        };
        let (what, subject) = match standing {
            Standing::Negated => ("negated", Subject::Negated),
            Standing::Past => ("past", Subject::Past),
            _ => ("administrative", self.subject(&found)),
        };
        Verdict {
            class: GateClass::None,
            why: format!("{what}:{}", rule.name),
            span: Some(self.span(&found)),
            subject,
        }
    }

    fn is(&self, class: GateClass, rule: &Rule, found: &Found) -> Verdict {
        Verdict {
            class,
            why: rule.name.clone(),
            span: Some(self.span(found)),
            subject: self.subject(found),
        }
    }

    fn unless(&self, rule: &Rule) -> bool {
        rule.unless.iter().any(|p| !p.find(&self.heard, false).is_empty())
    }

    fn span(&self, f: &Found) -> Range<usize> {
        let w = &self.heard.words[f.words.clone()];
        let start = w.first().map_or(0, |w| w.span.start);
        start..w.last().map_or(start, |w| w.span.end)
    }

    fn standing(&mut self, rule: &Rule, f: &Found) -> Standing {
        if hides(&self.from_urgent, f) {
            return Standing::Masked;
        }
        if rule.negatable && self.is_negated(f) {
            self.negated[f.words.clone()].fill(true);
            return Standing::Negated;
        }
        if (rule.past && self.is_past(f)) || (rule.resolves && self.is_resolved(f)) {
            return Standing::Past;
        }
        Standing::Stands
    }

    /// Walks back from the match over linking words to a negating one. Anything else on the way ends the walk, so
    /// that "I cannot cope with the chest pain" is no denial; so does punctuation: "No, chest pain" is none either.
    fn is_negated(&self, f: &Found) -> bool {
        let words = self.heard.words;
        let l = self.language;
        let has = |list: &[String], w: &str| list.iter().any(|x| x == w);
        let mut at = f.words.start;
        let least = at.saturating_sub(NEGATION_WITHIN);
        while at > least {
            if words[at].pause != Pause::None {
                return false;
            }
            at -= 1;
            let w = words[at].text.as_str();
            if has(&l.negators, w) {
                return !self.is_double_negation(at);
            }
            if has(&l.carries, w) {
                // Carried on from the item before, if that was denied.
                return at > 0 && self.negated[at - 1];
            }
            if !(has(&l.links, w) || l.vocabulary.is_transparent(w)) {
                return false;
            }
        }
        false
    }

    /// Whether the negating word at `at` is itself negated: "it is not that I don't have chest pain". Only words that
    /// hold such a sentence together may stand between the two, so that "it is not urgent, I don't have chest pain"
    /// stays a denial; punctuation does not count, for it may only ever raise the class. A "no" that begins a clause
    /// is an answer.
    fn is_double_negation(&self, at: usize) -> bool {
        let words = self.heard.words;
        let l = self.language;
        for i in (at.saturating_sub(DOUBLE_WITHIN)..at).rev() {
            let w = &words[i].text;
            if l.negators.contains(w) {
                let begins = i == 0 || words[i].pause != Pause::None;
                return !(begins && w == "no");
            }
            if !l.between.contains(w) {
                return false;
            }
        }
        false
    }

    fn is_past(&self, f: &Found) -> bool {
        let l = self.language;
        let clause = self.clause(f);
        if !self.any_within(&l.past, &clause) && !self.is_directly_after(&l.past_before, f, clause.start) {
            return false;
        }
        let all = 0..self.heard.words.len();
        let present = self.present_verb_before(f) || self.any_within(&l.now_here, &clause);
        !present && !self.any_within(&l.now, &all)
    }

    /// Whether one of the phrases ends right before the match, but for transparent words.
    fn is_directly_after(&self, patterns: &[Pattern], f: &Found, from: usize) -> bool {
        let words = self.heard.words;
        let clear = |range: Range<usize>| {
            words[range]
                .iter()
                .all(|w| self.language.vocabulary.is_transparent(&w.text))
        };
        patterns.iter().any(|p| {
            (from..f.words.start).any(|at| {
                p.find_at(&self.heard, at, false)
                    .is_some_and(|m| m.words.end <= f.words.start && clear(m.words.end..f.words.start))
            })
        })
    }

    /// Whether the verb nearest before the match, within its clause, is in the present: "I have", not "I had".
    fn present_verb_before(&self, f: &Found) -> bool {
        let words = self.heard.words;
        let from = f.words.start.saturating_sub(3);
        let verbs = &self.language.present_verbs;
        // The phrase itself may begin with its verb: "he is choking".
        let first = &words[f.words.start].text;
        if verbs.contains(first) {
            return true;
        }
        words[from..f.words.start]
            .iter()
            .rev()
            .take_while(|w| verbs.contains(&w.text) || self.language.vocabulary.is_transparent(&w.text))
            .any(|w| verbs.contains(&w.text))
    }

    fn is_resolved(&self, f: &Found) -> bool {
        let until = (f.words.end + RESOLVED_WITHIN).min(self.heard.words.len());
        let all = 0..self.heard.words.len();
        self.any_within(&self.language.resolved, &(f.words.end..until))
            && !self.any_within(&self.language.now, &all)
    }

    /// The words of the match's clause: up to the end of a sentence or a word that begins a new clause.
    fn clause(&self, f: &Found) -> Range<usize> {
        let words = self.heard.words;
        let starts =
            |i: usize| words[i].pause == Pause::Sentence || self.language.clause.contains(&words[i].text);
        let mut start = f.words.start;
        while start > 0 && !starts(start) {
            start -= 1;
        }
        let mut end = f.words.end;
        while end < words.len() && !starts(end) {
            end += 1;
        }
        start..end
    }

    fn any_within(&self, patterns: &[Pattern], range: &Range<usize>) -> bool {
        patterns.iter().any(|p| {
            range.clone().any(|at| {
                p.find_at(&self.heard, at, false)
                    .is_some_and(|m| m.words.end <= range.end)
            })
        })
    }

    fn subject(&self, f: &Found) -> Subject {
        let words = self.heard.words;
        let from = f.words.start.saturating_sub(6);
        let other = words[from..f.words.end]
            .iter()
            .any(|w| self.language.others.contains(&w.text));
        if other { Subject::Other } else { Subject::Caller }
    }
}
