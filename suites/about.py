"""What the canon and the adapters say of every loss, as plain data for pages and bug reports."""

from __future__ import annotations

import importlib
import inspect

from focalbench_suite import adapters
from focalbench_suite.adapters import CANONICAL, Loss
from focalbench_suite.results.site import About


def every_loss() -> dict[tuple[str, str], About]:
    """By loss and label, each in the form in which the installed release is called; no library is imported.

    >>> said = every_loss()["focal", "kornia"]
    >>> said.source, said.origin
    ('arXiv:1708.02002 eq. 5', 'kornia.losses:binary_focal_loss_with_logits')
    """
    forms = (loss for adapter in adapters.discover().values() for loss in adapter.losses)
    return {(loss.name, loss.label): about(loss) for loss in forms}


def about(loss: Loss) -> About:
    """What is said of one loss: the first sentence of its file in the canon, and how its adapter calls it."""
    described = importlib.import_module(f"focalbench_suite.adapters.canon.{loss.name}").__doc__ or ""
    return About(described.partition("\n\n")[0].strip(), CANONICAL[loss.name].source, loss.origin or "", _call(loss))


def _call(loss: Loss) -> str:
    """The adapter's function without what registers it."""
    try:
        source = inspect.getsource(loss.call)
    except (OSError, TypeError):  # what was made by a call has no source of its own
        return ""
    return "def " + f"\n{source}".partition("\ndef ")[2].strip()
