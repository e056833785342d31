//! Text to words.

use super::TURN_CHARS_MAX;
use super::tables::{CONTRACTIONS, HESITATIONS, IRREGULAR, IS_AFTER, SPELLINGS, TENS, UNITS};
use std::ops::Range;

/// What stood between a word and the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Pause {
    /// Nothing but a space.
    #[default]
    None,
    /// A comma, colon, dash or bracket.
    Comma,
    /// The end of a sentence, or the beginning of the text.
    Sentence,
}

/// One word of a normalised text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word as normalised: lower case, no diacritics.
    pub text: String,
    /// Its English stem, see [`stem`].
    pub stem: String,
    /// The bytes of the original it came from. The words of an opened contraction share them.
    pub span: Range<usize>,
    /// What stood before it.
    pub pause: Pause,
}

impl Word {
    fn new(text: &str, span: Range<usize>, pause: Pause) -> Self {
        Self {
            stem: stem(text),
            text: text.to_owned(),
            span,
            pause,
        }
    }

    /// Whether the word is written in digits.
    #[must_use]
    pub fn is_number(&self) -> bool {
        self.text.bytes().all(|b| b.is_ascii_digit())
    }
}

/// The words joined by single spaces.
#[must_use]
pub fn joined(words: &[Word]) -> String {
    let texts: Vec<&str> = words.iter().map(|w| w.text.as_str()).collect();
    texts.join(" ")
}

/// Lower case without diacritics, apostrophes made plain. A few letters become two ("ß", "œ").
#[must_use]
pub fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        fold_char(c, &mut out);
    }
    out
}

fn fold_char(c: char, out: &mut String) {
    for c in c.to_lowercase() {
        match c {
            'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ą' => out.push('a'),
            'ç' | 'ć' | 'č' => out.push('c'),
            'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => out.push('e'),
            'ì' | 'í' | 'î' | 'ï' | 'ī' => out.push('i'),
            'ñ' | 'ń' | 'ň' => out.push('n'),
            'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ō' => out.push('o'),
            'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' => out.push('u'),
            'ý' | 'ÿ' => out.push('y'),
            'ł' => out.push('l'),
            'ś' | 'š' => out.push('s'),
            'ź' | 'ż' | 'ž' => out.push('z'),
            'ß' => out.push_str("ss"),
            'æ' => out.push_str("ae"),
            'œ' => out.push_str("oe"),
            '\u{2019}' | '\u{2018}' | '\u{02bc}' | '`' | '\u{00b4}' => out.push('\''),
            // Combining marks left over from a decomposed letter.
            '\u{0300}'..='\u{036f}' => {}
            c => out.push(c),
        }
    }
}

/// The English stem of a normalised word: plural, "-ing", "-ed" and a final "e" taken off, doubled consonants undone.
///
/// It is deliberately light. "breathing", "breathes" and "breathe" meet; "numb" and "number" do not.
#[must_use]
pub fn stem(word: &str) -> String {
    if let Some((_, s)) = IRREGULAR.iter().find(|(w, _)| *w == word) {
        return (*s).to_owned();
    }
    if word.len() < 4 || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return word.to_owned();
    }
    let mut s = word.to_owned();
    if s.ends_with("ies") && s.len() > 4 {
        s.truncate(s.len() - 3);
        s.push('y');
    } else if s.ends_with("sses") || s.ends_with("xes") || s.ends_with("ches") || s.ends_with("shes") {
        s.truncate(s.len() - 2);
    } else if s.ends_with('s') && !s.ends_with("ss") && !s.ends_with("us") && !s.ends_with("is") {
        s.truncate(s.len() - 1);
    }
    let vowel = |t: &str| t.bytes().any(|b| b"aeiouy".contains(&b));
    for suffix in ["ing", "ed"] {
        if let Some(head) = s.strip_suffix(suffix)
            && head.len() >= 3
            && vowel(head)
        {
            let mut head = head.to_owned();
            let b = head.as_bytes();
            let n = b.len();
            if n >= 4 && b[n - 1] == b[n - 2] && !b"lsz".contains(&b[n - 1]) {
                head.truncate(n - 1);
            }
            s = head;
            break;
        }
    }
    if s.len() > 3 && s.ends_with('e') {
        s.truncate(s.len() - 1);
    }
    s
}

/// The words of `text`. See the module for what is done to them. Reads at most [`TURN_CHARS_MAX`] characters.
#[must_use]
pub fn normalise(text: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut pause = Pause::Sentence;
    for token in split(text) {
        match token {
            Token::Mark(p) => pause = pause.max(p),
            Token::Word(raw, span) => {
                let before = words.len();
                open(&raw, &span, pause, &mut words);
                if words.len() > before {
                    pause = Pause::None;
                }
            }
        }
    }
    numbers(&mut words);
    repeats(&mut words);
    words
}

