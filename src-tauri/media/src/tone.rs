//! Tones: making them, measuring them, and finding the two of a keypad digit.

use std::f64::consts::PI;

/// The low and the high frequency of each row and column of the keypad (ITU-T Q.23), in hertz.
const LOW_HZ: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH_HZ: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];

/// `samples` samples of a sine of `hz` at `rate_hz`, of amplitude `peak`.
#[must_use]
pub fn sine(hz: f64, rate_hz: u32, peak: i16, samples: usize) -> Vec<i16> {
    (0..samples)
        .map(|n| clamp(f64::from(peak) * (2.0 * PI * hz * n as f64 / f64::from(rate_hz)).sin()))
        .collect()
}

/// The amplitude of the sine of `hz` in `samples`, by Goertzel's algorithm; 0 for no samples.
#[must_use]
pub fn goertzel(samples: &[i16], hz: f64, rate_hz: u32) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let w = 2.0 * PI * hz / f64::from(rate_hz);
    let c = 2.0 * w.cos();
    let (mut s1, mut s2) = (0.0f64, 0.0f64);
    for &x in samples {
        let s0 = f64::from(x) + c * s1 - s2;
        s2 = s1;
        s1 = s0;
    }
    let power = (s1 * s1 + s2 * s2 - c * s1 * s2).max(0.0);
    2.0 * power.sqrt() / samples.len() as f64
}

/// Root mean square of `samples`; 0 for none.
#[must_use]
pub fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    (samples.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

/// Whether the sine of `hz` holds at least `share` (0 to 1) of the power of `samples` and they are not silence.
#[must_use]
pub fn is_tone(samples: &[i16], hz: f64, rate_hz: u32, share: f64) -> bool {
    let all = rms(samples);
    if all < 50.0 {
        return false;
    }
    let tone = goertzel(samples, hz, rate_hz) / 2f64.sqrt();
    (tone / all).powi(2) >= share
}

/// Power of the best-fitting sine of `hz` over the power of the rest, in decibels, by least squares.
#[must_use]
pub fn snr_db(samples: &[i16], hz: f64, rate_hz: u32) -> f64 {
    let w = 2.0 * PI * hz / f64::from(rate_hz);
    let (mut ss, mut cc, mut sc, mut sx, mut cx) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (n, &x) in samples.iter().enumerate() {
        let (s, c) = (w * n as f64).sin_cos();
        let x = f64::from(x);
        ss += s * s;
        cc += c * c;
        sc += s * c;
        sx += s * x;
        cx += c * x;
    }
    let det = ss * cc - sc * sc;
    if det.abs() < 1e-9 {
        return 0.0;
    }
    let (a, b) = ((sx * cc - cx * sc) / det, (cx * ss - sx * sc) / det);
    let (mut signal, mut noise) = (0.0, 1e-9);
    for (n, &x) in samples.iter().enumerate() {
        let (s, c) = (w * n as f64).sin_cos();
        let fit = a * s + b * c;
        signal += fit * fit;
        noise += (f64::from(x) - fit).powi(2);
    }
    10.0 * (signal / noise).log10()
}

/// The two frequencies of a keypad digit in hertz, or `None` for another character.
#[must_use]
pub fn dtmf_hz(digit: char) -> Option<(f64, f64)> {
    let digit = digit.to_ascii_uppercase();
    KEYS.iter().enumerate().find_map(|(row, keys)| {
        keys.iter()
            .position(|&k| k == digit)
            .map(|col| (LOW_HZ[row], HIGH_HZ[col]))
    })
}

/// Sample number `n` of a keypad digit's two tones at `rate_hz`, at about -9 dBm0 each; 0 for another character.
#[must_use]
pub fn dtmf_sample(digit: char, n: usize, rate_hz: u32) -> i16 {
    let Some((low, high)) = dtmf_hz(digit) else {
        return 0;
    };
    let t = 2.0 * PI * n as f64 / f64::from(rate_hz);
    clamp(7_000.0 * ((low * t).sin() + (high * t).sin()))
}

/// The digit whose two tones make up most of `samples` (20 ms or more), if one does.
#[must_use]
pub fn dtmf_in(samples: &[i16], rate_hz: u32) -> Option<char> {
    let strongest = |set: &[f64; 4]| {
        set.iter()
            .map(|&hz| goertzel(samples, hz, rate_hz))
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .unwrap_or((0, 0.0))
    };
    let ((row, low), (col, high)) = (strongest(&LOW_HZ), strongest(&HIGH_HZ));
    let all = rms(samples);
    // Both tones must be there, within 8 dB of each other (ITU-T Q.24 allows 4 dB and 8 dB), and little else.
    let share = (low * low + high * high) / 2.0 / all.powi(2).max(1.0);
    let twist = low.max(high) / low.min(high).max(1e-9);
    (all > 200.0 && share > 0.75 && twist < 2.6).then(|| KEYS[row][col])
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i16 first"
)]
fn clamp(v: f64) -> i16 {
    v.round().clamp(-32768.0, 32767.0) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_what_it_makes() {
        let s = sine(440.0, 16_000, 10_000, 3_200);
        assert!((goertzel(&s, 440.0, 16_000) - 10_000.0).abs() < 100.0);
        assert!(goertzel(&s, 1_000.0, 16_000) < 100.0);
        assert!(is_tone(&s, 440.0, 16_000, 0.99) && !is_tone(&s, 600.0, 16_000, 0.5));
        assert!(!is_tone(&[0; 320], 440.0, 16_000, 0.1));
        assert!(snr_db(&s, 440.0, 16_000) > 80.0);
    }

    #[test]
    fn finds_every_key_and_no_key_in_a_voice_like_tone() {
        for key in KEYS.iter().flatten() {
            let s: Vec<i16> = (0..640).map(|n| dtmf_sample(*key, n, 16_000)).collect();
            assert_eq!(dtmf_in(&s, 16_000), Some(*key));
        }
        assert_eq!(dtmf_in(&sine(440.0, 16_000, 10_000, 640), 16_000), None);
        assert_eq!(dtmf_in(&[0; 640], 16_000), None);
        assert_eq!(dtmf_hz('x'), None);
    }
}
