//! Hold, mute, others who come and go, and lines that are lost.

use crate::story::{Story, leg, plan, target, targets};
use anteroom_call::desk::{AdoptAs, Asking, Command, ControlError, DeskInput, Supervision};
use anteroom_call::leg::LegEnd;
use anteroom_call::ring::Fallback;
use anteroom_call::scene::{Hears, Source};

#[test]
fn hold_gives_the_caller_music_and_the_person_a_reminder() {
    let mut s = Story::talking();
    let on_hold = ["note Held(true)", "disconnect", "play C Music", "play A Reminder"];
    s.wants("ann", Command::Hold).check(&on_hold);
    s.wants("ann", Command::Hold).check(&[]);
    assert_eq!(s.call.hears(leg('C')), Hears::Played(Source::Music));
    s.wants("ann", Command::Resume)
        .check(&["note Held(false)", "stop C", "stop A", "connect C<A A<C"]);
    // The same by the telephone's own key.
    s.happens(DeskInput::LegHeld {
        leg: leg('A'),
        held: true,
    })
    .check(&["disconnect", "play C Music", "play A Reminder"]);
    s.happens(DeskInput::LegHeld {
        leg: leg('A'),
        held: false,
    })
    .check(&["stop C", "stop A", "connect C<A A<C"]);
}

#[test]
fn a_muted_person_still_hears_and_the_caller_gets_no_music() {
    let mut s = Story::talking();
    s.wants("ann", Command::Mute).check(&["connect C<A A'<C"]);
    s.wants("ann", Command::Unmute).check(&["connect C<A A<C"]);
}

#[test]
fn who_hangs_up_on_a_held_caller_is_rung_back() {
    let mut s = Story::talking();
    s.wants("ann", Command::Hold).hangs_up('A').check(&[
        "note Held(true)",
        "disconnect",
        "play C Music",
        "play A Reminder",
        "dial B ann1 Caller",
        "stop C",
        "stop A",
        "play C Ringback",
    ]);
    s.answers('B')
        .check(&["note ann has the caller on B", "stop C", "connect C<B B<C"]);
}

#[test]
fn a_lost_line_is_told_and_the_group_rings_at_once() {
    let mut s = Story::talking();
    s.happens(DeskInput::LegMediaLost { leg: leg('A') }).check(&[
        "hang up A Failed",
        "note PersonLost",
        "dial B ann1 Caller",
        "disconnect",
        "say C OneMoment",
    ]);
    s.said('C').check(&["stop C", "play C Ringback"]);
    s.ends('A', LegEnd::Lost).check(&[]);
    s.refuses('B', 480)
        .check(&["note NobodyAnswered", "stop C", "say C VoicemailGreeting(Busy)"]);
}

/// A call that rings these, in which the first has answered and then the media of their telephone is lost.
fn lost(steps: &str, fallback: Fallback, after_s: u64) -> Story {
    let mut s = Story::incoming();
    s.hand_over(steps, fallback).answers('A').seconds(after_s);
    s.so_far();
    s.happens(DeskInput::LegMediaLost { leg: leg('A') });
    s
}

/// Who was dialled since the last look, in order.
fn dialled(s: &mut Story) -> String {
    let told = s.so_far();
    let who = told.iter().filter_map(|t| t.strip_prefix("dial "));
    let names: Vec<&str> = who.filter_map(|d| d.split(' ').nth(1)).collect();
    names.join(" ")
}

#[test]
fn a_telephone_whose_media_is_lost_is_rung_after_everybody_else() {
    // Whether there never was any, or it was lost in the middle of the talk: that is no handset that was dropped.
    for after_s in [0, 30] {
        let mut s = lost("ann1 ann2 bob1", Fallback::Voicemail, after_s);
        assert_eq!(dialled(&mut s), "ann2 bob1", "after {after_s} s");
        s.seconds(20);
        assert_eq!(dialled(&mut s), "ann1", "after {after_s} s");

        let mut s = lost("ann1 / bob1 / cat1", Fallback::Voicemail, after_s);
        assert_eq!(dialled(&mut s), "bob1", "after {after_s} s");
        s.seconds(20);
        assert_eq!(dialled(&mut s), "cat1", "after {after_s} s");
        s.seconds(20);
        assert_eq!(dialled(&mut s), "ann1", "after {after_s} s");
    }
}

