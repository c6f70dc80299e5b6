package portcullis.spark;

import java.util.ArrayList;
import java.util.List;

/** The statements that are tried on the check: reads that it must let pass, and attacks. */
final class Statements {
  static final List<String> READS =
      List.of(
          "SELECT 1",
          "VALUES (1), (2)",
          "TABLE shops",
          "FROM shops SELECT id",
          "SELECT name, count(*) FROM shops GROUP BY ALL HAVING count(*) > 0 ORDER BY 1 LIMIT 5",
          "SELECT * FROM shops a JOIN shops b USING (id) LEFT ANTI JOIN range(1) r ON a.id = r.id",
          "WITH a AS (SELECT 1 AS x) SELECT * FROM a WHERE x IN (SELECT id FROM shops)",
          "WITH RECURSIVE t(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT "
              + "* FROM t",
          "SELECT id, sum(id) OVER (ORDER BY id) FROM shops QUALIFY rank() OVER (ORDER BY id) < 3",
          "SELECT * FROM shops PIVOT (count(id) FOR name IN ('a', 'b'))",
          "SELECT * FROM shops UNPIVOT (v FOR k IN (id))",
          "SELECT explode(array(1, 2)), 'x'",
          "SELECT * FROM shops, LATERAL (SELECT shops.id + 1)",
          "SELECT * FROM shops TABLESAMPLE (50 PERCENT)",
          "SELECT * FROM range(3) UNION ALL SELECT 4 EXCEPT SELECT 1 INTERSECT SELECT 2",
          "SELECT transform(array(1, 2), x -> x + 1), from_json('{\"a\":1}', 'a INT'), "
              + "to_json(struct(1))",
          "SELECT aes_encrypt('a', '0000111122223333'), luhn_check('79927398713'), "
              + "parse_url('http://a/b', 'HOST')",
          "SELECT current_user(), current_timestamp(), rand(), uuid(), version(), "
              + "current_catalog()",
          "SELECT percentile_approx(id, 0.5), approx_count_distinct(name), collect_list(name) "
              + "FROM shops",
          "SELECT regexp_replace('a', 'b', 'c'), date_add(current_date(), 1), try_divide(1, 0), "
              + "xpath('<a/>', 'a')",
          "SELECT * FROM kept",
          "SELECT /*+ BROADCAST(shops) */ * FROM shops",
          "FROM shops |> WHERE id = 1 |> AGGREGATE count(*) AS n",
          "EXECUTE IMMEDIATE 'SELECT 1'",
          "SHOW TABLES", "SHOW DATABASES", "SHOW COLUMNS IN shops", "SHOW CREATE TABLE shops",
          "SHOW FUNCTIONS LIKE 'a*'", "SHOW VIEWS", "SHOW TBLPROPERTIES shops", "SHOW CATALOGS",
          "SHOW CURRENT NAMESPACE", "SHOW TABLE EXTENDED LIKE 'shops'", "SHOW PARTITIONS parted",
          "DESCRIBE shops", "DESCRIBE EXTENDED shops", "DESCRIBE shops id",
          "DESCRIBE DATABASE default",
          "DESCRIBE FUNCTION abs", "DESCRIBE QUERY SELECT 1", "DESCRIBE EXTENDED shops AS JSON",
          "EXPLAIN SELECT * FROM shops", "EXPLAIN FORMATTED SELECT 1", "EXPLAIN COST SELECT 1",
          "SELECT * FROM text.`OPEN/a.txt`", "SELECT * FROM text.`file:OPEN/a.txt`",
          "SELECT * FROM text.`OPEN/../open/*.txt`",
          "SELECT * FROM csv.events",
          "SELECT name, id FROM shops ORDER BY ALL DESC NULLS LAST",
          "SELECT city, sum(n) FROM VALUES ('a', 1) AS v (city, n) GROUP BY ROLLUP (city)",
          "SELECT city, sum(n) FROM VALUES ('a', 1) AS v (city, n) GROUP BY CUBE (city, n)",
          "SELECT id FROM shops GROUP BY GROUPING SETS ((id), ())",
          "SELECT count(*) FILTER (WHERE id > 0), count(DISTINCT name) FROM shops",
          "SELECT id, lag(id) OVER w, ntile(2) OVER w FROM shops WINDOW w AS (ORDER BY id)",
          "SELECT sum(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM shops",
          "SELECT * FROM shops NATURAL JOIN kept",
          "SELECT * FROM shops a FULL OUTER JOIN kept b ON a.id = b.id",
          "SELECT * FROM shops WHERE EXISTS (SELECT 1 FROM kept WHERE kept.id = shops.id)",
          "SELECT * FROM shops WHERE id = (SELECT max(id) FROM kept)",
          "SELECT * FROM shops WHERE name LIKE '%delete%' OR name RLIKE '^drop' OR name ILIKE 'A'",
          "SELECT CASE name WHEN 'a' THEN 1 ELSE 2 END, coalesce(name, '-'), nullif(name, 'a') "
              + "FROM shops",
          "SELECT 'it\\'s; DROP TABLE shops', \"a -- b\", r'\\', 'a' 'b' -- DROP TABLE shops",
          "SELECT id AS `drop`, name AS `delete from` FROM shops",
          "SELECT /* DROP /* TABLE */ shops */ 1",
          "-- DROP TABLE shops\rSELECT 1",
          "SELECT map('a', 1)['a'], array(1, 2)[0], named_struct('a', 1).a",
          "SELECT filter(array(1, 2), x -> x > 1), aggregate(array(1, 2), 0, (a, x) -> a + x), "
              + "exists(array(1), x -> x = 1), zip_with(array(1), array(2), (x, y) -> x + y)",
          "SELECT k, v FROM shops LATERAL VIEW explode(map('a', 1)) e AS k, v",
          "SELECT * FROM posexplode(array('a', 'b')), inline(array(struct(1, 'x')))",
          "SELECT get_json_object('{\"a\":1}', '$.a'), json_tuple('{\"a\":1}', 'a')",
          "SELECT parse_json('{\"a\":1}'):a, variant_get(parse_json('{\"a\":1}'), '$.a', 'int')",
          "SELECT from_csv('1', 'a INT'), schema_of_json('{\"a\":1}'), to_csv(struct(1))",
          "SELECT date_trunc('month', current_date()), make_interval(0, 0, 1), "
              + "to_timestamp('2024-01-01'), extract(year FROM current_date()), "
              + "date_format(current_date(), 'yyyy')",
          "SELECT sequence(date'2024-01-01', date'2024-01-03', interval 1 day)",
          "SELECT sha2('a', 256), md5('a'), base64('a'), hex('a'), crc32('a')",
          "SELECT split('a,b', ','), substring('abc', 2), position('b' IN 'abc'), "
              + "overlay('abc' PLACING 'x' FROM 2), trim(BOTH 'a' FROM 'aba')",
          "SELECT mode(id), median(id), stddev(id), corr(id, id), histogram_numeric(id, 2) "
              + "FROM shops",
          "SELECT any_value(name), first(name), max_by(name, id), listagg(name) FROM shops",
          "SELECT cast('1' AS INT), try_cast('a' AS INT), 1::string, int('1')",
          "SELECT * EXCEPT (name) FROM shops", "SELECT * FROM shops LIMIT 5 OFFSET 0",
          "SELECT * FROM IDENTIFIER('shops')", "SELECT current_database(), session_user()",
          "(SELECT id FROM shops) UNION (SELECT id FROM kept) ORDER BY id",
          "FROM shops |> EXTEND id + 1 AS next |> ORDER BY next |> LIMIT 1 |> DROP name",
          "FROM shops |> SET id = id + 1 |> SELECT id",
          "EXPLAIN EXTENDED SELECT * FROM shops JOIN kept USING (id)",
          "SHOW TABLES IN csv", "SHOW SCHEMAS LIKE 'c*'", "SHOW SYSTEM FUNCTIONS LIKE 'ab*'",
          "DESCRIBE TABLE csv.events", "DESC kept");

