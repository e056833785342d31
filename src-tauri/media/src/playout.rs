//! What is being said to the caller: a bounded queue that can be paused, resumed and dropped without a click.

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
}

/// See the module.
#[derive(Default)]
pub(crate) struct Playout {
    queue: VecDeque<Piece>,
    waiting: usize,
    paused: bool,
    /// A last faded frame of what was paused or dropped, still to be sent.
    tail: Option<Box<Frame>>,
    fade_in: bool,
}

impl Playout {
    pub(crate) fn push(&mut self, id: SayId, audio: Arc<[i16]>) -> Result<(), PlayError> {
        if self.queue.len() >= PIECES_MAX || self.waiting + audio.len() > SAMPLES_MAX {
            return Err(PlayError::Full);
        }
        self.waiting += audio.len();
        self.queue.push_back(Piece {
            id,
            audio,
            at: 0,
            started: false,
        });
        Ok(())
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

    /// Drops everything, after one faded frame of what was being heard, and lifts a pause.
    pub(crate) fn clear(&mut self, out: &mut impl FnMut(Played)) {
        if !self.paused {
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
        let p = self.queue.front().filter(|p| p.started)?;
        let mut frame = Box::new(SILENCE);
        for (i, (s, v)) in frame.iter_mut().zip(&p.audio[p.at..]).enumerate() {
            *s = scale(*v, FRAME_SAMPLES - i, FRAME_SAMPLES);
        }
        Some(frame)
    }

    /// The next 20 ms, or `None` when there is nothing to say.
    pub(crate) fn next(&mut self, out: &mut impl FnMut(Played)) -> Option<Frame> {
        if let Some(tail) = self.tail.take() {
            return Some(*tail);
        }
        if self.paused || self.queue.is_empty() {
            return None;
        }
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
        if std::mem::take(&mut self.fade_in) {
            for (i, s) in frame.iter_mut().take(FADE_IN).enumerate() {
                *s = scale(*s, i, FADE_IN);
            }
        }
        Some(frame)
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
        while let Some(f) = p.next(&mut |e| seen.push(e)) {
            audio.extend(f);
        }
        (audio, seen)
    }

    #[test]
    fn pieces_follow_without_a_gap() {
        let mut p = Playout::default();
        p.push(SayId(1), ramp(500)).unwrap();
        p.push(SayId(2), ramp(300)).unwrap();
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
        p.push(SayId(1), ramp(3_200)).unwrap();
        p.next(&mut |_| {}).unwrap();
        p.pause();
        let tail = p.next(&mut |_| {}).unwrap();
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
        p.push(SayId(1), ramp(3_200)).unwrap();
        p.push(SayId(2), ramp(3_200)).unwrap();
        p.next(&mut |_| {}).unwrap();
        p.next(&mut |_| {}).unwrap();
        p.pause();
        let mut seen = Vec::new();
        p.clear(&mut |e| seen.push(e));
        assert_eq!(
            seen,
            [Played::Dropped(SayId(1), 40), Played::Dropped(SayId(2), 0)]
        );
        p.push(SayId(3), ramp(320)).unwrap();
        let (_, seen) = drain(&mut p);
        assert_eq!(seen, [Played::Started(SayId(3)), Played::Done(SayId(3))]);
    }

    #[test]
    fn the_queue_is_bounded_and_empty_pieces_end_at_once() {
        let mut p = Playout::default();
        p.push(SayId(0), ramp(0)).unwrap();
        let (audio, seen) = drain(&mut p);
        assert_eq!(seen, [Played::Started(SayId(0)), Played::Done(SayId(0))]);
        assert_eq!(audio, SILENCE);
        for n in 0..PIECES_MAX as u32 {
            p.push(SayId(n), ramp(1)).unwrap();
        }
        assert_eq!(p.push(SayId(99), ramp(1)), Err(PlayError::Full));
        let mut p = Playout::default();
        assert_eq!(
            p.push(SayId(1), vec![0; SAMPLES_MAX + 1].into()),
            Err(PlayError::Full)
        );
    }
}
