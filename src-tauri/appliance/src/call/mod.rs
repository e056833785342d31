//! One call, as one task: it feeds three pure machines and carries out what they return.
//!
//! - [`anteroom_call::InboundCall`]: where the call stands with the network,
//! - [`anteroom_reception::turn::TurnTaker`]: who speaks,
//! - [`anteroom_reception::conversation::Conversation`]: what is said.
//!
//! What happens to a call comes in as SIP events of its leg, media events of its session, recognitions, renderings,
//! searches and timers; whatever it is, it is handled to its end before the next is looked at.

mod announcing;
mod audio;
mod desk;
mod joining;
mod listening;
mod network;
mod owed;
mod people;
mod phones;
mod placing;
mod quality;
mod recording;
mod speaking;
mod staff;
mod story;
mod talk;
mod turned_away;
mod turns;
mod view;

use crate::desk::Switch;
use crate::desktop::Cradle;
use crate::engine::Shared;
use crate::knowledge::Looked;
use anteroom_call::desk::AdoptAs;
use anteroom_call::desk::{By, Command, ControlError, DeskCall, DeskConfig, DeskInput};
use anteroom_call::party::{PersonId, Target};
use anteroom_call::queue::QueueEffect;
use anteroom_call::scene::Greeting;
use anteroom_call::{InboundCall, InboundLimits, Input};
use anteroom_media::{Link, MediaError, MediaEvent, MediaHandle, MediaSession};
use anteroom_reception::conversation::{ConvEvent, Conversation};
use anteroom_reception::turn::{TurnConfig, TurnEvent};
use anteroom_sip::{ReferToken, SipEvent};
use anteroom_speech::recogniser::LadderHealth;
use anteroom_types::event::{TRUNK_DIRECT, TRUNK_INSIDE};
use anteroom_types::{
    CallId, EndReason, EventKind, LegId, Mono, Pii, TaskId, TaskKind, TraceId, TurnId, Wall,
};
pub(crate) use desk::SENTENCE_MS_MAX;
use joining::{Asked, Given};
use listening::{For, Listening};
use people::{Legs, Routes, Voiced, voiced};
use phones::BrowserOffer;
pub(crate) use phones::Leave;
pub(crate) use placing::{Placed, Placing};
use recording::Recording;
use speaking::Speaking;
use staff::staff_recognised;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use story::Story;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
pub(crate) use turned_away::TurnedAway;

/// Events of a leg that may wait for its call. SIP events are few; a leg that floods its own call loses them.
pub(crate) const LEG_EVENTS_MAX: usize = 64;

/// What reaches a call from outside.
#[derive(Debug)]
pub(crate) enum ToCall {
    /// Something happened to a leg of it.
    Sip(LegId, SipEvent),
    /// Staff want something of it.
    Order {
        /// Nobody in particular acts as whoever has the call.
        by: Option<By>,
        command: Command,
        note: Option<String>,
        /// When what is promised is due.
        due: Option<Wall>,
        /// Leave to ring the number outside that the command names.
        leave: Option<Leave>,
        /// The task that was made, if one was.
        reply: oneshot::Sender<Result<Option<TaskId>, ControlError>>,
    },
    /// Staff pause what is kept of the call, or go on keeping it.
    Private {
        by: Option<By>,
        on: bool,
        reply: oneshot::Sender<Result<Option<TaskId>, ControlError>>,
    },
    /// The queue has something to tell.
    Queue(QueueEffect),
    /// A telephone of ours rang us to come into it.
    Joins {
        arrival: Box<Arrival>,
        target: Target,
        what: AdoptAs,
    },
    /// Another call asks for whom `leg` talks to here.
    Surrender { leg: LegId, asked: Asked },
    /// What came of asking.
    Given { asked: Asked, given: Given },
}

impl ToCall {
    /// Tells a call what happened to a leg of it. A call that is behind loses what can be lost; never that a leg has ended: it
    /// would wait for that for ever.
    pub(crate) fn pass(to: &mpsc::Sender<Self>, leg: LegId, event: SipEvent) {
        if let Err(mpsc::error::TrySendError::Full(event)) = to.try_send(Self::Sip(leg, event)) {
            tracing::warn!(leg = %leg, "a leg sends events faster than its call can take them");
            if matches!(event, Self::Sip(_, SipEvent::Ended { .. })) {
                let to = to.clone();
                tokio::spawn(async move { to.send(event).await.is_ok() });
            }
        }
    }
}

