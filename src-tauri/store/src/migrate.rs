//! The schema's history. Migrations are append-only: a file in `migrations/` never changes once it was released.

use crate::error::OpenError;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::path::Path;

pub(crate) struct Migration {
    pub(crate) version: u32,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../../migrations/", $name, ".sql")),
        }),*]
    };
}

pub(crate) const MIGRATIONS: &[Migration] = migrations![
    1 "0001_calls",
    2 "0002_knowledge",
    3 "0003_recordings",
    4 "0004_audit",
    5 "0005_people",
    6 "0006_placed",
    7 "0007_tasks",
];

/// The schema version this program writes.
pub const SCHEMA_VERSION: u32 = MIGRATIONS.len() as u32;

const LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migration (
    version    INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    sha256     BLOB NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT";

/// The version of the database, 0 when it is empty.
pub(crate) fn version(conn: &Connection) -> rusqlite::Result<u32> {
    let ledger: Option<i64> = conn
        .query_row(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migration'",
            [],
            |r| r.get(0),
        )
        .optional()?;
    match ledger {
        None => Ok(0),
        Some(_) => conn.query_row(
            "SELECT coalesce(max(version), 0) FROM schema_migration",
            [],
            |r| r.get(0),
        ),
    }
}

/// Checks what was applied and applies what is missing, each in a transaction of its own.
pub(crate) fn migrate(conn: &mut Connection, dir: &Path, now: i64, upto: u32) -> Result<u32, OpenError> {
    check(conn, dir)?;
    let sql = |e: rusqlite::Error| OpenError::from_sql(&e, dir);
    let found = version(conn).map_err(sql)?;
    for m in MIGRATIONS
        .iter()
        .filter(|m| m.version > found && m.version <= upto)
    {
        let tx = conn.transaction().map_err(sql)?;
        tx.execute_batch(LEDGER).map_err(sql)?;
        tx.execute_batch(m.sql).map_err(sql)?;
        tx.execute(
            "INSERT INTO schema_migration (version, name, sha256, applied_at) VALUES (?1, ?2, ?3, ?4)",
            params![m.version, m.name, checksum(m.sql), now],
        )
        .map_err(sql)?;
        tx.commit().map_err(sql)?;
        tracing::info!(version = m.version, name = m.name, "schema migration applied");
    }
    version(conn).map_err(sql)
}

/// Refuses a database that a newer program wrote, or whose migrations are not ours.
pub(crate) fn check(conn: &Connection, dir: &Path) -> Result<(), OpenError> {
    let sql = |e: rusqlite::Error| OpenError::from_sql(&e, dir);
    let found = version(conn).map_err(sql)?;
    if found > SCHEMA_VERSION {
        return Err(OpenError::NewerDatabase {
            found,
            known: SCHEMA_VERSION,
        });
    }
    for m in MIGRATIONS.iter().filter(|m| m.version <= found) {
        let stored: Option<Vec<u8>> = conn
            .query_row(
                "SELECT sha256 FROM schema_migration WHERE version = ?1",
                [m.version],
                |r| r.get(0),
            )
            .optional()
            .map_err(sql)?;
        if stored.as_deref() != Some(&checksum(m.sql)[..]) {
            return Err(OpenError::MigrationChanged { version: m.version });
        }
    }
    Ok(())
}

/// Line ends do not count, so that a checkout with other line ends opens the same databases.
fn checksum(sql: &str) -> [u8; 32] {
    Sha256::digest(sql.replace("\r\n", "\n").as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{KeyPurpose, MasterKey};
    use crate::open::connect;

    fn schema(conn: &Connection) -> Vec<(String, String, Option<String>)> {
        let mut s = conn
            .prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY type, name")
            .unwrap();
        s.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn every_file_in_the_folder_is_a_migration_in_its_order() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .filter(|f| f.ends_with(".sql"))
            .collect();
        files.sort();
        let known: Vec<String> = MIGRATIONS.iter().map(|m| format!("{}.sql", m.name)).collect();
        assert_eq!(files, known);
        for (i, m) in MIGRATIONS.iter().enumerate() {
            assert_eq!(m.version as usize, i + 1);
            assert!(m.name.starts_with(&format!("{:04}_", m.version)));
        }
    }

    #[test]
    fn a_database_upgraded_from_any_version_equals_a_fresh_one() {
        let key = MasterKey::from_bytes([3; 32]).subkey(KeyPurpose::Database);
        let open = || {
            let dir = tempfile::tempdir().unwrap();
            let conn = connect(&dir.path().join("t.db"), &key, true).unwrap();
            (dir, conn)
        };
        let (dir, mut fresh) = open();
        assert_eq!(
            migrate(&mut fresh, dir.path(), 0, SCHEMA_VERSION).unwrap(),
            SCHEMA_VERSION
        );
        let want = schema(&fresh);
        assert!(want.iter().any(|(_, name, _)| name == "audit_entry"));
        for from in 1..SCHEMA_VERSION {
            let (dir, mut old) = open();
            assert_eq!(migrate(&mut old, dir.path(), 0, from).unwrap(), from);
            old.execute(
                "INSERT INTO call (id, trace, offered_at) VALUES ('01ARZ3NDEKTSV4RRFFQ69G5FAV', 't', 1)",
                [],
            )
            .unwrap();
            assert_eq!(
                migrate(&mut old, dir.path(), 0, SCHEMA_VERSION).unwrap(),
                SCHEMA_VERSION
            );
            assert_eq!(schema(&old), want, "from version {from}");
            let kept: i64 = old
                .query_row("SELECT count(*) FROM call", [], |r| r.get(0))
                .unwrap();
            assert_eq!(kept, 1);
        }
    }

    #[test]
    fn tasks_of_before_have_a_state_and_what_came_of_them_is_their_history() {
        let key = MasterKey::from_bytes([3; 32]).subkey(KeyPurpose::Database);
        let dir = tempfile::tempdir().unwrap();
        let mut conn = connect(&dir.path().join("t.db"), &key, true).unwrap();
        migrate(&mut conn, dir.path(), 0, 6).unwrap();
        conn.execute_batch(
            "INSERT INTO task (id, kind, origin, summary, created_at, due) VALUES ('a', 'callback', 'staff', 's', 1, 2);
             INSERT INTO task VALUES ('b', NULL, 'callback', 'staff', 's', NULL, 1, 2, 9, 'Anna', 'rang back');",
        )
        .unwrap();
        migrate(&mut conn, dir.path(), 0, SCHEMA_VERSION).unwrap();
        let state = |id: &str| -> String {
            conn.query_row("SELECT state FROM task WHERE id = ?1", [id], |r| r.get(0))
                .unwrap()
        };
        assert_eq!((state("a").as_str(), state("b").as_str()), ("open", "done"));
        let told: Vec<(String, i64, String, String, String)> = conn
            .prepare("SELECT task, at, who, what, note FROM task_history")
            .unwrap()
            .query_map([], |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        let line = ("b", 9, "Anna", "done", "rang back");
        let line = (line.0.into(), line.1, line.2.into(), line.3.into(), line.4.into());
        assert_eq!(told, [line]);
    }

    #[test]
    fn a_newer_database_and_a_changed_migration_are_refused() {
        let key = MasterKey::from_bytes([3; 32]).subkey(KeyPurpose::Database);
        let dir = tempfile::tempdir().unwrap();
        let mut conn = connect(&dir.path().join("t.db"), &key, true).unwrap();
        migrate(&mut conn, dir.path(), 0, SCHEMA_VERSION).unwrap();
        conn.execute(
            "INSERT INTO schema_migration VALUES (?1, 'x', x'00', 0)",
            [SCHEMA_VERSION + 1],
        )
        .unwrap();
        assert!(matches!(
            migrate(&mut conn, dir.path(), 0, SCHEMA_VERSION),
            Err(OpenError::NewerDatabase { found, known }) if found == SCHEMA_VERSION + 1 && known == SCHEMA_VERSION
        ));
        conn.execute("DELETE FROM schema_migration WHERE name = 'x'", [])
            .unwrap();
        conn.execute("UPDATE schema_migration SET sha256 = x'00' WHERE version = 2", [])
            .unwrap();
        assert!(matches!(
            migrate(&mut conn, dir.path(), 0, SCHEMA_VERSION),
            Err(OpenError::MigrationChanged { version: 2 })
        ));
    }
}
