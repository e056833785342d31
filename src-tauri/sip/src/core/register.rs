//! Who may come in: challenges and credentials (RFC 3261 22, RFC 7616, RFC 8760), and registrations (RFC 3261 10, RFC 3327,
//! RFC 5626).

use super::{ContactTimer, Core, Purpose, TimerKey};
use crate::dialog;
use crate::error::SipCommandError as E;
use crate::event::{Contact, ContactId, SipEvent, UnregisterWhy};
use crate::registrar::{Binding, Flow, Outcome, SipUser, is_hash};
use crate::wire::{self, Hop};
use anteroom_types::limits::{
    SIP_CONTACT_BYTES_MAX, SIP_PATH_MAX, SIP_USER_AGENT_CHARS_MAX, SIP_USER_BYTES_MAX, SIP_USERS_MAX,
};
use bytes::Bytes;
use rand::Rng;
use sipx_sip::headers::{ContactValue, From, To, Via, misc::Expires};
use sipx_sip::{HeaderName, Host, Method, Request, TransactionKey, Uri};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Contacts read of one REGISTER.
const CONTACTS_READ_MAX: usize = 16;
/// OPTIONS in a row that may stay without answer.
const PINGS_LOST_MAX: u8 = 3;

impl Core {
    /// What we take, as in `Allow`.
    pub(super) const fn allow(&self) -> &'static str {
        if self.registry.is_some() {
            wire::ALLOW_REGISTRAR
        } else {
            wire::ALLOW
        }
    }

    /// What we speak, as in `Supported`.
    pub(super) const fn supported(&self) -> &'static str {
        if self.registry.is_some() {
            wire::SUPPORTED_REGISTRAR
        } else {
            wire::SUPPORTED
        }
    }

    // Bans.

    /// Whether a source is not to be answered.
    pub(super) fn is_banned(&self, hop: &Hop, request: &Request) -> bool {
        let Some(r) = &self.registry else { return false };
        if r.guard.is_at_peace() {
            return false;
        }
        let name = r.name_hash(&claimed(request));
        let registered = r.is_registered_flow(hop);
        // A trunk's own requests are never dropped, whoever else sits at its address.
        r.guard.is_banned(hop, registered, name, self.now)
            && (self.trunk_of(hop).is_none() || self.needs_credentials(hop, request))
    }

    /// Whether a request outside a dialog is for users only.
    pub(super) fn needs_credentials(&self, hop: &Hop, request: &Request) -> bool {
        match request.method {
            _ if self.registry.is_none() => false,
            Method::Register | Method::Subscribe => true,
            Method::Invite => {
                let direct = self.cfg.allow_direct || self.trunk_of(hop).is_some();
                self.is_a_users(hop, request) || !direct
            }
            _ => false,
        }
    }

    /// Whether a message came by a trunk or by the flow of a registered telephone.
    pub(super) fn is_familiar(&self, hop: &Hop) -> bool {
        let registered = self.registry.as_ref().is_some_and(|r| r.is_registered_flow(hop));
        registered || self.trunk_of(hop).is_some()
    }

    /// Whether a connection serves a trunk, a registered telephone or a call.
    pub(crate) fn is_used(&self, hop: &Hop) -> bool {
        self.is_familiar(hop)
            || self.lamps.uses(hop)
            || self
                .calls
                .values()
                .any(|c| hop.conn.is_some() && c.dialog.hop.conn == hop.conn)
    }

    /// Whether a request with a To tag belongs to a dialog of ours.
    pub(super) fn is_of_a_dialog(&self, r: &Request) -> bool {
        match (
            wire::value(&r.headers, &HeaderName::CallId),
            wire::to_tag(&r.headers),
        ) {
            (Some(id), Some(tag)) => self.dialogs.contains_key(&(id, tag)),
            _ => false,
        }
    }

    /// The user behind a request of a banned source, when it shows what only a telephone let in before can show.
    pub(super) fn known_again(&mut self, hop: &Hop, r: &Request) -> Option<Arc<str>> {
        let method = r.method.to_string();
        let values = credentials(r);
        let user =
            self.registry
                .as_mut()?
                .check_known(values.into_iter(), (&method, dialled(r).as_deref()), hop)?;
        self.speaks_for(r, &user).then_some(user)
    }

    // Credentials.

    /// Whether an INVITE comes from a telephone that registers here, and so has to prove who it is whatever its address.
    pub(super) fn is_a_users(&self, hop: &Hop, r: &Request) -> bool {
        let Some(registry) = &self.registry else {
            return false;
        };
        let from = r.headers.typed::<From>().and_then(Result::ok);
        let named = from.is_some_and(|f| match f.0.uri.host() {
            Some(Host::Name(n)) => registry.is_domain(&String::from_utf8_lossy(n.as_bytes())),
            _ => false,
        });
        named || registry.is_registered_flow(hop)
    }

    /// Who sent a request. `None` when that is not proved; then it has been challenged, or dropped.
    pub(super) fn authenticate(&mut self, hop: &Hop, r: &Request) -> Option<Arc<str>> {
        let now = self.now;
        let method = r.method.to_string();
        let values = credentials(r);
        let registry = self.registry.as_mut()?;
        if registry.is_tried_out(values.iter().cloned(), hop, now) {
            self.counters.banned_dropped += 1;
            return None;
        }
        let name = registry.name_hash(&claimed(r));
        let stale = match registry.check(values.into_iter(), (&method, dialled(r).as_deref()), hop, now) {
            Outcome::Proved(user) => {
                registry.guard.followed_up(hop, name);
                if !self.speaks_for(r, &user) {
                    self.reply_stateless(hop, r, 403, &[]);
                    return None;
                }
                return Some(user);
            }
            Outcome::Wrong(whom) => {
                registry.guard.followed_up(hop, name);
                let registered = registry.is_registered_flow(hop);
                // Against the name that was tried, whatever From and To say.
                let tried = registry.name_hash(whom.as_bytes());
                let banned = registry.guard.failed(hop, registered, tried, now);
                self.counters.auth_failed += 1;
                if banned && self.is_banned(hop, r) {
                    tracing::warn!("a source is banned for wrong passwords");
                    self.counters.banned_dropped += 1;
                } else {
                    self.challenge(hop, r, false);
                }
                return None;
            }
            Outcome::Stale => true,
            Outcome::None => false,
        };
        let tracked = !registry.is_registered_flow(hop);
        if tracked && !registry.guard.may_challenge(hop, name, now) {
            self.counters.banned_dropped += 1;
            return None;
        }
        self.challenge(hop, r, stale);
        None
    }

    /// Whether a user may send this: nobody registers somebody else.
    fn speaks_for(&self, r: &Request, user: &str) -> bool {
        r.method != Method::Register || claimed(r) == user.as_bytes()
    }

    /// 401 or 407 (RFC 3261 22). Costs no memory: the nonce says itself whose it is.
    fn challenge(&mut self, hop: &Hop, r: &Request, stale: bool) {
        let random = self.rng.random();
        let Some(registry) = &self.registry else { return };
        let (status, name) = if r.method == Method::Invite {
            (407, HeaderName::ProxyAuthenticate)
        } else {
            (401, HeaderName::WwwAuthenticate)
        };
        let agent = wire::value(&r.headers, &HeaderName::UserAgent);
        let values = registry.challenges(hop, agent.as_deref(), stale, random, self.now);
        let headers: Vec<_> = values.into_iter().map(|v| (name.clone(), v)).collect();
        self.reply_stateless(hop, r, status, &headers);
    }

    // Registrations.

    pub(super) fn on_register(&mut self, key: &TransactionKey, r: &Request) {
        let Some(ctx) = self.servers.get(key) else { return };
        let Some(user) = ctx.user.clone() else {
            return self.reply(key, 403, &[]);
        };
        let hop = ctx.hop.clone();
        let contacts: Vec<ContactValue> = r.headers.typed_all::<ContactValue>().flatten().collect();
        let asked = r.headers.typed::<Expires>().and_then(Result::ok).map(|e| e.0);
        if contacts.iter().any(|c| matches!(c, ContactValue::Wildcard)) {
            // RFC 3261 10.3, step 6.
            if contacts.len() > 1 || asked != Some(0) {
                return self.reply(key, 400, &[]);
            }
            for id in self.contact_ids(&user) {
                self.drop_contact(id, UnregisterWhy::Left);
            }
            return self.tell_contacts(key, &user, false, &[]);
        }
        if contacts.len() > CONTACTS_READ_MAX {
            return self.reply(key, 400, &[]);
        }
        // All or nothing (RFC 3261 10.3, step 7): everything is read and checked before anything is changed.
        let mut changes = Vec::new();
        for c in &contacts {
            let ContactValue::Address(address) = c else {
                continue;
            };
            let expires = address
                .param("expires")
                .map(|v| std::str::from_utf8(v).ok().and_then(|v| v.parse::<u32>().ok()))
                .map_or(asked, |v| v.or(asked));
            match self.read_contact(r, &hop, &user, address, expires) {
                Ok(change) => changes.push(change),
                Err(423) => {
                    let min = self.registry.as_ref().map_or(0, |x| x.cfg.expires_min_s);
                    return self.reply(key, 423, &[(HeaderName::MinExpires, min.to_string())]);
                }
                Err(status) => return self.reply(key, status, &[]),
            }
        }
        let outbound = changes.iter().any(|(b, _)| b.reg_id.is_some());
        let path = changes.first().map(|(b, _)| b.path.clone()).unwrap_or_default();
        for (binding, keep) in changes {
            if keep {
                self.put_contact(binding);
            } else if let Some(id) = self
                .registry
                .as_ref()
                .and_then(|x| x.bindings.find(&binding).map(|b| b.id))
            {
                self.drop_contact(id, UnregisterWhy::Left);
            }
        }
        self.tell_contacts(key, &user, outbound, &path);
    }

    /// One Contact as a binding, and whether it is to be kept; or the status to refuse it with.
    fn read_contact(
        &self,
        r: &Request,
        hop: &Hop,
        user: &Arc<str>,
        address: &sipx_sip::Address,
        expires: Option<u32>,
    ) -> Result<(Binding, bool), u16> {
        let registry = self.registry.as_ref().ok_or(403u16)?;
        let cfg = &registry.cfg;
        if !address.uri.scheme().is_sip()
            || address.uri.host().is_none()
            || address.uri.to_bytes().len() > SIP_CONTACT_BYTES_MAX
        {
            return Err(400);
        }
        let granted = match expires {
            Some(0) => 0,
            Some(s) if s < cfg.expires_min_s => return Err(423),
            Some(s) => s.min(cfg.expires_max_s),
            None => cfg.expires_default_s,
        };
        let path = dialog::list(&r.headers, &HeaderName::Path);
        if path.len() > SIP_PATH_MAX || path.iter().any(|p| p.len() > SIP_CONTACT_BYTES_MAX) {
            return Err(400);
        }
        let param = |name: &str| address.param(name).map(Bytes::copy_from_slice);
        // It is told back within quotes, so nothing in it may end them.
        let plain = |i: &Bytes| {
            i.iter()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
        };
        let instance = param("+sip.instance").filter(|i| i.len() <= SIP_CONTACT_BYTES_MAX && plain(i));
        let outbound = wire::has_token(&r.headers, &HeaderName::Supported, "outbound");
        let reg_id = address
            .param("reg-id")
            .and_then(|v| std::str::from_utf8(v).ok()?.parse::<u32>().ok())
            .filter(|_| outbound && instance.is_some());
        let flow = Flow::of(hop);
        let (hop, ping) = way_to(r, hop, &address.uri);
        let binding = Binding {
            id: ContactId(0),
            user: Arc::clone(user),
            uri: address.uri.clone(),
            flow: Some(flow),
            ping: ping && cfg.nat_ping_s > 0,
            hop,
            path,
            call_id: wire::value(&r.headers, &HeaderName::CallId).unwrap_or_default(),
            cseq: wire::cseq(&r.headers).unwrap_or(0),
            expires: self.now + Duration::from_secs(granted.into()),
            instance,
            reg_id,
            user_agent: wire::value(&r.headers, &HeaderName::UserAgent).map(|v| {
                let text = String::from_utf8_lossy(&v);
                text.chars()
                    .filter(|c| !c.is_control())
                    .take(SIP_USER_AGENT_CHARS_MAX)
                    .collect()
            }),
            silent: None,
        };
        if let Some(old) = registry.bindings.find(&binding)
            && old.call_id == binding.call_id
            && old.cseq > binding.cseq
        {
            // Overtaken by a later one (RFC 3261 10.3, step 7).
            return Err(500);
        }
        Ok((binding, granted > 0))
    }

    fn put_contact(&mut self, binding: Binding) {
        let Some(registry) = &mut self.registry else {
            return;
        };
        let (max, ping_s) = (registry.cfg.contacts_per_user_max.max(1), registry.cfg.nat_ping_s);
        if registry.bindings.find(&binding).is_none()
            && registry.bindings.of(&binding.user).count() >= max
            && let Some(id) = registry.bindings.first_to_expire(&binding.user)
        {
            self.drop_contact(id, UnregisterWhy::Displaced);
        }
        let Some(registry) = &mut self.registry else {
            return;
        };
        let (expires, ping) = (binding.expires, binding.ping);
        let (user, instance, hop) = (
            Arc::clone(&binding.user),
            binding.instance.clone(),
            binding.hop.clone(),
        );
        let (id, news) = registry.bindings.put(binding);
        let contact = registry.bindings.get(id).map(|b| b.contact(self.now));
        let now = self.now;
        self.set_timer(TimerKey::Contact(id, ContactTimer::Expire), expires - now);
        if ping {
            let after = Duration::from_secs(ping_s.into());
            self.set_timer(TimerKey::Contact(id, ContactTimer::Ping), after);
        } else {
            self.clear_timer(&TimerKey::Contact(id, ContactTimer::Ping));
        }
        if hop.conn.is_some() {
            self.move_calls(&user, instance.as_ref(), &hop);
        }
        if let Some(contact) = contact.filter(|_| news) {
            self.emit(SipEvent::Registered {
                user: contact.user.clone(),
                contact,
            });
            self.light_up(&user, id);
        }
    }

    /// Forgets a contact and tells so.
    pub(super) fn drop_contact(&mut self, id: ContactId, why: UnregisterWhy) {
        let gone = self.registry.as_mut().and_then(|r| r.bindings.take(id));
        let Some(b) = gone else { return };
        for t in [ContactTimer::Expire, ContactTimer::Ping] {
            self.clear_timer(&TimerKey::Contact(id, t));
        }
        self.emit(SipEvent::Unregistered {
            user: b.user.to_string(),
            contact: id,
            why,
        });
    }

    /// 200 with all contacts of the user (RFC 3261 10.3, step 8).
    fn tell_contacts(&mut self, key: &TransactionKey, user: &str, outbound: bool, path: &[Bytes]) {
        let Some(mut ok) = self.build(key, 200) else {
            return;
        };
        let Some(registry) = &self.registry else { return };
        for b in registry.bindings.of(user) {
            let mut v = b"<".to_vec();
            v.extend_from_slice(&b.uri.to_bytes());
            let left = (b.expires - self.now).as_secs();
            v.extend_from_slice(format!(">;expires={left}").as_bytes());
            if let Some(i) = &b.instance {
                v.extend_from_slice(b";+sip.instance=\"");
                v.extend_from_slice(i);
                v.push(b'"');
            }
            if let Some(n) = b.reg_id {
                v.extend_from_slice(format!(";reg-id={n}").as_bytes());
            }
            wire::push(&mut ok.headers, HeaderName::Contact, v);
        }
        for p in path {
            wire::push(&mut ok.headers, HeaderName::Path, p.clone());
        }
        if outbound {
            wire::push(&mut ok.headers, HeaderName::Require, "outbound");
        }
        wire::push(&mut ok.headers, HeaderName::Supported, self.supported());
        self.respond(key, ok);
    }

    // What happens to contacts by themselves.

    pub(super) fn on_contact_timer(&mut self, id: ContactId, timer: ContactTimer) {
        match timer {
            ContactTimer::Expire => self.drop_contact(id, UnregisterWhy::Expired),
            ContactTimer::Ping => self.ping(id),
        }
    }

    /// OPTIONS to a telephone behind a NAT: keeps its binding open, and shows whether it is there.
    fn ping(&mut self, id: ContactId) {
        let (branch, call_id, tag) = (self.branch(), self.call_id(), self.tag());
        let Some(registry) = &self.registry else { return };
        let every = Duration::from_secs(registry.cfg.nat_ping_s.max(1).into());
        let Some(b) = registry.bindings.get(id) else {
            return;
        };
        let hop = b.hop.clone();
        let mut r = self.to_contact(Method::Options, b, &branch, call_id, &tag);
        wire::push(&mut r.headers, HeaderName::Contact, dialog::contact("", &hop));
        self.send_request(r, hop, Purpose::Ping(id));
        self.set_timer(TimerKey::Contact(id, ContactTimer::Ping), every);
    }

    pub(super) fn on_ping(&mut self, id: ContactId, answered: bool) {
        if answered && let Some(b) = self.contact_mut(id) {
            b.silent = Some(0);
        }
    }

    pub(super) fn on_ping_silence(&mut self, id: ContactId) {
        let Some(b) = self.contact_mut(id) else { return };
        // One that never answered does not know OPTIONS; nothing follows from its silence.
        let Some(n) = b.silent.map(|n| n + 1) else { return };
        b.silent = Some(n);
        if n >= PINGS_LOST_MAX {
            self.drop_contact(id, UnregisterWhy::Unreachable);
        }
    }

    /// The instance of the telephone that registered over a flow.
    pub(super) fn instance_of(&self, user: &str, hop: &Hop) -> Option<Bytes> {
        let flow = Some(Flow::of(hop));
        let mut of_user = self.registry.as_ref()?.bindings.of(user);
        of_user.find(|b| b.flow == flow)?.instance.clone()
    }

    /// A telephone came back over another connection: its calls go that way from now on.
    fn move_calls(&mut self, user: &str, instance: Option<&Bytes>, hop: &Hop) {
        let Some(instance) = instance else { return };
        for call in self.calls.values_mut() {
            let same = call
                .device
                .as_ref()
                .is_some_and(|d| *d.user == *user && d.instance.as_ref() == Some(instance));
            if same && call.dialog.pinned && call.dialog.hop.conn != hop.conn {
                call.dialog.hop = hop.clone();
            }
        }
    }

    fn contact_mut(&mut self, id: ContactId) -> Option<&mut Binding> {
        self.registry.as_mut()?.bindings.get_mut(id)
    }

    pub(super) fn contact_ids(&self, user: &str) -> Vec<ContactId> {
        let registry = self.registry.as_ref();
        registry.map_or_else(Vec::new, |r| r.bindings.of(user).map(|b| b.id).collect())
    }

    /// A connection is gone. A browser, a telephone behind a NAT and one over TLS come back by themselves; one that
    /// listens on an address of its own can be connected to.
    pub(super) fn contacts_lost(&mut self, conn: u64, remote: SocketAddr) {
        let now = self.now;
        self.subscriptions_lost(conn);
        let Some(registry) = &mut self.registry else {
            return;
        };
        registry.guard.conn_gone(conn, remote.ip(), now);
        for id in registry.bindings.over(conn) {
            let Some(registry) = &mut self.registry else {
                return;
            };
            let callable = registry.bindings.get_mut(id).and_then(|b| {
                let Some(Host::Ip(ip)) = b.uri.host() else {
                    return None;
                };
                let own = b.hop.transport == crate::config::Transport::Tcp
                    && b.reg_id.is_none()
                    && *ip == remote.ip();
                own.then(|| SocketAddr::new(*ip, b.uri.port().unwrap_or(5060)))
            });
            match callable.filter(|a| *a != remote) {
                Some(at) => {
                    registry.bindings.unflow(id);
                    if let Some(b) = registry.bindings.get_mut(id) {
                        b.hop.remote = at;
                    }
                }
                None => self.drop_contact(id, UnregisterWhy::FlowLost),
            }
        }
    }

    // For the application.

    pub(crate) fn set_users(&mut self, users: Vec<SipUser>) -> Result<(), E> {
        let Some(registry) = &mut self.registry else {
            return Err(E::NoRegistrar);
        };
        let ok = |u: &SipUser| {
            !u.name.is_empty()
                && u.name.len() <= SIP_USER_BYTES_MAX
                && u.name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b))
                && is_hash(&u.ha1_md5, 32)
                && is_hash(&u.ha1_sha256, 64)
        };
        if users.len() > SIP_USERS_MAX {
            return Err(E::OutOfRange("the number of users"));
        }
        if !users.iter().all(ok) {
            return Err(E::OutOfRange("a user's name or hash"));
        }
        for user in registry.set_users(users) {
            for id in self.contact_ids(&user) {
                self.drop_contact(id, UnregisterWhy::Revoked);
            }
            self.lamps_out(&user);
        }
        Ok(())
    }

    pub(crate) fn contacts(&self, user: Option<&str>) -> Vec<Contact> {
        let Some(r) = &self.registry else {
            return Vec::new();
        };
        match user {
            Some(u) => r.bindings.of(u).map(|b| b.contact(self.now)).collect(),
            None => r.bindings.iter().map(|b| b.contact(self.now)).collect(),
        }
    }
}

