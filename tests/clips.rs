//! The demonstration calls, placed over SIP and RTP with PCMU: what is heard on the line is what was heard in the file.
#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

mod support;

use anteroom_sim::{Codec, Phone, Script, Step, ring};
use std::collections::HashMap;
use support::Appliance;
use support::record::{Record, words};

/// Clips of speech that must be heard as in the file, of 26. The line adds coding, jitter and the endpointing of turns.
const EQUAL_MIN: usize = 24;

/// Who says what. A caller who is said goodbye to says the rest in another call.
const CALLS: &[&[&str]] = &[
    &[
        "call-questions-1",
        "call-reschedule-4",
        "call-questions-3",
        "call-book-6",
        "call-prescription-3",
    ],
    &[
        "call-book-1",
        "call-book-2",
        "single-3",
        "call-book-4",
        "call-book-7",
    ],
    &[
        "call-reschedule-1",
        "call-reschedule-2",
        "call-reschedule-3",
        "call-reschedule-5",
    ],
    &[
        "call-prescription-2",
        "call-prescription-1",
        "single-1",
        "single-2",
    ],
    &["call-unseen-speaker-1", "single-4", "single-5", "single-7"],
    &[
        "call-urgent-1",
        "call-urgent-2",
        "call-questions-4",
        "call-unseen-speaker-2",
    ],
];
/// Noise and a tone; the right answer is no words.
const NOISE: &[&str] = &["nospeech-1", "nospeech-2"];
/// Who makes the noise.
const NOISY: &str = "+441632960599";
/// Rounds of calls until all is said.
const ROUNDS_MAX: usize = 4;

/// The clips that are right in the file, with their words.
fn expected() -> HashMap<String, String> {
    let table = std::fs::read_to_string(support::clip("results.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|l| l.split('\t').collect::<Vec<_>>());
    let right = rows.filter(|r| r[1] == "yes");
    right
        .map(|r| (r[0].trim_end_matches(".wav").to_owned(), r[2].to_owned()))
        .collect()
}

/// One call. Returns how many of its clips were said to their end.
async fn say(target: String, from: String, clips: Vec<String>) -> usize {
    let listen = || Step::Listen {
        quiet_ms: 900,
        wait_ms_max: 25_000,
    };
    let mut steps = vec![listen()];
    for clip in &clips {
        let audio = support::clip_audio(&format!("{clip}.wav"));
        steps.extend([Step::Speak(audio), listen()]);
    }
    let (phone, script) = (Phone::with_codec(Codec::Pcmu), Script { steps });
    let report = ring(&target, &from, phone, &script).await.unwrap();
    // A clip was said when the listening after it was begun.
    report.steps.len().saturating_sub(1) / 2
}

/// The clips that were heard as they should be, in order: the longest common subsequence.
fn equal(said: &[String], heard: &[&str], expected: &HashMap<String, String>) -> Vec<String> {
    let is = |s: usize, h: usize| words(&expected[&said[s]]) == words(heard[h]);
    let mut best = vec![vec![Vec::new(); heard.len() + 1]; said.len() + 1];
    for s in (0..said.len()).rev() {
        for h in (0..heard.len()).rev() {
            best[s][h] = if is(s, h) {
                let rest: &Vec<String> = &best[s + 1][h + 1];
                std::iter::once(said[s].clone())
                    .chain(rest.iter().cloned())
                    .collect()
            } else if best[s + 1][h].len() >= best[s][h + 1].len() {
                best[s + 1][h].clone()
            } else {
                best[s][h + 1].clone()
            };
        }
    }
    best.swap_remove(0).swap_remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demonstration_clips_are_heard_over_the_line_as_in_their_files() {
    let expected = expected();
    assert_eq!(expected.len(), 28);
    let placed: usize = CALLS.iter().map(|c| c.len()).sum();
    assert_eq!(placed + NOISE.len(), expected.len());
    let dir = tempfile::tempdir().unwrap();
    support::approve_answers(dir.path());
    let a = Appliance::start(dir.path(), "");

    let own = |clips: &[&str]| clips.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
    let mut to_say: Vec<_> = CALLS.iter().map(|c| own(c)).collect();
    let noise = tokio::spawn(say(a.desk(), NOISY.into(), own(NOISE)));
    let (mut right, mut told) = (Vec::new(), String::new());
    for round in 0..ROUNDS_MAX {
        let mut under_way = Vec::new();
        for (n, clips) in std::mem::take(&mut to_say).into_iter().enumerate() {
            let from = format!("+44163296{round}5{n:02}");
            let task = tokio::spawn(say(a.desk(), from.clone(), clips.clone()));
            under_way.push((from, clips, task));
        }
        for (from, mut clips, task) in under_way {
            let rest = clips.split_off(task.await.unwrap());
            if !rest.is_empty() {
                to_say.push(rest);
            }
            let call = a.until_call(&from, "the call has ended", |c| c.has("ended"));
            let heard = call.heard();
            let ok = equal(&clips, &heard, &expected);
            for clip in clips.iter().filter(|c| !ok.contains(c)) {
                told.push_str(&format!(
                    "{clip}: '{}', heard in its call: {heard:?}\n",
                    expected[clip]
                ));
            }
            right.extend(ok);
        }
        if to_say.is_empty() {
            break;
        }
    }
    assert!(to_say.is_empty(), "never said: {to_say:?}");

    // Noise makes no words, and the line does not go mute over it.
    noise.await.unwrap();
    let noise: Record = a.until_call(NOISY, "the call has ended", |c| c.has("ended"));
    assert_eq!(noise.heard(), [""; 0], "{}", noise.story());
    let last = noise.events("said").pop().unwrap();
    let asked_again = last["text"].as_str().unwrap().contains("I did not hear anything");
    assert!(asked_again, "{}", noise.story());
    a.stop();

    println!(
        "{} of {placed} clips were heard over the line as in their files\n{told}",
        right.len()
    );
    assert!(right.len() >= EQUAL_MIN, "{told}");
}
