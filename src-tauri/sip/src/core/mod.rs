//! The sans-IO heart: messages, commands and time in, [`Output`]s out.

mod commands;
mod dial;
mod inbound;
mod indialog;
mod limit;
mod outbound;
mod register;
mod session;
mod timers;

pub(crate) use timers::{ContactTimer, LegTimer, TimerKey, TrunkTimer};

use crate::config::SipConfig;
use crate::dialog::{Call, Phase};
use crate::event::{ContactId, EndWhy, OfferToken, SipCounters, SipEvent};
use crate::gate::{self, Verdict};
use crate::registrar::Registry;
use crate::trunk::Trunk;
use crate::wire::{self, Hop};
use anteroom_types::{LegId, Mono, Wall};
use bytes::Bytes;
use limit::Limiter;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sipx_sip::{
    Header, HeaderName, Message, Method, Request, Response, Timers, TransactionKey, TransactionLayer, TuEvent,
};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::TimerTable;

/// Events kept for an application that does not take them; see the crate's table of queues.
pub(crate) const EVENTS_PENDING_MAX: usize = 8_192;
/// Server transactions at once. Beyond it new requests are answered 503 without state.
const SERVER_TRANSACTIONS_MAX: usize = 20_000;

/// What the core wants done.
#[derive(Debug)]
pub(crate) enum Output {
    /// Send these bytes; if that fails for certain, say so with the key.
    Send {
        hop: Hop,
        bytes: Bytes,
        key: Option<Box<TransactionKey>>,
    },
    /// Tell the application.
    Event(Box<SipEvent>),
    /// Find where this URI is.
    Resolve {
        id: ResolveId,
        uri: String,
        transport: Option<crate::config::Transport>,
    },
}

/// Who asked for a name to be resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ResolveId {
    Leg(LegId),
    Trunk(usize),
}

/// A request of theirs being handled.
#[derive(Debug)]
struct ServerCtx {
    hop: Hop,
    to_tag: Bytes,
    merge: Option<MergeKey>,
    /// Who proved to have sent it.
    user: Option<Arc<str>>,
}

/// What makes two requests the same one by two ways (RFC 3261 8.2.2.2).
type MergeKey = (Bytes, Bytes, u32, Vec<u8>);

/// What a request of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Invite(LegId),
    Reinvite(LegId),
    Update(LegId),
    Bye(LegId),
    Cancel,
    Prack(LegId),
    Info(LegId),
    Register(usize),
    Probe(usize),
    /// OPTIONS to a registered contact.
    Ping(ContactId),
    /// A BYE for a branch of a fork nobody wants.
    Stray,
}

#[derive(Debug, Clone)]
struct ClientCtx {
    hop: Hop,
    purpose: Purpose,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) cfg: Arc<SipConfig>,
    pub(crate) now: Mono,
    wall0: Wall,
    rng: StdRng,
    key: u64,
    tx: TransactionLayer,
    t: Timers,
    timers: TimerTable,
    servers: HashMap<TransactionKey, ServerCtx>,
    clients: HashMap<TransactionKey, ClientCtx>,
    merged: HashMap<MergeKey, TransactionKey>,
    calls: HashMap<LegId, Call>,
    /// By Call-ID and our tag.
    dialogs: HashMap<(Bytes, Bytes), LegId>,
    pub(crate) trunks: Vec<Trunk>,
    pub(crate) registry: Option<Registry>,
    limiter: Limiter,
    out: VecDeque<Output>,
    pub(crate) counters: SipCounters,
    pub(crate) draining: bool,
    /// Set by the driver while events wait for the application.
    pub(crate) overloaded: bool,
    pub(crate) limit: usize,
    tokens: u64,
    received: Option<Instant>,
}

