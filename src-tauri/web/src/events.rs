//! The live event stream.
//!
//! Each listener reads from the engine's bounded broadcast channel. A listener that falls behind it is sent a new
//! snapshot; one whose socket takes nothing for
//! `WebConfig::slow_listener_after` is dropped. Either way nobody else waits for it.

use crate::guard::{SignedIn, check_origin, now_wall};
use crate::reply::Reply;
use crate::router::Shared;
use crate::sessions::{Session, turned_true};
use anteroom_api::{ApiError, LiveEvent, ServerMessage};
use anteroom_types::TraceId;
use anteroom_types::limits::WS_FRAME_BYTES_MAX;
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

/// How often a listener is pinged.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A listener that has sent nothing, not even a pong, for this long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(65);

/// Close codes of our own (RFC 6455 7.4.2).
mod close {
    /// RFC 6455: going away.
    pub(super) const GOING_AWAY: u16 = 1001;
    /// The session ended: sign in again, do not reconnect.
    pub(super) const SIGNED_OUT: u16 = 4401;
}

/// Where a listener that comes back was.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resume {
    epoch: Option<String>,
    after: Option<u64>,
}

/// `GET /api/v1/events`
pub(crate) async fn upgrade(
    State(shared): State<Arc<Shared>>,
    Extension(SignedIn(session)): Extension<SignedIn>,
    headers: HeaderMap,
    resume: Result<Query<Resume>, QueryRejection>,
    ws: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Reply {
    check_origin(&shared, &headers)?;
    let ws = ws.map_err(|_| ApiError::bad_request("This address speaks WebSocket only."))?;
    let Query(resume) =
        resume.map_err(|_| ApiError::bad_request("The query is not what is expected: epoch and after."))?;
    let place = Arc::clone(&shared.listeners).try_acquire_owned().map_err(|_| {
        ApiError::new(
            503,
            "events.too_many",
            "Too many screens are open.",
            "Close the page where it is not needed and try again.",
        )
    })?;
    let from = resume
        .epoch
        .and_then(|e| e.parse::<TraceId>().ok())
        .zip(resume.after);
    Ok(ws
        .max_message_size(WS_FRAME_BYTES_MAX)
        .max_frame_size(WS_FRAME_BYTES_MAX)
        .on_upgrade(move |socket| async move {
            let _place = place;
            Listener { socket, shared }.run(session, from).await;
        }))
}

struct Listener {
    socket: WebSocket,
    shared: Arc<Shared>,
}

/// Why a listener's stream is over.
enum Over {
    /// The socket is gone or too slow.
    Gone,
    /// We close it.
    Close(u16, &'static str),
}

impl Listener {
    async fn run(mut self, session: Session, from: Option<(TraceId, u64)>) {
        let over = match self.stream(session, from).await {
            Err(over) => over,
            Ok(never) => match never {},
        };
        if let Over::Close(code, reason) = over {
            let frame = Message::Close(Some(CloseFrame {
                code,
                reason: Utf8Bytes::from_static(reason),
            }));
            let _ = timeout(self.shared.slow_listener_after, self.socket.send(frame)).await;
        }
    }

    async fn stream(
        &mut self,
        mut session: Session,
        from: Option<(TraceId, u64)>,
    ) -> Result<std::convert::Infallible, Over> {
        // Listening starts before the snapshot is taken: what happens in between comes twice and is told by its number.
        let mut events = self.shared.engine.subscribe();
        let mut seen = self.catch_up(from).await?;
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
                event = events.recv() => match event {
                    Ok(event) if event.seq > seen => {
                        seen = event.seq;
                        self.send(&ServerMessage::Event { event }).await?;
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => {
                        events = events.resubscribe();
                        seen = self.catch_up(None).await?;
                    }
                    Err(RecvError::Closed) => return Err(Over::Close(close::GOING_AWAY, "engine stopped")),
                },
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Over::Gone),
                    Some(Ok(_)) => heard_at = Instant::now(),
                },
                _ = pings.tick() => {
                    if heard_at.elapsed() > SILENCE_MAX {
                        return Err(Over::Gone);
                    }
                    self.put(Message::Ping(axum::body::Bytes::new())).await?;
                    self.send(&ServerMessage::Alive { now: now_wall() }).await?;
                }
            }
        }
    }

    /// Brings the listener up to date and gives the number it has seen.
    async fn catch_up(&mut self, from: Option<(TraceId, u64)>) -> Result<u64, Over> {
        let missed = from.and_then(|(epoch, seq)| Some((seq, self.shared.engine.since(epoch, seq)?)));
        if let Some((seq, missed)) = missed {
            self.send(&ServerMessage::Resumed { seq }).await?;
            let last = missed.last().map_or(seq, |e: &LiveEvent| e.seq);
            for event in missed {
                self.send(&ServerMessage::Event { event }).await?;
            }
            return Ok(last);
        }
        let snapshot = self.shared.engine.snapshot();
        let seq = snapshot.seq;
        self.send(&ServerMessage::Snapshot { snapshot }).await?;
        Ok(seq)
    }

    async fn send(&mut self, message: &ServerMessage) -> Result<(), Over> {
        let text = serde_json::to_string(message).map_err(|_| Over::Gone)?;
        self.put(Message::Text(text.into())).await
    }

    async fn put(&mut self, message: Message) -> Result<(), Over> {
        match timeout(self.shared.slow_listener_after, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(Over::Gone),
        }
    }
}
