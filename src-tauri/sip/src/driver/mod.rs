//! Sockets, tasks and the clock around the core.
//!
//! The core sits under one mutex. It does only computation and every step is short, so whoever has bytes, a command or
//! a timer takes the lock, lets the core work, and hands out what it wants sent before letting go: order is kept and no
//! queue stands between the parts. Nothing awaits under the lock.

mod check;
mod resolve;
mod stream;
mod websocket;

use crate::config::{SipConfig, Transport};
use crate::core::{Core, EVENTS_PENDING_MAX, Output};
use crate::error::{SipCommandError, SipStartError};
use crate::event::{
    CancelReason, Contact, DialRequest, OfferToken, ReferToken, SipCounters, SipEvent, TrunkState,
};
use crate::registrar::SipUser;
use crate::wire::Hop;
use anteroom_types::{CallId, LegId, Mono, Wall};
use bytes::Bytes;
use resolve::Names;
use sipx_sip::TransactionKey;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};
use stream::{Connections, Tls};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
pub use websocket::WebSocketFlow;

/// A socket that listens.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) transport: Transport,
    pub(crate) addr: SocketAddr,
    udp: Option<Arc<UdpSocket>>,
}

/// What is under the lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) core: Core,
    pending: VecDeque<SipEvent>,
    pub(crate) connections: Connections,
    wake_at: Option<Mono>,
}

/// What all tasks share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) cfg: Arc<SipConfig>,
    state: Mutex<State>,
    pub(crate) bound: Vec<Bound>,
    events: mpsc::Sender<SipEvent>,
    epoch: Instant,
    timer: Notify,
    waiting: Notify,
    pub(crate) names: Names,
    pub(crate) tls: Tls,
}

/// A running user agent. Dropping it closes its sockets; [`Sip::stop`] says goodbye first.
#[derive(Debug)]
pub struct Sip {
    shared: Arc<Shared>,
    tasks: Vec<AbortHandle>,
}

impl Sip {
    /// Whether it would start with these settings, as far as can be told without opening a socket: what they say, and the
    /// TLS files they name.
    ///
    /// # Errors
    /// As [`Sip::start`].
    pub fn check(cfg: &SipConfig) -> Result<(), SipStartError> {
        Self::ready(cfg).map(drop)
    }

    fn ready(cfg: &SipConfig) -> Result<Tls, SipStartError> {
        check::check(cfg)?;
        let tls = Tls::load(cfg)?;
        if cfg.listen.iter().any(|l| l.transport == Transport::Tls) && !tls.can_accept() {
            return Err(SipStartError::TlsMissing);
        }
        Ok(tls)
    }

