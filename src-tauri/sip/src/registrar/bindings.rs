//! Who is registered, from where, and until when.

use super::guard::Flow;
use crate::event::{Contact, ContactId};
use crate::wire::Hop;
use anteroom_types::Mono;
use bytes::Bytes;
use sipx_sip::Uri;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// One contact of a user.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) id: ContactId,
    pub(crate) user: Arc<str>,
    /// As the telephone gave it, brackets left out.
    pub(crate) uri: Uri,
    /// Where requests to it are sent.
    pub(crate) hop: Hop,
    /// What it registered over; `None` once that is gone.
    pub(crate) flow: Option<Flow>,
    /// Proxies on the way to it, next first (RFC 3327).
    pub(crate) path: Vec<Bytes>,
    pub(crate) call_id: Bytes,
    pub(crate) cseq: u32,
    pub(crate) expires: Mono,
    /// `+sip.instance`, and `reg-id` when RFC 5626 was asked for.
    pub(crate) instance: Option<Bytes>,
    pub(crate) reg_id: Option<u32>,
    pub(crate) user_agent: Option<String>,
    /// Whether the way to it must be kept open with OPTIONS.
    pub(crate) ping: bool,
    /// OPTIONS in a row without an answer; `None` until one was answered.
    pub(crate) silent: Option<u8>,
}

impl Binding {
    /// Whether a new registration is of the same telephone (RFC 5626 6, RFC 3261 10.3).
    fn is_same(&self, other: &Self) -> bool {
        match (&self.instance, &other.instance) {
            (Some(a), Some(b)) if self.reg_id.is_some() && self.reg_id == other.reg_id => a == b,
            _ => self.uri.equivalent(&other.uri),
        }
    }

    pub(crate) fn contact(&self, now: Mono) -> Contact {
        Contact {
            id: self.id,
            user: self.user.to_string(),
            websocket: self.hop.transport.is_websocket(),
            transport: self.hop.transport,
            user_agent: self.user_agent.clone(),
            source: self.hop.remote,
            expires_in_s: u32::try_from((self.expires - now).as_secs()).unwrap_or(u32::MAX),
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Bindings {
    all: BTreeMap<ContactId, Binding>,
    by_user: HashMap<Arc<str>, Vec<ContactId>>,
    flows: HashMap<Flow, usize>,
    next: u64,
}

impl Bindings {
    pub(crate) fn get(&self, id: ContactId) -> Option<&Binding> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: ContactId) -> Option<&mut Binding> {
        self.all.get_mut(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Binding> {
        self.all.values()
    }

    pub(crate) fn of<'a>(&'a self, user: &str) -> impl Iterator<Item = &'a Binding> {
        let ids = self.by_user.get(user).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.all.get(id))
    }

    pub(crate) fn has_flow(&self, flow: &Flow) -> bool {
        self.flows.contains_key(flow)
    }

    /// The contact of a user that a registration would refresh.
    pub(crate) fn find(&self, like: &Binding) -> Option<&Binding> {
        self.of(&like.user).find(|b| b.is_same(like))
    }

    /// Puts a binding in place of the one it refreshes, or beside the others. Gives its id, and whether it is new or
    /// moved to another way.
    pub(crate) fn put(&mut self, mut b: Binding) -> (ContactId, bool) {
        let old = self.find(&b).map(|o| (o.id, o.flow == b.flow, o.silent));
        let (id, told) = match old {
            Some((id, same, silent)) => {
                b.silent = silent;
                self.take(id);
                (id, same)
            }
            None => {
                self.next += 1;
                (ContactId(self.next), false)
            }
        };
        b.id = id;
        if let Some(f) = b.flow {
            *self.flows.entry(f).or_default() += 1;
        }
        self.by_user.entry(Arc::clone(&b.user)).or_default().push(id);
        self.all.insert(id, b);
        (id, !told)
    }

    pub(crate) fn take(&mut self, id: ContactId) -> Option<Binding> {
        let b = self.all.remove(&id)?;
        if let Some(f) = b.flow {
            self.release(f);
        }
        if let Some(ids) = self.by_user.get_mut(&b.user) {
            ids.retain(|i| *i != id);
            if ids.is_empty() {
                self.by_user.remove(&b.user);
            }
        }
        Some(b)
    }

    fn release(&mut self, flow: Flow) {
        if let Some(n) = self.flows.get_mut(&flow) {
            *n -= 1;
            if *n == 0 {
                self.flows.remove(&flow);
            }
        }
    }

    /// The connection of a contact is gone, but it may be connected to.
    pub(crate) fn unflow(&mut self, id: ContactId) {
        let flow = self.all.get_mut(&id).and_then(|b| {
            b.hop.conn = None;
            b.flow.take()
        });
        if let Some(f) = flow {
            self.release(f);
        }
    }

    /// The contacts registered over a connection.
    pub(crate) fn over(&self, conn: u64) -> Vec<ContactId> {
        if !self.has_flow(&Flow::Conn(conn)) {
            return Vec::new();
        }
        let flow = Some(Flow::Conn(conn));
        self.all
            .values()
            .filter(|b| b.flow == flow)
            .map(|b| b.id)
            .collect()
    }

    /// The contact of a user that would expire first.
    pub(crate) fn first_to_expire(&self, user: &str) -> Option<ContactId> {
        self.of(user).min_by_key(|b| b.expires).map(|b| b.id)
    }
}
