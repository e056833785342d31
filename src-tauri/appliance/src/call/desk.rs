//! A call and the desk: what the desk's machine wants done.

use super::Call;
use super::announcing::record_tone;
use anteroom_call::Input;
use anteroom_call::desk::{
    Attendee, Attending, By, Command, ControlError, DeskEffect, DeskInput, DialFor, DropWhy, Fact, HandOver,
    ReferStatus, Supervision,
};
use anteroom_call::leg::LegEnd;
use anteroom_call::party::PersonId;
use anteroom_call::queue::QueueEffect;
use anteroom_call::ring::Fallback;
use anteroom_media::MediaHandle;
use anteroom_reception::conversation::ConvEvent;
use anteroom_sip::{CancelReason, EndWhy};
use anteroom_types::{DeskFact, EndReason, EventKind, LegId, TaskId, Wall};
use std::collections::VecDeque;

/// The longest sentence of the receptionist that somebody who answers waits for.
pub(crate) const SENTENCE_MS_MAX: u64 = 12_000;

impl Call {
    /// One input to the desk's machine, with everything that follows from it.
    pub(super) async fn desk(&mut self, input: DeskInput) {
        let effects = self.desk.handle(self.shared.clock.now(), input);
        Box::pin(self.desk_effects(effects)).await;
    }

    /// A command of staff.
    pub(super) async fn order(&mut self, by: &By, command: Command) -> Result<(), ControlError> {
        let effects = self.desk.control(self.shared.clock.now(), by, command)?;
        Box::pin(self.desk_effects(effects)).await;
        Ok(())
    }

    /// A command from a screen.
    pub(super) async fn ordered(
        &mut self,
        by: Option<By>,
        command: Command,
        note: Option<String>,
        due: Option<Wall>,
    ) -> Result<Option<TaskId>, ControlError> {
        if command == Command::Callback {
            self.promise = (note, due);
            self.promised_task = None;
            let by = self.whoever(by, Attending::Talks);
            self.promised_by = match &by {
                By::Person(p) => Some(p.as_str().to_owned()),
                By::Leg(_) => None,
            };
            self.order(&by, command).await?;
            return Ok(self.promised_task);
        }
        let supervised = || {
            self.desk
                .attendees()
                .iter()
                .any(|a| a.is == Attending::Supervises)
        };
        let is = match command {
            // Who is asked whether they take the caller answers that, nobody else.
            Command::Accept | Command::Decline => Attending::Asked,
            // Who talks hangs up.
            Command::Leave if supervised() => Attending::Supervises,
            _ => Attending::Talks,
        };
        let by = self.whoever(by, is);
        if note.is_some() {
            let giver = match &by {
                By::Person(p) => Some(p.as_str().to_owned()),
                By::Leg(_) => None,
            };
            self.given = (note, giver);
        }
        self.order(&by, command).await.map(|()| None)
    }

    /// Staff pause what is kept of the call, or go on. Whoever talks in it may; `by` nobody in particular is whoever does.
    pub(super) async fn private(&mut self, by: Option<By>, on: bool) -> Result<(), ControlError> {
        let by = self.whoever(by, Attending::Talks);
        let talks = |a: &Attendee| {
            a.is == Attending::Talks
                && match &by {
                    By::Person(p) => a.target.who == *p,
                    By::Leg(l) => a.leg == *l,
                }
        };
        if !self.desk.attendees().iter().any(talks) {
            return Err(ControlError::NotInCall);
        }
        if !on {
            self.keep_again().await;
        } else if !std::mem::replace(&mut self.private, true) && self.recording.is_on() {
            self.story.tell(EventKind::Recording { on: false }).await;
        }
        self.show_desk();
        Ok(())
    }

    /// What is said is kept again, where it was paused.
    async fn keep_again(&mut self) {
        if std::mem::take(&mut self.private) && self.recording.is_on() {
            self.story.tell(EventKind::Recording { on: true }).await;
        }
    }

    async fn stop_recording(&mut self) {
        self.recording.finish().await;
        self.story.tell(EventKind::Recording { on: false }).await;
    }

    /// The recording cannot go on. Who leaves a message is not told that it was kept.
    pub(super) async fn recording_lost(&mut self) {
        self.message_alone = false;
        self.stop_recording().await;
        if std::mem::take(&mut self.message) {
            self.desk(DeskInput::RecordingFailed).await;
        }
    }

    /// Nobody in particular acts as whoever has the call, or is asked about it.
    fn whoever(&self, by: Option<By>, is: Attending) -> By {
        let there = || {
            let mut there = self.desk.attendees().into_iter();
            there.find(|a| a.is == is)
        };
        by.unwrap_or_else(|| there().map_or_else(|| By::Person(PersonId::new("desk")), |a| By::Leg(a.leg)))
    }

