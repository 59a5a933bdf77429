"""Which backend does a call: the kernels of its device, or the readable form where there are none for it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Protocol

import torch
from torch import Tensor

from . import cpu, eager
from .loss_call import LossCall


class Backend(Protocol):
    """What a module must have to compute losses: `cpu`, `gpu` and `eager` are the three there are."""

    def widest_row(self, loss: str, dtype: torch.dtype) -> int:
        """The most logits in a row that this backend takes, 0 where it has nothing for this loss and dtype."""

    def takes(self, call: LossCall) -> bool:
        """Whether this backend does this call."""

    def total(
        self, call: LossCall, scale: float, divisor: Tensor | None, with_gradient: bool
    ) -> tuple[Tensor, Tensor | None]:
        """The sum of the losses times `scale` over `divisor`, and the gradient of that."""

    def each(self, call: LossCall) -> Tensor:
        """The loss of each element or row."""

    def gradient(self, call: LossCall, incoming: Tensor, scale: float, divisor: Tensor | None) -> Tensor:
        """The gradient times `incoming` (one number, or one a loss) times `scale` over `divisor`."""

    def multiply(self, gradient: Tensor, incoming: Tensor) -> None:
        """The gradient times one number, in place."""


def backend_of(call: LossCall) -> Backend:
    """The backend that does this call."""
    kernels = _kernels(call.logits.device.type)
    return kernels if kernels is not None and call.logits.numel() and kernels.takes(call) else eager


@torch.compiler.assume_constant_result
def widest_row(loss: str, dtype: torch.dtype, device: str) -> int:
    """The most logits in a row that the kernels of a device take, 0 where there are none for this loss and dtype.

    Asked once, while torch.compile traces: it does not look inside.
    """
    kernels = _kernels(device)
    return 0 if kernels is None else kernels.widest_row(loss, dtype)


def _kernels(device: str) -> Backend | None:
    return cpu if device == "cpu" else _gpu() if device == "cuda" else None


@functools.cache
def _gpu() -> Backend | None:
    """The GPU's kernels, where Triton is installed; importing it takes seconds, so that it waits for a GPU's call."""
    if importlib.util.find_spec("triton") is None:
        return None
    return importlib.import_module(".gpu", __package__)
