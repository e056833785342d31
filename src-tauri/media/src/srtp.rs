//! SRTP with keys from the signalling (SDES, RFC 4568), over `rtc-srtp`.
//!
//! The library keeps a state for each SSRC it is shown, before it knows whether the packet is genuine. An unknown
//! SSRC is therefore first tried on a throw-away context, and only an authenticated one reaches the lasting context.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use rtc_srtp::context::Context;
use rtc_srtp::crypto::{RTCCryptoProvider, default_provider};
use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
use rtc_srtp::protection_profile::ProtectionProfile;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Packets a late one may be behind the newest and still be accepted (RFC 3711 3.3.2 asks for at least 64).
const REPLAY_WINDOW: usize = 128;
/// SSRCs a peer may use with one key before further ones are refused.
const SSRCS_MAX: usize = 16;
/// Bytes of an AES-128 master key and of its salt (RFC 3711 4.1.1).
const KEY_BYTES: usize = 16;
const SALT_BYTES: usize = 14;

/// The crypto suites of RFC 4568 6.2 that we speak, strongest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suite {
    /// `AES_CM_128_HMAC_SHA1_80`.
    Sha1_80,
    /// `AES_CM_128_HMAC_SHA1_32`.
    Sha1_32,
}

impl Suite {
    pub(crate) const ALL: [Self; 2] = [Self::Sha1_80, Self::Sha1_32];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::Sha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    const fn profile(self) -> ProtectionProfile {
        match self {
            Self::Sha1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
            Self::Sha1_32 => ProtectionProfile::Aes128CmHmacSha1_32,
        }
    }
}

/// A master key with its salt. It prints as nothing and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MasterKey(Zeroizing<[u8; KEY_BYTES + SALT_BYTES]>);

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[key]")
    }
}

impl MasterKey {
    /// Bytes of a key with its salt.
    pub(crate) const BYTES: usize = KEY_BYTES + SALT_BYTES;

    /// The client's and the server's, from what a DTLS handshake exports (RFC 5764 4.2): client key, server key,
    /// client salt, server salt. None if there is not enough of it.
    pub(crate) fn pair_from_export(material: &[u8]) -> Option<(Self, Self)> {
        let take = |at: usize, n: usize| material.get(at..at + n);
        let join = |key: &[u8], salt: &[u8]| {
            let mut k = Zeroizing::new([0; KEY_BYTES + SALT_BYTES]);
            k[..KEY_BYTES].copy_from_slice(key);
            k[KEY_BYTES..].copy_from_slice(salt);
            Self(k)
        };
        let salts = KEY_BYTES * 2;
        Some((
            join(take(0, KEY_BYTES)?, take(salts, SALT_BYTES)?),
            join(take(KEY_BYTES, KEY_BYTES)?, take(salts + SALT_BYTES, SALT_BYTES)?),
        ))
    }

    /// A new key from the system's generator, or none if it fails.
    pub(crate) fn random() -> Option<Self> {
        use rand::TryRngCore as _;
        let mut k = Zeroizing::new([0; KEY_BYTES + SALT_BYTES]);
        rand::rngs::OsRng.try_fill_bytes(k.as_mut_slice()).ok()?;
        Some(Self(k))
    }

    /// For a session that encrypts nothing.
    pub(crate) fn unused() -> Self {
        Self(Zeroizing::new([0; KEY_BYTES + SALT_BYTES]))
    }

    pub(crate) fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(self.0.as_slice()))
    }

    fn from_base64(s: &str) -> Option<Self> {
        let bytes = Zeroizing::new(STANDARD.decode(s).ok()?);
        let key: [u8; KEY_BYTES + SALT_BYTES] = bytes.as_slice().try_into().ok()?;
        Some(Self(Zeroizing::new(key)))
    }
}

/// One `a=crypto` line we can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CryptoLine {
    /// Its tag, repeated in the answer.
    pub(crate) tag: u32,
    /// Its suite.
    pub(crate) suite: Suite,
    /// The key its writer will encrypt with.
    pub(crate) key: MasterKey,
}

