//! What the writer, the readers and the recorder share.

use crate::error::StoreError;
use crate::index::KnowledgeIndex;
use crate::keys::{KeyPurpose, MasterKey};
use crate::recordings::Syncer;
use hmac::{Hmac, Mac};
use rusqlite::Connection;
use sha2::Sha256;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use zeroize::Zeroizing;

pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) audit_seed: Zeroizing<[u8; 32]>,
    pub(crate) recording_wrap: Zeroizing<[u8; 32]>,
    commitment: Zeroizing<[u8; 32]>,
    pub(crate) index: RwLock<KnowledgeIndex>,
    pub(crate) syncer: Arc<Syncer>,
    readers: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Shared {
    pub(crate) fn new(dir: PathBuf, key: &MasterKey, readers: Vec<Connection>) -> Self {
        Self {
            dir,
            audit_seed: key.subkey(KeyPurpose::AuditSigning),
            recording_wrap: key.subkey(KeyPurpose::RecordingWrap),
            commitment: key.subkey(KeyPurpose::TextCommitment),
            index: RwLock::new(KnowledgeIndex::new()),
            syncer: Arc::default(),
            readers: Mutex::new(readers),
            returned: Condvar::new(),
        }
    }

    /// A commitment to `text` that says nothing of it to whoever lacks the key and the salt. The salt is erased with
    /// the text; from then on not even the key's owner can test a guess.
    pub(crate) fn commit_to(&self, salt: &[u8; 16], text: &[u8]) -> String {
        let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(&*self.commitment) else {
            // HMAC takes keys of any length.
            return String::new();
        };
        mac.update(salt);
        mac.update(text);
        anteroom_audit::Digest(mac.finalize().into_bytes().into()).to_string()
    }

    /// Reads with one of the readers; waits while all are busy.
    pub(crate) fn read<T>(
        &self,
        f: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut free = self.free();
        let conn = loop {
            match free.pop() {
                Some(conn) => break conn,
                None => free = self.returned.wait(free).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(free);
        let lent = Lent {
            shared: self,
            conn: Some(conn),
        };
        lent.conn
            .as_ref()
            .map_or(Err(StoreError::Damaged { what: "reader" }), f)
    }

    fn free(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the connection back even when the reading panics.
struct Lent<'a> {
    shared: &'a Shared,
    conn: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.shared.free().push(conn);
            self.shared.returned.notify_one();
        }
    }
}
