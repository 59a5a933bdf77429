"""One call of a loss: plain numbers in, plain numbers and a gradient out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
import torch

from focalbench_suite.adapters import CANONICAL


@dataclass(frozen=True)
class Output:
    """What a loss returned, and the gradient of the sum of it to the logits, as float64 arrays."""

    value: numpy.ndarray
    gradient: numpy.ndarray
    dtype: str


def tensors(loss: str, logits: Any, targets: Any, dtype: str, device: str = "cpu") -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (a leaf that requires its gradient) and targets; class indices are int64, all others have `dtype`."""
    kind = getattr(torch, dtype)
    index = CANONICAL[loss].inputs == "index"
    x = torch.tensor(numpy.asarray(logits), dtype=kind, device=device)
    y = torch.tensor(numpy.asarray(targets), dtype=torch.int64 if index else kind, device=device)
    return x.requires_grad_(), y


def prepared(parameters: dict[str, Any], dtype: str, device: str = "cpu") -> dict[str, Any]:
    """Parameters as a user passes them: class and row weights as tensors, numbers as they are."""
    kind = getattr(torch, dtype)
    return {
        name: torch.tensor(value, dtype=kind, device=device) if isinstance(value, (tuple, list)) else value
        for name, value in parameters.items()
    }


def evaluate(
    call: Callable[..., Any],
    loss: str,
    logits: Any,
    targets: Any,
    parameters: dict[str, Any],
    dtype: str,
    device: str = "cpu",
    *,
    strided: bool = False,
) -> Output:
    """Call once and go back once; `strided` passes the same numbers through a non-contiguous view.

    Raises `TypeError` where the loss returns no tensor or one without a gradient.
    """
    x, y = tensors(loss, logits, targets, dtype, device)
    given = (_strided(x), _strided(y)) if strided else (x, y)
    out = call(*given, **prepared(parameters, dtype, device))
    if not isinstance(out, torch.Tensor):
        raise TypeError(f"returned {type(out).__name__}, not a tensor")
    if not out.requires_grad:
        raise TypeError("the result has no gradient")
    out.sum().backward()
    gradient = torch.zeros_like(x) if x.grad is None else x.grad
    return Output(_numbers(out), _numbers(gradient), str(out.dtype).removeprefix("torch."))


def _strided(tensor: torch.Tensor) -> torch.Tensor:
    return torch.stack((tensor, tensor), dim=-1)[..., 0]


def _numbers(tensor: torch.Tensor) -> numpy.ndarray:
    return tensor.detach().cpu().double().numpy()
