//! Rational resampling with state kept across frames.
//!
//! A polyphase windowed-sinc filter. The state outlives a call of [`Resampler::push`], so twenty milliseconds at a
//! time sound the same as the whole at once; a resampler that starts afresh each frame crackles fifty times a second.

use std::collections::VecDeque;
use std::f64::consts::PI;

/// Filter taps per phase at a ratio of one; downsampling scales it up so that the cut-off follows the lower rate.
const TAPS: usize = 32;
/// Where the pass band ends, as a share of the lower rate's Nyquist frequency.
const PASS: f64 = 0.92;
/// Kaiser window shape: about 70 dB of stop band.
const BETA: f64 = 7.0;

/// Turns mono audio of one rate into another, keeping its state from frame to frame.
#[derive(Debug, Clone)]
pub struct Resampler {
    /// Interpolation factor (L).
    up: usize,
    /// Decimation factor (M).
    down: usize,
    /// `up` rows of `taps` coefficients, each row reversed so that it multiplies history oldest first.
    bank: Vec<f32>,
    taps: usize,
    /// Input not yet left behind; the first `taps - 1` are history.
    line: VecDeque<f32>,
    /// Position of the next output, in units of `1 / up` input samples from the first window of `line`.
    at: usize,
    scratch: Vec<f32>,
}

impl Resampler {
    /// From `from_hz` to `to_hz`; both are at least 1.
    #[must_use]
    pub fn new(from_hz: u32, to_hz: u32) -> Self {
        let (from, to) = (from_hz.max(1), to_hz.max(1));
        let g = gcd(from, to);
        let (up, down) = ((to / g) as usize, (from / g) as usize);
        if up == down {
            return Self {
                up,
                down,
                bank: Vec::new(),
                taps: 1,
                line: VecDeque::new(),
                at: 0,
                scratch: Vec::new(),
            };
        }
        let scale = (f64::from(from) / f64::from(to)).max(1.0);
        let taps = ((TAPS as f64 * scale).ceil() as usize)
            .next_multiple_of(4)
            .min(1024);
        Self {
            up,
            down,
            bank: design(up, taps, PASS / scale),
            taps,
            line: std::iter::repeat_n(0.0, taps - 1).collect(),
            at: 0,
            scratch: Vec::new(),
        }
    }

    /// Feeds `input` and appends what comes out to `output`.
    pub fn push(&mut self, input: &[i16], output: &mut Vec<i16>) {
        if self.up == self.down {
            output.extend_from_slice(input);
            return;
        }
        self.line.extend(input.iter().map(|&s| f32::from(s)));
        self.scratch.clear();
        let (a, b) = self.line.as_slices();
        self.scratch.extend_from_slice(a);
        self.scratch.extend_from_slice(b);
        let mut base = self.at / self.up;
        let mut phase = self.at % self.up;
        let (step, rest) = (self.down / self.up, self.down % self.up);
        while base + self.taps <= self.scratch.len() {
            let row = &self.bank[phase * self.taps..(phase + 1) * self.taps];
            let window = &self.scratch[base..base + self.taps];
            output.push(to_i16(dot(row, window)));
            base += step;
            phase += rest;
            if phase >= self.up {
                phase -= self.up;
                base += 1;
            }
        }
        let used = base.min(self.line.len());
        self.line.drain(..used);
        self.at = (base - used) * self.up + phase;
    }

    /// Forgets what was fed, as between two calls.
    pub fn reset(&mut self) {
        self.line.clear();
        self.line.extend(std::iter::repeat_n(0.0, self.taps - 1));
        self.at = 0;
    }

    /// How much later than its input the output is, in samples of the input's rate.
    #[must_use]
    pub fn delay_samples(&self) -> usize {
        self.taps / 2
    }
}

/// Four sums side by side, so that the compiler can use vector instructions without reordering one sum.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut acc = [0.0f32; 4];
    for (x, y) in a.chunks_exact(4).zip(b.chunks_exact(4)) {
        for i in 0..4 {
            acc[i] += x[i] * y[i];
        }
    }
    acc.iter().sum()
}

