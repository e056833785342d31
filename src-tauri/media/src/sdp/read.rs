//! Reading descriptions: what a media line of audio says, within limits.

use super::{COMFORT_NOISE, Local, way};
use crate::codec::Codec;
use crate::error::MediaError;
use crate::srtp::CryptoLine;
use crate::webrtc::Way;
use anteroom_types::limits::SDP_BYTES_MAX;
use sdp_types::{Attribute, Connection, Media, Session};
use std::net::{IpAddr, SocketAddr};

/// Media lines looked at; a description with more is refused.
const MEDIA_MAX: usize = 32;
/// Formats of a media line looked at.
const FORMATS_MAX: usize = 128;

/// Parses a description within the limits.
pub(crate) fn parse(text: &str) -> Result<Session, MediaError> {
    if text.len() > SDP_BYTES_MAX {
        return Err(MediaError::TooLong);
    }
    let session = Session::parse(text.as_bytes()).map_err(|_| MediaError::Malformed("it is no SDP"))?;
    match session.medias.len() {
        0 => Err(MediaError::Malformed("it has no media line")),
        n if n > MEDIA_MAX => Err(MediaError::Malformed("it has too many media lines")),
        _ => Ok(session),
    }
}

/// The direction attribute, from the point of view of its writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Direction {
    pub(super) send: bool,
    pub(super) receive: bool,
}

impl Direction {
    pub(super) const BOTH: Self = Self {
        send: true,
        receive: true,
    };

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "sendrecv" => Self::BOTH,
            "sendonly" => Self {
                send: true,
                receive: false,
            },
            "recvonly" => Self {
                send: false,
                receive: true,
            },
            "inactive" => Self {
                send: false,
                receive: false,
            },
            _ => return None,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match (self.send, self.receive) {
            (true, true) => "sendrecv",
            (true, false) => "sendonly",
            (false, true) => "recvonly",
            (false, false) => "inactive",
        }
    }

    /// The same seen from the other end (RFC 3264 6.1).
    pub(super) const fn mirrored(self) -> Self {
        Self {
            send: self.receive,
            receive: self.send,
        }
    }
}

/// What a media line of audio says.
pub(super) struct Stream {
    pub(super) codecs: Vec<(u8, Codec)>,
    pub(super) events: Vec<(u8, u32)>,
    pub(super) comfort_noise: bool,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) rtcp: Option<SocketAddr>,
    pub(super) mux: bool,
    pub(super) direction: Direction,
    pub(super) cryptos: Vec<CryptoLine>,
    pub(super) secure: bool,
    pub(super) way: Option<Way>,
    /// Payload types whose lost packets may be asked for again.
    pub(super) nack: Vec<u8>,
}

pub(super) fn values<'a>(media: &'a Media, name: &'a str) -> impl Iterator<Item = &'a str> {
    media
        .attributes
        .iter()
        .filter(move |a| a.attribute == name)
        .map(|a| a.value.as_deref().unwrap_or(""))
}

fn address(c: &Connection) -> Result<IpAddr, MediaError> {
    // Names are not looked up: a description must not make us ask a name server of the peer's choice.
    let text = c.connection_address.split('/').next().unwrap_or("");
    text.parse()
        .map_err(|_| MediaError::Malformed("its address is not numeric"))
}

