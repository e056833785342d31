//! Reading WAV files into engine audio: PCM of 8 to 32 bits, float, mu-law and A-law; any rate, any channels.
//!
//! Used for recorded prompts, for transcribing files and for scripted callers. The common WAV crates know no G.711,
//! which is what telephone systems export, so the container is read here and the codecs are the ones of calls.

use crate::resample::Resampler;
use anteroom_types::{ErrorCode, RATE_HZ, UserFacing};
use audio_codec::pcma::PcmaDecoder;
use audio_codec::pcmu::PcmuDecoder;
use std::io::Read;
use std::path::Path;

/// Bytes of a file that are read at most: an hour of 16-bit stereo at 48 kHz and some more.
pub const WAV_BYTES_MAX: u64 = 768 * 1024 * 1024;
/// Samples of engine audio a file may come to: two hours.
pub const WAV_SAMPLES_MAX: usize = 2 * 60 * 60 * RATE_HZ as usize;
/// Sample rates that make sense, in hertz.
const RATES: std::ops::RangeInclusive<u32> = 4_000..=384_000;
/// Channels that are mixed down.
const CHANNELS_MAX: u16 = 32;

/// Why a WAV file was not read.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// It cannot be opened or read.
    #[error("the audio file cannot be read")]
    Io(#[source] std::io::Error),
    /// It is no WAV file, or it is damaged.
    #[error("the file is no WAV file or is damaged: {0}")]
    Malformed(&'static str),
    /// Its encoding is not one of those we read.
    #[error("the WAV encoding is not supported: format {format}, {bits} bits")]
    Unsupported {
        /// Format tag of the file.
        format: u16,
        /// Bits per sample.
        bits: u16,
    },
    /// It is longer than two hours or larger than [`WAV_BYTES_MAX`].
    #[error("the audio file is too long")]
    TooLong,
}

impl UserFacing for WavError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Io(_) => "media.wav_io",
            Self::Malformed(_) => "media.wav_malformed",
            Self::Unsupported { .. } => "media.wav_unsupported",
            Self::TooLong => "media.wav_too_long",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Io(_) => "Check that the file exists and may be read.",
            Self::Malformed(_) | Self::Unsupported { .. } => {
                "Convert it, for example with: sox IN -r 16000 -c 1 -b 16 OUT.wav"
            }
            Self::TooLong => "Cut it into pieces of less than two hours.",
        }
        .into()
    }
}

#[derive(Clone, Copy)]
enum Encoding {
    U8,
    I16,
    I24,
    I32,
    F32,
    MuLaw,
    ALaw,
}

impl Encoding {
    const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::MuLaw | Self::ALaw => 1,
            Self::I16 => 2,
            Self::I24 => 3,
            Self::I32 | Self::F32 => 4,
        }
    }
}

/// Reads the file at `path` as mono audio at the engine's rate.
///
/// # Errors
/// When it cannot be read, is no WAV file we know, or is too long.
pub fn read(path: &Path) -> Result<Vec<i16>, WavError> {
    let file = std::fs::File::open(path).map_err(WavError::Io)?;
    let mut bytes = Vec::new();
    file.take(WAV_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(WavError::Io)?;
    decode(&bytes)
}

/// Reads a WAV file's bytes as mono audio at the engine's rate. Channels are averaged.
///
/// # Errors
/// As [`read`].
pub fn decode(bytes: &[u8]) -> Result<Vec<i16>, WavError> {
    if bytes.len() as u64 > WAV_BYTES_MAX {
        return Err(WavError::TooLong);
    }
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return Err(WavError::Malformed("no RIFF header"));
    }
    let (mut format, mut data) = (None, None);
    let mut at = 12;
    while let Some(header) = bytes.get(at..at + 8) {
        let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let start = at + 8;
        // Recorders that stream write the length last, or never: then the data go to the end of the file.
        let end = start.saturating_add(len).min(bytes.len());
        match &header[..4] {
            b"fmt " => format = Some(parse_format(&bytes[start..end])?),
            b"data" => {
                data = Some(&bytes[start..end]);
                break;
            }
            _ => {}
        }
        at = start.saturating_add(len).saturating_add(len % 2);
    }
    let (encoding, channels, rate) = format.ok_or(WavError::Malformed("no format before the data"))?;
    let data = data.ok_or(WavError::Malformed("no data"))?;
    let frame_bytes = encoding.bytes() * usize::from(channels);
    let frames = data.len() / frame_bytes;
    if frames as u64 * u64::from(RATE_HZ) / u64::from(rate) > WAV_SAMPLES_MAX as u64 {
        return Err(WavError::TooLong);
    }
    let mut resampler = Resampler::new(rate, RATE_HZ);
    let mut out = Vec::new();
    let mut mono = Vec::with_capacity(4_096);
    for block in data.chunks(frame_bytes * 4_096) {
        mono.clear();
        mono.extend(block.chunks_exact(frame_bytes).map(|f| mix(f, encoding)));
        resampler.push(&mono, &mut out);
    }
    if rate != RATE_HZ {
        // The filter's delay: push its tail out at the end and cut as much from the front.
        let delay = resampler.delay_samples();
        resampler.push(&vec![0; delay * 2], &mut out);
        let wanted =
            usize::try_from(frames as u64 * u64::from(RATE_HZ) / u64::from(rate)).unwrap_or(out.len());
        let skip = (delay as u64 * u64::from(RATE_HZ) / u64::from(rate)) as usize;
        out.drain(..skip.min(out.len()));
        out.truncate(wanted);
    }
    Ok(out)
}

