//! Hold, mute, others who come and go, and lines that are lost.

use crate::story::{Story, leg, target, targets};
use anteroom_call::desk::{AdoptAs, Asking, Command, ControlError, DeskInput, Supervision};
use anteroom_call::leg::LegEnd;
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
