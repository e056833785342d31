//! The clinic's policy: switches, limits and scripts, as data.
//!
//! A file is refused as a whole when anything in it is unknown, missing or out of range; the error names the line and
//! what to do. What is said comes from here or from an approved entry, never from code.

mod scripts;

pub use scripts::{Script, Scripts};

use crate::data::line_of;
use anteroom_types::event::TaskKind;
use anteroom_types::{ErrorCode, UserFacing};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Bytes a policy file may have.
const POLICY_BYTES_MAX: usize = 256 * 1024;
/// Characters one script may have.
const SCRIPT_CHARS_MAX: usize = 1_000;

/// How often things may be tried, and how long they may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How often in a row the caller is asked to say a question differently.
    pub clarify_max: u32,
    /// How often one detail is asked for before a person takes over.
    pub detail_tries_max: u32,
    /// How often nothing may be heard in a row before the keypad menu, and again before goodbye.
    pub nothing_heard_max: u32,
    /// Milliseconds a search may take before the question counts as unknown.
    pub lookup_ms_max: u64,
    /// Milliseconds after which a call that is handed over counts as not taken though the desk has not said so; at the
    /// least as long as the desk rings.
    pub handover_ms_max: u64,
    /// Milliseconds after the last key when the digits so far are taken.
    pub keypad_pause_ms: u64,
    /// Milliseconds a goodbye may take before the call is hung up regardless.
    pub goodbye_ms_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clarify_max: 1,
            detail_tries_max: 3,
            nothing_heard_max: 3,
            lookup_ms_max: 3_000,
            handover_ms_max: 55_000,
            keypad_pause_ms: 5_000,
            goodbye_ms_max: 30_000,
        }
    }
}

/// Minutes until a task of each kind is due.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Due {
    /// An emergency.
    pub urgent_minutes: u32,
    /// A callback.
    pub callback_minutes: u32,
    /// An appointment request.
    pub appointment_minutes: u32,
    /// A prescription request.
    pub prescription_minutes: u32,
    /// A question nobody had an answer to.
    pub question_minutes: u32,
    /// A message.
    pub voicemail_minutes: u32,
}

impl Default for Due {
    fn default() -> Self {
        Self {
            urgent_minutes: 5,
            callback_minutes: 120,
            appointment_minutes: 240,
            prescription_minutes: 480,
            question_minutes: 240,
            voicemail_minutes: 240,
        }
    }
}

impl Due {
    /// Milliseconds until a task of `kind` is due.
    #[must_use]
    pub fn ms(&self, kind: TaskKind) -> u64 {
        let minutes = match kind {
            TaskKind::Urgent => self.urgent_minutes,
            TaskKind::Callback => self.callback_minutes,
            TaskKind::Appointment => self.appointment_minutes,
            TaskKind::Prescription => self.prescription_minutes,
            TaskKind::Question => self.question_minutes,
            TaskKind::Voicemail => self.voicemail_minutes,
        };
        u64::from(minutes) * 60_000
    }
}

/// A clinic's policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Kept with every decision.
    pub version: String,
    /// The clinic's name, as it is said.
    pub clinic: String,
    /// The language spoken unless another is asked for; its scripts must be complete.
    pub language: String,
    /// Confidence below which a recognised intent is not acted on, 0 to 1.
    #[serde(default = "default_intent_threshold")]
    pub intent_threshold: f32,
    /// When a search's result is spoken.
    #[serde(default)]
    pub search: SearchThresholds,
    /// Limits.
    #[serde(default)]
    pub limits: Limits,
    /// When tasks are due.
    #[serde(default)]
    pub due: Due,
    /// Switches by intent: an intent that is off goes to a person. Intents not named are on.
    #[serde(default)]
    pub intents: BTreeMap<String, bool>,
    /// The scripts by language.
    pub scripts: BTreeMap<String, Scripts>,
}

/// Thresholds of the search that a clinic may raise over the calibration's own; lower ones have no effect.
#[derive(Debug, Clone, PartialEq, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct SearchThresholds {
    /// Least confidence of a spoken answer, 0 to 1.
    pub threshold_min: f32,
    /// Least lead over the runner-up, 0 to 1.
    pub margin_min: f32,
}

const fn default_intent_threshold() -> f32 {
    0.6
}

/// A policy file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It is too long.
    #[error("the policy is longer than {POLICY_BYTES_MAX} bytes")]
    TooLong,
    /// It does not parse, lacks something or holds something unknown.
    #[error("policy, line {line}: {message}")]
    Invalid {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
}

