//! Whatever people, telephones and the network do.

use crate::world::{Event, Far, Manner, Told, World};
use anteroom_call::desk::{
    AdoptAs, AnswerPolicy, Asking, Briefing, By, Command, DeskCall, DeskConfig, DeskInput, HandOver,
    Supervision, Waiting, Whereabouts,
};
use anteroom_call::party::{PersonId, Target};
use anteroom_call::ring::{Availability, Fallback, GroupMember, RingPlan, RingStrategy, RingTimes};
use anteroom_types::LegId;

const PEOPLE: [&str; 4] = ["ann", "bob", "cat", "sue"];

fn person(w: &mut World) -> PersonId {
    PersonId::new(w.rng.pick(&PEOPLE))
}

fn devices(w: &mut World) -> Vec<Target> {
    let who = person(w);
    let n = w.rng.pick(&[0, 1, 1, 1, 2, 2]);
    (0..n).map(|n| Target::contact(&who, n)).collect()
}

fn fallback(w: &mut World) -> Fallback {
    w.rng.pick(&[
        Fallback::Voicemail,
        Fallback::Callback,
        Fallback::Receptionist,
        Fallback::Queue,
        Fallback::HangUp,
    ])
}

fn plan(w: &mut World) -> RingPlan {
    let strategy = w.rng.pick(&[
        RingStrategy::All,
        RingStrategy::InOrder,
        RingStrategy::LongestIdle,
    ]);
    let members: Vec<GroupMember> = PEOPLE[..w.rng.pick(&[0, 1, 2, 3, 3, 4, 4])]
        .iter()
        .map(|name| {
            let who = PersonId::new(name);
            GroupMember {
                devices: (0..w.rng.below(3)).map(|n| Target::contact(&who, n).at).collect(),
                is: w
                    .rng
                    .pick(&[Availability::Free, Availability::Free, Availability::Busy]),
                rings: false,
                idle_since: None,
                who,
            }
        })
        .collect();
    let times = RingTimes {
        step_ms: w.rng.between(2_000, 20_000),
        total_ms: w.rng.between(2_000, 60_000),
    };
    let urgent = w.rng.percent(10);
    let fallback = fallback(w);
    RingPlan::of_group(strategy, &members, times, fallback, urgent)
}

fn config(rng: &mut crate::rng::Rng) -> DeskConfig {
    DeskConfig {
        answer: rng.pick(&[AnswerPolicy::CutSentence, AnswerPolicy::WaitForSentence]),
        waiting: rng.pick(&[Waiting::Ringback, Waiting::Music]),
        without_receptionist: rng.pick(&[Fallback::Voicemail, Fallback::Callback, Fallback::Queue]),
        after_queue: rng.pick(&[Fallback::Voicemail, Fallback::Callback, Fallback::Queue]),
        say_slot: rng.percent(50),
        park_ms_max: rng.between(1_000, 60_000),
        queue_ms_max: rng.between(1_000, 120_000),
        position_every_ms: rng.between(100, 30_000),
        ..DeskConfig::default()
    }
}

/// One call under a seed, from its beginning to its end.
pub(crate) fn call(seed: u64) -> World {
    let mut rng = crate::rng::Rng(seed ^ 0x5eed);
    let first = LegId::from_u128(1_000);
    let config = DeskConfig {
        // Not drawn: the seeds that once failed stay the calls they were.
        can_ring_back: !seed.is_multiple_of(3),
        ..config(&mut rng)
    };
    let mut w = if rng.percent(80) {
        World::new(seed, DeskCall::incoming(config, first), first, true)
    } else {
        let who = Target::contact(&PersonId::new("ann"), 9);
        World::new(seed, DeskCall::outgoing(config, first, who), first, false)
    };
    w.can_ring_back = config.can_ring_back;
    w.manner = if rng.percent(40) {
        Manner::Answer
    } else {
        Manner::Any
    };
    w.faults = true;
    w.on_random = |w| act(w);
    // Staff's own calls ring at once; the receptionist takes its time.
    let begins = if w.incoming { w.rng.between(1, 3_000) } else { 0 };
    w.after(begins, Event::Tell(hand_over(&mut rng, seed)));
    for _ in 0..rng.below(8) {
        let at = if rng.percent(50) {
            rng.between(0, 8_000)
        } else {
            rng.between(0, 150_000)
        };
        w.after(at, Event::Random);
    }
    // The patience of whoever began the call.
    let patience = if rng.percent(30) {
        rng.between(10, 30_000)
    } else {
        rng.between(30_000, 400_000)
    };
    w.after(patience, Event::FarHangsUp(first));
    w.after(600_000, Event::Evening);
    w.after(900_000, Event::Evening);
    w
}

/// A hand-over is decided before the world begins: its plan must not depend on what happens.
fn hand_over(rng: &mut crate::rng::Rng, seed: u64) -> DeskInput {
    let first = LegId::from_u128(1);
    let mut w = World::new(
        seed,
        DeskCall::incoming(DeskConfig::default(), first),
        first,
        true,
    );
    DeskInput::HandOver(HandOver {
        plan: plan(&mut w),
        briefing: rng.pick(&[
            Briefing::Screen,
            Briefing::ByDevice,
            Briefing::Spoken,
            Briefing::SpokenAndAsked,
            Briefing::ScreenAndAsked,
        ]),
        sentence_ms: rng.percent(60).then(|| rng.between(100, 6_000)),
        task_made: rng.percent(10),
        urgent: rng.percent(10),
    })
}

fn some_leg(w: &mut World) -> LegId {
    let legs: Vec<LegId> = w.phones.keys().copied().collect();
    w.rng.pick(&legs)
}

