-- Tasks have an owner and a state, and a history of who changed what. A task that was closed before becomes done, and its
-- history begins with that.

ALTER TABLE task ADD COLUMN state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'taken', 'done', 'cancelled'));
-- The user it is with while it is taken; NULL also when nobody in particular took it, by a code that is nobody's.
ALTER TABLE task ADD COLUMN owner TEXT;
UPDATE task SET state = 'done' WHERE closed_at IS NOT NULL;
CREATE INDEX task_closed ON task (closed_at, id) WHERE closed_at IS NOT NULL;
CREATE INDEX task_owner ON task (owner) WHERE state = 'taken';

CREATE TABLE task_history (
    task  TEXT NOT NULL REFERENCES task (id),
    seq   INTEGER NOT NULL,          -- from 1, without gaps
    at    INTEGER NOT NULL,
    who   TEXT NOT NULL,             -- a user, or the role of whoever was nobody in particular
    what  TEXT NOT NULL CHECK (what IN
        ('taken', 'released', 'assigned', 'due', 'note', 'done', 'cancelled', 'reopened')),
    owner TEXT,                      -- of 'taken' and 'assigned': whose it became
    due   INTEGER,                   -- of 'due': when it is due from then on
    note  TEXT,                      -- what was written: a note, an outcome, a reason
    PRIMARY KEY (task, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO task_history (task, seq, at, who, what, note)
SELECT id, 1, closed_at, coalesce(closed_by, 'system'), 'done', outcome FROM task WHERE closed_at IS NOT NULL;
