-- Rollouts in several waves or with a time to watch, so that a restart knows which Envoys have what
-- is being tried. Each write takes back those that ended before the last hundred.
CREATE TABLE rollout (
    id         TEXT    PRIMARY KEY,
    revision   INTEGER NOT NULL REFERENCES revision (number),
    generation TEXT    NOT NULL,
    -- The position of the wave in hand.
    wave       INTEGER NOT NULL,
    state      TEXT    NOT NULL,
    is_paused  INTEGER NOT NULL CHECK (is_paused IN (0, 1)),
    reason     TEXT    NOT NULL,
    began_at   INTEGER NOT NULL,
    -- Missing while it goes on.
    ended_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE rollout_wave (
    rollout  TEXT    NOT NULL REFERENCES rollout (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    reach    TEXT    NOT NULL,
    soak_ms  INTEGER NOT NULL,
    PRIMARY KEY (rollout, position)
) STRICT, WITHOUT ROWID;

-- The Envoys that a wave has given the generation to, those of the waves before it left out.
CREATE TABLE rollout_node (
    rollout  TEXT    NOT NULL,
    position INTEGER NOT NULL,
    node     TEXT    NOT NULL,
    PRIMARY KEY (rollout, position, node),
    FOREIGN KEY (rollout, position) REFERENCES rollout_wave (rollout, position) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
