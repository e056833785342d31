//! The page with a scripted call and no telephone, for work on the page and for its browser tests.
//!
//! Prints a sign-in link, then obeys lines on standard input: `call`, `more`, `urgent`, `end`, `off`, `link`, `admin`, `stop`;
//! `voicemail` is a call that left a message, `overdue` a task that is late.
//!
//! For the browser handset: `user NAME` and `manager NAME` print a link that signs them in; `staff` lists people; `id` prints the first call's
//! id; `desk JSON` places that call at the desk (a `CallDesk` without its `call`); `cut` closes every
//! handset's connection until `mend`.
//! With `ANTEROOM_SIP_PEER=ws://…` in the environment, SIP over WebSocket goes on to that server, so that real SIP is spoken.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    reason = "a development tool"
)]

#[path = "../tests/server/fake.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the tests")]
mod fake;
#[path = "support/sip_peer.rs"]
mod sip_peer;

use anteroom_api::Role;
use anteroom_types::event::{BargeInAction, DecisionRecord};
use anteroom_types::{
    Decision, DeskFact, EndReason, EntryId, EntryRef, EventKind, GateClass, Mono, SayId, Side, TaskId,
    TaskKind, TurnId, Wall,
};
use anteroom_web::{Engine, WebConfig, serve};
use fake::{Fake, Line, now};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).and_then(|p| p.parse().ok()).unwrap_or(0);
    let engine = Fake::new(1_024);
    let config = WebConfig {
        listen: ([127, 0, 0, 1], port).into(),
        ..WebConfig::default()
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shared: Arc<dyn Engine> = Arc::clone(&engine) as _;
    let web = serve(config, shared, async {
        let _ = stopped.await;
    })
    .await?;
    let cut = sip_peer::start(&engine);
    let link = |role| {
        println!("{}", web.invite(role, Duration::from_secs(3_600)).as_str());
    };
    link(Role::FrontDesk);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let (mut first, mut urgent) = (None, None);
    while let Some(line) = lines.next_line().await? {
        match line.trim() {
            "call" => first = Some(answered(&engine)),
            "more" => {
                if let Some(l) = &mut first {
                    more(&engine, l);
                }
            }
            "urgent" => urgent = Some(emergency(&engine)),
            "end" => {
                for line in [&mut first, &mut urgent].into_iter().flatten() {
                    let reason = EndReason::CallerHungUp;
                    engine.say(line, EventKind::Ended { reason, seconds: 94 });
                }
            }
            "off" => engine.change(|s| {
                s.automation = false;
                s.recogniser.demonstration = false;
            }),
            "voicemail" => voicemail(&engine),
            "overdue" => owed(
                &engine,
                &mut begin(&engine, "01632 960055"),
                TaskKind::Callback,
                "Wanted a person; nobody answered.",
                -40 * MINUTE_MS,
            ),
            "link" => link(Role::FrontDesk),
            "admin" => link(Role::Admin),
            "stop" => break,
            "staff" => engine.staff(fake::people()),
            "id" => println!("{}", first.map(|l| l.id.to_string()).unwrap_or_default()),
            "cut" => {
                engine.turn_away(true);
                let _ = cut.send(());
            }
            "mend" => engine.turn_away(false),
            other => match other.split_once(' ') {
                Some((kind @ ("user" | "manager"), name)) => {
                    let role = if kind == "user" {
                        Role::FrontDesk
                    } else {
                        Role::Manager
                    };
                    let link = web.invite_user(role, name, Duration::from_secs(3_600));
                    println!("{}", link.as_str());
                }
                Some(("desk", json)) => {
                    let mut desk: serde_json::Value = serde_json::from_str(json)?;
                    desk["call"] = first.map(|l| l.id.to_string()).unwrap_or_default().into();
                    engine.place(serde_json::from_value(desk)?);
                }
                _ => println!("not known"),
            },
        }
    }
    let _ = stop.send(());
    web.stopped().await;
    Ok(())
}

fn entry(id: &str, version: u32, score: f32) -> EntryRef {
    EntryRef {
        id: EntryId::new(id).expect("written as an id"),
        version,
        score,
    }
}

fn heard(turn: u32, text: &str, confidence: f32) -> EventKind<String> {
    EventKind::Heard {
        side: Side::Caller,
        turn: TurnId(turn),
        text: text.into(),
        confidence,
        start: Mono(0),
        end: Mono(1),
        recogniser: "whisper:demo-clinic-en".into(),
        decode_ms: 210,
    }
}

fn said(
    say: u32,
    turn: Option<u32>,
    text: &str,
    from: Option<EntryRef>,
    ms: Option<u64>,
) -> EventKind<String> {
    EventKind::Said {
        say: SayId(say),
        turn: turn.map(TurnId),
        text: text.into(),
        entry: from,
        ms_to_audio: ms,
    }
}

fn decided(
    turn: u32,
    decision: Decision,
    gate: GateClass,
    why: Option<&str>,
    of: Vec<EntryRef>,
) -> EventKind<String> {
    EventKind::Decided {
        record: DecisionRecord {
            turn: TurnId(turn),
            decision,
            gate,
            gate_why: why.map(Into::into),
            intent: None,
            entry: (decision == Decision::Answer).then(|| of[0].clone()),
            candidates: of,
            policy_version: "1".into(),
        },
    }
}

