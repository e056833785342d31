//! What happens to a desk call and what it wants done.

use super::config::Briefing;
use crate::bridge::Matrix;
use crate::leg::LegEnd;
use crate::party::{PersonId, Target};
use crate::ring::RingPlan;
use crate::scene::{Announcement, PlayNo, Source};
use anteroom_types::LegId;

/// Which way a call goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Somebody from outside rang. Nobody answering makes a task.
    Incoming,
    /// Staff rang somebody, inside or outside. Nobody answering is told and forgotten.
    Outgoing,
}

/// The way a caller is handed to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOver {
    /// Whom to ring, and what if nobody answers.
    pub plan: RingPlan,
    /// How who answers is briefed.
    pub briefing: Briefing,
    /// Milliseconds the receptionist's sentence will still take, if it speaks. Telephones ring meanwhile. It is
    /// taken as over then even if [`DeskInput::SentenceDone`] never comes.
    pub sentence_ms: Option<u64>,
    /// Whether the receptionist has made a task for this call already.
    pub task_made: bool,
    /// Whether the call is urgent: telephones are told so.
    pub urgent: bool,
}

/// As what a leg from elsewhere comes into the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AdoptAs {
    /// They take the caller who is ringing, queueing, parked, or with the receptionist.
    Taker,
    /// They take the place of this leg (Replaces, RFC 3891).
    Instead(LegId),
    /// They join the talk.
    Third,
    /// They supervise it.
    Supervisor(Supervision),
}

/// How a supervisor is in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Supervision {
    /// Hears everybody.
    Listen,
    /// Is heard by the member of staff as well.
    Whisper,
    /// Is heard by everybody.
    Barge,
}

/// What happens to a desk call. Commands of staff come by [`super::DeskCall::control`] instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeskInput {
    /// Hand the caller to people.
    HandOver(HandOver),
    /// The receptionist's sentence was spoken to its end or dropped.
    SentenceDone,
    /// The receptionist has made a task for this call; none is made by the desk.
    TaskMade,
    /// A leg we dialled rings.
    LegProgress {
        /// Which.
        leg: LegId,
        /// Whether it sends audio already.
        early_media: bool,
    },
    /// A leg we dialled was answered and its media runs.
    LegAnswered {
        /// Which.
        leg: LegId,
        /// Whether whoever answered sees on a screen of ours what the call is about.
        screen: bool,
    },
    /// A leg is over: refused, hung up, cancelled, lost; for the caller's own leg too. Once per leg.
    LegEnded {
        /// Which.
        leg: LegId,
        /// How.
        end: LegEnd,
    },
    /// Nothing was received from a leg for too long though it is not on hold.
    LegMediaLost {
        /// Which.
        leg: LegId,
    },
    /// The telephone at a leg's far end put us on hold, or took us off it.
    LegHeld {
        /// Which.
        leg: LegId,
        /// Whether we are held.
        held: bool,
    },
    /// A leg of another call, up already, comes into this one.
    Adopt {
        /// Which. It must not be of this call.
        leg: LegId,
        /// Whose.
        target: Target,
        /// As what.
        what: AdoptAs,
    },
    /// An announcement has begun.
    PlayStarted {
        /// On which leg.
        leg: LegId,
        /// Which.
        play: PlayNo,
        /// How long it is, milliseconds.
        ms: u64,
    },
    /// An announcement is over, or could not be played.
    Played {
        /// On which leg.
        leg: LegId,
        /// Which.
        play: PlayNo,
    },
    /// A key was pressed.
    Key {
        /// On which leg.
        leg: LegId,
        /// `0` to `9`, `*` or `#`.
        digit: char,
    },
    /// The caller's place in the queue, from the [`crate::queue::Queue`].
    QueuePosition {
        /// From 1.
        position: u16,
        /// Expected wait, milliseconds.
        wait_ms: Option<u64>,
    },
    /// It is this caller's turn: ring these.
    QueueTurn(RingPlan),
    /// The queue does not take the caller, or gave them up.
    QueueRefused,
    /// Voice was heard, or has ended, while a message is recorded.
    Voice {
        /// Whether somebody speaks.
        speaks: bool,
    },
    /// The message cannot be recorded.
    RecordingFailed,
    /// Automation is off: nobody may be left with a machine. Callers who are with the receptionist are handed to
    /// these; see [`crate::automation`].
    AutomationOff(RingPlan),
    /// Automation is on again.
    AutomationOn,
    /// Something of ours failed so that the call cannot go on.
    Failed,
    /// Time passed.
    Tick,
}

/// Who gives a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Somebody at a screen. Their leg in the call, if they need one, is found by their name.
    Person(PersonId),
    /// Whoever is at this leg: a REFER or a key on a desk phone.
    Leg(LegId),
}

