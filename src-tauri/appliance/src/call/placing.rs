//! Calls that a telephone of ours places: to a colleague, or outside.
//!
//! Whoever places it is not answered before somebody answers them: until then they hear the ringing, or what the far end
//! has to say, as early media (RFC 3960), and a refusal reaches their telephone as one.

use super::phones::{Leave, OUTSIDE_RING_MS};
use super::{Call, Media};
use crate::desk::Outside;
use anteroom_call::Input;
use anteroom_call::desk::{Briefing, DeskInput, HandOver};
use anteroom_call::party::Target;
use anteroom_call::ring::{Fallback, RingPlan};
use anteroom_call::scene::PlayNo;
use anteroom_reception::policy::Script;
use anteroom_types::{EndReason, EventKind, Pii, Wall};

/// What a telephone of ours wants.
#[derive(Debug)]
pub(crate) enum Placing {
    /// A colleague.
    Colleague { at: Vec<Target> },
    /// A number outside.
    Outside(Outside),
    /// To hear that what it dialled was done.
    Told(Script),
}

/// Who places a call, and what they want.
#[derive(Debug)]
pub(crate) struct Placed {
    /// The person and their device.
    pub(crate) by: Target,
    /// Their name for colleagues.
    pub(crate) name: String,
    pub(crate) what: Placing,
}

impl Placed {
    /// Whether it is a call to the emergency services, which is placed whatever else is wrong.
    pub(crate) fn is_emergency(&self) -> bool {
        matches!(&self.what, Placing::Outside(o) if o.is_emergency())
    }
}

/// Whether a playing is what a line is told that called for nothing else.
pub(super) fn is_told(play: PlayNo) -> bool {
    play == TOLD
}

/// The only words on a line that is told something. The desk counts from 1.
const TOLD: PlayNo = PlayNo(0);

impl Call {
    /// Whether the answer waits for somebody else's.
    pub(super) fn answers_later(&self) -> bool {
        let placed = self.arrival.placed.as_ref();
        (self.arrival.offer.is_some() || self.arrival.here)
            && placed.is_some_and(|p| !matches!(p.what, Placing::Told(_)))
    }

    /// The time, and whether the clinic is open.
    pub(super) fn now_and_open(&self) -> (Wall, bool) {
        let now = self.shared.clock.wall();
        (now, self.shared.clinic.open_state(now).0)
    }

    /// The media of whoever placed the call runs: their wish is carried out.
    pub(super) async fn place(&mut self) {
        let Some(placed) = &mut self.arrival.placed else {
            return;
        };
        let what = std::mem::replace(&mut placed.what, Placing::Told(Script::CannotBePlaced));
        let by = placed.by.who.as_str().to_owned();
        let plan = match what {
            Placing::Colleague { at } => {
                self.story
                    .tell(EventKind::Placed {
                        by,
                        trunk: None,
                        per_minute_milli: 0,
                        ms_max: 0,
                        counts: false,
                    })
                    .await;
                let times = self.shared.config.desk.times();
                RingPlan::of_targets(at, times.total_ms, Fallback::HangUp)
            }
            Placing::Outside(outside) => {
                let target = self.keep(Leave::new(&by, outside));
                RingPlan::of_targets(vec![target], OUTSIDE_RING_MS, Fallback::HangUp)
            }
            Placing::Told(script) => {
                let clinic = self.shared.clinic();
                let words = clinic.policy().say(clinic.language(), script, &[]);
                let words = (Some(script.name()), Pii::new(words));
                return self.say_on(self.leg, TOLD, words, false);
            }
        };
        self.desk(DeskInput::HandOver(HandOver {
            plan,
            briefing: Briefing::Screen,
            sentence_ms: None,
            task_made: false,
            urgent: false,
        }))
        .await;
    }

    /// What was to be told was said.
    pub(super) async fn told(&mut self, play: PlayNo) {
        if play == TOLD {
            Box::pin(self.input(Input::ConversationDone(EndReason::Completed))).await;
        }
    }

    /// Somebody answered: so is whoever placed the call.
    pub(super) async fn answer_placer(&mut self) {
        let Some(sdp) = self.unanswered.take() else { return };
        if let Err(e) = self.shared.answer(self.leg, sdp) {
            // They gave up in this very moment; how is told by the event that is on its way here.
            return self.warn("whoever placed a call could not be answered", &e);
        }
        self.answered_ms = u64::try_from(self.arrival.received.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.tell_answered().await;
    }

    /// Tells that the call was answered, and in which codec.
    pub(super) async fn tell_answered(&mut self) {
        let Media::Running { handle, .. } = &self.media else {
            return;
        };
        let answered = EventKind::Answered {
            codec: handle.codec().unwrap_or("none").to_owned(),
            srtp: handle.is_srtp(),
            setup_ms: self.answered_ms,
        };
        self.story.tell(answered).await;
    }
}
