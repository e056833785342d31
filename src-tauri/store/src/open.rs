//! Opening: the folder, the lock, the key check, the connections.

use crate::error::OpenError;
use crate::keys::{KeyPurpose, MasterKey, sqlcipher_pragma};
use crate::migrate;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;
use subtle::ConstantTimeEq;

pub(crate) const DATABASE: &str = "anteroom.db";
const LOCK: &str = "anteroom.lock";
const MARK: &str = "store.json";

/// How often the lock is asked for, and how long it is waited in between.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(40);
/// Bytes the write-ahead log may grow to before it is folded back, in pages of 4 KiB.
const WAL_PAGES: u32 = 1_000;

/// Whether `dir` holds a database.
#[must_use]
pub fn database_exists(dir: &Path) -> bool {
    dir.join(DATABASE).metadata().is_ok_and(|m| m.len() > 0)
}

/// Bytes that are free for this user on the disk that holds `path`. `None` when the system does not say.
#[must_use]
pub fn disk_free_bytes(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let s = rustix::fs::statvfs(path).ok()?;
        Some(s.f_bavail.saturating_mul(s.f_frsize))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Whether another process has the store in `dir` open for writing.
#[must_use]
pub fn is_held(dir: &Path) -> bool {
    // Not made by looking. Whoever wants the lock in the moment it is held for here tries again.
    let Ok(file) = OpenOptions::new().write(true).open(dir.join(LOCK)) else {
        return false;
    };
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// The folder everything is kept under. Made when missing, for its owner only.
    pub dir: PathBuf,
    /// The appliance's key.
    pub key: MasterKey,
    /// Connections kept for reading. A read waits when all are busy.
    pub readers: usize,
    /// Writes that may wait for the writer. When it is full, whoever writes waits.
    pub queue: usize,
    /// Pages of 4 KiB the database may grow to; further writes fail as on a full disk.
    pub pages_max: Option<u32>,
    /// Only read, beside another process that has the store open. Takes no lock, applies no migration.
    pub read_only: bool,
}

impl StoreConfig {
    /// The usual settings for `dir` and `key`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, key: MasterKey) -> Self {
        Self {
            dir: dir.into(),
            key,
            readers: 4,
            queue: 4_096,
            pages_max: None,
            read_only: false,
        }
    }
}

/// Beside the database: what tells a wrong key from a damaged file. The check is a derived key that opens nothing.
#[derive(Serialize, Deserialize)]
struct Mark {
    format: u32,
    key_check: String,
}

pub(crate) struct Opened {
    pub(crate) writer: Option<Connection>,
    pub(crate) readers: Vec<Connection>,
    pub(crate) lock: Option<File>,
}

pub(crate) fn open(cfg: &StoreConfig, now: i64) -> Result<Opened, OpenError> {
    let dir = cfg.dir.as_path();
    let lock = if cfg.read_only {
        None
    } else {
        private_dir(dir).map_err(|e| OpenError::from_io(e, dir))?;
        Some(lock(dir)?)
    };
    let marked = check_key(dir, &cfg.key, cfg.read_only)?;
    let key = cfg.key.subkey(KeyPurpose::Database);
    let path = dir.join(DATABASE);
    let existed = database_exists(dir);
    let sql = |e: rusqlite::Error| match OpenError::from_sql(&e, dir) {
        // Without the mark nothing tells the two apart, and the wrong key is by far the likelier.
        OpenError::Corrupt { .. } if !marked && existed => OpenError::WrongKey {
            dir: dir.to_path_buf(),
        },
        other => other,
    };
    let mut first = connect(&path, &key, !cfg.read_only).map_err(sql)?;
    let writer = if cfg.read_only {
        migrate::check(&first, dir)?;
        None
    } else {
        if let Some(pages) = cfg.pages_max {
            first.pragma_update(None, "max_page_count", pages).map_err(sql)?;
        }
        migrate::migrate(&mut first, dir, now, migrate::SCHEMA_VERSION)?;
        if !marked {
            write_mark(dir, &cfg.key)?;
        }
        Some(first)
    };
    let readers = (0..cfg.readers.max(1))
        .map(|_| {
            let c = connect(&path, &key, false)?;
            c.pragma_update(None, "query_only", true)?;
            Ok(c)
        })
        .collect::<rusqlite::Result<Vec<_>>>()
        .map_err(sql)?;
    Ok(Opened {
        writer,
        readers,
        lock,
    })
}

