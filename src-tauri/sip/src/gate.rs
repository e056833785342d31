//! What stands between the sockets and the transactions: limits, the parser, and the checks of RFC 3261 8.2 and
//! RFC 4475 that decide whether a message may be acted on at all.
//!
//! A malformed request is answered without state, with what can be read of it; a malformed response is dropped.
//! The library's parser works on bytes, so a header in Latin-1 does not lose the call.

use crate::wire;
use anteroom_types::limits::SIP_MESSAGE_BYTES_MAX;
use bytes::Bytes;
use sipx_sip::error::{LimitKind, ParseError};
use sipx_sip::headers::{ContactValue, RecordRoute, Route, Via};
use sipx_sip::{
    Finding, HeaderName, Headers, Limits, Message, Method, Request, Response, Uri, parse_datagram,
    validate_request, validate_response,
};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;

/// What is to be done with bytes that came.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// A message that can be acted on.
    Request(Box<Request>),
    /// A response that can be acted on.
    Response(Box<Response>),
    /// A malformed request, and its answer.
    Refuse(Bytes),
    /// A keep-alive.
    KeepAlive,
    /// Nothing to be done, and nobody to tell.
    Drop,
}

/// The parser's limits.
fn limits() -> Limits {
    Limits {
        max_message_bytes: SIP_MESSAGE_BYTES_MAX,
        max_body_bytes: SIP_MESSAGE_BYTES_MAX,
        ..Limits::datagram()
    }
}

/// Judges one datagram, or one message of a stream. `key` makes the To tags of stateless answers unguessable.
pub(crate) fn examine(raw: &Bytes, source: SocketAddr, key: u64) -> Verdict {
    if raw.iter().all(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return Verdict::KeepAlive;
    }
    match parse_datagram(raw.clone(), &limits()) {
        Ok(Message::Request(r)) => match fault(&r) {
            None => Verdict::Request(Box::new(r)),
            Some(status) => refuse(raw, status, source, key),
        },
        Ok(Message::Response(r)) => {
            if validate_response(&r).is_empty() && all_parse::<Via>(&r.headers) {
                Verdict::Response(Box::new(r))
            } else {
                Verdict::Drop
            }
        }
        Err(e) => refuse(raw, status_of(&e), source, key),
    }
}

fn status_of(e: &ParseError) -> u16 {
    match e {
        ParseError::Limit {
            limit: LimitKind::MessageBytes | LimitKind::BodyBytes,
            ..
        } => 413,
        _ => 400,
    }
}

fn all_parse<H: sipx_sip::TypedHeader + 'static>(h: &Headers) -> bool {
    h.typed_all::<H>().all(|x| x.is_ok())
}

/// The status a parsed request must be refused with, if any.
fn fault(r: &Request) -> Option<u16> {
    let findings = validate_request(r);
    if findings.contains(&Finding::UnsupportedVersion) {
        return Some(505);
    }
    // A missing Max-Forwards is what RFC 2543 elements send (RFC 4475 3.4.1); we are the end of the way.
    if findings.iter().any(|f| !f.is_repairable()) {
        return Some(400);
    }
    let h = &r.headers;
    let single = [
        HeaderName::ContentType,
        HeaderName::Expires,
        HeaderName::RAck,
        HeaderName::SessionExpires,
        HeaderName::MinSe,
    ];
    // Nothing after the cookie: such transactions cannot be told apart (RFC 4475 3.2.1).
    let nameless = h
        .typed::<Via>()
        .and_then(Result::ok)
        .is_some_and(|v| v.branch() == Some(sipx_sip::headers::BRANCH_MAGIC_COOKIE));
    let ok = !nameless
        && all_parse::<Via>(h)
        && all_parse::<ContactValue>(h)
        && all_parse::<RecordRoute>(h)
        && all_parse::<Route>(h)
        && single.iter().all(|n| h.count(n) <= 1)
        && expires_ok(h);
    (!ok).then_some(400)
}

/// Expires beyond 32 bits is malformed (RFC 4475 3.1.2.4).
fn expires_ok(h: &Headers) -> bool {
    !matches!(h.typed::<sipx_sip::headers::misc::Expires>(), Some(Err(_)))
}

