"""PySpark's side of the benchmark: a client of Spark Connect that does what it is told.

Each line that it reads is an order, a JSON object; each line that it writes is how many seconds
that took, and what came of it. It runs in a Python of its own, which has what PySpark needs.
"""

import json
import sys
import time
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession


def load(spark: SparkSession, order: dict) -> Callable[[], None]:
    """Spark's own writer, through PostgreSQL's JDBC driver, into a table that is there."""
    write(spark.sql(order["sql"]), order, "append")
    return lambda: None


def empty(spark: SparkSession, order: dict) -> Callable[[], None]:
    """Takes all rows out of a table, and leaves none of them for others to pass over."""
    write(spark.sql(order["sql"]).limit(0), order, "overwrite")
    return lambda: None


def write(rows: DataFrame, order: dict, mode: str) -> None:
    options = {
        "url": order["url"],
        "dbtable": order["table"],
        "driver": "org.postgresql.Driver",
    }
    options["truncate"] = "true"
    rows.write.format("jdbc").options(**options).mode(mode).save()


def to_arrow(spark: SparkSession, order: dict) -> Callable[[], dict]:
    table = spark.sql(order["sql"]).toArrow()
    return lambda: {"rows": table.num_rows, "sum": sum(table.column("id").to_pylist())}


def collect(spark: SparkSession, order: dict) -> Callable[[], dict]:
    rows = spark.sql(order["sql"]).collect()
    return lambda: {"rows": len(rows), "sum": sum(row["id"] for row in rows)}


ORDERS = {"load": load, "empty": empty, "toArrow": to_arrow, "collect": collect}


def main() -> None:
    spark = SparkSession.builder.remote(sys.argv[1]).getOrCreate()
    print(json.dumps({"ready": spark.version}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        begun = time.perf_counter()
        result = ORDERS[order["do"]](spark, order)
        seconds = time.perf_counter() - begun
        print(json.dumps({"seconds": seconds, "result": result()}), flush=True)


if __name__ == "__main__":
    main()
