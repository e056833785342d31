//! One call in place of another: Replaces (RFC 3891), and REFER (RFC 3515, RFC 4488) with the NOTIFYs it asks for.

use super::{Core, Purpose};
use crate::dialog::{Call, Phase, Refer};
use crate::error::SipCommandError as E;
use crate::event::{ReferToken, SipEvent};
use crate::wire;
use anteroom_types::{LegId, Pii};
use bytes::Bytes;
use sipx_sip::headers::Address;
use sipx_sip::{HeaderName, Headers, Method, Request, TransactionKey};

/// Requests to transfer that one leg may have open.
const REFERS_MAX: usize = 4;
/// Seconds a transfer may be followed by NOTIFY; as long as a called party may ring.
const SUBSCRIBED_S: u32 = 180;

/// Which dialog is to be replaced, in its owner's (our) terms.
#[derive(Debug, PartialEq, Eq)]
struct Replaces {
    call_id: Bytes,
    /// Our tag.
    to_tag: Bytes,
    /// Theirs.
    from_tag: Bytes,
    early_only: bool,
}

impl Replaces {
    fn parse(value: &[u8]) -> Option<Self> {
        let mut parts = value.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let call_id = parts.next().filter(|c| !c.is_empty())?;
        let (mut to_tag, mut from_tag, mut early_only) = (None, None, false);
        for p in parts {
            let (name, v) = match p.iter().position(|&b| b == b'=') {
                Some(at) => (p[..at].trim_ascii(), p[at + 1..].trim_ascii()),
                None => (p, &b""[..]),
            };
            let v = || Bytes::copy_from_slice(v);
            match name.to_ascii_lowercase().as_slice() {
                b"to-tag" if to_tag.is_none() => to_tag = Some(v()),
                b"from-tag" if from_tag.is_none() => from_tag = Some(v()),
                b"to-tag" | b"from-tag" => return None,
                b"early-only" => early_only = true,
                _ => {}
            }
        }
        Some(Self {
            call_id: Bytes::copy_from_slice(call_id),
            to_tag: to_tag?,
            from_tag: from_tag?,
            early_only,
        })
    }
}

/// Takes percent-escapes out of a header within a URI (RFC 3261 19.1.1).
fn unescape(v: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(v.len());
    let mut i = 0;
    while i < v.len() {
        let hex = v
            .get(i + 1..i + 3)
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match (v[i], hex) {
            (b'%', Some(b)) => {
                out.push(b);
                i += 3;
            }
            (b, _) => {
                out.push(b);
                i += 1;
            }
        }
    }
    out
}

impl Core {
    /// The leg that an INVITE asks to take the place of, or the status to refuse it with (RFC 3891 3).
    pub(super) fn replaced_by(&self, h: &Headers) -> Result<Option<LegId>, u16> {
        if h.count(&HeaderName::Replaces) > 1 {
            return Err(400);
        }
        match h.value(&HeaderName::Replaces) {
            None => Ok(None),
            Some(v) => self.find_replaced(&v).map(Some),
        }
    }

    fn find_replaced(&self, value: &[u8]) -> Result<LegId, u16> {
        let wanted = Replaces::parse(value).ok_or(400u16)?;
        let with = |ours: &Bytes, theirs: &Bytes| {
            let leg = self.dialogs.get(&(wanted.call_id.clone(), ours.clone()))?;
            let call = self.calls.get(leg)?;
            (call.dialog.remote_tag.as_ref() == Some(theirs)).then_some(call)
        };
        // Some browsers' libraries name the tags of a call they received the other way round. Both must match all the same.
        let call = with(&wanted.to_tag, &wanted.from_tag)
            .or_else(|| with(&wanted.from_tag, &wanted.to_tag))
            .ok_or(481u16)?;
        match &call.phase {
            _ if call.told => Err(603),
            Phase::Confirmed(_) if wanted.early_only => Err(486),
            Phase::Confirmed(_) | Phase::Outgoing(_) => Ok(call.leg),
            // An early dialog that the other side began is not to be taken over.
            Phase::Incoming(_) => Err(481),
            Phase::Ending => Err(603),
        }
    }

