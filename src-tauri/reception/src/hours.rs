//! When the clinic is open, as data, and how that is said.

use crate::data::line_of;
use anteroom_types::{ErrorCode, UserFacing};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::{ToSpan, Zoned};
use serde::Deserialize;

/// Holidays one file may name.
const HOLIDAYS_MAX: usize = 500;
/// Opening times one day may have.
const RANGES_MAX: usize = 6;
/// How many days ahead the next opening is looked for.
const AHEAD_DAYS: i32 = 366;

/// One stretch of a day, `opens` included, `closes` not. Midnight at the end of the day is 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// Minutes after midnight.
    pub opens: u16,
    /// Minutes after midnight, at most 1440.
    pub closes: u16,
}

/// A date or several on which other times than the week's apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holiday {
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
    /// When it is open all the same.
    pub open: Vec<Range>,
    /// What it is, as it is said: `Christmas Day`.
    pub note: String,
}

/// The clinic's opening hours.
#[derive(Debug, Clone, PartialEq)]
pub struct OpeningHours {
    version: String,
    zone_name: String,
    zone: jiff::tz::TimeZone,
    week: [Vec<Range>; 7],
    holidays: Vec<Holiday>,
}

/// Whether the clinic is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It is.
    Open {
        /// Until then.
        closes: DateTime,
    },
    /// It is not.
    Closed {
        /// When it opens next, if it does within a year.
        opens_next: Option<DateTime>,
        /// The holiday's note, if that is why.
        reason: Option<String>,
    },
}

/// An hours file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("opening hours, line {line}: {message}")]
pub struct HoursError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

impl UserFacing for HoursError {
    fn code(&self) -> ErrorCode {
        "hours.invalid"
    }
    fn hint(&self) -> String {
        format!(
            "Correct line {} of the opening hours: times are written like \"08:30-12:00\", dates like \"2026-12-25\".",
            self.line
        )
    }
}

