//! `anteroom check`: looks at everything an appliance needs, without answering calls.

use crate::clinic::Clinic;
use crate::config::{Config, listen};
use crate::place::Place;
use crate::speech::{load_embedder, load_vad, manager};
use crate::start::{StartError, open_store, open_store_to_read};
use crate::tools::AuditState;
use anteroom_api::{Check, CheckStatus, HealthReport};
use anteroom_store::{Store, StoreError, disk_free_bytes};
use anteroom_types::knowledge::EntryStatus;
use anteroom_types::{UserFacing, error::chain};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;

/// Free disk below which somebody should look, and below which recordings will soon fail, in bytes.
const DISK_LOW: u64 = 2 * 1024 * 1024 * 1024;
const DISK_FULL: u64 = 100 * 1024 * 1024;
/// 2025-01-01: a clock before this is wrong.
const CLOCK_MIN_MS: i64 = 1_735_689_600_000;

fn ok(name: &str, detail: impl Into<String>) -> Check {
    Check {
        name: name.into(),
        status: CheckStatus::Ok,
        detail: detail.into(),
        hint: None,
    }
}

fn look(name: &str, detail: impl Into<String>, hint: impl Into<String>) -> Check {
    Check {
        name: name.into(),
        status: CheckStatus::Degraded,
        detail: detail.into(),
        hint: Some(hint.into()),
    }
}

fn failed(name: &str, e: &impl UserFacing) -> Check {
    let detail = format!("{} [{}]", chain(e), e.code());
    Check {
        name: name.into(),
        status: CheckStatus::Failed,
        detail,
        hint: Some(e.hint()),
    }
}

/// Looks at everything. A running appliance keeps its database and ports; that is told, not counted as wrong.
pub async fn everything(data: Option<&Path>, config: Option<&Path>) -> HealthReport {
    let (data, config) = (data.map(Path::to_owned), config.map(Path::to_owned));
    let work = move || blocking(data.as_deref(), config.as_deref());
    let checks = tokio::task::spawn_blocking(work).await.unwrap_or_default();
    HealthReport::of(checks, false)
}

fn blocking(data: Option<&Path>, config: Option<&Path>) -> Vec<Check> {
    let (config, place) = match Place::find(data, config) {
        Ok(found) => found,
        Err(e) => return vec![failed("configuration", &e)],
    };
    let mut all = vec![ok(
        "configuration",
        format!("state is kept in {}", place.data.display()),
    )];
    all.push(match Clinic::load(&config) {
        Ok(c) => ok("clinic", c.name()),
        Err(e) => failed("clinic", &e),
    });
    let (running, store) = match open_store(&config, &place) {
        Ok(store) => {
            database(&store, &mut all);
            (false, Some(store))
        }
        Err(StartError::Held { .. }) => {
            match open_store_to_read(&config, &place) {
                Ok(store) => database(&store, &mut all),
                Err(e) => all.push(failed("database", &e)),
            }
            (true, None)
        }
        Err(e) => {
            all.push(failed("database", &e));
            (false, None)
        }
    };
    all.push(disk(&place));
    models(&config, &place, &mut all);
    all.push(voice());
    if running {
        all.push(ok("ports", "in use by a running appliance"));
    } else {
        ports(&config, &mut all);
    }
    all.push(clock());
    drop(store);
    all
}

fn database(store: &Store, all: &mut Vec<Check>) {
    all.push(match store.integrity_check() {
        Ok(found) if found.is_empty() => ok("database", "opened and whole"),
        Ok(found) => Check {
            name: "database".into(),
            status: CheckStatus::Failed,
            detail: found.join("; "),
            hint: Some("Keep a copy of the data folder as it is, and restore the last backup.".into()),
        },
        Err(e) => failed("database", &e),
    });
    all.push(match store.audit_verify().map(|r| AuditState::of(&r)) {
        Ok(s) if s.ok => ok("audit", format!("{} entries, verified", s.entries)),
        Ok(s) => Check {
            name: "audit".into(),
            status: CheckStatus::Failed,
            detail: s.wrong.unwrap_or_else(|| "the chain is broken".into()),
            hint: Some("Keep a copy of the data folder as it is, and compare with an earlier export.".into()),
        },
        Err(e) => failed("audit", &e),
    });
    all.push(knowledge(store));
}

