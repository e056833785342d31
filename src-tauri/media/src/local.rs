//! The desktop's own audio as a leg: no packets, but two streams between a device's clock and ours.
//!
//! A device gives and takes audio in portions of its own size and at a pace that is never quite ours. Each direction has
//! a small store that absorbs the portions; when it slowly fills, a little is left out where it is heard least, and when
//! it runs dry there is silence until it has recovered. The device's thread waits for nothing but a copy.

use anteroom_types::audio::{Frame, SILENCE};
use anteroom_types::{FRAME_SAMPLES, RATE_HZ};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a store holds at most: 200 ms. When full the oldest goes.
const STORE_MAX: usize = RATE_HZ as usize / 5;
/// What it waits for before it gives anything, beyond what is asked for: 20 ms.
const CUSHION: usize = FRAME_SAMPLES;
/// How much is left out at a time when it is too full, and over how many samples it is blended: 5 ms.
const STEP: usize = RATE_HZ as usize / 200;
/// Samples taken between two looks at how full it was: a second.
const LOOK: usize = RATE_HZ as usize;

/// Samples on their way between two clocks.
#[derive(Debug)]
struct Store {
    samples: VecDeque<i16>,
    running: bool,
    least: usize,
    taken: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            samples: VecDeque::with_capacity(STORE_MAX),
            running: false,
            least: usize::MAX,
            taken: 0,
        }
    }
}

impl Store {
    fn push(&mut self, samples: &[i16]) {
        let samples = &samples[samples.len().saturating_sub(STORE_MAX)..];
        let over = (self.samples.len() + samples.len()).saturating_sub(STORE_MAX);
        self.samples.drain(..over);
        self.samples.extend(samples);
    }

    /// Fills `out`; false if it could not, and put silence in.
    fn take(&mut self, out: &mut [i16]) -> bool {
        if !self.running && self.samples.len() < out.len() + CUSHION {
            out.fill(0);
            return false;
        }
        self.running = self.samples.len() >= out.len();
        let n = out.len().min(self.samples.len());
        for (o, s) in out.iter_mut().zip(self.samples.drain(..n)) {
            *o = s;
        }
        out[n..].fill(0);
        self.least = self.least.min(self.samples.len());
        self.taken += n;
        if self.taken >= LOOK {
            if self.least >= CUSHION * 2 {
                self.leave_out();
            }
            (self.taken, self.least) = (0, usize::MAX);
        }
        self.running
    }

    /// Leaves out [`STEP`] samples, the two ends blended into each other.
    fn leave_out(&mut self) {
        let step = i32::try_from(STEP).unwrap_or(1);
        for n in 0..STEP {
            let (a, b) = (i32::from(self.samples[n]), i32::from(self.samples[n + STEP]));
            let k = i32::try_from(n).unwrap_or(0);
            self.samples[n + STEP] = i16::try_from((a * (step - k) + b * k) / step).unwrap_or(0);
        }
        self.samples.drain(..STEP);
    }
}

#[derive(Debug, Default)]
struct Stores {
    capture: Store,
    playback: Store,
}

/// Both directions, shared by the device's side and the session's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Device {
    stores: Arc<Mutex<Stores>>,
}

impl Device {
    fn lock(&self) -> MutexGuard<'_, Stores> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next 20 ms of the microphone, and whether there were any.
    pub(crate) fn captured(&self) -> (Frame, bool) {
        let mut frame = SILENCE;
        let filled = self.lock().capture.take(&mut frame);
        (frame, filled)
    }

    pub(crate) fn play(&self, frame: &Frame) {
        self.lock().playback.push(frame);
    }

    /// The microphone's samples: mono, 16 kHz.
    pub(crate) fn capture(&self, samples: &[i16]) {
        self.lock().capture.push(samples);
    }

    /// The loudspeaker's next samples.
    pub(crate) fn playback(&self, out: &mut [i16]) -> bool {
        self.lock().playback.take(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    /// A device of `ppm` parts in a million faster than us, in portions of `portion`, for `seconds`.
    fn run(ppm: i64, portion: usize, seconds: usize) -> (Vec<i16>, usize, usize) {
        let d = Device::default();
        let sine = tone::sine(440.0, RATE_HZ, 8_000, RATE_HZ as usize * (seconds + 2));
        let (mut given, mut heard, mut holes, mut deepest) = (0, Vec::new(), 0, 0);
        for tick in 1..=seconds * 50 {
            let due = (tick * FRAME_SAMPLES) as i64 * (1_000_000 + ppm) / 1_000_000;
            while given + portion <= due as usize {
                d.capture(&sine[given..given + portion]);
                given += portion;
            }
            let (frame, filled) = d.captured();
            if tick > 10 {
                heard.extend(frame);
                holes += usize::from(!filled);
            }
            deepest = deepest.max(d.lock().capture.samples.len());
        }
        (heard, holes, deepest)
    }

    #[test]
    fn portions_of_any_size_come_out_whole() {
        for portion in [80, 160, 171, 320, 512, 1_024] {
            let (heard, holes, deepest) = run(0, portion, 5);
            // Large portions cost a hole or two until enough has gathered.
            assert!(holes <= 4, "{portion}: {holes} holes");
            assert!(deepest <= portion + CUSHION * 4, "{portion}: {deepest}");
            let late = &heard[heard.len() - RATE_HZ as usize..];
            assert!(tone::is_tone(late, 440.0, RATE_HZ, 0.999), "{portion}");
        }
    }

    #[test]
    fn clocks_that_differ_neither_pile_up_nor_crackle() {
        for ppm in [-300, 300] {
            let (heard, holes, deepest) = run(ppm, 160, 60);
            assert!(holes <= 60 && deepest < STORE_MAX / 2, "{ppm}: {holes} {deepest}");
            assert!(tone::is_tone(&heard, 440.0, RATE_HZ, 0.9), "{ppm}");
        }
    }

    #[test]
    fn a_device_that_stops_or_floods_does_no_harm() {
        let d = Device::default();
        d.capture(&vec![1; RATE_HZ as usize * 10]);
        assert_eq!(d.lock().capture.samples.len(), STORE_MAX);
        let mut taken = 0;
        while d.captured().1 {
            taken += 1;
        }
        assert!(taken <= 11, "{taken}");
        assert_eq!(d.captured(), (SILENCE, false));
        let mut out = [5; 100];
        assert!(!d.playback(&mut out));
        assert_eq!(out, [0; 100]);
    }
}