#[test]
fn each_telephone_that_was_lost_is_remembered() {
    let mut s = lost("ann1 bob1 cat1", Fallback::Voicemail, 5);
    assert_eq!(dialled(&mut s), "bob1 cat1");
    // A is Ann's, B and D rang beside it; Bob answers on E.
    s.answers('E').seconds(5).ends('E', LegEnd::Lost);
    assert_eq!(dialled(&mut s), "cat1");
    s.seconds(20);
    assert_eq!(dialled(&mut s), "ann1");
    s.seconds(20);
    assert_eq!(dialled(&mut s), "bob1");
}

#[test]
fn who_was_being_asked_is_waited_for_and_the_lost_telephone_is_still_rung_last() {
    let mut s = Story::incoming();
    s.hand_over("ann1 / bob1", Fallback::Voicemail)
        .answers('A')
        .seconds(5);
    let (to, how) = (targets("cat1"), Asking::ByVoice);
    s.wants("ann", Command::Warm { to, how });
    s.happens(DeskInput::LegMediaLost { leg: leg('A') });
    s.so_far();
    s.seconds(25);
    assert_eq!(dialled(&mut s), "bob1");
    s.seconds(20);
    assert_eq!(dialled(&mut s), "ann1");
}

#[test]
fn the_queue_s_next_turn_rings_the_lost_telephone_last_too() {
    let mut s = lost("ann1 bob1", Fallback::Queue, 5);
    s.refuses('D', 486).refuses('E', 486);
    s.so_far();
    s.happens(DeskInput::QueueTurn(plan("ann1 bob1", Fallback::Queue)));
    assert_eq!(dialled(&mut s), "bob1");
    s.seconds(20);
    assert_eq!(dialled(&mut s), "ann1");
}

#[test]
fn a_telephone_outside_the_group_that_is_lost_is_rung_when_the_group_does_not_answer() {
    let mut s = Story::incoming();
    s.hand_over("ann1", Fallback::Voicemail);
    s.wants("-", Command::Take { at: targets("sue1") })
        .answers('B')
        .seconds(5);
    s.so_far();
    s.happens(DeskInput::LegMediaLost { leg: leg('B') });
    assert_eq!(dialled(&mut s), "ann1");
    s.seconds(20);
    assert_eq!(dialled(&mut s), "sue1");
}

#[test]
fn a_third_person_comes_and_the_first_may_leave() {
    let mut s = Story::talking();
    s.wants(
        "ann",
        Command::Add {
            to: targets("bob1 bob2"),
        },
    )
    .check(&["dial B bob1 Join", "dial D bob2 Join"]);
    s.answers('D').check(&[
        "cancel B AnsweredElsewhere",
        "note Joined { who: bob, supervision: None }",
        "connect C<AD A<CD D<CA",
    ]);
    assert_eq!(s.try_wants("eve", Command::Leave), Err(ControlError::NotInCall));
    s.wants("ann", Command::Leave)
        .check(&["hang up A Staff", "note Left { who: ann }", "connect C<D D<C"]);
    s.hangs_up('D').check(&["hang up C OtherHungUp", "disconnect"]);
}

#[test]
fn a_supervisor_listens_whispers_barges_and_leaves() {
    let mut s = Story::talking();
    let how = |how| Command::Supervise {
        how,
        at: targets("sue1"),
    };
    s.wants("sue", how(Supervision::Listen))
        .check(&["dial B sue1 Supervise"]);
    s.answers('B').check(&[
        "note Joined { who: sue, supervision: Some(Listen) }",
        "connect C<A A<C B<CA",
    ]);
    s.wants("sue", how(Supervision::Whisper)).check(&[
        "note Joined { who: sue, supervision: Some(Whisper) }",
        "connect C<A A<CB B<CA",
    ]);
    // The supervisor's ear is no hand on the call.
    assert_eq!(s.try_wants("sue", Command::Hold), Err(ControlError::NotInCall));
    s.hangs_up('A')
        .check(&["hang up C OtherHungUp", "hang up B OtherHungUp", "disconnect"]);
}

