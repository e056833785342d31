//! One table of deadlines; setting a timer that is set moves it.

use super::mwi::SubscriptionKey;
use crate::event::ContactId;
use anteroom_types::{LegId, Mono};
use sipx_sip::TransactionKey;
use std::collections::{BTreeMap, HashMap};

/// Timers of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum LegTimer {
    /// Send the 2xx again (RFC 3261 13.3.1.4).
    Resend,
    /// Send the reliable provisional again (RFC 3262 3).
    ResendReliable,
    /// Refresh the session, or give it up (RFC 4028 10).
    Session,
    /// Send the re-INVITE again after glare (RFC 3261 14.1).
    Glare,
    /// Nobody answered the leg.
    Setup,
    /// No final response after CANCEL (RFC 3261 9.1).
    Cancelled,
    /// Nothing at all was heard of where an INVITE went, and there is somewhere else to go.
    Unheard,
}

/// Timers of a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum TrunkTimer {
    /// Register, refresh, probe.
    Act,
    /// Keep the NAT's binding.
    KeepAlive,
}

/// Timers of a registered contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ContactTimer {
    /// Its registration ends.
    Expire,
    /// Keep the NAT's binding, and see whether it is there.
    Ping,
}

/// What a deadline is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum TimerKey {
    Transaction(TransactionKey, sipx_sip::Timer, bool),
    Leg(LegId, LegTimer),
    Trunk(usize, TrunkTimer),
    Contact(ContactId, ContactTimer),
    Subscription(SubscriptionKey),
    /// A CANCEL for an INVITE that was given up came to nothing.
    Forsaken(TransactionKey),
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct TimerTable {
    by_time: BTreeMap<(Mono, u64), TimerKey>,
    by_key: HashMap<TimerKey, (Mono, u64)>,
    next: u64,
}

impl TimerTable {
    pub(crate) fn set(&mut self, key: TimerKey, at: Mono) {
        self.next += 1;
        let slot = (at, self.next);
        if let Some(old) = self.by_key.insert(key.clone(), slot) {
            self.by_time.remove(&old);
        }
        self.by_time.insert(slot, key);
    }

    pub(crate) fn is_set(&self, key: &TimerKey) -> bool {
        self.by_key.contains_key(key)
    }

    pub(crate) fn clear(&mut self, key: &TimerKey) {
        if let Some(slot) = self.by_key.remove(key) {
            self.by_time.remove(&slot);
        }
    }

    pub(crate) fn next(&self) -> Option<Mono> {
        self.by_time.keys().next().map(|k| k.0)
    }

    /// Takes one deadline that has passed.
    pub(crate) fn due(&mut self, now: Mono) -> Option<TimerKey> {
        let slot = *self.by_time.keys().next()?;
        if slot.0 > now {
            return None;
        }
        let key = self.by_time.remove(&slot)?;
        self.by_key.remove(&key);
        Some(key)
    }

    pub(crate) fn clear_leg(&mut self, leg: LegId) {
        for t in [
            LegTimer::Resend,
            LegTimer::ResendReliable,
            LegTimer::Session,
            LegTimer::Glare,
            LegTimer::Setup,
            LegTimer::Cancelled,
            LegTimer::Unheard,
        ] {
            self.clear(&TimerKey::Leg(leg, t));
        }
    }
}
