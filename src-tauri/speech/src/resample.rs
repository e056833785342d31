//! Sample rate conversion of whole clips: files, and what the synthesiser renders. Live audio arrives here at the
//! engine's rate already; `media` converts it with state kept across frames.

use rubato::audioadapter_buffers::direct::SequentialSliceOfVecs;
use rubato::{Fft, FixedSync, Resampler};

/// Why a clip could not be converted.
#[derive(Debug, thiserror::Error)]
pub enum ResampleError {
    /// The pair of rates is not possible.
    #[error("no conversion from {from} Hz to {to} Hz")]
    Rates {
        /// Rate of the clip.
        from: u32,
        /// Rate wanted.
        to: u32,
    },
    /// The converter refused the audio.
    #[error("the converter failed")]
    Failed(#[source] rubato::ResampleError),
}

/// Converts a mono clip from `from` to `to` samples per second. The length is kept to within a sample.
///
/// # Errors
/// When the rates cannot be converted.
pub fn clip(samples: &[i16], from: u32, to: u32) -> Result<Vec<i16>, ResampleError> {
    if from == to || samples.is_empty() {
        return Ok(samples.to_vec());
    }
    let rates = ResampleError::Rates { from, to };
    if from == 0 || to == 0 {
        return Err(rates);
    }
    let mut resampler =
        Fft::<f32>::new(from as usize, to as usize, 1024, 1, FixedSync::Both).map_err(|_| rates)?;
    let input = vec![samples.iter().map(|s| f32::from(*s)).collect::<Vec<f32>>()];
    let adapter = SequentialSliceOfVecs::new(&input, 1, samples.len())
        .map_err(|_| ResampleError::Rates { from, to })?;
    let out = resampler
        .process_all(&adapter, samples.len(), None)
        .map_err(ResampleError::Failed)?;
    let wanted = samples.len() * to as usize / from as usize;
    Ok(out
        .take_data()
        .into_iter()
        .take(wanted)
        .map(|s| s.round() as i16)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_level_and_place() {
        let tone = |rate: u32, n: usize| -> Vec<i16> {
            (0..n)
                .map(|i| (8000.0 * (i as f64 * 440.0 * std::f64::consts::TAU / f64::from(rate)).sin()) as i16)
                .collect()
        };
        for from in [8_000u32, 22_050, 48_000] {
            let out = clip(&tone(from, from as usize), from, 16_000).unwrap();
            assert_eq!(out.len(), 16_000);
            // Level and phase of the tone, away from the ends, where the filter rings.
            let (mut re, mut im) = (0.0, 0.0);
            for (i, s) in out.iter().enumerate().take(14_000).skip(2_000) {
                let at = i as f64 * 440.0 * std::f64::consts::TAU / 16_000.0;
                re += f64::from(*s) * at.sin() / 6_000.0;
                im += f64::from(*s) * at.cos() / 6_000.0;
            }
            let level = re.hypot(im);
            let late = im.atan2(re) / (440.0 * std::f64::consts::TAU / 16_000.0);
            assert!((level / 8_000.0 - 1.0).abs() < 0.01, "{from}: {level}");
            assert!(late.abs() < 0.6, "{from}: {late} samples");
        }
        assert!(clip(&[1], 0, 16_000).is_err());
    }
}
