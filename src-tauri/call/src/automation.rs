//! The kill switch: what becomes of a call when automation goes off.
//!
//! Off means that no caller is left with a machine that talks: who is with the receptionist is handed to people at
//! once, new calls ring people. Waiting for a person is no automation, and nobody is cut off in the middle of a
//! message or of a sentence that ends the call.

use crate::desk::Whereabouts;

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SwitchedOff {
    /// People are rung now; the machine stops in mid-sentence.
    HandToPeople,
    /// It goes on: it is with people already, waits for some, or is at its end.
    LeaveAlone,
}

/// What becomes of a call that stands so when automation is switched off.
#[must_use]
pub const fn when_switched_off(call: Whereabouts) -> SwitchedOff {
    match call {
        Whereabouts::Receptionist | Whereabouts::Greeting => SwitchedOff::HandToPeople,
        Whereabouts::Ringing
        | Whereabouts::Briefing
        | Whereabouts::Queued { .. }
        | Whereabouts::Talking { .. }
        | Whereabouts::Parked { .. }
        | Whereabouts::Recording
        | Whereabouts::Farewell
        | Whereabouts::Over => SwitchedOff::LeaveAlone,
    }
}
