//! What a [`crate::Sip`] is started with.

use crate::registrar::RegistrarConfig;
use ipnet::IpNet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use zeroize::Zeroize;

/// How SIP travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams (RFC 3261 18).
    Udp,
    /// A plain stream.
    Tcp,
    /// TLS 1.2 or 1.3 over TCP.
    Tls,
    /// WebSocket (RFC 7118), taken from the web server and never listened on here.
    Ws,
    /// WebSocket over TLS, likewise.
    Wss,
}

impl Transport {
    /// As it is written in `Via`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Ws => "WS",
            Self::Wss => "WSS",
        }
    }
    /// As it is written in a URI's `transport` parameter; for both kinds of WebSocket it is `ws` (RFC 7118 5.2).
    #[must_use]
    pub const fn as_param(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Ws | Self::Wss => "ws",
        }
    }
    /// 5060, or 5061 for TLS; 80 and 443 for WebSocket.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Tls => 5061,
            Self::Ws => 80,
            Self::Wss => 443,
            _ => 5060,
        }
    }
    /// Whether it is a WebSocket, with or without TLS.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        matches!(self, Self::Ws | Self::Wss)
    }
    pub(crate) const fn is_stream(self) -> bool {
        !matches!(self, Self::Udp)
    }
}

/// A socket to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The transport.
    pub transport: Transport,
    /// The address; port 0 takes a free one.
    pub addr: SocketAddr,
}

/// PEM files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, leaf first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Certificates that servers we connect to may be signed by, besides the system's.
    pub ca: Option<PathBuf>,
}

/// A password, or what stands for one. Prints as `[secret]`, is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a password.
    #[must_use]
    pub fn new(s: impl Into<String>) -> Self {
        Self(s.into())
    }
    /// The text itself, to be used or stored encrypted, never to be shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// A registrar of a trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registrar {
    /// Host name, or address, with an optional port. Without a port a name is looked up by SRV (RFC 3263).
    pub host: String,
    /// Lower is tried first.
    pub priority: u16,
}

/// How a trunk is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrunkKind {
    /// We register with it.
    Register {
        /// Its registrars; failover goes by priority, and within one by SRV.
        registrars: Vec<Registrar>,
        /// The domain of the address of record; the first registrar's host when `None`.
        domain: Option<String>,
        /// The user part of the address of record.
        user: String,
        /// The name to authenticate with; `user` when `None`.
        auth_user: Option<String>,
        /// The password.
        password: Secret,
        /// Seconds of registration asked for.
        expires_s: u32,
        /// The prefixes its calls come from, besides the addresses its registrars are found at.
        peers: Vec<IpNet>,
    },
    /// It sends from known addresses.
    Address {
        /// The prefixes it sends from.
        peers: Vec<IpNet>,
        /// `sip:` URI to send OPTIONS and calls to; the first peer that is one host when `None`.
        target: Option<String>,
    },
}

/// A trunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrunkConfig {
    /// Its name, in events and metrics.
    pub name: String,
    /// How it is known.
    pub kind: TrunkKind,
    /// The transport to reach it by.
    pub transport: Transport,
    /// Seconds between OPTIONS to a trunk known by address; 0 sends none.
    pub options_s: u32,
}

/// Token bucket per source address, for requests outside a dialog.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateLimit {
    /// Requests per second.
    pub per_source_per_s: f64,
    /// Requests at once.
    pub burst: u32,
}

/// What a [`crate::Sip`] is started with.
#[derive(Debug, Clone, PartialEq)]
pub struct SipConfig {
    /// Sockets.
    pub listen: Vec<Listen>,
    /// Certificate and key; needed to listen on TLS.
    pub tls: Option<TlsFiles>,
    /// The address to put into Via and Contact when the machine is behind a NAT.
    pub advertise: Option<IpAddr>,
    /// `User-Agent` and `Server`.
    pub user_agent: String,
    /// Hosts of the Request-URI that are ours; empty accepts any.
    pub domains: Vec<String>,
    /// Trunks.
    pub trunks: Vec<TrunkConfig>,
    /// Whether telephones may register here, and how.
    pub registrar: Option<RegistrarConfig>,
    /// Callers at once. The calls that telephones of ours place are as many again; legs that are dialled are not counted
    /// against either.
    pub calls_max: usize,
    /// Numbers that a telephone of ours may always dial, however many calls there are.
    pub emergency: Vec<String>,
    /// Seconds in `Retry-After` of a 503.
    pub retry_after_s: u32,
    /// Limits per source address.
    pub rate: RateLimit,
    /// Session interval we ask for (RFC 4028), in seconds.
    pub session_expires_s: u32,
    /// The shortest session interval we accept, in seconds; at least 90.
    pub min_se_s: u32,
    /// Whether an INVITE from an address of no trunk is taken (demo and laboratory).
    pub allow_direct: bool,
}

impl Default for SipConfig {
    fn default() -> Self {
        Self {
            listen: vec![Listen {
                transport: Transport::Udp,
                addr: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0),
            }],
            tls: None,
            advertise: None,
            user_agent: "Anteroom".into(),
            domains: Vec::new(),
            trunks: Vec::new(),
            registrar: None,
            calls_max: 50,
            emergency: Vec::new(),
            retry_after_s: 10,
            rate: RateLimit {
                per_source_per_s: 50.0,
                burst: 100,
            },
            session_expires_s: 1800,
            min_se_s: 90,
            allow_direct: false,
        }
    }
}
