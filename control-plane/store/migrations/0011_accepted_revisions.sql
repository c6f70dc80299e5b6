-- The revisions that Envoys accepted, with the generation that each was accepted as last. Unlike
-- the generations they are kept as long as the revisions: two of them may be the same generation.
CREATE TABLE accepted_revision (
    revision   INTEGER PRIMARY KEY REFERENCES revision (number) ON DELETE CASCADE,
    generation TEXT    NOT NULL
) STRICT;

INSERT INTO accepted_revision (revision, generation)
SELECT revision, generation FROM accepted
WHERE sequence IN (SELECT max(sequence) FROM accepted GROUP BY revision);

-- Who answered a list that was accepted, and what it said of itself; empty where it was stored
-- before this was noted.
ALTER TABLE accepted_list ADD COLUMN endpoint TEXT NOT NULL DEFAULT '';
ALTER TABLE accepted_list ADD COLUMN protocol TEXT NOT NULL DEFAULT '';
ALTER TABLE accepted_list ADD COLUMN about TEXT NOT NULL DEFAULT '';
