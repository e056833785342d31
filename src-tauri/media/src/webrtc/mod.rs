//! The way to a browser: ICE (RFC 8445) and DTLS-SRTP under one session, without sockets and without a clock.
//!
//! Drive it like the engine: feed [`Peer::datagram`] and, with each tick, [`Peer::timeout`]; after either, send what
//! is in `out` and act on what is in `events`. It holds neither codecs nor timing of media: decrypted and encrypted
//! RTP is the engine's.
//!
//! What arrives is believed by rank: STUN requests only with our password in their integrity, DTLS and media only
//! from an address that ICE has checked (CVE-2023-49786, CVE-2023-51443), DTLS only with the fingerprint of the
//! description, media only with keys from that handshake.

mod dtls;
mod pass;
mod turn;

pub(crate) use dtls::{DtlsKeys, Identity};
pub use pass::turn_pass;
pub use turn::IceServer;

use crate::error::MediaError;
use crate::stats::Path;
use bytes::BytesMut;
use dtls::{Came, Dtls};
use rtc_dtls::crypto_provider::RTCCryptoProvider;
use rtc_ice::agent::agent_config::AgentConfig;
use rtc_ice::agent::{Agent, Event};
use rtc_ice::candidate::candidate_host::CandidateHostConfig;
use rtc_ice::candidate::{Candidate, CandidateConfig, CandidateType, unmarshal_candidate};
use rtc_ice::mdns::MulticastDnsMode;
use rtc_ice::state::ConnectionState;
use rtc_shared::{TransportContext, TransportMessage, TransportProtocol};
use rtc_stun::attributes::ATTR_USERNAME;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{CLASS_REQUEST, Message};
use sansio::Protocol as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use turn::Server;

/// Candidates of the peer's that are taken.
const CANDIDATES_MAX: usize = 32;
/// DTLS datagrams kept until the peer's description has come.
const EARLY_MAX: usize = 4;
/// Interval of checks on the path in use, and how long they may fail: RFC 7675 lets consent last 30 s.
const KEEPALIVE: Duration = Duration::from_secs(2);
const DISCONNECTED: Duration = Duration::from_secs(5);
const FAILED: Duration = Duration::from_secs(25);

/// Who begins the handshake (RFC 8842).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setup {
    Active,
    Passive,
    ActPass,
}

impl Setup {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "active" => Self::Active,
            "passive" => Self::Passive,
            "actpass" => Self::ActPass,
            _ => return None,
        })
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
            Self::ActPass => "actpass",
        }
    }
}

/// What a description says of the way to its writer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    pub(crate) ufrag: String,
    pub(crate) pwd: String,
    /// `sha-256 AB:…`.
    pub(crate) fingerprint: String,
    pub(crate) setup: Setup,
    /// The values of its `a=candidate` lines.
    pub(crate) candidates: Vec<String>,
    pub(crate) mid: String,
}

/// What became of the path.
#[derive(Debug)]
pub(crate) enum PathEvent {
    /// Media can flow, with these keys.
    Keys(Box<DtlsKeys>),
    /// Another path is used now.
    Path(Path),
    /// The peer no longer consents, cannot be reached, or has ended the association.
    Lost,
}

/// See the module.
pub(crate) struct Peer {
    pub(crate) out: Vec<(SocketAddr, BytesMut)>,
    pub(crate) events: Vec<PathEvent>,
    identity: Arc<Identity>,
    agent: Agent,
    /// Our address as the peer sees it without a server's help.
    local: SocketAddr,
    /// Ours, in the order of preference, kept because a failed agent forgets them.
    candidates: Vec<Candidate>,
    servers: Vec<(Server, bool)>,
    dtls: Option<Dtls>,
    theirs: Option<(String, String)>,
    selected: Option<(SocketAddr, SocketAddr)>,
    /// Where the latest record came to and from: a handshake may begin before a pair is nominated.
    spoke: Option<(SocketAddr, SocketAddr)>,
    early: Vec<(SocketAddr, BytesMut)>,
    controlling: bool,
    relay_only: bool,
}

