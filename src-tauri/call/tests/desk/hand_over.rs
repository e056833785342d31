//! From the receptionist to a person, or to what is said when there is none.

use crate::story::{Story, plan, target};
use anteroom_call::desk::{AnswerPolicy, Briefing, DeskConfig, DeskInput, HandOver};
use anteroom_call::ring::{Availability, Fallback, GroupMember, RingPlan, RingStrategy, RingTimes};

/// A hand-over of a group of two with these times, all at once or one after the other, without an end of the sentence.
fn rings(times: RingTimes, strategy: RingStrategy, urgent: bool, sentence_ms: u64) -> DeskInput {
    let member = |name| GroupMember {
        who: target(name).who,
        devices: vec![target(name).at],
        is: Availability::Free,
        rings: false,
        idle_since: None,
    };
    let members = [member("ann1"), member("bob1")];
    DeskInput::HandOver(HandOver {
        plan: RingPlan::of_group(strategy, &members, times, Fallback::Receptionist, urgent),
        briefing: Briefing::Screen,
        sentence_ms: Some(sentence_ms),
        task_made: urgent,
        urgent,
    })
}

fn announced(briefing: Briefing) -> DeskInput {
    DeskInput::HandOver(HandOver {
        plan: plan("ann1 bob1", Fallback::Callback),
        briefing,
        sentence_ms: Some(3_000),
        task_made: false,
        urgent: false,
    })
}

#[test]
fn telephones_ring_while_the_sentence_is_spoken_and_the_caller_is_connected_at_its_end() {
    let mut s = Story::incoming();
    s.happens(announced(Briefing::Screen))
        .check(&["dial A ann1 Caller", "dial B bob1 Caller"]);
    s.rings('A').rings('B').check(&[]);
    // Bob lifts in mid-sentence; Ann's telephone stops at once.
    s.answers('B')
        .check(&["cancel A AnsweredElsewhere", "play B Reminder"]);
    s.refuses('A', 487).check(&[]);
    s.happens(DeskInput::SentenceDone).check(&[
        "ReceptionistDone",
        "note bob has the caller on B",
        "stop B",
        "connect C<B B<C",
    ]);
    s.seconds(5)
        .hangs_up('B')
        .check(&["hang up C OtherHungUp", "disconnect"]);
    s.hangs_up('C').check(&["Finish(Talked)"]);
}

#[test]
fn the_sentence_is_cut_short_when_the_policy_says_so() {
    let mut s = Story::incoming_with(DeskConfig {
        answer: AnswerPolicy::CutSentence,
        ..DeskConfig::default()
    });
    s.happens(announced(Briefing::Screen));
    s.answers('A').check(&[
        "dial A ann1 Caller",
        "dial B bob1 Caller",
        "cancel B AnsweredElsewhere",
        "CutSentence",
        "ReceptionistDone",
        "note ann has the caller on A",
        "connect C<A A<C",
    ]);
}

#[test]
fn nobody_answers_and_the_caller_is_told_and_a_task_made_first() {
    let mut s = Story::incoming();
    s.hand_over("ann1 / bob1", Fallback::Callback)
        .check(&["dial A ann1 Caller", "play C Ringback"]);
    s.refuses('A', 486).check(&["dial B bob1 Caller"]);
    s.seconds(20).check(&[
        "cancel B NoAnswer",
        "note NobodyAnswered",
        "CreateTask(Missed)",
        "ReceptionistDone",
        "stop C",
        "say C WillRingBack",
    ]);
    s.said('C').check(&["hang up C Done", "stop C"]);
    s.refuses('B', 487).hangs_up('C').check(&["Finish(Callback)"]);
}

#[test]
fn who_declines_leaves_the_caller_to_those_whose_telephones_stopped_for_them() {
    let mut s = Story::incoming();
    s.happens(announced(Briefing::ScreenAndAsked))
        .happens(DeskInput::SentenceDone);
    s.answers('A').refuses('B', 487).check(&[
        "dial A ann1 Caller",
        "dial B bob1 Caller",
        "play C Ringback",
        "cancel B AnsweredElsewhere",
        "play A Reminder",
    ]);
    s.key('A', '2')
        .check(&["hang up A Staff", "dial D bob1 Caller", "stop A"]);
    // Bob does not decide, and there is nobody else.
    s.answers('D').seconds(15).check(&[
        "play D Reminder",
        "hang up D Staff",
        "note NobodyAnswered",
        "CreateTask(Missed)",
        "ReceptionistDone",
        "stop C",
        "stop D",
        "say C WillRingBack",
    ]);
}

#[test]
fn a_telephone_without_a_screen_is_told_by_ear_and_one_with_a_screen_is_not() {
    let mut s = Story::incoming();
    s.happens(announced(Briefing::ByDevice))
        .happens(DeskInput::SentenceDone);
    s.lifts('A').refuses('B', 487).check(&[
        "dial A ann1 Caller",
        "dial B bob1 Caller",
        "play C Ringback",
        "cancel B AnsweredElsewhere",
        "say A Brief { asks: false }",
    ]);
    s.said('A').check(&[
        "ReceptionistDone",
        "note ann has the caller on A",
        "stop C",
        "stop A",
        "connect C<A A<C",
    ]);
    let mut s = Story::incoming();
    s.happens(announced(Briefing::ByDevice))
        .happens(DeskInput::SentenceDone);
    s.answers('A').check(&[
        "dial A ann1 Caller",
        "dial B bob1 Caller",
        "play C Ringback",
        "cancel B AnsweredElsewhere",
        "ReceptionistDone",
        "note ann has the caller on A",
        "stop C",
        "connect C<A A<C",
    ]);
}

