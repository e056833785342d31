//! What becomes of a text that was heard: the gate first, then whatever was asked, then a request or a question.

use super::state::{Asked, Need, State};
use super::understanding::Act;
use super::{Conversation, Spoken, TURNS_REMEMBERED, Why};
use crate::conversation::ConvEffect;
use crate::details::{Detail, YesNo, yes_no};
use crate::gate::{Verdict, classify};
use crate::policy::Script;
use crate::turn::Expectation;
use anteroom_types::event::TaskKind;
use anteroom_types::limits::TURN_CHARS_MAX;
use anteroom_types::{Decision, GateClass, Pii, Purpose, TurnId};

/// Milliseconds after which the desk is rung again when urgent words are repeated.
const ALARM_AGAIN_MS: u64 = 60_000;
/// A text the recogniser was less sure of than this may have been something else.
const UNSURE_BELOW: f32 = 0.5;

impl Conversation {
    pub(super) fn heard(&mut self, turn: TurnId, text: &Pii<String>, confidence: f32) {
        if self.turns.contains(&turn) {
            return;
        }
        let late = self.turns.back().is_some_and(|last| *last > turn);
        if self.turns.len() == TURNS_REMEMBERED {
            self.turns.pop_front();
        }
        if late {
            self.turns.push_front(turn);
        } else {
            self.turns.push_back(turn);
        }
        let text: String = text
            .open(Purpose::Conversation)
            .chars()
            .take(TURN_CHARS_MAX)
            .collect();
        if !text.chars().any(char::is_alphanumeric) {
            if !late {
                self.nothing_heard();
            }
            return;
        }
        self.unrecognised = 0;
        let verdict = classify(&text, &self.lexicon);
        match verdict.class {
            GateClass::Urgent => self.escalate(turn, &verdict.why, Some(&text)),
            // A turn that comes after a later one has been answered is old, but danger is not.
            _ if late => {}
            GateClass::Advice => self.decline(turn, &verdict, &text),
            GateClass::None => self.heard_safe(turn, &text, confidence),
        }
    }

    fn heard_safe(&mut self, turn: TurnId, text: &str, confidence: f32) {
        self.silences = 0;
        self.no_speech = false;
        match std::mem::replace(&mut self.state, State::Open(Asked::Nothing)) {
            State::Fresh | State::Over => {}
            State::Collecting(c) => self.heard_detail(turn, c, text),
            State::HandingOver { since, need } => {
                self.state = State::HandingOver { since, need };
                self.record(turn, Decision::Handover, Why::nothing());
                self.round.clear();
                self.say(Some(turn), Script::PleaseHold, &[]);
            }
            State::Closing { say, since, dropped } => {
                let leaving = matches!(
                    self.understand(text),
                    Some((
                        _,
                        Act::Goodbye | Act::Thanks | Act::Affirm | Act::NoMore | Act::Greeting
                    ))
                ) || yes_no(text).is_some();
                if leaving {
                    self.record(turn, Decision::Goodbye, Why::nothing());
                    if dropped {
                        self.hang_up();
                    } else {
                        self.state = State::Closing { say, since, dropped };
                    }
                } else {
                    self.request(turn, text, confidence);
                }
            }
            State::Looking {
                turn: looking,
                since,
                need,
                unsure,
            } => {
                // "Yes", "please": no question, and the one before still waits.
                let act = self.understand(text).map(|(_, act)| act);
                if matches!(act, Some(Act::Affirm | Act::Greeting | Act::Thanks)) {
                    self.state = State::Looking {
                        turn: looking,
                        since,
                        need,
                        unsure,
                    };
                } else {
                    self.request(turn, text, confidence);
                }
            }
            State::Open(asked) => self.heard_open(turn, asked, text, confidence),
        }
    }

