//! Small tools for building and reading messages.

use crate::config::Transport;
use bytes::Bytes;
use sipx_sip::headers::{ContentType, Via};
use sipx_sip::{Header, HeaderName, Headers, Message, Request, Response, StatusCode};
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Methods we take, as in `Allow`.
pub(crate) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO";
/// Extensions we speak, as in `Supported`.
pub(crate) const SUPPORTED: &str = "100rel, timer";
/// What is allowed besides when telephones register here.
pub(crate) const ALLOW_REGISTRAR: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO, REGISTER, REFER, SUBSCRIBE, NOTIFY";
/// Extensions we speak with telephones that register here.
pub(crate) const SUPPORTED_REGISTRAR: &str = "100rel, timer, replaces, norefersub, path, outbound";
/// Bodies we read in an INVITE or UPDATE.
pub(crate) const ACCEPT: &str = "application/sdp, multipart/mixed, multipart/alternative";

/// One hop: where a message came from or goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) transport: Transport,
    /// The far end's address.
    pub(crate) remote: SocketAddr,
    /// Our address as written into Via and Contact.
    pub(crate) local: SocketAddr,
    /// The UDP socket, by its place among the listeners.
    pub(crate) socket: usize,
    /// The stream connection, if one is known.
    pub(crate) conn: Option<u64>,
    /// The name a TLS server must prove.
    pub(crate) server_name: Option<Arc<str>>,
}

impl Hop {
    pub(crate) fn reliability(&self) -> sipx_sip::Reliability {
        if self.transport.is_stream() {
            sipx_sip::Reliability::Reliable
        } else {
            sipx_sip::Reliability::Unreliable
        }
    }
}

/// Appends a header. A value that would break the line is left out: nothing from outside is written unchecked.
/// `X-Anteroom-Call`: the call a leg belongs to, for a page of ours to find it by.
pub(crate) fn call_header() -> HeaderName {
    HeaderName::parse(&Bytes::from_static(b"X-Anteroom-Call"))
}

pub(crate) fn push(headers: &mut Headers, name: HeaderName, value: impl Into<Bytes>) {
    if let Ok(h) = Header::build(name, value) {
        headers.push(h);
    }
}

/// Replaces all headers of a name.
pub(crate) fn set(headers: &mut Headers, name: HeaderName, value: impl Into<Bytes>) {
    headers.remove_all(&name);
    push(headers, name, value);
}

/// Sets the body with its type and length.
pub(crate) fn set_body(headers: &mut Headers, body: Option<(&str, &[u8])>) -> Bytes {
    headers.remove_all(&HeaderName::ContentLength);
    headers.remove_all(&HeaderName::ContentType);
    match body {
        Some((kind, body)) => {
            push(headers, HeaderName::ContentType, kind.to_owned());
            push(headers, HeaderName::ContentLength, body.len().to_string());
            Bytes::copy_from_slice(body)
        }
        None => {
            push(headers, HeaderName::ContentLength, "0");
            Bytes::new()
        }
    }
}

/// The standard reason phrase.
pub(crate) const fn reason(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        200 => "OK",
        202 => "Accepted",
        302 => "Moved Temporarily",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        410 => "Gone",
        413 => "Request Entity Too Large",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        407 => "Proxy Authentication Required",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        600 => "Busy Everywhere",
        603 => "Decline",
        _ => "Unspecified",
    }
}

/// A response to `request` with the headers RFC 3261 8.2.6.2 asks for. The gate has seen to it that they are there.
pub(crate) fn response(request: &Request, status: u16, to_tag: Option<&[u8]>) -> Response {
    let code = status_code(status);
    let mut r = Response::new(code, reason(status));
    for name in [
        HeaderName::Via,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
    ] {
        for h in request.headers.get_all(&name) {
            if name == HeaderName::To
                && let Some(tag) = to_tag
                && !has_tag(&h.value())
            {
                push(&mut r.headers, HeaderName::To, with_tag(&h.value(), tag));
            } else {
                r.headers.push(h.clone());
            }
        }
    }
    if (101..300).contains(&status) {
        for h in request.headers.get_all(&HeaderName::RecordRoute) {
            r.headers.push(h.clone());
        }
    }
    push(&mut r.headers, HeaderName::ContentLength, "0");
    r
}

/// A status brought into the range of status codes, 100 to 699.
pub(crate) fn status_code(status: u16) -> StatusCode {
    StatusCode::new(status.clamp(100, 699)).unwrap_or_else(|| unreachable!("the code is in range"))
}

