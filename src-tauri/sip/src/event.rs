//! What a [`crate::Sip`] tells and is told.

use crate::config::Secret;
use anteroom_types::{LegId, Pii};
use std::net::SocketAddr;
use std::time::Instant;

/// Names an offer of the far end that waits for `reply_offer` or `reject_offer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OfferToken(pub u64);

/// Why a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndWhy {
    /// The caller gave up before the answer, or our own outgoing call was cancelled.
    Cancelled,
    /// The far end hung up.
    Bye,
    /// We hung up.
    LocalBye,
    /// The 200 was never acknowledged (RFC 3261 13.3.1.4).
    AckTimeout,
    /// A reliable provisional response was never acknowledged (RFC 3262 3).
    PrackTimeout,
    /// The session was not refreshed in time (RFC 4028).
    SessionExpired,
    /// Refused, by us or by them, with this status.
    Rejected(u16),
    /// Nothing could be sent, or nothing was answered.
    TransportLost,
    /// Nobody answered the leg within three minutes.
    SetupTimeout,
}

/// What happened. Every leg gets exactly one [`SipEvent::Ended`], its last event.
#[derive(Debug)]
pub enum SipEvent {
    /// An INVITE was admitted. 100 has been sent.
    Incoming {
        /// The new leg.
        leg: LegId,
        /// User part of From (or of P-Asserted-Identity from a trunk), or the whole URI without one.
        from: Pii<String>,
        /// Display name.
        from_display: Option<Pii<String>>,
        /// User part of the Request-URI, or its host.
        to: Pii<String>,
        /// The trunk it came by.
        trunk: Option<String>,
        /// Where it came from.
        source: SocketAddr,
        /// The offer; `None` when we are to make it in `answer`.
        offer: Option<String>,
        /// When its datagram was read.
        received: Instant,
    },
    /// A re-INVITE, an UPDATE, or the 200 to a call dialled without an offer.
    Offer {
        /// The leg.
        leg: LegId,
        /// To be named in the reply.
        token: OfferToken,
        /// Their offer; `None` asks for ours: `reply_offer` carries it and an `Answer` follows.
        sdp: Option<String>,
        /// Whether it came by UPDATE.
        via_update: bool,
    },
    /// The answer to our offer.
    Answer {
        /// The leg.
        leg: LegId,
        /// The answer.
        sdp: String,
    },
    /// Our re-INVITE was refused; the session is as before.
    OfferRejected {
        /// The leg.
        leg: LegId,
        /// The status.
        status: u16,
    },
    /// The ACK of our first 200 came.
    Acked {
        /// The leg.
        leg: LegId,
    },
    /// A provisional response to a call we dialled.
    Progress {
        /// The leg.
        leg: LegId,
        /// 180, 183 and the like; never 100.
        status: u16,
        /// Early media, if it has a description and is the first to.
        sdp: Option<String>,
    },
    /// The dialog is confirmed: ACK received, or 200 received and acknowledged.
    Established {
        /// The leg.
        leg: LegId,
    },
    /// A key by INFO.
    Dtmf {
        /// The leg.
        leg: LegId,
        /// 0 to 9, *, #, A to D.
        digit: char,
        /// Milliseconds it was held.
        duration_ms: u32,
    },
    /// The leg is over.
    Ended {
        /// The leg.
        leg: LegId,
        /// Why.
        why: EndWhy,
    },
    /// A trunk went up or down.
    Trunk {
        /// Its name.
        name: String,
        /// Its new state.
        state: TrunkState,
    },
}

/// Why a trunk is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrunkDown {
    /// Its name has no address.
    Unresolved,
    /// It does not answer.
    NoAnswer,
    /// It refuses our name or password.
    Unauthorised,
    /// It refuses with this status.
    Refused(u16),
}

/// How a trunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TrunkState {
    /// Not known yet.
    Trying,
    /// Registered, or answering OPTIONS.
    Up,
    /// Not usable; tried again by itself.
    Down(TrunkDown),
}

/// Credentials for a call we dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialAuth {
    /// The name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct DialRequest {
    /// The leg's id, chosen by the caller.
    pub leg: LegId,
    /// A `sip:` URI, or a bare number when `trunk` is given.
    pub target: String,
    /// User part, or whole `sip:` URI, of From.
    pub from: String,
    /// Display name of From.
    pub from_display: Option<String>,
    /// Go by this trunk, with its credentials.
    pub trunk: Option<String>,
    /// Our offer; `None` asks for theirs.
    pub sdp: Option<String>,
    /// Credentials; a trunk's own are used when `None`.
    pub auth: Option<DialAuth>,
}

/// Counts since the start, and two gauges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SipCounters {
    /// Datagrams and stream messages read.
    pub messages_in: u64,
    /// Messages sent, retransmissions included.
    pub messages_out: u64,
    /// Requests refused as malformed.
    pub malformed: u64,
    /// Messages dropped without an answer.
    pub dropped: u64,
    /// INVITEs admitted.
    pub calls_in: u64,
    /// Calls dialled.
    pub calls_out: u64,
    /// INVITEs refused for want of capacity or when draining.
    pub refused_full: u64,
    /// Requests refused from unknown sources.
    pub refused_unknown: u64,
    /// Requests refused or dropped by the rate limit.
    pub rate_limited: u64,
    /// Events dropped because the application did not take them.
    pub events_dropped: u64,
    /// Calls in progress.
    pub calls: u64,
    /// Transactions alive.
    pub transactions: u64,
    /// Stream connections open.
    pub connections: u64,
}
