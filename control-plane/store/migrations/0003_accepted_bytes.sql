-- The accepted generations, newest last, as the bytes that Envoys were sent; endpoints are not part of them.
-- What was accepted before this layout is not known by its bytes, and is judged once more.

DROP TABLE accepted_list;
DROP TABLE accepted;

CREATE TABLE content (
    type_url TEXT NOT NULL,
    version  TEXT NOT NULL,
    value    BLOB NOT NULL,
    PRIMARY KEY (type_url, version)
) STRICT, WITHOUT ROWID;

CREATE TABLE accepted (
    sequence   INTEGER PRIMARY KEY AUTOINCREMENT,
    generation TEXT    NOT NULL,
    revision   INTEGER NOT NULL REFERENCES revision (number),
    module     TEXT    NOT NULL
) STRICT;

CREATE TABLE accepted_list (
    sequence  INTEGER NOT NULL REFERENCES accepted (sequence) ON DELETE CASCADE,
    server    TEXT    NOT NULL,
    list_hash TEXT    NOT NULL REFERENCES tool_list (hash),
    PRIMARY KEY (sequence, server)
) STRICT, WITHOUT ROWID;

CREATE TABLE accepted_content (
    sequence INTEGER NOT NULL REFERENCES accepted (sequence) ON DELETE CASCADE,
    type_url TEXT    NOT NULL,
    version  TEXT    NOT NULL,
    PRIMARY KEY (sequence, type_url, version),
    FOREIGN KEY (type_url, version) REFERENCES content (type_url, version)
) STRICT, WITHOUT ROWID;

-- What an Envoy rejected and acknowledged nothing else for since: one content of each resource.
CREATE TABLE rejection (
    node     TEXT    NOT NULL,
    type_url TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    version  TEXT    NOT NULL,
    message  TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (node, type_url, name)
) STRICT, WITHOUT ROWID;

-- What a rejected generation was made from and must not be made from again: `revision`, `list` (by server) or `module`.
CREATE TABLE withheld (
    kind        TEXT    NOT NULL CHECK (kind IN ('revision', 'list', 'module')),
    name        TEXT    NOT NULL,
    value       TEXT    NOT NULL,
    reason      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    -- 1 while Envoys run on it all the same, until an operator decides.
    is_in_force INTEGER NOT NULL CHECK (is_in_force IN (0, 1)),
    PRIMARY KEY (kind, name, value)
) STRICT, WITHOUT ROWID;
