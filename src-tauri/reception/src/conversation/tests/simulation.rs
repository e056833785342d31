//! Calls at random: a caller, a line and an engine that lose, double, delay and reorder things, against the
//! invariants of the module. A failing seed is printed and stays failing.

use super::*;
use crate::tests_rng::Rng;
use crate::turn::{SegmentId, TurnConfig, TurnEffect, TurnEvent, TurnTaker};
use anteroom_types::TaskKind;

const SEEDS: u64 = 2_000;
const STEPS: u64 = 60;
/// Silence longer than this, in milliseconds, while both sides wait, is a mute line.
const MUTE_MS: u64 = 60_000;

const SENTENCES: [&str; 34] = [
    "Hello, good afternoon.",
    "Is there parking?",
    "What are your opening hours?",
    "Do you speak Polish?",
    "Do you do the jab?",
    "Do you vaccinate?",
    "The first one.",
    "The second one.",
    "Yes.",
    "Yes, please.",
    "That's right.",
    "No.",
    "No, that's wrong.",
    "No, that's all.",
    "No, it's oh seven seven double oh nine double oh one four two.",
    "The number is wrong.",
    "I'd like to book an appointment on Thursday morning with Doctor Patel.",
    "I need to reschedule my appointment to Friday at half past ten.",
    "I need a repeat prescription for metformin.",
    "My name is Sarah Thompson.",
    "My date of birth is the fourth of May nineteen eighty six.",
    "My number is oh seven seven double oh nine double oh one four two.",
    "It's under Wilson.",
    "Can I speak to a person?",
    "Can someone call me back?",
    "Can I get my results?",
    "I'd like to leave a message.",
    "Is it safe to take ibuprofen with aspirin?",
    "Can you repeat that?",
    "Thank you, goodbye.",
    "Okay, it possible to?",
    "",
    "Please help, my father has chest pain.",
    "He's not breathing.",
];
const FIRST_URGENT: usize = 32;

/// What the appliance would do, in small.
struct Engine {
    call: Call,
    taker: TurnTaker,
    /// What is being said, first in front.
    queue: Vec<(SayId, bool)>,
    playing: Option<Mono>,
    searches: Vec<(TurnId, Vec<Candidate>)>,
    urgent_turns: usize,
    /// Segments that ended and are not decoded yet.
    decoding: Vec<SegmentId>,
    last_sign: Mono,
    silences: u32,
    unrecognised: u32,
    /// The caller holds us: nothing is played.
    held: bool,
}

impl Engine {
    fn new(rng: &mut Rng) -> Self {
        let number = (rng.below(2) == 0).then_some("07700900142");
        let local = if rng.below(4) == 0 { SUNDAY } else { MONDAY_NOON };
        let call = Call {
            talk: Conversation::new(setup(number)),
            now: Mono::from_ms(1_000),
            local: local.parse().unwrap(),
            turn: 0,
            all: Vec::new(),
        };
        let mut engine = Self {
            last_sign: call.now,
            call,
            taker: TurnTaker::new(TurnConfig::default()),
            queue: Vec::new(),
            playing: None,
            searches: Vec::new(),
            urgent_turns: 0,
            decoding: Vec::new(),
            silences: 0,
            unrecognised: 0,
            held: false,
        };
        engine.give(ConvEvent::Started);
        engine
    }

    fn give(&mut self, ev: ConvEvent) {
        let effects = self.call.talk.handle(self.call.now, self.call.local, ev);
        let mut feed = Vec::new();
        for e in &effects {
            match e {
                ConvEffect::Say {
                    say, interruptible, ..
                } => {
                    self.queue.push((*say, *interruptible));
                    self.last_sign = self.call.now;
                }
                ConvEffect::StopSaying => {
                    feed.extend(self.queue.drain(..).map(|(say, _)| ConvEvent::SayDropped { say }));
                    self.playing = None;
                    self.turn_event(TurnEvent::PlaybackEnded);
                }
                ConvEffect::Lookup { turn, text } => {
                    self.searches.push((*turn, find(text.open(Purpose::Test))));
                }
                ConvEffect::Expect(e) => self.turn_event(TurnEvent::Expect(*e)),
                _ => {}
            }
        }
        self.call.all.extend(effects);
        self.play();
        for ev in feed {
            self.give(ev);
        }
    }

