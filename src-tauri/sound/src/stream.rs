//! One open device: its callback copies between the device and a queue, and does nothing else.

use crate::cadence::Cadence;
use crate::devices::SoundError;
use cpal::traits::{DeviceTrait as _, StreamTrait as _};
use cpal::{BufferSize, Device, ErrorKind, FromSample, SampleFormat, SizedSample, StreamConfig};
use rtrb::{Consumer, Producer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::Thread;
use std::time::Duration;

/// The portions asked of a device. Shorter ones break up when the machine is busy.
const PERIOD_MS: u32 = 20;
/// What a queue between a device and us holds.
const QUEUE_MS: u32 = 200;
/// How long a device may take to open.
const OPEN_MAX: Duration = Duration::from_secs(2);

/// What is known of an open device while it runs.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// Callbacks so far: one that stands still has a device that is gone.
    pub(crate) beats: AtomicU64,
    /// The most samples of one channel that it has asked for at once.
    pub(crate) portion: AtomicU32,
    /// Said that it is over.
    pub(crate) failed: AtomicBool,
    /// Plays silence from now on: a driver may take its time to close what rings.
    pub(crate) closing: AtomicBool,
    /// Samples for which there was no room, or that were not there in time.
    pub(crate) lost: AtomicU64,
}

/// An open device. Dropping it closes it, which may take a while.
pub(crate) struct Open {
    pub(crate) stream: cpal::Stream,
    pub(crate) pulse: Arc<Pulse>,
    pub(crate) rate: u32,
}

/// What runs when a device says that something is wrong. The device's thread waits for nothing.
fn on_error(pulse: &Arc<Pulse>) -> impl FnMut(cpal::Error) + Send + 'static {
    let pulse = Arc::clone(pulse);
    move |e| match e.kind() {
        // A moment's hurry, a refused favour, and a change that needs nothing of us.
        ErrorKind::Xrun | ErrorKind::RealtimeDenied | ErrorKind::DeviceChanged => {}
        _ => pulse.failed.store(true, Ordering::Release),
    }
}

/// Rounds a queue's length up to whole samples.
fn queue_samples(rate: u32) -> usize {
    (u64::from(rate) * u64::from(QUEUE_MS) / 1000) as usize
}

/// What to ask a device for: its own rate and channels, in portions that a call can live with.
fn wishes(usual: cpal::SupportedStreamConfig) -> [StreamConfig; 2] {
    let mut config = usual.config();
    config.buffer_size = BufferSize::Fixed(config.sample_rate * PERIOD_MS / 1000);
    let mut any = config;
    any.buffer_size = BufferSize::Default;
    [config, any]
}

/// Opens a microphone. `wake` is woken for each portion.
pub(crate) fn microphone(device: &Device, wake: Thread) -> Result<(Open, Consumer<f32>), SoundError> {
    let usual = device.default_input_config()?;
    match usual.sample_format() {
        SampleFormat::F32 => microphone_of::<f32>(device, usual, &wake),
        SampleFormat::I16 => microphone_of::<i16>(device, usual, &wake),
        SampleFormat::I32 => microphone_of::<i32>(device, usual, &wake),
        SampleFormat::I24 => microphone_of::<cpal::I24>(device, usual, &wake),
        SampleFormat::U16 => microphone_of::<u16>(device, usual, &wake),
        SampleFormat::U8 => microphone_of::<u8>(device, usual, &wake),
        SampleFormat::F64 => microphone_of::<f64>(device, usual, &wake),
        _ => Err(SoundError::Format),
    }
}

