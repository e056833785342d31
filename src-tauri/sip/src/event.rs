//! What a [`crate::Sip`] tells and is told.

use crate::config::{Secret, Transport};
use anteroom_types::{CallId, LegId, Pii};
use std::net::SocketAddr;
use std::time::Instant;

/// Names an offer of the far end that waits for `reply_offer` or `reject_offer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OfferToken(pub u64);

/// Names a REFER that waits for `refer_accept` or `refer_reject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ReferToken(pub u64);

/// Names one registered contact for as long as it is registered. A refresh keeps it; a telephone that comes back later
/// gets another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContactId(pub u64);

/// Where a user can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Its id.
    pub id: ContactId,
    /// The user it is of.
    pub user: String,
    /// Whether it is a browser.
    pub websocket: bool,
    /// How it is reached.
    pub transport: Transport,
    /// What it says it is.
    pub user_agent: Option<String>,
    /// Where it is reached.
    pub source: SocketAddr,
    /// Seconds its registration has left.
    pub expires_in_s: u32,
}

/// Why a contact is no longer registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnregisterWhy {
    /// It said goodbye.
    Left,
    /// It was not refreshed in time.
    Expired,
    /// Its connection is gone and it cannot be called back.
    FlowLost,
    /// It answered OPTIONS once, and no longer does.
    Unreachable,
    /// A newer contact of the same user needed its place.
    Displaced,
    /// The user may no longer register, or has another password.
    Revoked,
}

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
        /// The user who proved to be the caller; what `from` says is then what their telephone says.
        user: Option<String>,
        /// The leg this call takes the place of (RFC 3891). Only users may ask for it. The application connects the new
        /// leg where the old one was, and hangs the old one up.
        replaces: Option<LegId>,
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
        /// Whether it came by UPDATE or in a PRACK: it may then come before the call is answered.
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
    /// The far end asks that whoever it is connected with be connected elsewhere (RFC 3515). Only legs of users may ask.
    Refer {
        /// The leg that asks: the one that transfers.
        leg: LegId,
        /// To be named in the reply.
        token: ReferToken,
        /// User part of Refer-To, or the whole URI without one.
        target: Pii<String>,
        /// The other leg of an attended transfer, ours too: its far end is to be connected with the transferred party.
        replaces: Option<LegId>,
    },
    /// A contact registered, or came back by another way. Refreshes are not told.
    Registered {
        /// The user.
        user: String,
        /// The contact.
        contact: Contact,
    },
    /// A contact is no longer registered.
    Unregistered {
        /// The user.
        user: String,
        /// The contact.
        contact: ContactId,
        /// Why.
        why: UnregisterWhy,
    },
    /// A call was refused with 503 for want of room: neither it nor its retransmissions have a leg. Told neither of our own
    /// users' calls nor while events wait.
    TurnedAway {
        /// As in [`SipEvent::Incoming`].
        from: Pii<String>,
        /// As in [`SipEvent::Incoming`].
        to: Pii<String>,
        /// The trunk it came by.
        trunk: Option<String>,
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

/// Whom to call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialTarget {
    /// A `sip:` URI, or a bare number when a trunk is given.
    Uri(String),
    /// A registered contact, over the way it registered.
    Contact(ContactId),
}

impl From<String> for DialTarget {
    fn from(uri: String) -> Self {
        Self::Uri(uri)
    }
}

impl From<&str> for DialTarget {
    fn from(uri: &str) -> Self {
        Self::Uri(uri.to_owned())
    }
}

impl From<ContactId> for DialTarget {
    fn from(id: ContactId) -> Self {
        Self::Contact(id)
    }
}

/// Headers that may be added to an INVITE of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtraHeader {
    /// `X-Anteroom-Call`: the call this leg belongs to, for the page to find it by.
    Call(CallId),
    /// `Alert-Info`, such as `<urn:alert:source:external>` or `info=ring2`: how the telephone is to ring.
    AlertInfo(String),
    /// `Call-Info`, such as `<sip:clinic>;answer-after=0`.
    CallInfo(String),
}

/// Why an unanswered call of ours is given up (RFC 3326).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelReason {
    /// Somebody else has answered: the telephone shows no missed call.
    AnsweredElsewhere,
    /// The caller is gone, or nobody is waited for any longer: a missed call.
    GivenUp,
}

/// A call to place.
#[derive(Debug, Clone)]
pub struct DialRequest {
    /// The leg's id, chosen by the caller.
    pub leg: LegId,
    /// Whom to call.
    pub target: DialTarget,
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
    /// Whether to assert `from` in P-Asserted-Identity too (RFC 3325): for telephones of ours and trunks that trust us.
    pub assert_identity: bool,
    /// Headers to add.
    pub headers: Vec<ExtraHeader>,
    /// Whether there is another way to dial: where nothing at all is heard within four seconds is then given up with
    /// [`EndWhy::TransportLost`], rather than after the 32 s of timer B (RFC 3261 17.1.1.2).
    pub elsewhere: bool,
}

impl DialRequest {
    /// A call without description, trunk, credentials or anything else that can be set afterwards.
    #[must_use]
    pub fn new(leg: LegId, target: impl Into<DialTarget>, from: impl Into<String>) -> Self {
        Self {
            leg,
            target: target.into(),
            from: from.into(),
            from_display: None,
            trunk: None,
            sdp: None,
            auth: None,
            assert_identity: false,
            headers: Vec::new(),
            elsewhere: false,
        }
    }
}

/// Counts since the start, and four gauges: calls, contacts, transactions, connections.
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
    /// Wrong answers to challenges.
    pub auth_failed: u64,
    /// Bans pronounced.
    pub bans: u64,
    /// Requests dropped because their source is banned, or asks for too many names.
    pub banned_dropped: u64,
    /// Events dropped because the application did not take them.
    pub events_dropped: u64,
    /// Calls in progress.
    pub calls: u64,
    /// Contacts registered.
    pub contacts: u64,
    /// Transactions alive.
    pub transactions: u64,
    /// Stream connections open.
    pub connections: u64,
}