fn knowledge(store: &Store) -> Check {
    let approved: Result<_, StoreError> = store.list(Some(EntryStatus::Approved));
    match approved {
        Ok(list) if list.is_empty() => look(
            "knowledge",
            "no entry is approved: every question goes to a person",
            "Import and approve answers: anteroom knowledge import FILE --approve-by NAME",
        ),
        Ok(list) => ok("knowledge", format!("{} approved entries", list.len())),
        Err(e) => failed("knowledge", &e),
    }
}

fn disk(place: &Place) -> Check {
    let hint = "Free space, or move the data folder to a larger disk.";
    match disk_free_bytes(&place.data) {
        Some(free) if free < DISK_FULL => Check {
            name: "disk".into(),
            status: CheckStatus::Failed,
            detail: format!("{} MB free", free / 1_000_000),
            hint: Some(hint.into()),
        },
        Some(free) if free < DISK_LOW => look("disk", format!("{} MB free", free / 1_000_000), hint),
        Some(free) => ok("disk", format!("{} GB free", free / 1_000_000_000)),
        None => look(
            "disk",
            "free space is not known",
            "Check that the data folder exists.",
        ),
    }
}

fn models(config: &Config, place: &Place, all: &mut Vec<Check>) {
    all.push(match load_vad(&place.models) {
        Ok(_) => ok("model:voice-activity", "loaded"),
        Err(e) => failed("model:voice-activity", &e),
    });
    all.push(match load_embedder(&place.models) {
        Ok(_) => ok("model:embedding", "loaded"),
        Err(e) => failed("model:embedding", &e),
    });
    for id in &config.speech.recognisers {
        let name = format!("model:{id}");
        let found = manager(&place.models, false).and_then(|m| {
            m.folder(id)?;
            Ok(m.rung(id)?.model.demonstration)
        });
        all.push(match found {
            Ok(false) => ok(&name, "here and verified"),
            Ok(true) => look(
                &name,
                "a DEMONSTRATION model: it has never heard a human being",
                "For real callers: anteroom models fetch base.en-q5_1, then name it in [speech] recognisers.",
            ),
            Err(e) => failed(&name, &e),
        });
    }
}

fn voice() -> Check {
    match std::process::Command::new("espeak-ng").arg("--version").output() {
        Ok(o) if o.status.success() => {
            let text = String::from_utf8_lossy(&o.stdout);
            ok(
                "voice",
                text.lines()
                    .next()
                    .unwrap_or("espeak-ng")
                    .split("  ")
                    .next()
                    .unwrap_or("espeak-ng"),
            )
        }
        _ => Check {
            name: "voice".into(),
            status: CheckStatus::Failed,
            detail: "espeak-ng is not there".into(),
            hint: Some("Install it: apt-get install espeak-ng".into()),
        },
    }
}

fn ports(config: &Config, all: &mut Vec<Check>) {
    for l in &config.sip.listen {
        let Ok((transport, addr)) = listen(l.get_ref()) else {
            continue;
        };
        let name = format!("port:{}", l.get_ref());
        let bound = if transport == "udp" {
            UdpSocket::bind(addr).map(drop)
        } else {
            TcpListener::bind(addr).map(drop)
        };
        all.push(port(&name, bound));
    }
    all.push(port(
        &format!("port:web {}", config.web.listen),
        TcpListener::bind(config.web.listen).map(drop),
    ));
}

fn port(name: &str, bound: std::io::Result<()>) -> Check {
    match bound {
        Ok(()) => ok(name, "free"),
        Err(e) => Check {
            name: name.into(),
            status: CheckStatus::Failed,
            detail: format!("cannot be listened on: {e}"),
            hint: Some("Stop the program that uses it, or choose another in the configuration.".into()),
        },
    }
}

fn clock() -> Check {
    let now = crate::tools::now().0;
    if now < CLOCK_MIN_MS {
        return look(
            "clock",
            "the clock is years behind",
            "Set it, and let NTP keep it: timedatectl set-ntp true",
        );
    }
    ok("clock", "plausible")
}
