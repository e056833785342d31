//! Dates of birth, as they are said, written and keyed.

use super::words::{month_value, ordinal_value, tens, unit, words};
use jiff::civil::Date;

/// The oldest anybody is taken to be, in years.
const AGE_YEARS_MAX: i16 = 130;

/// The date of birth in `text`, if there is exactly one reading of it that can be one on `today`.
#[must_use]
pub fn parse_date_of_birth(text: &str, today: Date) -> Option<Date> {
    if let Some(iso) = text
        .split_whitespace()
        .find_map(|w| w.trim_matches(|c: char| !c.is_ascii_digit()).parse::<Date>().ok())
    {
        return possible(iso, today);
    }
    let all = words(text);
    by_month_name(&all, today).or_else(|| by_figures(&all, today))
}

/// The date of birth keyed as eight digits: day, month, year.
#[must_use]
pub fn keyed_date_of_birth(digits: &str, today: Date) -> Option<Date> {
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let day = digits.get(..2)?.parse().ok()?;
    let month = digits.get(2..4)?.parse().ok()?;
    let year = digits.get(4..)?.parse().ok()?;
    possible(Date::new(year, month, day).ok()?, today)
}

fn possible(d: Date, today: Date) -> Option<Date> {
    let earliest = today.year().checked_sub(AGE_YEARS_MAX)?;
    (d <= today && d.year() >= earliest).then_some(d)
}

/// `the fourth of May nineteen eighty six`, `May the 4th, 1986`, `4 May 1986`.
fn by_month_name(all: &[String], today: Date) -> Option<Date> {
    let months: Vec<usize> = (0..all.len())
        .filter(|i| month_value(&all[*i]).is_some())
        .collect();
    // "May" is a month, and also how a sentence may begin. The last one that reads as a date counts, so that a
    // correction within one breath is taken.
    months.into_iter().rev().find_map(|m| {
        let month = month_value(&all[m])?;
        if let Some(day) = day_before(all, m) {
            return date(day, month, year_at(all, skip(all, m + 1))?, today);
        }
        let at = skip(all, m + 1);
        // "May nineteen eighty six" has no day: nineteen is the century's.
        let word = |i: usize| all.get(i).map(String::as_str).unwrap_or_default();
        let is_century = matches!(word(at), "eighteen" | "nineteen" | "twenty");
        if is_century && ordinal_value(word(at + 1)).is_none() {
            return None;
        }
        let (day, after) = day_at(all, at)?;
        date(day, month, year_at(all, skip(all, after))?, today)
    })
}

fn date(day: u32, month: i8, year: i16, today: Date) -> Option<Date> {
    possible(Date::new(year, month, i8::try_from(day).ok()?).ok()?, today)
}

/// Passes over the words that join a date's parts.
fn skip(all: &[String], mut i: usize) -> usize {
    while all
        .get(i)
        .is_some_and(|w| matches!(w.as_str(), "the" | "of" | "in" | "um" | "er" | "erm" | "year"))
    {
        i += 1;
    }
    i
}

/// The day whose last word comes before word `m`: `fourth of`, `twenty first of`, `4`.
fn day_before(all: &[String], m: usize) -> Option<u32> {
    let mut last = m;
    while last > 0 && matches!(all[last - 1].as_str(), "of" | "the" | "um" | "er") {
        last -= 1;
    }
    let last = last.checked_sub(1)?;
    let (from_two, after_two) = last.checked_sub(1).and_then(|i| day_at(all, i)).unwrap_or((0, 0));
    if after_two == last + 1 && from_two > 0 {
        return Some(from_two);
    }
    let (day, after) = day_at(all, last)?;
    (after == last + 1).then_some(day)
}

/// The day that begins at word `i`, and the word after it.
fn day_at(all: &[String], i: usize) -> Option<(u32, usize)> {
    let word = all.get(i)?.as_str();
    let (day, after) = if let Some(t) = tens(word).filter(|t| *t <= 30) {
        let next = all.get(i + 1).map(String::as_str).unwrap_or_default();
        match ordinal_value(next)
            .or_else(|| unit(next))
            .filter(|u| (1..10).contains(u))
        {
            Some(u) => (t + u, i + 2),
            None => (t, i + 1),
        }
    } else if let Some(o) = ordinal_value(word) {
        (o, i + 1)
    } else if let Ok(n) = word.parse::<u32>() {
        (n, i + 1)
    } else {
        (unit(word)?, i + 1)
    };
    (1..=31).contains(&day).then_some((day, after))
}

