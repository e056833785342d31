//! Commands of staff.

use super::config::Briefing;
use super::state::{ConsultStage, Part, Phase, Talking};
use super::talking::HostGone;
use super::types::{By, Command, ControlError, DialFor, DropWhy, ReferStatus, Supervision, TaskWhy};
use super::{DeskCall, DeskEffect, DeskOutcome};
use crate::party::Target;
use crate::scene::Announcement;
use anteroom_types::LegId;

impl DeskCall {
    pub(super) fn obey(&mut self, by: &By, command: Command) -> Result<(), ControlError> {
        match command {
            Command::Take { at } => self.take_caller(at),
            Command::Hold => self.hold(by, true),
            Command::Resume => self.hold(by, false),
            Command::Mute => self.mute(by, true),
            Command::Unmute => self.mute(by, false),
            Command::Park { slot } => self.park_caller(by, slot),
            Command::Blind { to } => self.give_blindly(by, to),
            Command::Warm { to, how } => {
                self.host_leg(by)?;
                self.consult(&to, how)
            }
            Command::Complete => self.complete(by),
            Command::Abort => {
                self.host_leg(by)?;
                if self.talk()?.consult.is_none() {
                    return Err(ControlError::WrongState);
                }
                self.end_consult(DropWhy::Staff, Some(487));
                Ok(())
            }
            Command::Accept => self.decide(by, true),
            Command::Decline => self.decide(by, false),
            Command::Add { to } => self.bring_in(&to, Part::Joins, DialFor::Join),
            Command::Join => self.join_consulted(by),
            Command::Leave => self.leave_talk(by),
            Command::Supervise { how, at } => self.supervise(by, how, &at),
            Command::Voicemail => {
                self.not_anothers(by)?;
                self.detachable()?;
                self.greet();
                Ok(())
            }
            Command::Callback => {
                self.not_anothers(by)?;
                self.detachable()?;
                self.make_task(TaskWhy::CallbackPromised);
                self.farewell(Announcement::CallbackNoted, DeskOutcome::Callback);
                Ok(())
            }
            Command::HangUp => {
                self.not_anothers(by)?;
                self.settle_debts(TaskWhy::Missed, DeskOutcome::NoAnswer);
                self.receptionist_done();
                self.close(DropWhy::Staff);
                Ok(())
            }
        }
    }

    /// A talk is ended by those who talk; a caller whom nobody has may be seen to by anybody.
    fn not_anothers(&self, by: &By) -> Result<(), ControlError> {
        match self.phase {
            Phase::Talking(_) => self.talking_leg(by).map(drop),
            _ => Ok(()),
        }
    }

    fn talk(&self) -> Result<&Talking, ControlError> {
        match &self.phase {
            Phase::Talking(t) => Ok(t),
            _ => Err(ControlError::WrongState),
        }
    }

    fn talk_mut(&mut self) -> Result<&mut Talking, ControlError> {
        match &mut self.phase {
            Phase::Talking(t) => Ok(t),
            _ => Err(ControlError::WrongState),
        }
    }

    /// The legs of whoever asks, on which somebody has answered and is wanted.
    fn legs_of(&self, by: &By) -> Vec<LegId> {
        let theirs = |leg: &LegId, target: Option<&Target>| match by {
            By::Leg(l) => l == leg,
            By::Person(p) => target.is_some_and(|t| t.who == *p),
        };
        self.legs
            .iter()
            .filter(|(id, l)| {
                l.machine.is_up() && !matches!(l.part, Part::Leaves(_)) && theirs(id, l.target.as_ref())
            })
            .map(|(id, _)| *id)
            .collect()
    }

    /// The leg with which whoever asks takes part in the talk: not the caller's, not a supervisor's.
    fn talking_leg(&self, by: &By) -> Result<LegId, ControlError> {
        let t = self.talk()?;
        let talks = |l: &LegId| *l != t.guest && t.bridge.member(*l).is_some_and(|m| m.role.talks());
        self.legs_of(by)
            .into_iter()
            .find(talks)
            .ok_or(ControlError::NotInCall)
    }

