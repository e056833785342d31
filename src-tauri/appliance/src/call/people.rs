//! A call and its people: legs to their telephones, and what is played on them.

use super::ToCall;
use crate::engine::Shared;
use anteroom_call::scene::PlayNo;
use anteroom_media::{MediaEvent, MediaHandle, MediaSession};
use anteroom_types::{LegId, SayId};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Media events of all legs of people that may wait for their call. Ticks are dropped when it is full, nothing else is.
const HEARD_MAX: usize = 256;
/// What people are played is numbered from here; what the receptionist says is numbered below.
const FIRST_PLAY: u32 = 1 << 31;

/// A telephone of a person, by what may be done with its media.
pub(super) enum LegMedia {
    /// It has our offer.
    Offered(Box<MediaSession>),
    /// It was answered.
    Running(MediaHandle),
}

pub(super) struct PersonLeg {
    pub(super) media: LegMedia,
}

/// An announcement that is rendered now.
pub(super) struct Voiced {
    pub(super) leg: LegId,
    pub(super) play: PlayNo,
    pub(super) audio: Option<Arc<[i16]>>,
}

/// The legs of people in one call.
pub(super) struct Legs {
    pub(super) all: HashMap<LegId, PersonLeg>,
    heard: mpsc::Sender<(LegId, MediaEvent)>,
    pub(super) events: mpsc::Receiver<(LegId, MediaEvent)>,
    /// Announcements on their way or being played, by the number the line knows them by.
    pub(super) plays: HashMap<SayId, (LegId, PlayNo)>,
    next_play: u32,
}

impl Legs {
    pub(super) fn new() -> Self {
        let (heard, events) = mpsc::channel(HEARD_MAX);
        Self {
            all: HashMap::new(),
            heard,
            events,
            plays: HashMap::new(),
            next_play: FIRST_PLAY,
        }
    }

    /// The handle of a leg that was answered.
    pub(super) fn handle(&self, leg: LegId) -> Option<&MediaHandle> {
        match self.all.get(&leg).map(|l| &l.media) {
            Some(LegMedia::Running(h)) => Some(h),
            _ => None,
        }
    }

    /// A number for something to be played.
    pub(super) fn say(&mut self) -> SayId {
        self.next_play = self.next_play.checked_add(1).unwrap_or(FIRST_PLAY);
        SayId(self.next_play)
    }

    /// Starts the media of a leg that was answered. False when there is no such leg or it runs already.
    pub(super) fn start(&mut self, leg: LegId) -> bool {
        let Some(mut l) = self.all.remove(&leg) else {
            return false;
        };
        let started = if let LegMedia::Offered(session) = l.media {
            let (handle, mut events) = session.start();
            let heard = self.heard.clone();
            tokio::spawn(async move {
                while let Some(e) = events.recv().await {
                    let sent = if matches!(e, MediaEvent::Tick { .. }) {
                        !matches!(
                            heard.try_send((leg, e)),
                            Err(mpsc::error::TrySendError::Closed(_))
                        )
                    } else {
                        heard.send((leg, e)).await.is_ok()
                    };
                    if !sent {
                        return;
                    }
                }
            });
            l.media = LegMedia::Running(handle);
            true
        } else {
            false
        };
        self.all.insert(leg, l);
        started
    }

    /// Forgets a leg whose signalling is over, and stops its media.
    pub(super) fn end(&mut self, leg: LegId) -> Option<PersonLeg> {
        self.plays.retain(|_, (l, _)| *l != leg);
        let gone = self.all.remove(&leg)?;
        if let LegMedia::Running(h) = &gone.media {
            h.stop();
        }
        Some(gone)
    }
}

/// The next announcement that is rendered. Pends for ever when there is none; cancel-safe.
pub(super) async fn voiced(voices: &mut JoinSet<Voiced>) -> Voiced {
    loop {
        match voices.join_next().await {
            Some(Ok(v)) => return v,
            Some(Err(e)) => tracing::error!(panicked = e.is_panic(), "a rendering was lost"),
            None => std::future::pending().await,
        }
    }
}

/// The routes by which events of a call's legs find it. They go when the call does, however it ends.
pub(super) struct Routes {
    shared: Arc<Shared>,
    legs: Vec<LegId>,
}

impl Routes {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            legs: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, leg: LegId, to: mpsc::Sender<ToCall>) {
        crate::engine::lock(&self.shared.routes).insert(leg, to);
        self.legs.push(leg);
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        for leg in &self.legs {
            // A call that ends as it should has no leg left; one that was lost by a defect leaves no telephone ringing.
            let _ = self.shared.sip.bye(*leg);
            crate::engine::lock(&self.shared.routes).remove(leg);
        }
    }
}
