//! Attacks on `execute_dml` as data, and the tables that they would use, beside those of `attacks`.

pub const TABLES: &str = r#"
CREATE FUNCTION sneaky(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN PERFORM pg_advisory_lock(4242); RETURN $1; END $$;
CREATE FUNCTION fires() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_lock(4242); RETURN NEW; END $$;
CREATE TABLE audited (a text);
CREATE TRIGGER audit AFTER INSERT ON audited FOR EACH ROW EXECUTE FUNCTION fires();
CREATE TABLE audited_if (a text);
CREATE TRIGGER quiet BEFORE UPDATE ON audited_if FOR EACH ROW WHEN (beat(NEW.a) IS NULL)
    EXECUTE FUNCTION suppress_redundant_updates_trigger();
INSERT INTO audited_if VALUES ('x');
CREATE TABLE audited_at_the_end (a text);
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON audited_at_the_end DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION fires();
CREATE TABLE computed (a text, b text GENERATED ALWAYS AS (sneaky(a)) STORED);
CREATE TABLE tested (a text CHECK (beat(a) IS NOT NULL));
CREATE TABLE indexed (a text);
CREATE INDEX ON indexed (sneaky(a));
CREATE TABLE indexed_in_part (a text);
CREATE INDEX ON indexed_in_part (a) WHERE sneaky(a) = 'x';
CREATE TABLE defaulted (id int, a text DEFAULT beat('x'));
CREATE TABLE of_domain (a checked);
CREATE TABLE of_composite (a holds_checked);
CREATE TABLE of_operators (a compared);
CREATE INDEX ON of_operators (a);
CREATE TABLE parted (a text) PARTITION BY LIST (sneaky(a));
CREATE TABLE parted_of (a text, b text) PARTITION BY LIST (b);
CREATE TABLE parted_of_x PARTITION OF parted_of FOR VALUES IN ('x');
CREATE TRIGGER audit AFTER INSERT ON parted_of_x FOR EACH ROW EXECUTE FUNCTION fires();
CREATE TABLE owners (id int PRIMARY KEY);
INSERT INTO owners VALUES (1), (2);
CREATE TABLE owned (id int REFERENCES owners ON DELETE CASCADE ON UPDATE CASCADE, a text);
INSERT INTO owned VALUES (1, 'x');
CREATE TRIGGER audit BEFORE DELETE OR UPDATE ON owned FOR EACH ROW EXECUTE FUNCTION fires();
CREATE TABLE owners_of_rules (id int PRIMARY KEY);
INSERT INTO owners_of_rules VALUES (1);
CREATE TABLE owned_by_rule (id int REFERENCES owners_of_rules ON DELETE CASCADE);
INSERT INTO owned_by_rule VALUES (1);
CREATE RULE also AS ON DELETE TO owned_by_rule DO ALSO SELECT beat('x');
CREATE TABLE owners_of_defaults (id int PRIMARY KEY);
INSERT INTO owners_of_defaults VALUES (1);
CREATE FUNCTION beat_number() RETURNS int LANGUAGE plpgsql AS $$
    BEGIN PERFORM pg_advisory_lock(4242); RETURN NULL; END $$;
CREATE TABLE owned_by_default (id int DEFAULT beat_number()
    REFERENCES owners_of_defaults ON DELETE SET DEFAULT);
INSERT INTO owned_by_default VALUES (1);
CREATE TABLE ruled (a text);
CREATE RULE also AS ON INSERT TO ruled DO ALSO SELECT beat(NEW.a);
CREATE TABLE ruled_to_tell (a text);
CREATE RULE also AS ON INSERT TO ruled_to_tell DO ALSO NOTIFY told;
CREATE VIEW fired AS SELECT * FROM t;
CREATE TRIGGER instead INSTEAD OF DELETE ON fired FOR EACH ROW EXECUTE FUNCTION fires();
CREATE TABLE of_extension (a text);
ALTER EXTENSION plpgsql ADD TABLE of_extension;
CREATE SCHEMA portcullis;
CREATE TABLE portcullis.jobs (a text);
INSERT INTO portcullis.jobs VALUES ('x');
CREATE TABLE forced (a text);
INSERT INTO forced VALUES ('x');
ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY guards ON forced USING (true) WITH CHECK (beat(a) IS NOT NULL);
GRANT ALL ON ALL TABLES IN SCHEMA public TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO PUBLIC;
GRANT ALL ON SCHEMA portcullis TO PUBLIC;
GRANT ALL ON portcullis.jobs TO PUBLIC;
"#;

/// Each is refused, whatever the caller confirms.
pub const CHANGE_ATTACKS: &[&str] = &[
    // Functions in the statement itself
    "INSERT INTO t SELECT 100, pg_read_file('/etc/passwd')",
    "INSERT INTO t VALUES (100, (SELECT lo_import('/etc/passwd')::text))",
    "INSERT INTO t VALUES (100, ('/etc/passwd'::text).pg_read_file)",
    "INSERT INTO t VALUES (pg_advisory_lock(1)::text::int, 'x')",
    "INSERT INTO t SELECT write_it(), 'x'",
    "INSERT INTO t SELECT 100, beat(secret) FROM t",
    "INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET secret = beat('x')",
    "INSERT INTO t VALUES (1, 'x') ON CONFLICT (id) DO UPDATE SET secret = 'y' \
     WHERE beat(t.secret) = 'x'",
    "UPDATE t SET secret = beat(secret)",
    "UPDATE t SET secret = !!! secret WHERE id = 1",
    "UPDATE t SET secret = beat_stable('x') WHERE id = 1",
    "UPDATE t SET (id, secret) = (SELECT 1, beat('x')) WHERE id = 1",
    "UPDATE t SET secret = b.x FROM (SELECT beat('x') AS x) AS b",
    "UPDATE t SET secret = 'x'::checked WHERE id = 1",
    "UPDATE t SET secret = run_it('DROP TABLE t') WHERE id = 1",
    "UPDATE t SET secret = query_to_xml('SELECT 1', true, true, '')::text WHERE id = 1",
    "UPDATE t SET secret = set_config('role', 'postgres', false) WHERE id = 1",
    "DELETE FROM t WHERE beat(secret) IS NOT NULL",
    "DELETE FROM t USING beat('x') AS b WHERE b = secret",
    "DELETE FROM t WHERE id = 1 RETURNING pg_advisory_lock(1)",
    "DELETE FROM t WHERE id = 1 RETURNING write_it()",
    "MERGE INTO t USING (VALUES (1)) x (id) ON t.id = x.id WHEN MATCHED THEN UPDATE SET secret = \
     beat('x')",
    "MERGE INTO t USING (VALUES (1)) x (id) ON t.id = x.id WHEN MATCHED AND beat('x') = 'x' THEN \
     DELETE",
    "MERGE INTO t USING (VALUES (99)) x (id) ON t.id = x.id WHEN NOT MATCHED THEN INSERT VALUES \
     (99, beat('x'))",
    "WITH d AS (DELETE FROM t WHERE id = 1 RETURNING secret) SELECT beat(secret) FROM d",
    "WITH d AS (SELECT beat('x')) DELETE FROM t USING d WHERE id = 1",
    "WITH d AS (SELECT pg_notify('a', 'b')) INSERT INTO t SELECT 100, 'x' FROM d",
    "INSERT INTO t SELECT 100, secret FROM beating_below AS x (secret)",
    "INSERT INTO t SELECT 100, line FROM passwords",
    // What nobody may read
    "INSERT INTO t SELECT 100, rolpassword FROM pg_authid",
    "INSERT INTO t SELECT 100, passwd FROM pg_shadow",
    "INSERT INTO t SELECT 100, query FROM pg_stat_activity",
    "DELETE FROM t USING pg_authid a WHERE a.rolpassword LIKE 'SCRAM%'",
    // Sequences of no table that is changed
    "INSERT INTO t VALUES (nextval('s'), 'x')",
    "INSERT INTO t VALUES (nextval('s'::text::regclass), 'x')",
    "INSERT INTO t SELECT (s.oid::regclass).nextval, 'x' FROM pg_class s WHERE relname = 's'",
    "INSERT INTO t VALUES (setval('s', 100), 'x')",
    // What is PostgreSQL's, an extension's or this server's own, and other servers
    "UPDATE pg_proc SET prosrc = 'SELECT 1' WHERE proname = 'write_it'",
    "DELETE FROM pg_class WHERE relname = 't'",
    "UPDATE pg_authid SET rolsuper = true WHERE rolname = 'ordinary'",
    "INSERT INTO pg_largeobject VALUES (4711, 0, 'x')",
    "UPDATE pg_settings SET setting = '1GB' WHERE name = 'work_mem'",
    "UPDATE pg_database SET datallowconn = false WHERE datname = 'template1'",
    "DELETE FROM pg_catalog.pg_trigger WHERE tgname = 'audit'",
    "UPDATE information_schema.sql_features SET comments = 'x' WHERE feature_id = 'B011'",
    "INSERT INTO of_extension VALUES ('x')",
    "DELETE FROM portcullis.jobs WHERE a = 'x'",
    "INSERT INTO passwords VALUES ('x')",
    "DELETE FROM parent WHERE line = 'x'",
    "UPDATE s SET last_value = 100 WHERE last_value = 1",
    // What hangs on the table
    "INSERT INTO audited VALUES ('x')",
    "UPDATE audited_if SET a = 'y' WHERE a = 'x'",
    "INSERT INTO audited_at_the_end VALUES ('x')",
    "INSERT INTO computed (a) VALUES ('x')",
    "INSERT INTO tested VALUES ('x')",
    "INSERT INTO indexed VALUES ('x')",
    "INSERT INTO indexed_in_part VALUES ('x')",
    "INSERT INTO defaulted (id) VALUES (1)",
    "INSERT INTO defaulted DEFAULT VALUES",
    "UPDATE defaulted SET a = DEFAULT",
    "INSERT INTO of_domain VALUES ('x')",
    "INSERT INTO of_composite (a.b) VALUES ('x')",
    "INSERT INTO of_operators VALUES (ROW(1)::compared)",
    "INSERT INTO parted VALUES ('x')",
    "INSERT INTO parted_of VALUES ('x', 'x')",
    "DELETE FROM owners WHERE id = 1",
    "UPDATE owners SET id = 7 WHERE id = 1",
    "MERGE INTO owners USING (VALUES (1)) x (id) ON owners.id = x.id WHEN MATCHED THEN DELETE",
    "DELETE FROM owners_of_rules WHERE id = 1",
    "DELETE FROM owners_of_defaults WHERE id = 1",
    "INSERT INTO ruled VALUES ('x')",
    "INSERT INTO ruled_to_tell VALUES ('x')",
    "DELETE FROM fired WHERE id = 1",
    // No statement that changes rows
    "SELECT 1",
    "SELECT * FROM t FOR UPDATE",
    "TRUNCATE t",
    "COPY t FROM '/etc/passwd'",
    "COPY t TO PROGRAM 'touch /tmp/portcullis-attack'",
    "CREATE TABLE escaped AS SELECT 1",
    "SELECT * INTO escaped FROM t",
    "EXPLAIN ANALYZE DELETE FROM t WHERE id = 1",
    "DO $$ BEGIN DELETE FROM t; END $$",
    "CALL do_it()",
    "PREPARE x AS DELETE FROM t",
    "EXECUTE p1",
    "DELETE FROM t WHERE id = 1; COMMIT",
    "DELETE FROM t WHERE id = 1; DELETE FROM t",
    "COMMIT",
    "LOCK TABLE t",
    "NOTIFY told",
];

/// The same where a policy holds; a superuser is above it.
pub const CHANGE_ATTACK_ON_A_POLICY: &str = "INSERT INTO forced VALUES ('y')";

/// Each changes every row, and is refused unless that is confirmed.
pub const UNCONDITIONAL: &[&str] = &[
    "DELETE FROM t",
    "DELETE FROM t WHERE true",
    "DELETE FROM t WHERE 1 = 1",
    "DELETE FROM t WHERE random() >= 0",
    "DELETE FROM t WHERE EXISTS (SELECT 1 FROM t b WHERE b.id > 0)",
    "DELETE FROM v",
    "DELETE FROM t RETURNING id",
    "UPDATE t SET secret = 'x'",
    "UPDATE t SET secret = b.secret FROM (SELECT 'x' AS secret) b",
    "WITH d AS (DELETE FROM t RETURNING id) SELECT count(*) FROM d",
    "WITH d AS (DELETE FROM t) INSERT INTO owners VALUES (9)",
    "MERGE INTO t USING (VALUES (1)) x (id) ON true WHEN MATCHED THEN DELETE",
];
