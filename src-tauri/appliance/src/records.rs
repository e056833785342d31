//! What is kept, in the shape that screens and commands show it.

use crate::engine::Shared;
use anteroom_api::{
    CallDetail, CallSummary, CallsPage, CallsQuery, EntryDetail, RecordingInfo, SearchRequest, TaskDetail,
    TaskDto, TaskEvent, TaskLine, TaskRecording, TaskStatus, TasksPage, TasksQuery, TasksWhich,
};
use anteroom_store::recordings::{RecordingError, RecordingState};
use anteroom_store::{CallFilter, CallRecord, Store, StoreError, Task, TaskFilter, TaskState};
use anteroom_types::knowledge::EntryStatus;
use anteroom_types::pii::OpenPii as _;
use anteroom_types::{CallEvent, CallId, DeskFact, EntryId, EventKind, Mono, Purpose, TaskId};
use std::sync::Arc;

/// Why a record could not be read.
pub type ReadError = StoreError;
/// A page of calls, newest first. Always some: an empty page is a page.
///
/// # Errors
/// When the store cannot be read.
pub fn calls_page(store: &Store, query: &CallsQuery) -> Result<Option<CallsPage>, ReadError> {
    let rows = query.rows() as usize;
    let listed = store.list_calls(CallFilter::All, rows, query.before)?;
    let next = (listed.len() == rows)
        .then(|| listed.last().map(|c| c.id))
        .flatten();
    let mut calls = Vec::with_capacity(listed.len());
    for c in listed {
        calls.extend(store.get_call(c.id)?.and_then(|r| summary(&r)));
    }
    Ok(Some(CallsPage { calls, next }))
}

/// Calls in which the words were said.
///
/// # Errors
/// When the store cannot be read.
pub fn search(store: &Store, request: &SearchRequest) -> Result<Option<CallsPage>, ReadError> {
    let rows = request.limit.unwrap_or(anteroom_api::record::PAGE_ROWS_DEFAULT);
    let rows = rows.clamp(1, anteroom_api::record::PAGE_ROWS_MAX) as usize;
    let text: String = request
        .text
        .chars()
        .take(anteroom_api::record::SEARCH_CHARS_MAX)
        .collect();
    let mut calls: Vec<CallSummary> = Vec::new();
    for hit in store.search_calls(&text, rows)? {
        if calls.iter().all(|c| c.id != hit.call.id) {
            calls.extend(store.get_call(hit.call.id)?.and_then(|r| summary(&r)));
        }
    }
    Ok(Some(CallsPage { calls, next: None }))
}

/// Everything about a call.
///
/// # Errors
/// When the store cannot be read.
pub fn call(store: &Store, id: CallId) -> Result<Option<CallDetail>, ReadError> {
    let Some(record) = store.get_call(id)? else {
        return Ok(None);
    };
    let events = opened(&record);
    let Some(summary) = anteroom_api::board::summarise(&events) else {
        return Ok(None);
    };
    let recording = record.recording.as_ref().map(|r| {
        let seconds = summary.seconds.unwrap_or_default();
        RecordingInfo {
            seconds,
            bytes: r.bytes,
        }
    });
    Ok(Some(CallDetail {
        summary,
        events,
        tasks: record.tasks.iter().map(task).collect(),
        recording,
    }))
}

fn opened(record: &CallRecord) -> Vec<CallEvent<String>> {
    record.events.iter().map(|e| e.open_for(Purpose::Staff)).collect()
}

fn summary(record: &CallRecord) -> Option<CallSummary> {
    anteroom_api::board::summarise(&opened(record))
}

/// A task as screens show it.
pub(crate) fn task(t: &Task) -> TaskDto {
    let open = |p: &anteroom_types::Pii<String>| p.open(Purpose::Staff).clone();
    TaskDto {
        id: t.id,
        call: t.call,
        kind: t.kind,
        summary: open(&t.summary),
        number: t.number.as_ref().map(open),
        created_at: t.created_at,
        due: t.due,
        status: match t.state {
            TaskState::Open => TaskStatus::Open,
            TaskState::Taken => TaskStatus::Taken,
            TaskState::Done => TaskStatus::Done,
            TaskState::Cancelled => TaskStatus::Cancelled,
        },
        owner: t.owner.clone(),
        closed_at: t.closed_at,
        closed_by: t.closed_by.clone(),
        outcome: t.outcome.as_ref().map(open),
    }
}

fn line(l: anteroom_store::TaskLine) -> TaskLine {
    use anteroom_store::TaskEvent as Stored;
    TaskLine {
        at: l.at,
        who: l.who,
        what: match l.what {
            Stored::Taken => TaskEvent::Taken,
            Stored::Released => TaskEvent::Released,
            Stored::Assigned => TaskEvent::Assigned,
            Stored::Due => TaskEvent::Due,
            Stored::Note => TaskEvent::Note,
            Stored::Done => TaskEvent::Done,
            Stored::Cancelled => TaskEvent::Cancelled,
            Stored::Reopened => TaskEvent::Reopened,
        },
        owner: l.owner,
        due: l.due,
        note: l.note.map(|n| n.open(Purpose::Staff).clone()),
    }
}

/// Tasks: open ones by when they are due, or closed ones, the latest first.
///
/// # Errors
/// When the store cannot be read.
pub fn tasks_page(store: &Store, query: &TasksQuery) -> Result<Option<TasksPage>, ReadError> {
    let rows = query.rows() as usize;
    let closed = query.which == Some(TasksWhich::Closed);
    let filter = if closed {
        TaskFilter::Closed { before: query.before }
    } else {
        TaskFilter::Open
    };
    let tasks = store.list_tasks(filter, rows)?;
    let next = (closed && tasks.len() == rows)
        .then(|| tasks.last().map(|t| t.id))
        .flatten();
    let tasks = tasks.iter().map(task).collect();
    Ok(Some(TasksPage { tasks, next }))
}

