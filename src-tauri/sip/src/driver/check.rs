//! What a configuration must not say.

use crate::config::{SipConfig, TrunkKind};
use crate::error::SipStartError;
use bytes::Bytes;

/// Refuses settings that contradict themselves or cannot be read.
pub(super) fn check(cfg: &SipConfig) -> Result<(), SipStartError> {
    let bad = |s: String| Err(SipStartError::Config(s));
    if cfg.listen.is_empty() {
        return Err(SipStartError::NoListener);
    }
    if !(cfg.rate.per_source_per_s.is_finite() && cfg.rate.per_source_per_s > 0.0 && cfg.rate.burst > 0) {
        return bad("rate must be above zero".into());
    }
    if cfg.min_se_s < 90 {
        return bad("min_se_s must be at least 90 (RFC 4028)".into());
    }
    if cfg.listen.iter().any(|l| l.transport.is_websocket()) {
        return bad("WebSocket is served by the web server, not listened on".into());
    }
    if let Some(r) = &cfg.registrar {
        let printable =
            |s: &str| !s.is_empty() && s.len() <= 128 && s.bytes().all(|b| (0x20..0x7f).contains(&b));
        if !printable(&r.realm) {
            return bad("the registrar's realm must be 1 to 128 printable ASCII characters".into());
        }
        if r.algorithms.is_empty() {
            return bad("the registrar needs a digest algorithm".into());
        }
        if r.expires_min_s > r.expires_default_s || r.expires_default_s > r.expires_max_s {
            return bad("the registrar's expiry times contradict each other".into());
        }
        let host = |d: &String| {
            sipx_sip::Uri::parse(Bytes::from(format!("sip:{d}"))).is_ok_and(|u| u.host().is_some())
        };
        if !r.domains.iter().all(host) {
            return bad("a domain of the registrar cannot be read".into());
        }
    }
    for (i, t) in cfg.trunks.iter().enumerate() {
        if cfg.trunks.iter().take(i).any(|o| o.name == t.name) {
            return bad(format!("two trunks are called {}", t.name));
        }
        let uris: Vec<String> = match &t.kind {
            TrunkKind::Register {
                registrars, domain, ..
            } => {
                if registrars.is_empty() {
                    return bad(format!("trunk {} has no registrar", t.name));
                }
                let hosts = registrars.iter().map(|r| &r.host).chain(domain);
                hosts.map(|h| format!("sip:{h}")).collect()
            }
            TrunkKind::Address { target, .. } => target.iter().cloned().collect(),
        };
        for u in uris {
            let ok = sipx_sip::Uri::parse(Bytes::from(u)).is_ok_and(|u| u.host().is_some());
            if !ok {
                return bad(format!("trunk {} has an address that cannot be read", t.name));
            }
        }
    }
    Ok(())
}
