//! The details a request needs: how each is understood, checked, read back and corrected.
//!
//! English only, so far: the words for numbers, dates and corrections are in this module, not in data.

mod answer;
mod date;
mod form;
mod free;
mod name;
mod phone;
pub mod words;

pub use answer::{YesNo, yes_no};
pub use date::{keyed_date_of_birth, parse_date_of_birth};
pub use form::{Form, Step};
pub use free::{medicine_in, time_in};
pub use name::parse_name;
pub use phone::{check_number, is_whole, parse_number, spoken_last_three, spoken_number};

use crate::turn::Expectation;
use anteroom_types::Pii;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// One thing to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// The caller's name.
    Name,
    /// A number to ring.
    PhoneNumber,
    /// The date of birth.
    DateOfBirth,
    /// What it is about.
    Reason,
    /// When it would suit.
    PreferredTime,
    /// The medicine.
    Medicine,
    /// A message, as it is.
    Message,
}

impl Detail {
    /// The name in data files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::PhoneNumber => "phone_number",
            Self::DateOfBirth => "date_of_birth",
            Self::Reason => "reason",
            Self::PreferredTime => "preferred_time",
            Self::Medicine => "medicine",
            Self::Message => "message",
        }
    }

    /// The detail of that name; `number` and `phone` are short for the number, `time` for the time.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "name" => Self::Name,
            "phone_number" | "number" | "phone" => Self::PhoneNumber,
            "date_of_birth" | "dob" => Self::DateOfBirth,
            "reason" => Self::Reason,
            "preferred_time" | "time" | "when" => Self::PreferredTime,
            "medicine" => Self::Medicine,
            "message" => Self::Message,
            _ => return None,
        })
    }

    /// What the turn taker should expect while it is asked for.
    #[must_use]
    pub const fn expectation(self) -> Expectation {
        match self {
            Self::Name => Expectation::Name,
            Self::PhoneNumber => Expectation::Number,
            Self::DateOfBirth => Expectation::Date,
            Self::Reason | Self::PreferredTime | Self::Medicine | Self::Message => Expectation::Question,
        }
    }

    /// Whether it has a form that can be checked; the others are taken as they are said.
    #[must_use]
    pub const fn is_checked(self) -> bool {
        matches!(self, Self::Name | Self::PhoneNumber | Self::DateOfBirth)
    }

    /// Whether it can be keyed.
    #[must_use]
    pub const fn is_keyed(self) -> bool {
        matches!(self, Self::PhoneNumber | Self::DateOfBirth)
    }

    /// What it is called in a task's summary.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Name => "Name",
            Self::PhoneNumber => "Number",
            Self::DateOfBirth => "Born",
            Self::Reason => "About",
            Self::PreferredTime => "When",
            Self::Medicine => "Medicine",
            Self::Message => "Message",
        }
    }
}

/// A detail that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Which.
    pub detail: Detail,
    /// As it is kept: a name with capitals, digits, `1986-05-04`, or the words.
    pub kept: Pii<String>,
    /// As it is read back.
    pub spoken: Pii<String>,
}

impl Value {
    fn new(detail: Detail, kept: String, spoken: String) -> Self {
        Self {
            detail,
            kept: Pii::new(kept),
            spoken: Pii::new(spoken),
        }
    }

    /// A telephone number that is known already, if it can be rung.
    #[must_use]
    pub fn number(digits: &str) -> Option<Self> {
        let number = check_number(digits)?;
        let spoken = spoken_number(&number);
        Some(Self::new(Detail::PhoneNumber, number, spoken))
    }

    fn date(d: Date) -> Self {
        Self::new(Detail::DateOfBirth, d.to_string(), words::spoken_date(d))
    }
}

/// What `text` gives for `detail` on the day `today`; `None` when it is not that.
#[must_use]
pub fn parse(detail: Detail, text: &str, today: Date) -> Option<Value> {
    match detail {
        Detail::Name => parse_name(text).map(|n| Value::new(detail, n.clone(), n)),
        Detail::PhoneNumber => parse_number(text).and_then(|n| Value::number(&n)),
        Detail::DateOfBirth => parse_date_of_birth(text, today).map(Value::date),
        Detail::Reason | Detail::PreferredTime | Detail::Medicine | Detail::Message => {
            free::parse_free(detail, text).map(|t| Value::new(detail, t.clone(), t))
        }
    }
}

/// What keyed `digits` give for `detail` on the day `today`.
#[must_use]
pub fn parse_keys(detail: Detail, digits: &str, today: Date) -> Option<Value> {
    match detail {
        Detail::PhoneNumber => Value::number(digits),
        Detail::DateOfBirth => keyed_date_of_birth(digits, today).map(Value::date),
        _ => None,
    }
}