impl Peer {
    /// `controlling` is for the one who offers. `servers` have been looked up; with `relay_only` theirs are the only
    /// addresses used.
    pub(crate) fn new(
        identity: Arc<Identity>,
        local: SocketAddr,
        controlling: bool,
        servers: &[(IceServer, SocketAddr)],
        relay_only: bool,
        now: Instant,
    ) -> Result<Self, MediaError> {
        let config = AgentConfig {
            multicast_dns_mode: MulticastDnsMode::Disabled,
            disconnected_timeout: Some(DISCONNECTED),
            failed_timeout: Some(FAILED),
            keepalive_interval: Some(KEEPALIVE),
            // Nothing is gained by waiting for a better pair on the way to one browser.
            srflx_acceptance_min_wait: Some(Duration::from_millis(200)),
            prflx_acceptance_min_wait: Some(Duration::from_millis(200)),
            relay_acceptance_min_wait: Some(Duration::from_millis(500)),
            is_controlling: controlling,
            ..AgentConfig::default()
        };
        let provider: Arc<dyn RTCCryptoProvider> = Arc::clone(&identity.provider);
        let agent =
            Agent::new(now, Arc::new(config), Arc::clone(&provider)).map_err(|_| MediaError::Crypto)?;
        let host = CandidateHostConfig {
            base_config: CandidateConfig {
                network: "udp".to_owned(),
                address: local.ip().to_string(),
                port: local.port(),
                component: 1,
                ..CandidateConfig::default()
            },
            ..CandidateHostConfig::default()
        }
        .new_candidate_host()
        .map_err(|_| MediaError::Config("the advertised address cannot be a candidate"))?;
        let mut peer = Self {
            out: Vec::new(),
            events: Vec::new(),
            identity,
            agent,
            local,
            candidates: Vec::new(),
            servers: servers
                .iter()
                .filter_map(|(s, at)| {
                    let turn = s.credentials.is_some();
                    Server::new(s, *at, local, Arc::clone(&provider), now).map(|s| (s, turn))
                })
                .collect(),
            dtls: None,
            theirs: None,
            selected: None,
            spoke: None,
            early: Vec::new(),
            controlling,
            relay_only,
        };
        peer.add_own(host);
        peer.settle(now);
        Ok(peer)
    }

    fn add_own(&mut self, c: Candidate) {
        let unwanted = self.relay_only && c.candidate_type() != CandidateType::Relay;
        if unwanted || self.candidates.iter().any(|o| o.addr() == c.addr()) {
            return;
        }
        let _ = self.agent.add_local_candidate(c.clone());
        self.candidates.push(c);
    }

    /// Whether every server has answered or given up.
    pub(crate) fn gathered(&self) -> bool {
        self.servers.iter().all(|(s, _)| s.done)
    }

    /// What our next description says of the way to us.
    pub(crate) fn describe(&self, setup: Setup, mid: &str) -> Way {
        let c = self.agent.get_local_credentials();
        Way {
            ufrag: c.ufrag.clone(),
            pwd: c.pwd.clone(),
            fingerprint: self.identity.fingerprint(),
            setup,
            candidates: self.candidates.iter().map(Candidate::marshal).collect(),
            mid: mid.to_owned(),
        }
    }

    /// What we answer to an offered setup: what we are already, or the one who begins.
    pub(crate) fn answer_setup(&self, offered: &Way) -> Setup {
        match (&self.dtls, offered.setup) {
            (Some(d), Setup::ActPass) if d.theirs == offered.fingerprint && !d.is_client => Setup::Passive,
            (_, Setup::Active) => Setup::Passive,
            _ => Setup::Active,
        }
    }

    /// The peer offers other credentials: new ones of ours go into the answer.
    pub(crate) fn stage_restart(&mut self, offered: &Way) {
        if self
            .theirs
            .as_ref()
            .is_some_and(|t| *t != (offered.ufrag.clone(), offered.pwd.clone()))
        {
            let _ = self
                .agent
                .generate_restart_credentials(String::new(), String::new());
        }
    }

