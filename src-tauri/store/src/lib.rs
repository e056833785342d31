//! Encrypted SQLite, full-text and vector search, recordings, migrations. The only crate that knows SQL.
//!
//! Everything is under one folder, for its owner only: `anteroom.db` (SQLCipher, write-ahead log, `synchronous = FULL`),
//! `recordings/`, a lock file, and `store.json`, which tells a wrong key from a damaged file.
//!
//! # Architecture invariants
//!
//! - Only this crate knows SQL. Nothing of SQLite is in its interface, and no error carries a text that was searched or
//!   stored.
//! - A fact is acknowledged after it is durable: [`Pending`] resolves when the transaction it was in is on the disk.
//! - One thread writes. Its queue is bounded; when it is full, writers wait, and nothing is dropped. Threads that
//!   handle audio never write here.
//! - Personal data is opened here for [`anteroom_types::Purpose::Store`] and comes back as
//!   [`anteroom_types::Pii`].
//! - Migrations are append-only: an older database is upgraded when it is opened, a newer one refused.
//!
//! # Blocking
//!
//! Reading blocks on the disk for microseconds to milliseconds, writing until the disk has it. From within a runtime,
//! [`Store::append_event`] is awaited; the rest is called through `spawn_blocking` where a few milliseconds matter.

mod audit_log;
pub mod bench;
mod calls;
mod error;
mod events;
mod index;
mod interrupted;
pub mod keys;
mod knowledge;
mod migrate;
mod open;
mod pending;
mod people;
pub mod recordings;
mod settings;
mod shared;
mod tasks;
mod text;
mod values;
mod vector;
mod writer;

pub use audit_log::ExportError;
pub use calls::{CallFilter, CallHit, CallRecord, CallSummary, LIST_MAX, PLACED_MAX, PlacedCall, Turn};
pub use error::{OpenError, SqlFailure, StoreError, TaskError, TaskRefusal, WriteError};
pub use index::VECTOR_DIM;
pub use keys::MasterKey;
pub use migrate::SCHEMA_VERSION;
pub use open::{StoreConfig, database_exists, disk_free_bytes, is_held};
pub use pending::Pending;
pub use people::{PEOPLE_MAX, PERSON_NAME_CHARS_MAX, PERSON_USER_CHARS_MAX, Person};
pub use tasks::{
    TASK_HISTORY_MAX, TASK_OWNER_BYTES_MAX, TASK_TEXT_CHARS_MAX, Task, TaskActor, TaskChange, TaskEvent,
    TaskFilter, TaskLine, TaskState,
};
pub use vector::{VectorError, VectorIndex, normalised};

use anteroom_types::Wall;
use rand::TryRngCore;
use shared::Shared;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use writer::{Job, Tx, Write};

/// The store. Cheap to clone; the last clone that is dropped writes what is queued and closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    // Released last.
    _lock: Option<File>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue = None;
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // A write that holds a clone could be the last to let go, on the writer itself.
            if writer.thread().id() != std::thread::current().id() {
                let _ = writer.join();
            }
        }
        self.shared.syncer.stop();
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.inner.shared.dir.display())
    }
}

impl Store {
    /// Opens the store, making it when there is none: takes the lock, checks the key, applies missing migrations, reads
    /// the approved vectors into memory and makes recordings whole that a crash left open.
    ///
    /// # Errors
    /// See [`OpenError`]; each has a message and a hint of its own.
    pub fn open(cfg: StoreConfig) -> Result<Self, OpenError> {
        let opened = open::open(&cfg, now().0)?;
        let shared = Arc::new(Shared::new(cfg.dir.clone(), &cfg.key, opened.readers));
        let damaged = |e: StoreError| match e {
            StoreError::NoSpace => OpenError::NoSpace { dir: cfg.dir.clone() },
            StoreError::Database(f) => OpenError::Database(f),
            _ => OpenError::Corrupt {
                dir: cfg.dir.clone(),
                source: None,
            },
        };
        shared
            .read(|c| {
                let mut index = shared.index.write().unwrap_or_else(PoisonError::into_inner);
                knowledge::load_index(c, &mut index)
            })
            .map_err(damaged)?;
        let (queue, writer) = match opened.writer {
            None => (None, None),
            Some(conn) => {
                let chain = audit_log::chain_end(&conn).map_err(|e| OpenError::from_sql(&e, &cfg.dir))?;
                let (queue, jobs) = mpsc::channel(cfg.queue.max(1));
                let for_writer = Arc::clone(&shared);
                let thread = std::thread::Builder::new()
                    .name("store-writer".into())
                    .spawn(move || writer::run(conn, &for_writer, chain, jobs))
                    .map_err(|e| OpenError::from_io(e, &cfg.dir))?;
                (Some(queue), Some(thread))
            }
        };
        let store = Self {
            inner: Arc::new(Inner {
                shared,
                queue,
                writer: Mutex::new(writer),
                _lock: opened.lock,
            }),
        };
        if !cfg.read_only {
            store.recover_recordings().map_err(damaged)?;
        }
        Ok(store)
    }