#[test]
fn who_barged_in_keeps_the_caller_when_the_first_person_leaves() {
    for gone in [LegEnd::HungUp, LegEnd::Lost] {
        let mut s = Story::talking();
        s.wants(
            "sue",
            Command::Supervise {
                how: Supervision::Barge,
                at: targets("sue1"),
            },
        )
        .answers('B')
        .check(&[
            "dial B sue1 Supervise",
            "note Joined { who: sue, supervision: Some(Barge) }",
            "connect C<AB A<CB B<CA",
        ]);
        s.ends('A', gone);
        let told = s.so_far();
        assert!(
            told.contains(&"note sue has the caller on B".to_owned()),
            "{told:?}"
        );
        assert!(told.contains(&"connect C<B B<C".to_owned()), "{told:?}");
        // Now they do what whoever has the caller does.
        s.wants("sue", Command::Hold).check(&[
            "note Held(true)",
            "disconnect",
            "play C Music",
            "play B Reminder",
        ]);
    }
}

#[test]
fn a_call_that_is_adopted_takes_part_as_it_asked_to() {
    let mut s = Story::talking();
    s.happens(DeskInput::Adopt {
        leg: leg('X'),
        target: target("bob1"),
        what: AdoptAs::Instead(leg('A')),
    })
    .check(&[
        "note Transferred { to: bob }",
        "note bob has the caller on X",
        "refer A Done",
        "hang up A Transferred",
        "connect C<X X<C",
    ]);
}

#[test]
fn who_waits_for_a_caller_who_hangs_up_is_told() {
    let mut s = Story::talking();
    s.wants("ann", Command::Hold).hangs_up('C').check(&[
        "note Held(true)",
        "disconnect",
        "play C Music",
        "play A Reminder",
        "CreateTask(Abandoned)",
        "stop C",
        "stop A",
        "say A CallerGone",
    ]);
    s.said('A').check(&["hang up A CallerGone", "stop A"]);
    s.hangs_up('A').check(&["Finish(Abandoned)"]);
}

#[test]
fn a_telephone_that_replaces_another_goes_on_with_its_consultation() {
    let mut s = Story::talking();
    let how = Asking::ByVoice;
    s.wants(
        "ann",
        Command::Warm {
            to: targets("bob1"),
            how,
        },
    )
    .answers('B');
    s.happens(DeskInput::Adopt {
        leg: leg('X'),
        target: target("ann2"),
        what: AdoptAs::Instead(leg('A')),
    });
    s.wants("ann", Command::Complete).check(&[
        "dial B bob1 Consult",
        "note Consulting { who: bob }",
        "disconnect",
        "play C Music",
        "play A Ringback",
        "stop A",
        "connect A<B B<A",
        "note Transferred { to: ann }",
        "note ann has the caller on X",
        "refer A Done",
        "hang up A Transferred",
        "connect B<X X<B",
        "note Transferred { to: bob }",
        "note bob has the caller on B",
        "refer X Done",
        "hang up X Transferred",
        "stop C",
        "connect C<B B<C",
    ]);
}

#[test]
fn a_telephone_that_drops_every_call_does_not_keep_the_caller_for_ever() {
    let mut s = Story::talking();
    for (lost, next) in [('A', 'B'), ('B', 'D'), ('D', 'E')] {
        s.ends(lost, LegEnd::Lost).answers(next);
    }
    s.check(&[
        "note PersonLost",
        "dial B ann1 Caller",
        "disconnect",
        "say C OneMoment",
        "note ann has the caller on B",
        "stop C",
        "connect C<B B<C",
        "note PersonLost",
        "dial D ann1 Caller",
        "disconnect",
        "say C OneMoment",
        "note ann has the caller on D",
        "stop C",
        "connect C<D D<C",
        "note PersonLost",
        "dial E ann1 Caller",
        "disconnect",
        "say C OneMoment",
        "note ann has the caller on E",
        "stop C",
        "connect C<E E<C",
    ]);
    s.ends('E', LegEnd::Lost)
        .check(&["note PersonLost", "disconnect", "say C VoicemailGreeting(Busy)"]);
}

#[test]
fn nobody_ends_a_conversation_they_are_not_in() {
    for command in [Command::HangUp, Command::Voicemail, Command::Callback] {
        let mut s = Story::talking();
        assert_eq!(
            s.try_wants("bob", command.clone()),
            Err(ControlError::NotInCall),
            "{command:?}"
        );
        s.check(&[]);
        s.wants("ann", command);
    }
}
