//! Calls as scripts: what the caller does above, what the clinic does below. And calls at random.

mod flows;
mod lines;
mod simulation;

use super::*;
use crate::search::Candidate;
use anteroom_types::EntryId;

pub(super) const MONDAY_NOON: &str = "2026-11-23T12:00";
pub(super) const SUNDAY: &str = "2026-11-22T12:00";

/// The sample clinic, parsed once for all tests.
pub(super) fn setup(number: Option<&str>) -> Setup {
    static ONCE: std::sync::OnceLock<Setup> = std::sync::OnceLock::new();
    let sample = ONCE.get_or_init(|| Setup {
        policy: Arc::new(Policy::parse(include_str!("../../../../../assets/clinic/policy.toml")).unwrap()),
        lexicon: Arc::new(Lexicon::parse(include_str!("../../../../../assets/clinic/safety.toml")).unwrap()),
        intents: Arc::new(Intents::parse(include_str!("../../../../../assets/clinic/intents.toml")).unwrap()),
        hours: Arc::new(
            OpeningHours::parse(include_str!("../../../../../assets/clinic/hours.toml")).unwrap(),
        ),
        calibration: Arc::new(Calibration::default()),
        language: "en".to_owned(),
        caller_number: None,
        desk_rings_ms: 45_000,
    });
    Setup {
        caller_number: number.map(Pii::from),
        ..sample.clone()
    }
}

pub(super) fn candidate(entry: &str, confidence: f32) -> Candidate {
    Candidate {
        entry: EntryId::new(entry).unwrap(),
        version: 1,
        title: entry.replace('-', " "),
        answer: format!("The approved words about {entry}."),
        confidence,
        cosine: confidence,
        bm25: 5.0,
        coverage: 1.0,
    }
}

/// What a search finds in these tests.
pub(super) fn find(text: &str) -> Vec<Candidate> {
    let t = text.to_lowercase();
    if t.contains("parking") {
        vec![candidate("parking", 0.95), candidate("opening-hours", 0.1)]
    } else if t.contains("opening hours") {
        vec![candidate("opening-hours", 0.93)]
    } else if t.contains("jab") {
        vec![
            candidate("flu-vaccination", 0.6),
            candidate("travel-vaccination", 0.55),
        ]
    } else if t.contains("vaccin") {
        vec![candidate("flu-vaccination", 0.5)]
    } else {
        vec![candidate("parking", 0.05)]
    }
}

/// An effect in one short line.
pub(super) fn line(e: &ConvEffect) -> String {
    match e {
        ConvEffect::Lookup { .. } => "lookup".to_owned(),
        ConvEffect::Say {
            script,
            entry,
            interruptible,
            private,
            ..
        } => {
            let what = match (script, entry) {
                (Some(s), _) => s.clone(),
                (None, Some(e)) => format!("entry {}", e.id),
                (None, None) => "?".to_owned(),
            };
            let firm = if *interruptible { "" } else { " firmly" };
            let private = if *private { " privately" } else { "" };
            format!("say {what}{firm}{private}")
        }
        ConvEffect::StopSaying => "stop saying".to_owned(),
        ConvEffect::Record(r) => {
            let decision = format!("{:?}", r.decision).to_lowercase();
            let entry = r.entry.as_ref().map(|e| format!(" {}", e.id)).unwrap_or_default();
            format!("{decision}{entry}")
        }
        ConvEffect::Expect(e) => format!("expect {}", format!("{e:?}").to_lowercase()),
        ConvEffect::MarkUrgent { .. } => "mark urgent".to_owned(),
        ConvEffect::RingDesk { .. } => "ring desk".to_owned(),
        ConvEffect::CreateTask { kind, number, .. } => format!(
            "task {}{}",
            format!("{kind:?}").to_lowercase(),
            number
                .as_ref()
                .map(|n| format!(" {}", n.open(Purpose::Test)))
                .unwrap_or_default()
        ),
        ConvEffect::Handover { .. } => "handover".to_owned(),
        ConvEffect::StartRecording { .. } => "record on".to_owned(),
        ConvEffect::Hangup { .. } => "hang up".to_owned(),
    }
}

/// A call under test. Searches are answered at once from [`find`]; nothing is said to its end by itself.
pub(super) struct Call {
    pub(super) talk: Conversation,
    pub(super) now: Mono,
    pub(super) local: DateTime,
    pub(super) turn: u32,
    pub(super) all: Vec<ConvEffect>,
}

impl Call {
    pub(super) fn at(local: &str, number: Option<&str>) -> Self {
        let mut call = Self {
            talk: Conversation::new(setup(number)),
            now: Mono::from_ms(1_000),
            local: local.parse().unwrap(),
            turn: 0,
            all: Vec::new(),
        };
        call.give(ConvEvent::Started);
        call
    }
    /// An answered call in opening hours, with the greeting heard.
    pub(super) fn new() -> Self {
        let mut call = Self::at(MONDAY_NOON, None);
        for say in 1..=3 {
            call.give(ConvEvent::SayDone { say: SayId(say) });
        }
        call
    }
    pub(super) fn with_number() -> Self {
        Self::at(MONDAY_NOON, Some("07700900142"))
    }
    pub(super) fn give(&mut self, ev: ConvEvent) -> Vec<String> {
        let mut effects = self.talk.handle(self.now, self.local, ev);
        let mut lines: Vec<String> = effects.iter().map(line).collect();
        let lookup = effects.iter().find_map(|e| match e {
            ConvEffect::Lookup { turn, text } => Some((*turn, find(text.open(Purpose::Test)))),
            _ => None,
        });
        if let Some((turn, candidates)) = lookup {
            let more = self
                .talk
                .handle(self.now, self.local, ConvEvent::Candidates { turn, candidates });
            lines.extend(more.iter().map(line));
            effects.extend(more);
        }
        self.all.extend(effects);
        lines
    }
    pub(super) fn hears(&mut self, text: &str) -> Vec<String> {
        self.turn += 1;
        self.now = self.now.plus_ms(4_000);
        self.give(ConvEvent::Heard {
            turn: TurnId(self.turn),
            text: text.into(),
            confidence: 0.9,
        })
    }
    pub(super) fn keys(&mut self, keys: &str) -> Vec<String> {
        let mut last = Vec::new();
        for digit in keys.chars() {
            self.now = self.now.plus_ms(300);
            let lines = self.give(ConvEvent::Dtmf { digit });
            if !lines.is_empty() {
                last = lines;
            }
        }
        last
    }
    pub(super) fn tasks(&self) -> Vec<String> {
        self.all
            .iter()
            .filter(|e| matches!(e, ConvEffect::CreateTask { .. }))
            .map(line)
            .collect()
    }
    /// The words of the last task's summary.
    pub(super) fn summary(&self) -> String {
        let last = self.all.iter().rev().find_map(|e| match e {
            ConvEffect::CreateTask { summary, .. } => Some(summary.open(Purpose::Test).clone()),
            _ => None,
        });
        last.unwrap_or_default()
    }
    pub(super) fn said(&self) -> String {
        let last = self.all.iter().rev().find_map(|e| match e {
            ConvEffect::Say { text, .. } => Some(text.open(Purpose::Test).clone()),
            _ => None,
        });
        last.unwrap_or_default()
    }
}
