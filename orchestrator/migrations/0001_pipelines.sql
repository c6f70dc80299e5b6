-- Pipelines, their runs and the steps of each run. Whoever changes a run locks its row first.

CREATE TABLE portcullis.pipelines (
    id uuid PRIMARY KEY,
    owner text, -- NULL: a caller without identity
    name text NOT NULL,
    version integer NOT NULL, -- a version never changes
    definition jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX pipelines_by_name
    ON portcullis.pipelines ((coalesce(owner, '')), name, version);

CREATE TABLE portcullis.pipeline_runs (
    id uuid PRIMARY KEY, -- version 7, so that the order of ids is the order of time
    pipeline uuid NOT NULL REFERENCES portcullis.pipelines,
    owner text,
    idempotency_key text,
    parameters jsonb NOT NULL,
    state text NOT NULL CHECK (state IN
        ('pending', 'running', 'succeeded', 'failed', 'cancelled')),
    stop text CHECK (stop IN ('failure', 'cancellation')), -- why nothing begins any more
    revision bigint NOT NULL DEFAULT 0, -- how often the run or one of its steps has changed
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    ended_at timestamptz
);

CREATE UNIQUE INDEX pipeline_runs_by_key
    ON portcullis.pipeline_runs ((coalesce(owner, '')), idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX pipeline_runs_by_owner ON portcullis.pipeline_runs ((coalesce(owner, '')), id);
CREATE INDEX pipeline_runs_by_pipeline ON portcullis.pipeline_runs (pipeline, id);
CREATE INDEX pipeline_runs_open ON portcullis.pipeline_runs ((coalesce(owner, '')))
    WHERE ended_at IS NULL;
CREATE INDEX pipeline_runs_by_end ON portcullis.pipeline_runs (ended_at);

CREATE TABLE portcullis.pipeline_steps (
    run uuid NOT NULL REFERENCES portcullis.pipeline_runs ON DELETE CASCADE,
    position smallint NOT NULL,
    -- The part of the definition that decides when the step runs.
    name text NOT NULL,
    kind text NOT NULL,
    waits_for smallint[] NOT NULL,
    required boolean NOT NULL,
    timeout_s integer NOT NULL,
    most_attempts integer NOT NULL,
    backoff_s integer NOT NULL,
    -- What became of it.
    state text NOT NULL CHECK (state IN
        ('waiting', 'ready', 'running', 'succeeded', 'failed', 'skipped', 'cancelled')),
    wake_at timestamptz, -- ready: it may begin from then on; running: its lease ends
    deadline timestamptz, -- running: the attempt has taken too long
    attempts integer NOT NULL DEFAULT 0,
    losses integer NOT NULL DEFAULT 0,
    token bigint NOT NULL DEFAULT 0, -- of the last lease
    holder text, -- of the last lease
    progress jsonb,
    output jsonb,
    rows bigint,
    failure jsonb,
    started_at timestamptz,
    ended_at timestamptz,
    PRIMARY KEY (run, position)
);

-- The queue: which step somebody should look at next.
CREATE INDEX pipeline_steps_to_wake ON portcullis.pipeline_steps (wake_at)
    WHERE wake_at IS NOT NULL;
