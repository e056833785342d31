//! Telephones ring for a caller, until somebody takes them or nobody does.

use super::config::{AnswerPolicy, Briefing};
use super::state::{Candidate, Part, Phase, Ringing, Stage, Talking};
use super::types::{DialFor, DropWhy, Fact, HandOver, TaskWhy};
use super::{DeskCall, DeskEffect, DeskOutcome, Direction};
use crate::bridge::Bridge;
use crate::leg::LegEnd;
use crate::party::Target;
use crate::ring::{Fallback, RingPlan, RingStep};
use crate::scene::Announcement;
use anteroom_types::LegId;
use std::collections::VecDeque;

impl DeskCall {
    pub(super) fn hand_over(&mut self, h: HandOver) {
        if h.urgent && !self.urgent {
            match self.phase {
                Phase::Ringing(_) => return self.ring_urgently(h),
                Phase::Queued(_) | Phase::Parked(_) => return self.ring_from_waiting(&h),
                _ => {}
            }
        }
        if !matches!(self.phase, Phase::Receptionist) {
            return;
        }
        self.task_made |= h.task_made;
        // Who is called by staff is asked by staff.
        self.briefing = match self.direction {
            Direction::Incoming => h.briefing,
            Direction::Outgoing => Briefing::Screen,
        };
        self.urgent = h.urgent;
        // Who placed the call hears no receptionist.
        let sentence_ms = h.sentence_ms.filter(|_| self.receptionist);
        self.sentence_until = sentence_ms.map(|ms| {
            let ms = ms.min(self.config.announce_ms_max);
            self.now.plus_ms(ms + self.config.start_ms_max)
        });
        // Whom staff themselves call is nobody to come back to.
        if self.direction == Direction::Incoming {
            self.group = Some(h.plan.clone());
        }
        self.ring(&h.plan, self.briefing, false);
    }

    /// Somebody who waits in the queue or in a slot says that it is an emergency: everybody is rung for them, at once.
    fn ring_from_waiting(&mut self, h: &HandOver) {
        self.urgent = true;
        self.task_made |= h.task_made;
        self.briefing = h.briefing;
        let guest = self.waiting();
        self.speeches.retain(|s| s.leg != guest);
        self.group = Some(h.plan.clone());
        self.ring(&h.plan, h.briefing, false);
    }

    /// Somebody is rung for the caller already, and now it is an emergency: everybody else is rung beside them, at once.
    fn ring_urgently(&mut self, h: HandOver) {
        self.urgent = true;
        self.task_made |= h.task_made;
        let mut rounds = h.plan.rounds();
        if rounds.is_empty() {
            return;
        }
        if self.direction == Direction::Incoming {
            self.group = Some(h.plan.clone());
        }
        let now = self.now;
        let Phase::Ringing(r) = &mut self.phase else {
            return;
        };
        // Who has answered has the caller in a moment. If they do not take them after all, everybody is rung.
        if r.candidate.is_some() {
            r.rounds = rounds;
            r.fallback = h.plan.fallback;
            r.total_until = now.plus_ms(h.plan.total_ms);
            r.passed_over.clear();
            return;
        }
        let round = r.round.clone();
        let ring: Vec<Option<Target>> = round.iter().map(|l| self.target(*l)).collect();
        let Some(first) = rounds.pop_front() else { return };
        let targets: Vec<Target> = first
            .targets
            .into_iter()
            .filter(|t| !ring.iter().flatten().any(|r| r == t))
            .collect();
        let legs = self.dial_all(&targets, Part::Rings, DialFor::Caller);
        if let Phase::Ringing(r) = &mut self.phase {
            r.round.extend(legs);
            r.rounds = rounds;
            r.fallback = h.plan.fallback;
            r.step_until = now.plus_ms(first.ring_ms);
            r.step_ms = first.ring_ms;
            r.total_until = now.plus_ms(h.plan.total_ms);
        }
        self.advance_ringing();
    }

