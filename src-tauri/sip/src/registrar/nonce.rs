//! Nonces. Those given out cost no memory: each carries its time and proves by a MAC that it is ours and for whom.
//! Only those that were used successfully are remembered, so that no count is accepted twice.

use super::config::hex;
use anteroom_types::Mono;
use sha2::{Digest, Sha256};
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// Nonces remembered. When full the oldest is forgotten, and with it every nonce of its age ceases to be accepted.
pub(crate) const NONCES_USED_MAX: usize = 8_192;

/// Who used a nonce.
#[derive(Debug, Clone)]
struct Used {
    user: Arc<str>,
    ip: IpAddr,
    nc: u32,
    issued_ms: u64,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Nonces {
    key: [u8; 32],
    life_ms: u64,
    used: HashMap<String, Used>,
    by_age: BTreeSet<(u64, String)>,
    /// Nonces up to this age are no longer accepted.
    floor_ms: Option<u64>,
}

impl Nonces {
    pub(crate) fn new(key: [u8; 32], life_s: u32) -> Self {
        Self {
            key,
            life_ms: u64::from(life_s) * 1_000,
            used: HashMap::new(),
            by_age: BTreeSet::new(),
            floor_ms: None,
        }
    }

    fn mac(&self, head: &[u8], source: SocketAddr) -> String {
        let ip = match source.ip() {
            IpAddr::V4(v) => v.to_ipv6_mapped(),
            IpAddr::V6(v) => v,
        };
        // Every field has a fixed length and only half of the hash is shown, so that nothing can be appended.
        let mut h = Sha256::new();
        h.update(self.key);
        h.update(head);
        h.update(ip.octets());
        h.update(source.port().to_be_bytes());
        hex(&h.finalize()[..16])
    }

    /// A nonce for a source. Bound to its address and port, a wrong answer to it cannot have been forged by another.
    pub(crate) fn issue(&self, now: Mono, random: u64, source: SocketAddr) -> String {
        let head = format!("{:016x}{random:016x}", now.as_ms());
        let mac = self.mac(head.as_bytes(), source);
        format!("{head}{mac}")
    }

    /// Whether a nonce is ours, given to this source, young enough, and this count was not used with it.
    pub(crate) fn is_fresh(&self, nonce: &str, nc: u32, source: SocketAddr, now: Mono) -> bool {
        let Some((head, mac)) = nonce.split_at_checked(32) else {
            return false;
        };
        if !bool::from(self.mac(head.as_bytes(), source).as_bytes().ct_eq(mac.as_bytes())) {
            return false;
        }
        let Some(issued) = head.get(..16).and_then(|t| u64::from_str_radix(t, 16).ok()) else {
            return false;
        };
        now.as_ms().saturating_sub(issued) <= self.life_ms
            && self.floor_ms.is_none_or(|f| issued > f)
            && nc > self.used.get(nonce).map_or(0, |u| u.nc)
    }

    /// Remembers a count that was accepted.
    pub(crate) fn accept(&mut self, nonce: &str, nc: u32, user: &Arc<str>, ip: IpAddr) {
        if let Some(u) = self.used.get_mut(nonce) {
            u.nc = nc;
            return;
        }
        let issued_ms = nonce
            .get(..16)
            .and_then(|t| u64::from_str_radix(t, 16).ok())
            .unwrap_or(0);
        if self.used.len() >= NONCES_USED_MAX
            && let Some((age, oldest)) = self.by_age.pop_first()
        {
            self.used.remove(&oldest);
            self.floor_ms = Some(self.floor_ms.map_or(age, |f| f.max(age)));
        }
        self.by_age.insert((issued_ms, nonce.to_owned()));
        self.used.insert(
            nonce.to_owned(),
            Used {
                user: Arc::clone(user),
                ip,
                nc,
                issued_ms,
            },
        );
    }

    /// Whether this user used this nonce from this address before, with a lower count: a telephone that was let in
    /// already, and can show it. Age does not matter.
    pub(crate) fn is_known_to(&self, nonce: &str, nc: u32, user: &str, ip: IpAddr) -> bool {
        self.used
            .get(nonce)
            .is_some_and(|u| *u.user == *user && u.ip == ip && nc > u.nc)
    }

    /// Forgets what a user proved, when their password changed.
    pub(crate) fn forget_user(&mut self, user: &str) {
        let gone: Vec<(u64, String)> = self
            .used
            .iter()
            .filter(|(_, u)| *u.user == *user)
            .map(|(n, u)| (u.issued_ms, n.clone()))
            .collect();
        for (age, nonce) in gone {
            self.used.remove(&nonce);
            self.by_age.remove(&(age, nonce));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn a_nonce_serves_its_source_for_its_time_and_each_count_once() {
        let mut n = Nonces::new([7; 32], 300);
        let user: Arc<str> = "201".into();
        let nonce = n.issue(Mono::from_ms(1_000), 42, at(5060));
        let now = Mono::from_ms(2_000);
        assert!(n.is_fresh(&nonce, 1, at(5060), now));
        assert!(!n.is_fresh(&nonce, 0, at(5060), now));
        assert!(!n.is_fresh(&nonce, 1, at(5061), now), "another source");
        assert!(
            !n.is_fresh(&nonce, 1, at(5060), Mono::from_ms(302_000)),
            "too old"
        );
        assert!(
            !n.is_fresh(&nonce.replace('0', "1"), 1, at(5060), now),
            "not ours"
        );
        assert!(!n.is_fresh("x", 1, at(5060), now));
        assert!(!n.is_fresh("ä".repeat(40).as_str(), 1, at(5060), now));
        n.accept(&nonce, 3, &user, at(0).ip());
        assert!(!n.is_fresh(&nonce, 3, at(5060), now), "replayed");
        assert!(n.is_fresh(&nonce, 4, at(5060), now));
        assert!(n.is_known_to(&nonce, 4, "201", at(0).ip()));
        assert!(!n.is_known_to(&nonce, 3, "201", at(0).ip()));
        assert!(!n.is_known_to(&nonce, 4, "202", at(0).ip()));
        n.forget_user("201");
        assert!(!n.is_known_to(&nonce, 4, "201", at(0).ip()));
        assert!(n.by_age.is_empty());
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_is_not_accepted_again() {
        let mut n = Nonces::new([7; 32], 300);
        let user: Arc<str> = "201".into();
        let first = n.issue(Mono::from_ms(0), 0, at(1));
        n.accept(&first, 1, &user, at(1).ip());
        for i in 1..=NONCES_USED_MAX as u64 {
            let nonce = n.issue(Mono::from_ms(i), i, at(1));
            n.accept(&nonce, 1, &user, at(1).ip());
        }
        assert_eq!(n.used.len(), NONCES_USED_MAX);
        assert_eq!(n.by_age.len(), NONCES_USED_MAX);
        assert!(!n.is_fresh(&first, 1, at(1), Mono::from_ms(9_000)));
    }
}
