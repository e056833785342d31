//! Ring plans: whom to ring, in which order, for how long, and what if nobody answers.

use crate::party::{Address, PersonId, Target};
use anteroom_types::Mono;
use std::collections::VecDeque;

/// Steps of one plan.
pub const RING_STEPS_MAX: usize = 16;
/// Devices rung at once in one step.
pub const RING_TARGETS_MAX: usize = 24;

/// In which order the members of a group are rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RingStrategy {
    /// Everybody at once.
    All,
    /// One after the other, as listed.
    InOrder,
    /// One after the other; who has not talked for the longest time is first.
    LongestIdle,
}

/// Whether a member of a group can be rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Availability {
    /// Yes.
    Free,
    /// In a call. Rung only when the call is urgent.
    Busy,
    /// Does not want to be rung. Never rung, not even for an urgent call.
    Away,
}

/// A member of a ring group as they are when the plan is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMember {
    /// Who.
    pub who: PersonId,
    /// Their devices that are there now. All of them ring at once.
    pub devices: Vec<Address>,
    /// Whether they can be rung.
    pub is: Availability,
    /// Whether they ring for another call, or are about to. They are rung last: whoever rings for nobody is quicker.
    pub rings: bool,
    /// Since when they have not talked; `None` when they have not talked since the start.
    pub idle_since: Option<Mono>,
}

/// What happens when nobody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// A message can be left, then a task is made of it.
    Voicemail,
    /// The caller is told they will be rung back; a task is made. Of whom no number is known that can be rung, this is
    /// [`Fallback::Voicemail`].
    Callback,
    /// The receptionist takes the caller back, and asks what it needs to for a task. Without automation this is
    /// [`Fallback::Voicemail`].
    Receptionist,
    /// The caller waits in the queue, and keeps the place they had if they were in it before.
    Queue,
    /// The caller is told that nobody answers, and hung up. For calls that staff placed.
    HangUp,
}

/// Devices that ring at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingStep {
    /// Which; at most [`RING_TARGETS_MAX`], the rest is not rung.
    pub targets: Vec<Target>,
    /// For how long, milliseconds.
    pub ring_ms: u64,
}

/// Whom to ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RingPlan {
    /// One after the other; at most [`RING_STEPS_MAX`], the rest is not rung.
    pub steps: Vec<RingStep>,
    /// For how long altogether, milliseconds.
    pub total_ms: u64,
    /// What then.
    pub fallback: Fallback,
}

/// How long a group rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingTimes {
    /// Each step, milliseconds.
    pub step_ms: u64,
    /// Altogether, milliseconds.
    pub total_ms: u64,
}

impl Default for RingTimes {
    fn default() -> Self {
        Self {
            step_ms: 20_000,
            total_ms: 60_000,
        }
    }
}

impl RingPlan {
    /// A plan for a group. An urgent call rings everybody who is not away, at once, for the whole time.
    #[must_use]
    pub fn of_group(
        strategy: RingStrategy,
        members: &[GroupMember],
        times: RingTimes,
        fallback: Fallback,
        urgent: bool,
    ) -> Self {
        let targets = |m: &GroupMember| -> Vec<Target> {
            let at = |a: &Address| Target {
                who: m.who.clone(),
                at: a.clone(),
            };
            m.devices.iter().map(at).collect()
        };
        let wanted = |m: &&GroupMember| m.is == Availability::Free || (urgent && m.is == Availability::Busy);
        let mut ready: Vec<&GroupMember> = members
            .iter()
            .filter(wanted)
            .filter(|m| !m.devices.is_empty())
            .collect();
        if strategy == RingStrategy::LongestIdle {
            // None sorts first: who has not talked at all has been idle the longest.
            ready.sort_by_key(|m| m.idle_since);
        }
        // A stable sort: among those who ring, and among those who do not, the order is the strategy's.
        ready.sort_by_key(|m| m.rings);
        let steps = if urgent || strategy == RingStrategy::All {
            let ring_ms = if urgent { times.total_ms } else { times.step_ms };
            let targets: Vec<Target> = ready
                .into_iter()
                .flat_map(targets)
                .take(RING_TARGETS_MAX)
                .collect();
            let step = RingStep { targets, ring_ms };
            Some(step).into_iter().filter(|s| !s.targets.is_empty()).collect()
        } else {
            let step = |m| RingStep {
                targets: targets(m),
                ring_ms: times.step_ms,
            };
            ready.into_iter().take(RING_STEPS_MAX).map(step).collect()
        };
        Self {
            steps,
            total_ms: times.total_ms,
            fallback,
        }
    }

    /// A plan that rings these devices once.
    #[must_use]
    pub fn of_targets(targets: Vec<Target>, ring_ms: u64, fallback: Fallback) -> Self {
        Self {
            steps: vec![RingStep { targets, ring_ms }],
            total_ms: ring_ms,
            fallback,
        }
    }

    /// The same plan with `targets` rung before all others, for `ring_ms` that do not count against the total.
    #[must_use]
    pub(crate) fn with_first(mut self, targets: Vec<Target>, ring_ms: u64) -> Self {
        if !targets.is_empty() {
            self.steps.insert(0, RingStep { targets, ring_ms });
            self.total_ms = self.total_ms.saturating_add(ring_ms);
        }
        self
    }