/// One connection, unlocked and set up. Fails on the first page when the key is not this database's.
pub(crate) fn connect(path: &Path, key: &[u8; 32], create: bool) -> rusqlite::Result<Connection> {
    register_vec();
    let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if create {
        flags |= OpenFlags::SQLITE_OPEN_CREATE;
    }
    let conn = Connection::open_with_flags(path, flags)?;
    // SQLCipher writes to standard error by itself; what went wrong is in our own errors.
    conn.query_row("PRAGMA cipher_log_level = NONE", [], |_| Ok(()))
        .optional()?;
    conn.execute_batch(&sqlcipher_pragma(key))?;
    conn.busy_timeout(Duration::from_secs(10))?;
    // The first read: this is where a wrong key shows.
    conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    conn.execute_batch(
        "PRAGMA foreign_keys = ON;
         PRAGMA temp_store = MEMORY;
         PRAGMA secure_delete = ON;
         PRAGMA trusted_schema = OFF;
         PRAGMA cache_size = -16384;
         PRAGMA synchronous = FULL;",
    )?;
    if create {
        conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
        conn.pragma_update(None, "wal_autocheckpoint", WAL_PAGES)?;
    }
    conn.set_prepared_statement_cache_capacity(128);
    Ok(conn)
}

/// sqlite-vec joins every connection that is opened after this.
pub(crate) fn register_vec() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        type Init = unsafe extern "C" fn(
            *mut rusqlite::ffi::sqlite3,
            *mut *mut std::ffi::c_char,
            *const rusqlite::ffi::sqlite3_api_routines,
        ) -> std::ffi::c_int;
        // SAFETY: `sqlite3_vec_init` is an SQLite extension entry point with exactly this signature; the crate declares
        // it without arguments. It is linked statically, so it lives as long as the process, opens no connection and
        // does not touch the list of extensions.
        #[allow(unsafe_code)]
        let registered = unsafe {
            let init = std::mem::transmute::<*const (), Init>(sqlite_vec::sqlite3_vec_init as *const ());
            rusqlite::auto_extension::register_auto_extension(init)
        };
        if registered.is_err() {
            tracing::error!("sqlite-vec could not be registered");
        }
    });
}

/// Makes `dir` for its owner only, or leaves one that is there as it is.
pub(crate) fn private_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(dir)
}

/// Makes a rename or a new file in `dir` survive a power cut.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(dir)?.sync_all()
    } else {
        Ok(())
    }
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| OpenError::from_io(e, dir))?;
    let mut tries = 1;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            // Somebody may only be looking whether it is held.
            Err(TryLockError::WouldBlock) if tries < LOCK_TRIES => {
                tries += 1;
                std::thread::sleep(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked {
                    dir: dir.to_path_buf(),
                });
            }
            Err(TryLockError::Error(e)) => return Err(OpenError::from_io(e, &path)),
        }
    }
}

/// Whether there is a mark and it is this key's. A mark without a database is from a start that did not finish.
fn check_key(dir: &Path, key: &MasterKey, read_only: bool) -> Result<bool, OpenError> {
    let path = dir.join(MARK);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(OpenError::from_io(e, &path)),
    };
    if !database_exists(dir) && !read_only {
        fs::remove_file(&path).map_err(|e| OpenError::from_io(e, &path))?;
        return Ok(false);
    }
    let Ok(mark) = serde_json::from_str::<Mark>(&text) else {
        return Err(OpenError::Corrupt {
            dir: dir.to_path_buf(),
            source: None,
        });
    };
    if mark.key_check.as_bytes().ct_eq(key_check(key).as_bytes()).into() {
        Ok(true)
    } else {
        Err(OpenError::WrongKey {
            dir: dir.to_path_buf(),
        })
    }
}

fn key_check(key: &MasterKey) -> String {
    anteroom_audit::Digest(*key.subkey(KeyPurpose::KeyCheck)).to_string()
}

fn write_mark(dir: &Path, key: &MasterKey) -> Result<(), OpenError> {
    let mark = Mark {
        format: 1,
        key_check: key_check(key),
    };
    let text = serde_json::to_string(&mark).unwrap_or_default();
    let beside = dir.join("store.json.new");
    let path = dir.join(MARK);
    File::create(&beside)
        .and_then(|mut f| {
            f.write_all(text.as_bytes())?;
            f.sync_all()
        })
        .and_then(|()| fs::rename(&beside, &path))
        .and_then(|()| sync_dir(dir))
        .map_err(|e| OpenError::from_io(e, &path))
}
