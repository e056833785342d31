//! Turn taking, safety gate, intents, policy and the conversation.
//!
//! # Architecture invariants
//!
//! This crate does no I/O, reads no clock, draws no random number and spawns nothing: events and the time go in,
//! effects come out. No text generator is in it: what is said is an approved entry's answer, a script of the
//! clinic's policy, or a read-back of what the caller gave.

pub mod card;
pub mod conversation;
mod data;
pub mod details;
pub mod gate;
pub mod hours;
pub mod intents;
pub mod policy;
pub mod question;
pub mod search;
#[cfg(test)]
mod tests_rng;
pub mod text;
pub mod turn;
