//! Call state machines: events in, effects out.
//!
//! - [`InboundCall`]: the caller's own leg, from its INVITE to its last record.
//! - [`desk::DeskCall`]: everything with people in it: ringing, talking, hold, parking, transfers, queue, voicemail.
//!   It is made of [`leg::Leg`]s and one [`bridge::Bridge`].
//! - [`queue::Queue`] and [`parking::ParkingLot`]: what calls share.
//! - [`dial::permit`] and [`automation::when_switched_off`]: decisions without a state of their own.
//!
//! # Architecture invariants
//!
//! This crate does no I/O, reads no clock and spawns nothing. It knows neither SIP nor RTP: the composition root
//! translates their events into inputs and carries out the effects. Every state holds only its own data, so
//! an effect that needs an answered call cannot be asked of one that is not.
//!
//! # How to drive it
//!
//! Call a machine's `handle` with one input, carry out every effect it returns in order, and call it again with
//! `Tick` no later than its `next_timeout`. Nothing else changes its state.

pub mod automation;
pub mod bridge;
pub mod desk;
pub mod dial;
mod inbound;
pub mod leg;
pub mod parking;
pub mod party;
pub mod queue;
pub mod ring;
pub mod scene;
pub mod voicemail;

pub use inbound::{Effect, InboundCall, InboundLimits, Input, RemoteEnd};
