//! Entry points for fuzzing: everything that parses what a stranger sends, end to end.

use crate::codec::Codec;
use crate::engine::{Engine, Port, Seed, Timeouts};
use crate::sdp::{self, Agreed, Local, Version};
use crate::session::SrtpPolicy;
use crate::srtp::MasterKey;
use anteroom_types::Mono;
use std::cell::RefCell;
use std::net::SocketAddr;

fn source() -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4_000))
}

/// A session that takes every codec and event from [`source`].
fn engine() -> Engine {
    let seed = Seed {
        ssrc: 1,
        seq: 0,
        timestamp: 0,
        cname: "fuzz".into(),
        phase: 0,
    };
    let mut e = Engine::new(
        Timeouts {
            first_packet_ms: 1_000,
            silence_ms: 1_000,
        },
        seed,
        Mono(0),
    );
    let agreed = Agreed {
        receive: Codec::ALL.iter().map(|&c| (c.payload_type(), c)).collect(),
        send: (0, Codec::Pcmu),
        receive_events: vec![(101, 8_000), (110, 48_000)],
        comfort_noise: true,
        nack: true,
        send_events: Some((101, 8_000)),
        remote: Some(source()),
        remote_rtcp: Some(SocketAddr::new(source().ip(), 4_001)),
        mux: true,
        may_send: true,
        may_receive: true,
        keys: None,
    };
    // PCMU needs nothing that could be missing.
    let _ = e.apply(agreed, Mono(0));
    e
}

thread_local! {
    /// One session takes all inputs of a thread, so that its state is as tangled as a stranger can make it.
    static ENGINE: RefCell<(Engine, Mono)> = RefCell::new((engine(), Mono(0)));
}

/// Feeds `data` to a session as a datagram on either port, and lets 20 ms pass.
pub fn fuzz_rtp(data: &[u8]) {
    ENGINE.with_borrow_mut(|(e, now)| {
        *now = now.plus_ms(20);
        e.datagram(Port::Rtp, source(), data, *now);
        e.datagram(Port::Rtcp, SocketAddr::new(source().ip(), 4_001), data, *now);
        e.tick(*now);
        e.outgoing.clear();
        e.events.clear();
    });
}

/// Answers `data` as an offer and takes it as an answer. An answer of ours must itself be readable.
///
/// # Panics
/// When an answer cannot be read back.
pub fn fuzz_sdp(data: &str) {
    for srtp in [SrtpPolicy::Off, SrtpPolicy::Optional, SrtpPolicy::Required] {
        let Some(key) = MasterKey::random() else { return };
        let local = Local {
            advertise: source().ip(),
            rtp_port: 4_000,
            codecs: Codec::ALL.to_vec(),
            srtp,
            keys: [key.clone(), key],
            dtls: None,
        };
        offer_and_answer(data, &local);
        if srtp == SrtpPolicy::Optional
            && let Ok(way) = sdp::way_of(data)
        {
            let dtls = sdp::DtlsLocal {
                way,
                ssrc: 1,
                cname: "c".into(),
            };
            offer_and_answer(
                data,
                &Local {
                    dtls: Some(dtls),
                    ..local
                },
            );
        }
    }
    let _ = sdp::is_webrtc(data);
}

fn offer_and_answer(data: &str, local: &Local) {
    if let Ok((_, answer)) = sdp::answer(data, local, None, Version { id: 1, version: 1 }) {
        assert!(sdp::parse(&answer).is_ok(), "an unreadable answer");
    }
    let _ = sdp::accept(data, local);
}
