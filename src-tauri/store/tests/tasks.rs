//! Tasks have one owner, a state, and a history that says who changed what; nobody's change is lost under another's.

mod common;

use anteroom_store::{
    Person, Store, StoreError, TASK_HISTORY_MAX, Task, TaskActor, TaskChange, TaskError, TaskEvent,
    TaskFilter, TaskLine, TaskRefusal, TaskState,
};
use anteroom_types::event::EventKind;
use anteroom_types::{Purpose, TaskId, TaskKind, UserFacing, Wall};
use common::{NOON, call, event, offered, open};

fn task(n: u128) -> Task {
    Task {
        id: TaskId::new(Wall(NOON), n),
        call: None,
        kind: TaskKind::Callback,
        summary: "Ring Mr Canary".into(),
        number: None,
        created_at: Wall(NOON),
        due: Wall(NOON + n as i64),
        state: TaskState::Open,
        owner: None,
        closed_at: None,
        closed_by: None,
        outcome: None,
    }
}

fn user(name: &str) -> TaskActor {
    TaskActor {
        user: Some(name.into()),
        name: name.into(),
        manages: false,
    }
}

fn manager(name: &str) -> TaskActor {
    TaskActor {
        manages: true,
        ..user(name)
    }
}

fn nobody() -> TaskActor {
    TaskActor {
        user: None,
        name: "front_desk".into(),
        manages: false,
    }
}

fn done() -> TaskChange {
    TaskChange::Done("rang back".into())
}

/// A store with one task, and what changes it.
struct Desk {
    store: Store,
    id: TaskId,
    _dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        store.open_task(task(1), "system").unwrap();
        Self {
            store,
            id: task(1).id,
            _dir: dir,
        }
    }

    fn change(&self, by: &TaskActor, change: TaskChange) -> Result<Task, TaskError> {
        self.store.change_task(self.id, by, change, Wall(NOON + 50))
    }

    fn refused(&self, by: &TaskActor, change: TaskChange) -> TaskRefusal {
        let before = (self.task(), self.lines().len(), self.audited());
        let Err(TaskError::Refused(why)) = self.change(by, change) else {
            panic!("it is not refused")
        };
        assert_eq!(before, (self.task(), self.lines().len(), self.audited()));
        assert!(why.code().starts_with("task.") && !why.hint().is_empty());
        why
    }

    fn task(&self) -> Task {
        self.store.get_task(self.id).unwrap().unwrap()
    }

    fn lines(&self) -> Vec<TaskLine> {
        self.store.task_history(self.id).unwrap()
    }

    fn audited(&self) -> u64 {
        let report = self.store.audit_verify().unwrap();
        assert!(report.ok, "{report:?}");
        report.entries
    }
}

