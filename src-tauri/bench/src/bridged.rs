//! The second half of `memory`: calls that are bridged, beside rustpbx and Kamailio with rtpengine.

use crate::Size;
use crate::calls::runtime;
use crate::error::Failure;
use crate::memory::slope;
use crate::office::{Each, Folders, Office, Whose};
use crate::report::Report;
use crate::sipp::Wave;
use crate::speech::median;
use std::time::{Duration, Instant};

/// Calls at once: a wave that brings what is made once, and one twice as large.
const FEW: usize = 50;
const MANY: usize = 100;
/// Calls a second while a wave comes up.
const PER_S: usize = 10;
/// How long a wave is watched while all its calls are up.
const WATCHED: Duration = Duration::from_secs(10);
const LOOK_EVERY_MS: u64 = 500;
/// How long after the last call the memory is that of an idle system: transactions are remembered for 32 s (RFC 3261 17).
const IDLE: Duration = Duration::from_secs(36);
/// Short calls: so many a second, so many between two looks.
const SHORT_PER_S: usize = 80;
const SHORT_MS: u64 = 200;
const LOOK_EVERY: usize = 400;

/// What one of them showed.
#[derive(Default)]
struct Side {
    fresh: Vec<f64>,
    idle: Vec<f64>,
    kib_per_call: Vec<f64>,
    kib_per_first_call: Vec<f64>,
    settled: Vec<f64>,
    from_the_start: Vec<f64>,
    looks: Vec<String>,
    failed: usize,
    /// Bridged calls that a core would carry, by what as many as [`MANY`] cost.
    calls_per_core: Vec<f64>,
}

/// The bridged half alone.
pub(crate) fn bridged(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "bridged",
        "per bridged call at most 0.3 MB and less than rustpbx; growth over 20,000 calls: slope 0",
    );
    runtime()?.block_on(Box::pin(measured(size, &mut r)))?;
    Ok(r)
}

/// Measures all and adds the figures to a report.
pub(crate) async fn measured(size: &Size, r: &mut Report) -> Result<(), Failure> {
    Whose::versions(r)?;
    let folders = Folders::new()?;
    let mut sides = Each::<Side>::default();
    let short = size.calls.unwrap_or(5_000).max(LOOK_EVERY * 10);
    let rounds = size.rounds_or(2);
    for round in 1..=rounds {
        for whose in Whose::ALL {
            eprintln!("==> bridged, round {round}: {}", whose.name());
            let side = sides.of(whose);
            let office = Office::start(whose, &folders, true).await?;
            waves(&office, side).await?;
            office.stop().await;
            // Growth takes long, and a slope has a spread of its own: in the last round alone.
            if round == rounds {
                let office = Office::start(whose, &folders, false).await?;
                growth(&office, short, side).await?;
                office.stop().await;
            }
        }
    }
    for (name, side) in sides.iter() {
        r.spread(&format!("bridged_{name}_fresh"), "KiB", &side.fresh);
        r.spread(&format!("bridged_{name}_idle_after"), "KiB", &side.idle);
        r.spread(&format!("bridged_{name}_per_call"), "KiB", &side.kib_per_call);
        r.spread(
            &format!("bridged_{name}_per_first_call"),
            "KiB",
            &side.kib_per_first_call,
        );
        r.spread(
            &format!("bridged_{name}_calls_per_core"),
            "calls",
            &side.calls_per_core,
        );
        r.number(
            &format!("bridged_{name}_growth_kib_per_1000_calls"),
            median(&side.settled) * 1000.0,
        );
        r.number(
            &format!("bridged_{name}_growth_kib_per_1000_calls_from_the_start"),
            median(&side.from_the_start) * 1000.0,
        );
        r.set(&format!("bridged_{name}_waves_failed"), side.failed);
        r.set(&format!("bridged_{name}_looks_calls_and_kib"), &side.looks);
    }
    let (ours, peers) = sides.beside();
    for (name, theirs) in peers {
        r.number(
            &format!("bridged_ratio_per_call_{name}"),
            median(&ours.kib_per_call) / median(&theirs.kib_per_call),
        );
        r.number(
            &format!("bridged_ratio_calls_per_core_{name}"),
            median(&ours.calls_per_core) / median(&theirs.calls_per_core),
        );
    }
    r.set("bridged_short_calls", short);
    r.note(format!("bridged: telephone to trunk through each, PCMU in both directions. per_first_call: {FEW} calls up less a fresh process, over {FEW}; per_call: {MANY} up less those {FEW} up, over {}, which leaves out what is made once. Medians of looks every {LOOK_EVERY_MS} ms while all are up.", MANY - FEW));
    r.note(format!("bridged growth: {SHORT_PER_S} calls a second of {SHORT_MS} ms without sound, a look after every {LOOK_EVERY}; least squares over the last half of the looks, and over all."));
    r.note("Kamailio's figures are of all its processes and rtpengine's together, what they share counted once; its memory for calls is taken from a pool when it starts.");
    Ok(())
}

