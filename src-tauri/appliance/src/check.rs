//! `anteroom check`: looks at everything an appliance needs, without answering calls, by the same conversions as its start. It
//! makes and changes nothing.

use crate::alarm::primary;
use crate::clinic::Clinic;
use crate::concerns::{self, Concern};
use crate::config::{Config, listen};
use crate::convert;
use crate::desk::IceServers;
use crate::place::Place;
use crate::speech::{espeak, load_embedder, load_vad, manager};
use crate::start::{StartError, look_into_store};
use crate::tools::AuditState;
use anteroom_api::{Check, CheckStatus, HealthReport};
use anteroom_media::MediaFactory;
use anteroom_sip::Sip;
use anteroom_store::{Store, StoreError, database_exists, disk_free_bytes, is_held};
use anteroom_types::knowledge::EntryStatus;
use anteroom_types::{UserFacing, error::chain};
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::Instant;
use tokio::runtime::Handle;

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
    match Clinic::load(&config) {
        Ok(c) => {
            all.push(ok("clinic", c.name()));
            all.push(clinic_files(&c));
        }
        Err(e) => all.push(failed("clinic", &e)),
    }
    telephones(&config, &mut all);
    all.extend(concerns::of_config(&config).into_iter().map(told));
    match look_into_store(&config, &place) {
        Ok(Some(store)) => database(&config, &store, &mut all),
        Ok(None) if database_exists(&place.data) => all.push(ok(
            "database",
            "of an earlier version; the next start brings it up to this one",
        )),
        Ok(None) => {
            all.push(ok("database", "none yet; the first start makes it"));
            all.push(no_knowledge());
        }
        Err(e) => all.push(failed("database", &e)),
    }
    all.push(disk(&place));
    models(&config, &place, &mut all);
    all.push(voice(&config));
    if is_held(&place.data) {
        all.push(ok("ports", "in use by a running appliance"));
    } else {
        ports(&config, &mut all);
    }
    all.push(clock());
    all
}

fn told(c: Concern) -> Check {
    look(c.name, c.detail, c.hint)
}

fn clinic_files(clinic: &Clinic) -> Check {
    let files = clinic.of_sample();
    let detail = match files {
        [] => "all are the clinic's own".to_owned(),
        files => format!("of the sample clinic: {}", files.join(", ")),
    };
    // Words and hours are heard by callers; what is safe, and how answers are chosen, may well be as it comes.
    if files.iter().any(|f| ["policy.toml", "hours.toml"].contains(f)) {
        return look(
            "clinic-files",
            detail,
            "Name a folder with your own in [clinic] folder: callers hear the sample's name, words and hours.",
        );
    }
    ok("clinic-files", detail)
}

/// What start makes of `[sip]`, `[media]` and `[[desk.ice]]`, with the files they name.
fn telephones(config: &Config, all: &mut Vec<Check>) {
    let sip = convert::sip(config).and_then(|c| Sip::check(&c).map_err(StartError::Sip));
    all.push(match sip {
        Ok(()) => ok("sip", format!("{} trunks", config.sip.trunk.len())),
        Err(e) => failed("sip", &e),
    });
    all.push(match MediaFactory::new(convert::media(config), Instant::now()) {
        Ok(m) => ok(
            "media",
            format!("{} pairs of ports on {}", m.free_ports(), config.media.bind),
        ),
        Err(e) => failed("media", &e),
    });
    if let Err(e) = IceServers::load(&config.desk) {
        all.push(failed("ice", &e));
    }
}

fn database(config: &Config, store: &Store, all: &mut Vec<Check>) {
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
    match concerns::of_store(config, store) {
        Ok(found) => all.extend(found.into_iter().map(told)),
        Err(e) => all.push(failed("people", &e)),
    }
}

fn no_knowledge() -> Check {
    look(
        "knowledge",
        "no entry is approved: every question goes to a person",
        "Import and approve answers: anteroom knowledge import FILE --approve-by NAME",
    )
}

fn knowledge(store: &Store) -> Check {
    let approved: Result<_, StoreError> = store.list(Some(EntryStatus::Approved));
    match approved {
        Ok(list) if list.is_empty() => no_knowledge(),
        Ok(list) => ok("knowledge", format!("{} approved entries", list.len())),
        Err(e) => failed("knowledge", &e),
    }
}

