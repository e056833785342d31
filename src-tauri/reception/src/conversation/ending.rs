//! Handing over, goodbye, and callers who are gone.

use super::collecting::abandoned;
use super::state::{Asked, Need, Notice, State};
use super::{ConvEffect, Conversation, Why};
use crate::hours::Status;
use crate::policy::Script;
use crate::turn::Expectation;
use anteroom_types::event::TaskKind;
use anteroom_types::{Decision, EndReason, TurnId};

impl Conversation {
    /// The caller wants a person.
    pub(super) fn hand_over(&mut self, turn: TurnId, intent: &str, disclosure: bool, text: &str) {
        self.round.clear();
        if disclosure {
            self.say(Some(turn), Script::NotDisclosed, &[]);
        }
        let need = Need::new(TaskKind::Callback, "Asked for a person", Some(text));
        self.hand_over_need(turn, intent, need);
    }

    pub(super) fn hand_over_need(&mut self, turn: TurnId, intent: &str, need: Need) {
        let answers = Some(turn).filter(|t| t.0 > 0);
        let why = Why::intent(intent.to_owned());
        if let Status::Closed { .. } = self.hours.status_at(self.local) {
            self.record(turn, Decision::Task, why);
            let status = self.hours.spoken_status(self.local);
            self.say(answers, Script::HandoverClosed, &[("status", &status)]);
            self.say(answers, Script::CallbackStart, &[]);
            return self.call_back(answers, need);
        }
        self.record(turn, Decision::Handover, why);
        self.say(answers, Script::Handover, &[]);
        self.out.push(ConvEffect::Handover {
            reason: intent.to_owned(),
        });
        self.state = State::HandingOver {
            since: self.now,
            need,
        };
    }

    /// Nobody took it, or not in time.
    pub(super) fn handover_failed(&mut self) {
        match std::mem::replace(&mut self.state, State::Open(Asked::Nothing)) {
            State::HandingOver { need, .. } => {
                self.round.clear();
                self.say(None, Script::HandoverFailed, &[]);
                self.say(None, Script::CallbackStart, &[]);
                self.call_back(None, need);
            }
            other => self.state = other,
        }
    }

    /// The caller comes back from people.
    pub(super) fn returned(&mut self) {
        if !matches!(self.state, State::Fresh) {
            return;
        }
        // The greeting and the notice were heard before.
        self.notice = Notice::Settled;
        self.say(None, Script::HandoverFailed, &[]);
        self.say(None, Script::CallbackStart, &[]);
        let need = Need::new(TaskKind::Callback, "Was put through and the line was lost", None);
        self.call_back(None, need);
    }

    pub(super) fn ask_anything_else(&mut self, turn: TurnId) {
        self.record(turn, Decision::Clarify, Why::nothing());
        self.round.clear();
        self.say(Some(turn), Script::AnythingElse, &[]);
        self.expect(Expectation::Question);
        self.state = State::Open(Asked::AnythingElse);
    }

    pub(super) fn goodbye(&mut self, turn: TurnId) {
        self.record(turn, Decision::Goodbye, Why::nothing());
        self.round.clear();
        self.close(Some(turn), Script::Goodbye);
    }

    /// Says the last words; the call is hung up when they have been said.
    pub(super) fn close(&mut self, turn: Option<TurnId>, script: Script) {
        let say = self.say(turn, script, &[]);
        self.state = State::Closing {
            say,
            since: self.now,
            dropped: false,
        };
        self.expect(Expectation::Question);
    }

    pub(super) fn hang_up(&mut self) {
        self.state = State::Over;
        self.out.push(ConvEffect::Hangup {
            reason: EndReason::Completed,
        });
    }

    /// The caller is gone. What they still needed becomes a task.
    pub(super) fn caller_gone(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Over);
        let (need, values) = match state {
            State::Over | State::Closing { .. } => return,
            State::Collecting(c) => {
                let mut need = c.need;
                need.about.push_str(" (hung up before it was complete)");
                let values = c.form.values().to_vec();
                (Some(need), values)
            }
            State::Looking { need, .. } | State::HandingOver { need, .. } => (Some(need), Vec::new()),
            State::Open(
                Asked::LineNumber { need } | Asked::Which { need, .. } | Asked::SayAgain { need },
            ) => (Some(need), Vec::new()),
            // An offer that was not taken up is no need.
            State::Open(Asked::Callback { .. } | Asked::AnythingElse | Asked::Nothing) | State::Fresh => {
                (None, Vec::new())
            }
        };
        let need = need.or_else(|| (!self.served).then(abandoned));
        if let Some(need) = need {
            self.settle(&need, &values, None);
        }
    }
}
