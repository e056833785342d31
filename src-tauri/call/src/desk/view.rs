//! A desk call as it is seen and heard.

use super::config::Waiting;
use super::state::{Candidate, ConsultStage, Part, Phase, Stage, Talking};
use super::types::Asking;
use super::{DeskCall, Direction};
use crate::bridge::{Hearing, Matrix, Role};
use crate::party::{PersonId, Target};
use crate::scene::{Hears, PlayNo, Scene, Source};
use anteroom_types::{LegId, Mono};

/// Where a call stands, for screens and for [`crate::automation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whereabouts {
    /// The receptionist has the caller.
    Receptionist,
    /// Telephones ring.
    Ringing,
    /// Somebody has answered and is told what it is about.
    Briefing,
    /// In the queue.
    Queued {
        /// From 1, once known.
        position: Option<u16>,
        /// Expected wait, milliseconds.
        wait_ms: Option<u64>,
    },
    /// With a person.
    Talking {
        /// On hold, by command or by a telephone, or waiting while a transfer is asked about.
        held: bool,
        /// Somebody is asked about a transfer.
        consulting: bool,
    },
    /// In a slot.
    Parked {
        /// Which.
        slot: u16,
    },
    /// The voicemail's greeting is spoken.
    Greeting,
    /// A message is recorded.
    Recording,
    /// Last words are spoken.
    Farewell,
    /// The call is ending or over.
    Over,
}

/// Somebody in a call beside the caller, for screens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attendee {
    /// Their leg.
    pub leg: LegId,
    /// Who, and at which device.
    pub target: Target,
    /// What they do.
    pub is: Attending,
}

/// What somebody does in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Attending {
    /// Their telephone rings.
    Rings,
    /// They are told what it is about, or decide.
    Asked,
    /// They talk, or wait on hold.
    Talks,
    /// They supervise.
    Supervises,
}

/// A call as a screen shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskView {
    /// Where it stands.
    pub is: Whereabouts,
    /// Since when; a new place in the queue is no new start.
    pub since: Mono,
    /// Everybody of the clinic in it, in the order of their legs.
    pub attendees: Vec<Attendee>,
    /// Whether whoever has the caller put the call on hold by command. A telephone may hold it besides.
    pub on_hold: bool,
    /// Who has the caller, or had them before they were parked.
    pub host: Option<PersonId>,
    /// Who is asked about a transfer.
    pub consulting: Option<Consulting>,
    /// When a parked caller is brought back.
    pub returns_at: Option<Mono>,
}

/// A transfer that is being asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consulting {
    /// Who is asked.
    pub who: PersonId,
    /// How.
    pub how: Asking,
    /// Whether they have answered.
    pub answered: bool,
}

impl DeskCall {
    /// Whether `play` is what is heard on a leg now, or to be heard.
    #[must_use]
    pub fn plays(&self, leg: LegId, play: PlayNo) -> bool {
        self.scene.playing.get(&leg).is_some_and(|p| p.0 == play)
    }

    /// The call as a screen shows it. Compare it with the one before after every input.
    #[must_use]
    pub fn view(&self) -> DeskView {
        let (host, consulting, returns_at) = match &self.phase {
            Phase::Talking(t) => {
                let consulting = t.consult.as_ref().and_then(|c| {
                    let leg = match &c.stage {
                        ConsultStage::Rings { legs, .. } => legs.first().copied(),
                        other => other.answered(),
                    };
                    Some(Consulting {
                        who: self.person(leg?)?,
                        how: c.how,
                        answered: c.stage.answered().is_some(),
                    })
                });
                (self.person(t.host), consulting, None)
            }
            Phase::Parked(p) => (p.by.as_ref().map(|t| t.who.clone()), None, Some(p.until)),
            _ => (None, None, None),
        };
        DeskView {
            is: self.whereabouts(),
            since: self.since.1,
            attendees: self.attendees(),
            on_hold: matches!(&self.phase, Phase::Talking(t) if t.held),
            host,
            consulting,
            returns_at,
        }
    }

