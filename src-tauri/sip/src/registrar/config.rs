//! What the registrar is started with, and who may register.

use crate::config::Secret;
use ipnet::IpNet;
use md5::{Digest, Md5};
use sha2::Sha256;
use std::fmt::Write as _;
use zeroize::Zeroize;

/// A digest algorithm to offer (RFC 8760).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// MD5, for telephones that know nothing else.
    Md5,
}

impl DigestAlgorithm {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }
    pub(crate) fn hex(self, text: &str) -> String {
        match self {
            Self::Sha256 => hex(&Sha256::digest(text.as_bytes())),
            Self::Md5 => hex(&Md5::digest(text.as_bytes())),
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for b in bytes {
        let _ = write!(out, "{b:02x}");
    }
    out
}

/// When a source is no longer answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BanConfig {
    /// Wrong passwords, or names asked for and not followed up, until a source is banned; 0 never bans.
    pub failures_max: u32,
    /// Seconds within which they count together.
    pub window_s: u32,
    /// Seconds a ban lasts.
    pub ban_s: u32,
    /// Sources that are never banned, such as a proxy that many telephones stand behind and that bans by itself.
    pub exempt: Vec<IpNet>,
}

impl Default for BanConfig {
    fn default() -> Self {
        Self {
            failures_max: 5,
            window_s: 600,
            ban_s: 3_600,
            exempt: Vec::new(),
        }
    }
}

/// How users of this machine register (RFC 3261 10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrarConfig {
    /// The realm of the digest; part of what [`ha1`] hashes.
    pub realm: String,
    /// Hosts of the addresses of record. The first is the one we write, the realm when there is none; an INVITE whose From
    /// names one has to be proved. A registration is taken whatever host it names, because telephones are often given an
    /// address instead.
    pub domains: Vec<String>,
    /// Digest algorithms, in the order they are offered.
    pub algorithms: Vec<DigestAlgorithm>,
    /// What the User-Agent of telephones begins with that give up when a challenge has an algorithm they do not know; they
    /// are offered MD5 alone. Nothing is lost by it: both are offered to everybody, and the telephone chooses.
    pub md5_only_agents: Vec<String>,
    /// The shortest registration accepted, in seconds; a shorter one is refused with 423.
    pub expires_min_s: u32,
    /// Seconds of a registration that asks for no time.
    pub expires_default_s: u32,
    /// The longest registration granted, in seconds. Registrations are not kept over a restart: a telephone over UDP is not
    /// reachable again before it refreshes, so this is best a few minutes.
    pub expires_max_s: u32,
    /// Contacts of one user at once. A further one takes the place of the one that would expire first.
    pub contacts_per_user_max: usize,
    /// Seconds a nonce may be used for.
    pub nonce_s: u32,
    /// Seconds between OPTIONS to a telephone behind a NAT over UDP; 0 sends none.
    pub nat_ping_s: u32,
    /// When a source is no longer answered.
    pub ban: BanConfig,
}

impl Default for RegistrarConfig {
    fn default() -> Self {
        Self {
            realm: "anteroom".into(),
            domains: Vec::new(),
            algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
            // Seen: they refuse the whole response at the first algorithm that is not MD5.
            md5_only_agents: ["baresip v0", "baresip v1.0", "sipp"].map(Into::into).to_vec(),
            expires_min_s: 30,
            expires_default_s: 300,
            expires_max_s: 300,
            contacts_per_user_max: 8,
            nonce_s: 300,
            nat_ping_s: 25,
            ban: BanConfig::default(),
        }
    }
}

/// What stands for a password in the digest: H(user:realm:password), in lower-case hexadecimal.
///
/// It is as good as the password within its realm, so it prints as `[secret]` and is to be stored encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ha1 {
    /// With MD5: 32 characters.
    pub md5: Secret,
    /// With SHA-256: 64 characters.
    pub sha256: Secret,
}

/// Hashes a password for a realm (RFC 7616 3.4.2).
#[must_use]
pub fn ha1(user: &str, realm: &str, password: &str) -> Ha1 {
    let mut text = format!("{user}:{realm}:{password}");
    let out = Ha1 {
        md5: Secret::new(DigestAlgorithm::Md5.hex(&text)),
        sha256: Secret::new(DigestAlgorithm::Sha256.hex(&text)),
    };
    text.zeroize();
    out
}

/// Somebody who may register and call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipUser {
    /// The user part of the address of record, and the user name of the digest.
    pub name: String,
    /// From [`ha1`], with MD5.
    pub ha1_md5: Secret,
    /// From [`ha1`], with SHA-256.
    pub ha1_sha256: Secret,
    /// Whether it is a browser's: its password is good over a WebSocket alone, which needs a session at the page.
    pub websocket_only: bool,
}

impl SipUser {
    /// A user with a password, hashed for `realm`.
    #[must_use]
    pub fn new(name: impl Into<String>, realm: &str, password: &str) -> Self {
        let name = name.into();
        let h = ha1(&name, realm, password);
        Self {
            name,
            ha1_md5: h.md5,
            ha1_sha256: h.sha256,
            websocket_only: false,
        }
    }

    /// The same for a browser.
    #[must_use]
    pub fn browser(name: impl Into<String>, realm: &str, password: &str) -> Self {
        Self {
            websocket_only: true,
            ..Self::new(name, realm, password)
        }
    }

    pub(crate) const fn ha1(&self, algorithm: DigestAlgorithm) -> &Secret {
        match algorithm {
            DigestAlgorithm::Md5 => &self.ha1_md5,
            DigestAlgorithm::Sha256 => &self.ha1_sha256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7616_gives_its_hashes() {
        // RFC 7616 3.9.1: user Mufasa, realm http-auth@example.org, password "Circle of Life".
        let h = ha1("Mufasa", "http-auth@example.org", "Circle of Life");
        assert_eq!(h.md5.expose(), "3d78807defe7de2157e2b0b6573a855f");
        assert_eq!(
            h.sha256.expose(),
            "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232"
        );
        assert!(!format!("{h:?}").contains("3d78"));
    }
}
