package portcullis.spark;

import java.util.function.Consumer;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.PlanExpression;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import scala.jdk.javaapi.CollectionConverters;

/** Walks over everything that a plan holds, plans inside expressions included. */
final class Trees {
  private Trees() {}

  /** Visits each node of a plan and of the subqueries in its expressions. */
  static void forEachNode(LogicalPlan plan, Consumer<LogicalPlan> visit) {
    visit.accept(plan);
    CollectionConverters.asJava(plan.children()).forEach(child -> forEachNode(child, visit));
    forEachExpression(
        plan,
        expression -> {
          if (expression instanceof PlanExpression<?> subquery
              && subquery.plan() instanceof LogicalPlan inner) {
            forEachNode(inner, visit);
          }
        });
  }

  /** Visits each expression of one node, from its root to its leaves. */
  static void forEachExpression(LogicalPlan node, Consumer<Expression> visit) {
    CollectionConverters.asJava(node.expressions()).forEach(root -> descend(root, visit));
  }

  private static void descend(Expression expression, Consumer<Expression> visit) {
    visit.accept(expression);
    CollectionConverters.asJava(expression.children()).forEach(child -> descend(child, visit));
  }
}
