//! Names, said or spelled.

use super::words::words;

/// Letters a name may have.
const NAME_CHARS_MAX: usize = 80;
/// Words a name may have.
const NAME_WORDS_MAX: usize = 6;

/// What comes before a name. Longest first, so that "my name is" is not left with "is".
const LEADS: [&[&str]; 37] = [
    &["my", "full", "name", "is"],
    &["the", "patient's", "name", "is"],
    &["my", "first", "name", "is"],
    &["my", "last", "name", "is"],
    &["the", "full", "name", "is"],
    &["the", "patient", "is"],
    &["my", "surname", "is", "spelled"],
    &["my", "surname", "is"],
    &["the", "surname", "is"],
    &["the", "name", "is"],
    &["my", "name", "is"],
    &["the", "name's"],
    &["my", "name's"],
    &["name", "is"],
    &["good", "morning"],
    &["good", "afternoon"],
    &["good", "evening"],
    &["it's", "under"],
    &["it's", "for"],
    &["it", "is"],
    &["i", "am"],
    &["this", "is"],
    &["that's", "spelled"],
    &["it's", "spelled"],
    &["of", "course"],
    &["it's"],
    &["i'm"],
    &["that's"],
    &["under"],
    &["yes"],
    &["no"],
    &["yeah"],
    &["hello"],
    &["hi"],
    &["sorry"],
    &["okay"],
    &["well"],
];

const TITLES: [&str; 11] = [
    "mr", "mister", "mrs", "missus", "miss", "ms", "mx", "doctor", "dr", "um", "er",
];

/// Words no name has; one of them means that something else was said.
const NOT_NAMES: [&str; 62] = [
    "a",
    "about",
    "again",
    "am",
    "an",
    "and",
    "any",
    "appointment",
    "are",
    "ask",
    "birth",
    "book",
    "but",
    "call",
    "can",
    "can't",
    "cannot",
    "could",
    "did",
    "do",
    "don't",
    "for",
    "give",
    "have",
    "help",
    "how",
    "i",
    "if",
    "is",
    "it",
    "know",
    "me",
    "my",
    "need",
    "not",
    "number",
    "of",
    "please",
    "prescription",
    "repeat",
    "said",
    "say",
    "speak",
    "tell",
    "thank",
    "thanks",
    "that",
    "the",
    "to",
    "want",
    "what",
    "what's",
    "when",
    "where",
    "who",
    "why",
    "with",
    "would",
    "wrong",
    "yes",
    "you",
    "your",
];

/// The name in `text`, each word with a capital, or `None` when it is none.
#[must_use]
pub fn parse_name(text: &str) -> Option<String> {
    let all = words(text);
    let mut rest: &[String] = &all;
    while let Some(lead) = LEADS
        .iter()
        .find(|l| rest.len() > l.len() && l.iter().zip(rest).all(|(a, b)| a == b))
    {
        rest = &rest[lead.len()..];
    }
    while rest.len() > 1 && TITLES.contains(&rest[0].as_str()) {
        rest = &rest[1..];
    }
    let mut parts: Vec<String> = Vec::new();
    let mut letters = String::new();
    let mut i = 0;
    while i <= rest.len() {
        let word = rest.get(i).map(String::as_str);
        let twice = word == Some("double") && rest.get(i + 1).is_some_and(|w| is_letter(w));
        if twice {
            let letter = rest[i + 1].as_str();
            letters.push_str(letter);
            letters.push_str(letter);
            i += 2;
            continue;
        }
        if let Some(w) = word.filter(|w| is_letter(w)) {
            letters.push_str(w);
        } else {
            if letters.chars().count() > 1 {
                // What is spelled corrects what was said just before it.
                let first = letters.chars().next();
                if parts.last().is_some_and(|p| p.chars().next() == first) {
                    parts.pop();
                }
                parts.push(std::mem::take(&mut letters));
            } else if !letters.is_empty() {
                // An initial, or the article.
                let initial = std::mem::take(&mut letters);
                if initial == "a" || initial == "i" {
                    return None;
                }
                parts.push(initial);
            }
            match word {
                None | Some("spelled" | "spelt" | "that's" | "it's" | "um" | "er" | "erm" | "with") => {}
                Some(w) => parts.push(w.to_owned()),
            }
        }
        i += 1;
    }
    let total: usize = parts.iter().map(|p| p.chars().count() + 1).sum();
    let ok = (1..=NAME_WORDS_MAX).contains(&parts.len())
        && total <= NAME_CHARS_MAX
        && parts.iter().any(|p| p.chars().count() > 1)
        && parts.iter().all(|p| {
            p.chars().all(|c| c.is_alphabetic() || c == '\'')
                && !NOT_NAMES.contains(&p.as_str())
                && super::words::unit(p).is_none()
        });
    ok.then(|| parts.iter().map(|p| capital(p)).collect::<Vec<_>>().join(" "))
}

fn is_letter(w: &str) -> bool {
    let mut chars = w.chars();
    chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
}

fn capital(w: &str) -> String {
    let mut out = String::with_capacity(w.len());
    let mut start = true;
    for c in w.chars() {
        if start {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
        // O'Brien.
        start = c == '\'';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, want: &str) {
        assert_eq!(
            parse_name(said).as_deref(),
            (!want.is_empty()).then_some(want),
            "{said}"
        );
    }

    #[test]
    fn names() {
        check("My name is Sarah Thompson.", "Sarah Thompson");
        check("Sarah Thompson", "Sarah Thompson");
        check("It's under Wilson.", "Wilson");
        check("Hello, this is Mohammed Ali.", "Mohammed Ali");
        check("Yes, it's Missus Brown.", "Brown");
        check("I'm Liam O'Brien.", "Liam O'Brien");
        check("S M I T H", "Smith");
        check("Thomson, T H O M P S O N.", "Thompson");
        check("Sara, that's spelled S A R A H, Thompson", "Sarah Thompson");
        check("My surname is spelled W double O D", "Wood");
        check("W double O D", "Wood");
        check("Jürgen Müller", "Jürgen Müller");
        check("it is Will Young", "Will Young");
    }

    #[test]
    fn what_is_no_name() {
        for said in [
            "",
            "Yes.",
            "What do you mean?",
            "I don't know.",
            "07700 900142",
            "oh seven seven",
            "Can I speak to a person?",
            "my number is wrong",
            "...",
        ] {
            check(said, "");
        }
        assert_eq!(parse_name(&"ab ".repeat(5_000)), None);
    }
}
