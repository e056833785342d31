//! Callers who wait in a slot, in the queue, or for the tone.

use crate::story::{Story, leg, plan, targets};
use anteroom_call::desk::{Asking, Briefing, Command, DeskConfig, DeskInput, HandOver};
use anteroom_call::ring::Fallback;

#[test]
fn a_parked_caller_is_fetched_by_anybody() {
    let mut s = Story::talking();
    s.wants("ann", Command::Park { slot: 3 }).check(&[
        "refer A Done",
        "note Parked { slot: 3, by: ann }",
        "disconnect",
        "play C Music",
        "say A ParkedAt(3)",
    ]);
    s.said('A').check(&["hang up A Transferred", "stop A"]);
    s.wants("-", Command::Take { at: targets("bob1") })
        .check(&["dial B bob1 Take"]);
    s.answers('B').check(&[
        "FreeSlot { slot: 3 }",
        "note bob has the caller on B",
        "stop C",
        "connect C<B B<C",
    ]);
}

#[test]
fn who_wants_a_caller_and_does_not_answer_changes_nothing() {
    let mut s = Story::incoming();
    s.wants("-", Command::Take { at: targets("bob1") }).seconds(25);
    s.refuses('A', 487)
        .check(&["dial A bob1 Take", "cancel A NoAnswer"]);
    // The receptionist talked all the while, and is interrupted only when somebody is there.
    s.wants("-", Command::Take { at: targets("bob1") })
        .answers('B')
        .check(&[
            "dial B bob1 Take",
            "ReceptionistDone",
            "note bob has the caller on B",
            "connect C<B B<C",
        ]);
}

#[test]
fn who_wants_a_caller_rings_beside_the_others_and_outlasts_them() {
    let mut s = Story::incoming();
    s.hand_over("ann1", Fallback::Voicemail);
    s.wants(
        "-",
        Command::Take {
            at: targets("ann1 bob1"),
        },
    )
    .refuses('A', 486)
    .check(&[
        "dial A ann1 Caller",
        "play C Ringback",
        "dial B bob1 Take",
        "note NobodyAnswered",
        "ReceptionistDone",
        "stop C",
        "say C VoicemailGreeting(Busy)",
    ]);
    s.said('C').answers('B').check(&[
        "note LeavingMessage",
        "record C",
        "stop C",
        "StopRecording { keep: false }",
        "note bob has the caller on B",
        "connect C<B B<C",
    ]);
}

#[test]
fn a_caller_who_is_forgotten_in_a_slot_rings_back_who_parked_them_and_then_the_group() {
    let mut s = Story::talking();
    s.wants("ann", Command::Park { slot: 3 })
        .said('A')
        .hangs_up('A')
        .check(&[
            "refer A Done",
            "note Parked { slot: 3, by: ann }",
            "disconnect",
            "play C Music",
            "say A ParkedAt(3)",
            "hang up A Transferred",
            "stop A",
        ]);
    s.seconds(120).check(&[
        "FreeSlot { slot: 3 }",
        "dial B ann1 Caller",
        "stop C",
        "play C Ringback",
    ]);
    s.seconds(25).check(&["cancel B NoAnswer", "dial D ann1 Caller"]);
}

#[test]
fn the_queue_tells_the_place_and_a_key_asks_for_a_callback() {
    let mut s = Story::incoming();
    s.hand_over("ann1", Fallback::Queue).refuses('A', 486).check(&[
        "dial A ann1 Caller",
        "play C Ringback",
        "note NobodyAnswered",
        "ReceptionistDone",
        "note Queued",
        "JoinQueue",
        "stop C",
        "play C Music",
    ]);
    let place = |position| DeskInput::QueuePosition {
        position,
        wait_ms: Some(90_000),
    };
    s.happens(place(2)).check(&[
        "stop C",
        "say C QueuePosition { position: 2, wait_min: Some(2), offer_callback: true }",
    ]);
    s.said('C').happens(place(1)).check(&["stop C", "play C Music"]);
    s.happens(DeskInput::QueueTurn(plan("ann1", Fallback::Queue)))
        .check(&["dial B ann1 Caller"]);
    s.refuses('B', 486).check(&["note NobodyAnswered", "JoinQueue"]);
    s.key('C', '1').check(&[
        "CreateTask(CallbackAsked)",
        "LeaveQueue",
        "stop C",
        "say C CallbackNoted",
    ]);
}

