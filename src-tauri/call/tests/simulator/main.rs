//! A seeded simulator over whole calls: people, telephones and a network that do whatever they like, and the
//! invariants that hold all the same. A failing seed is printed with its story; put it into `SEEDS_THAT_FAILED`.

mod flows;
mod interrupted;
mod media;
mod random;
mod rng;
mod world;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds that once found something.
const SEEDS_THAT_FAILED: &[u64] = &[54_782, 79_175];
const SEEDS: u64 = 10_000;
/// What the seeds must come by, each at least twenty times.
const WHAT_MUST_BE_REACHED: &[&str] = &[
    "-> CutSentence",
    "-> ReturnToReceptionist",
    "-> FreeSlot",
    "-> LeaveQueue",
    "-> Surrendered",
    "CreateTask(Missed)",
    "CreateTask(Abandoned)",
    "CreateTask(CallbackAsked)",
    "CreateTask(CallbackPromised)",
    "CreateTask(Message)",
    "StopRecording { keep: true }",
    "StopRecording { keep: false }",
    "Note(Held(true))",
    "Note(TransferFailed)",
    "Note(Transferred",
    "Note(PersonLost)",
    "Note(Left",
    "Announce(Brief { asks: false })",
    "Announce(Brief { asks: true })",
    "Announce(AnsweredElsewhere)",
    "Announce(CallerGone)",
    "Announce(OneMoment)",
    "Announce(Busy)",
    "Announce(CannotBePlaced)",
    "Announce(QueuePosition",
    "Announce(ParkedAt",
    "Announce(MessageKept)",
    "Announce(WillRingBack)",
    "Announce(NobodyFree)",
    "role: Whisperer",
    "role: Barger",
    "role: Third",
    "muted: true",
    "Refer { leg: LegId(000000000000000000000000Z9), status: Ringing }",
    "wants Complete",
    "wants Abort",
    "wants Accept",
    "wants Decline",
    "wants Join",
    "wants Leave",
    "wants Add",
    "wants Voicemail",
    "what: Instead",
    "what: Supervisor",
    "Finish(NotWanted)",
    "Finish(Talked)",
    "Finish(Message)",
    "Finish(Callback)",
    "Finish(Abandoned)",
    "Finish(NoAnswer)",
    "Finish(Failed)",
];
/// Nothing of a call is left after this, milliseconds: the longest patience, and every time-out after it.
const OVER_MS: u64 = 3_600_000;

fn run(seed: u64) -> Vec<String> {
    let mut w = random::call(seed);
    let result = catch_unwind(AssertUnwindSafe(|| {
        w.run(OVER_MS);
        w.check_end();
    }));
    if let Err(e) = result {
        let what = e
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| e.downcast_ref::<&str>().map(|s| (*s).to_owned()))
            .unwrap_or_default();
        panic!("seed {seed}: {what}\n{}\nat {} ms", w.log.join("\n"), w.now);
    }
    w.log
}

#[test]
fn whatever_happens_no_leg_is_left_up_and_nobody_unheard() {
    let mut seen: BTreeMap<&str, u32> = WHAT_MUST_BE_REACHED.iter().map(|w| (*w, 0)).collect();
    for seed in SEEDS_THAT_FAILED.iter().copied().chain(0..SEEDS) {
        for line in run(seed) {
            for (what, n) in &mut seen {
                *n += u32::from(line.contains(what));
            }
        }
    }
    // A simulator that never gets anywhere finds nothing.
    let never: Vec<_> = seen.iter().filter(|(_, n)| **n < 20).collect();
    assert!(never.is_empty(), "hardly ever reached: {never:?} of {seen:#?}");
}
