//! The device at this machine as a telephone of the desk: legs without a network.
//!
//! The desktop program registers the device ([`Engine::connect_desktop`]) for somebody, or for the front desk when nobody
//! in particular sits there. It is then rung, answers, places calls and hangs up like a telephone that registered: a leg
//! of it tells its call the same [`SipEvent`]s, and the call does not know the difference but where it makes media.
//!
//! Nothing here waits. What the device is told waits in a queue of [`EVENTS_MAX`]; a device that does not empty it is
//! not rung.

use crate::call::{Arrival, ToCall};
use crate::engine::{Engine, Shared, lock};
use anteroom_api::Brief;
use anteroom_media::{LocalAudio, MediaEvent, MediaHandle};
use anteroom_sip::{CancelReason, EndWhy, SipCommandError, SipEvent};
use anteroom_types::{CallId, ErrorCode, LegId, Pii, UserFacing};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tokio::sync::mpsc;

/// Events that may wait for the device.
const EVENTS_MAX: usize = 64;
/// Legs the device may have at once: one it talks on, and some that ring.
const LEGS_MAX: usize = 16;
/// Legs beside them, for emergencies that are dialled here.
const EMERGENCY_LEGS_MAX: usize = 4;
/// How a refusal of whoever sits there is told to the call (RFC 3261 21.6.2).
const DECLINED: u16 = 603;
/// And a device that has gone (21.4.18).
const NOT_THERE: u16 = 480;
/// The longest that is dialled.
const DIALLED_BYTES_MAX: usize = 128;

/// The media of a leg, from when there is one until its call takes it.
pub(crate) type Cradle = Arc<Mutex<Option<(MediaHandle, mpsc::Receiver<MediaEvent>)>>>;

/// A call for the device.
#[derive(Debug, Clone)]
pub struct Rings {
    /// What to answer or decline.
    pub leg: LegId,
    /// The call, as screens know it.
    pub call: CallId,
    /// The caller's number, or a colleague's name.
    pub from: Pii<String>,
    /// Whether it cannot wait.
    pub urgent: bool,
    /// What the receptionist has learnt.
    pub brief: Option<Brief>,
}

/// Why a leg of the device is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DesktopEnd {
    /// Either side hung up.
    HungUp,
    /// It rang here, and somebody else answered.
    AnsweredElsewhere,
    /// It rang here, and nobody waits any longer.
    GivenUp,
    /// A call placed here was refused; a SIP status.
    Refused(u16),
}

/// What the device is told.
#[derive(Debug)]
pub enum DesktopEvent {
    /// It is to ring.
    Rings(Box<Rings>),
    /// A call placed here has sound, before it is answered: ringing, or what the far end has to say.
    Sounds {
        /// The call's leg.
        leg: LegId,
        /// Its sound.
        audio: LocalAudio,
    },
    /// A call placed here was answered.
    Answered {
        /// Its leg.
        leg: LegId,
    },
    /// A leg is over.
    Ended {
        /// Which.
        leg: LegId,
        /// Why.
        why: DesktopEnd,
    },
}

/// Why the device cannot be a telephone, or a call not be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DesktopError {
    /// There is no desk.
    #[error("no desk is configured on this machine")]
    NoDesk,
    /// Another program has registered it.
    #[error("the device of this machine is a telephone already")]
    Taken,
    /// Nobody has that account.
    #[error("there is nobody of that name at the desk")]
    Nobody,
    /// No call can be placed now, or not that one.
    #[error("the call cannot be placed")]
    NotPlaced,
}

impl UserFacing for DesktopError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoDesk => "desk.not_configured",
            Self::Taken => "desktop.taken",
            Self::Nobody => "desktop.nobody",
            Self::NotPlaced => "desktop.not_placed",
        }
    }
    fn hint(&self) -> String {
        match self {
            Self::NoDesk => "Switch [desk] on in the configuration.",
            Self::Taken => "Close the other window of Anteroom.",
            Self::Nobody => "Add them with `anteroom users add`, or leave the name out.",
            Self::NotPlaced => "End a call first, or look at the number.",
        }
        .into()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It rings here.
    Ringing,
    /// Placed here, and nobody has answered.
    Dialling,
    Up,
}

