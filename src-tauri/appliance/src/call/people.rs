//! A call and its people: legs to their telephones, and what is played on them.

use super::ToCall;
use crate::desk::{Outside, Reserved};
use crate::desktop::Cradle;
use crate::engine::{Shared, lock};
use anteroom_call::desk::AdoptAs;
use anteroom_call::dial::{NumberKind, Permit};
use anteroom_call::party::Target;
use anteroom_call::scene::PlayNo;
use anteroom_media::{MediaEvent, MediaHandle, MediaSession};
use anteroom_sip::{ContactId, EndWhy};
use anteroom_types::{LegId, Mono, SayId};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
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
    /// The device at this machine is rung, or has its media and this call has not looked at it yet.
    Here(Cradle),
    /// It was answered.
    Running(MediaHandle),
}

/// Where a leg's media events go: to the call it is of now.
type Ear = Arc<Mutex<mpsc::Sender<(LegId, MediaEvent)>>>;

/// How a telephone of ours was rung.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rung {
    pub(super) contact: ContactId,
    pub(super) urgent: bool,
    /// Whether our offer insisted on encryption, and whether that was the second try.
    pub(super) encrypted: bool,
    pub(super) again: bool,
    /// Whether it is a browser.
    pub(super) browser: bool,
}

/// A leg of a person.
pub(crate) struct PersonLeg {
    pub(super) media: LegMedia,
    ear: Ear,
    /// Whose it is: an account's name, or that of nobody of ours.
    pub(super) who: String,
    /// How a telephone of ours was rung, to ring it otherwise when it refuses that.
    pub(super) rung: Option<Rung>,
    /// Whether the signalling said that it was answered.
    answered: bool,
    /// A number outside, rung with somebody's leave.
    pub(super) outside: Option<Box<OutsideLeg>>,
    /// It rang us to come into this call; as what, and whose it is.
    pub(super) joins: Option<(Target, AdoptAs)>,
}

impl PersonLeg {
    /// Whether whoever answers it sees on a screen of ours what the call is about.
    pub(super) fn has_screen(&self) -> bool {
        self.outside.is_none() && self.rung.is_none_or(|r| r.browser)
    }
}

/// A leg to a number outside: its limits are its user's.
pub(super) struct OutsideLeg {
    shared: Arc<Shared>,
    reserved: Reserved,
    /// Who rings, and with what leave.
    pub(super) by: String,
    pub(super) permit: Permit,
    /// The ways out that were not tried, best first.
    pub(super) trunks: VecDeque<String>,
    /// When its leave ends.
    pub(super) until: Mono,
}

impl OutsideLeg {
    pub(super) fn new(shared: &Arc<Shared>, by: String, leave: Outside) -> Self {
        let Outside {
            permit,
            trunks,
            reserved,
        } = leave;
        Self {
            until: shared.clock.now().plus_ms(permit.ms_max),
            shared: Arc::clone(shared),
            reserved,
            by,
            permit,
            trunks: trunks.into(),
        }
    }

    /// Whether that end says something of the trunk rather than of the number, so that another may do better. In an
    /// emergency everything does but a number that is busy.
    pub(super) fn may_go_otherwise(&self, why: EndWhy) -> bool {
        const BUSY: [u16; 2] = [486, 600];
        match why {
            EndWhy::TransportLost => true,
            EndWhy::Rejected(401 | 403 | 407 | 500..=599) => true,
            EndWhy::Rejected(status) => self.is_emergency() && !BUSY.contains(&status),
            _ => false,
        }
    }

    pub(super) fn is_emergency(&self) -> bool {
        self.permit.number.kind == NumberKind::Emergency
    }
}

impl Drop for OutsideLeg {
    fn drop(&mut self) {
        self.reserved.ended(self.shared.clock.wall());
    }
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

    /// A leg that has our offer, or whose offer we answer.
    pub(super) fn add(&mut self, leg: LegId, who: &str, session: MediaSession) -> &mut PersonLeg {
        self.insert(leg, who, LegMedia::Offered(Box::new(session)))
    }

    /// A leg of the device at this machine.
    pub(super) fn add_here(&mut self, leg: LegId, who: &str, cradle: Cradle) -> &mut PersonLeg {
        self.insert(leg, who, LegMedia::Here(cradle))
    }

