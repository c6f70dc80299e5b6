-- What was usual of each Envoy in the minutes before it was given a generation, with which gates
-- compare: the next process goes on with it. It goes with the rollout.
CREATE TABLE rollout_usual (
    rollout  TEXT COLLATE "C" NOT NULL REFERENCES rollout (id) ON DELETE CASCADE,
    node     TEXT COLLATE "C" NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    refusals BIGINT NOT NULL,
    PRIMARY KEY (rollout, node)
);
