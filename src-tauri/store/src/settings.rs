//! Settings that belong to the data rather than to the configuration file.

use crate::Store;
use crate::error::StoreError;
use rusqlite::{OptionalExtension, params};
use serde_json::json;

/// Bytes of a setting's name.
const KEY_BYTES_MAX: usize = 100;
/// Bytes of a setting's value.
const VALUE_BYTES_MAX: usize = 64 * 1024;

impl Store {
    /// A setting.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn setting(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.shared().read(|c| {
            Ok(c.prepare_cached("SELECT value FROM setting WHERE key = ?1")?
                .query_row([key], |r| r.get(0))
                .optional()?)
        })
    }

    /// Sets a setting, or removes it with `None`. The audit chain keeps its name and who changed it, not the value.
    /// Blocks until it is on the disk.
    ///
    /// # Errors
    /// When the name or value is too long, or nothing could be written.
    pub fn set_setting(&self, key: &str, value: Option<&str>, actor: &str) -> Result<(), StoreError> {
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) || value.is_some_and(|v| v.len() > VALUE_BYTES_MAX) {
            return Err(StoreError::Invalid {
                what: "a setting's name has 1 to 100 bytes and its value at most 65536",
            });
        }
        let (key, value, actor) = (key.to_owned(), value.map(str::to_owned), actor.to_owned());
        let now = crate::now();
        self.write(move |tx| {
            match &value {
                Some(v) => tx
                    .conn
                    .prepare_cached(
                        "INSERT INTO setting (key, value, updated_at) VALUES (?1, ?2, ?3)
                         ON CONFLICT (key) DO UPDATE SET value = ?2, updated_at = ?3",
                    )?
                    .execute(params![key, v, now.0])?,
                None => tx
                    .conn
                    .prepare_cached("DELETE FROM setting WHERE key = ?1")?
                    .execute([&key])?,
            };
            tx.audit(
                now,
                "setting.changed",
                &actor,
                &key,
                json!({ "set": value.is_some() }),
            )?;
            Ok(())
        })
        .wait_blocking()
    }
}
