-- The key of the hashes by which secrets' versions are named: one for all replicas. Whoever has it
-- can compare such a hash with guesses, so it is kept as the rest of the store is.
CREATE TABLE version_key (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB    NOT NULL
) STRICT;
