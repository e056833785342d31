-- Knowledge entries, their versions, and the two searches over the approved ones.

CREATE TABLE knowledge_entry (
    rid         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL,
    version     INTEGER NOT NULL,
    language    TEXT NOT NULL,             -- BCP 47, as written
    lang        TEXT NOT NULL,             -- its primary subtag in small letters; searches compare this
    title       TEXT NOT NULL,
    questions   TEXT NOT NULL,             -- JSON array of strings
    answer      TEXT NOT NULL,
    status      TEXT NOT NULL CHECK (status IN ('draft', 'approved', 'retired')),
    approved_by TEXT,
    approved_at INTEGER,
    expires_at  INTEGER,
    source      TEXT,
    UNIQUE (id, version)
) STRICT;
-- What is spoken is never ambiguous.
CREATE UNIQUE INDEX knowledge_one_approved ON knowledge_entry (id) WHERE status = 'approved';

-- Holds approved versions only.
CREATE VIRTUAL TABLE knowledge_fts USING fts5 (
    questions, title, answer, tokenize = 'porter unicode61 remove_diacritics 2'
);

-- Question variants of approved versions, one vector each.
CREATE TABLE knowledge_variant (
    id       INTEGER PRIMARY KEY,
    rid      INTEGER NOT NULL REFERENCES knowledge_entry (rid),
    question TEXT NOT NULL
) STRICT;
CREATE INDEX knowledge_variant_entry ON knowledge_variant (rid);

-- 384 numbers: all-MiniLM-L6-v2. Another size of model needs a migration, and every entry embedded again.
CREATE VIRTUAL TABLE knowledge_vec USING vec0 (
    variant INTEGER PRIMARY KEY, embedding FLOAT[384] distance_metric=cosine
);
