//! `setup`: a telephone rings a number outside, beside rustpbx and Kamailio with rtpengine: how long until the 200, and how many calls a second.

use crate::Size;
use crate::calls::runtime;
use crate::error::Failure;
use crate::office::{Each, Folders, Office, TELEPHONES, Whose};
use crate::report::{Report, Spread};
use crate::sipp::{Told, Wave};
use crate::speech::median;
use std::time::Duration;

/// How long a call stays after it was answered.
const TALK_MS: u64 = 200;
/// Calls a second while the time of a call is measured: so few that none waits for another.
const SLOW_PER_S: usize = 4;
/// Calls a second that are tried, one after the other, until one fails.
const LADDER: &[usize] = &[10, 20, 40, 80, 120, 160, 200, 250, 300, 400, 500];
/// How long each rung lasts.
const RUNG_S: usize = 5;
/// A rung at which sipp itself rang fewer calls than this share of what was asked is not reached.
const KEPT_UP: f64 = 0.9;
/// A set-up that nobody notices, ms.
const PROMPT_MS: f64 = 250.0;
/// Between two waves: whatever a call leaves to be written is written.
const PAUSE: Duration = Duration::from_secs(2);

/// What one of the two showed.
#[derive(Default)]
struct Side {
    ms: Vec<f64>,
    p50_by_round: Vec<f64>,
    p95_by_round: Vec<f64>,
    cpu_ms_per_call: Vec<f64>,
    highest: Vec<f64>,
    prompt: Vec<f64>,
    p95_at_highest: Vec<f64>,
    rungs: Vec<String>,
}

pub(crate) fn setup(size: &Size) -> Result<Report, Failure> {
    runtime()?.block_on(Box::pin(measured(size)))
}

async fn measured(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "setup",
        "call set-up p95: at most 0.5 x rustpbx; calls a second: at least 200",
    );
    Whose::versions(&mut r)?;
    let folders = Folders::new()?;
    let mut sides = Each::<Side>::default();
    for round in 1..=size.rounds_or(3) {
        for whose in Whose::ALL {
            eprintln!("==> round {round}: {}", whose.name());
            let calls = size.calls.unwrap_or(100);
            one(whose, &folders, calls, round, sides.of(whose)).await?;
        }
    }
    shown(&mut r, &sides);
    Ok(r)
}

async fn one(
    whose: Whose,
    folders: &Folders,
    calls: usize,
    round: usize,
    side: &mut Side,
) -> Result<(), Failure> {
    let office = Office::start(whose, folders, false).await?;
    let slow = |calls| Wave {
        per_s: SLOW_PER_S,
        calls,
        stay_ms: TALK_MS,
    };
    // What is made once is not a call's.
    office.ends.ring(slow(SLOW_PER_S * 4)).await?;
    tokio::time::sleep(PAUSE).await;
    let told = office.ends.ring(slow(calls.max(SLOW_PER_S))).await?;
    if let Some(wrong) = told.wrong {
        return Err(Failure::new(format!(
            "{}: a call failed at {SLOW_PER_S} calls a second: {wrong}",
            whose.name()
        )));
    }
    let s = Spread::of("ms", &told.setup_ms);
    side.p50_by_round.push(s.p50);
    side.p95_by_round.push(s.p95);
    side.ms.extend(told.setup_ms);
    let (mut highest, mut prompt, mut p95) = (0, 0, f64::NAN);
    for per_s in LADDER {
        // On a machine that others use one failure says little; the second is the end.
        let Some(told) = rung(&office, *per_s, round, side).await? else {
            break;
        };
        highest = *per_s;
        p95 = Spread::of("ms", &told.setup_ms).p95;
        if p95 <= PROMPT_MS {
            prompt = *per_s;
        }
    }
    #[allow(clippy::cast_precision_loss, reason = "hundreds")]
    let (highest, prompt) = (highest as f64, prompt as f64);
    side.highest.push(highest);
    side.prompt.push(prompt);
    side.p95_at_highest.push(p95);
    office.stop().await;
    Ok(())
}