    fn play(&mut self) {
        if self.playing.is_none()
            && !self.held
            && let Some((_, interruptible)) = self.queue.first().copied()
        {
            self.playing = Some(self.call.now);
            self.turn_event(TurnEvent::PlaybackStarted { interruptible });
        }
    }

    fn turn_event(&mut self, ev: TurnEvent) {
        let mut out = Vec::new();
        self.taker.handle(self.call.now, ev, &mut out);
        for e in out {
            match e {
                TurnEffect::NothingHeard { .. } => self.silences += 1,
                TurnEffect::NotRecognised => self.unrecognised += 1,
                TurnEffect::EndOfTurn { segment, .. } => self.decoding.push(segment),
                TurnEffect::DropPlayback => {
                    let dropped: Vec<SayId> = self.queue.drain(..).map(|(s, _)| s).collect();
                    self.playing = None;
                    for say in dropped {
                        self.give(ConvEvent::SayDropped { say });
                    }
                }
                _ => {}
            }
        }
        // Outside of the loop above, so that the machines do not call each other without end.
        while self.silences > 0 {
            self.silences -= 1;
            self.give(ConvEvent::NothingHeard);
        }
        while self.unrecognised > 0 {
            self.unrecognised -= 1;
            self.give(ConvEvent::NotRecognised);
        }
    }

    /// Time passes: speech is said to its end, deadlines fire, searches answer.
    fn pass(&mut self, ms: u64, answer_searches: bool) {
        let until = self.call.now.plus_ms(ms);
        while self.call.now < until && !self.call.talk.is_over() {
            let mut next = self.call.now.plus_ms(500).min(until);
            for t in [self.taker.next_timeout(), self.call.talk.next_timeout()]
                .into_iter()
                .flatten()
            {
                next = next.min(t.max(self.call.now.plus_ms(1)));
            }
            self.call.now = next;
            if let Some(since) = self.playing
                && !self.held
                && self.call.now.ms_since(since) >= 3_000
            {
                self.playing = None;
                let (say, _) = self.queue.remove(0);
                self.last_sign = self.call.now;
                if self.queue.is_empty() {
                    self.turn_event(TurnEvent::PlaybackEnded);
                }
                self.give(ConvEvent::SayDone { say });
                self.play();
            }
            if answer_searches {
                for (turn, candidates) in std::mem::take(&mut self.searches) {
                    self.give(ConvEvent::Candidates { turn, candidates });
                }
            }
            self.turn_event(TurnEvent::Tick);
            self.give(ConvEvent::Tick);
            assert!(
                self.held || self.call.talk.is_over() || self.call.now.ms_since(self.last_sign) < MUTE_MS,
                "the line is mute"
            );
        }
    }

    fn hold(&mut self, held: bool) {
        // Whatever is due by now has nothing to do with the hold.
        self.turn_event(TurnEvent::Tick);
        self.give(ConvEvent::Tick);
        let waiting = self.queue.len();
        if std::mem::replace(&mut self.held, held) == held {
            return;
        }
        // What was being played goes on from where it stood.
        self.playing = self.playing.map(|_| self.call.now);
        self.last_sign = self.call.now;
        self.turn_event(TurnEvent::Held(held));
        self.give(ConvEvent::Held(held));
        let more = self.queue.len() - waiting;
        assert!(
            held || waiting == 0 || more == 0 || self.call.talk.no_speech,
            "a repeat of what is still said"
        );
        assert!(!held || more == 0, "something is said into a hold");
    }

    /// The caller holds us for minutes. What was under way comes to its end; then nothing happens any more.
    fn hold_for_minutes(&mut self, rng: &mut Rng) {
        self.hold(true);
        self.pass(60_000, rng.below(2) == 0);
        let before = self.call.all.len();
        let over = self.call.talk.is_over();
        self.pass(600_000, true);
        let new: Vec<String> = self.call.all[before..].iter().map(line).collect();
        assert!(over || new.is_empty(), "{new:?}");
        assert_eq!(self.call.talk.is_over(), over, "hung up on a caller who holds");
    }

