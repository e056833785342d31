//! The machine itself.

use super::config::{Expectation, TurnConfig};
use super::{SegmentId, TurnEffect, TurnEvent, Watchdog};
use anteroom_types::{Mono, Pii, Purpose};

/// One frame of the detector in milliseconds.
pub(super) const FRAME_MS: u64 = 32;
/// A gap in the voice that ends an onset which never became a segment.
const ONSET_GAP_MS: u64 = 96;
/// Voiced milliseconds that are worth decoding although they are too short for a segment, when a yes or no is due.
const SHORT_WORD_MS: u64 = 64;
/// A segment at least this long in which nothing was recognised is answered with a prompt; a shorter one was a noise.
const UNCLEAR_MS: u64 = 400;
/// Turns whose transcript may be outstanding at once. When full the oldest is given up, as if its watchdog had fired.
const PENDING_MAX: usize = 4;

/// Turn taking for one call. See the module.
#[derive(Debug, Clone)]
pub struct TurnTaker {
    pub(super) cfg: TurnConfig,
    pub(super) now: Mono,
    /// End of the newest frame.
    pub(super) media: Mono,
    pub(super) expectation: Expectation,
    pub(super) speech: Speech,
    pub(super) playback: Playback,
    pending: Vec<Pending>,
    pub(super) resumed: Option<Cut>,
    pub(super) segments: u32,
    /// The last time either side did anything.
    pub(super) quiet_since: Mono,
    pub(super) silences: u32,
    /// Whether the caller holds us.
    pub(super) held: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Speech {
    Quiet,
    /// Voice, not yet long enough to be speech.
    Onset(Onset),
    Speaking(Speaking),
    /// A word too short for the detector is being decoded.
    Probe {
        cut: Cut,
        asked: Mono,
    },
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Onset {
    pub(super) first: Mono,
    pub(super) last: Mono,
    pub(super) voiced_ms: u64,
    pub(super) strong_ms: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Speaking {
    pub(super) segment: SegmentId,
    pub(super) start: Mono,
    pub(super) first: Mono,
    pub(super) last_voiced: Mono,
    pub(super) last_strong: Mono,
    pub(super) voiced_ms: u64,
    /// The detector's state, with hysteresis.
    pub(super) voice: bool,
    pub(super) guess: Option<Guess>,
}

/// A speculation that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Guess {
    pub(super) end: Mono,
    /// Asked while the caller was still speaking, to judge an interruption.
    pub(super) peek: bool,
    pub(super) complete: bool,
    pub(super) words: Option<bool>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) segment: SegmentId,
    pub(super) start: Mono,
    pub(super) first: Mono,
    pub(super) end: Mono,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Playback {
    Silent,
    Playing {
        since: Mono,
        interruptible: bool,
        /// Milliseconds of unbroken voice since it began.
        voiced_ms: u64,
    },
    Paused {
        since: Mono,
        began: Mono,
        segment: SegmentId,
        peeked: bool,
    },
}

#[derive(Debug, Clone, Copy)]
struct Pending {
    segment: SegmentId,
    since: Mono,
    voiced_ms: u64,
}

impl TurnTaker {
    /// A turn taker at the start of a call, expecting a question.
    #[must_use]
    pub fn new(cfg: TurnConfig) -> Self {
        Self {
            cfg,
            now: Mono::default(),
            media: Mono::default(),
            expectation: Expectation::default(),
            speech: Speech::Quiet,
            playback: Playback::Silent,
            pending: Vec::with_capacity(PENDING_MAX),
            resumed: None,
            segments: 0,
            quiet_since: Mono::default(),
            silences: 0,
            held: false,
        }
    }

    /// Whether the caller is speaking, by the detector.
    #[must_use]
    pub const fn caller_speaks(&self) -> bool {
        matches!(self.speech, Speech::Speaking(_))
    }

    /// Whether there is voice in this moment.
    #[must_use]
    pub const fn has_voice(&self) -> bool {
        matches!(&self.speech, Speech::Speaking(s) if s.voice)
    }

    /// Takes `ev`, which happened at `now`, and appends what is to be done to `out`. Time never goes back: an
    /// earlier `now` counts as the latest one.
    pub fn handle(&mut self, now: Mono, ev: TurnEvent, out: &mut Vec<TurnEffect>) {
        if self.now == Mono::default() {
            self.quiet_since = now;
        }
        self.now = self.now.max(now);
        match ev {
            TurnEvent::Vad { prob, frame_end } => {
                // A frame from the future would end turns early.
                let frame_end = frame_end.min(self.now.plus_ms(FRAME_MS));
                if frame_end > self.media {
                    self.media = frame_end;
                    self.frame(if prob.is_finite() { prob } else { 0.0 }, out);
                }
            }
            TurnEvent::PlaybackStarted { interruptible } => {
                self.quiet_since = self.now;
                self.playback = Playback::Playing {
                    since: self.now,
                    interruptible,
                    voiced_ms: 0,
                };
            }
            TurnEvent::PlaybackEnded => {
                self.quiet_since = self.now;
                self.playback = Playback::Silent;
            }
            TurnEvent::SpeculativeText {
                segment,
                end,
                text,
                complete,
            } => self.speculative(segment, end, &text, complete, out),
            TurnEvent::FinalText { segment, text } => self.transcript(segment, Some(&text), out),
            TurnEvent::RecogniserFailed { segment } => self.transcript(segment, None, out),
            TurnEvent::Expect(e) => self.expectation = e,
            TurnEvent::Dtmf => {
                self.quiet_since = self.now;
                self.silences = 0;
                self.drop_if_interruptible(out);
            }
            TurnEvent::Held(held) => self.hold(held),
            TurnEvent::Tick => {
                self.media = self.media.max(minus_ms(self.now, self.cfg.frames_late_ms));
            }
        }
        self.deadlines(out);
    }

    /// When to call again with a tick at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Mono> {
        let c = &self.cfg;
        let late = |m: Mono| m.plus_ms(c.frames_late_ms);
        let mut first: Option<Mono> = None;
        let mut due = |m: Mono| first = Some(first.map_or(m, |f| f.min(m)));
        match &self.speech {
            Speech::Quiet => {}
            Speech::Onset(o) => due(late(o.last.plus_ms(ONSET_GAP_MS))),
            Speech::Speaking(s) => {
                if s.guess.is_none_or(|g| g.peek) {
                    due(late(s.last_voiced.plus_ms(c.speculate_after_ms)));
                }
                due(late(s.last_voiced.plus_ms(self.patience(s))));
                due(late(s.last_strong.plus_ms(self.stale_ms(s))));
                due(late(s.first.plus_ms(c.turn_ms_max)));
            }
            Speech::Probe { asked, .. } => due(asked.plus_ms(c.no_transcript_watchdog_ms)),
        }
        match self.playback {
            Playback::Silent => {
                if self.our_turn() {
                    due(self.quiet_since.plus_ms(self.no_speech_ms()));
                }
            }
            Playback::Playing { .. } if self.held => {}
            Playback::Playing { since, .. } => due(since.plus_ms(c.playback_ms_max)),
            Playback::Paused { since, peeked, .. } => {
                if !peeked {
                    due(since.plus_ms(c.verdict_ms / 2));
                }
                due(since.plus_ms(c.verdict_ms));
            }
        }
        for p in &self.pending {
            due(p.since.plus_ms(c.no_transcript_watchdog_ms));
        }
        first
    }

    /// Silence and playback are counted anew when the caller is back.
    fn hold(&mut self, held: bool) {
        if std::mem::replace(&mut self.held, held) && !held {
            self.quiet_since = self.now;
            self.silences = 0;
            match &mut self.playback {
                Playback::Silent => {}
                Playback::Playing { since, .. } => *since = self.now,
                Playback::Paused { began, since, .. } => *began = *since,
            }
        }
    }

    fn no_speech_ms(&self) -> u64 {
        match self.expectation {
            Expectation::Number | Expectation::Keypad => self.cfg.no_speech_ms_number,
            _ => self.cfg.no_speech_ms,
        }
    }

    fn patience(&self, s: &Speaking) -> u64 {
        let normal = self.cfg.patience.for_expectation(self.expectation);
        if !s.guess.is_some_and(|g| g.complete && !g.peek) {
            return normal;
        }
        let complete = match self.expectation {
            Expectation::Number => self.cfg.end_ms_complete_number,
            _ => self.cfg.end_ms_complete,
        };
        complete.min(normal)
    }

    fn stale_ms(&self, s: &Speaking) -> u64 {
        self.cfg.stale_ms.max(self.patience(s))
    }

    fn new_segment(&mut self) -> SegmentId {
        self.segments = self.segments.saturating_add(1);
        SegmentId(self.segments)
    }

    fn frame(&mut self, prob: f32, out: &mut Vec<TurnEffect>) {
        let end = self.media;
        let strong = prob >= self.cfg.activation;
        let weak = prob >= self.cfg.deactivation;
        let mut voiced = strong;
        match std::mem::replace(&mut self.speech, Speech::Quiet) {
            Speech::Quiet => {
                // A "yes" on a bad line hardly reaches the threshold; when one is due, less is enough to look closer.
                if strong || (weak && self.expectation == Expectation::YesNo) {
                    voiced = true;
                    self.speech = Speech::Onset(Onset {
                        first: minus_ms(end, FRAME_MS),
                        last: end,
                        voiced_ms: FRAME_MS,
                        strong_ms: if strong { FRAME_MS } else { 0 },
                    });
                }
            }
            Speech::Onset(mut o) => {
                voiced = weak;
                if weak {
                    o.last = end;
                    o.voiced_ms += FRAME_MS;
                    o.strong_ms += if strong { FRAME_MS } else { 0 };
                }
                self.speech = if o.strong_ms >= self.cfg.min_speech_ms {
                    self.begin(o, out)
                } else {
                    Speech::Onset(o)
                };
            }
            Speech::Speaking(mut s) => {
                voiced = strong || (weak && s.voice);
                if voiced {
                    s.last_voiced = end;
                    s.voiced_ms += FRAME_MS;
                    if strong {
                        s.last_strong = end;
                    }
                    if s.guess.is_some_and(|g| !g.peek) {
                        s.guess = None;
                        out.push(TurnEffect::CancelSpeculation { segment: s.segment });
                    }
                }
                s.voice = voiced;
                self.speech = Speech::Speaking(s);
            }
            Speech::Probe { cut, asked } => {
                if strong {
                    // More follows: what was probed is its beginning.
                    out.push(TurnEffect::CancelSpeculation { segment: cut.segment });
                    self.speech = Speech::Onset(Onset {
                        first: cut.first,
                        last: end,
                        voiced_ms: SHORT_WORD_MS + FRAME_MS,
                        strong_ms: FRAME_MS,
                    });
                } else {
                    self.speech = Speech::Probe { cut, asked };
                }
            }
        }
        self.count_over_playback(voiced, out);
    }

    fn begin(&mut self, o: Onset, out: &mut Vec<TurnEffect>) -> Speech {
        let segment = self.new_segment();
        out.push(TurnEffect::SpeechStarted { segment, at: o.first });
        // A new segment outdates one that was taken for a noise.
        self.resumed = None;
        Speech::Speaking(Speaking {
            segment,
            start: minus_ms(o.first, self.cfg.pre_roll_ms),
            first: o.first,
            last_voiced: o.last,
            last_strong: o.last,
            voiced_ms: o.voiced_ms,
            voice: true,
            guess: None,
        })
    }

    fn speculative(
        &mut self,
        segment: SegmentId,
        end: Mono,
        text: &Pii<String>,
        complete: bool,
        out: &mut Vec<TurnEffect>,
    ) {
        let words = has_words(text.open(Purpose::Conversation));
        let interrupts = self.interrupts(text);
        let speaks_over = matches!(self.playback, Playback::Paused { segment: p, .. } if p == segment);
        match &mut self.speech {
            Speech::Speaking(s) if s.segment == segment => {
                let Some(guess) = s.guess.as_mut().filter(|g| g.end == end) else {
                    return;
                };
                guess.words = Some(words);
                guess.complete = words && complete;
                let over = !s.voice;
                if speaks_over && interrupts {
                    self.drop_if_interruptible(out);
                } else if speaks_over && over {
                    // A cough, or a listener's "mhm".
                    out.push(TurnEffect::SpeechEnded { segment });
                    self.resume(out);
                    self.speech = Speech::Quiet;
                }
            }
            Speech::Probe { cut, .. } if cut.segment == segment && cut.end == end => {
                let cut = *cut;
                self.speech = Speech::Quiet;
                if interrupts {
                    self.drop_if_interruptible(out);
                    self.end_turn(cut, SHORT_WORD_MS, false, out);
                }
            }
            _ => {
                // Words after all, from what was taken for a noise.
                if let Some(cut) = self.resumed.filter(|c| c.segment == segment && c.end == end) {
                    self.resumed = None;
                    if interrupts {
                        self.drop_if_interruptible(out);
                        self.end_turn(cut, UNCLEAR_MS, false, out);
                    }
                }
            }
        }
    }

    /// The transcript of a turn that has ended; `None` when the recogniser failed.
    fn transcript(&mut self, segment: SegmentId, text: Option<&Pii<String>>, out: &mut Vec<TurnEffect>) {
        let known = self.pending.iter().position(|p| p.segment == segment);
        let pending = known.map(|i| self.pending.remove(i));
        if let Speech::Probe { cut, .. } = &self.speech
            && cut.segment == segment
        {
            self.speech = Speech::Quiet;
            self.quiet_since = self.now;
        }
        if self.resumed.is_some_and(|c| c.segment == segment) {
            self.resumed = None;
        }
        let paused_for_it = matches!(self.playback, Playback::Paused { segment: p, .. } if p == segment);
        let words = text.is_some_and(|t| has_words(t.open(Purpose::Conversation)));
        if words {
            self.silences = 0;
            self.quiet_since = self.now;
            if text.is_some_and(|t| self.interrupts(t)) {
                self.drop_if_interruptible(out);
            } else if paused_for_it && !self.caller_speaks() {
                self.resume(out);
            }
        } else if let Some(p) = pending {
            if paused_for_it && !self.caller_speaks() {
                self.resume(out);
            }
            if text.is_none() {
                self.not_recognised(out);
            } else if p.voiced_ms >= UNCLEAR_MS {
                self.nothing_heard(out);
            }
        }
    }

    /// Whether nobody speaks and no words are awaited, of a caller who is there.
    fn our_turn(&self) -> bool {
        !self.held
            && matches!(self.playback, Playback::Silent)
            && matches!(self.speech, Speech::Quiet)
            && self.pending.is_empty()
    }

    fn nothing_heard(&mut self, out: &mut Vec<TurnEffect>) {
        self.quiet_since = self.now;
        if self.our_turn() {
            self.silences = self.silences.saturating_add(1);
            out.push(TurnEffect::NothingHeard { count: self.silences });
        }
    }

    fn not_recognised(&mut self, out: &mut Vec<TurnEffect>) {
        self.quiet_since = self.now;
        self.silences = 0;
        if self.our_turn() {
            out.push(TurnEffect::NotRecognised);
        }
    }

    fn end_turn(&mut self, cut: Cut, voiced_ms: u64, forced: bool, out: &mut Vec<TurnEffect>) {
        if self.pending.len() == PENDING_MAX {
            self.pending.remove(0);
            out.push(TurnEffect::WatchdogFired {
                which: Watchdog::NoTranscript,
            });
        }
        self.pending.push(Pending {
            segment: cut.segment,
            since: self.now,
            voiced_ms,
        });
        self.quiet_since = self.now;
        out.push(TurnEffect::EndOfTurn {
            segment: cut.segment,
            start: cut.start,
            end: cut.end,
            forced,
        });
    }

    fn deadlines(&mut self, out: &mut Vec<TurnEffect>) {
        self.speech_deadlines(out);
        self.playback_deadlines(out);
        while let Some(i) = self
            .pending
            .iter()
            .position(|p| self.now.ms_since(p.since) >= self.cfg.no_transcript_watchdog_ms)
        {
            self.pending.remove(i);
            out.push(TurnEffect::WatchdogFired {
                which: Watchdog::NoTranscript,
            });
            self.not_recognised(out);
        }
        if self.our_turn() && self.now.ms_since(self.quiet_since) >= self.no_speech_ms() {
            self.nothing_heard(out);
        }
    }

    fn speech_deadlines(&mut self, out: &mut Vec<TurnEffect>) {
        match std::mem::replace(&mut self.speech, Speech::Quiet) {
            Speech::Quiet => {}
            Speech::Onset(o) => self.speech = self.judge_onset(o, out),
            Speech::Speaking(s) => self.judge_speaking(s, out),
            Speech::Probe { cut, asked } => {
                if self.now.ms_since(asked) < self.cfg.no_transcript_watchdog_ms {
                    self.speech = Speech::Probe { cut, asked };
                } else {
                    out.push(TurnEffect::CancelSpeculation { segment: cut.segment });
                    self.quiet_since = self.now;
                }
            }
        }
    }

    fn judge_onset(&mut self, o: Onset, out: &mut Vec<TurnEffect>) -> Speech {
        if self.media.ms_since(o.last) < ONSET_GAP_MS {
            return Speech::Onset(o);
        }
        if self.expectation != Expectation::YesNo || o.voiced_ms < SHORT_WORD_MS {
            return Speech::Quiet;
        }
        let cut = Cut {
            segment: self.new_segment(),
            start: minus_ms(o.first, self.cfg.pre_roll_ms),
            first: o.first,
            end: o.last,
        };
        out.push(TurnEffect::Speculate {
            segment: cut.segment,
            start: cut.start,
            end: cut.end,
        });
        Speech::Probe { cut, asked: self.now }
    }

    fn judge_speaking(&mut self, mut s: Speaking, out: &mut Vec<TurnEffect>) {
        let silent_ms = self.media.ms_since(s.last_voiced);
        if silent_ms >= self.cfg.speculate_after_ms && s.guess.is_none_or(|g| g.peek) {
            s.guess = Some(Guess {
                end: s.last_voiced,
                peek: false,
                complete: false,
                words: None,
            });
            s.voice = false;
            out.push(TurnEffect::Speculate {
                segment: s.segment,
                start: s.start,
                end: s.last_voiced,
            });
        }
        let stale = self.media.ms_since(s.last_strong) >= self.stale_ms(&s);
        let too_long = self.media.ms_since(s.first) >= self.cfg.turn_ms_max;
        let silent = silent_ms >= self.patience(&s);
        if !(silent || stale || too_long) {
            self.speech = Speech::Speaking(s);
            return;
        }
        let forced = !silent;
        out.push(TurnEffect::SpeechEnded { segment: s.segment });
        if silent && s.guess.is_some_and(|g| !g.peek && g.words == Some(false)) {
            // Already decoded: no words were in it.
            out.push(TurnEffect::CancelSpeculation { segment: s.segment });
            if s.voiced_ms >= UNCLEAR_MS {
                self.nothing_heard(out);
            } else {
                self.quiet_since = self.now;
            }
            return;
        }
        let end = if stale && !too_long && !silent {
            // What followed the last clear frame was noise; keep some of it, in case it was soft speech.
            s.last_voiced.min(s.last_strong.plus_ms(self.cfg.pre_roll_ms))
        } else {
            s.last_voiced
        };
        let cut = Cut {
            segment: s.segment,
            start: s.start,
            first: s.first,
            end,
        };
        self.end_turn(cut, s.voiced_ms, forced, out);
    }
}

fn minus_ms(m: Mono, ms: u64) -> Mono {
    Mono(m.0.saturating_sub(ms * 1000))
}

pub(super) fn has_words(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}
