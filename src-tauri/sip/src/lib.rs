//! SIP transports, transactions, dialogs and trunks.
//!
//! # Architecture invariants
//!
//! - This is the only crate that knows the SIP library, and no type of that library appears in a public signature.
//! - The core (`core`, `dialog`, `registrar`, `trunk`, `gate`, `frame`, `stun`) is sans-IO: bytes, commands and time go in,
//!   `core::Output`s come out. It reads no clock and opens no socket; randomness is a seeded generator passed in.
//!   Only `driver` has sockets, tasks and a clock.
//! - No message content, number, address of record or digest is logged at any level.
//!
//! # The drive contract
//!
//! Each call into the core mutates it, after which its outputs are drained until none is left; then only
//! `core::Core::next_timeout` remains to be waited for.
//!
//! # Queues
//!
//! | queue | bound | when full |
//! |---|---|---|
//! | events to the application | its channel, then `EVENTS_PENDING_MAX` | new INVITEs get 503; beyond the bound events are dropped and counted |
//! | bytes to a TCP or TLS connection | `STREAM_QUEUE_MESSAGES` | the connection is closed: its peer has stopped reading |
//! | messages of a WebSocket, each way | `STREAM_QUEUE_MESSAGES` | inwards the web server waits, and so does the browser; outwards as above |
//! | datagrams to the kernel | the socket's buffer | the datagram is dropped; SIP retransmits |
//! | connections | `CONNECTIONS_MAX`, and per address | the newcomer is closed |

mod config;
mod core;
mod dialog;
mod driver;
mod error;
mod event;
mod frame;
#[doc(hidden)]
pub mod fuzz;
mod gate;
mod registrar;
mod stun;
mod trunk;
mod wire;

pub use config::{
    Listen, RateLimit, Registrar, Secret, SipConfig, TlsFiles, Transport, TrunkConfig, TrunkKind,
};
pub use core::is_user;
pub use driver::{Sip, WebSocketFlow};
pub use error::{SipCommandError, SipStartError};
pub use event::{
    CancelReason, Contact, ContactId, DialAuth, DialRequest, DialTarget, EndWhy, ExtraHeader, OfferToken,
    ReferToken, SipCounters, SipEvent, TrunkDown, TrunkState, UnregisterWhy,
};
pub use registrar::{BanConfig, DigestAlgorithm, Ha1, RegistrarConfig, SipUser, ha1};
