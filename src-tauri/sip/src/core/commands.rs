//! What the application asks for.

use super::{Core, LegTimer, Purpose};
use crate::dialog::{Call, Confirmed, OfferBy, Phase, ReliableSent, Unacked};
use crate::error::SipCommandError as E;
use crate::event::{CancelReason, EndWhy, OfferToken};
use crate::wire;
use anteroom_types::{CallId, LegId};
use sipx_sip::{HeaderName, Method, Request};

impl Core {
    pub(super) fn on_call(
        &mut self,
        leg: LegId,
        f: impl FnOnce(&mut Self, &mut Call) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.calls.get(&leg) {
            Some(c) if !c.told => self.with_call(leg, f).unwrap_or(Err(E::UnknownLeg)),
            _ => Err(E::UnknownLeg),
        }
    }

    /// The call an incoming leg of a user of ours belongs to, told in every response from now on. Nobody else is told.
    pub(crate) fn belongs_to(&mut self, leg: LegId, id: CallId) -> Result<(), E> {
        self.on_call(leg, |_, call| {
            let ours = call.device.is_some();
            let Phase::Incoming(i) = &mut call.phase else {
                return Err(E::WrongState("belongs_to"));
            };
            i.belongs = Some(id).filter(|_| ours);
            Ok(())
        })
    }

    pub(crate) fn answer(&mut self, leg: LegId, sdp: String) -> Result<(), E> {
        self.on_call(leg, |core, call| {
            let Phase::Incoming(i) = &mut call.phase else {
                return Err(E::WrongState("answer"));
            };
            if i.answer.is_some() {
                return Err(E::WrongState("answer"));
            }
            let asked = call.theirs.as_ref().is_some_and(|t| t.by == OfferBy::Prack);
            if i.sent.is_some() || asked {
                // RFC 3262 3: no 2xx before the PRACK of a description; and after it for any other, so that the PRACK
                // never meets a call that has moved on.
                i.answer = Some(sdp);
            } else {
                core.send_answer(call, sdp);
            }
            Ok(())
        })
    }

    pub(super) fn send_answer(&mut self, call: &mut Call, sdp: String) {
        let Phase::Incoming(i) = &mut call.phase else {
            return;
        };
        let (key, timer, settled, offered) = (i.key.clone(), i.timer, i.settled, i.offered);
        let (seq, belongs) = (wire::cseq(&i.invite.headers).unwrap_or(0), i.belongs);
        self.clear_leg_timer(call.leg, LegTimer::ResendReliable);
        self.clear_leg_timer(call.leg, LegTimer::Setup);
        let Some(mut ok) = self.build(&key, 200) else {
            return self.kill(call, EndWhy::TransportLost);
        };
        if let Some(id) = belongs {
            wire::push(&mut ok.headers, wire::call_header(), id.to_string());
        }
        Self::describe(&mut ok.headers, call, timer.as_ref());
        if !settled {
            let body = wire::set_body(&mut ok.headers, Some(("application/sdp", sdp.as_bytes())));
            ok.set_body(body);
            call.ours = !offered;
            call.local_sdp = Some(sdp);
        }
        call.phase = Phase::Confirmed(Box::default());
        self.send_2xx(call, key, seq, ok, true);
        self.adopt_terms(call, timer);
    }

    fn send_2xx(
        &mut self,
        call: &mut Call,
        key: sipx_sip::TransactionKey,
        seq: u32,
        response: sipx_sip::Response,
        first: bool,
    ) {
        let Phase::Confirmed(c) = &mut call.phase else {
            return;
        };
        c.unacked = Some(Unacked {
            key: key.clone(),
            seq,
            response: response.clone(),
            interval: self.t.t1,
            since: self.now,
            first,
        });
        self.respond(&key, response);
        let t1 = self.t.t1;
        self.leg_timer(call.leg, LegTimer::Resend, t1);
    }

    pub(crate) fn progress(&mut self, leg: LegId, status: u16, sdp: Option<String>) -> Result<(), E> {
        if !(101..=199).contains(&status) {
            return Err(E::OutOfRange("the provisional status"));
        }
        self.on_call(leg, |core, call| core.send_progress(call, status, sdp))
    }

