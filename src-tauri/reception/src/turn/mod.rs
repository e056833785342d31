//! Turn taking: who speaks when, from voice activity, playback and the clock.
//!
//! # Contract
//!
//! Feed every event to [`TurnTaker::handle`] with the monotonic time it happened, carry out the effects it appends,
//! and call it with [`TurnEvent::Tick`] no later than [`TurnTaker::next_timeout`]. Nothing else changes the machine.
//!
//! # What it promises
//!
//! * A turn ends by the wall clock too: when frames stop coming, and when comfort noise keeps the probabilities
//!   between the two thresholds for ever.
//! * Speech over our playback pauses it after [`TurnConfig::barge_in_ms`] and the pause is judged within
//!   [`TurnConfig::verdict_ms`]: words drop the playback, a cough or nothing resumes it.
//! * A word too short for the detector ("yes") is still decoded when a yes or a no is expected.
//! * Whatever came before, ticks alone lead to an effect within [`TurnConfig::effect_ms_max`]: the line cannot go mute.
//! * While the caller holds us ([`TurnEvent::Held`]) they hear nothing and are not expected to speak: their silence is
//!   not counted, and what is played stands still without being given up. What they said before is still a turn.

mod barge_in;
mod config;
mod machine;
#[cfg(test)]
mod tests;

pub use config::{Expectation, Patience, TurnConfig};
pub use machine::TurnTaker;

use anteroom_types::{Mono, Pii};

/// A stretch of the caller's audio that is decoded as one, numbered within its call from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u32);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEvent {
    /// The detector judged one frame of 32 ms. Frames that are not newer than the last are ignored.
    Vad {
        /// Probability of speech, 0 to 1.
        prob: f32,
        /// When the frame's last sample was heard.
        frame_end: Mono,
    },
    /// We began to say something.
    PlaybackStarted {
        /// Whether the caller may cut it short. Speech over something that is not interruptible is still heard.
        interruptible: bool,
    },
    /// Everything that was to be said has been said or dropped.
    PlaybackEnded,
    /// What a [`TurnEffect::Speculate`] came to.
    SpeculativeText {
        /// The segment.
        segment: SegmentId,
        /// The `end` of the speculation it answers; an answer to an older one changes nothing.
        end: Mono,
        /// What was recognised; empty when it was no words.
        text: Pii<String>,
        /// The text is a whole sentence that is understood, or the gate calls it urgent
        /// (see `Conversation::is_complete`): the turn may end sooner.
        complete: bool,
    },
    /// What the audio of an [`TurnEffect::EndOfTurn`] came to. Also send it when a speculation was used as it stood.
    FinalText {
        /// The segment.
        segment: SegmentId,
        /// What was recognised; empty when it was no words.
        text: Pii<String>,
    },
    /// The recogniser gave no answer for a segment.
    RecogniserFailed {
        /// The segment.
        segment: SegmentId,
    },
    /// What the caller is expected to say from now on.
    Expect(Expectation),
    /// A key was pressed. It cuts short what is being said, and counts as being heard.
    Dtmf,
    /// The caller holds us, or takes us off hold. Meanwhile feed frames of silence: what comes is their exchange's music.
    Held(bool),
    /// The clock moved. Frames may have stopped.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum TurnEffect {
    /// The caller began to speak.
    SpeechStarted {
        /// The segment it opens.
        segment: SegmentId,
        /// When the speech began, without pre-roll.
        at: Mono,
    },
    /// The caller speaks no more, whatever it was: a turn ([`TurnEffect::EndOfTurn`] follows), or a cough that is none.
    /// Every [`TurnEffect::SpeechStarted`] is followed by one, before the next.
    SpeechEnded {
        /// The segment that was open.
        segment: SegmentId,
    },
    /// Decode this much now: the turn may be over.
    Speculate {
        /// The segment.
        segment: SegmentId,
        /// From here on, pre-roll included.
        start: Mono,
        /// Up to here.
        end: Mono,
    },
    /// The caller went on, or it was noise: the last speculation of this segment is void.
    CancelSpeculation {
        /// The segment.
        segment: SegmentId,
    },
    /// The turn is over. When `start` and `end` are those of the last speculation, its text is the final one.
    EndOfTurn {
        /// The segment.
        segment: SegmentId,
        /// From here on, pre-roll included.
        start: Mono,
        /// End of the speech: latency is measured from here.
        end: Mono,
        /// Ended for the caller: it lasted too long, or the probabilities never fell.
        forced: bool,
    },
    /// Stop playing at once and keep what is left.
    PausePlayback,
    /// Play on from where it was paused, repeating at most 40 ms.
    ResumePlayback,
    /// The rest is not said. `PlaybackEnded` is not needed after it.
    DropPlayback,
    /// The caller was expected to speak and did not, or spoke and nothing was recognised.
    NothingHeard {
        /// How many times in a row, from 1.
        count: u32,
    },
    /// A turn was spoken and its words will not be known: the recogniser failed, or had too much to do. Never said of a
    /// caller who was silent.
    NotRecognised,
    /// Something that should have happened did not; the machine has moved on without it.
    WatchdogFired {
        /// Which.
        which: Watchdog,
    },
}

/// What did not happen in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Watchdog {
    /// No transcript came for a turn that had ended.
    NoTranscript,
    /// Playback neither ended nor was dropped.
    Playback,
}

impl Watchdog {
    /// The name used in events and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoTranscript => "no_transcript",
            Self::Playback => "playback",
        }
    }
}
