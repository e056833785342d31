//! HTTPS and WebSocket server: the page, the API, health and metrics.
//!
//! # Architecture invariants
//!
//! - The router is built from `anteroom_api::ROUTES`: a route without a row that says who may call it does not exist.
//! - Plain HTTP is served on loopback only; everything else is TLS.
//! - What arrives has a limit before it has a parser: connections, header time, body bytes, WebSocket frames, listeners.
//! - The log gets a method, a route pattern, a status, a duration and a trace: no query, no id, no body, no cookie.
//! - The crate knows no other adapter: what it serves comes through [`Engine`].

mod assets;
mod config;
mod desk;
mod engine;
mod error;
mod events;
mod guard;
mod handlers;
mod host;
mod limiter;
mod reply;
mod router;
mod server;
mod sessions;
mod signin;
mod sip;
mod tasks;
mod tls;
mod users;

pub use config::{Passcode, TlsMode, WebConfig, hash_passcode};
pub use engine::{Answer, Engine, SIP_QUEUE_MAX, SipPeer, SipSocket};
pub use error::{PasscodeError, WebStartError};
pub use server::{Bound, SignInLink, WebHandle, bind, check, serve};
