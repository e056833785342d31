//! Sounds of our own making, so that none has to be licensed: the ringback tone and music on hold.
//!
//! Both are computed, not recorded, and are the same on every machine. They are mono at 16 kHz and made to be looped.

use anteroom_types::RATE_HZ;
use std::f64::consts::PI;
use std::sync::{Arc, OnceLock};

/// Seconds of a bar of the music, and its bars.
const BAR_S: f64 = 3.0;
const BARS: usize = 8;
/// Samples over which a note swells and a tone begins and ends without a click.
const EDGE: usize = RATE_HZ as usize / 100;
/// The loudest a sample of the music is: about -18 dBFS, well below a voice.
const MUSIC_PEAK: f64 = 4_000.0;
/// Amplitude of the tones of ringback: -19 dBm0 each.
const RINGBACK_PEAK: f64 = 2_600.0;

/// The ringback tone of the United Kingdom: 400 and 450 Hz, 0.4 s on, 0.2 s off, 0.4 s on, 2 s off.
#[must_use]
pub fn ringback() -> Arc<[i16]> {
    static MADE: OnceLock<Arc<[i16]>> = OnceLock::new();
    Arc::clone(MADE.get_or_init(|| {
        let ms = |ms: usize| ms * RATE_HZ as usize / 1000;
        let mut out = Vec::with_capacity(ms(3_000));
        for (on, off) in [(400, 200), (400, 2_000)] {
            out.extend((0..ms(on)).map(|n| {
                let t = n as f64 / f64::from(RATE_HZ);
                let v = (2.0 * PI * 400.0 * t).sin() + (2.0 * PI * 450.0 * t).sin();
                sample(RINGBACK_PEAK * v * edge(n, ms(on)))
            }));
            out.extend(std::iter::repeat_n(0, ms(off)));
        }
        out.into()
    }))
}

/// Music on hold: slow broken chords over a held bass, 24 seconds that end where they begin.
#[must_use]
pub fn on_hold() -> Arc<[i16]> {
    static MADE: OnceLock<Arc<[i16]>> = OnceLock::new();
    Arc::clone(MADE.get_or_init(compose))
}

/// Chords as semitones from middle C: bass, then the four notes that are broken.
const CHORDS: [[i32; 5]; BARS] = [
    [-12, 4, 7, 12, 16],
    [-15, 4, 9, 12, 16],
    [-19, 5, 9, 12, 17],
    [-17, 2, 7, 11, 14],
    [-12, 4, 7, 12, 19],
    [-20, 4, 8, 11, 16],
    [-19, 5, 9, 14, 17],
    [-17, 5, 7, 11, 14],
];

/// The order in which a bar's notes come, one each sixth of a bar.
const ORDER: [usize; 6] = [1, 2, 3, 4, 3, 2];

fn compose() -> Arc<[i16]> {
    let rate = f64::from(RATE_HZ);
    let bar = (BAR_S * rate) as usize;
    let whole = bar * BARS;
    let mut mix = vec![0.0f64; whole];
    for (n, chord) in CHORDS.iter().enumerate() {
        let begins = n * bar;
        add_note(&mut mix, begins, chord[0], BAR_S * 1.2, 0.5);
        for (k, &which) in ORDER.iter().enumerate() {
            let at = begins + k * bar / ORDER.len();
            add_note(&mut mix, at, chord[which], 1.8, 0.34);
        }
    }
    let peak = mix.iter().fold(1e-9f64, |m, v| m.max(v.abs()));
    mix.into_iter().map(|v| sample(v / peak * MUSIC_PEAK)).collect()
}

/// A struck note that dies away; what lies beyond the end goes to the beginning, so that the loop has no seam.
fn add_note(mix: &mut [f64], at: usize, semitone: i32, seconds: f64, level: f64) {
    let rate = f64::from(RATE_HZ);
    let hz = 261.625_565 * 2f64.powf(f64::from(semitone) / 12.0);
    let len = (seconds * rate) as usize;
    let whole = mix.len();
    for n in 0..len {
        let t = n as f64 / rate;
        // Three harmonics, the higher dying sooner, as a plucked string's do.
        let tone: f64 = [(1.0f64, 1.0f64, 1.6f64), (2.0, 0.28, 2.6), (3.0, 0.10, 4.0)]
            .into_iter()
            .map(|(k, a, d)| a * (2.0 * PI * hz * k * t).sin() * (-d * t / seconds * 2.0).exp())
            .sum();
        mix[(at + n) % whole] += level * tone * edge(n, len);
    }
}

/// Rises from and falls to nothing over [`EDGE`] samples.
fn edge(n: usize, of: usize) -> f64 {
    let near = n.min(of.saturating_sub(n + 1)).min(EDGE);
    0.5 - 0.5 * (PI * near as f64 / EDGE as f64).cos()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i16 first"
)]
fn sample(v: f64) -> i16 {
    v.round().clamp(-32_768.0, 32_767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    #[test]
    fn ringback_has_its_cadence() {
        let r = ringback();
        let ms = |from: usize, to: usize| &r[from * 16..to * 16];
        assert_eq!(r.len(), 3_000 * 16);
        for (from, to) in [(50, 350), (650, 950)] {
            let both =
                tone::goertzel(ms(from, to), 400.0, RATE_HZ) + tone::goertzel(ms(from, to), 450.0, RATE_HZ);
            assert!(both > 4_000.0, "{both}");
        }
        assert!(tone::rms(ms(410, 590)) < 1.0 && tone::rms(ms(1_010, 2_990)) < 1.0);
    }

    #[test]
    fn the_music_is_low_even_and_without_a_click() {
        let m = on_hold();
        assert_eq!(m.len(), 24 * 16_000);
        let steepest = m
            .iter()
            .zip(m.iter().cycle().skip(1))
            .map(|(a, b)| (i32::from(*b) - i32::from(*a)).abs())
            .max()
            .unwrap();
        assert!(steepest < 1_500, "{steepest}");
        assert!(m.iter().all(|s| s.unsigned_abs() <= 4_000));
        // No second of it is silent, and none is much louder than the rest.
        for second in m.chunks_exact(16_000) {
            let r = tone::rms(second);
            assert!((300.0..2_500.0).contains(&r), "{r}");
        }
    }
}
