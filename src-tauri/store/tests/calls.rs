//! Events become a record that can be listed, read and searched, and evidence that can be verified.
mod common;
use anteroom_store::{CallFilter, StoreError};
use anteroom_types::event::{CallEvent, DecisionRecord, EventKind};
use anteroom_types::{
    Decision, EndReason, EntryId, EntryRef, GateClass, Mono, Purpose, SayId, Side, TaskId, TaskKind, TurnId,
    Wall,
};
use common::{NOON, call, event, offered, open};

fn conversation(id: anteroom_types::CallId) -> Vec<CallEvent> {
    let entry = EntryRef {
        id: EntryId::new("opening-hours").unwrap(),
        version: 2,
        score: 0.875,
    };
    let kinds = vec![
        EventKind::Answered {
            codec: "PCMA".into(),
            srtp: true,
            setup_ms: 120,
        },
        EventKind::ConsentNoticePlayed {
            script: "consent".into(),
            language: "en".into(),
        },
        EventKind::Partial {
            side: Side::Caller,
            turn: TurnId(1),
            text: "when do".into(),
        },
        EventKind::Heard {
            side: Side::Caller,
            turn: TurnId(1),
            text: "when do you open on saturday".into(),
            confidence: 0.9,
            start: Mono::from_ms(2_000),
            end: Mono::from_ms(4_000),
            recogniser: "whisper:demo".into(),
            decode_ms: 180,
        },
        EventKind::Decided {
            record: DecisionRecord {
                turn: TurnId(1),
                decision: Decision::Answer,
                gate: GateClass::None,
                gate_why: None,
                intent: None,
                entry: Some(entry.clone()),
                candidates: vec![entry.clone()],
                policy_version: "1".into(),
            },
        },
        EventKind::Said {
            say: SayId(1),
            turn: Some(TurnId(1)),
            text: "We open at nine on Saturdays.".into(),
            entry: Some(entry),
            ms_to_audio: Some(310),
        },
        EventKind::MarkedUrgent {
            why: "chest-pain".into(),
        },
        EventKind::TaskCreated {
            task: TaskId::new(Wall(NOON), 4),
            kind: TaskKind::Urgent,
            summary: "Ring Mrs Canary at once".into(),
            number: Some("+441632960999".into()),
            due: Wall(NOON + 60_000),
        },
        EventKind::Ended {
            reason: EndReason::CallerHungUp,
            seconds: 42,
        },
    ];
    std::iter::once(offered(id))
        .chain(
            kinds
                .into_iter()
                .enumerate()
                .map(|(i, k)| event(id, i as u32 + 2, k)),
        )
        .collect()
}

#[tokio::test]
async fn a_call_is_read_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let events = conversation(call(1));
    let mut pending = Vec::new();
    for e in &events {
        pending.push(store.append_event(e.clone()).await);
    }
    for p in pending {
        p.await.unwrap();
    }
    let record = store.get_call(call(1)).unwrap().unwrap();
    let durable: Vec<CallEvent> = events.iter().filter(|e| e.kind.is_durable()).cloned().collect();
    assert_eq!(record.events, durable);
    assert_eq!(record.turns.len(), 2);
    let heard = &record.turns[0];
    assert_eq!(heard.text.open(Purpose::Test), "when do you open on saturday");
    assert_eq!(heard.decision, Some(Decision::Answer));
    assert_eq!(heard.entry.as_ref().unwrap().version, 2);
    assert_eq!(record.turns[1].ms_to_audio, Some(310));
    assert_eq!(record.tasks.len(), 1);
    let s = &record.summary;
    assert!(s.urgent && s.turns == 1 && s.open_tasks == 1 && s.srtp == Some(true));
    assert_eq!(s.end_reason, Some(EndReason::CallerHungUp));
    assert_eq!(s.from.as_ref().unwrap().open(Purpose::Test), "+441632960999");
    assert!(store.get_call(call(2)).unwrap().is_none());

    let report = store.audit_verify().unwrap();
    assert!(report.ok, "{report:?}");
    assert_eq!(report.entries, 9, "all but the partial words");
    assert_eq!(report.signed_up_to, 9, "the end of a call is signed");
    assert_eq!(store.verify_events().unwrap(), None);
    for e in store.audit_list(None, 100).unwrap() {
        let text = serde_json::to_string(&e).unwrap();
        for secret in ["960999", "saturday", "Saturdays", "Canary"] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[test]
fn the_same_event_again_is_one_event_and_another_with_its_number_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let e = offered(call(1));
    store.append_event_blocking(e.clone()).wait_blocking().unwrap();
    store.append_event_blocking(e).wait_blocking().unwrap();
    let other = event(call(1), 1, EventKind::Hold { held: true });
    let refused = store.append_event_blocking(other).wait_blocking();
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    // A refused write does not spoil the transaction it shares, nor the chain.
    let good = store.append_event_blocking(offered(call(2)));
    good.wait_blocking().unwrap();
    assert_eq!(store.audit_verify().unwrap().entries, 2);
    assert_eq!(store.get_call(call(1)).unwrap().unwrap().events.len(), 1);
}

