//! The record of a call, as the API and `anteroom calls show --json` give it.

use serde_json::Value;
use std::path::Path;

/// Everything about one call.
pub struct Record(pub Value);

impl Record {
    /// The record of a call in a data folder that no appliance runs on.
    pub fn read(dir: &Path, id: &str) -> Self {
        Self(super::json_lines(dir, &["calls", "show", id, "--json"]).remove(0))
    }

    /// The events of one kind, in order.
    pub fn events(&self, kind: &str) -> Vec<&Value> {
        let all = self.0["events"].as_array().expect("events");
        let kinds = all.iter().map(|e| &e["kind"]);
        kinds.filter(|k| k["type"] == kind).collect()
    }

    pub fn has(&self, kind: &str) -> bool {
        !self.events(kind).is_empty()
    }

    /// What the caller was understood to say.
    pub fn heard(&self) -> Vec<&str> {
        let heard = self.events("heard").into_iter();
        heard.map(|k| k["text"].as_str().expect("text")).collect()
    }

    /// The entries that were spoken.
    pub fn entries(&self) -> Vec<&str> {
        let said = self.events("said").into_iter();
        said.filter_map(|k| k["entry"]["id"].as_str()).collect()
    }

    pub fn summary(&self) -> &Value {
        &self.0["summary"]
    }

    /// Place of the first event that fulfils something.
    pub fn position(&self, holds: impl Fn(&Value) -> bool) -> Option<usize> {
        let all = self.0["events"].as_array().expect("events");
        all.iter().position(|e| holds(&e["kind"]))
    }

    /// The events, a line each, for a failure's message.
    pub fn story(&self) -> String {
        let all = self.0["events"].as_array().expect("events");
        let lines = all.iter().map(|e| format!("{} {}", e["mono"], e["kind"]));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// Words without case and punctuation, for comparing transcripts.
pub fn words(text: &str) -> Vec<String> {
    let plain = |w: &str| {
        let letters = w.chars().filter(|c| c.is_alphanumeric());
        letters.flat_map(char::to_lowercase).collect::<String>()
    };
    text.split_whitespace()
        .map(plain)
        .filter(|w| !w.is_empty())
        .collect()
}
