//! Looks functions up in PostgreSQL's catalogue, and holds which of them an operator lets through.

/// Objects below are made by PostgreSQL's own bootstrap (`FirstUnpinnedObjectId`): nobody can drop
/// or replace them, and what they call is their own.
pub(super) const PINNED_BELOW: u32 = 12_000;

/// Objects from here on are made after `initdb` (`FirstNormalObjectId`).
pub(super) const NORMAL_FROM: u32 = 16_384;

/// The functions that the operator lets statements call although they cannot be judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed<'a> {
    /// The functions that are named by signature.
    pub(crate) functions: &'a [String],
    /// Those of the triggers of the tables that a statement changes.
    pub(crate) triggers: bool,
}

/// PostgreSQL's text form of an array of object identifiers.
pub(super) fn array(oids: &[u32]) -> String {
    let oids: Vec<String> = oids.iter().map(u32::to_string).collect();
    format!("{{{}}}", oids.join(","))
}

/// PostgreSQL's text form of an array of texts.
pub(super) fn text_array(texts: &[String]) -> String {
    let quoted: Vec<String> = texts
        .iter()
        .map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
        .collect();
    format!("{{{}}}", quoted.join(","))
}

/// The query for what the catalogue says of the functions $1, with whether $2 names them.
pub(super) const FUNCTIONS: &str = "
SELECT p.oid AS oid,
       n.nspname AS schema,
       p.proname AS name,
       p.prokind AS kind,
       p.provolatile AS volatility,
       l.lanname AS language,
       p.prorettype IN ('pg_catalog.tsm_handler'::pg_catalog.regtype,
                        'pg_catalog.index_am_handler'::pg_catalog.regtype) AS is_handler,
       p.proconfig IS NOT NULL AS is_configured,
       p.prorettype = 'pg_catalog.record'::pg_catalog.regtype AND p.proallargtypes IS NULL
       OR EXISTS (SELECT FROM pg_catalog.pg_type t
                  WHERE t.oid = ANY (p.proargtypes::pg_catalog.oid[]) AND t.typtype = 'p'
       ) AS has_callers_types,
       p.proargtypes AS arguments,
       CASE WHEN l.lanname = 'internal' THEN p.prosrc END AS symbol,
       CASE WHEN l.lanname = 'sql' AND p.prosqlbody IS NULL THEN p.prosrc END AS body,
       (SELECT e.extname FROM pg_catalog.pg_depend d
        JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
        WHERE d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid
          AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND d.deptype = 'e'
        LIMIT 1) AS extension,
       pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, (
           SELECT pg_catalog.string_agg(pg_catalog.format_type(a.type, NULL), ', ' ORDER BY a.place)
           FROM pg_catalog.unnest(p.proargtypes::pg_catalog.oid[]) WITH ORDINALITY
           AS a (type, place)
       )) AS signature,
       p.oid IN (SELECT pg_catalog.to_regprocedure(named)::pg_catalog.oid
                 FROM pg_catalog.unnest($2::pg_catalog.text[]) AS named) AS allowed
FROM pg_catalog.pg_proc p
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE p.oid = ANY ($1::pg_catalog.oid[])";
