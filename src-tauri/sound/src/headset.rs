//! What who has calls sees of the devices.

use crate::Line;
use crate::clean::Cleaning;
use crate::keep::{Keep, Order};
use crate::work::{Shared, ToWork, Work};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Orders that may wait for either thread.
pub(crate) const ORDERS_MAX: usize = 64;

/// Which device is used for what; none is the system's choice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// What hears.
    pub microphone: Option<String>,
    /// Where the caller is heard.
    pub headset: Option<String>,
    /// Where it rings.
    pub ringer: Option<String>,
    /// What is done with what the microphone hears.
    pub cleaning: Cleaning,
}

/// What a device is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Use {
    /// Hears.
    Microphone,
    /// The caller is heard there.
    Headset,
    /// It rings there.
    Ringer,
}

/// What happened to the devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SoundEvent {
    /// A device is in use now.
    Opened {
        /// For what.
        what: Use,
        /// Its name for people.
        name: String,
        /// Whether another was chosen, which is not there or does not work.
        instead: bool,
    },
    /// A device that was in use is gone.
    Lost {
        /// For what.
        what: Use,
        /// Its name for people.
        name: String,
    },
    /// There is no device at all for this; it is looked for every second.
    Missing {
        /// For what.
        what: Use,
    },
}

/// How loud it is, in decibels of full scale; -96 is silence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Levels {
    /// What the microphone hears, cleaned, also while it is muted.
    pub microphone_db: f32,
    /// What the headset plays.
    pub headset_db: f32,
}

/// The devices of this machine, as one telephone's.
///
/// Devices are open only while they are needed: from [`Headset::warm`] to [`Headset::rest`], so that no microphone is on
/// between calls. Warming when it begins to ring costs nothing later: who answers is heard from the first word.
#[derive(Debug)]
pub struct Headset {
    keep: SyncSender<Order>,
    work: SyncSender<ToWork>,
    worker: std::thread::Thread,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

impl Headset {
    /// Starts without opening anything. `tell` is called from a thread of ours and must not block.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(choice: Choice, tell: impl Fn(SoundEvent) + Send + 'static) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        shared.set_cleaning(choice.cleaning);
        let (work, to_work) = sync_channel(ORDERS_MAX);
        let (keep, to_keep) = sync_channel(ORDERS_MAX);
        let own = Arc::clone(&shared);
        let worker = std::thread::Builder::new()
            .name("sound-work".into())
            // Made where it stays: the echo canceller does not move between threads.
            .spawn(move || match Work::new(own, to_work) {
                Some(work) => work.run(),
                None => tracing::error!("our own rates cannot be resampled"),
            })?;
        let thread = worker.thread().clone();
        let keeper = Keep::new(choice, work.clone(), thread.clone(), Box::new(tell));
        let keeper = std::thread::Builder::new()
            .name("sound-keep".into())
            .spawn(move || keeper.run(&to_keep))?;
        Ok(Self {
            keep,
            work,
            worker: thread,
            shared,
            threads: vec![keeper, worker],
        })
    }

    fn order(&self, order: Order) {
        // Both threads live until this is dropped.
        let _ = self.keep.send(order);
    }

    fn work(&self, order: ToWork) {
        let _ = self.work.send(order);
        self.worker.unpark();
    }

    /// Uses other devices, at once if any are in use.
    pub fn choose(&self, choice: Choice) {
        self.shared.set_cleaning(choice.cleaning);
        self.order(Order::Choose(choice));
    }

    /// Opens microphone and headset: a call is about to begin.
    pub fn warm(&self) {
        self.order(Order::Call(true));
    }

    /// A call has begun. The devices open if they are not.
    pub fn connect(&self, line: Box<dyn Line>) {
        self.work(ToWork::Line(Some(line)));
        self.order(Order::Call(true));
    }

    /// The call is over. Microphone and headset stay open until [`Headset::rest`].
    pub fn disconnect(&self) {
        self.work(ToWork::Line(None));
    }

    /// Closes microphone and headset.
    pub fn rest(&self) {
        self.order(Order::Call(false));
    }

    /// Rings, or stops.
    pub fn ring(&self, on: bool) {
        self.order(Order::Ring(on));
    }

    /// Whether the line is to hear nothing of the microphone.
    pub fn mute(&self, muted: bool) {
        self.shared.muted.store(muted, Ordering::Relaxed);
    }

    /// Whether the line hears nothing of the microphone.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        self.shared.muted.load(Ordering::Relaxed)
    }

    /// How loud it is now.
    #[must_use]
    pub fn levels(&self) -> Levels {
        let (microphone_db, headset_db) = self.shared.levels();
        Levels {
            microphone_db,
            headset_db,
        }
    }
}

impl Drop for Headset {
    fn drop(&mut self) {
        self.order(Order::Stop);
        self.work(ToWork::Stop);
        for t in self.threads.drain(..) {
            let _ = t.join();
        }
    }
}
