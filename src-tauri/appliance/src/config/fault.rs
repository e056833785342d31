//! What is wrong in a configuration and where, and the checks that many keys share.

use std::fmt::Display;
use std::ops::RangeInclusive;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A mistake: where, and a sentence that says what is wrong and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    at: At,
    pub(crate) what: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum At {
    /// Bytes from the beginning of the file.
    Byte(usize),
    /// A key with the tables it is in, `desk.ring_s` or `sip.trunk.0.user`.
    Key(String),
}

impl Fault {
    /// About a value whose place is known.
    pub(crate) fn of<T>(value: &Spanned<T>, what: impl Into<String>) -> Self {
        Self {
            at: At::Byte(value.span().start),
            what: what.into(),
        }
    }

    /// About a key, by the tables it is in.
    pub(crate) fn key(key: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            at: At::Key(key.into()),
            what: what.into(),
        }
    }

    /// Where in the file it is.
    pub(crate) fn place(&self, text: &str) -> usize {
        match &self.at {
            At::Byte(at) => *at,
            At::Key(key) => find(text, key),
        }
    }
}

/// Where a key is in a file, or the nearest table around it.
fn find(text: &str, key: &str) -> usize {
    let Ok(file) = DeTable::parse(text) else { return 0 };
    let (mut table, mut array, mut place) = (Some(file.get_ref()), None, 0);
    for step in key.split('.') {
        let found = match (table, array) {
            (Some(t), _) => t.iter().find(|(k, _)| k.get_ref() == step).map(|(k, v)| {
                place = k.span().start;
                v
            }),
            (None, Some(a)) => step.parse().ok().and_then(|i: usize| {
                let all: &toml::de::DeArray<'_> = a;
                all.get(i).inspect(|v| place = v.span().start)
            }),
            (None, None) => None,
        };
        (table, array) = match found.map(Spanned::get_ref) {
            Some(DeValue::Table(t)) => (Some(t), None),
            Some(DeValue::Array(a)) => (None, Some(a)),
            _ => return place,
        };
    }
    place
}

/// A key as it is written in the file: `[desk] ring_s`, `[[sip.trunk]] user`.
pub(crate) fn written(key: &str) -> String {
    let (tables, name) = key.rsplit_once('.').unwrap_or(("", key));
    let number = |s: &&str| s.bytes().all(|b| b.is_ascii_digit());
    let steps: Vec<_> = tables.split('.').collect();
    let named: Vec<_> = steps.iter().copied().filter(|s| !number(s)).collect();
    let tables = named.join(".");
    match steps.last() {
        Some(last) if number(last) => format!("[[{tables}]] {name}"),
        _ => format!("[{tables}] {name}"),
    }
}

/// That a figure is within its range.
pub(crate) fn range<T: PartialOrd + Display>(
    key: &str,
    value: T,
    allowed: RangeInclusive<T>,
    unit: &str,
) -> Result<(), Fault> {
    // A figure that is none (NaN) is within no range.
    if allowed.contains(&value) {
        return Ok(());
    }
    let (least, most) = (allowed.start(), allowed.end());
    let what = format!("{} is {value}: it must be {least} to {most} {unit}", written(key));
    Err(Fault::key(key, what))
}

/// That a word is one of those there are.
pub(crate) fn one_of(key: &str, value: &Spanned<String>, allowed: &[&str]) -> Result<(), Fault> {
    let v = value.get_ref().as_str();
    if allowed.contains(&v) {
        return Ok(());
    }
    let what = format!(
        "{} cannot be '{v}': write one of: {}",
        written(key),
        allowed.join(", ")
    );
    Err(Fault::of(value, what))
}

/// That a text is digits and nothing else, so many of them.
pub(crate) fn digits(key: &str, value: &str, count: RangeInclusive<usize>) -> Result<(), Fault> {
    if count.contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(());
    }
    let (least, most) = (count.start(), count.end());
    let what = format!(
        "'{value}' in {} is no number: write {least} to {most} digits and nothing else",
        written(key)
    );
    Err(Fault::key(key, what))
}

/// That of two keys which need one another, both are there or neither.
pub(crate) fn together<A, B>(
    section: &str,
    (first, a): (&str, &Option<A>),
    (second, b): (&str, &Option<B>),
) -> Result<(), Fault> {
    let (there, lacks) = match (a, b) {
        (Some(_), None) => (first, second),
        (None, Some(_)) => (second, first),
        _ => return Ok(()),
    };
    let key = format!("{section}.{there}");
    let what = format!(
        "{} is of no use without {lacks}: give both or neither",
        written(&key)
    );
    Err(Fault::key(key, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_where_it_is_written_or_its_table_is() {
        let text =
            "[desk]\nring_s = 1\n\n[[sip.trunk]]\nname = \"a\"\n[[sip.trunk]]\nname = \"b\"\nuser = \"c\"\n";
        let line = |key| text[..find(text, key)].matches('\n').count() + 1;
        assert_eq!(line("desk.ring_s"), 2);
        assert_eq!(line("desk.queue_s"), 1);
        assert_eq!(line("sip.trunk.1.user"), 8);
        assert_eq!(line("sip.trunk.0.user"), 4);
        assert_eq!(line("media.ports"), 1);
    }

    #[test]
    fn keys_are_told_as_they_are_written() {
        assert_eq!(written("desk.ring_s"), "[desk] ring_s");
        assert_eq!(written("sip.trunk.0.user"), "[[sip.trunk]] user");
        assert_eq!(
            written("outbound.class.1.rule.0.prefix"),
            "[[outbound.class.rule]] prefix"
        );
    }

    #[test]
    fn figures_are_within_their_range_and_digits_are_digits() {
        assert!(range("desk.ring_s", 5, 5..=120, "seconds").is_ok());
        let e = range("desk.ring_s", 4, 5..=120, "seconds").unwrap_err();
        assert_eq!(e.what, "[desk] ring_s is 4: it must be 5 to 120 seconds");
        assert!(range("media.mos_alarm", f32::NAN, 1.0..=4.5, "points").is_err());
        assert!(digits("outbound.country", "44", 1..=3).is_ok());
        for wrong in ["", "+44", "4444", "4 4", "\u{664}\u{664}"] {
            assert!(digits("outbound.country", wrong, 1..=3).is_err(), "{wrong}");
        }
    }
}
