//! What the conversation does, call by call.

use super::*;

/// Plays a script: lines that begin with `>` are heard, the others are what is done about it.
#[track_caller]
fn check(mut call: Call, script: &str) -> Call {
    let mut expected: Vec<&str> = Vec::new();
    let mut heard = None;
    let lines = script.lines().map(str::trim).filter(|l| !l.is_empty());
    for l in lines.chain(["> "]) {
        match l.strip_prefix('>') {
            None => expected.push(l),
            Some(next) => {
                if let Some(text) = heard {
                    assert_eq!(call.hears(text), expected, "after '{text}'");
                }
                expected.clear();
                heard = Some(next.trim());
            }
        }
    }
    call
}

#[test]
fn greeting_notice_then_recording() {
    let mut call = Call::at(MONDAY_NOON, None);
    let first: Vec<String> = call.all.iter().map(line).collect();
    assert_eq!(
        first,
        [
            "say greeting",
            "say consent_notice firmly",
            "say how_can_i_help",
            "expect question"
        ]
    );
    assert!(call.give(ConvEvent::SayDone { say: SayId(1) }).is_empty());
    assert_eq!(call.give(ConvEvent::SayDone { say: SayId(2) }), ["record on"]);
    assert!(call.give(ConvEvent::SayDone { say: SayId(2) }).is_empty(), "once");
    assert!(call.give(ConvEvent::Started).is_empty(), "once");
}

#[test]
fn a_notice_that_was_cut_off_is_said_again_before_recording() {
    let mut call = Call::at(MONDAY_NOON, None);
    assert_eq!(
        call.give(ConvEvent::SayDropped { say: SayId(2) }),
        ["say consent_notice firmly"]
    );
    assert_eq!(call.give(ConvEvent::SayDone { say: SayId(4) }), ["record on"]);
}

#[test]
fn out_of_hours_it_says_so_and_still_answers() {
    let call = Call::at(SUNDAY, None);
    assert!(call.all.iter().map(line).any(|l| l == "say closed"));
    let call = check(
        call,
        "> Is there parking?
         lookup
         answer parking
         say entry parking
         expect question
         > Can I speak to a person?
         task
         say handover_closed
         say callback_start
         say ask_name
         expect name",
    );
    assert!(!call.all.iter().any(|e| matches!(e, ConvEffect::Handover { .. })));
}

#[test]
fn questions_are_answered_with_the_entrys_own_words() {
    let call = check(
        Call::new(),
        "> What are your opening hours?
         lookup
         answer opening-hours
         say entry opening-hours
         expect question
         > Is there parking?
         lookup
         answer parking
         say entry parking
         expect question
         > No, that's all.
         goodbye
         say goodbye
         expect question",
    );
    assert!(call.tasks().is_empty());
    let spoken = call.all.iter().any(|e| {
        matches!(e, ConvEffect::Say { text, entry: Some(r), .. }
            if text.open(Purpose::Test) == "The approved words about parking." && r.version == 1 && r.score > 0.9)
    });
    assert!(spoken);
}

#[test]
fn one_more_thing_after_goodbye_is_heard() {
    check(
        Call::new(),
        "> Thank you, goodbye.
         goodbye
         say goodbye
         expect question
         > Is there parking?
         lookup
         answer parking
         say entry parking
         expect question",
    );
}

#[test]
fn advice_is_declined_even_if_an_entry_matches() {
    let call = check(
        Call::new(),
        "> Is it safe to take ibuprofen with aspirin?
         decline
         say decline_advice
         say offer_callback
         expect yesno
         > No, that's all.
         goodbye
         say goodbye
         expect question",
    );
    assert!(call.tasks().is_empty());
    check(
        Call::with_number(),
        "> Is it safe to take ibuprofen with aspirin?
         decline
         say decline_advice
         say offer_callback
         expect yesno
         > Yes, please.
         task
         say confirm_number privately
         expect yesno
         > That's right.
         task
         task callback 07700900142
         say task_made
         say anything_else
         expect question",
    );
}

#[test]
fn urgent_words_escalate_whatever_is_going_on() {
    let urgent = "> Please help, my father has chest pain.
         escalate
         mark urgent
         ring desk
         task urgent
         stop saying
         say emergency firmly
         say emergency
         expect question";
    check(Call::new(), urgent);
    let mut in_form = Call::new();
    in_form.hears("I'd like to book an appointment.");
    in_form.hears("My name is Sarah Thompson.");
    let call = check(in_form, urgent);
    assert!(
        call.summary().contains("Sarah Thompson"),
        "what was taken down is not lost"
    );
    let mut closing = Call::new();
    closing.hears("Goodbye.");
    check(closing, urgent);
    let mut waiting = Call::new();
    waiting.hears("Can I speak to a person?");
    let call = check(waiting, urgent);
    assert!(call.talk.next_timeout().is_some(), "the handover goes on");
}

