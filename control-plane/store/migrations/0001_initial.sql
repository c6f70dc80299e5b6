-- Times are microseconds since 1970-01-01 00:00 UTC. Hashes are SHA-256 in hexadecimal.

CREATE TABLE revision (
    number     INTEGER PRIMARY KEY,
    document   TEXT    NOT NULL,
    author     TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TRIGGER revision_is_never_changed BEFORE UPDATE ON revision
BEGIN SELECT RAISE(ABORT, 'a revision is never changed'); END;

CREATE TRIGGER revision_is_never_deleted BEFORE DELETE ON revision
BEGIN SELECT RAISE(ABORT, 'a revision is never deleted'); END;

-- Lists are addressed by content, so that the accepted generation keeps its own while a server moves on.
CREATE TABLE tool_list (
    hash      TEXT    PRIMARY KEY,
    stored_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tool (
    list_hash TEXT    NOT NULL REFERENCES tool_list (hash) ON DELETE CASCADE,
    position  INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    json      TEXT    NOT NULL,
    PRIMARY KEY (list_hash, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE catalogue (
    server    TEXT    PRIMARY KEY,
    list_hash TEXT    NOT NULL REFERENCES tool_list (hash),
    protocol  TEXT    NOT NULL,
    seen_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE module (
    sha256     TEXT    PRIMARY KEY,
    bytes      INTEGER NOT NULL,
    path       TEXT    NOT NULL,
    first_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    who      TEXT    NOT NULL,
    what     TEXT    NOT NULL,
    revision INTEGER,
    origin   TEXT    NOT NULL,
    reason   TEXT    NOT NULL
) STRICT;

CREATE TABLE accepted (
    only       INTEGER PRIMARY KEY CHECK (only = 1),
    generation TEXT    NOT NULL,
    revision   INTEGER NOT NULL REFERENCES revision (number),
    module     TEXT    NOT NULL
) STRICT;

CREATE TABLE accepted_list (
    server    TEXT PRIMARY KEY,
    list_hash TEXT NOT NULL REFERENCES tool_list (hash)
) STRICT, WITHOUT ROWID;
