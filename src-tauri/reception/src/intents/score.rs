//! Scoring.

use super::file::{Intent, Intents, content};
use crate::text::pattern::Heard;
use crate::text::{Word, normalise};
use std::collections::BTreeSet;

/// Below this nothing is recognised.
const LEAST: f32 = 0.5;
/// Score of a phrase that was found word for word, before its length counts.
const PHRASE: f32 = 0.86;
/// What each word of a phrase adds.
const PHRASE_WORD: f32 = 0.02;
/// What each misheard word takes away.
const MISHEARD: f32 = 0.1;
/// The most that likeness to an example can give.
const EXAMPLE: f32 = 0.84;
/// Cosines up to this say nothing.
const COSINE_FROM: f32 = 0.55;
/// The most that similarity of vectors alone can give.
const COSINE: f32 = 0.8;

/// An intent that was recognised.
#[derive(Debug, Clone, PartialEq)]
pub struct IntentMatch {
    /// The intent's name.
    pub id: String,
    /// 0 to 1.
    pub confidence: f32,
    /// How far the next best is behind, 0 to 1.
    pub margin: f32,
}

/// The intent of a text, if there is one. Reads at most 2,000 characters.
#[must_use]
pub fn classify_intent(text: &str, intents: &Intents) -> Option<IntentMatch> {
    classify_intent_with(text, intents, &[])
}

/// The same, with the best cosine of each intent's examples to the text, by intent name, where vectors are at hand.
#[must_use]
pub fn classify_intent_with(text: &str, intents: &Intents, cosines: &[(&str, f32)]) -> Option<IntentMatch> {
    let words = normalise(text);
    if words.is_empty() {
        return None;
    }
    let heard = intents.vocabulary.hear(&words);
    let stems = content(&words);
    let polite = polite(intents, &heard);
    let mut scores: Vec<(f32, &Intent)> = intents
        .iter()
        .filter(|i| i.enabled)
        .map(|i| {
            let cosine = cosines
                .iter()
                .find(|(id, _)| *id == i.id)
                .map_or(0.0, |(_, c)| *c);
            (score(i, &heard, &words, &stems, &polite, cosine), i)
        })
        .collect();
    scores.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (best, intent) = *scores.first()?;
    let second = scores.get(1).map_or(0.0, |s| s.0);
    (best >= LEAST).then(|| IntentMatch {
        id: intent.id.clone(),
        confidence: best,
        margin: best - second,
    })
}

/// Which words are mere politeness.
fn polite(intents: &Intents, heard: &Heard<'_>) -> Vec<bool> {
    let mut out: Vec<bool> = heard
        .words
        .iter()
        .map(|w| intents.vocabulary.is_transparent(&w.text))
        .collect();
    for found in intents.polite.iter().flat_map(|p| p.find(heard, false)) {
        out[found.words].fill(true);
    }
    out
}

fn score(
    intent: &Intent,
    heard: &Heard<'_>,
    words: &[Word],
    stems: &BTreeSet<String>,
    polite: &[bool],
    cosine: f32,
) -> f32 {
    if intent.unless.iter().any(|p| !p.find(heard, false).is_empty()) {
        return 0.0;
    }
    let mut covered = vec![false; words.len()];
    let mut phrase = 0.0_f32;
    for found in intent.phrases.iter().flat_map(|p| p.find(heard, true)) {
        let length = u16::try_from(found.words.len().min(6)).map_or(0.0, f32::from);
        let misheard = u16::try_from(found.misheard).map_or(1.0, f32::from);
        phrase = phrase.max(PHRASE + PHRASE_WORD * length - MISHEARD * misheard);
        covered[found.words].fill(true);
    }
    if intent.whole {
        // Said and nothing else: the whole utterance is covered by its phrases and politeness.
        let all = covered.iter().zip(polite).all(|(c, p)| *c || *p);
        return if all { phrase.min(1.0) } else { 0.0 };
    }
    let example = intent
        .examples
        .iter()
        .map(|e| likeness(e, stems))
        .fold(0.0, f32::max)
        * EXAMPLE;
    let vector = ((cosine - COSINE_FROM) / (1.0 - COSINE_FROM)).clamp(0.0, 1.0) * COSINE;
    // Either may carry the intent; together they say more, never more than certainty.
    let words_say = phrase.max(example);
    (words_say + (1.0 - words_say) * vector * words_say.max(vector))
        .clamp(0.0, 1.0)
        .max(vector)
}

/// Dice coefficient of two sets of stems; exact sets give 1, and short examples must be met whole.
fn likeness(example: &BTreeSet<String>, stems: &BTreeSet<String>) -> f32 {
    let common = example.intersection(stems).count();
    if common < 2 || example.is_empty() {
        return 0.0;
    }
    let total = u16::try_from(example.len() + stems.len()).map_or(f32::MAX, f32::from);
    2.0 * u16::try_from(common).map_or(0.0, f32::from) / total
}
