//! Anteroom on the desk: the engine and its page in one program with a window, and the machine's own headset as a
//! telephone of the desk.
//!
//! # Architecture invariants
//!
//! This is the only crate that knows Tauri. It has two windows that cannot do each other's work:
//!
//! - `main` shows the page, from our own loopback address and from nowhere else, signed in by a link that is good for one
//!   use. It is a page like in any browser: it may call nothing of this program.
//! - `headset` is a page of this program's own, which shows nothing that callers send but who they are. It may call the
//!   commands of `commands`, and nothing else may.

mod args;
mod commands;
mod window;

use anteroom_appliance::Place;
use anteroom_handset::Telephone;
use anteroom_host::Running;
use anteroom_types::UserFacing;
use anteroom_types::error::chain;
use args::Args;
use clap::Parser as _;
use std::process::ExitCode;
use std::time::Duration;

/// How long an end that cannot wait waits for calls in progress.
const STOP_MAX: Duration = Duration::from_secs(5);

/// Why the program does not run.
#[derive(Debug)]
struct Problem(String);

impl<E: UserFacing> From<E> for Problem {
    fn from(e: E) -> Self {
        Self(format!("{} [{}]\n  {}", chain(&e), e.code(), e.hint()))
    }
}

/// Runs the program to its end.
#[must_use]
pub fn run() -> ExitCode {
    let args = Args::parse();
    match started(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Problem(what)) => {
            tell(&what);
            ExitCode::FAILURE
        }
    }
}

/// Tells whoever started it from a terminal.
#[allow(clippy::print_stderr, reason = "there may be no window to say it in")]
fn tell(what: &str) {
    eprintln!("anteroom: {what}");
}

fn started(args: &Args) -> Result<(), Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Problem(format!("the runtime could not start: {e}")))?;
    let (config, place) = Place::find(args.data.as_deref(), args.config.as_deref())?;
    let running = runtime.block_on(Box::pin(Running::start(config, &place)))?;
    for c in running.engine.concerns() {
        tell(&format!("{}\n  {}", c.detail, c.hint));
    }
    let phone = {
        let _in = runtime.enter();
        let file = place.data.join("headset.toml");
        Telephone::start(&running.engine, args.user.as_deref(), file)
            .inspect_err(|e| {
                // The page works without: who has a telephone or a browser goes on.
                tracing::warn!(error = %chain(e), "the headset of this machine is no telephone");
                tell(&format!(
                    "the headset of this machine cannot be used: {}",
                    chain(e)
                ));
            })
            .ok()
    };
    let user = phone.as_ref().map(|p| p.user().to_owned());
    let link = user.map_or_else(|| running.link(), |u| running.link_of(&u));
    let shown = window::show(&runtime, running.engine.clone(), phone, link);
    runtime.block_on(running.stop(STOP_MAX));
    shown.map_err(|e| Problem(format!("the window could not be shown: {e}\n  Install WebKitGTK 4.1, or use `anteroom serve` and a browser.")))
}
