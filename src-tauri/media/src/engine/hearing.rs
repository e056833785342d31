//! What a session says that is not its own: the sessions it hears, mixed or relayed.

use crate::codec::Codec;
use anteroom_types::audio::{Frame, SILENCE};
use anteroom_types::{FRAME_SAMPLES, Mono};
use std::collections::VecDeque;
use std::sync::Arc;

/// Frames of one source that wait. When full the oldest goes: late audio is worth nothing.
const FRAMES_MAX: usize = 4;
/// Frames taken over which the least depth is looked at before one is dropped to lessen the delay.
const SHRINK_FRAMES: u32 = 50;
/// Sessions one session can hear.
pub(crate) const SOURCES_MAX: usize = 16;
/// Highest level of a mix; beyond it the whole mix is turned down.
const CEILING: i32 = 29_000;
/// The share of the way back to full level that a mix is turned up each frame.
const RELEASE: f32 = 0.05;

/// Frames on their way from another session's tick to ours. The two clocks are one, but their phases wander, so that
/// now and then two frames come between two of our ticks and none between the next.
#[derive(Debug, Default)]
struct FrameQueue {
    frames: VecDeque<Frame>,
    taken: u32,
    least: usize,
}

impl FrameQueue {
    fn push(&mut self, frame: Frame) {
        if self.frames.len() >= FRAMES_MAX {
            self.frames.pop_front();
        }
        self.frames.push_back(frame);
    }

    fn take(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front();
        self.least = self.least.min(self.frames.len());
        self.taken += 1;
        if self.taken >= SHRINK_FRAMES {
            if self.least > 1 {
                self.frames.pop_front();
            }
            (self.taken, self.least) = (0, FRAMES_MAX);
        }
        frame
    }
}

/// A session that is heard.
pub(crate) struct Source {
    pub(crate) link: u64,
    queue: FrameQueue,
    /// The codec of its latest packet.
    pub(crate) codec: Option<Codec>,
    /// Its peer has put it on hold.
    pub(crate) held: bool,
    /// When its latest packet was relayed.
    pub(crate) relayed: Option<Mono>,
    /// The timestamp of its latest keypad event that was relayed packet by packet.
    pub(crate) event: Option<u32>,
}

/// All that is heard.
#[derive(Default)]
pub(crate) struct Hearing {
    pub(crate) sources: Vec<Source>,
    /// Played in place of the only source while it is held, and how far.
    music: Option<(Arc<[i16]>, usize)>,
    gain: Gain,
    top: Gain,
}

impl Hearing {
    /// Returns false if there are too many already.
    pub(crate) fn add(&mut self, link: u64) -> bool {
        if self.sources.len() >= SOURCES_MAX {
            return false;
        }
        self.sources.push(Source {
            link,
            queue: FrameQueue::default(),
            codec: None,
            held: false,
            relayed: None,
            event: None,
        });
        true
    }

    pub(crate) fn remove(&mut self, link: u64) {
        self.sources.retain(|s| s.link != link);
    }

    pub(crate) fn set_music(&mut self, music: Option<Arc<[i16]>>) {
        self.music = music.filter(|m| !m.is_empty()).map(|m| (m, 0));
    }

    pub(crate) fn source(&mut self, link: u64) -> Option<&mut Source> {
        self.sources.iter_mut().find(|s| s.link == link)
    }

    pub(crate) fn push(&mut self, link: u64, frame: Frame) {
        if let Some(s) = self.source(link) {
            s.queue.push(frame);
        }
    }

    /// The only source, when there is just one.
    pub(crate) fn only(&self) -> Option<&Source> {
        match &self.sources[..] {
            [one] => Some(one),
            _ => None,
        }
    }

    /// The next 20 ms of all sources together, or `None` when nothing is heard at all.
    pub(crate) fn next(&mut self) -> Option<Frame> {
        if let [one] = &mut self.sources[..] {
            let frame = one.queue.take();
            if !one.held {
                if let Some((_, at)) = &mut self.music {
                    *at = 0;
                }
                return Some(frame.unwrap_or(SILENCE));
            }
            return Some(match &mut self.music {
                Some((music, at)) => looped(music, at),
                None => SILENCE,
            });
        }
        let mut sum = [0i32; FRAME_SAMPLES];
        for s in &mut self.sources {
            let frame = s.queue.take();
            if let Some(frame) = frame.filter(|_| !s.held) {
                add(&mut sum, &frame);
            }
        }
        (!self.sources.is_empty()).then(|| self.gain.level(&sum))
    }

    /// `ours` over `theirs`, guarded against clipping.
    pub(crate) fn over(&mut self, ours: &Frame, theirs: &Frame) -> Frame {
        let mut sum = [0i32; FRAME_SAMPLES];
        add(&mut sum, ours);
        add(&mut sum, theirs);
        self.top.level(&sum)
    }
}

/// The next frame of audio without an end.
pub(crate) fn looped(audio: &[i16], at: &mut usize) -> Frame {
    let mut frame = SILENCE;
    if audio.is_empty() {
        return frame;
    }
    for s in &mut frame {
        *s = audio.get(*at).copied().unwrap_or(0);
        *at = (*at + 1) % audio.len();
    }
    frame
}

