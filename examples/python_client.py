"""Calls the tools through the gateway with the official SDK: `pip install "mcp>=2.3"`.

    python3 examples/python_client.py

It finds a table, queries it, tries a change without keeping it, and shows how a refusal looks.
`--url` names another gateway, or the data server itself.
"""

import argparse
import asyncio

from mcp import Client


async def call(client: Client, tool: str, **arguments: object) -> dict:
    """Calls a tool and returns its structured answer; the sentence of a failure is raised."""
    result = await client.call_tool(tool, arguments)
    if result.is_error:
        raise RuntimeError(result.content[0].text)
    return result.structured_content


async def main(url: str) -> None:
    async with Client(url) as client:
        offered = [tool.name for tool in (await client.list_tools()).tools]
        print(f"{len(offered)} tools, such as {', '.join(offered[:3])}")

        tables = (await call(client, "list_tables", name="product"))["tables"]
        table = tables[0]["name"]
        columns = (await call(client, "get_table_schema", table=table))["columns"]
        print(f"{table}: {', '.join(column['name'] for column in columns)}")

        # Values are bound, never pasted into the text.
        sql = f"SELECT name, price FROM {table} WHERE category = $1 ORDER BY price LIMIT 3"
        for name, price in (await call(client, "execute_query", sql=sql, parameters=["tea"]))[
            "rows"
        ]:
            print(f"  {name}: {price}")

        change = f"UPDATE {table} SET price = price * 1.1 WHERE category = $1"
        tried = await call(client, "execute_dml", sql=change, parameters=["tea"], dry_run=True)
        print(f"the change would touch {tried['affected_rows']} rows; nothing was kept")

        try:
            await call(client, "execute_query", sql=f"DELETE FROM {table}")
        except RuntimeError as refusal:
            print(f"refused: {refusal}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:10000/mcp")
    asyncio.run(main(parser.parse_args().url))
