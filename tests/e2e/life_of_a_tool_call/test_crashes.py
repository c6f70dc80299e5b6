"""What a crash leaves behind: of the data server in the middle of a load, a download, a result or
a pipeline, of Spark's master, and of the SparkContext behind Spark Connect.

Invariant 8 of docs/architecture.md. Jobs have their crash in `test_spark_jobs.py`.
"""

import base64
import hashlib
import json
import re
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest
from gateway_tools import GatewayTools

from polling import until
from stack import AGAIN

FINAL = {"succeeded", "failed", "cancelled"}
LOADED = (4_000_000, 16_000_000, 64_000_000)
"""Rows of a load, of which a progress notification tells every ten thousand; the next number is for
a machine that is done with the one before while the test looks.
"""


@pytest.fixture(scope="module")
def tools(stack) -> GatewayTools:
    return GatewayTools(stack.gateway_port)


def tables(tools: GatewayTools, name: str) -> int:
    """Returns how many tables of this name there are, temporary ones among them."""
    sql = f"SELECT count(*) FROM pg_catalog.pg_class WHERE relname = '{name}'"
    return tools.rows(sql)[0][0]


MODES = ("append", "overwrite", "upsert", "create")
OLD = ["old", 1000, 0, 999]
"""What the tables have before a load: a value, how many rows have it, and their first and last key.
"""


def load(mode: str, table: str, rows: int) -> dict:
    """Returns the arguments of a load of so many rows."""
    first = 1000 if mode == "append" else 0
    return {
        "sql": f"SELECT id + {first} AS id, 'new' AS v FROM range({rows})",
        "table": table,
        "mode": mode,
        "confirm": mode == "overwrite",
        **({"keys": ["id"]} if mode in ("upsert", "create") else {}),
    }


def loaded(mode: str, rows: int) -> list:
    """Returns what a table holds after a load, in the form of `OLD`."""
    first = 1000 if mode == "append" else 0
    new = ["new", rows, first, first + rows - 1]
    return [new, OLD] if mode == "append" else [new]


def held(tools: GatewayTools, table: str) -> list:
    """Returns what a table holds, in the form of `OLD`."""
    sql = f"SELECT v, count(*), min(id), max(id) FROM {table} GROUP BY v ORDER BY v"
    return tools.rows(sql) if tables(tools, table) else []


def kill_during_loads(tools: GatewayTools, stack, rows: int) -> dict[str, str]:
    """Kills the server while it loads so many rows in every mode; returns the tables."""
    names = {mode: f"killed_{mode}_{rows}" for mode in MODES}
    for mode in MODES:
        if mode != "create":
            sql = "SELECT id, 'old' AS v FROM range(1000)"
            assert tools.load(sql, names[mode], "create", keys=["id"]).get("rows") == 1000
    with ExitStack() as loads:
        for mode in MODES:
            arguments = load(mode, names[mode], rows)
            told = loads.enter_context(tools.told("bulk_load_from_spark", arguments))
            assert next(words for words in told if not words.startswith("0 rows")), mode
        stack.kill("mcp-server")
    tools.wait_until_served()
    until("no temporary table is left", lambda: tables(tools, "portcullis_load") == 0)
    return names


def test_it_keeps_tables_as_they_were_when_the_server_is_killed_during_loads(tools, stack):
    for rows in LOADED:
        names = kill_during_loads(tools, stack, rows)
        after = {mode: held(tools, names[mode]) for mode in MODES}
        # A load that was over by then says nothing of a kill.
        if not [mode for mode in MODES if after[mode] == loaded(mode, rows)]:
            break
    assert after == {"append": [OLD], "overwrite": [OLD], "upsert": [OLD], "create": []}
    for mode, table in names.items():
        assert tools.done("bulk_load_from_spark", load(mode, table, 50_000))["rows"] == 50_000
        assert held(tools, table) == loaded(mode, 50_000), mode


DOWNLOADS = {
    "execute_query": "SELECT n, md5(n::text) AS h FROM generate_series(1, 60000) AS n",
    "execute_spark_sql": "SELECT id, md5(cast(id AS string)) AS h FROM range(60000)",
}


