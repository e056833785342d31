//! Details that are taken as they are said.

use super::Detail;
use super::words::{month_value, words};

/// Characters kept of a short detail.
const FREE_CHARS_MAX: usize = 200;
/// Characters kept of a message.
const MESSAGE_CHARS_MAX: usize = 1_000;

const TIME_WORDS: [&str; 33] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "mondays",
    "tuesdays",
    "wednesdays",
    "thursdays",
    "fridays",
    "today",
    "tomorrow",
    "tonight",
    "morning",
    "afternoon",
    "evening",
    "mornings",
    "afternoons",
    "evenings",
    "weekend",
    "o'clock",
    "noon",
    "midday",
    "lunchtime",
    "week",
    "month",
    "soon",
    "anytime",
    "earliest",
    "day",
    "time",
];
/// Words that may stand before a time and belong to it.
const TIME_LEADS: [&str; 17] = [
    "next", "this", "the", "early", "late", "at", "half", "quarter", "past", "after", "before", "as", "any",
    "first", "on", "in", "for",
];

/// Cuts `text` to what is kept for `detail`; `None` when nothing is left.
pub(super) fn parse_free(detail: Detail, text: &str) -> Option<String> {
    let kept = match detail {
        Detail::Medicine => {
            medicine_in(text).unwrap_or_else(|| strip(text, &["it's", "it is", "i need", "the", "my"]))
        }
        Detail::PreferredTime => time_in(text).unwrap_or_else(|| strip(text, &["it's", "i'd prefer"])),
        Detail::Reason => strip(
            text,
            &[
                "it's about",
                "it is about",
                "about",
                "because",
                "it's",
                "it's for",
            ],
        ),
        _ => text.trim().to_owned(),
    };
    let max = match detail {
        Detail::Message => MESSAGE_CHARS_MAX,
        _ => FREE_CHARS_MAX,
    };
    let kept: String = kept.split_whitespace().collect::<Vec<_>>().join(" ");
    let kept: String = kept.chars().take(max).collect();
    let kept = kept.trim_end_matches(['.', ',', '?', '!', ' ']).to_owned();
    let content = words(&kept).iter().any(|w| {
        !matches!(
            w.as_str(),
            "um" | "er" | "erm" | "uh" | "mm" | "yes" | "no" | "okay" | "the" | "it"
        )
    });
    content.then_some(kept)
}

fn strip(text: &str, leads: &[&str]) -> String {
    let mut rest = text.trim();
    while let Some(after) = leads.iter().find_map(|l| {
        let head = rest.get(..l.len())?;
        let after = rest.get(l.len()..)?;
        (head.eq_ignore_ascii_case(l) && after.starts_with([' ', ','])).then_some(after)
    }) {
        rest = after.trim_start_matches([' ', ',']);
    }
    rest.to_owned()
}

/// The time named in a request, with whom it is to be if that follows: of "I'd like to book an appointment on Thursday
/// morning with Doctor Patel", `Thursday morning with Doctor Patel`.
#[must_use]
pub fn time_in(text: &str) -> Option<String> {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let bare = |t: &str| {
        t.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'')
            .to_lowercase()
            .replace('\u{2019}', "'")
    };
    let is_time = |i: usize| {
        tokens.get(i).is_some_and(|t| {
            let w = bare(t);
            TIME_WORDS.contains(&w.as_str())
                || (w.len() > 3 && month_value(&w).is_some())
                // "may" is mostly a verb.
                || (w == "may" && i > 0 && bare(tokens[i - 1]) == "of")
                || (w.ends_with("pm") || w.ends_with("am")) && w.starts_with(|c: char| c.is_ascii_digit())
                || (t.contains(':') && w.starts_with(|c: char| c.is_ascii_digit()))
        })
    };
    let is_number = |w: &str| {
        super::words::unit(w).is_some()
            || super::words::tens(w).is_some()
            || super::words::ordinal_value(w).is_some()
            || (!w.is_empty() && w.bytes().all(|b| b.is_ascii_digit()))
    };
    let anchor = (0..tokens.len()).find(|i| {
        if is_time(*i) {
            return true;
        }
        // "half past ten", "at three".
        let w = bare(tokens[*i]);
        let next = tokens.get(i + 1).map(|t| bare(t)).unwrap_or_default();
        matches!(w.as_str(), "past" | "at") && is_number(&next)
    })?;
    let mut from = anchor;
    while from > 0 {
        let w = bare(tokens[from - 1]);
        if TIME_LEADS.contains(&w.as_str()) || is_number(&w) || w == "of" && from > 1 {
            from -= 1;
        } else {
            break;
        }
    }
    // Prepositions read badly after "the time".
    while from < anchor && matches!(bare(tokens[from]).as_str(), "on" | "in" | "for" | "of") {
        from += 1;
    }
    let said = tokens[from..].join(" ");
    let said = said.trim_end_matches(['.', ',', '?', '!']);
    let said = said
        .strip_suffix(", please")
        .or_else(|| said.strip_suffix(" please"))
        .unwrap_or(said);
    // "any time", "one day" alone say when; "time" in another sense does not begin a phrase.
    let meaningful =
        words(said).len() > 1 || !matches!(words(said).first().map(String::as_str), Some("time" | "day"));
    meaningful.then(|| said.to_owned())
}

