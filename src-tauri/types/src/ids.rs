//! Identifiers. Random ones are ULIDs, so that they sort by creation; both time and randomness are arguments.

use crate::time::Wall;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! ulid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Makes an id from the wall clock and 80 bits of `random` (the rest is ignored).
            #[must_use]
            pub fn new(at: Wall, random: u128) -> Self {
                let ms = u64::try_from(at.0).unwrap_or(0);
                Self(ulid::Ulid::from_parts(ms, random).0)
            }
            /// The 128 bits of the id.
            #[must_use]
            pub const fn to_u128(self) -> u128 {
                self.0
            }
            /// The id with these 128 bits.
            #[must_use]
            pub const fn from_u128(bits: u128) -> Self {
                Self(bits)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                ulid::Ulid(self.0).fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = BadId;
            fn from_str(s: &str) -> Result<Self, BadId> {
                ulid::Ulid::from_string(s).map(|u| Self(u.0)).map_err(|_| BadId)
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "description": "A ULID: 26 characters of Crockford base 32.",
                    "pattern": "^[0-9A-HJKMNP-TV-Z]{26}$"
                })
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let s = String::deserialize(d)?;
                s.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// An id that is not 26 characters of Crockford base 32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: 26 characters of digits and capital letters are expected")]
pub struct BadId;

ulid_id! {
    /// One telephone call, from the first INVITE to the last record of it.
    CallId
}
ulid_id! {
    /// One leg of a call: one SIP dialog or WebRTC session.
    LegId
}
ulid_id! {
    /// A task somebody owns: a callback, an appointment request.
    TaskId
}
ulid_id! {
    /// Joins log lines, errors and records of one call or request.
    TraceId
}

/// The number of a turn within its call, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct TurnId(pub u32);

/// The number of something said to the caller within its call, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct SayId(pub u32);

/// The stable name of a knowledge entry, chosen by the clinic, e.g. `opening-hours`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EntryId(String);

#[cfg(feature = "schema")]
impl schemars::JsonSchema for EntryId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "EntryId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "The stable name of a knowledge entry.",
            "pattern": "^[a-z0-9-]{1,64}$"
        })
    }
}

impl EntryId {
    /// Checks the name: 1 to 64 of `a`-`z`, `0`-`9` and `-`.
    ///
    /// # Errors
    /// When the name is empty, too long or has another character.
    pub fn new(s: impl Into<String>) -> Result<Self, BadEntryId> {
        let s = s.into();
        let ok = (1..=crate::limits::ENTRY_ID_BYTES_MAX).contains(&s.len())
            && s.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if ok {
            Ok(Self(s))
        } else {
            Err(BadEntryId(s.chars().take(80).collect()))
        }
    }
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for EntryId {
    type Error = BadEntryId;
    fn try_from(s: String) -> Result<Self, BadEntryId> {
        Self::new(s)
    }
}

impl From<EntryId> for String {
    fn from(id: EntryId) -> Self {
        id.0
    }
}

/// A name that cannot be an entry's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' cannot be an entry id: use 1 to 64 small letters, digits and hyphens, like opening-hours")]
pub struct BadEntryId(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_round_trip() {
        let a = CallId::new(Wall(1_000), 7);
        let b = CallId::new(Wall(2_000), 3);
        assert!(a < b && a.to_string() < b.to_string());
        assert_eq!(a.to_string().parse::<CallId>(), Ok(a));
        assert_eq!("x".parse::<CallId>(), Err(BadId));
    }

    #[test]
    fn entry_ids_are_checked() {
        assert!(EntryId::new("opening-hours").is_ok());
        for bad in ["", "Opening", "a b", "../x", &"a".repeat(65)] {
            assert!(EntryId::new(bad).is_err(), "{bad}");
        }
    }
}
