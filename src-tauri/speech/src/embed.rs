//! Sentence embeddings: all-MiniLM-L6-v2 in candle, mean pooling, unit length.
//!
//! No padding and no attention mask: sentences go through one at a time, so that a short question costs what it is
//! long. Text past 256 tokens is cut, as the model's own configuration does.

use crate::kernel::{Arch, Packed};
use anteroom_types::{ErrorCode, UserFacing};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor};
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
    /// The forward pass failed.
    #[error("the embedding could not be computed")]
    Compute(#[source] candle_core::Error),
}

impl UserFacing for EmbedError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Missing { .. } => "embed.missing",
            Self::TooLarge(_) | Self::Weights(_) | Self::Shape(_) => "embed.corrupt",
            Self::Tokenizer(_) => "embed.tokenizer",
            Self::Compute(_) => "embed.compute",
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
    tokenizer: Tokenizer,
    words: Tensor,
    /// Position and the only token type's embedding, added once.
    positions: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

struct Layer {
    /// Query, key and value in one product.
    qkv: Linear,
    attention_out: Linear,
    attention_norm: Norm,
    up: Linear,
    down: Linear,
    norm: Norm,
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
}

impl Norm {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        candle_nn::ops::layer_norm(&x.contiguous()?, &self.weight, &self.bias, EPSILON)
    }
}

/// A dense layer whose weights are packed once, as an operation of candle's.
#[derive(Clone)]
struct Linear(Arc<Packed>);

impl Linear {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        x.contiguous()?.apply_op1_no_bwd(self)
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "packed-linear"
    }
    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (tokens, width) = layout.shape().dims2()?;
        let (from, to) = layout
            .contiguous_offsets()
            .ok_or_else(|| candle_core::Error::Msg("a contiguous input is expected".into()))?;
        let x = &storage.as_slice::<f32>()?[from..to];
        let rows = self.0.rows();
        let mut out = vec![0f32; tokens * rows];
        self.0.apply(Arch::new(), x, width, tokens, &mut out, rows, false);
        Ok((CpuStorage::F32(out), Shape::from((tokens, rows))))
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
        let positions = weights.get("embeddings.position_embeddings.weight", &[512, DIMENSIONS])?;
        let types = weights.get("embeddings.token_type_embeddings.weight", &[2, DIMENSIONS])?;
        let positions = types
            .narrow(0, 0, 1)
            .and_then(|t| positions.broadcast_add(&t))
            .map_err(EmbedError::Compute)?;
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
            tokenizer,
            words: weights.get("embeddings.word_embeddings.weight", &[30_522, DIMENSIONS])?,
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
        self.0.forward(encoding.get_ids()).map_err(EmbedError::Compute)
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
    fn forward(&self, ids: &[u32]) -> candle_core::Result<Vec<f32>> {
        let n = ids.len();
        let ids = Tensor::from_slice(ids, n, &Device::Cpu)?;
        let x = (self.words.index_select(&ids, 0)? + self.positions.narrow(0, 0, n)?)?;
        let mut x = self.norm.forward(&x)?;
        for layer in &self.layers {
            x = layer.forward(&x, n)?;
        }
        let mean = x.mean(0)?;
        let norm = mean.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?.max(1e-12);
        (mean / f64::from(norm))?.to_vec1()
    }
}

impl Layer {
    fn forward(&self, x: &Tensor, n: usize) -> candle_core::Result<Tensor> {
        // [n, 3, heads, dim] -> [3, heads, n, dim]
        let qkv = self
            .qkv
            .forward(x)?
            .reshape((n, 3, HEADS, HEAD_DIM))?
            .permute((1, 2, 0, 3))?
            .contiguous()?;
        let (q, k, v) = (qkv.get(0)?, qkv.get(1)?, qkv.get(2)?);
        let scores = (q.matmul(&k.t()?)? / (HEAD_DIM as f64).sqrt())?;
        let context = candle_nn::ops::softmax_last_dim(&scores)?.matmul(&v)?;
        let context = context.transpose(0, 1)?.reshape((n, DIMENSIONS))?;
        let x = self
            .attention_norm
            .forward(&(x + self.attention_out.forward(&context)?)?)?;
        let inner = self.up.forward(&x)?.gelu_erf()?;
        self.norm.forward(&(&x + self.down.forward(&inner)?)?)
    }
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
            .map_err(EmbedError::Compute)
    }
    fn norm(&self, name: &str) -> Result<Norm, EmbedError> {
        Ok(Norm {
            weight: self.get(&format!("{name}.weight"), &[DIMENSIONS])?,
            bias: self.get(&format!("{name}.bias"), &[DIMENSIONS])?,
        })
    }
    /// Several layers over the same input, stacked into one.
    fn linear(&self, names: &[String], out: usize, inp: usize) -> Result<Linear, EmbedError> {
        let (mut w, mut b) = (Vec::new(), Vec::new());
        for name in names {
            w.extend(self.values(&format!("{name}.weight"), &[out, inp])?);
            b.extend(self.values(&format!("{name}.bias"), &[out])?);
        }
        Ok(Linear(Arc::new(Packed::new(b.len(), inp, &b, |o, c| {
            w[o * inp + c]
        }))))
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
