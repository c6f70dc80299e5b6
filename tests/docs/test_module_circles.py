"""No crate has modules beside each other that use each other in a circle."""

from pathlib import Path

import pytest
from rust_modules import Crate

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = sorted(
    root
    for manifest in REPOSITORY.rglob("Cargo.toml")
    if "target" not in manifest.relative_to(REPOSITORY).parts
    for root in (manifest.parent / "src/lib.rs", manifest.parent / "src/main.rs")
    if root.exists()
)


def name_of(root: Path) -> str:
    return root.relative_to(REPOSITORY).as_posix()


@pytest.mark.parametrize("root", ROOTS, ids=name_of)
def test_it_finds_no_circle(root: Path) -> None:
    assert Crate(root).circles() == []


def crate(folder: Path, files: dict[str, str]) -> Crate:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return Crate(folder / "lib.rs")


@pytest.mark.parametrize(
    ("files", "circles"),
    [
        ({"a.rs": "use crate::b::B;", "b.rs": "use super::a::{self, A as Other};"}, [["a", "b"]]),
        ({"a.rs": "fn f() { crate::b::g() }", "b.rs": "fn g() { super::a::f() }"}, [["a", "b"]]),
        ({"a.rs": "use crate::b::B;", "b.rs": "// use crate::a::A;"}, []),
        ({"a.rs": "use crate::b::B;", "b.rs": "#[cfg(test)]\nmod tests { use crate::a::A; }"}, []),
        ({"a.rs": "use crate::B;", "b.rs": "use crate::A;"}, [["a", "b"]]),
        ({"a.rs": "mod below; use below::C;", "a/below.rs": "use super::A;", "b.rs": ""}, []),
        (
            {"a.rs": "mod below;", "a/below.rs": "use crate::b::B;", "b.rs": "use crate::a::A;"},
            [["a", "b"]],
        ),
    ],
)
def test_it_tells_circles_from_what_only_looks_like_one(
    tmp_path: Path, files: dict[str, str], circles: list[list[str]]
) -> None:
    root = "pub mod a;\nmod b;\npub use a::A;\npub use b::{B, C};\n"
    assert crate(tmp_path, {"lib.rs": root, **files}).circles() == circles
