-- The generation of a rollout that goes on, as the bytes that Envoys are sent: the next process
-- goes on with these, whatever it would write itself. It goes when the rollout ends. Contents and
-- lists are not referred to, so that an earlier version, which does not know of these tables, can
-- let go of them; then the rollout begins anew.
CREATE TABLE rollout_generation (
    rollout TEXT COLLATE "C" PRIMARY KEY REFERENCES rollout (id) ON DELETE CASCADE,
    module  TEXT NOT NULL
);

CREATE TABLE rollout_list (
    rollout   TEXT COLLATE "C" NOT NULL REFERENCES rollout_generation (rollout) ON DELETE CASCADE,
    server    TEXT COLLATE "C" NOT NULL,
    list_hash TEXT COLLATE "C" NOT NULL,
    endpoint  TEXT NOT NULL,
    protocol  TEXT NOT NULL,
    about     TEXT NOT NULL,
    PRIMARY KEY (rollout, server)
);

CREATE TABLE rollout_content (
    rollout  TEXT COLLATE "C" NOT NULL REFERENCES rollout_generation (rollout) ON DELETE CASCADE,
    type_url TEXT COLLATE "C" NOT NULL,
    version  TEXT COLLATE "C" NOT NULL,
    -- Whoever lets go of contents asks which of them are named.
    PRIMARY KEY (type_url, version, rollout)
);
