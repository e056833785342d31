//! Recordings and files: speech found by the detector, cut with room around it, decoded piece by piece.

use crate::vad::{CHUNK_MS, CHUNK_SAMPLES, Vad};
use crate::whisper::{CancelFlag, DecodeError, Decoder, HallucinationGuard, WhisperSettings};
use anteroom_types::{Pii, audio};
use serde::{Deserialize, Serialize};

/// How speech is cut out of a recording. The defaults are those of live calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SegmentSettings {
    /// Probability at which speech begins.
    pub start_at: f32,
    /// Probability under which it may be over.
    pub stop_under: f32,
    /// Milliseconds under `stop_under` that end a segment.
    pub silence_ms: u64,
    /// Milliseconds kept before the first sound.
    pub before_ms: u64,
    /// Milliseconds kept after the last sound.
    pub after_ms: u64,
    /// Milliseconds of speech under which a segment is noise.
    pub minimum_ms: u64,
    /// Longest segment in milliseconds.
    pub maximum_ms: u64,
}

impl Default for SegmentSettings {
    fn default() -> Self {
        Self {
            start_at: 0.5,
            stop_under: 0.35,
            silence_ms: 550,
            before_ms: 300,
            after_ms: 400,
            minimum_ms: 250,
            maximum_ms: 28_000,
        }
    }
}

/// A stretch of speech, in samples of the clip: `speech` where the detector heard it, `cut` with room around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Where the speech is.
    pub speech: std::ops::Range<usize>,
    /// What is decoded. Neighbours never overlap.
    pub cut: std::ops::Range<usize>,
}

/// Finds the speech of a 16 kHz clip.
#[must_use]
pub fn segments(samples: &[i16], vad: &Vad, settings: &SegmentSettings) -> Vec<Segment> {
    from_probabilities(&vad.probabilities(samples), samples.len(), settings)
}

/// Finds the speech in a clip of `len` samples from its probabilities, one per chunk.
#[must_use]
pub fn from_probabilities(probabilities: &[f32], len: usize, settings: &SegmentSettings) -> Vec<Segment> {
    let chunks = |ms: u64| {
        usize::try_from(ms.div_ceil(CHUNK_MS))
            .unwrap_or(usize::MAX)
            .max(1)
    };
    let (silence, longest) = (chunks(settings.silence_ms), chunks(settings.maximum_ms));
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    for (i, p) in probabilities.iter().enumerate() {
        open = match open {
            None if *p >= settings.start_at => Some((i, i + 1)),
            None => None,
            Some((start, end)) => {
                let end = if *p >= settings.stop_under { i + 1 } else { end };
                if i + 1 - end >= silence || i + 1 - start >= longest {
                    found.push(start..end);
                    None
                } else {
                    Some((start, end))
                }
            }
        };
    }
    found.extend(open.map(|(start, end)| start..end));

    let minimum = chunks(settings.minimum_ms);
    let before = audio::ms_to_samples(settings.before_ms);
    let after = audio::ms_to_samples(settings.after_ms);
    let mut out: Vec<Segment> = Vec::new();
    for chunk in found.into_iter().filter(|r| r.len() >= minimum) {
        let speech = chunk.start * CHUNK_SAMPLES..(chunk.end * CHUNK_SAMPLES).min(len);
        let floor = out.last().map_or(0, |s| s.cut.end);
        let start = speech.start.saturating_sub(before);
        if start < floor {
            // Two segments closer than their margins share the pause between them.
            if let Some(last) = out.last_mut() {
                last.cut.end = last
                    .cut
                    .end
                    .min(usize::midpoint(last.speech.end, speech.start))
                    .max(last.speech.end);
            }
        }
        let floor = out.last().map_or(0, |s| s.cut.end);
        let cut = start.max(floor).min(speech.start)..speech.end.saturating_add(after).min(len);
        out.push(Segment { speech, cut });
    }
    out
}

/// How a recording is decoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// The clip as it is, with the model's settings: what whisper.cpp's own program does.
    WholeClip,
    /// Speech found and cut first.
    Segments(SegmentSettings),
}

