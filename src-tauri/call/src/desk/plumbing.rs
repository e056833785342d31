//! Legs and announcements: dialling, dropping, saying, and what is heard back of them.

use super::state::{LegEntry, Part, Phase};
use super::types::{AdoptAs, DialFor, DropWhy, Fact, ReferStatus, Speech};
use super::{DeskCall, DeskEffect, LEGS_MAX};
use crate::leg::{Leg, LegEnd, LegInput, LegOutput};
use crate::party::{PersonId, Target};
use crate::scene::{Announcement, PlayNo};
use anteroom_types::LegId;

/// What an announcement may last beyond its reported length, milliseconds.
const LATE_MS_MAX: u64 = 1_000;

impl DeskCall {
    /// Dials, if the call may have one more leg.
    pub(super) fn dial(&mut self, target: &Target, part: Part, what: DialFor) -> Option<LegId> {
        if self.legs.len() >= LEGS_MAX {
            return None;
        }
        let leg = self.ids.draw();
        let entry = LegEntry {
            machine: Leg::dialled(self.config.leg, self.now),
            target: Some(target.clone()),
            part,
            holds: false,
            screen: false,
        };
        self.legs.insert(leg, entry);
        self.out.push(DeskEffect::Dial {
            leg,
            target: target.clone(),
            what,
            urgent: self.urgent,
        });
        Some(leg)
    }

    /// Dials all of `targets` that the call has room for.
    pub(super) fn dial_all(&mut self, targets: &[Target], part: Part, what: DialFor) -> Vec<LegId> {
        targets.iter().filter_map(|t| self.dial(t, part, what)).collect()
    }

