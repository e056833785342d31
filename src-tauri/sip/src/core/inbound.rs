//! Requests that come from outside a dialog, and the checks of RFC 3261 8.2 in its order.

use super::{Core, LegTimer, MergeKey, ServerCtx};
use crate::dialog::{self, Call, Device, Dialog, Incoming, Phase};
use crate::event::{EndWhy, SipEvent};
use crate::wire::{self, Hop};
use anteroom_types::Pii;
use sipx_sip::headers::MaxForwards;
use sipx_sip::session::{self, Accepted, MinSe, Refresher, SessionExpires};
use sipx_sip::transaction::Dispatch;
use sipx_sip::{HeaderName, Headers, Host, Message, Method, Request, TransactionKey, Uri, rel};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a leg may stay without final answer (RFC 3261 13.3.1.1 has proxies cancel after three minutes).
const SETUP: Duration = Duration::from_secs(180);

/// Where a request of a dialog is sent.
///
/// The far end's Contact (or first route) when it is an address that can be right; the address its messages come
/// from when the Contact is a name, or a private address seen from outside, as behind a NAT.
pub(crate) fn dialog_hop(d: &Dialog) -> Hop {
    let mut hop = d.hop.clone();
    if d.pinned {
        return hop;
    }
    let Some(uri) = d.next_hop() else { return hop };
    let Some(Host::Ip(ip)) = uri.host() else {
        return hop;
    };
    let behind_nat = is_private(*ip) && *ip != hop.remote.ip() && !is_private(hop.remote.ip());
    if ip.is_unspecified() || behind_nat || (hop.conn.is_some() && *ip != hop.remote.ip()) {
        return hop;
    }
    let port = uri.port().unwrap_or(hop.transport.default_port());
    hop.remote = std::net::SocketAddr::new(*ip, port);
    hop
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v) => {
            let o = v.octets();
            v.is_private() || v.is_loopback() || v.is_link_local() || (o[0] == 100 && o[1] & 0xc0 == 64)
        }
        IpAddr::V6(v) => v.is_loopback() || v.is_unique_local() || v.is_unicast_link_local(),
    }
}

impl Core {
    pub(super) fn on_request(&mut self, hop: &Hop, mut request: Request) {
        wire::stamp_via(&mut request, hop.remote);
        let Some(key) = TransactionKey::from_request(&request) else {
            self.counters.dropped += 1;
            return;
        };
        if self.clients.contains_key(&key) {
            // Our own request came back to us.
            self.reply_stateless(hop, &request, 482, &[]);
            return;
        }
        if let Some(first) = self.tx.server_request(&key)
            && !same_request(first, &request)
        {
            // A branch used twice: the answer to the other request would be no answer to this one.
            self.counters.malformed += 1;
            self.reply_stateless(hop, &request, 400, &[]);
            return;
        }
        if self.tx.server_state(&key).is_some() {
            // A retransmission, or the ACK of a final response. Over a new connection it is answered there.
            if let Some(ctx) = self.servers.get_mut(&key) {
                // Over UDP the first source stays, so that a repeated branch cannot draw answers elsewhere.
                if hop.conn.is_some() {
                    ctx.hop.conn = hop.conn;
                    ctx.hop.remote = hop.remote;
                }
            }
            let d = self.tx.receive(Message::Request(request), hop.reliability());
            if let Dispatch::Matched { key, outputs } = d {
                self.run(&key, true, outputs);
            }
            return;
        }
        if request.method == Method::Ack {
            self.on_ack(&request);
            return;
        }
        let tag = wire::to_tag(&request.headers);
        let cancels = TransactionKey::for_cancelled_invite(&request)
            .is_some_and(|k| self.tx.server_state(&k).is_some());
        let ours = cancels || self.is_of_a_dialog(&request);
        if tag.is_some() && !ours && !self.admit_tagged(hop, &request) {
            return;
        }
        let user = if tag.is_none() && !cancels {
            match self.admit(hop, &request) {
                Some(user) => user,
                None => return,
            }
        } else {
            None
        };
        // A flood of strangers, whose addresses may be forged, leaves room for telephones, trunks and calls in progress.
        let friend = user.is_some() || ours || self.is_familiar(hop);
        let room = if friend {
            super::SERVER_TRANSACTIONS_MAX
        } else {
            super::SERVER_TRANSACTIONS_MAX / 2
        };
        if self.servers.len() >= room {
            self.counters.refused_full += 1;
            self.reply_stateless(hop, &request, 503, &self.retry_after());
            return;
        }
        let merge = if tag.is_none() { merge_key(&request) } else { None };
        let twin = merge.as_ref().is_some_and(|m| self.merged.contains_key(m));
        let to_tag = tag.unwrap_or_else(|| self.tag());
        if let Some(m) = merge.clone().filter(|_| !twin) {
            self.merged.insert(m, key.clone());
        }
        self.servers.insert(
            key.clone(),
            ServerCtx {
                hop: hop.clone(),
                to_tag,
                merge: merge.filter(|_| !twin),
                user,
            },
        );
        if twin {
            // RFC 3261 8.2.2.2; the transaction is made first so that its retransmissions are answered too.
            let d = self.tx.receive(Message::Request(request), hop.reliability());
            if let Dispatch::Created { key, .. } = d {
                self.reply(&key, 482, &[]);
            }
            return;
        }
        match self.tx.receive(Message::Request(request), hop.reliability()) {
            Dispatch::Created { key, outputs } | Dispatch::Matched { key, outputs } => {
                self.run(&key, true, outputs);
            }
            Dispatch::Unmatched(_) => self.forget(&key, true),
        }
    }

