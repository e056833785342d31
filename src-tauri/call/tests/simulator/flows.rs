//! Every flow by its name, step by step.

use anteroom_call::desk::{Asking, Briefing, Supervision};
use anteroom_call::ring::Fallback;

/// What happens next in a flow. Legs are named by the order in which they were dialled.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    HandOver {
        briefing: Briefing,
        sentence_ms: Option<u64>,
        fallback: Fallback,
    },
    Answers(usize),
    Busy(usize),
    /// Time for what is being said, and for whatever is due.
    Wait(u64),
    HangsUp(usize),
    CallerHangsUp,
    Holds(usize, bool),
    Key(usize, char),
    CallerKey(char),
    Speaks(bool),
    QueueTurn,
    /// Urgent words where no conversation hears them.
    Danger,
    Off,
    /// A command by the n-th leg.
    Wants(usize, Command0),
    /// A command by somebody who is not in the call.
    Board(Command0),
    Adopts(AdoptAs0),
}

/// Commands, with the people in them left to the flow.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command0 {
    Take,
    Hold,
    Resume,
    Park,
    Blind,
    Warm(Asking),
    Complete,
    Abort,
    Accept,
    Decline,
    Add,
    Join,
    Leave,
    Supervise(Supervision),
    Voicemail,
    Callback,
    HangUp,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum AdoptAs0 {
    Taker,
    Instead(usize),
    Supervisor,
}

pub(crate) const fn handed(fallback: Fallback) -> Step {
    Step::HandOver {
        briefing: Briefing::Screen,
        sentence_ms: None,
        fallback,
    }
}

const TALK: [Step; 2] = [handed(Fallback::Voicemail), Step::Answers(0)];

