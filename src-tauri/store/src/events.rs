//! Writing what happens in a call: the event, what is read from it, its words for searching and its link in the audit
//! chain, all in one transaction.

use crate::Store;
use crate::error::StoreError;
use crate::pending::Pending;
use crate::values::tag;
use crate::writer::Tx;
use anteroom_types::event::{CallEvent, EventKind};
use anteroom_types::pii::{OpenPii, Purpose};
use anteroom_types::{EntryRef, Side};
use rusqlite::{OptionalExtension, params};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

impl Store {
    /// Queues an event. Waits while the queue is full; what it returns resolves when the event is on the disk.
    ///
    /// The same event may be given again after a failure: it is written once. Events that are not durable
    /// ([`EventKind::is_durable`]) resolve at once and are not written.
    pub async fn append_event(&self, event: CallEvent) -> Pending {
        match Prepared::new(&event) {
            Ok(Some(p)) => self.write_async(move |tx| p.write(tx)).await,
            Ok(None) => Pending::ready(Ok(())),
            Err(e) => Pending::ready(Err(e)),
        }
    }

    /// [`Store::append_event`] for threads that may block: waits on the thread while the queue is full.
    pub fn append_event_blocking(&self, event: CallEvent) -> Pending {
        match Prepared::new(&event) {
            Ok(Some(p)) => self.write(move |tx| p.write(tx)),
            Ok(None) => Pending::ready(Ok(())),
            Err(e) => Pending::ready(Err(e)),
        }
    }
}

/// An event opened for the store, with its JSON.
pub(crate) struct Prepared {
    event: CallEvent<String>,
    body: Zeroizing<String>,
    salt: [u8; 16],
}

impl Prepared {
    pub(crate) fn new(event: &CallEvent) -> Result<Option<Self>, StoreError> {
        if !event.kind.is_durable() {
            return Ok(None);
        }
        let event = event.open_for(Purpose::Store);
        let body = serde_json::to_string(&event).map_err(|_| StoreError::Invalid {
            what: "an event cannot be written",
        })?;
        Ok(Some(Self {
            event,
            body: Zeroizing::new(body),
            salt: crate::random()?,
        }))
    }

