//! The leg of the desktop's own headset, and the device's end of it.

use super::factory::MediaFactory;
use super::shared::Shared;
use super::{MediaEvent, MediaHandle};
use crate::local::Device;
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;

impl MediaFactory {
    /// A leg without a network: its peer is whoever sits at this machine. It takes no port, runs at once, and can be
    /// bridged, mixed, played to and recorded like any other. It ends like any other, too.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    #[must_use]
    pub fn local(&self) -> (MediaHandle, mpsc::Receiver<MediaEvent>, LocalAudio) {
        let device = Device::default();
        let shared = self.shared_local(device.clone());
        let audio = LocalAudio {
            device,
            shared: Arc::downgrade(&shared),
        };
        let (handle, events) = super::start(shared, None, None);
        (handle, events, audio)
    }
}

/// How long a key of the keypad on the screen is taken to be held, in milliseconds.
const PRESS_MS: u32 = 120;

/// The device's end of [`MediaFactory::local`]. Cheap to clone; its methods may be called from an audio thread, where
/// they wait for nothing but a short copy.
#[derive(Clone)]
pub struct LocalAudio {
    device: Device,
    shared: Weak<Shared>,
}

impl std::fmt::Debug for LocalAudio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalAudio")
    }
}

impl LocalAudio {
    /// What the microphone gave: mono, 16 kHz, any number of samples. More than 200 ms that is not taken in time is
    /// lost, the oldest first. A muted microphone gives silence.
    pub fn capture(&self, samples: &[i16]) {
        self.device.capture(samples);
    }

    /// Fills `out` with what the loudspeaker plays next: mono, 16 kHz. False if there was not enough, and silence was
    /// put in.
    pub fn playback(&self, out: &mut [i16]) -> bool {
        self.device.playback(out)
    }

    /// The person has pressed keys; the other side is told as by any telephone.
    pub fn press(&self, digits: &str) {
        if let Some(shared) = self.shared.upgrade() {
            let now = shared.now();
            shared.with(|i| i.engine.press(digits, PRESS_MS, now));
        }
    }

    /// The person holds the other side, or takes it back; told as by any telephone.
    pub fn hold(&self, held: bool) {
        if let Some(shared) = self.shared.upgrade() {
            shared.with(|i| i.engine.set_local_held(held));
        }
    }
}
