//! Calls that a crash cut off.

use crate::Store;
use crate::calls::CallSummary;
use crate::error::StoreError;
use crate::events::Prepared;
use crate::values::bad;
use anteroom_types::event::{CallEvent, EventKind};
use anteroom_types::{CallId, EndReason, Mono, Pii, TaskId, TaskKind, Wall};
use rusqlite::{OptionalExtension, params};

impl Store {
    /// Calls without an end, oldest first. At start these are the ones the last stop cut off; later they are live.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn interrupted_calls(&self) -> Result<Vec<CallSummary>, StoreError> {
        let mut calls = self.list_calls(crate::CallFilter::Live, crate::LIST_MAX, None)?;
        calls.reverse();
        Ok(calls)
    }

    /// Ends a call that was cut off, and makes the task to ring back, in one transaction. A call that left a task somebody
    /// still has to see to gets no second one: that it was cut off is written to the one it has. A call that has ended is
    /// left as it is, so that doing this twice makes one task. Whether anything was done. Its recording was made whole when
    /// the store was opened. Blocks until it is on the disk.
    ///
    /// # Errors
    /// When there is no such call, or nothing could be written.
    #[allow(clippy::too_many_arguments)] // The fields of a task; the caller decides them, the store has no opinion.
    pub fn mark_interrupted(
        &self,
        call: CallId,
        at: Wall,
        task: TaskId,
        kind: TaskKind,
        summary: Pii<String>,
        number: Option<Pii<String>>,
        due: Wall,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let key = call.to_string();
            let (trace, offered, ended, inside): (String, i64, Option<i64>, bool) = tx
                .conn
                .prepare_cached("SELECT trace, offered_at, ended_at, trunk IS 'inside' FROM call WHERE id = ?1")?
                .query_row([&key], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
                .optional()?
                .ok_or(StoreError::NotFound { what: "call" })?;
            if ended.is_some() {
                return Ok(false);
            }
            let trace = trace
                .parse()
                .map_err(|e| StoreError::from(bad(0, e)))?;
            let (seq, last_at, mono): (u32, i64, i64) = tx
                .conn
                .prepare_cached(
                    "SELECT seq, at, json_extract(body, '$.mono') FROM event WHERE call = ?1 ORDER BY seq DESC LIMIT 1",
                )?
                .query_row([&key], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))?;
            let event = |seq, kind| CallEvent {
                call,
                trace,
                seq,
                at,
                mono: Mono(mono.cast_unsigned()),
                kind,
            };
            let noted = summary.clone();
            let told = EventKind::TaskCreated {
                task,
                kind,
                summary,
                number,
                due,
            };
            // The clock may have been set back in between.
            let seconds = u32::try_from((last_at - offered).max(0) / 1000).unwrap_or(u32::MAX);
            let end = EventKind::Ended {
                reason: EndReason::Interrupted,
                seconds,
            };
            let waits: Option<String> = tx
                .conn
                .prepare_cached("SELECT id FROM task WHERE call = ?1 AND closed_at IS NULL ORDER BY due LIMIT 1")?
                .query_row([&key], |r| r.get(0))
                .optional()?;
            // Whom staff rang themselves is rung again by whoever wanted them: nobody is owed anything.
            let told = (!inside && waits.is_none()).then_some(told);
            if let Some(waits) = waits {
                crate::tasks::note_by_system(tx, &waits, &noted, at)?;
            }
            for (n, kind) in (1..).zip(told.into_iter().chain([end])) {
                let event = event(seq + n, kind);
                if let Some(p) = Prepared::new(&event)? {
                    p.write(tx)?;
                }
            }
            // The table allows one such task for a call.
            tx.conn
                .prepare_cached("UPDATE task SET origin = 'interrupted' WHERE id = ?1")?
                .execute(params![task.to_string()])?;
            Ok(true)
        })
        .wait_blocking()
    }
}
