//! Tasks somebody owns: where each stands, whose it is, and who changed what.
//!
//! ```text
//!            take, assign                done, cancel
//!   open  ----------------->  taken  ---------------------->  done, cancelled
//!     ^  <-----------------     |                                   |
//!     |        release          '--- take by its owner: as it is    |
//!     |--------------------------- reopen --------------------------'
//! ```
//!
//! Four states are what a front desk asks about: who does this (open, taken), and is it off my list (done, cancelled).
//! "Waits for the caller" or "tried twice" are notes and a later due time, not states of their own: nobody would keep
//! them true.
//!
//! Whoever wants to change what somebody else has taken is refused, so that two people never ring the same caller back;
//! a manager may, because colleagues go home.

use crate::Store;
use crate::error::{StoreError, TaskError, TaskRefusal};
use crate::values::{id, tag, untag};
use crate::writer::Tx;
use anteroom_types::{CallId, Pii, Purpose, TaskId, TaskKind, Wall};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Nobody has taken it.
    Open,
    /// Somebody sees to it.
    Taken,
    /// It was done.
    Done,
    /// It needs no doing: a wrong number, a caller who rang again.
    Cancelled,
}

impl TaskState {
    /// Whether somebody still has to do something.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Taken)
    }
}

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
    /// Where it stands.
    pub state: TaskState,
    /// The user it is with, while it is taken; none also when nobody in particular took it.
    pub owner: Option<String>,
    /// When it was closed.
    pub closed_at: Option<Wall>,
    /// By whom.
    pub closed_by: Option<String>,
    /// What came of it.
    pub outcome: Option<Pii<String>>,
}

/// What happened to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEvent {
    /// Somebody took it.
    Taken,
    /// It was given back to whoever has time.
    Released,
    /// It was given to somebody.
    Assigned,
    /// It is due at another time.
    Due,
    /// Something was written to it.
    Note,
    /// It was done.
    Done,
    /// It needs no doing.
    Cancelled,
    /// It is to be done after all.
    Reopened,
}

/// A line of a task's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLine {
    /// Its number, from 1.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// Who: a user, or the role of whoever was nobody in particular.
    pub who: String,
    /// What.
    pub what: TaskEvent,
    /// Whose it became.
    pub owner: Option<String>,
    /// When it is due from then on.
    pub due: Option<Wall>,
    /// What was written.
    pub note: Option<Pii<String>>,
}

/// Who changes a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskActor {
    /// The user; none for nobody in particular.
    pub user: Option<String>,
    /// What the history and the audit chain call them.
    pub name: String,
    /// Whether they may change what others have taken.
    pub manages: bool,
}

/// A change of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskChange {
    /// The actor sees to it.
    Take,
    /// It is for whoever has time again.
    Release,
    /// It is for this user.
    Assign(String),
    /// It is due then.
    Due(Wall),
    /// Something to know about it.
    Note(Pii<String>),
    /// It is done, and what came of it.
    Done(Pii<String>),
    /// It needs no doing, and why.
    Cancel(Pii<String>),
    /// It is to be done after all, and why.
    Reopen(Option<Pii<String>>),
}

/// Which tasks a listing gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskFilter {
    /// Those somebody still has to do something about, the earliest due first.
    #[default]
    Open,
    /// Those that are closed, the latest first; only before this one, if it is given.
    Closed {
        /// The last of the page before.
        before: Option<TaskId>,
    },
}

/// Characters of a task's summary, outcome or note.
pub const TASK_TEXT_CHARS_MAX: usize = 2_000;
/// Lines of a task's history. A task that reaches them can only be closed.
pub const TASK_HISTORY_MAX: u32 = 500;
/// Bytes of a user's name, as an owner.
pub const TASK_OWNER_BYTES_MAX: usize = 64;

pub(crate) const TASK_COLUMNS: &str =
    "id, call, kind, summary, number, created_at, due, closed_at, closed_by, outcome, state, owner";

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
        state: untag(r, 10)?,
        owner: r.get(11)?,
    })
}

fn line_of(r: &Row<'_>) -> rusqlite::Result<TaskLine> {
    Ok(TaskLine {
        seq: r.get(0)?,
        at: Wall(r.get(1)?),
        who: r.get(2)?,
        what: untag(r, 3)?,
        owner: r.get(4)?,
        due: r.get::<_, Option<i64>>(5)?.map(Wall),
        note: r.get::<_, Option<String>>(6)?.map(Pii::new),
    })
}

