//! The desk: who can be rung, and whether the machine answers at all.

mod arrivals;
mod dialling;
mod ice;
mod lamps;
mod orders;
mod people;
mod queue;

pub(crate) use dialling::{Dialled, Dialling, Outside, Reserved};
pub(crate) use ice::IceServers;
pub(crate) use lamps::Lamps;
pub(crate) use people::People;

use crate::clock::Clock;
use crate::config::DeskSection;
use anteroom_call::parking::ParkingLot;
use anteroom_call::queue::Queue;
use anteroom_call::ring::{Fallback, RingPlan, RingStrategy, RingTimes};
use anteroom_sip::Sip;
use anteroom_store::{Store, StoreError};
use anteroom_types::{CallId, Wall};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// Where the kill switch is kept: a restart does not throw it back.
const SWITCH: &str = "desk.automation";

/// How the kill switch stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Switch {
    pub(crate) on: bool,
    pub(crate) since: Option<Wall>,
    pub(crate) by: Option<String>,
}

impl Switch {
    /// How it stood when the machine was stopped. One that cannot be read is off: callers ring through to people.
    pub(crate) fn restore(store: &Store) -> Result<Self, StoreError> {
        let Some(kept) = store.setting(SWITCH)? else {
            return Ok(Self {
                on: true,
                since: None,
                by: None,
            });
        };
        Ok(serde_json::from_str(&kept).unwrap_or_else(|e| {
            tracing::error!(error = %e, "how automation was switched cannot be read; it is off");
            Self {
                on: false,
                since: None,
                by: None,
            }
        }))
    }
}

impl Switch {
    /// Keeps it, and in the audit chain who changed it. Blocks until it is on the disk.
    pub(crate) fn keep(&self, store: &Store) -> Result<(), StoreError> {
        // Three plain fields: there is nothing in it that could not be written.
        let text = serde_json::to_string(self).unwrap_or_default();
        store.set_setting(SWITCH, Some(&text), self.by.as_deref().unwrap_or("desk"))
    }
}

/// What all calls share of the desk.
pub(crate) struct Desk {
    pub(crate) people: Mutex<People>,
    pub(crate) parking: Mutex<ParkingLot>,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) dialling: Arc<Mutex<Dialling>>,
    pub(crate) ice: IceServers,
    switch: watch::Sender<Switch>,
    /// Held while how it stands is written.
    keeping: Arc<Mutex<()>>,
    strategy: RingStrategy,
    times: RingTimes,
}

impl Desk {
    pub(crate) fn new(
        people: People,
        dialling: Dialling,
        ice: IceServers,
        config: &DeskSection,
        switch: Switch,
    ) -> Self {
        let (switch, _) = watch::channel(switch);
        Self {
            people: Mutex::new(people),
            ice,
            switch,
            keeping: Arc::default(),
            queue: Mutex::new(Queue::new(config.queue())),
            dialling: Arc::new(Mutex::new(dialling)),
            parking: Mutex::new(ParkingLot::new(config.park_first, config.park_slots)),
            strategy: config.strategy(),
            times: config.times(),
        }
    }

    /// Whom to ring for the caller of `call` now.
    pub(crate) fn plan(&self, sip: &Sip, call: CallId, fallback: Fallback, urgent: bool) -> RingPlan {
        let contacts = sip.registrations();
        let mut people = crate::engine::lock(&self.people);
        let members = people.members(call, &contacts);
        let plan = RingPlan::of_group(self.strategy, &members, self.times, fallback, urgent);
        // Another call's plan may be made before this one rings anybody.
        let first = plan.steps.first().map_or(&[][..], |s| &s.targets[..]);
        people.will_ring(call, first.iter().map(|t| &t.who));
        plan
    }

    /// How the kill switch stands.
    pub(crate) fn switch(&self) -> Switch {
        self.switch.borrow().clone()
    }

    /// Whether the machine answers callers.
    pub(crate) fn automation(&self) -> bool {
        self.switch.borrow().on
    }

    /// Tells when the kill switch is thrown.
    pub(crate) fn watch(&self) -> watch::Receiver<Switch> {
        self.switch.subscribe()
    }

    /// Throws the kill switch. Calls in progress see it at once.
    pub(crate) fn set_automation(
        &self,
        on: bool,
        by: Option<String>,
        clock: &Clock,
        store: &Store,
    ) -> Switch {
        let changed = self.switch.send_if_modified(|s| {
            let changed = s.on != on;
            if changed {
                *s = Switch {
                    on,
                    since: Some(clock.wall()),
                    by,
                };
            }
            changed
        });
        if changed {
            self.keep_switch(store);
        }
        self.switch()
    }

    /// Keeps how it stands, and in the audit chain who changed it. Away from calls, which see it at once. Each thread writes how
    /// it stands when its turn comes, so that the last one to write is right.
    fn keep_switch(&self, store: &Store) {
        let (stands, turn, store) = (self.switch.subscribe(), Arc::clone(&self.keeping), store.clone());
        std::thread::spawn(move || {
            let _turn = crate::engine::lock(&turn);
            let switch = stands.borrow().clone();
            if let Err(e) = switch.keep(&store) {
                tracing::error!(error = %anteroom_types::error::chain(&e), "how automation is switched could not be kept; a restart would not know it");
            }
        });
    }
}
