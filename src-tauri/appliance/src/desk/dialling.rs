//! What a telephone of ours means by what it dials, and whether it may.

use super::Desk;
use crate::config::Config;
use anteroom_call::dial::{
    BadNumber, Ledger, NumberKind, Numbering, Permit, Refusal, Rights, normalise, permit,
};
use anteroom_call::party::{Address, PersonId, Target};
use anteroom_sip::{Contact, Sip, TrunkState};
use anteroom_store::{PlacedCall, Store, StoreError};
use anteroom_types::{ErrorCode, Pii, UserFacing, Wall};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// What is dialled to take the call that has waited longest, whoever it rings for.
const PICKUP: &str = "*8";
/// What is dialled to speak with the receptionist as a caller would.
const RECEPTIONIST: &str = "*0";
/// What is dialled to throw the kill switch, and to throw it back.
const AUTOMATION_OFF: &str = "*90";
const AUTOMATION_ON: &str = "*91";
/// Calls of the last day count towards limits.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Leave to ring a number outside, and the way. It counts towards its user's limits from now on: many asked for at the
/// same moment are not each given what is left for one.
#[derive(Debug)]
pub(crate) struct Outside {
    pub(crate) permit: Permit,
    /// The ways out, best first. Never empty.
    pub(crate) trunks: Vec<String>,
    pub(crate) reserved: Reserved,
}

impl Outside {
    pub(crate) fn is_emergency(&self) -> bool {
        self.permit.number.kind == NumberKind::Emergency
    }
}

/// A place in a user's ledger; given back when it is dropped before a call was made of it.
pub(crate) struct Reserved {
    dialling: Arc<Mutex<Dialling>>,
    who: String,
    id: u128,
    used: bool,
}

impl Reserved {
    /// The call is over.
    pub(crate) fn ended(&mut self, now: Wall) {
        self.used = true;
        crate::engine::lock(&self.dialling).ended(&self.who, self.id, now);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.used {
            crate::engine::lock(&self.dialling).take_back(&self.who, self.id);
        }
    }
}

impl std::fmt::Debug for Reserved {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reserved")
            .field("used", &self.used)
            .finish_non_exhaustive()
    }
}

/// What was dialled.
#[derive(Debug)]
pub(crate) enum Dialled {
    /// A colleague; none of their telephones may be there.
    Colleague { at: Vec<Target> },
    /// A number outside.
    Outside(Outside),
    /// The receptionist.
    Receptionist,
    /// The call in this slot.
    Slot(u16),
    /// The call that waits longest.
    Pickup,
    /// The kill switch.
    Automation { on: bool },
    /// It cannot be placed; the SIP status.
    Refused(u16),
}

/// What is needed to place calls outside, and what was placed.
pub(crate) struct Dialling {
    numbering: Numbering,
    /// The ways out, best first.
    trunks: Vec<String>,
    /// Every other trunk that calls could leave by: ways out in an emergency.
    others: Vec<String>,
    rights: HashMap<String, Rights>,
    ledgers: HashMap<String, Ledger>,
}

impl Dialling {
    pub(crate) fn new(config: &Config) -> Self {
        let o = &config.outbound;
        let trunks: Vec<String> = o.trunks.iter().map(|t| t.get_ref().clone()).collect();
        let dialled = config.sip.trunk.iter().filter(|t| t.can_be_dialled());
        let others = dialled.map(|t| t.name.clone()).filter(|t| !trunks.contains(t));
        Self {
            numbering: o.numbering(),
            others: others.collect(),
            trunks,
            rights: o
                .class
                .iter()
                .map(|c| (c.name.get_ref().clone(), o.rights(c.name.get_ref())))
                .collect(),
            ledgers: HashMap::new(),
        }
    }

    /// Takes what was placed before this process started, so that a restart renews no limit.
    pub(crate) fn restore(&mut self, store: &Store, now: Wall) -> Result<(), StoreError> {
        for c in store.placed_since(Wall(now.0 - DAY_MS))? {
            let PlacedCall {
                call,
                by,
                at,
                ended_at,
                per_minute_milli,
                ms_max,
            } = c;
            let ledger = self.ledgers.entry(by).or_default();
            ledger.restore(call.to_u128(), at, ended_at, per_minute_milli, ms_max);
        }
        Ok(())
    }

    /// Leave for `who`, of that class or of none, to ring a number now.
    pub(crate) fn permit(
        &self,
        who: &str,
        class: Option<&str>,
        dialled: &str,
        now: Wall,
        open: bool,
    ) -> Result<Permit, Refusal> {
        let none = Rights::default();
        let fresh = Ledger::default();
        let rights = class.and_then(|c| self.rights.get(c)).unwrap_or(&none);
        let ledger = self.ledgers.get(who).unwrap_or(&fresh);
        permit(rights, &self.numbering, dialled, now, open, ledger)
    }

    /// A permit was given; its number in the ledger.
    fn placed(&mut self, who: &str, permit: &Permit, now: Wall) -> u128 {
        let id = rand::random();
        let ledger = self.ledgers.entry(who.to_owned()).or_default();
        ledger.placed(id, now, permit);
        id
    }

