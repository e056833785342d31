//! Trunks: registration (RFC 3261 10) and OPTIONS to those known by address. Pure, as the core is.
//!
//! A registration is sent at once at start, refreshed well before it expires, and moved to the next address, then the
//! next registrar, when one fails. When all have failed the whole list is tried again after a pause that doubles up to
//! [`BACKOFF_MAX_S`], with jitter, so that a provider's restart is not met by all of its customers at once.

use crate::config::{Secret, Transport, TrunkConfig, TrunkKind};
use crate::core::{Core, Purpose, ResolveId, TimerKey, TrunkTimer};
use crate::dialog;
use crate::event::{SipEvent, TrunkDown, TrunkState};
use crate::wire::{self, Hop};
use anteroom_types::Mono;
use bytes::Bytes;
use rand::Rng;
use rand::rngs::StdRng;
use sipx_sip::headers::{Contact, Via, misc::Expires};
use sipx_sip::{HeaderName, Method, Request, Response, Uri};
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// The longest pause between two rounds of attempts.
const BACKOFF_MAX_S: u64 = 300;
/// How often a NAT's binding is kept open towards a registrar over UDP (RFC 5626 4.4.2 asks for 24 to 29 s).
const KEEPALIVE: Duration = Duration::from_secs(25);
/// Addresses remembered of a registrar, so that its calls are known as the trunk's.
const ADDRESSES_MAX: usize = 64;

/// What a trunk is doing.
#[derive(Debug)]
enum Work {
    /// Waiting for its timer.
    Idle,
    /// Waiting for a name.
    Resolving,
    /// A request is out.
    Asking,
}

/// The way a call leaves by a trunk.
pub(crate) enum WayOut {
    /// Where it is registered.
    Hop(Box<Hop>),
    /// This URI, to be resolved.
    Uri(String),
    /// Wherever the target says.
    None,
}

/// One trunk.
#[derive(Debug)]
pub(crate) struct Trunk {
    pub(crate) config: TrunkConfig,
    pub(crate) state: TrunkState,
    work: Work,
    /// Registrars still to be tried in this round, best first.
    round: VecDeque<String>,
    /// Addresses still to be tried of the present one.
    targets: VecDeque<Hop>,
    /// Where the last request went.
    hop: Option<Hop>,
    /// Addresses registrars were found at.
    known: Vec<IpAddr>,
    call_id: Bytes,
    tag: Bytes,
    seq: u32,
    expires_s: u32,
    failures: u32,
    tries: u8,
    why: TrunkDown,
    leaving: bool,
    /// Our address as its registrar sees it, when that is not our own: we are behind a NAT.
    seen: Option<SocketAddr>,
}

impl Trunk {
    pub(crate) fn new(config: TrunkConfig, rng: &mut StdRng) -> Self {
        let expires_s = match &config.kind {
            TrunkKind::Register { expires_s, .. } => (*expires_s).max(60),
            TrunkKind::Address { .. } => 0,
        };
        Self {
            config,
            state: TrunkState::Trying,
            work: Work::Idle,
            round: VecDeque::new(),
            targets: VecDeque::new(),
            hop: None,
            known: Vec::new(),
            call_id: format!("{:032x}", rng.random::<u128>()).into(),
            tag: format!("{:016x}", rng.random::<u64>()).into(),
            seq: 0,
            expires_s,
            failures: 0,
            tries: 0,
            why: TrunkDown::NoAnswer,
            leaving: false,
            seen: None,
        }
    }

    /// Whether a message that came this way is of this trunk.
    pub(crate) fn owns(&self, hop: &Hop) -> bool {
        let ip = hop.remote.ip().to_canonical();
        match &self.config.kind {
            TrunkKind::Address { peers, .. } => peers.iter().any(|p| p.contains(&ip)),
            TrunkKind::Register { peers, .. } => {
                let ours = self.hop.as_ref().and_then(|h| h.conn);
                (ours.is_some() && ours == hop.conn)
                    || self.known.contains(&ip)
                    || peers.iter().any(|p| p.contains(&ip))
            }
        }
    }