    fn heard_open(&mut self, turn: TurnId, asked: Asked, text: &str, confidence: f32) {
        let act = self.understand(text).map(|(_, act)| act);
        let answer = match act {
            Some(Act::Affirm) => Some(YesNo::Yes),
            Some(Act::Deny | Act::NoMore) => Some(YesNo::No),
            // A request is no answer, although "please" and "right" are in it.
            Some(_) => None,
            None => yes_no(text).filter(|_| text.split_whitespace().count() <= 6),
        };
        if matches!(act, Some(Act::Repeat)) {
            self.state = State::Open(asked);
            return self.repeat(turn);
        }
        match (asked, answer) {
            (Asked::Which { options, need }, answer) => {
                self.heard_choice(turn, options, need, answer, text, confidence)
            }
            (Asked::Callback { need }, Some(YesNo::Yes)) => {
                self.record(turn, Decision::Task, Why::nothing());
                self.round.clear();
                self.call_back(Some(turn), need);
            }
            (Asked::Callback { .. }, Some(YesNo::No)) if act == Some(Act::NoMore) => self.goodbye(turn),
            (Asked::Callback { .. }, Some(YesNo::No)) => self.ask_anything_else(turn),
            (Asked::LineNumber { need }, Some(answer)) => self.heard_line_number(turn, need, answer),
            (Asked::LineNumber { need }, None) => {
                // Another number, given at once.
                match crate::details::parse(Detail::PhoneNumber, text, self.local.date()) {
                    Some(number) => {
                        self.record(turn, Decision::Clarify, Why::nothing());
                        self.round.clear();
                        self.collect_number(turn, need, Some(number));
                    }
                    None => {
                        // Something else is wanted now; what was promised is kept.
                        self.settle(&need, &[], None);
                        self.request(turn, text, confidence);
                    }
                }
            }
            (Asked::SayAgain { need }, Some(YesNo::No)) => self.unknown(turn, need, &[]),
            (Asked::AnythingElse, Some(YesNo::No)) => self.goodbye(turn),
            (Asked::AnythingElse, _) if act == Some(Act::Thanks) => self.goodbye(turn),
            _ => self.request(turn, text, confidence),
        }
    }

    /// A request or a question, whatever was asked before.
    pub(super) fn request(&mut self, turn: TurnId, text: &str, confidence: f32) {
        self.state = State::Open(Asked::Nothing);
        let Some((intent, act)) = self.understand(text) else {
            return self.look_up(turn, text, confidence);
        };
        let why = Why::intent(intent.clone());
        if act.is_switched() && !self.policy.intent_on(&intent) {
            self.record(turn, Decision::Task, why);
            self.round.clear();
            self.say(Some(turn), Script::IntentOff, &[]);
            let need = Need::new(act.kind(), act.about(), Some(text));
            return self.call_back(Some(turn), need);
        }
        match act {
            Act::Repeat => self.repeat(turn),
            Act::Goodbye | Act::NoMore => self.goodbye(turn),
            Act::Thanks => self.ask_anything_else(turn),
            Act::Greeting | Act::Affirm | Act::Deny => {
                self.record(turn, Decision::Clarify, why);
                self.round.clear();
                let script = if act == Act::Greeting {
                    Script::GreetingReply
                } else {
                    Script::HowCanIHelp
                };
                self.say(Some(turn), script, &[]);
                self.expect(Expectation::Question);
            }
            Act::Person { disclosure } => self.hand_over(turn, &intent, disclosure, text),
            Act::Collect { .. } => self.begin_collecting(turn, intent, &act, text),
        }
    }

    pub(super) fn look_up(&mut self, turn: TurnId, text: &str, confidence: f32) {
        self.state = State::Looking {
            turn,
            since: self.now,
            need: Need::new(
                TaskKind::Question,
                "Question without an approved answer",
                Some(text),
            ),
            unsure: confidence < UNSURE_BELOW,
        };
        self.out.push(ConvEffect::Lookup {
            turn,
            text: Pii::from(text),
        });
    }

