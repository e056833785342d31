//! What a caller asks, without what they say around it.
//!
//! "Yes, good morning. Um, I'm just ringing to ask, is there parking? Thanks." is a question of three words. Greetings,
//! hesitation and politeness weigh as much as any other word in a sentence embedding and in full text, so they are
//! taken off before the search. Only the search sees the result: the gate, the intents and the record get every word.

/// Sounds of hesitation: never part of a question.
const HESITATION: &[&str] = &[
    "um", "umm", "ummm", "uh", "uhh", "er", "err", "erm", "ehm", "hmm", "hm",
];

/// What a question is led in with. Where two fit, the longer is taken.
const LEADS: &[&str] = &[
    "ah",
    "any idea",
    "can i ask",
    "can i just ask",
    "can you help me",
    "can you please tell me",
    "can you tell me",
    "could i ask",
    "could i just ask",
    "could you help me",
    "could you please tell me",
    "could you tell me",
    "do you happen to know",
    "do you know",
    "excuse me",
    "good afternoon",
    "good evening",
    "good morning",
    "hello",
    "hello there",
    "hey",
    "hi",
    "hi there",
    "hiya",
    "i am calling to ask",
    "i am ringing to ask",
    "i am wondering",
    "i have a question",
    "i just want to ask",
    "i just want to know",
    "i just wanted to ask",
    "i just wanted to know",
    "i need to ask",
    "i need to know",
    "i want to ask",
    "i want to know",
    "i wanted to ask",
    "i wanted to know",
    "i was just wondering",
    "i was just wondering if",
    "i was just wondering whether",
    "i was wondering",
    "i was wondering if",
    "i was wondering whether",
    "i wonder",
    "i wonder if",
    "i wonder if you can help me",
    "i wonder if you can tell me",
    "i wonder if you could help me",
    "i wonder if you could tell me",
    "i wonder whether",
    "i would just like to ask",
    "i would just like to know",
    "i would like to ask",
    "i would like to know",
    "i'd just like to ask",
    "i'd just like to know",
    "i'd like to ask",
    "i'd like to know",
    "i'm calling to ask",
    "i'm just calling to ask",
    "i'm just phoning to ask",
    "i'm just ringing to ask",
    "i'm just wondering",
    "i'm phoning to ask",
    "i'm ringing to ask",
    "i'm ringing to find out",
    "i'm wondering",
    "i'm wondering if",
    "i've got a question",
    "just a quick question",
    "just wondering",
    "may i ask",
    "oh",
    "ok",
    "okay",
    "please",
    "quick question",
    "would you mind telling me",
    "would you tell me",
];

/// Words that lead in only when there is a pause after them: "Right, ..." but "right of access".
const LEADS_BEFORE_PAUSE: &[&str] = &[
    "actually",
    "alright",
    "basically",
    "listen",
    "look",
    "now",
    "right",
    "so",
    "sorry",
    "thank you",
    "thanks",
    "well",
    "yeah",
    "yes",
];

/// What a question is led out with.
const TAILS: &[&str] = &[
    "cheers",
    "if you don't mind",
    "many thanks",
    "please",
    "thank you",
    "thank you so much",
    "thank you very much",
    "thanks",
    "thanks a lot",
    "thanks very much",
];

/// Words a question needs at least; with fewer left, nothing is taken off.
const WORDS_MIN: usize = 2;

/// `text` without what is said around the question, for the search. The original when hardly anything would be
/// left ("Thank you very much.") or when it is not in English.
#[must_use]
pub fn without_asides(text: &str, language: &str) -> String {
    let primary = language.split(['-', '_']).next().unwrap_or_default();
    if !primary.eq_ignore_ascii_case("en") {
        return text.to_owned();
    }
    let kept: Vec<&str> = text
        .split_whitespace()
        .filter(|w| !HESITATION.contains(&bare(w).as_str()) || bare(w).is_empty())
        .collect();
    let words: Vec<String> = kept.iter().map(|w| bare(w)).collect();
    let (mut from, mut to) = (0, words.len());
    while let Some(n) = lead(&kept[from..to], &words[from..to]) {
        from += n;
    }
    while let Some(n) = longest(TAILS, |phrase| ends_with(&words[from..to], phrase)) {
        to -= n;
    }
    if words[from..to].iter().filter(|w| !w.is_empty()).count() < WORDS_MIN {
        return text.to_owned();
    }
    kept[from..to].join(" ")
}