/// What staff may want of a call. Who may want what is decided before; see `api::access`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Take the caller who is ringing, queueing, parked, leaving a message, or with the receptionist: ring these
    /// devices of the person who asks, and connect who answers. (Pickup, retrieve, take over.) Until then everything
    /// is as before.
    Take {
        /// Devices of the person who takes.
        at: Vec<Target>,
    },
    /// Put the caller on hold.
    Hold,
    /// Take the caller off hold.
    Resume,
    /// Be heard no more.
    Mute,
    /// Be heard again.
    Unmute,
    /// Let the caller wait in a slot, reserved beforehand in the [`crate::parking::ParkingLot`].
    Park {
        /// The slot.
        slot: u16,
    },
    /// Give the caller away without asking.
    Blind {
        /// To these devices.
        to: Vec<Target>,
    },
    /// Ask somebody whether they take the caller.
    Warm {
        /// These devices.
        to: Vec<Target>,
        /// How they are asked.
        how: Asking,
    },
    /// Give the caller to the person asked; leave.
    Complete,
    /// Let the person asked go; back to the caller.
    Abort,
    /// The person asked takes the caller.
    Accept,
    /// The person asked does not take the caller.
    Decline,
    /// Ring somebody to join the talk; whoever asks may do so for themselves, from outside of it.
    Add {
        /// These devices.
        to: Vec<Target>,
    },
    /// All three together: the caller, the person asked, and who asked them.
    Join,
    /// Leave the talk to the others.
    Leave,
    /// Supervise. Rings these devices of the supervisor, unless they are in the call already.
    Supervise {
        /// How.
        how: Supervision,
        /// Devices of the supervisor.
        at: Vec<Target>,
    },
    /// Let the caller leave a message.
    Voicemail,
    /// Promise the caller to ring back; make a task; say goodbye.
    Callback,
    /// End the call.
    HangUp,
}

/// How somebody is asked whether they take a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asking {
    /// By the member of staff: the caller hears music meanwhile.
    ByVoice,
    /// By what was typed, spoken by the machine; the member of staff stays with the caller meanwhile.
    Spoken,
    /// By what was typed, on the screen, or spoken to who has none; the member of staff stays with the caller meanwhile.
    Screen,
}

/// Why a command was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ControlError {
    /// The call is over or is ending.
    #[error("the call is over")]
    Over,
    /// The person who asked is not in the call.
    #[error("whoever asked is not in this call")]
    NotInCall,
    /// The command makes no sense as the call stands.
    #[error("the call is not in a state for this")]
    WrongState,
    /// Nobody to ring was named, or nobody is there.
    #[error("nobody to ring")]
    NobodyToRing,
    /// The call has as many legs as it may have.
    #[error("the call has as many legs as it may have")]
    TooManyLegs,
}

impl anteroom_types::UserFacing for ControlError {
    fn code(&self) -> anteroom_types::ErrorCode {
        match self {
            Self::Over => "desk.over",
            Self::NotInCall => "desk.not_in_call",
            Self::WrongState => "desk.wrong_state",
            Self::NobodyToRing => "desk.nobody_to_ring",
            Self::TooManyLegs => "desk.too_many_legs",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Over => "The call has ended. Look for it in the history.",
            Self::NotInCall => "Take the call first.",
            Self::WrongState => "The call has moved on. Look at its card and choose again.",
            Self::NobodyToRing => "None of their telephones is there. Choose somebody else.",
            Self::TooManyLegs => "Let somebody leave the call first.",
        }
        .to_owned()
    }
}

/// Why a leg is hung up or given up. For the Reason header (RFC 3326) and the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropWhy {
    /// Somebody else answered: `SIP;cause=200;text="Call completed elsewhere"`. Phones show no missed call.
    AnsweredElsewhere,
    /// Nobody answered in time.
    NoAnswer,
    /// The other side of the talk hung up.
    OtherHungUp,
    /// The caller is gone.
    CallerGone,
    /// It was given to somebody else, or parked.
    Transferred,
    /// A member of staff ended it.
    Staff,
    /// What had to be said was said.
    Done,
    /// Something failed.
    Failed,
}

/// Why a task is made. At most one per call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TaskWhy {
    /// Nobody answered; the caller was told they will be rung back, if there is a number to ring.
    Missed,
    /// The caller hung up while they waited for a person.
    Abandoned,
    /// The caller asked to be rung back.
    CallbackAsked,
    /// A member of staff promised to ring back.
    CallbackPromised,
    /// A message was left.
    Message,
}

