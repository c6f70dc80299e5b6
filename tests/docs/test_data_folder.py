"""The default of the data folder is written down once."""

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def test_it_is_spelt_in_no_other_program() -> None:
    sources = [
        path
        for folder in ("control-plane", "mcp-server", "supervisor", "setup")
        for kind in ("*.rs", "*.py")
        for path in (REPOSITORY / folder).rglob(kind)
    ]
    assert len(sources) > 100

    def code(path: Path) -> str:
        lines = path.read_text().splitlines()
        return "\n".join(line for line in lines if not line.lstrip().startswith(("//", "#")))

    assert [path for path in sources if "state/portcullis" in code(path)] == []
