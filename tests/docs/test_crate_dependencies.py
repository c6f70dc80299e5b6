"""The table of crates in `docs/architecture.md` says of each which of ours it uses."""

import re
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
ROWS = re.compile(r"^\| (`[^|]+) \|([^|]*)\|", re.MULTILINE)

Uses = dict[str, set[str]]
"""The packages that each package uses, by their names."""


def in_table(architecture: str) -> Uses:
    """What the table says. A row may have several crates, which then use the same."""
    _, table = architecture.split("\nOf ours each crate uses these and no others")
    rows = ROWS.findall(table.split("\n\n")[1])
    named = [
        (crate, set(re.findall(r"`([^`]+)`", used)))
        for crates, used in rows
        for crate in re.findall(r"`([^`]+)`", crates)
    ]
    assert len(dict(named)) == len(named), "a crate has two rows"
    return dict(named)


def in_manifests(manifests: list[dict]) -> Uses:
    """What the manifests say, of every system and of builds, without what only tests use."""
    ours = {manifest["package"]["name"] for manifest in manifests}
    return {
        manifest["package"]["name"]: {
            alias if isinstance(given, str) else given.get("package", alias)
            for part in (manifest, *manifest.get("target", {}).values())
            for kind in ("dependencies", "build-dependencies")
            for alias, given in part.get(kind, {}).items()
        }
        & ours
        for manifest in manifests
    }


def of_the_product() -> list[dict]:
    workspace = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]
    folders = {path for member in workspace["members"] for path in REPOSITORY.glob(member)}
    return [
        tomllib.loads((folder / "Cargo.toml").read_text())
        for folder in sorted(folders)
        if folder.relative_to(REPOSITORY).parts[0] != "tests"
    ]


def test_it_tables_what_each_crate_uses() -> None:
    said = in_table((REPOSITORY / "docs/architecture.md").read_text())
    true = in_manifests(of_the_product())
    assert set(true) - set(said) == set(), "give each a row in docs/architecture.md"
    assert set(said) - set(true) == set(), "docs/architecture.md has rows of crates that are gone"
    assert {crate: said[crate] for crate in said if said[crate] != true[crate]} == {
        crate: true[crate] for crate in said if said[crate] != true[crate]
    }


def test_it_reads_rows_and_manifests() -> None:
    text = (
        "\nOf ours each crate uses these and no others, it says:\n\n"
        "| crate | uses | for |\n|---|---|---|\n"
        "| `a` | `b`, `c` | not `d` |\n| `b`, `c` | | |\n\nrest | `e` | `f` |\n"
    )
    assert in_table(text) == {"a": {"b", "c"}, "b": set(), "c": set()}
    manifests = [
        {
            "package": {"name": "a"},
            "dependencies": {"b": {"workspace": True}, "serde": "1"},
            "dev-dependencies": {"d": {"workspace": True}},
            "target": {"cfg(unix)": {"build-dependencies": {"x": {"package": "c"}}}},
        },
        *({"package": {"name": name}} for name in "bcd"),
    ]
    assert in_manifests(manifests) == {"a": {"b", "c"}, "b": set(), "c": set(), "d": set()}