  static final List<String> REFUSED =
      List.of(
          "SELECT reflect('java.lang.System', 'setProperty', 'portcullis.broken', '1')",
          "SELECT java_method('java.lang.System', 'setProperty', 'portcullis.broken', '1')",
          "SELECT try_reflect('java.lang.System', 'setProperty', 'portcullis.broken', '1')",
          "SELECT `reflect`('java.lang.System', 'setProperty', 'portcullis.broken', '1')",
          "SELECT system.builtin.reflect('java.lang.System', 'setProperty', 'portcullis.broken', "
              + "'1')",
          "SELECT 1 WHERE reflect('java.lang.System', 'setProperty', 'portcullis.broken', '1') = "
              + "'x'",
          "WITH a AS (SELECT reflect('java.lang.System', 'setProperty', 'portcullis.broken', "
              + "'1')) SELECT * FROM a",
          "WITH a AS (SELECT reflect('java.lang.System', 'setProperty', 'portcullis.broken', "
              + "'1')) SELECT 1",
          "SELECT (SELECT reflect('java.lang.System', 'setProperty', 'portcullis.broken', '1'))",
          "SELECT 1 FROM shops WHERE EXISTS (SELECT reflect('java.lang.System', 'setProperty', "
              + "'portcullis.broken', '1'))",
          "SELECT transform(array('1'), x -> reflect('java.lang.System', 'setProperty', "
              + "'portcullis.broken', x))",
          "SELECT IF(true, 1, reflect('java.lang.System', 'setProperty', 'portcullis.broken', "
              + "'1'))",
          "SELECT 1 ORDER BY reflect('java.lang.System', 'setProperty', 'portcullis.broken', '1')",
          "SELECT 1 AS a GROUP BY reflect('java.lang.System', 'setProperty', "
              + "'portcullis.broken', '1')",
          "EXECUTE IMMEDIATE 'SELECT reflect(''java.lang.System'', ''setProperty'', "
              + "''portcullis.broken'', ''1'')'",
          "EXECUTE IMMEDIATE 'DROP TABLE shops'",
          "EXPLAIN SELECT reflect('java.lang.System', 'setProperty', 'portcullis.broken', '1')",
          "EXPLAIN DROP TABLE shops",
          "DESCRIBE QUERY SELECT reflect('java.lang.System', 'setProperty', 'portcullis.broken', "
              + "'1')",
          "SELECT TRANSFORM (id) USING 'touch OPEN/made' AS (x) FROM shops",
          "FROM shops MAP id USING 'touch OPEN/made' AS x",
          "FROM (SELECT id FROM shops) REDUCE id USING 'touch OPEN/made' AS x",
          "SELECT * FROM text.`/etc/passwd`", "SELECT * FROM text.`file:/etc/passwd`",
          "SELECT * FROM text.`file:///etc/passwd`", "SELECT * FROM TEXT.`/etc/*`",
          "SELECT * FROM csv.`/no/such/file`", "SELECT * FROM json.`http://127.0.0.1:1/x`",
          "SELECT * FROM binaryFile.`/etc/hostname`", "SELECT * FROM parquet.`s3a://bucket/x`",
          "SELECT * FROM text.`OPEN/../shut.txt`", "SELECT * FROM text.`OPENER/a.txt`",
          "SELECT * FROM text.`{OPEN/a.txt,/etc/passwd}`", "TABLE text.`/etc/passwd`",
          "SELECT (SELECT max(value) FROM text.`/etc/passwd`)",
          "WITH a AS (SELECT * FROM text.`/etc/passwd`) SELECT 1",
          "SELECT * FROM IDENTIFIER('text.`/etc/passwd`')",
          "EXPLAIN SELECT * FROM text.`/etc/passwd`",
          "SELECT twice(1)", "SELECT * FROM over_code",
          "DROP TABLE shops", "DELETE FROM shops", "TRUNCATE TABLE shops",
          "INSERT INTO shops VALUES (3, 'c')", "INSERT OVERWRITE shops VALUES (3, 'c')",
          "INSERT OVERWRITE DIRECTORY 'OPEN/made' USING csv SELECT 1",
          "WITH a AS (SELECT 1) INSERT INTO shops SELECT 3, 'c'",
          "FROM shops INSERT INTO shops SELECT *",
          "UPDATE shops SET id = 3",
          "MERGE INTO shops USING shops s ON false WHEN NOT MATCHED THEN INSERT *",
          "CREATE TABLE made (id INT)", "CREATE TABLE made USING parquet AS SELECT 1 AS a",
          "CREATE TABLE made USING text LOCATION '/etc'",
          "CREATE TEMPORARY VIEW made AS SELECT 1", "CREATE OR REPLACE VIEW made AS SELECT 1",
          "CREATE TEMPORARY VIEW made USING text OPTIONS (path '/etc/passwd')",
          "CREATE FUNCTION made AS 'java.lang.String'",
          "CREATE TEMPORARY FUNCTION made AS 'java.lang.String'",
          "CREATE FUNCTION made(x INT) RETURNS INT RETURN x", "CREATE DATABASE made",
          "ALTER TABLE shops RENAME TO made", "ALTER TABLE shops ADD COLUMNS (x INT)",
          "DROP VIEW kept",
          "SET spark.sql.shuffle.partitions=1", "SET spark.portcullis.access=write", "SET", "RESET",
          "DECLARE x INT DEFAULT 1", "USE default", "SET TIME ZONE 'UTC'",
          "ADD JAR 'OPEN/a.txt'", "ADD FILE 'OPEN/a.txt'", "LIST JARS", "CACHE TABLE shops",
          "CLEAR CACHE",
          "REFRESH TABLE shops", "REFRESH 'OPEN'", "ANALYZE TABLE shops COMPUTE STATISTICS",
          "MSCK REPAIR TABLE parted", "LOAD DATA LOCAL INPATH '/etc/passwd' INTO TABLE shops",
          "COMMENT ON TABLE shops IS 'x'", "EXPLAIN INSERT INTO shops VALUES (3, 'c')",
          "BEGIN DROP TABLE shops; END", "BEGIN SELECT 1; DROP TABLE shops; END",
          "SELECT * FROM csv.`shut.txt`", "SELECT * FROM text.`%2Fetc%2Fpasswd`",
          // Behind comments and literals that end elsewhere than they seem to
          "-- a\rDROP TABLE shops", "-- a\r\nDROP TABLE shops", "--\nDROP TABLE shops",
          "/* a */ DROP TABLE shops", "/* /* a */ */ DROP TABLE shops",
          "DROP/**/TABLE/**/shops", "dRoP\ttAbLe\nshops", "DROP TABLE shops -- SELECT 1",
          "DROP TABLE shops;", "WITH a AS (SELECT r'\\') INSERT OVERWRITE shops SELECT 3, 'c'",
          "WITH a AS (SELECT R\"\\\") INSERT INTO shops SELECT 3, 'c'",
          "WITH a AS (SELECT 'it\\'s') INSERT INTO shops SELECT 3, 'c'",
          "INSERT INTO shops SELECT 3, r'\\' -- '",
          // Texts that are statements
          "EXECUTE IMMEDIATE r'DROP TABLE shops'", "EXECUTE IMMEDIATE \"DROP TABLE shops\"",
          "EXECUTE IMMEDIATE 'DROP ' 'TABLE shops'", "EXECUTE IMMEDIATE 'DROP ' || 'TABLE shops'",
          "EXECUTE IMMEDIATE '-- a\rDROP TABLE shops'",
          "EXECUTE IMMEDIATE 'INSERT INTO shops VALUES (?, ?)' USING 3, 'c'",
          "EXECUTE IMMEDIATE 'SELECT * FROM text.`/etc/passwd`'",
          "DROP TABLE IDENTIFIER('shops')", "DROP TABLE IDENTIFIER('sh' || 'ops')",
          "INSERT INTO IDENTIFIER('shops') VALUES (3, 'c')",
          // Tables, views, functions and databases
          "DROP TABLE shops PURGE", "DROP TABLE IF EXISTS shops", "DROP DATABASE csv CASCADE",
          "DROP TABLE csv.events", "DROP VIEW IF EXISTS kept",
          "TRUNCATE TABLE parted PARTITION (d = 1)", "INSERT INTO shops TABLE shops",
          "INSERT INTO shops (id) VALUES (3)",
          "INSERT OVERWRITE TABLE parted PARTITION (d = 1) SELECT 3",
          "INSERT INTO parted PARTITION (d) SELECT 1, 2",
          "INSERT OVERWRITE LOCAL DIRECTORY 'OPEN/made' USING parquet SELECT 1",
          "INSERT OVERWRITE DIRECTORY USING csv OPTIONS (path 'OPEN/made') SELECT 1",
          "FROM shops INSERT INTO shops SELECT id, name INSERT INTO shops SELECT id, name",
          "FROM shops INSERT OVERWRITE DIRECTORY 'OPEN/made' USING csv SELECT *",
          "CREATE TABLE IF NOT EXISTS made (a INT)", "CREATE TABLE made LIKE shops",
          "CREATE TABLE made (a INT) USING csv LOCATION 'OPEN/made'",
          "CREATE TABLE csv.made USING parquet AS SELECT 1 AS a",
          "CREATE GLOBAL TEMPORARY VIEW made AS SELECT 1", "CREATE VIEW made AS SELECT 1",
          "CREATE OR REPLACE TEMPORARY VIEW kept AS SELECT 2",
          "CREATE TEMPORARY FUNCTION made(x INT) RETURNS INT RETURN x",
          "CREATE OR REPLACE FUNCTION made AS 'java.lang.String' USING JAR 'OPEN/a.txt'",
          "CREATE SCHEMA made LOCATION 'OPEN/made'",
          "ALTER TABLE shops SET TBLPROPERTIES ('a' = 'b')",
          "ALTER TABLE shops UNSET TBLPROPERTIES IF EXISTS ('a')",
          "ALTER TABLE shops SET LOCATION 'OPEN'", "ALTER TABLE shops ALTER COLUMN id COMMENT 'x'",
          "ALTER TABLE parted ADD PARTITION (d = 1)",
          "ALTER TABLE parted DROP IF EXISTS PARTITION (d = 1)",
          "ALTER TABLE parted RECOVER PARTITIONS", "ALTER VIEW kept AS SELECT 2",
          "ALTER VIEW kept RENAME TO made", "ALTER VIEW kept SET TBLPROPERTIES ('a' = 'b')",
          "ALTER DATABASE csv SET DBPROPERTIES ('a' = 'b')", "COMMENT ON DATABASE csv IS 'x'",
          // The session, the server's memory and its files
          "SET spark.sql.ansi.enabled", "SET -v", "SET spark.portcullis.files=/",
          "SET `spark.portcullis.access`=`write`", "RESET spark.portcullis.access",
          "SET TIME ZONE LOCAL", "SET CATALOG spark_catalog", "USE csv", "USE NAMESPACE csv",
          "DECLARE OR REPLACE VARIABLE x INT", "ADD ARCHIVE 'OPEN/a.txt'",
          "ADD JARS 'OPEN/a.txt' 'OPEN/b.txt'", "LIST FILES", "LIST ARCHIVES",
          "CACHE LAZY TABLE shops", "CACHE TABLE made AS SELECT 1", "UNCACHE TABLE IF EXISTS shops",
          "REFRESH TABLE csv.events", "ANALYZE TABLE shops COMPUTE STATISTICS FOR ALL COLUMNS",
          "ANALYZE TABLES IN csv COMPUTE STATISTICS NOSCAN",
          "MSCK REPAIR TABLE parted DROP PARTITIONS",
          "LOAD DATA LOCAL INPATH 'OPEN/a.txt' OVERWRITE INTO TABLE shops",
          // Plans of what is refused
          "EXPLAIN EXTENDED DROP TABLE shops",
          "EXPLAIN FORMATTED INSERT INTO shops VALUES (3, 'c')",
          "EXPLAIN CREATE TABLE made USING parquet AS SELECT 1 AS a", "EXPLAIN SET a.b = 1");