fn parse_format(f: &[u8]) -> Result<(Encoding, u16, u32), WavError> {
    let u16_at = |i: usize| Some(u16::from_le_bytes(f.get(i..i + 2)?.try_into().ok()?));
    let cut = WavError::Malformed("the format is cut short");
    let (Some(mut tag), Some(channels), Some(rate), Some(bits)) = (
        u16_at(0),
        u16_at(2),
        f.get(4..8)
            .and_then(|b| b.try_into().ok())
            .map(u32::from_le_bytes),
        u16_at(14),
    ) else {
        return Err(cut);
    };
    if tag == 0xfffe {
        // WAVE_FORMAT_EXTENSIBLE: the true tag leads the sub-format.
        tag = u16_at(24).ok_or(cut)?;
    }
    let encoding = match (tag, bits) {
        (1, 8) => Encoding::U8,
        (1, 16) => Encoding::I16,
        (1, 24) => Encoding::I24,
        (1, 32) => Encoding::I32,
        (3, 32) => Encoding::F32,
        (6, 8) => Encoding::ALaw,
        (7, 8) => Encoding::MuLaw,
        (format, bits) => return Err(WavError::Unsupported { format, bits }),
    };
    if channels == 0 || channels > CHANNELS_MAX {
        return Err(WavError::Malformed("the number of channels makes no sense"));
    }
    if !RATES.contains(&rate) {
        return Err(WavError::Malformed("the sample rate makes no sense"));
    }
    Ok((encoding, channels, rate))
}

