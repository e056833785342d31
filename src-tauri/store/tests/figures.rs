//! The benchmarks run and measure what they say; their figures are not asserted here but for correctness.
use anteroom_store::bench;
use std::io::Write;

fn size(name: &str, small: usize) -> usize {
    std::env::var(name)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(small)
}

#[test]
fn commits_and_searches_are_measured() {
    let dir = tempfile::tempdir().unwrap();
    let commit = bench::commit(dir.path(), size("ANTEROOM_BENCH_EVENTS", 200), 3).unwrap();
    assert!(
        commit
            .grouped_per_s
            .iter()
            .chain(&commit.single_per_s)
            .all(|f| *f > 0.0)
    );
    let search = bench::search(dir.path(), size("ANTEROOM_BENCH_VECTORS", 3_000), 20, 3).unwrap();
    assert!(search.recall_at_10 >= 0.98, "{search:?}");
    let _ = writeln!(std::io::stderr(), "{commit:?}\n{search:?}");
}