    /// A tag makes nobody a friend: what says that it is of a dialog of ours, and is not, is limited like any stranger's and
    /// answered without state. A subscription is looked at further: its dialogs are kept elsewhere.
    fn admit_tagged(&mut self, hop: &Hop, request: &Request) -> bool {
        if self.is_banned(hop, request) {
            self.counters.banned_dropped += 1;
            return false;
        }
        if !self.limiter.take(hop.remote.ip(), self.now) {
            self.counters.rate_limited += 1;
            return false;
        }
        if request.method == Method::Subscribe {
            return true;
        }
        self.reply_stateless(hop, request, 481, &[]);
        false
    }

    /// Ban, rate, source, credentials and capacity, before any state is made. Gives who sent it, if that was proved.
    fn admit(&mut self, hop: &Hop, request: &Request) -> Option<Option<Arc<str>>> {
        let known = self.trunk_of(hop).is_some();
        let mut user = None;
        if self.is_banned(hop, request) {
            user = self.known_again(hop, request);
            if user.is_none() {
                self.counters.banned_dropped += 1;
                return None;
            }
        }
        let registrar = self.registry.is_some();
        let welcome = known || self.cfg.allow_direct || registrar;
        if !self.limiter.take(hop.remote.ip(), self.now) {
            self.counters.rate_limited += 1;
            // A known peer is told to wait. Others get silence, which costs a scanner more than an answer.
            if known || self.cfg.allow_direct {
                self.reply_stateless(hop, request, 503, &self.retry_after());
            }
            return None;
        }
        let asks = self.needs_credentials(hop, request);
        if asks && user.is_none() {
            user = Some(self.authenticate(hop, request)?);
        }
        if request.method != Method::Invite {
            return Some(user);
        }
        if !welcome {
            self.counters.refused_unknown += 1;
            self.reply_stateless(hop, request, 403, &[]);
            return None;
        }
        let full = match &user {
            Some(_) if self.is_emergency(&request.uri) => self.has_too_many_legs(),
            Some(_) => self.draining || self.overloaded || self.placed() >= self.limit,
            None => self.draining || self.overloaded || self.callers() >= self.limit,
        };
        if full {
            self.counters.refused_full += 1;
            self.reply_stateless(hop, request, 503, &self.retry_after());
            if user.is_none() && !self.overloaded {
                self.tell_turned_away(hop, request);
            }
            return None;
        }
        Some(user)
    }

    fn tell_turned_away(&mut self, hop: &Hop, request: &Request) {
        // It came by another way as well, and was taken.
        if merge_key(request).is_some_and(|m| self.merged.contains_key(&m)) {
            return;
        }
        let trunk = self.trunk_of(hop);
        let (from, _) = caller(&request.headers, trunk.is_some());
        self.emit(SipEvent::TurnedAway {
            from: Pii::new(from),
            to: Pii::new(user_or_uri(&request.uri)),
            trunk: trunk.map(|i| self.trunks[i].config.name.clone()),
        });
    }

    /// Whether an emergency number was dialled. Such a call is taken whatever else there is.
    fn is_emergency(&self, uri: &Uri) -> bool {
        let dialled = user_for_contact(uri);
        let digits = dialled.chars().filter(|c| !matches!(c, ' ' | '-' | '.'));
        let digits: String = digits.collect();
        self.cfg.emergency.contains(&digits)
    }