fn microphone_of<T>(
    device: &Device,
    usual: cpal::SupportedStreamConfig,
    wake: &Thread,
) -> Result<(Open, Consumer<f32>), SoundError>
where
    T: SizedSample,
    f32: FromSample<T>,
{
    let rate = usual.sample_rate();
    let channels = usize::from(usual.channels().max(1));
    let mut refused = SoundError::NoDevice;
    for config in wishes(usual) {
        let (mut to, from) = rtrb::RingBuffer::<f32>::new(queue_samples(rate));
        let pulse = Arc::new(Pulse::default());
        let (beats, wake) = (Arc::clone(&pulse), wake.clone());
        let share = 1.0 / f32::from(u16::try_from(channels).unwrap_or(1));
        let data = move |samples: &[T], _: &cpal::InputCallbackInfo| {
            let mut lost = 0;
            for frame in samples.chunks_exact(channels) {
                let sum: f32 = frame.iter().map(|s| f32::from_sample_(*s)).sum();
                lost += u64::from(to.push(sum * share).is_err());
            }
            beats.lost.fetch_add(lost, Ordering::Relaxed);
            beats.beats.fetch_add(1, Ordering::Release);
            wake.unpark();
        };
        let made = device
            .build_input_stream::<T, _, _>(config, data, on_error(&pulse), Some(OPEN_MAX))
            .and_then(|stream| stream.play().map(|()| stream));
        match made {
            Ok(stream) => return Ok((Open { stream, pulse, rate }, from)),
            Err(e) => refused = e.into(),
        }
    }
    Err(refused)
}

/// Where what a device plays comes from.
pub(crate) enum Plays {
    /// A queue; `wake` is woken for each portion taken.
    Queue(Thread),
    /// The sound of ringing.
    Ring,
}

/// Opens a headset or loudspeaker. The queue is there when `from` is one.
pub(crate) fn speaker(device: &Device, from: &Plays) -> Result<(Open, Option<Producer<f32>>), SoundError> {
    let usual = device.default_output_config()?;
    match usual.sample_format() {
        SampleFormat::F32 => speaker_of::<f32>(device, usual, from),
        SampleFormat::I16 => speaker_of::<i16>(device, usual, from),
        SampleFormat::I32 => speaker_of::<i32>(device, usual, from),
        SampleFormat::I24 => speaker_of::<cpal::I24>(device, usual, from),
        SampleFormat::U16 => speaker_of::<u16>(device, usual, from),
        SampleFormat::U8 => speaker_of::<u8>(device, usual, from),
        SampleFormat::F64 => speaker_of::<f64>(device, usual, from),
        _ => Err(SoundError::Format),
    }
}

fn speaker_of<T>(
    device: &Device,
    usual: cpal::SupportedStreamConfig,
    from: &Plays,
) -> Result<(Open, Option<Producer<f32>>), SoundError>
where
    T: SizedSample + FromSample<f32>,
{
    let rate = usual.sample_rate();
    let channels = usize::from(usual.channels().max(1));
    let mut refused = SoundError::NoDevice;
    for config in wishes(usual) {
        let pulse = Arc::new(Pulse::default());
        let beats = Arc::clone(&pulse);
        let (to, mut next): (_, Box<dyn FnMut() -> Option<f32> + Send>) = match from {
            Plays::Queue(_) => {
                let (to, mut from) = rtrb::RingBuffer::<f32>::new(queue_samples(rate));
                (Some(to), Box::new(move || from.pop().ok()))
            }
            Plays::Ring => {
                let mut ring = Cadence::new(rate);
                (None, Box::new(move || ring.next()))
            }
        };
        let wake = match from {
            Plays::Queue(thread) => Some(thread.clone()),
            Plays::Ring => None,
        };
        let data = move |out: &mut [T], _: &cpal::OutputCallbackInfo| {
            let mut lost = 0;
            let closing = beats.closing.load(Ordering::Acquire);
            for frame in out.chunks_exact_mut(channels) {
                let sample = if closing { Some(0.0) } else { next() };
                lost += u64::from(sample.is_none());
                frame.fill(T::from_sample_(sample.unwrap_or(0.0)));
            }
            let portion = u32::try_from(out.len() / channels).unwrap_or(u32::MAX);
            beats.portion.fetch_max(portion, Ordering::Relaxed);
            beats.lost.fetch_add(lost, Ordering::Relaxed);
            beats.beats.fetch_add(1, Ordering::Release);
            if let Some(wake) = &wake {
                wake.unpark();
            }
        };
        let made = device
            .build_output_stream::<T, _, _>(config, data, on_error(&pulse), Some(OPEN_MAX))
            .and_then(|stream| stream.play().map(|()| stream));
        match made {
            Ok(stream) => return Ok((Open { stream, pulse, rate }, to)),
            Err(e) => refused = e.into(),
        }
    }
    Err(refused)
}