  /** Refused by Spark itself, which has no such statement, or none here. */
  static final List<String> NO_STATEMENTS =
      List.of(
          "SELECT 1; DROP TABLE shops", "SELECT r'\\'; DROP TABLE shops --'",
          "SELECT 'a\\'; DROP TABLE shops --", "; DROP TABLE shops",
          "SELECT 1 /* a */ */ ; DROP TABLE shops", "DROP TABLE shops; SELECT 1",
          "WITH a AS (DELETE FROM shops RETURNING *) SELECT * FROM a",
          "WITH a AS (INSERT INTO shops VALUES (3, 'c')) SELECT 1",
          "SELECT * FROM (DROP TABLE shops)", "SELECT (DELETE FROM shops)",
          "SELECT * INTO made FROM shops", "REPLACE TABLE shops USING parquet AS SELECT 1 AS a",
          "CREATE OR REPLACE TABLE made USING parquet AS SELECT 1 AS a",
          "INSERT INTO shops REPLACE WHERE id = 1 SELECT 3, 'c'", "CALL system.made()",
          "GRANT ALL ON shops TO PUBLIC", "REVOKE ALL ON shops FROM PUBLIC", "SET ROLE admin",
          "LOCK TABLE shops EXCLUSIVE", "COMMIT", "ROLLBACK", "START TRANSACTION",
          "EXPORT TABLE shops TO 'OPEN/made'", "IMPORT TABLE made FROM 'OPEN'",
          "DFS -rm OPEN/a.txt",
          "CREATE INDEX made ON TABLE shops (id)", "CREATE ROLE made",
          "CREATE MATERIALIZED VIEW made AS SELECT 1", "CREATE STREAMING TABLE made",
          "COPY INTO shops FROM 'OPEN'", "OPTIMIZE shops", "VACUUM shops", "RESTORE TABLE shops",
          "SET VARIABLE x = 1", "DROP TEMPORARY VARIABLE x", "SELECT ${env:PATH}");

