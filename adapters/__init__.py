"""Whose loss is it? One file per source, each the canonical calls of that source.

Four rules shape this room:

1. One file is one adapter and is found by being there: ``adapters/NAME.py`` or ``adapters/NAME/adapter.py``
   (a leading underscore keeps a file out). Adding one edits no list.
2. Importing an adapter imports no library. Libraries are imported inside the calls, so an absent or broken one costs
   nothing and takes nothing else down.
3. An adapter translates the call, never the behaviour: what users of the library get is what is measured. What the
   library cannot express raises `Unsupported`.
4. An adapter says what the library says of itself (defaults, reduction, label form). The suites check that, too.

The canonical inputs and parameters of every loss stand in `adapters.canon`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
from collections.abc import Iterator

from focalbench_suite.adapters._adapter import Adapter, Loss, source_of
from focalbench_suite.adapters._user import is_users, load_object, name_of, wrap
from focalbench_suite.adapters.canon import CANONICAL, Canonical, Unsupported

__all__ = [
    "CANONICAL",
    "CRITERIA",
    "Adapter",
    "Canonical",
    "Loss",
    "Unsupported",
    "built_in",
    "discover",
    "find",
    "is_users",
    "load",
    "load_object",
    "name_of",
    "source_of",
]

CRITERIA = tuple(  # whole losses of a detector, which `check` asks as they are
    name for name, loss in CANONICAL.items() if loss.inputs in ("detector", "branches", "maps")
)
ENTRY_POINTS = "focalbench.adapters"


def discover() -> dict[str, Adapter]:
    """Every adapter that is found: the files of this room, then installed entry points, by name."""
    found = {adapter.name: adapter for adapter in built_in()}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        found.setdefault(entry.name, _installed(entry))
    return dict(sorted(found.items()))


def built_in() -> Iterator[Adapter]:
    """The adapters that this project wrote: the files of this room."""
    for module in pkgutil.iter_modules(__path__):
        path = f"{__name__}.{module.name}" + (".adapter" if module.ispkg else "")
        if not module.name.startswith("_") and importlib.util.find_spec(path) is not None:
            yield importlib.import_module(path).adapter


def _installed(entry: importlib.metadata.EntryPoint) -> Adapter:
    try:
        return entry.load()
    except Exception as error:  # another package's code may raise anything; it takes no other adapter down
        return Adapter(entry.name, broken=f"{entry.value} cannot be loaded: {type(error).__name__}: {error}")


def load(reference: str, loss: str | None = None) -> Adapter:
    """An adapter by name, ``FILE.py:NAME`` or ``package.module:NAME``.

    NAME is an `Adapter`, or a plain function ``NAME(logits, targets, ...)``: then an adapter of that name, whose one
    loss is `loss` (or the loss that the function is named after). Raises `LookupError` with a sentence otherwise.
    """
    if not is_users(reference):
        return _named(reference)
    found = load_object(reference)
    return found if isinstance(found, Adapter) else wrap(found, reference, loss)


def _named(name: str) -> Adapter:
    for adapter in built_in():  # first: what is installed beside is read from the metadata of every package
        if adapter.name == name:
            return adapter
    adapters = discover()
    if name not in adapters:
        raise LookupError(f"unknown adapter {name!r}; choose from {', '.join(adapters)}")
    return adapters[name]


def find(loss: str, label: str, reference: str = "") -> Loss:
    """The loss that the tables' column ``adapter`` calls `label`.

    `reference` is what a user gave (``FILE.py:NAME``) where the loss is not one of the adapters that are found. Raises
    `LookupError` with the choices where there is no such loss.
    """
    return load(reference or source_of(label), loss).find(loss, label)
