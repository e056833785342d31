//! What is told to screens beside a call's events: where calls stand at the desk, and who is there.

use crate::engine::lock;
use anteroom_api::{CallDesk, LiveBoard, LiveEvent, Person, TaskDto};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::broadcast;

/// The way to the screens, once there is a board.
#[derive(Default)]
pub(crate) struct Screens {
    board: OnceLock<(Arc<Mutex<LiveBoard>>, broadcast::Sender<LiveEvent>)>,
}

impl Screens {
    /// Calls may show themselves from now on.
    pub(crate) fn open(&self, board: &Arc<Mutex<LiveBoard>>, live: &broadcast::Sender<LiveEvent>) {
        let _ = self.board.set((Arc::clone(board), live.clone()));
    }

    pub(crate) fn desk(&self, desk: CallDesk) {
        self.change(|b| b.set_desk(desk));
    }

    pub(crate) fn task(&self, task: TaskDto) {
        self.change(|b| Some(b.task(task)));
    }

    pub(crate) fn people(&self, people: Vec<Person>) {
        self.change(|b| b.set_people(people));
    }

    /// Published under the lock, so that numbers go out in order.
    fn change(&self, f: impl FnOnce(&mut LiveBoard) -> Option<LiveEvent>) {
        if let Some((board, live)) = self.board.get() {
            let mut board = lock(board);
            if let Some(e) = f(&mut board) {
                let _ = live.send(e);
            }
        }
    }
}
