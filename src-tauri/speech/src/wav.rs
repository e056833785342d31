//! Reading and writing WAV, within limits.
//!
//! Read: PCM of 8, 16, 24 and 32 bits, 32-bit float, mu-law and A-law (G.711), any rate, channels mixed to one.
//! Written: 16-bit PCM, 16 kHz, mono.

use crate::resample::{self, ResampleError};
use anteroom_types::{ErrorCode, RATE_HZ, UserFacing};
use std::io::Read;
use std::path::Path;

/// Bytes of a WAV file that is read: an hour of 16-bit stereo at 48 kHz and a little more.
pub const WAV_BYTES_MAX: u64 = 700 * 1024 * 1024;
/// Channels of a WAV file that is read.
const CHANNELS_MAX: u16 = 16;

/// Why a WAV file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// Opening, reading or writing failed.
    #[error("the audio file cannot be read or written")]
    Io(#[source] std::io::Error),
    /// The file is larger than the limit.
    #[error("the audio is too large: {0} bytes")]
    TooLarge(u64),
    /// Not RIFF/WAVE, or its chunks make no sense.
    #[error("not a WAV file: {0}")]
    Malformed(&'static str),
    /// A sample format that is not read here.
    #[error("WAV format {format} with {bits} bits is not supported")]
    Format {
        /// The format tag.
        format: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// The rate cannot be converted.
    #[error("the sample rate cannot be converted")]
    Resample(#[source] ResampleError),
}

impl UserFacing for WavError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Io(_) => "wav.io",
            Self::TooLarge(_) => "wav.too_large",
            Self::Malformed(_) => "wav.malformed",
            Self::Format { .. } => "wav.format",
            Self::Resample(_) => "wav.rate",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Io(_) => "Check that the file exists and may be read.",
            Self::TooLarge(_) => "Cut the file into shorter pieces.",
            _ => "Convert it to 16-bit PCM WAV, for example with `sox in.wav -b 16 -r 16000 -c 1 out.wav`.",
        }
        .to_owned()
    }
}

/// Reads a file as mono at [`RATE_HZ`].
///
/// # Errors
/// See [`WavError`].
pub fn read_file(path: &Path) -> Result<Vec<i16>, WavError> {
    let file = std::fs::File::open(path).map_err(WavError::Io)?;
    let len = file.metadata().map_err(WavError::Io)?.len();
    if len > WAV_BYTES_MAX {
        return Err(WavError::TooLarge(len));
    }
    let mut bytes = Vec::new();
    file.take(WAV_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(WavError::Io)?;
    read(&bytes)
}

/// Reads WAV bytes as mono at [`RATE_HZ`]. A data chunk that claims more than there is ends where the bytes end, as
/// programs that write to a pipe cannot know its length beforehand.
///
/// # Errors
/// See [`WavError`].
pub fn read(bytes: &[u8]) -> Result<Vec<i16>, WavError> {
    let (mono, rate) = read_native(bytes)?;
    if rate == RATE_HZ {
        return Ok(mono);
    }
    resample::clip(&mono, rate, RATE_HZ).map_err(WavError::Resample)
}

/// Reads WAV bytes as mono at the file's own rate, which is returned with them.
///
/// # Errors
/// See [`WavError`].
pub fn read_native(bytes: &[u8]) -> Result<(Vec<i16>, u32), WavError> {
    let u16_at = |b: &[u8], i: usize| u16::from_le_bytes([b[i], b[i + 1]]);
    let u32_at = |b: &[u8], i: usize| u32::from_le_bytes([b[i], b[i + 1], b[i + 2], b[i + 3]]);
    if bytes.len() < 12 || &bytes[..4] != b"RIFF" || &bytes[8..12] != b"WAVE" {
        return Err(WavError::Malformed("no RIFF/WAVE header"));
    }
    let mut format: Option<(u16, u16, u32, u16)> = None;
    let mut rest = &bytes[12..];
    while rest.len() >= 8 {
        let claimed = u32_at(rest, 4) as usize;
        let body = &rest[8..];
        let body = &body[..claimed.min(body.len())];
        match &rest[..4] {
            b"fmt " => {
                if body.len() < 16 {
                    return Err(WavError::Malformed("short fmt chunk"));
                }
                let mut tag = u16_at(body, 0);
                if tag == 0xFFFE && body.len() >= 26 {
                    // WAVE_FORMAT_EXTENSIBLE: the real tag opens the sub-format.
                    tag = u16_at(body, 24);
                }
                format = Some((tag, u16_at(body, 2), u32_at(body, 4), u16_at(body, 14)));
            }
            b"data" => {
                let (tag, channels, rate, bits) = format.ok_or(WavError::Malformed("data before fmt"))?;
                if channels == 0 || channels > CHANNELS_MAX {
                    return Err(WavError::Malformed("no channels, or too many"));
                }
                if !(1_000..=384_000).contains(&rate) {
                    return Err(WavError::Malformed("impossible sample rate"));
                }
                return Ok((mix(body, tag, bits, usize::from(channels))?, rate));
            }
            _ => {}
        }
        // Chunks are padded to an even length.
        let skip = 8 + claimed.saturating_add(claimed & 1);
        rest = rest.get(skip..).unwrap_or(&[]);
    }
    Err(WavError::Malformed("no data chunk"))
}

fn mix(data: &[u8], format: u16, bits: u16, channels: usize) -> Result<Vec<i16>, WavError> {
    let (width, decode): (usize, fn(&[u8]) -> f32) = match (format, bits) {
        (1, 8) => (1, |b| (f32::from(b[0]) - 128.0) * 256.0),
        (1, 16) => (2, |b| f32::from(i16::from_le_bytes([b[0], b[1]]))),
        (1, 24) => (3, |b| {
            (i32::from_le_bytes([0, b[0], b[1], b[2]]) >> 8) as f32 / 256.0
        }),
        (1, 32) => (4, |b| {
            i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32 / 65_536.0
        }),
        (3, 32) => (4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]) * 32_768.0),
        (6, 8) => (1, |b| f32::from(a_law(b[0]))),
        (7, 8) => (1, |b| f32::from(mu_law(b[0]))),
        (format, bits) => return Err(WavError::Format { format, bits }),
    };
    Ok(data
        .chunks_exact(width * channels)
        .map(|frame| {
            let sum: f32 = frame.chunks_exact(width).map(decode).sum();
            let mean = sum / channels as f32;
            if mean.is_finite() { mean.round() as i16 } else { 0 }
        })
        .collect())
}

