//! `memory`: what a call costs while it is up, and what many calls leave behind. Calls that speak are here, bridged ones in
//! `bridged.rs`.

use crate::Size;
use crate::appliance::Appliance;
use crate::calls::{call, runtime, stay};
use crate::error::{Doing as _, Failure};
use crate::report::Report;
use crate::speech::median;
use anteroom_sim::{Script, Step, clip};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Calls at once; the appliance's default limit.
const CALLS_UP: u64 = 50;
/// Short calls at once: few enough that the limit is not met while others hang up.
const SHORT_AT_ONCE: usize = 10;
const SHORT_MS: u64 = 400;
/// Short calls between two looks at the memory.
const LOOK_EVERY: usize = 100;

pub(crate) fn memory(size: &Size) -> Result<Report, Failure> {
    runtime()?.block_on(Box::pin(measured(size)))
}

async fn measured(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "memory",
        "per call at most 0.3 MB; growth over 20,000 calls: slope 0",
    );
    let mut appliance = Appliance::start().await?;
    r.version("recogniser", appliance.recogniser.clone());
    let fresh = appliance.resident_kib()?;
    // What is made once (working memory, first pages of the database) is not a call's.
    fifty(&mut appliance).await?;
    let idle = appliance.resident_kib()?;
    let up = fifty(&mut appliance).await?;
    let again = fifty(&mut appliance).await?;
    r.number("fresh_mib", fresh / 1024.0);
    r.number("idle_after_50_calls_mib", idle / 1024.0);
    r.set("calls_up", CALLS_UP);
    r.spread("resident_with_calls_up", "KiB", &up);
    r.spread("resident_with_calls_up_again", "KiB", &again);
    let most = |v: &[f64]| v.iter().copied().fold(f64::NAN, f64::max);
    #[allow(clippy::cast_precision_loss, reason = "fifty")]
    let calls = CALLS_UP as f64;
    r.number("mib_per_call", (median(&up) - idle) / 1024.0 / calls);
    r.number("mib_per_call_at_most", (most(&up) - idle) / 1024.0 / calls);

    let wanted = size.calls.unwrap_or(5_000).max(LOOK_EVERY * 10);
    let (looks, refused) = many(&mut appliance, wanted).await?;
    r.set("short_calls", wanted);
    r.set("short_calls_refused", refused);
    // The database's caches have a bound, and take some thousand calls to reach it.
    let settled = &looks[looks.len() * 4 / 5..];
    r.number("resident_after_first_look_mib", first(&looks) / 1024.0);
    r.number("resident_at_end_mib", last(&looks) / 1024.0);
    r.number("growth_kib_per_1000_calls", slope(settled) * 1000.0);
    r.number("growth_kib_per_1000_calls_from_the_start", slope(&looks) * 1000.0);
    r.set(
        "looks_calls_and_kib",
        looks
            .iter()
            .map(|(n, kib)| format!("{n}: {kib}"))
            .collect::<Vec<_>>(),
    );
    let left = appliance.calls_up().await?;
    r.set("calls_left_up", left);
    appliance.stop().await;
    r.note("Resident memory of the appliance's process alone: engine, store and models with one recogniser worker, without the page. Callers speak, are heard and recorded. mib_per_call: the median while 50 are up less idle, over 50.");
    r.note("growth: least squares over the looks at an idle appliance, the last fifth of them. Each short call is answered, greeted, kept in the encrypted store and audited.");
    r.note("Nothing beside a call that speaks: rustpbx bridges calls without listening to them. It is beside our bridged calls, below.");
    // Without the peer, whose build takes long and may fail, there are still the figures above.
    if let Err(e) = crate::bridged::measured(size, &mut r).await {
        eprintln!("anteroom-bench: bridged calls: {e}");
        r.note(format!("Bridged calls were not measured: {e}"));
    }
    Ok(r)
}

/// Fifty calls that speak, and the memory while all are up.
async fn fifty(appliance: &mut Appliance) -> Result<Vec<f64>, Failure> {
    let bytes = anteroom_appliance::demo_call("call-questions-1.wav")
        .ok_or_else(|| Failure::new("the clip is missing"))?;
    let spoken: Arc<[i16]> = Arc::from(clip(bytes).doing("reading the clip")?);
    let script = Script {
        steps: vec![
            Step::Pause { ms: 12_000 },
            Step::Speak(spoken),
            Step::Pause { ms: 12_000 },
        ],
    };
    eprintln!("==> {CALLS_UP} calls at once");
    let mut calls = JoinSet::new();
    for _ in 0..CALLS_UP {
        let (target, script) = (appliance.target.clone(), script.clone());
        calls.spawn(async move { call(&target, &script).await });
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    appliance.until_calls_up(CALLS_UP).await?;
    let mut seen = Vec::new();
    while appliance.calls_up().await? == CALLS_UP {
        seen.push(appliance.resident_kib()?);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    while let Some(done) = calls.join_next().await {
        done.doing("a caller was lost")?.doing("one of fifty calls")?;
    }
    appliance.until_calls_up(0).await?;
    Ok(seen)
}

/// Short calls, and the memory of the idle appliance after every so many: calls so far and KiB.
async fn many(appliance: &mut Appliance, wanted: usize) -> Result<(Vec<(usize, f64)>, usize), Failure> {
    let script = stay(SHORT_MS);
    let (mut looks, mut refused, mut done) = (Vec::new(), 0, 0);
    while done < wanted {
        let mut calls = JoinSet::new();
        for started in 0..LOOK_EVERY {
            if started >= SHORT_AT_ONCE
                && let Some(ended) = calls.join_next().await
            {
                refused += usize::from(ended.doing("a caller was lost")?);
            }
            let (target, script) = (appliance.target.clone(), script.clone());
            calls.spawn(async move { call(&target, &script).await.is_err() });
        }
        while let Some(ended) = calls.join_next().await {
            refused += usize::from(ended.doing("a caller was lost")?);
        }
        done += LOOK_EVERY;
        appliance.until_calls_up(0).await?;
        looks.push((done, appliance.resident_kib()?));
        if done % 500 == 0 {
            eprintln!("==> {done} of {wanted} short calls");
        }
    }
    Ok((looks, refused))
}

fn first(looks: &[(usize, f64)]) -> f64 {
    looks.first().map_or(f64::NAN, |l| l.1)
}

fn last(looks: &[(usize, f64)]) -> f64 {
    looks.last().map_or(f64::NAN, |l| l.1)
}

/// KiB a call, by least squares.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn slope(looks: &[(usize, f64)]) -> f64 {
    let n = looks.len() as f64;
    let mean = |f: fn(&(usize, f64)) -> f64| looks.iter().map(f).sum::<f64>() / n;
    let (mx, my) = (mean(|l| l.0 as f64), mean(|l| l.1));
    let sum = |f: &dyn Fn(f64, f64) -> f64| looks.iter().map(|l| f(l.0 as f64 - mx, l.1 - my)).sum::<f64>();
    sum(&|x, y| x * y) / sum(&|x, _| x * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        let line: Vec<_> = (1..=10)
            .map(|n| (n * 100, 5_000.0 + f64::from(n as u32) * 25.0))
            .collect();
        assert!((slope(&line) - 0.25).abs() < 1e-9);
        assert!(slope(&[(100, 7.0), (200, 7.0), (300, 7.0)]).abs() < 1e-9);
    }
}
