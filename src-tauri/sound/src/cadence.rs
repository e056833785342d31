//! The sound of ringing: two tones, on and off as a telephone of the country rings.

/// On and off, milliseconds, over and over: on 400, off 200, on 400, off 2,000.
const CADENCE_MS: [u32; 4] = [400, 200, 400, 2_000];
/// The two tones.
const TONES_HZ: [f32; 2] = [400.0, 450.0];
/// How loud each is, of full scale.
const LOUD: f32 = 0.25;
/// A tone begins and ends over this long, so that it does not click.
const EDGE_MS: u32 = 5;

/// Makes the sound, sample by sample; allocates nothing.
#[derive(Debug, Clone)]
pub(crate) struct Cadence {
    rate: u32,
    at: u32,
    phase: [f32; 2],
}

impl Cadence {
    pub(crate) const fn new(rate: u32) -> Self {
        Self {
            rate,
            at: 0,
            phase: [0.0; 2],
        }
    }

    const fn samples(&self, ms: u32) -> u32 {
        (self.rate as u64 * ms as u64 / 1000) as u32
    }

    /// How loud the tone is now, from 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "counts of samples of a few seconds")]
    fn envelope(&self) -> f32 {
        let (mut start, mut on) = (0, true);
        for ms in CADENCE_MS {
            let length = self.samples(ms);
            if self.at < start + length {
                if !on {
                    return 0.0;
                }
                let edge = self.samples(EDGE_MS).max(1);
                let near = (self.at - start).min(start + length - self.at).min(edge);
                return near as f32 / edge as f32;
            }
            start += length;
            on = !on;
        }
        0.0
    }
}

impl Iterator for Cadence {
    type Item = f32;

    #[allow(
        clippy::cast_precision_loss,
        reason = "a rate of a sound device is far below 2^23"
    )]
    fn next(&mut self) -> Option<f32> {
        let loud = self.envelope() * LOUD;
        let mut sum = 0.0;
        for (phase, hz) in self.phase.iter_mut().zip(TONES_HZ) {
            sum += (*phase * std::f32::consts::TAU).sin();
            *phase = (*phase + hz / self.rate as f32).fract();
        }
        let whole: u32 = CADENCE_MS.iter().map(|ms| self.samples(*ms)).sum();
        self.at = (self.at + 1) % whole.max(1);
        Some(sum * loud)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rings_twice_and_pauses() {
        for rate in [16_000, 44_100, 48_000] {
            let ring = Cadence::new(rate);
            let loud = |from: u32, to: u32| -> f32 {
                let n = |ms: u32| (rate as u64 * ms as u64 / 1000) as usize;
                let part: Vec<f32> = ring.clone().skip(n(from)).take(n(to - from)).collect();
                (part.iter().map(|s| s * s).sum::<f32>() / part.len() as f32).sqrt()
            };
            assert!(loud(20, 380) > 0.15);
            assert!(loud(410, 590) == 0.0);
            assert!(loud(620, 980) > 0.15);
            assert!(loud(1_010, 2_990) == 0.0);
            assert!(loud(3_020, 3_380) > 0.15);
            assert!(ring.clone().take(rate as usize * 3).all(|s| s.abs() <= 0.5));
        }
    }
}
