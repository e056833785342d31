//! `[web]`: the page and the API.

use super::fault::{Fault, one_of, together};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use toml::Spanned;

/// `[web]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSection {
    /// Where the page is served.
    pub listen: SocketAddr,
    /// Certificate chain, PEM. A self-signed one is made when the page is served beyond this machine without one.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Names the page may be asked for by, besides the address listened on. The first is in the sign-in link when every
    /// address is listened on.
    pub hosts: Vec<String>,
    /// A file that holds the token which `/metrics` is read with and nothing else, readable by this user only. Without it,
    /// programs on this machine may read them.
    pub metrics_token_file: Option<PathBuf>,
    /// Standing passcodes. Without any, the way in is the link printed at start.
    pub passcode: Vec<PagePasscode>,
}

/// `[[web.passcode]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagePasscode {
    /// `front_desk`, `manager`, `admin` or `auditor`.
    pub role: Spanned<String>,
    /// Which user of the desk its holder is; without, it belongs to nobody in particular.
    #[serde(default)]
    pub user: Option<String>,
    /// What `anteroom passcode` printed.
    pub hash: String,
}

impl Default for WebSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            tls_cert: None,
            tls_key: None,
            hosts: Vec::new(),
            metrics_token_file: None,
            passcode: Vec::new(),
        }
    }
}

impl WebSection {
    pub(super) fn check(&self) -> Result<(), Fault> {
        together("web", ("tls_cert", &self.tls_cert), ("tls_key", &self.tls_key))?;
        for (i, p) in self.passcode.iter().enumerate() {
            let roles = ["front_desk", "manager", "admin", "auditor"];
            one_of(&format!("web.passcode.{i}.role"), &p.role, &roles)?;
        }
        Ok(())
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::super::tests::check;
    use crate::config::Config;
    use crate::start::StartError;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    #[test]
    fn a_token_is_one_that_can_be_sent_and_not_be_guessed_or_read_by_others() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        let text = format!("[web]\nmetrics_token_file = {file:?}");
        let config = Config::parse(&text, Path::new("a.toml")).unwrap();
        let token = |content: &str, mode: u32| {
            std::fs::write(&file, content).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            config.metrics_token()
        };
        let good = "0123456789abcdef";
        assert_eq!(token(&format!("{good}\n"), 0o600).unwrap().as_deref(), Some(good));
        assert!(matches!(token(good, 0o644), Err(StartError::PasswordOpen { .. })));
        assert!(matches!(token("short", 0o600), Err(StartError::Token { .. })));
        assert!(matches!(
            token("0123456789 abcdef", 0o600),
            Err(StartError::Token { .. })
        ));
        assert!(matches!(token("\n", 0o600), Err(StartError::Password { .. })));
        assert_eq!(Config::default().metrics_token().unwrap(), None);
    }

    #[test]
    fn what_needs_something_else_is_not_left_alone() {
        check(
            "[web]\ntls_cert = \"a.pem\"",
            "a.toml:2: [web] tls_cert is of no use without tls_key",
        );
        check(
            "[[web.passcode]]\nrole = \"boss\"\nhash = \"x\"",
            "a.toml:2: [[web.passcode]] role cannot be 'boss': write one of: front_desk",
        );
    }
}