/// A leg that is up, at both ends.
fn some_up(w: &mut World) -> Option<LegId> {
    let up: Vec<LegId> = w
        .phones
        .iter()
        .filter(|(_, p)| p.far == Far::Up && p.told == Told::Up)
        .map(|(l, _)| *l)
        .collect();
    (!up.is_empty()).then(|| w.rng.pick(&up))
}

/// Somebody does something.
fn act(w: &mut World) {
    let consulting = matches!(
        w.desk.whereabouts(),
        Whereabouts::Talking { consulting: true, .. }
    );
    match w.rng.below(20) {
        0..=9 => command(w),
        _ if consulting && w.rng.percent(70) => command(w),
        10 | 11 => {
            if let Some(leg) = some_up(w) {
                w.after(0, Event::FarHangsUp(leg));
            }
        }
        12 => {
            if let Some(leg) = some_up(w) {
                w.after(0, Event::FarDies(leg));
            }
        }
        13 => {
            if let Some(leg) = some_up(w) {
                let held = w.rng.percent(60);
                w.tell(DeskInput::LegHeld { leg, held });
                // Nobody holds for ever, or they would be taken to have hung up.
                w.after(30_000, Event::Tell(DeskInput::LegHeld { leg, held: false }));
            }
        }
        14 => {
            let leg = some_leg(w);
            let digit = w.rng.pick(&['1', '2', '#', '7']);
            w.tell(DeskInput::Key { leg, digit });
        }
        15 => adopt(w),
        16 => {
            let plan = plan(w);
            w.tell(DeskInput::AutomationOff(plan));
        }
        17 => {
            let speaks = w.rng.percent(60);
            w.tell(DeskInput::Voice { speaks });
            w.after(1_500, Event::Tell(DeskInput::Voice { speaks: !speaks }));
        }
        18 => {
            let input = match w.rng.below(12) {
                0..=3 => DeskInput::QueueRefused,
                4..=6 => DeskInput::RecordingFailed,
                7 => DeskInput::Failed,
                _ => DeskInput::QueueTurn(plan(w)),
            };
            w.tell(input);
        }
        _ => {
            let leg = some_leg(w);
            w.surrender(leg);
        }
    }
}

fn adopt(w: &mut World) {
    let leg = LegId::from_u128(900_000 + u128::from(w.rng.below(1_000_000)));
    if w.phones.contains_key(&leg) {
        return;
    }
    let old = some_leg(w);
    let what = match w.rng.below(4) {
        0 => AdoptAs::Taker,
        1 => AdoptAs::Instead(old),
        2 => AdoptAs::Third,
        _ => AdoptAs::Supervisor(Supervision::Listen),
    };
    let target = Target::contact(&person(w), 7);
    // A call that is over adopts nobody; the composition root hangs the leg up.
    if !w.desk.is_over() {
        w.tell(DeskInput::Adopt { leg, target, what });
        let patience = w.rng.between(1_000, 100_000);
        w.after(patience, Event::FarHangsUp(leg));
    }
}

fn command(w: &mut World) {
    let by = match (w.rng.below(10), w.desk.host()) {
        (0..=5, Some(host)) => By::Leg(host),
        (0..=7, _) => By::Person(person(w)),
        _ => By::Leg(some_leg(w)),
    };
    let how = w.rng.pick(&[Asking::ByVoice, Asking::Spoken, Asking::Screen]);
    let supervision = w
        .rng
        .pick(&[Supervision::Listen, Supervision::Whisper, Supervision::Barge]);
    let to = devices(w);
    let consulting = matches!(
        w.desk.whereabouts(),
        Whereabouts::Talking { consulting: true, .. }
    );
    let command = match w.rng.below(60) {
        n if consulting && n < 45 => w
            .rng
            .pick(
                &[
                    Command::Complete,
                    Command::Abort,
                    Command::Join,
                    Command::Accept,
                    Command::Decline,
                ]
                .each_ref(),
            )
            .clone(),
        0..=2 => Command::Take { at: to },
        3..=5 => Command::Hold,
        6 | 7 => Command::Resume,
        8 | 9 => Command::Mute,
        10 => Command::Unmute,
        11..=13 => Command::Park { slot: 3 },
        14..=17 => Command::Blind { to },
        18..=31 => Command::Warm { to, how },
        32 => Command::Complete,
        33 => Command::Abort,
        34 | 35 => Command::Accept,
        36 | 37 => Command::Decline,
        38..=45 => Command::Add { to },
        46 => Command::Join,
        47..=50 => Command::Leave,
        51..=55 => Command::Supervise {
            how: supervision,
            at: to,
        },
        56 => Command::Voicemail,
        57 => Command::Callback,
        58 => Command::HangUp,
        _ => Command::Resume,
    };
    // A slot is reserved before it is used.
    if matches!(command, Command::Park { .. }) && !w.slots.is_empty() {
        return;
    }
    if matches!(command, Command::Warm { .. }) {
        for _ in 0..3 {
            let ms = w.rng.between(500, 12_000);
            w.after(ms, Event::Random);
        }
    }
    let before = as_it_is(w);
    if !w.command(&by, command.clone()) {
        assert_eq!(
            as_it_is(w),
            before,
            "{command:?} was refused and changed the call"
        );
    }
}

/// The call's state but for its clock.
fn as_it_is(w: &World) -> String {
    let text = format!("{:?}", w.desk);
    let (start, rest) = text.split_once("now: Mono(").unwrap();
    format!("{start}{}", rest.split_once(')').unwrap().1)
}
