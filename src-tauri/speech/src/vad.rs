//! Voice activity detection: Silero VAD version 6, 16 kHz.
//!
//! The network: a learned-free STFT as a convolution (258 filters of 256 samples, stride 128, 64 samples of reflect
//! padding on the right), magnitudes of 129 bins, four convolutions of width 3 with ReLU (129-128-64-64-128, strides
//! 1, 2, 2, 1), one LSTM cell of 128, ReLU, a 1x1 convolution and a sigmoid. A chunk is 512 samples, seen together
//! with the last 64 samples of the chunk before.
//!
//! The weights are read through candle. The forward pass is not: a candle tensor per operation costs more than the
//! arithmetic at this size (see docs/adr/0004-speech.md for the figures), so it is written as loops over packed
//! weights in `kernel`.

use crate::kernel::{Arch, Packed};
use anteroom_types::{ErrorCode, UserFacing};
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Samples of one decision: 32 ms at 16 kHz.
pub const CHUNK_SAMPLES: usize = 512;
/// Milliseconds of one decision.
pub const CHUNK_MS: u64 = 32;
/// Bytes a weights file may have.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;

const CONTEXT: usize = 64;
const PAD: usize = 64;
const FFT: usize = 256;
const HOP: usize = 128;
const BINS: usize = 129;
const FRAMES: usize = 4;
const HIDDEN: usize = 128;

/// Why the detector could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum VadError {
    /// The file is not there.
    #[error("the voice detector's weights are missing: {}", .0.display())]
    Missing(PathBuf),
    /// The file is larger than such a model can be.
    #[error("the voice detector's weights are too large: {0} bytes")]
    TooLarge(u64),
    /// The file is not a safetensors file, or cannot be read.
    #[error("the voice detector's weights cannot be read")]
    Unreadable(#[source] candle_core::Error),
    /// A tensor is missing or has another shape than Silero VAD 6 at 16 kHz.
    #[error("the voice detector's weights hold no usable {0}")]
    Shape(&'static str),
}

impl UserFacing for VadError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Missing(_) => "vad.missing",
            Self::TooLarge(_) | Self::Unreadable(_) => "vad.corrupt",
            Self::Shape(_) => "vad.shape",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Missing(_) => {
                "Fetch it with `anteroom models fetch silero-vad`, or run `cargo xtask setup` in a checkout."
            }
            _ => "Fetch it again with `anteroom models fetch silero-vad`.",
        }
        .to_owned()
    }
}

/// The detector's weights, shared by every stream. Cloning is cheap.
#[derive(Clone)]
pub struct Vad(Arc<Net>);

impl std::fmt::Debug for Vad {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vad")
    }
}

struct Net {
    arch: Arch,
    stft: Packed,
    conv1: Packed,
    conv2: Packed,
    conv3: Packed,
    conv4: Packed,
    lstm: Packed,
    out_weight: Vec<f32>,
    out_bias: f32,
}

impl Vad {
    /// Reads `silero_vad_16k.safetensors`.
    ///
    /// # Errors
    /// When the file is missing, unreadable, too large or not this network.
    pub fn load(path: &Path) -> Result<Self, VadError> {
        let meta = std::fs::metadata(path).map_err(|_| VadError::Missing(path.to_owned()))?;
        if meta.len() > FILE_BYTES_MAX {
            return Err(VadError::TooLarge(meta.len()));
        }
        let tensors = candle_core::safetensors::load(path, &Device::Cpu).map_err(VadError::Unreadable)?;
        let get = |name, shape: &[usize]| tensor(&tensors, name, shape);
        let stft = get("stft_conv.weight", &[2 * BINS, 1, FFT])?;
        let conv = |name_w, name_b, out: usize, inp: usize, taps: std::ops::Range<usize>| {
            let w = get(name_w, &[out, inp, 3])?;
            let b = get(name_b, &[out])?;
            // The input rows of one output lie side by side, one row of `inp` values per tap.
            Ok::<_, VadError>(Packed::with_relu(out, inp * taps.len(), &b, |o, c| {
                w[(o * inp + c % inp) * 3 + taps.start + c / inp]
            }))
        };
        let conv1 = conv("conv1.weight", "conv1.bias", 128, BINS, 0..3)?;
        let conv2 = conv("conv2.weight", "conv2.bias", 64, 128, 0..3)?;
        // Two frames are left and the stride is 2: the one output never sees its left tap.
        let conv3 = conv("conv3.weight", "conv3.bias", 64, 64, 1..3)?;
        // One frame is left: only the middle tap meets it.
        let conv4 = conv("conv4.weight", "conv4.bias", HIDDEN, 64, 1..2)?;
        let ih = get("lstm_cell.weight_ih", &[4 * HIDDEN, HIDDEN])?;
        let hh = get("lstm_cell.weight_hh", &[4 * HIDDEN, HIDDEN])?;
        let bias_ih = get("lstm_cell.bias_ih", &[4 * HIDDEN])?;
        let bias_hh = get("lstm_cell.bias_hh", &[4 * HIDDEN])?;
        let bias: Vec<f32> = bias_ih.iter().zip(&bias_hh).map(|(a, b)| a + b).collect();
        let out_bias = get("final_conv.bias", &[1])?[0];
        Ok(Self(Arc::new(Net {
            arch: Arch::new(),
            stft: Packed::new(2 * BINS, FFT, &[], |o, c| stft[o * FFT + c]),
            conv1,
            conv2,
            conv3,
            conv4,
            lstm: Packed::new(4 * HIDDEN, 2 * HIDDEN, &bias, |o, c| {
                if c < HIDDEN {
                    ih[o * HIDDEN + c]
                } else {
                    hh[o * HIDDEN + c - HIDDEN]
                }
            }),
            out_weight: get("final_conv.weight", &[1, HIDDEN, 1])?,
            out_bias,
        })))
    }

