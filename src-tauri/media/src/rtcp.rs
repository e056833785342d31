//! RTCP: sender and receiver reports (RFC 3550 6.4), written and read with `rtc-rtcp`.
//!
//! Only the kinds of packet we act on are parsed; the rest of a compound is stepped over by its length.

use crate::stats::Reception;
use anteroom_types::Mono;
use bytes::Bytes;
use rtc_rtcp::goodbye::Goodbye;
use rtc_rtcp::packet::Packet;
use rtc_rtcp::receiver_report::ReceiverReport;
use rtc_rtcp::reception_report::ReceptionReport;
use rtc_rtcp::sender_report::SenderReport;
use rtc_rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};
use rtc_rtcp::transport_feedbacks::transport_layer_nack::{
    NackPair, TransportLayerNack, nack_pairs_from_sequence_numbers,
};
use rtc_shared::marshal::Unmarshal;

/// Time between reports (RFC 3550 6.2 asks for at least 5 s on average), varied by half either way.
pub(crate) const INTERVAL_MS: u64 = 5_000;
/// Packets that one feedback may ask for again.
const ASKED_MAX: usize = 32;
/// Packets of a compound that are looked at.
const PACKETS_MAX: usize = 16;

/// A moment in the format of NTP: seconds and 2^-32 seconds. It counts from the process's epoch, as RFC 3550 6.4.1
/// allows, so that no wall clock is needed and none is given away.
pub(crate) fn ntp(at: Mono) -> u64 {
    let (s, us) = (at.0 / 1_000_000, at.0 % 1_000_000);
    (s << 32) | ((us << 32) / 1_000_000)
}

/// The middle 32 bits, the form in which reports refer to a moment.
fn ntp_middle(at: Mono) -> u32 {
    (ntp(at) >> 16) as u32
}

/// What a peer's compound tells us.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Heard {
    /// The middle of the NTP time of the peer's sender report.
    pub(crate) sender_report: Option<(u32, u32)>,
    /// Round-trip time in milliseconds.
    pub(crate) rtt_ms: Option<f32>,
    /// Share of our packets lost, 0 to 1.
    pub(crate) remote_loss: Option<f32>,
    /// The peer has left.
    pub(crate) bye: bool,
    /// Packets of ours that it asks for again.
    pub(crate) asked: Vec<u16>,
}

/// The SSRC a compound's first packet is from.
pub(crate) fn ssrc(datagram: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(datagram.get(4..8)?.try_into().ok()?))
}

/// Reads a compound in plain; `ours` is our SSRC. `None` if it is malformed.
pub(crate) fn read(datagram: &[u8], ours: u32, now: Mono) -> Option<Heard> {
    let mut heard = Heard::default();
    let mut rest = datagram;
    for n in 0..PACKETS_MAX {
        let &[first, kind, l1, l0, ..] = rest else { break };
        if first >> 6 != 2 {
            return None;
        }
        let len = (usize::from(u16::from_be_bytes([l1, l0])) + 1) * 4;
        let one = rest.get(..len)?;
        match kind {
            200 => {
                let sr = SenderReport::unmarshal(&mut &one[..]).ok()?;
                heard.sender_report = Some((sr.ssrc, (sr.ntp_time >> 16) as u32));
                blocks(&sr.reports, ours, now, &mut heard);
            }
            201 => blocks(
                &ReceiverReport::unmarshal(&mut &one[..]).ok()?.reports,
                ours,
                now,
                &mut heard,
            ),
            203 => heard.bye = true,
            // Format 1 of transport feedback is a list of lost packets (RFC 4585 6.2.1).
            205 if first & 0x1f == 1 => {
                let nack = TransportLayerNack::unmarshal(&mut &one[..]).ok()?;
                if nack.media_ssrc == ours {
                    let asked = nack.nacks.iter().flat_map(NackPair::packet_list);
                    heard.asked.extend(asked.take(ASKED_MAX));
                }
            }
            // A compound begins with a report (RFC 3550 6.1), unless reduced-size reports are used (RFC 5506).
            _ if n == 0 && !(204..=207).contains(&kind) => return None,
            _ => {}
        }
        rest = &rest[len..];
    }
    Some(heard)
}

fn blocks(reports: &[ReceptionReport], ours: u32, now: Mono, heard: &mut Heard) {
    for r in reports.iter().filter(|r| r.ssrc == ours) {
        heard.remote_loss = Some(f32::from(r.fraction_lost) / 256.0);
        if r.last_sender_report != 0 {
            let rtt = ntp_middle(now)
                .wrapping_sub(r.last_sender_report)
                .wrapping_sub(r.delay);
            // A report that is wrong about its delay gives a time in the future, which wraps round.
            if rtt < 60 << 16 {
                heard.rtt_ms = Some(rtt as f32 * 1000.0 / 65_536.0);
            }
        }
    }
}

/// What we tell the peer of our sending.
pub(crate) struct Sent {
    pub(crate) ssrc: u32,
    pub(crate) packets: u32,
    pub(crate) octets: u32,
    /// RTP timestamp of this moment.
    pub(crate) timestamp: u32,
    /// Whether anything was sent since the last report; if not it is a receiver report.
    pub(crate) active: bool,
}