impl Core {
    /// A core whose random choices follow from `seed`. `wall0` is the wall clock at `Mono(0)`.
    pub(crate) fn new(cfg: Arc<SipConfig>, seed: u64, wall0: Wall) -> Self {
        let t = Timers::default();
        let mut rng = StdRng::seed_from_u64(seed);
        let trunks = cfg
            .trunks
            .iter()
            .map(|c| Trunk::new(c.clone(), &mut rng))
            .collect();
        let registry = cfg.registrar.clone().map(|c| Registry::new(c, &mut rng));
        Self {
            now: Mono(0),
            wall0,
            key: rng.random(),
            rng,
            tx: TransactionLayer::new(t),
            t,
            timers: TimerTable::default(),
            servers: HashMap::new(),
            clients: HashMap::new(),
            merged: HashMap::new(),
            calls: HashMap::new(),
            dialogs: HashMap::new(),
            trunks,
            registry,
            limiter: Limiter::new(cfg.rate),
            out: VecDeque::new(),
            counters: SipCounters::default(),
            draining: false,
            overloaded: false,
            limit: cfg.calls_max,
            tokens: 0,
            received: None,
            cfg,
        }
    }

    /// The next output.
    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// When [`Core::on_timeout`] wants to be called next.
    pub(crate) fn next_timeout(&self) -> Option<Mono> {
        self.timers.next()
    }

    /// Lets time pass.
    pub(crate) fn on_timeout(&mut self, now: Mono) {
        self.now = self.now.max(now);
        while let Some(key) = self.timers.due(self.now) {
            match key {
                TimerKey::Transaction(key, timer, server) => {
                    let outputs = self.tx.on_timer(&key, timer);
                    self.run(&key, server, outputs);
                }
                TimerKey::Leg(leg, timer) => self.on_leg_timer(leg, timer),
                TimerKey::Trunk(i, timer) => self.on_trunk_timer(i, timer),
                TimerKey::Contact(id, timer) => self.on_contact_timer(id, timer),
            }
        }
    }

    /// Bytes came.
    pub(crate) fn receive(&mut self, now: Mono, at: Instant, hop: &Hop, raw: &Bytes) {
        self.now = self.now.max(now);
        self.received = Some(at);
        self.counters.messages_in += 1;
        match gate::examine(raw, hop.remote, self.key) {
            Verdict::Request(r) => self.on_request(hop, *r),
            Verdict::Response(r) => {
                let dispatch = self.tx.receive(Message::Response(*r), hop.reliability());
                if let sipx_sip::transaction::Dispatch::Matched { key, outputs } = dispatch {
                    // What answered over a stream is where we are connected to.
                    if let (Some(c), Some(conn)) = (self.clients.get_mut(&key), hop.conn) {
                        c.hop.conn = Some(conn);
                    }
                    self.run(&key, false, outputs);
                } else {
                    self.counters.dropped += 1;
                }
            }
            Verdict::Refuse(bytes) => {
                self.counters.malformed += 1;
                if self.limiter.take(hop.remote.ip(), self.now) {
                    self.transmit(hop, bytes, None);
                } else {
                    self.counters.rate_limited += 1;
                }
            }
            Verdict::KeepAlive => {}
            Verdict::Drop => {
                self.counters.dropped += 1;
            }
        }
    }

    /// What was asked to be sent certainly was not.
    pub(crate) fn send_failed(&mut self, now: Mono, key: &TransactionKey) {
        self.now = self.now.max(now);
        let server = self.servers.contains_key(key);
        let outputs = self.tx.on_transport_error(key);
        self.run(key, server, outputs);
    }

    pub(crate) fn transmit(&mut self, hop: &Hop, bytes: Bytes, key: Option<TransactionKey>) {
        self.counters.messages_out += 1;
        self.out.push_back(Output::Send {
            hop: hop.clone(),
            bytes,
            key: key.map(Box::new),
        });
    }

    pub(crate) fn emit(&mut self, event: SipEvent) {
        self.out.push_back(Output::Event(Box::new(event)));
    }

    pub(crate) fn ask(&mut self, id: ResolveId, uri: String, transport: Option<crate::config::Transport>) {
        self.out.push_back(Output::Resolve { id, uri, transport });
    }

