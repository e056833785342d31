//! The engine and the page's server as one running thing: what `anteroom serve` is, and what the desktop program has
//! inside it.
//!
//! # Architecture invariants
//!
//! This is the seam between `web` and `appliance`: neither knows the other. It knows neither a terminal nor a window.

mod web_engine;

use anteroom_api::{Check, CheckStatus, HealthReport, Role};
use anteroom_appliance::{Config, Engine, Place, StartError, check as look, logging};
use anteroom_types::error::chain;
use anteroom_types::{ErrorCode, UserFacing};
use anteroom_web::{Passcode, TlsMode, WebConfig, WebHandle, WebStartError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use web_engine::WebEngine;

/// How long a stop waits for calls in progress.
pub const DRAIN_MAX: Duration = Duration::from_secs(600);
/// How long a sign-in link is good for.
const INVITE_VALID: Duration = Duration::from_secs(15 * 60);

/// Why it does not run.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no place for its state.
    #[error("the data folder {folder} cannot be made")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] logging::LogError),
    /// The page cannot be served.
    #[error(transparent)]
    Web(#[from] WebStartError),
    /// The engine does not start.
    #[error(transparent)]
    Engine(#[from] StartError),
}

impl UserFacing for HostError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Folder { .. } => "host.data_folder",
            Self::Log(e) => e.code(),
            Self::Web(e) => e.code(),
            Self::Engine(e) => e.code(),
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Folder { .. } => "Give a folder that this user may write with --data.".into(),
            Self::Log(e) => e.hint(),
            Self::Web(e) => e.hint(),
            Self::Engine(e) => e.hint(),
        }
    }
}

/// Everything that runs.
pub struct Running {
    /// What answers calls.
    pub engine: Engine,
    /// What serves the page.
    pub web: WebHandle,
    stop_web: watch::Sender<bool>,
    _log: logging::Guard,
}

impl Running {
    /// Starts the engine and the page.
    ///
    /// # Errors
    /// [`HostError`]; nothing is left running.
    pub async fn start(config: Config, place: &Place) -> Result<Self, HostError> {
        std::fs::create_dir_all(place.log()).map_err(|source| HostError::Folder {
            folder: place.data.clone(),
            source,
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
    #[must_use]
    pub fn link(&self) -> String {
        self.web.invite(Role::Manager, INVITE_VALID).as_str().to_owned()
    }

    /// [`Running::link`] for whoever sits elsewhere: by the first of `[web] hosts` where every address is listened on.
    #[must_use]
    pub fn public_link(&self) -> String {
        let link = self.web.public_invite(Role::Manager, INVITE_VALID);
        link.as_str().to_owned()
    }

    /// The same for one user, who is then known by name at the desk: whoever sits at this machine.
    #[must_use]
    pub fn link_of(&self, user: &str) -> String {
        let link = self.web.invite_user(Role::Manager, user, INVITE_VALID);
        link.as_str().to_owned()
    }

    /// Finishes calls in progress, then stops.
    pub async fn stop(self, longest: Duration) -> usize {
        let left = self.engine.drain(longest).await;
        let _ = self.stop_web.send(true);
        self.web.stopped().await;
        left
    }
}

/// Looks at everything, without answering calls; makes and changes nothing.
pub async fn check(data: Option<&Path>, config: Option<&Path>) -> HealthReport {
    let mut checks = look::everything(data, config).await.checks;
    // What is wrong with the file itself is among them already.
    if let Ok((config, place)) = Place::find(data, config) {
        checks.push(web_check(&config, &place));
    }
    HealthReport::of(checks, false)
}

fn web_check(config: &Config, place: &Place) -> Check {
    let served = web_config(config, place).map_err(HostError::Engine);
    let served = served.and_then(|w| Ok(anteroom_web::check(&w)?));
    let wrong = served.err();
    Check {
        name: "web".into(),
        status: wrong.as_ref().map_or(CheckStatus::Ok, |_| CheckStatus::Failed),
        detail: wrong.as_ref().map_or_else(
            || {
                format!(
                    "{} passcodes, {} names",
                    config.web.passcode.len(),
                    config.web.hosts.len()
                )
            },
            |e| format!("{} [{}]", chain(e), e.code()),
        ),
        hint: wrong.as_ref().map(UserFacing::hint),
    }
}

fn web_config(config: &Config, place: &Place) -> Result<WebConfig, StartError> {
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
        metrics_token: config.metrics_token()?,
        ..WebConfig::default()
    })
}
