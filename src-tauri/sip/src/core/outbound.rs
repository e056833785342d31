//! Responses to requests of ours, and their silence.

use super::timers::TimerKey;
use super::{Core, LegTimer, Purpose};
use crate::config::Secret;
use crate::dialog::{Call, Confirmed, Dialog, OfferBy, PendingOffer, Phase};
use crate::event::{CancelReason, EndWhy, SipEvent};
use crate::wire::{self, Hop};
use sipx_sip::{HeaderName, Message, Method, Request, Response, TransactionKey, rel, session};
use std::time::Duration;

/// How often a request is sent again with credentials or other terms.
const TRIES_MAX: u8 = 3;

impl Core {
    /// Sends the ACK for a 2xx whose offer was waiting for us.
    pub(super) fn ack_with(&mut self, call: &mut Call, sdp: Option<String>) {
        let Some(seq) = Self::confirmed(call).and_then(|c| c.ack_due.take()) else {
            return;
        };
        self.send_ack(call, seq, sdp);
    }

    fn send_ack(&mut self, call: &mut Call, seq: u32, sdp: Option<String>) {
        let branch = self.branch();
        let mut r = call.dialog.numbered(Method::Ack, &branch, seq);
        if let Some(sdp) = &sdp {
            let body = wire::set_body(&mut r.headers, Some(("application/sdp", sdp.as_bytes())));
            r.set_body(body);
        }
        let hop = self.hop_for(call);
        let bytes = wire::bytes(&Message::Request(r));
        self.transmit(&hop, bytes.clone(), None);
        if let Some(c) = Self::confirmed(call) {
            c.ack = Some((seq, bytes, hop));
        }
    }

    // Responses.

    pub(super) fn on_response(&mut self, key: &TransactionKey, r: &Response) {
        let Some(ctx) = self.clients.get(key).cloned() else {
            return;
        };
        let request = self.tx.client_request(key).cloned();
        let Some(request) = request else { return };
        let status = r.status.code();
        match ctx.purpose {
            Purpose::Register(i) => self.on_register_response(i, &request, r, &ctx.hop),
            Purpose::Probe(i) => self.on_probe(i, Some(status)),
            Purpose::Ping(id) => self.on_ping(id, status >= 200),
            Purpose::Lamp(id) if matches!(status, 404 | 410 | 480..=489) => self.forget_subscription(&id),
            Purpose::Cancel | Purpose::Stray | Purpose::Notify => {}
            Purpose::Forsaken if status >= 300 => {}
            Purpose::Forsaken if status >= 200 => self.ack_and_bye(&request, r, &ctx.hop),
            Purpose::Forsaken => self.cancel_forsaken(key),
            Purpose::Invite(leg) => {
                let known = self.with_call(leg, |core, call| {
                    core.on_invite_response(call, key, &request, r, &ctx.hop);
                });
                if known.is_none() && r.status.is_success() {
                    self.ack_and_bye(&request, r, &ctx.hop);
                }
            }
            Purpose::Reinvite(leg) => {
                self.with_call(leg, |core, call| core.on_reinvite_response(call, &request, r));
            }
            Purpose::Update(leg) if status >= 200 => {
                self.with_call(leg, |core, call| core.on_update_response(call, &request, r));
            }
            Purpose::Bye(leg) if status >= 200 => {
                self.with_call(leg, |core, call| {
                    if matches!(status, 401 | 407)
                        && let Some(again) = core.with_credentials(call, &request, r)
                    {
                        let hop = core.hop_for(call);
                        core.send_request(again, hop, Purpose::Bye(leg));
                        return;
                    }
                    call.dead = true;
                });
            }
            Purpose::Prack(leg) | Purpose::Info(leg) if status >= 200 => {
                self.with_call(leg, |core, call| {
                    if matches!(status, 401 | 407)
                        && let Some(again) = core.with_credentials(call, &request, r)
                    {
                        let hop = core.hop_for(call);
                        core.send_request(again, hop, ctx.purpose);
                    } else if matches!(status, 408 | 481) && Self::is_confirmed(call) {
                        // RFC 3261 12.2.1.2: the dialog is no more.
                        core.send_bye(call, EndWhy::Rejected(status));
                    }
                });
            }
            _ => {}
        }
    }