fn disk(place: &Place) -> Check {
    let hint = "Free space, or move the data folder to a larger disk.";
    // Before the first start the folder is not there, and the disk it will be on is.
    let there = place.data.ancestors().find(|d| d.exists()).unwrap_or(&place.data);
    match disk_free_bytes(there) {
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

/// That the voice is there, by letting it say something.
fn voice(config: &Config) -> Check {
    let espeak = espeak(&config.speech);
    let said = Handle::current().block_on(espeak.render("one two three", &config.clinic.language));
    match said {
        Ok(sound) if sound.is_empty() => look(
            "voice",
            format!("'{}' says nothing", config.speech.voice),
            "Choose a voice in [speech] that `espeak-ng --voices` lists.",
        ),
        Ok(_) => named_voice(&config.speech.voice, &config.clinic.language),
        Err(e) => failed("voice", &e),
    }
}

/// That it is the voice named which speaks: espeak-ng takes another for a variant it does not know, and callers of another
/// language than the voice's get the voice of theirs.
fn named_voice(voice: &str, language: &str) -> Check {
    let hint = "Choose a voice in [speech] that `espeak-ng --voices` lists.";
    if !primary(voice).eq_ignore_ascii_case(primary(language)) {
        let detail =
            format!("'{voice}' is not used: callers are spoken to in '{language}' ([clinic] language)");
        return look("voice", detail, hint);
    }
    let listed = std::process::Command::new("espeak-ng").arg("--voices").output();
    let listed = listed.map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    if listed.is_ok_and(|l| is_listed(voice, &l)) {
        ok("voice", format!("'{voice}' speaks"))
    } else {
        look(
            "voice",
            format!("espeak-ng has no voice '{voice}', and takes another"),
            hint,
        )
    }
}

/// Whether a list of voices has one of that tag, name or file; a variant (`+f3`) is not looked at.
fn is_listed(voice: &str, list: &str) -> bool {
    let base = voice.split('+').next().unwrap_or(voice);
    let is = |word: &str| {
        word.eq_ignore_ascii_case(base)
            || word
                .rsplit('/')
                .next()
                .is_some_and(|f| f.eq_ignore_ascii_case(base))
    };
    list.lines().skip(1).any(|l| l.split_whitespace().any(is))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of a folder with that configuration.
    async fn checks(text: &str) -> (tempfile::TempDir, HealthReport) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("anteroom.toml"), text).unwrap();
        let report = everything(Some(dir.path()), None).await;
        (dir, report)
    }

    fn find<'a>(report: &'a HealthReport, name: &str) -> &'a Check {
        let found = report.checks.iter().find(|c| c.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {report:?}"))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn looking_makes_nothing() {
        let (dir, report) =
            checks("[sip]\nlisten = [\"udp:127.0.0.1:0\"]\n[web]\nlisten = \"127.0.0.1:0\"").await;
        let left: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["anteroom.toml"]);
        assert_eq!(find(&report, "database").status, CheckStatus::Ok);
        for name in ["emergency-calls", "callers", "knowledge", "clinic-files"] {
            assert_eq!(find(&report, name).status, CheckStatus::Degraded, "{name}");
        }
        let nowhere = dir.path().join("not/there");
        let report = everything(Some(&nowhere), None).await;
        assert!(!nowhere.exists());
        assert_ne!(find(&report, "disk").detail, "free space is not known");
    }

    #[test]
    fn a_voice_is_one_that_is_listed() {
        let list = "Pty Language       Age/Gender VoiceName          File                 Other Languages\n\
             5  en-gb           --/M      English_(Great_Britain) gmw/en               (en 2)\n\
             5  de              --/M      German             gmw/de\n";
        for there in ["en-gb", "en-GB", "en", "de+f3", "German"] {
            assert!(is_listed(there, list), "{there}");
        }
        for not in ["en-nonsense", "fr", "Language"] {
            assert!(!is_listed(not, list), "{not}");
        }
        assert_eq!(named_voice("en-nonsense", "en").status, CheckStatus::Degraded);
        assert_eq!(named_voice("de", "en").status, CheckStatus::Degraded);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_start_refuses_is_refused() {
        let trunk = "[[sip.trunk]]\nname = \"a\"\nregistrar = [\"sip.provider.example\"]\nuser = \"u\"\n\
            password_file = \"/nonexistent/trunk.password\"";
        let (_dir, report) = checks(trunk).await;
        let sip = find(&report, "sip");
        assert_eq!(sip.status, CheckStatus::Failed);
        assert!(
            sip.hint
                .as_ref()
                .unwrap()
                .contains("password_file in [[sip.trunk]]"),
            "{sip:?}"
        );
        let ice =
            "[[desk.ice]]\nurl = \"turn:turn.example:3478\"\nsecret_file = \"/nonexistent/turn.secret\"";
        let (_dir, report) = checks(ice).await;
        let ice = find(&report, "ice");
        assert!(
            ice.hint.as_ref().unwrap().contains("secret_file in [[desk.ice]]"),
            "{ice:?}"
        );
        let tls = "[sip]\nlisten = [\"tls:127.0.0.1:0\"]\ntls_cert = \"/nonexistent/a\"\ntls_key = \"/nonexistent/b\"";
        let (_dir, report) = checks(tls).await;
        assert_eq!(find(&report, "sip").status, CheckStatus::Failed);
    }
}
