//! The telephone: the engine's device and the machine's sound, joined.

use crate::settings::Settings;
use crate::state::{CallState, Leg, State, View};
use anteroom_appliance::{Desktop, DesktopError, DesktopEvent, Engine, LocalAudio};
use anteroom_sound::{Devices, Headset, Line, SoundError};
use anteroom_types::{LegId, Pii};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// Why there is no telephone here.
#[derive(Debug, thiserror::Error)]
pub enum TelephoneError {
    /// The engine does not take the device.
    #[error("the device is no telephone of the desk")]
    Desk(#[from] DesktopError),
    /// The machine's sound cannot be started.
    #[error("the sound of this machine cannot be started")]
    Sound(#[from] std::io::Error),
}

/// The device's end of a call.
struct Wire(LocalAudio);

impl Line for Wire {
    fn capture(&mut self, samples: &[i16]) {
        self.0.capture(samples);
    }
    fn playback(&mut self, out: &mut [i16]) {
        // What is not there yet is silence already.
        let _ = self.0.playback(out);
    }
}

struct Inner {
    desktop: Desktop,
    headset: Headset,
    state: Arc<Mutex<State>>,
    settings: Mutex<Settings>,
    file: PathBuf,
    changed: Arc<watch::Sender<u64>>,
}

fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The telephone of who sits at this machine. Cheap to clone; its methods may be called from any thread.
#[derive(Clone)]
pub struct Telephone(Arc<Inner>);

impl std::fmt::Debug for Telephone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Telephone({:?})", self.0.desktop)
    }
}

