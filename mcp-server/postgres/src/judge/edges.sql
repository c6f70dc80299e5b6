WITH RECURSIVE asked AS MATERIALIZED (
    SELECT $1::pg_catalog.oid[] AS functions, $2::pg_catalog.oid[] AS operators,
           $3::pg_catalog.oid[] AS types, $4::pg_catalog.oid[] AS relations,
           $5::pg_catalog.oid[] AS stored
),
-- The operator families by which values are sorted, hashed, compared and looked up.
families AS MATERIALIZED (
    SELECT c.opcfamily AS family FROM asked, pg_catalog.pg_opclass c
    WHERE c.opcintype = ANY (types) AND c.oid >= 12000
    UNION
    SELECT a.amopfamily FROM asked, pg_catalog.pg_amop a
    WHERE a.amopopr = ANY (operators) AND a.amopfamily >= 12000
    UNION
    SELECT c.opcfamily FROM asked, pg_catalog.pg_index i, pg_catalog.pg_opclass c
    WHERE i.indrelid = ANY (relations) AND c.oid = ANY (i.indclass) AND c.oid >= 12000
    UNION
    SELECT c.opcfamily FROM asked, pg_catalog.pg_partitioned_table p, pg_catalog.pg_opclass c
    WHERE p.partrelid = ANY (relations) AND c.oid = ANY (p.partclass) AND c.oid >= 12000
    UNION
    SELECT c.opcfamily FROM asked, pg_catalog.pg_range r, pg_catalog.pg_opclass c
    WHERE r.rngtypid = ANY (types) AND c.oid = r.rngsubopc AND c.oid >= 12000
),
-- The types that functions in SQL return, and what these are made of.
results AS (
    SELECT r.type AS type
    FROM asked, pg_catalog.pg_proc p
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang,
         pg_catalog.unnest(p.prorettype || COALESCE(p.proallargtypes, '{}')) AS r (type)
    WHERE p.oid = ANY (functions) AND p.oid >= 12000 AND l.lanname = 'sql'
    UNION
    SELECT part.type
    FROM results
    JOIN pg_catalog.pg_type t ON t.oid = results.type,
         LATERAL (
             SELECT t.typelem AS type
             UNION ALL
             SELECT t.typbasetype
             UNION ALL
             SELECT a.atttypid FROM pg_catalog.pg_attribute a
             WHERE t.typrelid <> 0 AND a.attrelid = t.typrelid AND a.attnum > 0
         ) AS part
)
SELECT DISTINCT edge, target, tree FROM (
    -- Functions: their types, defaults, bodies and helpers.
    SELECT 'i' AS edge, p.prosupport::pg_catalog.oid AS target, NULL AS tree
    FROM asked, pg_catalog.pg_proc p WHERE p.oid = ANY (functions)
    UNION ALL
    SELECT 't', type, NULL
    FROM asked, pg_catalog.pg_proc p,
         pg_catalog.unnest(p.proargtypes::pg_catalog.oid[] || p.prorettype
                           || COALESCE(p.proallargtypes, '{}')) AS type
    WHERE p.oid = ANY (functions)
    UNION ALL
    SELECT 'x', 0, p.proargdefaults::pg_catalog.text
    FROM asked, pg_catalog.pg_proc p WHERE p.oid = ANY (functions)
    UNION ALL
    SELECT 'x', 0, p.prosqlbody::pg_catalog.text
    FROM asked, pg_catalog.pg_proc p WHERE p.oid = ANY (functions)
    -- Its result is cast as in an assignment, which no tree shows.
    UNION ALL
    SELECT 'c', k.castfunc, NULL
    FROM results, pg_catalog.pg_cast k
    WHERE k.casttarget = results.type AND k.castcontext <> 'e'
    -- Aggregates.
    UNION ALL
    SELECT 'c', part, NULL
    FROM asked, pg_catalog.pg_aggregate g,
         pg_catalog.unnest(ARRAY[g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn,
                                 g.aggdeserialfn, g.aggmtransfn, g.aggminvtransfn,
                                 g.aggmfinalfn]::pg_catalog.oid[]) AS part
    WHERE g.aggfnoid = ANY (functions)
    UNION ALL
    SELECT 't', type, NULL
    FROM asked, pg_catalog.pg_aggregate g,
         pg_catalog.unnest(ARRAY[g.aggtranstype, g.aggmtranstype]) AS type
    WHERE g.aggfnoid = ANY (functions)
    UNION ALL
    SELECT 'o', g.aggsortop, NULL
    FROM asked, pg_catalog.pg_aggregate g WHERE g.aggfnoid = ANY (functions)
    -- Operators: the planner may take the commutator or the negator.
    UNION ALL
    SELECT 'c', o.oprcode::pg_catalog.oid, NULL
    FROM asked, pg_catalog.pg_operator o WHERE o.oid = ANY (operators)
    UNION ALL
    SELECT 'i', helper, NULL
    FROM asked, pg_catalog.pg_operator o,
         pg_catalog.unnest(ARRAY[o.oprrest, o.oprjoin]::pg_catalog.oid[]) AS helper
    WHERE o.oid = ANY (operators)
    UNION ALL
    SELECT 'o', other, NULL
    FROM asked, pg_catalog.pg_operator o,
         pg_catalog.unnest(ARRAY[o.oprcom, o.oprnegate]) AS other
    WHERE o.oid = ANY (operators)
    UNION ALL
    SELECT 'i', s.amproc::pg_catalog.oid, NULL
    FROM families f, pg_catalog.pg_amproc s WHERE s.amprocfamily = f.family
    UNION ALL
    SELECT 'o', a.amopopr, NULL
    FROM families f, pg_catalog.pg_amop a WHERE a.amopfamily = f.family
    -- Types: their own functions, their parts, a domain's checks, and casts that functions look up.
    UNION ALL
    SELECT 'i', part, NULL
    FROM asked, pg_catalog.pg_type t,
         pg_catalog.unnest(ARRAY[t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin,
                                 t.typmodout, t.typsubscript]::pg_catalog.oid[]) AS part
    WHERE t.oid = ANY (types)
    UNION ALL
    SELECT 't', part, NULL
    FROM asked, pg_catalog.pg_type t,
         pg_catalog.unnest(ARRAY[t.typelem, t.typbasetype]) AS part
    WHERE t.oid = ANY (types)
    UNION ALL
    SELECT 't', a.atttypid, NULL
    FROM asked, pg_catalog.pg_type t, pg_catalog.pg_attribute a
    WHERE t.oid = ANY (types) AND t.typrelid <> 0 AND a.attrelid = t.typrelid
      AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 't', r.rngsubtype, NULL
    FROM asked, pg_catalog.pg_range r WHERE r.rngtypid = ANY (types)
    UNION ALL
    SELECT 't', r.rngtypid, NULL
    FROM asked, pg_catalog.pg_range r WHERE r.rngmultitypid = ANY (types)
    UNION ALL
    SELECT 'i', part, NULL
    FROM asked, pg_catalog.pg_range r,
         pg_catalog.unnest(ARRAY[r.rngcanonical, r.rngsubdiff]::pg_catalog.oid[]) AS part
    WHERE r.rngtypid = ANY (types)
    UNION ALL
    SELECT 'x', 0, k.conbin::pg_catalog.text
    FROM asked, pg_catalog.pg_constraint k WHERE k.contypid = ANY (types)
    UNION ALL
    SELECT 'c', k.castfunc, NULL
    FROM asked, pg_catalog.pg_cast k
    WHERE k.castsource = ANY (types)
      AND k.casttarget IN ('pg_catalog.json'::pg_catalog.regtype,
                           'pg_catalog.jsonb'::pg_catalog.regtype)
    -- Relations: children are read with them, and virtual columns are computed.
    UNION ALL
    SELECT 'r', i.inhrelid, NULL
    FROM asked, pg_catalog.pg_inherits i WHERE i.inhparent = ANY (relations)
    UNION ALL
    SELECT 'x', 0, d.adbin::pg_catalog.text
    FROM asked, pg_catalog.pg_attrdef d
    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
    WHERE d.adrelid = ANY (relations) AND a.attgenerated = 'v'
    -- A table's own expressions: the planner simplifies them, and so runs what is constant there.
    UNION ALL
    SELECT 'p', 0, tree
    FROM asked, pg_catalog.pg_index i,
         pg_catalog.unnest(ARRAY[i.indexprs, i.indpred]::pg_catalog.text[]) AS tree
    WHERE i.indrelid = ANY (relations)
    UNION ALL
    SELECT 'p', 0, s.stxexprs::pg_catalog.text
    FROM asked, pg_catalog.pg_statistic_ext s WHERE s.stxrelid = ANY (relations)
    UNION ALL
    SELECT 'p', 0, p.partexprs::pg_catalog.text
    FROM asked, pg_catalog.pg_partitioned_table p WHERE p.partrelid = ANY (relations)
    -- What a rewritten tree shows of itself, and a stored one does not.
    UNION ALL
    SELECT 'x', 0, w.ev_action::pg_catalog.text
    FROM asked, pg_catalog.pg_rewrite w WHERE w.ev_class = ANY (stored) AND w.ev_type = '1'
    UNION ALL
    SELECT 'x', 0, p.polqual::pg_catalog.text
    FROM asked, pg_catalog.pg_policy p WHERE p.polrelid = ANY (stored)
) AS edges
WHERE target <> 0 OR tree IS NOT NULL