    /// The domain of the addresses of a trunk.
    pub(crate) fn domain(&self) -> String {
        match &self.config.kind {
            TrunkKind::Register {
                domain, registrars, ..
            } => domain
                .clone()
                .or_else(|| registrars.first().map(|r| host_of(&r.host).to_owned()))
                .unwrap_or_default(),
            TrunkKind::Address { target, .. } => {
                let uri = target.clone().or_else(|| self.probe_uri());
                uri.and_then(|u| Uri::parse(Bytes::from(u)).ok())
                    .and_then(|u| {
                        let port = u.port().map(|p| format!(":{p}")).unwrap_or_default();
                        u.host().map(|h| format!("{h}{port}"))
                    })
                    .unwrap_or_default()
            }
        }
    }

    pub(crate) fn credentials(&self) -> Option<(String, Secret)> {
        match &self.config.kind {
            TrunkKind::Register {
                user,
                auth_user,
                password,
                ..
            } => Some((
                auth_user.clone().unwrap_or_else(|| user.clone()),
                password.clone(),
            )),
            TrunkKind::Address { .. } => None,
        }
    }

    pub(crate) fn way_out(&self) -> WayOut {
        match (&self.config.kind, &self.hop) {
            (TrunkKind::Register { .. }, Some(hop)) => WayOut::Hop(Box::new(hop.clone())),
            (TrunkKind::Register { registrars, .. }, None) => match registrars.first() {
                Some(r) => WayOut::Uri(format!("sip:{}", r.host)),
                None => WayOut::None,
            },
            (TrunkKind::Address { .. }, _) => match self.probe_uri() {
                Some(u) => WayOut::Uri(u),
                None => WayOut::None,
            },
        }
    }

    /// Where OPTIONS go.
    fn probe_uri(&self) -> Option<String> {
        match &self.config.kind {
            TrunkKind::Address { target: Some(t), .. } => Some(t.clone()),
            TrunkKind::Address { peers, .. } => peers
                .iter()
                .find(|p| p.prefix_len() == p.max_prefix_len())
                .map(|p| format!("sip:{}", wire::host(p.addr()))),
            TrunkKind::Register { .. } => None,
        }
    }

    /// Our address as this trunk sees it, if that is not our own.
    pub(crate) const fn seen(&self) -> Option<SocketAddr> {
        self.seen
    }

    /// Whether a lost connection was this trunk's.
    pub(crate) fn lost(&mut self, conn: u64) -> bool {
        match &mut self.hop {
            Some(h) if h.conn == Some(conn) => {
                h.conn = None;
                matches!(self.config.kind, TrunkKind::Register { .. })
                    && matches!(self.work, Work::Idle)
                    && !self.leaving
            }
            _ => false,
        }
    }

    /// Whether a request is out.
    pub(crate) fn is_asking(&self) -> bool {
        matches!(self.work, Work::Asking)
    }

    fn registrars(&self) -> VecDeque<String> {
        match &self.config.kind {
            TrunkKind::Register { registrars, .. } => {
                let mut all: Vec<_> = registrars.iter().collect();
                all.sort_by_key(|r| r.priority);
                all.into_iter().map(|r| r.host.clone()).collect()
            }
            TrunkKind::Address { .. } => VecDeque::new(),
        }
    }
}

fn host_of(hostport: &str) -> &str {
    match hostport.rsplit_once(':') {
        Some((h, p)) if p.bytes().all(|b| b.is_ascii_digit()) && !h.ends_with(':') => h,
        _ => hostport,
    }
}

impl Core {
    /// Sets all trunks going.
    pub(crate) fn start_trunks(&mut self, now: Mono) {
        self.now = self.now.max(now);
        for i in 0..self.trunks.len() {
            self.set_timer(TimerKey::Trunk(i, TrunkTimer::Act), Duration::ZERO);
        }
    }

