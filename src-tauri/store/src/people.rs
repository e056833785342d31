//! People with a telephone of their own.

use crate::Store;
use crate::error::StoreError;
use crate::tasks::release_all_of;
use anteroom_types::{Pii, Purpose, Wall};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::json;

/// Characters of a person's name.
pub const PERSON_NAME_CHARS_MAX: usize = 80;
/// Characters of the name a phone registers as.
pub const PERSON_USER_CHARS_MAX: usize = 32;
/// People at most. A clinic has dozens.
pub const PEOPLE_MAX: usize = 500;

/// Somebody whose phones register here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What their phones register as: letters, digits, `.`, `_` and `-`.
    pub user: String,
    /// What colleagues and their screens call them.
    pub name: String,
    /// The realm the digests were made for.
    pub realm: String,
    /// MD5 of `user:realm:password` in hexadecimal, for phones that know nothing newer.
    pub ha1_md5: Pii<String>,
    /// SHA-256 of the same.
    pub ha1_sha256: Pii<String>,
    /// Place in the front desk's ring group, from 1; 0 when they are not in it.
    pub rings: u32,
    /// Whether they may ring out through a trunk.
    pub outbound: bool,
    /// The class of rights they then have, one of the configuration's.
    pub class: String,
}

const COLUMNS: &str = "user, name, realm, ha1_md5, ha1_sha256, rings, outbound, class";

fn person_of(r: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person {
        user: r.get(0)?,
        name: r.get(1)?,
        realm: r.get(2)?,
        ha1_md5: Pii::new(r.get(3)?),
        ha1_sha256: Pii::new(r.get(4)?),
        rings: r.get(5)?,
        outbound: r.get(6)?,
        class: r.get(7)?,
    })
}

impl Store {
    /// Everybody, by what their phones register as.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn list_people(&self) -> Result<Vec<Person>, StoreError> {
        self.shared().read(|c| {
            let mut s = c.prepare_cached(&format!("SELECT {COLUMNS} FROM person ORDER BY user"))?;
            let rows = s.query_map([], person_of)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Adds somebody, or changes who they are. Blocks until it is on the disk.
    ///
    /// # Errors
    /// When a name is empty, too long or holds what a SIP user part may not, or there are too many people.
    pub fn put_person(&self, person: Person, actor: &str, at: Wall) -> Result<(), StoreError> {
        check(&person)?;
        let actor = actor.to_owned();
        self.write(move |tx| {
            let known: Option<i64> = tx
                .conn
                .prepare_cached("SELECT created_at FROM person WHERE user = ?1")?
                .query_row([&person.user], |r| r.get(0))
                .optional()?;
            let count: i64 = tx
                .conn
                .query_row("SELECT count(*) FROM person", [], |r| r.get(0))?;
            if known.is_none() && count >= PEOPLE_MAX as i64 {
                return Err(StoreError::Invalid {
                    what: "there are 500 people already",
                });
            }
            tx.conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO person
                     (user, name, realm, ha1_md5, ha1_sha256, rings, outbound, class, created_at, changed_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                )?
                .execute(params![
                    person.user,
                    person.name,
                    person.realm,
                    person.ha1_md5.open(Purpose::Store),
                    person.ha1_sha256.open(Purpose::Store),
                    person.rings,
                    person.outbound,
                    person.class,
                    known.unwrap_or(at.0),
                    at.0,
                ])?;
            let what = if known.is_some() {
                "person.changed"
            } else {
                "person.added"
            };
            tx.audit(
                at,
                what,
                &actor,
                &person.user,
                json!({ "rings": person.rings, "outbound": person.outbound, "class": person.class }),
            )?;
            Ok(())
        })
        .wait_blocking()
    }

    /// Removes somebody; the tasks they have taken are for whoever has time again. Blocks until it is on the disk.
    ///
    /// # Errors
    /// When there is nobody of that name.
    pub fn remove_person(&self, user: &str, actor: &str, at: Wall) -> Result<(), StoreError> {
        let (user, actor) = (user.to_owned(), actor.to_owned());
        self.write(move |tx| {
            let gone = tx
                .conn
                .prepare_cached("DELETE FROM person WHERE user = ?1")?
                .execute([&user])?;
            if gone == 0 {
                return Err(StoreError::NotFound { what: "person" });
            }
            tx.audit(at, "person.removed", &actor, &user, json!({}))?;
            release_all_of(tx, &user, &actor, at)
        })
        .wait_blocking()
    }
}

fn check(p: &Person) -> Result<(), StoreError> {
    let invalid = |what| Err(StoreError::Invalid { what });
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if p.user.is_empty() || p.user.len() > PERSON_USER_CHARS_MAX || !p.user.chars().all(plain) {
        return invalid("what a phone registers as is 1 to 32 letters, digits, dots, dashes and underlines");
    }
    let hex = |h: &Pii<String>, n| {
        let h = h.open(Purpose::Store);
        h.len() == n && h.bytes().all(|b| b.is_ascii_hexdigit())
    };
    if !hex(&p.ha1_md5, 32) || !hex(&p.ha1_sha256, 64) {
        return invalid("the digests are not those of a password");
    }
    if p.class.is_empty() || p.class.len() > PERSON_USER_CHARS_MAX || !p.class.chars().all(plain) {
        return invalid("a class of rights is 1 to 32 letters, digits, dots, dashes and underlines");
    }
    let name = p.name.trim();
    if name.is_empty() || name.chars().count() > PERSON_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        return invalid("a person's name is 1 to 80 characters on one line");
    }
    Ok(())
}
