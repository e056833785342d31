//! A call and its conversation: what the conversation wants done.

use super::speaking::Utterance;
use super::{Call, Found, rung_name};
use crate::knowledge::{self, Looked};
use anteroom_call::Input;
use anteroom_call::desk::DeskInput;
use anteroom_reception::conversation::{ConvEffect, ConvEvent};
use anteroom_reception::turn::TurnEvent;
use anteroom_speech::recogniser::Rung;
use anteroom_types::{EventKind, Purpose, TaskKind, TurnId, Wall};
use std::sync::Arc;

/// What a search found, as the conversation is told it: danger first.
fn told(turn: TurnId, looked: Looked) -> impl Iterator<Item = ConvEvent> {
    let urgent = looked.urgent.then_some(ConvEvent::SoundsUrgent { turn });
    let candidates = looked.candidates;
    urgent
        .into_iter()
        .chain([ConvEvent::Candidates { turn, candidates }])
}

impl Call {
    /// One event to the conversation, with everything that follows from it.
    pub(super) async fn converse(&mut self, event: ConvEvent) {
        self.to_do.push_back(event);
        while let Some(event) = self.to_do.pop_front() {
            let Some(conversation) = &mut self.conversation else {
                // Before the call is up only its end matters: a caller who gave up gets a callback task. Afterwards, with
                // the machine off, the desk makes what is owed.
                if event == ConvEvent::CallerGone && !self.started {
                    self.given_up().await;
                }
                continue;
            };
            let now = self.shared.clock.now();
            let local = self.shared.local_time();
            for effect in conversation.handle(now, local, event) {
                self.conv_effect(effect).await;
            }
            // After what is said with it, which the telephones ring beside.
            if let Some(urgent) = self.put_through.take() {
                self.hand_over(urgent).await;
            }
        }
    }

    pub(super) async fn conv_effect(&mut self, effect: ConvEffect) {
        match effect {
            ConvEffect::Lookup { turn, text } => {
                if let Some((_, looked)) = self.ahead.take().filter(|(asked, _)| *asked == text) {
                    self.to_do.extend(told(turn, looked));
                    return;
                }
                let shared = Arc::clone(&self.shared);
                self.lookups.spawn(async move {
                    let looked = knowledge::look(&shared, text.open(Purpose::Conversation)).await;
                    Found { turn, looked }
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
            ConvEffect::RingDesk { why } => {
                self.reason = Some(why);
                self.put_through = Some(true);
            }
            ConvEffect::CreateTask {
                kind,
                summary,
                number,
                due_in_ms,
            } => {
                let due = Wall(self.shared.clock.wall().0 + i64::try_from(due_in_ms).unwrap_or(i64::MAX / 2));
                let task = self.shared.clock.task_id();
                self.task_made = true;
                if kind == TaskKind::Urgent {
                    self.task = Some((task, kind));
                }
                self.task.get_or_insert((task, kind));
                self.desk(DeskInput::TaskMade).await;
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
            ConvEffect::Handover { reason } => {
                self.reason = Some(reason);
                self.put_through = Some(false);
            }
            ConvEffect::StartRecording { script, language } => {
                self.notice_heard = true;
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

    pub(super) async fn found(&mut self, found: Option<Found>) {
        // A search that panicked found nothing: the caller is passed on rather than left waiting.
        let (turn, looked) = found.map_or((self.turn, Looked::default()), |f| (f.turn, f.looked));
        for event in told(turn, looked) {
            self.converse(event).await;
        }
    }

    /// What could not be said counts as dropped, so that the conversation goes on.
    pub(super) async fn not_said(&mut self, lost: Vec<Utterance>) {
        for u in lost {
            self.converse(ConvEvent::SayDropped { say: u.say }).await;
        }
        if self.speaking.is_idle() && self.machine.is_up() {
            Box::pin(self.turn_event(TurnEvent::PlaybackEnded)).await;
        }
    }

    pub(super) async fn health_changed(&mut self) {
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

    /// The caller gave up before anything was said: somebody rings back. Whose offer was refused is likely to come again with
    /// another at once, and a carrier does: that is one caller.
    pub(super) async fn given_up(&mut self) {
        if self.without_media && !self.shared.is_news(&self.arrival.from) {
            return;
        }
        let (kind, summary, number, due_in_ms) = self.shared.clinic().missed_call(&self.arrival.from);
        self.conv_effect(ConvEffect::CreateTask {
            kind,
            summary,
            number,
            due_in_ms,
        })
        .await;
    }
}
