//! Keys, silence, and calls without a recogniser.

use super::collecting::abandoned;
use super::state::{Asked, Collecting, Need, State};
use super::{Conversation, Why};
use crate::details::{Detail, YesNo};
use crate::policy::Script;
use crate::turn::Expectation;
use anteroom_types::event::TaskKind;
use anteroom_types::{Decision, TurnId};

/// Decisions made on keys and silence belong to the call as a whole.
const NO_TURN: TurnId = TurnId(0);

impl Conversation {
    /// A key was pressed.
    pub(super) fn key(&mut self, digit: char) {
        if !matches!(digit, '0'..='9' | '*' | '#') {
            return;
        }
        self.silences = 0;
        match std::mem::replace(&mut self.state, State::Open(Asked::Nothing)) {
            held @ (State::Fresh | State::Over) => self.state = held,
            held @ State::HandingOver { .. } => {
                self.state = held;
                if digit == '9' {
                    self.escalate(NO_TURN, "keypad-9", None);
                }
            }
            // The search is under way; a key changes what is wanted only if it is the emergency's.
            held @ State::Looking { .. } => {
                self.state = held;
                if digit == '9' {
                    self.escalate(NO_TURN, "keypad-9", None);
                }
            }
            State::Collecting(mut c) => {
                let step = c.form.keyed(digit, self.local.date());
                c.keyed = c.form.has_keys().then_some(self.now);
                if matches!(step, crate::details::Step::Done) {
                    self.record(NO_TURN, Decision::Task, Why::intent(c.intent.clone()));
                }
                if !matches!(step, crate::details::Step::Wait) {
                    self.round.clear();
                }
                self.take_step(NO_TURN, c, step);
            }
            State::Open(asked) => self.key_open(digit, asked),
            State::Closing { .. } => self.key_open(digit, Asked::Nothing),
        }
    }

    fn key_open(&mut self, digit: char, asked: Asked) {
        match (asked, digit) {
            (_, '9') => self.escalate(NO_TURN, "keypad-9", None),
            (Asked::LineNumber { need }, '1') => self.heard_line_number(NO_TURN, need, YesNo::Yes),
            (Asked::LineNumber { need }, '2') => self.heard_line_number(NO_TURN, need, YesNo::No),
            (Asked::LineNumber { need }, _) => {
                self.call_back(None, need);
            }
            (Asked::Callback { need }, '1') => {
                self.record(NO_TURN, Decision::Task, Why::nothing());
                self.round.clear();
                self.call_back(None, need);
            }
            (Asked::Callback { .. }, '2') => self.ask_anything_else(NO_TURN),
            (Asked::Which { options, need }, '1' | '2') => {
                let i = if digit == '1' { 0 } else { 1 };
                self.choose_option(NO_TURN, &options, i, need);
            }
            (_, '1') => self.say_hours(),
            (_, '2') => self.key_callback(TaskKind::Appointment, "Appointment (asked for by key)"),
            (_, '0') => self.key_callback(TaskKind::Callback, "Callback (asked for by key)"),
            (asked, _) => {
                self.round.clear();
                self.offer_keypad(None);
                self.state = State::Open(asked);
            }
        }
    }

    fn key_callback(&mut self, kind: TaskKind, about: &str) {
        let need = Need::new(kind, about, None);
        self.round.clear();
        if kind == TaskKind::Callback {
            return self.hand_over_need(NO_TURN, "keypad-0", need);
        }
        self.record(
            NO_TURN,
            Decision::Task,
            Why::intent(format!("keypad-{}", i32::from(kind == TaskKind::Appointment) * 2)),
        );
        self.say(None, Script::CallbackStart, &[]);
        self.call_back(None, need);
    }

    fn say_hours(&mut self) {
        self.served = true;
        self.record(NO_TURN, Decision::Answer, Why::intent("keypad-1".to_owned()));
        self.round.clear();
        let (status, week) = (self.hours.spoken_status(self.local), self.hours.spoken_week());
        self.say(None, Script::Hours, &[("status", &status), ("week", &week)]);
        self.expect(if self.no_speech {
            Expectation::Keypad
        } else {
            Expectation::Question
        });
        self.state = State::Open(Asked::Nothing);
    }

