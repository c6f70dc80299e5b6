package portcullis.spark;

import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.catalyst.analysis.UnresolvedRelation;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.rules.Rule;

/**
 * Refuses a file that is named as a table ({@code csv.`/path`}) before Spark looks whether it
 * exists:
 * what it says of that would tell callers what the machine holds.
 */
final class UnresolvedFilesRule extends Rule<LogicalPlan> {
  private final SparkSession session;

  UnresolvedFilesRule(SparkSession session) {
    this.session = session;
  }

  @Override
  public LogicalPlan apply(LogicalPlan plan) {
    if (!ReadOnlyExtension.mayWrite(session)) {
      AllowedFiles allowed = AllowedFiles.of(session);
      Trees.forEachNode(plan, node -> check(node, allowed));
    }
    return plan;
  }

  private static void check(LogicalPlan node, AllowedFiles allowed) {
    if (node instanceof UnresolvedRelation relation
        && relation.multipartIdentifier().size() == 2) {
      String name = relation.multipartIdentifier().last();
      if (name.indexOf('/') >= 0 || name.indexOf(':') >= 0) {
        allowed.require(name);
      }
    }
  }
}
