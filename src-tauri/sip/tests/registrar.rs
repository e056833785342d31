//! The registrar, one behaviour each, with telephones that are a socket and text.

mod support;

use anteroom_sip::{
    BanConfig, RateLimit, SipConfig, SipEvent, Transport, TrunkConfig, TrunkKind, UnregisterWhy,
};
use support::phone::{Login, PASSWORD, Phone, REALM, header, headers, param, status, users, with_registrar};
use support::{Running, SDP, start};

async fn running(cfg: SipConfig) -> Running {
    let r = start(cfg).await;
    r.sip.set_users(users(&["201", "202"])).unwrap();
    r
}

#[tokio::test]
async fn a_telephone_registers_refreshes_and_leaves_over_udp_and_tcp() {
    let r = running(with_registrar()).await;
    for (n, sha256) in [(0, true), (1, false)] {
        let mut p = if n == 0 {
            Phone::udp(r.addr(Transport::Udp)).await
        } else {
            Phone::tcp(r.addr(Transport::Tcp)).await
        };
        let login = Login {
            sha256,
            ..Login::new("201")
        };
        let contact = p.contact("201");
        let ok = p
            .register(&login, &contact, "Expires: 120\r\nUser-Agent: Desk 1\r\n")
            .await;
        assert_eq!(status(&ok), 200, "{ok}");
        let listed = headers(&ok, "Contact");
        assert_eq!(listed.len(), 1, "{ok}");
        assert!(
            listed[0].starts_with(&contact) && listed[0].contains("expires=1"),
            "{ok}"
        );
        let known = r.sip.contacts("201");
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].source, p.me);
        assert_eq!(known[0].user_agent.as_deref(), Some("Desk 1"));
        assert!(!known[0].websocket && known[0].expires_in_s > 100);
        assert_eq!(r.sip.registrations(), known);
        // A refresh with the same nonce is the same contact and tells nothing.
        let ok = p.register(&login, &contact, "Expires: 120\r\n").await;
        assert_eq!(status(&ok), 200);
        assert_eq!(r.sip.contacts("201")[0].id, known[0].id);
        r.until("one registration", |t| {
            t.iter()
                .filter(|e| matches!(e, SipEvent::Registered { .. }))
                .count()
                == n + 1
        })
        .await;
        let ok = p.register(&login, &contact, "Expires: 0\r\n").await;
        assert!(header(&ok, "Contact").is_none(), "{ok}");
        let id = known[0].id;
        r.until("it left", |t| {
            t.iter().any(
                |e| matches!(e, SipEvent::Unregistered { contact, why: UnregisterWhy::Left, .. } if *contact == id),
            )
        })
        .await;
        assert!(r.sip.registrations().is_empty());
    }
}

#[tokio::test]
async fn sha_256_is_offered_before_md5_and_both_with_qop() {
    let r = running(with_registrar()).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let m = p.request("REGISTER", "201", "201", "", "");
    let c = p.ask(&m).await;
    assert_eq!(status(&c), 401);
    let offered = headers(&c, "WWW-Authenticate");
    assert_eq!(offered.len(), 2, "{c}");
    assert!(offered[0].contains("algorithm=SHA-256") && offered[1].contains("algorithm=MD5"));
    assert!(
        offered
            .iter()
            .all(|o| o.contains("qop=\"auth\"") && param(o, "realm") == REALM)
    );
}

#[tokio::test]
async fn a_challenge_is_no_amplifier() {
    let r = running(with_registrar()).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let mut answered = 0;
    for n in 0..30 {
        let shortest = format!(
            "REGISTER sip:a SIP/2.0\r\nv:SIP/2.0/UDP a;branch=z9hG4bK{n}\r\nt:sip:a@a\r\nf:sip:a@a;tag=1\r\ni:1\r\nCSeq:{n} REGISTER\r\n\r\n"
        );
        p.send(&shortest).await;
        if let Some(a) = p.recv_within(50).await {
            assert_eq!(status(&a), 401);
            assert!(a.len() < 5 * shortest.len(), "{} for {}", a.len(), shortest.len());
            answered += 1;
        }
    }
    assert_eq!(answered, 8);
}

