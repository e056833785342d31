//! The server's side of the digest (RFC 7616, RFC 8760): reading credentials and checking them.

use super::config::{DigestAlgorithm, SipUser};
use crate::config::Secret;
use subtle::{Choice, ConstantTimeEq};

/// Bytes of a credentials header that are read.
const CREDENTIALS_BYTES_MAX: usize = 2_048;
/// Parameters of a credentials header that are read.
const PARAMS_MAX: usize = 24;

/// What an Authorization header says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: String,
    pub(crate) realm: String,
    pub(crate) nonce: String,
    pub(crate) uri: String,
    pub(crate) response: String,
    pub(crate) algorithm: DigestAlgorithm,
    pub(crate) nc: u32,
    nc_text: String,
    cnonce: String,
}

impl Credentials {
    /// Reads one header value; `None` for another scheme, an algorithm we do not offer, or a response without `qop`,
    /// which would leave replays unnoticed.
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value.get(..value.len().min(CREDENTIALS_BYTES_MAX))?).ok()?;
        let text = text.trim();
        let scheme = text.get(..7)?;
        if !scheme.eq_ignore_ascii_case("Digest ") {
            return None;
        }
        let mut algorithm = Some(DigestAlgorithm::Md5);
        let [
            mut user,
            mut realm,
            mut nonce,
            mut uri,
            mut response,
            mut nc,
            mut cnonce,
            mut qop,
        ] = [const { None }; 8];
        for (name, value) in params(&text[7..]).into_iter().take(PARAMS_MAX) {
            match name.to_ascii_lowercase().as_str() {
                "username" => user = Some(value),
                "realm" => realm = Some(value),
                "nonce" => nonce = Some(value),
                "uri" => uri = Some(value),
                "response" => response = Some(value),
                "nc" => nc = Some(value),
                "cnonce" => cnonce = Some(value),
                "qop" => qop = Some(value),
                "algorithm" => {
                    algorithm = match value.to_ascii_uppercase().as_str() {
                        "MD5" => Some(DigestAlgorithm::Md5),
                        "SHA-256" => Some(DigestAlgorithm::Sha256),
                        _ => None,
                    }
                }
                _ => {}
            }
        }
        let nc_text = nc.filter(|n: &String| n.len() == 8)?;
        if !qop?.eq_ignore_ascii_case("auth") {
            return None;
        }
        Some(Self {
            user: user?,
            realm: realm?,
            nonce: nonce?,
            uri: uri?,
            response: response?.to_ascii_lowercase(),
            algorithm: algorithm?,
            nc: u32::from_str_radix(&nc_text, 16).ok()?,
            nc_text,
            cnonce: cnonce?,
        })
    }

    /// Whether they are for a request to somebody else than `dialled`. Some telephones name the host alone; of theirs it
    /// cannot be told.
    pub(crate) fn are_for_another(&self, dialled: &str) -> bool {
        let rest = self.uri.split_once(':').map(|(_, rest)| rest);
        let named = rest.and_then(|r| r.split_once('@')).map(|(user, _)| user);
        named.is_some_and(|n| n != dialled)
    }

    /// Whether they prove knowledge of the secret of `user`. The work is the same whatever the answer.
    pub(crate) fn prove(&self, user: &SipUser, method: &str) -> Choice {
        let secret: &Secret = user.ha1(self.algorithm);
        let a = self.algorithm;
        let ha2 = a.hex(&format!("{method}:{}", self.uri));
        let expected = a.hex(&format!(
            "{}:{}:{}:{}:auth:{ha2}",
            secret.expose(),
            self.nonce,
            self.nc_text,
            self.cnonce
        ));
        expected.as_bytes().ct_eq(self.response.as_bytes())
    }
}

/// `name=value` pairs; a comma within quotes separates nothing.
fn params(text: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut rest = text.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace() || *c == ',').is_some() {}
        let mut name = String::new();
        while let Some(c) = rest.next_if(|c| !matches!(c, '=' | ',')) {
            name.push(c);
        }
        if rest.next_if_eq(&'=').is_none() {
            if rest.peek().is_none() {
                return out;
            }
            continue;
        }
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        let mut value = String::new();
        if rest.next_if_eq(&'"').is_some() {
            while let Some(c) = rest.next() {
                match c {
                    '\\' => value.extend(rest.next()),
                    '"' => break,
                    c => value.push(c),
                }
            }
        } else {
            while let Some(c) = rest.next_if(|c| *c != ',') {
                value.push(c);
            }
            value.truncate(value.trim_end().len());
        }
        out.push((name.trim().to_owned(), value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_of_a_telephone_are_read_and_proved_with_either_algorithm() {
        let user = SipUser::new("201", "r\"x", "geheim, \"ja\"");
        for algorithm in [DigestAlgorithm::Md5, DigestAlgorithm::Sha256] {
            let ha2 = algorithm.hex("REGISTER:sip:clinic");
            let secret = user.ha1(algorithm).expose().to_owned();
            let response = algorithm.hex(&format!("{secret}:n,1:00000002:cn:auth:{ha2}"));
            let name = algorithm.as_str();
            let header = format!(
                "digest username=\"201\",realm=\"r\\\"x\", nonce=\"n,1\",uri=\"sip:clinic\",response=\"{response}\",\
                 cnonce=\"cn\", nc=00000002 , qop=auth,algorithm={name}"
            );
            let c = Credentials::parse(header.as_bytes()).unwrap();
            assert_eq!((c.user.as_str(), c.realm.as_str(), c.nc), ("201", "r\"x", 2));
            assert!(bool::from(c.prove(&user, "REGISTER")));
            assert!(!bool::from(c.prove(&user, "INVITE")));
            assert!(!bool::from(
                c.prove(&SipUser::new("201", "r\"x", "falsch"), "REGISTER")
            ));
        }
    }

    #[test]
    fn what_cannot_be_checked_is_no_credentials() {
        let good = "Digest username=\"u\",realm=\"r\",nonce=\"n\",uri=\"s\",response=\"0\",cnonce=\"c\",nc=00000001,qop=auth";
        assert!(Credentials::parse(good.as_bytes()).is_some());
        for bad in [
            good.replace("Digest", "Basic"),
            good.replace(",qop=auth", ""),
            good.replace("00000001", "1"),
            good.replace("00000001", "0000000x"),
            format!("{good},algorithm=MD5-sess"),
            "Digest".to_owned(),
            "Digest \"".to_owned(),
            String::new(),
        ] {
            assert_eq!(Credentials::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