/// A call whose caller shows no number.
fn withheld() -> Story {
    Story::incoming_with(DeskConfig {
        can_ring_back: false,
        after_queue: Fallback::Callback,
        ..DeskConfig::default()
    })
}

#[test]
fn a_caller_without_a_number_is_asked_for_a_message_and_promised_nothing() {
    let mut s = withheld();
    s.hand_over("ann1", Fallback::Callback).refuses('A', 486).check(&[
        "dial A ann1 Caller",
        "play C Ringback",
        "note NobodyAnswered",
        "ReceptionistDone",
        "stop C",
        "say C VoicemailGreeting(Busy)",
    ]);
    s.said('C').check(&["note LeavingMessage", "record C", "stop C"]);
    // Nothing is said after the tone.
    s.seconds(3).key('C', '#').check(&[
        "StopRecording { keep: false }",
        "CreateTask(Missed)",
        "say C NobodyFree",
    ]);
    s.said('C').check(&["hang up C Done", "stop C"]);
    s.hangs_up('C').check(&["Finish(NoAnswer)"]);

    let mut s = withheld();
    s.hand_over("", Fallback::Voicemail)
        .happens(DeskInput::RecordingFailed)
        .check(&[
            "note NobodyAnswered",
            "ReceptionistDone",
            "say C VoicemailGreeting(Busy)",
            "CreateTask(Missed)",
            "stop C",
            "say C NobodyFree",
        ]);
}

#[test]
fn a_caller_without_a_number_is_offered_no_key_in_the_queue_and_has_none() {
    let mut s = withheld();
    s.hand_over("", Fallback::Queue).check(&[
        "note NobodyAnswered",
        "ReceptionistDone",
        "note Queued",
        "JoinQueue",
        "play C Music",
    ]);
    s.happens(DeskInput::QueuePosition {
        position: 1,
        wait_ms: None,
    });
    s.check(&[
        "stop C",
        "say C QueuePosition { position: 1, wait_min: None, offer_callback: false }",
    ]);
    s.key('C', '1').check(&[]);
    s.happens(DeskInput::QueueRefused)
        .check(&["LeaveQueue", "stop C", "say C VoicemailGreeting(Busy)"]);
}

#[test]
fn a_message_is_kept_and_a_breath_is_not() {
    let greeted = |s: &mut Story| {
        s.hand_over("", Fallback::Voicemail).check(&[
            "note NobodyAnswered",
            "ReceptionistDone",
            "say C VoicemailGreeting(Busy)",
        ]);
        s.said('C').check(&["note LeavingMessage", "record C", "stop C"]);
        s.seconds(1).happens(DeskInput::Voice { speaks: true });
    };
    let mut s = Story::incoming();
    greeted(&mut s);
    s.seconds(4)
        .happens(DeskInput::Voice { speaks: false })
        .check(&[]);
    s.seconds(5).check(&[
        "StopRecording { keep: true }",
        "CreateTask(Message)",
        "say C MessageKept",
    ]);
    s.said('C').check(&["hang up C Done", "stop C"]);

    let mut s = Story::incoming();
    greeted(&mut s);
    s.hangs_up('C').check(&[
        "StopRecording { keep: false }",
        "CreateTask(Abandoned)",
        "Finish(Abandoned)",
    ]);
}

