//! Calls to and from registered telephones: over their flows, in place of others, transferred, and their lamps.

mod support;

use anteroom_sip::{
    CancelReason, ContactId, DialRequest, EndWhy, ExtraHeader, ReferToken, SipConfig, SipEvent, Transport,
    UnregisterWhy,
};
use anteroom_types::{CallId, LegId, Purpose};
use std::net::SocketAddr;
use support::phone::{Login, Phone, header, status, users, with_registrar};
use support::{Running, SDP, start};

async fn running() -> Running {
    let r = start(with_registrar()).await;
    r.sip.set_users(users(&["201", "202", "203"])).unwrap();
    r
}

async fn registered(r: &Running, user: &str) -> (Phone, ContactId) {
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let contact = p.contact(user);
    assert_eq!(status(&p.register(&Login::new(user), &contact, "").await), 200);
    let id = r.sip.contacts(user)[0].id;
    (p, id)
}

fn leg(n: u128) -> LegId {
    LegId::from_u128(n)
}

async fn ended(r: &Running, l: LegId, w: EndWhy) {
    r.until("it ends", |t| {
        t.iter()
            .any(|e| matches!(e, SipEvent::Ended { leg, why } if *leg == l && *why == w))
    })
    .await;
}

/// A telephone rings, answers and the call is up. Gives the INVITE it got.
async fn answered(r: &Running, p: &mut Phone, id: ContactId, n: u128) -> String {
    r.sip
        .dial(DialRequest {
            sdp: Some(SDP.into()),
            ..DialRequest::new(leg(n), id, "0301234567")
        })
        .unwrap();
    let invite = p.until_request("INVITE").await;
    let contact = format!("Contact: {}\r\n", p.contact("x"));
    p.respond(&invite, 200, &contact, SDP).await;
    p.until_request("ACK").await;
    r.until("it is up", |t| {
        t.iter()
            .any(|e| matches!(e, SipEvent::Established { leg: l } if *l == leg(n)))
    })
    .await;
    invite
}

#[tokio::test]
async fn a_contact_rings_with_what_the_call_is_about() {
    let r = running().await;
    let (mut p, id) = registered(&r, "201").await;
    let call = CallId::from_u128(42);
    r.sip
        .dial(DialRequest {
            from_display: Some("Ann".into()),
            sdp: Some(SDP.into()),
            assert_identity: true,
            headers: vec![
                ExtraHeader::Call(call),
                ExtraHeader::AlertInfo("<urn:alert:source:external>".into()),
            ],
            ..DialRequest::new(leg(1), id, "0301234567")
        })
        .unwrap();
    let invite = p.until_request("INVITE").await;
    assert!(
        invite.starts_with(&format!("INVITE sip:201@{};transport=udp SIP/2.0", p.me)),
        "{invite}"
    );
    assert_eq!(
        header(&invite, "X-Anteroom-Call"),
        Some(call.to_string().as_str())
    );
    assert_eq!(header(&invite, "Alert-Info"), Some("<urn:alert:source:external>"));
    assert_eq!(
        header(&invite, "P-Asserted-Identity"),
        Some("\"Ann\" <sip:0301234567@clinic.test>")
    );
    assert!(
        header(&invite, "From")
            .unwrap()
            .starts_with("\"Ann\" <sip:0301234567@clinic.test>;tag=")
    );
    assert_eq!(header(&invite, "To"), Some("<sip:201@clinic.test>"));
    // Somebody else was faster.
    p.respond(&invite, 180, "", "").await;
    r.until("it rings", |t| {
        t.iter()
            .any(|e| matches!(e, SipEvent::Progress { status: 180, .. }))
    })
    .await;
    r.sip
        .cancel_because(leg(1), CancelReason::AnsweredElsewhere)
        .unwrap();
    let cancel = p.until_request("CANCEL").await;
    assert_eq!(
        header(&cancel, "Reason"),
        Some("SIP;cause=200;text=\"Call completed elsewhere\"")
    );
    p.respond(&cancel, 200, "", "").await;
    p.respond(&invite, 487, "", "").await;
    ended(&r, leg(1), EndWhy::Cancelled).await;
    // A header that would break the message, and a contact that is not there, are refused.
    for bad in ["a\r\nX: y", "ä"] {
        let bad = DialRequest {
            headers: vec![ExtraHeader::CallInfo(bad.into())],
            ..DialRequest::new(leg(2), id, "1")
        };
        assert!(r.sip.dial(bad).is_err());
    }
    assert!(r.sip.dial(DialRequest::new(leg(2), ContactId(99), "1")).is_err());
}