/// What is known of a call when it comes in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) leg: LegId,
    pub(crate) from: Pii<String>,
    pub(crate) to: Pii<String>,
    pub(crate) trunk: Option<String>,
    pub(crate) source: SocketAddr,
    pub(crate) offer: Option<String>,
    /// It comes from the device at this machine: there is no description and no network.
    pub(crate) here: bool,
    pub(crate) received: Instant,
    /// A telephone of ours placed it.
    pub(crate) placed: Option<Placed>,
}

/// The media of a call, by what may be done with it.
enum Media {
    None,
    Prepared {
        session: MediaSession,
        sdp: String,
    },
    /// The device at this machine's, made and not looked at yet.
    Here(Cradle),
    Running {
        handle: MediaHandle,
        events: mpsc::Receiver<MediaEvent>,
    },
}

struct Found {
    turn: TurnId,
    looked: Looked,
}

/// A call. Made for an INVITE, run to its end.
pub(crate) struct Call {
    shared: Arc<Shared>,
    leg: LegId,
    arrival: Arrival,
    machine: InboundCall,
    media: Media,
    listening: Listening,
    speaking: Speaking,
    conversation: Option<Conversation>,
    story: Story,
    recording: Recording,
    health: watch::Receiver<LadderHealth>,
    rung: String,
    lookups: JoinSet<Found>,
    /// The last search made ahead of its turn's end, and for which words.
    ahead: Option<(Pii<String>, Looked)>,
    turn: TurnId,
    turn_ended: Option<Mono>,
    /// Whether media ran.
    started: bool,
    greeted: bool,
    /// Whether the caller has heard that what they say is recorded and written down.
    notice_heard: bool,
    answered_ms: u64,
    to_do: VecDeque<ConvEvent>,
    /// Where the call is with people.
    desk: DeskCall,
    legs: Legs,
    voices: JoinSet<Voiced>,
    /// Offers for browsers being made, and for which legs they are still wanted.
    offers: JoinSet<BrowserOffer>,
    offering: Vec<LegId>,
    links: Vec<Link>,
    /// Who hears whom by them: the ear's leg and the mouth's.
    hears: Vec<(LegId, LegId)>,
    refers: HashMap<LegId, ReferToken>,
    /// The answer to whoever placed the call, until somebody has answered them.
    unanswered: Option<String>,
    /// How the last leg that refused did.
    refused: Option<u16>,
    /// Leave to ring numbers outside.
    leaves: Vec<Leave>,
    /// Legs that went to other calls: what still comes for them goes there.
    moved: HashMap<LegId, mpsc::Sender<ToCall>>,
    /// Legs that were alarmed about. Bounded by the legs a call may have in its life's rounds of ringing.
    alarmed: Vec<LegId>,
    /// Whether the caller is put through urgently, has been in the queue, and talks to somebody since when.
    urgent: bool,
    queued: bool,
    talks_since: Option<Mono>,
    /// The ear on the member of staff who has the caller, and whether the caller hears them now.
    staff: Option<(LegId, Listening)>,
    staff_is_heard: bool,
    /// The caller is to be put through, urgently or not, when what is said with it is on its way.
    put_through: Option<bool>,
    /// Why the caller is put through, and what who gives the call on adds: the note and who that is.
    reason: Option<String>,
    given: (Option<String>, Option<String>),
    /// What staff promise a caller who is to be rung back: the note and when; and the task it became.
    promise: (Option<String>, Option<Wall>),
    promised_task: Option<TaskId>,
    /// The task that was made of this call, and whoever promised something of it last.
    task: Option<(TaskId, TaskKind)>,
    promised_by: Option<String>,
    /// How the leg that began the call came to its end, when it has.
    reason_of_end: Option<EndReason>,
    /// Whether the desk knows that the caller's leg is over.
    caller_gone: bool,
    /// Whether a person heard the caller when they hung up; none before.
    heard_at_end: Option<bool>,
    /// Whether there was no media for the call's offer.
    without_media: bool,
    /// Whether a task was made of this call.
    task_made: bool,
    /// Whether a message is being recorded, and whether the recording began for it.
    message: bool,
    message_alone: bool,
    /// Supervisors nobody hears, whom the policy does not show. Bounded by the legs a call may have.
    hidden: Vec<PersonId>,
    /// Whether nothing of the call is kept for the moment: a payment card is read out.
    private: bool,
    switch: watch::Receiver<Switch>,
    routes: Routes,
    mailbox: mpsc::Sender<ToCall>,
    events: mpsc::Receiver<ToCall>,
}

