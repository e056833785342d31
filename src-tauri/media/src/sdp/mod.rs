//! Session descriptions: offer and answer (RFC 3264, RFC 8866) for one stream of audio, read and written with
//! `sdp-types`.

mod read;
#[cfg(test)]
pub(crate) mod tests;
mod way;

pub(crate) use read::parse;
pub(crate) use way::{is_webrtc, way_of};

use crate::codec::Codec;
use crate::error::MediaError;
use crate::session::SrtpPolicy;
use crate::srtp::{CryptoLine, MasterKey, Suite};
use crate::webrtc::Way;
use read::{Direction, stream};
use sdp_types::{Connection, Media, Origin, Session, Time};
use std::net::{IpAddr, SocketAddr};

/// Payload type of comfort noise (RFC 3389), which is static.
pub(crate) const COMFORT_NOISE: u8 = 13;
/// The dynamic payload types we offer for keypad events.
const EVENT_8000: u8 = 101;
const EVENT_48000: u8 = 110;

/// Our side of a stream.
#[derive(Debug, Clone)]
pub(crate) struct Local {
    /// Address put into descriptions.
    pub(crate) advertise: IpAddr,
    /// Always even; RTCP is on the next port, so that no `a=rtcp` is needed (RFC 3605 2.1).
    pub(crate) rtp_port: u16,
    pub(crate) codecs: Vec<Codec>,
    pub(crate) srtp: SrtpPolicy,
    /// The keys we encrypt with, one for each suite in the order of [`Suite::ALL`].
    pub(crate) keys: [MasterKey; 2],
    /// How a browser gets to us; then there is DTLS-SRTP over ICE and nothing else.
    pub(crate) dtls: Option<DtlsLocal>,
}

/// What our descriptions say to a browser.
#[derive(Debug, Clone)]
pub(crate) struct DtlsLocal {
    pub(crate) way: Way,
    pub(crate) ssrc: u32,
    pub(crate) cname: String,
}

/// Keys of both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) suite: Suite,
    pub(crate) ours: MasterKey,
    pub(crate) theirs: MasterKey,
}

/// What both sides agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreed {
    /// Payload types we may receive; of each codec.
    pub(crate) receive: Vec<(u8, Codec)>,
    /// The payload type and codec we send.
    pub(crate) send: (u8, Codec),
    /// Keypad events: the payload types we may receive, with their clocks.
    pub(crate) receive_events: Vec<(u8, u32)>,
    /// The payload type and clock of the events we send.
    pub(crate) send_events: Option<(u8, u32)>,
    /// Comfort noise (RFC 3389) may be sent.
    pub(crate) comfort_noise: bool,
    /// Lost packets may be asked for again (RFC 4585).
    pub(crate) nack: bool,
    /// Where the peer wants its RTP; `None` while it wants none (`c=0.0.0.0`).
    pub(crate) remote: Option<SocketAddr>,
    /// Where the peer wants its RTCP.
    pub(crate) remote_rtcp: Option<SocketAddr>,
    /// RTCP shares the RTP port (RFC 5761).
    pub(crate) mux: bool,
    /// We may send.
    pub(crate) may_send: bool,
    /// The peer may send.
    pub(crate) may_receive: bool,
    pub(crate) keys: Option<Keys>,
}

impl Agreed {
    /// Whether the peer has put us on hold: it does not want to hear us.
    pub(crate) fn held(&self) -> bool {
        !self.may_send
    }
}

/// Number and version of our description (RFC 8866 5.2).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Version {
    pub(crate) id: u64,
    pub(crate) version: u64,
}

