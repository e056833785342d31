//! The bounded queue in front of the workers. See the parent module for what gives way when it is full.

use super::{CancelFlag, Job, JobKind, RecogniseError, Transcript};
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

#[derive(Debug)]
pub(super) struct Queued {
    pub(super) job: Job,
    pub(super) reply: oneshot::Sender<Result<Transcript, RecogniseError>>,
    pub(super) since: Instant,
    /// A look at this rung instead of work for a call.
    pub(super) probe: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Queue {
    inner: Mutex<Lanes>,
    work: Condvar,
    probe: Condvar,
    max: usize,
}

#[derive(Debug, Default)]
struct Lanes {
    /// Final, speculative, partial, and looks at rungs: taken in this order.
    lanes: [VecDeque<Queued>; 4],
    probe_now: bool,
    stopping: bool,
}

const PROBE: usize = 3;

const fn lane(kind: JobKind) -> usize {
    match kind {
        JobKind::Final => 0,
        JobKind::Speculative => 1,
        JobKind::Partial => 2,
    }
}

impl Queue {
    pub(super) fn new(max: usize) -> Self {
        Self {
            inner: Mutex::default(),
            work: Condvar::new(),
            probe: Condvar::new(),
            max,
        }
    }

    // Nothing below panics while holding the lock, so a poisoned one still holds a queue that makes sense.
    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().lanes[..PROBE].iter().map(VecDeque::len).sum()
    }

    pub(super) fn push(&self, queued: Queued) -> Result<(), RecogniseError> {
        let mut inner = self.lock();
        if inner.stopping {
            return Err(RecogniseError::Stopping);
        }
        if queued.probe.is_some() {
            // One look per rung at a time: the prober waits for each.
            inner.lanes[PROBE].push_back(queued);
            self.work.notify_one();
            return Ok(());
        }
        let mine = lane(queued.job.kind);
        if queued.job.kind == JobKind::Partial
            && let Some(at) = inner.lanes[mine]
                .iter()
                .position(|q| q.job.trace == queued.job.trace)
        {
            displace(inner.lanes[mine].remove(at));
        }
        // Jobs nobody waits for any more take no room.
        for l in &mut inner.lanes[..PROBE] {
            l.retain(|q| !q.reply.is_closed());
        }
        // Under load, work on the chance that it is wanted is not begun: it would only make the wanted work late.
        let more_important = inner.lanes[..mine].iter().any(|l| !l.is_empty());
        if more_important {
            return Err(RecogniseError::Overloaded);
        }
        let waiting: usize = inner.lanes[..PROBE].iter().map(VecDeque::len).sum();
        if waiting >= self.max {
            let Some(victim) = (mine + 1..PROBE).rev().find(|l| !inner.lanes[*l].is_empty()) else {
                return Err(RecogniseError::Overloaded);
            };
            displace(inner.lanes[victim].pop_front());
        }
        inner.lanes[mine].push_back(queued);
        drop(inner);
        self.work.notify_one();
        Ok(())
    }

    /// What was asked for with this flag is wanted now: it waits among the final ones.
    pub(super) fn promote(&self, flag: &CancelFlag) {
        let mut inner = self.lock();
        for l in lane(JobKind::Speculative)..PROBE {
            if let Some(i) = inner.lanes[l].iter().position(|q| q.job.cancel.is(flag))
                && let Some(mut queued) = inner.lanes[l].remove(i)
            {
                queued.job.kind = JobKind::Final;
                queued.since = Instant::now();
                inner.lanes[lane(JobKind::Final)].push_back(queued);
                return;
            }
        }
    }

