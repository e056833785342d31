//! The sample clinic's knowledge against its golden questions, on the path that `anteroom knowledge ask` takes: the
//! safety gate first, then both searches of an encrypted store with the real embedding model.
//!
//! Needs the model `minilm-l6-v2` in the models folder and `espeak-ng`; `cargo xtask setup` sees to both.
#![allow(clippy::print_stdout, reason = "the tables are what this test is run for")]

use anteroom_appliance::tools::{Asked, Knowledge};
use anteroom_appliance::{Place, knowledge, sample_knowledge};
use anteroom_types::knowledge::EntryStatus;
use std::collections::{BTreeMap, BTreeSet};

const GOLDEN: &str = include_str!("../../../assets/golden/questions.tsv");
const HELD_OUT: &str = include_str!("../../../assets/golden/questions-holdout.tsv");
const FRESH: &str = include_str!("../../../assets/golden/questions-fresh.tsv");

struct Line {
    question: &'static str,
    /// The entry that answers it; none when nothing that is approved does.
    entry: Option<&'static str>,
    kind: &'static str,
}

/// A line of a held-out set that turned out to be a variant or a golden question already. It proves nothing.
const KNOWN: &str = "known";

fn lines(tsv: &'static str) -> Vec<Line> {
    tsv.lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(|l| match l.split('\t').collect::<Vec<_>>()[..] {
            [question, entry, kind] => Line {
                question,
                entry: (entry != "-").then_some(entry),
                kind,
            },
            _ => panic!("not three fields: {l}"),
        })
        .collect()
}

/// The sample clinic, imported and approved as a clinic would.
async fn sample(data: &std::path::Path) -> Knowledge {
    let (config, place) = Place::find(Some(data), None).expect("no configuration is a configuration");
    let tool = Knowledge::open(&config, &place)
        .await
        .expect("the model minilm-l6-v2 and espeak-ng are needed; `cargo xtask setup` brings them");
    for (name, bytes) in sample_knowledge() {
        for (id, version) in knowledge::import_bytes(&tool.store, name, bytes).expect("the sample imports") {
            tool.approve(&id, version, "sample approver")
                .await
                .expect("the sample can be approved");
        }
    }
    tool
}

/// What became of a set.
#[derive(Debug, Default)]
struct Measured {
    answerable: usize,
    answered: usize,
    answered_of_answerable: usize,
    wrong: usize,
    asked_back: usize,
    /// Asked back with the right entry as the first that is offered: a "yes" and the caller has the answer.
    asked_back_right: usize,
    /// Asked back although nothing that is approved answers it: one turn more on the way to a person.
    asked_back_in_vain: usize,
}

#[allow(clippy::cast_precision_loss, reason = "counts of a few hundred")]
fn share(a: usize, b: usize) -> f64 {
    a as f64 / b.max(1) as f64
}

/// The lower end of the 95% Wilson interval: what a set of this size can promise at most.
#[allow(clippy::cast_precision_loss, reason = "counts of a few hundred")]
fn at_least(a: usize, b: usize) -> f64 {
    let (n, p, z) = (b.max(1) as f64, share(a, b), 1.96_f64);
    let middle = p + z * z / (2.0 * n);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    (middle - spread) / (1.0 + z * z / n)
}

impl Measured {
    fn precision(&self) -> f64 {
        share(self.answered - self.wrong, self.answered)
    }
    fn coverage(&self) -> f64 {
        share(self.answered_of_answerable, self.answerable)
    }
}

/// Asks every question of a set, prints what became of it, and returns the figures.
fn measure(name: &str, set: &[Line], tool: &Knowledge) -> Measured {
    let mut m = Measured::default();
    let mut kinds: BTreeMap<&str, [usize; 4]> = BTreeMap::new();
    let counted = || set.iter().filter(|l| l.kind != KNOWN);
    println!("\n{name}: {} questions", counted().count());
    for l in counted() {
        let asked: Asked = tool.ask(l.question).expect("the store and the model work");
        m.answerable += usize::from(l.entry.is_some());
        let kind = kinds.entry(l.kind).or_default();
        kind[0] += 1;
        match (asked.decision, &asked.entry) {
            ("answer", Some(said)) => {
                m.answered += 1;
                m.answered_of_answerable += usize::from(l.entry.is_some());
                if l.entry == Some(said.id.as_str()) {
                    kind[1] += 1;
                } else {
                    m.wrong += 1;
                    kind[2] += 1;
                    let expected = l.entry.unwrap_or("nothing");
                    println!("  wrong: {:?}: {} instead of {expected}", l.question, said.id);
                }
            }
            ("answer", None) => panic!("an answer without an entry"),
            (_, Some(e)) => panic!("{} names the entry {} to speak", asked.decision, e.id),
            ("clarify", None) => {
                m.asked_back += 1;
                kind[3] += 1;
                let first = asked.runner_up.as_ref().map(|r| r.id.as_str());
                m.asked_back_right += usize::from(l.entry.is_some() && first == l.entry);
                m.asked_back_in_vain += usize::from(l.entry.is_none());
            }
            (decision @ ("escalate" | "decline"), None) if l.entry.is_some() => {
                println!("  {decision} by the gate ({}): {:?}", asked.why, l.question);
            }
            _ => {}
        }
    }
    println!("  kind          asked  right  wrong  asked back");
    for (kind, [asked, right, wrong, back]) in kinds {
        println!("  {kind:12} {asked:6} {right:6} {wrong:6} {back:11}");
    }
    println!(
        "  precision {:.3} (at least {:.3}), coverage {:.3} (at least {:.3}), {} wrong of {} answers",
        m.precision(),
        at_least(m.answered - m.wrong, m.answered),
        m.coverage(),
        at_least(m.answered_of_answerable, m.answerable),
        m.wrong,
        m.answered,
    );
    println!(
        "  {} asked back: {:.3} of the answerable with the right entry, {:.3} of the others in vain",
        m.asked_back,
        share(m.asked_back_right, m.answerable),
        share(m.asked_back_in_vain, counted().count() - m.answerable),
    );
    m
}