pub(crate) async fn open_tasks(shared: &Arc<Shared>) -> Result<Vec<TaskDto>, ReadError> {
    let all = TasksQuery::default();
    Ok(tasks_page(&shared.store, &all)?.unwrap_or_default().tasks)
}

/// One task with its history and what can be heard.
///
/// # Errors
/// When the store cannot be read.
pub fn task_detail(store: &Store, id: TaskId) -> Result<Option<TaskDetail>, ReadError> {
    let Some(found) = store.get_task(id)? else {
        return Ok(None);
    };
    let history = store.task_history(id)?.into_iter().map(line).collect();
    let call = found.call.map(|c| store.get_call(c)).transpose()?.flatten();
    let audible = |c: &CallRecord| {
        // Of one that lost a part, the rest can be heard.
        c.recording.as_ref().is_some_and(|r| match r.state {
            RecordingState::Erased => false,
            RecordingState::Lost => r.bytes > 0,
            RecordingState::Open | RecordingState::Complete | RecordingState::Recovered => true,
        })
    };
    let recording = call.filter(audible).map(|c| {
        let from_ms = message_from_ms(&c.events);
        TaskRecording {
            call: c.summary.id,
            from_ms: from_ms.unwrap_or(0),
            message: from_ms.is_some(),
        }
    });
    Ok(Some(TaskDetail {
        task: task(&found),
        history,
        recording,
    }))
}

/// Where in the recording the caller's message begins; none when they left none. The recording has only what was said
/// while it was on.
fn message_from_ms<S>(events: &[CallEvent<S>]) -> Option<u64> {
    let (mut before_ms, mut on): (u64, Option<Mono>) = (0, None);
    let (mut begins, mut kept) = (None, None);
    for e in events {
        let now_ms = before_ms + on.map_or(0, |since| e.mono.ms_since(since));
        match &e.kind {
            EventKind::Recording { on: true } => on = on.or(Some(e.mono)),
            EventKind::Recording { on: false } => (before_ms, on) = (now_ms, None),
            EventKind::Desk { what, .. } => match what {
                DeskFact::LeavesMessage => begins = Some(now_ms),
                // Of several, the last that is one: what came before it was a breath.
                DeskFact::MessageKept => kept = begins.or(Some(0)),
                _ => {}
            },
            _ => {}
        }
    }
    kept
}

/// A call's recording, to be heard by `who`; none when there is none. That it is heard is written down first.
///
/// # Errors
/// When it cannot be read, or was erased.
pub fn listen(store: &Store, call: CallId, who: &str) -> Result<Option<Vec<u8>>, RecordingError> {
    let audio = match store.read_recording(call) {
        Err(RecordingError::NotFound) => return Ok(None),
        read => read?,
    };
    let detail = serde_json::json!({ "bytes": audio.len() });
    store.audit_append("recording.heard", who, &call.to_string(), detail)?;
    Ok(Some(audio))
}

/// One version of an entry.
///
/// # Errors
/// When the store cannot be read.
pub fn entry(store: &Store, id: &EntryId, version: u32) -> Result<Option<EntryDetail>, ReadError> {
    let Some(entry) = store.get_version(id, version)? else {
        return Ok(None);
    };
    let current = store.get(id)?.filter(|e| e.status == EntryStatus::Approved);
    Ok(Some(EntryDetail {
        entry,
        current_version: current.map(|e| e.version),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_types::{TraceId, Wall};

    /// Events at these milliseconds: recording on and off, and what the desk noted.
    fn check(told: &[(u64, &str)], expected: Option<u64>) {
        let events: Vec<CallEvent<String>> = told
            .iter()
            .map(|(ms, what)| {
                let desk = |what| EventKind::Desk {
                    what,
                    who: None,
                    slot: None,
                };
                CallEvent {
                    call: CallId::from_u128(1),
                    trace: TraceId::from_u128(1),
                    seq: 1,
                    at: Wall(0),
                    mono: Mono::from_ms(*ms),
                    kind: match *what {
                        "on" => EventKind::Recording { on: true },
                        "off" => EventKind::Recording { on: false },
                        "leaves" => desk(DeskFact::LeavesMessage),
                        "kept" => desk(DeskFact::MessageKept),
                        _ => EventKind::Hold { held: false },
                    },
                }
            })
            .collect();
        assert_eq!(message_from_ms(&events), expected, "{told:?}");
    }

    #[test]
    fn a_message_begins_where_the_recording_had_come_to() {
        check(&[], None);
        check(&[(10, "on"), (500, "hold")], None);
        // Recorded since the notice, and recorded for the message alone.
        check(
            &[(2_000, "on"), (32_000, "leaves"), (40_000, "kept")],
            Some(30_000),
        );
        check(&[(30_000, "leaves"), (30_001, "on"), (40_000, "kept")], Some(0));
        // What was not recorded is not in the file.
        check(
            &[
                (1_000, "on"),
                (5_000, "off"),
                (9_000, "on"),
                (10_000, "leaves"),
                (15_000, "kept"),
            ],
            Some(5_000),
        );
        // A breath is none; the message that came later is.
        check(&[(0, "on"), (10_000, "leaves"), (12_000, "hold")], None);
        check(
            &[
                (0, "on"),
                (10_000, "leaves"),
                (50_000, "leaves"),
                (60_000, "kept"),
            ],
            Some(50_000),
        );
    }
}
