"""The canon: what each loss is, one file a loss, found by being there.

A file states everything that the project knows of a loss: its name and the form of its inputs, its parameters with what
the paper recommends and what is tried besides, its source, the formula at 50 digits with its gradient, and the factors
of which the explainer takes an implementation to be made. Probes, scans, workloads, the explainer's questions and the
conformance tests are derived from it. A new loss is a new file here and nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil

from focalbench_suite.adapters.canon.definition import (
    Canonical,
    Factors,
    Parameter,
    Unsupported,
    native_targets,
)

__all__ = ["CANONICAL", "Canonical", "Factors", "Parameter", "Unsupported", "native_targets"]

TOOLS = ("arithmetic", "definition", "pairs")  # the files of this room that are no loss


def _found() -> dict[str, Canonical]:
    names = [module.name for module in pkgutil.iter_modules(__path__) if module.name not in TOOLS]
    losses = [importlib.import_module(f"{__name__}.{name}").LOSS for name in names]
    if wrong := [name for name, loss in zip(names, losses, strict=True) if loss.name != name]:
        raise ValueError(f"adapters/canon/{wrong[0]}.py must define the loss {wrong[0]}")
    return {loss.name: loss for loss in sorted(losses, key=lambda loss: loss.order)}


CANONICAL = _found()
