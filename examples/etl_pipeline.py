"""Runs a pipeline end to end: what Spark computes goes into PostgreSQL, and from there into a file.

    python3 examples/etl_pipeline.py

It needs `pip install "mcp>=2.3"`. Run it twice: each run overwrites the table as a whole. `--url`
names another gateway, or the data server itself.
"""

import argparse
import asyncio

from mcp import Client

TABLE = {
    "table": "visits_by_product",
    "columns": [
        {"name": "product_id", "type": "integer", "not_null": True},
        {"name": "visits", "type": "bigint", "not_null": True},
        {"name": "seconds", "type": "bigint", "not_null": True},
    ],
    "primary_key": ["product_id"],
    "if_not_exists": True,
}
PIPELINE = {
    "name": "visits_by_product",
    "description": "How long visitors look at each product",
    "confirm": True,  # The table is meant to be emptied by each run.
    "parameters": {"least": {"type": "integer", "default": 10}},
    "stages": [
        {
            "name": "load",
            "source": {"type": "spark_sql", "sql": "SELECT * FROM events WHERE kind = 'view'"},
            "transformations": [
                {"name": "long", "sql": "SELECT * FROM source WHERE seconds >= :least"},
                {
                    "name": "summed",
                    "sql": "SELECT product_id, count(*) AS visits, sum(seconds) AS seconds "
                    "FROM long GROUP BY product_id",
                },
            ],
            "bind": ["least"],
            "destination": {
                "type": "postgres",
                "table": "visits_by_product",
                "mode": "overwrite",
            },
            "retry": {"attempts": 3, "backoff_s": 5},
        },
        {
            "name": "report",
            "after": ["load"],
            "required": False,
            "source": {
                "type": "postgres",
                "sql": "SELECT p.name, v.visits, v.seconds FROM visits_by_product AS v "
                "JOIN products AS p USING (product_id)",
            },
            "destination": {"type": "file", "path": "visits_by_product.csv", "format": "csv"},
        },
    ],
}
TOP = (
    "SELECT p.name, v.visits FROM visits_by_product AS v JOIN products AS p USING (product_id) "
    "ORDER BY v.visits DESC, p.name LIMIT 3"
)


async def call(client: Client, tool: str, arguments: dict) -> dict:
    """Calls a tool and returns its structured answer; the sentence of a failure is raised."""
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise SystemExit(result.content[0].text)
    return result.structured_content


async def wait(client: Client, run_id: str) -> dict:
    """Asks once a second how the run goes, until it is over."""
    while True:
        run = await call(client, "get_pipeline_status", {"run_id": run_id})
        stages = ", ".join(f"{stage['name']} {stage['status']}" for stage in run["stages"])
        print(f"{run['status']}: {stages}")
        if run["status"] in ("succeeded", "failed", "cancelled"):
            return run
        await asyncio.sleep(1)


async def main(url: str, least: int) -> None:
    async with Client(url) as client:
        await call(client, "create_table", TABLE)
        created = await call(client, "create_etl_pipeline", PIPELINE)
        print(f"{created['name']} version {created['version']}")
        started = {"name": PIPELINE["name"], "parameters": {"least": least}}
        accepted = await call(client, "execute_pipeline", started)
        run = await wait(client, accepted["run_id"])
        for stage in run["stages"]:
            print(f"{stage['name']}: {stage['rows']} rows, error: {stage['error']}")
        for name, visits in (await call(client, "execute_query", {"sql": TOP}))["rows"]:
            print(f"  {name}: {visits} visits")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:10000/mcp")
    parser.add_argument("--least", type=int, default=10, help="seconds that make a visit")
    options = parser.parse_args()
    asyncio.run(main(options.url, options.least))
