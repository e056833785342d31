//! Who can be rung, and where.

use anteroom_types::{LegId, Pii};
use std::fmt;
use std::sync::Arc;

/// A member of staff by the name of their account, e.g. `front-desk`. Not a caller: callers have no name here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(Arc<str>);

impl PersonId {
    /// The person with this account name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }
    /// Whoever answers a number outside, who has no account. Never make a person of the number itself.
    #[must_use]
    pub fn outside() -> Self {
        Self::new("outside")
    }
    /// The account name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a leg is dialled to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A registered contact, by the number the registrar gave it: a desk phone or a browser.
    Contact(u64),
    /// The audio device of the desktop window.
    Desktop,
    /// A telephone number, by a trunk. Already permitted and normalised; see [`crate::dial`].
    Number(Pii<String>),
}

/// One device or number of one person. A person with three devices is three targets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Whose.
    pub who: PersonId,
    /// Where.
    pub at: Address,
}

impl Target {
    /// A registered contact of a person.
    #[must_use]
    pub fn contact(who: &PersonId, contact: u64) -> Self {
        Self {
            who: who.clone(),
            at: Address::Contact(contact),
        }
    }
}

/// Gives the legs of one call their ids: neighbours of a first one, which the composition root draws.
///
/// [`LegId`]s are ULIDs; the 80 random bits of the first make the sequence unique, so a pure machine can name legs.
#[derive(Debug, Clone)]
pub struct LegIds {
    next: u128,
}

impl LegIds {
    /// Ids after `base`. `base` itself is never given out.
    #[must_use]
    pub const fn after(base: LegId) -> Self {
        Self { next: base.to_u128() }
    }

    pub(crate) const fn draw(&mut self) -> LegId {
        self.next = self.next.wrapping_add(1);
        LegId::from_u128(self.next)
    }
}
