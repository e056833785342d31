//! Recordings: encrypted as they are written, under a key of their own that can be destroyed.
//!
//! [`RecordingWriter`] writes to a `.part` file and renames it when it is finished. Everything given to
//! [`RecordingWriter::write`] is with the operating system when it returns, so a killed process loses nothing of it,
//! and a thread of the store flushes the files to the disk every second, so a power cut loses less than two. Opening
//! the store makes `.part` files that were left behind whole ([`mod@format`] says how).
//!
//! The writer blocks on the file system. It belongs on a thread that may block, behind a bounded queue that drops audio
//! from the recording, never from the call.

pub mod format;
mod sync;

use crate::Store;
use crate::error::{StoreError, out_of_space};
use crate::open::{private_dir, sync_dir};
use crate::values::{id, untag};
use anteroom_types::{CallId, ErrorCode, UserFacing, Wall};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use format::{Encoder, FormatError, Key};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

pub(crate) use sync::Syncer;
use sync::Watched;
use zeroize::Zeroizing;

const FOLDER: &str = "recordings";

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Being written.
    Open,
    /// Whole.
    Complete,
    /// Made whole after a crash; its last moments may be missing.
    Recovered,
    /// Its file is gone.
    Lost,
    /// Its key was destroyed.
    Erased,
}

/// What is known of a call's recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingInfo {
    /// The call.
    pub call: CallId,
    /// The state of its worst part, in the order of [`RecordingState`].
    pub state: RecordingState,
    /// Files it is in: one, and one more for each time it was paused.
    pub parts: u32,
    /// Bytes recorded, as far as they are known.
    pub bytes: u64,
    /// When it was begun.
    pub created_at: Wall,
}

/// Why a recording was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// No space is left. The call goes on.
    #[error("no space left for the recording")]
    NoSpace,
    /// There is none.
    #[error("the call has no recording")]
    NotFound,
    /// It was erased.
    #[error("the recording was erased")]
    Erased,
    /// The file is not what was written.
    #[error("the recording is damaged")]
    Damaged(#[source] FormatError),
    /// The key it was written under is not this appliance's.
    #[error("the recording's key cannot be unwrapped")]
    Key,
    /// The file system refused.
    #[error("the recording's file cannot be used")]
    Io(#[source] io::Error),
    /// The database refused.
    #[error("the recording's row cannot be used")]
    Store(#[from] StoreError),
}

impl UserFacing for RecordingError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSpace => "recording.no_space",
            Self::NotFound => "recording.not_found",
            Self::Erased => "recording.erased",
            Self::Damaged(_) => "recording.damaged",
            Self::Key => "recording.key",
            Self::Io(_) => "recording.io",
            Self::Store(e) => e.code(),
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::NoSpace => {
                "Free some space on the disk that holds the data folder; calls go on meanwhile.".into()
            }
            Self::NotFound | Self::Erased => "There is nothing to play for this call.".into(),
            Self::Damaged(_) | Self::Key => "Restore the recording from a backup.".into(),
            Self::Io(_) => "Check that the disk is healthy and the data folder can be written.".into(),
            Self::Store(e) => e.hint(),
        }
    }
}

impl From<io::Error> for RecordingError {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ => Self::Io(e),
        }
    }
}

impl From<FormatError> for RecordingError {
    fn from(e: FormatError) -> Self {
        match e {
            FormatError::Io(e) => e.into(),
            e => Self::Damaged(e),
        }
    }
}

/// Writes one recording. Dropped without [`RecordingWriter::finish`], it leaves a `.part` that the next start makes
/// whole.
#[derive(Debug)]
pub struct RecordingWriter {
    store: Store,
    call: CallId,
    part: u32,
    encoder: Encoder,
    file: Watched,
    part_path: PathBuf,
    path: PathBuf,
    bytes: u64,
    failed: bool,
}