#[test]
fn the_second_time_the_desk_is_not_rung_twice_but_the_caller_is_told() {
    let mut call = Call::new();
    call.hears("My father has chest pain.");
    assert_eq!(
        call.hears("He's not breathing."),
        [
            "escalate",
            "stop saying",
            "say emergency firmly",
            "say emergency",
            "expect question"
        ]
    );
    call.now = call.now.plus_ms(60_000);
    assert!(
        call.hears("He's not breathing.")
            .contains(&"ring desk".to_owned())
    );
    assert_eq!(call.tasks(), ["task urgent"]);
    assert!(call.give(ConvEvent::CallerGone).is_empty(), "one task is enough");
}

#[test]
fn a_late_turn_is_ignored_unless_it_is_urgent() {
    let mut call = Call::new();
    call.turn = 5;
    call.hears("Is there parking?");
    call.turn = 2;
    assert!(call.hears("What are your opening hours?").is_empty());
    call.turn = 3;
    assert!(
        call.hears("My father has chest pain.")
            .contains(&"escalate".to_owned())
    );
    call.turn = 3;
    assert!(call.hears("My father has chest pain.").is_empty(), "a duplicate");
}

#[test]
fn an_appointment_is_taken_down() {
    let call = check(
        Call::new(),
        "> I'd like to book an appointment on Thursday morning with Doctor Patel.
         clarify
         say book_start
         say ask_name
         expect name
         > My name is Sarah Thompson.
         clarify
         say noted privately
         say ask_date_of_birth
         expect date
         > My date of birth is the fourth of May nineteen eighty six.
         clarify
         say noted privately
         say ask_number
         expect number
         > My number is oh seven seven double oh nine double oh one four two.
         clarify
         say noted privately
         say ask_reason
         expect question
         > A check up.
         clarify
         say read_back privately
         expect yesno
         > That's right.
         task
         task appointment 07700900142
         say task_made
         say anything_else
         expect question
         > Thank you, goodbye.
         goodbye
         say goodbye
         expect question",
    );
    assert_eq!(call.tasks().len(), 1);
    let s = call.summary();
    for part in [
        "Sarah Thompson",
        "1986-05-04",
        "07700900142",
        "Thursday morning with Doctor Patel",
    ] {
        assert!(s.contains(part), "{s}");
    }
}

#[test]
fn what_is_read_back_can_be_corrected() {
    let mut call = Call::with_number();
    call.hears("I need a repeat prescription for metformin.");
    call.hears("Dorothy Osborne.");
    call.hears("the fourth of May nineteen eighty six");
    assert!(
        call.said().contains("Dorothy Osborne") && call.said().contains("metformin"),
        "{}",
        call.said()
    );
    assert!(call.said().contains("one four two"), "{}", call.said());
    call.hears("No, the name is Sarah Thompson.");
    assert!(call.said().contains("Sarah Thompson"), "{}", call.said());
    assert!(
        call.hears("Yes, that's right.")
            .contains(&"task prescription 07700900142".to_owned())
    );
    assert!(!call.summary().contains("Dorothy"));
}

#[test]
fn advice_in_the_middle_of_a_form_is_declined_and_the_form_goes_on() {
    let mut call = Call::new();
    call.hears("I need a repeat prescription for metformin.");
    assert_eq!(
        call.hears("Is it safe to take ibuprofen with aspirin?"),
        ["decline", "say decline_advice", "say ask_name", "expect name"]
    );
}

#[test]
fn what_nobody_approved_becomes_a_task() {
    let call = check(
        Call::new(),
        "> Do you speak Polish?
         lookup
         task
         say unknown
         say ask_name
         expect name
         > It's Sarah Thompson.
         clarify
         say noted privately
         say ask_number
         expect number
         > 07700 900142
         clarify
         say read_back privately
         expect yesno
         > Yes.
         task
         task question 07700900142
         say task_made
         say anything_else
         expect question
         > No.
         goodbye
         say goodbye
         expect question",
    );
    assert!(call.summary().contains("Do you speak Polish?"));
    assert_eq!(call.tasks().len(), 1);
}

