package portcullis.spark;

import java.util.Set;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.UserDefinedExpression;
import org.apache.spark.sql.catalyst.expressions.objects.Invoke;
import org.apache.spark.sql.catalyst.expressions.objects.NewInstance;
import org.apache.spark.sql.catalyst.expressions.objects.StaticInvoke;
import org.apache.spark.sql.types.ObjectType;

/** Says of an expression whether it is Spark's own and touches nothing but its arguments. */
final class ExpressionCheck {
  private static final String SPARK = "org.apache.spark.";
  private static final String CATALYST = "org.apache.spark.sql.catalyst.";
  private static final String EXPRESSIONS = CATALYST + "expressions.";

  /** Spark's own expressions that run a class of the caller's choice or open a file. */
  private static final Set<String> REACHING_OUT =
      Set.of(
          EXPRESSIONS + "ApplyFunctionExpression",
          EXPRESSIONS + "CallMethodViaReflection",
          EXPRESSIONS + "ExternalUserDefinedFunction",
          EXPRESSIONS + "FromProtobuf",
          EXPRESSIONS + "PythonUDTF",
          EXPRESSIONS + "ToProtobuf",
          EXPRESSIONS + "TranspiledPythonUDF",
          EXPRESSIONS + "TryReflect",
          EXPRESSIONS + "UnresolvedPolymorphicPythonUDTF",
          EXPRESSIONS + "UserDefinedGenerator",
          EXPRESSIONS + "aggregate.V2Aggregator");

  private static final Set<Class<?>> BOXES =
      Set.of(
          Boolean.class, Byte.class, Short.class, Integer.class, Long.class, Float.class,
          Double.class);

  private ExpressionCheck() {}

  /** Refuses an expression that runs code from elsewhere. */
  static void check(Expression expression) {
    String name = expression.getClass().getName();
    boolean isForeign =
        !name.startsWith(CATALYST)
            || REACHING_OUT.contains(name)
            || expression instanceof UserDefinedExpression
            || (expression instanceof StaticInvoke call && !isSparks(call) && !isBoxing(call))
            || (expression instanceof NewInstance made && !isSparks(made.cls()))
            || (expression instanceof Invoke call
                && call.targetObject().dataType() instanceof ObjectType target
                && !isSparks(target.cls()));
    if (isForeign) {
      throw new Refusal(
          "`" + expression.prettyName() + "` runs code that is not Spark's own, or opens files: "
              + "use Spark's built-in functions");
    }
  }

  private static boolean isSparks(StaticInvoke call) {
    return isSparks(call.staticObject());
  }

  /** How Spark makes objects of numbers for its own Java clients. */
  private static boolean isBoxing(StaticInvoke call) {
    return call.functionName().equals("valueOf") && BOXES.contains(call.staticObject());
  }

  private static boolean isSparks(Class<?> type) {
    return type.getName().startsWith(SPARK);
  }
}
