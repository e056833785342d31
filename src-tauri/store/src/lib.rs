//! Encrypted SQLite, full-text and vector search, recordings, migrations. The only crate that knows SQL.
