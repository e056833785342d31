//! One behaviour each, with a peer that is a socket and text.

mod support;

use anteroom_sip::{
    DialAuth, DialRequest, EndWhy, Listen, RateLimit, Secret, Sip, SipConfig, SipEvent, TlsFiles, Transport,
};
use anteroom_types::LegId;
use std::net::SocketAddr;
use std::time::Duration;
use support::{SDP, open, start};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;

fn header<'a>(m: &'a str, name: &str) -> Option<&'a str> {
    m.lines()
        .find(|l| {
            l.to_ascii_lowercase()
                .starts_with(&format!("{}:", name.to_ascii_lowercase()))
        })
        .map(|l| l[name.len() + 1..].trim())
}

struct Peer {
    socket: UdpSocket,
    to: SocketAddr,
    n: u32,
}

impl Peer {
    async fn new(to: SocketAddr) -> Self {
        Self {
            socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(),
            to,
            n: 0,
        }
    }

    fn request(&mut self, method: &str, seq: u32, to_tag: &str, extra: &str, body: &str) -> String {
        self.n += 1;
        let me = self.socket.local_addr().unwrap();
        let kind = if body.is_empty() {
            ""
        } else {
            "Content-Type: application/sdp\r\n"
        };
        format!(
            "{method} sip:desk@{} SIP/2.0\r\nVia: SIP/2.0/UDP {me};branch=z9hG4bK{}-{};rport\r\nMax-Forwards: 70\r\n\
             From: \"Ann\" <sip:ann@{me}>;tag=a\r\nTo: <sip:desk@{}>{to_tag}\r\nCall-ID: call-{me}\r\nCSeq: {seq} {method}\r\n\
             Contact: <sip:ann@{me}>\r\n{extra}{kind}Content-Length: {}\r\n\r\n{body}",
            self.to,
            me.port(),
            self.n,
            self.to,
            body.len()
        )
    }

    async fn send(&self, m: &str) {
        self.socket.send_to(m.as_bytes(), self.to).await.unwrap();
    }

    async fn recv(&self) -> String {
        let mut buf = vec![0; 65_535];
        let n = tokio::time::timeout(Duration::from_secs(5), self.socket.recv(&mut buf))
            .await
            .expect("an answer")
            .unwrap();
        String::from_utf8_lossy(&buf[..n]).into_owned()
    }

    async fn last(&self) -> (u16, String) {
        loop {
            let m = self.recv().await;
            if let Some(s) = m.strip_prefix("SIP/2.0 ") {
                let status: u16 = s[..3].parse().unwrap();
                if status >= 200 {
                    return (status, m);
                }
            }
        }
    }

    async fn ask(&mut self, method: &str, seq: u32, tag: &str, extra: &str, body: &str) -> (u16, String) {
        let m = self.request(method, seq, tag, extra, body);
        self.send(&m).await;
        self.last().await
    }

    /// A call that is up; gives the To tag.
    async fn call(&mut self, extra: &str) -> (String, String) {
        let (status, m) = self.ask("INVITE", 1, "", extra, SDP).await;
        assert_eq!(status, 200, "{m}");
        let tag = format!(";tag={}", header(&m, "To").unwrap().split("tag=").nth(1).unwrap());
        let ack = self.request("ACK", 1, &tag, "", "");
        self.send(&ack).await;
        (tag, m)
    }
}

#[tokio::test]
async fn refusals_by_the_book() {
    let r = start(open()).await;
    let to = r.addr(Transport::Udp);
    for (extra, method, tag, status, has) in [
        ("Require: gruu\r\n", "INVITE", "", 420, "Unsupported: gruu"),
        (
            "Session-Expires: 30\r\nSupported: timer\r\n",
            "INVITE",
            "",
            422,
            "Min-SE: 90",
        ),
        ("", "BYE", ";tag=none", 481, ""),
        ("", "BYE", "", 481, ""),
        ("", "SUBSCRIBE", "", 405, "Allow: INVITE"),
        ("", "FETCH", "", 501, "Allow: INVITE"),
        ("", "CANCEL", "", 481, ""),
        ("", "OPTIONS", "", 200, "Accept: application/sdp"),
    ] {
        let mut p = Peer::new(to).await;
        let (got, m) = p.ask(method, 1, tag, extra, "").await;
        assert_eq!(got, status, "{method} {extra}");
        assert!(m.contains(has), "{m}");
    }
    let mut p = Peer::new(to).await;
    let m = p
        .request("INVITE", 1, "", "", SDP)
        .replace("Max-Forwards: 70", "Max-Forwards: 0");
    p.send(&m).await;
    assert_eq!(p.last().await.0, 483);
    assert_eq!(r.count(|e| matches!(e, SipEvent::Incoming { .. })), 0);
}

