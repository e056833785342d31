//! Where a conversation stands. Each state holds only its own data.

use crate::details::{Detail, Form};
use crate::search::Candidate;
use anteroom_types::event::TaskKind;
use anteroom_types::{EntryRef, Mono, Pii, SayId, TurnId};

/// What a caller wants that is not settled yet. Every need leads to one task, or to an answer.
#[derive(Debug, Clone)]
pub(super) struct Need {
    pub(super) kind: TaskKind,
    /// What it is, in staff's words: the summary's beginning.
    pub(super) about: String,
    /// What the caller said that began it.
    pub(super) said: Option<Pii<String>>,
}

impl Need {
    pub(super) fn new(kind: TaskKind, about: &str, said: Option<&str>) -> Self {
        Self {
            kind,
            about: about.to_owned(),
            said: said.map(Pii::from),
        }
    }
}

/// What was asked last, while the line is open for anything.
#[derive(Debug, Clone)]
pub(super) enum Asked {
    /// Nothing in particular.
    Nothing,
    /// Whether there is anything else.
    AnythingElse,
    /// To say a question differently.
    SayAgain { need: Need },
    /// Which of these, or whether this one.
    Which { options: Vec<Candidate>, need: Need },
    /// Whether somebody should ring back.
    Callback { need: Need },
    /// Whether the number the line shows is right for that.
    LineNumber { need: Need },
}

/// A request whose details are being taken.
#[derive(Debug, Clone)]
pub(super) struct Collecting {
    pub(super) need: Need,
    pub(super) form: Form,
    /// The turn that began it, and the intent: the task's decision names them.
    pub(super) intent: Option<String>,
    /// When the last key came, while keys wait to be taken.
    pub(super) keyed: Option<Mono>,
}

/// Where the conversation stands.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Not begun.
    Fresh,
    /// Open for anything.
    Open(Asked),
    /// A search is under way.
    Looking {
        turn: TurnId,
        since: Mono,
        need: Need,
        unsure: bool,
    },
    /// Details are being taken.
    Collecting(Box<Collecting>),
    /// A person is being rung.
    HandingOver { since: Mono, need: Need },
    /// The last words are being said.
    Closing { say: SayId, since: Mono, dropped: bool },
    /// Nothing is done any more.
    Over,
}

/// Something that was said, kept so that it can be said again.
#[derive(Debug, Clone)]
pub(super) struct Spoken {
    pub(super) text: Pii<String>,
    pub(super) private: bool,
    pub(super) script: Option<String>,
    pub(super) entry: Option<EntryRef>,
    pub(super) interruptible: bool,
}

/// How far the consent notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// Not begun.
    Due,
    /// Being said.
    Saying(SayId),
    /// Heard to its end, or given up in an emergency.
    Settled,
}

/// What is asked for each kind of request, unless the intent says otherwise.
pub(super) const fn details_of(kind: TaskKind) -> &'static [Detail] {
    match kind {
        TaskKind::Appointment => &[
            Detail::Name,
            Detail::DateOfBirth,
            Detail::PhoneNumber,
            Detail::PreferredTime,
        ],
        TaskKind::Prescription => &[
            Detail::Medicine,
            Detail::Name,
            Detail::DateOfBirth,
            Detail::PhoneNumber,
        ],
        TaskKind::Voicemail => &[Detail::Name, Detail::PhoneNumber, Detail::Message],
        TaskKind::Callback => &[Detail::Name, Detail::PhoneNumber, Detail::Reason],
        TaskKind::Urgent | TaskKind::Question => &[Detail::Name, Detail::PhoneNumber],
    }
}
