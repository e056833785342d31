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
use anteroom_types::{CallId, Wall};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// How the kill switch stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Switch {
    pub(crate) on: bool,
    pub(crate) since: Option<Wall>,
    pub(crate) by: Option<String>,
}

/// What all calls share of the desk.
pub(crate) struct Desk {
    pub(crate) people: Mutex<People>,
    pub(crate) parking: Mutex<ParkingLot>,
    pub(crate) queue: Mutex<Queue>,
    pub(crate) dialling: Arc<Mutex<Dialling>>,
    pub(crate) ice: IceServers,
    switch: watch::Sender<Switch>,
    strategy: RingStrategy,
    times: RingTimes,
}

impl Desk {
    pub(crate) fn new(people: People, dialling: Dialling, ice: IceServers, config: &DeskSection) -> Self {
        let (switch, _) = watch::channel(Switch {
            on: true,
            since: None,
            by: None,
        });
        Self {
            people: Mutex::new(people),
            ice,
            switch,
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
    pub(crate) fn set_automation(&self, on: bool, by: Option<String>, clock: &Clock) -> Switch {
        self.switch.send_if_modified(|s| {
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
        self.switch()
    }
}
