//! Somebody is asked whether they take the caller (warm, attended transfer).

use super::state::{Consult, ConsultStage, Part, Phase};
use super::types::{Asking, ControlError, DialFor, DropWhy, Fact, ReferStatus};
use super::{DeskCall, DeskEffect};
use crate::bridge::Role;
use crate::leg::LegEnd;
use crate::party::Target;
use crate::scene::Announcement;
use anteroom_types::LegId;

impl DeskCall {
    /// Rings somebody to ask them.
    pub(super) fn consult(&mut self, to: &[Target], how: Asking) -> Result<(), ControlError> {
        let Phase::Talking(t) = &self.phase else {
            return Err(ControlError::WrongState);
        };
        if t.consult.is_some() {
            return Err(ControlError::WrongState);
        }
        let who = to.first().ok_or(ControlError::NobodyToRing)?.who.clone();
        let legs = self.dial_all(to, Part::Consulted, DialFor::Consult);
        if legs.is_empty() {
            return Err(ControlError::TooManyLegs);
        }
        let until = self.now.plus_ms(self.config.transfer_ms);
        if let Phase::Talking(t) = &mut self.phase {
            t.consult = Some(Consult {
                how,
                stage: ConsultStage::Rings { legs, until },
            });
        }
        self.out.push(DeskEffect::Note(Fact::Consulting { who }));
        Ok(())
    }

    pub(super) fn consulted_rings(&mut self) {
        if let Phase::Talking(t) = &self.phase {
            self.refer(t.host, ReferStatus::Ringing);
        }
    }

    pub(super) fn consulted_answered(&mut self, leg: LegId) {
        let until = self.now.plus_ms(self.config.decide_ms_max);
        let Phase::Talking(t) = &mut self.phase else {
            return self.leave(leg, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere);
        };
        let Some(c) = &mut t.consult else {
            return self.leave(leg, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere);
        };
        let others = match &c.stage {
            ConsultStage::Rings { legs, .. } if legs.contains(&leg) => legs.clone(),
            _ => return self.leave(leg, Announcement::AnsweredElsewhere, DropWhy::AnsweredElsewhere),
        };
        let has_screen = self.legs.get(&leg).is_some_and(|l| l.screen);
        c.stage = match c.how {
            Asking::ByVoice => ConsultStage::Talks { leg },
            Asking::Screen if has_screen => ConsultStage::Decides { leg, until },
            Asking::Spoken | Asking::Screen => ConsultStage::Briefed { leg },
        };
        let spoken = matches!(c.stage, ConsultStage::Briefed { .. });
        if c.how == Asking::ByVoice {
            t.bridge.join(leg, Role::Third);
        }
        for other in others.into_iter().filter(|l| *l != leg) {
            self.drop_leg(other, DropWhy::AnsweredElsewhere);
        }
        if spoken {
            self.say(leg, Announcement::Brief { asks: true });
        }
    }

    pub(super) fn consulted_briefed(&mut self, leg: LegId) {
        let until = self.now.plus_ms(self.config.decide_ms_max);
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        if let Some(c) = &mut t.consult
            && matches!(c.stage, ConsultStage::Briefed { leg: l } if l == leg)
        {
            c.stage = ConsultStage::Decides { leg, until };
        }
    }

    /// A leg of the person asked is gone.
    pub(super) fn consulted_gone(&mut self, leg: LegId, end: LegEnd) {
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        let Some(c) = &mut t.consult else { return };
        match &mut c.stage {
            ConsultStage::Rings { legs, .. } => {
                legs.retain(|l| *l != leg);
                if !legs.is_empty() {
                    return;
                }
            }
            stage if stage.answered() != Some(leg) => return,
            _ => {}
        }
        let status = match end {
            LegEnd::Refused(status) => status,
            _ => 480,
        };
        self.end_consult(DropWhy::NoAnswer, Some(status));
    }

    /// The person asked lets it be, or is let go; the caller is back with who asked. `failed` is the status a phone
    /// is told.
    pub(super) fn end_consult(&mut self, why: DropWhy, failed: Option<u16>) {
        let Phase::Talking(t) = &mut self.phase else {
            return;
        };
        let Some(c) = t.consult.take() else { return };
        let host = t.host;
        let legs = match c.stage {
            ConsultStage::Rings { legs, .. } => legs,
            other => other.answered().into_iter().collect(),
        };
        for leg in &legs {
            t.bridge.leave(*leg);
        }
        for leg in legs {
            if self.part(leg) == Some(Part::Consulted) {
                self.drop_leg(leg, why);
            }
        }
        self.out.push(DeskEffect::Note(Fact::TransferFailed));
        if let Some(status) = failed {
            self.refer(host, ReferStatus::Failed(status));
        }
    }

    /// The person asked takes the caller, or does not. `false` when nobody is being asked on this leg.
    pub(super) fn consulted_decides(&mut self, leg: LegId, takes: bool) -> bool {
        let Phase::Talking(t) = &self.phase else {
            return false;
        };
        if t.consult.as_ref().and_then(|c| c.stage.answered()) != Some(leg) {
            return false;
        }
        if takes {
            self.give_to(leg);
        } else {
            self.end_consult(DropWhy::Staff, Some(603));
        }
        true
    }

    pub(super) fn expire_consult(&mut self) {
        let now = self.now;
        let Phase::Talking(t) = &self.phase else { return };
        let late = match t.consult.as_ref().map(|c| &c.stage) {
            Some(ConsultStage::Rings { until, .. } | ConsultStage::Decides { until, .. }) => now >= *until,
            _ => false,
        };
        if late {
            self.end_consult(DropWhy::NoAnswer, Some(480));
        }
    }
}
