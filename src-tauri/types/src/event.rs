//! Everything that happens in a call, once, as an event.
//!
//! Events are generic over what their personal strings are. Inside the engine that is [`Pii<String>`], so an event
//! can be logged or copied about without giving anything away; [`OpenPii::open_for`] gives the same event over plain
//! strings, which is what the store writes and staff's screens show.

use crate::ids::{CallId, EntryId, SayId, TaskId, TraceId, TurnId};
use crate::pii::{OpenPii, Pii, Purpose};
use crate::time::{Mono, Wall};
use serde::{Deserialize, Serialize};

/// What stands for a trunk in [`EventKind::Offered`] when a telephone of ours placed the call.
pub const TRUNK_INSIDE: &str = "inside";
/// What stands there when the call came by no trunk.
pub const TRUNK_DIRECT: &str = "direct";

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The person who rang.
    Caller,
    /// Anteroom, or the person at the desk.
    Clinic,
}

/// An entry and the version of it that was used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct EntryRef {
    /// The entry.
    pub id: EntryId,
    /// Its version.
    pub version: u32,
    /// Calibrated confidence that this entry answers what was heard, 0 to 1.
    pub score: f32,
}

/// What the safety gate says of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum GateClass {
    /// Somebody may be in danger now.
    Urgent,
    /// Medical advice is asked for.
    Advice,
    /// Neither.
    None,
}

/// What was decided about a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// An approved entry is spoken.
    Answer,
    /// The caller is asked once to say it differently, to choose, or for a detail.
    Clarify,
    /// Medical advice is declined with the approved script.
    Decline,
    /// The emergency script is spoken and the desk is rung.
    Escalate,
    /// A task is made for a person.
    Task,
    /// The caller is put through to a person.
    Handover,
    /// The call is ended politely.
    Goodbye,
}

/// A decision with what it rested on. It holds no personal data; the text heard is in the turn's own event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DecisionRecord {
    /// The turn decided about.
    pub turn: TurnId,
    /// What was decided.
    pub decision: Decision,
    /// What the gate said.
    pub gate: GateClass,
    /// Why the gate said so: the rule's name.
    pub gate_why: Option<String>,
    /// The intent recognised, if any, with its confidence.
    pub intent: Option<String>,
    /// The entry spoken.
    pub entry: Option<EntryRef>,
    /// The candidates, best first, at most five.
    pub candidates: Vec<EntryRef>,
    /// Version of the policy that decided.
    pub policy_version: String,
}

/// What a task is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// Ring the caller back.
    Callback,
    /// An emergency was spoken of; somebody must look now.
    Urgent,
    /// An appointment is asked for, or to be changed or cancelled.
    Appointment,
    /// A repeat prescription is asked for.
    Prescription,
    /// A question nobody had an approved answer to.
    Question,
    /// A message was left.
    Voicemail,
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The caller hung up.
    CallerHungUp,
    /// The caller gave up before the call was answered.
    Cancelled,
    /// The conversation came to its end.
    Completed,
    /// No RTP arrived for too long.
    MediaTimeout,
    /// The call was refused: too many calls, draining, or nothing we can speak.
    Refused,
    /// The call lasted longer than allowed.
    TooLong,
    /// Something of ours failed.
    Failed,
    /// The process died in mid-call; found at the next start.
    Interrupted,
}

/// One thing that happened in a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "CallEvent"))]
pub struct CallEvent<S = Pii<String>> {
    /// The call.
    pub call: CallId,
    /// Its trace.
    pub trace: TraceId,
    /// Number of the event within its call, from 1.
    pub seq: u32,
    /// When, by the wall clock.
    pub at: Wall,
    /// When, by the monotonic clock.
    pub mono: Mono,
    /// What.
    pub kind: EventKind<S>,
}

