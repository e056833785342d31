//! What becomes of a caller whom nobody takes: a message, a promise, a goodbye; and callers who hang up themselves.

use super::state::Phase;
use super::types::{DropWhy, Fact, TaskWhy};
use super::{DeskCall, DeskEffect, DeskOutcome, Direction};
use crate::scene::Announcement;
use crate::voicemail::{Message, MessageIs};
use anteroom_types::LegId;

impl DeskCall {
    /// Speaks the voicemail's greeting; then the caller can leave a message.
    pub(super) fn greet(&mut self) {
        self.receptionist_done();
        let guest = self.waiting();
        self.only_with(guest, &[]);
        self.enter(Phase::Message(None));
        self.say(guest, Announcement::VoicemailGreeting(self.config.greeting));
    }

    /// Last words, then the caller is hung up.
    pub(super) fn farewell(&mut self, what: Announcement, outcome: DeskOutcome) {
        self.receptionist_done();
        let guest = self.waiting();
        self.drop_others(&[guest], DropWhy::NoAnswer);
        self.outcome = outcome;
        self.enter(Phase::Farewell);
        self.say(guest, what);
    }

    /// An announcement to the one who waits was heard to its end, or could not be played.
    pub(super) fn caller_was_told(&mut self, leg: LegId) {
        if leg != self.waiting() {
            return;
        }
        match &mut self.phase {
            // Music in between, however often the place changes.
            Phase::Queued(q) => q.tell_at = self.now.plus_ms(self.config.position_every_ms.max(1_000)),
            Phase::Farewell => self.close(DropWhy::Done),
            Phase::Message(None) => {
                self.phase = Phase::Message(Some(Message::begin(self.config.voicemail, self.now)));
                self.out.push(DeskEffect::Note(Fact::LeavingMessage));
                self.out.push(DeskEffect::StartRecording { leg });
            }
            _ => {}
        }
    }

    pub(super) fn voice(&mut self, speaks: bool) {
        if let Phase::Message(Some(m)) = &mut self.phase {
            m.voice(self.now, speaks);
        }
    }

    /// The message is over, though the caller is still there.
    pub(super) fn message_over(&mut self) {
        if self.keep_message() {
            self.farewell(Announcement::MessageKept, DeskOutcome::Message);
        } else {
            self.promise_or_goodbye();
        }
    }

    pub(super) fn recording_failed(&mut self) {
        if matches!(self.phase, Phase::Message(_)) {
            self.promise_or_goodbye();
        }
    }

    /// Nobody came, and there is no message: the caller is rung back. Where there is no number to ring they are not told
    /// so; the task is made all the same, for whoever knows who it was.
    pub(super) fn promise_or_goodbye(&mut self) {
        self.make_task(TaskWhy::Missed);
        if self.config.can_ring_back {
            self.farewell(Announcement::WillRingBack, DeskOutcome::Callback);
        } else {
            self.farewell(Announcement::NobodyFree, DeskOutcome::NoAnswer);
        }
    }

    /// Ends the recording if there is one. Whether it is a message; its task is made then.
    fn keep_message(&mut self) -> bool {
        let Phase::Message(Some(m)) = self.phase else {
            return false;
        };
        let keep = m.judge(self.now) != MessageIs::Nothing;
        self.phase = Phase::Message(None);
        self.out.push(DeskEffect::StopRecording { keep });
        if keep {
            self.make_task(TaskWhy::Message);
        }
        keep
    }

    /// Keeps the message, or makes the task that is owed to a caller who waits for a person and gets none. To be called
    /// when the call ends before its time; `outcome` is what it then was.
    pub(super) fn settle_debts(&mut self, why: TaskWhy, outcome: DeskOutcome) {
        if self.keep_message() {
            self.outcome = DeskOutcome::Message;
        } else if matches!(
            self.phase,
            Phase::Ringing(_) | Phase::Queued(_) | Phase::Parked(_) | Phase::Message(_)
        ) {
            self.outcome = outcome;
            self.make_task(why);
        }
    }

    /// Whether the caller talks to nobody although somebody has them: on hold, or while a colleague is asked about them.
    fn is_kept_waiting(&self) -> bool {
        let Phase::Talking(t) = &self.phase else {
            return false;
        };
        let holds = |leg| self.legs.get(&leg).is_some_and(|l| l.holds);
        let apart = t.bridge.member(t.guest).is_some_and(|m| m.apart);
        let mut others = t.bridge.members().iter().filter(|m| m.leg != t.guest);
        apart || !others.any(|m| m.role.talks() && !holds(m.leg))
    }

    /// The person from outside, or whoever placed the call, is gone.
    ///
    /// A caller who hangs up on hold is owed a task like one who hangs up in a slot: they heard the same music, waited for
    /// the same person, and nobody finished with them. That somebody had them is no answer: a caller forgotten on hold is
    /// the one whom nobody else notices. If they were done all the same, striking the task off costs a moment; a caller
    /// who is never rung back costs more.
    pub(super) fn caller_gone(&mut self) {
        if self.direction == Direction::Incoming && self.is_kept_waiting() {
            self.outcome = DeskOutcome::Abandoned;
            self.make_task(TaskWhy::Abandoned);
        }
        self.settle_debts(TaskWhy::Abandoned, DeskOutcome::Abandoned);
        // With the receptionist the caller's leaving is its own matter; else it must not make a second task.
        if !matches!(self.phase, Phase::Receptionist) {
            self.sentence_until = None;
            self.receptionist_done();
        }
        self.close(DropWhy::CallerGone);
    }
}
