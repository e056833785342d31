//! The architecture's arrows and invariants, read from the code itself.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_path_buf()
}

/// Which crates of ours each crate may depend on (outside its tests).
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("call", &["types"]),
    ("reception", &["types"]),
    ("audit", &["types"]),
    ("api", &["types"]),
    ("sip", &["types"]),
    ("media", &["types"]),
    ("speech", &["types"]),
    ("documents", &["types"]),
    ("store", &["types", "audit"]),
    ("web", &["types", "api"]),
    (
        "appliance",
        &[
            "types",
            "call",
            "reception",
            "audit",
            "api",
            "sip",
            "media",
            "speech",
            "store",
            "documents",
        ],
    ),
    // Sound devices and calls do not know each other; the handset joins them, and is all that does.
    ("sound", &["types"]),
    ("handset", &["types", "api", "appliance", "sound"]),
    ("host", &["types", "api", "appliance", "web"]),
    ("desktop", &["types", "api", "appliance", "handset", "host"]),
    // A scripted caller is a telephone of its own: it needs signalling and media, nothing of ours above them.
    ("sim", &["types", "sip", "media"]),
    ("cli", &["types", "api", "appliance", "host", "web", "sim"]),
    // The benchmarks look at each part from outside, and measure some by themselves.
    (
        "bench",
        &[
            "types",
            "call",
            "reception",
            "audit",
            "api",
            "sip",
            "media",
            "speech",
            "store",
            "documents",
            "web",
            "appliance",
            "sim",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that only one of ours may know (invariant 1).
const KNOWN_ONLY_BY: &[(&str, &str)] = &[
    ("sipx-", "sip"),
    ("rtc-", "media"),
    ("webrtc", "media"),
    ("opus", "media"),
    ("neteq", "media"),
    ("whisper-rs", "speech"),
    ("candle-", "speech"),
    ("tokenizers", "speech"),
    ("rusqlite", "store"),
    ("sqlite-vec", "store"),
    ("axum", "web"),
    ("cpal", "sound"),
    ("aec3", "sound"),
    ("nnnoiseless", "sound"),
    ("tauri", "desktop"),
];

/// Nothing that does I/O, reads a clock or draws random numbers may be a dependency of these (invariant 2).
const PURE: &[&str] = &["types", "call", "reception", "audit", "api"];
const IMPURE_DEPENDENCIES: &[&str] = &[
    "tokio",
    "rand",
    "getrandom",
    "reqwest",
    "ureq",
    "mio",
    "async-std",
];

struct Package {
    name: String,
    dependencies: Vec<(String, bool)>,
}

fn packages() -> Vec<Package> {
    let out = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let meta: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    meta["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| Package {
            name: p["name"]
                .as_str()
                .unwrap()
                .trim_start_matches("anteroom-")
                .to_owned(),
            dependencies: p["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .map(|d| {
                    (
                        d["name"].as_str().unwrap().to_owned(),
                        d["kind"].as_str() == Some("dev"),
                    )
                })
                .collect(),
        })
        .collect()
}

#[test]
fn every_arrow_points_down() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for p in packages() {
        let may = allowed
            .get(p.name.as_str())
            .unwrap_or_else(|| panic!("{} has no row in ARROWS", p.name));
        seen.insert(p.name.clone());
        for (d, dev) in &p.dependencies {
            if let Some(ours) = d.strip_prefix("anteroom-") {
                assert!(
                    *dev || may.contains(&ours),
                    "{} must not depend on {ours}",
                    p.name
                );
            }
        }
    }
    for (name, _) in ARROWS {
        assert!(
            seen.contains(*name),
            "ARROWS has a row for {name}, which is no package"
        );
    }
}

#[test]
fn each_library_is_known_by_one_crate() {
    for p in packages() {
        for (d, dev) in &p.dependencies {
            for (prefix, owner) in KNOWN_ONLY_BY {
                let ok = *dev || p.name == *owner || !d.starts_with(prefix);
                assert!(ok, "{} must not know {d}: only {owner} does", p.name);
            }
        }
    }
}

#[test]
fn pure_crates_have_no_impure_dependencies() {
    for p in packages().iter().filter(|p| PURE.contains(&p.name.as_str())) {
        for (d, dev) in &p.dependencies {
            assert!(
                *dev || !IMPURE_DEPENDENCIES.contains(&d.as_str()),
                "{} is pure, but depends on {d}",
                p.name
            );
        }
    }
}

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for e in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = e.path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|x| x == "rs") {
            out.push(path);
        }
    }
}

fn crate_sources(name: &str) -> Vec<(PathBuf, String)> {
    let mut out = Vec::new();
    sources(&root().join("src-tauri").join(name).join("src"), &mut out);
    out.into_iter()
        .map(|p| (p.clone(), std::fs::read_to_string(p).unwrap()))
        .collect()
}

/// The code of a file: without comments, and without its unit tests, which stand last by convention.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end]
        .lines()
        .map(|l| l.split("//").next().unwrap_or(""))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn pure_crates_do_no_io_and_read_no_clock() {
    const BANNED: &[&str] = &[
        "std::fs",
        "std::net",
        "std::process",
        "std::thread",
        "SystemTime::now",
        "Instant::now",
        "env::var",
        "Zoned::now",
        "Timestamp::now",
    ];
    for name in PURE {
        for (path, text) in crate_sources(name) {
            for b in BANNED {
                assert!(
                    !code(&text).contains(b),
                    "{} is in a pure crate but uses {b}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn queues_are_bounded() {
    for (name, _) in ARROWS {
        for (path, text) in crate_sources(name) {
            for b in ["unbounded_channel", "mpsc::channel()", "channel::unbounded"] {
                assert!(
                    !code(&text).contains(b),
                    "{} makes an unbounded queue: {b}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn sql_stays_in_the_store() {
    const SQL: &[&str] = &["SELECT ", "INSERT INTO", "DELETE FROM", "CREATE TABLE", "PRAGMA "];
    for (name, _) in ARROWS.iter().filter(|(n, _)| !["store", "xtask"].contains(n)) {
        for (path, text) in crate_sources(name) {
            for s in SQL {
                assert!(!code(&text).contains(s), "{} holds SQL: {s}", path.display());
            }
        }
    }
}

#[test]
fn no_file_outgrows_itself() {
    const LINES_MAX: usize = 900;
    for (name, _) in ARROWS {
        for (path, text) in crate_sources(name) {
            let n = text.lines().count();
            assert!(
                n <= LINES_MAX,
                "{} has {n} lines: it holds more than one idea",
                path.display()
            );
        }
    }
}

#[test]
fn migrations_are_numbered_without_gaps() {
    let mut names: Vec<String> = std::fs::read_dir(root().join("migrations"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|n| n.ends_with(".sql"))
        .collect();
    names.sort();
    assert!(!names.is_empty());
    for (i, n) in names.iter().enumerate() {
        assert!(
            n.starts_with(&format!("{:04}_", i + 1)),
            "{n} should be number {}",
            i + 1
        );
    }
}

#[test]
fn personal_data_is_never_opened_for_a_log_line() {
    for (name, _) in ARROWS {
        for (path, text) in crate_sources(name) {
            for (i, line) in code(&text).lines().enumerate() {
                let logs = ["trace!(", "debug!(", "info!(", "warn!(", "error!("]
                    .iter()
                    .any(|m| line.contains(m));
                assert!(
                    !(logs && line.contains(".open(")),
                    "{}:{} logs personal data",
                    path.display(),
                    i + 1
                );
            }
        }
    }
}
