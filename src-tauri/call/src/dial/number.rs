//! What somebody dialled, as one number: E.164, emergency or short.

use anteroom_types::Pii;

/// Characters of what is dialled; more is no telephone number, whatever it is.
pub const DIALLED_CHARS_MAX: usize = 40;
/// Digits of an E.164 number, country code included (E.164 6.2.1).
const E164_DIGITS_MAX: usize = 15;
/// Fewer digits are no subscriber anywhere.
const E164_DIGITS_MIN: usize = 7;

/// How numbers are dialled where the clinic is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbering {
    /// Country code without `+`, e.g. `44`.
    pub country: String,
    /// What is dialled before a national number, e.g. `0`; may be empty.
    pub national_prefix: String,
    /// What is dialled instead of `+`, e.g. `00`.
    pub international_prefix: String,
    /// Emergency numbers, e.g. `999` and `112`. They are always permitted.
    pub emergency: Vec<String>,
    /// Other numbers that are no E.164 numbers, e.g. `111`.
    pub short: Vec<String>,
}

impl Numbering {
    /// The United Kingdom.
    #[must_use]
    pub fn uk() -> Self {
        let all = |numbers: &[&str]| numbers.iter().map(|n| (*n).to_owned()).collect();
        Self {
            country: "44".to_owned(),
            national_prefix: "0".to_owned(),
            international_prefix: "00".to_owned(),
            emergency: all(&["999", "112"]),
            short: all(&["101", "105", "111", "119", "159"]),
        }
    }
}

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NumberKind {
    /// Somebody is in danger: nothing may stand in the way.
    Emergency,
    /// A short service number.
    Short,
    /// A subscriber somewhere, as `+` and digits.
    E164,
}

/// A number that can be dialled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialledNumber {
    /// Its kind.
    pub kind: NumberKind,
    /// The number: `+441632960001`, `999`, `111`.
    pub number: Pii<String>,
}

/// Why something is no number. The number itself is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum BadNumber {
    /// Nothing was dialled.
    #[error("no number was given")]
    Empty,
    /// It is far too long.
    #[error("too long for a telephone number")]
    TooLong,
    /// It has a character that no number has.
    #[error("has a character that no telephone number has")]
    Character,
    /// It has too few or too many digits for where it goes.
    #[error("too few or too many digits")]
    Digits,
}

/// Makes one number of what was dialled: spaces, hyphens, dots, slashes and brackets go, `+44 (0)1632 …` loses its
/// bracketed zero, national and international prefixes become `+`.
///
/// # Errors
/// [`BadNumber`] when it is none.
pub fn normalise(numbering: &Numbering, dialled: &str) -> Result<DialledNumber, BadNumber> {
    if dialled.chars().count() > DIALLED_CHARS_MAX {
        return Err(BadNumber::TooLong);
    }
    let text = dialled.trim();
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let plus = text.starts_with('+');
    let text = if plus && !numbering.national_prefix.is_empty() {
        text.replacen(&format!("({})", numbering.national_prefix), "", 1)
    } else {
        text.to_owned()
    };
    let mut digits = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if i == 0 => {}
            ' ' | '\u{a0}' | '-' | '.' | '/' | '(' | ')' => {}
            // No letters, no comma for a pause, no star code, no second number behind a semicolon.
            _ => return Err(BadNumber::Character),
        }
    }
    if digits.is_empty() {
        return Err(BadNumber::Empty);
    }
    let is = |list: &[String]| !plus && list.contains(&digits);
    if is(&numbering.emergency) {
        return Ok(number(NumberKind::Emergency, digits));
    }
    if is(&numbering.short) {
        return Ok(number(NumberKind::Short, digits));
    }
    let international = (!plus)
        .then(|| prefixed(&digits, &numbering.international_prefix))
        .flatten();
    let e164 = if plus {
        digits
    } else if let Some(rest) = international {
        rest.to_owned()
    } else if let Some(rest) = prefixed(&digits, &numbering.national_prefix) {
        format!("{}{rest}", numbering.country)
    } else if numbering.national_prefix.is_empty() {
        format!("{}{digits}", numbering.country)
    } else {
        // A local number without its area code cannot be told from a mistake.
        return Err(BadNumber::Digits);
    };
    // +44 01632…: the national prefix is no part of an international number. Only a zero can be told from the number's own
    // digits: in a country whose prefix is 8, numbers begin with 8 as well.
    let national = prefixed(&e164, &numbering.country).map(|n| match &*numbering.national_prefix {
        "0" => n.strip_prefix('0').unwrap_or(n),
        _ => n,
    });
    // An emergency number is one however it is dressed up: +44 999, 0999, +44 0999.
    if let Some(rest) = national.filter(|r| numbering.emergency.iter().any(|e| e == r)) {
        return Ok(number(NumberKind::Emergency, rest.to_owned()));
    }
    let e164 = match national {
        // Another zero is no number's beginning, and would slip past a rule for what follows it.
        Some(rest) if numbering.national_prefix == "0" && rest.starts_with('0') => {
            return Err(BadNumber::Digits);
        }
        Some(rest) => format!("{}{rest}", numbering.country),
        None => e164,
    };
    // No country code begins with 0 (E.164 annex D).
    if !(E164_DIGITS_MIN..=E164_DIGITS_MAX).contains(&e164.len()) || e164.starts_with('0') {
        return Err(BadNumber::Digits);
    }
    Ok(number(NumberKind::E164, format!("+{e164}")))
}

