package portcullis.spark;

import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.analysis.UnresolvedRelation;
import org.apache.spark.sql.catalyst.plans.logical.CompoundBody;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.rules.Rule;
import org.apache.spark.sql.execution.datasources.DataSource;
import org.apache.spark.sql.internal.SQLConf;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Refuses a file that is named as a table ({@code csv.`path`}) before Spark looks whether it
 * exists: what Spark says of that would tell callers which files the machine has. Refuses a script
 * ({@code BEGIN … END}) as well, because Spark has no answer for one where rows are wanted. Answers
 * what a statement would do ({@link Verdict}), where that is asked.
 */
final class UnresolvedFilesRule extends Rule<LogicalPlan> {
  private final SparkSession session;

  UnresolvedFilesRule(SparkSession session) {
    this.session = session;
  }

  @Override
  public LogicalPlan apply(LogicalPlan plan) {
    Verdict.answer(plan);
    if (!ReadOnlyExtension.mayWrite(session)) {
      AllowedFiles allowed = AllowedFiles.of(session);
      Trees.forEachNode(plan, node -> check(node, allowed));
    }
    return plan;
  }

  private void check(LogicalPlan node, AllowedFiles allowed) {
    if (node instanceof CompoundBody) {
      throw new Refusal(
          "a script (BEGIN … END) is not run here: send its statements one by one, those that "
              + "read");
    }
    if (node instanceof UnresolvedRelation relation
        && relation.multipartIdentifier().size() == 2) {
      List<String> parts = CollectionConverters.asJava(relation.multipartIdentifier());
      String name = parts.get(1);
      if (name.indexOf('/') >= 0 || name.indexOf(':') >= 0 || isFile(parts.get(0), name)) {
        allowed.require(name);
      }
    }
  }

  /** Whether Spark would take the name for a path: its first part is a format, and no schema. */
  private boolean isFile(String first, String name) {
    try {
      DataSource.lookupDataSource(first, SQLConf.get());
    } catch (Exception notAFormat) {
      return false;
    }
    return !session.catalog().tableExists(quoted(first) + "." + quoted(name));
  }

  private static String quoted(String name) {
    return "`" + name.replace("`", "``") + "`";
  }
}
