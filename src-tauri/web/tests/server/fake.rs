//! An engine that is driven by hand: real events, a real board, no telephone.

use anteroom_api::{
    ApiError, Automation, CallDesk, CallDetail, CallsPage, CallsQuery, Check, CheckStatus, DeskCommand,
    DeskDone, DeskStage, Device, DeviceKind, EngineState, EntryDetail, Handset, HealthReport, LiveBoard,
    LiveEvent, OpenState, PeoplePage, Person, PersonState, RecogniserHealth, RecogniserState, SearchRequest,
    Snapshot, TaskCommand, TaskDetail, TaskDto, TaskEvent, TaskLine, TaskRecording, TaskStatus, TasksPage,
    TasksQuery, TasksWhich, TrunkState, TrunkStatus, UserAdded, UserDto, UserRequest, UsersPage, Who, board,
};
use anteroom_types::knowledge::{EntryStatus, KnowledgeEntry};
use anteroom_types::{CallEvent, CallId, EntryId, EventKind, Mono, TaskId, TaskKind, TraceId, Wall};
use anteroom_web::{Answer, Engine, SIP_QUEUE_MAX, SipPeer, SipSocket};
use axum::body::Bytes;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{broadcast, mpsc};

/// The clock.
pub fn now() -> Wall {
    let ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    Wall(i64::try_from(ms).unwrap())
}

/// The engine.
pub struct Fake {
    inner: Mutex<Inner>,
    sender: broadcast::Sender<LiveEvent>,
    /// Where the engine's side of each new SIP socket goes; with none, there are no browser handsets.
    handsets: Mutex<Option<mpsc::Sender<Handsets>>>,
    /// No new handset is let in for now.
    away: AtomicBool,
}

/// The engine's side of a browser's SIP socket.
pub struct Handsets {
    pub peer: SipPeer,
    pub from_browser: mpsc::Receiver<Bytes>,
    pub to_browser: mpsc::Sender<Bytes>,
}

struct Inner {
    board: LiveBoard,
    record: BTreeMap<CallId, Vec<CallEvent<String>>>,
    entries: Vec<KnowledgeEntry>,
    /// What the desk was asked to do, and by whom.
    commands: Vec<(Option<String>, CallId, DeskCommand)>,
    tasks: BTreeMap<TaskId, (TaskDto, Vec<TaskLine>)>,
    users: BTreeMap<String, UserDto>,
    /// Who heard which call.
    heard: Vec<(String, CallId)>,
}

/// Three seconds, of which the caller speaks from the second on.
pub const AUDIO: &[u8] = include_bytes!("message.ogg");
/// Where the message begins in them.
pub const MESSAGE_FROM_MS: u64 = 1_000;

/// A call that is being played.
#[derive(Clone, Copy)]
pub struct Line {
    /// The call.
    pub id: CallId,
    seq: u32,
}

impl Fake {
    /// An engine whose live channel holds `capacity` events.
    pub fn new(capacity: usize) -> Arc<Self> {
        let board = LiveBoard::new(TraceId::new(now(), rand::random()), state(), Vec::new());
        Arc::new(Self {
            inner: Mutex::new(Inner {
                board,
                record: BTreeMap::new(),
                entries: entries(),
                commands: Vec::new(),
                tasks: BTreeMap::new(),
                heard: Vec::new(),
                users: BTreeMap::new(),
            }),
            sender: broadcast::channel(capacity).0,
            handsets: Mutex::new(None),
            away: AtomicBool::new(false),
        })
    }

    /// From now on there are browser handsets; the engine's side of each comes here.
    pub fn handsets(&self) -> mpsc::Receiver<Handsets> {
        let (to, from) = mpsc::channel(16);
        *self.handsets.lock().unwrap() = Some(to);
        from
    }

    /// Whether new handsets are turned away.
    pub fn turn_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// What the desk was asked to do so far.
    pub fn commands(&self) -> Vec<(Option<String>, CallId, DeskCommand)> {
        self.lock().commands.clone()
    }

    /// Who heard which call so far.
    pub fn heard(&self) -> Vec<(String, CallId)> {
        self.lock().heard.clone()
    }

