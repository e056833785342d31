//! The jitter buffer: packets in as they come, 20 ms of audio out whenever asked.
//!
//! Order follows sequence numbers; pace follows timestamps. A gap in the sequence is loss and is concealed; a gap in
//! the timestamps alone is a pause the sender left (discontinuous transmission) and is silence. The delay adapts to
//! the jitter seen, between [`DELAY_MS_MIN`] and [`DELAY_MS_MAX`] plus a frame: it grows when the buffer runs dry, and
//! shrinks by merging two frames when it has been too full for a second.

use crate::codec::{Codec, Decoder};
use crate::plc::Plc;
use crate::rtp::{extend_seq, extend_timestamp};
use anteroom_types::audio::{Frame, SILENCE};
use anteroom_types::{FRAME_MS, FRAME_SAMPLES, Mono};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// The least and most a packet is held back for later ones, in milliseconds.
pub(crate) const DELAY_MS_MIN: u32 = 20;
/// See [`DELAY_MS_MIN`].
pub(crate) const DELAY_MS_MAX: u32 = 180;
/// Packets held at once. When full the oldest goes, as it would be played last in the past.
const PACKETS_MAX: usize = 64;
/// A jump of the sequence number beyond this is a restart of the sender, once a second packet confirms it
/// (RFC 3550 A.1, `MAX_DROPOUT`).
const DROPOUT_MAX: i64 = 3_000;
/// Late packets in a row after which the stream is taken to be where they say: one stray packet with a number or a
/// timestamp in the future must not silence the true ones until they reach it.
const LATE_RUN: u8 = 5;
/// Audio that may lie in the buffer before the oldest is dropped outright.
const HELD_MS_MAX: i64 = 400;
/// Concealment of an empty buffer before it counts as a pause.
const DRY_MS_MAX: i64 = 60;
/// Relative delays remembered for the estimate: five seconds of usual packets.
const SPREAD_MAX: usize = 250;
/// Pulls over which the least depth is taken before shrinking.
const SHRINK_PULLS: u32 = 50;

/// Twenty milliseconds out of the buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pulled {
    /// The audio.
    pub(crate) frame: Frame,
    /// Whether most of it was received, not concealed and not silence put in.
    pub(crate) filled: bool,
}

/// Counters since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Frames concealed.
    pub(crate) concealed: u64,
    /// Packets that came after their time had been concealed.
    pub(crate) late: u64,
    /// Packets that came twice.
    pub(crate) duplicates: u64,
    /// Payloads no codec could read.
    pub(crate) malformed: u64,
    /// Packets dropped because the buffer was full.
    pub(crate) overflow: u64,
}

/// What a packet holds.
enum Content {
    Audio {
        codec: Codec,
        payload: Bytes,
        ticks: u32,
    },
    /// Comfort noise or a keypad event: it takes a sequence number and no time.
    Other,
}

struct Stored {
    timestamp: i64,
    arrived: Mono,
    content: Content,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waiting for enough audio, at the start and after a pause.
    Buffering,
    Playing,
}

/// See the module.
pub(crate) struct JitterBuffer {
    packets: BTreeMap<i64, Stored>,
    decoder: Option<Decoder>,
    plc: Plc,
    pcm: VecDeque<i16>,
    /// Lengths of the pieces of `pcm` and whether each was received.
    spans: VecDeque<(usize, bool)>,
    scratch: Vec<i16>,
    codec: Codec,
    state: State,
    /// Extended timestamp of the next audio to play.
    next: i64,
    /// Ticks put in since the buffer ran dry.
    inserted: i64,
    /// The latest packet was comfort noise or an event, so that running dry is no loss.
    quiet: bool,
    last_played: Option<i64>,
    newest_seq: Option<i64>,
    newest_timestamp: i64,
    suspect_seq: Option<u16>,
    /// The latest late packet's number, and how many in a row came late.
    late_run: (i64, u8),
    /// Relative delay of recent packets in milliseconds.
    spread: VecDeque<i64>,
    spread_new: usize,
    delay_ms: u32,
    packet_ms: u32,
    shrink: (u32, i64),
    counts: Counts,
}

