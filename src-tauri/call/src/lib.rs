//! Leg and call state machines: events in, effects out. Pure.
