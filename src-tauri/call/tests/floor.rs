//! Several callers, few people, one queue and one parking lot: the shared parts and the calls together, under a seed.
//!
//! People do one thing at a time: who is rung and free answers after a moment, talks, sometimes parks the caller for a
//! colleague, and hangs up. Callers have patience, or not.

use anteroom_call::desk::{
    Briefing, By, Command, DeskCall, DeskConfig, DeskEffect, DeskInput, DeskOutcome, HandOver,
};
use anteroom_call::leg::LegEnd;
use anteroom_call::parking::ParkingLot;
use anteroom_call::party::{PersonId, Target};
use anteroom_call::queue::{Queue, QueueConfig, QueueEffect};
use anteroom_call::ring::{Availability, Fallback, GroupMember, RingPlan, RingStrategy, RingTimes};
use anteroom_types::{CallId, LegId, Mono};
use std::collections::{BTreeMap, BTreeSet};

const PEOPLE: [&str; 3] = ["ann", "bob", "cat"];

/// SplitMix64.
struct Rng(u64);
impl Rng {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

enum Event {
    Arrives(CallId),
    GivesUp(CallId),
    Lifts(CallId, LegId),
    Parks(CallId, LegId),
    Fetches(CallId),
    HangsUp(CallId, LegId),
    /// So many people have telephones from now on.
    There(usize),
    Turn(CallId),
    Tell(CallId, DeskInput),
}

struct Floor {
    strategy: RingStrategy,
    /// Of how many people there are telephones, from the first.
    there: usize,
    rng: Rng,
    now: u64,
    calls: BTreeMap<CallId, DeskCall>,
    queue: Queue,
    lot: ParkingLot,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    /// Which person's telephone each leg is, while it rings or talks.
    legs: BTreeMap<LegId, usize>,
    talking: BTreeMap<LegId, u64>,
    outcomes: BTreeMap<CallId, DeskOutcome>,
    tasks: BTreeMap<CallId, u32>,
    parked: u32,
}

fn caller(call: CallId) -> LegId {
    LegId::from_u128(call.to_u128() * 1_000)
}

impl Floor {
    fn new(seed: u64) -> Self {
        Self {
            strategy: RingStrategy::All,
            there: PEOPLE.len(),
            rng: Rng(seed),
            now: 0,
            calls: BTreeMap::new(),
            queue: Queue::new(QueueConfig::default()),
            lot: ParkingLot::new(1, 2),
            events: BTreeMap::new(),
            sequence: 0,
            legs: BTreeMap::new(),
            talking: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            tasks: BTreeMap::new(),
            parked: 0,
        }
    }