#[tokio::test]
async fn approved_entries_are_found_and_nothing_else_is_said() {
    let data = tempfile::tempdir().expect("a temporary folder");
    let tool = sample(data.path()).await;
    let (golden, held_out, fresh) = (lines(GOLDEN), lines(HELD_OUT), lines(FRESH));
    the_sets_are_sound(&tool, &[&golden, &held_out, &fresh]);

    let g = measure("golden", &golden, &tool);
    let h = measure("held out", &held_out, &tool);
    let f = measure("held out, fresh", &fresh, &tool);
    let spoken = measure_spoken(&golden, &tool);
    assert!(
        spoken.precision() >= 0.97,
        "spoken precision {:.3}",
        spoken.precision()
    );
    assert!(
        spoken.coverage() >= g.coverage() - 0.03,
        "spoken coverage {:.3}",
        spoken.coverage()
    );
    assert!(g.precision() >= 0.97, "golden precision {:.3}", g.precision());
    assert!(g.coverage() >= 0.80, "golden coverage {:.3}", g.coverage());
    // Sets nobody tuned on. Their floors are a little below what was measured: one more wrong answer does not fail
    // the build, a change that makes the line talk more freely does.
    for (name, m, coverage) in [("held out", &h, 0.65), ("fresh", &f, 0.62)] {
        assert!(m.precision() >= 0.95, "{name}: precision {:.3}", m.precision());
        assert!(m.coverage() >= coverage, "{name}: coverage {:.3}", m.coverage());
    }
}

/// The golden questions as people put them on the telephone, with what they say around them. The phrases are among those
/// that are taken off, so this shows that they are and what that is worth, not how callers speak.
fn measure_spoken(golden: &[Line], tool: &Knowledge) -> Measured {
    let said = |q: &str| {
        let q = q.trim_end_matches(['.', '?']);
        format!("Yes, good morning. Um, I'm just ringing to ask, {q}? Thank you.")
    };
    let spoken: Vec<Line> = golden
        .iter()
        .map(|l| Line {
            question: said(l.question).leak(),
            ..*l
        })
        .collect();
    measure("golden, with asides", &spoken, tool)
}

/// Labels name approved entries that may be spoken; no question is in two sets, and no held-out question is a variant,
/// save those marked as such.
fn the_sets_are_sound(tool: &Knowledge, sets: &[&[Line]]) {
    let approved = tool
        .store
        .list(Some(EntryStatus::Approved))
        .expect("the store can be read");
    let ids: BTreeSet<&str> = approved.iter().map(|e| e.id.as_str()).collect();
    let variants: BTreeSet<String> = approved
        .iter()
        .flat_map(|e| &e.questions)
        .map(|q| plain(q))
        .collect();
    let mut seen = BTreeSet::new();
    for (i, l) in sets
        .iter()
        .enumerate()
        .flat_map(|(i, s)| s.iter().map(move |l| (i, l)))
    {
        let words = plain(l.question);
        let known = (i > 0 && variants.contains(&words)) || !seen.insert(words);
        assert_eq!(
            known,
            l.kind == KNOWN,
            "in two places, or wrongly marked: {}",
            l.question
        );
        let Some(e) = l.entry else { continue };
        assert!(ids.contains(e) && !e.starts_with("refer-"), "{}: {e}", l.question);
    }
}

/// Small letters and digits, one space between words.
fn plain(s: &str) -> String {
    let small: String = s
        .to_lowercase()
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { ' ' })
        .collect();
    small.split_whitespace().collect::<Vec<_>>().join(" ")
}
