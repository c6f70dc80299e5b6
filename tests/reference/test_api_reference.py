"""docs/api-reference.md is what the data server announces, and leaves nothing unsaid."""

import re

import pytest
from jsonschema import Draft202012Validator

from announced import announced
from reference_page import PAGE, arguments, compact, read_notes, said, shape, type_of, written

REMEDY = "type `make reference`, and commit docs/api-reference.md"


@pytest.fixture(scope="module")
def lists(installation) -> dict[str, list[dict]]:
    """Everything that the data server announces."""
    return announced(installation.binary("mcp-server"))


def test_it_is_written_from_what_the_server_announces(lists):
    assert PAGE.read_text() == written(lists, read_notes()), REMEDY


def test_it_tells_the_meaning_of_every_argument(lists):
    notes = read_notes()["tools"]
    unsaid = [
        f"{tool['name']}: {row}"
        for tool in lists["tools"]
        for row in arguments(tool["inputSchema"], notes[tool["name"]].get("arguments", {}))
        if row.endswith("|  |")
    ]
    assert unsaid == [], "say it in tests/reference/notes.json"


def test_it_gives_an_example_of_every_tool_that_fits_its_schema(lists):
    notes = read_notes()["tools"]
    assert set(notes) == {tool["name"] for tool in lists["tools"]}
    for tool in lists["tools"]:
        Draft202012Validator(tool["inputSchema"]).validate(notes[tool["name"]]["example"])


def test_it_gives_an_example_of_every_prompt_and_template(lists):
    notes = read_notes()
    assert set(notes["prompts"]) == {prompt["name"] for prompt in lists["prompts"]}
    for prompt in lists["prompts"]:
        known = {argument["name"] for argument in prompt["arguments"]}
        assert set(notes["prompts"][prompt["name"]]["example"]) <= known
    assert set(notes["resources"]) == {one["name"] for one in lists["resourceTemplates"]}


def test_it_notes_no_argument_that_a_tool_does_not_have_or_tells_of_itself(lists):
    notes = read_notes()["tools"]
    for tool in lists["tools"]:
        without = list(arguments(tool["inputSchema"], {}))
        unsaid = {re.search("`(.*?)`", row).group(1) for row in without if row.endswith("|  |")}
        assert set(notes[tool["name"]].get("arguments", {})) - unsaid == set(), tool["name"]


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("Tables per page, 100 when left out", ("Tables per page", "100")),
        ("`public` when left out", ("", "`public`")),
        ("Of the rows: json when left out; arrow is more", ("Of the rows; arrow is more", "json")),
        ("Name of a database; `default` when left out", ("Name of a database", "`default`")),
        ("Values by name", ("Values by name", "")),
    ],
)
def test_it_takes_the_default_out_of_a_description(description: str, expected: tuple[str, str]):
    assert said(description) == expected


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (
            {"type": "array", "items": {"type": "array", "items": {}}},
            "array of arrays of any values",
        ),
        ({"type": ["array", "object"]}, "array or object"),
        ({"enum": ["a", "b"]}, "one of `a`, `b`"),
    ],
)
def test_it_names_types_in_words(schema: dict, expected: str):
    assert type_of(schema) == expected


def test_it_declares_the_form_of_a_result():
    schema = {
        "properties": {
            "rows": {"type": "array", "items": {"type": ["string", "null"]}},
            "why": {"enum": ["a", None], "description": "With a reason"},
        },
    }
    expected = '{\n  rows: (string | null)[];\n  why?: "a" | null;  // With a reason\n}'
    assert shape(schema, "") == expected


def test_it_breaks_long_examples_into_lines():
    assert compact({"a": [1, 2]}) == '{"a": [1, 2]}'
    long = ["x" * 50, "y" * 50]
    assert compact(long) == f'[\n  "{long[0]}",\n  "{long[1]}"\n]'
