//! Sentence embeddings: all-MiniLM-L6-v2, mean pooling, unit length.
//!
//! The weights are read through candle; the forward pass is loops over packed weights, on the calling thread alone. In
//! candle's own operations a dozen tokens are shared out among its threads piece by piece, and on a machine that is
//! busy with calls waiting for those threads took most of the time (docs/adr/0004-speech.md).
//!
//! No padding and no attention mask: sentences go through one at a time, so that a short question costs what it is
//! long. Text past 256 tokens is cut, as the model's own configuration does.

use crate::kernel::{Arch, Packed};
use anteroom_types::{ErrorCode, UserFacing};
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokenizers::{Tokenizer, TruncationParams};

/// Length of an embedding.
pub const DIMENSIONS: usize = 384;
/// Tokens of a text that are looked at, with the two special ones.
pub const TOKENS_MAX: usize = 256;
/// Bytes of a text that are tokenised.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Bytes the weights and the tokenizer may have.
const WEIGHTS_BYTES_MAX: u64 = 256 * 1024 * 1024;
const TOKENIZER_BYTES_MAX: u64 = 8 * 1024 * 1024;

const HEADS: usize = 12;
const HEAD_DIM: usize = DIMENSIONS / HEADS;
const INNER: usize = 1536;
const LAYERS: usize = 6;
const WORDS: usize = 30_522;
const POSITIONS: usize = 512;
const EPSILON: f32 = 1e-12;

/// Why the model could not be loaded or a text not embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A file is not there.
    #[error("the embedding model's {file} is missing from {}", dir.display())]
    Missing {
        /// Which file.
        file: &'static str,
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// A file is larger than such a model can be.
    #[error("the embedding model's {0} is too large")]
    TooLarge(&'static str),
    /// The weights cannot be read.
    #[error("the embedding model's weights cannot be read")]
    Weights(#[source] candle_core::Error),
    /// A tensor is missing or has another shape than all-MiniLM-L6-v2.
    #[error("the embedding model's weights hold no usable {0}")]
    Shape(String),
    /// The tokenizer cannot be read or refused a text. What it says may quote the text, so it is not kept.
    #[error("the tokenizer {0}")]
    Tokenizer(&'static str),
}

impl UserFacing for EmbedError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Missing { .. } => "embed.missing",
            Self::TooLarge(_) | Self::Weights(_) | Self::Shape(_) => "embed.corrupt",
            Self::Tokenizer(_) => "embed.tokenizer",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Missing { .. } => {
                "Fetch it with `anteroom models fetch minilm-l6-v2`, or run `cargo xtask setup` in a checkout."
            }
            _ => "Fetch it again with `anteroom models fetch minilm-l6-v2`.",
        }
        .to_owned()
    }
}

/// The embedding model. Cloning is cheap; it may be used from several threads at once.
#[derive(Clone)]
pub struct Embedder(Arc<Inner>);

impl std::fmt::Debug for Embedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Embedder")
    }
}

struct Inner {
    arch: Arch,
    tokenizer: Tokenizer,
    words: Vec<f32>,
    /// Position and the only token type's embedding, added once.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Query, key and value in one product.
    qkv: Packed,
    attention_out: Packed,
    attention_norm: Norm,
    up: Packed,
    down: Packed,
    norm: Norm,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Norm {
    /// Layer normalisation of each row.
    fn apply(&self, x: &mut [f32]) {
        for row in x.chunks_exact_mut(DIMENSIONS) {
            let mean = sum(row) / DIMENSIONS as f32;
            row.iter_mut().for_each(|v| *v -= mean);
            let variance = dot(row, row) / DIMENSIONS as f32;
            let scale = 1.0 / (variance + EPSILON).sqrt();
            for ((v, w), b) in row.iter_mut().zip(&self.weight).zip(&self.bias) {
                *v = *v * scale * w + b;
            }
        }
    }
}

impl Embedder {
    /// Reads `model.safetensors` and `tokenizer.json` from `dir`.
    ///
    /// # Errors
    /// When a file is missing, unreadable or another model.
    pub fn load(dir: &Path) -> Result<Self, EmbedError> {
        let weights = checked(dir, "model.safetensors", WEIGHTS_BYTES_MAX)?;
        let tokenizer_file = checked(dir, "tokenizer.json", TOKENIZER_BYTES_MAX)?;
        let mut tokenizer =
            Tokenizer::from_file(tokenizer_file).map_err(|_| EmbedError::Tokenizer("cannot be read"))?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(Some(TruncationParams {
                max_length: TOKENS_MAX,
                ..TruncationParams::default()
            }))
            .map_err(|_| EmbedError::Tokenizer("cannot cut texts"))?;

        let all = candle_core::safetensors::load(weights, &Device::Cpu).map_err(EmbedError::Weights)?;
        let weights = Weights(all);
        let mut positions =
            weights.values("embeddings.position_embeddings.weight", &[POSITIONS, DIMENSIONS])?;
        let types = weights.values("embeddings.token_type_embeddings.weight", &[2, DIMENSIONS])?;
        for row in positions.chunks_exact_mut(DIMENSIONS) {
            add(row, &types[..DIMENSIONS]);
        }
        let layers = (0..LAYERS)
            .map(|i| {
                let at = |s: &str| format!("encoder.layer.{i}.{s}");
                Ok(Layer {
                    qkv: weights.linear(
                        &["query", "key", "value"].map(|n| at(&format!("attention.self.{n}"))),
                        DIMENSIONS,
                        DIMENSIONS,
                    )?,
                    attention_out: weights.linear(&[at("attention.output.dense")], DIMENSIONS, DIMENSIONS)?,
                    attention_norm: weights.norm(&at("attention.output.LayerNorm"))?,
                    up: weights.linear(&[at("intermediate.dense")], INNER, DIMENSIONS)?,
                    down: weights.linear(&[at("output.dense")], DIMENSIONS, INNER)?,
                    norm: weights.norm(&at("output.LayerNorm"))?,
                })
            })
            .collect::<Result<_, EmbedError>>()?;
        Ok(Self(Arc::new(Inner {
            arch: Arch::new(),
            tokenizer,
            words: weights.values("embeddings.word_embeddings.weight", &[WORDS, DIMENSIONS])?,
            positions,
            norm: weights.norm("embeddings.LayerNorm")?,
            layers,
        })))
    }