/// The flows: a name, and what happens.
pub(crate) fn flows() -> Vec<(&'static str, Vec<Step>)> {
    use Command0 as C;
    use Step::{
        Adopts, Answers, Board, Busy, CallerHangsUp, CallerKey, Danger, HangsUp, Holds, Key, Off, QueueTurn,
        Speaks, Wait, Wants,
    };
    let talk_then = |steps: &[Step]| [&TALK[..], steps].concat();
    let announced = |briefing| Step::HandOver {
        briefing,
        sentence_ms: Some(3_000),
        fallback: Fallback::Receptionist,
    };
    vec![
        ("answered", talk_then(&[Wait(5_000), HangsUp(0)])),
        (
            "answered in mid-sentence",
            vec![
                announced(Briefing::Screen),
                Answers(1),
                Wait(4_000),
                CallerHangsUp,
            ],
        ),
        (
            "briefed",
            vec![announced(Briefing::Spoken), Answers(0), Wait(6_000), HangsUp(0)],
        ),
        (
            "briefed by ear or eye",
            vec![
                announced(Briefing::ByDevice),
                Answers(0),
                Wait(3_000),
                Key(0, '1'),
                Wait(6_000),
                HangsUp(0),
            ],
        ),
        (
            "briefed and asked",
            vec![
                announced(Briefing::SpokenAndAsked),
                Answers(0),
                Wait(3_000),
                Key(0, '1'),
                Wait(3_000),
            ],
        ),
        (
            "declined, then taken",
            vec![
                announced(Briefing::ScreenAndAsked),
                Answers(0),
                Key(0, '2'),
                Answers(2),
                Key(2, '1'),
                Wait(5_000),
            ],
        ),
        (
            "danger in the queue",
            vec![
                handed(Fallback::Queue),
                Busy(0),
                Busy(1),
                Busy(2),
                Danger,
                Answers(3),
                Wait(3_000),
                HangsUp(3),
            ],
        ),
        (
            "danger in a slot",
            talk_then(&[
                Wants(0, C::Park),
                Wait(3_000),
                Danger,
                Answers(2),
                Wait(3_000),
                CallerHangsUp,
            ]),
        ),
        (
            "danger while telephones ring, and nobody comes",
            vec![handed(Fallback::Voicemail), Danger, Wait(120_000)],
        ),
        (
            "a supervisor keeps the caller",
            talk_then(&[
                Board(C::Supervise(Supervision::Barge)),
                Answers(2),
                Wait(3_000),
                HangsUp(0),
                Wait(3_000),
                HangsUp(2),
            ]),
        ),
        (
            "two lift at once",
            vec![
                handed(Fallback::Callback),
                Answers(0),
                Answers(1),
                Wait(3_000),
                HangsUp(0),
            ],
        ),
        (
            "nobody: back to the receptionist",
            vec![
                announced(Briefing::Screen),
                Busy(0),
                Busy(1),
                Wait(100),
                Busy(2),
                Wait(5_000),
            ],
        ),
        (
            "nobody: a message",
            vec![
                handed(Fallback::Voicemail),
                Busy(0),
                Busy(1),
                Wait(50),
                Busy(2),
                Wait(3_000),
                Speaks(true),
                Wait(3_000),
                Speaks(false),
                Wait(6_000),
                Wait(3_000),
            ],
        ),
        (
            "nobody: a message, ended by key",
            vec![
                handed(Fallback::Voicemail),
                Busy(0),
                Busy(1),
                Wait(50),
                Busy(2),
                Wait(3_000),
                Speaks(true),
                Wait(3_000),
                CallerKey('#'),
                Wait(3_000),
            ],
        ),
        (
            "nobody: rung back",
            vec![
                handed(Fallback::Callback),
                Busy(0),
                Busy(1),
                Wait(50),
                Busy(2),
                Wait(3_000),
            ],
        ),
        (
            "nobody: time runs out",
            vec![
                handed(Fallback::Callback),
                Wait(20_000),
                Wait(20_000),
                Wait(5_000),
            ],
        ),
        (
            "queue and turn",
            vec![
                handed(Fallback::Queue),
                Busy(0),
                Busy(1),
                Wait(50),
                Busy(2),
                Wait(4_000),
                QueueTurn,
                Answers(3),
                Wait(1_000),
                HangsUp(3),
            ],
        ),
        (
            "queue, turn, nobody, queue",
            vec![
                handed(Fallback::Queue),
                Busy(0),
                Busy(1),
                Wait(50),
                Busy(2),
                QueueTurn,
                Wait(21_000),
                QueueTurn,
                Answers(4),
            ],
        ),
        (
            "queue and a callback by key",
            vec![
                handed(Fallback::Queue),
                Busy(0),
                Busy(1),
                Wait(50),
                Busy(2),
                Wait(500),
                CallerKey('1'),
                Wait(3_000),
            ],
        ),
        (
            "hold and resume",
            talk_then(&[Wants(0, C::Hold), Wait(3_000), Wants(0, C::Resume), HangsUp(0)]),
        ),
        (
            "hold by the telephone",
            talk_then(&[Holds(0, true), Wait(3_000), Holds(0, false), HangsUp(0)]),
        ),
        (
            "park and retrieve",
            talk_then(&[
                Wants(0, C::Park),
                Wait(3_000),
                Board(C::Take),
                Answers(2),
                Wait(1_000),
                HangsUp(2),
            ]),
        ),
        (
            "park and time-out",
            talk_then(&[
                Wants(0, C::Park),
                Wait(3_000),
                Wait(120_000),
                Answers(2),
                Wait(1_000),
            ]),
        ),
        (
            "blind",
            talk_then(&[Wants(0, C::Blind), Answers(2), Wait(1_000), HangsUp(2)]),
        ),
        (
            "blind and back",
            talk_then(&[Wants(0, C::Blind), Wait(26_000), Answers(3), Wait(1_000)]),
        ),
        (
            "attended",
            talk_then(&[
                Wants(0, C::Warm(Asking::ByVoice)),
                Answers(2),
                Wait(1_000),
                Wants(0, C::Complete),
                HangsUp(2),
            ]),
        ),
        (
            "attended by hanging up",
            talk_then(&[
                Wants(0, C::Warm(Asking::ByVoice)),
                Answers(2),
                HangsUp(0),
                Wait(1_000),
            ]),
        ),
        (
            "attended, hung up while it rings",
            talk_then(&[
                Wants(0, C::Warm(Asking::ByVoice)),
                HangsUp(0),
                Answers(2),
                Wait(1_000),
            ]),
        ),
        (
            "attended and aborted",
            talk_then(&[
                Wants(0, C::Warm(Asking::ByVoice)),
                Answers(2),
                Wants(0, C::Abort),
                Wait(1_000),
            ]),
        ),
        (
            "attended and not answered",
            talk_then(&[Wants(0, C::Warm(Asking::ByVoice)), Wait(26_000), HangsUp(0)]),
        ),
        (
            "warm, spoken, accepted",
            talk_then(&[
                Wants(0, C::Warm(Asking::Spoken)),
                Answers(2),
                Wait(3_000),
                Key(2, '1'),
                Wait(1_000),
            ]),
        ),
        (
            "warm, on the screen, accepted",
            talk_then(&[
                Wants(0, C::Warm(Asking::Screen)),
                Answers(2),
                Wants(2, C::Accept),
                Wait(1_000),
            ]),
        ),
        (
            "warm, on the screen, declined",
            talk_then(&[
                Wants(0, C::Warm(Asking::Screen)),
                Answers(2),
                Wants(2, C::Decline),
                Wait(1_000),
            ]),
        ),
        (
            "warm, not waited for",
            talk_then(&[
                Wants(0, C::Warm(Asking::Spoken)),
                Answers(2),
                HangsUp(0),
                Wait(3_000),
                Key(2, '1'),
            ]),
        ),
        (
            "three by consultation",
            talk_then(&[
                Wants(0, C::Warm(Asking::ByVoice)),
                Answers(2),
                Wants(0, C::Join),
                Wait(1_000),
                Wants(0, C::Leave),
                Wait(1_000),
            ]),
        ),
        (
            "three by invitation",
            talk_then(&[
                Wants(0, C::Add),
                Answers(2),
                Wait(1_000),
                Wants(2, C::Leave),
                Wait(1_000),
            ]),
        ),
        (
            "a supervisor",
            talk_then(&[
                Board(C::Supervise(Supervision::Listen)),
                Answers(2),
                Wants(2, C::Supervise(Supervision::Whisper)),
                Wants(2, C::Supervise(Supervision::Barge)),
                Wants(2, C::Leave),
            ]),
        ),
        (
            "a supervisor from elsewhere",
            talk_then(&[Adopts(AdoptAs0::Supervisor), Wait(1_000), HangsUp(0)]),
        ),
        (
            "pickup by another telephone",
            vec![handed(Fallback::Voicemail), Adopts(AdoptAs0::Taker), Wait(1_000)],
        ),
        (
            "replaced",
            talk_then(&[Adopts(AdoptAs0::Instead(0)), Wait(1_000)]),
        ),
        (
            "taken from the receptionist",
            vec![Board(C::Take), Answers(0), Wait(1_000), HangsUp(0)],
        ),
        (
            "sent to voicemail",
            talk_then(&[
                Wants(0, C::Voicemail),
                Wait(3_000),
                Speaks(true),
                Wait(3_000),
                CallerHangsUp,
            ]),
        ),
        (
            "promised a callback",
            talk_then(&[Wants(0, C::Callback), Wait(3_000)]),
        ),
        ("hung up by staff", talk_then(&[Wants(0, C::HangUp)])),
        ("automation off", vec![Off, Answers(0), Wait(1_000)]),
        (
            "automation off in the greeting",
            vec![
                handed(Fallback::Voicemail),
                Busy(0),
                Busy(1),
                Wait(50),
                Busy(2),
                Off,
                Answers(3),
                Wait(1_000),
            ],
        ),
    ]
}