#[tokio::test]
async fn the_same_request_by_two_ways_is_one_call() {
    let r = start(open()).await;
    let mut p = Peer::new(r.addr(Transport::Udp)).await;
    let first = p.request("INVITE", 1, "", "", SDP);
    let second = p.request("INVITE", 1, "", "", SDP);
    p.send(&first).await;
    p.send(&first).await;
    p.send(&second).await;
    let mut statuses = Vec::new();
    while statuses.len() < 2 {
        let (s, _) = p.last().await;
        if !statuses.contains(&s) {
            statuses.push(s);
        }
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 482]);
    assert_eq!(r.count(|e| matches!(e, SipEvent::Incoming { .. })), 1);
}

#[tokio::test]
async fn the_200_is_repeated_until_the_ack_and_answers_are_symmetric() {
    let r = start(open()).await;
    let mut p = Peer::new(r.addr(Transport::Udp)).await;
    let me = p.socket.local_addr().unwrap();
    let m = p
        .request("INVITE", 1, "", "", SDP)
        .replace(&format!("SIP/2.0/UDP {me}"), "SIP/2.0/UDP 10.1.2.3:7777");
    p.send(&m).await;
    let (_, a) = p.last().await;
    let (_, b) = p.last().await;
    assert_eq!(a, b, "the same 200 again");
    assert!(
        header(&a, "Via")
            .unwrap()
            .contains(&format!("received=127.0.0.1;rport={}", me.port()))
    );
}

#[tokio::test]
async fn a_branch_used_twice_gets_no_answer_of_another_request() {
    let r = start(open()).await;
    let mut p = Peer::new(r.addr(Transport::Udp)).await;
    let first = p.request("OPTIONS", 1, "", "", "");
    p.send(&first).await;
    assert_eq!(p.last().await.0, 200);
    p.send(&first).await;
    assert_eq!(p.last().await.0, 200, "a retransmission is answered again");
    p.send(&first.replace("Call-ID: ", "Call-ID: other")).await;
    let (status, m) = p.last().await;
    assert_eq!(status, 400);
    assert!(header(&m, "Call-ID").unwrap().starts_with("other"));
}

#[tokio::test]
async fn a_latin_1_name_does_not_lose_the_call() {
    let r = start(open()).await;
    let mut p = Peer::new(r.addr(Transport::Udp)).await;
    let m = p.request("INVITE", 1, "", "", SDP);
    let mut raw = m.into_bytes();
    let at = raw.windows(5).position(|w| w == b"\"Ann\"").unwrap();
    raw.splice(at..at + 5, b"\"Niccol\xf2\"".iter().copied());
    p.socket.send_to(&raw, p.to).await.unwrap();
    assert_eq!(p.last().await.0, 200);
    let told = r.told.lock().unwrap();
    let Some(SipEvent::Incoming {
        from_display: Some(d),
        ..
    }) = told.first()
    else {
        panic!("{told:?}")
    };
    assert_eq!(d.open(anteroom_types::Purpose::Test), "Niccol\u{f2}");
}

