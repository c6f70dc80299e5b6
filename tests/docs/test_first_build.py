"""The first `make up` stays a matter of minutes: what it compiles is counted, and named.

Each number may fall; whoever must raise one says why in `docs/decisions/0018`.
"""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_PACKAGES = 290
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
    "sha2",
    "syn",
}
# Crates that cost more than they give here, each with what does its work instead.
REPLACED = {
    "aws-lc-sys": "ring",
    "bindgen": "nothing: no header is translated while building",
    "jsonschema": "the table of keywords in control-plane/server/src/catalogue/json_schema.rs",
    "openssl-sys": "rustls",
    "prost-build": "generated code in the tree",
    "protox": "generated code in the tree",
    "rmcp-macros": "tools that are written by hand",
    "sqlx-macros": "the list of migrations and the macro for rows in control-plane/store",
    "sqlx-macros-core": "the list of migrations and the macro for rows in control-plane/store",
}

# Crates that the profile optimises, which costs three to five times the compiler's time.
OPTIMISED = {
    "arrow-buffer": "Spark's rows",
    "arrow-data": "Spark's rows",
    "arrow-ipc": "Spark's rows",
    "axum": "each message",
    "axum-core": "each message",
    "bytes": "each message",
    "copy-format": "rows on their way from Spark to PostgreSQL",
    "futures-util": "each message",
    "hashbrown": "each message",
    "http": "each message",
    "http-body": "each message",
    "http-body-util": "each message",
    "http-front": "each message",
    "httparse": "each message",
    "hyper": "each message",
    "hyper-util": "each message",
    "indexmap": "each message",
    "itoa": "numbers in answers",
    "kept-results": "every byte of a large result",
    "mcp-server": "each message: what is generic in others is compiled here",
    "memchr": "each message",
    "postgres": "PostgreSQL's rows, and trees that are judged",
    "postgres-protocol": "PostgreSQL's rows, and 4096 rounds for each log-in",
    "request-envelope": "each message",
    "results": "every row that is answered",
    "rmcp": "each message",
    "serde": "each message",
    "serde_core": "each message",
    "serde_json": "each message",
    "sha2": "the filter's module, and 4096 rounds for each log-in",
    "spark-rows": "Spark's rows",
    "tokio": "each message",
    "tokio-util": "each message",
    "tower": "each message",
    "tracing": "each message",
    "tracing-core": "each message",
    "tracing-subscriber": "each message",
    "zmij": "numbers in answers",
}
# Nothing is built beside the crate that comes last, the data server itself: what need not wait for
# everything else, or is generated, belongs in a crate beside it.
MOST_LINES_IN_THE_LAST_CRATE = 21_000


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
def profile() -> dict:
    """The profile of `make up`."""
    return tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["profile"]["quick"]


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
    packages: set[tuple[str, str]], profile: dict
) -> None:
    assert set(profile["package"]) - {name for name, _ in packages} == set()


def test_it_optimises_what_works_on_rows_and_messages_and_nothing_else(profile: dict) -> None:
    named = {name: settings["opt-level"] for name, settings in profile["package"].items()}
    assert named == dict.fromkeys(OPTIMISED, 3)
    assert (profile["opt-level"], profile["lto"]) == (0, "off")


def test_it_leaves_little_to_the_crate_that_is_built_last() -> None:
    sources = (REPOSITORY / "mcp-server/src").rglob("*.rs")
    lines = sum(len(source.read_text().splitlines()) for source in sources)
    assert 0 < lines <= MOST_LINES_IN_THE_LAST_CRATE


def test_it_builds_the_filter_as_operators_do() -> None:
    manifest = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())
    assert manifest["profile"]["wasm"]["inherits"] == "release"
    assert "package" not in manifest["profile"].get("release", {})