    /// The caller speaks for `ms`, over whatever is being said, and is silent again.
    fn speak(&mut self, ms: u64, rng: &mut Rng) {
        for (ms, prob) in [(ms, 0.95), (900, if rng.below(6) == 0 { 0.42 } else { 0.02 })] {
            for _ in 0..ms / 32 {
                self.call.now = self.call.now.plus_ms(32);
                let frame_end = self.call.now;
                self.last_sign = self.call.now;
                // Now and then a frame is lost or comes twice.
                for _ in 0..[1, 1, 1, 1, 0, 2][rng.index(6)] {
                    self.turn_event(TurnEvent::Vad { prob, frame_end });
                }
            }
        }
        for segment in std::mem::take(&mut self.decoding) {
            match rng.below(6) {
                // The recogniser never answers; the watchdog has to.
                0 => {}
                1 => self.turn_event(TurnEvent::RecogniserFailed { segment }),
                2 => self.turn_event(TurnEvent::FinalText {
                    segment,
                    text: "".into(),
                }),
                _ => {
                    self.turn_event(TurnEvent::FinalText {
                        segment,
                        text: "words".into(),
                    });
                    self.hear(rng);
                }
            }
        }
    }

    fn hear(&mut self, rng: &mut Rng) {
        let i = rng.index(SENTENCES.len());
        // Mostly the next turn; sometimes one that is late, or one that came already.
        self.call.turn += 1;
        let turn = match rng.below(12) {
            0 => self.call.turn.saturating_sub(2).max(1),
            1 => {
                self.call.turn += 1;
                self.call.turn
            }
            _ => self.call.turn,
        };
        let fresh = !self.call.talk.turns.contains(&TurnId(turn));
        let before = self.call.all.len();
        let over = self.call.talk.is_over();
        let newest = self.call.talk.turns.back().is_none_or(|t| t.0 < turn);
        let looking = matches!(self.call.talk.state, State::Looking { .. });
        self.last_sign = self.call.now;
        let confidence = if rng.below(5) == 0 { 0.3 } else { 0.9 };
        self.give(ConvEvent::Heard {
            turn: TurnId(turn),
            text: SENTENCES[i].into(),
            confidence,
        });
        if fresh && newest && !over && !looking && !SENTENCES[i].is_empty() {
            let decided = self.call.all[before..]
                .iter()
                .any(|x| matches!(x, ConvEffect::Record(_) | ConvEffect::Lookup { .. }));
            assert!(decided, "nothing was decided about '{}'", SENTENCES[i]);
        }
        if i >= FIRST_URGENT && fresh && !over {
            self.urgent_turns += 1;
            let after: Vec<String> = self.call.all[before..].iter().map(line).collect();
            assert!(after.contains(&"escalate".to_owned()), "not escalated: {after:?}");
            assert!(
                after.contains(&"say emergency firmly".to_owned()),
                "not told: {after:?}"
            );
        }
    }

    fn step(&mut self, rng: &mut Rng) {
        // Who holds us is not heard; they come back.
        if self.held {
            match rng.below(4) {
                0 => self.hold_for_minutes(rng),
                1 => self.give(ConvEvent::NothingHeard),
                _ => self.hold(false),
            }
            return;
        }
        match rng.below(17) {
            16 => self.hold(true),
            0..=3 => self.hear(rng),
            4 | 5 => {
                let ms = [100, 200, 900, 2_500][rng.index(4)];
                self.speak(ms, rng);
            }
            6 => {
                let digit = ['0', '1', '2', '7', '9', '#', '*', 'x'][rng.index(8)];
                self.last_sign = self.call.now;
                self.turn_event(TurnEvent::Dtmf);
                self.give(ConvEvent::Dtmf { digit });
            }
            7 => {
                for digit in "07700900142".chars() {
                    self.give(ConvEvent::Dtmf { digit });
                }
            }
            8 => {
                let say = SayId(u32::try_from(rng.below(20)).unwrap());
                // A report about something that is not being said.
                if !self.queue.iter().any(|(s, _)| *s == say) {
                    self.give(ConvEvent::SayDropped { say });
                }
            }
            9 => self.give(ConvEvent::RecogniserDown),
            10 => self.give(ConvEvent::RecogniserBack),
            11 => self.give(ConvEvent::HandoverFailed),
            12 => {
                // A stale or doubled answer.
                let turn = TurnId(u32::try_from(rng.below(10)).unwrap());
                self.give(ConvEvent::Candidates {
                    turn,
                    candidates: find("parking"),
                });
            }
            13 => self.pass(rng.below(2_000), false),
            _ => self.pass(rng.below(9_000), true),
        }
    }
}

