//! The figures of `cargo xtask bench relay` and `delay`, in the form of the other benchmarks.

use serde_json::{Map, Value, json};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bench {
    Relay,
    Delay,
}

impl Bench {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "relay" => Some(Self::Relay),
            "delay" => Some(Self::Delay),
            _ => None,
        }
    }

    /// Pairs of calls: as many as show what a packet costs, or so few that nothing queues.
    pub(crate) const fn pairs(self) -> usize {
        match self {
            Self::Relay => 200,
            Self::Delay => 20,
        }
    }
}

/// The middle and the spread of a series; quantiles are of the measured values themselves.
fn spread(unit: &str, values: &[f64]) -> Value {
    let mut v = values.to_vec();
    v.sort_by(f64::total_cmp);
    let at = |percent: usize| v.get((v.len() * percent).div_ceil(100).max(1) - 1).copied();
    json!({
        "unit": unit, "n": v.len(), "min": at(0), "p25": at(25), "p50": at(50), "p75": at(75), "p95": at(95),
        "max": at(100),
    })
}

/// Processes that ran or waited for a core, the mean of the last minute.
pub(crate) fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

/// One object from all rounds. `run` is what the rounds gave.
pub(crate) fn report(bench: Bench, run: &Value, load_before: Option<f64>) -> Value {
    let series = |who: &str, what: &str| -> Vec<f64> {
        let rounds = run[who].as_array().map_or(&[][..], Vec::as_slice);
        rounds.iter().filter_map(|r| r[what].as_f64()).collect()
    };
    let (name, goal, unit, keys): (_, _, _, &[&str]) = match bench {
        Bench::Relay => (
            "relay",
            "bridged calls per core at under 0.1% loss: 1.5 times the peer's",
            "calls",
            &["pairs_per_core", "loss"],
        ),
        Bench::Delay => (
            "delay",
            "added media delay p99: at most 5 ms and half the peer's",
            "ms",
            &["delay_ms_p50", "delay_ms_p99", "loss"],
        ),
    };
    let mut figures = Map::new();
    for key in keys {
        let unit = if *key == "loss" { "share" } else { unit };
        let (ours, theirs) = (series("ours", key), series("rtpengine", key));
        let (a, b) = (spread(unit, &ours), spread(unit, &theirs));
        if let (Some(a), Some(b), false) = (a["p50"].as_f64(), b["p50"].as_f64(), *key == "loss") {
            figures.insert(format!("{key}_ratio"), json!((a / b * 1e4).round() / 1e4));
        }
        figures.insert((*key).to_owned(), a);
        if !theirs.is_empty() {
            figures.insert(format!("{key}_rtpengine"), b);
        }
    }
    figures.insert("calls_at_once".into(), run["pairs"].clone());
    json!({
        "name": name,
        "goal": goal,
        "figures": figures,
        "machine": {
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "load_before": load_before,
            "load_after": load(),
            "build": if cfg!(debug_assertions) { "dev profile (optimised as Cargo.toml says)" } else { "release profile" },
        },
        "versions": { "anteroom": env!("CARGO_PKG_VERSION"), "kamailio": run["versions"][0], "rtpengine": run["versions"][1] },
        "notes": [
            "PCMU over RTP on loopback, both ways, 50 packets a second each; the telephones are a process of their own.",
            "Processor time is of the relaying process alone, ours with all its tasks, rtpengine in userspace with its own; calls are put to it by Kamailio, which has nothing to do while they last.",
            "Nothing is recorded or transcribed on either side; the processor time per call falls as calls are added.",
        ],
    })
}

/// The same for people.
pub(crate) fn table(report: &Value) -> String {
    let mut out = format!(
        "{}: goal {}\n",
        report["name"].as_str().unwrap_or(""),
        report["goal"].as_str().unwrap_or("")
    );
    for part in ["figures", "machine", "versions"] {
        for (k, v) in report[part].as_object().into_iter().flatten() {
            let shown = v.get("p50").map_or_else(
                || v.to_string(),
                |p50| {
                    let unit = v["unit"].as_str().unwrap_or("");
                    format!(
                        "p50 {p50} {unit}   (least {}, most {}, n {})",
                        v["min"], v["max"], v["n"]
                    )
                },
            );
            out += &format!("  {k}: {shown}\n");
        }
    }
    for note in report["notes"].as_array().into_iter().flatten() {
        out += &format!("  note: {}\n", note.as_str().unwrap_or(""));
    }
    out
}