    /// It is heard of after all. One CANCEL; what comes of it, or of nothing coming, ends it (RFC 3261 9.1).
    fn cancel_forsaken(&mut self, key: &TransactionKey) {
        let timer = TimerKey::Forsaken(key.clone());
        if !self.timers.is_set(&timer) && self.send_cancel(key, CancelReason::GivenUp) {
            let wait = self.t.timeout();
            self.set_timer(timer, wait);
        }
    }

    fn with_credentials(&mut self, call: &mut Call, request: &Request, r: &Response) -> Option<Request> {
        let (user, password): (String, Secret) = call.auth.clone()?;
        let seq = call.dialog.local_seq.saturating_add(1);
        let again = self.authorise(request, r, &user, password.expose(), seq)?;
        call.dialog.local_seq = seq;
        Some(again)
    }

    fn on_invite_response(
        &mut self,
        call: &mut Call,
        key: &TransactionKey,
        request: &Request,
        r: &Response,
        hop: &Hop,
    ) {
        if matches!(call.phase, Phase::Confirmed(_) | Phase::Ending) {
            if r.status.is_success() {
                self.on_2xx_again(call, request, r, hop);
            }
            return;
        }
        let Phase::Outgoing(o) = &mut call.phase else {
            return;
        };
        if o.key.as_ref() != Some(key) {
            return;
        }
        let status = r.status.code();
        match status {
            100..=199 => self.on_provisional(call, r),
            200..=299 => self.on_answered(call, request, r),
            401 | 407 if !o.cancel => match self.with_credentials(call, request, r) {
                Some(again) => self.launch(call, again),
                None => self.kill(call, EndWhy::Rejected(status)),
            },
            422 if !o.cancel && o.min_se.is_none() => {
                // RFC 4028 7.4: once more with what they accept at least.
                o.min_se = Some(Self::min_se(&r.headers).unwrap_or(Duration::from_secs(1_800)));
                self.send_invite(call);
            }
            503 if !o.provisional => self.try_next(call, EndWhy::Rejected(503)),
            487 if o.cancel => self.kill(call, EndWhy::Cancelled),
            s => self.kill(call, EndWhy::Rejected(s)),
        }
    }

    fn on_provisional(&mut self, call: &mut Call, r: &Response) {
        let status = r.status.code();
        let h = &r.headers;
        let Phase::Outgoing(o) = &mut call.phase else {
            return;
        };
        let first = !o.provisional;
        o.provisional = true;
        if first {
            self.clear_leg_timer(call.leg, LegTimer::Unheard);
        }
        if o.cancel {
            if first {
                self.do_cancel(call);
            }
            return;
        }
        if status == 100 {
            return;
        }
        let reliable = wire::has_token(h, &HeaderName::Require, rel::OPTION_TAG);
        if wire::to_tag(h).is_some() {
            call.dialog.learn(r);
        }
        if reliable {
            let Some(Ok(n)) = h.typed::<rel::RSeq>() else {
                return;
            };
            if o.sequence.accept(n.0) != rel::Received::Acknowledge {
                return;
            }
        }
        let sdp = wire::sdp_of(h, r.body()).ok().flatten();
        let fresh = !o.early_sdp && call.ours;
        if sdp.is_some() && fresh {
            o.early_sdp = true;
            if reliable {
                call.ours = false;
                call.remote_sdp.clone_from(&sdp);
            }
        }
        let leg = call.leg;
        if reliable {
            let branch = self.branch();
            let seq = wire::cseq(h).unwrap_or(0);
            let rseq = h.typed::<rel::RSeq>().and_then(Result::ok).map_or(0, |n| n.0);
            let mut prack = call.dialog.request(Method::Prack, &branch);
            wire::push(
                &mut prack.headers,
                HeaderName::RAck,
                format!("{rseq} {seq} INVITE"),
            );
            let hop = self.hop_for(call);
            self.send_request(prack, hop, Purpose::Prack(leg));
        }
        self.emit(SipEvent::Progress {
            leg,
            status,
            sdp: sdp.filter(|_| fresh),
        });
    }

