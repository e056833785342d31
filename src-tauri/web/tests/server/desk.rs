//! What the desk's routes take, refuse and pass on.

use crate::client::start;
use crate::fake::people;
use anteroom_api::{DeskCommand, Role};

#[tokio::test]
async fn a_handset_is_made_for_whoever_is_signed_in() {
    let s = start().await;
    let anna = s.cookie_of(Role::FrontDesk, "anna").await;
    let handset = s.get_as("/api/v1/handset", &anna).await.json();
    assert_eq!(
        (&handset["user"], &handset["ws_path"]),
        (&"anna".into(), &"/sip".into())
    );
    assert_eq!(s.get_as("/api/v1/session", &anna).await.json()["user"], "anna");
    let nobody = s.cookie(Role::FrontDesk).await;
    assert_eq!(s.get_as("/api/v1/handset", &nobody).await.json()["user"], "desk");
}

#[tokio::test]
async fn a_command_reaches_the_engine_with_who_gave_it() {
    let s = start().await;
    let mut live = s.listen(&s.cookie(Role::Manager).await, "").await.unwrap();
    let call = s.engine.ring("01632 960001");
    let path = format!("/api/v1/calls/{}/desk", call.id);
    let anna = format!("Cookie: {}\r\n", s.cookie_of(Role::FrontDesk, "anna").await);
    let done = s.post(&path, r#"{"command":"park"}"#, &anna).await;
    assert_eq!(
        (done.status, &done.json()["slot"]),
        (200, &1.into()),
        "{}",
        done.body
    );
    assert_eq!(
        s.engine.commands(),
        [(Some("anna".into()), call.id, DeskCommand::Park { slot: None })]
    );
    let desk = loop {
        let message = live.next().await.unwrap();
        if message["event"]["body"]["about"] == "desk" {
            break message["event"]["body"]["desk"].clone();
        }
    };
    assert_eq!(
        (&desk["stage"]["is"], &desk["stage"]["slot"]),
        (&"parked".into(), &1.into())
    );
}

#[tokio::test]
async fn what_makes_no_sense_or_is_not_allowed_never_reaches_it() {
    let s = start().await;
    let call = s.engine.ring("01632 960001");
    let path = format!("/api/v1/calls/{}/desk", call.id);
    let desk = format!("Cookie: {}\r\n", s.cookie_of(Role::FrontDesk, "anna").await);
    let long = format!(
        r#"{{"command":"transfer","to":"ben","briefing":"{}"}}"#,
        "x".repeat(501)
    );
    for (body, status) in [
        (r#"{"command":"listen"}"#, 403),
        (r#"{"command":"whisper"}"#, 403),
        (r#"{"command":"barge"}"#, 403),
        (r#"{"command":"dance"}"#, 400),
        (r#"{"command":"transfer","to":""}"#, 400),
        (long.as_str(), 400),
    ] {
        assert_eq!(s.post(&path, body, &desk).await.status, status, "{body}");
    }
    assert_eq!(s.engine.commands(), []);
    let other = "/api/v1/calls/01ARZ3NDEKTSV4RRFFQ69G5FAV/desk";
    assert_eq!(s.post(other, r#"{"command":"hold"}"#, &desk).await.status, 404);
    let manager = format!("Cookie: {}\r\n", s.cookie(Role::Manager).await);
    assert_eq!(
        s.post(&path, r#"{"command":"listen"}"#, &manager).await.status,
        200
    );
}

#[tokio::test]
async fn the_kill_switch_is_one_request() {
    let s = start().await;
    let cookie = s.cookie_of(Role::Admin, "dev").await;
    assert_eq!(s.get_as("/api/v1/automation", &cookie).await.json()["on"], true);
    let with = format!("Cookie: {cookie}\r\n");
    let off = s
        .post("/api/v1/automation", r#"{"on":false}"#, &with)
        .await
        .json();
    assert_eq!((&off["on"], &off["by"]), (&false.into(), &"dev".into()));
    assert_eq!(
        s.get_as("/api/v1/state", &cookie).await.json()["automation"],
        false
    );
}

#[tokio::test]
async fn people_are_in_the_list_and_on_the_live_stream() {
    let s = start().await;
    let cookie = s.cookie(Role::FrontDesk).await;
    let list = s.get_as("/api/v1/people", &cookie).await.json();
    assert_eq!(list["people"].as_array().unwrap().len(), people().len());
    let mut live = s.listen(&cookie, "").await.unwrap();
    assert_eq!(
        live.next().await.unwrap()["snapshot"]["people"],
        serde_json::json!([])
    );
    s.engine.staff(people());
    let event = live.next().await.unwrap();
    assert_eq!(event["event"]["body"]["people"][0]["name"], "Anna Example");
}

#[tokio::test]
async fn the_page_may_use_the_microphone_and_play_what_it_holds_and_nothing_else_new() {
    let s = start().await;
    let page = s.get("/handset", "").await;
    assert_eq!(
        (page.status, page.headers["content-type"].as_str()),
        (200, "text/html; charset=utf-8")
    );
    let policy = &page.headers["permissions-policy"];
    assert!(
        policy.contains("microphone=(self)") && policy.contains("camera=()"),
        "{policy}"
    );
    let csp = &page.headers["content-security-policy"];
    assert!(
        csp.contains("connect-src 'self';")
            && csp.contains("media-src blob:;")
            && csp.matches("blob:").count() == 1,
        "{csp}"
    );
}