    /// The same, of the one who has the caller.
    fn host_leg(&self, by: &By) -> Result<LegId, ControlError> {
        let leg = self.talking_leg(by)?;
        if self.talk()?.host == leg {
            Ok(leg)
        } else {
            Err(ControlError::WrongState)
        }
    }

    /// Whether there is a caller who can be sent elsewhere.
    fn detachable(&self) -> Result<(), ControlError> {
        match &self.phase {
            Phase::Message(_) | Phase::Farewell | Phase::Closing | Phase::Over => {
                Err(ControlError::WrongState)
            }
            _ if self.guest.is_none() => Err(ControlError::WrongState),
            _ => Ok(()),
        }
    }

    /// Rings the devices of somebody who wants the caller. Everything else goes on meanwhile: the receptionist talks,
    /// the music plays, the others ring. Nothing is lost when they do not answer.
    fn take_caller(&mut self, at: Vec<Target>) -> Result<(), ControlError> {
        if at.is_empty() {
            return Err(ControlError::NobodyToRing);
        }
        match &self.phase {
            Phase::Talking(_) | Phase::Farewell | Phase::Closing | Phase::Over => {
                return Err(ControlError::WrongState);
            }
            Phase::Ringing(r) if r.candidate.is_some() => return Err(ControlError::WrongState),
            _ => {}
        }
        let until = self.now.plus_ms(self.config.transfer_ms);
        let new: Vec<Target> = at.into_iter().filter(|t| !self.is_rung(t)).collect();
        if !new.is_empty()
            && self
                .dial_all(&new, Part::Takes { until }, DialFor::Take)
                .is_empty()
        {
            return Err(ControlError::TooManyLegs);
        }
        Ok(())
    }

    fn is_rung(&self, target: &Target) -> bool {
        self.legs
            .values()
            .any(|l| l.machine.is_ringing() && l.target.as_ref() == Some(target))
    }

    fn hold(&mut self, by: &By, held: bool) -> Result<(), ControlError> {
        self.talking_leg(by)?;
        self.set_held(held);
        Ok(())
    }

    fn mute(&mut self, by: &By, muted: bool) -> Result<(), ControlError> {
        let leg = self.talking_leg(by)?;
        if let Some(m) = self.talk_mut()?.bridge.member_mut(leg) {
            m.muted = muted;
        }
        Ok(())
    }

    fn park_caller(&mut self, by: &By, slot: u16) -> Result<(), ControlError> {
        let leg = self.host_leg(by)?;
        let guest = self.talk()?.guest;
        let target = self.target(leg);
        self.only_with(guest, &[leg]);
        self.refer(leg, ReferStatus::Done);
        self.park(slot, target);
        if self.config.say_slot {
            self.leave(leg, Announcement::ParkedAt(slot), DropWhy::Transferred);
        } else {
            self.drop_leg(leg, DropWhy::Transferred);
        }
        Ok(())
    }

    fn give_blindly(&mut self, by: &By, to: Vec<Target>) -> Result<(), ControlError> {
        self.detachable()?;
        if to.is_empty() {
            return Err(ControlError::NobodyToRing);
        }
        let guest = self.waiting();
        let from = match &self.phase {
            Phase::Talking(_) => Some(self.talking_leg(by)?),
            _ => None,
        };
        let back: Vec<Target> = from.and_then(|l| self.target(l)).into_iter().collect();
        let plan = self
            .recall_plan(back, self.config.recall_ms)
            .with_first(to, self.config.transfer_ms);
        if let Some(from) = from {
            self.refer(from, ReferStatus::Done);
        }
        self.receptionist_done();
        self.speeches.retain(|s| s.leg != guest);
        self.only_with(guest, &[]);
        self.ring(&plan, Briefing::Screen, from.is_some());
        Ok(())
    }