impl Call {
    pub(crate) fn new(
        shared: Arc<Shared>,
        call: CallId,
        trace: TraceId,
        arrival: Arrival,
        (mailbox, events): (mpsc::Sender<ToCall>, mpsc::Receiver<ToCall>),
    ) -> Self {
        let now = shared.clock.now();
        let health = shared.speech.ladder.health();
        let rung = rung_name(&health.borrow());
        Self {
            leg: arrival.leg,
            machine: InboundCall::new(InboundLimits::default()),
            media: Media::None,
            listening: Listening::new(Arc::clone(&shared), trace, TurnConfig::default(), now),
            speaking: Speaking::new(Arc::clone(&shared), trace),
            conversation: None,
            story: Story::new(Arc::clone(&shared), call, trace),
            recording: Recording::new(Arc::clone(&shared), call, trace),
            health,
            rung,
            lookups: JoinSet::new(),
            ahead: None,
            turn: TurnId(0),
            turn_ended: None,
            started: false,
            greeted: false,
            notice_heard: false,
            answered_ms: 0,
            to_do: VecDeque::new(),
            desk: match &arrival.placed {
                None => DeskCall::incoming(desk_config(&shared, &arrival), arrival.leg),
                Some(p) => DeskCall::outgoing(desk_config(&shared, &arrival), arrival.leg, p.by.clone()),
            },
            legs: Legs::new(),
            voices: JoinSet::new(),
            offers: JoinSet::new(),
            offering: Vec::new(),
            links: Vec::new(),
            hears: Vec::new(),
            refers: HashMap::new(),
            unanswered: None,
            refused: None,
            leaves: Vec::new(),
            moved: HashMap::new(),
            alarmed: Vec::new(),
            urgent: false,
            queued: false,
            talks_since: None,
            staff: None,
            staff_is_heard: false,
            put_through: None,
            reason: None,
            given: (None, None),
            promise: (None, None),
            promised_task: None,
            task: None,
            promised_by: None,
            reason_of_end: None,
            caller_gone: false,
            heard_at_end: None,
            without_media: false,
            task_made: false,
            message: false,
            message_alone: false,
            hidden: Vec::new(),
            private: false,
            switch: shared.desk.watch(),
            routes: Routes::new(Arc::clone(&shared)),
            mailbox,
            shared,
            arrival,
            events,
        }
    }

    /// Runs the call to its end.
    pub(crate) async fn run(mut self) {
        let offered = EventKind::Offered {
            from: self.arrival.from.clone(),
            to: self.arrival.to.clone(),
            trunk: match (&self.arrival.placed, &self.arrival.trunk) {
                (Some(_), _) => TRUNK_INSIDE.into(),
                (None, Some(trunk)) => trunk.clone(),
                (None, None) => TRUNK_DIRECT.into(),
            },
        };
        tracing::info!(trace = %self.story.trace(), call = %self.story.call(), trunk = self.arrival.trunk.as_deref(),
            "a call came in");
        self.story.tell(offered).await;
        if self.arrival.placed.is_some() && !self.arrival.here {
            let _ = self.shared.sip.belongs_to(self.leg, self.story.call());
        }
        self.input(Input::Offered).await;
        // A person's leg may outlive the caller's for a moment: it is told, and hung up.
        while !self.machine.is_ended() || !self.legs.all.is_empty() {
            self.step().await;
        }
        self.last_words().await;
        self.talked();
        self.leave_desk();
        // The recording is whole before the call is shown as ended.
        self.recording.finish().await;
        if let Some(reason) = self.reason_of_end {
            self.shared.metrics.ended(reason);
            let seconds = u32::try_from(self.arrival.received.elapsed().as_secs()).unwrap_or(u32::MAX);
            tracing::info!(trace = %self.story.trace(), reason = ?reason, seconds, "a call ended");
            self.story.tell(EventKind::Ended { reason, seconds }).await;
        }
        // Nothing comes any more; what came while it ended is not left without an answer.
        self.events.close();
        while let Ok(to) = self.events.try_recv() {
            self.too_late(to);
        }
    }

