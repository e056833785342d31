//! Packet loss concealment for codecs that have none: the last pitch period is repeated and faded out, after the
//! idea of ITU-T G.711 Appendix I, without its added delay.

use std::collections::VecDeque;

/// Engine samples remembered: 64 ms.
const HISTORY: usize = 1_024;
/// Shortest and longest pitch period looked for: 2.5 ms (400 Hz) to 15 ms (66 Hz).
const PERIOD_MIN: usize = 40;
const PERIOD_MAX: usize = 240;
/// Samples compared when looking for it.
const COMPARE: usize = 240;
/// After this long nothing is left of what is repeated: 60 ms.
const FADE: usize = 960;
/// Over this many samples the true signal is faded in again, and a jump is smoothed out: 4 ms.
const JOIN: usize = 64;

/// See the module. Everything is at the engine's rate.
#[derive(Debug)]
pub(crate) struct Plc {
    history: VecDeque<i16>,
    /// Samples concealed since the last true ones.
    concealed: usize,
    period: usize,
    /// Difference between the last true sample and where the repetition starts.
    jump: f32,
}

impl Plc {
    pub(crate) fn new() -> Self {
        Self {
            history: std::iter::repeat_n(0, HISTORY).collect(),
            concealed: 0,
            period: PERIOD_MAX,
            jump: 0.0,
        }
    }

    /// Takes note of true samples, fading them in after a concealment.
    pub(crate) fn good(&mut self, pcm: &mut [i16]) {
        if self.concealed > 0 {
            let join = JOIN.min(pcm.len());
            for (i, s) in pcm.iter_mut().take(join).enumerate() {
                let k = (i + 1) as f32 / (join + 1) as f32;
                *s = mix(f32::from(*s) * k + self.next() * (1.0 - k));
            }
            self.concealed = 0;
        }
        self.remember(pcm);
    }

    /// Takes note of samples another concealment made.
    pub(crate) fn remember(&mut self, pcm: &[i16]) {
        let keep = &pcm[pcm.len().saturating_sub(HISTORY)..];
        self.history.drain(..keep.len());
        self.history.extend(keep);
    }

    /// Appends `samples` samples in place of lost ones.
    pub(crate) fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        if self.concealed == 0 {
            self.start();
        }
        for _ in 0..samples {
            let v = self.next();
            out.push(mix(v));
        }
    }

    /// Appends `samples` samples of silence that is meant: a gap the sender left. The last level decays without a
    /// click.
    pub(crate) fn silence(&mut self, samples: usize, out: &mut Vec<i16>) {
        let last = if self.concealed >= FADE {
            0.0
        } else {
            f32::from(self.history.back().copied().unwrap_or(0))
        };
        for i in 0..samples {
            let k = 1.0 - (i as f32 / JOIN as f32);
            out.push(if k > 0.0 { mix(last * k) } else { 0 });
        }
        self.history.clear();
        self.history.extend(std::iter::repeat_n(0, HISTORY));
        self.concealed = 0;
    }

    fn start(&mut self) {
        let h: Vec<f32> = self.history.iter().map(|&s| f32::from(s)).collect();
        let tail = &h[HISTORY - COMPARE..];
        let mut best = (f32::MIN, PERIOD_MAX);
        for period in PERIOD_MIN..=PERIOD_MAX {
            let past = &h[HISTORY - COMPARE - period..HISTORY - period];
            let (mut cross, mut energy) = (0.0f32, 1.0f32);
            for (a, b) in tail.iter().zip(past) {
                cross += a * b;
                energy += b * b;
            }
            let score = cross / energy.sqrt();
            if score > best.0 {
                best = (score, period);
            }
        }
        self.period = best.1;
        self.jump = h[HISTORY - 1] - h[HISTORY - 1 - self.period];
    }

    /// The next concealed sample, before rounding.
    fn next(&mut self) -> f32 {
        let n = self.concealed;
        self.concealed += 1;
        if n >= FADE {
            return 0.0;
        }
        let gain = 1.0 - n as f32 / FADE as f32;
        let base = f32::from(self.history[HISTORY - self.period + n % self.period]);
        let smooth = if n < JOIN {
            self.jump * (1.0 - n as f32 / JOIN as f32)
        } else {
            0.0
        };
        (base + smooth) * gain
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i16 first"
)]
fn mix(v: f32) -> i16 {
    v.round().clamp(-32768.0, 32767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    /// A tone with 20 ms of every 200 ms lost.
    fn with_losses(hz: f64) -> Vec<i16> {
        let pcm = tone::sine(hz, 16_000, 10_000, 32_000);
        let mut plc = Plc::new();
        let mut out = Vec::new();
        for (n, frame) in pcm.chunks_exact(320).enumerate() {
            if n % 10 == 9 {
                plc.conceal(320, &mut out);
            } else {
                let mut frame = frame.to_vec();
                plc.good(&mut frame);
                out.extend_from_slice(&frame);
            }
        }
        out
    }

    #[test]
    fn a_lost_frame_of_a_tone_makes_no_click() {
        for hz in [100.0, 200.0, 333.0] {
            let out = with_losses(hz);
            let steepest = 10_000.0 * 2.0 * std::f64::consts::PI * hz / 16_000.0;
            for (n, w) in out.windows(2).enumerate() {
                let step = (f64::from(w[1]) - f64::from(w[0])).abs();
                assert!(step < steepest * 1.6 + 100.0, "{hz} Hz: a step of {step} at {n}");
            }
            assert!(tone::snr_db(&out, hz, 16_000) > 8.0);
        }
    }

    #[test]
    fn a_long_gap_fades_to_silence() {
        let mut plc = Plc::new();
        plc.good(&mut tone::sine(200.0, 16_000, 10_000, 1_600));
        let mut out = Vec::new();
        plc.conceal(3_200, &mut out);
        assert!(tone::rms(&out[..160]) > 5_000.0);
        assert!(out[FADE..].iter().all(|&s| s == 0));
    }

    #[test]
    fn meant_silence_is_silent_after_a_short_decay() {
        let mut plc = Plc::new();
        plc.good(&mut tone::sine(200.0, 16_000, 10_000, 1_620));
        let mut out = Vec::new();
        plc.silence(640, &mut out);
        assert!(out[JOIN..].iter().all(|&s| s == 0) && out[..8].iter().any(|&s| s != 0));
    }
}