    pub(super) fn tell_leg(&mut self, leg: LegId, input: LegInput, why: DropWhy) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        for output in entry.machine.handle(self.now, input) {
            match output {
                LegOutput::SendCancel => self.out.push(DeskEffect::Cancel { leg, why }),
                LegOutput::SendBye => self.out.push(DeskEffect::HangUp { leg, why }),
                LegOutput::Rings { .. } => self.leg_rings(leg),
                LegOutput::Answered => self.leg_answered(leg),
                LegOutput::AnsweredLate => {
                    let what = match self.phase {
                        Phase::Closing => Announcement::CallerGone,
                        _ => Announcement::AnsweredElsewhere,
                    };
                    self.leave(leg, what, DropWhy::AnsweredElsewhere);
                }
                LegOutput::Over(end) => {
                    self.gone(leg, end);
                    self.legs.remove(&leg);
                    self.speeches.retain(|s| s.leg != leg);
                }
            }
        }
    }

    pub(super) fn media_lost(&mut self, leg: LegId) {
        if self.legs.get(&leg).is_some_and(|l| l.machine.is_up()) {
            self.note_lost(leg);
            self.tell_leg(leg, LegInput::MediaLost, DropWhy::Failed);
            self.gone(leg, LegEnd::Lost);
        }
    }

    pub(super) fn leg_held(&mut self, leg: LegId, held: bool) {
        if let Some(l) = self.legs.get_mut(&leg) {
            l.holds = held;
        }
    }

    fn leg_answered(&mut self, leg: LegId) {
        match self.part(leg) {
            Some(Part::Rings) => self.ringing_answered(leg),
            Some(Part::Takes { .. }) => self.taker_answered(leg),
            Some(Part::Consulted) => self.consulted_answered(leg),
            Some(Part::Joins | Part::Supervises(_)) => self.invited_answered(leg),
            _ => self.leave(leg, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere),
        }
    }

    fn leg_rings(&mut self, leg: LegId) {
        if self.part(leg) == Some(Part::Consulted) {
            self.consulted_rings();
        }
    }

    /// A leg is out of the call, by itself. Once per leg: who was dropped is gone already.
    fn gone(&mut self, leg: LegId, end: LegEnd) {
        let Some(part) = self.part(leg) else { return };
        self.set_part(leg, Part::Leaves(DropWhy::OtherHungUp));
        self.speeches.retain(|s| s.leg != leg);
        match part {
            Part::Leaves(_) | Part::Takes { .. } => {}
            Part::Rings => self.ringing_gone(leg, end),
            Part::Consulted => self.consulted_gone(leg, end),
            Part::Joins | Part::Supervises(_) => self.invited_gone(leg),
            Part::Talks if leg == self.waiting() => self.caller_gone(),
            Part::Talks => self.talker_gone(leg, end),
        }
    }

    /// Gives a leg up at once.
    pub(super) fn drop_leg(&mut self, leg: LegId, why: DropWhy) {
        self.set_part(leg, Part::Leaves(why));
        self.speeches.retain(|s| s.leg != leg);
        self.tell_leg(leg, LegInput::Drop, why);
    }

    /// Gives a leg up; if somebody is there, they are told something first.
    pub(super) fn leave(&mut self, leg: LegId, what: Announcement, why: DropWhy) {
        if self.legs.get(&leg).is_some_and(|l| l.machine.is_up()) {
            self.set_part(leg, Part::Leaves(why));
            self.say(leg, what);
        } else {
            self.drop_leg(leg, why);
        }
    }

    /// Gives up every leg that is in the call and not in `keep`.
    pub(super) fn drop_others(&mut self, keep: &[LegId], why: DropWhy) {
        let others: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(id, l)| !keep.contains(id) && !matches!(l.part, Part::Leaves(_)))
            .map(|(id, _)| *id)
            .collect();
        for leg in others {
            self.drop_leg(leg, why);
        }
    }

    pub(super) fn part(&self, leg: LegId) -> Option<Part> {
        self.legs.get(&leg).map(|l| l.part)
    }

    pub(super) fn set_part(&mut self, leg: LegId, part: Part) {
        if let Some(l) = self.legs.get_mut(&leg) {
            l.part = part;
        }
    }

    pub(super) fn target(&self, leg: LegId) -> Option<Target> {
        self.legs.get(&leg).and_then(|l| l.target.clone())
    }

    /// Whose leg it is; the outside caller is nobody.
    pub(super) fn person(&self, leg: LegId) -> Option<PersonId> {
        self.legs.get(&leg)?.target.as_ref().map(|t| t.who.clone())
    }

    /// The leg of whoever waits for somebody: the person from outside, or who placed the call.
    pub(super) fn waiting(&self) -> LegId {
        self.guest.unwrap_or(self.first)
    }

    /// Says something to a leg, instead of what was being said to it.
    pub(super) fn say(&mut self, leg: LegId, what: Announcement) {
        self.speeches.retain(|s| s.leg != leg);
        self.plays += 1;
        self.speeches.push(Speech {
            leg,
            play: PlayNo(self.plays),
            what,
            until: self.now.plus_ms(self.config.start_ms_max),
        });
    }

    pub(super) fn speech_started(&mut self, leg: LegId, play: PlayNo, ms: u64) {
        let until = self
            .now
            .plus_ms(ms.min(self.config.announce_ms_max) + LATE_MS_MAX);
        if let Some(s) = self.speeches.iter_mut().find(|s| s.leg == leg && s.play == play) {
            s.until = until;
        }
    }

    /// Whether words are being said to a leg.
    pub(super) fn is_spoken_to(&self, leg: LegId) -> bool {
        self.speeches.iter().any(|s| s.leg == leg)
    }

    /// An announcement is over. A report of one that is no longer wanted does nothing.
    pub(super) fn played(&mut self, leg: LegId, play: PlayNo) {
        let Some(i) = self.speeches.iter().position(|s| s.leg == leg && s.play == play) else {
            return;
        };
        self.speeches.remove(i);
        match self.part(leg) {
            Some(Part::Leaves(why)) => self.drop_leg(leg, why),
            Some(Part::Rings) => self.candidate_briefed(leg),
            Some(Part::Consulted) => self.consulted_briefed(leg),
            Some(Part::Talks) => self.caller_was_told(leg),
            _ => {}
        }
    }

    /// A leg of another call comes in.
    pub(super) fn adopt(&mut self, leg: LegId, target: Target, what: AdoptAs) {
        if self.legs.contains_key(&leg) {
            return;
        }
        let entry = LegEntry {
            machine: Leg::up(self.config.leg),
            target: Some(target),
            part: Part::Leaves(DropWhy::CallerGone),
            holds: false,
            screen: false,
        };
        self.legs.insert(leg, entry);
        match (&mut self.phase, what) {
            (Phase::Closing | Phase::Over, _) => {
                self.leave(leg, Announcement::CallerGone, DropWhy::CallerGone);
            }
            (Phase::Talking(_), AdoptAs::Instead(old)) => self.replace(old, leg),
            (Phase::Talking(t), AdoptAs::Third) => {
                t.bridge.join(leg, crate::bridge::Role::Third);
                self.set_part(leg, Part::Talks);
                self.note_joined(leg, None);
            }
            (Phase::Talking(t), AdoptAs::Supervisor(how)) => {
                t.bridge.join(leg, super::talking::role_of(how));
                self.set_part(leg, Part::Supervises(how));
                self.note_joined(leg, Some(how));
            }
            // A call somebody has already; and nobody to take, to join or to supervise.
            (Phase::Talking(_), AdoptAs::Taker) | (Phase::Farewell, _) => {
                self.leave(leg, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere);
            }
            (_, AdoptAs::Supervisor(_)) => self.leave(leg, Announcement::NoAnswer, DropWhy::Failed),
            (_, AdoptAs::Taker | AdoptAs::Third | AdoptAs::Instead(_)) => self.connect(leg),
        }
    }

    pub(super) fn note_joined(&mut self, leg: LegId, supervision: Option<super::Supervision>) {
        if let Some(who) = self.person(leg) {
            self.out.push(DeskEffect::Note(Fact::Joined { who, supervision }));
        }
    }

    pub(super) fn refer(&mut self, leg: LegId, status: ReferStatus) {
        self.out.push(DeskEffect::Refer { leg, status });
    }

    /// Ends the call: whoever is still there is hung up.
    pub(super) fn close(&mut self, why: DropWhy) {
        // Who is with the caller hears that they are gone. Who is not, is told.
        let waiting = self.waiting();
        if why == DropWhy::CallerGone && !self.scene.bridge.has(waiting) {
            let told: Vec<LegId> = self
                .legs
                .iter()
                .filter(|(id, l)| {
                    let part = matches!(l.part, Part::Talks | Part::Rings | Part::Consulted);
                    **id != waiting && part && l.machine.is_up()
                })
                .map(|(id, _)| *id)
                .collect();
            for leg in told {
                self.leave(leg, Announcement::CallerGone, why);
            }
        }
        self.drop_others(&[], why);
        self.enter(Phase::Closing);
    }

    /// Changes the phase; what only the old one had is given back.
    pub(super) fn enter(&mut self, phase: Phase) {
        let old = std::mem::replace(&mut self.phase, phase);
        match old {
            Phase::Parked(p) => self.out.push(DeskEffect::FreeSlot { slot: p.slot }),
            Phase::Message(Some(_)) => self.out.push(DeskEffect::StopRecording { keep: false }),
            _ => {}
        }
        let queues = matches!(self.phase, Phase::Queued(_) | Phase::Ringing(_));
        if !queues {
            self.queue_until = None;
            if std::mem::take(&mut self.in_queue) {
                self.out.push(DeskEffect::LeaveQueue);
            }
        }
    }
}
