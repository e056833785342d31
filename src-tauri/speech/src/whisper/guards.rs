//! What Whisper writes when nobody spoke, and how it is told from speech.

use super::WhisperSettings;
use serde::{Deserialize, Serialize};

/// Why a result was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HallucinationGuard {
    /// Too little audio to hold a word.
    TooShort,
    /// The model thinks it was no speech and is unsure of its own words.
    NoSpeech,
    /// The same words over and over.
    Repetition,
    /// A sentence known from the training data's subtitles, or a sound in brackets.
    KnownString,
}

/// A decode before the guards.
#[derive(Default)]
pub(super) struct Raw {
    pub(super) text: String,
    pub(super) logprob: f32,
    pub(super) tokens: u32,
    pub(super) no_speech_prob: f32,
}

/// Sentences that are dropped whatever the model thinks of them: nobody says them to a clinic.
const NEVER_SAID: &[&str] = &[
    "thanks for watching",
    "thank you for watching",
    "thank you so much for watching",
    "thanks for listening",
    "please subscribe",
    "please subscribe to my channel",
    "like and subscribe",
    "dont forget to subscribe",
    "see you in the next video",
    "see you next time",
    "ill see you in the next one",
    "subtitles by the amaraorg community",
    "subtitles by",
    "transcription by castingwords",
    "translated by",
    "the end",
];

/// Short sentences that callers do say, and that Whisper also makes of noise: dropped when the model doubts them.
const OFTEN_NOISE: &[&str] = &[
    "you",
    "thank you",
    "thanks",
    "bye",
    "bye bye",
    "okay",
    "oh",
    "so",
    "hmm",
    "uh",
];

/// Why `raw` is dropped, if it is. An empty text needs no guard.
pub(super) fn check(raw: &Raw, settings: &WhisperSettings) -> Option<HallucinationGuard> {
    if raw.text.is_empty() {
        return None;
    }
    let words = words(&without_brackets(&raw.text));
    let plain = words.join(" ");
    if plain.is_empty() || NEVER_SAID.contains(&plain.as_str()) {
        return Some(HallucinationGuard::KnownString);
    }
    let mean = raw.logprob / raw.tokens.max(1) as f32;
    if raw.no_speech_prob > settings.no_speech_max && mean < settings.mean_logprob_min {
        return Some(HallucinationGuard::NoSpeech);
    }
    // For these a doubtful half is enough.
    if OFTEN_NOISE.contains(&plain.as_str())
        && (raw.no_speech_prob > settings.no_speech_max / 2.0 || mean < settings.mean_logprob_min / 2.0)
    {
        return Some(HallucinationGuard::NoSpeech);
    }
    repeats(&words).then_some(HallucinationGuard::Repetition)
}

/// `[BLANK_AUDIO]`, `(music)` and `*sighs*` are sounds, not words.
fn without_brackets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut closing = None;
    for c in text.chars() {
        match (closing, c) {
            (Some(end), c) if c == end => closing = None,
            (Some(_), _) => {}
            (None, '[') => closing = Some(']'),
            (None, '(') => closing = Some(')'),
            (None, '*') => closing = Some('*'),
            (None, '♪' | '♫') => {}
            (None, c) => out.push(c),
        }
    }
    out
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| c.is_whitespace() || c == '-')
        .map(|w| {
            w.chars()
                .filter(|c| c.is_alphanumeric())
                .flat_map(char::to_lowercase)
                .collect::<String>()
        })
        .filter(|w| !w.is_empty())
        .collect()
}

/// Whether a run of one to six words is said again and again without a pause. Digits may repeat as often as a
/// telephone number lets them.
fn repeats(words: &[String]) -> bool {
    const TIMES: usize = 4;
    for size in 1..=6 {
        let times = if size == 1 { TIMES + 1 } else { TIMES };
        for start in 0..words.len().saturating_sub(size * times - 1) {
            let unit = &words[start..start + size];
            if unit.iter().all(|w| is_digit(w)) {
                continue;
            }
            let run = words[start..]
                .chunks_exact(size)
                .take_while(|chunk| chunk == &unit)
                .count();
            if run >= times {
                return true;
            }
        }
    }
    false
}

fn is_digit(word: &str) -> bool {
    const DIGITS: &[&str] = &[
        "oh", "zero", "nought", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
        "double", "triple",
    ];
    DIGITS.contains(&word) || word.chars().all(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(text: &str, mean_logprob: f32, no_speech_prob: f32) -> Option<HallucinationGuard> {
        let raw = Raw {
            text: text.into(),
            logprob: mean_logprob * 4.0,
            tokens: 4,
            no_speech_prob,
        };
        check(&raw, &WhisperSettings::default())
    }

    #[test]
    fn what_callers_say_passes() {
        for text in [
            "My number is oh seven seven seven seven seven seven seven seven one.",
            "No, no, no, that's wrong.",
            "Thank you.",
            "Okay.",
            "Two two two two two two.",
            "07777777777",
            "Yes please, I would like to book an appointment.",
            "Mum said (I think) it was the blue one.",
        ] {
            assert_eq!(verdict(text, -0.2, 0.05), None, "{text}");
        }
    }

    #[test]
    fn what_noise_becomes_is_dropped() {
        use HallucinationGuard::{KnownString, NoSpeech, Repetition};
        for (text, mean, no_speech, want) in [
            ("Thanks for watching!", -0.1, 0.0, KnownString),
            ("[BLANK_AUDIO]", -0.1, 0.0, KnownString),
            ("(upbeat music) ♪", -0.1, 0.0, KnownString),
            ("...", -0.1, 0.0, KnownString),
            ("I was at the doctor", -1.5, 0.9, NoSpeech),
            ("Thank you.", -0.9, 0.0, NoSpeech),
            ("you", -0.1, 0.5, NoSpeech),
            (
                "I'm going to go. I'm going to go. I'm going to go. I'm going to go.",
                -0.1,
                0.0,
                Repetition,
            ),
            ("so so so so so so so", -0.1, 0.0, Repetition),
        ] {
            assert_eq!(verdict(text, mean, no_speech), Some(want), "{text}");
        }
    }
}