#[test]
fn a_task_goes_from_hand_to_hand_and_its_history_tells() {
    let d = Desk::new();
    let (anna, ben) = (user("anna"), user("ben"));
    let taken = d.change(&anna, TaskChange::Take).unwrap();
    assert_eq!(
        (taken.state, taken.owner.as_deref()),
        (TaskState::Taken, Some("anna"))
    );
    let free = d.change(&anna, TaskChange::Release).unwrap();
    assert_eq!((free.state, free.owner), (TaskState::Open, None));
    d.change(&ben, TaskChange::Assign("anna".into())).unwrap();
    d.change(&ben, TaskChange::Due(Wall(NOON + 9_000))).unwrap();
    d.change(&ben, TaskChange::Note("Canary is out until four".into()))
        .unwrap();
    let closed = d.change(&anna, done()).unwrap();
    assert_eq!(closed.state, TaskState::Done);
    assert_eq!(
        closed.owner.as_deref(),
        Some("anna"),
        "whose it was stays with it"
    );
    assert_eq!(
        (closed.closed_at, closed.closed_by.as_deref()),
        (Some(Wall(NOON + 50)), Some("anna"))
    );
    let again = d
        .change(&ben, TaskChange::Reopen(Some("nobody was there".into())))
        .unwrap();
    assert_eq!(
        (again.state, again.owner, again.outcome),
        (TaskState::Open, None, None)
    );
    d.change(&ben, TaskChange::Cancel("rang again himself".into()))
        .unwrap();

    let lines = d.lines();
    let told: Vec<_> = lines
        .iter()
        .map(|l| (l.seq, l.who.as_str(), l.what, l.owner.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (1, "anna", TaskEvent::Taken, Some("anna")),
            (2, "anna", TaskEvent::Released, None),
            (3, "ben", TaskEvent::Assigned, Some("anna")),
            (4, "ben", TaskEvent::Due, None),
            (5, "ben", TaskEvent::Note, None),
            (6, "anna", TaskEvent::Done, None),
            (7, "ben", TaskEvent::Reopened, None),
            (8, "ben", TaskEvent::Cancelled, None),
        ]
    );
    assert_eq!(lines[3].due, Some(Wall(NOON + 9_000)));
    let note = |i: usize| lines[i].note.as_ref().unwrap().open(Purpose::Test).clone();
    assert_eq!(
        (note(4), note(5)),
        ("Canary is out until four".into(), "rang back".into())
    );

    // Each change left one entry, and none of them says what was written.
    assert_eq!(d.audited(), 9);
    let chain = format!("{:?}", d.store.audit_list(None, 100).unwrap());
    for kind in [
        "task.taken",
        "task.released",
        "task.assigned",
        "task.due",
        "task.noted",
        "task.closed",
        "task.reopened",
        "task.cancelled",
    ] {
        assert!(chain.contains(kind), "{kind}");
    }
    for secret in ["Canary", "rang back", "nobody was there", "himself"] {
        assert!(!chain.contains(secret), "{secret}");
    }
}

#[test]
fn what_somebody_has_taken_is_theirs_or_a_managers_to_change() {
    let d = Desk::new();
    let (anna, ben) = (user("anna"), user("ben"));
    d.change(&anna, TaskChange::Take).unwrap();
    for change in [
        TaskChange::Take,
        TaskChange::Release,
        TaskChange::Assign("ben".into()),
        done(),
        TaskChange::Cancel("wrong number".into()),
    ] {
        assert_eq!(d.refused(&ben, change), TaskRefusal::Taken);
    }
    // Not even a manager takes it by accident.
    assert_eq!(d.refused(&manager("mia"), TaskChange::Take), TaskRefusal::Taken);
    // When it is due and what is to be known concerns everybody.
    d.change(&ben, TaskChange::Due(Wall(NOON + 7))).unwrap();
    d.change(&ben, TaskChange::Note("he rang again".into())).unwrap();
    let given = d
        .change(&manager("mia"), TaskChange::Assign("ben".into()))
        .unwrap();
    assert_eq!(given.owner.as_deref(), Some("ben"));
    assert_eq!(d.refused(&anna, done()), TaskRefusal::Taken);
    d.change(&ben, done()).unwrap();
    for change in [
        TaskChange::Take,
        done(),
        TaskChange::Note("late".into()),
        TaskChange::Due(Wall(NOON)),
    ] {
        assert_eq!(d.refused(&ben, change), TaskRefusal::Closed);
    }
    d.change(&anna, TaskChange::Reopen(None)).unwrap();
    assert_eq!(d.refused(&anna, TaskChange::Reopen(None)), TaskRefusal::NotClosed);
}

#[test]
fn what_changes_nothing_leaves_nothing() {
    let d = Desk::new();
    let anna = user("anna");
    d.change(&anna, TaskChange::Take).unwrap();
    let before = (d.lines().len(), d.audited());
    d.change(&anna, TaskChange::Take).unwrap();
    d.change(&anna, TaskChange::Assign("anna".into())).unwrap();
    d.change(&anna, TaskChange::Due(task(1).due)).unwrap();
    assert_eq!((d.lines().len(), d.audited()), before);
}

