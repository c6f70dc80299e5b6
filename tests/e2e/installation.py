"""Where the downloads, our binaries and the filter module are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Installation:
    """Paths; each accessor fails with what to do when the thing is not there.

    Nothing is ever skipped.
    """

    home: Path
    """`PORTCULLIS_HOME`: Envoy, Node, Spark, the SDKs."""
    binaries: Path
    """`PORTCULLIS_BIN_DIR`: our own programs."""
    filters: Path
    """The folder of `wasm-build`'s output."""

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], profile: str = "debug"
    ) -> "Installation":
        """`profile`: whose programs to run when `PORTCULLIS_BIN_DIR` does not say."""
        home = Path(environment.get("PORTCULLIS_HOME", "~/.cache/portcullis")).expanduser()
        target = REPOSITORY / environment.get("CARGO_TARGET_DIR", "target")
        binaries = Path(environment.get("PORTCULLIS_BIN_DIR", target / profile))
        found = cls(
            home, binaries, Path(environment.get("PORTCULLIS_FILTERS_DIR", target / "filters"))
        )
        found.program("envoy")
        return found

    def earlier(self, environment: Mapping[str, str]) -> "Installation":
        """The same with our own programs of an earlier version, where a folder of them is named."""
        binaries = environment.get("PORTCULLIS_EARLIER_BIN_DIR", self.binaries)
        return replace(self, binaries=Path(binaries))

    def program(self, name: str) -> Path:
        """A downloaded program of `bin`."""
        return present(self.home / "bin" / name, "run `make setup`")

    def binary(self, name: str) -> Path:
        """One of our own programs."""
        return present(self.binaries / name, "run `cargo build`")

    @property
    def module(self) -> Path:
        """The filter, built for Envoy."""
        return present(self.filters / "mcp-filter.wasm", "run `cargo run -p wasm-build`")

    @property
    def module_hash(self) -> str:
        manifest = json.loads(
            present(self.filters / "manifest.json", "run `cargo run -p wasm-build`").read_text()
        )
        return next(
            module["sha256"] for module in manifest["modules"] if module["name"] == "mcp-filter"
        )


def present(path: Path, remedy: str) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"no `{path}`: {remedy}")
    return path