#[test]
fn an_unsure_search_asks_once_and_only_once() {
    check(
        Call::with_number(),
        "> Do you do the jab?
         lookup
         clarify
         say clarify_two
         expect question
         > The second one.
         answer travel-vaccination
         say entry travel-vaccination
         expect question",
    );
    check(
        Call::with_number(),
        "> Do you do the jab?
         lookup
         clarify
         say clarify_two
         expect question
         > Well, the jab.
         lookup
         task
         say unknown
         say confirm_number privately
         expect yesno
         > No, it's oh one six three two nine six oh double oh one.
         clarify
         say ask_name
         expect name",
    );
    check(
        Call::with_number(),
        "> Do you vaccinate?
         lookup
         clarify
         say clarify_one
         expect yesno
         > Yes.
         answer flu-vaccination
         say entry flu-vaccination
         expect question",
    );
}

#[test]
fn words_the_recogniser_doubted_are_asked_for_again() {
    let mut call = Call::new();
    let doubted = |call: &mut Call| {
        call.turn += 1;
        call.give(ConvEvent::Heard {
            turn: TurnId(call.turn),
            text: "Polar is speak.".into(),
            confidence: 0.3,
        })
    };
    assert_eq!(
        doubted(&mut call),
        ["lookup", "clarify", "say say_again", "expect question"]
    );
    assert_eq!(doubted(&mut call)[..3], ["lookup", "task", "say unknown"]);
}

#[test]
fn an_answer_without_words_is_never_spoken() {
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
    let mut c = candidate("parking", 0.99);
    c.answer = " ".to_owned();
    let lines = call.give(ConvEvent::Candidates {
        turn,
        candidates: vec![c],
    });
    assert_eq!(lines[..2], ["task", "say unknown"]);
}

#[test]
fn a_person_is_rung_and_if_nobody_comes_a_callback_is_made() {
    let mut call = check(
        Call::with_number(),
        "> Can I speak to a person?
         handover
         say handover
         handover",
    );
    assert_eq!(
        call.give(ConvEvent::HandoverFailed),
        [
            "say handover_failed",
            "say callback_start",
            "say confirm_number privately",
            "expect yesno"
        ]
    );
    assert_eq!(call.keys("1")[..2], ["task", "task callback 07700900142"]);
    let mut call = Call::new();
    call.hears("Can I speak to a person?");
    assert!(call.give(ConvEvent::HandedOver).is_empty());
    assert!(call.give(ConvEvent::CallerGone).is_empty(), "a person has them");
    let mut call = Call::new();
    call.hears("Can I speak to a person?");
    call.now = call.talk.next_timeout().expect("nobody waits for ever");
    assert!(
        call.give(ConvEvent::Tick)
            .contains(&"say handover_failed".to_owned())
    );
}

#[test]
fn an_emergency_while_a_person_is_rung_gives_everybody_who_is_rung_then_the_whole_time() {
    let mut call = Call::new();
    call.hears("Can I speak to a person?");
    let asked = call.now;
    call.now = asked.plus_ms(26_000);
    // Four seconds later; the desk rings everybody from here, for 45 s.
    assert!(
        call.hears("My father has chest pain.")
            .contains(&"ring desk".to_owned())
    );
    let alarmed = call.now;
    call.now = asked.plus_ms(55_000);
    assert!(call.give(ConvEvent::Tick).is_empty(), "everybody is being rung");
    // Said again, nobody is rung anew, and nothing is put off.
    call.hears("He's not breathing.");
    assert_eq!(call.talk.next_timeout(), Some(alarmed.plus_ms(55_000)));
    call.now = alarmed.plus_ms(45_000);
    assert_eq!(call.give(ConvEvent::HandoverFailed)[0], "say handover_failed");
}

#[test]
fn nobody_is_given_up_while_the_desk_may_still_ring_however_short_the_policy_s_limit_is() {
    for (desk_ms, last_resort_ms) in [(5_000, 55_000), (45_000, 55_000), (300_000, 310_000)] {
        let mut call = Call::new();
        call.talk = Conversation::new(Setup {
            desk_rings_ms: desk_ms,
            ..setup(None)
        });
        call.give(ConvEvent::Started);
        call.hears("Can I speak to a person?");
        let last_resort = call.now.plus_ms(last_resort_ms);
        call.now = call.now.plus_ms(last_resort_ms - 1);
        assert!(call.give(ConvEvent::Tick).is_empty(), "{desk_ms}");
        call.now = last_resort;
        assert_eq!(call.give(ConvEvent::Tick)[0], "say handover_failed", "{desk_ms}");
    }
}

#[test]
fn results_are_never_read_out() {
    let call = check(
        Call::new(),
        "> Can I get my results?
         say not_disclosed
         handover
         say handover
         handover",
    );
    assert!(call.tasks().is_empty());
}

