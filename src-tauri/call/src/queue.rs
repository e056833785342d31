//! Several callers wait for few people: order, places, expected waits, and whose turn it is.
//!
//! One queue is shared by many calls; the composition root translates. A call's `JoinQueue` is [`Queue::join`], its
//! `LeaveQueue` is [`Queue::leave`], what comes back is told to the calls as `QueuePosition`, `QueueTurn` and
//! `QueueRefused`. A call that was rung for in vain joins again and keeps its place.
//!
//! Invariants: nobody is told two places at once, places are 1, 2, 3 without gaps, an urgent caller is before all
//! who are not, no more calls are rung for than there are people to answer, and nobody waits for longer than
//! [`UNSERVED_MS_MAX`] where nobody serves.

use anteroom_types::{CallId, Mono};

/// Callers one queue holds, unless configured lower. Who comes then is refused, and falls back to a message.
pub const QUEUE_CALLERS_MAX: usize = 100;

/// How long callers wait while nobody serves the queue at all, milliseconds. A telephone that registers anew is back by
/// then; after it, music is a promise that nobody keeps.
pub const UNSERVED_MS_MAX: u64 = 60_000;

/// How a queue behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueConfig {
    /// Callers it holds.
    pub callers_max: usize,
    /// After a call was rung for in vain, how long before it is rung for again, milliseconds.
    pub again_ms: u64,
}

impl Default for QueueConfig {
    fn default() -> Self {
        Self {
            callers_max: 30,
            again_ms: 10_000,
        }
    }
}

/// What a queue wants told to its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueEffect {
    /// Its place has changed, or its wait by a minute or more.
    Position {
        /// The call.
        call: CallId,
        /// From 1.
        position: u16,
        /// Expected wait, milliseconds; `None` before anything was measured.
        wait_ms: Option<u64>,
    },
    /// It is its turn: ring for it.
    Turn {
        /// The call.
        call: CallId,
    },
    /// There is no room for it, or nobody to serve it. Who waits already and is told so is to leave; until they do, they
    /// wait on, and are told again.
    Refused {
        /// The call.
        call: CallId,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    /// For its turn, not before this moment.
    From(Mono),
    /// It is rung for.
    RungFor,
}

#[derive(Debug, Clone)]
struct Entry {
    call: CallId,
    urgent: bool,
    waits: Waits,
    told: Option<(u16, Option<u64>)>,
}

/// The queue. See the module.
#[derive(Debug, Clone)]
pub struct Queue {
    config: QueueConfig,
    entries: Vec<Entry>,
    /// People who are with nobody, whether they ring or not: who is rung for is counted by the entries.
    free: u16,
    /// People who serve the queue at all, busy or not.
    serving: u16,
    /// Since when somebody is in it and nobody serves it.
    unserved: Option<Mono>,
    /// Moving average of how long a person is busy with one call, milliseconds.
    busy_ms: Option<u64>,
}

impl Queue {
    /// An empty queue that nobody serves.
    #[must_use]
    pub const fn new(config: QueueConfig) -> Self {
        Self {
            config,
            entries: Vec::new(),
            free: 0,
            serving: 0,
            unserved: None,
            busy_ms: None,
        }
    }

    /// How many callers are in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The calls in it, first come first.
    pub fn calls(&self) -> impl Iterator<Item = CallId> {
        self.entries.iter().map(|e| e.call)
    }

