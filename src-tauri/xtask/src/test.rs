//! `cargo xtask test`: every check, in the order in which a failure is cheapest to see.

use crate::run::{Cmd, Fail, WITHOUT_WINDOW, build, cargo, root, say};
use crate::setup;
use std::time::Instant;

type Part = (&'static str, &'static str, fn() -> Result<(), Fail>);

const PARTS: &[Part] = &[
    ("lint", "formatting and clippy", lint),
    ("deny", "licences, bans and sources of dependencies", deny),
    ("ui", "the page: types, lint, unit tests", ui),
    ("doc", "rustdoc", doc),
    (
        "e2e",
        "the page, its tasks and the handset in real browsers; the demo",
        e2e,
    ),
    ("fuzz", "fuzz targets, a minute each", fuzz),
    ("rust", "every Rust test", rust),
    (
        "desktop",
        "the desktop program: clippy, its window, a call by its headset",
        desktop,
    ),
];

/// Runs the parts named, or all.
pub(crate) fn parts(names: &[String]) -> Result<(), Fail> {
    for n in names {
        if !PARTS.iter().any(|(name, _, _)| name == n) {
            let all: Vec<_> = PARTS.iter().map(|p| p.0).collect();
            return Err(Fail::new(format!(
                "there is no part '{n}'; there are: {}",
                all.join(" ")
            )));
        }
    }
    setup::all()?;
    let mut times = Vec::new();
    for (name, what, f) in PARTS {
        if !names.is_empty() && !names.iter().any(|n| n == name) {
            continue;
        }
        say(&format!("test {name}: {what}"));
        let start = Instant::now();
        f()?;
        times.push(format!("{name} {:.0} s", start.elapsed().as_secs_f32()));
    }
    say(&format!("all passed: {}", times.join(", ")));
    Ok(())
}

fn lint() -> Result<(), Fail> {
    cargo(&["fmt", "--all", "--check"]).run()?;
    cargo(&["clippy", "--quiet"])
        .args(WITHOUT_WINDOW)
        .args(["--all-targets", "--", "-D", "warnings"])
        .run()
}

/// Builds it, looks at it as the other parts look at the rest, and shows its window on a screen of its own.
fn desktop() -> Result<(), Fail> {
    setup::for_desktop()?;
    let of = ["--quiet", "--package", "anteroom-desktop"];
    cargo(&["clippy"])
        .args(of)
        .args(["--all-targets", "--", "-D", "warnings"])
        .run()?;
    cargo(&["doc", "--no-deps"])
        .args(of)
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    cargo(&[
        "nextest",
        "run",
        "--package",
        "anteroom-desktop",
        "--show-progress",
        "none",
    ])
    .env("ANTEROOM_MODELS", setup::models_dir())
    .run()
}

fn doc() -> Result<(), Fail> {
    cargo(&["doc", "--quiet", "--no-deps"])
        .args(WITHOUT_WINDOW)
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()
}

fn deny() -> Result<(), Fail> {
    // Advisories need a database from the internet; `check advisories` runs where there is one.
    cargo(&[
        "deny",
        "--log-level",
        "error",
        "check",
        "licenses",
        "bans",
        "sources",
    ])
    .run()
}

fn ui() -> Result<(), Fail> {
    for script in ["check", "lint", "test"] {
        Cmd::new("npm")
            .args(["run", "--silent", script])
            .dir(root().join("ui"))
            .run()?;
    }
    Ok(())
}

fn e2e() -> Result<(), Fail> {
    let server = build(&["--example", "scripted_call"])?;
    for test in ["run", "tasks", "handset"] {
        in_browsers(test, |c| c.env("ANTEROOM_E2E_SERVER", &server))?;
    }
    // The handset against the appliance itself, with a telephone as the caller.
    let anteroom = build(&["--bin", "anteroom"])?;
    in_browsers("appliance", |c| {
        c.env("ANTEROOM_BIN", &anteroom)
            .env("ANTEROOM_MODELS", setup::models_dir())
    })?;
    // The main job, with a browser and a telephone at the desk.
    let demo = ["--once".to_owned(), "--json".to_owned()];
    twice("the demo", || crate::demo(&demo))
}

fn in_browsers(test: &str, with: impl Fn(Cmd) -> Cmd) -> Result<(), Fail> {
    let script = format!("e2e/{test}.mjs");
    twice(&script, || {
        with(Cmd::new("node").arg(&script).dir(root().join("ui"))).run()
    })
}

/// Browsers, sound and telephones in real time on a shared machine: one more try, and the first is told, not hidden; the
/// same that nextest gives the Rust tests of that kind.
fn twice(what: &str, go: impl Fn() -> Result<(), Fail>) -> Result<(), Fail> {
    let Err(first) = go() else { return Ok(()) };
    say(&format!("FLAKY? {what} failed, and is tried once more: {first}"));
    go()?;
    say(&format!(
        "FLAKY {what}: it failed once, see above, and passed at the second try"
    ));
    Ok(())
}

/// The seeded fuzzers are tests; here they get a minute each.
fn fuzz() -> Result<(), Fail> {
    nextest()
        .args(["--run-ignored", "all", "-E", "test(fuzz)"])
        .env("ANTEROOM_FUZZ_SECONDS", "60")
        .run()
}

fn rust() -> Result<(), Fail> {
    cargo(&["test", "--quiet", "--doc"]).args(WITHOUT_WINDOW).run()?;
    nextest().run()
}

fn nextest() -> Cmd {
    cargo(&["nextest", "run", "--no-fail-fast", "--show-progress", "none"])
        .args(WITHOUT_WINDOW)
        .env("ANTEROOM_MODELS", setup::models_dir())
}
