//! The sample clinic's intents against their golden set.
#![allow(clippy::print_stdout, reason = "the tables are what these tests are run for")]

use anteroom_reception::intents::{
    Action, Gate, Intents, IntentsError, classify_intent, classify_intent_with,
};
use anteroom_types::UserFacing;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const GOLDEN: &str = include_str!("../../../assets/golden/intents.tsv");
const FILE: &str = include_str!("../../../assets/clinic/intents.toml");

static INTENTS: LazyLock<Intents> = LazyLock::new(|| Intents::parse(FILE).expect("the sample clinic's file"));

fn lines() -> Vec<(&'static str, &'static str)> {
    GOLDEN
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with('#'))
        .map(|l| l.split_once('\t').unwrap_or_else(|| panic!("no intent: {l}")))
        .collect()
}

fn id(text: &str) -> String {
    classify_intent(text, &INTENTS).map_or_else(|| "-".to_owned(), |m| m.id)
}

#[test]
fn the_golden_set_holds() {
    let set = lines();
    assert!(set.len() >= 120);
    let mut by_intent: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut right = 0;
    for (text, wanted) in &set {
        let got = id(text);
        let row = by_intent.entry(wanted).or_default();
        row.1 += 1;
        if got == *wanted {
            row.0 += 1;
            right += 1;
        } else {
            println!("wanted {wanted}, got {got}: {text}");
        }
    }
    for (intent, (right, of)) in &by_intent {
        println!("{intent:>14} {right:>3} of {of:>3}");
    }
    println!("accuracy {right} of {}", set.len());
    assert!(right * 100 >= set.len() * 95);
    // Every intent of the file is in the set, and nothing else.
    for i in INTENTS.iter() {
        assert!(
            by_intent.contains_key(i.id.as_str()),
            "{} has no golden line",
            i.id
        );
    }
}

#[test]
fn confidence_and_margin_say_how_sure_it_is() {
    let m = classify_intent("I'd like to book an appointment", &INTENTS).expect("book");
    assert_eq!(m.id, "book");
    assert!(m.confidence > 0.85 && m.margin > 0.2, "{m:?}");
}

#[test]
fn vectors_are_fused_in() {
    let text = "could somebody possibly have a glance at my sore toe";
    assert_eq!(classify_intent(text, &INTENTS), None);
    let m = classify_intent_with(text, &INTENTS, &[("book", 0.9), ("cancel", 0.4)]).expect("by vector");
    assert_eq!(m.id, "book");
    assert!(m.confidence < 0.8, "a vector alone is never sure: {m:?}");
    let plain = classify_intent("cancel my appointment", &INTENTS).expect("cancel");
    let fused = classify_intent_with("cancel my appointment", &INTENTS, &[("cancel", 0.9)]).expect("cancel");
    assert!(fused.confidence >= plain.confidence && fused.confidence <= 1.0);
}

#[test]
fn an_intent_that_is_off_is_not_recognised() {
    let off = FILE.replacen("id = \"cancel\"\n", "id = \"cancel\"\nenabled = false\n", 1);
    let intents = Intents::parse(&off).expect("still good");
    let got = classify_intent("please cancel it", &intents);
    assert!(got.is_none_or(|m| m.id != "cancel"));
}

#[test]
fn what_an_intent_leads_to_is_data() {
    let results = INTENTS.get("results").expect("defined");
    assert_eq!(results.action, Action::Handover);
    assert_eq!(results.gates, [Gate::NeverDisclose]);
    assert_eq!(
        INTENTS.get("prescription").expect("defined").action,
        Action::CollectPrescription
    );
}

#[test]
fn errors_point_at_the_line() {
    let check = |text: &str, code: &str, start: &str| {
        let e: IntentsError = Intents::parse(text).expect_err(text);
        assert_eq!(e.code(), code);
        assert!(e.to_string().starts_with(start), "{e}");
        assert!(!e.hint().is_empty());
    };
    check("version = 1\n", "intents.syntax", "line 1: ");
    check(
        "version = \"1\"\n[[intent]]\nid = \"a\"\naction = \"repeat\"\nphrases = [\n\"good\",\n\"@bad one\"]\n",
        "intents.phrase",
        "line 7: in intent a",
    );
    check(
        "version = \"1\"\n[[intent]]\nid = \"a\"\naction = \"repeat\"\n",
        "intents.empty",
        "line 3: ",
    );
    let twice = "[[intent]]\nid = \"a\"\naction = \"repeat\"\nphrases = [\"a b\"]\n".repeat(2);
    check(&format!("version = \"1\"\n{twice}"), "intents.twice", "line 7: ");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(text in any::<String>()) {
        if let Some(m) = classify_intent(&text, &INTENTS) {
            prop_assert!((0.0..=1.0).contains(&m.confidence) && (0.0..=1.0).contains(&m.margin));
        }
    }

    #[test]
    fn case_and_hesitations_change_nothing(at in 0..lines().len(), upper in any::<bool>()) {
        let (text, _) = lines()[at];
        let mut noisy = format!("um, {}", text.replace(' ', " uh "));
        if upper {
            noisy = noisy.to_uppercase();
        }
        prop_assert_eq!(id(text), id(&noisy));
    }
}