    /// Waits for one thing to happen and handles it.
    async fn step(&mut self) {
        let timers = [
            self.machine.next_timeout(),
            self.listening.next_timeout().filter(|_| self.machine.is_up()),
            self.conversation.as_ref().and_then(Conversation::next_timeout),
            self.desk.next_timeout(),
            self.staff.as_ref().and_then(|(_, ear)| ear.next_timeout()),
            self.legs.next_end().map(|(until, _)| until),
        ];
        let wake = timers
            .into_iter()
            .flatten()
            .min()
            .map(|t| self.shared.clock.instant(t));
        let timer = async {
            match wake {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let media = async {
            match &mut self.media {
                Media::Running { events, .. } => events.recv().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(to) = self.events.recv() => match to {
                ToCall::Sip(leg, e) if leg == self.leg => self.sip(e).await,
                ToCall::Sip(leg, e) => self.person_sip(leg, e).await,
                ToCall::Order { by, command, note, due, leave, reply } => {
                    if let Some(leave) = leave {
                        self.keep(leave);
                    }
                    let done = self.ordered(by, command, note, due).await;
                    let _ = reply.send(done);
                }
                ToCall::Private { by, on, reply } => {
                    let done = self.private(by, on).await;
                    let _ = reply.send(done.map(|()| None));
                }
                ToCall::Queue(told) => self.queue_told(told).await,
                ToCall::Joins { arrival, target, what } => self.joins(*arrival, target, what).await,
                ToCall::Surrender { leg, asked } => self.surrender(leg, asked).await,
                ToCall::Given { asked, given } => self.given(asked, given).await,
            },
            event = media => match event {
                Some(e) => self.media(e).await,
                None => self.input(Input::Failed).await,
            },
            Some((leg, e)) = self.legs.events.recv() => self.person_media(leg, e).await,
            v = voiced(&mut self.voices) => self.voiced(v).await,
            Some(Ok(offer)) = self.offers.join_next() => self.browser_offer(offer).await,
            r = staff_recognised(&mut self.staff) => self.staff_recognised(r).await,
            Ok(()) = self.switch.changed() => {
                let on = self.switch.borrow_and_update().on;
                if self.machine.is_up() && self.arrival.placed.is_none() {
                    if on {
                        self.desk(DeskInput::AutomationOn).await;
                    } else {
                        self.automation_off().await;
                    }
                }
            }
            r = self.listening.recognised() => self.recognised(r).await,
            r = self.speaking.rendered() => {
                let lost = self.speaking.take(r, self.media.handle());
                self.not_said(lost).await;
            }
            Some(found) = self.lookups.join_next() => self.found(found.ok()).await,
            Ok(()) = self.health.changed() => self.health_changed().await,
            () = self.recording.lost() => self.recording_lost().await,
            () = timer => self.tick().await,
        }
    }

    async fn tick(&mut self) {
        self.input(Input::Tick).await;
        self.desk(DeskInput::Tick).await;
        self.staff_tick().await;
        self.end_leaves().await;
        if self.machine.is_up() {
            self.turn_event(TurnEvent::Tick).await;
            self.converse(ConvEvent::Tick).await;
        }
    }

    fn warn(&self, what: &str, e: &dyn std::error::Error) {
        tracing::warn!(trace = %self.story.trace(), error = %anteroom_types::error::chain(e), "{what}");
    }
}

impl Media {
    fn handle(&self) -> Option<&MediaHandle> {
        match self {
            Self::Running { handle, .. } => Some(handle),
            _ => None,
        }
    }
}

/// The status that tells the caller's side why there is no media.
const fn status_of(e: &MediaError) -> u16 {
    match e {
        _ if e.is_bad_request() => 400,
        _ if e.is_not_acceptable() => 488,
        MediaError::NoPorts => 503,
        _ => 500,
    }
}

/// How the desk behaves for a call that comes in now.
fn desk_config(shared: &Shared, arrival: &Arrival) -> DeskConfig {
    let (open, _) = shared.clinic.open_state(shared.clock.wall());
    shared.config.desk.waiting(DeskConfig {
        greeting: if open { Greeting::Busy } else { Greeting::Closed },
        // Whom staff ring has a number: it was dialled.
        can_ring_back: arrival.placed.is_some() || shared.clinic.can_ring_back(&arrival.from),
        ..DeskConfig::default()
    })
}

fn rung_name(h: &LadderHealth) -> String {
    h.active.name().to_owned()
}

#[allow(
    clippy::cast_precision_loss,
    reason = "milliseconds of a call are far below 2^52"
)]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_call_that_is_behind_hears_of_the_end_of_its_legs_all_the_same() {
        let (to, mut calls) = mpsc::channel(1);
        let leg = LegId::from_u128(1);
        for digit in ['1', '2'] {
            ToCall::pass(
                &to,
                leg,
                SipEvent::Dtmf {
                    leg,
                    digit,
                    duration_ms: 100,
                },
            );
        }
        let why = anteroom_sip::EndWhy::Bye;
        ToCall::pass(&to, leg, SipEvent::Ended { leg, why });
        drop(to);
        let mut told = Vec::new();
        while let Some(ToCall::Sip(_, event)) = calls.recv().await {
            told.push(format!("{event:?}"));
        }
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[1].starts_with("Ended"), "{told:?}");
    }
}
