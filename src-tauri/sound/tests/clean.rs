//! What the cleaning is worth, on speech: how much echo is left, whether the near voice stays, how much noise goes.
#![allow(
    clippy::print_stdout,
    reason = "figures are for whoever reads the test's output"
)]

mod support;

use anteroom_sound::{Cleaner, Cleaning};
use support::{db, speech};

const FRAME: usize = 480;
const ECHO: Cleaning = Cleaning {
    echo: true,
    noise: false,
};

/// What the microphone hears of what is played: a room's worth of paths, the first after `delay_ms`, `gain` loud.
fn echo_of(played: &[f32], delay_ms: usize, gain: f32) -> Vec<f32> {
    let paths = [(0, 1.0), (7, 0.5), (19, -0.35), (41, 0.2), (73, -0.1)];
    let mut heard = vec![0.0; played.len()];
    for (after_ms, part) in paths {
        let late = (delay_ms + after_ms) * 48;
        for (n, h) in heard.iter_mut().enumerate().skip(late) {
            *h += played[n - late] * part * gain;
        }
    }
    heard
}

/// Cleans `heard` while `played` is played.
fn clean(played: &[f32], heard: &[f32], how: Cleaning) -> Vec<f32> {
    let mut cleaner = Cleaner::new().unwrap();
    let mut out = Vec::new();
    for (p, h) in played.chunks_exact(FRAME).zip(heard.chunks_exact(FRAME)) {
        cleaner.played(p).unwrap();
        let mut frame = h.to_vec();
        cleaner.heard(&mut frame, how).unwrap();
        out.extend(frame);
    }
    out
}

fn noise(n: usize, loud: f32) -> Vec<f32> {
    let mut x = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next() * loud).collect()
}

#[test]
fn the_caller_does_not_hear_themselves() {
    let far = speech(
        "Good morning, I would like to make an appointment for my daughter, she has had a cough since Tuesday. \
         We could come tomorrow after school, or on Friday before nine. What do you have free?",
        "en+m3",
    );
    for (delay_ms, gain) in [(40, 0.5), (120, 0.5), (200, 0.25)] {
        let heard = echo_of(&far, delay_ms, gain);
        let left = clean(&far, &heard, ECHO);
        // After three seconds it knows the room.
        let from = 48_000 * 3;
        let erle = db(&heard[from..left.len()]) - db(&left[from..]);
        println!("echo after {delay_ms} ms: {erle:.1} dB less");
        assert!(erle > 20.0, "echo after {delay_ms} ms is only {erle:.1} dB less");
    }
}

#[test]
fn who_sits_here_is_heard_while_the_caller_is_silent_and_while_they_speak() {
    let far = speech(
        "And then he said that the chemist had none left, so we went to the other one.",
        "en+m3",
    );
    let near = speech(
        "Yes, I see. One moment please, I am looking it up for you now.",
        "en+f2",
    );
    let n = far.len().min(near.len()) / FRAME * FRAME;
    let quiet = vec![0.0; n];
    let alone = clean(&quiet, &near[..n], ECHO);
    let kept = db(&alone[48_000..n]) - db(&near[48_000..n]);
    println!("near voice alone: {kept:+.1} dB");
    assert!(kept.abs() < 3.0, "{kept}");
    let echo = echo_of(&far[..n], 60, 0.15);
    let both: Vec<f32> = echo.iter().zip(&near[..n]).map(|(e, v)| e + v).collect();
    let heard = clean(&far[..n], &both, ECHO);
    let kept = db(&heard[48_000..n]) - db(&near[48_000..n]);
    println!("near voice over the caller's: {kept:+.1} dB");
    assert!(kept > -10.0, "{kept}");
}

#[test]
fn noise_at_the_desk_is_made_quieter_and_the_voice_is_not() {
    let near = speech(
        "Yes, I see. One moment please, I am looking it up for you now.",
        "en+f2",
    );
    let n = near.len() / FRAME * FRAME;
    let rush = noise(n, 0.02);
    let quiet = vec![0.0; n];
    let noise_only = clean(&quiet, &rush, Cleaning::default());
    let less = db(&rush[48_000..n]) - db(&noise_only[48_000..n]);
    println!("noise alone: {less:.1} dB less");
    assert!(less > 10.0, "{less}");
    let both: Vec<f32> = rush.iter().zip(&near).map(|(r, v)| r + v).collect();
    let heard = clean(&quiet, &both, Cleaning::default());
    let kept = db(&heard[48_000..n]) - db(&near[48_000..n]);
    println!("voice in noise: {kept:+.1} dB");
    assert!(kept.abs() < 4.0, "{kept}");
}
