//! The factory: the configuration, the clock and the pool of ports.

use super::shared::{Inner, Shared};
use super::{MediaConfig, MediaSession, Place, SrtpPolicy};
use crate::engine::{Engine, Seed, Timeouts};
use crate::error::MediaError;
use crate::local::Device;
use crate::ports::Pool;
use crate::sdp::{self, Local, Version};
use crate::srtp::MasterKey;
use crate::webrtc::{IceServer, Identity};
use anteroom_types::Mono;
use rand::Rng as _;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Makes sessions and owns the pool of ports. Cheap to clone.
#[derive(Clone)]
pub struct MediaFactory {
    inner: Arc<Factory>,
}

struct Factory {
    config: MediaConfig,
    epoch: std::time::Instant,
    pool: Arc<Pool>,
    /// Made when the first browser comes.
    identity: OnceLock<Arc<Identity>>,
    ice: Mutex<Arc<[IceServer]>>,
}

impl MediaFactory {
    /// A factory whose [`Mono`] counts from `epoch`.
    ///
    /// # Errors
    /// When the port range holds no pair of ports, no codec is allowed, or the addresses are of different IP versions.
    pub fn new(config: MediaConfig, epoch: std::time::Instant) -> Result<Self, MediaError> {
        if config.codecs.is_empty() {
            return Err(MediaError::Config("no codec is allowed"));
        }
        if config.bind.is_ipv4() != config.advertise.is_ipv4() {
            return Err(MediaError::Config(
                "the bound and the advertised address are of different IP versions",
            ));
        }
        if config.advertise.is_unspecified() {
            return Err(MediaError::Config(
                "the advertised address must be one that callers can reach",
            ));
        }
        let pool = Pool::new(config.ports.clone());
        if pool.free() == 0 {
            return Err(MediaError::Config(
                "the port range holds no even port with an odd one after it",
            ));
        }
        Ok(Self {
            inner: Arc::new(Factory {
                ice: Mutex::new(config.ice_servers.as_slice().into()),
                config,
                epoch,
                pool: Arc::new(pool),
                identity: OnceLock::new(),
            }),
        })
    }

    /// STUN and TURN servers for browsers from now on, in place of those of the configuration: names and passwords that are
    /// good for a while are to be renewed.
    pub fn set_ice_servers(&self, servers: &[IceServer]) {
        let mut ice = self.inner.ice.lock().unwrap_or_else(PoisonError::into_inner);
        *ice = servers.into();
    }

    pub(super) fn ice_servers(&self) -> Arc<[IceServer]> {
        let ice = self.inner.ice.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&ice)
    }

    /// Sessions that could still be made, as far as ports go.
    #[must_use]
    pub fn free_ports(&self) -> usize {
        self.inner.pool.free()
    }

    /// Answers an offer.
    ///
    /// # Errors
    /// When the offer cannot be read or nothing in it suits, no port is free, or a codec or encryption cannot be set
    /// up. See [`MediaError::is_not_acceptable`].
    pub fn answer(&self, offer: &str) -> Result<(MediaSession, String), MediaError> {
        // Read first: an offer that does not suit must not cost a port.
        sdp::parse(offer)?;
        let session = self.session()?;
        let answer = session.shared.lock().remote_offer(offer, self.now())?;
        Ok((session, answer))
    }

    /// Makes an offer.
    ///
    /// # Errors
    /// When no port is free or encryption cannot be set up.
    pub fn offer(&self) -> Result<(MediaSession, String), MediaError> {
        let session = self.session()?;
        let offer = session.shared.lock().local_offer()?;
        Ok((session, offer))
    }

    /// Makes an offer that can only be accepted with encryption (RTP/SAVP, RFC 4568), whatever the policy for others is:
    /// telephones that insist on it take no other. With encryption switched off it is [`Self::offer`].
    ///
    /// # Errors
    /// As [`Self::offer`].
    pub fn offer_encrypted(&self) -> Result<(MediaSession, String), MediaError> {
        let session = self.session()?;
        let offer = {
            let mut inner = session.shared.lock();
            if inner.local.srtp == SrtpPolicy::Optional {
                inner.local.srtp = SrtpPolicy::Required;
            }
            inner.local_offer()?
        };
        Ok((session, offer))
    }

    pub(super) fn config(&self) -> &MediaConfig {
        &self.inner.config
    }

    /// Our certificate, the same for all sessions.
    pub(super) fn identity(&self) -> Result<Arc<Identity>, MediaError> {
        if let Some(made) = self.inner.identity.get() {
            return Ok(Arc::clone(made));
        }
        let made = Arc::new(Identity::new()?);
        Ok(Arc::clone(self.inner.identity.get_or_init(|| made)))
    }

    pub(super) fn now(&self) -> Mono {
        Mono::from_duration(
            Instant::now()
                .into_std()
                .saturating_duration_since(self.inner.epoch),
        )
    }

    pub(super) fn session(&self) -> Result<MediaSession, MediaError> {
        let (lease, rtp, rtcp) = self.inner.pool.lease(self.inner.config.bind)?;
        let key = || MasterKey::random().ok_or(MediaError::Crypto);
        let shared = self.shared(lease.port(), [key()?, key()?]);
        Ok(MediaSession {
            shared: Arc::new(shared),
            port: lease.port(),
            place: Some(Place { lease, rtp, rtcp }),
        })
    }

    /// The same without a port, for a device of this machine's.
    pub(super) fn shared_local(&self, device: Device) -> Arc<Shared> {
        let shared = self.shared(0, [MasterKey::unused(), MasterKey::unused()]);
        shared.lock().engine.set_device(device);
        Arc::new(shared)
    }

    fn shared(&self, rtp_port: u16, keys: [MasterKey; 2]) -> Shared {
        let c = &self.inner.config;
        let mut rng = rand::rng();
        let seed = Seed {
            ssrc: rng.random(),
            seq: rng.random(),
            timestamp: rng.random(),
            cname: format!("{:016x}", rng.random::<u64>()),
            phase: rng.random(),
        };
        let local = Local {
            advertise: c.advertise,
            rtp_port,
            codecs: c.codecs.clone(),
            srtp: c.srtp,
            keys,
            dtls: None,
        };
        let timeouts = Timeouts {
            first_packet_ms: c.first_packet_timeout_ms,
            silence_ms: c.silence_timeout_ms,
        };
        let inner = Inner {
            engine: Engine::new(timeouts, seed, self.now()),
            local,
            // RFC 8866 5.2 wants a number that is likely unique; 62 bits keep within what peers read.
            version: Version {
                id: rng.random::<u64>() >> 2,
                version: 0,
            },
            offered: false,
            peer: None,
            epoch: self.inner.epoch,
            listeners: Arc::from([]),
        };
        Shared {
            inner: Mutex::new(inner),
            sockets: OnceLock::new(),
            stop: Notify::new(),
            stopped: AtomicBool::new(false),
            ticks: AtomicBool::new(true),
            epoch: self.inner.epoch,
        }
    }
}