    pub(crate) fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let e = &self.event;
        let call = e.call.to_string();
        let there: Option<bool> = tx
            .conn
            .prepare_cached("SELECT body = ?3 FROM event WHERE call = ?1 AND seq = ?2")?
            .query_row(params![call, e.seq, *self.body], |r| r.get(0))
            .optional()?;
        match there {
            // Written by an earlier try whose acknowledgement was lost.
            Some(true) => return Ok(()),
            Some(false) => {
                return Err(StoreError::Conflict {
                    what: "an event with the number of another",
                });
            }
            None => {}
        }
        // A call whose first event was lost to a full disk is still worth keeping.
        tx.conn
            .prepare_cached("INSERT OR IGNORE INTO call (id, trace, offered_at) VALUES (?1, ?2, ?3)")?
            .execute(params![call, e.trace.to_string(), e.at.0])?;
        tx.conn
            .prepare_cached(
                "INSERT INTO event (call, seq, at, kind, body, salt) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                call,
                e.seq,
                e.at.0,
                kind_of(&e.kind),
                *self.body,
                self.salt
            ])?;
        self.project(tx, &call)?;
        if let Some((kind, detail)) = evidence(&e.kind) {
            let mut detail: Map<String, Value> = detail;
            detail.insert("seq".into(), e.seq.into());
            detail.insert(
                "event".into(),
                tx.shared.commit_to(&self.salt, self.body.as_bytes()).into(),
            );
            tx.audit(e.at, kind, "system", &call, Value::Object(detail))?;
            if matches!(e.kind, EventKind::Ended { .. }) {
                tx.sign_head(e.at);
            }
        }
        Ok(())
    }

    /// Brings the rows that lists and searches read up to date.
    fn project(&self, tx: &Tx<'_>, call: &str) -> Result<(), StoreError> {
        let (e, c) = (&self.event, tx.conn);
        match &e.kind {
            EventKind::Offered { from, to, trunk } => {
                c.prepare_cached(
                    "UPDATE call SET offered_at = ?2, from_addr = ?3, to_addr = ?4, trunk = ?5 WHERE id = ?1",
                )?
                .execute(params![call, e.at.0, from, to, trunk])?;
            }
            EventKind::Placed {
                by,
                trunk,
                per_minute_milli,
                ms_max,
                counts,
            } => {
                c.prepare_cached(
                    "INSERT OR IGNORE INTO placed (call, by, at, trunk, per_minute_milli, ms_max, counts)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    call,
                    by,
                    e.at.0,
                    trunk,
                    per_minute_milli,
                    ms_max.cast_signed(),
                    counts
                ])?;
            }
            EventKind::Answered { codec, srtp, .. } => {
                c.prepare_cached("UPDATE call SET answered_at = ?2, codec = ?3, srtp = ?4 WHERE id = ?1")?
                    .execute(params![call, e.at.0, codec, srtp])?;
            }
            EventKind::ConsentNoticePlayed { language, .. } => {
                c.prepare_cached("UPDATE call SET consent_at = ?2, language = ?3 WHERE id = ?1")?
                    .execute(params![call, e.at.0, language])?;
            }
            EventKind::Heard {
                side,
                turn,
                text,
                confidence,
                start,
                end,
                recogniser,
                decode_ms,
            } => {
                c.prepare_cached(
                    "INSERT INTO turn (call, seq, at, side, turn, text, confidence, start_us, end_us, recogniser, decode_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(params![
                    call,
                    e.seq,
                    e.at.0,
                    tag(side),
                    turn.0,
                    text,
                    confidence,
                    start.0.cast_signed(),
                    end.0.cast_signed(),
                    recogniser,
                    decode_ms.cast_signed(),
                ])?;
            }
            EventKind::Decided { record } => {
                let decision = tag(&record.decision);
                c.prepare_cached("UPDATE call SET decision = ?2 WHERE id = ?1")?
                    .execute(params![call, decision])?;
                let entry = record.entry.as_ref();
                c.prepare_cached(
                    "UPDATE turn SET decision = ?3, entry = ?4, entry_version = ?5, entry_score = ?6
                     WHERE call = ?1 AND turn = ?2 AND side = ?7 AND say IS NULL",
                )?
                .execute(params![
                    call,
                    record.turn.0,
                    decision,
                    entry.map(|r| r.id.as_str()),
                    entry.map(|r| r.version),
                    entry.map(|r| r.score),
                    tag(&Side::Caller),
                ])?;
            }
            EventKind::Said {
                say,
                turn,
                text,
                entry,
                ms_to_audio,
            } => {
                let entry = entry.as_ref();
                c.prepare_cached(
                    "INSERT INTO turn (call, seq, at, side, turn, say, text, entry, entry_version, entry_score, ms_to_audio)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(params![
                    call,
                    e.seq,
                    e.at.0,
                    tag(&Side::Clinic),
                    turn.map(|t| t.0),
                    say.0,
                    text,
                    entry.map(|r| r.id.as_str()),
                    entry.map(|r| r.version),
                    entry.map(|r| r.score),
                    ms_to_audio.map(u64::cast_signed),
                ])?;
            }
            EventKind::MarkedUrgent { .. } => {
                c.prepare_cached("UPDATE call SET urgent = 1 WHERE id = ?1")?
                    .execute([call])?;
            }
            EventKind::TaskCreated {
                task,
                kind,
                summary,
                number,
                due,
            } => {
                c.prepare_cached(
                    "INSERT OR IGNORE INTO task (id, call, kind, origin, summary, number, created_at, due)
                     VALUES (?1, ?2, ?3, 'call', ?4, ?5, ?6, ?7)",
                )?
                .execute(params![
                    task.to_string(),
                    call,
                    tag(kind),
                    summary,
                    number,
                    e.at.0,
                    due.0
                ])?;
            }
            EventKind::Ended { reason, seconds } => {
                c.prepare_cached(
                    "UPDATE call SET ended_at = ?2, end_reason = ?3, seconds = ?4 WHERE id = ?1",
                )?
                .execute(params![call, e.at.0, tag(reason), seconds])?;
            }
            EventKind::GreetingStarted { .. }
            | EventKind::Recording { .. }
            | EventKind::Partial { .. }
            | EventKind::BargeIn { .. }
            | EventKind::Dtmf { .. }
            | EventKind::Hold { .. }
            | EventKind::Desk { .. }
            | EventKind::RecogniserChanged { .. }
            | EventKind::Watchdog { .. }
            | EventKind::PoorQuality { .. }
            | EventKind::Quality { .. } => {}
        }
        Ok(())
    }
}

