//! Names and passwords for a TURN server that shares a secret with us, good for a while (the TURN REST API of coturn's
//! `use-auth-secret`: the name begins with the second it expires at, the password is its HMAC-SHA1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

/// A name and its password, until `expires_at`, a second of Unix time. `user` is for the server's log; nothing personal
/// belongs in it.
#[must_use]
pub fn turn_pass(secret: &[u8], user: &str, expires_at: i64) -> (String, String) {
    let name = format!("{expires_at}:{user}");
    // A key of any length will do for HMAC.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else {
        unreachable!("HMAC takes keys of any length")
    };
    mac.update(name.as_bytes());
    let password = STANDARD.encode(mac.finalize().into_bytes());
    (name, password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_what_the_server_reckons() {
        // printf '1700000000:desk' | openssl dgst -sha1 -hmac north -binary | base64
        let (name, password) = turn_pass(b"north", "desk", 1_700_000_000);
        assert_eq!(name, "1700000000:desk");
        assert_eq!(password, "r7Kx4VuagOndPp2G0kMn/MOjmOQ=");
    }
}
