//! Whether a handset may place a call, and for how long: rights, destinations, rates and spending.
//!
//! # Architecture invariant
//!
//! Nothing dials a trunk for a handset without a [`Permit`] made here. What no rule allows is refused; emergency
//! numbers are always permitted, whatever the limits say.

mod ledger;
mod number;

pub use ledger::{LEDGER_CALLS_MAX, Ledger};
pub use number::{BadNumber, DIALLED_CHARS_MAX, DialledNumber, NumberKind, Numbering, normalise};

use anteroom_types::limits::CALL_SECONDS_MAX;
use anteroom_types::{ErrorCode, Purpose, UserFacing, Wall};

/// Rules one user may have; further ones are not looked at.
pub const RULES_MAX: usize = 500;

/// When a rule allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum When {
    /// At any time.
    Always,
    /// While the clinic is open: the usual hours of toll fraud are the others.
    WhileOpen,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It may be dialled, at this price.
    Allow {
        /// When.
        when: When,
        /// Thousandths of the currency per minute begun, as the trunk's tariff has it. 0 when calls cost nothing.
        per_minute_milli: u32,
    },
    /// It may not be dialled.
    Deny,
}

/// A destination and what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The beginning of the number: `+44`, `+4490`, `+` for everywhere, or a short number.
    pub prefix: String,
    /// What is said.
    pub verdict: Verdict,
}

/// What a user may do. The default is nothing but emergency calls.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    /// By destination. The longest prefix that fits counts; of two that are the same, the one that denies.
    pub rules: Vec<Rule>,
    /// Calls placed at the same time.
    pub calls_up_max: usize,
    /// Calls placed within an hour.
    pub calls_per_hour_max: usize,
    /// Minutes within 24 hours.
    pub minutes_per_day_max: u64,
    /// Thousandths of the currency within 24 hours.
    pub spend_milli_per_day_max: u64,
}

/// Leave to place one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// What to dial.
    pub number: DialledNumber,
    /// How long the call may last, milliseconds: its share of what is left of the day's minutes and money. Hang up
    /// then.
    pub ms_max: u64,
    /// Its price, to be given to [`Ledger::placed`].
    pub per_minute_milli: u32,
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// What was dialled is no number.
    #[error("no number")]
    NoNumber(#[from] BadNumber),
    /// No rule allows it, or one denies it.
    #[error("the destination is not allowed")]
    Destination,
    /// It is allowed while the clinic is open only.
    #[error("the destination is not allowed while the clinic is closed")]
    Closed,
    /// The user has as many calls up as they may have.
    #[error("too many calls at the same time")]
    CallsUp,
    /// The user placed as many calls within the hour as they may.
    #[error("too many calls within an hour")]
    Rate,
    /// The day's minutes are used up.
    #[error("the day's minutes are used up")]
    Minutes,
    /// The day's money is used up, or does not last for one minute.
    #[error("the day's spending limit is reached")]
    Spending,
}

impl UserFacing for Refusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoNumber(_) => "dial.no_number",
            Self::Destination => "dial.destination",
            Self::Closed => "dial.closed",
            Self::CallsUp => "dial.calls_up",
            Self::Rate => "dial.rate",
            Self::Minutes => "dial.minutes",
            Self::Spending => "dial.spending",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::NoNumber(_) => "Check the number and dial it with its area code.",
            Self::Destination => "Ask your administrator to allow this destination for you.",
            Self::Closed => "Call again in opening hours, or ask your administrator.",
            Self::CallsUp => "End one of your calls first.",
            Self::Rate => "Wait a few minutes, or ask your administrator.",
            Self::Minutes | Self::Spending => "Today's limit is reached. Ask your administrator.",
        }
        .to_owned()
    }
}

