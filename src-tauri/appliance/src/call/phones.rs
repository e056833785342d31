//! A call and the telephones of its people: ringing them, and what their signalling and media tell.

use super::desk::leg_end;
use super::people::{LegMedia, OutsideLeg, PersonLeg, Rung};
use super::{Call, ToCall};
use crate::desk::Outside;
use crate::desktop::Rings;
use anteroom_call::desk::{By, Command, DeskInput};
use anteroom_call::leg::LegEnd;
use anteroom_call::party::{Address, PersonId, Target};
use anteroom_media::{MediaError, MediaEvent, MediaSession};
use anteroom_sip::{
    ContactId, DialRequest, DialTarget, EndWhy, ExtraHeader, ReferToken, SipEvent, Transport,
};
use anteroom_types::{EventKind, LegId, Pii, Purpose};
use std::sync::Arc;

/// Leave for one call to one number, until it is dialled.
#[derive(Debug)]
pub(crate) struct Leave {
    /// Whose.
    by: String,
    outside: Outside,
}

impl Leave {
    pub(crate) fn new(by: &str, outside: Outside) -> Self {
        Self {
            by: by.to_owned(),
            outside,
        }
    }
    fn number(&self) -> &Pii<String> {
        &self.outside.permit.number.number
    }
    /// What is dialled with it.
    pub(crate) fn target(&self) -> Target {
        Target {
            who: PersonId::outside(),
            at: Address::Number(self.number().clone()),
        }
    }
}

/// An offer for a browser, made or not.
pub(super) struct BrowserOffer {
    leg: LegId,
    who: String,
    rung: Rung,
    made: Result<(MediaSession, String), MediaError>,
}

/// How a call shows itself to a number outside when nothing was configured.
const NO_CALLER_ID: &str = "anonymous";
/// How long a number outside rings, milliseconds.
pub(super) const OUTSIDE_RING_MS: u64 = 60_000;

/// Told to a telephone that parks where somebody waits already.
const BUSY_HERE: u16 = 486;

impl Call {
    /// Rings one telephone. False when it cannot even be tried.
    pub(super) async fn dial(&mut self, leg: LegId, target: Target, urgent: bool) -> bool {
        match target.at {
            Address::Contact(contact) => {
                self.dial_contact(leg, target.who.as_str(), ContactId(contact), urgent)
            }
            Address::Number(number) => self.dial_outside(leg, &number).await,
            Address::Desktop => self.dial_here(leg, target.who.as_str(), urgent),
        }
    }

    fn dial_contact(&mut self, leg: LegId, who: &str, contact: ContactId, urgent: bool) -> bool {
        let contacts = self.shared.sip.registrations();
        let there = contacts.iter().find(|c| c.id == contact);
        let rung = Rung {
            contact,
            urgent,
            // Who keeps its signalling secret usually insists on the same for what is said.
            encrypted: there.is_some_and(|c| c.transport == Transport::Tls),
            again: false,
            browser: there.is_some_and(|c| c.websocket),
        };
        if rung.browser {
            // Its offer takes a while: it is told by which ways it can be reached. The call does not wait for it.
            let shared = Arc::clone(&self.shared);
            let who = who.to_owned();
            self.offering.push(leg);
            self.offers.spawn(async move {
                let made = shared.media.offer_webrtc().await;
                BrowserOffer { leg, who, rung, made }
            });
            return true;
        }
        let offered = if rung.encrypted {
            self.shared.media.offer_encrypted()
        } else {
            self.shared.media.offer()
        };
        self.ring_contact(leg, who, rung, offered)
    }

    /// The offer for a browser is made: it is rung, if that is still wanted.
    pub(super) async fn browser_offer(&mut self, offer: BrowserOffer) {
        let BrowserOffer { leg, who, rung, made } = offer;
        if self.was_offering(leg) && !self.ring_contact(leg, &who, rung, made) {
            let end = LegEnd::Lost;
            self.desk(DeskInput::LegEnded { leg, end }).await;
        }
    }

