//! The live board, kept from the events on the bus.

use crate::desk::Lamps;
use crate::engine::{Engine, Shared, lock};
use crate::start::StartError;
use anteroom_api::{
    Check, CheckStatus, EngineState, HealthReport, LiveBoard, LiveEvent, OpenState, RecogniserHealth,
    RecogniserState, Snapshot, TrunkState, TrunkStatus,
};
use anteroom_speech::recogniser::Rung;
use anteroom_types::pii::OpenPii as _;
use anteroom_types::{Purpose, TaskKind, TraceId};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::broadcast;

/// Live events a screen may lag behind before it is given a fresh snapshot.
const LIVE_MAX: usize = 1_024;
/// How often what is shown besides calls (trunks, hours, recogniser) is looked at.
const STATE_EVERY: Duration = Duration::from_secs(1);
/// How often our passes for TURN servers are renewed, well before they end.
const RENEW_EVERY: Duration = Duration::from_secs(60 * 60);

/// Makes the board and the tasks that keep it.
pub(crate) async fn start(
    shared: &Arc<Shared>,
) -> Result<(Arc<Mutex<LiveBoard>>, broadcast::Sender<LiveEvent>), StartError> {
    let tasks = crate::records::open_tasks(shared)
        .await
        .map_err(StartError::Read)?;
    let board = LiveBoard::new(shared.clock.trace_id(), state(shared, 0, false), tasks);
    let board = Arc::new(Mutex::new(board));
    let (live, _) = broadcast::channel(LIVE_MAX);
    let (b, l, mut events) = (Arc::clone(&board), live.clone(), shared.bus.listen());
    tokio::spawn(async move {
        loop {
            match events.recv().await {
                Ok(event) => {
                    // Published under the lock, so that numbers go out in order.
                    let mut board = lock(&b);
                    for e in board.call_event(event.open_for(Purpose::Staff)) {
                        let _ = l.send(e);
                    }
                }
                // Cannot happen while this task keeps up; if it does, screens lack events that the record has.
                Err(broadcast::error::RecvError::Lagged(n)) => {
                    tracing::warn!(events = n, "the live board lagged")
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    });
    Ok((board, live))
}

fn state(shared: &Shared, calls_up: usize, draining: bool) -> EngineState {
    let ladder = shared.speech.ladder.health();
    let health = ladder.borrow();
    let (rung, health, demonstration) = match &health.active {
        Rung::Keypad => ("keypad".to_owned(), RecogniserHealth::Down, false),
        Rung::Speech(name) => {
            let first = health.rungs.first().is_none_or(|r| r.name == *name);
            let how = if first {
                RecogniserHealth::Ok
            } else {
                RecogniserHealth::Fallback
            };
            (name.clone(), how, shared.speech.is_demonstration(name))
        }
    };
    let trunks = shared
        .sip
        .trunk_states()
        .into_iter()
        .map(|(name, state)| TrunkState {
            name,
            status: match state {
                anteroom_sip::TrunkState::Up => TrunkStatus::Up,
                anteroom_sip::TrunkState::Trying => TrunkStatus::Connecting,
                anteroom_sip::TrunkState::Down(_) => TrunkStatus::Down,
            },
            detail: match state {
                anteroom_sip::TrunkState::Down(why) => Some(format!("{why:?}")),
                _ => None,
            },
        });
    let (open, changes_at) = shared.clinic.open_state(shared.clock.wall());
    EngineState {
        clinic: shared.clinic.name().to_owned(),
        version: env!("CARGO_PKG_VERSION").into(),
        automation: shared.desk.automation(),
        draining,
        open: Some(OpenState { open, changes_at }),
        recogniser: RecogniserState {
            rung,
            demonstration,
            health,
        },
        trunks: trunks.collect(),
        calls_up: u32::try_from(calls_up).unwrap_or(u32::MAX),
        calls_max: u32::try_from(*shared.config.sip.calls_max.get_ref()).unwrap_or(u32::MAX),
    }
}

impl Engine {
    /// Keeps the strip at the top of the screens true; ends with the engine.
    pub(crate) async fn keep_state(self) {
        let mut every = tokio::time::interval(STATE_EVERY);
        let mut lamps = Lamps::default();
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut renewed: Option<Instant> = None;
        loop {
            every.tick().await;
            if renewed.is_none_or(|at| at.elapsed() >= RENEW_EVERY) {
                let shared = &self.shared;
                shared
                    .media
                    .set_ice_servers(&shared.desk.ice.ours(shared.clock.wall()));
                renewed = Some(Instant::now());
            }
            let now = state(&self.shared, self.calls_up(), self.is_draining());
            self.shared.screens.people(self.people().people);
            let messages = {
                let mut board = lock(&self.board);
                if let Some(e) = board.set_state(now) {
                    let _ = self.live.send(e);
                }
                // Urgent words that nobody heard are a message too.
                board.open_tasks(TaskKind::Voicemail) + board.open_tasks(TaskKind::Urgent)
            };
            lamps.show(&self.shared, messages);
            self.shared.serve_queue();
        }
    }

    /// Everything a screen needs to start.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        lock(&self.board).snapshot(self.shared.clock.wall())
    }

    /// What a screen missed.
    #[must_use]
    pub fn since(&self, epoch: TraceId, seq: u64) -> Option<Vec<LiveEvent>> {
        lock(&self.board).since(epoch, seq)
    }

    /// What happens from now on.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<LiveEvent> {
        self.live.subscribe()
    }

    /// How everything does.
    #[must_use]
    pub fn health(&self) -> HealthReport {
        let s = state(&self.shared, self.calls_up(), self.is_draining());
        let check = |name: &str, status, detail: String, hint: Option<&str>| Check {
            name: name.into(),
            status,
            detail,
            hint: hint.map(str::to_owned),
        };
        let mut checks = vec![if self.shared.bus.is_healthy() {
            check("store", CheckStatus::Ok, "facts are written".into(), None)
        } else {
            let hint = Some("Free space on the data folder's disk; what waits is written by itself.");
            check(
                "store",
                CheckStatus::Failed,
                "facts cannot be written; no new call is admitted".into(),
                hint,
            )
        }];
        checks.push(match s.recogniser.health {
            RecogniserHealth::Ok => check("recogniser", CheckStatus::Ok, s.recogniser.rung, None),
            RecogniserHealth::Fallback => {
                let hint = Some("Look at the log for why the first recogniser is not used.");
                check("recogniser", CheckStatus::Degraded, s.recogniser.rung, hint)
            }
            RecogniserHealth::Down => {
                let hint = Some("Check the models with: anteroom models list");
                check(
                    "recogniser",
                    CheckStatus::Degraded,
                    "callers get the keypad menu".into(),
                    hint,
                )
            }
        });
        for t in s.trunks {
            let status = if t.status == TrunkStatus::Down {
                CheckStatus::Degraded
            } else {
                CheckStatus::Ok
            };
            let hint = (t.status == TrunkStatus::Down)
                .then_some("Check the provider's address, user and password file.");
            let detail = t
                .detail
                .unwrap_or_else(|| format!("{:?}", t.status).to_lowercase());
            checks.push(check(&format!("trunk:{}", t.name), status, detail, hint));
        }
        HealthReport::of(checks, self.is_draining())
    }
}
