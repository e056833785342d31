//! A scripted caller with a telephone of its own: it rings over real SIP, speaks over real RTP, and listens.
//!
//! It is the caller of the demo, of the end-to-end tests and of the benchmarks. It knows nothing of the engine it
//! rings: what it reports is what a person at the other end of the line could have heard.

mod caller;
mod ear;

pub use anteroom_media::Codec;
pub use caller::{CallReport, CallerError, Phone, Script, Step, StepReport, clip, ring};
pub use ear::Ear;