enum Token {
    Word(String, Range<usize>),
    Mark(Pause),
}

fn split(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut word = String::new();
    let mut start = 0;
    let mut chars = text.char_indices().take(TURN_CHARS_MAX).peekable();
    let mut end = 0;
    while let Some((at, c)) = chars.next() {
        end = at + c.len_utf8();
        let inner_apostrophe = matches!(c, '\'' | '\u{2019}' | '\u{2018}' | '\u{02bc}')
            && !word.is_empty()
            && chars.peek().is_some_and(|(_, n)| n.is_alphanumeric());
        // "9.30" and "07700,900" stay one word; so do the marks of a decomposed letter.
        let inner_point = matches!(c, '.' | ',')
            && word.ends_with(|p: char| p.is_ascii_digit())
            && chars.peek().is_some_and(|(_, n)| n.is_ascii_digit());
        if c.is_alphanumeric() || inner_apostrophe || ('\u{0300}'..='\u{036f}').contains(&c) {
            if word.is_empty() {
                start = at;
            }
            fold_char(c, &mut word);
            continue;
        }
        if inner_point {
            continue;
        }
        if !word.is_empty() {
            out.push(Token::Word(std::mem::take(&mut word), start..at));
        }
        match c {
            '.' | '?' | '!' | ';' | '\n' | '\u{2026}' => out.push(Token::Mark(Pause::Sentence)),
            ',' | ':' | '(' | ')' | '\u{2013}' | '\u{2014}' | '[' | ']' => {
                out.push(Token::Mark(Pause::Comma))
            }
            _ => {}
        }
    }
    if !word.is_empty() {
        out.push(Token::Word(word, start..end));
    }
    out
}

fn open(raw: &str, span: &Range<usize>, pause: Pause, out: &mut Vec<Word>) {
    let mut pause = pause;
    let mut push = |w: &str| {
        if w.is_empty() || HESITATIONS.contains(&w) {
            return;
        }
        let w = SPELLINGS.iter().find(|(a, _)| *a == w).map_or(w, |(_, b)| *b);
        for part in w.split('-') {
            out.push(Word::new(part, span.clone(), pause));
            pause = Pause::None;
        }
    };
    if let Some((_, parts)) = CONTRACTIONS.iter().find(|(w, _)| *w == raw) {
        parts.iter().for_each(|p| push(p));
        return;
    }
    let Some((head, tail)) = raw.split_once('\'') else {
        push(raw);
        return;
    };
    if let Some(verb) = head.strip_suffix('n')
        && tail == "t"
    {
        push(verb);
        push("not");
        return;
    }
    match tail {
        "m" => {
            push(head);
            push("am");
        }
        "re" => {
            push(head);
            push("are");
        }
        "ve" => {
            push(head);
            push("have");
        }
        "ll" => {
            push(head);
            push("will");
        }
        "d" => {
            push(head);
            push("would");
        }
        "s" if IS_AFTER.contains(&head) => {
            push(head);
            push("is");
        }
        // A possessive, or "my father's collapsed": either way the noun alone says enough.
        "s" => push(head),
        // French and other elisions, and names such as O'Brien.
        _ => raw.split('\'').for_each(&mut push),
    }
}

fn unit(w: &str) -> Option<u32> {
    UNITS
        .iter()
        .position(|u| *u == w)
        .and_then(|n| u32::try_from(n).ok())
}

fn ten(w: &str) -> Option<u32> {
    TENS.iter()
        .position(|u| *u == w)
        .and_then(|n| u32::try_from(n).ok())
        .map(|n| (n + 2) * 10)
}

/// Number words become digits: single digits in a row are joined ("nine nine nine"), tens and units added, years put
/// together ("twenty nineteen", "two thousand and four").
///
/// "one" alone stays a word: it is as often a pronoun.
fn numbers(words: &mut Vec<Word>) {
    let old = std::mem::take(words);
    let mut i = 0;
    while i < old.len() {
        let (value, used) = number_at(&old[i..]);
        match value {
            Some(text) if !(used == 1 && old[i].text == "one") => {
                let span = old[i].span.start..old[i + used - 1].span.end;
                words.push(Word::new(&text, span, old[i].pause));
                i += used;
            }
            _ => {
                words.push(old[i].clone());
                i += 1;
            }
        }
    }
}

