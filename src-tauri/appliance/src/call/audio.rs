//! A call and its audio: what comes from the line, and what has been said on it.

use super::{Call, seconds};
use anteroom_call::Input;
use anteroom_call::desk::{DeskInput, Whereabouts};
use anteroom_media::MediaEvent;
use anteroom_reception::conversation::ConvEvent;
use anteroom_reception::turn::TurnEvent;
use anteroom_types::audio::SILENCE;
use anteroom_types::{EventKind, Mono, Pii, SayId};

impl Call {
    pub(super) async fn media(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Tick { at, rx, tx, .. } => {
                let (rx, tx) = if self.private {
                    (&SILENCE, &SILENCE)
                } else {
                    (&*rx, &*tx)
                };
                self.recording.frame(rx, tx);
                // What staff say to each other is not listened to.
                if self.arrival.placed.is_some() {
                    return;
                }
                let heard = if self.may_listen() { rx } else { &SILENCE };
                let mut effects = Vec::new();
                self.listening.frame(heard, at, &mut effects);
                self.turn_effects(effects).await;
            }
            MediaEvent::PlayStarted { id, at } => self.play_started(id, at).await,
            MediaEvent::PlayDone { id, .. } => {
                let said = self.speaking.done(id);
                if self.speaking.is_idle() {
                    self.turn_event(TurnEvent::PlaybackEnded).await;
                    self.desk(DeskInput::SentenceDone).await;
                }
                self.played(id).await;
                if said.is_some() {
                    self.converse(ConvEvent::SayDone { say: id }).await;
                }
            }
            MediaEvent::PlayDropped { id, .. } => {
                self.played(id).await;
                if self.speaking.done(id).is_some() {
                    self.converse(ConvEvent::SayDropped { say: id }).await;
                }
                if self.speaking.is_idle() {
                    self.turn_event(TurnEvent::PlaybackEnded).await;
                    self.desk(DeskInput::SentenceDone).await;
                }
            }
            MediaEvent::Dtmf { digit, .. } => self.key(digit).await,
            // A telephone may send nothing before it is answered.
            MediaEvent::SilenceTimeout if self.unanswered.is_some() => {}
            MediaEvent::SilenceTimeout => self.input(Input::MediaTimeout).await,
            MediaEvent::Held(held) => self.input(Input::Held(held)).await,
            MediaEvent::Quality(q) => self.measured(self.leg, &q).await,
            MediaEvent::FirstPacket => {}
        }
    }

    /// Whether what the caller says may be recognised: they talk to the receptionist, know that it is written down, or leave
    /// a message. With the receptionist off nobody has told them, and their words are for people alone. Of a caller who holds
    /// us it is music.
    fn may_listen(&self) -> bool {
        let receptionist = self.conversation.as_ref().is_some_and(|c| !c.is_over());
        !self.machine.is_held() && (receptionist || self.notice_heard || self.message)
    }

    pub(super) async fn play_started(&mut self, say: SayId, at: Mono) {
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

    pub(super) async fn key(&mut self, digit: char) {
        // What a caller keys while they talk to staff is between them: it may be a payment card.
        if !matches!(self.desk.view().is, Whereabouts::Talking { .. }) {
            let digit = Pii::from(digit.to_string());
            self.story.tell(EventKind::Dtmf { digit }).await;
        }
        self.desk(DeskInput::Key { leg: self.leg, digit }).await;
        self.turn_event(TurnEvent::Dtmf).await;
        self.converse(ConvEvent::Dtmf { digit }).await;
    }
}