    pub(super) fn offer_keypad(&mut self, turn: Option<TurnId>) {
        if self.no_speech {
            self.say(turn, Script::KeypadOnly, &[]);
        }
        self.say(turn, Script::KeypadMenu, &[]);
        self.expect(Expectation::Keypad);
    }

    /// The digits keyed so far are taken after a pause.
    pub(super) fn keys_paused(&mut self) {
        match std::mem::replace(&mut self.state, State::Open(Asked::Nothing)) {
            State::Collecting(mut c) => {
                c.keyed = None;
                let step = c.form.keys_done(self.local.date());
                self.take_step(NO_TURN, c, step);
            }
            other => self.state = other,
        }
    }

    /// The caller was expected to speak and did not.
    pub(super) fn nothing_heard(&mut self) {
        // They were not there to speak.
        if self.hold.is_some() {
            return;
        }
        let max = self.policy.limits.nothing_heard_max;
        self.silences = self.silences.saturating_add(1);
        match std::mem::replace(&mut self.state, State::Open(Asked::Nothing)) {
            held @ (State::Fresh | State::Over | State::Looking { .. } | State::HandingOver { .. }) => {
                self.state = held;
            }
            State::Closing { .. } => self.hang_up(),
            State::Collecting(c) if c.keyed.is_some() => self.state = State::Collecting(c),
            State::Collecting(mut c) => {
                let step = c.form.nothing();
                self.round.clear();
                if matches!(step, crate::details::Step::GiveUp(_)) {
                    return self.silent_to_the_end(*c);
                }
                self.take_step(NO_TURN, c, step);
            }
            State::Open(Asked::LineNumber { need }) if self.silences >= 2 => {
                let number = self.line_number.clone();
                self.settle(&need, &[], number);
                self.record(NO_TURN, Decision::Task, Why::nothing());
                self.round.clear();
                self.close(None, Script::GoodbyeSilent);
            }
            State::Open(Asked::LineNumber { need }) => {
                self.round.clear();
                self.call_back(None, need);
            }
            State::Open(Asked::Which { need, .. } | Asked::SayAgain { need }) if self.silences >= 2 => {
                self.unknown(NO_TURN, need, &[]);
            }
            State::Open(asked @ (Asked::Which { .. } | Asked::SayAgain { .. })) => {
                let round = std::mem::take(&mut self.round);
                for spoken in round {
                    self.utter(None, spoken);
                }
                self.state = State::Open(asked);
            }
            State::Open(_) if self.served && self.alarmed.is_none() => self.silent_after_help(),
            State::Open(_) if self.silences < max => {
                self.round.clear();
                self.say(None, Script::NothingHeard, &[]);
                self.expect(Expectation::Question);
            }
            State::Open(_) if self.silences == max => {
                self.round.clear();
                self.offer_keypad(None);
            }
            State::Open(_) => self.silent_for_good(),
        }
    }

    /// The caller spoke and what they said will not be known. That is our failing, not their silence: they are never
    /// sent away for it. They are asked again, then offered keys, and then given to a person.
    pub(super) fn not_recognised(&mut self) {
        let max = self.policy.limits.nothing_heard_max;
        self.silences = 0;
        self.unrecognised = self.unrecognised.saturating_add(1);
        match std::mem::replace(&mut self.state, State::Open(Asked::Nothing)) {
            held @ (State::Fresh | State::Over | State::Looking { .. } | State::HandingOver { .. }) => {
                self.state = held;
            }
            State::Collecting(c) if c.keyed.is_some() => self.state = State::Collecting(c),
            State::Collecting(c) if self.unrecognised < max => {
                self.round.clear();
                self.say(None, Script::TakingLonger, &[]);
                let step = c.form.repeat();
                self.take_step(NO_TURN, c, step);
            }
            State::Collecting(c) if !self.no_speech => {
                if c.form.asking().is_some_and(Detail::is_keyed) || c.form.is_confirming() {
                    self.state = State::Collecting(c);
                    return self.recogniser_down();
                }
                // What is asked for cannot be keyed: a person asks instead.
                let Collecting { mut need, .. } = *c;
                need.about.push_str(" (details not complete)");
                self.unrecognised = 0;
                self.round.clear();
                self.hand_over_need(NO_TURN, "not-recognised", need);
            }
            // Keys are being asked for; speech over it changes nothing.
            held @ State::Collecting(_) => self.state = held,
            // It may have been anything: the caller is asked rather than hung up on.
            State::Closing { .. } => {
                self.round.clear();
                self.say(None, Script::TakingLonger, &[]);
                self.expect(Expectation::Question);
            }
            State::Open(asked) if self.unrecognised < max => {
                self.round.clear();
                self.say(None, Script::TakingLonger, &[]);
                self.state = State::Open(asked);
            }
            held @ State::Open(_) if !self.no_speech => {
                self.state = held;
                self.recogniser_down();
            }
            State::Open(asked) if self.unrecognised < max.saturating_mul(2) => {
                self.round.clear();
                self.offer_keypad(None);
                self.state = State::Open(asked);
            }
            State::Open(_) => {
                self.unrecognised = 0;
                self.round.clear();
                let about = "The recogniser was too busy to hear what this caller wants";
                self.hand_over_need(
                    NO_TURN,
                    "not-recognised",
                    Need::new(TaskKind::Callback, about, None),
                );
            }
        }
    }

