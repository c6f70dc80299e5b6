"""PySpark's side of the benchmark: a client of Spark Connect that does what it is told.

Each line that it reads is an order, a JSON object; each line that it writes is how many seconds
that took, and what came of it. It runs in a Python of its own, which has what PySpark needs.
"""

import json
import sys
import time
from collections.abc import Callable

from pyspark.sql import SparkSession


def load(spark: SparkSession, order: dict) -> Callable[[], None]:
    """Spark's own writer, through PostgreSQL's JDBC driver, into a table that it empties first."""
    rows = spark.sql(order["sql"])
    options = {
        "url": order["url"],
        "dbtable": order["table"],
        "driver": "org.postgresql.Driver",
    }
    options["truncate"] = "true"
    rows.write.format("jdbc").options(**options).mode("overwrite").save()
    return lambda: None


def to_arrow(spark: SparkSession, order: dict) -> Callable[[], dict]:
    table = spark.sql(order["sql"]).toArrow()
    return lambda: {"rows": table.num_rows, "sum": sum(table.column("id").to_pylist())}


def collect(spark: SparkSession, order: dict) -> Callable[[], dict]:
    rows = spark.sql(order["sql"]).collect()
    return lambda: {"rows": len(rows), "sum": sum(row["id"] for row in rows)}


ORDERS = {"load": load, "toArrow": to_arrow, "collect": collect}


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
