-- The endpoint that answered the list; empty where it was stored before this was noted.
ALTER TABLE catalogue ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';

-- Since when a server has listed each of its tools without a break: of two tools of one name the earlier keeps it.
CREATE TABLE tool_since (
    server TEXT    NOT NULL REFERENCES catalogue (server) ON DELETE CASCADE,
    name   TEXT    NOT NULL,
    since  INTEGER NOT NULL,
    PRIMARY KEY (server, name)
) STRICT, WITHOUT ROWID;

INSERT INTO tool_since (server, name, since)
SELECT DISTINCT catalogue.server, tool.name, catalogue.seen_at
FROM catalogue JOIN tool ON tool.list_hash = catalogue.list_hash;
