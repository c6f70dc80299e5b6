-- Whose a job is, and how often its row has changed: what was seen of a job is recorded only over the row that it was compared with.
ALTER TABLE portcullis.spark_jobs
    ADD COLUMN owner text, -- NULL: a caller without identity
    ADD COLUMN version bigint NOT NULL DEFAULT 0;

CREATE INDEX spark_jobs_by_owner ON portcullis.spark_jobs (owner, id);
