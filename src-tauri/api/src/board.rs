//! The live board: what a screen that connects now has to be told.
//!
//! The engine feeds every call event through [`LiveBoard`], which numbers it, keeps what a snapshot needs and a bounded
//! tail of past events for clients that come back.

use crate::desk::{CallDesk, DeskStage, PEOPLE_MAX, Person};
use crate::live::{EngineState, LiveBody, LiveCall, LiveEvent, Snapshot};
use crate::record::CallSummary;
use crate::task::{TaskDto, TaskStatus};
use anteroom_types::event::TRUNK_INSIDE;
use anteroom_types::{CallEvent, CallId, Decision, EventKind, Side, TaskKind, TraceId, Wall};
use std::collections::{BTreeMap, VecDeque};

/// Events kept for clients that come back; older ones are dropped, and such a client gets a snapshot instead.
pub const TAIL_EVENTS_MAX: usize = 2_048;
/// Ended calls kept in the snapshot; older ones are dropped (they are in the record).
pub const RECENT_CALLS_MAX: usize = 50;
/// Calls whose desk is known before their first event. What is left of calls that have ended is pushed out by later ones.
const EARLY_MAX: usize = 32;
/// Open tasks kept in the snapshot; the oldest are dropped (they are in the record).
pub const TASKS_MAX: usize = 200;
/// Events kept of one call in progress. When full, the oldest after the first goes: a screen that joins then lacks the
/// oldest words, which are in the record.
pub const CALL_EVENTS_MAX: usize = 1_000;
/// The number of a call's first event.
const FIRST_SEQ: u32 = 1;

/// See the module.
#[derive(Debug)]
pub struct LiveBoard {
    epoch: TraceId,
    seq: u64,
    state: EngineState,
    calls: BTreeMap<CallId, VecDeque<CallEvent<String>>>,
    recent: VecDeque<CallSummary>,
    tasks: VecDeque<TaskDto>,
    early: VecDeque<CallDesk>,
    desk: BTreeMap<CallId, CallDesk>,
    people: Vec<Person>,
    tail: VecDeque<LiveEvent>,
}

impl LiveBoard {
    /// A board for one run of the engine, with the tasks that were open when it started.
    #[must_use]
    pub fn new(epoch: TraceId, state: EngineState, open_tasks: Vec<TaskDto>) -> Self {
        let mut board = Self {
            epoch,
            seq: 0,
            state,
            calls: BTreeMap::new(),
            recent: VecDeque::new(),
            tasks: VecDeque::new(),
            early: VecDeque::new(),
            desk: BTreeMap::new(),
            people: Vec::new(),
            tail: VecDeque::new(),
        };
        for task in open_tasks {
            board.put_task(task);
        }
        board
    }

    /// Tells one run from another.
    #[must_use]
    pub fn epoch(&self) -> TraceId {
        self.epoch
    }

    /// The engine's state as last set.
    #[must_use]
    pub fn state(&self) -> &EngineState {
        &self.state
    }

    /// Something happened in a call. Returns what to publish: the event, then the task it made, if it made one.
    pub fn call_event(&mut self, event: CallEvent<String>) -> Vec<LiveEvent> {
        // Whoever was quick has changed it already: what is known is newer than how it was made.
        let task = task_of(&event).filter(|t| self.tasks.iter().all(|k| k.id != t.id));
        let call = event.call;
        self.keep(&event);
        let mut out = vec![self.publish(LiveBody::Call { event })];
        out.extend(task.map(|t| self.task(t)));
        if let Some(i) = self.early.iter().position(|d| d.call == call)
            && let Some(desk) = self.early.remove(i)
            && self.calls.contains_key(&call)
        {
            out.extend(self.set_desk(desk));
        }
        out
    }

    /// The engine's state is now `state`. Returns nothing when that changes nothing.
    pub fn set_state(&mut self, state: EngineState) -> Option<LiveEvent> {
        (state != self.state).then(|| {
            self.state = state.clone();
            self.publish(LiveBody::State { state })
        })
    }

