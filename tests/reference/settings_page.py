"""The pages of settings: every setting of the data server and of the control plane, from what
their `--help` says.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DATA_SERVER_HEAD = """\
# Every setting of the data server

`make reference` writes this page from what `mcp-server --help` says, and a test fails while the two
differ. Each setting is a flag and a variable; the flag goes before the variable. [The data
server](../data-server.md) says what they are for. `portcullis up` reads the same variables, and
`.env`.
"""
CONTROL_PLANE_HEAD = """\
# Every setting of the control plane

`make reference` writes this page from what `control-plane --help` says, and a test fails while the
two differ. Each setting is a flag and a variable; the flag goes before the variable. All else is in
[the gateway document](configuring.md), and changes while traffic flows; a setting changes with a
restart. `portcullis up` reads the same variables, and `.env`.
"""


@dataclass(frozen=True)
class Page:
    """A page of settings."""

    path: Path
    program: str
    head: str
    chapters: dict[str, str]
    """Each with how its variables begin; a variable is in the first chapter that fits."""


DATA_SERVER = Page(
    REPOSITORY / "docs/operator/settings.md",
    "mcp-server",
    DATA_SERVER_HEAD,
    {
        "PostgreSQL": "POSTGRES_",
        "Spark": "SPARK_",
        "The server, its tools and its results": "",
    },
)
CONTROL_PLANE = Page(
    REPOSITORY / "docs/operator/control-plane-settings.md",
    "control-plane",
    CONTROL_PLANE_HEAD,
    {
        "Envoys": "CONTROL_PLANE_XDS_",
        "Modules": "CONTROL_PLANE_MODULE",
        "Operators, servers and the store": "",
    },
)
PAGES = (DATA_SERVER, CONTROL_PLANE)


@dataclass(frozen=True)
class Setting:
    """One setting, in the words of `--help`."""

    flag: str
    variable: str
    default: str
    meaning: str


def help_of(program: Path) -> str:
    """The long help, whatever the variables around say."""
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run([program, "--help"], capture_output=True, text=True, env=environment)
    return done.stdout


def settings(text: str) -> Iterator[Setting]:
    """Each option but those that every program has."""
    _, _, options = text.partition("\nOptions:\n")
    for block in re.split(r"\n(?=  +(?:-\w, )?--)", options):
        head, *rest = block.strip().splitlines()
        flag = re.search(r"--[\w-]+", head).group(0)
        said = "\n".join(line.strip() for line in rest)
        variable = re.search(r"^\[env: (\w+)", said, re.MULTILINE)
        default = re.search(r"\[default:\s+(.*?)\]$", said, re.MULTILINE | re.DOTALL)
        values = re.findall(r"^- ([\w-]+):", said, re.MULTILINE)
        values += re.findall(
            r"[\w-]+", (re.findall(r"\[possible values: (.*?)\]", said) or [""])[0]
        )
        meaning = re.split(r"\[env:|\[default:|\[possible|^Possible", said, flags=re.MULTILINE)[0]
        meaning = " ".join(meaning.split())
        if values:
            meaning += "; one of " + ", ".join(f"`{value}`" for value in values)
        if flag not in ("--help", "--version"):
            usual = " ".join(default.group(1).split()) if default else ""
            yield Setting(flag, variable.group(1) if variable else "", usual.strip('"'), meaning)


def settings_written(page: Page, text: str) -> str:
    """The whole page, from the help of its program."""
    left = list(settings(text))
    parts = [page.head]
    for title, prefix in page.chapters.items():
        group = [one for one in left if one.variable.startswith(prefix)]
        left = [one for one in left if one not in group]
        parts += [f"## {title}\n", "| variable | flag | default | meaning |", "|---|---|---|---|"]
        parts += [row(one) for one in group]
        parts += [""]
    return "\n".join(parts)


def row(one: Setting) -> str:
    # A default of one word is what one would type.
    is_word = one.default and " " not in one.default
    variable = f"`{one.variable}`" if one.variable else ""
    default = f"`{one.default}`" if is_word else one.default
    cells = [variable, f"`{one.flag}`", default, one.meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
