//! From the receptionist to a person, or to what is said when there is none.

use crate::story::{Story, plan};
use anteroom_call::desk::{AnswerPolicy, Briefing, DeskConfig, DeskInput, HandOver};
use anteroom_call::ring::Fallback;

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
