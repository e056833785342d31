//! Every message of RFC 4475, sent over UDP to a running user agent, gets what its section asks for.

mod support;

use anteroom_sip::{SipEvent, Transport};
use std::time::Duration;
use tokio::net::UdpSocket;

/// What is owed.
enum Owed {
    /// One of these final statuses, and no call.
    Status(&'static [u16]),
    /// The call is taken.
    Call,
    /// Nothing.
    Silence,
}
use Owed::{Call, Silence, Status};

const TABLE: &[(&str, &str, Owed, &str)] = &[
    (
        "wsinv",
        "3.1.1.1",
        Status(&[481]),
        "well-formed for all its folding, but its To tag names a dialog we do not have",
    ),
    ("intmeth", "3.1.1.2", Status(&[405, 501]), "a method nobody knows"),
    ("esc01", "3.1.1.3", Call, "escapes in URIs are legal"),
    (
        "escnull",
        "3.1.1.4",
        Status(&[405]),
        "a good REGISTER; we are no registrar",
    ),
    (
        "esc02",
        "3.1.1.5",
        Status(&[405, 501]),
        "the method is RE%47IST%45R, which is not REGISTER",
    ),
    (
        "lwsdisp",
        "3.1.1.6",
        Status(&[200]),
        "no white space between display name and <",
    ),
    ("longreq", "3.1.1.7", Call, "long values are legal"),
    (
        "dblreq",
        "3.1.1.8",
        Status(&[405]),
        "the REGISTER is answered, the INVITE behind it is noise",
    ),
    (
        "semiuri",
        "3.1.1.9",
        Status(&[200]),
        "a semicolon in the user part",
    ),
    (
        "transports",
        "3.1.1.10",
        Status(&[200]),
        "unknown transports in lower Vias",
    ),
    (
        "mpart01",
        "3.1.1.11",
        Status(&[405]),
        "a good MESSAGE; we do not take them",
    ),
    ("unreason", "3.1.1.12", Silence, "a response to nothing we asked"),
    ("noreason", "3.1.1.13", Silence, "a response to nothing we asked"),
    (
        "badinv01",
        "3.1.2.1",
        Status(&[400]),
        "stray separators in Via and Contact",
    ),
    (
        "clerr",
        "3.1.2.2",
        Status(&[400]),
        "Content-Length beyond the datagram",
    ),
    ("ncl", "3.1.2.3", Status(&[400]), "negative Content-Length"),
    (
        "scalar02",
        "3.1.2.4",
        Status(&[400]),
        "numbers beyond their range",
    ),
    ("scalarlg", "3.1.2.5", Silence, "the same in a response"),
    ("quotbal", "3.1.2.6", Status(&[400]), "an unclosed quote"),
    (
        "ltgtruri",
        "3.1.2.7",
        Status(&[400]),
        "Request-URI in angle brackets",
    ),
    (
        "lwsruri",
        "3.1.2.8",
        Status(&[400]),
        "white space in the Request-URI",
    ),
    (
        "lwsstart",
        "3.1.2.9",
        Status(&[400]),
        "several spaces in the start line",
    ),
    ("trws", "3.1.2.10", Status(&[400]), "a space after the version"),
    (
        "escruri",
        "3.1.2.11",
        Status(&[400]),
        "headers in the Request-URI",
    ),
    (
        "baddate",
        "3.1.2.12",
        Call,
        "a Date that is not GMT; an element that does not use it may go on",
    ),
    (
        "regbadct",
        "3.1.2.13",
        Status(&[400]),
        "a Contact with headers outside angle brackets",
    ),
    (
        "badaspec",
        "3.1.2.14",
        Status(&[200, 400]),
        "spaces within an addr-spec; may be accepted",
    ),
    (
        "baddn",
        "3.1.2.15",
        Status(&[200, 400]),
        "a comma in a bare display name; may be accepted",
    ),
    ("badvers", "3.1.2.16", Status(&[505]), "SIP/7.0"),
    ("mismatch01", "3.1.2.17", Status(&[400]), "CSeq of another method"),
    (
        "mismatch02",
        "3.1.2.18",
        Status(&[400, 501]),
        "the same with an unknown method",
    ),
    ("bigcode", "3.1.2.19", Silence, "a status code beyond its range"),
    (
        "badbranch",
        "3.2.1",
        Status(&[400]),
        "only the cookie in branch: refused without state",
    ),
    ("insuf", "3.3.1", Status(&[400]), "mandatory headers missing"),
    ("unkscm", "3.3.2", Status(&[416]), "an unknown scheme"),
    (
        "novelsc",
        "3.3.3",
        Status(&[416]),
        "a known scheme that is not SIP's",
    ),
    (
        "unksm2",
        "3.3.4",
        Status(&[405]),
        "odd schemes in To and From are no fault; we are no registrar",
    ),
    ("bext01", "3.3.5", Status(&[420]), "Require of unknown extensions"),
    ("invut", "3.3.6", Status(&[415]), "an unknown body"),
    (
        "regaut01",
        "3.3.7",
        Status(&[405]),
        "an unknown authorisation scheme is ignored; we are no registrar",
    ),
    ("multi01", "3.3.8", Status(&[400]), "single headers several times"),
    ("mcl01", "3.3.9", Status(&[400]), "two Content-Lengths"),
    (
        "bcast",
        "3.3.10",
        Silence,
        "a response by way of a broadcast address",
    ),
    (
        "zeromf",
        "3.3.11",
        Status(&[200]),
        "an end point ignores Max-Forwards 0 of OPTIONS",
    ),
    ("cparam01", "3.3.12", Status(&[405]), "we are no registrar"),
    ("cparam02", "3.3.13", Status(&[405]), "we are no registrar"),
    ("regescrt", "3.3.14", Status(&[405]), "we are no registrar"),
    (
        "sdp01",
        "3.3.15",
        Status(&[406]),
        "Accept without application/sdp",
    ),
    (
        "inv2543",
        "3.4.1",
        Call,
        "RFC 2543: no branch, no Contact, no Max-Forwards",
    ),
];

#[tokio::test]
async fn every_torture_message_gets_what_its_section_asks_for() {
    assert_eq!(TABLE.len(), 49);
    let mut wrong = Vec::new();
    for (file, section, owed, why) in TABLE {
        // One user agent each: several messages use the same branch, and must not be taken for one another.
        let r = support::start(support::open()).await;
        let to = r.addr(Transport::Udp);
        let path = format!("{}/tests/torture/{file}.dat", env!("CARGO_MANIFEST_DIR"));
        let raw = std::fs::read(&path).unwrap();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let incoming = |e: &SipEvent| matches!(e, SipEvent::Incoming { .. });
        let before = r.count(incoming);
        socket.send_to(&raw, to).await.unwrap();
        let wait = if matches!(owed, Silence) { 150 } else { 3_000 };
        let mut buf = vec![0; 65_535];
        let mut seen = Vec::new();
        let mut text = String::new();
        while let Ok(Ok(n)) = tokio::time::timeout(Duration::from_millis(wait), socket.recv(&mut buf)).await {
            text = String::from_utf8_lossy(&buf[..n]).into_owned();
            let status: u16 = text[8..11].parse().unwrap();
            seen.push(status);
            if status >= 200 {
                break;
            }
        }
        let last = seen.last().copied();
        let calls = r.count(incoming) - before;
        let ok = match owed {
            Status(any) => last.is_some_and(|s| any.contains(&s)) && calls == 0,
            Call => last == Some(200) && calls == 1,
            Silence => seen.is_empty() && calls == 0,
        };
        // What has to be in the answer with these statuses.
        let with = match last {
            Some(405 | 501) => text.contains("\r\nAllow: "),
            Some(415) => text.contains("\r\nAccept: application/sdp"),
            Some(420) => text.contains("\r\nUnsupported: nothingSupportsThis, nothingSupportsThisEither"),
            _ => true,
        };
        let tagged = last.is_none()
            || text.lines().any(|l| l.starts_with("To") && l.contains("tag="))
            || !text.contains("\r\nTo");
        if !(ok && with && tagged) {
            wrong.push(format!(
                "{file} ({section}, {why}): got {seen:?}, {calls} calls\n{text}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
