-- What a server said of itself when it was listed, as JSON; empty where it said nothing.
ALTER TABLE catalogue ADD COLUMN about TEXT NOT NULL DEFAULT '';

-- Definitions of a pinned server's tools besides those in force: unreviewed, rejected, or approved
-- while the server does not list them.
CREATE TABLE definition_review (
    server TEXT    NOT NULL REFERENCES catalogue (server) ON DELETE CASCADE,
    name   TEXT    NOT NULL,
    state  TEXT    NOT NULL,
    json   TEXT    NOT NULL,
    author TEXT    NOT NULL,
    reason TEXT    NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (server, name, state)
) STRICT, WITHOUT ROWID;

-- The kind of resource that a deed was about, by the path that was asked for.
ALTER TABLE audit ADD COLUMN kind TEXT NOT NULL DEFAULT '';

UPDATE audit SET kind = substr(what, instr(what, ' /api/v1/') + 9)
WHERE instr(what, ' /api/v1/') > 0;
UPDATE audit SET kind = substr(kind, 1, instr(kind, '/') - 1) WHERE instr(kind, '/') > 0;

-- Each filter is answered from an index, the newest record first.
CREATE INDEX audit_by_who ON audit (who, sequence);
CREATE INDEX audit_by_origin ON audit (origin, sequence);
CREATE INDEX audit_by_kind ON audit (kind, sequence);
CREATE INDEX audit_by_revision ON audit (revision, sequence);
CREATE INDEX audit_by_time ON audit (at);
