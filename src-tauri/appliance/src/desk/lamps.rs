//! The lamps of telephones: messages nobody has dealt with yet (RFC 3842).

use crate::engine::{Shared, lock};
use std::collections::BTreeSet;

/// Whose telephones show how many messages wait.
#[derive(Default)]
pub(crate) struct Lamps(BTreeSet<String>);

impl Lamps {
    /// Tells everybody in the ring group how many messages wait. The messages are the desk's: whoever listens to one and
    /// closes its task puts it out for all.
    pub(crate) fn show(&mut self, shared: &Shared, messages: u32) {
        if !shared.config.desk.enabled {
            return;
        }
        let group: BTreeSet<String> = lock(&shared.desk.people).group().into_iter().collect();
        // Who is no longer in the group has no messages of its own. Who is gone altogether has no lamp.
        for user in self.0.difference(&group) {
            let _ = shared.sip.set_mwi(user, 0, 0);
        }
        // All of them each time: a telephone whose person got a new password has forgotten, and what is known already is
        // sent to nobody again.
        self.0 = group
            .into_iter()
            .filter(|user| match shared.sip.set_mwi(user, messages, 0) {
                Ok(()) => true,
                Err(e) => {
                    tracing::debug!(error = %e, "a telephone's lamp could not be set");
                    false
                }
            })
            .collect();
    }
}
