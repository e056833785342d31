//! Errors: one enum per operation, each with a stable code and a hint.
//!
//! SQLite's own messages can quote a query's text, so they are dropped: [`SqlFailure`] keeps numbers and SQLite's
//! fixed description of them.

use anteroom_types::{ErrorCode, UserFacing};
use std::fmt;
use std::path::PathBuf;

/// What SQLite said, without any text of ours or a caller's in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SqlFailure {
    /// SQLite's extended result code; 0 when the failure was in reading a value.
    pub code: i32,
    what: &'static str,
}

impl fmt::Display for SqlFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.code)
    }
}

impl std::error::Error for SqlFailure {}

impl From<&rusqlite::Error> for SqlFailure {
    fn from(e: &rusqlite::Error) -> Self {
        use rusqlite::Error as E;
        match e {
            E::SqliteFailure(f, _) => Self {
                code: f.extended_code,
                what: rusqlite::ffi::code_to_str(f.extended_code),
            },
            E::SqlInputError { error, .. } => Self {
                code: error.extended_code,
                what: rusqlite::ffi::code_to_str(error.extended_code),
            },
            E::QueryReturnedNoRows => Self {
                code: 0,
                what: "a row that should be there is not",
            },
            _ => Self {
                code: 0,
                what: "a stored value is not of the expected kind",
            },
        }
    }
}

pub(crate) fn primary(e: &rusqlite::Error) -> Option<rusqlite::ErrorCode> {
    e.sqlite_error_code()
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The key does not open this database.
    #[error("the key does not open the database in {}", dir.display())]
    WrongKey {
        /// The data folder.
        dir: PathBuf,
    },
    /// The database was written by a later version of Anteroom.
    #[error("the database has schema version {found}, this program knows up to {known}")]
    NewerDatabase {
        /// The version found.
        found: u32,
        /// The latest this program knows.
        known: u32,
    },
    /// A migration that was applied is not the one this program carries.
    #[error("migration {version} was changed after it was applied")]
    MigrationChanged {
        /// Its number.
        version: u32,
    },
    /// The database is damaged.
    #[error("the database in {} is damaged", dir.display())]
    Corrupt {
        /// The data folder.
        dir: PathBuf,
        /// What SQLite said.
        #[source]
        source: Option<SqlFailure>,
    },
    /// Another process has the store open.
    #[error("another process is using {}", dir.display())]
    Locked {
        /// The data folder.
        dir: PathBuf,
    },
    /// No space is left.
    #[error("no space left for {}", dir.display())]
    NoSpace {
        /// The data folder.
        dir: PathBuf,
    },
    /// The folder cannot be written.
    #[error("{} cannot be written", dir.display())]
    ReadOnly {
        /// The data folder.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: Option<std::io::Error>,
    },
    /// Another failure of the file system.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another failure of the database.
    #[error("the database cannot be opened")]
    Database(#[source] SqlFailure),
}

impl UserFacing for OpenError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::WrongKey { .. } => "store.wrong_key",
            Self::NewerDatabase { .. } => "store.newer_database",
            Self::MigrationChanged { .. } => "store.migration_changed",
            Self::Corrupt { .. } => "store.corrupt",
            Self::Locked { .. } => "store.locked",
            Self::NoSpace { .. } => "store.no_space",
            Self::ReadOnly { .. } => "store.read_only",
            Self::Io { .. } => "store.io",
            Self::Database(_) => "store.database",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::WrongKey { .. } => {
                "Use the key this data was written with: the key file or key store entry of this machine, or the one kept with the backup."
            }
            Self::NewerDatabase { .. } => {
                "Start the newer Anteroom this data was last used with, or restore a backup made before the update."
            }
            Self::MigrationChanged { .. } => "Install an official build of Anteroom; this one does not match the data.",
            Self::Corrupt { .. } => "Stop Anteroom, keep a copy of the data folder, and restore the latest backup.",
            Self::Locked { .. } => "Stop the other Anteroom that runs on this data folder, or choose another with --data.",
            Self::NoSpace { .. } => "Free some space on the disk that holds the data folder and start again.",
            Self::ReadOnly { .. } => "Give the user Anteroom runs as the right to write the data folder.",
            Self::Io { .. } => "Check that the path exists and that the disk is healthy.",
            Self::Database(_) => "Run `anteroom check`; if it does not name a cause, restore the latest backup.",
        }
        .to_owned()
    }
}

impl OpenError {
    /// Sorts an SQLite error into what a person can act on.
    pub(crate) fn from_sql(e: &rusqlite::Error, dir: &std::path::Path) -> Self {
        use rusqlite::ErrorCode as C;
        let dir = dir.to_path_buf();
        match primary(e) {
            Some(C::DiskFull) => Self::NoSpace { dir },
            Some(C::DatabaseCorrupt | C::NotADatabase) => Self::Corrupt {
                dir,
                source: Some(e.into()),
            },
            Some(C::ReadOnly | C::PermissionDenied | C::CannotOpen) => Self::ReadOnly { dir, source: None },
            Some(C::DatabaseBusy | C::DatabaseLocked) => Self::Locked { dir },
            Some(C::SystemIoFailure) if out_of_space(&dir) => Self::NoSpace { dir },
            _ => Self::Database(e.into()),
        }
    }

