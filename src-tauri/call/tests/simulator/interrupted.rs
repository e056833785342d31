//! Every named flow as it is told, and interrupted: after each step each party in turn hangs up or dies, and then
//! everybody else does nothing, answers, or is busy. Nothing here is random.

use crate::flows::{AdoptAs0, Command0, Step, flows, handed};
use crate::world::{Event, Far, Manner, World};
use anteroom_call::desk::{AdoptAs, By, Command, DeskCall, DeskConfig, DeskInput, HandOver, Supervision};
use anteroom_call::leg::LegEnd;
use anteroom_call::party::{PersonId, Target};
use anteroom_call::ring::{Fallback, RingPlan, RingStep};
use anteroom_types::LegId;

fn person(name: &str) -> Vec<Target> {
    vec![Target::contact(&PersonId::new(name), 1)]
}

fn plan(fallback: Fallback) -> RingPlan {
    let step = |names: &[&str]| RingStep {
        targets: names.iter().flat_map(|n| person(n)).collect(),
        ring_ms: 20_000,
    };
    RingPlan {
        steps: vec![step(&["ann", "bob"]), step(&["cat"])],
        total_ms: 60_000,
        fallback,
    }
}

fn command(c: Command0) -> Command {
    let to = || person("dan");
    match c {
        Command0::Take => Command::Take { at: to() },
        Command0::Hold => Command::Hold,
        Command0::Resume => Command::Resume,
        Command0::Park => Command::Park { slot: 7 },
        Command0::Blind => Command::Blind { to: to() },
        Command0::Warm(how) => Command::Warm { to: to(), how },
        Command0::Complete => Command::Complete,
        Command0::Abort => Command::Abort,
        Command0::Accept => Command::Accept,
        Command0::Decline => Command::Decline,
        Command0::Add => Command::Add { to: to() },
        Command0::Join => Command::Join,
        Command0::Leave => Command::Leave,
        Command0::Supervise(how) => Command::Supervise { how, at: to() },
        Command0::Voicemail => Command::Voicemail,
        Command0::Callback => Command::Callback,
        Command0::HangUp => Command::HangUp,
    }
}

fn begin() -> World {
    let first = LegId::from_u128(1_000);
    World::new(1, DeskCall::incoming(DeskConfig::default(), first), first, true)
}

/// Takes a step. Whether it could be taken: a leg it names may not be there any more.
fn take(w: &mut World, step: Step) -> bool {
    let dialled = |w: &World, n: usize| w.dialled.get(n).copied();
    let done = match step {
        Step::HandOver {
            briefing,
            sentence_ms,
            fallback,
        } => {
            w.tell(DeskInput::HandOver(HandOver {
                plan: plan(fallback),
                briefing,
                sentence_ms,
                task_made: false,
                urgent: false,
            }));
            true
        }
        Step::Answers(n) => {
            let leg = dialled(w, n);
            leg.inspect(|l| w.after(0, Event::FarAnswers(*l))).is_some()
        }
        Step::Busy(n) => {
            let leg = dialled(w, n);
            leg.inspect(|l| w.after(0, Event::FarRefuses(*l, 486))).is_some()
        }
        Step::HangsUp(n) => {
            let leg = dialled(w, n);
            leg.inspect(|l| w.after(0, Event::FarHangsUp(*l))).is_some()
        }
        Step::CallerHangsUp => {
            w.after(0, Event::FarHangsUp(w.first));
            true
        }
        Step::Holds(n, held) => {
            let leg = dialled(w, n);
            leg.inspect(|l| w.tell(DeskInput::LegHeld { leg: *l, held }))
                .is_some()
        }
        Step::Key(n, digit) => {
            let leg = dialled(w, n);
            leg.inspect(|l| w.tell(DeskInput::Key { leg: *l, digit }))
                .is_some()
        }
        Step::CallerKey(digit) => {
            w.tell(DeskInput::Key { leg: w.first, digit });
            true
        }
        Step::Speaks(speaks) => {
            w.tell(DeskInput::Voice { speaks });
            true
        }
        Step::Danger => {
            w.tell(DeskInput::HandOver(HandOver {
                plan: plan(Fallback::Voicemail),
                briefing: anteroom_call::desk::Briefing::ByDevice,
                sentence_ms: None,
                task_made: false,
                urgent: true,
            }));
            true
        }
        Step::QueueTurn => {
            w.tell(DeskInput::QueueTurn(plan(Fallback::Queue)));
            true
        }
        Step::Off => {
            w.tell(DeskInput::AutomationOff(plan(Fallback::Voicemail)));
            true
        }
        Step::Wants(n, c) => dialled(w, n).is_some_and(|l| w.command(&By::Leg(l), command(c))),
        Step::Board(c) => w.command(&By::Person(PersonId::new("eve")), command(c)),
        Step::Adopts(what) => {
            let what = match what {
                AdoptAs0::Taker => Some(AdoptAs::Taker),
                AdoptAs0::Instead(n) => dialled(w, n).map(AdoptAs::Instead),
                AdoptAs0::Supervisor => Some(AdoptAs::Supervisor(Supervision::Listen)),
            };
            let leg = LegId::from_u128(9_000);
            let target = person("eve").remove(0);
            what.filter(|_| !w.desk.is_over())
                .map(|what| w.tell(DeskInput::Adopt { leg, target, what }))
                .is_some()
        }
        Step::Wait(ms) => {
            w.run(w.now + ms);
            true
        }
    };
    w.run(w.now + 50);
    done
}

