//! Running commands, and where things are.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Why a task failed.
#[derive(Debug)]
pub(crate) struct Fail {
    text: String,
    code: i32,
}

impl Fail {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            code: 1,
        }
    }
    pub(crate) const fn code(&self) -> i32 {
        self.code
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<std::io::Error> for Fail {
    fn from(e: std::io::Error) -> Self {
        Self::new(e.to_string())
    }
}

/// Says what is being done. Standard output belongs to what the task prints as its result.
pub(crate) fn say(what: &str) {
    eprintln!("==> {what}");
}

/// The checkout.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// The user's cache folder for this project; survives clones.
pub(crate) fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("anteroom")
}

/// Where cargo builds: outside the clone, so that a fresh one is warm.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| cache().join("target"), PathBuf::from)
}

/// A cargo command in the checkout.
pub(crate) fn cargo(args: &[&str]) -> Cmd {
    Cmd::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())).args(args)
}

/// Everything but the desktop program, which is built alone: it alone needs WebKit. Cargo unites the features of what is built
/// together, so that another selection compiles the libraries another time; programs and tests all use this one.
pub(crate) const WITHOUT_WINDOW: [&str; 3] = ["--workspace", "--exclude", "anteroom-desktop"];

/// Builds `["--bin" or "--example", name]`; gives the program.
pub(crate) fn build(what: &[&str; 2]) -> Result<PathBuf, Fail> {
    cargo(&["build", "--quiet"])
        .args(WITHOUT_WINDOW)
        .args(what)
        .run()?;
    let dir = target_dir().join("debug");
    let dir = if what[0] == "--example" {
        dir.join("examples")
    } else {
        dir
    };
    Ok(dir.join(what[1]))
}

/// A command to run in the checkout, with the tools this project installs on its path.
pub(crate) struct Cmd {
    inner: Command,
    shown: String,
}

impl Cmd {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut inner = Command::new(program.as_ref());
        let mut path = OsString::from(crate::setup::tools_bin());
        if let Some(old) = std::env::var_os("PATH") {
            path.push(":");
            path.push(old);
        }
        inner
            .current_dir(root())
            .env("PATH", path)
            .env("CARGO_TARGET_DIR", target_dir());
        Self {
            inner,
            shown: program.as_ref().to_string_lossy().into_owned(),
        }
    }
    pub(crate) fn arg(mut self, a: impl AsRef<OsStr>) -> Self {
        self.shown.push(' ');
        self.shown.push_str(&a.as_ref().to_string_lossy());
        self.inner.arg(a);
        self
    }
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        for a in args {
            self = self.arg(a);
        }
        self
    }
    pub(crate) fn env(mut self, k: &str, v: impl AsRef<OsStr>) -> Self {
        self.inner.env(k, v);
        self
    }
    pub(crate) fn dir(mut self, d: impl AsRef<Path>) -> Self {
        self.inner.current_dir(d);
        self
    }
    /// Sends the command's standard output to our standard error, so that a task's own result stays alone on its.
    pub(crate) fn on_stderr(mut self) -> Self {
        self.inner.stdout(std::io::stderr());
        self
    }
    /// Runs to the end; a failure names the command.
    pub(crate) fn run(mut self) -> Result<(), Fail> {
        let status = self
            .inner
            .status()
            .map_err(|e| Fail::new(format!("could not start `{}`: {e}", self.shown)))?;
        if status.success() {
            return Ok(());
        }
        let code = status.code().unwrap_or(1);
        Err(Fail {
            text: format!("`{}` ended with {status}", self.shown),
            code,
        })
    }
    /// Whether the command starts and succeeds; its output is dropped.
    pub(crate) fn succeeds(mut self) -> bool {
        let null = Stdio::null;
        self.inner
            .stdin(null())
            .stdout(null())
            .stderr(null())
            .status()
            .is_ok_and(|s| s.success())
    }
}
