//! `[sip]` and `[[sip.trunk]]`: the telephone side.

use super::fault::{Fault, one_of, range, together};
use anteroom_types::event::{TRUNK_DIRECT, TRUNK_INSIDE};
use anteroom_types::limits::CALLS_MAX;
use serde::Deserialize;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use toml::Spanned;

/// Characters of a trunk's name.
const NAME_CHARS_MAX: usize = 64;
/// Characters of the user part of our addresses, as calls show them.
pub(super) const USER_CHARS_MAX: usize = 64;

/// `[sip]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SipSection {
    /// What to listen on, each `udp:ADDRESS:PORT`, `tcp:…` or `tls:…`.
    pub listen: Vec<Spanned<String>>,
    /// The address to put into Contact and SDP when it is not the one listened on. Telephones inside are told it, too.
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
    /// Addresses or networks that calls of this trunk come from, e.g. `198.51.100.0/24`. A trunk that registers takes
    /// calls from its registrars besides.
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

impl Trunk {
    /// Whether calls of ours can leave by it: it registers, or is known where they would go.
    #[must_use]
    pub fn can_be_dialled(&self) -> bool {
        // One host, and not an IPv6 network that happens to be a /32.
        let single = |a: &Spanned<String>| {
            network(a.get_ref()).is_ok_and(|(ip, prefix)| prefix == if ip.is_ipv4() { 32 } else { 128 })
        };
        !self.registrar.is_empty() || self.target.is_some() || self.addresses.iter().any(single)
    }

    fn check(&self, key: &str) -> Result<(), Fault> {
        let of = |name: &str| format!("{key}.{name}");
        let fault = |name: &str, what: String| Err(Fault::key(of(name), what));
        let name = &self.name;
        if name.trim().is_empty()
            || name.chars().count() > NAME_CHARS_MAX
            || name.chars().any(char::is_control)
        {
            return fault(
                "name",
                format!("a trunk's name must be 1 to {NAME_CHARS_MAX} characters"),
            );
        }
        // Records tell calls without a trunk by these.
        if [TRUNK_INSIDE, TRUNK_DIRECT].contains(&name.as_str()) {
            return fault(
                "name",
                format!("a trunk cannot be called '{name}': choose another name"),
            );
        }
        one_of(&of("transport"), &self.transport, &["udp", "tcp", "tls"])?;
        range(&of("expires_s"), self.expires_s, 60..=86_400, "seconds")?;
        for a in &self.addresses {
            network(a.get_ref()).map_err(|e| Fault::of(a, e))?;
        }
        if let Some(u) = &self.user {
            let user = u.get_ref();
            if !is_sender(user) {
                let what = format!(
                    "the user of trunk '{name}' must be 1 to {USER_CHARS_MAX} letters, digits or characters like - _ . + without \
                     spaces and without @: write clinic-line, not clinic-line@provider.example"
                );
                return Err(Fault::of(u, what));
            }
        }
        if self.registrar.is_empty() {
            if self.addresses.is_empty() {
                return fault("name", format!("trunk '{name}' needs a registrar or addresses"));
            }
            if self.password_file.is_some() {
                let what = format!(
                    "trunk '{name}' has a password_file and registers nowhere: name its registrar, too"
                );
                return fault("password_file", what);
            }
        } else {
            if self.user.is_none() || self.password_file.is_none() {
                let what = format!("trunk '{name}' registers, so it needs user and password_file");
                return fault("registrar", what);
            }
            if self.target.is_some() {
                let what = format!(
                    "trunk '{name}' registers, and calls go where it is registered: take target out, or make a trunk of its own \
                     of it"
                );
                return fault("target", what);
            }
        }
        Ok(())
    }
}

impl SipSection {
    /// The addresses listened on; those that cannot be read are left out.
    pub(crate) fn listens(&self) -> Vec<IpAddr> {
        let read = |l: &Spanned<String>| listen(l.get_ref()).ok().map(|(_, at)| at.ip());
        self.listen.iter().filter_map(read).collect()
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.listen.is_empty() {
            let what = "[sip] listen is empty, so no telephone could ring here: write it like [\"udp:127.0.0.1:5060\"]";
            return Err(Fault::key("sip.listen", what));
        }
        together("sip", ("tls_cert", &self.tls_cert), ("tls_key", &self.tls_key))?;
        for l in &self.listen {
            listen(l.get_ref()).map_err(|e| Fault::of(l, e))?;
            if l.get_ref().starts_with("tls:") && self.tls_cert.is_none() {
                return Err(Fault::of(
                    l,
                    "listening on TLS needs tls_cert and tls_key in [sip]",
                ));
            }
        }
        range("sip.calls_max", *self.calls_max.get_ref(), 1..=CALLS_MAX, "calls")?;
        range("sip.retry_after_s", self.retry_after_s, 1..=3_600, "seconds")?;
        let rate = self.rate_per_source_per_s;
        range(
            "sip.rate_per_source_per_s",
            rate,
            1..=1_000_000,
            "messages a second",
        )?;
        for (i, t) in self.trunk.iter().enumerate() {
            let key = format!("sip.trunk.{i}");
            t.check(&key)?;
            if self.trunk.iter().take(i).any(|o| o.name == t.name) {
                let what = format!("two trunks are called '{}': give each a name of its own", t.name);
                return Err(Fault::key(format!("{key}.name"), what));
            }
        }
        Ok(())
    }
}

