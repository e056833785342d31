//! Keys, silence, failures and callers who hang up.

use super::*;

#[test]
fn the_call_is_hung_up_when_goodbye_was_heard() {
    let mut call = Call::new();
    call.hears("Thank you, goodbye.");
    let say = SayId(4);
    assert_eq!(call.give(ConvEvent::SayDone { say }), ["hang up"]);
    assert!(call.hears("Hello?").is_empty());
    assert!(call.give(ConvEvent::CallerGone).is_empty());
}

#[test]
fn a_goodbye_that_is_never_said_ends_all_the_same() {
    let mut call = Call::new();
    call.hears("Thank you, goodbye.");
    let t = call.talk.next_timeout().expect("a deadline");
    call.now = t;
    assert_eq!(call.give(ConvEvent::Tick), ["hang up"]);
}

#[test]
fn details_can_be_keyed() {
    let mut call = Call::new();
    call.hears("Can someone call me back?");
    call.hears("Sarah Thompson");
    call.keys("07700900142");
    call.hears("my knee");
    assert_eq!(call.keys("1")[..2], ["task", "task callback 07700900142"]);
}

#[test]
fn keys_without_a_hash_are_taken_after_a_pause() {
    let mut call = Call::new();
    call.hears("Do you speak Polish?");
    call.hears("Sarah Thompson");
    assert!(call.keys("0163296000").is_empty());
    call.now = call.talk.next_timeout().expect("a deadline");
    assert_eq!(
        call.give(ConvEvent::Tick),
        ["say read_back privately", "expect yesno"]
    );
}

#[test]
fn silence_leads_to_the_keypad_and_then_to_a_callback() {
    let mut call = Call::new();
    let quiet = |call: &mut Call| call.give(ConvEvent::NothingHeard);
    assert_eq!(quiet(&mut call), ["say nothing_heard", "expect question"]);
    assert_eq!(quiet(&mut call), ["say nothing_heard", "expect question"]);
    assert_eq!(quiet(&mut call), ["say keypad_menu", "expect keypad"]);
    assert_eq!(
        quiet(&mut call),
        ["task", "task callback", "say goodbye_silent", "expect question"]
    );
    assert_eq!(quiet(&mut call), ["hang up"]);
}

#[test]
fn a_caller_the_recogniser_is_too_busy_for_is_kept_and_given_to_a_person() {
    let mut call = Call::new();
    let busy = |call: &mut Call| call.give(ConvEvent::NotRecognised);
    // Silence between does not add up with it to a goodbye.
    call.give(ConvEvent::NothingHeard);
    call.give(ConvEvent::NothingHeard);
    assert_eq!(busy(&mut call), ["say taking_longer"]);
    assert_eq!(busy(&mut call), ["say taking_longer"]);
    let keys = ["say keypad_only", "say keypad_menu", "expect keypad"];
    for _ in 0..3 {
        assert_eq!(busy(&mut call), keys);
    }
    assert_eq!(busy(&mut call), ["handover", "say handover", "handover"]);
    // While somebody is rung, nothing more is asked.
    assert!(busy(&mut call).is_empty());
}

#[test]
fn words_that_come_after_all_end_the_trouble() {
    let mut call = Call::new();
    for _ in 0..3 {
        call.give(ConvEvent::NotRecognised);
    }
    call.hears("Is there parking?");
    assert_eq!(call.give(ConvEvent::NotRecognised), ["say taking_longer"]);
    assert!(call.tasks().is_empty());
}

#[test]
fn nobody_is_hung_up_on_for_words_after_the_goodbye_that_were_not_recognised() {
    let mut call = Call::new();
    call.hears("Thank you, goodbye.");
    assert_eq!(
        call.give(ConvEvent::NotRecognised),
        ["say taking_longer", "expect question"]
    );
}

#[test]
fn a_form_is_gone_on_with_when_the_recogniser_is_too_busy() {
    let mut call = Call::with_number();
    call.hears("I'd like to book an appointment.");
    let lines = call.give(ConvEvent::NotRecognised);
    assert_eq!(lines, ["say taking_longer", "say ask_name", "expect name"]);
    call.hears("Sarah Thompson");
    assert!(call.tasks().is_empty());
    // What cannot be keyed is for a person to ask, and not for a goodbye.
    let mut call = Call::with_number();
    call.hears("I'd like to book an appointment.");
    call.give(ConvEvent::NotRecognised);
    call.give(ConvEvent::NotRecognised);
    assert_eq!(
        call.give(ConvEvent::NotRecognised),
        ["handover", "say handover", "handover"]
    );
}

#[test]
fn silence_after_an_answer_is_a_goodbye() {
    let mut call = Call::new();
    call.hears("Is there parking?");
    assert_eq!(
        call.give(ConvEvent::NothingHeard),
        ["say anything_else", "expect question"]
    );
    assert_eq!(
        call.give(ConvEvent::NothingHeard),
        ["goodbye", "say goodbye", "expect question"]
    );
    assert!(call.tasks().is_empty());
}

