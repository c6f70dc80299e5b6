"""The modules of a Rust crate, and which of them uses which, read from the text of its files.

A name is followed through `pub use` to the file that defines it. Tests do not count: they may use
everything.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

Module = tuple[str, ...]
"""The path of a module below the crate's root, which is the empty path."""

DECLARED = re.compile(r"^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;", re.MULTILINE)
TEST_ONLY = re.compile(
    r"#\[cfg\((?:test|all\(test[^]]*)\)\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*;"
)
IMPORT = re.compile(r"^\s*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.MULTILINE)
PATH = r"(?<![\w:$])((?:crate|self|super{})(?:::\w+)+)"
COMMENT_OR_TEXT = re.compile(r'//[^\n]*|/\*.*?\*/|r(#*)".*?"\1|"(?:\\.|[^"\\])*"', re.DOTALL)
LEAF = re.compile(r"\s*([\w*]+)(?:\s+as\s+(\w+))?\s*")


@dataclass
class Source:
    """One file: the modules below it, the names that it passes on, and the paths that it uses."""

    children: list[str]
    passes_on: dict[str, Module] = field(default_factory=dict)
    passes_on_all_of: list[Module] = field(default_factory=list)
    uses: list[Module] = field(default_factory=list)


def without_tests(text: str) -> str:
    """The text without comments, string literals and modules that only tests have."""
    text = COMMENT_OR_TEXT.sub('""', text)
    text = TEST_ONLY.sub("", text)
    for found in reversed(list(re.finditer(r"#\[cfg\(test\)\]\s*mod\s+\w+\s*\{", text))):
        text = text[: found.start()] + text[end_of_block(text, found.end()) :]
    return text


def end_of_block(text: str, position: int) -> int:
    """Finds the end of a block: the position behind its closing brace.

    Its opening brace is right before `position`.
    """
    depth = 1
    while depth and position < len(text):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        position += 1
    return position


def leaves(tree: str) -> list[tuple[Module, str]]:
    """The paths of an import, each with the name that it is known by afterwards."""
    tree = tree.strip()
    if "{" not in tree:
        *above, last = tree.split("::")
        found = LEAF.fullmatch(last)
        assert found, f"not an import: `{tree}`"
        path = (*(part.strip() for part in above), found[1])
        if found[1] == "self":
            path = path[:-1]
        return [(path, found[2] or path[-1])]
    prefix, rest = tree.split("{", 1)
    above = tuple(part.strip() for part in prefix.split("::") if part.strip())
    return [
        ((*above, *path) if path != ("self",) else above, above[-1] if name == "self" else name)
        for part in split_at_commas(rest.rsplit("}", 1)[0])
        for path, name in leaves_within(part)
    ]


def leaves_within(part: str) -> list[tuple[Module, str]]:
    alias = re.fullmatch(r"\s*self(?:\s+as\s+(\w+))?\s*", part)
    return [(("self",), alias[1] or "self")] if alias else leaves(part)


def split_at_commas(text: str) -> list[str]:
    parts, depth = [""], 0
    for character in text:
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part for part in parts if part.strip()]


class Crate:
    """The modules of one crate; crates beside it, by their names, count as modules of its root."""

    def __init__(self, root: Path, beside: dict[str, Path] | None = None) -> None:
        self.sources: dict[Module, Source] = {}
        self._texts: dict[Module, str] = {}
        self._beside = beside or {}
        self._path = re.compile(PATH.format("".join(f"|{name}" for name in self._beside)))
        self._read((), root, root.parent)
        for name, other in self._beside.items():
            self._read((name,), other, other.parent)
        for module, text in self._texts.items():
            self._link(module, text)

    def _read(self, module: Module, file: Path, folder: Path) -> None:
        text = without_tests(file.read_text())
        self._texts[module] = text
        children = DECLARED.findall(text)
        self.sources[module] = Source(children)
        for child in children:
            candidates = [folder / f"{child}.rs", folder / child / "mod.rs"]
            for candidate in filter(Path.exists, candidates):
                self._read((*module, child), candidate, folder / child)

    def _link(self, module: Module, text: str) -> None:
        source = self.sources[module]
        for public, tree in IMPORT.findall(text):
            for path, name in leaves(tree):
                absolute = self._absolute(module, path)
                if absolute is None:
                    continue
                if not public:
                    source.uses.append(absolute)
                elif name == "*":
                    source.passes_on_all_of.append(absolute[:-1])
                else:
                    source.passes_on[name] = absolute
        rest = IMPORT.sub("", text)
        for path in self._path.findall(rest):
            absolute = self._absolute(module, tuple(path.split("::")))
            if absolute is not None:
                source.uses.append(absolute)
        for child in source.children:
            source.uses.extend(
                (*module, child, name) for name in re.findall(rf"(?<![\w:]){child}::(\w+)", rest)
            )

    def _absolute(self, module: Module, path: Module) -> Module | None:
        first = path[0]
        if first == "crate":
            return (*self._root_of(module), *path[1:])
        if first == "self":
            return (*module, *path[1:])
        if first == "super":
            while path and path[0] == "super":
                module, path = module[:-1], path[1:]
            return (*module, *path)
        if first in self.sources[module].children:
            return (*module, *path)
        # A path that begins with two colons begins with a crate.
        path = path[1:] if first == "" else path
        return path if path[0] in self._beside else None

    def _root_of(self, module: Module) -> Module:
        return module[:1] if module and module[0] in self._beside else ()

    def defines(self, path: Module) -> Module:
        """The module that defines what a path names."""
        seen = set()
        while path not in seen:
            seen.add(path)
            module: Module = ()
            for part in path:
                if (*module, part) not in self.sources:
                    break
                module = (*module, part)
            rest = path[len(module) :]
            if not rest:
                return module
            source = self.sources[module]
            if rest[0] in source.passes_on:
                path = (*source.passes_on[rest[0]], *rest[1:])
            elif len(source.passes_on_all_of) == 1:
                path = (*source.passes_on_all_of[0], *rest)
            else:
                return module
        return module

    def edges(self) -> set[tuple[Module, Module]]:
        """Every pair of modules of which the first uses the second."""
        return {
            (module, used)
            for module, source in self.sources.items()
            for used in map(self.defines, source.uses)
            if used != module
        }

    def circles(self) -> list[list[str]]:
        """The modules beside each other that use each other, directly or by way of others.

        What is below a module counts as part of it. A module and those below it may use each
        other: they are one house.
        """
        levels: dict[Module, dict[str, set[str]]] = {}
        for module, used in self.edges():
            shared = 0
            while (
                module[shared : shared + 1]
                and module[shared : shared + 1] == used[shared : shared + 1]
            ):
                shared += 1
            if shared < len(module) and shared < len(used):
                level = levels.setdefault(module[:shared], {})
                level.setdefault(module[shared], set()).add(used[shared])
        return sorted(
            ["::".join((*level, name)) for name in group]
            for level, graph in levels.items()
            for group in strongly_connected(graph)
        )


def strongly_connected(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of more than one node in which each leads to every other."""

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            for node in graph.get(waiting.pop(), set()) - found:
                found.add(node)
                waiting.append(node)
        return found

    reach = {node: reached(node) for node in graph}
    groups = {
        frozenset(other for other in reach[node] if node in reach.get(other, set()))
        for node in graph
        if node in reach[node]
    }
    return sorted(sorted(group) for group in groups)
