//! A call at the desk, as screens and colleagues see it.

use super::{Call, Media};
use anteroom_api::{Brief, BriefLine, BriefingKind, CallDesk, DeskLeg, DeskStage, LegParty, LegQuality};
use anteroom_call::desk::{Attendee, Attending, Whereabouts};
use anteroom_media::MediaHandle;
use anteroom_types::{LegId, Purpose, Side, Wall};

/// Lines of the conversation that somebody who is rung sees.
const BRIEF_LINES: usize = 4;

impl Call {
    /// Shows where the call stands, if that has changed.
    pub(super) fn show_desk(&mut self) {
        let attendees = self.desk.attendees();
        let of = |is: &[Attending]| -> Vec<String> {
            let mut users: Vec<String> = attendees
                .iter()
                .filter(|a| is.contains(&a.is))
                .map(|a| a.target.who.as_str().to_owned())
                .collect();
            users.sort();
            users.dedup();
            users
        };
        let ringing = of(&[Attending::Rings]);
        let talking = of(&[Attending::Asked, Attending::Talks, Attending::Supervises]);
        {
            let (ringing, talking): (Vec<&str>, Vec<&str>) = (
                ringing.iter().map(String::as_str).collect(),
                talking.iter().map(String::as_str).collect(),
            );
            let now = self.shared.clock.now();
            crate::engine::lock(&self.shared.desk.people).of_call(self.story.call(), &ringing, &talking, now);
        }
        let stage = self.stage(&attendees, ringing);
        let view = CallDesk {
            call: self.story.call(),
            stage,
            brief: self.brief(&attendees),
            legs: self.shown_legs(&attendees),
            listeners: of(&[Attending::Supervises]),
        };
        self.shared.screens.desk(view);
    }

    /// The people of this call are free again.
    pub(super) fn leave_desk(&mut self) {
        let now = self.shared.clock.now();
        crate::engine::lock(&self.shared.desk.people).of_call(self.story.call(), &[], &[], now);
    }

    fn stage(&mut self, attendees: &[Attendee], ringing: Vec<String>) -> DeskStage {
        let at = self.desk.whereabouts();
        if at != self.shown.0 {
            self.shown = (at, self.shared.clock.wall());
        }
        let since: Wall = self.shown.1;
        let talking = |is: Attending| {
            attendees
                .iter()
                .filter(move |a| a.is == is)
                .map(|a| a.target.who.as_str().to_owned())
        };
        let first = |is| talking(is).next().unwrap_or_default();
        match at {
            Whereabouts::Receptionist | Whereabouts::Farewell | Whereabouts::Over => DeskStage::Automation,
            Whereabouts::Ringing | Whereabouts::Briefing => DeskStage::Ringing { who: ringing, since },
            Whereabouts::Queued { position, wait_ms } => DeskStage::Queued {
                position: u32::from(position.unwrap_or(0)),
                since,
                wait_s: wait_ms.and_then(|ms| u32::try_from(ms / 1000).ok()),
            },
            Whereabouts::Talking { consulting: true, .. } => DeskStage::Consulting {
                by: first(Attending::Talks),
                to: attendees
                    .iter()
                    .find(|a| matches!(a.is, Attending::Rings | Attending::Asked))
                    .map(|a| a.target.who.as_str().to_owned())
                    .unwrap_or_default(),
                briefing: BriefingKind::Spoken,
                answered: attendees.iter().any(|a| a.is == Attending::Asked),
                since,
            },
            Whereabouts::Talking { held: true, .. } => DeskStage::Held {
                by: first(Attending::Talks),
                since,
            },
            Whereabouts::Talking { .. } => DeskStage::Talking {
                who: talking(Attending::Talks).collect(),
                since,
            },
            Whereabouts::Parked { slot } => DeskStage::Parked {
                slot: u32::from(slot),
                by: String::new(),
                since,
                returns_at: None,
            },
            Whereabouts::Greeting | Whereabouts::Recording => DeskStage::Voicemail { since },
        }
    }

    /// What to know before answering, while anybody is rung or asked.
    fn brief(&self, attendees: &[Attendee]) -> Option<Brief> {
        let rung = attendees
            .iter()
            .any(|a| matches!(a.is, Attending::Rings | Attending::Asked));
        rung.then(|| Brief {
            reason: self.reason.clone(),
            lines: self
                .story
                .last_heard(BRIEF_LINES)
                .map(|text| BriefLine {
                    side: Side::Caller,
                    text: text.open(Purpose::Staff).clone(),
                })
                .collect(),
            note: self.given.0.clone(),
            by: self.given.1.clone(),
            wants_answer: attendees.iter().any(|a| a.is == Attending::Asked) && self.given.0.is_some(),
        })
    }

    fn shown_legs(&self, attendees: &[Attendee]) -> Vec<DeskLeg> {
        let leg = |leg: LegId, party: LegParty, media: Option<&MediaHandle>, held: bool| DeskLeg {
            leg,
            party,
            held,
            codec: media.and_then(MediaHandle::codec).map(str::to_owned),
            encrypted: media.is_some_and(MediaHandle::is_srtp),
            path: None,
            quality: media.map(|m| {
                let q = m.stats();
                LegQuality {
                    packets: q.packets_rx,
                    lost: q.lost,
                    jitter_ms: q.jitter_ms,
                    rtt_ms: q.rtt_ms,
                    mos: q.mos,
                }
            }),
        };
        let caller = matches!(self.media, Media::Running { .. }).then(|| {
            let held = self.media.handle().is_some_and(MediaHandle::is_held);
            leg(self.leg, LegParty::Caller, self.media.handle(), held)
        });
        let people = attendees.iter().map(|a| {
            let media = self.legs.handle(a.leg);
            let party = LegParty::User {
                user: a.target.who.as_str().to_owned(),
            };
            leg(a.leg, party, media, media.is_some_and(MediaHandle::is_held))
        });
        caller.into_iter().chain(people).collect()
    }
}