    /// Opens the sockets and starts. Events go to `events`; see the crate for what happens when it is full.
    ///
    /// # Errors
    /// When a setting contradicts itself, a file cannot be used, or an address cannot be listened on.
    pub async fn start(cfg: SipConfig, events: mpsc::Sender<SipEvent>) -> Result<Self, SipStartError> {
        let tls = Self::ready(&cfg)?;
        let mut bound = Vec::new();
        let mut listeners = Vec::new();
        for l in &cfg.listen {
            let failed = |source| SipStartError::Listen {
                transport: l.transport.as_str(),
                addr: l.addr,
                source,
            };
            if l.transport == Transport::Udp {
                let socket = UdpSocket::bind(l.addr).await.map_err(failed)?;
                // Otherwise the first datagrams would find the socket not yet known to be writable, and be left to
                // retransmission: half a second for the first call.
                socket.writable().await.map_err(failed)?;
                bound.push(Bound {
                    transport: l.transport,
                    addr: socket.local_addr().map_err(failed)?,
                    udp: Some(Arc::new(socket)),
                });
            } else {
                let listener = TcpListener::bind(l.addr).await.map_err(failed)?;
                let addr = listener.local_addr().map_err(failed)?;
                listeners.push((listener, bound.len()));
                bound.push(Bound {
                    transport: l.transport,
                    addr,
                    udp: None,
                });
            }
        }
        let wall = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0));
        let cfg = Arc::new(cfg);
        let core = Core::new(Arc::clone(&cfg), rand::random(), Wall(wall));
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                core,
                pending: VecDeque::new(),
                connections: Connections::default(),
                wake_at: None,
            }),
            names: Names::new(),
            tls,
            bound,
            events,
            epoch: Instant::now(),
            timer: Notify::new(),
            waiting: Notify::new(),
            cfg,
        });
        let mut tasks = Vec::new();
        for (i, b) in shared.bound.iter().enumerate() {
            if let Some(socket) = &b.udp {
                let task = read_datagrams(Arc::clone(&shared), i, Arc::clone(socket));
                tasks.push(tokio::spawn(task).abort_handle());
            }
        }
        for (listener, i) in listeners {
            let task = stream::accept(Arc::clone(&shared), i, listener);
            tasks.push(tokio::spawn(task).abort_handle());
        }
        tasks.push(tokio::spawn(run_timers(Arc::clone(&shared))).abort_handle());
        tasks.push(tokio::spawn(deliver(Arc::clone(&shared))).abort_handle());
        shared.with_core(Core::start_trunks);
        Ok(Self { shared, tasks })
    }

    /// What is listened on, in the order of the configuration.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<(Transport, SocketAddr)> {
        self.shared.bound.iter().map(|b| (b.transport, b.addr)).collect()
    }

    /// Says to which call an incoming leg of a user of ours belongs, so that a page of ours finds it: in the header
    /// `X-Anteroom-Call` of every response from now on. Legs of others are told nothing.
    ///
    /// # Errors
    /// When the leg is unknown or answered.
    pub fn belongs_to(&self, leg: LegId, call: CallId) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.belongs_to(leg, call))
    }

    /// Answers an incoming leg with 200 and our description: the answer to its offer, or our offer.
    ///
    /// # Errors
    /// When the leg is unknown or already answered.
    pub fn answer(&self, leg: LegId, sdp: impl Into<String>) -> Result<(), SipCommandError> {
        let sdp = sdp.into();
        self.shared.with_core(|c, _| c.answer(leg, sdp))
    }

    /// Sends a provisional response, 101 to 199. With a description it is early media, sent reliably when the peer can.
    ///
    /// # Errors
    /// When the leg is unknown or answered, or the status is out of range.
    pub fn progress(&self, leg: LegId, status: u16, sdp: Option<String>) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.progress(leg, status, sdp))
    }

    /// Refuses an incoming leg with a final status, 300 to 699.
    ///
    /// # Errors
    /// When the leg is unknown or answered, or the status is out of range.
    pub fn reject(&self, leg: LegId, status: u16, retry_after_s: Option<u32>) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.reject(leg, status, retry_after_s))
    }

    /// Answers an [`SipEvent::Offer`]; one without description gets our offer.
    ///
    /// # Errors
    /// When the leg is unknown, or the offer is no longer open.
    pub fn reply_offer(
        &self,
        leg: LegId,
        token: OfferToken,
        sdp: impl Into<String>,
    ) -> Result<(), SipCommandError> {
        let sdp = sdp.into();
        self.shared.with_core(|c, _| c.reply_offer(leg, token, sdp))
    }

    /// Refuses an [`SipEvent::Offer`], with 488 or 491 as a rule. The session stays as it was.
    ///
    /// # Errors
    /// When the leg is unknown, the offer is no longer open, or the status is out of range.
    pub fn reject_offer(&self, leg: LegId, token: OfferToken, status: u16) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.reject_offer(leg, token, status))
    }

    /// Hangs up, in whatever state the leg is. `Ended` follows.
    ///
    /// # Errors
    /// When the leg is unknown.
    pub fn bye(&self, leg: LegId) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.bye(leg))
    }

    /// Sends a key by INFO (application/dtmf-relay).
    ///
    /// # Errors
    /// When the leg is unknown or not established, or the key is none.
    pub fn send_info_dtmf(&self, leg: LegId, digit: char, duration_ms: u32) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.send_dtmf(leg, digit, duration_ms))
    }

    /// Places a call.
    ///
    /// # Errors
    /// When the target, sender or trunk cannot be used, the leg id is in use, or no more calls are taken.
    pub fn dial(&self, request: DialRequest) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.dial(request))
    }

    /// Gives an unanswered outgoing call up.
    ///
    /// # Errors
    /// When the leg is unknown or not an unanswered outgoing one.
    pub fn cancel(&self, leg: LegId) -> Result<(), SipCommandError> {
        self.cancel_because(leg, CancelReason::GivenUp)
    }

    /// Gives an unanswered outgoing call up and tells the telephone why (RFC 3326).
    ///
    /// # Errors
    /// When the leg is unknown or not an unanswered outgoing one.
    pub fn cancel_because(&self, leg: LegId, reason: CancelReason) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.cancel(leg, reason))
    }

    /// Accepts a [`SipEvent::Refer`] with 202. The telephone is then told how it goes by [`Sip::refer_progress`].
    ///
    /// # Errors
    /// When the leg or the transfer is unknown, or was answered already.
    pub fn refer_accept(&self, leg: LegId, token: ReferToken) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.refer_accept(leg, token))
    }

    /// Refuses a [`SipEvent::Refer`] with a status, 300 to 699; 603 as a rule.
    ///
    /// # Errors
    /// When the leg or the transfer is unknown, or was answered already.
    pub fn refer_reject(&self, leg: LegId, token: ReferToken, status: u16) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.refer_reject(leg, token, status))
    }

    /// Tells how an accepted transfer goes, with the status the call to its target met: 180 rings, 200 answered, others
    /// failed. A status from 200 on is the last. After a success the leg that transferred is hung up by either side.
    ///
    /// # Errors
    /// When the leg or the transfer is unknown, or it was not accepted before.
    pub fn refer_progress(&self, leg: LegId, token: ReferToken, status: u16) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.refer_progress(leg, token, status))
    }

    /// Offers a new description by re-INVITE; glare is resolved by trying again. `Answer` or `OfferRejected` follows.
    ///
    /// # Errors
    /// When the leg is unknown or not established, or an offer is open.
    pub fn reinvite(&self, leg: LegId, sdp: impl Into<String>) -> Result<(), SipCommandError> {
        let sdp = sdp.into();
        self.shared.with_core(|c, _| c.reinvite(leg, sdp))
    }

    /// From now on new INVITEs get 503 with Retry-After. Calls in progress are not touched.
    pub fn drain(&self) {
        self.shared.with_core(|c, _| c.draining = true);
    }

    /// Takes calls again after [`Sip::drain`].
    pub fn resume(&self) {
        self.shared.with_core(|c, _| c.draining = false);
    }

    /// Sets how many calls are taken at once. Calls in progress are not touched.
    pub fn set_admission(&self, calls_max: usize) {
        self.shared.with_core(|c, _| c.limit = calls_max);
    }

    /// Replaces who may register and call. Contacts of users who are gone or have another password are dropped.
    ///
    /// # Errors
    /// When there is no registrar, too many users, or a name or hash that cannot be one.
    pub fn set_users(&self, users: Vec<SipUser>) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.set_users(users))
    }

    /// Sets what a user's message lamps show: voice messages not heard yet, and heard. Telephones are told at once, those
    /// that subscribed (RFC 3842) and those that only registered.
    ///
    /// # Errors
    /// When there is no registrar or no such user.
    pub fn set_mwi(&self, user: &str, new: u32, old: u32) -> Result<(), SipCommandError> {
        self.shared.with_core(|c, _| c.set_mwi(user, new, old))
    }

    /// Where a user is registered.
    #[must_use]
    pub fn contacts(&self, user: &str) -> Vec<Contact> {
        self.shared.with_core(|c, _| c.contacts(Some(user)))
    }

    /// All contacts of all users.
    #[must_use]
    pub fn registrations(&self) -> Vec<Contact> {
        self.shared.with_core(|c, _| c.contacts(None))
    }

    /// Takes a WebSocket in that the web server has accepted with the subprotocol `sip` (RFC 7118). `peer` is the
    /// browser's address as far as it is known, `secure` whether the socket came over TLS.
    ///
    /// To be called within a Tokio runtime.
    ///
    /// # Errors
    /// [`SipCommandError::Full`] when no more connections are taken, from that address or at all.
    pub fn websocket(&self, peer: SocketAddr, secure: bool) -> Result<WebSocketFlow, SipCommandError> {
        websocket::open(&self.shared, peer, secure)
    }

    /// Counters and gauges.
    #[must_use]
    pub fn counters(&self) -> SipCounters {
        let state = self.shared.lock();
        let mut c = state.core.counts();
        c.connections = state.connections.len() as u64;
        c
    }

    /// How the trunks are, by name.
    #[must_use]
    pub fn trunk_states(&self) -> Vec<(String, TrunkState)> {
        let state = self.shared.lock();
        state
            .core
            .trunks
            .iter()
            .map(|t| (t.config.name.clone(), t.state))
            .collect()
    }

    /// Hangs up every call, takes our registrations with trunks back, and waits at most `patience` for the answers. New
    /// calls get 503 from then on; the sockets close when the value is dropped.
    pub async fn stop(&self, patience: Duration) {
        self.shared.with_core(|c, _| {
            c.draining = true;
            c.hang_up_all();
            c.unregister();
        });
        let end = Instant::now() + patience;
        while Instant::now() < end && self.shared.lock().core.is_busy() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Sip {
    fn drop(&mut self) {
        for t in &self.tasks {
            t.abort();
        }
        self.shared.lock().connections.abort_all();
    }
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Mono {
        Mono::from_duration(self.epoch.elapsed())
    }

    /// Lets the core work, then hands out what it wants done.
    pub(crate) fn with_core<R>(self: &Arc<Self>, f: impl FnOnce(&mut Core, Mono) -> R) -> R {
        let mut state = self.lock();
        let now = self.now();
        state.core.now = state.core.now.max(now);
        let out = f(&mut state.core, now);
        self.flush(&mut state);
        out
    }

    /// Bytes came. A fault of ours in handling them must cost that message, not the telephone.
    pub(crate) fn receive(self: &Arc<Self>, at: Instant, hop: &Hop, raw: &Bytes) {
        let work = std::panic::AssertUnwindSafe(|| {
            self.with_core(|core, now| core.receive(now, at, hop, raw));
        });
        if std::panic::catch_unwind(work).is_err() {
            tracing::error!(
                transport = hop.transport.as_str(),
                bytes = raw.len(),
                "a message was dropped by a fault"
            );
        }
    }

    pub(crate) fn flush(self: &Arc<Self>, state: &mut State) {
        while let Some(output) = state.core.poll() {
            match output {
                Output::Send { hop, bytes, key } => {
                    if !self.send(state, &hop, bytes, key.as_deref())
                        && let Some(key) = key
                    {
                        let now = self.now();
                        state.core.send_failed(now, &key);
                    }
                }
                Output::Event(event) => self.tell(state, *event),
                Output::Resolve { id, uri, transport } => {
                    let shared = Arc::clone(self);
                    tokio::spawn(async move {
                        let hops = resolve::find(&shared, &uri, transport).await;
                        shared.with_core(|c, now| c.resolved(now, id, hops));
                    });
                }
            }
        }
        let next = state.core.next_timeout();
        if next != state.wake_at {
            state.wake_at = next;
            self.timer.notify_one();
        }
    }

    fn tell(&self, state: &mut State, event: SipEvent) {
        if let SipEvent::Trunk { name, state } = &event {
            tracing::info!(trunk = name.as_str(), ?state, "trunk");
        }
        let event = if state.pending.is_empty() {
            match self.events.try_send(event) {
                Ok(()) => return,
                Err(mpsc::error::TrySendError::Full(e)) => e,
                Err(mpsc::error::TrySendError::Closed(_)) => {
                    state.core.counters.events_dropped += 1;
                    return;
                }
            }
        } else {
            event
        };
        if state.pending.len() >= EVENTS_PENDING_MAX {
            state.core.counters.events_dropped += 1;
            return;
        }
        state.pending.push_back(event);
        state.core.overloaded = true;
        self.waiting.notify_one();
    }

    /// Whether the bytes are on their way.
    fn send(
        self: &Arc<Self>,
        state: &mut State,
        hop: &Hop,
        bytes: Bytes,
        key: Option<&TransactionKey>,
    ) -> bool {
        if hop.transport.is_stream() {
            return stream::send(self, state, hop, bytes, key);
        }
        let socket = self.bound.get(hop.socket).and_then(|b| b.udp.as_ref());
        match socket.map(|s| s.try_send_to(&bytes, hop.remote)) {
            Some(Ok(_)) => true,
            // A full buffer, or an ICMP error of an earlier datagram: retransmission deals with both.
            Some(Err(e)) => !matches!(
                e.kind(),
                std::io::ErrorKind::InvalidInput
                    | std::io::ErrorKind::AddrNotAvailable
                    | std::io::ErrorKind::NetworkUnreachable
            ),
            None => false,
        }
    }

    /// Our address as `remote` should see it.
    pub(crate) fn local_for(&self, transport: Transport, socket: usize, remote: SocketAddr) -> SocketAddr {
        let own = self.bound.get(socket).filter(|b| b.transport == transport);
        let own = own.or_else(|| self.bound.iter().find(|b| b.transport == transport));
        let port = own.map_or(transport.default_port(), |b| b.addr.port());
        if let Some(ip) = self.cfg.advertise
            && (resolve::is_inside(ip) || !resolve::is_inside(remote.ip()))
        {
            return SocketAddr::new(ip, port);
        }
        let ip = own.map(|b| b.addr.ip()).filter(|ip| !ip.is_unspecified());
        SocketAddr::new(ip.unwrap_or_else(|| self.names.source_for(remote)), port)
    }

    /// The UDP socket to reach `remote` by.
    pub(crate) fn socket_for(&self, remote: SocketAddr) -> Option<usize> {
        let fits = |b: &Bound| {
            let ip = b.addr.ip();
            b.udp.is_some()
                && ip.is_ipv4() == remote.is_ipv4()
                && (ip.is_unspecified() || ip.is_loopback() == remote.ip().is_loopback())
        };
        let same_family = |b: &Bound| b.udp.is_some() && b.addr.is_ipv4() == remote.is_ipv4();
        self.bound
            .iter()
            .position(fits)
            .or_else(|| self.bound.iter().position(same_family))
    }
}

async fn read_datagrams(shared: Arc<Shared>, index: usize, socket: Arc<UdpSocket>) {
    let mut buf = vec![0u8; anteroom_types::limits::SIP_MESSAGE_BYTES_MAX];
    let mut locals: HashMap<IpAddr, SocketAddr> = HashMap::new();
    loop {
        let (len, remote) = match socket.recv_from(&mut buf).await {
            Ok(x) => x,
            Err(_) => {
                // An ICMP error is reported here; anything lasting must not spin.
                tokio::time::sleep(Duration::from_millis(5)).await;
                continue;
            }
        };
        let at = Instant::now();
        if locals.len() > 1_024 {
            locals.clear();
        }
        let local = *locals
            .entry(remote.ip())
            .or_insert_with(|| shared.local_for(Transport::Udp, index, remote));
        let hop = Hop {
            transport: Transport::Udp,
            remote,
            local,
            socket: index,
            conn: None,
            server_name: None,
        };
        shared.receive(at, &hop, &Bytes::copy_from_slice(&buf[..len]));
    }
}

async fn run_timers(shared: Arc<Shared>) {
    loop {
        let next = shared.lock().core.next_timeout();
        match next {
            Some(at) => {
                let at = shared.epoch + Duration::from_micros(at.0);
                tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => {
                        shared.with_core(Core::on_timeout);
                    }
                    () = shared.timer.notified() => {}
                }
            }
            None => shared.timer.notified().await,
        }
    }
}

/// Hands over events that found the application's queue full.
async fn deliver(shared: Arc<Shared>) {
    loop {
        shared.waiting.notified().await;
        loop {
            let Ok(permit) = shared.events.reserve().await else {
                return;
            };
            let mut state = shared.lock();
            match state.pending.pop_front() {
                Some(e) => permit.send(e),
                None => {
                    state.core.overloaded = false;
                    break;
                }
            }
        }
    }
}