    fn after(&mut self, ms: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + ms, self.sequence), event);
    }

    fn is_busy(&self, person: usize) -> bool {
        self.talking.keys().any(|l| self.legs.get(l) == Some(&person))
    }

    fn rings(&self, person: usize) -> bool {
        let rung = |(leg, who): (&LegId, &usize)| *who == person && !self.talking.contains_key(leg);
        self.legs.iter().any(rung)
    }

    fn plan(&self, fallback: Fallback) -> RingPlan {
        let member = |(i, name): (usize, &&str)| {
            let who = PersonId::new(name);
            GroupMember {
                devices: (i < self.there)
                    .then(|| Target::contact(&who, 1).at)
                    .into_iter()
                    .collect(),
                is: if self.is_busy(i) {
                    Availability::Busy
                } else {
                    Availability::Free
                },
                rings: self.rings(i),
                idle_since: None,
                who,
            }
        };
        let members: Vec<GroupMember> = PEOPLE.iter().enumerate().map(member).collect();
        RingPlan::of_group(self.strategy, &members, RingTimes::default(), fallback, false)
    }

    fn tell(&mut self, call: CallId, input: DeskInput) {
        let now = Mono::from_ms(self.now);
        let Some(desk) = self.calls.get_mut(&call) else {
            return;
        };
        let effects = desk.handle(now, input);
        self.carry_out(call, effects);
    }

    fn command(&mut self, call: CallId, by: &By, command: Command) -> bool {
        let now = Mono::from_ms(self.now);
        let Some(Ok(effects)) = self.calls.get_mut(&call).map(|d| d.control(now, by, command)) else {
            return false;
        };
        self.carry_out(call, effects);
        true
    }

    fn carry_out(&mut self, call: CallId, effects: Vec<DeskEffect>) {
        let now = Mono::from_ms(self.now);
        for e in effects {
            match e {
                DeskEffect::Dial { leg, target, .. } => {
                    let person = PEOPLE.iter().position(|n| *n == target.who.as_str()).unwrap();
                    if self.is_busy(person) {
                        let end = LegEnd::Refused(486);
                        self.after(50, Event::Tell(call, DeskInput::LegEnded { leg, end }));
                    } else {
                        self.legs.insert(leg, person);
                        let ms = 500 + self.rng.below(12_000);
                        self.after(ms, Event::Lifts(call, leg));
                    }
                }
                DeskEffect::Cancel { leg, .. } => {
                    self.legs.remove(&leg);
                    let end = LegEnd::Cancelled;
                    self.after(20, Event::Tell(call, DeskInput::LegEnded { leg, end }));
                }
                DeskEffect::HangUp { leg, .. } => {
                    self.puts_down(leg);
                    let end = LegEnd::HungUp;
                    self.after(20, Event::Tell(call, DeskInput::LegEnded { leg, end }));
                }
                DeskEffect::Play { leg, play, .. } => {
                    self.after(1_000, Event::Tell(call, DeskInput::Played { leg, play }));
                }
                DeskEffect::JoinQueue => {
                    let effects = self.queue.join(now, call, false);
                    self.queue_says(effects);
                }
                DeskEffect::LeaveQueue => {
                    let effects = self.queue.leave(now, call);
                    self.queue_says(effects);
                }
                DeskEffect::FreeSlot { slot } => self.lot.release(slot, call),
                DeskEffect::CreateTask(_) => *self.tasks.entry(call).or_default() += 1,
                DeskEffect::Finish(outcome) => {
                    assert!(self.outcomes.insert(call, outcome).is_none(), "finished twice");
                }
                _ => {}
            }
        }
    }

    fn puts_down(&mut self, leg: LegId) {
        self.legs.remove(&leg);
        if let Some(since) = self.talking.remove(&leg) {
            let effects = self.queue.talked(Mono::from_ms(self.now), self.now - since);
            self.queue_says(effects);
        }
    }

    fn queue_says(&mut self, effects: Vec<QueueEffect>) {
        for e in effects {
            match e {
                QueueEffect::Position {
                    call,
                    position,
                    wait_ms,
                } => {
                    self.after(
                        1,
                        Event::Tell(call, DeskInput::QueuePosition { position, wait_ms }),
                    );
                }
                QueueEffect::Turn { call } => self.after(1, Event::Turn(call)),
                QueueEffect::Refused { call } => self.after(1, Event::Tell(call, DeskInput::QueueRefused)),
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Arrives(call) => {
                self.calls
                    .insert(call, DeskCall::incoming(DeskConfig::default(), caller(call)));
                let plan = self.plan(Fallback::Queue);
                self.tell(
                    call,
                    DeskInput::HandOver(HandOver {
                        plan,
                        briefing: Briefing::Screen,
                        sentence_ms: Some(2_000),
                        task_made: false,
                        urgent: false,
                    }),
                );
            }
            Event::GivesUp(call) => {
                let (leg, end) = (caller(call), LegEnd::HungUp);
                self.tell(call, DeskInput::LegEnded { leg, end });
            }
            // Who has begun to talk on another line leaves this one ringing.
            Event::Lifts(call, leg) => {
                let Some(person) = self.legs.get(&leg).copied() else {
                    return;
                };
                if self.is_busy(person) {
                    return;
                }
                self.talking.insert(leg, self.now);
                self.tell(call, DeskInput::LegAnswered { leg, screen: true });
                let ms = 5_000 + self.rng.below(120_000);
                if self.rng.below(5) == 0 {
                    self.after(ms, Event::Parks(call, leg));
                } else {
                    self.after(ms, Event::HangsUp(call, leg));
                }
            }
            Event::Parks(call, leg) => {
                let Ok(slot) = self.lot.reserve(call, None) else {
                    return self.happen(Event::HangsUp(call, leg));
                };
                if self.command(call, &By::Leg(leg), Command::Park { slot }) {
                    self.parked += 1;
                    let ms = self.rng.below(150_000);
                    self.after(ms, Event::Fetches(call));
                } else {
                    self.lot.release(slot, call);
                }
            }
            Event::Fetches(call) => {
                let who = PersonId::new(PEOPLE[usize::try_from(self.rng.below(3)).unwrap()]);
                let at = vec![Target::contact(&who, 1)];
                self.command(call, &By::Person(who), Command::Take { at });
            }
            Event::HangsUp(call, leg) => {
                if self.talking.contains_key(&leg) {
                    self.puts_down(leg);
                    let end = LegEnd::HungUp;
                    self.tell(call, DeskInput::LegEnded { leg, end });
                }
            }
            Event::There(n) => self.there = n,
            // Who is rung for one call is known before the next one's plan is made.
            Event::Turn(call) => {
                let plan = self.plan(Fallback::Queue);
                self.tell(call, DeskInput::QueueTurn(plan));
            }
            Event::Tell(call, input) => self.tell(call, input),
        }
        let free = (0..self.there).filter(|p| !self.is_busy(*p)).count();
        let serving = u16::try_from(self.there).unwrap();
        let now = Mono::from_ms(self.now);
        let effects = self.queue.people(now, serving, u16::try_from(free).unwrap());
        self.queue_says(effects);
    }

    fn run(&mut self) {
        self.run_until(u64::MAX);
    }

    /// Runs until that moment, or until nothing is left to happen.
    fn run_until(&mut self, until: u64) {
        loop {
            let event = self.events.first_key_value().map(|(k, _)| k.0);
            let desks = self
                .calls
                .iter()
                .filter_map(|(c, d)| Some((d.next_timeout()?.as_ms(), *c)));
            let desk = desks.min();
            let queue = self.queue.next_timeout().map(Mono::as_ms);
            let next = event.into_iter().chain(desk.map(|d| d.0)).chain(queue).min();
            let Some(at) = next.filter(|at| *at <= until) else {
                return;
            };
            self.now = self.now.max(at);
            assert!(self.now < 24 * 3_600_000, "it never ends");
            if event == Some(at) {
                let (_, event) = self.events.pop_first().unwrap();
                self.happen(event);
            } else if let Some((_, call)) = desk.filter(|d| d.0 == at) {
                self.tell(call, DeskInput::Tick);
            } else {
                let effects = self.queue.tick(Mono::from_ms(self.now));
                self.queue_says(effects);
            }
            self.check();
        }
    }

    fn check(&self) {
        let mut people = BTreeSet::new();
        for leg in self.talking.keys() {
            assert!(people.insert(self.legs[leg]), "somebody is on two calls");
        }
        for (slot, call) in self.lot.parked() {
            assert!(
                !self.outcomes.contains_key(&call),
                "slot {slot} is kept by a call that is over"
            );
        }
        for call in self.queue.calls() {
            assert!(
                !self.outcomes.contains_key(&call),
                "a call that is over is in the queue"
            );
        }
    }
}