  /** Expressions that run code of the caller's choice, some in disguise. */
  static final List<String> CODE =
      List.of(
          "reflect(SET_PROPERTY)", "java_method(SET_PROPERTY)", "try_reflect(SET_PROPERTY)",
          "`reflect` /* ( */ (SET_PROPERTY)", "system.builtin.ReFlect(SET_PROPERTY)",
          "concat('a', reflect(SET_PROPERTY))", "cast(length(twice(1)) AS string)");

  /** Places of an expression in a statement; in some of them Spark computes it to analyse. */
  static final List<String> PLACES_OF_EXPRESSIONS =
      List.of(
          "SELECT CODE", "VALUES (CODE)", "SELECT * FROM VALUES (CODE) AS v (a)",
          "SELECT 1 WHERE CODE IS NULL", "SELECT id FROM shops ORDER BY CODE",
          "SELECT count(*) FROM shops GROUP BY CODE", "SELECT max(CODE) FROM shops",
          "SELECT count(*) FROM shops HAVING CODE IS NULL",
          "SELECT count(*) FILTER (WHERE CODE IS NULL) FROM shops",
          "SELECT CASE WHEN false THEN CODE END", "SELECT IF(true, 'a', CODE)",
          "SELECT coalesce('a', CODE)", "SELECT array(CODE)[0]", "SELECT map('a', CODE)",
          "SELECT struct(CODE).col1", "SELECT transform(array(1), x -> CODE)",
          "SELECT filter(array(1), x -> CODE IS NULL)",
          "SELECT aggregate(array(1), 'a', (a, x) -> CODE)", "SELECT explode(array(CODE))",
          "SELECT * FROM explode(array(CODE))",
          "SELECT * FROM shops LATERAL VIEW explode(array(CODE)) e AS x",
          "SELECT * FROM range(length(CODE))", "SELECT 1 LIMIT length(CODE)",
          "SELECT 1 OFFSET length(CODE)", "SELECT * FROM IDENTIFIER(CODE)",
          "SELECT IDENTIFIER(CODE) FROM shops", "EXECUTE IMMEDIATE CODE",
          "EXECUTE IMMEDIATE 'SELECT ?' USING CODE", "SELECT from_json('{}', CODE)",
          "SELECT schema_of_json(CODE)", "SELECT percentile_approx(id, length(CODE)) FROM shops",
          "SELECT * FROM shops PIVOT (max(id) FOR name IN (CODE))",
          "SELECT * FROM shops TIMESTAMP AS OF CODE",
          "SELECT rank() OVER (ORDER BY CODE) FROM shops",
          "SELECT count(*) OVER (PARTITION BY CODE) FROM shops",
          "SELECT * FROM shops a JOIN shops b ON CODE IS NULL", "SELECT (SELECT CODE)",
          "SELECT 1 FROM shops WHERE EXISTS (SELECT CODE)",
          "SELECT 1 FROM shops WHERE name IN (SELECT CODE)", "SELECT 'a' UNION ALL SELECT CODE",
          "SELECT * FROM (SELECT CODE AS a)", "WITH a AS (SELECT CODE AS b) SELECT * FROM a",
          "WITH a AS (SELECT CODE AS b) SELECT 1", "SELECT * FROM shops, LATERAL (SELECT CODE)",
          "FROM shops |> SELECT CODE", "FROM shops |> WHERE CODE IS NULL", "EXPLAIN SELECT CODE",
          "DESCRIBE QUERY SELECT CODE", "DECLARE x STRING DEFAULT CODE",
          "CREATE TABLE made (a STRING DEFAULT CODE) USING parquet",
          "CREATE TEMPORARY FUNCTION made() RETURNS STRING RETURN CODE");

