//! The configuration file: TOML, every key documented in `assets/anteroom.example.toml`.
//!
//! A mistake is reported with its line, what is wrong and what to write instead; an unknown key is a mistake too,
//! because a misspelt limit that is silently ignored is no limit.

mod desk;
mod outbound;

pub(crate) use desk::{DeskSection, Ice};
pub(crate) use outbound::OutboundSection;

use anteroom_types::UserFacing;
use anteroom_types::event::{TRUNK_DIRECT, TRUNK_INSIDE};
use anteroom_types::limits::{CALLS_MAX, CONFIG_BYTES_MAX};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The whole file.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The clinic.
    pub clinic: Clinic,
    /// Where state is kept.
    pub data: Data,
    /// The telephone side.
    pub sip: SipSection,
    /// People and their telephones.
    pub desk: DeskSection,
    /// Calls that telephones of ours place through trunks.
    pub outbound: OutboundSection,
    /// Audio on the wire.
    pub media: MediaSection,
    /// Recognition and speech.
    pub speech: SpeechSection,
    /// The page and the API.
    pub web: WebSection,
    /// Log files.
    pub log: LogSection,
}

/// `[clinic]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clinic {
    /// Language callers are greeted in, a BCP 47 tag.
    pub language: String,
    /// Folder with policy.toml, hours.toml, safety.toml, intents.toml, calibration.toml; the built-in sample clinic
    /// when absent.
    pub folder: Option<PathBuf>,
    /// Whether calls are recorded after the consent notice.
    pub record: bool,
}

impl Default for Clinic {
    fn default() -> Self {
        Self {
            language: "en".into(),
            folder: None,
            record: true,
        }
    }
}

/// `[data]`
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Where the database, recordings and logs are kept. `--data` overrides.
    pub dir: Option<PathBuf>,
    /// `keystore` for the operating system's key store, or `file:PATH`; `file:key` under the data folder by default.
    pub key: Option<Spanned<String>>,
}

/// `[sip]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SipSection {
    /// What to listen on, each `udp:ADDRESS:PORT`, `tcp:…` or `tls:…`.
    pub listen: Vec<Spanned<String>>,
    /// The address to put into Contact and SDP when it is not the one listened on.
    pub advertise: Option<IpAddr>,
    /// Certificate chain for TLS, PEM.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Calls at once; one more is refused with 503.
    pub calls_max: Spanned<usize>,
    /// What the 503 says in Retry-After, seconds.
    pub retry_after_s: u32,
    /// Messages a second from one address before it is ignored for a while.
    pub rate_per_source_per_s: u32,
    /// Whether calls from addresses that are no trunk are answered. For a laboratory, not for the internet.
    pub allow_direct: bool,
    /// The trunks.
    pub trunk: Vec<Trunk>,
}

impl Default for SipSection {
    fn default() -> Self {
        Self {
            listen: vec![Spanned::new(0..0, "udp:127.0.0.1:5060".into())],
            advertise: None,
            tls_cert: None,
            tls_key: None,
            calls_max: Spanned::new(0..0, 50),
            retry_after_s: 10,
            rate_per_source_per_s: 200,
            allow_direct: false,
            trunk: Vec::new(),
        }
    }
}

/// `[[sip.trunk]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trunk {
    /// What the screens call it.
    pub name: String,
    /// Registrars to register with, best first, each `HOST` or `HOST:PORT`; DNS SRV is asked when there is no port.
    #[serde(default)]
    pub registrar: Vec<String>,
    /// The user to register.
    #[serde(default)]
    pub user: Option<Spanned<String>>,
    /// A file that holds the password and nothing else, readable by this user only.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Seconds to register for.
    #[serde(default = "three_hundred")]
    pub expires_s: u32,
    /// `udp`, `tcp` or `tls`.
    #[serde(default = "udp")]
    pub transport: Spanned<String>,
    /// Addresses or networks that calls of this trunk come from, e.g. `198.51.100.0/24`.
    #[serde(default)]
    pub addresses: Vec<Spanned<String>>,
    /// Where calls of ours to a trunk known by its addresses go, `HOST` or `HOST:PORT`; its first single address when absent.
    #[serde(default)]
    pub target: Option<String>,
}

const fn three_hundred() -> u32 {
    300
}

fn udp() -> Spanned<String> {
    Spanned::new(0..0, "udp".into())
}

/// `[media]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MediaSection {
    /// The address RTP is received on.
    pub bind: IpAddr,
    /// UDP ports for RTP and RTCP, `FIRST-LAST`; each call uses two.
    pub ports: Spanned<String>,
    /// Codecs in order of preference: `opus`, `g722`, `pcma`, `pcmu`.
    pub codecs: Vec<Spanned<String>>,
    /// `off`, `optional` or `required`.
    pub srtp: Spanned<String>,
    /// Milliseconds without a first packet before a call is ended.
    pub first_packet_timeout_ms: u64,
    /// Milliseconds of silence on the wire before a call is ended.
    pub silence_timeout_ms: u64,
    /// Estimated mean opinion score, 1 to 4.5, below which a leg is alarmed about.
    pub mos_alarm: f32,
}

