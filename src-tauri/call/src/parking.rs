//! The slots in which callers wait for whoever fetches them.
//!
//! A slot is reserved here before a call is parked in it, and given back when the call says so (`FreeSlot`). The wait
//! itself, its music and its time-out are the call's own.

use anteroom_types::CallId;
use std::collections::{BTreeMap, VecDeque};

/// Slots a lot may have.
pub const SLOTS_MAX: u16 = 100;

/// Why a call cannot be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ParkError {
    /// Every slot is taken.
    #[error("every slot is taken")]
    Full,
    /// The call is in a slot already.
    #[error("the call is parked at {0} already")]
    Already(u16),
    /// The slot asked for is taken.
    #[error("slot {0} is taken")]
    Taken(u16),
    /// There is no such slot.
    #[error("there is no slot {0}")]
    NoSuchSlot(u16),
}

impl anteroom_types::UserFacing for ParkError {
    fn code(&self) -> anteroom_types::ErrorCode {
        match self {
            Self::Full => "parking.full",
            Self::Already(_) => "parking.already",
            Self::Taken(_) => "parking.taken",
            Self::NoSuchSlot(_) => "parking.no_such_slot",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Full => "Put the caller on hold instead, or fetch somebody who is parked.".to_owned(),
            Self::Already(_) => "Fetch the caller from there.".to_owned(),
            Self::Taken(_) => "Choose another slot.".to_owned(),
            Self::NoSuchSlot(_) => "Choose one of the slots on the screen.".to_owned(),
        }
    }
}

/// The lot.
#[derive(Debug, Clone)]
pub struct ParkingLot {
    /// Free slots, the one that was free for the longest time first: a number just called out across the room does
    /// not soon mean somebody else.
    free: VecDeque<u16>,
    parked: BTreeMap<u16, CallId>,
}

impl ParkingLot {
    /// A lot with `slots` slots, numbered from `first`; at most [`SLOTS_MAX`].
    #[must_use]
    pub fn new(first: u16, slots: u16) -> Self {
        let slots = slots.min(SLOTS_MAX);
        Self {
            free: (first..first.saturating_add(slots)).collect(),
            parked: BTreeMap::new(),
        }
    }

    /// Reserves a slot: the one asked for, or the one that was free for the longest time.
    ///
    /// # Errors
    /// [`ParkError`] when there is none.
    pub fn reserve(&mut self, call: CallId, wanted: Option<u16>) -> Result<u16, ParkError> {
        if let Some(slot) = self.slot_of(call) {
            return Err(ParkError::Already(slot));
        }
        let slot = match wanted {
            None => self.free.pop_front().ok_or(ParkError::Full)?,
            Some(w) if self.parked.contains_key(&w) => return Err(ParkError::Taken(w)),
            Some(w) => {
                let i = self.free.iter().position(|s| *s == w);
                i.and_then(|i| self.free.remove(i))
                    .ok_or(ParkError::NoSuchSlot(w))?
            }
        };
        self.parked.insert(slot, call);
        Ok(slot)
    }

    /// Gives a slot back, if this call has it.
    pub fn release(&mut self, slot: u16, call: CallId) {
        if self.parked.get(&slot) == Some(&call) {
            self.parked.remove(&slot);
            self.free.push_back(slot);
        }
    }

    /// A call is over: whatever slot it had is free.
    pub fn release_call(&mut self, call: CallId) {
        if let Some(slot) = self.slot_of(call) {
            self.release(slot, call);
        }
    }

    /// Whether there is such a slot, taken or not.
    #[must_use]
    pub fn has(&self, slot: u16) -> bool {
        self.parked.contains_key(&slot) || self.free.contains(&slot)
    }

    /// Who waits in a slot.
    #[must_use]
    pub fn at(&self, slot: u16) -> Option<CallId> {
        self.parked.get(&slot).copied()
    }

    /// In which slot a call waits.
    #[must_use]
    pub fn slot_of(&self, call: CallId) -> Option<u16> {
        self.parked.iter().find(|(_, c)| **c == call).map(|(s, _)| *s)
    }

    /// All who wait, by slot.
    pub fn parked(&self) -> impl Iterator<Item = (u16, CallId)> {
        self.parked.iter().map(|(s, c)| (*s, *c))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(n: u128) -> CallId {
        CallId::from_u128(n)
    }

    #[test]
    fn a_slot_is_not_given_to_somebody_else_while_there_are_others() {
        let mut lot = ParkingLot::new(1, 3);
        assert_eq!(lot.reserve(call(1), None), Ok(1));
        assert_eq!(lot.reserve(call(1), None), Err(ParkError::Already(1)));
        lot.release(1, call(1));
        assert_eq!(lot.reserve(call(2), None), Ok(2));
        assert_eq!(lot.reserve(call(3), None), Ok(3));
        assert_eq!(lot.reserve(call(4), None), Ok(1));
        assert_eq!(lot.reserve(call(5), None), Err(ParkError::Full));
        assert_eq!(lot.at(3), Some(call(3)));
    }

    #[test]
    fn a_slot_can_be_asked_for_and_is_given_back_by_its_own_call_only() {
        let mut lot = ParkingLot::new(70, 2);
        assert_eq!(lot.reserve(call(1), Some(71)), Ok(71));
        assert_eq!(lot.reserve(call(2), Some(71)), Err(ParkError::Taken(71)));
        assert_eq!(lot.reserve(call(2), Some(9)), Err(ParkError::NoSuchSlot(9)));
        lot.release(71, call(2));
        assert_eq!(lot.at(71), Some(call(1)));
        lot.release_call(call(1));
        assert_eq!(lot.slot_of(call(1)), None);
        assert_eq!(lot.parked().count(), 0);
    }
}