    /// Takes registrations back. For the end of the process.
    pub(crate) fn unregister(&mut self) {
        for i in 0..self.trunks.len() {
            let up = self.trunks[i].state == TrunkState::Up;
            self.trunks[i].leaving = true;
            self.clear_timer(&TimerKey::Trunk(i, TrunkTimer::Act));
            self.clear_timer(&TimerKey::Trunk(i, TrunkTimer::KeepAlive));
            if up && matches!(self.trunks[i].config.kind, TrunkKind::Register { .. }) {
                self.trunks[i].tries = 0;
                self.register(i);
            }
        }
    }

    pub(crate) fn on_trunk_timer(&mut self, i: usize, timer: TrunkTimer) {
        let Some(t) = self.trunks.get(i) else { return };
        if t.leaving {
            return;
        }
        if timer == TrunkTimer::KeepAlive {
            if let Some(hop) = t.hop.clone() {
                self.transmit(&hop, Bytes::from_static(b"\r\n\r\n"), None);
            }
            self.set_timer(TimerKey::Trunk(i, TrunkTimer::KeepAlive), KEEPALIVE);
            return;
        }
        match &t.config.kind {
            TrunkKind::Register { .. } => {
                if t.state == TrunkState::Up && t.hop.is_some() {
                    // A refresh goes where the registration is.
                    self.trunks[i].tries = 0;
                    self.trunks[i].round = self.trunks[i].registrars();
                    self.trunks[i].targets.clear();
                    self.register(i);
                } else {
                    self.trunks[i].round = self.trunks[i].registrars();
                    self.trunks[i].targets.clear();
                    self.next_registrar(i);
                }
            }
            TrunkKind::Address { .. } => {
                if t.config.options_s == 0 {
                    return;
                }
                match (t.hop.clone(), t.probe_uri()) {
                    (Some(hop), Some(uri)) => self.probe(i, hop, &uri),
                    (None, Some(uri)) => {
                        let transport = t.config.transport;
                        self.trunks[i].work = Work::Resolving;
                        self.ask(ResolveId::Trunk(i), uri, Some(transport));
                    }
                    _ => {}
                }
            }
        }
    }

    fn set_state(&mut self, i: usize, state: TrunkState) {
        let t = &mut self.trunks[i];
        if t.state != state {
            t.state = state;
            let name = t.config.name.clone();
            self.emit(SipEvent::Trunk { name, state });
        }
    }

    fn next_registrar(&mut self, i: usize) {
        let t = &mut self.trunks[i];
        match t.round.pop_front() {
            Some(host) => {
                t.work = Work::Resolving;
                let transport = t.config.transport;
                self.ask(ResolveId::Trunk(i), format!("sip:{host}"), Some(transport));
            }
            None => {
                t.work = Work::Idle;
                t.hop = None;
                t.failures = t.failures.saturating_add(1);
                let base = (2u64 << t.failures.min(8)).min(BACKOFF_MAX_S);
                let why = t.why;
                // Half fixed, half random.
                let ms = self.random_ms(base * 500, base * 1_000);
                self.set_state(i, TrunkState::Down(why));
                self.clear_timer(&TimerKey::Trunk(i, TrunkTimer::KeepAlive));
                self.set_timer(TimerKey::Trunk(i, TrunkTimer::Act), Duration::from_millis(ms));
            }
        }
    }

    pub(crate) fn trunk_resolved(&mut self, i: usize, hops: Vec<Hop>) {
        let Some(t) = self.trunks.get_mut(i) else { return };
        if !matches!(t.work, Work::Resolving) || t.leaving {
            return;
        }
        for h in &hops {
            let ip = h.remote.ip().to_canonical();
            if !t.known.contains(&ip) && t.known.len() < ADDRESSES_MAX {
                t.known.push(ip);
            }
        }
        t.targets = hops.into();
        if matches!(t.config.kind, TrunkKind::Address { .. }) {
            match (t.targets.pop_front(), t.probe_uri()) {
                (Some(hop), Some(uri)) => {
                    t.hop = Some(hop.clone());
                    self.probe(i, hop, &uri);
                }
                _ => {
                    t.why = TrunkDown::Unresolved;
                    self.on_probe(i, None);
                }
            }
            return;
        }
        if t.targets.is_empty() {
            t.why = TrunkDown::Unresolved;
        }
        self.next_target(i);
    }

