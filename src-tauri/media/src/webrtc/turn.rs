//! One STUN or TURN server (RFC 8489, RFC 8656) as a session uses it, over `rtc-turn`.

use bytes::BytesMut;
use rtc_dtls::crypto_provider::RTCCryptoProvider;
use rtc_ice::candidate::candidate_relay::CandidateRelayConfig;
use rtc_ice::candidate::candidate_server_reflexive::CandidateServerReflexiveConfig;
use rtc_ice::candidate::{Candidate, CandidateConfig};
use rtc_shared::{TaggedBytesMut, TransportContext, TransportMessage, TransportProtocol};
use rtc_turn::client::{Client, ClientConfig, Event};
use sansio::Protocol as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often an allocation is refreshed.
const REFRESH_EVERY: Duration = Duration::from_secs(60);

/// A server that tells us our public address, or relays for us.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `host:port`; a name is looked up when a session is made.
    pub address: String,
    /// User and password of a TURN server; a STUN server has none.
    pub credentials: Option<(String, String)>,
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.credentials.is_some() {
            "turn"
        } else {
            "stun"
        };
        write!(f, "{kind}:{}", self.address)
    }
}

/// See the module.
pub(super) struct Server {
    client: Client,
    pub(super) address: SocketAddr,
    local: SocketAddr,
    /// The address it relays for us.
    pub(super) relayed: Option<SocketAddr>,
    /// Nothing more will come of asking it for candidates.
    pub(super) done: bool,
}

impl Server {
    /// Asks `address` what it has to offer. None if the request cannot be written.
    pub(super) fn new(
        server: &IceServer,
        address: SocketAddr,
        local: SocketAddr,
        provider: Arc<dyn RTCCryptoProvider>,
        now: Instant,
    ) -> Option<Self> {
        let turn = server.credentials.is_some();
        let (username, password) = server.credentials.clone().unwrap_or_default();
        let config = ClientConfig {
            stun_serv_addr: address.to_string(),
            turn_serv_addr: if turn { address.to_string() } else { String::new() },
            local_addr: local,
            username,
            password,
            // Often enough that a nonce the server has let expire is noticed here, where asking again is harmless, and not
            // by the refresh of a channel, which the client answers by forgetting the channel.
            allocation_refresh_interval_cap: Some(REFRESH_EVERY),
            ..ClientConfig::default()
        };
        let mut client = Client::new(config, provider).ok()?;
        if turn {
            client.allocate(now).ok()?;
        } else {
            client.send_binding_request(now).ok()?;
        }
        Some(Self {
            client,
            address,
            local,
            relayed: None,
            done: false,
        })
    }

    /// Takes a datagram from the server. Returns what a peer sent through it.
    pub(super) fn datagram(&mut self, bytes: &[u8], now: Instant) -> Vec<(SocketAddr, BytesMut)> {
        let _ = self.client.handle_read(TransportMessage {
            now,
            transport: TransportContext {
                local_addr: self.local,
                peer_addr: self.address,
                transport_protocol: TransportProtocol::UDP,
                ecn: None,
            },
            message: BytesMut::from(bytes),
        });
        let mut data = Vec::new();
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::DataIndicationOrChannelData(_, peer, bytes) => data.push((peer, bytes)),
                event => self.learned(event),
            }
        }
        data
    }

    fn learned(&mut self, event: Event) {
        match event {
            Event::AllocateResponse(_, relayed) => {
                self.relayed = Some(relayed);
                self.done = true;
            }
            Event::BindingResponse(_, reflexive) => {
                // An address that is ours already is no news.
                self.relayed = Some(reflexive).filter(|r| *r != self.local);
                self.done = true;
            }
            Event::TransactionTimeout(_) | Event::BindingError(..) | Event::AllocateError(..) => {
                if !self.done {
                    tracing::warn!("a STUN or TURN server gave no address");
                }
                self.done = true;
            }
            _ => {}
        }
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        let _ = self.client.handle_timeout(now);
        while let Some(event) = self.client.poll_event() {
            self.learned(event);
        }
    }

    /// The candidate that came of it, once there is one. `turn` says which kind it is.
    pub(super) fn candidate(&self, turn: bool) -> Option<Candidate> {
        let address = self.relayed?;
        let base_config = CandidateConfig {
            network: "udp".to_owned(),
            address: address.ip().to_string(),
            port: address.port(),
            component: 1,
            ..CandidateConfig::default()
        };
        let (rel_addr, rel_port) = (self.local.ip().to_string(), self.local.port());
        if turn {
            CandidateRelayConfig {
                base_config,
                rel_addr,
                rel_port,
                url: None,
            }
            .new_candidate_relay()
            .ok()
        } else {
            CandidateServerReflexiveConfig {
                base_config,
                rel_addr,
                rel_port,
                url: None,
            }
            .new_candidate_server_reflexive()
            .ok()
        }
    }

    /// Sends to `peer` through the relay. The first datagrams are lost until the server has permitted the peer; the
    /// checks and handshakes that they are repeat themselves.
    pub(super) fn send(&mut self, bytes: &[u8], peer: SocketAddr, now: Instant) {
        let Some(relayed) = self.relayed else { return };
        if let Ok(mut relay) = self.client.relay(relayed)
            && relay.send_to(now, bytes, peer).is_err()
        {
            let _ = relay.create_permission(now, peer);
        }
    }

    /// Gives the relayed address back.
    pub(super) fn close(&mut self, now: Instant) {
        if let Some(relayed) = self.relayed
            && let Ok(mut relay) = self.client.relay(relayed)
        {
            let _ = relay.close(now);
        }
    }

    pub(super) fn poll(&mut self) -> Option<TaggedBytesMut> {
        self.client.poll_write()
    }
}
