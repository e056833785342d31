//! One call's ears: voice activity, turn taking and the recognitions under way.

use crate::engine::Shared;
use crate::ring::AudioRing;
use anteroom_reception::card::without_cards;
use anteroom_reception::turn::{SegmentId, TurnConfig, TurnEffect, TurnEvent, TurnTaker};
use anteroom_speech::recogniser::{CancelFlag, Job, JobKind, RecogniseError, Transcript};
use anteroom_speech::vad::VadStream;
use anteroom_types::audio::{Frame, SILENCE, ms_to_samples};
use anteroom_types::{Mono, Pii, Purpose, RATE_HZ, TraceId};
use std::borrow::Cow;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Digital silence after each segment, in milliseconds: recognisers are trained on clips that end in quiet.
const POST_ROLL_MS: u64 = 300;
/// Milliseconds between two sets of words for the screen.
const PARTIAL_EVERY_MS: u64 = 800;
/// Samples the detector judges at once (32 ms).
const VAD_SAMPLES: u64 = 512;

/// The longest that the detector and the turn taker take to see that a caller who is gone speaks no more.
const LAST_QUIET_MS_MAX: u64 = 5_000;

/// What a recognition was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum For {
    /// The screen.
    Partial(SegmentId),
    /// The chance that the turn is over; with the end it assumed.
    Speculation(SegmentId, Mono),
    /// The conversation.
    Final(SegmentId),
}

/// What a recognition came to.
#[derive(Debug)]
pub(super) struct Recognised {
    pub(super) what: For,
    pub(super) result: Result<Transcript, RecogniseError>,
}

/// A turn that has ended and whose words are known.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) segment: SegmentId,
    pub(super) start: Mono,
    pub(super) end: Mono,
    /// The words, or why there are none.
    pub(super) result: Result<Transcript, RecogniseError>,
}

#[derive(Debug)]
enum Speculation {
    None,
    Pending {
        segment: SegmentId,
        end: Mono,
        cancel: CancelFlag,
    },
    Done {
        segment: SegmentId,
        end: Mono,
        transcript: Box<Transcript>,
    },
}

/// A turn that has ended and whose words are awaited.
#[derive(Debug, Clone)]
struct Awaited {
    segment: SegmentId,
    start: Mono,
    end: Mono,
    /// How far it was heard, with the silence that ended it.
    until: Mono,
    cancel: CancelFlag,
}

pub(super) struct Listening {
    shared: Arc<Shared>,
    trace: TraceId,
    ring: AudioRing,
    vad: VadStream,
    vad_start: Option<Mono>,
    vad_frames: u64,
    probs: Vec<f32>,
    taker: TurnTaker,
    jobs: JoinSet<Recognised>,
    speculation: Speculation,
    awaited: Vec<Awaited>,
    speaking_since: Option<(SegmentId, Mono)>,
    partial_due: Mono,
    partial_running: bool,
    heard_until: Mono,
}

impl Listening {
    pub(super) fn new(shared: Arc<Shared>, trace: TraceId, config: TurnConfig, now: Mono) -> Self {
        Self {
            vad: shared.speech.vad.stream(),
            shared,
            trace,
            ring: AudioRing::default(),
            vad_start: None,
            vad_frames: 0,
            probs: Vec::new(),
            taker: TurnTaker::new(config),
            jobs: JoinSet::new(),
            speculation: Speculation::None,
            awaited: Vec::new(),
            speaking_since: None,
            partial_due: now,
            partial_running: false,
            heard_until: now,
        }
    }

    /// When the turn taker must see the clock at the latest.
    pub(super) fn next_timeout(&self) -> Option<Mono> {
        self.taker.next_timeout()
    }

    /// Takes 20 ms of the caller's audio.
    pub(super) fn frame(&mut self, rx: &Frame, at: Mono, effects: &mut Vec<TurnEffect>) {
        let (end, missing) = self.ring.push(rx, at);
        self.heard_until = end;
        let frame_us = u64::from(anteroom_types::FRAME_MS) * 1000;
        self.vad_start.get_or_insert(Mono(end.0.saturating_sub(frame_us)));
        if missing > 0 {
            self.shared.metrics.frames_dropped.inc_by(u64::from(missing));
        }
        for _ in 0..missing {
            self.vad.push(&SILENCE, &mut self.probs);
        }
        self.vad.push(rx, &mut self.probs);
        let start = self.vad_start.unwrap_or(end);
        for prob in std::mem::take(&mut self.probs) {
            self.vad_frames += 1;
            let frame_end = Mono(start.0 + self.vad_frames * VAD_SAMPLES * 1_000_000 / u64::from(RATE_HZ));
            self.taker.handle(at, TurnEvent::Vad { prob, frame_end }, effects);
        }
        self.words_for_the_screen(at);
    }

