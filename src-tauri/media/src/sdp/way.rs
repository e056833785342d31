//! What a description says of the way to its writer: ICE (RFC 8839) and DTLS (RFC 8122, RFC 8842).

use super::DtlsLocal;
use super::read::{parse, values};
use crate::error::MediaError;
use crate::webrtc::{Setup, Way};
use sdp_types::{Media, Session};

/// Candidates of a media line that are looked at.
const CANDIDATES_MAX: usize = 64;

/// Whether an offer is a browser's: audio over DTLS-SRTP with a fingerprint.
pub(crate) fn is_webrtc(offer: &str) -> bool {
    parse(offer).is_ok_and(|s| s.medias.iter().any(|m| is_dtls(m) && read(&s, m).is_some()))
}

/// How to get to the one who wrote a description.
pub(crate) fn way_of(text: &str) -> Result<Way, MediaError> {
    let s = parse(text)?;
    s.medias
        .iter()
        .filter(|m| is_dtls(m))
        .find_map(|m| read(&s, m))
        .ok_or(MediaError::EncryptionRequired)
}

fn is_dtls(m: &Media) -> bool {
    m.media == "audio" && m.port != 0 && matches!(m.proto.as_str(), "UDP/TLS/RTP/SAVPF" | "UDP/TLS/RTP/SAVP")
}

/// Reads what ICE and DTLS need, from the line or from the session around it (RFC 8839 5.4, RFC 8122 5).
pub(super) fn read(session: &Session, media: &Media) -> Option<Way> {
    let of_session = |name: &str| {
        session
            .attributes
            .iter()
            .find(|a| a.attribute == name)
            .and_then(|a| a.value.as_deref())
    };
    let any = |name: &str| {
        let here = media.attributes.iter().find(|a| a.attribute == name);
        here.and_then(|a| a.value.as_deref())
            .or_else(|| of_session(name))
            .map(str::trim)
    };
    let credential = |name: &str, min: usize| {
        any(name)
            .filter(|v| (min..=256).contains(&v.len()))
            .map(str::to_owned)
    };
    Some(Way {
        ufrag: credential("ice-ufrag", 4)?,
        pwd: credential("ice-pwd", 22)?,
        fingerprint: any("fingerprint").filter(|f| f.len() < 256)?.to_owned(),
        setup: any("setup").and_then(Setup::from_name).unwrap_or(Setup::ActPass),
        candidates: values(media, "candidate")
            .take(CANDIDATES_MAX)
            .filter(|c| c.len() < 512)
            .map(str::to_owned)
            .collect(),
        // It goes into our own description, so it is taken only as the token it has to be (RFC 5888 4).
        mid: any("mid")
            .filter(|m| m.len() < 64 && !m.is_empty() && m.bytes().all(|b| b.is_ascii_graphic()))
            .unwrap_or("0")
            .to_owned(),
    })
}

/// Writes ours into a media line.
pub(super) fn write(d: &DtlsLocal, m: &mut Media) {
    m.add_attribute_with_value("mid", d.way.mid.clone());
    m.add_attribute_with_value("ice-ufrag", d.way.ufrag.clone());
    m.add_attribute_with_value("ice-pwd", d.way.pwd.clone());
    m.add_attribute_with_value("fingerprint", d.way.fingerprint.clone());
    m.add_attribute_with_value("setup", d.way.setup.name());
    for c in &d.way.candidates {
        m.add_attribute_with_value("candidate", c.clone());
    }
    m.add_attribute_from_str("end-of-candidates");
    // Without a stream of its own a browser's track event names none, and some pages play streams only.
    m.add_attribute_with_value("msid", "anteroom audio");
    m.add_attribute_with_value("ssrc", format!("{} cname:{}", d.ssrc, d.cname));
}