impl Default for MediaSection {
    fn default() -> Self {
        let s = |t: &str| Spanned::new(0..0, t.to_owned());
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: s("20000-20399"),
            codecs: vec![s("opus"), s("g722"), s("pcma"), s("pcmu")],
            srtp: s("optional"),
            first_packet_timeout_ms: 30_000,
            silence_timeout_ms: 15_000,
            mos_alarm: 3.0,
        }
    }
}

/// `[speech]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpeechSection {
    /// Where models are kept; `ANTEROOM_MODELS` overrides.
    pub models: Option<PathBuf>,
    /// Recogniser models, best first; the keypad menu is always the last resort.
    pub recognisers: Vec<String>,
    /// Recogniser workers; each holds its own state.
    pub workers: usize,
    /// Utterances waiting for a worker; the least urgent is dropped beyond.
    pub queue_max: usize,
    /// Whether words are shown while the caller is still speaking.
    pub partials: bool,
    /// The espeak-ng voice.
    pub voice: String,
    /// Words a minute.
    pub words_per_minute: u32,
    /// Folder of recorded prompts, `NAME.wav`, used instead of the synthetic voice.
    pub prompts: Option<PathBuf>,
}

impl Default for SpeechSection {
    fn default() -> Self {
        Self {
            models: None,
            recognisers: vec!["demo-clinic-en".into()],
            workers: 1,
            queue_max: 64,
            partials: true,
            voice: "en-gb".into(),
            words_per_minute: 165,
            prompts: None,
        }
    }
}

/// `[web]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebSection {
    /// Where the page is served.
    pub listen: SocketAddr,
    /// Certificate chain, PEM. A self-signed one is made when the page is served beyond this machine without one.
    pub tls_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub tls_key: Option<PathBuf>,
    /// Names the page may be asked for by, besides the address listened on.
    pub hosts: Vec<String>,
    /// Standing passcodes. Without any, the way in is the link printed at start.
    pub passcode: Vec<PagePasscode>,
}

/// `[[web.passcode]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagePasscode {
    /// `front_desk`, `manager`, `admin` or `auditor`.
    pub role: Spanned<String>,
    /// Which user of the desk its holder is; without, it belongs to nobody in particular.
    #[serde(default)]
    pub user: Option<String>,
    /// What `anteroom passcode` printed.
    pub hash: String,
}

impl Default for WebSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8480)),
            tls_cert: None,
            tls_key: None,
            hosts: Vec::new(),
            passcode: Vec::new(),
        }
    }
}

/// `[log]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// `error`, `warn`, `info` or `debug`.
    pub level: Spanned<String>,
    /// Days of log files to keep.
    pub keep_days: usize,
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            level: Spanned::new(0..0, "info".into()),
            keep_days: 30,
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is too large to be one.
    #[error("{path} is larger than a configuration may be ({CONFIG_BYTES_MAX} bytes)")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// It is not TOML, or has a key or value that does not exist.
    #[error("{path}:{line}: {what}\n  {text}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong and what to write.
        what: String,
        /// The line itself.
        text: String,
    },
}

