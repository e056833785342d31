//! Requests within a dialog.

use super::{Core, LegTimer};
use crate::dialog::{Call, OfferBy, PendingOffer, Phase};
use crate::event::{EndWhy, SipEvent};
use crate::wire;
use bytes::Bytes;
use sipx_sip::headers::ContentType;
use sipx_sip::{HeaderName, Method, Request, TransactionKey, rel};

impl Core {
    pub(super) fn in_dialog(&mut self, key: &TransactionKey, r: &Request, tag: Bytes) {
        let id = wire::value(&r.headers, &HeaderName::CallId).unwrap_or_default();
        let from = wire::from_tag(&r.headers);
        let id = (id, tag);
        if r.method == Method::Subscribe {
            if !self.on_resubscribe(key, r, &id) {
                self.reply(key, 481, &[]);
            }
            return;
        }
        let leg = self.dialogs.get(&id).copied();
        let leg = leg.filter(|l| self.calls.get(l).is_some_and(|c| c.dialog.is_from(from.as_ref())));
        let Some(leg) = leg else {
            return self.reply(key, 481, &[]);
        };
        let seq = wire::cseq(&r.headers).unwrap_or(0);
        self.with_call(leg, |core, call| {
            // RFC 3261 12.2.2: an older request than the last is out of order.
            match call.dialog.remote_seq {
                Some(last) if seq < last => return core.reply(key, 500, &[]),
                // The same number by another way: the request met itself.
                Some(last) if seq == last => return core.reply(key, 482, &[]),
                _ => call.dialog.remote_seq = Some(seq),
            }
            // The address a request comes from now is where its answers, and our requests, find the peer.
            if let Some(ctx) = core.servers.get(key)
                && ctx.hop.conn.is_some()
            {
                call.dialog.hop = ctx.hop.clone();
            }
            match r.method {
                Method::Bye => core.on_bye(call, key),
                Method::Options => core.on_options(key),
                Method::Info => core.on_info(call, key, r),
                Method::Prack => core.on_prack(call, key, r),
                Method::Update => core.on_update(call, key, r),
                Method::Invite => core.on_reinvite(call, key, r),
                Method::Refer => core.on_refer(call, key, r),
                _ => core.reply(key, 405, &[(HeaderName::Allow, core.allow().to_owned())]),
            }
        });
    }

    fn on_bye(&mut self, call: &mut Call, key: &TransactionKey) {
        self.reply(key, 200, &[]);
        // Requests of the dialog that wait for an answer get one (RFC 3261 15.1.2).
        if let Phase::Incoming(i) = &call.phase {
            let k = i.key.clone();
            self.reply(&k, 487, &[]);
        }
        if let Some(k) = call.theirs.take().and_then(|t| t.key) {
            self.reply(&k, 487, &[]);
        }
        self.kill(call, EndWhy::Bye);
    }

    fn on_info(&mut self, call: &mut Call, key: &TransactionKey, r: &Request) {
        if r.body().is_empty() {
            return self.reply(key, 200, &[]);
        }
        let digit = match r.headers.typed::<ContentType>() {
            Some(Ok(k)) if k.is("application", "dtmf-relay") => dtmf_relay(r.body()),
            Some(Ok(k)) if k.is("application", "dtmf") => dtmf_plain(r.body()),
            _ => {
                let accept = "application/dtmf-relay, application/dtmf".to_owned();
                return self.reply(key, 415, &[(HeaderName::Accept, accept)]);
            }
        };
        match digit {
            Some((digit, duration_ms)) => {
                self.reply(key, 200, &[]);
                if !call.told {
                    self.emit(SipEvent::Dtmf {
                        leg: call.leg,
                        digit,
                        duration_ms,
                    });
                }
            }
            None => self.reply(key, 400, &[]),
        }
    }

