//! People whose telephones register here, as administrators keep them.

use anteroom_types::Wall;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest name of a user, in characters: what a telephone registers as.
pub const USER_CHARS_MAX: usize = 32;
/// Longest name that others see, in characters.
pub const NAME_CHARS_MAX: usize = 80;
/// The last place in the ring group.
pub const RINGS_MAX: u32 = 100;

/// Somebody whose telephones register here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserDto {
    /// What their telephones register as.
    pub user: String,
    /// What colleagues call them.
    pub name: String,
    /// Place in the desk's ring group, from 1; 0 when they are not in it.
    pub rings: u32,
    /// The class of rights with which they ring numbers outside; none when they may not.
    pub class: Option<String>,
}

/// Everybody whose telephones register here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UsersPage {
    /// The people, by what their telephones register as.
    pub users: Vec<UserDto>,
}

/// The body of `POST /api/v1/users`: somebody new, or a new name, place, rights and password for somebody who is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserRequest {
    /// What their telephones register as: 1 to 32 letters, digits, dots, dashes and underlines.
    pub user: String,
    /// What colleagues call them: 1 to 80 characters.
    pub name: String,
    /// Place in the desk's ring group, from 1; 0 not to be in it. 1 unless given.
    pub rings: Option<u32>,
    /// The class of rights with which they ring numbers outside; none when they may not.
    pub class: Option<String>,
}

impl UserRequest {
    /// What is wrong with it, if anything.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        let plain = |t: &str| {
            let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
            !t.is_empty() && t.len() <= USER_CHARS_MAX && t.chars().all(letter)
        };
        let name = self.name.trim();
        if !plain(&self.user) {
            Some("What a telephone registers as is 1 to 32 letters, digits, dots, dashes and underlines.")
        } else if name.is_empty()
            || name.chars().count() > NAME_CHARS_MAX
            || name.chars().any(char::is_control)
        {
            Some("A person's name is 1 to 80 characters on one line.")
        } else if self.rings.is_some_and(|r| r > RINGS_MAX) {
            Some("The place in the ring group is 0 to 100.")
        } else if self.class.as_deref().is_some_and(|c| !plain(c)) {
            Some("A class of rights is 1 to 32 letters, digits, dots, dashes and underlines.")
        } else {
            None
        }
    }
}

/// Somebody who was added, with what is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserAdded {
    /// Who.
    pub user: UserDto,
    /// What their telephones register with. It is kept hashed, and never shown again.
    pub password: String,
    /// The domain their telephones register at.
    pub realm: String,
    /// Since when that holds.
    pub at: Wall,
}

impl fmt::Debug for UserAdded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserAdded({}, [secret])", self.user.user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_checked_and_a_password_is_not_in_debug() {
        let good = UserRequest {
            user: "201".into(),
            name: "Front desk".into(),
            rings: Some(1),
            class: None,
        };
        assert_eq!(good.fault(), None);
        let with = |f: fn(&mut UserRequest)| {
            let mut r = good.clone();
            f(&mut r);
            r.fault()
        };
        for fault in [
            with(|r| r.user = String::new()),
            with(|r| r.user = "a b".into()),
            with(|r| r.user = "a".repeat(33)),
            with(|r| r.name = " ".into()),
            with(|r| r.name = "a\nb".into()),
            with(|r| r.name = "a".repeat(81)),
            with(|r| r.rings = Some(101)),
            with(|r| r.class = Some("über".into())),
        ] {
            assert!(fault.is_some());
        }
        let added = UserAdded {
            user: UserDto {
                user: "201".into(),
                name: "Front desk".into(),
                rings: 1,
                class: None,
            },
            password: "canary".into(),
            realm: "anteroom".into(),
            at: Wall(0),
        };
        assert!(!format!("{added:?}").contains("canary"));
    }
}