    /// Notes since when the call stands as it does.
    pub(super) fn keep_since(&mut self) {
        let is = std::mem::discriminant(&self.whereabouts());
        let held = matches!(self.whereabouts(), Whereabouts::Talking { held: true, .. });
        if self.since.0 != (is, held) {
            self.since = ((is, held), self.now);
        }
    }

    /// Where the call stands.
    #[must_use]
    pub fn whereabouts(&self) -> Whereabouts {
        match &self.phase {
            Phase::Receptionist => Whereabouts::Receptionist,
            Phase::Ringing(r) if r.candidate.is_some() => Whereabouts::Briefing,
            Phase::Ringing(_) => Whereabouts::Ringing,
            Phase::Queued(q) => Whereabouts::Queued {
                position: q.place.map(|p| p.0),
                wait_ms: q.place.and_then(|p| p.1),
            },
            Phase::Talking(t) => Whereabouts::Talking {
                held: !t.bridge.matrix().has(t.guest),
                consulting: t.consult.is_some(),
            },
            Phase::Parked(p) => Whereabouts::Parked { slot: p.slot },
            Phase::Message(None) => Whereabouts::Greeting,
            Phase::Message(Some(_)) => Whereabouts::Recording,
            Phase::Farewell => Whereabouts::Farewell,
            Phase::Closing | Phase::Over => Whereabouts::Over,
        }
    }

    /// Everybody of the clinic in the call, in the order of their legs. Who is on their way out is not in it.
    #[must_use]
    pub fn attendees(&self) -> Vec<Attendee> {
        let attendee = |(leg, l): (&LegId, &super::state::LegEntry)| {
            let up = l.machine.is_up();
            let is = match l.part {
                Part::Leaves(_) => return None,
                Part::Talks => Attending::Talks,
                Part::Supervises(_) if up => Attending::Supervises,
                Part::Consulted if up && self.talks_in_consult(*leg) => Attending::Talks,
                Part::Rings | Part::Consulted if up => Attending::Asked,
                _ => Attending::Rings,
            };
            Some(Attendee {
                leg: *leg,
                target: l.target.clone()?,
                is,
            })
        };
        self.legs.iter().filter_map(attendee).collect()
    }

    /// The leg of the member of staff who has the caller.
    #[must_use]
    pub const fn host(&self) -> Option<LegId> {
        match &self.phase {
            Phase::Talking(t) => Some(t.host),
            _ => None,
        }
    }

    /// The leg of the person from outside. Of an outgoing call there is none before it is answered.
    #[must_use]
    pub const fn guest(&self) -> Option<LegId> {
        self.guest
    }

    /// What somebody hears now. [`Hears::Nothing`] only for a leg that is not up, or on its way out.
    #[must_use]
    pub fn hears(&self, leg: LegId) -> Hears {
        if let Some((_, source)) = self.scene.playing.get(&leg) {
            return Hears::Played(*source);
        }
        if self
            .scene
            .bridge
            .lines
            .iter()
            .any(|l| l.leg == leg && !l.hears.is_empty())
        {
            return Hears::People;
        }
        let caller = leg == self.waiting() && self.legs.get(&leg).is_some_and(|l| l.machine.is_up());
        match &self.phase {
            Phase::Receptionist if caller => Hears::Receptionist,
            Phase::Ringing(_) if caller && self.sentence_until.is_some() => Hears::Receptionist,
            Phase::Message(Some(_)) if caller => Hears::Recording,
            _ => Hears::Nothing,
        }
    }

    fn talks_in_consult(&self, leg: LegId) -> bool {
        matches!(&self.phase, Phase::Talking(t)
            if matches!(t.consult.as_ref().map(|c| &c.stage), Some(ConsultStage::Talks { leg: l }) if *l == leg))
    }