fn one(c: &Connection, key: &str) -> rusqlite::Result<Option<Task>> {
    c.prepare_cached(&format!("SELECT {TASK_COLUMNS} FROM task WHERE id = ?1"))?
        .query_row([key], task_of)
        .optional()
}

impl Store {
    /// Tasks, at most `limit` and at most [`crate::LIST_MAX`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list_tasks(&self, filter: TaskFilter, limit: usize) -> Result<Vec<Task>, StoreError> {
        let limit = i64::try_from(limit.min(crate::LIST_MAX)).unwrap_or(0);
        self.shared().read(|c| {
            let rows: rusqlite::Result<Vec<Task>> = match filter {
                TaskFilter::Open => c
                    .prepare_cached(&format!(
                        "SELECT {TASK_COLUMNS} FROM task WHERE closed_at IS NULL ORDER BY due, id LIMIT ?1"
                    ))?
                    .query_map([limit], task_of)?
                    .collect(),
                TaskFilter::Closed { before } => c
                    .prepare_cached(&format!(
                        "SELECT {TASK_COLUMNS} FROM task
                         WHERE closed_at IS NOT NULL AND (?1 IS NULL OR
                             (closed_at, id) < (SELECT b.closed_at, b.id FROM task AS b WHERE b.id = ?1))
                         ORDER BY closed_at DESC, id DESC LIMIT ?2"
                    ))?
                    .query_map(params![before.map(|b| b.to_string()), limit], task_of)?
                    .collect(),
            };
            Ok(rows?)
        })
    }

    /// One task.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get_task(&self, task: TaskId) -> Result<Option<Task>, StoreError> {
        self.shared().read(|c| Ok(one(c, &task.to_string())?))
    }

    /// What happened to a task since it was made, the earliest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn task_history(&self, task: TaskId) -> Result<Vec<TaskLine>, StoreError> {
        self.shared().read(|c| {
            let mut s = c.prepare_cached(
                "SELECT seq, at, who, what, owner, due, note FROM task_history WHERE task = ?1 ORDER BY seq",
            )?;
            let rows = s.query_map([task.to_string()], line_of)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
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

    /// Changes a task; its history, its row and the audit entry are written together. Returns it as it is then. Taking
    /// what one has taken already changes nothing. Blocks until it is on the disk.
    ///
    /// # Errors
    /// [`TaskError::Refused`] when it may not be changed so as it stands; nothing is written then.
    pub fn change_task(
        &self,
        task: TaskId,
        actor: &TaskActor,
        change: TaskChange,
        at: Wall,
    ) -> Result<Task, TaskError> {
        limits(actor, &change)?;
        let actor = actor.clone();
        // A refusal is no failure of the write: it shares its transaction with others and leaves nothing in it.
        self.write(move |tx| {
            let key = task.to_string();
            let before = one(tx.conn, &key)?.ok_or(StoreError::NotFound { what: "task" })?;
            let line = match next(&before, &actor, &change) {
                Err(refusal) => return Ok(Err(refusal)),
                Ok(None) => return Ok(Ok(before)),
                Ok(Some(line)) => line,
            };
            let seq = last_line(tx.conn, &key)? + 1;
            if seq > TASK_HISTORY_MAX && !matches!(line.what, TaskEvent::Done | TaskEvent::Cancelled) {
                return Ok(Err(TaskRefusal::Full));
            }
            let after = apply(before, line, &actor, at);
            write_line(tx, &after.task, seq, &after.line, &actor.name, at)?;
            Ok(Ok(after.task))
        })
        .wait_blocking()?
        .map_err(TaskError::Refused)
    }
}

/// Gives back what somebody who is no more has taken. In the transaction that removes them.
pub(crate) fn release_all_of(tx: &mut Tx<'_>, user: &str, actor: &str, at: Wall) -> Result<(), StoreError> {
    let theirs: Vec<Task> = {
        let mut s = tx.conn.prepare_cached(&format!(
            "SELECT {TASK_COLUMNS} FROM task WHERE owner = ?1 AND state = 'taken' ORDER BY id"
        ))?;
        let rows = s.query_map([user], task_of)?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    for task in theirs {
        let seq = last_line(tx.conn, &task.id.to_string())? + 1;
        let by = TaskActor {
            user: None,
            name: actor.to_owned(),
            manages: true,
        };
        let after = apply(task, Line::of(TaskEvent::Released), &by, at);
        write_line(tx, &after.task, seq, &after.line, actor, at)?;
    }
    Ok(())
}

/// Writes to a task what the machine itself knows of it.
pub(crate) fn note_by_system(
    tx: &mut Tx<'_>,
    key: &str,
    note: &Pii<String>,
    at: Wall,
) -> Result<(), StoreError> {
    let task = one(tx.conn, key)?.ok_or(StoreError::NotFound { what: "task" })?;
    let seq = last_line(tx.conn, key)? + 1;
    write_line(
        tx,
        &task,
        seq,
        &Line::with(TaskEvent::Note, Some(note)),
        "system",
        at,
    )
}

fn last_line(c: &Connection, key: &str) -> rusqlite::Result<u32> {
    c.prepare_cached("SELECT coalesce(max(seq), 0) FROM task_history WHERE task = ?1")?
        .query_row([key], |r| r.get(0))
}

/// What a change adds to the history.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    what: TaskEvent,
    owner: Option<String>,
    due: Option<Wall>,
    note: Option<Pii<String>>,
}

impl Line {
    const fn of(what: TaskEvent) -> Self {
        Self {
            what,
            owner: None,
            due: None,
            note: None,
        }
    }

    fn with(what: TaskEvent, note: Option<&Pii<String>>) -> Self {
        Self {
            note: note.cloned(),
            ..Self::of(what)
        }
    }
}

/// Whether `actor` may change `task` so, and what that adds to its history; nothing when it is so already.
fn next(task: &Task, actor: &TaskActor, change: &TaskChange) -> Result<Option<Line>, TaskRefusal> {
    let mine = task.state == TaskState::Taken && task.owner == actor.user;
    // What nobody in particular has taken is as good as everybody's: nobody could be asked to give it back.
    let others = task.state == TaskState::Taken && !mine && task.owner.is_some();
    if task.state.is_open() == matches!(change, TaskChange::Reopen(_)) {
        return Err(if task.state.is_open() {
            TaskRefusal::NotClosed
        } else {
            TaskRefusal::Closed
        });
    }
    Ok(Some(match change {
        // Two who share a code that is nobody's cannot be told apart: the second of them is refused like anybody else.
        TaskChange::Take if mine && actor.user.is_some() => return Ok(None),
        // Also of a manager, who takes it away from somebody by assigning it: that is not done by accident.
        TaskChange::Take if task.state == TaskState::Taken => return Err(TaskRefusal::Taken),
        TaskChange::Release if task.state == TaskState::Open => return Ok(None),
        TaskChange::Assign(to) if task.state == TaskState::Taken && task.owner.as_ref() == Some(to) => {
            return Ok(None);
        }
        // Anybody may say when it must be done and what is to be known.
        TaskChange::Due(due) if *due == task.due => return Ok(None),
        TaskChange::Due(due) => Line {
            due: Some(*due),
            ..Line::of(TaskEvent::Due)
        },
        TaskChange::Note(note) => Line::with(TaskEvent::Note, Some(note)),
        TaskChange::Release | TaskChange::Assign(_) | TaskChange::Done(_) | TaskChange::Cancel(_)
            if others && !actor.manages =>
        {
            return Err(TaskRefusal::Taken);
        }
        TaskChange::Take => Line {
            owner: actor.user.clone(),
            ..Line::of(TaskEvent::Taken)
        },
        TaskChange::Release => Line::of(TaskEvent::Released),
        TaskChange::Assign(to) => Line {
            owner: Some(to.clone()),
            ..Line::of(TaskEvent::Assigned)
        },
        TaskChange::Done(outcome) => Line::with(TaskEvent::Done, Some(outcome)),
        TaskChange::Cancel(why) => Line::with(TaskEvent::Cancelled, Some(why)),
        TaskChange::Reopen(why) => Line::with(TaskEvent::Reopened, why.as_ref()),
    }))
}

struct After {
    task: Task,
    line: Line,
}

fn apply(mut task: Task, line: Line, actor: &TaskActor, at: Wall) -> After {
    match line.what {
        TaskEvent::Taken | TaskEvent::Assigned => {
            task.state = TaskState::Taken;
            task.owner.clone_from(&line.owner);
        }
        TaskEvent::Released => {
            task.state = TaskState::Open;
            task.owner = None;
        }
        TaskEvent::Due => task.due = line.due.unwrap_or(task.due),
        TaskEvent::Note => {}
        // Whose it was stays with it.
        TaskEvent::Done | TaskEvent::Cancelled => {
            task.state = if line.what == TaskEvent::Done {
                TaskState::Done
            } else {
                TaskState::Cancelled
            };
            task.closed_at = Some(at);
            task.closed_by = Some(actor.name.clone());
            task.outcome.clone_from(&line.note);
        }
        // For whoever has time: whoever had it may be gone.
        TaskEvent::Reopened => {
            task.state = TaskState::Open;
            task.owner = None;
            task.closed_at = None;
            task.closed_by = None;
            task.outcome = None;
        }
    }
    After { task, line }
}

fn write_line(
    tx: &mut Tx<'_>,
    task: &Task,
    seq: u32,
    line: &Line,
    actor: &str,
    at: Wall,
) -> Result<(), StoreError> {
    let key = task.id.to_string();
    tx.conn
        .prepare_cached(
            "UPDATE task SET state = ?2, owner = ?3, due = ?4, closed_at = ?5, closed_by = ?6, outcome = ?7
             WHERE id = ?1",
        )?
        .execute(params![
            key,
            tag(&task.state),
            task.owner,
            task.due.0,
            task.closed_at.map(|w| w.0),
            task.closed_by,
            task.outcome.as_ref().map(|o| o.open(Purpose::Store)),
        ])?;
    tx.conn
        .prepare_cached(
            "INSERT INTO task_history (task, seq, at, who, what, owner, due, note)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            key,
            seq,
            at.0,
            actor,
            tag(&line.what),
            line.owner,
            line.due.map(|w| w.0),
            line.note.as_ref().map(|n| n.open(Purpose::Store)),
        ])?;
    let (kind, detail) = evidence(line);
    tx.audit(at, kind, actor, &key, detail)?;
    Ok(())
}

