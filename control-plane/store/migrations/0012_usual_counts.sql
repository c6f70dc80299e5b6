-- What was usual of each Envoy in the minutes before it was given a generation, with which gates
-- compare: the next process goes on with it. It goes with the rollout.
CREATE TABLE rollout_usual (
    rollout  TEXT    NOT NULL REFERENCES rollout (id) ON DELETE CASCADE,
    node     TEXT    NOT NULL,
    requests INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    PRIMARY KEY (rollout, node)
) STRICT, WITHOUT ROWID;
