//! What the fuzzers drive. Not part of the interface.

use crate::config::{SipConfig, Transport};
use crate::core::{Core, Output};
use crate::event::SipEvent;
use crate::frame::{Frame, Framer};
use crate::wire::Hop;
use anteroom_types::{Mono, Wall};
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
        ..SipConfig::default()
    };
    Core::new(Arc::new(cfg), 1, Wall(0))
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
    ["ACK", "PRACK", "UPDATE", "INVITE", "INFO", "BYE"]
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
                 Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
                get("from"),
                get("to"),
                get("call-id"),
                get("rseq"),
            ))
        })
        .collect()
}