    /// Rings by a plan. Whoever else is in the call beside the one who waits must be gone before.
    pub(super) fn ring(&mut self, plan: &RingPlan, briefing: Briefing, given: bool) {
        self.enter(Phase::Ringing(Ringing {
            rounds: plan.rounds(),
            fallback: plan.fallback,
            round: Vec::new(),
            step_until: self.now,
            total_until: self.now.plus_ms(plan.total_ms),
            briefing,
            candidate: None,
            passed_over: Vec::new(),
            step_ms: 0,
            refused: None,
            given,
        }));
        self.advance_ringing();
    }

    /// Goes on with legs that ring already, and then with the plan. `candidate` has answered already.
    pub(super) fn ring_on(
        &mut self,
        legs: Vec<LegId>,
        candidate: Option<Candidate>,
        ring_ms: u64,
        plan: &RingPlan,
    ) {
        for leg in legs.iter().copied().chain(candidate.map(|c| c.leg)) {
            self.set_part(leg, Part::Rings);
        }
        self.enter(Phase::Ringing(Ringing {
            rounds: plan.rounds(),
            fallback: plan.fallback,
            round: legs,
            step_until: self.now.plus_ms(ring_ms),
            total_until: self.now.plus_ms(ring_ms.saturating_add(plan.total_ms)),
            briefing: Briefing::Screen,
            candidate,
            passed_over: Vec::new(),
            step_ms: ring_ms,
            refused: None,
            given: true,
        }));
        self.advance_ringing();
    }

    /// The next step when this one is over; what the plan says when all are.
    pub(super) fn advance_ringing(&mut self) {
        loop {
            let Phase::Ringing(r) = &mut self.phase else {
                return;
            };
            if r.candidate.is_some() || (!r.round.is_empty() && self.now < r.step_until.min(r.total_until)) {
                return;
            }
            for leg in std::mem::take(&mut r.round) {
                self.drop_leg(leg, DropWhy::NoAnswer);
            }
            let Phase::Ringing(r) = &mut self.phase else {
                return;
            };
            let next = if self.now < r.total_until {
                r.rounds.pop_front()
            } else {
                None
            };
            let Some(RingStep { targets, ring_ms }) = next else {
                // The sentence that announces people is heard to its end before it is taken back.
                if self.sentence_until.is_none() {
                    self.nobody_answered();
                }
                return;
            };
            r.step_until = self.now.plus_ms(ring_ms);
            r.step_ms = ring_ms;
            r.passed_over.clear();
            let legs = self.dial_all(&targets, Part::Rings, DialFor::Caller);
            if let Phase::Ringing(r) = &mut self.phase {
                r.round = legs;
            }
        }
    }

    fn nobody_answered(&mut self) {
        let Phase::Ringing(r) = &self.phase else { return };
        let (fallback, refused) = (r.fallback, r.refused);
        self.out.push(DeskEffect::Note(Fact::NobodyAnswered));
        self.fall_back(fallback, refused);
    }

    /// Does what a plan says when nobody answers. `refused` is the status of the last refusal.
    pub(super) fn fall_back(&mut self, fallback: Fallback, refused: Option<u16>) {
        match fallback {
            Fallback::Receptionist if self.receptionist && self.automation => {
                self.enter(Phase::Receptionist);
                self.out.push(DeskEffect::ReturnToReceptionist);
            }
            Fallback::Receptionist => {
                let instead = match self.config.without_receptionist {
                    Fallback::Receptionist => Fallback::Voicemail,
                    other => other,
                };
                self.fall_back(instead, refused);
            }
            Fallback::Queue => self.join_queue(),
            Fallback::Voicemail => self.greet(),
            Fallback::Callback if self.config.can_ring_back => self.promise_or_goodbye(),
            Fallback::Callback => self.greet(),
            Fallback::HangUp => {
                let what = match refused {
                    Some(486 | 600) => Announcement::Busy,
                    Some(404 | 484 | 488 | 500..=599 | 604) => Announcement::CannotBePlaced,
                    _ => Announcement::NoAnswer,
                };
                self.make_task(TaskWhy::Missed);
                self.farewell(what, DeskOutcome::NoAnswer);
            }
        }
    }

