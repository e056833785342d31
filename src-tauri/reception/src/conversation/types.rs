//! What happens to a conversation and what it wants done.

use crate::search::Candidate;
use crate::turn::Expectation;
use anteroom_types::event::{DecisionRecord, EntryRef, TaskKind};
use anteroom_types::{EndReason, Pii, SayId, TurnId};

/// What happened. The turn number 0 stands for the call as a whole, before and outside of any turn.
#[derive(Debug, Clone, PartialEq)]
pub enum ConvEvent {
    /// The call was answered. The first event.
    Started,
    /// A turn was heard. An empty text counts as [`ConvEvent::NothingHeard`].
    Heard {
        /// The turn.
        turn: TurnId,
        /// What was recognised.
        text: Pii<String>,
        /// Confidence of the recogniser, 0 to 1.
        confidence: f32,
    },
    /// What a [`ConvEffect::Lookup`] found, best first, with their answers filled in. An answer to an older
    /// lookup is ignored.
    Candidates {
        /// The turn of the lookup.
        turn: TurnId,
        /// What was found; empty when the search failed.
        candidates: Vec<Candidate>,
    },
    /// The words of a [`ConvEffect::Lookup`] lie near examples of danger ([`crate::gate::Likeness`]). It comes before
    /// that lookup's candidates.
    SoundsUrgent {
        /// The turn of the lookup.
        turn: TurnId,
    },
    /// The caller was expected to speak and did not.
    NothingHeard,
    /// The caller spoke, and what they said will not be known: the recogniser failed, or had too much to do.
    NotRecognised,
    /// A key was pressed: `0` to `9`, `*` or `#`. Anything else is ignored.
    Dtmf {
        /// The key.
        digit: char,
    },
    /// Something was said to its end.
    SayDone {
        /// Which.
        say: SayId,
    },
    /// Something was cut short or never begun.
    SayDropped {
        /// Which.
        say: SayId,
    },
    /// The caller holds us, or takes us off hold.
    Held(bool),
    /// No recogniser is left.
    RecogniserDown,
    /// There is a recogniser again.
    RecogniserBack,
    /// The caller is gone. Nothing is said any more.
    CallerGone,
    /// Nobody took the call that was handed over.
    HandoverFailed,
    /// A person took the call, or the desk did. The conversation is over; nothing more is done.
    HandedOver,
    /// The caller comes back from people, of whom nobody is left: given to a conversation that was not started. It says
    /// so and offers to have the caller rung back.
    Returned,
    /// The clock moved.
    Tick,
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum ConvEffect {
    /// Search the knowledge base and answer with [`ConvEvent::Candidates`].
    Lookup {
        /// The turn it is for.
        turn: TurnId,
        /// The question.
        text: Pii<String>,
    },
    /// Say this after what is already being said.
    Say {
        /// Its number.
        say: SayId,
        /// The turn it answers.
        turn: Option<TurnId>,
        /// The words.
        text: Pii<String>,
        /// It holds the caller's details: do not cache it.
        private: bool,
        /// The script it comes from.
        script: Option<String>,
        /// The entry whose approved words it is.
        entry: Option<EntryRef>,
        /// Whether the caller may cut it short.
        interruptible: bool,
    },
    /// Drop what is being said and everything queued; each is answered with [`ConvEvent::SayDropped`].
    StopSaying,
    /// Keep this decision.
    Record(DecisionRecord),
    /// Tell the turn taker what to expect.
    Expect(Expectation),
    /// Mark the call urgent.
    MarkUrgent {
        /// The gate's rule.
        why: String,
    },
    /// Ring every desk.
    RingDesk {
        /// The gate's rule.
        why: String,
    },
    /// Make a task.
    CreateTask {
        /// What about.
        kind: TaskKind,
        /// One line for the person who takes it.
        summary: Pii<String>,
        /// The number to ring back, when the caller gave or confirmed one, or the line showed one.
        number: Option<Pii<String>>,
        /// Milliseconds from now until it is due.
        due_in_ms: u64,
    },
    /// Put the caller through; answer with [`ConvEvent::HandedOver`] or [`ConvEvent::HandoverFailed`].
    Handover {
        /// Why: the intent's name.
        reason: String,
    },
    /// The notice was heard to its end: recording may begin.
    StartRecording {
        /// The notice's script.
        script: String,
        /// Its language.
        language: String,
    },
    /// Hang up. The last effect; it comes once.
    Hangup {
        /// Why.
        reason: EndReason,
    },
}
