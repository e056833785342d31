//! Nothing a call says about people reaches a log, at any level, nor the `Debug` of an event.

mod support;

use anteroom_sip::{DialRequest, SipEvent, SipUser, Transport};
use anteroom_types::LegId;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::phone::{Login, Phone, REALM, header, param, status, with_registrar};
use tokio::net::UdpSocket;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, b: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(b);
        Ok(b.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

const CANARIES: [&str; 5] = [
    "7700900123",
    "Wilhelmina",
    "canary-desk",
    "s3cr3t-digest",
    "canary-sdp",
];

#[tokio::test]
async fn no_log_line_holds_what_a_message_holds() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    tracing::info!("the log works");
    let r = support::start(support::open()).await;
    let to = r.addr(Transport::Udp);
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let m = "INVITE sip:canary-desk@h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\n\
             From: \"Wilhelmina\" <sip:+447700900123@h>;tag=1\r\nTo: <sip:canary-desk@h>\r\nCall-ID: 7700900123@h\r\n\
             CSeq: 1 INVITE\r\nContact: <sip:+447700900123@127.0.0.1>\r\nAuthorization: Digest response=\"s3cr3t-digest\"\r\n\
             Content-Type: application/sdp\r\nContent-Length: 14\r\n\r\ns=canary-sdp\r\n";
    // A good one, one for each kind of fault, and cuts of it.
    let mut all = vec![
        m.to_owned(),
        m.replace("CSeq: 1", "CSeq: x"),
        m.replace("z9hG4bK1", "z9hG4bK2")
            .replace("sip:canary-desk@h SIP", "odd:canary-desk SIP"),
    ];
    all.extend((1..20).map(|i| m.chars().take(m.len() * i / 20).collect()));
    for m in all {
        socket.send_to(m.as_bytes(), to).await.unwrap();
    }
    r.until("a call", |t| {
        t.iter().any(|e| matches!(e, SipEvent::Incoming { .. }))
    })
    .await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("the log works"));
    for e in r
        .told
        .lock()
        .unwrap()
        .iter()
        .filter(|e| !matches!(e, SipEvent::Incoming { .. }))
    {
        text.push_str(&format!("{e:?}"));
    }
    for c in CANARIES {
        assert!(!text.contains(c), "{c} in {text}");
    }
    // An offer is not personal, but the people of an incoming call are.
    let told = r.told.lock().unwrap();
    let shown = format!(
        "{:?}",
        told.iter().find(|e| matches!(e, SipEvent::Incoming { .. }))
    );
    assert!(
        !shown.contains("7700900123") && !shown.contains("Wilhelmina") && !shown.contains("canary-desk"),
        "{shown}"
    );
}

#[tokio::test]
async fn no_log_line_holds_what_a_registration_or_a_call_to_the_desk_holds() {
    const CANARIES: [&str; 4] = ["canary-user", "canary-password", "7700900123", "canary-phone"];
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    tracing::info!("the log works");
    let r = support::start(with_registrar()).await;
    let user = SipUser::new("canary-user", REALM, "canary-password");
    let secret = user.ha1_sha256.expose().to_owned();
    tracing::info!("{user:?}");
    r.sip.set_users(vec![user]).unwrap();
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let contact = p.contact("canary-user");
    let login = Login {
        password: "canary-password".into(),
        ..Login::new("canary-user")
    };
    let ok = p.register(&login, &contact, "User-Agent: canary-phone\r\n").await;
    assert_eq!(status(&ok), 200);
    let id = r.sip.contacts("canary-user")[0].id;
    r.sip
        .dial(DialRequest {
            assert_identity: true,
            ..DialRequest::new(LegId::from_u128(1), id, "+447700900123")
        })
        .unwrap();
    p.until_request("INVITE").await;
    r.sip.set_mwi("canary-user", 1, 0).unwrap();
    p.until_request("NOTIFY").await;
    // Guesses, until they are no longer answered.
    let mut bad = Phone::udp(r.addr(Transport::Udp)).await;
    let wrong = Login {
        password: "canary-password!".into(),
        ..login
    };
    for _ in 0..7 {
        bad.nc += 1;
        let extra = bad.nonce.as_ref().map_or(String::new(), |n| {
            let a = wrong.answer(n, bad.nc, "REGISTER", "sip:clinic.test");
            format!("Authorization: {a}\r\n")
        });
        let m = bad.request("REGISTER", "canary-user", "canary-user", &extra, "");
        bad.send(&m).await;
        if let Some(c) = bad.recv_within(200).await {
            bad.nonce = Some(param(header(&c, "WWW-Authenticate").unwrap(), "nonce").to_owned());
            bad.nc = 0;
        }
    }
    assert_eq!(r.sip.counters().bans, 1);
    let text = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(text.contains("the log works") && text.contains("banned"));
    for c in CANARIES
        .iter()
        .chain(&[secret.as_str()])
        .filter(|c| **c != "canary-user")
    {
        assert!(!text.contains(c), "{c} in {text}");
    }
    // The one line that names the user is the test's own.
    assert_eq!(text.matches("canary-user").count(), 1, "{text}");
}