struct Leg {
    state: State,
    cradle: Cradle,
}

/// The device, if there is one, and its legs.
#[derive(Default)]
pub(crate) struct DesktopLegs {
    device: Mutex<Option<mpsc::Sender<DesktopEvent>>>,
    legs: Mutex<HashMap<LegId, Leg>>,
}

impl DesktopLegs {
    fn tell(&self, event: DesktopEvent) -> bool {
        let device = lock(&self.device);
        let Some(device) = device.as_ref() else {
            return false;
        };
        let told = device.try_send(event).is_ok();
        if !told {
            tracing::warn!("the device at this machine does not hear what it is told");
        }
        told
    }

    fn add(&self, leg: LegId, state: State, emergency: bool) -> Option<Cradle> {
        let mut legs = lock(&self.legs);
        let spare = if emergency { EMERGENCY_LEGS_MAX } else { 0 };
        if legs.len() >= LEGS_MAX + spare {
            return None;
        }
        let cradle = Cradle::default();
        let new = Leg {
            state,
            cradle: Arc::clone(&cradle),
        };
        legs.insert(leg, new);
        Some(cradle)
    }

    /// Whether the leg is one of the device's.
    pub(crate) fn has(&self, leg: LegId) -> bool {
        lock(&self.legs).contains_key(&leg)
    }
}

/// What a call does with a leg, whether it goes by SIP or sits here.
impl Shared {
    /// Tells the leg's call what happened to it, as the signalling would.
    fn leg_event(&self, leg: LegId, event: SipEvent) {
        let Some(to) = lock(&self.routes).get(&leg).cloned() else {
            return;
        };
        if let Err(mpsc::error::TrySendError::Full(event)) = to.try_send(ToCall::Sip(leg, event)) {
            // A call that is behind. What is told here ends legs; it must not be lost.
            tokio::spawn(async move { to.send(event).await.is_ok() });
        }
    }

    fn end_here(&self, leg: LegId, why: EndWhy, here: DesktopEnd) -> Result<(), SipCommandError> {
        lock(&self.desktop.legs)
            .remove(&leg)
            .ok_or(SipCommandError::UnknownLeg)?;
        self.desktop.tell(DesktopEvent::Ended { leg, why: here });
        self.leg_event(leg, SipEvent::Ended { leg, why });
        Ok(())
    }

    /// Rings the device. None when there is none, or it cannot be rung.
    pub(crate) fn ring_here(&self, rings: Rings) -> Option<Cradle> {
        let leg = rings.leg;
        let cradle = self.desktop.add(leg, State::Ringing, false)?;
        if !self.desktop.tell(DesktopEvent::Rings(Box::new(rings))) {
            lock(&self.desktop.legs).remove(&leg);
            return None;
        }
        let progress = SipEvent::Progress {
            leg,
            status: 180,
            sdp: None,
        };
        self.leg_event(leg, progress);
        Some(cradle)
    }

    /// The media of a leg that rang us from here: made now, its device's end given to the device.
    pub(crate) fn media_here(&self, leg: LegId) -> Option<Cradle> {
        let cradle = Arc::clone(&lock(&self.desktop.legs).get(&leg)?.cradle);
        let (handle, events, audio) = self.media.local();
        *lock(&cradle) = Some((handle, events));
        self.desktop.tell(DesktopEvent::Sounds { leg, audio });
        Some(cradle)
    }

    /// Hangs a leg up.
    pub(crate) fn bye(&self, leg: LegId) -> Result<(), SipCommandError> {
        let state = lock(&self.desktop.legs).get(&leg).map(|l| l.state);
        match state {
            None => self.sip.bye(leg),
            Some(State::Ringing) => self.end_here(leg, EndWhy::Cancelled, DesktopEnd::GivenUp),
            Some(State::Dialling | State::Up) => self.end_here(leg, EndWhy::LocalBye, DesktopEnd::HungUp),
        }
    }

