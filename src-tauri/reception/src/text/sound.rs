//! How alike two words sound, for what a recogniser may have made of them.

/// A coarse phonetic key: consonant classes, vowels dropped but for a leading one, voiced and unvoiced merged.
///
/// "breathe" and "breed" share a key, "hart" and "heart" do; it is a sieve, not a judgement.
#[must_use]
pub fn phonetic_key(word: &str) -> String {
    let b: Vec<u8> = word.bytes().filter(u8::is_ascii_lowercase).collect();
    let mut out = String::new();
    let mut i = 0;
    while i < b.len() {
        let next = b.get(i + 1).copied().unwrap_or(0);
        let (class, used) = match (b[i], next) {
            (b'c' | b's', b'h') => ('X', 2),
            (b't', b'c') if b.get(i + 2) == Some(&b'h') => ('X', 3),
            (b'p', b'h') => ('F', 2),
            (b't', b'h') => ('T', 2),
            (b'g', b'h') => (' ', 2),
            (b'k', b'n') if i == 0 => ('N', 2),
            (b'w', b'r') if i == 0 => ('R', 2),
            (b'c', b'k') => ('K', 2),
            (b'c', b'e' | b'i' | b'y') => ('S', 1),
            (b'm', b'b') if i + 2 == b.len() => ('M', 2),
            (b'j', _) => ('X', 1),
            (b'b' | b'p', _) => ('P', 1),
            (b'f' | b'v', _) => ('F', 1),
            (b't' | b'd', _) => ('T', 1),
            (b's' | b'z', _) => ('S', 1),
            (b'k' | b'g' | b'q' | b'c', _) => ('K', 1),
            (b'x', _) => ('S', 1),
            (b'm', _) => ('M', 1),
            (b'n', _) => ('N', 1),
            (b'l', _) => ('L', 1),
            (b'r', _) => ('R', 1),
            (b'a' | b'e' | b'i' | b'o' | b'u' | b'y', _) if i == 0 => ('A', 1),
            (b'h', _) if i == 0 => ('H', 1),
            (b'w', _) if i == 0 => ('W', 1),
            _ => (' ', 1),
        };
        if class != ' ' && !out.ends_with(class) {
            out.push(class);
        }
        i += used;
    }
    out
}

/// How alike two different words are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// They are not.
    Unlike,
    /// Close in sound or letters.
    Close,
}

/// Judges two normalised words. Short words are never close: too many are.
#[must_use]
pub fn likeness(heard: &str, meant: &str) -> Likeness {
    let (n, m) = (heard.len(), meant.len());
    if n < 5 || m < 5 || n.abs_diff(m) > 2 {
        return Likeness::Unlike;
    }
    let (kh, km) = (phonetic_key(heard), phonetic_key(meant));
    if kh.as_bytes().first() != km.as_bytes().first() {
        return Likeness::Unlike;
    }
    let d = strsim::osa_distance(heard, meant);
    let near = d <= 1 || (d == 2 && n.min(m) >= 7) || (d <= 3 && kh == km && kh.len() >= 4);
    if near { Likeness::Close } else { Likeness::Unlike }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_merge_what_is_confused_on_a_telephone() {
        assert_eq!(phonetic_key("hart"), phonetic_key("heart"));
        assert_eq!(phonetic_key("breathe"), phonetic_key("breed"));
        assert_eq!(phonetic_key("pane"), phonetic_key("pain"));
        assert_ne!(phonetic_key("chest"), phonetic_key("nurse"));
    }

    #[test]
    fn only_longer_words_may_be_close() {
        assert_eq!(likeness("unconcious", "unconscious"), Likeness::Close);
        assert_eq!(likeness("siezure", "seizure"), Likeness::Close);
        assert_eq!(likeness("pan", "pain"), Likeness::Unlike);
        assert_eq!(likeness("parking", "walking"), Likeness::Unlike);
    }
}
