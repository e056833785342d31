//! The `anteroom` command.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to its terminal"
)]

mod args;
mod audio;
mod automation;
mod demo;
mod demo_desk;
mod knowledge;
mod models;
mod out;
mod records;
mod serve;
mod users;

use args::{Cli, Command};
use clap::Parser as _;
use out::{Exit, Outcome};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(r) => r,
        Err(e) => {
            eprintln!("anteroom: the runtime could not start: {e}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(Box::pin(run(cli))) {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(problem) => {
            eprintln!("anteroom: {problem}");
            ExitCode::from(Exit::Failed as u8)
        }
    }
}

async fn run(cli: Cli) -> Outcome {
    let place = &cli.place;
    match cli.command {
        Command::Serve { json } => serve::serve(place, json).await,
        Command::Check { json } => serve::check(place, json).await,
        Command::Demo(d) => demo::run(place, &d).await,
        Command::Transcribe(t) => audio::transcribe(place, &t).await,
        Command::Vad { file, json } => audio::vad(place, &file, json).await,
        Command::Gate { text, json } => knowledge::gate(place, text, json),
        Command::Knowledge { command } => knowledge::run(place, command).await,
        Command::Models { command } => models::run(place, command).await,
        Command::Calls { command } => records::calls(place, command),
        Command::Tasks { command } => records::tasks(place, command),
        Command::Audit { command } => records::audit(place, command),
        Command::Automation { to, json } => automation::run(place, to, json),
        Command::Users { command } => users::run(place, command),
        Command::Passcode => serve::passcode(),
    }
}
