//! Who is in a bridge and who hears whom.

use anteroom_types::LegId;

/// What somebody in a bridge is there for; it decides who hears them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The person from outside, who must never be left alone.
    Guest,
    /// The member of staff who has the call.
    Host,
    /// A third person: asked to join, or asked about a transfer.
    Third,
    /// Hears everybody, is heard by nobody.
    Listener,
    /// Hears everybody, is heard by the host alone.
    Whisperer,
    /// A supervisor who hears and is heard by everybody.
    Barger,
}

impl Role {
    /// Whether somebody in this role hears somebody in role `other`.
    #[must_use]
    pub const fn hears(self, other: Self) -> bool {
        match other {
            Self::Guest | Self::Host | Self::Third | Self::Barger => true,
            Self::Listener => false,
            Self::Whisperer => matches!(self, Self::Host),
        }
    }

    /// Whether somebody in this role is a party to the talk, not an ear on it.
    #[must_use]
    pub const fn talks(self) -> bool {
        matches!(self, Self::Guest | Self::Host | Self::Third)
    }

    /// Whether this is a supervisor, in whichever way.
    #[must_use]
    pub const fn supervises(self) -> bool {
        matches!(self, Self::Listener | Self::Whisperer | Self::Barger)
    }
}

/// Somebody in a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Their leg.
    pub leg: LegId,
    /// What they are there for.
    pub role: Role,
    /// They are not heard, by their own wish.
    pub muted: bool,
    /// Their own telephone put us on hold: they neither hear nor speak.
    pub holds: bool,
    /// They are kept apart from the others, with music: on hold, or while they are talked about.
    pub apart: bool,
}

impl Member {
    const fn takes_part(&self) -> bool {
        !self.holds && !self.apart
    }
}

/// One line of a bridge's matrix: whom a leg hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hearing {
    /// Who hears.
    pub leg: LegId,
    /// As what they are in the bridge.
    pub role: Role,
    /// Whom. The audio of a muted leg is silence, but the leg is named here.
    pub hears: Vec<LegId>,
    /// Whether this leg's own audio is to be replaced by silence.
    pub muted: bool,
}

/// A bridge's matrix, whole: who is not in it is not in the bridge. Legs are in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Matrix {
    /// One line per leg.
    pub lines: Vec<Hearing>,
}

impl Matrix {
    /// Whether `leg` is in it.
    #[must_use]
    pub fn has(&self, leg: LegId) -> bool {
        self.lines.iter().any(|l| l.leg == leg)
    }

    /// The two legs when it is a plain talk of two who hear each other and neither is muted: no mixer is needed.
    #[must_use]
    pub fn pair(&self) -> Option<(LegId, LegId)> {
        match self.lines.as_slice() {
            [a, b] if a.hears == [b.leg] && b.hears == [a.leg] && !a.muted && !b.muted => {
                Some((a.leg, b.leg))
            }
            _ => None,
        }
    }
}

/// The state machine of a bridge: members come, go and change; the matrix follows.
#[derive(Debug, Clone, Default)]
pub struct Bridge {
    members: Vec<Member>,
}

impl Bridge {
    /// A bridge of two.
    #[must_use]
    pub fn of_two(guest: LegId, host: LegId) -> Self {
        let mut b = Self::default();
        b.join(guest, Role::Guest);
        b.join(host, Role::Host);
        b
    }

    /// Lets a leg in, or changes the role of one that is in.
    pub fn join(&mut self, leg: LegId, role: Role) {
        if let Some(m) = self.member_mut(leg) {
            m.role = role;
            return;
        }
        self.members.push(Member {
            leg,
            role,
            muted: false,
            holds: false,
            apart: false,
        });
        self.members.sort_by_key(|m| m.leg);
    }

    /// Takes a leg out.
    pub fn leave(&mut self, leg: LegId) {
        self.members.retain(|m| m.leg != leg);
    }

    /// A member.
    #[must_use]
    pub fn member(&self, leg: LegId) -> Option<&Member> {
        self.members.iter().find(|m| m.leg == leg)
    }

    /// A member, to be muted, held or kept apart.
    pub fn member_mut(&mut self, leg: LegId) -> Option<&mut Member> {
        self.members.iter_mut().find(|m| m.leg == leg)
    }

    /// All members, in the order of their ids.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Another person who could have the call: one who talks and is neither `guest` nor `host`; failing that, a supervisor
    /// whom the guest hears.
    #[must_use]
    pub fn another(&self, guest: LegId, host: LegId) -> Option<LegId> {
        let one = |role: Role| {
            let mut here = self.members.iter().filter(|m| m.role == role && !m.apart);
            here.find(|m| m.leg != guest && m.leg != host).map(|m| m.leg)
        };
        one(Role::Third).or_else(|| one(Role::Barger))
    }

