//! A call and the words of the member of staff who has it: the transcript's other side.

use super::listening::{Ended, Listening, Recognised};
use super::{Call, For};
use anteroom_call::bridge::{Matrix, Role};
use anteroom_reception::turn::{TurnConfig, TurnEffect, TurnEvent};
use anteroom_types::audio::{Frame, SILENCE};
use anteroom_types::{EventKind, LegId, Mono, Purpose, Side, TurnId};
use std::collections::VecDeque;

/// The next recognition of what staff say. Pends for ever when nobody is listened to; cancel-safe.
pub(super) async fn staff_recognised(staff: &mut Option<(LegId, Listening)>) -> Recognised {
    match staff {
        Some((_, ear)) => ear.recognised().await,
        None => std::future::pending().await,
    }
}

impl Call {
    /// Listens to whoever has the caller. Recording and transcribing staff goes with recording the caller.
    pub(super) fn listen_to_staff(&mut self, matrix: &Matrix) {
        let host = matrix.lines.iter().find(|l| l.role == Role::Host).map(|l| l.leg);
        let muted = matrix.lines.iter().any(|l| Some(l.leg) == host && l.muted);
        let caller = matrix.lines.iter().find(|l| l.role == Role::Guest);
        self.staff_is_heard = !muted && caller.is_some_and(|c| c.hears.iter().any(|l| Some(*l) == host));
        let heard = self.staff.as_ref().map(|(leg, _)| *leg);
        if host.is_none() || host == heard || !self.recording.is_on() {
            return;
        }
        for (leg, wanted) in [(heard, false), (host, true)] {
            if let Some(h) = leg.and_then(|l| self.legs.handle(l)) {
                h.want_ticks(wanted);
            }
        }
        self.staff = host.map(|leg| {
            let now = self.shared.clock.now();
            let ear = Listening::new(
                self.shared.clone(),
                self.story.trace(),
                TurnConfig::default(),
                now,
            );
            (leg, ear)
        });
    }

    pub(super) async fn staff_frame(&mut self, leg: LegId, rx: &Frame, at: Mono) {
        let Some((_, ear)) = self.staff.as_mut().filter(|(l, _)| *l == leg) else {
            return;
        };
        // What the caller cannot hear is not for their record.
        let heard = if self.staff_is_heard && !self.private {
            rx
        } else {
            &SILENCE
        };
        let mut effects = Vec::new();
        ear.frame(heard, at, &mut effects);
        self.staff_effects(effects).await;
    }

    pub(super) async fn staff_tick(&mut self) {
        let now = self.shared.clock.now();
        let Some((_, ear)) = &mut self.staff else { return };
        let mut effects = Vec::new();
        ear.tell(now, TurnEvent::Tick, &mut effects);
        self.staff_effects(effects).await;
    }

    async fn staff_effects(&mut self, effects: Vec<TurnEffect>) {
        let mut todo = VecDeque::from(effects);
        while let Some(effect) = todo.pop_front() {
            let Some((_, ear)) = &mut self.staff else { return };
            let ended = match effect {
                TurnEffect::SpeechStarted { segment, at } => {
                    ear.speech_started(segment, at);
                    None
                }
                TurnEffect::SpeechEnded { .. } => {
                    ear.speech_ended();
                    None
                }
                TurnEffect::EndOfTurn {
                    segment, start, end, ..
                } => ear.end_of_turn(segment, start, end),
                TurnEffect::WatchdogFired { .. } => ear.give_up(),
                // Nothing is said to staff, so nothing waits for their words: they are decoded when they are whole.
                _ => None,
            };
            if let Some(ended) = ended {
                todo.extend(self.staff_heard(ended).await);
            }
        }
    }

    pub(super) async fn staff_recognised(&mut self, r: Recognised) {
        if let (For::Partial(_), Ok(t)) = (r.what, &r.result)
            && !t.text.open(Purpose::Conversation).is_empty()
        {
            let turn = TurnId(self.turn.0 + 1);
            let text = t.text.clone();
            self.story
                .tell(EventKind::Partial {
                    side: Side::Clinic,
                    turn,
                    text,
                })
                .await;
        }
        let Some((_, ear)) = &mut self.staff else { return };
        if ear.ask_again(&r) {
            return;
        }
        if let Some(ended) = ear.take(r) {
            let effects = self.staff_heard(ended).await;
            self.staff_effects(effects).await;
        }
    }

    async fn staff_heard(&mut self, ended: Ended) -> Vec<TurnEffect> {
        let mut effects = Vec::new();
        let now = self.shared.clock.now();
        let Some((_, ear)) = &mut self.staff else {
            return effects;
        };
        let segment = ended.segment;
        let Ok(transcript) = ended.result else {
            ear.tell(now, TurnEvent::RecogniserFailed { segment }, &mut effects);
            return effects;
        };
        let text = transcript.text;
        let told = TurnEvent::FinalText {
            segment,
            text: text.clone(),
        };
        ear.tell(now, told, &mut effects);
        if text.open(Purpose::Conversation).trim().is_empty() {
            return effects;
        }
        self.turn = TurnId(self.turn.0 + 1);
        self.story
            .tell(EventKind::Heard {
                side: Side::Clinic,
                turn: self.turn,
                text,
                confidence: transcript.confidence,
                start: ended.start,
                end: ended.end,
                recogniser: transcript.rung,
                decode_ms: transcript.decode_ms,
            })
            .await;
        effects
    }
}