    /// A task was made or changed.
    pub fn task(&mut self, task: TaskDto) -> LiveEvent {
        self.put_task(task.clone());
        self.publish(LiveBody::Task { task })
    }

    /// Those of these open tasks that are shown otherwise or not at all.
    #[must_use]
    pub fn changed_tasks(&self, mut tasks: Vec<TaskDto>) -> Vec<TaskDto> {
        tasks.retain(|t| self.tasks.iter().all(|shown| shown != t));
        tasks
    }

    /// Where a call stands at the desk. Returns nothing when that changes nothing, or when the call is not in progress.
    pub fn set_desk(&mut self, desk: CallDesk) -> Option<LiveEvent> {
        if !self.calls.contains_key(&desk.call) {
            // Its first event is still on its way here: what is told before it waits for it.
            self.early.retain(|d| d.call != desk.call);
            if self.early.len() == EARLY_MAX {
                self.early.pop_front();
            }
            self.early.push_back(desk);
            return None;
        }
        if self.desk.get(&desk.call) == Some(&desk) {
            return None;
        }
        self.desk.insert(desk.call, desk.clone());
        Some(self.publish(LiveBody::Desk { desk }))
    }

    /// Everybody a call can be given to, of whom at most [`PEOPLE_MAX`] are kept. Returns nothing when nothing changed.
    pub fn set_people(&mut self, mut people: Vec<Person>) -> Option<LiveEvent> {
        people.truncate(PEOPLE_MAX);
        (people != self.people).then(|| {
            self.people.clone_from(&people);
            self.publish(LiveBody::People { people })
        })
    }

    /// Everything a screen needs to start, at `now`.
    #[must_use]
    pub fn snapshot(&self, now: Wall) -> Snapshot {
        Snapshot {
            epoch: self.epoch,
            seq: self.seq,
            now,
            state: self.state.clone(),
            calls: self
                .calls
                .iter()
                .map(|(id, events)| LiveCall {
                    id: *id,
                    events: events.iter().cloned().collect(),
                })
                .collect(),
            tasks: self.tasks.iter().cloned().collect(),
            recent: self.recent.iter().cloned().collect(),
            desk: self.desk.values().cloned().collect(),
            people: self.people.clone(),
        }
    }

    /// What a client missed that saw `seq` of `epoch` last; none when that is another run or too long ago.
    #[must_use]
    pub fn since(&self, epoch: TraceId, seq: u64) -> Option<Vec<LiveEvent>> {
        let first_kept = self.tail.front().map_or(self.seq + 1, |e| e.seq);
        let known = epoch == self.epoch && seq <= self.seq && seq + 1 >= first_kept;
        known.then(|| self.tail.iter().filter(|e| e.seq > seq).cloned().collect())
    }

