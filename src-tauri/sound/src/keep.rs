//! The thread that opens and closes devices, and notices that one is gone.

use crate::devices::{SoundError, Way, candidates, id_of, is_server, list, name_of};
use crate::headset::{Choice, SoundEvent, Use};
use crate::stream::{Open, Plays, microphone, speaker};
use crate::work::ToWork;
use cpal::{Device, Host};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How often open devices are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often a sound server is asked which devices there are: it moves our streams without a word.
const LIST: Duration = Duration::from_millis(500);
/// A device that has not called for this long is gone.
const STILL_MAX: Duration = Duration::from_millis(1_500);
/// The same behind a sound server, which says when one is gone, and may let us wait for seconds when it wakes one up.
const STILL_MAX_SERVER: Duration = Duration::from_secs(5);
/// Between two looks for a device where there is none.
const AGAIN: Duration = Duration::from_secs(1);

/// What the thread is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Which devices to use.
    Choose(Choice),
    /// Whether microphone and headset are to be open.
    Call(bool),
    /// Whether it is to ring.
    Ring(bool),
    /// It is over.
    Stop,
}

/// A device in use.
struct Held {
    open: Open,
    id: String,
    name: String,
    still_max: Duration,
    beats: u64,
    beaten: Instant,
}

/// A purpose, and the device that serves it.
struct Slot {
    what: Use,
    held: Option<Held>,
    wanted: bool,
    again: Option<Instant>,
    missed: bool,
}

impl Slot {
    const fn new(what: Use) -> Self {
        Self {
            what,
            held: None,
            wanted: false,
            again: None,
            missed: false,
        }
    }
    const fn way(&self) -> Way {
        match self.what {
            Use::Microphone => Way::In,
            Use::Headset | Use::Ringer => Way::Out,
        }
    }
}

pub(crate) struct Keep {
    choice: Choice,
    /// To ask which devices there are. A server that was started again is another.
    host: Option<Host>,
    /// Ringer, headset, microphone: in the order in which they are opened, as a microphone may take its time.
    slots: [Slot; 3],
    work: SyncSender<ToWork>,
    worker: Thread,
    tell: Box<dyn Fn(SoundEvent) + Send>,
    listed: Instant,
}

impl Keep {
    pub(crate) fn new(
        choice: Choice,
        work: SyncSender<ToWork>,
        worker: Thread,
        tell: Box<dyn Fn(SoundEvent) + Send>,
    ) -> Self {
        Self {
            choice,
            host: None,
            slots: [Use::Ringer, Use::Headset, Use::Microphone].map(Slot::new),
            work,
            worker,
            tell,
            listed: Instant::now(),
        }
    }

