package portcullis.spark;

import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.UnresolvedHint;
import scala.jdk.javaapi.CollectionConverters;

/** What each statement would do, by the verdict that Spark's parser leads to. */
final class Verdicts {
  private static final Map<String, String> EXPECTED = new TreeMap<>();

  static {
    for (String sql :
        new String[] {
          "SELECT 1", "SELECT * FROM nowhere", "SHOW TABLES", "EXPLAIN DROP TABLE shops",
          "WITH a AS (SELECT 1 AS x) SELECT x FROM a WHERE x IN (SELECT 2)", "VALUES (1), (2)",
          "DESCRIBE shops", "TABLE IDENTIFIER('shops')", "SELECT 'drop table' AS update",
          "FROM shops |> WHERE id > 1", "SELECT id FROM shops GROUP BY ALL HAVING id > 1",
          "SELECT * FROM range(3) LIMIT 2", "SELECT sum(id) OVER w FROM shops WINDOW w AS ()"
        }) {
      EXPECTED.put(sql, "reads");
    }
    for (String sql :
        new String[] {
          "INSERT INTO shops SELECT replace('a', 'b', 'c')", "CREATE TABLE a (b INT)",
          "CREATE VIEW a AS SELECT 1", "CREATE TEMPORARY VIEW a AS SELECT 1", "USE csv",
          "SET a.b = 1", "CREATE TABLE a AS SELECT 1", "BEGIN SELECT 1; END",
          "ALTER TABLE shops RENAME TO gone", "CACHE TABLE shops", "DECLARE a INT"
        }) {
      EXPECTED.put(sql, "changes");
    }
    for (String sql :
        new String[] {
          "-- \\\n'\nDROP TABLE shops", "/* /* */ ' */ DROP TABLE shops",
          "DROP TABLE /* an \u202eother */ shops"
        }) {
      EXPECTED.put(sql, "destroys drop table: `shops`");
    }
    EXPECTED.put("DROP TABLE csv.`a\n`", "destroys drop table: `csv`.`a\\u{A}`");
    EXPECTED.put("ALTER VIEW kept AS SELECT 2 AS id", "destroys alter view as: `kept`");
    EXPECTED.put(
        "DELETE FROM shops WHERE /* all */ id = 1",
        "destroys delete from table: `shops` where (id = 1)");
    EXPECTED.put("DELETE FROM shops", "destroys delete from table: `shops`, every row");
    EXPECTED.put("UPDATE shops SET id = 2", "destroys update table: `shops`, every row");
    EXPECTED.put(
        "UPDATE shops SET id = 2 WHERE name = 'a\u202e'",
        "destroys update table: `shops` where (name = 'a\\u{202E}')");
    EXPECTED.put(
        "DELETE FROM shops WHERE id = 1 OR name = '" + "x".repeat(400) + "' OR true",
        "destroys delete from table: `shops` where (((id = 1) OR (name = '" + "x".repeat(277)
            + "… and 135 more characters");
    EXPECTED.put(
        "WITH a AS (SELECT /*+ BROADCAST('*/') */ 1 AS a) FROM a INSERT OVERWRITE TABLE shops "
            + "SELECT a",
        "destroys insert into statement that replaces or removes: `shops`");
    EXPECTED.put("BEGIN SELECT 1; DROP TABLE shops; END", "destroys drop table: `shops`");
    EXPECTED.put(
        "EXECUTE IMMEDIATE 'DROP TABLE shops'",
        "destroys execute immediate 'DROP TABLE shops'");
  }

  private Verdicts() {}

  /** Tells of each row whose verdict is another one. */
  static void check(SparkSession session, Consumer<String> fail) {
    EXPECTED.forEach(
        (sql, expected) -> {
          String found = verdict(session, sql);
          if (!found.equals(expected)) {
            fail.accept("the verdict on " + sql + " is " + found);
          }
        });
  }

  private static String verdict(SparkSession session, String sql) {
    var classic = (org.apache.spark.sql.classic.SparkSession) session;
    try {
      LogicalPlan statement = classic.sessionState().sqlParser().parsePlan(sql);
      var none = CollectionConverters.asScala(java.util.List.<
          org.apache.spark.sql.catalyst.expressions.Expression>of()).toSeq();
      Object question = new UnresolvedHint("portcullis_verdict", none, statement);
      org.apache.spark.sql.classic.Dataset.ofRows(classic, (LogicalPlan) question);
      return "none";
    } catch (Throwable thrown) {
      return String.valueOf(thrown.getMessage()).replace(Refusal.MARK + "verdict: ", "");
    }
  }
}
