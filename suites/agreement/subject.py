"""What is examined: one callable with canonical inputs, and the code that gets it in a pasted example."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from focalbench_suite import adapters, suites
from focalbench_suite.adapters import Adapter, Loss
from focalbench_suite.suites import Selection


@dataclass(frozen=True)
class Subject:
    """`call(logits, targets, **canonical parameters)` returns what the source returns when the user names no reduction.

    `code` is Python that binds the same callable to the name ``call``, run in the repository root. `off` are the
    canonical parameters that it has none of, each None.
    """

    loss: str
    name: str
    call: Callable[..., Any]
    code: str
    off: Mapping[str, None] = field(default_factory=dict)


def of(loss: Loss, reference: str = "") -> Subject:
    """The subject of an adapter's loss; `reference` is what the user gave where that is not the adapter's name."""

    def call(logits: Any, targets: Any, **parameters: Any) -> Any:
        classes = logits.shape[-1] if logits.dim() else 1
        return loss.reduced(logits, loss.native(targets, classes), **loss.off | parameters)

    place = f", {reference!r}" if reference else ""
    code = (
        "from focalbench_suite.suites.agreement.subject import find\n"
        f"call = find({loss.name!r}, {loss.adapter!r}{place})"
    )
    return Subject(loss.name, loss.adapter, call, code, loss.off)


def find(loss: str, label: str, reference: str = "") -> Callable[..., Any]:
    """The canonical callable of the loss that the adapter column calls `label`."""
    return of(declared(loss, label, reference), reference).call


def declared(loss: str, label: str, reference: str = "") -> Loss:
    """The loss that the adapter column calls `label`; raises `LookupError` with the choices."""
    adapter = adapters.load(reference or label.partition(".")[0], loss)
    for candidate in adapter.losses:
        if (candidate.name, candidate.adapter) == (loss, label):
            return candidate
    choices = ", ".join(f"{candidate.adapter} {candidate.name}" for candidate in adapter.losses)
    raise LookupError(f"{label} has no {loss}; choose from {choices}")


def selected(selection: Selection) -> Iterator[tuple[Adapter, Loss, str]]:
    """The adapters' losses that a selection asks for, with the reference under which a user gave them (mostly none)."""
    given = {reference.rpartition(":")[2]: reference for reference in selection.adapters if ":" in reference}
    for key, adapter in suites.adapters_of(selection).items():
        for loss in adapter.losses:
            if selection.wants(loss.name, loss.adapter) or selection.wants(loss.name, key):
                yield adapter, loss, given.get(key, "")