/// Whom an INVITE is for; its credentials must be for nobody else, or somebody on the way could redirect it.
fn dialled(r: &Request) -> Option<String> {
    let user = r.uri.user().filter(|_| r.method == Method::Invite)?;
    Some(String::from_utf8_lossy(user).into_owned())
}

/// Values of the header that answers the challenge this request gets.
fn credentials(r: &Request) -> Vec<Vec<u8>> {
    let name = if r.method == Method::Invite {
        HeaderName::ProxyAuthorization
    } else {
        HeaderName::Authorization
    };
    r.headers
        .get_all(&name)
        .take(8)
        .map(|h| h.value().to_vec())
        .collect()
}

/// Who a request says it is from: the user of To for REGISTER, of From for others.
fn claimed(r: &Request) -> Vec<u8> {
    let uri = if r.method == Method::Register {
        r.headers.typed::<To>().and_then(Result::ok).map(|t| t.0.uri)
    } else {
        r.headers.typed::<From>().and_then(Result::ok).map(|f| f.0.uri)
    };
    uri.and_then(|u| u.decoded_user()).unwrap_or_default()
}

/// Where requests to a new contact go, and whether OPTIONS have to keep the way open: back to where the registration came
/// from, unless the telephone is seen at the address it names and does not ask for answers to its source port.
fn way_to(r: &Request, hop: &Hop, contact: &Uri) -> (Hop, bool) {
    let mut hop = hop.clone();
    if hop.conn.is_some() || r.headers.get(&HeaderName::Path).is_some() {
        return (hop, false);
    }
    let named = match contact.host() {
        Some(Host::Ip(ip)) => Some(SocketAddr::new(*ip, contact.port().unwrap_or(5060))),
        _ => None,
    };
    let symmetric = r
        .headers
        .typed::<Via>()
        .and_then(Result::ok)
        .is_some_and(|v| v.rport().is_some());
    match named {
        Some(a) if a == hop.remote => (hop, false),
        Some(a) if a.ip() == hop.remote.ip() && !symmetric => {
            hop.remote = a;
            (hop, false)
        }
        _ => (hop, true),
    }
}
