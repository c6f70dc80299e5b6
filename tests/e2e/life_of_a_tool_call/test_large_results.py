"""Results of any size through the gateway: the example fetches one, the SDKs read its blocks."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
SQL = "SELECT n, md5(n::text) AS h FROM generate_series(1, 40000) AS n"
ROWS = [[n, hashlib.md5(str(n).encode()).hexdigest()] for n in range(1, 40_001)]


def run_example(url: str, sql: str, path: Path) -> subprocess.CompletedProcess:
    """Runs the example as a reader of it would."""
    example = REPOSITORY / "examples/large_result.py"
    command = [sys.executable, example, sql, path, "--url", url]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def test_it_fetches_a_result_by_the_example_in_parallel_and_whole(stack, tmp_path):
    path = tmp_path / "rows.ndjson"
    done = run_example(stack.url, SQL, path)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in path.read_text().splitlines()] == ROWS
    assert f"{path.stat().st_size} bytes in " in done.stdout


def test_it_says_by_the_example_why_a_query_is_refused(stack, tmp_path):
    done = run_example(stack.url, "DELETE FROM shops", tmp_path / "rows")
    assert done.returncode == 1 and "[42501]" in done.stderr, done.stderr


def read_by_tool(client, uri: str, block: int) -> str:
    """Returns the text of a block, whose parts fit into the budget of texts."""
    text, offset = "", 0
    while offset is not None:
        arguments = {"uri": uri, "block": block, "text_offset": offset}
        part = client.call("read_result_block", arguments)["result"]
        text += part["content"][0]["text"]
        offset = part["structuredContent"].get("next_text_offset")
    return text


def test_it_reads_every_block_by_the_resource_and_by_the_tool(client):
    arguments = {"sql": SQL, "use_block_transport": True, "fetch_size": 15_000}
    called = client.call("execute_query", arguments)["result"]
    handle = called["structuredContent"]["result"]
    links = [part for part in called["content"] if part["type"] == "resource_link"]
    assert [link["uri"] for link in links] == [handle["uri"]]
    lines = []
    uri = f"{handle['uri']}?block=0"
    for number in range(handle["blocks"]):
        (contents,) = client.read(uri)["result"]["contents"]
        assert read_by_tool(client, handle["uri"], number) == contents["text"]
        lines += contents["text"].splitlines()
        uri = contents["_meta"].get("portcullis/next")
    assert uri is None
    assert [json.loads(line) for line in lines] == ROWS


@pytest.mark.parametrize("form", ["json", "csv", "arrow"])
def test_it_keeps_what_spark_computes_in_every_form(client, form):
    arguments = {
        "sql": "SELECT id, cast(id AS string) AS s FROM range(40000)",
        "format": form,
        "use_block_transport": True,
    }
    called = client.call("execute_spark_sql", arguments)["result"]["structuredContent"]
    handle = called["result"]
    assert (called["row_count"], called["truncated_by"]) == (40_000, "blocks")
    whole = b""
    for number in range(handle["blocks"]):
        (contents,) = client.read(f"{handle['uri']}?block={number}")["result"]["contents"]
        is_text = "text" in contents
        whole += contents["text"].encode() if is_text else base64.b64decode(contents["blob"])
    assert hashlib.sha256(whole).hexdigest() == handle["sha256"]
    match form:
        case "json":
            assert json.loads(whole.splitlines()[-1]) == [39_999, "39999"]
        case "csv":
            assert whole.startswith(b"id,s\r\n") and whole.endswith(b"\r\n39999,39999\r\n")
        case "arrow":
            # An IPC stream begins and ends with a mark of its own.
            assert whole.startswith(b"\xff" * 4) and whole.endswith(b"\xff" * 4 + b"\0" * 4)


def test_it_answers_a_handle_that_is_nobodys(client):
    failed = client.call("read_result_block", {"uri": "result://n1/0"})["result"]
    assert failed["isError"] and "has expired, or never was" in failed["content"][0]["text"]
