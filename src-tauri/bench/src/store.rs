//! `search` and `commit`: measured by the store itself, the only crate that knows SQL.

use crate::Size;
use crate::error::{Doing as _, Failure};
use crate::report::Report;

pub(crate) fn search(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "search",
        "top 10 of 100,000 x 384: at most 0.2 x sqlite-vec's float scan, recall at least 0.98",
    );
    let dir = tempfile::tempdir().doing("making a folder")?;
    let f =
        anteroom_store::bench::search(dir.path(), size.vectors, 20, size.rounds_or(3)).doing("searching")?;
    r.set("vectors", f.vectors);
    r.set("dim", f.dim);
    r.set("queries_per_round", f.queries);
    r.spread("ours", "ms", &f.ours_ms);
    r.spread("sqlite_vec", "ms", &f.sqlite_vec_ms);
    r.number("ratio", f.ratio);
    r.number("recall_at_10", f.recall_at_10);
    r.version("sqlite-vec", "0.1.9");
    r.note("Each value is the mean of one round's queries. sqlite-vec's file is not encrypted, which favours it.");
    Ok(r)
}

pub(crate) fn commit(size: &Size) -> Result<Report, Failure> {
    let mut r = Report::new(
        "commit",
        "durable (FULL) events per second: at least 3 x one transaction per event",
    );
    // Not the system's folder for temporary files, which may be in memory, where durable means nothing.
    let base = crate::peer::folder();
    std::fs::create_dir_all(&base).doing("making a folder")?;
    let dir = tempfile::tempdir_in(base).doing("making a folder")?;
    let f = anteroom_store::bench::commit(dir.path(), size.events, size.rounds_or(5)).doing("committing")?;
    r.set("events_per_round", f.events);
    r.spread("grouped", "events/s", &f.grouped_per_s);
    r.spread("one_transaction_each", "events/s", &f.single_per_s);
    r.number("ratio", f.ratio);
    r.note("Both are ours, through SQLCipher; the peer is the same store told to commit each event alone.");
    Ok(r)
}
