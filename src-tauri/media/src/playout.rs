//! What is being said to the caller: a bounded queue that can be paused, resumed and dropped without a click.

use crate::engine::looped;
use anteroom_types::audio::{Frame, SILENCE, samples_to_ms};
use anteroom_types::{ErrorCode, FRAME_SAMPLES, SayId, UserFacing};
use std::collections::VecDeque;
use std::sync::Arc;

/// Pieces that may wait.
const PIECES_MAX: usize = 64;
/// Samples that may wait: ten minutes.
const SAMPLES_MAX: usize = 10 * 60 * 16_000;
/// A start in mid-word is faded in over this many samples: 5 ms.
const FADE_IN: usize = 80;

/// Why something was not taken to be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PlayError {
    /// The queue holds 64 pieces or ten minutes already. Nothing was taken.
    #[error("the playback queue is full")]
    Full,
    /// The session has ended.
    #[error("the media session has ended")]
    Ended,
}

impl UserFacing for PlayError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Full => "media.play_full",
            Self::Ended => "media.ended",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::Full => "Wait for what is being said to end, or drop it, before saying more.".into(),
            Self::Ended => "Place the call again; this one has ended.".into(),
        }
    }
}

/// What becomes of the other side of a bridge while something is played to this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Over {
    /// It is not heard meanwhile: an announcement, or music on hold.
    #[default]
    Replace,
    /// Both are heard: a whisper, or a recording tone.
    Mix,
}

/// What became of a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Played {
    Started(SayId),
    Done(SayId),
    Dropped(SayId, u64),
}

struct Piece {
    id: SayId,
    audio: Arc<[i16]>,
    at: usize,
    started: bool,
    over: Over,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Playout {
    queue: VecDeque<Piece>,
    /// Played without an end whenever the queue is empty.
    bed: Option<Piece>,
    waiting: usize,
    paused: bool,
    /// A last faded frame of what was paused or dropped, still to be sent.
    tail: Option<Box<Frame>>,
    fade_in: bool,
}

impl Playout {
    pub(crate) fn push(&mut self, id: SayId, audio: Arc<[i16]>, over: Over) -> Result<(), PlayError> {
        if self.queue.len() >= PIECES_MAX || self.waiting + audio.len() > SAMPLES_MAX {
            return Err(PlayError::Full);
        }
        self.waiting += audio.len();
        if self.queue.is_empty() && !self.paused && self.tail.is_none() {
            // The music that this interrupts fades rather than stops.
            self.tail = self.faded();
        }
        self.queue.push_back(Piece {
            id,
            audio,
            at: 0,
            started: false,
            over,
        });
        Ok(())
    }

    /// Plays `audio` over and over whenever nothing else is to be played, in place of what was looped before.
    pub(crate) fn set_loop(&mut self, id: SayId, audio: Arc<[i16]>, out: &mut impl FnMut(Played)) {
        self.stop_loop(out);
        if audio.is_empty() {
            out(Played::Started(id));
            out(Played::Done(id));
            return;
        }
        self.bed = Some(Piece {
            id,
            audio,
            at: 0,
            started: false,
            over: Over::Replace,
        });
    }

    /// Ends what is looped, after one faded frame if it is being heard.
    pub(crate) fn stop_loop(&mut self, out: &mut impl FnMut(Played)) {
        if self.queue.is_empty() && !self.paused && self.bed.is_some() {
            self.tail = self.faded();
        }
        if let Some(b) = self.bed.take() {
            out(Played::Dropped(b.id, samples_to_ms(b.at)));
        }
    }

    /// Whether the next frame would hold nothing of ours.
    pub(crate) fn is_idle(&self) -> bool {
        self.tail.is_none() && (self.paused || (self.queue.is_empty() && self.bed.is_none()))
    }

    /// Stops after one faded frame. That frame is heard again on [`Self::resume`], and nothing else is.
    pub(crate) fn pause(&mut self) {
        if !self.paused {
            self.paused = true;
            self.tail = self.faded();
            self.fade_in = self.tail.is_some();
        }
    }

    pub(crate) fn resume(&mut self) {
        self.paused = false;
    }

    /// Drops what is queued, after one faded frame of what was being heard, and lifts a pause. What is looped goes on
    /// under it: whoever waits with ringing in their ear must not find silence because a sentence was cut.
    pub(crate) fn clear(&mut self, out: &mut impl FnMut(Played)) {
        if !self.paused && !self.queue.is_empty() {
            self.tail = self.faded();
        }
        self.paused = false;
        self.fade_in = false;
        self.waiting = 0;
        for p in self.queue.drain(..) {
            out(Played::Dropped(p.id, samples_to_ms(p.at)));
        }
    }