/// Words at the beginning that lead in.
fn lead(kept: &[&str], words: &[String]) -> Option<usize> {
    if words.first().is_some_and(String::is_empty) {
        return Some(1);
    }
    let paused = |phrase: &str| {
        let n = starts_with(words, phrase)?;
        kept.get(n - 1)?
            .ends_with([',', '.', '!', '?', ';', ':', '-'])
            .then_some(n)
    };
    longest(LEADS, |phrase| starts_with(words, phrase)).max(longest(LEADS_BEFORE_PAUSE, paused))
}

fn longest(phrases: &[&str], fits: impl Fn(&str) -> Option<usize>) -> Option<usize> {
    phrases.iter().filter_map(|p| fits(p)).max()
}

fn starts_with(words: &[String], phrase: &str) -> Option<usize> {
    let n = phrase.split(' ').count();
    (n <= words.len() && phrase.split(' ').eq(words[..n].iter().map(String::as_str))).then_some(n)
}

fn ends_with(words: &[String], phrase: &str) -> Option<usize> {
    let n = phrase.split(' ').count();
    let from = words.len().checked_sub(n)?;
    phrase
        .split(' ')
        .eq(words[from..].iter().map(String::as_str))
        .then_some(n)
}

/// A word in small letters without what stands around it; a curly apostrophe made plain.
fn bare(word: &str) -> String {
    word.trim_matches(|c: char| !c.is_alphanumeric())
        .replace('\u{2019}', "'")
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(said: &str, asked: &str) {
        assert_eq!(without_asides(said, "en"), asked, "{said}");
    }

    #[test]
    fn greetings_hesitation_and_politeness_are_taken_off() {
        check(
            "Yes, good morning. Um, I'm just ringing to ask, is there parking? Thanks.",
            "is there parking?",
        );
        check("um where is er the clinic please", "where is the clinic");
        check(
            "Hello there, could you tell me please, do you do flu jabs? Thank you very much.",
            "do you do flu jabs?",
        );
        check(
            "I was wondering whether you were open on Saturday",
            "you were open on Saturday",
        );
        check(
            "Oh hi, I\u{2019}d like to know what time you close",
            "what time you close",
        );
    }

    #[test]
    fn what_is_asked_is_left_as_it_is() {
        for q in [
            "Is there parking?",
            "Right of access, how does it work?",
            "So long as I bring my card, is that all right?",
            "I would like to register as a new patient.",
            "Can you help my mother up the stairs?",
            "Please stop sending me text messages, no thanks to you all",
        ] {
            let end = without_asides(q, "en");
            assert!(
                q.ends_with(&end) && q.len() - end.len() <= "Please ".len(),
                "{q}: {end}"
            );
        }
    }

    #[test]
    fn nothing_is_taken_off_when_hardly_anything_is_left() {
        for t in [
            "Thank you very much.",
            "Hello?",
            "Um.",
            "",
            "  ",
            "Yes please, thanks.",
            "Hi, parking please.",
        ] {
            check(t, t);
        }
    }

    #[test]
    fn other_languages_are_left_alone() {
        assert_eq!(
            without_asides("Hi, um wie viel Uhr", "de-DE"),
            "Hi, um wie viel Uhr"
        );
        assert_eq!(without_asides("um where is it please", "en-GB"), "where is it");
    }

    proptest! {
        #[test]
        fn any_text_gives_words_of_its_own(text in "\\PC{0,200}") {
            let out = without_asides(&text, "en");
            let said: Vec<&str> = text.split_whitespace().collect();
            for w in out.split_whitespace() {
                prop_assert!(said.contains(&w));
            }
            prop_assert_eq!(out.trim().is_empty(), text.trim().is_empty());
        }

        #[test]
        fn what_was_taken_off_once_is_off(lead in 0..LEADS.len(), tail in 0..TAILS.len()) {
            let said = format!("{}, is there parking {}", LEADS[lead], TAILS[tail]);
            prop_assert_eq!(without_asides(&said, "en"), "is there parking");
        }
    }
}