    pub(super) fn ringing_answered(&mut self, leg: LegId) {
        let Phase::Ringing(r) = &mut self.phase else {
            return self.leave(leg, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere);
        };
        // Two who lift at the same moment: the first has the caller, the second is told so.
        if r.candidate.is_some() || !r.round.contains(&leg) {
            return self.leave(leg, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere);
        }
        let others: Vec<LegId> = std::mem::take(&mut r.round);
        let briefing = r.briefing;
        let has_screen = self.legs.get(&leg).is_some_and(|l| l.screen);
        let stage = if briefing.is_spoken(has_screen) {
            Stage::Briefed
        } else if briefing.asks() {
            Stage::Decides {
                until: self.now.plus_ms(self.config.decide_ms_max),
            }
        } else {
            Stage::Sentence
        };
        r.candidate = Some(Candidate { leg, stage });
        for other in others.into_iter().filter(|l| *l != leg) {
            let target = self.target(other);
            self.drop_leg(other, DropWhy::AnsweredElsewhere);
            if let Phase::Ringing(r) = &mut self.phase {
                r.passed_over.extend(target);
            }
        }
        match stage {
            Stage::Briefed => self.say(
                leg,
                Announcement::Brief {
                    asks: briefing.asks(),
                },
            ),
            Stage::Decides { .. } => {}
            Stage::Sentence => self.connect_when_said(leg),
        }
    }

    /// Somebody who wanted the caller is there.
    pub(super) fn taker_answered(&mut self, leg: LegId) {
        match &self.phase {
            Phase::Ringing(r) if r.candidate.is_some() => {}
            Phase::Receptionist
            | Phase::Ringing(_)
            | Phase::Queued(_)
            | Phase::Parked(_)
            | Phase::Message(_) => {
                return self.connect(leg);
            }
            Phase::Talking(_) | Phase::Farewell | Phase::Closing | Phase::Over => {}
        }
        self.leave(leg, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere);
    }

