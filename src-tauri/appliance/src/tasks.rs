//! What screens ask of tasks.

use crate::engine::{Engine, Shared, lock};
use crate::records;
use anteroom_api::{ApiError, TaskCommand, TaskDto, Who};
use anteroom_store::{Store, StoreError, TaskActor, TaskChange, TaskError, TaskRefusal};
use anteroom_types::{TaskId, UserFacing, Wall};
use std::sync::Arc;
use std::time::Duration;

/// A task that was made in this very moment is perhaps not written yet: how often it is looked for, and how long between.
const AMEND_TRIES: u32 = 20;
const AMEND_EVERY: Duration = Duration::from_millis(250);

/// How far ahead a task may be due: whoever types a wrong year would never see it again.
const DUE_AHEAD_MS_MAX: i64 = 2 * 366 * 24 * 60 * 60 * 1000;

/// Closes a task from the command line. Whoever may open the data may close what others have taken; the history says who
/// it was.
///
/// # Errors
/// When there is no such task, it is closed already, or a text is empty or too long.
pub fn close(store: &Store, task: TaskId, by: &str, outcome: &str) -> Result<(), TaskError> {
    let actor = TaskActor {
        user: None,
        name: by.to_owned(),
        manages: true,
    };
    let done = TaskChange::Done(outcome.trim().into());
    store.change_task(task, &actor, done, crate::tools::now())?;
    Ok(())
}

/// Adds to a task what a call promised after it was made, and tells every screen.
///
/// # Errors
/// When it cannot be written.
pub(crate) async fn amend(
    shared: &Arc<Shared>,
    task: TaskId,
    actor: &TaskActor,
    changes: Vec<TaskChange>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let _turn = shared.task_changes.lock().await;
    // What one of them comes to does not keep the others from being made.
    let mut failed = None;
    for change in changes {
        let mut tries = 0;
        loop {
            match change_now(shared, task, actor, change.clone()).await {
                Err(TaskError::Store(StoreError::NotFound { .. })) if tries < AMEND_TRIES => {
                    tries += 1;
                    tokio::time::sleep(AMEND_EVERY).await;
                }
                // Somebody was done with it, and now there is something to be done after all.
                Err(TaskError::Refused(TaskRefusal::Closed)) if tries < AMEND_TRIES => {
                    tries = AMEND_TRIES;
                    let _ = change_now(shared, task, actor, TaskChange::Reopen(None)).await;
                }
                Err(e) => {
                    failed = Some(e);
                    break;
                }
                Ok(()) => break,
            }
        }
    }
    failed.map_or(Ok(()), |e| Err(e.into()))
}

async fn change_now(
    shared: &Arc<Shared>,
    task: TaskId,
    actor: &TaskActor,
    change: TaskChange,
) -> Result<(), TaskError> {
    let (store, actor, now) = (shared.store.clone(), actor.clone(), shared.clock.wall());
    let write = move || store.change_task(task, &actor, change, now);
    let after = tokio::task::spawn_blocking(write)
        .await
        .unwrap_or(Err(TaskError::Store(StoreError::Closed)))?;
    shared.screens.task(records::task(&after));
    Ok(())
}

