//! Composition root: feeds events, runs effects, owns tasks and queues.
