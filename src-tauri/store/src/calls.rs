//! Reading calls back.

use crate::Store;
use crate::error::StoreError;
use crate::recordings::RecordingInfo;
use crate::tasks::{TASK_COLUMNS, Task, task_of};
use crate::text;
use crate::values::{bad, id, untag, untag_opt};
use anteroom_types::event::CallEvent;
use anteroom_types::{
    CallId, Decision, EndReason, EntryId, EntryRef, Mono, Pii, SayId, Side, TraceId, TurnId, Wall,
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Calls that one listing gives at most.
pub const LIST_MAX: usize = 1_000;
/// Placed calls that [`Store::placed_since`] gives at most.
pub const PLACED_MAX: usize = 20_000;

/// A call as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallSummary {
    /// The call.
    pub id: CallId,
    /// Its trace.
    pub trace: TraceId,
    /// When it was offered.
    pub offered_at: Wall,
    /// The caller's number or address.
    pub from: Option<Pii<String>>,
    /// What was dialled.
    pub to: Option<Pii<String>>,
    /// The trunk it came by; `direct` for none, and `inside` when a telephone of ours placed it.
    pub trunk: Option<String>,
    /// When it was answered.
    pub answered_at: Option<Wall>,
    /// The codec.
    pub codec: Option<String>,
    /// Whether its media was encrypted.
    pub srtp: Option<bool>,
    /// The language of the consent notice.
    pub language: Option<String>,
    /// When the consent notice had been heard.
    pub consent_at: Option<Wall>,
    /// Whether it was marked urgent.
    pub urgent: bool,
    /// The last decision taken in it.
    pub decision: Option<Decision>,
    /// When it ended.
    pub ended_at: Option<Wall>,
    /// Why.
    pub end_reason: Option<EndReason>,
    /// How long it lasted, in seconds.
    pub seconds: Option<u32>,
    /// Turns the caller took.
    pub turns: u32,
    /// Tasks that came of it and are not closed.
    pub open_tasks: u32,
}

/// Something said, by either side.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// The event it comes from.
    pub seq: u32,
    /// When.
    pub at: Wall,
    /// By whom.
    pub side: Side,
    /// The turn it is or answers.
    pub turn: Option<TurnId>,
    /// Which of our sayings, if it is ours.
    pub say: Option<SayId>,
    /// The words.
    pub text: Pii<String>,
    /// The recogniser's confidence.
    pub confidence: Option<f32>,
    /// When the speech began.
    pub start: Option<Mono>,
    /// When it ended.
    pub end: Option<Mono>,
    /// The recogniser.
    pub recogniser: Option<String>,
    /// Milliseconds it took.
    pub decode_ms: Option<u64>,
    /// What was decided about it.
    pub decision: Option<Decision>,
    /// The entry decided on or spoken.
    pub entry: Option<EntryRef>,
    /// Milliseconds from the end of the caller's speech to our first audio.
    pub ms_to_audio: Option<u64>,
}

/// All that is kept of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// The call.
    pub summary: CallSummary,
    /// Its events in their order.
    pub events: Vec<CallEvent>,
    /// What was said.
    pub turns: Vec<Turn>,
    /// Tasks that came of it.
    pub tasks: Vec<Task>,
    /// Its recording.
    pub recording: Option<RecordingInfo>,
}

/// Which calls a listing gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallFilter {
    /// All.
    #[default]
    All,
    /// Those that have not ended.
    Live,
    /// Those that were marked urgent.
    Urgent,
    /// Those that ended without being answered.
    Missed,
    /// Those with an open task.
    WithOpenTask,
}

/// A call that a telephone of ours placed, as the limits of its user need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedCall {
    /// The call.
    pub call: CallId,
    /// Who placed it.
    pub by: String,
    /// When.
    pub at: Wall,
    /// When it ended; none while it is up, or when the process died in it.
    pub ended_at: Option<Wall>,
    /// Its price, thousandths of the currency per minute begun.
    pub per_minute_milli: u32,
    /// How long it may last, milliseconds.
    pub ms_max: u64,
}

/// Where words were found.
#[derive(Debug, Clone, PartialEq)]
pub struct CallHit {
    /// The call.
    pub call: CallSummary,
    /// Who said it.
    pub side: Side,
    /// The event it was said in.
    pub seq: u32,
    /// The words around it; what was found is between U+0002 and U+0003.
    pub snippet: Pii<String>,
}

