//! Attacks on `create_table` as data: each makes a table only if something is let through.

use serde_json::{Value, json};

/// Expressions that are refused as a default, whatever the type of the column.
const DEFAULTS: &[&str] = &[
    // Functions
    "pg_read_file('/etc/passwd')",
    "('/etc/passwd'::text).pg_read_file",
    "lo_import('/etc/passwd')::text",
    "beat('x')",
    "beat_stable('x')",
    "sneaky('x')",
    "!!! 'x'",
    "write_it()",
    "run_it('DROP TABLE t')",
    "xml_of('SELECT 1')::text",
    "with_default('x')",
    "set_config('role', 'postgres', false)",
    "pg_terminate_backend(1)::text",
    "(1::bigint).pg_advisory_lock",
    "query_to_xml('SELECT 1', true, true, '')::text",
    "nextval('s')",
    "setval('s', 100)",
    "('x'::text)::checked",
    "'x'::checked",
    "ROW('x')::cast_by::int",
    "E'x\\\n' || pg_read_file('/etc/passwd')",
    "CASE WHEN false THEN pg_read_file('/etc/passwd') END",
    "to_json(ROW('x')::cast_by)::text",
    // What is no expression of one item
    "0, b int DEFAULT 0",
    "0), b int DEFAULT (0",
    "0) PRIMARY KEY, b text DEFAULT (beat('x')",
    "0)) INHERITS (t",
    "0)) INHERITS (t) WITH (fillfactor = (10",
    "0)); DROP TABLE t; --",
    "0)); DROP TABLE t; CREATE TABLE escaped (a int DEFAULT (0",
    "0)); COMMIT; DROP TABLE t; SELECT ((1",
    "0) CHECK (beat('x') = 'x'",
    "0) REFERENCES t (id",
    "0), EXCLUDE USING gist (a WITH &&), CHECK (true",
    "0), EXCLUDE USING btree ((sneaky('x')) WITH =), CHECK (true",
    "0), LIKE t INCLUDING ALL, CHECK (true",
    "0) AS text), b AS ((0",
    "0] , ARRAY[0",
    "0] FROM t WHERE ARRAY[true",
    "0)); --",
    "0 /*",
    "0 */ 0 /*",
    "'",
    "$$",
    "\"",
    "0; DROP TABLE t",
    "SELECT 1",
    "(SELECT secret FROM t LIMIT 1)",
    "(SELECT beat('x'))",
    "(DELETE FROM t RETURNING id)",
    "a",
    "t.secret",
    "$1",
    "count(*)",
    "generate_series(1, 3)",
    "-- nothing",
    "DEFAULT",
];

/// Conditions that are refused as a check of a column `a text`.
const CHECKS: &[&str] = &[
    "beat(a) IS NOT NULL",
    "(a).beat IS NOT NULL",
    "sneaky(a) = 'x'",
    "a = pg_read_file('/etc/passwd')",
    "a IN (SELECT secret FROM t)",
    "EXISTS (SELECT pg_sleep(0))",
    "a::checked = 'x'",
    "!!! a = 'x'",
    "pg_advisory_lock(1) IS NULL",
    "lo_unlink(4711) = 1",
    "true) NO INHERIT, CHECK (beat(a) = 'x'",
    "true), b text DEFAULT (beat('x')",
    "true), EXCLUDE USING btree ((sneaky('x')) WITH =",
    "true)) INHERITS (t",
    "true)); DROP TABLE t; --",
    "true] FROM t), ARRAY[true",
    "true, false",
    "tableoid = beat('x')::oid",
    "public.x.y.beat(a)",
    "1",
];

/// Types that are refused.
const TYPES: &[&str] = &[
    "checked",
    "over_checked",
    "checked[]",
    "holds_checked",
    "compared",
    "int DEFAULT beat('x')",
    "int, b text DEFAULT beat('x')",
    "int) INHERITS (t",
    "int); DROP TABLE t; --",
    "text COLLATE \"C\" DEFAULT beat('x')",
    "serial",
    "t.id%TYPE",
    "SETOF int",
    "int --\n, b text",
    "nothing_at_all",
    "record",
    "anyelement",
    "",
    "'int'",
];

/// Names that are refused, or taken as they are where they are harmless.
const NAMES: &[&str] = &["", "a\u{0}b"];

/// A default that PostgreSQL reads by a check of the database's own, while it analyses it.
pub const READ_BY_A_CHECK: &str = "('{x}'::writing[])[1]";

/// The arguments of every attack.
pub fn attacks() -> Vec<Value> {
    let column = |name: &str, type_name: &str| json!({"name": name, "type": type_name});
    let table = |columns: Value| json!({"table": "made", "columns": columns});
    let mut attacks = Vec::new();
    for default in DEFAULTS {
        for type_name in ["text", "int"] {
            attacks.push(table(json!([
                {"name": "a", "type": type_name, "default": default}
            ])));
        }
    }
    for check in CHECKS {
        attacks.push(json!({"table": "made", "columns": [column("a", "text")], "checks": [check]}));
    }
    for type_name in TYPES {
        attacks.push(table(json!([column("a", type_name)])));
    }
    for name in NAMES {
        attacks.push(table(json!([column(name, "int")])));
        attacks.push(json!({"table": name, "columns": [column("a", "int")]}));
        attacks
            .push(json!({"table": "made", "columns": [column("a", "int")], "primary_key": [name]}));
    }
    // Refused by its type, before PostgreSQL reads the literal.
    attacks.push(table(json!([
        {"name": "a", "type": "writing[]", "default": "'{x}'"}
    ])));
    for schema in [
        "pg_catalog",
        "information_schema",
        "pg_temp",
        "pg_toast",
        "portcullis",
    ] {
        attacks.push(json!({"schema": schema, "table": "made", "columns": [column("a", "int")]}));
    }
    for key in [
        json!({"columns": ["a"], "table": "compared_keys"}),
        json!({"columns": ["a"], "table": "absent"}),
        json!({"columns": ["a"], "schema": "pg_catalog", "table": "pg_class",
            "referenced_columns": ["oid"]}),
        json!({"columns": ["a) REFERENCES t (id"], "table": "t"}),
        json!({"columns": ["a"], "table": "t\" (id); DROP TABLE t; --"}),
    ] {
        attacks
            .push(json!({"table": "made", "columns": [column("a", "int")], "foreign_keys": [key]}));
    }
    attacks
}

/// The objects that these attacks use beside those of the others.
pub const TABLES: &str = "
CREATE FUNCTION writes(text) RETURNS bool LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO t VALUES (668, 'x'); PERFORM pg_advisory_lock(4242); RETURN true; END $$;
CREATE DOMAIN writing AS text CHECK (writes(VALUE));
CREATE TABLE compared_keys (a compared);
GRANT CREATE ON SCHEMA public TO PUBLIC;
";
