-- Recordings are files of encrypted chunks; here are their keys, wrapped. Erasing the key erases the recording,
-- wherever copies of the file are.

CREATE TABLE recording (
    call        TEXT NOT NULL REFERENCES call (id),
    part        INTEGER NOT NULL,          -- from 1: a recording that is paused goes on in another file
    path        TEXT NOT NULL,             -- below the data folder, with / between parts
    state       TEXT NOT NULL CHECK (state IN ('open', 'complete', 'recovered', 'lost', 'erased')),
    wrapped_key BLOB,
    bytes       INTEGER,                   -- of what was recorded, once it is known
    created_at  INTEGER NOT NULL,
    finished_at INTEGER,
    PRIMARY KEY (call, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX recording_open ON recording (call, part) WHERE state = 'open';
