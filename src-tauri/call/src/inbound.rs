//! One call that came in, from its INVITE to its last record.

use anteroom_types::limits::CALL_SECONDS_MAX;
use anteroom_types::{EndReason, Mono};

/// How long each waiting state may last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboundLimits {
    /// From INVITE until the media session must be ready, milliseconds.
    pub prepare_ms_max: u64,
    /// From our 200 until its ACK, milliseconds. SIP's own limit is 64*T1 = 32 s (RFC 3261 13.3.1.4).
    pub ack_ms_max: u64,
    /// From our BYE until the dialog must be gone, milliseconds.
    pub closing_ms_max: u64,
    /// The longest call, seconds.
    pub call_s_max: u64,
}

impl Default for InboundLimits {
    fn default() -> Self {
        Self {
            prepare_ms_max: 5_000,
            ack_ms_max: 33_000,
            closing_ms_max: 5_000,
            call_s_max: CALL_SECONDS_MAX,
        }
    }
}

/// How the far end, or the signalling layer for it, ended the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteEnd {
    /// BYE.
    HungUp,
    /// CANCEL before we answered.
    Cancelled,
    /// No ACK, an expired session timer or a lost transport: the caller is no longer there.
    Lost,
}

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The INVITE was admitted. Sent once, first.
    Offered,
    /// The media session is ready and our session description with it.
    MediaReady,
    /// Nothing in the offer can be spoken, or no port is free.
    MediaRefused {
        /// The SIP status to refuse with, e.g. 488 or 503.
        status: u16,
    },
    /// The ACK arrived: the dialog is up.
    Established,
    /// The far end put us on hold or took us off it.
    Held(bool),
    /// Nothing was received for too long.
    MediaTimeout,
    /// The conversation came to its end; what had to be said was said.
    ConversationDone(EndReason),
    /// The far end is gone.
    Remote(RemoteEnd),
    /// Something of ours failed so that the call cannot go on.
    Failed,
    /// Time passed.
    Tick,
}

/// What should be done about it, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Make a media session for the offer, or an offer where there was none.
    PrepareMedia,
    /// Send 200 with our session description.
    Answer,
    /// Send this final status instead.
    Reject {
        /// The SIP status.
        status: u16,
    },
    /// Start sending and receiving audio, and the conversation on top of it.
    StartMedia,
    /// Tell the conversation that the far end holds or resumes.
    TellHeld(bool),
    /// Tell the conversation that the caller is gone; it may still leave tasks.
    TellCallerGone,
    /// Send BYE.
    Bye,
    /// Stop media and give its ports back; finish the recording.
    StopMedia,
    /// Write the call's end. The last effect of every call, exactly once.
    Finish(EndReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    Preparing { since: Mono },
    AwaitingAck { offered: Mono, since: Mono },
    Up { offered: Mono, held: bool },
    Closing { since: Mono, reason: EndReason },
    Ended,
}

/// The state machine. See the module.
#[derive(Debug, Clone)]
pub struct InboundCall {
    limits: InboundLimits,
    state: State,
}

impl InboundCall {
    /// A call about which nothing is known yet.
    #[must_use]
    pub const fn new(limits: InboundLimits) -> Self {
        Self {
            limits,
            state: State::New,
        }
    }

    /// Whether the call is over and [`Effect::Finish`] was returned.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether audio may flow.
    #[must_use]
    pub fn is_up(&self) -> bool {
        matches!(self.state, State::Up { .. })
    }

    /// Whether the far end holds us: it does not hear us, and what it sends is at best music.
    #[must_use]
    pub const fn is_held(&self) -> bool {
        matches!(self.state, State::Up { held: true, .. })
    }

    /// When [`Input::Tick`] is due at the latest.
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Mono> {
        match self.state {
            State::New | State::Ended => None,
            State::Preparing { since } => Some(since.plus_ms(self.limits.prepare_ms_max)),
            State::AwaitingAck { since, .. } => Some(since.plus_ms(self.limits.ack_ms_max)),
            State::Up { offered, .. } => Some(offered.plus_ms(self.limits.call_s_max * 1000)),
            State::Closing { since, .. } => Some(since.plus_ms(self.limits.closing_ms_max)),
        }
    }