    /// The next frame of the piece being heard, faded out.
    fn faded(&self) -> Option<Box<Frame>> {
        let p = self.queue.front().or(self.bed.as_ref()).filter(|p| p.started)?;
        let mut frame = Box::new(SILENCE);
        let at = p.at.min(p.audio.len());
        for (i, (s, v)) in frame.iter_mut().zip(&p.audio[at..]).enumerate() {
            *s = scale(*v, FRAME_SAMPLES - i, FRAME_SAMPLES);
        }
        Some(frame)
    }

    /// The next 20 ms, and what becomes of what is heard beside it; `None` when there is nothing to say.
    pub(crate) fn next(&mut self, out: &mut impl FnMut(Played)) -> Option<(Frame, Over)> {
        if let Some(tail) = self.tail.take() {
            return Some((*tail, Over::Replace));
        }
        if self.paused {
            return None;
        }
        let over = self.queue.front().or(self.bed.as_ref())?.over;
        let fade_in = std::mem::take(&mut self.fade_in);
        let mut frame = if self.queue.is_empty() {
            self.next_of_bed(out)
        } else {
            self.next_of_queue(out)
        };
        if fade_in {
            for (i, s) in frame.iter_mut().take(FADE_IN).enumerate() {
                *s = scale(*s, i, FADE_IN);
            }
        }
        Some((frame, over))
    }

    fn next_of_bed(&mut self, out: &mut impl FnMut(Played)) -> Frame {
        let Some(bed) = &mut self.bed else { return SILENCE };
        if !bed.started {
            bed.started = true;
            out(Played::Started(bed.id));
        }
        looped(&bed.audio, &mut bed.at)
    }

