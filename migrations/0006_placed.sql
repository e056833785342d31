-- Calls that telephones of ours placed: for the limits of whoever places them, and for the list of missed calls, of which
-- they are none. And of which class of rights somebody who may ring out is.

CREATE TABLE placed (
    call             TEXT PRIMARY KEY REFERENCES call (id),
    by               TEXT NOT NULL,       -- the person's user
    at               INTEGER NOT NULL,
    trunk            TEXT,                -- NULL for a call inside the house
    per_minute_milli INTEGER NOT NULL,    -- thousandths of the currency
    ms_max           INTEGER NOT NULL,
    counts           INTEGER NOT NULL     -- 0 for emergency calls, which no limit looks at
) STRICT, WITHOUT ROWID;
CREATE INDEX placed_at ON placed (at);

ALTER TABLE person ADD COLUMN class TEXT NOT NULL DEFAULT 'standard';