    /// It is over.
    fn ended(&mut self, who: &str, id: u128, now: Wall) {
        if let Some(l) = self.ledgers.get_mut(who) {
            l.ended(id, now);
        }
    }

    /// It came to nothing.
    fn take_back(&mut self, who: &str, id: u128) {
        if let Some(l) = self.ledgers.get_mut(who) {
            l.take_back(id);
        }
    }

    fn is_emergency(&self, dialled: &str) -> bool {
        normalise(&self.numbering, dialled).is_ok_and(|n| n.kind == NumberKind::Emergency)
    }

    /// The trunks in the order in which they are tried: those that are up, then the others; what is down for the moment may
    /// be back before it is tried. In an emergency every trunk there is serves, whatever it is there for.
    fn ways(&self, emergency: bool, is_up: impl Fn(&str) -> bool) -> Vec<String> {
        let others = self.others.iter().filter(|_| emergency);
        let all = self.trunks.iter().chain(others).cloned();
        let (mut up, down): (Vec<_>, Vec<_>) = all.partition(|t| is_up(t));
        up.extend(down);
        up
    }
}

impl Desk {
    /// What `user` means by `dialled`, and whether they may.
    pub(crate) fn dialled(
        &self,
        sip: &Sip,
        user: &str,
        dialled: &Pii<String>,
        now: Wall,
        open: bool,
    ) -> Dialled {
        let text = dialled.open(anteroom_types::Purpose::Signalling);
        // Before anything that people or slots may be called.
        if self.is_emergency(text) {
            return match self.outside(sip, user, text, now, open) {
                Ok(outside) => Dialled::Outside(outside),
                Err(e) => Dialled::Refused(e.status()),
            };
        }
        match text.as_str() {
            PICKUP => return Dialled::Pickup,
            RECEPTIONIST => return Dialled::Receptionist,
            AUTOMATION_OFF => return Dialled::Automation { on: false },
            AUTOMATION_ON => return Dialled::Automation { on: true },
            _ => {}
        }
        let contacts = sip.registrations();
        {
            let people = crate::engine::lock(&self.people);
            if people.has(text) {
                let who = people.owner(text).to_owned();
                return Dialled::Colleague {
                    at: people.targets(&who, &contacts),
                };
            }
        }
        if let Ok(slot) = text.parse::<u16>()
            && crate::engine::lock(&self.parking).has(slot)
        {
            return Dialled::Slot(slot);
        }
        match self.outside(sip, user, text, now, open) {
            Ok(outside) => Dialled::Outside(outside),
            Err(e) => Dialled::Refused(e.status()),
        }
    }

    /// Whether that is an emergency number, whoever has one like it for a name.
    pub(crate) fn is_emergency(&self, dialled: &str) -> bool {
        crate::engine::lock(&self.dialling).is_emergency(dialled)
    }

    /// Leave for `user` to ring a number outside.
    ///
    /// # Errors
    /// [`NotOutside`].
    pub(crate) fn outside(
        &self,
        sip: &Sip,
        user: &str,
        dialled: &str,
        now: Wall,
        open: bool,
    ) -> Result<Outside, NotOutside> {
        let (who, class) = {
            let people = crate::engine::lock(&self.people);
            (people.owner(user).to_owned(), people.class(user))
        };
        let mut dialling = crate::engine::lock(&self.dialling);
        let permit = dialling
            .permit(&who, class.as_deref(), dialled, now, open)
            .map_err(NotOutside::Refused);
        let outside = permit.and_then(|permit| {
            let states = sip.trunk_states();
            let is_up = |t: &str| states.iter().any(|(n, s)| n == t && *s == TrunkState::Up);
            let trunks = dialling.ways(permit.number.kind == NumberKind::Emergency, is_up);
            if trunks.is_empty() {
                return Err(NotOutside::NoTrunk);
            }
            let reserved = Reserved {
                dialling: Arc::clone(&self.dialling),
                id: dialling.placed(&who, &permit, now),
                who,
                used: false,
            };
            Ok(Outside {
                permit,
                trunks,
                reserved,
            })
        });
        drop(dialling);
        outside.inspect_err(|e| tracing::warn!(code = %e.code(), "a call outside was refused"))
    }

    /// The device of `user` that sends from there, or any of theirs.
    pub(crate) fn device(&self, sip: &Sip, user: &str, source: SocketAddr) -> Target {
        let contacts = sip.registrations();
        let people = crate::engine::lock(&self.people);
        let who = people.owner(user);
        let theirs = || {
            contacts
                .iter()
                .filter(|c: &&Contact| people.owner(&c.user) == who)
        };
        let at = theirs()
            .find(|c| c.user == user && c.source == source)
            .or_else(|| theirs().next())
            .map_or(Address::Desktop, |c| Address::Contact(c.id.0));
        Target {
            who: PersonId::new(who),
            at,
        }
    }
}