    /// Runs until it is told to stop.
    pub(crate) fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let busy = self.slots.iter().any(|s| s.wanted);
            let order = if busy {
                orders.recv_timeout(LOOK)
            } else {
                orders.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            match order {
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(order) => self.take(order),
                Err(RecvTimeoutError::Timeout) => {}
            }
            self.look();
        }
        for n in 0..self.slots.len() {
            self.close(n);
        }
    }

    fn take(&mut self, order: Order) {
        match order {
            Order::Choose(choice) => {
                let before = std::mem::replace(&mut self.choice, choice);
                for n in 0..self.slots.len() {
                    let what = self.slots[n].what;
                    if chosen(&before, what) != chosen(&self.choice, what) {
                        self.close(n);
                    }
                }
            }
            Order::Call(on) => {
                self.slots[1].wanted = on;
                self.slots[2].wanted = on;
            }
            Order::Ring(on) => self.slots[0].wanted = on,
            Order::Stop => {}
        }
    }

    /// Makes what is open what is wanted.
    fn look(&mut self) {
        let gone = self.gone();
        for (n, gone) in gone.into_iter().enumerate() {
            let lost = gone || self.is_dead(n);
            if lost && let Some(held) = &self.slots[n].held {
                let (what, name) = (self.slots[n].what, held.name.clone());
                tracing::warn!(?what, "a sound device is gone");
                (self.tell)(SoundEvent::Lost { what, name });
                self.close(n);
                self.slots[n].missed = false;
            }
            if !self.slots[n].wanted {
                self.close(n);
                self.slots[n].again = None;
                self.slots[n].missed = false;
            } else if self.slots[n].held.is_none()
                && self.slots[n].again.is_none_or(|at| at <= Instant::now())
            {
                self.open(n);
            }
        }
    }

    /// Which of the devices in use a sound server no longer has.
    fn gone(&mut self) -> [bool; 3] {
        let mut gone = [false; 3];
        if self.listed.elapsed() < LIST || self.slots.iter().all(|s| s.held.is_none()) {
            return gone;
        }
        self.listed = Instant::now();
        let host = self.host.get_or_insert_with(cpal::default_host);
        if !is_server(host) {
            return gone;
        }
        match list(host) {
            Ok(there) => {
                for (g, slot) in gone.iter_mut().zip(&self.slots) {
                    let known = match slot.way() {
                        Way::In => &there.microphones,
                        Way::Out => &there.speakers,
                    };
                    *g = slot
                        .held
                        .as_ref()
                        .is_some_and(|h| !known.iter().any(|k| k.id == h.id));
                }
            }
            // The server itself is gone: it is asked for anew.
            Err(e) => {
                tracing::warn!(error = %e, "the sound server does not answer");
                self.host = None;
                gone = [true; 3];
            }
        }
        gone
    }

    /// Whether a device has said that it is over, or has not been heard of for too long.
    fn is_dead(&mut self, n: usize) -> bool {
        let Some(held) = &mut self.slots[n].held else {
            return false;
        };
        let beats = held.open.pulse.beats.load(Ordering::Acquire);
        if beats != held.beats {
            held.beats = beats;
            held.beaten = Instant::now();
        }
        held.open.pulse.failed.load(Ordering::Acquire) || held.beaten.elapsed() > held.still_max
    }

    fn open(&mut self, n: usize) {
        let (what, way) = (self.slots[n].what, self.slots[n].way());
        // A connection of its own for each stream: over one, a sound server refuses a second stream that plays.
        let host = cpal::default_host();
        let wanted = chosen(&self.choice, what).map(str::to_owned);
        let found = candidates(&host, way, wanted.as_deref());
        for device in &found {
            let Some(id) = id_of(device) else { continue };
            match self.open_one(what, device) {
                Ok(open) => {
                    let name = name_of(device);
                    let instead = wanted.as_ref().is_some_and(|w| *w != id);
                    tracing::info!(?what, instead, rate = open.rate, "a sound device is in use");
                    self.slots[n].held = Some(Held {
                        open,
                        id,
                        name: name.clone(),
                        still_max: if is_server(&host) {
                            STILL_MAX_SERVER
                        } else {
                            STILL_MAX
                        },
                        beats: 0,
                        beaten: Instant::now(),
                    });
                    self.slots[n].again = None;
                    self.slots[n].missed = false;
                    (self.tell)(SoundEvent::Opened { what, name, instead });
                    return;
                }
                Err(e) => tracing::warn!(?what, error = %e, "a sound device could not be opened"),
            }
        }
        self.slots[n].again = Some(Instant::now() + AGAIN);
        if !std::mem::replace(&mut self.slots[n].missed, true) {
            (self.tell)(SoundEvent::Missing { what });
        }
    }

    fn open_one(&self, what: Use, device: &Device) -> Result<Open, SoundError> {
        match what {
            Use::Microphone => {
                let (open, from) = microphone(device, self.worker.clone())?;
                self.order(ToWork::Microphone(Some((from, open.rate))));
                Ok(open)
            }
            Use::Headset => {
                let (open, to) = speaker(device, &Plays::Queue(self.worker.clone()))?;
                if let Some(to) = to {
                    let pulse = std::sync::Arc::clone(&open.pulse);
                    self.order(ToWork::Speaker(Some((to, open.rate, pulse))));
                }
                Ok(open)
            }
            Use::Ringer => Ok(speaker(device, &Plays::Ring)?.0),
        }
    }

    fn order(&self, order: ToWork) {
        let _ = self.work.send(order);
        self.worker.unpark();
    }

    fn close(&mut self, n: usize) {
        let Some(held) = self.slots[n].held.take() else {
            return;
        };
        match self.slots[n].what {
            Use::Microphone => self.order(ToWork::Microphone(None)),
            Use::Headset => self.order(ToWork::Speaker(None)),
            Use::Ringer => {}
        }
        held.open.pulse.closing.store(true, Ordering::Release);
        // A driver whose device was torn out may never come back from closing it.
        let stream = held.open.stream;
        let closing = std::thread::Builder::new().name("sound-close".into());
        if let Err(e) = closing.spawn(move || drop(stream)) {
            tracing::warn!(error = %e, "a sound device is closed in place");
        }
    }
}

fn chosen(choice: &Choice, what: Use) -> Option<&str> {
    match what {
        Use::Microphone => choice.microphone.as_deref(),
        Use::Headset => choice.headset.as_deref(),
        Use::Ringer => choice.ringer.as_deref(),
    }
}
