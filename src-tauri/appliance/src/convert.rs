//! The configuration in the adapters' own terms.

use crate::config::{Config, listen, network};
use crate::start::StartError;
use anteroom_media::{Codec, MediaConfig, SrtpPolicy};
use anteroom_sip::{
    BanConfig, Listen, RateLimit, Registrar, RegistrarConfig, Secret, SipConfig, TlsFiles, Transport,
    TrunkConfig, TrunkKind,
};
use std::path::Path;
use toml::Spanned;

/// Requests from one address that may come at once, as a multiple of what it may send in a second.
const BURST_FACTOR: u32 = 2;
/// Seconds between OPTIONS to a trunk known by its address.
const OPTIONS_EVERY_S: u32 = 60;

fn transport(s: &str) -> Transport {
    match s {
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        _ => Transport::Udp,
    }
}

/// The SIP side. The configuration was checked when it was read.
pub(crate) fn sip(config: &Config) -> Result<SipConfig, StartError> {
    let s = &config.sip;
    let listen = s.listen.iter().filter_map(|l| listen(l.get_ref()).ok());
    let rate = s.rate_per_source_per_s.max(1);
    Ok(SipConfig {
        listen: listen
            .map(|(t, addr)| Listen {
                transport: transport(t),
                addr,
            })
            .collect(),
        tls: match (&s.tls_cert, &s.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles {
                cert: cert.clone(),
                key: key.clone(),
                ca: None,
            }),
            _ => None,
        },
        advertise: s.advertise,
        user_agent: concat!("Anteroom/", env!("CARGO_PKG_VERSION")).into(),
        trunks: s.trunk.iter().map(trunk).collect::<Result<_, _>>()?,
        calls_max: *s.calls_max.get_ref(),
        emergency: config.outbound.emergency.clone(),
        retry_after_s: s.retry_after_s,
        rate: RateLimit {
            per_source_per_s: f64::from(rate),
            burst: rate.saturating_mul(BURST_FACTOR),
        },
        allow_direct: s.allow_direct,
        registrar: config.desk.enabled.then(|| RegistrarConfig {
            realm: config.desk.realm.get_ref().clone(),
            ban: BanConfig {
                failures_max: config.desk.ban_failures,
                ban_s: config.desk.ban_s,
                exempt: config.desk.never_banned.iter().filter_map(net).collect(),
                ..BanConfig::default()
            },
            ..RegistrarConfig::default()
        }),
        ..SipConfig::default()
    })
}

fn trunk(t: &crate::config::Trunk) -> Result<TrunkConfig, StartError> {
    let kind = match (&t.user, &t.password_file) {
        (Some(user), Some(file)) if !t.registrar.is_empty() => TrunkKind::Register {
            registrars: t
                .registrar
                .iter()
                .zip(0..)
                .map(|(host, priority)| Registrar {
                    host: host.clone(),
                    priority,
                })
                .collect(),
            domain: None,
            user: user.get_ref().clone(),
            auth_user: None,
            password: secret(file, "password_file in [[sip.trunk]]")?,
            expires_s: t.expires_s,
            peers: t.addresses.iter().filter_map(net).collect(),
        },
        _ => TrunkKind::Address {
            peers: t.addresses.iter().filter_map(net).collect(),
            target: t.target.as_ref().map(|host| format!("sip:{host}")),
        },
    };
    let transport = transport(t.transport.get_ref());
    Ok(TrunkConfig {
        name: t.name.clone(),
        kind,
        transport,
        options_s: OPTIONS_EVERY_S,
    })
}

fn net(written: &Spanned<String>) -> Option<ipnet::IpNet> {
    let (addr, prefix) = network(written.get_ref()).ok()?;
    ipnet::IpNet::new(addr, prefix).ok()
}

/// What is in a file that only this user may read; `key` is what names the file in the configuration.
pub(crate) fn secret(file: &Path, key: &'static str) -> Result<Secret, StartError> {
    let fail = |source| StartError::Password {
        file: file.to_owned(),
        key,
        source,
    };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(file).map_err(fail)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(StartError::PasswordOpen {
                file: file.to_owned(),
            });
        }
    }
    let text = std::fs::read_to_string(file).map_err(fail)?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(fail(std::io::Error::other("it is empty")));
    }
    Ok(Secret::new(text))
}

/// The media side.
pub(crate) fn media(config: &Config) -> MediaConfig {
    let m = &config.media;
    MediaConfig {
        bind: m.bind,
        advertise: config.sip.advertise.unwrap_or(m.bind),
        ports: config.rtp_ports(),
        codecs: m
            .codecs
            .iter()
            .map(|c| match c.get_ref().as_str() {
                "opus" => Codec::Opus,
                "g722" => Codec::G722,
                "pcma" => Codec::Pcma,
                _ => Codec::Pcmu,
            })
            .collect(),
        srtp: match m.srtp.get_ref().as_str() {
            "off" => SrtpPolicy::Off,
            "required" => SrtpPolicy::Required,
            _ => SrtpPolicy::Optional,
        },
        first_packet_timeout_ms: m.first_packet_timeout_ms,
        silence_timeout_ms: m.silence_timeout_ms,
        ..MediaConfig::default()
    }
}
