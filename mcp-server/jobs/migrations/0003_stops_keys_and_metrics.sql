-- What a caller asked of a job besides its program, why this server asked Spark to end it, and
-- what its executors did as last seen.
ALTER TABLE portcullis.spark_jobs
    ADD COLUMN idempotency_key text,
    -- SHA-256 in hex of what was asked under that key, credentials masked.
    ADD COLUMN request_digest text,
    ADD COLUMN max_run_seconds bigint CHECK (max_run_seconds > 0),
    ADD COLUMN stop_reason text CHECK (stop_reason IN ('cancelled', 'out_of_time')),
    ADD COLUMN executors jsonb NOT NULL DEFAULT '[]';

-- One job for each key of an owner; the caller without identity is one, too.
CREATE UNIQUE INDEX spark_jobs_by_key
    ON portcullis.spark_jobs (coalesce(owner, ''), (owner IS NULL), idempotency_key)
    WHERE idempotency_key IS NOT NULL;