/// Lets the world go on, and end, and checks what is then true.
fn finish(w: &mut World, manner: Manner) {
    w.manner = manner;
    if manner != Manner::Still {
        // Telephones that ring already do as the others.
        for leg in w.dialled.clone() {
            let event = match manner {
                Manner::Answer => Event::FarAnswers(leg),
                _ => Event::FarRefuses(leg, 486),
            };
            w.after(500, event);
        }
    }
    w.after(900_000, Event::Evening);
    w.after(1_000_000, Event::Evening);
    w.run(3_600_000);
    w.check_end();
}

#[test]
fn every_flow_goes_as_it_is_told() {
    for (name, steps) in flows() {
        let mut w = begin();
        for step in steps {
            assert!(take(&mut w, step), "{name}: {step:?}\n{}", w.log.join("\n"));
        }
        finish(&mut w, Manner::Refuse);
    }
}

/// What befalls a party in the middle of a flow.
#[derive(Debug, Clone, Copy)]
enum Fate {
    HangsUp,
    Dies,
    Refuses,
}

#[test]
fn at_every_step_of_every_flow_anybody_may_hang_up() {
    let mut cases = 0;
    for (name, steps) in flows() {
        for cut in 0..=steps.len() {
            for fate in [Fate::HangsUp, Fate::Dies, Fate::Refuses] {
                for manner in [Manner::Still, Manner::Answer, Manner::Refuse] {
                    for goes_on in [false, true] {
                        cases += interrupted(name, &steps, cut, fate, manner, goes_on);
                    }
                }
            }
        }
    }
    assert!(cases > 5_000, "only {cases} cases");
}

/// Replays `steps` up to `cut` once for each party there, has `fate` befall them, and lets the world end. How many
/// parties there were.
fn interrupted(name: &str, steps: &[Step], cut: usize, fate: Fate, manner: Manner, goes_on: bool) -> u32 {
    let mut cases = 0;
    for party in 0.. {
        let mut w = begin();
        for step in &steps[..cut] {
            take(&mut w, *step);
        }
        let Some(leg) = w.phones.keys().nth(party).copied() else {
            break;
        };
        let story = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if w.phones[&leg].far != Far::Ended {
                cases += 1;
            }
            w.after(
                0,
                match fate {
                    Fate::HangsUp => Event::FarHangsUp(leg),
                    Fate::Dies => Event::FarDies(leg),
                    Fate::Refuses => Event::FarRefuses(leg, 603),
                },
            );
            if goes_on {
                for step in &steps[cut..] {
                    take(&mut w, *step);
                }
            }
            finish(&mut w, manner);
        }));
        assert!(
            story.is_ok(),
            "{name}, {fate:?} of {leg} before step {cut}, then {manner:?}:\n{}",
            w.log.join("\n")
        );
    }
    cases
}

#[test]
fn a_caller_who_was_never_answered_and_hangs_up_leaves_one_task() {
    for fallback in [
        Fallback::Voicemail,
        Fallback::Callback,
        Fallback::Queue,
        Fallback::Receptionist,
    ] {
        let mut w = begin();
        take(&mut w, handed(fallback));
        w.tell(crate::world::ended(w.first, LegEnd::HungUp));
        w.phones.get_mut(&w.first.clone()).unwrap().far = Far::Ended;
        finish(&mut w, Manner::Answer);
        assert_eq!(w.tasks, 1, "{fallback:?}");
    }
}