    pub(super) fn on_refer(&mut self, call: &mut Call, key: &TransactionKey, r: &Request) {
        if call.device.is_none() {
            // Nobody outside makes us dial.
            self.counters.refused_unknown += 1;
            return self.reply(key, 403, &[]);
        }
        if call.told || !Self::is_confirmed(call) {
            return self.reply(key, 481, &[]);
        }
        if call.refers.len() >= REFERS_MAX {
            return self.reply(key, 491, &[]);
        }
        let h = &r.headers;
        let to = h
            .value(&HeaderName::ReferTo)
            .and_then(|v| Address::parse(&v, "Refer-To").ok());
        let Some(to) = to.filter(|_| h.count(&HeaderName::ReferTo) == 1) else {
            return self.reply(key, 400, &[]);
        };
        let method = to.uri.params().and_then(|p| p.value("method"));
        if method.is_some_and(|m| !m.eq_ignore_ascii_case(b"INVITE")) {
            return self.reply(key, 501, &[]);
        }
        if !to.uri.scheme().is_sip() && to.uri.tel_parts().is_none() {
            return self.reply(key, 416, &[]);
        }
        let named = to.uri.headers().and_then(|p| {
            p.iter()
                .find(|x| x.name().eq_ignore_ascii_case(b"replaces"))
                .map(|x| unescape(x.value().unwrap_or_default()))
        });
        let replaces = match named.map(|v| self.find_replaced(&v)).transpose() {
            Ok(leg) => leg,
            Err(status) => return self.reply(key, status, &[]),
        };
        let silent = h
            .value(&HeaderName::ReferSub)
            .is_some_and(|v| v.trim_ascii().eq_ignore_ascii_case(b"false"));
        self.tokens += 1;
        let token = ReferToken(self.tokens);
        call.refers.push(Refer {
            token,
            id: wire::cseq(h).unwrap_or(0),
            key: Some(key.clone()),
            silent,
        });
        let mut bare = to.uri.clone();
        while let Some(name) = bare
            .headers()
            .and_then(|p| p.iter().next())
            .map(|p| String::from_utf8_lossy(p.name()).into_owned())
        {
            if !bare.remove_header(&name) {
                break;
            }
        }
        self.emit(SipEvent::Refer {
            leg: call.leg,
            token,
            target: Pii::new(super::inbound::user_or_uri(&bare)),
            replaces,
        });
    }

    pub(crate) fn refer_accept(&mut self, leg: LegId, token: ReferToken) -> Result<(), E> {
        self.on_call(leg, |core, call| {
            let Some(i) = call.refers.iter().position(|r| r.token == token) else {
                return Err(E::UnknownRefer);
            };
            let Some(key) = call.refers[i].key.take() else {
                return Err(E::WrongState("accepting a transfer again"));
            };
            if call.refers[i].silent {
                let name = HeaderName::ReferSub;
                core.reply(&key, 202, &[(name, "false".into())]);
            } else {
                let contact = call.dialog.contact.clone();
                core.reply(&key, 202, &[(HeaderName::Contact, contact)]);
                core.notify_refer(call, i, 100);
            }
            Ok(())
        })
    }

    pub(crate) fn refer_reject(&mut self, leg: LegId, token: ReferToken, status: u16) -> Result<(), E> {
        if !(300..=699).contains(&status) {
            return Err(E::OutOfRange("the final status"));
        }
        self.on_call(leg, |core, call| {
            let at = call
                .refers
                .iter()
                .position(|r| r.token == token && r.key.is_some());
            let Some(key) = at.and_then(|i| call.refers.remove(i).key) else {
                return Err(E::UnknownRefer);
            };
            core.reply(&key, status, &[]);
            Ok(())
        })
    }

    pub(crate) fn refer_progress(&mut self, leg: LegId, token: ReferToken, status: u16) -> Result<(), E> {
        if !(100..=699).contains(&status) {
            return Err(E::OutOfRange("the status"));
        }
        self.on_call(leg, |core, call| {
            let Some(i) = call.refers.iter().position(|r| r.token == token) else {
                return Err(E::UnknownRefer);
            };
            if call.refers[i].key.is_some() {
                return Err(E::WrongState("telling of a transfer that is not accepted"));
            }
            core.notify_refer(call, i, status);
            if status >= 200 {
                call.refers.remove(i);
            }
            Ok(())
        })
    }

    /// How the transfer goes, as the first line of the response it met (RFC 3515 2.4.4).
    fn notify_refer(&mut self, call: &mut Call, i: usize, status: u16) {
        let refer = &call.refers[i];
        if refer.silent || !Self::is_confirmed(call) {
            return;
        }
        let (id, branch) = (refer.id, self.branch());
        let mut r = call.dialog.request(Method::Notify, &branch);
        let state = if status < 200 {
            format!("active;expires={SUBSCRIBED_S}")
        } else {
            "terminated;reason=noresource".to_owned()
        };
        let h = &mut r.headers;
        wire::push(h, HeaderName::Contact, call.dialog.contact.clone());
        wire::push(h, HeaderName::Event, format!("refer;id={id}"));
        wire::push(h, HeaderName::SubscriptionState, state);
        let text = format!("SIP/2.0 {status} {}\r\n", wire::reason(status));
        let body = wire::set_body(h, Some(("message/sipfrag;version=2.0", text.as_bytes())));
        r.set_body(body);
        let hop = self.hop_for(call);
        self.send_request(r, hop, Purpose::Notify);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_is_read() {
        let r = Replaces::parse(b"a@b;to-tag=1 ;From-Tag=2;early-only;x").unwrap();
        assert_eq!(
            (&r.call_id[..], &r.to_tag[..], &r.from_tag[..]),
            (&b"a@b"[..], &b"1"[..], &b"2"[..])
        );
        assert!(r.early_only);
        for bad in [
            "",
            "a",
            "a;to-tag=1",
            "a;to-tag=1;to-tag=2;from-tag=3",
            ";to-tag=1;from-tag=2",
        ] {
            assert_eq!(Replaces::parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn escapes_are_taken_out() {
        assert_eq!(unescape(b"a%40b%3Bto-tag%3d1%"), b"a@b;to-tag=1%");
        assert_eq!(unescape(b"%zz%4"), b"%zz%4");
    }
}
