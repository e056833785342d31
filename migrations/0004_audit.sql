-- The audit chain and its signed heads. Rows are only ever added.

CREATE TABLE audit_entry (
    seq     INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    actor   TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL,                 -- JSON, without personal data
    prev    BLOB NOT NULL CHECK (length(prev) = 32),
    hash    BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX audit_entry_subject ON audit_entry (subject);

CREATE TABLE audit_head (
    seq       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    hash      BLOB NOT NULL CHECK (length(hash) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    PRIMARY KEY (seq, at)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_entry_kept BEFORE DELETE ON audit_entry BEGIN
    SELECT RAISE (ABORT, 'audit entries are never deleted');
END;
CREATE TRIGGER audit_entry_unchanged BEFORE UPDATE ON audit_entry BEGIN
    SELECT RAISE (ABORT, 'audit entries are never changed');
END;
