//! Calls we dial: the target, the way there, the INVITE, and giving it up.

use super::{Core, LegTimer, Purpose, ResolveId};
use crate::config::{Secret, Transport};
use crate::dialog::{Call, Device, Dialog, Outgoing, Phase};
use crate::error::SipCommandError as E;
use crate::event::{CancelReason, ContactId, DialRequest, DialTarget, EndWhy, ExtraHeader};
use crate::wire::{self, Hop};
use anteroom_types::LegId;
use anteroom_types::limits::SIP_EXTRA_HEADER_BYTES_MAX;
use bytes::Bytes;
use sipx_sip::{HeaderName, Message, Method, Request, TransactionKey, Uri, rel};
use std::collections::VecDeque;
use std::time::Duration;

/// How long a called party may ring.
const RING: Duration = Duration::from_secs(180);
/// How long an address may be silent while there is another: by then a datagram was sent four times.
const UNHEARD: Duration = Duration::from_secs(4);
/// Bytes of a request from which it should not be a datagram (RFC 3261 18.1.1, the size of the path being unknown).
const DATAGRAM_BYTES_MAX: usize = 1_300;
/// How long a peer that took no connection is not asked again, and how many are remembered.
const NO_STREAM: Duration = Duration::from_secs(600);
const NO_STREAM_PEERS_MAX: usize = 256;
/// Headers the application may add to one call.
const EXTRA_HEADERS_MAX: usize = 8;

/// Whether that can be the user part of an address: who sends a call, or whom it is for. It is made of what needs no
/// escaping.
#[must_use]
pub fn is_user(u: &str) -> bool {
    let ok = |b: u8| b.is_ascii_alphanumeric() || b"-_.!~*'()&=+$,;?/#%".contains(&b);
    !u.is_empty() && u.len() <= 128 && u.bytes().all(ok)
}

/// A user part; nothing when there is something else in it.
fn safe_user(u: &str) -> Option<&str> {
    is_user(u).then_some(u)
}

/// A display name as a quoted string, without control characters.
fn quoted(name: &str) -> String {
    let clean: String = name
        .chars()
        .filter(|c| !c.is_control())
        .take(100)
        .flat_map(|c| match c {
            '"' | '\\' => vec!['\\', c],
            c => vec![c],
        })
        .collect();
    format!("\"{clean}\" ")
}

/// The target without parameters that belong to the way there (RFC 3261 19.1.1, table 1).
fn for_to(uri: &Uri) -> String {
    let scheme = if uri.scheme().is_secure() { "sips" } else { "sip" };
    let user = uri
        .user()
        .map(|u| format!("{}@", String::from_utf8_lossy(u)))
        .unwrap_or_default();
    let host = uri.host().map(ToString::to_string).unwrap_or_default();
    format!("{scheme}:{user}{host}")
}

/// The headers of an INVITE that the application asks for; an error when one could not be written as it is.
fn extra(headers: &[ExtraHeader]) -> Result<Vec<(HeaderName, String)>, E> {
    if headers.len() > EXTRA_HEADERS_MAX {
        return Err(E::OutOfRange("the number of headers"));
    }
    let checked = |name: HeaderName, value: &str| {
        let ok =
            value.len() <= SIP_EXTRA_HEADER_BYTES_MAX && value.bytes().all(|b| (0x20..0x7f).contains(&b));
        ok.then(|| (name, value.to_owned()))
            .ok_or(E::OutOfRange("a header"))
    };
    headers
        .iter()
        .map(|h| match h {
            ExtraHeader::Call(id) => Ok((wire::call_header(), id.to_string())),
            ExtraHeader::AlertInfo(v) => checked(HeaderName::AlertInfo, v),
            ExtraHeader::CallInfo(v) => checked(HeaderName::CallInfo, v),
        })
        .collect()
}

/// How a call leaves.
enum Way {
    /// Straight there.
    Go(Box<Hop>),
    /// To this URI, once it is known where that is.
    Ask(String, Option<Transport>),
}

/// What a target comes to.
struct Planned {
    uri: Uri,
    to: String,
    /// The host of From when the caller is given without one; ours when `None`.
    from_host: Option<String>,
    way: Way,
    /// Proxies on the way to a contact.
    routes: Vec<Bytes>,
    device: Option<Device>,
    auth: Option<(String, Secret)>,
}

