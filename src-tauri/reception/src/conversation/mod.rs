//! The conversation: what is said to a caller and done for them.
//!
//! # Contract
//!
//! Feed every event to [`Conversation::handle`] with the time and carry out the effects in order; call it with
//! [`ConvEvent::Tick`] no later than [`Conversation::next_timeout`].
//!
//! # Invariants
//!
//! * The safety gate runs on every text heard, in every state, before anything else looks at it. Urgent words always
//!   escalate; requests for advice are always declined.
//! * Only an approved entry's answer, a script of the policy or what the caller gave is ever said. Nothing personal
//!   is disclosed: no record is read.
//! * What a caller needs and does not get becomes exactly one task, also when they hang up in the middle.
//! * Recording begins only after the consent notice was heard to its end.
//! * A caller who holds us is not sent away for their silence: what counts it rests until they are back.
//! * After [`ConvEffect::Hangup`], or once the caller is gone and the open need is a task, there are no effects.

mod answering;
mod collecting;
mod ending;
mod hearing;
mod holding;
mod keypad;
mod state;
#[cfg(test)]
mod tests;
mod types;
mod understanding;

pub use types::{ConvEffect, ConvEvent};

use crate::details::{Value, yes_no};
use crate::gate::{Lexicon, classify};
use crate::hours::{OpeningHours, Status};
use crate::intents::Intents;
use crate::policy::{Policy, Script};
use crate::search::{Calibration, Candidate, Choice, choose};
use crate::turn::Expectation;
use anteroom_types::event::{DecisionRecord, EntryRef};
use anteroom_types::{Decision, GateClass, Mono, Pii, Purpose, SayId, TurnId};
use holding::Hold;
use jiff::civil::DateTime;
use state::{Asked, Notice, Spoken, State};
use std::collections::VecDeque;
use std::sync::Arc;

/// Turns remembered so that a duplicate is known.
const TURNS_REMEMBERED: usize = 64;
/// Utterances kept to be said again.
const ROUND_MAX: usize = 8;
/// How much later than the desk's own word nobody is believed to come, milliseconds.
const DESK_LATE_MS: u64 = 10_000;
/// Candidates kept in a record.
const CANDIDATES_MAX: usize = 5;

/// What a conversation is made from. All of it is data and shared between calls.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The clinic's policy and scripts.
    pub policy: Arc<Policy>,
    /// The safety gate's phrases.
    pub lexicon: Arc<Lexicon>,
    /// What callers ask for.
    pub intents: Arc<Intents>,
    /// When the clinic is open.
    pub hours: Arc<OpeningHours>,
    /// When a search's result is good enough.
    pub calibration: Arc<Calibration>,
    /// Language to speak, a BCP 47 tag.
    pub language: String,
    /// The number the line shows for the caller, if any.
    pub caller_number: Option<Pii<String>>,
    /// The longest that the desk rings for one [`ConvEffect::Handover`] or [`ConvEffect::RingDesk`] before it answers with
    /// [`ConvEvent::HandoverFailed`], milliseconds. The policy's `handover_ms_max` never ends a handover sooner: the desk
    /// would go on ringing for a caller who was told that nobody is free.
    pub desk_rings_ms: u64,
}

/// One call's conversation. See the module.
#[derive(Debug, Clone)]
pub struct Conversation {
    policy: Arc<Policy>,
    lexicon: Arc<Lexicon>,
    intents: Arc<Intents>,
    hours: Arc<OpeningHours>,
    calibration: Arc<Calibration>,
    language: String,
    line_number: Option<Value>,
    /// Milliseconds after which a handover counts as failed although the desk has said nothing.
    handover_ms_max: u64,
    now: Mono,
    local: DateTime,
    state: State,
    notice: Notice,
    says: u32,
    /// The last thing said, until it was heard to its end or dropped: before that something is still being said.
    unsaid: Option<SayId>,
    /// While the caller holds us.
    hold: Option<Hold>,
    turns: VecDeque<TurnId>,
    /// What was said since the caller last spoke.
    round: Vec<Spoken>,
    silences: u32,
    /// Turns in a row whose words never came.
    unrecognised: u32,
    clarified: u32,
    /// When the desk was last rung about an emergency.
    alarmed: Option<Mono>,
    urgent_task: bool,
    /// Whether the caller got anything for their call.
    served: bool,
    no_speech: bool,
    out: Vec<ConvEffect>,
}

