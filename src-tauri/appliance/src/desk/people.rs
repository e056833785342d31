//! The people at the desk, their telephones, and whether they can be rung.

use anteroom_api::{Device, DeviceKind, Person, PersonState};
use anteroom_call::party::{Address, PersonId, Target};
use anteroom_call::ring::{Availability, GroupMember};
use anteroom_sip::{Contact, Secret, SipUser};
use anteroom_store::Person as Stored;
use anteroom_types::{CallId, Mono, Purpose};
use std::collections::{BTreeMap, BTreeSet};

/// Browsers that may be telephones at once. The session that is oldest loses its telephone first.
const BROWSERS_MAX: usize = 64;

#[derive(Debug)]
struct One {
    name: String,
    /// Place in the group; 0 is not in it.
    rings: u32,
    digests: SipUser,
    /// The class of rights for calls outside; none without.
    class: Option<String>,
    /// Made for a browser's session or for the device at this machine, not kept in the store; and whose it is, if it is somebody's.
    browser: bool,
    of: Option<String>,
    ringing: BTreeSet<CallId>,
    talking: BTreeSet<CallId>,
    idle_since: Option<Mono>,
}

/// Everybody who can be rung. Bounded by the store's limit and [`BROWSERS_MAX`].
#[derive(Debug, Default)]
pub(crate) struct People {
    all: BTreeMap<String, One>,
    browsers: Vec<String>,
    /// The device at this machine: whose it is, its name, and whether that person is one only while it is there.
    desktop: Option<DesktopOf>,
}

#[derive(Debug)]
struct DesktopOf {
    user: String,
    name: String,
    made: bool,
}

/// What the front desk is called by when nobody in particular sits at this machine, and its name for others.
const DESKTOP_USER: &str = "desktop";
const DESKTOP_NAME: &str = "Front desk";

impl People {
    /// Takes what the store knows, keeping who is on the telephone now.
    pub(crate) fn set(&mut self, stored: &[Stored]) {
        let mut before = std::mem::take(&mut self.all);
        for p in stored {
            let was = before.remove(&p.user);
            let open = |h: &anteroom_types::Pii<String>| Secret::new(h.open(Purpose::Signalling).clone());
            let mut one = One {
                name: p.name.clone(),
                rings: p.rings,
                digests: SipUser {
                    name: p.user.clone(),
                    ha1_md5: open(&p.ha1_md5),
                    ha1_sha256: open(&p.ha1_sha256),
                    websocket_only: false,
                },
                class: p.outbound.then(|| p.class.clone()),
                browser: false,
                of: None,
                ringing: BTreeSet::new(),
                talking: BTreeSet::new(),
                idle_since: None,
            };
            if let Some(w) = was {
                one.ringing = w.ringing;
                one.talking = w.talking;
                one.idle_since = w.idle_since;
            }
            self.all.insert(p.user.clone(), one);
        }
        // A browser goes with whoever it was opened by.
        for (user, one) in before.into_iter().filter(|(_, o)| o.browser) {
            if one.of.as_ref().is_none_or(|of| self.all.contains_key(of)) {
                self.all.entry(user).or_insert(one);
            }
        }
        let all = &self.all;
        self.browsers.retain(|b| all.contains_key(b));
    }

    /// Makes a browser a telephone in the ring group. `user` must not be anybody's. When there are too many, the oldest that
    /// is not there gives way.
    pub(crate) fn add_browser(
        &mut self,
        user: &str,
        of: Option<&str>,
        name: &str,
        digests: SipUser,
        is_there: impl Fn(&str) -> bool,
    ) {
        if self.browsers.len() >= BROWSERS_MAX {
            let gone = self.browsers.iter().position(|b| !is_there(b)).unwrap_or(0);
            let oldest = self.browsers.remove(gone);
            self.all.remove(&oldest);
        }
        // Somebody's browser rings with their other telephones; nobody's rings with the desk.
        let last = self.all.values().map(|o| o.rings).max().unwrap_or(0).max(1);
        let rings = if of.is_some() { 0 } else { last };
        self.browsers.push(user.to_owned());
        self.all.insert(
            user.to_owned(),
            One {
                name: name.to_owned(),
                rings,
                digests,
                class: None,
                browser: true,
                of: of.map(str::to_owned),
                ringing: BTreeSet::new(),
                talking: BTreeSet::new(),
                idle_since: None,
            },
        );
    }

