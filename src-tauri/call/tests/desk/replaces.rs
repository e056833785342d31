//! A phone that joins its own two calls (REFER with Replaces): one call gives its leg away, the other takes it in.

use crate::story::{Story, leg, targets};
use anteroom_call::desk::{AdoptAs, Command, ControlError, DeskInput};
use anteroom_call::leg::LegEnd;
use anteroom_call::ring::Fallback;
use anteroom_types::Mono;

#[test]
fn the_caller_talks_to_whom_the_phone_had_rung_meanwhile() {
    // Ann has the caller, holds, and rings Bob from the same phone: a call of its own.
    let mut with_caller = Story::talking();
    with_caller.happens(DeskInput::LegHeld {
        leg: leg('A'),
        held: true,
    });
    with_caller.check(&["disconnect", "play C Music", "play A Reminder"]);
    let mut consultation = Story::outgoing("ann1");
    consultation.hand_over("bob1", Fallback::HangUp).answers('A');

    let now = Mono::from_ms(9_000);
    let (bobs, target, effects) = consultation.call.surrender(now, leg('C')).unwrap();
    assert_eq!(bobs, leg('A'));
    assert_eq!(target.as_ref().map(|t| t.who.as_str()), Some("bob"));
    consultation.tells(&effects).check(&[
        "dial A bob1 Caller",
        "play C Ringback",
        "note bob has the caller on A",
        "stop C",
        "connect C<A A<C",
        "surrendered A",
        "hang up C Transferred",
        "disconnect",
    ]);
    consultation.hangs_up('C').check(&["Finish(Talked)"]);

    // The ids of the two calls are different in the appliance; here X stands for Bob's leg.
    with_caller.happens(DeskInput::Adopt {
        leg: leg('X'),
        target: target.unwrap(),
        what: AdoptAs::Instead(leg('A')),
    });
    with_caller.check(&[
        "note Transferred { to: bob }",
        "note bob has the caller on X",
        "refer A Done",
        "hang up A Transferred",
        "stop C",
        "stop A",
        "connect C<X X<C",
    ]);
}

#[test]
fn a_phone_that_refers_before_it_was_answered_transfers_blindly_instead() {
    let mut consultation = Story::outgoing("ann1");
    consultation.hand_over("bob1", Fallback::HangUp);
    let refused = consultation.call.surrender(Mono::from_ms(1), leg('C'));
    assert_eq!(refused.unwrap_err(), ControlError::WrongState);
    let mut with_caller = Story::talking();
    with_caller
        .wants_on('A', Command::Blind { to: targets("bob1") })
        .ends('A', LegEnd::HungUp)
        .answers('B');
    assert_eq!(with_caller.call.host(), Some(leg('B')));
}
