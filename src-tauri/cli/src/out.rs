//! What a command says and how it ends.

use anteroom_types::UserFacing;
use anteroom_types::error::chain;
use std::fmt;
use std::io::{IsTerminal as _, Write as _};

/// Exit codes. Clap ends with 2 on a usage error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// It could not be done; the message says why and what to do.
    Failed = 1,
    /// It was done, and what was looked at is not in order.
    Findings = 3,
}

/// A message for a person: what happened, then what to do.
#[derive(Debug)]
pub(crate) struct Problem(String);

pub(crate) type Outcome = Result<Exit, Problem>;

impl Problem {
    pub(crate) fn new(what: impl fmt::Display, hint: impl fmt::Display) -> Self {
        Self(format!("{what}\n  {hint}"))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: UserFacing> From<E> for Problem {
    fn from(e: E) -> Self {
        Self(format!("{} [{}]\n  {}", chain(&e), e.code(), e.hint()))
    }
}

/// Writes a line; a reader that has gone away (`| head`) is no error of ours.
pub(crate) fn line(text: impl fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes a value as one line of JSON.
pub(crate) fn json(value: &impl serde::Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => line(text),
        Err(e) => eprintln!("anteroom: a result could not be written as JSON: {e}"),
    }
}

/// Writes what should be known, beside the results.
pub(crate) fn warn(text: impl fmt::Display) {
    eprintln!("anteroom: {text}");
}

/// Tells whoever sits at a terminal that something is waited for.
pub(crate) fn prompt(text: &str) {
    if std::io::stdin().is_terminal() {
        eprintln!("{text}");
    }
}

/// One text, or a line each from standard input; each line is answered before the next is read.
pub(crate) fn each(text: Option<String>, mut answer: impl FnMut(&str) -> Result<(), Problem>) -> Outcome {
    if let Some(text) = text {
        answer(&text)?;
        return Ok(Exit::Ok);
    }
    prompt("a line each; end with Ctrl-D");
    for l in std::io::stdin().lines() {
        let l =
            l.map_err(|e| Problem::new(format!("standard input: {e}"), "Give text in UTF-8, a line each."))?;
        answer(&l)?;
    }
    Ok(Exit::Ok)
}