    /// Makes the device at this machine a telephone, of `of` or of the front desk; gives whose. None when there is nobody
    /// of that name.
    pub(crate) fn add_desktop(&mut self, of: Option<&str>, name: &str, realm: &str) -> Option<String> {
        let user = match of {
            Some(user) => self.all.contains_key(user).then(|| user.to_owned())?,
            None => {
                let numbered = (2..).map(|n| format!("{DESKTOP_USER}-{n}"));
                let mut names = std::iter::once(DESKTOP_USER.to_owned()).chain(numbered);
                names.find(|n| !self.all.contains_key(n))?
            }
        };
        if of.is_none() {
            let last = self.all.values().map(|o| o.rings).max().unwrap_or(0).max(1);
            let one = One {
                name: DESKTOP_NAME.into(),
                rings: last,
                // Nobody is told this password: no telephone registers as it.
                digests: SipUser::new(user.clone(), realm, &super::orders::secret()),
                class: None,
                browser: true,
                of: None,
                ringing: BTreeSet::new(),
                talking: BTreeSet::new(),
                idle_since: None,
            };
            self.all.insert(user.clone(), one);
        }
        self.desktop = Some(DesktopOf {
            user: user.clone(),
            name: name.to_owned(),
            made: of.is_none(),
        });
        Some(user)
    }

    /// The device at this machine is no telephone any more.
    pub(crate) fn remove_desktop(&mut self) {
        if let Some(d) = self.desktop.take().filter(|d| d.made) {
            self.all.remove(&d.user);
        }
    }

    /// Who may register.
    pub(crate) fn sip_users(&self) -> Vec<SipUser> {
        self.all.values().map(|o| o.digests.clone()).collect()
    }

    /// Whether there is such a person.
    pub(crate) fn has(&self, user: &str) -> bool {
        self.all.contains_key(user)
    }

    /// Whether that is a person, not a browser's session.
    pub(crate) fn is_somebody(&self, user: &str) -> bool {
        self.all.get(user).is_some_and(|o| !o.browser)
    }

    /// The name of a person for others.
    pub(crate) fn name(&self, user: &str) -> String {
        self.all
            .get(user)
            .map_or_else(|| user.to_owned(), |o| o.name.clone())
    }

    /// The ring group as `call` finds it, in its order, with the telephones that are registered.
    pub(crate) fn members(&self, call: CallId, contacts: &[Contact]) -> Vec<GroupMember> {
        let mut group: Vec<_> = self.all.iter().filter(|(_, o)| o.rings > 0).collect();
        group.sort_by_key(|(_, o)| o.rings);
        group
            .into_iter()
            .map(|(user, o)| GroupMember {
                who: PersonId::new(user),
                devices: self.devices(user, contacts),
                is: if o.talking.is_empty() {
                    Availability::Free
                } else {
                    Availability::Busy
                },
                rings: o.ringing.iter().any(|c| *c != call),
                idle_since: o.idle_since,
            })
            .collect()
    }

    /// The telephones of one person.
    pub(crate) fn targets(&self, user: &str, contacts: &[Contact]) -> Vec<Target> {
        let who = PersonId::new(user);
        self.devices(user, contacts)
            .into_iter()
            .map(|at| Target { who: who.clone(), at })
            .collect()
    }

    /// The only handset there is, a browser or the device at this machine, for an order of nobody in particular.
    pub(crate) fn only_browser(&self, contacts: &[Contact]) -> Vec<Target> {
        let mut here = contacts.iter().filter(|c| c.websocket);
        match (here.next(), here.next(), &self.desktop) {
            (Some(c), None, None) => {
                let who = self.owner(&c.user);
                vec![Target::contact(&PersonId::new(who), c.id.0)]
            }
            (None, None, Some(d)) => vec![Target {
                who: PersonId::new(&d.user),
                at: Address::Desktop,
            }],
            _ => Vec::new(),
        }
    }