    /// The question being looked up lies near examples of danger. Where the lexicon found a phrase and took it back, it
    /// knows better.
    pub(super) fn sounds_urgent(&mut self, turn: TurnId) {
        let State::Looking {
            turn: looking, need, ..
        } = &self.state
        else {
            return;
        };
        let Some(said) = need.said.as_ref().filter(|_| *looking == turn) else {
            return;
        };
        let said = said.open(Purpose::Conversation).clone();
        if classify(&said, &self.lexicon).span.is_none() {
            self.escalate(turn, "likeness", Some(&said));
        }
    }

    /// Urgent words. They win over everything, every time.
    pub(super) fn escalate(&mut self, turn: TurnId, why: &str, text: Option<&str>) {
        self.silences = 0;
        self.record(turn, Decision::Escalate, Why::gate(GateClass::Urgent, why));
        let first = self.alarmed.is_none();
        if first {
            self.out.push(ConvEffect::MarkUrgent { why: why.to_owned() });
        }
        let again = self
            .alarmed
            .is_none_or(|at| self.now.ms_since(at) >= ALARM_AGAIN_MS);
        if again {
            self.alarmed = Some(self.now);
            self.out.push(ConvEffect::RingDesk { why: why.to_owned() });
        }
        let state = std::mem::replace(&mut self.state, State::Open(Asked::Nothing));
        let mut given = Vec::new();
        match state {
            // A person is on the way already. Everybody who is rung now has the whole time to come.
            State::HandingOver { since, need } => {
                let since = if again { self.now } else { since };
                self.state = State::HandingOver { since, need };
            }
            // What was being taken down goes with the emergency: one person, one call back.
            State::Collecting(c) => given = c.form.values().to_vec(),
            _ => {}
        }
        if !self.urgent_task {
            self.urgent_task = true;
            let need = Need::new(TaskKind::Urgent, &format!("Urgent words ({why})"), text);
            self.settle(&need, &given, None);
        }
        self.round.clear();
        self.out.push(ConvEffect::StopSaying);
        for (i, sentence) in self
            .policy
            .sentences(&self.language, Script::Emergency)
            .into_iter()
            .enumerate()
        {
            self.utter(
                Some(turn),
                Spoken {
                    text: Pii::new(sentence),
                    private: false,
                    script: Some(Script::Emergency.name().to_owned()),
                    entry: None,
                    interruptible: i > 0,
                },
            );
        }
        self.expect(Expectation::Question);
    }

    fn decline(&mut self, turn: TurnId, verdict: &Verdict, text: &str) {
        self.silences = 0;
        self.no_speech = false;
        self.served = true;
        self.record(
            turn,
            Decision::Decline,
            Why::gate(GateClass::Advice, &verdict.why),
        );
        self.round.clear();
        self.say(Some(turn), Script::DeclineAdvice, &[]);
        match std::mem::replace(&mut self.state, State::Open(Asked::Nothing)) {
            State::Collecting(mut c) => {
                // What ails somebody is a fair reason to ask for an appointment, and no reason to advise them.
                let step = if matches!(c.form.asking(), Some(Detail::Reason | Detail::Message)) {
                    c.form.heard(text, self.local.date())
                } else {
                    c.form.repeat()
                };
                self.take_step(turn, c, step);
            }
            held @ State::HandingOver { .. } => self.state = held,
            _ => {
                self.say(Some(turn), Script::OfferCallback, &[]);
                self.expect(Expectation::YesNo);
                let need = Need::new(TaskKind::Callback, "Asked for medical advice", Some(text));
                self.state = State::Open(Asked::Callback { need });
            }
        }
    }

    fn repeat(&mut self, turn: TurnId) {
        let entry = self.round.iter().find_map(|s| s.entry.clone());
        let decision = if entry.is_some() {
            Decision::Answer
        } else {
            Decision::Clarify
        };
        let mut why = Why::intent("repeat".to_owned());
        why.entry = entry;
        self.record(turn, decision, why);
        let round = std::mem::take(&mut self.round);
        if round.is_empty() {
            self.say(Some(turn), Script::NothingToRepeat, &[]);
        }
        for mut spoken in round {
            // What had to be heard once to its end need not be so twice.
            spoken.interruptible = true;
            self.utter(Some(turn), spoken);
        }
    }
}
