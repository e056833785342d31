//! The one writer: a thread that takes whatever is queued, writes it in one transaction, and then acknowledges each.
//!
//! The queue is bounded. When it is full, whoever writes waits for room; nothing is dropped. Threads that handle audio
//! never write here themselves. While one transaction waits for the disk the next batch gathers, so the busier it is
//! the more writes share a flush.

use crate::error::StoreError;
use crate::open::disk_free_bytes;
use crate::shared::Shared;
use anteroom_audit::{Chain, SignedHead};
use anteroom_types::time::Wall;
use rusqlite::{Connection, params};
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

/// Writes that share one transaction at most, so that the first of them does not wait for ever.
const BATCH_MAX: usize = 512;

/// What a write may use: the open transaction and the audit chain.
pub(crate) struct Tx<'c> {
    pub(crate) conn: &'c Connection,
    pub(crate) shared: &'c Shared,
    chain: Chain,
    sign_head_at: Option<Wall>,
    fold_log: bool,
    after_commit: Vec<AfterCommit>,
}

type AfterCommit = Box<dyn FnOnce(&Shared) + Send>;

impl Tx<'_> {
    /// Adds an entry to the audit chain in this transaction.
    pub(crate) fn audit(
        &mut self,
        at: Wall,
        kind: &str,
        actor: &str,
        subject: &str,
        detail: Value,
    ) -> Result<u64, StoreError> {
        let e = self.chain.append(at, kind, actor, subject, detail)?;
        let detail = serde_json::to_string(&e.detail).map_err(|_| StoreError::Invalid {
            what: "an audit entry's detail cannot be written",
        })?;
        self.conn
            .prepare_cached(
                "INSERT INTO audit_entry (seq, at, kind, actor, subject, detail, prev, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                e.seq.cast_signed(),
                e.at.0,
                e.kind,
                e.actor,
                e.subject,
                detail,
                e.prev.0,
                e.hash.0
            ])?;
        Ok(e.seq)
    }

    /// Has the chain's head signed and kept with this transaction.
    pub(crate) fn sign_head(&mut self, at: Wall) {
        self.sign_head_at = Some(at);
    }

    /// Has the write-ahead log folded back and emptied after this transaction, so that what was erased is not in it.
    pub(crate) fn fold_log(&mut self) {
        self.fold_log = true;
    }

    /// Signs the chain's head as it is now and keeps it.
    pub(crate) fn signed_head(&mut self, at: Wall) -> Result<SignedHead, StoreError> {
        let head =
            SignedHead::sign(&self.chain, at, &self.shared.audit_seed).map_err(|_| StoreError::Invalid {
                what: "the audit head cannot be signed",
            })?;
        self.conn
            .prepare_cached(
                "INSERT OR IGNORE INTO audit_head (seq, at, hash, signature) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                head.seq.cast_signed(),
                head.at.0,
                head.hash.0,
                head.signature
            ])?;
        Ok(head)
    }

    /// Runs `f` once the transaction is on the disk, before the write is acknowledged.
    pub(crate) fn after_commit(&mut self, f: impl FnOnce(&Shared) + Send + 'static) {
        self.after_commit.push(Box::new(f));
    }
}

/// One queued write.
pub(crate) trait Job: Send {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError>;
    fn acknowledge(self: Box<Self>, outcome: Result<(), StoreError>);
}

pub(crate) struct Write<T, F> {
    pub(crate) work: Option<F>,
    pub(crate) result: Option<T>,
    pub(crate) reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&mut Tx<'_>) -> Result<T, StoreError> + Send> Job for Write<T, F> {
    fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let work = self.work.take().ok_or(StoreError::Closed)?;
        self.result = Some(work(tx)?);
        Ok(())
    }
    fn acknowledge(self: Box<Self>, outcome: Result<(), StoreError>) {
        // Nobody may be waiting any more; the write stands.
        let Self { result, reply, .. } = *self;
        let _ = reply.send(outcome.and_then(|()| result.ok_or(StoreError::Closed)));
    }
}

/// Runs until every sender is gone, then folds the log back.
pub(crate) fn run(
    mut conn: Connection,
    shared: &Arc<Shared>,
    mut chain: Chain,
    mut queue: Receiver<Box<dyn Job>>,
) {
    let mut batch: Vec<Box<dyn Job>> = Vec::with_capacity(BATCH_MAX);
    while let Some(first) = queue.blocking_recv() {
        batch.push(first);
        while batch.len() < BATCH_MAX
            && let Ok(next) = queue.try_recv()
        {
            batch.push(next);
        }
        commit(&mut conn, shared, &mut chain, &mut batch);
    }
    // The log is folded back for tidiness only: what is in it is durable already.
    let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
}

fn commit(conn: &mut Connection, shared: &Shared, chain: &mut Chain, batch: &mut Vec<Box<dyn Job>>) {
    let mut outcomes = Vec::with_capacity(batch.len());
    match write_all(conn, shared, *chain, batch, &mut outcomes) {
        Ok((new_chain, after)) => {
            *chain = new_chain;
            for f in after {
                f(shared);
            }
            for (job, outcome) in batch.drain(..).zip(outcomes) {
                job.acknowledge(outcome);
            }
        }
        Err(e) => {
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
            let e = name_full_disk(e, shared);
            tracing::error!(writes = batch.len(), error = %anteroom_types::error::chain(&e), "a transaction failed");
            for job in batch.drain(..) {
                job.acknowledge(Err(e.clone()));
            }
        }
    }
}

/// One transaction for the batch. A write that fails on its own account is undone alone; a failure of the database
/// fails them all.
fn write_all(
    conn: &Connection,
    shared: &Shared,
    chain: Chain,
    batch: &mut [Box<dyn Job>],
    outcomes: &mut Vec<Result<(), StoreError>>,
) -> Result<(Chain, Vec<AfterCommit>), StoreError> {
    conn.execute_batch("BEGIN IMMEDIATE")?;
    let mut tx = Tx {
        conn,
        shared,
        chain,
        sign_head_at: None,
        fold_log: false,
        after_commit: Vec::new(),
    };
    for job in batch.iter_mut() {
        conn.prepare_cached("SAVEPOINT one")?.execute([])?;
        let (chain, kept) = (tx.chain, tx.after_commit.len());
        let outcome = job.run(&mut tx);
        match &outcome {
            Ok(()) => {}
            Err(e) if conn.is_autocommit() || matches!(e, StoreError::NoSpace) => return Err(e.clone()),
            Err(StoreError::Database(f)) if is_io(f.code) => return Err(StoreError::Database(*f)),
            Err(_) => {
                conn.prepare_cached("ROLLBACK TO one")?.execute([])?;
                tx.chain = chain;
                tx.after_commit.truncate(kept);
            }
        }
        conn.prepare_cached("RELEASE one")?.execute([])?;
        outcomes.push(outcome);
    }
    if let Some(at) = tx.sign_head_at {
        tx.signed_head(at)?;
    }
    conn.execute_batch("COMMIT")?;
    if tx.fold_log {
        // Readers may hold a part of the log; the next fold takes it.
        let _ = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    Ok((tx.chain, tx.after_commit))
}

const fn is_io(code: i32) -> bool {
    code & 0xff == rusqlite::ffi::SQLITE_IOERR
}

fn name_full_disk(e: StoreError, shared: &Shared) -> StoreError {
    match e {
        StoreError::Database(f)
            if is_io(f.code) && disk_free_bytes(&shared.dir).is_some_and(|b| b < 1024 * 1024) =>
        {
            StoreError::NoSpace
        }
        e => e,
    }
}
