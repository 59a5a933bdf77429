"""What is examined: one callable with canonical inputs, and the code that gets it in a pasted example."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL, Loss, Unsupported

NUMBERS = {  # by loss, the parameters that are one number
    loss: {p.name for p in canonical.parameters if p.is_number} for loss, canonical in CANONICAL.items()
}
WEIGHTS = {  # by loss, the parameters that are weights of each class or row; a user who says nothing has none
    loss: {p.name: None for p in canonical.parameters if p.role in ("class_weights", "row_weights")}
    for loss, canonical in CANONICAL.items()
}


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
        # an adapter's function has no defaults of its own
        given = WEIGHTS[loss.name] | loss.off | dict(loss.defaults) | parameters
        if undeclared := NUMBERS[loss.name] - given.keys():
            raise Unsupported(f"{loss.label} declares no default for {', '.join(sorted(undeclared))}")
        return loss.reduced(logits, loss.native(targets, classes), **given)

    place = f", {reference!r}" if reference else ""
    code = (
        f"from focalbench_suite.suites.agreement.subject import find\ncall = find({loss.name!r}, {loss.label!r}{place})"
    )
    return Subject(loss.name, loss.label, call, code, loss.off)


def find(loss: str, label: str, reference: str = "") -> Callable[..., Any]:
    """The canonical callable of the loss that the adapter column calls `label`."""
    return of(adapters.find(loss, label, reference), reference).call