/// A From or To value with a tag appended.
pub(crate) fn with_tag(value: &[u8], tag: &[u8]) -> Bytes {
    let mut v = value.to_vec();
    v.extend_from_slice(b";tag=");
    v.extend_from_slice(tag);
    v.into()
}

/// Whether a From or To value has a tag.
pub(crate) fn has_tag(value: &[u8]) -> bool {
    sipx_sip::headers::Address::parse(value, "To").is_ok_and(|a| a.tag().is_some())
}

/// The tag of the To header.
pub(crate) fn to_tag(h: &Headers) -> Option<Bytes> {
    let to = h.typed::<sipx_sip::headers::To>()?.ok()?;
    to.tag().map(Bytes::copy_from_slice)
}

/// The tag of the From header.
pub(crate) fn from_tag(h: &Headers) -> Option<Bytes> {
    let from = h.typed::<sipx_sip::headers::From>()?.ok()?;
    from.tag().map(Bytes::copy_from_slice)
}

/// A header's value, unfolded.
pub(crate) fn value(h: &Headers, name: &HeaderName) -> Option<Bytes> {
    h.value(name).map(|v| Bytes::copy_from_slice(&v))
}

/// CSeq number.
pub(crate) fn cseq(h: &Headers) -> Option<u32> {
    Some(h.typed::<sipx_sip::headers::CSeq>()?.ok()?.sequence)
}

/// Whether a token list header (possibly repeated) has `token`.
pub(crate) fn has_token(h: &Headers, name: &HeaderName, token: &str) -> bool {
    h.get_all(name).any(|x| {
        x.value()
            .split(|&b| b == b',')
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Writes `received` and `rport` into the topmost Via (RFC 3261 18.2.1, RFC 3581 4).
pub(crate) fn stamp_via(request: &mut Request, source: SocketAddr) {
    let Some(raw) = value(&request.headers, &HeaderName::Via) else {
        return;
    };
    let end = sipx_sip::headers::first_hop_end(&raw).min(raw.len());
    let (first, rest) = raw.split_at(end);
    let Ok(via) = Via::parse_one(first) else {
        return;
    };
    let differs = match &via.host {
        sipx_sip::Host::Ip(ip) => *ip != source.ip(),
        sipx_sip::Host::Name(_) => true,
    };
    if !differs && via.rport().is_none() {
        return;
    }
    let mut out = Vec::with_capacity(first.len() + 48);
    // Parameters before ours are kept byte for byte; only an empty rport and a forged received are replaced.
    let mut parts = split_params(first).into_iter();
    if let Some(head) = parts.next() {
        out.extend_from_slice(head.trim_ascii_end());
    }
    for p in parts {
        let name = p.split(|&b| b == b'=').next().unwrap_or(p).trim_ascii();
        if name.eq_ignore_ascii_case(b"rport") || name.eq_ignore_ascii_case(b"received") {
            continue;
        }
        out.push(b';');
        out.extend_from_slice(p);
    }
    let mut tail = format!(";received={}", source.ip());
    if via.rport().is_some() {
        let _ = write!(tail, ";rport={}", source.port());
    }
    out.extend_from_slice(tail.as_bytes());
    out.extend_from_slice(rest);
    if let Ok(h) = Header::build(HeaderName::Via, out) {
        request.headers.remove_first(&HeaderName::Via);
        request.headers.push_front(h);
    }
}

/// Splits at semicolons outside quotes.
fn split_params(v: &[u8]) -> Vec<&[u8]> {
    let (mut out, mut start, mut quoted, mut i) = (Vec::new(), 0, false, 0);
    while i < v.len() {
        match v[i] {
            b'\\' if quoted => i += 1,
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                out.push(&v[start..i]);
                start = i + 1;
            }
            _ => {}
        }
        i += 1;
    }
    out.push(&v[start.min(v.len())..]);
    out
}

/// Host part for a URI: IPv6 in brackets.
pub(crate) fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v) => v.to_string(),
        IpAddr::V6(v) => format!("[{v}]"),
    }
}

