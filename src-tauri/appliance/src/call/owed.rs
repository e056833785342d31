//! What a call owes its caller: tasks, and that urgent words are heard by somebody wherever they are said.

use super::Call;
use crate::knowledge;
use anteroom_call::desk::{DeskInput, TaskWhy, Whereabouts};
use anteroom_reception::gate::classify;
use anteroom_store::{TaskActor, TaskChange};
use anteroom_types::{EventKind, GateClass, Pii, Purpose, TaskKind, Wall};
use std::sync::Arc;

impl Call {
    /// Words that no conversation and no person listens to: in the queue, while telephones ring, in a message. Danger wins
    /// there as everywhere.
    pub(super) async fn overheard(&mut self, text: &Pii<String>) {
        // Or everybody has been told already.
        if self.is_listened_to() || self.urgent {
            return;
        }
        let words = text.open(Purpose::Conversation);
        let verdict = classify(words, self.shared.clinic().lexicon());
        let why = if verdict.class == GateClass::Urgent {
            verdict.why
        } else if verdict.span.is_none() && knowledge::look(&self.shared, words).await.urgent {
            "likeness".into()
        } else {
            return;
        };
        self.story
            .tell(EventKind::MarkedUrgent { why: why.to_string() })
            .await;
        self.urgent_task(&why, text).await;
        self.reason = Some(why);
        match self.desk.view().is {
            Whereabouts::Ringing
            | Whereabouts::Briefing
            | Whereabouts::Queued { .. }
            | Whereabouts::Parked { .. } => self.hand_over(true).await,
            // Nobody can be rung for them now: the task says it, and lights the lamps.
            _ => self.urgent = true,
        }
    }

    /// Whether what the caller says reaches somebody who acts on it: the receptionist, or a person who is not away. When
    /// they have hung up, whether it did then.
    pub(super) fn is_listened_to(&self) -> bool {
        self.heard_at_end.unwrap_or_else(|| {
            self.conversation.as_ref().is_some_and(|c| !c.is_over()) || self.is_heard_by_a_person()
        })
    }

    fn is_heard_by_a_person(&self) -> bool {
        matches!(self.desk.view().is, Whereabouts::Talking { held: false, .. })
    }

    /// The caller is about to be gone: with them the receptionist, who hears their last words no more.
    pub(super) fn note_who_hears_the_end(&mut self) {
        if self.heard_at_end.is_none() {
            self.heard_at_end = Some(self.is_heard_by_a_person());
        }
    }

    /// Whoever hangs up in the middle of a sentence, as after a message, has said it all the same: it is recognised before the
    /// call is over.
    pub(super) async fn last_words(&mut self) {
        let now = self.shared.clock.now();
        let effects = self.listening.fall_silent();
        self.turn_effects(effects).await;
        let until = self.shared.clock.instant(now.plus_ms(LAST_WORDS_MS_MAX));
        while self.listening.is_decoding() {
            match tokio::time::timeout_at(until.into(), self.listening.recognised()).await {
                Ok(r) => self.recognised(r).await,
                Err(_) => {
                    return tracing::warn!(trace = %self.story.trace(), "last words came too late to be recognised");
                }
            }
        }
    }

    /// A task of its own, at once, whatever else the call comes to: who said it may be gone in a moment.
    async fn urgent_task(&mut self, why: &str, text: &Pii<String>) {
        let summary = format!(
            "Urgent words ({why}). Said: \"{}\"",
            text.open(Purpose::Conversation)
        );
        let (number, due_in_ms) = self
            .shared
            .clinic()
            .ring_back(&self.arrival.from, TaskKind::Urgent);
        let due = self.due_in(due_in_ms);
        self.tell_task(TaskKind::Urgent, summary, number, due).await;
        self.task_made = true;
        self.desk(DeskInput::TaskMade).await;
    }

    async fn tell_task(&mut self, kind: TaskKind, summary: String, number: Option<Pii<String>>, due: Wall) {
        let task = self.shared.clock.task_id();
        self.task = Some((task, kind));
        self.story
            .tell(EventKind::TaskCreated {
                task,
                kind,
                summary: Pii::new(summary),
                number,
                due,
            })
            .await;
    }

    fn due_in(&self, ms: u64) -> Wall {
        Wall(self.shared.clock.wall().0 + i64::try_from(ms).unwrap_or(i64::MAX / 2))
    }

    pub(super) async fn desk_task(&mut self, why: TaskWhy) {
        let kind = match why {
            TaskWhy::Message => TaskKind::Voicemail,
            TaskWhy::Missed | TaskWhy::Abandoned | TaskWhy::CallbackAsked | TaskWhy::CallbackPromised => {
                TaskKind::Callback
            }
        };
        let what = in_words(why);
        self.task_made = true;
        let (note, promised) = match why {
            TaskWhy::CallbackPromised => std::mem::take(&mut self.promise),
            _ => (None, None),
        };
        let mut summary = what.to_owned();
        if let Some(note) = note {
            summary.push_str(" Note: ");
            summary.push_str(&note);
        }
        for line in self.story.last_heard(1) {
            summary.push_str(" Last said: ");
            summary.push_str(line.open(Purpose::Conversation));
        }
        let (number, due_in_ms) = self.shared.clinic().ring_back(&self.arrival.from, kind);
        let due = promised.unwrap_or_else(|| self.due_in(due_in_ms));
        self.tell_task(kind, summary, number, due).await;
        self.promised_task = self.task.map(|t| t.0);
    }

    /// Adds to the task there is what was promised or left since. The call goes on meanwhile. A message that nobody has
    /// heard is seen to be one, by the lamps too: it is no note on something else.
    pub(super) async fn amend_task(&mut self, why: TaskWhy) {
        let (task, kind) = match self.task {
            Some(task) => task,
            None => return self.desk_task(why).await,
        };
        if why == TaskWhy::Message && !matches!(kind, TaskKind::Voicemail | TaskKind::Urgent) {
            return self.desk_task(why).await;
        }
        let (note, due) = match why {
            TaskWhy::CallbackPromised => std::mem::take(&mut self.promise),
            _ => (None, None),
        };
        self.promised_task = Some(task);
        let mut words = in_words(why).to_owned();
        if let Some(note) = note {
            words.push_str(" Note: ");
            words.push_str(&note);
        }
        let changes = std::iter::once(TaskChange::Note(Pii::new(words)))
            .chain(due.map(TaskChange::Due))
            .collect();
        let by = self.promised_by.take();
        let actor = TaskActor {
            name: by.clone().unwrap_or_else(|| "anteroom".to_owned()),
            user: by,
            manages: true,
        };
        let (shared, trace) = (Arc::clone(&self.shared), self.story.trace());
        tokio::spawn(async move {
            if let Err(e) = crate::tasks::amend(&shared, task, &actor, changes).await {
                let error = anteroom_types::error::chain(e.as_ref());
                tracing::error!(trace = %trace, error, "a promise could not be added to its task");
            }
        });
    }
}

/// How long a call's end waits for its last words.
const LAST_WORDS_MS_MAX: u64 = 20_000;

/// What a task says of why it was made.
const fn in_words(why: TaskWhy) -> &'static str {
    match why {
        TaskWhy::Missed => "Wanted a person; nobody answered.",
        TaskWhy::Abandoned => "Hung up while waiting for a person.",
        TaskWhy::CallbackAsked => "Asked to be rung back while waiting.",
        TaskWhy::CallbackPromised => "Was promised to be rung back.",
        TaskWhy::Message => "Left a message.",
    }
}