#[tokio::test]
async fn session_timers_are_agreed_and_glare_is_491() {
    let r = start(open()).await;
    let mut p = Peer::new(r.addr(Transport::Udp)).await;
    let (tag, ok) = p
        .call("Supported: timer\r\nSession-Expires: 600;refresher=uac\r\n")
        .await;
    assert_eq!(header(&ok, "Session-Expires"), Some("600;refresher=uac"));
    assert_eq!(header(&ok, "Require"), Some("timer"));
    r.until("established", |t| {
        t.iter().any(|e| matches!(e, SipEvent::Established { .. }))
    })
    .await;
    let leg = r.told.lock().unwrap().iter().find_map(|e| match e {
        SipEvent::Established { leg } => Some(*leg),
        _ => None,
    });
    r.sip.reinvite(leg.unwrap(), SDP).unwrap();
    let theirs = loop {
        let m = p.recv().await;
        if m.starts_with("INVITE") {
            break m;
        }
    };
    assert!(theirs.contains("CSeq: 1 INVITE"));
    let (status, _) = p.ask("INVITE", 2, &tag, "", SDP).await;
    assert_eq!(status, 491);
    // And refused itself, ours comes again by itself.
    let copy: String = ["Via", "From", "To", "Call-ID", "CSeq"]
        .iter()
        .map(|h| format!("{h}: {}\r\n", header(&theirs, h).unwrap()))
        .collect();
    p.send(&format!(
        "SIP/2.0 491 Request Pending\r\n{copy}Content-Length: 0\r\n\r\n"
    ))
    .await;
    loop {
        let m = p.recv().await;
        if m.starts_with("INVITE") && m.contains("CSeq: 2 INVITE") {
            break;
        }
    }
    let (status, _) = p.ask("BYE", 3, &tag, "", "").await;
    assert_eq!(status, 200);
    r.until("the end", |t| {
        t.iter()
            .any(|e| matches!(e, SipEvent::Ended { why: EndWhy::Bye, .. }))
    })
    .await;
}

#[tokio::test]
async fn strangers_are_refused_and_floods_get_silence() {
    let r = start(SipConfig {
        rate: RateLimit {
            per_source_per_s: 1.0,
            burst: 5,
        },
        ..SipConfig::default()
    })
    .await;
    let mut p = Peer::new(r.addr(Transport::Udp)).await;
    let (status, _) = p.ask("INVITE", 1, "", "", SDP).await;
    assert_eq!(status, 403);
    for seq in 2..40 {
        let m = p.request("OPTIONS", seq, "", "", "");
        p.send(&m).await;
    }
    let mut answers = 0;
    let mut buf = vec![0; 65_535];
    while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(300), p.socket.recv(&mut buf)).await {
        answers += 1;
    }
    assert!((1..=6).contains(&answers), "{answers}");
    let c = r.sip.counters();
    assert!(
        c.rate_limited >= 30 && c.refused_unknown == 1 && c.calls == 0,
        "{c:?}"
    );
}

