//! The registrar's memory: users, contacts, nonces, bans. Pure; the requests are handled in `core::register`.
//!
//! What an attacker can learn: nothing. Unknown user and wrong password take the same way through the same code, do the
//! same hashes and get the same bytes but for nonce and tag; so do a name that exists and one that does not when asked for
//! without credentials. What an attacker can fill: [`guard::SOURCES_MAX`] entries of a few dozen bytes, twice.

mod bindings;
mod config;
mod digest;
mod guard;
mod nonce;

pub(crate) use bindings::{Binding, Bindings};
pub use config::{BanConfig, DigestAlgorithm, Ha1, RegistrarConfig, SipUser, ha1};
pub(crate) use digest::Credentials;
pub(crate) use guard::{Flow, Guard, host_of};
pub(crate) use nonce::Nonces;

use crate::config::Secret;
use crate::wire::Hop;
use anteroom_types::Mono;
use rand::Rng;
use rand::rngs::StdRng;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use subtle::Choice;

/// What became of a request's credentials.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// They are good.
    Proved(Arc<str>),
    /// There are none, or none of ours.
    None,
    /// Their nonce is not to be used any more; whether they were right was not looked at.
    Stale,
    /// They are wrong; for whom they were meant.
    Wrong(String),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Registry {
    pub(crate) cfg: RegistrarConfig,
    users: HashMap<Arc<str>, SipUser>,
    nobody: SipUser,
    pub(crate) bindings: Bindings,
    pub(crate) guard: Guard,
    nonces: Nonces,
    hash_key: u64,
}

impl Registry {
    pub(crate) fn new(cfg: RegistrarConfig, rng: &mut StdRng) -> Self {
        let nobody = SipUser::new(
            format!("{:032x}", rng.random::<u128>()),
            &cfg.realm,
            &format!("{:032x}", rng.random::<u128>()),
        );
        Self {
            users: HashMap::new(),
            nobody,
            bindings: Bindings::default(),
            guard: Guard::new(cfg.ban.clone()),
            nonces: Nonces::new(rng.random(), cfg.nonce_s),
            hash_key: rng.random(),
            cfg,
        }
    }

    /// Replaces who may register. Gives who may no longer, or has another password.
    pub(crate) fn set_users(&mut self, users: Vec<SipUser>) -> Vec<Arc<str>> {
        let old = std::mem::take(&mut self.users);
        for u in users {
            self.users.insert(u.name.as_str().into(), u);
        }
        let gone: Vec<Arc<str>> = old
            .into_iter()
            .filter(|(name, user)| self.users.get(name) != Some(user))
            .map(|(name, _)| name)
            .collect();
        for name in &gone {
            self.nonces.forget_user(name);
        }
        gone
    }

    /// A user's name as it is kept.
    pub(crate) fn user(&self, name: &str) -> Option<Arc<str>> {
        self.users.get_key_value(name).map(|u| Arc::clone(u.0))
    }

    /// A hash of a name that its sender cannot foresee.
    pub(crate) fn name_hash(&self, name: &[u8]) -> u64 {
        let mut h = DefaultHasher::new();
        self.hash_key.hash(&mut h);
        name.hash(&mut h);
        h.finish()
    }

