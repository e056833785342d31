//! What can be written after `anteroom`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Answers a clinic's telephone on a machine the clinic owns.
#[derive(Debug, Parser)]
#[command(name = "anteroom", version, about, max_term_width = 100)]
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
    Knowledge {
        #[command(subcommand)]
        command: Knowledge,
    },
    /// The models on this machine
    Models {
        #[command(subcommand)]
        command: Models,
    },
    /// Calls that were taken
    Calls {
        #[command(subcommand)]
        command: Calls,
    },
    /// Tasks that wait for a person
    Tasks {
        #[command(subcommand)]
        command: Tasks,
    },
    /// Make the hash of a passcode (read from standard input) for [[web.passcode]] in the configuration
    #[command(after_help = "Example: anteroom passcode < passcode.txt")]
    Passcode,
    /// The chain of evidence
    Audit {
        #[command(subcommand)]
        command: Audit,
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
    /// List entries
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one entry
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
    Verify {
        /// Its id
        id: String,
    },
    /// Remove a model's files
    Remove {
        /// Its id
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Calls {
    /// The latest calls
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Everything about one call
    Show {
        /// Its id
        id: String,
        /// JSON
        #[arg(long)]
        json: bool,
    },
    /// Calls in which something was said
    Search {
        /// Words
        words: String,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Write a call's recording to a file (Ogg Opus, caller left, clinic right); leaves an audit entry
    Recording {
        /// Its id
        id: String,
        /// The file
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Tasks {
    /// Open tasks, most urgent first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Mark a task as done
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