type Spanned<T> = toml::Spanned<T>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    time_zone: Spanned<String>,
    week: Week,
    #[serde(default)]
    holiday: Vec<HolidayFile>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Week {
    monday: Vec<Spanned<String>>,
    tuesday: Vec<Spanned<String>>,
    wednesday: Vec<Spanned<String>>,
    thursday: Vec<Spanned<String>>,
    friday: Vec<Spanned<String>>,
    saturday: Vec<Spanned<String>>,
    sunday: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayFile {
    date: Option<Spanned<String>>,
    from: Option<Spanned<String>>,
    to: Option<Spanned<String>>,
    #[serde(default)]
    open: Vec<Spanned<String>>,
    note: Spanned<String>,
}

impl OpeningHours {
    /// Reads an hours file.
    ///
    /// # Errors
    /// When it does not parse, or a time, date or zone in it makes no sense; the error names the line.
    pub fn parse(text: &str) -> Result<Self, HoursError> {
        let file: File = toml::from_str(text).map_err(|e| HoursError {
            line: line_of(text, e.span().map_or(0, |s| s.start)),
            message: e.message().to_owned(),
        })?;
        let at = |s: &Spanned<String>, message: String| HoursError {
            line: line_of(text, s.span().start),
            message,
        };
        let zone = jiff::tz::TimeZone::get(file.time_zone.get_ref()).map_err(|_| {
            at(
                &file.time_zone,
                format!("'{}' is not a time zone", file.time_zone.get_ref()),
            )
        })?;
        let ranges = |list: &[Spanned<String>]| -> Result<Vec<Range>, HoursError> {
            let mut out: Vec<Range> = Vec::new();
            for s in list {
                let r = parse_range(s.get_ref()).map_err(|m| at(s, m))?;
                if out.last().is_some_and(|last| r.opens < last.closes) {
                    return Err(at(
                        s,
                        "times of a day must follow one another without overlap".to_owned(),
                    ));
                }
                if out.len() == RANGES_MAX {
                    return Err(at(s, format!("a day has at most {RANGES_MAX} opening times")));
                }
                out.push(r);
            }
            Ok(out)
        };
        let w = &file.week;
        let week = [
            ranges(&w.monday)?,
            ranges(&w.tuesday)?,
            ranges(&w.wednesday)?,
            ranges(&w.thursday)?,
            ranges(&w.friday)?,
            ranges(&w.saturday)?,
            ranges(&w.sunday)?,
        ];
        let mut holidays = Vec::new();
        for h in &file.holiday {
            let day = |s: &Spanned<String>| {
                s.get_ref()
                    .parse::<Date>()
                    .map_err(|_| at(s, format!("'{}' is not a date", s.get_ref())))
            };
            let (from, to) = match (&h.date, &h.from, &h.to) {
                (Some(d), None, None) => (day(d)?, day(d)?),
                (None, Some(f), Some(t)) => (day(f)?, day(t)?),
                _ => {
                    return Err(at(
                        &h.note,
                        "a holiday has either date, or from and to".to_owned(),
                    ));
                }
            };
            if to < from {
                return Err(at(&h.note, "the holiday ends before it begins".to_owned()));
            }
            if holidays.len() == HOLIDAYS_MAX {
                return Err(at(&h.note, format!("at most {HOLIDAYS_MAX} holidays are kept")));
            }
            holidays.push(Holiday {
                from,
                to,
                open: ranges(&h.open)?,
                note: h.note.get_ref().clone(),
            });
        }
        Ok(Self {
            version: file.version,
            zone_name: file.time_zone.into_inner(),
            zone,
            week,
            holidays,
        })
    }

    /// The file's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Name of the clinic's time zone.
    #[must_use]
    pub fn time_zone(&self) -> &str {
        &self.zone_name
    }

    /// The clinic's local time at `at`: what [`OpeningHours::status_at`] wants.
    #[must_use]
    pub fn local(&self, at: &Zoned) -> DateTime {
        at.with_time_zone(self.zone.clone()).datetime()
    }

    /// The opening times of `date`, with the note of the holiday that changes them.
    #[must_use]
    pub fn on(&self, date: Date) -> (&[Range], Option<&str>) {
        match self.holidays.iter().find(|h| h.from <= date && date <= h.to) {
            Some(h) => (&h.open, Some(&h.note)),
            None => (&self.week[date.weekday().to_monday_zero_offset() as usize], None),
        }
    }

    /// Whether the clinic is open at local time `at`.
    #[must_use]
    pub fn status_at(&self, at: DateTime) -> Status {
        let minute = minute_of(at.time());
        let (ranges, note) = self.on(at.date());
        if let Some(r) = ranges.iter().find(|r| r.opens <= minute && minute < r.closes) {
            return Status::Open {
                closes: at_minute(at.date(), r.closes),
            };
        }
        let today = ranges.iter().find(|r| r.opens > minute);
        let opens_next = match today {
            Some(r) => Some(at_minute(at.date(), r.opens)),
            None => (1..=AHEAD_DAYS).find_map(|n| {
                let date = at.date().checked_add(n.days()).ok()?;
                self.on(date).0.first().map(|r| at_minute(date, r.opens))
            }),
        };
        Status::Closed {
            opens_next,
            reason: note.map(str::to_owned),
        }
    }

    /// The state at local time `at` in a sentence or two of English.
    #[must_use]
    pub fn spoken_status(&self, at: DateTime) -> String {
        match self.status_at(at) {
            Status::Open { closes } if closes.date() == at.date() => {
                format!("We are open today until {}.", spoken_time(closes.time()))
            }
            Status::Open { .. } => "We are open today until midnight.".to_owned(),
            Status::Closed { opens_next, reason } => {
                let why = reason.map_or_else(String::new, |r| format!(" for {r}"));
                match opens_next {
                    Some(next) => format!("We are closed{why} now. We open {}.", spoken_when(at, next)),
                    None => format!("We are closed{why} now."),
                }
            }
        }
    }

    /// The week's hours in English, days with the same hours together.
    #[must_use]
    pub fn spoken_week(&self) -> String {
        let mut groups: Vec<(usize, usize)> = Vec::new();
        for day in 0..7 {
            match groups.last_mut() {
                Some((_, last)) if self.week[*last] == self.week[day] => *last = day,
                _ => groups.push((day, day)),
            }
        }
        let parts: Vec<String> = groups
            .into_iter()
            .map(|(a, b)| {
                let days = match b - a {
                    0 => format!("on {}", DAYS[a]),
                    1 => format!("on {} and {}", DAYS[a], DAYS[b]),
                    _ => format!("from {} to {}", DAYS[a], DAYS[b]),
                };
                let ranges = &self.week[a];
                if ranges.is_empty() {
                    return format!("{days} we are closed");
                }
                let times: Vec<String> = ranges
                    .iter()
                    .map(|r| format!("from {} to {}", spoken_minute(r.opens), spoken_minute(r.closes)))
                    .collect();
                format!("{days} we are open {}", times.join(" and "))
            })
            .collect();
        let mut text = parts.join("; ");
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        text + "."
    }
}

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

fn parse_range(s: &str) -> Result<Range, String> {
    let wrong = || format!("'{s}' is not a time from and to, like 08:30-12:00");
    let (a, b) = s.split_once('-').ok_or_else(wrong)?;
    let minute = |t: &str| -> Option<u16> {
        let (h, m) = t.trim().split_once(':')?;
        let two =
            |x: &str| (x.len() == 2 && x.bytes().all(|b| b.is_ascii_digit())).then(|| x.parse::<u16>().ok());
        let (h, m) = (two(h)??, two(m)??);
        (m < 60 && (h < 24 || (h == 24 && m == 0))).then_some(h * 60 + m)
    };
    let (opens, closes) = (minute(a).ok_or_else(wrong)?, minute(b).ok_or_else(wrong)?);
    if opens >= closes {
        return Err(format!(
            "'{s}' ends before it begins; split a range that passes midnight at 24:00"
        ));
    }
    Ok(Range { opens, closes })
}

fn minute_of(t: Time) -> u16 {
    t.hour().unsigned_abs() as u16 * 60 + t.minute().unsigned_abs() as u16
}

fn at_minute(date: Date, minute: u16) -> DateTime {
    let start = date.to_datetime(Time::midnight());
    start.checked_add(i64::from(minute).minutes()).unwrap_or(start)
}

const HOURS: [&str; 12] = [
    "twelve", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
];

/// A time as it is said in British English: `half past six`, `quarter to nine`, `midday`.
#[must_use]
pub fn spoken_time(t: Time) -> String {
    spoken_minute(minute_of(t))
}

fn spoken_minute(minute: u16) -> String {
    let (h, m) = (usize::from(minute / 60) % 24, minute % 60);
    let hour = HOURS[h % 12];
    let next = HOURS[(h + 1) % 12];
    match (h, m) {
        (0, 0) => "midnight".to_owned(),
        (12, 0) => "midday".to_owned(),
        (_, 0) => format!("{hour} {}", part_of_day(h)),
        (_, 15) => format!("quarter past {hour}"),
        (_, 30) => format!("half past {hour}"),
        (_, 45) => format!("quarter to {next}"),
        (_, m) if m < 30 => format!("{} past {hour}", crate::details::words::cardinal(u32::from(m))),
        (_, m) => format!("{} to {next}", crate::details::words::cardinal(u32::from(60 - m))),
    }
}

const fn part_of_day(hour: usize) -> &'static str {
    match hour {
        0..=11 => "in the morning",
        12..=17 => "in the afternoon",
        _ => "in the evening",
    }
}