    /// Whether an offer for a leg was still awaited; it no longer is.
    pub(super) fn was_offering(&mut self, leg: LegId) -> bool {
        let before = self.offering.len();
        self.offering.retain(|l| *l != leg);
        self.offering.len() < before
    }

    /// A telephone refused our offer: it insists on encryption, or knows none. True when it is rung the other way.
    fn ring_otherwise(&mut self, leg: LegId, status: u16) -> bool {
        const NOT_ACCEPTABLE: [u16; 2] = [488, 606];
        let config = &self.shared.config.media;
        let ended = self
            .legs
            .all
            .get(&leg)
            .and_then(|l| Some((l.who.clone(), l.rung?)));
        let Some((who, rung)) = ended.filter(|(_, r)| !r.again && NOT_ACCEPTABLE.contains(&status)) else {
            return false;
        };
        if config.srtp.get_ref() != "optional" {
            return false;
        }
        self.legs.end(leg);
        let otherwise = Rung {
            encrypted: !rung.encrypted,
            again: true,
            ..rung
        };
        let offered = if otherwise.encrypted {
            self.shared.media.offer_encrypted()
        } else {
            self.shared.media.offer()
        };
        self.ring_contact(leg, &who, otherwise, offered)
    }

    fn ring_contact(
        &mut self,
        leg: LegId,
        who: &str,
        rung: Rung,
        offered: Result<(MediaSession, String), MediaError>,
    ) -> bool {
        let browser = rung.browser;
        let Some((session, sdp)) = self.offered(offered) else {
            return false;
        };
        let from = self.arrival.from.open(Purpose::Signalling).clone();
        let mut request = DialRequest::new(leg, DialTarget::Contact(rung.contact), from);
        request.sdp = Some(sdp);
        request.assert_identity = true;
        request.headers = vec![ExtraHeader::Call(self.story.call())];
        request.from_display = if rung.urgent {
            Some("URGENT".into())
        } else {
            self.arrival.placed.as_ref().map(|p| p.name.clone())
        };
        let sent = self.send((leg, who), session, None, request).is_ok();
        if let Some(l) = self.legs.all.get_mut(&leg).filter(|_| !browser) {
            l.rung = Some(rung);
        }
        sent
    }

    /// Rings the device at this machine.
    fn dial_here(&mut self, leg: LegId, who: &str, urgent: bool) -> bool {
        let placed = self.arrival.placed.as_ref().map(|p| Pii::new(p.name.clone()));
        let rings = Rings {
            leg,
            call: self.story.call(),
            from: placed.unwrap_or_else(|| self.arrival.from.clone()),
            urgent,
            brief: self.brief(&self.desk.view()),
        };
        // Known before it is rung: its events come from another thread.
        self.routes.add(leg, self.mailbox.clone());
        let Some(cradle) = self.shared.ring_here(rings) else {
            return false;
        };
        self.legs.add_here(leg, who, cradle);
        true
    }

    /// Rings a number outside. Each leave is good for one call.
    async fn dial_outside(&mut self, leg: LegId, number: &Pii<String>) -> bool {
        let Some(n) = self.leaves.iter().position(|l| l.number() == number) else {
            tracing::error!(trace = %self.story.trace(), "a number outside was to be rung without leave");
            return false;
        };
        let Leave { by, outside } = self.leaves.swap_remove(n);
        let outside = OutsideLeg::new(&self.shared, by, outside);
        self.ring_outside(leg, outside, true).await
    }

