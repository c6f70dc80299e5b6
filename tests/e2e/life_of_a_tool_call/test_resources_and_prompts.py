"""Every resource and every prompt of the data server through the gateway, by the official SDKs."""

import json

import pytest

from polling import until
from sdk_client import SDKS, SdkClient

RESOURCES = {
    "spark://cluster/info": "spark://cluster/info",
    "spark://jobs/{job_id}": None,
    "postgres://schema/{schema_name}": "postgres://schema/public",
    "postgres://{database}/schema/{schema_name}": "postgres://default/schema/public",
    "postgres://tables/{table_name}/data": "postgres://tables/shops/data",
    "postgres://{database}/tables/{table_name}/data": "postgres://default/tables/shops/data",
    "result://{node}/{id}{?block}": None,
    "pipelines://active": "pipelines://active",
    "metrics://system": "metrics://system",
}
"""A URI for each resource and template; none where it is made by the test."""
PROMPTS = {
    "data_pipeline_template": ({"source": "orders", "destination": "shops"}, "`order_id`"),
    "spark_optimization": ({"sql": "SELECT * FROM range(3)"}, "Spark's plan"),
    "sql_best_practices": ({"table": "orders"}, "public.orders (table)"),
    "error_troubleshooting": ({"error": 'relation "shop" does not exist'}, "`public.shops`"),
}
"""Arguments for each prompt, and words that only a look at the demo's data can bring."""


def uris(resources: list[dict]) -> list[str]:
    """Returns the addresses of what is listed."""
    return [resource["uri"] for resource in resources]


def contents(outcome: dict) -> dict:
    """Returns the JSON of what was read."""
    assert "result" in outcome, outcome
    (content,) = outcome["result"]["contents"]
    assert content["mimeType"] == "application/json"
    return json.loads(content["text"])


def text(outcome: dict) -> str:
    assert "result" in outcome, outcome
    (message,) = outcome["result"]["messages"]
    return message["content"]["text"]


@pytest.fixture(scope="module")
def job(stack, installation):
    """Submits a job; returns its id."""
    with SdkClient(SDKS[0], stack.url, installation.home) as client:
        submitted = client.call("submit_spark_job", {"source": "print('hello')"})
        return submitted["result"]["structuredContent"]["job_id"]


def test_it_calls_every_resource_and_prompt_that_is_listed(client):
    fixed = [entry["uri"] for entry in client.list("resources")]
    templates = [entry["uriTemplate"] for entry in client.list("templates")]
    assert {uri for uri in RESOURCES if "{" not in uri} <= set(fixed)
    assert templates == [uri for uri in RESOURCES if "{" in uri]
    assert {prompt["name"] for prompt in client.list("prompts")} == set(PROMPTS)


@pytest.mark.parametrize("uri", [uri for uri in RESOURCES.values() if uri])
def test_it_reads_a_resource(client, uri):
    read = contents(client.read(uri))
    match uri.split("/")[-1]:
        case "data":
            assert (read["row_count"], read["rows"][0][0]) == (12, 1)
        case "public":
            assert {"shops", "orders"} <= {table["name"] for table in read["tables"]}
        case "info":
            assert read["status"] == "ALIVE" and read["workers"][0]["cores"]["total"] > 0
            assert read["version"].startswith("4.")
        case "active":
            # Those of the tests before this one are over, or end.
            until("no run is left", lambda: contents(client.read(uri))["runs"] == [])
        case "system":
            assert read["postgres_pools"]["default"][0]["open"] >= 0
        case other:
            raise AssertionError(other)


def test_it_reads_a_job(client, job):
    read = contents(client.read(f"spark://jobs/{job}"))
    assert read["job_id"] == job and read["stages"].keys() >= {"total", "done"}
    # A client may keep the list for as long as its `ttlMs` says.
    uri = f"spark://jobs/{job}"
    until("the job is listed", lambda: uri in uris(client.list("resources")), pause=1)


def test_it_says_what_it_does_not_find_in_the_code_of_the_revision(client):
    error = client.read("postgres://tables/shop/data")["error"]
    assert "`public.shops`" in error["message"], error
    # The npm `client` shows the newer code whatever the revision.
    is_newer = client.sdk.era == "modern" or client.sdk.name == "client"
    assert error["code"] == (-32602 if is_newer else -32002), error


@pytest.mark.parametrize("name", PROMPTS)
def test_it_writes_a_prompt_by_what_is_there(client, name):
    arguments, words = PROMPTS[name]
    general, grounded = text(client.prompt(name)), text(client.prompt(name, arguments))
    assert words in grounded and words not in general, grounded


@pytest.mark.parametrize(
    ("ref", "name", "begun", "expected"),
    [
        (
            {"type": "ref/resource", "uri": "postgres://tables/{table_name}/data"},
            "table_name",
            "sho",
            ["shops"],
        ),
        ({"type": "ref/prompt", "name": "sql_best_practices"}, "database", "d", ["default"]),
    ],
)
def test_it_completes_a_name(client, ref, name, begun, expected):
    outcome = client.complete(ref, {"name": name, "value": begun})
    assert outcome["result"]["completion"]["values"] == expected, outcome
