//! What is kept, in the shape that screens and commands show it.

use crate::engine::Shared;
use anteroom_api::{
    CallDetail, CallSummary, CallsPage, CallsQuery, EntryDetail, RecordingInfo, SearchRequest, TaskDto,
    TaskStatus, TasksPage,
};
use anteroom_store::{CallFilter, CallRecord, Store, StoreError, Task};
use anteroom_types::knowledge::EntryStatus;
use anteroom_types::pii::OpenPii as _;
use anteroom_types::{CallEvent, CallId, EntryId, Purpose};
use std::sync::Arc;

/// Why a record could not be read.
pub type ReadError = StoreError;
/// Tasks shown at once.
const TASKS_MAX: usize = 500;

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

fn task(t: &Task) -> TaskDto {
    TaskDto {
        id: t.id,
        call: t.call.unwrap_or_else(|| CallId::from_u128(0)),
        kind: t.kind,
        summary: t.summary.open(Purpose::Staff).clone(),
        number: t.number.as_ref().map(|n| n.open(Purpose::Staff).clone()),
        created_at: t.created_at,
        due: t.due,
        status: if t.closed_at.is_some() {
            TaskStatus::Done
        } else {
            TaskStatus::Open
        },
    }
}

/// Open tasks, the earliest due first.
///
/// # Errors
/// When the store cannot be read.
pub fn tasks_page(store: &Store) -> Result<Option<TasksPage>, ReadError> {
    let tasks = store.list_tasks(false, TASKS_MAX)?;
    Ok(Some(TasksPage {
        tasks: tasks.iter().map(task).collect(),
    }))
}

pub(crate) async fn open_tasks(shared: &Arc<Shared>) -> Result<Vec<TaskDto>, ReadError> {
    Ok(tasks_page(&shared.store)?.unwrap_or_default().tasks)
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
