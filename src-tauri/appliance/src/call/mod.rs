//! One call, as one task: it feeds three pure machines and carries out what they return.
//!
//! - [`anteroom_call::InboundCall`]: where the call stands with the network,
//! - [`anteroom_reception::turn::TurnTaker`]: who speaks,
//! - [`anteroom_reception::conversation::Conversation`]: what is said.
//!
//! What happens to a call comes in as SIP events of its leg, media events of its session, recognitions, renderings,
//! searches and timers; whatever it is, it is handled to its end before the next is looked at.

mod audio;
mod listening;
mod network;
mod recording;
mod speaking;
mod story;
mod talk;
mod turns;

use crate::engine::Shared;
use anteroom_call::{InboundCall, InboundLimits, Input};
use anteroom_media::{MediaError, MediaEvent, MediaHandle, MediaSession};
use anteroom_reception::conversation::{ConvEvent, Conversation};
use anteroom_reception::search::Candidate;
use anteroom_reception::turn::{TurnConfig, TurnEvent};
use anteroom_sip::SipEvent;
use anteroom_speech::recogniser::LadderHealth;
use anteroom_types::{CallId, EventKind, LegId, Mono, Pii, TraceId, TurnId};
use listening::Listening;
use recording::Recording;
use speaking::Speaking;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use story::Story;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// Events of a leg that may wait for its call. SIP events are few; a leg that floods its own call loses them.
pub(crate) const LEG_EVENTS_MAX: usize = 64;

/// What is known of a call when it comes in.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) leg: LegId,
    pub(crate) from: Pii<String>,
    pub(crate) to: Pii<String>,
    pub(crate) trunk: Option<String>,
    pub(crate) source: SocketAddr,
    pub(crate) offer: Option<String>,
    pub(crate) received: Instant,
}

/// The media of a call, by what may be done with it.
enum Media {
    None,
    Prepared {
        session: MediaSession,
        sdp: String,
    },
    Running {
        handle: MediaHandle,
        events: mpsc::Receiver<MediaEvent>,
    },
}

struct Found {
    turn: TurnId,
    candidates: Vec<Candidate>,
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
    ahead: Option<(Pii<String>, Vec<Candidate>)>,
    turn: TurnId,
    turn_ended: Option<Mono>,
    greeted: bool,
    answered_ms: u64,
    to_do: VecDeque<ConvEvent>,
    events: mpsc::Receiver<SipEvent>,
}

impl Call {
    pub(crate) fn new(
        shared: Arc<Shared>,
        call: CallId,
        trace: TraceId,
        arrival: Arrival,
        events: mpsc::Receiver<SipEvent>,
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
            greeted: false,
            answered_ms: 0,
            to_do: VecDeque::new(),
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
            trunk: self.arrival.trunk.clone().unwrap_or_else(|| "direct".into()),
        };
        tracing::info!(trace = %self.story.trace(), call = %self.story.call(), trunk = self.arrival.trunk.as_deref(),
            "a call came in");
        self.story.tell(offered).await;
        self.input(Input::Offered).await;
        while !self.machine.is_ended() {
            self.step().await;
        }
        self.recording.finish().await;
    }

    /// Waits for one thing to happen and handles it.
    async fn step(&mut self) {
        let timers = [
            self.machine.next_timeout(),
            self.listening.next_timeout().filter(|_| self.machine.is_up()),
            self.conversation.as_ref().and_then(Conversation::next_timeout),
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
            event = self.events.recv() => match event {
                Some(e) => self.sip(e).await,
                None => self.input(Input::Failed).await,
            },
            event = media => match event {
                Some(e) => self.media(e).await,
                None => self.input(Input::Failed).await,
            },
            r = self.listening.recognised() => self.recognised(r).await,
            r = self.speaking.rendered() => {
                let lost = self.speaking.take(r, self.media.handle());
                self.not_said(lost).await;
            }
            Some(found) = self.lookups.join_next() => self.found(found.ok()).await,
            Ok(()) = self.health.changed() => self.health_changed().await,
            () = timer => self.tick().await,
        }
    }

    async fn tick(&mut self) {
        self.input(Input::Tick).await;
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
