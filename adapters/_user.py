"""What a user names on the command line: ``FILE.py:NAME`` or ``package.module:NAME``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from focalbench_suite.adapters._adapter import Adapter
from focalbench_suite.adapters._mmcv import let_import
from focalbench_suite.adapters.canon import CANONICAL

MISSING = object()  # an attribute may be None


class OwnFirst:
    """Finds the modules of a user's project before installed ones of the same names, as Python does from its folder.

    The standard library stays in front of both: a project's ``random.py`` must not hide it from torch. So does an
    installed package in front of a folder without ``__init__.py``, which is any folder of data.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What Python's import asks of everything that finds modules."""
        if path is not None or name in sys.stdlib_module_names:
            return None
        found = PathFinder.find_spec(name, [self.folder], target)
        return found if found is not None and found.has_location else None


class Above:
    """Finds what nobody else does in the folders above a file, the nearest first.

    A project is run from its outermost folder, so that its files import each other by their place below it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self.folders = [str(parent) for parent in folder.parents]

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """What Python's import asks of everything that finds modules."""
        if path is not None:
            return None
        return next((found for folder in self.folders if (found := PathFinder.find_spec(name, [folder], target))), None)


def is_users(reference: str) -> bool:
    """Whether a reference names something of a user's own, not an adapter that is found by its name alone."""
    return ":" in reference


def name_of(reference: str) -> str:
    """What a reference is called in lists: NAME of ``FILE.py:NAME``, and an adapter's name as it is."""
    return reference.rpartition(":")[2]


def load_object(reference: str, anew: bool = False) -> Any:
    """The object that ``FILE.py:NAME`` or ``package.module:NAME`` names; raises `LookupError` with a sentence.

    With `anew`, of a module that is executed once more and forgotten, so that it has seen no earlier call.
    """
    place, _, name = reference.rpartition(":")
    if not place:
        raise LookupError(f"{reference!r} names no function; give FILE.py:NAME")
    if place.endswith(".py") and not Path(place).is_file():
        raise LookupError(f"no file {place!r}; give FILE.py:NAME")
    let_import()
    try:
        module = _load_file(Path(place).resolve()) if place.endswith(".py") else _load_module(place)
        module = _once_more(module) if anew else module
        found = getattr(module, name, MISSING)
    except (Exception, SystemExit) as error:  # a user's file may raise anything while it is imported
        raise LookupError(f"{place} cannot be imported: {_in_words(error)}") from error
    if found is MISSING:
        raise LookupError(f"{place} has no {name!r}")
    return found


def _in_words(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # a user's exception may raise when it is asked what it says
        return type(error).__name__


def _load_module(name: str) -> ModuleType:
    """A module of a package that is installed, or that stands in the current folder as for ``python -m``."""
    _find_first(Path.cwd())
    return importlib.import_module(name)


def _load_file(path: Path) -> ModuleType:
    """The module of a file, under the name by which its own project imports it.

    A file of a package is imported as part of it, so that its relative imports work. What it imports otherwise is
    looked for in the folder of the outermost package, then in the current one, and at last in the folders above.
    """
    names = [] if path.stem == "__init__" else [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    _find_first(Path.cwd())
    _find_first(folder)
    _find_last(folder)
    if path.parent == folder or not names:
        return _executed(path.stem, path, sys.modules.setdefault)
    outermost = folder / names[0] / "__init__.py"
    if not _is_at(names[0], outermost):  # a package called `test` or `code`, as one of the standard library is
        _executed(names[0], outermost, sys.modules.__setitem__)
    return importlib.import_module(".".join(names))


def _once_more(module: ModuleType) -> ModuleType:
    if module.__spec__ is None or module.__spec__.origin is None:
        return module
    return _executed(module.__spec__.name, Path(module.__spec__.origin), lambda name, found: None)


def _executed(name: str, path: Path, register: Callable[[str, ModuleType], Any]) -> ModuleType:
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} is no module of Python")
    module = importlib.util.module_from_spec(specification)
    register(name, module)
    specification.loader.exec_module(module)
    return module


def _find_first(folder: Path) -> None:
    """Put a folder in front of everything that finds modules, and at the end of the path for what reads that."""
    if _is_found(OwnFirst, folder):
        return
    sys.meta_path.insert(0, OwnFirst(str(folder)))
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _find_last(folder: Path) -> None:
    """Look above a folder for what nobody else finds."""
    if not _is_found(Above, folder):
        sys.meta_path.append(Above(folder))


def _is_found(finder: type[OwnFirst] | type[Above], folder: Path) -> bool:
    """Whether a finder of this kind has been put in place for the folder: one file is loaded many times."""
    return any(isinstance(one, finder) and one.folder == str(folder) for one in sys.meta_path)


def _is_at(name: str, path: Path) -> bool:
    specification = importlib.util.find_spec(name)
    return specification is not None and specification.origin is not None and Path(specification.origin) == path


def wrap(function: Callable[..., Any], reference: str, loss: str | None) -> Adapter:
    """An adapter named after `function`, whose one loss is `loss` or the one that the function is named after.

    It is called as ``function(logits, targets, ...)`` with those canonical parameters that its signature has; a class
    is constructed with them first. Raises `LookupError` where the loss is not known.
    """
    label = name_of(reference)
    name = loss or label
    if name not in CANONICAL:
        raise LookupError(f"{reference} is a plain function: name its loss with --loss ({', '.join(CANONICAL)})")
    if not callable(function):
        raise LookupError(
            f"{reference} is a {type(function).__name__}; name an Adapter or a function of logits, targets"
        )
    taken = inspect.signature(function).parameters
    anything = any(each.kind is each.VAR_KEYWORD for each in taken.values())

    def call(logits: Any, targets: Any, **parameters: Any) -> Any:
        passed = {key: value for key, value in parameters.items() if anything or key in taken}
        if inspect.isclass(function):
            built: Any = function(**passed)
            return built(logits, targets)
        return function(logits, targets, **passed)

    default = taken["reduction"].default if "reduction" in taken else None
    word = default if isinstance(default, str) else "mean"
    chosen: dict[str, Any] = {"reductions": ("none", "mean", "sum"), "reduction": word}
    adapter = Adapter(label)
    adapter.loss(name, **(chosen if "reduction" in taken else {"reduction": "unknown"}))(call)
    return adapter