/// When `next` is, seen from `now`: `today at half past one`, `tomorrow at eight in the morning`, `on Monday at ...`.
#[must_use]
pub fn spoken_when(now: DateTime, next: DateTime) -> String {
    let days = (next.date() - now.date()).get_days();
    let day = match days {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        2..=6 => format!("on {}", weekday_name(next.date().weekday())),
        _ => format!(
            "on {} {}",
            weekday_name(next.date().weekday()),
            crate::details::words::spoken_day_month(next.date())
        ),
    };
    format!("{day} at {}", spoken_time(next.time()))
}

fn weekday_name(w: Weekday) -> &'static str {
    DAYS[w.to_monday_zero_offset() as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../assets/clinic/hours.toml");

    fn hours() -> OpeningHours {
        OpeningHours::parse(SAMPLE).unwrap()
    }
    fn at(s: &str) -> DateTime {
        s.parse().unwrap()
    }

    #[track_caller]
    fn check(when: &str, said: &str) {
        assert_eq!(hours().spoken_status(at(when)), said, "{when}");
    }

    #[test]
    fn says_whether_it_is_open() {
        check("2026-11-23T09:00", "We are open today until half past six.");
        check(
            "2026-11-23T07:00",
            "We are closed now. We open today at half past eight.",
        );
        check(
            "2026-11-23T18:30",
            "We are closed now. We open tomorrow at half past eight.",
        );
        check(
            "2026-11-20T18:30",
            "We are closed now. We open on Monday at half past eight.",
        );
        check(
            "2026-12-25T10:00",
            "We are closed for Christmas Day now. We open on Tuesday at half past eight.",
        );
        check("2026-12-24T10:00", "We are open today until midday.");
    }

    #[test]
    fn says_the_week() {
        assert_eq!(
            hours().spoken_week(),
            "From Monday to Friday we are open from half past eight to half past six; on Saturday and Sunday we are \
             closed."
        );
    }

    #[test]
    fn a_far_opening_is_named_with_its_date() {
        let h = OpeningHours::parse(
            "version='1'\ntime_zone='Europe/London'\n[week]\nmonday=['08:00-12:00']\n\
             [[holiday]]\nfrom='2026-08-01'\nto='2026-08-31'\nnote='the summer'\n",
        )
        .unwrap();
        assert_eq!(
            h.spoken_status(at("2026-08-03T09:00")),
            "We are closed for the summer now. We open on Monday the seventh of September at eight in the morning."
        );
    }

    #[test]
    fn a_clinic_that_never_opens_is_no_endless_search() {
        let h = OpeningHours::parse("version='1'\ntime_zone='UTC'\n[week]\n").unwrap();
        assert_eq!(h.spoken_status(at("2026-08-03T09:00")), "We are closed now.");
        let edge = DateTime::MAX;
        assert!(matches!(
            h.status_at(edge),
            Status::Closed { opens_next: None, .. }
        ));
    }

    #[test]
    fn midnight_ends_a_day() {
        let h = OpeningHours::parse(
            "version='1'\ntime_zone='UTC'\n[week]\nmonday=['20:00-24:00']\ntuesday=['00:00-02:00']\n",
        )
        .unwrap();
        assert!(matches!(h.status_at(at("2026-11-23T23:59")), Status::Open { .. }));
        assert!(matches!(h.status_at(at("2026-11-24T00:00")), Status::Open { .. }));
        assert_eq!(
            h.spoken_status(at("2026-11-23T23:59")),
            "We are open today until midnight."
        );
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        for (m, said) in [
            (8 * 60, "eight in the morning"),
            (8 * 60 + 20, "twenty past eight"),
            (17 * 60 + 45, "quarter to six"),
            (12 * 60 + 45, "quarter to one"),
            (11 * 60 + 35, "twenty five to twelve"),
            (19 * 60, "seven in the evening"),
        ] {
            assert_eq!(spoken_minute(m), said);
        }
    }

    #[test]
    fn errors_point_at_the_line() {
        let base = "version='1'\ntime_zone='Europe/London'\n[week]\n";
        for (rest, line) in [
            ("monday=['8-12']\n", 4),
            ("monday=['12:00-08:00']\n", 4),
            ("monday=['08:00-12:00','11:00-13:00']\n", 4),
            ("mondy=['08:00-12:00']\n", 4),
            ("[[holiday]]\nfrom='2026-01-02'\nto='2026-01-01'\nnote='x'\n", 7),
            ("[[holiday]]\ndate='2026-02-30'\nnote='x'\n", 5),
        ] {
            let e = OpeningHours::parse(&format!("{base}{rest}")).unwrap_err();
            assert_eq!(e.line, line, "{rest}: {e}");
        }
        let e = OpeningHours::parse("version='1'\ntime_zone='Mars'\n[week]\n").unwrap_err();
        assert_eq!(e.line, 2);
    }
}