    /// Who hears whom now. Members who hear nobody are not in it: they are to hear music or the like instead.
    #[must_use]
    pub fn matrix(&self) -> Matrix {
        let here = || self.members.iter().filter(|m| m.takes_part());
        let hears = |a: &Member| -> Vec<LegId> {
            here()
                .filter(|b| b.leg != a.leg && a.role.hears(b.role))
                .map(|b| b.leg)
                .collect()
        };
        let lines: Vec<Hearing> = here()
            .map(|a| Hearing {
                leg: a.leg,
                role: a.role,
                hears: hears(a),
                muted: a.muted,
            })
            .filter(|l| !l.hears.is_empty())
            .collect();
        // Somebody who hears nobody is not connected, and is then not to be heard either.
        let connected = |leg: &LegId| lines.iter().any(|l| l.leg == *leg);
        let lines: Vec<Hearing> = lines
            .iter()
            .map(|l| Hearing {
                hears: l.hears.iter().copied().filter(connected).collect(),
                ..l.clone()
            })
            .filter(|l| !l.hears.is_empty())
            .collect();
        if lines.len() < 2 {
            return Matrix::default();
        }
        Matrix { lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(n: u128) -> LegId {
        LegId::from_u128(n)
    }

    /// Members as (letter, role); the matrix as `A<BC B<A`.
    fn check(bridge: &Bridge, expected: &str) {
        let name = |l: LegId| char::from(b'@' + u8::try_from(l.to_u128()).unwrap());
        let text: Vec<String> = bridge
            .matrix()
            .lines
            .iter()
            .map(|l| {
                let hears: String = l.hears.iter().map(|l| name(*l)).collect();
                format!("{}{}<{hears}", name(l.leg), if l.muted { "'" } else { "" })
            })
            .collect();
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn two_hear_each_other_until_one_is_held() {
        let mut b = Bridge::of_two(leg(1), leg(2));
        check(&b, "A<B B<A");
        assert_eq!(b.matrix().pair(), Some((leg(1), leg(2))));
        b.member_mut(leg(2)).unwrap().muted = true;
        check(&b, "A<B B'<A");
        assert_eq!(b.matrix().pair(), None);
        b.member_mut(leg(1)).unwrap().apart = true;
        check(&b, "");
        b.member_mut(leg(1)).unwrap().apart = false;
        b.member_mut(leg(2)).unwrap().holds = true;
        check(&b, "");
    }

    #[test]
    fn a_third_person_joins_and_the_one_talked_about_waits_apart() {
        let mut b = Bridge::of_two(leg(1), leg(2));
        b.join(leg(3), Role::Third);
        check(&b, "A<BC B<AC C<AB");
        b.member_mut(leg(1)).unwrap().apart = true;
        check(&b, "B<C C<B");
        assert_eq!(b.another(leg(1), leg(2)), Some(leg(3)));
        b.leave(leg(2));
        b.member_mut(leg(1)).unwrap().apart = false;
        b.join(leg(3), Role::Host);
        check(&b, "A<C C<A");
    }

    #[test]
    fn a_supervisor_listens_whispers_and_barges() {
        let mut b = Bridge::of_two(leg(1), leg(2));
        b.join(leg(3), Role::Listener);
        check(&b, "A<B B<A C<AB");
        b.join(leg(3), Role::Whisperer);
        check(&b, "A<B B<AC C<AB");
        b.join(leg(3), Role::Barger);
        check(&b, "A<BC B<AC C<AB");
        b.join(leg(3), Role::Listener);
        b.leave(leg(2));
        // The guest hears nobody: they get music, and nobody listens to that.
        check(&b, "");
    }

    /// Every bridge of up to four, with every role and every way of being held or muted.
    #[test]
    fn in_every_bridge_the_rules_of_hearing_hold() {
        const ROLES: [Role; 6] = [
            Role::Guest,
            Role::Host,
            Role::Third,
            Role::Listener,
            Role::Whisperer,
            Role::Barger,
        ];
        // A member is a role and one of: there, muted, on hold, kept apart.
        let kinds = ROLES.len() * 4;
        for n in 0..kinds.pow(4) {
            let mut b = Bridge::default();
            let mut rest = n;
            for i in 1..=4 {
                let (role, is) = (ROLES[rest % 6], rest / 6 % 4);
                rest /= kinds;
                b.join(leg(i), role);
                let m = b.member_mut(leg(i)).unwrap();
                (m.muted, m.holds, m.apart) = (is == 1, is == 2, is == 3);
            }
            let m = b.matrix();
            assert_ne!(m.lines.len(), 1, "{b:?}");
            for l in &m.lines {
                let me = b.member(l.leg).unwrap();
                assert!(!me.holds && !me.apart && !l.hears.is_empty(), "{b:?}");
                assert_eq!(l.muted, me.muted);
                for h in &l.hears {
                    let other = b.member(*h).unwrap();
                    assert!(m.has(*h) && *h != l.leg, "{b:?}");
                    assert_ne!(other.role, Role::Listener, "a listener is heard: {b:?}");
                    let whispers = other.role == Role::Whisperer;
                    assert!(
                        !whispers || me.role == Role::Host,
                        "a whisper is overheard: {b:?}"
                    );
                    // Who is heard by a party to the talk hears them too.
                    assert!(
                        !me.role.talks() || m.lines.iter().any(|o| o.leg == *h && o.hears.contains(&l.leg))
                    );
                }
            }
        }
    }
}
