//! Numbers and dates in words, both ways, in English.

use jiff::civil::Date;

pub(crate) const UNITS: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
pub(crate) const TENS: [&str; 10] = [
    "", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
];
const ORDINALS: [&str; 20] = [
    "zeroth",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
];
/// The months in English, January first.
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The words of a text in small letters, punctuation gone. Apostrophes stay inside a word, and so does a `+` before
/// a number; `/` and `.` between digits and hyphens part words.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let lower = text.to_lowercase().replace('\u{2019}', "'");
    for c in lower.chars().take(anteroom_types::limits::TURN_CHARS_MAX) {
        if c.is_alphanumeric() || c == '\'' {
            word.push(c);
        } else {
            if !word.is_empty() {
                out.push(std::mem::take(&mut word));
            }
            if c == '+' {
                out.push("plus".to_owned());
            }
        }
    }
    if !word.is_empty() {
        out.push(word);
    }
    out
}

/// A number below a million in words.
#[must_use]
pub fn cardinal(n: u32) -> String {
    let small = |n: u32| UNITS.get(n as usize).copied().unwrap_or("");
    match n {
        0..20 => small(n).to_owned(),
        20..100 => {
            let tens = TENS[(n / 10) as usize];
            if n.is_multiple_of(10) {
                tens.to_owned()
            } else {
                format!("{tens} {}", small(n % 10))
            }
        }
        100..1000 => join_and(&format!("{} hundred", small(n / 100)), n % 100),
        _ => {
            let head = format!("{} thousand", cardinal(n / 1000));
            let rest = n % 1000;
            if rest >= 100 {
                format!("{head} {}", cardinal(rest))
            } else {
                join_and(&head, rest)
            }
        }
    }
}

fn join_and(head: &str, rest: u32) -> String {
    if rest == 0 {
        head.to_owned()
    } else {
        format!("{head} and {}", cardinal(rest))
    }
}

/// The day of the month in words: `twenty first`.
#[must_use]
pub fn ordinal(n: u32) -> String {
    match n {
        0..20 => ORDINALS[n as usize].to_owned(),
        20..100 if n.is_multiple_of(10) => TENS[(n / 10) as usize].trim_end_matches('y').to_owned() + "ieth",
        20..100 => format!("{} {}", TENS[(n / 10) as usize], ORDINALS[(n % 10) as usize]),
        _ => cardinal(n),
    }
}

/// `the fourth of May`.
#[must_use]
pub fn spoken_day_month(d: Date) -> String {
    format!(
        "the {} of {}",
        ordinal(u32::from(d.day().unsigned_abs())),
        MONTHS[usize::from(d.month().unsigned_abs()).saturating_sub(1) % 12]
    )
}

/// `the fourth of May nineteen eighty six`.
#[must_use]
pub fn spoken_date(d: Date) -> String {
    format!(
        "{} {}",
        spoken_day_month(d),
        spoken_year(u32::from(d.year().unsigned_abs()))
    )
}

fn spoken_year(y: u32) -> String {
    let (century, rest) = (y / 100, y % 100);
    match (century, rest) {
        (20, 0..10) => cardinal(y),
        (_, 0) => format!("{} hundred", cardinal(century)),
        (_, 1..10) => format!("{} oh {}", cardinal(century), cardinal(rest)),
        _ => format!("{} {}", cardinal(century), cardinal(rest)),
    }
}