    fn on_prack(&mut self, call: &mut Call, key: &TransactionKey, r: &Request) {
        let ack = r.headers.typed::<rel::RAck>().and_then(Result::ok);
        let Phase::Incoming(i) = &mut call.phase else {
            return self.reply(key, 481, &[]);
        };
        let seq = wire::cseq(&i.invite.headers).unwrap_or(0);
        let matched = ack.is_some_and(|a| i.numbering.acknowledge(&a, seq, b"INVITE"));
        if !matched {
            return self.reply(key, 481, &[]);
        }
        let sent = i.sent.take();
        let described = sent.is_some_and(|s| s.described);
        self.clear_leg_timer(call.leg, LegTimer::ResendReliable);
        match wire::sdp_of(&r.headers, r.body()) {
            Ok(None) => {}
            Ok(Some(sdp)) if call.ours => {
                call.ours = false;
                call.remote_sdp = Some(sdp.clone());
                self.emit(SipEvent::Answer { leg: call.leg, sdp });
            }
            Ok(Some(sdp)) => {
                // What was described is agreed, and here is a new offer (RFC 3262 5).
                let settled = match &mut call.phase {
                    Phase::Incoming(i) => {
                        i.settled |= described;
                        i.settled
                    }
                    _ => false,
                };
                if settled && call.theirs.is_none() {
                    return self.raise_offer(call, key, r, Some(sdp), None, OfferBy::Prack);
                }
                // Their first offer is not answered yet.
                self.reply(key, 488, &[]);
                return self.after_prack(call);
            }
            Err(status) => {
                self.reply(key, status, &[]);
                return self.after_prack(call);
            }
        }
        if described && let Phase::Incoming(i) = &mut call.phase {
            i.settled = !call.ours;
        }
        self.reply(key, 200, &[]);
        self.after_prack(call);
    }

    /// Goes on with what waited for the PRACK: the next provisional, or the answer.
    pub(super) fn after_prack(&mut self, call: &mut Call) {
        let Phase::Incoming(i) = &mut call.phase else {
            return;
        };
        if let Some((status, sdp)) = i.queued.pop_front() {
            let _ = self.send_progress(call, status, sdp);
            return;
        }
        let answer = match &mut call.phase {
            Phase::Incoming(i) => i.answer.take(),
            _ => None,
        };
        if let Some(sdp) = answer {
            self.send_answer(call, sdp);
        }
    }

    /// The offer of a request, or the status it is to be refused with (RFC 3264 4, RFC 3311 5.2).
    fn offer_in(&mut self, call: &Call, r: &Request) -> Result<Option<String>, u16> {
        let sdp = wire::sdp_of(&r.headers, r.body())?;
        if call.theirs.is_some() {
            return Err(500);
        }
        if call.ours && (sdp.is_some() || r.method == Method::Invite) {
            return Err(491);
        }
        Ok(sdp)
    }

    fn refuse_offer(&mut self, key: &TransactionKey, status: u16) {
        match status {
            500 => {
                let s = self.random_ms(0, 10);
                self.reply(key, 500, &[(HeaderName::RetryAfter, s.to_string())]);
            }
            415 => self.reply(key, 415, &[(HeaderName::Accept, wire::ACCEPT.to_owned())]),
            s => self.reply(key, s, &[]),
        }
    }

    fn on_update(&mut self, call: &mut Call, key: &TransactionKey, r: &Request) {
        if call.told {
            return self.reply(key, 481, &[]);
        }
        let unsettled = matches!(&call.phase, Phase::Incoming(i) if !i.settled);
        let sdp = match self.offer_in(call, r) {
            Ok(sdp) => sdp,
            Err(status) => return self.refuse_offer(key, status),
        };
        if sdp.is_some() && unsettled {
            // Their first offer is not answered yet (RFC 3311 5.2).
            return self.refuse_offer(key, 500);
        }
        let timer = match self.session_terms(&r.headers) {
            Ok(t) => t,
            Err(min) => return self.reply(key, 422, &[(HeaderName::MinSe, min.to_string())]),
        };
        call.dialog.refresh_target(&r.headers);
        if sdp.is_none() {
            if let Some(mut ok) = self.build(key, 200) {
                Self::describe(&mut ok.headers, call, timer.as_ref());
                self.respond(key, ok);
            }
            self.adopt_terms(call, timer);
            return;
        }
        self.raise_offer(call, key, r, sdp, timer, OfferBy::Update);
    }

    fn on_reinvite(&mut self, call: &mut Call, key: &TransactionKey, r: &Request) {
        let busy = match &call.phase {
            Phase::Confirmed(c) => {
                if c.reinvite.is_some() || c.updating {
                    Some(491)
                } else if c.unacked.is_some() || c.ack_due.is_some() {
                    Some(500)
                } else {
                    None
                }
            }
            Phase::Ending => Some(481),
            // A second INVITE before the first is answered (RFC 3261 14.2).
            _ => Some(500),
        };
        if let Some(status) = busy {
            return self.refuse_offer(key, status);
        }
        let sdp = match self.offer_in(call, r) {
            Ok(sdp) => sdp,
            Err(status) => return self.refuse_offer(key, status),
        };
        let timer = match self.session_terms(&r.headers) {
            Ok(t) => t,
            Err(min) => return self.reply(key, 422, &[(HeaderName::MinSe, min.to_string())]),
        };
        call.dialog.refresh_target(&r.headers);
        self.reply(key, 100, &[]);
        self.raise_offer(call, key, r, sdp, timer, OfferBy::Invite);
    }