    pub(super) fn send_progress(
        &mut self,
        call: &mut Call,
        status: u16,
        sdp: Option<String>,
    ) -> Result<(), E> {
        let leg = call.leg;
        let ours = call.ours;
        let Phase::Incoming(i) = &mut call.phase else {
            return Err(E::WrongState("progress"));
        };
        let key = i.key.clone();
        // Reliable when it must be, and whenever it carries a description and can be.
        let reliable = i.reliable_required || (i.reliable && sdp.is_some());
        // Without reliability only an answer may go early, never an offer (RFC 3262 5); a second one is not repeated.
        let sdp = sdp.filter(|_| !i.settled && !ours && (i.offered || reliable));
        let mut rseq = None;
        if reliable {
            if i.queued.len() >= 8 {
                return Err(E::WrongState("progress"));
            }
            rseq = i.numbering.allocate();
            if rseq.is_none() {
                i.queued.push_back((status, sdp));
                return Ok(());
            }
        }
        let (offered, belongs) = (i.offered, i.belongs);
        let Some(mut r) = self.build(&key, status) else {
            return Err(E::WrongState("progress"));
        };
        if let Some(id) = belongs {
            wire::push(&mut r.headers, wire::call_header(), id.to_string());
        }
        wire::push(&mut r.headers, HeaderName::Contact, call.dialog.contact.clone());
        wire::push(&mut r.headers, HeaderName::Allow, wire::ALLOW);
        if let Some(sdp) = &sdp {
            let body = wire::set_body(&mut r.headers, Some(("application/sdp", sdp.as_bytes())));
            r.set_body(body);
            call.local_sdp = Some(sdp.clone());
            call.ours = !offered;
        }
        if let Some(n) = rseq {
            wire::push(&mut r.headers, HeaderName::Require, sipx_sip::rel::OPTION_TAG);
            wire::push(&mut r.headers, HeaderName::RSeq, n.to_string());
            let (now, t1) = (self.now, self.t.t1);
            if let Phase::Incoming(i) = &mut call.phase {
                i.sent = Some(ReliableSent {
                    response: r.clone(),
                    described: sdp.is_some(),
                    interval: t1,
                    since: now,
                });
            }
            self.leg_timer(leg, LegTimer::ResendReliable, t1);
        }
        self.respond(&key, r);
        Ok(())
    }

    pub(crate) fn reject(&mut self, leg: LegId, status: u16, retry_after: Option<u32>) -> Result<(), E> {
        if !(300..=699).contains(&status) {
            return Err(E::OutOfRange("the final status"));
        }
        self.on_call(leg, |core, call| {
            let Phase::Incoming(i) = &call.phase else {
                return Err(E::WrongState("reject"));
            };
            let key = i.key.clone();
            let headers: Vec<_> = retry_after
                .map(|s| (HeaderName::RetryAfter, s.to_string()))
                .into_iter()
                .collect();
            core.reply(&key, status, &headers);
            core.kill(call, EndWhy::Rejected(status));
            Ok(())
        })
    }

    pub(crate) fn reply_offer(&mut self, leg: LegId, token: OfferToken, sdp: String) -> Result<(), E> {
        self.on_call(leg, |core, call| {
            let Some(t) = call.theirs.take_if(|t| t.token == token) else {
                return Err(E::UnknownOffer);
            };
            call.local_sdp = Some(sdp.clone());
            let (Some(key), Some(request)) = (t.key, t.request) else {
                core.ack_with(call, Some(sdp));
                return Ok(());
            };
            let Some(mut ok) = core.build(&key, 200) else {
                return Err(E::UnknownOffer);
            };
            Self::describe(&mut ok.headers, call, t.timer.as_ref());
            let body = wire::set_body(&mut ok.headers, Some(("application/sdp", sdp.as_bytes())));
            ok.set_body(body);
            if t.by != OfferBy::Invite {
                core.respond(&key, ok);
            } else {
                call.ours = !t.described;
                let seq = wire::cseq(&request.headers).unwrap_or(0);
                core.send_2xx(call, key, seq, ok, false);
            }
            if t.described {
                let offer = wire::sdp_of(&request.headers, request.body()).ok().flatten();
                call.remote_sdp = offer.or(call.remote_sdp.take());
            }
            if t.by == OfferBy::Prack {
                core.after_prack(call);
            } else {
                core.adopt_terms(call, t.timer);
            }
            Ok(())
        })
    }