#[tokio::test]
async fn draining_refuses_new_calls_and_leaves_old_ones() {
    let r = start(open()).await;
    let mut p = Peer::new(r.addr(Transport::Udp)).await;
    let (tag, _) = p.call("").await;
    r.sip.drain();
    let mut q = Peer::new(r.addr(Transport::Udp)).await;
    let (status, m) = q.ask("INVITE", 1, "", "", SDP).await;
    assert_eq!((status, header(&m, "Retry-After")), (503, Some("10")));
    let (status, _) = p.ask("INVITE", 2, &tag, "", SDP).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn a_bad_message_does_not_cost_the_connection() {
    let mut cfg = open();
    cfg.listen = vec![Listen {
        transport: Transport::Tcp,
        addr: "127.0.0.1:0".parse().unwrap(),
    }];
    let r = start(cfg).await;
    let mut s = TcpStream::connect(r.addr(Transport::Tcp)).await.unwrap();
    let good = |n: u32| {
        format!(
            "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bK{n}\r\nTo: <sip:a@b>\r\nFrom: <sip:c@d>;tag=1\r\n\
             Call-ID: {n}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let bad = good(1).replace("CSeq: 1 OPTIONS", "CSeq: one OPTIONS");
    let all = format!(
        "\r\n\r\n{bad}garbage\r\n\r\n{}{}",
        good(2).replace("OPTIONS", "NEWONE"),
        good(3)
    );
    for chunk in all.as_bytes().chunks(50) {
        s.write_all(chunk).await.unwrap();
    }
    let mut text = String::new();
    let mut buf = vec![0; 4_096];
    while !text.contains("SIP/2.0 200") {
        let n = tokio::time::timeout(Duration::from_secs(5), s.read(&mut buf))
            .await
            .expect("200")
            .unwrap();
        assert!(n > 0, "closed after {text}");
        text.push_str(&String::from_utf8_lossy(&buf[..n]));
    }
    assert!(text.starts_with("\r\n"), "the ping is answered");
    assert!(
        text.contains("SIP/2.0 400") && text.contains("SIP/2.0 501"),
        "{text}"
    );
}

fn certificate() -> (tempfile::TempDir, TlsFiles) {
    let dir = tempfile::tempdir().unwrap();
    let c = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let files = TlsFiles {
        cert: dir.path().join("cert.pem"),
        key: dir.path().join("key.pem"),
        ca: Some(dir.path().join("cert.pem")),
    };
    std::fs::write(&files.cert, c.cert.pem()).unwrap();
    std::fs::write(&files.key, c.signing_key.serialize_pem()).unwrap();
    (dir, files)
}

#[tokio::test]
async fn two_of_us_talk_over_every_transport() {
    let (_dir, tls) = certificate();
    for t in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let cfg = SipConfig {
            listen: vec![Listen {
                transport: t,
                addr: "127.0.0.1:0".parse().unwrap(),
            }],
            tls: Some(tls.clone()),
            ..open()
        };
        let b = start(cfg.clone()).await;
        let a = start(cfg).await;
        let leg = LegId::from_u128(7);
        let to = b.addr(t);
        a.sip
            .dial(DialRequest {
                sdp: Some(SDP.into()),
                ..DialRequest::new(leg, format!("sip:desk@{to};transport={}", t.as_param()), "front")
            })
            .unwrap();
        let up = |t: &[SipEvent]| t.iter().any(|e| matches!(e, SipEvent::Established { .. }));
        a.until("established here", up).await;
        b.until("established there", up).await;
        assert_eq!(
            a.count(|e| matches!(e, SipEvent::Progress { status: 180, .. })),
            1,
            "{t:?}"
        );
        assert_eq!(a.count(|e| matches!(e, SipEvent::Answer { .. })), 1);
        a.sip.send_info_dtmf(leg, '7', 120).unwrap();
        b.until("the key", |t| {
            t.iter().any(|e| matches!(e, SipEvent::Dtmf { digit: '7', .. }))
        })
        .await;
        let theirs = b.told.lock().unwrap().iter().find_map(|e| match e {
            SipEvent::Established { leg } => Some(*leg),
            _ => None,
        });
        b.sip.bye(theirs.unwrap()).unwrap();
        a.until("bye", |t| {
            t.iter()
                .any(|e| matches!(e, SipEvent::Ended { why: EndWhy::Bye, .. }))
        })
        .await;
        assert_eq!((a.sip.counters().calls, b.sip.counters().calls), (0, 0));
    }
}

#[tokio::test]
async fn a_challenged_call_is_sent_again_with_credentials_and_busy_ends_it() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (tx, mut rx) = mpsc::channel(16);
    let sip = Sip::start(open(), tx).await.unwrap();
    let leg = LegId::from_u128(9);
    sip.dial(DialRequest {
        from_display: Some("Front \"desk\"\r\nX: y".into()),
        sdp: Some(SDP.into()),
        auth: Some(DialAuth {
            user: "u".into(),
            password: Secret::new("p"),
        }),
        ..DialRequest::new(leg, format!("sip:201@{}", peer.local_addr().unwrap()), "front")
    })
    .unwrap();
    let mut buf = vec![0; 65_535];
    let mut tries = 0;
    loop {
        let (n, from) = tokio::time::timeout(Duration::from_secs(5), peer.recv_from(&mut buf))
            .await
            .unwrap()
            .unwrap();
        let m = String::from_utf8_lossy(&buf[..n]).into_owned();
        assert!(!m.contains("\r\nX: y"), "no header can be smuggled in");
        if !m.starts_with("INVITE") {
            if tries == 2 {
                break;
            }
            continue;
        }
        tries += 1;
        let copy: String = ["Via", "From", "Call-ID", "CSeq"]
            .iter()
            .map(|h| format!("{h}: {}\r\n", header(&m, h).unwrap()))
            .collect();
        let to = header(&m, "To").unwrap();
        let (status, extra) = if tries == 1 {
            assert!(m.contains("CSeq: 1 INVITE"));
            (
                407,
                "Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\", qop=\"auth\"\r\n",
            )
        } else {
            assert!(
                m.contains("CSeq: 2 INVITE") && m.contains("Proxy-Authorization: Digest username=\"u\""),
                "{m}"
            );
            (486, "")
        };
        let r = format!("SIP/2.0 {status} X\r\n{copy}To: {to};tag=t\r\n{extra}Content-Length: 0\r\n\r\n");
        peer.send_to(r.as_bytes(), from).await.unwrap();
    }
    let e = tokio::time::timeout(Duration::from_secs(5), rx.recv())
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(
            e,
            SipEvent::Ended {
                why: EndWhy::Rejected(486),
                ..
            }
        ),
        "{e:?}"
    );
}