    fn on_answered(&mut self, call: &mut Call, request: &Request, r: &Response) {
        let h = &r.headers;
        let leg = call.leg;
        let cancelled = matches!(&call.phase, Phase::Outgoing(o) if o.cancel) || call.told;
        let offered = matches!(&call.phase, Phase::Outgoing(o) if o.sdp.is_some());
        call.dialog.learn(r);
        call.peer_update = wire::has_token(h, &HeaderName::Allow, "UPDATE");
        call.peer_timer = wire::has_token(h, &HeaderName::Supported, session::OPTION_TAG);
        let seq = wire::cseq(&request.headers).unwrap_or(1);
        call.phase = Phase::Confirmed(Box::new(Confirmed {
            established: true,
            ..Confirmed::default()
        }));
        self.timers.clear_leg(leg);
        let sdp = wire::sdp_of(h, r.body()).ok().flatten();
        if cancelled {
            // The answer crossed our CANCEL (RFC 3261 9.1): there is a call, and it has to be hung up.
            self.send_ack(call, seq, None);
            self.send_bye(call, EndWhy::Cancelled);
            return;
        }
        let peer = call.peer_timer || wire::has_token(h, &HeaderName::Require, session::OPTION_TAG);
        self.adopt_response(call, h, peer);
        if offered {
            self.send_ack(call, seq, None);
            match sdp {
                Some(sdp) => {
                    call.ours = false;
                    call.remote_sdp = Some(sdp.clone());
                    self.emit(SipEvent::Answer { leg, sdp });
                }
                None if call.ours => {
                    self.send_bye(call, EndWhy::Rejected(488));
                    return;
                }
                None => {}
            }
            self.emit(SipEvent::Established { leg });
            return;
        }
        let Some(sdp) = sdp else {
            self.send_ack(call, seq, None);
            self.send_bye(call, EndWhy::Rejected(488));
            return;
        };
        if let Some(c) = Self::confirmed(call) {
            c.ack_due = Some(seq);
        }
        let token = self.next_token();
        call.theirs = Some(PendingOffer {
            token,
            key: None,
            request: None,
            by: OfferBy::Invite,
            described: true,
            timer: None,
        });
        call.remote_sdp = Some(sdp.clone());
        self.emit(SipEvent::Established { leg });
        self.emit(SipEvent::Offer {
            leg,
            token,
            sdp: Some(sdp),
            via_update: false,
        });
    }

    /// A 2xx that comes again, or the 2xx of another branch of a fork.
    fn on_2xx_again(&mut self, call: &mut Call, request: &Request, r: &Response, hop: &Hop) {
        if wire::to_tag(&r.headers) != call.dialog.remote_tag {
            self.ack_and_bye(request, r, hop);
            return;
        }
        let again = Self::confirmed(call).and_then(|c| c.ack.clone());
        match again {
            Some((seq, bytes, hop)) if Some(seq) == wire::cseq(&r.headers) => {
                self.transmit(&hop, bytes, None);
            }
            _ if matches!(call.phase, Phase::Ending) => self.ack_only(request, r, hop),
            _ => {}
        }
    }

    fn stray_dialog(&mut self, request: &Request, r: &Response, hop: &Hop) -> Option<Dialog> {
        let mut d = Dialog::stray(request, hop.clone())?;
        d.learn(r);
        Some(d)
    }

    fn ack_only(&mut self, request: &Request, r: &Response, hop: &Hop) {
        let Some(d) = self.stray_dialog(request, r, hop) else {
            return;
        };
        let (branch, seq) = (self.branch(), wire::cseq(&r.headers).unwrap_or(1));
        let ack = d.numbered(Method::Ack, &branch, seq);
        let to = super::inbound::dialog_hop(&d);
        self.transmit(&to, wire::bytes(&Message::Request(ack)), None);
    }