    /// A call comes in, or comes back after it was rung for in vain; then it keeps its place. An urgent one goes before
    /// all that are not, and is not sent away because others wait.
    #[must_use]
    pub fn join(&mut self, now: Mono, call: CallId, urgent: bool) -> Vec<QueueEffect> {
        if let Some(at) = self.entries.iter().position(|e| e.call == call) {
            // Once urgent it stays so. One that becomes urgent goes before all that are not.
            let at = if urgent && !self.entries[at].urgent {
                let mut e = self.entries.remove(at);
                e.urgent = true;
                let to = self.entries.iter().take_while(|e| e.urgent).count();
                self.entries.insert(to, e);
                to
            } else {
                at
            };
            let e = &mut self.entries[at];
            if e.waits == Waits::RungFor {
                // Where nobody is there to be spared, it is not kept waiting either.
                let again_ms = if self.serving == 0 {
                    0
                } else {
                    self.config.again_ms
                };
                e.waits = Waits::From(now.plus_ms(again_ms));
            }
            // It may have heard its place long ago.
            e.told = None;
            return self.tell(now);
        }
        let max = if urgent {
            QUEUE_CALLERS_MAX
        } else {
            self.config.callers_max
        };
        if self.entries.len() >= max.min(QUEUE_CALLERS_MAX) {
            return vec![QueueEffect::Refused { call }];
        }
        let at = if urgent {
            self.entries.iter().take_while(|e| e.urgent).count()
        } else {
            self.entries.len()
        };
        self.entries.insert(
            at,
            Entry {
                call,
                urgent,
                waits: Waits::From(now),
                told: None,
            },
        );
        self.tell(now)
    }

    /// The calls that are rung for now.
    pub fn rung(&self) -> impl Iterator<Item = CallId> {
        let rung = |e: &&Entry| e.waits == Waits::RungFor;
        self.entries.iter().filter(rung).map(|e| e.call)
    }

    /// A call is no longer in it: somebody has it, or it gave up. Of one that was rung for it is believed that it was
    /// answered, until [`Queue::people`] says who is free: the next is not to be rung for on the strength of somebody who
    /// has just begun to talk.
    #[must_use]
    pub fn leave(&mut self, now: Mono, call: CallId) -> Vec<QueueEffect> {
        if self.rung().any(|c| c == call) {
            self.free = self.free.saturating_sub(1);
        }
        self.entries.retain(|e| e.call != call);
        self.tell(now)
    }

    /// How many people serve the queue, and how many of them could answer now. Whoever rings for a call of
    /// [`Queue::rung`], or is about to be connected with one, counts as one who could: such calls are counted here.
    #[must_use]
    pub fn people(&mut self, now: Mono, serving: u16, free: u16) -> Vec<QueueEffect> {
        self.serving = serving;
        self.free = free.min(serving);
        self.tell(now)
    }

    /// A person was busy with a call of this queue for so long, from answering to being free again.
    #[must_use]
    pub fn talked(&mut self, now: Mono, ms: u64) -> Vec<QueueEffect> {
        // One call weighs an eighth: a long one does not frighten everybody who waits.
        self.busy_ms = Some(self.busy_ms.map_or(ms, |avg| avg - avg / 8 + ms / 8));
        self.tell(now)
    }

    /// Time passed.
    #[must_use]
    pub fn tick(&mut self, now: Mono) -> Vec<QueueEffect> {
        self.tell(now)
    }

