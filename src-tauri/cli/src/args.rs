//! What can be written after `anteroom`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Answers a clinic's telephone on a machine the clinic owns.
#[derive(Debug, Parser)]
#[command(
    name = "anteroom",
    version,
    max_term_width = 100,
    after_help = "Exit codes: 0 done; 1 it could not be done, and the message says why and what to do; 2 wrong usage; 3 done, and what was looked at is not in order (check, audit verify).\nModels are kept in the user's cache, or in the folder that ANTEROOM_MODELS names.\nExample: anteroom demo --once"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Where state and configuration are.
#[derive(Debug, Clone, Args)]
pub(crate) struct Place {
    /// Folder for all state: database, recordings, rendered speech, logs, key
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Configuration file; DIR/anteroom.toml when there is one
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer calls until stopped (SIGTERM or Ctrl-C: calls in progress are finished first)
    #[command(after_help = "Example: anteroom serve --data /var/lib/anteroom")]
    Serve {
        /// When ready, print one JSON object with the addresses instead of sentences
        #[arg(long)]
        json: bool,
    },
    /// Check configuration, key, database, models, ports, disk and programs without answering calls
    #[command(
        after_help = "Exits 0 when all is well and 3 when something needs attention.\nExample: anteroom check --data /var/lib/anteroom --json"
    )]
    Check {
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Let a scripted caller ring the sample clinic over loopback
    #[command(after_help = "Example: anteroom demo --once --json")]
    Demo(Demo),
    /// Write down what is said in audio files
    #[command(after_help = "Example: anteroom transcribe call.wav --json")]
    Transcribe(Transcribe),
    /// Where speech is in an audio file, frame by frame
    #[command(after_help = "Example: anteroom vad call.wav --json")]
    Vad {
        /// WAV file, 16-bit PCM or mu-law
        file: PathBuf,
        /// One JSON document with a probability for each 32 ms
        #[arg(long)]
        json: bool,
    },
    /// What the safety gate says of a text, or of each line on standard input
    #[command(after_help = "Example: anteroom gate \"my father has chest pain\" --json")]
    Gate {
        /// The text; standard input, a line each, when absent
        text: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// The clinic's approved answers
    #[command(after_help = "Example: anteroom knowledge list")]
    Knowledge {
        #[command(subcommand)]
        command: Knowledge,
    },
    /// The models on this machine
    #[command(after_help = "Example: anteroom models list")]
    Models {
        #[command(subcommand)]
        command: Models,
    },
    /// Calls that were taken
    #[command(after_help = "Example: anteroom calls list --limit 5")]
    Calls {
        #[command(subcommand)]
        command: Calls,
    },
    /// Tasks that wait for a person
    #[command(after_help = "Example: anteroom tasks list")]
    Tasks {
        #[command(subcommand)]
        command: Tasks,
    },
    /// Make the hash of a passcode (read from standard input) for [[web.passcode]] in the configuration
    #[command(after_help = "Example: anteroom passcode < passcode.txt")]
    Passcode,
    /// How the receptionist's switch stands; with on or off, throws it while no appliance runs
    #[command(after_help = "Example: anteroom automation off")]
    Automation {
        /// How it is to stand at the next start
        to: Option<OnOff>,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// People and their telephones
    #[command(after_help = "Example: anteroom users add 201 --name \"Front desk\"")]
    Users {
        #[command(subcommand)]
        command: Users,
    },
    /// The chain of evidence
    #[command(after_help = "Example: anteroom audit verify")]
    Audit {
        #[command(subcommand)]
        command: Audit,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnOff {
    /// The receptionist answers callers
    On,
    /// Callers ring at the desk at once
    Off,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Users {
    /// Everybody
    #[command(after_help = "Example: anteroom users list --json")]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Add somebody, or give them another name, place and password; prints the password once
    #[command(
        after_help = "Stop the appliance first; it reads its people when it starts.\nExample: anteroom users add 201 --name \"Front desk\" --rings 1"
    )]
    Add {
        /// What their telephones register as: letters, digits, dots, dashes and underlines
        user: String,
        /// Their name for colleagues
        #[arg(long)]
        name: String,
        /// Place in the desk's ring group, from 1; 0 for somebody who is not rung for callers
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=999))]
        rings: u32,
        /// Whether they may ring out through a trunk
        #[arg(long)]
        outbound: bool,
        /// With --outbound: the class of rights, one of [[outbound.class]] in the configuration
        #[arg(long, default_value = "standard", requires = "outbound")]
        class: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove somebody
    #[command(after_help = "Example: anteroom users remove 201")]
    Remove {
        /// What their telephones register as
        user: String,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Demo {
    /// Exit after the call instead of leaving the page open
    #[arg(long)]
    pub(crate) once: bool,
    /// One JSON document on standard output (implies --once)
    #[arg(long)]
    pub(crate) json: bool,
    /// A program that is the desk in a second call, in which the caller asks for a person: it opens the page, answers
    /// and gives the call to another room (cargo xtask demo passes ui/demo/desk.mjs)
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) desk: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Transcribe {
    /// WAV files, 16-bit PCM or mu-law
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// One JSON object a file
    #[arg(long)]
    pub(crate) json: bool,
    /// The model, instead of the configured ones
    #[arg(long, value_name = "ID")]
    pub(crate) model: Option<String>,
    /// Decode each file as one clip, without looking for pauses
    #[arg(long)]
    pub(crate) whole: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Knowledge {
    /// Read documents into draft entries
    #[command(
        after_help = "Example: anteroom knowledge import leaflet.docx faq.md\n         anteroom knowledge import faq.csv --approve-by \"A. Manager\""
    )]
    Import {
        /// Markdown, text, CSV, HTML, DOCX or PDF
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Approve every imported entry in this person's name
        #[arg(long, value_name = "NAME")]
        approve_by: Option<String>,
    },
    /// List entries: the latest version of each
    #[command(after_help = "Example: anteroom knowledge list --json")]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show the latest version of an entry
    #[command(after_help = "Example: anteroom knowledge show parking")]
    Show {
        /// Its id
        id: String,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// Approve a draft, so that it may be spoken; its speech is rendered now
    #[command(after_help = "Example: anteroom knowledge approve opening-hours --by \"A. Manager\"")]
    Approve {
        /// Its id
        id: String,
        /// Who approves
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Withdraw an entry: it is not spoken again
    #[command(after_help = "Example: anteroom knowledge retire parking --by \"A. Manager\"")]
    Retire {
        /// Its id
        id: String,
        /// Who withdraws it
        #[arg(long, value_name = "NAME")]
        by: String,
    },
    /// Ask as a caller would, or a line each on standard input
    #[command(after_help = "Example: anteroom knowledge ask \"what time do you open\" --json")]
    Ask {
        /// The question; standard input, a line each, when absent
        question: Option<String>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Models {
    /// List known models and their state
    #[command(after_help = "Example: anteroom models list --json")]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Fetch a model from its public home (resumes; HTTPS_PROXY is honoured)
    #[command(after_help = "Example: anteroom models fetch base.en-q5_1")]
    Fetch {
        /// Its id
        id: String,
    },
    /// Add a model from a file; its checksum must be the manifest's
    #[command(after_help = "Example: anteroom models add base.en-q5_1 /media/usb/ggml-base.en-q5_1.bin")]
    Add {
        /// Its id
        id: String,
        /// The file
        file: PathBuf,
    },
    /// Check a model's files against their checksums
    #[command(after_help = "Example: anteroom models verify minilm-l6-v2")]
    Verify {
        /// Its id
        id: String,
    },
    /// Remove a model's files
    #[command(after_help = "Example: anteroom models remove base.en-q5_1")]
    Remove {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Calls {
    /// The latest calls
    #[command(after_help = "Example: anteroom calls list --limit 5 --json")]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// How many, up to 200
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Everything about one call
    #[command(after_help = "Example: anteroom calls show 01KAJ5QZ3M8F2V7N9W4XRBTC6D --json")]
    Show {
        /// Its id
        id: String,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// Calls in which something was said
    #[command(after_help = "Example: anteroom calls search \"repeat prescription\"")]
    Search {
        /// Words
        words: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Write a call's recording to a file (Ogg Opus, caller left, clinic right); leaves an audit entry
    #[command(after_help = "Example: anteroom calls recording 01KAJ5QZ3M8F2V7N9W4XRBTC6D call.ogg")]
    Recording {
        /// Its id
        id: String,
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// Open tasks, the earliest due first; or closed ones, the latest first
    #[command(after_help = "Example: anteroom tasks list --json")]
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// Those that are done or cancelled
        #[arg(long)]
        closed: bool,
    },
    /// One task and who changed what of it
    #[command(after_help = "Example: anteroom tasks show 01KAJ5QZ3M8F2V7N9W4XRBTC6D --json")]
    Show {
        /// Its id
        id: String,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// Mark a task as done
    #[command(
        after_help = "Example: anteroom tasks done 01KAJ5QZ3M8F2V7N9W4XRBTC6D --by \"A. Manager\" --outcome \"rang back\""
    )]
    Done {
        /// Its id
        id: String,
        /// Who did it
        #[arg(long, value_name = "NAME")]
        by: String,
        /// What came of it
        #[arg(long, default_value = "done")]
        outcome: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Write the chain as JSON lines, with its signed heads
    #[command(after_help = "Example: anteroom audit export audit.jsonl")]
    Export {
        /// The file; standard output when absent
        file: Option<PathBuf>,
    },
    /// Verify the chain in the database, or an exported file (no database needed)
    #[command(
        after_help = "Exits 0 when the chain is whole and 3 when it is not.\nExample: anteroom audit verify export.jsonl"
    )]
    Verify {
        /// An exported file
        file: Option<PathBuf>,
        /// JSON
        #[arg(long)]
        json: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{Command, CommandFactory as _};

    fn each(c: &Command, path: &str, check: &mut impl FnMut(&Command, &str)) {
        check(c, path);
        for s in c.get_subcommands().filter(|s| s.get_name() != "help") {
            each(s, &format!("{path} {}", s.get_name()), check);
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does_and_shows_an_example_that_parses() {
        let mut seen = 0;
        each(&Cli::command(), "anteroom", &mut |c, path| {
            seen += 1;
            assert!(c.get_about().is_some(), "{path} does not say what it does");
            let help = c.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples: Vec<&str> = help.lines().filter_map(|l| l.split("anteroom ").nth(1)).collect();
            assert!(help.contains("Example: anteroom"), "{path} shows no example");
            for e in examples {
                let parsed = Cli::command().try_get_matches_from(words(e));
                assert!(parsed.is_ok(), "anteroom {e}: {}", parsed.unwrap_err());
            }
        });
        assert!(seen > 25);
    }

    #[test]
    fn every_command_is_in_the_documentation() {
        let doc = include_str!("../../../docs/CLI.md");
        each(&Cli::command(), "anteroom", &mut |c, path| {
            if c.get_subcommands().next().is_none() {
                assert!(doc.contains(&format!("`{path}")), "docs/CLI.md lacks {path}");
            }
            for a in c.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(
                    matches!(a, "help" | "version") || doc.contains(&format!("--{a}")),
                    "docs/CLI.md lacks --{a}"
                );
            }
        });
    }

    /// As a shell would cut it: spaces, double quotes, and what is read from a file left out.
    fn words(line: &str) -> Vec<String> {
        let mut out = vec!["anteroom".to_owned()];
        let line = line.split(" < ").next().unwrap_or_default();
        for (i, part) in line.split('"').enumerate() {
            if i % 2 == 1 {
                out.push(part.to_owned());
            } else {
                out.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        out
    }
}
