//! Tasks: what callers leave for a person, who sees to each, and what became of it.

use crate::access::Role;
use crate::desk::USER_BYTES_MAX;
use crate::record::{PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX};
use anteroom_types::{CallId, TaskId, TaskKind, Wall};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest note, outcome or reason, in characters.
pub const TASK_TEXT_CHARS_MAX: usize = 2_000;

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// Nobody has taken it.
    Open,
    /// Somebody sees to it.
    Taken,
    /// It is done.
    Done,
    /// It needs no doing.
    Cancelled,
}

impl TaskStatus {
    /// Whether somebody still has to do something.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Taken)
    }
}

/// A task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskDto {
    /// The task.
    pub id: TaskId,
    /// The call it came from, if it came from one.
    pub call: Option<CallId>,
    /// What about.
    pub kind: TaskKind,
    /// One line for the person who takes it.
    pub summary: String,
    /// The number to ring back, if known.
    pub number: Option<String>,
    /// When it was made.
    pub created_at: Wall,
    /// When it is due.
    pub due: Wall,
    /// Where it stands.
    pub status: TaskStatus,
    /// The user who sees to it or did; none also when that is nobody in particular.
    pub owner: Option<String>,
    /// When it was closed.
    pub closed_at: Option<Wall>,
    /// By whom: a user, or the role of whoever was nobody in particular.
    pub closed_by: Option<String>,
    /// What came of it, or why it needs no doing.
    pub outcome: Option<String>,
}

/// Which tasks are listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TasksWhich {
    /// Open and taken ones, the earliest due first.
    #[default]
    Open,
    /// Done and cancelled ones, the latest closed first.
    Closed,
}

/// The query of `GET /api/v1/tasks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TasksQuery {
    /// Which; open ones unless given.
    pub which: Option<TasksWhich>,
    /// Most rows wanted, at most [`PAGE_ROWS_MAX`]; of open ones, all there are unless given.
    pub limit: Option<u32>,
    /// Of closed ones, only those closed before this one; the last of the page before.
    pub before: Option<TaskId>,
}

impl TasksQuery {
    /// The number of rows to list.
    #[must_use]
    pub fn rows(&self) -> u32 {
        let usual = match self.which.unwrap_or_default() {
            TasksWhich::Open => PAGE_ROWS_MAX,
            TasksWhich::Closed => PAGE_ROWS_DEFAULT,
        };
        self.limit.unwrap_or(usual).clamp(1, PAGE_ROWS_MAX)
    }
}

/// A page of tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TasksPage {
    /// The tasks.
    pub tasks: Vec<TaskDto>,
    /// Of closed ones, what to send as `before` for the next page; none at the end.
    pub next: Option<TaskId>,
}

/// What happened to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskLine {
    /// When.
    pub at: Wall,
    /// Who: a user, or the role of whoever was nobody in particular.
    pub who: String,
    /// What.
    pub what: TaskEvent,
    /// Of `taken` and `assigned`: whose it became.
    pub owner: Option<String>,
    /// Of `due`: when it is due from then on.
    pub due: Option<Wall>,
    /// A note, an outcome or a reason.
    pub note: Option<String>,
}

/// What can be heard of a task's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRecording {
    /// The call; its audio is at `GET /api/v1/calls/{id}/recording`.
    pub call: CallId,
    /// Where the caller's message begins in it, in milliseconds; 0 when there is no message, only the call.
    pub from_ms: u64,
    /// Whether that is a message left for the clinic.
    pub message: bool,
}

/// A task with all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskDetail {
    /// The task.
    pub task: TaskDto,
    /// What happened to it since it was made, the earliest first.
    pub history: Vec<TaskLine>,
    /// The recording of its call, if there is one.
    pub recording: Option<TaskRecording>,
}

