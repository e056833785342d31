//! What is allowed, and probably not meant: told at start, and by `anteroom check`.
//!
//! None of it keeps an appliance from answering. A telephone that works but for one thing is better than none.

use crate::alarm::primary;
use crate::config::Config;
use anteroom_store::{Person, Store, StoreError};
use anteroom_types::knowledge::EntryStatus;

/// Names that are told at most.
const NAMED_MAX: usize = 10;

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concern {
    /// Its stable name.
    pub name: &'static str,
    /// What it is. It may name users of the desk, and is not for the log.
    pub detail: String,
    /// What to do.
    pub hint: String,
}

fn concern(name: &'static str, detail: impl Into<String>, hint: impl Into<String>) -> Concern {
    Concern {
        name,
        detail: detail.into(),
        hint: hint.into(),
    }
}

/// What the configuration alone tells.
pub(crate) fn of_config(config: &Config) -> Vec<Concern> {
    let (sip, desk, media) = (&config.sip, &config.desk, &config.media);
    let mut all = Vec::new();
    let way_out = sip.trunk.iter().any(crate::config::Trunk::can_be_dialled);
    if desk.enabled && !way_out {
        all.push(concern(
            "emergency-calls",
            format!(
                "emergency numbers ({}) cannot be rung from any telephone here: there is no trunk that calls could leave by",
                config.outbound.emergency.join(", ")
            ),
            "Add a [[sip.trunk]] that registers, or that has one address or a target. Until then use another telephone.",
        ));
    }
    if sip.trunk.is_empty() && !sip.allow_direct {
        all.push(concern(
            "callers",
            "nobody outside can ring: there is no trunk, and callers without one are refused",
            "Add a [[sip.trunk]], or for a trial on your own network set allow_direct = true in [sip].",
        ));
    }
    if sip.allow_direct && sip.listens().iter().any(|a| !a.is_loopback()) {
        all.push(concern(
            "allow-direct",
            "whoever reaches this machine may ring as a caller, and no trunk is needed for it",
            "Set allow_direct = false in [sip] unless this network is your own.",
        ));
    }
    if desk.enabled && !config.web.listen.ip().is_loopback() && media.bind.is_loopback() {
        all.push(concern(
            "handset-sound",
            format!(
                "the page is served beyond this machine, and sound is received on {}: handsets in browsers elsewhere are silent",
                media.bind
            ),
            "Set bind in [media] to the address the page is opened at.",
        ));
    }
    all
}

/// What the store tells besides.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn of_store(config: &Config, store: &Store) -> Result<Vec<Concern>, StoreError> {
    let people = store.list_people()?;
    let mut all = of_people(config, &people);
    if !crate::automation::is_on(store)? {
        all.push(concern(
            "automation",
            "the receptionist is switched off, and stays so over a restart: callers ring at the desk at once",
            "To switch it on: dial *91 from a telephone of the desk, press the switch on the page, or while nothing runs: \
             anteroom automation on.",
        ));
    }
    let language = &config.clinic.language;
    let approved = store.list(Some(EntryStatus::Approved))?;
    let ours = |tag: &str| primary(tag).eq_ignore_ascii_case(primary(language));
    if !approved.is_empty() && !approved.iter().any(|e| ours(&e.language)) {
        all.push(concern(
            "answers",
            format!(
                "none of the {} approved answers is in '{language}', so none is ever given",
                approved.len()
            ),
            "Set language in [clinic] to that of the answers, or import answers in it.",
        ));
    }
    Ok(all)
}

/// What is told of people.
pub(crate) fn of_people(config: &Config, people: &[Person]) -> Vec<Concern> {
    let mut all = Vec::new();
    let realm = config.desk.realm.get_ref();
    if let Some(who) = named(people.iter().filter(|p| p.realm != *realm).map(|p| &*p.user)) {
        all.push(concern(
            "realm",
            format!("telephones of {who} cannot register: their passwords were made for another realm than '{realm}'"),
            "Set realm in [desk] back to what it was, or give each a new password: anteroom users add USER --name NAME.",
        ));
    }
    let hidden = people.iter().filter(|p| hides(config, &p.user).is_some());
    if let Some(who) = named(hidden.map(|p| &*p.user)) {
        all.push(concern(
            "numbers",
            format!("{who}: dialling that means a parking slot or a number outside, too, and only one of them is reached"),
            "Give the person another number, or change park_first in [desk] or short in [outbound].",
        ));
    }
    let classless = people
        .iter()
        .filter(|p| p.outbound && !config.outbound.has_class(&p.class));
    if let Some(who) = named(classless.map(|p| &*p.user)) {
        all.push(concern(
            "classes",
            format!("{who} may ring out as a class there is not, and so can ring emergency numbers only"),
            "Add the [[outbound.class]], or give them another: anteroom users add USER --name NAME --outbound --class CLASS.",
        ));
    }
    let passcodes = config.web.passcode.iter().filter_map(|p| p.user.as_deref());
    let nobody = passcodes.filter(|u| !people.iter().any(|p| p.user == *u));
    if let Some(who) = named(nobody) {
        all.push(concern(
            "passcodes",
            format!("a [[web.passcode]] is for {who}, and there is nobody of that name"),
            "Add them (anteroom users add), or take user or the whole passcode out.",
        ));
    }
    all
}