#[tokio::test]
async fn a_call_from_a_telephone_is_challenged_and_then_known() {
    let r = running().await;
    let (mut p, _) = registered(&r, "201").await;
    p.nonce = None;
    let contact = format!("Contact: {}\r\n", p.contact("201"));
    let ok = p
        .authorised("INVITE", &Login::new("201"), "202", &contact, SDP)
        .await;
    assert_eq!(status(&ok), 200, "{ok}");
    let known =
        |e: &SipEvent| matches!(e, SipEvent::Incoming { user: Some(u), trunk: None, .. } if u == "201");
    assert_eq!(r.count(known), 1);
    // Nobody else gets through, whatever they call themselves.
    let mut stranger = Phone::udp(r.addr(Transport::Udp)).await;
    for from in ["201", "299"] {
        let m = stranger.request("INVITE", "202", from, "", SDP);
        assert_eq!(status(&stranger.ask(&m).await), 407);
    }
    assert_eq!(r.count(|e| matches!(e, SipEvent::Incoming { .. })), 1);
}

#[tokio::test]
async fn a_browser_registers_is_called_and_calls_over_its_websocket() {
    let r = running().await;
    let peer: SocketAddr = "203.0.113.9:51000".parse().unwrap();
    let mut p = Phone::websocket(&r.sip, peer);
    p.send("\r\n\r\n").await;
    assert_eq!(p.recv().await, "\r\n", "a keep-alive is answered");
    let login = Login::new("201");
    let contact = format!(
        "{};+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=600",
        p.contact("201")
    );
    let ok = p
        .register(&login, &contact, "Supported: path, outbound\r\n")
        .await;
    assert_eq!(status(&ok), 200, "{ok}");
    let known = r.sip.contacts("201");
    assert!(known[0].websocket && known[0].source == peer);

    let invite = answered(&r, &mut p, known[0].id, 1).await;
    assert!(
        invite.starts_with("INVITE sip:201@df7jal23ls0d.invalid;transport=ws SIP/2.0"),
        "{invite}"
    );
    assert!(
        header(&invite, "Via").unwrap().starts_with("SIP/2.0/WSS "),
        "{invite}"
    );
    assert!(
        header(&invite, "Contact").unwrap().contains("transport=ws"),
        "{invite}"
    );
    r.sip.bye(leg(1)).unwrap();
    let bye = p.until_request("BYE").await;
    assert!(bye.contains("df7jal23ls0d.invalid"));
    p.respond(&bye, 200, "", "").await;
    ended(&r, leg(1), EndWhy::LocalBye).await;

    let contact = format!("Contact: {}\r\n", p.contact("201"));
    let ok = p.authorised("INVITE", &login, "202", &contact, SDP).await;
    assert_eq!(status(&ok), 200, "{ok}");

    // A name in Latin-1 does not lose the message, nor do two sockets of one address disturb each other.
    let other = Phone::websocket(&r.sip, peer);
    drop(other);
    assert_eq!(r.sip.contacts("201").len(), 1);
    drop(p);
    r.until("it is gone", |t| {
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
    // What cannot be sent any more says so at once.
    assert!(r.sip.dial(DialRequest::new(leg(9), known[0].id, "1")).is_err());
}

#[tokio::test]
async fn a_browser_that_reconnects_keeps_its_call() {
    let r = running().await;
    let peer: SocketAddr = "203.0.113.9:51000".parse().unwrap();
    let login = Login::new("201");
    let mut first = Phone::websocket(&r.sip, peer);
    let contact = format!("{};+sip.instance=\"<urn:uuid:1>\";reg-id=1", first.contact("201"));
    let outbound = "Supported: outbound\r\n";
    assert_eq!(status(&first.register(&login, &contact, outbound).await), 200);
    let id = r.sip.contacts("201")[0].id;
    answered(&r, &mut first, id, 1).await;
    drop(first);
    r.until("the flow is lost", |t| {
        t.iter().any(|e| matches!(e, SipEvent::Unregistered { .. }))
    })
    .await;
    let mut again = Phone::websocket(&r.sip, "203.0.113.10:52000".parse().unwrap());
    assert_eq!(status(&again.register(&login, &contact, outbound).await), 200);
    r.sip.bye(leg(1)).unwrap();
    let bye = again.until_request("BYE").await;
    again.respond(&bye, 200, "", "").await;
    ended(&r, leg(1), EndWhy::LocalBye).await;
}

#[tokio::test]
async fn an_invite_takes_the_place_of_a_leg() {
    let r = running().await;
    let (mut desk, id) = registered(&r, "201").await;
    let invite = answered(&r, &mut desk, id, 1).await;
    let (call_id, from) = (
        header(&invite, "Call-ID").unwrap(),
        header(&invite, "From").unwrap(),
    );
    let ours = from.split("tag=").nth(1).unwrap();
    let (mut other, _) = registered(&r, "202").await;
    let login = Login::new("202");
    let contact = other.contact("202");
    for (replaces, expected) in [
        (format!("{call_id};to-tag={ours};from-tag=wrong"), 481),
        (format!("nothing;to-tag={ours};from-tag=phone"), 481),
        (format!("{call_id};to-tag={ours}"), 400),
        (format!("{call_id};to-tag={ours};from-tag=phone;early-only"), 486),
        (format!("{call_id};to-tag={ours};from-tag=phone"), 200),
        // As some browsers have it.
        (format!("{call_id};to-tag=phone;from-tag={ours}"), 200),
    ] {
        let extra = format!("Contact: {contact}\r\nRequire: replaces\r\nReplaces: {replaces}\r\n");
        other.nonce = None;
        let got = other.authorised("INVITE", &login, "201", &extra, SDP).await;
        assert_eq!(status(&got), expected, "{replaces}: {got}");
        let to = header(&got, "To").unwrap().to_owned();
        if expected != 200 {
            let ack = other.request("ACK", "201", "202", "", "");
            let ack = ack.replace("To: <sip:201@clinic.test>", &format!("To: {to}"));
            other.send(&ack).await;
        }
    }
    let taken = |e: &SipEvent| matches!(e, SipEvent::Incoming { replaces: Some(l), .. } if *l == leg(1));
    assert_eq!(r.count(taken), 2);
}

#[tokio::test]
async fn a_telephone_transfers_and_is_told_how_it_goes() {
    let r = running().await;
    let (mut desk, id) = registered(&r, "201").await;
    let caller = answered(&r, &mut desk, id, 1).await;
    let consulted = answered(&r, &mut desk, id, 2).await;
    // Blind.
    let refer = desk.within(
        &caller,
        "REFER",
        "Refer-To: <sip:203@clinic.test>\r\nReferred-By: <sip:201@clinic.test>\r\n",
    );
    desk.send(&refer).await;
    let token = refer_of(&r, 1, "203", None).await;
    r.sip.refer_accept(leg(1), token).unwrap();
    assert_eq!(status(&desk.recv().await), 202);
    let cseq = header(&refer, "CSeq").unwrap().split(' ').next().unwrap();
    for (told, state) in [(100, "active"), (180, "active"), (200, "terminated")] {
        if told > 100 {
            r.sip.refer_progress(leg(1), token, told).unwrap();
        }
        let notify = desk.until_request("NOTIFY").await;
        assert_eq!(
            header(&notify, "Event"),
            Some(format!("refer;id={cseq}").as_str())
        );
        assert!(
            header(&notify, "Subscription-State").unwrap().starts_with(state),
            "{notify}"
        );
        assert!(
            notify.ends_with(&format!(
                "SIP/2.0 {told} {}\r\n",
                ["Trying", "Ringing", "OK"][usize::from(told > 100) + usize::from(told > 180)]
            )),
            "{notify}"
        );
        desk.respond(&notify, 200, "", "").await;
    }
    assert!(r.sip.refer_progress(leg(1), token, 200).is_err(), "it is over");
    // Attended: the other leg is named from within the URI, escaped.
    let ours = header(&consulted, "From").unwrap().split("tag=").nth(1).unwrap();
    let replaces = format!(
        "{}%3Bto-tag%3D{ours}%3Bfrom-tag%3Dphone",
        header(&consulted, "Call-ID").unwrap()
    );
    let extra = format!("Refer-To: <sip:202@clinic.test?Replaces={replaces}>\r\nRefer-Sub: false\r\n");
    let refer = desk.within(&caller, "REFER", &extra);
    desk.send(&refer).await;
    let token = refer_of(&r, 2, "202", Some(leg(2))).await;
    r.sip.refer_accept(leg(1), token).unwrap();
    let accepted = desk.recv().await;
    assert_eq!(
        (status(&accepted), header(&accepted, "Refer-Sub")),
        (202, Some("false"))
    );
    r.sip.refer_progress(leg(1), token, 200).unwrap();
    // Refused, malformed, and for a dialog that is not there.
    for (extra, expected) in [
        ("Refer-To: <sip:203@clinic.test>\r\n", 603),
        ("", 400),
        ("Refer-To: <mailto:x@y>\r\n", 416),
        ("Refer-To: <sip:203@clinic.test;method=BYE>\r\n", 501),
        (
            "Refer-To: <sip:203@clinic.test?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>\r\n",
            481,
        ),
    ] {
        let refer = desk.within(&caller, "REFER", extra);
        desk.send(&refer).await;
        if expected == 603 {
            let token = refer_of(&r, 3, "203", None).await;
            r.sip.refer_reject(leg(1), token, 603).unwrap();
        }
        let got = desk.recv().await;
        assert_eq!(status(&got), expected, "{extra}: {got}");
    }
}

/// The `n`-th transfer asked for, from one.
async fn refer_of(r: &Running, n: usize, target: &str, replaces: Option<LegId>) -> ReferToken {
    let is = |e: &&SipEvent| matches!(e, SipEvent::Refer { .. });
    r.until("a transfer is asked for", |t| t.iter().filter(is).count() == n)
        .await;
    let told = r.told.lock().unwrap();
    match told.iter().rfind(is) {
        Some(SipEvent::Refer {
            token,
            target: t,
            replaces: l,
            ..
        }) => {
            assert_eq!((t.open(Purpose::Test).as_str(), *l), (target, replaces));
            *token
        }
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn nobody_outside_makes_us_dial() {
    let r = start(support::open()).await;
    let mut p = Phone::udp(r.addr(Transport::Udp)).await;
    let contact = format!("Contact: {}\r\n", p.contact("x"));
    let m = p.request("INVITE", "desk", "0301", &contact, SDP);
    let ok = p.ask(&m).await;
    let to = header(&ok, "To").unwrap();
    let refer = p
        .request("REFER", "desk", "0301", "Refer-To: <sip:0900@x>\r\n", "")
        .replace("To: <sip:desk@clinic.test>", &format!("To: {to}"))
        .replace("-REFER\r\n", "-INVITE\r\n");
    assert_eq!(status(&p.ask(&refer).await), 403);
    assert_eq!(r.count(|e| matches!(e, SipEvent::Refer { .. })), 0);
}

#[tokio::test]
async fn lamps_are_lit_for_subscribers_and_for_those_who_only_registered() {
    let r = running().await;
    let (mut asks, _) = registered(&r, "201").await;
    let (mut quiet, _) = registered(&r, "202").await;
    let extra = |p: &Phone, e: u32| {
        format!(
            "Contact: {}\r\nEvent: message-summary\r\nExpires: {e}\r\nAccept: application/simple-message-summary\r\n",
            p.contact("201")
        )
    };
    asks.nonce = None;
    let e = extra(&asks, 600);
    let ok = asks
        .authorised("SUBSCRIBE", &Login::new("201"), "201", &e, "")
        .await;
    assert_eq!((status(&ok), header(&ok, "Expires")), (200, Some("600")), "{ok}");
    let lamp = |m: &str, state: &str, text: &str| {
        assert!(header(m, "Subscription-State").unwrap().starts_with(state), "{m}");
        assert!(m.contains(text) && m.contains("Message-Account: sip:20"), "{m}");
    };
    let m = asks.until_request("NOTIFY").await;
    lamp(&m, "active;expires=", "Messages-Waiting: no\r\n");
    asks.respond(&m, 200, "", "").await;
    for user in ["201", "202"] {
        r.sip.set_mwi(user, 2, 1).unwrap();
        r.sip.set_mwi(user, 2, 1).unwrap();
    }
    let m = asks.until_request("NOTIFY").await;
    lamp(&m, "active", "Messages-Waiting: yes\r\n");
    assert!(m.contains("Voice-Message: 2/1 (0/0)"));
    asks.respond(&m, 200, "", "").await;
    assert_eq!(asks.recv_within(150).await, None, "told once");
    let m = quiet.until_request("NOTIFY").await;
    lamp(&m, "terminated", "Voice-Message: 2/1 (0/0)");
    quiet.respond(&m, 200, "", "").await;
    // The subscription ends with a last word.
    let to = header(&ok, "To").unwrap().to_owned();
    asks.nonce = None;
    let e = extra(&asks, 0);
    let again = asks.request("SUBSCRIBE", "201", "201", &e, "");
    let again = again.replace("To: <sip:201@clinic.test>", &format!("To: {to}"));
    asks.send(&again).await;
    assert_eq!(status(&asks.recv().await), 200);
    let m = asks.until_request("NOTIFY").await;
    lamp(&m, "terminated", "Messages-Waiting: yes\r\n");
    // Another event, and nobody in particular.
    let other = "Event: presence\r\nContact: <sip:a@192.0.2.1>\r\n";
    assert_eq!(
        status(
            &quiet
                .authorised("SUBSCRIBE", &Login::new("202"), "202", other, "")
                .await
        ),
        489
    );
    assert!(r.sip.set_mwi("299", 1, 0).is_err());
}

#[tokio::test]
async fn callers_never_keep_the_desk_from_telephoning_nor_anybody_from_an_emergency_call() {
    let r = start(SipConfig {
        calls_max: 1,
        allow_direct: true,
        emergency: vec!["999".into()],
        ..with_registrar()
    })
    .await;
    r.sip.set_users(users(&["201", "202"])).unwrap();
    let (mut p, contact) = registered(&r, "201").await;
    let mut caller = Phone::udp(r.addr(Transport::Udp)).await;
    let at = format!("Contact: {}\r\n", caller.contact("c"));
    let outside = |m: String| m.replace("@clinic.test>;tag", "@outside.test>;tag");
    let m = outside(caller.request("INVITE", "desk", "caller", &at, SDP));
    caller.send(&m).await;
    r.until("the caller is there", |t| {
        t.iter().any(|e| matches!(e, SipEvent::Incoming { .. }))
    })
    .await;
    let mut late = Phone::udp(r.addr(Transport::Udp)).await;
    let at = format!("Contact: {}\r\n", late.contact("c"));
    let m = outside(late.request("INVITE", "desk", "late", &at, SDP));
    assert_eq!(status(&late.ask(&m).await), 503);
    r.until("it is told who was turned away", |t| {
        t.iter()
            .any(|e| matches!(e, SipEvent::TurnedAway { trunk: None, .. }))
    })
    .await;

    // People are rung for whoever is there, also when nobody else is taken any more.
    r.sip.drain();
    r.sip
        .dial(DialRequest {
            sdp: Some(SDP.into()),
            ..DialRequest::new(leg(1), contact, "0301234567")
        })
        .unwrap();
    p.until_request("INVITE").await;

    let login = Login::new("201");
    let at = format!("Contact: {}\r\n", p.contact("201"));
    let colleague = p.authorised("INVITE", &login, "202", &at, SDP).await;
    assert_eq!(status(&colleague), 503, "{colleague}");
    assert_eq!(r.count(|e| matches!(e, SipEvent::TurnedAway { .. })), 1);
    let emergency = p.authorised("INVITE", &login, "999", &at, SDP).await;
    assert_eq!(status(&emergency), 200, "{emergency}");
}