/// The event's own name, as its JSON has it.
fn kind_of(kind: &EventKind<String>) -> &'static str {
    match kind {
        EventKind::Offered { .. } => "offered",
        EventKind::Placed { .. } => "placed",
        EventKind::Answered { .. } => "answered",
        EventKind::GreetingStarted { .. } => "greeting_started",
        EventKind::ConsentNoticePlayed { .. } => "consent_notice_played",
        EventKind::Recording { .. } => "recording",
        EventKind::Partial { .. } => "partial",
        EventKind::Heard { .. } => "heard",
        EventKind::Decided { .. } => "decided",
        EventKind::Said { .. } => "said",
        EventKind::BargeIn { .. } => "barge_in",
        EventKind::Dtmf { .. } => "dtmf",
        EventKind::MarkedUrgent { .. } => "marked_urgent",
        EventKind::TaskCreated { .. } => "task_created",
        EventKind::Hold { .. } => "hold",
        EventKind::Desk { .. } => "desk",
        EventKind::RecogniserChanged { .. } => "recogniser_changed",
        EventKind::Watchdog { .. } => "watchdog",
        EventKind::PoorQuality { .. } => "poor_quality",
        EventKind::Quality { .. } => "quality",
        EventKind::Ended { .. } => "ended",
    }
}

/// What of an event goes into the audit chain in the clear: never a text, a number or anything else of a person's.
/// The event as a whole is committed to beside it.
fn evidence(kind: &EventKind<String>) -> Option<(&'static str, Map<String, Value>)> {
    let (name, detail) = match kind {
        EventKind::Offered { trunk, .. } => ("call.offered", json!({ "trunk": trunk })),
        EventKind::Placed {
            by, trunk, counts, ..
        } => (
            "call.placed",
            json!({ "by": by, "trunk": trunk, "counts": counts }),
        ),
        EventKind::Answered {
            codec,
            srtp,
            setup_ms,
        } => (
            "call.answered",
            json!({ "codec": codec, "srtp": srtp, "setup_ms": setup_ms }),
        ),
        EventKind::ConsentNoticePlayed { script, language } => (
            "call.consent_notice_played",
            json!({ "script": script, "language": language }),
        ),
        EventKind::Recording { on } => ("call.recording", json!({ "on": on })),
        EventKind::Heard {
            side,
            turn,
            recogniser,
            ..
        } => (
            "call.heard",
            json!({ "side": side, "turn": turn, "recogniser": recogniser }),
        ),
        EventKind::Decided { record } => (
            "call.decided",
            json!({
                "turn": record.turn,
                "decision": record.decision,
                "gate": record.gate,
                "gate_why": record.gate_why,
                "entry": record.entry.as_ref().map(reference),
                "candidates": record.candidates.iter().map(reference).collect::<Vec<_>>(),
                "policy": record.policy_version,
            }),
        ),
        EventKind::Said { say, turn, entry, .. } => (
            "call.said",
            json!({ "say": say, "turn": turn, "entry": entry.as_ref().map(reference) }),
        ),
        EventKind::Desk { what, who, slot } => {
            ("call.desk", json!({ "what": what, "who": who, "slot": slot }))
        }
        EventKind::MarkedUrgent { why } => ("call.marked_urgent", json!({ "why": why })),
        EventKind::TaskCreated { task, kind, due, .. } => {
            ("task.created", json!({ "task": task, "kind": kind, "due": due }))
        }
        EventKind::Ended { reason, seconds } => {
            ("call.ended", json!({ "reason": reason, "seconds": seconds }))
        }
        EventKind::GreetingStarted { .. }
        | EventKind::Partial { .. }
        | EventKind::BargeIn { .. }
        | EventKind::Dtmf { .. }
        | EventKind::Hold { .. }
        | EventKind::RecogniserChanged { .. }
        | EventKind::Watchdog { .. }
        | EventKind::PoorQuality { .. }
        | EventKind::Quality { .. } => return None,
    };
    match detail {
        Value::Object(map) => Some((name, map)),
        _ => None,
    }
}

/// An entry in evidence. The score goes in thousandths: the chain takes no fractions.
fn reference(r: &EntryRef) -> Value {
    #[allow(clippy::cast_possible_truncation)]
    let score = (f64::from(r.score) * 1000.0).round() as i64;
    json!({ "id": r.id, "version": r.version, "score_milli": score })
}
