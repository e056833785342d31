//! Payment cards: their numbers are taken out of what was heard before anything else sees it (product S5).
//!
//! Card numbers have 13 to 19 digits (ISO/IEC 7812-1). Their check digit is not asked for: a recogniser that mishears one
//! digit would let the others through. Telephone numbers have fewer, or begin with `+` or `00`.

use crate::details::words::{TENS, UNITS};
use std::borrow::Cow;

/// What stands in the place of a number.
pub const MASK: &str = "[card number]";
/// Digits from which on it is one.
const DIGITS_MIN: usize = 13;

/// What else stands for a digit than the number words of [`crate::details::words`].
const DIGIT_WORDS: [&str; 34] = [
    "oh", "o", "nought", "hundred", "null", "eins", "zwei", "zwo", "drei", "vier", "fünf", "sechs", "sieben",
    "acht", "neun", "zéro", "un", "deux", "trois", "quatre", "cinq", "sept", "huit", "neuf", "cero", "uno",
    "dos", "tres", "cuatro", "cinco", "seis", "siete", "ocho", "nueve",
];
/// The next digit counts once or twice more.
const REPEATS: [(&str, usize); 2] = [("double", 1), ("triple", 2)];
/// Words that may stand between digits.
const BETWEEN: [&str; 3] = ["and", "then", "dash"];

/// How many digits a word stands for, at least; none when it is no number.
fn digits(word: &str) -> Option<usize> {
    if word.bytes().all(|b| b.is_ascii_digit()) {
        return Some(word.len());
    }
    let word = word.to_lowercase();
    if [&UNITS[..], &TENS[2..], &DIGIT_WORDS[..]]
        .iter()
        .any(|w| w.contains(&word.as_str()))
    {
        return Some(1);
    }
    REPEATS.iter().find(|(w, _)| *w == word).map(|(_, n)| *n)
}

/// The words of a text with where they begin and end.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(|w| (w.as_ptr() as usize - text.as_ptr() as usize, w))
}

/// The text with [`MASK`] in place of every number that may be a card's.
///
/// ```
/// use anteroom_reception::card::without_cards;
/// assert_eq!(without_cards("It is 4929 1234 5678 9012, thanks."), "It is [card number], thanks.");
/// assert_eq!(without_cards("Ring 01632 960001."), "Ring 01632 960001.");
/// ```
#[must_use]
pub fn without_cards(text: &str) -> Cow<'_, str> {
    /// A run of numbers: from where, to where, how many digits, and whether it is dialled from abroad.
    struct Run {
        from: usize,
        to: usize,
        digits: usize,
        abroad: bool,
    }
    let mut found: Vec<Run> = Vec::new();
    let mut run: Option<Run> = None;
    for (at, word) in words(text) {
        let end = at + word.len();
        match (digits(word), &mut run) {
            (Some(n), Some(r)) => {
                r.to = end;
                r.digits += n;
            }
            (Some(n), none) => {
                let abroad = text[..at].ends_with('+') || word.starts_with("00");
                *none = Some(Run {
                    from: at,
                    to: end,
                    digits: n,
                    abroad,
                });
            }
            (None, Some(_)) if BETWEEN.contains(&word.to_lowercase().as_str()) => {}
            (None, _) => found.extend(run.take()),
        }
    }
    found.extend(run);
    let mut out = String::new();
    let mut copied = 0;
    for r in found.iter().filter(|r| r.digits >= DIGITS_MIN && !r.abroad) {
        out.push_str(&text[copied..r.from]);
        out.push_str(MASK);
        copied = r.to;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_go_however_they_are_written_or_misheard() {
        for (text, left) in [
            ("4929123456789012", MASK),
            ("it's 4929-1234-5678-9012", "it's [card number]"),
            (
                "4929, 1234. 5678 and 9012 and expires 04 27",
                "[card number] and expires 04 27",
            ),
            (
                "It is four nine two nine one two three four five six seven eight nine oh one two.",
                "It is [card number].",
            ),
            ("four nine double two 1234 5678 901", MASK),
            (
                "3714 496353 98431 for an old card",
                "[card number] for an old card",
            ),
            (
                "vier neun zwei neun eins zwei drei vier fünf sechs sieben acht neun",
                MASK,
            ),
        ] {
            assert_eq!(without_cards(text), left, "{text}");
            assert!(!without_cards(text).contains("4929"));
        }
    }

    #[test]
    fn telephone_numbers_dates_and_words_stay() {
        for text in [
            "",
            "My number is 01632 960 001 and I was born on the 4th of May 1931.",
            "+44 1632 960001 23 4",
            "0044 1632 960123",
            "One moment, there are two of us at 12 and 14, or one three, then three.",
            "N H S number 943 476 5919",
        ] {
            assert!(
                matches!(without_cards(text), Cow::Borrowed(t) if t == text),
                "{text}"
            );
        }
    }
}
