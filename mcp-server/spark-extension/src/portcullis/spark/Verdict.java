package portcullis.spark;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.apache.spark.sql.catalyst.FunctionIdentifier;
import org.apache.spark.sql.catalyst.TableIdentifier;
import org.apache.spark.sql.catalyst.analysis.PlanWithUnresolvedIdentifier;
import org.apache.spark.sql.catalyst.analysis.UnresolvedExecuteImmediate;
import org.apache.spark.sql.catalyst.expressions.Expression;
import org.apache.spark.sql.catalyst.expressions.Literal;
import org.apache.spark.sql.catalyst.plans.logical.Command;
import org.apache.spark.sql.catalyst.plans.logical.CompoundBody;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.catalyst.plans.logical.ParsedStatement;
import org.apache.spark.sql.catalyst.plans.logical.SingleStatement;
import org.apache.spark.sql.catalyst.plans.logical.UnresolvedHint;
import scala.Option;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Tells whether a statement reads, changes or destroys, by the plan that Spark's parser made of it,
 * before a name of it is looked up.
 *
 * <p>What is not known to leave everything as it is counts as destroying. Nothing of a statement
 * runs that is asked about: the answer is always a refusal.
 */
final class Verdict {
  /** The hint around a statement that is asked about. */
  private static final String QUESTION = "portcullis_verdict";

  /** Characters of an answer: Spark Connect cuts a message behind 2048. */
  private static final int MOST = 1500;

  /** Characters of a condition that are shown; how many more there are is said. */
  private static final int MOST_OF_A_CONDITION = 300;

  /** Commands that destroy nothing, unless a field of {@link #DESTROYING} says that they do. */
  private static final Set<String> CHANGING =
      Set.of(
          "AddArchivesCommand", "AddCheckConstraint", "AddColumns", "AddConstraint",
          "AddFilesCommand", "AddJarsCommand", "AddPartitions", "AnalyzeColumn", "AnalyzeTable",
          "AnalyzeTables", "CacheTable", "CacheTableAsSelect", "ClearCacheCommand",
          "CommentOnNamespace", "CommentOnTable", "CreateFunction", "CreateFunctionCommand",
          "CreateIndex", "CreateNamespace", "CreateSQLFunctionCommand", "CreateTable",
          "CreateTableAsSelect", "CreateTableLike", "CreateTableLikeCommand",
          "CreateTempViewUsing", "CreateUserDefinedFunction", "CreateUserDefinedFunctionCommand",
          "CreateVariable", "CreateView", "CreateViewCommand", "InsertIntoStatement",
          "ListArchivesCommand", "ListFilesCommand", "ListJarsCommand", "LoadData",
          "RecoverPartitions", "RefreshFunction", "RefreshResource", "RefreshTable",
          "RenameColumn", "RenameTable", "RepairTable", "ResetCommand", "SetCatalogAndNamespace",
          "SetCatalogCommand", "SetCommand", "SetNamespaceCommand", "SetNamespaceProperties",
          "SetPathCommand", "SetTableProperties", "SetVariable", "SetViewProperties",
          "UncacheTable");

  /** Fields of a command by which it replaces or removes what there is. */
  private static final Set<String> DESTROYING =
      Set.of(
          "replace", "overwrite", "isOverwrite", "enableDropPartitions", "replaceCriteriaOpt");

  /** Nodes of a query that are there before it is analysed, and not after. */
  private static final Set<String> PARSED =
      Set.of(
          "CurrentNamespace$", "GeneralParameterizedQuery", "NameParameterizedQuery",
          "PosParameterizedQuery", "ScriptTransformation", "WithWindowDefinition");

  private final Set<String> destroyed = new LinkedHashSet<>();
  private boolean changes = false;

  private Verdict() {}

  /** Answers if the plan is a statement that is asked about. */
  static void answer(LogicalPlan plan) {
    if (plan instanceof UnresolvedHint hint && hint.name().equalsIgnoreCase(QUESTION)) {
      Verdict verdict = new Verdict();
      Trees.forEachNode(hint.child(), verdict::judge);
      throw new Refusal("verdict: " + verdict.spelt());
    }
  }

  private String spelt() {
    if (destroyed.isEmpty()) {
      return changes ? "changes" : "reads";
    }
    String all = String.join("; ", destroyed);
    boolean fits = all.length() <= MOST;
    return "destroys " + (fits ? all : "more than can be named here: split the statement");
  }

