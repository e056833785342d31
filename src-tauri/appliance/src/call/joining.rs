//! Legs that come into a call from elsewhere: who fetches it from a slot, picks it up or takes somebody's place by ringing
//! us (RFC 3891), and whom a telephone joins with it from its other call (RFC 3515, RFC 5589 7).

use super::people::PersonLeg;
use super::{Arrival, Call, ToCall, status_of};
use anteroom_call::desk::{AdoptAs, By, Command, DeskInput};
use anteroom_call::party::Target;
use anteroom_sip::ReferToken;
use anteroom_types::{LegId, Pii};
use tokio::sync::mpsc;

/// The transfer that asked for a leg of another call.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// The leg that transfers, and its REFER.
    pub(super) leg: LegId,
    pub(super) token: ReferToken,
    /// What the REFER names, should the other call not have been answered yet.
    pub(super) target: Pii<String>,
    /// Where the answer goes.
    pub(super) to: mpsc::Sender<ToCall>,
}

/// What another call gives.
pub(crate) enum Given {
    /// The leg its telephone talked to.
    Leg(LegId, Target, Box<PersonLeg>),
    /// It still rings somebody, and has given that up: they are to be rung by the call that asked.
    Rings,
    /// Nothing.
    Nobody,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Leg(..) => "Leg",
            Self::Rings => "Rings",
            Self::Nobody => "Nobody",
        })
    }
}

impl Call {
    /// A telephone of ours rang us to come into this call.
    pub(super) async fn joins(&mut self, arrival: Arrival, target: Target, what: AdoptAs) {
        let leg = arrival.leg;
        if self.desk.is_over() {
            return self.turn_back(leg, 481);
        }
        if arrival.here {
            return self.joins_here(leg, target, what);
        }
        let made = self.shared.session_for(arrival.offer.as_deref()).await;
        let (mut session, sdp) = match made {
            Ok(made) => made,
            Err(e) => {
                self.warn("no media session for a telephone that comes in", &e);
                return self.turn_back(leg, status_of(&e));
            }
        };
        session.set_signalling_peer(arrival.source.ip());
        self.routes.add(leg, self.mailbox.clone());
        let who = target.who.clone();
        self.legs.add(leg, who.as_str(), session).joins = Some((target, what));
        let _ = self.shared.sip.belongs_to(leg, self.story.call());
        if let Err(e) = self.shared.sip.answer(leg, sdp) {
            self.warn("a telephone that comes in could not be answered", &e);
            self.legs.end(leg);
        }
    }

    /// Refuses a telephone that rang us to come into this call.
    fn turn_back(&self, leg: LegId, status: u16) {
        crate::engine::lock(&self.shared.routes).remove(&leg);
        let _ = self.shared.reject(leg, status, None);
    }

    /// The same from the device at this machine.
    fn joins_here(&mut self, leg: LegId, target: Target, what: AdoptAs) {
        let Some(cradle) = self.shared.media_here(leg) else {
            return self.turn_back(leg, 480);
        };
        self.routes.add(leg, self.mailbox.clone());
        let who = target.who.clone();
        self.legs.add_here(leg, who.as_str(), cradle).joins = Some((target, what));
        if let Err(e) = self.shared.answer(leg, String::new()) {
            self.warn("the device here could not be answered", &e);
            self.legs.end(leg);
        }
    }

    /// A leg that is up comes into the call.
    pub(super) async fn adopt(&mut self, leg: LegId, target: Target, what: AdoptAs) {
        if self.desk.is_over() {
            let _ = self.shared.bye(leg);
            return;
        }
        self.desk(DeskInput::Adopt { leg, target, what }).await;
    }

