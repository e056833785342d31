//! Which names this server answers to, and which pages may talk to it.
//!
//! A page of another site can make its own name resolve to this machine (DNS rebinding) and would then be of the same
//! origin. It cannot choose a name that we do not answer to, nor a numeric address.

use std::net::IpAddr;

/// The authority of a `Host` header: name and port, without what may not be in one.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority.is_empty() || authority.len() > 260 {
        return None;
    }
    let (name, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (name, rest) = rest.split_once(']')?;
        (name, rest)
    } else {
        match authority.split_once(':') {
            Some((name, _)) => (name, &authority[name.len()..]),
            None => (authority, ""),
        }
    };
    let port = match port {
        "" => None,
        p => Some(p.strip_prefix(':')?.parse().ok()?),
    };
    Some((name, port))
}

/// Whether `name` is a plain host name.
pub(crate) fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
}

/// Whether a request with this `Host` is for us.
pub(crate) fn host_allowed(host: &str, allowed: &[String]) -> bool {
    let Some((name, _)) = split(host) else {
        return false;
    };
    name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || allowed.iter().any(|a| a.eq_ignore_ascii_case(name))
}

/// Whether a request from a page of `origin` to `host` is of the same origin.
pub(crate) fn same_origin(origin: &str, host: &str, tls: bool) -> bool {
    let (scheme, default_port) = if tls { ("https://", 443) } else { ("http://", 80) };
    let Some(authority) = origin.strip_prefix(scheme) else {
        return false;
    };
    match (split(authority), split(host)) {
        (Some((a, ap)), Some((b, bp))) => {
            a.eq_ignore_ascii_case(b) && ap.unwrap_or(default_port) == bp.unwrap_or(default_port)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_names_and_numbers_are_answered() {
        let allowed = ["reception.example".to_owned()];
        for ok in [
            "127.0.0.1:8480",
            "localhost",
            "LOCALHOST:1",
            "[::1]:8480",
            "192.0.2.7",
            "Reception.Example:443",
        ] {
            assert!(host_allowed(ok, &allowed), "{ok}");
        }
        for bad in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8480",
            "localhost:x",
            "[::1",
            "localhost@evil.example",
            "a b",
        ] {
            assert!(!host_allowed(bad, &allowed), "{bad}");
        }
    }

    #[test]
    fn the_origin_must_be_the_host_asked() {
        assert!(same_origin("http://localhost:8480", "localhost:8480", false));
        assert!(same_origin("https://a.example", "a.example:443", true));
        for (origin, host, tls) in [
            ("http://localhost:8480", "localhost:8480", true),
            ("http://localhost:8481", "localhost:8480", false),
            ("http://evil.example", "localhost:8480", false),
            ("null", "localhost:8480", false),
            ("http://localhost:8480.evil.example", "localhost:8480", false),
            ("http://localhost:8480@evil.example", "localhost:8480", false),
        ] {
            assert!(!same_origin(origin, host, tls), "{origin} {host}");
        }
    }
}
