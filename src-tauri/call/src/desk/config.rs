//! How a desk call behaves.

use crate::leg::LegLimits;
use crate::ring::{Fallback, RingTimes};
use crate::scene::Greeting;
use crate::voicemail::VoicemailLimits;

/// What the person who answers while the receptionist still speaks has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerPolicy {
    /// The sentence is cut short.
    CutSentence,
    /// The sentence is heard to its end; the person is played the reminder meanwhile.
    WaitForSentence,
}

/// How a person who answers is told what the call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Briefing {
    /// On the screen only; the caller is connected at once.
    Screen,
    /// On the screen of who has one, and the caller is connected at once; spoken to who has none, then connected.
    ByDevice,
    /// Spoken, then the caller is connected.
    Spoken,
    /// Spoken, then the person accepts or declines.
    SpokenAndAsked,
    /// On the screen, and the person accepts or declines.
    ScreenAndAsked,
}

impl Briefing {
    /// Whether it is spoken to somebody who has a screen, or has none.
    pub(crate) const fn is_spoken(self, has_screen: bool) -> bool {
        match self {
            Self::Spoken | Self::SpokenAndAsked => true,
            Self::ByDevice => !has_screen,
            Self::Screen | Self::ScreenAndAsked => false,
        }
    }
    pub(crate) const fn asks(self) -> bool {
        matches!(self, Self::SpokenAndAsked | Self::ScreenAndAsked)
    }
}

/// How a desk call behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeskConfig {
    /// Bounds of the single legs.
    pub leg: LegLimits,
    /// What a caller hears while telephones ring, once the receptionist's sentence is over.
    pub waiting: Waiting,
    /// Which voicemail greeting is spoken. Set it by the opening hours when the call comes in.
    pub greeting: Greeting,
    /// See [`AnswerPolicy`].
    pub answer: AnswerPolicy,
    /// Which fallback of a plan takes the place of [`Fallback::Receptionist`] when automation is off.
    pub without_receptionist: Fallback,
    /// How long a person has to accept or decline, milliseconds.
    pub decide_ms_max: u64,
    /// From [`super::DeskEffect::Play`] of an announcement to its [`super::DeskInput::PlayStarted`], milliseconds.
    pub start_ms_max: u64,
    /// The longest announcement whose length was never reported, milliseconds.
    pub announce_ms_max: u64,
    /// Who hangs up sooner after they got a caller has not talked to them, milliseconds: somebody else is rung.
    pub fumble_ms: u64,
    /// How long one person is rung for a transfer or a consultation, milliseconds.
    pub transfer_ms: u64,
    /// How long somebody who has to take a caller back is rung, milliseconds.
    pub recall_ms: u64,
    /// How long a caller may be parked, milliseconds.
    pub park_ms_max: u64,
    /// Whether the slot is spoken to the member of staff who parked a call.
    pub say_slot: bool,
    /// How long a caller may queue, milliseconds.
    pub queue_ms_max: u64,
    /// What then, or when the queue is full or nobody serves it. Not [`Fallback::Queue`].
    pub after_queue: Fallback,
    /// How often a queuing caller is told their place, milliseconds.
    pub position_every_ms: u64,
    /// The key with which a waiting caller asks to be rung back.
    pub callback_key: Option<char>,
    /// Whether the line shows a number of the caller's that can be rung. If not, they are never promised to be rung back:
    /// [`Fallback::Callback`] is [`Fallback::Voicemail`], whose greeting asks for a number, and the key is not offered.
    pub can_ring_back: bool,
    /// Bounds of a message.
    pub voicemail: VoicemailLimits,
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self {
            leg: LegLimits::default(),
            waiting: Waiting::Ringback,
            greeting: Greeting::Busy,
            answer: AnswerPolicy::WaitForSentence,
            without_receptionist: Fallback::Voicemail,
            decide_ms_max: 15_000,
            start_ms_max: 1_500,
            announce_ms_max: 30_000,
            fumble_ms: 1_500,
            transfer_ms: 25_000,
            recall_ms: 25_000,
            park_ms_max: 120_000,
            say_slot: true,
            queue_ms_max: 20 * 60_000,
            after_queue: Fallback::Callback,
            position_every_ms: 45_000,
            callback_key: Some('1'),
            can_ring_back: true,
            voicemail: VoicemailLimits::default(),
        }
    }
}

impl DeskConfig {
    /// The longest that telephones ring for a caller between a hand-over of the receptionist's and the plan's fallback,
    /// milliseconds, when a group is rung with these times and the sentence takes no longer than `sentence_ms`. An
    /// emergency while they ring begins it anew. Briefings that ask whoever answers are not in it.
    #[must_use]
    pub fn rings_ms_max(&self, times: RingTimes, sentence_ms: u64) -> u64 {
        let sentence = sentence_ms.min(self.announce_ms_max) + self.start_ms_max;
        // Whoever lifts a handset and puts it down again before the sentence is over leaves the others to be rung for a
        // whole step more.
        sentence.saturating_add(times.total_ms.max(times.step_ms))
    }
}

/// What a caller hears while telephones ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waiting {
    /// The ringing tone.
    Ringback,
    /// Music.
    Music,
}
