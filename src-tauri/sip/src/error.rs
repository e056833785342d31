//! What can go wrong when starting and when commanding.

use anteroom_types::{ErrorCode, UserFacing};
use std::net::SocketAddr;

/// Why a [`crate::Sip`] did not start.
#[derive(Debug, thiserror::Error)]
pub enum SipStartError {
    /// A socket could not be opened.
    #[error("cannot listen on {transport} {addr}")]
    Listen {
        /// UDP, TCP or TLS.
        transport: &'static str,
        /// The address asked for.
        addr: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A TLS file could not be read.
    #[error("cannot read the TLS file {path}")]
    TlsFile {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The certificate or key cannot be used.
    #[error("the TLS certificate or key cannot be used: {0}")]
    TlsMaterial(String),
    /// A TLS listener without certificate.
    #[error("listening on TLS needs a certificate and a key")]
    TlsMissing,
    /// No socket to listen on.
    #[error("no address to listen on")]
    NoListener,
    /// The configuration contradicts itself.
    #[error("bad SIP setting: {0}")]
    Config(String),
    /// The system's DNS configuration could not be read.
    #[error("cannot set up name resolution")]
    Dns(#[source] std::io::Error),
}

impl UserFacing for SipStartError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Listen { .. } => "sip.listen",
            Self::TlsFile { .. } => "sip.tls_file",
            Self::TlsMaterial(_) => "sip.tls_material",
            Self::TlsMissing => "sip.tls_missing",
            Self::NoListener => "sip.no_listener",
            Self::Config(_) => "sip.config",
            Self::Dns(_) => "sip.dns",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Listen { addr, source, .. } => match source.kind() {
                std::io::ErrorKind::AddrInUse => format!(
                    "Another program uses port {}; stop it, or choose another address in [sip] listen.",
                    addr.port()
                ),
                std::io::ErrorKind::PermissionDenied => {
                    "Choose a port above 1023, or allow the service to use low ports.".into()
                }
                _ => "Check that the address belongs to this machine.".into(),
            },
            Self::TlsFile { .. } => "Check the path and that the service may read the file.".into(),
            Self::TlsMaterial(_) => {
                "Give a PEM certificate chain, leaf first, and its PEM private key.".into()
            }
            Self::TlsMissing => {
                "Set tls_cert and tls_key in [sip], or take the tls: address out of listen.".into()
            }
            Self::NoListener => "Name at least one address in [sip] listen.".into(),
            Self::Config(_) => "Correct the setting named and start again.".into(),
            Self::Dns(_) => "Check /etc/resolv.conf, or give trunks by address.".into(),
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SipCommandError {
    /// The leg has ended or never was.
    #[error("no such leg")]
    UnknownLeg,
    /// The leg is not in a state in which this can be done.
    #[error("the leg is not in a state for {0}")]
    WrongState(&'static str),
    /// An offer of ours or theirs is still unanswered (RFC 3264 4).
    #[error("an offer is still unanswered")]
    OfferPending,
    /// No offer has this token.
    #[error("no offer has this token")]
    UnknownOffer,
    /// Nobody of this name may register.
    #[error("no such user")]
    UnknownUser,
    /// The contact is not registered, or no longer.
    #[error("no such contact")]
    UnknownContact,
    /// No transfer has this token, or it is over.
    #[error("no transfer has this token")]
    UnknownRefer,
    /// The target, sender or trunk of a call cannot be used.
    #[error("the {0} cannot be used")]
    BadTarget(&'static str),
    /// The leg id is in use.
    #[error("the leg id is in use")]
    LegInUse,
    /// No registrar is configured.
    #[error("no registrar is configured")]
    NoRegistrar,
    /// Too many legs.
    #[error("no more calls are taken")]
    Full,
    /// A value is outside its range.
    #[error("{0} is out of range")]
    OutOfRange(&'static str),
}

impl UserFacing for SipCommandError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownLeg => "sip.unknown_leg",
            Self::WrongState(_) => "sip.wrong_state",
            Self::OfferPending => "sip.offer_pending",
            Self::UnknownOffer => "sip.unknown_offer",
            Self::UnknownUser => "sip.unknown_user",
            Self::UnknownContact => "sip.unknown_contact",
            Self::UnknownRefer => "sip.unknown_refer",
            Self::BadTarget(_) => "sip.bad_target",
            Self::LegInUse => "sip.leg_in_use",
            Self::NoRegistrar => "sip.no_registrar",
            Self::Full => "sip.full",
            Self::OutOfRange(_) => "sip.out_of_range",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::BadTarget(_) => "Give a sip: address such as sip:201@192.0.2.5.".into(),
            Self::Full => "Wait for a call to end, or raise [sip] calls_max.".into(),
            Self::NoRegistrar => "Set enabled = true in [desk]: telephones register only while it is.".into(),
            Self::OfferPending => "Wait for the other side's answer and try again.".into(),
            _ => "The call has moved on; nothing needs doing.".into(),
        }
    }
}