fn begin(engine: &Fake, from: &str) -> Line {
    let mut line = engine.ring(from);
    for kind in [
        EventKind::Answered {
            codec: "PCMA".into(),
            srtp: true,
            setup_ms: 41,
        },
        EventKind::GreetingStarted { ms_from_invite: 60 },
        said(
            1,
            None,
            "Hello, this is the sample clinic's automatic reception. The call is recorded. How can I help?",
            None,
            None,
        ),
        EventKind::ConsentNoticePlayed {
            script: "consent".into(),
            language: "en".into(),
        },
        EventKind::Recording { on: true },
        EventKind::Quality {
            who: None,
            codec: Some("opus".into()),
            path: Some("direct".into()),
            packets: 480,
            lost: 1,
            jitter_ms: 2.1,
            rtt_ms: None,
            mos: 4.2,
        },
    ] {
        engine.say(&mut line, kind);
    }
    line
}

/// A question, its cited answer, and a second question that is still being said.
fn answered(engine: &Fake) -> Line {
    let mut line = begin(engine, "01632 960123");
    let of = vec![entry("opening-hours", 3, 0.94), entry("weekend-hours", 1, 0.41)];
    for kind in [
        heard(1, "When are you open on Friday?", 0.91),
        decided(1, Decision::Answer, GateClass::None, None, of.clone()),
        said(
            2,
            Some(1),
            "We are open Monday to Friday, from eight in the morning until half past six.",
            Some(of[0].clone()),
            Some(640),
        ),
        EventKind::BargeIn {
            say: SayId(2),
            action: BargeInAction::Paused,
        },
        EventKind::BargeIn {
            say: SayId(2),
            action: BargeInAction::Resumed,
        },
        EventKind::Partial {
            side: Side::Caller,
            turn: TurnId(2),
            text: "And do you speak".into(),
        },
    ] {
        engine.say(&mut line, kind);
    }
    line
}

/// The second question is heard, has no answer and becomes a task; advice is declined.
fn more(engine: &Fake, line: &mut Line) {
    for kind in [
        heard(2, "And do you speak Polish?", 0.44),
        decided(
            2,
            Decision::Task,
            GateClass::None,
            None,
            vec![entry("parking", 2, 0.12)],
        ),
        said(
            3,
            Some(2),
            "I have no approved answer to that. Somebody will ring you back.",
            None,
            Some(710),
        ),
        EventKind::TaskCreated {
            task: TaskId::new(now(), rand::random()),
            kind: TaskKind::Question,
            summary: "Asks whether somebody at the clinic speaks Polish.".into(),
            number: Some("01632 960123".into()),
            due: Wall(now().0 + 3_600_000),
        },
        heard(3, "How much ibuprofen may I take?", 0.88),
        decided(
            3,
            Decision::Decline,
            GateClass::Advice,
            Some("dose-question"),
            vec![],
        ),
        said(
            4,
            Some(3),
            "I cannot give medical advice. I can ask a clinician to ring you.",
            None,
            Some(590),
        ),
    ] {
        engine.say(line, kind);
    }
}

const MINUTE_MS: i64 = 60_000;

fn owed(engine: &Fake, line: &mut Line, kind: TaskKind, summary: &str, due_in_ms: i64) {
    let made = EventKind::TaskCreated {
        task: TaskId::new(now(), rand::random()),
        kind,
        summary: summary.into(),
        number: Some("01632 960055".into()),
        due: Wall(now().0 + due_in_ms),
    };
    engine.say(line, made);
    let reason = EndReason::CallerHungUp;
    engine.say(line, EventKind::Ended { reason, seconds: 31 });
}

/// Nobody answers, and the caller leaves a message.
fn voicemail(engine: &Fake) {
    let mut line = begin(engine, "01632 960044");
    for what in [
        DeskFact::NobodyAnswered,
        DeskFact::LeavesMessage,
        DeskFact::MessageKept,
    ] {
        let (who, slot) = (None, None);
        engine.say(&mut line, EventKind::Desk { what, who, slot });
    }
    let summary = "Left a message. Last said: can somebody ring me about Friday";
    owed(engine, &mut line, TaskKind::Voicemail, summary, 120 * MINUTE_MS);
}

fn emergency(engine: &Fake) -> Line {
    let mut line = begin(engine, "01632 960077");
    for kind in [
        heard(1, "My father has chest pain and cannot breathe", 0.9),
        decided(
            1,
            Decision::Escalate,
            GateClass::Urgent,
            Some("chest-pain"),
            vec![],
        ),
        EventKind::MarkedUrgent {
            why: "chest-pain".into(),
        },
        said(
            2,
            Some(1),
            "This sounds urgent. Please hang up and dial 999 now. I am telling the desk.",
            None,
            Some(380),
        ),
        EventKind::TaskCreated {
            task: TaskId::new(now(), rand::random()),
            kind: TaskKind::Urgent,
            summary: "Caller spoke of chest pain; the emergency script was said.".into(),
            number: Some("01632 960077".into()),
            due: now(),
        },
    ] {
        engine.say(&mut line, kind);
    }
    line
}
