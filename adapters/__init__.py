"""Whose loss is it? One file per source, each the canonical calls of that source.

Four rules shape this room:

1. One file is one adapter and is found by being there: ``adapters/NAME.py`` or ``adapters/NAME/adapter.py``
   (a leading underscore keeps a file out). Adding one edits no list.
2. Importing an adapter imports no library. Libraries are imported inside the calls, so an absent or broken one costs
   nothing and takes nothing else down.
3. An adapter translates the call, never the behaviour: what users of the library get is what is measured. What the
   library cannot express raises `Unsupported`.
4. An adapter says what the library says of itself (defaults, reduction, label form). The suites check that, too.

The canonical inputs and parameters of every loss stand in `adapters._canonical`.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapters._canonical import CANONICAL, Unsupported, native_targets

__all__ = ["CANONICAL", "Adapter", "Loss", "Unsupported", "discover", "load"]

ENTRY_POINTS = "focalbench.adapters"


@dataclass(frozen=True)
class Loss:
    """One loss of one source behind its canonical call.

    `reductions` are the words that the library's own ``reduction`` argument takes (empty where it offers no choice) and
    `reduction` is what it says it does when the user says nothing, in its words or as an expression. `labels` is the
    form in which the library takes targets: ``dense`` (N, C), ``index`` (N,) or ``label_score`` ((N,), (N,));
    `background` says which index stands for none of the classes: ``first`` (0), ``last`` (C) or None. `origin` names
    the library's own object as ``module:NAME``.
    """

    name: str
    adapter: str
    call: Callable[..., Any]
    reductions: tuple[str, ...] = ()
    reduction: str = "mean"
    defaults: Mapping[str, Any] = field(default_factory=dict)
    labels: str = "dense"
    background: str | None = None
    origin: str | None = None

    @property
    def has_elementwise(self) -> bool:
        """Whether the library can return one value per element, or per row: index, bin and class-summing losses."""
        return "none" in (*self.reductions, self.reduction)

    def native(self, targets: Any, classes: int) -> Any:
        """Canonical targets in the form that the library takes; raises `Unsupported` where they do not fit it."""
        return native_targets(targets, classes, self.labels)

    def elementwise(self, logits: Any, targets: Any, **parameters: Any) -> Any:
        """The loss per element, of native targets; raises `Unsupported` where the library only reduces."""
        if not self.has_elementwise:
            raise Unsupported(f"{self.adapter} offers no value per element of {self.name}")
        if not self.reductions:
            return self.call(logits, targets, **parameters)
        return self.call(logits, targets, reduction="none", **parameters)

    def reduced(self, logits: Any, targets: Any, **parameters: Any) -> Any:
        """The loss as the library reduces it when the user does not ask for a reduction, of native targets."""
        if not self.reductions:
            return self.call(logits, targets, **parameters)
        return self.call(logits, targets, reduction=self.reduction, **parameters)


class Adapter:
    """One source's losses: ``adapter = Adapter("kornia")``, then one decorated function per loss.

    `distribution` is the name under which the library is installed (None for code that ships with this project, whose
    version is the project's own); `modules` are those that must be importable for it to be ready.
    """

    def __init__(
        self,
        name: str,
        distribution: str | None = None,
        modules: tuple[str, ...] = (),
        devices: tuple[str, ...] = ("cpu", "cuda"),
    ) -> None:
        self.name = name
        self.distribution = distribution
        self.modules = modules
        self.devices = devices
        self.losses: list[Loss] = []

    def loss(self, name: str, *, variant: str | None = None, **declared: Any) -> Callable:
        """Register the decorated function as this source's `name`; `variant` tells two of the same name apart."""
        if name not in CANONICAL:
            raise ValueError(f"{name!r} is no canonical loss; choose from {', '.join(CANONICAL)}")
        label = f"{self.name}.{variant}" if variant else self.name

        def register(call: Callable) -> Callable:
            self.losses.append(Loss(name, label, call, **declared))
            return call

        return register

    @property
    def version(self) -> str | None:
        """The installed version, or None where the library is absent."""
        if self.distribution is None:
            return "listing" if self.name == "articles" else "local"
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return None

    def absence(self, device: str = "cpu") -> str | None:
        """Why this adapter cannot be used on `device`, or None when it is ready."""
        if self.version is None:
            return f"{self.distribution} is not installed"
        for module in self.modules:
            if importlib.util.find_spec(module.partition(".")[0]) is None:
                return f"module {module} is missing"
        if device not in self.devices:
            return f"{self.name} does not run on {device}"
        return None


def discover() -> dict[str, Adapter]:
    """Every adapter that is found: the files of this room, then installed entry points, by name."""
    found = {adapter.name: adapter for adapter in _built_in()}
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        adapter = entry.load()
        found.setdefault(adapter.name, adapter)
    return dict(sorted(found.items()))


def _built_in() -> Iterator[Adapter]:
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            path = f"{__name__}.{module.name}" + (".adapter" if module.ispkg else "")
            yield importlib.import_module(path).adapter


def load(reference: str, loss: str | None = None) -> Adapter:
    """An adapter by name, ``FILE.py:NAME`` or ``package.module:NAME``.

    NAME is an `Adapter`, or a plain function ``NAME(logits, targets, ...)``: then an adapter of that name, whose one
    loss is `loss` (or the loss that the function is named after). Raises `LookupError` with a sentence otherwise.
    """
    if ":" not in reference:
        adapters = discover()
        if reference not in adapters:
            raise LookupError(f"unknown adapter {reference!r}; choose from {', '.join(adapters)}")
        return adapters[reference]
    found = load_object(reference)
    return found if isinstance(found, Adapter) else _wrap(found, reference, loss)


def load_object(reference: str) -> Any:
    """The object that ``FILE.py:NAME`` or ``package.module:NAME`` names; raises `LookupError` with a sentence."""
    place, _, name = reference.rpartition(":")
    try:
        module = _load_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    except FileNotFoundError:
        raise LookupError(f"no file {place!r}; give FILE.py:NAME") from None
    except Exception as error:  # a user's file may raise anything while it is imported
        raise LookupError(f"{place} cannot be imported: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        raise LookupError(f"{place} has no {name!r}")
    return getattr(module, name)


def _load_file(path: Path) -> Any:
    if not path.is_file():
        raise FileNotFoundError(path)
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    sys.modules.setdefault(path.stem, module)
    specification.loader.exec_module(module)
    return module


def _wrap(function: Callable, reference: str, loss: str | None) -> Adapter:
    name = loss or function.__name__
    if name not in CANONICAL:
        raise LookupError(f"{reference} is a plain function: name its loss with --loss ({', '.join(CANONICAL)})")
    adapter = Adapter(reference.rpartition(":")[2])
    adapter.loss(name, reductions=(), reduction="unknown")(function)
    return adapter
