//! A network, telephones and people around one call.
//!
//! What a far telephone does and what the call is told of it are two things: the news travels, at times slowly, some of
//! it twice; reports of playing can be lost altogether. The news of one leg stays in order, and its end always comes,
//! as the signalling layer promises.

use crate::media::{Media, ends};
use crate::rng::Rng;
use anteroom_call::desk::{
    By, Command, DeskCall, DeskEffect, DeskInput, DeskOutcome, DropWhy, Fact, TaskWhy, Whereabouts,
};
use anteroom_call::leg::LegEnd;
use anteroom_call::scene::{Announcement, PlayNo, Source};
use anteroom_call::{Effect, InboundCall, InboundLimits, Input, RemoteEnd};
use anteroom_types::{EndReason, LegId, Mono};
use std::collections::{BTreeMap, BTreeSet};

/// Nobody who is up may hear nothing for longer, milliseconds: an announcement that never began is noticed after 1.5 s,
/// one whose end is not reported after 1 s; two may fail in a row.
pub(crate) const UNHEARD_MS_MAX: u64 = 3_500;

/// What a far telephone really does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Far {
    Rings,
    Up,
    Ended,
}

/// What the call knows of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    Up,
    Ended,
}

#[derive(Debug)]
pub(crate) struct Phone {
    pub(crate) far: Far,
    pub(crate) told: Told,
    /// CANCEL was sent.
    cancelled: bool,
    /// BYE was sent, or the leg was given to another call.
    pub(crate) dropped: bool,
    /// News arrives no earlier than the news before it.
    news_at: u64,
    silent_since: Option<u64>,
    /// We dialled it.
    rung: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Tell(DeskInput),
    FarRings {
        leg: LegId,
        early_media: bool,
    },
    FarAnswers(LegId),
    FarRefuses(LegId, u16),
    FarHangsUp(LegId),
    /// Its power is cut: no signalling, only silence.
    FarDies(LegId),
    PlayEnds(LegId, PlayNo),
    SentenceEnds,
    /// The day is over: whoever is up hangs up, and nobody answers any more.
    Evening,
    Random,
}

/// How telephones answer when they are rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// All kinds of ways.
    Any,
    /// Nothing happens by itself.
    Still,
    /// All answer after a second.
    Answer,
    /// All are busy.
    Refuse,
}

/// The world of one call.
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: u64,
    pub(crate) desk: DeskCall,
    inbound: InboundCall,
    pub(crate) first: LegId,
    pub(crate) phones: BTreeMap<LegId, Phone>,
    pub(crate) dialled: Vec<LegId>,
    events: BTreeMap<(u64, u64), Event>,
    sequence: u64,
    pub(crate) media: Media,
    pub(crate) manner: Manner,
    pub(crate) faults: bool,
    pub(crate) log: Vec<String>,
    pub(crate) tasks: u32,
    pub(crate) task_made: bool,
    pub(crate) incoming: bool,
    /// Whether there is a number to ring the caller back on.
    pub(crate) can_ring_back: bool,
    in_queue: bool,
    handed_over: bool,
    pub(crate) slots: BTreeSet<u16>,
    finished: Option<DeskOutcome>,
    record: u32,
    surrendered: BTreeSet<LegId>,
    acts: u32,
    /// Asked by the driver of random events.
    pub(crate) on_random: fn(&mut World),
}

impl World {
    pub(crate) fn new(seed: u64, desk: DeskCall, first: LegId, incoming: bool) -> Self {
        let mut inbound = InboundCall::new(InboundLimits::default());
        for input in [Input::Offered, Input::MediaReady, Input::Established] {
            let _ = inbound.handle(Mono(0), input);
        }
        let phone = Phone {
            far: Far::Up,
            told: Told::Up,
            cancelled: false,
            dropped: false,
            news_at: 0,
            silent_since: None,
            rung: false,
        };
        Self {
            rng: Rng(seed),
            now: 0,
            desk,
            inbound,
            first,
            phones: BTreeMap::from([(first, phone)]),
            dialled: Vec::new(),
            events: BTreeMap::new(),
            sequence: 0,
            media: if incoming {
                Media::with_receptionist()
            } else {
                Media::default()
            },
            manner: Manner::Still,
            faults: false,
            log: Vec::new(),
            tasks: 0,
            task_made: false,
            incoming,
            can_ring_back: true,
            in_queue: false,
            handed_over: false,
            slots: BTreeSet::new(),
            finished: None,
            record: 0,
            surrendered: BTreeSet::new(),
            acts: 0,
            on_random: |_| {},
        }
    }

