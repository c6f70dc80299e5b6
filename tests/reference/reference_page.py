"""The text of docs/api-reference.md: one chapter each for tools, resources and prompts."""

import json
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from promises import is_always_there

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = REPOSITORY / "docs/api-reference.md"
NOTES = Path(__file__).with_name("notes.json")
WIDTH = 100

HEAD = """\
# API reference of the data server

`make reference` writes this page from the lists that the data server itself gives to its clients,
and a test fails while the two differ: change the tool in `mcp-server/src/tools`, or what is said of
it in `tests/reference/notes.json`, and not this page. [The user guide](user-guide.md) shows how to
connect and call, [the data server](data-server.md) what is behind the tools and what they refuse.

Every example is sent through Envoy by a test. Arguments are strict: one that a tool does not have
is refused. A result is `structuredContent` of the form under *Gives*, and text for models; older
revisions of MCP get the text alone. A failure of a tool has `isError` and, as its structured
content, `{"error": {"code", "message", "hint"}}`: `code` is an SQLSTATE, a class of Spark's errors,
or a word, and `hint` is there where the message does not say what to do. What the gateway refuses
has its sentence as text alone.
"""


def read_notes() -> dict:
    """Examples, and the words that the server's own lists leave out."""
    return json.loads(NOTES.read_text())


def written(lists: dict[str, list[dict]], notes: dict) -> str:
    """The whole page."""
    parts = [HEAD, "## Tools\n", "\n".join(contents(lists["tools"])) + "\n"]
    parts += [tool(one, notes["tools"].get(one["name"], {})) for one in lists["tools"]]
    parts += ["## Resources\n", resources(lists, notes["resources"])]
    parts += ["## Prompts\n"]
    parts += [prompt(one, notes["prompts"].get(one["name"], {})) for one in lists["prompts"]]
    return "\n".join(parts)


def contents(tools: list[dict]) -> Iterator[str]:
    yield "| tool | title | a call |"
    yield "|---|---|---|"
    for one in tools:
        yield f"| [`{one['name']}`](#{one['name']}) | {one['title']} | {effect(one)} |"


def effect(tool: dict) -> str:
    """The change that a call makes, by the tool's annotations."""
    annotations = tool["annotations"]
    if annotations["readOnlyHint"]:
        return "only reads"
    change = "may change or remove what exists" if annotations["destructiveHint"] else "adds"
    is_idempotent = annotations.get("idempotentHint")
    return change + ("; a second equal call changes nothing more" if is_idempotent else "")


def tool(one: dict, notes: dict) -> str:
    """The section of one tool."""
    lines = [f"### {one['name']}\n", filled(f"*{one['title']}.* {one['description']}")]
    annotations = ", ".join(
        f"`{name}` {json.dumps(value)}" for name, value in sorted(one["annotations"].items())
    )
    lines += [filled(f"A call {effect(one)}: {annotations}.")]
    if "remark" in notes:
        lines += [filled(notes["remark"])]
    rows = list(arguments(one["inputSchema"], notes.get("arguments", {})))
    if rows:
        lines += ["| argument | type | required | default | bounds | meaning |"]
        lines += ["|---|---|---|---|---|---|", *rows, ""]
    else:
        lines += ["It takes no arguments.\n"]
    lines += ["Gives:\n", "```ts", shape(one["outputSchema"], ""), "```\n"]
    lines += ["Example:\n", example({"name": one["name"], "arguments": notes.get("example", {})})]
    return "\n".join(lines)


def arguments(schema: dict, notes: dict, prefix: str = "") -> Iterator[str]:
    """One row for each argument, and after it those of the objects within it."""
    required = schema.get("required", [])
    names = sorted(schema.get("properties", {}), key=lambda name: (name not in required, name))
    for name in names:
        one, path = schema["properties"][name], prefix + name
        meaning, usual = said(one.get("description", ""))
        more, usual_by_note = said(notes.get(path, ""))
        cells = [
            f"`{path}`",
            type_of(one),
            "yes" if name in required else "",
            usual or usual_by_note,
            bounds(one),
            meaning or more,
        ]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield from arguments(one, notes, f"{path}.")
        yield from arguments(one.get("items", {}), notes, f"{path}[].")


def said(description: str) -> tuple[str, str]:
    """A description without its default, and the default: `Rows, 10 when left out`."""
    found = re.search(r"(?:^|[,;:] )([^,;:]+) when left out", description)
    if not found:
        return description, ""
    rest = (description[: found.start()] + description[found.end() :]).strip(" ,;")
    return rest, found.group(1)


