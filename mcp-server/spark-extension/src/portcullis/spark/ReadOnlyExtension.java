package portcullis.spark;

import org.apache.spark.SparkContext;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.SparkSessionExtensions;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.rules.Rule;
import scala.runtime.AbstractFunction1;
import scala.runtime.BoxedUnit;

/**
 * Lets the sessions of a Spark server read and nothing else. Named in {@code spark.sql.extensions}.
 *
 * <p>Every statement is judged by the plan that Spark itself made of it: before names of files are
 * looked up, and again when it is analysed, before any of it is optimised or run. A session whose
 * setting {@code spark.portcullis.access} is {@code write} is not judged, but for {@link
 * FixedSettings}. Texts are taken as they are written: Spark would else put values of its
 * environment into them before they are read.
 */
public final class ReadOnlyExtension extends AbstractFunction1<SparkSessionExtensions, BoxedUnit> {
  /** The setting that opens a session; without it, or with any other value, it reads. */
  static final String ACCESS = "spark.portcullis.access";

  /** The setting by which Spark puts `${env:…}` into a text before anything of it is a plan. */
  static final String SUBSTITUTE = "spark.sql.variable.substitute";

  @Override
  public BoxedUnit apply(SparkSessionExtensions extensions) {
    // Sessions begin with these settings; the server's environment is nothing to be read.
    SparkContext.getOrCreate().conf().set(SUBSTITUTE, "false");
    // Rules for hints run before relations are resolved, and resolving one opens its files.
    extensions.injectHintResolutionRule(
        new AbstractFunction1<SparkSession, Rule<LogicalPlan>>() {
          @Override
          public Rule<LogicalPlan> apply(SparkSession session) {
            return new UnresolvedFilesRule(session);
          }
        });
    extensions.injectCheckRule(
        new AbstractFunction1<SparkSession, scala.Function1<LogicalPlan, BoxedUnit>>() {
          @Override
          public scala.Function1<LogicalPlan, BoxedUnit> apply(SparkSession session) {
            return new AbstractFunction1<LogicalPlan, BoxedUnit>() {
              @Override
              public BoxedUnit apply(LogicalPlan plan) {
                FixedSettings.check(plan);
                if (!mayWrite(session)) {
                  new AnalysedPlanCheck(AllowedFiles.of(session)).check(plan);
                }
                return BoxedUnit.UNIT;
              }
            };
          }
        });
    return BoxedUnit.UNIT;
  }

  static boolean mayWrite(SparkSession session) {
    return "write".equals(session.conf().get(ACCESS, "read"));
  }
}