/// Something worth a line in the call's record. It holds nothing personal but account names of staff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// A person answered and the caller is with them.
    Answered {
        /// Who.
        by: PersonId,
        /// Their leg.
        leg: LegId,
    },
    /// The caller is on hold, or no more.
    Held(bool),
    /// The caller waits in a slot.
    Parked {
        /// The slot.
        slot: u16,
        /// By whom.
        by: PersonId,
    },
    /// Somebody is being asked whether they take the caller.
    Consulting {
        /// Whom.
        who: PersonId,
    },
    /// A transfer came to nothing; the caller is back where they were.
    TransferFailed,
    /// The caller was given to somebody else.
    Transferred {
        /// To whom.
        to: PersonId,
    },
    /// Somebody joined the talk.
    Joined {
        /// Who.
        who: PersonId,
        /// As a supervisor, in this way.
        supervision: Option<Supervision>,
    },
    /// Somebody left the talk; the others go on.
    Left {
        /// Who.
        who: PersonId,
    },
    /// The line of the person who had the caller was lost, or hung up at once.
    PersonLost,
    /// Nobody answered.
    NobodyAnswered,
    /// The caller waits in the queue.
    Queued,
    /// The caller leaves a message.
    LeavingMessage,
}

/// How a REFER of a phone goes on: the status for its NOTIFY (RFC 3515 2.4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReferStatus {
    /// 180.
    Ringing,
    /// 200: done.
    Done,
    /// This status: not done.
    Failed(u16),
}

/// What is to be done, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeskEffect {
    /// Send an INVITE. Answered with [`DeskInput::LegProgress`], [`DeskInput::LegAnswered`], [`DeskInput::LegEnded`];
    /// if it cannot even be sent, with the last alone.
    Dial {
        /// The new leg's id.
        leg: LegId,
        /// Whom.
        target: Target,
        /// What for.
        what: DialFor,
        /// Whether the call is urgent.
        urgent: bool,
    },
    /// Send CANCEL, with the reason.
    Cancel {
        /// Which.
        leg: LegId,
        /// Why.
        why: DropWhy,
    },
    /// Send BYE, with the reason. For the caller's own leg: end the [`crate::InboundCall`].
    HangUp {
        /// Which.
        leg: LegId,
        /// Why.
        why: DropWhy,
    },
    /// From now on exactly these hear exactly these. Replaces the bridge that was.
    Connect(Matrix),
    /// There is no bridge any more.
    Disconnect,
    /// Play this to a leg, instead of what was played to it.
    Play {
        /// Which leg.
        leg: LegId,
        /// To be named in the reports.
        play: PlayNo,
        /// What.
        source: Source,
    },
    /// Play nothing to a leg any more.
    StopPlaying {
        /// Which leg.
        leg: LegId,
    },
    /// Drop the rest of the receptionist's sentence.
    CutSentence,
    /// The receptionist's part is over: somebody or something else has the caller. Whatever it says is dropped, and it
    /// makes no task any more. At most once per call.
    ReceptionistDone,
    /// The receptionist has the caller again, and speaks now.
    ReturnToReceptionist,
    /// Record what the caller says from now on, after a tone.
    StartRecording {
        /// The caller's leg.
        leg: LegId,
    },
    /// Stop recording.
    StopRecording {
        /// Whether it is a message, or nothing worth keeping.
        keep: bool,
    },
    /// Make a task. At most once.
    CreateTask(TaskWhy),
    /// Add this to the task there is: the caller was promised something more, or left a message.
    AmendTask(TaskWhy),
    /// Put the caller in the queue.
    JoinQueue,
    /// The caller is no longer in the queue.
    LeaveQueue,
    /// The slot is free again.
    FreeSlot {
        /// Which.
        slot: u16,
    },
    /// Tell a phone how its REFER goes on, if it has one.
    Refer {
        /// The phone's leg.
        leg: LegId,
        /// How.
        status: ReferStatus,
    },
    /// Write this to the record and show it.
    Note(Fact),
    /// A leg leaves this call alive, to be adopted by another one. It is not hung up.
    Surrendered {
        /// Which.
        leg: LegId,
    },
    /// The call is over and all legs are gone: write its end. The last effect of every call, exactly once.
    Finish(DeskOutcome),
}

/// What a leg is dialled for. Phones show it; an auto-answer policy may depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DialFor {
    /// A caller waits.
    Caller,
    /// The person asked for exactly this: their phone may answer by itself.
    Take,
    /// Somebody asks about a transfer.
    Consult,
    /// Somebody wants them in the talk.
    Join,
    /// They wanted to supervise: their phone may answer by itself.
    Supervise,
}

/// How the desk's part of a call came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeskOutcome {
    /// No person was wanted.
    NotWanted,
    /// Somebody talked to the caller.
    Talked,
    /// The caller left a message.
    Message,
    /// The caller will be rung back.
    Callback,
    /// The caller hung up while they waited.
    Abandoned,
    /// Nobody answered.
    NoAnswer,
    /// Something of ours failed.
    Failed,
}

/// One announcement under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Speech {
    pub(crate) leg: LegId,
    pub(crate) play: PlayNo,
    pub(crate) what: Announcement,
    pub(crate) until: anteroom_types::Mono,
}
