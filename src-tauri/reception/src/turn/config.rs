//! What the turn taker is set to.

use anteroom_types::limits;
use serde::{Deserialize, Serialize};

/// What the caller is expected to say; it decides how long a pause may be before the turn is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// A question or a request.
    #[default]
    Question,
    /// A yes or a no.
    YesNo,
    /// A name, perhaps spelled.
    Name,
    /// Dictated digits.
    Number,
    /// A date.
    Date,
    /// A key of the telephone; speech is heard all the same.
    Keypad,
}

/// Milliseconds of silence that end a turn, by what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Patience {
    /// For a question.
    pub question_ms: u64,
    /// For a yes or a no.
    pub yes_no_ms: u64,
    /// For a name.
    pub name_ms: u64,
    /// For dictated digits. Callers read groups with pauses of up to 2.5 s (the 95th percentile in call-centre
    /// audio), so this is longer than that; a number that is already whole ends sooner.
    pub number_ms: u64,
    /// For a date.
    pub date_ms: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            question_ms: 700,
            yes_no_ms: 500,
            name_ms: 900,
            number_ms: 2_600,
            date_ms: 1_600,
        }
    }
}

impl Patience {
    /// The patience for `expectation`, in milliseconds.
    #[must_use]
    pub const fn for_expectation(&self, expectation: Expectation) -> u64 {
        match expectation {
            Expectation::Question | Expectation::Keypad => self.question_ms,
            Expectation::YesNo => self.yes_no_ms,
            Expectation::Name => self.name_ms,
            Expectation::Number => self.number_ms,
            Expectation::Date => self.date_ms,
        }
    }
}

/// Settings of the turn taker. The defaults suit Silero on telephone audio.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TurnConfig {
    /// Probability at which silence becomes speech.
    pub activation: f32,
    /// Probability below which speech becomes silence.
    pub deactivation: f32,
    /// Milliseconds of frames at or above `activation` that make a segment.
    pub min_speech_ms: u64,
    /// Milliseconds of audio put before a segment, so that a soft first consonant is decoded.
    pub pre_roll_ms: u64,
    /// Milliseconds of speech over playback before it pauses.
    pub barge_in_ms: u64,
    /// Milliseconds from the pause to the verdict.
    pub verdict_ms: u64,
    /// Milliseconds of silence after which the segment is decoded on the chance that it is whole.
    pub speculate_after_ms: u64,
    /// Milliseconds of silence that end a turn whose speculative text is complete.
    pub end_ms_complete: u64,
    /// The same for dictated digits, where one more group may follow a number that looks whole.
    pub end_ms_complete_number: u64,
    /// Milliseconds of silence that end any other turn.
    pub patience: Patience,
    /// Milliseconds one turn may last.
    pub turn_ms_max: u64,
    /// Milliseconds without a single frame at `activation` after which a turn is over although the probabilities
    /// stay above `deactivation` (comfort noise). Never less than the patience.
    pub stale_ms: u64,
    /// Milliseconds that the clock may run ahead of the frames before their absence counts as silence.
    pub frames_late_ms: u64,
    /// Milliseconds of silence on both sides before [`super::TurnEffect::NothingHeard`].
    pub no_speech_ms: u64,
    /// The same while digits are dictated or keyed.
    pub no_speech_ms_number: u64,
    /// Milliseconds from the end of a turn to its transcript.
    pub no_transcript_watchdog_ms: u64,
    /// Milliseconds one playback may last.
    pub playback_ms_max: u64,
}

impl Default for TurnConfig {
    fn default() -> Self {
        Self {
            activation: 0.5,
            deactivation: 0.35,
            min_speech_ms: 96,
            pre_roll_ms: 300,
            barge_in_ms: 120,
            verdict_ms: 500,
            speculate_after_ms: 180,
            end_ms_complete: 350,
            end_ms_complete_number: 900,
            patience: Patience::default(),
            turn_ms_max: limits::TURN_MS_MAX,
            stale_ms: 3_000,
            frames_late_ms: 150,
            no_speech_ms: 7_000,
            no_speech_ms_number: 12_000,
            no_transcript_watchdog_ms: 5_000,
            playback_ms_max: 240_000,
        }
    }
}

impl TurnConfig {
    /// The longest time in milliseconds that may pass without an effect when nothing but ticks arrive.
    #[must_use]
    pub fn effect_ms_max(&self) -> u64 {
        let slowest = [
            self.playback_ms_max,
            self.turn_ms_max,
            self.no_transcript_watchdog_ms,
            self.no_speech_ms,
            self.no_speech_ms_number,
            self.stale_ms,
        ];
        slowest.into_iter().max().unwrap_or(0) + self.frames_late_ms
    }
}