def test_it_goes_on_with_downloads_by_the_same_handles_after_a_crash(tools, stack):
    handles, blocks = {}, {}

    def fetch(tool: str, numbers: range) -> None:
        for number in numbers:
            uri = f"{handles[tool]['uri']}?block={number}"
            (contents,) = tools.result("resources/read", {"uri": uri})["contents"]
            is_text = "text" in contents
            data = contents["text"].encode() if is_text else base64.b64decode(contents["blob"])
            blocks.setdefault(tool, []).append(data)

    for tool, sql in DOWNLOADS.items():
        arguments = {"sql": sql, "use_block_transport": True, "format": "csv"}
        handles[tool] = tools.done(tool, arguments)["result"]
        assert handles[tool]["blocks"] > 3, handles[tool]
        fetch(tool, range(handles[tool]["blocks"] // 2))
    stack.kill("mcp-server")
    tools.wait_until_served()
    for tool, handle in handles.items():
        fetch(tool, range(handle["blocks"] // 2, handle["blocks"]))
        whole = b"".join(blocks[tool])
        digest = hashlib.sha256(whole).hexdigest()
        assert (len(whole), digest) == (handle["bytes"], handle["sha256"]), tool


def unfinished(stack) -> list[Path]:
    """Returns the files that are half written, of results and of pipelines."""
    return list(stack.data.rglob("*.part"))


def test_it_takes_a_result_back_that_a_crash_has_left_half_written(tools, stack):
    # It waits in its middle for longer than a statement may take.
    sql = """
    SELECT n, repeat('x', 200) AS x, CASE WHEN n = 100000 THEN pg_sleep(600) END
    FROM generate_series(1, 100001) AS n"""
    arguments = {"sql": sql, "use_block_transport": True}
    with tools.told("execute_query", arguments):
        until("the result is being written", lambda: unfinished(stack))
        stack.kill("mcp-server")
    tools.wait_until_served()
    until("nothing half written is left", lambda: not unfinished(stack))


PIPED = 500_000
CHANGING = """
SELECT count(*) FROM pg_catalog.pg_locks
WHERE relation = (SELECT oid FROM pg_catalog.pg_class WHERE relname = 'piped')
  AND mode = 'RowExclusiveLock' AND granted
"""
"""Counts who has changed the table `piped` and has not kept it yet. The record of the run knows how
far a load is only when its lease is renewed, and a load may be over sooner.
"""


def test_it_ends_a_pipeline_once_whose_server_was_killed_during_its_load(tools, stack):
    def create(table: str, columns: dict[str, str], key: str) -> None:
        made = [{"name": name, "type": kind} for name, kind in columns.items()]
        tools.done("create_table", {"table": table, "columns": made, "primary_key": [key]})

    create("piped", {"n": "integer", "h": "text"}, "n")
    create("piped_marks", {"key": "text", "rows": "bigint", "done_at": "timestamptz"}, "key")
    sql = f"SELECT n, md5(n::text) AS h FROM generate_series(1, {PIPED}) AS n"
    source = {"type": "postgres", "sql": sql}
    into = {"type": "postgres", "table": "piped", "marker_table": "piped_marks"}
    stages = [
        {"name": "load", "source": source, "destination": into},
        {"name": "file", "source": source, "destination": {"type": "file", "path": "killed.csv"}},
    ]
    tools.done("create_etl_pipeline", {"name": "killed", "stages": stages})
    run = {"run_id": tools.done("execute_pipeline", {"name": "killed"})["run_id"]}

    until("the rows are being loaded", lambda: tools.rows(CHANGING) == [[1]], pause=0)
    stack.kill("mcp-server")
    tools.wait_until_served()

    def over() -> dict | None:
        seen = tools.done("get_pipeline_status", run)
        return seen if seen["status"] in FINAL else None

    seen = until("the run is over", over, 180, pause=0.5)
    assert seen["status"] == "succeeded" and seen["stages"][0]["attempts"] > 1, seen
    assert [stage["rows"] for stage in seen["stages"]] == [PIPED, PIPED], seen
    assert tools.rows("SELECT count(*), sum(n) FROM piped") == [[PIPED, PIPED * (PIPED + 1) // 2]]
    assert tools.rows("SELECT count(*) FROM piped_marks") == [[1]]
    listed = tools.done("list_pipelines", {"name": "killed"})["runs"]
    assert [(one["run_id"], one["status"]) for one in listed] == [(run["run_id"], "succeeded")]
    assert not unfinished(stack)


CONNECT = "org.apache.spark.sql.connect.service.SparkConnectServer"


@pytest.mark.run_last
def test_it_starts_spark_connect_again_when_its_application_was_taken_from_it(tools, stack):
    """An application that somebody ends on the master's page loses its SparkContext; its server
    lives on, takes every statement and can run none.
    """
    first = stack.pid_of(CONNECT)
    page = stack.environment_of("mcp-server")["SPARK_MASTER_UI"]
    with urllib.request.urlopen(f"{page}/json/", timeout=20) as answer:
        (application,) = [
            application["id"]
            for application in json.load(answer)["activeapps"]
            if application["name"] == "Spark Connect server"
        ]
    with urllib.request.urlopen(page, timeout=20) as answer:
        field = re.search(r"<input[^>]*csrfToken[^>]*>", answer.read().decode()).group(0)
    token = re.search(r'value="([^"]+)"', field).group(1)
    form = {"id": application, "terminate": "true", "csrfToken": token}
    ended = urllib.parse.urlencode(form).encode()
    urllib.request.urlopen(f"{page}/app/kill/", ended, timeout=20).close()
    until("another server runs", lambda: stack.pid_of(CONNECT) not in (None, first), AGAIN, 0.5)

    def counted() -> list | None:
        is_good, answer = tools.outcome("execute_spark_sql", {"sql": "SELECT count(*) FROM events"})
        return answer["rows"] if is_good else None

    assert until("Spark runs statements again", counted, AGAIN, 0.5) == [[200000]]
    assert "Spark Connect no longer worked" in stack.process.log_end(20_000)


GATED = """
import os, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
while not os.path.exists(sys.argv[1]):
    time.sleep(0.1)
print("counted", spark.range(1000).count())
"""
"""A script that counts when a file is there, so that a test decides when."""


@pytest.mark.run_last
def test_it_tells_what_became_of_a_job_and_goes_on_after_a_crash_of_sparks_master(tools, stack):
    """Spark itself gives a driver up when its worker comes back before the new master has asked for
    it; the job then says so. A new worker brings new executors, as in `test_spark_sql.py`.
    """
    gate = stack.data / "after-the-master"
    submit = {"source": GATED, "args": [str(gate)]}
    job = {"job_id": tools.done("submit_spark_job", submit)["job_id"]}

    def seen(wanted: dict, *states: str) -> dict | None:
        found = tools.done("get_job_status", wanted)
        return found if found["status"] in states else None

    until("the job runs", lambda: seen(job, "running"), 240, pause=0.5)
    with stack.killed("org.apache.spark.deploy.master.Master"):
        # The applications have their executors; what asks the master says that it is away.
        away = tools.done("get_job_status", job)
        assert away["status"] == "running" and "as last seen, because" in away["message"], away
        is_good, refused = tools.outcome("submit_spark_job", {"source": "print(1)"})
        assert not is_good and refused["error"]["code"] == "unavailable", refused
        rows = tools.done("execute_spark_sql", {"sql": "SELECT sum(id) FROM range(1000)"})["rows"]
        assert rows == [[499500]]
    gate.touch()
    later = submitted_to_the_new_master(tools)
    ended = until("the job is over", lambda: seen(job, "finished", "failed"), 240, pause=0.5)
    assert ended["status"] == "finished" or "gave its driver up" in ended["message"], ended
    until("a later job is over", lambda: seen(later, "finished"), 240, pause=0.5)
    stack.kill("org.apache.spark.deploy.worker.Worker")
    sql = "SELECT kind, count(*) FROM events GROUP BY kind"
    assert tools.done("execute_spark_sql", {"sql": sql})["row_count"] == 4


def submitted_to_the_new_master(tools: GatewayTools) -> dict:
    """Submits a job as soon as the new master takes one."""

    def submitted() -> dict | None:
        is_good, answer = tools.outcome("submit_spark_job", {"source": "print('later')"})
        return {"job_id": answer["job_id"]} if is_good else None

    return until("the new master takes a job", submitted, pause=0.5)
