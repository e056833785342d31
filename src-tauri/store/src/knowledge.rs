//! Knowledge entries: drafts, approval, versions, and the searches over what may be spoken.

use crate::Store;
use crate::error::StoreError;
use crate::index::{Approved, KnowledgeIndex, VECTOR_DIM};
use crate::pending::Pending;
use crate::text;
use crate::values::{tag, untag};
use crate::vector::normalised;
use crate::writer::Tx;
use anteroom_types::knowledge::{EntryStatus, KnowledgeEntry, TextHit, VectorHit};
use anteroom_types::limits::{ANSWER_CHARS_MAX, QUESTION_CHARS_MAX, QUESTION_VARIANTS_MAX};
use anteroom_types::{EntryId, Wall};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

const COLUMNS: &str =
    "id, version, language, title, questions, answer, status, approved_by, approved_at, expires_at, source";
/// Characters of a title.
const TITLE_CHARS_MAX: usize = 200;

impl Store {
    /// Keeps a draft and returns its version. The version, status and approval in `entry` are not looked at: a draft
    /// that is there already is replaced, an approved or retired version is followed by the next number.
    ///
    /// Blocks until it is on the disk.
    ///
    /// # Errors
    /// When a field is outside its limits, or nothing could be written.
    pub fn put_draft(&self, entry: KnowledgeEntry) -> Result<u32, StoreError> {
        check(&entry)?;
        let now = crate::now();
        self.write(move |tx| {
            let newest: Option<(u32, String)> = tx
                .conn
                .prepare_cached(
                    "SELECT version, status FROM knowledge_entry WHERE id = ?1 ORDER BY version DESC LIMIT 1",
                )?
                .query_row([entry.id.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
                .optional()?;
            let version = match &newest {
                None => 1,
                Some((v, status)) if status == "draft" => *v,
                Some((v, _)) => v + 1,
            };
            let questions = serde_json::to_string(&entry.questions).map_err(|_| StoreError::Invalid {
                what: "the questions cannot be written",
            })?;
            tx.conn
                .prepare_cached(
                    "INSERT INTO knowledge_entry
                         (id, version, language, lang, title, questions, answer, status, expires_at, source)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'draft', ?8, ?9)
                     ON CONFLICT (id, version) DO UPDATE SET language = ?3, lang = ?4, title = ?5, questions = ?6,
                         answer = ?7, expires_at = ?8, source = ?9",
                )?
                .execute(params![
                    entry.id.as_str(),
                    version,
                    entry.language,
                    text::primary_subtag(&entry.language),
                    entry.title,
                    questions,
                    entry.answer,
                    entry.expires_at.map(|w| w.0),
                    entry.source,
                ])?;
            tx.audit(now, "knowledge.drafted", "system", entry.id.as_str(), json!({ "version": version }))?;
            Ok(version)
        })
        .wait_blocking()
    }

    /// Approves a draft: from now on it may be spoken, and the version approved before it never again. `vectors` are
    /// the question variants with their embeddings; each has [`VECTOR_DIM`] numbers.
    ///
    /// Blocks until it is on the disk.
    ///
    /// # Errors
    /// When there is no such version, it is not a draft, or a vector has the wrong length or no direction.
    pub fn approve(
        &self,
        id: &EntryId,
        version: u32,
        approver: &str,
        at: Wall,
        vectors: Vec<(String, Vec<f32>)>,
    ) -> Result<(), StoreError> {
        self.approve_later(id, version, approver, at, vectors)
            .wait_blocking()
    }

    /// [`Store::approve`] without waiting, so that many approvals share a flush.
    pub fn approve_later(
        &self,
        id: &EntryId,
        version: u32,
        approver: &str,
        at: Wall,
        vectors: Vec<(String, Vec<f32>)>,
    ) -> Pending {
        let vectors = match checked(vectors) {
            Ok(v) => v,
            Err(e) => return Pending::ready(Err(e)),
        };
        let (id, approver) = (id.clone(), approver.to_owned());
        self.write(move |tx| {
            let (rid, entry) = find(tx.conn, &id, version)?;
            if entry.status != EntryStatus::Draft {
                return Err(StoreError::Conflict {
                    what: "approving a version that is no draft",
                });
            }
            let earlier: Option<i64> = tx
                .conn
                .prepare_cached("SELECT rid FROM knowledge_entry WHERE id = ?1 AND status = 'approved'")?
                .query_row([id.as_str()], |r| r.get(0))
                .optional()?;
            if let Some(earlier) = earlier {
                withdraw(tx, earlier)?;
            }
            tx.conn
                .prepare_cached(
                    "UPDATE knowledge_entry SET status = 'approved', approved_by = ?2, approved_at = ?3 WHERE rid = ?1",
                )?
                .execute(params![rid, approver, at.0])?;
            tx.conn
                .prepare_cached("INSERT INTO knowledge_fts (rowid, questions, title, answer) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![rid, entry.questions.join("\n"), entry.title, entry.answer])?;
            put_vectors(tx, rid, &entry, vectors)?;
            tx.audit(
                at,
                "knowledge.approved",
                &approver,
                id.as_str(),
                json!({ "version": version, "text": content_hash(&entry) }),
            )?;
            Ok(())
        })
    }

    /// Replaces the vectors of the approved version, when another embedding model is used. Blocks.
    ///
    /// # Errors
    /// When there is no approved version, or a vector has the wrong length or no direction.
    pub fn set_vectors(&self, id: &EntryId, vectors: Vec<(String, Vec<f32>)>) -> Result<(), StoreError> {
        let vectors = checked(vectors)?;
        let id = id.clone();
        self.write(move |tx| {
            let (rid, entry) = tx
                .conn
                .prepare_cached(&format!(
                    "SELECT rid, {COLUMNS} FROM knowledge_entry WHERE id = ?1 AND status = 'approved'"
                ))?
                .query_row([id.as_str()], |r| Ok((r.get::<_, i64>(0)?, entry_of(r, 1)?)))
                .optional()?
                .ok_or(StoreError::NotFound {
                    what: "approved entry",
                })?;
            drop_vectors(tx, rid)?;
            put_vectors(tx, rid, &entry, vectors)
        })
        .wait_blocking()
    }

    /// Withdraws the approved version of an entry, if there is one: it is never spoken again. Blocks.
    ///
    /// # Errors
    /// When there is no approved version, or nothing could be written.
    pub fn retire(&self, id: &EntryId, actor: &str, at: Wall) -> Result<(), StoreError> {
        let (id, actor) = (id.clone(), actor.to_owned());
        self.write(move |tx| {
            let (rid, version): (i64, u32) = tx
                .conn
                .prepare_cached(
                    "SELECT rid, version FROM knowledge_entry WHERE id = ?1 AND status = 'approved'",
                )?
                .query_row([id.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
                .optional()?
                .ok_or(StoreError::NotFound {
                    what: "approved entry",
                })?;
            withdraw(tx, rid)?;
            tx.audit(
                at,
                "knowledge.retired",
                &actor,
                id.as_str(),
                json!({ "version": version }),
            )?;
            Ok(())
        })
        .wait_blocking()
    }

    /// The approved version of an entry, or else its newest.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get(&self, id: &EntryId) -> Result<Option<KnowledgeEntry>, StoreError> {
        self.shared().read(|c| {
            Ok(c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM knowledge_entry WHERE id = ?1
                 ORDER BY status = 'approved' DESC, version DESC LIMIT 1"
            ))?
            .query_row([id.as_str()], |r| entry_of(r, 0))
            .optional()?)
        })
    }

    /// One version of an entry.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get_version(&self, id: &EntryId, version: u32) -> Result<Option<KnowledgeEntry>, StoreError> {
        self.shared().read(|c| {
            Ok(c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM knowledge_entry WHERE id = ?1 AND version = ?2"
            ))?
            .query_row(params![id.as_str(), version], |r| entry_of(r, 0))
            .optional()?)
        })
    }

    /// Every version with this status, or every version, by id and version.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list(&self, status: Option<EntryStatus>) -> Result<Vec<KnowledgeEntry>, StoreError> {
        self.shared().read(|c| {
            let status = status.map(|s| tag(&s));
            let mut s = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM knowledge_entry WHERE ?1 IS NULL OR status = ?1 ORDER BY id, version"
            ))?;
            let rows = s.query_map([status], |r| entry_of(r, 0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Approved, unexpired entries in `language` that share words with `query`, best first. Any text is safe.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn search_text(
        &self,
        query: &str,
        language: &str,
        now: Wall,
        k: usize,
    ) -> Result<Vec<TextHit>, StoreError> {
        let words = text::content_words(query, language);
        let Some(any) = text::any_of(&words) else {
            return Ok(Vec::new());
        };
        let lang = text::primary_subtag(language);
        self.shared().read(|c| {
            let mut s = c.prepare_cached(
                "SELECT e.rid, e.id, e.version, e.title, -bm25(knowledge_fts, 3.0, 1.5, 1.0) AS score
                 FROM knowledge_fts JOIN knowledge_entry e ON e.rid = knowledge_fts.rowid
                 WHERE knowledge_fts MATCH ?1 AND e.lang = ?2 AND e.status = 'approved'
                   AND (e.expires_at IS NULL OR e.expires_at > ?3)
                 ORDER BY score DESC, e.id LIMIT ?4",
            )?;
            let limit = i64::try_from(k).unwrap_or(i64::MAX);
            let found = s
                .query_map(params![any, lang, now.0, limit], |r| {
                    Ok((
                        r.get::<_, i64>(0)?,
                        r.get::<_, String>(1)?,
                        r.get(2)?,
                        r.get(3)?,
                        r.get::<_, f64>(4)?,
                    ))
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            let covered = coverage(c, &words, found.iter().map(|f| f.0))?;
            found
                .into_iter()
                .map(|(rid, id, version, title, score)| {
                    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
                    Ok(TextHit {
                        entry: EntryId::new(id).map_err(|_| StoreError::Damaged { what: "entry id" })?,
                        version,
                        title,
                        bm25: score as f32,
                        coverage: covered.get(&rid).copied().unwrap_or(0) as f32 / words.len() as f32,
                    })
                })
                .collect()
        })
    }

    /// Approved, unexpired entries in `language` nearest to `query`, best variant of each, nearest first. In memory.
    ///
    /// # Errors
    /// When the query has the wrong length or no direction.
    pub fn search_vectors(
        &self,
        query: &[f32],
        language: &str,
        now: Wall,
        k: usize,
    ) -> Result<Vec<VectorHit>, StoreError> {
        self.shared()
            .index
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .search(query, &text::primary_subtag(language), now, k)
            .map_err(Into::into)
    }

    /// The same as [`Store::search_vectors`], scanned by sqlite-vec in the database: the peer it is checked against.
    ///
    /// # Errors
    /// When the query has the wrong length or no direction, or the database cannot be read.
    pub fn search_vectors_durable(
        &self,
        query: &[f32],
        language: &str,
        now: Wall,
        k: usize,
    ) -> Result<Vec<VectorHit>, StoreError> {
        let query = normalised(query, VECTOR_DIM)?;
        let lang = text::primary_subtag(language);
        self.shared().read(|c| {
            // vec_distance rather than the table's own MATCH: that one cuts to k before language and expiry are seen.
            let mut s = c.prepare_cached(
                "SELECT e.id, e.version, e.title, v.question, min(vec_distance_cosine(x.embedding, ?1)) AS d
                 FROM knowledge_vec x
                 JOIN knowledge_variant v ON v.id = x.variant
                 JOIN knowledge_entry e ON e.rid = v.rid
                 WHERE e.lang = ?2 AND e.status = 'approved' AND (e.expires_at IS NULL OR e.expires_at > ?3)
                 GROUP BY e.rid ORDER BY d, e.id LIMIT ?4",
            )?;
            let limit = i64::try_from(k).unwrap_or(i64::MAX);
            let rows = s.query_map(params![blob(&query), lang, now.0, limit], |r| {
                Ok((
                    r.get::<_, String>(0)?,
                    r.get(1)?,
                    r.get(2)?,
                    r.get(3)?,
                    r.get::<_, f64>(4)?,
                ))
            })?;
            rows.map(|row| {
                let (id, version, title, question, distance) = row?;
                #[allow(clippy::cast_possible_truncation)]
                Ok(VectorHit {
                    entry: EntryId::new(id).map_err(|_| StoreError::Damaged { what: "entry id" })?,
                    version,
                    title,
                    question,
                    cosine: (1.0 - distance) as f32,
                })
            })
            .collect()
        })
    }
}

/// How many of `words` occur in each of `rids`. FTS5 is asked word by word, so that "parking" covers "park" exactly
/// when the search itself thinks so.
fn coverage(
    c: &Connection,
    words: &[String],
    rids: impl Iterator<Item = i64>,
) -> rusqlite::Result<HashMap<i64, u32>> {
    let mut counts: HashMap<i64, u32> = rids.map(|r| (r, 0)).collect();
    let mut s = c.prepare_cached("SELECT rowid FROM knowledge_fts WHERE knowledge_fts MATCH ?1")?;
    for word in words {
        let mut rows = s.query([text::quoted(word)])?;
        while let Some(row) = rows.next()? {
            if let Some(n) = counts.get_mut(&row.get(0)?) {
                *n += 1;
            }
        }
    }
    Ok(counts)
}

fn check(e: &KnowledgeEntry) -> Result<(), StoreError> {
    let invalid = |what| Err(StoreError::Invalid { what });
    if e.answer.trim().is_empty() || e.answer.chars().count() > ANSWER_CHARS_MAX {
        return invalid("an answer must have 1 to 2000 characters");
    }
    if e.title.trim().is_empty() || e.title.chars().count() > TITLE_CHARS_MAX {
        return invalid("a title must have 1 to 200 characters");
    }
    if e.questions.len() > QUESTION_VARIANTS_MAX {
        return invalid("an entry has at most 50 question variants");
    }
    if e.questions
        .iter()
        .any(|q| q.trim().is_empty() || q.chars().count() > QUESTION_CHARS_MAX)
    {
        return invalid("a question variant must have 1 to 1000 characters");
    }
    let tag_ok = (2..=35).contains(&e.language.len())
        && e.language.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && text::primary_subtag(&e.language)
            .bytes()
            .all(|b| b.is_ascii_alphabetic());
    if !tag_ok {
        return invalid("a language must be a BCP 47 tag such as en or en-GB");
    }
    Ok(())
}

fn checked(vectors: Vec<(String, Vec<f32>)>) -> Result<Vec<(String, Vec<f32>)>, StoreError> {
    if vectors.len() > QUESTION_VARIANTS_MAX * 2 {
        return Err(StoreError::Invalid {
            what: "an entry has too many vectors",
        });
    }
    vectors
        .into_iter()
        .map(|(q, v)| Ok((q, normalised(&v, VECTOR_DIM)?)))
        .collect()
}

/// SHA-256 over what was approved. The clinic's own words, not a caller's.
fn content_hash(e: &KnowledgeEntry) -> String {
    use sha2::{Digest, Sha256};
    let text = json!([e.language, e.title, e.questions, e.answer]).to_string();
    anteroom_audit::Digest(Sha256::digest(text).into()).to_string()
}

fn find(c: &Connection, id: &EntryId, version: u32) -> Result<(i64, KnowledgeEntry), StoreError> {
    c.prepare_cached(&format!(
        "SELECT rid, {COLUMNS} FROM knowledge_entry WHERE id = ?1 AND version = ?2"
    ))?
    .query_row(params![id.as_str(), version], |r| {
        Ok((r.get(0)?, entry_of(r, 1)?))
    })
    .optional()?
    .ok_or(StoreError::NotFound {
        what: "entry version",
    })
}

fn withdraw(tx: &mut Tx<'_>, rid: i64) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached("UPDATE knowledge_entry SET status = 'retired' WHERE rid = ?1")?
        .execute([rid])?;
    tx.conn
        .prepare_cached("DELETE FROM knowledge_fts WHERE rowid = ?1")?
        .execute([rid])?;
    drop_vectors(tx, rid)
}

fn drop_vectors(tx: &mut Tx<'_>, rid: i64) -> Result<(), StoreError> {
    tx.conn
        .prepare_cached(
            "DELETE FROM knowledge_vec WHERE variant IN (SELECT id FROM knowledge_variant WHERE rid = ?1)",
        )?
        .execute([rid])?;
    tx.conn
        .prepare_cached("DELETE FROM knowledge_variant WHERE rid = ?1")?
        .execute([rid])?;
    tx.after_commit(move |shared| {
        shared
            .index
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove_entry(rid);
    });
    Ok(())
}

fn put_vectors(
    tx: &mut Tx<'_>,
    rid: i64,
    entry: &KnowledgeEntry,
    vectors: Vec<(String, Vec<f32>)>,
) -> Result<(), StoreError> {
    let mut rows = Vec::with_capacity(vectors.len());
    for (question, vector) in vectors {
        tx.conn
            .prepare_cached("INSERT INTO knowledge_variant (rid, question) VALUES (?1, ?2)")?
            .execute(params![rid, question])?;
        let variant = tx.conn.last_insert_rowid();
        tx.conn
            .prepare_cached("INSERT INTO knowledge_vec (variant, embedding) VALUES (?1, ?2)")?
            .execute(params![variant, blob(&vector)])?;
        rows.push((variant, question, vector));
    }
    let approved = Arc::new(Approved {
        rid,
        entry: entry.id.clone(),
        version: entry.version,
        title: entry.title.clone(),
        lang: text::primary_subtag(&entry.language),
        expires_at: entry.expires_at.map(|w| w.0),
    });
    tx.after_commit(move |shared| {
        let mut index = shared.index.write().unwrap_or_else(PoisonError::into_inner);
        for (variant, question, vector) in rows {
            // The vector was checked before it was written.
            let _ = index.insert(variant.cast_unsigned(), &approved, question, &vector);
        }
    });
    Ok(())
}

/// Reads the approved vectors into memory; once, when the store is opened.
pub(crate) fn load_index(c: &Connection, index: &mut KnowledgeIndex) -> Result<(), StoreError> {
    let mut s = c.prepare(
        "SELECT e.rid, e.id, e.version, e.title, e.lang, e.expires_at, v.id, v.question, x.embedding
         FROM knowledge_entry e JOIN knowledge_variant v ON v.rid = e.rid JOIN knowledge_vec x ON x.variant = v.id
         WHERE e.status = 'approved' ORDER BY e.rid, v.id",
    )?;
    let mut rows = s.query([])?;
    let mut current: Option<Arc<Approved>> = None;
    while let Some(r) = rows.next()? {
        let rid: i64 = r.get(0)?;
        let entry = match &current {
            Some(e) if e.rid == rid => Arc::clone(e),
            _ => Arc::new(Approved {
                rid,
                entry: EntryId::new(r.get::<_, String>(1)?)
                    .map_err(|_| StoreError::Damaged { what: "entry id" })?,
                version: r.get(2)?,
                title: r.get(3)?,
                lang: r.get(4)?,
                expires_at: r.get(5)?,
            }),
        };
        let vector = unblob(
            r.get_ref(8)?
                .as_blob()
                .map_err(|_| StoreError::Damaged { what: "vector" })?,
        );
        index
            .insert(r.get::<_, i64>(6)?.cast_unsigned(), &entry, r.get(7)?, &vector)
            .map_err(|_| StoreError::Damaged { what: "vector" })?;
        current = Some(entry);
    }
    Ok(())
}

pub(crate) fn blob(v: &[f32]) -> Vec<u8> {
    v.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn unblob(b: &[u8]) -> Vec<f32> {
    b.as_chunks::<4>()
        .0
        .iter()
        .map(|c| f32::from_le_bytes(*c))
        .collect()
}

fn entry_of(r: &Row<'_>, at: usize) -> rusqlite::Result<KnowledgeEntry> {
    let questions: String = r.get(at + 4)?;
    Ok(KnowledgeEntry {
        id: EntryId::new(r.get::<_, String>(at)?).map_err(|e| crate::values::bad(at, e))?,
        version: r.get(at + 1)?,
        language: r.get(at + 2)?,
        title: r.get(at + 3)?,
        questions: serde_json::from_str(&questions).map_err(|e| crate::values::bad(at + 4, e))?,
        answer: r.get(at + 5)?,
        status: untag(r, at + 6)?,
        approved_by: r.get(at + 7)?,
        approved_at: r.get::<_, Option<i64>>(at + 8)?.map(Wall),
        expires_at: r.get::<_, Option<i64>>(at + 9)?.map(Wall),
        source: r.get(at + 10)?,
    })
}
