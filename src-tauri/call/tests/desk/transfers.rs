//! The caller is given to somebody else, with and without asking them.

use crate::story::{Story, leg, targets};
use anteroom_call::desk::{Asking, Command, ControlError};

fn warm(how: Asking) -> Command {
    Command::Warm {
        to: targets("bob1"),
        how,
    }
}

#[test]
fn a_blind_transfer_that_nobody_takes_comes_back() {
    let mut s = Story::talking();
    s.wants_on('A', Command::Blind { to: targets("bob1") }).check(&[
        "refer A Done",
        "hang up A Transferred",
        "dial B bob1 Caller",
        "disconnect",
        "play C Ringback",
    ]);
    s.hangs_up('A').check(&[]);
    s.seconds(25).check(&["cancel B NoAnswer", "dial D ann1 Caller"]);
    s.answers('D').check(&[
        "note Transferred { to: ann }",
        "note ann has the caller on D",
        "stop C",
        "connect C<D D<C",
    ]);
}

#[test]
fn an_attended_transfer_is_talked_over_and_completed() {
    let mut s = Story::talking();
    s.wants("ann", warm(Asking::ByVoice)).check(&[
        "dial B bob1 Consult",
        "note Consulting { who: bob }",
        "disconnect",
        "play C Music",
        "play A Ringback",
    ]);
    s.rings('B').check(&["refer A Ringing"]);
    s.answers('B').check(&["stop A", "connect A<B B<A"]);
    s.wants("ann", Command::Complete).check(&[
        "note Transferred { to: bob }",
        "note bob has the caller on B",
        "refer A Done",
        "hang up A Transferred",
        "stop C",
        "connect C<B B<C",
    ]);
}

#[test]
fn hanging_up_completes_a_transfer_that_is_talked_over_and_lets_one_that_rings_go_on() {
    let mut s = Story::talking();
    s.wants("ann", warm(Asking::ByVoice)).answers('B').check(&[
        "dial B bob1 Consult",
        "note Consulting { who: bob }",
        "disconnect",
        "play C Music",
        "play A Ringback",
        "stop A",
        "connect A<B B<A",
    ]);
    s.hangs_up('A').check(&[
        "note Transferred { to: bob }",
        "note bob has the caller on B",
        "stop C",
        "connect C<B B<C",
    ]);

    let mut s = Story::talking();
    s.wants("ann", warm(Asking::ByVoice)).hangs_up('A').check(&[
        "dial B bob1 Consult",
        "note Consulting { who: bob }",
        "disconnect",
        "play C Music",
        "play A Ringback",
        "stop C",
        "stop A",
        "play C Ringback",
    ]);
    s.answers('B').check(&[
        "note Transferred { to: bob }",
        "note bob has the caller on B",
        "stop C",
        "connect C<B B<C",
    ]);
}

#[test]
fn with_a_typed_briefing_the_caller_stays_with_the_person_until_it_is_accepted() {
    let mut s = Story::talking();
    s.wants("ann", warm(Asking::Spoken))
        .check(&["dial B bob1 Consult", "note Consulting { who: bob }"]);
    s.answers('B').check(&["say B Brief { asks: true }"]);
    s.said('B').check(&["stop B", "play B Reminder"]);
    s.key('B', '2').check(&[
        "hang up B Staff",
        "note TransferFailed",
        "refer A Failed(603)",
        "stop B",
    ]);
    s.wants("ann", warm(Asking::Screen)).answers('D').check(&[
        "dial D bob1 Consult",
        "note Consulting { who: bob }",
        "play D Reminder",
    ]);
    s.wants("bob", Command::Accept).check(&[
        "note Transferred { to: bob }",
        "note bob has the caller on D",
        "refer A Done",
        "hang up A Transferred",
        "stop D",
        "connect C<D D<C",
    ]);
}

#[test]
fn who_is_asked_and_busy_or_let_go_leaves_everything_as_it_was() {
    let mut s = Story::talking();
    s.wants("ann", warm(Asking::ByVoice)).refuses('B', 486).check(&[
        "dial B bob1 Consult",
        "note Consulting { who: bob }",
        "disconnect",
        "play C Music",
        "play A Ringback",
        "note TransferFailed",
        "refer A Failed(486)",
        "stop C",
        "stop A",
        "connect C<A A<C",
    ]);
    s.wants("ann", warm(Asking::ByVoice))
        .answers('D')
        .wants("ann", Command::Abort)
        .check(&[
            "dial D bob1 Consult",
            "note Consulting { who: bob }",
            "disconnect",
            "play C Music",
            "play A Ringback",
            "stop A",
            "connect A<D D<A",
            "hang up D Staff",
            "note TransferFailed",
            "refer A Failed(487)",
            "stop C",
            "connect C<A A<C",
        ]);
    assert_eq!(s.try_wants("ann", Command::Abort), Err(ControlError::WrongState));
}

#[test]
fn a_consultation_becomes_a_talk_of_three() {
    let mut s = Story::talking();
    s.wants("ann", warm(Asking::ByVoice))
        .answers('B')
        .wants("ann", Command::Join);
    assert_eq!(s.call.host(), Some(leg('A')));
    s.check(&[
        "dial B bob1 Consult",
        "note Consulting { who: bob }",
        "disconnect",
        "play C Music",
        "play A Ringback",
        "stop A",
        "connect A<B B<A",
        "note Joined { who: bob, supervision: None }",
        "stop C",
        "connect C<AB A<CB B<CA",
    ]);
}

#[test]
fn who_is_asked_on_a_telephone_without_a_screen_is_told_by_ear() {
    let mut s = Story::talking();
    s.wants("ann", warm(Asking::Screen)).lifts('B').check(&[
        "dial B bob1 Consult",
        "note Consulting { who: bob }",
        "say B Brief { asks: true }",
    ]);
    s.key('B', '1').check(&[
        "note Transferred { to: bob }",
        "note bob has the caller on B",
        "refer A Done",
        "hang up A Transferred",
        "stop B",
        "connect C<B B<C",
    ]);
}

#[test]
fn who_does_not_wait_for_the_answer_leaves_the_caller_waiting_for_the_person_asked() {
    let mut s = Story::talking();
    s.wants("ann", warm(Asking::Spoken))
        .answers('B')
        .hangs_up('A')
        .check(&[
            "dial B bob1 Consult",
            "note Consulting { who: bob }",
            "say B Brief { asks: true }",
            "disconnect",
            "play C Ringback",
        ]);
    s.said('B').check(&["stop B", "play B Reminder"]);
    s.key('B', '2')
        .check(&["hang up B Staff", "dial D ann1 Caller", "stop B"]);
    s.refuses('D', 480).check(&["dial E ann1 Caller"]);
    s.refuses('E', 480)
        .check(&["note NobodyAnswered", "stop C", "say C VoicemailGreeting(Busy)"]);
}

#[test]
fn a_screen_sees_who_is_asked_and_who_has_the_caller() {
    let mut s = Story::talking();
    s.seconds(5).wants("ann", warm(Asking::ByVoice)).answers('B');
    let view = s.call.view();
    assert_eq!(view.since.as_ms(), 10_000, "the caller waits apart since then");
    let consulting = view.consulting.unwrap();
    assert_eq!((consulting.who.as_str(), consulting.answered), ("bob", true));
    assert_eq!(view.host.unwrap().as_str(), "ann");
    let names: Vec<&str> = view.attendees.iter().map(|a| a.target.who.as_str()).collect();
    assert_eq!(names, ["ann", "bob"]);
}
