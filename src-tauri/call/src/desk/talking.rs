//! A person has the caller: hold, others who come and go, and lines that are lost.

use super::config::Briefing;
use super::state::{Candidate, ConsultStage, Invited, Part, Phase, Stage, Talking};
use super::types::{Asking, DialFor, DropWhy, Fact, ReferStatus, Supervision};
use super::{DeskCall, DeskEffect, Direction, LEGS_MAX};
use crate::bridge::Role;
use crate::leg::LegEnd;
use crate::party::Target;
use crate::ring::RingPlan;
use crate::scene::Announcement;
use anteroom_types::LegId;

/// How often a caller whose person's line was lost is brought to another one before they may leave a message instead.
const RESCUES_MAX: u8 = 3;

/// How the one who had the caller is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostGone {
    /// They hung up, or left the caller to somebody else.
    HungUp,
    /// They hung up before a word can have been said: they have dropped the handset, or did not want the call.
    Fumbled,
    /// Their line was lost.
    Lost,
}

/// The role of a supervisor in the bridge.
pub(super) const fn role_of(how: Supervision) -> Role {
    match how {
        Supervision::Listen => Role::Listener,
        Supervision::Whisper => Role::Whisperer,
        Supervision::Barge => Role::Barger,
    }
}

impl DeskCall {
    /// Puts what is known of holding into the bridge.
    pub(super) fn keep_apart(&mut self) {
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        let asked_by_voice = t.consult.as_ref().is_some_and(|c| c.how == Asking::ByVoice);
        if let Some(guest) = t.bridge.member_mut(t.guest) {
            guest.apart = t.held || asked_by_voice;
        }
        for (leg, entry) in &self.legs {
            if let Some(m) = t.bridge.member_mut(*leg) {
                m.holds = entry.holds;
            }
        }
    }

    /// Holds or resumes by command. `false` when it is so already.
    pub(super) fn set_held(&mut self, held: bool) -> bool {
        let Phase::Talking(t) = &mut self.phase else {
            return false;
        };
        if t.held == held {
            return false;
        }
        t.held = held;
        self.out.push(DeskEffect::Note(Fact::Held(held)));
        true
    }

    /// Somebody who talked with the caller is gone.
    pub(super) fn talker_gone(&mut self, leg: LegId, end: LegEnd) {
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        t.bridge.leave(leg);
        let (is_host, since) = (leg == t.host, t.since);
        if end != LegEnd::HungUp {
            self.note_lost(leg);
        }
        if !is_host {
            if let Some(who) = self.person(leg) {
                self.out.push(DeskEffect::Note(Fact::Left { who }));
            }
            return;
        }
        // The caller wants a person all the same.
        let early = self.now < since.plus_ms(self.config.fumble_ms) && self.direction == Direction::Incoming;
        let gone = match end {
            LegEnd::HungUp if early => HostGone::Fumbled,
            LegEnd::HungUp => HostGone::HungUp,
            _ => HostGone::Lost,
        };
        if gone != HostGone::HungUp {
            self.out.push(DeskEffect::Note(Fact::PersonLost));
        }
        self.without_host(leg, gone);
    }

    /// Remembers that the line to a telephone was lost while somebody was on it: for this caller it is rung last.
    pub(super) fn note_lost(&mut self, leg: LegId) {
        let Some(target) = self.target(leg) else { return };
        self.lost.retain(|t| *t != target);
        if self.lost.len() == LEGS_MAX {
            self.lost.remove(0);
        }
        self.lost.push(target);
    }