    /// The class of rights of whoever registers as `user`; none without.
    pub(crate) fn class(&self, user: &str) -> Option<String> {
        self.all.get(self.owner(user)).and_then(|o| o.class.clone())
    }

    /// Whose telephone registers as `user`.
    pub(crate) fn owner<'a>(&'a self, user: &'a str) -> &'a str {
        self.all.get(user).and_then(|o| o.of.as_deref()).unwrap_or(user)
    }

    fn desktop_of(&self, user: &str) -> Option<&DesktopOf> {
        self.desktop.as_ref().filter(|d| d.user == user)
    }

    fn devices(&self, user: &str, contacts: &[Contact]) -> Vec<Address> {
        contacts
            .iter()
            .filter(|c| self.owner(&c.user) == user)
            .map(|c| Address::Contact(c.id.0))
            .chain(self.desktop_of(user).map(|_| Address::Desktop))
            .collect()
    }

    /// Whose telephones show the desk's messages: the ring group, but for who is no telephone that registers.
    pub(crate) fn group(&self) -> Vec<String> {
        let made = |user: &String| self.desktop.as_ref().is_some_and(|d| d.made && d.user == *user);
        let group = self.all.iter().filter(|(user, o)| o.rings > 0 && !made(user));
        group.map(|(user, _)| user.clone()).collect()
    }

    /// How many of the ring group have a telephone, and how many of those could take one more call. The calls in `rung` are
    /// counted by the queue, which rings for them: nobody counts as less free for their sake.
    pub(crate) fn serving(&self, contacts: &[Contact], rung: &[CallId]) -> (u16, u16) {
        let mut there: Vec<&One> = Vec::new();
        for (user, one) in &self.all {
            if one.rings > 0 && !self.devices(user, contacts).is_empty() {
                there.push(one);
            }
        }
        let count = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        let serving = count(there.len());
        // Who is told what a call is about has it as good as answered, and is still its one person.
        there.retain(|o| o.talking.iter().all(|c| rung.contains(c)));
        // However many telephones any other call rings, one person will take it.
        let others: BTreeSet<CallId> = there
            .iter()
            .flat_map(|o| o.ringing.iter().copied())
            .filter(|c| !rung.contains(c))
            .collect();
        (serving, count(there.len().saturating_sub(others.len())))
    }

