//! `anteroom serve`, `check` and `passcode`.

use crate::args;
use crate::out::{Exit, Outcome, Problem, json, line, prompt};
use crate::web_engine::WebEngine;
use anteroom_api::{CheckStatus, Role};
use anteroom_appliance::{Config, Engine, Place, check as look, logging};
use anteroom_web::{Passcode, TlsMode, WebConfig, WebHandle};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How long a stop waits for calls in progress.
const DRAIN_MAX: Duration = Duration::from_secs(600);
/// How long the sign-in link printed at start is good for.
const INVITE_VALID: Duration = Duration::from_secs(15 * 60);

/// Everything that runs.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) web: WebHandle,
    stop_web: watch::Sender<bool>,
    _log: logging::Guard,
}

impl Running {
    /// Starts the engine and the page.
    pub(crate) async fn start(config: Config, place: &Place) -> Result<Self, Problem> {
        std::fs::create_dir_all(place.log()).map_err(|e| {
            Problem::new(
                format!("the data folder {} cannot be made: {e}", place.data.display()),
                "Give a folder that this user may write with --data.",
            )
        })?;
        let log = logging::start(&place.log(), config.log.level.get_ref(), config.log.keep_days)?;
        // Addresses first: somebody whose port is taken should not wait for the models to be told.
        let web = anteroom_web::bind(web_config(&config, place)?).await?;
        let engine = Engine::start(config, place).await?;
        let (stop_web, mut stopped) = watch::channel(false);
        let shutdown = async move {
            let _ = stopped.wait_for(|s| *s).await;
        };
        let page = Arc::new(WebEngine(engine.clone()));
        let web = web.serve(page, shutdown);
        Ok(Self {
            engine,
            web,
            stop_web,
            _log: log,
        })
    }

    /// A link that signs in, good for a quarter of an hour and for one use. A manager sees the live board; an
    /// administrator runs the machine and does not get what callers said.
    pub(crate) fn link(&self) -> String {
        self.web.invite(Role::Manager, INVITE_VALID).as_str().to_owned()
    }

    /// Finishes calls in progress, then stops.
    pub(crate) async fn stop(self, longest: Duration) -> usize {
        let left = self.engine.drain(longest).await;
        let _ = self.stop_web.send(true);
        self.web.stopped().await;
        left
    }
}

fn web_config(config: &Config, place: &Place) -> Result<WebConfig, Problem> {
    let w = &config.web;
    let tls = match (&w.tls_cert, &w.tls_key) {
        (Some(cert), Some(key)) => TlsMode::Files {
            cert: cert.clone(),
            key: key.clone(),
        },
        _ if w.listen.ip().is_loopback() => TlsMode::PlainLoopback,
        _ => TlsMode::SelfSigned {
            dir: place.data.join("web"),
        },
    };
    let passcodes = w.passcode.iter().map(|p| {
        let role = match p.role.get_ref().as_str() {
            "front_desk" => Role::FrontDesk,
            "manager" => Role::Manager,
            "auditor" => Role::Auditor,
            _ => Role::Admin,
        };
        Passcode {
            role,
            user: p.user.clone(),
            phc: p.hash.clone(),
        }
    });
    Ok(WebConfig {
        listen: w.listen,
        tls,
        passcodes: passcodes.collect(),
        allowed_hosts: w.hosts.clone(),
        ..WebConfig::default()
    })
}

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
        json(
            &serde_json::json!({ "ready": true, "sip": sip, "web": running.web.url(), "link": running.link() }),
        );
    } else {
        for (transport, addr) in running.engine.sip_addrs() {
            line(format!("answering calls on {transport}:{addr}"));
        }
        line(format!("the page: {}", running.link()));
        line("(the link signs in once, within 15 minutes; stop with Ctrl-C)");
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
    let report = look::everything(place.data.as_deref(), place.config.as_deref()).await;
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
