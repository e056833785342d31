//! Transactions: requests in and out, their responses, and the answers to challenges of others.

use super::{ClientCtx, Core, Purpose, TimerKey};
use crate::gate;
use crate::wire::{self, Hop};
use rand::Rng;
use sipx_sip::{Header, HeaderName, Message, Method, Request, Response, TransactionKey, TuEvent};

impl Core {
    /// Does what a transaction asks for.
    pub(super) fn run(&mut self, key: &TransactionKey, server: bool, outputs: Vec<sipx_sip::Output>) {
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

    pub(super) fn forget(&mut self, key: &TransactionKey, server: bool) {
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
            self.timers.clear(&TimerKey::Forsaken(key.clone()));
            self.clients.remove(key);
        }
    }

    pub(super) fn on_tu(&mut self, key: &TransactionKey, server: bool, event: TuEvent) {
        match (server, event) {
            (true, TuEvent::Request(r)) => self.dispatch(key, &r),
            (true, TuEvent::Ack(r)) => self.on_ack(&r),
            (false, TuEvent::Response(r)) => self.on_response(key, &r),
            (false, TuEvent::Timeout | TuEvent::TransportError) => self.on_silence(key),
            _ => {}
        }
    }

    /// Sends a response in its transaction.
    pub(super) fn respond(&mut self, key: &TransactionKey, response: Response) {
        let outputs = self.tx.send_response(key, response);
        self.run(key, true, outputs);
    }

    /// A response to the request of a server transaction, to be completed.
    pub(super) fn build(&self, key: &TransactionKey, status: u16) -> Option<Response> {
        let request = self.tx.server_request(key)?;
        let tag = &self.servers.get(key)?.to_tag;
        let mut r = wire::response(request, status, (status > 100).then_some(tag.as_ref()));
        if status >= 200 && !self.cfg.user_agent.is_empty() {
            wire::push(&mut r.headers, HeaderName::Server, self.cfg.user_agent.clone());
        }
        Some(r)
    }

    /// Responds with a status and headers.
    pub(super) fn reply(&mut self, key: &TransactionKey, status: u16, headers: &[(HeaderName, String)]) {
        if let Some(mut r) = self.build(key, status) {
            for (n, v) in headers {
                wire::set(&mut r.headers, n.clone(), v.clone());
            }
            self.respond(key, r);
        }
    }

    /// Responds without keeping state.
    pub(super) fn reply_stateless(
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

    pub(super) fn retry_after(&self) -> [(HeaderName, String); 1] {
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
}