    /// The embedding of a text: [`DIMENSIONS`] values of unit length. An empty text has one too.
    ///
    /// # Errors
    /// When the tokenizer or the network fails.
    pub fn embed(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        let encoding = self
            .0
            .tokenizer
            .encode_fast(text, true)
            .map_err(|_| EmbedError::Tokenizer("refused the text"))?;
        self.0.forward(encoding.get_ids())
    }

    /// The embeddings of several texts, in order. They go through one after another: see the module.
    ///
    /// # Errors
    /// When the tokenizer or the network fails.
    pub fn embed_batch<S: AsRef<str>>(&self, texts: &[S]) -> Result<Vec<Vec<f32>>, EmbedError> {
        texts.iter().map(|t| self.embed(t.as_ref())).collect()
    }
}

impl Inner {
    fn forward(&self, ids: &[u32]) -> Result<Vec<f32>, EmbedError> {
        let mut x = Vec::with_capacity(ids.len() * DIMENSIONS);
        for (id, position) in ids.iter().zip(self.positions.chunks_exact(DIMENSIONS)) {
            let at = *id as usize * DIMENSIONS;
            let word = self
                .words
                .get(at..at + DIMENSIONS)
                .ok_or(EmbedError::Tokenizer("and the weights do not belong together"))?;
            x.extend(word.iter().zip(position).map(|(w, p)| w + p));
        }
        self.norm.apply(&mut x);
        let mut scratch = Scratch::new(ids.len());
        for layer in &self.layers {
            layer.apply(self.arch, &mut x, &mut scratch);
        }
        let mut mean = vec![0.0; DIMENSIONS];
        for row in x.chunks_exact(DIMENSIONS) {
            add(&mut mean, row);
        }
        // Dividing by the number of tokens would be undone by this.
        let length = dot(&mean, &mean).sqrt().max(1e-12);
        mean.iter_mut().for_each(|v| *v /= length);
        Ok(mean)
    }
}

/// What the layers write into, one after another.
struct Scratch {
    tokens: usize,
    qkv: Vec<f32>,
    context: Vec<f32>,
    out: Vec<f32>,
    inner: Vec<f32>,
    scores: Vec<f32>,
}

impl Scratch {
    fn new(tokens: usize) -> Self {
        Self {
            tokens,
            qkv: vec![0.0; tokens * 3 * DIMENSIONS],
            context: vec![0.0; tokens * DIMENSIONS],
            out: vec![0.0; tokens * DIMENSIONS],
            inner: vec![0.0; tokens * INNER],
            scores: vec![0.0; tokens],
        }
    }
}

impl Layer {
    fn apply(&self, arch: Arch, x: &mut [f32], s: &mut Scratch) {
        let n = s.tokens;
        self.qkv.apply(arch, x, DIMENSIONS, n, &mut s.qkv, 3 * DIMENSIONS);
        attend(s);
        self.attention_out
            .apply(arch, &s.context, DIMENSIONS, n, &mut s.out, DIMENSIONS);
        add(x, &s.out);
        self.attention_norm.apply(x);
        self.up.apply(arch, x, DIMENSIONS, n, &mut s.inner, INNER);
        s.inner.iter_mut().for_each(|v| *v = gelu(*v));
        self.down.apply(arch, &s.inner, INNER, n, &mut s.out, DIMENSIONS);
        add(x, &s.out);
        self.norm.apply(x);
    }
}

/// Scaled dot-product attention, head by head; every token sees every other.
fn attend(s: &mut Scratch) {
    const ROW: usize = 3 * DIMENSIONS;
    let scale = 1.0 / (HEAD_DIM as f32).sqrt();
    s.context.fill(0.0);
    for head in 0..HEADS {
        let part = |qkv: &[f32], token: usize, which: usize| -> [f32; HEAD_DIM] {
            let at = token * ROW + which * DIMENSIONS + head * HEAD_DIM;
            std::array::from_fn(|i| qkv[at + i])
        };
        for token in 0..s.tokens {
            let query = part(&s.qkv, token, 0);
            let mut largest = f32::NEG_INFINITY;
            for (other, score) in s.scores.iter_mut().enumerate() {
                *score = dot(&query, &part(&s.qkv, other, 1)) * scale;
                largest = largest.max(*score);
            }
            let mut total = 0.0;
            for score in &mut s.scores {
                *score = (*score - largest).exp();
                total += *score;
            }
            let at = token * DIMENSIONS + head * HEAD_DIM;
            let out = &mut s.context[at..at + HEAD_DIM];
            for (other, score) in s.scores.iter().enumerate() {
                let weight = score / total;
                for (o, v) in out.iter_mut().zip(part(&s.qkv, other, 2)) {
                    *o += weight * v;
                }
            }
        }
    }
}

/// Sums in eight lanes, which is also kinder to the last digits than one running sum.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for i in 0..8 {
            lanes[i] += a[i] * b[i];
        }
    }
    lanes.iter().sum()
}

