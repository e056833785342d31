//! One leg as a call sees it: dialled by us, or taken over when it was already up.
//!
//! ```text
//! Dialling -> Ringing -> Up -> Closing -> Ended
//!     \          \-> Cancelling -> Ended
//!      \----------------/  \-> Up (a 200 crossed our CANCEL; RFC 3261 9.1) -> Closing
//! ```
//!
//! The signalling layer promises exactly one [`LegInput::Ended`] or [`LegInput::Refused`] per leg. The bounds here are
//! for the day it does not keep the promise: no leg keeps a call alive for ever.

use anteroom_types::Mono;

/// How long each waiting state of a leg may last, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegLimits {
    /// From the INVITE to a final response, whatever the ring plan says. The signalling layer gives up at 180 s.
    pub answer_ms_max: u64,
    /// From CANCEL to the final response: 64*T1 and a little (RFC 3261 9.1).
    pub cancel_ms_max: u64,
    /// From BYE to the end of the dialog.
    pub closing_ms_max: u64,
}

impl Default for LegLimits {
    fn default() -> Self {
        Self {
            answer_ms_max: 170_000,
            cancel_ms_max: 35_000,
            closing_ms_max: 5_000,
        }
    }
}

/// How a leg came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegEnd {
    /// The far end hung up, or we did.
    HungUp,
    /// It was cancelled before it was answered.
    Cancelled,
    /// It was refused with this SIP status: 486 busy, 603 declined, 480 not there.
    Refused(u16),
    /// It did not answer in its time.
    NoAnswer,
    /// Its transport, its session or its audio was lost: somebody may still believe they are talking.
    Lost,
}

/// What happens to a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegInput {
    /// A provisional response above 100; `early_media` when it has a session description.
    Progress {
        /// Whether audio may come before the answer (183).
        early_media: bool,
    },
    /// A 200: the person answered.
    Answered,
    /// A final refusal.
    Refused(u16),
    /// The leg is gone.
    Ended(LegEnd),
    /// Give it up: CANCEL before the answer, BYE after.
    Drop,
    /// Nothing is heard of it any more though nobody hung up.
    MediaLost,
    /// Time passed.
    Tick,
}

/// What a leg wants done, and what it tells the call it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegOutput {
    /// Send CANCEL.
    SendCancel,
    /// Send BYE.
    SendBye,
    /// It rings.
    Rings {
        /// With audio of its own.
        early_media: bool,
    },
    /// It was answered, and is wanted.
    Answered,
    /// It was answered after it had been given up. The caller of this machine must drop it or say so first.
    AnsweredLate,
    /// It is over. Once, the last output.
    Over(LegEnd),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Dialling { since: Mono },
    Ringing { since: Mono, early_media: bool },
    Cancelling { since: Mono, as_what: LegEnd },
    Up,
    Closing { since: Mono, as_what: LegEnd },
    Ended,
}

/// The state machine of a leg. See the module.
#[derive(Debug, Clone)]
pub struct Leg {
    limits: LegLimits,
    state: State,
}

impl Leg {
    /// A leg whose INVITE is sent now.
    #[must_use]
    pub const fn dialled(limits: LegLimits, now: Mono) -> Self {
        Self {
            limits,
            state: State::Dialling { since: now },
        }
    }

    /// A leg that is up already: the caller's own, or one taken over from another call.
    #[must_use]
    pub const fn up(limits: LegLimits) -> Self {
        Self {
            limits,
            state: State::Up,
        }
    }

    /// Whether it is answered and nobody has hung up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether it is over.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether it may still be answered and is wanted.
    #[must_use]
    pub const fn is_ringing(&self) -> bool {
        matches!(self.state, State::Dialling { .. } | State::Ringing { .. })
    }

    /// Whether it rings and sends audio of its own.
    #[must_use]
    pub const fn has_early_media(&self) -> bool {
        matches!(
            self.state,
            State::Ringing {
                early_media: true,
                ..
            }
        )
    }

    /// When [`LegInput::Tick`] is due at the latest.
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Mono> {
        match self.state {
            State::Dialling { since } | State::Ringing { since, .. } => {
                Some(since.plus_ms(self.limits.answer_ms_max))
            }
            State::Cancelling { since, .. } => Some(since.plus_ms(self.limits.cancel_ms_max)),
            State::Closing { since, .. } => Some(since.plus_ms(self.limits.closing_ms_max)),
            State::Up | State::Ended => None,
        }
    }