impl RecordingWriter {
    /// Begins a recording of `call`, or another part of it. The wrapped key is on the disk before the first audio.
    ///
    /// # Errors
    /// When there is no such call, no space, or the folder cannot be written.
    pub fn create(store: &Store, call: CallId) -> Result<Self, RecordingError> {
        let key: Key = Zeroizing::new(crate::random::<32>()?);
        let wrapped = wrap(&store.shared().recording_wrap, call, &key)?;
        let now = crate::now();
        let (part, relative) = store
            .write(move |tx| {
                let id = call.to_string();
                let offered: i64 = tx
                    .conn
                    .prepare_cached("SELECT offered_at FROM call WHERE id = ?1")?
                    .query_row([&id], |r| r.get(0))
                    .optional()?
                    .ok_or(StoreError::NotFound { what: "call" })?;
                let part: u32 = tx
                    .conn
                    .prepare_cached("SELECT coalesce(max(part), 0) + 1 FROM recording WHERE call = ?1")?
                    .query_row([&id], |r| r.get(0))?;
                let relative = format!("{FOLDER}/{}/{id}-{part}.rec", month(offered));
                tx.conn
                    .prepare_cached(
                        "INSERT INTO recording (call, part, path, state, wrapped_key, created_at)
                         VALUES (?1, ?2, ?3, 'open', ?4, ?5)",
                    )?
                    .execute(params![id, part, relative, wrapped, now.0])?;
                Ok((part, relative))
            })
            .wait_blocking()?;
        let path = store.shared().dir.join(&relative);
        let part_path = part_of(&path);
        let folder = path.parent().unwrap_or(&path);
        private_dir(folder)?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        let mut file = options.open(&part_path)?;
        let (encoder, header) = Encoder::new(&key, call, crate::random()?);
        file.write_all(&header)?;
        file.sync_all()?;
        sync_dir(folder)?;
        Ok(Self {
            file: store.shared().syncer.watch(file)?,
            store: store.clone(),
            call,
            part,
            encoder,
            part_path,
            path,
            bytes: 0,
            failed: false,
        })
    }

    /// Encrypts `bytes` and gives them to the operating system.
    ///
    /// # Errors
    /// When there is no space or the disk fails; from then on every write fails, and what was written before can still
    /// be played.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), RecordingError> {
        for piece in bytes.chunks(format::CHUNK_BYTES_MAX) {
            let chunk = self.encoder.chunk(piece, false)?;
            self.put(&chunk)?;
            self.bytes += piece.len() as u64;
        }
        Ok(())
    }

    fn put(&mut self, chunk: &[u8]) -> Result<(), RecordingError> {
        if self.failed || self.file.failed() {
            return Err(RecordingError::Io(io::Error::other("an earlier write failed")));
        }
        if let Err(e) = self.file.write_all(chunk) {
            // A chunk may be there in part. Reading stops in front of it.
            self.failed = true;
            return Err(if out_of_space(&self.store.shared().dir) {
                RecordingError::NoSpace
            } else {
                e.into()
            });
        }
        Ok(())
    }

    /// Ends the recording: marks its end, flushes it, and gives it its name.
    ///
    /// # Errors
    /// When the disk fails; the next start then makes it whole.
    pub fn finish(mut self) -> Result<RecordingInfo, RecordingError> {
        let end = self.encoder.chunk(&[], true)?;
        self.put(&end)?;
        self.file.sync()?;
        fs::rename(&self.part_path, &self.path)?;
        sync_dir(self.path.parent().unwrap_or(&self.path))?;
        self.store
            .finished(self.call, self.part, RecordingState::Complete, Some(self.bytes))?;
        self.store
            .recording_info(self.call)?
            .ok_or(RecordingError::NotFound)
    }
}

