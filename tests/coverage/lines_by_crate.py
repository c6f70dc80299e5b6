"""Sums the lines of a coverage report by the crate that they belong to."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

GENERATED = "mcp-server/spark/src/protocol/"
"""Code that a compiler wrote from Spark's own protocol."""


LEAST = 80.0
"""Per cent of the lines that the tests of each crate run, and those of all together."""
STARTING = ("data-folder", "policy-packages", "portcullis", "wasm-build")
"""Crates that find and start programs: the end-to-end tests run them, which are not counted."""


@dataclass(frozen=True)
class Lines:
    """Lines of code, and how many of them the tests have run."""

    count: int = 0
    covered: int = 0

    def __add__(self, other: "Lines") -> "Lines":
        return Lines(self.count + other.count, self.covered + other.covered)

    @property
    def percent(self) -> float:
        return 100 * self.covered / self.count if self.count else 0.0


def lines_by_crate(files: list[dict], repository: Path) -> dict[str, Lines]:
    """The lines of each crate of the product, by its name; crates for tests are left out."""
    sums: dict[str, Lines] = {}
    for file in files:
        path = Path(file["filename"])
        if not path.is_relative_to(repository):
            continue
        inner = path.relative_to(repository)
        if inner.parts[0] in ("tests", "target") or inner.as_posix().startswith(GENERATED):
            continue
        of_file = Lines(*(file["summary"]["lines"][key] for key in ("count", "covered")))
        name = crate_of(path, repository)
        sums[name] = sums.get(name, Lines()) + of_file
    return dict(sorted(sums.items()))


def crate_of(path: Path, repository: Path) -> str:
    """The name in the nearest manifest above a file."""
    for folder in path.parents:
        manifest = folder / "Cargo.toml"
        if manifest.exists():
            package = tomllib.loads(manifest.read_text()).get("package")
            if package:
                return package["name"]
        if folder == repository:
            break
    return "none"


def too_few(crates: dict[str, Lines]) -> list[str]:
    """A sentence for each crate whose tests run too few of its lines, and for all of them."""
    together = sum(crates.values(), Lines())
    return [
        f"the tests run {lines.percent:.1f} % of the lines of {name}, fewer than {LEAST:.0f} %"
        for name, lines in [*crates.items(), ("all crates", together)]
        if lines.percent < LEAST and name not in STARTING
    ]


def table(crates: dict[str, Lines]) -> str:
    """A table in Markdown, with the sum of all in its last line."""
    rows = ["| crate | lines | covered |", "|---|---|---|"]
    for name, lines in [*crates.items(), ("all", sum(crates.values(), Lines()))]:
        rows.append(f"| {name} | {lines.count} | {lines.percent:.1f} % |")
    return "\n".join(rows)