/// The year that begins at word `i`: `1986`, `nineteen eighty six`, `nineteen oh five`, `two thousand and six`,
/// `twenty fourteen`, `eighty six`.
fn year_at(all: &[String], i: usize) -> Option<i16> {
    let w = |n: usize| all.get(i + n).map(String::as_str).unwrap_or_default();
    if let Ok(n) = w(0).parse::<i16>() {
        return match (w(0).len(), w(1).parse::<i16>()) {
            (4, _) => Some(n),
            (2, Ok(rest)) if w(1).len() == 2 && (n == 19 || n == 20) => Some(n * 100 + rest),
            (2, _) => two_digit_year(n),
            _ => None,
        };
    }
    if w(0) == "two" && w(1) == "thousand" {
        let at = if w(2) == "and" { 3 } else { 2 };
        let rest = below_hundred(all, i + at).unwrap_or(0);
        return i16::try_from(2000 + rest).ok();
    }
    let century = match w(0) {
        "nineteen" => Some(1900),
        "twenty" => Some(2000),
        "eighteen" => Some(1800),
        _ => None,
    };
    if let Some(c) = century {
        if w(1) == "hundred" {
            let at = if w(2) == "and" { 3 } else { 2 };
            return i16::try_from(c + below_hundred(all, i + at).unwrap_or(0)).ok();
        }
        if matches!(w(1), "oh" | "o" | "zero" | "nought") {
            return i16::try_from(c + unit(w(2)).filter(|u| *u < 10)?).ok();
        }
        if let Some(rest) = below_hundred(all, i + 1).filter(|r| *r >= 10) {
            return i16::try_from(c + rest).ok();
        }
        // Digit by digit is not how years are said; "twenty" alone could be 1920 or 2020.
        return None;
    }
    // "one nine eight six"
    let digits: Option<Vec<u32>> = (0..4).map(|n| unit(w(n)).filter(|u| *u < 10)).collect();
    if let Some(d) = digits.filter(|d| d[0] == 1 || d[0] == 2) {
        return i16::try_from(d.iter().fold(0, |n, d| n * 10 + d)).ok();
    }
    two_digit_year(i16::try_from(below_hundred(all, i).filter(|n| *n >= 10)?).ok()?)
}

/// A year said with two digits. Without the century only those that cannot be of this one are taken.
const fn two_digit_year(n: i16) -> Option<i16> {
    if n >= 30 && n < 100 { Some(1900 + n) } else { None }
}

fn below_hundred(all: &[String], i: usize) -> Option<u32> {
    let w = all.get(i)?.as_str();
    if let Some(t) = tens(w) {
        let u = all
            .get(i + 1)
            .and_then(|w| unit(w))
            .filter(|u| (1..10).contains(u));
        return Some(t + u.unwrap_or(0));
    }
    unit(w).or_else(|| w.parse().ok()).filter(|n| *n < 100)
}

/// `04/05/1986`, `4.5.86`, `four five nineteen eighty six`: day, month, year.
fn by_figures(all: &[String], today: Date) -> Option<Date> {
    (0..all.len()).find_map(|i| {
        if all[i].len() == 8 && all[i].bytes().all(|b| b.is_ascii_digit()) {
            return keyed_date_of_birth(&all[i], today);
        }
        let (day, at) = figure_at(all, i, 31)?;
        let (month, at) = figure_at(all, at, 12)?;
        let year = year_at(all, skip(all, at))?;
        date(day, i8::try_from(month).ok()?, year, today)
    })
}

fn figure_at(all: &[String], i: usize, max: u32) -> Option<(u32, usize)> {
    // "oh four" is four.
    let at = if all
        .get(i)
        .is_some_and(|w| matches!(w.as_str(), "oh" | "o" | "zero"))
    {
        i + 1
    } else {
        i
    };
    let i = skip(all, at);
    let (n, at) = day_at(all, i)?;
    (n <= max).then_some((n, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn today() -> Date {
        "2026-11-21".parse().unwrap()
    }

    #[track_caller]
    fn check(said: &str, want: &str) {
        let got = parse_date_of_birth(said, today()).map(|d| d.to_string());
        assert_eq!(got.as_deref(), (!want.is_empty()).then_some(want), "{said}");
    }

    #[test]
    fn dates_as_they_are_said() {
        check(
            "My date of birth is the fourth of May nineteen eighty six.",
            "1986-05-04",
        );
        check("the eighteenth of February nineteen thirty seven", "1937-02-18");
        check("May the fourth nineteen eighty six", "1986-05-04");
        check("twenty first of March two thousand and six", "2006-03-21");
        check("thirty first of January two thousand", "2000-01-31");
        check("February the twenty ninth twenty twenty four", "2024-02-29");
        check("third June nineteen oh five", "1905-06-03");
        check("the tenth of December twenty fourteen", "2014-12-10");
        check("I was born on the thirtieth of April eighty six", "1986-04-30");
        check("four five nineteen eighty six", "1986-05-04");
        check("oh four oh five nineteen eighty six", "1986-05-04");
    }

    #[test]
    fn dates_as_they_are_written() {
        for said in [
            "4 May 1986",
            "4th of May, 1986.",
            "04/05/1986",
            "4.5.1986",
            "It's 4-5-86",
            "1986-05-04",
            "May 4, 1986",
            "May 4th 1986",
            "04051986",
            "04 05 19 86",
        ] {
            check(said, "1986-05-04");
        }
    }

    #[test]
    fn what_cannot_be_a_date_of_birth() {
        for said in [
            "",
            "the thirty first of February nineteen eighty",
            "the fourth of May twenty ninety",
            "the fourth of May eighteen fifty",
            "the fourth of May",
            "may I speak to somebody",
            "21/11/2027",
            "32/01/1980",
            "nineteen eighty six",
            "of May nineteen eighty six",
            "the fourth of June, no, of May, nineteen eighty six",
            "4/5/20",
        ] {
            check(said, "");
        }
    }

    #[test]
    fn keyed_digits() {
        let key = |d: &str| keyed_date_of_birth(d, today()).map(|d| d.to_string());
        assert_eq!(key("04051986").as_deref(), Some("1986-05-04"));
        assert_eq!(key("31021986"), None);
        assert_eq!(key("040586"), None);
        assert_eq!(key("22112026"), None);
        assert_eq!(key("21112026").as_deref(), Some("2026-11-21"));
        assert_eq!(key("01011896").as_deref(), Some("1896-01-01"));
        assert_eq!(key("01011895"), None);
    }
}
