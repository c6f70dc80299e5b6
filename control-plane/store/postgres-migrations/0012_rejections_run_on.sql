-- The version of the resource that the Envoy runs on with after its rejection, which Envoys of the
-- state-of-the-world protocol do not say; empty where it has none. An earlier version writes none.
ALTER TABLE rejection ADD COLUMN run_on TEXT NOT NULL DEFAULT '';