    /// Whoever was helped and says no more may want something else.
    pub(super) fn anything_else(&mut self) {
        self.round.clear();
        self.say(None, Script::AnythingElse, &[]);
        self.expect(Expectation::Question);
        self.state = State::Open(Asked::AnythingElse);
    }

    fn silent_after_help(&mut self) {
        if self.silences == 1 {
            self.anything_else();
        } else {
            self.round.clear();
            self.record(NO_TURN, Decision::Goodbye, Why::nothing());
            self.close(None, Script::Goodbye);
        }
    }

    /// Neither words nor keys came: a person rings back.
    fn silent_for_good(&mut self) {
        self.record(NO_TURN, Decision::Task, Why::nothing());
        if !self.served {
            let mut need = abandoned();
            "Nothing was heard on the line".clone_into(&mut need.about);
            self.settle(&need, &[], None);
        }
        self.round.clear();
        self.close(None, Script::GoodbyeSilent);
    }

    fn silent_to_the_end(&mut self, c: Collecting) {
        let Collecting {
            mut need,
            form,
            intent,
            ..
        } = c;
        need.about.push_str(" (details not confirmed)");
        self.record(NO_TURN, Decision::Task, Why::intent(intent));
        self.settle(&need, form.values(), None);
        self.close(None, Script::GoodbyeSilent);
    }

    /// No recogniser is left: keys are the only way.
    pub(super) fn recogniser_down(&mut self) {
        if std::mem::replace(&mut self.no_speech, true) {
            return;
        }
        match std::mem::replace(&mut self.state, State::Open(Asked::Nothing)) {
            State::Open(Asked::LineNumber { need }) => {
                self.round.clear();
                self.say(None, Script::KeypadOnly, &[]);
                self.call_back(None, need);
            }
            // What the caller had asked is for a person now.
            State::Open(Asked::Which { need, .. } | Asked::SayAgain { need }) => {
                self.round.clear();
                self.say(None, Script::KeypadOnly, &[]);
                self.say(None, Script::CallbackStart, &[]);
                self.call_back(None, need);
            }
            State::Open(asked) => {
                self.round.clear();
                self.offer_keypad(None);
                self.state = State::Open(asked);
            }
            State::Collecting(c)
                if c.form.asking().is_some_and(Detail::is_keyed) || c.form.is_confirming() =>
            {
                self.round.clear();
                self.say(None, Script::KeypadOnly, &[]);
                let step = c.form.repeat();
                self.take_step(NO_TURN, c, step);
            }
            State::Collecting(c) => {
                // What is asked for cannot be keyed: a person takes over with what there is.
                let Collecting {
                    mut need,
                    form,
                    intent,
                    ..
                } = *c;
                need.about.push_str(" (details not complete)");
                self.round.clear();
                self.say(None, Script::KeypadOnly, &[]);
                if form.value(Detail::PhoneNumber).is_some() || self.line_number.is_some() {
                    self.record(NO_TURN, Decision::Task, Why::intent(intent));
                    self.settle(&need, form.values(), None);
                    self.close(None, Script::GoodbyeSilent);
                } else {
                    self.collect_number(NO_TURN, need, None);
                }
            }
            other => self.state = other,
        }
    }
}