/// Whether calls can be sent by a user of this name: nothing in it needs escaping, or could be read as the beginning of a
/// parameter.
pub(super) fn is_sender(user: &str) -> bool {
    user.len() <= USER_CHARS_MAX && anteroom_sip::is_user(user) && !user.contains([';', '?', '#', '%'])
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
        return Err(bad());
    }
    if prefix == 0 {
        return Err(format!(
            "'{s}' is every address there is, so that anybody would count as one of these: write the networks themselves, \
             like 198.51.100.0/24"
        ));
    }
    Ok((addr, prefix))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, fine};
    use crate::config::Config;
    use std::path::Path;

    fn trunk(lines: &str) -> String {
        format!("[[sip.trunk]]\nname = \"a\"\n{lines}")
    }

    #[test]
    fn what_is_listened_on_is_something() {
        check("[sip]\nlisten = []", "a.toml:2: [sip] listen is empty");
        check(
            "[sip]\nlisten = [\"upd:127.0.0.1:5060\"]",
            "a.toml:2: 'upd' is no transport",
        );
        check(
            "[sip]\nlisten = [\"tls:127.0.0.1:5061\"]",
            "a.toml:2: listening on TLS needs tls_cert and tls_key",
        );
        check(
            "[sip]\nretry_after_s = 10\ntls_cert = \"a.pem\"",
            "a.toml:3: [sip] tls_cert is of no use without tls_key",
        );
        check(
            "[sip]\ntls_key = \"a.pem\"",
            "a.toml:2: [sip] tls_key is of no use without tls_cert",
        );
    }

    #[test]
    fn figures_have_a_range() {
        check(
            "[sip]\ncalls_max = 0",
            "a.toml:2: [sip] calls_max is 0: it must be 1 to 500 calls",
        );
        check("[sip]\nretry_after_s = 0", "a.toml:2: [sip] retry_after_s is 0");
        check(
            "[sip]\nrate_per_source_per_s = 0",
            "a.toml:2: [sip] rate_per_source_per_s is 0",
        );
        check(
            &trunk("addresses = [\"192.0.2.1\"]\nexpires_s = 0"),
            "a.toml:4: [[sip.trunk]] expires_s is 0: it must be 60 to 86400 seconds",
        );
    }

    #[test]
    fn a_trunk_is_known_by_something_and_has_nothing_that_is_of_no_use() {
        check(&trunk(""), "a.toml:2: trunk 'a' needs a registrar or addresses");
        check(
            &trunk("registrar = [\"x\"]"),
            "a.toml:3: trunk 'a' registers, so it needs user and password_file",
        );
        let registers = "registrar = [\"x\"]\nuser = \"u\"\npassword_file = \"p\"";
        fine(&trunk(registers));
        fine(&trunk(&format!("{registers}\naddresses = [\"198.51.100.0/24\"]")));
        check(
            &trunk(&format!("{registers}\ntarget = \"x\"")),
            "a.toml:6: trunk 'a' registers, and calls go where it is registered",
        );
        check(
            &trunk("addresses = [\"192.0.2.1\"]\npassword_file = \"p\""),
            "a.toml:4: trunk 'a' has a password_file",
        );
        check(
            "[[sip.trunk]]\nname = \"a\"\naddresses = [\"192.0.2.1\"]\n[[sip.trunk]]\nname = \"a\"\naddresses = [\"192.0.2.2\"]",
            "a.toml:5: two trunks are called 'a'",
        );
        check(
            "[[sip.trunk]]\nname = \"inside\"\naddresses = [\"192.0.2.1\"]",
            "a.toml:2: a trunk cannot be called 'inside'",
        );
    }

    #[test]
    fn calls_go_to_one_host_and_to_no_network() {
        let dialled = |addresses: &str| {
            let text = trunk(&format!("addresses = [\"{addresses}\"]"));
            let config = Config::parse(&text, Path::new("a.toml")).unwrap();
            config.sip.trunk[0].can_be_dialled()
        };
        for one in ["192.0.2.1", "192.0.2.1/32", "2001:db8::1", "2001:db8::1/128"] {
            assert!(dialled(one), "{one}");
        }
        for many in ["192.0.2.0/24", "2001:db8::/32"] {
            assert!(!dialled(many), "{many}");
        }
    }

    #[test]
    fn no_network_is_everybody() {
        check(
            &trunk("addresses = [\"1.2.3\"]"),
            "a.toml:3: '1.2.3' is no address",
        );
        check(
            &trunk("addresses = [\"0.0.0.0/0\"]"),
            "a.toml:3: '0.0.0.0/0' is every address",
        );
        check(
            &trunk("addresses = [\"::/0\"]"),
            "a.toml:3: '::/0' is every address",
        );
        check(
            "[desk]\nnever_banned = [\"0.0.0.0/0\"]",
            "a.toml:2: '0.0.0.0/0' is every address",
        );
    }

    #[test]
    fn a_trunk_s_user_can_be_the_sender_of_a_call() {
        let with = |user: &str| trunk(&format!("addresses = [\"192.0.2.1\"]\nuser = \"{user}\""));
        fine(&with("clinic-line"));
        fine(&with("+441632960000"));
        let long = "x".repeat(65);
        for wrong in [
            "",
            "clinic line",
            "line@provider.example",
            "li\u{e9}ne",
            long.as_str(),
        ] {
            check(&with(wrong), "a.toml:4: the user of trunk 'a' must be");
        }
    }
}