impl UserFacing for ConfigError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config.read",
            Self::TooLarge { .. } => "config.too-large",
            Self::Wrong { .. } => "config.wrong",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Read { .. } => "Check the path given with --config and that this user may read it.".into(),
            Self::TooLarge { .. } => "Give the configuration file, not another one.".into(),
            Self::Wrong { .. } => {
                "Mend that line; `anteroom check --config FILE` checks the file without starting anything."
                    .into()
            }
        }
    }
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let read = |source| ConfigError::Read {
            path: path.to_owned(),
            source,
        };
        if std::fs::metadata(path).map_err(read)?.len() > CONFIG_BYTES_MAX {
            return Err(ConfigError::TooLarge {
                path: path.to_owned(),
            });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        Self::parse(&text, path)
    }

    /// Checks the text of a file; `path` is for messages.
    ///
    /// # Errors
    /// [`ConfigError::Wrong`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let wrong = |start: usize, what: String| {
            let start = start.min(text.len());
            let line = text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count();
            let shown = text.lines().nth(line).unwrap_or_default().trim();
            // A password does not belong here; if somebody put one, it is not repeated.
            let shown = if shown.contains("password") {
                "(line not shown)"
            } else {
                shown
            };
            ConfigError::Wrong {
                path: path.to_owned(),
                line: line + 1,
                what,
                text: shown.to_owned(),
            }
        };
        let config: Self = toml::from_str(text)
            .map_err(|e| wrong(e.span().map_or(0, |s| s.start), e.message().to_owned()))?;
        config.check().map_err(|(at, what)| wrong(at, what))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), (usize, String)> {
        for l in &self.sip.listen {
            listen(l.get_ref()).map_err(|e| (l.span().start, e))?;
            if l.get_ref().starts_with("tls:") && (self.sip.tls_cert.is_none() || self.sip.tls_key.is_none())
            {
                return Err((
                    l.span().start,
                    "listening on TLS needs tls_cert and tls_key in [sip]".into(),
                ));
            }
        }
        let calls = *self.sip.calls_max.get_ref();
        if !(1..=CALLS_MAX).contains(&calls) {
            return Err((
                self.sip.calls_max.span().start,
                format!("calls_max must be 1 to {CALLS_MAX}"),
            ));
        }
        let ports = ports(self.media.ports.get_ref()).map_err(|e| (self.media.ports.span().start, e))?;
        let room = (usize::from(*ports.end()) - usize::from(*ports.start())).div_ceil(2);
        if room < calls {
            let what = format!(
                "{calls} calls need {} ports, but this range has room for {room} calls",
                calls * 2
            );
            return Err((self.media.ports.span().start, what));
        }
        for c in &self.media.codecs {
            one_of("codec", c, &["opus", "g722", "pcma", "pcmu"])?;
        }
        if self.media.codecs.is_empty() {
            return Err((0, "[media] codecs must name at least one codec".into()));
        }
        one_of("srtp", &self.media.srtp, &["off", "optional", "required"])?;
        one_of("ring", &self.desk.ring, &["all", "in_order", "longest_idle"])?;
        one_of(
            "way on",
            &self.desk.nobody_answers,
            &["receptionist", "queue", "voicemail", "callback"],
        )?;
        one_of("way on", &self.desk.queue_over, &["voicemail", "callback"])?;
        one_of(
            "briefing",
            &self.desk.briefing,
            &["by_device", "screen", "spoken"],
        )?;
        self.outbound.check(&self.sip.trunk)?;
        for n in &self.desk.never_banned {
            network(n.get_ref()).map_err(|e| (n.span().start, e))?;
        }
        for server in &self.desk.ice {
            server.read()?;
        }
        let realm = self.desk.realm.get_ref();
        if realm.is_empty()
            || realm.len() > 64
            || !realm
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
        {
            let at = self.desk.realm.span().start;
            return Err((
                at,
                "realm must be 1 to 64 letters, digits, dots, dashes and underlines".into(),
            ));
        }
        one_of("log level", &self.log.level, &["error", "warn", "info", "debug"])?;
        for p in &self.web.passcode {
            one_of("role", &p.role, &["front_desk", "manager", "admin", "auditor"])?;
        }
        for t in &self.sip.trunk {
            // Records tell calls without a trunk by these.
            if [TRUNK_INSIDE, TRUNK_DIRECT].contains(&t.name.as_str()) {
                let at = t.transport.span().start;
                return Err((at, format!("a trunk cannot be called '{}'", t.name)));
            }
            one_of("transport", &t.transport, &["udp", "tcp", "tls"])?;
            for a in &t.addresses {
                network(a.get_ref()).map_err(|e| (a.span().start, e))?;
            }
            if t.registrar.is_empty() && t.addresses.is_empty() {
                let at = t.transport.span().start;
                return Err((at, format!("trunk '{}' needs a registrar or addresses", t.name)));
            }
            if !t.registrar.is_empty() && (t.user.is_none() || t.password_file.is_none()) {
                let at = t.user.as_ref().map_or(0, |u| u.span().start);
                return Err((
                    at,
                    format!("trunk '{}' registers, so it needs user and password_file", t.name),
                ));
            }
        }
        if let Some(key) = &self.data.key {
            let k = key.get_ref();
            if k != "keystore" && !k.starts_with("file:") {
                return Err((
                    key.span().start,
                    "key must be \"keystore\" or \"file:PATH\"".into(),
                ));
            }
        }
        Ok(())
    }

    /// The RTP port range.
    #[must_use]
    pub fn rtp_ports(&self) -> RangeInclusive<u16> {
        ports(self.media.ports.get_ref()).unwrap_or(20000..=20399)
    }
}

fn one_of(what: &str, value: &Spanned<String>, allowed: &[&str]) -> Result<(), (usize, String)> {
    let v = value.get_ref().as_str();
    if allowed.contains(&v) {
        return Ok(());
    }
    Err((
        value.span().start,
        format!("'{v}' is no {what}; write one of: {}", allowed.join(", ")),
    ))
}

