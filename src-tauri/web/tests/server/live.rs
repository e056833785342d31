use crate::client::{config, start, start_with};
use anteroom_api::Role;
use anteroom_types::{EndReason, EventKind, Side, TurnId};
use anteroom_web::WebConfig;
use std::time::Duration;

fn partial(text: impl Into<String>) -> EventKind<String> {
    EventKind::Partial {
        side: Side::Caller,
        turn: TurnId(1),
        text: text.into(),
    }
}

#[tokio::test]
async fn a_listener_gets_how_things_are_and_then_what_happens() {
    let s = start().await;
    let mut call = s.engine.ring("01632 960001");
    let mut live = s.listen(&s.cookie(Role::FrontDesk).await, "").await.unwrap();
    let first = live.next().await.unwrap();
    assert_eq!(first["message"], "snapshot");
    let snapshot = &first["snapshot"];
    assert_eq!(snapshot["state"]["recogniser"]["demonstration"], true);
    assert_eq!(snapshot["calls"][0]["events"][0]["kind"]["from"], "01632 960001");
    s.engine.say(&mut call, partial("when do"));
    let event = live.next().await.unwrap();
    assert_eq!(
        event["event"]["seq"].as_u64(),
        snapshot["seq"].as_u64().map(|s| s + 1)
    );
    assert_eq!(event["event"]["body"]["event"]["kind"]["text"], "when do");
    s.engine.change(|e| e.automation = false);
    let state = live.next().await.unwrap();
    assert_eq!(state["event"]["body"]["state"]["automation"], false);
}

#[tokio::test]
async fn one_that_comes_back_gets_what_it_missed() {
    let s = start().await;
    let cookie = s.cookie(Role::FrontDesk).await;
    let mut live = s.listen(&cookie, "").await.unwrap();
    let snapshot = live.next().await.unwrap()["snapshot"].clone();
    drop(live);
    let mut call = s.engine.ring("01632 960001");
    s.engine.say(
        &mut call,
        EventKind::Ended {
            reason: EndReason::Completed,
            seconds: 1,
        },
    );
    let epoch = snapshot["epoch"].as_str().unwrap();
    let query = format!("?epoch={epoch}&after={}", snapshot["seq"]);
    let mut live = s.listen(&cookie, &query).await.unwrap();
    assert_eq!(live.next().await.unwrap()["message"], "resumed");
    let kinds = [live.next().await.unwrap(), live.next().await.unwrap()]
        .map(|e| e["event"]["body"]["event"]["kind"]["type"].clone());
    assert_eq!(kinds, ["offered", "ended"]);
    // Of another run, or of nothing it knows: from the start.
    for query in [
        "?epoch=01ARZ3NDEKTSV4RRFFQ69G5FAV&after=0",
        "?epoch=x&after=1",
        "?after=1",
    ] {
        let mut live = s.listen(&cookie, query).await.unwrap();
        assert_eq!(live.next().await.unwrap()["message"], "snapshot", "{query}");
    }
}

#[tokio::test]
async fn one_that_falls_behind_gets_a_new_snapshot_and_loses_nothing() {
    let s = start_with(config(), 4).await;
    let mut call = s.engine.ring("01632 960001");
    let mut live = s.listen(&s.cookie(Role::FrontDesk).await, "").await.unwrap();
    live.next().await.unwrap();
    // The whole burst is sent before this thread gives way to the server.
    for n in 0..50 {
        s.engine.say(&mut call, partial(format!("word {n}")));
    }
    let last = live.next().await.unwrap();
    assert_eq!(last["message"], "snapshot");
    let events = last["snapshot"]["calls"][0]["events"].as_array().unwrap();
    assert_eq!(events.last().unwrap()["kind"]["text"], "word 49");
    s.engine.say(&mut call, partial("word 50"));
    assert_eq!(
        live.next().await.unwrap()["event"]["body"]["event"]["kind"]["text"],
        "word 50"
    );
}

#[tokio::test]
async fn one_that_reads_nothing_is_dropped_and_delays_nobody() {
    let s = start_with(
        WebConfig {
            slow_listener_after: Duration::from_millis(200),
            ..config()
        },
        4_096,
    )
    .await;
    let cookie = s.cookie(Role::FrontDesk).await;
    let mut slow = s.listen(&cookie, "").await.unwrap();
    let mut good = s.listen(&cookie, "").await.unwrap();
    let before = good.next().await.unwrap();
    assert_eq!(before["message"], "snapshot");
    // More than any socket buffer holds: the slow one's connection is full long before the end.
    let mut call = s.engine.ring("01632 960001");
    good.next().await.unwrap();
    let text = "x".repeat(64 * 1024);
    for _ in 0..400 {
        s.engine.say(&mut call, partial(text.clone()));
        good.next().await.unwrap();
    }
    s.engine.say(&mut call, partial("the end"));
    assert_eq!(
        good.next().await.unwrap()["event"]["body"]["event"]["kind"]["text"],
        "the end"
    );
    // Its patience is real time; reading before that would help the slow one out.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut got = 0;
    let over = loop {
        match slow.next().await {
            Ok(_) => got += 1,
            Err(code) => break code,
        }
    };
    assert_eq!(over, 1006, "cut off without ceremony");
    assert!(got < 400, "the slow one was not dropped: it got {got}");
}

#[tokio::test]
async fn a_server_that_stops_says_goodbye() {
    let mut s = start().await;
    let mut live = s.listen(&s.cookie(Role::FrontDesk).await, "").await.unwrap();
    live.next().await.unwrap();
    s.stop.take().unwrap().send(()).unwrap();
    assert_eq!(live.next().await, Err(1001));
    let addr = s.addr();
    s.web.stopped().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}
