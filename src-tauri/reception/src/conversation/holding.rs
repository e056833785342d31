//! A caller who puts us on hold: they hear nothing, nothing of them is heard, and nobody is sent away for it.

use super::Conversation;
use super::state::{Asked, Spoken, State};

/// What waits for a caller who holds us.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Hold {
    /// The recogniser was lost meanwhile.
    pub(super) recogniser_down: bool,
}

impl Conversation {
    /// The caller holds us, or takes us off hold.
    pub(super) fn held(&mut self, held: bool) {
        match (self.hold, held) {
            (None, true) => self.hold = Some(Hold::default()),
            (Some(hold), false) => {
                self.hold = None;
                self.silences = 0;
                self.back(hold);
            }
            (None, false) | (Some(_), true) => {}
        }
    }

    /// The caller is back. What they were to be told and did not hear is still played; else they hear once more what was
    /// asked of them last, and their time begins anew.
    fn back(&mut self, hold: Hold) {
        match &mut self.state {
            State::Closing { since, .. } => *since = self.now,
            State::Collecting(c) => c.keyed = c.keyed.map(|_| self.now),
            State::Fresh
            | State::Open(_)
            | State::Looking { .. }
            | State::HandingOver { .. }
            | State::Over => {}
        }
        if hold.recogniser_down && !self.no_speech {
            return self.recogniser_down();
        }
        if self.unsaid.is_some() {
            return;
        }
        match &self.state {
            // An answer was heard to its end before; it is not read out again.
            State::Open(Asked::Nothing) if self.served && self.alarmed.is_none() => {
                self.anything_else();
            }
            // Keys are being pressed, and wait to be taken.
            State::Collecting(c) if c.keyed.is_some() => {}
            State::Open(_) | State::Collecting(_) => self.ask_once_more(),
            State::Fresh
            | State::Looking { .. }
            | State::HandingOver { .. }
            | State::Closing { .. }
            | State::Over => {}
        }
    }

    /// The last thing that was said: all sentences of an emergency, else one.
    fn ask_once_more(&mut self) {
        let Some(last) = self.round.last().map(|s| s.script.clone()) else {
            return;
        };
        let same = self.round.iter().rev().take_while(|s| s.script == last);
        let from = self.round.len() - same.count();
        for spoken in self.round.split_off(from) {
            self.utter(
                None,
                Spoken {
                    interruptible: true,
                    ..spoken
                },
            );
        }
    }
}
