//! `anteroom calls`, `tasks` and `audit`.

use crate::args;
use crate::out::{Exit, Outcome, Problem, json, line};
use anteroom_api::{CallsQuery, SearchRequest, TaskDto, TasksQuery, TasksWhich};
use anteroom_appliance::{Place, StartError, open_store, open_store_to_read, records, tasks, tools};
use anteroom_types::{CallId, EventKind, TaskId};
use std::io::Write;
use std::str::FromStr;

fn id<T: FromStr>(text: &str, list: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e| {
        Problem::new(
            format!("'{text}': {e}"),
            format!("List them with: anteroom {list}"),
        )
    })
}

fn no_call(id: &str) -> Problem {
    Problem::new(
        format!("there is no call {id}"),
        "List them with: anteroom calls list",
    )
}

pub(crate) fn calls(place: &args::Place, command: args::Calls) -> Outcome {
    let (config, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    // Taking a recording out of the store leaves an entry in the audit chain; the rest only reads.
    let store = match command {
        args::Calls::Recording { .. } => open_store(&config, &place)?,
        _ => open_store_to_read(&config, &place)?,
    };
    match command {
        args::Calls::List { json: as_json, limit } => {
            let query = CallsQuery {
                limit: Some(limit),
                before: None,
            };
            show(
                &records::calls_page(&store, &query)?.unwrap_or_default().calls,
                as_json,
                "no calls yet",
            );
        }
        args::Calls::Search { words, json: as_json } => {
            let request = SearchRequest {
                text: words,
                limit: None,
            };
            show(
                &records::search(&store, &request)?.unwrap_or_default().calls,
                as_json,
                "no call has these words",
            );
        }
        args::Calls::Show {
            id: text,
            json: as_json,
        } => {
            let call: CallId = id(&text, "calls list")?;
            let detail = records::call(&store, call)?.ok_or_else(|| no_call(&text))?;
            if as_json {
                json(&detail);
            } else {
                for e in &detail.events {
                    describe(&e.kind);
                }
            }
        }
        args::Calls::Recording { id: text, file } => {
            let call: CallId = id(&text, "calls list")?;
            let bytes = tools::recording(&store, call)?.ok_or_else(|| {
                Problem::new(
                    format!("the call {text} has no recording"),
                    "See: anteroom calls show ID",
                )
            })?;
            std::fs::write(&file, bytes).map_err(|e| {
                Problem::new(
                    format!("{} cannot be written: {e}", file.display()),
                    "Give another file.",
                )
            })?;
            line(format!("written to {}", file.display()));
        }
    }
    Ok(Exit::Ok)
}

fn show(calls: &[anteroom_api::CallSummary], as_json: bool, none: &str) {
    if calls.is_empty() && !as_json {
        line(none);
    }
    for c in calls {
        if as_json {
            json(c);
        } else {
            let ended = c.ended.map_or_else(|| "in progress".into(), |e| format!("{e:?}"));
            let urgent = if c.urgent { " URGENT" } else { "" };
            line(format!(
                "{}  {:>4} s  {} turns, {} answers, {} tasks  {ended}{urgent}",
                c.id,
                c.seconds.unwrap_or_default(),
                c.turns,
                c.answers,
                c.tasks
            ));
        }
    }
}

fn describe(kind: &EventKind<String>) {
    match kind {
        EventKind::Heard { text, .. } => line(format!("caller: {text}")),
        EventKind::Said {
            text, entry: Some(e), ..
        } => line(format!(
            "clinic: {text} [{} v{}, {:.2}]",
            e.id, e.version, e.score
        )),
        EventKind::Said { text, .. } => line(format!("clinic: {text}")),
        EventKind::Decided { record } => line(format!("        {:?}", record.decision)),
        EventKind::TaskCreated { kind, summary, .. } => line(format!("        task ({kind:?}): {summary}")),
        EventKind::MarkedUrgent { why } => line(format!("        URGENT: {why}")),
        EventKind::Ended { reason, seconds } => line(format!("ended: {reason:?}, {seconds} s")),
        _ => {}
    }
}

pub(crate) fn tasks(place: &args::Place, command: args::Tasks) -> Outcome {
    let (config, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
    match command {
        args::Tasks::List {
            json: as_json,
            closed,
        } => {
            let store = open_store_to_read(&config, &place)?;
            let query = TasksQuery {
                which: closed.then_some(TasksWhich::Closed),
                limit: None,
                before: None,
            };
            let tasks = records::tasks_page(&store, &query)?.unwrap_or_default().tasks;
            if tasks.is_empty() && !as_json {
                line(if closed {
                    "no closed tasks"
                } else {
                    "no open tasks"
                });
            }
            for t in &tasks {
                if as_json {
                    json(t);
                } else {
                    line(summary(t));
                }
            }
        }
        args::Tasks::Show {
            id: text,
            json: as_json,
        } => {
            let task: TaskId = id(&text, "tasks list")?;
            let store = open_store_to_read(&config, &place)?;
            let detail = records::task_detail(&store, task)?.ok_or_else(|| no_task(&text))?;
            if as_json {
                json(&detail);
            } else {
                line(summary(&detail.task));
                for l in &detail.history {
                    let more = l.note.as_deref().or(l.owner.as_deref()).unwrap_or_default();
                    line(format!(
                        "  {}  {} {}  {more}",
                        tools::moment(l.at),
                        l.who,
                        word(&l.what)
                    ));
                }
            }
        }
        args::Tasks::Done {
            id: text,
            by,
            outcome,
        } => {
            let task: TaskId = id(&text, "tasks list")?;
            let store = open_store(&config, &place)?;
            tasks::close(&store, task, &by, &outcome)?;
            line(format!("{task} is done"));
        }
    }
    Ok(Exit::Ok)
}

fn no_task(id: &str) -> Problem {
    Problem::new(
        format!("there is no task {id}"),
        "List them with: anteroom tasks list, or --closed",
    )
}

/// A task on one line.
fn summary(t: &TaskDto) -> String {
    let number = t.number.as_deref().unwrap_or("no number");
    let stands = match (&t.owner, t.status.is_open()) {
        (Some(owner), true) => format!("{} by {owner}", word(&t.status)),
        _ => word(&t.status),
    };
    format!("{}  {:?}: {} ({number}) [{stands}]", t.id, t.kind, t.summary)
}

/// An enum's word, as in the JSON.
fn word<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|v| v.as_str().map(str::to_owned))
        .unwrap_or_default()
}