impl Conversation {
    /// A conversation before its call is answered.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let line_number = setup
            .caller_number
            .as_ref()
            .and_then(|n| Value::number(n.open(Purpose::Conversation)));
        let mut calibration = (*setup.calibration).clone();
        let least = &setup.policy.search;
        calibration.threshold = calibration.threshold.max(least.threshold_min);
        calibration.margin = calibration.margin.max(least.margin_min);
        let desk_ms = setup.desk_rings_ms.saturating_add(DESK_LATE_MS);
        Self {
            handover_ms_max: setup.policy.limits.handover_ms_max.max(desk_ms),
            policy: setup.policy,
            lexicon: setup.lexicon,
            intents: setup.intents,
            hours: setup.hours,
            calibration: Arc::new(calibration),
            language: setup.language,
            line_number,
            now: Mono::default(),
            local: DateTime::default(),
            state: State::Fresh,
            notice: Notice::Due,
            says: 0,
            unsaid: None,
            hold: None,
            turns: VecDeque::with_capacity(TURNS_REMEMBERED),
            round: Vec::new(),
            silences: 0,
            unrecognised: 0,
            clarified: 0,
            alarmed: None,
            urgent_task: false,
            served: false,
            no_speech: false,
            out: Vec::new(),
        }
    }

    /// Takes `ev`, which happened at `now`, local time `local` at the clinic, and returns what is to be done, in
    /// order. Never fails: an event that makes no sense in the present state does nothing.
    #[must_use]
    pub fn handle(&mut self, now: Mono, local: DateTime, ev: ConvEvent) -> Vec<ConvEffect> {
        self.now = self.now.max(now);
        self.local = local;
        if !self.is_over() {
            self.dispatch(ev);
            self.deadlines();
        }
        std::mem::take(&mut self.out)
    }

    /// Whether nothing will be done any more.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// When to call again with a tick at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Mono> {
        let l = &self.policy.limits;
        match &self.state {
            State::Looking { since, .. } => Some(since.plus_ms(l.lookup_ms_max)),
            State::HandingOver { since, .. } => Some(since.plus_ms(self.handover_ms_max)),
            // What is said stands still, and no key is pressed.
            State::Closing { .. } | State::Collecting(_) if self.hold.is_some() => None,
            State::Closing { since, .. } => Some(since.plus_ms(l.goodbye_ms_max)),
            State::Collecting(c) => c.keyed.map(|k| k.plus_ms(l.keypad_pause_ms)),
            State::Fresh | State::Open(_) | State::Over => None,
        }
    }

    /// Whether `text`, heard so far, is a whole utterance that is understood, so that the turn may end without
    /// waiting for more. `candidates` is what a search for it found, if one was made ahead of time.
    #[must_use]
    pub fn is_complete(&self, text: &str, candidates: &[Candidate]) -> bool {
        let whole = text.trim_end().ends_with(['.', '?', '!']);
        match classify(text, &self.lexicon).class {
            GateClass::Urgent => return true,
            // It will be declined whatever follows, unless what follows is urgent: that begins a turn of its own.
            GateClass::Advice if whole => return true,
            GateClass::Advice | GateClass::None => {}
        }
        match &self.state {
            State::Collecting(c) => c.form.understands(text, self.local.date()),
            State::Open(Asked::Callback { .. } | Asked::LineNumber { .. }) if yes_no(text).is_some() => true,
            _ => {
                whole
                    && (self.understand(text).is_some()
                        || matches!(choose(candidates, &self.calibration), Choice::Answer(_)))
            }
        }
    }

    fn dispatch(&mut self, ev: ConvEvent) {
        match ev {
            ConvEvent::Started => self.started(),
            ConvEvent::Heard {
                turn,
                text,
                confidence,
            } => self.heard(turn, &text, confidence),
            ConvEvent::Candidates { turn, candidates } => self.candidates(turn, candidates),
            ConvEvent::SoundsUrgent { turn } => self.sounds_urgent(turn),
            ConvEvent::NothingHeard => self.nothing_heard(),
            ConvEvent::NotRecognised => self.not_recognised(),
            ConvEvent::Dtmf { digit } => self.key(digit),
            ConvEvent::SayDone { say } => self.say_done(say),
            ConvEvent::SayDropped { say } => self.say_dropped(say),
            ConvEvent::Held(held) => self.held(held),
            ConvEvent::RecogniserDown => match &mut self.hold {
                Some(hold) => hold.recogniser_down = true,
                None => self.recogniser_down(),
            },
            ConvEvent::RecogniserBack => {
                self.no_speech = false;
                self.hold = self.hold.map(|_| Hold::default());
            }
            ConvEvent::CallerGone => self.caller_gone(),
            ConvEvent::HandoverFailed => self.handover_failed(),
            ConvEvent::HandedOver => self.state = State::Over,
            ConvEvent::Returned => self.returned(),
            ConvEvent::Tick => {}
        }
    }

    fn started(&mut self) {
        if !matches!(self.state, State::Fresh) {
            return;
        }
        self.state = State::Open(Asked::Nothing);
        self.say(None, Script::Greeting, &[]);
        self.say_notice();
        if let Status::Closed { .. } = self.hours.status_at(self.local) {
            let status = self.hours.spoken_status(self.local);
            self.say(None, Script::Closed, &[("status", &status)]);
        }
        if self.no_speech {
            self.offer_keypad(None);
        } else {
            self.say(None, Script::HowCanIHelp, &[]);
            self.expect(Expectation::Question);
        }
    }

    fn say_notice(&mut self) {
        let text = self.policy.say(&self.language, Script::ConsentNotice, &[]);
        let say = self.utter(
            None,
            Spoken {
                text: Pii::new(text),
                private: false,
                script: Some(Script::ConsentNotice.name().to_owned()),
                entry: None,
                interruptible: false,
            },
        );
        self.notice = Notice::Saying(say);
    }

    fn say_done(&mut self, say: SayId) {
        self.unsaid = self.unsaid.filter(|last| *last != say);
        if self.notice == Notice::Saying(say) {
            self.notice = Notice::Settled;
            self.out.push(ConvEffect::StartRecording {
                script: Script::ConsentNotice.name().to_owned(),
                language: self.policy.speak(&self.language).to_owned(),
            });
        }
        if matches!(self.state, State::Closing { say: last, .. } if last == say) {
            self.hang_up();
        }
    }

    fn say_dropped(&mut self, dropped_say: SayId) {
        self.unsaid = self.unsaid.filter(|last| *last != dropped_say);
        if self.notice == Notice::Saying(dropped_say) {
            // In an emergency the notice is not said again; then nothing is recorded.
            if self.alarmed.is_some() {
                self.notice = Notice::Settled;
            } else {
                self.say_notice();
            }
        }
        if let State::Closing { say, dropped, .. } = &mut self.state
            && *say == dropped_say
        {
            *dropped = true;
        }
    }

    fn deadlines(&mut self) {
        let due = self.next_timeout().is_some_and(|t| self.now >= t);
        if !due {
            return;
        }
        match &self.state {
            State::Looking { turn, .. } => {
                // The search is late: the question counts as unknown rather than leaving the line mute.
                let turn = *turn;
                self.candidates(turn, Vec::new());
            }
            // The desk says so itself, and sooner; this is for the day it does not.
            State::HandingOver { .. } => self.handover_failed(),
            State::Closing { .. } => self.hang_up(),
            State::Collecting(_) => self.keys_paused(),
            State::Fresh | State::Open(_) | State::Over => {}
        }
    }

    // What follows makes effects.

    fn expect(&mut self, e: Expectation) {
        self.out.push(ConvEffect::Expect(e));
    }

    fn say(&mut self, turn: Option<TurnId>, script: Script, values: &[(&str, &str)]) -> SayId {
        let private = values
            .iter()
            .any(|(name, _)| matches!(*name, "value" | "details" | "number"));
        let text = self.policy.say(&self.language, script, values);
        self.utter(
            turn,
            Spoken {
                text: Pii::new(text),
                private,
                script: Some(script.name().to_owned()),
                entry: None,
                interruptible: true,
            },
        )
    }

    fn utter(&mut self, turn: Option<TurnId>, spoken: Spoken) -> SayId {
        self.says = self.says.saturating_add(1);
        let say = SayId(self.says);
        self.unsaid = Some(say);
        self.out.push(ConvEffect::Say {
            say,
            turn,
            text: spoken.text.clone(),
            private: spoken.private,
            script: spoken.script.clone(),
            entry: spoken.entry.clone(),
            interruptible: spoken.interruptible,
        });
        if self.round.len() == ROUND_MAX {
            self.round.remove(0);
        }
        self.round.push(spoken);
        say
    }

    fn record(&mut self, turn: TurnId, decision: Decision, with: Why) {
        self.out.push(ConvEffect::Record(DecisionRecord {
            turn,
            decision,
            gate: with.gate,
            gate_why: with.gate_why,
            intent: with.intent,
            entry: with.entry,
            candidates: with.candidates.into_iter().take(CANDIDATES_MAX).collect(),
            policy_version: self.policy.version.clone(),
        }));
    }
}

/// What a decision rested on.
#[derive(Debug, Clone)]
struct Why {
    gate: GateClass,
    gate_why: Option<String>,
    intent: Option<String>,
    entry: Option<EntryRef>,
    candidates: Vec<EntryRef>,
}

impl Why {
    const fn nothing() -> Self {
        Self {
            gate: GateClass::None,
            gate_why: None,
            intent: None,
            entry: None,
            candidates: Vec::new(),
        }
    }
    fn gate(gate: GateClass, why: &str) -> Self {
        Self {
            gate,
            gate_why: Some(why.to_owned()),
            ..Self::nothing()
        }
    }
    fn intent(id: impl Into<Option<String>>) -> Self {
        Self {
            intent: id.into(),
            ..Self::nothing()
        }
    }
    fn search(entry: Option<EntryRef>, candidates: &[Candidate]) -> Self {
        Self {
            entry,
            candidates: candidates.iter().map(Candidate::entry_ref).collect(),
            ..Self::nothing()
        }
    }
}
