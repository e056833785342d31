//! What the fuzzers drive. Not part of the interface.

use crate::config::{SipConfig, Transport};
use crate::core::{Core, Output};
use crate::event::{DialRequest, SipEvent};
use crate::frame::{Frame, Framer};
use crate::registrar::{DigestAlgorithm, RegistrarConfig, SipUser};
use crate::wire::Hop;
use anteroom_types::{LegId, Mono, Wall};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

fn hop(transport: Transport) -> Hop {
    Hop {
        transport,
        remote: ([192, 0, 2, 1], 5060).into(),
        local: ([192, 0, 2, 2], 5060).into(),
        socket: 0,
        conn: transport.is_stream().then_some(1),
        server_name: None,
    }
}

fn core() -> Core {
    let cfg = SipConfig {
        allow_direct: true,
        registrar: Some(RegistrarConfig {
            domains: vec!["clinic.test".into()],
            ..RegistrarConfig::default()
        }),
        ..SipConfig::default()
    };
    let mut core = Core::new(Arc::new(cfg), 1, Wall(0));
    let _ = core.set_users(vec![user()]);
    core
}

fn user() -> SipUser {
    SipUser::new("201", "anteroom", "secret")
}

/// A request again with the credentials its challenge asks for, so that what stands behind the password is reached too.
fn authorised(raw: &[u8], sent: &[Bytes]) -> Option<Bytes> {
    let challenge = sent.iter().rev().map(|b| String::from_utf8_lossy(b).into_owned());
    let challenge = challenge.into_iter().find(|t| t.contains("nonce=\""))?;
    let nonce = challenge.split("nonce=\"").nth(1)?.split('"').next()?.to_owned();
    let name = if challenge.starts_with("SIP/2.0 407") {
        "Proxy-Authorization"
    } else {
        "Authorization"
    };
    let text = String::from_utf8_lossy(raw).into_owned();
    let (first, rest) = text.split_once("\r\n")?;
    let method = first.split(' ').next()?;
    let a = DigestAlgorithm::Md5;
    let ha2 = a.hex(&format!("{method}:sip:x"));
    let secret = user().ha1_md5;
    let response = a.hex(&format!("{}:{nonce}:00000001:c:auth:{ha2}", secret.expose()));
    Some(Bytes::from(format!(
        "{first}\r\n{name}: Digest username=\"201\",realm=\"anteroom\",nonce=\"{nonce}\",uri=\"sip:x\",response=\"{response}\",\
         algorithm=MD5,cnonce=\"c\",qop=auth,nc=00000001\r\n{rest}"
    )))
}

/// Answers, holds and hangs up what comes in, so that the dialog code is reached; returns bytes it wants sent.
fn play(core: &mut Core, sent: &mut Vec<Bytes>) {
    let sdp = || "v=0\r\n".to_owned();
    while let Some(output) = core.poll() {
        match output {
            Output::Send { bytes, .. } => sent.push(bytes),
            Output::Event(e) => match *e {
                SipEvent::Incoming { leg, .. } => {
                    let _ = core.progress(leg, 183, Some(sdp()));
                    let _ = core.answer(leg, sdp());
                }
                SipEvent::Offer { leg, token, .. } => {
                    let _ = core.reply_offer(leg, token, sdp());
                }
                SipEvent::Refer { leg, token, .. } => {
                    let _ = core.refer_accept(leg, token);
                    let _ = core.refer_progress(leg, token, 200);
                }
                SipEvent::Registered { contact, .. } => {
                    let leg = LegId::from_u128(u128::from(contact.id.0));
                    let _ = core.dial(DialRequest {
                        sdp: Some(sdp()),
                        ..DialRequest::new(leg, contact.id, "1")
                    });
                    let _ = core.set_mwi("201", 1, 0);
                }
                SipEvent::Established { leg } => {
                    let _ = core.reinvite(leg, sdp());
                }
                _ => {}
            },
            Output::Resolve { .. } => {}
        }
    }
}

/// Drives framer, parser, gate, transactions and dialogs with `data`, over a datagram, as a stream, and as a response
/// to what was sent. Must not panic; returns how many messages came out.
pub fn fuzz_message(data: &[u8]) -> usize {
    let mut core = core();
    let mut sent = Vec::new();
    let at = Instant::now();
    let raw = Bytes::copy_from_slice(data);
    for ms in [0, 10, 700] {
        core.on_timeout(Mono::from_ms(ms));
        core.receive(Mono::from_ms(ms), at, &hop(Transport::Udp), &raw);
        play(&mut core, &mut sent);
    }
    if let Some(again) = authorised(data, &sent) {
        core.receive(Mono::from_ms(750), at, &hop(Transport::Udp), &again);
        play(&mut core, &mut sent);
    }
    let mut framer = Framer::default();
    for chunk in data.chunks(97) {
        framer.push(chunk);
        while let Some(f) = framer.next() {
            if let Frame::Message(m) | Frame::Lost(m) = f {
                core.receive(Mono::from_ms(800), at, &hop(Transport::Tcp), &m);
                play(&mut core, &mut sent);
            }
        }
    }
    // What we sent, in the mouth of the far end with the dialog's tags turned round, reaches code beyond the dialog match.
    for bytes in sent.clone().into_iter().take(8) {
        for turned in turn(&bytes) {
            core.receive(Mono::from_ms(900), at, &hop(Transport::Udp), &turned);
            play(&mut core, &mut sent);
        }
    }
    core.on_timeout(Mono::from_ms(200_000));
    play(&mut core, &mut sent);
    core.on_timeout(Mono::from_ms(8_000_000));
    play(&mut core, &mut sent);
    sent.len()
}

/// In-dialog requests made of a response of ours.
fn turn(bytes: &Bytes) -> Vec<Bytes> {
    let text = String::from_utf8_lossy(bytes).into_owned();
    if !text.starts_with("SIP/2.0 ") {
        return Vec::new();
    }
    let get = |name: &str| {
        text.lines()
            .find(|l| l.to_ascii_lowercase().starts_with(&format!("{name}:")))
            .map(|l| l[name.len() + 1..].trim().to_owned())
            .unwrap_or_default()
    };
    [
        "ACK", "PRACK", "UPDATE", "INVITE", "INFO", "SUBSCRIBE", "NOTIFY", "REFER", "BYE",
    ]
        .into_iter()
        .enumerate()
        .map(|(i, m)| {
            let seq = if m == "ACK" {
                get("cseq").split(' ').next().unwrap_or("1").to_owned()
            } else {
                (1_000_000_000 + i).to_string()
            };
            Bytes::from(format!(
                "{m} sip:x@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKf{i}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\n\
                 CSeq: {seq} {m}\r\nMax-Forwards: 9\r\nRAck: {} 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\n\
                 Event: message-summary\r\nRefer-To: <sip:b@c?Replaces=a%3Bto-tag=b%3Bfrom-tag=c>\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
                get("from"),
                get("to"),
                get("call-id"),
                get("rseq"),
            ))
        })
        .collect()
}
