//! A call and its turns: what the turn taker wants done, and what was recognised.

use super::listening::{Ended, For, Recognised};
use super::{Call, seconds};
use crate::knowledge;
use anteroom_call::desk::DeskInput;
use anteroom_reception::conversation::ConvEvent;
use anteroom_reception::turn::{TurnEffect, TurnEvent};
use anteroom_speech::recogniser::RecogniseError;
use anteroom_types::event::BargeInAction;
use anteroom_types::{EventKind, Pii, Purpose, Side, TurnId};
use std::collections::VecDeque;

impl Call {
    pub(super) async fn turn_event(&mut self, event: TurnEvent) {
        let mut effects = Vec::new();
        self.listening.tell(self.shared.clock.now(), event, &mut effects);
        self.turn_effects(effects).await;
    }

    pub(super) async fn turn_effects(&mut self, effects: Vec<TurnEffect>) {
        let mut todo = VecDeque::from(effects);
        while let Some(effect) = todo.pop_front() {
            match effect {
                TurnEffect::SpeechStarted { segment, at } => {
                    self.listening.speech_started(segment, at);
                    self.voice(true).await;
                }
                TurnEffect::SpeechEnded { .. } => {
                    self.listening.speech_ended();
                    self.voice(false).await;
                }
                // They are silent, though their turn may not be over: a cough would be as long as our patience.
                TurnEffect::Speculate { segment, start, end } => {
                    self.listening.speculate(segment, start, end);
                    self.voice(false).await;
                }
                TurnEffect::CancelSpeculation { .. } => {
                    self.listening.cancel_speculation();
                    self.voice(self.listening.caller_speaks()).await;
                }
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
                TurnEffect::NotRecognised => Box::pin(self.converse(ConvEvent::NotRecognised)).await,
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

    /// While a message is recorded, the desk is told when the caller speaks: without voice it is none.
    async fn voice(&mut self, speaks: bool) {
        if self.message {
            self.desk(DeskInput::Voice { speaks }).await;
        }
    }

    pub(super) async fn barge_in(&mut self, action: BargeInAction) {
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

    pub(super) async fn recognised(&mut self, r: Recognised) {
        if self.listening.ask_again(&r) {
            return;
        }
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
    pub(super) async fn is_complete(&mut self, text: &Pii<String>) -> bool {
        let words = text.open(Purpose::Conversation);
        if self.conversation.is_none() || words.trim().is_empty() {
            return false;
        }
        let found = knowledge::look(&self.shared, words).await;
        let complete = self
            .conversation
            .as_ref()
            .is_some_and(|c| c.is_complete(words, &found.candidates));
        self.ahead = Some((text.clone(), found));
        complete
    }

    /// A turn's words are known, or will never be. Returns what the turn taker makes of it.
    pub(super) async fn heard(&mut self, ended: Ended) -> Vec<TurnEffect> {
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
        self.overheard(&text).await;
        let event = ConvEvent::Heard {
            turn: self.turn,
            text,
            confidence: transcript.confidence,
        };
        Box::pin(self.converse(event)).await;
        effects
    }
}
