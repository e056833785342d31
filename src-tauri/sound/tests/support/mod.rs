//! What the sound tests share: speech, measures, and a sound server without a sound card.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test takes its part of this module"
)]

pub mod server;

use std::process::Command;

/// Speech at 48 kHz, from -1 to 1, by the synthesiser.
pub fn speech(words: &str, voice: &str) -> Vec<f32> {
    let out = Command::new("espeak-ng")
        .args(["--stdout", "-v", voice, words])
        .output()
        .expect("espeak-ng is missing: run `cargo xtask setup`");
    // It writes 22,050 Hz, mono, after a header of 44 bytes.
    let samples: Vec<f32> = out.stdout[44..]
        .chunks_exact(2)
        .map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0)
        .collect();
    let n = samples.len() * 48_000 / 22_050;
    (0..n)
        .map(|i| {
            let at = i as f32 * 22_050.0 / 48_000.0;
            let k = at as usize;
            let (a, b) = (samples[k], samples.get(k + 1).copied().unwrap_or(0.0));
            a + (b - a) * at.fract()
        })
        .collect()
}

/// Mean power, in decibels of full scale.
pub fn db(x: &[f32]) -> f32 {
    let mean = x.iter().map(|s| s * s).sum::<f32>() / x.len().max(1) as f32;
    10.0 * mean.max(1e-12).log10()
}

pub fn sine(hz: f32, rate: u32, seconds: u32, loud: f32) -> Vec<i16> {
    (0..rate * seconds)
        .map(|n| ((std::f32::consts::TAU * hz * n as f32 / rate as f32).sin() * loud * 32_767.0) as i16)
        .collect()
}

/// The share of the energy of `audio` that is a sine of `hz`, 0 to 1; silence has none.
pub fn purity(audio: &[i16], hz: f32, rate: u32) -> f32 {
    let turn = std::f32::consts::TAU * hz / rate as f32;
    let (mut re, mut im, mut all) = (0.0, 0.0, 0.0);
    for (n, s) in audio.iter().enumerate() {
        let (s, at) = (f32::from(*s), turn * n as f32);
        re += s * at.cos();
        im += s * at.sin();
        all += s * s;
    }
    let n = audio.len() as f32;
    if n == 0.0 || all / n < 10_000.0 {
        0.0
    } else {
        2.0 * (re * re + im * im) / (n * all)
    }
}
