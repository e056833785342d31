//! From any text to a safe full-text query.
//!
//! FTS5 has a query language. None of it is reachable from here: a text becomes words of letters and digits, each of
//! which is quoted.

use anteroom_types::limits::QUESTION_CHARS_MAX;

/// Words of one query; the rest is passed over.
pub(crate) const WORDS_MAX: usize = 32;

/// The words of `text` in small letters, without repeats, in their order. Apostrophes join: "don't" is `don` and `t`
/// to FTS5, so it is to us.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let limited: String = text.chars().take(QUESTION_CHARS_MAX).collect();
    for word in limited
        .split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
    {
        let word = word.to_lowercase();
        if !out.contains(&word) {
            out.push(word);
        }
        if out.len() == WORDS_MAX {
            break;
        }
    }
    out
}

/// The words that carry meaning. When there are none ("what is that"), all words.
pub(crate) fn content_words(text: &str, language: &str) -> Vec<String> {
    let all = words(text);
    let stop = stop_words(&primary_subtag(language));
    let content: Vec<String> = all
        .iter()
        .filter(|w| !stop.contains(&w.as_str()) && (w.chars().count() > 1 || w.chars().all(char::is_numeric)))
        .cloned()
        .collect();
    if content.is_empty() { all } else { content }
}

/// One word as an FTS5 string.
pub(crate) fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('"', "\"\""))
}

/// `a OR b OR c`. `None` when there are no words.
pub(crate) fn any_of(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" OR "))
}

/// `a AND b AND c*`: all words, the last one as a beginning, as somebody types. `None` when there are no words.
pub(crate) fn all_of_typed(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" AND ") + "*")
}

/// `en` of `en-GB`, in small letters.
pub(crate) fn primary_subtag(language: &str) -> String {
    language
        .split(['-', '_'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
}

fn stop_words(language: &str) -> &'static [&'static str] {
    match language {
        "de" => DE,
        "fr" => FR,
        "es" => ES,
        _ => EN,
    }
}

const EN: &[&str] = &[
    "a",
    "about",
    "actually",
    "all",
    "also",
    "am",
    "an",
    "and",
    "any",
    "are",
    "as",
    "ask",
    "at",
    "be",
    "been",
    "but",
    "by",
    "can",
    "could",
    "did",
    "do",
    "does",
    "doing",
    "don",
    "for",
    "from",
    "get",
    "give",
    "got",
    "had",
    "has",
    "have",
    "having",
    "he",
    "hello",
    "her",
    "hi",
    "him",
    "his",
    "how",
    "i",
    "if",
    "in",
    "into",
    "is",
    "it",
    "its",
    "just",
    "know",
    "like",
    "ll",
    "may",
    "me",
    "might",
    "my",
    "need",
    "no",
    "not",
    "now",
    "of",
    "oh",
    "ok",
    "okay",
    "on",
    "or",
    "our",
    "please",
    "re",
    "s",
    "say",
    "she",
    "should",
    "so",
    "some",
    "t",
    "tell",
    "than",
    "thank",
    "thanks",
    "that",
    "the",
    "their",
    "them",
    "then",
    "there",
    "these",
    "they",
    "this",
    "those",
    "to",
    "uh",
    "um",
    "us",
    "ve",
    "want",
    "wanted",
    "was",
    "we",
    "well",
    "were",
    "what",
    "when",
    "where",
    "whether",
    "which",
    "who",
    "will",
    "with",
    "wonder",
    "wondering",
    "would",
    "yes",
    "you",
    "your",
];
const DE: &[&str] = &[
    "aber", "als", "also", "am", "an", "auch", "auf", "aus", "bei", "bin", "bitte", "bis", "da", "danke",
    "dann", "das", "dass", "dem", "den", "der", "des", "die", "du", "ein", "eine", "einem", "einen", "einer",
    "er", "es", "für", "gern", "gerne", "guten", "haben", "hallo", "hat", "hätte", "ich", "ihr", "ihre",
    "im", "in", "ist", "ja", "kann", "können", "könnte", "man", "mein", "meine", "mich", "mir", "mit",
    "möchte", "nach", "nein", "nicht", "noch", "nun", "oder", "schon", "sich", "sie", "sind", "so", "tag",
    "um", "und", "uns", "vom", "von", "wann", "war", "was", "welche", "wenn", "wer", "werden", "wie", "wir",
    "wird", "wissen", "wo", "zu", "zum", "zur",
];
const FR: &[&str] = &[
    "ai", "alors", "au", "aux", "avec", "avez", "bien", "bonjour", "c", "ce", "ces", "cette", "comment", "d",
    "dans", "de", "des", "du", "elle", "en", "est", "et", "être", "eu", "fait", "faut", "il", "ils", "j",
    "je", "l", "la", "le", "les", "leur", "m", "ma", "mais", "me", "merci", "mes", "moi", "mon", "n", "ne",
    "non", "nous", "on", "ou", "oui", "où", "par", "pas", "peut", "peux", "plait", "pour", "pourrais",
    "puis", "qu", "quand", "que", "quel", "quelle", "quelles", "quels", "qui", "s", "sa", "savoir", "se",
    "ses", "si", "sont", "suis", "sur", "t", "te", "un", "une", "vos", "votre", "voudrais", "vous", "y", "à",
    "ça",
];
const ES: &[&str] = &[
    "a", "al", "algo", "buenas", "buenos", "como", "con", "cual", "cuando", "cuándo", "cuál", "cómo", "de",
    "del", "desde", "días", "donde", "dónde", "e", "el", "ella", "en", "es", "esa", "ese", "eso", "esta",
    "este", "esto", "está", "favor", "gracias", "ha", "hay", "hola", "la", "las", "le", "les", "lo", "los",
    "me", "mi", "mis", "muy", "más", "necesito", "no", "nos", "o", "para", "pero", "por", "puede", "puedo",
    "que", "querría", "quiero", "quién", "qué", "saber", "se", "si", "sin", "son", "su", "sus", "sí", "te",
    "tengo", "tiene", "tienen", "un", "una", "y", "ya", "yo",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, language: &str, want: &[&str]) {
        assert_eq!(content_words(text, language), want, "{text}");
    }

    #[test]
    fn content_words_leave_the_frame_of_a_question_out() {
        check(
            "What are your opening hours, please?",
            "en",
            &["opening", "hours"],
        );
        check("Wann haben Sie geöffnet?", "de", &["geöffnet"]);
        check("Where can I park? park!", "en-GB", &["park"]);
        check("what is that", "en", &["what", "is", "that"]);
        check("\"drop\" OR *", "en", &["drop"]);
        check("", "en", &[]);
    }

    #[test]
    fn the_stop_word_lists_are_in_small_letters_and_order() {
        for list in [EN, DE, FR, ES] {
            for w in list {
                assert_eq!(**w, w.to_lowercase());
            }
            assert!(list.iter().collect::<std::collections::BTreeSet<_>>().len() == list.len());
        }
    }

    proptest! {
        #[test]
        fn a_query_made_of_any_text_is_words_and_operators_only(text in ".{0,200}") {
            let words = words(&text);
            prop_assert!(words.len() <= WORDS_MAX);
            for w in &words {
                prop_assert!(w.chars().all(char::is_alphanumeric) || !w.is_ascii(), "{w}");
                prop_assert!(!w.contains('"'));
            }
        }
    }
}
