//! A call with people in it: from the hand-over to the last leg's end.
//!
//! # How to drive it
//!
//! Make one [`DeskCall`] per call, with the caller's own leg. Feed [`DeskCall::handle`] what happens to any leg and
//! [`DeskCall::control`] what staff want; carry out the effects in order; call it again with [`DeskInput::Tick`] no
//! later than [`DeskCall::next_timeout`]. The caller's own leg stays with its [`crate::InboundCall`]:
//! [`DeskEffect::HangUp`] of it is that machine's `ConversationDone`, and its end is told here as
//! [`DeskInput::LegEnded`] *before* the receptionist is told that the caller is gone, so that one of the two makes the
//! task and not both.
//!
//! # What the composition root translates
//!
//! | happens | is told as |
//! | --- | --- |
//! | 180, 183 of a leg we dialled | [`DeskInput::LegProgress`] |
//! | 200, and its media runs | [`DeskInput::LegAnswered`] |
//! | 200, but no media can be agreed | [`DeskInput::LegAnswered`], then [`DeskInput::LegMediaLost`] |
//! | a final refusal; the dialog's end; a dial that could not even be sent | [`DeskInput::LegEnded`], once per leg |
//! | the far end's session description says `sendonly` or `inactive` | [`DeskInput::LegHeld`] |
//! | nothing received for too long, and not held | [`DeskInput::LegMediaLost`] |
//! | REFER without Replaces | [`DeskCall::control`] with [`Command::Blind`] by that leg |
//! | REFER with Replaces: the phone has another call | [`DeskCall::surrender`] of that call, and [`AdoptAs::Instead`] here |
//! | REFER with Replaces of a leg that is not answered yet | [`Command::Blind`], and hang the other call up |
//! | an INVITE with Replaces of a leg of this call | [`AdoptAs::Instead`] |
//! | an INVITE to a slot or to pick up | [`AdoptAs::Taker`] |
//!
//! [`DeskEffect::Connect`] is the whole bridge: [`Matrix::pair`](crate::bridge::Matrix::pair) says whether two legs can
//! be relayed, otherwise a mixer takes the matrix. A leg that is neither in it nor played to is sent silence; the
//! invariants say when that may be.
//!
//! # Invariants (the simulator's)
//!
//! - Who is up hears something: the receptionist, people, music, ringing or words. [`DeskCall::hears`] says what.
//!   What is heard is never started by hand: it is derived from the state after every input ([`crate::scene`]).
//! - Every [`DeskEffect::Dial`] ends exactly once; [`DeskEffect::Finish`] comes once, when no leg is left, and nothing
//!   after it.
//! - At most one [`DeskEffect::CreateTask`].
//! - A leg is in the bridge or played to, never both.
//!
//! A leg that was given up is out of the call at once, though its signalling goes on until the far end agrees; nothing
//! it still does can change the call.

mod config;
mod control;
mod message;
mod plumbing;
mod ringing;
mod state;
mod talking;
mod transfer;
mod types;
mod view;
mod waiting;

pub use config::{AnswerPolicy, Briefing, DeskConfig, Waiting};
pub use types::*;
pub use view::{Attendee, Attending, Consulting, DeskView, Whereabouts};

use crate::leg::{Leg, LegInput};
use crate::party::{LegIds, Target};
use crate::ring::{Fallback, RingPlan};
use crate::scene::{PlayNo, Scene};
use anteroom_types::{LegId, Mono};
use state::{LegEntry, Part, Phase};
use std::collections::BTreeMap;
use std::mem::Discriminant;

/// Legs one call may have at a time.
pub const LEGS_MAX: usize = 40;

/// The state machine. See the module.
#[derive(Debug, Clone)]
pub struct DeskCall {
    config: DeskConfig,
    direction: Direction,
    ids: LegIds,
    now: Mono,
    /// The leg that began the call.
    first: LegId,
    /// The person from outside. Of an outgoing call there is none before it is answered.
    guest: Option<LegId>,
    legs: BTreeMap<LegId, LegEntry>,
    phase: Phase,
    /// The plan to come back to when a person is lost.
    group: Option<RingPlan>,
    briefing: Briefing,
    urgent: bool,
    automation: bool,
    /// Whether the receptionist still has a part in the call.
    receptionist: bool,
    /// Until when its sentence is taken to be spoken.
    sentence_until: Option<Mono>,
    rescues: u8,
    /// Telephones whose line was lost in this call, the last one last.
    lost: Vec<Target>,
    in_queue: bool,
    queue_until: Option<Mono>,
    task_made: bool,
    outcome: DeskOutcome,
    speeches: Vec<Speech>,
    plays: u32,
    /// What was last told about who hears what.
    scene: Scene,
    /// What kind of place the call is in, whether held there, and since when.
    since: ((Discriminant<Whereabouts>, bool), Mono),
    out: Vec<DeskEffect>,
}

