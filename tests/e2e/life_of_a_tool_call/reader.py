"""Somebody who has cloned the repository, installed the clients and typed `make up`, and who types
what the documents show.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from installation import REPOSITORY, Installation
from stack import Stack

PATIENCE = 300
"""Seconds for one block; the first statement in a Spark takes most of them."""
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PACKAGES = {
    "@modelcontextprotocol/inspector": "clients/launcher/build/index.js",
    "mcp-remote": "dist/proxy.js",
}
"""The packages that documents run by `npx`, each with its program."""


@dataclass(frozen=True)
class Block:
    """A fenced block of a document."""

    place: str
    language: str
    text: str


def blocks(document: str, section: str = "") -> list[Block]:
    """The blocks of a document, or of one section of it, each with its number."""
    text = (REPOSITORY / document).read_text()
    if section:
        text = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = enumerate(FENCE.findall(text), 1)
    return [Block(f"{document} {number}", language, body) for number, (language, body) in found]


class Reader:
    """A folder like the repository, in which blocks are run against a stack on other ports."""

    def __init__(self, stack: Stack, installation: Installation, folder: Path) -> None:
        self.folder = folder
        self.ports = {
            10000: stack.gateway_port,
            8000: stack.server_port,
            8080: stack.rest_port,
            9901: stack.envoy_admin_port,
        }
        shutil.copytree(REPOSITORY / "examples", folder / "examples")
        for example in (folder / "examples").iterdir():
            example.write_text(self.at_its_ports(example.read_text()))
        (folder / "package.json").write_text(json.dumps({"type": "module"}))
        packages = installation.home / "clients/node/node_modules"
        (folder / "node_modules").symlink_to(packages)
        (folder / "target/quick").mkdir(parents=True)
        for program in ("portcullis", "mcp-server"):
            built = installation.binary(program).resolve()
            (folder / "target/quick" / program).symlink_to(built)
        programs = folder / "programs"
        programs.mkdir()
        node = installation.program("node")
        npx = "".join(
            f'    {name}) shift; exec "{node}" "{packages / name / program}" "$@" ;;\n'
            for name, program in PACKAGES.items()
        )
        for name, script in {
            "python3": f'exec "{installation.home}/clients/python/bin/python" "$@"',
            "node": f'exec "{node}" "$@"',
            # Runs a package that is there already, as npx itself would.
            "npx": f'[ "$1" = -y ] && shift\ncase "$1" in\n{npx}    *) exit 127 ;;\nesac',
        }.items():
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(folder),
            "PORTCULLIS_URL": stack.url,
            "MCP_INSPECTOR_SECRET_STORE": "file",
        }

    def at_its_ports(self, text: str) -> str:
        """The text with the ports of this stack in the place of the usual ones."""
        usual = r"127\.0\.0\.1:(10000|8000|8080|9901)\b"
        return re.sub(usual, lambda found: f"127.0.0.1:{self.ports[int(found[1])]}", text)

    def type(self, block: Block, *, stops: bool = True) -> subprocess.CompletedProcess:
        """Runs a block in its language; a shell stops at the first command that fails, if it
        should.
        """
        file = self.folder / f"block.{block.language}"
        file.write_text(self.at_its_ports(block.text))
        shell = ["bash", "-euo" if stops else "-uo", "pipefail"]
        runner = {"sh": shell, "python": ["python3"], "ts": ["node", "--experimental-strip-types"]}
        return self.run([*runner[block.language], file.name])

    def run(self, command: list[str], **variables: str) -> subprocess.CompletedProcess:
        """Runs a command in the folder."""
        program = shutil.which(command[0], path=self.environment["PATH"])
        return subprocess.run(
            [program, *command[1:]],
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
