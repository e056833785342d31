//! Call state machines: events in, effects out.
//!
//! # Architecture invariants
//!
//! This crate does no I/O, reads no clock and spawns nothing. It knows neither SIP nor RTP: the composition root
//! translates their events into [`Input`]s and carries out the [`Effect`]s. Every state holds only its own data, so
//! an effect that needs an answered call cannot be asked of one that is not.
//!
//! # How to drive it
//!
//! Call [`InboundCall::handle`] with one input, carry out every effect it returns in order, and call it again with
//! [`Input::Tick`] no later than [`InboundCall::next_timeout`]. Nothing else changes its state.

mod inbound;

pub use inbound::{Effect, InboundCall, InboundLimits, Input, RemoteEnd};