    pub(crate) fn reject_offer(&mut self, leg: LegId, token: OfferToken, status: u16) -> Result<(), E> {
        if !(400..=699).contains(&status) {
            return Err(E::OutOfRange("the final status"));
        }
        self.on_call(leg, |core, call| {
            let Some(t) = call.theirs.take_if(|t| t.token == token) else {
                return Err(E::UnknownOffer);
            };
            match t.key {
                Some(key) => {
                    core.reply(&key, status, &[]);
                    if t.by == OfferBy::Prack {
                        core.after_prack(call);
                    }
                }
                None => {
                    core.ack_with(call, None);
                    core.send_bye(call, EndWhy::Rejected(status));
                }
            }
            Ok(())
        })
    }

    pub(crate) fn bye(&mut self, leg: LegId) -> Result<(), E> {
        self.on_call(leg, |core, call| {
            match &mut call.phase {
                Phase::Incoming(i) => {
                    let key = i.key.clone();
                    core.reply(&key, 480, &[]);
                    core.kill(call, EndWhy::LocalBye);
                }
                Phase::Outgoing(_) => core.do_cancel(call),
                Phase::Confirmed(c) if c.unacked.as_ref().is_some_and(|u| u.first) => {
                    // RFC 3261 15: the called side waits for the ACK before it hangs up.
                    c.bye = true;
                    core.end(call, EndWhy::LocalBye);
                }
                Phase::Confirmed(_) => core.send_bye(call, EndWhy::LocalBye),
                Phase::Ending => {}
            }
            Ok(())
        })
    }

    pub(super) fn send_bye(&mut self, call: &mut Call, why: EndWhy) {
        if let Some(k) = call.theirs.take().and_then(|t| t.key) {
            self.reply(&k, 487, &[]);
        }
        let due = matches!(&call.phase, Phase::Confirmed(c) if c.ack_due.is_some());
        if due {
            self.ack_with(call, None);
        }
        self.timers.clear_leg(call.leg);
        let branch = self.branch();
        let r = call.dialog.request(Method::Bye, &branch);
        call.phase = Phase::Ending;
        let hop = self.hop_for(call);
        self.end(call, why);
        if self.send_request(r, hop, Purpose::Bye(call.leg)).is_none() {
            call.dead = true;
        }
    }

    pub(crate) fn cancel(&mut self, leg: LegId, reason: CancelReason) -> Result<(), E> {
        self.on_call(leg, |core, call| {
            let Phase::Outgoing(o) = &mut call.phase else {
                return Err(E::WrongState("cancel"));
            };
            o.cancel_reason = reason;
            core.do_cancel(call);
            Ok(())
        })
    }

    pub(crate) fn reinvite(&mut self, leg: LegId, sdp: String) -> Result<(), E> {
        self.on_call(leg, |core, call| {
            let Phase::Confirmed(c) = &call.phase else {
                return Err(E::WrongState("re-INVITE"));
            };
            if call.ours
                || call.theirs.is_some()
                || c.reinvite.is_some()
                || c.updating
                || c.unacked.is_some()
                || call.glare.is_some()
            {
                return Err(E::OfferPending);
            }
            core.send_reinvite(call, Some(sdp), false);
            Ok(())
        })
    }

    pub(crate) fn send_dtmf(&mut self, leg: LegId, digit: char, duration_ms: u32) -> Result<(), E> {
        let digit = digit.to_ascii_uppercase();
        if !matches!(digit, '0'..='9' | '*' | '#' | 'A'..='D') {
            return Err(E::OutOfRange("the key"));
        }
        self.on_call(leg, |core, call| {
            if !Self::is_confirmed(call) {
                return Err(E::WrongState("INFO"));
            }
            let branch = core.branch();
            let mut r: Request = call.dialog.request(Method::Info, &branch);
            let text = format!("Signal={digit}\r\nDuration={}\r\n", duration_ms.clamp(40, 10_000));
            let body = wire::set_body(&mut r.headers, Some(("application/dtmf-relay", text.as_bytes())));
            r.set_body(body);
            let hop = core.hop_for(call);
            core.send_request(r, hop, Purpose::Info(leg));
            Ok(())
        })
    }

    /// Hangs up every call. For the end of the process.
    pub(crate) fn hang_up_all(&mut self) {
        let legs: Vec<LegId> = self.calls.keys().copied().collect();
        for leg in legs {
            let _ = self.bye(leg);
        }
    }

    /// A default for a phase that is being entered.
    pub(super) fn confirmed(call: &mut Call) -> Option<&mut Confirmed> {
        match &mut call.phase {
            Phase::Confirmed(c) => Some(c),
            _ => None,
        }
    }
}
