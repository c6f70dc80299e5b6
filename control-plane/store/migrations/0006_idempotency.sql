-- Answers to requests that had an idempotency key. Each new one takes back those whose time is
-- over, the oldest beyond a thousand, and the oldest beyond 16 MiB of bodies.
CREATE TABLE idempotency (
    key     TEXT    PRIMARY KEY,
    request TEXT    NOT NULL,
    status  INTEGER NOT NULL,
    headers TEXT    NOT NULL,
    body    BLOB    NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