impl Engine {
    /// Does with a task what somebody wants, and tells every screen.
    ///
    /// # Errors
    /// When somebody else has it, it is closed, or whom it is for is nobody; each says what to do.
    pub async fn change_task(
        &self,
        who: &Who,
        task: TaskId,
        command: TaskCommand,
    ) -> Result<TaskDto, ApiError> {
        let shared = &self.shared;
        let now = shared.clock.wall();
        let change = match command {
            TaskCommand::Take => TaskChange::Take,
            TaskCommand::Release => TaskChange::Release,
            TaskCommand::Assign { to } => {
                self.known(who, &to)?;
                TaskChange::Assign(to)
            }
            TaskCommand::Due { at } => {
                in_reach(at, now)?;
                TaskChange::Due(at)
            }
            TaskCommand::Note { text } => TaskChange::Note(text.trim().into()),
            TaskCommand::Done { outcome } => TaskChange::Done(outcome.trim().into()),
            TaskCommand::Cancel { why } => TaskChange::Cancel(why.trim().into()),
            TaskCommand::Reopen { why } => {
                let why = why.as_deref().map(str::trim).filter(|w| !w.is_empty());
                TaskChange::Reopen(why.map(Into::into))
            }
        };
        let actor = TaskActor {
            user: who.user.clone(),
            name: who.name(),
            manages: TaskCommand::manages(who.role),
        };
        // One at a time from here on, so that screens are told of changes in the order in which they were written.
        let _turn = shared.task_changes.lock().await;
        let store = shared.store.clone();
        let write = move || store.change_task(task, &actor, change, now);
        let after = tokio::task::spawn_blocking(write)
            .await
            .map_err(|_| not_written())?
            .map_err(|e| refused(&e))?;
        let after = records::task(&after);
        let mut board = lock(&self.board);
        let told = board.task(after.clone());
        let _ = self.live.send(told);
        Ok(after)
    }

    /// Whether there is such a user: somebody with a telephone or a passcode of their own.
    fn known(&self, who: &Who, user: &str) -> Result<(), ApiError> {
        let shared = &self.shared;
        let mut passcodes = shared.config.web.passcode.iter();
        let known = who.user.as_deref() == Some(user)
            || lock(&shared.desk.people).is_somebody(user)
            || passcodes.any(|p| p.user.as_deref() == Some(user));
        if known {
            return Ok(());
        }
        Err(ApiError::new(
            409,
            "task.nobody",
            "There is nobody of that name.",
            "Choose somebody from the list of people.",
        ))
    }
}

fn in_reach(at: Wall, now: Wall) -> Result<(), ApiError> {
    if at.0.saturating_sub(now.0) <= DUE_AHEAD_MS_MAX {
        return Ok(());
    }
    Err(ApiError::new(
        400,
        "task.too_far",
        "That is more than two years ahead.",
        "Check the year.",
    ))
}

fn not_written() -> ApiError {
    ApiError::unavailable("The task could not be changed.")
}

fn refused(e: &TaskError) -> ApiError {
    match e {
        TaskError::Refused(why) => {
            let message = match why {
                TaskRefusal::Taken => "Somebody else has taken this task.",
                TaskRefusal::Closed => "This task is closed.",
                TaskRefusal::NotClosed => "This task is not closed.",
                TaskRefusal::Full => "This task has been changed 500 times.",
            };
            ApiError::new(409, why.code(), message, why.hint())
        }
        TaskError::Store(StoreError::NotFound { .. }) => ApiError::not_found("task"),
        TaskError::Store(e @ StoreError::Invalid { .. }) => {
            ApiError::new(400, e.code(), "That cannot be written.", e.hint())
        }
        TaskError::Store(e) => {
            tracing::error!(error = %anteroom_types::error::chain(e), "a task could not be changed");
            not_written()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_year_is_refused_and_a_late_task_is_not() {
        let now = Wall(1_800_000_000_000);
        assert!(in_reach(Wall(now.0 - 1), now).is_ok());
        assert!(in_reach(Wall(now.0 + 365 * 86_400_000), now).is_ok());
        assert_eq!(in_reach(Wall(i64::MAX), now).unwrap_err().code, "task.too_far");
        assert!(in_reach(Wall(0), now).is_ok());
    }

    #[test]
    fn every_refusal_has_its_code_and_says_what_to_do() {
        for why in [
            TaskRefusal::Taken,
            TaskRefusal::Closed,
            TaskRefusal::NotClosed,
            TaskRefusal::Full,
        ] {
            let e = refused(&TaskError::Refused(why));
            assert_eq!((e.status, e.code.as_str()), (409, why.code()));
            assert!(!e.hint.is_empty());
        }
        let gone = refused(&TaskError::Store(StoreError::NotFound { what: "task" }));
        assert_eq!(gone.status, 404);
        assert_eq!(refused(&TaskError::Store(StoreError::Closed)).status, 503);
    }
}
