//! The message lamp: SUBSCRIBE and NOTIFY of `message-summary` (RFC 3842, RFC 6665), and NOTIFY without asking for
//! telephones that never subscribe.

use super::{Core, Purpose, TimerKey};
use crate::dialog::{self, Dialog};
use crate::error::SipCommandError as E;
use crate::event::ContactId;
use crate::registrar::Flow;
use crate::wire::{self, Hop};
use anteroom_types::Mono;
use bytes::Bytes;
use sipx_sip::headers::misc::Expires;
use sipx_sip::{HeaderName, Headers, Method, Request, TransactionKey};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

const EVENT: &str = "message-summary";
const BODY: &str = "application/simple-message-summary";
/// Subscriptions of one user; a further one takes the place of the one that would end first.
const PER_USER_MAX: usize = 8;

/// Names a subscription: Call-ID and our tag.
pub(crate) type SubscriptionKey = (Bytes, Bytes);

/// A telephone that wants to be told.
#[derive(Debug)]
struct Subscription {
    user: Arc<str>,
    dialog: Dialog,
    expires: Mono,
}

/// What lamps show, and who asked.
#[derive(Debug, Default)]
pub(crate) struct Lamps {
    counts: HashMap<Arc<str>, (u32, u32)>,
    subscriptions: HashMap<SubscriptionKey, Subscription>,
}

impl Lamps {
    /// Whether somebody subscribed over a connection.
    pub(super) fn uses(&self, hop: &Hop) -> bool {
        let conn = hop.conn;
        conn.is_some() && self.subscriptions.values().any(|s| s.dialog.hop.conn == conn)
    }
}

/// Whether a SUBSCRIBE is for message lamps.
fn is_for_lamps(h: &Headers) -> bool {
    h.value(&HeaderName::Event).is_some_and(|v| {
        let package = v.split(|&b| b == b';').next().unwrap_or_default();
        package.trim_ascii().eq_ignore_ascii_case(EVENT.as_bytes())
    })
}

impl Core {
    /// A SUBSCRIBE outside a dialog, of a user who proved to be one.
    pub(super) fn on_subscribe(&mut self, key: &TransactionKey, r: &Request) {
        let Some(ctx) = self.servers.get(key) else { return };
        let Some(user) = ctx.user.clone() else {
            return self.reply(key, 403, &[]);
        };
        let (hop, tag) = (ctx.hop.clone(), ctx.to_tag.clone());
        if !is_for_lamps(&r.headers) {
            return self.reply(key, 489, &[(HeaderName::AllowEvents, EVENT.to_owned())]);
        }
        let contact = dialog::contact("", &hop);
        let Some(mut dialog) = Dialog::uas(r, hop, tag, contact) else {
            return self.reply(key, 400, &[]);
        };
        dialog.pinned = true;
        let id = (dialog.call_id.clone(), dialog.local_tag.clone());
        let of_user = self.subscriptions_of(|s| s.user == user);
        if of_user.len() >= PER_USER_MAX {
            let ends = |id: &SubscriptionKey| self.lamps.subscriptions.get(id).map(|s| s.expires);
            if let Some(first) = of_user.iter().min_by_key(|id| ends(id)).cloned() {
                self.end_subscription(&first);
            }
        }
        let subscription = Subscription {
            user,
            dialog,
            expires: self.now,
        };
        self.lamps.subscriptions.insert(id.clone(), subscription);
        self.renew(key, r, &id);
    }

    /// A SUBSCRIBE within a dialog. Gives whether there is such a subscription.
    pub(super) fn on_resubscribe(&mut self, key: &TransactionKey, r: &Request, id: &SubscriptionKey) -> bool {
        let from = wire::from_tag(&r.headers);
        let seq = wire::cseq(&r.headers).unwrap_or(0);
        let hop = self.servers.get(key).map(|c| c.hop.clone());
        let Some(s) = self.lamps.subscriptions.get_mut(id) else {
            return false;
        };
        if !s.dialog.is_from(from.as_ref()) {
            return false;
        }
        if s.dialog.remote_seq.is_some_and(|last| seq <= last) {
            self.reply(key, 500, &[]);
            return true;
        }
        s.dialog.remote_seq = Some(seq);
        s.dialog.refresh_target(&r.headers);
        if let Some(hop) = hop {
            s.dialog.hop = hop;
        }
        self.renew(key, r, id);
        true
    }

    fn renew(&mut self, key: &TransactionKey, r: &Request, id: &SubscriptionKey) {
        let Some(cfg) = self.registry.as_ref().map(|x| &x.cfg) else {
            return;
        };
        let asked = r.headers.typed::<Expires>().and_then(Result::ok).map(|e| e.0);
        let granted = match asked {
            Some(0) => 0,
            Some(s) if s < cfg.expires_min_s => {
                let min = cfg.expires_min_s.to_string();
                self.lamps.subscriptions.remove(id);
                self.clear_timer(&TimerKey::Subscription(id.clone()));
                return self.reply(key, 423, &[(HeaderName::MinExpires, min)]);
            }
            Some(s) => s.min(cfg.expires_max_s),
            None => cfg.expires_max_s,
        };
        let Some(s) = self.lamps.subscriptions.get_mut(id) else {
            return;
        };
        s.expires = self.now + Duration::from_secs(granted.into());
        let contact = s.dialog.contact.clone();
        let headers = [
            (HeaderName::Expires, granted.to_string()),
            (HeaderName::Contact, contact),
        ];
        self.reply(key, 200, &headers);
        if granted == 0 {
            self.end_subscription(id);
            return;
        }
        self.set_timer(
            TimerKey::Subscription(id.clone()),
            Duration::from_secs(granted.into()),
        );
        self.notify_lamp(id, false);
    }

