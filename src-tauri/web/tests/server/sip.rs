//! SIP over WebSocket as the server lets it through.

use crate::client::{Server, start};
use crate::fake::Handsets;
use anteroom_api::Role;
use anteroom_types::limits::SIP_MESSAGE_BYTES_MAX;
use axum::body::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;

fn origin(s: &Server) -> String {
    format!("http://{}", s.addr())
}

#[tokio::test]
async fn messages_pass_both_ways_as_they_are() {
    let s = start().await;
    let mut handsets = s.engine.handsets();
    let cookie = s.cookie_of(Role::FrontDesk, "anna").await;
    let mut browser = s.sip(&cookie, Some("sip"), &origin(&s)).await.unwrap();
    let Handsets {
        peer,
        mut from_browser,
        to_browser,
    } = handsets.recv().await.unwrap();
    assert_eq!(peer.who.user.as_deref(), Some("anna"));
    assert!(peer.addr.ip().is_loopback() && !peer.secure);
    // Text, a keep-alive of CRLF, and a header in Latin-1.
    let latin = Bytes::from_static(b"OPTIONS sip:a SIP/2.0\r\nSubject: caf\xe9\r\n\r\n");
    for (sent, got) in [
        (
            Message::text("REGISTER sip:a SIP/2.0\r\n\r\n"),
            Bytes::from("REGISTER sip:a SIP/2.0\r\n\r\n"),
        ),
        (Message::text("\r\n\r\n"), Bytes::from("\r\n\r\n")),
        (Message::Binary(latin.clone()), latin.clone()),
    ] {
        browser.send(sent).await.unwrap();
        assert_eq!(from_browser.recv().await.unwrap(), got);
    }
    to_browser
        .send(Bytes::from("SIP/2.0 200 OK\r\n\r\n"))
        .await
        .unwrap();
    to_browser.send(latin.clone()).await.unwrap();
    let mut got = Vec::new();
    while got.len() < 2 {
        match browser.next().await.unwrap().unwrap() {
            Message::Ping(_) => {}
            other => got.push(other),
        }
    }
    assert_eq!(
        got,
        [Message::text("SIP/2.0 200 OK\r\n\r\n"), Message::Binary(latin)]
    );
    // The engine lets go: the browser is told, and comes back by itself.
    drop(to_browser);
    assert_eq!(closed(&mut browser).await, 1001);
}

async fn closed(
    browser: &mut tokio_tungstenite::WebSocketStream<
        tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>,
    >,
) -> u16 {
    loop {
        match browser.next().await {
            Some(Ok(Message::Close(frame))) => return frame.map_or(1005, |f| f.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return 1006,
        }
    }
}

#[tokio::test]
async fn only_our_page_with_a_desk_session_and_the_subprotocol_gets_in() {
    let s = start().await;
    let _handsets = s.engine.handsets();
    let desk = s.cookie(Role::FrontDesk).await;
    let admin = s.cookie(Role::Admin).await;
    let own = origin(&s);
    for (cookie, protocol, origin, status) in [
        (desk.as_str(), Some("sip"), "http://evil.example", 403),
        (desk.as_str(), Some("mqtt"), own.as_str(), 400),
        (desk.as_str(), None, own.as_str(), 400),
        (admin.as_str(), Some("sip"), own.as_str(), 403),
        ("anteroom_1=x", Some("sip"), own.as_str(), 401),
    ] {
        let refused = s.sip(cookie, protocol, origin).await.err();
        assert_eq!(refused, Some(status), "{protocol:?} {origin}");
    }
    assert!(s.sip(&desk, Some("sip"), &own).await.is_ok());
}

#[tokio::test]
async fn without_handsets_it_says_so() {
    let s = start().await;
    let cookie = s.cookie(Role::FrontDesk).await;
    assert_eq!(s.sip(&cookie, Some("sip"), &origin(&s)).await.err(), Some(503));
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_connection() {
    let s = start().await;
    let mut handsets = s.engine.handsets();
    let cookie = s.cookie(Role::FrontDesk).await;
    let mut browser = s.sip(&cookie, Some("sip"), &origin(&s)).await.unwrap();
    let mut line = handsets.recv().await.unwrap();
    let _ = browser
        .send(Message::text("x".repeat(SIP_MESSAGE_BYTES_MAX + 1)))
        .await;
    assert_eq!(
        line.from_browser.recv().await,
        None,
        "nothing of it reaches the engine"
    );
}

#[tokio::test]
async fn signing_out_closes_the_handset() {
    let s = start().await;
    let mut handsets = s.engine.handsets();
    let cookie = s.cookie(Role::FrontDesk).await;
    let mut browser = s.sip(&cookie, Some("sip"), &origin(&s)).await.unwrap();
    let _line = handsets.recv().await.unwrap();
    let head = format!(
        "DELETE /api/v1/session HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n",
        s.addr()
    );
    assert_eq!(s.send(&head, "").await.status, 204);
    assert_eq!(closed(&mut browser).await, 4401);
}