  /** Files that are no tables, by names that Spark takes for them. */
  static final List<String> FILES =
      List.of(
          "text.`/etc/passwd`", "csv.`file:///etc/passwd`", "json.`OPEN/../shut.txt`",
          "binaryFile.`/etc/hostname`", "TEXT.`/etc/*`", "parquet.`s3a://bucket/x`",
          "IDENTIFIER('text.`/etc/passwd`')");

  /** Places of a table in a statement. */
  static final List<String> PLACES_OF_TABLES =
      List.of(
          "TABLE FILE", "FROM FILE SELECT *", "SELECT 1 FROM shops JOIN FILE ON true",
          "SELECT 1 FROM shops, FILE", "SELECT (SELECT count(*) FROM FILE)",
          "SELECT 1 FROM shops WHERE EXISTS (SELECT * FROM FILE)",
          "SELECT 1 FROM shops WHERE id IN (SELECT 1 FROM FILE)",
          "WITH a AS (SELECT * FROM FILE) SELECT * FROM a",
          "WITH a AS (SELECT * FROM FILE) SELECT 1", "SELECT 1 UNION ALL SELECT 1 FROM FILE",
          "SELECT 1 EXCEPT SELECT 1 FROM FILE", "SELECT * FROM (SELECT * FROM FILE) x",
          "SELECT * FROM shops, LATERAL (SELECT * FROM FILE)", "FROM FILE |> LIMIT 1",
          "SELECT * FROM FILE TABLESAMPLE (1 ROWS)", "DESCRIBE QUERY SELECT * FROM FILE",
          "EXPLAIN EXTENDED SELECT * FROM FILE", "INSERT INTO shops SELECT 3, 'c' FROM FILE",
          "CREATE VIEW made AS SELECT * FROM FILE");