/// A wave while all its calls are up.
struct Up {
    /// The middle of the memory.
    kib: f64,
    /// Processor time.
    cores: f64,
}

/// Watches `calls` calls.
async fn up(office: &Office, calls: usize, side: &mut Side) -> Result<Up, Failure> {
    let coming = Duration::from_secs((calls / PER_S) as u64 + 4);
    let wave = Wave {
        per_s: PER_S,
        calls,
        stay_ms: u64::try_from((coming + WATCHED).as_millis()).unwrap_or(u64::MAX),
    };
    let running = office.ends.start(wave)?;
    tokio::time::sleep(coming).await;
    let mut seen = Vec::new();
    let (began, cpu) = (Instant::now(), office.cpu_ms()?);
    for _ in 0..WATCHED.as_millis() / u128::from(LOOK_EVERY_MS) {
        seen.push(office.resident_kib()?);
        tokio::time::sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
    }
    let cores = (office.cpu_ms()? - cpu) / 1_000.0 / began.elapsed().as_secs_f64();
    let told = running.told().await?;
    if let Some(wrong) = told.wrong {
        side.failed += 1;
        eprintln!(
            "    of {calls} calls {} were answered: {wrong}",
            told.setup_ms.len()
        );
    }
    Ok(Up {
        kib: median(&seen),
        cores,
    })
}

async fn waves(office: &Office, side: &mut Side) -> Result<(), Failure> {
    let fresh = office.resident_kib()?;
    let few = up(office, FEW, side).await?;
    tokio::time::sleep(IDLE).await;
    let idle = office.resident_kib()?;
    let many = up(office, MANY, side).await?;
    side.fresh.push(fresh);
    side.idle.push(idle);
    #[allow(clippy::cast_precision_loss, reason = "a hundred")]
    let (first, more, all) = (FEW as f64, (MANY - FEW) as f64, MANY as f64);
    side.kib_per_first_call.push((few.kib - fresh) / first);
    side.kib_per_call.push((many.kib - few.kib) / more);
    side.calls_per_core.push(all / many.cores.max(1e-9));
    eprintln!(
        "    fresh {fresh} KiB, {FEW} up {}, idle {idle}, {MANY} up {} at {:.2} cores",
        few.kib, many.kib, many.cores
    );
    Ok(())
}

async fn growth(office: &Office, wanted: usize, side: &mut Side) -> Result<(), Failure> {
    let mut looks = Vec::new();
    let mut done = 0;
    while done < wanted {
        let wave = Wave {
            per_s: SHORT_PER_S,
            calls: LOOK_EVERY,
            stay_ms: SHORT_MS,
        };
        let told = office.ends.ring(wave).await?;
        side.failed += usize::from(!told.all_well);
        done += LOOK_EVERY;
        looks.push((done, office.resident_kib()?));
    }
    side.settled.push(slope(&looks[looks.len() / 2..]));
    side.from_the_start.push(slope(&looks));
    side.looks = looks.iter().map(|(n, kib)| format!("{n}: {kib}")).collect();
    tokio::time::sleep(IDLE).await;
    side.looks
        .push(format!("idle afterwards: {}", office.resident_kib()?));
    Ok(())
}
