//! The lamps of telephones: messages nobody has dealt with yet (RFC 3842).

use crate::engine::{Shared, lock};
use std::collections::BTreeMap;

/// What each telephone was told last.
#[derive(Default)]
pub(crate) struct Lamps(BTreeMap<String, u32>);

impl Lamps {
    /// Tells everybody in the ring group how many messages wait. The messages are the desk's: whoever listens to one and
    /// closes its task puts it out for all.
    pub(crate) fn show(&mut self, shared: &Shared, messages: u32) {
        if !shared.config.desk.enabled {
            return;
        }
        let group = lock(&shared.desk.people).group();
        for user in group {
            if self.0.get(&user) == Some(&messages) {
                continue;
            }
            match shared.sip.set_mwi(&user, messages, 0) {
                Ok(()) => drop(self.0.insert(user, messages)),
                Err(e) => tracing::warn!(error = %e, "a telephone's lamp could not be set"),
            }
        }
    }
}
