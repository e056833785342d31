//! Figures: what `bench commit` and `bench search` measure. Nothing here is used when calls are answered.

use crate::error::StoreError;
use crate::keys::MasterKey;
use crate::knowledge::blob;
use crate::{OpenError, Store, StoreConfig, VECTOR_DIM, VectorIndex};
use anteroom_types::event::{CallEvent, EventKind};
use anteroom_types::{CallId, Mono, Side, TraceId, TurnId, Wall};
use rand::{Rng, SeedableRng, rngs::StdRng};
use rusqlite::{Connection, params};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The store could not be opened.
    #[error("the store could not be opened")]
    Open(#[from] OpenError),
    /// The store refused.
    #[error("the store refused")]
    Store(#[from] StoreError),
    /// The folder cannot be used.
    #[error("the folder cannot be used")]
    Io(#[from] std::io::Error),
}

/// Durable events per second (`synchronous = FULL`), by one writer that waits for each and by many that do not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommitFigures {
    /// Events of one round.
    pub events: usize,
    /// Events per second with group commit, one figure a round.
    pub grouped_per_s: Vec<f64>,
    /// Events per second with a transaction each, one figure a round.
    pub single_per_s: Vec<f64>,
    /// Median of the first over median of the second.
    pub ratio: f64,
}

/// Measures commits in a store of its own under `dir`: `rounds` rounds, each of `events` events queued at once and then
/// of a tenth as many one by one, in turn.
///
/// # Errors
/// When the store cannot be used.
pub fn commit(dir: &Path, events: usize, rounds: usize) -> Result<CommitFigures, BenchError> {
    let store = Store::open(StoreConfig::new(
        dir.join("bench-commit"),
        MasterKey::from_bytes([1; 32]),
    ))?;
    let call = CallId::new(crate::now(), 1);
    let mut seq = 0;
    let mut next = || {
        seq += 1;
        CallEvent {
            call,
            trace: TraceId::new(Wall(0), 1),
            seq,
            at: crate::now(),
            mono: Mono(0),
            kind: EventKind::Heard {
                side: Side::Caller,
                turn: TurnId(seq),
                text: "could you tell me when the clinic opens on saturday".into(),
                confidence: 0.9,
                start: Mono(0),
                end: Mono(1),
                recogniser: "bench".into(),
                decode_ms: 1,
            },
        }
    };
    let (mut grouped, mut single) = (Vec::new(), Vec::new());
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        let pending: Vec<_> = (0..events).map(|_| store.append_event_blocking(next())).collect();
        for p in pending {
            p.wait_blocking()?;
        }
        grouped.push(per_second(events, start));
        let fewer = (events / 10).max(1);
        let start = Instant::now();
        for _ in 0..fewer {
            store.append_event_blocking(next()).wait_blocking()?;
        }
        single.push(per_second(fewer, start));
    }
    Ok(CommitFigures {
        events,
        ratio: median(&grouped) / median(&single),
        grouped_per_s: grouped,
        single_per_s: single,
    })
}

/// Nearest vectors: ours in memory against sqlite-vec's float scan of the same vectors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SearchFigures {
    /// Vectors.
    pub vectors: usize,
    /// Numbers in each.
    pub dim: usize,
    /// Queries of one round.
    pub queries: usize,
    /// Milliseconds a query, ours, one figure a round.
    pub ours_ms: Vec<f64>,
    /// Milliseconds a query, sqlite-vec over an unencrypted file, one figure a round.
    pub sqlite_vec_ms: Vec<f64>,
    /// Median of the first over median of the second.
    pub ratio: f64,
    /// Share of the exact ten nearest that we find.
    pub recall_at_10: f64,
}

