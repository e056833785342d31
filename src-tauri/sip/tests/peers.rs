//! Real telephones, a real proxy and real attackers: baresip, sipp, Kamailio and SIPVicious.

mod support;

use anteroom_sip::{
    ContactId, DialRequest, DigestAlgorithm, EndWhy, Listen, SipConfig, SipEvent, TlsFiles, Transport,
};
use anteroom_types::LegId;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use support::peer::{Peer, needs};
use support::phone::{Login, PASSWORD, Phone, REALM, header, status, users, with_registrar};
use support::{Running, SDP, start};

async fn running(cfg: SipConfig) -> Running {
    let r = start(cfg).await;
    r.sip.set_users(users(&["201", "202"])).unwrap();
    r
}

/// A certificate for this machine.
fn certificate(dir: &Path) -> TlsFiles {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    TlsFiles { cert, key, ca: None }
}

/// A baresip that registers and answers by itself.
fn baresip(dir: &Path, user: &str, password: &str, to: SocketAddr, transport: &str) -> Peer {
    let modules = [
        "/usr/lib/baresip/modules",
        "/usr/lib64/baresip/modules",
        "/usr/local/lib/baresip/modules",
    ];
    let modules = modules
        .iter()
        .find(|p| Path::new(p).is_dir())
        .expect("baresip's modules: run `cargo xtask setup`");
    let dir = dir.join(user);
    std::fs::create_dir_all(&dir).unwrap();
    let config = format!(
        "poll_method epoll\nsip_listen 127.0.0.1:0\nnet_interface 127.0.0.1\naudio_source aubridge,a\n\
         audio_player aubridge,b\nrtp_timeout 0\nmodule_path {modules}\nmodule stdio.so\nmodule g711.so\n\
         module aubridge.so\nmodule_app account.so\nmodule_app menu.so\n"
    );
    std::fs::write(dir.join("config"), config).unwrap();
    let account = format!(
        "<sip:{user}@clinic.test>;auth_user={user};auth_pass={password};outbound=\"sip:{to};transport={transport}\";\
         regint=60;answermode=auto;audio_codecs=PCMU/8000/1\n"
    );
    std::fs::write(dir.join("accounts"), account).unwrap();
    std::fs::write(dir.join("contacts"), "").unwrap();
    Peer::start("baresip", &["-f", dir.to_str().unwrap(), "-v"], &dir)
}

async fn contact(r: &Running, user: &str) -> ContactId {
    r.until(&format!("{user} registers"), |t| {
        t.iter()
            .any(|e| matches!(e, SipEvent::Registered { user: u, .. } if u == user))
    })
    .await;
    r.sip.contacts(user)[0].id
}

async fn established(r: &Running, n: usize) {
    r.until("the call is up", |t| {
        t.iter()
            .filter(|e| matches!(e, SipEvent::Established { .. }))
            .count()
            == n
    })
    .await;
}

