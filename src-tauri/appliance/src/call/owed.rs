//! What a call owes its caller: tasks, and that urgent words are heard by somebody wherever they are said.

use super::Call;
use crate::knowledge;
use anteroom_call::desk::{TaskWhy, Whereabouts};
use anteroom_reception::gate::classify;
use anteroom_store::{TaskActor, TaskChange};
use anteroom_types::{EventKind, GateClass, Pii, Purpose, TaskKind, Wall};
use std::sync::Arc;

impl Call {
    /// Words that no conversation and no person listens to: in the queue, while telephones ring, in a message. Danger wins
    /// there as everywhere.
    pub(super) async fn overheard(&mut self, text: &Pii<String>) {
        let is = self.desk.view().is;
        let listened_to = self.conversation.as_ref().is_some_and(|c| !c.is_over())
            || matches!(is, Whereabouts::Talking { .. } | Whereabouts::Over);
        // Everybody has been told already.
        if listened_to || self.urgent {
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
        self.reason = Some(why.to_string());
        match is {
            Whereabouts::Ringing | Whereabouts::Queued { .. } | Whereabouts::Parked { .. } => {
                self.hand_over(true).await;
            }
            // The task that comes of the message says it.
            _ => self.urgent = true,
        }
    }

    pub(super) async fn desk_task(&mut self, why: TaskWhy) {
        let kind = match why {
            // Urgent words were heard, and nobody was there to hear them.
            _ if self.urgent => TaskKind::Urgent,
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
        let usual = Wall(self.shared.clock.wall().0 + i64::try_from(due_in_ms).unwrap_or(i64::MAX / 2));
        let due = promised.unwrap_or(usual);
        let task = self.shared.clock.task_id();
        self.promised_task = Some(task);
        self.task = Some(task);
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

    /// Adds to the task there is what was promised or left since. The call goes on meanwhile.
    pub(super) fn amend_task(&mut self, why: TaskWhy) {
        let Some(task) = self.task else { return };
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
