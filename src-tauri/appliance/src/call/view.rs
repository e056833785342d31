//! A call at the desk, as screens and colleagues see it.

use super::{Call, Media};
use anteroom_api::{
    Brief, BriefLine, BriefingKind, CallDesk, DeskLeg, DeskStage, LegParty, LegQuality, MediaPath,
};
use anteroom_call::desk::{Asking, Attendee, Attending, DeskView, Whereabouts};
use anteroom_media::{MediaHandle, Path};
use anteroom_types::{LegId, Mono, Purpose, Side, Wall};

/// Lines of the conversation that somebody who is rung sees.
const BRIEF_LINES: usize = 4;

impl Call {
    /// Shows where the call stands, if that has changed.
    pub(super) fn show_desk(&mut self) {
        let seen = self.desk.view();
        let of = |is: &[Attending]| -> Vec<String> {
            let mut users: Vec<String> = seen
                .attendees
                .iter()
                .filter(|a| is.contains(&a.is))
                .map(|a| a.target.who.as_str().to_owned())
                .collect();
            users.sort();
            users.dedup();
            users
        };
        let ringing = of(&[Attending::Rings]);
        let on_line = of(&[Attending::Asked, Attending::Talks, Attending::Supervises]);
        {
            let rings: Vec<&str> = ringing.iter().map(String::as_str).collect();
            let talks: Vec<&str> = on_line.iter().map(String::as_str).collect();
            let now = self.shared.clock.now();
            crate::engine::lock(&self.shared.desk.people).of_call(self.story.call(), &rings, &talks, now);
        }
        let seen_by_all = self.shared.config.desk.show_supervisors;
        let listeners = if seen_by_all {
            of(&[Attending::Supervises])
        } else {
            Vec::new()
        };
        let talking = of(&[Attending::Asked, Attending::Talks]);
        let view = CallDesk {
            call: self.story.call(),
            stage: self.stage(&seen, ringing, talking),
            brief: self.brief(&seen),
            legs: self.shown_legs(&seen.attendees),
            on_hold: seen.on_hold,
            listeners,
            recording_paused: self.private,
        };
        self.shared.screens.desk(view);
    }

    /// The people of this call are free again.
    pub(super) fn leave_desk(&mut self) {
        let now = self.shared.clock.now();
        crate::engine::lock(&self.shared.desk.people).of_call(self.story.call(), &[], &[], now);
    }

    fn stage(&self, seen: &DeskView, ringing: Vec<String>, talking: Vec<String>) -> DeskStage {
        let since = self.wall(seen.since);
        let host = || {
            seen.host
                .as_ref()
                .map_or_else(String::new, |h| h.as_str().to_owned())
        };
        if let Some(c) = &seen.consulting {
            return DeskStage::Consulting {
                by: host(),
                to: c.who.as_str().to_owned(),
                briefing: match c.how {
                    Asking::ByVoice => BriefingKind::Spoken,
                    Asking::Spoken | Asking::Screen => BriefingKind::Text,
                },
                answered: c.answered,
                since,
            };
        }
        match seen.is {
            Whereabouts::Receptionist | Whereabouts::Farewell | Whereabouts::Over => DeskStage::Automation,
            Whereabouts::Ringing | Whereabouts::Briefing => DeskStage::Ringing { who: ringing, since },
            Whereabouts::Queued { position, wait_ms } => DeskStage::Queued {
                position: u32::from(position.unwrap_or(0)),
                since,
                wait_s: wait_ms.and_then(|ms| u32::try_from(ms / 1000).ok()),
            },
            Whereabouts::Talking { held: true, .. } => DeskStage::Held { by: host(), since },
            Whereabouts::Talking { .. } => DeskStage::Talking { who: talking, since },
            Whereabouts::Parked { slot } => DeskStage::Parked {
                slot: u32::from(slot),
                by: host(),
                since,
                returns_at: seen.returns_at.map(|at| self.wall(at)),
            },
            Whereabouts::Greeting | Whereabouts::Recording => DeskStage::Voicemail { since },
        }
    }

    /// A moment of the call on the wall's clock.
    fn wall(&self, at: Mono) -> Wall {
        let (now, wall) = (self.shared.clock.now(), self.shared.clock.wall());
        let ms = |m: u64| i64::try_from(m).unwrap_or(i64::MAX / 2);
        // Whole seconds: the same moment reckoned twice must not look like a change.
        let at = wall.0 - ms(now.ms_since(at)) + ms(at.ms_since(now));
        Wall((at + 500).div_euclid(1000) * 1000)
    }

    /// What to know before answering, while anybody is rung or asked.
    pub(super) fn brief(&self, seen: &DeskView) -> Option<Brief> {
        let rung = seen
            .attendees
            .iter()
            .any(|a| matches!(a.is, Attending::Rings | Attending::Asked));
        let on_screen = seen.consulting.as_ref().is_some_and(|c| c.how == Asking::Screen);
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
            wants_answer: on_screen,
        })
    }

    fn shown_legs(&self, attendees: &[Attendee]) -> Vec<DeskLeg> {
        let leg = |leg: LegId, party: LegParty, media: Option<&MediaHandle>, held: bool| DeskLeg {
            leg,
            party,
            held,
            codec: media.and_then(MediaHandle::codec).map(str::to_owned),
            encrypted: media.is_some_and(MediaHandle::is_srtp),
            path: media.map(|m| match m.stats().path {
                Path::Relay => MediaPath::Relayed,
                _ => MediaPath::Direct,
            }),
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
        let caller = self.arrival.placed.is_none() && matches!(self.media, Media::Running { .. });
        let caller = caller.then(|| {
            let held = self.media.handle().is_some_and(MediaHandle::is_held);
            leg(self.leg, LegParty::Caller, self.media.handle(), held)
        });
        let shown = |a: &&Attendee| a.is != Attending::Supervises || self.shared.config.desk.show_supervisors;
        let people = attendees.iter().filter(shown).map(|a| {
            let media = self.handle_of(a.leg);
            let party = LegParty::User {
                user: a.target.who.as_str().to_owned(),
            };
            leg(a.leg, party, media, media.is_some_and(MediaHandle::is_held))
        });
        caller.into_iter().chain(people).collect()
    }
}