    fn complete(&mut self, by: &By) -> Result<(), ControlError> {
        let host = self.host_leg(by)?;
        match self.talk()?.consult.as_ref().map(|c| &c.stage) {
            None => Err(ControlError::WrongState),
            Some(ConsultStage::Talks { leg }) => {
                let leg = *leg;
                self.give_to(leg);
                Ok(())
            }
            // They have not answered, or not decided, yet: whoever asked does not wait for it.
            Some(_) => {
                self.refer(host, ReferStatus::Done);
                self.drop_leg(host, DropWhy::Transferred);
                self.without_host(host, HostGone::HungUp);
                Ok(())
            }
        }
    }

    fn decide(&mut self, by: &By, takes: bool) -> Result<(), ControlError> {
        for leg in self.legs_of(by) {
            if self.candidate_decides(leg, takes) || self.consulted_decides(leg, takes) {
                return Ok(());
            }
        }
        Err(ControlError::NotInCall)
    }

    fn bring_in(&mut self, to: &[Target], part: Part, what: DialFor) -> Result<(), ControlError> {
        self.talk()?;
        if to.is_empty() {
            return Err(ControlError::NobodyToRing);
        }
        if self.invite(to, part, what) {
            Ok(())
        } else {
            Err(ControlError::TooManyLegs)
        }
    }

    fn join_consulted(&mut self, by: &By) -> Result<(), ControlError> {
        self.host_leg(by)?;
        let t = self.talk_mut()?;
        let Some(ConsultStage::Talks { leg }) = t.consult.as_ref().map(|c| &c.stage) else {
            return Err(ControlError::WrongState);
        };
        let leg = *leg;
        t.consult = None;
        t.held = false;
        self.set_part(leg, Part::Talks);
        self.note_joined(leg, None);
        Ok(())
    }

    fn leave_talk(&mut self, by: &By) -> Result<(), ControlError> {
        let supervisor = self
            .legs_of(by)
            .into_iter()
            .find(|l| matches!(self.part(*l), Some(Part::Supervises(_))));
        let leg = match supervisor {
            Some(leg) => leg,
            None => self.talking_leg(by)?,
        };
        // Who was asked and leaves does not take the caller.
        if self.consulted_decides(leg, false) {
            return Ok(());
        }
        let t = self.talk()?;
        let host = t.host;
        if leg == host && t.bridge.another(t.guest, host).is_none() {
            return Err(ControlError::WrongState);
        }
        let who = self.person(leg);
        self.drop_leg(leg, DropWhy::Staff);
        if leg == host {
            self.without_host(leg, HostGone::HungUp);
        } else {
            self.talk_mut()?.bridge.leave(leg);
        }
        if let Some(who) = who {
            self.out.push(DeskEffect::Note(super::Fact::Left { who }));
        }
        Ok(())
    }

    fn supervise(&mut self, by: &By, how: Supervision, at: &[Target]) -> Result<(), ControlError> {
        self.talk()?;
        let leg = self
            .legs_of(by)
            .into_iter()
            .find(|l| matches!(self.part(*l), Some(Part::Supervises(_))));
        let Some(leg) = leg else {
            return self.bring_in(at, Part::Supervises(how), DialFor::Supervise);
        };
        self.set_part(leg, Part::Supervises(how));
        self.talk_mut()?.bridge.join(leg, super::talking::role_of(how));
        self.note_joined(leg, Some(how));
        Ok(())
    }

    /// Gives the other side of `leg` away to another call.
    pub(super) fn give_away(&mut self, leg: LegId) -> Result<(LegId, Option<Target>), ControlError> {
        let t = self.talk()?;
        let other = Self::other_side(t, leg).ok_or(ControlError::WrongState)?;
        let target = self.target(other);
        self.legs.remove(&other);
        self.speeches.retain(|s| s.leg != other);
        self.out.push(DeskEffect::Surrendered { leg: other });
        self.close(DropWhy::Transferred);
        Ok((other, target))
    }
}