    /// A task is made that is of no call.
    pub fn owe(&self, task: TaskDto) {
        let mut inner = self.lock();
        inner.tasks.insert(task.id, (task.clone(), Vec::new()));
        let told = inner.board.task(task);
        let _ = self.sender.send(told);
    }

    /// A call's place at the desk changes.
    pub fn place(&self, desk: CallDesk) {
        if let Some(e) = self.lock().board.set_desk(desk) {
            let _ = self.sender.send(e);
        }
    }

    /// People come and go.
    pub fn staff(&self, people: Vec<Person>) {
        if let Some(e) = self.lock().board.set_people(people) {
            let _ = self.sender.send(e);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    /// A call arrives.
    pub fn ring(&self, from: &str) -> Line {
        let mut line = Line {
            id: CallId::new(now(), rand::random()),
            seq: 0,
        };
        self.say(
            &mut line,
            EventKind::Offered {
                from: from.into(),
                to: "reception".into(),
                trunk: "main".into(),
            },
        );
        line
    }

    /// Something happens in a call.
    pub fn say(&self, line: &mut Line, kind: EventKind<String>) {
        line.seq += 1;
        let event = CallEvent {
            call: line.id,
            trace: TraceId::from_u128(line.id.to_u128()),
            seq: line.seq,
            at: now(),
            mono: Mono::from_ms(u64::from(line.seq) * 100),
            kind,
        };
        let mut inner = self.lock();
        if !matches!(event.kind, EventKind::Partial { .. }) {
            inner.record.entry(line.id).or_default().push(event.clone());
        }
        if let Some(task) = board::task_of(&event) {
            inner.tasks.insert(task.id, (task, Vec::new()));
        }
        for e in inner.board.call_event(event) {
            let _ = self.sender.send(e);
        }
    }

    /// The state changes.
    pub fn change(&self, change: impl FnOnce(&mut EngineState)) {
        let mut inner = self.lock();
        let mut state = inner.board.state().clone();
        change(&mut state);
        if let Some(e) = inner.board.set_state(state) {
            let _ = self.sender.send(e);
        }
    }
}

fn state() -> EngineState {
    EngineState {
        clinic: "The sample clinic".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        automation: true,
        draining: false,
        open: Some(OpenState {
            open: true,
            changes_at: Some(Wall(now().0 + 3 * 3_600_000)),
        }),
        recogniser: RecogniserState {
            rung: "whisper:demo-clinic-en".into(),
            demonstration: true,
            health: RecogniserHealth::Ok,
        },
        trunks: vec![TrunkState {
            name: "main".into(),
            status: TrunkStatus::Up,
            detail: None,
        }],
        calls_up: 0,
        calls_max: 8,
    }
}

fn entries() -> Vec<KnowledgeEntry> {
    let entry = |id: &str, version, title: &str, answer: &str, questions: &[&str]| KnowledgeEntry {
        id: EntryId::new(id).unwrap(),
        version,
        language: "en".into(),
        title: title.into(),
        questions: questions.iter().map(|q| (*q).to_owned()).collect(),
        answer: answer.into(),
        status: EntryStatus::Approved,
        approved_by: Some("sample approver".into()),
        approved_at: Some(Wall(1_790_000_000_000)),
        expires_at: None,
        source: Some("sample-clinic.md".into()),
    };
    vec![
        entry(
            "opening-hours",
            3,
            "Opening hours",
            "We are open Monday to Friday, from eight in the morning until half past six.",
            &["When are you open?", "What time do you open?"],
        ),
        entry(
            "weekend-hours",
            1,
            "Weekend hours",
            "We are closed at the weekend.",
            &["Are you open on Saturday?"],
        ),
        entry(
            "parking",
            2,
            "Parking",
            "There is a car park behind the building with twelve spaces.",
            &["Where can I park?"],
        ),
    ]
}

/// Three people: one free at a browser, one talking at a desk telephone, one away.
pub fn people() -> Vec<Person> {
    let person = |user: &str, name: &str, state, kind, online| Person {
        user: user.into(),
        name: name.into(),
        state,
        devices: vec![Device {
            kind,
            name: "front desk".into(),
            online,
        }],
    };
    vec![
        person(
            "anna",
            "Anna Example",
            PersonState::Free,
            DeviceKind::Browser,
            true,
        ),
        person("ben", "Ben Example", PersonState::Free, DeviceKind::Browser, true),
        person(
            "carla",
            "Carla Example",
            PersonState::Talking,
            DeviceKind::DeskPhone,
            true,
        ),
        person(
            "dev",
            "Dev Example",
            PersonState::Away,
            DeviceKind::DeskPhone,
            false,
        ),
    ]
}

/// Where a command leaves a call, as far as the page shows it.
fn stage_after(command: &DeskCommand, who: &str, slot: u32) -> Option<DeskStage> {
    let (by, since) = (who.to_owned(), now());
    Some(match command {
        DeskCommand::Hold => DeskStage::Held { by, since },
        DeskCommand::Resume
        | DeskCommand::Abort
        | DeskCommand::Retrieve { .. }
        | DeskCommand::Accept
        | DeskCommand::Pickup => DeskStage::Talking { who: vec![by], since },
        DeskCommand::Park { .. } => DeskStage::Parked {
            slot,
            by,
            since,
            returns_at: Some(Wall(since.0 + 120_000)),
        },
        DeskCommand::Transfer { to, .. } => DeskStage::Ringing {
            who: vec![to.clone()],
            since,
        },
        DeskCommand::Warm { to, briefing, .. } => DeskStage::Consulting {
            by,
            to: to.clone(),
            briefing: *briefing,
            answered: false,
            since,
        },
        DeskCommand::Voicemail => DeskStage::Voicemail { since },
        _ => return None,
    })
}

impl Engine for Fake {
    fn snapshot(&self) -> Snapshot {
        self.lock().board.snapshot(now())
    }

    fn since(&self, epoch: TraceId, seq: u64) -> Option<Vec<LiveEvent>> {
        self.lock().board.since(epoch, seq)
    }

    fn subscribe(&self) -> broadcast::Receiver<LiveEvent> {
        self.sender.subscribe()
    }

    fn health(&self) -> HealthReport {
        let check = Check {
            name: "store".into(),
            status: CheckStatus::Ok,
            detail: "the record is open".into(),
            hint: None,
        };
        let draining = self.lock().board.state().draining;
        HealthReport::of(vec![check], draining)
    }

    fn metrics(&self) -> String {
        let up = self.lock().board.snapshot(now()).calls.len();
        format!("# TYPE anteroom_calls_up gauge\nanteroom_calls_up {up}\n")
    }

    fn calls(&self, query: CallsQuery) -> Answer<'_, CallsPage> {
        Box::pin(async move {
            let inner = self.lock();
            let calls: Vec<_> = inner
                .record
                .iter()
                .rev()
                .filter(|(id, _)| query.before.is_none_or(|b| **id < b))
                .take(query.rows() as usize)
                .filter_map(|(_, events)| board::summarise(events))
                .collect();
            let next = (calls.len() == query.rows() as usize)
                .then(|| calls.last().map(|c| c.id))
                .flatten();
            Ok(CallsPage { calls, next })
        })
    }

    fn search_calls(&self, request: SearchRequest) -> Answer<'_, CallsPage> {
        Box::pin(async move {
            let wanted = request.text.to_lowercase();
            let inner = self.lock();
            let calls = inner
                .record
                .values()
                .filter(|events| {
                    events.iter().any(|e| match &e.kind {
                        EventKind::Heard { text, .. } | EventKind::Said { text, .. } => {
                            text.to_lowercase().contains(&wanted)
                        }
                        _ => false,
                    })
                })
                .filter_map(|events| board::summarise(events))
                .collect();
            Ok(CallsPage { calls, next: None })
        })
    }