    fn next_target(&mut self, i: usize) {
        let t = &mut self.trunks[i];
        match t.targets.pop_front() {
            Some(hop) => {
                t.hop = Some(hop);
                t.tries = 0;
                self.register(i);
            }
            None => self.next_registrar(i),
        }
    }

    fn register(&mut self, i: usize) {
        let Some(hop) = self.trunks[i].hop.clone() else {
            return self.next_target(i);
        };
        let branch = self.branch();
        let t = &mut self.trunks[i];
        let TrunkKind::Register { user, .. } = &t.config.kind else {
            return;
        };
        let user = user.clone();
        let domain = t.domain();
        let Ok(uri) = Uri::parse(Bytes::from(format!("sip:{domain}"))) else {
            return;
        };
        t.seq = t.seq.saturating_add(1);
        let expires = if t.leaving { 0 } else { t.expires_s };
        let mut r = Request::new(Method::Register, uri);
        let h = &mut r.headers;
        wire::push(h, HeaderName::Via, dialog::via(&hop, &branch));
        wire::push(h, HeaderName::MaxForwards, "70");
        let aor = format!("<sip:{user}@{domain}>");
        wire::push(h, HeaderName::From, wire::with_tag(aor.as_bytes(), &t.tag));
        wire::push(h, HeaderName::To, aor);
        wire::push(h, HeaderName::CallId, t.call_id.clone());
        wire::push(h, HeaderName::CSeq, format!("{} REGISTER", t.seq));
        wire::push(h, HeaderName::Contact, dialog::contact(&user, &hop));
        wire::push(h, HeaderName::Expires, expires.to_string());
        wire::push(h, HeaderName::Allow, wire::ALLOW);
        wire::push(h, HeaderName::Supported, wire::SUPPORTED);
        wire::push(h, HeaderName::ContentLength, "0");
        t.work = Work::Asking;
        if self.send_request(r, hop, Purpose::Register(i)).is_none() {
            self.trunks[i].work = Work::Idle;
        }
    }

    pub(crate) fn on_register_response(&mut self, i: usize, request: &Request, r: &Response, hop: &Hop) {
        let status = r.status.code();
        if status < 200 {
            return;
        }
        let moved = self.learn_address(i, r, hop);
        let Some(t) = self.trunks.get_mut(i) else { return };
        let leaving = t.leaving;
        t.tries = t.tries.saturating_add(1);
        let (tries, current) = (t.tries, t.expires_s);
        match status {
            200..=299 if leaving => {
                t.work = Work::Idle;
                self.set_state(i, TrunkState::Trying);
            }
            200..=299 => {
                self.registered(i, request, r, moved.as_ref().unwrap_or(hop));
                if moved.is_some() && tries <= 3 {
                    // Without a challenge, the first request went out with the address nobody can reach.
                    self.register(i);
                }
            }
            401 | 407 if tries <= 3 => {
                let seq = t.seq.saturating_add(1);
                let again = match t.credentials() {
                    Some((user, password)) => self.authorise(request, r, &user, password.expose(), seq),
                    None => None,
                };
                match again {
                    Some(mut again) => {
                        let t = &mut self.trunks[i];
                        t.seq = seq;
                        if let (Some(moved), TrunkKind::Register { user, .. }) = (&moved, &t.config.kind) {
                            let contact = dialog::contact(user, moved);
                            wire::set(&mut again.headers, HeaderName::Contact, contact);
                        }
                        let hop = moved.unwrap_or_else(|| hop.clone());
                        self.send_request(again, hop, Purpose::Register(i));
                    }
                    None => self.register_failed(i, TrunkDown::Unauthorised),
                }
            }
            401 | 403 | 407 => self.register_failed(i, TrunkDown::Unauthorised),
            423 if tries <= 3 => {
                // RFC 3261 10.2.8: it wants longer.
                let min = r
                    .headers
                    .value(&HeaderName::MinExpires)
                    .and_then(|v| std::str::from_utf8(&v).ok()?.trim().parse::<u32>().ok());
                match min.filter(|m| *m > current && *m <= 86_400) {
                    Some(min) => {
                        t.expires_s = min;
                        self.register(i);
                    }
                    None => self.register_failed(i, TrunkDown::Refused(423)),
                }
            }
            s => self.register_failed(i, TrunkDown::Refused(s)),
        }
    }

