-- Who leads, and how many have led. One row, for ever: nobody takes it back. A file has one process
-- at a time, so its lease never ends.
CREATE TABLE leader (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    token     INTEGER NOT NULL,
    holder    TEXT    NOT NULL,
    ends_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO leader (singleton, token, holder, ends_at) VALUES (1, 0, '', 0);