  /** Ways to name a file as a table; which files there are must not show in what is said. */
  static final List<String> NAMING =
      List.of(
          "SELECT * FROM text.`FILE`", "TABLE text.`FILE`", "SELECT * FROM CSV.`FILE`",
          "SELECT * FROM text.`*FILE`", "SELECT * FROM text.`./FILE`", "DESCRIBE text.`FILE`",
          "SELECT * FROM `org.apache.spark.sql.execution.datasources.text.TextFileFormat`.`FILE`",
          "SELECT * FROM text.`FILE` WITH (lineSep = 'x')", "SELECT * FROM STREAM text.`FILE`",
          "SELECT * FROM text.`FILE` VERSION AS OF 1", "SELECT * FROM jdbc.`FILE`",
          "EXPLAIN SELECT * FROM text.`FILE`", "SELECT * FROM nowhere.`FILE`",
          "SELECT * FROM IDENTIFIER('text.`FILE`')", "SELECT * FROM text.`/etc/FILE`",
          "EXECUTE IMMEDIATE 'SELECT * FROM text.`FILE`'");

  /** Texts that Spark would fill in with what it knows of its server, before it reads them. */
  static final List<String> AS_WRITTEN =
      List.of(
          "${env:PATH}", "${system:user.dir}", "${spark.app.id}", "${hiveconf:spark.app.id}",
          "${spark:spark.app.id}", "${hivevar:spark.app.id}", "${sparkconf:spark.app.id}",
          "${spark.sql.variable.substitute}", "${env:${system:portcullis.name}}");

  /** Scripts, whose answer the data server asks for as rows, with a limit. */
  static final List<String> SCRIPTS =
      List.of(
          "BEGIN SELECT 1; END", "BEGIN END", "BEGIN DROP TABLE shops; END",
          "BEGIN DECLARE x INT DEFAULT 1; SELECT x; END",
          "/* a */ BEGIN IF true THEN SELECT 1; END IF; END");

  private Statements() {}

  /** Every expression that runs code, at every place, and every file at every place. */
  static List<String> composed() {
    List<String> statements = new ArrayList<>();
    String setProperty = "'java.lang.System', 'setProperty', 'portcullis.broken', '1'";
    for (String place : PLACES_OF_EXPRESSIONS) {
      for (String code : CODE) {
        statements.add(place.replace("CODE", code).replace("SET_PROPERTY", setProperty));
      }
    }
    for (String place : PLACES_OF_TABLES) {
      for (String file : FILES) {
        statements.add(place.replace("FILE", file));
      }
    }
    return statements;
  }
}
