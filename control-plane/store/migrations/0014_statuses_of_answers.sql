-- Keys stay until their time is over: a new one is refused beyond a hundred thousand. Only answers
-- make room, the oldest of those that have more than 16 MiB together. `done_with` is the status of
-- such a one, 0 for all others; its own status is 0 then, so that an earlier version says that
-- nobody knows how the request ended.
ALTER TABLE idempotency ADD COLUMN done_with INTEGER NOT NULL DEFAULT 0;
-- The length of the body.
ALTER TABLE idempotency ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE idempotency SET bytes = length(body);
-- Each new key asks which are over and how many there are, each new answer how large all are.
CREATE INDEX idempotency_by_end ON idempotency (ends_at, bytes);