const COLUMNS: &str =
    "c.id, c.trace, c.offered_at, c.from_addr, c.to_addr, c.trunk, c.answered_at, c.codec, c.srtp,
    c.language, c.consent_at, c.urgent, c.decision, c.ended_at, c.end_reason, c.seconds,
    (SELECT count(*) FROM turn t WHERE t.call = c.id AND t.side = 'caller'),
    (SELECT count(*) FROM task k WHERE k.call = c.id AND k.closed_at IS NULL)";
const COLUMN_COUNT: usize = 18;

impl Store {
    /// The newest calls, newest first: at most `limit` of those older than `before`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list_calls(
        &self,
        filter: CallFilter,
        limit: usize,
        before: Option<CallId>,
    ) -> Result<Vec<CallSummary>, StoreError> {
        let only = match filter {
            CallFilter::All => "1",
            CallFilter::Live => "c.ended_at IS NULL",
            CallFilter::Urgent => "c.urgent = 1",
            CallFilter::Missed => {
                "c.ended_at IS NOT NULL AND c.answered_at IS NULL
                 AND c.trunk IS NOT 'inside'"
            }
            CallFilter::WithOpenTask => {
                "EXISTS (SELECT 1 FROM task k WHERE k.call = c.id AND k.closed_at IS NULL)"
            }
        };
        let limit = i64::try_from(limit.min(LIST_MAX)).unwrap_or(0);
        self.shared().read(|c| {
            let mut s = c.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM call c WHERE (?1 IS NULL OR c.id < ?1) AND {only} ORDER BY c.id DESC LIMIT ?2"
            ))?;
            let rows = s.query_map(params![before.map(|b| b.to_string()), limit], summary_of)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Calls through trunks placed since then that count towards limits, oldest first: at most [`PLACED_MAX`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn placed_since(&self, since: Wall) -> Result<Vec<PlacedCall>, StoreError> {
        self.shared().read(|c| {
            let mut s = c.prepare_cached(
                "SELECT p.call, p.by, p.at, c.ended_at, p.per_minute_milli, p.ms_max
                 FROM placed p JOIN call c ON c.id = p.call
                 WHERE p.at >= ?1 AND p.counts = 1 AND p.trunk IS NOT NULL ORDER BY p.at LIMIT ?2",
            )?;
            let rows = s.query_map(params![since.0, i64::try_from(PLACED_MAX).unwrap_or(0)], |r| {
                Ok(PlacedCall {
                    call: id(r, 0)?,
                    by: r.get(1)?,
                    at: Wall(r.get(2)?),
                    ended_at: r.get::<_, Option<i64>>(3)?.map(Wall),
                    per_minute_milli: r.get(4)?,
                    ms_max: r.get::<_, i64>(5)?.cast_unsigned(),
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// All that is kept of a call.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn get_call(&self, call: CallId) -> Result<Option<CallRecord>, StoreError> {
        let key = call.to_string();
        self.shared().read(|c| {
            // One transaction, so that all parts are of the same moment.
            let tx = c.unchecked_transaction()?;
            let Some(summary) = summary(c, &key)? else {
                return Ok(None);
            };
            let record = CallRecord {
                summary,
                events: events(c, &key)?,
                turns: turns(c, &key)?,
                tasks: c
                    .prepare_cached(&format!(
                        "SELECT {TASK_COLUMNS} FROM task WHERE call = ?1 ORDER BY id"
                    ))?
                    .query_map([&key], task_of)?
                    .collect::<rusqlite::Result<_>>()?,
                recording: crate::recordings::info(c, &key)?,
            };
            tx.finish()?;
            Ok(Some(record))
        })
    }

    /// Calls in which all words of `text` were said in one turn, the last word as a beginning, best first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn search_calls(&self, text: &str, limit: usize) -> Result<Vec<CallHit>, StoreError> {
        let Some(query) = text::all_of_typed(&text::words(text)) else {
            return Ok(Vec::new());
        };
        let limit = i64::try_from(limit.min(LIST_MAX)).unwrap_or(0);
        self.shared().read(|c| {
            let mut s = c.prepare_cached(&format!(
                "SELECT {COLUMNS}, f.side, f.seq, f.snippet FROM (
                     SELECT t.call, t.side, t.seq, turn_fts.rank AS score,
                            snippet(turn_fts, 0, char(2), char(3), '…', 24) AS snippet
                     FROM turn_fts JOIN turn t ON t.id = turn_fts.rowid
                     WHERE turn_fts MATCH ?1 ORDER BY turn_fts.rank LIMIT ?2
                 ) f JOIN call c ON c.id = f.call ORDER BY f.score, c.id DESC"
            ))?;
            let rows = s.query_map(params![query, limit], |r| {
                Ok(CallHit {
                    call: summary_of(r)?,
                    side: untag(r, COLUMN_COUNT)?,
                    seq: r.get(COLUMN_COUNT + 1)?,
                    snippet: Pii::new(r.get(COLUMN_COUNT + 2)?),
                })
            })?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }
}

pub(crate) fn summary(c: &Connection, call: &str) -> rusqlite::Result<Option<CallSummary>> {
    c.prepare_cached(&format!("SELECT {COLUMNS} FROM call c WHERE c.id = ?1"))?
        .query_row([call], summary_of)
        .optional()
}

pub(crate) fn summary_of(r: &Row<'_>) -> rusqlite::Result<CallSummary> {
    let wall = |i| r.get::<_, Option<i64>>(i).map(|w| w.map(Wall));
    let pii = |i| r.get::<_, Option<String>>(i).map(|p| p.map(Pii::new));
    Ok(CallSummary {
        id: id(r, 0)?,
        trace: id(r, 1)?,
        offered_at: Wall(r.get(2)?),
        from: pii(3)?,
        to: pii(4)?,
        trunk: r.get(5)?,
        answered_at: wall(6)?,
        codec: r.get(7)?,
        srtp: r.get(8)?,
        language: r.get(9)?,
        consent_at: wall(10)?,
        urgent: r.get(11)?,
        decision: untag_opt(r, 12)?,
        ended_at: wall(13)?,
        end_reason: untag_opt(r, 14)?,
        seconds: r.get(15)?,
        turns: r.get(16)?,
        open_tasks: r.get(17)?,
    })
}

fn events(c: &Connection, call: &str) -> rusqlite::Result<Vec<CallEvent>> {
    c.prepare_cached("SELECT body FROM event WHERE call = ?1 ORDER BY seq")?
        .query_map([call], |r| {
            let body = zeroize::Zeroizing::new(r.get::<_, String>(0)?);
            serde_json::from_str(&body).map_err(|e| bad(0, e))
        })?
        .collect()
}

fn turns(c: &Connection, call: &str) -> rusqlite::Result<Vec<Turn>> {
    c.prepare_cached(
        "SELECT seq, at, side, turn, say, text, confidence, start_us, end_us, recogniser, decode_ms, decision,
                entry, entry_version, entry_score, ms_to_audio
         FROM turn WHERE call = ?1 ORDER BY seq",
    )?
    .query_map([call], |r| {
        let mono = |i| r.get::<_, Option<i64>>(i).map(|m| m.map(|us| Mono(us.cast_unsigned())));
        let ms = |i| r.get::<_, Option<i64>>(i).map(|m| m.map(i64::cast_unsigned));
        let entry: Option<String> = r.get(12)?;
        Ok(Turn {
            seq: r.get(0)?,
            at: Wall(r.get(1)?),
            side: untag(r, 2)?,
            turn: r.get::<_, Option<u32>>(3)?.map(TurnId),
            say: r.get::<_, Option<u32>>(4)?.map(SayId),
            text: Pii::new(r.get(5)?),
            confidence: r.get(6)?,
            start: mono(7)?,
            end: mono(8)?,
            recogniser: r.get(9)?,
            decode_ms: ms(10)?,
            decision: untag_opt(r, 11)?,
            entry: match entry {
                None => None,
                Some(id) => Some(EntryRef {
                    id: EntryId::new(id).map_err(|e| bad(12, e))?,
                    version: r.get(13)?,
                    score: r.get(14)?,
                }),
            },
            ms_to_audio: ms(15)?,
        })
    })?
    .collect()
}
