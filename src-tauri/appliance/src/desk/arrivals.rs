//! Calls that telephones of ours place: which call each becomes, or which call it comes into.

use super::Dialled;
use crate::call::{Arrival, Placed, Placing, ToCall};
use crate::engine::{Engine, lock};
use anteroom_call::desk::AdoptAs;
use anteroom_call::party::{Address, PersonId, Target};
use anteroom_reception::policy::Script;
use anteroom_types::{CallId, LegId};
use tokio::sync::mpsc;

impl Engine {
    /// `user` proved to be the caller.
    pub(crate) fn dialled(&self, user: &str, replaces: Option<LegId>, mut arrival: Arrival) {
        let shared = &self.shared;
        if let Some(old) = replaces {
            let to = lock(&shared.routes).get(&old).cloned();
            return self.joins(to, user, arrival, AdoptAs::Instead(old));
        }
        let now = shared.clock.wall();
        let (open, _) = shared.clinic.open_state(now);
        let what = match shared.desk.dialled(&shared.sip, user, &arrival.to, now, open) {
            Dialled::Receptionist => return self.admit(arrival),
            Dialled::Slot(slot) => {
                let call = lock(&shared.desk.parking).at(slot);
                return self.joins(self.mailbox(call), user, arrival, AdoptAs::Taker);
            }
            Dialled::Pickup => {
                let call = lock(&self.board).waits_longest();
                return self.joins(self.mailbox(call), user, arrival, AdoptAs::Taker);
            }
            Dialled::Refused(status) => return self.turn_away(&arrival, status),
            Dialled::Colleague { at } if at.is_empty() => return self.turn_away(&arrival, 480),
            Dialled::Colleague { at } => Placing::Colleague { at },
            Dialled::Outside(outside) => Placing::Outside(outside),
            Dialled::Automation { on } => {
                let who = lock(&shared.desk.people).owner(user).to_owned();
                shared
                    .desk
                    .set_automation(on, Some(who), &shared.clock, &shared.store);
                tracing::warn!(on, "automation was switched by a telephone");
                Placing::Told(if on {
                    Script::AutomationOn
                } else {
                    Script::AutomationOff
                })
            }
        };
        let by = self.device_of(user, &arrival);
        let name = lock(&shared.desk.people).name(by.who.as_str());
        // What a telephone says of itself is nobody's business: the call is its user's.
        arrival.from = by.who.as_str().into();
        arrival.placed = Some(Placed { by, name, what });
        self.admit(arrival);
    }

    /// The telephone comes into a call that is there.
    fn joins(&self, to: Option<mpsc::Sender<ToCall>>, user: &str, arrival: Arrival, what: AdoptAs) {
        let shared = &self.shared;
        let leg = arrival.leg;
        let Some(to) = to else {
            return self.turn_away(&arrival, 404);
        };
        let target = self.device_of(user, &arrival);
        // Before the call knows of it: what comes for the leg next comes after this.
        lock(&shared.routes).insert(leg, to.clone());
        let arrival = Box::new(arrival);
        let joins = ToCall::Joins {
            arrival,
            target,
            what,
        };
        if to.try_send(joins).is_err() {
            lock(&shared.routes).remove(&leg);
            let _ = shared.reject(leg, 404, None);
        }
    }

    /// What `user` rings from.
    fn device_of(&self, user: &str, arrival: &Arrival) -> Target {
        let desk = &self.shared.desk;
        if arrival.here {
            let who = PersonId::new(lock(&desk.people).owner(user));
            return Target {
                who,
                at: Address::Desktop,
            };
        }
        desk.device(&self.shared.sip, user, arrival.source)
    }

    fn mailbox(&self, call: Option<CallId>) -> Option<mpsc::Sender<ToCall>> {
        lock(&self.shared.calls).get(&call?).cloned()
    }

    fn turn_away(&self, arrival: &Arrival, status: u16) {
        let retry = (status == 503).then_some(self.shared.config.sip.retry_after_s);
        if let Err(e) = self.shared.reject(arrival.leg, status, retry) {
            tracing::warn!(error = %e, "a call of a telephone of ours could not be refused");
        }
    }
}
