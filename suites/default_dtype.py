"""torch's default dtype, in which detectors' heads make anchors, targets and zeros, for as long as a context lasts."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def default_dtype(name: str) -> Iterator[None]:
    """Make torch's default dtype that of `name`: float64 is only whole with it.

    >>> with default_dtype("float64"):
    ...     torch.zeros(1).dtype
    torch.float64
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        yield
    finally:
        torch.set_default_dtype(before)