impl UserFacing for PolicyError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooLong => "policy.too_long",
            Self::Invalid { .. } => "policy.invalid",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::TooLong => {
                "Keep the policy to its switches and scripts; knowledge belongs in entries.".to_owned()
            }
            Self::Invalid { line, .. } => {
                format!("Correct line {line} of policy.toml and start again: nothing of it is used before.")
            }
        }
    }
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// When it is too long, does not parse, holds an unknown key or placeholder, lacks a script, or a figure is out of
    /// range.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        if text.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLong);
        }
        let policy: Self = toml::from_str(text).map_err(|e| PolicyError::Invalid {
            line: line_of(text, e.span().map_or(0, |s| s.start)),
            message: e.message().trim().to_owned(),
        })?;
        policy.check(text)?;
        Ok(policy)
    }

    fn check(&self, text: &str) -> Result<(), PolicyError> {
        let invalid = |needle: &str, message: String| PolicyError::Invalid {
            line: text
                .lines()
                .position(|l| l.split('=').next().is_some_and(|key| key.trim() == needle))
                .map_or(1, |i| i + 1),
            message,
        };
        let unit = |name: &str, v: f32| {
            if (0.0..=1.0).contains(&v) {
                Ok(())
            } else {
                Err(invalid(name, format!("{name} must be from 0 to 1")))
            }
        };
        unit("intent_threshold", self.intent_threshold)?;
        unit("threshold_min", self.search.threshold_min)?;
        unit("margin_min", self.search.margin_min)?;
        for (name, v, range) in [
            ("clarify_max", u64::from(self.limits.clarify_max), 0..=5),
            (
                "detail_tries_max",
                u64::from(self.limits.detail_tries_max),
                1..=10,
            ),
            (
                "nothing_heard_max",
                u64::from(self.limits.nothing_heard_max),
                1..=10,
            ),
            ("lookup_ms_max", self.limits.lookup_ms_max, 100..=10_000),
            ("handover_ms_max", self.limits.handover_ms_max, 5_000..=300_000),
            ("keypad_pause_ms", self.limits.keypad_pause_ms, 1_000..=30_000),
            ("goodbye_ms_max", self.limits.goodbye_ms_max, 5_000..=120_000),
        ] {
            if !range.contains(&v) {
                return Err(invalid(
                    name,
                    format!("{name} must be from {} to {}", range.start(), range.end()),
                ));
            }
        }
        if !self.scripts.contains_key(&self.language) {
            return Err(invalid(
                "language",
                format!(
                    "there is no [scripts.{}]: write the scripts of the language named here",
                    self.language
                ),
            ));
        }
        for scripts in self.scripts.values() {
            for script in Script::ALL {
                let words = scripts.get(*script);
                if words.trim().is_empty() {
                    return Err(invalid(
                        script.name(),
                        format!("the script {} is empty", script.name()),
                    ));
                }
                if words.chars().count() > SCRIPT_CHARS_MAX {
                    return Err(invalid(
                        script.name(),
                        format!(
                            "the script {} is longer than {SCRIPT_CHARS_MAX} characters",
                            script.name()
                        ),
                    ));
                }
                if let Some(bad) = placeholders(words).find(|p| !script.placeholders().contains(p)) {
                    return Err(invalid(
                        script.name(),
                        format!(
                            "the script {} has no {{{bad}}}; it may use: {}",
                            script.name(),
                            script.placeholders().join(", ")
                        ),
                    ));
                }
                if let Some(lacks) = script
                    .required()
                    .iter()
                    .find(|p| !placeholders(words).any(|q| q == **p))
                {
                    return Err(invalid(
                        script.name(),
                        format!("the script {} must say {{{lacks}}}", script.name()),
                    ));
                }
            }
        }
        Ok(())
    }

    /// Whether an intent may be acted on.
    #[must_use]
    pub fn intent_on(&self, intent: &str) -> bool {
        self.intents.get(intent).copied().unwrap_or(true)
    }

    /// The language spoken when `wanted` is asked for: itself, its base language, or the policy's own.
    #[must_use]
    pub fn speak(&self, wanted: &str) -> &str {
        self.scripts_for(wanted).unwrap_or(&self.language)
    }

    /// The language of the scripts there are for `wanted`: itself or its base language, however either is written.
    #[must_use]
    pub fn scripts_for(&self, wanted: &str) -> Option<&str> {
        let base = wanted.split(['-', '_']).next().unwrap_or(wanted);
        let same = |a: &str, b: &str| a.replace('_', "-").eq_ignore_ascii_case(&b.replace('_', "-"));
        let tags = || self.scripts.keys().map(String::as_str);
        let exact = |wanted: &str| tags().find(|tag| same(tag, wanted));
        exact(wanted).or_else(|| exact(base))
    }

    /// The words of `script` in `language`, its placeholders replaced from `values`.
    #[must_use]
    pub fn say(&self, language: &str, script: Script, values: &[(&str, &str)]) -> String {
        let Some(scripts) = self.scripts.get(self.speak(language)) else {
            return String::new();
        };
        fill(scripts.get(script), &|name| {
            if name == "clinic" {
                return Some(self.clinic.as_str());
            }
            values.iter().find(|(n, _)| *n == name).map(|(_, v)| *v)
        })
    }

    /// The words of `script` sentence by sentence, the first apart from the rest: at most two parts. The emergency
    /// script is said so, since only its first sentence may not be interrupted.
    #[must_use]
    pub fn sentences(&self, language: &str, script: Script) -> Vec<String> {
        let all = self.say(language, script, &[]);
        match all
            .find(['.', '!', '?'])
            .and_then(|i| all.split_at_checked(i + 1))
        {
            Some((first, rest)) if !rest.trim().is_empty() => vec![first.to_owned(), rest.trim().to_owned()],
            _ => vec![all],
        }
    }

    /// Every script without placeholders of its own, in its final words and the parts it is said in: what can be
    /// rendered ahead of a call.
    #[must_use]
    pub fn fixed_prompts(&self, language: &str) -> Vec<(Script, String)> {
        let fixed = Script::ALL
            .iter()
            .filter(|s| s.placeholders().iter().all(|p| *p == "clinic"));
        fixed
            .flat_map(|s| {
                let parts = match s {
                    Script::Emergency => self.sentences(language, *s),
                    _ => vec![self.say(language, *s, &[])],
                };
                parts.into_iter().map(|p| (*s, p))
            })
            .collect()
    }
}