/// Reads a media line; `None` if it is none we could ever speak.
pub(super) fn stream(session: &Session, media: &Media, dtls: bool) -> Result<Option<Stream>, MediaError> {
    let (plain, secure) = match media.proto.as_str() {
        "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP" => (false, dtls),
        _ if dtls => (false, false),
        "RTP/AVP" | "RTP/AVPF" => (true, false),
        "RTP/SAVP" | "RTP/SAVPF" => (false, true),
        _ => (false, false),
    };
    if media.media != "audio" || media.port == 0 || !(plain || secure) {
        return Ok(None);
    }
    let formats: Vec<u8> = media
        .fmt
        .split_ascii_whitespace()
        .take(FORMATS_MAX)
        .filter_map(|f| f.parse().ok())
        .filter(|&f| f < 128)
        .collect();
    let map = |pt: u8| {
        values(media, "rtpmap").find_map(|v| {
            let (n, rest) = v.trim().split_once(' ')?;
            (n.parse() == Ok(pt)).then(|| rest.trim())
        })
    };
    let (mut codecs, mut events, mut comfort_noise) = (Vec::new(), Vec::new(), false);
    for pt in formats {
        let Some(encoding) = map(pt) else {
            codecs.extend(
                Codec::ALL
                    .into_iter()
                    .filter(|c| c.is_static() && c.payload_type() == pt)
                    .map(|c| (pt, c)),
            );
            comfort_noise |= pt == COMFORT_NOISE;
            continue;
        };
        let mut parts = encoding.split('/');
        let (name, clock) = (
            parts.next().unwrap_or(""),
            parts
                .next()
                .and_then(|c| c.trim().parse::<u32>().ok())
                .unwrap_or(0),
        );
        if name.eq_ignore_ascii_case("telephone-event") && matches!(clock, 8_000 | 16_000 | 48_000) {
            events.push((pt, clock));
        } else if name.eq_ignore_ascii_case("CN") {
            comfort_noise |= pt == COMFORT_NOISE;
        } else if let Some(codec) = Codec::from_name(name)
            && codec.clock_hz() == clock
        {
            codecs.push((pt, codec));
        }
    }
    let connection = media.connections.first().or(session.connection.as_ref());
    let address = address(connection.ok_or(MediaError::Malformed("it has no connection line"))?)?;
    let direction =
        |attributes: &[Attribute]| attributes.iter().find_map(|a| Direction::from_name(&a.attribute));
    let rtcp = values(media, "rtcp").next().and_then(|v| {
        let mut words = v.split_ascii_whitespace();
        let port = words.next()?.parse().ok().filter(|&p: &u16| p != 0)?;
        let ip = words.nth(2).map_or(Some(address), |ip| ip.parse().ok())?;
        Some(SocketAddr::new(ip, port))
    });
    Ok(Some(Stream {
        codecs,
        events,
        comfort_noise,
        address,
        port: media.port,
        rtcp,
        mux: values(media, "rtcp-mux").next().is_some(),
        direction: direction(&media.attributes)
            .or_else(|| direction(&session.attributes))
            .unwrap_or(Direction::BOTH),
        cryptos: values(media, "crypto")
            .take(16)
            .filter_map(CryptoLine::parse)
            .collect(),
        secure,
        nack: nack(media, dtls),
        way: dtls.then(|| way::read(session, media)).flatten(),
    }))
}

/// The payload types with `a=rtcp-fb:… nack`. It is agreed on with browsers only: there the profile has feedback, and
/// the way is short.
fn nack(media: &Media, dtls: bool) -> Vec<u8> {
    let lines = values(media, "rtcp-fb").filter(|_| dtls);
    lines
        .take(64)
        .filter_map(|v| v.trim().split_once(' '))
        .filter(|(_, what)| what.trim() == "nack")
        .flat_map(|(pt, _)| match pt {
            "*" => (0..128).collect(),
            pt => pt.parse().into_iter().collect::<Vec<u8>>(),
        })
        .collect()
}

impl Stream {
    /// The events to send: those on the codec's own clock if there are any.
    pub(super) fn events_for(&self, codec: Codec) -> Option<(u8, u32)> {
        self.events
            .iter()
            .find(|e| e.1 == codec.clock_hz())
            .or(self.events.first())
            .copied()
    }

    pub(super) fn remote(&self) -> Option<SocketAddr> {
        (!self.address.is_unspecified()).then(|| SocketAddr::new(self.address, self.port))
    }

    pub(super) fn remote_rtcp(&self) -> Option<SocketAddr> {
        let remote = self.remote()?;
        if self.mux {
            return Some(remote);
        }
        self.rtcp
            .or_else(|| Some(SocketAddr::new(remote.ip(), remote.port().checked_add(1)?)))
    }

    /// The direction with the old way of holding in it: an address of zero wants to hear nothing (RFC 3264 8.4). With
    /// ICE it says only that no candidate has been gathered yet (RFC 8840 4.1.1).
    pub(super) fn effective_direction(&self) -> Direction {
        if self.way.is_some() {
            return self.direction;
        }
        Direction {
            receive: self.direction.receive && !self.address.is_unspecified(),
            ..self.direction
        }
    }

    pub(super) fn check_family(&self, local: &Local) -> Result<(), MediaError> {
        // With ICE the address in the line means nothing.
        if local.dtls.is_some()
            || self.address.is_unspecified()
            || self.address.is_ipv4() == local.advertise.is_ipv4()
        {
            Ok(())
        } else {
            Err(MediaError::AddressFamily)
        }
    }
}
