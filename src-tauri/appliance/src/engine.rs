//! The engine: everything that runs while calls are answered.

use crate::alarm::Alarm;
use crate::bus::Bus;
use crate::call::{Arrival, Call, LEG_EVENTS_MAX, Placed, ToCall, TurnedAway};
use crate::clinic::Clinic;
use crate::clock::Clock;
use crate::concerns::{self, Concern};
use crate::config::Config;
use crate::desk::{Desk, Dialling, IceServers, People, Switch};
use crate::desktop::DesktopLegs;
use crate::metrics::Metrics;
use crate::place::Place;
use crate::screens::Screens;
use crate::speech::SpeechStack;
use crate::start::StartError;
use crate::{board, convert};
use anteroom_api::{LiveBoard, LiveEvent};
use anteroom_media::{MediaError, MediaFactory, MediaSession};
use anteroom_sip::{Sip, SipEvent};
use anteroom_store::{Store, StoreError};
use anteroom_types::{CallId, EventKind, LegId, TraceId};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};

/// SIP events that may wait for the engine; the SIP layer answers new calls with 503 while it is full.
const SIP_EVENTS_MAX: usize = 1_024;
/// Events at the end of a mended call that tell of the mending: the task, and the end.
const MENDING_EVENTS: usize = 2;

/// What every call shares.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) sip: Sip,
    pub(crate) media: MediaFactory,
    pub(crate) speech: SpeechStack,
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clinic: Arc<Clinic>,
    pub(crate) alarm: Alarm,
    pub(crate) desk: Desk,
    pub(crate) desktop: DesktopLegs,
    pub(crate) screens: Screens,
    /// Callers who were refused lately.
    pub(crate) turned_away: Mutex<TurnedAway>,
    /// Where events of a leg go.
    pub(crate) routes: Mutex<HashMap<LegId, mpsc::Sender<ToCall>>>,
    /// Where orders to a call go.
    pub(crate) calls: Mutex<HashMap<CallId, mpsc::Sender<ToCall>>>,
    /// Held while a task is changed and screens are told of it.
    pub(crate) task_changes: tokio::sync::Mutex<()>,
    /// Held while people are changed, in the store and for the telephones.
    pub(crate) people_changes: tokio::sync::Mutex<()>,
}

impl Shared {
    pub(crate) fn clinic(&self) -> &Clinic {
        &self.clinic
    }
    /// A media session for an offer, a browser's or any other, or one with an offer of ours where there was none.
    pub(crate) async fn session_for(
        &self,
        offer: Option<&str>,
    ) -> Result<(MediaSession, String), MediaError> {
        match offer {
            Some(offer) if anteroom_media::is_webrtc(offer) => self.media.answer_webrtc(offer).await,
            Some(offer) => self.media.answer(offer),
            None => self.media.offer(),
        }
    }
    /// The time on the clinic's wall.
    pub(crate) fn local_time(&self) -> jiff::civil::DateTime {
        self.clinic.local_time(self.clock.wall())
    }
}

/// A running engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) shared: Arc<Shared>,
    pub(crate) board: Arc<Mutex<LiveBoard>>,
    pub(crate) live: broadcast::Sender<LiveEvent>,
    calls_up: Arc<watch::Sender<usize>>,
    draining: Arc<AtomicBool>,
    concerns: Arc<[Concern]>,
    sip_addrs: Vec<(String, SocketAddr)>,
}

