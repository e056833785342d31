//! What one user has dialled within the last day.

use super::{NumberKind, Permit};
use anteroom_types::Wall;
use std::collections::VecDeque;

/// Calls of one day that are kept. A user who has placed as many places no more: forgetting some would forget money.
pub const LEDGER_CALLS_MAX: usize = 2_000;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const MINUTE_MS: u64 = 60_000;

#[derive(Debug, Clone, Copy)]
struct Placed {
    id: u128,
    at: Wall,
    ended: Option<Wall>,
    per_minute_milli: u32,
    /// What it may still use is not for others while it is up.
    ms_max: u64,
}

impl Placed {
    /// How long it was, or may become.
    fn ms(&self) -> u64 {
        match self.ended {
            Some(ended) => u64::try_from(ended.0.saturating_sub(self.at.0)).unwrap_or(0),
            None => self.ms_max,
        }
    }
}

/// What one user has dialled, for the limits of [`super::permit`]. It keeps no numbers.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    calls: VecDeque<Placed>,
}

impl Ledger {
    /// A call with a permit is placed. `id` is the call's own, e.g. the bits of its `CallId`. Emergency calls count
    /// towards nothing.
    pub fn placed(&mut self, id: u128, at: Wall, permit: &Permit) {
        self.forget(at);
        let counts = permit.number.kind != NumberKind::Emergency;
        if counts && self.calls.len() < LEDGER_CALLS_MAX {
            self.calls.push_back(Placed {
                id,
                at,
                ended: None,
                per_minute_milli: permit.per_minute_milli,
                ms_max: permit.ms_max,
            });
        }
    }

    /// A call of before this process's start. One that never ended is taken to have used all it might.
    pub fn restore(&mut self, id: u128, at: Wall, ended: Option<Wall>, per_minute_milli: u32, ms_max: u64) {
        let latest = at.0.saturating_add(i64::try_from(ms_max).unwrap_or(i64::MAX / 2));
        if self.calls.len() < LEDGER_CALLS_MAX {
            self.calls.push_back(Placed {
                id,
                at,
                ended: Some(ended.unwrap_or(Wall(latest))),
                per_minute_milli,
                ms_max,
            });
        }
    }

    /// It is over, answered or not.
    pub fn ended(&mut self, id: u128, at: Wall) {
        if let Some(c) = self.calls.iter_mut().find(|c| c.id == id && c.ended.is_none()) {
            c.ended = Some(at);
        }
    }

    /// It was never dialled.
    pub fn take_back(&mut self, id: u128) {
        self.calls.retain(|c| c.id != id);
    }

    /// Calls that are up.
    pub(super) fn up(&self) -> usize {
        self.calls.iter().filter(|c| c.ended.is_none()).count()
    }

    pub(super) fn placed_within_hour(&self, now: Wall) -> usize {
        self.calls.iter().filter(|c| now.0 - c.at.0 < HOUR_MS).count()
    }

    pub(super) fn is_full(&self, now: Wall) -> bool {
        self.calls.iter().filter(|c| is_recent(c, now)).count() >= LEDGER_CALLS_MAX
    }

    /// Milliseconds and thousandths of the currency, of calls that ended within the last day, and of those that are up
    /// as much as they were permitted.
    pub(super) fn used_within_day(&self, now: Wall) -> (u64, u64) {
        let recent = self.calls.iter().filter(|c| is_recent(c, now));
        recent.fold((0_u64, 0_u64), |(ms, milli), c| {
            let minutes = c.ms().div_ceil(MINUTE_MS);
            let cost = minutes.saturating_mul(u64::from(c.per_minute_milli));
            (ms.saturating_add(c.ms()), milli.saturating_add(cost))
        })
    }

    /// Forgets what no limit looks at any more.
    fn forget(&mut self, now: Wall) {
        self.calls.retain(|c| is_recent(c, now));
    }
}

fn is_recent(c: &Placed, now: Wall) -> bool {
    c.ended.is_none_or(|e| now.0 - e.0 < DAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permit() -> Permit {
        Permit {
            number: crate::dial::normalise(&crate::dial::Numbering::uk(), "01632960001").unwrap(),
            ms_max: 60_000,
            per_minute_milli: 7,
        }
    }

    #[test]
    fn it_is_bounded_and_full_rather_than_forgetful() {
        let mut l = Ledger::default();
        for n in 0..(LEDGER_CALLS_MAX as u128 + 50) {
            l.placed(n, Wall(0), &permit());
            l.ended(n, Wall(1));
        }
        assert!(l.is_full(Wall(10)));
        assert!(!l.is_full(Wall(DAY_MS + 10)));
        l.placed(9_999, Wall(DAY_MS + 10), &permit());
        assert_eq!(l.calls.len(), 1);
    }

    #[test]
    fn calls_of_before_the_start_count_and_those_without_an_end_as_much_as_they_might() {
        let mut l = Ledger::default();
        l.restore(1, Wall(0), Some(Wall(30_000)), 7, 600_000);
        l.restore(2, Wall(0), None, 7, 120_000);
        assert_eq!(l.used_within_day(Wall(200_000)), (150_000, 21));
        assert_eq!(l.up(), 0);
    }

    #[test]
    fn a_minute_that_is_begun_is_paid_and_a_clock_that_goes_back_costs_nothing() {
        let mut l = Ledger::default();
        l.placed(1, Wall(100_000), &permit());
        l.ended(1, Wall(100_001));
        l.placed(2, Wall(100_000), &permit());
        l.ended(2, Wall(40_000));
        assert_eq!(l.used_within_day(Wall(200_000)), (1, 7));
    }
}
