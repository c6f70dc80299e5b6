-- What a server said of itself when it was listed, as JSON; empty where it said nothing.
ALTER TABLE catalogue ADD COLUMN about TEXT NOT NULL DEFAULT '';

-- Definitions of a pinned server's tools besides those in force: unreviewed, rejected, or approved
-- while the server does not list them.
CREATE TABLE definition_review (
    server TEXT COLLATE "C" NOT NULL REFERENCES catalogue (server) ON DELETE CASCADE,
    name   TEXT COLLATE "C" NOT NULL,
    state  TEXT COLLATE "C" NOT NULL,
    json   TEXT   NOT NULL,
    author TEXT   NOT NULL,
    reason TEXT   NOT NULL,
    at     BIGINT NOT NULL,
    PRIMARY KEY (server, name, state)
);

-- The kind of resource that a deed was about, by the path that was asked for.
ALTER TABLE audit ADD COLUMN kind TEXT NOT NULL DEFAULT '';

UPDATE audit SET kind = split_part(split_part(what, ' /api/v1/', 2), '/', 1);

-- Each filter is answered from an index, the newest record first.
CREATE INDEX audit_by_who ON audit (who, sequence);
CREATE INDEX audit_by_origin ON audit (origin, sequence);
CREATE INDEX audit_by_kind ON audit (kind, sequence);
CREATE INDEX audit_by_revision ON audit (revision, sequence);
CREATE INDEX audit_by_time ON audit (at);