/// The body of `POST /api/v1/tasks/{id}`: what somebody does with the task. The answer is the task as it is then.
///
/// What somebody else has taken is theirs to release, give away and close, or a manager's; anybody may write a note to it
/// or change when it is due.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum TaskCommand {
    /// The asker sees to it. Refused when somebody else has taken it, also to managers: they assign it.
    Take,
    /// It is for whoever has time again.
    Release,
    /// It is for somebody.
    Assign {
        /// The user.
        to: String,
    },
    /// It is due at another time.
    Due {
        /// When.
        at: Wall,
    },
    /// Something to know about it.
    Note {
        /// What, at most [`TASK_TEXT_CHARS_MAX`] characters.
        text: String,
    },
    /// It is done.
    Done {
        /// What came of it, as long as a note.
        outcome: String,
    },
    /// It needs no doing.
    Cancel {
        /// Why, as long as a note.
        why: String,
    },
    /// It is to be done after all.
    Reopen {
        /// Why, as long as a note.
        why: Option<String>,
    },
}

/// A command as text is personal data: what is written in it is the caller's affair.
impl fmt::Debug for TaskCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskCommand({})", self.name())
    }
}

impl TaskCommand {
    /// Its name on the wire; fit for the log.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Take => "take",
            Self::Release => "release",
            Self::Assign { .. } => "assign",
            Self::Due { .. } => "due",
            Self::Note { .. } => "note",
            Self::Done { .. } => "done",
            Self::Cancel { .. } => "cancel",
            Self::Reopen { .. } => "reopen",
        }
    }

    /// Whether `role` may change what others have taken.
    #[must_use]
    pub const fn manages(role: Role) -> bool {
        matches!(role, Role::Manager)
    }

    /// What is wrong with it, if anything: a sentence that repeats nothing of what was sent.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let too_long = |t: &str| t.chars().count() > TASK_TEXT_CHARS_MAX;
        match self {
            Self::Assign { to }
                if to.is_empty() || to.len() > USER_BYTES_MAX || to.chars().any(char::is_control) =>
            {
                Some("The person to give the task to is missing or is no name.")
            }
            Self::Due { at } if at.0 < 0 => Some("The time is before 1970."),
            Self::Note { text } if text.trim().is_empty() => Some("The note is empty."),
            Self::Done { outcome } if outcome.trim().is_empty() => {
                Some("Say in a few words what came of the task.")
            }
            Self::Cancel { why } if why.trim().is_empty() => {
                Some("Say in a few words why the task needs no doing.")
            }
            Self::Note { text: t }
            | Self::Done { outcome: t }
            | Self::Cancel { why: t }
            | Self::Reopen { why: Some(t) }
                if too_long(t) =>
            {
                Some("The text is longer than 2000 characters.")
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_checked_before_the_engine_sees_it() {
        let long = "n".repeat(TASK_TEXT_CHARS_MAX);
        let one = |text: &str| TaskCommand::Note { text: text.into() };
        assert_eq!(one(&long).fault(), None);
        for bad in [
            one(&format!("{long}n")),
            one(" \n"),
            TaskCommand::Assign { to: String::new() },
            TaskCommand::Assign { to: "a\0".into() },
            TaskCommand::Assign {
                to: "a".repeat(USER_BYTES_MAX + 1),
            },
            TaskCommand::Due { at: Wall(-1) },
            TaskCommand::Done {
                outcome: String::new(),
            },
            TaskCommand::Cancel { why: "\t".into() },
            TaskCommand::Reopen {
                why: Some(format!("{long}n")),
            },
        ] {
            assert!(bad.fault().is_some(), "{bad:?}");
        }
        assert_eq!(TaskCommand::Reopen { why: None }.fault(), None);
    }

    #[test]
    fn what_is_written_is_not_in_its_debug() {
        let text = format!(
            "{:?}",
            TaskCommand::Done {
                outcome: "Canary".into()
            }
        );
        assert!(!text.contains("Canary") && text.contains("done"), "{text}");
    }
}
