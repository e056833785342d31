use crate::client::start;
use anteroom_api::Role;
use anteroom_types::{EventKind, Side, TurnId};
use std::io::Write;
use std::sync::{Arc, Mutex};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn nothing_personal_and_no_secret_reaches_the_log() {
    let log = Log::default();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .with_ansi(false)
        .init();
    let s = start().await;
    let code = s.code(Role::FrontDesk);
    let wrong = s.sign_in("canary-wrong-code").await;
    assert_eq!(wrong.status, 401);
    let cookie = s.cookie(Role::FrontDesk).await;
    let token = cookie.split('=').nth(1).unwrap().to_owned();
    assert_eq!(s.sign_in(&code).await.status, 201);
    let mut call = s.engine.ring("canary-number");
    let id = call.id.to_string();
    let mut live = s.listen(&cookie, "").await.unwrap();
    live.next().await.unwrap();
    s.engine.say(
        &mut call,
        EventKind::Partial {
            side: Side::Caller,
            turn: TurnId(1),
            text: "canary-words".into(),
        },
    );
    live.next().await.unwrap();
    let with = format!("Cookie: {cookie}\r\n");
    s.post("/api/v1/calls/search", r#"{"text":"canary-search"}"#, &with)
        .await;
    s.post("/api/v1/calls/search", "{canary-broken", &with).await;
    s.get_as(&format!("/api/v1/calls/{id}"), &cookie).await;
    s.get_as("/api/v1/calls?canary-query=1", &cookie).await;
    s.get_as("/canary-path", &cookie).await;
    let host = s.addr();
    s.send(&format!("canary-method / HTTP/1.1\r\nHost: {host}\r\n"), "")
        .await;
    s.send("GET / HTTP/1.1\r\nHost: canary-host.example\r\n", "")
        .await;

    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // The log works at all: without this the test could not fail.
    assert!(
        text.contains("/api/v1/calls/search") && text.contains("status=200"),
        "{text}"
    );
    let ours: Vec<_> = text.lines().filter(|l| l.contains("anteroom_")).collect();
    assert!(ours.len() > 8);
    let line_with = |canary: &str| text.lines().find(|l| l.contains(canary)).map(str::to_owned);
    for canary in [
        "canary-wrong",
        "canary-number",
        "canary-words",
        "canary-search",
        "canary-broken",
    ] {
        assert_eq!(line_with(canary), None);
    }
    for line in ours {
        for canary in ["canary", code.as_str(), token.as_str(), id.as_str()] {
            assert!(!line.contains(canary), "{line}");
        }
    }
}
