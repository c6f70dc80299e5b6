//! Attacks on `execute_query` as data, and the database that they would hurt.

pub const VICTIM: &str = r#"
CREATE EXTENSION IF NOT EXISTS plpgsql;
CREATE TABLE t (id int PRIMARY KEY, secret text);
INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 20) n;
CREATE SEQUENCE s;
SELECT nextval('s');
CREATE FUNCTION write_it() RETURNS int LANGUAGE sql
    AS $$ INSERT INTO t VALUES (666, 'written') RETURNING id $$;
CREATE FUNCTION write_stable() RETURNS int LANGUAGE plpgsql STABLE AS $$
    BEGIN EXECUTE 'INSERT INTO t VALUES (667, ''x'')'; RETURN 1; END $$;
CREATE FUNCTION run_it(text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text;
    BEGIN EXECUTE $1 INTO r; RETURN r; END $$;
CREATE FUNCTION run_stable(text) RETURNS text LANGUAGE plpgsql STABLE AS $$ DECLARE r text;
    BEGIN EXECUTE $1 INTO r; RETURN r; END $$;
CREATE SCHEMA other;
CREATE FUNCTION other.count(t) RETURNS int LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t;
    RETURN 1; END $$;
CREATE PROCEDURE do_it() LANGUAGE sql AS $$ DELETE FROM t $$;
CREATE VIEW v AS SELECT * FROM t;
SELECT lo_create(4711);
CREATE FUNCTION beat(text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
    BEGIN PERFORM pg_advisory_lock(4242); RETURN $1; END $$;
CREATE FUNCTION beat_stable(text) RETURNS text LANGUAGE plpgsql STABLE AS $$
    BEGIN PERFORM pg_advisory_lock(4242); RETURN $1; END $$;
CREATE FUNCTION xml_of(text) RETURNS xml LANGUAGE sql STABLE AS $$
    SELECT query_to_xml($1, true, true, '') $$;
CREATE FUNCTION xml_of_atomic(t text) RETURNS xml LANGUAGE sql STABLE
    RETURN query_to_xml(t, true, true, '');
CREATE FUNCTION xml_of_named(t text) RETURNS xml LANGUAGE sql STABLE AS $$
    SELECT query_to_xml(t, true, true, '') $$;
CREATE FUNCTION with_default(a text, b text DEFAULT beat('x')) RETURNS text LANGUAGE sql IMMUTABLE
    AS $$ SELECT $1 $$;
CREATE FUNCTION of_view() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*)
    FROM pg_stat_activity; END;
CREATE FUNCTION other_path() RETURNS text LANGUAGE sql STABLE SET search_path = other AS $$
    SELECT 'x'::text $$;
CREATE FUNCTION lock_as(bigint) RETURNS void LANGUAGE internal STABLE AS 'pg_advisory_lock_int8';
CREATE VIEW beating AS SELECT beat(secret) FROM t;
CREATE VIEW beating_below AS SELECT * FROM beating;
CREATE VIEW of_statistics AS SELECT most_common_vals::text FROM pg_stats;
CREATE OPERATOR !!! (RIGHTARG = text, FUNCTION = beat);
CREATE AGGREGATE beat_all(text) (SFUNC = textcat, STYPE = text, FINALFUNC = beat);
CREATE DOMAIN checked AS text CHECK (beat(VALUE) IS NOT NULL);
CREATE DOMAIN over_checked AS checked;
CREATE TYPE holds_checked AS (a int, b checked);
CREATE TYPE cast_by AS (a text);
CREATE FUNCTION to_json_of(cast_by) RETURNS json LANGUAGE plpgsql VOLATILE AS $$
    BEGIN PERFORM pg_advisory_lock(4242); RETURN '1'; END $$;
CREATE CAST (cast_by AS json) WITH FUNCTION to_json_of(cast_by);
CREATE FUNCTION cast_it(cast_by) RETURNS int LANGUAGE plpgsql VOLATILE AS $$
    BEGIN PERFORM pg_advisory_lock(4242); RETURN 1; END $$;
CREATE CAST (cast_by AS int) WITH FUNCTION cast_it(cast_by);
CREATE TYPE compared AS (a int);
CREATE FUNCTION compare(compared, compared) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN PERFORM pg_advisory_lock(4242); RETURN 0; END $$;
CREATE FUNCTION less(compared, compared) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE FUNCTION same(compared, compared) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE OPERATOR <<< (LEFTARG = compared, RIGHTARG = compared, FUNCTION = less);
CREATE OPERATOR === (LEFTARG = compared, RIGHTARG = compared, FUNCTION = same);
CREATE OPERATOR CLASS compared_ops DEFAULT FOR TYPE compared USING btree AS OPERATOR 1 <<<,
    OPERATOR 3 ===, FUNCTION 1 compare(compared, compared);
CREATE TABLE guarded (a text);
INSERT INTO guarded VALUES ('x');
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY guards ON guarded USING (beat(a) IS NOT NULL);
CREATE EXTENSION IF NOT EXISTS file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE passwords (line text) SERVER files OPTIONS (filename '/etc/passwd');
CREATE TABLE parent (line text);
ALTER FOREIGN TABLE passwords INHERIT parent;
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
CREATE FUNCTION made_of(int) RETURNS cast_by LANGUAGE plpgsql VOLATILE
    AS $$ BEGIN PERFORM pg_advisory_lock(4242);
    RETURN ROW('x')::cast_by; END $$;
CREATE CAST (int AS cast_by) WITH FUNCTION made_of(int) AS ASSIGNMENT;
CREATE FUNCTION cast_at_return() RETURNS cast_by LANGUAGE sql STABLE AS 'SELECT 7';
CREATE FUNCTION cast_at_return_atomic() RETURNS SETOF cast_by LANGUAGE sql STABLE RETURN 7;
CREATE FUNCTION cast_in_a_column() RETURNS TABLE (a int, b cast_by) LANGUAGE sql STABLE
    AS 'SELECT 1, 7';
CREATE DOMAIN over_cast AS cast_by;
CREATE FUNCTION cast_in_an_array() RETURNS over_cast[] LANGUAGE sql STABLE AS 'SELECT ARRAY[7]';
CREATE FUNCTION of_any_columns() RETURNS record LANGUAGE sql STABLE AS 'SELECT 1, 7';
CREATE FUNCTION overloaded(anyelement) RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'x'::text $$;
CREATE FUNCTION overloaded(int) RETURNS text LANGUAGE plpgsql VOLATILE
    AS $$ BEGIN RETURN beat('x'); END $$;
CREATE FUNCTION of_any(anyelement) RETURNS text LANGUAGE sql STABLE AS 'SELECT overloaded($1)';
CREATE EXTENSION isn;
CREATE FUNCTION planned(text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';
CREATE TABLE indexed_where (a int);
CREATE INDEX ON indexed_where (a) WHERE planned('x');
CREATE TABLE indexed_by (a int);
CREATE INDEX ON indexed_by ((CASE WHEN planned('x') THEN a END));
CREATE TABLE counted_by (a int);
CREATE STATISTICS of_counted ON a, (CASE WHEN planned('x') THEN a END) FROM counted_by;
CREATE TABLE split_by (a int) PARTITION BY LIST ((CASE WHEN planned('x') THEN a END));
CREATE TABLE split_first PARTITION OF split_by FOR VALUES IN (1);
CREATE TABLE above_indexed (a int);
ALTER TABLE indexed_where INHERIT above_indexed;
CREATE TABLE above_constrained (a int);
CREATE TABLE constrained (CHECK (planned('x') OR a > 1)) INHERITS (above_constrained);
CREATE OR REPLACE FUNCTION planned(text) RETURNS bool LANGUAGE plpgsql IMMUTABLE
    AS $$ BEGIN PERFORM pg_advisory_lock(4242); RETURN true; END $$;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
"#;

/// Refused where the policy of the table holds; a superuser is above it, so that nothing is called.
pub const ATTACK_ON_A_POLICY: &str = "SELECT * FROM guarded";

/// Each is refused, or fails in PostgreSQL.
pub const ATTACKS: &[&str] = &[
    // More than one statement, and statements that are no query
    "COMMIT; CREATE TABLE escaped (a int)",
    "SELECT 1; DELETE FROM t",
    "SELECT 1; COMMIT; DELETE FROM t",
    "; DELETE FROM t",
    "INSERT INTO t VALUES (100, 'x')",
    "UPDATE t SET secret = 'x'",
    "DELETE FROM t",
    "TRUNCATE t",
    "MERGE INTO t USING (VALUES (1)) x (id) ON t.id = x.id WHEN MATCHED THEN DELETE",
    "DROP TABLE t",
    "CREATE TABLE escaped AS SELECT 1",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "ALTER ROLE postgres PASSWORD 'x'",
    "GRANT ALL ON t TO PUBLIC",
    "VACUUM t",
    "LOCK TABLE t",
    "COMMIT",
    "ROLLBACK",
    "END",
    "ABORT",
    "SAVEPOINT a",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "RESET ROLE",
    "RESET ALL",
    "SET transaction_read_only = off",
    "BEGIN READ WRITE",
    "DISCARD ALL",
    "DO $$ BEGIN DELETE FROM t; END $$",
    "CALL do_it()",
    "EXECUTE x",
    "PREPARE x AS DELETE FROM t",
    "DECLARE c CURSOR FOR SELECT 1",
    "FETCH ALL FROM portcullis",
    "LISTEN x",
    "NOTIFY x",
    "LOAD '/tmp/x.so'",
    "EXPLAIN ANALYZE DELETE FROM t",
    "EXPLAIN (ANALYZE) SELECT write_it()",
    "COPY t TO PROGRAM 'touch /tmp/portcullis-attack'",
    "COPY t TO '/tmp/portcullis-attack'",
    "COPY t FROM '/etc/passwd'",
    "COPY (SELECT 1) TO PROGRAM 'touch /tmp/portcullis-attack'",
    "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    // Queries that write
    "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
    "WITH i AS (INSERT INTO t VALUES (101, 'x') RETURNING *) SELECT * FROM i",
    "WITH u AS (UPDATE t SET secret = 'x' RETURNING *) SELECT * FROM u",
    "WITH a AS (SELECT 1), d AS (DELETE FROM t) SELECT * FROM a",
    "WITH a AS (WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d) SELECT * FROM a",
    "SELECT * FROM (WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d) x",
    "WITH x AS (SELECT 1) DELETE FROM t",
    "WITH x AS (SELECT 1) INSERT INTO t SELECT 102, 'x'",
    "SELECT * INTO escaped FROM t",
    "SELECT * INTO TEMP escaped FROM t",
    "SELECT 1 AS a INTO UNLOGGED escaped",
    "SELECT * FROM t FOR UPDATE",
    "SELECT * FROM t FOR NO KEY UPDATE",
    "SELECT * FROM t FOR SHARE SKIP LOCKED",
    "SELECT * FROM (SELECT * FROM t FOR UPDATE) x",
    // Functions that write, or run what they are given
    "SELECT write_it()",
    "SELECT write_stable()",
    "SELECT public.write_it()",
    "SELECT * FROM write_it()",
    "SELECT (SELECT write_it())",
    "SELECT 1 WHERE write_it() = 1",
    "SELECT 1 ORDER BY write_it()",
    "SELECT CASE WHEN true THEN write_it() END",
    "SELECT * FROM t, LATERAL write_it() w",
    "SELECT * FROM ROWS FROM (write_it()) x",
    "SELECT run_it('DELETE FROM t')",
    "SELECT run_it('RESET ROLE')",
    "SELECT run_stable('DELETE FROM t')",
    "SELECT run_stable('SELECT lo_import(''/etc/passwd'')')",
    "SELECT run_stable('SELECT set_config(''role'', ''postgres'', true)') || run_stable('COPY t \
     TO PROGRAM ''touch /tmp/portcullis-attack''')",
    "SELECT run_stable('RESET ROLE'), run_stable('SELECT lo_create(4712)::text')",
    "SELECT run_stable('SELECT set_config(''role'', ''postgres'', true)'), run_stable('SELECT \
     lo_export(4711, ''/tmp/portcullis-attack'')')",
    "SELECT run_stable('SELECT set_config(''role'', ''none'', true)'), run_stable('SELECT \
     pg_read_file(''/etc/passwd'')')",
    "SELECT other.count(t) FROM t",
    // Sequences
    "SELECT nextval('s')",
    "SELECT NEXTVAL('s')",
    "SELECT \"nextval\"('s')",
    "SELECT pg_catalog.nextval('s')",
    "SELECT pg_catalog . \"nextval\" /* x */ ('s')",
    "SELECT nextval -- (\n('s')",
    "SELECT setval('s', 100)",
    "SELECT setval('s'::regclass, 100, true)",
    // Files and programs
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_read_binary_file('/etc/passwd')",
    "SELECT PG_READ_FILE('/etc/passwd')",
    "SELECT * FROM pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT * FROM pg_ls_logdir()",
    "SELECT pg_stat_file('/etc/passwd')",
    "SELECT U&\"pg\\005fread_file\"('/etc/passwd')",
    "SELECT U&\"pg!005fread_file\" UESCAPE '!' ('/etc/passwd')",
    "SELECT /* ' */ pg_read_file('/etc/passwd') /* ' */",
    "SELECT '/*', pg_read_file('/etc/passwd'), '*/'",
    "SELECT $a$ ' $a$, pg_read_file('/etc/passwd')",
    "SELECT E'\\'', pg_read_file('/etc/passwd'), '\\'",
    "SELECT pg_catalog.pg_file_write('/tmp/portcullis-attack', 'x', false)",
    // Large objects
    "SELECT lo_import('/etc/passwd')",
    "SELECT lo_import('/etc/passwd', 4713)",
    "SELECT lo_export(4711, '/tmp/portcullis-attack')",
    "SELECT lo_create(4714)",
    "SELECT lo_creat(-1)",
    "SELECT lo_unlink(4711)",
    "SELECT lo_put(4711, 0, 'x')",
    "SELECT lo_from_bytea(4715, 'x')",
    "SELECT lo_open(4711, 131072)",
    "SELECT * FROM pg_largeobject",
    // The session and its limits
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "SELECT set_config('role', 'postgres', true)",
    "SELECT set_config('role', 'none', false)",
    "SELECT set_config('session_authorization', 'postgres', false)",
    "SELECT set_config('statement_timeout', '0', true), pg_sleep(40)",
    "SELECT set_config('log_statement', 'all', false)",
    "SELECT pg_sleep(40)",
    "SELECT count(*) FROM generate_series(1, 1000000000000) n",
    "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT count(*) FROM r",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_advisory_xact_lock(1)",
    "SELECT pg_notify('x', 'y')",
    "SELECT pg_export_snapshot()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_create_physical_replication_slot('x')",
    "SELECT pg_create_logical_replication_slot('x', 'test_decoding')",
    "SELECT pg_logical_emit_message(false, 'x', 'y')",
    "SELECT pg_replication_origin_create('x')",
    "SELECT pg_stat_reset()",
    "SELECT pg_promote()",
    "SELECT txid_current()",
    // SQL in strings
    "SELECT query_to_xml('DELETE FROM t', true, true, '')",
    "SELECT query_to_xml('SELECT pg_read_file(''/etc/passwd'')', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT table_to_xml('pg_authid', true, true, '')",
    "SELECT ts_stat('SELECT write_it()::text::tsvector')",
    "SELECT cursor_to_xml('portcullis', 1, true, true, '')",
    "SELECT dblink('host=127.0.0.1', 'DELETE FROM t')",
    "SELECT * FROM dblink_exec('host=127.0.0.1', 'DELETE FROM t')",
    "SELECT * FROM crosstab('DELETE FROM t') AS x (a int)",
    // Passwords
    "SELECT rolpassword FROM pg_authid",
    "SELECT passwd FROM pg_shadow",
    "SELECT * FROM pg_catalog . \"pg_authid\"",
    "TABLE pg_authid",
    "SELECT a.rolpassword FROM pg_authid a",
    "SELECT umoptions FROM pg_user_mappings",
    "SELECT * FROM pg_hba_file_rules",
    // An E-string that goes on after a line break, and other words that are not what they seem
    "SELECT E'a'\n'b\\'', pg_advisory_lock(42), pg_notify($$a$$,$$b$$) --'",
    "SELECT E'a'\r'b\\'', set_config($$role$$, $$postgres$$, true) --'",
    "SELECT E'a' -- x\n'b\\'', pg_read_file($$/etc/passwd$$) --'",
    "SELECT E'a'\u{c}\n'b\\'', pg_create_physical_replication_slot($$x$$) --'",
    // Attribute notation
    "SELECT ('SELECT write_it()::text::tsvector'::text).ts_stat",
    "SELECT (pid).pg_terminate_backend FROM pg_locks",
    "SELECT (a.pid).pg_cancel_backend FROM pg_locks a",
    "SELECT (1::bigint).pg_advisory_lock",
    "SELECT (42::bigint).pg_try_advisory_lock_shared",
    "SELECT ('/etc/passwd'::text).pg_read_file",
    "SELECT ('s'::regclass).nextval",
    "SELECT (4711::oid).lo_get",
    "SELECT (4711::oid).lo_unlink",
    "SELECT ('x'::text).beat",
    "SELECT secret.beat FROM (SELECT 'x'::text AS secret) AS secret",
    "SELECT t.count FROM (SELECT t.*::t FROM t) AS t, LATERAL other.count(t.t) c",
    // Operators, casts, domains, aggregates, defaults, views, policies, operator classes
    "SELECT !!! 'x'::text",
    "SELECT OPERATOR(public.!!!) 'x'::text",
    "SELECT 1 WHERE (!!! 'x'::text) = ANY (ARRAY['x'])",
    "SELECT beat_all(secret) FROM t",
    "SELECT beat_all(secret) OVER () FROM t",
    "SELECT 'x'::checked",
    "SELECT CAST(secret AS checked) FROM t",
    "SELECT secret::over_checked FROM t",
    "SELECT secret::text::checked[] FROM t",
    "SELECT ('{\"b\": \"x\"}'::json ->> 'b')::over_checked",
    "SELECT ROW(1, secret)::holds_checked FROM t",
    "SELECT json_populate_record(NULL::holds_checked, '{\"b\": \"x\"}')",
    "SELECT * FROM json_to_record('{\"b\": \"x\"}') AS x (b checked)",
    "SELECT * FROM jsonb_to_recordset('[{\"b\": [\"x\"]}]') AS x (b over_checked[])",
    "SELECT * FROM XMLTABLE('/a' PASSING '<a>x</a>'::xml COLUMNS b checked PATH '.')",
    "SELECT domain_in('x', 'checked'::regtype, -1) IS NULL",
    "SELECT array_in('{x}', 'checked'::regtype, -1)",
    "SELECT record_in('(1,x)', 'holds_checked'::regtype, -1)",
    "SELECT ROW('x')::cast_by::int",
    "SELECT to_json(ROW('x')::cast_by)",
    "SELECT json_agg(c) FROM (SELECT ROW(secret)::cast_by AS c FROM t) x",
    "SELECT jsonb_build_object('a', ARRAY[ROW('x')::cast_by])",
    "SELECT ROW(1)::compared ORDER BY 1",
    "SELECT DISTINCT ROW(id)::compared FROM t",
    "SELECT ROW(1)::compared <<< ROW(2)::compared",
    "SELECT ARRAY[ROW(1)::compared] < ARRAY[ROW(2)::compared]",
    "SELECT max(ARRAY[ROW(id)::compared]) FROM t",
    "SELECT with_default('x')",
    "SELECT * FROM beating",
    "SELECT count(*) FROM beating_below",
    "SELECT * FROM passwords",
    "SELECT * FROM parent",
    "SELECT * FROM indexed_where",
    "SELECT * FROM above_indexed",
    "SELECT count(*) FROM indexed_by",
    "SELECT a FROM counted_by",
    "SELECT a FROM split_by WHERE a = 1",
    "SELECT lock_as(1)",
    "SELECT (1::bigint).lock_as",
    "SELECT beat_stable('x')",
    // What a function in SQL calls only when it runs
    "SELECT cast_at_return()",
    "SELECT cast_at_return_atomic()",
    "SELECT b FROM cast_in_a_column()",
    "SELECT cast_in_an_array()",
    "SELECT * FROM of_any_columns() AS x (a int, b cast_by)",
    "SELECT of_any(1)",
    "SELECT (1).of_any",
    "SELECT isn_weak(true)",
    "SELECT xml_of('SELECT pg_advisory_lock(4242)')",
    "SELECT xml_of_atomic('SELECT pg_advisory_lock(4242)')",
    "SELECT xml_of_named('SELECT pg_advisory_lock(4242)')",
    "SELECT ('SELECT pg_advisory_lock(4242)'::text).xml_of",
    "SELECT of_view()",
    "SELECT other_path()",
    "SELECT schema_to_xml('public', true, true, '')",
    "SELECT database_to_xmlschema(true, true, '')",
    "SELECT (SELECT ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, pg_notify(''x'', \
     ''y'')::text::tsquery'))",
    // Samples of tables, and what other callers have sent
    "SELECT * FROM pg_stats",
    "SELECT most_common_vals FROM pg_stats WHERE tablename = 'pg_authid'",
    "SELECT * FROM of_statistics",
    "SELECT stavalues1 FROM pg_statistic",
    "SELECT * FROM pg_stats_ext",
    "SELECT stxdmcv FROM pg_statistic_ext_data",
    "SELECT * FROM pg_prepared_statements",
    "SELECT statement FROM pg_prepared_statement()",
    "SELECT query FROM pg_stat_activity",
    "SELECT (1).pg_stat_get_backend_activity",
    "SELECT pg_stat_get_activity(NULL)",
    "SELECT * FROM pg_cursors",
    "SELECT umoptions FROM pg_user_mapping",
    "SELECT * FROM information_schema.user_mapping_options",
    "SELECT subconninfo FROM pg_subscription",
    "SELECT * FROM pg_file_settings",
    "SELECT * FROM pg_ident_file_mappings",
    "SELECT a FROM pg_authid AS a",
    "SELECT to_jsonb(a) FROM pg_authid AS a",
    "SELECT (a).rolpassword FROM (SELECT a FROM pg_authid AS a) AS x",
    "SELECT count(rolpassword) FROM pg_authid",
    "SELECT 1 FROM pg_authid WHERE rolpassword LIKE 'SCRAM%'",
    "SELECT 1 FROM pg_authid JOIN (SELECT 'x'::text AS rolpassword) x USING (rolpassword)",
    "SELECT * FROM pg_user",
    "SELECT * FROM pg_toast.pg_toast_1260",
    "SELECT * FROM pg_toast.pg_toast_2619",
    // What would take a parser's stack
    "EXPLAIN SELECT 1",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT beat('x')",
    // What might be read in two ways
    "SELECT 1) UNION (SELECT write_it()",
    "SELECT 1 --\n; DELETE FROM t",
    "SELECT 1 /* /* */ ; DELETE FROM t -- */ */",
    "SELECT 'a' /* \\*/ */ '; DELETE FROM t'",
    "SELECT 1\u{a0}; DELETE FROM t",
    "SELECT 1 \u{2028}; DELETE FROM t",
    "SELECT $$a$$; DELETE FROM t; $$b$$",
    "SELECT \"a\"\"; DELETE FROM t; --\"",
    "SELECT '\\'; DELETE FROM t; --'",
    "SELECT 1 \\; DELETE FROM t",
    "\\! touch /tmp/portcullis-attack",
    "SELECT 1\u{0}; DELETE FROM t",
    "",
    "   -- nothing",
];
