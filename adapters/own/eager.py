"""The backend without kernels: evaluates the formulas of `readable` and leaves their derivatives to torch.autograd."""

from __future__ import annotations

import sys
from dataclasses import replace

import torch
from torch import Tensor

from . import readable
from .loss_call import LossCall


def widest_row(loss: str, dtype: torch.dtype) -> int:
    """The most logits in a row that this backend takes: there is no limit."""
    return sys.maxsize


def takes(call: LossCall) -> bool:
    """Whether this backend does this call: it does all."""
    return True


def total(call: LossCall, scale: float, divisor: Tensor | None, with_gradient: bool) -> tuple[Tensor, Tensor | None]:
    """The sum of the losses times `scale` over `divisor`, and the gradient of that."""
    if not with_gradient:
        return over(readable.evaluate(call).sum() * scale, divisor).detach().to(call.total_dtype), None
    with torch.enable_grad():
        logits = call.logits.detach().requires_grad_()
        loss = over(readable.evaluate(replace(call, logits=logits)).sum() * scale, divisor)
        return loss.detach().to(call.total_dtype), torch.autograd.grad(loss, logits)[0]


def each(call: LossCall) -> Tensor:
    """The loss of each element or row."""
    return readable.evaluate(call).detach().to(call.logits.dtype)


def gradient(call: LossCall, incoming: Tensor, scale: float, divisor: Tensor | None) -> Tensor:
    """The gradient times `incoming` (one number, or one a loss) times `scale` over `divisor`."""
    with torch.enable_grad():
        logits = call.logits.detach().requires_grad_()
        loss = over((readable.evaluate(replace(call, logits=logits)) * incoming).sum() * scale, divisor)
        return torch.autograd.grad(loss, logits)[0]


def multiply(gradient: Tensor, incoming: Tensor) -> None:
    """The gradient times one number, in place."""
    gradient.mul_(incoming)


def over(total: Tensor, divisor: Tensor | None) -> Tensor:
    """A total divided by a number of elements or positives, by float32's eps at least: a total of 0 over 0 stays 0."""
    return total if divisor is None else total / divisor.clamp(min=torch.finfo(torch.float32).eps)
