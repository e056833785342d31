//! SIP over WebSocket (RFC 7118): lets a browser's socket through to the engine, which speaks SIP.
//!
//! Frames are not looked into: a keep-alive of CRLF (RFC 5626 4.4.1) and a header in Latin-1 pass like anything else. What is
//! kept here is what SIP cannot see: the session, the page's origin, the size of a message and the pace of the reader.

use crate::engine::{SIP_QUEUE_MAX, SipPeer, SipSocket};
use crate::guard::{Peer, SignedIn, check_origin};
use crate::reply::Reply;
use crate::router::Shared;
use crate::sessions::{Session, turned_true};
use anteroom_api::ApiError;
use anteroom_types::limits::SIP_MESSAGE_BYTES_MAX;
use axum::Extension;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, HeaderValue};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// The subprotocol (RFC 7118 4.1).
const SUBPROTOCOL: &str = "sip";
/// How often a handset is pinged, so that proxies and address translators keep its connection.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A handset that has sent nothing, not even a pong, for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(65);
/// How long the engine may leave its queue full before the socket is given up. The handset comes back by itself.
const ENGINE_SLOW_MAX: Duration = Duration::from_secs(5);

/// Close codes (RFC 6455 7.4).
mod close {
    /// Going away.
    pub(super) const GOING_AWAY: u16 = 1001;
    /// Our own: the session ended: sign in again, do not reconnect.
    pub(super) const SIGNED_OUT: u16 = 4401;
    /// Try again later.
    pub(super) const TRY_LATER: u16 = 1013;
}

/// `GET /sip`
pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Extension(SignedIn(session)): Extension<SignedIn>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    ws: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Reply {
    check_origin(&shared, &headers)?;
    let mut ws = ws.map_err(|_| ApiError::bad_request("This address speaks SIP over WebSocket only."))?;
    ws.set_selected_protocol(HeaderValue::from_static(SUBPROTOCOL));
    let asked = ws
        .requested_protocols()
        .any(|p| p.as_bytes().eq_ignore_ascii_case(SUBPROTOCOL.as_bytes()));
    if !asked {
        return Err(ApiError::bad_request("The WebSocket subprotocol must be sip (RFC 7118).").into());
    }
    let place = Arc::clone(&shared.handsets).try_acquire_owned().map_err(|_| {
        ApiError::new(
            503,
            "sip.too_many",
            "Too many browser handsets are connected.",
            "Close the page where it is not needed and try again.",
        )
    })?;
    let from = SipPeer {
        addr: peer.0,
        secure: shared.tls,
        who: session.who(),
    };
    let engine = shared.engine.sip_socket(from).ok_or_else(|| {
        ApiError::new(
            503,
            "sip.unavailable",
            "Browser handsets are not available on this machine.",
            "Use another telephone, or ask whoever looks after the machine to switch browser handsets on.",
        )
    })?;
    Ok(ws
        .max_message_size(SIP_MESSAGE_BYTES_MAX)
        .max_frame_size(SIP_MESSAGE_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let _place = place;
            let mut line = Line { socket, shared };
            let Err(over) = line.run(session, engine).await;
            if let Over::Close(code, reason) = over {
                let frame = CloseFrame {
                    code,
                    reason: Utf8Bytes::from_static(reason),
                };
                let _ = line.put(Message::Close(Some(frame))).await;
            }
        }))
}

struct Line {
    socket: WebSocket,
    shared: Arc<Shared>,
}

/// Why a line is over.
enum Over {
    /// The socket is gone or too slow.
    Gone,
    /// We close it.
    Close(u16, &'static str),
}

impl Line {
    async fn run(&mut self, mut session: Session, engine: SipSocket) -> Result<Infallible, Over> {
        let SipSocket {
            to_engine,
            mut from_engine,
        } = engine;
        debug_assert!(to_engine.max_capacity() <= SIP_QUEUE_MAX, "the queue is bounded");
        let mut stopping = self.shared.stopping.clone();
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let session_over = Instant::from_std(session.expires);
        let mut heard_at = Instant::now();
        loop {
            tokio::select! {
                () = turned_true(&mut stopping) => return Err(Over::Close(close::GOING_AWAY, "stopping")),
                () = turned_true(&mut session.ended) => return Err(Over::Close(close::SIGNED_OUT, "signed out")),
                () = sleep_until(session_over) => return Err(Over::Close(close::SIGNED_OUT, "session over")),
                out = from_engine.recv() => match out {
                    Some(bytes) => self.put(frame(bytes)).await?,
                    None => return Err(Over::Close(close::GOING_AWAY, "closed by the telephone")),
                },
                message = self.socket.recv() => {
                    let bytes = match message {
                        Some(Ok(Message::Text(text))) => Bytes::from(text),
                        Some(Ok(Message::Binary(bytes))) => bytes,
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Bytes::new(),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Over::Gone),
                    };
                    heard_at = Instant::now();
                    if !bytes.is_empty() {
                        // While the engine is behind nothing more is read: the browser's own queue fills instead of ours.
                        match timeout(ENGINE_SLOW_MAX, to_engine.send(bytes)).await {
                            Ok(Ok(())) => {}
                            Ok(Err(_)) => return Err(Over::Close(close::GOING_AWAY, "closed by the telephone")),
                            Err(_) => return Err(Over::Close(close::TRY_LATER, "busy")),
                        }
                    }
                }
                _ = pings.tick() => {
                    if heard_at.elapsed() > SILENCE_MAX {
                        return Err(Over::Gone);
                    }
                    self.put(Message::Ping(Bytes::new())).await?;
                }
            }
        }
    }

    async fn put(&mut self, message: Message) -> Result<(), Over> {
        match timeout(self.shared.slow_listener_after, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over::Gone),
        }
    }
}

/// A SIP message is text where it is UTF-8, and binary otherwise (RFC 7118 5.1 allows both).
fn frame(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}
