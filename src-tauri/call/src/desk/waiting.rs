//! Callers who wait: in the queue, in a slot; the keys they press; and what is due when.

use super::config::Briefing;
use super::state::{ConsultStage, Parked, Phase, Queued, Stage};
use super::types::{DropWhy, Fact, TaskWhy};
use super::{DeskCall, DeskEffect, DeskOutcome};
use crate::party::Target;
use crate::ring::{Fallback, RingPlan};
use crate::scene::Announcement;
use anteroom_types::{LegId, Mono};

const MINUTE_MS: u64 = 60_000;

impl DeskCall {
    /// Into the queue, or back to waiting in it.
    pub(super) fn join_queue(&mut self) {
        self.receptionist_done();
        let until = *self
            .queue_until
            .get_or_insert(self.now.plus_ms(self.config.queue_ms_max));
        if self.now >= until {
            return self.queue_refused();
        }
        let guest = self.waiting();
        self.only_with(guest, &[]);
        if !self.in_queue {
            self.out.push(DeskEffect::Note(Fact::Queued));
        }
        self.in_queue = true;
        self.enter(Phase::Queued(Queued {
            place: None,
            tell_at: self.now,
        }));
        self.out.push(DeskEffect::JoinQueue);
    }

    pub(super) fn queue_position(&mut self, position: u16, wait_ms: Option<u64>) {
        if let Phase::Queued(q) = &mut self.phase {
            q.place = Some((position, wait_ms));
        }
    }

    pub(super) fn queue_turn(&mut self, plan: RingPlan) {
        if matches!(self.phase, Phase::Queued(_)) {
            self.ring(&plan.with_last(&self.lost), self.briefing, false);
        }
    }

    pub(super) fn queue_refused(&mut self) {
        if !matches!(self.phase, Phase::Queued(_) | Phase::Ringing(_)) {
            return;
        }
        let instead = match self.config.after_queue {
            Fallback::Queue => Fallback::Callback,
            other => other,
        };
        self.fall_back(instead, None);
    }

    /// The key that gets a caller in the queue rung back; none where there is no number to ring.
    fn callback_key(&self) -> Option<char> {
        self.config.callback_key.filter(|_| self.config.can_ring_back)
    }

    /// Tells a queuing caller their place, when it is time and known. What is being said is not cut short.
    fn tell_position(&mut self) {
        let guest = self.waiting();
        if self.is_spoken_to(guest) {
            return;
        }
        let Phase::Queued(q) = &mut self.phase else { return };
        let Some((position, wait_ms)) = q.place.filter(|_| self.now >= q.tell_at) else {
            return;
        };
        let minutes = |ms: u64| u16::try_from(ms.div_ceil(MINUTE_MS)).unwrap_or(u16::MAX);
        self.say(
            guest,
            Announcement::QueuePosition {
                position,
                wait_min: wait_ms.map(minutes),
                offer_callback: self.callback_key().is_some(),
            },
        );
    }

    /// Into a slot. `by` rings first when the caller has waited there for too long.
    pub(super) fn park(&mut self, slot: u16, by: Option<Target>) {
        if let Some(by) = &by {
            let by = by.who.clone();
            self.out.push(DeskEffect::Note(Fact::Parked { slot, by }));
        }
        self.enter(Phase::Parked(Parked {
            slot,
            by,
            until: self.now.plus_ms(self.config.park_ms_max),
        }));
    }

    pub(super) fn key(&mut self, leg: LegId, digit: char) {
        if leg == self.waiting() {
            return self.caller_key(digit);
        }
        let takes = match digit {
            '1' => true,
            '2' => false,
            _ => return,
        };
        let _ = self.candidate_decides(leg, takes) || self.consulted_decides_by_key(leg, takes);
    }

    /// Keys decide only where a machine asked: who talks with the host may well be typing for somebody else.
    fn consulted_decides_by_key(&mut self, leg: LegId, takes: bool) -> bool {
        let talks = matches!(&self.phase, Phase::Talking(t)
            if matches!(t.consult.as_ref().map(|c| &c.stage), Some(ConsultStage::Talks { .. })));
        !talks && self.consulted_decides(leg, takes)
    }

