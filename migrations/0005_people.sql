-- People with a telephone of their own: what their phones register with, and what they may do. The secrets are the
-- digests of user, realm and password (RFC 7616 3.4.2), never the password; whoever has them can register, so they are
-- as safe as the database's key.

CREATE TABLE person (
    user       TEXT PRIMARY KEY,           -- the user part their phones register as, e.g. 201
    name       TEXT NOT NULL,
    realm      TEXT NOT NULL,              -- the realm the digests were made for
    ha1_md5    TEXT NOT NULL CHECK (length(ha1_md5) = 32),
    ha1_sha256 TEXT NOT NULL CHECK (length(ha1_sha256) = 64),
    rings      INTEGER NOT NULL DEFAULT 1, -- place in the front desk's ring group, 0 for none
    outbound   INTEGER NOT NULL DEFAULT 0, -- whether calls out through a trunk are allowed
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
