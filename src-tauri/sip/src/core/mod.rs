//! The sans-IO heart: messages, commands and time in, [`Output`]s out.

mod commands;
mod dial;
mod inbound;
mod indialog;
mod limit;
mod mwi;
mod outbound;
mod register;
mod session;
mod timers;
mod transact;
mod transfer;

pub use dial::is_user;

pub(crate) use timers::{ContactTimer, LegTimer, TimerKey, TrunkTimer};

use crate::config::SipConfig;
use crate::dialog::{Call, Phase};
use crate::event::{ContactId, EndWhy, OfferToken, SipCounters, SipEvent};
use crate::gate::{self, Verdict};
use crate::registrar::Registry;
use crate::stun;
use crate::trunk::Trunk;
use crate::wire::Hop;
use anteroom_types::{LegId, Mono, Wall};
use bytes::Bytes;
use limit::Limiter;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sipx_sip::{Message, Timers, TransactionKey, TransactionLayer};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use timers::TimerTable;

/// Events kept for an application that does not take them; see the crate's table of queues.
pub(crate) const EVENTS_PENDING_MAX: usize = 8_192;
/// Server transactions at once, half of it for strangers. Beyond it new requests are answered 503 without state.
const SERVER_TRANSACTIONS_MAX: usize = 20_000;

/// Legs at once, for each caller that may be there: their own, and those that ring people for them.
const LEGS_PER_CALL: usize = 8;
/// The same at the least: a machine that takes one caller still rings a whole desk.
const LEGS_MIN: usize = 64;

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
    /// The same place over a stream, for an INVITE too long for a datagram.
    Stream(LegId),
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
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// NOTIFY to a subscriber, who may be gone.
    Lamp(mwi::SubscriptionKey),
    /// NOTIFY; what it is answered with changes nothing.
    Notify,
    /// A BYE for a branch of a fork nobody wants.
    Stray,
    /// An INVITE that was given up because nothing was heard of it: whoever answers after all is told so.
    Forsaken,
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
    /// Peers that take no connections, and until when that is believed.
    no_stream: HashMap<SocketAddr, Mono>,
    lamps: mwi::Lamps,
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
            no_stream: HashMap::new(),
            lamps: mwi::Lamps::default(),
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
                TimerKey::Subscription(id) => self.end_subscription(&id),
                TimerKey::Forsaken(key) => self.abandon(&key),
            }
        }
    }

    /// Bytes came.
    pub(crate) fn receive(&mut self, now: Mono, at: Instant, hop: &Hop, raw: &Bytes) {
        self.now = self.now.max(now);
        self.received = Some(at);
        self.counters.messages_in += 1;
        if hop.conn.is_none()
            && let Some(answer) = stun::answer(raw, hop.remote)
        {
            if self.limiter.take(hop.remote.ip(), self.now) {
                self.transmit(hop, answer, None);
            } else {
                self.counters.rate_limited += 1;
            }
            return;
        }
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
        c.calls = self.calls.values().filter(|c| !c.told).count() as u64;
        if let Some(r) = &self.registry {
            c.contacts = r.bindings.iter().count() as u64;
            c.bans = r.guard.bans;
        }
        let (a, b) = self.tx.len();
        c.transactions = (a + b) as u64;
        c
    }

    /// Calls from outside: those that the limit is about.
    fn callers(&self) -> usize {
        let counts = |c: &&Call| !c.told && !c.dialled && c.device.is_none();
        self.calls.values().filter(counts).count()
    }

    /// Calls that telephones of ours place. They have a limit of their own, so that callers never keep the desk from
    /// telephoning.
    fn placed(&self) -> usize {
        let counts = |c: &&Call| !c.told && !c.dialled && c.device.is_some();
        self.calls.values().filter(counts).count()
    }

    /// Whether one more leg would be too many whatever it is for. Legs that ring people for callers are more than the
    /// callers, and a caller who is there must always reach somebody.
    fn has_too_many_legs(&self) -> bool {
        self.calls.values().filter(|c| !c.told).count()
            >= self.limit.saturating_mul(LEGS_PER_CALL).max(LEGS_MIN)
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
            self.abandon(&key);
        }
    }

    fn abandon(&mut self, key: &TransactionKey) {
        let _ = self.tx.on_transport_error(key);
        self.forget(key, false);
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
            for key in call.refers.drain(..).filter_map(|r| r.key) {
                self.reply(&key, 481, &[]);
            }
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
#[cfg(test)]
mod simulation_registrar;