    /// Whether the store was opened for reading only.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.inner.queue.is_none()
    }

    /// The schema version of the open database.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn schema_version(&self) -> Result<u32, StoreError> {
        self.shared().read(|c| Ok(migrate::version(c)?))
    }

    /// Reads every page and index. Returns what is wrong, nothing when all is well; at most 100 findings.
    ///
    /// # Errors
    /// When the database cannot be read at all.
    pub fn integrity_check(&self) -> Result<Vec<String>, StoreError> {
        self.shared().read(|c| {
            let mut found = Vec::new();
            // SQLCipher's own check: every page's authentication code.
            let mut s = c.prepare("PRAGMA cipher_integrity_check")?;
            let mut rows = s.query([])?;
            while let Some(r) = rows.next()? {
                found.push(r.get::<_, String>(0)?);
            }
            let mut s = c.prepare("PRAGMA integrity_check(100)")?;
            let mut rows = s.query([])?;
            while let Some(r) = rows.next()? {
                let line: String = r.get(0)?;
                if line != "ok" {
                    found.push(line);
                }
            }
            let mut s = c.prepare("PRAGMA foreign_key_check")?;
            let mut rows = s.query([])?;
            while let Some(r) = rows.next()? {
                found.push(format!("a row of {} points nowhere", r.get::<_, String>(0)?));
            }
            found.truncate(100);
            Ok(found)
        })
    }

    /// Bytes that are free on the disk that holds the data. `None` when the system does not say.
    #[must_use]
    pub fn disk_free(&self) -> Option<u64> {
        disk_free_bytes(&self.inner.shared.dir)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.inner.shared
    }

    /// Queues a write, waiting on the thread while the queue is full.
    pub(crate) fn write<T, F>(&self, work: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let Some(queue) = &self.inner.queue else {
            return Pending::ready(Err(StoreError::ReadOnly));
        };
        let (job, pending) = job(work);
        match queue.try_send(job) {
            Ok(()) => pending,
            Err(TrySendError::Full(job)) => match pending::block_on(queue.send(job)) {
                Ok(()) => pending,
                Err(_) => Pending::ready(Err(StoreError::Closed)),
            },
            Err(TrySendError::Closed(_)) => Pending::ready(Err(StoreError::Closed)),
        }
    }

    /// Queues a write, waiting as a future while the queue is full.
    pub(crate) async fn write_async<T, F>(&self, work: F) -> Pending<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let Some(queue) = &self.inner.queue else {
            return Pending::ready(Err(StoreError::ReadOnly));
        };
        let (job, pending) = job(work);
        match queue.send(job).await {
            Ok(()) => pending,
            Err(_) => Pending::ready(Err(StoreError::Closed)),
        }
    }
}

fn job<T, F>(work: F) -> (Box<dyn Job>, Pending<T>)
where
    T: Send + 'static,
    F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send + 'static,
{
    let (reply, pending) = Pending::channel();
    let job = Write {
        work: Some(work),
        result: None,
        reply,
    };
    (Box::new(job), pending)
}

/// The wall clock. The store is an adapter; what is pure is given its time.
pub(crate) fn now() -> Wall {
    let ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX));
    Wall(ms)
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    rand::rngs::OsRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| StoreError::Invalid {
            what: "the operating system gives no random numbers",
        })?;
    Ok(bytes)
}
