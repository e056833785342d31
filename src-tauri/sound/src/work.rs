//! The thread that stands between the devices and the line.

use crate::clean::{Cleaner, Cleaning};
use crate::rate::Rate;
use crate::stream::Pulse;
use crate::{LINE_SAMPLES, Line, WORK_HZ, WORK_SAMPLES};
use anteroom_types::RATE_HZ;
use rtrb::{Consumer, Producer};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The longest the thread sleeps while a device is open.
const NAP: Duration = Duration::from_millis(4);
/// Silence, in decibels of full scale.
pub(crate) const SILENT_DB: f32 = -96.0;

/// What the thread is told.
pub(crate) enum ToWork {
    /// A microphone was opened, at this rate; or there is none.
    Microphone(Option<(Consumer<f32>, u32)>),
    /// A headset was opened, at this rate; or there is none.
    Speaker(Option<(Producer<f32>, u32, Arc<Pulse>)>),
    /// There is a call, or none any more.
    Line(Option<Box<dyn Line>>),
    /// It is over.
    Stop,
}

/// What the thread shares with who looks at it.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) muted: AtomicBool,
    cleaning: Mutex<Cleaning>,
    mic_db: AtomicU32,
    far_db: AtomicU32,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            muted: AtomicBool::new(false),
            cleaning: Mutex::default(),
            mic_db: AtomicU32::new(SILENT_DB.to_bits()),
            far_db: AtomicU32::new(SILENT_DB.to_bits()),
        }
    }
}

impl Shared {
    pub(crate) fn set_cleaning(&self, how: Cleaning) {
        *self.cleaning.lock().unwrap_or_else(PoisonError::into_inner) = how;
    }
    fn cleaning(&self) -> Cleaning {
        *self.cleaning.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn levels(&self) -> (f32, f32) {
        let of = |a: &AtomicU32| f32::from_bits(a.load(Ordering::Relaxed));
        (of(&self.mic_db), of(&self.far_db))
    }
}

struct Mic {
    from: Consumer<f32>,
    up: Rate,
}

struct Speaker {
    to: Producer<f32>,
    down: Rate,
    rate: u32,
    pulse: Arc<Pulse>,
}

/// The thread's own.
pub(crate) struct Work {
    shared: Arc<Shared>,
    orders: Receiver<ToWork>,
    cleaner: Option<Cleaner>,
    mic: Option<Mic>,
    speaker: Option<Speaker>,
    line: Option<Box<dyn Line>>,
    /// From the line to the echo canceller, and from it to the line.
    widen: Rate,
    narrow: Rate,
    heard: Vec<f32>,
    made: Vec<f32>,
    queued: Vec<f32>,
    narrowed: Vec<f32>,
}

impl Work {
    /// None when the library refuses our own rates.
    pub(crate) fn new(shared: Arc<Shared>, orders: Receiver<ToWork>) -> Option<Self> {
        Some(Self {
            shared,
            orders,
            cleaner: None,
            mic: None,
            speaker: None,
            line: None,
            widen: Rate::new(RATE_HZ, WORK_HZ)?,
            narrow: Rate::new(WORK_HZ, RATE_HZ)?,
            heard: Vec::with_capacity(WORK_HZ as usize),
            made: Vec::with_capacity(WORK_HZ as usize),
            queued: Vec::with_capacity(WORK_HZ as usize),
            narrowed: Vec::with_capacity(RATE_HZ as usize),
        })
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self) {
        loop {
            loop {
                let idle = self.mic.is_none() && self.speaker.is_none();
                let order = if idle {
                    self.orders.recv().map_err(|_| TryRecvError::Disconnected)
                } else {
                    self.orders.try_recv()
                };
                match order {
                    Ok(ToWork::Stop) | Err(TryRecvError::Disconnected) => return,
                    Ok(order) => self.take(order),
                    Err(TryRecvError::Empty) => break,
                }
            }
            self.play();
            self.hear();
            std::thread::park_timeout(NAP);
        }
    }