    /// A new stream with fresh state.
    #[must_use]
    pub fn stream(&self) -> VadStream {
        VadStream {
            net: Arc::clone(&self.0),
            state: State::default(),
            chunk: [0; CHUNK_SAMPLES],
            filled: 0,
        }
    }

    /// The probability of speech for each whole chunk of a clip.
    #[must_use]
    pub fn probabilities(&self, samples: &[i16]) -> Vec<f32> {
        let mut out = Vec::with_capacity(samples.len() / CHUNK_SAMPLES);
        self.stream().push(samples, &mut out);
        out
    }
}

fn tensor(all: &HashMap<String, Tensor>, name: &'static str, shape: &[usize]) -> Result<Vec<f32>, VadError> {
    all.get(name)
        .filter(|t| t.dims() == shape)
        .and_then(|t| t.flatten_all().and_then(|t| t.to_vec1::<f32>()).ok())
        .ok_or(VadError::Shape(name))
}

/// One line's detector: its own recurrent state over the shared weights.
#[derive(Clone)]
pub struct VadStream {
    net: Arc<Net>,
    state: State,
    chunk: [i16; CHUNK_SAMPLES],
    filled: usize,
}

impl std::fmt::Debug for VadStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VadStream")
            .field("filled", &self.filled)
            .finish_non_exhaustive()
    }
}

impl VadStream {
    /// Takes 16 kHz samples of any number and appends one probability of speech, 0 to 1, per completed chunk of
    /// [`CHUNK_SAMPLES`]. Samples left over wait for the next call.
    pub fn push(&mut self, mut samples: &[i16], out: &mut Vec<f32>) {
        while !samples.is_empty() {
            let take = samples.len().min(CHUNK_SAMPLES - self.filled);
            self.chunk[self.filled..self.filled + take].copy_from_slice(&samples[..take]);
            self.filled += take;
            samples = &samples[take..];
            if self.filled == CHUNK_SAMPLES {
                self.filled = 0;
                out.push(self.net.step(&mut self.state, &self.chunk));
            }
        }
    }

    /// Forgets everything heard, for the next call.
    pub fn reset(&mut self) {
        self.state = State::default();
        self.filled = 0;
    }
}

#[derive(Clone)]
struct State {
    context: [f32; CONTEXT],
    /// The LSTM's input followed by its hidden state, as its packed weights want them.
    input_hidden: [f32; 2 * HIDDEN],
    cell: [f32; HIDDEN],
}

impl Default for State {
    fn default() -> Self {
        Self {
            context: [0.0; CONTEXT],
            input_hidden: [0.0; 2 * HIDDEN],
            cell: [0.0; HIDDEN],
        }
    }
}

impl Net {
    fn step(&self, state: &mut State, chunk: &[i16; CHUNK_SAMPLES]) -> f32 {
        const N: usize = CONTEXT + CHUNK_SAMPLES;
        let mut audio = [0f32; N + PAD];
        audio[..CONTEXT].copy_from_slice(&state.context);
        for (a, s) in audio[CONTEXT..N].iter_mut().zip(chunk) {
            *a = f32::from(*s) / 32768.0;
        }
        state.context.copy_from_slice(&audio[N - CONTEXT..N]);
        for i in 0..PAD {
            audio[N + i] = audio[N - 2 - i];
        }

        let mut spectrum = [0f32; FRAMES * 2 * BINS];
        self.stft
            .apply(self.arch, &audio, HOP, FRAMES, &mut spectrum, 2 * BINS);
        // A row of zeros before and after is the convolutions' padding.
        let mut magnitude = [0f32; (FRAMES + 2) * BINS];
        for t in 0..FRAMES {
            let (re, im) = spectrum[t * 2 * BINS..(t + 1) * 2 * BINS].split_at(BINS);
            let row = &mut magnitude[(t + 1) * BINS..(t + 2) * BINS];
            for ((m, re), im) in row.iter_mut().zip(re).zip(im) {
                *m = (re * re + im * im).sqrt();
            }
        }
        let mut a = [0f32; (FRAMES + 2) * 128];
        self.conv1
            .apply(self.arch, &magnitude, BINS, FRAMES, &mut a[128..], 128);
        let mut b = [0f32; 2 * 64];
        self.conv2.apply(self.arch, &a, 2 * 128, 2, &mut b, 64);
        let mut c = [0f32; 64];
        self.conv3.apply(self.arch, &b, 128, 1, &mut c, 64);
        self.conv4
            .apply(self.arch, &c, 64, 1, &mut state.input_hidden[..HIDDEN], HIDDEN);

        let mut gates = [0f32; 4 * HIDDEN];
        self.lstm.apply(
            self.arch,
            &state.input_hidden,
            2 * HIDDEN,
            1,
            &mut gates,
            4 * HIDDEN,
        );
        let mut logit = self.out_bias;
        for j in 0..HIDDEN {
            let input = sigmoid(gates[j]);
            let forget = sigmoid(gates[HIDDEN + j]);
            let update = gates[2 * HIDDEN + j].tanh();
            let output = sigmoid(gates[3 * HIDDEN + j]);
            state.cell[j] = forget * state.cell[j] + input * update;
            let hidden = output * state.cell[j].tanh();
            state.input_hidden[HIDDEN + j] = hidden;
            logit += hidden.max(0.0) * self.out_weight[j];
        }
        sigmoid(logit)
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
