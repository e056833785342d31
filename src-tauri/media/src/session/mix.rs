//! Conferences: who hears whom among three and more.

use super::MediaHandle;
use super::bridge::Link;
use super::shared::Shared;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// Members of one conference. Each hears the sum of the others; so many voices are more than anyone can follow.
pub const MEMBERS_MAX: usize = 12;

/// A member of one [`Mix`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(u32);

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Hears all that speak to all, and is heard by all: a party to the conference, or a supervisor who barges in.
    Full,
    /// Hears all that speak to all, and is heard by nobody.
    Listen,
    /// Hears all that speak to all, and is heard by one member only.
    Whisper(MemberId),
}

struct Member {
    session: Weak<Shared>,
    role: Role,
}

/// Who hears whom. Each member hears the sum of those it may hear, never itself, turned down before it would clip; one
/// who hears a single other of the same codec gets its packets unopened. Dropping it separates all.
///
/// ```text
/// speaker \ listener   Full   Listen   Whisper(t)
/// Full                 yes    yes      yes
/// Listen               no     no       no
/// Whisper(t)           t only t only   t only
/// ```
#[derive(Default)]
pub struct Mix {
    next: u32,
    members: BTreeMap<MemberId, Member>,
    /// By speaker and listener.
    links: BTreeMap<(MemberId, MemberId), Link>,
}

impl std::fmt::Debug for Mix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mix")
            .field("members", &self.members.len())
            .finish_non_exhaustive()
    }
}

/// An empty conference.
#[must_use]
pub fn mix() -> Mix {
    Mix::default()
}

impl Mix {
    /// Takes a session in. None when there are [`MEMBERS_MAX`] already.
    pub fn join(&mut self, session: &MediaHandle, role: Role) -> Option<MemberId> {
        if self.members.len() >= MEMBERS_MAX {
            return None;
        }
        self.next += 1;
        let id = MemberId(self.next);
        // Music for one on hold would play to all the others.
        session.set_hold_music(None);
        self.members.insert(
            id,
            Member {
                session: Arc::downgrade(session.shared()),
                role,
            },
        );
        self.settle();
        Some(id)
    }

    /// Changes what a member may do: from listening to whispering to barging in.
    pub fn set_role(&mut self, id: MemberId, role: Role) {
        if let Some(m) = self.members.get_mut(&id) {
            m.role = role;
            self.settle();
        }
    }

    /// Lets a member go. It goes on in silence.
    pub fn leave(&mut self, id: MemberId) {
        self.members.remove(&id);
        self.settle();
    }

    /// Whether `listener` hears `speaker`.
    #[must_use]
    pub fn hears(&self, listener: MemberId, speaker: MemberId) -> bool {
        self.links.contains_key(&(speaker, listener))
    }

    /// Members in the order they came, with what each may do.
    pub fn members(&self) -> impl Iterator<Item = (MemberId, Role)> + '_ {
        self.members.iter().map(|(id, m)| (*id, m.role))
    }

    fn wanted(&self, speaker: MemberId, listener: MemberId) -> bool {
        let (Some(s), true) = (self.members.get(&speaker), self.members.contains_key(&listener)) else {
            return false;
        };
        speaker != listener
            && match s.role {
                Role::Full => true,
                Role::Listen => false,
                Role::Whisper(to) => to == listener,
            }
    }

    /// Makes the links what the roles ask for, leaving those that stay as they are.
    fn settle(&mut self) {
        let links = std::mem::take(&mut self.links);
        self.links = links
            .into_iter()
            .filter(|((s, l), _)| self.wanted(*s, *l))
            .collect();
        let ids: Vec<_> = self.members.keys().copied().collect();
        for &speaker in &ids {
            for &listener in &ids {
                if !self.wanted(speaker, listener) || self.links.contains_key(&(speaker, listener)) {
                    continue;
                }
                let session = |id| self.members.get(&id).and_then(|m: &Member| m.session.upgrade());
                if let (Some(s), Some(l)) = (session(speaker), session(listener))
                    && let Some(link) = Link::new(&s, &l)
                {
                    self.links.insert((speaker, listener), link);
                }
            }
        }
    }
}
