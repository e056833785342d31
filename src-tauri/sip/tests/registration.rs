//! Registration with a registrar that checks the digest itself, over UDP and TCP.

mod support;

use anteroom_sip::{
    Registrar, Secret, Sip, SipConfig, SipEvent, Transport, TrunkConfig, TrunkDown, TrunkKind, TrunkState,
};
use sha2::Digest as _;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

const USER: &str = "clinic";
const PASSWORD: &str = "correct horse";
const REALM: &str = "trunk.example";

fn hex(b: &[u8]) -> String {
    b.iter().map(|x| format!("{x:02x}")).collect()
}

fn hash(sha256: bool, s: &str) -> String {
    if sha256 {
        hex(&sha2::Sha256::digest(s.as_bytes()))
    } else {
        hex(&md5::Md5::digest(s.as_bytes()))
    }
}

fn header<'a>(m: &'a str, name: &str) -> Option<&'a str> {
    m.lines()
        .find(|l| {
            l.to_ascii_lowercase()
                .starts_with(&format!("{}:", name.to_ascii_lowercase()))
        })
        .map(|l| l[name.len() + 1..].trim())
}

fn params(v: &str) -> HashMap<String, String> {
    v.trim_start_matches("Digest")
        .split(", ")
        .filter_map(|p| p.trim().split_once('='))
        .map(|(k, v)| (k.to_owned(), v.trim_matches('"').to_owned()))
        .collect()
}

#[derive(Clone, Default)]
struct Rules {
    sha256: bool,
    /// Seconds it insists on at least.
    min_expires: u32,
    granted: u32,
    /// Says once that the nonce is stale.
    stale_once: bool,
    /// Answers every request with this instead.
    refuse: Option<u16>,
    silent: bool,
    /// Sees us at 203.0.113.5:40000, as behind a NAT.
    behind_nat: bool,
    /// Asks for no password.
    trusting: bool,
}

#[derive(Default)]
struct Seen {
    requests: Vec<(Instant, String)>,
    good: Vec<(Instant, u32)>,
    wrong: usize,
}

/// A registrar on a socket. Checks RFC 7616's response by its own arithmetic.
async fn registrar(rules: Rules) -> (SocketAddr, Arc<Mutex<Seen>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let s = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut buf = vec![0; 65_535];
        let mut nonce = 1u32;
        let mut stale = rules.stale_once;
        while let Ok((n, from)) = socket.recv_from(&mut buf).await {
            let m = String::from_utf8_lossy(&buf[..n]).into_owned();
            if !m.starts_with("REGISTER") {
                continue;
            }
            s.lock().unwrap().requests.push((Instant::now(), m.clone()));
            if rules.silent {
                continue;
            }
            let expires: u32 = header(&m, "Expires").unwrap().parse().unwrap();
            let current = format!("nonce{nonce}");
            let algorithm = if rules.sha256 { "SHA-256" } else { "MD5" };
            let challenge = |stale: bool| {
                format!(
                    "WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"{current}\", algorithm={algorithm}, qop=\"auth,auth-int\"{}\r\n",
                    if stale { ", stale=true" } else { "" }
                )
            };
            let (status, extra) = if let Some(st) = rules.refuse {
                (st, String::new())
            } else {
                match header(&m, "Authorization") {
                    None if rules.trusting => (
                        200,
                        format!(
                            "Contact: {};expires={expires}\r\n",
                            header(&m, "Contact").unwrap()
                        ),
                    ),
                    None => (401, challenge(false)),
                    Some(a) => {
                        let p = params(a);
                        let h = |s: &str| hash(rules.sha256, s);
                        let uri = m.split(' ').nth(1).unwrap();
                        let expected = h(&format!(
                            "{}:{}:{}:{}:auth:{}",
                            h(&format!("{USER}:{REALM}:{PASSWORD}")),
                            p["nonce"],
                            p["nc"],
                            p["cnonce"],
                            h(&format!("REGISTER:{uri}"))
                        ));
                        if p["response"] != expected || p["uri"] != uri {
                            s.lock().unwrap().wrong += 1;
                            (401, challenge(false))
                        } else if stale {
                            stale = false;
                            nonce += 1;
                            let fresh = format!(
                                "WWW-Authenticate: Digest realm=\"{REALM}\", nonce=\"nonce{nonce}\", algorithm={algorithm}, qop=\"auth\", stale=true\r\n"
                            );
                            (401, fresh)
                        } else if expires != 0 && expires < rules.min_expires {
                            (423, format!("Min-Expires: {}\r\n", rules.min_expires))
                        } else {
                            s.lock().unwrap().good.push((Instant::now(), expires));
                            let granted = if rules.granted == 0 {
                                expires
                            } else {
                                rules.granted
                            };
                            (
                                200,
                                format!(
                                    "Contact: {};expires={granted}\r\n",
                                    header(&m, "Contact").unwrap()
                                ),
                            )
                        }
                    }
                }
            };
            let copy: String = ["Via", "From", "Call-ID", "CSeq"]
                .iter()
                .map(|h| format!("{h}: {}\r\n", header(&m, h).unwrap()))
                .collect();
            let copy = if rules.behind_nat {
                copy.replacen(";rport", ";received=203.0.113.5;rport=40000", 1)
            } else {
                copy
            };
            let to = header(&m, "To").unwrap();
            let r = format!("SIP/2.0 {status} X\r\n{copy}To: {to};tag=r\r\n{extra}Content-Length: 0\r\n\r\n");
            socket.send_to(r.as_bytes(), from).await.unwrap();
        }
    });
    (addr, seen)
}