    /// The one who had the caller is gone or leaves. The caller is with somebody else, or somebody else is found.
    pub(super) fn without_host(&mut self, host: LegId, gone: HostGone) {
        let was = self.target(host);
        let next = match gone {
            HostGone::HungUp => self.recall_plan(was.into_iter().collect(), self.config.recall_ms),
            HostGone::Fumbled => self.plan_again(was),
            HostGone::Lost => self.plan_elsewhere(was),
        };
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        let guest = t.guest;
        t.bridge.leave(host);
        match t.consult.take().map(|c| c.stage) {
            Some(ConsultStage::Talks { leg }) => return self.give_to(leg),
            Some(ConsultStage::Rings { legs, until }) => {
                let ms = until.ms_since(self.now);
                self.only_with(guest, &legs);
                return self.ring_on(legs, None, ms, &next);
            }
            Some(ConsultStage::Briefed { leg }) => return self.ask_on(leg, Stage::Briefed, &next),
            Some(ConsultStage::Decides { leg, until }) => {
                return self.ask_on(leg, Stage::Decides { until }, &next);
            }
            None => {}
        }
        if let Some(another) = t.bridge.another(guest, host) {
            t.held = false;
            t.host = another;
            t.bridge.join(another, Role::Host);
            if matches!(self.part(another), Some(Part::Supervises(_))) {
                self.set_part(another, Part::Talks);
                if let Some(by) = self.person(another) {
                    self.out
                        .push(DeskEffect::Note(Fact::Answered { by, leg: another }));
                }
            }
            return;
        }
        let phone_held = self.legs.get(&host).is_some_and(|l| l.holds);
        let Phase::Talking(t) = &self.phase else { return };
        let kept_waiting = t.held || phone_held;
        if gone == HostGone::HungUp && !kept_waiting {
            return self.close(DropWhy::OtherHungUp);
        }
        self.only_with(guest, &[]);
        if gone != HostGone::HungUp {
            // A telephone that answers and drops every call would keep the caller going round for ever.
            self.rescues += 1;
            if self.rescues > RESCUES_MAX {
                return self.fall_back(next.fallback, None);
            }
            self.say(guest, Announcement::OneMoment);
        }
        // Who put the caller on hold knows them; whoever is rung instead of somebody who was lost does not.
        let briefing = match gone {
            HostGone::HungUp => Briefing::Screen,
            HostGone::Fumbled | HostGone::Lost => self.briefing,
        };
        self.ring(&next, briefing, false);
    }

    /// The person who was asked goes on being asked, now with the caller waiting for them alone.
    fn ask_on(&mut self, leg: LegId, stage: Stage, next: &RingPlan) {
        let guest = self.waiting();
        self.only_with(guest, &[leg]);
        self.ring_on(Vec::new(), Some(Candidate { leg, stage }), 0, next);
        if let Phase::Ringing(r) = &mut self.phase {
            r.briefing = Briefing::ScreenAndAsked;
        }
    }

    /// Drops everybody but the caller, these, and whoever wants to take the caller.
    pub(super) fn only_with(&mut self, guest: LegId, keep: &[LegId]) {
        let takers = self
            .legs
            .iter()
            .filter(|(_, l)| matches!(l.part, Part::Takes { .. }));
        let keep: Vec<LegId> = takers
            .map(|(id, _)| *id)
            .chain(keep.iter().copied())
            .chain([guest])
            .collect();
        self.drop_others(&keep, DropWhy::Transferred);
    }

    /// The person who was asked has the caller now.
    pub(super) fn give_to(&mut self, leg: LegId) {
        self.set_part(leg, Part::Talks);
        self.speeches.retain(|s| s.leg != leg);
        let to = self.person(leg);
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        let old = std::mem::replace(&mut t.host, leg);
        t.since = self.now;
        t.bridge.leave(old);
        t.bridge.join(leg, Role::Host);
        t.held = false;
        t.consult = None;
        if let Some(to) = to {
            self.out
                .push(DeskEffect::Note(Fact::Transferred { to: to.clone() }));
            self.out.push(DeskEffect::Note(Fact::Answered { by: to, leg }));
        }
        if old != leg && self.part(old) == Some(Part::Talks) {
            self.refer(old, ReferStatus::Done);
            self.drop_leg(old, DropWhy::Transferred);
        }
    }