    /// The next job, or `None` at shutdown. Blocks.
    pub(super) fn pop(&self) -> Option<Queued> {
        let mut inner = self.lock();
        loop {
            if inner.stopping {
                return None;
            }
            if let Some(queued) = inner.lanes.iter_mut().find_map(VecDeque::pop_front) {
                return Some(queued);
            }
            inner = self.work.wait(inner).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits for the next look at the rungs. False at shutdown.
    pub(super) fn wait_probe(&self, every: Duration) -> bool {
        let (mut inner, _) = self
            .probe
            .wait_timeout_while(self.lock(), every, |i| !i.stopping && !i.probe_now)
            .unwrap_or_else(PoisonError::into_inner);
        inner.probe_now = false;
        !inner.stopping
    }

    pub(super) fn wake_probe(&self) {
        self.lock().probe_now = true;
        self.probe.notify_all();
    }

    pub(super) fn stop(&self) {
        let mut inner = self.lock();
        inner.stopping = true;
        for l in &mut inner.lanes {
            for queued in l.drain(..) {
                let _ = queued.reply.send(Err(RecogniseError::Stopping));
            }
        }
        drop(inner);
        self.work.notify_all();
        self.probe.notify_all();
    }
}

fn displace(queued: Option<Queued>) {
    if let Some(q) = queued {
        // Whoever asked may have gone already.
        let _ = q.reply.send(Err(RecogniseError::Displaced));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anteroom_types::{TraceId, Wall};
    use std::sync::Arc;

    type Answer = oneshot::Receiver<Result<Transcript, RecogniseError>>;

    fn queued(kind: JobKind, call: u128) -> (Queued, Answer) {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            samples: Arc::from([]),
            kind,
            language: None,
            trace: TraceId::new(Wall(1), call),
            cancel: CancelFlag::default(),
        };
        let since = Instant::now();
        (
            Queued {
                job,
                reply,
                since,
                probe: None,
            },
            answer,
        )
    }

    #[test]
    fn the_least_important_gives_way_and_the_most_important_goes_first() {
        use JobKind::{Final, Partial, Speculative};
        let queue = Queue::new(3);
        let mut answers = Vec::new();
        for (kind, call) in [(Partial, 1), (Partial, 3), (Speculative, 2)] {
            let (q, a) = queued(kind, call);
            queue.push(q).unwrap();
            answers.push(a);
        }
        let (q, _a) = queued(Partial, 4);
        assert_eq!(queue.push(q).unwrap_err(), RecogniseError::Overloaded);
        let mut finals = Vec::new();
        for call in 5..8 {
            let (q, a) = queued(Final, call);
            queue.push(q).unwrap();
            finals.push(a);
        }
        for mut a in answers {
            assert_eq!(a.try_recv().unwrap(), Err(RecogniseError::Displaced));
        }
        let (q, _a) = queued(Final, 9);
        assert_eq!(queue.push(q).unwrap_err(), RecogniseError::Overloaded);
        assert_eq!(queue.len(), 3);
        assert_eq!(queue.pop().unwrap().job.trace, TraceId::new(Wall(1), 5));
    }

    #[test]
    fn nothing_is_begun_on_a_chance_while_wanted_work_waits() {
        let queue = Queue::new(10);
        let (q, _wanted) = queued(JobKind::Final, 1);
        queue.push(q).unwrap();
        for kind in [JobKind::Speculative, JobKind::Partial] {
            let (q, _a) = queued(kind, 2);
            assert_eq!(queue.push(q).unwrap_err(), RecogniseError::Overloaded);
        }
    }

    #[test]
    fn a_guess_that_came_true_waits_among_the_wanted_and_is_not_displaced() {
        let queue = Queue::new(2);
        let (guess, mut answer) = queued(JobKind::Speculative, 1);
        let flag = guess.job.cancel.clone();
        let (other, mut displaced) = queued(JobKind::Speculative, 2);
        queue.push(other).unwrap();
        queue.push(guess).unwrap();
        queue.promote(&flag);
        let (q, _wanted) = queued(JobKind::Final, 3);
        queue.push(q).unwrap();
        assert_eq!(displaced.try_recv().unwrap(), Err(RecogniseError::Displaced));
        assert!(answer.try_recv().is_err());
        let first = queue.pop().unwrap().job;
        assert_eq!(
            (first.kind, first.trace),
            (JobKind::Final, TraceId::new(Wall(1), 1))
        );
    }

    #[test]
    fn a_call_s_newer_partial_replaces_its_older_one() {
        let queue = Queue::new(10);
        let (old, mut old_answer) = queued(JobKind::Partial, 1);
        let (new, _new_answer) = queued(JobKind::Partial, 1);
        queue.push(old).unwrap();
        queue.push(new).unwrap();
        assert_eq!(queue.len(), 1);
        assert_eq!(old_answer.try_recv().unwrap(), Err(RecogniseError::Displaced));
    }

    #[test]
    fn stopping_answers_everybody() {
        let queue = Queue::new(10);
        let (q, mut answer) = queued(JobKind::Final, 1);
        queue.push(q).unwrap();
        queue.stop();
        assert_eq!(answer.try_recv().unwrap(), Err(RecogniseError::Stopping));
        assert!(queue.pop().is_none());
        let (q, _a) = queued(JobKind::Final, 1);
        assert_eq!(queue.push(q).unwrap_err(), RecogniseError::Stopping);
    }
}
