//! Why the server did not start.

use anteroom_types::{ErrorCode, UserFacing};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebStartError {
    /// Another program listens there.
    #[error("the address {0} is in use by another program")]
    PortInUse(SocketAddr),
    /// The machine has no such address.
    #[error("this machine has no address {0}")]
    NoSuchAddress(SocketAddr),
    /// Ports below 1024 need a privilege.
    #[error("listening on {0} is not permitted")]
    NotPermitted(SocketAddr),
    /// Plain HTTP beyond this machine.
    #[error("plain HTTP on {0} would send what callers say unprotected over the network")]
    PlainNotLoopback(SocketAddr),
    /// A certificate or key file could not be read or written.
    #[error("{path} could not be used")]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The certificate and key do not make a server.
    #[error("the certificate or its key cannot be used: {0}")]
    Tls(String),
    /// A passcode in the configuration is no argon2id hash.
    #[error("the hash of passcode {0} ([[web.passcode]]) is not an argon2id hash")]
    BadPasscode(usize),
    /// A name in `allowed_hosts` is no host name.
    #[error("'{0}' in [web] hosts is not a host name")]
    BadHost(String),
    /// Anything else the system said.
    #[error("listening on {addr} failed")]
    Io {
        /// Where.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl WebStartError {
    pub(crate) fn bind(addr: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse(addr),
            io::ErrorKind::AddrNotAvailable => Self::NoSuchAddress(addr),
            io::ErrorKind::PermissionDenied => Self::NotPermitted(addr),
            _ => Self::Io { addr, source },
        }
    }
}

impl UserFacing for WebStartError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::PortInUse(_) => "web.port_in_use",
            Self::NoSuchAddress(_) => "web.no_such_address",
            Self::NotPermitted(_) => "web.not_permitted",
            Self::PlainNotLoopback(_) => "web.plain_not_loopback",
            Self::TlsFile { .. } => "web.tls_file",
            Self::Tls(_) => "web.tls",
            Self::BadPasscode(_) => "web.bad_passcode",
            Self::BadHost(_) => "web.bad_host",
            Self::Io { .. } => "web.io",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::PortInUse(a) => format!(
                "Stop the program that uses port {}, or choose another port for the page.",
                a.port()
            ),
            Self::NoSuchAddress(_) => "Use an address of this machine, 0.0.0.0 for all, or 127.0.0.1.".into(),
            Self::NotPermitted(_) => {
                "Choose a port from 1024 up, or give the service CAP_NET_BIND_SERVICE.".into()
            }
            Self::PlainNotLoopback(_) => {
                "Switch TLS on (a self-signed certificate is made for you) or listen on 127.0.0.1.".into()
            }
            Self::TlsFile { .. } => "Check that the file exists and that the service may read it.".into(),
            Self::Tls(_) => "Check that both files are PEM and belong together.".into(),
            Self::BadPasscode(_) => "Make the hash with `anteroom passcode` and paste the whole line.".into(),
            Self::BadHost(_) => "Write the bare name, like reception.example, without scheme or port.".into(),
            Self::Io { .. } => "Look at the system's message above and try again.".into(),
        }
    }
}

/// Why a passcode was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasscodeError {
    /// Too short.
    #[error("the passcode is too short: 12 characters are the least")]
    TooShort,
    /// Too long.
    #[error("the passcode is too long: 256 bytes are the most")]
    TooLong,
    /// The hash function refused.
    #[error("the passcode could not be hashed")]
    Hash,
}

impl UserFacing for PasscodeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooShort => "web.passcode_short",
            Self::TooLong => "web.passcode_long",
            Self::Hash => "web.passcode_hash",
        }
    }
    fn hint(&self) -> String {
        "Choose a passcode of 12 to 200 characters, four unrelated words for example.".into()
    }
}