    /// The peer's description is in force. `is_client` says that we begin the handshake.
    pub(crate) fn apply(&mut self, theirs: &Way, is_client: bool, now: Instant) -> Result<(), MediaError> {
        let credentials = (theirs.ufrag.clone(), theirs.pwd.clone());
        if self.theirs.as_ref() != Some(&credentials) {
            if self.theirs.is_some() {
                // The peer began the restart, so it is the controlling side now (RFC 8445 9).
                self.controlling = self.controlling && !self.agent.has_pending_restart();
                self.agent
                    .apply_restart(now, true)
                    .map_err(|_| MediaError::Crypto)?;
                for c in &self.candidates {
                    let _ = self.agent.add_local_candidate(c.clone());
                }
            }
            self.agent
                .start_connectivity_checks(
                    now,
                    self.controlling,
                    credentials.0.clone(),
                    credentials.1.clone(),
                )
                .map_err(|_| MediaError::Malformed("its ICE credentials are empty"))?;
            self.theirs = Some(credentials);
        }
        for text in theirs.candidates.iter().take(CANDIDATES_MAX) {
            // Names under .local hide an address; the browser's own checks show it to us soon enough.
            if let Ok(c) = unmarshal_candidate(text)
                && c.component() == 1
                && !c.address().ends_with(".local")
                && c.addr().is_ipv4() == self.local.is_ipv4()
            {
                let _ = self.agent.add_remote_candidate(c);
            }
        }
        if self
            .dtls
            .as_ref()
            .is_none_or(|d| d.theirs != theirs.fingerprint || d.is_client != is_client)
        {
            let mut dtls = Dtls::new(&self.identity, is_client, &theirs.fingerprint)?;
            if self.selected.is_some() {
                dtls.begin(now);
            }
            self.dtls = Some(dtls);
            for (from, early) in std::mem::take(&mut self.early) {
                if self.is_checked(from) {
                    self.dtls(&early, now);
                }
            }
        }
        self.settle(now);
        Ok(())
    }

    /// As a browser whose network has changed does before it offers.
    #[cfg(test)]
    pub(crate) fn restart_for_test(&mut self) {
        let _ = self
            .agent
            .generate_restart_credentials(String::new(), String::new());
    }

    /// Takes a datagram; gives back what is media, still encrypted.
    pub(crate) fn datagram(&mut self, from: SocketAddr, bytes: &[u8], now: Instant) -> Option<BytesMut> {
        let mut media = None;
        if let Some((server, _)) = self.servers.iter_mut().find(|(s, _)| s.address == from) {
            let relayed = server.relayed;
            for (peer, data) in server.datagram(bytes, now) {
                if let Some(at) = relayed {
                    media = self.inner(at, peer, &data, now).or(media);
                }
            }
        } else {
            media = self.inner(self.local, from, bytes, now);
        }
        self.settle(now);
        media
    }

    /// Told apart by the first byte (RFC 7983).
    fn inner(&mut self, at: SocketAddr, from: SocketAddr, bytes: &[u8], now: Instant) -> Option<BytesMut> {
        match *bytes.first()? {
            0..=3 => {
                if self.is_ours(bytes) {
                    let _ = self.agent.handle_read(TransportMessage {
                        now,
                        transport: TransportContext {
                            local_addr: at,
                            peer_addr: from,
                            transport_protocol: TransportProtocol::UDP,
                            ecn: None,
                        },
                        message: BytesMut::from(bytes),
                    });
                }
                None
            }
            20..=63 => {
                if self.theirs.is_none() && self.early.len() < EARLY_MAX {
                    self.early.push((from, BytesMut::from(bytes)));
                } else if self.is_checked(from) {
                    self.spoke = Some((at, from));
                    self.dtls(bytes, now);
                }
                None
            }
            128..=191 if self.is_checked(from) => Some(BytesMut::from(bytes)),
            _ => None,
        }
    }

    /// Whether a STUN message may reach the agent: a request must know our password before anything in it, such as
    /// the role it claims, is acted on. Answers are checked by the agent against their requests.
    fn is_ours(&self, bytes: &[u8]) -> bool {
        let mut m = Message::new();
        m.raw = bytes.to_vec();
        if m.decode().is_err() {
            return false;
        }
        if m.typ.class != CLASS_REQUEST {
            return true;
        }
        let c = self.agent.get_local_credentials();
        let pending = self.agent.has_pending_restart();
        let named = m
            .get(ATTR_USERNAME)
            .is_ok_and(|u| u.starts_with(format!("{}:", c.ufrag).as_bytes()));
        let crypto = self.identity.provider.crypto();
        pending || (named && MessageIntegrity::check(&mut m, c.pwd.as_bytes(), crypto).is_ok())
    }

