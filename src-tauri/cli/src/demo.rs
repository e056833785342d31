//! `anteroom demo`: a scripted caller rings the sample clinic over real SIP and RTP on loopback.

use crate::args;
use crate::demo_desk::{self, DeskProgram, Handover};
use crate::out::{Exit, Outcome, Problem, json, line};
use anteroom_api::{LiveBody, LiveEvent};
use anteroom_appliance::{Config, Place, demo_call, knowledge, sample_knowledge, tools, users};
use anteroom_host::Running;
use anteroom_sim::{CallReport, Script, ring};
use anteroom_types::{
    CallEvent, CallId, Decision, DecisionRecord, EntryRef, EventKind, Side, TaskKind, TurnId,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast;

/// What the caller says, in order; names of clips in `assets/demo-calls`.
const CALL: &[&str] = &[
    "call-questions-1.wav",
    "call-reschedule-4.wav",
    "call-prescription-2.wav",
    "call-questions-3.wav",
    "call-book-6.wav",
    "call-urgent-1.wav",
    "call-prescription-3.wav",
];

/// One turn, as the JSON contract has it.
#[derive(Debug, Default, Serialize)]
struct Turn {
    heard: String,
    said: String,
    decision: Option<Decision>,
    entry: Option<EntryRef>,
    ms_to_audio: Option<u64>,
    /// By the caller's own ear: from the end of their speech to the first sound.
    ms_to_sound: Option<u64>,
}

#[derive(Debug, Serialize)]
struct AuditHead {
    entries: u64,
    head: String,
    verified: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    call: Option<CallId>,
    greeting: String,
    ms_to_greeting: Option<u64>,
    turns: Vec<Turn>,
    tasks: Vec<TaskKind>,
    /// None without a desk to put anybody through to.
    handover: Option<Handover>,
    /// Nothing leaves the machine.
    upstream: Vec<()>,
    audit: AuditHead,
    model: tools::ModelInfo,
    page: Option<String>,
}

pub(crate) async fn run(place: &args::Place, demo: &args::Demo) -> Outcome {
    let once = demo.once || demo.json;
    let scratch = scratch(place.data.as_deref())?;
    let data = scratch
        .as_ref()
        .map_or_else(|| place.data.clone().unwrap_or_default(), |s| s.0.clone());
    let (mut config, place) = Place::find(Some(&data), place.config.as_deref())?;
    tools::on_loopback(&mut config);
    let say = |what: &str| eprintln!("{what}");
    say("making the sample clinic ready");
    let room = prepare(&config, &place, demo.desk.is_some()).await?;
    if demo.desk.is_some() {
        always_open(&mut config, &place)?;
    }
    let running = Running::start(config, &place).await?;
    let model = tools::model_info(&running.engine);
    if model.demonstration {
        say(&format!(
            "recogniser: {}, a DEMONSTRATION model: synthetic voices only, never for patients",
            model.id
        ));
    }
    say(&format!("the page: {}", running.link()));
    let mut events = running.engine.subscribe();
    let (_, sip) = running
        .engine
        .sip_addrs()
        .first()
        .cloned()
        .ok_or_else(|| Problem::new("SIP listens nowhere", "Name an address in [sip] listen."))?;
    say(&format!("ringing sip:desk@{sip}\n"));
    let talk = tokio::spawn(place_call(format!("sip:desk@{sip}")));
    let story = listen(&mut events, !demo.json).await;
    let heard = talk
        .await
        .map_err(|e| {
            Problem::new(
                format!("the scripted caller was lost: {e}"),
                "Run the demo again.",
            )
        })?
        .map_err(|e| Problem::new(e, "Look at the log in the data folder."))?;
    let mut report = tell(&story, &heard, model);
    if let (Some(program), Some(password)) = (&demo.desk, &room) {
        say("\nringing again, and asking for a person");
        let desk = DeskProgram::start(program, &running, password, sip).await?;
        let mut events = running.engine.subscribe();
        let talk = tokio::spawn(demo_desk::talk(desk, format!("sip:desk@{sip}")));
        let story = listen(&mut events, !demo.json).await;
        let (heard, mut handover) = talk
            .await
            .map_err(|e| Problem::new(format!("the second call was lost: {e}"), "Run the demo again."))??;
        handover.record(&story);
        let second = tell(&story, &heard, tools::model_info(&running.engine));
        report.turns.extend(second.turns);
        report.tasks.extend(second.tasks);
        report.handover = Some(handover);
    }
    report.page = (!once).then(|| running.link());
    let verified = running.engine.verify_audit().await?;
    report.audit = AuditHead {
        entries: verified.entries,
        head: verified.head,
        verified: verified.ok,
    };
    let complete = is_complete(&report);
    if demo.json {
        json(&report);
    } else {
        summary(&report);
    }
    if !once {
        line(format!(
            "\nThe page stays open: {}\nStop with Ctrl-C.",
            running.link()
        ));
        let _ = tokio::signal::ctrl_c().await;
    }
    running.stop(Duration::from_secs(5)).await;
    if complete {
        Ok(Exit::Ok)
    } else {
        Err(Problem::new(
            "the call did not go as it should",
            "Compare what was heard with what was said above.",
        ))
    }
}

/// A folder of its own for a demo that was given none; removed when dropped.
struct Scratch(std::path::PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn scratch(given: Option<&Path>) -> Result<Option<Scratch>, Problem> {
    if given.is_some() {
        return Ok(None);
    }
    let dir = std::env::temp_dir().join(format!("anteroom-demo-{}", std::process::id()));
    std::fs::create_dir_all(&dir)
        .map_err(|e| Problem::new(format!("{}: {e}", dir.display()), "Give a folder with --data."))?;
    Ok(Some(Scratch(dir)))
}

/// Imports and approves the sample clinic's knowledge; what is there already stays as it is.
/// With a desk there is a telephone in another room, whose password is returned.
async fn prepare(
    config: &Config,
    place: &Place,
    desk: bool,
) -> Result<Option<zeroize::Zeroizing<String>>, Problem> {
    let tool = tools::Knowledge::open(config, place).await?;
    for (name, bytes) in sample_knowledge() {
        for (id, version) in knowledge::import_bytes(&tool.store, name, bytes)? {
            tool.approve(&id, version, "sample approver").await?;
        }
    }
    if !desk {
        return Ok(None);
    }
    // It does not ring for callers: it is given the call by the handset.
    let added = users::add(
        &tool.store,
        config,
        demo_desk::ROOM_USER,
        demo_desk::ROOM_NAME,
        0,
        None,
        anteroom_appliance::users::COMMAND_LINE,
    )?;
    Ok(Some(added))
}

/// The sample clinic with somebody at the desk at all hours, so that the demonstration goes the same on every day.
fn always_open(config: &mut Config, place: &Place) -> Result<(), Problem> {
    let folder = place.data.join("clinic");
    let write = || {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("hours.toml"), tools::ALWAYS_OPEN)
    };
    write().map_err(|e| {
        Problem::new(
            format!("{}: {e}", folder.display()),
            "Give a folder with --data that this user may write.",
        )
    })?;
    config.clinic.folder = Some(folder);
    Ok(())
}

async fn place_call(target: String) -> Result<CallReport, String> {
    let mut clips = Vec::new();
    for name in CALL {
        let bytes = demo_call(name).ok_or_else(|| format!("the clip {name} is missing"))?;
        let samples = anteroom_sim::clip(bytes).map_err(|e| format!("{name}: {e}"))?;
        clips.push(Arc::from(samples));
    }
    let phone = anteroom_sim::Phone::loopback();
    ring(&target, "+441632960142", phone, &Script::ask(clips))
        .await
        .map_err(|e| e.to_string())
}

/// Follows the call to its end, telling it as it goes.
async fn listen(events: &mut broadcast::Receiver<LiveEvent>, tell: bool) -> Vec<CallEvent<String>> {
    let mut story = Vec::new();
    loop {
        let event = match events.recv().await {
            Ok(LiveEvent {
                body: LiveBody::Call { event },
                ..
            }) => event,
            Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return story,
        };
        if tell {
            narrate(&event.kind);
        }
        let ended = matches!(event.kind, EventKind::Ended { .. });
        story.push(event);
        if ended {
            return story;
        }
    }
}

fn narrate(kind: &EventKind<String>) {
    match kind {
        EventKind::Answered { codec, setup_ms, .. } => line(format!("answered after {setup_ms} ms, {codec}")),
        EventKind::Heard { text, decode_ms, .. } => {
            line(format!("caller: {text}   (decoded in {decode_ms} ms)"))
        }
        EventKind::Decided { record } => line(format!("        -> {}", decided(record))),
        EventKind::Said {
            text,
            ms_to_audio,
            entry,
            ..
        } => {
            let after = ms_to_audio.map_or(String::new(), |ms| {
                format!("   ({ms} ms after the caller stopped)")
            });
            let cited = entry.as_ref().map_or(String::new(), |e| {
                format!("   [{} v{}, {:.2}]", e.id, e.version, e.score)
            });
            line(format!("clinic: {text}{cited}{after}"));
        }
        EventKind::Desk { what, who, .. } => {
            let who = who.as_deref().map_or(String::new(), |w| format!(" ({w})"));
            line(format!("        desk: {what:?}{who}"));
        }
        EventKind::MarkedUrgent { why } => line(format!("        ** URGENT: {why}")),
        EventKind::TaskCreated { kind, summary, .. } => line(format!("        task ({kind:?}): {summary}")),
        EventKind::Ended { reason, seconds } => line(format!("ended: {reason:?} after {seconds} s")),
        _ => {}
    }
}

fn decided(r: &DecisionRecord) -> String {
    let entry = r.entry.as_ref().map_or(String::new(), |e| {
        format!(" with {} v{} ({:.2})", e.id, e.version, e.score)
    });
    let gate = r
        .gate_why
        .as_ref()
        .map_or(String::new(), |w| format!(", gate: {w}"));
    format!("{:?}{entry}{gate}", r.decision)
}

/// Puts the call's events together, turn by turn.
fn tell(story: &[CallEvent<String>], heard: &CallReport, model: tools::ModelInfo) -> Report {
    let mut turns: BTreeMap<TurnId, Turn> = BTreeMap::new();
    let mut report = Report {
        call: story.first().map(|e| e.call),
        greeting: String::new(),
        ms_to_greeting: None,
        turns: Vec::new(),
        tasks: Vec::new(),
        handover: None,
        upstream: Vec::new(),
        audit: AuditHead {
            entries: 0,
            head: String::new(),
            verified: false,
        },
        model,
        page: None,
    };
    for event in story {
        match &event.kind {
            EventKind::GreetingStarted { ms_from_invite } => report.ms_to_greeting = Some(*ms_from_invite),
            EventKind::Heard {
                side: Side::Caller,
                turn,
                text,
                ..
            } => {
                turns.entry(*turn).or_default().heard.clone_from(text);
            }
            EventKind::Decided { record } => {
                let t = turns.entry(record.turn).or_default();
                t.decision = Some(record.decision);
                t.entry.clone_from(&record.entry);
            }
            EventKind::Said {
                turn: Some(turn),
                text,
                ms_to_audio,
                ..
            } => {
                let t = turns.entry(*turn).or_default();
                if !t.said.is_empty() {
                    t.said.push(' ');
                }
                t.said.push_str(text);
                t.ms_to_audio = t.ms_to_audio.or(*ms_to_audio);
            }
            EventKind::Said { turn: None, text, .. } if turns.is_empty() => {
                if !report.greeting.is_empty() {
                    report.greeting.push(' ');
                }
                report.greeting.push_str(text);
            }
            EventKind::TaskCreated { kind, .. } => report.tasks.push(*kind),
            _ => {}
        }
    }
    turns.remove(&TurnId(0));
    report.turns = turns.into_values().collect();
    let by_ear = heard.steps.iter().filter_map(|s| s.ms_to_sound);
    for (turn, ms) in report.turns.iter_mut().zip(by_ear) {
        turn.ms_to_sound = Some(ms);
    }
    report
}

/// Whether the call showed what the demo is to show.
fn is_complete(r: &Report) -> bool {
    let count = |d| r.turns.iter().filter(|t| t.decision == Some(d)).count();
    let mut cited: Vec<_> = r
        .turns
        .iter()
        .filter(|t| t.decision == Some(Decision::Answer))
        .filter_map(|t| t.entry.as_ref().map(|e| &e.id))
        .collect();
    cited.sort();
    cited.dedup();
    r.turns.len() >= 5
        && cited.len() >= 2
        && count(Decision::Decline) >= 1
        && count(Decision::Escalate) >= 1
        && count(Decision::Task) >= 1
        && !r.tasks.is_empty()
        && r.audit.verified
        && r.handover.as_ref().is_none_or(Handover::is_complete)
}

fn summary(r: &Report) {
    line("");
    for (i, t) in r.turns.iter().enumerate() {
        let ms = t.ms_to_audio.map_or_else(|| "-".into(), |m| m.to_string());
        let d = t
            .decision
            .map_or_else(|| "-".into(), |d| format!("{d:?}").to_lowercase());
        line(format!("turn {}: {d}, first audio after {ms} ms", i + 1));
    }
    let a = &r.audit;
    let verified = if a.verified { "verified" } else { "NOT VERIFIED" };
    line(format!(
        "audit: {} entries, head {}, {verified}",
        a.entries, a.head
    ));
    line(format!("sent upstream: {} records", r.upstream.len()));
}
