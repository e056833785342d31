//! The four codecs of a telephone call, each from and to engine audio.
//!
//! G.711 is resampled between 8 and 16 kHz here. G.722 is 16 kHz by nature though its RTP clock says 8 kHz
//! (RFC 3551 4.5.2). libopus codes and decodes at 16 kHz itself; only its RTP clock is 48 kHz (RFC 7587 4.1).

use crate::resample::Resampler;
use anteroom_types::RATE_HZ;
use audio_codec::g722::{G722Decoder, G722Encoder};
use audio_codec::pcma::{PcmaDecoder, PcmaEncoder};
use audio_codec::pcmu::{PcmuDecoder, PcmuEncoder};
use audio_codec::{Decoder as _, Encoder as _};
use std::fmt;

/// A codec this crate can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T G.711 mu-law, 8 kHz.
    Pcmu,
    /// ITU-T G.711 A-law, 8 kHz.
    Pcma,
    /// ITU-T G.722 at 64 kbit/s, 16 kHz.
    G722,
    /// Opus (RFC 6716), mono, used at 16 kHz.
    Opus,
}

impl Codec {
    /// Every codec, best for speech recognition first.
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma];

    /// The encoding name of its rtpmap.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// The codec of an encoding name, in any case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|c| c.name().eq_ignore_ascii_case(name))
    }

    /// RTP clock in hertz.
    #[must_use]
    pub const fn clock_hz(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            _ => 8_000,
        }
    }

    /// Its static payload type (RFC 3551), or the dynamic one we offer.
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
            Self::G722 => 9,
            Self::Opus => 111,
        }
    }

    /// Whether its payload type is fixed by RFC 3551, so that an m-line may name it without an rtpmap.
    #[must_use]
    pub const fn is_static(self) -> bool {
        !matches!(self, Self::Opus)
    }

    /// How long a payload lasts in RTP clock ticks, without decoding it; `None` if it is none of this codec or lasts
    /// longer than 120 ms.
    pub(crate) fn payload_ticks(self, payload: &[u8]) -> Option<u32> {
        let ticks = match self {
            // One byte a tick: of 8 kHz for G.711; for G.722 two samples of 16 kHz, which its clock counts as one.
            Self::Pcmu | Self::Pcma | Self::G722 => payload.len(),
            Self::Opus if payload.is_empty() => 0,
            Self::Opus => opus::packet::get_nb_samples(payload, 48_000).ok()?,
        };
        u32::try_from(ticks)
            .ok()
            .filter(|&t| t > 0 && t <= self.ticks(120))
    }

    /// RTP clock ticks in `ms` milliseconds.
    #[must_use]
    pub const fn ticks(self, ms: u32) -> u32 {
        self.clock_hz() / 1000 * ms
    }

    /// Engine samples that `ticks` of the RTP clock last.
    #[must_use]
    pub const fn ticks_to_samples(self, ticks: u64) -> u64 {
        ticks * RATE_HZ as u64 / self.clock_hz() as u64
    }

    /// RTP clock ticks that `samples` engine samples last.
    #[must_use]
    pub const fn samples_to_ticks(self, samples: u64) -> u64 {
        samples * self.clock_hz() as u64 / RATE_HZ as u64
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Something a codec could not do.
#[derive(Debug, thiserror::Error)]
#[error("the {codec} codec failed: {what}")]
pub struct CodecError {
    /// Which codec.
    pub codec: Codec,
    /// What it says.
    pub what: String,
}

/// Longest audio one packet may hold, in engine samples: 120 ms, Opus's own limit (RFC 7587 4.2).
pub(crate) const PACKET_SAMPLES_MAX: usize = 16 * 120;

/// Packets in, engine audio out.
pub(crate) struct Decoder {
    codec: Codec,
    inner: Decode,
    narrow: Vec<i16>,
}

enum Decode {
    Pcmu(PcmuDecoder, Resampler),
    Pcma(PcmaDecoder, Resampler),
    G722(Box<G722Decoder>),
    Opus(opus::Decoder),
}

impl Decoder {
    /// A fresh decoder.
    pub(crate) fn new(codec: Codec) -> Result<Self, CodecError> {
        let inner = match codec {
            Codec::Pcmu => Decode::Pcmu(PcmuDecoder::new(), Resampler::new(8_000, RATE_HZ)),
            Codec::Pcma => Decode::Pcma(PcmaDecoder::new(), Resampler::new(8_000, RATE_HZ)),
            Codec::G722 => Decode::G722(Box::new(G722Decoder::new())),
            Codec::Opus => {
                Decode::Opus(
                    opus::Decoder::new(RATE_HZ, opus::Channels::Mono).map_err(|e| CodecError {
                        codec,
                        what: e.to_string(),
                    })?,
                )
            }
        };
        Ok(Self {
            codec,
            inner,
            narrow: Vec::new(),
        })
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Decodes one payload and appends it to `out`. Longer payloads than 120 ms are refused.
    pub(crate) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        let codec = self.codec;
        let fail = |what: String| CodecError { codec, what };
        if payload.is_empty() {
            return Err(fail("empty payload".into()));
        }
        let narrow_max = PACKET_SAMPLES_MAX / 2;
        match &mut self.inner {
            Decode::Opus(d) => {
                let at = out.len();
                out.resize(at + PACKET_SAMPLES_MAX, 0);
                let n = d.decode(payload, &mut out[at..], false).map_err(|e| {
                    out.truncate(at);
                    fail(e.to_string())
                })?;
                out.truncate(at + n);
            }
            _ if payload.len() > narrow_max => return Err(fail("more than 120 ms in one packet".into())),
            Decode::Pcmu(d, up) => {
                self.narrow.resize(payload.len(), 0);
                d.decode_into(payload, &mut self.narrow)
                    .map_err(|e| fail(format!("{e:?}")))?;
                up.push(&self.narrow, out);
            }
            Decode::Pcma(d, up) => {
                self.narrow.resize(payload.len(), 0);
                d.decode_into(payload, &mut self.narrow)
                    .map_err(|e| fail(format!("{e:?}")))?;
                up.push(&self.narrow, out);
            }
            Decode::G722(d) => {
                let at = out.len();
                out.resize(at + payload.len() * 2, 0);
                let n = d
                    .decode_frame_into(payload, &mut out[at..])
                    .map_err(|e| fail(format!("{e:?}")))?;
                out.truncate(at + n);
            }
        }
        Ok(())
    }

    /// Opus only: conceals `samples` lost engine samples, from the forward error correction in the packet after the
    /// gap if it is given. Returns whether it did.
    pub(crate) fn conceal(&mut self, next: Option<&[u8]>, samples: usize, out: &mut Vec<i16>) -> bool {
        let Decode::Opus(d) = &mut self.inner else {
            return false;
        };
        let at = out.len();
        out.resize(at + samples, 0);
        let done = match next {
            Some(p) => d.decode(p, &mut out[at..], true),
            None => d.decode(&[], &mut out[at..], false),
        };
        match done {
            Ok(n) if n == samples => true,
            _ => {
                out.truncate(at);
                false
            }
        }
    }
}

/// Engine audio in, payloads out.
pub(crate) struct Encoder {
    codec: Codec,
    inner: Encode,
    narrow: Vec<i16>,
}

enum Encode {
    Pcmu(PcmuEncoder, Resampler),
    Pcma(PcmaEncoder, Resampler),
    G722(Box<G722Encoder>),
    Opus(opus::Encoder),
}

impl Encoder {
    /// A fresh encoder.
    pub(crate) fn new(codec: Codec) -> Result<Self, CodecError> {
        let inner = match codec {
            Codec::Pcmu => Encode::Pcmu(PcmuEncoder::new(), Resampler::new(RATE_HZ, 8_000)),
            Codec::Pcma => Encode::Pcma(PcmaEncoder::new(), Resampler::new(RATE_HZ, 8_000)),
            Codec::G722 => Encode::G722(Box::new(G722Encoder::new())),
            Codec::Opus => Encode::Opus(opus_encoder().map_err(|e| CodecError {
                codec,
                what: e.to_string(),
            })?),
        };
        Ok(Self {
            codec,
            inner,
            narrow: Vec::new(),
        })
    }

    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// Encodes `pcm` (20 ms for Opus, a multiple of it for the others) into `out`, which is emptied first.
    pub(crate) fn encode(&mut self, pcm: &[i16], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let codec = self.codec;
        let fail = |what: String| CodecError { codec, what };
        out.clear();
        match &mut self.inner {
            Encode::Opus(e) => {
                out.resize(1_275, 0);
                let n = e.encode(pcm, out).map_err(|e| fail(e.to_string()))?;
                out.truncate(n);
            }
            Encode::G722(e) => {
                out.resize(e.max_encode_bytes(pcm.len()), 0);
                let n = e.encode_into(pcm, out).map_err(|e| fail(format!("{e:?}")))?;
                out.truncate(n);
            }
            Encode::Pcmu(e, down) => {
                self.narrow.clear();
                down.push(pcm, &mut self.narrow);
                out.resize(self.narrow.len(), 0);
                e.encode_into(&self.narrow, out)
                    .map_err(|e| fail(format!("{e:?}")))?;
            }
            Encode::Pcma(e, down) => {
                self.narrow.clear();
                down.push(pcm, &mut self.narrow);
                out.resize(self.narrow.len(), 0);
                e.encode_into(&self.narrow, out)
                    .map_err(|e| fail(format!("{e:?}")))?;
            }
        }
        Ok(())
    }
}

/// Tuned for speech at telephone loss rates on a small machine.
fn opus_encoder() -> Result<opus::Encoder, opus::Error> {
    let mut e = opus::Encoder::new(RATE_HZ, opus::Channels::Mono, opus::Application::Voip)?;
    e.set_bitrate(opus::Bitrate::Bits(24_000))?;
    e.set_complexity(4)?;
    e.set_inband_fec(true)?;
    e.set_packet_loss_perc(5)?;
    e.set_signal(opus::Signal::Voice)?;
    Ok(e)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;

    #[test]
    fn a_tone_survives_every_codec() {
        for codec in Codec::ALL {
            let mut enc = Encoder::new(codec).unwrap();
            let mut dec = Decoder::new(codec).unwrap();
            let pcm = tone::sine(700.0, RATE_HZ, 10_000, 16_000);
            let (mut payload, mut out) = (Vec::new(), Vec::new());
            for frame in pcm.chunks_exact(320) {
                enc.encode(frame, &mut payload).unwrap();
                assert_eq!(codec.payload_ticks(&payload), Some(codec.ticks(20)), "{codec}");
                dec.decode(&payload, &mut out).unwrap();
            }
            assert_eq!(out.len(), pcm.len(), "{codec}");
            let (mid, floor) = (
                &out[4_000..14_000],
                if codec == Codec::Opus { 15.0 } else { 28.0 },
            );
            let snr = tone::snr_db(mid, 700.0, RATE_HZ);
            assert!(snr > floor, "{codec}: {snr:.1} dB");
            let level = tone::rms(mid) / tone::rms(&pcm);
            assert!((0.85..1.15).contains(&level), "{codec}: level {level:.2}");
        }
    }

    #[test]
    fn overlong_and_empty_payloads_are_refused() {
        for codec in [Codec::Pcmu, Codec::Pcma, Codec::G722] {
            let mut dec = Decoder::new(codec).unwrap();
            assert!(dec.decode(&[0; 1_400], &mut Vec::new()).is_err());
        }
        for codec in Codec::ALL {
            let mut dec = Decoder::new(codec).unwrap();
            let mut out = Vec::new();
            assert!(dec.decode(&[], &mut out).is_err() && out.is_empty());
        }
    }
}
