"""What a user names on the command line: ``FILE.py:NAME`` or ``package.module:NAME``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from focalbench_suite.adapters._adapter import Adapter
from focalbench_suite.adapters.canon import CANONICAL


def is_users(reference: str) -> bool:
    """Whether a reference names something of a user's own, not an adapter that is found by its name alone."""
    return ":" in reference


def name_of(reference: str) -> str:
    """What a reference is called in lists: NAME of ``FILE.py:NAME``, and an adapter's name as it is."""
    return reference.rpartition(":")[2]


def load_object(reference: str) -> Any:
    """The object that ``FILE.py:NAME`` or ``package.module:NAME`` names; raises `LookupError` with a sentence."""
    place, _, name = reference.rpartition(":")
    if not place:
        raise LookupError(f"{reference!r} names no function; give FILE.py:NAME")
    if place.endswith(".py") and not Path(place).is_file():
        raise LookupError(f"no file {place!r}; give FILE.py:NAME")
    try:
        module = _load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    except (Exception, SystemExit) as error:  # a user's file may raise anything while it is imported
        raise LookupError(f"{place} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        raise LookupError(f"{place} has no {name!r}")
    return getattr(module, name)


def _load_module(name: str) -> ModuleType:
    """A module of a package that is installed, or that stands in the current folder as for ``python -m``."""
    _put_before_installed(str(Path.cwd()))
    return importlib.import_module(name)


def _load_file(path: Path) -> ModuleType:
    """The module of a file, under the name by which its own project imports it.

    A file of a package is imported as part of it, so that its relative imports work. The folder from which it is
    imported is put before the installed distributions, as a user's own packages come before them, and behind the
    standard library, which a file of the same name must not hide from everybody else in this process.
    """
    path, names = path.resolve(), [path.stem]
    folder = path.parent
    while (folder / "__init__.py").is_file() and folder.name.isidentifier():
        names.insert(0, folder.name)
        folder = folder.parent
    _put_before_installed(str(folder))
    name = ".".join(names)
    if len(names) > 1 and _is_at(importlib.util.find_spec(name), path):
        return importlib.import_module(name)
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ImportError(f"{path} is no module of Python")
    module = importlib.util.module_from_spec(specification)
    sys.modules.setdefault(name, module)
    specification.loader.exec_module(module)
    return module


def _put_before_installed(folder: str) -> None:
    if folder not in sys.path:
        installed = [i for i, place in enumerate(sys.path) if Path(place).name in ("site-packages", "dist-packages")]
        sys.path.insert(min(installed, default=len(sys.path)), folder)


def _is_at(specification: ModuleSpec | None, path: Path) -> bool:
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