    /// A call nobody wants: acknowledged, then hung up (RFC 3261 13.2.2.4).
    fn ack_and_bye(&mut self, request: &Request, r: &Response, hop: &Hop) {
        self.ack_only(request, r, hop);
        let Some(mut d) = self.stray_dialog(request, r, hop) else {
            return;
        };
        d.local_seq = d.local_seq.saturating_add(100);
        let branch = self.branch();
        let bye = d.request(Method::Bye, &branch);
        let to = super::inbound::dialog_hop(&d);
        self.send_request(bye, to, Purpose::Stray);
    }

    fn on_reinvite_response(&mut self, call: &mut Call, request: &Request, r: &Response) {
        let status = r.status.code();
        let leg = call.leg;
        if status < 200 {
            return;
        }
        let seq = wire::cseq(&request.headers).unwrap_or(1);
        if r.status.is_success() {
            let fresh = matches!(&call.phase, Phase::Confirmed(c) if c.reinvite.is_some());
            if !fresh {
                // The same 200 again, or one after our BYE.
                match Self::confirmed(call).and_then(|c| c.ack.clone()) {
                    Some((s, bytes, hop)) if s == seq => self.transmit(&hop, bytes, None),
                    _ => {
                        let hop = self.hop_for(call);
                        self.ack_only(request, r, &hop);
                    }
                }
                return;
            }
            call.dialog.refresh_target(&r.headers);
            self.send_ack(call, seq, None);
            let sent = Self::confirmed(call).and_then(|c| c.reinvite.take());
            call.ours = false;
            call.glare = None;
            self.adopt_response(call, &r.headers, call.peer_timer);
            if let Some(s) = sent {
                if s.sdp.is_some() {
                    call.local_sdp = s.sdp;
                }
                let sdp = wire::sdp_of(&r.headers, r.body()).ok().flatten();
                let same = s.refresh && sdp == call.remote_sdp;
                if let Some(sdp) = sdp.filter(|_| !same) {
                    call.remote_sdp = Some(sdp.clone());
                    self.emit(SipEvent::Answer { leg, sdp });
                }
            }
            return;
        }
        let Some(sent) = Self::confirmed(call).and_then(|c| c.reinvite.take()) else {
            return;
        };
        call.ours = false;
        match status {
            401 | 407 => {
                if let Some(again) = self.with_credentials(call, request, r) {
                    call.ours = sent.sdp.is_some();
                    if let Some(c) = Self::confirmed(call) {
                        c.reinvite = Some(sent);
                    }
                    let hop = self.hop_for(call);
                    self.send_request(again, hop, Purpose::Reinvite(leg));
                    return;
                }
                self.reinvite_failed(call, sent.refresh, status);
            }
            408 | 481 => {
                let why = if sent.refresh {
                    EndWhy::SessionExpired
                } else {
                    EndWhy::Rejected(status)
                };
                self.send_bye(call, why);
            }
            422 => {
                if let (Some(min), Some(s)) = (Self::min_se(&r.headers), &mut call.session) {
                    s.interval = s.interval.max(min);
                }
                self.reinvite_again(call, sent.sdp, 0, sent.refresh, status);
            }
            491 => {
                // RFC 3261 14.1: the owner of the Call-ID waits 2.1 to 4 s, the other up to 2 s.
                let owner = self.cfg_owns(call);
                let wait = if owner {
                    self.random_ms(2_100, 4_000)
                } else {
                    self.random_ms(0, 2_000)
                };
                self.reinvite_again(call, sent.sdp, wait, sent.refresh, status);
            }
            _ => self.reinvite_failed(call, sent.refresh, status),
        }
    }

    fn reinvite_again(
        &mut self,
        call: &mut Call,
        sdp: Option<String>,
        wait_ms: u64,
        refresh: bool,
        status: u16,
    ) {
        let tries = call.glare.take().map_or(0, |g| g.1) + 1;
        if tries > TRIES_MAX {
            return self.reinvite_failed(call, refresh, status);
        }
        call.glare = Some((sdp, tries));
        self.leg_timer(call.leg, LegTimer::Glare, Duration::from_millis(wait_ms));
    }