#[test]
fn every_caller_is_answered_or_leaves_one_task_and_nothing_shared_is_left_behind() {
    let (mut answered, mut abandoned, mut parked) = (0, 0, 0);
    let strategies = [
        RingStrategy::All,
        RingStrategy::InOrder,
        RingStrategy::LongestIdle,
    ];
    for (seed, strategy) in (0..400).zip(strategies.into_iter().cycle()) {
        let mut f = Floor::new(seed);
        f.strategy = strategy;
        let calls: Vec<CallId> = (1..=8).map(CallId::from_u128).collect();
        for call in &calls {
            let at = f.rng.below(90_000);
            f.after(at, Event::Arrives(*call));
            if f.rng.below(4) == 0 {
                let patience = f.rng.below(120_000);
                f.after(at + 1 + patience, Event::GivesUp(*call));
            }
            // Nobody talks for two hours.
            f.after(7_200_000, Event::GivesUp(*call));
        }
        f.run();
        assert!(f.queue.is_empty() && f.lot.parked().count() == 0, "seed {seed}");
        assert!(f.talking.is_empty(), "seed {seed}: somebody is left on a line");
        for call in &calls {
            let tasks = f.tasks.get(call).copied().unwrap_or(0);
            match f.outcomes[call] {
                DeskOutcome::Talked => {
                    answered += 1;
                    assert_eq!(tasks, 0, "seed {seed}: {call}");
                }
                outcome => {
                    abandoned += 1;
                    assert_eq!(tasks, 1, "seed {seed}: {call} ended as {outcome:?}");
                }
            }
        }
        parked += f.parked;
    }
    assert!(
        answered > 1_500 && abandoned > 200 && parked > 200,
        "{answered} {abandoned} {parked}"
    );
}

#[test]
fn where_no_telephone_is_there_callers_wait_for_a_minute_and_go_on() {
    let mut f = Floor::new(1);
    f.there = 0;
    let calls: Vec<CallId> = (1..=3).map(CallId::from_u128).collect();
    for (n, call) in calls.iter().enumerate() {
        f.after(10_000 * u64::try_from(n).unwrap(), Event::Arrives(*call));
    }
    f.run();
    assert!(f.now < 80_000, "the last word was said after {} ms", f.now);
    for call in &calls {
        assert_eq!(f.outcomes[call], DeskOutcome::Callback);
        assert_eq!(f.tasks[call], 1);
    }
    assert!(f.queue.is_empty());
}

#[test]
fn two_who_wait_ring_the_two_who_are_free_and_neither_waits_for_the_other() {
    for strategy in [RingStrategy::InOrder, RingStrategy::LongestIdle] {
        let mut f = Floor::new(1);
        f.strategy = strategy;
        f.there = 0;
        let calls = [CallId::from_u128(1), CallId::from_u128(2)];
        for call in calls {
            f.after(0, Event::Arrives(call));
        }
        f.after(30_000, Event::There(2));
        f.run_until(29_999);
        assert_eq!(f.queue.len(), 2);
        f.run_until(30_010);
        let rung: BTreeSet<usize> = f.legs.values().copied().collect();
        assert_eq!(rung, BTreeSet::from([0, 1]), "{strategy:?}");
        // Nobody lets it ring for longer than 13 s, in this world.
        f.run_until(43_000);
        assert!(
            f.queue.is_empty() && f.tasks.is_empty(),
            "{strategy:?}: somebody was left idle"
        );
    }
}