/// What happened. See the module for `S`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "type", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", schemars(rename = "EventKind"))]
pub enum EventKind<S = Pii<String>> {
    /// An INVITE was admitted.
    Offered {
        /// The caller's number or address.
        from: S,
        /// The number or address dialled.
        to: S,
        /// The trunk it came by, or [`TRUNK_DIRECT`] or [`TRUNK_INSIDE`].
        trunk: String,
    },
    /// The call was placed by a telephone of ours, to a colleague or by a trunk. `Offered` came before.
    Placed {
        /// Whose telephone: a member of staff's account.
        by: String,
        /// The trunk it leaves by; none when it stays in the house.
        trunk: Option<String>,
        /// Its price, thousandths of the currency per minute begun.
        per_minute_milli: u32,
        /// How long it may last, milliseconds.
        ms_max: u64,
        /// Whether its limits count: an emergency call counts towards nothing.
        counts: bool,
    },
    /// The call was answered.
    Answered {
        /// The codec agreed.
        codec: String,
        /// Whether the media is encrypted.
        srtp: bool,
        /// Milliseconds from INVITE to our 200.
        setup_ms: u64,
    },
    /// The first audio of the greeting was sent.
    GreetingStarted {
        /// Milliseconds from INVITE to it.
        ms_from_invite: u64,
    },
    /// The consent notice was heard to its end; recording starts here.
    ConsentNoticePlayed {
        /// The script's name.
        script: String,
        /// Language tag.
        language: String,
    },
    /// Recording was switched on or off.
    Recording {
        /// Whether it is on.
        on: bool,
    },
    /// Words recognised so far, for the screen; never stored.
    Partial {
        /// Who speaks.
        side: Side,
        /// The turn they will belong to.
        turn: TurnId,
        /// The words.
        text: S,
    },
    /// A turn was heard to its end.
    Heard {
        /// Who spoke.
        side: Side,
        /// The turn.
        turn: TurnId,
        /// What was recognised; may be empty.
        text: S,
        /// Confidence of the recogniser, 0 to 1.
        confidence: f32,
        /// When the speech began.
        start: Mono,
        /// When it ended.
        end: Mono,
        /// The recogniser rung that produced it, e.g. `whisper:base.en-q5_1` or `keypad`.
        recogniser: String,
        /// Milliseconds the recogniser took.
        decode_ms: u64,
    },
    /// A decision was taken about a turn.
    Decided {
        /// The record.
        record: DecisionRecord,
    },
    /// Something is being said to the caller; written when its first audio goes out.
    Said {
        /// Which.
        say: SayId,
        /// The turn it answers, if any.
        turn: Option<TurnId>,
        /// The words.
        text: S,
        /// The entry whose words they are, if it is an answer.
        entry: Option<EntryRef>,
        /// Milliseconds from the end of the caller's speech to the first audio sent, if it answers a turn.
        ms_to_audio: Option<u64>,
    },
    /// What was being said was paused, resumed or dropped because the caller spoke.
    BargeIn {
        /// What was being said.
        say: SayId,
        /// `paused`, `resumed` or `dropped`.
        action: BargeInAction,
    },
    /// A key was pressed. Digits are personal data: they can be a number or a date of birth.
    Dtmf {
        /// The digit.
        digit: S,
    },
    /// The call was marked urgent and the desk told.
    MarkedUrgent {
        /// The gate's rule.
        why: String,
    },
    /// A task was made.
    TaskCreated {
        /// The task.
        task: TaskId,
        /// What about.
        kind: TaskKind,
        /// One line for the person who takes it.
        summary: S,
        /// The number to ring back, if known.
        number: Option<S>,
        /// When it is due.
        due: Wall,
    },
    /// The far end put us on hold or took us off it.
    Hold {
        /// Whether we are held.
        held: bool,
    },
    /// Something about the people in the call.
    Desk {
        /// What.
        what: DeskFact,
        /// The user it is about: a member of staff's account, never the caller.
        who: Option<String>,
        /// The slot a call is parked in.
        slot: Option<u16>,
    },
    /// The recogniser in use changed.
    RecogniserChanged {
        /// From.
        from: String,
        /// To.
        to: String,
        /// Why: `load`, `error`, `missing` or `recovered`.
        why: String,
    },
    /// A watchdog fired: the line would have gone mute.
    Watchdog {
        /// Which.
        which: String,
    },
    /// Somebody is heard badly.
    PoorQuality {
        /// The user whose telephone it is; none for the caller.
        who: Option<String>,
        /// Estimated mean opinion score so far, 1 to 4.5.
        mos: f32,
    },
    /// Quality of the media of one leg, when it ends.
    Quality {
        /// The user whose telephone it is; none for the caller.
        #[serde(default)]
        who: Option<String>,
        /// The codec sent, by its encoding name.
        #[serde(default)]
        codec: Option<String>,
        /// How it went: `direct`, `local`, `host`, `srflx` or `relay`.
        #[serde(default)]
        path: Option<String>,
        /// RTP packets received.
        packets: u64,
        /// Packets lost on the way to us.
        lost: u64,
        /// Interarrival jitter in milliseconds (RFC 3550 6.4.1).
        jitter_ms: f32,
        /// Round-trip time in milliseconds, if the far end reports.
        rtt_ms: Option<f32>,
        /// Estimated mean opinion score, 1 to 4.5 (ITU-T G.107, simplified).
        mos: f32,
    },
    /// The call ended.
    Ended {
        /// Why.
        reason: EndReason,
        /// Seconds since it was offered.
        seconds: u32,
    },
}

/// What became of something that was being said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum BargeInAction {
    /// Playback stopped for a moment.
    Paused,
    /// It was no words; playback went on.
    Resumed,
    /// It was words; the rest is not said.
    Dropped,
}