/// A stretch of a recording and what was said in it.
#[derive(Debug, Clone, PartialEq)]
pub struct TimedText {
    /// Milliseconds from the start of the recording.
    pub start_ms: u64,
    /// Milliseconds from the start of the recording.
    pub end_ms: u64,
    /// The words; empty when nothing was said.
    pub text: Pii<String>,
    /// Confidence, 0 to 1.
    pub confidence: f32,
    /// The model's no-speech probability, 0 to 1.
    pub no_speech_prob: f32,
    /// Milliseconds the decode took.
    pub decode_ms: u64,
    /// Why the text was dropped, if it was.
    pub dropped_as: Option<HallucinationGuard>,
}

/// Transcribes a 16 kHz clip of any length. `vad` is used for [`Mode::Segments`].
///
/// # Errors
/// When a decode fails, runs out of time or is cancelled.
pub fn transcribe(
    samples: &[i16],
    vad: &Vad,
    decoder: &mut Decoder,
    settings: &WhisperSettings,
    mode: &Mode,
    cancel: &CancelFlag,
) -> Result<Vec<TimedText>, DecodeError> {
    let found = match mode {
        Mode::WholeClip => return Ok(vec![whole_clip(samples, decoder, settings, cancel)?]),
        Mode::Segments(s) => segments(samples, vad, s),
    };
    found
        .into_iter()
        .map(|segment| piece(samples, &segment.speech, &segment.cut, decoder, settings, cancel))
        .collect()
}

/// Transcribes a 16 kHz clip as it is.
///
/// # Errors
/// When the decode fails, runs out of time or is cancelled.
pub fn whole_clip(
    samples: &[i16],
    decoder: &mut Decoder,
    settings: &WhisperSettings,
    cancel: &CancelFlag,
) -> Result<TimedText, DecodeError> {
    let all = 0..samples.len();
    piece(samples, &all, &all, decoder, settings, cancel)
}

fn piece(
    samples: &[i16],
    speech: &std::ops::Range<usize>,
    cut: &std::ops::Range<usize>,
    decoder: &mut Decoder,
    settings: &WhisperSettings,
    cancel: &CancelFlag,
) -> Result<TimedText, DecodeError> {
    let decoded = decoder.decode(&samples[cut.clone()], settings, None, cancel)?;
    Ok(TimedText {
        start_ms: audio::samples_to_ms(speech.start),
        end_ms: audio::samples_to_ms(speech.end),
        text: decoded.text,
        confidence: decoded.confidence,
        no_speech_prob: decoded.no_speech_prob,
        decode_ms: u64::try_from(decoded.took.as_millis()).unwrap_or(u64::MAX),
        dropped_as: decoded.dropped_as,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `.` is silence, `#` speech, `-` in between.
    fn check(picture: &str, expect: &[(usize, usize)]) {
        let p: Vec<f32> = picture
            .chars()
            .map(|c| match c {
                '#' => 0.9,
                '-' => 0.4,
                _ => 0.0,
            })
            .collect();
        let len = p.len() * CHUNK_SAMPLES;
        let found = from_probabilities(&p, len, &SegmentSettings::default());
        let got: Vec<_> = found
            .iter()
            .map(|s| (s.speech.start / CHUNK_SAMPLES, s.speech.end / CHUNK_SAMPLES))
            .collect();
        assert_eq!(got, expect, "{picture}");
        for s in &found {
            assert!(s.cut.start <= s.speech.start && s.speech.end <= s.cut.end && s.cut.end <= len);
        }
        for pair in found.windows(2) {
            assert!(pair[0].cut.end <= pair[1].cut.start, "{found:?}");
        }
    }

    #[test]
    fn speech_is_found_and_never_decoded_twice() {
        let pause = ".".repeat(18);
        check("", &[]);
        check(&".".repeat(50), &[]);
        check("....####....", &[]);
        check("...##########...", &[(3, 13)]);
        check("...#####---####...", &[(3, 15)]);
        check("----########", &[(4, 12)]);
        check(&format!("##########{pause}##########"), &[(0, 10), (28, 38)]);
        check("##########....##########", &[(0, 24)]);
        check(&"#".repeat(900), &[(0, 875), (875, 900)]);
    }
}
