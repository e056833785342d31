//! Resampling of a stream, in portions of any size.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

/// Turns mono audio of one rate into another; what does not fill a portion yet waits inside.
pub(crate) struct Rate {
    inner: Option<Fft<f32>>,
    waiting: Vec<f32>,
    out: Vec<f32>,
}

impl Rate {
    /// None when the library refuses the rates, which no device has.
    pub(crate) fn new(from_hz: u32, to_hz: u32) -> Option<Self> {
        let inner = if from_hz == to_hz {
            None
        } else {
            let (from, to) = (usize::try_from(from_hz).ok()?, usize::try_from(to_hz).ok()?);
            // 5 ms: the filter's delay is of the size of its portion.
            let made = Fft::<f32>::new(from, to, (from / 200).max(1), 1, FixedSync::Input);
            Some(made.ok()?)
        };
        let out = vec![0.0; inner.as_ref().map_or(0, |r| r.output_frames_max())];
        Some(Self {
            inner,
            waiting: Vec::with_capacity(4_096),
            out,
        })
    }

    /// Feeds `input` and appends what comes out to `output`.
    pub(crate) fn push(&mut self, input: &[f32], output: &mut Vec<f32>) {
        let Some(inner) = &mut self.inner else {
            output.extend_from_slice(input);
            return;
        };
        self.waiting.extend_from_slice(input);
        let mut used = 0;
        loop {
            let want = inner.input_frames_next();
            let Some(portion) = self.waiting.get(used..used + want) else {
                break;
            };
            let room = self.out.len();
            let (Ok(from), Ok(mut to)) = (
                InterleavedSlice::new(portion, 1, want),
                InterleavedSlice::new_mut(&mut self.out, 1, room),
            ) else {
                break;
            };
            let Ok((read, written)) = inner.process_into_buffer(&from, &mut to, None) else {
                break;
            };
            output.extend_from_slice(&self.out[..written]);
            used += read.max(1);
        }
        self.waiting.drain(..used.min(self.waiting.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f32, rate: u32, n: usize) -> Vec<f32> {
        (0..n)
            .map(|i| (std::f32::consts::TAU * hz * i as f32 / rate as f32).sin() * 0.5)
            .collect()
    }

    fn power_at(x: &[f32], hz: f32, rate: u32) -> f32 {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, s) in x.iter().enumerate() {
            let a = std::f32::consts::TAU * hz * i as f32 / rate as f32;
            re += s * a.cos();
            im += s * a.sin();
        }
        let n = x.len() as f32;
        2.0 * (re * re + im * im) / (n * n)
    }

    #[test]
    fn a_tone_stays_one_through_any_rate_in_portions_of_any_size() {
        for (from, to) in [
            (16_000, 48_000),
            (48_000, 16_000),
            (44_100, 48_000),
            (48_000, 44_100),
            (11_025, 48_000),
        ] {
            for portion in [7, 160, 441, 1_024] {
                let mut rate = Rate::new(from, to).unwrap();
                let mut out = Vec::new();
                for chunk in sine(1_000.0, from, from as usize).chunks(portion) {
                    rate.push(chunk, &mut out);
                }
                let lost = to as usize - out.len().min(to as usize);
                assert!(
                    lost < to as usize / 40,
                    "{from} to {to} by {portion}: {lost} missing"
                );
                let body = &out[to as usize / 5..];
                let all: f32 = body.iter().map(|s| s * s).sum::<f32>() / body.len() as f32;
                let tone = power_at(body, 1_000.0, to);
                assert!(
                    (tone / all) > 0.999,
                    "{from} to {to} by {portion}: {tone} of {all}"
                );
                assert!((all - 0.125).abs() < 0.005, "{from} to {to}: {all}");
            }
        }
    }
}
