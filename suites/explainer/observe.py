"""What a loss returns on many small calls: values and gradients as plain arrays, errors as text."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy
import torch


@dataclass(frozen=True)
class Seen:
    """One call. `value` is the sum of what was returned, `gradient` its gradient to the logits (None without one)."""

    value: float
    output: numpy.ndarray | None
    gradient: numpy.ndarray | None
    dtype: str = ""
    error: str = ""
    backward_error: str = ""

    @property
    def ok(self) -> bool:
        return not self.error


def see(
    call: Callable[..., torch.Tensor],
    logits: Any,
    targets: Any,
    parameters: dict[str, Any],
    dtype: torch.dtype = torch.float64,
    backward: bool = True,
) -> Seen:
    """Call once, and go back once; whatever is raised becomes the error's text."""
    x, y = _leaf(logits, dtype), _tensor(targets, dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            out = _call(call, x, y, tensors(parameters, dtype))
            output = out.detach().double().numpy().copy()
        except Exception as error:  # a user's function may raise anything
            return Seen(float("nan"), None, None, error=_text(error))
        gradient, failed = _gradient(out, x) if backward and out.requires_grad else (None, "")
    return Seen(float(output.sum()), output, gradient, str(out.dtype).removeprefix("torch."), backward_error=failed)


def _gradient(out: torch.Tensor, x: torch.Tensor) -> tuple[numpy.ndarray | None, str]:
    try:
        out.sum().backward()
    except Exception as error:  # so may its backward pass
        return None, _text(error)
    return numpy.zeros(tuple(x.shape)) if x.grad is None else x.grad.double().numpy(), ""


def _text(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def _call(call: Callable, x: torch.Tensor, y: torch.Tensor, parameters: dict) -> torch.Tensor:
    try:
        return call(x, y, **parameters)
    except RuntimeError as error:
        if "in-place operation" not in str(error):
            raise
        return call(x * 1.0, y, **parameters)  # it writes into its argument, which autograd forbids for a leaf


def _leaf(numbers: Any, dtype: torch.dtype) -> torch.Tensor:
    return exact_tensor(numbers).to(dtype).clone().requires_grad_()


def exact_tensor(numbers: Any) -> torch.Tensor:
    """Integers as int64 and all else as float64: 0.7 must not pass through float32."""
    return numbers if torch.is_tensor(numbers) else torch.as_tensor(numpy.asarray(numbers))


def _tensor(numbers: Any, dtype: torch.dtype) -> torch.Tensor:
    tensor = exact_tensor(numbers)
    return tensor.to(dtype).clone() if tensor.is_floating_point() else tensor.clone()


def tensors(parameters: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """Parameters as a user passes them: class and row weights as tensors, numbers as they are."""
    return {
        name: torch.tensor(value, dtype=dtype) if isinstance(value, (tuple, list)) else value
        for name, value in parameters.items()
    }
