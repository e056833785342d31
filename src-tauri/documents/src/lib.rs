//! Turns documents a clinic already has into draft knowledge entries.