#[test]
fn an_intent_that_is_off_goes_to_a_person() {
    let mut call = Call::with_number();
    let mut policy = (*call.talk.policy).clone();
    policy.intents.insert("book".to_owned(), false);
    call.talk.policy = Arc::new(policy);
    assert_eq!(
        call.hears("I'd like to book an appointment."),
        [
            "task",
            "say intent_off",
            "say confirm_number privately",
            "expect yesno"
        ]
    );
    assert_eq!(call.hears("Yes.")[..2], ["task", "task appointment 07700900142"]);
}

#[test]
fn what_was_said_is_said_again() {
    let mut call = Call::new();
    call.hears("Is there parking?");
    assert_eq!(
        call.hears("Can you repeat that?"),
        ["answer parking", "say entry parking"]
    );
    call.hears("I'd like to book an appointment.");
    assert_eq!(
        call.hears("Could you say that again?"),
        ["clarify", "say ask_name", "expect name"]
    );
}

#[test]
fn a_turn_may_end_early_only_when_it_is_understood() {
    let mut call = Call::new();
    let c = |call: &Call, t: &str| call.talk.is_complete(t, &find(t));
    assert!(c(&call, "My father has chest pain"));
    assert!(c(&call, "Is there parking?"));
    assert!(!c(&call, "Is there parking"));
    assert!(!c(&call, "Do you speak Polish?"));
    assert!(c(&call, "I'd like to book an appointment."));
    call.hears("I'd like to book an appointment.");
    assert!(c(&call, "My name is Sarah Thompson."));
    call.hears("My name is Sarah Thompson.");
    assert!(!c(&call, "the fourth of May"));
    assert!(c(&call, "the fourth of May 1986"));
    call.hears("the fourth of May 1986");
    assert!(!c(&call, "oh seven seven double oh"));
    assert!(c(&call, "oh seven seven double oh nine double oh one four two"));
}

#[test]
fn every_record_names_the_policy() {
    let mut call = Call::new();
    call.hears("Is there parking?");
    call.hears("My father has chest pain.");
    let records: Vec<_> = call
        .all
        .iter()
        .filter_map(|e| match e {
            ConvEffect::Record(r) => Some(r),
            _ => None,
        })
        .collect();
    assert!(
        records
            .iter()
            .all(|r| r.policy_version == call.talk.policy.version)
    );
    assert_eq!(records[0].candidates.len(), 2);
    assert_eq!(records[1].gate, GateClass::Urgent);
    assert!(records[1].gate_why.is_some());
}

/// The demonstration calls, as their recogniser hears them, end as their callers meant them to.
#[test]
fn the_demonstration_calls_come_to_their_end() {
    #[track_caller]
    fn tasks(number: Option<&str>, heard: &[&str], tasks: &[&str]) {
        let mut call = Call::at(MONDAY_NOON, number);
        for text in heard {
            call.hears(text);
        }
        call.give(ConvEvent::CallerGone);
        assert_eq!(call.tasks(), tasks, "{heard:?}");
    }
    tasks(
        None,
        &[
            "Hello, good afternoon.",
            "I'd like to book an appointment on Thursday morning with Doctor Patel.",
            "My name is Dorothy Osborne.",
            "My date of birth is the fourth of May nineteen eighty six.",
            // A digit was lost: no number to ring back, so it is asked for again.
            "My number is oh seven seven double nine double one four two.",
            "That's right.",
            "Thank you, goodbye.",
        ],
        &["task appointment"],
    );
    tasks(
        Some("07700900142"),
        &[
            "I need to reschedule my appointment to Friday at half past ten.",
            "It's under Wilson.",
            "the fourth of May nineteen eighty six",
            "Yes, please.",
            "Is there parking?",
            "Thank you very much.",
        ],
        &["task appointment 07700900142"],
    );
    tasks(
        None,
        &["Please help, my father has chest pain.", "He's not breathing."],
        &["task urgent"],
    );
    tasks(
        None,
        &[
            "I'd like to cancel my appointment on Tuesday.",
            "Can I speak to a person?",
        ],
        &["task appointment"],
    );
}

/// Minutes on hold in which the turn taker and the clock say whatever they like.
#[track_caller]
fn held_for_ten_minutes(call: &mut Call) {
    assert!(call.give(ConvEvent::Held(true)).is_empty());
    for _ in 0..60 {
        call.now = call.now.plus_ms(10_000);
        assert!(call.give(ConvEvent::NothingHeard).is_empty());
        assert!(call.give(ConvEvent::Tick).is_empty());
    }
}

/// Everything that was to be said has been heard.
fn hears_it_out(call: &mut Call) {
    for say in 1..=call.talk.says {
        call.give(ConvEvent::SayDone { say: SayId(say) });
    }
}

