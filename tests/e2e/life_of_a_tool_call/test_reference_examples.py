"""Every example of docs/api-reference.md works through the gateway, on the demo data."""

import json
import re

import pytest
import yaml
from jsonschema import Draft202012Validator

from installation import REPOSITORY
from outcomes import structured
from polling import until
from promises import promised
from sdk_client import SDKS, SdkClient

PAGE = REPOSITORY / "docs/api-reference.md"
BLOCK = re.compile(r"^Example:\n\n```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# The page is of the tools that every server has.
DECLARED = {
    tool["name"]
    for tool in yaml.safe_load((REPOSITORY / "examples/tools.yaml").read_text())["tools"]
}
OVER = {"succeeded", "failed", "cancelled"}
LARGE = {"sql": "SELECT * FROM generate_series(1, 1000) AS n", "use_block_transport": True}


def examples(chapter: str) -> list[dict]:
    """The params of each example in a chapter of the page."""
    text = PAGE.read_text().split(f"\n## {chapter}\n")[1].split("\n## ")[0]
    return [json.loads(block) for block in BLOCK.findall(text)]


def uris() -> list[str]:
    """The URI that each kind of resource is exemplified by."""
    text = PAGE.read_text().split("\n## Resources\n")[1].split("\n## ")[0]
    found = re.findall(r"Such\s+as\s+`([^`]+)`", text)
    assert len(found) == text.count("\n### ") > 5
    return found


@pytest.fixture(scope="module")
def user(stack, installation):
    """A client that calls one example after another."""
    with SdkClient(SDKS[0], stack.url, installation.home) as client:
        yield client


@pytest.fixture(scope="module")
def answers(user) -> dict[str, dict]:
    """The answer to the example of each tool; ids are those of earlier answers."""
    known = {"uri": structured(user.call("execute_query", LARGE))["result"]["uri"]}
    seen = {}
    # The list begins with what agents use most; the table that rows go into has to be there.
    for example in sorted(examples("Tools"), key=lambda one: one["name"] != "create_table"):
        arguments = {
            name: known.get(name, value) if name in ("uri", "job_id", "run_id") else value
            for name, value in example["arguments"].items()
        }
        if example["name"] == "cancel_job":
            until("the job is over", lambda: is_over(user, "get_job_status", arguments), 120)
        outcome = user.call(example["name"], arguments)
        seen[example["name"]] = outcome
        known |= {
            name: value
            for name, value in structured(outcome).items()
            if name in ("job_id", "run_id")
        }
    seen["known"] = known
    return seen


def is_over(user: SdkClient, tool: str, arguments: dict) -> bool:
    """Whether the job has ended."""
    return structured(user.call(tool, arguments))["finished_at"] is not None


def test_it_calls_the_example_of_every_tool_that_is_announced(user, answers):
    announced = {tool["name"] for tool in user.tools()}
    assert announced > DECLARED
    assert set(answers) - {"known"} == announced - DECLARED


def test_it_answers_in_the_form_that_is_announced_with_every_member(user, answers):
    for tool in user.tools():
        if tool["name"] in answers:
            whole = Draft202012Validator(promised(tool["outputSchema"]))
            whole.validate(structured(answers[tool["name"]]))


def test_it_gets_what_the_examples_ask_for(user, answers):
    def seen(tool: str) -> dict:
        return structured(answers[tool])

    assert len(seen("execute_query")["rows"]) == 5
    assert seen("execute_dml")["rows"][0][1] == "Porto Teas"
    assert seen("bulk_load_from_spark")["rows"] == 4
    assert seen("execute_spark_sql")["data"].startswith("kind,events\r\n")
    assert "hello world" in seen("get_job_logs")["text"]
    run = {"run_id": answers["known"]["run_id"]}
    until("the run is over", lambda: run_status(user, run) in OVER)


def run_status(user: SdkClient, run: dict) -> str:
    """How the run goes."""
    return structured(user.call("get_pipeline_status", run))["status"]


def test_it_reads_the_example_of_every_resource(user, answers):
    known = answers["known"]
    for uri in uris():
        actual = re.sub("^spark://jobs/.*", f"spark://jobs/{known['job_id']}", uri)
        actual = re.sub(r"^result://[^?]*", known["uri"], actual)
        outcome = user.read(actual)
        assert outcome.get("result", {}).get("contents"), (uri, outcome)


def test_it_gets_the_example_of_every_prompt(user):
    prompts = examples("Prompts")
    assert {prompt["name"] for prompt in prompts} == {one["name"] for one in user.list("prompts")}
    for prompt in prompts:
        outcome = user.prompt(prompt["name"], prompt["arguments"])
        assert outcome.get("result", {}).get("messages"), (prompt, outcome)