fn number_at(words: &[Word]) -> (Option<String>, usize) {
    let t = |i: usize| {
        words
            .get(i)
            .filter(|w| i == 0 || w.pause == Pause::None)
            .map_or("", |w| w.text.as_str())
    };
    // "two thousand and nineteen"
    if t(0) == "two" && t(1) == "thousand" {
        let from = if t(2) == "and" { 3 } else { 2 };
        if let (Some(n), used) = below_hundred(words, from) {
            return (Some((2000 + n).to_string()), from + used);
        }
        return (Some("2000".to_owned()), 2);
    }
    let digit = |w: &str| match w {
        "oh" => Some(0),
        w => unit(w).filter(|n| *n < 10),
    };
    // Digits dictated one by one. Recognisers write the breaths between them as punctuation.
    let said = |i: usize| words.get(i).and_then(|w| digit(&w.text));
    let run: Vec<u32> = (0..).map_while(said).collect();
    if run.len() >= 2 && t(0) != "oh" {
        return (Some(run.iter().map(u32::to_string).collect()), run.len());
    }
    let (Some(first), used) = below_hundred(words, 0) else {
        return (None, 1);
    };
    // "nineteen eighty six", "twenty nineteen", "nineteen oh four"
    if first == 19 || first == 20 {
        if t(used) == "oh"
            && let Some(d) = digit(t(used + 1))
        {
            return (Some((first * 100 + d).to_string()), used + 2);
        }
        if let (Some(n), more) = below_hundred(words, used)
            && n >= 10
        {
            return (Some((first * 100 + n).to_string()), used + more);
        }
    }
    (Some(first.to_string()), used)
}

fn below_hundred(words: &[Word], at: usize) -> (Option<u32>, usize) {
    let Some(w) = words.get(at).filter(|w| at == 0 || w.pause == Pause::None) else {
        return (None, 0);
    };
    if let Some(n) = unit(&w.text) {
        return (Some(n), 1);
    }
    if let Some(n) = ten(&w.text) {
        let one = words
            .get(at + 1)
            .filter(|w| w.pause == Pause::None)
            .and_then(|w| unit(&w.text))
            .filter(|n| (1..10).contains(n));
        return one.map_or((Some(n), 1), |u| (Some(n + u), 2));
    }
    (None, 0)
}

/// Drops a word said twice running, and a pair of words said twice ("he is he is not breathing"). Digits stay.
fn repeats(words: &mut Vec<Word>) {
    let mut out: Vec<Word> = Vec::with_capacity(words.len());
    for w in words.drain(..) {
        let n = out.len();
        if !w.is_number() {
            if n >= 1 && out[n - 1].text == w.text {
                continue;
            }
            if n >= 3
                && out[n - 3].text == out[n - 1].text
                && out[n - 2].text == w.text
                && !out[n - 1].is_number()
            {
                out.truncate(n - 1);
                continue;
            }
        }
        out.push(w);
    }
    *words = out;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(joined(&normalise(text)), expected, "{text}");
    }

    #[test]
    fn contractions_numbers_repeats_and_hesitations() {
        check("He's NOT breathing!", "he is not breathing");
        check("I cant, um, can\u{2019}t breathe.", "i can not breathe");
        check("he's he's not breathing", "he is not breathing");
        check("call nine nine nine", "call 999");
        check("call nine, nine. Nine", "call 999");
        check("a stroke in twenty nineteen", "a stroke in 2019");
        check("born in nineteen eighty six", "born in 1986");
        check("two thousand and four", "2004");
        check("twenty one and thirty", "21 and 30");
        check("the first one", "the first one");
        check("at 9.30", "at 930");
        check("my father's having a stroke", "my father having a stroke");
        check("j'ai mal à la poitrine", "j ai mal a la poitrine");
        check("chest X-ray", "chest x ray");
        check("", "");
    }

    #[test]
    fn stems_meet_where_they_should() {
        for (a, b) in [
            ("breathing", "breathe"),
            ("bleeding", "bled"),
            ("pains", "pain"),
            ("collapsed", "collapse"),
            ("choking", "choke"),
            ("fitting", "fits"),
            ("vomiting", "vomited"),
            ("seizures", "seizure"),
        ] {
            assert_eq!(stem(a), stem(b), "{a} {b}");
        }
        assert_ne!(stem("numb"), stem("number"));
    }

    #[test]
    fn spans_point_into_the_original() {
        let text = "Help, I can't breathe";
        let words = normalise(text);
        assert_eq!(&text[words[2].span.clone()], "can't");
        assert_eq!(&text[words[4].span.clone()], "breathe");
    }
}