    pub(super) async fn desk_effects(&mut self, effects: Vec<DeskEffect>) {
        let mut todo = VecDeque::from(effects);
        while let Some(effect) = todo.pop_front() {
            if let Some(input) = self.desk_effect(effect).await {
                todo.extend(self.desk.handle(self.shared.clock.now(), input));
            }
        }
        // Whoever paused it is gone. Not on hold: what was paused is paused when the talk goes on.
        if self.private && !self.desk.attendees().iter().any(|a| a.is == Attending::Talks) {
            self.keep_again().await;
        }
        self.show_desk();
    }

    /// The caller is to be put through: telephones ring while the sentence is still spoken.
    pub(super) async fn hand_over(&mut self, urgent: bool) {
        // Who cannot wait still cannot when they are put through another time, for whatever reason.
        self.urgent |= urgent;
        let urgent = self.urgent;
        let fallback = self.shared.config.desk.nobody_answers();
        let call = self.story.call();
        let plan = self.shared.desk.plan(&self.shared.sip, call, fallback, urgent);
        let sentence_ms = (!self.speaking.is_idle()).then_some(SENTENCE_MS_MAX);
        self.desk(DeskInput::HandOver(HandOver {
            plan,
            briefing: self.shared.config.desk.briefing(),
            sentence_ms,
            task_made: self.task_made,
            urgent,
        }))
        .await;
    }

    /// What the queue tells the call.
    pub(super) async fn queue_told(&mut self, told: QueueEffect) {
        let input = match told {
            QueueEffect::Position {
                position, wait_ms, ..
            } => DeskInput::QueuePosition { position, wait_ms },
            QueueEffect::Turn { .. } => {
                let (desk, call) = (&self.shared.desk, self.story.call());
                DeskInput::QueueTurn(desk.plan(&self.shared.sip, call, Fallback::Queue, self.urgent))
            }
            QueueEffect::Refused { .. } => DeskInput::QueueRefused,
        };
        self.desk(input).await;
    }

    /// The call is no longer in the queue, if it was.
    fn leave_queue(&self) {
        let call = self.story.call();
        self.shared.queue(|q, now| q.leave(now, call));
    }

    /// How long the talk was, for those who wait.
    pub(super) fn talked(&mut self) {
        if let Some(since) = self.talks_since.take().filter(|_| self.queued) {
            self.shared.queue(|q, now| q.talked(now, now.ms_since(since)));
        }
    }

    /// Nobody may be left with a machine.
    pub(super) async fn automation_off(&mut self) {
        let fallback = match self.shared.config.desk.nobody_answers() {
            Fallback::Receptionist => Fallback::Voicemail,
            other => other,
        };
        let call = self.story.call();
        let desk = &self.shared.desk;
        let plan = desk.plan(&self.shared.sip, call, fallback, self.urgent);
        self.tell_desk(DeskFact::AutomationOff, None, None).await;
        self.desk(DeskInput::AutomationOff(plan)).await;
    }

    /// Whether that is about a supervisor nobody hears, and whom the policy does not show: it is in the audit chain then, and
    /// not in the call's own story, which everybody at the desk reads.
    fn is_hidden(&mut self, fact: &Fact) -> bool {
        if self.shared.config.desk.show_supervisors {
            return false;
        }
        let (who, how) = match fact {
            Fact::Joined { who, supervision } => {
                self.hidden.retain(|h| h != who);
                match supervision {
                    Some(Supervision::Listen) => (who, "listens"),
                    Some(Supervision::Whisper) => (who, "whispers"),
                    Some(Supervision::Barge) | None => return false,
                }
            }
            Fact::Left { who } if self.hidden.contains(who) => (who, "left"),
            _ => return false,
        };
        self.hidden.retain(|h| h != who);
        if how != "left" {
            self.hidden.push(who.clone());
        }
        let (store, call) = (self.shared.store.clone(), self.story.call().to_string());
        let (trace, who) = (self.story.trace(), who.as_str().to_owned());
        tokio::task::spawn_blocking(move || {
            let detail = serde_json::json!({ "how": how });
            if let Err(e) = store.audit_append("call.supervised", &who, &call, detail) {
                let error = anteroom_types::error::chain(&e);
                tracing::error!(trace = %trace, error, "who listens to a call could not be written to the audit chain");
            }
        });
        true
    }

    async fn tell_desk(&mut self, what: DeskFact, who: Option<String>, slot: Option<u16>) {
        self.story.tell(EventKind::Desk { what, who, slot }).await;
    }