    /// One input in, its outputs out, in order. What makes no sense in a state does nothing.
    #[must_use = "outputs that are not carried out lose the leg"]
    pub fn handle(&mut self, now: Mono, input: LegInput) -> Vec<LegOutput> {
        use LegOutput::{Answered, AnsweredLate, Over, Rings, SendBye, SendCancel};
        let due = self.next_timeout().is_some_and(|t| now >= t);
        match (self.state, input) {
            (State::Ended, _) => Vec::new(),
            (
                State::Dialling { since } | State::Ringing { since, .. },
                LegInput::Progress { early_media },
            ) => {
                // Audio that has begun does not end with a later 180 (RFC 3960 3.2).
                let early_media = early_media || self.has_early_media();
                let next = State::Ringing { since, early_media };
                if self.state == next {
                    return Vec::new();
                }
                self.state = next;
                vec![Rings { early_media }]
            }
            (State::Dialling { .. } | State::Ringing { .. }, LegInput::Answered) => {
                self.state = State::Up;
                vec![Answered]
            }
            (State::Cancelling { .. }, LegInput::Answered) => {
                self.state = State::Up;
                vec![AnsweredLate]
            }
            (State::Dialling { .. } | State::Ringing { .. }, LegInput::Drop) => {
                self.state = State::Cancelling {
                    since: now,
                    as_what: LegEnd::Cancelled,
                };
                vec![SendCancel]
            }
            (State::Dialling { .. } | State::Ringing { .. }, LegInput::Tick) if due => {
                self.state = State::Cancelling {
                    since: now,
                    as_what: LegEnd::NoAnswer,
                };
                vec![SendCancel]
            }
            (State::Up, LegInput::Drop) => self.close(now, LegEnd::HungUp),
            (State::Up, LegInput::MediaLost) => self.close(now, LegEnd::Lost),
            (State::Cancelling { as_what, .. }, LegInput::Refused(_) | LegInput::Ended(_)) => {
                self.end(as_what, Vec::new())
            }
            (State::Closing { as_what, .. }, LegInput::Refused(_) | LegInput::Ended(_)) => {
                self.end(as_what, Vec::new())
            }
            // Neither CANCEL nor BYE was answered. BYE once more costs nothing, should there be a dialog after all.
            (State::Cancelling { as_what, .. }, LegInput::Tick) if due => self.end(as_what, vec![SendBye]),
            (State::Closing { as_what, .. }, LegInput::Tick) if due => self.end(as_what, Vec::new()),
            (_, LegInput::Refused(status)) => self.end(LegEnd::Refused(status), Vec::new()),
            (_, LegInput::Ended(end)) => {
                let end = match end {
                    LegEnd::HungUp if !self.is_up() => LegEnd::Lost,
                    other => other,
                };
                vec![self.over(end)]
            }
            _ => Vec::new(),
        }
        .into_iter()
        .inspect(|o| debug_assert!(!matches!(o, Over(_)) || self.state == State::Ended))
        .collect()
    }

    fn close(&mut self, now: Mono, as_what: LegEnd) -> Vec<LegOutput> {
        self.state = State::Closing { since: now, as_what };
        vec![LegOutput::SendBye]
    }

    fn end(&mut self, as_what: LegEnd, mut outputs: Vec<LegOutput>) -> Vec<LegOutput> {
        outputs.push(self.over(as_what));
        outputs
    }

    fn over(&mut self, as_what: LegEnd) -> LegOutput {
        self.state = State::Ended;
        LegOutput::Over(as_what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LegInput::{Answered, Drop, Ended, MediaLost, Progress, Refused, Tick};
    use LegOutput::{AnsweredLate, Over, Rings, SendBye, SendCancel};

    fn check(inputs: &[(u64, LegInput)], expected: &[LegOutput]) {
        let mut leg = Leg::dialled(LegLimits::default(), Mono(0));
        let seen: Vec<_> = inputs
            .iter()
            .flat_map(|(ms, i)| leg.handle(Mono::from_ms(*ms), *i))
            .collect();
        assert_eq!(seen, expected, "for {inputs:?}");
    }

    #[test]
    fn a_leg_rings_is_answered_and_hung_up_from_either_end() {
        let ringing = (100, Progress { early_media: false });
        let rings = Rings { early_media: false };
        check(
            &[
                ringing,
                (200, ringing.1),
                (900, Answered),
                (5_000, Ended(LegEnd::HungUp)),
            ],
            &[rings, LegOutput::Answered, Over(LegEnd::HungUp)],
        );
        check(
            &[
                ringing,
                (900, Answered),
                (5_000, Drop),
                (5_001, Drop),
                (5_030, Ended(LegEnd::HungUp)),
            ],
            &[rings, LegOutput::Answered, SendBye, Over(LegEnd::HungUp)],
        );
    }

    #[test]
    fn early_media_stays_once_it_is_there() {
        check(
            &[
                (1, Progress { early_media: true }),
                (2, Progress { early_media: false }),
                (3, Refused(486)),
            ],
            &[Rings { early_media: true }, Over(LegEnd::Refused(486))],
        );
    }

    #[test]
    fn a_200_that_crosses_our_cancel_is_told_and_can_be_hung_up() {
        check(
            &[
                (900, Drop),
                (905, Answered),
                (906, Drop),
                (950, Ended(LegEnd::Cancelled)),
            ],
            &[SendCancel, AnsweredLate, SendBye, Over(LegEnd::HungUp)],
        );
        check(
            &[(900, Drop), (930, Refused(487))],
            &[SendCancel, Over(LegEnd::Cancelled)],
        );
    }

    #[test]
    fn nothing_lasts_for_ever() {
        check(
            &[(169_999, Tick), (170_000, Tick), (204_999, Tick), (205_000, Tick)],
            &[SendCancel, SendBye, Over(LegEnd::NoAnswer)],
        );
        check(
            &[(1, Answered), (2, MediaLost), (5_001, Tick), (5_002, Tick)],
            &[LegOutput::Answered, SendBye, Over(LegEnd::Lost)],
        );
    }

    #[test]
    fn a_dialog_that_vanishes_before_its_answer_was_lost() {
        check(&[(1, Ended(LegEnd::HungUp))], &[Over(LegEnd::Lost)]);
        check(&[(1, Ended(LegEnd::NoAnswer))], &[Over(LegEnd::NoAnswer)]);
    }
}
