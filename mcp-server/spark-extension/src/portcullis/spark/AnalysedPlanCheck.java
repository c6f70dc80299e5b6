package portcullis.spark;

import java.util.Set;
import org.apache.spark.sql.catalyst.catalog.HiveTableRelation;
import org.apache.spark.sql.catalyst.plans.logical.Command;
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan;
import org.apache.spark.sql.execution.datasources.HadoopFsRelation;
import org.apache.spark.sql.execution.datasources.LogicalRelation;
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2Relation;
import scala.jdk.javaapi.CollectionConverters;

/**
 * Says of an analysed plan whether it only reads.
 *
 * <p>What is not named here is refused: a node that a new Spark brings is no read until somebody
 * has
 * looked at it.
 */
final class AnalysedPlanCheck {
  private static final String CATALYST = "org.apache.spark.sql.catalyst.";
  private static final String PLANS = CATALYST + "plans.logical.";
  private static final String COMMANDS = "org.apache.spark.sql.execution.command.";

  /** Commands that only tell something. */
  private static final Set<String> TELLING =
      Set.of(
          PLANS + "DescribeColumn",
          PLANS + "DescribeFunction",
          PLANS + "DescribeNamespace",
          PLANS + "DescribeRelation",
          PLANS + "DescribeTablePartition",
          PLANS + "ShowColumns",
          PLANS + "ShowCreateTable",
          PLANS + "ShowFunctions",
          PLANS + "ShowNamespaces",
          PLANS + "ShowPartitions",
          PLANS + "ShowTablePartition",
          PLANS + "ShowTableProperties",
          PLANS + "ShowTables",
          PLANS + "ShowTablesExtended",
          PLANS + "ShowViews",
          COMMANDS + "DescribeColumnCommand",
          COMMANDS + "DescribeDatabaseCommand",
          COMMANDS + "DescribeFunctionCommand",
          COMMANDS + "DescribeProcedureCommand",
          COMMANDS + "DescribeQueryCommand",
          COMMANDS + "DescribeRelationJsonCommand",
          COMMANDS + "DescribeTableCommand",
          // The plan that it explains is analysed, and so judged, when it runs.
          COMMANDS + "ExplainCommand",
          COMMANDS + "ShowCatalogsCommand",
          COMMANDS + "ShowCollationsCommand",
          COMMANDS + "ShowColumnsCommand",
          COMMANDS + "ShowCreateTableCommand",
          COMMANDS + "ShowCurrentNamespaceCommand",
          COMMANDS + "ShowFunctionsCommand",
          COMMANDS + "ShowNamespacesCommand",
          COMMANDS + "ShowPartitionsCommand",
          COMMANDS + "ShowPartitionsJsonCommand",
          COMMANDS + "ShowProceduresCommand",
          COMMANDS + "ShowTablePropertiesCommand",
          COMMANDS + "ShowTablesCommand",
          COMMANDS + "ShowTablesJsonCommand",
          COMMANDS + "ShowViewsCommand");

  /** Nodes that compute rows from rows, by Spark's own code alone. */
  private static final Set<String> READING =
      Set.of(
          "Aggregate", "AsOfJoin", "BinBy", "CTERelationDef", "CTERelationRef", "CommandResult",
          "DataFrameDropColumns", "Deduplicate", "DeserializeToObject", "Distinct", "EmptyRelation",
          "Except", "Expand", "Filter", "Generate", "GlobalLimit", "Intersect", "Join",
          "LateralJoin", "LimitAll", "LocalLimit", "LocalRelation", "NearestByJoin", "Offset",
          "OneRowRelation", "Pivot", "Project", "Range", "RebalancePartitions", "Repartition",
          "RepartitionByExpression", "ResolvedHint", "ReturnAnswer", "SQLFunctionNode", "Sample",
          "SerializeFromObject", "Sort", "Subquery", "SubqueryAlias", "Tail", "Transpose", "Union",
          "UnionLoop", "UnionLoopRef", "Unpivot", "UnresolvedHint", "View", "Window", "WithCTE",
          "Zip");

  private final AllowedFiles files;

  AnalysedPlanCheck(AllowedFiles files) {
    this.files = files;
  }

  /** Refuses a plan that does anything but read, wherever in it that stands. */
  void check(LogicalPlan plan) {
    Trees.forEachNode(plan, this::checkNode);
  }

  private void checkNode(LogicalPlan node) {
    if (node instanceof Command) {
      if (!isTelling(node)) {
        throw new Refusal(
            "this server reads only, and `" + words(node.nodeName()) + "` is no read: "
                + "send SELECT, SHOW, DESCRIBE or EXPLAIN");
      }
    } else if (node instanceof LogicalRelation relation) {
      checkRelation(relation);
    } else if (node instanceof DataSourceV2Relation relation) {
      if (relation.identifier().isEmpty()) {
        throw noTable();
      }
    } else if (!(node instanceof HiveTableRelation) && !isReading(node)) {
      throw new Refusal(
          "this server runs no code of its callers, and `" + words(node.nodeName())
              + "` is not one of Spark's own ways to read");
    }
    Trees.forEachExpression(node, ExpressionCheck::check);
  }

  private void checkRelation(LogicalRelation relation) {
    if (relation.catalogTable().isDefined()) {
      return;
    }
    if (!(relation.relation() instanceof HadoopFsRelation read)) {
      throw noTable();
    }
    CollectionConverters.asJava(read.location().rootPaths())
        .forEach(path -> files.require(path.toString()));
  }

  private static Refusal noTable() {
    return new Refusal(
        "a data source that is no table cannot be read here: "
            + "query the tables that SHOW TABLES lists");
  }

  /** Whether a command only tells something. */
  static boolean isTelling(LogicalPlan node) {
    return TELLING.contains(node.getClass().getName());
  }

  /** Whether a node, and no command, computes rows from rows by Spark's own code alone. */
  static boolean isReading(LogicalPlan node) {
    String name = node.getClass().getName();
    return (name.startsWith(PLANS) && READING.contains(node.getClass().getSimpleName()))
        || name.equals(CATALYST + "expressions.PipeOperator")
        // What SHOW and DESCRIBE name: a table, a namespace, a function.
        || (name.startsWith(CATALYST + "analysis.Resolved") && node.children().isEmpty());
  }

  /** A node's name as people read it: {@code CreateViewCommand} is {@code create view}. */
  static String words(String name) {
    String words = name.replaceAll("(Command|Exec)$", "").replaceAll("(?<=[a-z])(?=[A-Z])", " ");
    return words.toLowerCase();
  }
}