    pub(crate) fn after(&mut self, ms: u64, event: Event) {
        self.sequence += 1;
        self.events.insert((self.now + ms, self.sequence), event);
    }

    /// News of a leg is on its way.
    fn news(&mut self, leg: LegId, input: DeskInput) {
        let delay = match self.faults {
            false => 5,
            true if self.rng.percent(5) => self.rng.between(200, 2_000),
            // The far end does not answer CANCEL or BYE until the last retransmission.
            true if matches!(input, DeskInput::LegEnded { .. }) && self.rng.percent(2) => 32_000,
            true => self.rng.between(1, 40),
        };
        let twice = self.faults && self.rng.percent(5);
        let phone = self.phones.get_mut(&leg).unwrap();
        phone.news_at = phone.news_at.max(self.now + delay);
        let ms = phone.news_at - self.now;
        self.after(ms, Event::Tell(input.clone()));
        if twice {
            self.after(ms + 3, Event::Tell(input));
        }
    }

    /// Runs until `until`, or until nothing is left to happen.
    pub(crate) fn run(&mut self, until: u64) {
        loop {
            let event = self.events.first_key_value().map(|(k, _)| k.0);
            let timer = self.desk.next_timeout().map(|t| t.as_ms().max(self.now));
            let Some(at) = event.into_iter().chain(timer).min().filter(|t| *t <= until) else {
                self.pass(until.min(self.now + 60_000).max(self.now));
                return;
            };
            self.pass(at);
            if event == Some(at) {
                let (_, event) = self.events.pop_first().unwrap();
                self.happen(event);
            } else {
                self.tell(DeskInput::Tick);
                let stuck = self.desk.next_timeout().is_some_and(|t| t.as_ms() <= self.now);
                assert!(!stuck, "a timer is due for ever");
            }
        }
    }