    fn take(&mut self, order: ToWork) {
        match order {
            ToWork::Microphone(mic) => {
                self.heard.clear();
                if mic.is_some() {
                    // Another device, another echo.
                    self.cleaner = Cleaner::new()
                        .inspect_err(|e| tracing::error!(error = %e, "the microphone is not cleaned"))
                        .ok();
                }
                self.mic = mic.and_then(|(from, rate)| {
                    let up = Rate::new(rate, WORK_HZ)?;
                    Some(Mic { from, up })
                });
            }
            ToWork::Speaker(speaker) => {
                self.speaker = speaker.and_then(|(to, rate, pulse)| {
                    let down = Rate::new(WORK_HZ, rate)?;
                    Some(Speaker {
                        to,
                        down,
                        rate,
                        pulse,
                    })
                });
            }
            ToWork::Line(line) => {
                self.line = line;
                // What was of one call is not heard in the next.
                self.made.clear();
                self.heard.clear();
            }
            ToWork::Stop => {}
        }
    }

    /// Makes what the headset is about to ask for.
    fn play(&mut self) {
        let Some(s) = &mut self.speaker else { return };
        let ten_ms = s.rate / 100;
        // Before it has asked for anything: two portions of 10 ms.
        let portion = s.pulse.portion.load(Ordering::Relaxed).max(ten_ms * 2);
        let wanted = (portion + ten_ms) as usize;
        let room = s.to.buffer().capacity();
        while room - s.to.slots() < wanted.min(room) {
            let mut said = [0_i16; LINE_SAMPLES];
            if let Some(line) = &mut self.line {
                line.playback(&mut said);
                if self.mic.is_none() {
                    // Without a microphone the far end hears silence, not a line that has broken off.
                    line.capture(&[0; LINE_SAMPLES]);
                }
            }
            self.shared
                .far_db
                .store(level(&said).to_bits(), Ordering::Relaxed);
            let wide = said.map(|s| f32::from(s) / 32_768.0);
            self.widen.push(&wide, &mut self.made);
            let whole = self.made.len() / WORK_SAMPLES * WORK_SAMPLES;
            for frame in self.made[..whole].chunks_exact(WORK_SAMPLES) {
                if let Some(c) = &mut self.cleaner
                    && let Err(e) = c.played(frame)
                {
                    tracing::error!(error = %e, "the echo canceller was not told what is played");
                }
                self.queued.clear();
                s.down.push(frame, &mut self.queued);
                for sample in &self.queued {
                    let _ = s.to.push(*sample);
                }
            }
            self.made.drain(..whole);
        }
    }

    /// Cleans what the microphone has heard, and gives it to the line.
    fn hear(&mut self) {
        let Some(mic) = &mut self.mic else { return };
        let there = mic.from.slots();
        if let Ok(chunk) = mic.from.read_chunk(there) {
            let (a, b) = chunk.as_slices();
            mic.up.push(a, &mut self.heard);
            mic.up.push(b, &mut self.heard);
            chunk.commit_all();
        }
        let how = self.shared.cleaning();
        let whole = self.heard.len() / WORK_SAMPLES * WORK_SAMPLES;
        self.narrowed.clear();
        for frame in self.heard[..whole].chunks_exact_mut(WORK_SAMPLES) {
            if let Some(c) = &mut self.cleaner
                && let Err(e) = c.heard(frame, how)
            {
                tracing::error!(error = %e, "what the microphone heard was not cleaned");
            }
            self.narrow.push(frame, &mut self.narrowed);
        }
        self.heard.drain(..whole);
        if self.narrowed.is_empty() {
            return;
        }
        #[allow(clippy::cast_possible_truncation, reason = "clamped to what fits")]
        let samples: Vec<i16> = self
            .narrowed
            .iter()
            .map(|s| (s * 32_768.0).clamp(-32_768.0, 32_767.0) as i16)
            .collect();
        // The meter shows what a muted microphone hears: so that nobody speaks into one without seeing it.
        self.shared
            .mic_db
            .store(level(&samples).to_bits(), Ordering::Relaxed);
        let Some(line) = &mut self.line else { return };
        if self.shared.muted.load(Ordering::Relaxed) {
            line.capture(&vec![0; samples.len()]);
        } else {
            line.capture(&samples);
        }
    }
}

/// How loud samples are, in decibels of full scale.
#[allow(clippy::cast_precision_loss, reason = "a few hundred samples")]
fn level(samples: &[i16]) -> f32 {
    if samples.is_empty() {
        return SILENT_DB;
    }
    let sum: f32 = samples.iter().map(|s| (f32::from(*s) / 32_768.0).powi(2)).sum();
    let mean = sum / samples.len() as f32;
    (10.0 * mean.max(1e-10).log10()).max(SILENT_DB)
}
