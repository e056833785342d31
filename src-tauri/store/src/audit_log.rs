//! The audit chain in the database.

use crate::Store;
use crate::error::StoreError;
use crate::keys::KeyPurpose;
use anteroom_audit::export::{FORMAT, Line};
use anteroom_audit::{Chain, Digest, Entry, Report, SignedHead, Verifier};
use anteroom_types::Wall;
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;
use std::io::Write;

/// Why an export was not written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The chain could not be read.
    #[error("the audit chain could not be read")]
    Store(#[from] StoreError),
    /// The export could not be written where it was to go.
    #[error("the export could not be written")]
    Io(#[from] std::io::Error),
}

impl anteroom_types::UserFacing for ExportError {
    fn code(&self) -> anteroom_types::ErrorCode {
        match self {
            Self::Store(e) => e.code(),
            Self::Io(_) => "audit.export_io",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Store(e) => e.hint(),
            Self::Io(_) => "Check that there is space and that the place can be written.".into(),
        }
    }
}

impl Store {
    /// Adds an entry to the audit chain; returns its number. `detail` holds no personal data. Blocks until it is on the
    /// disk.
    ///
    /// # Errors
    /// When a limit of the chain is broken, or nothing could be written.
    pub fn audit_append(
        &self,
        kind: &str,
        actor: &str,
        subject: &str,
        detail: Value,
    ) -> Result<u64, StoreError> {
        let (kind, actor, subject) = (kind.to_owned(), actor.to_owned(), subject.to_owned());
        let now = crate::now();
        self.write(move |tx| tx.audit(now, &kind, &actor, &subject, detail))
            .wait_blocking()
    }

    /// Signs where the chain ends now, keeps the head and returns it. Blocks until it is on the disk.
    ///
    /// # Errors
    /// When nothing could be written.
    pub fn audit_head(&self) -> Result<SignedHead, StoreError> {
        let now = crate::now();
        self.write(move |tx| tx.signed_head(now)).wait_blocking()
    }

    /// The key that heads are signed with: what a verifier on another machine is given.
    #[must_use]
    pub fn audit_public_key(&self) -> Digest {
        anteroom_audit::public_key(&self.shared().audit_seed)
    }

    /// Verifies the whole chain against every head that was kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_verify(&self) -> Result<Report, StoreError> {
        self.audit_verify_against(&[])
    }

    /// Verifies the whole chain against every head that was kept and against `heads` that were kept elsewhere.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_verify_against(&self, heads: &[SignedHead]) -> Result<Report, StoreError> {
        let key = self.audit_public_key();
        self.shared().read(|c| {
            let tx = c.unchecked_transaction()?;
            let mut all = stored_heads(c)?;
            all.extend_from_slice(heads);
            let mut v = Verifier::new(&all, &key);
            each_entry(c, |e| {
                v.push(&e);
                Ok::<_, StoreError>(())
            })?;
            tx.finish()?;
            Ok(v.finish())
        })
    }

    /// Writes the whole chain with its heads as JSON lines ([`anteroom_audit::export`]), ending with a head that is
    /// signed now; returns the number of entries. The export itself is not noted; whoever calls this does.
    ///
    /// # Errors
    /// When the chain cannot be read or the export cannot be written.
    pub fn audit_export(&self, to: &mut dyn Write) -> Result<u64, ExportError> {
        if !self.is_read_only() {
            self.audit_head()?;
        }
        let public_key = self.audit_public_key();
        let mut count = 0;
        let mut failed = None;
        let put = |to: &mut dyn Write, line: &Line| -> std::io::Result<()> {
            to.write_all(line.to_text().map_err(std::io::Error::other)?.as_bytes())
        };
        self.shared().read(|c| {
            let tx = c.unchecked_transaction()?;
            let mut heads = stored_heads(c)?.into_iter().peekable();
            let written = (|| {
                put(
                    to,
                    &Line::AnteroomAudit {
                        format: FORMAT,
                        public_key,
                    },
                )?;
                each_entry(c, |e| -> Result<(), ExportError> {
                    while let Some(head) = heads.next_if(|h| h.seq < e.seq) {
                        put(to, &Line::Head(head))?;
                    }
                    put(to, &Line::Entry(e))?;
                    count += 1;
                    Ok(())
                })?;
                for head in heads.by_ref() {
                    put(to, &Line::Head(head))?;
                }
                to.flush()?;
                Ok::<_, ExportError>(())
            })();
            failed = written.err();
            tx.finish()?;
            Ok(())
        })?;
        failed.map_or(Ok(count), Err)
    }

    /// The newest entries about `subject`, or about anything, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn audit_list(&self, subject: Option<&str>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let limit = i64::try_from(limit.min(crate::LIST_MAX)).unwrap_or(0);
        self.shared().read(|c| {
            let mut s = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM audit_entry WHERE ?1 IS NULL OR subject = ?1 ORDER BY seq DESC LIMIT ?2"
            ))?;
            let rows = s.query_map(rusqlite::params![subject, limit], entry_of)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Checks that every event still is what the chain committed to. Events that were erased are passed over: their
    /// salts are gone with them, and the chain does not need them. Returns the first call and number that differ.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn verify_events(&self) -> Result<Option<(String, u32)>, StoreError> {
        self.shared().read(|c| {
            let mut s = c.prepare(
                "SELECT a.subject, e.seq, e.salt, e.body, json_extract(a.detail, '$.event') FROM audit_entry a
                 JOIN event e ON e.call = a.subject AND e.seq = json_extract(a.detail, '$.seq')
                 WHERE json_extract(a.detail, '$.event') IS NOT NULL",
            )?;
            let mut rows = s.query([])?;
            while let Some(r) = rows.next()? {
                let salt: [u8; 16] = r.get(2)?;
                let body = zeroize::Zeroizing::new(r.get::<_, String>(3)?);
                let committed: String = r.get(4)?;
                if self.shared().commit_to(&salt, body.as_bytes()) != committed {
                    return Ok(Some((r.get(0)?, r.get(1)?)));
                }
            }
            Ok(None)
        })
    }
}