    /// Behind a NAT the registrar sees us elsewhere than we are, and says so in Via (RFC 3581). From then on that address
    /// is the one we give. Over a stream calls come over the connection, and no address is needed.
    fn learn_address(&mut self, i: usize, r: &Response, hop: &Hop) -> Option<Hop> {
        if hop.transport != Transport::Udp || self.cfg.advertise.is_some() {
            return None;
        }
        let via = r.headers.typed::<Via>()?.ok()?;
        let number = |v: &[u8]| std::str::from_utf8(v).ok()?.parse::<u16>().ok();
        let ip = std::str::from_utf8(via.received()?)
            .ok()?
            .parse::<IpAddr>()
            .ok()?;
        let port = via.rport().flatten().and_then(number)?;
        let seen = SocketAddr::new(ip, port);
        if seen == hop.local || port == 0 || ip.is_unspecified() || ip.is_multicast() {
            return None;
        }
        let t = self.trunks.get_mut(i)?;
        t.seen = Some(seen);
        let current = t.hop.as_mut()?;
        current.local = seen;
        Some(current.clone())
    }

    fn registered(&mut self, i: usize, request: &Request, r: &Response, hop: &Hop) {
        let t = &mut self.trunks[i];
        let ours = dialog::contact_uri(&request.headers).map(|u| u.to_bytes());
        // What our binding got, else what all of them got, else what we asked for.
        let granted = r
            .headers
            .typed_all::<Contact>()
            .filter_map(Result::ok)
            .filter(|c| {
                let same = |a: &Uri, b: &[u8]| {
                    a.to_bytes().eq_ignore_ascii_case(b) || {
                        let b = Uri::parse(Bytes::copy_from_slice(b)).ok();
                        b.is_some_and(|b| {
                            a.user() == b.user()
                                && a.host().map(ToString::to_string) == b.host().map(ToString::to_string)
                                && a.port() == b.port()
                        })
                    }
                };
                ours.as_ref().is_none_or(|o| same(&c.0.uri, o))
            })
            .find_map(|c| {
                std::str::from_utf8(c.0.param("expires")?)
                    .ok()?
                    .parse::<u32>()
                    .ok()
            })
            .or_else(|| r.headers.typed::<Expires>().and_then(Result::ok).map(|e| e.0))
            .unwrap_or(t.expires_s)
            .clamp(1, 86_400);
        t.work = Work::Idle;
        t.failures = 0;
        t.hop = Some(hop.clone());
        let ip = hop.remote.ip().to_canonical();
        if !t.known.contains(&ip) && t.known.len() < ADDRESSES_MAX {
            t.known.push(ip);
        }
        let udp = t.config.transport == Transport::Udp;
        self.set_state(i, TrunkState::Up);
        // Between a half and nine tenths of it, leaving time for a retry: 32 s of one if it is long enough.
        let ms = u64::from(granted) * 1_000;
        let latest = if granted > 120 { ms - 60_000 } else { ms * 6 / 10 };
        let after = self.random_ms((latest * 9 / 10).max(1), latest.max(1));
        self.set_timer(TimerKey::Trunk(i, TrunkTimer::Act), Duration::from_millis(after));
        if udp {
            self.set_timer(TimerKey::Trunk(i, TrunkTimer::KeepAlive), KEEPALIVE);
        }
    }