    /// Rings a number outside by the best trunk that was not tried.
    async fn ring_outside(&mut self, leg: LegId, mut outside: OutsideLeg, first: bool) -> bool {
        while let Some(trunk) = outside.trunks.pop_front() {
            let Some((session, sdp)) = self.offered(self.shared.media.offer()) else {
                return false;
            };
            let config = &self.shared.config;
            let ours = config.sip.trunk.iter().find(|t| t.name == trunk);
            let user = ours.and_then(|t| t.user.as_ref()).map(|u| u.get_ref().clone());
            let from = config.outbound.caller_id.clone().or(user);
            let number = outside.permit.number.number.open(Purpose::Signalling).clone();
            let mut request = DialRequest::new(leg, number, from.unwrap_or_else(|| NO_CALLER_ID.into()));
            request.sdp = Some(sdp);
            request.trunk = Some(trunk.clone());
            request.elsewhere = !outside.trunks.is_empty();
            let placed = EventKind::Placed {
                by: outside.by.clone(),
                trunk: Some(trunk),
                per_minute_milli: outside.permit.per_minute_milli,
                ms_max: outside.permit.ms_max,
                // Once, by however many ways it is tried.
                counts: first && !outside.is_emergency(),
            };
            match self.send(
                (leg, PersonId::outside().as_str()),
                session,
                Some(outside),
                request,
            ) {
                Ok(()) => {
                    self.story.tell(placed).await;
                    return true;
                }
                // Its trunk cannot even be tried.
                Err(Some(unsent)) => outside = *unsent,
                Err(None) => return false,
            }
        }
        false
    }

    /// A number outside could not be reached by one trunk. True when it is rung by another.
    async fn ring_by_another_trunk(&mut self, leg: LegId, why: EndWhy) -> bool {
        let answered = self.legs.is_answered(leg);
        let outside = |l: &mut PersonLeg| {
            l.outside
                .take_if(|o| !o.trunks.is_empty() && o.may_go_otherwise(why))
        };
        let Some(outside) = self
            .legs
            .all
            .get_mut(&leg)
            .filter(|_| !answered)
            .and_then(outside)
        else {
            return false;
        };
        tracing::warn!(trace = %self.story.trace(), ?why, "a number outside was not reached by one trunk, and is rung by another");
        self.legs.end(leg);
        self.ring_outside(leg, *outside, false).await
    }

    fn offered(&self, made: Result<(MediaSession, String), MediaError>) -> Option<(MediaSession, String)> {
        made.inspect_err(|e| self.warn("no media for a leg of ours", e))
            .ok()
    }

    /// Dials. What a leg outside is limited by comes back when it cannot be.
    fn send(
        &mut self,
        (leg, who): (LegId, &str),
        session: MediaSession,
        outside: Option<OutsideLeg>,
        request: DialRequest,
    ) -> Result<(), Option<Box<OutsideLeg>>> {
        // Known before it is dialled: its events come from another task.
        self.routes.add(leg, self.mailbox.clone());
        self.legs.add(leg, who, session).outside = outside.map(Box::new);
        self.shared.sip.dial(request).map_err(|e| {
            self.warn("a telephone could not be rung", &e);
            self.legs.end(leg).and_then(|l| l.outside)
        })
    }

    /// Ends calls outside whose leave is over.
    pub(super) async fn end_leaves(&mut self) {
        let now = self.shared.clock.now();
        while let Some((_, leg)) = self.legs.next_end().filter(|(until, _)| *until <= now) {
            tracing::warn!(trace = %self.story.trace(), "a call outside has come to its limit");
            // A caller who was given to that number has not hung up: they are told, and somebody else is rung for them.
            if self.arrival.placed.is_none() {
                self.desk(DeskInput::LegMediaLost { leg }).await;
            }
            let _ = self.shared.bye(leg);
            if let Some(l) = self.legs.all.get_mut(&leg) {
                l.outside = None;
            }
        }
    }

