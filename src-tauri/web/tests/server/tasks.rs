//! What the routes of tasks and recordings take, refuse and pass on.

use crate::client::{Server, start};
use crate::fake::{AUDIO, now};
use anteroom_api::{Role, TaskDto, TaskStatus};
use anteroom_types::limits::PLAYING_MAX;
use anteroom_types::{TaskId, TaskKind, Wall};
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpSocket;

const NO_TASK: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

fn owed(s: &Server) -> String {
    let task = TaskDto {
        id: TaskId::new(now(), rand::random()),
        call: None,
        kind: TaskKind::Callback,
        summary: "Ring Mr Example".into(),
        number: Some("01632 960001".into()),
        created_at: now(),
        due: Wall(now().0 + 60_000),
        status: TaskStatus::Open,
        owner: None,
        closed_at: None,
        closed_by: None,
        outcome: None,
    };
    let id = task.id.to_string();
    s.engine.owe(task);
    id
}

async fn with(s: &Server, role: Role, user: &str) -> String {
    format!("Cookie: {}\r\n", s.cookie_of(role, user).await)
}

#[tokio::test]
async fn a_task_is_taken_by_one_told_to_all_and_closed() {
    let s = start().await;
    let task = owed(&s);
    let path = format!("/api/v1/tasks/{task}");
    let (anna, ben) = (
        with(&s, Role::FrontDesk, "anna").await,
        with(&s, Role::FrontDesk, "ben").await,
    );
    let mut live = s.listen(&s.cookie(Role::Manager).await, "").await.unwrap();
    assert_eq!(
        live.next().await.unwrap()["snapshot"]["tasks"][0]["status"],
        "open"
    );
    let taken = s.post(&path, r#"{"command":"take"}"#, &anna).await;
    assert_eq!((taken.status, &taken.json()["owner"]), (200, &"anna".into()));
    let told = live.next().await.unwrap();
    assert_eq!(told["event"]["body"]["task"]["owner"], "anna");

    let late = s.post(&path, r#"{"command":"take"}"#, &ben).await;
    assert_eq!((late.status, late.code().as_str()), (409, "task.taken"));
    assert!(!late.json()["hint"].as_str().unwrap().is_empty());

    let done = s
        .post(&path, r#"{"command":"done","outcome":"rang back"}"#, &anna)
        .await;
    assert_eq!(done.json()["status"], "done");
    let detail = s.get(&path, &ben).await.json();
    assert_eq!(
        (&detail["history"][1]["what"], &detail["history"][1]["note"]),
        (&"done".into(), &"rang back".into())
    );
    let listed = async |query: &str| -> usize {
        let page = s.get(&format!("/api/v1/tasks{query}"), &anna).await.json();
        page["tasks"].as_array().unwrap().len()
    };
    assert_eq!((listed("").await, listed("?which=closed").await), (0, 1));
}

#[tokio::test]
async fn what_makes_no_sense_or_is_not_allowed_changes_nothing() {
    let s = start().await;
    let task = owed(&s);
    let path = format!("/api/v1/tasks/{task}");
    let anna = with(&s, Role::FrontDesk, "anna").await;
    let long = format!(r#"{{"command":"note","text":"{}"}}"#, "x".repeat(2_001));
    for body in [
        "",
        "[]",
        r#"{"command":"dance"}"#,
        r#"{"command":"done"}"#,
        r#"{"command":"done","outcome":" "}"#,
        r#"{"command":"cancel","why":""}"#,
        r#"{"command":"due","at":"tomorrow"}"#,
        r#"{"command":"due","at":-1}"#,
        r#"{"command":"assign","to":""}"#,
        long.as_str(),
    ] {
        let refused = s.post(&path, body, &anna).await;
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (400, "api.bad_request"),
            "{body}"
        );
    }
    // Auditors read; administrators do not even that.
    let auditor = format!("Cookie: {}\r\n", s.cookie(Role::Auditor).await);
    let admin = format!("Cookie: {}\r\n", s.cookie(Role::Admin).await);
    let take = r#"{"command":"take"}"#;
    assert_eq!(s.post(&path, take, &auditor).await.status, 403);
    assert_eq!(s.get(&path, &auditor).await.status, 200);
    assert_eq!(s.get(&path, &admin).await.status, 403);
    let detail = s.get(&path, &anna).await.json();
    assert_eq!(
        (&detail["task"]["status"], &detail["history"]),
        (&"open".into(), &serde_json::json!([]))
    );
    for (path, status) in [
        (format!("/api/v1/tasks/{NO_TASK}"), 404),
        ("/api/v1/tasks/nonsense".into(), 404),
        ("/api/v1/tasks?which=all".into(), 400),
        ("/api/v1/tasks?owner=anna".into(), 400),
    ] {
        assert_eq!(s.get(&path, &anna).await.status, status, "{path}");
    }
    let nowhere = s.post(&format!("/api/v1/tasks/{NO_TASK}"), take, &anna).await;
    assert_eq!(nowhere.status, 404);
}

#[tokio::test]
async fn a_recording_is_given_whole_to_whom_it_may_and_who_heard_it_is_known() {
    let s = start().await;
    let call = s.engine.ring("01632 960001");
    let path = format!("/api/v1/calls/{}/recording", call.id);
    let admin = s.cookie(Role::Admin).await;
    assert_eq!(s.get_as(&path, &admin).await.status, 403);
    assert_eq!(s.get(&path, "").await.status, 401);
    assert_eq!(s.engine.heard(), []);
    let anna = with(&s, Role::FrontDesk, "anna").await;
    // A range would be another listening: there is one answer only.
    let heard = s.get(&path, &format!("{anna}Range: bytes=5-10\r\n")).await;
    assert_eq!(heard.status, 200);
    assert_eq!(heard.headers["content-type"], "audio/ogg");
    assert_eq!(heard.headers["cache-control"], "no-store");
    assert_eq!(heard.headers["content-length"], AUDIO.len().to_string());
    assert!(heard.body.starts_with("OggS"), "{:.20}", heard.body);
    assert_eq!(s.engine.heard(), [("anna".to_owned(), call.id)]);
    let auditor = s.cookie(Role::Auditor).await;
    assert_eq!(s.get_as(&path, &auditor).await.status, 200);
    assert_eq!(s.engine.heard()[1].0, "auditor");
    let nowhere = format!("/api/v1/calls/{NO_TASK}/recording");
    assert_eq!(s.get_as(&nowhere, &auditor).await.status, 404);
}

#[tokio::test]
async fn recordings_that_nobody_takes_away_do_not_pile_up() {
    let s = start().await;
    let call = s.engine.ring("01632 960001");
    let cookie = s.cookie(Role::FrontDesk).await;
    let path = format!("/api/v1/calls/{}/recording", call.id);
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nCookie: {cookie}\r\n\r\n",
        s.addr()
    );
    // Each is asked for over and over on one connection and never read, so that the answers fill its buffers.
    let addr = s.addr();
    let mut stuck = Vec::new();
    for _ in 0..PLAYING_MAX {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4_096).unwrap();
        let mut c = socket.connect(addr).await.unwrap();
        let head = head.clone();
        stuck.push(tokio::spawn(async move {
            while c.write_all(head.as_bytes()).await.is_ok() {}
        }));
    }
    let until = async |wanted: u16| {
        for _ in 0..200 {
            let r = s.get_as(&path, &cookie).await;
            if r.status == wanted {
                return r;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("never answered with {wanted}")
    };
    assert_eq!(until(503).await.code(), "recording.too_many");
    // Whoever leaves makes room.
    stuck.remove(0).abort();
    until(200).await;
    stuck.iter().for_each(tokio::task::JoinHandle::abort);
}