/// ITU-T G.711 mu-law.
fn mu_law(byte: u8) -> i16 {
    let b = !byte;
    let magnitude = ((i16::from(b & 0x0F) << 3) + 0x84) << ((b >> 4) & 7);
    if b & 0x80 == 0 {
        magnitude - 0x84
    } else {
        0x84 - magnitude
    }
}

/// ITU-T G.711 A-law.
fn a_law(byte: u8) -> i16 {
    let b = byte ^ 0x55;
    let exponent = (b >> 4) & 7;
    let mut magnitude = (i16::from(b & 0x0F) << 4) + 8;
    if exponent > 0 {
        magnitude = (magnitude + 0x100) << (exponent - 1);
    }
    if b & 0x80 == 0 { -magnitude } else { magnitude }
}

/// The bytes of a 16-bit mono WAV file at [`RATE_HZ`].
#[must_use]
pub fn to_bytes(samples: &[i16]) -> Vec<u8> {
    let data = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(44 + samples.len() * 2);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&data.saturating_add(36).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16u32.to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&1u16.to_le_bytes());
    out.extend_from_slice(&RATE_HZ.to_le_bytes());
    out.extend_from_slice(&(RATE_HZ * 2).to_le_bytes());
    out.extend_from_slice(&2u16.to_le_bytes());
    out.extend_from_slice(&16u16.to_le_bytes());
    out.extend_from_slice(b"data");
    out.extend_from_slice(&data.to_le_bytes());
    for s in samples {
        out.extend_from_slice(&s.to_le_bytes());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let samples: Vec<i16> = (0..500).map(|i| (i * 61 % 3000) as i16 - 1500).collect();
        assert_eq!(read(&to_bytes(&samples)).unwrap(), samples);
    }

    #[test]
    fn g711_at_its_known_points() {
        // ITU-T G.711 tables 1a and 2a: the codes of the smallest and largest values.
        assert_eq!((mu_law(0xFF), mu_law(0x7F)), (0, 0));
        assert_eq!((mu_law(0x80), mu_law(0x00)), (32_124, -32_124));
        assert_eq!((a_law(0xD5), a_law(0x55)), (8, -8));
        assert_eq!((a_law(0xAA), a_law(0x2A)), (32_256, -32_256));
    }

    #[test]
    fn a_pipe_s_unknown_length_is_fine_and_rubbish_is_refused() {
        let mut bytes = to_bytes(&[5; 100]);
        bytes[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&bytes).unwrap(), vec![5; 100]);
        for cut in 0..bytes.len() {
            let _ = read(&bytes[..cut]);
        }
        assert!(matches!(read(b"RIFF....WAVE"), Err(WavError::Malformed(_))));
        assert!(matches!(read(b""), Err(WavError::Malformed(_))));
        bytes[20] = 0x11;
        assert!(matches!(read(&bytes), Err(WavError::Format { .. })));
    }
}