    pub(super) fn handle_of(&self, leg: LegId) -> Option<&MediaHandle> {
        if leg == self.leg {
            self.media.handle()
        } else {
            self.legs.handle(leg)
        }
    }

    /// Carries out one effect; what comes of it at once is the next input.
    async fn desk_effect(&mut self, effect: DeskEffect) -> Option<DeskInput> {
        match effect {
            DeskEffect::Dial {
                leg,
                target,
                urgent,
                what,
            } => {
                let who = target.who.as_str().to_owned();
                if !self.dial(leg, target, urgent).await {
                    return Some(DeskInput::LegEnded {
                        leg,
                        end: LegEnd::Lost,
                    });
                }
                if what != DialFor::Supervise || self.shared.config.desk.show_supervisors {
                    self.tell_desk(DeskFact::Rung, Some(who), None).await;
                }
            }
            // It was not rung yet.
            DeskEffect::Cancel { leg, .. } | DeskEffect::HangUp { leg, .. } if self.was_offering(leg) => {
                let end = LegEnd::Cancelled;
                return Some(DeskInput::LegEnded { leg, end });
            }
            DeskEffect::Cancel { leg, why } => {
                self.legs.unwanted(leg);
                let reason = if why == DropWhy::AnsweredElsewhere {
                    CancelReason::AnsweredElsewhere
                } else {
                    CancelReason::GivenUp
                };
                if self.shared.cancel(leg, reason).is_err() {
                    // It was answered in this very moment, or is gone; how is told by the event on its way here.
                    let _ = self.shared.bye(leg);
                }
            }
            DeskEffect::HangUp { leg, .. } if leg == self.leg => {
                Box::pin(self.input(Input::ConversationDone(EndReason::Completed))).await;
            }
            DeskEffect::HangUp { leg, .. } => {
                self.legs.unwanted(leg);
                let _ = self.shared.bye(leg);
            }
            DeskEffect::Connect(matrix) => self.connect(&matrix),
            DeskEffect::Disconnect => {
                self.links.clear();
                self.hears.clear();
                self.staff_is_heard = false;
            }
            DeskEffect::Play { leg, play, source } => self.play(leg, play, source),
            DeskEffect::StopPlaying { leg } => self.stop_playing(leg),
            DeskEffect::CutSentence => self.hush().await,
            DeskEffect::ReceptionistDone => {
                self.hush().await;
                Box::pin(self.converse(ConvEvent::HandedOver)).await;
            }
            DeskEffect::ReturnToReceptionist => self.returned().await,
            DeskEffect::StartRecording { .. } => {
                // Whoever speaks after the greeting and the tone wants it kept, whatever the notice came to.
                if !self.recording.is_on() {
                    if !self.recording.start() {
                        return Some(DeskInput::RecordingFailed);
                    }
                    self.story.tell(EventKind::Recording { on: true }).await;
                    self.message_alone = true;
                }
                self.message = true;
                if let Some(h) = self.media.handle() {
                    h.want_ticks(true);
                    let _ = h.play(self.legs.say(), record_tone());
                }
                // Who did not wait for the tone began before anybody asked whether they speak.
                if self.listening.has_voice() {
                    return Some(DeskInput::Voice { speaks: true });
                }
            }
            DeskEffect::StopRecording { keep } => {
                self.message = false;
                // Nobody was told that more than the message is kept.
                if std::mem::take(&mut self.message_alone) {
                    self.stop_recording().await;
                }
                if keep {
                    self.tell_desk(DeskFact::MessageKept, None, None).await;
                }
            }
            DeskEffect::CreateTask(why) => self.desk_task(why).await,
            DeskEffect::AmendTask(why) => self.amend_task(why).await,
            DeskEffect::JoinQueue => {
                let (call, urgent) = (self.story.call(), self.urgent);
                self.queued = true;
                self.shared.queue(|q, now| q.join(now, call, urgent));
            }
            DeskEffect::LeaveQueue => self.leave_queue(),
            DeskEffect::Surrendered { .. } | DeskEffect::Finish(_) => {}
            DeskEffect::FreeSlot { slot } => {
                crate::engine::lock(&self.shared.desk.parking).release(slot, self.story.call())
            }
            DeskEffect::Refer { leg, status } => {
                let status = match status {
                    ReferStatus::Ringing => 180,
                    ReferStatus::Done => 200,
                    ReferStatus::Failed(s) => s,
                };
                if let Some(token) = self.refers.get(&leg).copied() {
                    let _ = self.shared.sip.refer_progress(leg, token, status);
                    if status >= 200 {
                        self.refers.remove(&leg);
                    }
                }
            }
            DeskEffect::Note(fact) => self.note(fact).await,
        }
        None
    }

