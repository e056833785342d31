//! When somebody speaks, by energy alone.

use anteroom_types::audio::Frame;
use anteroom_types::{FRAME_MS, Mono};

/// Mean magnitude of a frame from which it counts as sound; about -50 dBFS.
const SOUND_MIN: u32 = 100;

/// Follows one direction of a call.
#[derive(Debug, Clone, Default)]
pub struct Ear {
    last_sound: Option<Mono>,
    first_sound_since: Option<Mono>,
}

impl Ear {
    /// Whether a frame holds sound.
    #[must_use]
    pub fn is_sound(frame: &[i16]) -> bool {
        let sum: u32 = frame.iter().map(|s| u32::from(s.unsigned_abs())).sum();
        !frame.is_empty() && sum / u32::try_from(frame.len()).unwrap_or(1) >= SOUND_MIN
    }

    /// Takes a frame that ended at `at`.
    pub fn hear(&mut self, frame: &Frame, at: Mono) {
        if Self::is_sound(frame) {
            self.last_sound = Some(at);
            // The frame began one frame earlier.
            let began = Mono(at.0.saturating_sub(u64::from(FRAME_MS) * 1000));
            self.first_sound_since.get_or_insert(began);
        }
    }

    /// Forgets what was heard, to notice the next first sound.
    pub fn listen_anew(&mut self) {
        *self = Self::default();
    }

    /// When the first sound since [`Self::listen_anew`] began.
    #[must_use]
    pub const fn first_sound(&self) -> Option<Mono> {
        self.first_sound_since
    }

    /// Milliseconds of quiet since the last sound; none when nothing was heard yet.
    #[must_use]
    pub fn quiet_ms(&self, now: Mono) -> Option<u64> {
        self.last_sound.map(|s| now.ms_since(s))
    }

    /// The samples of a clip without the quiet at its end, so that the end of speech is known to 20 ms.
    #[must_use]
    pub fn speech_samples(clip: &[i16]) -> usize {
        let frame = anteroom_types::FRAME_SAMPLES;
        let frames = clip.chunks(frame).enumerate().filter(|(_, f)| Self::is_sound(f));
        frames
            .map(|(i, _)| ((i + 1) * frame).min(clip.len()))
            .next_back()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_types::{FRAME_SAMPLES, audio::SILENCE};

    #[test]
    fn speech_ends_where_the_sound_ends() {
        let mut clip = vec![0_i16; FRAME_SAMPLES * 3];
        clip.extend([2_000; FRAME_SAMPLES * 2]);
        clip.extend([3; FRAME_SAMPLES * 10]);
        assert_eq!(Ear::speech_samples(&clip), FRAME_SAMPLES * 5);
        assert_eq!(Ear::speech_samples(&[0; 50]), 0);
    }

    #[test]
    fn the_first_sound_is_the_beginning_of_its_frame() {
        let mut ear = Ear::default();
        ear.hear(&SILENCE, Mono::from_ms(20));
        assert_eq!(ear.quiet_ms(Mono::from_ms(20)), None);
        ear.hear(&[900; FRAME_SAMPLES], Mono::from_ms(40));
        assert_eq!(ear.first_sound(), Some(Mono::from_ms(20)));
        assert_eq!(ear.quiet_ms(Mono::from_ms(140)), Some(100));
    }
}