    /// Stops a leg of ours from ringing.
    pub(crate) fn cancel(&self, leg: LegId, reason: CancelReason) -> Result<(), SipCommandError> {
        let state = lock(&self.desktop.legs).get(&leg).map(|l| l.state);
        match state {
            None => self.sip.cancel_because(leg, reason),
            Some(State::Ringing) => {
                let here = match reason {
                    CancelReason::AnsweredElsewhere => DesktopEnd::AnsweredElsewhere,
                    CancelReason::GivenUp => DesktopEnd::GivenUp,
                };
                self.end_here(leg, EndWhy::Cancelled, here)
            }
            Some(State::Dialling | State::Up) => Err(SipCommandError::WrongState("CANCEL")),
        }
    }

    /// Answers a leg that rang us.
    pub(crate) fn answer(&self, leg: LegId, sdp: String) -> Result<(), SipCommandError> {
        let here = lock(&self.desktop.legs)
            .get_mut(&leg)
            .map(|l| std::mem::replace(&mut l.state, State::Up));
        match here {
            None => self.sip.answer(leg, sdp),
            Some(_) => {
                self.desktop.tell(DesktopEvent::Answered { leg });
                self.leg_event(leg, SipEvent::Established { leg });
                Ok(())
            }
        }
    }

    /// Tells a leg that rang us how far it got. A device here hears it.
    pub(crate) fn progress(
        &self,
        leg: LegId,
        status: u16,
        sdp: Option<String>,
    ) -> Result<(), SipCommandError> {
        if self.desktop.has(leg) {
            return Ok(());
        }
        self.sip.progress(leg, status, sdp)
    }

    /// Refuses a leg that rang us.
    pub(crate) fn reject(
        &self,
        leg: LegId,
        status: u16,
        retry_s: Option<u32>,
    ) -> Result<(), SipCommandError> {
        if self.desktop.has(leg) {
            return self.end_here(leg, EndWhy::Rejected(status), DesktopEnd::Refused(status));
        }
        self.sip.reject(leg, status, retry_s)
    }
}

impl Engine {
    /// Makes the device at this machine a telephone: of `user`, or of the front desk. Gives what to use it by, and what
    /// it is told. It is one no longer when the [`Desktop`] is dropped.
    ///
    /// # Errors
    /// [`DesktopError`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn connect_desktop(
        &self,
        user: Option<&str>,
        name: &str,
    ) -> Result<(Desktop, mpsc::Receiver<DesktopEvent>), DesktopError> {
        let shared = &self.shared;
        if !shared.config.desk.enabled {
            return Err(DesktopError::NoDesk);
        }
        let mut device = lock(&shared.desktop.device);
        if device.is_some() {
            return Err(DesktopError::Taken);
        }
        let realm = shared.config.desk.realm.get_ref();
        let user = lock(&shared.desk.people)
            .add_desktop(user, name, realm)
            .ok_or(DesktopError::Nobody)?;
        let (tell, told) = mpsc::channel(EVENTS_MAX);
        *device = Some(tell);
        drop(device);
        tracing::info!("the device at this machine is a telephone");
        let desktop = Desktop {
            engine: self.clone(),
            user,
            runtime: tokio::runtime::Handle::current(),
        };
        Ok((desktop, told))
    }
}

/// The device at this machine, as a telephone. Its methods wait for nothing and may be called from any thread.
pub struct Desktop {
    engine: Engine,
    user: String,
    runtime: tokio::runtime::Handle,
}

impl std::fmt::Debug for Desktop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Desktop({})", self.user)
    }
}

impl Desktop {
    /// Whose telephone it is, by the name commands know them by.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Answers. None when it no longer rings: somebody else was faster, or the caller is gone.
    #[must_use]
    pub fn answer(&self, leg: LegId) -> Option<LocalAudio> {
        let _in = self.runtime.enter();
        let shared = &self.engine.shared;
        let audio = {
            let mut legs = lock(&shared.desktop.legs);
            let l = legs.get_mut(&leg).filter(|l| l.state == State::Ringing)?;
            l.state = State::Up;
            let (handle, events, audio) = shared.media.local();
            *lock(&l.cradle) = Some((handle, events));
            audio
        };
        shared.leg_event(leg, SipEvent::Established { leg });
        Some(audio)
    }