fn sum(a: &[f32]) -> f32 {
    let mut lanes = [0f32; 8];
    for a in a.as_chunks::<8>().0 {
        for i in 0..8 {
            lanes[i] += a[i];
        }
    }
    lanes.iter().sum()
}

fn add(to: &mut [f32], what: &[f32]) {
    for (t, w) in to.iter_mut().zip(what) {
        *t += w;
    }
}

/// `x * P(X <= x)`, with the error function of Abramowitz and Stegun 7.1.26: off by at most 1.5e-7.
#[inline]
fn gelu(x: f32) -> f32 {
    let z = (x * std::f32::consts::FRAC_1_SQRT_2).abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * z);
    let poly =
        t * (0.254_829_6 + t * (-0.284_496_74 + t * (1.421_413_7 + t * (-1.453_152 + t * 1.061_405_4))));
    let erf = 1.0 - poly * (-z * z).exp();
    0.5 * x * (1.0 + erf.copysign(x))
}

struct Weights(HashMap<String, Tensor>);

impl Weights {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, EmbedError> {
        self.0
            .get(name)
            .or_else(|| self.0.get(&format!("bert.{name}")))
            .filter(|t| t.dims() == shape)
            .and_then(|t| t.to_dtype(candle_core::DType::F32).ok())
            .ok_or_else(|| EmbedError::Shape(name.to_owned()))
    }
    fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>, EmbedError> {
        self.get(name, shape)?
            .flatten_all()
            .and_then(|t| t.to_vec1())
            .map_err(EmbedError::Weights)
    }
    fn norm(&self, name: &str) -> Result<Norm, EmbedError> {
        Ok(Norm {
            weight: self.values(&format!("{name}.weight"), &[DIMENSIONS])?,
            bias: self.values(&format!("{name}.bias"), &[DIMENSIONS])?,
        })
    }
    /// Several layers over the same input, stacked into one.
    fn linear(&self, names: &[String], out: usize, inp: usize) -> Result<Packed, EmbedError> {
        let (mut w, mut b) = (Vec::new(), Vec::new());
        for name in names {
            w.extend(self.values(&format!("{name}.weight"), &[out, inp])?);
            b.extend(self.values(&format!("{name}.bias"), &[out])?);
        }
        Ok(Packed::new(b.len(), inp, &b, |o, c| w[o * inp + c]))
    }
}

fn checked(dir: &Path, file: &'static str, bytes_max: u64) -> Result<PathBuf, EmbedError> {
    let path = dir.join(file);
    let meta = std::fs::metadata(&path).map_err(|_| EmbedError::Missing {
        file,
        dir: dir.to_owned(),
    })?;
    if meta.len() > bytes_max {
        return Err(EmbedError::TooLarge(file));
    }
    Ok(path)
}