impl JitterBuffer {
    pub(crate) fn new(codec: Codec) -> Self {
        Self {
            packets: BTreeMap::new(),
            decoder: None,
            plc: Plc::new(),
            pcm: VecDeque::new(),
            spans: VecDeque::new(),
            scratch: Vec::new(),
            codec,
            state: State::Buffering,
            next: 0,
            inserted: 0,
            quiet: false,
            last_played: None,
            newest_seq: None,
            newest_timestamp: 0,
            suspect_seq: None,
            late_run: (0, 0),
            spread: VecDeque::new(),
            spread_new: 0,
            delay_ms: DELAY_MS_MIN,
            packet_ms: FRAME_MS,
            shrink: (0, i64::MAX),
            counts: Counts::default(),
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Milliseconds a packet is held back at present, for the delay part of the quality estimate.
    pub(crate) fn delay_ms(&self) -> u32 {
        self.delay_ms + FRAME_MS
    }

    /// Starts afresh, as for another sender; the counters go on.
    pub(crate) fn reset(&mut self) {
        let counts = self.counts;
        *self = Self {
            counts,
            ..Self::new(self.codec)
        };
    }

    /// Nobody listens: what has come is forgotten, and playing begins afresh when somebody does.
    pub(crate) fn idle(&mut self) {
        if self.newest_seq.is_some() {
            self.reset();
        }
    }

    /// Takes an audio packet.
    pub(crate) fn audio(&mut self, codec: Codec, seq: u16, timestamp: u32, payload: Bytes, now: Mono) {
        let Some(ticks) = codec.payload_ticks(&payload) else {
            self.counts.malformed += 1;
            return;
        };
        if codec.clock_hz() != self.codec.clock_hz() {
            self.codec = codec;
            self.reset();
        }
        self.codec = codec;
        self.packet_ms = ticks * 1000 / codec.clock_hz();
        if let Some(timestamp) = self.store(
            seq,
            timestamp,
            Content::Audio {
                codec,
                payload,
                ticks,
            },
            now,
        ) {
            self.measure(timestamp, now);
        }
    }

    /// Takes note of a packet that is no audio, so that its number is not missed.
    pub(crate) fn other(&mut self, seq: u16, timestamp: u32, now: Mono) {
        self.store(seq, timestamp, Content::Other, now);
    }

    /// The extended timestamp, if what came tells of the delay.
    fn store(&mut self, seq: u16, timestamp: u32, content: Content, now: Mono) -> Option<i64> {
        let newest = self.newest_seq.unwrap_or(1 << 20 | i64::from(seq));
        let mut ext = extend_seq(seq, newest);
        let mut ts = if self.newest_seq.is_some() {
            extend_timestamp(timestamp, self.newest_timestamp)
        } else {
            1 << 40 | i64::from(timestamp)
        };
        if (ext - newest).abs() > DROPOUT_MAX {
            if self.suspect_seq != Some(seq) {
                self.suspect_seq = Some(seq.wrapping_add(1));
                return None;
            }
            self.reset();
            ext = 1 << 20 | i64::from(seq);
            ts = 1 << 40 | i64::from(timestamp);
        }
        self.suspect_seq = None;
        if self.packets.contains_key(&ext) {
            self.counts.duplicates += 1;
            return None;
        }
        if self.last_played.is_some_and(|l| ext <= l) {
            self.counts.late += 1;
            if !self.too_many_late(ext) {
                // Its delay counts all the same, or packets sent again would be late for ever.
                return matches!(content, Content::Audio { .. }).then_some(ts);
            }
            self.reset();
        }
        if self.newest_seq.is_none_or(|n| ext > n) {
            self.newest_seq = Some(ext);
            self.newest_timestamp = ts;
        }
        self.packets.insert(
            ext,
            Stored {
                timestamp: ts,
                arrived: now,
                content,
            },
        );
        if self.packets.len() > PACKETS_MAX {
            self.counts.overflow += 1;
            self.packets.pop_first();
        }
        Some(ts)
    }

    fn too_many_late(&mut self, seq: i64) -> bool {
        let run = if seq == self.late_run.0 + 1 {
            self.late_run.1.saturating_add(1)
        } else {
            1
        };
        self.late_run = (seq, if run >= LATE_RUN { 0 } else { run });
        run >= LATE_RUN
    }

    /// Follows the spread of delays: up at once, down slowly.
    fn measure(&mut self, timestamp: i64, now: Mono) {
        let relative = i64::try_from(now.as_ms()).unwrap_or(i64::MAX)
            - timestamp * 1000 / i64::from(self.codec.clock_hz());
        if self.spread.back().is_some_and(|&b| (b - relative).abs() > 2_000) {
            self.spread.clear();
        }
        if self.spread.len() == SPREAD_MAX {
            self.spread.pop_front();
        }
        self.spread.push_back(relative);
        let least = self.spread.iter().copied().min().unwrap_or(relative);
        let over = u32::try_from(relative - least).unwrap_or(0);
        self.delay_ms = self.delay_ms.max(over.min(DELAY_MS_MAX));
        self.spread_new += 1;
        if self.spread_new >= 50 {
            self.spread_new = 0;
            let mut sorted: Vec<i64> = self.spread.iter().map(|r| r - least).collect();
            sorted.sort_unstable();
            let wanted = sorted.get(sorted.len() * 98 / 100).copied().unwrap_or(0);
            let wanted = u32::try_from(wanted)
                .unwrap_or(0)
                .clamp(DELAY_MS_MIN, DELAY_MS_MAX);
            self.delay_ms = wanted.max(self.delay_ms.saturating_sub(20)).max(DELAY_MS_MIN);
        }
    }

    fn ms(&self, ticks: i64) -> i64 {
        ticks * 1000 / i64::from(self.codec.clock_hz())
    }

    /// Audio between the next to be played and the end of the newest, in milliseconds.
    fn depth_ms(&self, from: i64) -> i64 {
        let end = match self.packets.last_key_value() {
            Some((
                _,
                Stored {
                    timestamp,
                    content: Content::Audio { ticks, .. },
                    ..
                },
            )) => timestamp + i64::from(*ticks),
            Some((_, s)) => s.timestamp,
            None => from,
        };
        self.ms(end - from) + i64::try_from(self.pcm.len()).unwrap_or(0) / 16
    }

    /// How long a packet of the least delay seen is held back at present, in milliseconds.
    fn hold_ms(&self, now: Mono) -> i64 {
        let least = self.spread.iter().copied().min().unwrap_or(0);
        let pending = i64::try_from(self.pcm.len()).unwrap_or(0) / 16;
        i64::try_from(now.as_ms()).unwrap_or(i64::MAX) + pending - self.ms(self.next) - least
    }

    /// Twenty milliseconds, whatever there is.
    pub(crate) fn pull(&mut self, now: Mono) -> Pulled {
        self.drop_excess();
        let merge = self.wants_to_shrink();
        self.fill(FRAME_SAMPLES, now);
        let first = self.take();
        if !merge {
            return first;
        }
        self.fill(FRAME_SAMPLES, now);
        let second = self.take();
        let mut frame = SILENCE;
        for (i, s) in frame.iter_mut().enumerate() {
            let (a, b) = (i32::from(first.frame[i]), i32::from(second.frame[i]));
            let k = i32::try_from(i).unwrap_or(0);
            let n = i32::try_from(FRAME_SAMPLES).unwrap_or(1);
            *s = i16::try_from((a * (n - k) + b * k) / n).unwrap_or(0);
        }
        Pulled {
            frame,
            filled: first.filled || second.filled,
        }
    }

    fn take(&mut self) -> Pulled {
        let mut frame = SILENCE;
        for (s, v) in frame
            .iter_mut()
            .zip(self.pcm.drain(..FRAME_SAMPLES.min(self.pcm.len())))
        {
            *s = v;
        }
        let (mut left, mut received) = (FRAME_SAMPLES, 0);
        while left > 0
            && let Some((len, real)) = self.spans.front_mut()
        {
            let n = left.min(*len);
            received += if *real { n } else { 0 };
            *len -= n;
            left -= n;
            if *len == 0 {
                self.spans.pop_front();
            }
        }
        Pulled {
            frame,
            filled: received * 2 >= FRAME_SAMPLES,
        }
    }

    /// After a stall a burst can bring more than should ever be held.
    fn drop_excess(&mut self) {
        while self.state == State::Playing
            && self.depth_ms(self.next) > HELD_MS_MAX
            && self.packets.len() > 1
            && let Some((seq, _)) = self.packets.pop_first()
        {
            self.counts.overflow += 1;
            self.last_played = Some(seq);
            if let Some((_, head)) = self.packets.first_key_value() {
                self.next = head.timestamp;
            }
        }
    }

    /// Whether the buffer was too full for a whole second.
    fn wants_to_shrink(&mut self) -> bool {
        if self.state != State::Playing {
            self.shrink = (0, i64::MAX);
            return false;
        }
        let depth = self.depth_ms(self.next);
        self.shrink = (self.shrink.0 + 1, self.shrink.1.min(depth));
        if self.shrink.0 < SHRINK_PULLS {
            return false;
        }
        let least = self.shrink.1;
        self.shrink = (0, i64::MAX);
        // Just before a pull the least depth is the delay and what is taken now; 20 ms above it is slack.
        least >= i64::from(self.delay_ms) + i64::from(FRAME_MS) * 2
    }

    fn fill(&mut self, samples: usize, now: Mono) {
        // Every step adds samples or takes a packet away; the bound is for a mistake of ours, not for a sender's.
        for _ in 0..PACKETS_MAX * 8 {
            if self.pcm.len() >= samples {
                return;
            }
            self.step(now);
        }
        self.put_silence(samples);
    }

    fn step(&mut self, now: Mono) {
        let Some((&seq, head)) = self.packets.first_key_value() else {
            self.run_dry();
            return;
        };
        if matches!(head.content, Content::Other) {
            self.packets.pop_first();
            self.last_played = Some(seq);
            self.quiet = true;
            return;
        }
        let (timestamp, arrived) = (head.timestamp, head.arrived);
        if self.state == State::Buffering {
            let waited = now.ms_since(arrived) >= u64::from(self.delay_ms);
            let enough = self.depth_ms(timestamp) >= i64::from(self.delay_ms + self.packet_ms);
            if waited || enough {
                self.state = State::Playing;
                self.next = timestamp;
            } else {
                self.put_silence(FRAME_SAMPLES);
            }
            return;
        }
        let gap = timestamp - self.next;
        let gap_ms = self.ms(gap);
        let lost = self.last_played.is_some_and(|l| seq != l + 1);
        if gap == 0 {
            self.play();
        } else if gap < 0 {
            if -gap <= self.inserted || gap_ms < -1_000 {
                // It is what the buffer ran dry for, so that the delay has grown; or the sender's clock jumped back.
                self.next = timestamp;
                self.play();
            } else if self.too_many_late(seq) {
                self.next = timestamp;
                self.play();
            } else {
                self.counts.late += 1;
                self.packets.pop_first();
                self.last_played = Some(seq);
            }
        } else if gap_ms > i64::from(self.delay_ms) + 200 {
            // No pause can be longer than packets are held, so the sender's clock jumped.
            self.next = timestamp;
        } else {
            let ticks = gap.min(i64::from(self.codec.ticks(FRAME_MS)));
            let samples = usize::try_from(self.codec.ticks_to_samples(ticks.unsigned_abs()))
                .unwrap_or(FRAME_SAMPLES)
                .max(1);
            // While packets are held back for less time than they should be, the missing one is probably just late:
            // what stands in for it is put in beside the stream's time, and the delay grows by it.
            if !lost || self.hold_ms(now) >= i64::from(self.delay_ms) {
                self.next += ticks;
            }
            if lost {
                self.conceal(samples, gap == ticks)
            } else {
                self.put_silence(samples)
            }
        }
    }

    /// Nothing is there to play.
    fn run_dry(&mut self) {
        if self.state == State::Buffering {
            self.put_silence(FRAME_SAMPLES);
            return;
        }
        let ticks = i64::from(self.codec.ticks(FRAME_MS));
        self.next += ticks;
        self.inserted += ticks;
        if self.quiet || self.ms(self.inserted) > DRY_MS_MAX {
            self.state = State::Buffering;
            self.inserted = 0;
            self.put_silence(FRAME_SAMPLES);
        } else {
            self.conceal(FRAME_SAMPLES, false);
        }
    }

    fn play(&mut self) {
        let Some((seq, stored)) = self.packets.pop_first() else {
            return;
        };
        let Content::Audio {
            codec,
            payload,
            ticks,
        } = stored.content
        else {
            return;
        };
        self.last_played = Some(seq);
        self.inserted = 0;
        self.quiet = false;
        self.next = stored.timestamp + i64::from(ticks);
        if self.decoder.as_ref().is_none_or(|d| d.codec() != codec) {
            self.decoder = Decoder::new(codec).ok();
        }
        self.scratch.clear();
        let decoded = self
            .decoder
            .as_mut()
            .is_some_and(|d| d.decode(&payload, &mut self.scratch).is_ok());
        if decoded {
            self.plc.good(&mut self.scratch);
            self.put(true);
        } else {
            self.counts.malformed += 1;
            let samples = usize::try_from(codec.ticks_to_samples(u64::from(ticks)))
                .unwrap_or(FRAME_SAMPLES)
                .max(1);
            self.conceal(samples, false);
        }
    }

    /// Fills in for loss; `last` says that the packet right after the gap is the next one here, whose forward error
    /// correction may hold what was lost.
    fn conceal(&mut self, samples: usize, last: bool) {
        self.counts.concealed += u64::try_from(samples.div_ceil(FRAME_SAMPLES)).unwrap_or(1);
        self.scratch.clear();
        let next = if last {
            self.packets.first_key_value()
        } else {
            None
        };
        let next = next.and_then(|(_, s)| match &s.content {
            Content::Audio {
                codec: Codec::Opus,
                payload,
                ..
            } => Some(payload.clone()),
            _ => None,
        });
        let by_codec = samples == FRAME_SAMPLES
            && self
                .decoder
                .as_mut()
                .is_some_and(|d| d.conceal(next.as_deref(), samples, &mut self.scratch));
        if by_codec {
            self.plc.remember(&self.scratch);
        } else {
            self.plc.conceal(samples, &mut self.scratch);
        }
        self.put(false);
    }

    fn put_silence(&mut self, samples: usize) {
        self.scratch.clear();
        self.plc.silence(samples, &mut self.scratch);
        self.put(false);
    }

    fn put(&mut self, real: bool) {
        self.pcm.extend(self.scratch.iter());
        if !self.scratch.is_empty() {
            self.spans.push_back((self.scratch.len(), real));
        }
    }
}