impl DeskCall {
    /// A call that came in on `caller`. The receptionist has it until [`DeskInput::HandOver`].
    #[must_use]
    pub fn incoming(config: DeskConfig, caller: LegId) -> Self {
        Self::new(config, Direction::Incoming, caller, None)
    }

    /// A call that `who` places from `first`, which is up. It rings nobody before [`DeskInput::HandOver`], whose plan
    /// names whom to ring; its fallback is normally [`Fallback::HangUp`].
    #[must_use]
    pub fn outgoing(config: DeskConfig, first: LegId, who: Target) -> Self {
        Self::new(config, Direction::Outgoing, first, Some(who))
    }

    fn new(config: DeskConfig, direction: Direction, first: LegId, target: Option<Target>) -> Self {
        let incoming = direction == Direction::Incoming;
        let entry = LegEntry {
            machine: Leg::up(config.leg),
            target,
            part: Part::Talks,
            holds: false,
            screen: false,
        };
        Self {
            ids: LegIds::after(first),
            now: Mono(0),
            first,
            guest: incoming.then_some(first),
            legs: BTreeMap::from([(first, entry)]),
            phase: Phase::Receptionist,
            group: None,
            briefing: Briefing::Screen,
            urgent: false,
            automation: true,
            receptionist: incoming,
            sentence_until: None,
            rescues: 0,
            lost: Vec::new(),
            in_queue: false,
            queue_until: None,
            task_made: false,
            outcome: DeskOutcome::NotWanted,
            speeches: Vec::new(),
            plays: 0,
            scene: Scene::default(),
            since: (
                (std::mem::discriminant(&Whereabouts::Receptionist), false),
                Mono(0),
            ),
            out: Vec::new(),
            config,
            direction,
        }
    }

    /// One input in, its effects out, in order. What makes no sense as the call stands does nothing.
    #[must_use = "effects that are not carried out lose the call"]
    pub fn handle(&mut self, now: Mono, input: DeskInput) -> Vec<DeskEffect> {
        if self.is_over() {
            return Vec::new();
        }
        self.now = now;
        self.take(input);
        self.expire();
        self.settle()
    }

    /// A command of staff.
    ///
    /// # Errors
    /// [`ControlError`] when it cannot be done; the call is as before.
    pub fn control(&mut self, now: Mono, by: &By, command: Command) -> Result<Vec<DeskEffect>, ControlError> {
        if self.is_over() || matches!(self.phase, Phase::Closing) {
            return Err(ControlError::Over);
        }
        self.now = now;
        self.obey(by, command)?;
        self.expire();
        Ok(self.settle())
    }

    /// Gives the leg that `leg` talks to away, to be adopted by another call; this call ends. For a phone that joins
    /// its two calls (REFER with Replaces): `leg` is its leg in this call.
    ///
    /// # Errors
    /// [`ControlError::WrongState`] when it does not talk to somebody: offer a blind transfer instead.
    pub fn surrender(
        &mut self,
        now: Mono,
        leg: LegId,
    ) -> Result<(LegId, Option<Target>, Vec<DeskEffect>), ControlError> {
        if self.is_over() || matches!(self.phase, Phase::Closing) {
            return Err(ControlError::Over);
        }
        self.now = now;
        let (other, target) = self.give_away(leg)?;
        Ok((other, target, self.settle()))
    }