    /// One input in, its effects out. Inputs that make no sense in a state (a late ACK, a second BYE) do nothing.
    #[must_use = "effects that are not carried out lose the call"]
    pub fn handle(&mut self, now: Mono, input: Input) -> Vec<Effect> {
        use Effect::{Answer, Finish, PrepareMedia, Reject, StartMedia, StopMedia, TellCallerGone, TellHeld};
        let due = self.next_timeout().is_some_and(|t| now >= t);
        match (self.state, input) {
            (State::New, Input::Offered) => {
                self.state = State::Preparing { since: now };
                vec![PrepareMedia]
            }
            (State::Preparing { since }, Input::MediaReady) => {
                self.state = State::AwaitingAck {
                    offered: since,
                    since: now,
                };
                vec![Answer]
            }
            // What nobody can read came from no telephone: nothing is owed to it.
            (State::Preparing { .. }, Input::MediaRefused { status: status @ 400 }) => {
                self.end(vec![Reject { status }, Finish(EndReason::Refused)])
            }
            (State::Preparing { .. }, Input::MediaRefused { status }) => self.end(vec![
                Reject { status },
                TellCallerGone,
                Finish(EndReason::Refused),
            ]),
            (State::Preparing { .. }, Input::Failed) => self.fail(),
            (State::Preparing { .. }, Input::Tick) if due => self.fail(),
            (State::Preparing { .. } | State::AwaitingAck { .. }, Input::Remote(end)) => {
                let reason = match end {
                    RemoteEnd::Cancelled => EndReason::Cancelled,
                    RemoteEnd::HungUp => EndReason::CallerHungUp,
                    RemoteEnd::Lost => EndReason::Failed,
                };
                self.end(vec![TellCallerGone, StopMedia, Finish(reason)])
            }
            (State::AwaitingAck { offered, .. }, Input::Established) => {
                self.state = State::Up { offered, held: false };
                vec![StartMedia]
            }
            (State::AwaitingAck { .. }, Input::MediaRefused { .. }) => self.close(now, EndReason::Refused),
            (State::AwaitingAck { .. }, Input::Failed) => self.close(now, EndReason::Failed),
            (State::AwaitingAck { .. }, Input::Tick) if due => self.close(now, EndReason::Failed),
            (State::Up { offered, held }, Input::Held(to)) if held != to => {
                self.state = State::Up { offered, held: to };
                vec![TellHeld(to)]
            }
            (State::Up { held: false, .. }, Input::MediaTimeout) => self.close(now, EndReason::MediaTimeout),
            (State::Up { .. }, Input::ConversationDone(reason)) => self.close(now, reason),
            (State::Up { .. }, Input::Failed | Input::MediaRefused { .. }) => {
                self.close(now, EndReason::Failed)
            }
            (State::Up { .. }, Input::Tick) if due => self.close(now, EndReason::TooLong),
            (State::Up { .. }, Input::Remote(end)) => {
                let reason = if end == RemoteEnd::Lost {
                    EndReason::Failed
                } else {
                    EndReason::CallerHungUp
                };
                self.end(vec![TellCallerGone, StopMedia, Finish(reason)])
            }
            (State::Closing { reason, .. }, Input::Remote(_)) => self.end(vec![Finish(reason)]),
            (State::Closing { reason, .. }, Input::Tick) if due => self.end(vec![Finish(reason)]),
            _ => Vec::new(),
        }
    }

    /// It cannot be answered, by a fault of ours.
    fn fail(&mut self) -> Vec<Effect> {
        use Effect::{Finish, Reject, StopMedia, TellCallerGone};
        self.end(vec![
            Reject { status: 500 },
            TellCallerGone,
            StopMedia,
            Finish(EndReason::Failed),
        ])
    }

    fn end(&mut self, effects: Vec<Effect>) -> Vec<Effect> {
        self.state = State::Ended;
        effects
    }

