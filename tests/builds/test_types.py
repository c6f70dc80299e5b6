"""The types of the package for browsers, as the compiler of TypeScript reads them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from embedded import browser_package
from installation import Installation, present

PROGRAM = (Path(__file__).parent / "uses_types.ts").read_text()


MISUSES = {
    "unknown_field": ('tool: "query",', 'tol: "query",'),
    "arguments_that_are_no_text": ('arguments: "{}",', "arguments: {},"),
    "unknown_form": ('form: "notification"', 'form: "answer"'),
    "field_of_a_refusal": ("decision.cluster", "decision.sentence"),
    "key_of_numbers": ("new Counts(1n, 2n)", "new Counts(1, 2)"),
}


@pytest.fixture(scope="module")
def complaints(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """What the compiler says of each program beside the package, by its name."""
    package = tmp_path_factory.mktemp("types") / "package"
    shutil.copytree(browser_package(installation), package)
    compiler = installation.home / "types/node/node_modules/typescript/bin/tsc"
    programs = {"fits": PROGRAM}
    for name, (right, wrong) in MISUSES.items():
        assert PROGRAM.count(right) == 1
        programs[name] = PROGRAM.replace(right, wrong)
    for name, program in programs.items():
        (package / f"{name}.ts").write_text(program)
    command = [
        installation.program("node"),
        present(compiler, "run `make setup`"),
        *("--noEmit", "--strict", "--module", "nodenext", "--target", "es2022"),
        *("--lib", "es2022,esnext.disposable,dom"),
        *(f"{name}.ts" for name in programs),
    ]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True)
    said = done.stdout.splitlines()
    assert all("error TS" in line for line in said if not line.startswith(" ")), done.stdout
    return {
        name: "\n".join(line for line in said if line.startswith(f"{name}.ts")) for name in programs
    }


def test_it_compiles_a_program_that_fits_the_types(complaints: dict[str, str]):
    assert complaints["fits"] == ""


@pytest.mark.parametrize("name", MISUSES)
def test_it_refuses_a_program_that_does_not(complaints: dict[str, str], name: str):
    assert complaints[name] != ""
