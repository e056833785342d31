//! `anteroom-bench`: the figures of Anteroom, each beside its peer, measured in the same run on the same machine.
//!
//! Peers run in turn with us (A B A B), so that a machine that is busy for a while is busy for both. Nothing here passes
//! or fails by a time: a busy machine would make such a test lie. docs/BENCHMARKS.md holds the latest table.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to its terminal"
)]

mod appliance;
mod bridged;
mod calls;
mod error;
mod kamailio;
mod memory;
mod office;
mod peer;
mod process;
mod recognise;
mod report;
mod rustpbx;
mod setup;
mod sipp;
mod speech;
mod store;
mod words;

use clap::{Parser, Subcommand, ValueEnum};
use error::Failure;
use report::Report;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Parser)]
#[command(
    name = "anteroom-bench",
    version,
    about = "Measures Anteroom beside its peers",
    after_help = "Example: cargo xtask bench vad --json"
)]
struct Cli {
    /// What to measure.
    #[arg(value_enum)]
    name: Option<Name>,
    /// One JSON object for each name.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    size: Size,
    #[command(subcommand)]
    role: Option<Role>,
}

/// How much is measured. More rounds take longer and say more.
#[derive(Debug, Clone, clap::Args)]
struct Size {
    /// Rounds of ours and the peer's, in turn (default: 5; 3 for turn, search and setup; 2 for bridged calls).
    #[arg(long)]
    rounds: Option<usize>,
    /// Calls of `answer`, calls of a round of `setup`, and short calls of `memory` (default: 20, 100, and 5000).
    #[arg(long)]
    calls: Option<usize>,
    /// Seconds for which `stt` decodes with both workers in each round.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Vectors of `search`.
    #[arg(long, default_value_t = 100_000)]
    vectors: usize,
    /// Events of one round of `commit`.
    #[arg(long, default_value_t = 5_000)]
    events: usize,
}

impl Size {
    fn rounds_or(&self, n: usize) -> usize {
        self.rounds.unwrap_or(n).max(1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Name {
    /// INVITE to the first audio of the greeting.
    Answer,
    /// End of the caller's speech to the first audio of the answer.
    Turn,
    /// Decoding an utterance; calls transcribed live.
    Stt,
    /// Words recognised wrongly.
    SttWer,
    /// Voice activity detection.
    Vad,
    /// Embedding a sentence.
    Embed,
    /// The nearest of many vectors.
    Search,
    /// Durable events.
    Commit,
    /// Call set-up and calls a second, beside rustpbx and Kamailio.
    Setup,
    /// Memory of a call, and its growth over many.
    Memory,
    /// The half of `memory` that is about bridged calls, beside rustpbx and Kamailio.
    Bridged,
    /// Everything.
    All,
}

const ALL: &[Name] = &[
    Name::Answer,
    Name::Turn,
    Name::Stt,
    Name::SttWer,
    Name::Vad,
    Name::Embed,
    Name::Search,
    Name::Commit,
    Name::Memory,
    Name::Setup,
];

#[derive(Debug, Subcommand)]
enum Role {
    /// The appliance that is measured, as a process of its own.
    #[command(hide = true)]
    Appliance {
        /// Its data folder.
        data: PathBuf,
        /// People who may ring out; with any, the configuration in the data folder is used as it is.
        #[arg(long, default_value_t = 0)]
        telephones: usize,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match (cli.role, cli.name) {
        (Some(Role::Appliance { data, telephones }), _) => appliance::serve(&data, telephones),
        (None, Some(name)) => measure(name, &cli.size, cli.json),
        (None, None) => Err(Failure::new(
            "nothing to measure: name a benchmark, or `all`; see --help",
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("anteroom-bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn measure(name: Name, size: &Size, json: bool) -> Result<(), Failure> {
    let names: &[Name] = if name == Name::All { ALL } else { &[name] };
    let mut failed = Vec::new();
    for name in names {
        let shown = name.to_possible_value().map(|v| v.get_name().to_owned());
        let shown = shown.unwrap_or_default();
        eprintln!("==> {shown}");
        // One that cannot run must not cost the figures of the others.
        match one(*name, size) {
            Ok(report) if json => println!("{}", report.json()),
            Ok(report) => println!("{}", report.table()),
            Err(e) => {
                eprintln!("anteroom-bench: {shown}: {e}");
                failed.push(shown);
            }
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("not measured: {}", failed.join(", "))))
    }
}

fn one(name: Name, size: &Size) -> Result<Report, Failure> {
    match name {
        Name::Answer => calls::answer(size),
        Name::Turn => calls::turn(size),
        Name::Stt => recognise::speed(size),
        Name::SttWer => recognise::errors(size),
        Name::Vad => speech::vad(size),
        Name::Embed => speech::embed(size),
        Name::Search => store::search(size),
        Name::Commit => store::commit(size),
        Name::Setup => setup::setup(size),
        Name::Memory => memory::memory(size),
        Name::Bridged => bridged::bridged(size),
        Name::All => Err(Failure::new("`all` is not one benchmark")),
    }
}
