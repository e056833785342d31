//! One call's mouth: what is to be said, in order, rendered and then played.

use crate::engine::Shared;
use anteroom_media::MediaHandle;
use anteroom_types::{EntryRef, Mono, Pii, SayId, TraceId, TurnId};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Something to be said.
#[derive(Debug, Clone)]
pub(super) struct Utterance {
    pub(super) say: SayId,
    pub(super) turn: Option<TurnId>,
    pub(super) text: Pii<String>,
    /// Holds what a caller said: its audio is kept nowhere.
    pub(super) private: bool,
    /// The script's name, if its words are a script's: a recording of that name takes the voice's place.
    pub(super) script: Option<String>,
    pub(super) entry: Option<EntryRef>,
    pub(super) interruptible: bool,
    /// The end of the caller's speech it answers.
    pub(super) answers: Option<Mono>,
}

/// Rendering came to its end.
#[derive(Debug)]
pub(super) struct Rendered {
    say: SayId,
    audio: Option<Arc<[i16]>>,
}

#[derive(Debug)]
struct Queued {
    utterance: Utterance,
    audio: Option<Arc<[i16]>>,
    submitted: bool,
}

pub(super) struct Speaking {
    shared: Arc<Shared>,
    trace: TraceId,
    queue: VecDeque<Queued>,
    jobs: JoinSet<Rendered>,
}

impl Speaking {
    pub(super) fn new(shared: Arc<Shared>, trace: TraceId) -> Self {
        Self {
            shared,
            trace,
            queue: VecDeque::new(),
            jobs: JoinSet::new(),
        }
    }

    /// Puts something at the end of what is to be said.
    pub(super) fn say(&mut self, utterance: Utterance) {
        let shared = Arc::clone(&self.shared);
        let u = utterance.clone();
        let trace = self.trace;
        self.queue.push_back(Queued {
            utterance,
            audio: None,
            submitted: false,
        });
        self.jobs.spawn(async move {
            let audio = shared.speech.speak(&u.text, u.script.as_deref(), u.private).await;
            if let Err(e) = &audio {
                tracing::error!(trace = %trace, code = anteroom_types::UserFacing::code(e),
                    error = %anteroom_types::error::chain(e), "something could not be said");
            }
            Rendered {
                say: u.say,
                audio: audio.ok(),
            }
        });
    }

    /// The next rendering that ends. Pends for ever when there is none; cancel-safe.
    pub(super) async fn rendered(&mut self) -> Rendered {
        loop {
            match self.jobs.join_next().await {
                Some(Ok(r)) => return r,
                Some(Err(e)) => {
                    tracing::error!(trace = %self.trace, panicked = e.is_panic(), "a rendering was lost")
                }
                None => std::future::pending().await,
            }
        }
    }

    /// Takes a rendering and plays what can be played. Returns what could not be said at all.
    pub(super) fn take(&mut self, r: Rendered, media: Option<&MediaHandle>) -> Vec<Utterance> {
        let Some(i) = self.queue.iter().position(|q| q.utterance.say == r.say) else {
            return Vec::new();
        };
        match r.audio {
            Some(audio) => {
                self.queue[i].audio = Some(audio);
                self.pump(media)
            }
            None => {
                let mut lost: Vec<_> = self.queue.remove(i).map(|q| q.utterance).into_iter().collect();
                lost.extend(self.pump(media));
                lost
            }
        }
    }

    /// Hands to the line whatever is ready, in order.
    fn pump(&mut self, media: Option<&MediaHandle>) -> Vec<Utterance> {
        let Some(media) = media else { return Vec::new() };
        let mut lost = Vec::new();
        while let Some(i) = self.queue.iter().position(|q| !q.submitted) {
            let Some(audio) = self.queue[i].audio.clone() else {
                break;
            };
            if media.play(self.queue[i].utterance.say, audio).is_ok() {
                self.queue[i].submitted = true;
            } else if let Some(q) = self.queue.remove(i) {
                tracing::error!(trace = %self.trace, "the line has no room for what is to be said");
                lost.push(q.utterance);
            }
        }
        lost
    }

    /// What is being said under this number.
    pub(super) fn get(&self, say: SayId) -> Option<&Utterance> {
        self.queue.iter().map(|q| &q.utterance).find(|u| u.say == say)
    }

    /// It was said, or dropped on the line.
    pub(super) fn done(&mut self, say: SayId) -> Option<Utterance> {
        let i = self.queue.iter().position(|q| q.utterance.say == say)?;
        self.queue.remove(i).map(|q| q.utterance)
    }

    /// What is on the line now or will be next.
    pub(super) fn current(&self) -> Option<&Utterance> {
        self.queue.front().map(|q| &q.utterance)
    }

    /// Whether nothing is left to say.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Forgets everything the line has not been given yet.
    pub(super) fn drop_unplayed(&mut self) -> Vec<Utterance> {
        let (kept, dropped) = std::mem::take(&mut self.queue)
            .into_iter()
            .partition(|q| q.submitted);
        self.queue = kept;
        let dropped: VecDeque<Queued> = dropped;
        dropped.into_iter().map(|q| q.utterance).collect()
    }
}