#[test]
fn who_comes_back_from_hold_is_asked_once_more_and_given_time_again() {
    let mut call = Call::new();
    assert_eq!(call.give(ConvEvent::NothingHeard)[0], "say nothing_heard");
    hears_it_out(&mut call);
    for _ in 0..3 {
        held_for_ten_minutes(&mut call);
        assert_eq!(call.give(ConvEvent::Held(false)), ["say nothing_heard"]);
        assert!(call.give(ConvEvent::Held(false)).is_empty(), "once");
        hears_it_out(&mut call);
    }
    let silent = call.give(ConvEvent::NothingHeard);
    assert_eq!(
        silent,
        ["say nothing_heard", "expect question"],
        "as the first time"
    );
    let mut call = Call::new();
    call.hears("Is there parking?");
    hears_it_out(&mut call);
    held_for_ten_minutes(&mut call);
    let back = call.give(ConvEvent::Held(false));
    assert_eq!(
        back,
        ["say anything_else", "expect question"],
        "the answer was heard"
    );
    let mut call = Call::with_number();
    call.hears("I'd like to book an appointment");
    hears_it_out(&mut call);
    held_for_ten_minutes(&mut call);
    assert_eq!(
        call.give(ConvEvent::Held(false)),
        ["say ask_name"],
        "not what led to it"
    );
}

#[test]
fn what_a_caller_has_not_heard_is_not_said_twice_after_a_hold() {
    let mut call = Call::at(MONDAY_NOON, None);
    held_for_ten_minutes(&mut call);
    assert!(
        call.give(ConvEvent::Held(false)).is_empty(),
        "the greeting goes on"
    );
    // Said before the hold and understood after it began: the answer waits for them.
    hears_it_out(&mut call);
    call.give(ConvEvent::Held(true));
    assert!(
        call.hears("Is there parking?")
            .contains(&"say entry parking".to_owned())
    );
    held_for_ten_minutes(&mut call);
    assert!(call.give(ConvEvent::Held(false)).is_empty());
    // The goodbye of ours that they did not hear is not the end of the call before they have.
    hears_it_out(&mut call);
    assert_eq!(
        call.hears("No, that's all."),
        ["goodbye", "say goodbye", "expect question"]
    );
    held_for_ten_minutes(&mut call);
    assert!(call.give(ConvEvent::Held(false)).is_empty());
    call.now = call.now.plus_ms(1_000);
    assert!(call.give(ConvEvent::Tick).is_empty());
    let say = SayId(call.talk.says);
    assert_eq!(call.give(ConvEvent::SayDone { say }), ["hang up"]);
}

#[test]
fn danger_is_heard_of_on_hold_and_said_again_after_it() {
    let mut call = Call::new();
    call.give(ConvEvent::Held(true));
    let done = call.hears("Please help, my father has chest pain.");
    assert!(done.contains(&"ring desk".to_owned()), "{done:?}");
    hears_it_out(&mut call);
    held_for_ten_minutes(&mut call);
    let back = call.give(ConvEvent::Held(false));
    let said = done.iter().filter(|l| l.starts_with("say emergency")).count();
    assert!(said > 1 && back == vec!["say emergency"; said], "{back:?}");
}

#[test]
fn keys_before_a_hold_wait_for_more_after_it() {
    let mut call = Call::new();
    call.give(ConvEvent::RecogniserDown);
    call.keys("2");
    hears_it_out(&mut call);
    assert!(call.keys("07700900").is_empty());
    held_for_ten_minutes(&mut call);
    assert!(call.give(ConvEvent::Held(false)).is_empty());
    call.now = call.now.plus_ms(500);
    assert!(call.give(ConvEvent::Tick).is_empty());
    let whole = call.keys("142#");
    assert_eq!(whole, ["say read_back privately", "expect yesno"]);
}

#[test]
fn a_recogniser_that_is_lost_on_hold_is_told_of_after_it() {
    let mut call = Call::new();
    call.give(ConvEvent::Held(true));
    for _ in 0..3 {
        assert!(call.give(ConvEvent::RecogniserDown).is_empty());
        assert!(call.give(ConvEvent::RecogniserBack).is_empty());
    }
    assert_eq!(
        call.give(ConvEvent::Held(false)),
        ["say how_can_i_help"],
        "it is back"
    );
    hears_it_out(&mut call);
    call.give(ConvEvent::Held(true));
    call.give(ConvEvent::RecogniserDown);
    assert_eq!(
        call.give(ConvEvent::Held(false)),
        ["say keypad_only", "say keypad_menu", "expect keypad"]
    );
}