/// One rung, and once more when a call failed. `None` when one failed again.
async fn rung(office: &Office, per_s: usize, round: usize, side: &mut Side) -> Result<Option<Told>, Failure> {
    let calls = per_s * RUNG_S;
    for _ in 0..2 {
        tokio::time::sleep(PAUSE).await;
        let before = office.cpu_ms()?;
        let told = office
            .ends
            .ring(Wave {
                per_s,
                calls,
                stay_ms: TALK_MS,
            })
            .await?;
        #[allow(clippy::cast_precision_loss, reason = "thousands of calls")]
        let (cpu, wanted) = ((office.cpu_ms()? - before) / calls as f64, per_s as f64);
        let reached = told.all_well && told.begun_per_s >= wanted * KEPT_UP;
        let s = Spread::of("ms", &told.setup_ms);
        let wrong = match &told.wrong {
            Some(w) => format!("; {} of {calls} answered; {w}", told.setup_ms.len()),
            None if reached => String::new(),
            None => format!("; sipp rang only {:.0}/s", told.begun_per_s),
        };
        let line = format!(
            "round {round}: {per_s}/s: {}, {:.0} answered/s, p50 {:.1} ms, p95 {:.1} ms, {cpu:.2} ms of a core a call{wrong}",
            if reached { "all well" } else { "NOT" },
            told.answered_per_s,
            s.p50,
            s.p95,
        );
        eprintln!("    {line}");
        side.rungs.push(line);
        if reached {
            side.cpu_ms_per_call.push(cpu);
            return Ok(Some(told));
        }
    }
    Ok(None)
}

fn shown(r: &mut Report, sides: &Each<Side>) {
    for (name, side) in sides.iter() {
        r.spread(name, "ms", &side.ms);
        r.spread(&format!("{name}_p50_by_round"), "ms", &side.p50_by_round);
        r.spread(&format!("{name}_p95_by_round"), "ms", &side.p95_by_round);
        r.spread(&format!("{name}_calls_per_s_by_round"), "calls/s", &side.highest);
        r.spread(&format!("{name}_p95_at_that_rate"), "ms", &side.p95_at_highest);
        r.spread(
            &format!("{name}_calls_per_s_promptly_by_round"),
            "calls/s",
            &side.prompt,
        );
        r.spread(&format!("{name}_core_ms_per_call"), "ms", &side.cpu_ms_per_call);
    }
    let (ours, peers) = sides.beside();
    for (name, theirs) in peers {
        let (a, b) = (Spread::of("ms", &ours.ms), Spread::of("ms", &theirs.ms));
        r.number(&format!("ratio_of_p50_{name}"), a.p50 / b.p50);
        r.number(&format!("ratio_of_p95_{name}"), a.p95 / b.p95);
        let mut ratio = |what: &str, of: fn(&Side) -> &[f64]| {
            r.number(
                &format!("ratio_of_{what}_{name}"),
                median(of(ours)) / median(of(theirs)),
            );
        };
        ratio("calls_per_s", |s| &s.highest);
        ratio("calls_per_s_promptly", |s| &s.prompt);
        ratio("core_ms_per_call", |s| &s.cpu_ms_per_call);
    }
    for (name, side) in sides.iter() {
        r.set(&format!("ladder_{name}"), &side.rungs);
    }
    r.note(format!("A telephone (one of {TELEPHONES}, registered) sends INVITE, is challenged, proves itself, is put through to a trunk whose far end answers at once, talks for {TALK_MS} ms without sound, and hangs up. From its first INVITE to its 200, by the times of sipp's messages; both ends are sipp, on the same machine. {SLOW_PER_S} calls a second."));
    r.note(format!("calls_per_s: the highest rung of {LADDER:?}, {RUNG_S} s each, at which every call was answered and ended as it should, within 10 s for each message, and sipp rang at least nine tenths of the rate; a rung that failed was tried once more. promptly: the highest rung with a p95 of at most {PROMPT_MS} ms."));
    r.note("rustpbx 0.5.0 often notices the far end's 200 only with the next tick of a timer of 100 ms (its check whether the caller is still there); the quickest of its calls do not wait for it.");
    r.note("Ours writes each call's story to its encrypted database, durably, while the call goes on, and hash-chained audit records; rustpbx writes one call record to its SQLite file, in batches after the calls, and keeps its log to warnings. Kamailio writes nothing, and is a proxy: the two halves of a call are one dialog to it. All three relay the media, Kamailio by way of rtpengine in userspace, whose processor time is in its figure; none records it.");
}