    /// An announcement of the desk is over.
    pub(super) async fn played(&mut self, id: anteroom_types::SayId) {
        if let Some((leg, play)) = self.legs.plays.remove(&id) {
            self.desk(DeskInput::Played { leg, play }).await;
            self.told(play).await;
        }
    }

    /// The receptionist falls silent.
    async fn hush(&mut self) {
        if let Some(h) = self.media.handle() {
            h.clear();
        }
        let unplayed = self.speaking.drop_unplayed();
        Box::pin(self.not_said(unplayed)).await;
    }

    /// The caller is with the receptionist again.
    async fn returned(&mut self) {
        let over = self.conversation.as_ref().is_none_or(|c| c.is_over());
        if over {
            let number = Some(self.arrival.from.clone());
            self.conversation = Some(self.shared.clinic().conversation(number));
            Box::pin(self.converse(ConvEvent::Returned)).await;
        } else {
            Box::pin(self.converse(ConvEvent::HandoverFailed)).await;
        }
    }

    fn connect(&mut self, matrix: &anteroom_call::bridge::Matrix) {
        let (mut links, mut hears) = (Vec::new(), Vec::new());
        for line in &matrix.lines {
            let Some(ear) = self.handle_of(line.leg) else {
                continue;
            };
            for other in &line.hears {
                let muted = matrix.lines.iter().any(|l| l.leg == *other && l.muted);
                if muted {
                    continue;
                }
                hears.push((line.leg, *other));
                if let Some(mouth) = self.handle_of(*other) {
                    links.extend(anteroom_media::link(mouth, ear));
                }
            }
        }
        // The new links stand before the old ones fall: nobody who stays misses a word.
        self.links = links;
        self.hears = hears;
        self.listen_to_staff(matrix);
    }

    /// A key that came by the signalling (INFO) is no part of the sound: it is passed on to whoever hears that leg. What
    /// comes as an event of RTP the bridge passes on itself.
    pub(super) fn pass_key_on(&self, leg: LegId, digit: char) {
        for (ear, _) in self.hears.iter().filter(|(_, mouth)| *mouth == leg) {
            if let Some(h) = self.handle_of(*ear) {
                h.send_dtmf(&digit.to_string());
            }
        }
    }

    async fn note(&mut self, fact: Fact) {
        if self.is_hidden(&fact) {
            return;
        }
        let (what, who, slot) = match fact {
            Fact::Answered { by, .. } => {
                self.talks_since.get_or_insert(self.shared.clock.now());
                self.answer_placer().await;
                (DeskFact::Answered, Some(by), None)
            }
            Fact::Held(true) => (DeskFact::Held, None, None),
            Fact::Held(false) => (DeskFact::Resumed, None, None),
            Fact::Parked { slot, by } => (DeskFact::Parked, Some(by), Some(slot)),
            Fact::Consulting { who } => (DeskFact::Consulted, Some(who), None),
            Fact::TransferFailed => (DeskFact::TransferFailed, None, None),
            Fact::Transferred { to } => (DeskFact::Transferred, Some(to), None),
            Fact::Joined { who, supervision } => (
                match supervision {
                    None => DeskFact::Joined,
                    Some(Supervision::Listen) => DeskFact::Listens,
                    Some(Supervision::Whisper) => DeskFact::Whispers,
                    Some(Supervision::Barge) => DeskFact::Barged,
                },
                Some(who),
                None,
            ),
            Fact::Left { who } => (DeskFact::Left, Some(who), None),
            Fact::PersonLost => (DeskFact::Lost, None, None),
            Fact::NobodyAnswered => (DeskFact::NobodyAnswered, None, None),
            Fact::Queued => (DeskFact::Queued, None, None),
            Fact::LeavingMessage => (DeskFact::LeavesMessage, None, None),
        };
        let who = who.map(|w| w.as_str().to_owned());
        self.tell_desk(what, who, slot).await;
    }
}

/// How a leg came to its end, in the desk's words.
pub(super) const fn leg_end(why: EndWhy) -> LegEnd {
    match why {
        EndWhy::Bye | EndWhy::LocalBye => LegEnd::HungUp,
        EndWhy::Cancelled => LegEnd::Cancelled,
        EndWhy::Rejected(status) => LegEnd::Refused(status),
        EndWhy::SetupTimeout => LegEnd::NoAnswer,
        EndWhy::AckTimeout | EndWhy::PrackTimeout | EndWhy::SessionExpired | EndWhy::TransportLost => {
            LegEnd::Lost
        }
    }
}
