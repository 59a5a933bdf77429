"""Which losses are in a file or a folder? Read from the source, so that nothing is imported to find out."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# Names of what is looked for in a folder: the losses of the canon, by the words that people call them with.
NAMED = re.compile(r"focal|qfl|vfl|(?<![a-z])dfl|gfl|poly_?1|poly_?loss", re.IGNORECASE)
SKIPPED = {"node_modules", "site-packages", "build", "dist", "venv", "tests", "test"}


@dataclass(frozen=True)
class Candidate:
    """A function or a module class that may be a loss: where it stands, by file and name, and on which line."""

    file: Path
    name: str
    line: int

    @property
    def reference(self) -> str:
        """``FILE.py:NAME``."""
        return f"{self.file}:{self.name}"


def in_file(file: Path) -> list[Candidate]:
    """Every public function with two arguments or more and every class that can be called, at the top of a file."""
    named = (node for node in _tree(file).body if isinstance(node, (ast.FunctionDef, ast.ClassDef)))
    return [
        Candidate(file, node.name, node.lineno) for node in named if not node.name.startswith("_") and _is_called(node)
    ]


def in_folder(folder: Path) -> list[Candidate]:
    """What is named like a loss of the canon in any file below a folder."""
    return [
        one
        for file in _files(folder)
        for one in in_file(file)
        if NAMED.search(one.name) and not one.name.startswith("Test")
    ]


def _files(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
        yield from (
            Path(place, name) for name in sorted(files) if name.endswith(".py") and not name.startswith("test_")
        )


def _tree(file: Path) -> ast.Module:
    """The file's source as a tree; an empty one where it is no Python of this version."""
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return ast.Module(body=[], type_ignores=[])


def _is_called(node: ast.FunctionDef | ast.ClassDef) -> bool:
    if isinstance(node, ast.FunctionDef):
        return _arguments(node) >= 2
    called = [one for one in node.body if isinstance(one, ast.FunctionDef)]
    return any(one.name in ("forward", "__call__") and _arguments(one) >= 3 for one in called)  # self is one of them


def _arguments(function: ast.FunctionDef) -> int:
    return len(function.args.posonlyargs) + len(function.args.args) + len(function.args.kwonlyargs)
