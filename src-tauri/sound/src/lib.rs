//! The microphone, headset and ringer of the machine that the desktop program runs on.
//!
//! # Architecture invariants
//!
//! This is the only crate that knows audio devices (`cpal`), the echo canceller and the noise suppressor. It knows nothing
//! of calls: whoever has one gives it a [`Line`], two streams of mono audio at 16 kHz.
//!
//! # Threads
//!
//! | thread | does | waits for |
//! |---|---|---|
//! | each device's own | copies between the device and a queue | nothing: a full queue drops, an empty one is silence |
//! | `sound-work` | resamples, cancels echo, suppresses noise, talks to the line | at most 4 ms |
//! | `sound-keep` | opens and closes devices, notices that one is gone | whatever a driver takes |
//!
//! A device that takes long to open, or never closes, therefore disturbs neither the other direction nor a call.
//!
//! | queue | bound | when full |
//! |---|---|---|
//! | from a microphone | 200 ms | the newest is dropped |
//! | to a headset | 200 ms | nothing is made; it is filled to what the device asks for and 10 ms |
//! | orders to either thread | 64 | whoever orders waits a moment |

mod cadence;
mod clean;
mod devices;
mod headset;
mod keep;
mod rate;
mod stream;
mod work;

pub use clean::{CleanError, Cleaner, Cleaning};
pub use devices::{DeviceInfo, Devices, SoundError, devices};
pub use headset::{Choice, Headset, Levels, SoundEvent, Use};

/// One end of a call, for who sits at this machine: mono, 16 kHz.
pub trait Line: Send {
    /// What the microphone gave, cleaned; silence while muted.
    fn capture(&mut self, samples: &[i16]);
    /// Fills `out` with what the headset plays next.
    fn playback(&mut self, out: &mut [i16]);
}

/// Frames of 10 ms are what the echo canceller and the noise suppressor work on, at this rate.
pub(crate) const WORK_HZ: u32 = 48_000;
/// Samples of such a frame.
pub(crate) const WORK_SAMPLES: usize = 480;
/// Samples of 10 ms on the line.
pub(crate) const LINE_SAMPLES: usize = 160;