#[test]
fn who_hangs_up_on_hold_or_in_a_slot_is_rung_back_once_and_who_was_talked_to_is_not() {
    let tasks = |s: &mut Story| {
        let told = s.so_far();
        told.iter().filter(|t| t.starts_with("CreateTask")).count()
    };
    // What was done with the caller before they hung up, and whether that leaves a task.
    type Before = fn(&mut Story);
    let held: Before = |s| {
        s.wants("ann", Command::Hold);
    };
    let resumed: Before = |s| {
        s.wants("ann", Command::Hold).wants("ann", Command::Resume);
    };
    let by_telephone: Before = |s| {
        s.happens(DeskInput::LegHeld {
            leg: leg('A'),
            held: true,
        });
    };
    let asked_about: Before = |s| {
        let to = targets("bob1");
        let how = Asking::ByVoice;
        s.wants("ann", Command::Warm { to, how }).answers('B');
    };
    let three: Before = |s| {
        s.wants("ann", Command::Add { to: targets("bob1") })
            .answers('B')
            .happens(DeskInput::LegHeld {
                leg: leg('A'),
                held: true,
            });
    };
    let parked: Before = |s| {
        s.wants("ann", Command::Park { slot: 3 });
    };
    for (name, before, expected) in [
        ("held", held, 1),
        ("held and taken back", resumed, 0),
        ("held by the telephone's own key", by_telephone, 1),
        ("while a colleague is asked", asked_about, 1),
        ("held by one of two", three, 0),
        ("parked", parked, 1),
        ("talked to", |_| {}, 0),
    ] {
        let mut s = Story::talking();
        before(&mut s);
        s.hangs_up('C');
        assert_eq!(tasks(&mut s), expected, "{name}");
    }
    // There is a task already: the caller asked the receptionist for something first.
    let mut s = Story::talking();
    s.happens(DeskInput::TaskMade)
        .wants("ann", Command::Hold)
        .hangs_up('C');
    assert_eq!(tasks(&mut s), 0);
    // Staff hang up on whom they hold: they know what they do.
    let mut s = Story::talking();
    s.wants("ann", Command::Hold).wants("ann", Command::HangUp);
    assert_eq!(tasks(&mut s), 0);
}

#[test]
fn automation_off_while_telephones_ring_silences_the_machine() {
    let mut s = Story::incoming();
    s.hand_over("ann1", Fallback::Receptionist)
        .check(&["dial A ann1 Caller", "play C Ringback"]);
    s.happens(DeskInput::AutomationOff(plan("bob1", Fallback::Voicemail)))
        .check(&["ReceptionistDone"]);
    s.refuses('A', 486)
        .check(&["note NobodyAnswered", "stop C", "say C VoicemailGreeting(Busy)"]);
}

#[test]
fn an_emergency_in_the_queue_or_in_a_slot_rings_everybody() {
    let urgent = || {
        DeskInput::HandOver(HandOver {
            plan: plan("ann1 bob1", Fallback::Voicemail),
            briefing: Briefing::Screen,
            sentence_ms: None,
            task_made: false,
            urgent: true,
        })
    };
    let mut s = Story::incoming();
    s.hand_over("ann1", Fallback::Queue).refuses('A', 486);
    s.so_far();
    s.happens(urgent())
        .check(&["dial B ann1 Caller urgent", "dial D bob1 Caller urgent"]);
    // Once is enough.
    s.happens(urgent()).check(&[]);
    s.answers('D').check(&[
        "cancel B AnsweredElsewhere",
        "LeaveQueue",
        "note bob has the caller on D",
        "stop C",
        "connect C<D D<C",
    ]);
    let mut s = Story::talking();
    s.wants("ann", Command::Park { slot: 71 });
    s.so_far();
    s.happens(urgent());
    let told = s.so_far();
    assert!(told.contains(&"dial D bob1 Caller urgent".to_owned()), "{told:?}");
}

#[test]
fn what_is_promised_after_a_task_was_made_is_added_to_it() {
    let mut s = Story::talking();
    s.happens(DeskInput::TaskMade);
    s.wants("ann", Command::Callback);
    let told = s.so_far();
    assert!(
        told.contains(&"AmendTask(CallbackPromised)".to_owned()),
        "{told:?}"
    );
    assert!(!told.iter().any(|t| t.starts_with("CreateTask")), "{told:?}");
}

#[test]
fn automation_off_takes_the_caller_from_the_machine() {
    let mut s = Story::incoming();
    s.happens(DeskInput::AutomationOff(plan("ann1", Fallback::Receptionist)))
        .check(&["ReceptionistDone", "dial A ann1 Caller", "play C Ringback"]);
    // There is no receptionist to come back to.
    s.refuses('A', 486)
        .check(&["note NobodyAnswered", "stop C", "say C VoicemailGreeting(Busy)"]);
}