const COLUMNS: &str = "seq, at, kind, actor, subject, detail, prev, hash";

fn entry_of(r: &Row<'_>) -> rusqlite::Result<Entry> {
    let detail: String = r.get(5)?;
    Ok(Entry {
        seq: r.get::<_, i64>(0)?.cast_unsigned(),
        at: Wall(r.get(1)?),
        kind: r.get(2)?,
        actor: r.get(3)?,
        subject: r.get(4)?,
        detail: serde_json::from_str(&detail).map_err(|e| crate::values::bad(5, e))?,
        prev: Digest(r.get(6)?),
        hash: Digest(r.get(7)?),
    })
}

fn each_entry<E: From<StoreError>>(
    c: &Connection,
    mut f: impl FnMut(Entry) -> Result<(), E>,
) -> Result<(), E> {
    let sql = |e: rusqlite::Error| E::from(StoreError::from(e));
    let mut s = c
        .prepare(&format!("SELECT {COLUMNS} FROM audit_entry ORDER BY seq"))
        .map_err(sql)?;
    let mut rows = s.query([]).map_err(sql)?;
    while let Some(r) = rows.next().map_err(sql)? {
        f(entry_of(r).map_err(sql)?)?;
    }
    Ok(())
}

fn stored_heads(c: &Connection) -> Result<Vec<SignedHead>, StoreError> {
    let mut s = c.prepare("SELECT seq, at, hash, signature FROM audit_head ORDER BY seq, at")?;
    let rows = s.query_map([], |r| {
        Ok(SignedHead {
            seq: r.get::<_, i64>(0)?.cast_unsigned(),
            at: Wall(r.get(1)?),
            hash: Digest(r.get(2)?),
            signature: r.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Where the chain ends.
pub(crate) fn chain_end(c: &Connection) -> rusqlite::Result<Chain> {
    Ok(c.query_row(
        "SELECT seq, hash FROM audit_entry ORDER BY seq DESC LIMIT 1",
        [],
        |r| {
            Ok(Chain::resume(
                r.get::<_, i64>(0)?.cast_unsigned(),
                Digest(r.get(1)?),
            ))
        },
    )
    .optional()?
    .unwrap_or_default())
}

impl crate::StoreConfig {
    /// The public key that belongs to this configuration's audit signing key.
    #[must_use]
    pub fn audit_public_key(&self) -> Digest {
        anteroom_audit::public_key(&self.key.subkey(KeyPurpose::AuditSigning))
    }
}