    /// Whether [`DeskEffect::Finish`] was returned.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// When [`DeskInput::Tick`] is due at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Mono> {
        let legs = self.legs.values().filter_map(|l| l.machine.next_timeout());
        let takers = self.legs.values().filter_map(|l| match l.part {
            Part::Takes { until } => Some(until),
            _ => None,
        });
        let speeches = self.speeches.iter().map(|s| s.until);
        let phase = self.phase_timeout().into_iter().chain(self.sentence_until);
        legs.chain(takers).chain(speeches).chain(phase).min()
    }

    fn take(&mut self, input: DeskInput) {
        match input {
            DeskInput::HandOver(h) => self.hand_over(h),
            DeskInput::SentenceDone => self.sentence_over(),
            DeskInput::TaskMade => self.task_made = true,
            DeskInput::LegProgress { leg, early_media } => {
                self.tell_leg(leg, LegInput::Progress { early_media }, DropWhy::Done);
            }
            DeskInput::LegAnswered { leg, screen } => {
                if let Some(l) = self.legs.get_mut(&leg) {
                    l.screen = screen;
                }
                self.tell_leg(leg, LegInput::Answered, DropWhy::Done);
            }
            DeskInput::LegEnded { leg, end } => self.tell_leg(leg, LegInput::Ended(end), DropWhy::Done),
            DeskInput::LegMediaLost { leg } => self.media_lost(leg),
            DeskInput::LegHeld { leg, held } => self.leg_held(leg, held),
            DeskInput::Adopt { leg, target, what } => self.adopt(leg, target, what),
            DeskInput::PlayStarted { leg, play, ms } => self.speech_started(leg, play, ms),
            DeskInput::Played { leg, play } => self.played(leg, play),
            DeskInput::Key { leg, digit } => self.key(leg, digit),
            DeskInput::QueuePosition { position, wait_ms } => self.queue_position(position, wait_ms),
            DeskInput::QueueTurn(plan) => self.queue_turn(plan),
            DeskInput::QueueRefused => self.queue_refused(),
            DeskInput::Voice { speaks } => self.voice(speaks),
            DeskInput::RecordingFailed => self.recording_failed(),
            DeskInput::AutomationOff(plan) => self.automation_off(plan),
            DeskInput::AutomationOn => self.automation = true,
            DeskInput::Failed => {
                self.outcome = DeskOutcome::Failed;
                self.settle_debts(TaskWhy::Missed, DeskOutcome::Failed);
                self.receptionist_done();
                self.close(DropWhy::Failed);
            }
            DeskInput::Tick => {}
        }
    }

    /// Everything whose time has come, until nothing is due.
    fn expire(&mut self) {
        if self.sentence_until.is_some_and(|t| self.now >= t) {
            self.sentence_over();
        }
        let due: Vec<(LegId, PlayNo)> = self
            .speeches
            .iter()
            .filter(|s| self.now >= s.until)
            .map(|s| (s.leg, s.play))
            .collect();
        for (leg, play) in due {
            self.played(leg, play);
        }
        let legs: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, l)| l.machine.next_timeout().is_some_and(|t| self.now >= t))
            .map(|(id, _)| *id)
            .collect();
        for leg in legs {
            self.tell_leg(leg, LegInput::Tick, DropWhy::NoAnswer);
        }
        self.expire_takers();
        self.expire_phase();
    }

    /// Tells what is heard from now on, and ends the call when nothing is left of it.
    fn settle(&mut self) -> Vec<DeskEffect> {
        self.keep_apart();
        self.keep_since();
        let scene = self.wanted_scene();
        scene.effects_from(&self.scene, &mut self.out);
        self.scene = scene;
        if matches!(self.phase, Phase::Closing) && self.legs.is_empty() {
            self.phase = Phase::Over;
            self.out.push(DeskEffect::Finish(self.outcome));
        }
        std::mem::take(&mut self.out)
    }

    /// Makes the task, unless there is one; what was promised or left is then added to it. A call of staff's own making is
    /// owed none, but a message is a message.
    fn make_task(&mut self, why: TaskWhy) {
        let owed = self.direction == Direction::Incoming || why == TaskWhy::Message;
        if owed && !self.task_made {
            self.task_made = true;
            self.out.push(DeskEffect::CreateTask(why));
        } else if owed {
            match why {
                TaskWhy::CallbackAsked | TaskWhy::CallbackPromised | TaskWhy::Message => {
                    self.out.push(DeskEffect::AmendTask(why));
                }
                TaskWhy::Missed | TaskWhy::Abandoned => {}
            }
        }
    }

    fn receptionist_done(&mut self) {
        if std::mem::take(&mut self.receptionist) {
            if self.sentence_until.take().is_some() {
                self.out.push(DeskEffect::CutSentence);
            }
            self.out.push(DeskEffect::ReceptionistDone);
        }
    }

    /// The plan that rings `first`, then the group, its lost telephones last, then does what the group's plan does.
    fn recall_plan(&self, first: Vec<Target>, ring_ms: u64) -> RingPlan {
        let without_group = RingPlan {
            steps: Vec::new(),
            total_ms: 0,
            fallback: match self.direction {
                Direction::Incoming => Fallback::Voicemail,
                Direction::Outgoing => Fallback::HangUp,
            },
        };
        self.group
            .clone()
            .unwrap_or(without_group)
            .with_last(&self.lost)
            .with_first(first, ring_ms)
    }
}