    /// What everybody is to hear, from the state alone.
    pub(super) fn wanted_scene(&mut self) -> Scene {
        let bridge = self.wanted_bridge();
        self.speeches
            .retain(|s| self.legs.get(&s.leg).is_some_and(|l| l.machine.is_up()) && !bridge.has(s.leg));
        let mut scene = Scene {
            bridge,
            ..Scene::default()
        };
        for s in &self.speeches {
            scene.playing.insert(s.leg, (s.play, Source::Announce(s.what)));
        }
        let legs: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, l)| l.machine.is_up())
            .map(|(id, _)| *id)
            .collect();
        for leg in legs {
            if scene.playing.contains_key(&leg) || scene.bridge.has(leg) {
                continue;
            }
            let Some(source) = self.wanted_source(leg) else {
                continue;
            };
            let play = match self.scene.playing.get(&leg) {
                Some((play, was)) if *was == source => *play,
                _ => {
                    self.plays += 1;
                    PlayNo(self.plays)
                }
            };
            scene.playing.insert(leg, (play, source));
        }
        scene
    }

    fn wanted_bridge(&self) -> Matrix {
        match &self.phase {
            Phase::Talking(t) => t.bridge.matrix(),
            // The far telephone's own ringing or announcement, when there is just one to listen to.
            Phase::Ringing(r) if self.direction == Direction::Outgoing && r.candidate.is_none() => {
                let early = |l: &LegId| self.legs.get(l).is_some_and(|l| l.machine.has_early_media());
                match r.round.as_slice() {
                    [leg] if early(leg) && self.sentence_until.is_none() => one_way(*leg, self.waiting()),
                    _ => Matrix::default(),
                }
            }
            _ => Matrix::default(),
        }
    }

    /// What is played to a leg that is up and in no bridge, and to which no words are said.
    fn wanted_source(&self, leg: LegId) -> Option<Source> {
        if matches!(self.part(leg), None | Some(Part::Leaves(_))) {
            return None;
        }
        let caller = leg == self.waiting();
        match &self.phase {
            Phase::Receptionist if self.direction == Direction::Outgoing => Some(Source::Ringback),
            Phase::Ringing(r) => match r.candidate {
                Some(Candidate { leg: l, stage }) if l == leg => {
                    (stage != Stage::Briefed || !caller).then_some(Source::Reminder)
                }
                _ if caller && self.sentence_until.is_some() => None,
                _ if caller => Some(self.waiting_source()),
                _ => Some(Source::Reminder),
            },
            Phase::Queued(_) | Phase::Parked(_) if caller => Some(Source::Music),
            Phase::Talking(t) => Some(talking_source(t, leg)),
            _ => None,
        }
    }

    const fn waiting_source(&self) -> Source {
        match self.config.waiting {
            _ if self.in_queue => Source::Music,
            Waiting::Ringback => Source::Ringback,
            Waiting::Music => Source::Music,
        }
    }
}

/// What somebody in a talk hears while they hear nobody.
fn talking_source(t: &Talking, leg: LegId) -> Source {
    let host_rings = leg == t.host
        && t.consult
            .as_ref()
            .is_some_and(|c| c.how == Asking::ByVoice && matches!(c.stage, ConsultStage::Rings { .. }));
    if leg == t.guest {
        Source::Music
    } else if host_rings {
        Source::Ringback
    } else {
        Source::Reminder
    }
}

/// `to` hears `from`; nobody hears `to`.
fn one_way(from: LegId, to: LegId) -> Matrix {
    let mut lines = vec![
        Hearing {
            leg: to,
            role: Role::Host,
            hears: vec![from],
            muted: false,
        },
        Hearing {
            leg: from,
            role: Role::Guest,
            hears: Vec::new(),
            muted: false,
        },
    ];
    lines.sort_by_key(|l| l.leg);
    Matrix { lines }
}