#[tokio::test]
async fn faults_at_the_start_say_what_to_do() {
    use anteroom_types::UserFacing;
    let (tx, _rx) = mpsc::channel(1);
    let held = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut cfg = open();
    cfg.listen[0].addr = held.local_addr().unwrap();
    let e = Sip::start(cfg, tx.clone()).await.unwrap_err();
    assert_eq!(e.code(), "sip.listen");
    assert!(e.hint().contains("Another program uses port"));
    let mut cfg = open();
    cfg.listen[0].transport = Transport::Tls;
    assert_eq!(
        Sip::start(cfg, tx.clone()).await.unwrap_err().code(),
        "sip.tls_missing"
    );
    let mut cfg = open();
    cfg.tls = Some(TlsFiles {
        cert: "/nowhere/c".into(),
        key: "/nowhere/k".into(),
        ca: None,
    });
    assert_eq!(Sip::start(cfg, tx).await.unwrap_err().code(), "sip.tls_file");
}

#[tokio::test]
async fn events_wait_for_a_slow_application_and_new_calls_are_refused_meanwhile() {
    let (tx, mut rx) = mpsc::channel(1);
    let sip = Sip::start(open(), tx).await.unwrap();
    let to = sip.local_addrs()[0].1;
    // The first fills the channel, the second waits, the third finds us overloaded.
    let mut peers = Vec::new();
    for _ in 0..3 {
        let mut p = Peer::new(to).await;
        let m = p.request("INVITE", 1, "", "", SDP);
        p.send(&m).await;
        let first = p.recv().await;
        peers.push((p, first[8..11].to_owned()));
    }
    let statuses: Vec<&str> = peers.iter().map(|p| p.1.as_str()).collect();
    assert_eq!(statuses, ["100", "100", "503"]);
    for _ in 0..2 {
        assert!(matches!(rx.recv().await, Some(SipEvent::Incoming { .. })));
    }
    let mut p = Peer::new(to).await;
    for _ in 0..50 {
        let m = p
            .request("INVITE", p.n + 1, "", "", SDP)
            .replace("Call-ID: ", &format!("Call-ID: {}", p.n));
        p.send(&m).await;
        if p.recv().await.starts_with("SIP/2.0 100") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("still overloaded");
}

#[tokio::test]
async fn an_offer_in_a_prack_is_answered_before_the_call_is() {
    let (tx, mut rx) = mpsc::channel(64);
    let sip = Sip::start(open(), tx).await.unwrap();
    let mut p = Peer::new(sip.local_addrs()[0].1).await;
    let invite = p.request("INVITE", 1, "", "Supported: 100rel\r\n", SDP);
    p.send(&invite).await;
    let Some(SipEvent::Incoming { leg, .. }) = rx.recv().await else {
        panic!()
    };
    sip.progress(leg, 183, Some(SDP.into())).unwrap();
    let early = loop {
        let m = p.recv().await;
        if m.starts_with("SIP/2.0 183") {
            break m;
        }
    };
    let tag = format!(
        ";tag={}",
        header(&early, "To").unwrap().split("tag=").nth(1).unwrap()
    );
    let rack = format!("RAck: {} 1 INVITE\r\n", header(&early, "RSeq").unwrap());
    let prack = p.request("PRACK", 2, &tag, &rack, SDP);
    p.send(&prack).await;
    let token = loop {
        match rx.recv().await.unwrap() {
            SipEvent::Offer {
                token,
                via_update: true,
                sdp: Some(_),
                ..
            } => break token,
            SipEvent::Offer { .. } | SipEvent::Ended { .. } => panic!(),
            _ => {}
        }
    };
    // The answer to the call waits for the answer to the offer.
    sip.answer(leg, SDP).unwrap();
    sip.reply_offer(leg, token, SDP).unwrap();
    let (first, second) = (p.last().await, p.last().await);
    assert_eq!((first.0, header(&first.1, "CSeq")), (200, Some("2 PRACK")));
    assert!(first.1.ends_with(SDP), "{}", first.1);
    assert_eq!((second.0, header(&second.1, "CSeq")), (200, Some("1 INVITE")));
}
