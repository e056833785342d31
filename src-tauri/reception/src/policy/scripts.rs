//! The scripts by name.

use serde::Deserialize;
macro_rules! scripts {
    ($($(#[$doc:meta])* $variant:ident $field:ident [$($place:literal),*] [$($required:literal),*];)*) => {
        /// Something the clinic says in its own words.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Script {
            $($(#[$doc])* $variant,)*
        }

        /// The words of every script in one language. None may be missing, and no other may be there.
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct Scripts {
            $($(#[$doc])* pub $field: String,)*
        }

        impl Script {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in the policy file, and in what is recorded.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($field),)*
                }
            }

            /// The placeholders it may use, in braces.
            #[must_use]
            pub const fn placeholders(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &["clinic", $($place),*],)*
                }
            }

            /// The placeholders it must use.
            #[must_use]
            pub const fn required(self) -> &'static [&'static str] {
                match self {
                    $(Self::$variant => &[$($required),*],)*
                }
            }
        }

        impl Scripts {
            /// The words of `script`, placeholders and all.
            #[must_use]
            pub fn get(&self, script: Script) -> &str {
                match script {
                    $(Script::$variant => &self.$field,)*
                }
            }
        }
    };
}

scripts! {
    /// The first words.
    Greeting greeting [] [];
    /// That the call is recorded; recording starts when it has been heard.
    ConsentNotice consent_notice [] [];
    /// Said after the notice when the clinic is closed; `{status}` says so and until when.
    Closed closed ["status"] ["status"];
    /// Asks for the first request.
    HowCanIHelp how_can_i_help [] [];
    /// Asks for the next.
    AnythingElse anything_else [] [];
    /// Asks to say a question differently.
    SayAgain say_again [] [];
    /// Offers two titles.
    ClarifyTwo clarify_two ["first", "second"] ["first", "second"];
    /// Offers one title.
    ClarifyOne clarify_one ["first"] ["first"];
    /// There is no approved answer; a person will have to.
    Unknown unknown [] [];
    /// Medical advice is declined.
    DeclineAdvice decline_advice [] [];
    /// Offers a callback.
    OfferCallback offer_callback [] [];
    /// An emergency was spoken of. Its first sentence cannot be interrupted.
    Emergency emergency [] [];
    /// The caller is being put through.
    Handover handover [] [];
    /// Nobody took the call. With [`Script::Goodbye`] also said to who cannot be rung back and has left no message.
    HandoverFailed handover_failed [] [];
    /// Nobody can take the call because the clinic is closed.
    HandoverClosed handover_closed ["status"] [];
    /// Nothing personal is given out.
    NotDisclosed not_disclosed [] [];
    /// A callback will be arranged.
    CallbackStart callback_start [] [];
    /// An appointment will be asked for.
    BookStart book_start [] [];
    /// An appointment is to be moved.
    ChangeStart change_start [] [];
    /// An appointment is to be cancelled.
    CancelStart cancel_start [] [];
    /// A repeat prescription will be asked for.
    PrescriptionStart prescription_start [] [];
    /// A message will be taken.
    MessageStart message_start [] [];
    /// Asks for the name.
    AskName ask_name [] [];
    /// Asks for a telephone number.
    AskNumber ask_number [] [];
    /// Asks for the date of birth.
    AskDateOfBirth ask_date_of_birth [] [];
    /// Asks what it is about.
    AskReason ask_reason [] [];
    /// Asks for the preferred time.
    AskTime ask_time [] [];
    /// Asks for the medicine.
    AskMedicine ask_medicine [] [];
    /// Asks for the message.
    AskMessage ask_message [] [];
    /// A detail was understood; `{value}` is read back.
    Noted noted ["value"] ["value"];
    /// A detail was not understood.
    NotUnderstood not_understood [] [];
    /// That cannot be a name.
    NameProblem name_problem [] [];
    /// That cannot be a telephone number.
    NumberProblem number_problem [] [];
    /// That cannot be a date of birth.
    DateProblem date_problem [] [];
    /// Reads everything back and asks whether it is right.
    ReadBack read_back ["details"] ["details"];
    /// Asks what is wrong in it.
    WhatToCorrect what_to_correct [] [];
    /// Asks whether the number the line shows is the right one; `{number}` is its last digits.
    ConfirmNumber confirm_number ["number"] ["number"];
    /// A task was made.
    TaskMade task_made [] [];
    /// A detail could not be understood; what there is goes to a person.
    DetailsFailed details_failed [] [];
    /// Nothing was heard.
    NothingHeard nothing_heard [] [];
    /// The caller spoke, but the recogniser did not keep up.
    TakingLonger taking_longer [] [];
    /// There is nothing to say again.
    NothingToRepeat nothing_to_repeat [] [];
    /// The keypad menu.
    KeypadMenu keypad_menu [] [];
    /// Speech cannot be understood now.
    KeypadOnly keypad_only [] [];
    /// Asks for the number by keys.
    KeypadNumber keypad_number [] [];
    /// The opening hours; `{status}` and `{week}`.
    Hours hours ["status", "week"] ["week"];
    /// The caller speaks while being put through.
    PleaseHold please_hold [] [];
    /// To the caller: the person's line was lost.
    OneMoment one_moment [] [];
    /// To the caller: nobody can come to the telephone and no message can be left; a task was made.
    WillRingBack will_ring_back [] [];
    /// To the caller: their wish to be rung back is noted.
    CallbackNoted callback_noted [] [];
    /// To a waiting caller: their place in the queue.
    QueuePosition queue_position ["position"] ["position"];
    /// The same with the time it may take.
    QueueWait queue_wait ["position", "minutes"] ["position", "minutes"];
    /// Added to either: a key gets them rung back instead.
    QueueCallback queue_callback [] [];
    /// The voicemail's greeting when everybody is busy.
    VoicemailBusy voicemail_busy [] [];
    /// The voicemail's greeting when the clinic is closed.
    VoicemailClosed voicemail_closed [] [];
    /// The message was kept.
    MessageKept message_kept [] [];
    /// To staff: a caller is put through; what they said last follows.
    Briefing briefing [] [];
    /// To staff: the same in an emergency; nothing follows, so that the caller is put through at once.
    BriefingUrgent briefing_urgent [] [];
    /// To staff who are asked whether they take a call, after the briefing: the keys.
    BriefingKeys briefing_keys [] [];
    /// To staff: the call is parked there.
    ParkedAt parked_at ["slot"] ["slot"];
    /// To staff: somebody else was quicker.
    AnsweredElsewhere answered_elsewhere [] [];
    /// To staff: the caller has hung up.
    CallerGone caller_gone [] [];
    /// To staff: nobody answers.
    NoAnswer no_answer [] [];
    /// To staff: the number is busy.
    NumberBusy number_busy [] [];
    /// To staff: the call cannot be placed.
    CannotBePlaced cannot_be_placed [] [];
    /// To staff: the kill switch was thrown.
    AutomationOff automation_off [] [];
    /// To staff: the receptionist answers again.
    AutomationOn automation_on [] [];
    /// The last words.
    Goodbye goodbye [] [];
    /// The last words when nothing was heard.
    GoodbyeSilent goodbye_silent [] [];
    /// Answers a greeting.
    GreetingReply greeting_reply [] [];
    /// The clinic does not take this request here.
    IntentOff intent_off [] [];
    /// How a name is read back.
    SummaryName summary_name ["value"] ["value"];
    /// How a number is read back.
    SummaryNumber summary_number ["value"] ["value"];
    /// How a date of birth is read back.
    SummaryDateOfBirth summary_date_of_birth ["value"] ["value"];
    /// How a preferred time is read back.
    SummaryTime summary_time ["value"] ["value"];
    /// How a medicine is read back.
    SummaryMedicine summary_medicine ["value"] ["value"];
}
