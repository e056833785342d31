//! Developer tasks: `cargo xtask setup | demo | test | bench | tidy`.
//!
//! Each task does its own set-up on a machine that has only Rust, Node and a C compiler, says what it is doing, and
//! starts at once when there is nothing left to set up.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command talks to its terminal"
)]

mod run;
mod setup;
mod test;

use run::{Cmd, Fail, cargo, say};

const HELP: &str = "\
cargo xtask TASK

  setup            install what is missing: Debian packages, tools, models, the page
  demo [ARGS]      a scripted caller rings the sample clinic; ARGS go to `anteroom demo` (--once, --json)
  test [PART...]   every check and test, or only the parts named: lint doc deny ui rust fuzz e2e desktop
  bench NAME [--json]
                   measure: answer turn stt stt-wer vad embed search commit memory setup, or all; bridged;
                   relay delay
  run [ARGS]       set up, build, and run `anteroom ARGS`
  desktop [ARGS]   set up, build, and run the desktop program

Builds go to $CARGO_TARGET_DIR, or to the home cache (anteroom/target) when that is not set.
";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = args
        .split_first()
        .map_or(("help", &[][..]), |(t, r)| (t.as_str(), r));
    let result = match task {
        "setup" => setup::all(),
        "demo" => demo(rest),
        "bench" => bench(rest),
        "run" => match rest.split_first() {
            Some((first, rest)) => anteroom(first, rest),
            None => anteroom("--help", &[]),
        },
        "desktop" => desktop(rest),
        "test" => test::parts(rest),
        "help" | "--help" | "-h" => {
            println!("{HELP}");
            Ok(())
        }
        other => Err(Fail::new(format!("there is no task '{other}'. {HELP}"))),
    };
    if let Err(fail) = result {
        eprintln!("xtask: {fail}");
        std::process::exit(fail.code());
    }
}

/// The demo with somebody at the desk: a browser and a telephone, which are set up as well.
pub(crate) fn demo(rest: &[String]) -> Result<(), Fail> {
    setup::for_demo()?;
    let desk = ["--desk".to_owned(), "node ui/demo/desk.mjs".to_owned()];
    anteroom("demo", &[rest, &desk].concat())
}

/// Builds the command line and hands over to it.
fn anteroom(sub: &str, rest: &[String]) -> Result<(), Fail> {
    say("building anteroom (the first build takes some minutes; whisper.cpp is part of it)");
    Cmd::new(run::build(&["--bin", "anteroom"])?)
        .arg(sub)
        .args(rest)
        .dir(run::root())
        .env("ANTEROOM_MODELS", setup::models_dir())
        .run()
}

/// Sets up what a window needs, builds the desktop program and hands over to it.
fn desktop(rest: &[String]) -> Result<(), Fail> {
    setup::for_running()?;
    setup::for_desktop()?;
    say(
        "building the desktop program (the first build takes some minutes; WebKit's bindings are part of it)",
    );
    cargo(&["build", "--quiet", "--package", "anteroom-desktop"]).run()?;
    Cmd::new(run::target_dir().join("debug").join("anteroom-desktop"))
        .args(rest)
        .dir(run::root())
        .env("ANTEROOM_MODELS", setup::models_dir())
        .run()
}

/// Sets up, builds the benchmarks and hands over to them. They make the peers' environment themselves.
fn bench(rest: &[String]) -> Result<(), Fail> {
    if let Some((name @ ("relay" | "delay"), more)) = rest.split_first().map(|(n, m)| (n.as_str(), m)) {
        return bench_media(name, more);
    }
    setup::for_running()?;
    if rest
        .iter()
        .any(|n| ["setup", "memory", "bridged", "all"].contains(&n.as_str()))
    {
        setup::for_bridging()?;
    }
    say("building the benchmarks");
    Cmd::new(run::build(&["--bin", "anteroom-bench"])?)
        .args(rest)
        .env("ANTEROOM_MODELS", setup::models_dir())
        .run()
}

/// What the media crate costs by itself, beside rtpengine behind Kamailio: its own program, which needs neither models nor the page.
fn bench_media(name: &str, more: &[String]) -> Result<(), Fail> {
    say("building the media benchmark; its peers are Debian's kamailio and rtpengine-daemon");
    Cmd::new(run::build(&["--example", "relay"])?)
        .args(["--bench", name])
        .args(more)
        .run()
}