fn config(registrars: &[SocketAddr], password: &str, expires_s: u32) -> SipConfig {
    SipConfig {
        trunks: vec![TrunkConfig {
            name: "provider".into(),
            kind: TrunkKind::Register {
                registrars: registrars
                    .iter()
                    .enumerate()
                    .map(|(i, a)| Registrar {
                        host: a.to_string(),
                        priority: i as u16,
                    })
                    .collect(),
                domain: Some("trunk.example".into()),
                user: USER.into(),
                auth_user: None,
                password: Secret::new(password),
                expires_s,
                peers: Vec::new(),
            },
            transport: Transport::Udp,
            options_s: 0,
        }],
        ..SipConfig::default()
    }
}

async fn next_state(rx: &mut mpsc::Receiver<SipEvent>) -> TrunkState {
    loop {
        let e = tokio::time::timeout(Duration::from_secs(60), rx.recv())
            .await
            .unwrap()
            .unwrap();
        if let SipEvent::Trunk { name, state } = e {
            assert_eq!(name, "provider");
            return state;
        }
    }
}

async fn comes_up(rules: Rules, expires_s: u32) -> (Sip, Arc<Mutex<Seen>>) {
    let (addr, seen) = registrar(rules).await;
    let (tx, mut rx) = mpsc::channel(16);
    let begun = Instant::now();
    let sip = Sip::start(config(&[addr], PASSWORD, expires_s), tx)
        .await
        .unwrap();
    assert_eq!(next_state(&mut rx).await, TrunkState::Up);
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "registration is sent at once"
    );
    assert_eq!(sip.trunk_states(), [("provider".to_owned(), TrunkState::Up)]);
    assert_eq!(seen.lock().unwrap().wrong, 0);
    (sip, seen)
}

#[tokio::test]
async fn md5_and_sha_256_are_answered() {
    for sha256 in [false, true] {
        let (_sip, seen) = comes_up(
            Rules {
                sha256,
                ..Rules::default()
            },
            300,
        )
        .await;
        assert_eq!(seen.lock().unwrap().good.len(), 1);
    }
}

#[tokio::test]
async fn a_stale_nonce_and_a_longer_minimum_are_followed() {
    let rules = Rules {
        stale_once: true,
        ..Rules::default()
    };
    let (_sip, seen) = comes_up(rules, 300).await;
    assert_eq!(seen.lock().unwrap().requests.len(), 3);
    let rules = Rules {
        min_expires: 1_800,
        ..Rules::default()
    };
    let (_sip, seen) = comes_up(rules, 300).await;
    assert_eq!(seen.lock().unwrap().good[0].1, 1_800);
}