    /// The same plan with those of `last` who are in it rung after all others, one by one in the order given.
    #[must_use]
    pub(crate) fn with_last(mut self, last: &[Target]) -> Self {
        let mut put_off = Vec::new();
        for step in &mut self.steps {
            let ring_ms = step.ring_ms;
            let theirs = step.targets.extract_if(.., |t| last.contains(t));
            put_off.extend(theirs.map(|t| (t, ring_ms)));
        }
        put_off.sort_by_key(|(t, _)| last.iter().position(|l| l == t));
        self.steps.retain(|s| !s.targets.is_empty());
        self.steps
            .extend(put_off.into_iter().map(|(t, ring_ms)| RingStep {
                targets: vec![t],
                ring_ms,
            }));
        self
    }

    /// The steps to go, each within its limits and none empty.
    pub(crate) fn rounds(&self) -> VecDeque<RingStep> {
        let bounded = |s: &RingStep| RingStep {
            targets: s.targets.iter().take(RING_TARGETS_MAX).cloned().collect(),
            ring_ms: s.ring_ms,
        };
        let steps = self.steps.iter().filter(|s| !s.targets.is_empty());
        steps.take(RING_STEPS_MAX).map(bounded).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(name: &str, is: Availability, idle_since: Option<u64>, devices: &[u64]) -> GroupMember {
        GroupMember {
            who: PersonId::new(name),
            devices: devices.iter().map(|d| Address::Contact(*d)).collect(),
            is,
            rings: false,
            idle_since: idle_since.map(Mono::from_ms),
        }
    }

    /// The plan as `ann1+ann2 20s, bob3 20s`, when these ring already.
    fn check_with(strategy: RingStrategy, urgent: bool, ringing: &[&str], expected: &str) {
        let mut members = [
            member("ann", Availability::Free, Some(9_000), &[1, 2]),
            member("bob", Availability::Free, Some(4_000), &[3]),
            member("cat", Availability::Busy, Some(1_000), &[4]),
            member("dan", Availability::Away, None, &[5]),
            member("eve", Availability::Free, None, &[6]),
            member("fay", Availability::Free, None, &[]),
        ];
        for m in &mut members {
            m.rings = ringing.contains(&m.who.as_str());
        }
        let times = RingTimes::default();
        let plan = RingPlan::of_group(strategy, &members, times, Fallback::Voicemail, urgent);
        let target = |t: &Target| match &t.at {
            Address::Contact(n) => format!("{}{n}", t.who),
            other => format!("{}{other:?}", t.who),
        };
        let steps: Vec<String> = plan
            .steps
            .iter()
            .map(|s| {
                let names: Vec<String> = s.targets.iter().map(target).collect();
                format!("{} {}s", names.join("+"), s.ring_ms / 1000)
            })
            .collect();
        assert_eq!(steps.join(", "), expected, "{strategy:?}, urgent {urgent}");
    }

    fn check(strategy: RingStrategy, urgent: bool, expected: &str) {
        check_with(strategy, urgent, &[], expected);
    }

    #[test]
    fn groups_ring_as_their_strategy_says() {
        check(RingStrategy::All, false, "ann1+ann2+bob3+eve6 20s");
        check(RingStrategy::InOrder, false, "ann1+ann2 20s, bob3 20s, eve6 20s");
        check(
            RingStrategy::LongestIdle,
            false,
            "eve6 20s, bob3 20s, ann1+ann2 20s",
        );
    }

    #[test]
    fn who_rings_for_another_call_is_rung_last() {
        let in_order = |ringing: &[&str], expected| {
            check_with(RingStrategy::InOrder, false, ringing, expected);
        };
        in_order(&["ann"], "bob3 20s, eve6 20s, ann1+ann2 20s");
        in_order(&["ann", "bob"], "eve6 20s, ann1+ann2 20s, bob3 20s");
        in_order(&["ann", "bob", "eve"], "ann1+ann2 20s, bob3 20s, eve6 20s");
        let idle = |ringing: &[&str], expected| {
            check_with(RingStrategy::LongestIdle, false, ringing, expected);
        };
        idle(&["eve"], "bob3 20s, ann1+ann2 20s, eve6 20s");
        idle(&["eve", "ann"], "bob3 20s, eve6 20s, ann1+ann2 20s");
        // Where all are rung at once nobody is left out for it.
        check_with(RingStrategy::All, false, &["ann"], "bob3+eve6+ann1+ann2 20s");
        check_with(
            RingStrategy::InOrder,
            true,
            &["bob"],
            "ann1+ann2+cat4+eve6+bob3 60s",
        );
    }

    #[test]
    fn an_urgent_call_rings_everybody_who_is_not_away_at_once() {
        check(RingStrategy::InOrder, true, "ann1+ann2+bob3+cat4+eve6 60s");
    }

    #[test]
    fn an_empty_group_has_no_step_and_long_plans_are_cut() {
        let plan = RingPlan::of_group(
            RingStrategy::All,
            &[],
            RingTimes::default(),
            Fallback::Callback,
            true,
        );
        assert!(plan.rounds().is_empty());
        let who = PersonId::new("ann");
        let many = (0..100).map(|n| Target::contact(&who, n)).collect();
        let plan = RingPlan::of_targets(many, 1_000, Fallback::Callback);
        assert_eq!(plan.rounds()[0].targets.len(), RING_TARGETS_MAX);
    }
}
