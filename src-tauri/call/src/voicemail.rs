//! A message: when it begins, when it ends, and whether it is one.

use anteroom_types::Mono;

/// Bounds of a message, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoicemailLimits {
    /// The longest message.
    pub message_ms_max: u64,
    /// Silence that ends it, once something was said.
    pub silence_ms_max: u64,
    /// Silence at its start that ends it: nobody says anything.
    pub begin_ms_max: u64,
    /// Voice it must hold, without the pauses. What is shorter is a breath, a click or a hand on the receiver, not a
    /// message.
    pub voice_ms_min: u64,
}

impl Default for VoicemailLimits {
    fn default() -> Self {
        Self {
            message_ms_max: 180_000,
            silence_ms_max: 5_000,
            begin_ms_max: 8_000,
            voice_ms_min: 500,
        }
    }
}

/// What a recording came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageIs {
    /// A message with so much voice in it, milliseconds.
    Message {
        /// Milliseconds of voice.
        voice_ms: u64,
    },
    /// Nothing worth keeping.
    Nothing,
}

/// The state machine of one recording, from the tone on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    limits: VoicemailLimits,
    since: Mono,
    speaks_since: Option<Mono>,
    quiet_since: Mono,
    voice_ms: u64,
}

impl Message {
    /// The tone sounds now.
    #[must_use]
    pub const fn begin(limits: VoicemailLimits, now: Mono) -> Self {
        Self {
            limits,
            since: now,
            speaks_since: None,
            quiet_since: now,
            voice_ms: 0,
        }
    }

    /// Somebody began or ceased to speak. Saying the same twice does nothing.
    pub const fn voice(&mut self, now: Mono, speaks: bool) {
        match (self.speaks_since, speaks) {
            (None, true) => self.speaks_since = Some(now),
            (Some(since), false) => {
                self.voice_ms += now.ms_since(since);
                self.speaks_since = None;
                self.quiet_since = now;
            }
            _ => {}
        }
    }

    /// When it is over by itself.
    #[must_use]
    pub fn ends_at(&self) -> Mono {
        let longest = self.since.plus_ms(self.limits.message_ms_max);
        if self.speaks_since.is_some() {
            return longest;
        }
        let quiet = if self.voice_ms == 0 {
            self.limits.begin_ms_max
        } else {
            self.limits.silence_ms_max
        };
        longest.min(self.quiet_since.plus_ms(quiet))
    }

    /// What it is, if it ends now.
    #[must_use]
    pub const fn judge(&self, now: Mono) -> MessageIs {
        let going_on = match self.speaks_since {
            Some(since) => now.ms_since(since),
            None => 0,
        };
        let voice_ms = self.voice_ms + going_on;
        if voice_ms >= self.limits.voice_ms_min {
            MessageIs::Message { voice_ms }
        } else {
            MessageIs::Nothing
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Voice changes at these milliseconds, the end by itself, and what it then is.
    fn check(voice: &[(u64, bool)], ends_ms: u64, expected: MessageIs) {
        let mut m = Message::begin(VoicemailLimits::default(), Mono(0));
        for (ms, speaks) in voice {
            m.voice(Mono::from_ms(*ms), *speaks);
        }
        assert_eq!(m.ends_at(), Mono::from_ms(ends_ms), "{voice:?}");
        assert_eq!(m.judge(m.ends_at()), expected, "{voice:?}");
    }

    #[test]
    fn silence_ends_a_message_and_silence_alone_is_none() {
        let said = |voice_ms| MessageIs::Message { voice_ms };
        check(&[], 8_000, MessageIs::Nothing);
        check(&[(500, true), (700, false)], 5_700, MessageIs::Nothing);
        check(&[(500, true), (3_500, false)], 8_500, said(3_000));
        // A name and "ring me", said quickly.
        check(&[(500, true), (1_000, false)], 6_000, said(500));
        check(
            &[
                (500, true),
                (900, true),
                (1_000, false),
                (2_000, true),
                (3_000, false),
            ],
            8_000,
            said(1_500),
        );
    }

    #[test]
    fn who_began_before_the_tone_is_heard_out() {
        check(
            &[(0, true), (12_000, false)],
            17_000,
            MessageIs::Message { voice_ms: 12_000 },
        );
    }

    #[test]
    fn who_never_ceases_is_cut_off_and_kept() {
        check(
            &[(1_000, true)],
            180_000,
            MessageIs::Message { voice_ms: 179_000 },
        );
    }
}
