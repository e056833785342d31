//! A call and the network: SIP events of its leg, and what the call's machine wants done.

use super::desk::leg_end;
use super::{Call, Media, status_of};
use anteroom_call::desk::DeskInput;
use anteroom_call::leg::LegEnd;
use anteroom_call::{Effect, Input, RemoteEnd};
use anteroom_media::MediaHandle;
use anteroom_reception::conversation::ConvEvent;
use anteroom_reception::turn::TurnEvent;
use anteroom_sip::{EndWhy, SipCommandError, SipEvent};
use anteroom_speech::recogniser::Rung;
use anteroom_types::{EventKind, LegId};
use std::collections::VecDeque;

impl Call {
    pub(super) async fn sip(&mut self, event: SipEvent) {
        match event {
            SipEvent::Established { .. } | SipEvent::Acked { .. } => self.input(Input::Established).await,
            SipEvent::Answer { sdp, .. } => {
                let taken = match &mut self.media {
                    Media::Prepared { session, .. } => session.remote_answer(&sdp),
                    Media::Running { handle, .. } => handle.remote_answer(&sdp),
                    Media::None | Media::Here(_) => Ok(()),
                };
                if let Err(e) = taken {
                    self.warn("the caller's answer cannot be used", &e);
                    self.input(Input::MediaRefused {
                        status: status_of(&e),
                    })
                    .await;
                }
            }
            SipEvent::Offer { token, sdp, .. } => {
                let handle = self.media.handle().cloned();
                self.answer_offer(self.leg, handle, token, sdp);
            }
            SipEvent::Dtmf { digit, .. } => {
                self.pass_key_on(self.leg, digit);
                self.key(digit).await;
            }
            SipEvent::Ended { why, .. } => {
                self.caller_left(leg_end(why)).await;
                let end = match why {
                    EndWhy::Bye | EndWhy::LocalBye => RemoteEnd::HungUp,
                    EndWhy::Cancelled => RemoteEnd::Cancelled,
                    _ => RemoteEnd::Lost,
                };
                self.input(Input::Remote(end)).await;
            }
            // Whoever placed the call gives it on with the keys of their telephone.
            SipEvent::Refer {
                token,
                target,
                replaces,
                ..
            } => self.referred(self.leg, token, &target, replaces).await,
            SipEvent::Incoming { .. }
            | SipEvent::OfferRejected { .. }
            | SipEvent::Progress { .. }
            | SipEvent::Registered { .. }
            | SipEvent::Unregistered { .. }
            | SipEvent::TurnedAway { .. }
            | SipEvent::Trunk { .. } => {}
        }
    }

    /// A re-INVITE or UPDATE: hold, resume, a moved address, or a request for our offer.
    pub(super) fn answer_offer(
        &self,
        leg: LegId,
        handle: Option<MediaHandle>,
        token: anteroom_sip::OfferToken,
        sdp: Option<String>,
    ) {
        let Some(handle) = handle else {
            self.shared.sip.reject_offer(leg, token, 491).ok();
            return;
        };
        let reply = match sdp {
            Some(offer) => handle.remote_offer(&offer),
            None => handle.local_offer(),
        };
        let sent = match reply {
            Ok(sdp) => self.shared.sip.reply_offer(leg, token, sdp),
            Err(e) => {
                self.warn("an offer in mid-call was refused", &e);
                self.shared.sip.reject_offer(leg, token, status_of(&e))
            }
        };
        if let Err(e) = sent {
            self.warn("an offer in mid-call was not answered", &e);
        }
    }