    /// Whether ICE has exchanged checks with an address.
    fn is_checked(&self, from: SocketAddr) -> bool {
        self.selected.is_some_and(|(_, s)| s == from)
            || self
                .agent
                .get_remote_candidates()
                .iter()
                .any(|c| c.addr() == from && c.last_received().is_some())
    }

    fn dtls(&mut self, bytes: &[u8], now: Instant) {
        match self.dtls.as_mut().and_then(|d| d.datagram(bytes, now)) {
            Some(Came::Keys(k)) => self.events.push(PathEvent::Keys(k)),
            Some(Came::Closed) => self.events.push(PathEvent::Lost),
            None => {}
        }
    }

    /// Time has passed. Every tick is often enough.
    pub(crate) fn timeout(&mut self, now: Instant) {
        for (server, _) in &mut self.servers {
            server.timeout(now);
        }
        if self.theirs.is_some() {
            let _ = self.agent.handle_timeout(now);
        }
        if let Some(d) = &mut self.dtls {
            d.timeout(now);
        }
        self.settle(now);
    }

    /// Sends media on the path in use; without one it is lost.
    pub(crate) fn send(&mut self, bytes: &[u8], now: Instant) {
        if let Some((from, to)) = self.selected {
            self.route(from, to, bytes, now);
            self.drain_servers();
        }
    }

    /// Tells the peer and the servers that it is over.
    pub(crate) fn close(&mut self, now: Instant) {
        if let Some(d) = &mut self.dtls {
            d.close(now);
        }
        self.settle(now);
        for (server, _) in &mut self.servers {
            server.close(now);
        }
        self.drain_servers();
    }

    fn route(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8], now: Instant) {
        match self
            .servers
            .iter_mut()
            .find(|(s, turn)| *turn && s.relayed == Some(from))
        {
            Some((server, _)) => server.send(bytes, to, now),
            None => self.out.push((to, BytesMut::from(bytes))),
        }
    }

    fn drain_servers(&mut self) {
        for (server, _) in &mut self.servers {
            while let Some(t) = server.poll() {
                self.out.push((t.transport.peer_addr, t.message));
            }
        }
    }

    /// Carries out what the parts want done, until none wants anything.
    fn settle(&mut self, now: Instant) {
        let found: Vec<_> = self
            .servers
            .iter()
            .filter_map(|(s, turn)| s.candidate(*turn))
            .collect();
        for c in found {
            self.add_own(c);
        }
        while let Some(t) = self.agent.poll_write() {
            self.route(t.transport.local_addr, t.transport.peer_addr, &t.message, now);
        }
        while let Some(e) = self.agent.poll_event() {
            match e.event {
                Event::SelectedCandidatePairChange(ours, theirs) => {
                    self.selected = Some((ours.base_addr(), theirs.addr()));
                    self.events.push(PathEvent::Path(path(&ours, &theirs)));
                    if let Some(d) = &mut self.dtls {
                        d.begin(now);
                    }
                }
                Event::ConnectionStateChange(ConnectionState::Failed) => {
                    self.selected = None;
                    self.events.push(PathEvent::Lost);
                }
                _ => {}
            }
        }
        let mut records = Vec::new();
        if let Some(d) = &mut self.dtls {
            while let Some(r) = d.poll() {
                records.push(r);
            }
        }
        if let Some((from, to)) = self.selected.or(self.spoke) {
            for r in records {
                self.route(from, to, &r, now);
            }
        }
        self.drain_servers();
    }
}

fn path(ours: &Candidate, theirs: &Candidate) -> Path {
    let kind = |c: &Candidate| match c.candidate_type() {
        CandidateType::Relay => Path::Relay,
        CandidateType::ServerReflexive | CandidateType::PeerReflexive => Path::Reflexive,
        _ => Path::Host,
    };
    kind(ours).max(kind(theirs))
}