fn callbacks(all: &[ConvEffect]) -> usize {
    all.iter()
        .filter(|e| matches!(e, ConvEffect::CreateTask { kind, .. } if *kind != TaskKind::Urgent))
        .count()
}

fn run(seed: u64) {
    let mut rng = Rng::new(seed);
    let mut e = Engine::new(&mut rng);
    let steps = rng.below(STEPS);
    for _ in 0..steps {
        let before = e.call.all.len();
        e.step(&mut rng);
        let new = &e.call.all[before..];
        // One thing that happens settles at most one need... and what was promised before it.
        assert!(
            callbacks(new) <= 2,
            "{:?}",
            new.iter().map(line).collect::<Vec<_>>()
        );
        if e.call.talk.is_over() {
            break;
        }
    }
    let hang_ups = |e: &Engine| {
        e.call
            .all
            .iter()
            .filter(|x| matches!(x, ConvEffect::Hangup { .. }))
            .count()
    };
    let ended_by_us = e.call.talk.is_over();
    let before = e.call.all.len();
    if rng.below(3) == 0 {
        e.hold(false);
        // The caller stays on, silent: the call comes to its end by itself.
        for _ in 0..200 {
            e.pass(5_000, true);
        }
        assert!(e.call.talk.is_over(), "the call never ends");
        assert_eq!(hang_ups(&e), 1);
    } else {
        e.give(ConvEvent::CallerGone);
        let last: Vec<String> = e.call.all[before..].iter().map(line).collect();
        assert!(
            last.len() <= 1 && last.iter().all(|l| l.starts_with("task")),
            "{last:?}"
        );
        assert!(!ended_by_us || last.is_empty());
    }
    // Nothing after the end.
    let end = e.call.all.len();
    for _ in 0..5 {
        e.step(&mut rng);
    }
    e.give(ConvEvent::CallerGone);
    assert_eq!(e.call.all.len(), end, "effects after the end");
    assert!(hang_ups(&e) <= 1);
    let all = &e.call.all;
    let count = |f: &dyn Fn(&ConvEffect) -> bool| all.iter().filter(|x| f(x)).count();
    assert!(count(&|x| matches!(x, ConvEffect::MarkUrgent { .. })) <= 1);
    assert!(count(&|x| matches!(x, ConvEffect::StartRecording { .. })) <= 1);
    let urgent_tasks = count(&|x| {
        matches!(
            x,
            ConvEffect::CreateTask {
                kind: TaskKind::Urgent,
                ..
            }
        )
    });
    assert!(urgent_tasks <= 1);
    assert!(e.urgent_turns == 0 || urgent_tasks == 1);
    // Nobody is lost: every call leaves an answer, a refusal, a goodbye, a person or a task behind.
    let served = count(&|x| match x {
        ConvEffect::CreateTask { .. } | ConvEffect::Handover { .. } => true,
        ConvEffect::Record(r) => matches!(
            r.decision,
            Decision::Answer | Decision::Decline | Decision::Goodbye
        ),
        _ => false,
    });
    assert!(served > 0, "a caller was lost");
    // What is spoken is an entry's own words or a script.
    for x in all {
        if let ConvEffect::Say {
            text, script, entry, ..
        } = x
        {
            assert!(script.is_some() != entry.is_some());
            assert!(!text.open(Purpose::Test).trim().is_empty());
        }
    }
}

#[test]
fn random_calls_keep_the_invariants() {
    for seed in 0..SEEDS {
        let result = std::panic::catch_unwind(|| run(seed));
        if let Err(e) = result {
            let why = e
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| e.downcast_ref::<&str>().map(|s| (*s).to_owned()))
                .unwrap_or_default();
            panic!("seed {seed}: {why}");
        }
    }
}