impl Engine {
    /// Starts everything that answers calls: opens the store, mends what an earlier run left, loads the models,
    /// renders what will be said, and listens last of all, so that the first caller is answered as well as the tenth.
    ///
    /// # Errors
    /// See [`StartError`]; nothing is left running.
    pub async fn start(config: Config, place: &Place) -> Result<Self, StartError> {
        let sip = convert::sip(&config)?;
        crate::start::listenable(&sip)?;
        let clock = Clock::start();
        let clinic = Arc::new(Clinic::load(&config)?);
        let store = crate::start::open_store(&config, place)?;
        crate::start::mend(&store, &clock, &clinic)?;
        let mut concerns = concerns::of_config(&config);
        concerns.extend(concerns::of_store(&config, &store)?);
        for c in &concerns {
            // Without what it says of people.
            tracing::warn!(concern = c.name, hint = c.hint, "something should be looked at");
        }
        let ice = IceServers::load(&config.desk)?;
        let metrics = Arc::new(Metrics::default());
        let speech = SpeechStack::load(&config, place, crate::speech::Need::Everything).await?;
        speech.warm(&clinic, &store).await?;
        let bus = Bus::start(store.clone(), Arc::clone(&metrics));
        let media = MediaFactory::new(convert::media(&config), clock.epoch()).map_err(StartError::Media)?;
        let (tx, events) = mpsc::channel(SIP_EVENTS_MAX);
        let sip = Sip::start(sip, tx).await.map_err(StartError::Sip)?;
        let mut people = People::default();
        people.set(&store.list_people()?);
        if config.desk.enabled {
            sip.set_users(people.sip_users()).map_err(StartError::Users)?;
        }
        let mut dialling = Dialling::new(&config);
        dialling.restore(&store, clock.wall())?;
        let switch = Switch::restore(&store)?;
        if !switch.on {
            tracing::warn!("automation is off since before the start: calls go to the desk");
        }
        let desk = Desk::new(people, dialling, ice, &config.desk, switch);
        let sip_addrs = sip
            .local_addrs()
            .into_iter()
            .map(|(t, a)| (t.as_param().to_owned(), a))
            .collect();
        let shared = Arc::new(Shared {
            config,
            clock,
            sip,
            media,
            speech,
            store,
            bus,
            metrics,
            alarm: Alarm::new(clinic.language()),
            desk,
            desktop: DesktopLegs::default(),
            screens: Screens::default(),
            turned_away: Mutex::default(),
            routes: Mutex::default(),
            calls: Mutex::default(),
            task_changes: tokio::sync::Mutex::default(),
            people_changes: tokio::sync::Mutex::default(),
            clinic,
        });
        let (board, live) = board::start(&shared).await?;
        shared.screens.open(&board, &live);
        let engine = Self {
            shared,
            board,
            live,
            calls_up: Arc::new(watch::channel(0).0),
            draining: Arc::default(),
            concerns: concerns.into(),
            sip_addrs,
        };
        tokio::spawn(engine.clone().dispatch(events));
        tokio::spawn(engine.clone().keep_state());
        tracing::info!("answering calls");
        Ok(engine)
    }

    /// What should be looked at, as it was at the start.
    #[must_use]
    pub fn concerns(&self) -> &[Concern] {
        &self.concerns
    }

    /// Where SIP is listened for: transport and address.
    #[must_use]
    pub fn sip_addrs(&self) -> &[(String, SocketAddr)] {
        &self.sip_addrs
    }

    /// What is counted and measured, as Prometheus text.
    #[must_use]
    pub fn metrics(&self) -> String {
        let up = i64::try_from(*self.calls_up.borrow()).unwrap_or(i64::MAX);
        self.shared.metrics.calls_up.set(up);
        self.shared.metrics.sip(&self.shared.sip.counters());
        self.shared.metrics.render()
    }

    /// Whether no new calls are taken.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Calls in progress.
    #[must_use]
    pub fn calls_up(&self) -> usize {
        *self.calls_up.borrow()
    }

    /// Takes no new calls, and waits until the last has ended or the time is up. Returns the calls still up.
    pub async fn drain(&self, longest: Duration) -> usize {
        self.draining.store(true, Ordering::Relaxed);
        self.shared.sip.drain();
        let mut up = self.calls_up.subscribe();
        let _ = tokio::time::timeout(longest, up.wait_for(|n| *n == 0)).await;
        let left = self.calls_up();
        tracing::info!(calls_left = left, "drained");
        left
    }