fn mix(frame: &[u8], encoding: Encoding) -> i16 {
    let n = frame.len() / encoding.bytes();
    let sum: i64 = frame
        .chunks_exact(encoding.bytes())
        .map(|s| i64::from(sample(s, encoding)))
        .sum();
    i16::try_from(sum / i64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
}

fn sample(s: &[u8], encoding: Encoding) -> i16 {
    let law = |d: &mut dyn audio_codec::Decoder| {
        let mut out = [0];
        d.decode_into(s, &mut out).map_or(0, |_| out[0])
    };
    match (encoding, s) {
        (Encoding::U8, &[a]) => (i16::from(a) - 128) << 8,
        (Encoding::I16, &[a, b]) | (Encoding::I24, &[_, a, b]) | (Encoding::I32, &[_, _, a, b]) => {
            i16::from_le_bytes([a, b])
        }
        (Encoding::F32, &[a, b, c, d]) => {
            let v = f32::from_le_bytes([a, b, c, d]);
            if v.is_finite() {
                (v * 32_767.0).round().clamp(-32_768.0, 32_767.0) as i16
            } else {
                0
            }
        }
        (Encoding::MuLaw, [_]) => law(&mut PcmuDecoder::new()),
        (Encoding::ALaw, [_]) => law(&mut PcmaDecoder::new()),
        _ => 0,
    }
}

/// The bytes of a WAV file of mono engine audio.
#[must_use]
pub fn encode(samples: &[i16]) -> Vec<u8> {
    let data = u32::try_from(samples.len() * 2).unwrap_or(u32::MAX);
    let mut out = Vec::with_capacity(44 + samples.len() * 2);
    out.extend_from_slice(b"RIFF");
    out.extend_from_slice(&data.saturating_add(36).to_le_bytes());
    out.extend_from_slice(b"WAVEfmt ");
    out.extend_from_slice(&16u32.to_le_bytes());
    for v in [1u16, 1] {
        out.extend_from_slice(&v.to_le_bytes());
    }
    for v in [RATE_HZ, RATE_HZ * 2] {
        out.extend_from_slice(&v.to_le_bytes());
    }
    for v in [2u16, 16] {
        out.extend_from_slice(&v.to_le_bytes());
    }
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
    use crate::tone;
    use audio_codec::Encoder as _;

    fn file(tag: u16, channels: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
        let mut f = b"RIFF\0\0\0\0WAVE".to_vec();
        // A chunk of odd length that is none of ours comes first.
        f.extend_from_slice(b"LIST\x03\0\0\0abc\0fmt \x10\0\0\0");
        f.extend_from_slice(&tag.to_le_bytes());
        f.extend_from_slice(&channels.to_le_bytes());
        f.extend_from_slice(&rate.to_le_bytes());
        f.extend_from_slice(&[0; 6]);
        f.extend_from_slice(&bits.to_le_bytes());
        f.extend_from_slice(b"data");
        f.extend_from_slice(&u32::try_from(data.len()).unwrap().to_le_bytes());
        f.extend_from_slice(data);
        f
    }

    fn bytes(samples: &[i16]) -> Vec<u8> {
        samples.iter().flat_map(|s| s.to_le_bytes()).collect()
    }

    #[test]
    fn what_is_written_is_read() {
        let pcm = tone::sine(440.0, RATE_HZ, 9_000, 5_000);
        assert_eq!(decode(&encode(&pcm)).unwrap(), pcm);
    }

    #[test]
    fn every_encoding_and_rate_gives_the_tone() {
        for rate in [8_000u32, 11_025, 16_000, 22_050, 44_100, 48_000] {
            let pcm = tone::sine(440.0, rate, 9_000, rate as usize);
            let mut mu = vec![0; pcm.len()];
            audio_codec::pcmu::PcmuEncoder::new()
                .encode_into(&pcm, &mut mu)
                .unwrap();
            let mut a = vec![0; pcm.len()];
            audio_codec::pcma::PcmaEncoder::new()
                .encode_into(&pcm, &mut a)
                .unwrap();
            let stereo: Vec<i16> = pcm.iter().flat_map(|&s| [s, s]).collect();
            let wide: Vec<u8> = pcm
                .iter()
                .flat_map(|s| [&[0u8][..], &s.to_le_bytes()[..]].concat())
                .collect();
            let float: Vec<u8> = pcm
                .iter()
                .flat_map(|&s| (f32::from(s) / 32_768.0).to_le_bytes())
                .collect();
            let eight: Vec<u8> = pcm.iter().map(|&s| ((s >> 8) + 128) as u8).collect();
            for (name, f) in [
                ("pcm16", file(1, 1, rate, 16, &bytes(&pcm))),
                ("stereo", file(1, 2, rate, 16, &bytes(&stereo))),
                ("pcm24", file(1, 1, rate, 24, &wide)),
                ("pcm8", file(1, 1, rate, 8, &eight)),
                ("float", file(3, 1, rate, 32, &float)),
                ("mu-law", file(7, 1, rate, 8, &mu)),
                ("A-law", file(6, 1, rate, 8, &a)),
            ] {
                let got = decode(&f).unwrap();
                assert!(got.len().abs_diff(16_000) <= 1, "{name} at {rate}: {}", got.len());
                let snr = tone::snr_db(&got[1_000..15_000], 440.0, RATE_HZ);
                assert!(snr > 30.0, "{name} at {rate}: {snr:.1} dB");
            }
        }
    }

    #[test]
    fn damage_is_told_and_harmless() {
        let good = file(7, 1, 8_000, 8, &[0xff; 800]);
        for cut in 0..good.len() {
            let _ = decode(&good[..cut]);
        }
        assert!(matches!(decode(b"OggS"), Err(WavError::Malformed(_))));
        assert!(matches!(
            decode(&file(85, 2, 44_100, 0, &[0; 9])),
            Err(WavError::Unsupported { .. })
        ));
        assert!(matches!(
            decode(&file(1, 0, 8_000, 16, &[0; 9])),
            Err(WavError::Malformed(_))
        ));
        assert!(matches!(
            decode(&file(1, 1, 0, 16, &[0; 9])),
            Err(WavError::Malformed(_))
        ));
        // A data chunk that claims more than there is gives what there is.
        let mut long = good.clone();
        let at = long.len() - 804;
        long[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&long).unwrap().len(), 1_600);
    }
}