/// Whether a user may dial this now.
///
/// # Errors
/// [`Refusal`] with the first reason found.
pub fn permit(
    rights: &Rights,
    numbering: &Numbering,
    dialled: &str,
    now: Wall,
    open: bool,
    ledger: &Ledger,
) -> Result<Permit, Refusal> {
    const MINUTE_MS: u64 = 60_000;
    let longest_ms = CALL_SECONDS_MAX * 1_000;
    let number = normalise(numbering, dialled)?;
    if number.kind == NumberKind::Emergency {
        return Ok(Permit {
            number,
            ms_max: longest_ms,
            per_minute_milli: 0,
        });
    }
    let per_minute_milli = match verdict(&rights.rules, number.number.open(Purpose::Signalling)) {
        Verdict::Deny => return Err(Refusal::Destination),
        Verdict::Allow {
            when: When::WhileOpen,
            ..
        } if !open => return Err(Refusal::Closed),
        Verdict::Allow { per_minute_milli, .. } => per_minute_milli,
    };
    if ledger.up() >= rights.calls_up_max {
        return Err(Refusal::CallsUp);
    }
    if ledger.placed_within_hour(now) >= rights.calls_per_hour_max || ledger.is_full(now) {
        return Err(Refusal::Rate);
    }
    // What is left is shared among the calls that may still come beside this one: together they stay within it.
    let shares = u64::try_from(rights.calls_up_max - ledger.up())
        .unwrap_or(u64::MAX)
        .max(1);
    let (used_ms, spent_milli) = ledger.used_within_day(now);
    let minutes_ms = rights
        .minutes_per_day_max
        .saturating_mul(MINUTE_MS)
        .saturating_sub(used_ms)
        / shares;
    if minutes_ms < MINUTE_MS {
        return Err(Refusal::Minutes);
    }
    let left_milli = rights.spend_milli_per_day_max.saturating_sub(spent_milli) / shares;
    let affordable_ms = match left_milli.checked_div(u64::from(per_minute_milli)) {
        // A minute that is begun is paid.
        Some(minutes) => minutes.saturating_mul(MINUTE_MS),
        None => u64::MAX,
    };
    if affordable_ms < MINUTE_MS {
        return Err(Refusal::Spending);
    }
    Ok(Permit {
        number,
        ms_max: longest_ms.min(minutes_ms).min(affordable_ms),
        per_minute_milli,
    })
}

