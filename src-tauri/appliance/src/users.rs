//! People and what their telephones register with, as an administrator keeps them.

use crate::concerns::{Concern, hides, of_people};
use crate::config::Config;
use crate::engine::{Engine, lock};
use crate::records;
use crate::tools::now;
use anteroom_api::{ApiError, UserAdded, UserDto, UserRequest, UsersPage, Who};
use anteroom_sip::ha1;
use anteroom_store::{Person, Store, StoreError};
use anteroom_types::{Pii, UserFacing as _};
use rand::Rng as _;
use rand::distr::Uniform;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Characters of a telephone's password, typed by hand into the telephone once: 100 bits.
const PASSWORD_CHARS: usize = 20;
/// Without those that are taken for one another.
const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
/// The last place in the desk's ring group.
pub const RINGS_MAX: u32 = 999;
/// What the record calls whoever changes people by the command line.
pub const COMMAND_LINE: &str = "command line";

/// Adds somebody, or gives them a new name, place and password, and the class of rights for calls outside, if any. Returns
/// the password, which is kept nowhere. `actor` is who does it.
///
/// # Errors
/// When a name cannot be one, or is something else that is dialled here, or the store refuses.
pub fn add(
    store: &Store,
    config: &Config,
    user: &str,
    name: &str,
    rings: u32,
    outbound: Option<&str>,
    actor: &str,
) -> Result<Zeroizing<String>, StoreError> {
    if let Some(what) = hides(config, user) {
        return Err(StoreError::Invalid { what });
    }
    if rings > RINGS_MAX {
        return Err(StoreError::Invalid {
            what: "a place in the ring group is 0 to 999",
        });
    }
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
    store.put_person(person, actor, now())?;
    Ok(password)
}

/// Removes somebody.
///
/// # Errors
/// When there is nobody of that name.
pub fn remove(store: &Store, user: &str, actor: &str) -> Result<(), StoreError> {
    store.remove_person(user, actor, now())
}

/// What should be looked at of the people there are: telephones that cannot register, and the like.
#[must_use]
pub fn concerns(config: &Config, people: &[Person]) -> Vec<Concern> {
    of_people(config, people)
}

fn shown(p: &Person) -> UserDto {
    UserDto {
        user: p.user.clone(),
        name: p.name.clone(),
        rings: p.rings,
        class: p.outbound.then(|| p.class.clone()),
    }
}

/// Everybody, as administrators see them.
///
/// # Errors
/// When the store cannot be read.
pub fn page(store: &Store) -> Result<Option<UsersPage>, StoreError> {
    let users = store.list_people()?.iter().map(shown).collect();
    Ok(Some(UsersPage { users }))
}

impl Engine {
    /// Adds somebody, or gives them a new name, place, rights and password. Their telephones can register at once; those
    /// with an older password no longer do.
    ///
    /// # Errors
    /// When the store refuses.
    pub async fn add_user(&self, who: &Who, user: UserRequest) -> Result<UserAdded, ApiError> {
        let (shared, actor) = (Arc::clone(&self.shared), who.name());
        let added = self.change_people(move || {
            let (rings, class) = (user.rings.unwrap_or(1), user.class.as_deref());
            let (store, config) = (&shared.store, &shared.config);
            let password = add(store, config, &user.user, &user.name, rings, class, &actor)?;
            Ok(UserAdded {
                user: UserDto {
                    rings,
                    class: user.class,
                    name: user.name.trim().to_owned(),
                    user: user.user,
                },
                password: password.as_str().to_owned(),
                realm: config.desk.realm.get_ref().clone(),
                at: shared.clock.wall(),
            })
        });
        added.await
    }

    /// Removes somebody: their telephones and browsers are unregistered at once, and the tasks they have taken are for
    /// the others. A call they are in goes on.
    ///
    /// # Errors
    /// When there is nobody of that name.
    pub async fn remove_user(&self, who: &Who, user: String) -> Result<(), ApiError> {
        let (store, actor) = (self.shared.store.clone(), who.name());
        // What they gave back is shown: no task may be changed in between.
        let _turn = self.shared.task_changes.lock().await;
        self.change_people(move || remove(&store, &user, &actor)).await?;
        let tasks = records::open_tasks(&self.shared).await.map_err(|e| refused(&e))?;
        let mut board = lock(&self.board);
        for task in board.changed_tasks(tasks) {
            let told = board.task(task);
            let _ = self.live.send(told);
        }
        Ok(())
    }

    /// Changes who there is, in the store and then for the telephones; one change at a time, so that the registrar ends up
    /// with what is stored.
    async fn change_people<T: Send + 'static>(
        &self,
        change: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _turn = self.shared.people_changes.lock().await;
        let store = self.shared.store.clone();
        let work = move || {
            let changed = change()?;
            Ok((changed, store.list_people()?))
        };
        let written = tokio::task::spawn_blocking(work).await;
        let (changed, people) = written
            .map_err(|_| ApiError::unavailable("People could not be changed."))?
            .map_err(|e: StoreError| refused(&e))?;
        let users = {
            let mut known = lock(&self.shared.desk.people);
            known.set(&people);
            known.sip_users()
        };
        if self.shared.config.desk.enabled {
            self.shared.sip.set_users(users).map_err(|e| {
                tracing::error!(error = %anteroom_types::error::chain(&e), "telephones could not be told of people");
                ApiError::new(
                    500,
                    e.code(),
                    "The change is kept, but the telephones were not told.",
                    e.hint(),
                )
            })?;
        }
        Ok(changed)
    }
}

fn refused(e: &StoreError) -> ApiError {
    match e {
        StoreError::NotFound { .. } => ApiError::not_found("person"),
        StoreError::Invalid { what } => {
            ApiError::new(400, e.code(), format!("That cannot be: {what}."), e.hint())
        }
        e => {
            tracing::error!(error = %anteroom_types::error::chain(e), "people could not be changed");
            ApiError::unavailable("People could not be changed.")
        }
    }
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