/// The body of a message as text when it is a session description; multipart bodies are searched (RFC 5621).
///
/// # Errors
/// 415 for a body we cannot read, 413 for one over the limit, 400 for one that is not text.
pub(crate) fn sdp_of(headers: &Headers, body: &Bytes) -> Result<Option<String>, u16> {
    if body.is_empty() {
        return Ok(None);
    }
    if body.len() > anteroom_types::limits::SDP_BYTES_MAX {
        return Err(413);
    }
    if let Some(v) = headers.value(&HeaderName::ContentEncoding)
        && !v.eq_ignore_ascii_case(b"identity")
    {
        return Err(415);
    }
    let kind = match headers.typed::<ContentType>() {
        None => return Err(400),
        Some(Err(_)) => return Err(400),
        Some(Ok(k)) => k,
    };
    if kind.is("application", "sdp") {
        return as_text(body).map(Some);
    }
    if kind.media_type == b"multipart" {
        let boundary = kind.param("boundary").ok_or(400u16)?;
        return match multipart_sdp(body, boundary) {
            Some(part) => as_text(part).map(Some),
            None => Err(415),
        };
    }
    Err(415)
}

fn as_text(b: &[u8]) -> Result<String, u16> {
    // A session name may be in another character set than UTF-8; nothing we use is outside ASCII.
    Ok(String::from_utf8_lossy(b).into_owned())
}

/// The first application/sdp part.
fn multipart_sdp<'a>(body: &'a [u8], boundary: &[u8]) -> Option<&'a [u8]> {
    if boundary.is_empty() || boundary.len() > 70 {
        return None;
    }
    let mut mark = b"--".to_vec();
    mark.extend_from_slice(boundary);
    let mut rest = body;
    let mut parts = Vec::new();
    while let Some(at) = find(rest, &mark) {
        parts.push(&rest[..at]);
        rest = &rest[at + mark.len()..];
        if parts.len() > 16 || rest.starts_with(b"--") {
            break;
        }
    }
    for part in parts.into_iter().skip(1) {
        let part = part.strip_prefix(b"\r\n").unwrap_or(part);
        let split = find(part, b"\r\n\r\n")?;
        let head = part[..split].to_ascii_lowercase();
        let is_sdp = head.split(|&b| b == b'\n').any(|l| {
            l.strip_prefix(b"content-type:")
                .is_some_and(|v| v.trim_ascii().starts_with(b"application/sdp"))
        });
        if is_sdp {
            let b = &part[split + 4..];
            return Some(b.strip_suffix(b"\r\n").unwrap_or(b));
        }
    }
    None
}

/// First place of `needle`.
pub(crate) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

/// Message to bytes.
pub(crate) fn bytes(m: &Message) -> Bytes {
    m.to_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sipx_sip::{Limits, parse_datagram};

    fn request(via: &str) -> Request {
        let text = format!(
            "OPTIONS sip:a@b SIP/2.0\r\nVia: {via}\r\nVia: SIP/2.0/UDP second;branch=z9hG4bK2\r\nTo: <sip:a@b>\r\n\
             From: <sip:c@d>;tag=1\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n\r\n"
        );
        match parse_datagram(text.into_bytes().into(), &Limits::datagram()) {
            Ok(Message::Request(r)) => r,
            other => panic!("{other:?}"),
        }
    }

    fn check(via: &str, expected: &str) {
        let mut r = request(via);
        stamp_via(&mut r, "192.0.2.7:4444".parse().unwrap());
        assert_eq!(value(&r.headers, &HeaderName::Via).unwrap(), expected.as_bytes());
        assert_eq!(r.headers.count(&HeaderName::Via), 2);
    }

    #[test]
    fn the_topmost_via_learns_where_the_request_came_from() {
        check(
            "SIP/2.0/UDP 192.0.2.7:4444;branch=z9hG4bK1",
            "SIP/2.0/UDP 192.0.2.7:4444;branch=z9hG4bK1",
        );
        check(
            "SIP/2.0/UDP 10.0.0.1;rport;branch=z9hG4bK1",
            "SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.7;rport=4444",
        );
        check(
            "SIP/2.0/UDP pbx;received=6.6.6.6;branch=z9hG4bK1, SIP/2.0/UDP x;branch=z9hG4bK9",
            "SIP/2.0/UDP pbx;branch=z9hG4bK1;received=192.0.2.7, SIP/2.0/UDP x;branch=z9hG4bK9",
        );
    }

    #[test]
    fn a_session_description_is_found_in_a_multipart_body() {
        let mut h = Headers::new();
        push(&mut h, HeaderName::ContentType, "multipart/mixed;boundary=bb");
        let body = Bytes::from_static(
            b"--bb\r\nContent-Type: text/plain\r\n\r\nhi\r\n--bb\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--bb--\r\n",
        );
        assert_eq!(sdp_of(&h, &body), Ok(Some("v=0\r\n".into())));
        set(&mut h, HeaderName::ContentType, "text/plain");
        assert_eq!(sdp_of(&h, &body), Err(415));
        assert_eq!(sdp_of(&h, &Bytes::new()), Ok(None));
    }
}