    /// Hangs up ourselves and waits for the dialog to be gone.
    fn close(&mut self, now: Mono, reason: EndReason) -> Vec<Effect> {
        self.state = State::Closing { since: now, reason };
        vec![Effect::TellCallerGone, Effect::StopMedia, Effect::Bye]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Effect::{
        Answer, Bye, Finish, PrepareMedia, Reject, StartMedia, StopMedia, TellCallerGone, TellHeld,
    };

    /// Drives a call with `inputs` at the given milliseconds and compares all effects.
    fn check(inputs: &[(u64, Input)], expected: &[Effect]) {
        let mut call = InboundCall::new(InboundLimits::default());
        let mut seen = Vec::new();
        for (ms, input) in inputs {
            seen.extend(call.handle(Mono::from_ms(*ms), *input));
        }
        assert_eq!(seen, expected, "for {inputs:?}");
    }

    #[test]
    fn a_call_is_answered_and_ended_by_the_caller() {
        check(
            &[
                (0, Input::Offered),
                (5, Input::MediaReady),
                (30, Input::Established),
                (9_000, Input::Held(true)),
                (9_500, Input::Held(true)),
                (12_000, Input::Held(false)),
                (20_000, Input::Remote(RemoteEnd::HungUp)),
                (20_001, Input::Remote(RemoteEnd::HungUp)),
            ],
            &[
                PrepareMedia,
                Answer,
                StartMedia,
                TellHeld(true),
                TellHeld(false),
                TellCallerGone,
                StopMedia,
                Finish(EndReason::CallerHungUp),
            ],
        );
    }

    #[test]
    fn our_goodbye_waits_for_the_dialog_but_not_for_ever() {
        let up = [
            (0, Input::Offered),
            (1, Input::MediaReady),
            (2, Input::Established),
        ];
        let effects = [
            PrepareMedia,
            Answer,
            StartMedia,
            TellCallerGone,
            StopMedia,
            Bye,
            Finish(EndReason::Completed),
        ];
        let done = (5_000, Input::ConversationDone(EndReason::Completed));
        check(
            &[
                up[0],
                up[1],
                up[2],
                done,
                (5_020, Input::Remote(RemoteEnd::HungUp)),
            ],
            &effects,
        );
        check(
            &[
                up[0],
                up[1],
                up[2],
                done,
                (9_999, Input::Tick),
                (10_000, Input::Tick),
            ],
            &effects,
        );
    }

    #[test]
    fn refusals_and_cancels_end_with_one_record() {
        check(
            &[
                (0, Input::Offered),
                (1, Input::MediaRefused { status: 488 }),
                (2, Input::Established),
            ],
            &[
                PrepareMedia,
                Reject { status: 488 },
                TellCallerGone,
                Finish(EndReason::Refused),
            ],
        );
        check(
            &[(0, Input::Offered), (1, Input::MediaRefused { status: 400 })],
            &[PrepareMedia, Reject { status: 400 }, Finish(EndReason::Refused)],
        );
        check(
            &[
                (0, Input::Offered),
                (1, Input::MediaReady),
                (2, Input::Remote(RemoteEnd::Cancelled)),
            ],
            &[
                PrepareMedia,
                Answer,
                TellCallerGone,
                StopMedia,
                Finish(EndReason::Cancelled),
            ],
        );
        check(
            &[(0, Input::Offered), (5_000, Input::Tick)],
            &[
                PrepareMedia,
                Reject { status: 500 },
                TellCallerGone,
                StopMedia,
                Finish(EndReason::Failed),
            ],
        );
    }

    #[test]
    fn it_is_held_from_hold_to_resume_and_not_when_it_is_over() {
        let mut call = InboundCall::new(InboundLimits::default());
        let mut held = Vec::new();
        for input in [
            Input::Offered,
            Input::MediaReady,
            Input::Established,
            Input::Held(true),
            Input::MediaTimeout,
            Input::Held(false),
            Input::Held(true),
            Input::Remote(RemoteEnd::HungUp),
        ] {
            let _ = call.handle(Mono(0), input);
            held.push(call.is_held());
        }
        assert_eq!(held, [false, false, false, true, true, false, true, false]);
    }

    #[test]
    fn silence_while_held_is_not_a_timeout() {
        check(
            &[
                (0, Input::Offered),
                (1, Input::MediaReady),
                (2, Input::Established),
                (3, Input::Held(true)),
                (60_000, Input::MediaTimeout),
            ],
            &[PrepareMedia, Answer, StartMedia, TellHeld(true)],
        );
    }

    /// SplitMix64, so that a failing seed is a test.
    struct Rng(u64);
    impl Rng {
        fn next(&mut self, below: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % below
        }
    }

    #[test]
    fn whatever_happens_every_call_finishes_once_and_nothing_follows() {
        for seed in 0..20_000 {
            let mut rng = Rng(seed);
            let mut call = InboundCall::new(InboundLimits::default());
            let mut effects = call.handle(Mono(0), Input::Offered);
            let mut now = Mono(0);
            for _ in 0..rng.next(12) {
                now = now.plus_ms(rng.next(4_000));
                let input = match rng.next(11) {
                    0 => Input::Offered,
                    1 | 2 => Input::MediaReady,
                    3 => Input::MediaRefused { status: 488 },
                    4 | 5 => Input::Established,
                    6 => Input::Held(rng.next(2) == 0),
                    7 => Input::MediaTimeout,
                    8 => Input::ConversationDone(EndReason::Completed),
                    9 => Input::Remote(
                        [RemoteEnd::HungUp, RemoteEnd::Cancelled, RemoteEnd::Lost][rng.next(3) as usize],
                    ),
                    _ => Input::Failed,
                };
                effects.extend(call.handle(now, input));
            }
            // Left alone, it ends by its own timers.
            for _ in 0..4 {
                if let Some(t) = call.next_timeout() {
                    effects.extend(call.handle(t, Input::Tick));
                }
            }
            assert!(call.is_ended(), "seed {seed}");
            let count = |e: fn(&Effect) -> bool| effects.iter().filter(|x| e(x)).count();
            assert_eq!(count(|e| matches!(e, Finish(_))), 1, "seed {seed}: {effects:?}");
            assert!(
                matches!(effects.last(), Some(Finish(_))),
                "seed {seed}: {effects:?}"
            );
            assert!(
                count(|e| *e == StartMedia) <= 1 && count(|e| *e == Answer) <= 1,
                "seed {seed}"
            );
            if effects.contains(&Answer) {
                assert_eq!(count(|e| *e == StopMedia), 1, "seed {seed}: {effects:?}");
                let reject = count(|e| matches!(e, Reject { .. }));
                assert_eq!(reject, 0, "seed {seed}: a rejected call was answered");
            }
        }
    }
}