/// What the rules say of a number.
fn verdict(rules: &[Rule], number: &str) -> Verdict {
    let mut best: Option<&Rule> = None;
    for rule in rules
        .iter()
        .take(RULES_MAX)
        .filter(|r| number.starts_with(r.prefix.as_str()))
    {
        let better = match best {
            None => true,
            Some(b) if rule.prefix.len() == b.prefix.len() => rule.verdict == Verdict::Deny,
            Some(b) => rule.prefix.len() > b.prefix.len(),
        };
        // An empty prefix would allow short numbers and everything else by an oversight.
        if better && !rule.prefix.is_empty() {
            best = Some(rule);
        }
    }
    best.map_or(Verdict::Deny, |r| r.verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    fn allow(prefix: &str, per_minute_milli: u32) -> Rule {
        Rule {
            prefix: prefix.into(),
            verdict: Verdict::Allow {
                when: When::Always,
                per_minute_milli,
            },
        }
    }

    fn rights() -> Rights {
        let deny = |prefix: &str| Rule {
            prefix: prefix.into(),
            verdict: Verdict::Deny,
        };
        Rights {
            rules: vec![
                allow("+44", 10),
                deny("+449"),
                deny("+4470"),
                allow("+447", 50),
                allow("111", 0),
                allow("+353", 100),
                deny("+353"),
                Rule {
                    prefix: "+33".into(),
                    verdict: Verdict::Allow {
                        when: When::WhileOpen,
                        per_minute_milli: 200,
                    },
                },
            ],
            calls_up_max: 2,
            calls_per_hour_max: 4,
            minutes_per_day_max: 60,
            spend_milli_per_day_max: 1_000,
        }
    }

    fn check(dialled: &str, open: bool, ledger: &Ledger, now: i64, expected: Result<u64, Refusal>) {
        let was = permit(&rights(), &Numbering::uk(), dialled, Wall(now), open, ledger);
        assert_eq!(was.map(|p| p.ms_max / 60_000), expected, "for {dialled}");
    }

    #[test]
    fn the_longest_prefix_counts_and_what_no_rule_allows_is_refused() {
        let l = Ledger::default();
        check("01632 960001", true, &l, 0, Ok(30));
        check("07700 900123", true, &l, 0, Ok(10));
        check("070 1234 5678", true, &l, 0, Err(Refusal::Destination));
        check("0909 879 0000", true, &l, 0, Err(Refusal::Destination));
        check("00 33 1 23 45 67 89", true, &l, 0, Ok(2));
        check("00 33 1 23 45 67 89", false, &l, 0, Err(Refusal::Closed));
        check("00 353 1 234 5678", true, &l, 0, Err(Refusal::Destination));
        check("+882 16 0000 0000", true, &l, 0, Err(Refusal::Destination));
        check("111", true, &l, 0, Ok(30));
        check("101", true, &l, 0, Err(Refusal::Destination));
        check(
            "sip:x@evil",
            true,
            &l,
            0,
            Err(Refusal::NoNumber(BadNumber::Character)),
        );
    }

    #[test]
    fn the_default_permits_nothing_but_emergency_calls() {
        let l = Ledger::default();
        let rights = Rights::default();
        let uk = Numbering::uk();
        assert!(permit(&rights, &uk, "999", Wall(0), false, &l).is_ok());
        let refused = permit(&rights, &uk, "01632960001", Wall(0), true, &l);
        assert_eq!(refused, Err(Refusal::Destination));
    }

    /// Places a call at the price and for as long as it is permitted now.
    fn place(l: &mut Ledger, id: u128, dialled: &str, now: i64) {
        let p = permit(&rights(), &Numbering::uk(), dialled, Wall(now), true, l).unwrap();
        l.placed(id, Wall(now), &p);
    }

    #[test]
    fn calls_at_once_and_within_the_hour_are_limited_and_an_emergency_is_not() {
        let mut l = Ledger::default();
        place(&mut l, 1, "01632960001", 0);
        place(&mut l, 2, "01632960002", 0);
        check("01632960001", true, &l, 1_000, Err(Refusal::CallsUp));
        check("999", true, &l, 1_000, Ok(120));
        l.ended(1, Wall(30_000));
        l.ended(2, Wall(30_000));
        for n in 3..5 {
            place(&mut l, n, "01632960001", 40_000);
            l.ended(n, Wall(50_000));
        }
        check("01632960001", true, &l, 60_000, Err(Refusal::Rate));
        check("01632960001", true, &l, HOUR_MS + 1, Ok(29));
    }

    #[test]
    fn calls_at_the_same_time_cannot_spend_the_same_money_twice() {
        let mut l = Ledger::default();
        // 1000 buy 20 minutes at 50: ten each.
        check("07700900123", true, &l, 0, Ok(10));
        place(&mut l, 1, "07700900123", 0);
        check("07700900123", true, &l, 0, Ok(10));
        place(&mut l, 2, "07700900123", 0);
        l.ended(1, Wall(9 * 60_000));
        // The second still holds its ten; one minute of the first is left.
        check("07700900123", true, &l, 9 * 60_000, Ok(1));
    }

    #[test]
    fn the_days_minutes_and_money_come_to_an_end() {
        let mut l = Ledger::default();
        place(&mut l, 1, "07700900123", 0);
        l.ended(1, Wall(10 * 60_000));
        place(&mut l, 2, "07700900123", HOUR_MS);
        l.ended(2, Wall(HOUR_MS + 9 * 60_000));
        // 950 of 1000 are gone, and 19 of 60 minutes.
        check("07700900123", true, &l, 2 * HOUR_MS, Err(Refusal::Spending));
        check("01632960001", true, &l, 2 * HOUR_MS, Ok(2));
        check("111", true, &l, 2 * HOUR_MS, Ok(20));
        for n in 3..5 {
            place(&mut l, n, "111", i64::try_from(n).unwrap() * HOUR_MS);
            l.ended(n, Wall(i64::try_from(n).unwrap() * HOUR_MS + 20 * 60_000));
        }
        check("111", true, &l, 5 * HOUR_MS, Err(Refusal::Minutes));
        check("01632960001", true, &l, 30 * HOUR_MS, Ok(30));
    }

    #[test]
    fn whatever_is_dialled_the_limits_of_a_day_hold() {
        for seed in 0..500_u64 {
            let mut s = seed;
            let mut next = |below: u64| {
                s = s
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (s >> 33) % below
            };
            let mut l = Ledger::default();
            let (mut spent, mut minutes_ms) = (0, 0);
            // Calls that are up: id, since, and until when at the latest.
            let mut up: Vec<(u128, i64, Permit)> = Vec::new();
            let mut now = 0;
            for id in 0..60_u128 {
                now += i64::try_from(next(20 * 60_000)).unwrap();
                let dialled = ["01632960001", "07700900123", "111", "0033123456789", "0909879000"]
                    [usize::try_from(next(5)).unwrap()];
                // Calls end by themselves, or when their permit ends.
                up.retain(|(id, since, p)| {
                    let end = since + i64::try_from(next(p.ms_max) + 1).unwrap();
                    if end <= now {
                        l.ended(*id, Wall(end));
                        let ms = u64::try_from(end - since).unwrap();
                        minutes_ms += ms;
                        spent += ms.div_ceil(60_000) * u64::from(p.per_minute_milli);
                    }
                    end > now
                });
                if now >= 24 * HOUR_MS {
                    break;
                }
                if let Ok(p) = permit(&rights(), &Numbering::uk(), dialled, Wall(now), true, &l) {
                    l.placed(id, Wall(now), &p);
                    up.push((id, now, p));
                }
                assert!(up.len() <= 2, "seed {seed}");
            }
            // The rest use all they may.
            for (_, _, p) in up {
                minutes_ms += p.ms_max;
                spent += p.ms_max.div_ceil(60_000) * u64::from(p.per_minute_milli);
            }
            assert!(spent <= 1_000, "seed {seed}: {spent} were spent");
            assert!(
                minutes_ms <= 60 * 60_000,
                "seed {seed}: {minutes_ms} ms were talked"
            );
        }
    }
}