/// What happened between a caller and people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DeskFact {
    /// A telephone of theirs is rung.
    Rung,
    /// They answered and have the caller.
    Answered,
    /// The caller is on hold.
    Held,
    /// The caller is off hold.
    Resumed,
    /// The caller was parked by them.
    Parked,
    /// They are asked whether they take the caller.
    Consulted,
    /// A transfer came to nothing; the caller is back where they were.
    TransferFailed,
    /// The caller was given to them.
    Transferred,
    /// They joined the talk.
    Joined,
    /// They listen in.
    Listens,
    /// They speak to the member of staff and are not heard by the caller.
    Whispers,
    /// They came into the talk as a supervisor.
    Barged,
    /// They left the talk; the others go on.
    Left,
    /// Their line was lost; the caller goes on to others.
    Lost,
    /// Nobody answered.
    NobodyAnswered,
    /// The caller waits in the queue.
    Queued,
    /// The caller leaves a message.
    LeavesMessage,
    /// The message was kept.
    MessageKept,
    /// Automation was switched off during the call.
    AutomationOff,
}

impl EventKind<Pii<String>> {
    /// Whether the event belongs in the durable record. Partial words are for the screen alone.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        !matches!(self, Self::Partial { .. })
    }
}

impl OpenPii for CallEvent<Pii<String>> {
    type Opened = CallEvent<String>;
    fn open_for(&self, purpose: Purpose) -> CallEvent<String> {
        let Self {
            call,
            trace,
            seq,
            at,
            mono,
            kind,
        } = self;
        CallEvent {
            call: *call,
            trace: *trace,
            seq: *seq,
            at: *at,
            mono: *mono,
            kind: kind.open_for(purpose),
        }
    }
}

impl OpenPii for EventKind<Pii<String>> {
    type Opened = EventKind<String>;
    fn open_for(&self, purpose: Purpose) -> EventKind<String> {
        let o = |p: &Pii<String>| p.open(purpose).clone();
        match self.clone() {
            Self::Offered { from, to, trunk } => EventKind::Offered {
                from: o(&from),
                to: o(&to),
                trunk,
            },
            Self::Placed {
                by,
                trunk,
                per_minute_milli,
                ms_max,
                counts,
            } => EventKind::Placed {
                by,
                trunk,
                per_minute_milli,
                ms_max,
                counts,
            },
            Self::Answered {
                codec,
                srtp,
                setup_ms,
            } => EventKind::Answered {
                codec,
                srtp,
                setup_ms,
            },
            Self::GreetingStarted { ms_from_invite } => EventKind::GreetingStarted { ms_from_invite },
            Self::ConsentNoticePlayed { script, language } => {
                EventKind::ConsentNoticePlayed { script, language }
            }
            Self::Recording { on } => EventKind::Recording { on },
            Self::Partial { side, turn, text } => EventKind::Partial {
                side,
                turn,
                text: o(&text),
            },
            Self::Heard {
                side,
                turn,
                text,
                confidence,
                start,
                end,
                recogniser,
                decode_ms,
            } => EventKind::Heard {
                side,
                turn,
                text: o(&text),
                confidence,
                start,
                end,
                recogniser,
                decode_ms,
            },
            Self::Decided { record } => EventKind::Decided { record },
            Self::Said {
                say,
                turn,
                text,
                entry,
                ms_to_audio,
            } => EventKind::Said {
                say,
                turn,
                text: o(&text),
                entry,
                ms_to_audio,
            },
            Self::BargeIn { say, action } => EventKind::BargeIn { say, action },
            Self::Dtmf { digit } => EventKind::Dtmf { digit: o(&digit) },
            Self::MarkedUrgent { why } => EventKind::MarkedUrgent { why },
            Self::TaskCreated {
                task,
                kind,
                summary,
                number,
                due,
            } => EventKind::TaskCreated {
                task,
                kind,
                summary: o(&summary),
                number: number.as_ref().map(o),
                due,
            },
            Self::Hold { held } => EventKind::Hold { held },
            Self::Desk { what, who, slot } => EventKind::Desk { what, who, slot },
            Self::RecogniserChanged { from, to, why } => EventKind::RecogniserChanged { from, to, why },
            Self::Watchdog { which } => EventKind::Watchdog { which },
            Self::PoorQuality { who, mos } => EventKind::PoorQuality { who, mos },
            Self::Quality {
                who,
                codec,
                path,
                packets,
                lost,
                jitter_ms,
                rtt_ms,
                mos,
            } => EventKind::Quality {
                who,
                codec,
                path,
                packets,
                lost,
                jitter_ms,
                rtt_ms,
                mos,
            },
            Self::Ended { reason, seconds } => EventKind::Ended { reason, seconds },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_prints_without_its_personal_data_and_opens_with_it() {
        let event = CallEvent {
            call: CallId::new(Wall(1), 1),
            trace: TraceId::new(Wall(1), 2),
            seq: 1,
            at: Wall(1),
            mono: Mono(1),
            kind: EventKind::Offered {
                from: "+441632960999".into(),
                to: "desk".into(),
                trunk: "direct".into(),
            },
        };
        assert!(!format!("{event:?}").contains("960999"));
        let opened = event.open_for(Purpose::Test);
        let text = serde_json::to_string(&opened).unwrap();
        assert!(text.contains("+441632960999"));
        assert_eq!(serde_json::from_str::<CallEvent<String>>(&text).unwrap(), opened);
    }
}