#[test]
fn refused_and_accepted_writes_in_one_batch_do_not_mix() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let pending: Vec<_> = (0..200u32)
        .map(|i| {
            let e = if i % 3 == 2 {
                event(call(u128::from(i - 1)), 1, EventKind::Hold { held: true })
            } else {
                offered(call(u128::from(i)))
            };
            (i, store.append_event_blocking(e))
        })
        .collect();
    for (i, p) in pending {
        assert_eq!(p.wait_blocking().is_ok(), i % 3 != 2, "{i}");
    }
    let report = store.audit_verify().unwrap();
    assert!(report.ok && report.entries == 134, "{report:?}");
    assert_eq!(store.verify_events().unwrap(), None);
}

#[test]
fn lists_are_newest_first_and_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..10 {
        store
            .append_event_blocking(offered(call(n)))
            .wait_blocking()
            .unwrap();
    }
    let first = store.list_calls(CallFilter::All, 4, None).unwrap();
    let ids: Vec<_> = first.iter().map(|c| c.id).collect();
    assert_eq!(ids, [call(9), call(8), call(7), call(6)]);
    let next = store.list_calls(CallFilter::All, 100, Some(call(6))).unwrap();
    assert_eq!(next.len(), 6);
    assert_eq!(next[0].id, call(5));
    assert_eq!(store.list_calls(CallFilter::Live, 100, None).unwrap().len(), 10);
    assert!(
        store
            .list_calls(CallFilter::Missed, 100, None)
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .list_calls(CallFilter::Urgent, 100, None)
            .unwrap()
            .is_empty()
    );
    assert!(
        store
            .list_calls(CallFilter::WithOpenTask, 100, None)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn words_of_either_side_are_found_and_any_text_is_a_safe_query() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for e in conversation(call(1)) {
        store.append_event_blocking(e).wait_blocking().unwrap();
    }
    let hits = store.search_calls("OPEN satur", 10).unwrap();
    assert_eq!(hits.len(), 2, "asked and answered");
    assert!(hits.iter().all(|h| h.call.id == call(1)));
    assert!(
        hits.iter()
            .any(|h| h.snippet.open(Purpose::Test).contains('\u{2}'))
    );
    assert!(store.search_calls("nine saturday caller", 10).unwrap().is_empty());
    for odd in [
        "\"",
        "NEAR(",
        "a OR",
        "*",
        "text:open",
        "-open",
        "(((",
        "'; DROP TABLE call; --",
        "",
        "🙂",
        "\0",
    ] {
        store.search_calls(odd, 10).unwrap();
    }
}

#[test]
fn settings_are_kept_and_their_values_stay_out_of_the_chain() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        store
            .set_setting("greeting", Some("Canary greeting"), "u1")
            .unwrap();
        store.set_setting("gone", Some("x"), "u1").unwrap();
        store.set_setting("gone", None, "u1").unwrap();
    }
    let store = open(dir.path());
    assert_eq!(
        store.setting("greeting").unwrap().as_deref(),
        Some("Canary greeting")
    );
    assert_eq!(store.setting("gone").unwrap(), None);
    assert!(!format!("{:?}", store.audit_list(None, 10).unwrap()).contains("Canary"));
}