/// `up` phases of a Kaiser-windowed sinc; each phase sums to one, so that silence stays silence and level stays level.
fn design(up: usize, taps: usize, cutoff: f64) -> Vec<f32> {
    let mut bank = vec![0.0f32; up * taps];
    let half = taps as f64 / 2.0;
    let norm = bessel_i0(BETA);
    for phase in 0..up {
        let row = &mut bank[phase * taps..(phase + 1) * taps];
        let frac = phase as f64 / up as f64;
        let mut sum = 0.0;
        for (k, c) in row.iter_mut().enumerate() {
            // Distance of input sample k of the window from the output's instant.
            let t = k as f64 - (half - 1.0) - frac;
            let w = 1.0 - (t / half).powi(2);
            let v = if w <= 0.0 {
                0.0
            } else {
                cutoff * sinc(cutoff * t) * bessel_i0(BETA * w.sqrt()) / norm
            };
            sum += v;
            *c = v as f32;
        }
        for c in row {
            *c = (f64::from(*c) / sum) as f32;
        }
    }
    bank
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// Modified Bessel function of the first kind, order 0, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..40 {
        term *= (x / (2.0 * f64::from(k))).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i16 first"
)]
fn to_i16(v: f32) -> i16 {
    v.round().clamp(-32768.0, 32767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    /// Pushes `input` in pieces of `chunk` samples.
    fn run(from: u32, to: u32, input: &[i16], chunk: usize) -> Vec<i16> {
        let mut r = Resampler::new(from, to);
        let mut out = Vec::new();
        for c in input.chunks(chunk) {
            r.push(c, &mut out);
        }
        out
    }

    #[test]
    fn pieces_sound_like_the_whole() {
        for (from, to, frame) in [
            (8_000, 16_000, 160),
            (16_000, 8_000, 320),
            (48_000, 16_000, 960),
            (44_100, 16_000, 441),
            (16_000, 48_000, 320),
        ] {
            let input = tone::sine(440.0, from, 12_000, from as usize / 2);
            let whole = run(from, to, &input, input.len());
            for chunk in [frame, 1, 7, 333] {
                assert_eq!(run(from, to, &input, chunk), whole, "{from} to {to} by {chunk}");
            }
            let want = input.len() * to as usize / from as usize;
            assert!(
                whole.len().abs_diff(want) <= 64,
                "{from} to {to}: {} of {want}",
                whole.len()
            );
        }
    }

    #[test]
    fn a_tone_goes_through_cleanly() {
        for (from, to) in [
            (8_000u32, 16_000u32),
            (16_000, 8_000),
            (48_000, 16_000),
            (16_000, 48_000),
            (44_100, 16_000),
            (11_025, 16_000),
        ] {
            for hz in [300.0, 1_000.0, 3_000.0] {
                let input = tone::sine(hz, from, 12_000, from as usize);
                let out = run(from, to, &input, from as usize / 50);
                let mid = &out[to as usize / 4..to as usize * 3 / 4];
                let snr = tone::snr_db(mid, hz, to);
                assert!(snr > 50.0, "{from} to {to} at {hz} Hz: {snr:.1} dB");
                let gain = tone::rms(mid) / (12_000.0 / 2f64.sqrt());
                assert!(
                    (0.94..1.06).contains(&gain),
                    "{from} to {to} at {hz} Hz: gain {gain:.3}"
                );
                // A click is a step that a sine of this height and pitch cannot make.
                let steepest = 12_000.0 * 2.0 * PI * hz / f64::from(to) * 1.1 + 8.0;
                assert!(
                    mid.windows(2).all(|w| f64::from(w[1] - w[0]).abs() <= steepest),
                    "click at {hz} Hz"
                );
            }
        }
    }

    #[test]
    fn what_would_alias_is_removed() {
        let input = tone::sine(6_000.0, 16_000, 12_000, 16_000);
        let out = run(16_000, 8_000, &input, 320);
        assert!(
            tone::rms(&out[800..7_000]) < 40.0,
            "{}",
            tone::rms(&out[800..7_000])
        );
    }
}
