//! TCP and TLS connections.
//!
//! A connection has a bounded queue of messages to be written; when it is full its peer has stopped reading and the
//! connection is closed. A connection that was lost is opened again by the next message that wants to go there.

use super::{Shared, State};
use crate::config::{SipConfig, Transport};
use crate::error::SipStartError;
use crate::frame::{Frame, Framer};
use crate::wire::Hop;
use bytes::Bytes;
use sipx_sip::TransactionKey;
use sipx_transport::tls::{ClientTls, Identity, ServerTls, TrustAnchors, verification_name};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// Messages waiting to be written to one connection.
pub(crate) const STREAM_QUEUE_MESSAGES: usize = 256;
/// Connections at once.
pub(crate) const CONNECTIONS_MAX: usize = 1_024;
/// Connections at once from one address.
const CONNECTIONS_PER_SOURCE_MAX: usize = 64;
/// How long a handshake or a write may take.
const STEP: Duration = Duration::from_secs(10);
/// How long making a connection may take: a caller waits for it.
const CONNECT: Duration = Duration::from_secs(4);
/// How long a message may stay unfinished.
const PARTIAL: Duration = Duration::from_secs(20);
/// How long a connection may be silent.
const IDLE: Duration = Duration::from_secs(3_900);
/// How long a connection that came in may stay without serving a trunk, a registered telephone or a call, whatever is said
/// over it. Otherwise a handful of addresses could take all there are.
const UNUSED: Duration = Duration::from_secs(60);

/// Certificates.
#[derive(Debug)]
pub(crate) struct Tls {
    server: Option<ServerTls>,
    client: Option<ClientTls>,
}

fn read(path: &Path) -> Result<Vec<u8>, SipStartError> {
    std::fs::read(path).map_err(|source| SipStartError::TlsFile {
        path: path.display().to_string(),
        source,
    })
}

impl Tls {
    pub(crate) fn load(cfg: &SipConfig) -> Result<Self, SipStartError> {
        // Several cryptographic providers may be linked; which one is used must not depend on chance. An error says
        // that one is installed already.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let material = |e: sipx_transport::tls::TlsError| SipStartError::TlsMaterial(e.to_string());
        let server = match &cfg.tls {
            None => None,
            Some(f) => {
                let identity = Identity::from_pem(&read(&f.cert)?, &read(&f.key)?).map_err(material)?;
                Some(ServerTls::new(identity).map_err(material)?)
            }
        };
        let needed = cfg.tls.is_some() || cfg.trunks.iter().any(|t| t.transport == Transport::Tls);
        let client = if needed {
            let mut anchors = TrustAnchors::system();
            if let Some(ca) = cfg.tls.as_ref().and_then(|f| f.ca.as_ref()) {
                anchors.add_pem(&read(ca)?).map_err(material)?;
            }
            // A machine without trust anchors can still be rung over TLS; it only cannot ring out by it.
            ClientTls::new(&anchors).ok()
        } else {
            None
        };
        Ok(Self { server, client })
    }

    pub(crate) const fn can_accept(&self) -> bool {
        self.server.is_some()
    }
}

#[derive(Debug)]
struct Connection {
    queue: mpsc::Sender<Bytes>,
    remote: SocketAddr,
    transport: Transport,
    task: Option<AbortHandle>,
    /// Requests that wait for a connection being made; `None` once it is. When it cannot be made they are told at once
    /// instead of after 32 s.
    opening: Option<Vec<TransactionKey>>,
}

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    all: HashMap<u64, Connection>,
    next: u64,
}

impl Connections {
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn abort_all(&mut self) {
        for c in self.all.values() {
            if let Some(t) = &c.task {
                t.abort();
            }
        }
        self.all.clear();
    }

    fn find(&self, hop: &Hop) -> Option<u64> {
        if let Some(id) = hop.conn.filter(|id| self.all.contains_key(id)) {
            return Some(id);
        }
        if hop.transport.is_websocket() {
            // Browsers behind one proxy may share an address; only the connection itself is theirs.
            return None;
        }
        self.all
            .iter()
            .find(|(_, c)| c.remote == hop.remote && c.transport == hop.transport)
            .map(|(id, _)| *id)
    }

