"""Set-up runs the build beside its downloads, and says plainly which of the two failed."""

import shlex
import sys
from pathlib import Path

import pytest

import beside
import home as home_module
import part
import setup
from home import Home, Problem

MAKEFILE = Path(home_module.__file__).resolve().parents[1] / "Makefile"
# Waits for one file of the folder and makes another: `wait(for, make)`.
WAITER = """
import pathlib, sys, time
wanted, made = map(pathlib.Path, sys.argv[1:])
deadline = time.monotonic() + 60
while not wanted.exists() and time.monotonic() < deadline:
    time.sleep(0.01)
made.touch() if wanted.exists() else sys.exit(f"no {wanted}")
"""


def waiter(wanted: Path, made: Path) -> list[str]:
    return [sys.executable, "-c", WAITER, str(wanted), str(made)]


class Download(part.Part):
    """A part that is made by a command, without the network."""

    name, title = "download-1.0", "Download"

    def __init__(self, words: list[str]) -> None:
        self.words = words

    def make(self, home: Home, fresh: Path) -> None:
        command = beside.Beside(self.words)
        command.start()
        for problem in command.wait():
            raise problem

    def expose(self, home: Home, folder: Path) -> None:
        pass


class Toolchain(Download):
    name, title = "wasm-target", "Toolchain"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("PORTCULLIS_HOME", str(tmp_path / "home"))
    return Home.from_environment()


def run(monkeypatch: pytest.MonkeyPatch, parts: list[part.Part], command: list[str]) -> int:
    monkeypatch.setattr(setup, "what_serves", lambda _: parts)
    monkeypatch.setattr(setup.sys, "argv", ["setup.py", "up", "--", *command])
    return setup.main()


def test_it_runs_the_command_while_it_fetches(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetching, building, done = (tmp_path / name for name in ("fetching", "building", "done"))
    # Each of the two waits for a sign of the other: one after the other they would never end.
    script = f"touch {fetching} && {shlex.join(waiter(building, done))}"
    assert run(monkeypatch, [Download(["sh", "-c", script])], waiter(fetching, building)) == 0
    assert done.exists()


def test_it_starts_the_command_when_the_toolchain_is_there(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toolchain, built = tmp_path / "toolchain", tmp_path / "built"
    command = ["sh", "-c", f"test -e {toolchain} && touch {built}"]
    assert run(monkeypatch, [Toolchain(["touch", str(toolchain)])], command) == 0
    assert built.exists()


def test_it_runs_the_command_where_nothing_is_left_to_fetch(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(monkeypatch, [], ["touch", str(tmp_path / "built")]) == 0
    assert (tmp_path / "built").exists()


@pytest.mark.parametrize(
    ("download", "command", "said", "unsaid"),
    [
        ("true", "false", "the build failed", "set-up is not complete"),
        ("false", "true", "set-up is not complete", "the build failed"),
    ],
)
def test_it_says_which_of_the_two_failed(
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    download: str,
    command: str,
    said: str,
    unsaid: str,
) -> None:
    assert run(monkeypatch, [Download([download])], [command]) == 1
    words = capfd.readouterr().err
    assert said in words and "`false` ended with 1" in words and unsaid not in words


def test_it_builds_nothing_without_a_toolchain(
    home: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, [Toolchain(["false"])], ["touch", str(tmp_path / "built")]) == 1
    assert not (tmp_path / "built").exists()
    assert "set-up is not complete" in capfd.readouterr().err


def test_it_says_that_a_command_is_missing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Problem, match="cannot run `no-such-program`"):
        run(monkeypatch, [], ["no-such-program"])


def test_it_is_how_the_makefile_brings_the_product_up() -> None:
    recipe = MAKEFILE.read_text().split("\nbuild:\n")[1].split("\n\n")[0]
    assert "setup/setup.py up -- cargo build --locked --profile quick" in recipe
    assert recipe.count("cargo build") == 1