pub(crate) fn audit(place: &args::Place, command: args::Audit) -> Outcome {
    match command {
        args::Audit::Export { file } => {
            let (config, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
            let store = match open_store(&config, &place) {
                Err(StartError::Held { .. }) => {
                    eprintln!(
                        "anteroom: an appliance is running: the export ends with the head that it signed last"
                    );
                    open_store_to_read(&config, &place)?
                }
                opened => opened?,
            };
            if let Some(path) = file {
                let bad = |e: std::io::Error| {
                    Problem::new(
                        format!("{} cannot be written: {e}", path.display()),
                        "Give another file.",
                    )
                };
                let mut out = std::io::BufWriter::new(std::fs::File::create(&path).map_err(bad)?);
                let n = store.audit_export(&mut out)?;
                out.flush().map_err(bad)?;
                line(format!("{n} entries written to {}", path.display()));
            } else {
                store.audit_export(&mut std::io::stdout().lock())?;
            }
            Ok(Exit::Ok)
        }
        args::Audit::Verify { file, json: as_json } => {
            let state = if let Some(path) = file {
                tools::verify_export(&path)?
            } else {
                let (config, place) = Place::find(place.data.as_deref(), place.config.as_deref())?;
                tools::AuditState::of(&open_store_to_read(&config, &place)?.audit_verify()?)
            };
            if as_json {
                json(&state);
            } else if state.ok {
                line(format!("whole: {} entries, head {}", state.entries, state.head));
            } else {
                line(format!(
                    "NOT WHOLE: {}",
                    state.wrong.as_deref().unwrap_or("it cannot be read")
                ));
            }
            Ok(if state.ok { Exit::Ok } else { Exit::Findings })
        }
    }
}
