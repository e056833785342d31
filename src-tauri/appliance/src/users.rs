//! People and what their telephones register with, as an administrator keeps them.

use crate::config::Config;
use crate::tools::now;
use anteroom_sip::ha1;
use anteroom_store::{Person, Store, StoreError};
use anteroom_types::Pii;
use rand::Rng as _;
use rand::distr::Uniform;
use zeroize::Zeroizing;

/// Characters of a telephone's password, typed by hand into the telephone once: 100 bits.
const PASSWORD_CHARS: usize = 20;
/// Without those that are taken for one another.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// Who changes people by the command line.
const ACTOR: &str = "command line";

/// Adds somebody, or gives them a new name, place and password, and the class of rights for calls outside, if any. Returns the password, which is kept nowhere.
///
/// # Errors
/// When a name cannot be one, or the store refuses.
pub fn add(
    store: &Store,
    config: &Config,
    user: &str,
    name: &str,
    rings: u32,
    outbound: Option<&str>,
) -> Result<Zeroizing<String>, StoreError> {
    let realm = config.desk.realm.get_ref();
    let password = password();
    let digests = ha1(user, realm, &password);
    let person = Person {
        user: user.to_owned(),
        name: name.trim().to_owned(),
        realm: realm.clone(),
        ha1_md5: Pii::from(digests.md5.expose()),
        ha1_sha256: Pii::from(digests.sha256.expose()),
        rings,
        outbound: outbound.is_some(),
        class: outbound.unwrap_or("standard").to_owned(),
    };
    store.put_person(person, ACTOR, now())?;
    Ok(password)
}

/// Removes somebody.
///
/// # Errors
/// When there is nobody of that name.
pub fn remove(store: &Store, user: &str) -> Result<(), StoreError> {
    store.remove_person(user, ACTOR, now())
}

fn password() -> Zeroizing<String> {
    let mut rng = rand::rng();
    let Ok(any) = Uniform::new(0, LETTERS.len()) else {
        unreachable!("there are letters")
    };
    Zeroizing::new(
        (0..PASSWORD_CHARS)
            .map(|_| char::from(LETTERS[rng.sample(any)]))
            .collect(),
    )
}