    /// How many tasks of a kind are open or taken, as far as the board holds them.
    #[must_use]
    pub fn open_tasks(&self, kind: TaskKind) -> u32 {
        let n = self.tasks.iter().filter(|t| t.kind == kind).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    /// The caller who has waited for somebody to answer for the longest time. A call that a telephone of ours places is
    /// nobody else's to take.
    #[must_use]
    pub fn waits_longest(&self) -> Option<CallId> {
        let since = |d: &CallDesk| match d.stage {
            DeskStage::Ringing { since, .. } | DeskStage::Queued { since, .. } => Some(since),
            _ => None,
        };
        let from_outside = |call: &CallId| {
            self.calls.get(call).is_some_and(|events| {
                events
                    .iter()
                    .any(|e| matches!(&e.kind, EventKind::Offered { trunk, .. } if trunk != TRUNK_INSIDE))
            })
        };
        let theirs = self.desk.values().filter(|d| from_outside(&d.call));
        let waiting = theirs.filter_map(|d| since(d).map(|s| (s, d.call)));
        waiting.min().map(|(_, call)| call)
    }

    fn publish(&mut self, body: LiveBody) -> LiveEvent {
        self.seq += 1;
        let event = LiveEvent { seq: self.seq, body };
        if self.tail.len() == TAIL_EVENTS_MAX {
            self.tail.pop_front();
        }
        self.tail.push_back(event.clone());
        event
    }

    fn keep(&mut self, event: &CallEvent<String>) {
        // A leg may outlive its call for a moment: what is told of it then does not bring the call back.
        if event.seq > FIRST_SEQ && !self.calls.contains_key(&event.call) {
            return;
        }
        let events = self.calls.entry(event.call).or_default();
        events.retain(|old| !supersedes(&event.kind, &old.kind));
        if events.len() == CALL_EVENTS_MAX {
            events.remove(1);
        }
        events.push_back(event.clone());
        if matches!(event.kind, EventKind::Ended { .. })
            && let Some(events) = self.calls.remove(&event.call)
        {
            self.desk.remove(&event.call);
            if self.recent.len() == RECENT_CALLS_MAX {
                self.recent.pop_back();
            }
            if let Some(summary) = summarise(Vec::from(events).as_slice()) {
                self.recent.push_front(summary);
            }
        }
    }

    fn put_task(&mut self, task: TaskDto) {
        self.tasks.retain(|t| t.id != task.id);
        if task.status.is_open() {
            if self.tasks.len() == TASKS_MAX {
                self.tasks.pop_front();
            }
            self.tasks.push_back(task);
        }
    }
}

/// Whether `new` makes `old` of no more use to a screen: later partial words, the turn heard to its end, later quality.
fn supersedes(new: &EventKind<String>, old: &EventKind<String>) -> bool {
    match (new, old) {
        (
            EventKind::Partial { side, turn, .. } | EventKind::Heard { side, turn, .. },
            EventKind::Partial {
                side: old_side,
                turn: old_turn,
                ..
            },
        ) => side == old_side && turn == old_turn,
        (EventKind::Quality { who: a, .. }, EventKind::Quality { who: b, .. }) => a == b,
        _ => false,
    }
}

/// The task that an event made.
#[must_use]
pub fn task_of(event: &CallEvent<String>) -> Option<TaskDto> {
    match &event.kind {
        EventKind::TaskCreated {
            task,
            kind,
            summary,
            number,
            due,
        } => Some(TaskDto {
            id: *task,
            call: Some(event.call),
            kind: *kind,
            summary: summary.clone(),
            number: number.clone(),
            created_at: event.at,
            due: *due,
            status: TaskStatus::Open,
            owner: None,
            closed_at: None,
            closed_by: None,
            outcome: None,
        }),
        _ => None,
    }
}

/// A call's row in a list, from its events in order; none without any.
#[must_use]
pub fn summarise(events: &[CallEvent<String>]) -> Option<CallSummary> {
    let first = events.first()?;
    let mut s = CallSummary {
        id: first.call,
        trace: first.trace,
        started_at: first.at,
        seconds: None,
        from: String::new(),
        to: None,
        trunk: String::new(),
        urgent: false,
        turns: 0,
        answers: 0,
        tasks: 0,
        ended: None,
        first_words: None,
    };
    for event in events {
        match &event.kind {
            EventKind::Offered { from, to, trunk } => {
                s.from.clone_from(from);
                s.to = (trunk == TRUNK_INSIDE).then(|| to.clone());
                s.trunk.clone_from(trunk);
            }
            EventKind::Heard {
                side: Side::Caller,
                text,
                ..
            } => {
                s.turns += 1;
                if s.first_words.is_none() && !text.trim().is_empty() {
                    s.first_words = Some(text.clone());
                }
            }
            EventKind::Decided { record } if record.decision == Decision::Answer => s.answers += 1,
            EventKind::MarkedUrgent { .. } => s.urgent = true,
            EventKind::TaskCreated { .. } => s.tasks += 1,
            EventKind::Ended { reason, seconds } => {
                s.ended = Some(*reason);
                s.seconds = Some(*seconds);
            }
            _ => {}
        }
    }
    Some(s)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::{DeskStage, PersonState};
    use crate::live::{RecogniserHealth, RecogniserState};
    use anteroom_types::{EndReason, Mono, TaskId, TaskKind, TurnId};

    fn state() -> EngineState {
        EngineState {
            clinic: "Sample clinic".into(),
            version: "0".into(),
            automation: true,
            draining: false,
            open: None,
            recogniser: RecogniserState {
                rung: "keypad".into(),
                demonstration: false,
                health: RecogniserHealth::Ok,
            },
            trunks: vec![],
            calls_up: 0,
            calls_max: 4,
        }
    }

    fn board() -> LiveBoard {
        LiveBoard::new(TraceId::new(Wall(1), 1), state(), vec![])
    }

    fn event(call: u128, seq: u32, kind: EventKind<String>) -> CallEvent<String> {
        CallEvent {
            call: CallId::new(Wall(5), call),
            trace: TraceId::new(Wall(5), call),
            seq,
            at: Wall(5),
            mono: Mono(5),
            kind,
        }
    }

    fn partial(text: &str) -> EventKind<String> {
        EventKind::Partial {
            side: Side::Caller,
            turn: TurnId(1),
            text: text.into(),
        }
    }

    fn heard(text: &str) -> EventKind<String> {
        EventKind::Heard {
            side: Side::Caller,
            turn: TurnId(1),
            text: text.into(),
            confidence: 0.9,
            start: Mono(1),
            end: Mono(2),
            recogniser: "keypad".into(),
            decode_ms: 1,
        }
    }

    fn ended() -> EventKind<String> {
        EventKind::Ended {
            reason: EndReason::Completed,
            seconds: 9,
        }
    }

    #[test]
    fn of_partial_words_only_the_latest_stay_until_the_turn_is_heard() {
        let mut b = board();
        b.call_event(event(1, 1, partial("when do")));
        b.call_event(event(1, 2, partial("when do you")));
        let texts = |b: &LiveBoard| -> Vec<String> {
            let s = b.snapshot(Wall(9));
            s.calls[0]
                .events
                .iter()
                .map(|e| match &e.kind {
                    EventKind::Partial { text, .. } => format!("~{text}"),
                    EventKind::Heard { text, .. } => text.clone(),
                    _ => String::new(),
                })
                .collect()
        };
        assert_eq!(texts(&b), ["~when do you"]);
        b.call_event(event(1, 3, heard("when do you open")));
        assert_eq!(texts(&b), ["when do you open"]);
        assert_eq!(b.snapshot(Wall(9)).seq, 3);
    }

    #[test]
    fn an_ended_call_moves_to_the_recent_ones_with_its_summary() {
        let mut b = board();
        b.call_event(event(1, 1, heard("hello there")));
        b.call_event(event(1, 2, ended()));
        b.call_event(event(2, 1, ended()));
        let s = b.snapshot(Wall(9));
        assert!(s.calls.is_empty());
        assert_eq!(s.recent.len(), 2);
        assert_eq!(s.recent[0].id, CallId::new(Wall(5), 2), "newest first");
        assert_eq!(s.recent[1].first_words.as_deref(), Some("hello there"));
        assert_eq!((s.recent[1].turns, s.recent[1].seconds), (1, Some(9)));
    }

    #[test]
    fn what_is_told_after_the_end_does_not_bring_the_call_back() {
        let mut b = board();
        b.call_event(event(1, 1, heard("hello")));
        b.call_event(event(1, 2, ended()));
        let late = b.call_event(event(1, 3, EventKind::Hold { held: false }));
        assert_eq!(late.len(), 1, "it is published all the same");
        let s = b.snapshot(Wall(9));
        assert!(s.calls.is_empty(), "{:?}", s.calls);
        assert_eq!(s.recent.len(), 1);
    }

    #[test]
    fn recent_calls_and_the_events_of_a_call_are_bounded() {
        let mut b = board();
        for n in 0..=u32::try_from(CALL_EVENTS_MAX).unwrap() {
            b.call_event(event(1, n + 1, EventKind::Hold { held: n % 2 == 0 }));
        }
        let kept = &b.snapshot(Wall(9)).calls[0].events;
        assert_eq!((kept.len(), kept[0].seq, kept[1].seq), (CALL_EVENTS_MAX, 1, 3));
        for n in 0..100 {
            b.call_event(event(10 + n, 1, ended()));
        }
        assert_eq!(b.snapshot(Wall(9)).recent.len(), RECENT_CALLS_MAX);
    }

    #[test]
    fn a_task_is_published_stays_while_it_is_taken_and_goes_when_it_is_done() {
        let mut b = board();
        let out = b.call_event(event(
            1,
            1,
            EventKind::TaskCreated {
                task: TaskId::new(Wall(5), 3),
                kind: TaskKind::Question,
                summary: "s".into(),
                number: None,
                due: Wall(10),
            },
        ));
        assert_eq!(out.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2]);
        let LiveBody::Task { mut task } = out[1].body.clone() else {
            panic!("the second tells of the task")
        };
        assert_eq!(b.snapshot(Wall(9)).tasks, [task.clone()]);
        task.status = TaskStatus::Taken;
        task.owner = Some("anna".into());
        b.task(task.clone());
        assert_eq!(b.snapshot(Wall(9)).tasks, [task.clone()]);
        for closed in [TaskStatus::Done, TaskStatus::Cancelled] {
            task.status = closed;
            b.task(task.clone());
            assert!(b.snapshot(Wall(9)).tasks.is_empty());
            task.status = TaskStatus::Open;
            b.task(task.clone());
            assert_eq!(b.snapshot(Wall(9)).tasks, [task.clone()], "reopened");
        }
    }