    /// What the signalling of a person's leg tells.
    pub(super) async fn person_sip(&mut self, leg: LegId, event: SipEvent) {
        if let Some(to) = self.moved.get(&leg) {
            ToCall::pass(to, leg, event);
            return;
        }
        match event {
            SipEvent::Progress { sdp, .. } => {
                // Whoever placed the call hears the far end's own ringing and announcements. A caller hears what the desk
                // decides.
                let early_media =
                    self.arrival.placed.is_some() && sdp.is_some_and(|sdp| self.answer_of(leg, &sdp).is_ok());
                if early_media {
                    self.legs.start(leg);
                }
                self.desk(DeskInput::LegProgress { leg, early_media }).await;
            }
            SipEvent::Answer { sdp, .. } => {
                if let Err(e) = self.answer_of(leg, &sdp) {
                    self.warn("a telephone's answer cannot be used", &e);
                    let _ = self.shared.bye(leg);
                }
            }
            SipEvent::Established { .. } => {
                if self.legs.answered(leg) {
                    match self.legs.all.get_mut(&leg).and_then(|l| l.joins.take()) {
                        Some((target, what)) => self.adopt(leg, target, what).await,
                        None => {
                            let screen = self.legs.all.get(&leg).is_some_and(PersonLeg::has_screen);
                            self.desk(DeskInput::LegAnswered { leg, screen }).await;
                        }
                    }
                }
            }
            SipEvent::Offer { token, sdp, .. } => {
                let handle = self.legs.handle(leg).cloned();
                self.answer_offer(leg, handle, token, sdp);
            }
            SipEvent::Dtmf { digit, .. } => {
                self.pass_key_on(leg, digit);
                self.desk(DeskInput::Key { leg, digit }).await;
            }
            SipEvent::Ended {
                why: EndWhy::Rejected(status),
                ..
            } if self.ring_otherwise(leg, status) => {}
            SipEvent::Ended { why, .. } if self.ring_by_another_trunk(leg, why).await => {}
            SipEvent::Ended { why, .. } => {
                if let Some(q) = self.legs.handle(leg).map(anteroom_media::MediaHandle::stats) {
                    self.tell_quality(leg, &q).await;
                }
                self.legs.end(leg);
                if self.staff.as_ref().is_some_and(|(l, _)| *l == leg) {
                    self.staff = None;
                }
                let end = leg_end(why);
                if let LegEnd::Refused(status) = end {
                    self.refused = Some(status);
                }
                self.desk(DeskInput::LegEnded { leg, end }).await;
            }
            SipEvent::Refer {
                token,
                target,
                replaces,
                ..
            } => self.referred(leg, token, &target, replaces).await,
            SipEvent::Incoming { .. }
            | SipEvent::OfferRejected { .. }
            | SipEvent::Acked { .. }
            | SipEvent::Registered { .. }
            | SipEvent::Unregistered { .. }
            | SipEvent::TurnedAway { .. }
            | SipEvent::Trunk { .. } => {}
        }
    }

    /// The description a leg answers our offer with; the second one, after early media, is an answer to the same offer.
    fn answer_of(&mut self, leg: LegId, sdp: &str) -> Result<(), MediaError> {
        match self.legs.all.get_mut(&leg).map(|l| &mut l.media) {
            Some(LegMedia::Offered(session)) => session.remote_answer(sdp),
            Some(LegMedia::Running(handle)) => match handle.remote_answer(sdp) {
                Err(MediaError::NoOffer) => handle.local_offer().and_then(|_| handle.remote_answer(sdp)),
                taken => taken,
            },
            Some(LegMedia::Here(_)) | None => Ok(()),
        }
    }

    /// A telephone transfers whom it talks to (RFC 3515).
    pub(super) async fn referred(
        &mut self,
        leg: LegId,
        token: ReferToken,
        target: &Pii<String>,
        replaces: Option<LegId>,
    ) {
        if let Some(other) = replaces {
            return self.join_calls(leg, token, target, other);
        }
        if let Some(slot) = self.slot_named(target) {
            return self.park_by_telephone(leg, token, slot).await;
        }
        match self.targets_of(leg, target) {
            Ok(to) => {
                let _ = self.shared.sip.refer_accept(leg, token);
                self.transfer(leg, token, to).await;
            }
            Err(status) => drop(self.shared.sip.refer_reject(leg, token, status)),
        }
    }

    /// The parking slot a telephone means, if it means one. Whoever has such a number for a name goes before, and an
    /// emergency number before all.
    fn slot_named(&self, dialled: &Pii<String>) -> Option<u16> {
        let desk = &self.shared.desk;
        let text = dialled.open(Purpose::Signalling);
        if desk.is_emergency(text) || crate::engine::lock(&desk.people).has(text) {
            return None;
        }
        let slot = text.parse().ok()?;
        crate::engine::lock(&desk.parking).has(slot).then_some(slot)
    }

