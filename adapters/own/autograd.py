"""From a call to its loss: reduction, the choice of a backend, and the functions that autograd sees.

A sum or mean is computed together with its gradient in one pass, and backward returns that gradient. In three cases
backward computes the gradient from the inputs instead, which are kept without a copy: in a second backward, for losses
per element, and for float16, where small gradients would be rounded to 0 before the loss scale multiplies them. The
gradient of a gradient is torch's own of the readable form.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual

from . import checks, eager, operators, readable
from .backends import backend_of, widest_row
from .loss_call import ROWS, SIGMOID, LossCall

HALF = (torch.bfloat16, torch.float16)
SMALLEST = torch.finfo(torch.float32).eps  # the least divisor, as on every device


def evaluate(call: LossCall, reduction: str, avg_factor: float | Tensor | None) -> Tensor:
    """The loss of a call, reduced; `losses.focal_loss` says how, and which errors are raised."""
    logits = call.logits
    checks.logits(logits.dtype)
    checks.reduction(reduction, avg_factor)
    if logits.dtype in HALF and torch.is_autocast_enabled(logits.device.type):
        # Autocast's losses are float32, as torch's own are: a float16 loss times a loss scale would overflow.
        call = replace(call, logits=logits.float()) if reduction == "none" else replace(call, result=torch.float32)
        logits = call.logits
    readable_form = _in_readable_form(call)
    if reduction == "none":
        if readable_form:
            return readable.evaluate(call).to(logits.dtype)
        if torch.compiler.is_compiling():
            return operators.each(call)
        return _Each.apply(logits, call) if _followed(logits) else backend_of(call).each(_contiguous(call))
    count = _count(call, reduction) if avg_factor is None else avg_factor
    divisor = count.detach().reshape(()) if isinstance(count, Tensor) and count.device == logits.device else None
    scale = 1.0 if divisor is not None else 1 / max(float(count), SMALLEST)
    if readable_form:
        return _readable_total(call, scale, divisor)
    if torch.compiler.is_compiling():
        return operators.total(call, scale, divisor)
    if _followed(logits):
        return _Total.apply(logits, call, scale, divisor)
    return backend_of(call).total(_contiguous(call), scale, divisor, False)[0]


def _count(call: LossCall, reduction: str) -> int:
    """What the sum is divided by: 1, or the number of elements or rows."""
    return 1 if reduction == "sum" else call.logits.numel() // (call.logits.shape[-1] if call.by_row else 1)


def _in_readable_form(call: LossCall) -> bool:
    """Whether the formulas are evaluated in the open, for torch to differentiate, vectorise or compile as it can.

    So are losses for which nobody wrote kernels and, under torch.compile, all that have none on this device.
    """
    if torch.compiler.is_compiling():
        return call.classes > widest_row(call.loss, call.logits.dtype, call.logits.device.type)
    return call.loss not in SIGMOID + ROWS


def _readable_total(call: LossCall, scale: float, divisor: Tensor | None) -> Tensor:
    """The sum of the losses times `scale` over `divisor`, as formulas that autograd follows."""
    return eager.over(readable.evaluate(call).sum() * scale, divisor).to(call.total_dtype)


def _followed(logits: Tensor) -> bool:
    """Whether a derivative can be asked for, in reverse or forward mode.

    Where none can, the backend is called directly, since autograd's own work takes longer than a small loss.
    """
    return (logits.requires_grad and torch.is_grad_enabled()) or unpack_dual(logits).tangent is not None


def _save(ctx: Any, call: LossCall, divisor: Tensor | None = None) -> None:
    ctx.save_for_backward(call.logits, call.targets, call.labels, call.weights, divisor)
    ctx.loss, ctx.parameters = call.loss, (call.power, call.alpha, call.result)


def _saved(ctx: Any) -> tuple[LossCall, Tensor | None]:
    *tensors, divisor = ctx.saved_tensors
    return LossCall(ctx.loss, *tensors, *ctx.parameters), divisor


def _contiguous(call: LossCall) -> LossCall:
    return call if call.logits.is_contiguous() else replace(call, logits=call.logits.contiguous())


class _Total(torch.autograd.Function):
    """The sum of the losses times `scale` over `divisor`."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, call: LossCall, scale: float, divisor: Tensor | None) -> Tensor:
        _save(ctx, call, divisor)
        together = ctx.needs_input_grad[0] and logits.dtype != torch.float16
        ctx.backend, ctx.scale = backend_of(call), scale
        value, ctx.gradient = ctx.backend.total(_contiguous(call), scale, divisor, together)
        return value

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor | None, ...]:
        gradient, ctx.gradient = ctx.gradient, None
        if torch.is_grad_enabled():
            call, divisor = _saved(ctx)
            gradient = _differentiable(_readable_total(call, ctx.scale, divisor), call, incoming)
        elif gradient is None:
            call, divisor = _saved(ctx)
            gradient = ctx.backend.gradient(_contiguous(call), incoming, ctx.scale, divisor)
        else:
            ctx.backend.multiply(gradient, incoming)
        return gradient, None, None, None


class _Each(torch.autograd.Function):
    """The loss of each element or row."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, call: LossCall) -> Tensor:
        _save(ctx, call)
        return backend_of(call).each(_contiguous(call))

    @staticmethod
    def backward(ctx: Any, incoming: Tensor) -> tuple[Tensor | None, ...]:
        call, _ = _saved(ctx)
        if torch.is_grad_enabled():
            return _differentiable(readable.evaluate(call).to(call.logits.dtype), call, incoming), None
        return backend_of(call).gradient(_contiguous(call), incoming.contiguous(), 1.0, None), None


def _differentiable(loss: Tensor, call: LossCall, incoming: Tensor) -> Tensor:
    return torch.autograd.grad(loss, call.logits, incoming, create_graph=True)[0]
