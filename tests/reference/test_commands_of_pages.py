"""Every command of `portcullis` that a page shows is one that the program takes, and every request
to the management API is one that the control plane describes.

A command is asked for its help in the place of being run, so that its words and flags are read and
nothing is done.
"""

import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
API = REPOSITORY / "docs/control-plane-api.md"
PAGES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *sorted((REPOSITORY / "docs/operator").glob("*.md")),
]
BLOCK = re.compile(r"^```(?:console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:\S+=\S+ )*portcullis [^`]+)`")
SUBSTITUTION = re.compile(r"\$\([^()]*\)")
ENDS = {"|", "||", "&&", ";", ">", ">>", "2>", "&", "<"}
"""What a shell reads as the end of a command's own words."""
REQUEST = re.compile(r"\b(GET|POST|PUT|DELETE|PATCH)\s+(/api/v1/[^\s`?]+)")
DESCRIBED = re.compile(r"^### `([A-Z]+) (\S+)`", re.MULTILINE)


def typed(page: Path) -> list[str]:
    """Each line that a shell is given on a page, and each command between backticks."""
    text = page.read_text()
    lines = []
    for block in BLOCK.findall(text):
        for line in re.sub(r"\n> ", " ", block).replace("\\\n", " ").splitlines():
            lines.append(line.removeprefix("$ "))
    outside = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return lines + [" ".join(command.split()) for command in INLINE.findall(outside)]


def words_of(line: str) -> list[str] | None:
    """The words of a command of `portcullis` without its name; nothing where a line has none."""
    try:
        words = shlex.split(SUBSTITUTION.sub("1", line), comments=True)
    except ValueError:
        return None
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[:1] != ["portcullis"] or words[1:2] == ["<command>"]:
        return None
    end = next((at for at, word in enumerate(words) if word in ENDS), len(words))
    return words[1:end]


@pytest.fixture(scope="module")
def refusal(installation):
    """What `portcullis` says against words; nothing where it takes them."""

    @cache
    def asked(words: tuple[str, ...]) -> str | None:
        command = [installation.binary("portcullis"), *words, "--help"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return None if done.returncode == 0 else done.stderr

    return asked


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPOSITORY)) for page in PAGES])
def test_it_takes_every_command_that_a_page_shows(refusal, page):
    commands = [words for words in map(words_of, typed(page)) if words is not None]
    refused = {" ".join(words): refusal(tuple(words)) for words in commands}
    assert {words: said for words, said in refused.items() if said} == {}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(REPOSITORY)) for page in PAGES])
def test_it_describes_every_request_that_a_page_names(page):
    described = DESCRIBED.findall(API.read_text())
    assert len(described) > 50
    unknown = [
        f"{method} {path}"
        for method, path in REQUEST.findall(page.read_text() if page != API else "")
        if not any(method == other and is_of(path, template) for other, template in described)
    ]
    assert unknown == []


def is_of(path: str, template: str) -> bool:
    """Whether a path is one of a template's, in which `{…}` is any part; so is `…` of a path."""
    parts, expected = path.split("/"), template.split("/")
    same = (
        one in (other, "…") or other.startswith("{")
        for one, other in zip(parts, expected, strict=False)
    )
    return len(parts) == len(expected) and all(same)


def test_it_refuses_a_command_that_is_none(refusal):
    assert refusal(("servers", "list", "--nonsense"))
    assert refusal(("nonsense",))
    assert words_of("CONTROL_PLANE_STORE=a portcullis store restore b | cat") == [
        "store",
        "restore",
        "b",
    ]
    assert is_of("/api/v1/servers/math", "/api/v1/servers/{name}")
    assert not is_of("/api/v1/server/math", "/api/v1/servers/{name}")
    assert len(typed(REPOSITORY / "docs/operator-guide.md")) > 50