    pub(super) fn add(
        &mut self,
        transport: Transport,
        remote: SocketAddr,
    ) -> Option<(u64, mpsc::Receiver<Bytes>)> {
        let host = crate::registrar::host_of(remote.ip());
        let same = self
            .all
            .values()
            .filter(|c| crate::registrar::host_of(c.remote.ip()) == host)
            .count();
        if self.all.len() >= CONNECTIONS_MAX || same >= CONNECTIONS_PER_SOURCE_MAX {
            return None;
        }
        let (queue, rx) = mpsc::channel(STREAM_QUEUE_MESSAGES);
        self.next += 1;
        let id = self.next;
        self.all.insert(
            id,
            Connection {
                queue,
                remote,
                transport,
                task: None,
                opening: None,
            },
        );
        Some((id, rx))
    }

    pub(super) fn set_task(&mut self, id: u64, task: AbortHandle) {
        if let Some(c) = self.all.get_mut(&id) {
            c.task = Some(task);
        }
    }

    /// Queues a message on a connection that is there.
    pub(super) fn push(&self, id: u64, bytes: Bytes) -> bool {
        self.all.get(&id).is_some_and(|c| c.queue.try_send(bytes).is_ok())
    }
}

/// Queues bytes on the connection of a hop, opening one if there is none.
pub(super) fn send(
    shared: &Arc<Shared>,
    state: &mut State,
    hop: &Hop,
    bytes: Bytes,
    key: Option<&TransactionKey>,
) -> bool {
    if let Some(id) = state.connections.find(hop) {
        let Some(c) = state.connections.all.get_mut(&id) else {
            return false;
        };
        if c.queue.try_send(bytes).is_ok() {
            if let (Some(keys), Some(key)) = (&mut c.opening, key) {
                keys.push(key.clone());
            }
            return true;
        }
        if let Some(c) = state.connections.all.remove(&id) {
            if let Some(t) = c.task {
                t.abort();
            }
            let now = shared.now();
            state.core.flow_lost(now, id, c.remote);
        }
        return false;
    }
    if hop.transport.is_websocket() {
        return false;
    }
    let Some((id, rx)) = state.connections.add(hop.transport, hop.remote) else {
        return false;
    };
    if let Some(c) = state.connections.all.get_mut(&id) {
        let _ = c.queue.try_send(bytes);
        c.opening = Some(key.into_iter().cloned().collect());
        let task = open(Arc::clone(shared), id, hop.clone(), rx);
        c.task = Some(tokio::spawn(task).abort_handle());
    }
    true
}

/// Connects, then serves.
async fn open(shared: Arc<Shared>, id: u64, hop: Hop, rx: mpsc::Receiver<Bytes>) {
    let connect = tokio::time::timeout(CONNECT, TcpStream::connect(hop.remote));
    if let Ok(Ok(tcp)) = connect.await {
        let _ = tcp.set_nodelay(true);
        let connected = |shared: &Arc<Shared>| {
            if let Some(c) = shared.lock().connections.all.get_mut(&id) {
                c.opening = None;
            }
        };
        match hop.transport {
            Transport::Tls => {
                let name = hop.server_name.as_deref().map(ToOwned::to_owned);
                let name = name.unwrap_or_else(|| hop.remote.ip().to_string());
                if let (Some(tls), Ok(name)) = (&shared.tls.client, verification_name(&name)) {
                    let shake = tls.connector().connect(name, tcp);
                    if let Ok(Ok(s)) = tokio::time::timeout(STEP, shake).await {
                        connected(&shared);
                        serve(&shared, id, &hop, s, rx, false).await;
                    }
                }
            }
            _ => {
                connected(&shared);
                serve(&shared, id, &hop, tcp, rx, false).await;
            }
        }
    }
    close(&shared, id);
}

