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
    assert_eq!(
        call.keys("0"),
        [
            "task",
            "say callback_start",
            "say confirm_number privately",
            "expect yesno"
        ]
    );
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