    /// A telephone transfers the caller to a slot: they are parked there.
    async fn park_by_telephone(&mut self, leg: LegId, token: ReferToken, slot: u16) {
        let call = self.story.call();
        let reserved = crate::engine::lock(&self.shared.desk.parking).reserve(call, Some(slot));
        if let Err(e) = reserved {
            self.warn("a caller could not be parked", &e);
            let _ = self.shared.sip.refer_reject(leg, token, BUSY_HERE);
            return;
        }
        let _ = self.shared.sip.refer_accept(leg, token);
        self.refers.insert(leg, token);
        if self.order(&By::Leg(leg), Command::Park { slot }).await.is_err() {
            crate::engine::lock(&self.shared.desk.parking).release(slot, call);
            if let Some(token) = self.refers.remove(&leg) {
                let _ = self.shared.sip.refer_progress(leg, token, 503);
            }
        }
    }

    /// Gives whom `leg` talks to away; the REFER was accepted.
    pub(super) async fn transfer(&mut self, leg: LegId, token: ReferToken, to: Vec<Target>) {
        self.refers.insert(leg, token);
        if self.order(&By::Leg(leg), Command::Blind { to }).await.is_err()
            && let Some(token) = self.refers.remove(&leg)
        {
            let _ = self.shared.sip.refer_progress(leg, token, 503);
        }
    }

    /// Whom a telephone means by what it dials for a transfer; the SIP status when that cannot be.
    pub(super) fn targets_of(&mut self, leg: LegId, dialled: &Pii<String>) -> Result<Vec<Target>, u16> {
        let (sip, desk) = (&self.shared.sip, &self.shared.desk);
        let text = dialled.open(Purpose::Signalling);
        let there = if desk.is_emergency(text) {
            None
        } else {
            let people = crate::engine::lock(&desk.people);
            let who = people.owner(text).to_owned();
            people
                .has(text)
                .then(|| people.targets(&who, &sip.registrations()))
        };
        if let Some(targets) = there {
            return if targets.is_empty() { Err(480) } else { Ok(targets) };
        }
        // Whoever transfers pays: a caller has no rights.
        let by = self.person_at(leg).ok_or(403_u16)?;
        let (now, open) = self.now_and_open();
        let outside = desk
            .outside(sip, by.as_str(), text, now, open)
            .map_err(|e| e.status())?;
        Ok(vec![self.keep(Leave::new(by.as_str(), outside))])
    }

    /// Keeps leave to ring a number outside until it is dialled. The latest is the one that counts.
    pub(super) fn keep(&mut self, leave: Leave) -> Target {
        let target = leave.target();
        self.leaves = vec![leave];
        target
    }

    /// The member of staff at a leg.
    fn person_at(&self, leg: LegId) -> Option<PersonId> {
        if let Some(p) = self.arrival.placed.as_ref().filter(|_| leg == self.leg) {
            return Some(p.by.who.clone());
        }
        let seen = self.desk.attendees();
        let who = seen.into_iter().find(|a| a.leg == leg).map(|a| a.target.who)?;
        (who != PersonId::outside()).then_some(who)
    }

    /// What the media of a person's leg tells.
    pub(super) async fn person_media(&mut self, leg: LegId, event: MediaEvent) {
        match event {
            MediaEvent::Tick { at, rx, .. } => self.staff_frame(leg, &rx, at).await,
            MediaEvent::PlayDone { id, .. } | MediaEvent::PlayDropped { id, .. } => self.played(id).await,
            MediaEvent::Dtmf { digit, .. } => self.desk(DeskInput::Key { leg, digit }).await,
            MediaEvent::SilenceTimeout => self.desk(DeskInput::LegMediaLost { leg }).await,
            MediaEvent::Held(held) => self.desk(DeskInput::LegHeld { leg, held }).await,
            MediaEvent::Quality(q) => self.measured(leg, &q).await,
            MediaEvent::PlayStarted { .. } | MediaEvent::FirstPacket => {}
        }
    }
}
