use crate::client::start;
use anteroom_api::Role;
use anteroom_types::limits::{HTTP_BODY_BYTES_MAX, WS_CLIENTS_MAX, WS_FRAME_BYTES_MAX};
use futures_util::SinkExt as _;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn a_body_must_be_json_and_of_bounded_size() {
    let s = start().await;
    let large = format!(r#"{{"code":"{}"}}"#, "x".repeat(HTTP_BODY_BYTES_MAX));
    let r = s.post("/api/v1/session", &large, "").await;
    assert_eq!((r.status, r.code().as_str()), (413, "api.too_large"));
    let head = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: {}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n",
        s.addr()
    );
    assert_eq!(s.send(&head, "{}").await.status, 415);
    for body in ["", "{", "[]", "{}", r#"{"code":1}"#, r#"{"code":"x","more":1}"#] {
        let r = s.post("/api/v1/session", body, "").await;
        assert_eq!((r.status, r.code().as_str()), (400, "api.bad_request"), "{body}");
    }
}

#[tokio::test]
async fn a_head_is_of_bounded_size() {
    let s = start().await;
    let r = s
        .get("/health", &format!("X-Large: {}\r\n", "x".repeat(64 * 1024)))
        .await;
    assert_eq!(r.status, 431);
}

#[tokio::test]
async fn listeners_are_counted_and_their_places_come_free() {
    let s = start().await;
    let cookie = s.cookie(Role::FrontDesk).await;
    let mut all = Vec::new();
    for _ in 0..WS_CLIENTS_MAX {
        let mut live = s.listen(&cookie, "").await.unwrap();
        live.next().await.unwrap();
        all.push(live);
    }
    assert_eq!(s.listen(&cookie, "").await.err(), Some(503));
    all.clear();
    // The server notices each closed socket in its own time.
    for _ in 0..500 {
        if s.listen(&cookie, "").await.is_ok() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no place came free");
}

#[tokio::test]
async fn a_listener_that_sends_too_much_is_cut_off() {
    let s = start().await;
    let mut live = s.listen(&s.cookie(Role::FrontDesk).await, "").await.unwrap();
    live.next().await.unwrap();
    let _ = live
        .0
        .send(Message::Text("x".repeat(WS_FRAME_BYTES_MAX + 1).into()))
        .await;
    assert!(live.next().await.is_err());
}

#[tokio::test]
async fn rubbish_on_the_socket_is_refused_and_harms_nobody() {
    let s = start().await;
    for rubbish in [
        "\0\0\0\0",
        "GET\r\n",
        "INVITE sip:x SIP/2.0\r\n",
        "\u{16}\u{3}\u{1}",
    ] {
        let r = s.send(&format!("{rubbish}\r\n"), "").await;
        assert!(r.status == 0 || r.status == 400, "{rubbish:?}: {}", r.status);
    }
    assert_eq!(s.get("/health", "").await.status, 200);
}
