//! Prometheus metrics. No label holds anything a caller said or is called by.

use anteroom_sip::SipCounters;
use anteroom_types::{Decision, EndReason};
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::fmt::Write as _;

/// A label value that is a snake_case enum of the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Word(String);

impl Word {
    fn of(value: &impl serde::Serialize) -> Self {
        let v = serde_json::to_value(value).unwrap_or_default();
        Self(v.as_str().unwrap_or("other").to_owned())
    }
}

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        encoder.write_str(&self.0)
    }
}

/// One label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    reason: Word,
}

/// Everything counted and measured.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Calls admitted.
    pub calls_offered: Counter,
    /// Calls refused for want of room, or because nothing could be spoken.
    pub calls_refused: Counter,
    /// Calls in progress.
    pub calls_up: Gauge,
    ended: Family<Reason, Counter>,
    decisions: Family<Reason, Counter>,
    /// INVITE to first audio of the greeting.
    pub answer_seconds: Histogram,
    /// End of the caller's speech to first audio of what is said to it.
    pub turn_seconds: Histogram,
    /// Decoding of one utterance.
    pub decode_seconds: Histogram,
    /// Watchdogs that fired.
    pub watchdogs: Counter,
    /// Events that wait to be written.
    pub events_waiting: Gauge,
    /// Writes that failed and are tried again.
    pub write_failures: Counter,
    /// Legs that are heard badly.
    pub poor_legs: Counter,
    /// Audio frames that a call was too slow to take.
    pub frames_dropped: Counter,
    sip: Family<What, Gauge>,
}

/// Which of the SIP layer's counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct What {
    what: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut r = Registry::with_prefix("anteroom");
        let seconds = || Histogram::new(exponential_buckets(0.05, 1.5, 14));
        let m = Self {
            calls_offered: Counter::default(),
            calls_refused: Counter::default(),
            calls_up: Gauge::default(),
            ended: Family::default(),
            decisions: Family::default(),
            answer_seconds: seconds(),
            turn_seconds: seconds(),
            decode_seconds: seconds(),
            watchdogs: Counter::default(),
            events_waiting: Gauge::default(),
            write_failures: Counter::default(),
            poor_legs: Counter::default(),
            frames_dropped: Counter::default(),
            sip: Family::default(),
            registry: Registry::default(),
        };
        r.register("calls_offered", "Calls admitted", m.calls_offered.clone());
        r.register("calls_refused", "Calls refused", m.calls_refused.clone());
        r.register("calls_up", "Calls in progress", m.calls_up.clone());
        r.register("calls_ended", "Calls ended, by reason", m.ended.clone());
        r.register("decisions", "Decisions about turns", m.decisions.clone());
        let s = |r: &mut Registry, name, help, h: &Histogram| {
            r.register_with_unit(name, help, Unit::Seconds, h.clone());
        };
        s(
            &mut r,
            "answer",
            "INVITE to first audio of the greeting",
            &m.answer_seconds,
        );
        s(
            &mut r,
            "turn",
            "End of the caller's speech to first audio of the answer",
            &m.turn_seconds,
        );
        s(&mut r, "decode", "Decoding of one utterance", &m.decode_seconds);
        r.register("poor_legs", "Legs that were heard badly", m.poor_legs.clone());
        r.register("watchdogs", "Watchdogs that fired", m.watchdogs.clone());
        r.register(
            "events_waiting",
            "Events that wait to be written",
            m.events_waiting.clone(),
        );
        r.register(
            "write_failures",
            "Writes that failed and are tried again",
            m.write_failures.clone(),
        );
        r.register(
            "sip",
            "Counts and gauges of the SIP layer since the start",
            m.sip.clone(),
        );
        r.register(
            "frames_dropped",
            "Audio frames dropped under load",
            m.frames_dropped.clone(),
        );
        Self { registry: r, ..m }
    }
}

impl Metrics {
    /// Counts the end of a call.
    pub(crate) fn ended(&self, reason: EndReason) {
        self.ended
            .get_or_create(&Reason {
                reason: Word::of(&reason),
            })
            .inc();
    }
    /// Counts a decision.
    pub(crate) fn decided(&self, decision: Decision) {
        self.decisions
            .get_or_create(&Reason {
                reason: Word::of(&decision),
            })
            .inc();
    }
    /// Takes over what the SIP layer counts.
    pub(crate) fn sip(&self, c: &SipCounters) {
        let counts = [
            ("messages_in", c.messages_in),
            ("messages_out", c.messages_out),
            ("malformed", c.malformed),
            ("dropped", c.dropped),
            ("refused_full", c.refused_full),
            ("refused_unknown", c.refused_unknown),
            ("rate_limited", c.rate_limited),
            ("auth_failed", c.auth_failed),
            ("bans", c.bans),
            ("banned_dropped", c.banned_dropped),
            ("contacts", c.contacts),
            ("events_dropped", c.events_dropped),
            ("transactions", c.transactions),
            ("connections", c.connections),
        ];
        for (what, n) in counts {
            self.sip
                .get_or_create(&What { what })
                .set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
    /// The text a Prometheus server reads.
    #[must_use]
    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        if encode(&mut out, &self.registry).is_err() {
            let _ = writeln!(out, "# metrics could not be written");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered() {
        let m = Metrics::default();
        m.ended(EndReason::CallerHungUp);
        m.decided(Decision::Escalate);
        m.sip(&SipCounters {
            rate_limited: 7,
            ..SipCounters::default()
        });
        m.turn_seconds.observe(0.4);
        let text = m.render();
        for line in [
            "anteroom_calls_ended_total{reason=\"caller_hung_up\"} 1",
            "anteroom_decisions_total{reason=\"escalate\"} 1",
            "anteroom_turn_seconds_count 1",
            "anteroom_sip{what=\"rate_limited\"} 7",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