    pub(crate) fn from_io(source: std::io::Error, path: &std::path::Path) -> Self {
        use std::io::ErrorKind as K;
        let path = path.to_path_buf();
        match source.kind() {
            K::StorageFull | K::QuotaExceeded => Self::NoSpace { dir: path },
            K::PermissionDenied | K::ReadOnlyFilesystem => Self::ReadOnly {
                dir: path,
                source: Some(source),
            },
            _ => Self::Io { path, source },
        }
    }
}

/// Some of SQLite's input/output errors are a full disk under another name (the shared-memory file, for one).
pub(crate) fn out_of_space(dir: &std::path::Path) -> bool {
    crate::disk_free_bytes(dir).is_some_and(|free| free < 1024 * 1024)
}

/// Why something was not written or could not be read. What was acknowledged before is untouched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// No space is left. Calls go on; the same write succeeds once there is space.
    #[error("no space left on the disk that holds the data")]
    NoSpace,
    /// It contradicts what is there.
    #[error("{what} contradicts what is stored")]
    Conflict {
        /// What.
        what: &'static str,
    },
    /// What it is about does not exist.
    #[error("there is no such {what}")]
    NotFound {
        /// What.
        what: &'static str,
    },
    /// A value is outside its limits.
    #[error("{what}")]
    Invalid {
        /// What and why, without the value.
        what: &'static str,
    },
    /// The store was opened for reading only.
    #[error("the store is open for reading only")]
    ReadOnly,
    /// The store is closing or its writer is gone.
    #[error("the store is closed")]
    Closed,
    /// What is stored is not what this program writes.
    #[error("a stored {what} cannot be understood")]
    Damaged {
        /// What.
        what: &'static str,
    },
    /// SQLite refused.
    #[error("the database refused")]
    Database(#[source] SqlFailure),
}

/// Why a write failed.
pub type WriteError = StoreError;

impl UserFacing for StoreError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSpace => "store.no_space",
            Self::Conflict { .. } => "store.conflict",
            Self::NotFound { .. } => "store.not_found",
            Self::Invalid { .. } => "store.invalid",
            Self::ReadOnly => "store.opened_read_only",
            Self::Closed => "store.closed",
            Self::Damaged { .. } => "store.damaged",
            Self::Database(_) => "store.database",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::NoSpace => "Free some space on the disk that holds the data folder; calls go on meanwhile.",
            Self::Conflict { .. } => "Load it again and repeat the change on what is there now.",
            Self::NotFound { .. } => "Check the id; it may have been erased.",
            Self::Invalid { .. } => "Correct the value and try again.",
            Self::ReadOnly => "Stop the running Anteroom, or make the change through it.",
            Self::Closed => "Start Anteroom again.",
            Self::Damaged { .. } | Self::Database(_) => {
                "Run `anteroom check`; if it finds damage, restore the latest backup."
            }
        }
        .to_owned()
    }
}

/// Why a task may not be changed so as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TaskRefusal {
    /// Somebody else sees to it.
    #[error("somebody else has taken the task")]
    Taken,
    /// It is done or cancelled.
    #[error("the task is closed")]
    Closed,
    /// It is neither done nor cancelled.
    #[error("the task is not closed")]
    NotClosed,
    /// Its history is full.
    #[error("the task has been changed 500 times")]
    Full,
}

impl UserFacing for TaskRefusal {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Taken => "task.taken",
            Self::Closed => "task.closed",
            Self::NotClosed => "task.not_closed",
            Self::Full => "task.full",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Taken => "Ask whoever has it to give it back, or a manager to give it to you.",
            Self::Closed => "Look at what came of it; reopen it if something is still to do.",
            Self::NotClosed => "There is nothing to reopen: load it again.",
            Self::Full => "It can only be closed. Do that, and make a new one.",
        }
        .to_owned()
    }
}

/// Why a task was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// It may not be changed so as it stands.
    #[error(transparent)]
    Refused(TaskRefusal),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UserFacing for TaskError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Refused(e) => e.code(),
            Self::Store(e) => e.code(),
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Refused(e) => e.hint(),
            Self::Store(e) => e.hint(),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(e: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as C;
        match primary(&e) {
            Some(C::DiskFull) => Self::NoSpace,
            Some(C::ReadOnly) => Self::ReadOnly,
            _ => Self::Database((&e).into()),
        }
    }
}

impl From<crate::VectorError> for StoreError {
    fn from(_: crate::VectorError) -> Self {
        Self::Invalid {
            what: "a vector must have 384 finite numbers that are not all zero",
        }
    }
}

impl From<anteroom_audit::AppendError> for StoreError {
    fn from(e: anteroom_audit::AppendError) -> Self {
        use anteroom_audit::AppendError as A;
        Self::Invalid {
            what: match e {
                A::Name(_) => "an audit entry's kind, actor or subject is empty or too long",
                A::TooLarge => "an audit entry's detail is too large",
                A::Number => "an audit entry's detail holds a fraction or too large a number",
                A::Canonical(_) => "an audit entry has no canonical form",
                A::Full => "the audit chain is full",
            },
        }
    }
}