#[tokio::test]
async fn a_keep_alive_by_stun_is_answered_with_where_it_came_from() {
    let r = running(with_registrar()).await;
    let s = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend_from_slice(&[7; 12]);
    s.send_to(&request, r.addr(Transport::Udp)).await.unwrap();
    let mut buf = [0; 100];
    let n = s.recv(&mut buf).await.unwrap();
    assert_eq!((n, &buf[..2], &buf[8..20]), (32, &[1, 1][..], &[7; 12][..]));
    let port = u16::from_be_bytes([buf[26], buf[27]]) ^ 0x2112;
    assert_eq!(port, s.local_addr().unwrap().port());
}

/// What is left of a response when what must differ is taken out: the nonce and the To tag.
fn shape(m: &str) -> String {
    m.lines()
        .map(|l| {
            let l = match l.find("nonce=\"") {
                Some(at) => format!("{}{}", &l[..at], &l[at + 7 + 64..]),
                None => l.to_owned(),
            };
            match (l.starts_with("To:"), l.find(";tag=")) {
                (true, Some(at)) => format!("{} {}", &l[..at], l.len()),
                _ => l,
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_are_told_the_same() {
    let r = running(with_registrar()).await;
    for method in ["REGISTER", "INVITE"] {
        let mut seen = Vec::new();
        for user in ["201", "299"] {
            let mut p = Phone::udp(r.addr(Transport::Udp)).await;
            let m = p.request(method, user, user, "", "");
            let first = p.ask(&m).await;
            let login = Login {
                password: "wrong".into(),
                ..Login::new(user)
            };
            let again = p.authorised(method, &login, user, "", "").await;
            let me = p.me.to_string();
            let port = p.me.port().to_string();
            let call = header(&first, "Call-ID").unwrap().to_owned();
            let text = format!("{}\n{}", shape(&first), shape(&again));
            seen.push(
                text.replace(&call, "CALL")
                    .replace(&me, "ME")
                    .replace(&port, "PORT")
                    .replace(user, "USER"),
            );
        }
        assert_eq!(seen[0], seen[1]);
    }
}

#[tokio::test]
async fn a_count_is_accepted_once_and_a_foreign_nonce_says_nothing() {
    let r = running(with_registrar()).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let login = Login::new("201");
    let contact = p.contact("201");
    assert_eq!(status(&p.register(&login, &contact, "").await), 200);
    let nonce = p.nonce.clone().unwrap();
    // The same count again, and the right password with a nonce of somebody else: neither is let in, neither is a failure.
    for (nonce, nc) in [(nonce.clone(), 1), ("0".repeat(64), 9)] {
        let c = login.answer(&nonce, nc, "REGISTER", "sip:clinic.test");
        let m = p.request("REGISTER", "201", "201", &format!("Authorization: {c}\r\n"), "");
        let refused = p.ask(&m).await;
        assert_eq!(status(&refused), 401);
        assert!(refused.contains("stale=true"), "{refused}");
    }
    assert_eq!(r.sip.counters().auth_failed, 0);
    // From another port the nonce is not theirs.
    let mut thief = Phone::udp(r.addr(Transport::Udp)).await;
    let c = login.answer(&nonce, 7, "REGISTER", "sip:clinic.test");
    let m = thief.request("REGISTER", "201", "201", &format!("Authorization: {c}\r\n"), "");
    assert_eq!(status(&thief.ask(&m).await), 401);
}

#[tokio::test]
async fn nobody_registers_somebody_else() {
    let r = running(with_registrar()).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let contact = p.contact("202");
    let extra = format!("Contact: {contact}\r\n");
    let refused = p
        .authorised("REGISTER", &Login::new("201"), "202", &extra, "")
        .await;
    assert_eq!(status(&refused), 403);
    assert!(r.sip.registrations().is_empty());
}

#[tokio::test]
async fn expiry_has_a_floor_a_default_and_a_ceiling() {
    let r = running(with_registrar()).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let login = Login::new("201");
    let contact = p.contact("201");
    let brief = p.register(&login, &contact, "Expires: 5\r\n").await;
    assert_eq!(status(&brief), 423);
    assert_eq!(header(&brief, "Min-Expires"), Some("30"));
    for (expires, granted) in [("", 300), ("Expires: 90000\r\n", 3_600)] {
        assert_eq!(status(&p.register(&login, &contact, expires).await), 200);
        let left = r.sip.contacts("201")[0].expires_in_s;
        assert!((granted - 5..=granted).contains(&left), "{left}");
    }
    // The parameter of a Contact goes before the header.
    let one = format!("{contact};expires=60");
    assert_eq!(status(&p.register(&login, &one, "Expires: 600\r\n").await), 200);
    assert!(r.sip.contacts("201")[0].expires_in_s <= 60);
}

#[tokio::test]
async fn a_user_has_several_contacts_up_to_a_limit_and_a_star_takes_all_back() {
    let mut cfg = with_registrar();
    cfg.registrar.as_mut().unwrap().contacts_per_user_max = 3;
    let r = running(cfg).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let login = Login::new("201");
    for n in 0..4 {
        let contact = format!("<sip:201@192.0.2.{n}>;expires={}", 100 + n);
        assert_eq!(status(&p.register(&login, &contact, "").await), 200);
    }
    let known = r.sip.contacts("201");
    assert_eq!(known.len(), 3);
    r.until("the first made room", |t| {
        t.iter().any(|e| {
            matches!(
                e,
                SipEvent::Unregistered {
                    why: UnregisterWhy::Displaced,
                    ..
                }
            )
        })
    })
    .await;
    // A star with anything but zero is malformed and changes nothing.
    assert_eq!(status(&p.register(&login, "*", "Expires: 60\r\n").await), 400);
    assert_eq!(r.sip.contacts("201").len(), 3);
    let ok = p.register(&login, "*", "Expires: 0\r\n").await;
    assert_eq!(status(&ok), 200);
    assert!(r.sip.registrations().is_empty());
    // A question without Contact changes nothing (RFC 3261 10.2.3).
    assert_eq!(
        status(&p.authorised("REGISTER", &login, "201", "", "").await),
        200
    );
}

#[tokio::test]
async fn a_telephone_that_comes_back_takes_its_place_by_instance() {
    let r = running(with_registrar()).await;
    let instance = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>\";reg-id=1";
    let login = Login::new("201");
    let mut id = None;
    for _ in 0..3 {
        let mut p = Phone::udp(r.addr(Transport::Udp)).await;
        let contact = format!("{};{instance}", p.contact("201"));
        let ok = p
            .register(&login, &contact, "Supported: outbound, path\r\n")
            .await;
        assert_eq!(header(&ok, "Require"), Some("outbound"), "{ok}");
        assert!(header(&ok, "Contact").unwrap().contains(instance), "{ok}");
        let known = r.sip.contacts("201");
        assert_eq!(known.len(), 1);
        assert_eq!(known[0].source, p.me);
        assert_eq!(*id.get_or_insert(known[0].id), known[0].id);
    }
    // Coming by another way is told.
    assert_eq!(r.count(|e| matches!(e, SipEvent::Registered { .. })), 3);
}

#[tokio::test]
async fn the_path_is_told_back() {
    let r = running(with_registrar()).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let contact = p.contact("201");
    let path = "Path: <sip:p1.test;lr>, <sip:p2.test;lr;ob>\r\nSupported: path\r\n";
    let ok = p.register(&Login::new("201"), &contact, path).await;
    assert_eq!(headers(&ok, "Path"), ["<sip:p1.test;lr>", "<sip:p2.test;lr;ob>"]);
}

#[tokio::test]
async fn a_connection_that_ends_takes_its_contact_with_it() {
    let r = running(with_registrar()).await;
    let mut p = Phone::tcp(r.addr(Transport::Tcp)).await;
    let contact = "<sip:201@198.51.100.7;transport=tcp>";
    assert_eq!(status(&p.register(&Login::new("201"), contact, "").await), 200);
    p.send("\r\n\r\n").await;
    drop(p);
    r.until("the contact is gone", |t| {
        t.iter().any(|e| {
            matches!(
                e,
                SipEvent::Unregistered {
                    why: UnregisterWhy::FlowLost,
                    ..
                }
            )
        })
    })
    .await;
    assert!(r.sip.registrations().is_empty());
}

#[tokio::test]
async fn who_loses_the_right_or_the_password_is_dropped_at_once() {
    let r = running(with_registrar()).await;
    for user in ["201", "202"] {
        let mut p = Phone::udp(r.addr(Transport::Udp)).await;
        let contact = p.contact(user);
        assert_eq!(status(&p.register(&Login::new(user), &contact, "").await), 200);
    }
    r.sip.set_users(users(&["202"])).unwrap();
    assert!(r.sip.contacts("201").is_empty());
    assert_eq!(r.sip.contacts("202").len(), 1, "the others are not touched");
}

#[tokio::test]
async fn the_sixth_guess_meets_silence_and_a_registered_telephone_is_unharmed() {
    let r = running(with_registrar()).await;
    let mut good = Phone::udp(r.addr(Transport::Udp)).await;
    let login = Login::new("201");
    let contact = good.contact("201");
    assert_eq!(status(&good.register(&login, &contact, "").await), 200);

    let mut bad = Phone::udp(r.addr(Transport::Udp)).await;
    let mut answered = 0;
    for n in 0..8 {
        let wrong = Login {
            password: format!("guess {n}"),
            ..Login::new("202")
        };
        let nonce = bad.nonce.clone();
        let extra = nonce.map(|x| {
            bad.nc += 1;
            format!(
                "Authorization: {}\r\n",
                wrong.answer(&x, bad.nc, "REGISTER", "sip:clinic.test")
            )
        });
        let m = bad.request("REGISTER", "202", "202", &extra.unwrap_or_default(), "");
        bad.send(&m).await;
        // An answer that is due may be late; the silence afterwards is looked at for a moment.
        if let Some(a) = bad.recv_within(if answered < 5 { 5_000 } else { 300 }).await {
            answered += 1;
            bad.nonce = Some(param(header(&a, "WWW-Authenticate").unwrap(), "nonce").to_owned());
            bad.nc = 0;
        }
    }
    assert_eq!(
        answered, 5,
        "the first challenge and four answers to guesses; the fifth guess was the last"
    );
    let c = r.sip.counters();
    assert_eq!((c.auth_failed, c.bans), (5, 1));
    // Neither another port of that address, nor the right password, nor a call, nor OPTIONS get an answer now.
    let mut other = Phone::udp(r.addr(Transport::Udp)).await;
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        let m = other.request(method, "202", "202", "", "");
        other.send(&m).await;
        assert_eq!(other.recv_within(200).await, None, "{method}");
    }
    // The registered telephone refreshes, with its nonce and with none.
    assert_eq!(status(&good.register(&login, &contact, "").await), 200);
    good.nonce = None;
    assert_eq!(status(&good.register(&login, &contact, "").await), 200);
    // It may even come back from another port, by showing the nonce it was let in with.
    let mut moved = Phone::udp(r.addr(Transport::Udp)).await;
    moved.nonce.clone_from(&good.nonce);
    moved.nc = good.nc;
    let contact = moved.contact("201");
    assert_eq!(status(&moved.register(&login, &contact, "").await), 200);
    assert_eq!(r.sip.counters().contacts, 2);
}

#[tokio::test]
async fn who_guesses_at_a_trunks_address_is_banned_and_the_trunk_is_not() {
    let mut cfg = with_registrar();
    cfg.trunks.push(TrunkConfig {
        name: "provider".into(),
        kind: TrunkKind::Address {
            peers: vec!["127.0.0.1/32".parse().unwrap()],
            target: None,
        },
        transport: Transport::Udp,
        options_s: 0,
    });
    let r = running(cfg).await;
    let mut bad = Phone::udp(r.addr(Transport::Udp)).await;
    let mut answered = 0;
    for _ in 0..8 {
        let login = Login {
            password: "guess".into(),
            ..Login::new("202")
        };
        let extra = bad.nonce.clone().map_or(String::new(), |n| {
            format!(
                "Authorization: {}\r\n",
                login.answer(&n, 1, "REGISTER", "sip:clinic.test")
            )
        });
        let m = bad.request("REGISTER", "202", "202", &extra, "");
        bad.send(&m).await;
        if let Some(a) = bad.recv_within(if answered < 5 { 5_000 } else { 100 }).await {
            answered += 1;
            bad.nonce = Some(param(header(&a, "WWW-Authenticate").unwrap(), "nonce").to_owned());
        }
    }
    let c = r.sip.counters();
    assert_eq!((c.auth_failed, c.bans), (5, 1));
    let mut trunk = Phone::udp(r.addr(Transport::Udp)).await;
    let contact = format!("Contact: {}\r\n", trunk.contact("x"));
    let call = trunk.request("INVITE", "desk", "0301", &contact, SDP);
    let call = call.replace("sip:0301@clinic.test", "sip:0301@provider.test");
    assert_eq!(status(&trunk.ask(&call).await), 200);
    let by_trunk = |e: &SipEvent| {
        matches!(
            e,
            SipEvent::Incoming {
                trunk: Some(_),
                user: None,
                ..
            }
        )
    };
    assert_eq!(r.count(by_trunk), 1);
}

#[tokio::test]
async fn names_asked_for_in_a_row_get_five_answers_whether_they_exist_or_not() {
    let mut cfg = with_registrar();
    cfg.registrar.as_mut().unwrap().ban = BanConfig::default();
    let r = running(cfg).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let mut answered = Vec::new();
    for name in 195..210 {
        let name = name.to_string();
        let m = p.request("REGISTER", &name, &name, "", "");
        p.send(&m).await;
        if p.recv_within(if answered.len() < 5 { 5_000 } else { 100 })
            .await
            .is_some()
        {
            answered.push(name);
        }
    }
    assert_eq!(answered, ["195", "196", "197", "198", "199"]);
}

#[tokio::test]
#[ignore = "a measurement, not a check: 4000 wrong passwords, half of them of users that exist"]
#[expect(clippy::print_stderr, reason = "what was measured is what it is for")]
async fn time_tells_nobody_from_somebody() {
    let mut cfg = with_registrar();
    cfg.rate = RateLimit {
        per_source_per_s: 100_000.0,
        burst: 100_000,
    };
    cfg.registrar.as_mut().unwrap().ban.failures_max = 0;
    let r = running(cfg).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let mut micros: [Vec<u128>; 2] = [Vec::new(), Vec::new()];
    for n in 0..4_000 {
        let user = ["201", "299"][n % 2];
        let login = Login {
            password: "wrong".into(),
            ..Login::new(user)
        };
        let m = p.request("REGISTER", user, user, "", "");
        let c = p.ask(&m).await;
        let nonce = param(header(&c, "WWW-Authenticate").unwrap(), "nonce").to_owned();
        let a = login.answer(&nonce, 1, "REGISTER", "sip:clinic.test");
        let m = p.request("REGISTER", user, user, &format!("Authorization: {a}\r\n"), "");
        let begun = std::time::Instant::now();
        assert_eq!(status(&p.ask(&m).await), 401);
        micros[n % 2].push(begun.elapsed().as_micros());
    }
    for (v, who) in micros.iter_mut().zip(["exists", "does not"]) {
        v.sort_unstable();
        eprintln!("{who}: p10 {} p50 {} p90 {} us", v[200], v[1_000], v[1_800]);
    }
}

#[tokio::test]
async fn without_registrar_everything_is_as_it_was() {
    let r = start(SipConfig::default()).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let m = p.request("REGISTER", "201", "201", "", "");
    assert_eq!(status(&p.ask(&m).await), 405);
    assert!(r.sip.set_users(users(&["201"])).is_err());
    let _ = PASSWORD;
}