    /// Gives up on those who wanted the caller and do not answer their telephone.
    pub(super) fn expire_takers(&mut self) {
        let late: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, l)| matches!(l.part, Part::Takes { until } if self.now >= until))
            .map(|(id, _)| *id)
            .collect();
        for leg in late {
            self.drop_leg(leg, DropWhy::NoAnswer);
        }
    }

    /// What the candidate had to hear was heard.
    pub(super) fn candidate_briefed(&mut self, leg: LegId) {
        let until = self.now.plus_ms(self.config.decide_ms_max);
        let Phase::Ringing(r) = &mut self.phase else {
            return;
        };
        let asks = r.briefing.asks();
        match &mut r.candidate {
            Some(c) if c.leg == leg && c.stage == Stage::Briefed => {
                if asks {
                    c.stage = Stage::Decides { until };
                } else {
                    self.connect_when_said(leg);
                }
            }
            _ => {}
        }
    }

    /// The candidate takes the caller, or not. `false` when nobody is being asked on this leg.
    pub(super) fn candidate_decides(&mut self, leg: LegId, takes: bool) -> bool {
        let Phase::Ringing(r) = &mut self.phase else {
            return false;
        };
        if r.candidate.is_none_or(|c| c.leg != leg) {
            return false;
        }
        if takes {
            self.connect_when_said(leg);
        } else {
            self.drop_leg(leg, DropWhy::Staff);
            self.pass_over(leg);
        }
        true
    }

    /// Connects, or waits for the end of the receptionist's sentence first.
    fn connect_when_said(&mut self, leg: LegId) {
        self.speeches.retain(|s| s.leg != leg);
        if self.sentence_until.is_none() || self.config.answer == AnswerPolicy::CutSentence {
            return self.connect(leg);
        }
        if let Phase::Ringing(r) = &mut self.phase {
            r.candidate = Some(Candidate {
                leg,
                stage: Stage::Sentence,
            });
        }
    }

    pub(super) fn sentence_over(&mut self) {
        if self.sentence_until.take().is_none() {
            return;
        }
        if let Phase::Ringing(r) = &self.phase
            && let Some(Candidate { leg, stage }) = r.candidate
            && stage == Stage::Sentence
        {
            self.connect(leg);
        }
    }

    /// A leg of the round is gone: refused, lost, or hung up while its person was briefed.
    pub(super) fn ringing_gone(&mut self, leg: LegId, end: LegEnd) {
        let Phase::Ringing(r) = &mut self.phase else {
            return;
        };
        r.round.retain(|l| *l != leg);
        if let LegEnd::Refused(status) = end {
            r.refused = Some(status);
        }
        if r.candidate.is_some_and(|c| c.leg == leg) {
            self.pass_over(leg);
        }
    }

    /// The candidate does not take the caller: those who were passed over for them are rung again, first of all.
    fn pass_over(&mut self, candidate: LegId) {
        let who = self.person(candidate);
        let Phase::Ringing(r) = &mut self.phase else {
            return;
        };
        r.candidate = None;
        let mut targets = std::mem::take(&mut r.passed_over);
        targets.retain(|t| Some(&t.who) != who.as_ref());
        if !targets.is_empty() {
            let ring_ms = r.step_ms;
            r.total_until = r.total_until.max(self.now.plus_ms(ring_ms));
            r.rounds.push_front(RingStep { targets, ring_ms });
        }
    }

    /// The one who waits and the person at `leg` talk.
    pub(super) fn connect(&mut self, leg: LegId) {
        let given = matches!(&self.phase, Phase::Ringing(r) if r.given);
        self.receptionist_done();
        let waiting = self.waiting();
        self.drop_others(&[waiting, leg], DropWhy::AnsweredElsewhere);
        let (guest, host) = match self.guest {
            Some(guest) => (guest, leg),
            None => (leg, self.first),
        };
        self.guest = Some(guest);
        for l in [guest, host] {
            self.set_part(l, Part::Talks);
            self.speeches.retain(|s| s.leg != l);
        }
        self.enter(Phase::Talking(Talking {
            guest,
            host,
            since: self.now,
            bridge: Bridge::of_two(guest, host),
            held: false,
            consult: None,
            invited: Vec::new(),
        }));
        self.outcome = DeskOutcome::Talked;
        if let Some(by) = self.person(leg) {
            if given {
                self.out
                    .push(DeskEffect::Note(Fact::Transferred { to: by.clone() }));
            }
            self.out.push(DeskEffect::Note(Fact::Answered { by, leg }));
        }
    }

    /// Steps for the group, with `first` rung together with its first step.
    pub(super) fn plan_again(&self, first: Option<Target>) -> RingPlan {
        let mut plan = self.recall_plan(Vec::new(), 0);
        let Some(first) = first else { return plan };
        let mut rounds: VecDeque<RingStep> = plan.rounds();
        if let Some(step) = rounds.front_mut() {
            if !step.targets.contains(&first) {
                step.targets.insert(0, first);
            }
            plan.steps = rounds.into();
            plan
        } else {
            plan.with_first(vec![first], self.config.recall_ms)
        }
    }

    /// Steps for the group, with the telephone that was lost after everybody else: whoever answers there may be unheard
    /// again, but it is better than nobody.
    pub(super) fn plan_elsewhere(&self, lost: Option<Target>) -> RingPlan {
        let mut plan = self.recall_plan(Vec::new(), 0);
        let Some(lost) = lost else { return plan };
        if plan.steps.iter().all(|s| s.targets.is_empty()) {
            return plan.with_first(vec![lost], self.config.recall_ms);
        }
        if !plan.steps.iter().any(|s| s.targets.contains(&lost)) {
            plan.steps.push(RingStep {
                targets: vec![lost],
                ring_ms: self.config.recall_ms,
            });
        }
        plan
    }
}