/// The medicine named in a request: of "I need a repeat prescription for metformin", `metformin`.
#[must_use]
pub fn medicine_in(text: &str) -> Option<String> {
    let all = words(text);
    let at = all
        .iter()
        .rposition(|w| matches!(w.as_str(), "for" | "of" | "more"))?;
    // "out of", "more" and "prescription for" come before a medicine; "for my son" does not.
    let before = at
        .checked_sub(1)
        .and_then(|i| all.get(i))
        .map_or("", String::as_str);
    let fits = match all[at].as_str() {
        "for" => before.starts_with("prescription") || before.starts_with("repeat") || before == "request",
        "of" => before == "out" || before == "supply",
        _ => true,
    };
    let mut rest = &all[at + 1..];
    while rest.first().is_some_and(|w| {
        matches!(
            w.as_str(),
            "my" | "the" | "some" | "more" | "our" | "a" | "an" | "of"
        )
    }) {
        rest = &rest[1..];
    }
    while rest
        .last()
        .is_some_and(|w| matches!(w.as_str(), "please" | "thanks" | "you" | "thank" | "today"))
    {
        rest = &rest[..rest.len() - 1];
    }
    let person = rest.first().is_some_and(|w| {
        matches!(
            w.as_str(),
            "son"
                | "daughter"
                | "mother"
                | "father"
                | "husband"
                | "wife"
                | "myself"
                | "me"
                | "him"
                | "her"
                | "mum"
                | "dad"
                | "tablets"
                | "medication"
                | "pills"
                | "medicine"
        )
    });
    (fits && !person && (1..=6).contains(&rest.len())).then(|| rest.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_requests() {
        for (said, want) in [
            (
                "I'd like to book an appointment on Thursday morning with Doctor Patel.",
                Some("Thursday morning with Doctor Patel"),
            ),
            (
                "I need to reschedule my appointment to Friday at half past ten.",
                Some("Friday at half past ten"),
            ),
            (
                "I'm trying to make a check up tomorrow at three o'clock.",
                Some("tomorrow at three o'clock"),
            ),
            (
                "Can I rearrange it to the fifteenth of May?",
                Some("the fifteenth of May"),
            ),
            ("next Tuesday afternoon, please", Some("next Tuesday afternoon")),
            ("at half past two", Some("at half past two")),
            ("Any time is fine.", Some("Any time is fine")),
            ("Sorry, may I get an appointment with the nurse?", None),
            ("I'd like to book an appointment.", None),
        ] {
            assert_eq!(time_in(said).as_deref(), want, "{said}");
        }
    }

    #[test]
    fn medicines_in_requests() {
        for (said, want) in [
            ("I need a repeat prescription for metformin.", Some("metformin")),
            (
                "I've run out of my blood pressure tablets",
                Some("blood pressure tablets"),
            ),
            ("I need more insulin, please", Some("insulin")),
            ("I need a repeat prescription for my son", None),
            ("I need a repeat prescription.", None),
            ("I'm out of tablets", None),
        ] {
            assert_eq!(medicine_in(said).as_deref(), want, "{said}");
        }
    }

    #[test]
    fn free_details_are_cut() {
        assert_eq!(
            parse_free(Detail::Reason, "It's about my knee.").as_deref(),
            Some("my knee")
        );
        assert_eq!(
            parse_free(Detail::Medicine, "Metformin.").as_deref(),
            Some("Metformin")
        );
        assert_eq!(parse_free(Detail::Reason, "um"), None);
        let long = "knee ".repeat(500);
        assert!(parse_free(Detail::Reason, &long).unwrap().chars().count() <= FREE_CHARS_MAX);
    }
}