    fn next_of_queue(&mut self, out: &mut impl FnMut(Played)) -> Frame {
        let mut frame = SILENCE;
        let mut filled = 0;
        while filled < FRAME_SAMPLES
            && let Some(p) = self.queue.front_mut()
        {
            if !p.started {
                p.started = true;
                out(Played::Started(p.id));
            }
            let n = (FRAME_SAMPLES - filled).min(p.audio.len() - p.at);
            frame[filled..filled + n].copy_from_slice(&p.audio[p.at..p.at + n]);
            p.at += n;
            filled += n;
            self.waiting -= n;
            if p.at == p.audio.len() {
                out(Played::Done(p.id));
                self.queue.pop_front();
            }
        }
        if self.queue.is_empty() {
            self.fade_in |= self.bed.is_some();
        }
        frame
    }
}

fn scale(v: i16, k: usize, of: usize) -> i16 {
    let k = i32::try_from(k).unwrap_or(0);
    let of = i32::try_from(of.max(1)).unwrap_or(1);
    i16::try_from(i32::from(v) * k / of).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(n: usize) -> Arc<[i16]> {
        (0..n).map(|i| (i + 1) as i16).collect()
    }

    /// Every frame until nothing is left, and what was reported.
    fn drain(p: &mut Playout) -> (Vec<i16>, Vec<Played>) {
        let (mut audio, mut seen) = (Vec::new(), Vec::new());
        while let Some((f, _)) = p.next(&mut |e| seen.push(e)) {
            audio.extend(f);
        }
        (audio, seen)
    }

    #[test]
    fn pieces_follow_without_a_gap() {
        let mut p = Playout::default();
        p.push(SayId(1), ramp(500), Over::Replace).unwrap();
        p.push(SayId(2), ramp(300), Over::Replace).unwrap();
        let (audio, seen) = drain(&mut p);
        assert_eq!(audio.len(), 960);
        assert_eq!((audio[499], audio[500], audio[799], audio[800]), (500, 1, 300, 0));
        assert_eq!(
            seen,
            [
                Played::Started(SayId(1)),
                Played::Done(SayId(1)),
                Played::Started(SayId(2)),
                Played::Done(SayId(2))
            ]
        );
        assert_eq!(p.waiting, 0);
    }

    #[test]
    fn a_pause_repeats_at_most_a_frame() {
        let mut p = Playout::default();
        p.push(SayId(1), ramp(3_200), Over::Replace).unwrap();
        p.next(&mut |_| {}).unwrap();
        p.pause();
        let (tail, _) = p.next(&mut |_| {}).unwrap();
        assert_eq!((tail[0], tail[319]), (321, 2));
        assert_eq!(p.next(&mut |_| {}), None);
        p.resume();
        let (audio, seen) = drain(&mut p);
        assert_eq!(audio.len(), 3_200 - 320);
        assert_eq!(&audio[FADE_IN..], &ramp(3_200)[320 + FADE_IN..]);
        assert_eq!(seen, [Played::Done(SayId(1))]);
    }

    #[test]
    fn dropping_reports_how_much_was_heard_and_lifts_a_pause() {
        let mut p = Playout::default();
        p.push(SayId(1), ramp(3_200), Over::Replace).unwrap();
        p.push(SayId(2), ramp(3_200), Over::Replace).unwrap();
        p.next(&mut |_| {}).unwrap();
        p.next(&mut |_| {}).unwrap();
        p.pause();
        let mut seen = Vec::new();
        p.clear(&mut |e| seen.push(e));
        assert_eq!(
            seen,
            [Played::Dropped(SayId(1), 40), Played::Dropped(SayId(2), 0)]
        );
        p.push(SayId(3), ramp(320), Over::Replace).unwrap();
        let (_, seen) = drain(&mut p);
        assert_eq!(seen, [Played::Started(SayId(3)), Played::Done(SayId(3))]);
    }

    #[test]
    fn the_queue_is_bounded_and_empty_pieces_end_at_once() {
        let mut p = Playout::default();
        p.push(SayId(0), ramp(0), Over::Replace).unwrap();
        let (audio, seen) = drain(&mut p);
        assert_eq!(seen, [Played::Started(SayId(0)), Played::Done(SayId(0))]);
        assert_eq!(audio, SILENCE);
        for n in 0..PIECES_MAX as u32 {
            p.push(SayId(n), ramp(1), Over::Replace).unwrap();
        }
        assert_eq!(p.push(SayId(99), ramp(1), Over::Replace), Err(PlayError::Full));
        let mut p = Playout::default();
        assert_eq!(
            p.push(SayId(1), vec![0; SAMPLES_MAX + 1].into(), Over::Replace),
            Err(PlayError::Full)
        );
    }

    #[test]
    fn music_plays_on_whenever_nothing_else_does() {
        let mut p = Playout::default();
        let mut seen = Vec::new();
        p.set_loop(SayId(1), ramp(500), &mut |e| seen.push(e));
        let mut heard = Vec::new();
        for _ in 0..5 {
            heard.extend(p.next(&mut |e| seen.push(e)).unwrap().0);
        }
        assert_eq!((heard[0], heard[499], heard[500], heard[1_000]), (1, 500, 1, 1));
        p.push(SayId(2), vec![7; 320].into(), Over::Mix).unwrap();
        // One faded frame of the music, the piece, then the music again.
        let faded = p.next(&mut |e| seen.push(e)).unwrap();
        assert_eq!(faded.1, Over::Replace);
        assert_eq!(
            p.next(&mut |e| seen.push(e)).unwrap(),
            ([7; FRAME_SAMPLES], Over::Mix)
        );
        let again = p.next(&mut |e| seen.push(e)).unwrap();
        assert_eq!((again.0[0], again.1), (0, Over::Replace));
        // A sentence that is cut does not take the music with it.
        p.push(SayId(3), vec![7; 3_200].into(), Over::Replace).unwrap();
        p.next(&mut |e| seen.push(e)).unwrap();
        p.next(&mut |e| seen.push(e)).unwrap();
        p.clear(&mut |e| seen.push(e));
        p.next(&mut |e| seen.push(e)).unwrap();
        let (music, _) = p.next(&mut |e| seen.push(e)).unwrap();
        assert!(!p.is_idle() && music.iter().any(|s| *s != 0 && *s != 7));
        p.stop_loop(&mut |e| seen.push(e));
        p.next(&mut |e| seen.push(e));
        assert!(p.is_idle());
        assert_eq!(
            seen,
            [
                Played::Started(SayId(1)),
                Played::Started(SayId(2)),
                Played::Done(SayId(2)),
                Played::Started(SayId(3)),
                Played::Dropped(SayId(3), 20),
                // Where in the loop it was.
                Played::Dropped(SayId(1), samples_to_ms(2_240 % 500)),
            ]
        );
    }
}
