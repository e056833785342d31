//! Dialogs (RFC 3261 12) and the state of a leg. Pure: it builds requests and keeps sequence numbers; sending,
//! waiting and deciding happen in [`crate::core`].

mod call;

pub(crate) use call::{
    Call, Confirmed, Device, Incoming, OfferBy, Outgoing, PendingOffer, Phase, Refer, ReliableSent,
    SentInvite, Unacked,
};

use crate::wire::{self, Hop};
use bytes::Bytes;
use sipx_sip::headers::Contact;
use sipx_sip::{HeaderName, Headers, Method, Request, Response, Uri};

/// One dialog, seen from our side.
#[derive(Debug, Clone)]
pub(crate) struct Dialog {
    pub(crate) call_id: Bytes,
    pub(crate) local_tag: Bytes,
    pub(crate) remote_tag: Option<Bytes>,
    /// Our From value, tag included.
    local: Bytes,
    /// Our To value, tag included once known.
    remote: Bytes,
    /// The last CSeq we used.
    pub(crate) local_seq: u32,
    /// The last CSeq they used.
    pub(crate) remote_seq: Option<u32>,
    /// Where requests are addressed: their Contact.
    pub(crate) target: Uri,
    /// Route values in order.
    routes: Vec<Bytes>,
    /// Our Contact.
    pub(crate) contact: String,
    /// Where requests are sent.
    pub(crate) hop: Hop,
    /// Whether the Call-ID is ours: we dialled.
    pub(crate) is_ours: bool,
    /// Whether requests go over `hop` whatever Contact says: the far end registered, or called, over that way.
    pub(crate) pinned: bool,
}

/// The URI of the first Contact.
pub(crate) fn contact_uri(h: &Headers) -> Option<Uri> {
    h.typed_all::<Contact>().next()?.ok().map(|c| c.0.uri.clone())
}

/// An element of RFC 2543 need not send a Contact; its From stands for it (RFC 4475 3.4.1).
fn legacy_target(r: &Request) -> Option<Uri> {
    let via = r.headers.typed::<sipx_sip::headers::Via>()?.ok()?;
    let from = r.headers.typed::<sipx_sip::headers::From>()?.ok()?;
    (!via.has_rfc3261_branch()).then(|| from.0.uri.clone())
}

/// All values of a header that is a list.
pub(crate) fn list(h: &Headers, name: &HeaderName) -> Vec<Bytes> {
    h.get_all(name).flat_map(|x| split_list(&x.value())).collect()
}

fn routes(h: &Headers, reverse: bool) -> Vec<Bytes> {
    let mut out = list(h, &HeaderName::RecordRoute);
    if reverse {
        out.reverse();
    }
    out
}