/// Why a number outside is not rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOutside {
    /// The rules, or a limit.
    #[error("the call outside is refused: {0}")]
    Refused(Refusal),
    /// There is no way out.
    #[error("no trunk is configured for calls outside")]
    NoTrunk,
}

impl NotOutside {
    /// How it is told to a telephone.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::NoTrunk => 503,
            Self::Refused(Refusal::NoNumber(BadNumber::Empty | BadNumber::TooLong | BadNumber::Digits)) => {
                484
            }
            Self::Refused(Refusal::NoNumber(BadNumber::Character)) => 404,
            Self::Refused(Refusal::Destination | Refusal::Closed) => 403,
            Self::Refused(Refusal::CallsUp | Refusal::Rate | Refusal::Minutes | Refusal::Spending) => 480,
        }
    }
}

impl UserFacing for NotOutside {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(e) => e.code(),
            Self::NoTrunk => "dial.no_trunk",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Refused(e) => e.hint(),
            Self::NoTrunk => {
                "Add a [[sip.trunk]] that registers or has a target, and name it in [outbound] trunks.".into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    const RULES: &str = "[[sip.trunk]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n[outbound]\ntrunks = [\"a\"]\n\
        [[outbound.class]]\nname = \"desk\"\ncalls_per_hour = 2\n\
        [[outbound.class.rule]]\nprefix = \"+44\"\nallow = \"always\"\nper_minute_milli = 10\n\
        [[outbound.class.rule]]\nprefix = \"+449\"\nallow = \"never\"\n";

    fn dialling() -> Dialling {
        let config = Config::parse(RULES, Path::new("a.toml")).unwrap();
        Dialling::new(&config)
    }

    #[test]
    fn a_class_is_what_the_file_says_and_nobody_without_one_rings_out_but_in_an_emergency() {
        let d = dialling();
        let may = |class, number| {
            d.permit("201", class, number, Wall(0), true)
                .map(|p| p.per_minute_milli)
        };
        assert_eq!(may(Some("desk"), "01632 960001"), Ok(10));
        assert_eq!(may(Some("desk"), "0900 1234567"), Err(Refusal::Destination));
        assert_eq!(may(Some("other"), "01632 960001"), Err(Refusal::Destination));
        assert_eq!(may(None, "01632 960001"), Err(Refusal::Destination));
        assert_eq!(may(None, "999"), Ok(0));
    }

    #[test]
    fn an_emergency_leaves_by_whatever_trunk_there_is() {
        let of = |text: &str| Dialling::new(&Config::parse(text, Path::new("a.toml")).unwrap());
        let never = |_: &str| false;
        // Nothing but callers was thought of: a trunk, and no way out.
        let callers = of("[[sip.trunk]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]");
        assert!(callers.ways(false, never).is_empty());
        assert_eq!(callers.ways(true, never), ["a"]);
        // Where calls cannot be sent to is no way out.
        let networks = of("[[sip.trunk]]\nname = \"a\"\naddresses = [\"192.0.2.0/24\"]");
        assert!(networks.ways(true, never).is_empty());
        let two = "[[sip.trunk]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n[[sip.trunk]]\nname = \"b\"\n\
            addresses = [\"192.0.2.0/24\"]\ntarget = \"192.0.2.2\"\n[outbound]\ntrunks = [\"b\"]";
        let two = of(two);
        assert_eq!(two.ways(false, never), ["b"]);
        assert_eq!(two.ways(true, never), ["b", "a"]);
        // Nobody in danger waits for one that is down while another is up.
        assert_eq!(two.ways(true, |t| t == "a"), ["a", "b"]);
    }

    #[test]
    fn calls_of_before_a_restart_count() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(anteroom_store::StoreConfig::new(
            dir.path().to_owned(),
            anteroom_store::keys::load_or_create(
                &anteroom_store::keys::KeySource::File(dir.path().join("key")),
                dir.path(),
            )
            .unwrap(),
        ))
        .unwrap();
        let clock = crate::clock::Clock::start();
        for _ in 0..2 {
            let (call, trace) = (clock.call_id(), clock.trace_id());
            let kinds = [
                anteroom_types::EventKind::Offered {
                    from: "201".into(),
                    to: "01632960001".into(),
                    trunk: "inside".into(),
                },
                anteroom_types::EventKind::Placed {
                    by: "201".into(),
                    trunk: Some("a".into()),
                    per_minute_milli: 10,
                    ms_max: 60_000,
                    counts: true,
                },
            ];
            for (seq, kind) in (1..).zip(kinds) {
                let event = anteroom_types::CallEvent {
                    call,
                    trace,
                    seq,
                    at: clock.wall(),
                    mono: clock.now(),
                    kind,
                };
                store.append_event_blocking(event).wait_blocking().unwrap();
            }
        }
        let mut d = dialling();
        d.restore(&store, clock.wall()).unwrap();
        let again = d.permit("201", Some("desk"), "01632 960001", clock.wall(), true);
        assert_eq!(again, Err(Refusal::Rate));
        assert!(
            d.permit("202", Some("desk"), "01632 960001", clock.wall(), true)
                .is_ok()
        );
    }
}
