package portcullis.spark;

import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.execution.command.ResetCommand;
import org.apache.spark.sql.execution.command.SetCommand;

/** Refuses statements that change the settings on which the check rests, in every session. */
final class FixedSettings {
  private FixedSettings() {}

  /** Refuses a plan that sets one of them, or takes it back. */
  static void check(LogicalPlan plan) {
    Trees.forEachNode(plan, FixedSettings::checkNode);
  }

  private static void checkNode(LogicalPlan node) {
    if (node instanceof SetCommand set
        && set.kv().isDefined()
        && set.kv().get()._2().isDefined()) {
      require(set.kv().get()._1());
    } else if (node instanceof ResetCommand reset && reset.config().isDefined()) {
      require(reset.config().get());
    }
  }

  private static void require(String key) {
    String plain = key.strip();
    if (plain.equalsIgnoreCase(ReadOnlyExtension.SUBSTITUTE)
        || plain.equalsIgnoreCase(ReadOnlyExtension.ACCESS)) {
      throw new Refusal(
          "texts are taken as they are written here, and rights are the operator's: this "
              + "setting cannot be changed; leave it as it is");
    }
  }
}
