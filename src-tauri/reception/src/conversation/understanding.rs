//! From an intent's name to what is done about it.

use super::Conversation;
use crate::details::Detail;
use crate::intents::{Action, Collects, Gate, Intent, classify_intent};
use crate::policy::Script;
use anteroom_types::event::TaskKind;

/// What a recognised intent means to the conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Greeting,
    Goodbye,
    Thanks,
    NoMore,
    Affirm,
    Deny,
    Repeat,
    /// A person is wanted. With `disclosure`, because something personal is asked for that is never given out.
    Person {
        disclosure: bool,
    },
    /// A request to take down; no details means those usual for its kind.
    Collect {
        kind: TaskKind,
        about: &'static str,
        script: Script,
        details: Vec<Detail>,
    },
}

impl Act {
    /// Whether the policy may switch it off: politeness and the way to a person cannot be.
    pub(super) const fn is_switched(&self) -> bool {
        matches!(self, Self::Collect { .. })
    }
    pub(super) const fn kind(&self) -> TaskKind {
        match self {
            Self::Collect { kind, .. } => *kind,
            _ => TaskKind::Callback,
        }
    }
    pub(super) const fn about(&self) -> &'static str {
        match self {
            Self::Collect { about, .. } => about,
            _ => "Callback",
        }
    }
}

fn act_of(intent: &Intent) -> Option<Act> {
    let collect = |kind, about, script| {
        Some(Act::Collect {
            kind,
            about,
            script,
            details: intent.details.iter().map(|d| detail_of(*d)).collect(),
        })
    };
    match (intent.action, intent.id.as_str()) {
        // The knowledge base answers it.
        (Action::Answer, _) => None,
        (Action::Greeting, _) => Some(Act::Greeting),
        (Action::Goodbye, "thanks") => Some(Act::Thanks),
        (Action::Goodbye, "no-more") => Some(Act::NoMore),
        (Action::Goodbye, _) => Some(Act::Goodbye),
        (Action::Affirm, _) => Some(Act::Affirm),
        (Action::Deny, _) => Some(Act::Deny),
        (Action::Repeat, _) => Some(Act::Repeat),
        (Action::Handover, _) => Some(Act::Person {
            disclosure: intent.gates.contains(&Gate::NeverDisclose),
        }),
        (Action::CollectAppointment, "reschedule") => collect(
            TaskKind::Appointment,
            "Appointment to be moved",
            Script::ChangeStart,
        ),
        (Action::CollectAppointment, "cancel") => collect(
            TaskKind::Appointment,
            "Appointment to be cancelled",
            Script::CancelStart,
        ),
        (Action::CollectAppointment, _) => {
            collect(TaskKind::Appointment, "Appointment wanted", Script::BookStart)
        }
        (Action::CollectPrescription, _) => collect(
            TaskKind::Prescription,
            "Repeat prescription",
            Script::PrescriptionStart,
        ),
        (Action::CollectCallback, _) => collect(TaskKind::Callback, "Callback", Script::CallbackStart),
        (Action::CollectMessage, _) => collect(TaskKind::Voicemail, "Message", Script::MessageStart),
    }
}

const fn detail_of(c: Collects) -> Detail {
    match c {
        Collects::Name => Detail::Name,
        Collects::PhoneNumber => Detail::PhoneNumber,
        Collects::DateOfBirth => Detail::DateOfBirth,
        Collects::Reason => Detail::Reason,
        Collects::PreferredTime => Detail::PreferredTime,
        Collects::Medicine => Detail::Medicine,
        Collects::Message => Detail::Message,
    }
}

impl Conversation {
    /// The intent in `text` and what it means, if one is recognised with enough confidence.
    pub(super) fn understand(&self, text: &str) -> Option<(String, Act)> {
        let found = classify_intent(text, &self.intents)?;
        if found.confidence < self.policy.intent_threshold {
            return None;
        }
        let act = self.intents.get(&found.id).and_then(act_of)?;
        Some((found.id, act))
    }
}