/// Answers an offer. `current` is the codec in use, which is kept if it is offered again.
pub(crate) fn answer(
    offer: &str,
    local: &Local,
    current: Option<Codec>,
    v: Version,
) -> Result<(Agreed, String), MediaError> {
    let session = parse(offer)?;
    let mut why = MediaError::NothingInCommon;
    for (index, media) in session.medias.iter().enumerate() {
        let Some(s) = stream(&session, media, local.dtls.is_some())? else {
            continue;
        };
        if let Err(e) = s.check_family(local) {
            why = e;
            continue;
        }
        let common = |c: Codec| s.codecs.iter().find(|(_, o)| *o == c).copied();
        let keep = current.filter(|c| local.codecs.contains(c)).and_then(common);
        let Some((pt, codec)) = keep.or_else(|| local.codecs.iter().copied().find_map(common)) else {
            continue;
        };
        let line = s
            .cryptos
            .iter()
            .filter(|_| local.srtp != SrtpPolicy::Off && local.dtls.is_none())
            .min_by_key(|c| c.suite as u8);
        if local.dtls.is_some() {
            if s.way.is_none() || !s.mux {
                why = MediaError::EncryptionRequired;
                continue;
            }
        } else if line.is_none() && (s.secure || local.srtp == SrtpPolicy::Required) {
            if local.srtp != SrtpPolicy::Off {
                why = MediaError::EncryptionRequired;
            }
            continue;
        }
        let keys = line.map(|l| Keys {
            suite: l.suite,
            ours: local.keys[l.suite as usize].clone(),
            theirs: l.key.clone(),
        });
        let events = s.events_for(codec);
        // A browser that may send comfort noise cuts off what its voice detector takes for none.
        let noise = s.comfort_noise && codec.clock_hz() == 8_000 && local.dtls.is_none();
        let offered = s.effective_direction();
        let agreed = Agreed {
            receive: vec![(pt, codec)],
            send: (pt, codec),
            receive_events: events.into_iter().collect(),
            send_events: events,
            comfort_noise: noise,
            nack: s.nack.contains(&pt),
            remote: s.remote(),
            remote_rtcp: s.remote_rtcp(),
            mux: s.mux,
            may_send: offered.receive,
            may_receive: offered.send,
            keys: keys.clone(),
        };
        let ours = keys.zip(line).map(|(k, l)| CryptoLine {
            tag: l.tag,
            suite: k.suite,
            key: k.ours,
        });
        let mut out = blank(local, v);
        for (i, m) in session.medias.iter().enumerate() {
            if i == index {
                let mut line = line_of(
                    local,
                    &[(pt, codec)],
                    &agreed.receive_events,
                    noise,
                    &m.proto,
                    ours.as_slice(),
                    s.mux,
                    offered.mirrored(),
                );
                if agreed.nack {
                    line.add_attribute_with_value("rtcp-fb", format!("{pt} nack"));
                }
                out.medias.push(line);
            } else {
                out.medias.push(refused(m));
            }
        }
        return Ok((agreed, write(&out)?));
    }
    Err(why)
}

/// An offer of all our codecs, `current` first.
pub(crate) fn offer(local: &Local, current: Option<Codec>, v: Version) -> Result<String, MediaError> {
    let mut codecs: Vec<_> = local.codecs.iter().map(|&c| (c.payload_type(), c)).collect();
    codecs.sort_by_key(|(_, c)| Some(*c) != current);
    let events = our_events(local);
    let cryptos: Vec<_> = match local.srtp {
        _ if local.dtls.is_some() => Vec::new(),
        SrtpPolicy::Off => Vec::new(),
        _ => Suite::ALL
            .into_iter()
            .zip(1..)
            .map(|(suite, tag)| CryptoLine {
                tag,
                suite,
                key: local.keys[suite as usize].clone(),
            })
            .collect(),
    };
    let proto = if local.dtls.is_some() {
        "UDP/TLS/RTP/SAVPF"
    } else if local.srtp == SrtpPolicy::Required {
        "RTP/SAVP"
    } else {
        "RTP/AVP"
    };
    let mut out = blank(local, v);
    let mut line = line_of(
        local,
        &codecs,
        &events,
        local.dtls.is_none() && codecs.iter().any(|c| c.1.clock_hz() == 8_000),
        proto,
        &cryptos,
        true,
        Direction::BOTH,
    );
    for (pt, _) in codecs.iter().filter(|_| local.dtls.is_some()) {
        line.add_attribute_with_value("rtcp-fb", format!("{pt} nack"));
    }
    out.medias.push(line);
    write(&out)
}

fn our_events(local: &Local) -> Vec<(u8, u32)> {
    let has = |clock| local.codecs.iter().any(|c| c.clock_hz() == clock);
    [(EVENT_8000, 8_000), (EVENT_48000, 48_000)]
        .into_iter()
        .filter(|e| has(e.1))
        .collect()
}

