//! Telephone numbers, as they are said and keyed.

use super::words::{longest_dictated, spoken_groups, words};

/// The number in `text`, or `None` when what is there cannot be rung: digits, with a leading `+` when it was given
/// with a country.
#[must_use]
pub fn parse_number(text: &str) -> Option<String> {
    check_number(&longest_dictated(&words(text)))
}

/// Checks digits that were keyed or dictated.
///
/// A national number starts with 0 and has 10 or 11 digits (Ofcom, National Telephone Numbering Plan); an
/// international one has 8 to 15 after its `+` or `00` (ITU-T E.164). A local number without its area code is not
/// taken, since it may not reach the caller.
#[must_use]
pub fn check_number(digits: &str) -> Option<String> {
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let international = digits.strip_prefix('+').or_else(|| digits.strip_prefix("00"));
    if let Some(rest) = international {
        let rest = rest.replacen("440", "44", usize::from(rest.starts_with("440")));
        if !all_digits(&rest) || rest.starts_with('0') || !(8..=15).contains(&rest.len()) {
            return None;
        }
        // Our own country is kept the way staff dial it.
        return match rest.strip_prefix("44") {
            Some(national) => (9..=10).contains(&national.len()).then(|| format!("0{national}")),
            None => Some(format!("+{rest}")),
        };
    }
    let ok = digits.starts_with('0') && all_digits(digits) && (10..=11).contains(&digits.len());
    ok.then(|| digits.to_owned())
}

/// Whether digits that were keyed are a whole number, so that no hash need be waited for.
#[must_use]
pub fn is_whole(digits: &str) -> bool {
    digits.len() == 11 && !digits.starts_with("00") && check_number(digits).is_some()
}

/// The number in groups, digit by digit, as it is read back.
#[must_use]
pub fn spoken_number(number: &str) -> String {
    let cut: Vec<usize> = match (number.starts_with('+'), number.starts_with("02"), number.len()) {
        (false, true, 11) => vec![3, 7],
        (false, false, 11) => vec![5, 8],
        (false, _, 10) => vec![5],
        _ => (3..number.len().saturating_sub(1)).step_by(3).collect(),
    };
    let mut groups = Vec::new();
    let mut from = 0;
    for to in cut.into_iter().chain([number.len()]) {
        groups.extend(number.get(from..to));
        from = to;
    }
    spoken_groups(&groups)
}

/// The last three digits, as they are read back when the number itself is not the caller's word.
#[must_use]
pub fn spoken_last_three(number: &str) -> String {
    let from = number.len().saturating_sub(3);
    spoken_groups(&[number.get(from..).unwrap_or("")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, want: &str) {
        assert_eq!(
            parse_number(said).as_deref(),
            (!want.is_empty()).then_some(want),
            "{said}"
        );
    }

    #[test]
    fn numbers_as_they_are_said() {
        check(
            "My number is oh seven seven double oh nine double oh one four two.",
            "07700900142",
        );
        check("07700 900142", "07700900142");
        check(
            "zero two zero seven nine four six oh nine five eight",
            "02079460958",
        );
        check("oh one six three two nine six oh double oh one", "01632960001");
        check(
            "plus four four seven seven double oh nine double oh one four two",
            "07700900142",
        );
        check("+44 (0)7700 900142", "07700900142");
        check("0044 7700 900142", "07700900142");
        check("+49 30 901820", "+4930901820");
    }

    #[test]
    fn numbers_that_cannot_be_rung() {
        for said in [
            "",
            "nine six oh double oh one",
            "oh seven seven double nine double one four two",
            "07700 9001422",
            "+12",
            "plus plus",
            "0000 0000 0000 0000 0000",
            "I do not know",
        ] {
            check(said, "");
        }
    }

    #[test]
    fn read_back_in_groups() {
        assert_eq!(
            spoken_number("07700900142"),
            "oh seven seven oh oh, nine oh oh, one four two"
        );
        assert_eq!(
            spoken_number("02079460958"),
            "oh two oh, seven nine four six, oh nine five eight"
        );
        assert_eq!(
            spoken_number("+4930901820"),
            "plus four nine, three oh nine, oh one eight, two oh"
        );
        assert_eq!(spoken_last_three("07700900142"), "one four two");
        assert_eq!(spoken_last_three(""), "");
    }
}