    fn raise_offer(
        &mut self,
        call: &mut Call,
        key: &TransactionKey,
        r: &Request,
        sdp: Option<String>,
        timer: Option<sipx_sip::session::Accepted>,
        by: OfferBy,
    ) {
        let token = self.next_token();
        call.theirs = Some(PendingOffer {
            token,
            key: Some(key.clone()),
            request: Some(r.clone()),
            by,
            described: sdp.is_some(),
            timer,
        });
        self.emit(SipEvent::Offer {
            leg: call.leg,
            token,
            sdp,
            via_update: by != OfferBy::Invite,
        });
    }

    /// The ACK of a 2xx of ours.
    pub(super) fn on_ack(&mut self, r: &Request) {
        let h = &r.headers;
        let (Some(tag), Some(id), Some(seq)) = (
            wire::to_tag(h),
            wire::value(h, &HeaderName::CallId),
            wire::cseq(h),
        ) else {
            self.counters.dropped += 1;
            return;
        };
        let Some(leg) = self.dialogs.get(&(id, tag)).copied() else {
            return;
        };
        let from = wire::from_tag(h);
        self.with_call(leg, |core, call| {
            if !call.dialog.is_from(from.as_ref()) {
                return;
            }
            let Phase::Confirmed(c) = &mut call.phase else {
                return;
            };
            let Some(unacked) = c.unacked.take_if(|u| u.seq == seq) else {
                return;
            };
            c.established = true;
            let bye = c.bye;
            core.clear_leg_timer(leg, LegTimer::Resend);
            if bye {
                core.send_bye(call, EndWhy::LocalBye);
                return;
            }
            if call.ours {
                call.ours = false;
                match wire::sdp_of(&r.headers, r.body()) {
                    Ok(Some(sdp)) => {
                        call.remote_sdp = Some(sdp.clone());
                        core.emit(SipEvent::Answer { leg, sdp });
                    }
                    // No answer to our offer: there is no session to speak in.
                    _ => {
                        core.send_bye(call, EndWhy::Rejected(488));
                        return;
                    }
                }
            }
            if unacked.first {
                core.emit(SipEvent::Acked { leg });
                core.emit(SipEvent::Established { leg });
            }
        });
    }
}

fn key_char(c: char) -> Option<char> {
    let c = c.to_ascii_uppercase();
    matches!(c, '0'..='9' | '*' | '#' | 'A'..='D').then_some(c)
}

/// A key as a character, or as an event number: 10 is `*`, 11 is `#`, 12 to 15 are A to D (RFC 4733 3.2).
fn key_of(v: &str) -> Option<char> {
    let v = v.trim();
    let mut chars = v.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) => key_char(c),
        _ => match v.parse::<u8>().ok()? {
            10 => Some('*'),
            11 => Some('#'),
            n @ 12..=15 => Some(char::from(b'A' + n - 12)),
            _ => None,
        },
    }
}

/// `Signal=5` and `Duration=160`, a line each.
fn dtmf_relay(body: &[u8]) -> Option<(char, u32)> {
    let text = std::str::from_utf8(body.get(..body.len().min(256))?).ok()?;
    let (mut digit, mut ms) = (None, 160);
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("signal") {
            digit = key_of(value);
        } else if name.trim().eq_ignore_ascii_case("duration") {
            ms = value.trim().parse::<u32>().unwrap_or(160).min(10_000);
        }
    }
    digit.map(|d| (d, ms))
}

fn dtmf_plain(body: &[u8]) -> Option<(char, u32)> {
    let text = std::str::from_utf8(body.get(..body.len().min(256))?).ok()?;
    if text.contains('=') {
        return dtmf_relay(body);
    }
    key_of(text).map(|d| (d, 160))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_from_both_bodies() {
        assert_eq!(dtmf_relay(b"Signal= 5\r\nDuration= 250\r\n"), Some(('5', 250)));
        assert_eq!(dtmf_relay(b"Signal=11\nDuration=x\n"), Some(('#', 160)));
        assert_eq!(dtmf_relay(b"signal=d"), Some(('D', 160)));
        assert_eq!(dtmf_plain(b"*\r\n"), Some(('*', 160)));
        assert_eq!(dtmf_plain(b"Signal=7"), Some(('7', 160)));
        for bad in [&b"Signal=x"[..], b"", b"Signal=99", b"\xff\xfe"] {
            assert_eq!(dtmf_relay(bad), None);
        }
    }
}