/// Writes a compound: a report, our CNAME, and a goodbye if `bye`. `last_sr` is the middle of the peer's last sender
/// report and when it came.
pub(crate) fn write(
    sent: &Sent,
    reception: Option<&mut Reception>,
    last_sr: Option<(u32, Mono)>,
    cname: &str,
    bye: bool,
    now: Mono,
) -> Option<Vec<u8>> {
    let reports: Vec<_> = reception
        .map(|r| ReceptionReport {
            ssrc: r.ssrc,
            fraction_lost: r.fraction_lost(),
            total_lost: r.lost_24(),
            last_sequence_number: r.highest(),
            jitter: r.jitter_ticks(),
            last_sender_report: last_sr.map_or(0, |(sr, _)| sr),
            delay: last_sr.map_or(0, |(_, at)| {
                u32::try_from(now.0.saturating_sub(at.0).saturating_mul(65_536) / 1_000_000)
                    .unwrap_or(u32::MAX)
            }),
        })
        .into_iter()
        .collect();
    let mut packets: Vec<Box<dyn Packet>> = Vec::with_capacity(3);
    packets.push(if sent.active {
        Box::new(SenderReport {
            ssrc: sent.ssrc,
            ntp_time: ntp(now),
            rtp_time: sent.timestamp,
            packet_count: sent.packets,
            octet_count: sent.octets,
            reports,
            profile_extensions: Bytes::new(),
        })
    } else {
        Box::new(ReceiverReport {
            ssrc: sent.ssrc,
            reports,
            profile_extensions: Bytes::new(),
        })
    });
    packets.push(Box::new(description(sent.ssrc, cname)));
    if bye {
        packets.push(Box::new(Goodbye {
            sources: vec![sent.ssrc],
            reason: Bytes::new(),
        }));
    }
    Some(rtc_rtcp::packet::marshal(&packets).ok()?.to_vec())
}

/// Asks `theirs` for packets again: an empty report, our CNAME, and the list (RFC 4585 3.1).
pub(crate) fn write_nack(ours: u32, theirs: u32, lost: &[u16], cname: &str) -> Option<Vec<u8>> {
    let packets: Vec<Box<dyn Packet>> = vec![
        Box::new(ReceiverReport {
            ssrc: ours,
            reports: Vec::new(),
            profile_extensions: Bytes::new(),
        }),
        Box::new(description(ours, cname)),
        Box::new(TransportLayerNack {
            sender_ssrc: ours,
            media_ssrc: theirs,
            nacks: nack_pairs_from_sequence_numbers(lost),
        }),
    ];
    Some(rtc_rtcp::packet::marshal(&packets).ok()?.to_vec())
}

fn description(ssrc: u32, cname: &str) -> SourceDescription {
    SourceDescription {
        chunks: vec![SourceDescriptionChunk {
            source: ssrc,
            items: vec![SourceDescriptionItem {
                sdes_type: SdesType::SdesCname,
                text: Bytes::copy_from_slice(cname.as_bytes()),
            }],
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(active: bool) -> Sent {
        Sent {
            ssrc: 7,
            packets: 250,
            octets: 40_000,
            timestamp: 1,
            active,
        }
    }

    #[test]
    fn two_ends_measure_their_round_trip() {
        // A sends at 10 s; B has it 40 ms later, answers after 2 s; A has that 60 ms later.
        let a = write(&sent(true), None, None, "a", false, Mono::from_ms(10_000)).unwrap();
        let heard = read(&a, 99, Mono::from_ms(10_040)).unwrap();
        let (ssrc, sr) = heard.sender_report.unwrap();
        assert_eq!(ssrc, 7);
        let mut reception = Reception::new(7, 0, 8_000);
        for n in 0..10 {
            if n != 5 {
                reception.packet(
                    n,
                    u32::from(n) * 160,
                    8_000,
                    true,
                    Mono::from_ms(u64::from(n) * 20),
                );
            }
        }
        let b = Sent {
            ssrc: 99,
            ..sent(false)
        };
        let b = write(
            &b,
            Some(&mut reception),
            Some((sr, Mono::from_ms(10_040))),
            "b",
            true,
            Mono::from_ms(12_040),
        )
        .unwrap();
        let heard = read(&b, 7, Mono::from_ms(12_100)).unwrap();
        assert!((heard.rtt_ms.unwrap() - 100.0).abs() < 0.5, "{heard:?}");
        assert!((heard.remote_loss.unwrap() - 0.1).abs() < 0.01);
        assert!(heard.bye && heard.sender_report.is_none());
    }

    #[test]
    fn malformed_compounds_are_refused_without_harm() {
        assert_eq!(read(&[0x80, 200, 0, 40, 0, 0, 0, 1], 7, Mono(0)), None);
        assert_eq!(read(&[0x80, 202, 0, 1, 0, 0, 0, 1], 7, Mono(0)), None);
        assert_eq!(read(&[0x00, 200, 0, 1, 0, 0, 0, 1], 7, Mono(0)), None);
        assert_eq!(read(&[0x9f, 200, 0, 1, 0, 0, 0, 1], 7, Mono(0)), None);
    }

    #[test]
    fn lost_packets_are_asked_for() {
        let d = write_nack(7, 9, &[65_535, 0, 3, 40], "c").unwrap();
        let heard = read(&d, 9, Mono(0)).unwrap();
        let mut asked = heard.asked;
        asked.sort_unstable();
        assert_eq!(asked, [0, 3, 40, 65_535]);
        assert!(read(&d, 8, Mono(0)).unwrap().asked.is_empty());
    }
}
