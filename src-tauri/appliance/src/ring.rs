//! The last seconds of what a caller said, addressed by time.

use anteroom_types::audio::{Frame, ms_to_samples, samples_to_ms};
use anteroom_types::{FRAME_MS, Mono, RATE_HZ};
use std::collections::VecDeque;

/// Audio kept, in milliseconds: the longest turn plus its padding.
const KEPT_MS: u64 = anteroom_types::limits::TURN_MS_MAX + 5_000;
/// Lag behind the clock, in milliseconds, beyond which lost frames are filled with silence.
const LAG_MS_MAX: u64 = 60;

/// A bounded window of audio. When it is full the oldest audio is forgotten.
///
/// Its time is counted in samples from the first frame, so that it does not jitter with the scheduler; when frames
/// were lost on the way here, silence takes their place and time stays true.
#[derive(Debug, Default)]
pub(crate) struct AudioRing {
    samples: VecDeque<i16>,
    start: Option<Mono>,
    pushed: u64,
}

impl AudioRing {
    /// Appends a frame that ended at `at`; returns the stream time at its end, and how many frames were missing.
    pub(crate) fn push(&mut self, frame: &Frame, at: Mono) -> (Mono, u32) {
        let begun = Mono(at.0.saturating_sub(u64::from(FRAME_MS) * 1000));
        let start = *self.start.get_or_insert(begun);
        let mut missing = 0;
        let lag = at.ms_since(self.end(start));
        if lag > u64::from(FRAME_MS) + LAG_MS_MAX {
            missing = (lag / u64::from(FRAME_MS))
                .saturating_sub(1)
                .min(KEPT_MS / u64::from(FRAME_MS));
            for _ in 0..missing {
                self.append(&anteroom_types::audio::SILENCE);
            }
        }
        self.append(frame);
        (self.end(start), u32::try_from(missing).unwrap_or(u32::MAX))
    }

    fn append(&mut self, frame: &Frame) {
        self.samples.extend(frame);
        self.pushed += frame.len() as u64;
        let over = self.samples.len().saturating_sub(ms_to_samples(KEPT_MS));
        self.samples.drain(..over);
    }

    fn end(&self, start: Mono) -> Mono {
        Mono(start.0 + self.pushed * 1_000_000 / u64::from(RATE_HZ))
    }

    /// What was heard between two times, as far as it is still kept.
    pub(crate) fn between(&self, from: Mono, to: Mono) -> Vec<i16> {
        let Some(start) = self.start else {
            return Vec::new();
        };
        let end = self.end(start);
        let kept_from = end.0.saturating_sub(samples_to_ms(self.samples.len()) * 1000);
        let index = |t: Mono| {
            let us = t.0.clamp(kept_from, end.0) - kept_from;
            (usize::try_from(us * u64::from(RATE_HZ) / 1_000_000).unwrap_or(usize::MAX))
                .min(self.samples.len())
        };
        let (a, b) = (index(from), index(to));
        self.samples.range(a.min(b)..b).copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_types::FRAME_SAMPLES;

    #[test]
    fn audio_is_found_by_time_and_lost_frames_are_silence() {
        let mut ring = AudioRing::default();
        for i in 0..10_u8 {
            let frame = [i16::from(i) + 1; FRAME_SAMPLES];
            let (end, missing) = ring.push(&frame, Mono::from_ms(1_020 + 20 * u64::from(i)));
            assert_eq!((end.as_ms(), missing), (1_020 + 20 * u64::from(i), 0));
        }
        let heard = ring.between(Mono::from_ms(1_020), Mono::from_ms(1_060));
        assert_eq!(heard.len(), 2 * FRAME_SAMPLES);
        assert_eq!((heard[0], heard[639]), (2, 3));
        // 300 ms are lost.
        let (end, missing) = ring.push(&[99; FRAME_SAMPLES], Mono::from_ms(1_520));
        assert_eq!((end.as_ms(), missing), (1_520, 15));
        assert!(
            ring.between(Mono::from_ms(1_200), Mono::from_ms(1_500))
                .iter()
                .all(|s| *s == 0)
        );
        assert_eq!(
            ring.between(Mono::from_ms(1_500), Mono::from_ms(9_000)),
            vec![99; FRAME_SAMPLES]
        );
    }

    #[test]
    fn it_forgets_the_oldest() {
        let mut ring = AudioRing::default();
        for i in 0..5_000_u64 {
            ring.push(&[1; FRAME_SAMPLES], Mono::from_ms(20 + 20 * i));
        }
        assert_eq!(
            ring.between(Mono(0), Mono::from_ms(200_000)).len(),
            ms_to_samples(KEPT_MS)
        );
    }
}
