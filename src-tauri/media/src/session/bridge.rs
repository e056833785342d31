//! Sessions that hear each other.
//!
//! A link goes one way: what comes in at one session goes out at another. A bridge is two links. Packets go at once,
//! on the task that read them; the decoded frames of each tick follow, for the session that cannot use the packets
//! and for its recording.

use super::MediaHandle;
use super::shared::{Listener, Shared};
use crate::engine::Forward;
use crate::music;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

/// Numbers of links; they are never used twice.
static NEXT_LINK: AtomicU64 = AtomicU64::new(1);

/// One session hears another until this is dropped.
#[must_use = "dropping a link ends it at once"]
pub struct Link {
    number: u64,
    speaker: Weak<Shared>,
    listener: Weak<Shared>,
}

impl Link {
    /// None if the listener hears too many already.
    pub(super) fn new(speaker: &Arc<Shared>, listener: &Arc<Shared>) -> Option<Self> {
        let number = NEXT_LINK.fetch_add(1, Ordering::Relaxed);
        if !listener.lock().engine.hear(number) {
            return None;
        }
        let entry = Listener {
            link: number,
            peer: Arc::downgrade(listener),
        };
        let held = {
            let mut inner = speaker.lock();
            inner.listeners = inner.listeners.iter().cloned().chain([entry]).collect();
            inner.engine.set_listened(true);
            inner.engine.is_held()
        };
        // Read after it began to listen, so that no change is missed; a change told twice does no harm.
        listener.take(number, &[Forward::Held(held)]);
        Some(Self {
            number,
            speaker: Arc::downgrade(speaker),
            listener: Arc::downgrade(listener),
        })
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(speaker) = self.speaker.upgrade() {
            let mut inner = speaker.lock();
            inner.listeners = inner
                .listeners
                .iter()
                .filter(|l| l.link != self.number)
                .cloned()
                .collect();
            let any = !inner.listeners.is_empty();
            inner.engine.set_listened(any);
        }
        if let Some(listener) = self.listener.upgrade() {
            listener.lock().engine.unhear(self.number);
        }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({})", self.number)
    }
}

/// Lets `listener` hear `speaker`, one way: the piece that conferences and supervision are made of. A session hears the
/// sum of all it is linked to. None when it hears too many already.
pub fn link(speaker: &MediaHandle, listener: &MediaHandle) -> Option<Link> {
    listener.set_hold_music(Some(music::on_hold()));
    Link::new(speaker.shared(), listener.shared())
}

/// Two sessions that hear each other. Dropping it separates them; both go on, in silence.
#[must_use = "dropping a bridge separates the two at once"]
pub struct Bridge {
    _links: [Option<Link>; 2],
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bridge")
    }
}

/// Lets two sessions hear each other, whatever each of them is: SIP, WebRTC or local.
///
/// While both sides use the same codec, packets go through unopened and at once, under our own SSRC, sequence numbers
/// and timestamps, lost ones staying lost and pauses staying pauses. Otherwise, and while anything is played to a
/// side, what it hears is decoded, mixed and encoded at its own tick. Keypad events pass as events where both sides
/// have them on the same clock, are sent anew where the clocks differ, and become tones where a side takes none.
///
/// While a side is on hold the other hears [`music::on_hold`], or what [`MediaHandle::set_hold_music`] was given. The
/// ticks of both sides go on, with what each heard and was sent. Either may end; the other then hears silence.
pub fn bridge(a: &MediaHandle, b: &MediaHandle) -> Bridge {
    for h in [a, b] {
        h.set_hold_music(Some(music::on_hold()));
    }
    Bridge {
        _links: [
            Link::new(a.shared(), b.shared()),
            Link::new(b.shared(), a.shared()),
        ],
    }
}