/// `udp:127.0.0.1:5060` in its parts.
///
/// # Errors
/// A sentence that says what to write.
pub(crate) fn listen(s: &str) -> Result<(&str, SocketAddr), String> {
    let example = "write it like udp:0.0.0.0:5060, tcp:192.0.2.5:5060 or tls:[::]:5061";
    let (transport, addr) = s
        .split_once(':')
        .ok_or_else(|| format!("'{s}' is no address: {example}"))?;
    if !["udp", "tcp", "tls"].contains(&transport) {
        return Err(format!("'{transport}' is no transport: {example}"));
    }
    let addr = addr
        .parse()
        .map_err(|_| format!("'{addr}' is no address and port: {example}"))?;
    Ok((transport, addr))
}

/// `198.51.100.0/24` or a single address, as address and prefix length.
///
/// # Errors
/// A sentence that says what to write.
pub(crate) fn network(s: &str) -> Result<(IpAddr, u8), String> {
    let bad = || format!("'{s}' is no address or network: write it like 198.51.100.7 or 198.51.100.0/24");
    let (addr, prefix) = s.split_once('/').map_or((s, None), |(a, p)| (a, Some(p)));
    let addr: IpAddr = addr.parse().map_err(|_| bad())?;
    let most = if addr.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Ok(most), |p| p.parse::<u8>().map_err(|_| bad()))?;
    if prefix > most {
        Err(bad())
    } else {
        Ok((addr, prefix))
    }
}

fn ports(s: &str) -> Result<RangeInclusive<u16>, String> {
    let bad = || format!("'{s}' is no port range: write it like 20000-20399");
    let (a, b) = s.split_once('-').ok_or_else(bad)?;
    let (a, b): (u16, u16) = (
        a.trim().parse().map_err(|_| bad())?,
        b.trim().parse().map_err(|_| bad())?,
    );
    if a < 1024 || b <= a { Err(bad()) } else { Ok(a..=b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let e = Config::parse(text, Path::new("a.toml")).unwrap_err().to_string();
        assert!(e.starts_with(expected), "got: {e}");
    }

    #[test]
    fn an_empty_file_is_a_working_configuration_on_loopback() {
        let c = Config::parse("", Path::new("a.toml")).unwrap();
        assert!(c.web.listen.ip().is_loopback() && !c.sip.allow_direct);
    }

    #[test]
    fn the_documented_example_holds_the_defaults_and_every_section() {
        let text = include_str!("../../../../assets/anteroom.example.toml");
        let example = Config::parse(text, Path::new("example.toml")).unwrap();
        let ours = Config::default();
        assert_eq!(example.rtp_ports(), ours.rtp_ports());
        assert_eq!(example.sip.calls_max.get_ref(), ours.sip.calls_max.get_ref());
        assert_eq!(example.speech.recognisers, ours.speech.recognisers);
        assert_eq!(example.web.listen, ours.web.listen);
        // What is commented out is valid too.
        let all: String = text
            .lines()
            .map(|l| {
                l.strip_prefix("# ")
                    .filter(|r| r.contains(" = ") || r.starts_with("[["))
                    .unwrap_or(l)
            })
            .map(|l| format!("{l}\n"))
            .collect();
        let all = Config::parse(&all, Path::new("example.toml")).unwrap();
        assert_eq!((all.sip.trunk.len(), all.web.passcode.len()), (2, 1));
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        check(
            "[sip]\nlisten = [\"upd:127.0.0.1:5060\"]",
            "a.toml:2: 'upd' is no transport",
        );
        check("[sip]\n\ncals_max = 3", "a.toml:3: unknown field `cals_max`");
        check("[sip]\ncalls_max = 0", "a.toml:2: calls_max must be 1 to 500");
        check(
            "[media]\nports = \"20000-20010\"",
            "a.toml:2: 50 calls need 100 ports",
        );
        check(
            "[media]\ncodecs = [\"g729\"]",
            "a.toml:2: 'g729' is no codec; write one of: opus",
        );
        check(
            "[[sip.trunk]]\nname = \"a\"\naddresses = [\"1.2.3\"]",
            "a.toml:3: '1.2.3' is no address",
        );
        check(
            "[[sip.trunk]]\nname = \"a\"\nregistrar = [\"x\"]",
            "a.toml:1: trunk 'a' registers",
        );
        check("[log]\nlevel = \"loud\"", "a.toml:2: 'loud' is no log level");
        check("[data]\nkey = 5", "a.toml:2: invalid type");
        check("what", "a.toml:1:");
    }

    #[test]
    fn a_password_in_the_wrong_place_is_not_repeated() {
        let e = Config::parse(
            "[[sip.trunk]]\nname = \"a\"\npassword = \"hunter2\"",
            Path::new("a.toml"),
        );
        assert!(!e.unwrap_err().to_string().contains("hunter2"));
    }
}
