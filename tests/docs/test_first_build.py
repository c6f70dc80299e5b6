"""The first `make up` stays a matter of minutes: what it compiles is counted, and named.

Each number may fall; whoever must raise one says why in `docs/decisions/0018`.
"""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_PACKAGES = 299
# Two versions of one crate, or one version compiled for the product and for the build.
TWICE = {
    "base64",
    "block-buffer",
    "cpufeatures",
    "crypto-common",
    "digest",
    "either",
    "getrandom",
    "hashbrown",
    "num-bigint",
    "sha2",
    "syn",
}
# Crates that cost more than they give here, each with what does its work instead.
REPLACED = {
    "aws-lc-sys": "ring",
    "bindgen": "nothing: no header is translated while building",
    "openssl-sys": "rustls",
    "prost-build": "generated code in the tree",
    "protox": "generated code in the tree",
    "rmcp-macros": "tools that are written by hand",
    "sqlx-macros": "the list of migrations and the macro for rows in control-plane/store",
    "sqlx-macros-core": "the list of migrations and the macro for rows in control-plane/store",
}


def built_packages() -> list[str]:
    """The packages that the Makefile builds for `make up`."""
    recipe = (REPOSITORY / "Makefile").read_text().split("\nbuild:\n")[1].split("\n\n")[0]
    (command,) = re.findall(r"cargo build .*", recipe)
    return re.findall(r"-p (\S+)", command)


def tree(*arguments: str) -> str:
    """What cargo says of the dependencies, those of build scripts and macros included."""
    command = ["cargo", "tree", "--locked", "--edges", "normal,build", "--prefix", "none"]
    done = subprocess.run(
        [*command, *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    return done.stdout


def product(*arguments: str) -> str:
    return tree(*(word for name in built_packages() for word in ("-p", name)), *arguments)


def names_and_versions(text: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^(\S+) v(\S+)", text, re.MULTILINE))


@pytest.fixture(scope="module")
def packages() -> set[tuple[str, str]]:
    return names_and_versions(product())


@pytest.fixture(scope="module")
def overrides() -> dict[str, int]:
    """The level of each package that the profile of `make up` names."""
    manifest = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())
    named = manifest["profile"]["quick"]["package"]
    return {name: settings["opt-level"] for name, settings in named.items()}


def test_it_compiles_no_more_packages_of_others_than_are_allowed() -> None:
    # Our own stand with their folder.
    others = "\n".join(line for line in product().splitlines() if "(/" not in line)
    assert len(names_and_versions(others)) <= MOST_PACKAGES


def test_it_compiles_nothing_twice_that_is_not_listed() -> None:
    repeated = product("--duplicates", "--depth", "0")
    assert {name for name, _ in names_and_versions(repeated)} == TWICE


def test_it_compiles_no_crate_that_was_replaced(packages: set[tuple[str, str]]) -> None:
    found = {name for name, _ in packages}
    assert {name: REPLACED[name] for name in REPLACED.keys() & found} == {}


def test_it_names_no_package_in_the_profile_that_is_not_built(
    packages: set[tuple[str, str]], overrides: dict[str, int]
) -> None:
    assert set(overrides) - {name for name, _ in packages} == set()


def test_it_builds_the_filter_as_operators_do() -> None:
    manifest = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())
    assert manifest["profile"]["wasm"]["inherits"] == "release"
    assert "package" not in manifest["profile"].get("release", {})


def test_it_optimises_what_works_on_rows(overrides: dict[str, int]) -> None:
    hot = {"postgres", "results", "spark-rows", "copy-format", "serde_json", "arrow-array", "tokio"}
    assert {name for name in hot if overrides.get(name) != 3} == set()