    /// A new request in its transaction.
    pub(super) fn dispatch(&mut self, key: &TransactionKey, r: &Request) {
        let allow = || [(HeaderName::Allow, self.allow().to_owned())];
        match r.method {
            Method::Register | Method::Subscribe if self.registry.is_some() => {}
            Method::Invite
            | Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Info
            | Method::Prack
            | Method::Update => {}
            Method::Refer if wire::to_tag(&r.headers).is_some() => {}
            Method::Other(_) => return self.reply(key, 501, &allow()),
            _ => return self.reply(key, 405, &allow()),
        }
        if !r.uri.scheme().is_sip() {
            return self.reply(key, 416, &[]);
        }
        if r.method == Method::Cancel {
            return self.on_cancel(key, r);
        }
        let unknown = unsupported(&r.headers, self.supported());
        if !unknown.is_empty() {
            return self.reply(key, 420, &[(HeaderName::Unsupported, unknown.join(", "))]);
        }
        if let Some(tag) = wire::to_tag(&r.headers) {
            return self.in_dialog(key, r, tag);
        }
        if !self.is_ours(&r.uri, key) {
            return self.reply(key, 404, &[]);
        }
        if let (Some(id), Some(from)) = (
            wire::value(&r.headers, &HeaderName::CallId),
            wire::from_tag(&r.headers),
        ) && self.dialogs.contains_key(&(id, from))
        {
            // A dialog of our own making comes in from outside (RFC 3261 16.3: a loop).
            return self.reply(key, 482, &[]);
        }
        match r.method {
            Method::Options => self.on_options(key),
            Method::Invite => self.on_invite(key, r),
            Method::Register => self.on_register(key, r),
            Method::Subscribe => self.on_subscribe(key, r),
            _ => self.reply(key, 481, &[]),
        }
    }

    /// Whether a Request-URI names us.
    fn is_ours(&self, uri: &Uri, key: &TransactionKey) -> bool {
        if self.cfg.domains.is_empty() {
            return true;
        }
        let Some(host) = uri.host() else { return false };
        let text = host.to_string();
        let local = self.servers.get(key).map(|c| c.hop.local.ip());
        match host {
            Host::Ip(ip) if Some(*ip) == local || Some(*ip) == self.cfg.advertise => true,
            Host::Ip(ip)
                if self
                    .trunks
                    .iter()
                    .any(|t| t.seen().is_some_and(|a| a.ip() == *ip)) =>
            {
                true
            }
            _ => {
                self.cfg.domains.iter().any(|d| d.eq_ignore_ascii_case(&text))
                    || self.registry.as_ref().is_some_and(|r| r.is_domain(&text))
            }
        }
    }

    pub(super) fn on_options(&mut self, key: &TransactionKey) {
        let full = self.draining || self.callers() >= self.limit;
        let status = if full { 503 } else { 200 };
        let mut headers = vec![
            (HeaderName::Allow, self.allow().to_owned()),
            (HeaderName::Accept, wire::ACCEPT.to_owned()),
            (HeaderName::Supported, self.supported().to_owned()),
        ];
        if full {
            headers.extend(self.retry_after());
        }
        self.reply(key, status, &headers);
    }