  private void judge(LogicalPlan node) {
    String name = node.getClass().getSimpleName();
    if (node instanceof PlanWithUnresolvedIdentifier named) {
      // The plan around the name is known once there is a name, whichever it is.
      List<String> parts = List.of(named.identifierExpr().sql());
      var built =
          named.planBuilder().apply(CollectionConverters.asScala(parts).toSeq(), named.children());
      Trees.forEachNode(built, this::judge);
    } else if (node instanceof UnresolvedExecuteImmediate immediate) {
      destroyed.add(escaped("execute immediate " + immediate.sqlStmtStr().sql()));
    } else if (node instanceof CompoundBody body && body.handlers().isEmpty()) {
      changes = true;
      CollectionConverters.asJava(body.collection())
          .forEach(statement -> Trees.forEachNode((LogicalPlan) statement, this::judge));
    } else if (node instanceof SingleStatement single) {
      Trees.forEachNode(single.parsedPlan(), this::judge);
    } else if (node instanceof Command || node instanceof ParsedStatement) {
      if (!AnalysedPlanCheck.isTelling(node)) {
        changes = true;
        if (!CHANGING.contains(name) || hasDestroyingField(node)) {
          destroyed.add(described(node));
        }
      }
    } else if (!AnalysedPlanCheck.isReading(node)
        && !name.startsWith("Unresolved")
        && !PARSED.contains(name)) {
      destroyed.add(described(node));
    }
  }

  private static boolean hasDestroyingField(LogicalPlan node) {
    for (int at = 0; at < node.productArity(); at++) {
      Object value = node.productElement(at);
      boolean isSet = Boolean.TRUE.equals(value) || value instanceof scala.Some;
      if (isSet && DESTROYING.contains(node.productElementName(at))) {
        return true;
      }
    }
    return false;
  }

  /**
   * The command, the object that it is about, and the rows of it, as {@code delete from table:
   * `orders` where (id = 1)}.
   */
  private static String described(LogicalPlan node) {
    String object = object(node);
    String replacing = hasDestroyingField(node) ? " that replaces or removes" : "";
    String command = AnalysedPlanCheck.words(node.nodeName()) + replacing;
    return escaped((object == null ? command : command + ": " + object) + rows(node));
  }

  /** The rows that a command changes, where it has a condition for them. */
  private static String rows(LogicalPlan node) {
    for (int at = 0; at < node.productArity(); at++) {
      if (node.productElementName(at).equals("condition")) {
        Object condition = node.productElement(at);
        if (condition instanceof Option<?> option) {
          condition = option.isDefined() ? option.get() : Literal.TrueLiteral();
        }
        boolean isAll = condition.equals(Literal.TrueLiteral());
        return isAll ? ", every row" : " where " + cut(spelt((Expression) condition));
      }
    }
    return "";
  }

  private static String spelt(Expression condition) {
    try {
      return condition.sql();
    } catch (Exception unresolved) {
      // Some expressions can be written down only when their names have been looked up.
      return condition.toString();
    }
  }

  private static String cut(String text) {
    int length = text.codePointCount(0, text.length());
    if (length <= MOST_OF_A_CONDITION) {
      return text;
    }
    String first = text.substring(0, text.offsetByCodePoints(0, MOST_OF_A_CONDITION));
    return first + "… and " + (length - MOST_OF_A_CONDITION) + " more characters";
  }

  /** The name of the first object in the fields of a node: the target stands before the source. */
  private static String object(LogicalPlan node) {
    for (int at = 0; at < node.productArity(); at++) {
      String found = objectOf(node.productElementName(at), node.productElement(at));
      if (found != null) {
        return found;
      }
    }
    return null;
  }

  private static String objectOf(String field, Object value) {
    if (value instanceof PlanWithUnresolvedIdentifier named) {
      return "identifier(" + named.identifierExpr().sql() + ")";
    } else if (value instanceof LogicalPlan plan) {
      return object(plan);
    } else if (value instanceof TableIdentifier table) {
      return table.quotedString();
    } else if (value instanceof FunctionIdentifier function) {
      return function.quotedString();
    } else if (value instanceof Option<?> option && option.isDefined()) {
      return objectOf(field, option.get());
    } else if (value instanceof scala.collection.Seq<?> sequence) {
      List<String> parts = new ArrayList<>();
      for (Object part : CollectionConverters.asJava(sequence)) {
        if (part instanceof String text && isName(field)) {
          parts.add("`" + text.replace("`", "``") + "`");
        } else if (part instanceof LogicalPlan plan && object(plan) != null) {
          parts.add(object(plan));
        }
      }
      return parts.isEmpty() ? null : String.join(isName(field) ? "." : ", ", parts);
    }
    return null;
  }

  private static boolean isName(String field) {
    return field.equals("nameParts") || field.startsWith("multipart") || field.equals("namespace");
  }

  /** The text with everything escaped that is not seen, or changes how the rest is seen. */
  private static String escaped(String text) {
    StringBuilder shown = new StringBuilder();
    text.codePoints()
        .forEach(
            point -> {
              if (isShown(point)) {
                shown.appendCodePoint(point);
              } else {
                shown.append(String.format("\\u{%X}", point));
              }
            });
    return shown.toString();
  }

  private static boolean isShown(int point) {
    return switch (Character.getType(point)) {
      case Character.CONTROL, Character.FORMAT, Character.SURROGATE, Character.PRIVATE_USE,
          Character.UNASSIGNED, Character.LINE_SEPARATOR, Character.PARAGRAPH_SEPARATOR -> false;
      case Character.SPACE_SEPARATOR -> point == ' ';
      default -> true;
    };
  }
}
