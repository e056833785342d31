//! Mutations of the torture messages, from a seed. `ANTEROOM_FUZZ_SECONDS` makes it run longer.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::{Duration, Instant};

const GOOD: &[u8] = b"INVITE sip:desk@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa;rport\r\nMax-Forwards: 70\r\n\
To: <sip:desk@192.0.2.2>\r\nFrom: \"A\" <sip:a@192.0.2.1>;tag=x\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\n\
Supported: 100rel, timer\r\nRequire: 100rel\r\nSession-Expires: 90;refresher=uac\r\nAllow: UPDATE\r\nRecord-Route: <sip:p;lr>, <sip:q;lr>\r\n\
Content-Type: multipart/mixed;boundary=b\r\nContent-Length: 62\r\n\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b--\r\nxxxxxxxxx";

const REGISTER: &[u8] = b"REGISTER sip:clinic.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKr;rport\r\nMax-Forwards: 70\r\n\
To: <sip:201@clinic.test>\r\nFrom: <sip:201@clinic.test>;tag=x\r\nCall-ID: r\r\nCSeq: 1 REGISTER\r\nPath: <sip:p;lr>, <sip:q;lr;ob>\r\n\
Contact: \"A\" <sip:201@192.0.2.1;transport=udp>;expires=60;+sip.instance=\"<urn:uuid:1>\";reg-id=1, <sip:201@x.invalid>;q=0.5\r\n\
Supported: path, outbound\r\nUser-Agent: x\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n";

const SUBSCRIBE: &[u8] = b"SUBSCRIBE sip:201@clinic.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKs;rport\r\nMax-Forwards: 70\r\n\
To: <sip:201@clinic.test>\r\nFrom: <sip:201@clinic.test>;tag=y\r\nCall-ID: s\r\nCSeq: 1 SUBSCRIBE\r\nContact: <sip:201@192.0.2.1>\r\n\
Event: message-summary\r\nExpires: 600\r\nContent-Length: 0\r\n\r\n";

const TAKE_OVER: &[u8] = b"INVITE sip:desk@clinic.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKt;rport\r\nMax-Forwards: 70\r\n\
To: <sip:desk@clinic.test>\r\nFrom: <sip:201@clinic.test>;tag=z\r\nCall-ID: t\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\n\
Require: replaces\r\nReplaces: c;to-tag=1;from-tag=2;early-only\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n";

fn corpus() -> Vec<Vec<u8>> {
    let dir = format!("{}/tests/torture", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "dat"))
        .collect();
    files.sort();
    let mut all: Vec<Vec<u8>> = files.iter().map(|p| std::fs::read(p).unwrap()).collect();
    all.extend([GOOD, REGISTER, SUBSCRIBE, TAKE_OVER].map(<[u8]>::to_vec));
    all
}

fn mutate(rng: &mut StdRng, corpus: &[Vec<u8>]) -> Vec<u8> {
    const WORDS: &[&[u8]] = &[
        b"\r\n",
        b"\r\n\r\n",
        b";",
        b",",
        b"\"",
        b"<",
        b">",
        b"%00",
        b"%",
        b":",
        b"Content-Length: 99999999999999999999\r\n",
        b"CSeq: 4294967296 ACK\r\n",
        b"Require: 100rel\r\n",
        b"Session-Expires: 0\r\n",
        b"Min-SE: 18446744073709551615\r\n",
        b"RAck: 1 1 INVITE\r\n",
        b"tag=",
        b"\xff\xfe",
        b"[::1]",
        b"Contact: *\r\n",
        b"Date: Sat, 99 Nov 2026 99:99:99 GMT\r\n",
        b"INFO",
        b"BYE",
        b"CANCEL",
        b"UPDATE",
        b"\0",
        b"Route: <sip:;lr>\r\n",
        b"Authorization: Digest username=\"",
        b"Refer-To: <sip:a?Replaces=%",
        b"Replaces: ;to-tag=;from-tag=\r\n",
        b"Event: message-summary;id=1\r\n",
        b"Expires: 0\r\n",
        b"Path: <",
        b"REGISTER",
        b"REFER",
    ];
    let mut m = corpus[rng.random_range(0..corpus.len())].clone();
    for _ in 0..rng.random_range(1..6) {
        let at = rng.random_range(0..=m.len());
        match rng.random_range(0..6) {
            0 if at < m.len() => m[at] = rng.random(),
            1 if at < m.len() => {
                let end = (at + rng.random_range(1..40)).min(m.len());
                m.drain(at..end);
            }
            2 => {
                let w = WORDS[rng.random_range(0..WORDS.len())];
                m.splice(at..at, w.iter().copied());
            }
            3 => {
                let other = &corpus[rng.random_range(0..corpus.len())];
                let cut = rng.random_range(0..=other.len());
                m.truncate(at);
                m.extend_from_slice(&other[cut..]);
            }
            4 if at < m.len() => {
                let end = (at + rng.random_range(1..60)).min(m.len());
                let part = m[at..end].to_vec();
                m.splice(at..at, part);
            }
            _ => m.truncate(at.max(1)),
        }
    }
    m
}

#[test]
fn the_corpus_itself_reaches_the_dialogs() {
    for m in corpus() {
        anteroom_sip::fuzz::fuzz_message(&m);
    }
    assert!(
        anteroom_sip::fuzz::fuzz_message(GOOD) > 3,
        "a good INVITE is answered"
    );
    // A challenge each time, then the 200, and the telephone is rung and its lamp lit.
    assert!(
        anteroom_sip::fuzz::fuzz_message(REGISTER) > 6,
        "a telephone registers"
    );
    assert!(
        anteroom_sip::fuzz::fuzz_message(SUBSCRIBE) > 5,
        "a lamp is subscribed to"
    );
}

#[test]
fn fuzz_mutations_do_not_panic() {
    let seconds: u64 = std::env::var("ANTEROOM_FUZZ_SECONDS")
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(0);
    let end = Instant::now() + Duration::from_secs(seconds);
    let corpus = corpus();
    let mut seed = 0u64;
    // A fixed number always, so that the test means the same everywhere; more for as long as is asked.
    while seed < 3_000 || Instant::now() < end {
        let mut rng = StdRng::seed_from_u64(seed);
        let m = mutate(&mut rng, &corpus);
        let run = std::panic::catch_unwind(|| anteroom_sip::fuzz::fuzz_message(&m));
        assert!(run.is_ok(), "seed {seed}: {}", String::from_utf8_lossy(&m));
        seed += 1;
    }
}
