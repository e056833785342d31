//! Taking details down, and the tasks they end in.

use super::state::{Asked, Collecting, Need, State, details_of};
use super::understanding::Act;
use super::{ConvEffect, Conversation, Why};
use crate::details::{Detail, Form, Step, Value, YesNo, spoken_last_three};
use crate::policy::Script;
use crate::turn::Expectation;
use anteroom_types::event::TaskKind;
use anteroom_types::{Decision, Pii, Purpose, TurnId};

/// Characters of a task's summary.
const SUMMARY_CHARS_MAX: usize = 1_500;

impl Conversation {
    /// Begins to take down a request.
    pub(super) fn begin_collecting(&mut self, turn: TurnId, intent: String, act: &Act, text: &str) {
        let need = Need::new(act.kind(), act.about(), Some(text));
        self.record(turn, Decision::Clarify, Why::intent(intent.clone()));
        self.round.clear();
        self.say(Some(turn), act.script(), &[]);
        let wanted = act.details().unwrap_or_else(|| details_of(need.kind).to_vec());
        self.start_form(turn, need, Some(intent), &wanted, text, None);
    }

    /// Arranges a callback: on the number the line shows, if the caller agrees to it, or on one they give.
    pub(super) fn call_back(&mut self, turn: Option<TurnId>, need: Need) {
        match &self.line_number {
            Some(number) => {
                let last = spoken_last_three(number.kept.open(Purpose::Conversation));
                self.say(turn, Script::ConfirmNumber, &[("number", &last)]);
                self.expect(Expectation::YesNo);
                self.state = State::Open(Asked::LineNumber { need });
            }
            None => self.collect_number(turn.unwrap_or_default(), need, None),
        }
    }

    /// Takes down who is to be rung, and on which number unless `number` is it.
    pub(super) fn collect_number(&mut self, turn: TurnId, need: Need, number: Option<Value>) {
        let wanted: &[Detail] = if self.no_speech {
            // A name cannot be keyed.
            &[Detail::PhoneNumber]
        } else {
            &[Detail::Name, Detail::PhoneNumber]
        };
        self.start_form(turn, need, None, wanted, "", number);
    }

    fn start_form(
        &mut self,
        turn: TurnId,
        need: Need,
        intent: Option<String>,
        wanted: &[Detail],
        said: &str,
        number: Option<Value>,
    ) {
        // With an intent the line's number is read back with everything else; in a callback it was asked about.
        let known = number.or_else(|| intent.as_ref().and(self.line_number.clone()));
        let known = known.filter(|_| wanted.contains(&Detail::PhoneNumber));
        let tries = self.policy.limits.detail_tries_max;
        let form = Form::new(
            wanted,
            known.into_iter().collect(),
            said,
            self.local.date(),
            tries,
        );
        let step = form.first();
        let collecting = Collecting {
            need,
            form,
            intent,
            keyed: None,
        };
        self.take_step(turn, Box::new(collecting), step);
    }

    pub(super) fn heard_detail(&mut self, turn: TurnId, mut c: Box<Collecting>, text: &str) {
        c.keyed = None;
        match self.understand(text) {
            Some((intent, Act::Repeat | Act::Thanks)) if !self.is_free_text(&c) => {
                let step = c.form.repeat();
                self.record(turn, Decision::Clarify, Why::intent(intent));
                self.round.clear();
                return self.take_step(turn, c, step);
            }
            // Whoever wants a person gets one; what is there already goes into the task if nobody comes.
            Some((intent, Act::Person { .. })) if !self.is_free_text(&c) => {
                let need = Need {
                    about: summary(&c.need, c.form.values(), true),
                    ..c.need
                };
                return self.hand_over_need(turn, &intent, need);
            }
            Some((_, Act::Goodbye)) if !c.form.is_confirming() => {
                let Collecting { need, form, .. } = *c;
                self.settle(&need, form.values(), None);
                return self.goodbye(turn);
            }
            _ => {}
        }
        let step = c.form.heard(text, self.local.date());
        let decision = match step {
            Step::Done | Step::GiveUp(_) => Decision::Task,
            _ => Decision::Clarify,
        };
        self.record(turn, decision, Why::intent(c.intent.clone()));
        self.round.clear();
        self.take_step(turn, c, step);
    }

    fn is_free_text(&self, c: &Collecting) -> bool {
        matches!(c.form.asking(), Some(Detail::Message | Detail::Reason))
    }