    fn register_failed(&mut self, i: usize, why: TrunkDown) {
        let t = &mut self.trunks[i];
        t.why = why;
        t.work = Work::Idle;
        if !t.leaving {
            self.next_target(i);
        }
    }

    pub(crate) fn on_register_silence(&mut self, i: usize) {
        self.register_failed(i, TrunkDown::NoAnswer);
    }

    fn probe(&mut self, i: usize, hop: Hop, uri: &str) {
        let Ok(uri) = Uri::parse(Bytes::from(uri.to_owned())) else {
            return;
        };
        let branch = self.branch();
        let id = self.call_id();
        let t = &mut self.trunks[i];
        t.work = Work::Asking;
        t.seq = t.seq.saturating_add(1);
        let mut r = Request::new(Method::Options, uri.clone());
        let h = &mut r.headers;
        wire::push(h, HeaderName::Via, dialog::via(&hop, &branch));
        wire::push(h, HeaderName::MaxForwards, "70");
        let from = format!("<sip:{}>", wire::host(hop.local.ip()));
        wire::push(h, HeaderName::From, wire::with_tag(from.as_bytes(), &t.tag));
        let to = [b"<".as_slice(), &uri.to_bytes(), b">"].concat();
        wire::push(h, HeaderName::To, to);
        wire::push(h, HeaderName::CallId, id);
        wire::push(h, HeaderName::CSeq, format!("{} OPTIONS", t.seq));
        wire::push(h, HeaderName::Contact, dialog::contact("", &hop));
        wire::push(h, HeaderName::Accept, "application/sdp");
        wire::push(h, HeaderName::ContentLength, "0");
        self.send_request(r, hop, Purpose::Probe(i));
    }

    /// Any answer proves that the peer lives; 503 and silence do not help a caller.
    pub(crate) fn on_probe(&mut self, i: usize, status: Option<u16>) {
        if status.is_some_and(|s| s < 200) {
            return;
        }
        let Some(t) = self.trunks.get_mut(i) else { return };
        t.work = Work::Idle;
        let every = u64::from(t.config.options_s.max(1)) * 1_000;
        let state = match status {
            Some(503) => TrunkState::Down(TrunkDown::Refused(503)),
            Some(_) => TrunkState::Up,
            None => {
                // Its name may have moved.
                let why = if t.hop.is_none() {
                    TrunkDown::Unresolved
                } else {
                    TrunkDown::NoAnswer
                };
                t.hop = None;
                TrunkState::Down(why)
            }
        };
        self.set_state(i, state);
        let after = self.random_ms(every * 9 / 10, every);
        self.set_timer(TimerKey::Trunk(i, TrunkTimer::Act), Duration::from_millis(after));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Registrar;
    use rand::SeedableRng as _;

    #[test]
    fn a_trunk_that_registers_takes_calls_from_its_addresses_too() {
        let config = TrunkConfig {
            name: "main".into(),
            kind: TrunkKind::Register {
                registrars: vec![Registrar {
                    host: "sip.provider.example".into(),
                    priority: 0,
                }],
                domain: None,
                user: "clinic-line".into(),
                auth_user: None,
                password: Secret::new("sample"),
                expires_s: 300,
                peers: vec!["198.51.100.0/24".parse().unwrap()],
            },
            transport: Transport::Udp,
            options_s: 0,
        };
        let trunk = Trunk::new(config, &mut StdRng::seed_from_u64(1));
        let from = |ip: [u8; 4]| Hop {
            transport: Transport::Udp,
            remote: SocketAddr::from((ip, 5060)),
            local: SocketAddr::from(([192, 0, 2, 1], 5060)),
            socket: 0,
            conn: None,
            server_name: None,
        };
        assert!(trunk.owns(&from([198, 51, 100, 9])));
        assert!(!trunk.owns(&from([203, 0, 113, 9])));
    }
}