    /// Declines what rings: it goes on ringing at others.
    pub fn decline(&self, leg: LegId) {
        let _in = self.runtime.enter();
        let rings = lock(&self.engine.shared.desktop.legs)
            .get(&leg)
            .is_some_and(|l| l.state == State::Ringing);
        if rings {
            let why = EndWhy::Rejected(DECLINED);
            let _ = self.engine.shared.end_here(leg, why, DesktopEnd::HungUp);
        }
    }

    /// Hangs up, or gives up a call that was placed; declines one that rings.
    pub fn hang_up(&self, leg: LegId) {
        let _in = self.runtime.enter();
        let shared = &self.engine.shared;
        let state = lock(&shared.desktop.legs).get(&leg).map(|l| l.state);
        let why = match state {
            None => return,
            Some(State::Ringing) => return self.decline(leg),
            Some(State::Dialling) => EndWhy::Cancelled,
            Some(State::Up) => EndWhy::Bye,
        };
        let _ = shared.end_here(leg, why, DesktopEnd::HungUp);
    }

    /// Dials: a colleague, a number outside, a slot, or one of the desk's codes, by the rights of whose telephone it is.
    /// What comes of it is told by events of the leg.
    ///
    /// # Errors
    /// [`DesktopError::NotPlaced`] when nothing can be placed at all.
    pub fn place(&self, dialled: &str) -> Result<LegId, DesktopError> {
        let _in = self.runtime.enter();
        let shared = &self.engine.shared;
        let dialled = dialled.trim();
        let emergency = shared.desk.is_emergency(dialled);
        if !may_place(dialled, self.engine.is_draining(), emergency) {
            return Err(DesktopError::NotPlaced);
        }
        let leg = shared.clock.leg_id();
        shared
            .desktop
            .add(leg, State::Dialling, emergency)
            .ok_or(DesktopError::NotPlaced)?;
        let arrival = Arrival {
            leg,
            from: Pii::new(self.user.clone()),
            to: Pii::new(dialled.to_owned()),
            trunk: None,
            source: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            offer: None,
            here: true,
            received: Instant::now(),
            placed: None,
        };
        self.engine.dialled(&self.user, None, arrival);
        Ok(leg)
    }
}

/// Whether anything can be placed: not what is no number, and nothing but an emergency while no new calls are taken.
fn may_place(dialled: &str, draining: bool, emergency: bool) -> bool {
    let bad =
        dialled.is_empty() || dialled.len() > DIALLED_BYTES_MAX || dialled.chars().any(char::is_control);
    !bad && (!draining || emergency)
}

impl Drop for Desktop {
    fn drop(&mut self) {
        let _in = self.runtime.enter();
        let shared = &self.engine.shared;
        // Nobody is rung here any more before those that are left are ended.
        lock(&shared.desk.people).remove_desktop();
        *lock(&shared.desktop.device) = None;
        let left: Vec<(LegId, State)> = lock(&shared.desktop.legs)
            .iter()
            .map(|(leg, l)| (*leg, l.state))
            .collect();
        for (leg, state) in left {
            let why = match state {
                State::Ringing => EndWhy::Rejected(NOT_THERE),
                State::Dialling => EndWhy::Cancelled,
                State::Up => EndWhy::Bye,
            };
            let _ = shared.end_here(leg, why, DesktopEnd::HungUp);
        }
        tracing::info!("the device at this machine is no longer a telephone");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emergency_is_placed_while_nothing_else_is() {
        assert!(may_place("01632 960001", false, false));
        assert!(!may_place("01632 960001", true, false));
        assert!(may_place("999", true, true));
        assert!(!may_place("", false, false) && !may_place("2\u{7}01", false, false));
        assert!(!may_place(&"9".repeat(DIALLED_BYTES_MAX + 1), false, false));
    }

    #[test]
    fn an_emergency_has_a_leg_of_its_own_when_all_are_taken() {
        let clock = crate::clock::Clock::start();
        let legs = DesktopLegs::default();
        for _ in 0..LEGS_MAX {
            assert!(legs.add(clock.leg_id(), State::Ringing, false).is_some());
        }
        assert!(legs.add(clock.leg_id(), State::Dialling, false).is_none());
        assert!(legs.add(clock.leg_id(), State::Dialling, true).is_some());
    }
}
