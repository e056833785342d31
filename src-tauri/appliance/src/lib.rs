//! The composition root: feeds events, runs effects, owns tasks and queues.
//!
//! # Architecture invariants
//!
//! This is the only crate that knows every adapter, and the only one of ours that reads clocks and draws random numbers
//! for the pure crates. It holds no rule of telephony, of conversation or of storage: those are in the crates below.
//!
//! | queue | bound | when full |
//! |---|---|---|
//! | SIP events | 1,024 | new calls get 503 |
//! | events of a leg | 64 | the leg's further events are dropped and logged |
//! | events to write | 4,096 | a call waits before it goes on; its audio does not |
//! | what the device at this machine is told | 64 | it is not rung |
//! | live events | 1,024 | a screen that lags gets a new snapshot |
//! | frames to record | 100 (2 s) | frames are left out of the recording and counted |

mod alarm;
mod assets;
pub mod automation;
mod board;
mod bus;
mod call;
pub mod check;
mod clinic;
mod clock;
mod concerns;
mod config;
mod convert;
mod desk;
mod desktop;
mod engine;
pub mod knowledge;
pub mod logging;
mod metrics;
mod place;
pub mod records;
mod ring;
mod screens;
mod speech;
mod start;
pub mod tasks;
pub mod tools;
pub mod users;

pub use anteroom_media::LocalAudio;
pub use assets::{DEMO_CALLS, demo_call, knowledge as sample_knowledge};
pub use clinic::{Clinic, ClinicError};
pub use clock::Clock;
pub use concerns::Concern;
pub use config::{Config, ConfigError};
pub use desktop::{Desktop, DesktopEnd, DesktopError, DesktopEvent, Rings};
pub use engine::Engine;
pub use place::Place;
pub use speech::{Need, SpeechError, SpeechStack};
pub use start::{StartError, open_store, open_store_to_read};
