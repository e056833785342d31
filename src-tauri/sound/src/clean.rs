//! Echo cancellation and noise suppression, on frames of 10 ms at 48 kHz.

use crate::{WORK_HZ, WORK_SAMPLES};
use aec3::nodes::audio::AudioFormat;
use aec3::pipelines::linear::{self, LinearPipeline};
use nnnoiseless::DenoiseState;

/// What is done with what the microphone hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cleaning {
    /// What the headset or loudspeaker plays is taken out of what the microphone hears.
    pub echo: bool,
    /// What is no voice is made quieter.
    pub noise: bool,
}

impl Default for Cleaning {
    fn default() -> Self {
        Self {
            echo: true,
            noise: true,
        }
    }
}

/// The canceller refused its settings or a frame.
#[derive(Debug, thiserror::Error)]
#[error("the echo canceller failed: {0}")]
pub struct CleanError(String);

/// Takes our own playout and room noise out of what the microphone hears.
///
/// It must be told what is played ([`Cleaner::played`]) in the order and at the pace in which it is played; by how much
/// later the microphone hears it, it finds out by itself.
pub struct Cleaner {
    echo: LinearPipeline,
    noise: Box<DenoiseState<'static>>,
    wide: [f32; WORK_SAMPLES],
    quiet: [f32; WORK_SAMPLES],
}

/// The noise suppressor works on numbers of 16 bits.
const FULL: f32 = 32_768.0;

impl Cleaner {
    /// One that has heard nothing yet.
    ///
    /// # Errors
    /// When the echo canceller cannot be made.
    pub fn new() -> Result<Self, CleanError> {
        let format = AudioFormat::ten_ms(WORK_HZ, 1);
        let echo = linear::builder(format, format)
            .enable_high_pass_filter(true)
            .enable_noise_suppression(false)
            .enable_gain_controller2(false)
            .build()
            .map_err(|e| CleanError(e.to_string()))?;
        Ok(Self {
            echo,
            noise: DenoiseState::new(),
            wide: [0.0; WORK_SAMPLES],
            quiet: [0.0; WORK_SAMPLES],
        })
    }

    /// This is played next: 10 ms at 48 kHz, from -1 to 1.
    ///
    /// # Errors
    /// When the frame has another length.
    pub fn played(&mut self, frame: &[f32]) -> Result<(), CleanError> {
        self.echo
            .handle_render_frame(frame)
            .map_err(|e| CleanError(e.to_string()))
    }

    /// Cleans what the microphone heard: 10 ms at 48 kHz, from -1 to 1.
    ///
    /// # Errors
    /// When the frame has another length.
    pub fn heard(&mut self, frame: &mut [f32], how: Cleaning) -> Result<(), CleanError> {
        // Both see every frame whatever is wanted of them, so that switching one on does not start it from nothing.
        let made = self
            .echo
            .process_capture_frame(frame, &mut self.wide)
            .map_err(|e| CleanError(e.to_string()))?;
        if how.echo && made {
            frame.copy_from_slice(&self.wide);
        }
        for (w, s) in self.wide.iter_mut().zip(frame.iter()) {
            *w = s * FULL;
        }
        self.noise.process_frame(&mut self.quiet, &self.wide);
        if how.noise {
            for (s, q) in frame.iter_mut().zip(&self.quiet) {
                *s = (q / FULL).clamp(-1.0, 1.0);
            }
        }
        Ok(())
    }
}