    /// A telephone joins whom it talks to in this call with whom it talks to at `other`, a leg of its other call.
    pub(super) fn join_calls(&mut self, leg: LegId, token: ReferToken, target: &Pii<String>, other: LegId) {
        let sip = &self.shared.sip;
        let to = crate::engine::lock(&self.shared.routes).get(&other).cloned();
        let Some(to) = to.filter(|to| !to.same_channel(&self.mailbox)) else {
            let _ = sip.refer_reject(leg, token, 481);
            return;
        };
        let asked = Asked {
            leg,
            token,
            target: target.clone(),
            to: self.mailbox.clone(),
        };
        if to.try_send(ToCall::Surrender { leg: other, asked }).is_err() {
            let _ = sip.refer_reject(leg, token, 503);
            return;
        }
        let _ = sip.refer_accept(leg, token);
    }

    /// Another call asks for whom `leg` talks to here.
    pub(super) async fn surrender(&mut self, leg: LegId, asked: Asked) {
        // A caller's own leg stays with the call it began.
        let theirs = self.arrival.placed.is_some() && leg == self.leg;
        let given = if !theirs {
            Given::Nobody
        } else if self.unanswered.is_some() {
            let _ = self.order(&By::Leg(leg), Command::HangUp).await;
            Given::Rings
        } else if let Ok((other, target, effects)) = self.desk.surrender(self.shared.clock.now(), leg) {
            let given = self.give(other, target, &asked);
            self.desk_effects(effects).await;
            given
        } else {
            Given::Nobody
        };
        let to = asked.to.clone();
        if let Err(e) = to.try_send(ToCall::Given { asked, given })
            && let ToCall::Given {
                given: Given::Leg(leg, ..),
                ..
            } = e.into_inner()
        {
            let _ = self.shared.bye(leg);
        }
    }

    /// Something came for a call that is over.
    pub(super) fn too_late(&mut self, to: ToCall) {
        match to {
            // For a leg that went elsewhere.
            ToCall::Sip(leg, e) => {
                if let Some(there) = self.moved.get(&leg) {
                    ToCall::pass(there, leg, e);
                }
            }
            ToCall::Joins { arrival, .. } => {
                crate::engine::lock(&self.shared.routes).remove(&arrival.leg);
                let _ = self.shared.reject(arrival.leg, 481, None);
            }
            ToCall::Surrender { asked, .. } => {
                let to = asked.to.clone();
                let given = Given::Nobody;
                let _ = to.try_send(ToCall::Given { asked, given });
            }
            ToCall::Given {
                given: Given::Leg(leg, ..),
                ..
            } => {
                crate::engine::lock(&self.shared.routes).remove(&leg);
                let _ = self.shared.bye(leg);
            }
            // Nobody waits for an answer to these, or its absence says enough.
            ToCall::Given { .. } | ToCall::Order { .. } | ToCall::Private { .. } | ToCall::Queue(_) => {}
        }
    }

    /// Lets a leg go.
    fn give(&mut self, other: LegId, target: Option<Target>, asked: &Asked) -> Given {
        let (Some(target), Some(leg)) = (target, self.legs.give(other)) else {
            let _ = self.shared.bye(other);
            return Given::Nobody;
        };
        self.routes.pass_on(other, asked.to.clone());
        self.moved.insert(other, asked.to.clone());
        Given::Leg(other, target, Box::new(leg))
    }

    /// The other call has answered.
    pub(super) async fn given(&mut self, asked: Asked, given: Given) {
        let Asked {
            leg, token, target, ..
        } = asked;
        match given {
            Given::Leg(other, who, media) => {
                self.routes.add(other, self.mailbox.clone());
                self.legs.take_in(other, *media);
                self.refers.insert(leg, token);
                self.adopt(other, who, AdoptAs::Instead(leg)).await;
            }
            Given::Rings => match self.targets_of(leg, &target) {
                Ok(to) => self.transfer(leg, token, to).await,
                Err(status) => drop(self.shared.sip.refer_progress(leg, token, status)),
            },
            Given::Nobody => drop(self.shared.sip.refer_progress(leg, token, 603)),
        }
    }
}
