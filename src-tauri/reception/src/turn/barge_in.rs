//! Barge-in: a pause that is judged, not a cut.

use super::machine::{Cut, FRAME_MS, Guess, Playback, Speech, TurnTaker, has_words};
use super::{Expectation, SegmentId, TurnEffect, Watchdog};
use anteroom_types::{Pii, Purpose};

/// What a listener says to show that they listen; it does not interrupt.
const BACKCHANNELS: [&str; 16] = [
    "mhm", "mm", "mmm", "hm", "hmm", "uh", "huh", "um", "er", "erm", "ah", "oh", "okay", "ok", "right",
    "yeah",
];

impl TurnTaker {
    pub(super) fn count_over_playback(&mut self, voiced: bool, out: &mut Vec<TurnEffect>) {
        let Playback::Playing {
            since,
            interruptible: true,
            voiced_ms,
        } = &mut self.playback
        else {
            return;
        };
        *voiced_ms = if voiced { *voiced_ms + FRAME_MS } else { 0 };
        if *voiced_ms >= self.cfg.barge_in_ms
            && let Speech::Speaking(s) = &self.speech
        {
            out.push(TurnEffect::PausePlayback);
            self.playback = Playback::Paused {
                since: self.now,
                began: *since,
                segment: s.segment,
                peeked: false,
            };
        }
    }

    pub(super) fn drop_if_interruptible(&mut self, out: &mut Vec<TurnEffect>) {
        let drop = match self.playback {
            Playback::Silent => false,
            Playback::Playing { interruptible, .. } => interruptible,
            Playback::Paused { .. } => true,
        };
        if drop {
            self.playback = Playback::Silent;
            self.quiet_since = self.now;
            out.push(TurnEffect::DropPlayback);
        }
    }

    pub(super) fn resume(&mut self, out: &mut Vec<TurnEffect>) {
        if let Playback::Paused { began, since, .. } = self.playback {
            self.playback = Playback::Playing {
                // What was spent paused is not held against the playback's limit.
                since: began.plus_ms(self.now.ms_since(since)),
                interruptible: true,
                voiced_ms: 0,
            };
            out.push(TurnEffect::ResumePlayback);
        }
    }

    /// Whether `text` over our own speech means that the caller wants the word.
    pub(super) fn interrupts(&self, text: &Pii<String>) -> bool {
        let text = text.open(Purpose::Conversation);
        has_words(text) && (self.expectation == Expectation::YesNo || !is_backchannel(text))
    }

    pub(super) fn playback_deadlines(&mut self, out: &mut Vec<TurnEffect>) {
        match self.playback {
            Playback::Silent => {}
            // It stands still, and is not late for it.
            Playback::Playing { .. } if self.held => {}
            Playback::Playing { since, .. } => {
                if self.now.ms_since(since) >= self.cfg.playback_ms_max {
                    self.playback = Playback::Silent;
                    self.quiet_since = self.now;
                    out.push(TurnEffect::WatchdogFired {
                        which: Watchdog::Playback,
                    });
                    out.push(TurnEffect::DropPlayback);
                }
            }
            Playback::Paused {
                since,
                segment,
                peeked,
                began,
            } => {
                let paused_ms = self.now.ms_since(since);
                if !peeked && paused_ms >= self.cfg.verdict_ms / 2 {
                    self.playback = Playback::Paused {
                        since,
                        segment,
                        peeked: true,
                        began,
                    };
                    self.peek(segment, out);
                }
                if paused_ms >= self.cfg.verdict_ms {
                    self.verdict(segment, out);
                }
            }
        }
    }

    /// Asks what was said so far while the caller still speaks, so that the verdict has words to go by.
    fn peek(&mut self, segment: SegmentId, out: &mut Vec<TurnEffect>) {
        if let Speech::Speaking(s) = &mut self.speech
            && s.segment == segment
            && s.guess.is_none()
        {
            s.guess = Some(Guess {
                end: s.last_voiced,
                peek: true,
                complete: false,
                words: None,
            });
            out.push(TurnEffect::Speculate {
                segment,
                start: s.start,
                end: s.last_voiced,
            });
        }
    }

    /// The pause may last no longer. Words dropped the playback when they came; without words, a caller who still
    /// speaks has the floor, and one who is silent again has coughed. Words that come later still count.
    fn verdict(&mut self, segment: SegmentId, out: &mut Vec<TurnEffect>) {
        match std::mem::replace(&mut self.speech, Speech::Quiet) {
            Speech::Speaking(s) if s.voice => {
                self.speech = Speech::Speaking(s);
                self.drop_if_interruptible(out);
            }
            Speech::Speaking(s) if s.segment == segment => {
                out.push(TurnEffect::SpeechEnded { segment });
                self.resumed = Some(Cut {
                    segment,
                    start: s.start,
                    first: s.first,
                    end: s.guess.map_or(s.last_voiced, |g| g.end),
                });
                self.resume(out);
            }
            other => {
                self.speech = other;
                self.resume(out);
            }
        }
    }
}

fn is_backchannel(text: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .all(|w| BACKCHANNELS.iter().any(|b| b.eq_ignore_ascii_case(w)))
}
