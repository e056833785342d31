//! The state of a leg. Each phase carries only its own data.

use super::Dialog;
use crate::config::Secret;
use crate::event::{CancelReason, OfferToken, ReferToken};
use crate::wire::Hop;
use anteroom_types::{CallId, LegId, Mono};
use bytes::Bytes;
use sipx_sip::session::{Accepted, Session};
use sipx_sip::{HeaderName, Request, Response, TransactionKey};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// One leg.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) leg: LegId,
    pub(crate) dialog: Dialog,
    pub(crate) phase: Phase,
    /// Our offer is out and unanswered.
    pub(crate) ours: bool,
    /// Their offer waits for the application.
    pub(crate) theirs: Option<PendingOffer>,
    /// What we last described; sent again by a refresh.
    pub(crate) local_sdp: Option<String>,
    pub(crate) remote_sdp: Option<String>,
    pub(crate) session: Option<Session>,
    pub(crate) peer_update: bool,
    pub(crate) peer_timer: bool,
    pub(crate) auth: Option<(String, Secret)>,
    /// The telephone at the far end, when it is one of our users'.
    pub(crate) device: Option<Device>,
    /// Whether we placed it.
    pub(crate) dialled: bool,
    /// Transfers it asked for that are not over.
    pub(crate) refers: Vec<Refer>,
    /// Whether `Ended` has been told.
    pub(crate) told: bool,
    /// Whether the leg can be forgotten.
    pub(crate) dead: bool,
    /// A re-INVITE of ours to be sent again after a 491 (RFC 3261 14.1), and how often it was.
    pub(crate) glare: Option<(Option<String>, u8)>,
}

/// Where a leg stands.
#[derive(Debug)]
pub(crate) enum Phase {
    /// INVITE received, no final response yet.
    Incoming(Box<Incoming>),
    /// INVITE to be sent or sent, no final response yet.
    Outgoing(Box<Outgoing>),
    /// 2xx sent or received.
    Confirmed(Box<Confirmed>),
    /// BYE sent; waiting for its answer, so that a crossing BYE is answered too.
    Ending,
}

/// See [`Phase::Incoming`].
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) key: TransactionKey,
    pub(crate) invite: Request,
    pub(crate) offered: bool,
    /// The terms of the session timer for our 2xx.
    pub(crate) timer: Option<Accepted>,
    pub(crate) reliable: bool,
    pub(crate) reliable_required: bool,
    pub(crate) numbering: sipx_sip::rel::Numbering,
    pub(crate) sent: Option<ReliableSent>,
    /// Reliable provisionals waiting for the one before them.
    pub(crate) queued: VecDeque<(u16, Option<String>)>,
    /// An answer waiting for a PRACK (RFC 3262 5).
    pub(crate) answer: Option<String>,
    /// Offer and answer were exchanged reliably before the 2xx.
    pub(crate) settled: bool,
    /// The call it belongs to, for a page of ours to find it by.
    pub(crate) belongs: Option<CallId>,
}

/// A reliable provisional that is not yet acknowledged.
#[derive(Debug)]
pub(crate) struct ReliableSent {
    pub(crate) response: Response,
    pub(crate) described: bool,
    pub(crate) interval: Duration,
    pub(crate) since: Mono,
}

/// See [`Phase::Outgoing`].
#[derive(Debug)]
pub(crate) struct Outgoing {
    /// What is to be sent, before the first hop is known.
    pub(crate) targets: VecDeque<Hop>,
    pub(crate) key: Option<TransactionKey>,
    /// Whether a connection was tried because the request is long.
    pub(crate) stream_tried: bool,
    pub(crate) sdp: Option<String>,
    pub(crate) min_se: Option<Duration>,
    pub(crate) provisional: bool,
    pub(crate) cancel: bool,
    pub(crate) cancel_sent: bool,
    pub(crate) cancel_reason: CancelReason,
    pub(crate) sequence: sipx_sip::rel::Sequence,
    pub(crate) early_sdp: bool,
    pub(crate) from_display: Option<String>,
    /// Headers the application added.
    pub(crate) headers: Vec<(HeaderName, String)>,
    pub(crate) assert_identity: bool,
    /// Whether whoever dials has another way when nothing is heard.
    pub(crate) elsewhere: bool,
}

/// A REFER of theirs.
#[derive(Debug)]
pub(crate) struct Refer {
    pub(crate) token: ReferToken,
    /// Its CSeq, which names its subscription (RFC 3515 2.4.6).
    pub(crate) id: u32,
    /// Until it is answered.
    pub(crate) key: Option<TransactionKey>,
    /// It asked not to be told how it goes (RFC 4488).
    pub(crate) silent: bool,
}

/// A telephone of a user.
#[derive(Debug, Clone)]
pub(crate) struct Device {
    pub(crate) user: Arc<str>,
    /// `+sip.instance`: by it a telephone is known again when it comes back over another connection.
    pub(crate) instance: Option<Bytes>,
}

/// See [`Phase::Confirmed`].
#[derive(Debug, Default)]
pub(crate) struct Confirmed {
    /// Our 2xx that waits for its ACK.
    pub(crate) unacked: Option<Unacked>,
    /// Hang up as soon as that ACK is here (RFC 3261 15).
    pub(crate) bye: bool,
    /// Our last ACK, by CSeq, for a 2xx that comes again.
    pub(crate) ack: Option<(u32, Bytes, Hop)>,
    /// Our INVITE whose 2xx has an offer the application has yet to answer.
    pub(crate) ack_due: Option<u32>,
    /// Our re-INVITE in progress.
    pub(crate) reinvite: Option<SentInvite>,
    /// An UPDATE of ours in progress.
    pub(crate) updating: bool,
    /// Whether the application was told that the dialog is confirmed.
    pub(crate) established: bool,
}

/// A 2xx that waits for its ACK.
#[derive(Debug)]
pub(crate) struct Unacked {
    pub(crate) key: TransactionKey,
    pub(crate) seq: u32,
    pub(crate) response: Response,
    pub(crate) interval: Duration,
    pub(crate) since: Mono,
    pub(crate) first: bool,
}

/// A re-INVITE of ours.
#[derive(Debug)]
pub(crate) struct SentInvite {
    /// What it offers.
    pub(crate) sdp: Option<String>,
    /// Whether it only refreshes the session.
    pub(crate) refresh: bool,
}

/// What an offer of theirs came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OfferBy {
    /// A re-INVITE, or the 2xx to our INVITE.
    Invite,
    Update,
    /// The PRACK of a reliable provisional (RFC 3262 5).
    Prack,
}

/// An offer of theirs.
#[derive(Debug)]
pub(crate) struct PendingOffer {
    pub(crate) token: OfferToken,
    /// `None` when it came in the 2xx to our INVITE.
    pub(crate) key: Option<TransactionKey>,
    pub(crate) request: Option<Request>,
    pub(crate) by: OfferBy,
    /// Whether the request had a description.
    pub(crate) described: bool,
    pub(crate) timer: Option<Accepted>,
}

impl Call {
    pub(crate) fn new(leg: LegId, dialog: Dialog, phase: Phase) -> Self {
        Self {
            leg,
            dialled: matches!(phase, Phase::Outgoing(_)),
            dialog,
            phase,
            ours: false,
            theirs: None,
            local_sdp: None,
            remote_sdp: None,
            session: None,
            peer_update: false,
            peer_timer: false,
            auth: None,
            device: None,
            refers: Vec::new(),
            told: false,
            dead: false,
            glare: None,
        }
    }
}
