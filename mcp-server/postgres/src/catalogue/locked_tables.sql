-- Tables that somebody alters, rewrites or truncates, and what they are partitions of: whoever asks
-- for their size waits for that to end.
WITH locked AS MATERIALIZED (
    SELECT above.relid
    FROM (SELECT COALESCE(i.indrelid, t.oid, l.relation) AS relid
          FROM pg_catalog.pg_locks l
          LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = l.relation
          LEFT JOIN pg_catalog.pg_class t ON t.reltoastrelid = l.relation
          WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
            AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                              WHERE d.datname = pg_catalog.current_database())) held,
         LATERAL (SELECT held.relid
                  UNION ALL
                  SELECT a.relid::pg_catalog.oid
                  FROM pg_catalog.pg_partition_ancestors(held.relid) a (relid)) above (relid)
)