async fn a_telephone_works_over(transport: Transport) {
    let dir = tempfile::tempdir().unwrap();
    let mut cfg = with_registrar();
    cfg.tls = Some(certificate(dir.path()));
    cfg.listen.push(Listen {
        transport: Transport::Tls,
        addr: cfg.listen[0].addr,
    });
    let r = running(cfg).await;
    let to = r.addr(transport);
    let mut phone = baresip(dir.path(), "201", "correct%20horse", to, transport.as_param());
    // Its account file cannot hold a blank.
    r.sip
        .set_users(vec![
            anteroom_sip::SipUser::new("201", REALM, "correct%20horse"),
            anteroom_sip::SipUser::new("202", REALM, PASSWORD),
        ])
        .unwrap();
    let id = contact(&r, "201").await;
    assert_eq!(r.sip.contacts("201")[0].transport, transport);
    // We call it: it answers by itself, and we hang up.
    let leg = LegId::from_u128(1);
    r.sip
        .dial(DialRequest {
            sdp: Some(SDP.into()),
            ..DialRequest::new(leg, id, "0301234567")
        })
        .unwrap();
    established(&r, 1).await;
    r.sip.bye(leg).unwrap();
    r.until("we hung up", |t| {
        t.iter().any(|e| {
            matches!(
                e,
                SipEvent::Ended {
                    why: EndWhy::LocalBye,
                    ..
                }
            )
        })
    })
    .await;
    // It calls us, and hangs up.
    let keys = phone.keys.as_mut().unwrap();
    keys.write_all(b"/dial 202\n").unwrap();
    keys.flush().unwrap();
    established(&r, 2).await;
    let known = |e: &SipEvent| matches!(e, SipEvent::Incoming { user: Some(u), .. } if u == "201");
    assert_eq!(r.count(known), 1);
    phone.keys.as_mut().unwrap().write_all(b"/hangup\n").unwrap();
    r.until("it hung up", |t| {
        t.iter()
            .any(|e| matches!(e, SipEvent::Ended { why: EndWhy::Bye, .. }))
    })
    .await;
    // Quitting, it takes its registration back.
    phone.keys.as_mut().unwrap().write_all(b"/quit\n").unwrap();
    r.until("it left", |t| {
        t.iter().any(|e| matches!(e, SipEvent::Unregistered { .. }))
    })
    .await;
    assert_eq!(r.sip.counters().auth_failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_over_udp() {
    a_telephone_works_over(Transport::Udp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_over_tcp() {
    a_telephone_works_over(Transport::Tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_over_tls() {
    a_telephone_works_over(Transport::Tls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn baresip_holds_resumes_and_transfers() {
    let dir = tempfile::tempdir().unwrap();
    let r = start(with_registrar()).await;
    r.sip
        .set_users(vec![anteroom_sip::SipUser::new("201", REALM, "correct")])
        .unwrap();
    let mut phone = baresip(dir.path(), "201", "correct", r.addr(Transport::Udp), "udp");
    let mut press = |keys: &str| {
        let k = phone.keys.as_mut().unwrap();
        k.write_all(format!("{keys}\n").as_bytes()).unwrap();
        k.flush().unwrap();
    };
    let id = contact(&r, "201").await;
    let leg = LegId::from_u128(1);
    r.sip
        .dial(DialRequest {
            sdp: Some(SDP.into()),
            ..DialRequest::new(leg, id, "0301234567")
        })
        .unwrap();
    established(&r, 1).await;
    for (n, (keys, direction)) in [("/hold", "a=sendonly"), ("/resume", "a=sendrecv")]
        .into_iter()
        .enumerate()
    {
        press(keys);
        r.until(direction, |t| {
            let offers: Vec<&String> = t
                .iter()
                .filter_map(|e| match e {
                    SipEvent::Offer { sdp, .. } => sdp.as_ref(),
                    _ => None,
                })
                .collect();
            offers.len() == n + 1 && offers[n].contains(direction)
        })
        .await;
    }
    press("/transfer 202");
    let asked = |e: &SipEvent| match e {
        SipEvent::Refer {
            leg: l,
            token,
            replaces: None,
            ..
        } if *l == leg => Some(*token),
        _ => None,
    };
    r.until("it transfers", |t| t.iter().any(|e| asked(e).is_some()))
        .await;
    let token = r.told.lock().unwrap().iter().find_map(asked).unwrap();
    r.sip.refer_accept(leg, token).unwrap();
    r.sip.refer_progress(leg, token, 180).unwrap();
    r.sip.refer_progress(leg, token, 200).unwrap();
    // Told that it succeeded, it leaves by itself.
    r.until("it leaves the call", |t| {
        t.iter()
            .any(|e| matches!(e, SipEvent::Ended { why: EndWhy::Bye, .. }))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sipp_registers_answers_challenges_and_calls() {
    needs("sipp");
    let r = running(with_registrar()).await;
    let dir = tempfile::tempdir().unwrap();
    let xml = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sipp/register.xml");
    let to = r.addr(Transport::Udp).to_string();
    let args = [
        &to,
        "-sf",
        xml.to_str().unwrap(),
        "-s",
        "201",
        "-au",
        "201",
        "-ap",
        PASSWORD,
        "-m",
        "20",
        "-r",
        "20",
        "-i",
        "127.0.0.1",
        "-nostdin",
        "-timeout",
        "30s",
        "-timeout_error",
        "-trace_err",
    ];
    let mut sipp = Peer::start("sipp", &args, dir.path());
    let (content, log) = sipp.end(Duration::from_secs(40)).await;
    assert!(content, "{log}");
    assert_eq!(r.sip.contacts("201").len(), 1);
    assert_eq!(r.sip.counters().auth_failed, 0);
    let known = |e: &SipEvent| matches!(e, SipEvent::Incoming { user: Some(u), .. } if u == "201");
    assert_eq!(r.count(known), 20);
}

/// A port nobody uses at present.
fn free_port() -> u16 {
    let s = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    s.local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_telephone_behind_kamailio_is_reached_by_path_and_record_route() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut cfg = with_registrar();
    cfg.registrar.as_mut().unwrap().ban.exempt = vec!["127.0.0.1/32".parse().unwrap()];
    let r = running(cfg).await;
    let us = r.addr(Transport::Udp);
    let our_port = us.port();
    let script = format!(
        "#!KAMAILIO\ndebug=2\nlog_stderror=yes\nchildren=1\nauto_aliases=no\nlisten=udp:127.0.0.1:{port}\n\
         loadmodule \"tm.so\"\nloadmodule \"sl.so\"\nloadmodule \"rr.so\"\nloadmodule \"path.so\"\nloadmodule \"pv.so\"\n\
         loadmodule \"siputils.so\"\nloadmodule \"textops.so\"\nmodparam(\"rr\", \"enable_full_lr\", 1)\n\
         request_route {{\n\
           if (is_method(\"CANCEL\")) {{ t_relay(); exit; }}\n\
           if (has_totag()) {{ if (loose_route()) {{ t_relay(); exit; }}\n\
             if (is_method(\"ACK\")) {{ t_relay(); exit; }} sl_send_reply(\"404\", \"Not here\"); exit; }}\n\
           if (is_method(\"REGISTER\")) {{ add_path(); $du = \"sip:{us}\"; t_relay(); exit; }}\n\
           record_route();\n\
           if ($sp == {our_port}) {{ loose_route(); t_relay(); exit; }}\n\
           $du = \"sip:{us}\"; t_relay();\n\
         }}\n"
    );
    let file = dir.path().join("kamailio.cfg");
    std::fs::write(&file, script).unwrap();
    let run = dir.path().to_str().unwrap();
    let args = [
        "-f",
        file.to_str().unwrap(),
        "-DD",
        "-E",
        "-m",
        "32",
        "-M",
        "8",
        "-Y",
        run,
        "-w",
        run,
    ];
    let kamailio = Peer::start("kamailio", &args, dir.path());
    let proxy = SocketAddr::from(([127, 0, 0, 1], port));
    let mut p = Phone::udp(proxy).await;
    // Its start is seen by its first answer.
    let ready = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let m = p.request("REGISTER", "201", "201", "", "");
            p.send(&m).await;
            if p.recv_within(200).await.is_some() {
                return;
            }
        }
    });
    assert!(ready.await.is_ok(), "{}", kamailio.log());
    while p.recv_within(100).await.is_some() {}
    let contact = p.contact("201");
    let ok = p
        .register(&Login::new("201"), &contact, "Supported: path\r\n")
        .await;
    assert_eq!(status(&ok), 200, "{ok}\n{}", kamailio.log());
    assert!(header(&ok, "Path").unwrap().contains(&port.to_string()), "{ok}");
    let known = r.sip.contacts("201");
    assert_eq!(known[0].source, proxy);
    // To the telephone, through the proxy, there and back.
    let leg = LegId::from_u128(1);
    r.sip
        .dial(DialRequest {
            sdp: Some(SDP.into()),
            ..DialRequest::new(leg, known[0].id, "0301234567")
        })
        .unwrap();
    let invite = p.until_request("INVITE").await;
    assert!(
        header(&invite, "Record-Route")
            .unwrap()
            .contains(&port.to_string()),
        "{invite}"
    );
    assert!(header(&invite, "Route").is_none(), "{invite}");
    let mine = format!("Contact: {contact}\r\n");
    p.respond(&invite, 200, &mine, SDP).await;
    let ack = p.until_request("ACK").await;
    assert!(
        header(&ack, "Via").unwrap().contains(&port.to_string()),
        "through the proxy: {ack}"
    );
    established(&r, 1).await;
    r.sip.bye(leg).unwrap();
    let bye = p.until_request("BYE").await;
    assert!(header(&bye, "Via").unwrap().contains(&port.to_string()), "{bye}");
    p.respond(&bye, 200, "", "").await;
    r.until("it ends", |t| {
        t.iter().any(|e| {
            matches!(
                e,
                SipEvent::Ended {
                    why: EndWhy::LocalBye,
                    ..
                }
            )
        })
    })
    .await;
    // From the telephone.
    p.nonce = None;
    let ok = p
        .authorised("INVITE", &Login::new("201"), "202", &mine, SDP)
        .await;
    assert_eq!(status(&ok), 200, "{ok}");
    assert!(
        header(&ok, "Record-Route").unwrap().contains(&port.to_string()),
        "{ok}"
    );
    let known = |e: &SipEvent| matches!(e, SipEvent::Incoming { user: Some(u), .. } if u == "201");
    r.until("the call is known", |t| {
        t.iter().filter(|e| known(e)).count() == 1
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sipvicious_learns_nobody_is_banned_and_harms_nobody() {
    let dir = tempfile::tempdir().unwrap();
    // It gives up at SHA-256; so that it can try at all, it is met as old telephones are.
    let mut cfg = with_registrar();
    cfg.registrar.as_mut().unwrap().algorithms = vec![DigestAlgorithm::Md5];
    let r = running(cfg).await;
    let to = r.addr(Transport::Udp);
    let mut good = Phone::udp(to).await;
    let login = Login {
        sha256: false,
        ..Login::new("201")
    };
    let contact = good.contact("201");
    assert_eq!(status(&good.register(&login, &contact, "").await), 200);
    let words = dir.path().join("words");
    let guesses: Vec<String> = (0..200).map(|n| format!("guess{n}")).collect();
    std::fs::write(&words, format!("{}\n{PASSWORD}\n", guesses.join("\n"))).unwrap();
    let port = to.port().to_string();
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let local = free_port().to_string();
        let args = [
            "-p",
            &port,
            "-P",
            &local,
            "-m",
            method,
            "-e",
            "200-215",
            "--force",
            "--maximumtime",
            "3",
            "-v",
            "127.0.0.1",
        ];
        let mut svwar = Peer::start("svwar", &args, dir.path());
        let (_, said) = svwar.end(Duration::from_secs(8)).await;
        // `| 200       | reqauth        |`: what it found out about each name.
        let found: Vec<(&str, &str)> = said
            .lines()
            .filter_map(|l| l.trim().strip_prefix('|')?.strip_suffix('|')?.split_once('|'))
            .map(|(name, how)| (name.trim(), how.trim()))
            .filter(|(name, _)| name.bytes().all(|b| b.is_ascii_digit()))
            .collect();
        let hows: std::collections::BTreeSet<&str> = found.iter().map(|f| f.1).collect();
        assert!(hows.len() <= 1, "users are told from others by {method}: {said}");
        if method != "OPTIONS" {
            assert!(found.len() <= 5, "{said}");
            assert!(!hows.contains("noauth"), "{said}");
        }
    }
    let before = r.sip.counters();
    assert_eq!(before.auth_failed, 0);
    let local = free_port().to_string();
    let args = [
        "-p",
        &port,
        "-P",
        &local,
        "-u",
        "202",
        "-d",
        words.to_str().unwrap(),
        "--maximumtime",
        "3",
        "-v",
        "127.0.0.1",
    ];
    let mut svcrack = Peer::start("svcrack", &args, dir.path());
    let (_, said) = svcrack.end(Duration::from_secs(40)).await;
    assert!(!said.contains(PASSWORD), "{said}");
    let c = r.sip.counters();
    assert_eq!(c.auth_failed, 5, "banned within five tries: {said}");
    assert_eq!((c.calls_in, c.calls_out), (0, 0), "no call was placed");
    assert!(c.banned_dropped > before.banned_dropped);
    // The telephone at the same address goes on, afresh and with its nonce.
    assert_eq!(status(&good.register(&login, &contact, "").await), 200);
    good.nonce = None;
    assert_eq!(status(&good.register(&login, &contact, "").await), 200);
}
