"""What a user names on the command line: ``FILE.py:NAME`` or ``package.module:NAME``."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from adapters._adapter import Adapter
from adapters._canonical import CANONICAL


def load_object(reference: str) -> Any:
    """The object that ``FILE.py:NAME`` or ``package.module:NAME`` names; raises `LookupError` with a sentence."""
    place, _, name = reference.rpartition(":")
    if not place:
        raise LookupError(f"{reference!r} names no function; give FILE.py:NAME")
    try:
        module = _load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except FileNotFoundError:
        raise LookupError(f"no file {place!r}; give FILE.py:NAME") from None
    except (Exception, SystemExit) as error:  # a user's file may raise anything while it is imported
        raise LookupError(f"{place} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        raise LookupError(f"{place} has no {name!r}")
    return getattr(module, name)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(path)
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # for the modules that stand beside it
    sys.modules.setdefault(path.stem, module)
    specification.loader.exec_module(module)
    return module


def wrap(function: Callable[..., Any], reference: str, loss: str | None) -> Adapter:
    """An adapter named after `function`, whose one loss is `loss` or the one that the function is named after.

    It is called as ``function(logits, targets, ...)`` with those canonical parameters that its signature has; a class
    is constructed with them first. Raises `LookupError` where the loss is not known.
    """
    label = reference.rpartition(":")[2]
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
            return function(**passed)(logits, targets)
        return function(logits, targets, **passed)

    default = taken["reduction"].default if "reduction" in taken else None
    chosen = {"reductions": ("none", "mean", "sum"), "reduction": default if isinstance(default, str) else "mean"}
    adapter = Adapter(label)
    adapter.loss(name, **(chosen if "reduction" in taken else {"reduction": "unknown"}))(call)
    return adapter
