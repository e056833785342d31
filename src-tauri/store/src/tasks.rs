//! Tasks somebody owns.

use crate::Store;
use crate::error::StoreError;
use crate::values::{id, tag, untag};
use anteroom_types::{CallId, Pii, Purpose, TaskId, TaskKind, Wall};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

/// Something a person is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// The task.
    pub id: TaskId,
    /// The call it came of.
    pub call: Option<CallId>,
    /// What about.
    pub kind: TaskKind,
    /// One line for whoever takes it.
    pub summary: Pii<String>,
    /// The number to ring back.
    pub number: Option<Pii<String>>,
    /// When it was made.
    pub created_at: Wall,
    /// When it is due.
    pub due: Wall,
    /// When it was closed.
    pub closed_at: Option<Wall>,
    /// By whom.
    pub closed_by: Option<String>,
    /// What came of it.
    pub outcome: Option<Pii<String>>,
}

/// Characters of a task's summary or outcome.
pub const TASK_TEXT_CHARS_MAX: usize = 2_000;

pub(crate) const TASK_COLUMNS: &str =
    "id, call, kind, summary, number, created_at, due, closed_at, closed_by, outcome";

pub(crate) fn task_of(r: &Row<'_>) -> rusqlite::Result<Task> {
    let call: Option<String> = r.get(1)?;
    Ok(Task {
        id: id(r, 0)?,
        call: match call {
            None => None,
            Some(_) => Some(id(r, 1)?),
        },
        kind: untag(r, 2)?,
        summary: Pii::new(r.get(3)?),
        number: r.get::<_, Option<String>>(4)?.map(Pii::new),
        created_at: Wall(r.get(5)?),
        due: Wall(r.get(6)?),
        closed_at: r.get::<_, Option<i64>>(7)?.map(Wall),
        closed_by: r.get(8)?,
        outcome: r.get::<_, Option<String>>(9)?.map(Pii::new),
    })
}

impl Store {
    /// Open tasks, the earliest due first; with `closed`, closed ones too, the latest closed first after the open.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list_tasks(&self, closed: bool, limit: usize) -> Result<Vec<Task>, StoreError> {
        let limit = i64::try_from(limit.min(crate::LIST_MAX)).unwrap_or(0);
        self.shared().read(|c| {
            let mut s = c.prepare_cached(&format!(
                "SELECT {TASK_COLUMNS} FROM task WHERE ?1 OR closed_at IS NULL
                 ORDER BY closed_at IS NOT NULL, closed_at DESC, due, id LIMIT ?2"
            ))?;
            let rows = s.query_map(params![closed, limit], task_of)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// One task.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get_task(&self, task: TaskId) -> Result<Option<Task>, StoreError> {
        self.shared().read(|c| {
            Ok(
                c.prepare_cached(&format!("SELECT {TASK_COLUMNS} FROM task WHERE id = ?1"))?
                    .query_row([task.to_string()], task_of)
                    .optional()?,
            )
        })
    }

    /// Makes a task that did not come of an event: by a member of staff, of a call or of none. Only the fields up to
    /// `due` are looked at. Blocks until it is on the disk.
    ///
    /// # Errors
    /// When there is a task with this id, no such call, or the texts are too long.
    pub fn open_task(&self, task: Task, actor: &str) -> Result<(), StoreError> {
        check(&task.summary)?;
        let actor = actor.to_owned();
        self.write(move |tx| {
            let open = |p: &Pii<String>| p.open(Purpose::Store).clone();
            if let Some(call) = task.call {
                tx.conn
                    .prepare_cached("SELECT 1 FROM call WHERE id = ?1")?
                    .query_row([call.to_string()], |_| Ok(()))
                    .optional()?
                    .ok_or(StoreError::NotFound { what: "call" })?;
            }
            let made = tx
                .conn
                .prepare_cached(
                    "INSERT OR IGNORE INTO task (id, call, kind, origin, summary, number, created_at, due)
                     VALUES (?1, ?2, ?3, 'staff', ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    task.id.to_string(),
                    task.call.map(|c| c.to_string()),
                    tag(&task.kind),
                    open(&task.summary),
                    task.number.as_ref().map(open),
                    task.created_at.0,
                    task.due.0,
                ])?;
            if made == 0 {
                return Err(StoreError::Conflict {
                    what: "a task with the id of another",
                });
            }
            tx.audit(
                task.created_at,
                "task.created",
                &actor,
                &task.id.to_string(),
                json!({ "call": task.call, "kind": task.kind, "due": task.due }),
            )?;
            Ok(())
        })
        .wait_blocking()
    }

    /// Closes a task. Blocks until it is on the disk.
    ///
    /// # Errors
    /// When there is no such task, or it is closed already.
    pub fn close_task(
        &self,
        task: TaskId,
        actor: &str,
        outcome: &Pii<String>,
        at: Wall,
    ) -> Result<(), StoreError> {
        check(outcome)?;
        let (actor, outcome) = (actor.to_owned(), outcome.clone());
        self.write(move |tx| {
            let key = task.to_string();
            let closed: Option<i64> = tx
                .conn
                .prepare_cached("SELECT closed_at FROM task WHERE id = ?1")?
                .query_row([&key], |r| r.get(0))
                .optional()?
                .ok_or(StoreError::NotFound { what: "task" })?;
            if closed.is_some() {
                return Err(StoreError::Conflict {
                    what: "closing a closed task",
                });
            }
            tx.conn
                .prepare_cached("UPDATE task SET closed_at = ?2, closed_by = ?3, outcome = ?4 WHERE id = ?1")?
                .execute(params![key, at.0, actor, outcome.open(Purpose::Store)])?;
            tx.audit(at, "task.closed", &actor, &key, json!({}))?;
            Ok(())
        })
        .wait_blocking()
    }
}

fn check(text: &Pii<String>) -> Result<(), StoreError> {
    if text.open(Purpose::Store).chars().count() > TASK_TEXT_CHARS_MAX {
        return Err(StoreError::Invalid {
            what: "a task's text is longer than 2000 characters",
        });
    }
    Ok(())
}
