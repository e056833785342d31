-- Calls: what happened (event), and what is read from it (call, turn, task). Times are milliseconds since 1970 UTC.

CREATE TABLE setting (
    key        TEXT PRIMARY KEY,
    value      TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE call (
    id          TEXT PRIMARY KEY,          -- ULID: sorts by the time of the first INVITE
    trace       TEXT NOT NULL,
    offered_at  INTEGER NOT NULL,
    from_addr   TEXT,
    to_addr     TEXT,
    trunk       TEXT,
    answered_at INTEGER,
    codec       TEXT,
    srtp        INTEGER,
    language    TEXT,
    consent_at  INTEGER,
    urgent      INTEGER NOT NULL DEFAULT 0,
    decision    TEXT,                      -- the last decision taken
    ended_at    INTEGER,
    end_reason  TEXT,
    seconds     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX call_unended ON call (id) WHERE ended_at IS NULL;

CREATE TABLE event (
    call TEXT NOT NULL REFERENCES call (id),
    seq  INTEGER NOT NULL,
    at   INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,                    -- the event as JSON
    salt BLOB NOT NULL,                    -- of the commitment in the audit chain; erased with the row
    PRIMARY KEY (call, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE turn (
    id            INTEGER PRIMARY KEY,
    call          TEXT NOT NULL REFERENCES call (id),
    seq           INTEGER NOT NULL,        -- the event it comes from
    at            INTEGER NOT NULL,
    side          TEXT NOT NULL,
    turn          INTEGER,
    say           INTEGER,
    text          TEXT NOT NULL,
    confidence    REAL,
    start_us      INTEGER,
    end_us        INTEGER,
    recogniser    TEXT,
    decode_ms     INTEGER,
    decision      TEXT,
    entry         TEXT,
    entry_version INTEGER,
    entry_score   REAL,
    ms_to_audio   INTEGER,
    UNIQUE (call, seq)
) STRICT;

CREATE VIRTUAL TABLE turn_fts USING fts5 (
    text, content = 'turn', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
INSERT INTO turn_fts (turn_fts, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER turn_insert AFTER INSERT ON turn BEGIN
    INSERT INTO turn_fts (rowid, text) VALUES (new.id, new.text);
END;
CREATE TRIGGER turn_delete AFTER DELETE ON turn BEGIN
    INSERT INTO turn_fts (turn_fts, rowid, text) VALUES ('delete', old.id, old.text);
END;
CREATE TRIGGER turn_update AFTER UPDATE OF text ON turn BEGIN
    INSERT INTO turn_fts (turn_fts, rowid, text) VALUES ('delete', old.id, old.text);
    INSERT INTO turn_fts (rowid, text) VALUES (new.id, new.text);
END;

CREATE TABLE task (
    id         TEXT PRIMARY KEY,
    call       TEXT REFERENCES call (id),
    kind       TEXT NOT NULL,
    origin     TEXT NOT NULL,              -- 'call', 'interrupted' or 'staff'
    summary    TEXT NOT NULL,
    number     TEXT,
    created_at INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    closed_at  INTEGER,
    closed_by  TEXT,
    outcome    TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX task_open ON task (due) WHERE closed_at IS NULL;
CREATE INDEX task_call ON task (call);
-- An interrupted call makes one callback task, however often the process is started after it.
CREATE UNIQUE INDEX task_interrupted ON task (call) WHERE origin = 'interrupted';