fn number(kind: NumberKind, number: String) -> DialledNumber {
    DialledNumber {
        kind,
        number: Pii::from(number),
    }
}

/// What follows a prefix that is not empty.
fn prefixed<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    text.strip_prefix(prefix).filter(|_| !prefix.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_types::Purpose;

    fn check(dialled: &str, expected: &str) {
        let was = match normalise(&Numbering::uk(), dialled) {
            Ok(n) => format!("{:?} {}", n.kind, n.number.open(Purpose::Test)),
            Err(e) => format!("{e:?}"),
        };
        assert_eq!(was, expected, "for {dialled:?}");
    }

    #[test]
    fn numbers_are_one_however_they_are_written() {
        for dialled in [
            "01632 960001",
            "+441632960001",
            "+44 (0)1632 960 001",
            "+44 01632 960001",
            "0044 1632 960001",
            "(01632) 960-001",
            " 01632.960.001 ",
            "tel:+44-1632-960001",
            "01632\u{a0}960001",
        ] {
            check(dialled, "E164 +441632960001");
        }
        check("0039 06 1234567", "E164 +39061234567");
        check("+1 202 555 0143", "E164 +12025550143");
    }

    #[test]
    fn a_number_cannot_be_dressed_up_to_slip_past_a_rule() {
        for dialled in [
            "+44 00 906 1234567",
            "0044 00906 1234567",
            "00 906 1234567",
            "+44 (0)0906 1234567",
        ] {
            let was = normalise(&Numbering::uk(), dialled);
            let same = was.as_ref().is_err_and(|e| *e == BadNumber::Digits)
                || was.is_ok_and(|n| !n.number.open(Purpose::Test).starts_with("+440"));
            assert!(same, "for {dialled:?}");
        }
        // Where the national prefix is no zero, a number may begin with it.
        let elsewhere = Numbering {
            country: "7".into(),
            national_prefix: "8".into(),
            ..Numbering::uk()
        };
        let n = normalise(&elsewhere, "+7 812 1234567").unwrap();
        assert_eq!(n.number.open(Purpose::Test), "+78121234567");
    }

    #[test]
    fn emergency_and_short_numbers_are_recognised() {
        check("999", "Emergency 999");
        check("112", "Emergency 112");
        check("9 9 9", "Emergency 999");
        check("+44999", "Emergency 999");
        check("0999", "Emergency 999");
        check("+44 0999", "Emergency 999");
        check("111", "Short 111");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        check("", "Empty");
        check("  ", "Empty");
        check("+", "Empty");
        check("0800 FLOWERS", "Character");
        check("01632960001,,123", "Character");
        check("01632960001;ext=3", "Character");
        check("*21*0900123#", "Character");
        check("+44+1632960001", "Character");
        check("٠١٦٣٢٩٦٠٠٠١", "Character");
        check("960001", "Digits");
        check("0012", "Digits");
        check("+0441632960001", "Digits");
        check("+4412345678901234", "Digits");
        check(&"1".repeat(41), "TooLong");
    }

    #[test]
    fn where_there_is_no_national_prefix_the_zero_is_part_of_the_number() {
        let italy = Numbering {
            country: "39".into(),
            national_prefix: String::new(),
            ..Numbering::uk()
        };
        let n = normalise(&italy, "06 1234567").unwrap();
        assert_eq!(n.number.open(Purpose::Test), "+39061234567");
    }

    #[test]
    fn nothing_that_is_typed_panics() {
        let alphabet: Vec<char> = "0123456789+() -./*#,;te:l٣é\u{a0}".chars().collect();
        let mut s = 1_u64;
        for _ in 0..20_000 {
            let mut text = String::new();
            for _ in 0..(s >> 60) {
                s = s
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                text.push(alphabet[usize::try_from(s >> 33).unwrap() % alphabet.len()]);
            }
            s = s
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            if let Ok(n) = normalise(&Numbering::uk(), &text) {
                // A number that came out goes in again unchanged.
                let again = normalise(&Numbering::uk(), n.number.open(Purpose::Test)).unwrap();
                assert_eq!(again, n, "for {text:?}");
            }
        }
    }
}