impl Store {
    /// What is known of a call's recording.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn recording_info(&self, call: CallId) -> Result<Option<RecordingInfo>, StoreError> {
        let key = call.to_string();
        self.shared().read(|c| Ok(info(c, &key)?))
    }

    /// All of a call's recording that there is: its parts one after another, each an Ogg stream of its own (RFC 3533 calls that a
    /// chained stream). Of one that is still being written, what there is so far.
    ///
    /// # Errors
    /// When there is none, it was erased, or a file is damaged.
    pub fn read_recording(&self, call: CallId) -> Result<Vec<u8>, RecordingError> {
        let rows = self.recording_rows(Some(call))?;
        if rows.is_empty() {
            return Err(RecordingError::NotFound);
        }
        let mut out = Vec::new();
        for row in rows {
            let path = self.shared().dir.join(&row.path);
            let (path, whole) = match row.state {
                RecordingState::Erased => return Err(RecordingError::Erased),
                // What was lost takes nothing with it that was not.
                RecordingState::Lost => continue,
                RecordingState::Open => (part_of(&path), false),
                _ => (path, true),
            };
            let key = self.unwrap_key(&row)?;
            let file = File::open(&path).map_err(|e| match e.kind() {
                io::ErrorKind::NotFound => RecordingError::NotFound,
                _ => e.into(),
            })?;
            format::read(BufReader::new(file), &key, call, whole, &mut out)?;
        }
        if out.is_empty() {
            return Err(RecordingError::NotFound);
        }
        Ok(out)
    }

    /// Destroys the recording's key and deletes its files. Copies of the files elsewhere can never be played again.
    /// Leaves evidence that it was done. Blocks until it is on the disk. Erasing what is erased changes nothing.
    ///
    /// # Errors
    /// When there is no recording, it is still being written, or nothing could be written.
    pub fn erase_recording(&self, call: CallId, actor: &str) -> Result<(), RecordingError> {
        let rows = self.recording_rows(Some(call))?;
        if rows.is_empty() {
            return Err(RecordingError::NotFound);
        }
        let (actor, now) = (actor.to_owned(), crate::now());
        self.write(move |tx| {
            let id = call.to_string();
            let open: bool = tx
                .conn
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM recording WHERE call = ?1 AND state = 'open')")?
                .query_row([&id], |r| r.get(0))?;
            if open {
                return Err(StoreError::Conflict {
                    what: "erasing a recording that is being written",
                });
            }
            let erased = tx
                .conn
                .prepare_cached(
                    "UPDATE recording SET wrapped_key = NULL, state = 'erased' WHERE call = ?1 AND state <> 'erased'",
                )?
                .execute([&id])?;
            if erased > 0 {
                tx.audit(now, "recording.erased", &actor, &id, json!({ "parts": erased }))?;
                tx.fold_log();
            }
            Ok(())
        })
        .wait_blocking()?;
        for row in rows {
            match fs::remove_file(self.shared().dir.join(&row.path)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes recordings whole that a crash left open. Called when the store is opened, while nothing records.
    pub(crate) fn recover_recordings(&self) -> Result<(), StoreError> {
        for row in self.recording_rows(None)? {
            let path = self.shared().dir.join(&row.path);
            let recovered = self.recover_one(&row, &path);
            let (state, bytes) = match recovered {
                Ok(bytes) => (RecordingState::Recovered, Some(bytes)),
                Err(RecordingError::NotFound | RecordingError::Damaged(_) | RecordingError::Key) => {
                    (RecordingState::Lost, None)
                }
                // A full disk or the like: tried again at the next start.
                Err(e) => {
                    tracing::error!(call = %row.call, error = %anteroom_types::error::chain(&e),
                        "a recording could not be made whole");
                    continue;
                }
            };
            tracing::warn!(call = %row.call, state = ?state, "a recording was left open by the last stop");
            self.finished(row.call, row.part, state, bytes)?;
        }
        Ok(())
    }

    fn recover_one(&self, row: &RecordingRow, path: &Path) -> Result<u64, RecordingError> {
        let key = self.unwrap_key(row)?;
        let part = part_of(path);
        if part.exists() {
            let mut file = OpenOptions::new().read(true).write(true).open(&part)?;
            format::make_whole(&mut file, &key, row.call)?;
            file.sync_all()?;
            fs::rename(&part, path)?;
            sync_dir(path.parent().unwrap_or(path))?;
        }
        // The name was given but the row not written, or an earlier recovery got this far.
        let file = match File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(RecordingError::NotFound),
            Err(e) => return Err(e.into()),
        };
        let mut out = Vec::new();
        format::read(BufReader::new(file), &key, row.call, true, &mut out)?;
        Ok(out.len() as u64)
    }

    fn finished(
        &self,
        call: CallId,
        part: u32,
        state: RecordingState,
        bytes: Option<u64>,
    ) -> Result<(), StoreError> {
        let now = crate::now();
        self.write(move |tx| {
            let id = call.to_string();
            let word = crate::values::tag(&state);
            tx.conn
                .prepare_cached(
                    "UPDATE recording SET state = ?3, bytes = ?4, finished_at = ?5
                     WHERE call = ?1 AND part = ?2 AND state = 'open'",
                )?
                .execute(params![id, part, word, bytes.map(u64::cast_signed), now.0])?;
            tx.audit(
                now,
                "recording.finished",
                "system",
                &id,
                json!({ "part": part, "state": word, "bytes": bytes }),
            )?;
            Ok(())
        })
        .wait_blocking()
    }

    /// The rows of one call, or of every recording that is open.
    fn recording_rows(&self, call: Option<CallId>) -> Result<Vec<RecordingRow>, StoreError> {
        self.shared().read(|c| {
            let mut s = c.prepare_cached(
                "SELECT call, part, path, state, wrapped_key FROM recording
                 WHERE call = ?1 OR (?1 IS NULL AND state = 'open') ORDER BY call, part",
            )?;
            let rows = s.query_map([call.map(|c| c.to_string())], |r| {
                Ok(RecordingRow {
                    call: id(r, 0)?,
                    part: r.get(1)?,
                    path: r.get(2)?,
                    state: untag(r, 3)?,
                    wrapped_key: r.get(4)?,
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn unwrap_key(&self, row: &RecordingRow) -> Result<Key, RecordingError> {
        let wrapped = row.wrapped_key.as_deref().ok_or(RecordingError::Erased)?;
        unwrap(&self.shared().recording_wrap, row.call, wrapped).ok_or(RecordingError::Key)
    }
}

struct RecordingRow {
    call: CallId,
    part: u32,
    path: String,
    state: RecordingState,
    wrapped_key: Option<Vec<u8>>,
}

pub(crate) fn info(c: &Connection, call: &str) -> rusqlite::Result<Option<RecordingInfo>> {
    let mut s = c.prepare_cached(
        "SELECT call, state, coalesce(bytes, 0), created_at FROM recording WHERE call = ?1 ORDER BY part",
    )?;
    let mut rows = s.query([call])?;
    let mut info: Option<RecordingInfo> = None;
    while let Some(r) = rows.next()? {
        let (state, bytes): (RecordingState, i64) = (untag(r, 1)?, r.get(2)?);
        let one = info.get_or_insert(RecordingInfo {
            call: id(r, 0)?,
            state,
            parts: 0,
            bytes: 0,
            created_at: Wall(r.get(3)?),
        });
        one.parts += 1;
        one.bytes += bytes.cast_unsigned();
        one.state = worse(one.state, state);
    }
    Ok(info)
}

const fn worse(a: RecordingState, b: RecordingState) -> RecordingState {
    const fn rank(s: RecordingState) -> u8 {
        match s {
            RecordingState::Complete => 0,
            RecordingState::Recovered => 1,
            RecordingState::Open => 2,
            RecordingState::Lost => 3,
            RecordingState::Erased => 4,
        }
    }
    if rank(b) > rank(a) { b } else { a }
}

fn part_of(path: &Path) -> PathBuf {
    path.with_extension("rec.part")
}

/// `2026/11`: a folder a month, so that none grows without end.
fn month(at_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(at_ms)
        .map_or_else(|_| "0000/00".into(), |t| t.strftime("%Y/%m").to_string())
}

/// XChaCha20-Poly1305: the nonce is long enough to be random. The call's id is bound in, so that keys cannot be swapped.
fn wrap(master: &[u8; 32], call: CallId, key: &Key) -> Result<Vec<u8>, RecordingError> {
    let nonce: [u8; 24] = crate::random()?;
    let aad = call.to_u128().to_be_bytes();
    let mut out = nonce.to_vec();
    out.extend(
        XChaCha20Poly1305::new(master.into())
            .encrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: &key[..],
                    aad: &aad,
                },
            )
            .map_err(|_| RecordingError::Key)?,
    );
    Ok(out)
}

fn unwrap(master: &[u8; 32], call: CallId, wrapped: &[u8]) -> Option<Key> {
    let (nonce, sealed) = wrapped.split_first_chunk::<24>()?;
    let aad = call.to_u128().to_be_bytes();
    let plain = Zeroizing::new(
        XChaCha20Poly1305::new(master.into())
            .decrypt(
                &XNonce::from(*nonce),
                Payload {
                    msg: sealed,
                    aad: &aad,
                },
            )
            .ok()?,
    );
    Some(Zeroizing::new(plain.as_slice().try_into().ok()?))
}
