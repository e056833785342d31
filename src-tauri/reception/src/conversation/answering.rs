//! What a search found: an answer, a question back, or nothing.

use super::state::{Asked, Need, Spoken, State};
use super::{Conversation, Why};
use crate::details::{YesNo, words::words};
use crate::policy::Script;
use crate::search::{Candidate, Choice, choose};
use crate::turn::Expectation;
use anteroom_types::{Decision, Pii, TurnId};

impl Conversation {
    /// What the search for `turn` found.
    pub(super) fn candidates(&mut self, turn: TurnId, candidates: Vec<Candidate>) {
        let (need, unsure) = match std::mem::replace(&mut self.state, State::Open(Asked::Nothing)) {
            State::Looking {
                turn: looking,
                need,
                unsure,
                ..
            } if looking == turn => (need, unsure),
            other => {
                self.state = other;
                return;
            }
        };
        let may_clarify = self.clarified < self.policy.limits.clarify_max;
        match choose(&candidates, &self.calibration) {
            Choice::Answer(best) if !best.answer.trim().is_empty() => self.answer(turn, &best, &candidates),
            Choice::Clarify(options) if may_clarify => {
                let options: Vec<Candidate> = options
                    .into_iter()
                    .filter(|c| !c.answer.trim().is_empty())
                    .collect();
                self.clarify(turn, options, need, &candidates);
            }
            // The words may be wrong rather than the knowledge.
            Choice::None if may_clarify && unsure => self.clarify(turn, Vec::new(), need, &candidates),
            _ => self.unknown(turn, need, &candidates),
        }
    }

    fn answer(&mut self, turn: TurnId, best: &Candidate, candidates: &[Candidate]) {
        self.clarified = 0;
        self.served = true;
        let entry = best.entry_ref();
        self.record(
            turn,
            Decision::Answer,
            Why::search(Some(entry.clone()), candidates),
        );
        self.round.clear();
        self.utter(
            Some(turn),
            Spoken {
                text: Pii::new(best.answer.clone()),
                private: false,
                script: None,
                entry: Some(entry),
                interruptible: true,
            },
        );
        self.expect(Expectation::Question);
        self.state = State::Open(Asked::Nothing);
    }

    fn clarify(&mut self, turn: TurnId, options: Vec<Candidate>, need: Need, candidates: &[Candidate]) {
        self.clarified += 1;
        self.record(turn, Decision::Clarify, Why::search(None, candidates));
        self.round.clear();
        match options.as_slice() {
            [] => {
                self.say(Some(turn), Script::SayAgain, &[]);
                self.expect(Expectation::Question);
                self.state = State::Open(Asked::SayAgain { need });
            }
            [one] => {
                self.say(Some(turn), Script::ClarifyOne, &[("first", &one.title)]);
                self.expect(Expectation::YesNo);
                self.state = State::Open(Asked::Which { options, need });
            }
            [first, second, ..] => {
                self.say(
                    Some(turn),
                    Script::ClarifyTwo,
                    &[("first", &first.title), ("second", &second.title)],
                );
                self.expect(Expectation::Question);
                self.state = State::Open(Asked::Which { options, need });
            }
        }
    }

    pub(super) fn heard_choice(
        &mut self,
        turn: TurnId,
        options: Vec<Candidate>,
        need: Need,
        answer: Option<YesNo>,
        text: &str,
        confidence: f32,
    ) {
        let said = words(text);
        let says = |list: &[&str]| said.iter().any(|w| list.contains(&w.as_str()));
        let short = said.len() <= 6;
        let chosen = if short && says(&["second", "two", "latter", "last"]) && options.len() > 1 {
            Some(1)
        } else if short && says(&["first", "one", "former"]) && !says(&["neither", "no"])
            || (answer == Some(YesNo::Yes) && options.len() == 1)
        {
            Some(0)
        } else {
            by_title(&options, &said)
        };
        match (chosen, answer) {
            (Some(i), _) => self.choose_option(turn, &options, i, need),
            (None, Some(YesNo::No)) => self.unknown(turn, need, &options),
            // "Yes" to one of two says nothing; anything else is a new question. It is not clarified again.
            _ => self.request(turn, text, confidence),
        }
    }

    pub(super) fn choose_option(&mut self, turn: TurnId, options: &[Candidate], i: usize, need: Need) {
        match options.get(i) {
            Some(best) => self.answer(turn, &best.clone(), options),
            None => self.unknown(turn, need, options),
        }
    }

    /// Nothing approved answers it: a person will. Never a guess.
    pub(super) fn unknown(&mut self, turn: TurnId, need: Need, candidates: &[Candidate]) {
        self.clarified = 0;
        self.record(turn, Decision::Task, Why::search(None, candidates));
        self.round.clear();
        self.say(Some(turn), Script::Unknown, &[]);
        self.call_back(Some(turn), need);
    }
}

/// The option whose title shares words with what was said and the others do not.
fn by_title(options: &[Candidate], said: &[String]) -> Option<usize> {
    let shared: Vec<usize> = options
        .iter()
        .map(|o| {
            words(&o.title)
                .iter()
                .filter(|w| w.len() > 3 && said.contains(w))
                .count()
        })
        .collect();
    let (best, most) = shared
        .iter()
        .enumerate()
        .max_by_key(|(i, n)| (**n, usize::MAX - i))?;
    let alone = shared.iter().filter(|n| *n == most).count() == 1;
    (*most > 0 && alone && said.len() <= 6).then_some(best)
}
