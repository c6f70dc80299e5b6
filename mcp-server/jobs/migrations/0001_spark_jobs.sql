-- Jobs that were submitted to Spark. A row is written before the submission and outlives the master's memory of it.
-- `arguments` and `conf` are for people: values that look like credentials are masked before they get here.
CREATE TABLE portcullis.spark_jobs (
    id uuid PRIMARY KEY, -- version 7, so that the order of ids is the order of time
    state text NOT NULL CHECK (state IN
        ('submitting', 'submitted', 'running', 'finished', 'failed', 'killed', 'unknown')),
    master text NOT NULL,
    script text NOT NULL,
    arguments text[] NOT NULL,
    conf jsonb NOT NULL,
    submission_id text,
    application_id text,
    tasks bigint NOT NULL DEFAULT 0,
    tasks_done bigint NOT NULL DEFAULT 0,
    tasks_running bigint NOT NULL DEFAULT 0,
    tasks_failed bigint NOT NULL DEFAULT 0,
    stages bigint NOT NULL DEFAULT 0,
    stages_done bigint NOT NULL DEFAULT 0,
    message text,
    error_tail text,
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (master, submission_id)
);

CREATE INDEX spark_jobs_by_time ON portcullis.spark_jobs (created_at, id);
CREATE INDEX spark_jobs_by_state ON portcullis.spark_jobs (state, id);