    /// `new` takes the place of `old` (Replaces, RFC 3891).
    pub(super) fn replace(&mut self, old: LegId, new: LegId) {
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        let role = match t.bridge.member(old) {
            Some(m) => m.role,
            // It replaces somebody who is not in the talk: a telephone that still rings, or nobody.
            None => {
                return self.leave(new, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere);
            }
        };
        t.bridge.leave(old);
        t.bridge.join(new, role);
        if t.guest == old {
            t.guest = new;
            self.guest = Some(new);
        }
        let has_caller = t.host == old;
        if has_caller {
            t.host = new;
            t.since = self.now;
        }
        let mut part = Part::Talks;
        if let Some(c) = &mut t.consult
            && c.stage.answered() == Some(old)
        {
            c.stage = ConsultStage::Talks { leg: new };
            part = Part::Consulted;
        }
        if let Some(Part::Supervises(how)) = self.part(old) {
            part = Part::Supervises(how);
        }
        self.set_part(new, part);
        if let Some(to) = self.person(new).filter(|_| has_caller) {
            self.out
                .push(DeskEffect::Note(Fact::Transferred { to: to.clone() }));
            self.out
                .push(DeskEffect::Note(Fact::Answered { by: to, leg: new }));
        }
        self.refer(old, ReferStatus::Done);
        self.drop_leg(old, DropWhy::Transferred);
    }

    /// Rings somebody to come into the talk.
    pub(super) fn invite(&mut self, to: &[Target], part: Part, what: DialFor) -> bool {
        let legs = self.dial_all(to, part, what);
        let until = self.now.plus_ms(self.config.transfer_ms);
        let Phase::Talking(t) = &mut self.phase else {
            return false;
        };
        if legs.is_empty() {
            return false;
        }
        t.invited.push(Invited { legs, until });
        true
    }

    pub(super) fn invited_answered(&mut self, leg: LegId) {
        let part = self.part(leg);
        let Phase::Talking(t) = &mut self.phase else {
            return self.leave(leg, Announcement::CallerGone, DropWhy::CallerGone);
        };
        let Some(i) = t.invited.iter().position(|i| i.legs.contains(&leg)) else {
            return self.leave(leg, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere);
        };
        let others = t.invited.remove(i).legs;
        let supervision = match part {
            Some(Part::Supervises(how)) => Some(how),
            _ => None,
        };
        t.bridge.join(leg, supervision.map_or(Role::Third, role_of));
        if supervision.is_none() {
            self.set_part(leg, Part::Talks);
        }
        for other in others.into_iter().filter(|l| *l != leg) {
            self.drop_leg(other, DropWhy::AnsweredElsewhere);
        }
        self.note_joined(leg, supervision);
    }

    pub(super) fn invited_gone(&mut self, leg: LegId) {
        let who = self.person(leg);
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        for i in &mut t.invited {
            i.legs.retain(|l| *l != leg);
        }
        t.invited.retain(|i| !i.legs.is_empty());
        if t.bridge.member(leg).is_some() {
            t.bridge.leave(leg);
            if let Some(who) = who {
                self.out.push(DeskEffect::Note(Fact::Left { who }));
            }
        }
    }

    /// Gives up on people who do not come.
    pub(super) fn expire_invited(&mut self) {
        let now = self.now;
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        let late: Vec<LegId> = t
            .invited
            .extract_if(.., |i| now >= i.until)
            .flat_map(|i| i.legs)
            .collect();
        for leg in late {
            self.drop_leg(leg, DropWhy::NoAnswer);
        }
    }

    /// The other side of `leg`, for another call.
    pub(super) fn other_side(t: &Talking, leg: LegId) -> Option<LegId> {
        let plain = t.consult.is_none() && t.bridge.members().iter().filter(|m| m.role.talks()).count() == 2;
        match leg {
            l if plain && l == t.host => Some(t.guest),
            l if plain && l == t.guest => Some(t.host),
            _ => None,
        }
    }
}
