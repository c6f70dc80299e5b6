-- The bytes of modules that operators uploaded; those that control planes are started with come
-- with them. Whoever prunes the revisions takes back the modules that none of those left names.
CREATE TABLE module_content (
    sha256 TEXT COLLATE "C" PRIMARY KEY REFERENCES module (sha256) ON DELETE CASCADE,
    value  BYTEA NOT NULL
);