    /// Says what a step asks for, or ends the form.
    pub(super) fn take_step(&mut self, turn: TurnId, mut c: Box<Collecting>, step: Step) {
        let answers = Some(turn).filter(|t| t.0 > 0);
        if !matches!(step, Step::Wait) {
            c.keyed = None;
        }
        match step {
            Step::Wait => {}
            Step::Ask(d) => self.ask_detail(answers, d),
            Step::Noted { value, next } => {
                let spoken = value.spoken.open(Purpose::Conversation);
                self.say(answers, Script::Noted, &[("value", spoken)]);
                self.ask_detail(answers, next);
            }
            Step::Again(d) => {
                let script = match d {
                    Detail::Name => Script::NameProblem,
                    Detail::PhoneNumber => Script::NumberProblem,
                    Detail::DateOfBirth => Script::DateProblem,
                    _ => Script::NotUnderstood,
                };
                self.say(answers, script, &[]);
                self.ask_detail(answers, d);
            }
            Step::ReadBack => {
                let details = self.read_back(c.form.values());
                self.say(answers, Script::ReadBack, &[("details", &details)]);
                self.expect(Expectation::YesNo);
            }
            Step::WhatToCorrect => {
                self.say(answers, Script::WhatToCorrect, &[]);
                self.expect(Expectation::Question);
            }
            Step::Done => {
                self.settle(&c.need, c.form.values(), None);
                self.say(answers, Script::TaskMade, &[]);
                return self.after_task(answers);
            }
            Step::GiveUp(_) => {
                let mut need = c.need;
                need.about.push_str(" (details not confirmed)");
                let line = self.line_number.clone();
                self.settle(&need, c.form.values(), line);
                self.say(answers, Script::DetailsFailed, &[]);
                return self.after_task(answers);
            }
        }
        self.state = State::Collecting(c);
    }

    fn ask_detail(&mut self, turn: Option<TurnId>, d: Detail) {
        let script = match d {
            Detail::Name => Script::AskName,
            Detail::PhoneNumber if self.no_speech => Script::KeypadNumber,
            Detail::PhoneNumber => Script::AskNumber,
            Detail::DateOfBirth => Script::AskDateOfBirth,
            Detail::Reason => Script::AskReason,
            Detail::PreferredTime => Script::AskTime,
            Detail::Medicine => Script::AskMedicine,
            Detail::Message => Script::AskMessage,
        };
        self.say(turn, script, &[]);
        self.expect(d.expectation());
    }

    fn read_back(&self, values: &[Value]) -> String {
        let parts: Vec<String> = values
            .iter()
            .filter_map(|v| {
                let script = match v.detail {
                    Detail::Name => Script::SummaryName,
                    Detail::PhoneNumber => Script::SummaryNumber,
                    Detail::DateOfBirth => Script::SummaryDateOfBirth,
                    Detail::PreferredTime => Script::SummaryTime,
                    Detail::Medicine => Script::SummaryMedicine,
                    // Free words are kept as they were heard; reading them back word by word helps nobody.
                    Detail::Reason | Detail::Message => return None,
                };
                let value = v.spoken.open(Purpose::Conversation);
                Some(self.policy.say(&self.language, script, &[("value", value)]))
            })
            .collect();
        parts.join("; ")
    }

    pub(super) fn heard_line_number(&mut self, turn: TurnId, need: Need, answer: YesNo) {
        self.round.clear();
        match answer {
            YesNo::Yes => {
                self.record(turn, Decision::Task, Why::nothing());
                let number = self.line_number.clone();
                self.settle(&need, &[], number);
                self.say(Some(turn), Script::TaskMade, &[]);
                self.after_task(Some(turn));
            }
            YesNo::No => {
                self.record(turn, Decision::Clarify, Why::nothing());
                self.collect_number(turn, need, None);
            }
        }
    }

    fn after_task(&mut self, turn: Option<TurnId>) {
        if self.no_speech {
            // Nothing more can be understood.
            return self.close(turn, Script::Goodbye);
        }
        self.say(turn, Script::AnythingElse, &[]);
        self.expect(Expectation::Question);
        self.state = State::Open(Asked::AnythingElse);
    }

    /// Makes the one task a need leads to.
    pub(super) fn settle(&mut self, need: &Need, values: &[Value], number: Option<Value>) {
        self.served = true;
        let number = values
            .iter()
            .find(|v| v.detail == Detail::PhoneNumber)
            .cloned()
            .or(number)
            .or_else(|| self.line_number.clone())
            .map(|v| v.kept);
        let due_in_ms = self.policy.due.ms(need.kind);
        self.out.push(ConvEffect::CreateTask {
            kind: need.kind,
            summary: Pii::new(summary(need, values, false)),
            number,
            due_in_ms,
        });
    }
}

impl Act {
    /// The script that opens a collection.
    fn script(&self) -> Script {
        match self {
            Self::Collect { script, .. } => *script,
            _ => Script::CallbackStart,
        }
    }
    /// What to ask for, when the intent says so.
    fn details(&self) -> Option<Vec<Detail>> {
        match self {
            Self::Collect { details, .. } if !details.is_empty() => Some(details.clone()),
            _ => None,
        }
    }
}

/// One line for the person who takes it. It is personal data.
fn summary(need: &Need, values: &[Value], inner: bool) -> String {
    let mut parts = vec![need.about.clone()];
    for v in values {
        parts.push(format!(
            "{}: {}",
            v.detail.label(),
            v.kept.open(Purpose::Conversation)
        ));
    }
    if let Some(said) = need.said.as_ref().filter(|_| !inner) {
        parts.push(format!("Said: \"{}\"", said.open(Purpose::Conversation).trim()));
    }
    parts.join(". ").chars().take(SUMMARY_CHARS_MAX).collect()
}

/// The task of a call that ended before the caller was helped.
pub(super) fn abandoned() -> Need {
    Need::new(TaskKind::Callback, "Hung up before being helped", None)
}