    /// Counters with their gauges.
    pub(crate) fn counts(&self) -> SipCounters {
        let mut c = self.counters;
        c.calls = self.active() as u64;
        if let Some(r) = &self.registry {
            c.contacts = r.bindings.iter().count() as u64;
            c.bans = r.guard.bans;
        }
        let (a, b) = self.tx.len();
        c.transactions = (a + b) as u64;
        c
    }

    /// Calls that count against the limit.
    fn active(&self) -> usize {
        self.calls.values().filter(|c| !c.told).count()
    }

    /// Whether calls or requests of ours are still to be finished.
    pub(crate) fn is_busy(&self) -> bool {
        !self.calls.is_empty() || self.trunks.iter().any(Trunk::is_asking)
    }

    /// Whether nothing is left to be kept in memory. For tests.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.dialogs.is_empty()
            && self.tx.is_empty()
            && self.servers.is_empty()
            && self.clients.is_empty()
            && self.merged.is_empty()
    }

    // Randomness.

    fn tag(&mut self) -> Bytes {
        format!("{:016x}", self.rng.random::<u64>()).into()
    }

    pub(crate) fn branch(&mut self) -> String {
        format!("z9hG4bK{:032x}", self.rng.random::<u128>())
    }

    pub(crate) fn call_id(&mut self) -> Bytes {
        format!("{:032x}", self.rng.random::<u128>()).into()
    }

    fn new_leg(&mut self) -> LegId {
        let ms = i64::try_from(self.now.as_ms()).unwrap_or(0);
        LegId::new(Wall(self.wall0.0.saturating_add(ms)), self.rng.random())
    }

    fn token(&mut self) -> OfferToken {
        self.tokens += 1;
        OfferToken(self.tokens)
    }

    pub(crate) fn random_ms(&mut self, from: u64, to: u64) -> u64 {
        self.rng.random_range(from..=to)
    }

    // Timers.

    pub(crate) fn set_timer(&mut self, key: TimerKey, after: Duration) {
        self.timers.set(key, self.now + after);
    }

    pub(crate) fn clear_timer(&mut self, key: &TimerKey) {
        self.timers.clear(key);
    }

    fn leg_timer(&mut self, leg: LegId, timer: LegTimer, after: Duration) {
        self.set_timer(TimerKey::Leg(leg, timer), after);
    }

    fn clear_leg_timer(&mut self, leg: LegId, timer: LegTimer) {
        self.timers.clear(&TimerKey::Leg(leg, timer));
    }

    // Transactions.

    /// Does what a transaction asks for.
    fn run(&mut self, key: &TransactionKey, server: bool, outputs: Vec<sipx_sip::Output>) {
        for output in outputs {
            match output {
                sipx_sip::Output::Send(message) => {
                    let hop = if server {
                        self.servers.get(key).map(|c| c.hop.clone())
                    } else {
                        self.clients.get(key).map(|c| c.hop.clone())
                    };
                    if let Some(hop) = hop {
                        self.transmit(&hop, wire::bytes(&message), Some(key.clone()));
                    }
                }
                sipx_sip::Output::SetTimer { timer, after } => {
                    self.set_timer(TimerKey::Transaction(key.clone(), timer, server), after);
                }
                sipx_sip::Output::ClearTimer(timer) => {
                    self.timers
                        .clear(&TimerKey::Transaction(key.clone(), timer, server));
                }
                sipx_sip::Output::ToTu(event) => self.on_tu(key, server, *event),
                sipx_sip::Output::Terminated(_) => self.forget(key, server),
                _ => {}
            }
        }
    }

    fn forget(&mut self, key: &TransactionKey, server: bool) {
        for t in sipx_sip::Timer::ALL {
            self.timers.clear(&TimerKey::Transaction(key.clone(), t, server));
        }
        if server {
            if let Some(ctx) = self.servers.remove(key)
                && let Some(m) = ctx.merge
            {
                self.merged.remove(&m);
            }
        } else {
            self.clients.remove(key);
        }
    }

    fn on_tu(&mut self, key: &TransactionKey, server: bool, event: TuEvent) {
        match (server, event) {
            (true, TuEvent::Request(r)) => self.dispatch(key, &r),
            (true, TuEvent::Ack(r)) => self.on_ack(&r),
            (false, TuEvent::Response(r)) => self.on_response(key, &r),
            (false, TuEvent::Timeout | TuEvent::TransportError) => self.on_silence(key),
            _ => {}
        }
    }

    /// Sends a response in its transaction.
    fn respond(&mut self, key: &TransactionKey, response: Response) {
        let outputs = self.tx.send_response(key, response);
        self.run(key, true, outputs);
    }

    /// A response to the request of a server transaction, to be completed.
    fn build(&self, key: &TransactionKey, status: u16) -> Option<Response> {
        let request = self.tx.server_request(key)?;
        let tag = &self.servers.get(key)?.to_tag;
        let mut r = wire::response(request, status, (status > 100).then_some(tag.as_ref()));
        if status >= 200 && !self.cfg.user_agent.is_empty() {
            wire::push(&mut r.headers, HeaderName::Server, self.cfg.user_agent.clone());
        }
        Some(r)
    }

    /// Responds with a status and headers.
    fn reply(&mut self, key: &TransactionKey, status: u16, headers: &[(HeaderName, String)]) {
        if let Some(mut r) = self.build(key, status) {
            for (n, v) in headers {
                wire::set(&mut r.headers, n.clone(), v.clone());
            }
            self.respond(key, r);
        }
    }

    /// Responds without keeping state.
    fn reply_stateless(
        &mut self,
        hop: &Hop,
        request: &Request,
        status: u16,
        headers: &[(HeaderName, String)],
    ) {
        if request.method == Method::Ack {
            return;
        }
        let tag = gate::stateless_tag(&request.headers, self.key);
        let mut r = wire::response(request, status, Some(tag.as_bytes()));
        for (n, v) in headers {
            wire::push(&mut r.headers, n.clone(), v.clone());
        }
        self.transmit(hop, wire::bytes(&Message::Response(r)), None);
    }

    fn retry_after(&self) -> [(HeaderName, String); 1] {
        [(HeaderName::RetryAfter, self.cfg.retry_after_s.to_string())]
    }

    /// Starts a client transaction.
    pub(crate) fn send_request(
        &mut self,
        mut request: Request,
        hop: Hop,
        purpose: Purpose,
    ) -> Option<TransactionKey> {
        if !self.cfg.user_agent.is_empty() && request.headers.get(&HeaderName::UserAgent).is_none() {
            wire::push(
                &mut request.headers,
                HeaderName::UserAgent,
                self.cfg.user_agent.clone(),
            );
        }
        let reliability = hop.reliability();
        let key = TransactionKey::from_sent_request(&request)?;
        self.clients.insert(key.clone(), ClientCtx { hop, purpose });
        match self.tx.send_request(request, reliability) {
            Some((key, outputs)) => {
                self.run(&key, false, outputs);
                Some(key)
            }
            None => {
                self.clients.remove(&key);
                None
            }
        }
    }

    /// The same request with a new branch and CSeq and the credentials a challenge asks for (RFC 3261 22). `None` when
    /// there is no challenge we can answer, or the answer was already refused.
    pub(crate) fn authorise(
        &mut self,
        request: &Request,
        response: &Response,
        user: &str,
        password: &str,
        seq: u32,
    ) -> Option<Request> {
        use sipx_sip::auth::{Challenge, Credentials, respond, strongest};
        let mut challenges = Vec::new();
        for (name, proxy) in [
            (HeaderName::WwwAuthenticate, false),
            (HeaderName::ProxyAuthenticate, true),
        ] {
            for h in response.headers.get_all(&name) {
                challenges.extend(Challenge::parse(&h.value(), proxy));
            }
        }
        let challenge = strongest(challenges)?;
        let header = challenge.response_header();
        if request.headers.get(&header).is_some() && !challenge.stale {
            return None;
        }
        let cnonce = format!("{:016x}", self.rng.random::<u64>());
        let uri = String::from_utf8_lossy(&request.uri.to_bytes()).into_owned();
        let value = respond(
            &challenge,
            &Credentials::new(user, password),
            &request.method.to_string(),
            &uri,
            1,
            &cnonce,
        );
        let mut again = self.again(request, seq);
        wire::set(&mut again.headers, header, value);
        Some(again)
    }

    /// The same request with a new branch and this CSeq.
    pub(crate) fn again(&mut self, request: &Request, seq: u32) -> Request {
        let branch = self.branch();
        let mut again = request.clone();
        if let Some(via) = wire::value(&request.headers, &HeaderName::Via) {
            let text = String::from_utf8_lossy(&via).into_owned();
            let head = text.split(';').next().unwrap_or_default().to_owned();
            again.headers.remove_first(&HeaderName::Via);
            if let Ok(h) = Header::build(HeaderName::Via, format!("{head};branch={branch};rport")) {
                again.headers.push_front(h);
            }
        }
        wire::set(
            &mut again.headers,
            HeaderName::CSeq,
            format!("{seq} {}", request.method),
        );
        again
    }

    // Legs.

    /// Runs `f` on a leg that is taken out of the table meanwhile, so that `f` may use the rest of the core.
    fn with_call<R>(&mut self, leg: LegId, f: impl FnOnce(&mut Self, &mut Call) -> R) -> Option<R> {
        let mut call = self.calls.remove(&leg)?;
        let out = f(self, &mut call);
        if call.dead {
            self.timers.clear_leg(leg);
            self.abandon_invites(leg);
            self.dialogs
                .remove(&(call.dialog.call_id.clone(), call.dialog.local_tag.clone()));
        } else {
            self.calls.insert(leg, call);
        }
        Some(out)
    }

    /// An INVITE of ours that got a provisional response has no time-out of its own (RFC 3261 17.1.1.2).
    fn abandon_invites(&mut self, leg: LegId) {
        let keys: Vec<TransactionKey> = self
            .clients
            .iter()
            .filter(|(k, c)| {
                matches!(c.purpose, Purpose::Invite(l) | Purpose::Reinvite(l) if l == leg)
                    && self.tx.client_state(k) == Some(sipx_sip::transaction::ClientState::Proceeding)
            })
            .map(|(k, _)| k.clone())
            .collect();
        for key in keys {
            let _ = self.tx.on_transport_error(&key);
            self.forget(&key, false);
        }
    }

    fn add_call(&mut self, call: Call) {
        self.dialogs.insert(
            (call.dialog.call_id.clone(), call.dialog.local_tag.clone()),
            call.leg,
        );
        self.calls.insert(call.leg, call);
    }

    /// Tells that a leg ended, once.
    fn end(&mut self, call: &mut Call, why: EndWhy) {
        if !call.told {
            call.told = true;
            self.emit(SipEvent::Ended { leg: call.leg, why });
        }
    }

    /// Ends a leg and forgets it.
    fn kill(&mut self, call: &mut Call, why: EndWhy) {
        self.end(call, why);
        call.dead = true;
    }

    fn next_token(&mut self) -> OfferToken {
        self.token()
    }

    fn hop_for(&self, call: &Call) -> Hop {
        inbound::dialog_hop(&call.dialog)
    }

    /// Which trunk a message came by.
    pub(crate) fn trunk_of(&self, hop: &Hop) -> Option<usize> {
        self.trunks.iter().position(|t| t.owns(hop))
    }

    fn is_confirmed(call: &Call) -> bool {
        matches!(call.phase, Phase::Confirmed(_))
    }

    /// A connection is gone: trunks that used it register again at once.
    pub(crate) fn flow_lost(&mut self, now: Mono, conn: u64, remote: SocketAddr) {
        self.now = self.now.max(now);
        self.contacts_lost(conn, remote);
        for i in 0..self.trunks.len() {
            if self.trunks[i].lost(conn) {
                let after = self.random_ms(100, 1_000);
                self.set_timer(TimerKey::Trunk(i, TrunkTimer::Act), Duration::from_millis(after));
            }
        }
        for call in self.calls.values_mut() {
            if call.dialog.hop.conn == Some(conn) {
                call.dialog.hop.conn = None;
            }
        }
    }
}

#[cfg(test)]
mod simulation;