#[test]
fn who_is_briefed_by_ear_takes_the_caller_at_once_with_a_key() {
    let mut s = Story::incoming();
    s.happens(announced(Briefing::ByDevice))
        .happens(DeskInput::SentenceDone);
    s.lifts('A').refuses('B', 487);
    s.key('A', '1').check(&[
        "dial A ann1 Caller",
        "dial B bob1 Caller",
        "play C Ringback",
        "cancel B AnsweredElsewhere",
        "say A Brief { asks: false }",
        "ReceptionistDone",
        "note ann has the caller on A",
        "stop C",
        "stop A",
        "connect C<A A<C",
    ]);
}

#[test]
fn a_handset_that_is_lifted_and_dropped_is_no_conversation() {
    let mut s = Story::incoming();
    s.hand_over("ann1 bob1", Fallback::Callback)
        .answers('A')
        .refuses('B', 487);
    s.seconds(1).hangs_up('A').check(&[
        "dial A ann1 Caller",
        "dial B bob1 Caller",
        "play C Ringback",
        "cancel B AnsweredElsewhere",
        "ReceptionistDone",
        "note ann has the caller on A",
        "stop C",
        "connect C<A A<C",
        "note PersonLost",
        "dial D ann1 Caller",
        "dial E bob1 Caller",
        "disconnect",
        "say C OneMoment",
    ]);
}

#[test]
fn an_emergency_while_somebody_is_rung_rings_everybody_else_beside_them() {
    let mut s = Story::incoming();
    s.hand_over("ann1", Fallback::Queue)
        .check(&["dial A ann1 Caller", "play C Ringback"]);
    let urgent = || {
        DeskInput::HandOver(HandOver {
            plan: plan("ann1 bob1", Fallback::Voicemail),
            briefing: Briefing::Screen,
            sentence_ms: None,
            task_made: true,
            urgent: true,
        })
    };
    s.seconds(15)
        .happens(urgent())
        .check(&["dial B bob1 Caller urgent"]);
    // Told again, nothing more is done.
    s.happens(urgent()).check(&[]);
    // Ann's telephone rings on as long as Bob's.
    s.seconds(15).check(&[]);
    s.answers('A').check(&[
        "cancel B AnsweredElsewhere",
        "ReceptionistDone",
        "note ann has the caller on A",
        "stop C",
        "connect C<A A<C",
    ]);
}

#[test]
fn an_emergency_while_somebody_is_told_of_the_call_rings_everybody_if_they_do_not_take_it() {
    let mut s = Story::incoming();
    s.happens(DeskInput::HandOver(HandOver {
        plan: plan("ann1", Fallback::Queue),
        briefing: Briefing::Spoken,
        sentence_ms: None,
        task_made: false,
        urgent: false,
    }));
    s.answers('A');
    assert!(s.so_far().iter().any(|t| t.starts_with("say A Brief")));
    s.happens(DeskInput::HandOver(HandOver {
        plan: plan("ann1 bob1", Fallback::Voicemail),
        briefing: Briefing::Spoken,
        sentence_ms: None,
        task_made: true,
        urgent: true,
    }))
    .check(&[]);
    s.hangs_up('A');
    let told = s.so_far();
    for who in ["dial B ann1 Caller urgent", "dial D bob1 Caller urgent"] {
        assert!(told.contains(&who.to_owned()), "{told:?}");
    }
}

#[test]
fn the_receptionist_has_the_caller_back_within_the_time_it_is_told() {
    let seconds = |step: u64, total: u64| RingTimes {
        step_ms: step * 1_000,
        total_ms: total * 1_000,
    };
    for times in [seconds(25, 45), seconds(120, 5), seconds(5, 300)] {
        for strategy in [RingStrategy::All, RingStrategy::InOrder] {
            for lifted in [false, true] {
                let max = DeskConfig::default().rings_ms_max(times, 12_000);
                let mut s = Story::incoming();
                s.happens(rings(times, strategy, false, 12_000));
                if lifted {
                    // The end of the sentence is not reported; until it is taken to be over, Ann has the handset.
                    s.seconds(4).answers('A').seconds(9).hangs_up('A');
                }
                let left = max.div_ceil(1_000) - if lifted { 13 } else { 0 };
                s.seconds(left);
                let told = s.so_far();
                let back = told.iter().filter(|t| *t == "ReturnToReceptionist").count();
                assert_eq!(back, 1, "{times:?} {strategy:?} {lifted}: {told:?}");
            }
        }
    }
}

#[test]
fn an_emergency_while_telephones_ring_begins_their_time_anew_and_no_longer() {
    let times = RingTimes {
        step_ms: 25_000,
        total_ms: 45_000,
    };
    let max = DeskConfig::default().rings_ms_max(times, 12_000);
    let mut s = Story::incoming();
    s.happens(rings(times, RingStrategy::InOrder, false, 3_000))
        .seconds(30);
    s.happens(rings(times, RingStrategy::InOrder, true, 12_000));
    s.seconds(44);
    assert!(!s.so_far().iter().any(|t| t == "ReturnToReceptionist"));
    s.seconds(max / 1_000 - 44);
    assert!(s.so_far().iter().any(|t| t == "ReturnToReceptionist"));
}