    fn reinvite_failed(&mut self, call: &mut Call, refresh: bool, status: u16) {
        call.glare = None;
        if refresh {
            // Refused, but alive: the far end spoke. Try again at the next interval (RFC 4028 7.3).
            self.arm_session(call);
        } else {
            self.emit(SipEvent::OfferRejected {
                leg: call.leg,
                status,
            });
        }
    }

    /// Whether we made the Call-ID: then we dialled.
    fn cfg_owns(&self, call: &Call) -> bool {
        call.dialog.is_ours
    }

    fn on_update_response(&mut self, call: &mut Call, request: &Request, r: &Response) {
        let status = r.status.code();
        if let Some(c) = Self::confirmed(call) {
            c.updating = false;
        } else {
            return;
        }
        match status {
            200..=299 => {
                call.dialog.refresh_target(&r.headers);
                self.adopt_response(call, &r.headers, true);
            }
            401 | 407 => match self.with_credentials(call, request, r) {
                Some(again) => {
                    if let Some(c) = Self::confirmed(call) {
                        c.updating = true;
                    }
                    let hop = self.hop_for(call);
                    self.send_request(again, hop, Purpose::Update(call.leg));
                }
                None => self.arm_session(call),
            },
            408 | 481 => self.send_bye(call, EndWhy::SessionExpired),
            422 => {
                if let (Some(min), Some(s)) = (Self::min_se(&r.headers), &mut call.session) {
                    s.interval = s.interval.max(min);
                }
                self.leg_timer(call.leg, LegTimer::Session, Duration::from_secs(1));
            }
            405 | 501 => {
                // It does not know UPDATE after all.
                call.peer_update = false;
                self.leg_timer(call.leg, LegTimer::Session, Duration::from_millis(100));
            }
            491 => {
                let ms = self.random_ms(500, 4_000);
                self.leg_timer(call.leg, LegTimer::Session, Duration::from_millis(ms));
            }
            _ => self.arm_session(call),
        }
    }

    /// A request of ours got no answer, or could not be sent.
    pub(super) fn on_silence(&mut self, key: &TransactionKey) {
        let Some(ctx) = self.clients.get(key).cloned() else {
            return;
        };
        match ctx.purpose {
            Purpose::Register(i) => self.on_register_silence(i),
            Purpose::Probe(i) => self.on_probe(i, None),
            Purpose::Ping(id) => self.on_ping_silence(id),
            Purpose::Lamp(id) => self.forget_subscription(&id),
            Purpose::Cancel | Purpose::Stray | Purpose::Notify | Purpose::Forsaken => {}
            Purpose::Invite(leg) => {
                self.with_call(leg, |core, call| match &call.phase {
                    Phase::Outgoing(o) if o.key.as_ref() == Some(key) && !o.provisional => {
                        if o.stream_tried {
                            core.stream_failed(&ctx.hop);
                        }
                        core.try_next(call, EndWhy::TransportLost);
                    }
                    Phase::Outgoing(o) if o.key.as_ref() == Some(key) => {
                        core.kill(call, EndWhy::TransportLost);
                    }
                    _ => {}
                });
            }
            Purpose::Bye(leg) => {
                self.with_call(leg, |_, call| call.dead = true);
            }
            Purpose::Reinvite(leg) | Purpose::Update(leg) => {
                self.with_call(leg, |core, call| {
                    if Self::is_confirmed(call) {
                        let refresh = match &call.phase {
                            Phase::Confirmed(c) => {
                                c.updating || c.reinvite.as_ref().is_some_and(|s| s.refresh)
                            }
                            _ => false,
                        };
                        let why = if refresh {
                            EndWhy::SessionExpired
                        } else {
                            EndWhy::TransportLost
                        };
                        core.send_bye(call, why);
                    }
                });
            }
            Purpose::Prack(leg) | Purpose::Info(leg) => {
                self.with_call(leg, |core, call| {
                    if Self::is_confirmed(call) {
                        core.send_bye(call, EndWhy::TransportLost);
                    }
                });
            }
        }
    }
}