/// Digits one by one in words, in the groups given.
#[must_use]
pub fn spoken_groups(groups: &[&str]) -> String {
    groups
        .iter()
        .map(|g| {
            g.chars()
                .map(|c| match c.to_digit(10) {
                    Some(0) => "oh",
                    Some(d) => UNITS[d as usize],
                    None => "plus",
                })
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect::<Vec<_>>()
        .join(", ")
}

/// The value of a word below twenty, `oh` and its like for zero included.
#[must_use]
pub fn unit(word: &str) -> Option<u32> {
    match word {
        "oh" | "o" | "nought" | "naught" | "nil" => return Some(0),
        // What recognisers write for digits.
        "to" | "too" => return None,
        _ => {}
    }
    UNITS
        .iter()
        .position(|u| *u == word)
        .and_then(|i| u32::try_from(i).ok())
}

/// The value of `twenty` to `ninety`.
#[must_use]
pub fn tens(word: &str) -> Option<u32> {
    let word = if word == "fourty" { "forty" } else { word };
    TENS.iter()
        .position(|t| !t.is_empty() && *t == word)
        .and_then(|i| u32::try_from(i * 10).ok())
}

/// The value of an ordinal below twenty or of a whole ten: `fourth`, `twentieth`, `4th`.
#[must_use]
pub fn ordinal_value(word: &str) -> Option<u32> {
    if let Some(digits) = ["st", "nd", "rd", "th"].iter().find_map(|s| word.strip_suffix(s))
        && !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
    {
        return digits.parse().ok();
    }
    match word {
        "twentieth" => Some(20),
        "thirtieth" => Some(30),
        _ => ORDINALS
            .iter()
            .position(|o| *o == word)
            .and_then(|i| u32::try_from(i).ok()),
    }
}

/// The month, 1 to 12, by its name or its first three letters.
#[must_use]
pub fn month_value(word: &str) -> Option<i8> {
    if word.len() < 3 {
        return None;
    }
    MONTHS
        .iter()
        .position(|m| {
            let m = m.to_lowercase();
            m == word || (word.len() == 3 && m.starts_with(word)) || (word == "sept" && m == "september")
        })
        .and_then(|i| i8::try_from(i + 1).ok())
}

/// The digits that a run of words dictates, and how many words of it were digits. Stops at the first word that is
/// neither; `and` and hesitations are passed over.
#[must_use]
pub fn dictated(run: &[String]) -> (String, usize) {
    let mut out = String::new();
    let mut i = 0;
    let mut used = 0;
    while let Some(word) = run.get(i) {
        let word = word.as_str();
        let times = match word {
            "double" => 2,
            "triple" | "treble" => 3,
            _ => 1,
        };
        if times > 1 {
            let Some(d) = run.get(i + 1).and_then(|w| one_digit(w)) else {
                break;
            };
            out.extend(std::iter::repeat_n(d, times));
            i += 2;
        } else if word == "plus" && out.is_empty() {
            out.push('+');
            i += 1;
        } else if word.bytes().all(|b| b.is_ascii_digit()) {
            out.push_str(word);
            i += 1;
        } else if let Some(t) = tens(word) {
            match run
                .get(i + 1)
                .and_then(|w| unit(w))
                .filter(|u| (1..10).contains(u))
            {
                // "twenty one" is 21, but "twenty oh" is 20 and then 0.
                Some(u) => {
                    out.push_str(&(t + u).to_string());
                    i += 2;
                }
                None => {
                    out.push_str(&t.to_string());
                    i += 1;
                }
            }
        } else if let Some(u) = unit(word) {
            out.push_str(&u.to_string());
            i += 1;
            // "eight hundred", as in oh eight hundred.
            if u < 10 && run.get(i).is_some_and(|w| w == "hundred") {
                out.push_str("00");
                i += 1;
            }
        } else if !out.is_empty() && matches!(word, "and" | "um" | "er" | "erm" | "uh" | "then" | "that's") {
            i += 1;
            continue;
        } else {
            break;
        }
        used = i;
        if out.len() > anteroom_types::limits::DTMF_DIGITS_MAX {
            break;
        }
    }
    (out, used)
}

fn one_digit(word: &str) -> Option<char> {
    if word.len() == 1 && word.bytes().all(|b| b.is_ascii_digit()) {
        return word.chars().next();
    }
    unit(word).and_then(|u| char::from_digit(u, 10))
}

/// The longest run of dictated digits anywhere in `all`.
#[must_use]
pub fn longest_dictated(all: &[String]) -> String {
    let mut best = String::new();
    let mut i = 0;
    while i < all.len() {
        let (digits, used) = dictated(&all[i..]);
        if digits.len() > best.len() {
            best = digits;
        }
        i += used.max(1);
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(said: &str, digits: &str) {
        assert_eq!(longest_dictated(&words(said)), digits, "{said}");
    }

    #[test]
    fn dictated_digits() {
        check(
            "oh seven seven double oh nine double oh one four two",
            "07700900142",
        );
        check(
            "My number is oh seven seven, double oh nine, double oh one four two.",
            "07700900142",
        );
        check("07700 900142", "07700900142");
        check("It's 07700-900-142.", "07700900142");
        check("plus four four seven seven triple oh", "+4477000");
        check("+44 7700 900142", "+447700900142");
        check("oh eight hundred one one one", "0800111");
        check("oh one six three two, nine sixty, double oh one", "01632960001");
        check("twenty one thirty", "2130");
        check("call me on zero two zero and then seven nine four six", "0207946");
        check("hello there", "");
        check("double", "");
    }

    #[test]
    fn numbers_in_words() {
        assert_eq!(cardinal(0), "zero");
        assert_eq!(cardinal(121), "one hundred and twenty one");
        assert_eq!(cardinal(2006), "two thousand and six");
        assert_eq!(cardinal(1999), "one thousand nine hundred and ninety nine");
        assert_eq!(ordinal(31), "thirty first");
        assert_eq!(ordinal(30), "thirtieth");
        assert_eq!(ordinal(20), "twentieth");
        assert_eq!(ordinal_value("21st"), Some(21));
        assert_eq!(ordinal_value("th"), None);
        assert_eq!(month_value("sept"), Some(9));
        assert_eq!(month_value("ma"), None);
    }

    #[test]
    fn dates_in_words() {
        for (d, said) in [
            ("1986-05-04", "the fourth of May nineteen eighty six"),
            ("2000-01-31", "the thirty first of January two thousand"),
            ("1905-12-01", "the first of December nineteen oh five"),
            ("2014-02-20", "the twentieth of February twenty fourteen"),
        ] {
            assert_eq!(spoken_date(d.parse().unwrap()), said);
        }
    }
}