/// Measures the ten nearest of `vectors` vectors of [`VECTOR_DIM`] numbers, in clusters as questions are, for `queries`
/// queries in each of `rounds` rounds, ours and sqlite-vec's in turn. sqlite-vec has the better case: its file under
/// `dir` is not encrypted.
///
/// # Errors
/// When the file cannot be used.
pub fn search(
    dir: &Path,
    vectors: usize,
    queries: usize,
    rounds: usize,
) -> Result<SearchFigures, BenchError> {
    std::fs::create_dir_all(dir)?;
    let path = dir.join("bench-search.db");
    let _ = std::fs::remove_file(&path);
    crate::open::register_vec();
    let sql = |e: rusqlite::Error| BenchError::Store(e.into());
    let mut db = Connection::open(&path).map_err(sql)?;
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;")
        .map_err(sql)?;
    db.execute_batch(&format!(
        "CREATE VIRTUAL TABLE v USING vec0 (embedding FLOAT[{VECTOR_DIM}] distance_metric=cosine)"
    ))
    .map_err(sql)?;
    let mut rng = StdRng::seed_from_u64(11);
    let mut random = |spread: f32, around: Option<&Vec<f32>>| -> Vec<f32> {
        (0..VECTOR_DIM)
            .map(|i| around.map_or(0.0, |a| a[i]) + rng.random_range(-spread..spread))
            .collect()
    };
    let centres: Vec<Vec<f32>> = (0..(vectors / 50).max(1)).map(|_| random(1.0, None)).collect();
    let mut index = VectorIndex::new(VECTOR_DIM);
    let tx = db.transaction().map_err(sql)?;
    for n in 0..vectors {
        let v = random(0.6, Some(&centres[n % centres.len()]));
        index.insert(n as u64, &v).map_err(StoreError::from)?;
        tx.prepare_cached("INSERT INTO v (rowid, embedding) VALUES (?1, ?2)")
            .and_then(|mut s| s.execute(params![i64::try_from(n).unwrap_or(0), blob(&v)]))
            .map_err(sql)?;
    }
    tx.commit().map_err(sql)?;
    let asked: Vec<Vec<f32>> = (0..queries.max(1))
        .map(|q| random(0.6, Some(&centres[q * 7 % centres.len()])))
        .collect();
    let (mut ours_ms, mut peer_ms) = (Vec::new(), Vec::new());
    let (mut found, mut wanted) = (0usize, 0usize);
    let each = asked.len();
    for _ in 0..rounds.max(1) {
        let start = Instant::now();
        let ours = asked
            .iter()
            .map(|q| index.search(q, 10, |_| true))
            .collect::<Result<Vec<_>, _>>()
            .map_err(StoreError::from)?;
        ours_ms.push(ms_each(each, start));
        let start = Instant::now();
        let theirs = asked
            .iter()
            .map(|q| {
                db.prepare_cached(
                    "SELECT rowid FROM v WHERE embedding MATCH ?1 AND k = 10 ORDER BY distance",
                )?
                .query_map([blob(q)], |r| r.get::<_, i64>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
            })
            .collect::<rusqlite::Result<Vec<_>>>()
            .map_err(sql)?;
        peer_ms.push(ms_each(each, start));
        for (a, b) in ours.iter().zip(&theirs) {
            wanted += b.len();
            found += b
                .iter()
                .filter(|id| a.iter().any(|h| h.0 == id.cast_unsigned()))
                .count();
        }
    }
    drop(db);
    let _ = std::fs::remove_file(&path);
    #[allow(clippy::cast_precision_loss)]
    Ok(SearchFigures {
        vectors,
        dim: VECTOR_DIM,
        queries: each,
        ratio: median(&ours_ms) / median(&peer_ms),
        ours_ms,
        sqlite_vec_ms: peer_ms,
        recall_at_10: found as f64 / wanted.max(1) as f64,
    })
}

#[allow(clippy::cast_precision_loss)]
fn per_second(n: usize, since: Instant) -> f64 {
    n as f64 / since.elapsed().as_secs_f64()
}

#[allow(clippy::cast_precision_loss)]
fn ms_each(n: usize, since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0 / n as f64
}

fn median(of: &[f64]) -> f64 {
    let mut sorted = of.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
