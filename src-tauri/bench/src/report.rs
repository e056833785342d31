//! What was measured, for people and for scripts.

use serde::Serialize;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// The middle and the spread of a series. Quantiles are of the measured values themselves, never in between.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Spread {
    /// `ms`, `us`, `KiB`, …
    pub(crate) unit: &'static str,
    pub(crate) n: usize,
    pub(crate) min: f64,
    pub(crate) p25: f64,
    pub(crate) p50: f64,
    pub(crate) p75: f64,
    pub(crate) p95: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one value; an empty series has no figures, only NaN, which JSON shows as null.
    pub(crate) fn of(unit: &'static str, values: &[f64]) -> Self {
        let mut v = values.to_vec();
        v.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (v.len() * percent).div_ceil(100).max(1) - 1;
            v.get(rank).copied().unwrap_or(f64::NAN)
        };
        Self {
            unit,
            n: v.len(),
            min: at(0),
            p25: at(25),
            p50: at(50),
            p75: at(75),
            p95: at(95),
            max: at(100),
        }
    }
}

/// One benchmark's figures, in the order in which they are shown.
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    goal: &'static str,
    figures: Vec<(String, Value)>,
    versions: Vec<(String, String)>,
    notes: Vec<String>,
    load_before: Option<f64>,
}

impl Report {
    pub(crate) fn new(name: &'static str, goal: &'static str) -> Self {
        Self {
            name,
            goal,
            figures: Vec::new(),
            versions: vec![("anteroom".into(), env!("CARGO_PKG_VERSION").into())],
            notes: Vec::new(),
            load_before: load(),
        }
    }
    pub(crate) fn spread(&mut self, key: &str, unit: &'static str, values: &[f64]) -> Spread {
        let s = Spread::of(unit, values);
        self.set(key, &s);
        s
    }
    pub(crate) fn set(&mut self, key: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or(Value::Null);
        self.figures.push((key.into(), value));
    }
    /// A number, rounded to what can be meant.
    pub(crate) fn number(&mut self, key: &str, value: f64) {
        self.set(key, (value * 10_000.0).round() / 10_000.0);
    }
    pub(crate) fn version(&mut self, of: impl Into<String>, version: impl Into<String>) {
        self.versions.push((of.into(), version.into()));
    }
    pub(crate) fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn machine(&self) -> Value {
        json!({
            "cpu": field("/proc/cpuinfo", "model name"),
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "memory": field("/proc/meminfo", "MemTotal"),
            "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease").map(|s| s.trim().to_owned()).ok(),
            "load_before": self.load_before,
            "load_after": load(),
            "build": if cfg!(debug_assertions) { "dev profile (optimised as Cargo.toml says)" } else { "release profile" },
        })
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name,
            "goal": self.goal,
            "figures": self.figures.iter().cloned().collect::<Map<_, _>>(),
            "machine": self.machine(),
            "versions": self.versions.iter().cloned().map(|(k, v)| (k, Value::from(v))).collect::<Map<_, _>>(),
            "notes": self.notes,
        })
    }

    pub(crate) fn table(&self) -> String {
        let mut out = format!("{}: goal {}\n", self.name, self.goal);
        let width = self.figures.iter().map(|(k, _)| k.len()).max().unwrap_or(0);
        for (key, value) in &self.figures {
            let shown = match value {
                Value::Object(s) if s.contains_key("p50") => {
                    let f = |k: &str| s.get(k).and_then(Value::as_f64).map_or_else(|| "-".into(), short);
                    let unit = s.get("unit").and_then(Value::as_str).unwrap_or("");
                    let n = s.get("n").and_then(Value::as_u64).unwrap_or(0);
                    format!(
                        "p50 {} {unit}   p95 {}   (quartiles {} to {}, least {}, most {}, n {n})",
                        f("p50"),
                        f("p95"),
                        f("p25"),
                        f("p75"),
                        f("min"),
                        f("max"),
                    )
                }
                Value::String(s) => s.clone(),
                Value::Number(n) => n.as_f64().map_or_else(|| n.to_string(), short),
                Value::Array(items) => {
                    let items: Vec<_> = items
                        .iter()
                        .map(|i| i.as_f64().map_or_else(|| i.to_string(), short))
                        .collect();
                    items.join("\n    ")
                }
                other => other.to_string(),
            };
            let _ = writeln!(out, "  {key:width$}  {shown}");
        }
        for (of, version) in &self.versions {
            let _ = writeln!(out, "  {of} {version}");
        }
        if let Value::Object(machine) = self.machine() {
            for (k, v) in machine {
                let v = v.as_str().map_or_else(|| v.to_string(), str::to_owned);
                let _ = writeln!(out, "  {k}: {v}");
            }
        }
        for note in &self.notes {
            let _ = writeln!(out, "  note: {note}");
        }
        out
    }
}

fn short(v: f64) -> String {
    let digits = match v.abs() {
        a if a >= 100.0 || a.fract() == 0.0 => 0,
        a if a >= 1.0 => 2,
        _ => 4,
    };
    format!("{v:.digits$}")
}

/// The value of a `name : value` line of a file of the kernel's.
fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|l| l.starts_with(name))?;
    line.split_once(':').map(|(_, v)| v.trim().to_owned())
}

/// Processes that ran or waited for a core, the mean of the last minute.
fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_measured_values() {
        let v: Vec<f64> = (1..=20).map(f64::from).rev().collect();
        let s = Spread::of("ms", &v);
        assert_eq!((s.n, s.min, s.p50, s.p95, s.max), (20, 1.0, 10.0, 19.0, 20.0));
        assert_eq!((s.p25, s.p75), (5.0, 15.0));
        let one = Spread::of("ms", &[7.0]);
        assert_eq!((one.min, one.p50, one.max), (7.0, 7.0, 7.0));
        assert!(Spread::of("ms", &[]).p50.is_nan());
    }

    #[test]
    fn a_report_is_one_object_and_a_table() {
        let mut r = Report::new("vad", "fast");
        r.spread("ours", "us", &[1.0, 2.0, 3.0]);
        r.number("ratio", 0.333_333_3);
        r.note("busy");
        let j = r.json();
        assert_eq!(j["figures"]["ours"]["p50"], 2.0);
        assert_eq!(j["figures"]["ratio"], 0.3333);
        assert!(j["machine"]["cores"].as_u64().is_some_and(|c| c >= 1));
        let t = r.table();
        assert!(
            t.contains("p50 2 us") && t.contains("0.3333") && t.contains("note: busy"),
            "{t}"
        );
    }
}
