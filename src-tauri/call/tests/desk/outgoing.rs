//! Calls that staff place.

use crate::story::{Story, leg, targets};
use anteroom_call::desk::{Command, DeskInput};
use anteroom_call::ring::Fallback;

#[test]
fn the_far_telephones_own_sounds_are_heard_before_it_is_answered() {
    let mut s = Story::outgoing("ann1");
    s.hand_over("out1", Fallback::HangUp)
        .check(&["dial A out1 Caller", "play C Ringback"]);
    s.happens(DeskInput::LegProgress {
        leg: leg('A'),
        early_media: true,
    })
    .check(&["stop C", "connect C<A A<"]);
    s.answers('A')
        .check(&["note out has the caller on A", "connect C<A A<C"]);
}

#[test]
fn a_busy_number_is_told_and_makes_no_task() {
    let mut s = Story::outgoing("ann1");
    s.hand_over("out1", Fallback::HangUp).refuses('A', 486).check(&[
        "dial A out1 Caller",
        "play C Ringback",
        "note NobodyAnswered",
        "stop C",
        "say C Busy",
    ]);
    s.said('C').check(&["hang up C Done", "stop C"]);
    s.hangs_up('C').check(&["Finish(NoAnswer)"]);
}

#[test]
fn who_placed_the_call_can_give_it_away_and_leave() {
    let mut s = Story::outgoing("ann1");
    s.hand_over("out1", Fallback::HangUp).answers('A');
    s.wants("ann", Command::Blind { to: targets("bob1") });
    s.hangs_up('C').answers('B').check(&[
        "dial A out1 Caller",
        "play C Ringback",
        "note out has the caller on A",
        "stop C",
        "connect C<A A<C",
        "refer C Done",
        "hang up C Transferred",
        "dial B bob1 Caller",
        "disconnect",
        "play A Ringback",
        "note Transferred { to: bob }",
        "note bob has the caller on B",
        "stop A",
        "connect A<B B<A",
    ]);
}