fn placeholders(words: &str) -> impl Iterator<Item = &str> {
    words
        .split('{')
        .skip(1)
        .map(|rest| rest.split_once('}').map_or(rest, |(name, _)| name))
}

fn fill<'v>(words: &str, value: &dyn Fn(&str) -> Option<&'v str>) -> String {
    let mut out = String::with_capacity(words.len());
    let mut rest = words;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let (name, tail) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(value(name).unwrap_or(""));
        rest = tail;
    }
    out.push_str(rest);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = include_str!("../../../assets/clinic/policy.toml");

    #[test]
    fn the_sample_is_good() {
        let p = Policy::parse(SAMPLE).unwrap();
        assert!(
            p.clinic.contains("sample clinic"),
            "nobody may take it for a real one"
        );
        let greeting = p.say("en-GB", Script::Greeting, &[]);
        assert!(
            greeting.contains(&p.clinic) && !greeting.contains('{'),
            "{greeting}"
        );
        assert!(p.fixed_prompts("en").iter().any(|(s, _)| *s == Script::Emergency));
        assert!(p.intent_on("book") && p.intent_on("anything"));
    }

    #[track_caller]
    fn check(from: &str, to: &str, part: &str) {
        assert!(SAMPLE.contains(from), "{from}");
        let text = SAMPLE.replacen(from, to, 1);
        let Err(PolicyError::Invalid { line, message }) = Policy::parse(&text) else {
            panic!("{to} was taken");
        };
        assert!(message.contains(part), "{message}");
        let at = text.lines().nth(line - 1).unwrap_or("");
        assert!(
            at.contains(to.lines().next().unwrap_or("")) || to.is_empty() || at.starts_with('['),
            "line {line} is '{at}'"
        );
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        check("clarify_max = 1", "clarfy_max = 1", "unknown field");
        check("clarify_max = 1", "clarify_max = 99", "from 0 to 5");
        check("intent_threshold = 0.6", "intent_threshold = 6.0", "from 0 to 1");
        check("language = \"en\"", "language = \"cy\"", "[scripts.cy]");
        check("goodbye = \"", "goodbye = \"{caller_secret} ", "may use");
        check("goodbye = \"", "godbye = \"", "unknown field");
    }

    #[test]
    fn a_missing_script_is_named() {
        let without: String = SAMPLE
            .lines()
            .filter(|l| !l.starts_with("emergency = "))
            .map(|l| format!("{l}\n"))
            .collect();
        let e = Policy::parse(&without).unwrap_err().to_string();
        assert!(e.contains("emergency"), "{e}");
    }

    #[test]
    fn scripts_are_found_however_a_language_is_written() {
        let p = Policy::parse(SAMPLE).unwrap();
        for wanted in ["en", "EN", "en-GB", "en_gb"] {
            assert_eq!(p.scripts_for(wanted), Some("en"), "{wanted}");
        }
        for wanted in ["de", "english", ""] {
            assert_eq!(p.scripts_for(wanted), None, "{wanted}");
        }
        assert_eq!(p.speak("de"), "en");
    }

    #[test]
    fn a_value_of_the_callers_is_not_expanded_again() {
        let p = Policy::parse(SAMPLE).unwrap();
        let said = p.say("en", Script::ReadBack, &[("details", "{clinic} {details}")]);
        assert!(said.contains("{clinic} {details}"), "{said}");
    }
}