/// Takes the answer to [`offer`].
pub(crate) fn accept(answer: &str, local: &Local) -> Result<Agreed, MediaError> {
    let session = parse(answer)?;
    let media = session.medias.first().ok_or(MediaError::NothingInCommon)?;
    let dtls = local.dtls.is_some();
    let s = stream(&session, media, dtls)?.ok_or(MediaError::NothingInCommon)?;
    s.check_family(local)?;
    let send = s
        .codecs
        .iter()
        .copied()
        .find(|(_, c)| local.codecs.contains(c))
        .ok_or(MediaError::NothingInCommon)?;
    // We may be sent whatever we offered under our own numbers, and some peers use the answer's.
    let mut receive: Vec<_> = local.codecs.iter().map(|&c| (c.payload_type(), c)).collect();
    receive.retain(|(pt, c)| {
        s.codecs.iter().any(|a| a.1 == *c) && !s.codecs.iter().any(|a| a.0 == *pt && a.1 != *c)
    });
    receive.extend(s.codecs.iter().copied().filter(|a| local.codecs.contains(&a.1)));
    receive.sort_by_key(|r| *r != send);
    receive.dedup();
    let send_events = s.events_for(send.1);
    let mut receive_events = our_events(local);
    receive_events.extend(send_events);
    receive_events.dedup();
    if send_events.is_none() {
        receive_events.clear();
    }
    let line = s
        .cryptos
        .first()
        .filter(|_| local.srtp != SrtpPolicy::Off && !dtls);
    if dtls {
        if s.way.is_none() || !s.mux {
            return Err(MediaError::EncryptionRequired);
        }
    } else if line.is_none() && (s.secure || local.srtp == SrtpPolicy::Required) {
        return Err(MediaError::EncryptionRequired);
    }
    let theirs = s.effective_direction();
    Ok(Agreed {
        receive,
        send,
        receive_events,
        send_events,
        comfort_noise: s.comfort_noise && send.1.clock_hz() == 8_000,
        nack: s.nack.contains(&send.0),
        remote: s.remote(),
        remote_rtcp: s.remote_rtcp(),
        mux: s.mux,
        may_send: theirs.receive,
        may_receive: theirs.send,
        keys: line.map(|l| Keys {
            suite: l.suite,
            ours: local.keys[l.suite as usize].clone(),
            theirs: l.key.clone(),
        }),
    })
}

fn blank(local: &Local, v: Version) -> Session {
    let mut s = Session::new(
        Origin::with_ip_addr(v.id.to_string(), v.version, local.advertise),
        "-",
    );
    s.set_connection(Connection::from_ip_addr(local.advertise));
    s.add_time(Time::new(0, 0));
    if let Some(d) = &local.dtls {
        s.add_attribute_with_value("group", format!("BUNDLE {}", d.way.mid));
    }
    s
}

fn refused(m: &Media) -> Media {
    Media {
        media: m.media.clone(),
        port: 0,
        num_ports: None,
        proto: m.proto.clone(),
        fmt: m.fmt.clone(),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "each is one part of the media line, named where it is called"
)]
fn line_of(
    local: &Local,
    codecs: &[(u8, Codec)],
    events: &[(u8, u32)],
    noise: bool,
    proto: &str,
    cryptos: &[CryptoLine],
    mux: bool,
    direction: Direction,
) -> Media {
    let mut formats: Vec<String> = codecs.iter().map(|(pt, _)| pt.to_string()).collect();
    formats.extend(events.iter().map(|(pt, _)| pt.to_string()));
    if noise {
        formats.push(COMFORT_NOISE.to_string());
    }
    let mut m = Media {
        media: "audio".into(),
        port: local.rtp_port,
        num_ports: None,
        proto: proto.into(),
        fmt: formats.join(" "),
        media_title: None,
        connections: Vec::new(),
        bandwidths: Vec::new(),
        key: None,
        attributes: Vec::new(),
    };
    for (pt, c) in codecs {
        // Opus is always written with two channels (RFC 7587 7).
        let channels = if *c == Codec::Opus { "/2" } else { "" };
        m.add_attribute_with_value("rtpmap", format!("{pt} {}/{}{channels}", c.name(), c.clock_hz()));
        if *c == Codec::Opus {
            m.add_attribute_with_value(
                "fmtp",
                format!("{pt} useinbandfec=1;maxplaybackrate=16000;stereo=0"),
            );
        }
    }
    for (pt, clock) in events {
        m.add_attribute_with_value("rtpmap", format!("{pt} telephone-event/{clock}"));
        m.add_attribute_with_value("fmtp", format!("{pt} 0-15"));
    }
    for c in cryptos {
        m.add_attribute_with_value("crypto", c.value().as_str());
    }
    if let Some(d) = &local.dtls {
        way::write(d, &mut m);
    }
    m.add_attribute_with_value("ptime", "20");
    if mux {
        m.add_attribute_from_str("rtcp-mux");
    }
    m.add_attribute_from_str(direction.name());
    m
}

fn write(s: &Session) -> Result<String, MediaError> {
    let mut out = Vec::new();
    s.write(&mut out)
        .map_err(|_| MediaError::Malformed("the answer cannot be written"))?;
    String::from_utf8(out).map_err(|_| MediaError::Malformed("the answer is not text"))
}
