package portcullis.spark;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.spark.api.java.function.MapFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.api.java.UDF1;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.plans.logical.Limit;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;

/**
 * Runs the check on a real Spark: a program that ends with 0 if every row of its tables went as the
 * row says, and prints those that did not. Its argument is a folder that it may fill.
 */
public final class RuleTable {
  private static final List<String> READS =
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
          "SELECT * FROM csv.events");

  private static final List<String> REFUSED =
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
          "SELECT * FROM csv.`shut.txt`", "SELECT * FROM text.`%2Fetc%2Fpasswd`");

  /** Ways to name a file as a table; which files there are must not show in what is said. */
  private static final List<String> NAMING =
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
  private static final List<String> AS_WRITTEN =
      List.of(
          "${env:PATH}", "${system:user.dir}", "${spark.app.id}", "${hiveconf:spark.app.id}",
          "${spark:spark.app.id}", "${hivevar:spark.app.id}", "${sparkconf:spark.app.id}",
          "${spark.sql.variable.substitute}", "${env:${system:portcullis.name}}");

  /** Scripts, whose answer the data server asks for as rows, with a limit. */
  private static final List<String> SCRIPTS =
      List.of(
          "BEGIN SELECT 1; END", "BEGIN END", "BEGIN DROP TABLE shops; END",
          "BEGIN DECLARE x INT DEFAULT 1; SELECT x; END",
          "/* a */ BEGIN IF true THEN SELECT 1; END IF; END");

  private static int wrong = 0;

  private RuleTable() {}

  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[0]).toRealPath();
    Path open = Files.createDirectory(folder.resolve("open"));
    Files.writeString(open.resolve("a.txt"), "a\n");
    Files.writeString(folder.resolve("shut.txt"), "shut\n");
    Files.createDirectory(folder.resolve("opener"));
    Files.writeString(folder.resolve("opener/a.txt"), "a\n");
    SparkSession spark =
        SparkSession.builder()
            .master("local[1]")
            .config("spark.ui.enabled", "false")
            .config("spark.sql.warehouse.dir", folder.resolve("warehouse").toString())
            .config("spark.sql.shuffle.partitions", "1")
            .config("spark.sql.extensions", ReadOnlyExtension.class.getName())
            .config("spark.portcullis.files", open.toString())
            .getOrCreate();
    SparkSession writer = spark.newSession();
    writer.conf().set(ReadOnlyExtension.ACCESS, "write");
    writer.sql("CREATE TABLE shops USING parquet AS SELECT 1 AS id, 'a' AS name");
    writer.sql("CREATE TABLE parted (id INT, d INT) USING parquet PARTITIONED BY (d)");
    writer.sql("CREATE DATABASE csv");
    writer.sql("CREATE TABLE csv.events USING parquet AS SELECT 1 AS id");
    writer.sql("CREATE VIEW kept AS SELECT id FROM shops");
    writer.sql("CREATE VIEW over_code AS SELECT java_method('java.lang.Math', 'abs', -1) AS x");
    SparkSession reader = spark.newSession();
    reader.udf().register("twice", (UDF1<Integer, Integer>) n -> n * 2, DataTypes.IntegerType);

    for (String sql : READS) {
      expect(false, sql, () -> rows(reader.sql(placed(sql, open))));
    }
    for (String sql : REFUSED) {
      expect(true, sql, () -> rows(reader.sql(placed(sql, open))));
    }
    for (String sql : NAMING) {
      String there = said(reader, sql.replace("FILE", "shut.txt")).replace("shut.txt", "FILE");
      String missing = said(reader, sql.replace("FILE", "none.txt")).replace("none.txt", "FILE");
      if (!there.equals(missing)) {
        fail("it tells which files there are: " + sql + "\n    " + there + "\n    " + missing);
      }
    }
    System.setProperty("portcullis.name", "PATH");
    for (String text : AS_WRITTEN) {
      for (String form : List.of("SELECT '%s'", "EXECUTE IMMEDIATE 'SELECT ''%s'''")) {
        String said = said(reader, String.format(form, text));
        if (!said.equals("[[" + text + "]]")) {
          fail("a text is not taken as it is written: " + text + " is " + said);
        }
      }
    }
    for (String sql : SCRIPTS) {
      expect(true, "with a limit: " + sql, () -> limited(reader, sql).collectAsList());
    }
    plansWithoutSql(reader, open);

    boolean untouched =
        System.getProperty("portcullis.broken") == null
            && !Files.exists(open.resolve("made"))
            && writer.sql("SELECT * FROM shops").count() == 1
            && writer.sql("SHOW TABLES LIKE 'made'").count() == 0;
    if (!untouched) {
      fail("something that was refused took effect");
    }
    spark.stop();
    System.out.println(wrong == 0 ? "every row as expected" : wrong + " rows are wrong");
    System.exit(wrong == 0 ? 0 : 1);
  }

  /** Plans as clients build them of relations and functions, without a word of SQL. */
  private static void plansWithoutSql(SparkSession reader, Path open) {
    expect(false, "a range", () -> reader.range(3).filter("id > 1").collect());
    expect(false, "an open file", () -> reader.read().text(open + "/a.txt").collect());
    expect(true, "a shut file", () -> reader.read().text("/etc/passwd").collect());
    expect(
        true,
        "a shut file as a format",
        () -> reader.read().format("csv").load("/etc/hosts").collect());
    expect(
        true,
        "an open file beside a shut one",
        () -> reader.read().text(open + "/a.txt", "/etc/passwd").collect());
    expect(true, "a function of a client", () -> {
      var called = functions.callUDF("twice", functions.lit(1));
      return reader.range(1).select(called).collect();
    });
    expect(true, "an unnamed function", () -> {
      var function = functions.udf((UDF1<Long, Long>) n -> n, DataTypes.LongType);
      return reader.range(1).select(function.apply(functions.col("id"))).collect();
    });
    expect(true, "typed code", () -> {
      Dataset<Long> mapped = reader.range(1).map((MapFunction<Long, Long>) n -> n, Encoders.LONG());
      return mapped.toDF().collect();
    });
    expect(
        true, "a stream of rows", () -> reader.readStream().format("rate").load().limit(1));
    expect(true, "reflection", () -> {
      var system = functions.lit("java.lang.System");
      var called = functions.java_method(system, functions.lit("lineSeparator"));
      return reader.range(1).select(called).collect();
    });
    expect(true, "a write", () -> {
      reader.range(1).write().csv(open + "/made");
      return null;
    });
    expect(true, "a table", () -> {
      reader.range(1).write().saveAsTable("made");
      return null;
    });
    expect(true, "a view", () -> {
      reader.range(1).createTempView("made");
      return null;
    });
  }

  private static String said(SparkSession session, String sql) {
    try {
      return Arrays.toString(rows(session.sql(sql)));
    } catch (Exception refused) {
      // Spark counts the columns that it has ever named.
      return String.valueOf(refused.getMessage()).replaceAll("#\\d+", "#");
    }
  }

  /** A statement as Spark Connect runs it when it is asked for some rows of its answer. */
  private static Dataset<Row> limited(SparkSession session, String sql) throws Exception {
    var classic = (org.apache.spark.sql.classic.SparkSession) session;
    LogicalPlan statement = classic.sessionState().sqlParser().parsePlan(sql);
    Object limit = Limit.apply(new Literal(5, DataTypes.IntegerType), statement);
    return org.apache.spark.sql.classic.Dataset.ofRows(classic, (LogicalPlan) limit);
  }

  private static Row[] rows(Dataset<Row> answer) {
    return answer.collectAsList().toArray(Row[]::new);
  }

  private static String placed(String sql, Path open) {
    return sql.replace("OPENER", open + "er").replace("OPEN", open.toString());
  }

  private static void expect(boolean refused, String what, Callable<?> work) {
    try {
      Object answer = work.call();
      // EXPLAIN tells its caller of the refusal in place of the plan.
      boolean told = answer instanceof Row[] rows && Arrays.toString(rows).contains(Refusal.MARK);
      if (refused && !told) {
        fail("it ran: " + what);
      }
    } catch (Throwable thrown) {
      if (!refused) {
        fail("it did not run: " + what + "\n    " + first(thrown));
      } else if (!String.valueOf(thrown.getMessage()).contains(Refusal.MARK)) {
        fail("Spark itself refused: " + what + "\n    " + first(thrown));
      }
    }
  }

  private static String first(Throwable thrown) {
    String line = String.valueOf(thrown.getMessage()).lines().findFirst().orElse("");
    return thrown.getClass().getName() + ": " + line;
  }

  private static void fail(String why) {
    wrong++;
    System.out.println("WRONG " + why);
  }
}