impl Telephone {
    /// Makes this machine a telephone of `user`, or of the front desk. Which devices are used is kept in `file`.
    ///
    /// # Errors
    /// [`TelephoneError`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn start(engine: &Engine, user: Option<&str>, file: PathBuf) -> Result<Self, TelephoneError> {
        let settings = Settings::load(&file);
        let state = Arc::new(Mutex::new(State::default()));
        let changed = Arc::new(watch::channel(0).0);
        let (told, tell) = (Arc::clone(&state), Arc::clone(&changed));
        let headset = Headset::start(settings.choice(), move |event| {
            lock(&told).sound(event);
            tell.send_modify(|n| *n += 1);
        })?;
        let (desktop, mut events) = engine.connect_desktop(user, "Headset")?;
        let phone = Self(Arc::new(Inner {
            desktop,
            headset,
            state,
            settings: Mutex::new(settings),
            file,
            changed,
        }));
        // The task must not keep the telephone: who drops the last of it unregisters the device, which ends the task.
        let weak = Arc::downgrade(&phone.0);
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let Some(inner) = weak.upgrade() else { return };
                Self(inner).event(event);
            }
        });
        Ok(phone)
    }

    /// Whose telephone it is.
    #[must_use]
    pub fn user(&self) -> &str {
        self.0.desktop.user()
    }

    /// What to show now.
    #[must_use]
    pub fn view(&self) -> View {
        let levels = self.0.headset.levels();
        let levels = (levels.microphone_db, levels.headset_db);
        lock(&self.0.state).view(self.user(), self.0.headset.is_muted(), levels)
    }

    /// Changes whenever what is shown does; levels alone do not count.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    fn change(&self) {
        self.0.changed.send_modify(|n| *n += 1);
    }

    fn event(&self, event: DesktopEvent) {
        {
            let mut state = lock(&self.0.state);
            match event {
                DesktopEvent::Rings(r) => state.legs.push(Leg {
                    leg: r.leg,
                    call: Some(r.call),
                    with: r.from,
                    urgent: r.urgent,
                    state: CallState::Ringing,
                    brief: r.brief,
                    audio: None,
                }),
                DesktopEvent::Sounds { leg, audio } => {
                    if let Some(l) = state.leg(leg) {
                        l.audio = Some(audio.clone());
                        self.0.headset.connect(Box::new(Wire(audio)));
                    }
                }
                DesktopEvent::Answered { leg } => {
                    if let Some(l) = state.leg(leg) {
                        l.state = CallState::Talking;
                    }
                }
                DesktopEvent::Ended { leg, why } => {
                    let was = state.ended(leg, why);
                    if was.is_some_and(|l| l.audio.is_some() && l.state != CallState::Held) {
                        self.0.headset.disconnect();
                        self.0.headset.mute(false);
                    }
                }
            }
        }
        self.sound();
        self.change();
    }

    /// Rings, warms and rests as the calls want it.
    fn sound(&self) {
        let state = lock(&self.0.state);
        self.0.headset.ring(state.rings_aloud());
        if state.legs.is_empty() {
            self.0.headset.rest();
        } else {
            // From the first ring on: who answers is heard from the first word.
            self.0.headset.warm();
        }
    }

    /// Holds whoever is talked to now.
    fn hold_active(&self, state: &mut State) {
        for l in state.legs.iter_mut().filter(|l| l.state == CallState::Talking) {
            l.state = CallState::Held;
            if let Some(a) = &l.audio {
                a.hold(true);
            }
        }
    }

    /// Answers what rings: the leg named, or what has rung longest. False when nothing does any more.
    pub fn answer(&self, leg: Option<LegId>) -> bool {
        let done = {
            let mut state = lock(&self.0.state);
            let ringing =
                |l: &&Leg| l.state == CallState::Ringing && leg.is_none_or(|wanted| wanted == l.leg);
            let found = state.legs.iter().find(ringing).map(|l| l.leg);
            let audio = found.and_then(|leg| self.0.desktop.answer(leg));
            if let (Some(leg), Some(audio)) = (found, audio) {
                self.hold_active(&mut state);
                self.0.headset.mute(false);
                self.0.headset.connect(Box::new(Wire(audio.clone())));
                if let Some(l) = state.leg(leg) {
                    l.state = CallState::Talking;
                    l.brief = None;
                    l.audio = Some(audio);
                }
                true
            } else {
                false
            }
        };
        self.sound();
        self.change();
        done
    }

    /// Hangs up, or declines what rings.
    pub fn hang_up(&self, leg: LegId) {
        self.0.desktop.hang_up(leg);
    }

    /// Holds the other side, or takes it back.
    pub fn hold(&self, leg: LegId, held: bool) {
        {
            let mut state = lock(&self.0.state);
            let is = state.leg(leg).map(|l| (l.state, l.audio.clone()));
            match is {
                Some((CallState::Talking, Some(audio))) if held => {
                    audio.hold(true);
                    self.0.headset.disconnect();
                    if let Some(l) = state.leg(leg) {
                        l.state = CallState::Held;
                    }
                }
                Some((CallState::Held, Some(audio))) if !held => {
                    self.hold_active(&mut state);
                    audio.hold(false);
                    self.0.headset.connect(Box::new(Wire(audio)));
                    if let Some(l) = state.leg(leg) {
                        l.state = CallState::Talking;
                    }
                }
                _ => {}
            }
        }
        self.sound();
        self.change();
    }

    /// Sends nothing of the microphone, or does again.
    pub fn mute(&self, muted: bool) {
        self.0.headset.mute(muted);
        self.change();
    }

    /// Presses keys, heard by the other side as by any telephone.
    pub fn press(&self, digits: &str) {
        if let Some(audio) = lock(&self.0.state).active().and_then(|l| l.audio.clone()) {
            audio.press(digits);
        }
    }

    /// Dials. Whoever is talked to now is held.
    ///
    /// # Errors
    /// [`DesktopError::NotPlaced`].
    pub fn dial(&self, dialled: &str) -> Result<LegId, DesktopError> {
        let leg = {
            // Held while it is placed: what is told of it comes from another thread, and must find it.
            let mut state = lock(&self.0.state);
            self.hold_active(&mut state);
            let leg = self.0.desktop.place(dialled)?;
            state.legs.push(Leg {
                leg,
                call: None,
                with: Pii::new(dialled.trim().to_owned()),
                urgent: false,
                state: CallState::Dialling,
                brief: None,
                audio: None,
            });
            leg
        };
        self.0.headset.mute(false);
        self.sound();
        self.change();
        Ok(leg)
    }

    /// The devices there are now.
    ///
    /// # Errors
    /// When the operating system does not tell.
    pub fn devices() -> Result<Devices, SoundError> {
        anteroom_sound::devices()
    }

    /// Which devices were chosen.
    #[must_use]
    pub fn settings(&self) -> Settings {
        lock(&self.0.settings).clone()
    }

    /// Uses other devices from now on, and after the next start.
    ///
    /// # Errors
    /// When the choice cannot be kept; it holds until the program ends.
    pub fn choose(&self, settings: Settings) -> std::io::Result<()> {
        let settings = settings.bounded();
        self.0.headset.choose(settings.choice());
        let kept = settings.save(&self.0.file);
        *lock(&self.0.settings) = settings;
        self.change();
        kept
    }
}