    /// When [`Queue::tick`] is due at the latest.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Mono> {
        let room = self.rung_for() < usize::from(self.free);
        let from = |e: &Entry| match e.waits {
            Waits::From(t) => Some(t),
            Waits::RungFor => None,
        };
        let next = self.entries.iter().filter_map(from).min()?;
        match self.unserved {
            Some(since) => Some(next.max(since.plus_ms(UNSERVED_MS_MAX))),
            None => Some(next).filter(|_| room),
        }
    }

    fn rung_for(&self) -> usize {
        self.rung().count()
    }

    fn wait_ms(&self, position: usize) -> Option<u64> {
        let serving = u64::from(self.serving);
        let busy = self.busy_ms.filter(|_| serving > 0)?;
        Some(busy.saturating_mul(u64::try_from(position).unwrap_or(u64::MAX)) / serving)
    }

    /// Gives up those who wait where nobody has served for too long. Who is rung for is told when that came to nothing.
    fn give_up(&mut self, now: Mono) -> Vec<QueueEffect> {
        let again = now.plus_ms(self.config.again_ms);
        let mut out = Vec::new();
        for e in &mut self.entries {
            if matches!(e.waits, Waits::From(t) if now >= t) {
                e.waits = Waits::From(again);
                out.push(QueueEffect::Refused { call: e.call });
            }
        }
        out
    }

    /// Whose turn it is, and who is to be told a new place.
    fn tell(&mut self, now: Mono) -> Vec<QueueEffect> {
        if self.serving > 0 || self.entries.is_empty() {
            self.unserved = None;
        } else if now.ms_since(*self.unserved.get_or_insert(now)) >= UNSERVED_MS_MAX {
            return self.give_up(now);
        }
        let mut out = Vec::new();
        let mut rooms = usize::from(self.free).saturating_sub(self.rung_for());
        for e in &mut self.entries {
            let due = matches!(e.waits, Waits::From(t) if now >= t);
            if rooms > 0 && due {
                rooms -= 1;
                e.waits = Waits::RungFor;
                out.push(QueueEffect::Turn { call: e.call });
            }
        }
        for i in 0..self.entries.len() {
            let position = u16::try_from(i + 1).unwrap_or(u16::MAX);
            let wait_ms = self.wait_ms(i + 1);
            let e = &mut self.entries[i];
            if e.waits == Waits::RungFor {
                continue;
            }
            let minutes = |w: Option<u64>| w.map(|ms| ms.div_ceil(60_000));
            let news = e
                .told
                .is_none_or(|(p, w)| p != position || minutes(w) != minutes(wait_ms));
            if news {
                e.told = Some((position, wait_ms));
                out.push(QueueEffect::Position {
                    call: e.call,
                    position,
                    wait_ms,
                });
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(n: u128) -> CallId {
        CallId::from_u128(n)
    }

    /// Effects as `1@2 3m` (call 1 has place 2 and waits three minutes), `turn 1`, `refused 1`.
    fn check(effects: &[QueueEffect], expected: &str) {
        let words = |e: &QueueEffect| match e {
            QueueEffect::Position {
                call,
                position,
                wait_ms,
            } => {
                let wait = wait_ms.map_or(String::new(), |ms| format!(" {}m", ms.div_ceil(60_000)));
                format!("{}@{position}{wait}", call.to_u128())
            }
            QueueEffect::Turn { call } => format!("turn {}", call.to_u128()),
            QueueEffect::Refused { call } => format!("refused {}", call.to_u128()),
        };
        let words: Vec<String> = effects.iter().map(words).collect();
        assert_eq!(words.join(", "), expected);
    }

    fn at(s: u64) -> Mono {
        Mono::from_ms(s * 1_000)
    }

    #[test]
    fn first_come_first_served_and_urgent_before_all() {
        let mut q = Queue::new(QueueConfig::default());
        check(&q.join(at(0), call(1), false), "1@1");
        check(&q.join(at(1), call(2), false), "2@2");
        check(&q.join(at(2), call(3), true), "3@1, 1@2, 2@3");
        check(&q.join(at(2), call(4), true), "4@2, 1@3, 2@4");
        check(&q.people(at(3), 2, 2), "turn 3, turn 4");
        // Somebody has it; or it has given up, and then one more is free than was thought.
        check(&q.leave(at(4), call(3)), "1@2, 2@3");
        check(&q.people(at(5), 2, 1), "");
        check(&q.people(at(6), 2, 2), "turn 1");
        check(&q.people(at(7), 2, 0), "");
        check(&q.leave(at(8), call(1)), "2@2");
    }

    #[test]
    fn who_becomes_urgent_goes_before_all_that_are_not_and_stays_there() {
        let mut q = Queue::new(QueueConfig::default());
        for n in 1..=3 {
            let _ = q.join(at(0), call(n), false);
        }
        assert_eq!(q.join(at(1), call(4), true).len(), 4);
        // It was rung for in vain, and comes back with urgent words; then without.
        check(&q.join(at(2), call(3), true), "3@2, 1@3, 2@4");
        check(&q.join(at(3), call(3), false), "3@2");
        assert_eq!(q.calls().collect::<Vec<_>>(), [4, 3, 1, 2].map(call));
    }

    #[test]
    fn who_is_rung_for_in_vain_keeps_the_place_and_is_not_rung_for_at_once() {
        let mut q = Queue::new(QueueConfig::default());
        check(&q.join(at(0), call(1), false), "1@1");
        check(&q.join(at(0), call(2), false), "2@2");
        check(&q.people(at(1), 1, 1), "turn 1");
        // The next one may try while the first waits again.
        check(&q.join(at(21), call(1), false), "turn 2, 1@1");
        check(&q.join(at(25), call(2), false), "2@2");
        assert_eq!(q.next_timeout(), Some(at(31)));
        check(&q.tick(at(31)), "turn 1");
    }

    #[test]
    fn two_who_are_free_are_rung_for_two_and_each_ringing_is_counted_once() {
        let mut q = Queue::new(QueueConfig::default());
        check(&q.join(at(0), call(1), false), "1@1");
        check(&q.join(at(0), call(2), false), "2@2");
        check(&q.join(at(0), call(3), false), "3@3");
        check(&q.people(at(1), 2, 1), "turn 1");
        // Somebody has put the handset down. That the other one rings does not make them less.
        check(&q.people(at(2), 2, 2), "turn 2");
        assert!(q.rung().eq([call(1), call(2)]));
        check(&q.people(at(3), 2, 2), "");
        // The first is answered: nobody else is free, before and after it is looked at.
        check(&q.leave(at(4), call(1)), "3@2");
        check(&q.people(at(5), 2, 1), "");
        check(&q.leave(at(6), call(2)), "3@1");
        check(&q.people(at(7), 2, 0), "");
    }

    #[test]
    fn the_wait_follows_the_moving_average_and_is_told_by_the_minute() {
        let mut q = Queue::new(QueueConfig::default());
        check(&q.people(at(0), 2, 0), "");
        check(&q.join(at(0), call(1), false), "1@1");
        check(&q.talked(at(1), 240_000), "1@1 2m");
        check(&q.talked(at(2), 250_000), "1@1 3m");
        check(&q.talked(at(3), 250_000), "");
        check(&q.join(at(4), call(2), false), "2@2 5m");
    }

    #[test]
    fn a_full_queue_refuses() {
        let mut q = Queue::new(QueueConfig {
            callers_max: 1,
            ..QueueConfig::default()
        });
        check(&q.join(at(0), call(1), false), "1@1");
        check(&q.join(at(0), call(2), false), "refused 2");
        assert_eq!(q.len(), 1);
        // Nobody in an emergency is sent away because others wait.
        check(&q.join(at(0), call(3), true), "3@1, 1@2");
    }

    #[test]
    fn nobody_waits_for_longer_than_a_minute_where_nobody_serves() {
        let mut q = Queue::new(QueueConfig::default());
        check(&q.join(at(0), call(1), false), "1@1");
        check(&q.join(at(20), call(2), true), "2@1, 1@2");
        assert_eq!(q.next_timeout(), Some(at(60)));
        check(&q.tick(at(59)), "");
        check(&q.tick(at(60)), "refused 2, refused 1");
        // One of them was not reached, and is told again. Who comes now need not wait at all.
        check(&q.leave(at(60), call(2)), "");
        check(&q.join(at(61), call(3), true), "refused 3");
        check(&q.leave(at(61), call(3)), "");
        assert_eq!(q.next_timeout(), Some(at(70)));
        check(&q.tick(at(70)), "refused 1");
        // Somebody comes after all.
        check(&q.people(at(75), 1, 1), "1@1");
        check(&q.tick(at(80)), "turn 1");
    }

    #[test]
    fn a_telephone_that_comes_back_within_the_minute_and_people_who_are_busy_keep_the_queue() {
        let mut q = Queue::new(QueueConfig::default());
        check(&q.people(at(0), 1, 0), "");
        check(&q.join(at(0), call(1), false), "1@1");
        check(&q.tick(at(600)), "");
        check(&q.people(at(600), 0, 0), "");
        assert_eq!(q.next_timeout(), Some(at(660)));
        check(&q.people(at(659), 1, 0), "");
        assert_eq!(q.next_timeout(), None);
        check(&q.people(at(700), 0, 0), "");
        check(&q.tick(at(759)), "");
        check(&q.people(at(760), 0, 0), "refused 1");
        // An empty queue forgets that nobody served it: nobody looked meanwhile.
        check(&q.leave(at(760), call(1)), "");
        check(&q.join(at(5_000), call(2), false), "2@1");
    }

    #[test]
    fn who_is_rung_for_when_the_last_telephone_goes_is_given_up_after_it() {
        let mut q = Queue::new(QueueConfig::default());
        check(&q.people(at(0), 1, 1), "");
        check(&q.join(at(0), call(1), false), "turn 1");
        check(&q.people(at(1), 0, 0), "");
        check(&q.tick(at(100)), "");
        check(&q.join(at(101), call(1), false), "refused 1");
    }

    /// SplitMix64.
    fn next(seed: &mut u64, below: u64) -> u64 {
        *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }

    #[test]
    fn whatever_happens_nobody_is_forgotten_and_no_two_are_told_the_same_place() {
        let mut given_up = 0;
        for seed in 0..2_000 {
            let mut s = seed;
            let mut q = Queue::new(QueueConfig::default());
            let mut places = std::collections::BTreeMap::new();
            let mut rung = std::collections::BTreeSet::new();
            let mut free = 0;
            let mut unserved = None;
            let every_s = if seed % 2 == 0 { 3 } else { 20 };
            for step in 0..60 {
                let now = at(step * every_s);
                let c = call(u128::from(next(&mut s, 8)));
                let effects = match next(&mut s, 5) {
                    0 | 1 => {
                        rung.remove(&c);
                        q.join(now, c, next(&mut s, 4) == 0)
                    }
                    2 => {
                        rung.remove(&c);
                        places.remove(&c);
                        q.leave(now, c)
                    }
                    3 => {
                        free = u16::try_from(next(&mut s, 4)).unwrap();
                        let serving = if next(&mut s, 3) == 0 { 0 } else { 3 };
                        free = free.min(serving);
                        q.people(now, serving, free)
                    }
                    _ => q.tick(now),
                };
                let before = rung.len();
                let mut effects = std::collections::VecDeque::from(effects);
                while let Some(e) = effects.pop_front() {
                    match e {
                        QueueEffect::Position { call, position, .. } => {
                            places.insert(call, position);
                        }
                        QueueEffect::Turn { call } => {
                            assert!(rung.insert(call), "seed {seed}: rung for twice");
                            assert!(rung.len() <= usize::from(free).max(before), "seed {seed}");
                        }
                        QueueEffect::Refused { call } => {
                            assert_eq!(q.serving, 0, "seed {seed}: there is room");
                            assert!(!rung.contains(&call), "seed {seed}: it is rung for");
                            given_up += 1;
                            effects.extend(q.leave(now, call));
                        }
                    }
                }
                if q.serving > 0 || q.is_empty() {
                    unserved = None;
                } else if now.ms_since(*unserved.get_or_insert(now)) >= UNSERVED_MS_MAX {
                    assert_eq!(q.rung_for(), q.len(), "seed {seed}: somebody waits for nobody");
                }
                for (i, c) in q.calls().enumerate().filter(|(_, c)| !rung.contains(c)) {
                    assert_eq!(places.get(&c).copied(), u16::try_from(i + 1).ok(), "seed {seed}");
                }
            }
            // As soon as there are people for all, all are rung for.
            let end = at(10_000);
            let _ = q.people(end, 20, 20);
            assert_eq!(q.rung_for(), q.len(), "seed {seed}");
        }
        assert!(given_up > 500, "{given_up}");
    }
}