    /// These are about to be rung for the call. Who is rung for another one in the same moment finds them ringing;
    /// [`People::of_call`] says what came of it.
    pub(crate) fn will_ring<'a>(&mut self, call: CallId, who: impl Iterator<Item = &'a PersonId>) {
        for person in who {
            if let Some(o) = self.all.get_mut(person.as_str()) {
                o.ringing.insert(call);
            }
        }
    }

    /// What the call has its people do: who rings and who talks. Everybody else is done with it.
    pub(crate) fn of_call(&mut self, call: CallId, ringing: &[&str], talking: &[&str], now: Mono) {
        for (user, o) in &mut self.all {
            if ringing.contains(&user.as_str()) {
                o.ringing.insert(call);
            } else {
                o.ringing.remove(&call);
            }
            if talking.contains(&user.as_str()) {
                o.talking.insert(call);
            } else if o.talking.remove(&call) && o.talking.is_empty() {
                o.idle_since = Some(now);
            }
        }
    }

    /// As screens show them.
    pub(crate) fn page(&self, contacts: &[Contact]) -> Vec<Person> {
        let mut people: Vec<Person> = self
            .all
            .iter()
            .map(|(user, o)| {
                let devices: Vec<Device> = contacts
                    .iter()
                    .filter(|c| self.owner(&c.user) == user)
                    .map(|c| Device {
                        kind: if c.websocket {
                            DeviceKind::Browser
                        } else {
                            DeviceKind::DeskPhone
                        },
                        name: c.user_agent.clone().unwrap_or_else(|| "telephone".into()),
                        online: true,
                    })
                    .chain(self.desktop_of(user).map(|d| Device {
                        kind: DeviceKind::Desktop,
                        name: d.name.clone(),
                        online: true,
                    }))
                    .collect();
                let state = if !o.talking.is_empty() {
                    PersonState::Talking
                } else if !o.ringing.is_empty() {
                    PersonState::Ringing
                } else if devices.is_empty() {
                    PersonState::Away
                } else {
                    PersonState::Free
                };
                Person {
                    user: user.clone(),
                    name: o.name.clone(),
                    state,
                    devices,
                }
            })
            // A browser that has gone is nobody, and one that is somebody's is shown with them.
            .filter(|p| !self.browsers.contains(&p.user) || !p.devices.is_empty())
            .collect();
        people.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| a.user.cmp(&b.user)));
        people
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_sip::{ContactId, Transport};
    use anteroom_types::Pii;

    const CALLS: [CallId; 3] = [CallId::from_u128(1), CallId::from_u128(2), CallId::from_u128(3)];

    /// Ann and Bob, with a telephone each.
    fn two() -> (People, Vec<Contact>) {
        let mut people = People::default();
        let stored = |user: &str, rings| Stored {
            user: user.into(),
            name: user.into(),
            realm: "anteroom".into(),
            ha1_md5: Pii::from("0"),
            ha1_sha256: Pii::from("0"),
            rings,
            outbound: false,
            class: String::new(),
        };
        people.set(&[stored("ann", 1), stored("bob", 2), stored("cat", 0)]);
        let contact = |(id, user): (u64, &str)| Contact {
            id: ContactId(id),
            user: user.into(),
            websocket: false,
            transport: Transport::Udp,
            user_agent: None,
            source: ([192, 0, 2, 1], 5060).into(),
            expires_in_s: 60,
        };
        (people, [(1, "ann"), (2, "bob"), (3, "cat")].map(contact).into())
    }

    #[test]
    fn a_call_that_rings_is_counted_once_by_the_queue_or_here() {
        let (mut people, contacts) = two();
        let now = Mono::from_ms(0);
        assert_eq!(people.serving(&[], &[]), (0, 0));
        assert_eq!(people.serving(&contacts, &[]), (2, 2));
        // The queue rings for it, and counts it.
        people.of_call(CALLS[0], &["ann"], &[], now);
        assert_eq!(people.serving(&contacts, &CALLS[..1]), (2, 2));
        // It comes from elsewhere, and rings both: one of them will have it.
        people.of_call(CALLS[0], &["ann", "bob"], &[], now);
        assert_eq!(people.serving(&contacts, &[]), (2, 1));
        // Ann is told what a call of the queue's is about, and then has the caller, who has left the queue.
        people.of_call(CALLS[0], &[], &["ann"], now);
        assert_eq!(people.serving(&contacts, &CALLS[..1]), (2, 2));
        assert_eq!(people.serving(&contacts, &[]), (2, 1));
        // Who talks anyway takes nobody more away by ringing.
        people.of_call(CALLS[1], &["ann"], &[], now);
        assert_eq!(people.serving(&contacts, &[]), (2, 1));
        people.of_call(CALLS[2], &["bob"], &[], now);
        assert_eq!(people.serving(&contacts, &[]), (2, 0));
    }

    #[test]
    fn who_is_about_to_be_rung_for_one_call_is_seen_to_ring_by_the_next() {
        let (mut people, contacts) = two();
        let rings = |people: &People, call| -> Vec<bool> {
            people.members(call, &contacts).iter().map(|m| m.rings).collect()
        };
        people.will_ring(CALLS[0], [PersonId::new("ann"), PersonId::new("nobody")].iter());
        assert_eq!(rings(&people, CALLS[1]), [true, false]);
        assert_eq!(
            rings(&people, CALLS[0]),
            [false, false],
            "its own ringing is no other's"
        );
        people.of_call(CALLS[0], &[], &[], Mono::from_ms(0));
        assert_eq!(rings(&people, CALLS[1]), [false, false]);
    }
}