def type_of(schema: dict) -> str:
    """The type of a value in a word or two."""
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    kind = schema.get("type", "any value")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"array of {plural(type_of(schema.get('items', {})))}"
    return kind


def plural(word: str) -> str:
    if word.startswith("one of"):
        return word
    return word.replace("array", "arrays", 1) if word.startswith("array") else word + "s"


BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "{} characters or more",
    "maxLength": "at most {} characters",
    "minItems": "{} items or more",
    "maxItems": "at most {} items",
    "pattern": "`{}`",
}


def bounds(schema: dict) -> str:
    """The bounds that the gateway and the tool hold an argument to."""
    found = [words.format(schema[key]) for key, words in BOUNDS.items() if key in schema]
    return ", ".join("not empty" if one.startswith("1 ") else one for one in found)


def shape(schema: dict, indent: str) -> str:
    """The form of a result, as TypeScript would declare it."""
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    kind = schema.get("type", "object" if "properties" in schema else "unknown")
    kinds = kind if isinstance(kind, list) else [kind]
    forms = [one_shape(one, schema, indent) for one in kinds]
    return " | ".join(forms)


def one_shape(kind: str, schema: dict, indent: str) -> str:
    match kind:
        case "array":
            inner = shape(schema.get("items", {}), indent)
            return f"({inner})[]" if " | " in inner.split("{")[0] else f"{inner}[]"
        case "object" if "properties" in schema:
            return object_shape(schema, indent)
        case "integer":
            return "number"
        case _:
            return kind


def object_shape(schema: dict, indent: str) -> str:
    """Members on one line where they fit there and nothing is to be said of them."""
    members = schema["properties"]
    always = {name for name, member in members.items() if is_always_there(member)}
    deeper = indent + "  "
    lines = []
    for name in sorted(members, key=lambda name: (name not in always, name)):
        optional = "" if name in always else "?"
        line = f"{name}{optional}: {shape(members[name], deeper)};"
        if words := members[name].get("description"):
            line += f"  // {words}"
        lines.append(line)
    inline = "{ " + " ".join(lines).rstrip(";") + " }"
    if indent and "//" not in inline and "\n" not in inline and len(inline) + len(indent) < 72:
        return inline
    return "{\n" + "".join(f"{deeper}{line}\n" for line in lines) + indent + "}"


def resources(lists: dict[str, list[dict]], examples: dict) -> str:
    """One section for each kind of resource, with all forms of its URI."""
    kinds: dict[str, list[dict]] = {}
    for one in lists["resources"] + lists["resourceTemplates"]:
        kinds.setdefault(one["name"], []).append(one)
    sections = []
    for name, forms in kinds.items():
        uris = [form.get("uri") or form["uriTemplate"] for form in forms]
        spelled = " or ".join(f"`{uri}`" for uri in uris)
        first = forms[0]
        words = f"*{first['title']}.* {first['description']}"
        uri = examples.get(name, uris[0])
        read = f"{spelled}, `{first['mimeType']}`. Such as `{uri}`."
        sections.append("\n".join([f"### {name}\n", filled(words), filled(read)]))
    return "\n".join(sections)


def prompt(one: dict, notes: dict) -> str:
    """The section of one prompt."""
    lines = [f"### {one['name']}\n", filled(f"*{one['title']}.* {one['description']}")]
    lines += ["| argument | default | meaning |", "|---|---|---|"]
    for argument in one["arguments"]:
        meaning, usual = said(argument["description"])
        lines.append(f"| `{argument['name']}` | {usual} | {meaning} |")
    lines += ["", "Example:\n"]
    lines += [example({"name": one["name"], "arguments": notes.get("example", {})})]
    return "\n".join(lines)


def example(params: dict) -> str:
    """The params of a request as a block of JSON; what fits a line stays on it."""
    return f"```json\n{compact(params)}\n```\n"


def compact(value: object, indent: str = "") -> str:
    """JSON whose lines fit the page."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) <= WIDTH - 12 or not isinstance(value, dict | list) or not value:
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        inner = [f"{deeper}{json.dumps(k)}: {compact(v, deeper)}" for k, v in value.items()]
        return "{\n" + ",\n".join(inner) + f"\n{indent}" + "}"
    inner = [deeper + compact(one, deeper) for one in value]
    return "[\n" + ",\n".join(inner) + f"\n{indent}]"


def filled(text: str) -> str:
    """A paragraph in lines that end by column 100."""
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n"
