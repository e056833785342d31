//! SIP over WebSocket (RFC 7118). The web server owns the sockets; here each is a connection like any other, of which
//! whole messages come and go.

use super::Shared;
use super::stream::{STREAM_QUEUE_MESSAGES, close};
use crate::config::Transport;
use crate::error::SipCommandError;
use crate::wire::Hop;
use anteroom_types::limits::SIP_MESSAGE_BYTES_MAX;
use bytes::Bytes;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// One browser's connection. Dropping it ends the flow, and with it the contacts registered over it.
#[derive(Debug)]
pub struct WebSocketFlow {
    /// Messages from the browser: one text or binary WebSocket message each. Wait for room rather than drop. When sending
    /// fails the flow is closed, and so should the socket be.
    pub tx: mpsc::Sender<Bytes>,
    /// Messages to the browser, each to be sent as one text message when it is UTF-8 and as a binary one when not. The end
    /// of the channel closes the socket.
    pub rx: mpsc::Receiver<Bytes>,
}

pub(super) fn open(
    shared: &Arc<Shared>,
    peer: SocketAddr,
    secure: bool,
) -> Result<WebSocketFlow, SipCommandError> {
    let transport = if secure { Transport::Wss } else { Transport::Ws };
    let mut state = shared.lock();
    let (id, rx) = state
        .connections
        .add(transport, peer)
        .ok_or(SipCommandError::Full)?;
    let (tx, inbox) = mpsc::channel(STREAM_QUEUE_MESSAGES);
    let hop = Hop {
        transport,
        remote: peer,
        local: shared.local_for(transport, usize::MAX, peer),
        socket: usize::MAX,
        conn: Some(id),
        server_name: None,
    };
    let task = tokio::spawn(read(Arc::clone(shared), hop, id, inbox));
    state.connections.set_task(id, task.abort_handle());
    Ok(WebSocketFlow { tx, rx })
}

async fn read(shared: Arc<Shared>, hop: Hop, id: u64, mut inbox: mpsc::Receiver<Bytes>) {
    while let Some(message) = inbox.recv().await {
        if message.len() > SIP_MESSAGE_BYTES_MAX {
            break;
        }
        if message.as_ref() == b"\r\n\r\n" {
            // A ping of RFC 5626 4.4.1, which some clients send although WebSocket has its own.
            if !shared.lock().connections.push(id, Bytes::from_static(b"\r\n")) {
                break;
            }
            continue;
        }
        shared.receive(Instant::now(), &hop, &message);
    }
    close(&shared, id);
}