    fn on_invite(&mut self, key: &TransactionKey, r: &Request) {
        let h = &r.headers;
        if matches!(h.typed::<MaxForwards>(), Some(Ok(MaxForwards(0)))) {
            // We may pass a call on, so the rule for what stands between two calls holds (RFC 7332).
            return self.reply(key, 483, &[]);
        }
        if !accepts_sdp(h) {
            return self.reply(key, 406, &[]);
        }
        let offer = match wire::sdp_of(h, r.body()) {
            Ok(o) => o,
            Err(415) => {
                return self.reply(
                    key,
                    415,
                    &[
                        (HeaderName::Accept, wire::ACCEPT.to_owned()),
                        (HeaderName::AcceptEncoding, "identity".to_owned()),
                    ],
                );
            }
            Err(status) => return self.reply(key, status, &[]),
        };
        let timer = match self.session_terms(h) {
            Ok(t) => t,
            Err(min) => return self.reply(key, 422, &[(HeaderName::MinSe, min.to_string())]),
        };
        let Some(ctx) = self.servers.get(key) else { return };
        let hop = ctx.hop.clone();
        let user = ctx.user.clone();
        let replaces = match self.replaced_by(h) {
            Ok(Some(_)) if user.is_none() => return self.reply(key, 403, &[]),
            Ok(leg) => leg,
            Err(status) => return self.reply(key, status, &[]),
        };
        let trunk = self.trunk_of(&hop).filter(|_| user.is_none());
        let mut hop = hop;
        if let Some(seen) = trunk.and_then(|t| self.trunks[t].seen()) {
            // Where the trunk reaches us from outside the NAT.
            hop.local = seen;
        }
        let Some(ctx) = self.servers.get(key) else { return };
        let contact = dialog::contact(&user_for_contact(&r.uri), &hop);
        let Some(dialog) = Dialog::uas(r, hop.clone(), ctx.to_tag.clone(), contact) else {
            return self.reply(key, 400, &[]);
        };
        self.reply(key, 100, &[]);
        let peer = rel::Offered::in_request(r);
        let leg = self.new_leg();
        let first = u32::try_from(self.random_ms(1, 1 << 20)).unwrap_or(1);
        let incoming = Incoming {
            key: key.clone(),
            invite: r.clone(),
            offered: offer.is_some(),
            timer,
            reliable: peer.supported || peer.required,
            reliable_required: peer.required,
            numbering: rel::Numbering::starting_at(first),
            sent: None,
            queued: VecDeque::new(),
            answer: None,
            settled: false,
            belongs: None,
        };
        let mut call = Call::new(leg, dialog, Phase::Incoming(Box::new(incoming)));
        if let Some(user) = user.clone() {
            call.dialog.pinned = true;
            call.device = Some(Device {
                instance: self.instance_of(&user, &hop),
                user,
            });
        }
        call.remote_sdp.clone_from(&offer);
        call.peer_update = wire::has_token(h, &HeaderName::Allow, "UPDATE");
        call.peer_timer = wire::has_token(h, &HeaderName::Supported, session::OPTION_TAG);
        self.add_call(call);
        self.leg_timer(leg, LegTimer::Setup, SETUP);
        self.counters.calls_in += 1;
        let (from, display) = caller(h, trunk.is_some());
        let event = SipEvent::Incoming {
            leg,
            from: Pii::new(from),
            from_display: display.map(Pii::new),
            to: Pii::new(user_or_uri(&r.uri)),
            trunk: trunk.map(|i| self.trunks[i].config.name.clone()),
            source: hop.remote,
            user: user.map(|u| u.to_string()),
            replaces,
            offer,
            received: self.received.unwrap_or_else(Instant::now),
        };
        self.emit(event);
    }

    /// The session timer for a request with these headers, or the Min-SE it must be refused with (RFC 4028 9).
    pub(super) fn session_terms(&self, h: &Headers) -> Result<Option<Accepted>, u64> {
        let supports = wire::has_token(h, &HeaderName::Supported, session::OPTION_TAG)
            || wire::has_token(h, &HeaderName::Require, session::OPTION_TAG);
        let asked = h.typed::<SessionExpires>().and_then(Result::ok);
        let min = h.typed::<MinSe>().and_then(Result::ok).map(|m| m.0);
        let floor = Duration::from_secs(self.cfg.min_se_s.into());
        match session::answer(supports, asked, min, floor) {
            session::Answer::None => Ok(None),
            session::Answer::TooBrief(min) if supports => Err(min.as_secs()),
            // A peer that cannot read a 422 is not refused for it: without timer rather than without call.
            session::Answer::TooBrief(_) => Ok(None),
            session::Answer::Accept(mut a) => {
                if asked.is_none() {
                    let ours = Duration::from_secs(self.cfg.session_expires_s.into());
                    a.interval = ours.max(floor).max(min.unwrap_or_default());
                }
                if !supports {
                    // A peer that only named an interval cannot refresh (RFC 4028 9, table 2).
                    a.refresher = Refresher::Uas;
                    a.require = false;
                }
                Ok(Some(a))
            }
        }
    }