impl Core {
    pub(crate) fn dial(&mut self, d: DialRequest) -> Result<(), E> {
        if self.calls.contains_key(&d.leg) {
            return Err(E::LegInUse);
        }
        // Also while draining: a call in progress may still have to reach a person.
        if self.has_too_many_legs() {
            return Err(E::Full);
        }
        let headers = extra(&d.headers)?;
        let plan = match &d.target {
            DialTarget::Uri(target) => self.plan_uri(&d, target)?,
            DialTarget::Contact(id) => self.plan_contact(*id)?,
        };
        let from_uri = if d.from.contains(':') {
            Uri::parse(Bytes::from(d.from.clone())).map_err(|_| E::BadTarget("sender"))?;
            d.from.clone()
        } else {
            let user = safe_user(&d.from).ok_or(E::BadTarget("sender"))?;
            // Without a host it is filled in when the way is known.
            format!("sip:{user}@{}", plan.from_host.as_deref().unwrap_or_default())
        };
        let placeholder = Hop {
            transport: Transport::Udp,
            remote: std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
            local: std::net::SocketAddr::from(([0, 0, 0, 0], 0)),
            socket: 0,
            conn: None,
            server_name: None,
        };
        let (id, tag) = (self.call_id(), self.tag());
        let mut dialog = Dialog::uac(
            id,
            tag,
            from_uri.as_bytes(),
            format!("<{}>", plan.to).as_bytes(),
            plan.uri,
            String::new(),
            placeholder,
        );
        dialog.preload(plan.routes, plan.device.is_some());
        let outgoing = Outgoing {
            targets: VecDeque::new(),
            key: None,
            stream_tried: false,
            sdp: d.sdp.clone(),
            min_se: None,
            provisional: false,
            cancel: false,
            cancel_sent: false,
            cancel_reason: CancelReason::GivenUp,
            sequence: rel::Sequence::default(),
            early_sdp: false,
            from_display: d.from_display.clone(),
            headers,
            assert_identity: d.assert_identity,
            elsewhere: d.elsewhere,
        };
        let mut call = Call::new(d.leg, dialog, Phase::Outgoing(Box::new(outgoing)));
        call.auth = plan.auth;
        call.device = plan.device;
        self.add_call(call);
        self.counters.calls_out += 1;
        self.leg_timer(d.leg, LegTimer::Setup, RING);
        match plan.way {
            Way::Ask(uri, transport) => self.ask(ResolveId::Leg(d.leg), uri, transport),
            Way::Go(hop) => self.leg_resolved(d.leg, vec![*hop]),
        }
        Ok(())
    }

    fn plan_uri(&self, d: &DialRequest, target: &str) -> Result<Planned, E> {
        let trunk = match &d.trunk {
            None => None,
            Some(name) => Some(
                self.trunks
                    .iter()
                    .find(|t| t.config.name == *name)
                    .ok_or(E::BadTarget("trunk"))?,
            ),
        };
        let text = if target.contains(':') {
            target.to_owned()
        } else {
            let t = trunk.ok_or(E::BadTarget("target"))?;
            let user = safe_user(target).ok_or(E::BadTarget("target"))?;
            format!("sip:{user}@{}", t.domain())
        };
        let uri = Uri::parse(Bytes::from(text.clone())).map_err(|_| E::BadTarget("target"))?;
        if !uri.scheme().is_sip() || uri.host().is_none() {
            return Err(E::BadTarget("target"));
        }
        let auth = match (&d.auth, trunk) {
            (Some(a), _) => Some((a.user.clone(), a.password.clone())),
            (None, Some(t)) => t.credentials(),
            (None, None) => None,
        };
        let way = match trunk {
            Some(t) => match t.way_out() {
                crate::trunk::WayOut::Hop(hop) => Way::Go(hop),
                crate::trunk::WayOut::Uri(u) => Way::Ask(u, Some(t.config.transport)),
                crate::trunk::WayOut::None => Way::Ask(text, Some(t.config.transport)),
            },
            None => Way::Ask(text, None),
        };
        Ok(Planned {
            to: for_to(&uri),
            uri,
            from_host: trunk.map(crate::trunk::Trunk::domain),
            way,
            routes: Vec::new(),
            device: None,
            auth,
        })
    }