    /// Tells a subscriber that it was the last NOTIFY, and forgets it.
    pub(super) fn end_subscription(&mut self, id: &SubscriptionKey) {
        self.notify_lamp(id, true);
        self.forget_subscription(id);
    }

    pub(super) fn forget_subscription(&mut self, id: &SubscriptionKey) {
        self.lamps.subscriptions.remove(id);
        self.clear_timer(&TimerKey::Subscription(id.clone()));
    }

    fn notify_lamp(&mut self, id: &SubscriptionKey, last: bool) {
        let branch = self.branch();
        let now = self.now;
        let Some(s) = self.lamps.subscriptions.get_mut(id) else {
            return;
        };
        let mut r = s.dialog.request(Method::Notify, &branch);
        let left = (s.expires - now).as_secs();
        let state = if last {
            "terminated;reason=timeout".to_owned()
        } else {
            format!("active;expires={left}")
        };
        wire::push(&mut r.headers, HeaderName::Contact, s.dialog.contact.clone());
        let (hop, user) = (s.dialog.hop.clone(), Arc::clone(&s.user));
        self.write_summary(&mut r, &user, &state);
        let purpose = if last {
            Purpose::Notify
        } else {
            Purpose::Lamp(id.clone())
        };
        self.send_request(r, hop, purpose);
    }

    fn write_summary(&self, r: &mut Request, user: &str, state: &str) {
        let domain = self.registry.as_ref().map_or("", |x| x.domain());
        let (new, old) = self.lamps.counts.get(user).copied().unwrap_or_default();
        let waiting = if new > 0 { "yes" } else { "no" };
        let text = format!(
            "Messages-Waiting: {waiting}\r\nMessage-Account: sip:{user}@{domain}\r\nVoice-Message: {new}/{old} (0/0)\r\n"
        );
        wire::push(&mut r.headers, HeaderName::Event, EVENT);
        wire::push(&mut r.headers, HeaderName::SubscriptionState, state.to_owned());
        let body = wire::set_body(&mut r.headers, Some((BODY, text.as_bytes())));
        r.set_body(body);
    }

    /// NOTIFY to a contact that has not subscribed.
    pub(super) fn notify_contact(&mut self, id: ContactId) {
        let (branch, call_id, tag) = (self.branch(), self.call_id(), self.tag());
        let Some(b) = self.registry.as_ref().and_then(|r| r.bindings.get(id)) else {
            return;
        };
        let subscribed = self
            .lamps
            .subscriptions
            .values()
            .any(|s| s.user == b.user && Some(Flow::of(&s.dialog.hop)) == b.flow);
        if subscribed {
            return;
        }
        let (user, hop, path) = (Arc::clone(&b.user), b.hop.clone(), b.path.clone());
        let mut r = self.to_contact(Method::Notify, b, &branch, call_id, &tag);
        for p in path {
            wire::push(&mut r.headers, HeaderName::Route, p);
        }
        wire::push(&mut r.headers, HeaderName::Contact, dialog::contact("", &hop));
        self.write_summary(&mut r, &user, "terminated");
        self.send_request(r, hop, Purpose::Notify);
    }

    /// The lamp of a user who comes with a telephone that has not been told.
    pub(super) fn light_up(&mut self, user: &str, id: ContactId) {
        if self.lamps.counts.get(user).is_some_and(|c| c.0 > 0) {
            self.notify_contact(id);
        }
    }

    pub(super) fn lamps_out(&mut self, user: &str) {
        self.lamps.counts.remove(user);
        for id in self.subscriptions_of(|s| *s.user == *user) {
            self.end_subscription(&id);
        }
    }

    pub(super) fn subscriptions_lost(&mut self, conn: u64) {
        for id in self.subscriptions_of(|s| s.dialog.hop.conn == Some(conn)) {
            self.forget_subscription(&id);
        }
    }

    fn subscriptions_of(&self, f: impl Fn(&Subscription) -> bool) -> Vec<SubscriptionKey> {
        let all = self.lamps.subscriptions.iter();
        all.filter(|(_, s)| f(s)).map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn set_mwi(&mut self, user: &str, new: u32, old: u32) -> Result<(), E> {
        let registry = self.registry.as_ref().ok_or(E::NoRegistrar)?;
        let user = registry.user(user).ok_or(E::UnknownUser)?;
        let before = self.lamps.counts.insert(Arc::clone(&user), (new, old));
        if before == Some((new, old)) {
            return Ok(());
        }
        for id in self.subscriptions_of(|s| s.user == user) {
            self.notify_lamp(&id, false);
        }
        for id in self.contact_ids(&user) {
            self.notify_contact(id);
        }
        Ok(())
    }

    /// A request outside a dialog to a contact, without body.
    pub(super) fn to_contact(
        &self,
        method: Method,
        b: &crate::registrar::Binding,
        branch: &str,
        call_id: Bytes,
        tag: &[u8],
    ) -> Request {
        let domain = self.registry.as_ref().map_or("", |x| x.domain());
        let hop: &Hop = &b.hop;
        let mut r = Request::new(method, b.uri.clone());
        let seq = format!("1 {}", r.method);
        let h = &mut r.headers;
        wire::push(h, HeaderName::Via, dialog::via(hop, branch));
        wire::push(h, HeaderName::MaxForwards, "70");
        let from = format!("<sip:{}@{domain}>", b.user);
        wire::push(h, HeaderName::From, wire::with_tag(from.as_bytes(), tag));
        wire::push(h, HeaderName::To, from);
        wire::push(h, HeaderName::CallId, call_id);
        wire::push(h, HeaderName::CSeq, seq);
        wire::push(h, HeaderName::ContentLength, "0");
        r
    }
}