#[test]
fn without_a_recogniser_keys_do() {
    let mut call = Call::new();
    assert_eq!(
        call.give(ConvEvent::RecogniserDown),
        ["say keypad_only", "say keypad_menu", "expect keypad"]
    );
    assert!(call.give(ConvEvent::RecogniserDown).is_empty());
    assert_eq!(call.keys("1"), ["answer", "say hours", "expect keypad"]);
    assert_eq!(
        call.keys("2"),
        ["task", "say callback_start", "say keypad_number", "expect number"]
    );
    call.keys("07700900142");
    let lines = call.keys("1");
    assert_eq!(lines[..2], ["task", "task appointment 07700900142"]);
    assert!(lines.contains(&"say goodbye".to_owned()));
}

#[test]
fn nine_is_the_emergency_key() {
    for down in [false, true] {
        let mut call = Call::with_number();
        if down {
            call.give(ConvEvent::RecogniserDown);
        }
        let lines = call.keys("9");
        assert_eq!(
            lines[..4],
            ["escalate", "mark urgent", "ring desk", "task urgent 07700900142"]
        );
    }
}

#[test]
fn zero_is_the_way_to_a_person() {
    let mut call = Call::new();
    assert_eq!(call.keys("0"), ["handover", "say handover", "handover"]);
    let mut call = Call::with_number();
    call.give(ConvEvent::RecogniserDown);
    // Whoever cannot be understood needs a person most of all.
    assert_eq!(call.keys("0"), ["handover", "say handover", "handover"]);
}

#[test]
fn a_recogniser_that_fails_in_a_form_loses_nothing() {
    let mut call = Call::with_number();
    call.hears("I'd like to book an appointment.");
    let lines = call.give(ConvEvent::RecogniserDown);
    assert!(
        lines.contains(&"task appointment 07700900142".to_owned()),
        "{lines:?}"
    );
    let mut call = Call::new();
    call.hears("I'd like to book an appointment.");
    call.give(ConvEvent::RecogniserDown);
    call.keys("07700900142");
    assert!(
        call.keys("1")
            .contains(&"task appointment 07700900142".to_owned())
    );
    assert_eq!(call.tasks().len(), 1);
}

/// A caller who hangs up before being helped leaves exactly one callback task; one who was helped leaves none.
#[test]
fn hanging_up_leaves_what_is_open() {
    #[track_caller]
    fn gone(call: Call, heard: &[&str], tasks: &[&str]) {
        let mut call = call;
        for text in heard {
            call.hears(text);
        }
        call.give(ConvEvent::CallerGone);
        assert_eq!(call.tasks(), tasks, "{heard:?}");
        assert!(call.give(ConvEvent::CallerGone).is_empty());
        assert!(call.hears("Hello?").is_empty());
    }
    gone(Call::new(), &[], &["task callback"]);
    gone(Call::with_number(), &[], &["task callback 07700900142"]);
    gone(Call::new(), &["Hello."], &["task callback"]);
    gone(Call::new(), &["Is there parking?"], &[]);
    gone(Call::new(), &["Do you speak Polish?"], &["task question"]);
    gone(
        Call::with_number(),
        &["Do you speak Polish?"],
        &["task question 07700900142"],
    );
    gone(
        Call::new(),
        &["Is there parking?", "I'd like to book an appointment."],
        &["task appointment"],
    );
    gone(
        Call::new(),
        &[
            "I'd like to book an appointment.",
            "Sarah Thompson",
            "the fourth of May 1986",
            "07700 900142",
        ],
        &["task appointment 07700900142"],
    );
    gone(Call::new(), &["Can I speak to a person?"], &["task callback"]);
    gone(Call::new(), &["Do you do the jab?"], &["task question"]);
    gone(Call::new(), &["Is it safe to take ibuprofen with aspirin?"], &[]);
    gone(Call::new(), &["My father has chest pain."], &["task urgent"]);
    gone(Call::new(), &["Goodbye."], &[]);
    let mut unanswered = Conversation::new(setup(None));
    let lines = unanswered.handle(Mono(1), MONDAY_NOON.parse().unwrap(), ConvEvent::CallerGone);
    assert_eq!(lines.iter().map(line).collect::<Vec<_>>(), ["task callback"]);
}

#[test]
fn a_search_that_never_answers_does_not_mute_the_line() {
    let mut call = Call::new();
    let turn = TurnId(1);
    let _ = call.talk.handle(
        call.now,
        call.local,
        ConvEvent::Heard {
            turn,
            text: "Is there parking?".into(),
            confidence: 0.9,
        },
    );
    call.now = call.talk.next_timeout().expect("a deadline");
    assert_eq!(call.give(ConvEvent::Tick)[..2], ["task", "say unknown"]);
    let late = ConvEvent::Candidates {
        turn,
        candidates: vec![candidate("parking", 0.99)],
    };
    assert!(call.give(late).is_empty());
}