    fn caller_key(&mut self, digit: char) {
        match &self.phase {
            Phase::Message(Some(_)) if digit == '#' => self.message_over(),
            // Somebody who has answered is quicker than any callback.
            Phase::Ringing(r) if r.candidate.is_some() => {}
            // Only who queues was told of the key.
            Phase::Queued(_) | Phase::Ringing(_) if self.in_queue && Some(digit) == self.callback_key() => {
                self.make_task(TaskWhy::CallbackAsked);
                self.farewell(Announcement::CallbackNoted, DeskOutcome::Callback);
            }
            _ => {}
        }
    }

    /// When something of the phase is due.
    pub(super) fn phase_timeout(&self) -> Option<Mono> {
        match &self.phase {
            Phase::Ringing(r) => match r.candidate.map(|c| c.stage) {
                Some(Stage::Decides { until }) => Some(until),
                // What is awaited has a time-out of its own: the announcement's, or the sentence's.
                Some(Stage::Briefed | Stage::Sentence) => None,
                None if r.round.is_empty() => None,
                None => Some(r.step_until.min(r.total_until)),
            },
            Phase::Queued(q) => {
                let tell = q
                    .place
                    .filter(|_| !self.is_spoken_to(self.waiting()))
                    .map(|_| q.tell_at);
                self.queue_until.into_iter().chain(tell).min()
            }
            Phase::Talking(t) => {
                let consult = match t.consult.as_ref().map(|c| &c.stage) {
                    Some(ConsultStage::Rings { until, .. } | ConsultStage::Decides { until, .. }) => {
                        Some(*until)
                    }
                    _ => None,
                };
                t.invited.iter().map(|i| i.until).chain(consult).min()
            }
            Phase::Parked(p) => Some(p.until),
            Phase::Message(Some(m)) => Some(m.ends_at()),
            Phase::Receptionist | Phase::Message(None) | Phase::Farewell | Phase::Closing | Phase::Over => {
                None
            }
        }
    }

    /// What is due in the phase, and what follows of a leg that is gone.
    pub(super) fn expire_phase(&mut self) {
        let now = self.now;
        match &self.phase {
            Phase::Ringing(r) => {
                if let Some(c) = r.candidate
                    && matches!(c.stage, Stage::Decides { until } if now >= until)
                {
                    self.candidate_decides(c.leg, false);
                }
                self.advance_ringing();
            }
            Phase::Queued(_) => {
                if self.queue_until.is_some_and(|t| now >= t) {
                    self.queue_refused();
                } else {
                    self.tell_position();
                }
            }
            Phase::Talking(_) => {
                self.expire_consult();
                self.expire_invited();
            }
            Phase::Parked(p) if now >= p.until => {
                let plan = self.recall_plan(p.by.clone().into_iter().collect(), self.config.recall_ms);
                self.ring(&plan, Briefing::Screen, false);
            }
            Phase::Message(Some(m)) if now >= m.ends_at() => self.message_over(),
            // The words are said, and the report of it came while something else was due.
            Phase::Farewell if !self.is_spoken_to(self.waiting()) => self.close(DropWhy::Done),
            _ => {}
        }
    }

    /// Automation is off: who is with a machine is handed to people.
    pub(super) fn automation_off(&mut self, plan: RingPlan) {
        self.automation = false;
        if self.sentence_until.is_some() {
            self.out.push(DeskEffect::CutSentence);
            self.sentence_over();
        }
        match crate::automation::when_switched_off(self.whereabouts()) {
            crate::automation::SwitchedOff::HandToPeople => {
                self.receptionist_done();
                self.speeches
                    .retain(|s| s.leg != self.guest.unwrap_or(self.first));
                self.group = Some(plan.clone());
                self.ring(&plan, Briefing::Screen, false);
            }
            crate::automation::SwitchedOff::LeaveAlone => {
                // The machine answers nobody who waits for people any more.
                if matches!(self.phase, Phase::Ringing(_)) {
                    self.receptionist_done();
                }
            }
        }
    }
}
