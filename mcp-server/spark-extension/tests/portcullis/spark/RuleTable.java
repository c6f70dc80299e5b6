package portcullis.spark;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

    count();
    Verdicts.check(writer, RuleTable::fail);
    fixedSettings(spark.newSession(), "read");
    fixedSettings(spark.newSession(), "write");
    List<String> before = state(writer, reader, folder);
    for (String sql : Statements.READS) {
      expect(false, sql, () -> rows(reader.sql(placed(sql, open))));
    }
    for (String sql : Statements.REFUSED) {
      expect(true, sql, () -> rows(reader.sql(placed(sql, open))));
    }
    for (String sql : Statements.NO_STATEMENTS) {
      expectFailure(sql, () -> rows(reader.sql(placed(sql, open))));
    }
    for (String sql : Statements.composed()) {
      expectFailure(sql, () -> rows(reader.sql(placed(sql, open))));
    }
    for (String sql : Statements.NAMING) {
      String there = said(reader, sql.replace("FILE", "shut.txt")).replace("shut.txt", "FILE");
      String missing = said(reader, sql.replace("FILE", "none.txt")).replace("none.txt", "FILE");
      if (!there.equals(missing)) {
        fail("it tells which files there are: " + sql + "\n    " + there + "\n    " + missing);
      }
    }
    System.setProperty("portcullis.name", "PATH");
    for (String text : Statements.AS_WRITTEN) {
      for (String form : List.of("SELECT '%s'", "EXECUTE IMMEDIATE 'SELECT ''%s'''")) {
        String said = said(reader, String.format(form, text));
        if (!said.equals("[[" + text + "]]")) {
          fail("a text is not taken as it is written: " + text + " is " + said);
        }
      }
    }
    for (String sql : Statements.SCRIPTS) {
      expect(true, "with a limit: " + sql, () -> limited(reader, sql).collectAsList());
    }
    plansWithoutSql(reader, open);

    List<String> after = state(writer, reader, folder);
    before.stream().filter(line -> !after.contains(line)).forEach(line -> fail("gone: " + line));
    after.stream().filter(line -> !before.contains(line)).forEach(line -> fail("come: " + line));
    spark.stop();
    System.out.println(wrong == 0 ? "every row as expected" : wrong + " rows are wrong");
    System.exit(wrong == 0 ? 0 : 1);
  }

  /** No session changes how its texts are read, nor what it may do. */
  private static void fixedSettings(SparkSession session, String access) {
    session.conf().set(ReadOnlyExtension.ACCESS, access);
    for (String key : List.of(ReadOnlyExtension.SUBSTITUTE, ReadOnlyExtension.ACCESS)) {
      for (String form : List.of("SET %s=true", "SET `%s` = true", "SET   %s  =true", "RESET %s")) {
        String sql = String.format(form, key);
        expect(true, access + ": " + sql, () -> rows(session.sql(sql)));
      }
    }
    if (access.equals("write")) {
      rows(session.sql("RESET"));
    }
    String said = said(session, "SELECT '${spark.app.id}'");
    if (!said.equals("[[${spark.app.id}]]")) {
      fail("a text is not taken as it is written: " + said);
    }
  }

  /** So many attacks and reads were asked for. */
  private static void count() {
    int written =
        Statements.REFUSED.size() + Statements.NO_STATEMENTS.size() + Statements.NAMING.size();
    int attacks = written + Statements.composed().size();
    if (written < 200 || attacks < 700 || Statements.READS.size() < 80) {
      fail(attacks + " attacks and " + Statements.READS.size() + " reads are too few");
    }
  }

  /** Everything that an attack might change: the catalogue, rows, settings, files, this process. */
  private static List<String> state(SparkSession writer, SparkSession reader, Path folder)
      throws Exception {
    List<String> lines = new ArrayList<>();
    lines.add("property " + System.getProperty("portcullis.broken"));
    for (String sql :
        List.of(
            "SHOW DATABASES", "SHOW TABLES", "SHOW TABLES IN csv", "SHOW TABLES IN global_temp",
            "SHOW USER FUNCTIONS", "SHOW PARTITIONS parted", "DESCRIBE EXTENDED shops",
            "DESCRIBE EXTENDED parted", "DESCRIBE EXTENDED csv.events", "DESCRIBE EXTENDED kept",
            "DESCRIBE DATABASE EXTENDED csv", "SELECT * FROM shops", "SELECT * FROM parted",
            "LIST JARS", "LIST FILES", "LIST ARCHIVES")) {
      for (Row row : writer.sql(sql).collectAsList()) {
        lines.add(sql + " " + row);
      }
    }
    reader.sql("SHOW TABLES").collectAsList().forEach(row -> lines.add("reader " + row));
    reader.sql("SHOW USER FUNCTIONS").collectAsList().forEach(row -> lines.add("reader " + row));
    lines.add("reader in " + reader.catalog().currentDatabase());
    var settings = reader.conf().getAll().iterator();
    while (settings.hasNext()) {
      lines.add("setting " + settings.next());
    }
    var classic = (org.apache.spark.sql.classic.SparkSession) reader;
    lines.add("nothing cached: " + classic.sharedState().cacheManager().isEmpty());
    try (var files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        lines.add("file " + file + " " + Files.size(file) + " " + Files.getLastModifiedTime(file));
      }
    }
    return lines;
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

  /** A statement that fails, whoever refuses it, and tells nothing of a file that is shut. */
  private static void expectFailure(String sql, Callable<Row[]> work) {
    String said;
    try {
      said = Arrays.toString(work.call());
      if (!said.contains(Refusal.MARK)) {
        fail("it ran: " + sql);
      }
    } catch (Throwable thrown) {
      said = String.valueOf(thrown.getMessage());
    }
    if (said.contains("root:")) {
      fail("it tells what is in a file: " + sql);
    }
    if (System.getProperty("portcullis.broken") != null) {
      fail("it took effect: " + sql);
      System.clearProperty("portcullis.broken");
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
