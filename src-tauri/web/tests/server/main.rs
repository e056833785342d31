//! The server over real sockets, with an engine driven by hand.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    unreachable_pub,
    dead_code,
    reason = "a test; the engine is shared with an example"
)]

mod access;
mod client;
mod desk;
mod fake;
mod limits;
mod live;
mod log;
mod origin;
mod sign_in;
mod sip;
mod start;
mod tasks;
mod users;
