//! Sessions with browsers: made like the others, once the servers have said how we can be reached.

use super::MediaSession;
use super::factory::MediaFactory;
use super::shared::Shared;
use crate::error::MediaError;
use crate::sdp::{self, DtlsLocal};
use crate::webrtc::{IceServer, Peer, Setup};
use anteroom_types::limits::RTP_DATAGRAM_BYTES_MAX;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::Instant;

/// How long servers are waited for: a browser's user waits as long.
const GATHER: Duration = Duration::from_millis(1_500);
/// How often requests to servers are repeated at most.
const GATHER_STEP: Duration = Duration::from_millis(50);
/// How long after its start a browser that took our offer may be silent, ms. It never pauses as telephones do; one that cannot
/// be reached leaves whoever was put through to it in silence.
const FIRST_PACKET_MS: u64 = 8_000;
/// Servers asked for one session.
const SERVERS_MAX: usize = 4;

/// Whether an offer is a browser's, for [`MediaFactory::answer_webrtc`]; any other is for [`MediaFactory::answer`].
#[must_use]
pub fn is_webrtc(offer: &str) -> bool {
    sdp::is_webrtc(offer)
}

impl MediaFactory {
    /// Answers a browser's offer: DTLS-SRTP over ICE, complete with candidates. It waits for STUN and TURN servers,
    /// for one and a half seconds at most, if any are configured. Re-INVITEs, late candidates and ICE restarts go to
    /// [`super::MediaHandle::remote_offer`] like any other.
    ///
    /// # Errors
    /// As [`MediaFactory::answer`].
    pub async fn answer_webrtc(&self, offer: &str) -> Result<(MediaSession, String), MediaError> {
        let theirs = sdp::way_of(offer)?;
        let session = self.browser(false, &theirs.mid).await?;
        let answer = session.shared.lock().remote_offer(offer, self.now())?;
        Ok((session, answer))
    }

    /// Makes an offer to a browser. It waits like [`Self::answer_webrtc`].
    ///
    /// # Errors
    /// As [`MediaFactory::offer`].
    pub async fn offer_webrtc(&self) -> Result<(MediaSession, String), MediaError> {
        let session = self.browser(true, "0").await?;
        let mut inner = session.shared.lock();
        inner.engine.expect_within(FIRST_PACKET_MS);
        let offer = inner.local_offer()?;
        drop(inner);
        Ok((session, offer))
    }

    async fn browser(&self, offering: bool, mid: &str) -> Result<MediaSession, MediaError> {
        let identity = self.identity()?;
        let ice = self.ice_servers();
        let servers = lookup(&ice, self.config().advertise.is_ipv4()).await;
        let session = self.session()?;
        let local = SocketAddr::new(self.config().advertise, session.port());
        let now = Instant::now().into_std();
        let relay_only = self.config().ice_relay_only;
        let peer = Peer::new(identity, local, offering, &servers, relay_only, now)?;
        {
            let mut inner = session.shared.lock();
            inner.local.dtls = Some(DtlsLocal {
                // Written anew with each description, with the candidates there are by then.
                way: peer.describe(Setup::ActPass, mid),
                ssrc: inner.engine.ssrc(),
                cname: inner.engine.cname().to_owned(),
            });
            inner.engine.set_secure();
            inner.peer = Some(Box::new(peer));
        }
        if !servers.is_empty() {
            let socket = session.rtp_again()?;
            gather(
                &session.shared,
                UdpSocket::from_std(socket).map_err(MediaError::Socket)?,
            )
            .await;
        }
        Ok(session)
    }
}

/// Names to addresses of our IP version. A server that cannot be found is left out.
async fn lookup(servers: &[IceServer], ipv4: bool) -> Vec<(IceServer, SocketAddr)> {
    // All at once: one that cannot be found costs its time, not everybody's.
    let looked_up = servers.iter().take(SERVERS_MAX).cloned().map(|s| {
        tokio::spawn(async move {
            let all = tokio::time::timeout(GATHER, tokio::net::lookup_host(&s.address)).await;
            let at = all
                .ok()
                .and_then(Result::ok)
                .and_then(|mut all| all.find(|a| a.is_ipv4() == ipv4));
            at.map(|at| (s, at))
        })
    });
    let looked_up: Vec<_> = looked_up.collect();
    let mut found = Vec::new();
    for l in looked_up {
        match l.await {
            Ok(Some(s)) => found.push(s),
            _ => tracing::warn!("a STUN or TURN server was not found"),
        }
    }
    found
}

/// Talks to the servers until each has answered, or for as long as it is worth waiting.
async fn gather(shared: &Arc<Shared>, socket: UdpSocket) {
    let deadline = Instant::now() + GATHER;
    let mut buf = vec![0u8; RTP_DATAGRAM_BYTES_MAX + 1];
    loop {
        let now = shared.now();
        let (done, outgoing) = {
            let mut inner = shared.lock();
            inner.peer_timeout(now);
            let done = inner.peer.as_ref().is_none_or(|p| p.gathered());
            (done, inner.flush(now))
        };
        for o in &outgoing {
            let _ = socket.send_to(&o.bytes, o.to).await;
        }
        if done || Instant::now() >= deadline {
            return;
        }
        if let Ok(Ok((n, from))) = tokio::time::timeout(GATHER_STEP, socket.recv_from(&mut buf)).await {
            let from = SocketAddr::new(from.ip().to_canonical(), from.port());
            shared
                .lock()
                .datagram(crate::engine::Port::Rtp, from, &buf[..n], shared.now());
        }
    }
}