#[test]
fn of_many_who_take_it_at_once_one_has_it_also_when_they_share_a_code() {
    for shared in [false, true] {
        let d = Desk::new();
        let won: usize = std::thread::scope(|s| {
            let hands: Vec<_> = (0..16)
                .map(|n| {
                    let d = &d;
                    let who = if shared { nobody() } else { user(&format!("u{n}")) };
                    s.spawn(move || usize::from(d.change(&who, TaskChange::Take).is_ok()))
                })
                .collect();
            hands.into_iter().map(|h| h.join().unwrap()).sum()
        });
        assert_eq!(won, 1, "shared: {shared}");
        assert_eq!(d.lines().len(), 1);
        assert_eq!(d.task().state, TaskState::Taken);
    }
}

#[test]
fn what_nobody_in_particular_took_everybody_can_give_back() {
    let d = Desk::new();
    d.change(&nobody(), TaskChange::Take).unwrap();
    assert_eq!((d.task().state, d.task().owner), (TaskState::Taken, None));
    assert_eq!(d.lines()[0].who, "front_desk");
    assert_eq!(d.refused(&user("anna"), TaskChange::Take), TaskRefusal::Taken);
    d.change(&user("anna"), TaskChange::Assign("anna".into()))
        .unwrap();
    assert_eq!(d.refused(&nobody(), done()), TaskRefusal::Taken);
}

#[test]
fn texts_names_times_and_the_history_have_limits() {
    let d = Desk::new();
    let anna = user("anna");
    for change in [
        TaskChange::Note(" ".into()),
        TaskChange::Done("".into()),
        TaskChange::Cancel("\n".into()),
        TaskChange::Note("n".repeat(2_001).into()),
        TaskChange::Reopen(Some("n".repeat(2_001).into())),
        TaskChange::Assign(String::new()),
        TaskChange::Assign("a\nb".into()),
        TaskChange::Assign("a".repeat(65)),
        TaskChange::Due(Wall(-1)),
    ] {
        let e = d.change(&anna, change).unwrap_err();
        assert!(matches!(e, TaskError::Store(StoreError::Invalid { .. })), "{e:?}");
    }
    assert!(d.lines().is_empty());
    let missing = d
        .store
        .change_task(task(9).id, &anna, TaskChange::Take, Wall(NOON));
    assert!(matches!(
        missing,
        Err(TaskError::Store(StoreError::NotFound { .. }))
    ));
    for n in 0..TASK_HISTORY_MAX {
        d.change(&anna, TaskChange::Note(format!("try {n}").into()))
            .unwrap();
    }
    assert_eq!(
        d.refused(&anna, TaskChange::Note("one more".into())),
        TaskRefusal::Full
    );
    d.change(&anna, done()).unwrap();
    assert_eq!(d.refused(&anna, TaskChange::Reopen(None)), TaskRefusal::Full);
}

#[test]
fn open_tasks_are_listed_by_when_they_are_due_and_closed_ones_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 1..=5 {
        store.open_task(task(6 - n), "system").unwrap();
    }
    let ids = |tasks: Vec<Task>| tasks.into_iter().map(|t| t.id).collect::<Vec<_>>();
    let closed = |before| TaskFilter::Closed { before };
    assert_eq!(
        ids(store.list_tasks(TaskFilter::Open, 3).unwrap()),
        [task(1).id, task(2).id, task(3).id]
    );
    // Two of them in the same millisecond.
    for (n, at) in [(1, 10), (2, 20), (3, 20), (4, 30)] {
        store
            .change_task(task(n).id, &user("anna"), done(), Wall(NOON + at))
            .unwrap();
    }
    assert_eq!(ids(store.list_tasks(TaskFilter::Open, 10).unwrap()), [task(5).id]);
    let first = ids(store.list_tasks(closed(None), 2).unwrap());
    assert_eq!(first, [task(4).id, task(3).id]);
    let rest = ids(store.list_tasks(closed(Some(first[1])), 10).unwrap());
    assert_eq!(rest, [task(2).id, task(1).id]);
    assert!(
        store
            .list_tasks(closed(Some(task(99).id)), 10)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_task_of_a_call_is_made_once_and_of_no_call_that_does_not_exist() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store
        .append_event_blocking(offered(call(1)))
        .wait_blocking()
        .unwrap();
    let told = event(
        call(1),
        2,
        EventKind::TaskCreated {
            task: task(1).id,
            kind: TaskKind::Voicemail,
            summary: "Left a message.".into(),
            number: None,
            due: Wall(NOON),
        },
    );
    for _ in 0..2 {
        store.append_event_blocking(told.clone()).wait_blocking().unwrap();
    }
    let made = store.list_tasks(TaskFilter::Open, 10).unwrap();
    assert_eq!(made.len(), 1);
    assert_eq!((made[0].state, made[0].call), (TaskState::Open, Some(call(1))));
    assert!(matches!(
        store.open_task(task(1), "u1"),
        Err(StoreError::Conflict { .. })
    ));
    let nowhere = Task {
        call: Some(call(9)),
        ..task(2)
    };
    assert!(matches!(
        store.open_task(nowhere, "u1"),
        Err(StoreError::NotFound { .. })
    ));
    // The call's own event, written again after the task went on, does not undo that.
    store
        .change_task(task(1).id, &user("anna"), done(), Wall(NOON + 1))
        .unwrap();
    store.append_event_blocking(told).wait_blocking().unwrap();
    assert_eq!(
        store.get_task(task(1).id).unwrap().unwrap().state,
        TaskState::Done
    );
    let record = store.get_call(call(1)).unwrap().unwrap();
    assert_eq!(record.summary.open_tasks, 0);
}

