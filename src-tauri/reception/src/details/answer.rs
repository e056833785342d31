//! Yes and no.

use super::words::words;

/// An answer to a question that has two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YesNo {
    /// Yes.
    Yes,
    /// No.
    No,
}

const YES: [&str; 24] = [
    "yes",
    "yeah",
    "yep",
    "yup",
    "ya",
    "aye",
    "correct",
    "right",
    "sure",
    "okay",
    "ok",
    "fine",
    "please",
    "perfect",
    "great",
    "lovely",
    "absolutely",
    "definitely",
    "indeed",
    "exactly",
    "good",
    "certainly",
    "alright",
    "yes'm",
];
const NO: [&str; 8] = [
    "no",
    "nope",
    "nah",
    "wrong",
    "incorrect",
    "neither",
    "false",
    "never",
];
const UNSURE: [&str; 7] = ["know", "sure", "maybe", "understand", "repeat", "pardon", "what"];

/// What `text` answers, or `None` when it is neither, both, or a question.
#[must_use]
pub fn yes_no(text: &str) -> Option<YesNo> {
    let all = words(text);
    let has = |w: &str| all.iter().any(|x| x == w);
    let negated = |w: &String| w == "not" || w.ends_with("n't") || w == "isnt" || w == "dont";
    let first = all
        .iter()
        .find(|w| !matches!(w.as_str(), "um" | "er" | "erm" | "oh" | "well" | "uh"))?;
    let says_no = NO.iter().any(|w| has(w));
    let says_yes = YES.iter().any(|w| has(w))
        || text.to_lowercase().contains("go ahead")
        || text.to_lowercase().contains("of course")
        || text.to_lowercase().contains("i think so");
    if all.iter().any(negated) {
        // "I don't know", "I'm not sure".
        if UNSURE.iter().any(|w| has(w)) {
            return None;
        }
        return Some(YesNo::No);
    }
    match (says_yes, says_no) {
        // "No, that's right", "no problem, fine": what is called right settles it; "yes, but it is wrong" does too.
        (true, true) if first == "no" && (has("right") || has("correct") || has("fine")) && !has("wrong") => {
            Some(YesNo::Yes)
        }
        (_, true) if has("problem") && first == "no" => Some(YesNo::Yes),
        (_, true) => Some(YesNo::No),
        (true, false) => Some(YesNo::Yes),
        (false, false) => match first.as_str() {
            "it" | "i" | "that" | "they" | "it's" if all.len() <= 3 => affirmed(&all),
            _ => None,
        },
    }
}

/// "it is", "I am", "I do", "that is".
fn affirmed(all: &[String]) -> Option<YesNo> {
    all.last()
        .filter(|w| matches!(w.as_str(), "is" | "am" | "do" | "are" | "would"))
        .map(|_| YesNo::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for said in [
            "Yes.",
            "Yes, please.",
            "That's right.",
            "yes that's correct",
            "Okay.",
            "That's fine.",
            "It is.",
            "No, that's right.",
            "Of course.",
            "go ahead",
            "No problem.",
            "I think so",
            "That would be great.",
        ] {
            assert_eq!(yes_no(said), Some(YesNo::Yes), "{said}");
        }
        for said in [
            "No.",
            "No, thank you.",
            "That's wrong.",
            "That's not right.",
            "No, it isn't.",
            "I don't think so.",
            "yes but the number is wrong",
            "No, please don't.",
            "Neither.",
        ] {
            assert_eq!(yes_no(said), Some(YesNo::No), "{said}");
        }
        for said in [
            "",
            "I don't know.",
            "I'm not sure.",
            "Is there parking?",
            "My name is Sarah.",
            "maybe",
        ] {
            assert_eq!(yes_no(said), None, "{said}");
        }
    }
}
