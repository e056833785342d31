//! The keep-alive of RFC 5626 over UDP: a STUN Binding request on the SIP port, answered with where it came from
//! (RFC 8489). A telephone that gets no answer takes its flow for dead and registers again.

use bytes::{BufMut, Bytes, BytesMut};
use std::net::{IpAddr, SocketAddr};

const COOKIE: u32 = 0x2112_a442;
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
/// Attributes from here on may be passed over by who does not know them.
const OPTIONAL: u16 = 0x8000;

fn word(raw: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(raw.get(at..at + 2)?.try_into().ok()?))
}

/// The answer to a datagram when it is such a request; nothing for anything else, and nothing that needs credentials.
pub(crate) fn answer(raw: &[u8], source: SocketAddr) -> Option<Bytes> {
    let cookie = raw.get(4..8)?;
    let length = usize::from(word(raw, 2)?);
    if word(raw, 0)? != REQUEST || cookie != COOKIE.to_be_bytes() || raw.len() != 20 + length {
        return None;
    }
    let mut at = 20;
    while at < raw.len() {
        let (kind, len) = (word(raw, at)?, usize::from(word(raw, at + 2)?));
        if kind < OPTIONAL {
            return None;
        }
        at += 4 + len.next_multiple_of(4);
    }
    let id = raw.get(8..20)?;
    let mut mask = COOKIE.to_be_bytes().to_vec();
    mask.extend_from_slice(id);
    let (family, ip) = match source.ip() {
        IpAddr::V4(v) => (1, v.octets().to_vec()),
        IpAddr::V6(v) => (2, v.octets().to_vec()),
    };
    let value = u16::try_from(4 + ip.len()).ok()?;
    let mut out = BytesMut::with_capacity(44);
    out.put_u16(SUCCESS);
    out.put_u16(4 + value);
    out.put_u32(COOKIE);
    out.put_slice(id);
    out.put_u16(XOR_MAPPED_ADDRESS);
    out.put_u16(value);
    out.put_u16(family);
    out.put_u16(source.port() ^ 0x2112);
    for (b, m) in ip.iter().zip(&mask) {
        out.put_u8(b ^ m);
    }
    Some(out.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(attributes: &[u8]) -> Vec<u8> {
        let mut r = vec![0, 1, 0, attributes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
        // The transaction id of RFC 5769 2.2.
        r.extend_from_slice(&[
            0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae,
        ]);
        r.extend_from_slice(attributes);
        r
    }

    #[test]
    fn the_mapped_address_is_that_of_rfc_5769() {
        let source: SocketAddr = "192.0.2.1:32853".parse().unwrap();
        let got = answer(&request(&[]), source).unwrap();
        assert_eq!(&got[..4], [1, 1, 0, 12]);
        assert_eq!(
            &got[20..],
            [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]
        );
        // RFC 5769 2.3.
        let source: SocketAddr = "[2001:db8:1234:5678:11:2233:4455:6677]:32853".parse().unwrap();
        let got = answer(&request(&[]), source).unwrap();
        assert_eq!(&got[24..32], [0, 2, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa]);
        assert_eq!(got.len(), 44);
    }

    #[test]
    fn only_plain_requests_are_answered() {
        let source: SocketAddr = "192.0.2.1:1".parse().unwrap();
        assert!(answer(&request(&[0x80, 0x22, 0, 2, b'x', b'y', 0, 0]), source).is_some());
        let mut cut = request(&[]);
        cut.pop();
        for bad in [
            request(&[0, 6, 0, 0]),
            request(&[0x80, 0x22, 0]),
            cut,
            b"OPTIONS sip:a SIP/2.0\r\n\r\n".to_vec(),
            Vec::new(),
        ] {
            assert_eq!(answer(&bad, source), None, "{bad:?}");
        }
    }
}