    /// Time passes in which nothing happens; who is up must not have heard nothing for too long.
    fn pass(&mut self, to: u64) {
        let waiting = self.desk.guest().unwrap_or(self.first);
        for (leg, p) in &mut self.phones {
            let there = p.far == Far::Up && p.told == Told::Up && !p.dropped;
            if !there || self.media.is_heard(*leg, *leg == waiting) {
                p.silent_since = None;
                continue;
            }
            let since = *p.silent_since.get_or_insert(self.now);
            assert!(
                to - since <= UNHEARD_MS_MAX,
                "{leg} hears nothing since {since} ms"
            );
        }
        self.now = to;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tell(input) => self.tell(input),
            Event::FarRings { leg, early_media } => {
                if self.phones[&leg].far == Far::Rings {
                    self.news(leg, DeskInput::LegProgress { leg, early_media });
                }
            }
            Event::FarAnswers(leg) => {
                let p = self.phones.get_mut(&leg).unwrap();
                if p.far == Far::Rings {
                    p.far = Far::Up;
                    let screen = self.rng.percent(50);
                    self.news(leg, DeskInput::LegAnswered { leg, screen });
                }
            }
            Event::FarRefuses(leg, status) => self.far_ends(leg, Far::Rings, LegEnd::Refused(status)),
            Event::FarHangsUp(leg) => self.far_ends(leg, Far::Up, LegEnd::HungUp),
            Event::FarDies(leg) => {
                let p = self.phones.get_mut(&leg).unwrap();
                if p.far == Far::Up {
                    p.far = Far::Ended;
                    self.after(15_000, Event::Tell(DeskInput::LegMediaLost { leg }));
                    // Our BYE is not answered either; its transaction ends after 32 s.
                    self.after(50_000, Event::Tell(ended(leg, LegEnd::Lost)));
                }
            }
            Event::PlayEnds(leg, play) => {
                if self.media.is_playing(leg, play) {
                    self.media.ends(leg, play);
                    if !(self.faults && self.rng.percent(5)) {
                        self.after(10, Event::Tell(DeskInput::Played { leg, play }));
                    }
                }
            }
            Event::SentenceEnds => {
                self.media.sentence = false;
                if !(self.faults && self.rng.percent(10)) {
                    self.tell(DeskInput::SentenceDone);
                }
            }
            Event::Evening => {
                self.manner = Manner::Refuse;
                let legs: Vec<LegId> = self.phones.keys().copied().collect();
                for leg in legs {
                    self.far_ends(leg, Far::Up, LegEnd::HungUp);
                }
            }
            Event::Random => (self.on_random)(self),
        }
    }

    fn far_ends(&mut self, leg: LegId, from: Far, end: LegEnd) {
        let p = self.phones.get_mut(&leg).unwrap();
        if p.far == from {
            p.far = Far::Ended;
            self.news(leg, ended(leg, end));
        }
    }

    /// One input to the call, and everything it wants done.
    pub(crate) fn tell(&mut self, input: DeskInput) {
        match &input {
            DeskInput::LegAnswered { leg, .. } => {
                let p = self.phones.get_mut(leg).unwrap();
                if p.told == Told::Nothing {
                    p.told = Told::Up;
                }
            }
            DeskInput::LegEnded { leg, .. } => {
                if let Some(p) = self.phones.get_mut(leg) {
                    p.told = Told::Ended;
                }
                if *leg == self.first && !self.surrendered.contains(leg) {
                    self.inbound_input(Input::Remote(RemoteEnd::HungUp));
                }
            }
            DeskInput::Adopt { leg, .. } => self.adopted(*leg),
            DeskInput::HandOver(h) if self.desk.whereabouts() == Whereabouts::Receptionist => {
                self.task_made |= h.task_made;
                self.handed_over = true;
                let sentence_ms = h.sentence_ms.filter(|_| self.incoming);
                self.media.handed_over(sentence_ms.is_some());
                if let Some(ms) = sentence_ms {
                    self.after(ms, Event::SentenceEnds);
                }
            }
            // An emergency while telephones ring already.
            DeskInput::HandOver(h)
                if h.urgent
                    && matches!(
                        self.desk.whereabouts(),
                        Whereabouts::Ringing | Whereabouts::Briefing
                    ) =>
            {
                self.task_made |= h.task_made;
            }
            DeskInput::TaskMade => self.task_made = true,
            _ => {}
        }
        if !matches!(input, DeskInput::Tick) {
            self.log.push(format!("{:>7} {input:?}", self.now));
        }
        let off =
            matches!(input, DeskInput::AutomationOff(_)) && self.desk.whereabouts() != Whereabouts::Over;
        let effects = self.desk.handle(Mono::from_ms(self.now), input);
        self.carry_out(effects);
        assert!(
            !off || !self.media.machine_speaks(),
            "automation is off and a machine speaks"
        );
    }

    pub(crate) fn command(&mut self, by: &By, command: Command) -> bool {
        let parked = match command {
            Command::Park { slot } => Some(slot),
            _ => None,
        };
        let line = format!("{:>7} {by:?} wants {command:?}", self.now);
        match self.desk.control(Mono::from_ms(self.now), by, command) {
            Ok(effects) => {
                self.log.push(line);
                self.slots.extend(parked);
                self.carry_out(effects);
                true
            }
            Err(_) => false,
        }
    }

    pub(crate) fn surrender(&mut self, leg: LegId) {
        if let Ok((other, _, effects)) = self.desk.surrender(Mono::from_ms(self.now), leg) {
            self.log.push(format!("{:>7} {leg} surrenders {other}", self.now));
            self.carry_out(effects);
        }
    }

    fn adopted(&mut self, leg: LegId) {
        let phone = Phone {
            far: Far::Up,
            told: Told::Up,
            cancelled: false,
            dropped: false,
            news_at: self.now,
            silent_since: None,
            rung: false,
        };
        self.phones.insert(leg, phone);
    }

    fn carry_out(&mut self, effects: Vec<DeskEffect>) {
        assert!(
            self.finished.is_none() || effects.is_empty(),
            "effects after the end: {effects:?}"
        );
        for e in &effects {
            self.log.push(format!("{:>7}    -> {e:?}", self.now));
            assert!(self.can_ring_back || !promises(e), "there is no number to ring");
            self.media.apply(e);
            self.effect(e);
        }
        self.media.check();
        let is_rung = |p: &Phone| p.rung && p.told != Told::Ended && !p.cancelled && !p.dropped;
        let rings = self.media.is_ringing() && !self.phones.values().any(is_rung);
        assert!(
            !rings || !self.handed_over,
            "ringing is played, and no telephone rings"
        );
        for leg in self.media.legs() {
            let p = &self.phones[&leg];
            let early = p.told == Told::Nothing && p.far != Far::Ended;
            let gone = p.told == Told::Ended || p.dropped;
            assert!(!gone, "{leg} is gone and something is done to its media");
            assert!(
                p.told == Told::Up || early,
                "{leg} is not up and something is done to its media"
            );
        }
    }

    fn effect(&mut self, e: &DeskEffect) {
        match e {
            DeskEffect::Dial { leg, .. } => self.rung(*leg),
            DeskEffect::Cancel { leg, .. } => {
                let p = self.phones.get_mut(leg).unwrap();
                assert!(p.told == Told::Nothing && !p.cancelled, "CANCEL for {leg}: {p:?}");
                p.cancelled = true;
                if p.far == Far::Rings {
                    self.far_ends(*leg, Far::Rings, LegEnd::Cancelled);
                }
            }
            DeskEffect::HangUp { leg, why } => {
                if *leg == self.first && self.incoming && self.desk.guest() == Some(*leg) {
                    // A caller is hung up after last words, after a person, or by one; or something failed.
                    let fair = [
                        DropWhy::Done,
                        DropWhy::OtherHungUp,
                        DropWhy::Staff,
                        DropWhy::Failed,
                    ];
                    let surrendered = *why == DropWhy::Transferred;
                    assert!(
                        fair.contains(why) || surrendered,
                        "the caller is hung up: {why:?}"
                    );
                }
                let p = self.phones.get_mut(leg).unwrap();
                assert!(!p.dropped && p.told != Told::Ended, "BYE for {leg}: {p:?}");
                p.dropped = true;
                if *leg == self.first {
                    self.inbound_input(Input::ConversationDone(EndReason::Completed));
                }
                self.far_ends(*leg, Far::Up, LegEnd::HungUp);
            }
            DeskEffect::Surrendered { leg } => {
                let p = self.phones.get_mut(leg).unwrap();
                assert!(p.told == Told::Up && !p.dropped, "{leg} cannot be surrendered");
                p.dropped = true;
                p.far = Far::Ended;
                p.told = Told::Ended;
                self.surrendered.insert(*leg);
            }
            DeskEffect::Play { leg, play, source } if ends(*source) => {
                let length = if self.faults {
                    self.rng.between(500, 8_000)
                } else {
                    2_000
                };
                if !(self.faults && self.rng.percent(10)) {
                    let ms = length;
                    let started = DeskInput::PlayStarted {
                        leg: *leg,
                        play: *play,
                        ms,
                    };
                    self.after(20, Event::Tell(started));
                    self.after(20 + length, Event::PlayEnds(*leg, *play));
                } else {
                    // It never begins. There is silence until the call notices.
                    self.media.ends(*leg, *play);
                }
            }
            DeskEffect::StartRecording { .. } if self.faults => {
                for speaks in [true, false, true, false] {
                    let ms = self.rng.between(100, 9_000);
                    self.after(ms, Event::Tell(DeskInput::Voice { speaks }));
                }
            }
            DeskEffect::CreateTask(why) => {
                self.tasks += 1;
                let owed = self.incoming || *why == TaskWhy::Message;
                assert!(self.tasks == 1 && !self.task_made && owed, "one task too many");
            }
            // Those who talk are those who do things.
            DeskEffect::Note(Fact::Answered { .. }) if self.faults && self.acts < 40 => {
                for _ in 0..6 {
                    self.acts += 1;
                    let ms = self.rng.between(200, 20_000);
                    self.after(ms, Event::Random);
                }
            }
            DeskEffect::JoinQueue => {
                self.in_queue = true;
                if self.faults && self.rng.percent(10) {
                    let leg = self.desk.guest().unwrap_or(self.first);
                    let ms = self.rng.between(1_000, 20_000);
                    self.after(ms, Event::Tell(DeskInput::Key { leg, digit: '1' }));
                }
                let place = DeskInput::QueuePosition {
                    position: 2,
                    wait_ms: Some(70_000),
                };
                self.after(10, Event::Tell(place));
            }
            DeskEffect::LeaveQueue => assert!(std::mem::take(&mut self.in_queue), "not in the queue"),
            DeskEffect::FreeSlot { slot } => assert!(self.slots.remove(slot), "slot {slot} is free"),
            DeskEffect::Finish(outcome) => {
                assert!(self.finished.replace(*outcome).is_none(), "finished twice");
            }
            _ => {}
        }
    }

    fn rung(&mut self, leg: LegId) {
        let phone = Phone {
            far: Far::Rings,
            told: Told::Nothing,
            cancelled: false,
            dropped: false,
            news_at: self.now,
            silent_since: None,
            rung: true,
        };
        assert!(
            self.phones.insert(leg, phone).is_none(),
            "{leg} was dialled twice"
        );
        self.dialled.push(leg);
        let early_media = self.rng.percent(20);
        match self.manner {
            Manner::Still => {}
            Manner::Answer => self.after(1_000, Event::FarAnswers(leg)),
            Manner::Refuse => self.after(100, Event::FarRefuses(leg, 486)),
            Manner::Any => {
                let ring = self.rng.between(30, 400);
                match self.rng.below(20) {
                    // It cannot even be sent.
                    0 => self.far_ends(leg, Far::Rings, LegEnd::Lost),
                    1..=4 => {
                        let status = self.rng.pick(&[404, 480, 486, 500, 603]);
                        self.after(ring, Event::FarRefuses(leg, status));
                    }
                    5..=7 => self.after(ring, Event::FarRings { leg, early_media }),
                    // No response at all.
                    8 => self.after(32_000, Event::FarRefuses(leg, 408)),
                    // Several lift at the same moment.
                    9..=12 => self.after(1_000, Event::FarAnswers(leg)),
                    _ => {
                        self.after(ring, Event::FarRings { leg, early_media });
                        let answer = self.rng.between(500, 28_000);
                        self.after(answer, Event::FarAnswers(leg));
                    }
                }
            }
        }
    }

    fn inbound_input(&mut self, input: Input) {
        let effects = self.inbound.handle(Mono::from_ms(self.now), input);
        self.record +=
            u32::try_from(effects.iter().filter(|e| matches!(e, Effect::Finish(_))).count()).unwrap();
    }

    /// Everything that must be true when all is over.
    pub(crate) fn check_end(&self) {
        let outcome = self.finished.expect("the call never finished");
        for (leg, p) in &self.phones {
            assert_ne!(p.far, Far::Up, "{leg} is left up");
            assert_ne!(p.far, Far::Rings, "{leg} is left ringing");
        }
        assert!(!self.in_queue, "left in the queue");
        assert!(self.slots.is_empty(), "a slot is never free again");
        assert!(!self.media.is_recording(), "the recording goes on");
        let surrendered = u32::from(self.surrendered.contains(&self.first));
        assert_eq!(self.record + surrendered, 1, "records of the caller's own leg");
        let owed = self.incoming
            && !self.task_made
            && matches!(
                outcome,
                DeskOutcome::Message | DeskOutcome::Callback | DeskOutcome::Abandoned | DeskOutcome::NoAnswer
            );
        if owed {
            assert_eq!(self.tasks, 1, "no task for a call that ended as {outcome:?}");
        }
    }
}

/// Whether the machine itself promises a caller to be rung back, or offers it. What staff promise is their affair.
const fn promises(e: &DeskEffect) -> bool {
    let DeskEffect::Play {
        source: Source::Announce(what),
        ..
    } = e
    else {
        return matches!(e, DeskEffect::CreateTask(TaskWhy::CallbackAsked));
    };
    matches!(
        what,
        Announcement::WillRingBack
            | Announcement::QueuePosition {
                offer_callback: true,
                ..
            }
    )
}

pub(crate) const fn ended(leg: LegId, end: LegEnd) -> DeskInput {
    DeskInput::LegEnded { leg, end }
}