impl CryptoLine {
    /// Reads an attribute value such as `1 AES_CM_128_HMAC_SHA1_80 inline:…|2^48`. Lines with another suite, with
    /// an MKI, with several keys, or with a session parameter that must be understood are not for us (RFC 4568 6.3).
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next()?.parse().ok().filter(|t| *t < 1_000_000_000)?;
        let suite_name = words.next()?;
        let suite = Suite::ALL
            .into_iter()
            .find(|s| s.name().eq_ignore_ascii_case(suite_name))?;
        let inline = words.next()?.strip_prefix("inline:")?;
        if inline.contains(';') {
            return None;
        }
        let mut parts = inline.split('|');
        let key = MasterKey::from_base64(parts.next()?)?;
        // What follows is a lifetime (`2^n` or a number), which is ample for any call, or an MKI (`n:m`).
        if parts.any(|p| p.contains(':')) {
            return None;
        }
        // A window-size hint is harmless; a leading minus marks a parameter that may be ignored.
        if words.any(|w| !(w.starts_with("WSH=") || w.starts_with('-'))) {
            return None;
        }
        Some(Self { tag, suite, key })
    }

    /// The attribute's value.
    pub(crate) fn value(&self) -> Zeroizing<String> {
        Zeroizing::new(format!(
            "{} {} inline:{}",
            self.tag,
            self.suite.name(),
            self.key.to_base64().as_str()
        ))
    }
}

/// Why a packet was not decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the packet is not authentic, a repeat, or malformed")]
pub(crate) struct Rejected;

fn context(suite: Suite, key: &MasterKey, provider: &dyn RTCCryptoProvider) -> Option<Context> {
    let (k, salt) = key.0.split_at(KEY_BYTES);
    Context::new(
        k,
        salt,
        suite.profile(),
        Some(srtp_replay_protection(REPLAY_WINDOW)),
        Some(srtcp_replay_protection(REPLAY_WINDOW)),
        provider.crypto(),
    )
    .ok()
}

/// Decrypts what the peer sends.
pub(crate) struct Inbound {
    suite: Suite,
    key: MasterKey,
    provider: Arc<dyn RTCCryptoProvider>,
    context: Context,
    known_rtp: Vec<u32>,
    known_rtcp: Vec<u32>,
}

impl Inbound {
    /// For packets encrypted with `key`; `None` if the crypto library refuses.
    pub(crate) fn new(suite: Suite, key: &MasterKey) -> Option<Self> {
        let provider = default_provider().ok()?;
        let context = context(suite, key, provider.as_ref())?;
        Some(Self {
            suite,
            key: key.clone(),
            provider,
            context,
            known_rtp: Vec::new(),
            known_rtcp: Vec::new(),
        })
    }

    pub(crate) fn is_for(&self, suite: Suite, key: &MasterKey) -> bool {
        self.suite == suite && self.key == *key
    }

    /// The RTP packet inside `datagram`, whose SSRC is `ssrc`.
    pub(crate) fn rtp(&mut self, ssrc: u32, datagram: &[u8]) -> Result<BytesMut, Rejected> {
        if !self.known_rtp.contains(&ssrc) {
            if self.known_rtp.len() >= SSRCS_MAX {
                return Err(Rejected);
            }
            let mut probe = context(self.suite, &self.key, self.provider.as_ref()).ok_or(Rejected)?;
            probe.decrypt_rtp(datagram).map_err(|_| Rejected)?;
            self.known_rtp.push(ssrc);
        }
        self.context.decrypt_rtp(datagram).map_err(|_| Rejected)
    }

