//! What the server is told at start.

use crate::error::PasscodeError;
use anteroom_api::Role;
use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Shortest passcode that is taken, in characters.
pub(crate) const PASSCODE_CHARS_MIN: usize = 12;

/// How connections are protected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsMode {
    /// Plain HTTP. Refused unless the address is a loopback address.
    PlainLoopback,
    /// A self-signed certificate, made in `dir` on the first run and again before it expires or when its names change.
    SelfSigned {
        /// Where the certificate and its key are kept.
        dir: PathBuf,
    },
    /// PEM files.
    Files {
        /// The certificate and its chain.
        cert: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

/// A standing access code, kept as its argon2id hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Passcode {
    /// In which role its holder is signed in.
    pub role: Role,
    /// Which user its holder is, for the desk; none when it belongs to nobody in particular.
    pub user: Option<String>,
    /// The hash in PHC form, `$argon2id$v=19$m=…`; see [`hash_passcode`].
    pub phc: String,
}

impl fmt::Debug for Passcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passcode({:?})", self.role)
    }
}

/// The server's configuration.
#[derive(Clone)]
pub struct WebConfig {
    /// Where to listen. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// How connections are protected.
    pub tls: TlsMode,
    /// Standing access codes. With none, the only way in is a link from [`crate::WebHandle::invite`].
    pub passcodes: Vec<Passcode>,
    /// Names a browser may call this server by, besides `localhost` and numeric addresses. A name that is not listed is
    /// refused, which is what stops DNS rebinding.
    pub allowed_hosts: Vec<String>,
    /// Minutes until one has to sign in again.
    pub session_minutes: u32,
    /// The bearer token for `/metrics`. With none, only peers on this machine may read them.
    pub metrics_token: Option<String>,
    /// How long a listener to the live stream may take nothing before it is dropped.
    pub slow_listener_after: Duration,
}

impl Default for WebConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8480)),
            tls: TlsMode::PlainLoopback,
            passcodes: Vec::new(),
            allowed_hosts: Vec::new(),
            session_minutes: 12 * 60,
            metrics_token: None,
            slow_listener_after: Duration::from_secs(10),
        }
    }
}

impl fmt::Debug for WebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebConfig")
            .field("listen", &self.listen)
            .field("tls", &self.tls)
            .field("passcodes", &self.passcodes)
            .field("allowed_hosts", &self.allowed_hosts)
            .field("session_minutes", &self.session_minutes)
            .field("metrics_token", &self.metrics_token.as_ref().map(|_| "[secret]"))
            .field("slow_listener_after", &self.slow_listener_after)
            .finish()
    }
}

/// argon2id with 19 MiB, two passes, one lane: the OWASP minimum, about 30 ms on a small machine.
pub(crate) fn hasher() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

/// The argon2id hash of a passcode in PHC form, salted with 16 random bytes.
///
/// # Errors
/// When the passcode is shorter than 12 characters or too long for a sign-in request.
pub fn hash_passcode(passcode: &str) -> Result<String, PasscodeError> {
    if passcode.chars().count() < PASSCODE_CHARS_MIN {
        return Err(PasscodeError::TooShort);
    }
    if passcode.len() > anteroom_api::session::ACCESS_CODE_BYTES_MAX {
        return Err(PasscodeError::TooLong);
    }
    let salt = SaltString::encode_b64(&rand::random::<[u8; 16]>()).map_err(|_| PasscodeError::Hash)?;
    hasher()
        .hash_password(passcode.as_bytes(), &salt)
        .map(|h| h.to_string())
        .map_err(|_| PasscodeError::Hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_prints_no_secret() {
        let cfg = WebConfig {
            metrics_token: Some("canary-token".into()),
            passcodes: vec![Passcode {
                role: Role::Admin,
                user: None,
                phc: "$argon2id$canary".into(),
            }],
            ..WebConfig::default()
        };
        assert!(!format!("{cfg:?}").contains("canary"));
    }

    #[test]
    fn short_and_long_passcodes_are_refused() {
        assert!(matches!(hash_passcode("short"), Err(PasscodeError::TooShort)));
        assert!(matches!(
            hash_passcode(&"x".repeat(300)),
            Err(PasscodeError::TooLong)
        ));
    }
}
