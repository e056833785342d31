//! One call, as one task: it feeds three pure machines and carries out what they return.
//!
//! - [`anteroom_call::InboundCall`]: where the call stands with the network,
//! - [`anteroom_reception::turn::TurnTaker`]: who speaks,
//! - [`anteroom_reception::conversation::Conversation`]: what is said.
//!
//! What happens to a call comes in as SIP events of its leg, media events of its session, recognitions, renderings,
//! searches and timers; whatever it is, it is handled to its end before the next is looked at.

mod listening;
mod recording;
mod speaking;
mod story;

use crate::engine::Shared;
use crate::knowledge;
use anteroom_call::{Effect, InboundCall, InboundLimits, Input, RemoteEnd};
use anteroom_media::{MediaError, MediaEvent, MediaHandle, MediaSession};
use anteroom_reception::conversation::{ConvEffect, ConvEvent, Conversation};
use anteroom_reception::search::Candidate;
use anteroom_reception::turn::{TurnConfig, TurnEffect, TurnEvent};
use anteroom_sip::{EndWhy, SipEvent};
use anteroom_speech::recogniser::{LadderHealth, RecogniseError, Rung};
use anteroom_types::event::BargeInAction;
use anteroom_types::{CallId, EventKind, LegId, Mono, Pii, Purpose, SayId, Side, TraceId, TurnId, Wall};
use listening::{Ended, For, Listening, Recognised};
use recording::Recording;
use speaking::{Speaking, Utterance};
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

    // ---- the network ----

    async fn sip(&mut self, event: SipEvent) {
        match event {
            SipEvent::Established { .. } | SipEvent::Acked { .. } => self.input(Input::Established).await,
            SipEvent::Answer { sdp, .. } => {
                let taken = match &mut self.media {
                    Media::Prepared { session, .. } => session.remote_answer(&sdp),
                    Media::Running { handle, .. } => handle.remote_answer(&sdp),
                    Media::None => Ok(()),
                };
                if let Err(e) = taken {
                    self.warn("the caller's answer cannot be used", &e);
                    self.input(Input::MediaRefused {
                        status: status_of(&e),
                    })
                    .await;
                }
            }
            SipEvent::Offer { token, sdp, .. } => self.offered_again(token, sdp).await,
            SipEvent::Dtmf { digit, .. } => self.key(digit).await,
            SipEvent::Ended { why, .. } => {
                let end = match why {
                    EndWhy::Bye | EndWhy::LocalBye => RemoteEnd::HungUp,
                    EndWhy::Cancelled => RemoteEnd::Cancelled,
                    _ => RemoteEnd::Lost,
                };
                self.input(Input::Remote(end)).await;
            }
            SipEvent::Incoming { .. }
            | SipEvent::OfferRejected { .. }
            | SipEvent::Progress { .. }
            | SipEvent::Trunk { .. } => {}
        }
    }

    /// A re-INVITE or UPDATE: hold, resume, a moved address, or a request for our offer.
    async fn offered_again(&mut self, token: anteroom_sip::OfferToken, sdp: Option<String>) {
        let Media::Running { handle, .. } = &self.media else {
            self.shared.sip.reject_offer(self.leg, token, 491).ok();
            return;
        };
        let reply = match sdp {
            Some(offer) => handle.remote_offer(&offer),
            None => handle.local_offer(),
        };
        let sent = match reply {
            Ok(sdp) => self.shared.sip.reply_offer(self.leg, token, sdp),
            Err(e) => {
                self.warn("an offer in mid-call was refused", &e);
                self.shared.sip.reject_offer(self.leg, token, status_of(&e))
            }
        };
        if let Err(e) = sent {
            self.warn("an offer in mid-call was not answered", &e);
        }
    }

    /// One input to the call's machine, with everything that follows from it.
    async fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.machine.handle(self.shared.clock.now(), input) {
                inputs.extend(self.carry_out(effect).await);
            }
        }
    }

    /// Carries out one effect; what comes of it at once is the next input.
    async fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::PrepareMedia => {
                let prepared = match &self.arrival.offer {
                    Some(offer) => self.shared.media.answer(offer),
                    None => self.shared.media.offer(),
                };
                return Some(match prepared {
                    Ok((mut session, sdp)) => {
                        session.set_signalling_peer(self.arrival.source.ip());
                        self.media = Media::Prepared { session, sdp };
                        Input::MediaReady
                    }
                    Err(e) => {
                        self.warn("no media session for the offer", &e);
                        self.shared.metrics.calls_refused.inc();
                        Input::MediaRefused {
                            status: status_of(&e),
                        }
                    }
                });
            }
            Effect::Answer => {
                let Media::Prepared { sdp, .. } = &self.media else {
                    return Some(Input::Failed);
                };
                if let Err(e) = self.shared.sip.answer(self.leg, sdp.clone()) {
                    self.warn("the call could not be answered", &e);
                    return Some(Input::Failed);
                }
                self.answered_ms =
                    u64::try_from(self.arrival.received.elapsed().as_millis()).unwrap_or(u64::MAX);
            }
            Effect::Reject { status } => {
                let retry = (status == 503).then_some(self.shared.config.sip.retry_after_s);
                if let Err(e) = self.shared.sip.reject(self.leg, status, retry) {
                    self.warn("the call could not be refused", &e);
                }
            }
            Effect::StartMedia => self.start().await,
            Effect::TellHeld(held) => self.story.tell(EventKind::Hold { held }).await,
            Effect::TellCallerGone => self.converse(ConvEvent::CallerGone).await,
            Effect::Bye => {
                if let Err(e) = self.shared.sip.bye(self.leg) {
                    self.warn("BYE could not be sent", &e);
                    return Some(Input::Remote(RemoteEnd::Lost));
                }
            }
            Effect::StopMedia => self.stop_media().await,
            Effect::Finish(reason) => {
                self.shared.metrics.ended(reason);
                let ms = self.arrival.received.elapsed().as_secs();
                let seconds = u32::try_from(ms).unwrap_or(u32::MAX);
                // The recording is whole before the call is shown as ended.
                self.recording.finish().await;
                self.story.tell(EventKind::Ended { reason, seconds }).await;
            }
        }
        None
    }

    async fn start(&mut self) {
        let Media::Prepared { session, .. } = std::mem::replace(&mut self.media, Media::None) else {
            return;
        };
        let codec = session.codec().unwrap_or("none").to_owned();
        let srtp = session.is_srtp();
        let (handle, events) = session.start();
        self.media = Media::Running { handle, events };
        let answered = EventKind::Answered {
            codec,
            srtp,
            setup_ms: self.answered_ms,
        };
        self.story.tell(answered).await;
        let number = Some(self.arrival.from.clone());
        self.conversation = Some(self.shared.clinic().conversation(number));
        self.converse(ConvEvent::Started).await;
        if matches!(self.health.borrow().active, Rung::Keypad) {
            self.converse(ConvEvent::RecogniserDown).await;
        }
    }

    async fn stop_media(&mut self) {
        if let Media::Running { handle, .. } = &self.media {
            let q = handle.stats();
            handle.stop();
            let quality = EventKind::Quality {
                packets: q.packets_rx,
                lost: q.lost,
                jitter_ms: q.jitter_ms,
                rtt_ms: q.rtt_ms,
                mos: q.mos,
            };
            self.story.tell(quality).await;
        }
        self.media = Media::None;
    }

    // ---- audio ----

    async fn media(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Tick { at, rx, tx, .. } => {
                self.recording.frame(&rx, &tx);
                let mut effects = Vec::new();
                self.listening.frame(&rx, at, &mut effects);
                self.turn_effects(effects).await;
            }
            MediaEvent::PlayStarted { id, at } => self.play_started(id, at).await,
            MediaEvent::PlayDone { id, .. } => {
                let said = self.speaking.done(id);
                if self.speaking.is_idle() {
                    self.turn_event(TurnEvent::PlaybackEnded).await;
                }
                if said.is_some() {
                    self.converse(ConvEvent::SayDone { say: id }).await;
                }
            }
            MediaEvent::PlayDropped { id, .. } => {
                if self.speaking.done(id).is_some() {
                    self.converse(ConvEvent::SayDropped { say: id }).await;
                }
                if self.speaking.is_idle() {
                    self.turn_event(TurnEvent::PlaybackEnded).await;
                }
            }
            MediaEvent::Dtmf { digit, .. } => self.key(digit).await,
            MediaEvent::SilenceTimeout => self.input(Input::MediaTimeout).await,
            MediaEvent::Held(held) => self.input(Input::Held(held)).await,
            MediaEvent::FirstPacket | MediaEvent::Quality(_) => {}
        }
    }

    async fn play_started(&mut self, say: SayId, at: Mono) {
        let Some(u) = self.speaking.get(say).cloned() else {
            return;
        };
        if !self.greeted {
            self.greeted = true;
            let ms = at.ms_since(self.shared.clock.at(self.arrival.received));
            self.shared.metrics.answer_seconds.observe(seconds(ms));
            self.story
                .tell(EventKind::GreetingStarted { ms_from_invite: ms })
                .await;
        }
        let ms_to_audio = u.answers.map(|end| at.ms_since(end));
        if let Some(ms) = ms_to_audio {
            self.shared.metrics.turn_seconds.observe(seconds(ms));
        }
        self.turn_event(TurnEvent::PlaybackStarted {
            interruptible: u.interruptible,
        })
        .await;
        let said = EventKind::Said {
            say,
            turn: u.turn,
            text: u.text,
            entry: u.entry,
            ms_to_audio,
        };
        self.story.tell(said).await;
    }

    async fn key(&mut self, digit: char) {
        self.story
            .tell(EventKind::Dtmf {
                digit: Pii::from(digit.to_string()),
            })
            .await;
        self.turn_event(TurnEvent::Dtmf).await;
        self.converse(ConvEvent::Dtmf { digit }).await;
    }

    // ---- turns ----

    async fn turn_event(&mut self, event: TurnEvent) {
        let mut effects = Vec::new();
        self.listening.tell(self.shared.clock.now(), event, &mut effects);
        self.turn_effects(effects).await;
    }

    async fn turn_effects(&mut self, effects: Vec<TurnEffect>) {
        let mut todo = VecDeque::from(effects);
        while let Some(effect) = todo.pop_front() {
            match effect {
                TurnEffect::SpeechStarted { segment, at } => self.listening.speech_started(segment, at),
                TurnEffect::Speculate { segment, start, end } => {
                    self.listening.speculate(segment, start, end)
                }
                TurnEffect::CancelSpeculation { .. } => self.listening.cancel_speculation(),
                TurnEffect::EndOfTurn {
                    segment, start, end, ..
                } => {
                    if let Some(ended) = self.listening.end_of_turn(segment, start, end) {
                        todo.extend(self.heard(ended).await);
                    }
                }
                TurnEffect::PausePlayback => self.barge_in(BargeInAction::Paused).await,
                TurnEffect::ResumePlayback => self.barge_in(BargeInAction::Resumed).await,
                TurnEffect::DropPlayback => self.barge_in(BargeInAction::Dropped).await,
                TurnEffect::NothingHeard { .. } => Box::pin(self.converse(ConvEvent::NothingHeard)).await,
                TurnEffect::WatchdogFired { which } => {
                    self.shared.metrics.watchdogs.inc();
                    self.story
                        .tell(EventKind::Watchdog {
                            which: which.name().into(),
                        })
                        .await;
                    if let Some(ended) = self.listening.give_up() {
                        todo.extend(self.heard(ended).await);
                    }
                }
            }
        }
    }

    async fn barge_in(&mut self, action: BargeInAction) {
        let Some(say) = self.speaking.current().map(|u| u.say) else {
            return;
        };
        if let Some(handle) = self.media.handle() {
            match action {
                BargeInAction::Paused => handle.pause(),
                BargeInAction::Resumed => handle.resume(),
                BargeInAction::Dropped => handle.clear(),
            }
        }
        self.story.tell(EventKind::BargeIn { say, action }).await;
        if action == BargeInAction::Dropped {
            let unplayed = self.speaking.drop_unplayed();
            self.not_said(unplayed).await;
        }
    }

    async fn recognised(&mut self, r: Recognised) {
        let what = r.what;
        if let Ok(t) = &r.result {
            self.shared.metrics.decode_seconds.observe(seconds(t.decode_ms));
            match what {
                For::Partial(_) if !t.text.open(Purpose::Conversation).is_empty() => {
                    let turn = TurnId(self.turn.0 + 1);
                    let text = t.text.clone();
                    self.story
                        .tell(EventKind::Partial {
                            side: Side::Caller,
                            turn,
                            text,
                        })
                        .await;
                }
                For::Speculation(segment, end) => {
                    let text = t.text.clone();
                    let complete = self.is_complete(&text).await;
                    let event = TurnEvent::SpeculativeText {
                        segment,
                        end,
                        text,
                        complete,
                    };
                    // Taken first: when the turn taker ends the turn on it, its words are there already.
                    let ended = self.listening.take(r);
                    if let Some(ended) = ended {
                        let effects = self.heard(ended).await;
                        self.turn_effects(effects).await;
                    } else {
                        self.turn_event(event).await;
                    }
                    return;
                }
                _ => {}
            }
        } else if let (For::Speculation(segment, _), Err(e)) = (what, &r.result)
            && !matches!(e, RecogniseError::Cancelled)
        {
            self.turn_event(TurnEvent::RecogniserFailed { segment }).await;
        }
        if let Some(ended) = self.listening.take(r) {
            let effects = self.heard(ended).await;
            self.turn_effects(effects).await;
        }
    }

    /// Whether what was heard so far is a whole utterance that is understood. The search it takes is kept for the
    /// conversation, which will ask for the same.
    async fn is_complete(&mut self, text: &Pii<String>) -> bool {
        let words = text.open(Purpose::Conversation);
        if self.conversation.is_none() || words.trim().is_empty() {
            return false;
        }
        let found = knowledge::candidates(&self.shared, words)
            .await
            .unwrap_or_default();
        let complete = self
            .conversation
            .as_ref()
            .is_some_and(|c| c.is_complete(words, &found));
        self.ahead = Some((text.clone(), found));
        complete
    }

    /// A turn's words are known, or will never be. Returns what the turn taker makes of it.
    async fn heard(&mut self, ended: Ended) -> Vec<TurnEffect> {
        let mut effects = Vec::new();
        let now = self.shared.clock.now();
        let transcript = match ended.result {
            Ok(t) => t,
            Err(e) => {
                if !matches!(e, RecogniseError::NoRecogniser) {
                    self.warn("a turn could not be recognised", &e);
                }
                let failed = TurnEvent::RecogniserFailed {
                    segment: ended.segment,
                };
                self.listening.tell(now, failed, &mut effects);
                return effects;
            }
        };
        let text = transcript.text;
        let final_text = TurnEvent::FinalText {
            segment: ended.segment,
            text: text.clone(),
        };
        self.listening.tell(now, final_text, &mut effects);
        if text.open(Purpose::Conversation).trim().is_empty() {
            return effects;
        }
        self.turn = TurnId(self.turn.0 + 1);
        self.turn_ended = Some(ended.end);
        let heard = EventKind::Heard {
            side: Side::Caller,
            turn: self.turn,
            text: text.clone(),
            confidence: transcript.confidence,
            start: ended.start,
            end: ended.end,
            recogniser: transcript.rung,
            decode_ms: transcript.decode_ms,
        };
        self.story.tell(heard).await;
        let event = ConvEvent::Heard {
            turn: self.turn,
            text,
            confidence: transcript.confidence,
        };
        Box::pin(self.converse(event)).await;
        effects
    }

    // ---- the conversation ----

    /// One event to the conversation, with everything that follows from it.
    async fn converse(&mut self, event: ConvEvent) {
        self.to_do.push_back(event);
        while let Some(event) = self.to_do.pop_front() {
            let Some(conversation) = &mut self.conversation else {
                // Before the call is up only its end matters: a caller who gave up gets a callback task.
                if event == ConvEvent::CallerGone {
                    self.given_up().await;
                }
                continue;
            };
            let now = self.shared.clock.now();
            let local = self.shared.local_time();
            for effect in conversation.handle(now, local, event) {
                self.conv_effect(effect).await;
            }
        }
    }

    async fn conv_effect(&mut self, effect: ConvEffect) {
        match effect {
            ConvEffect::Lookup { turn, text } => {
                if let Some((_, candidates)) = self.ahead.take().filter(|(asked, _)| *asked == text) {
                    self.to_do.push_back(ConvEvent::Candidates { turn, candidates });
                    return;
                }
                let shared = Arc::clone(&self.shared);
                self.lookups.spawn(async move {
                    let found = knowledge::candidates(&shared, text.open(Purpose::Conversation)).await;
                    let candidates = found.unwrap_or_else(|e| {
                        tracing::error!(error = %anteroom_types::error::chain(&e), "the search failed");
                        Vec::new()
                    });
                    Found { turn, candidates }
                });
            }
            ConvEffect::Say {
                say,
                turn,
                text,
                private,
                script,
                entry,
                interruptible,
            } => {
                let answers = self.turn_ended.filter(|_| turn.is_some_and(|t| t == self.turn));
                // Only the first thing said to a turn is its answer in time.
                if answers.is_some() {
                    self.turn_ended = None;
                }
                let u = Utterance {
                    say,
                    turn,
                    text,
                    private,
                    script,
                    entry,
                    interruptible,
                    answers,
                };
                self.speaking.say(u);
            }
            ConvEffect::StopSaying => {
                if let Some(handle) = self.media.handle() {
                    handle.clear();
                }
                let unplayed = self.speaking.drop_unplayed();
                self.to_do
                    .extend(unplayed.into_iter().map(|u| ConvEvent::SayDropped { say: u.say }));
            }
            ConvEffect::Record(record) => self.story.tell(EventKind::Decided { record }).await,
            ConvEffect::Expect(e) => {
                let mut effects = Vec::new();
                self.listening
                    .tell(self.shared.clock.now(), TurnEvent::Expect(e), &mut effects);
                Box::pin(self.turn_effects(effects)).await;
            }
            ConvEffect::MarkUrgent { why } => self.story.tell(EventKind::MarkedUrgent { why }).await,
            // Until calls can be put through, the urgent mark on every screen is the desk's bell.
            ConvEffect::RingDesk { .. } => {}
            ConvEffect::CreateTask {
                kind,
                summary,
                number,
                due_in_ms,
            } => {
                let due = Wall(self.shared.clock.wall().0 + i64::try_from(due_in_ms).unwrap_or(i64::MAX / 2));
                let task = self.shared.clock.task_id();
                self.story
                    .tell(EventKind::TaskCreated {
                        task,
                        kind,
                        summary,
                        number,
                        due,
                    })
                    .await;
            }
            ConvEffect::Handover { .. } => self.to_do.push_back(ConvEvent::HandoverFailed),
            ConvEffect::StartRecording { script, language } => {
                self.story
                    .tell(EventKind::ConsentNoticePlayed { script, language })
                    .await;
                if self.shared.config.clinic.record && self.recording.start() {
                    self.story.tell(EventKind::Recording { on: true }).await;
                }
            }
            ConvEffect::Hangup { reason } => Box::pin(self.input(Input::ConversationDone(reason))).await,
        }
    }

    async fn found(&mut self, found: Option<Found>) {
        // A search that panicked found nothing: the caller is passed on rather than left waiting.
        let (turn, candidates) = found.map_or((self.turn, Vec::new()), |f| (f.turn, f.candidates));
        self.converse(ConvEvent::Candidates { turn, candidates }).await;
    }

    /// What could not be said counts as dropped, so that the conversation goes on.
    async fn not_said(&mut self, lost: Vec<Utterance>) {
        for u in lost {
            self.converse(ConvEvent::SayDropped { say: u.say }).await;
        }
        if self.speaking.is_idle() && self.machine.is_up() {
            Box::pin(self.turn_event(TurnEvent::PlaybackEnded)).await;
        }
    }

    async fn health_changed(&mut self) {
        let (rung, down, why) = {
            let h = self.health.borrow_and_update();
            let why = h.last_change.as_ref().map_or("", |c| c.why).to_owned();
            (rung_name(&h), matches!(h.active, Rung::Keypad), why)
        };
        if rung == self.rung {
            return;
        }
        let from = std::mem::replace(&mut self.rung, rung.clone());
        self.story
            .tell(EventKind::RecogniserChanged {
                from: from.clone(),
                to: rung,
                why,
            })
            .await;
        if self.machine.is_up() {
            if down {
                self.converse(ConvEvent::RecogniserDown).await;
            } else if from == "keypad" {
                self.converse(ConvEvent::RecogniserBack).await;
            }
        }
    }

    /// The caller gave up before anything was said: somebody rings back.
    async fn given_up(&mut self) {
        let (kind, summary, number, due_in_ms) = self.shared.clinic().missed_call(&self.arrival.from);
        self.conv_effect(ConvEffect::CreateTask {
            kind,
            summary,
            number,
            due_in_ms,
        })
        .await;
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