    fn call(&self, id: CallId) -> Answer<'_, CallDetail> {
        Box::pin(async move {
            let inner = self.lock();
            let events = inner.record.get(&id).cloned().unwrap_or_default();
            let summary = board::summarise(&events).ok_or_else(|| ApiError::not_found("call"))?;
            let tasks: Vec<TaskDto> = events.iter().filter_map(board::task_of).collect();
            Ok(CallDetail {
                summary,
                events,
                tasks,
                recording: None,
            })
        })
    }

    fn recording(&self, who: Who, call: CallId) -> Answer<'_, Vec<u8>> {
        Box::pin(async move {
            let mut inner = self.lock();
            if !inner.record.contains_key(&call) {
                return Err(ApiError::not_found("record"));
            }
            inner.heard.push((who.name(), call));
            Ok(AUDIO.to_vec())
        })
    }

    fn tasks(&self, query: TasksQuery) -> Answer<'_, TasksPage> {
        Box::pin(async move {
            let closed = query.which == Some(TasksWhich::Closed);
            let inner = self.lock();
            let known = inner.tasks.values().map(|(t, _)| t);
            let mut tasks: Vec<TaskDto> = known.filter(|t| t.status.is_open() != closed).cloned().collect();
            tasks.sort_by_key(|t| t.closed_at.map_or(t.due.0, |at| -at.0));
            tasks.truncate(query.rows() as usize);
            Ok(TasksPage { tasks, next: None })
        })
    }

    fn task(&self, id: TaskId) -> Answer<'_, TaskDetail> {
        Box::pin(async move {
            let inner = self.lock();
            let (task, history) = inner.tasks.get(&id).ok_or_else(|| ApiError::not_found("task"))?;
            let message = task.kind == TaskKind::Voicemail;
            Ok(TaskDetail {
                task: task.clone(),
                history: history.clone(),
                recording: task.call.map(|call| TaskRecording {
                    call,
                    from_ms: if message { MESSAGE_FROM_MS } else { 0 },
                    message,
                }),
            })
        })
    }

    /// As the store has it, as far as the page shows it; the rules themselves are tested there.
    fn change_task(&self, who: Who, id: TaskId, command: TaskCommand) -> Answer<'_, TaskDto> {
        Box::pin(async move {
            let mut inner = self.lock();
            let (task, history) = inner
                .tasks
                .get_mut(&id)
                .ok_or_else(|| ApiError::not_found("task"))?;
            let mut line = TaskLine {
                at: now(),
                who: who.name(),
                what: TaskEvent::Note,
                owner: None,
                due: None,
                note: None,
            };
            let taken = task.status == TaskStatus::Taken && task.owner != who.user;
            if taken && matches!(command, TaskCommand::Take | TaskCommand::Done { .. }) {
                let message = "Somebody else has taken this task.";
                return Err(ApiError::new(409, "task.taken", message, "Ask whoever has it."));
            }
            match command {
                TaskCommand::Take => {
                    (task.status, task.owner) = (TaskStatus::Taken, who.user.clone());
                    (line.what, line.owner) = (TaskEvent::Taken, who.user.clone());
                }
                TaskCommand::Release => {
                    (task.status, task.owner) = (TaskStatus::Open, None);
                    line.what = TaskEvent::Released;
                }
                TaskCommand::Assign { to } => {
                    (task.status, task.owner) = (TaskStatus::Taken, Some(to.clone()));
                    (line.what, line.owner) = (TaskEvent::Assigned, Some(to));
                }
                TaskCommand::Due { at } => {
                    task.due = at;
                    (line.what, line.due) = (TaskEvent::Due, Some(at));
                }
                TaskCommand::Note { text } => line.note = Some(text),
                TaskCommand::Done { outcome } => {
                    task.status = TaskStatus::Done;
                    (line.what, line.note) = (TaskEvent::Done, Some(outcome));
                }
                TaskCommand::Cancel { why } => {
                    task.status = TaskStatus::Cancelled;
                    (line.what, line.note) = (TaskEvent::Cancelled, Some(why));
                }
                TaskCommand::Reopen { why } => {
                    (task.status, task.owner) = (TaskStatus::Open, None);
                    (line.what, line.note) = (TaskEvent::Reopened, why);
                }
            }
            let closed = !task.status.is_open();
            task.closed_at = closed.then_some(line.at);
            task.closed_by = closed.then(|| who.name());
            task.outcome = line.note.clone().filter(|_| closed);
            history.push(line);
            let task = task.clone();
            let told = inner.board.task(task.clone());
            let _ = self.sender.send(told);
            Ok(task)
        })
    }

    fn sip_socket(&self, peer: SipPeer) -> Option<SipSocket> {
        if self.away.load(Ordering::Relaxed) {
            return None;
        }
        let handsets = self.handsets.lock().unwrap().clone()?;
        let (to_engine, from_browser) = mpsc::channel(SIP_QUEUE_MAX);
        let (to_browser, from_engine) = mpsc::channel(SIP_QUEUE_MAX);
        handsets
            .try_send(Handsets {
                peer,
                from_browser,
                to_browser,
            })
            .ok()?;
        Some(SipSocket {
            to_engine,
            from_engine,
        })
    }

    fn handset(&self, who: Who) -> Answer<'_, Handset> {
        Box::pin(async move {
            let user = who.user.unwrap_or_else(|| "desk".into());
            Ok(Handset {
                password: format!("sample-{user}"),
                display_name: people()
                    .into_iter()
                    .find(|p| p.user == user)
                    .map_or_else(|| user.clone(), |p| p.name),
                user,
                domain: "anteroom.invalid".into(),
                ws_path: "/sip".into(),
                ice_servers: vec![],
            })
        })
    }

    fn people(&self) -> Answer<'_, PeoplePage> {
        Box::pin(async move { Ok(PeoplePage { people: people() }) })
    }

    fn desk(&self, who: Who, call: CallId, command: DeskCommand) -> Answer<'_, DeskDone> {
        Box::pin(async move {
            let user = who.user.clone().unwrap_or_else(|| "desk".into());
            let slot = matches!(command, DeskCommand::Park { .. }).then_some(1);
            let stage = stage_after(&command, &user, 1);
            let mut inner = self.lock();
            if !inner.record.contains_key(&call) {
                return Err(ApiError::not_found("call"));
            }
            inner.commands.push((who.user, call, command));
            if let Some(stage) = stage {
                let on_hold = matches!(stage, DeskStage::Held { .. });
                let desk = CallDesk {
                    call,
                    stage,
                    brief: None,
                    legs: vec![],
                    on_hold,
                    listeners: vec![],
                    recording_paused: false,
                };
                if let Some(e) = inner.board.set_desk(desk) {
                    let _ = self.sender.send(e);
                }
            }
            Ok(DeskDone { slot, task: None })
        })
    }

    fn automation(&self) -> Answer<'_, Automation> {
        Box::pin(async move {
            Ok(Automation {
                on: self.lock().board.state().automation,
                since: None,
                by: None,
            })
        })
    }

    fn set_automation(&self, who: Who, on: bool) -> Answer<'_, Automation> {
        Box::pin(async move {
            self.change(|s| s.automation = on);
            Ok(Automation {
                on,
                since: Some(now()),
                by: who.user,
            })
        })
    }

    fn users(&self) -> Answer<'_, UsersPage> {
        Box::pin(async move {
            let users = self.lock().users.values().cloned().collect();
            Ok(UsersPage { users })
        })
    }

    fn add_user(&self, _: Who, user: UserRequest) -> Answer<'_, UserAdded> {
        Box::pin(async move {
            let user = UserDto {
                user: user.user,
                name: user.name,
                rings: user.rings.unwrap_or(1),
                class: user.class,
            };
            self.lock().users.insert(user.user.clone(), user.clone());
            Ok(UserAdded {
                user,
                password: "shown-once".into(),
                realm: "anteroom.invalid".into(),
                at: now(),
            })
        })
    }

    fn remove_user(&self, _: Who, user: String) -> Answer<'_, ()> {
        Box::pin(async move {
            let gone = self.lock().users.remove(&user);
            gone.map(|_| ()).ok_or_else(|| ApiError::not_found("person"))
        })
    }

    fn entry(&self, id: EntryId, version: u32) -> Answer<'_, EntryDetail> {
        Box::pin(async move {
            self.lock()
                .entries
                .iter()
                .find(|e| e.id == id && e.version == version)
                .map(|e| EntryDetail {
                    entry: e.clone(),
                    current_version: Some(e.version),
                })
                .ok_or_else(|| ApiError::not_found("entry"))
        })
    }
}