    /// The compound RTCP packet inside `datagram`, whose sender is `ssrc`.
    pub(crate) fn rtcp(&mut self, ssrc: u32, datagram: &[u8]) -> Result<BytesMut, Rejected> {
        if !self.known_rtcp.contains(&ssrc) {
            if self.known_rtcp.len() >= SSRCS_MAX {
                return Err(Rejected);
            }
            let mut probe = context(self.suite, &self.key, self.provider.as_ref()).ok_or(Rejected)?;
            probe.decrypt_rtcp(datagram).map_err(|_| Rejected)?;
            self.known_rtcp.push(ssrc);
        }
        self.context.decrypt_rtcp(datagram).map_err(|_| Rejected)
    }
}

/// Encrypts what we send.
pub(crate) struct Outbound {
    suite: Suite,
    key: MasterKey,
    context: Context,
}

impl Outbound {
    /// Encrypting with `key`; `None` if the crypto library refuses.
    pub(crate) fn new(suite: Suite, key: &MasterKey) -> Option<Self> {
        let provider = default_provider().ok()?;
        Some(Self {
            suite,
            key: key.clone(),
            context: context(suite, key, provider.as_ref())?,
        })
    }

    pub(crate) fn is_for(&self, suite: Suite, key: &MasterKey) -> bool {
        self.suite == suite && self.key == *key
    }

    pub(crate) fn rtp(&mut self, packet: &[u8]) -> Result<BytesMut, Rejected> {
        self.context.encrypt_rtp(packet).map_err(|_| Rejected)
    }

    pub(crate) fn rtcp(&mut self, packet: &[u8]) -> Result<BytesMut, Rejected> {
        self.context.encrypt_rtcp(packet).map_err(|_| Rejected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp;

    #[test]
    fn reads_the_lines_it_can_use_and_no_others() {
        let k = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
        let line = CryptoLine::parse(&format!("1 AES_CM_128_HMAC_SHA1_80 inline:{k}|2^20")).unwrap();
        assert_eq!((line.tag, line.suite), (1, Suite::Sha1_80));
        assert_eq!(CryptoLine::parse(&line.value()), Some(line.clone()));
        assert_eq!(format!("{:?}", line.key), "[key]");
        assert!(CryptoLine::parse(&format!("7 AES_CM_128_HMAC_SHA1_32 inline:{k} WSH=128 -X=1")).is_some());
        for bad in [
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{k}|2^20|1:4"),
            format!("1 F8_128_HMAC_SHA1_80 inline:{k}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 inline:{k} UNENCRYPTED_SRTP"),
            format!("x AES_CM_128_HMAC_SHA1_80 inline:{k}"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ=".to_owned(),
            "1 AES_CM_128_HMAC_SHA1_80".to_owned(),
            String::new(),
        ] {
            assert!(CryptoLine::parse(&bad).is_none(), "{bad}");
        }
    }

    /// RFC 3711 B.2 and B.3 are the library's own tests; this one is about how we use it.
    #[test]
    fn forged_packets_leave_no_state_behind_and_repeats_are_refused() {
        for suite in Suite::ALL {
            let key = MasterKey::random().unwrap();
            let (mut tx, mut rx) = (
                Outbound::new(suite, &key).unwrap(),
                Inbound::new(suite, &key).unwrap(),
            );
            for n in 0..50u32 {
                let mut forged = rtp::packet(0, 1, false, 160, 1_000 + n, &[0; 60]);
                forged.extend_from_slice(&[7; 10]);
                assert_eq!(rx.rtp(1_000 + n, &forged), Err(Rejected));
            }
            assert!(rx.known_rtp.is_empty());
            // Over the wrap of the sequence number, where the roll-over counter must follow.
            for n in 65_000..66_000u32 {
                let plain = rtp::packet(0, n as u16, false, n * 160, 42, &[n as u8; 160]);
                let sealed = tx.rtp(&plain).unwrap();
                assert_ne!(&sealed[12..172], &plain[12..172]);
                assert_eq!(rx.rtp(42, &sealed).unwrap(), plain);
                assert_eq!(rx.rtp(42, &sealed), Err(Rejected));
                let mut bent = sealed.to_vec();
                bent[20] ^= 1;
                assert_eq!(rx.rtp(42, &bent), Err(Rejected));
            }
        }
    }
}
