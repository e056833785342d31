//! The one audio format inside the engine.
//!
//! Between `media` and `speech` all audio is mono, signed 16 bit, [`RATE_HZ`], in frames of [`FRAME_MS`].
//! Codecs at 8 and 48 kHz are resampled at the edge, in `media`, with state kept across frames.

/// Samples per second of engine audio.
pub const RATE_HZ: u32 = 16_000;
/// Length of an engine frame in milliseconds.
pub const FRAME_MS: u32 = 20;
/// Samples in an engine frame (320).
pub const FRAME_SAMPLES: usize = (RATE_HZ as usize / 1000) * FRAME_MS as usize;

/// One engine frame of mono audio at [`RATE_HZ`].
pub type Frame = [i16; FRAME_SAMPLES];

/// Digital silence, used to fill underruns.
pub const SILENCE: Frame = [0; FRAME_SAMPLES];

/// Milliseconds that `samples` samples at [`RATE_HZ`] last, rounded down.
#[must_use]
pub fn samples_to_ms(samples: usize) -> u64 {
    samples as u64 * 1000 / u64::from(RATE_HZ)
}

/// Samples at [`RATE_HZ`] in `ms` milliseconds.
#[must_use]
pub fn ms_to_samples(ms: u64) -> usize {
    usize::try_from(ms.saturating_mul(u64::from(RATE_HZ)) / 1000).unwrap_or(usize::MAX)
}
