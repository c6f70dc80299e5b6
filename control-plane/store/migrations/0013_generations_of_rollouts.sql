-- The generation of a rollout that goes on, as the bytes that Envoys are sent: the next process
-- goes on with these, whatever it would write itself. It goes when the rollout ends. Contents and
-- lists are not referred to, so that an earlier version, which does not know of these tables, can
-- let go of them; then the rollout begins anew.
CREATE TABLE rollout_generation (
    rollout TEXT PRIMARY KEY REFERENCES rollout (id) ON DELETE CASCADE,
    module  TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE rollout_list (
    rollout   TEXT NOT NULL REFERENCES rollout_generation (rollout) ON DELETE CASCADE,
    server    TEXT NOT NULL,
    list_hash TEXT NOT NULL,
    endpoint  TEXT NOT NULL,
    protocol  TEXT NOT NULL,
    about     TEXT NOT NULL,
    PRIMARY KEY (rollout, server)
) STRICT, WITHOUT ROWID;

CREATE TABLE rollout_content (
    rollout  TEXT NOT NULL REFERENCES rollout_generation (rollout) ON DELETE CASCADE,
    type_url TEXT NOT NULL,
    version  TEXT NOT NULL,
    -- Whoever lets go of contents asks which of them are named.
    PRIMARY KEY (type_url, version, rollout)
) STRICT, WITHOUT ROWID;
