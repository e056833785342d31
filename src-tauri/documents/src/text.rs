//! Bytes to characters, and characters to something that can be spoken.

use crate::Limits;
use crate::error::ImportError;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Decodes text: by its byte order mark, else as UTF-8 when it is valid, else by the `declared` label (HTML), else as
/// Windows-1252, which is what older programs mean by Latin-1. Line ends become `\n`.
pub(crate) fn decode(bytes: &[u8], declared: Option<&str>, limits: &Limits) -> Result<String, ImportError> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits.text_bytes_max {
        return Err(ImportError::TooBig {
            bytes_max: limits.text_bytes_max,
        });
    }
    let (encoding, body) = match Encoding::for_bom(bytes) {
        Some((e, n)) => (e, bytes.get(n..).unwrap_or_default()),
        None if std::str::from_utf8(bytes).is_ok() => (UTF_8, bytes),
        None => {
            let e = declared
                .and_then(|l| Encoding::for_label(l.as_bytes()))
                .filter(|e| *e != UTF_8 && *e != UTF_16LE && *e != UTF_16BE);
            (e.unwrap_or(WINDOWS_1252), bytes)
        }
    };
    let (text, damaged) = encoding.decode_without_bom_handling(body);
    // Text has no NUL and next to no control characters; a picture called .txt has many.
    let odd = text
        .chars()
        .filter(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}'))
        .count();
    if damaged && encoding != UTF_8 && encoding != WINDOWS_1252
        || text.contains('\0')
        || odd * 200 > text.len()
    {
        return Err(ImportError::NotText);
    }
    Ok(text.replace("\r\n", "\n").replace(['\r', '\u{c}'], "\n"))
}

/// The last part of a path, without anything that does not belong in a name.
pub(crate) fn file_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let clean = speakable(last);
    let short: String = clean.chars().take(120).collect();
    if short.is_empty() {
        "document".to_owned()
    } else {
        short
    }
}

/// One line of plain characters: white space runs become one space, ligatures are taken apart, and what is neither
/// seen nor spoken (control characters, soft hyphens, direction marks) is dropped.
pub(crate) fn speakable(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut gap = false;
    for c in s.chars() {
        if c.is_whitespace() || c == '\u{a0}' {
            gap = !out.is_empty();
            continue;
        }
        let dropped = c.is_control()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}'
                | '\u{feff}' | '\u{fffd}' | '\u{e000}'..='\u{f8ff}');
        if dropped {
            continue;
        }
        if gap {
            out.push(' ');
            gap = false;
        }
        match c {
            '\u{fb00}' => out.push_str("ff"),
            '\u{fb01}' => out.push_str("fi"),
            '\u{fb02}' => out.push_str("fl"),
            '\u{fb03}' => out.push_str("ffi"),
            '\u{fb04}' => out.push_str("ffl"),
            '\u{2010}' | '\u{2011}' => out.push('-'),
            c => out.push(c),
        }
    }
    out
}

/// Splits running text into pieces of at most `target` characters where a listener would expect a pause: after a
/// sentence, else after a clause, else between words. Only a single word longer than that is cut.
pub(crate) fn split_speakable(text: &str, target: usize) -> Vec<String> {
    let target = target.max(40);
    let mut pieces = Vec::new();
    let mut rest = text.trim();
    while rest.chars().count() > target {
        let window_end = rest.char_indices().nth(target).map_or(rest.len(), |(i, _)| i);
        let cut = best_cut(rest, window_end);
        let (head, tail) = rest.split_at(cut);
        if !head.trim().is_empty() {
            pieces.push(head.trim().to_owned());
        }
        rest = tail.trim_start();
    }
    if !rest.is_empty() {
        pieces.push(rest.to_owned());
    }
    pieces
}

/// The byte to cut at, within `end`. A cut in the first third would leave a scrap, so a worse kind of cut further on
/// is preferred to it.
fn best_cut(text: &str, end: usize) -> usize {
    let window = text.get(..end).unwrap_or(text);
    let least = end / 3;
    let after = |marks: &[char]| {
        window
            .char_indices()
            .filter(|(_, c)| marks.contains(c))
            .map(|(i, c)| i + c.len_utf8())
            .filter(|i| *i >= least && text.get(*i..).is_some_and(|t| t.starts_with(char::is_whitespace)))
            .rfind(|i| !ends_in_abbreviation(text.get(..*i).unwrap_or_default()))
    };
    after(&['.', '!', '?'])
        .or_else(|| after(&[';', ':']))
        .or_else(|| after(&[',']))
        .or_else(|| window.rfind(char::is_whitespace).filter(|i| *i > 0))
        .unwrap_or(end)
}

/// Whether the full stop at the end of `s` belongs to an abbreviation and ends no sentence.
fn ends_in_abbreviation(s: &str) -> bool {
    let Some(bare) = s.strip_suffix('.') else {
        return false;
    };
    let word = bare.rsplit(char::is_whitespace).next().unwrap_or(bare);
    const KNOWN: [&str; 12] = [
        "Dr", "Mr", "Mrs", "Ms", "St", "Rd", "e.g", "i.e", "No", "Tel", "approx", "a.m",
    ];
    KNOWN.contains(&word) || (word.len() == 1 && word.chars().all(char::is_uppercase))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(decode(bytes, None, &Limits::default()).unwrap(), expected);
    }

    #[test]
    fn encodings() {
        check("Café\r\nopen".as_bytes(), "Café\nopen");
        check(b"\xEF\xBB\xBFCaf\xC3\xA9", "Café");
        check(b"Caf\xE9 \x93open\x94 \x96 \xA320", "Café “open” – £20");
        check(b"\xFF\xFEC\0a\0f\0\xE9\0", "Café");
        check(b"\xFE\xFF\0C\0a\0f\0\xE9", "Café");
        let latin2 = decode(b"\xB3", Some("iso-8859-2"), &Limits::default()).unwrap();
        assert_eq!(latin2, "ł");
        for not_text in [
            &b"\x00\x01\x02\x03PNG"[..],
            b"\xFF\xFE\x00\xD8",
            b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
        ] {
            assert_eq!(
                decode(not_text, None, &Limits::default()),
                Err(ImportError::NotText)
            );
        }
    }

    #[test]
    fn unseen_characters_go_and_ligatures_come_apart() {
        assert_eq!(
            speakable(" the\u{ad} o\u{fb03}ce \u{200b}\n\tis\u{a0}open\u{202e} "),
            "the office is open"
        );
    }

    #[test]
    fn pieces_end_where_sentences_do() {
        let text = "Ask for Dr. Green at the desk. She is in on Mondays. Bring your letter; it is needed.";
        let pieces = split_speakable(text, 60);
        assert_eq!(
            pieces,
            [
                "Ask for Dr. Green at the desk. She is in on Mondays.",
                "Bring your letter; it is needed."
            ]
        );
    }

    proptest! {
        #[test]
        fn splitting_loses_no_word_and_keeps_the_limit(text in "[a-zé.,;? ]{0,600}", target in 40usize..200) {
            let pieces = split_speakable(&text, target);
            prop_assert!(pieces.iter().all(|p| p.chars().count() <= target && !p.is_empty()));
            let squash = |s: &str| s.split_whitespace().collect::<String>();
            prop_assert_eq!(squash(&pieces.concat()), squash(&text));
        }

        #[test]
        fn any_bytes_decode_or_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes, Some("utf-16"), &Limits::default());
        }
    }
}