    /// One input to the call's machine, with everything that follows from it.
    pub(super) async fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in self.machine.handle(self.shared.clock.now(), input) {
                inputs.extend(self.carry_out(effect).await);
            }
        }
    }

    /// Carries out one effect; what comes of it at once is the next input.
    pub(super) async fn carry_out(&mut self, effect: Effect) -> Option<Input> {
        match effect {
            Effect::PrepareMedia if self.arrival.here => {
                let Some(cradle) = self.shared.media_here(self.leg) else {
                    return Some(Input::MediaRefused { status: 480 });
                };
                self.media = Media::Here(cradle);
                return Some(Input::MediaReady);
            }
            Effect::PrepareMedia => {
                let prepared = self.shared.session_for(self.arrival.offer.as_deref()).await;
                return Some(match prepared {
                    Ok((mut session, sdp)) => {
                        session.set_signalling_peer(self.arrival.source.ip());
                        self.media = Media::Prepared { session, sdp };
                        Input::MediaReady
                    }
                    Err(e) => {
                        self.warn("no media session for the offer", &e);
                        self.shared.metrics.calls_refused.inc();
                        self.without_media = true;
                        Input::MediaRefused {
                            status: status_of(&e),
                        }
                    }
                });
            }
            Effect::Answer => {
                let sdp = match &self.media {
                    Media::Prepared { sdp, .. } => sdp.clone(),
                    Media::Here(_) => String::new(),
                    Media::None | Media::Running { .. } => return Some(Input::Failed),
                };
                let early = self.answers_later();
                let sent = if early {
                    self.unanswered = Some(sdp.clone());
                    self.shared.progress(self.leg, 183, Some(sdp))
                } else {
                    self.shared.answer(self.leg, sdp)
                };
                match sent {
                    // Media runs before the answer: whoever rings somebody hears it ringing.
                    Ok(()) if early => return Some(Input::Established),
                    Ok(()) => {}
                    // The caller gave up in this very moment; how is told by the event that is on its way here.
                    Err(SipCommandError::UnknownLeg) => return None,
                    Err(e) => {
                        self.warn("the call could not be answered", &e);
                        return Some(Input::Failed);
                    }
                }
                self.answered_ms =
                    u64::try_from(self.arrival.received.elapsed().as_millis()).unwrap_or(u64::MAX);
            }
            Effect::Reject { status } => {
                let retry = (status == 503).then_some(self.shared.config.sip.retry_after_s);
                if let Err(e) = self.shared.reject(self.leg, status, retry) {
                    self.warn("the call could not be refused", &e);
                }
            }
            Effect::StartMedia => self.start().await,
            Effect::TellHeld(held) => {
                self.story.tell(EventKind::Hold { held }).await;
                self.desk(DeskInput::LegHeld { leg: self.leg, held }).await;
                // The turn taker first: what is said to a caller who is back finds it counting again.
                self.turn_event(TurnEvent::Held(held)).await;
                self.converse(ConvEvent::Held(held)).await;
            }
            Effect::TellCallerGone => {
                // The desk first: of the two only one makes the task.
                self.caller_left(LegEnd::HungUp).await;
                if self.arrival.placed.is_none() {
                    self.converse(ConvEvent::CallerGone).await;
                }
            }
            Effect::Bye => {
                let sent = if self.unanswered.take().is_some() {
                    let status = self.refused.unwrap_or(480);
                    self.shared.reject(self.leg, status, None)
                } else {
                    self.shared.bye(self.leg)
                };
                if let Err(e) = sent {
                    self.warn("BYE could not be sent", &e);
                    return Some(Input::Remote(RemoteEnd::Lost));
                }
            }
            Effect::StopMedia => self.stop_media().await,
            Effect::Finish(reason) => {
                // Whoever began it is gone; others may still talk, and their legs still have something to tell.
                self.reason_of_end = Some(reason);
            }
        }
        None
    }

    /// The caller's leg is over; the desk is told once.
    async fn caller_left(&mut self, end: LegEnd) {
        self.note_who_hears_the_end();
        if !std::mem::replace(&mut self.caller_gone, true) {
            self.desk(DeskInput::LegEnded { leg: self.leg, end }).await;
        }
    }

    pub(super) async fn start(&mut self) {
        let (handle, events) = match std::mem::replace(&mut self.media, Media::None) {
            Media::Prepared { session, .. } => session.start(),
            Media::Here(cradle) => {
                let Some(running) = crate::engine::lock(&cradle).take() else {
                    return;
                };
                running
            }
            Media::None | Media::Running { .. } => return,
        };
        // What staff say to each other is neither recorded nor listened to.
        handle.want_ticks(self.arrival.placed.is_none());
        self.media = Media::Running { handle, events };
        self.started = true;
        if self.arrival.placed.is_some() {
            if self.unanswered.is_none() {
                self.tell_answered().await;
            }
            return Box::pin(self.place()).await;
        }
        self.tell_answered().await;
        if !self.shared.desk.automation() {
            return self.automation_off().await;
        }
        let number = Some(self.arrival.from.clone());
        self.conversation = Some(self.shared.clinic().conversation(number));
        self.converse(ConvEvent::Started).await;
        if matches!(self.health.borrow().active, Rung::Keypad) {
            self.converse(ConvEvent::RecogniserDown).await;
        }
    }

    pub(super) async fn stop_media(&mut self) {
        if let Media::Running { handle, .. } = &self.media {
            handle.stop();
            let quality = handle.stats();
            self.tell_quality(self.leg, &quality).await;
        }
        self.media = Media::None;
    }
}