    #[test]
    fn a_client_resumes_where_it_was_or_starts_anew() {
        let mut b = board();
        let epoch = b.epoch();
        assert_eq!(b.since(epoch, 0), Some(vec![]));
        for n in 1..=3_000u32 {
            b.call_event(event(1, n, partial("x")));
        }
        let missed = b.since(epoch, 2_990).unwrap();
        assert_eq!((missed.len(), missed[0].seq), (10, 2_991));
        assert_eq!(b.since(epoch, 3_000), Some(vec![]));
        let oldest = 3_000 - TAIL_EVENTS_MAX as u64;
        assert!(b.since(epoch, oldest).is_some() && b.since(epoch, oldest - 1).is_none());
        assert_eq!(
            b.since(epoch, 3_001),
            None,
            "a number from the future is another run's"
        );
        assert_eq!(b.since(TraceId::new(Wall(2), 2), 3_000), None);
    }

    #[test]
    fn the_desk_goes_with_its_call() {
        let desk = |call| CallDesk {
            call: CallId::new(Wall(5), call),
            stage: DeskStage::Automation,
            brief: None,
            legs: vec![],
            on_hold: false,
            listeners: vec![],
            recording_paused: false,
        };
        let mut b = board();
        assert!(b.set_desk(desk(1)).is_none(), "there is no such call yet");
        let told = b.call_event(event(1, 1, heard("hello")));
        assert!(matches!(&told[1].body, LiveBody::Desk { desk } if desk.call == CallId::new(Wall(5), 1)));
        assert!(b.set_desk(desk(1)).is_none(), "nothing changed");
        assert_eq!(b.snapshot(Wall(9)).desk.len(), 1);
        b.call_event(event(1, 2, ended()));
        assert!(b.set_desk(desk(1)).is_none());
        b.call_event(event(2, 1, heard("hello")));
        assert!(b.snapshot(Wall(9)).desk.is_empty());
    }

    #[test]
    fn people_are_published_when_they_change() {
        let person = |state| Person {
            user: "anna".into(),
            name: "Anna".into(),
            state,
            devices: vec![],
        };
        let mut b = board();
        assert!(b.set_people(vec![]).is_none());
        assert!(b.set_people(vec![person(PersonState::Free)]).is_some());
        assert!(b.set_people(vec![person(PersonState::Free)]).is_none());
        assert!(
            b.set_people(vec![person(PersonState::Talking); PEOPLE_MAX + 1])
                .is_some()
        );
        assert_eq!(b.snapshot(Wall(9)).people.len(), PEOPLE_MAX);
    }

    #[test]
    fn a_state_that_did_not_change_is_not_published() {
        let mut b = board();
        assert!(b.set_state(state()).is_none());
        let off = EngineState {
            automation: false,
            ..state()
        };
        assert_eq!(b.set_state(off).unwrap().seq, 1);
    }
}
