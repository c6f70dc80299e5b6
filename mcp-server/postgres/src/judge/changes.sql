WITH asked AS MATERIALIZED (
    SELECT c.oid AS relid, given.events, c.relkind, c.relforcerowsecurity AS forces_policies,
           n.nspname AS schema,
           pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname) AS name
    FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.oid[]),
                    pg_catalog.unnest($2::pg_catalog.int4[])) AS given (relid, events)
    JOIN pg_catalog.pg_class c ON c.oid = given.relid
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
),
-- The foreign keys that refer to the relations, and what they do to the rows that refer.
cascades AS MATERIALIZED (
    SELECT k.conrelid AS relid, k.conkey AS columns,
           CASE WHEN asked.events & 8 = 0 THEN 0
                ELSE CASE k.confdeltype WHEN 'c' THEN 8 WHEN 'n' THEN 16 WHEN 'd' THEN 16
                     ELSE 0 END END
           | CASE WHEN asked.events & 16 = 0 THEN 0
                  ELSE CASE k.confupdtype WHEN 'c' THEN 16 WHEN 'n' THEN 16 WHEN 'd' THEN 16
                       ELSE 0 END END AS events,
           'd' IN (k.confdeltype, k.confupdtype) AS sets_default
    FROM asked
    JOIN pg_catalog.pg_constraint k ON k.confrelid = asked.relid AND k.contype = 'f'
),
-- The foreign keys on either side.
keys AS MATERIALIZED (
    SELECT k.* FROM asked
    JOIN pg_catalog.pg_constraint k ON asked.relid IN (k.conrelid, k.confrelid)
    WHERE k.contype = 'f'
)
SELECT edge, target, tree, events, name FROM (
    SELECT 'own' AS edge, relid AS target, NULL AS tree, 0 AS events, name FROM asked
    WHERE schema IN ('pg_catalog', 'information_schema', 'pg_toast', 'portcullis')
    UNION ALL
    SELECT 'extension', relid, NULL, 0, name
    FROM asked
    JOIN pg_catalog.pg_depend d ON d.objid = asked.relid
    WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
    UNION ALL
    -- Triggers, and the conditions under which they fire.
    SELECT 'trigger', t.tgfoid::pg_catalog.oid, t.tgqual::pg_catalog.text, 0,
           pg_catalog.format('`%s` of `%s`', t.tgname, asked.name)
    FROM asked
    JOIN pg_catalog.pg_trigger t ON t.tgrelid = asked.relid
    WHERE t.tgenabled <> 'D' AND t.tgtype::pg_catalog.int4 & asked.events <> 0
    UNION ALL
    -- Expressions that are computed from the new row.
    SELECT 'x', 0, k.conbin::pg_catalog.text, 0, NULL
    FROM asked
    JOIN pg_catalog.pg_constraint k ON k.conrelid = asked.relid
    WHERE k.contype = 'c'
    UNION ALL
    SELECT 'x', 0, d.adbin::pg_catalog.text, 0, NULL
    FROM asked
    JOIN pg_catalog.pg_attribute a ON a.attrelid = asked.relid AND a.attgenerated <> ''
    JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    UNION ALL
    SELECT 'x', 0, tree, 0, NULL
    FROM asked
    JOIN pg_catalog.pg_index i ON i.indrelid = asked.relid,
         LATERAL (VALUES (i.indexprs::pg_catalog.text), (i.indpred::pg_catalog.text)) AS of (tree)
    WHERE tree IS NOT NULL
    UNION ALL
    SELECT 't', a.atttypid, NULL, 0, NULL
    FROM asked
    JOIN pg_catalog.pg_attribute a ON a.attrelid = asked.relid
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'o', operator, NULL, 0, NULL
    FROM asked
    JOIN pg_catalog.pg_constraint k ON k.conrelid = asked.relid,
         LATERAL pg_catalog.unnest(k.conexclop) AS operator
    -- Partitions and children change with their parent; those above bound what a row may be.
    UNION ALL
    SELECT 'w', i.inhrelid, NULL,
           CASE WHEN asked.relkind = 'p' AND asked.events & 16 <> 0 THEN 28
                ELSE asked.events END, NULL
    FROM asked
    JOIN pg_catalog.pg_inherits i ON i.inhparent = asked.relid
    UNION ALL
    SELECT 'r', above.relid::pg_catalog.oid, p.partexprs::pg_catalog.text, 0, NULL
    FROM asked,
         LATERAL pg_catalog.pg_partition_ancestors(asked.relid) AS above (relid)
    JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = above.relid
    -- Foreign keys: how they compare, and what they change in turn.
    UNION ALL
    SELECT 'o', operator, NULL, 0, NULL
    FROM keys,
         LATERAL pg_catalog.unnest(keys.conpfeqop || keys.conppeqop || keys.conffeqop) AS operator
    UNION ALL
    SELECT 'c', k.castfunc, NULL, 0, NULL
    FROM keys
    JOIN pg_catalog.pg_attribute a
      ON a.attrelid = keys.conrelid AND a.attnum = ANY (keys.conkey)
      OR a.attrelid = keys.confrelid AND a.attnum = ANY (keys.confkey)
    JOIN pg_catalog.pg_cast k ON k.castsource = a.atttypid AND k.castcontext = 'i'
    WHERE k.castfunc <> 0
    UNION ALL
    SELECT 'r', side, NULL, 0, NULL
    FROM keys, LATERAL (VALUES (keys.conrelid), (keys.confrelid)) AS of (side)
    UNION ALL
    SELECT 'w', cascades.relid, NULL, cascades.events, NULL FROM cascades WHERE events <> 0
    UNION ALL
    SELECT 'rule', w.ev_class, NULL, 0, cascades.relid::pg_catalog.regclass::pg_catalog.text
    FROM cascades
    JOIN pg_catalog.pg_rewrite w ON w.ev_class = cascades.relid AND w.ev_type <> '1'
    WHERE cascades.events <> 0
    UNION ALL
    SELECT 'x', 0, d.adbin::pg_catalog.text, 0, NULL
    FROM cascades
    JOIN pg_catalog.pg_attrdef d
      ON d.adrelid = cascades.relid AND d.adnum = ANY (cascades.columns)
    WHERE cascades.events <> 0 AND cascades.sets_default
    UNION ALL
    SELECT 'x', 0, tree, 0, NULL
    FROM asked
    JOIN pg_catalog.pg_policy p ON p.polrelid = asked.relid,
         LATERAL (VALUES (p.polqual::pg_catalog.text), (p.polwithcheck::pg_catalog.text))
         AS of (tree)
    WHERE asked.forces_policies AND tree IS NOT NULL
) AS edges
WHERE target <> 0 OR tree IS NOT NULL