/// Splits a header at commas outside quotes and angle brackets.
fn split_list(v: &[u8]) -> Vec<Bytes> {
    let (mut out, mut start, mut quoted, mut angle, mut i) = (Vec::new(), 0, false, false, 0);
    while i < v.len() {
        match v[i] {
            b'\\' if quoted => i += 1,
            b'"' => quoted = !quoted,
            b'<' if !quoted => angle = true,
            b'>' if !quoted => angle = false,
            b',' if !quoted && !angle => {
                out.push(Bytes::copy_from_slice(v[start..i].trim_ascii()));
                start = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    out.push(Bytes::copy_from_slice(v[start.min(v.len())..].trim_ascii()));
    out.retain(|x| !x.is_empty());
    out
}

impl Dialog {
    /// The dialog an INVITE asks us into (RFC 3261 12.1.1). `None` when it lacks a Contact that can be used.
    pub(crate) fn uas(r: &Request, hop: Hop, local_tag: Bytes, contact: String) -> Option<Self> {
        let target = contact_uri(&r.headers).or_else(|| legacy_target(r))?;
        let to = wire::value(&r.headers, &HeaderName::To)?;
        Some(Self {
            call_id: wire::value(&r.headers, &HeaderName::CallId)?,
            remote_tag: wire::from_tag(&r.headers),
            local: wire::with_tag(&to, &local_tag),
            remote: wire::value(&r.headers, &HeaderName::From)?,
            local_tag,
            local_seq: 0,
            remote_seq: wire::cseq(&r.headers),
            target,
            routes: routes(&r.headers, false),
            contact,
            hop,
            is_ours: false,
            pinned: false,
        })
    }

    /// The dialog an INVITE of ours may lead to.
    pub(crate) fn uac(
        call_id: Bytes,
        local_tag: Bytes,
        from: &[u8],
        to: &[u8],
        target: Uri,
        contact: String,
        hop: Hop,
    ) -> Self {
        Self {
            call_id,
            remote_tag: None,
            local: wire::with_tag(from, &local_tag),
            remote: Bytes::copy_from_slice(to),
            local_tag,
            local_seq: 0,
            remote_seq: None,
            target,
            routes: Vec::new(),
            contact,
            hop,
            is_ours: true,
            pinned: false,
        }
    }

    /// The dialog of an INVITE of ours whose call is gone, for the ACK and BYE of an answer nobody waits for.
    pub(crate) fn stray(invite: &Request, hop: Hop) -> Option<Self> {
        let h = &invite.headers;
        Some(Self {
            call_id: wire::value(h, &HeaderName::CallId)?,
            local_tag: wire::from_tag(h)?,
            remote_tag: None,
            local: wire::value(h, &HeaderName::From)?,
            remote: wire::value(h, &HeaderName::To)?,
            local_seq: wire::cseq(h)?,
            remote_seq: None,
            target: invite.uri.clone(),
            routes: Vec::new(),
            contact: String::new(),
            hop,
            is_ours: true,
            pinned: false,
        })
    }

    /// Proxies known before the first request, and whether its way is the only one.
    pub(crate) fn preload(&mut self, routes: Vec<Bytes>, pinned: bool) {
        self.routes = routes;
        self.pinned = pinned;
    }

    /// Our From value without its tag.
    pub(crate) fn local_identity(&self) -> Bytes {
        let tag = [b";tag=".as_slice(), &self.local_tag].concat();
        let end = self.local.strip_suffix(tag.as_slice()).map_or(0, <[u8]>::len);
        self.local.slice(..end)
    }

    /// The way is known: Contact, and From where it lacks a host or a name.
    pub(crate) fn take_way(&mut self, hop: Hop, display: Option<String>) {
        let from = String::from_utf8_lossy(&self.local).into_owned();
        if !from.contains('<') {
            let uri = from.split(";tag=").next().unwrap_or_default().to_owned();
            let uri = if uri.ends_with('@') {
                format!("{uri}{}", wire::host(hop.local.ip()))
            } else {
                uri
            };
            let display = display.unwrap_or_default();
            self.local = wire::with_tag(format!("{display}<{uri}>").as_bytes(), &self.local_tag);
        }
        let user = String::from_utf8_lossy(&self.local)
            .split("sip:")
            .nth(1)
            .and_then(|s| s.split_once('@'))
            .map(|(u, _)| u.to_owned())
            .unwrap_or_default();
        self.contact = contact(&user, &hop);
        self.hop = hop;
    }

    /// Takes the far end's part from a response that makes a dialog (RFC 3261 12.1.2).
    pub(crate) fn learn(&mut self, r: &Response) {
        if let Some(to) = wire::value(&r.headers, &HeaderName::To) {
            self.remote = to;
        }
        self.remote_tag = wire::to_tag(&r.headers);
        self.routes = routes(&r.headers, true);
        self.refresh_target(&r.headers);
    }

    /// Target refresh (RFC 3261 12.2).
    pub(crate) fn refresh_target(&mut self, h: &Headers) {
        if let Some(uri) = contact_uri(h) {
            self.target = uri;
        }
    }

    /// The URI whose host the next request must be sent to: the first route, or the target.
    pub(crate) fn next_hop(&self) -> Option<Uri> {
        match self.routes.first() {
            None => Some(self.target.clone()),
            Some(r) => sipx_sip::headers::Address::parse(r, "Route").ok().map(|a| a.uri),
        }
    }

    /// Whether a message with these tags is of this dialog. A peer without tags is one of RFC 2543.
    pub(crate) fn is_from(&self, remote_tag: Option<&Bytes>) -> bool {
        self.remote_tag.is_none() || self.remote_tag.as_ref() == remote_tag
    }

    /// A request with the next CSeq.
    pub(crate) fn request(&mut self, method: Method, branch: &str) -> Request {
        self.local_seq = self.local_seq.saturating_add(1);
        self.numbered(method, branch, self.local_seq)
    }

    /// A request with this CSeq: ACK, CANCEL.
    pub(crate) fn numbered(&self, method: Method, branch: &str, seq: u32) -> Request {
        // Loose routing (RFC 3261 16.12): the target stays in the Request-URI and routes go ahead as they are.
        let mut uri = self.target.clone();
        while let Some(name) = uri
            .headers()
            .and_then(|p| p.iter().next())
            .map(|p| String::from_utf8_lossy(p.name()).into_owned())
        {
            if !uri.remove_header(&name) {
                break;
            }
        }
        let mut r = Request::new(method, uri);
        let h = &mut r.headers;
        wire::push(h, HeaderName::Via, via(&self.hop, branch));
        for route in &self.routes {
            wire::push(h, HeaderName::Route, route.clone());
        }
        wire::push(h, HeaderName::MaxForwards, "70");
        wire::push(h, HeaderName::From, self.local.clone());
        wire::push(h, HeaderName::To, self.remote.clone());
        wire::push(h, HeaderName::CallId, self.call_id.clone());
        wire::push(h, HeaderName::CSeq, format!("{seq} {}", r.method));
        wire::push(h, HeaderName::ContentLength, "0");
        r
    }
}

/// Our Via.
pub(crate) fn via(hop: &Hop, branch: &str) -> String {
    format!(
        "SIP/2.0/{} {}:{};branch={branch};rport",
        hop.transport.as_str(),
        wire::host(hop.local.ip()),
        hop.local.port()
    )
}

/// Our Contact for a user and the way a peer is reached.
pub(crate) fn contact(user: &str, hop: &Hop) -> String {
    let at = if user.is_empty() {
        String::new()
    } else {
        format!("{user}@")
    };
    let transport = match hop.transport {
        crate::config::Transport::Udp => String::new(),
        t => format!(";transport={}", t.as_param()),
    };
    format!(
        "<sip:{at}{}:{}{transport}>",
        wire::host(hop.local.ip()),
        hop.local.port()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_split_outside_quotes_and_brackets() {
        let got = split_list(b"<sip:a;x=1,2;lr>, \"q,\\\"\" <sip:b;lr> ,");
        assert_eq!(got, ["<sip:a;x=1,2;lr>", "\"q,\\\"\" <sip:b;lr>"]);
    }
}