    fn on_cancel(&mut self, key: &TransactionKey, r: &Request) {
        let target = TransactionKey::for_cancelled_invite(r);
        let Some(target) = target.filter(|k| self.tx.server_state(k).is_some()) else {
            return self.reply(key, 481, &[]);
        };
        // The 200 to CANCEL has the tag of the response to the INVITE (RFC 3261 9.2).
        let tag = self.servers.get(&target).map(|c| c.to_tag.clone());
        if let (Some(tag), Some(ctx)) = (tag, self.servers.get_mut(key)) {
            ctx.to_tag = tag;
        }
        self.reply(key, 200, &[]);
        let leg = self
            .calls
            .values()
            .find(|c| match &c.phase {
                Phase::Incoming(i) => i.key == target,
                _ => c.theirs.as_ref().is_some_and(|t| t.key.as_ref() == Some(&target)),
            })
            .map(|c| c.leg);
        let Some(leg) = leg else { return };
        self.with_call(leg, |core, call| {
            core.reply(&target, 487, &[]);
            if matches!(call.phase, Phase::Incoming(_)) {
                core.kill(call, EndWhy::Cancelled);
            } else {
                call.theirs = None;
            }
        });
    }
}

/// Whether two requests with the same branch are the same one, or one and its ACK.
fn same_request(a: &Request, b: &Request) -> bool {
    wire::value(&a.headers, &HeaderName::CallId) == wire::value(&b.headers, &HeaderName::CallId)
        && wire::cseq(&a.headers) == wire::cseq(&b.headers)
}

fn merge_key(r: &Request) -> Option<MergeKey> {
    if matches!(r.method, Method::Ack | Method::Cancel) {
        return None;
    }
    let h = &r.headers;
    Some((
        wire::value(h, &HeaderName::CallId)?,
        wire::from_tag(h)?,
        wire::cseq(h)?,
        r.method.as_bytes().to_vec(),
    ))
}

/// Option tags of Require that are not among `known`.
fn unsupported(h: &Headers, known: &str) -> Vec<String> {
    h.get_all(&HeaderName::Require)
        .flat_map(|x| {
            String::from_utf8_lossy(&x.value())
                .split(',')
                .map(|t| t.trim().to_owned())
                .collect::<Vec<_>>()
        })
        .filter(|t| !t.is_empty() && !known.split(", ").any(|k| t.eq_ignore_ascii_case(k)))
        .take(16)
        .collect()
}

/// Whether an Accept header, if there is one, lets us answer with a session description.
fn accepts_sdp(h: &Headers) -> bool {
    let mut any = false;
    for x in h.get_all(&HeaderName::Accept) {
        let v = x.value().to_ascii_lowercase();
        for t in v.split(|&b| b == b',') {
            let t = t.split(|&b| b == b';').next().unwrap_or(t).trim_ascii();
            any |= !t.is_empty();
            if matches!(t, b"application/sdp" | b"application/*" | b"*/*") {
                return true;
            }
        }
    }
    !any
}

fn text(b: &[u8]) -> String {
    match std::str::from_utf8(b) {
        Ok(s) => s.to_owned(),
        // Latin-1 is what old exchanges mean.
        Err(_) => b.iter().map(|&c| char::from(c)).collect(),
    }
}

/// The user part, or the whole URI without one.
pub(super) fn user_or_uri(uri: &Uri) -> String {
    match uri.decoded_user() {
        Some(u) if !u.is_empty() => text(&u),
        _ => match uri.tel_parts() {
            Some(t) => text(t.subscriber()),
            None => text(&uri.to_bytes()),
        },
    }
}

/// The user part for our Contact, as it stands in the Request-URI; nothing when it would not be safe to repeat.
fn user_for_contact(uri: &Uri) -> String {
    uri.user()
        .filter(|u| {
            u.len() <= 64
                && u.iter()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.+*#%!~".contains(b))
        })
        .map(text)
        .unwrap_or_default()
}

/// Caller and display name. The asserted identity is believed only from a trunk (RFC 3325).
fn caller(h: &Headers, trusted: bool) -> (String, Option<String>) {
    let asserted = trusted
        .then(|| h.value(&HeaderName::PAssertedIdentity))
        .flatten()
        .and_then(|v| {
            let first = v.split(|&b| b == b',').next().map(<[u8]>::to_vec)?;
            sipx_sip::headers::Address::parse(&first, "P-Asserted-Identity").ok()
        });
    let from = h
        .typed::<sipx_sip::headers::From>()
        .and_then(Result::ok)
        .map(|f| f.0);
    let Some(address) = asserted.or(from) else {
        return (String::new(), None);
    };
    let display = address
        .display_name
        .as_ref()
        .map(|d| text(d).trim().to_owned())
        .filter(|d| !d.is_empty());
    (user_or_uri(&address.uri), display)
}