fn add(sum: &mut [i32; FRAME_SAMPLES], frame: &Frame) {
    for (s, v) in sum.iter_mut().zip(frame) {
        *s += i32::from(*v);
    }
}

/// Keeps a sum within what 16 bits hold: down at once, up slowly, never with a step.
#[derive(Debug)]
struct Gain(f32);

impl Default for Gain {
    fn default() -> Self {
        Self(1.0)
    }
}

impl Gain {
    fn level(&mut self, sum: &[i32; FRAME_SAMPLES]) -> Frame {
        let peak = sum.iter().map(|s| s.abs()).max().unwrap_or(0).max(1);
        let wanted = (CEILING as f32 / peak as f32).min(1.0);
        let from = self.0;
        let to = if wanted < from {
            wanted
        } else {
            wanted.min(from + (1.0 - from) * RELEASE)
        };
        let to = if to > 0.999 { 1.0 } else { to };
        self.0 = to;
        // A millisecond on the way down, where only what is louder than ever can be cut off; the frame on the way up.
        let ramp = if to < from { 16 } else { FRAME_SAMPLES };
        std::array::from_fn(|n| {
            let k = (n as f32 / ramp as f32).min(1.0);
            let v = sum[n] as f32 * (from + (to - from) * k);
            v.round().clamp(-32_768.0, 32_767.0) as i16
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tone;
    use anteroom_types::RATE_HZ;

    fn frames(hz: f64, peak: i16, n: usize) -> Vec<Frame> {
        tone::sine(hz, RATE_HZ, peak, n * FRAME_SAMPLES)
            .chunks_exact(FRAME_SAMPLES)
            .map(|c| c.try_into().unwrap())
            .collect()
    }

    #[test]
    fn loud_voices_together_are_turned_down_and_not_cut_off() {
        let mut h = Hearing::default();
        for link in 0..4 {
            assert!(h.add(link));
        }
        let voices: Vec<_> = [300.0, 470.0, 790.0, 1_130.0]
            .into_iter()
            .map(|hz| frames(hz, 20_000, 100))
            .collect();
        let mut out = Vec::new();
        for n in 0..100 {
            for (link, v) in voices.iter().enumerate() {
                h.push(link as u64, v[n]);
            }
            out.extend(h.next().unwrap());
        }
        let settled = &out[FRAME_SAMPLES * 20..];
        let cut_off = settled.iter().filter(|s| s.unsigned_abs() > 32_700).count();
        assert!(cut_off * 2_000 < settled.len(), "{cut_off} of {}", settled.len());
        let each = tone::goertzel(settled, 470.0, RATE_HZ);
        assert!(each > 5_000.0, "{each}");
        // What is no tone of ours came from clipping.
        let all = tone::rms(settled);
        let tones: f64 = [300.0, 470.0, 790.0, 1_130.0]
            .iter()
            .map(|hz| tone::goertzel(settled, *hz, RATE_HZ).powi(2) / 2.0)
            .sum();
        assert!(tones / all.powi(2) > 0.98, "{}", tones / all.powi(2));
    }

    #[test]
    fn one_quiet_voice_is_left_as_it_is() {
        let mut h = Hearing::default();
        h.add(1);
        h.add(2);
        for f in frames(440.0, 8_000, 10) {
            h.push(1, f);
            assert_eq!(h.next().unwrap(), f);
        }
    }

    #[test]
    fn a_queue_that_is_fed_in_pairs_settles_without_holes() {
        let mut q = FrameQueue::default();
        let mut holes = 0;
        for n in 0..500u32 {
            // Two frames between one pair of ticks, none between the next.
            if n % 2 == 0 {
                q.push(SILENCE);
                q.push(SILENCE);
            }
            holes += u32::from(q.take().is_none());
        }
        assert!(holes <= 1, "{holes}");
        let mut q = FrameQueue::default();
        for _ in 0..100 {
            q.push(SILENCE);
        }
        assert_eq!(q.frames.len(), FRAMES_MAX);
        for _ in 0..500 {
            q.push(SILENCE);
            q.take();
        }
        assert!(q.frames.len() <= 2, "{}", q.frames.len());
    }

    #[test]
    fn music_stands_in_for_the_only_voice_on_hold() {
        let mut h = Hearing::default();
        assert_eq!(h.next(), None);
        h.set_music(Some(vec![5; 100].into()));
        h.add(1);
        h.source(1).unwrap().held = true;
        h.push(1, [9; FRAME_SAMPLES]);
        assert_eq!(h.next().unwrap(), [5; FRAME_SAMPLES]);
        h.source(1).unwrap().held = false;
        h.push(1, [9; FRAME_SAMPLES]);
        assert_eq!(h.next().unwrap(), [9; FRAME_SAMPLES]);
        h.add(2);
        h.source(2).unwrap().held = true;
        h.push(1, [9; FRAME_SAMPLES]);
        assert_eq!(h.next().unwrap(), [9; FRAME_SAMPLES]);
    }
}