    fn insert(&mut self, leg: LegId, who: &str, media: LegMedia) -> &mut PersonLeg {
        let entry = PersonLeg {
            media,
            ear: Arc::new(Mutex::new(self.heard.clone())),
            who: who.to_owned(),
            rung: None,
            answered: false,
            outside: None,
            joins: None,
        };
        self.all.entry(leg).insert_entry(entry).into_mut()
    }

    /// Lets a leg go to another call, playing nothing to it any more.
    pub(super) fn give(&mut self, leg: LegId) -> Option<PersonLeg> {
        self.plays.retain(|_, (l, _)| *l != leg);
        let given = self.all.remove(&leg)?;
        if let LegMedia::Running(h) = &given.media {
            h.stop_loop();
            h.clear();
        }
        Some(given)
    }

    /// Takes a leg of another call.
    pub(super) fn take_in(&mut self, leg: LegId, given: PersonLeg) {
        *lock(&given.ear) = self.heard.clone();
        if let LegMedia::Running(h) = &given.media {
            h.want_ticks(false);
        }
        self.all.insert(leg, given);
    }

    /// A leg was answered. False when there is no such leg, or that is known.
    pub(super) fn answered(&mut self, leg: LegId) -> bool {
        self.start(leg);
        let fresh = self.all.get_mut(&leg).filter(|l| !l.answered);
        fresh.map(|l| l.answered = true).is_some()
    }

    /// Whether the signalling said that it was answered.
    pub(super) fn is_answered(&self, leg: LegId) -> bool {
        self.all.get(&leg).is_some_and(|l| l.answered)
    }

    /// When the next leave to ring outside ends, and of which leg.
    pub(super) fn next_end(&self) -> Option<(Mono, LegId)> {
        let until = |(leg, l): (&LegId, &PersonLeg)| l.outside.as_ref().map(|o| (o.until, *leg));
        self.all.iter().filter_map(until).min()
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

    /// Starts the media of a leg, if it does not run.
    pub(super) fn start(&mut self, leg: LegId) {
        let Some(mut l) = self.all.remove(&leg) else {
            return;
        };
        l.media = match l.media {
            LegMedia::Offered(session) => {
                let (handle, events) = session.start();
                handle.want_ticks(false);
                listen(leg, Arc::clone(&l.ear), events);
                LegMedia::Running(handle)
            }
            LegMedia::Here(cradle) => {
                let made = lock(&cradle).take();
                if let Some((handle, events)) = made {
                    handle.want_ticks(false);
                    listen(leg, Arc::clone(&l.ear), events);
                    LegMedia::Running(handle)
                } else {
                    LegMedia::Here(cradle)
                }
            }
            running @ LegMedia::Running(_) => running,
        };
        self.all.insert(leg, l);
    }

    /// A leg is given up: should its end be on its way here already, it is not rung in another manner or by another trunk.
    pub(super) fn unwanted(&mut self, leg: LegId) {
        if let Some(l) = self.all.get_mut(&leg) {
            l.rung = None;
            if let Some(o) = &mut l.outside {
                o.trunks.clear();
            }
        }
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

/// Hands a leg's media events to the call it is of.
fn listen(leg: LegId, ear: Ear, mut events: mpsc::Receiver<MediaEvent>) {
    tokio::spawn(async move {
        while let Some(e) = events.recv().await {
            let to = lock(&ear).clone();
            let sent = if matches!(e, MediaEvent::Tick { .. }) {
                !matches!(to.try_send((leg, e)), Err(mpsc::error::TrySendError::Closed(_)))
            } else {
                to.send((leg, e)).await.is_ok()
            };
            if !sent {
                return;
            }
        }
    });
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
        lock(&self.shared.routes).insert(leg, to);
        self.legs.push(leg);
    }

    /// Leaves a leg's events to another call.
    pub(super) fn pass_on(&mut self, leg: LegId, to: mpsc::Sender<ToCall>) {
        self.legs.retain(|l| *l != leg);
        lock(&self.shared.routes).insert(leg, to);
    }
}

impl Drop for Routes {
    fn drop(&mut self) {
        for leg in &self.legs {
            // A call that ends as it should has no leg left; one that was lost by a defect leaves no telephone ringing.
            let _ = self.shared.bye(*leg);
            lock(&self.shared.routes).remove(leg);
        }
    }
}