    /// Hands each SIP event to its call, and makes a call of each INVITE.
    async fn dispatch(self, mut events: mpsc::Receiver<SipEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                SipEvent::Incoming {
                    leg,
                    from,
                    to,
                    trunk,
                    source,
                    user,
                    replaces,
                    offer,
                    received,
                    ..
                } => {
                    let arrival = Arrival {
                        leg,
                        from,
                        to,
                        trunk,
                        source,
                        offer,
                        here: false,
                        received,
                        placed: None,
                    };
                    match user {
                        Some(user) => self.dialled(&user, replaces, arrival),
                        None => self.admit(arrival),
                    }
                }
                SipEvent::TurnedAway { from, to, trunk } => {
                    self.shared.tell_turned_away(from, to, trunk);
                }
                SipEvent::Trunk { name, state } => {
                    tracing::info!(trunk = name, state = ?state, "a trunk changed");
                }
                SipEvent::Registered { contact, .. } => {
                    tracing::info!(websocket = contact.websocket, "a telephone registered");
                }
                SipEvent::Unregistered { why, .. } => {
                    tracing::info!(?why, "a telephone is no longer registered");
                }
                SipEvent::Offer { leg, .. }
                | SipEvent::Answer { leg, .. }
                | SipEvent::OfferRejected { leg, .. }
                | SipEvent::Acked { leg }
                | SipEvent::Progress { leg, .. }
                | SipEvent::Established { leg }
                | SipEvent::Dtmf { leg, .. }
                | SipEvent::Refer { leg, .. }
                | SipEvent::Ended { leg, .. } => {
                    let to = lock(&self.shared.routes).get(&leg).cloned();
                    if let Some(to) = to {
                        ToCall::pass(&to, leg, event);
                    }
                }
            }
        }
    }

    pub(crate) fn admit(&self, arrival: Arrival) {
        let shared = &self.shared;
        // A call whose facts could not be written is better taken by the next trunk or machine.
        let emergency = arrival.placed.as_ref().is_some_and(Placed::is_emergency);
        if !shared.bus.is_healthy() && !emergency {
            let retry = Some(shared.config.sip.retry_after_s);
            let _ = shared.reject(arrival.leg, 503, retry);
            // Written once the store can be written again.
            if arrival.placed.is_none() {
                shared.tell_turned_away(arrival.from, arrival.to, arrival.trunk);
            }
            return;
        }
        shared.metrics.calls_offered.inc();
        let (call, trace): (CallId, TraceId) = (shared.clock.call_id(), shared.clock.trace_id());
        let leg = arrival.leg;
        let (tx, rx) = mpsc::channel(LEG_EVENTS_MAX);
        lock(&shared.routes).insert(leg, tx.clone());
        lock(&shared.calls).insert(call, tx.clone());
        let count = Arc::clone(&self.calls_up);
        count.send_modify(|n| *n += 1);
        // Whom a colleague wanted is not owed a call by the desk.
        let from = arrival.from.clone();
        let task = tokio::spawn(Call::new(Arc::clone(shared), call, trace, arrival, (tx, rx)).run());
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            if let Err(e) = task.await {
                // A defect in one call must not leave its caller on a dead line, nor touch another call; and somebody
                // rings back.
                tracing::error!(trace = %trace, panicked = e.is_panic(), "a call was lost");
                let _ = shared.bye(leg);
                let mending = Arc::clone(&shared);
                let mend = move || -> Result<(), StoreError> {
                    let shared = &mending;
                    crate::start::mend_call(&shared.store, &shared.clock, &shared.clinic, call, Some(&from))?;
                    // Screens hear of its end and of the task, too.
                    let record = shared.store.get_call(call)?;
                    let events = record.map(|r| r.events).unwrap_or_default();
                    let last = events.len().saturating_sub(MENDING_EVENTS);
                    for event in events.into_iter().skip(last) {
                        if matches!(
                            event.kind,
                            EventKind::TaskCreated { .. } | EventKind::Ended { .. }
                        ) {
                            shared.bus.show(event);
                        }
                    }
                    Ok(())
                };
                if let Ok(Err(e)) = tokio::task::spawn_blocking(mend).await {
                    tracing::error!(trace = %trace, error = %anteroom_types::error::chain(&e),
                        "its callback task is made at the next start");
                }
            }
            lock(&shared.calls).remove(&call);
            lock(&shared.routes).remove(&leg);
            lock(&shared.desk.parking).release_call(call);
            shared.queue(|q, now| q.leave(now, call));
            count.send_modify(|n| *n -= 1);
        });
    }
}

/// Locks a mutex whose holder cannot leave it half changed.
pub(crate) fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}
