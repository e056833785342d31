//! DTLS-SRTP (RFC 5763, RFC 5764): our certificate, the handshake, and the keys that come of it, over `rtc-dtls`.
//!
//! A certificate is worth what the signalling says of it: its fingerprint must be the one in the peer's description,
//! which came over TLS from someone who signed in. Nothing else about it is looked at.

use crate::error::MediaError;
use crate::srtp::{MasterKey, Suite};
use bytes::BytesMut;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType};
use rtc_dtls::crypto::Certificate;
use rtc_dtls::crypto_provider::{HashAlgorithm, RTCCryptoProvider};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::{TransportContext, TransportProtocol};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

/// The label of RFC 5764 4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Records a late one may be behind the newest.
const REPLAY_WINDOW: usize = 64;

/// Our certificate and its fingerprint; one for the life of the process.
pub(crate) struct Identity {
    pub(super) provider: Arc<dyn RTCCryptoProvider>,
    certificate: Certificate,
    fingerprint: String,
}

impl Identity {
    /// A new self-signed certificate.
    pub(crate) fn new() -> Result<Self, MediaError> {
        let provider = rtc_dtls::crypto_provider::default_provider().map_err(|_| MediaError::Crypto)?;
        // The name says nothing: browsers do not show it, and it must identify nobody.
        let certificate =
            Certificate::generate_self_signed(vec!["anteroom.invalid".to_owned()], provider.crypto())
                .map_err(|_| MediaError::Crypto)?;
        let der = certificate.certificate.first().ok_or(MediaError::Crypto)?;
        let fingerprint = fingerprint(provider.as_ref(), der).ok_or(MediaError::Crypto)?;
        Ok(Self {
            provider,
            certificate,
            fingerprint,
        })
    }

    /// In the form of RFC 8122: `sha-256 AB:CD:…`.
    pub(crate) fn fingerprint(&self) -> String {
        format!("sha-256 {}", self.fingerprint)
    }
}

fn fingerprint(provider: &dyn RTCCryptoProvider, der: &[u8]) -> Option<String> {
    let hash = provider.crypto().hash(HashAlgorithm::Sha256, der).ok()?;
    let mut out = String::with_capacity(95);
    for (n, b) in hash.iter().enumerate() {
        let colon = if n == 0 { "" } else { ":" };
        let _ = write!(out, "{colon}{b:02X}");
    }
    Some(out)
}

/// Keys of both directions.
#[derive(Debug, Clone)]
pub(crate) struct DtlsKeys {
    pub(crate) suite: Suite,
    pub(crate) ours: MasterKey,
    pub(crate) theirs: MasterKey,
}

/// What came of a datagram.
pub(super) enum Came {
    Keys(Box<DtlsKeys>),
    /// The peer has ended it.
    Closed,
}

/// One association.
pub(super) struct Dtls {
    endpoint: Endpoint,
    /// Given up when the handshake begins, if we begin it.
    client: Option<Arc<rtc_dtls::config::HandshakeConfig>>,
    pub(super) is_client: bool,
    /// The peer's fingerprint as its description gave it.
    pub(super) theirs: String,
}

/// The association knows no addresses: ICE decides where its records go.
fn nowhere() -> TransportContext {
    TransportContext::default()
}

impl Dtls {
    /// `theirs` is the peer's fingerprint, as in its description.
    pub(super) fn new(identity: &Identity, is_client: bool, theirs: &str) -> Result<Self, MediaError> {
        let expected = theirs
            .split_once(' ')
            .filter(|(hash, _)| hash.eq_ignore_ascii_case("sha-256"))
            .map(|(_, value)| value.trim().to_ascii_uppercase())
            .ok_or(MediaError::EncryptionRequired)?;
        let provider = Arc::clone(&identity.provider);
        let verify = move |certificates: &[Vec<u8>], _: &[_]| {
            let given = certificates
                .first()
                .and_then(|der| fingerprint(provider.as_ref(), der));
            if given.as_deref() == Some(expected.as_str()) {
                Ok(())
            } else {
                Err(rtc_shared::error::Error::ErrNoMatchingCertificateFingerprint)
            }
        };
        let config = ConfigBuilder::default()
            .with_crypto_provider(Arc::clone(&identity.provider))
            .with_certificates(vec![identity.certificate.clone()])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // No chain to check: the fingerprint is the whole of it.
            .with_insecure_skip_verify(true)
            .with_verify_peer_certificate(Some(Arc::new(verify)))
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .with_replay_protection_window(REPLAY_WINDOW)
            .build(is_client, None)
            .map_err(|_| MediaError::Crypto)?;
        let config = Arc::new(config);
        let server = (!is_client).then(|| Arc::clone(&config));
        Ok(Self {
            endpoint: Endpoint::new(nowhere().local_addr, TransportProtocol::UDP, server),
            client: is_client.then_some(config),
            is_client,
            theirs: theirs.to_owned(),
        })
    }

    /// There is a path now: begins the handshake if that is for us to do.
    pub(super) fn begin(&mut self, now: Instant) {
        if let Some(config) = self.client.take() {
            // It fails on a wrong address only, and ours is fixed.
            let _ = self.endpoint.connect(now, nowhere().peer_addr, config, None);
        }
    }

    /// Takes a datagram that holds records.
    pub(super) fn datagram(&mut self, bytes: &[u8], now: Instant) -> Option<Came> {
        let events = match self
            .endpoint
            .read(now, nowhere().peer_addr, None, BytesMut::from(bytes))
        {
            Ok(events) => events,
            Err(e) => {
                tracing::debug!(error = %e, "a DTLS record was refused");
                return None;
            }
        };
        let mut came = None;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => {
                    came = self.keys().map(|k| Came::Keys(Box::new(k))).or(came);
                }
                EndpointEvent::PeerClosed => came = Some(Came::Closed),
                _ => {}
            }
        }
        came
    }

    /// Splits what the handshake exports (RFC 5764 4.2): both keys, then both salts, the client's first.
    fn keys(&self) -> Option<DtlsKeys> {
        let state = self.endpoint.get_connection_state(nowhere().peer_addr)?;
        if state.srtp_protection_profile() != SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 {
            return None;
        }
        let material = state
            .export_keying_material(LABEL, &[], MasterKey::BYTES * 2)
            .ok()?;
        let (client, server) = MasterKey::pair_from_export(material.as_ref())?;
        let (ours, theirs) = if self.is_client {
            (client, server)
        } else {
            (server, client)
        };
        Some(DtlsKeys {
            suite: Suite::Sha1_80,
            ours,
            theirs,
        })
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        let _ = self.endpoint.handle_timeout(nowhere().peer_addr, now);
    }

    pub(super) fn close(&mut self, now: Instant) {
        let _ = self.endpoint.close(now);
    }

    pub(super) fn poll(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|t| t.message)
    }
}
