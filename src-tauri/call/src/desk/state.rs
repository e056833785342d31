//! Where a desk call stands. Every state holds only its own data.

use super::config::Briefing;
use super::types::{Asking, DropWhy, Supervision};
use crate::bridge::Bridge;
use crate::leg::Leg;
use crate::party::Target;
use crate::ring::{Fallback, RingStep};
use crate::voicemail::Message;
use anteroom_types::{LegId, Mono};
use std::collections::VecDeque;

/// A leg of the call.
#[derive(Debug, Clone)]
pub(super) struct LegEntry {
    pub(super) machine: Leg,
    /// Whose it is. The outside caller's own leg is nobody's.
    pub(super) target: Option<Target>,
    pub(super) part: Part,
    /// Its telephone put us on hold.
    pub(super) holds: bool,
    /// Whoever answered it sees the call on a screen of ours.
    pub(super) screen: bool,
}

/// What a leg is in the call for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// It rings, or is asked, so that somebody takes the caller.
    Rings,
    /// It rings for a person who wanted the caller of their own accord, beside whatever else goes on.
    Takes { until: Mono },
    /// It rings, or is asked, about a transfer.
    Consulted,
    /// It rings to join the talk.
    Joins,
    /// It rings to supervise.
    Supervises(Supervision),
    /// It is in the talk, or is the caller's.
    Talks,
    /// It is out of the call; what must still be said to it is being said.
    Leaves(DropWhy),
}

#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// The receptionist has the caller. Of an outgoing call: nobody is rung yet.
    Receptionist,
    Ringing(Ringing),
    Queued(Queued),
    Talking(Talking),
    Parked(Parked),
    /// The caller leaves a message; `None` while the greeting is spoken.
    Message(Option<Message>),
    /// Last words are spoken to the one who waits, then they are hung up.
    Farewell,
    /// Every leg is on its way out.
    Closing,
    Over,
}

/// Telephones ring for a caller.
#[derive(Debug, Clone)]
pub(super) struct Ringing {
    pub(super) rounds: VecDeque<RingStep>,
    pub(super) fallback: Fallback,
    /// The legs that ring now.
    pub(super) round: Vec<LegId>,
    pub(super) step_until: Mono,
    pub(super) total_until: Mono,
    pub(super) briefing: Briefing,
    pub(super) candidate: Option<Candidate>,
    /// Whose telephones stopped ringing because of the candidate; they ring again if nothing comes of it.
    pub(super) passed_over: Vec<Target>,
    /// How long this step rings, milliseconds.
    pub(super) step_ms: u64,
    /// The last refusal's status.
    pub(super) refused: Option<u16>,
    /// Whether the caller was given away by somebody who had them.
    pub(super) given: bool,
}

/// Somebody answered but does not have the caller yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) leg: LegId,
    pub(super) stage: Stage,
}

/// How far somebody who answered is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// They are told what it is about.
    Briefed,
    /// They accept or decline.
    Decides { until: Mono },
    /// The receptionist's sentence to the caller goes on.
    Sentence,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Queued {
    pub(super) place: Option<(u16, Option<u64>)>,
    pub(super) tell_at: Mono,
}

/// A person has the caller.
#[derive(Debug, Clone)]
pub(super) struct Talking {
    pub(super) guest: LegId,
    pub(super) host: LegId,
    /// Since when the host has the caller.
    pub(super) since: Mono,
    pub(super) bridge: Bridge,
    /// By command; a telephone's own hold is the bridge member's.
    pub(super) held: bool,
    pub(super) consult: Option<Consult>,
    /// People who are rung to come in.
    pub(super) invited: Vec<Invited>,
}

/// Somebody is asked whether they take the caller.
#[derive(Debug, Clone)]
pub(super) struct Consult {
    pub(super) how: Asking,
    pub(super) stage: ConsultStage,
}

#[derive(Debug, Clone)]
pub(super) enum ConsultStage {
    Rings {
        legs: Vec<LegId>,
        until: Mono,
    },
    Briefed {
        leg: LegId,
    },
    Decides {
        leg: LegId,
        until: Mono,
    },
    /// They talk with the host; the caller waits apart.
    Talks {
        leg: LegId,
    },
}

impl ConsultStage {
    pub(super) const fn answered(&self) -> Option<LegId> {
        match self {
            Self::Rings { .. } => None,
            Self::Briefed { leg } | Self::Decides { leg, .. } | Self::Talks { leg } => Some(*leg),
        }
    }
}

/// Somebody's devices ring so that they come into the talk.
#[derive(Debug, Clone)]
pub(super) struct Invited {
    pub(super) legs: Vec<LegId>,
    pub(super) until: Mono,
}

/// The caller waits in a slot.
#[derive(Debug, Clone)]
pub(super) struct Parked {
    pub(super) slot: u16,
    pub(super) by: Option<Target>,
    pub(super) until: Mono,
}
