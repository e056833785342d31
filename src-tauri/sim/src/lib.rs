//! Fake clock, seeded lossy network and scripted callers.
