//! Finds the messages in a stream.
//!
//! The SIP library's own framer gives a connection up at the first message it cannot parse. A trunk's connection
//! carries all of its calls, so one bad message must not cost it: this framer looks only for the end of the head and
//! for Content-Length, and leaves judgement to the gate. Only when the length itself cannot be known is the stream
//! lost, because guessing where the next message starts turns a body into a request (RFC 4475 3.1.2.3).

use anteroom_types::limits::SIP_MESSAGE_BYTES_MAX;
use bytes::{Buf, Bytes, BytesMut};

/// What the stream held.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// One message.
    Message(Bytes),
    /// A double CRLF: to be answered with one CRLF (RFC 5626 4.4.1).
    Ping,
    /// A head whose body cannot be told; the gate may answer it, then the connection is to be closed.
    Lost(Bytes),
    /// More than a message may have; the connection is to be closed.
    TooLong,
}

/// Holds at most one partial message.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    buf: BytesMut,
    scanned: usize,
}

impl Framer {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.buf.extend_from_slice(chunk);
    }

    /// Bytes of a message that has not ended.
    pub(crate) fn pending(&self) -> usize {
        self.buf.len()
    }

    pub(crate) fn next(&mut self) -> Option<Frame> {
        if self.scanned == 0 {
            if self.buf.starts_with(b"\r\n\r\n") {
                self.buf.advance(4);
                return Some(Frame::Ping);
            }
            // A single CRLF is a pong, or stray; it waits until what follows is known, as it may be half a ping.
            if self.buf.len() > 2 && self.buf.starts_with(b"\r\n") && self.buf[2] != b'\r' {
                self.buf.advance(2);
            }
            if self.buf.starts_with(b"\r\n") || self.buf.as_ref() == b"\r" {
                if self.buf.len() > 3 {
                    self.buf.advance(2);
                    return self.next();
                }
                return None;
            }
        }
        let from = self.scanned.saturating_sub(3);
        let Some(at) = crate::wire::find(&self.buf[from..], b"\r\n\r\n") else {
            self.scanned = self.buf.len();
            if self.buf.len() > SIP_MESSAGE_BYTES_MAX {
                self.buf.clear();
                self.scanned = 0;
                return Some(Frame::TooLong);
            }
            return None;
        };
        let head = from + at + 4;
        match content_length(&self.buf[..head]) {
            Some(body) if head.saturating_add(body) > SIP_MESSAGE_BYTES_MAX => {
                self.buf.clear();
                self.scanned = 0;
                Some(Frame::TooLong)
            }
            Some(body) if self.buf.len() < head + body => {
                // So that the same end of the head is found again when more has come.
                self.scanned = head - 1;
                None
            }
            Some(body) => {
                self.scanned = 0;
                Some(Frame::Message(self.buf.split_to(head + body).freeze()))
            }
            None => {
                self.scanned = 0;
                let lost = self.buf.split_to(head).freeze();
                self.buf.clear();
                Some(Frame::Lost(lost))
            }
        }
    }
}

/// The length of the body, or `None` when it cannot be known: not a number, contradictory, or missing although the
/// head announces a body.
fn content_length(head: &[u8]) -> Option<usize> {
    let mut found: Option<usize> = None;
    let mut typed = false;
    for line in head.split(|&b| b == b'\n') {
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            continue;
        };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        typed |= name.eq_ignore_ascii_case(b"content-type") || name.eq_ignore_ascii_case(b"c");
        if name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"l") {
            let n = std::str::from_utf8(value)
                .ok()
                .filter(|v| v.bytes().all(|b| b.is_ascii_digit()))
                .and_then(|v| v.parse::<usize>().ok())?;
            if found.is_some_and(|f| f != n) {
                return None;
            }
            found = Some(n);
        }
    }
    match found {
        Some(n) => Some(n),
        None if typed => None,
        None => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(f: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| f.next()).collect()
    }

    #[test]
    fn messages_are_found_at_every_split() {
        let all = b"\r\n\r\nA b SIP/2.0\r\nContent-Length: 3\r\n\r\nxyz\r\nB b SIP/2.0\r\nl: 0\r\n\r\n";
        for cut in 0..all.len() {
            let mut f = Framer::default();
            f.push(&all[..cut]);
            let mut got = frames(&mut f);
            f.push(&all[cut..]);
            got.extend(frames(&mut f));
            assert_eq!(got.len(), 3, "cut at {cut}: {got:?}");
            assert_eq!(got[0], Frame::Ping);
            assert!(matches!(&got[1], Frame::Message(m) if m.ends_with(b"xyz")));
            assert!(matches!(&got[2], Frame::Message(m) if m.starts_with(b"B b")));
            assert_eq!(f.pending(), 0);
        }
    }

    #[test]
    fn a_bad_message_does_not_end_the_stream_but_an_unknowable_length_does() {
        let mut f = Framer::default();
        f.push(b"garbage here\r\n\r\nA b SIP/2.0\r\n\r\nA b SIP/2.0\r\nContent-Length: -3\r\n\r\nxyz");
        let got = frames(&mut f);
        assert!(matches!(got[0], Frame::Message(_)) && matches!(got[1], Frame::Message(_)));
        assert!(matches!(got[2], Frame::Lost(_)));
    }

    #[test]
    fn a_message_has_a_limit() {
        let mut f = Framer::default();
        f.push(&vec![b'x'; SIP_MESSAGE_BYTES_MAX + 1]);
        assert_eq!(f.next(), Some(Frame::TooLong));
        f.push(b"A b SIP/2.0\r\nContent-Length: 9999999\r\n\r\n");
        assert_eq!(f.next(), Some(Frame::TooLong));
        assert_eq!(f.pending(), 0);
    }
}
