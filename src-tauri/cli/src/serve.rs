//! `anteroom serve`, `check` and `passcode`.

use crate::args;
use crate::out::{Exit, Outcome, Problem, json, line, prompt, warn};
use anteroom_api::CheckStatus;
use anteroom_appliance::Place;
use anteroom_host::{DRAIN_MAX, Running};

pub(crate) async fn serve(place: &args::Place, as_json: bool) -> Outcome {
    let (config, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    // From here on a signal means: finish the calls and stop.
    let stop = signal()?;
    let running = Running::start(config, &place).await?;
    if as_json {
        let sip: Vec<_> = running
            .engine
            .sip_addrs()
            .iter()
            .map(|(t, a)| format!("{t}:{a}"))
            .collect();
        json(&serde_json::json!({
            "ready": true,
            "sip": sip,
            "web": running.web.public_url(),
            "link": running.public_link(),
            "fingerprint": running.web.fingerprint,
        }));
    } else {
        for (transport, addr) in running.engine.sip_addrs() {
            line(format!("answering calls on {transport}:{addr}"));
        }
        line(format!("the page: {}", running.public_link()));
        if let Some(f) = &running.web.fingerprint {
            line(format!("its certificate's SHA-256 fingerprint: {f}"));
        }
        line("(the link signs in once, within 15 minutes; stop with Ctrl-C)");
    }
    for c in running.engine.concerns() {
        warn(format!("{}\n  {}", c.detail, c.hint));
    }
    stop.await;
    if !as_json {
        line("stopping; calls in progress are finished first (Ctrl-C again to stop at once)");
    }
    let again = signal()?;
    tokio::select! {
        left = running.stop(DRAIN_MAX) => {
            if left > 0 {
                eprintln!("anteroom: {left} calls were still up; each gets a callback task at the next start");
            }
        }
        () = again => eprintln!("anteroom: stopped at once; calls that were up get a callback task at the next start"),
    }
    Ok(Exit::Ok)
}

/// Ends with SIGTERM or Ctrl-C. The handlers are in place when this returns.
fn signal() -> Result<impl Future<Output = ()>, Problem> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let bad = |e| {
            Problem::new(
                format!("signals cannot be handled: {e}"),
                "Report this with the log.",
            )
        };
        let mut term = signal(SignalKind::terminate()).map_err(bad)?;
        let mut int = signal(SignalKind::interrupt()).map_err(bad)?;
        Ok(async move {
            tokio::select! {
                _ = term.recv() => {}
                _ = int.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}

pub(crate) async fn check(place: &args::Place, as_json: bool) -> Outcome {
    let report = anteroom_host::check(place.data.as_deref(), place.config.as_deref()).await;
    if as_json {
        json(&report);
    } else {
        for c in &report.checks {
            let mark = match c.status {
                CheckStatus::Ok => "ok      ",
                CheckStatus::Degraded => "look    ",
                CheckStatus::Failed => "FAILED  ",
            };
            line(format!("{mark}{}: {}", c.name, c.detail));
            if let Some(hint) = &c.hint {
                line(format!("          {hint}"));
            }
        }
    }
    Ok(if report.status == CheckStatus::Ok {
        Exit::Ok
    } else {
        Exit::Findings
    })
}

pub(crate) fn passcode() -> Outcome {
    let mut code = String::new();
    prompt("the passcode, on one line:");
    std::io::stdin()
        .read_line(&mut code)
        .map_err(|e| Problem::new(format!("standard input: {e}"), "Give the passcode on one line."))?;
    line(anteroom_web::hash_passcode(code.trim_end_matches(['\r', '\n']))?);
    Ok(Exit::Ok)
}
