//! RTP packets on the wire (RFC 3550 5.1), parsed by `rtc-rtp` behind our own limits.

use anteroom_types::limits::RTP_DATAGRAM_BYTES_MAX;
use bytes::Bytes;
use rtc_rtp::packet::Packet;
use rtc_shared::marshal::Unmarshal;

/// Bytes of the fixed header.
pub(crate) const HEADER_BYTES: usize = 12;

/// An RTP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rtp {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) payload: Bytes,
}

/// What a datagram on a media port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rtp,
    Rtcp,
    /// STUN, DTLS, something too long, too short, or not of version 2.
    Neither,
}

/// Tells RTP and RTCP apart by their second byte (RFC 5761 4) and drops what is of no RTP version or size.
pub(crate) fn kind(datagram: &[u8]) -> Kind {
    match datagram {
        d if d.len() > RTP_DATAGRAM_BYTES_MAX || d.len() < 8 => Kind::Neither,
        [first, ..] if first >> 6 != 2 => Kind::Neither,
        [_, second, ..] if (192..=223).contains(second) => Kind::Rtcp,
        d if d.len() < HEADER_BYTES => Kind::Neither,
        _ => Kind::Rtp,
    }
}

/// The SSRC of a datagram that is RTP; it is never encrypted.
pub(crate) fn ssrc(datagram: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(datagram.get(8..12)?.try_into().ok()?))
}

/// Parses a plain packet; `None` if it is malformed.
pub(crate) fn parse(datagram: &[u8]) -> Option<Rtp> {
    if kind(datagram) != Kind::Rtp {
        return None;
    }
    let mut bytes = Bytes::copy_from_slice(datagram);
    let p = Packet::unmarshal(&mut bytes).ok()?;
    Some(Rtp {
        payload_type: p.header.payload_type,
        marker: p.header.marker,
        seq: p.header.sequence_number,
        timestamp: p.header.timestamp,
        ssrc: p.header.ssrc,
        payload: p.payload,
    })
}

/// Builds a packet without padding, extension or contributing sources; that is all we ever send.
pub(crate) fn packet(
    payload_type: u8,
    seq: u16,
    marker: bool,
    timestamp: u32,
    ssrc: u32,
    payload: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_BYTES + payload.len());
    out.push(0x80);
    out.push(payload_type & 0x7f | if marker { 0x80 } else { 0 });
    out.extend_from_slice(&seq.to_be_bytes());
    out.extend_from_slice(&timestamp.to_be_bytes());
    out.extend_from_slice(&ssrc.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// Extends a 16-bit sequence number to the count nearest `near`.
pub(crate) fn extend_seq(seq: u16, near: i64) -> i64 {
    let delta = i64::from(seq.wrapping_sub(near as u16).cast_signed());
    near + delta
}

/// Extends a 32-bit timestamp to the count nearest `near`.
pub(crate) fn extend_timestamp(ts: u32, near: i64) -> i64 {
    let delta = i64::from(ts.wrapping_sub(near as u32).cast_signed());
    near + delta
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_built_is_parsed() {
        let d = packet(101, 65_535, true, 0xffff_fff0, 7, &[1, 2, 3]);
        let p = parse(&d).unwrap();
        assert_eq!(
            (p.payload_type, p.marker, p.seq, p.timestamp, p.ssrc),
            (101, true, 65_535, 0xffff_fff0, 7)
        );
        assert_eq!(&p.payload[..], [1, 2, 3]);
        assert_eq!(ssrc(&d), Some(7));
    }

    #[test]
    fn other_traffic_is_told_apart() {
        assert_eq!(kind(&[0x80, 200, 0, 6, 0, 0, 0, 0]), Kind::Rtcp);
        assert_eq!(kind(&[0x80, 0, 0, 6, 0, 0, 0, 0]), Kind::Neither);
        assert_eq!(
            kind(&[0x00, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0]),
            Kind::Neither
        );
        assert_eq!(kind(&[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), Kind::Neither);
        assert_eq!(kind(&[0x80; 1_501]), Kind::Neither);
        assert_eq!(kind(&[]), Kind::Neither);
    }

    #[test]
    fn counters_are_extended_over_their_wrap() {
        assert_eq!(extend_seq(2, 65_530), 65_538);
        assert_eq!(extend_seq(65_530, 65_538), 65_530);
        assert_eq!(extend_timestamp(16, 0xffff_fff0), 0x1_0000_0010);
    }
}
