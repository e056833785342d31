//! STUN and TURN servers: what browsers are told of them, and what our own side uses.

use crate::config::{DeskSection, Ice};
use crate::convert::secret;
use crate::start::StartError;
use anteroom_media::turn_pass;
use anteroom_sip::Secret;
use anteroom_types::Wall;

/// How long a name and password made from a secret are good for, seconds: longer than the longest day at a desk.
const PASS_S: i64 = 24 * 60 * 60;

enum Key {
    None,
    Password(String, Secret),
    Secret(Secret),
}

struct Server {
    url: String,
    address: String,
    key: Key,
}

/// The servers, with what they ask for.
#[derive(Default)]
pub(crate) struct IceServers(Vec<Server>);

impl IceServers {
    pub(crate) fn load(config: &DeskSection) -> Result<Self, StartError> {
        let server = |ice: &Ice| {
            // The file was checked.
            let (_, address) = ice.read().unwrap_or((false, ""));
            let key = match (&ice.user, &ice.password_file, &ice.secret_file) {
                (_, _, Some(file)) => Key::Secret(secret(file, "secret_file in [[desk.ice]]")?),
                (Some(user), Some(file), None) => {
                    Key::Password(user.clone(), secret(file, "password_file in [[desk.ice]]")?)
                }
                _ => Key::None,
            };
            Ok::<_, StartError>(Server {
                url: ice.url.get_ref().clone(),
                address: address.to_owned(),
                key,
            })
        };
        Ok(Self(config.ice.iter().map(server).collect::<Result<_, _>>()?))
    }

    /// For a browser.
    pub(crate) fn of_browser(&self, now: Wall) -> Vec<anteroom_api::IceServer> {
        self.0
            .iter()
            .map(|s| {
                let (username, credential) = s.pass("handset", now).unzip();
                anteroom_api::IceServer {
                    urls: vec![s.url.clone()],
                    username,
                    credential,
                }
            })
            .collect()
    }

    /// For our own side.
    pub(crate) fn ours(&self, now: Wall) -> Vec<anteroom_media::IceServer> {
        self.0
            .iter()
            .map(|s| anteroom_media::IceServer {
                address: s.address.clone(),
                credentials: s.pass("appliance", now),
            })
            .collect()
    }
}

impl Server {
    fn pass(&self, user: &str, now: Wall) -> Option<(String, String)> {
        match &self.key {
            Key::None => None,
            Key::Password(user, password) => Some((user.clone(), password.expose().to_owned())),
            Key::Secret(secret) => Some(turn_pass(
                secret.expose().as_bytes(),
                user,
                now.0.div_euclid(1000) + PASS_S,
            )),
        }
    }
}
