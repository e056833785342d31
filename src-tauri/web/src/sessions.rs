//! Who is signed in. Sessions live in memory: a restart signs everybody out.

use anteroom_api::{Role, Who};
use anteroom_types::Wall;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// Sessions at once. When full, the one that would expire first is ended.
const SESSIONS_MAX: usize = 512;
/// One-time codes outstanding. When full, the one that would expire first is forgotten.
const CODES_MAX: usize = 32;

/// 32 random bytes as text.
pub(crate) fn secret() -> Zeroizing<String> {
    const DIGITS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = Zeroizing::new(rand::random::<[u8; 32]>());
    Zeroizing::new(
        bytes
            .iter()
            .map(|b| char::from(DIGITS[usize::from(b % 32)]))
            .collect(),
    )
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Waits until the flag is true or nobody can set it any more.
pub(crate) async fn turned_true(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|f| *f).await;
}

/// A session as the rest of the server sees it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) key: [u8; 32],
    pub(crate) role: Role,
    pub(crate) user: Option<String>,
    pub(crate) expires_at: Wall,
    pub(crate) expires: Instant,
    /// Turns true (or closes) when the session is ended.
    pub(crate) ended: watch::Receiver<bool>,
}

impl Session {
    /// Who is behind it.
    pub(crate) fn who(&self) -> Who {
        Who {
            role: self.role,
            user: self.user.clone(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    who: Who,
    expires_at: Wall,
    expires: Instant,
    end: watch::Sender<bool>,
}

#[derive(Debug)]
struct Code {
    digest: [u8; 32],
    who: Who,
    expires: Instant,
}

/// Sessions are found by the digest of their token, so that neither a lookup nor a memory dump gives a token away.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    sessions: HashMap<[u8; 32], Entry>,
    codes: Vec<Code>,
}

impl Sessions {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Makes a code that signs in once, for `who`, within `valid`.
    pub(crate) fn mint(&self, who: Who, valid: Duration, now: Instant) -> Zeroizing<String> {
        let code = secret();
        let mut inner = self.lock();
        inner.codes.retain(|c| c.expires > now);
        if inner.codes.len() >= CODES_MAX
            && let Some(first) = (0..inner.codes.len()).min_by_key(|i| inner.codes[*i].expires)
        {
            inner.codes.swap_remove(first);
        }
        inner.codes.push(Code {
            digest: digest(&code),
            who,
            expires: now + valid,
        });
        code
    }

    /// Whom a one-time code signs in; it is used up.
    pub(crate) fn redeem(&self, code: &str, now: Instant) -> Option<Who> {
        let wanted = digest(code);
        let mut inner = self.lock();
        inner.codes.retain(|c| c.expires > now);
        let mut found = None;
        for (i, c) in inner.codes.iter().enumerate() {
            if bool::from(c.digest.ct_eq(&wanted)) {
                found = Some(i);
            }
        }
        found.map(|i| inner.codes.swap_remove(i).who)
    }

    /// Starts a session and gives its token.
    pub(crate) fn start(
        &self,
        who: Who,
        valid: Duration,
        now: Instant,
        wall: Wall,
    ) -> (Zeroizing<String>, Wall) {
        let token = secret();
        let expires_at = Wall(
            wall.0
                .saturating_add(i64::try_from(valid.as_millis()).unwrap_or(i64::MAX)),
        );
        let mut inner = self.lock();
        inner.sessions.retain(|_, s| s.expires > now);
        if inner.sessions.len() >= SESSIONS_MAX
            && let Some(first) = inner
                .sessions
                .iter()
                .min_by_key(|(_, s)| s.expires)
                .map(|(k, _)| *k)
            && let Some(old) = inner.sessions.remove(&first)
        {
            old.end.send_replace(true);
        }
        inner.sessions.insert(
            digest(&token),
            Entry {
                who,
                expires_at,
                expires: now + valid,
                end: watch::Sender::new(false),
            },
        );
        (token, expires_at)
    }

    /// The session of a token.
    pub(crate) fn find(&self, token: &str, now: Instant) -> Option<Session> {
        let key = digest(token);
        let inner = self.lock();
        let s = inner.sessions.get(&key).filter(|s| s.expires > now)?;
        Some(Session {
            key,
            role: s.who.role,
            user: s.who.user.clone(),
            expires_at: s.expires_at,
            expires: s.expires,
            ended: s.end.subscribe(),
        })
    }

    /// Ends the sessions of a user who is no more.
    pub(crate) fn end_of(&self, user: &str) {
        self.lock().sessions.retain(|_, s| {
            let theirs = s.who.user.as_deref() == Some(user);
            if theirs {
                s.end.send_replace(true);
            }
            !theirs
        });
    }

    /// Ends a session; its live streams close.
    pub(crate) fn end(&self, key: &[u8; 32]) {
        if let Some(s) = self.lock().sessions.remove(key) {
            s.end.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn anybody(role: Role) -> Who {
        Who { role, user: None }
    }

    const HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn a_code_works_once_and_in_time() {
        let (s, t) = (Sessions::default(), Instant::now());
        let code = s.mint(anybody(Role::Manager), HOUR, t);
        assert_eq!(s.redeem("guess", t), None);
        assert_eq!(s.redeem(&code, t), Some(anybody(Role::Manager)));
        assert_eq!(s.redeem(&code, t), None);
        let late = s.mint(anybody(Role::Manager), HOUR, t);
        assert_eq!(s.redeem(&late, t + HOUR), None);
    }

    #[test]
    fn a_session_ends_by_time_and_by_hand() {
        let (s, t) = (Sessions::default(), Instant::now());
        let (token, until) = s.start(anybody(Role::Auditor), HOUR, t, Wall(1_000));
        assert_eq!(until, Wall(3_601_000));
        assert!(s.find(&token, t + HOUR).is_none());
        let found = s.find(&token, t).unwrap();
        assert!(!*found.ended.borrow());
        s.end(&found.key);
        assert!(*found.ended.borrow());
        assert!(s.find(&token, t).is_none());
    }

    #[test]
    fn who_is_no_more_is_signed_out_and_nobody_else_is() {
        let (s, t) = (Sessions::default(), Instant::now());
        let of = |user: Option<&str>| Who {
            role: Role::FrontDesk,
            user: user.map(str::to_owned),
        };
        let begin = |user| s.start(of(user), HOUR, t, Wall(0)).0;
        let (anna, again, ben, nobody) = (begin(Some("a")), begin(Some("a")), begin(Some("b")), begin(None));
        let told = s.find(&anna, t).unwrap();
        s.end_of("a");
        assert!(*told.ended.borrow());
        assert!(s.find(&anna, t).is_none() && s.find(&again, t).is_none());
        assert!(s.find(&ben, t).is_some() && s.find(&nobody, t).is_some());
    }

    #[test]
    fn sessions_and_codes_are_bounded() {
        let (s, t) = (Sessions::default(), Instant::now());
        let (first, _) = s.start(anybody(Role::Auditor), HOUR, t, Wall(0));
        for n in 0..SESSIONS_MAX {
            s.start(anybody(Role::Auditor), HOUR * 2, t, Wall(n as i64));
        }
        assert!(s.find(&first, t).is_none());
        assert_eq!(s.lock().sessions.len(), SESSIONS_MAX);
        for _ in 0..100 {
            s.mint(anybody(Role::Admin), HOUR, t);
        }
        assert_eq!(s.lock().codes.len(), CODES_MAX);
    }

    #[test]
    fn secrets_are_long_and_differ() {
        let (a, b) = (secret(), secret());
        assert!(a.len() == 32 && *a != *b);
    }
}