/// What a user of this name would stand in the way of, or be hidden by.
pub(crate) fn hides(config: &Config, user: &str) -> Option<&'static str> {
    let number = |all: &[String]| all.iter().any(|n| n == user);
    if number(&config.outbound.emergency) {
        Some("that is an emergency number ([outbound] emergency): nobody could be reached by it")
    } else if number(&config.outbound.short) {
        Some("that is a number outside ([outbound] short), which could not be rung any more")
    } else if config.desk.is_slot(user) {
        Some("that is a parking slot ([desk] park_first), which could not be fetched from any more")
    } else {
        None
    }
}

/// Names in a sentence; none when there are none.
fn named<'a>(who: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all: Vec<&str> = who.collect();
    all.dedup();
    let more = all.len().saturating_sub(NAMED_MAX);
    all.truncate(NAMED_MAX);
    let names = all.join(", ");
    match (all.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(names),
        (false, more) => Some(format!("{names} and {more} more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_types::Pii;
    use std::path::Path;

    fn config(text: &str) -> Config {
        Config::parse(text, Path::new("a.toml")).unwrap()
    }

    fn names(all: &[Concern]) -> Vec<&'static str> {
        all.iter().map(|c| c.name).collect()
    }

    fn person(user: &str) -> Person {
        Person {
            user: user.into(),
            name: "Somebody".into(),
            realm: "anteroom".into(),
            ha1_md5: Pii::from(""),
            ha1_sha256: Pii::from(""),
            rings: 1,
            outbound: false,
            class: "standard".into(),
        }
    }

    #[test]
    fn a_machine_that_nobody_can_ring_or_cry_for_help_by_is_told_of() {
        assert_eq!(
            names(&of_config(&Config::default())),
            ["emergency-calls", "callers"]
        );
        let networks = "[[sip.trunk]]\nname = \"a\"\naddresses = [\"198.51.100.0/24\"]\n";
        assert_eq!(names(&of_config(&config(networks))), ["emergency-calls"]);
        let target = format!("{networks}target = \"198.51.100.7\"");
        assert!(of_config(&config(&target)).is_empty());
        let none = config("[desk]\nenabled = false\n[sip]\nallow_direct = true");
        assert!(of_config(&none).is_empty());
    }

    #[test]
    fn what_is_open_to_everybody_or_heard_by_nobody_is_told_of() {
        let open = config(
            "[sip]\nlisten = [\"udp:192.0.2.5:5060\"]\nallow_direct = true\n[media]\nbind = \"192.0.2.5\"",
        );
        assert_eq!(names(&of_config(&open)), ["emergency-calls", "allow-direct"]);
        let silent = config("[sip]\nallow_direct = true\n[web]\nlisten = \"0.0.0.0:8480\"");
        assert_eq!(names(&of_config(&silent)), ["emergency-calls", "handset-sound"]);
    }

    #[test]
    fn people_whose_telephones_or_numbers_do_not_work_are_named() {
        let people = ["201", "202"].map(person);
        assert!(of_people(&Config::default(), &people).is_empty());
        let moved = of_people(&config("[desk]\nrealm = \"clinic.example\""), &people);
        assert_eq!(names(&moved), ["realm"]);
        assert!(
            moved[0].detail.starts_with("telephones of 201, 202 cannot"),
            "{moved:?}"
        );
        let all = of_people(
            &config("[[web.passcode]]\nrole = \"manager\"\nuser = \"anna\"\nhash = \"x\""),
            &[
                person("71"),
                person("111"),
                Person {
                    outbound: true,
                    ..person("201")
                },
            ],
        );
        assert_eq!(names(&all), ["numbers", "classes", "passcodes"]);
        assert!(all[0].detail.starts_with("71, 111:"), "{all:?}");
        assert!(all[2].detail.contains("anna"), "{all:?}");
    }

    #[test]
    fn numbers_that_mean_something_else_are_known() {
        let c = Config::default();
        for (user, says) in [
            ("999", "emergency"),
            ("111", "outside"),
            ("71", "slot"),
            ("79", "slot"),
        ] {
            assert!(hides(&c, user).unwrap().contains(says), "{user}");
        }
        for user in ["201", "80", "anna", "9990"] {
            assert_eq!(hides(&c, user), None, "{user}");
        }
    }

    #[test]
    fn many_are_not_all_named() {
        let users: Vec<String> = (200..215).map(|n| n.to_string()).collect();
        let told = named(users.iter().map(|u| &**u)).unwrap();
        assert!(
            told.starts_with("200, 201") && told.ends_with("209 and 5 more"),
            "{told}"
        );
    }
}
