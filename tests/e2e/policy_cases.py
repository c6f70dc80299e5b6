"""The shared policy cases, as tests/policy-cases/README.md describes them, with numbers and keys as
they are written.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from installation import REPOSITORY
from mcp_messages import Era, Message, call, request

FOLDER = REPOSITORY / "tests/policy-cases"


class Number(str):
    """A JSON number's own text: `1.0`, `1` and `1e2` are told apart."""


def written(value: object) -> str:
    """JSON text of what `read` gave."""
    match value:
        case Number():
            return value
        case dict():
            return (
                "{"
                + ",".join(f"{json.dumps(key)}:{written(item)}" for key, item in value.items())
                + "}"
            )
        case list():
            return "[" + ",".join(map(written, value)) + "]"
        case _:
            return json.dumps(value)


@dataclass(frozen=True)
class CaseFile:
    """One file: a gateway's configuration and calls to it, in order."""

    path: Path
    filter_config: str
    cases: list[dict]
    """Those that do not say who calls."""
    all_cases: list[dict]

    @classmethod
    def read(cls, path: Path) -> "CaseFile":
        content = json.loads(path.read_text(), parse_int=Number, parse_float=Number)
        # Whoever calls is anonymous to the filter until it is told more: cases with a principal run
        # natively and in the engine's builds for embedders.
        cases = [case for case in content["cases"] if "principal" not in case]
        return cls(path, written(content["filter_config"]), cases, content["cases"])


def all_files() -> list[CaseFile]:
    """Every file; having none is an error."""
    files = [CaseFile.read(path) for path in sorted(FOLDER.glob("*.json"))]
    assert files, f"no policy cases in `{FOLDER}`"
    return files


def message(case: dict, era: Era) -> Message:
    """The call, or the other message, that a case is about."""
    if "method" in case:
        sent = request(era, case["method"], case.get("params"))
        if case.get("form") != "notification":
            return sent
        body = json.loads(sent.body)
        del body["id"]
        return sent.with_body(json.dumps(body).encode())
    if "arguments_raw" in case:
        arguments = case["arguments_raw"]
    else:
        arguments = written(case["arguments"]) if "arguments" in case else None
    plain = call(era, case["tool"], "ARGUMENTS")
    placeholder = b', "arguments": "ARGUMENTS"'
    assert placeholder in plain.body
    text = b"" if arguments is None else b', "arguments": ' + arguments.encode()
    return plain.with_body(plain.body.replace(placeholder, text, 1))
