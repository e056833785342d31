//! What everybody hears, as one value. Nobody starts or stops audio by hand: the desk call derives the scene it wants
//! from its state after every input, and the difference to the scene before becomes the effects.

use crate::bridge::Matrix;
use crate::desk::DeskEffect;
use anteroom_types::LegId;
use std::collections::BTreeMap;

/// Names one playing of something, so that a late report of an older one does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PlayNo(pub u32);

/// Words or sounds with an end. The composition root knows their texts in each language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Announcement {
    /// To a member of staff who answered: who is calling, why, and the last lines.
    Brief {
        /// Whether to add which keys accept and decline.
        asks: bool,
    },
    /// To the caller: the person's line was lost, somebody will be with them in a moment.
    OneMoment,
    /// To the caller: nobody can come to the telephone, they will be rung back.
    WillRingBack,
    /// To the caller: nobody can take the call; goodbye. For callers of whom no number is known to ring them back on.
    NobodyFree,
    /// To the caller: their wish to be rung back is noted.
    CallbackNoted,
    /// To the caller: their place in the queue, from 1, and the expected wait in whole minutes if it is known.
    QueuePosition {
        /// From 1.
        position: u16,
        /// Minutes, rounded up.
        wait_min: Option<u16>,
        /// Whether to add that a key gets them rung back instead.
        offer_callback: bool,
    },
    /// To the caller: the voicemail's greeting.
    VoicemailGreeting(Greeting),
    /// To the caller: the message was kept; goodbye.
    MessageKept,
    /// To staff: the caller waits in this slot.
    ParkedAt(u16),
    /// To staff who lifted a handset in vain: somebody else was quicker.
    AnsweredElsewhere,
    /// To staff who lifted a handset in vain: the caller has hung up.
    CallerGone,
    /// To whoever placed a call: nobody answers.
    NoAnswer,
    /// To whoever placed a call: the number is busy.
    Busy,
    /// To whoever placed a call: it cannot be placed.
    CannotBePlaced,
}

/// Which voicemail greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Greeting {
    /// The clinic is open, but everybody is busy.
    Busy,
    /// The clinic is closed.
    Closed,
}

/// What is played to a leg that is in no bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The ringing tone, over and over.
    Ringback,
    /// Music, over and over.
    Music,
    /// A soft pip every few seconds: the line is up and somebody is on hold at the other end.
    Reminder,
    /// Something with an end; it is reported by [`crate::desk::DeskInput::Played`].
    Announce(Announcement),
}

/// What somebody hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hears {
    /// The receptionist, who has its own watchdog against silence.
    Receptionist,
    /// Something played.
    Played(Source),
    /// One or more people, or the audio that a far telephone sends before it is answered.
    People,
    /// Their own voice: they are leaving a message after the tone.
    Recording,
    /// Nothing. Only a leg that is not up, or no longer up, may be found so.
    Nothing,
}

/// What the legs of a call hear.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Scene {
    pub(crate) bridge: Matrix,
    pub(crate) playing: BTreeMap<LegId, (PlayNo, Source)>,
}

impl Scene {
    /// The effects that lead from `before` to this scene. What stops comes first, then the bridge, then what starts:
    /// at no moment is a leg in the bridge and played to.
    pub(crate) fn effects_from(&self, before: &Self, out: &mut Vec<DeskEffect>) {
        for (leg, was) in &before.playing {
            if self.playing.get(leg).is_none_or(|is| is.0 != was.0) {
                out.push(DeskEffect::StopPlaying { leg: *leg });
            }
        }
        if self.bridge != before.bridge {
            out.push(if self.bridge.lines.is_empty() {
                DeskEffect::Disconnect
            } else {
                DeskEffect::Connect(self.bridge.clone())
            });
        }
        for (leg, is) in &self.playing {
            if before.playing.get(leg).is_none_or(|was| is.0 != was.0) {
                out.push(DeskEffect::Play {
                    leg: *leg,
                    play: is.0,
                    source: is.1,
                });
            }
        }
    }
}