/// Answers a request from what can be read of its head. ACK is never answered (RFC 3261 17).
fn refuse(raw: &[u8], status: u16, source: SocketAddr, key: u64) -> Verdict {
    let end = wire::find(raw, b"\r\n\r\n").unwrap_or(raw.len());
    let lines = unfold(&raw[..end]);
    let Some((start, rest)) = lines.split_first() else {
        return Verdict::Drop;
    };
    let words: Vec<&[u8]> = start.split(|&b| b == b' ').filter(|w| !w.is_empty()).collect();
    let (Some(method), Some(version)) = (words.first(), words.last()) else {
        return Verdict::Drop;
    };
    let is_version = |w: &[u8]| w.len() > 4 && w[..4].eq_ignore_ascii_case(b"SIP/");
    if words.len() < 3 || is_version(method) || !is_version(version) || *method == b"ACK" {
        return Verdict::Drop;
    }
    let status = if version.eq_ignore_ascii_case(b"SIP/2.0") {
        status
    } else {
        505
    };
    let mut echo = Request::new(Method::Options, dummy_uri());
    for line in rest {
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            continue;
        };
        let name = HeaderName::parse(&Bytes::copy_from_slice(line[..colon].trim_ascii()));
        let repeated = name != HeaderName::Via && echo.headers.get(&name).is_some();
        let wanted = matches!(
            name,
            HeaderName::Via | HeaderName::From | HeaderName::To | HeaderName::CallId | HeaderName::CSeq
        );
        if wanted && !repeated {
            let value = Bytes::copy_from_slice(line[colon + 1..].trim_ascii());
            wire::push(&mut echo.headers, name, value);
        }
    }
    if echo.headers.get(&HeaderName::Via).is_none() {
        return Verdict::Drop;
    }
    wire::stamp_via(&mut echo, source);
    let tag = stateless_tag(&echo.headers, key);
    let mut response = wire::response(&echo, status, Some(tag.as_bytes()));
    wire::push(&mut response.headers, HeaderName::Allow, wire::ALLOW);
    Verdict::Refuse(wire::bytes(&Message::Response(response)))
}

/// The same tag for the same request, so that its retransmissions get the same answer (RFC 3261 8.2.7).
pub(crate) fn stateless_tag(h: &Headers, key: u64) -> String {
    let mut hash = DefaultHasher::new();
    key.hash(&mut hash);
    for name in [HeaderName::CallId, HeaderName::From, HeaderName::CSeq] {
        h.value(&name).map(|v| v.to_vec()).hash(&mut hash);
    }
    format!("s{:016x}", hash.finish())
}

fn dummy_uri() -> Uri {
    Uri::sip(sipx_sip::Host::Ip(std::net::IpAddr::V4(
        std::net::Ipv4Addr::LOCALHOST,
    )))
}

/// Lines with continuations joined; both CRLF and LF end a line here, as this reads what the parser refused.
fn unfold(head: &[u8]) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = Vec::new();
    for line in head.split(|&b| b == b'\n').take(256) {
        let line: Vec<u8> = line.iter().copied().filter(|b| !matches!(b, b'\r' | 0)).collect();
        if line.first().is_some_and(|b| matches!(b, b' ' | b'\t'))
            && let Some(last) = out.last_mut()
        {
            last.push(b' ');
            last.extend_from_slice(line.trim_ascii());
        } else if !line.is_empty() {
            out.push(line);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx;rport\r\nTo: <sip:a@b>\r\n\
        From: \"Niccol\u{f2}\" <sip:c@d>;tag=1\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n";

    fn check(raw: &[u8], expected: &str) {
        let source = "192.0.2.9:5060".parse().unwrap();
        let got = match examine(&Bytes::copy_from_slice(raw), source, 7) {
            Verdict::Request(_) => "request".to_owned(),
            Verdict::Response(_) => "response".to_owned(),
            Verdict::KeepAlive => "keepalive".to_owned(),
            Verdict::Drop => "drop".to_owned(),
            Verdict::Refuse(b) => String::from_utf8_lossy(&b)[8..11].to_owned(),
        };
        assert_eq!(got, expected, "{}", String::from_utf8_lossy(raw));
    }

    #[test]
    fn good_messages_pass_and_bad_ones_get_their_status() {
        check(GOOD.as_bytes(), "request");
        let mut raw = GOOD.as_bytes().to_vec();
        let at = wire::find(&raw, "\u{f2}".as_bytes()).unwrap();
        raw.splice(at..at + 2, [0xf2]);
        check(&raw, "request");
        check(GOOD.replace("SIP/2.0\r\nVia", "SIP/7.0\r\nVia").as_bytes(), "505");
        check(GOOD.replace("Call-ID: x\r\n", "").as_bytes(), "400");
        check(GOOD.replace("sip:a@b SIP", "<sip:a@b> SIP").as_bytes(), "400");
        check(GOOD.replace("Max-Forwards: 70\r\n", "").as_bytes(), "request");
        check(
            GOOD.replace("Max-Forwards: 70", "Expires: 99999999999")
                .as_bytes(),
            "400",
        );
        check(
            GOOD.replace("OPTIONS", "ACK")
                .replace("Call-ID: x\r\n", "")
                .as_bytes(),
            "drop",
        );
        check(b"\r\n\r\n", "keepalive");
        check(b"nonsense", "drop");
        check(b"SIP/2.0 4294967301 better not\r\n\r\n", "drop");
    }
}