#[test]
fn a_call_cut_off_after_it_left_a_task_leaves_no_second_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let told = |n: u128| EventKind::TaskCreated {
        task: task(n).id,
        kind: TaskKind::Question,
        summary: "Asked for something.".into(),
        number: None,
        due: Wall(NOON),
    };
    for n in 1..=3 {
        store
            .append_event_blocking(offered(call(n)))
            .wait_blocking()
            .unwrap();
    }
    // The first left none; the second one that waits, the third one that was done before the power failed.
    for n in [2, 3] {
        store
            .append_event_blocking(event(call(n), 2, told(n)))
            .wait_blocking()
            .unwrap();
    }
    store
        .change_task(task(3).id, &user("anna"), done(), Wall(NOON + 1))
        .unwrap();
    for n in 1..=3 {
        for _ in 0..2 {
            store
                .mark_interrupted(
                    call(n),
                    Wall(NOON + 9),
                    task(10 + n).id,
                    TaskKind::Callback,
                    "Cut off".into(),
                    None,
                    Wall(NOON + 10),
                )
                .unwrap();
        }
        let record = store.get_call(call(n)).unwrap().unwrap();
        assert_eq!(record.summary.open_tasks, 1, "call {n}");
        assert!(record.summary.ended_at.is_some());
    }
    let noted = store.task_history(task(2).id).unwrap();
    assert_eq!(noted.len(), 1);
    assert_eq!(
        (noted[0].what, noted[0].who.as_str()),
        (TaskEvent::Note, "system")
    );
    assert!(store.audit_verify().unwrap().ok);
    assert_eq!(store.verify_events().unwrap(), None);
}

#[test]
fn who_is_removed_leaves_their_tasks_to_the_others() {
    let d = Desk::new();
    d.store.open_task(task(2), "system").unwrap();
    let person = Person {
        user: "anna".into(),
        name: "Anna".into(),
        realm: "anteroom".into(),
        ha1_md5: "ab".repeat(16).into(),
        ha1_sha256: "cd".repeat(32).into(),
        rings: 1,
        outbound: false,
        class: "standard".into(),
    };
    d.store.put_person(person, "admin", Wall(NOON)).unwrap();
    d.change(&user("anna"), TaskChange::Take).unwrap();
    for change in [TaskChange::Take, done()] {
        d.store
            .change_task(task(2).id, &user("anna"), change, Wall(NOON))
            .unwrap();
    }
    d.store.remove_person("anna", "admin", Wall(NOON + 60)).unwrap();
    assert_eq!((d.task().state, d.task().owner), (TaskState::Open, None));
    let last = d.lines().pop().unwrap();
    assert_eq!((last.what, last.who.as_str()), (TaskEvent::Released, "admin"));
    let closed = d.store.get_task(task(2).id).unwrap().unwrap();
    assert_eq!(closed.owner.as_deref(), Some("anna"), "what was done stays told");
}