pub(super) fn close(shared: &Arc<Shared>, id: u64) {
    let mut state = shared.lock();
    if let Some(c) = state.connections.all.remove(&id) {
        let now = shared.now();
        state.core.flow_lost(now, id, c.remote);
        for key in c.opening.into_iter().flatten() {
            state.core.send_failed(now, &key);
        }
        shared.flush(&mut state);
    }
}

/// Takes connections in.
pub(super) async fn accept(shared: Arc<Shared>, index: usize, listener: TcpListener) {
    let transport = shared.bound[index].transport;
    loop {
        let Ok((tcp, remote)) = listener.accept().await else {
            // Out of file descriptors, as a rule: give others time to close theirs.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = tcp.set_nodelay(true);
        let mut state = shared.lock();
        let Some((id, rx)) = state.connections.add(transport, remote) else {
            continue;
        };
        let hop = Hop {
            transport,
            remote,
            local: shared.local_for(transport, index, remote),
            socket: index,
            conn: Some(id),
            server_name: None,
        };
        let task = {
            let shared = Arc::clone(&shared);
            async move {
                match (transport, &shared.tls.server) {
                    (Transport::Tls, Some(tls)) => {
                        let shake = tls.acceptor().accept(tcp);
                        if let Ok(Ok(s)) = tokio::time::timeout(STEP, shake).await {
                            serve(&shared, id, &hop, s, rx, true).await;
                        }
                    }
                    _ => serve(&shared, id, &hop, tcp, rx, true).await,
                }
                close(&shared, id);
            }
        };
        let handle = tokio::spawn(task).abort_handle();
        if let Some(c) = state.connections.all.get_mut(&id) {
            c.task = Some(handle);
        }
    }
}

/// Reads and writes until either end is done.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Arc<Shared>,
    id: u64,
    hop: &Hop,
    mut stream: S,
    mut rx: mpsc::Receiver<Bytes>,
    came_in: bool,
) {
    let hop = Hop {
        conn: Some(id),
        ..hop.clone()
    };
    let mut framer = Framer::default();
    let mut buf = vec![0u8; 16 * 1024];
    let mut partial_since: Option<Instant> = None;
    let mut heard = Instant::now();
    let mut probation = tokio::time::interval_at((heard + UNUSED).into(), UNUSED);
    loop {
        let patience = match partial_since {
            Some(t) => PARTIAL.saturating_sub(t.elapsed()),
            None => IDLE.saturating_sub(heard.elapsed()),
        };
        tokio::select! {
            read = stream.read(&mut buf) => {
                let n = match read {
                    Ok(0) | Err(_) => return,
                    Ok(n) => n,
                };
                let at = Instant::now();
                heard = at;
                framer.push(&buf[..n]);
                while let Some(frame) = framer.next() {
                    partial_since = None;
                    match frame {
                        Frame::Message(raw) => shared.receive(at, &hop, &raw),
                        Frame::Ping => {
                            if !write(&mut stream, b"\r\n").await {
                                return;
                            }
                        }
                        Frame::Lost(raw) => {
                            shared.receive(at, &hop, &raw);
                            while let Ok(bytes) = rx.try_recv() {
                                if !write(&mut stream, &bytes).await {
                                    return;
                                }
                            }
                            let _ = stream.shutdown().await;
                            return;
                        }
                        Frame::TooLong => return,
                    }
                }
                partial_since = (framer.pending() > 4).then(|| partial_since.unwrap_or(at));
            }
            bytes = rx.recv() => {
                let Some(bytes) = bytes else { return };
                if !write(&mut stream, &bytes).await {
                    return;
                }
            }
            _ = probation.tick(), if came_in => {
                if !shared.lock().core.is_used(&hop) {
                    return;
                }
            }
            () = tokio::time::sleep(patience) => return,
        }
    }
}

async fn write<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> bool {
    let all = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    matches!(tokio::time::timeout(STEP, all).await, Ok(Ok(())))
}
