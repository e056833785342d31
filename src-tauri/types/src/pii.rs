//! Personal data as a type.
//!
//! # Architecture invariant
//!
//! [`Pii`] prints as `[pii]`, has no `Serialize`, and is opened only by naming a [`Purpose`]. What is opened is
//! therefore found by searching for `Purpose::`.

use serde::{Deserialize, Deserializer};
use std::fmt;
use zeroize::Zeroize;

/// Why personal data is opened. There is no purpose for a log, a metric or an error text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To be written to the encrypted store or recording.
    Store,
    /// To be shown to signed-in staff.
    Staff,
    /// To be spoken back to the caller who gave it, or used within the same conversation.
    Conversation,
    /// To place, route or answer the call it belongs to.
    Signalling,
    /// To be handed to the person it is about (subject access) or printed by a command an operator ran on it.
    Operator,
    /// Inside a test.
    Test,
}

/// Personal data. See the module.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Pii<T: Zeroize>(T);

impl<T: Zeroize> Pii<T> {
    /// Marks `value` as personal data.
    pub const fn new(value: T) -> Self {
        Self(value)
    }
    /// Opens the data for `purpose`.
    pub fn open(&self, _purpose: Purpose) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Pii<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[pii]")
    }
}

impl<T: Zeroize> fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[pii]")
    }
}

impl From<&str> for Pii<String> {
    fn from(s: &str) -> Self {
        Self::new(s.to_owned())
    }
}

impl From<String> for Pii<String> {
    fn from(s: String) -> Self {
        Self::new(s)
    }
}

/// What is read becomes personal data at once; there is no way back out but [`Pii::open`].
impl<'de, T: Zeroize + Deserialize<'de>> Deserialize<'de> for Pii<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        T::deserialize(d).map(Self::new)
    }
}

/// Opens every [`Pii`] inside a value for one purpose, giving the same shape over plain strings.
///
/// Implemented by the event vocabulary, which is generic over what its personal strings are.
pub trait OpenPii {
    /// The opened shape.
    type Opened;
    /// Opens for `purpose`.
    fn open_for(&self, purpose: Purpose) -> Self::Opened;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_nothing_of_what_it_holds() {
        let p = Pii::from("Canary Smith");
        assert_eq!(format!("{p} {p:?}"), "[pii] [pii]");
        assert_eq!(p.open(Purpose::Test), "Canary Smith");
    }
}
