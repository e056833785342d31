//! Between Rust's values and SQLite's.

use rusqlite::types::Type;
use rusqlite::{Error, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// The word an enum without data is written as.
pub(crate) fn tag<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(s)) => s,
        _ => String::new(),
    }
}

/// The value of such a word.
pub(crate) fn untag<T: DeserializeOwned>(r: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let word: String = r.get(column)?;
    serde_json::from_value(serde_json::Value::String(word)).map_err(|e| bad(column, e))
}

pub(crate) fn untag_opt<T: DeserializeOwned>(r: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>> {
    let word: Option<String> = r.get(column)?;
    word.map(|w| serde_json::from_value(serde_json::Value::String(w)).map_err(|e| bad(column, e)))
        .transpose()
}

/// An id written as text.
pub(crate) fn id<T>(r: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    r.get::<_, String>(column)?.parse().map_err(|e| bad(column, e))
}

pub(crate) fn bad(column: usize, e: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(e))
}