#[tokio::test]
async fn behind_a_nat_the_address_the_registrar_sees_is_the_one_we_give() {
    for trusting in [false, true] {
        let rules = Rules {
            behind_nat: true,
            trusting,
            ..Rules::default()
        };
        let (sip, seen) = comes_up(rules, 300).await;
        let end = Instant::now() + Duration::from_secs(5);
        while seen.lock().unwrap().requests.len() < 2 {
            assert!(Instant::now() < end);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let contacts: Vec<String> = {
            let seen = seen.lock().unwrap();
            let all = seen.requests.iter();
            all.map(|r| header(&r.1, "Contact").unwrap().to_owned()).collect()
        };
        assert!(contacts[0].contains("@127.0.0.1:"), "{contacts:?}");
        assert_eq!(contacts[1], "<sip:clinic@203.0.113.5:40000>");
        sip.stop(Duration::from_secs(2)).await;
        let left = seen.lock().unwrap().requests.last().unwrap().1.clone();
        assert_eq!(header(&left, "Contact"), Some("<sip:clinic@203.0.113.5:40000>"));
        assert_eq!(header(&left, "Expires"), Some("0"));
    }
}

#[tokio::test]
async fn it_refreshes_before_it_expires_and_leaves_when_stopped() {
    let rules = Rules {
        granted: 3,
        ..Rules::default()
    };
    let (sip, seen) = comes_up(rules, 300).await;
    let end = Instant::now() + Duration::from_secs(10);
    while seen.lock().unwrap().good.len() < 3 {
        assert!(Instant::now() < end, "no refresh");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for w in seen.lock().unwrap().good.windows(2) {
        let gap = w[1].0 - w[0].0;
        assert!(gap < Duration::from_secs(3), "{gap:?}");
    }
    sip.stop(Duration::from_secs(2)).await;
    assert_eq!(seen.lock().unwrap().good.last().unwrap().1, 0, "unregistered");
}

#[tokio::test]
async fn a_wrong_password_is_said_and_not_hammered() {
    let (addr, seen) = registrar(Rules::default()).await;
    let (tx, mut rx) = mpsc::channel(16);
    let _sip = Sip::start(config(&[addr], "wrong", 300), tx).await.unwrap();
    assert_eq!(
        next_state(&mut rx).await,
        TrunkState::Down(TrunkDown::Unauthorised)
    );
    tokio::time::sleep(Duration::from_millis(500)).await;
    let seen = seen.lock().unwrap();
    assert_eq!((seen.requests.len(), seen.wrong), (2, 1));
}

#[tokio::test]
async fn the_next_registrar_is_used_when_the_first_refuses() {
    let bad = Rules {
        refuse: Some(503),
        ..Rules::default()
    };
    let (first, refused) = registrar(bad).await;
    let (second, seen) = registrar(Rules::default()).await;
    let (tx, mut rx) = mpsc::channel(16);
    let sip = Sip::start(config(&[first, second], PASSWORD, 300), tx)
        .await
        .unwrap();
    assert_eq!(next_state(&mut rx).await, TrunkState::Up);
    assert_eq!(refused.lock().unwrap().requests.len(), 1);
    assert_eq!(seen.lock().unwrap().good.len(), 1);
    drop(sip);
}

#[tokio::test]
async fn all_refusing_is_down_and_tried_again_later() {
    let bad = Rules {
        refuse: Some(500),
        ..Rules::default()
    };
    let (addr, seen) = registrar(bad).await;
    let (tx, mut rx) = mpsc::channel(16);
    let _sip = Sip::start(config(&[addr], PASSWORD, 300), tx).await.unwrap();
    assert_eq!(
        next_state(&mut rx).await,
        TrunkState::Down(TrunkDown::Refused(500))
    );
    let end = Instant::now() + Duration::from_secs(10);
    while seen.lock().unwrap().requests.len() < 2 {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let seen = seen.lock().unwrap();
    let gap = seen.requests[1].0 - seen.requests[0].0;
    assert!(gap > Duration::from_millis(1_500), "backs off: {gap:?}");
}

#[tokio::test]
async fn a_trunk_by_address_is_probed_with_options() {
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (tx, mut rx) = mpsc::channel(16);
    let cfg = SipConfig {
        trunks: vec![TrunkConfig {
            name: "provider".into(),
            kind: TrunkKind::Address {
                peers: vec!["127.0.0.1/32".parse().unwrap()],
                target: Some(format!("sip:{}", peer.local_addr().unwrap())),
            },
            transport: Transport::Udp,
            options_s: 1,
        }],
        ..SipConfig::default()
    };
    let _sip = Sip::start(cfg, tx).await.unwrap();
    let mut buf = vec![0; 65_535];
    for _ in 0..2 {
        let (n, from) = tokio::time::timeout(Duration::from_secs(5), peer.recv_from(&mut buf))
            .await
            .unwrap()
            .unwrap();
        let m = String::from_utf8_lossy(&buf[..n]).into_owned();
        assert!(m.starts_with("OPTIONS sip:127.0.0.1:"), "{m}");
        let copy: String = ["Via", "From", "To", "Call-ID", "CSeq"]
            .iter()
            .map(|h| format!("{h}: {}\r\n", header(&m, h).unwrap()))
            .collect();
        peer.send_to(format!("SIP/2.0 404 X\r\n{copy}\r\n").as_bytes(), from)
            .await
            .unwrap();
    }
    assert_eq!(
        next_state(&mut rx).await,
        TrunkState::Up,
        "any answer is a sign of life"
    );
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_registered_again_at_once() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut cfg = config(&[addr], PASSWORD, 3_600);
    cfg.trunks[0].transport = Transport::Tcp;
    let (tx, mut rx) = mpsc::channel(16);
    let _sip = Sip::start(cfg, tx).await.unwrap();
    for round in 0..3 {
        let accept = tokio::time::timeout(Duration::from_secs(5), listener.accept());
        let (mut s, _) = accept.await.expect("a connection").unwrap();
        let mut buf = vec![0; 65_535];
        let n = s.read(&mut buf).await.unwrap();
        let m = String::from_utf8_lossy(&buf[..n]).into_owned();
        assert!(m.starts_with("REGISTER") && m.contains(";transport=tcp>"), "{m}");
        let copy: String = ["Via", "From", "To", "Call-ID", "CSeq", "Contact"]
            .iter()
            .map(|h| format!("{h}: {}\r\n", header(&m, h).unwrap()))
            .collect();
        s.write_all(format!("SIP/2.0 200 OK\r\n{copy}Content-Length: 0\r\n\r\n").as_bytes())
            .await
            .unwrap();
        if round == 0 {
            assert_eq!(next_state(&mut rx).await, TrunkState::Up);
        }
        // Let the 200 be read before the connection goes.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
