-- Answers to requests that had an idempotency key. Each new one takes back those whose time is
-- over, the oldest beyond a thousand, and the oldest beyond 16 MiB of bodies.
CREATE TABLE idempotency (
    key     TEXT COLLATE "C" PRIMARY KEY,
    request TEXT   NOT NULL,
    status  BIGINT NOT NULL,
    headers TEXT   NOT NULL,
    body    BYTEA  NOT NULL,
    ends_at BIGINT NOT NULL
);