    /// The line is dead: the turn that is open ends as it would in quiet. What it takes is given back.
    pub(super) fn fall_silent(&mut self) -> Vec<TurnEffect> {
        self.speech_ended();
        let mut effects = Vec::new();
        for _ in 0..LAST_QUIET_MS_MAX / u64::from(anteroom_types::FRAME_MS) {
            if !self.taker.caller_speaks() {
                break;
            }
            let at = self.heard_until.plus_ms(u64::from(anteroom_types::FRAME_MS));
            self.frame(&SILENCE, at, &mut effects);
        }
        // Nothing is said or waited for any more.
        effects.retain(|e| {
            matches!(
                e,
                TurnEffect::Speculate { .. }
                    | TurnEffect::CancelSpeculation { .. }
                    | TurnEffect::EndOfTurn { .. }
            )
        });
        effects
    }

    /// Whether the words of a turn that has ended are on their way.
    pub(super) const fn is_decoding(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// Tells the turn taker something.
    pub(super) fn tell(&mut self, now: Mono, event: TurnEvent, effects: &mut Vec<TurnEffect>) {
        self.taker.handle(now, event, effects);
    }

    /// The caller began to speak.
    pub(super) fn speech_started(&mut self, segment: SegmentId, at: Mono) {
        self.speaking_since = Some((segment, at));
        self.partial_due = at.plus_ms(PARTIAL_EVERY_MS);
    }

    /// The caller speaks no more: there are no further words for the screen.
    pub(super) fn speech_ended(&mut self) {
        self.speaking_since = None;
    }

    /// Whether the caller is speaking, by the detector.
    pub(super) const fn caller_speaks(&self) -> bool {
        self.taker.caller_speaks()
    }

    /// Whether there is voice in this moment, and not only a pause in what the caller says.
    pub(super) const fn has_voice(&self) -> bool {
        self.taker.has_voice()
    }

    /// Decodes on the chance that the turn is over.
    pub(super) fn speculate(&mut self, segment: SegmentId, start: Mono, end: Mono) {
        self.cancel_speculation();
        let cancel = self.recognise(For::Speculation(segment, end), start, self.heard_until);
        self.speculation = Speculation::Pending { segment, end, cancel };
    }

    /// The last speculation is void.
    pub(super) fn cancel_speculation(&mut self) {
        if let Speculation::Pending { cancel, .. } = &self.speculation {
            cancel.cancel();
        }
        self.speculation = Speculation::None;
    }

    /// The turn is over: its words are those of the speculation that assumed the same end, or are asked for now.
    pub(super) fn end_of_turn(&mut self, segment: SegmentId, start: Mono, end: Mono) -> Option<Ended> {
        let cancel = match std::mem::replace(&mut self.speculation, Speculation::None) {
            Speculation::Done {
                segment: s,
                end: e,
                transcript,
            } if s == segment && e == end => {
                return Some(Ended {
                    segment,
                    start,
                    end,
                    result: Ok(*transcript),
                });
            }
            Speculation::Pending {
                segment: s,
                end: e,
                cancel,
            } if s == segment && e == end => {
                self.shared.speech.ladder.promote(&cancel);
                self.speculation = Speculation::Pending {
                    segment: s,
                    end: e,
                    cancel: cancel.clone(),
                };
                cancel
            }
            Speculation::Pending { cancel, .. } => {
                cancel.cancel();
                self.recognise(For::Final(segment), start, self.heard_until)
            }
            _ => self.recognise(For::Final(segment), start, self.heard_until),
        };
        self.awaited.push(Awaited {
            segment,
            start,
            end,
            until: self.heard_until,
            cancel,
        });
        None
    }

    /// A speculative decode that was not begun, or gave way, although its turn is over by now: it is asked for again as
    /// what it has become. True when it was.
    pub(super) fn ask_again(&mut self, r: &Recognised) -> bool {
        let (For::Speculation(segment, end), Err(RecogniseError::Displaced | RecogniseError::Overloaded)) =
            (r.what, &r.result)
        else {
            return false;
        };
        let Some(i) = self
            .awaited
            .iter()
            .position(|a| a.segment == segment && a.end == end)
        else {
            return false;
        };
        let current = matches!(&self.speculation,
            Speculation::Pending { segment: s, end: e, .. } if *s == segment && *e == end);
        if !current {
            return false;
        }
        self.speculation = Speculation::None;
        let (start, until) = (self.awaited[i].start, self.awaited[i].until);
        self.awaited[i].cancel = self.recognise(For::Final(segment), start, until);
        true
    }

    /// The turn taker no longer waits for the words of what has ended; they are not decoded for nobody either.
    pub(super) fn give_up(&mut self) -> Option<Ended> {
        for a in &self.awaited {
            a.cancel.cancel();
        }
        let a = self.awaited.pop()?;
        self.awaited.clear();
        let result = Err(RecogniseError::NoRecogniser);
        Some(Ended {
            segment: a.segment,
            start: a.start,
            end: a.end,
            result,
        })
    }

    /// The next recognition that ends. Pends for ever when there is none; cancel-safe.
    pub(super) async fn recognised(&mut self) -> Recognised {
        loop {
            match self.jobs.join_next().await {
                Some(Ok(mut r)) => {
                    // Before anything keeps it, shows it or decides by it.
                    if let Ok(t) = &mut r.result
                        && let Cow::Owned(without) = without_cards(t.text.open(Purpose::Conversation))
                    {
                        t.text = Pii::from(without);
                    }
                    return r;
                }
                // A recognition that panicked is an error of the recogniser; its turn has a watchdog.
                Some(Err(e)) => {
                    tracing::error!(trace = %self.trace, panicked = e.is_panic(), "a recognition was lost")
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Takes a recognition. Some when it completes a turn.
    pub(super) fn take(&mut self, r: Recognised) -> Option<Ended> {
        match r.what {
            For::Partial(_) => {
                self.partial_running = false;
                None
            }
            For::Speculation(segment, end) => {
                let current = matches!(&self.speculation,
                    Speculation::Pending { segment: s, end: e, .. } if *s == segment && *e == end);
                if !current {
                    return None;
                }
                self.speculation = Speculation::None;
                if let Some(i) = self.awaited.iter().position(|a| a.segment == segment) {
                    let a = self.awaited.remove(i);
                    return Some(Ended {
                        segment,
                        start: a.start,
                        end: a.end,
                        result: r.result,
                    });
                }
                if let Ok(t) = r.result {
                    self.speculation = Speculation::Done {
                        segment,
                        end,
                        transcript: Box::new(t),
                    };
                }
                None
            }
            For::Final(segment) => {
                let i = self.awaited.iter().position(|a| a.segment == segment)?;
                let a = self.awaited.remove(i);
                Some(Ended {
                    segment,
                    start: a.start,
                    end: a.end,
                    result: r.result,
                })
            }
        }
    }

    fn words_for_the_screen(&mut self, now: Mono) {
        let Some((segment, since)) = self.speaking_since else {
            return;
        };
        if !self.shared.config.speech.partials || self.partial_running || now < self.partial_due {
            return;
        }
        self.partial_due = now.plus_ms(PARTIAL_EVERY_MS);
        self.partial_running = true;
        let from = Mono(since.0.saturating_sub(300_000));
        let _ = self.recognise(For::Partial(segment), from, self.heard_until);
    }

    fn recognise(&mut self, what: For, from: Mono, to: Mono) -> CancelFlag {
        let mut samples = self.ring.between(from, to);
        samples.resize(samples.len() + ms_to_samples(POST_ROLL_MS), 0);
        let kind = match what {
            For::Partial(_) => JobKind::Partial,
            For::Speculation(..) => JobKind::Speculative,
            For::Final(_) => JobKind::Final,
        };
        let cancel = CancelFlag::default();
        let job = Job {
            samples: samples.into(),
            kind,
            language: Some(self.shared.config.clinic.language.clone()),
            trace: self.trace,
            cancel: cancel.clone(),
        };
        let shared = Arc::clone(&self.shared);
        self.jobs.spawn(async move {
            Recognised {
                what,
                result: shared.speech.ladder.recognise(job).await,
            }
        });
        cancel
    }
}