    /// Values for WWW-Authenticate or Proxy-Authenticate, best first.
    pub(crate) fn challenges(
        &self,
        hop: &Hop,
        agent: Option<&[u8]>,
        stale: bool,
        random: u64,
        now: Mono,
    ) -> Vec<String> {
        let old = agent.is_some_and(|a| {
            let begins = |p: &String| {
                a.get(..p.len())
                    .is_some_and(|b| b.eq_ignore_ascii_case(p.as_bytes()))
            };
            self.cfg.md5_only_agents.iter().any(begins)
        });
        let md5 = DigestAlgorithm::Md5;
        let alone = old && self.cfg.algorithms.contains(&md5);
        let nonce = self.nonces.issue(now, random, hop.remote);
        let realm = self.cfg.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let stale = if stale { ", stale=true" } else { "" };
        self.cfg
            .algorithms
            .iter()
            .filter(|a| !alone || **a == md5)
            .map(|a| {
                let a = a.as_str();
                format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={a}, qop=\"auth\"{stale}")
            })
            .collect()
    }

    /// Whether the name that credentials are for is no longer listened to on the flow they come by.
    pub(crate) fn is_tried_out(&self, values: impl Iterator<Item = Vec<u8>>, hop: &Hop, now: Mono) -> bool {
        let name = |c: Credentials| self.name_hash(c.user.as_bytes());
        self.is_registered_flow(hop)
            && self
                .ours(values)
                .is_some_and(|c| self.guard.is_banned(hop, true, name(c), now))
    }

    /// Checks credentials. The same work is done for users that do not exist. `dialled` is the user part of the
    /// Request-URI where credentials must be for no other.
    pub(crate) fn check(
        &mut self,
        values: impl Iterator<Item = Vec<u8>>,
        (method, dialled): (&str, Option<&str>),
        hop: &Hop,
        now: Mono,
    ) -> Outcome {
        let Some(c) = self.ours(values) else {
            return Outcome::None;
        };
        let fresh = self.nonces.is_fresh(&c.nonce, c.nc, hop.remote, now);
        let (name, right) = self.prove(&c, method, hop);
        if !fresh {
            return Outcome::Stale;
        }
        if dialled.is_some_and(|d| c.are_for_another(d)) {
            // Right or wrong, they are for another request (RFC 7616 3.4.6).
            return Outcome::None;
        }
        self.settle(&c, name, right, hop)
    }

    /// Checks credentials that come from a banned address: only a telephone that was let in before from there, and shows
    /// the nonce it was let in with, is looked at.
    pub(crate) fn check_known(
        &mut self,
        values: impl Iterator<Item = Vec<u8>>,
        (method, dialled): (&str, Option<&str>),
        hop: &Hop,
    ) -> Option<Arc<str>> {
        let c = self.ours(values)?;
        if !self.nonces.is_known_to(&c.nonce, c.nc, &c.user, hop.remote.ip()) {
            return None;
        }
        let (name, right) = self.prove(&c, method, hop);
        if dialled.is_some_and(|d| c.are_for_another(d)) {
            return None;
        }
        match self.settle(&c, name, right, hop) {
            Outcome::Proved(user) => Some(user),
            _ => None,
        }
    }

    /// The first credentials for our realm that can be read.
    fn ours(&self, values: impl Iterator<Item = Vec<u8>>) -> Option<Credentials> {
        values
            .take(8)
            .filter_map(|v| Credentials::parse(&v))
            .find(|c| c.realm == self.cfg.realm && self.cfg.algorithms.contains(&c.algorithm))
    }

    fn prove(&self, c: &Credentials, method: &str, hop: &Hop) -> (Option<Arc<str>>, Choice) {
        let found = self.users.get_key_value(c.user.as_str());
        let right = c.prove(found.map_or(&self.nobody, |f| f.1), method);
        let welcome = |u: &SipUser| !u.websocket_only || hop.transport.is_websocket();
        let known = Choice::from(u8::from(found.is_some_and(|f| welcome(f.1))));
        (found.map(|f| Arc::clone(f.0)), right & known)
    }

    fn settle(&mut self, c: &Credentials, name: Option<Arc<str>>, right: Choice, hop: &Hop) -> Outcome {
        match name.filter(|_| bool::from(right)) {
            Some(user) => {
                self.nonces.accept(&c.nonce, c.nc, &user, hop.remote.ip());
                Outcome::Proved(user)
            }
            None => Outcome::Wrong(c.user.clone()),
        }
    }

    /// Whether somebody is registered over the flow a message came by.
    pub(crate) fn is_registered_flow(&self, hop: &Hop) -> bool {
        self.bindings.has_flow(&Flow::of(hop))
    }

    /// Whether a host is one of an address of record.
    pub(crate) fn is_domain(&self, host: &str) -> bool {
        self.domain().eq_ignore_ascii_case(host)
            || self.cfg.domains.iter().any(|d| d.eq_ignore_ascii_case(host))
    }

    /// The host of addresses of record that we write; the realm when no domain is set.
    pub(crate) fn domain(&self) -> &str {
        self.cfg.domains.first().unwrap_or(&self.cfg.realm)
    }
}

/// So that the type of a stored hash says what it is.
pub(crate) fn is_hash(secret: &Secret, digits: usize) -> bool {
    let s = secret.expose();
    s.len() == digits
        && s.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