    /// A contact is called over the way it registered, through the proxies it registered through (RFC 3327, RFC 5626 5.3).
    fn plan_contact(&self, id: ContactId) -> Result<Planned, E> {
        let registry = self.registry.as_ref().ok_or(E::NoRegistrar)?;
        let b = registry.bindings.get(id).ok_or(E::UnknownContact)?;
        let domain = registry.domain();
        Ok(Planned {
            uri: b.uri.clone(),
            to: format!("sip:{}@{domain}", b.user),
            from_host: Some(domain.to_owned()),
            way: Way::Go(Box::new(b.hop.clone())),
            routes: b.path.clone(),
            device: Some(Device {
                user: std::sync::Arc::clone(&b.user),
                instance: b.instance.clone(),
            }),
            auth: None,
        })
    }

    /// The answer to [`super::Output::Resolve`]; empty when there is none.
    pub(crate) fn resolved(&mut self, now: anteroom_types::Mono, id: ResolveId, hops: Vec<Hop>) {
        self.now = self.now.max(now);
        match id {
            ResolveId::Leg(leg) => self.leg_resolved(leg, hops),
            ResolveId::Stream(leg) => self.stream_resolved(leg, hops),
            ResolveId::Trunk(i) => self.trunk_resolved(i, hops),
        }
    }

    fn leg_resolved(&mut self, leg: LegId, hops: Vec<Hop>) {
        self.with_call(leg, |core, call| {
            let Phase::Outgoing(o) = &mut call.phase else {
                return;
            };
            if o.key.is_some() {
                return;
            }
            o.targets = hops.into();
            core.try_next(call, EndWhy::TransportLost);
        });
    }

    /// Sends the INVITE to the next address, or gives up (RFC 3263 4.3).
    pub(super) fn try_next(&mut self, call: &mut Call, why: EndWhy) {
        let Phase::Outgoing(o) = &mut call.phase else {
            return;
        };
        let Some(hop) = o.targets.pop_front().filter(|_| !o.cancel) else {
            let why = if o.cancel { EndWhy::Cancelled } else { why };
            return self.kill(call, why);
        };
        let display = o.from_display.clone();
        call.dialog.take_way(hop, display.as_deref().map(quoted));
        self.send_invite(call);
    }

    pub(super) fn send_invite(&mut self, call: &mut Call) {
        let branch = self.branch();
        let mut r = call.dialog.request(Method::Invite, &branch);
        let Phase::Outgoing(o) = &mut call.phase else {
            return;
        };
        let (sdp, min) = (o.sdp.clone(), o.min_se);
        for (name, value) in o.headers.clone() {
            wire::push(&mut r.headers, name, value);
        }
        if o.assert_identity {
            let identity = call.dialog.local_identity();
            wire::push(&mut r.headers, HeaderName::PAssertedIdentity, identity);
        }
        Self::describe(&mut r.headers, call, None);
        wire::push(&mut r.headers, HeaderName::Accept, wire::ACCEPT);
        self.ask_session(&mut r.headers, min, None);
        if let Some(sdp) = &sdp {
            let body = wire::set_body(&mut r.headers, Some(("application/sdp", sdp.as_bytes())));
            r.set_body(body);
            call.ours = true;
            call.local_sdp = Some(sdp.clone());
        }
        if self.is_too_long(call, &r) {
            return self.ask_for_stream(call);
        }
        self.launch(call, r);
    }

    /// Whether a request must not go as a datagram (RFC 3261 18.1.1), and could go otherwise. To a telephone there is only
    /// the way it registered by.
    fn is_too_long(&self, call: &Call, r: &Request) -> bool {
        let hop = &call.dialog.hop;
        let tried = matches!(&call.phase, Phase::Outgoing(o) if o.stream_tried);
        let refused = self.no_stream.get(&hop.remote).is_some_and(|t| *t > self.now);
        hop.transport == Transport::Udp
            && !call.dialog.pinned
            && !tried
            && !refused
            && self.cfg.listen.iter().any(|l| l.transport == Transport::Tcp)
            && wire::bytes(&Message::Request(r.clone())).len() > DATAGRAM_BYTES_MAX
    }