/// What of a change goes into the audit chain: never what was written.
fn evidence(line: &Line) -> (&'static str, Value) {
    match line.what {
        TaskEvent::Taken => ("task.taken", json!({ "owner": line.owner })),
        TaskEvent::Released => ("task.released", json!({})),
        TaskEvent::Assigned => ("task.assigned", json!({ "owner": line.owner })),
        TaskEvent::Due => ("task.due", json!({ "due": line.due })),
        TaskEvent::Note => ("task.noted", json!({})),
        TaskEvent::Done => ("task.closed", json!({})),
        TaskEvent::Cancelled => ("task.cancelled", json!({})),
        TaskEvent::Reopened => ("task.reopened", json!({})),
    }
}

fn limits(actor: &TaskActor, change: &TaskChange) -> Result<(), StoreError> {
    let owners = actor.user.iter().chain(match change {
        TaskChange::Assign(to) => Some(to),
        _ => None,
    });
    for name in owners {
        if name.is_empty() || name.len() > TASK_OWNER_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(StoreError::Invalid {
                what: "a task's owner is 1 to 64 bytes on one line",
            });
        }
    }
    match change {
        TaskChange::Note(t) | TaskChange::Done(t) | TaskChange::Cancel(t) => filled(t),
        TaskChange::Reopen(Some(t)) => check(t),
        TaskChange::Due(at) if at.0 < 0 => Err(StoreError::Invalid {
            what: "a task is due after 1970",
        }),
        _ => Ok(()),
    }
}

/// Who closes a task says what came of it: the next who looks wants to know.
fn filled(text: &Pii<String>) -> Result<(), StoreError> {
    if text.open(Purpose::Store).trim().is_empty() {
        return Err(StoreError::Invalid {
            what: "a note, an outcome or a reason is empty",
        });
    }
    check(text)
}

fn check(text: &Pii<String>) -> Result<(), StoreError> {
    if text.open(Purpose::Store).chars().count() > TASK_TEXT_CHARS_MAX {
        return Err(StoreError::Invalid {
            what: "a task's text is longer than 2000 characters",
        });
    }
    Ok(())
}