    fn ask_for_stream(&mut self, call: &mut Call) {
        let hop = call.dialog.hop.clone();
        let Phase::Outgoing(o) = &mut call.phase else {
            return;
        };
        o.stream_tried = true;
        let uri = format!("sip:{};transport=tcp", hop.remote);
        // Should there be no connection, the datagram is sent all the same.
        o.targets.push_front(hop);
        self.ask(ResolveId::Stream(call.leg), uri, Some(Transport::Tcp));
    }

    fn stream_resolved(&mut self, leg: LegId, hops: Vec<Hop>) {
        self.with_call(leg, |core, call| {
            let Phase::Outgoing(o) = &mut call.phase else {
                return;
            };
            if let Some(hop) = hops.into_iter().next() {
                o.targets.push_front(hop);
            }
            core.try_next(call, EndWhy::TransportLost);
        });
    }

    /// A connection made for a long request failed; the next ones need not try.
    pub(super) fn stream_failed(&mut self, hop: &Hop) {
        if hop.transport != Transport::Tcp {
            return;
        }
        if self.no_stream.len() >= NO_STREAM_PEERS_MAX {
            self.no_stream.clear();
        }
        self.no_stream.insert(hop.remote, self.now + NO_STREAM);
    }

    pub(super) fn launch(&mut self, call: &mut Call, r: Request) {
        let hop = call.dialog.hop.clone();
        let key = self.send_request(r, hop, Purpose::Invite(call.leg));
        match (&mut call.phase, key) {
            (Phase::Outgoing(o), Some(k)) => {
                o.key = Some(k);
                if !o.provisional && (o.elsewhere || !o.targets.is_empty()) {
                    self.leg_timer(call.leg, LegTimer::Unheard, UNHEARD);
                }
            }
            _ => self.kill(call, EndWhy::TransportLost),
        }
    }

    /// Where the INVITE went is silent, and there is another address or way (RFC 3263 4.3 lets a client decide that sooner
    /// than timer B). The transaction goes on: should it be heard of after all, [`Purpose::Forsaken`] ends it there.
    pub(super) fn on_unheard(&mut self, call: &mut Call) {
        let Phase::Outgoing(o) = &mut call.phase else {
            return;
        };
        if o.provisional || o.cancel {
            return;
        }
        let Some(key) = o.key.take() else { return };
        if let Some(ctx) = self.clients.get_mut(&key) {
            ctx.purpose = Purpose::Forsaken;
        }
        self.try_next(call, EndWhy::TransportLost);
    }

    pub(super) fn do_cancel(&mut self, call: &mut Call) {
        let Phase::Outgoing(o) = &mut call.phase else {
            return;
        };
        o.cancel = true;
        let Some(key) = o.key.clone() else {
            return self.kill(call, EndWhy::Cancelled);
        };
        // RFC 3261 9.1: not before a provisional response, and once.
        if !o.provisional || o.cancel_sent {
            return;
        }
        o.cancel_sent = true;
        let reason = o.cancel_reason;
        if self.send_cancel(&key, reason) {
            let wait = self.t.timeout();
            self.leg_timer(call.leg, LegTimer::Cancelled, wait);
        }
    }

    /// Sends the CANCEL of an INVITE (RFC 3261 9.1). False when that is no more.
    pub(super) fn send_cancel(&mut self, key: &TransactionKey, reason: CancelReason) -> bool {
        let (Some(invite), Some(ctx)) = (
            self.tx.client_request(key).cloned(),
            self.clients.get(key).cloned(),
        ) else {
            return false;
        };
        let mut r = Request::new(Method::Cancel, invite.uri.clone());
        let h = &mut r.headers;
        for name in [
            HeaderName::Via,
            HeaderName::From,
            HeaderName::To,
            HeaderName::CallId,
            HeaderName::Route,
        ] {
            for x in invite.headers.get_all(&name) {
                h.push(x.clone());
            }
        }
        wire::push(h, HeaderName::MaxForwards, "70");
        let seq = wire::cseq(&invite.headers).unwrap_or(1);
        wire::push(h, HeaderName::CSeq, format!("{seq} CANCEL"));
        if reason == CancelReason::AnsweredElsewhere {
            let value = "SIP;cause=200;text=\"Call completed elsewhere\"";
            wire::push(h, HeaderName::Reason, value);
        }
        wire::push(h, HeaderName::ContentLength, "0");
        self.send_request(r, ctx.hop, Purpose::Cancel);
        true
    }
}
